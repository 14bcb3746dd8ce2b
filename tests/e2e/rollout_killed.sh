#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An agent that is killed at any moment of a rollout goes on with it when it returns: no step is left out
# or done twice, each is held as long as it should be while somebody looks, what the judge was told is
# what the record says, no request fails, and it ends well.
#
# ROLLOUT_KILLS (30): how often. SEED: of the moments.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_rollout.sh
. "$(dirname "$0")/../../scripts/lab_rollout.sh"

KILLS=${ROLLOUT_KILLS:-30} HOLD_MS=2500 weights=(5 10 20 40 60)
lab_init
lab_topology one stable:1 canary:1
lab_nginx "${LAB_BACKENDS[@]}"
cat >"$LAB_TMP/hook" <<-END
	#!/bin/sh
	printf '%s\n' "\$SERIN_KEY" >>$LAB_TMP/keys
END
chmod +x "$LAB_TMP/hook"
steps=''
for weight in "${weights[@]}"; do
	steps+="{weight: $weight, hold: ${HOLD_MS}ms}, "
done
# It is not the judge that is tried: what it finds is kept, and not acted upon.
rollout_config "  careful:
    type: canary
    candidate: canary
    steps: [${steps%, }]
    finish: swap
    analysis: {initial_delay: 1s, dry_run: true}
    hooks: [{at: step, exec: [$LAB_TMP/hook]}, {at: promotion, exec: ['/bin/false']}]"
now_ms() {
	printf '%s' $((${EPOCHREALTIME/./} / 1000))
}
begun=$(now_ms)
rollout_agent
load_start "$LAB_TMP/load" "$LAB_VIP4" 80 --count 2000 --rate 200 --concurrency 16
load=$LAB_PID
rollout_start v2

# How far it is, by what is kept: phase, step, stage, how long. Where the hook says no there is no telling
# the last of them, for it is asked again.
position() {
	rollout_kept "SELECT json_array(json_extract(state, '\$.rollout.phase'),
		json_extract(state, '\$.rollout.step'), json_extract(state, '\$.rollout.stage'),
		json_extract(state, '\$.rollout.stage_ms')) FROM rollout" |
		jq -c --argjson count "${#weights[@]}" 'if .[1] == $count then .[:2] else . end'
}

printf 'seed %d\n' "${SEED:=$RANDOM}"
RANDOM=$SEED
for ((i = 0; i < KILLS; i++)); do
	sleep "$((RANDOM % 2)).$((RANDOM % 700 + 100))" # the moment is what is tried
	kill -9 "$ROLLOUT_AGENT"
	wait "$ROLLOUT_AGENT" 2>/dev/null || true
	printf '{"from": %s, "to": %s, "at": %s}\n' "$begun" "$(now_ms)" "$(position)" >>"$LAB_TMP/lives"
	sleep "0.$((RANDOM % 400 + 100))"
	begun=$(now_ms)
	rollout_agent
done
printf '{"from": %s}\n' "$begun" >>"$LAB_TMP/lives"
# The hook before promotion says no for ever: it waits there, with all steps done.
at_the_end() {
	[[ $(rollout_get '[.phase, (.why | contains("said no"))] | @csv') == '"promoting",true' ]]
}
(lab_wait_for 60 at_the_end) || fail "$(rollout_get '"\(.phase), step \(.step): \(.why)"')"
expect "weight" "$(rollout_weight canary)" "${weights[-1]}"
load_stop "$load" "$LAB_TMP/load"

rollout_ask services/web/rollout/record >"$LAB_TMP/record"
record() {
	jq -c "$1" "$LAB_TMP/record"
}
expect "steps" "$(record '[.transitions[] | select(.why | startswith("step ")).step]')" \
	"$(jq -nc "[range(${#weights[@]})]")"
expect "weights" "$(record '[.shifts[].after.canary]')" "[$(IFS=,; printf '%s' "${weights[*]}")]"
# What had been held before is not held again...
lives() {
	jq -cs "$1" "$LAB_TMP/lives"
}
expect "it never falls back" "$(lives '[.[:-1][].at] | . == sort')" true
# ... nor counted for longer than somebody looked, in each life and in each step; clocks are read in whole
# milliseconds.
expect "longer than it lived" "$(lives '[.[:-1], .[1:-1]] | transpose | map(select(.[1].at[3]) |
	.[1].at[3] - (if .[0].at[:3] == .[1].at[:3] then .[0].at[3] else 0 end) -
	(.[1].to - .[1].from) | select(. > 2))')" '[]'
jq -c --slurpfile lives "$LAB_TMP/lives" '[.transitions[] | select(.why | test("^(step |all steps)")).at_ms] |
	[.[:-1], .[1:]] | transpose | map(. as [$a, $b] | [$lives[] |
		[([.to // $b, $b] | min) - ([.from, $a] | max), 0] | max] | add)' \
	"$LAB_TMP/record" >"$LAB_TMP/held"
jq -e "length == ${#weights[@]} and all(. >= $HOLD_MS - 2 * $KILLS)" "$LAB_TMP/held" >/dev/null ||
	fail "held for less than $HOLD_MS ms: $(cat "$LAB_TMP/held")"
# What is asked again has the same key: there are as many as questions.
expect "keys of steps" "$(sort -u "$LAB_TMP/keys" | wc -l)" "${#weights[@]}"
# Evidence is of the very ticks that are in the record, up to a verdict.
expect "flows of the canary" "$(record '.kernel.totals.canary.flows')" \
	"$(record '.samples[:.kernel.ticks] | map(.pools.canary.flows) | add')"
jq -e '(.samples | length) == .kernel.ticks or (.kernel.verdict | IN("abort", "inconclusive"))' \
	"$LAB_TMP/record" >/dev/null || fail "evidence: $(record '[.kernel.ticks, (.samples | length)]')"
printf 'killed %d times, %d of them within steps; looked at each for %s ms; hooks were asked %d times for %d steps\n' \
	"$KILLS" "$(lives 'map(select(.at[3])) | length')" \
	"$(cat "$LAB_TMP/held")" "$(wc -l <"$LAB_TMP/keys")" "${#weights[@]}"
rollout_do abort >/dev/null
rollout_until 10 aborted
expect "weight" "$(rollout_weight canary)" 0
