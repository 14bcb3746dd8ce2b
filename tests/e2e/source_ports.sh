#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A fullnat service that has run out of source ports refuses new flows, and no other service does.
# Its own flows go on, the refusals are counted and logged once, and ports come free when flows end.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_modes.sh
. "$(dirname "$0")/../../scripts/lab_modes.sh"

PORTS=20 WIDE_PORT=8081
lab_init
lab_topology one stable:1
lab_nginx "${LAB_BACKENDS[@]}"
head -c 8M /dev/urandom >"$LAB_TMP/big"
keys='forwarding: fullnat
source_addresses: [10.0.1.200]'
ip -n "$LAB-lb" address add 10.0.1.200/24 dev eth0
{
	printf 'idle: {closing: 5}\n'
	lab_config eth0
	LAB_KEYS="$keys
source_ports: 5001-$((5000 + PORTS))" \
		lab_service tight "$LAB_VIP4" "$LAB_PORT/tcp" connection stable
	LAB_KEYS="$keys
source_ports: 6000-6999" lab_service wide "$LAB_VIP4" "$WIDE_PORT/tcp" connection stable
} >"$LAB_TMP/serin.yaml"
lab_start lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" \
	agent -c "$LAB_TMP/serin.yaml" 2>"$LAB_TMP/agent.log"
metrics() {
	lab_in lb curl -sf --max-time 5 http://127.0.0.1:10717/metrics
}
metric() { # FAMILY SERVICE
	metrics | sed -n "s/^serin_service_source_ports$1{service=\"$2\"} //p"
}
ask() {
	lab_in client curl -sf --connect-timeout 1 --max-time 5 "http://$LAB_VIP4:$1/" -o /dev/null
}
lab_wait_for 10 ask "$LAB_PORT"

lab_start client curl -sf --max-time 60 --limit-rate 1M "http://$LAB_VIP4:$LAB_PORT/big" \
	-o "$LAB_TMP/got"
download=$LAB_PID
served=0
until ! ask "$LAB_PORT"; do
	served=$((served + 1))
	((served <= 3 * PORTS)) || fail "$served connections, and none was refused"
done
for _ in {1..20}; do
	ask "$WIDE_PORT" || fail "the other service refuses, too"
done
((served >= PORTS - 3)) || fail "only $served connections before the first was refused"
expect "ports" "$(metric '' tight)" "$PORTS"
(($(metric _refused_total tight) > 0)) || fail "no refusal in the metrics"
expect "the other's refusals" "$(metric _refused_total wide)" 0
expect_between "refusals in the status" \
	"$(serin status -o json | jq '.services[] | select(.name == "tight") | .source_ports.refused')" \
	1 1000
(($(serin status -o json | jq .verdicts.no_source_port) > 0)) || fail "no verdict"
serin status | grep -q '^tight: source ports: .* refused' || fail "the table says nothing"

warned() {
	grep -q "level=warning.*tight: new flows are refused.* its $PORTS source ports" "$LAB_TMP/agent.log"
}
lab_wait_for 10 warned || fail "$(cat "$LAB_TMP/agent.log")"

wait "$download" || fail "the download broke off"
cmp "$LAB_TMP/big" "$LAB_TMP/got"
lab_wait_for 20 ask "$LAB_PORT"
for ((i = 0; i < 2 * PORTS; i++)); do
	ask "$LAB_PORT" || break
done
((i < 2 * PORTS)) || fail "none was refused again"
sources=$(serin flows tight -o json | jq -c '[.[].source] | [length, (unique | length)]')
expect_between "flows" "$(jq '.[0]' <<<"$sources")" 1 "$PORTS"
expect "flows with a source of their own" "$(jq '.[1]' <<<"$sources")" "$(jq '.[0]' <<<"$sources")"
expect "warnings" "$(grep -c 'new flows are refused' "$LAB_TMP/agent.log")" 1
