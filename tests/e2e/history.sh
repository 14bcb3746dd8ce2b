#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Who changed what, when and why is kept, whoever did it, with no agent and after everything is gone.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology one stable:2 canary:1
drained=${LAB_ADDR4[stable-2]}
{
	lab_config eth0
	lab_service web "$LAB_VIP4" 80/tcp client canary=5 stable
	lab_service api "$LAB_VIP4" 81/tcp client canary=7 stable
} >"$LAB_TMP/serin.yaml"
expect "history before there is one" "$(serin history 2>/dev/null)" ""
[[ ! -e $SERIN_STATE ]] || fail "reading has made a database"

serin apply "$LAB_TMP/serin.yaml" --reason 'go live' >/dev/null
SUDO_UID=33 serin weight web canary=12.3456 --reason "it's \"v2\"; DROP TABLE change" >/dev/null
serin weight web canary=50 --dry-run >/dev/null
serin weight web canary=12.3456 >/dev/null # as it is
expect_exit 5 serin weight web canary=50 --expect-epoch 1
expect_exit 2 serin weight web nobody=50
serin drain web "$drained" >/dev/null
serin undrain web "$drained" >/dev/null
{ serin weight web canary=20 || true; } | true # nobody reads what is printed

# facts FILTER [SERVICE]: of each change, one a line
facts() {
	serin history "${@:2}" -o json | jq -r "$1"
}
expect "what was done to web" "$(facts '"\(.actor) \(.outcome) \(.epoch)"' web | paste -sd,)" \
	"apply done 1,weight done 2,weight conflict null,drain done 2,undrain done 2,weight done 3"
weights() {
	facts 'select(.outcome == "done") | "\(.before.weights.canary)>\(.after.weights.canary)"' \
		web
}
expect "weights" "$(weights | paste -sd,)" \
	"null>5,5>12.3456,12.3456>12.3456,12.3456>12.3456,12.3456>20"
expect "drained" "$(facts '.after.drained[]?' web)" "$drained:$LAB_PORT"
expect "who" "$(facts 'select(.epoch == 2 and .actor == "weight") |
	"\(.uid) \(.user) \(.sudo_uid) \(.sudo_user)"' web)" "0 root 33 $(id -un 33)"
expect "why" "$(facts 'select(.reason) | .reason' web)" \
	$'go live\nit\'s "v2"; DROP TABLE change'
facts '.time' | grep -qvE '^[0-9-]{10}T[0-9:]{8}\.[0-9]{3}Z$' && fail "times: $(facts .time)"
expect "what was done to api" "$(facts .actor api)" "apply"
expect "interfaces" "$(facts 'select(.service == null) | .detail' | grep -c 'interface eth0')" 1
expect "the newest two" "$(facts .actor web --limit 2 | paste -sd,)" "undrain,weight"
expect "what is older than now" "$(serin history --since 0s -o json)" ""
expect "a service that never was" "$(serin history "x' OR '1' = '1" -o json)" ""
expect_exit 2 serin history --limit -1

serin history web | tee "$LAB_TMP/table" | grep -qE '^TIME +WHO +WHAT +SERVICE +CHANGE +EPOCH'
grep -qE ' root +drain +web +'"$drained:$LAB_PORT"' drained +2 +done' "$LAB_TMP/table" ||
	fail "$(cat "$LAB_TMP/table")"
grep -qE " $(id -un 33) \(root\) +weight +web +canary 5 -> 12.3456 % " "$LAB_TMP/table" ||
	fail "$(cat "$LAB_TMP/table")"

# Everything gone, the history is there; and whoever may read the file may read it.
serin detach --yes --reason 'the end' >/dev/null
expect "the last" "$(facts '"\(.actor) \(.after) \(.reason)"' web --limit 1)" "detach null the end"
chmod 0755 "$LAB_TMP"
unprivileged() {
	setpriv --reuid 65534 --regid 65534 --clear-groups "$LAB_TMP/serin" "$@"
}
cp "$LAB_BUILD/serin" "$LAB_TMP/serin"
expect "what anybody reads" "$(unprivileged history web -o json)" "$(serin history web -o json)"
chmod 0600 "$SERIN_STATE"
expect_exit 1 unprivileged history

# Twenty at once: none is lost.
serin apply "$LAB_TMP/serin.yaml" >/dev/null
pids=()
for i in {1..20}; do
	serin weight web canary=$((20 + i)) --reason "at once" >/dev/null &
	pids+=($!)
done
for pid in "${pids[@]}"; do
	wait "$pid" || fail "one of twenty writers"
done
expect "kept of twenty" "$(facts 'select(.reason == "at once") | .epoch' | sort -n | uniq | wc -l)" 20
