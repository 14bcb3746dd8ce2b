#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The agent hears when the host gets or gives up an address that is a VIP: who answers pings changes.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology one stable:1
{
	lab_config eth0
	lab_service web4 "$LAB_VIP4" 80/tcp client stable
	lab_service web6 "$LAB_VIP6" 80/tcp client stable
} >"$LAB_TMP/serin.yaml"
ip -n "$LAB-lb" address add "$LAB_VIP6" dev lo nodad
serin apply "$LAB_TMP/serin.yaml"
lab_start lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" agent 2>"$LAB_TMP/agent.log"
ready() {
	lab_in lb curl -sf http://127.0.0.1:10717/-/ready
}
lab_wait_for 10 ready

# answers: of the VIPs, IPv4's first, 1 for each whose pings Serin answers.
answers() {
	bpftool -j map dump pinned "$(find "$LAB_TMP/bpf" -name vips)" |
		jq -c '[.[] | .formatted // . | [(.key.word_be[2] == 4294901760), .value.answers_echo]]
			| sort_by(.[0] | not) | map(.[1])'
}
is_so() {
	[[ $(answers) == "$1" ]]
}
lab_wait_for 5 is_so '[1,0]'
ip -n "$LAB-lb" address add "$LAB_VIP4/32" dev lo
lab_wait_for 5 is_so '[0,0]'
ip -n "$LAB-lb" address del "$LAB_VIP6/128" dev lo
lab_wait_for 5 is_so '[0,1]'
