#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Live weights survive apply; a dry run changes nothing; writers at the same time lose no shift.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology one stable:1 canary:1
{
	lab_config eth0
	lab_service web "$LAB_VIP4" 80/tcp client canary=5 stable
} >"$LAB_TMP/serin.yaml"
serin apply "$LAB_TMP/serin.yaml" >/dev/null
get() {
	serin status -o json | jq -c ".services[0] | $1"
}
canary='.pools[] | select(.name == "canary").weight | round'
expect "weight" "$(get "$canary")" 5
serin weight web canary=42 >/dev/null
expect "what apply says of the same file" "$(serin apply "$LAB_TMP/serin.yaml" | tail -n 1)" "no changes"
expect "weight after apply" "$(get "$canary")" 42
sed -i 's/port: 80$/port: 81/' "$LAB_TMP/serin.yaml"
serin apply "$LAB_TMP/serin.yaml" >/dev/null
expect "weight after the port has changed" "$(get "$canary")" 42

before=$(get .)
serin weight web canary=9 --dry-run >/dev/null
sed 's/port: 81$/port: 82/' "$LAB_TMP/serin.yaml" >"$LAB_TMP/other.yaml"
[[ $(serin apply --dry-run "$LAB_TMP/other.yaml") != *"no changes"* ]] || fail "no difference told"
serin detach --dry-run >/dev/null
expect "after three dry runs" "$(get .)" "$before"

# Twenty at once: each shift is one epoch, none is lost.
epoch=$(get .epoch) pids=()
for i in {1..20}; do
	serin weight web canary=$((42 + i)) >/dev/null &
	pids+=($!)
done
for pid in "${pids[@]}"; do
	wait "$pid" || fail "one of twenty writers"
done
expect "epoch after twenty shifts" "$(get .epoch)" $((epoch + 20))
# Of those who expect the same epoch, one wins.
wins=0 pids=()
for i in {1..8}; do
	serin weight web canary="$i" --expect-epoch $((epoch + 20)) >/dev/null 2>&1 &
	pids+=($!)
done
for pid in "${pids[@]}"; do
	status=0
	wait "$pid" || status=$?
	case $status in
	0) wins=$((wins + 1)) ;;
	5) ;;
	*) fail "exit $status" ;;
	esac
done
expect "winners" "$wins" 1
expect "epoch" "$(get .epoch)" $((epoch + 21))
