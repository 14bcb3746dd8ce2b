#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# With the agent running, the routes to backends move from one NIC to another and back, and that to
# clients to another gateway, under load: packets follow, nothing is dropped on the way, no request
# fails and no connection breaks.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology two stable:2
lab_nginx "${LAB_BACKENDS[@]}"
# A second NIC towards the backends, and a second gateway to the clients, each answering for itself.
lab_link lb eth2 back lb-third
lab_in switch "$LAB_BUILD/tests/tools/xdp_pass" lb-third
ip -n "$LAB-lb" address add 10.0.1.2/24 dev eth2 noprefixroute
lab_link client eth1 front client-two
lab_in client ethtool -K eth1 tx off tso off gso off gro off >/dev/null
lab_in client sysctl -q -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.rp_filter=0 \
	net.ipv4.conf.eth0.rp_filter=0 net.ipv4.conf.eth1.rp_filter=0
ip -n "$LAB-client" address add 10.0.0.3/32 dev eth1
{
	lab_config eth0 eth1 eth2
	lab_service web "$LAB_VIP4" 80/tcp client stable
	lab_service web6 "$LAB_VIP6" 80/tcp client stable
} >"$LAB_TMP/serin.yaml"
lab_start lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" \
	agent -c "$LAB_TMP/serin.yaml" 2>"$LAB_TMP/agent.log"
lab_wait_for 10 lab_in lb curl -sf --max-time 2 http://127.0.0.1:10717/-/ready

load_start "$LAB_TMP/short" "$LAB_VIP4" 80 --count 4000 --concurrency 16 --rate 300
short=$LAB_PID
load_start "$LAB_TMP/six" "$LAB_VIP6" 80 --count 4000 --concurrency 16 --rate 300
six=$LAB_PID
load_start "$LAB_TMP/hold" "$LAB_VIP4" 80 --count 50 --hold-ms 50
hold=$LAB_PID

# received NAMESPACE LINK: packets so far
received() {
	ip -n "$LAB-$1" -j -s link show dev "$2" | jq '.[0].stats64.rx.packets'
}
# all_go NAMESPACE LINK OTHER: what was divided among two links comes by the first of them alone.
all_go() {
	local a b
	a=$(received "$1" "$2") b=$(received "$1" "$3")
	sleep 0.2
	a=$(($(received "$1" "$2") - a)) b=$(($(received "$1" "$3") - b))
	((a > 20 && b < 10))
}
all_go_by_backends() { # NIC: that is what the switch gets from it
	case $1 in
	eth1) all_go switch lb-back lb-third ;;
	eth2) all_go switch lb-third lb-back ;;
	esac
}
move_to() { # eth1|eth2
	ip -n "$LAB-lb" route replace 10.0.1.0/24 dev "$1"
	ip -n "$LAB-lb" -6 route replace 2001:db8:b::/64 dev "$1" metric 50
	lab_wait_for 10 all_go_by_backends "$1"
}
lab_wait_for 10 all_go_by_backends eth1
for round in 1 2 3; do
	for nic in eth2 eth1; do
		begin=${EPOCHREALTIME/./}
		ip -n "$LAB-lb" neigh flush dev $nic # who is there is not known
		move_to $nic
		printf 'backends by %s, %d: all after %d ms at most\n' $nic $round \
			$(((${EPOCHREALTIME/./} - begin) / 1000))
	done
	begin=${EPOCHREALTIME/./}
	ip -n "$LAB-lb" route replace "$LAB_CLIENTS4" via 10.0.0.3
	ip -n "$LAB-lb" neigh flush 10.0.0.3 dev eth0
	came_by_second() {
		local a
		a=$(received client eth1)
		sleep 0.2
		(($(received client eth1) - a > 20))
	}
	lab_wait_for 10 came_by_second
	printf 'clients by another gateway, %d: after %d ms at most\n' $round \
		$(((${EPOCHREALTIME/./} - begin) / 1000))
	ip -n "$LAB-lb" route replace "$LAB_CLIENTS4" via 10.0.0.2
	came_by_first() {
		! came_by_second
	}
	lab_wait_for 10 came_by_first
done
load_stop "$short" "$LAB_TMP/short"
load_stop "$six" "$LAB_TMP/six"
load_stop "$hold" "$LAB_TMP/hold"
expect "drops" "$(serin status -o json |
	jq '.verdicts | .no_backend + .no_next_hop + .too_big')" 0
