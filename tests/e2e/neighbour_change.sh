#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# With the agent running, a backend whose MAC address changes is found again.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology one stable:1
lab_nginx "${LAB_BACKENDS[@]}"
{
	lab_config eth0
	lab_service web4 "$LAB_VIP4" 80/tcp client stable
	lab_service web6 "$LAB_VIP6" 80/tcp client stable
} >"$LAB_TMP/serin.yaml"
serin apply "$LAB_TMP/serin.yaml"
lab_start lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" \
	agent -c "$LAB_TMP/serin.yaml" 2>"$LAB_TMP/agent.log"
ready() {
	lab_in lb curl -sf http://127.0.0.1:10717/-/ready
}
lab_wait_for 10 ready
answers() {
	lab_in client curl -sf --max-time 1 "http://$LAB_VIP4/" "http://[$LAB_VIP6]/"
}
answers >/dev/null

ip -n "$LAB-stable-1" link set eth0 address 02:00:00:00:0b:0b
# Nobody tells the load balancer: a backend that was replaced does not announce itself either.
lab_wait_for 20 answers
for vip in "$LAB_VIP4" "$LAB_VIP6"; do
	expect_clean "$(load "$vip" 80 --count 500 --requests 500)"
done
