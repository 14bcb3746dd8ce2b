#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The agent may die at any moment: packets go on, and when it returns it takes up what runs. A file
# it is told to read again is applied if it is right, and else changes nothing.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_agent.sh
. "$(dirname "$0")/../../scripts/lab_agent.sh"

lab_init
lab_topology one stable:2 canary:1
lab_nginx "${LAB_BACKENDS[@]}"
{
	lab_config eth0
	lab_service web "$LAB_VIP4" 80/tcp client canary=5 stable
} >"$LAB_TMP/serin.yaml"
count_up() {
	serin status -o json | jq '[.services[].pools[].backends[] | select(.state == "up")] | length'
}
has_up() {
	[[ $(count_up) == "$1" ]]
}

start_agent # which applies the file, for nothing is loaded
load_start "$LAB_TMP/load" "$LAB_VIP4" 80 --count 2000 --concurrency 16
load=$LAB_PID
serin weight web canary=40 >/dev/null
for _ in 1 2 3; do
	kill -9 "$agent"
	wait "$agent" 2>/dev/null || true
	start_agent
	expect "weight after the agent's return" \
		"$(serin status -o json | jq '.services[0].pools[0].weight | round')" 40
done

sed -i "/${LAB_ADDR4[stable-2]}/d" "$LAB_TMP/serin.yaml"
kill -HUP "$agent"
lab_wait_for 5 has_up 2
printf 'nonsense\n' >>"$LAB_TMP/serin.yaml"
errors=$(grep -c 'level=error' "$LAB_TMP/agent.log" || true)
said_so() {
	(($(grep -c 'level=error' "$LAB_TMP/agent.log") > errors))
}
kill -HUP "$agent"
lab_wait_for 5 said_so
expect "backends up" "$(count_up)" 2
answers_ready >/dev/null

load_stop "$load" "$LAB_TMP/load"
