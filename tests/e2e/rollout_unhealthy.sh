#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A release whose servers are down is given nothing: everything at once waits for one that is well, and
# says so, and no request fails.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_rollout.sh
. "$(dirname "$0")/../../scripts/lab_rollout.sh"

rollout_lab stable:1 canary:2
LAB_KEYS='health_check: {type: tcp, interval: 500ms, timeout: 400ms, fall: 2, rise: 2}' rollout_config \
	'  careful: {type: blue-green, candidate: canary, analysis: {kernel: false}, standby: 1s}'
rollout_spoil canary-1 drop
rollout_spoil canary-2 drop
rollout_agent

# states POOL
states() {
	serin status -o json |
		jq -c --arg pool "$1" '[.services[0].pools[] | select(.name == $pool).backends[].state]'
}
is_down() {
	[[ $(states canary) == '["down","down"]' && $(states stable) == '["up"]' ]]
}
lab_wait_for 20 is_down
rollout_load
rollout_start v2
rollout_waits() {
	[[ $(rollout_get .why) == 'waits for a healthy backend of canary' ]]
}
lab_wait_for 20 rollout_waits
expect "phase" "$(rollout_get .phase)" promoting
expect "weight" "$(rollout_weight canary)" 0
expect_exit 5 serin rollout promote web
expect_exit 5 serin rollout promote web --full
rollout_serves stable
expect "weight still" "$(rollout_weight canary)" 0

rollout_unspoil canary-2
rollout_until 30 promoted
expect "traffic" "$(serin status -o json | jq -c '.services[0] | [.primary, (.pools[] | select(.weight > 0).name)]')" \
	'["canary","canary"]'
rollout_load_stop
