#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A device without native XDP: apply says so and what to write instead, and that works.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology one stable:1 canary:1
lab_nginx "${LAB_BACKENDS[@]}"
# The load balancer's addresses move to a bridge, which has no native XDP.
ip -n "$LAB-lb" -batch - <<-END
	link add br0 up type bridge mcast_snooping 0
	link set eth0 master br0
	address flush dev eth0
	address add 10.0.0.1/24 dev br0
	address add 10.0.1.1/24 dev br0
	route add $LAB_CLIENTS4 via 10.0.0.2
END
{
	lab_config br0
	lab_service web "$LAB_VIP4" 80/tcp client canary=25 stable
} >"$LAB_TMP/native.yaml"
sed 's/^interfaces:.*/interfaces: [{name: br0, mode: generic}]/' \
	"$LAB_TMP/native.yaml" >"$LAB_TMP/generic.yaml"

expect_exit 1 serin apply "$LAB_TMP/native.yaml"
grep -q br0 "$LAB_TMP/out" || fail "does not say which device: $(cat "$LAB_TMP/out")"
grep -q 'mode: generic' "$LAB_TMP/out" || fail "does not say what to do: $(cat "$LAB_TMP/out")"
expect "pins left" "$(lab_pins)" ""

serin apply "$LAB_TMP/generic.yaml"
expect mode "$(serin status -o json | jq -r '.interfaces[0].mode')" generic
expect_clean "$(load "$LAB_VIP4" 80 --count 1000 --requests 2000)"
