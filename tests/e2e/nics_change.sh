#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# NICs come and go by apply: traffic moves from one to two and back without a failed request.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology two stable:2
lab_nginx "${LAB_BACKENDS[@]}"
{
	lab_config eth0 eth1
	lab_service web "$LAB_VIP4" 80/tcp client stable
} >"$LAB_TMP/two.yaml"
serin apply "$LAB_TMP/two.yaml" >/dev/null
load_start "$LAB_TMP/load" "$LAB_VIP4" 80 --count 2000 --concurrency 16
load=$LAB_PID

# A third NIC, which nothing uses yet, comes and goes.
lab_link lb eth2 front lb-third
lab_in switch "$LAB_BUILD/tests/tools/xdp_pass" lb-third
sed 's/^interfaces:.*/interfaces: [eth2, eth0, eth1]/' "$LAB_TMP/two.yaml" >"$LAB_TMP/three.yaml"
attached() {
	ip -n "$LAB-lb" -j -d link show | jq -c '[.[] | select(.xdp).ifname] | sort'
}
for _ in {1..5}; do
	serin apply "$LAB_TMP/three.yaml" >/dev/null
	expect "NICs" "$(attached)" '["eth0","eth1","eth2"]'
	serin apply "$LAB_TMP/two.yaml" >/dev/null
	expect "NICs" "$(attached)" '["eth0","eth1"]'
done
# One that is deleted under Serin's feet is let go of, and taken again when it is back.
serin apply "$LAB_TMP/three.yaml" >/dev/null
ip -n "$LAB-lb" link del eth2
serin apply "$LAB_TMP/two.yaml" >/dev/null
expect "NICs" "$(attached)" '["eth0","eth1"]'
lab_link lb eth2 front lb-third
serin apply "$LAB_TMP/three.yaml" >/dev/null
expect "NICs" "$(attached)" '["eth0","eth1","eth2"]'
load_stop "$load" "$LAB_TMP/load"
