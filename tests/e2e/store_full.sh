#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A full disk, or one that cannot be written, stops neither packets nor weights: it is said what is not
# kept, and what is there is taken up after a restart.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_store.sh
. "$(dirname "$0")/../../scripts/lab_store.sh"

lab_init
store_topology
# The disk: 256 KB of it.
disk=$LAB_TMP/state
mkdir "$disk"
mount -t tmpfs -o size=256k tmpfs "$disk"
trap 'status=$?; umount -l "$disk"; (exit "$status"); lab_cleanup' EXIT
serin apply "$LAB_TMP/serin.yaml" >/dev/null

fill_disk() {
	! dd if=/dev/zero of="$disk/full" bs=4k 2>/dev/null || fail "the disk is endless"
	while ! serin weight web canary=11 2>&1 | grep -q 'cannot be written'; do
		serin weight web canary=12 >/dev/null 2>&1 # what had room in the log already
	done
}
load_start "$LAB_TMP/load" "$LAB_VIP4" 80 --count 2000 --concurrency 8
load=$LAB_PID
fill_disk
shift_unkept 20 full
rm "$disk/full"
serin weight web canary=21 >/dev/null
expect "kept again" "$(kept)" 21
load_stop "$load" "$LAB_TMP/load"

# Read-only: what is kept there is taken up after a restart all the same.
mount -o remount,ro "$disk"
shift_unkept 25 readonly
rm -r "$LAB_TMP/bpf/serin"
ip -n "$LAB-lb" link set dev eth0 xdp off
serin apply "$LAB_TMP/serin.yaml" >/dev/null 2>&1
expect "weight" "$(weight)" 21
