#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A backend goes down under load: clients of others notice nothing, connections it has stay with it,
# and it gets no new one; killed, it fails those alone that came before the checks knew. How long it
# got new ones is printed.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_health.sh
. "$(dirname "$0")/../../scripts/lab_health.sh"

INTERVAL_MS=200 FALL=3
lab_init
lab_topology one stable:3
lab_nginx "${LAB_BACKENDS[@]}"
{
	lab_config eth0
	LAB_KEYS="health_check: {type: http, path: /healthz, interval: ${INTERVAL_MS}ms, fall: $FALL}"
	lab_service web "$LAB_VIP4" 80/tcp connection stable
} >"$LAB_TMP/serin.yaml"
start_agent

served_by() {
	tail -n 1 "$LAB_TMP/hold" | jq ".by_backend[\"$1\"] // 0"
}
serves_all() {
	(($(served_by stable-1) >= 50 && $(served_by stable-2) >= 50 && $(served_by stable-3) >= 50))
}
goes_on() {
	(($(served_by "$1") > $2 + 200))
}
# watch_flows FILE: how many flows stable-2 has had, and microseconds, while there is FILE.on.
watch_flows() {
	while [[ -e $1.on ]]; do
		printf '%s %s\n' "$(backend_of stable-2 signals.flows)" "${EPOCHREALTIME/./}"
		sleep 0.01
	done >"$1"
}
grows() {
	(($(cut -d' ' -f1 "$1" | sort -u | wc -l) > 2))
}
last_growth_us() {
	awk 'NR > 1 && $1 > before {us = $2} {before = $1} END {print us}' "$1"
}
load_start "$LAB_TMP/hold" "$LAB_VIP4" 80 --count 300 --hold-ms 100 --report-ms 100
hold=$LAB_PID
lab_wait_for 10 serves_all
load_start "$LAB_TMP/short" "$LAB_VIP4" 80 --count 4000 --concurrency 8
short=$LAB_PID

# It says that it is not well, and serves whom it has: nothing fails.
rm "$LAB_TMP/stable-1/healthz"
wait_for_state stable-1 down
before=$(served_by stable-1)
expect "new connections to a backend that is down" "$(answers_of stable-1 500)" 0
lab_wait_for 10 goes_on stable-1 "$before"
printf 'well\n' >"$LAB_TMP/stable-1/healthz"
wait_for_state stable-1 up
load_stop "$short" "$LAB_TMP/short"
load_stop "$hold" "$LAB_TMP/hold"

# It dies: what it had breaks, the others' goes on.
load_start "$LAB_TMP/hold" "$LAB_VIP4" 80 --count 300 --hold-ms 100 --report-ms 100
hold=$LAB_PID
lab_wait_for 10 serves_all
load_start "$LAB_TMP/short" "$LAB_VIP4" 80 --seconds 60 --concurrency 2 --rate 500
short=$LAB_PID
touch "$LAB_TMP/flows.on"
watch_flows "$LAB_TMP/flows" &
watcher=$!
lab_wait_for 10 grows "$LAB_TMP/flows"
killed_us=${EPOCHREALTIME/./}
kill -9 "$(cat "$LAB_TMP/stable-2/pid")"
wait_for_state stable-2 down
expect "new connections to a backend that is dead" "$(answers_of stable-2 500)" 0
rm "$LAB_TMP/flows.on"
wait "$watcher"
lab_stop "$short"
printf 'the last new flow to a dead backend was seen %d ms after it was killed; %d checks in %d ms\n' \
	$((($(last_growth_us "$LAB_TMP/flows") - killed_us) / 1000)) "$FALL" $((FALL * INTERVAL_MS))
for name in stable-1 stable-3; do
	lab_wait_for 10 goes_on "$name" "$(served_by "$name")"
done
kill "$hold"
wait "$hold" || true
tail -n 1 "$LAB_TMP/hold" >"$LAB_TMP/summary"
jq -e '.failed <= .by_backend["stable-2"]' "$LAB_TMP/summary" >/dev/null ||
	fail "held connections: $(cat "$LAB_TMP/summary")"
