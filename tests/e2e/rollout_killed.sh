#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An agent that is killed at any moment of a rollout goes on with it when it returns: no step is left out
# or done twice, each is held as long as it should be, no request fails, and it ends well.
#
# ROLLOUT_KILLS (12): how often.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_rollout.sh
. "$(dirname "$0")/../../scripts/lab_rollout.sh"

KILLS=${ROLLOUT_KILLS:-12} HOLD_MS=3000
lab_init
lab_topology one stable:1 canary:1
lab_nginx "${LAB_BACKENDS[@]}"
cat >"$LAB_TMP/hook" <<-END
	#!/bin/sh
	printf '%s\n' "\$SERIN_KEY" >>$LAB_TMP/keys
END
chmod +x "$LAB_TMP/hook"
steps='' weights=(5 10 20 30 40 60)
for weight in "${weights[@]}"; do
	steps+="{weight: $weight, hold: ${HOLD_MS}ms}, "
done
rollout_config "  careful:
    type: canary
    candidate: canary
    steps: [${steps%, }]
    finish: swap
    analysis: {initial_delay: 1s}
    hooks: [{at: step, exec: [$LAB_TMP/hook]}, {at: promotion, exec: ['/bin/false']}]"
rollout_agent
load_start "$LAB_TMP/load" "$LAB_VIP4" 80 --count 2000 --rate 200 --concurrency 16
load=$LAB_PID
rollout_start v2

printf 'seed %d\n' "${SEED:=$RANDOM}"
RANDOM=$SEED
for ((i = 0; i < KILLS; i++)); do
	sleep "$((RANDOM % 2)).$((RANDOM % 1000 + 1000))" # the moment is what is tried
	kill -9 "$ROLLOUT_AGENT"
	wait "$ROLLOUT_AGENT" 2>/dev/null || true
	rollout_agent
done
# The hook before promotion says no for ever: it waits there, with all steps done.
at_the_end() {
	[[ $(rollout_get '[.phase, (.why | contains("said no"))] | @csv') == '"promoting",true' ]]
}
lab_wait_for 60 at_the_end
expect "weight" "$(rollout_weight canary)" 60
load_stop "$load" "$LAB_TMP/load"

rollout_ask services/web/rollout/record >"$LAB_TMP/record"
record() {
	jq -c "$1" "$LAB_TMP/record"
}
expect "steps" "$(record '[.transitions[] | select(.why | startswith("step ")).step]')" \
	'[0,1,2,3,4,5]'
expect "weights" "$(record '[.shifts[].after.canary]')" "[$(IFS=,; printf '%s' "${weights[*]}")]"
expect "holds of $HOLD_MS ms or more" "$(record "[.transitions[] | select(.why | test(\"^(step |all steps)\")) |
	.at_ms] | [.[:-1], .[1:]] | transpose | map(.[1] - .[0] >= $HOLD_MS) | unique")" '[true]'
# What is asked again has the same key: there are as many as questions.
expect "keys of steps" "$(sort -u "$LAB_TMP/keys" | wc -l)" "${#weights[@]}"
printf 'killed %d times; hooks were asked %d times for %d steps\n' "$KILLS" \
	"$(wc -l <"$LAB_TMP/keys")" "${#weights[@]}"
rollout_do abort >/dev/null
rollout_until 10 aborted
expect "weight" "$(rollout_weight canary)" 0
