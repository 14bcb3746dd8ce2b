#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# No agent was ever started and the file is gone: status and every change still work.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology one stable:1 canary:1
lab_nginx "${LAB_BACKENDS[@]}"
{
	lab_config eth0
	lab_service web "$LAB_VIP4" 80/tcp client canary=5 stable
} >"$LAB_TMP/serin.yaml"
serin apply "$LAB_TMP/serin.yaml"
rm "$LAB_TMP/serin.yaml"
expect_clean "$(load "$LAB_VIP4" 80 --count 500 --requests 1000)"

serin status >"$LAB_TMP/table"
for word in web "$LAB_VIP4" canary stable "${LAB_ADDR4[canary-1]}" eth0; do
	grep -qF "$word" "$LAB_TMP/table" || fail "status does not show $word: $(cat "$LAB_TMP/table")"
done
! grep -q $'\e' "$LAB_TMP/table" || fail "escapes in what is no terminal"
status=$(serin status -o json)
expect "version" "$(jq .version <<<"$status")" 1
expect "weight" "$(jq '.services[0].pools[0].weight' <<<"$status" | jq 'floor')" 5

shift=$(serin weight web canary=100 --reason "no file, no agent" -o json)
jq -e '.took_effect_ns > 0 and .service == "web" and .pools[0].after == 100' <<<"$shift" >/dev/null ||
	fail "weight: $shift"
expect "answers at 100 %" "$(load "$LAB_VIP4" 80 --count 200 --passes 1 | jq .by_pool.canary)" 200
explained=$(serin explain web 10.1.0.1 -o json)
expect "explain" "$(jq -r .pool <<<"$explained")" canary
