#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Where nothing can be kept, rollouts go on all the same, and above all can be taken back: without a
# database, and with one whose disk is full or cannot be written.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_rollout.sh
. "$(dirname "$0")/../../scripts/lab_rollout.sh"

rollout_lab stable:1 canary:1
rollout_config '  careful:
    type: canary
    candidate: canary
    steps: [{weight: 10, hold: 1s}, {weight: 20, hold: 1s}, {weight: 50, hold: 10m}]
    analysis: {kernel: false}'
disk=$LAB_TMP/state
mkdir "$disk"
mount -t tmpfs -o size=300k tmpfs "$disk"
trap 'status=$?; umount -l "$disk"; (exit "$status"); lab_cleanup' EXIT

weighs() {
	[[ $(rollout_weight canary) == "$1" ]]
}
# walk_and_abort RELEASE
walk_and_abort() {
	rollout_start "$1"
	lab_wait_for 20 weighs 50
	rollout_do abort '"reason": "enough"' >/dev/null
	rollout_until 10 aborted
	expect "weight" "$(rollout_weight canary)" 0
	expect "steps of $1" "$(rollout_ask services/web/rollout/record |
		jq -c '[.transitions[] | select(.why | startswith("step ")).step]')" '[0,1,2]'
}

SERIN_STATE='' rollout_agent
grep -q 'rollouts are not kept' "$LAB_TMP/agent.log" || fail "it does not say so"
walk_and_abort v1
walk_and_abort v2
expect "list" "$(rollout_ask rollouts | jq -c '[.rollouts[] | [.id, .release]]')" '[[2,"v2"],[1,"v1"]]'
lab_stop "$ROLLOUT_AGENT"

rollout_agent
rollout_start v3
! dd if=/dev/zero of="$disk/rest" bs=4k 2>/dev/null || fail "the disk is endless"
cannot_keep() {
	grep -q 'cannot be written: .*full.*rollout goes on' "$LAB_TMP/agent.log"
}
lab_wait_for 20 cannot_keep
walk_and_abort v4 # in the place of v3
expect "how often it is said" "$(grep -c 'cannot be written' "$LAB_TMP/agent.log")" 1

# Room again: what was not kept is.
rm "$disk/rest"
lab_wait_for 20 grep -q 'is in use again' "$LAB_TMP/agent.log"
is_kept() {
	expect "transitions" "$(rollout_ask services/web/rollout/record | jq '.transitions | length')" \
		"$(/usr/bin/python3 - "$disk/serin.db" <<-'END'
			import sqlite3, sys
			db = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True)
			print(db.execute("SELECT count(*) FROM rollout_transition JOIN rollout ON rollout.id ="
			      " rollout WHERE release = 'v4' AND ended_ms IS NOT NULL").fetchone()[0])
		END
		)"
}
lab_wait_for 20 eval '(is_kept)'
