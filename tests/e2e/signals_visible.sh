#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A canary that begins to refuse 2 % of its connections, and one whose answers begin to come 30 %
# later, after a time when all was well: two seconds of 200 connections each tell, where people and
# programs look.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

PORT=80 RATE=200 WELL=800 TWO_SECONDS=400 MS=44 LATE_MS=57

lab_init
command -v nft >/dev/null || lab_die "no nft here; run scripts/install-deps"
lab_topology one stable:1 canary:1 old:1
is_up() {
	[[ -n $(lab_in "$1" ss -Hltn "sport = :$LAB_PORT") ]]
}
# Clients of 10.1.3.0/24 come when the canary is late.
for backend in "stable-1 $MS" "canary-1 $LATE_MS"; do
	lab_start "${backend% *}" python3 "$LAB_ROOT/tests/tools/fickle_server.py" "$LAB_PORT" "$MS" \
		"${backend#* }" >"$LAB_TMP/${backend% *}"
	lab_wait_for 30 is_up "${backend% *}"
done
{
	lab_config eth0
	# A primary's flows are not all sampled at first.
	lab_service web "$LAB_VIP4" "$PORT/tcp" connection canary=50 stable=50 old
} >"$LAB_TMP/serin.yaml"
serin apply "$LAB_TMP/serin.yaml"
lab_start lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" agent 2>"$LAB_TMP/agent.log"
lab_wait_for 10 lab_in lb curl -sf http://127.0.0.1:10717/-/ready

# told POOL EXPRESSION: of its signals in JSON.
told() {
	serin status -o json | jq ".services[0].pools[] | select(.name == \"$1\").signals | $2"
}

# talk KIND=COUNT: sets what their clients say, and what /metrics says then as $LAB_TMP/KIND.
talk() {
	client=$(lab_in client python3 "$LAB_ROOT/tests/tools/fickle_client.py" "$LAB_VIP4" "$PORT" \
		"$RATE" "$1")
	lab_in lb curl -sf http://127.0.0.1:10717/metrics >"$LAB_TMP/${1%=*}"
}
# metric KIND POOL NAME
metric() {
	awk -v name="serin_pool_$3{service=\"web\",pool=\"$2\"}" '$1 == name {print $2}' "$LAB_TMP/$1"
}
talk "1=$WELL"
expect "clients when all was well" "$(jq .answered <<<"$client")" "$WELL"
expect "failures when all was well" "$(told stable .failures) $(told canary .failures)" "0 0"

# Every fiftieth SYN.
lab_in canary-1 nft -f - <<-END
	table inet fickle {
		chain in {
			type filter hook input priority 0;
			tcp flags & (syn | ack) == syn numgen inc mod 50 == 0 reject with tcp reset
		}
	}
END
talk "2=$TWO_SECONDS"
lab_in canary-1 nft delete table inet fickle
refused=$(jq .refused <<<"$client")
expect_between "connections refused" "$refused" 2 7
serin status >"$LAB_TMP/table"
for what in refused failures; do
	expect "$what of canary" "$(told canary ".$what")" "$refused"
	expect "$what of stable" "$(told stable ".$what")" 0
	expect "$what of canary in metrics" "$(metric 2 canary "${what}_total")" "$refused"
	expect "$what of stable in metrics" "$(metric 2 stable "${what}_total")" 0
done
# Failures with their share, refused, lost, reset.
grep -qE "canary +[0-9]+ \(1/1\) +$refused \([0-9.]+ %\) +$refused +0 +$refused " "$LAB_TMP/table" ||
	fail "canary in the table: $(cat "$LAB_TMP/table")"
grep -qE "stable +[0-9]+ \(1/1\) +0 +0 +0 +0 " "$LAB_TMP/table" ||
	fail "stable in the table: $(cat "$LAB_TMP/table")"

# Of canary beside stable: half of the first bytes since it is late, by the table that is printed every
# second; by PromQL; and what they took in the mean, by JSON.
p50() {
	python3 "$LAB_ROOT/tests/tools/scrape_quantile.py" 0.5 "$LAB_TMP/2" "$LAB_TMP/3" \
		serin_pool_first_byte_seconds "service=\"web\",pool=\"$1\""
}
lateness() {
	awk '/^POOL/ {delete p50} $1 ~ /(canary|stable|old)$/ {pool = $1; sub(/^[^a-z]*/, "", pool)}
		/last [0-9]+ s +[0-9]+ \(1\// {p50[pool] = $(NF - 1)}
		END {print (p50["stable"] > 0 ? p50["canary"] / p50["stable"] : 0)}' "$LAB_TMP/watched"
}
is_late() {
	jq -en "$(lateness) >= 1.15"
}
mean() {
	jq -s "map(.services[0].pools[] | select(.name == \"$1\").signals.first_byte_us) |
		(.[1].sum - .[0].sum) / (.[1].count - .[0].count)" "$LAB_TMP/json.2" "$LAB_TMP/json.3"
}
serin status -o json >"$LAB_TMP/json.2"
lab_start lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" status -w >"$LAB_TMP/watched"
talk "3=$TWO_SECONDS"
serin status -o json >"$LAB_TMP/json.3"
lab_wait_for 3 is_late
expect "clients of the late canary" "$(jq .answered <<<"$client")" "$TWO_SECONDS"
expect_between "lateness by PromQL" "$(jq -n "$(p50 canary) / $(p50 stable)")" 1.15 1.5
expect_between "lateness in JSON" "$(jq -n "$(mean canary) / $(mean stable)")" 1.15 1.5
