#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The agent's unix socket: every path of docs/openapi.yaml answers, what is wrong is refused in JSON,
# a change has its author, and the file's mode says who may ask.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology one stable:2 canary:1
{
	lab_config eth0
	lab_service web "$LAB_VIP4" 80/tcp client canary=5 stable
} >"$LAB_TMP/serin.yaml"
chmod 0755 "$LAB_TMP"
start_agent() {
	lab_start lb setpriv --bounding-set=-all,+bpf,+net_admin,+perfmon --inh-caps=-all \
		--no-new-privs "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" agent \
		-c "$LAB_TMP/serin.yaml" 2>>"$LAB_TMP/agent.log"
}
# ask STATUS PATH [CURL'S OPTIONS...]: the body is in $LAB_TMP/body.
ask() {
	expect "$2 ${*:3}" "$(curl -s --max-time 10 -o "$LAB_TMP/body" -w '%{http_code}' \
		--unix-socket "$SERIN_SOCKET" "${@:3}" "http://serin$2")" "$1"
}
said() {
	jq -rc "$1" "$LAB_TMP/body"
}
# refused STATUS CODE PATH [...]
refused() {
	ask "$1" "${@:3}"
	expect "code of ${*:3}" "$(said .error.code)" "$2"
	[[ $(said .error.message) == ?* ]] || fail "no message: $(cat "$LAB_TMP/body")"
}
# As the agent's own unit has it, and a file that a dead agent left.
/usr/bin/python3 -c 'import socket, sys
socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$SERIN_SOCKET"
start_agent
first=$LAB_PID
lab_wait_for 10 curl -sf --unix-socket "$SERIN_SOCKET" http://serin/-/ready
expect "mode" "$(stat -c %a "$SERIN_SOCKET")" 660

# A second one says so, ends, and takes nothing away; nor does one who finds a file there.
expect_exit 1 lab_in lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" agent --listen 127.0.0.1:1
grep -q 'another agent listens' "$LAB_TMP/out" || fail "$(cat "$LAB_TMP/out")"
expect_exit 1 lab_in lb "$LAB_BUILD/serin" agent --listen 127.0.0.1:1 --socket "$LAB_TMP/serin.yaml"
[[ -s $LAB_TMP/serin.yaml ]] || fail "a file is gone"

web=/api/v1/services/web
json=(-H 'Content-Type: application/json' -d)
ask 200 /api/v1/status
status='{version, interfaces, services: [.services[] | {name, epoch, pools: [.pools[].weight]}]}'
expect "status" "$(said "$status")" "$(serin status -o json | jq -rc "$status")"
ask 200 /api/v1/status/web
expect "a service" "$(said '.services[].name')" web
ask 200 "$web/weights" "${json[@]}" '{"weights": {"canary": 12.5}, "expect_epoch": 1, "reason": "v2"}'
expect "shift" "$(said '[.epoch, .changed, .pools[0].after]')" '[2,true,12.5]'
expect "author" "$(serin status -o json | jq -rc '.services[0].last_change | [.actor, .reason, .uid]')" \
	'["api","v2",0]'
grep -q 'path=/api/v1/services/web/weights uid=0 reason=v2 outcome=done' "$LAB_TMP/agent.log" ||
	fail "$(tail -3 "$LAB_TMP/agent.log")"
expect "history" "$(serin history web -o json |
	jq -rc 'select(.actor == "api") | [.uid, .reason, .before.weights.canary, .after.weights.canary]')" \
	'[0,"v2",5,12.5]'
canary=${LAB_ADDR4[canary-1]}:$LAB_PORT
refused 409 conflict "$web/weights" "${json[@]}" '{"weights": {"canary": 1}, "expect_epoch": 1}'
ask 200 "$web/drain" "${json[@]}" "{\"backend\": \"$canary\"}"
expect "drained" "$(said '[.draining, .changed]')" '[true,true]'
ask 200 "$web/drain" "${json[@]}" "{\"backend\": \"$canary\"}"
expect "drained again" "$(said .changed)" false
ask 200 "$web/undrain" "${json[@]}" "{\"backend\": \"$canary\"}"
ask 200 "$web/drain" "${json[@]}" "{\"backend\": \"${LAB_ADDR4[stable-1]}\"}"
refused 409 no_backend_left "$web/drain" "${json[@]}" "{\"backend\": \"${LAB_ADDR4[stable-2]}\"}"
ask 200 "$web/drain" "${json[@]}" "{\"backend\": \"${LAB_ADDR4[stable-2]}\", \"force\": true}"
for stable in stable-1 stable-2; do
	ask 200 "$web/undrain" "${json[@]}" "{\"backend\": \"${LAB_ADDR4[$stable]}\"}"
done
ask 200 '/api/v1/explain?service=web&client=198.51.100.7:40000'
expect "explanation" "$(said .)" "$(serin explain -o json web 198.51.100.7:40000 | jq -c .)"
ask 200 /api/v1/events
expect "events" "$(said .)" '{"events":[],"lost":0}'
ask 200 /metrics
grep -q '^serin_pool_weight_ratio{service="web",pool="canary"} 0.125000$' "$LAB_TMP/body" ||
	fail "$(grep weight "$LAB_TMP/body")"

