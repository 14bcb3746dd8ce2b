#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TLS and passwords for what is read over TCP, by a file in the form of Prometheus's: right ones are
# let in, wrong ones are not and do not keep the right ones out, and a reload brings new ones.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
command -v openssl >/dev/null || lab_die "no openssl here; run scripts/install-deps"
lab_topology one stable:1
{
	lab_config eth0
	lab_service web "$LAB_VIP4" 80/tcp client stable
} >"$LAB_TMP/serin.yaml"
bcrypt() {
	/usr/bin/python3 -W ignore -c 'import crypt, sys
print(crypt.crypt(sys.argv[1], crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)))' "$1"
}
# certificate NAME [SIGNER]: NAME.crt and NAME.key
certificate() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
		-addext 'subjectAltName=IP:127.0.0.1' -keyout "$LAB_TMP/$1.key" \
		-out "$LAB_TMP/$1.crt" ${2:+-CA "$LAB_TMP/$2.crt" -CAkey "$LAB_TMP/$2.key"} 2>/dev/null
}
for name in first second operator; do
	certificate "$name"
done
# web_config CERTIFICATE PASSWORD [MORE]
web_config() {
	printf 'tls_server_config: {cert_file: %s.crt, key_file: %s.key%s}\n' "$1" "$1" "${3:-}"
	printf 'basic_auth_users:\n  prometheus: %s\n' "$(bcrypt "$2")"
} >"$LAB_TMP/web.yaml"
start_agent() {
	lab_start lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" agent -c "$LAB_TMP/serin.yaml" \
		--web-config "$LAB_TMP/web.yaml" 2>>"$LAB_TMP/agent.log"
	agent=$LAB_PID
	lab_wait_for 10 curl -sf --unix-socket "$SERIN_SOCKET" http://serin/-/ready
}
url=https://127.0.0.1:10717/metrics ca=first
get() {
	lab_in lb curl -s --max-time 10 -o "$LAB_TMP/body" -w '%{http_code}' \
		--cacert "$LAB_TMP/$ca.crt" "$@" "$url" || true
}
is() {
	[[ $(get "${@:2}") == "$1" ]]
}

web_config first secret
# shellcheck disable=SC2016 # the hash's own
sed -i 's/cert_file/cert-file/; s/\$2b\$04/$2b$13/' "$LAB_TMP/web.yaml"
expect_exit 2 lab_in lb "$LAB_BUILD/serin" agent --web-config "$LAB_TMP/web.yaml"
for words in "web.yaml:1:21: error: unknown key 'cert-file'" "web.yaml:3:15: error: the hash of"; do
	grep -q "$words" "$LAB_TMP/out" || fail "no '$words': $(cat "$LAB_TMP/out")"
done
web_config second secret
sed -i 's/second.key/first.key/' "$LAB_TMP/web.yaml"
expect_exit 2 lab_in lb "$LAB_BUILD/serin" agent --web-config "$LAB_TMP/web.yaml"
grep -q 'cert_file and key_file' "$LAB_TMP/out" || fail "$(cat "$LAB_TMP/out")"

web_config first secret ', min_version: TLS13'
start_agent
expect "no password" "$(get -D "$LAB_TMP/head")" 401
grep -qi '^www-authenticate: Basic realm=' "$LAB_TMP/head" || fail "$(cat "$LAB_TMP/head")"
expect "code" "$(jq -r .error.code "$LAB_TMP/body")" unauthorized
expect "right" "$(get -u prometheus:secret)" 200
grep -q '^serin_build_info' "$LAB_TMP/body" || fail "no metrics"
expect "wrong" "$(get -u prometheus:Secret)" 401
# Guesses come to be tried once a second; who was right before does not wait for them.
is_tried_later() {
	guess=$((guess + 1))
	is 429 -u "prometheus:$guess"
}
guess=0
lab_wait_for 10 is_tried_later
expect "right after wrong ones" "$(get -u prometheus:secret)" 200
lab_wait_for 10 is 401 -u nobody:secret
expect "TLS 1.2" "$(get -u prometheus:secret --tls-max 1.2)" 000
url=http://127.0.0.1:10717/metrics
expect "no TLS" "$(get -u prometheus:secret)" 000
url=https://127.0.0.1:10717/api/v1/status
expect "the status without a password" "$(get)" 401
expect "the status" "$(get -u prometheus:secret)" 200

# What is wrong with a new file is told, and the old one stays.
web_config second changed
sed -i 's/basic_auth_users/basic_auth_user/' "$LAB_TMP/web.yaml"
expect "a wrong reload" "$(curl -s -o "$LAB_TMP/body" -w '%{http_code}' -X POST \
	--unix-socket "$SERIN_SOCKET" http://serin/api/v1/reload)" 422
grep -q "web.yaml:2:1: error: unknown key 'basic_auth_user'" "$LAB_TMP/body" ||
	fail "$(cat "$LAB_TMP/body")"
expect "the old password" "$(get -u prometheus:secret)" 200

web_config second changed ', client_ca_file: operator.crt, client_auth_type: RequireAndVerifyClientCert'
kill -HUP "$agent"
ca=second
lab_wait_for 10 is 200 -u prometheus:changed --cert "$LAB_TMP/operator.crt" \
	--key "$LAB_TMP/operator.key"
expect "no certificate" "$(get -u prometheus:changed)" 403
expect "another's certificate" "$(get -u prometheus:changed --cert "$LAB_TMP/first.crt" \
	--key "$LAB_TMP/first.key")" 403
expect "the old password" "$(get -u prometheus:secret --cert "$LAB_TMP/operator.crt" \
	--key "$LAB_TMP/operator.key")" 401
ca=first
expect "the old certificate" "$(get -u prometheus:changed)" 000
expect "the socket" "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$SERIN_SOCKET" \
	http://serin/metrics)" 200
