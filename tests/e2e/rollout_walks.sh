#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A good release walks to 100 % by itself, step by step, and no request fails. All that it did is in its
# record.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_rollout.sh
. "$(dirname "$0")/../../scripts/lab_rollout.sh"

rollout_lab stable:2 canary:2
rollout_config '  careful:
    type: canary
    candidate: canary
    steps: [{weight: 10, hold: 2s}, {ramp: {to: 30, over: 3s}}, {weight: 50, hold: 2s}, {pause: manual}]
    analysis: {initial_delay: 1s}
    standby: 1s'
rollout_agent
load_start "$LAB_TMP/load" "$LAB_VIP4" 80 --count 2000 --rate 300 --concurrency 16
load=$LAB_PID

rollout_start v2 '"reason": "a good one"'
expect "weight of the first step, at once" "$(rollout_weight canary)" 10
rollout_until 30 paused
expect "cause" "$(rollout_get .cause)" step
expect "weight before the pause" "$(rollout_weight canary)" 50
rollout_do resume >/dev/null
rollout_until 30 promoted
expect "traffic" "$(serin status -o json | jq -c '[.services[0].pools[] | select(.weight > 0).name]')" \
	'["canary"]'
load_stop "$load" "$LAB_TMP/load"

rollout_ask services/web/rollout/record >"$LAB_TMP/record"
jq -e '.release == "v2" and .reason == "a good one" and .ended_ms > .started_ms and .who == "root"' \
	"$LAB_TMP/record" >/dev/null || fail "$(cat "$LAB_TMP/record")"
# The agent's log counts them as people do.
sed -n 's/.* to=stepping step=\([0-9]*\) .*/\1/p' "$LAB_TMP/agent.log" | uniq >"$LAB_TMP/steps"
expect "steps in the log" "$(paste -sd ' ' "$LAB_TMP/steps")" '1 2 3 4'
# Each step once, in order.
expect "steps" "$(jq -c '[.transitions[] | select(.to == "stepping").step] | unique' "$LAB_TMP/record")" \
	'[0,1,2,3]'
expect "samples in order" "$(jq '.samples | (length > 3) and (map(.at_ms) | . == sort)' "$LAB_TMP/record")" true
jq -e '[.samples[].pools.canary.flows] | add > 100' "$LAB_TMP/record" >/dev/null ||
	fail "$(jq -c .samples "$LAB_TMP/record")"
jq -e '.shifts | length >= 4 and all(.who == "rollout by root")' "$LAB_TMP/record" >/dev/null ||
	fail "$(jq -c .shifts "$LAB_TMP/record")"
expect "list" "$(rollout_ask rollouts | jq -c '[.rollouts[] | [.id, .release, .phase]]')" \
	'[[1,"v2","promoted"]]'
