#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Ramping the canary up and down moves nobody in or out of the baseline, and nobody twice.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology one stable:1 canary:1 baseline:1
lab_nginx "${LAB_BACKENDS[@]}"
{
	lab_config eth0
	lab_service web "$LAB_VIP4" 80/tcp client canary=0 stable baseline=5
} >"$LAB_TMP/serin.yaml"
serin apply "$LAB_TMP/serin.yaml"

# cohorts NAME: who is in which pool now, one sorted file for each
cohorts() {
	local pool
	expect_clean "$(load "$LAB_VIP4" 80 --count 3000 --passes 1 --trace "$LAB_TMP/trace")"
	for pool in canary stable baseline; do
		awk -v p="$pool" '$4 == p {print $3}' "$LAB_TMP/trace" | sort >"$LAB_TMP/$1.$pool"
	done
}
cohorts before
expect_between "baseline clients" "$(wc -l <"$LAB_TMP/before.baseline")" 90 210

last=before
for weight in 1 10 45 95; do
	serin weight web canary=$weight >/dev/null
	cohorts "up$weight"
	cmp "$LAB_TMP/before.baseline" "$LAB_TMP/up$weight.baseline" || fail "baseline moved at $weight %"
	left=$(comm -23 "$LAB_TMP/$last.canary" "$LAB_TMP/up$weight.canary" | wc -l)
	expect "clients that left the canary as it grew to $weight %" "$left" 0
	last=up$weight
done
expect "stable clients with 95 % + 5 % elsewhere" "$(wc -l <"$LAB_TMP/up95.stable")" 0

serin weight web canary=10 >/dev/null
cohorts down10
for pool in canary stable baseline; do
	cmp "$LAB_TMP/up10.$pool" "$LAB_TMP/down10.$pool" || fail "$pool differs on the way back"
done
