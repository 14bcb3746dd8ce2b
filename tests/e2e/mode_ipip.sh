#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# ipip: packets reach backends in a tunnel, whose sources differ from flow to flow.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_modes.sh
. "$(dirname "$0")/../../scripts/lab_modes.sh"

lab_init
lab_topology one stable:2 canary:1
lab_far_end "${LAB_BACKENDS[@]}"
lab_nginx "${LAB_BACKENDS[@]}"
lab_udp "${LAB_BACKENDS[@]}"
lab_mode_config 'forwarding: ipip
source_addresses: [10.9.0.0/24, "2001:db8:9::/64"]' >"$LAB_TMP/serin.yaml"
serin apply "$LAB_TMP/serin.yaml"

expect_mode
for name in "${LAB_BACKENDS[@]}"; do
	lab_far_end_stop "$name"
	seen=$(tail -n 1 "$LAB_TMP/$name.decap")
	jq -e '.packets > 1000 and .sources > 200' <<<"$seen" >/dev/null || fail "$name saw $seen"
done
