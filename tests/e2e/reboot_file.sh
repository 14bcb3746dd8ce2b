#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# After a reboot with another file: weights live on as over a running Serin; what a person detached
# begins anew.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology one stable:1 canary:1 extra:1
write_config() {
	lab_config eth0
	lab_service web "$LAB_VIP4" 80/tcp client "$@" stable
}
get() {
	serin status -o json | jq -r ".services[0] | $1"
}
weight() {
	get ".pools[] | select(.name == \"$1\").weight * 10000 | round"
}
# All that a reboot leaves: the disk.
reboot() {
	rm -r "$LAB_TMP/bpf/serin"
	ip -n "$LAB-lb" link set dev eth0 xdp off
	expect "pins" "$(lab_pins)" ""
}
apply() {
	serin apply "$LAB_TMP/serin.yaml" >"$LAB_TMP/told"
}

write_config canary=5 extra=1 >"$LAB_TMP/serin.yaml"
apply
serin weight web canary=33.3333 extra=6.6667 >/dev/null

# A pool that left the file takes its weight with it; a service that moves keeps its own.
write_config canary=20 >"$LAB_TMP/serin.yaml"
sed -i 's/port: 80$/port: 81/' "$LAB_TMP/serin.yaml"
reboot
apply
expect "canary's weight" "$(weight canary)" 333333
expect "what is kept" "$(get '[.pools[].name] | join(",")')" "canary,stable"

# A release goes on with its seed; a new one is taken when there is none.
sed -i 's/primary: stable/&\n    seed: 7/' "$LAB_TMP/serin.yaml"
reboot
apply
grep -q 'keeps its live seed .* (file: 7)' "$LAB_TMP/told" || fail "$(cat "$LAB_TMP/told")"
serin weight web canary=0 >/dev/null
reboot
apply
expect "seed" "$(serin explain web 10.1.0.9 -o json | jq -r .seed)" 7
expect "canary's weight" "$(weight canary)" 0

# Taken away by a person: begun anew, with the file's weights.
serin drain web "${LAB_ADDR4[canary-1]}" >/dev/null
serin detach --yes >/dev/null
apply
expect "canary's weight after detach" "$(weight canary)" 200000
expect "drained after detach" "$(get '[.pools[].backends[] | select(.state == "draining")] | length')" 0
