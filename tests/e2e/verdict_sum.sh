#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every packet the NIC received has exactly one verdict: their sum is the NIC's own count.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology two stable:1 canary:1
lab_nginx "${LAB_BACKENDS[@]}"
{
	lab_config eth0 eth1
	lab_service web "$LAB_VIP4" 80/tcp client canary=25 stable
} >"$LAB_TMP/serin.yaml"
received() {
	ip -n "$LAB-lb" -j -s link show | jq '[.[] | select(.ifname != "lo").stats64.rx.packets] | add'
}
verdicts() {
	serin status -o json | jq '[.verdicts[]] | add'
}
# What the NICs counted and Serin did not: the packets before it was attached, and no more. The NICs
# are read before and after, for a neighbour probe may come between.
surplus() {
	local before sum
	until before=$(received) && sum=$(verdicts) && [[ $(received) == "$before" ]]; do
		sleep 0.05
	done
	printf '%d\n' $((before - sum))
}
serin apply "$LAB_TMP/serin.yaml"
first=$(surplus) ours=$(verdicts)
expect_clean "$(load "$LAB_VIP4" 80 --count 1000 --requests 4000)"
lab_in client curl -sf --max-time 5 "http://10.0.0.1:$LAB_PORT/" || true # not ours: a reset
lab_in client curl -sf --max-time 5 "http://${LAB_ADDR4[stable-1]}:$LAB_PORT/" >/dev/null
expect "packets with no verdict, or two" "$(surplus)" "$first"
expect_between "packets seen" $(($(verdicts) - ours)) 40000 1000000
