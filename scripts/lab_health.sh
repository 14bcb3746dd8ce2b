# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Owns what end-to-end tests of health checks share. Sourced after scripts/lab.sh.

# shellcheck source=scripts/lab_agent.sh
. "${BASH_SOURCE[0]%/*}/lab_agent.sh"

backend_of() {
	serin status -o json |
		jq -r --arg a "${LAB_ADDR4[$1]}" ".services[].pools[].backends[] | select(.address == \$a).$2"
}

state_of() {
	backend_of "$1" state
}

is_in_state() {
	[[ $(state_of "$1") == "$2" ]]
}

has_health() {
	[[ $(backend_of "$1" health) == "$2" ]]
}

wait_for_state() {
	lab_wait_for 15 is_in_state "$1" "$2"
}

wait_for_health() {
	lab_wait_for 15 has_health "$1" "$2"
}

# answers_of BACKEND COUNT: of so many connections of clients.
answers_of() {
	load "$LAB_VIP4" 80 --count "$2" --passes 1 | jq -e --arg b "$1" \
		'if .failed == 0 then .by_backend[$b] // 0 else error end'
}

metric() {
	lab_in lb curl -sf --max-time 5 http://127.0.0.1:10717/metrics |
		awk -v name="$1" 'index($0, name " ") == 1 {print $NF}'
}

has_logged() {
	grep -q "$1" "$LAB_TMP/agent.log"
}

logged() {
	lab_wait_for 10 has_logged "$1"
}
