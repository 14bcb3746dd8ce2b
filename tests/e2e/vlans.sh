#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# VLANs upon a NIC: clients and backends on different ones, one of them with two tags; and what of
# them cannot be, is refused.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_need_link type vlan id 10
lab_topology one stable:2 canary:1
# Tags stand in frames, as on a wire.
in_band() {
	lab_in "$1" ethtool -K "$2" txvlan off rxvlan off tx-vlan-stag-hw-insert off >/dev/null
}
for name in client lb "${LAB_BACKENDS[@]}"; do
	in_band "$name" eth0
done
for port in client lb-front "${LAB_BACKENDS[@]}"; do
	in_band switch "$port"
done

# vlan HOST UPON NAME PROTOCOL ID [ADDRESS]
vlan() {
	ip -n "$LAB-$1" link add link "$2" name "$3" up type vlan protocol "$4" id "$5"
	[[ -z ${6:-} ]] || ip -n "$LAB-$1" address add "$6" dev "$3"
}
# Clients are on VLAN 20, backends on 10, and stable-2 on 31 within 30.
vlan lb eth0 eth0.20 802.1q 20 10.20.0.1/24
vlan lb eth0 eth0.10 802.1q 10 10.10.0.1/24
vlan lb eth0 eth0.30 802.1ad 30
vlan lb eth0.30 eth0.30.31 802.1q 31 10.31.0.1/24
vlan client eth0 eth0.20 802.1q 20 10.20.0.2/24
ip -n "$LAB-client" route replace default via 10.20.0.1
ip -n "$LAB-lb" route replace "$LAB_CLIENTS4" via 10.20.0.2
for name in stable-1 canary-1; do
	LAB_ADDR4[$name]=10.10.0.${LAB_ADDR4[$name]##*.}
	vlan "$name" eth0 eth0.10 802.1q 10 "${LAB_ADDR4[$name]}/24"
	ip -n "$LAB-$name" route replace default via 10.10.0.1
done
LAB_ADDR4[stable-2]=10.31.0.12
vlan stable-2 eth0 eth0.30 802.1ad 30
vlan stable-2 eth0.30 eth0.30.31 802.1q 31 10.31.0.12/24
ip -n "$LAB-stable-2" route replace default via 10.31.0.1
lab_nginx "${LAB_BACKENDS[@]}"
head -c 4M /dev/urandom >"$LAB_TMP/big"

# config INTERFACES: of the one service.
config() {
	printf 'version: 1\ninterfaces: %s\nservices:\n' "$1"
	lab_service web "$LAB_VIP4" 80/tcp client canary=25 stable
}
config '[eth0]' >"$LAB_TMP/serin.yaml"

# refused INTERFACES WORD...: by check and by apply, with these words.
refused() {
	local verb word
	config "$1" >"$LAB_TMP/wrong.yaml"
	for verb in check apply; do
		expect_exit 2 serin "$verb" "$LAB_TMP/wrong.yaml"
		for word in "${@:2}"; do
			grep -qF -- "$word" "$LAB_TMP/out" ||
				fail "$verb of $1 does not say '$word': $(cat "$LAB_TMP/out")"
		done
	done
}
refused '[eth0.10]' 'eth0.10: is a VLAN' 'Write eth0 instead' '{name: eth0.10, mode: generic}'
refused '[eth0, {name: eth0.10, mode: generic}]' 'is a VLAN upon eth0, which is in'
expect "pins left" "$(lab_pins)" ""

serin apply "$LAB_TMP/serin.yaml"
summary=$(load "$LAB_VIP4" 80 --count 500 --requests 1000)
expect_clean "$summary"
expect "backends that answered" "$(jq '.by_backend | length' <<<"$summary")" 3
got=$(lab_in client curl -sf --max-time 60 "http://$LAB_VIP4/big" | sha256sum)
expect "the big file's checksum" "$got" "$(sha256sum <"$LAB_TMP/big")"
expect "dropped" "$(serin status -o json | jq '.verdicts.no_next_hop')" 0

# A NIC that takes tags off before XDP sees them is warned of.
lab_in lb ethtool -K eth0 rxvlan on
serin apply "$LAB_TMP/serin.yaml" 2>"$LAB_TMP/out"
grep -q 'ethtool -K eth0 rxvlan off' "$LAB_TMP/out" || fail "no warning: $(cat "$LAB_TMP/out")"
lab_in lb ethtool -K eth0 rxvlan off

# One tag too many.
vlan lb eth0.30.31 three 802.1q 32 10.32.0.1/24
sed 's/10.31.0.12/10.32.0.12/' "$LAB_TMP/serin.yaml" >"$LAB_TMP/three.yaml"
expect_exit 2 serin apply "$LAB_TMP/three.yaml"
grep -q 'three, whose frames have 3 VLAN tags on eth0' "$LAB_TMP/out" ||
	fail "does not say why: $(cat "$LAB_TMP/out")"

# A VLAN by itself, in generic mode.
config '[{name: eth0.10, mode: generic}, {name: eth0.20, mode: generic},
  {name: eth0.30.31, mode: generic}]' >"$LAB_TMP/generic.yaml"
serin apply "$LAB_TMP/generic.yaml"
expect_clean "$(load "$LAB_VIP4" 80 --count 500 --requests 1000)"
