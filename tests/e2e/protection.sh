#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A canary that swallows what it is sent, one that refuses, and one that is to have but so many
# connections: the packet path keeps clients from it, with an agent that was killed.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_agent.sh
. "$(dirname "$0")/../../scripts/lab_agent.sh"

PORT=80 CLIENTS=20 BUDGET=3 SEATS=4

lab_init
command -v nft >/dev/null || lab_die "no nft here; run scripts/install-deps"
lab_topology one stable:1 canary:1
lab_nginx stable-1 canary-1
{
	lab_config eth0
	LAB_KEYS='syn_failover: 1'
	lab_service failover "$LAB_VIP4" "$PORT/tcp" connection canary=100 stable
	LAB_KEYS="breaker: {failures: $BUDGET, window: 60, recover: 60}"
	lab_service breaker "$LAB_VIP4" "$((PORT + 1))/tcp" connection canary=100 stable
	LAB_KEYS="exposure: {flows: $SEATS}"
	lab_service capped "$LAB_VIP4" "$((PORT + 2))/tcp" connection canary=100 stable
} >"$LAB_TMP/serin.yaml"
start_agent
kill -9 "$agent"
wait "$agent" 2>/dev/null || true

of_canary() {
	serin status -o json |
		jq "[.services[] | select(.name == \"$1\").pools[] | select(.name == \"canary\")$2][0]"
}

# All of the canary's SYNs are lost: each client's second one is answered by the primary.
lab_in canary-1 nft -f - <<-END
	table inet hole {
		chain in {
			type filter hook input priority 0;
			tcp flags & (syn | ack) == syn drop
		}
	}
END
pids=()
for ((i = 0; i < CLIENTS; i++)); do
	lab_in client curl -s --connect-timeout 2.5 "http://$LAB_VIP4:$PORT/" -o /dev/null \
		-w '%{num_connects} %{http_code}\n' >"$LAB_TMP/client.$i" &
	pids+=($!)
done
for pid in "${pids[@]}"; do
	wait "$pid" || fail "a client of the black-holed canary did not connect"
done
expect "clients served" "$(cat "$LAB_TMP"/client.* | grep -c '^1 200$')" "$CLIENTS"
expect "connections moved" "$(of_canary failover .syn_failover.moved_flows)" "$CLIENTS"

# And one that refuses: as many as the budget is, and not one more.
lab_in canary-1 nft delete table inet hole
lab_in canary-1 nft -f - <<-END
	table inet refuse {
		chain in {
			type filter hook input priority 0;
			tcp flags & (syn | ack) == syn reject with tcp reset
		}
	}
END
for ((i = 1; i <= CLIENTS; i++)); do
	lab_in client ip address add "10.0.0.$((100 + i))/32" dev eth0
done
refused=0
for ((i = 1; i <= CLIENTS; i++)); do
	lab_in client curl -s --interface "10.0.0.$((100 + i))" --max-time 5 \
		"http://$LAB_VIP4:$((PORT + 1))/" -o /dev/null || refused=$((refused + 1))
done
expect "clients refused" "$refused" "$BUDGET"
expect "the breaker" "$(of_canary breaker .breaker.state)" '"open"'
expect "new connections moved" "$(of_canary breaker .breaker.moved_flows)" "$((CLIENTS - BUDGET))"
expect "what is told" "$(serin events breaker -o json | jq -r 'select(.kind == "breaker_opened").cause')" \
	failures
lab_in canary-1 nft delete table inet refuse

# So many at once: those that the canary has no room for are the primary's; who leaves makes room.
cat >"$LAB_TMP/hold.py" <<-'END'
	import signal, socket, sys

	address, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
	held = [socket.create_connection((address, port), 5) for _ in range(count)]
	for s in held:
	    s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	    print(s.recv(4096).split()[-2].decode(), flush=True)
	signal.pause()
END
lab_start client /usr/bin/python3 "$LAB_TMP/hold.py" "$LAB_VIP4" "$((PORT + 2))" "$CLIENTS" \
	>"$LAB_TMP/held"
holder=$!
held() {
	[[ $(wc -l <"$LAB_TMP/held") == "$CLIENTS" ]]
}
lab_wait_for 10 held
expect "connections of the capped canary" "$(grep -c canary "$LAB_TMP/held")" "$SEATS"
expect "connections beyond the cap" "$(of_canary capped .exposure.moved_flows)" "$((CLIENTS - SEATS))"
answers() {
	[[ $(lab_in client curl -s --max-time 5 "http://$LAB_VIP4:$((PORT + 2))/") == "$1 "* ]]
}
answers stable || fail "one more connection than the cap went to the canary"
lab_stop "$holder"
lab_wait_for 10 answers canary

lab_in lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" status breaker >"$LAB_TMP/status"
grep -q 'breaker: canary: breaker open, tripped 1 time; connections moved to stable: 17 by breaker' \
	"$LAB_TMP/status" || fail "status: $(cat "$LAB_TMP/status")"
lab_start lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" agent 2>"$LAB_TMP/agent.log"
lab_wait_for 10 lab_in lb curl -sf --max-time 5 http://127.0.0.1:10717/metrics -o "$LAB_TMP/metrics"
for line in 'breaker_state{service="breaker",pool="canary",state="open"} 1' \
	'breaker_trips_total{service="breaker",pool="canary"} 1' \
	"moved_flows_total{service=\"breaker\",pool=\"canary\",reason=\"breaker\"} $((CLIENTS - BUDGET))" \
	"moved_flows_total{service=\"failover\",pool=\"canary\",reason=\"syn_failover\"} $CLIENTS"; do
	grep -qxF "serin_pool_$line" "$LAB_TMP/metrics" || fail "/metrics lacks serin_pool_$line"
done
command -v promtool >/dev/null && promtool check metrics <"$LAB_TMP/metrics"
