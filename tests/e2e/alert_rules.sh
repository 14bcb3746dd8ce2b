#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The example alerts are rules, fire when they should, and ask for metrics that there are: those of an agent
# that has had a release.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_rollout.sh
. "$(dirname "$0")/../../scripts/lab_rollout.sh"

lab_init
command -v promtool >/dev/null || lab_die "no promtool here; run scripts/install-deps"
rules=$LAB_ROOT/docs/alerts.yaml
promtool check rules "$rules" >"$LAB_TMP/out" || fail "$(cat "$LAB_TMP/out")"
cp "$rules" "$LAB_TMP/alerts_rules.yaml"
cp "$LAB_ROOT/tests/e2e/alerts.yaml" "$LAB_TMP/alerts.yaml"
promtool test rules "$LAB_TMP/alerts.yaml" >"$LAB_TMP/out" 2>&1 || fail "$(cat "$LAB_TMP/out")"
while read -r name; do
	grep -q "{eval_time: .*, alertname: $name}" "$LAB_TMP/alerts.yaml" || fail "no case in which $name stays silent"
	grep -A1 "alertname: $name\$" "$LAB_TMP/alerts.yaml" | grep -q exp_alerts || fail "no case in which $name fires"
done < <(sed -n 's/^ *- alert: //p' "$rules")

lab_topology one stable:1 canary:1
lab_nginx "${LAB_BACKENDS[@]}"
LAB_KEYS='breaker: {failures: 5}' rollout_config '  careful:
    type: canary
    candidate: canary
    steps: [{weight: 10, hold: 10m}]'
rollout_agent
rollout_start v2
lab_in lb curl -sf --max-time 5 http://127.0.0.1:10717/metrics >"$LAB_TMP/metrics"
while read -r name; do
	grep -q "^${name}[{ ]" "$LAB_TMP/metrics" || fail "an alert asks for $name, which there is not"
done < <(grep -oE 'serin_[a-z_]+' "$rules" | sort -u)
