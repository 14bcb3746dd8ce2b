#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Hundreds of clients that are slow, send garbage, or bodies without end, by TCP and by the socket
# itself, while an operator shifts: each shift is answered and in force, and the agent's own work
# goes on, health checks too.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_health.sh
. "$(dirname "$0")/../../scripts/lab_health.sh"

SHIFTS=60
lab_init
lab_topology one stable:1 canary:1
lab_nginx "${LAB_BACKENDS[@]}"
{
	lab_config eth0
	LAB_KEYS='health_check: {type: http, path: /healthz, interval: 200ms}'
	lab_service web "$LAB_VIP4" 80/tcp client canary=0 stable
} >"$LAB_TMP/serin.yaml"
start_agent
epoch=$(serin status -o json | jq '.services[0].epoch')
memory_kb() {
	awk '/^VmRSS/ {print $2}' "/proc/$agent/status"
}
# checks pass|fail POOL. /metrics is full of hostile clients, the socket has room for an operator.
checks() {
	curl -sf --max-time 5 --unix-socket "$SERIN_SOCKET" http://serin/metrics |
		awk -v name="serin_health_checks_total{service=\"web\",pool=\"$2\",result=\"$1\"}" \
			'index($0, name " ") == 1 {print $NF}'
}
has_passed() { # POOL TIMES
	(($(checks pass "$1") >= $2))
}
before_kb=$(memory_kb)
lab_start lb "$LAB_ROOT/tests/tools/hostile_clients.py" 127.0.0.1 10717 "$SERIN_SOCKET" \
	>"$LAB_TMP/hostile"
lab_wait_for 10 grep -q ready "$LAB_TMP/hostile"
passed=("$(checks pass stable)" "$(checks pass canary)")
load_start "$LAB_TMP/load" "$LAB_VIP4" 80 --seconds 60
load=$LAB_PID

for ((i = 1; i <= SHIFTS; i++)); do
	code=$(curl -s --max-time 10 -o "$LAB_TMP/body" -w '%{http_code} %{time_total}' \
		--unix-socket "$SERIN_SOCKET" -d "{\"weights\": {\"canary\": $i}, \"expect_epoch\": $((
			epoch + i - 1))}" http://serin/api/v1/services/web/weights) || true
	expect "shift $i" "${code% *} $(jq -c .epoch "$LAB_TMP/body")" "200 $((epoch + i))"
	printf '%s\n' "${code#* }" >>"$LAB_TMP/times"
	# Its own work, too: a neighbour that is lost is asked for again.
	if ((i == SHIFTS / 2)); then
		lab_in lb ip neigh flush dev eth0
	fi
done
all_up() {
	serin status -o json | jq -e '[.services[].pools[].backends[].state] == ["up", "up"]'
}
lab_wait_for 20 all_up
# They pass while the hostile clients are there, and none has failed.
lab_wait_for 20 has_passed stable $((passed[0] + 10))
lab_wait_for 20 has_passed canary $((passed[1] + 10))
for pool in stable canary; do
	expect "failed checks of $pool" "$(checks fail $pool)" 0
done
printf 'slowest of %d shifts: %s s\n' "$SHIFTS" "$(sort -n "$LAB_TMP/times" | tail -n 1)"
load_stop "$load" "$LAB_TMP/load"
((before_kb + 32768 > $(memory_kb))) || fail "memory: $before_kb kB, then $(memory_kb)"
kill -0 "$agent" || fail "the agent is gone: $(tail -5 "$LAB_TMP/agent.log")"
