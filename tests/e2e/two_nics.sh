#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Two NICs: what comes in by one leaves by the other, both ways, for both families.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology two stable:2 canary:1
lab_nginx "${LAB_BACKENDS[@]}"
head -c 4M /dev/urandom >"$LAB_TMP/big"
{
	lab_config eth0 eth1
	lab_service web4 "$LAB_VIP4" 80/tcp client canary=25 stable
	lab_service web6 "$LAB_VIP6" 80/tcp client canary=25 stable
} >"$LAB_TMP/serin.yaml"
serin apply "$LAB_TMP/serin.yaml"

for vip in "$LAB_VIP4" "$LAB_VIP6"; do
	summary=$(load "$vip" 80 --count 2000 --requests 4000)
	expect_clean "$summary"
	expect_between "canary's share, $vip" \
		"$(jq '.by_pool.canary / .requests' <<<"$summary")" 0.20 0.30
done
got=$(lab_in client curl -sf --max-time 20 "http://$LAB_VIP4/big" | sha256sum)
expect "the big file's checksum" "$got" "$(sha256sum <"$LAB_TMP/big")"

verdicts=$(serin status -o json | jq .verdicts)
expect "packets sent back by the same NIC" "$(jq .forwarded_same_port <<<"$verdicts")" 0
expect_between "packets to the other NIC" "$(jq .forwarded_other_port <<<"$verdicts")" 60000 1000000
