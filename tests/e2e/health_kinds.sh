#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Checks by TCP, UDP and programs: each finds a backend down and up again. They come from this host to
# the service's own port, so that their answers look like replies to clients.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_health.sh
. "$(dirname "$0")/../../scripts/lab_health.sh"

lab_init
lab_topology one tcp:1 udp:1 exec:1
lab_nginx tcp-1 exec-1
lab_udp udp-1

# One is asked from an address that no link's prefix holds, and that a gateway would lead to.
ip -n "$LAB-lb" -batch - <<-END
	address add 10.9.9.9/32 dev lo
	route add default via 10.0.0.2
	route add ${LAB_ADDR4[tcp-1]}/32 dev eth0 src 10.9.9.9
END

cat >"$LAB_TMP/check" <<END
#!/bin/sh
echo "\$SERIN_SERVICE \$SERIN_POOL \$SERIN_BACKEND_ADDRESS \$SERIN_BACKEND_PORT" >"$LAB_TMP/told"
cat "$LAB_TMP/verdict" 2>/dev/null || {
	setsid sleep 600 & echo \$! \$\$ \$PPID >>"$LAB_TMP/slow"; wait; }
exit "\$(cat "$LAB_TMP/verdict")"
END
chmod +x "$LAB_TMP/check"
printf '0\n' >"$LAB_TMP/verdict"
times='interval: 200ms, timeout: 150ms, rise: 2, fall: 2'
{
	lab_config eth0
	LAB_KEYS="health_check: {type: tcp, $times}"
	lab_service tcp "$LAB_VIP4" 80/tcp connection tcp
	LAB_KEYS="health_check: {type: http, path: /healthz, $times}"
	lab_service six "$LAB_VIP6" 80/tcp connection tcp
	LAB_KEYS="health_check: {type: udp, send: '\\x68ello', expect: 'udp-1 hello', $times}"
	lab_service udp "$LAB_VIP4" 53/udp connection udp
	LAB_KEYS="health_check: {type: exec, command: [$LAB_TMP/check], $times}"
	lab_service exec "$LAB_VIP4" 81/tcp connection exec
} >"$LAB_TMP/serin.yaml"
# has_passes SERVICE POOL
has_passes() {
	(($(metric "serin_health_checks_total{service=\"$1\",pool=\"$2\",result=\"pass\"}") >= 10))
}
start_agent
for kind in tcp udp exec; do
	lab_wait_for 10 has_passes "$kind" "$kind"
	wait_for_state "$kind-1" up
done
lab_wait_for 10 has_passes six tcp
expect "what events there are" "$(serin events -o json)" ""
is_told() {
	[[ $(cat "$LAB_TMP/told") == "exec exec ${LAB_ADDR4[exec-1]} $LAB_PORT" ]]
}
lab_wait_for 5 is_told

# Nobody listens, nobody answers, a program says no.
kill -9 "$(cat "$LAB_TMP/tcp-1/pid")"
wait_for_state tcp-1 down
logged 'is down.*Connection refused'
ip -n "$LAB-udp-1" link set eth0 down
wait_for_state udp-1 down
logged 'backend .* is down.*no answer within 150 ms'
printf '3\n' >"$LAB_TMP/verdict"
wait_for_state exec-1 down
logged 'is down.*exit status 3'

lab_start tcp-1 nginx -p "$LAB_TMP/tcp-1" -e "$LAB_TMP/tcp-1/error.log" -c "$LAB_TMP/tcp-1/nginx.conf"
ip -n "$LAB-udp-1" link set eth0 up
ip -n "$LAB-udp-1" route replace default via 10.0.1.1
printf '0\n' >"$LAB_TMP/verdict"
for kind in tcp udp exec; do
	wait_for_state "$kind-1" up
done

# A program that does not end is killed with all that it began, and so it is when the agent ends.
none_is_left() {
	local pid
	for pid in $(<"$LAB_TMP/slow"); do
		! kill -0 "$pid" 2>/dev/null || return 1
	done
}
rm "$LAB_TMP/verdict"
wait_for_state exec-1 down
logged 'is down.*no answer within 150 ms'
kill "$agent"
wait "$agent" || fail "the agent's end: $?"
lab_wait_for 5 none_is_left
rm "$LAB_TMP/slow"
start_agent
lab_wait_for 10 test -s "$LAB_TMP/slow"
kill -9 "$agent"
wait "$agent" 2>/dev/null || true
lab_wait_for 5 none_is_left
