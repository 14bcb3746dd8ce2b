#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A newer serin's apply puts its program in place of the older one's, and the other way round, under
# load: no packet, connection, flow or count is lost; after a kill -9 of one the next finishes it.
# UPGRADES (20), UPGRADE_KILLS (3), SEED: how many, and of the moments. Where a verifier is slow, as in
# a VM without KVM, there are fewer.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
command -v bpftool >/dev/null || lab_die "no bpftool here; run scripts/install-deps"
SEED=${SEED:-$((RANDOM * 32768 + RANDOM))}
RANDOM=$SEED
lab_topology two stable:2 canary:2
lab_nginx "${LAB_BACKENDS[@]}"
ip -n "$LAB-lb" address add 10.0.1.200/24 dev eth1
{
	lab_config eth0 eth1
	lab_service web "$LAB_VIP4" 80/tcp connection canary=20 stable
	LAB_KEYS=$'forwarding: fullnat\nsource_addresses: [10.0.1.200]' \
		lab_service full "$LAB_VIP4" 81/tcp connection canary=50 stable
} >"$LAB_TMP/serin.yaml"
BUILDS=("$LAB_BUILD/serin" "$LAB_BUILD/tests/other/serin")
PINS=$LAB_TMP/bpf/serin/v5

build() { # NUMBER ARGUMENT...
	lab_in lb "${BUILDS[$1]}" --bpffs "$LAB_TMP/bpf/serin" "${@:2}"
}
status() {
	serin status -o json
}
programs() { # which ones the NICs run
	ip -n "$LAB-lb" -j -d link show | jq -c '[.[] | select(.xdp).xdp.prog.id] | unique'
}
pinned() {
	bpftool -j prog show pinned "$PINS/program" | jq -c '[.id]'
}
running() { # the number of the build
	status | jq '.program.made_by | if test("other") then 1 else 0 end'
}
settings() { # what must stay, of what status says
	jq -c '[.services[] | [.name, .epoch, [.pools[] | [.name, .weight,
		[.backends[] | [.address, .state]]]]]]' <<<"$1"
}
counts() { # what must only grow, path by path
	jq -c '[.verdicts, [.services[].pools[] | .signals, .backends[].signals]] | [paths(numbers) as $p
		| select($p[-1] | tostring | test("^p[0-9]+$|peak") | not)
		| {key: ($p | map(tostring) | join(".")), value: getpath($p)}] | from_entries' <<<"$1"
}
expect_monotone() { # BEFORE AFTER
	local back
	back=$(jq -nc --argjson a "$(counts "$1")" --argjson b "$(counts "$2")" \
		'[$a | to_entries[] | select(.value > $b[.key])]')
	expect "counts that went back" "$back" '[]'
}
remembered() { # flows of the fullnat service, which live by their entries
	serin flows full | grep -c "$LAB_VIP4\|10\\.1\\." || true
}
received() {
	ip -n "$LAB-lb" -j -s link show | jq '[.[] | select(.ifname != "lo").stats64.rx.packets] | add'
}
surplus() { # packets that the NICs counted and Serin did not
	local before sum
	until before=$(received) && sum=$(status | jq '[.verdicts[]] | add') &&
		[[ $(received) == "$before" ]]; do
		sleep 0.05
	done
	printf '%d\n' $((before - sum))
}
# expect_runs NUMBER: that build's program alone, on both NICs, and everybody says so.
expect_runs() {
	local other=$((1 - $1))
	expect "programs of the NICs" "$(programs)" "$(pinned)"
	expect "what runs" "$(status | jq -r '.program | "serin \(.made_by) \(.unfinished)"')" \
		"$(build "$1" version | sed 's/ (.*/ false/')"
	! build "$1" status | grep -q '^program: .*serin apply' || fail "says that it is another's"
	build $other status | grep -q '^program: .*serin apply FILE' || fail "does not tell another's"
}

build 0 apply "$LAB_TMP/serin.yaml" >/dev/null
begin=${EPOCHREALTIME/./} stride=1
[[ $(build 1 apply --dry-run "$LAB_TMP/serin.yaml") == "~ program: serin "*" -> serin "* ]] ||
	fail "a dry run does not tell the upgrade"
if ((${EPOCHREALTIME/./} - begin > 4000000)); then
	stride=3
	: "${UPGRADES:=4}" "${UPGRADE_KILLS:=1}"
fi
: "${UPGRADES:=20}" "${UPGRADE_KILLS:=3}"
expect_runs 0
first=$(surplus)
serin weight web canary=35 >/dev/null # moves places, so that flows are remembered
held() {
	[[ $(tail -n 1 "$LAB_TMP/$1" | jq .requests) -ge 100 ]]
}
load_start "$LAB_TMP/hold" "$LAB_VIP4" 80 --count 200 --hold-ms 100 --report-ms 100
hold=$LAB_PID
load_start "$LAB_TMP/full" "$LAB_VIP4" 81 --count 100 --hold-ms 100 --report-ms 100
full=$LAB_PID
lab_wait_for 10 held hold
lab_wait_for 10 held full
load_start "$LAB_TMP/short" "$LAB_VIP4" 80 --count 4000 --concurrency 16 --rate 500
short=$LAB_PID

now=$(status)
begin=${EPOCHREALTIME/./}
for ((i = 1; i <= UPGRADES; i++)); do
	was=$now ids=$(programs)
	told=$(build $((i % 2)) apply "$LAB_TMP/serin.yaml")
	[[ $told == "~ program: serin "*" -> serin "* ]] || fail "an upgrade tells: $told"
	now=$(status)
	[[ $(programs) != "$ids" ]] || fail "the NICs still run program $ids"
	expect "programs of the NICs" "$(programs)" "$(pinned)"
	expect "weights, epochs and backends" "$(settings "$now")" "$(settings "$was")"
	expect_monotone "$was" "$now"
	expect_between "remembered flows" "$(remembered)" 100 1000000
