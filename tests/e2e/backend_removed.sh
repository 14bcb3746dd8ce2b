#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A backend removed from the file keeps the connections it has until they end, and gets no new ones.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology one stable:2
lab_nginx "${LAB_BACKENDS[@]}"
write_config() {
	lab_config eth0
	lab_service web "$LAB_VIP4" 80/tcp client stable
}
write_config >"$LAB_TMP/both.yaml"
LAB_BACKENDS=(stable-2)
write_config >"$LAB_TMP/one.yaml"
serin apply "$LAB_TMP/both.yaml" >/dev/null
state() {
	serin status -o json | jq -r --arg a "${LAB_ADDR4[stable-1]}" \
		'[.services[].pools[].backends[] | select(.address == $a).state] | first // "none"'
}
answered() { # by stable-1, over held connections, so far
	tail -n 1 "$LAB_TMP/hold" | jq '.by_backend["stable-1"] // 0'
}
more() {
	(($(answered) > before + 200))
}
before=0
load_start "$LAB_TMP/hold" "$LAB_VIP4" 80 --count 200 --hold-ms 50 --report-ms 50
hold=$LAB_PID
lab_wait_for 5 more

serin apply "$LAB_TMP/one.yaml" >/dev/null
expect "state" "$(state)" leaving
expect "new connections" "$(load "$LAB_VIP4" 80 --count 500 --passes 1 | jq -c .by_backend)" \
	'{"stable-2":500}'
before=$(answered)
lab_wait_for 5 more
serin apply "$LAB_TMP/one.yaml" >/dev/null # and once more does not end them either
before=$(answered)
lab_wait_for 5 more
serin apply "$LAB_TMP/both.yaml" >/dev/null # nor does its return
expect "state" "$(state)" up
before=$(answered)
lab_wait_for 5 more
load_stop "$hold" "$LAB_TMP/hold"
