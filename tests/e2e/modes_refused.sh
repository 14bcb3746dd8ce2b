#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Ways to the backends that do not go together, cannot be here or cannot change are refused, with the
# reason, and nothing changes.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology one stable:1 canary:1
LAB_PORT=80
web() {
	lab_config eth0
	LAB_KEYS=$1 lab_service web "$LAB_VIP4" 80/tcp client canary=5 stable
}
running() { # signals count background traffic and are not what this is about
	serin status -o json | jq -S 'del(.verdicts, .flow_table) | del(.. | .signals?)'
}

# refused STATUS KEYS WORDS: by apply; by check too, where the file alone is wrong.
refused() {
	local before
	before=$(running)
	web "$2" >"$LAB_TMP/wrong.yaml"
	expect_exit "$1" serin apply "$LAB_TMP/wrong.yaml"
	grep -qF -- "$3" "$LAB_TMP/out" || fail "$2: does not say '$3': $(cat "$LAB_TMP/out")"
	[[ $(running) == "$before" ]] || fail "$2: something has changed"
}
in_file() {
	refused 2 "$@"
	grep -Eq 'wrong.yaml:[0-9]+:[0-9]+: error: ' "$LAB_TMP/out" || fail "$1: no place"
	expect_exit 2 serin check "$LAB_TMP/wrong.yaml"
}

web 'forwarding: dsr' >"$LAB_TMP/serin.yaml"
serin apply "$LAB_TMP/serin.yaml"
in_file 'forwarding: fullnat' "'fullnat' needs 'source_addresses'"
in_file 'source_addresses: [10.0.0.1]' "'source_addresses' is for fullnat, ipip and gue"
in_file "forwarding: ipip
source_addresses: [$LAB_VIP4]" "$LAB_VIP4 is a VIP"
in_file 'forwarding: ipip
source_addresses: [10.9.0.1/24]' 'write 10.9.0.0/24'
in_file 'forwarding: gue
gue_port: 65536' "'gue_port' must be"
in_file 'forwarding: fullnat
source_addresses: [10.0.0.1]
source_ports: 2000-1000' 'write 1000-2000'
in_file 'forwarding: nat
client_address: toa' "'client_address' is for fullnat"
LAB_PORT=8080 in_file 'forwarding: dsr' "the VIP's own port 80"

refused 1 'forwarding: nat' 'cannot change from dsr to nat while it runs'
refused 1 'forwarding: fullnat
source_addresses: [10.0.1.200]' 'cannot change from dsr to fullnat while it runs'
ip -n "$LAB-lb" route add "${LAB_ADDR4[stable-1]}" via 10.0.1.77 dev eth0
refused 2 'forwarding: dsr' 'is behind a gateway'
ip -n "$LAB-lb" route del "${LAB_ADDR4[stable-1]}"

# Where fullnat's flows come from.
detached_to() {
	serin detach --yes >/dev/null
	web "$1" >"$LAB_TMP/serin.yaml"
	serin apply "$LAB_TMP/serin.yaml" >/dev/null
}
fullnat='forwarding: fullnat
source_addresses: [10.0.1.200'
detached_to "$fullnat]"
refused 1 "$fullnat, 10.0.1.201]" ' cannot change while it runs: its connections come from them'
refused 1 "$fullnat]
source_ports: 1024-2000" ' cannot change while it runs: its connections come from them'
refused 1 'forwarding: nat' 'cannot change from fullnat to nat while it runs'
detached_to 'forwarding: dsr'

# Between the ways on which backends answer by themselves, it can.
web 'forwarding: gue
source_addresses: [10.9.0.0/24]' >"$LAB_TMP/gue.yaml"
serin apply "$LAB_TMP/gue.yaml" >"$LAB_TMP/out"
grep -q '^~ service web: forwarding dsr -> gue$' "$LAB_TMP/out" || fail "tells $(cat "$LAB_TMP/out")"
expect status "$(serin status -o json | jq -c '.services[0] | [.forwarding, .sources, .gue_port]')" \
	'["gue",["10.9.0.0/24"],6080]'
serin status | grep -q 'gue from 10.9.0.0/24' || fail "the table says nothing of it: $(serin status)"
