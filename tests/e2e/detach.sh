#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# detach takes the program and the pins away and leaves the host as it was; apply brings all back.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology one stable:1
lab_nginx "${LAB_BACKENDS[@]}"
{
	lab_config eth0
	lab_service web "$LAB_VIP4" 80/tcp connection stable
} >"$LAB_TMP/serin.yaml"
programs() {
	ip -n "$LAB-lb" -j -d link show | jq '[.[] | select(.xdp)] | length'
}
web() {
	lab_in client curl -sf --max-time 3 "http://$LAB_VIP4/"
}
for round in first second; do
	expect "programs before the $round apply" "$(programs)" 0
	serin apply "$LAB_TMP/serin.yaml"
	expect "programs" "$(programs)" 1
	expect "answer" "$(web)" "stable stable-1"
	serin detach --yes
	expect "programs after detach" "$(programs)" 0
	expect "pins left" "$(lab_pins)" ""
	! web || fail "the VIP answers with Serin gone"
	expect_exit 1 serin status
done
