#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Blue-green: chosen clients alone see the new version, and it is analysed so; then everybody does, at
# once. Undone while it stands by, the old one has everybody again, at once. No request fails.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_rollout.sh
. "$(dirname "$0")/../../scripts/lab_rollout.sh"

LAB_KEYS='targets: [{source: 10.1.200.0/24, pool: canary}]'
rollout_lab stable:1 canary:1
cd "$LAB_TMP"
rollout_config "  careful:
    type: blue-green
    candidate: canary
    steps: [{analysis: 10m}]
    standby: 10m
    analysis:
      kernel: false
      interval: 1s
      inconclusive_limit: 10000
      prometheus: {url: 'http://127.0.0.1:9090/moody'}
      metrics: [{name: errors, query: errors, max: 1}]"
rollout_agent
mood() {
	printf '%s' "$1" >mood.new
	mv mood.new mood
}
mood NaN
lab_start lb python3 "$LAB_ROOT/tests/tools/lying_prometheus.py" 9090 >asked
is_inconclusive() {
	[[ $(rollout_get .metrics.why) == *'finds no number'* ]]
}
# previews RELEASE: until the analysis is asked.
previews() {
	mood NaN
	rollout_start "$1"
	lab_wait_for 20 is_inconclusive
	expect "phase" "$(rollout_get '"\(.phase), \(.stage)"')" 'stepping, analyse'
	expect "weight of a preview" "$(rollout_weight canary)" 0
	expect "who previews" "$(lab_in client curl -s --interface 10.1.200.7 "http://$LAB_VIP4/")" \
		'canary canary-1'
}
rollout_load

previews v2
mood 2
rollout_until 20 aborted
rollout_serves stable
expect "shifts of a bad preview" "$(rollout_shifts)" '[]'

previews v3
mood 0.5
rollout_until 20 standby
expect "primary" "$(serin status -o json | jq -r '.services[0].primary')" canary
expect "weights" "$(rollout_weight canary), $(rollout_weight stable)" '100, 0'
expect "the old one's backends" "$(rollout_get '.pools[] | select(.name == "stable").backends[].state')" up
rollout_get .left_ms | jq -e '. > 0 and . <= 600000' >/dev/null || fail "left: $(rollout_get .left_ms)"
rollout_serves canary

rollout_do undo >/dev/null
rollout_until 10 undone
flows=$(rollout_flows canary)
expect "primary" "$(serin status -o json | jq -r '.services[0].primary')" stable
rollout_serves stable
expect "new connections since" "$(rollout_flows canary)" "$flows"
rollout_load_stop
expect "turns" "$(rollout_turns)" 'stable canary stable'
