#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# judge: exit status, verdict and place of every error are what scripts can build on; JSON and CSV give
# one verdict; the page needs nothing but itself. It needs no kernel, no agent and no rights.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
cd "$LAB_TMP"
cat >canary.json <<'EOF'
{"name": "web", "judge": {"name": "NetflixACAJudge-v1.0"}, "metrics": [
  {"name": "latency", "groups": ["latency"], "query": {"type": "prometheus"},
   "analysisConfigurations": {"canary": {"direction": "increase", "critical": true}}},
  {"name": "errors", "groups": ["errors"],
   "analysisConfigurations": {"canary": {"direction": "increase"}}}],
 "classifier": {"groupWeights": {"latency": 70, "errors": 30}}}
EOF
# pairs LATENCY ERRORS: samples whose canary has that much more of each
pairs() {
	jq -n --argjson latency "$1" --argjson errors "$2" '
		def series(base; more): [range(60) | (. * 7 % 13) / 4 + base + more];
		[{name: "latency", tags: {zone: "a"},
		  values: {experiment: (series(20; $latency) + [null, "NaN"]), control: series(20; 0)}},
		 {name: "errors",
		  values: {experiment: series(1; $errors), control: series(1; 0)}}]'
}
pairs 0.1 0 >good.json
pairs 9 0 >slow.json
pairs 0 9 >errors.json

# judge STATUS ARGUMENT...: its result is in out, its messages in err
judge() {
	local status=0
	"$LAB_BUILD/serin" judge --config canary.json "${@:2}" >out 2>err || status=$?
	((status == $1)) || fail "exit $status, wanted $1: ${*:2}: $(cat err)"
}
judge 0 --metrics good.json -o json
expect "score" "$(jq -c '[.judgeName, .score.score, .score.classification]' out)" \
	'["NetflixACAJudge-v1.0",100,"Pass"]'
judge 3 --metrics errors.json -o json
expect "score of errors" "$(jq -c '[.score.score, .score.classification]' out)" '[70,"Marginal"]'
judge 0 --metrics errors.json --pass 70
judge 3 --metrics errors.json --pass 90 --marginal 80
grep -q '^Fail: score 70 (pass 90, marginal 80)' out || fail "$(cat out)"
for mode in exact kayenta; do
	judge 3 --metrics slow.json -o json --mode $mode
	expect "$mode" "$(jq -r '.score.classificationReason' out)" \
		"Canary Failed: The metric latency was classified as High (Critical)"
	expect "points" "$(jq '.results[0].experimentMetadata.stats.count' out)" 60
	expect "tags" "$(jq -r '.results[0].tags.zone' out)" a
done
judge 3 --metrics slow.json -o json
jq -e '.results[0].why | .shift.low == 8.5 and .shift.high == 9.5 and .shift.closed and
	.pValue < 1e-9 and .effectSize.value > 1.3 and .thresholds.allowedIncrease == 1 and
	.dropped.experiment.nan == 2 and .points.control == 60' out >/dev/null ||
	fail "does not say why: $(jq '.results[0].why' out)"

jq -r '["name", "pool", "time", "value"], (.[] | .name as $n | .values | to_entries[] | .key as $p |
	.value | to_entries[] | [$n, $p, .key, .value]) | @csv' slow.json >slow.csv
judge 3 --metrics slow.json -o json
cp out by_json
judge 3 --metrics slow.csv --format csv -o json
expect "by CSV" "$(jq -cS 'del(.results[].tags)' out)" "$(jq -cS 'del(.results[].tags)' by_json)"

judge 3 --metrics slow.json -o html
! grep -qiE 'https?:|<script|<link|<img|url\([^#]' out || fail "the page asks for more than itself"
expect "pictures" "$(grep -c '<section' out)" 2
judge 3 --metrics slow.json -o md
grep -q '^### .* Canary: Fail, score 0$' out || fail "$(cat out)"

judge 3 --metrics slow.json
grep -qE '60 : 60 points, medians [0-9.]+ : [0-9.]+; shift 9 ' out || fail "$(cat out)"

# Of what is configured and missing it is said, and a critical one fails.
jq '.[:1]' good.json >part.json
missing=$(jq -r '.[1].name' good.json)
judge 3 --metrics part.json -o json
grep -qF "part.json: warning: no values of metric \"$missing\"" err || fail "$(cat err)"
expect "what is missing" "$(jq -r --arg n "$missing" '.results[] | select(.name == $n).classification' out)" Nodata
jq --arg n "$missing" '(.metrics[] | select(.name == $n).analysisConfigurations.canary) +=
	{critical: true, mustHaveData: true}' canary.json >strict.json
for mode in exact kayenta; do
	judge 3 --config strict.json --metrics part.json --mode "$mode" -o json
	expect "score of $mode" "$(jq .score.score out)" 0
done

# refused WHERE ARGUMENT...: bad input, told with its place, and no result
refused() {
	judge 2 "${@:2}"
	grep -qF -- "$1" err || fail "does not say \"$1\": $(cat err)"
	[[ ! -s out ]] || fail "a result of bad input: $(cat out)"
}
refused "are needed"
refused "absent.json: error: cannot be read" --metrics absent.json
refused "--mode takes one of exact, kayenta" --metrics good.json --mode spinnaker
refused "--pass takes a score" --metrics good.json --pass x
refused "is above the one to pass, 10" --metrics good.json --pass 10 --marginal 90
refused "--output takes one of table, json, html, md" --metrics good.json -o yaml
printf '[\n  {"name": }\n]\n' >bad.json
refused "bad.json:2:12: error: " --metrics bad.json
jq '.[1].values.control[3] = "many"' good.json >bad.json
refused "bad.json: error: \$[1].values.control[3]: must be a number" --metrics bad.json
jq '.[1].name = "load"' good.json >bad.json
refused 'bad.json: error: $[1].name: the configuration has no metric "load"' --metrics bad.json
printf 'name,pool,time,value\nlatency,canary,1,fast\n' >bad.csv
refused "bad.csv:2:18: error: the value must be a number" --metrics bad.csv --format csv
jq '.metrics[0].analysisConfigurations.canary.critical = "yes"' canary.json >worse.json
mv worse.json canary.json
refused 'canary.json: error: $.metrics[0].analysisConfigurations.canary.critical: must be' \
	--metrics good.json
