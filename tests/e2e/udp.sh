#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# UDP over both families: every datagram is answered, and shifts move no conversation.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology one stable:2 canary:1
lab_udp "${LAB_BACKENDS[@]}"
{
	lab_config eth0
	lab_service dns4 "$LAB_VIP4" 53/udp connection canary=25 stable
	lab_service dns6 "$LAB_VIP6" 53/udp connection canary=25 stable
} >"$LAB_TMP/serin.yaml"
serin apply "$LAB_TMP/serin.yaml"

# talk FILE VIP CLIENTS: in the background
talk() {
	lab_start client "$LAB_BUILD/tests/tools/udp_load" --vip "$2" --clients "$3" \
		--count 1000 --rounds 20 --pause-ms 100 >"$1"
}
talk "$LAB_TMP/four" "$LAB_VIP4:53" "$LAB_CLIENTS4"
four=$LAB_PID
talk "$LAB_TMP/six" "[$LAB_VIP6]:53" "$LAB_CLIENTS6"
six=$LAB_PID
for weight in 100 0 50; do
	serin weight dns4 canary=$weight >/dev/null
	serin weight dns6 canary=$weight >/dev/null
	sleep 0.3 # spreads the shifts over the conversations
done
wait "$four" || fail "IPv4: $(cat "$LAB_TMP/four")"
wait "$six" || fail "IPv6: $(cat "$LAB_TMP/six")"

for family in four six; do
	expect_clean "$(cat "$LAB_TMP/$family")"
	expect "answers" "$(jq .requests "$LAB_TMP/$family")" 20000
done
expect "conversations" "$(serin status -o json | jq '[.services[].pools[].signals.flows] | add')" 2000
