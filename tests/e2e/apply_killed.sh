#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# kill -9 of apply at any moment, under load, loses nothing, and the next apply finishes the work. A
# fullnat service comes and goes beside the one under load.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology one stable:3 canary:2
lab_nginx "${LAB_BACKENDS[@]}"
ip -n "$LAB-lb" address add 10.0.1.200/24 dev eth0
write_config() {
	lab_config eth0
	lab_service web "$LAB_VIP4" 80/tcp connection canary=20 stable
}
all=("${LAB_BACKENDS[@]}")
{
	write_config
	LAB_KEYS='forwarding: fullnat
source_addresses: [10.0.1.200]' lab_service api "$LAB_VIP4" 81/tcp connection canary=20 stable
} >"$LAB_TMP/a.yaml"
LAB_BACKENDS=(stable-1 stable-3 canary-2)
write_config >"$LAB_TMP/b.yaml"
LAB_BACKENDS=("${all[@]}")
shape() { # of what runs, in words that both configurations can be compared by
	serin status -o json | jq -c '[.services[].pools[] | [.name, .weight,
		([.backends[] | select(.state == "up").address] | sort)]]'
}
serin apply "$LAB_TMP/b.yaml" >/dev/null
shape >"$LAB_TMP/b.shape"
serin apply "$LAB_TMP/a.yaml" >/dev/null
shape >"$LAB_TMP/a.shape"
! cmp -s "$LAB_TMP/a.shape" "$LAB_TMP/b.shape" || fail "the configurations do not differ"

load_start "$LAB_TMP/load" "$LAB_VIP4" 80 --count 8000 --concurrency 24
load=$LAB_PID
# The quickest of four: most of the twenty moments must fall into an apply at work.
whole_us=1000000
for config in b a b a; do
	begin=${EPOCHREALTIME/./}
	serin apply "$LAB_TMP/$config.yaml" >/dev/null
	took_us=$((${EPOCHREALTIME/./} - begin))
	((took_us >= whole_us)) || whole_us=$took_us
done

killed=0
for ((i = 1; i <= 20; i++)); do
	config=$LAB_TMP/a.yaml # or the other, where that would be no change
	[[ $(shape) != "$(cat "$LAB_TMP/a.shape")" ]] || config=$LAB_TMP/b.yaml
	lab_start lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" apply "$config" >/dev/null
	sleep "$(printf '0.%06d' $((whole_us * i / 15)))"
	kill -9 "$LAB_PID" 2>/dev/null || true
	status=0
	wait "$LAB_PID" 2>/dev/null || status=$?
	case $status in
	137) killed=$((killed + 1)) ;;
	0) ;;
	*) fail "apply of $config: exit $status" ;;
	esac
done
expect_between "applies killed before they were done" "$killed" 5 20

for config in a b; do
	serin apply "$LAB_TMP/$config.yaml" >/dev/null
	expect "what runs after $config" "$(shape)" "$(cat "$LAB_TMP/$config.shape")"
done
serin apply "$LAB_TMP/a.yaml" >/dev/null
lab_in client curl -sf --max-time 5 "http://$LAB_VIP4:81/" >/dev/null || fail "no answer by fullnat"
load_stop "$load" "$LAB_TMP/load"
expect "drops" "$(serin status -o json | jq '.verdicts | .no_backend + .no_next_hop + .too_big')" 0
