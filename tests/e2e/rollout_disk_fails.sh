#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A disk that gets full, and one that cannot be written any more, under a rollout: a bad release is taken
# back all the same, an agent that dies of it or not finds it so, and what it did is kept as soon as it can be.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_rollout.sh
. "$(dirname "$0")/../../scripts/lab_rollout.sh"

lab_init
lab_topology one stable:1 canary:1
lab_nginx stable-1 # and nobody listens on the canary
rollout_config '  careful:
    type: canary
    candidate: canary
    steps: [{weight: 50, hold: 10m}]
    analysis: {initial_delay: 500ms}'
rollout_disk 2m
rollout_agent

# Harm, with a full disk.
rollout_start v1
expect "weight" "$(rollout_weight canary)" 50
rollout_fill_disk
load_start "$LAB_TMP/load" "$LAB_VIP4" 80 --count 2000 --rate 400 --concurrency 64
load=$LAB_PID
rollout_until 60 aborted
lab_stop "$load"
expect "weight" "$(rollout_weight canary)" 0
rollout_get '.transitions[].why' | grep -q '^kernel: abort' || fail "$(rollout_get .transitions)"
rm "$ROLLOUT_DISK/rest"
lab_wait_for 20 rollout_is_kept v1

# Taken back while the disk cannot be written, by an agent that is killed then: the next one, which cannot
# write either, finds it at 0 % and leaves it there.
rollout_start v2
rollout_fill_disk
lab_wait_for 20 mount -o remount,ro "$ROLLOUT_DISK" # when nobody has it open
rollout_refuses unavailable 'database cannot be written.*nothing was started' start '"release": "v3"'
expect "rollout" "$(rollout_get '[.release, .phase] | @csv')" '"v2","stepping"'
rollout_do abort >/dev/null
rollout_until 10 aborted
expect "weight" "$(rollout_weight canary)" 0
kill -9 "$ROLLOUT_AGENT"
wait "$ROLLOUT_AGENT" 2>/dev/null || true
expect "phase that is kept" "$(rollout_kept "SELECT json_extract(state, '\$.rollout.phase') <
	(SELECT json_extract(state, '\$.rollout.phase') FROM rollout WHERE release = 'v1')
	FROM rollout WHERE release = 'v2'")" 1
rollout_agent
rollout_until 10 aborted
expect "weight, with another agent" "$(rollout_weight canary)" 0
rollout_refuses unavailable 'database cannot be written.*nothing was started' start '"release": "v3"'

mount -o remount,rw "$ROLLOUT_DISK"
rm "$ROLLOUT_DISK/rest"
lab_wait_for 20 rollout_is_kept v2
rollout_start v3
expect "weight" "$(rollout_weight canary)" 50
