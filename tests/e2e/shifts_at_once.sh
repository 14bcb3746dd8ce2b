#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Shifts at once, by the command line and by the API: every one is either applied or refused as a
# conflict, and the epochs tell how many were.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology one stable:1 canary:1
{
	lab_config eth0
	lab_service web "$LAB_VIP4" 80/tcp client canary=5 stable
} >"$LAB_TMP/serin.yaml"
lab_start lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" agent -c "$LAB_TMP/serin.yaml" \
	2>"$LAB_TMP/agent.log"
lab_wait_for 10 curl -sf --unix-socket "$SERIN_SOCKET" http://serin/-/ready
epoch() {
	serin status -o json | jq '.services[0].epoch'
}
# What became of it: applied, conflict, or anything else, which is wrong.
by_verb() {
	local status=0
	serin weight web canary="$1" "${@:2}" >/dev/null 2>&1 || status=$?
	case $status in
	0) printf 'applied\n' ;;
	5) printf 'conflict\n' ;;
	*) printf 'exit %d\n' "$status" ;;
	esac
}
by_api() {
	curl -s --max-time 20 --unix-socket "$SERIN_SOCKET" -d "{\"weights\": {\"canary\": $1}$2}" \
		http://serin/api/v1/services/web/weights |
		jq -r 'if .changed then "applied" else .error.code // tostring end'
}
count() {
	grep -cx "$1" "$LAB_TMP/became" || true
}

# 24 who do not mind each other: all are applied.
before=$(epoch) pids=()
: >"$LAB_TMP/became"
for i in {1..12}; do
	by_verb $((10 + i)) >>"$LAB_TMP/became" &
	pids+=($!)
	by_api $((30 + i)) '' >>"$LAB_TMP/became" &
	pids+=($!)
done
wait "${pids[@]}"
expect "applied" "$(count applied)" 24
expect "epoch" "$(epoch)" $((before + 24))

# 24 who expect the epoch of now, and again, each round: of each round one wins.
for round in 1 2 3; do
	before=$(epoch) pids=()
	: >"$LAB_TMP/became"
	for i in {1..12}; do
		by_verb $((10 * round + i)).5 --expect-epoch "$before" >>"$LAB_TMP/became" &
		pids+=($!)
		by_api $((10 * round + 30 + i)).25 ", \"expect_epoch\": $before" >>"$LAB_TMP/became" &
		pids+=($!)
	done
	wait "${pids[@]}"
	expect "round $round" "$(count applied) applied, $(count conflict) in conflict" \
		"1 applied, 23 in conflict"
	expect "epoch after round $round" "$(epoch)" $((before + 1))
done
