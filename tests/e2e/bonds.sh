#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A bond of two NICs, native: traffic goes on when one of them fails; a part alone is refused.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_need_link type bond
lab_topology one stable:2 canary:1
lab_nginx "${LAB_BACKENDS[@]}"
head -c 4M /dev/urandom >"$LAB_TMP/big"
lab_link lb eth1 front lb-second
lab_in switch "$LAB_BUILD/tests/tools/xdp_pass" lb-second
ip -n "$LAB-lb" address flush dev eth0

# bond MODE: of both NICs, with the load balancer's addresses.
bond() {
	ip -n "$LAB-lb" -batch - <<-END
		link set eth0 down
		link set eth1 down
		link add bond0 type bond mode $1 miimon 50
		link set eth0 master bond0
		link set eth1 master bond0
		link set bond0 up
		address add 10.0.0.1/24 dev bond0
		address add 10.0.1.1/24 dev bond0
		route add $LAB_CLIENTS4 via 10.0.0.2
	END
}

# config INTERFACE: of the one service.
config() {
	lab_config "$1"
	lab_service web "$LAB_VIP4" 80/tcp client canary=25 stable
}
config eth0 >"$LAB_TMP/part.yaml"
config bond0 >"$LAB_TMP/serin.yaml"
bond balance-alb # spreads by what XDP does not know
for verb in check apply; do
	expect_exit 2 serin "$verb" "$LAB_TMP/part.yaml"
	grep -q 'eth0: is a part of the bond bond0.*Write bond0 instead' "$LAB_TMP/out" ||
		fail "$verb does not say why: $(cat "$LAB_TMP/out")"
done
expect "pins left" "$(lab_pins)" ""
expect_exit 1 serin apply "$LAB_TMP/serin.yaml"
grep -q 'bond0: the bond refuses native XDP' "$LAB_TMP/out" ||
	fail "does not say why: $(cat "$LAB_TMP/out")"
ip -n "$LAB-lb" link del bond0
bond active-backup

# whole WHEN: every backend answers, and a download is intact.
whole() {
	local summary got
	summary=$(load "$LAB_VIP4" 80 --count 500 --requests 1000)
	expect_clean "$summary"
	expect "backends that answered $1" "$(jq '.by_backend | length' <<<"$summary")" 3
	got=$(lab_in client curl -sf --max-time 60 "http://$LAB_VIP4/big" | sha256sum)
	expect "the big file's checksum $1" "$got" "$(sha256sum <"$LAB_TMP/big")"
}
active() {
	ip -n "$LAB-lb" -j -d link show bond0 | jq -r '.[0].linkinfo.info_data.active_slave'
}
serin apply "$LAB_TMP/serin.yaml"
expect mode "$(serin status -o json | jq -r '.interfaces[0].mode')" native
whole before
first=$(active)
ip -n "$LAB-lb" link set "$first" down
is_other_active() {
	[[ $(active) == eth? && $(active) != "$first" ]]
}
lab_wait_for 10 is_other_active
whole "after $first failed"
