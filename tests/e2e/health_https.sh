#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Checks by HTTPS verify: a backend whose certificate is another name's, or nobody's, is down.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_health.sh
. "$(dirname "$0")/../../scripts/lab_health.sh"

lab_init
command -v openssl >/dev/null || lab_die "no openssl here; run scripts/install-deps"
lab_topology one stable:4

# make_key FILE NAME [SIGNER]
make_key() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
		-keyout "$LAB_TMP/$1.key" -out "$LAB_TMP/$1.pem" -subj "/CN=$2" \
		-addext "subjectAltName=$3" "${@:4}" 2>/dev/null
}
make_key ca "Lab CA" DNS:ca -addext "keyUsage=critical,keyCertSign"
signed=(-CA "$LAB_TMP/ca.pem" -CAkey "$LAB_TMP/ca.key" -addext "basicConstraints=critical,CA:FALSE")
make_key right app.example DNS:app.example "${signed[@]}"
make_key address app.example "IP:${LAB_ADDR4[stable-3]}" "${signed[@]}"
make_key self app.example DNS:app.example

# serve BACKEND KEY
serve() {
	local dir=$LAB_TMP/$1
	mkdir "$dir"
	cat >"$dir/nginx.conf" <<-END
		daemon off;
		master_process off;
		pid $dir/pid;
		events { }
		http {
			access_log $dir/access.log;
			client_body_temp_path $dir;
			proxy_temp_path $dir;
			fastcgi_temp_path $dir;
			uwsgi_temp_path $dir;
			scgi_temp_path $dir;
			server {
				listen $LAB_PORT ssl;
				ssl_certificate $LAB_TMP/$2.pem;
				ssl_certificate_key $LAB_TMP/$2.key;
				location = /healthz { return 200 "\$ssl_server_name \$host \$request_method\n"; }
			}
		}
	END
	lab_start "$1" nginx -p "$dir" -e "$dir/error.log" -c "$dir/nginx.conf"
}
serve stable-1 right
serve stable-2 self
serve stable-3 address
serve stable-4 right

# check KEYS: what the agent is to do.
check() {
	{
		lab_config eth0
		LAB_KEYS="health_check: {type: https, path: /healthz, interval: 200ms, fall: 2, $1}"
		lab_service web "$LAB_VIP4" 443/tcp connection stable
	} >"$LAB_TMP/serin.yaml"
}
check "ca_file: $LAB_TMP/ca.pem, sni: app.example, host: 'www.example:77',
      expect: 'app.example www.example GET'"
start_agent
wait_for_state stable-2 down
wait_for_state stable-3 down
logged "${LAB_ADDR4[stable-2]}.*self.signed certificate"
logged "${LAB_ADDR4[stable-3]}.*no alternative certificate subject name matches target host name 'app.example'"
expect "whose name is right" "$(state_of stable-1) $(state_of stable-4)" "up up"
expect_between "checks that passed" "$(metric 'serin_health_checks_total{service="web",pool="stable",result="pass"}')" 4 100000

# Without a name the address has to be in the certificate.
check "ca_file: $LAB_TMP/ca.pem"
kill -HUP "$agent"
wait_for_state stable-3 up
wait_for_state stable-1 down
wait_for_state stable-4 down
expect "nobody's" "$(state_of stable-2)" down

check "verify: false"
kill -HUP "$agent"
for name in "${LAB_BACKENDS[@]}"; do
	wait_for_state "$name" up
done
