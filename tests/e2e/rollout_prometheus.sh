#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A rollout that looks at metrics, and a Prometheus that is down, slow, broken or says NaN: it waits,
# and is neither taken back nor goes on. With an answer it goes on; with one out of bounds it is taken
# back.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_rollout.sh
. "$(dirname "$0")/../../scripts/lab_rollout.sh"

rollout_lab stable:1 canary:1
cd "$LAB_TMP"
# shellcheck disable=SC2016 # for serin to fill in
query='sum(rate(errors_total{pool="${pool}"}[1m])) / sum(rate(errors_total{pool="${control}"}[1m]))'
rollout_config "  careful:
    type: canary
    candidate: canary
    steps: [{weight: 10, analysis: 10m}, {weight: 20, hold: 10m}]
    analysis:
      kernel: false
      interval: 1s
      inconclusive_limit: 10000
      prometheus: {url: 'http://127.0.0.1:9090/moody'}
      metrics: [{name: errors, query: '$query', max: 1.5}]
  judged:
    type: canary
    candidate: canary
    steps: [{weight: 10, analysis: 10m}, {weight: 20, hold: 10m}]
    analysis:
      kernel: false
      interval: 1s
      failure_limit: 2
      prometheus: {url: 'http://127.0.0.1:9090/moody'}
      kayenta: {config: $LAB_TMP/canary.json, pass: 90, marginal: 40}"
cat >canary.json <<'END'
{"name": "web", "judge": {"name": "NetflixACAJudge-v1.0"}, "metrics": [
  {"name": "errors", "groups": ["errors"],
   "query": {"type": "prometheus", "customInlineTemplate": "PromQL:sum(rate(errors_total{pool=\"${pool}\"}[1m]))"},
   "analysisConfigurations": {"canary": {"direction": "increase", "critical": true}}}],
 "classifier": {"groupWeights": {"errors": 100}}}
END
rollout_agent

# found FINDING WORDS: that is what the last look at metrics found.
found() {
	[[ $(rollout_get '"\(.metrics.finding) \(.metrics.why)"') == "$1 "*"$2"* ]]
}
finds() {
	lab_wait_for 20 found "$@"
	expect "step" "$(rollout_get .step)" "${step:-0}"
}
mood() {
	printf '%s' "$1" >mood.new
	mv mood.new mood
}
rollout_start v2
finds inconclusive 'cannot be asked'
expect "weight" "$(rollout_weight canary)" 10

mood slow
lab_start lb python3 "$LAB_ROOT/tests/tools/lying_prometheus.py" 9090 >asked
finds inconclusive 'no whole answer within 1s'
mood NaN
finds inconclusive 'finds no number'
mood broken
finds inconclusive 'HTTP status 500'
mood +Inf
finds inconclusive 'finds no number'
expect "phase" "$(rollout_get .phase)" stepping
expect "answers that were no answer" "$(rollout_ask services/web/rollout/record |
	jq -c '[.looks[].finding] | unique')" '["inconclusive"]'
# Each is asked of both pools, by its own words.
grep -qF 'errors_total{pool=\"canary\"}[1m])) / sum(rate(errors_total{pool=\"stable\"}' asked ||
	fail "$(tail -n 1 asked)"

mood 1.25
on_step() {
	[[ $(rollout_get .step) == "$1" ]]
}
lab_wait_for 20 on_step 1
step=1 finds good '1.25 is within bounds'
mood NaN
step=1 finds inconclusive 'finds no number'
expect "weight" "$(rollout_weight canary)" 20

mood 2
rollout_until 20 aborted
expect "weight" "$(rollout_weight canary)" 0
jq -e 'any(.transitions[]; .to == "rolling back" and .why == "metrics: errors: 2 is above 1.5")' \
	<(rollout_ask services/web/rollout/record) >/dev/null || fail "$(rollout_get .transitions)"
# Kayenta's judge, by its own file: one good look goes on, and bad ones are borne so often.
score() {
	curl -s --unix-socket "$SERIN_SOCKET" http://serin/metrics |
		sed -n 's/^serin_rollout_score{service="web"} //p'
}
mood 5/5
rollout_start v3 '"strategy": "judged"'
lab_wait_for 30 on_step 1
is_scored() { [[ "$(rollout_get .metrics.score) $(score)" == '100 100.000000000' ]]; }
lab_wait_for 20 is_scored
mood 9/5
rollout_until 30 aborted
rollout_ask services/web/rollout/record | jq -e '[.looks[] | select(.finding == "bad")] | length == 3' >/dev/null ||
	fail "bad looks: $(rollout_ask services/web/rollout/record | jq -c '[.looks[].finding]')"
rollout_get .why | grep -q 'kayenta: score 0' || fail "$(rollout_get .why)"
expect "weight" "$(rollout_weight canary)" 0

# One whose data must be there, and is not, is harm.
jq '.metrics += [.metrics[0] | .name = "absent" | .query.customInlineTemplate = "PromQL:sum(absent_total)" |
	.analysisConfigurations.canary.mustHaveData = true]' canary.json >strict.json
mv strict.json canary.json
mood 5/5
rollout_start v4 '"strategy": "judged"'
rollout_until 30 aborted
rollout_get .why | grep -q 'metrics: kayenta: .*absent' || fail "$(rollout_get .why)"

is_alone() {
	[[ -z $(pgrep -P "$ROLLOUT_AGENT") ]]
}
lab_wait_for 20 is_alone