done
took_ms=$(((${EPOCHREALTIME/./} - begin) / 1000))
expect_runs $(((i - 1) % 2))

# One that was done before its moment says nothing; the next moment is sooner.
killed=0 unfinished=0 until_us=$((took_ms * 1000 / UPGRADES))
for ((i = 1; killed < UPGRADE_KILLS && i <= 10 * UPGRADE_KILLS; i++)); do
	was=$(status)
	lab_start lb "${BUILDS[$((1 - $(running)))]}" --bpffs "$LAB_TMP/bpf/serin" apply "$LAB_TMP/serin.yaml" \
		>/dev/null
	moment_us=$(((RANDOM * 32768 + RANDOM) % until_us))
	sleep "$(printf '%d.%06d' $((moment_us / 1000000)) $((moment_us % 1000000)))"
	kill -9 "$LAB_PID" 2>/dev/null || true
	state=0
	wait "$LAB_PID" 2>/dev/null || state=$?
	if ((state == 137)); then
		killed=$((killed + 1))
	else
		until_us=$((until_us / 2 + 1000))
	fi
	now=$(status)
	[[ $(jq .program.unfinished <<<"$now") == false ]] || unfinished=$((unfinished + 1))
	expect_monotone "$was" "$now"
	which=$((RANDOM % 2))
	build $which apply "$LAB_TMP/serin.yaml" >/dev/null
	expect_runs $which
done
expect "upgrades killed before they were done" "$killed" "$UPGRADE_KILLS"

# And before each single step of one: with one NIC still on the old program, say.
steps=0 mixed=0
for ((at = 1; ; at += stride)); do
	state=0
	new=$((1 - $(running)))
	# die_at.so ends the process that loads it alone.
	LD_PRELOAD=$LAB_BUILD/tests/other/die_at.so DIE_AT=$at build $new apply "$LAB_TMP/serin.yaml" \
		>/dev/null 2>&1 || state=$?
	((state == 137)) || break
	[[ $(programs) == \[*,*\] ]] && mixed=$((mixed + 1))
	which=$((steps % 4 / 2))
	build $which apply "$LAB_TMP/serin.yaml" >/dev/null
	expect_runs $which
	steps=$((steps + 1))
done
expect "the apply that was not killed" "$state" 0
expect_between "steps of an upgrade" $((steps * stride)) 8 30
((stride > 1)) || expect_between "steps between two NICs" "$mixed" 1 3

load_stop "$short" "$LAB_TMP/short"
load_stop "$hold" "$LAB_TMP/hold"
load_stop "$full" "$LAB_TMP/full"
now=$(status)
expect "drops" "$(jq '.verdicts | .no_backend + .no_next_hop + .too_big' <<<"$now")" 0
expect "packets without a verdict" "$(surplus)" "$first"

# What cannot be is refused before anything is touched.
untouched() {
	find "$PINS" -printf '%p %i\n' | sort
	programs
	serin status -o json | jq -c '[.program, .services[].epoch]'
}
expect_refused() { # MESSAGE
	local before
	before=$(untouched)
	expect_exit 1 build 0 apply "$LAB_TMP/serin.yaml"
	grep -q "$1" "$LAB_TMP/out" || fail "does not say \"$1\": $(cat "$LAB_TMP/out")"
	expect "after a refusal" "$(untouched)" "$before"
}
build 0 apply "$LAB_TMP/serin.yaml" >/dev/null
# By an agent, with no more rights than its unit has.
lab_start lb setpriv --bounding-set=-all,+bpf,+net_admin,+perfmon --inh-caps=-all --no-new-privs \
	"${BUILDS[1]}" --bpffs "$LAB_TMP/bpf/serin" agent -c "$LAB_TMP/serin.yaml" 2>"$LAB_TMP/agent.log"
lab_wait_for 20 lab_in lb curl -sf --max-time 2 http://127.0.0.1:10717/-/healthy
expect_runs 1
lab_stop "$LAB_PID"
mv "$PINS/answer_budget" "$PINS/aside"
bpftool map create "$PINS/answer_budget" type array key 4 value 8 entries 1 name other
expect_refused 'pinned map answer_budget .* Nothing was touched'
rm "$PINS/answer_budget"
expect_exit 1 build 0 status # which has one more map than the program that runs, as it were
grep -q 'has no map answer_budget.*serin apply' "$LAB_TMP/out" || fail "$(cat "$LAB_TMP/out")"
build 0 apply "$LAB_TMP/serin.yaml" >/dev/null
expect_runs 0
[[ -e $PINS/answer_budget ]] || fail "the new map has no pin"
rm "$PINS/aside"

mv "$PINS" "${PINS%/v5}/v9"
PINS=${PINS%/v5}/v9
before=$(find "$PINS" -printf '%p %i\n' | sort; programs)
expect_exit 1 build 1 apply "$LAB_TMP/serin.yaml"
grep -q 'ABI version 9, this serin speaks 5: use the serin that made them' "$LAB_TMP/out" ||
	fail "$(cat "$LAB_TMP/out")"
expect "after a refusal" "$(find "$PINS" -printf '%p %i\n' | sort; programs)" "$before"
lab_in client curl -sf --max-time 5 "http://$LAB_VIP4/" >/dev/null || fail "no answer"

printf 'seed %s: %d upgrades, %d ms each; %d of %d killed, %d left unfinished; and killed before each of %d steps\n' \
	"$SEED" "$UPGRADES" $((took_ms / UPGRADES)) "$killed" "$UPGRADE_KILLS" \
	"$unfinished" "$steps"
