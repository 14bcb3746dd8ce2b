#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# judge SERVICE looks each second at what the kernel counted, and no agent runs: it waits without
# traffic, finds a good canary not worse, and aborts on one that refuses some connections.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
command -v nft >/dev/null || lab_die "no nft here; run scripts/install-deps"
lab_topology one stable:1 canary:1 old:1
lab_nginx "${LAB_BACKENDS[@]}"
{
	lab_config eth0
	lab_service web "$LAB_VIP4" 80/tcp connection canary=30 old=30 stable
} >"$LAB_TMP/serin.yaml"
serin apply "$LAB_TMP/serin.yaml"
cd "$LAB_TMP"

# judge STATUS ARGUMENT...: its result is in out, its messages in err
judge() {
	local status=0
	timeout 120 nsenter --net="/run/netns/$LAB-lb" -- "$LAB_BUILD/serin" \
		--bpffs "$LAB_TMP/bpf/serin" judge "${@:2}" >out 2>err || status=$?
	((status == $1)) || fail "exit $status, wanted $1: ${*:2}: $(cat err out)"
}
# said EXPRESSION: of the last object in out
said() {
	jq -s "last | $1" out
}
judge 2 web
judge 2 web --canary stable
judge 2 web --canary canry
judge 2 wob --canary canary
judge 2 web --canary canary --baseline canary
judge 2 web --canary canary --alpha 0
judge 2 web --canary canary --metrics x.json
judge 2 --canary canary
for option in "--for 0" "--not-worse 1" "--repeats 0" "-o html"; do
	# shellcheck disable=SC2086 # two words
	judge 2 web --canary canary $option
	[[ -s err ]] || fail "$option: nothing is said"
done

judge 3 web --canary canary --baseline old --for 2s -w -o json
expect "looks" "$(jq -s 'map(.verdict)' -c out)" '["continue","undecided"]'
expect "without traffic" "$(said '[.reason, .pools[].flows]' | jq -c .)" '[null,0,0,0]'

load_start load.json "$LAB_VIP4" 80 --count 2000 --rate 1000
judge 0 web --canary canary --baseline old --floor 0.02 -o json
load_stop "$LAB_PID" load.json
expect "a good one" "$(said '[.verdict, .reason] | join(": ")')" '"not worse: proven"'
expect "failures" "$(said '[.pools[] | .failures] | add')" 0
expect "roles" "$(said '[.pools[] | .role + " " + .pool]' | jq -c .)" \
	'["canary canary","baseline old","stable stable"]'
expect "latencies are told" "$(said '[.pools[0] | .handshake_us, .first_byte_us |
	.count > 100 and .p50 > 0 and .p99 >= .p50] | all')" true
printf 'not worse after %s s\n' "$(said .seconds)"

# One SYN in ten.
lab_in canary-1 nft -f - <<-END
	table inet fickle {
		chain in {
			type filter hook input priority 0;
			tcp flags & (syn | ack) == syn numgen inc mod 10 == 0 reject with tcp reset
		}
	}
END
lab_start client "$LAB_BUILD/tests/tools/load" --vip "$LAB_VIP4:80" --clients "$LAB_CLIENTS4" \
	--count 2000 --rate 1000 >load.json
load=$LAB_PID
judge 3 web --canary canary --baseline old -o json
expect "a bad one" "$(said '[.verdict, .reason, .decider] | join(": ")')" '"abort: worse: failures"'
expect "its evidence" "$(said '.evidence.worse | .log_e >= .log_bound')" true
expect "more than 5 % fail, and of the others none" "$(said '.pools |
	.[0].failures > 0.05 * .[0].flows and .[1].failures + .[2].failures == 0')" true
printf 'aborted after %s s\n' "$(said .seconds)"

judge 3 web --canary canary --baseline old
grep -qE '^web: canary against old, [0-9]+ s: abort \(worse: failures\)$' out || fail "$(cat out)"
grep -qE '^failures +[0-9.]+ % \(.*\) .* of 167, 100 % ' out || fail "$(cat out)"
judge 3 web --canary canary --baseline old -o md
grep -qE '^\| canary \| canary \| 30 % \| [0-9]+ \| [1-9][0-9]* \| 0 \|' out || fail "$(cat out)"
lab_stop "$load"
[[ ! -s err ]] || fail "says: $(cat err)"

lab_start lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" judge web --canary canary -w >out
is_seen() {
	grep -q 's: continue$' out
}
lab_wait_for 10 is_seen
status=0
kill -INT "$LAB_PID" && wait "$LAB_PID" || status=$?
expect "exit when interrupted" "$status" 3
tail -n 20 out | grep -q '^web: .*: inconclusive (stopped)' || fail "$(cat out)"
