#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# ipip and gue to backends whose own kernel takes the tunnel's headers off, by its ipip, sit, ip6tnl
# and fou: either family in either.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_modes.sh
. "$(dirname "$0")/../../scripts/lab_modes.sh"

LAB_BIG_MB=8
GUE_PORT=6080

lab_init
for kind in ipip sit ip6tnl; do
	lab_need_link type "$kind"
done
lab_need_fou
lab_topology one stable:2 canary:1
lab_direct "${LAB_BACKENDS[@]}"
lab_nginx "${LAB_BACKENDS[@]}"
lab_udp "${LAB_BACKENDS[@]}"
# What is within comes by the device of its header: of what is in IPv4 by from4 or from6in4.
for name in "${LAB_BACKENDS[@]}"; do
	lab_in "$name" sysctl -q -w net.ipv4.conf.default.rp_filter=0
	ip -n "$LAB-$name" -batch - <<-END
		link add from4 up type ipip local ${LAB_ADDR4[$name]}
		link add from6in4 up type sit local ${LAB_ADDR4[$name]}
		link add from6 up type ip6tnl mode any local ${LAB_ADDR6[$name]}
		fou add port $GUE_PORT gue
		fou add port $GUE_PORT gue -6
	END
done

# came DEVICE...: how many packets came by these of all backends.
came() {
	local name device
	for name in "${LAB_BACKENDS[@]}"; do
		for device; do
			ip -n "$LAB-$name" -s -j link show "$device"
		done
	done | jq -s 'map(.[0].stats64.rx.packets) | add'
}

# expect_way FORWARDING DEVICE...: everything is answered, and came by each of these.
expect_way() {
	local device
	local -A before=()
	lab_mode_config "forwarding: $1" >"$LAB_TMP/serin.yaml"
	serin apply "$LAB_TMP/serin.yaml"
	for device in "${@:2}"; do
		before[$device]=$(came "$device")
	done
	expect_mode
	for device in "${@:2}"; do
		(($(came "$device") - before[$device] > 5000)) ||
			fail "$1: by $device came $(came "$device") packets, ${before[$device]} of them before"
	done
}

# exchange_families: lab_service names the backends of an IPv4 VIP by their IPv6 addresses, and the
# other way round.
exchange_families() {
	local name kept
	for name in "${LAB_BACKENDS[@]}"; do
		kept=${LAB_ADDR4[$name]}
		LAB_ADDR4[$name]=${LAB_ADDR6[$name]}
		LAB_ADDR6[$name]=$kept
	done
}
expect_way ipip from4 from6
expect_way gue from4 from6
exchange_families
expect_way ipip from6in4 from6
expect_way gue from6in4 from6