refused 404 not_found /api/v1/status/nobody
refused 404 not_found /api/v1/services/nobody/weights "${json[@]}" '{"weights": {"canary": 1}}'
refused 404 not_found /api/v2/status
refused 405 method_not_allowed "$web/weights"
refused 405 method_not_allowed /api/v1/status -X DELETE
refused 405 method_not_allowed /metrics -X POST
refused 400 bad_request "$web/weights" "${json[@]}" '{"weights": '
refused 422 invalid "$web/weights" "${json[@]}" '{"weights": {"canary": 101}}'
refused 422 invalid "$web/weights" "${json[@]}" '{"weights": {"stable": 1}}'
refused 404 not_found "$web/weights" "${json[@]}" '{"weights": {"v3": 1}}'
refused 422 invalid '/api/v1/explain?service=web&client=here'
head -c 70000 /dev/zero >"$LAB_TMP/large"
refused 413 too_large "$web/weights" --data-binary "@$LAB_TMP/large"
refused 413 too_large "$web/weights" --data-binary "@$LAB_TMP/large" -H 'Transfer-Encoding: chunked'

# Synchronous: what is right is in force with the answer, what is wrong is told with its place.
sed -i 's/port: 80$/port: 81/' "$LAB_TMP/serin.yaml"
ask 200 /api/v1/reload -X POST
expect "port" "$(serin status -o json | jq '.services[0].port')" 81
printf 'nonsense: 1\n' >>"$LAB_TMP/serin.yaml"
refused 422 invalid /api/v1/reload -X POST
said '.error.details[]' | grep -q "serin.yaml:[0-9]*:1: error: unknown key 'nonsense'" ||
	fail "$(cat "$LAB_TMP/body")"
expect_exit 2 serin reload
grep -q "serin.yaml:[0-9]*:1: error: unknown key 'nonsense'" "$LAB_TMP/out" || fail "$(cat "$LAB_TMP/out")"
sed -i '$d' "$LAB_TMP/serin.yaml"
sed -i 's/port: 81$/port: 82/' "$LAB_TMP/serin.yaml"
expect_exit 0 serin reload --reason moved
expect "port and reason" "$(serin status -o json | jq -c '.services[0] | [.port, .last_change.reason]')" \
	'[82,"moved"]'
expect_exit 0 serin reload
expect "what a second reload changes" "$(tail -n 1 "$LAB_TMP/out")" "no changes"
expect_exit 4 serin reload --socket "$LAB_TMP/nowhere"

# Each path that is described answers: with no body, by no means as a path that is not there.
sed -n '/^paths:/,/^components:/s|^  \(/[^:]*\):$|\1|p' "$LAB_ROOT/docs/openapi.yaml" \
	>"$LAB_TMP/paths"
(($(wc -l <"$LAB_TMP/paths") == 11)) || fail "$(cat "$LAB_TMP/paths")"
while read -r path; do
	code=$(curl -s --max-time 10 -o /dev/null -w '%{http_code}' -X OPTIONS \
		--unix-socket "$SERIN_SOCKET" "http://serin${path//\{service\}/web}")
	expect "OPTIONS $path" "$code" 405
done <"$LAB_TMP/paths"

refused 404 not_found '/api/v1/events?service=nobody'
refused 422 invalid '/api/v1/events?follow=yes'

# Who follows hears of nothing at all, too: of no event, an empty line now and then.
expect "a follower" "$(curl -sN --max-time 1 --unix-socket "$SERIN_SOCKET" -o /dev/null \
	-w '%{http_code} %{content_type}' "http://serin/api/v1/events?follow=1" || true)" \
	"200 application/x-ndjson"

# The mode says who may connect, and if that is everybody, the agent still looks who it is.
as() {
	setpriv --reuid=65534 --regid=65534 --groups="$1" curl -s --max-time 10 -o /dev/null \
		-w '%{http_code}' --unix-socket "$SERIN_SOCKET" http://serin/api/v1/status || true
}
expect "a stranger" "$(as 65534)" 000
expect "a member of the file's group" "$(as "$(stat -c %g "$SERIN_SOCKET")")" 200
chmod 0666 "$SERIN_SOCKET"
expect "a stranger who can connect" "$(as 65534)" 403

# Over TCP there is the status, and nothing changes.
tcp() {
	expect "$2 over TCP" "$(lab_in lb curl -s --max-time 10 -o "$LAB_TMP/body" -w '%{http_code}' \
		"${@:3}" "http://127.0.0.1:10717$2")" "$1"
}
tcp 200 /api/v1/status
tcp 200 /api/v1/status/web
tcp 403 '/api/v1/explain?service=web&client=198.51.100.7'
tcp 403 /api/v1/events
tcp 405 "$web/weights" "${json[@]}" '{"weights": {"canary": 50}}'
tcp 405 /api/v1/reload -X POST
expect "weight" "$(serin status -o json | jq '.services[0].pools[0].weight')" 12.5

# With nothing loaded it says so, and a reload loads.
serin detach --yes >/dev/null
is_gone() {
	[[ $(curl -s --unix-socket "$SERIN_SOCKET" http://serin/api/v1/status | jq -r .error.code) == \
		unavailable ]]
}
lab_wait_for 5 is_gone
refused 503 unavailable /api/v1/status
refused 503 unavailable /api/v1/status/web
refused 503 unavailable "$web/weights" "${json[@]}" '{"weights": {"canary": 1}}'
ask 200 /api/v1/reload -X POST
ask 200 /api/v1/status/web

# Killed, its file stays; the next agent takes its place, and one that ends takes it away.
kill -9 "$first"
wait "$first" || true
[[ -S $SERIN_SOCKET ]] || fail "who took the file away?"
start_agent
lab_wait_for 10 curl -sf --unix-socket "$SERIN_SOCKET" http://serin/-/ready
lab_stop "$LAB_PID"
[[ ! -e $SERIN_SOCKET ]] || fail "the file is left"
