#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Events reach everyone who follows them, with no agent; and the agent, when it comes, as everyone.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_events.sh
. "$(dirname "$0")/../../scripts/lab_events.sh"

lab_init
events_topology
expect_exit 1 serin events
serin apply "$LAB_TMP/serin.yaml"
expect "events before any" "$(serin events -o json)" ""
expect_exit 2 serin events nobody
expect_exit 2 serin events --since soon

# follow NAME OPTIONS...: in the background. Sets LAB_PID.
follow() {
	lab_start lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" events -f "${@:2}" \
		>"$LAB_TMP/$1" 2>"$LAB_TMP/$1.errors"
}
# has_event FILE: more than there were, after one more try of a client's.
has_event() {
	ask || true
	[[ -s $LAB_TMP/$1 ]]
}
follow new -o json
new=$LAB_PID
follow all tight -o json --since 1h
all=$LAB_PID
follow table --since 1h
table=$LAB_PID
for file in new all table; do
	lab_wait_for 20 has_event "$file"
done

jq -es --arg backend "${LAB_ADDR4[stable-1]}:$LAB_PORT" 'length >= 1 and all(.[];
	.kind == "ports_exhausted" and .service == "tight" and .pool == "stable" and
	.backend == $backend and (.client | test("^10\\.0\\.0\\.2:[0-9]+$")) and
	.count >= 1 and .total >= .count and .cause == "new_flow" and .sequence >= 1 and
	(.time | test("^[0-9]{4}(-[0-9]{2}){2}T([0-9]{2}:){2}[0-9]{2}\\.[0-9]{6}Z$")) and
	((now - (.time | sub("\\..*"; "Z") | fromdate)) | . >= -1 and . < 60))' \
	"$LAB_TMP/all" >/dev/null || fail "events: $(cat "$LAB_TMP/all")"
sequences() { jq -c .sequence "$LAB_TMP/$1"; }
expect "what the last to come sees" "$(serin events -o json | jq -c .sequence)" "$(sequences all)"
expect "what is older than now" "$(serin events tight --since 0s)" ""
expect "heads of the table" "$(grep -c '^TIME ' "$LAB_TMP/table")" 1
grep -q "ports_exhausted.*tight.*stable" "$LAB_TMP/table" || fail "$(cat "$LAB_TMP/table")"

lab_start lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" agent 2>"$LAB_TMP/agent.log"
metric() {
	lab_in lb curl -sf --max-time 5 http://127.0.0.1:10717/metrics |
		sed -n 's/^serin_events_total{kind="ports_exhausted"} //p'
}
lab_wait_for 10 metric
counts_more() {
	ask || true
	(($(metric) > 0))
}
lab_wait_for 20 counts_more
grep -q 'level=info msg="event" kind=ports_exhausted service=tight pool=stable .* cause=' \
	"$LAB_TMP/agent.log" || fail "the agent's log: $(cat "$LAB_TMP/agent.log")"
is_kept() {
	serin history tight --events -o json | jq -e 'select(.type == "event" and
		.kind == "ports_exhausted" and .pool == "stable" and .count >= 1 and .client)'
}
lab_wait_for 10 is_kept
serin history tight --events | grep -qE ' kernel +ports_exhausted +tight +pool stable, backend ' ||
	fail "history: $(serin history tight --events)"
said=$(lab_in lb curl -sf http://127.0.0.1:10717/metrics | promtool check metrics 2>&1) ||
	fail "promtool: $said"
expect "what promtool says" "$said" ""

# The same for each, one by one; and another data plane is followed as the first one was.
same() { [[ $(sequences all) == "$(serin events -o json | jq -c .sequence)" ]]; }
lab_wait_for 10 same
before=$(wc -l <"$LAB_TMP/all")
serin detach --yes >/dev/null
serin apply "$LAB_TMP/serin.yaml"
grows() {
	ask || true
	(($(wc -l <"$LAB_TMP/all") > before))
}
lab_wait_for 20 grows
expect "the new log's first" "$(sequences all | sed -n "$((before + 1))p")" 1

# Each ends by itself: told to, or when nobody reads it.
kill -INT "$new"
kill -TERM "$all" "$table"
for pid in "$new" "$all" "$table"; do
	wait "$pid" || fail "a follower ended with $?"
done
serin events -f --since 1h | head -n 1 | grep -q TIME
expect "the follower's end, its reader gone" "${PIPESTATUS[*]}" "0 0 0"
expect "what followers complained of" "$(cat "$LAB_TMP"/{new,all,table}.errors)" ""
