#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Blue-green with a canary before it: a trickle, and nothing more of what is bad; what is good gets
# everything at once then, and no request fails.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_release.sh
. "$(dirname "$0")/../../scripts/lab_release.sh"

release_lab stable:1 canary:1
rollout_config '  careful:
    type: blue-green
    candidate: canary
    steps: [{weight: 10, hold: 1s}, {pause: manual}]
    analysis: {alpha: 0.0001}
    standby: 1s'
rollout_agent

rollout_refuse canary-1 1
rollout_load
rollout_start v2
rollout_until 60 aborted
expect "shifts of a bad one" "$(rollout_shifts)" '[10,0]'
lab_stop "$ROLLOUT_LOAD"
rollout_unspoil canary-1

rollout_load
rollout_start v3
rollout_until 20 paused
expect "cause" "$(rollout_get .cause)" step
expect "trickle" "$(rollout_weight canary)" 10
rollout_serves stable
rollout_do resume >/dev/null
rollout_until 20 promoted
rollout_serves canary
rollout_load_stop
expect "shifts" "$(rollout_shifts)" '[10,100]'
