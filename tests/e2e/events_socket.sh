#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Events over the agent's socket: the list is the command line's, each of several who follow gets
# every event as it happens, and who leaves is forgotten.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_events.sh
. "$(dirname "$0")/../../scripts/lab_events.sh"

lab_init
events_topology
lab_start lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" agent -c "$LAB_TMP/serin.yaml" \
	2>"$LAB_TMP/agent.log"
agent=$LAB_PID
api() {
	curl -sNf --unix-socket "$SERIN_SOCKET" "http://serin/api/v1/events$1"
}
lab_wait_for 10 api ''
# Of its log and its clients, the socket's own files are the agent's.
connections() {
	find "/proc/$agent/fd" -lname 'socket:*' | wc -l
}
before=$(connections)
followers=()
for name in one two three; do
	lab_start lb curl -sN -D "$LAB_TMP/$name.head" --unix-socket "$SERIN_SOCKET" \
		"http://serin/api/v1/events?follow=1&service=tight" >"$LAB_TMP/$name"
	followers+=("$LAB_PID")
	lab_wait_for 5 grep -q ' 200 ' "$LAB_TMP/$name.head"
done
has_event() {
	ask || true
	[[ -s $LAB_TMP/one ]]
}
lab_wait_for 20 has_event
# Each reader works out the time for itself, to a microsecond or two.
same() {
	local name
	api '' | jq -c '.events[] | del(.time)' >"$LAB_TMP/list"
	for name in one two three; do
		[[ $(jq -c 'del(.time)' "$LAB_TMP/$name") == "$(<"$LAB_TMP/list")" ]] || return 1
	done
}
lab_wait_for 10 same
expect "the list" "$(<"$LAB_TMP/list")" "$(serin events -o json | jq -c 'del(.time)')"
expect "kind" "$(head -n 1 "$LAB_TMP/list" | jq -r .kind)" ports_exhausted
for pid in "${followers[@]}"; do
	lab_stop "$pid"
done
forgotten() {
	(($(connections) <= before))
}
lab_wait_for 20 forgotten
lab_stop "$agent"
! grep -E 'level=error' "$LAB_TMP/agent.log" || fail "the agent complains"
