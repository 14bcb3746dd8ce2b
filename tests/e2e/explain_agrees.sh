#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# explain tells for every client the pool and backend its packets really go to.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology one stable:3 canary:2 baseline:2
lab_nginx "${LAB_BACKENDS[@]}"
{
	lab_config eth0
	lab_service web4 "$LAB_VIP4" 80/tcp client canary=30 stable baseline=20
	lab_service web6 "$LAB_VIP6" 80/tcp client canary=30 stable baseline=20
	LAB_KEYS="client_prefix4: 30" lab_service nets4 "$LAB_VIP4" 8080/tcp client canary=30 stable baseline=20
	for family in 4 6; do
		vip=LAB_VIP$family
		lab_service "marked$family" "${!vip}" 81/tcp client canary=30 stable baseline=20
		printf '    targets:\n      - {dscp: [46, AF11], pool: canary}\n'
		[[ $family == 6 ]] || printf '      - {source: 10.1.0.16/29, pool: baseline}\n'
	done
} >"$LAB_TMP/serin.yaml"
serin apply "$LAB_TMP/serin.yaml"
expect_clean "$(load "$LAB_VIP4" 80 --count 40 --passes 1 --trace "$LAB_TMP/web4")"
expect_clean "$(load "$LAB_VIP4" 8080 --count 40 --passes 1 --trace "$LAB_TMP/nets4")"
expect_clean "$(load "$LAB_VIP6" 80 --count 40 --passes 1 --trace "$LAB_TMP/web6")"

# agrees SERVICE COUNT EXPLAIN-OPTION...: for each client of its trace, of which there are so many
agrees() {
	local service=$1 seen=0 said address client pool backend
	while read -r _ _ client pool backend _; do
		said=$(serin explain "$service" "$client" -o json "${@:3}" |
			jq -r '"\(.pool) \(.backend)"')
		address=${LAB_ADDR4[$backend]}
		[[ $service == *4 ]] || address="[${LAB_ADDR6[$backend]}]"
		expect "what explain says of $client" "$said" "$pool $address:$LAB_PORT"
		seen=$((seen + 1))
	done <"$LAB_TMP/$service"
	expect "clients compared" "$seen" "$2"
}

# pools SERVICE: which its clients got
pools() {
	awk '{print $4}' "$LAB_TMP/$1" | sort -u | xargs
}

for service in web4 web6 nets4; do
	agrees "$service" 40
	expect "pools seen" "$(pools "$service")" "baseline canary stable"
done
in_one_net=$(awk '{split($3, b, "."); print int(b[4] / 4), $5}' "$LAB_TMP/nets4" | sort -u | wc -l)
expect "backends of /30s" "$in_one_net" 11

# Marked for the rule and marked otherwise. Eight IPv4 clients have a rule of their own.
for dscp in 46 11; do
	for family in 4 6; do
		vip=LAB_VIP$family
		expect_clean "$(load "${!vip}" 81 --count 24 --passes 1 --dscp "$dscp" \
			--trace "$LAB_TMP/marked$family")"
		agrees "marked$family" 24 --dscp "$dscp"
	done
	wanted="baseline canary stable" wanted6=$wanted
	((dscp != 46)) || wanted="baseline canary" wanted6=canary
	expect "pools seen of IPv4 marked $dscp" "$(pools marked4)" "$wanted"
	expect "pools seen of IPv6 marked $dscp" "$(pools marked6)" "$wanted6"
done
rule() {
	serin explain "$@" -o json | jq -r '"\(.rule) \(.target) \(.reason)"'
}
expect "the rule" "$(rule marked4 10.1.0.40 --dscp ef)" "dscp 46 (EF) target"
expect "the rule" "$(rule marked4 10.1.0.17 --dscp ef)" "source 10.1.0.16/29 target"
expect "no rule" "$(rule marked4 10.1.0.40 --dscp 47)" "null null split"
expect "rules in status" "$(serin status marked4 -o json | jq -c '.services[0].targets')" \
	'{"sources":1,"dscp":{"10":"canary","46":"canary"}}'

# What it foretells of a release with another seed is what becomes of clients when that one runs.
for client in 10.1.0.{1..40}; do
	serin explain web4 "$client" --seed 7 -o json |
		jq -r '"\(.client) \(.pool) \(.backend) \(.seed) \(.other_release)"'
done >"$LAB_TMP/foretold"
expect "the one that runs" "$(serin explain web4 10.1.0.1 -o json | jq -r .other_release)" false
serin weight web4 canary=0 baseline=0 >/dev/null
sed -i 's/^  - name: web4$/&\n    seed: 7/' "$LAB_TMP/serin.yaml"
serin apply "$LAB_TMP/serin.yaml" >/dev/null
serin weight web4 canary=30 baseline=20 >/dev/null
awk '{print $3, $4}' "$LAB_TMP/web4" | sort >"$LAB_TMP/before"
expect_clean "$(load "$LAB_VIP4" 80 --count 40 --passes 1 --trace "$LAB_TMP/web4")"
while read -r _ _ client pool backend _; do
	printf '%s %s %s:%s 7 true\n' "$client" "$pool" "${LAB_ADDR4[$backend]}" "$LAB_PORT"
done <"$LAB_TMP/web4" | sort >"$LAB_TMP/became"
expect "what became of them" "$(cat "$LAB_TMP/became")" "$(sort "$LAB_TMP/foretold")"
moved=$(awk '{print $1, $2}' "$LAB_TMP/became" | sort | comm -13 "$LAB_TMP/before" - | wc -l)
((moved > 5)) || fail "a new seed moved $moved of 40 clients to another pool"

said=$(serin explain web4 "${LAB_ADDR4[${LAB_BACKENDS[0]}]}" -o json | jq -r .refused)
expect "what explain says of a backend as a client" "$said" hairpin
