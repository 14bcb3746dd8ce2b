#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A release that was promoted is undone; and `flows: reset` ends the candidate's connections with a
# rollback, those of production go on.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_rollout.sh
. "$(dirname "$0")/../../scripts/lab_rollout.sh"

rollout_lab stable:1 canary:1
rollout_config '  careful:
    type: canary
    candidate: canary
    steps: [{weight: 50, hold: 10m}]
    analysis: {kernel: false}
    flows: reset
  hasty: {type: blue-green, candidate: canary, analysis: {kernel: false}, standby: 1s}'
rollout_agent
rollout_start v2

# Sixty connections, each asked who answers, and again after the release was taken back.
mkfifo "$LAB_TMP/go"
lab_start client /usr/bin/python3 "$LAB_ROOT/tests/tools/ask_again.py" "$LAB_VIP4" 60 "$LAB_TMP/go" \
	>"$LAB_TMP/held"
holder=$LAB_PID
said() { (($(wc -l <"$LAB_TMP/held") == $1)); }
lab_wait_for 10 said 1
rollout_do abort '"reason": "no good"' >/dev/null
rollout_until 20 aborted
echo >"$LAB_TMP/go"
lab_wait_for 10 said 2
lab_stop "$holder"
tail -n 1 "$LAB_TMP/held" | jq -e '."canary-reset" > 0 and ."stable-stable" > 0 and length == 2' ||
	fail "held: $(cat "$LAB_TMP/held")"

# Everything at once, and back: no request fails.
load_start "$LAB_TMP/load" "$LAB_VIP4" 80 --count 2000 --rate 200 --concurrency 16
load=$LAB_PID
traffic() {
	serin status -o json | jq -c '.services[0] | [.primary, (.pools[] | select(.weight > 0).name)]'
}
rollout_start v3 '"strategy": "hasty"'
rollout_until 20 promoted
expect "promoted" "$(traffic)" '["canary","canary"]'
rollout_do undo >/dev/null
rollout_until 20 undone
expect "undone" "$(traffic)" '["stable","stable"]'
load_stop "$load" "$LAB_TMP/load"
