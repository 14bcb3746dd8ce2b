#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# kill -9 of the very first apply: whatever it left, packets that go through it go on doing so, and
# the next apply takes it from there.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology one stable:2 canary:1
lab_nginx "${LAB_BACKENDS[@]}"
{
	lab_config eth0
	lab_service web "$LAB_VIP4" 80/tcp connection canary=20 stable
} >"$LAB_TMP/serin.yaml"
pins=$LAB_TMP/bpf/serin
apply() {
	serin apply "$LAB_TMP/serin.yaml" >/dev/null
}
begin=${EPOCHREALTIME/./}
apply
whole_us=$((${EPOCHREALTIME/./} - begin))

# Killed between attaching and publishing: the pins have their first name still.
load_start "$LAB_TMP/load" "$LAB_VIP4" 80 --count 2000 --concurrency 16
load=$LAB_PID
serin weight web canary=30 >/dev/null
mv "$pins"/v* "$pins/new"
apply
expect "canary's weight" "$(serin status -o json | jq '.services[0].pools[0].weight')" 30
load_stop "$load" "$LAB_TMP/load"
serin detach --yes >/dev/null

# Anywhere else.
for ((i = 1; i <= 10; i++)); do
	lab_start lb "$LAB_BUILD/serin" --bpffs "$pins" apply "$LAB_TMP/serin.yaml" >/dev/null
	sleep "$(printf '0.%06d' $((whole_us * i / 10)))"
	kill -9 "$LAB_PID" 2>/dev/null || true
	wait "$LAB_PID" 2>/dev/null || true
	apply
	expect_clean "$(load "$LAB_VIP4" 80 --count 50 --requests 50 | tail -n 1)"
	serin detach --yes >/dev/null
	[[ ! -e $pins ]] || fail "pins left: $(find "$pins")"
done
