#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A canary that swallows what it is sent, and one that refuses: the packet path keeps clients from it,
# with no agent.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

PORT=80 CLIENTS=20 BUDGET=3

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
} >"$LAB_TMP/serin.yaml"
serin apply "$LAB_TMP/serin.yaml"

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
