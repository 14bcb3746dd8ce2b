#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# One NIC, TCP over IPv6: every connection is answered, shares are as wanted, Serin saw it all.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology one stable:2 canary:1
lab_nginx "${LAB_BACKENDS[@]}"
head -c 4M /dev/urandom >"$LAB_TMP/big"
{
	lab_config eth0
	lab_service web "$LAB_VIP6" 80/tcp client canary=25 stable
} >"$LAB_TMP/serin.yaml"
serin apply "$LAB_TMP/serin.yaml"

summary=$(load "$LAB_VIP6" 80 --count 4000 --passes 2)
expect_clean "$summary"
# The addresses are always the same ones, and so is the result.
expect_between "canary's share" "$(jq '.by_pool.canary / .requests' <<<"$summary")" 0.226 0.274
expect "backends that answered" "$(jq '.by_backend | length' <<<"$summary")" 3

status=$(serin status -o json)
expect "address of the service" "$(jq -r '.services[0].vip' <<<"$status")" "$LAB_VIP6"
expect "flows by pool" \
	"$(jq -Sc '.services[0].pools | map({(.name): .signals.flows}) | add' <<<"$status")" \
	"$(jq -Sc .by_pool <<<"$summary")"

got=$(lab_in client curl -sf --max-time 20 "http://[$LAB_VIP6]/big" | sha256sum)
expect "the big file's checksum" "$got" "$(sha256sum <"$LAB_TMP/big")"
