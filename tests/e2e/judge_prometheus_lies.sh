#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# judge asks a Prometheus that lies, is slow, says too much or wants to know who asks: each time it
# says what, where, and what next, never a secret, and never a verdict of what is none.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
command -v openssl >/dev/null || lab_die "no openssl here; run scripts/install-deps"
lab_ns lb
lab_in lb ip link set lo up
cd "$LAB_TMP"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=lies \
	-addext 'subjectAltName=IP:127.0.0.1' -keyout lies.key -out lies.crt 2>/dev/null
lab_start lb python3 "$LAB_ROOT/tests/tools/lying_prometheus.py" 9090 >asked
lab_start lb python3 "$LAB_ROOT/tests/tools/lying_prometheus.py" 9443 lies.crt lies.key >/dev/null 2>&1
for port in 9090 9443; do
	lab_wait_for 10 lab_in lb bash -c "exec 3<>/dev/tcp/127.0.0.1/$port"
done
# shellcheck disable=SC2016 # for serin to fill in
jq -n '{metrics: [{name: "m", groups: ["g"],
	query: {customInlineTemplate: "PromQL:x{p=\"${scope}\"}[${step}] & +"},
	analysisConfigurations: {canary: {mustHaveData: true}}}],
	classifier: {groupWeights: {g: 100}}}' >canary.json

# judge STATUS URL ARGUMENT...: its result is in out, its messages in err
judge() {
	local status=0
	lab_in lb "$LAB_BUILD/serin" judge --config canary.json -o json --prometheus "$2" \
		--service web --start 1700000000 --end 1700000019 --step 1s "${@:3}" >out 2>err ||
		status=$?
	((status == $1)) || fail "exit $status, wanted $1: ${*:2}: $(cat err)"
	! grep -qE 'sesame|tell-nobody' err || fail "tells a secret: $(cat err)"
}
# told LIE WORDS ARGUMENT...: nothing but a message with these words
told() {
	judge 1 "http://127.0.0.1:9090/$1" "${@:3}"
	[[ ! -s out ]] || fail "a result of $1: $(cat out)"
	for words in "http://127.0.0.1:9090/$1/api/v1/query_range (m of canary):" "$2"; do
		grep -qF "$words" err || fail "$1 does not say \"$words\": $(cat err)"
	done
	expect "messages of $1" "$(wc -l <err)" 1
}
judge 0 http://127.0.0.1:9090/right
expect "points" "$(jq '.results[0].controlMetadata.stats.count' out)" 20
expect "what is asked" "$(tail -n 1 asked)" "/right/api/v1/query_range $(printf '%s' \
	'{"query": "x{p=\"baseline\"}[1000ms] & +", "start": "1700000000.000",' \
	' "end": "1700000019.000", "step": "1.000"}')"
judge 0 http://127.0.0.1:9090/odd-numbers
expect "what is dropped" "$(jq -c '.results[0].why.dropped.control | [.nan, .infinite]' out)" '[1,2]'

told broken "error: HTTP status 500; look into its log"
told overloaded "HTTP status 503: timeout: query timed out in expression evaluation; the query took"
told elsewhere "HTTP status 302; redirects are not followed"
told not-json ":1:31: error: "
told not-matrix 'must hold a "matrix"'
told empty "an empty answer"
told cut "cannot be asked: "
told slow "no whole answer within 500ms; allow more by --timeout" --timeout 500ms
told huge "the answer is larger than 4194304 bytes; ask for fewer series"
told basic "HTTP status 401; say in --http-config who asks"
told bearer "HTTP status 401"

printf 'open sesame\n' >password
printf 'basic_auth: {username: judge, password_file: password}\n' >basic.yaml
judge 0 http://127.0.0.1:9090/basic --http-config basic.yaml
told bearer "HTTP status 401" --http-config basic.yaml
printf 'tell-nobody\n' >token
printf 'authorization: {credentials_file: token}\n' >bearer.yaml
mkdir far
judge 0 http://127.0.0.1:9090/bearer --http-config "$LAB_TMP/far/../bearer.yaml"
rm token
judge 2 http://127.0.0.1:9090/bearer --http-config bearer.yaml
grep -q 'bearer.yaml: error: cannot read token: No such file' err || fail "$(cat err)"

judge 1 https://127.0.0.1:9443/right
grep -q 'certificate is not trusted: .*tls_config.ca_file' err || fail "$(cat err)"
printf 'tls_config: {ca_file: lies.crt, cert_file: lies.crt, key_file: lies.key}\n' >tls.yaml
judge 0 https://127.0.0.1:9443/right --http-config tls.yaml
printf 'tls_config: {ca_file: lies.crt}\n' >tls.yaml
judge 1 https://127.0.0.1:9443/right --http-config tls.yaml
printf 'tls_config: {insecure_skip_verify: true, cert_file: lies.crt, key_file: lies.key}\n' >tls.yaml
judge 0 https://127.0.0.1:9443/right --http-config tls.yaml

judge 1 http://127.0.0.1:9091
grep -q 'cannot be asked: .*; is the URL right, and does it run?' err || fail "$(cat err)"
judge 2 'http://judge:sesame@127.0.0.1:9090'
judge 2 ftp://127.0.0.1
judge 2 http://127.0.0.1:9090/right --start now --end now-1m
judge 2 http://127.0.0.1:9090/right --step 0
