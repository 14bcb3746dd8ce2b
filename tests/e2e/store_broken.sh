#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A state database that is locked, damaged, of a later serin or nowhere stops neither packets nor
# weights: it is said what is not kept, and the agent keeps it when it can.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_store.sh
. "$(dirname "$0")/../../scripts/lab_store.sh"

lab_init
store_topology
serin apply "$LAB_TMP/serin.yaml" >/dev/null

load_start "$LAB_TMP/load" "$LAB_VIP4" 80 --count 2000 --concurrency 8
load=$LAB_PID

# Locked by somebody who does not let go: a verb waits for it briefly, after the shift.
lock=$LAB_TMP/lock
mkfifo "$lock"
/usr/bin/python3 -c '
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
open(sys.argv[2], "w").close()
open(sys.argv[2]).read()
' "$SERIN_STATE" "$lock" &
holder=$!
LAB_PIDS+=("$holder")
: <"$lock"
shift_unkept 30 locked

# The agent comes, and keeps it when it can.
metric() {
	lab_in lb curl -sf --max-time 5 http://127.0.0.1:10717/metrics | sed -n "s/^serin_store_$1 //p"
}
is() { [[ $(metric "$1") == "$2" ]]; }
lab_start lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" agent -c "$LAB_TMP/serin.yaml" \
	2>"$LAB_TMP/agent.log"
agent=$LAB_PID
lab_wait_for 20 is available 0
(($(metric errors_total) > 0)) || fail "errors: $(metric errors_total)"
: >"$lock"
wait "$holder"
lab_wait_for 20 is available 1
live() {
	lab_in lb /usr/bin/python3 -c '
import json, sqlite3, sys
row = sqlite3.connect(sys.argv[1]).execute("SELECT state FROM live").fetchone()
print(json.loads(row[0])["weights"]["canary"])' "$SERIN_STATE"
}
is_live() { [[ $(live) == "$1" ]]; }
lab_wait_for 20 is_live 30.0
grep -q 'in use again' "$LAB_TMP/agent.log" || fail "$(cat "$LAB_TMP/agent.log")"
said=$(lab_in lb curl -sf http://127.0.0.1:10717/metrics | promtool check metrics 2>&1) ||
	fail "promtool: $said"
lab_stop "$agent"

# Damaged: put aside, whole, and begun anew.
rm "$SERIN_STATE"-*
head -c 65536 /dev/urandom >"$SERIN_STATE"
cp "$SERIN_STATE" "$LAB_TMP/damaged"
serin weight web canary=40 >/dev/null 2>"$LAB_TMP/said"
grep -q 'is damaged: it is now .*\.damaged-' "$LAB_TMP/said" || fail "$(cat "$LAB_TMP/said")"
cmp "$LAB_TMP/damaged" "$SERIN_STATE".damaged-* || fail "it was touched"
expect "kept in the new one" "$(kept)" 40

# Made by a later serin: left as it is, and refused after a restart, too.
sqlite() {
	/usr/bin/python3 -c 'import sqlite3, sys; print(*[*sqlite3.connect(sys.argv[1]).execute(sys.argv[2])][:1])' \
		"$SERIN_STATE" "$1"
}
sqlite 'PRAGMA user_version = 9' >/dev/null
serin weight web canary=50 >/dev/null 2>"$LAB_TMP/said"
grep -q 'a later serin made it' "$LAB_TMP/said" || fail "$(cat "$LAB_TMP/said")"
expect "version" "$(sqlite 'PRAGMA user_version')" "(9,)"
expect_exit 1 serin history
load_stop "$load" "$LAB_TMP/load"
serin detach --yes >/dev/null 2>&1
serin apply "$LAB_TMP/serin.yaml" >/dev/null 2>"$LAB_TMP/said"
grep -q 'live weights of before a restart are not taken up' "$LAB_TMP/said" || fail "$(cat "$LAB_TMP/said")"

# Nowhere to keep it, and nobody who wants it kept.
SERIN_STATE=/proc/none/serin.db serin weight web canary=60 >/dev/null 2>"$LAB_TMP/said"
expect "weight" "$(weight)" 60
grep -q 'cannot be written' "$LAB_TMP/said" || fail "$(cat "$LAB_TMP/said")"
serin weight web canary=61 --state '' >/dev/null 2>"$LAB_TMP/said"
expect "what is said of it" "$(cat "$LAB_TMP/said")" ""
