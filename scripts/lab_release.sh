# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Owns a release in the lab: a service with a canary that may be bad, its agent, clients, and what they
# saw of it. Sourced after lab.sh.

# shellcheck source=lab_rollout.sh
. "$(dirname "${BASH_SOURCE[0]}")/lab_rollout.sh"

RELEASE_DELAY_US=2000
RELEASE_STEPS=${RELEASE_STEPS:-'[{weight: 10, hold: 5s}, {weight: 40, hold: 40s}]'}

release_is_up() {
	[[ -n $(lab_in "$1" ss -Hltn "sport = :$LAB_PORT") ]]
}

# release_server BACKEND OPTIONS...
release_server() {
	lab_start "$1" "$LAB_BUILD/tests/tools/faulty_server" --delay-us "$RELEASE_DELAY_US" \
		"${@:2}" "$LAB_PORT" "${1%-*}" "$1"
	lab_wait_for 10 release_is_up "$1"
}

# release_lab POOL:COUNT...: a network with such a server on each backend. Their answers take so long that
# what this machine adds is little beside it, as the kernel's analysis compares them.
release_lab() {
	local backend
	lab_init
	lab_topology one "$@"
	for backend in "${LAB_BACKENDS[@]}"; do
		release_server "$backend"
	done
}

# release_network OPTIONS: of the canary's server.
release_network() {
	local backend
	lab_topology one stable:2 canary:1 baseline:1
	for backend in stable-1 stable-2 baseline-1; do
		release_server "$backend"
	done
	read -ra options <<<"$1"
	release_server canary-1 "${options[@]}"
	release_canary=$LAB_PID
	{
		lab_config eth0
		LAB_KEYS='strategy: quick' \
			lab_service web "$LAB_VIP4" 80/tcp client canary=0 stable baseline=0
		cat <<-END
			strategies:
			  quick:
			    type: canary
			    candidate: canary
			    baseline: baseline
			    steps: $RELEASE_STEPS
			    finish: swap
			    standby: 3s
		END
	} >"$LAB_TMP/serin.yaml"
	serin apply "$LAB_TMP/serin.yaml" >/dev/null
	rollout_agent
	lab_wait_for 10 lab_in lb curl -sf http://127.0.0.1:10717/-/ready
}

# Another version on the canary's host, which is well.
release_mend() {
	lab_stop "$release_canary"
	release_server canary-1
}

# release_load RATE: 20,000 clients, each again and again.
release_load() {
	load_start "$LAB_TMP/load" "$LAB_VIP4" 80 --count 20000 --concurrency 2000 --rate "$1" \
		--timeout-ms 5000 --trace "$LAB_TMP/trace"
	release_load=$LAB_PID
}

# Its hold stands still: it has been looked at for longer than all its steps take.
release_waits() {
	rollout_ask services/web/rollout | jq -e '.finding == "no traffic" and .phase == "stepping" and
		.now_ms - .started_ms > 50000'
}

# release_bad: lines of the trace that are bad answers of the canary.
release_bad() {
	local late_ns=$((RELEASE_DELAY_US * 5000))
	case $1 in
	slower-30% | leaks) awk '$4 == "canary"' "$LAB_TMP/trace" ;;
	*10x*) awk -v late=$late_ns '$4 == "canary" && $2 - $1 > late' "$LAB_TMP/trace" ;;
	*) awk '$6 != "ok"' "$LAB_TMP/trace" ;;
	esac
}

# release_count NAME: ends the load. Sets what is to be told of it: total, clients, since (the first bad
# answer until the canary had no weight any more; "-").
release_count() {
	local first='' back offset_ns
	total=0 clients=0 since=-
	rollout_ask services/web/rollout >"$LAB_TMP/view"
	[[ -n ${release_load:-} ]] || return 0
	kill "$release_load"
	wait "$release_load" || true
	total=$(wc -l <"$LAB_TMP/trace")
	read -r first clients < <(release_bad "$1" | awk '
		NR == 1 || $1 < first {first = $1} !seen[$3]++ {clients++}
		END {print first ? first : "-", clients + 0}')
	offset_ns=$(python3 -c 'import time; print(time.time_ns() - time.monotonic_ns())')
	back=$(jq '[.transitions[] | select(.to == "rolling back").at_ms][0] // 0' "$LAB_TMP/view")
	[[ $first == - || $back == 0 ]] || since=$(awk -v b="$back" -v f="$first" -v o="$offset_ns" \
		'BEGIN {printf "%.1f s", b / 1e3 - (f + o) / 1e9}')
}

# release_tell NAME
release_tell() {
	release_count "$1"
	printf '%-16s %-10s %8.1f %12s %10d %8d %s\n' "$1" "$(jq -r .phase "$LAB_TMP/view")" \
		"$(jq '((if .ended_ms > 0 then .ended_ms else .now_ms end) - .started_ms) / 1000' "$LAB_TMP/view")" \
		"$since" "$total" "$clients" "$(jq -r '([.transitions[] | select(.to == "rolling back").why][0] //
			.why)[:90]' "$LAB_TMP/view")"
}

# release_numbers RELEASE NAME: the same, for people.
release_numbers() {
	release_count "$2"
	printf '\n%s: of %d connections %s' "$1" "$total" "$(release_bad "$2" | wc -l |
		sed 's/^0$/none/') failed"
	((clients == 0)) || printf ', which %d of 20000 clients met' "$clients"
	[[ $since == - ]] || printf '; %s from the first of them to no new connection on the canary' "$since"
	printf '.\n'
}

release_expect_clean() {
	expect_clean "$(tail -n 1 "$LAB_TMP/load")"
}
