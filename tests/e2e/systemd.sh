#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What systemd hears of the agent: ready, reloading and when, ready again, stopping; and the journal,
# where that is what stderr ends in: an entry a message, with its priority.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology one stable:1
{
	lab_config eth0
	lab_service web "$LAB_VIP4" 80/tcp client stable
} >"$LAB_TMP/serin.yaml"
mkdir "$LAB_TMP/journal"
listen() {
	lab_start switch "$LAB_ROOT/tests/tools/datagrams.py" "$1" "$2"
	lab_wait_for 5 test -S "$1"
}
listen "$LAB_TMP/notify" "$LAB_TMP/notified"
listen "$LAB_TMP/journal/socket" "$LAB_TMP/entries"

# Its /run is its own, in which our socket is the journal's. systemd names stderr's device and inode.
# start_agent STREAM
start_agent() {
	# shellcheck disable=SC2016 # the inner shell's
	lab_start lb env NOTIFY_SOCKET="$LAB_TMP/notify" JOURNAL_STREAM="$1" unshare --mount bash -c '
		mount -t tmpfs run /run
		mkdir -p /run/systemd/journal
		mount --bind "$0/journal" /run/systemd/journal
		exec "$@"' "$LAB_TMP" "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" agent \
		-c "$LAB_TMP/serin.yaml" 2>"$LAB_TMP/agent.log"
	agent=$LAB_PID
}
notified() {
	(($(grep -cx "$1" "$LAB_TMP/notified") == $2))
}
touch "$LAB_TMP/agent.log"
start_agent "$(stat -c %d:%i "$LAB_TMP/agent.log")"
lab_wait_for 10 notified READY=1 1
monotonic_us() {
	/usr/bin/python3 -c 'import time; print(time.monotonic_ns() // 1000)'
}
before_us=$(monotonic_us)
printf 'nonsense: 1\n' >>"$LAB_TMP/serin.yaml"
kill -HUP "$agent"
lab_wait_for 10 notified READY=1 2
notified RELOADING=1 1 || fail "no word of reloading: $(cat "$LAB_TMP/notified")"
expect_between "when" "$(sed -n 's/^MONOTONIC_USEC=//p' "$LAB_TMP/notified")" \
	"$before_us" "$(monotonic_us)"
sed -i '$d' "$LAB_TMP/serin.yaml"
lab_stop "$agent"
lab_wait_for 5 notified STOPPING=1 1

expect "what is on stderr beside the journal" "$(cat "$LAB_TMP/agent.log")" ""
# entry PRIORITY MESSAGE: there is one of both.
entry() {
	awk -v RS= -v p="PRIORITY=$1" -v m="MESSAGE=[^\n]*$2" \
		'index($0, p) && $0 ~ m {found = 1} END {exit !found}' "$LAB_TMP/entries"
}
entry 6 'agent runs' || fail "no such entry: $(cat "$LAB_TMP/entries")"
entry 3 'nonsense' || fail "no error: $(cat "$LAB_TMP/entries")"
entry 4 'what runs is kept' || fail "no warning: $(cat "$LAB_TMP/entries")"

# The stream is another one's: stderr was sent elsewhere.
entries=$(wc -l <"$LAB_TMP/entries")
start_agent 1:1
lab_wait_for 10 notified READY=1 3
grep -qE '^ts=[0-9T:.-]+Z level=info msg="agent runs, ' "$LAB_TMP/agent.log" ||
	fail "$(cat "$LAB_TMP/agent.log")"
expect "entries" "$(wc -l <"$LAB_TMP/entries")" "$entries"
