#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# QUIC: downloads by HTTP/3 in every forwarding mode, both families, while the split shifts.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_modes.sh
. "$(dirname "$0")/../../scripts/lab_modes.sh"

lab_init
lab_topology one stable:1 canary:1
lab_far_end "${LAB_BACKENDS[@]}"
ip -n "$LAB-lb" address add 10.0.1.200/24 dev eth0
ip -n "$LAB-lb" address add 2001:db8:b::200/64 dev eth0 nodad
lab_quic "${LAB_BACKENDS[@]}"
head -c 5M /dev/urandom >"$LAB_TMP/quic/file"

quic_config() {
	lab_config eth0
	LAB_KEYS=$1 lab_service quic4 "$LAB_VIP4" "$LAB_PORT/udp" connection canary=50 stable
	LAB_KEYS=$2 lab_service quic6 "$LAB_VIP6" "$LAB_PORT/udp" connection canary=50 stable
}

for mode in nat fullnat dsr ipip gue; do
	four="forwarding: $mode" six="forwarding: $mode"
	if [[ $mode == fullnat ]]; then
		four+=$'\nsource_addresses: [10.0.1.200]'
		six+=$'\nsource_addresses: ["2001:db8:b::200"]'
	fi
	quic_config "$four" "$six" >"$LAB_TMP/serin.yaml"
	serin apply "$LAB_TMP/serin.yaml" >/dev/null
	for vip in "$LAB_VIP4" "$LAB_VIP6"; do
		expect_quic "$vip" "$LAB_PORT"
		serin weight quic4 canary=100 >/dev/null
		serin weight quic6 canary=0 >/dev/null
		expect_quic "$vip" "$LAB_PORT"
	done
	serin detach --yes >/dev/null
done
