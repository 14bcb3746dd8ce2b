#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A real Prometheus scrapes the agent; promtool has nothing to say about the metrics.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
command -v prometheus promtool >/dev/null || lab_die "no prometheus here; run scripts/install-deps"
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
get http://127.0.0.1:10717/-/healthy >/dev/null
expect_clean "$(load "$LAB_VIP4" 80 --count 1000 --requests 2000)"

get http://127.0.0.1:10717/metrics >"$LAB_TMP/metrics"
said=$(promtool check metrics <"$LAB_TMP/metrics" 2>&1) || fail "promtool: $said"
expect "what promtool says" "$said" ""
expect "a request that would change something" "$(lab_in lb curl -s -o /dev/null \
	-w '%{http_code}' -X POST http://127.0.0.1:10717/metrics)" 405

cat >"$LAB_TMP/prometheus.yml" <<-'END'
	global: {scrape_interval: 1s}
	scrape_configs:
	  - job_name: serin
	    static_configs: [{targets: ["127.0.0.1:10717"]}]
END
lab_start lb prometheus --config.file="$LAB_TMP/prometheus.yml" \
	--storage.tsdb.path="$LAB_TMP/prometheus" --web.listen-address=127.0.0.1:9090 \
	2>"$LAB_TMP/prometheus.log"
# query SELECTOR: the sum of what was last scraped; a scrape that takes too long leaves a gap.
query() {
	get -G http://127.0.0.1:9090/api/v1/query \
		--data-urlencode "query=sum(last_over_time($1[5m]))" |
		jq -r '.data.result[0].value[1] // empty'
}
scraped() {
	[[ $(query 'serin_pool_flows_total{service="web"}') == 2000 ]]
}
lab_wait_for 20 scraped
expect_between "canary's flows" "$(query 'serin_pool_flows_total{pool="canary"}')" 400 600
expect "weight" "$(query 'serin_pool_weight_ratio{pool="canary"}')" 0.25
expect "build info" "$(query 'serin_build_info')" 1
