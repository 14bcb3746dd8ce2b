#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A release that refuses connections is taken back by itself, to exactly 0 %, and stays there. How long
# that took, and how many were touched, is printed.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_rollout.sh
. "$(dirname "$0")/../../scripts/lab_rollout.sh"

lab_init
lab_topology one stable:2 canary:1
lab_nginx stable-1 stable-2 # and nobody listens on the canary
rollout_config '  careful:
    type: canary
    candidate: canary
    steps: [{weight: 10, hold: 10m}]
    analysis: {initial_delay: 500ms}'
rollout_agent
load_start "$LAB_TMP/load" "$LAB_VIP4" 80 --count 2000 --rate 400 --concurrency 64
load=$LAB_PID

rollout_start v2
rollout_until 60 aborted
expect "weight" "$(rollout_weight canary)" 0
rollout_ask services/web/rollout/record >"$LAB_TMP/record"
jq -e '.kernel.verdict == "abort" and .finding == "bad" and .kernel.totals.canary.failures > 0 and
	any(.transitions[]; .to == "rolling back" and (.why | startswith("kernel: ")))' \
	"$LAB_TMP/record" >/dev/null || fail "$(jq -c 'del(.samples)' "$LAB_TMP/record")"
# From the weight to the verdict, and from the verdict to no new flow.
jq -r '(.shifts | map(.at_ms)) as $s | (.transitions[] | select(.to == "rolling back")) as $bad |
	"taken back \($bad.at_ms - $s[0]) ms after it got traffic: \($bad.why)",
	"0 % was kept \($s[-1] - $bad.at_ms) ms after the verdict"' "$LAB_TMP/record"
after=$(serin status -o json | jq '.services[0].pools[0].signals.flows')
kill "$load"
wait "$load" || true
printf 'requests: %s\n' "$(tail -n 1 "$LAB_TMP/load" | jq -c '{requests, failed}')"
expect "flows of the canary since" \
	"$(serin status -o json | jq '.services[0].pools[0].signals.flows')" "$after"

# It has ended: nothing is wanted any more, and whoever gives it weight now is left alone.
serin weight web canary=5 >/dev/null
expect "phase" "$(rollout_get .phase)" aborted
expect "weight of its operator's" "$(rollout_weight canary)" 5
if rollout_do abort >"$LAB_TMP/out"; then fail "an aborted one is aborted: $(cat "$LAB_TMP/out")"; fi
expect "error" "$(jq -r .error.code "$LAB_TMP/out")" conflict
expect "rollbacks" "$(curl -s --unix-socket "$SERIN_SOCKET" http://serin/metrics |
	sed -n 's/^serin_rollout_rollbacks_total{service="web"//p' | sort)" ',cause="analysis"} 1
,cause="person"} 0
,cause="superseded"} 0'
curl -s --unix-socket "$SERIN_SOCKET" http://serin/metrics | promtool check metrics ||
	fail "promtool has something to say"
