#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A batch whose new version refuses connections stops a rolling release by what the kernel saw of it beside
# the others, and serves nobody any more; so it is with the last one, which has nobody beside it.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_rollout.sh
. "$(dirname "$0")/../../scripts/lab_rollout.sh"

rollout_lab stable:3 canary:1
for name in "${LAB_BACKENDS[@]}"; do
	printf '%s:%s /run/netns/%s\n' "${LAB_ADDR4[$name]}" "$LAB_PORT" "$LAB-$name"
done >"$LAB_TMP/hosts"
# The upgrade whose number is in `bad` makes its backend refuse every second connection.
cat >"$LAB_TMP/upgrade" <<-END
	#!/bin/sh
	echo "\$SERIN_BACKENDS" >>$LAB_TMP/upgrades
	[ "\$(wc -l <$LAB_TMP/upgrades)" = "\$(cat $LAB_TMP/bad)" ] || exit 0
	nsenter --net="\$(sed -n "s,^\$SERIN_BACKENDS ,,p" $LAB_TMP/hosts)" nft -f - <<-RULES
		table inet spoilt {
			chain input {
				type filter hook input priority 0;
				tcp dport $LAB_PORT tcp flags & (syn | ack) == syn numgen inc mod 2 == 0 reject with tcp reset
			}
		}
	RULES
END
chmod +x "$LAB_TMP/upgrade"
mend() {
	nsenter --net="$(sed -n "s,^$1 ,,p" "$LAB_TMP/hosts")" nft delete table inet spoilt
}
rollout_config "  careful:
    type: rolling
    drain: 1s
    after_batch: {hold: 1h}
    analysis: {alpha: 0.0001}
    hooks: [{at: batch, exec: [$LAB_TMP/upgrade]}]"
rollout_agent
load_start "$LAB_TMP/load" "$LAB_VIP4" 80 --count 2000 --rate 200 --concurrency 64

flows_of() {
	serin status -o json | jq --arg backend "$1" '.services[0].pools[].backends[] |
		select("\(.address):\(.port)" == $backend).signals.flows'
}
# expect_stopped UPGRADES DONE: by what the kernel saw, with the last one upgraded drained. Sets last.
expect_stopped() {
	local flows
	rollout_until 60 paused
	last=$(tail -n 1 "$LAB_TMP/upgrades")
	expect "cause" "$(rollout_get .cause)" analysis
	rollout_get .why | grep -q '^kernel: abort' || fail "$(rollout_get .why)"
	expect "upgrades" "$(wc -l <"$LAB_TMP/upgrades")" "$1"
	expect "batches" "$(rollout_get '"\(.batches.done | length) \(.batches.drained | join(" "))"')" "$2 $last"
	is_drained() {
		serin status -o json | jq -e --arg backend "$last" 'any(.services[0].pools[].backends[];
			"\(.address):\(.port)" == $backend and .state == "draining")' >/dev/null
	}
	lab_wait_for 10 is_drained
	flows=$(flows_of "$last")
	serves 100
	expect "flows of $last since" "$(flows_of "$last")" "$flows"
}
all_flows() {
	serin status -o json | jq '[.services[0].pools[].signals.flows] | add'
}
# serves FLOWS: so many more, on whom it may be.
serves() {
	local before
	before=$(all_flows)
	has_more() { (($(all_flows) >= before + $1)); }
	lab_wait_for 60 has_more "$1"
}

# The last of three, when nobody has the old version any more but in what was counted of it.
serves 2000
echo 3 >"$LAB_TMP/bad"
rollout_start v2
is_held() { [[ $(rollout_get '"\(.step) \(.stage)"') == "$((batch - 1)) analyse" ]]; }
for batch in 1 2; do
	lab_wait_for 60 is_held
	rollout_do promote >/dev/null
done
expect_stopped 3 2
rollout_get .why | grep -q 'are allowed by what the old version had' || fail "$(rollout_get .why)"
mend "$last"
rollout_do resume >/dev/null
batch=3
lab_wait_for 60 is_held
rollout_do promote >/dev/null
rollout_until 20 promoted
expect "upgrades" "$(wc -l <"$LAB_TMP/upgrades")" 3

# The first of three. Whoever aborts has not mended it.
: >"$LAB_TMP/upgrades"
echo 1 >"$LAB_TMP/bad"
rollout_start v3
expect_stopped 1 0
rollout_get .why | grep -q 'where it is compared with' || fail "$(rollout_get .why)"
rollout_do abort >/dev/null
rollout_until 20 aborted
is_drained || fail "aborted, and $last serves again"
