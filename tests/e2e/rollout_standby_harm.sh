#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A version that gets bad when it has everything is taken back by itself, by what the kernel sees, and
# the old one has everybody again.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_release.sh
. "$(dirname "$0")/../../scripts/lab_release.sh"

release_lab stable:1 canary:1
rollout_config '  careful: {type: blue-green, candidate: canary, standby: 10m}'
rollout_agent
rollout_load
lab_wait_for 30 rollout_is_known stable
rollout_start v2
rollout_until 20 standby
rollout_serves canary
rollout_serves canary
expect "phase of what is well" "$(rollout_get .phase)" standby

rollout_refuse canary-1 3
rollout_until 60 undone
jq -e '.kernel.verdict == "abort" and .kernel.reason == "worse since promotion" and
	any(.transitions[]; .from == "standby" and .to == "rolling back" and
		(.why | startswith("kernel: abort: worse since promotion (failures)")))' \
	<(rollout_ask services/web/rollout/record) >/dev/null || fail "$(rollout_get .)"
printf '%s\n' "$(rollout_get .why)"
expect "traffic" "$(serin status -o json |
	jq -c '.services[0] | [.primary, (.pools[] | select(.weight > 0).name)]')" '["stable","stable"]'
flows=$(rollout_flows canary)
rollout_serves stable
expect "new connections since" "$(rollout_flows canary)" "$flows"
