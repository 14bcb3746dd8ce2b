#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A canary that refuses, does not answer, resets and is late: what Serin says of it is what its clients,
# its server and the clients' kernel say.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

PORT=80 RATE=200 MS=100 LATE_MS=600
# Connections of each kind; the third byte of such clients' addresses is 1, 2, 3, 4, 5.
GOOD=250 REFUSED=20 LATE=40 RESET=30 LOST=10

lab_init
command -v nft >/dev/null || lab_die "no nft here; run scripts/install-deps"
lab_topology one stable:1 canary:1
lab_nginx stable-1
lab_start canary-1 python3 "$LAB_ROOT/tests/tools/fickle_server.py" "$LAB_PORT" "$MS" "$LATE_MS" \
	>"$LAB_TMP/server"
server=$LAB_PID
is_up() {
	[[ -n $(lab_in canary-1 ss -Hltn "sport = :$LAB_PORT") ]]
}
lab_wait_for 30 is_up
lab_in canary-1 nft -f - <<-END
	table inet fickle {
		chain in {
			type filter hook input priority 0;
			ip saddr 10.1.2.0/24 tcp flags syn reject with tcp reset
			ip saddr 10.1.5.0/24 drop
		}
	}
END
{
	lab_config eth0
	lab_service web "$LAB_VIP4" "$PORT/tcp" connection canary=100 stable
} >"$LAB_TMP/serin.yaml"
serin apply "$LAB_TMP/serin.yaml"
lab_start lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" agent 2>"$LAB_TMP/agent.log"
lab_wait_for 10 lab_in lb curl -sf http://127.0.0.1:10717/-/ready

retransmits() {
	lab_in client nstat -asz TcpRetransSegs | awk '/TcpRetransSegs/ {print $2}'
}

before=$(retransmits)
client=$(lab_in client python3 "$LAB_ROOT/tests/tools/fickle_client.py" "$LAB_VIP4" "$PORT" "$RATE" \
	"1=$GOOD" "2=$REFUSED" "3=$LATE" "4=$RESET" "5=$LOST")
resent=$(($(retransmits) - before))
answered=$((GOOD + LATE))
flows=$((answered + REFUSED + RESET + LOST))
expect "what clients say" "$(jq -Sc . <<<"$client")" "$(jq -Sc . <<<"{\"answered\": $answered,
	\"refused\": $REFUSED, \"reset\": $RESET, \"timed_out\": $LOST}")"

wanted=$(jq -Sc . <<-END
	{"sampled": $flows, "syn_acks": $((answered + RESET)), "refused": $REFUSED,
	 "sampled_refused": $REFUSED, "handshakes": $((answered + RESET)),
	 "resets_by_backend": $((REFUSED + RESET)),
	 "resets_before_data": $RESET, "resets_after_data": 0,
	 "timed_out": $LOST, "syn_retransmits": $resent, "syns": $((flows + resent)),
	 "closed": $answered, "first_bytes": $answered,
	 "failures": $((REFUSED + RESET + LOST))}
END
)
signals() {
	serin status -o json | jq '.services[0].pools[] | select(.name == "canary").signals'
}
told() {
	signals | jq -Sc '{sampled: .sampled.flows, syn_acks, refused, sampled_refused, handshakes,
		resets_by_backend, resets_before_data, resets_after_data, timed_out, syn_retransmits,
		syns, closed, first_bytes: .first_byte_us.count, failures}'
}
agrees() {
	[[ $(told) == "$wanted" ]]
}
lab_wait_for 2 agrees || true
expect "what status says" "$(told)" "$wanted"
expect_between "SYNs sent again" "$resent" "$LOST" $((3 * LOST))

# Buckets are an eighth wide: one more than the delay's.
s=$(signals)
expect_between "half of the answers, us" "$(jq .first_byte_us.p50 <<<"$s")" $((MS * 1000 * 15 / 16)) \
	$((MS * 1000 * 153 / 128))
expect_between "the late answers, us" "$(jq .first_byte_us.p90 <<<"$s")" \
	$((LATE_MS * 1000 * 15 / 16)) $((LATE_MS * 1000 * 153 / 128))
expect "how many are sampled" "$(jq ".sampled.rate == 1" <<<"$s")" true

metric() {
	lab_in lb curl -sf http://127.0.0.1:10717/metrics |
		awk -v name="serin_pool_$1{service=\"web\",pool=\"canary\"}" '$1 == name {print $2}'
}
expect "failures in metrics" "$(metric failures_total)" "$(jq .failures <<<"$s")"
expect "handshakes in metrics" "$(metric handshake_seconds_count)" "$(jq .handshakes <<<"$s")"

kill "$server"
wait "$server" || true
expect "what the server says" "$(jq -Sc . "$LAB_TMP/server")" \
	"{\"answered\":$GOOD,\"late\":$LATE,\"reset\":$RESET}"
