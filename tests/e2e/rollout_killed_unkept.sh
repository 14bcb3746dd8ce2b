#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An agent that is killed when it has done something, and before it could write that down: the one after it
# knows its own kind's hand. What was taken back stays so, at exactly 0 %; what went on too far goes on
# from what is kept; and nobody is taken for somebody else.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_rollout.sh
. "$(dirname "$0")/../../scripts/lab_rollout.sh"

lab_init
lab_topology one stable:1 canary:1
lab_nginx "${LAB_BACKENDS[@]}"
rollout_config '  careful:
    type: canary
    candidate: canary
    steps: [{weight: 10, hold: 10m}, {weight: 50, hold: 10m}]
    analysis: {kernel: false}
    finish: swap
    standby: 10m'
rollout_agent

# Nobody else writes to the database until unlock.
lock() {
	lab_start lb /usr/bin/python3 -c '
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
db.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
time.sleep(600)' "$SERIN_STATE" >"$LAB_TMP/lock"
	lock=$LAB_PID
	lab_wait_for 30 grep -q locked "$LAB_TMP/lock"
}
unlock() {
	lab_stop "$lock"
	rm "$LAB_TMP/lock"
}
weighs() {
	[[ $(rollout_weight canary) == "$1" ]]
}
kept_phase() {
	rollout_kept "SELECT json_extract(state, '\$.rollout.phase') FROM rollout ORDER BY id DESC LIMIT 1"
}
# do_and_die COMMAND WEIGHT: the command is in force, and its agent dead before it is kept.
do_and_die() {
	local before asked
	before=$(kept_phase)
	lock
	rollout_do "$1" >/dev/null 2>&1 &
	asked=$!
	lab_wait_for 20 weighs "$2"
	kill -9 "$ROLLOUT_AGENT"
	wait "$ROLLOUT_AGENT" 2>/dev/null || true
	wait "$asked" || true
	expect "phase that is kept" "$(kept_phase)" "$before"
	unlock
	rollout_agent
}
says_why() {
	rollout_get '.transitions[].why' | grep -q 'killed before it could say why' ||
		fail "$(rollout_get .transitions)"
}

rollout_start v1
expect "weight" "$(rollout_weight canary)" 10
do_and_die abort 0
rollout_until 10 aborted
expect "weight, aborted" "$(rollout_weight canary)" 0
says_why

# One step too far: it is at the one before, and nobody has to resume it.
rollout_start v2
do_and_die promote 50
lab_wait_for 10 weighs 10
expect "where it is" "$(rollout_get '[.phase, .step, .stage] | @csv')" '"stepping",0,"hold"'
rollout_do promote >/dev/null
lab_wait_for 10 weighs 50
rollout_do 'promote full' >/dev/null
rollout_until 10 standby
expect "weight in standby" "$(rollout_weight canary)" 100
do_and_die undo 0
rollout_until 10 undone
expect "weight, undone" "$(rollout_weight canary)" 0
says_why

# One that had ended.
rollout_start v3
rollout_do 'promote full' >/dev/null
rollout_until 10 standby
rollout_do promote >/dev/null
rollout_until 10 promoted
do_and_die undo 0
rollout_until 10 undone
expect "weight, undone after its end" "$(rollout_weight canary)" 0
says_why

# Nothing begins that could not be taken up, nor is another one taken back for it.
rollout_start v4
lock
if rollout_do start '"release": "v5"' >"$LAB_TMP/out"; then fail "it began: $(cat "$LAB_TMP/out")"; fi
expect "error" "$(jq -r .error.code "$LAB_TMP/out")" unavailable
grep -q 'database cannot be written' "$LAB_TMP/out" || fail "$(cat "$LAB_TMP/out")"
expect "rollout" "$(rollout_get '[.release, .phase] | @csv')" '"v4","stepping"'
unlock
rollout_start v5
expect "rollouts" "$(rollout_ask rollouts | jq -c '[.rollouts[] | [.release, .phase]]')" \
	'[["v5","stepping"],["v4","superseded"],["v3","undone"],["v2","undone"],["v1","aborted"]]'
