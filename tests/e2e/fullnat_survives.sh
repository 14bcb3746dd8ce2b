#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# fullnat's flows keep their source ports when the file is applied again and when the agent dies and
# returns, and go when their service does.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_agent.sh
. "$(dirname "$0")/../../scripts/lab_agent.sh"

lab_init
lab_topology one stable:2
lab_nginx "${LAB_BACKENDS[@]}"
head -c 24M /dev/urandom >"$LAB_TMP/big"
for name in "${LAB_BACKENDS[@]}"; do
	ip -n "$LAB-$name" route del default
done
ip -n "$LAB-lb" address add 10.0.1.200/24 dev eth0
{
	lab_config eth0
	lab_service other "$LAB_VIP4" 81/tcp client stable
} >"$LAB_TMP/without.yaml"
{
	cat "$LAB_TMP/without.yaml"
	LAB_KEYS='forwarding: fullnat
source_addresses: [10.0.1.200]
client_address: toa' lab_service web "$LAB_VIP4" 80/tcp client stable
} >"$LAB_TMP/serin.yaml"
sources() {
	serin flows web -o json | jq -c '[.[] | [.client, .source]] | sort'
}
established() {
	[[ $(serin flows web -o json | jq 'map(select(.state == "established")) | length') == 3 ]]
}

start_agent
downloads=()
for i in 1 2 3; do
	lab_start client curl -sf --max-time 60 --limit-rate 4M "http://$LAB_VIP4/big" \
		-o "$LAB_TMP/got$i"
	downloads+=("$LAB_PID")
done
lab_wait_for 10 established
before=$(sources)
for _ in 1 2 3; do
	kill -9 "$agent"
	wait "$agent" 2>/dev/null || true
	expect "an apply of what runs" "$(serin apply "$LAB_TMP/serin.yaml")" "no changes"
	start_agent
	expect "sources after the agent's return" "$(sources)" "$before"
done
for i in 1 2 3; do
	wait "${downloads[i - 1]}" || fail "download $i broke off"
	cmp "$LAB_TMP/big" "$LAB_TMP/got$i"
done

serin apply "$LAB_TMP/without.yaml" >/dev/null
expect "flows left" "$(serin flows -o json)" "[]"
serin apply "$LAB_TMP/serin.yaml" >/dev/null
expect "ports" "$(serin status web -o json | jq -c '.services[0].source_ports |
	[.capacity, .used, .taken, .refused]')" "[64512,0,0,0]"
lab_in client curl -sf --max-time 5 "http://$LAB_VIP4/" >/dev/null
