#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Path MTU discovery through Serin, in every mode and over both families: a hop of 1,300 bytes before
# the client, which downloads from near-1, and one before far-1, to which it uploads. All interfaces
# have 1,500, and nobody clamps.
#
#     client --- r1 --- [lb] --- r2 --- far-1
#                         +------ near-1
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_modes.sh
. "$(dirname "$0")/../../scripts/lab_modes.sh"

UPLOAD_PORT=8081

router() {
	lab_ns "$1"
	lab_in "$1" sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
		net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 \
		net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.default.send_redirects=0 \
		net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
	lab_link "$1" eth0 "$2" "$1-0"
	lab_link "$1" eth1 "$3" "$1-1"
}

routers() {
	router r1 outside front
	ip -n "$LAB-r1" -batch - <<-END
		address add 10.0.8.1/24 dev eth0
		address add 2001:db8:8::1/64 dev eth0
		address add 10.0.0.2/24 dev eth1
		address add 2001:db8:a::2/64 dev eth1
		route add default via 10.0.0.1
		route add default via 2001:db8:a::1
		route add 10.0.8.2 dev eth0 mtu lock 1300
		route add 2001:db8:8::2 dev eth0 mtu lock 1300
	END
	router r2 back inside
	ip -n "$LAB-r2" -batch - <<-END
		address add 10.0.1.2/24 dev eth0
		address add 2001:db8:b::2/64 dev eth0
		address add 10.0.3.1/24 dev eth1
		address add 2001:db8:d::1/64 dev eth1
		route add default via 10.0.1.1
		route add default via 2001:db8:b::1
	END
}

far_client() {
	lab_ns client
	lab_link client eth0 outside client
	lab_host_offloads client
	ip -n "$LAB-client" -batch - <<-END
		address add 10.0.8.2/24 dev eth0
		address add 2001:db8:8::2/64 dev eth0
		route add default via 10.0.8.1
		route add default via 2001:db8:8::1
	END
}

far_backend() {
	lab_backend inside far-1 11
	LAB_ADDR4[far-1]=10.0.3.11 LAB_ADDR6[far-1]=2001:db8:d::11
	ip -n "$LAB-far-1" address flush dev eth0 scope global
	ip -n "$LAB-far-1" -6 route del default
	ip -n "$LAB-far-1" -batch - <<-END
		address add 10.0.3.11/24 dev eth0
		address add 2001:db8:d::11/64 dev eth0
		route add default via 10.0.3.1
		route add default via 2001:db8:d::1
	END
	ip -n "$LAB-lb" -batch - <<-END
		route add 10.0.8.0/24 via 10.0.0.2
		route add 2001:db8:8::/64 via 2001:db8:a::2
		route add 10.0.3.0/24 via 10.0.1.2
		route add 2001:db8:d::/64 via 2001:db8:b::2
		address add 10.0.1.200/24 dev eth1
		address add 2001:db8:b::200/64 dev eth1 nodad
	END
}

# own_vips BACKEND: decapsulates, owns the VIPs; answers go the way any packet of its goes.
own_vips() {
	lab_start "$1" "$LAB_BUILD/tests/tools/decap" eth0 >"$LAB_TMP/$1.decap"
	lab_wait_for 5 grep -q ready "$LAB_TMP/$1.decap"
	lab_in "$1" sysctl -q -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2 \
		net.ipv4.conf.all.rp_filter=0
	ip -n "$LAB-$1" address add "$LAB_VIP4/32" dev lo
	ip -n "$LAB-$1" address add "$LAB_VIP6/128" dev lo nodad
}

