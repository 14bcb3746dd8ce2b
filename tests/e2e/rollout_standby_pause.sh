#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Who wants no rollback gets a pause where a version turns bad in standby; and, going on all the same, is
# told again, also by an agent that was killed meanwhile.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_release.sh
. "$(dirname "$0")/../../scripts/lab_release.sh"

release_lab stable:1 canary:1
rollout_config '  careful: {type: blue-green, candidate: canary, standby: 10m, analysis: {on_failure: pause}}'
rollout_agent
rollout_load
lab_wait_for 30 rollout_is_known stable
rollout_start v2
rollout_until 20 standby
rollout_serves canary

is_bad() {
	rollout_until 60 paused
	expect "cause" "$(rollout_get .cause)" analysis
	rollout_get .why | grep -q '^kernel: abort: worse since promotion' || fail "$(rollout_get .why)"
	expect "weight" "$(rollout_weight canary)" 100
}
rollout_refuse canary-1 3
is_bad
kill -9 "$ROLLOUT_AGENT"
wait "$ROLLOUT_AGENT" 2>/dev/null || true
rollout_agent
is_bad
rollout_do resume >/dev/null
expect "phase, resumed" "$(rollout_get .phase)" standby
is_bad
rollout_do undo >/dev/null
rollout_until 10 undone
expect "weight" "$(rollout_weight canary)" 0
