#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# explain tells for every client the pool and backend its packets really go to.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology one stable:3 canary:2 baseline:2
lab_nginx "${LAB_BACKENDS[@]}"
{
	lab_config eth0
	lab_service web4 "$LAB_VIP4" 80/tcp client canary=30 stable baseline=20
	lab_service web6 "$LAB_VIP6" 80/tcp client canary=30 stable baseline=20
	LAB_KEYS="client_prefix4: 30" lab_service nets4 "$LAB_VIP4" 8080/tcp client canary=30 stable baseline=20
} >"$LAB_TMP/serin.yaml"
serin apply "$LAB_TMP/serin.yaml"
expect_clean "$(load "$LAB_VIP4" 80 --count 40 --passes 1 --trace "$LAB_TMP/web4")"
expect_clean "$(load "$LAB_VIP4" 8080 --count 40 --passes 1 --trace "$LAB_TMP/nets4")"
expect_clean "$(load "$LAB_VIP6" 80 --count 40 --passes 1 --trace "$LAB_TMP/web6")"

for service in web4 web6 nets4; do
	seen=0
	while read -r _ _ client pool backend _; do
		said=$(serin explain "$service" "$client" -o json | jq -r '"\(.pool) \(.backend)"')
		address=${LAB_ADDR4[$backend]}
		[[ $service == *4 ]] || address="[${LAB_ADDR6[$backend]}]"
		expect "what explain says of $client" "$said" "$pool $address:$LAB_PORT"
		seen=$((seen + 1))
	done <"$LAB_TMP/$service"
	expect "clients compared" "$seen" 40
	expect "pools seen" "$(awk '{print $4}' "$LAB_TMP/$service" | sort -u | wc -l)" 3
done
in_one_net=$(awk '{split($3, b, "."); print int(b[4] / 4), $5}' "$LAB_TMP/nets4" | sort -u | wc -l)
expect "backends of /30s" "$in_one_net" 11

said=$(serin explain web4 "${LAB_ADDR4[${LAB_BACKENDS[0]}]}" -o json | jq -r .refused)
expect "what explain says of a backend as a client" "$said" hairpin
