#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A backend that takes connections and breaks them passes its checks; by its own flows it is found out
# and ejected for a time, but never more than half of the pool.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_health.sh
. "$(dirname "$0")/../../scripts/lab_health.sh"

RESETS=10.1.4.0/24 # of clients that the fickle server resets

lab_init
lab_topology one stable:1 canary:3
lab_nginx stable-1 canary-3
for name in canary-1 canary-2; do
	lab_start "$name" python3 "$LAB_ROOT/tests/tools/fickle_server.py" "$LAB_PORT" 1 1 >/dev/null
done
is_listening() {
	[[ -n $(lab_in "$1" ss -Hltn "sport = :$LAB_PORT") ]]
}
lab_wait_for 30 is_listening canary-1
lab_wait_for 30 is_listening canary-2
{
	lab_config eth0
	LAB_KEYS='health_check: {type: tcp, interval: 500ms}
outlier: {failures: 5, interval: 1s, eject: 2s, max_eject: 1h}'
	lab_service web "$LAB_VIP4" 80/tcp connection canary=100 stable
} >"$LAB_TMP/serin.yaml"
start_agent

# Connections of clients that some backends reset.
annoy() {
	lab_in client "$LAB_BUILD/tests/tools/load" --vip "$LAB_VIP4:80" --clients "$RESETS" \
		--count 100 --passes 1 >/dev/null || true
}
is_one_ejected() {
	annoy
	[[ $(serin status -o json | jq '[.services[].pools[].backends[].health] | sort |
		. == ["ejected", "up", "up", "up"]') == true ]]
}
lab_wait_for 20 is_one_ejected
ejected=$(serin status -o json | jq -r '.services[].pools[].backends[] | select(.health == "ejected").address')
for name in canary-1 canary-2; do
	[[ ${LAB_ADDR4[$name]} != "$ejected" ]] || first=$name
done
expect "its state" "$(state_of "${first:?}")" down
expect "what is told" "$(serin events web -o json | jq -rs '.[0] | "\(.kind) \(.cause)"')" \
	"backend_down outlier"
logged "$ejected.*is ejected for 2 s"

# Of three, one is the most: another one that fails stays, till the first one's time is over.
is_back() {
	annoy
	grep -q "$ejected.* is no longer ejected" "$LAB_TMP/agent.log"
}
lab_wait_for 20 is_back
most() {
	serin events web -o json | jq -s '[foreach .[] as $e (0;
		if $e.kind == "backend_down" then . + 1 else . - 1 end; .)] | max'
}
expect "ejected at one time, at most" "$(most)" 1

# Longer the second time running; and it outlives the agent.
is_ejected_again() {
	annoy
	grep -qE 'is ejected for ([4-9]|[0-9]{2,}) s' "$LAB_TMP/agent.log"
}
lab_wait_for 40 is_ejected_again
kill -9 "$agent"
wait "$agent" 2>/dev/null || true
count_ejected() {
	serin status -o json | jq '[.services[].pools[].backends[] | select(.health == "ejected")] | length'
}
expect "ejected with no agent" "$(count_ejected)" 1
start_agent
expect "ejected when the next one comes" "$(count_ejected)" 1
is_none_ejected() {
	[[ $(count_ejected) == 0 ]]
}
lab_wait_for 20 is_none_ejected
