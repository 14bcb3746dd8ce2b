#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# kill -9 at fifty random moments while files are reloaded and weights shifted, under load: no request
# fails, no shift that was told done is lost, what is left is what was last asked for, and a backend
# that was down is down all the while.
# KILLS (50), SEED: how many, and of the moments.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_health.sh
. "$(dirname "$0")/../../scripts/lab_health.sh"

lab_init
SEED=${SEED:-$((RANDOM * 32768 + RANDOM))}
RANDOM=$SEED
KILLS=${KILLS:-50} DOWN=stable-3 # which both files have
lab_topology one stable:3 canary:2
lab_nginx "${LAB_BACKENDS[@]}"
write_config() {
	lab_config eth0
	LAB_KEYS='health_check: {type: http, path: /healthz, interval: 200ms}'
	lab_service web "$LAB_VIP4" 80/tcp connection canary=20 stable
}
write_config >"$LAB_TMP/a.yaml"
all=("${LAB_BACKENDS[@]}")
LAB_BACKENDS=(stable-1 stable-3 canary-2)
write_config >"$LAB_TMP/b.yaml"
LAB_BACKENDS=("${all[@]}")
shape() {
	serin status -o json | jq -c '[.services[].pools[] | [.name, .weight,
		([.backends[] | select(.state == "up").address] | sort)]]'
}
pins() {
	lab_pins | sed 's|.*/serin/||' | sort
}
get() {
	serin status -o json | jq -c "$1"
}
stays_down() {
	expect "$DOWN after $killed kills, $1" "$(state_of $DOWN)" down
}
use_file() { # a|b: at once, for the agent may read it at any moment
	cp "$LAB_TMP/$1.yaml" "$LAB_TMP/next.yaml"
	mv "$LAB_TMP/next.yaml" "$LAB_TMP/serin.yaml"
}
start_agent() {
	lab_start lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" agent \
		-c "$LAB_TMP/serin.yaml" 2>>"$LAB_TMP/agent.log"
	agent=$LAB_PID
}
page() {
	lab_in lb curl -sf --max-time 2 "http://127.0.0.1:10717/-/$1"
}
random_sleep() { # at most so many microseconds
	sleep "$(printf '0.%06d' $(((RANDOM * 32768 + RANDOM) % $1)))"
}
killed=0
kill_one() { # PID: unless it has come to its end
	local state=0
	kill -9 "$1" 2>/dev/null || true
	wait "$1" 2>/dev/null || state=$?
	((state == 0 || state == 137)) || fail "it ended by itself with $state: $(tail -n 3 "$LAB_TMP/agent.log")"
	((state != 137)) || killed=$((killed + 1))
}
shift_until_gone() { # shifts, one after the other; each that was done is a line
	local i
	for ((i = 0; ; i = (i + 7) % 90)); do
		[[ -e $LAB_TMP/shifting ]] || return 0
		serin weight web "canary=$((5 + i))" >/dev/null
		printf '%d\n' "$i" >>"$LAB_TMP/shifts"
		sleep 0.02
	done
}

use_file a
start_agent
lab_wait_for 10 page ready
rm "$LAB_TMP/$DOWN/healthz"
wait_for_state $DOWN down
pins >"$LAB_TMP/pins"
load_start "$LAB_TMP/hold" "$LAB_VIP4" 80 --count 50 --hold-ms 100
hold=$LAB_PID
load_start "$LAB_TMP/short" "$LAB_VIP4" 80 --count 4000 --concurrency 16 --rate 500
short=$LAB_PID
epoch=$(get '.services[0].epoch')
kill_one "$agent"
touch "$LAB_TMP/shifting"
shift_until_gone &
shifter=$!
begin=${EPOCHREALTIME/./}
serin weight web canary=21 >/dev/null
weight_us=$((${EPOCHREALTIME/./} - begin))

unsure=0 in_shifts=0 reloads=0
files=(a b)
for ((i = 0; killed < KILLS; i++)); do
	case $((i % 4)) in
	0) # while it starts and applies the file
		use_file "${files[RANDOM % 2]}"
		start_agent
		random_sleep 150000
		kill_one "$agent"
		stays_down "amid a start"
		;;
	1 | 2) # while it reloads, or has
		start_agent
		lab_wait_for 10 page healthy
		stays_down "after a start"
		for ((j = RANDOM % 4; j >= 0; j--)); do
			use_file "${files[RANDOM % 2]}"
			kill -HUP "$agent"
			reloads=$((reloads + 1))
			random_sleep 100000
		done
		kill_one "$agent"
		stays_down "amid reloads"
		;;
	3) # a shift; done or not, but not half
		lab_start lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" weight web \
			canary=$((10 + i)) >/dev/null
		random_sleep "$weight_us"
		before=$killed
		kill_one "$LAB_PID"
		unsure=$((unsure + 1)) in_shifts=$((in_shifts + killed - before))
		;;
	esac
done
start_agent
rm "$LAB_TMP/shifting"
wait "$shifter" || fail "a shift failed"
lab_wait_for 10 page ready
shifts=$(wc -l <"$LAB_TMP/shifts")
expect_between "epochs of $shifts shifts" $(($(get '.services[0].epoch') - epoch)) \
	$((shifts + 1)) $((shifts + 1 + unsure))

stays_down "at the end"
printf 'well\n' >"$LAB_TMP/$DOWN/healthz"
serin weight web canary=37 >/dev/null
for file in b a; do
	use_file $file
	kill -HUP "$agent"
	wanted=$(sed -n 's/.*address: "\([0-9.]*\)".*/\1/p' "$LAB_TMP/$file.yaml" | sort | jq -Rnc '[inputs]')
	has_backends() {
		[[ $(get '[.services[0].pools[].backends[] | select(.state == "up").address] | sort') == "$wanted" ]]
	}
	lab_wait_for 10 has_backends
	expect "weight at the end" "$(get '.services[0].pools[0].weight | round')" 37
done
load_stop "$short" "$LAB_TMP/short"
load_stop "$hold" "$LAB_TMP/hold"
expect "pins" "$(pins)" "$(cat "$LAB_TMP/pins")"
expect "drops" "$(get '.verdicts | .no_backend + .no_next_hop + .too_big')" 0
printf 'seed %s: %d killed, %d of them in shifts, %d reloads, %d shifts beside; requests %s\n' "$SEED" \
	"$killed" "$in_shifts" "$reloads" "$shifts" "$(tail -qn 1 "$LAB_TMP/short" "$LAB_TMP/hold" | jq -s 'map(.requests) | add')"
