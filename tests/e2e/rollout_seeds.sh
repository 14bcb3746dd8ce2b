#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Each release has a seed of its own: two in a row are tried on different clients, and no connection
# breaks or moves for it. explain says what the kernel does; the seed outlives the agent, apply and a
# retry, and the same release has the same one again.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_rollout.sh
. "$(dirname "$0")/../../scripts/lab_rollout.sh"

CLIENTS=60
lab_init
lab_topology one stable:1 canary:1
lab_nginx "${LAB_BACKENDS[@]}"
rollout_config '  careful: {type: canary, candidate: canary, steps: [{weight: 50, hold: 10m}], analysis: {kernel: false}}
  batches: {type: rolling, batch: 1, min_healthy: 0, hooks: [{at: start, exec: ["/bin/false"]},
    {at: batch, exec: ["/bin/false"]}]}'
sed -i 's/affinity: connection/affinity: client/' "$LAB_TMP/serin.yaml"
rollout_agent
load_start "$LAB_TMP/load" "$LAB_VIP4" 80 --count 2000 --rate 200 --concurrency 16
load=$LAB_PID

# A connection of each client, which are asked who answers them whenever they are told to.
cat >"$LAB_TMP/hold.py" <<-END
	import socket
	def ask(s):
	    s.sendall(b'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
	    return s.recv(4096).split()[-2].decode()
	held = [socket.create_connection(('$LAB_VIP4', 80), 5, ('10.1.0.%d' % n, 0))
	        for n in range(1, $CLIENTS + 1)]
	while True:
	    print(*map(ask, held), flush=True)
	    open('$LAB_TMP/go').readline()
END
mkfifo "$LAB_TMP/go"
# clients FILE: which pool a new connection of each gets; explain has to agree.
clients() {
	local client pool
	expect_clean "$(load "$LAB_VIP4" 80 --count "$CLIENTS" --passes 1 --trace "$LAB_TMP/trace")"
	awk '{print $3, $4}' "$LAB_TMP/trace" | sort >"$1"
	expect "clients" "$(wc -l <"$1")" "$CLIENTS"
	while read -r client pool; do
		expect "explained" "$(serin explain web "$client" -o json | jq -r '"\(.pool) \(.seed)"')" \
			"$pool $(seed)"
	done <"$1"
}
seed() {
	serin status -o json | jq -r '.services[0].seed'
}
# expect_own: the rollout has a seed of its own, which is the service's. Sets own.
expect_own() {
	own=$(seed)
	expect "seed of the rollout" "$(rollout_get '"\(.seed) \(.is_own_seed)"')" "$own true"
}
abort() {
	rollout_do abort >/dev/null
	rollout_until 10 aborted
}

first=$(seed)
rollout_start v2
expect "weight, at once" "$(rollout_weight canary)" 50
expect_own
seed2=$own
[[ $seed2 != "$first" ]] || fail "v2 has the seed of before"
serin rollout status web | grep -q "^seed  *$seed2, of this release$" || fail "$(serin rollout status web)"
clients "$LAB_TMP/v2"
lab_start client /usr/bin/python3 "$LAB_TMP/hold.py" >"$LAB_TMP/held"
asked() {
	[[ $(wc -l <"$LAB_TMP/held") == "$1" ]]
}
lab_wait_for 20 asked 1
abort

rollout_start v3
expect_own
seed3=$own
[[ $seed3 != "$seed2" ]] || fail "v3 has the seed of v2"
clients "$LAB_TMP/v3"
moved=$(comm -13 "$LAB_TMP/v2" "$LAB_TMP/v3" | wc -l)
printf 'of %d clients %d have another pool in the next release\n' "$CLIENTS" "$moved"
expect_between "clients with another pool" "$moved" $((CLIENTS / 5)) $((CLIENTS * 4 / 5))
echo >"$LAB_TMP/go"
lab_wait_for 20 asked 2
expect "pools that answer connections of v2's time" "$(sort -u "$LAB_TMP/held" | wc -l)" 1
grep -q 'canary.*stable\|stable.*canary' "$LAB_TMP/held" || fail "$(cat "$LAB_TMP/held")"

# It is kept.
kill -9 "$ROLLOUT_AGENT"
wait "$ROLLOUT_AGENT" 2>/dev/null || true
serin apply "$LAB_TMP/serin.yaml" >"$LAB_TMP/told"
grep -q "keeps its live seed $seed3 (file: $first)" "$LAB_TMP/told" || fail "$(cat "$LAB_TMP/told")"
rollout_agent
expect_own
expect "seed after a kill and apply" "$own" "$seed3"
clients "$LAB_TMP/again"
expect "clients after a kill and apply" "$(cat "$LAB_TMP/again")" "$(cat "$LAB_TMP/v3")"
abort
rollout_do retry >/dev/null
rollout_until 10 stepping
expect_own
expect "seed of a retry" "$own" "$seed3"
abort

# The same release again is the same draw; one that has no cohort takes none.
rollout_start v2
expect_own
expect "seed of v2, again" "$own" "$seed2"
clients "$LAB_TMP/again"
expect "clients of v2, again" "$(cat "$LAB_TMP/again")" "$(cat "$LAB_TMP/v2")"
abort
rollout_start v4 '"strategy": "batches"'
expect "seed of a rolling one" "$(rollout_get '"\(.seed) \(.is_own_seed)"')" "$seed2 false"
rollout_do abort >/dev/null
rollout_until 10 aborted

load_stop "$load" "$LAB_TMP/load"
rollout_ask "services/web/rollout/record?id=2" | jq -e --arg seed "$seed3" '.seed == $seed' >/dev/null ||
	fail "the record does not tell its seed"
