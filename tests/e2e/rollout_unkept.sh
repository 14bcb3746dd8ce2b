#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Where nothing can be kept, a rollout goes on all the same, and above all can be taken back: without a
# database, and with one whose disk is full. There nothing new begins.
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
rollout_disk 300k

weighs() {
	[[ $(rollout_weight canary) == "$1" ]]
}
# abort_walked RELEASE: after all its steps.
abort_walked() {
	lab_wait_for 20 weighs 50
	rollout_do abort '"reason": "enough"' >/dev/null
	rollout_until 10 aborted
	expect "weight" "$(rollout_weight canary)" 0
	expect "steps of $1" "$(rollout_ask services/web/rollout/record |
		jq -c '[.transitions[] | select(.why | startswith("step ")).step]')" '[0,1,2]'
}

SERIN_STATE='' rollout_agent
grep -q 'rollouts are not kept' "$LAB_TMP/agent.log" || fail "it does not say so"
for release in v1 v2; do
	rollout_start "$release"
	abort_walked "$release"
done
expect "list" "$(rollout_ask rollouts | jq -c '[.rollouts[] | [.id, .release]]')" '[[2,"v2"],[1,"v1"]]'
lab_stop "$ROLLOUT_AGENT"

rollout_agent
rollout_start v3
rollout_fill_disk
rollout_refuses unavailable 'database cannot be written.*nothing was started' start '"release": "v4"'
abort_walked v3
rollout_refuses unavailable 'database cannot be written.*nothing was started' retry
expect "phase" "$(rollout_get .phase)" aborted
expect "how often it is said" "$(rollout_said 'serin.db cannot be written')" 1

# Room again: what was not kept is, and what was refused is taken.
rm "$ROLLOUT_DISK/rest"
lab_wait_for 20 rollout_is_kept v3
expect "how often it is said" "$(rollout_said 'is in use again')" 1
rollout_start v4
