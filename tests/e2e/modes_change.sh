#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A service goes from dsr to tunnels, from source to source and back under load: nothing fails.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_modes.sh
. "$(dirname "$0")/../../scripts/lab_modes.sh"

lab_init
lab_topology one stable:2
lab_far_end "${LAB_BACKENDS[@]}"
lab_nginx "${LAB_BACKENDS[@]}"
web() {
	lab_config eth0
	LAB_KEYS=$1 lab_service web4 "$LAB_VIP4" "$LAB_PORT/tcp" client stable
	LAB_KEYS=$1 lab_service web6 "$LAB_VIP6" "$LAB_PORT/tcp" client stable
}
ways=('forwarding: dsr' 'forwarding: ipip' 'forwarding: gue'
	'forwarding: gue
source_addresses: [10.9.0.0/24, "2001:db8:9::/64"]'
	'forwarding: ipip
source_addresses: [10.9.0.0/20, "2001:db8:9::/80"]')
downloads=()
web "${ways[0]}" >"$LAB_TMP/serin.yaml"
serin apply "$LAB_TMP/serin.yaml" >/dev/null
load_start "$LAB_TMP/load4" "$LAB_VIP4" "$LAB_PORT" --count 2000 --concurrency 8
load4=$LAB_PID
load_start "$LAB_TMP/load6" "$LAB_VIP6" "$LAB_PORT" --count 2000 --concurrency 8
load6=$LAB_PID
# Connections that live through many changes.
head -c 12M /dev/urandom >"$LAB_TMP/big"
for vip in "$LAB_VIP4" "[$LAB_VIP6]"; do
	lab_start client curl -sf --max-time 60 --limit-rate 2M "http://$vip:$LAB_PORT/big" \
		-o "$LAB_TMP/got$vip"
	downloads+=("$LAB_PID")
done
changes=0
while kill -0 "${downloads[@]}" 2>/dev/null; do
	for way in "${ways[@]}"; do
		web "$way" >"$LAB_TMP/serin.yaml"
		serin apply "$LAB_TMP/serin.yaml" >"$LAB_TMP/out"
		changes=$((changes + $(grep -c '^~' "$LAB_TMP/out" || true)))
	done
done
((changes > 20)) || fail "only $changes changes"
for pid in "${downloads[@]}"; do
	wait "$pid" || fail "a download broke off"
done
for vip in "$LAB_VIP4" "[$LAB_VIP6]"; do
	cmp "$LAB_TMP/big" "$LAB_TMP/got$vip"
done
load_stop "$load4" "$LAB_TMP/load4"
load_stop "$load6" "$LAB_TMP/load6"
