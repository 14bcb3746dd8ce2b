#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Backends behind two routers: the one that has the gateway's address dies and the other takes it over,
# with a MAC address of its own; or a routing daemon names the other one. Under load no request fails
# and no connection breaks.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

GATEWAY=10.0.1.100
lab_init
lab_topology two
lab_bridge inner
# router NAME NUMBER: between the load balancer's back network and the backends'. Its link "gw" is for
# the gateway's address.
router() {
	lab_ns "$1"
	lab_in "$1" sysctl -q -w net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 \
		net.ipv4.conf.default.rp_filter=0 net.ipv4.conf.all.arp_ignore=1 \
		net.ipv4.conf.all.arp_notify=1 net.ipv4.conf.all.send_redirects=0 \
		net.ipv4.conf.default.send_redirects=0
	lab_link "$1" eth0 back "$1-out"
	lab_host_offloads "$1"
	lab_link "$1" eth1 inner "$1-in"
	lab_in "$1" ethtool -K eth1 gro off >/dev/null
	lab_link "$1" gw back "$1-gw"
	ip -n "$LAB-$1" -batch - <<-END
		address add 10.0.1.$2/24 dev eth0
		address add 10.0.2.$2/24 dev eth1
		route add default via 10.0.1.1
	END
}
router r1 101
router r2 102
# has_gateway ROUTER MAC: and tells everybody (arp_notify), as VRRP does.
has_gateway() {
	ip -n "$LAB-$1" address add $GATEWAY/32 dev gw
	ip -n "$LAB-$1" link set gw address "$2"
}
has_gateway r1 02:00:00:00:0a:01
for number in 11 12; do
	name=stable-$((number - 10))
	lab_backend inner "$name" "$number"
	LAB_ADDR4[$name]=10.0.2.$number
	ip -n "$LAB-$name" -batch - <<-END
		address flush dev eth0
		address add 10.0.2.$number/24 dev eth0
		route add default via 10.0.2.102
	END
done
lab_nginx "${LAB_BACKENDS[@]}"
ip -n "$LAB-lb" route add 10.0.2.0/24 via $GATEWAY
{
	lab_config eth0 eth1
	lab_service web "$LAB_VIP4" 80/tcp client stable
} >"$LAB_TMP/serin.yaml"
lab_start lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" \
	agent -c "$LAB_TMP/serin.yaml" 2>"$LAB_TMP/agent.log"
lab_wait_for 10 lab_in lb curl -sf --max-time 2 http://127.0.0.1:10717/-/ready
answers() {
	lab_in client curl -sf --max-time 1 "http://$LAB_VIP4/"
}
lab_wait_for 10 answers

forwarded() { # by that link of a router
	ip -n "$LAB-$1" -j -s link show dev "$2" | jq '.[0].stats64.rx.packets'
}
# goes_by ROUTER LINK: packets to backends do now, and by no other link.
goes_by() {
	local way other before=() after=() ways=(r1.gw r1.eth0 r2.gw r2.eth0)
	for way in "${ways[@]}"; do before+=("$(forwarded "${way%.*}" "${way#*.}")"); done
	sleep 0.2
	for way in "${ways[@]}"; do after+=("$(forwarded "${way%.*}" "${way#*.}")"); done
	for other in "${!ways[@]}"; do
		if [[ ${ways[other]} == "$1.$2" ]]; then
			((after[other] - before[other] > 20)) || return 1
		else # ARP may
			((after[other] - before[other] < 10)) || return 1
		fi
	done
}
requests() {
	tail -n 1 "$LAB_TMP/$1" | jq .requests
}
load_start "$LAB_TMP/short" "$LAB_VIP4" 80 --count 4000 --concurrency 16 --rate 300 --report-ms 100
short=$LAB_PID
load_start "$LAB_TMP/hold" "$LAB_VIP4" 80 --count 50 --hold-ms 50 --report-ms 100
hold=$LAB_PID
lab_wait_for 10 goes_by r1 gw
# after WHAT ROUTER LINK COMMAND...: how long until all goes the new way.
after() {
	local begin=${EPOCHREALTIME/./} was
	"${@:4}"
	lab_wait_for 10 goes_by "$2" "$3"
	was=$(requests hold)
	more() { (($(requests hold) > was + 50)); }
	lab_wait_for 10 more
	printf '%s: all go by %s %s after %d ms at most\n' "$1" "$2" "$3" \
		$(((${EPOCHREALTIME/./} - begin) / 1000))
}
r1_dies() {
	ip -n "$LAB-r1" link set gw down
	ip -n "$LAB-r1" link set eth0 down
	has_gateway r2 02:00:00:00:0a:02
}
is_forwarded() {
	[[ $(bridge -n "$LAB-switch" -j link show dev "$1" | jq -r '.[0].state') == forwarding ]]
}
r1_returns() {
	ip -n "$LAB-r1" address flush dev gw
	ip -n "$LAB-r1" link set eth0 up
	ip -n "$LAB-r1" link set gw up
	ip -n "$LAB-r1" route replace default via 10.0.1.1
	lab_wait_for 10 is_forwarded r1-out
	lab_wait_for 10 is_forwarded r1-gw
	ip -n "$LAB-r2" address flush dev gw
	has_gateway r1 02:00:00:00:0a:01
}
for round in 1 2 3; do
	after "gateway's router dies, $round" r2 gw r1_dies
	after "and returns, $round" r1 gw r1_returns
	after "route names another router, $round" r2 eth0 \
		ip -n "$LAB-lb" route replace 10.0.2.0/24 via 10.0.1.102
	after "and the gateway again, $round" r1 gw \
		ip -n "$LAB-lb" route replace 10.0.2.0/24 via $GATEWAY
done
load_stop "$short" "$LAB_TMP/short"
load_stop "$hold" "$LAB_TMP/hold"
