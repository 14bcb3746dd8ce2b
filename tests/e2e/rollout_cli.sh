#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# rollout's verbs against a real agent: who waits hears of each transition, over a restart of the agent,
# and gets an exit code by how it ended; the screen and the reports tell what happened.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_rollout.sh
. "$(dirname "$0")/../../scripts/lab_rollout.sh"

rollout_lab stable:2 canary:1
rollout_config '  careful:
    type: canary
    candidate: canary
    steps: [{weight: 10, hold: 1s}, {pause: manual}, {weight: 50, hold: 10m}]
    analysis: {kernel: false}
    standby: 0s'
expect_exit 4 serin rollout status web
rollout_agent
expect_exit 2 serin rollout status web
expect_exit 2 serin rollout start web
expect_exit 2 serin rollout start web --release v2 --strategy nothing

# await LOG TEXT
await() {
	lab_wait_for 20 grep -qF -- "$2" "$1"
}
serin rollout start web --release v2 --reason weekly --wait >"$LAB_TMP/waits" 2>&1 &
waits=$!
await "$LAB_TMP/waits" '-> paused'
serin rollout status web >"$LAB_TMP/screen"
for line in '^phase  *paused (step), step 2/3' '^begun .*: weekly' 'canary  *candidate: v2 1/1 up *10 %' \
	'serin rollout resume web'; do
	grep -q "$line" "$LAB_TMP/screen" || fail "no \"$line\" in: $(cat "$LAB_TMP/screen")"
done
expect "what can be done" "$(serin rollout status web -o json | jq -c .can)" \
	'["resume","promote","promote full","abort"]'
expect_exit 5 serin rollout undo web
expect_exit 5 serin rollout resume web --id 99

# Who waits for a paused one need not wait for ever.
expect_exit 1 serin rollout status web -w --timeout 1s
expect_exit 2 serin rollout status web -w --timeout soon

# What would be is said, and nothing is done.
would() {
	serin rollout "${@:2}" --dry-run >"$LAB_TMP/out" || fail "exit $?: $*"
	grep -q "$1" "$LAB_TMP/out" || fail "no \"$1\" in: $(cat "$LAB_TMP/out")"
}
before=$(serin rollout status web -o json | jq -c '[.id, .phase, .step, .weight, (.transitions | length)]')
would 'v9 would begin by careful (canary, .*rollout 1 (v2, paused) would be taken back' start web --release v9 --wait
would 'abort: web of v2 would be rolling back, and is paused' abort web
would 'promote full: web of v2 would be promoting' promote web --full
expect_exit 5 serin rollout undo web --dry-run
expect_exit 5 serin rollout start web --release v2 --dry-run
expect "after all that" "$(serin rollout status web -o json |
	jq -c '[.id, .phase, .step, .weight, (.transitions | length)]')" "$before"

# The agent goes, and comes back; who waits goes on waiting.
kill -9 "$ROLLOUT_AGENT"
wait "$ROLLOUT_AGENT" || true
await "$LAB_TMP/waits" 'the agent does not answer'
rollout_agent
serin rollout resume web >"$LAB_TMP/out"
await "$LAB_TMP/waits" 'paused -> stepping'
serin rollout promote web --full >"$LAB_TMP/out"
wait "$waits" || fail "exit $? of a promoted one: $(cat "$LAB_TMP/waits")"
expect "weight" "$(rollout_weight canary)" 100
serin rollout status web >"$LAB_TMP/screen"
grep -q 'serin rollout undo web' "$LAB_TMP/screen" || fail "$(cat "$LAB_TMP/screen")"

serin rollout start web --release v3 >"$LAB_TMP/out"
# It is v3 that is meant now, by all that is said.
serin rollout status web --id 1 >"$LAB_TMP/screen"
! grep -q 'rollout undo' "$LAB_TMP/screen" || fail "undo is offered for v2: $(cat "$LAB_TMP/screen")"
expect "taken back" "$(serin rollout status web -o json | jq -r .candidate)" stable
serin rollout status web >"$LAB_TMP/screen"
for line in 'candidate: v3' 'production: v2'; do
	grep -q "$line" "$LAB_TMP/screen" || fail "no \"$line\" in: $(cat "$LAB_TMP/screen")"
done
serin rollout status web -w >"$LAB_TMP/watched" 2>&1 &
watches=$!
serin rollout abort web --reason "too <b>hot" >"$LAB_TMP/out"
status=0
wait "$watches" || status=$?
expect "exit of an aborted one" "$status" 3
grep -qF 'too <b>hot' "$LAB_TMP/watched" || fail "$(cat "$LAB_TMP/watched")"
expect "list" "$(serin rollout list web -o json | jq -c '[.rollouts[] | [.release, .phase]]')" \
	'[["v3","aborted"],["v2","promoted"]]'
serin rollout list | grep -q 'v3  *careful  *aborted' || fail "$(serin rollout list)"

serin rollout report web -o html >"$LAB_TMP/page"
! grep -qiE 'https?:|<script|<link|<b>hot' "$LAB_TMP/page" || fail "the page asks for more than itself"
serin rollout report web --id 1 -o md | head -n 1 | grep -q 'web: release v2 promoted' ||
	fail "$(serin rollout report web --id 1)"
serin rollout report web --id 1 -o json | jq -e '.shifts | length > 1' >/dev/null || fail "no shifts"
