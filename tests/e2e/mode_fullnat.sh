#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# fullnat: backends see an address of the load balancer, and answer it whatever their way out is.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_modes.sh
. "$(dirname "$0")/../../scripts/lab_modes.sh"

lab_init
lab_topology one stable:2 canary:1
for name in "${LAB_BACKENDS[@]}"; do
	ip -n "$LAB-$name" route del default
	ip -n "$LAB-$name" -6 route del default
done
ip -n "$LAB-lb" address add 10.0.1.200/24 dev eth0
ip -n "$LAB-lb" address add 2001:db8:b::200/64 dev eth0 nodad
lab_nginx "${LAB_BACKENDS[@]}"
lab_udp "${LAB_BACKENDS[@]}"
{
	lab_config eth0
	LAB_KEYS='forwarding: fullnat
source_addresses: [10.0.1.200]'
	lab_service tcp4 "$LAB_VIP4" "$LAB_PORT/tcp" connection canary=50 stable
	lab_service udp4 "$LAB_VIP4" "$LAB_PORT/udp" connection canary=50 stable
	LAB_KEYS='forwarding: fullnat
source_addresses: ["2001:db8:b::200"]'
	lab_service tcp6 "$LAB_VIP6" "$LAB_PORT/tcp" connection canary=50 stable
	lab_service udp6 "$LAB_VIP6" "$LAB_PORT/udp" connection canary=50 stable
} >"$LAB_TMP/serin.yaml"
serin apply "$LAB_TMP/serin.yaml"

expect_mode

# Backends that are themselves clients of the VIPs.
for name in "${LAB_BACKENDS[@]}"; do
	ip -n "$LAB-$name" route add "$LAB_VIP4" via 10.0.1.1
	ip -n "$LAB-$name" route add "$LAB_VIP6" via 2001:db8:b::1
	for vip in "$LAB_VIP4" "$LAB_VIP6"; do
		for _ in {1..60}; do # of which some come back to where they began
			lab_in "$name" curl -sf --max-time 5 "http://$(lab_url "$vip" "$LAB_PORT")/"
		done >"$LAB_TMP/answers" || fail "$name as a client of $vip"
		expect "backends that answered $name" "$(sort -u "$LAB_TMP/answers" | wc -l)" 3
	done
done
