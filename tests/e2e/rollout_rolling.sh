#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Batch by batch: each is drained, upgraded by a hook and given connections again. No request fails. A
# hook that says no stops it with its batch drained; a webhook hears of every transition.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_rollout.sh
. "$(dirname "$0")/../../scripts/lab_rollout.sh"

rollout_lab stable:3 canary:1
cat >"$LAB_TMP/upgrade" <<-END
	#!/bin/sh
	n=\$(wc -l <$LAB_TMP/upgrades 2>/dev/null || echo 0)
	[ "\$n" -ne 1 ] || [ -e $LAB_TMP/well ] || { echo "disk is full"; exit 1; }
	echo "\$SERIN_BACKENDS" >>$LAB_TMP/upgrades
	{ cat; echo; } >>$LAB_TMP/payloads
END
cat >"$LAB_TMP/tell" <<-END
	#!/bin/sh
	{ cat; echo; } >>$LAB_TMP/events
END
chmod +x "$LAB_TMP/upgrade" "$LAB_TMP/tell"
rollout_config "  careful:
    type: rolling
    batch: 1
    min_healthy: 2
    drain: 2s
    after_batch: {hold: 2s}
    analysis: {alpha: 0.0001}
    hooks: [{at: batch, exec: [$LAB_TMP/upgrade]}, {at: event, exec: [$LAB_TMP/tell]}]"
rollout_agent
load_start "$LAB_TMP/load" "$LAB_VIP4" 80 --count 2000 --rate 200 --concurrency 16
load=$LAB_PID

rollout_start v2
rollout_until 30 paused
expect "cause" "$(rollout_get .cause)" batch
rollout_get .why | grep -q 'disk is full' || fail "$(rollout_get .why)"
states() {
	serin status -o json | jq -c '[.services[0].pools[] | select(.name == "stable").backends[].state]'
}
expect "backends, stopped" "$(states)" '["up","draining","up"]'
expect "batches" "$(rollout_get '.batches | [(.done | length), (.drained | length), .of] | @csv')" 1,1,3
# The upgraded one beside the others, all along.
rollout_get .kernel.totals | jq -e 'all(.flows > 0 and .failures == 0)' >/dev/null ||
	fail "$(rollout_get .kernel.totals)"

touch "$LAB_TMP/well"
rollout_do resume >/dev/null
rollout_until 60 promoted
expect "backends, upgraded" "$(states)" '["up","up","up"]'
expect "upgrades" "$(sort "$LAB_TMP/upgrades" | xargs)" \
	"$(serin status -o json | jq -r '[.services[0].pools[] | select(.name == "stable").backends[] |
		"\(.address):\(.port)"] | sort | join(" ")')"
expect "backends in payloads" "$(jq -r '.backends[]' "$LAB_TMP/payloads")" "$(<"$LAB_TMP/upgrades")"
load_stop "$load" "$LAB_TMP/load"

has_heard() {
	jq -se 'map(.phase) | index("promoted") and index("paused")' "$LAB_TMP/events"
}
lab_wait_for 10 has_heard
rollout_ask services/web/rollout/record | jq -e '[.hooks[] | select(.at == "batch") | .is_yes] ==
	[true, false, true, true]' >/dev/null || fail "$(rollout_ask services/web/rollout/record | jq -c .hooks)"
