#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A real Prometheus scrapes a real agent; judge asks it for the metrics of two pools. A quarter of the
# flows go to the canary: judged by their number it fails, by packets a flow it passes.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
command -v prometheus >/dev/null || lab_die "no prometheus here; run scripts/install-deps"
lab_topology one stable:1 canary:1
lab_nginx "${LAB_BACKENDS[@]}"
{
	lab_config eth0
	lab_service web "$LAB_VIP4" 80/tcp client canary=25 stable
} >"$LAB_TMP/serin.yaml"
serin apply "$LAB_TMP/serin.yaml"
lab_start lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" \
	agent -c "$LAB_TMP/serin.yaml" 2>"$LAB_TMP/agent.log"
get() {
	lab_in lb curl -sf --max-time 5 "$@"
}
lab_wait_for 10 get http://127.0.0.1:10717/-/ready
cat >"$LAB_TMP/prometheus.yml" <<-'END'
	global: {scrape_interval: 1s}
	scrape_configs:
	  - job_name: serin
	    static_configs: [{targets: ["127.0.0.1:10717"]}]
END
lab_start lb prometheus --config.file="$LAB_TMP/prometheus.yml" \
	--storage.tsdb.path="$LAB_TMP/prometheus" --web.listen-address=127.0.0.1:9090 \
	2>"$LAB_TMP/prometheus.log"

cd "$LAB_TMP"
# config QUERY: one metric by it, of which a third more or less is nothing: so few points happen to differ
config() {
	jq -n --arg query "$1" '{metrics: [{name: "m", groups: ["g"],
		query: {type: "prometheus", customInlineTemplate: $query},
		analysisConfigurations: {canary: {direction: "either", mustHaveData: true,
			effectSize: {allowedIncrease: 1.33, allowedDecrease: 0.67}}}}],
		classifier: {groupWeights: {g: 100}}}' >canary.json
}
# judge STATUS ARGUMENT...: its result is in out, its messages in err
judge() {
	local status=0
	lab_in lb "$LAB_BUILD/serin" judge --config canary.json -o json \
		--prometheus http://127.0.0.1:9090/ --service web --control stable --start now-10s \
		--step 1s "${@:2}" >out 2>err || status=$?
	((status == $1)) || fail "exit $status, wanted $1: ${*:2}: $(cat err out)"
}
said() {
	jq -c '[.score.classification, .results[0].classification]' out
}
# Prometheus's own names and strings are what has to fit: a wrong label would find nothing.
# shellcheck disable=SC2016 # for serin to fill in
flows='sum(rate(serin_pool_flows_total{service="${service}",pool="${pool}"}[4s]))'
# shellcheck disable=SC2016
packets='sum(rate(serin_pool_packets_in_total{service=~"${service}",pool="${scope}"}[4s]))'

load_start load.json "$LAB_VIP4" 80 --count 1000 --rate 500
load=$LAB_PID
config "PromQL:$flows"
scraped() {
	(judge 3 && jq -e '.results[0] | .experimentMetadata.stats.count >= 10 and
		.controlMetadata.stats.count >= 10' out)
}
lab_wait_for 60 scraped
expect "by flows" "$(said)" '["Fail","Low"]'
expect_between "ratio" "$(jq '.results[0].resultMetadata.ratio' out)" 0.2 0.5
config "$packets / $flows"
judge 0
expect "by packets a flow" "$(said)" '["Pass","Pass"]'
judge 0 --end "$(date -u +%FT%TZ)"

judge 3 --control baseline
expect "of a pool that is not there" "$(said)" '["Fail","NodataFailMetric"]'
expect "points of none" "$(jq '.results[0].controlMetadata.stats.count' out)" 0
load_stop "$load" load.json

# shellcheck disable=SC2016
config 'serin_pool_backends{pool=~"${pool}|x"}'
judge 1
grep -q '^http://127.0.0.1:9090/api/v1/query_range (m of canary): error: .*[0-9] series ({' err ||
	fail "$(cat err)"
judge 0 --sum
expect "backends" "$(jq -c '[.results[0].experimentMetadata.stats.max]' out)" '[1]'
config 'sum('
judge 1
grep -q 'error: HTTP status 400: bad_data: .*parse error.*; mend the metric' err || fail "$(cat err)"
# shellcheck disable=SC2016
config 'PromQL:sum(x{zone="${location}"})'
judge 2
# shellcheck disable=SC2016
grep -qF 'canary.json: error: $.metrics[0].query.customInlineTemplate: character 20: ${location} is not' \
	err || fail "$(cat err)"
