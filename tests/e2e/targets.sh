#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A target rule sends a prefix to its pool at any weight, and nobody else.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology one stable:1 canary:1
lab_nginx "${LAB_BACKENDS[@]}"
{
	lab_config eth0
	lab_service web4 "$LAB_VIP4" 80/tcp connection canary=0 stable
	printf '    targets:\n      - {sources: [10.1.0.0/26, 10.1.0.64/26], pool: canary}\n'
	printf '      - {source: 10.1.0.8/32, pool: stable}\n'
	lab_service web6 "$LAB_VIP6" 80/tcp client canary=0 stable
	printf '    targets:\n      - {source: "2001:db8:c:1::/64", pool: canary}\n'
} >"$LAB_TMP/serin.yaml"
serin apply "$LAB_TMP/serin.yaml"

# in_canary VIP: which clients of 200 are, by number
in_canary() {
	expect_clean "$(load "$1" 80 --count 200 --passes 1 --trace "$LAB_TMP/trace")"
	awk '$4 == "canary" {print $3}' "$LAB_TMP/trace" | sort -V
}
wanted=$(printf '10.1.0.%d\n' {1..7} {9..127})
expect "IPv4 clients of the canary at 0 %" "$(in_canary "$LAB_VIP4")" "$wanted"
expect "IPv6 clients of the canary at 0 %" "$(in_canary "$LAB_VIP6")" 2001:db8:c:1::1
expect "explain" "$(serin explain web4 10.1.0.9:1234 -o json | jq -r '.pool + " " + .reason')" \
	"canary target"
expect "rules in status" "$(serin status -o json |
	jq -c '[.services[] | {(.name): .targets.sources}] | add')" '{"web4":3,"web6":1}'

serin weight web4 canary=100 >/dev/null
expect "IPv4 clients of stable at 100 %" "$(in_canary "$LAB_VIP4" | wc -l)" 199

sed -i '/targets:/,/pool: stable/d' "$LAB_TMP/serin.yaml"
serin weight web4 canary=0 >/dev/null
serin apply "$LAB_TMP/serin.yaml" >/dev/null
expect "IPv4 clients of the canary with the rules gone" "$(in_canary "$LAB_VIP4")" ""
