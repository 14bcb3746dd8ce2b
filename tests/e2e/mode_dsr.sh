#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# dsr: frames reach backends that own the VIP, and answers go past the load balancer.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_modes.sh
. "$(dirname "$0")/../../scripts/lab_modes.sh"

lab_init
lab_topology one stable:2 canary:1
lab_direct "${LAB_BACKENDS[@]}"
lab_nginx "${LAB_BACKENDS[@]}"
lab_udp "${LAB_BACKENDS[@]}"
lab_mode_config 'forwarding: dsr' >"$LAB_TMP/serin.yaml"
serin apply "$LAB_TMP/serin.yaml"

expect_mode
expect "packets out" \
	"$(serin status -o json | jq '[.services[].pools[].signals.packets_out] | add')" 0
