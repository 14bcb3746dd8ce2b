#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A backend that answers 503 is taken out and comes back when it answers 200; checks go to its own
# address, of a pool with weight 0 as of any other, and what the agent found outlives it.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_health.sh
. "$(dirname "$0")/../../scripts/lab_health.sh"

lab_init
lab_topology one stable:2 canary:1
lab_nginx "${LAB_BACKENDS[@]}"
{
	lab_config eth0
	LAB_KEYS='health_check: {type: http, path: /healthz, interval: 100ms, fall: 3}'
	lab_service web "$LAB_VIP4" 80/tcp connection canary=0 stable
} >"$LAB_TMP/serin.yaml"

start_agent
wait_for_state stable-1 up
rm "$LAB_TMP/stable-1/healthz"
wait_for_state stable-1 down
expect "the other backend" "$(state_of stable-2)" up
expect "answers of a backend that is down" "$(answers_of stable-1 200)" 0
expect "events" "$(serin events web -o json | jq -rs '.[] | "\(.kind) \(.cause) \(.pool) \(.backend)"')" \
	"backend_down health_check stable ${LAB_ADDR4[stable-1]}:$LAB_PORT"
grep -q 'is down: 3 checks running failed, the last one: HTTP status 404' "$LAB_TMP/agent.log" ||
	fail "the log: $(cat "$LAB_TMP/agent.log")"
expect "the metric" "$(metric "serin_backend_up{service=\"web\",pool=\"stable\",backend=\"${LAB_ADDR4[stable-1]}:$LAB_PORT\"}")" 0

# It stays down while no agent is there, and when the next one comes: that one has yet to see it pass.
kill -9 "$agent"
wait "$agent" 2>/dev/null || true
expect "without the agent" "$(state_of stable-1)" down
serin apply "$LAB_TMP/serin.yaml" >/dev/null
expect "after an apply" "$(state_of stable-1)" down
start_agent
expect "with the next agent" "$(state_of stable-1)" down
printf 'well\n' >"$LAB_TMP/stable-1/healthz"
wait_for_state stable-1 up
expect "events" "$(serin events web -o json | jq -r .kind | tail -n 1)" backend_up
expect_between "answers of a backend that is up again" "$(answers_of stable-1 200)" 50 150

# Weight 0 is no reason not to know.
rm "$LAB_TMP/canary-1/healthz"
wait_for_state canary-1 down
logged 'pool canary has no backend left: its clients go to the primary'
serin weight web canary=100 >/dev/null
expect "answers of a canary that is down" "$(answers_of canary-1 100)" 0
fallbacks() { serin status -o json | jq '.services[0].pools[0].signals.fallbacks'; }
expect "flows that fell back to the primary" "$(fallbacks)" 100
printf 'well\n' >"$LAB_TMP/canary-1/healthz"
wait_for_state canary-1 up
expect "answers of the canary" "$(answers_of canary-1 100)" 100

# What an operator drained stays drained, whatever its checks say.
serin weight web canary=0 >/dev/null
serin drain web "${LAB_ADDR4[stable-2]}" >/dev/null
rm "$LAB_TMP/stable-2/healthz"
wait_for_health stable-2 down
expect "a drained backend that is down" "$(state_of stable-2)" draining
printf 'well\n' >"$LAB_TMP/stable-2/healthz"
wait_for_health stable-2 up
expect "a drained backend that is up again" "$(state_of stable-2)" draining
serin undrain web "${LAB_ADDR4[stable-2]}" >/dev/null
expect "when it is no longer drained" "$(state_of stable-2)" up

# No check, no verdict: what was down is up once nobody would find out any more.
rm "$LAB_TMP/stable-1/healthz"
wait_for_state stable-1 down
sed -i '/health_check/d' "$LAB_TMP/serin.yaml"
kill -HUP "$agent"
wait_for_state stable-1 up
expect_clean_metrics() {
	lab_in lb curl -sf http://127.0.0.1:10717/metrics | promtool check metrics >"$LAB_TMP/out" 2>&1
}
expect_clean_metrics || fail "promtool: $(cat "$LAB_TMP/out")"

# Without a file there is nothing to check.
lab_stop "$agent"
lab_start lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" agent 2>>"$LAB_TMP/agent.log"
logged 'no configuration file was given: backends are not checked'
