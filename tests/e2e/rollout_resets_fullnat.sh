#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `flows: reset` with fullnat: the candidate's connections end with a rollback, those of production go on,
# and so do the candidate's that are younger than the rollback's end: they are of the next release.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_rollout.sh
. "$(dirname "$0")/../../scripts/lab_rollout.sh"

rollout_lab stable:1 canary:1
lab_in lb ip address add 10.0.1.200/24 dev eth0
LAB_KEYS=$'forwarding: fullnat\nsource_addresses: [10.0.1.200]' rollout_config '  careful:
    type: canary
    candidate: canary
    steps: [{weight: 50, hold: 10m}]
    analysis: {kernel: false}
    flows: reset'
rollout_agent

# hold NAME: sixty connections, asked who answers; sets HOLDER.
hold() {
	mkfifo "$LAB_TMP/$1.go"
	lab_start client /usr/bin/python3 "$LAB_ROOT/tests/tools/ask_again.py" "$LAB_VIP4" 60 "$LAB_TMP/$1.go" \
		>"$LAB_TMP/$1"
	HOLDER=$LAB_PID
	lab_wait_for 10 said "$1" 1
}
said() { (($(wc -l <"$LAB_TMP/$1") == $2)); }
# again NAME FILTER: all are asked once more, and the filter holds of what they say.
again() {
	local lines
	lines=$(wc -l <"$LAB_TMP/$1")
	echo >"$LAB_TMP/$1.go"
	lab_wait_for 10 said "$1" $((lines + 1))
	tail -n 1 "$LAB_TMP/$1" | jq -e "$2" >/dev/null || fail "$1: $(cat "$LAB_TMP/$1")"
}

rollout_start v2
hold first
first=$HOLDER
rollout_do abort '"reason": "no good"' >/dev/null
rollout_until 20 aborted
again first '."canary-reset" > 0 and ."stable-stable" > 0 and length == 2'
lab_stop "$first"

rollout_start v3
hold second
second=$HOLDER
again second '."canary-canary" > 0 and ."stable-stable" > 0 and length == 2'
lab_stop "$second"
