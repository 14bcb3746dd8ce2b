#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Twenty thousand shifts under load: no request fails, no lasting connection breaks or changes its
# backend, and Serin drops no packet.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology one stable:2 canary:2
lab_nginx "${LAB_BACKENDS[@]}"
{
	lab_config eth0
	lab_service web "$LAB_VIP4" 80/tcp connection canary=50 stable
} >"$LAB_TMP/serin.yaml"
serin apply "$LAB_TMP/serin.yaml"
epoch=$(serin status -o json | jq '.services[0].epoch')

held() {
	[[ $(tail -n 1 "$LAB_TMP/hold" | jq .requests) -ge 400 ]]
}
load_start "$LAB_TMP/hold" "$LAB_VIP4" 80 --count 400 --hold-ms 100 --report-ms 100
hold=$LAB_PID
lab_wait_for 5 held
load_start "$LAB_TMP/short" "$LAB_VIP4" 80 --count 8000 --concurrency 32
short=$LAB_PID

# Spread over some seconds, so that packets of every kind meet shifts; and as fast as they go.
shift_tool=("$LAB_BUILD/tests/tools/shift" "$LAB_TMP/bpf/serin" web canary)
"${shift_tool[@]}" 10000 300
"${shift_tool[@]}" 10000

load_stop "$short" "$LAB_TMP/short"
load_stop "$hold" "$LAB_TMP/hold"
expect_between "short requests" "$(tail -n 1 "$LAB_TMP/short" | jq .requests)" 5000 1000000
expect_between "held requests" "$(tail -n 1 "$LAB_TMP/hold" | jq .requests)" 5000 1000000
expect "pools that held connections" "$(tail -n 1 "$LAB_TMP/hold" | jq '.by_pool | length')" 2

status=$(serin status -o json)
expect "shifts" "$(jq '.services[0].epoch' <<<"$status")" $((epoch + 20000))
expect "drops" "$(jq '.verdicts | .no_backend + .no_next_hop + .too_big' <<<"$status")" 0