# configure MODE: downloads at the backends' port, from near-1; uploads at the next, to far-1.
configure() {
	local family vip keys port
	lab_config eth0 eth1
	for family in 4 6; do
		vip=LAB_VIP$family keys="forwarding: ${1/toa/fullnat}"
		case $1$family in
		toa4) keys+=$'\nclient_address: toa\nsource_addresses: [10.0.1.200]' ;;
		toa6) keys+=$'\nclient_address: toa\nsource_addresses: ["2001:db8:b::200"]' ;;
		fullnat4) keys+=$'\nsource_addresses: [10.0.1.200]' ;;
		fullnat6) keys+=$'\nsource_addresses: ["2001:db8:b::200"]' ;;
		ipip* | gue*) keys+=$'\nsource_addresses: [10.9.0.0/24, "2001:db8:9::/64"]' ;;
		esac
		for port in "$LAB_PORT" "$UPLOAD_PORT"; do
			LAB_KEYS=$keys LAB_BACKENDS=(near-1)
			# Two services may not share a source's ports.
			[[ $1 != fullnat && $1 != toa ]] ||
				LAB_KEYS+=$'\n'"source_ports: $((port * 100 - 800000))-$((port * 100 - 799901))"
			# By dsr, frames go no further than a link.
			[[ $port == "$LAB_PORT" || $1 == dsr ]] || LAB_BACKENDS=(far-1)
			LAB_PORT=$port lab_service "$1$family-$port" "${!vip}" "$port/tcp" connection \
				"${LAB_BACKENDS[0]%-*}"
		done
	done
}

# narrow MODE: the way from r2 to far-1. A tunnel in IPv6 carries IPv6's least packets, 1,280 bytes,
# whole: whoever begins one cannot divide what others sent.
narrow() {
	local mtu6=1300
	[[ $1 != ipip && $1 != gue ]] || mtu6=1340
	ip -n "$LAB-r2" route replace 10.0.3.11 dev eth1 mtu lock 1300
	ip -n "$LAB-r2" route replace 2001:db8:d::11 dev eth1 mtu lock $mtu6
}

forget_paths() {
	local ns
	for ns in client near-1 far-1 r1 r2 lb; do
		ip -n "$LAB-$ns" route flush cache
		ip -n "$LAB-$ns" -6 route flush cache
	done
}

# expect_paths VIP: a download that meets the clients' hop, an upload that meets the backends', and
# then, that hop being known, requests of one packet that is about as large as it takes.
expect_paths() {
	local got pad
	forget_paths
	expect_download "$1" "$LAB_PORT"
	forget_paths
	got=$(lab_in client curl -sf --max-time 30 -H Expect: --data-binary "@$LAB_TMP/big" \
		"http://$(lab_url "$1" "$UPLOAD_PORT")/") || fail "upload to $1"
	expect "the upload's checksum" "$got" "$(sha256sum <"$LAB_TMP/big" | cut -d ' ' -f 1)"
	for ((pad = 1024; pad < 1120; pad += 8)); do
		lab_in client curl -sf --max-time 5 -o /dev/null -d x -H "Pad: $(printf '%*d' $pad 0)" \
			"http://$(lab_url "$1" "$UPLOAD_PORT")/" || fail "a request padded by $pad to $1"
	done
}

lab_init
lab_ns switch
for bridge in outside front back inside; do
	lab_bridge "$bridge"
done
routers
far_client
lab_lb two
ip -n "$LAB-lb" route add 10.9.0.0/24 dev lo # sources of tunnels: what comes back is looked at
far_backend
lab_backend back near-1 12
for name in near-1 far-1; do
	own_vips "$name"
	lab_start "$name" /usr/bin/python3 "$LAB_ROOT/tests/tools/upload_server.py" "$UPLOAD_PORT"
done
ip -n "$LAB-r2" -batch - <<-END
	route add 10.9.0.0/24 via 10.0.1.1
	route add 2001:db8:9::/64 via 2001:db8:b::1
END
lab_nginx near-1 far-1
head -c 2M /dev/urandom >"$LAB_TMP/big"

for mode in nat fullnat toa dsr ipip gue; do
	narrow "$mode"
	configure "$mode" >"$LAB_TMP/serin.yaml"
	serin apply "$LAB_TMP/serin.yaml" >/dev/null
	expect_paths "$LAB_VIP4"
	expect_paths "$LAB_VIP6"
	serin detach --yes >/dev/null
done
