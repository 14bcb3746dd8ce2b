# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Owns what end-to-end tests of the state database share: a service whose canary is shifted, and what
# is kept of that. Sourced after scripts/lab.sh.

# A canary of 5 %, written to serin.yaml.
store_topology() {
	lab_topology one stable:1 canary:1
	lab_nginx "${LAB_BACKENDS[@]}"
	{
		lab_config eth0
		lab_service web "$LAB_VIP4" 80/tcp client canary=5 stable
	} >"$LAB_TMP/serin.yaml"
}

weight() {
	serin status -o json | jq '.services[0].pools[0].weight | round'
}

kept() {
	serin history web --limit 1 -o json | jq '.after.weights.canary'
}

# shift_unkept PERCENT WHY: in force, not kept, said in one line.
shift_unkept() {
	local before
	before=$(kept)
	serin weight web canary="$1" >/dev/null 2>"$LAB_TMP/said" || fail "weight: $(cat "$LAB_TMP/said")"
	expect "weight" "$(weight)" "$1"
	expect "lines" "$(wc -l <"$LAB_TMP/said")" 1
	grep -q "cannot be written: .*$2.*not in the history" "$LAB_TMP/said" || fail "$(cat "$LAB_TMP/said")"
	expect "what is kept" "$(kept)" "$before"
}
