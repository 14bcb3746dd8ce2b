#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Mixed load (good requests, servers that refuse, reset, stall; clients that reset; half-open handshakes,
# scans, UDP) while weights shift: no counter goes back or differs from the peers' own, and nothing is
# left when it is over. SOAK_SECONDS (12), SOAK_RATE (100 a second): how much; `make soak` takes 20 minutes.
# SOAK_KEEP: a directory for what everybody counted.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$(readlink -f "$0")")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_mixed.sh
. "$(dirname "$(readlink -f "$0")")/../../scripts/lab_mixed.sh"

TOOLS=$LAB_ROOT/tests/tools
lab_init
for tool in nft bpftool python3; do
	command -v $tool >/dev/null || lab_die "no $tool here; run scripts/install-deps"
done
lab_topology one stable:2 canary:1
ip -n "$LAB-lb" address add "$MIXED_SOURCE/24" dev eth0
ip -n "$LAB-lb" route add 10.2.0.0/16 via 10.0.0.2 # where nobody answers

listens() {
	[[ $(lab_in "$1" ss -Hltun "sport >= :8080" | wc -l) == 4 ]]
}
servers=()
for name in "${LAB_BACKENDS[@]}"; do
	# Half-open connections end soon, and of ICMP errors none is held back.
	lab_in "$name" sysctl -q -w net.ipv4.tcp_synack_retries=1 net.ipv4.icmp_ratelimit=0
	mixed_count "$name"
	lab_start "$name" python3 "$TOOLS/mixed_server.py" "${name%-*}" "${MIXED_PORT[web]}" \
		"${MIXED_PORT[full]}" / "${MIXED_PORT[dns]}" "${MIXED_PORT[dnsf]}" >"$LAB_TMP/server.$name"
	servers+=("$LAB_PID")
done
for name in "${LAB_BACKENDS[@]}"; do
	lab_wait_for 30 listens "$name"
done

mixed_config >"$LAB_TMP/serin.yaml"
serin apply "$LAB_TMP/serin.yaml" >/dev/null
lab_start lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" agent -c "$LAB_TMP/serin.yaml" \
	2>"$LAB_TMP/agent.log"
agent=$LAB_PID
lab_wait_for 10 lab_in lb curl -sf http://127.0.0.1:10717/-/ready
# The agent takes more of the primaries' flows, which are few, till it takes all: so counts are exact.
all_sampled() {
	serin status -o json | jq -e '[.services[].pools[].signals.sampled.rate] | all(. == 1)'
}
lab_wait_for 120 all_sampled

lab_start lb python3 "$TOOLS/mixed_watch.py" "$agent" "$LAB_TMP/bpf/serin" \
	"$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" >"$LAB_TMP/watch"
watch=$LAB_PID
lab_in client python3 "$TOOLS/mixed_client.py" "$LAB_VIP4" "${SOAK_SECONDS:-12}" "${SOAK_RATE:-100}" \
	>"$LAB_TMP/client"

# All of it ends by itself: flows, ports of fullnat, samples.
samples=$(lab_pins | grep '/samples$')
left() {
	printf '%d flows, ' "$(serin flows -o json | jq length)"
	serin status -o json | jq -j '"\(.flow_table.entries) entries, ",
		"\([.services[].source_ports.used // 0] | add) ports, "'
	printf '%d samples' "$("$LAB_BUILD/tests/tools/living_samples" "$samples")"
}
is_over() {
	[[ $(left) == '0 flows, 0 entries, 0 ports, 0 samples' ]]
}
(lab_wait_for 60 is_over) || fail "left when it was over: $(left)"

kill "$watch"
wait "$watch" || fail "the watch ended with $?"
for pid in "${servers[@]}"; do
	kill "$pid"
	wait "$pid" || fail "a server ended with $?"
done
serin status -o json >"$LAB_TMP/status"
for name in "${LAB_BACKENDS[@]}"; do
	mixed_counted "$name" >"$LAB_TMP/peer.$name"
done
if [[ -n ${SOAK_KEEP:-} ]]; then
	cp "$LAB_TMP"/{client,server.*,peer.*,watch,status,agent.log} "$SOAK_KEEP"
fi
python3 "$TOOLS/mixed_report.py" "$LAB_TMP"
