#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A release that has no traffic until somebody is asked is aborted with `flows: drain`: the candidate's
# connections go on for that long, then they are reset. Hooks are asked at the start, and told of the way back
# and of the end; a retry asks anew.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_rollout.sh
. "$(dirname "$0")/../../scripts/lab_rollout.sh"

rollout_lab stable:1 canary:1
cat >"$LAB_TMP/program" <<-END
	#!/bin/sh
	printf '%s %s\n' "\$SERIN_MOMENT" "\$SERIN_KEY" >>$LAB_TMP/told
END
chmod +x "$LAB_TMP/program"
rollout_config "  careful:
    type: canary
    candidate: canary
    steps: [{weight: 50, hold: 10m}]
    analysis: {deadline: 2s}
    flows: drain
    drain: 5s
    hooks:
      - {at: start, exec: [$LAB_TMP/program]}
      - {at: rollback, exec: [$LAB_TMP/program]}
      - {at: end, exec: [$LAB_TMP/program]}"
rollout_agent

rollout_start v2
# Nobody comes: somebody is asked, and it stays where it is.
rollout_until 40 paused
expect "cause" "$(rollout_get '"\(.cause): \(.why)"')" 'deadline: there is no traffic'
expect "weight while nobody comes" "$(rollout_weight canary)" 50

mkfifo "$LAB_TMP/go"
lab_start client /usr/bin/python3 "$LAB_ROOT/tests/tools/ask_again.py" "$LAB_VIP4" 60 "$LAB_TMP/go" \
	>"$LAB_TMP/held"
holder=$LAB_PID
held() { (($(wc -l <"$LAB_TMP/held") == $1)); }
# again NUMBER: all are asked once more; what is said.
again() {
	[[ $1 == 1 ]] || echo >"$LAB_TMP/go"
	lab_wait_for 10 held "$1"
	tail -n 1 "$LAB_TMP/held"
}
again 1 | jq -e '."canary-canary" > 10 and ."stable-stable" > 10' >/dev/null || fail "$(cat "$LAB_TMP/held")"

rollout_do abort '"reason": "no good"' >/dev/null
expect "phase" "$(rollout_get .phase)" 'rolling back'
expect "weight" "$(rollout_weight canary)" 0
again 2 | jq -e '."canary-canary" > 10 and length == 2' >/dev/null || fail "not left: $(cat "$LAB_TMP/held")"
rollout_until 30 aborted
again 3 | jq -e '."canary-reset" > 10 and ."stable-stable" > 10 and length == 2' >/dev/null ||
	fail "not reset: $(cat "$LAB_TMP/held")"
lab_stop "$holder"

told() { grep -c "^$1 " "$LAB_TMP/told"; }
has_heard() { [[ $(told "$1") == "$2" ]]; }
lab_wait_for 10 has_heard end 1
expect "told of the way back" "$(told rollback)" 1

# Once more from the start, with a question of its own.
keys() { grep '^start ' "$LAB_TMP/told" | sort -u | wc -l; }
before=$(keys)
serin rollout retry web --reason 'mended' >/dev/null
rollout_until 20 stepping
expect "weight, tried again" "$(rollout_weight canary)" 50
expect "questions" "$(keys)" $((before + 1))
rollout_do abort >/dev/null
rollout_until 30 aborted
lab_wait_for 10 has_heard end 2
