# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Owns what the tests of rollouts share: an agent with strategies, asking it, and what it answers.
# Sourced after lab.sh, not run.

# rollout_lab POOL:COUNT...: a network with a real server on each backend.
rollout_lab() {
	lab_init
	lab_topology one "$@"
	lab_nginx "${LAB_BACKENDS[@]}"
}

# rollout_config STRATEGIES [POOL]...: lines of the file's strategies; the service's own is `careful`. Pools
# are canary, stable, and those. More of the service in $LAB_KEYS.
rollout_config() {
	{
		lab_config eth0
		LAB_KEYS=${LAB_KEYS:-}${LAB_KEYS:+$'\n'}'strategy: careful' \
			lab_service web "$LAB_VIP4" 80/tcp connection canary=0 stable "${@:2}"
		printf 'strategies:\n%s\n' "$1"
	} >"$LAB_TMP/serin.yaml"
}

# Sets ROLLOUT_AGENT.
rollout_agent() {
	lab_start lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" agent \
		-c "$LAB_TMP/serin.yaml" 2>>"$LAB_TMP/agent.log"
	# shellcheck disable=SC2034 # for those who source this
	ROLLOUT_AGENT=$LAB_PID
	lab_wait_for 10 rollout_ask rollouts
}

# rollout_ask PATH [CURL OPTION]...: what the agent answers; fails where it refuses.
rollout_ask() {
	curl -s --fail-with-body --max-time 10 --unix-socket "$SERIN_SOCKET" "${@:2}" \
		"http://serin/api/v1/$1"
}

# rollout_do COMMAND [JSON MEMBERS]
rollout_do() {
	rollout_ask services/web/rollout -X POST -H 'Content-Type: application/json' \
		-d "{\"command\": \"$1\"${2:+, $2}}"
}

rollout_start() {
	local said
	said=$(rollout_do start "\"release\": \"$1\"${2:+, $2}") || fail "start: $said"
}

# rollout_get FILTER: of the newest one.
rollout_get() {
	rollout_ask services/web/rollout | jq -r "$1"
}

rollout_is() {
	[[ $(rollout_get .phase) == "$1" ]]
}
rollout_has_ended() {
	[[ $(rollout_get .phase) =~ ^(promoted|aborted|undone|superseded)$ ]]
}

# rollout_until SECONDS PHASE
rollout_until() {
	local end=$((${EPOCHREALTIME/./} + $1 * 1000000))
	until rollout_is "$2"; do
		((${EPOCHREALTIME/./} < end)) ||
			fail "not $2 within $1 s: $(rollout_get '"\(.phase), step \(.step): \(.why)"')
$(tail -n 5 "$LAB_TMP/agent.log")"
		sleep 0.1
	done
}

# rollout_weight POOL: as the kernel has it.
rollout_weight() {
	serin status -o json | jq ".services[0].pools[] | select(.name == \"$1\").weight"
}

# Two hundred connections a second; who answered which of them is in $LAB_TMP/trace. Sets ROLLOUT_LOAD.
rollout_load() {
	load_start "$LAB_TMP/load" "$LAB_VIP4" 80 --count 2000 --rate 200 --concurrency 64 \
		--trace "$LAB_TMP/trace"
	ROLLOUT_LOAD=$LAB_PID
}

# None of it failed.
rollout_load_stop() {
	load_stop "$ROLLOUT_LOAD" "$LAB_TMP/load"
}

# rollout_flows POOL: so many it was given.
rollout_flows() {
	serin status -o json | jq ".services[0].pools[] | select(.name == \"$1\").signals.flows"
}

rollout_has_flows() {
	(($(rollout_flows "$1") >= $2))
}

# rollout_serves POOL: waits until it was given two hundred more.
rollout_serves() {
	lab_wait_for 30 rollout_has_flows "$1" $(($(rollout_flows "$1") + 200))
}

# So much that a pool after it can be told to be unlike it.
rollout_is_known() {
	serin status -o json | jq -e --arg pool "$1" '.services[0].pools[] |
		select(.name == $pool).signals.sampled.flows > 400'
}

# rollout_spoil BACKEND VERDICT: of SYNs that come to it.
rollout_spoil() {
	lab_in "$1" nft -f - <<-END
		table inet spoil {
			chain in {
				type filter hook input priority 0;
				tcp flags & (syn | ack) == syn $2
			}
		}
	END
}

# rollout_refuse BACKEND N: one in N connections.
rollout_refuse() {
	rollout_spoil "$1" "numgen inc mod $2 == 0 reject with tcp reset"
}

rollout_unspoil() {
	lab_in "$1" nft delete table inet spoil
}

# rollout_turns: which pools had everything, in turn. Once a connection is answered by another pool than
# those before it, each that begins after that has to be.
rollout_turns() {
	sort -n "$LAB_TMP/trace" | awk '
		$4 != now && $1 > known {turns = turns " " $4; now = $4; known = $2}
		$4 == now && $2 < known {known = $2}
		END {print substr(turns, 2)}'
}

# The candidate's weight after each change of the split, of the newest one's record.
rollout_shifts() {
	rollout_ask services/web/rollout/record | jq -c '.candidate as $c | [.shifts[].after[$c]]'
}

# rollout_kept SQL: what the database says, rows as lines and columns apart by |.
rollout_kept() {
	/usr/bin/python3 - "$SERIN_STATE" "$1" <<-'END'
		import sqlite3, sys
		db = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True)
		for row in db.execute(sys.argv[2]):
		    print(*row, sep='|')
	END
}

# rollout_disk SIZE: one of its own for the state, until the lab ends. Sets ROLLOUT_DISK.
rollout_disk() {
	ROLLOUT_DISK=$LAB_TMP/state
	mkdir "$ROLLOUT_DISK"
	mount -t tmpfs -o "size=$1" tmpfs "$ROLLOUT_DISK"
	# shellcheck disable=SC2154 # it is assigned there
	trap 'status=$?; umount -l "$ROLLOUT_DISK"; (exit "$status"); lab_cleanup' EXIT
}

# rollout_fill_disk: until the agent, which has a rollout under way, says that nothing is kept.
rollout_fill_disk() {
	local said
	said=$(rollout_said 'serin.db cannot be written: .*full')
	! dd if=/dev/zero of="$ROLLOUT_DISK/rest" bs=4k 2>/dev/null || fail "the disk is endless"
	lab_wait_for 20 eval "((\$(rollout_said 'serin.db cannot be written: .*full') > $said))"
}

# rollout_said PATTERN: how often the agent did.
rollout_said() {
	grep -c "$1" "$LAB_TMP/agent.log" || true
}

# rollout_refuses CODE PATTERN COMMAND [JSON MEMBERS]
rollout_refuses() {
	if rollout_do "${@:3}" >"$LAB_TMP/out"; then fail "it did: $(cat "$LAB_TMP/out")"; fi
	expect "$(cat "$LAB_TMP/out")" "$(jq -r .error.code "$LAB_TMP/out")" "$1"
	grep -q "$2" "$LAB_TMP/out" || fail "$(cat "$LAB_TMP/out")"
}

# rollout_is_kept RELEASE: all that the agent tells of it, and that it has ended.
rollout_is_kept() {
	[[ $(rollout_ask services/web/rollout/record | jq '.transitions | length') == "$(rollout_kept \
		"SELECT count(*) FROM rollout_transition JOIN rollout ON rollout.id = rollout
			WHERE release = '$1' AND ended_ms IS NOT NULL")" ]]
}
