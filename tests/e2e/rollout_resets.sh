#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A release that was promoted is undone; and `flows: reset` ends the candidate's connections with a
# rollback, those of production go on.
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
    analysis: {kernel: false}
    flows: reset
  hasty: {type: blue-green, candidate: canary, analysis: {kernel: false}, standby: 1s}'
rollout_agent
rollout_start v2

# Sixty connections, each asked who answers, then, when told to, asked again.
cat >"$LAB_TMP/hold.py" <<-END
	import collections, socket
	def ask(s):
	    try:
	        s.sendall(b'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
	        data = s.recv(4096)
	        return data.split()[-2].decode() if data else 'closed'
	    except ConnectionResetError:
	        return 'reset'
	held = [socket.create_connection(('$LAB_VIP4', 80), 5) for _ in range(60)]
	pools = [ask(s) for s in held]
	print('held', flush=True)
	open('$LAB_TMP/go').readline()
	print(dict(collections.Counter(zip(pools, map(ask, held)))), flush=True)
END
mkfifo "$LAB_TMP/go"
lab_start client /usr/bin/python3 "$LAB_TMP/hold.py" >"$LAB_TMP/held"
holder=$LAB_PID
lab_wait_for 10 grep -q held "$LAB_TMP/held"
rollout_do abort '"reason": "no good"' >/dev/null
rollout_until 20 aborted
echo >"$LAB_TMP/go"
wait "$holder" || fail "hold: $(cat "$LAB_TMP/held")"
tail -n 1 "$LAB_TMP/held"
for outcome in "('canary', 'reset')" "('stable', 'stable')"; do
	grep -qF "$outcome" "$LAB_TMP/held" || fail "none: $outcome"
done
for outcome in "('canary', 'canary')" "('stable', 'reset')" closed; do
	! grep -qF "$outcome" "$LAB_TMP/held" || fail "there are: $outcome"
done

# Everything at once, and back: no request fails.
load_start "$LAB_TMP/load" "$LAB_VIP4" 80 --count 2000 --rate 200 --concurrency 16
load=$LAB_PID
traffic() {
	serin status -o json | jq -c '.services[0] | [.primary, (.pools[] | select(.weight > 0).name)]'
}
rollout_start v3 '"strategy": "hasty"'
rollout_until 20 promoted
expect "promoted" "$(traffic)" '["canary","canary"]'
rollout_do undo >/dev/null
rollout_until 20 undone
expect "undone" "$(traffic)" '["stable","stable"]'
load_stop "$load" "$LAB_TMP/load"
