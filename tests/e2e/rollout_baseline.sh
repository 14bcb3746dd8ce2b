#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A baseline gets as much as the canary at each step, and is what the canary is compared with. Where it is
# unlike production nothing is concluded: hosts or the split are biased. It stops, and nobody is taken back.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_release.sh
. "$(dirname "$0")/../../scripts/lab_release.sh"

release_lab stable:1 canary:1 baseline:1
rollout_config '  careful:
    type: canary
    candidate: canary
    baseline: baseline
    steps: [{weight: 10, hold: 1s}, {weight: 20, hold: 1s}, {weight: 30, hold: 10m}]
    analysis: {alpha: 0.0001}' baseline=0
rollout_agent
rollout_load

rollout_start v2
on_the_last() {
	[[ $(rollout_get .step) == 2 ]]
}
lab_wait_for 30 on_the_last
expect "shifts" "$(rollout_ask services/web/rollout/record | jq -c '[.shifts[].after | [.canary, .baseline]]')" \
	'[[10,10],[20,20],[30,30]]'
expect "weights" "$(for pool in stable canary baseline; do rollout_weight "$pool"; done | paste -sd,)" 40,30,30
compares() {
	rollout_ask services/web/rollout | jq -e '.kernel.totals | .canary.flows > 50 and .baseline.flows > 50'
}
lab_wait_for 20 compares
expect "sampled" "$(rollout_ask services/web/rollout/record |
	jq -c '[.samples[].pools | keys] | add | unique')" '["baseline","canary","production"]'

# Both hosts of the release refuse as many, those of production none.
rollout_refuse baseline-1 2
rollout_refuse canary-1 2
rollout_until 60 paused
expect "cause" "$(rollout_get .cause)" inconclusive
expect "verdict" "$(rollout_get '.kernel | "\(.verdict): \(.reason)"')" 'inconclusive: A/A alarm'
rollout_get .why | grep -q 'kernel: no answer: inconclusive: A/A alarm (failures)' || fail "$(rollout_get .why)"
expect "weights, stopped" "$(rollout_weight canary), $(rollout_weight baseline)" '30, 30'
rollout_do abort >/dev/null
rollout_until 10 aborted
expect "weights, aborted" "$(rollout_weight canary), $(rollout_weight baseline)" '0, 0'
