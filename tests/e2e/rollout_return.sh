#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# finish: return. The candidate has everything while a hook upgrades the primary, whose server is gone
# meanwhile, and gives it back then. No request fails, also if the hook says no. What a hook upgraded
# is not undone.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_rollout.sh
. "$(dirname "$0")/../../scripts/lab_rollout.sh"

rollout_lab stable:1 canary:1
cd "$LAB_TMP"
# It asks whoever upgrades, this script, and waits for the answer: a file with a reason, or an empty one.
cat >upgrade <<-SCRIPT
	#!/bin/sh
	cd $LAB_TMP
	rm -f answer
	echo "\$SERIN_RELEASE" >asked
	until [ -e answer ]; do sleep 0.05; done
	cat answer
	[ ! -s answer ]
SCRIPT
chmod +x upgrade
rollout_config "  careful:
    type: canary
    candidate: canary
    steps: [{weight: 20}]
    finish: return
    analysis: {kernel: false}
    hooks: [{at: upgrade, exec: [$LAB_TMP/upgrade], timeout: 60s}]"
rollout_agent
rollout_load

answer() {
	printf '%s' "$1" >answer.new
	mv answer.new answer
}
# asks_for RELEASE: the primary's upgrade, when it has no connection any more.
asks_for() {
	lab_wait_for 20 grep -qsx "$1" asked
	expect "weight of $1 while the primary is upgraded" "$(rollout_weight canary)" 100
	expect "primary meanwhile" "$(serin status -o json | jq -r '.services[0].primary')" stable
	lab_wait_for 10 has_no_connection stable-1
}
has_no_connection() {
	[[ -z $(lab_in "$1" ss -Htn state established "sport = :$LAB_PORT") ]]
}
why_is() {
	[[ $(rollout_get .why) == *"$1"* ]]
}

rollout_start v2
asks_for v2
answer 'disk is full'
lab_wait_for 10 why_is 'the hook at upgrade said no: exit status 1: disk is full'
expect "phase" "$(rollout_get .phase)" promoting
expect "weight after a no" "$(rollout_weight canary)" 100
rollout_do abort >/dev/null
rollout_until 10 aborted
expect "weight, aborted" "$(rollout_weight canary)" 0
rollout_serves stable

rollout_start v3
asks_for v3
lab_stop "$(cat stable-1/pid)"
rollout_serves canary
sed -i 's/stable stable-1/stable upgraded-1/' stable-1/nginx.conf
server=$LAB_TMP/stable-1
lab_start stable-1 nginx -p "$server" -e "$server/error.log" -c "$server/nginx.conf"
lab_wait_for 5 lab_in stable-1 curl -sf "http://127.0.0.1:$LAB_PORT/"
expect "weight until somebody says that it is done" "$(rollout_weight canary)" 100
answer ''
rollout_until 20 promoted
expect "weight, returned" "$(rollout_weight canary)" 0
rollout_serves stable
rollout_load_stop
expect "shifts" "$(rollout_shifts)" '[20,100,0]'
expect "who answers" "$(sort -n trace | tail -n 1 | awk '{print $5}')" upgraded-1

if rollout_do undo >out; then fail "it was undone: $(cat out)"; fi
expect "undo" "$(jq -r .error.code out)" conflict
grep -q 'put back by other means' out || fail "$(cat out)"
expect "weight" "$(rollout_weight canary)" 0
