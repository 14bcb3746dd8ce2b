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

# A backend that is itself a client of the VIP.
expect "hairpin" "$(lab_in stable-1 ip route add "$LAB_VIP4" via 10.0.1.1 &&
	lab_in stable-1 curl -sf --max-time 5 "http://$LAB_VIP4:$LAB_PORT/" | wc -w)" 2
