#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A rollout tells of its own flows, not of those before it; and one that has ended tells of its pools as
# they were at its end, whatever runs since.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_rollout.sh
. "$(dirname "$0")/../../scripts/lab_rollout.sh"

rollout_lab stable:1 canary:1
rollout_config '  careful:
    type: canary
    candidate: canary
    steps: [{weight: 50, hold: 10m}]
    analysis: {kernel: false}'
rollout_agent

# flows ID: of both pools of that rollout.
flows() {
	rollout_ask "services/web/rollout?id=$1" | jq '[.pools[].flows] | add'
}
pools() {
	rollout_ask "services/web/rollout?id=$1" | jq -c '[.pools[] | del(.backends)]'
}
requests() {
	for _ in $(seq "$1"); do
		lab_in client curl -s --max-time 5 -o /dev/null "http://$LAB_VIP4/"
	done
}

requests 20
rollout_start v1
requests 30
expect "flows of v1" "$(flows 1)" 30
rollout_do abort >/dev/null
rollout_until 10 aborted
ended=$(pools 1)

# Those that the agent has in memory, and those it has read back.
rollout_start v2
expect "flows of v2" "$(flows 2)" 0
requests 10
expect "flows of v2, later" "$(flows 2)" 10
expect "pools of v1 while v2 runs" "$(pools 1)" "$ended"
kill -9 "$ROLLOUT_AGENT"
wait "$ROLLOUT_AGENT" 2>/dev/null || true
rollout_agent
expect "flows of v2 after a restart" "$(flows 2)" 10
expect "pools of v1 after a restart" "$(pools 1)" "$ended"
rollout_do abort >/dev/null
rollout_until 10 aborted
serin detach --yes >/dev/null
expect "flows of v2 with nothing loaded" "$(flows 2)" 10
expect "pools of v1 with nothing loaded" "$(pools 1)" "$ended"

# A row of an older version has no pools: their split is told, without flows.
kill "$ROLLOUT_AGENT"
wait "$ROLLOUT_AGENT" 2>/dev/null || true
/usr/bin/python3 - "$SERIN_STATE" <<-'END'
	import json, sqlite3, sys
	db = sqlite3.connect(sys.argv[1], isolation_level=None)
	for row, text in db.execute("SELECT id, state FROM rollout").fetchall():
	    state = json.loads(text)
	    del state["ended_pools"], state["counted"]
	    db.execute("UPDATE rollout SET state = ? WHERE id = ?", (json.dumps(state), row))
END
rollout_agent
expect "pools of an older row" "$(rollout_ask 'services/web/rollout?id=1' |
	jq -c '[.pools[] | [.name, .role, .weight, .flows]]')" \
	'[["canary","candidate",0,null],["stable","production",100,null]]'
