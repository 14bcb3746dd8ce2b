#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Maps that are nearly full: the agent says so once each, and the metrics say how full they are.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

CLIENTS=2000 FLOWS=256 # of which the table has places for twice as many

lab_init
lab_topology one stable:1
lab_udp stable-1
{
	printf 'limits: {services: 1, backends: 8, flows: %d}\nidle: {udp: 600}\n' "$FLOWS"
	lab_config eth0
	lab_service web "$LAB_VIP4" 53/udp connection stable
} >"$LAB_TMP/serin.yaml"
lab_start lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" \
	agent -c "$LAB_TMP/serin.yaml" 2>"$LAB_TMP/agent.log"
said() {
	grep -q "the map $1 is nearly full" "$LAB_TMP/agent.log"
}
metric() {
	lab_in lb curl -sf --max-time 5 http://127.0.0.1:10717/metrics |
		sed -n "s/^serin_map_$1{map=\"$2\"} //p"
}
lab_wait_for 15 said services
expect "services" "$(metric entries services)/$(metric capacity services)" 1/1
expect "backends" "$(metric entries backends)/$(metric capacity backends)" 1/8
! said backends || fail "the agent says that eight places are full of one backend"

lab_in client "$LAB_BUILD/tests/tools/udp_load" --vip "$LAB_VIP4:53" --clients "$LAB_CLIENTS4" \
	--count "$CLIENTS" --rounds 1 >/dev/null
lab_wait_for 15 said flows4
expect_between "living flows" "$(metric entries flows4)" "$((FLOWS * 2 * 9 / 10))" "$((FLOWS * 2))"
for map in services flows4; do
	expect "how often the agent said so of $map" \
		"$(grep -c "the map $map is nearly full" "$LAB_TMP/agent.log")" 1
done
