#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A NIC that runs someone else's XDP program: apply refuses, names it, and leaves it alone.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology one stable:1
lab_nginx "${LAB_BACKENDS[@]}"
{
	lab_config eth0
	lab_service web "$LAB_VIP4" 80/tcp connection stable
} >"$LAB_TMP/serin.yaml"
lab_in lb "$LAB_BUILD/tests/tools/xdp_pass" eth0
program() {
	ip -n "$LAB-lb" -j -d link show dev eth0 | jq '.[0].xdp.prog.id'
}
foreign=$(program)

expect_exit 1 serin apply "$LAB_TMP/serin.yaml"
grep -q eth0 "$LAB_TMP/out" || fail "does not say which NIC: $(cat "$LAB_TMP/out")"
grep -q xdp_pass "$LAB_TMP/out" || fail "does not name the program: $(cat "$LAB_TMP/out")"
expect "the program on the NIC" "$(program)" "$foreign"
expect "pins left" "$(lab_pins)" ""

ip -n "$LAB-lb" link set dev eth0 xdp off
serin apply "$LAB_TMP/serin.yaml"
expect "answer" "$(lab_in client curl -sf --max-time 3 "http://$LAB_VIP4/")" "stable stable-1"
