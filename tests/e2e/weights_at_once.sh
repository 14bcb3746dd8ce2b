#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Twenty-four `serin weight` at the same time: each is applied, or refused with a conflict and changes
# nothing; none is lost. Of those that expect an epoch, one wins each.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

WRITERS=24
lab_init
lab_topology one stable:1 canary:1 baseline:1
{
	lab_config eth0
	lab_service web "$LAB_VIP4" 80/tcp client canary=5 baseline=5 stable
} >"$LAB_TMP/serin.yaml"
serin apply "$LAB_TMP/serin.yaml" >/dev/null
get() {
	serin status -o json | jq -c ".services[0] | $1"
}
weight_of() {
	get ".pools[] | select(.name == \"$1\").weight | round"
}
epoch_of() {
	get .epoch
}
# all_wait: at the lock that this script holds.
all_wait() {
	local inode
	inode=$(stat -c %i "$LAB_TMP/bpf/serin")
	(($(grep -c -- "-> FLOCK .*:$inode " /proc/locks) == WRITERS))
}
# at_once COMMAND...: so many of it, each with its number, let go together when all wait for the lock;
# sets done_count and conflicts.
at_once() {
	local pids=() status i pid lock
	exec {lock}<"$LAB_TMP/bpf/serin"
	flock "$lock"
	done_count=0 conflicts=0
	for ((i = 1; i <= WRITERS; i++)); do
		"$@" "$i" >"$LAB_TMP/out.$i" 2>&1 {lock}<&- &
		pids+=($!)
	done
	lab_wait_for 20 all_wait
	flock -u "$lock"
	exec {lock}<&-
	for pid in "${pids[@]}"; do
		status=0
		wait "$pid" || status=$?
		case $status in
		0) done_count=$((done_count + 1)) ;;
		5) conflicts=$((conflicts + 1)) ;;
		*) fail "exit $status: $(cat "$LAB_TMP"/out.*)" ;;
		esac
	done
}

any_pool() { # half of them of each pool
	if (($1 % 2)); then
		serin weight web canary=$((10 + $1))
	else
		serin weight web baseline=$((10 + $1))
	fi
}
epoch=$(epoch_of)
at_once any_pool
expect "done" "$done_count" $WRITERS
expect "epochs" "$(($(epoch_of) - epoch))" $WRITERS
expect_between "canary" "$(weight_of canary)" 11 33
expect "canary is of one that wrote it" $(($(weight_of canary) % 2)) 1
expect_between "baseline" "$(weight_of baseline)" 12 34
expect "baseline is of one that wrote it" $(($(weight_of baseline) % 2)) 0
expect "the primary has the rest" \
	$(($(weight_of canary) + $(weight_of baseline) + $(weight_of stable))) 100

# Never the weight there is, by which nothing would change: that takes no epoch.
same_epoch() {
	serin weight web canary=$((40 + $1)).$round --expect-epoch "$epoch"
}
for ((round = 0; round < 3; round++)); do
	epoch=$(epoch_of)
	at_once same_epoch
	expect "winners" "$done_count" 1
	expect "conflicts" "$conflicts" $((WRITERS - 1))
	expect "epochs" "$(($(epoch_of) - epoch))" 1
	winner=$(($(weight_of canary) - 40))
	! grep -q "its epoch is" "$LAB_TMP/out.$winner" || fail "who won was told of a conflict"
	expect "told of a conflict" "$(grep -l "its epoch is" "$LAB_TMP"/out.* | wc -l)" $((WRITERS - 1))
done

# Eight add one to what it read: three times each, as a sum that many keep, and none may write over another's.
add_one() {
	local read status=0
	local count=0
	while ((count < 3)) && read=$(get '[.epoch, (.pools[] | select(.name == "canary").weight | round)]'); do
		status=0
		serin weight web canary=$(($(jq '.[1]' <<<"$read") + 1)) \
			--expect-epoch "$(jq '.[0]' <<<"$read")" || status=$?
		((status == 0)) && count=$((count + 1))
		((status == 0 || status == 5)) || return "$status"
	done
}
serin weight web canary=1 baseline=1 >/dev/null
additions=$WRITERS WRITERS=8
epoch=$(epoch_of)
at_once add_one
expect "done" "$done_count" $WRITERS
expect "epochs" "$(($(epoch_of) - epoch))" "$additions"
expect "the sum" "$(weight_of canary)" $((1 + additions))
printf '%d epochs counted exactly; %d additions met %d conflicts\n' "$(epoch_of)" "$additions" \
	"$(cat "$LAB_TMP"/out.* | grep -c "its epoch is")"
