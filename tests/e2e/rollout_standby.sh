#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What nobody minds while it stands by is promoted: at the end of its time, or by the next release, which
# goes to the pool that was left. A release that cannot begin takes the place of none.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_rollout.sh
. "$(dirname "$0")/../../scripts/lab_rollout.sh"

rollout_lab stable:1 canary:1
rollout_config '  careful: {type: blue-green, candidate: canary, analysis: {kernel: false}, standby: 10m}
  brief: {type: blue-green, candidate: canary, analysis: {kernel: false}, standby: 1s}
  misfit: {type: blue-green, candidate: green, analysis: {kernel: false}}'
rollout_agent
rollout_load
rollout_serves stable

rollout_start v2
rollout_until 20 standby
if rollout_do start '"release": "v3", "strategy": "misfit"' >"$LAB_TMP/out"; then
	fail "it began: $(cat "$LAB_TMP/out")"
fi
expect "error" "$(jq -r .error.code "$LAB_TMP/out")" invalid
expect "who stands by" "$(rollout_get '"\(.release) \(.phase)"')" 'v2 standby'

rollout_serves canary
rollout_start v3 '"strategy": "brief"'
expect "candidate of v3" "$(rollout_get .candidate)" stable
expect "v2" "$(rollout_ask 'services/web/rollout?id=1' | jq -r '"\(.phase): \(.why)"' | grep -o '^.*supersede')" \
	'promoted: supersede'
rollout_until 20 promoted
expect "v3" "$(rollout_get .why)" 'nothing was found in standby'
rollout_serves stable
rollout_load_stop
expect "turns" "$(rollout_turns)" 'stable canary stable'
