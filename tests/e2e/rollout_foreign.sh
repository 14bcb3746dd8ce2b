#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Somebody who sets a weight by hand pauses a rollout, is named, and keeps the weight until somebody
# resumes; what the judge had found until then is kept bit for bit. A new release takes the place of the one
# under way.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_rollout.sh
. "$(dirname "$0")/../../scripts/lab_rollout.sh"

rollout_lab stable:1 canary:1
rollout_config '  careful:
    type: canary
    candidate: canary
    steps: [{weight: 10, hold: 10m}, {weight: 50, hold: 10m}]
    analysis: {dry_run: true}
  bold: {type: canary, candidate: canary, steps: [{weight: 40, hold: 10m}], analysis: {kernel: false}}
  misfit: {type: canary, candidate: green, steps: [{weight: 1}], analysis: {kernel: false}}'
rollout_agent

rollout_start v2
expect "weight" "$(rollout_weight canary)" 10
rollout_load
has_evidence() { rollout_get .kernel.totals | jq -e '.canary.flows > 0 and .baseline.flows > 0'; }
lab_wait_for 20 has_evidence
serin weight web canary=33 --reason "just looking" >/dev/null
rollout_until 10 paused
expect "cause" "$(rollout_get .cause)" foreign
rollout_get .why | grep -q 'weight by root (just looking)' || fail "$(rollout_get .why)"
expect "weight while it is paused" "$(rollout_weight canary)" 33

# Paused is paused over the agent's death, too; and so is what was found.
kill_agent() {
	kill -9 "$ROLLOUT_AGENT"
	wait "$ROLLOUT_AGENT" 2>/dev/null || true
}
evidence() {
	rollout_kept 'SELECT hex(evidence) FROM rollout'
	rollout_get .kernel
}
evidence >"$LAB_TMP/evidence"
kill_agent
rollout_agent
expect "phase after a restart" "$(rollout_get .phase)" paused
expect "weight after a restart" "$(rollout_weight canary)" 33
evidence | cmp - "$LAB_TMP/evidence" || fail "the evidence is another"
rollout_load_stop

# Evidence that cannot be read takes no release with it.
kill_agent
/usr/bin/python3 - "$SERIN_STATE" <<-'END'
	import sqlite3, sys
	with sqlite3.connect(sys.argv[1]) as db:
	    db.execute("UPDATE rollout SET evidence = x'00'")
END
rollout_agent
expect "phase without evidence" "$(rollout_get .phase)" paused
expect "evidence" "$(rollout_get .kernel)" null
grep -q 'is gathered anew' "$LAB_TMP/agent.log" || fail "$(tail -n 5 "$LAB_TMP/agent.log")"
rollout_do resume >/dev/null
rollout_until 10 stepping
expect "weight, resumed" "$(rollout_weight canary)" 10

# Whoever resumes at once goes on, whether or not anybody had looked at that weight.
serin weight web canary=44 >/dev/null
rollout_do resume >"$LAB_TMP/out" || fail "$(cat "$LAB_TMP/out")"
rollout_until 10 stepping
expect "weight, resumed at once" "$(rollout_weight canary)" 10

# The same once more, as a job does that is tried again: nothing happens to it.
expect_exit 5 serin rollout start web --release v2 --reason again
grep -q 'v2 by careful is under way already: rollout 1 is stepping' "$LAB_TMP/out" ||
	fail "$(cat "$LAB_TMP/out")"
expect "the one under way" "$(rollout_get '"\(.id) \(.phase)"')" '1 stepping'
expect "its weight" "$(rollout_weight canary)" 10

# Another release: the one before is taken back first, and both records tell.
rollout_start v3 '"strategy": "bold"'
expect "weight of v3" "$(rollout_weight canary)" 40
expect "rollouts" "$(rollout_ask rollouts | jq -c '[.rollouts[] | [.id, .release, .phase]]')" \
	'[[2,"v3","stepping"],[1,"v2","superseded"]]'
rollout_get '.transitions[0].why' | grep -q 'in the place of rollout 1 (v2)' ||
	fail "$(rollout_get .transitions)"
rollout_ask 'services/web/rollout?id=1' | jq -r '.transitions[].why' | grep -q 'v3 takes its place' ||
	fail "$(rollout_ask 'services/web/rollout?id=1')"
rollout_ask services/web/rollout/record | jq -e \
	'[.shifts[] | [.before.canary, .after.canary]] == [[0, 40]]' >/dev/null ||
	fail "$(rollout_ask services/web/rollout/record | jq -c .shifts)"

rollout_ask 'services/web/rollout/record?id=1' | jq -e '[.shifts[].after.canary] == [10, 33, 10, 44, 10, 0]' \
	>/dev/null || fail "$(rollout_ask 'services/web/rollout/record?id=1' | jq -c '[.shifts[].after]')"

# Orders that make no sense change nothing, and say why.
refuse() {
	if rollout_do "${@:2}" >"$LAB_TMP/out"; then fail "it did: ${*:2}"; fi
	expect "${*:2}: $(jq -r .error.message "$LAB_TMP/out")" "$(jq -r .error.code "$LAB_TMP/out")" "$1"
}
refuse invalid start
refuse invalid start '"release": "v4", "strategy": "none"'
refuse invalid start '"release": "v4", "strategy": "misfit"'
refuse invalid start '"release": "v4", "strategy": "bald"'
jq -r .error.message "$LAB_TMP/out" | grep -q "did you mean 'bold'" || fail "$(cat "$LAB_TMP/out")"
refuse invalid jump
refuse conflict undo
refuse conflict abort '"id": 1'
expect "weight of v3 still" "$(rollout_weight canary)" 40

# Nothing loaded: it waits, and says so; loaded again, it goes on.
rollout_do abort '"reason": "enough", "id": 2' >/dev/null
expect "phase" "$(rollout_get .phase)" aborted
expect "weight" "$(rollout_weight canary)" 0
