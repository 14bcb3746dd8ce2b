#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Wrong requests and broken files are refused with the right exit status and change nothing.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology one stable:1 canary:1
{
	lab_config eth0
	lab_service web "$LAB_VIP4" 80/tcp client canary=5 stable
} >"$LAB_TMP/serin.yaml"
serin apply "$LAB_TMP/serin.yaml"
running() { # signals count background traffic and are not what this is about
	serin status -o json | jq -S 'del(.verdicts, .flow_table) | del(.. | .signals?)'
}
before=$(running)

# refused STATUS COMMAND...: says something on stderr, nothing on stdout, and nothing has changed
refused() {
	local status=0
	"${@:2}" >"$LAB_TMP/out" 2>"$LAB_TMP/err" || status=$?
	((status == $1)) || fail "exit $status, wanted $1: ${*:2}: $(cat "$LAB_TMP/err")"
	[[ -s $LAB_TMP/err ]] || fail "says nothing: ${*:2}"
	[[ ! -s $LAB_TMP/out ]] || fail "an error on stdout: ${*:2}: $(cat "$LAB_TMP/out")"
	[[ $(running) == "$before" ]] || fail "something has changed: ${*:2}"
}
for weight in canary=101 canary=-1 canary=5.00001 canary= canary=x canary=nan canary=1e1 canary \
	stable=50 nobody=5 =5 canary=0x5; do
	refused 2 serin weight web "$weight"
done
refused 2 serin weight web canary=5 canary=6
refused 2 serin weight web
refused 2 serin weight
refused 2 serin weight nobody canary=5
refused 2 serin drain web 10.9.9.9:80
refused 2 serin nonsense
refused 2 serin status -o yaml
refused 2 serin explain web not-an-address
refused 2 serin explain web 10.1.0.1:1 --seed -1
refused 2 serin explain web 10.1.0.1:1 --seed 18446744073709551616
refused 2 serin explain web 10.1.0.1:1 --dscp 64
refused 5 serin weight web canary=7 --expect-epoch 99999

# broken SED-SCRIPT: an edit of the good file that no longer can be applied
broken() {
	sed "$1" "$LAB_TMP/serin.yaml" >"$LAB_TMP/broken.yaml"
	! cmp -s "$LAB_TMP/serin.yaml" "$LAB_TMP/broken.yaml" || fail "no change: $1"
	refused 2 serin apply "$LAB_TMP/broken.yaml"
	grep -Eq 'broken.yaml:[0-9]+:[0-9]+: ' "$LAB_TMP/err" || fail "$1: no place: $(cat "$LAB_TMP/err")"
}
broken 's/^version: 1/version: 2/'
broken 's/protocol: tcp/protocol: tpc/'
broken 's/affinity:/afinity:/'
broken 's/weight: 5/weight: 500/'
broken 's/port: 80$/port: 80000/'
broken 's/primary: stable/primary: nobody/'
broken "s/vip: .*/vip: 192.0.2.300/"
broken 's/name: stable/name: canary/'
broken 's/interfaces:.*/interfaces: []/'
broken 's/port: 8080}/port: 8080/'
refused 2 serin apply "$LAB_TMP/absent.yaml"

# What people begin with is right.
serin check "$LAB_ROOT/scripts/example.yaml" >/dev/null 2>"$LAB_TMP/err" || fail "$(cat "$LAB_TMP/err")"
