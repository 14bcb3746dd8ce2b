#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# doctor: says what would stop Serin here, by name, and nothing where it would run; and it agrees
# with apply.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology one stable:1 canary:1
config() {
	lab_config eth0
	LAB_KEYS=${1:-} lab_service web "${2:-$LAB_VIP4}" 80/tcp connection canary=25 stable
}
config >"$LAB_TMP/serin.yaml"
config $'forwarding: ipip\nsource_addresses: [10.9.0.0/24]' "$LAB_VIP6" |
	sed -E 's/"2001:db8:b::([0-9]+)", port: .*/10.0.1.\1}/' >"$LAB_TMP/tunnel.yaml"

# doctor STATUS ARGUMENT...: its findings are in $LAB_TMP/out then.
doctor() {
	expect_exit "$1" serin doctor -o json "${@:2}"
}
# expect_level CHECK WHERE LEVEL
expect_level() {
	expect "$1 $2" "$(jq -r --arg c "$1" --arg w "$2" \
		'[.findings[] | select(.check == $c and .where == $w).level] | unique[]' \
		"$LAB_TMP/out")" "$3"
}
# expect_remedy CHECK WHERE: what doctor says to do is run, and then it is content.
take_remedy() {
	local remedy
	remedy=$(jq -r --arg c "$1" --arg w "$2" \
		'.findings[] | select(.check == $c and .where == $w)["do"]' "$LAB_TMP/out")
	remedy=${remedy#*: }
	[[ $remedy == "ip link set dev eth0 "* ]] || fail "remedy of $1: $remedy"
	read -ra remedy <<<"${remedy%% (*}"
	lab_in lb "${remedy[@]}"
}

doctor 0 "$LAB_TMP/serin.yaml"
expect "what would stop a healthy host" "$(jq '.summary.stop' "$LAB_TMP/out")" 0
for check in kernel-version bpf-features program-load capabilities bpffs pins memory forwarding \
	backends; do
	expect_level "$check" "" ok
done
expect "pins left" "$(lab_pins)" ""
serin doctor "$LAB_TMP/serin.yaml" >"$LAB_TMP/table"
tail -n 1 "$LAB_TMP/table" | grep -q '^0 would stop Serin' || fail "$(cat "$LAB_TMP/table")"
expect_exit 2 serin doctor "$LAB_TMP/none.yaml"

lab_in lb "$LAB_BUILD/tests/tools/xdp_pass" eth0
doctor 3 "$LAB_TMP/serin.yaml"
expect_level xdp-foreign eth0 stop
grep -q xdp_pass "$LAB_TMP/out" || fail "does not name the program: $(cat "$LAB_TMP/out")"
expect_exit 1 serin apply "$LAB_TMP/serin.yaml"
doctor 3 "$LAB_TMP/serin.yaml"
take_remedy xdp-foreign eth0
doctor 0 "$LAB_TMP/serin.yaml"

ip -n "$LAB-lb" link set dev eth0 mtu 1290
doctor 3 "$LAB_TMP/tunnel.yaml"
expect_level tunnel-mtu 10.0.1.11 stop
take_remedy tunnel-mtu 10.0.1.11
expect_exit 0 serin doctor -o json "$LAB_TMP/tunnel.yaml"
expect_level tunnel-mtu 10.0.1.11 slow
ip -n "$LAB-lb" link set dev eth0 mtu 1500

ip -n "$LAB-stable-1" link set eth0 down
ip -n "$LAB-lb" neigh flush dev eth0
doctor 3 "$LAB_TMP/serin.yaml"
expect_level backend-neighbour 10.0.1.11 stop
expect_level backend-neighbour 10.0.1.21 ""
ip -n "$LAB-stable-1" link set eth0 up

sed 's/\[eth0\]/[eth0, eth9]/' "$LAB_TMP/serin.yaml" >"$LAB_TMP/missing.yaml"
doctor 3 "$LAB_TMP/missing.yaml"
expect_level interface eth9 stop
expect_exit 3 lab_in lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/no/serin" doctor -o json
expect_level bpffs "" stop
mkdir "$LAB_TMP/plain"
expect_exit 3 lab_in lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/plain" doctor -o json
expect_level bpffs "" stop

serin apply "$LAB_TMP/serin.yaml"
doctor 0
expect_level xdp-program eth0 ok
expect_exit 0 lab_in lb setpriv --reuid=65534 --clear-groups "$LAB_BUILD/serin" doctor -o json
expect_level capabilities "" note
