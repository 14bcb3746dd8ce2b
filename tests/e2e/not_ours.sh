#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# While Serin is attached, all that is not its own works as before: services of the load balancer
# itself, other ports of a VIP, ping, neighbour discovery, and routing through the host.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology one stable:1
lab_nginx stable-1 lb # the second answers "lb lb", as the host's own sshd would
head -c 4M /dev/urandom >"$LAB_TMP/big"
ip -n "$LAB-lb" address add "$LAB_VIP4/32" dev lo
ip -n "$LAB-lb" address add "$LAB_VIP6/128" dev lo
{
	lab_config eth0
	lab_service web4 "$LAB_VIP4" 80/tcp connection stable
	lab_service web6 "$LAB_VIP6" 80/tcp connection stable
} >"$LAB_TMP/serin.yaml"
serin apply "$LAB_TMP/serin.yaml"

get() {
	lab_in client curl -sf --max-time 5 "$1"
}
pings() {
	lab_in client /usr/bin/python3 - "$@" <<-'END'
		import sys
		from scapy.all import ICMP, ICMPv6EchoRequest, IP, IPv6, sr1
		for address in sys.argv[1:]:
		    v6 = ":" in address
		    probe = IPv6(dst=address) / ICMPv6EchoRequest() if v6 else IP(dst=address) / ICMP()
		    if not sr1(probe, timeout=3, verbose=False):
		        sys.exit(f"no answer from {address}")
	END
}
for vip in "$LAB_VIP4" "[$LAB_VIP6]"; do
	expect "the VIP" "$(get "http://$vip/")" "stable stable-1"
	expect "another port of the VIP" "$(get "http://$vip:$LAB_PORT/")" "lb lb"
done
for host in 10.0.0.1 "[2001:db8:a::1]"; do
	expect "the host itself" "$(get "http://$host:$LAB_PORT/")" "lb lb"
done
expect "a backend, routed through the host" "$(get "http://${LAB_ADDR4[stable-1]}:$LAB_PORT/")" \
	"stable stable-1"
expect "a backend, routed through the host" "$(get "http://[${LAB_ADDR6[stable-1]}]:$LAB_PORT/")" \
	"stable stable-1"
expect "a big file of the host" "$(get "http://10.0.0.1:$LAB_PORT/big" | sha256sum)" \
	"$(sha256sum <"$LAB_TMP/big")"
pings 10.0.0.1 2001:db8:a::1 "$LAB_VIP4" "$LAB_VIP6" "${LAB_ADDR4[stable-1]}" "${LAB_ADDR6[stable-1]}"

# ARP and neighbour discovery, both ways, with everything learned forgotten.
for ns in client lb; do
	ip -n "$LAB-$ns" neigh flush all
	ip -n "$LAB-$ns" -6 neigh flush all
done
expect "after ARP" "$(get "http://10.0.0.1:$LAB_PORT/")" "lb lb"
expect "after neighbour discovery" "$(get "http://[2001:db8:a::1]:$LAB_PORT/")" "lb lb"
expect "the VIP" "$(get "http://$LAB_VIP4/")" "stable stable-1"
