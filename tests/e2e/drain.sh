#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A drained backend keeps the connections it has and gets no new ones; undrain brings it back.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology one stable:2 canary:1
lab_nginx "${LAB_BACKENDS[@]}"
{
	lab_config eth0
	lab_service web "$LAB_VIP4" 80/tcp client canary=20 stable
} >"$LAB_TMP/serin.yaml"
serin apply "$LAB_TMP/serin.yaml"
state_of() {
	serin status -o json |
		jq -r --arg a "$1" '.services[].pools[].backends[] | select(.address == $a).state'
}
answers_of() {
	load "$LAB_VIP4" 80 --count 1000 --passes 1 | jq -e --arg b "$1" \
		'if .failed == 0 then .by_backend[$b] // 0 else error end'
}
drained=${LAB_ADDR4[stable-1]}
expect_between "answers before" "$(answers_of stable-1)" 200 600

held() {
	[[ $(tail -n 1 "$LAB_TMP/hold" | jq .requests) -ge 300 ]]
}
load_start "$LAB_TMP/hold" "$LAB_VIP4" 80 --count 300 --hold-ms 100 --report-ms 100
hold=$LAB_PID
lab_wait_for 5 held
serin drain web "$drained:$LAB_PORT"
expect "state" "$(state_of "$drained")" draining
expect "new connections to a drained backend" "$(answers_of stable-1)" 0
before=$(tail -n 1 "$LAB_TMP/hold" | jq '.by_backend["stable-1"]')
still_served() {
	(($(tail -n 1 "$LAB_TMP/hold" | jq '.by_backend["stable-1"]') > before + 200))
}
lab_wait_for 5 still_served
load_stop "$hold" "$LAB_TMP/hold"

serin apply "$LAB_TMP/serin.yaml"
expect "state after apply" "$(state_of "$drained")" draining
serin undrain web "$drained:$LAB_PORT"
expect "state" "$(state_of "$drained")" up
expect_between "answers after" "$(answers_of stable-1)" 200 600

# A pool without backends leaves its clients to the primary.
serin drain web "${LAB_ADDR4[canary-1]}:$LAB_PORT"
expect "answers of a drained canary" "$(answers_of canary-1)" 0
