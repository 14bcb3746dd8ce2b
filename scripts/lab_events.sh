# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Owns what end-to-end tests of events share: a service that soon has no port left, which is an event.
# Sourced after scripts/lab.sh.

# Sixteen ports, written to serin.yaml.
events_topology() {
	lab_topology one stable:1
	lab_nginx "${LAB_BACKENDS[@]}"
	ip -n "$LAB-lb" address add 10.0.1.200/24 dev eth0
	{
		lab_config eth0
		LAB_KEYS=$'forwarding: fullnat\nsource_addresses: [10.0.1.200]\nsource_ports: 5001-5016' \
			lab_service tight "$LAB_VIP4" "$LAB_PORT/tcp" connection stable
	} >"$LAB_TMP/serin.yaml"
}

# One client more.
ask() {
	lab_in client curl -sf --connect-timeout 0.2 --max-time 2 "http://$LAB_VIP4:$LAB_PORT/" \
		-o /dev/null
}
