#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Reload after reload, of files that differ: the agent's memory and file descriptors stay what they
# are, pins and maps too, and no request fails, while backends are checked. RELOADS (200): how many; `make reload-soak` does
# 100,000, and before that 1,000 of an agent built with sanitizers, which must have nothing to say.
# RELOAD_AGENT: the executable; RELOAD_SANITIZED: it is built so, and its memory is not measured.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$(readlink -f "$0")")/../../scripts/lab.sh"

RELOADS=${RELOADS:-200}
WARM_UP=100 MOST_KIB=1024
lab_init
lab_topology one stable:3 canary:2
lab_nginx "${LAB_BACKENDS[@]}"
ip -n "$LAB-lb" address add 10.0.1.200/24 dev eth0
write_config() {
	lab_config eth0
	LAB_KEYS='health_check: {type: http, path: /, interval: 100ms, timeout: 90ms}' \
		lab_service web "$LAB_VIP4" 80/tcp connection canary=20 stable
}
all=("${LAB_BACKENDS[@]}")
{
	write_config
	LAB_KEYS=$'forwarding: fullnat\nsource_addresses: [10.0.1.200]' \
		lab_service full "$LAB_VIP4" 81/tcp connection canary=20 stable
	lab_service six "$LAB_VIP6" 80/tcp client canary=20 stable
} >"$LAB_TMP/a.yaml"
LAB_BACKENDS=(stable-1 stable-3 canary-2)
write_config >"$LAB_TMP/b.yaml"
LAB_BACKENDS=("${all[@]}")
printf 'nonsense\n' >"$LAB_TMP/c.yaml"
FILES=(a b a b a c)

use_file() {
	cp "$LAB_TMP/$1.yaml" "$LAB_TMP/next.yaml"
	mv "$LAB_TMP/next.yaml" "$LAB_TMP/serin.yaml"
}
mkfifo "$LAB_TMP/log"
exec {log}<>"$LAB_TMP/log"
# await PATTERN: until the agent has logged such a line.
await() {
	local line
	while read -r -t 30 -u "$log" line; do
		[[ $line == *ERROR:\ *Sanitizer* ]] && fail "$line"
		[[ $line == *$1* ]] && return 0
	done
	fail "the agent does not say: $1"
}
# The least of some moments: what a pass that follows neighbours maps and opens comes and goes.
rss_kib() {
	local i
	for i in {1..20}; do
		awk '/^VmRSS:/ {print $2}' "/proc/$agent/status"
		sleep 0.02
	done | sort -n | head -n 1
}
fds() {
	local i now least=
	for i in {1..20}; do
		now=$(find "/proc/$agent/fd" -mindepth 1 -printf '%l\n' 2>/dev/null | sed 's/[0-9]\+//g' | sort | uniq -c)
		[[ -n $least && $(awk '{n += $1} END {print n}' <<<"$now") -ge ${least%% *} ]] ||
			least="$(awk '{n += $1} END {print n}' <<<"$now") $now"
		sleep 0.02
	done
	printf '%s\n' "$least"
}
pins() {
	lab_pins | sort
}
reloads=0
reload_times() {
	local end=$((reloads + $1)) said
	for (( ; reloads < end; reloads++)); do
		said='is applied again'
		[[ ${FILES[reloads % ${#FILES[@]}]} != c ]] || said='what runs is kept'
		use_file "${FILES[reloads % ${#FILES[@]}]}"
		kill -HUP "$agent"
		await "$said"
	done
}

use_file a
lab_start lb env ASAN_OPTIONS=detect_leaks=1:exitcode=99:"log_path=$LAB_TMP/sanitizer" \
	UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1:log_path=$LAB_TMP/sanitizer" \
	"${RELOAD_AGENT:-$LAB_BUILD/serin}" --bpffs "$LAB_TMP/bpf/serin" agent \
	-c "$LAB_TMP/serin.yaml" 2>"$LAB_TMP/log"
agent=$LAB_PID
await 'agent runs'
load_start "$LAB_TMP/load" "$LAB_VIP4" 80 --count 2000 --concurrency 8 --rate 200
load=$LAB_PID
reload_times $((WARM_UP - WARM_UP % ${#FILES[@]}))
rss=$(rss_kib) fds=$(fds) pins=$(pins)
begin=${EPOCHREALTIME/./}
reload_times $((RELOADS - RELOADS % ${#FILES[@]}))
took_ms=$(((${EPOCHREALTIME/./} - begin) / 1000 + 1))
grown=$(($(rss_kib) - rss))
expect "file descriptors" "$(fds)" "$fds"
expect "pins" "$(pins)" "$pins"
[[ -n ${RELOAD_SANITIZED:-} ]] || expect_between "memory, KiB more" "$grown" -100000 $MOST_KIB
load_stop "$load" "$LAB_TMP/load"

kill "$agent"
status=0
wait "$agent" || status=$?
((status == 0)) || fail "the agent ended with $status: $(cat "$LAB_TMP"/sanitizer* 2>/dev/null | head -n 60)"
! compgen -G "$LAB_TMP/sanitizer*" >/dev/null || fail "$(cat "$LAB_TMP"/sanitizer*)"
printf '%d reloads, %d a second; VmRSS %d KiB, %+d KiB; %d file descriptors, %d pins\n' "$reloads" \
	$((RELOADS * 1000 / took_ms)) "$rss" "$grown" \
	"${fds%% *}" "$(wc -l <<<"$pins")"
