#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Half of the backends at a time, and never fewer than two that serve: a batch waits for others to be healthy
# before it is drained, and for itself afterwards; one that stays ill stops the release until somebody goes
# on all the same. No request fails.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_rollout.sh
. "$(dirname "$0")/../../scripts/lab_rollout.sh"

rollout_lab stable:4 canary:1
for name in "${LAB_BACKENDS[@]}"; do
	printf '%s:%s %s\n' "${LAB_ADDR4[$name]}" "$LAB_PORT" "$LAB_TMP/$name/healthz"
done >"$LAB_TMP/pages"
health_of() {
	serin status -o json | jq -r --arg a "${LAB_ADDR4[$1]}" \
		'.services[0].pools[].backends[] | select(.address == $a).health'
}
is_healthy() { [[ $(health_of "$1") == "$2" ]]; }
# Upgraded ones are ill at first, and a yes comes when that is known.
cat >"$LAB_TMP/upgrade" <<-END
	#!/bin/bash
	for backend in \$SERIN_BACKENDS; do
		rm "\$(sed -n "s,^\$backend ,,p" $LAB_TMP/pages)"
		until [[ \$($LAB_BUILD/serin --bpffs $LAB_TMP/bpf/serin status -o json | jq -r --arg b "\$backend" \\
			'.services[0].pools[].backends[] | select("\\(.address):\\(.port)" == \$b).health') == down ]]; do
			sleep 0.1
		done
	done
	echo "\$SERIN_BACKENDS" >>$LAB_TMP/upgrades
END
chmod +x "$LAB_TMP/upgrade"
LAB_KEYS='health_check: {type: http, path: /healthz, interval: 500ms, timeout: 450ms, fall: 3, rise: 1}' rollout_config "  careful:
    type: rolling
    batch: 50%
    min_healthy: 2
    drain: 1s
    health_timeout: 10s
    analysis: {kernel: false}
    hooks: [{at: batch, exec: [$LAB_TMP/upgrade], timeout: 60s}]"
rollout_agent
well() { printf 'well\n' >"$LAB_TMP/$1/healthz"; }
: >"$LAB_TMP/upgrades"
upgraded() { (($(wc -l <"$LAB_TMP/upgrades") == $1)); }
waits() { rollout_get .why | grep -q "$1"; }
load_start "$LAB_TMP/load" "$LAB_VIP4" 80 --count 2000 --rate 100 --concurrency 16
load=$LAB_PID
until [[ -e $LAB_TMP/over ]]; do
	serin status -o json | jq -c '[.services[0].pools[] | select(.name == "stable").backends[] |
		select(.state == "up")] | length'
	sleep 0.1
done >"$LAB_TMP/serving" 2>/dev/null &
sampler=$!
LAB_PIDS+=("$sampler")

# One of the others is ill: with the batch drained there would be one left.
rm "$LAB_TMP/stable-4/healthz"
lab_wait_for 20 is_healthy stable-4 down
rollout_start v2
lab_wait_for 20 waits 'batch 1 waits: 1 other backends serve, 2 have to'
expect "drained" "$(rollout_get '.batches.drained | length')" 0
well stable-4

# The batch gets nothing before it is healthy, nor does the next one begin.
lab_wait_for 60 upgraded 1
expect "the first half" "$(<"$LAB_TMP/upgrades")" \
	"${LAB_ADDR4[stable-1]}:$LAB_PORT ${LAB_ADDR4[stable-2]}:$LAB_PORT"
lab_wait_for 20 waits 'waits for batch 1 to be healthy'
expect "upgrades" "$(wc -l <"$LAB_TMP/upgrades")" 1
well stable-1
well stable-2

# Of the second one a backend stays ill.
lab_wait_for 60 upgraded 2
well stable-3
rollout_until 90 paused
expect "cause" "$(rollout_get .cause)" batch
expect "why" "$(rollout_get .why)" 'the batch did not get healthy'
expect "drained" "$(rollout_get '.batches.drained | join(" ")')" "${LAB_ADDR4[stable-4]}:$LAB_PORT"
rollout_do promote >/dev/null
rollout_until 20 promoted
expect "batches" "$(rollout_get '"\(.batches.done | length) \(.batches.drained | length)"')" '4 0'
expect "the ill one" "$(serin status -o json | jq -r --arg a "${LAB_ADDR4[stable-4]}" \
	'.services[0].pools[].backends[] | select(.address == $a).state')" down
touch "$LAB_TMP/over"
wait "$sampler"
expect "the fewest that served" "$(sort -n "$LAB_TMP/serving" | head -n 1)" 2
load_stop "$load" "$LAB_TMP/load"
