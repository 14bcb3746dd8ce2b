#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The agent with no more rights than its unit gives it: root without any capability but three, on a
# BPF file system that is root's alone. It loads, attaches, follows, counts, reloads and settles,
# and does not complain.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
command -v setpriv >/dev/null || lab_die "no setpriv here; run scripts/install-deps"
lab_topology one stable:2 canary:1
lab_nginx "${LAB_BACKENDS[@]}"
chmod 0700 "$LAB_TMP/bpf"
{
	lab_config eth0
	printf 'idle: {syn: 1, established: 2, closing: 1, udp: 1}\n' >"$LAB_TMP/idle"
	LAB_KEYS='track: changed' lab_service web "$LAB_VIP4" 80/tcp client canary=25 stable
	lab_service snat "$LAB_VIP4" 81/tcp client canary=25 stable |
		sed '/protocol/a \    forwarding: fullnat\n    source_addresses: [10.0.1.1]'
} | sed "/^services/e cat $LAB_TMP/idle" >"$LAB_TMP/serin.yaml"
get() {
	lab_in lb curl -sf --max-time 5 "http://127.0.0.1:10717$1"
}
rights=+bpf,+net_admin,+perfmon
lab_start lb setpriv --bounding-set="-all,$rights" --inh-caps=-all --no-new-privs \
	"$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" agent -c "$LAB_TMP/serin.yaml" \
	2>"$LAB_TMP/agent.log"
agent=$LAB_PID
lab_wait_for 10 get /-/ready
expect "capabilities of the agent" "$(awk '/^CapEff/ {print $2}' "/proc/$agent/status")" \
	000000c000001000
expect mode "$(serin status -o json | jq -r '.interfaces[0].mode')" native
for port in 80 81; do
	expect_clean "$(load "$LAB_VIP4" "$port" --count 200 --requests 400)"
done
counted() {
	get /metrics >"$LAB_TMP/metrics"
	grep -q '^serin_pool_flows_total{service="web",pool="stable"} [1-9]' "$LAB_TMP/metrics"
}
lab_wait_for 5 counted
# What it may not see it leaves out, and says nothing of it.
serin weight web canary=60 >/dev/null

sed -i "/${LAB_ADDR4[stable-2]}/d" "$LAB_TMP/serin.yaml"
kill -HUP "$agent"
is_gone() {
	serin status -o json | jq -e --arg a "${LAB_ADDR4[stable-2]}" \
		'[.services[].pools[].backends[] | select(.address == $a and .state == "up")] == []'
}
lab_wait_for 5 is_gone
expect_clean "$(load "$LAB_VIP4" 80 --count 200 --requests 400)"
is_settled() {
	serin status -o json | jq -e '[.services[].settled] == [true, true]'
}
lab_wait_for 60 is_settled
! grep -E 'level=(error|warning)' "$LAB_TMP/agent.log" || fail "the agent complains"
lab_stop "$agent"
expect_clean "$(load "$LAB_VIP4" 80 --count 200 --requests 400)"
