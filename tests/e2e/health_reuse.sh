#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Checks that keep their connection: one for many of them, and what is wrong is found all the same.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_health.sh
. "$(dirname "$0")/../../scripts/lab_health.sh"

lab_init
lab_topology one stable:2
lab_nginx "${LAB_BACKENDS[@]}"
{
	lab_config eth0
	LAB_KEYS='health_check: {type: http, path: /healthz, interval: 100ms, fall: 3, reuse: true}'
	lab_service web "$LAB_VIP4" 80/tcp connection stable
} >"$LAB_TMP/serin.yaml"
# Connections that the kernel of a backend's host has accepted so far.
accepted() {
	ip netns exec "$LAB-$1" nstat -asz TcpPassiveOpens | awk '$1 == "TcpPassiveOpens" {print $2}'
}
# What is up before the first check has ended is so by what was known of it.
has_connected() {
	(($(accepted stable-1) > opened))
}
checks() {
	metric 'serin_health_checks_total{service="web",pool="stable",result="pass"}'
}
many_more() {
	(($(checks) >= before + 40))
}

opened=$(accepted stable-1)
start_agent
lab_wait_for 15 has_connected
before=$(checks)
opened=$(accepted stable-1)
lab_wait_for 20 many_more
failed=$(metric 'serin_health_checks_total{service="web",pool="stable",result="fail"}')
expect_between "connections of twenty checks and more, beyond those that failed" \
	"$(($(accepted stable-1) - opened))" 0 "$failed"
rm "$LAB_TMP/stable-1/healthz"
wait_for_state stable-1 down
printf 'well\n' >"$LAB_TMP/stable-1/healthz"
wait_for_state stable-1 up
lab_stop "$(cat "$LAB_TMP/stable-2/pid")"
wait_for_state stable-2 down
expect "the other backend" "$(state_of stable-1)" up
