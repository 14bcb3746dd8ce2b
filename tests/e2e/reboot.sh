#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# After a reboot services have the weights and drained backends they had, from the first packet on,
# by an apply and by an agent.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology one stable:1 canary:2 extra:1
lab_nginx "${LAB_BACKENDS[@]}"
write_config() {
	lab_config eth0
	lab_service web "$LAB_VIP4" 80/tcp client "$@" stable
}
write_config canary=5 extra=1 >"$LAB_TMP/serin.yaml"
get() {
	serin status -o json | jq -r ".services[0] | $1"
}
# All that a reboot leaves: the disk.
reboot() {
	rm -r "$LAB_TMP/bpf/serin"
	ip -n "$LAB-lb" link set dev eth0 xdp off
	expect "pins" "$(lab_pins)" ""
}
ask() {
	lab_in client curl -s --interface "10.1.0.$1" --connect-timeout 0.1 --max-time 2 \
		"http://$LAB_VIP4/" || true
}
# ask_on FILE: new clients one after the other, till the file $LAB_TMP/enough is there.
ask_on() {
	local i=0
	while [[ ! -e $LAB_TMP/enough ]]; do
		ask $((i++ % 250 + 1)) >>"$1"
	done
}
has_answers() {
	(($(wc -l <"$1") >= 100))
}
# restart COMMAND...: under clients that ask all the time. Nobody is answered by another pool, nor
# by a drained backend.
restart() {
	local asking
	rm -f "$LAB_TMP/enough" "$LAB_TMP/answers"
	reboot
	ask_on "$LAB_TMP/answers" &
	asking=$!
	"$@"
	lab_wait_for 60 has_answers "$LAB_TMP/answers"
	touch "$LAB_TMP/enough"
	wait "$asking"
	expect "who answered" "$(sort -u "$LAB_TMP/answers")" "canary canary-2"
	expect "epoch, with no shift since" "$(get .epoch)" 1
	expect "drained" "$(get '[.pools[].backends[] | select(.state == "draining").address] | join(",")')" \
		"${LAB_ADDR4[canary-1]}"
}
apply() {
	serin apply "$LAB_TMP/serin.yaml" >"$LAB_TMP/told"
}
serin apply "$LAB_TMP/serin.yaml" >/dev/null
serin weight web canary=100 extra=0 >/dev/null
serin drain web "${LAB_ADDR4[canary-1]}" >/dev/null
restart apply
grep -q 'pool canary keeps its live weight 100 % (file: 5 %)' "$LAB_TMP/told" || fail "$(cat "$LAB_TMP/told")"

# With other weights in the file, and by the agent.
write_config canary=20 extra=1 >"$LAB_TMP/serin.yaml"
answers() { lab_in lb curl -sf --max-time 2 http://127.0.0.1:10717/-/ready; }
start_agent() {
	lab_start lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" agent \
		-c "$LAB_TMP/serin.yaml" 2>>"$LAB_TMP/agent.log"
	agent=$LAB_PID
	lab_wait_for 20 answers
}
restart start_agent
expect "who did that" "$(serin history web --limit 1 -o json | jq -r '"\(.actor) \(.reason)"')" \
	"agent agent start"
# What the agent applies again changes nothing, and what somebody shifts meanwhile is kept, too.
serin weight web canary=33.3333 extra=6.6667 >/dev/null
kill -HUP "$agent"
has_again() { grep -q 'is applied again' "$LAB_TMP/agent.log"; }
lab_wait_for 10 has_again
lab_stop "$agent"
