# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Owns the services that mixed load goes to, and what the kernels of their backends count of it by
# themselves. Sourced after lab.sh; tests/tools/mixed_*.py know the same names and ports.

declare -A MIXED_PORT=([web]=8080 [full]=8081 [shut]=8082 [lost]=8083 [dns]=8084 [dnsf]=8085 [void]=8086)
MIXED_SOURCE=10.0.1.200 # of fullnat

# The rules of both chains, as `CHAIN RULE`.
mixed_rules() {
	local name to from syn='tcp flags & (syn|ack|rst) == syn'
	for name in web full shut lost; do
		to="tcp dport ${MIXED_PORT[$name]}" from="tcp sport ${MIXED_PORT[$name]}"
		cat <<-END
			in $to counter name ${name}_packets_in
			in $to $syn counter name ${name}_syns
			in $to $syn ip dscp { 8, 16 } counter name ${name}_raw
			in $to tcp flags & fin == fin counter name ${name}_fins_in
			in $to tcp flags & rst == rst counter name ${name}_resets_by_client
			out $from counter name ${name}_packets_out
			out $from tcp flags & (syn|ack|rst) == (syn|ack) counter name ${name}_syn_acks
			out $from tcp flags & fin == fin counter name ${name}_fins_out
			out $from tcp flags & rst == rst counter name ${name}_resets_by_backend
		END
	done
	for name in dns dnsf void; do
		printf 'in udp dport %s counter name %s_packets_in\n' "${MIXED_PORT[$name]}" "$name"
		printf 'out udp sport %s counter name %s_packets_out\n' "${MIXED_PORT[$name]}" "$name"
	done
	cat <<-END
		out icmp type destination-unreachable counter name void_unreachables
		in ip saddr 10.1.200.0-10.1.219.255 tcp dport ${MIXED_PORT[web]} $syn counter name web_refused reject with tcp reset
		in tcp dport ${MIXED_PORT[lost]} add @lost { ip saddr . tcp sport } drop
	END
}

# mixed_count BACKEND: what `web` refuses and `lost` loses is done here, too.
mixed_count() {
	local chain
	{
		printf 'table ip peer {\n'
		printf 'set lost { type ipv4_addr . inet_service; flags dynamic; size 1000000; }\n'
		mixed_rules | sed -nE 's/.*counter name (\w+).*/counter \1 {}/p'
		for chain in in out; do
			printf 'chain %s {\ntype filter hook %sput priority 0;\n' $chain $chain
			mixed_rules | sed -n "s/^$chain //p"
			printf '}\n'
		done
		printf '}\n'
	} >"$LAB_TMP/nft"
	lab_in "$1" nft -f "$LAB_TMP/nft"
}

mixed_counted() {
	lab_in "$1" nft -j list table ip peer
}

# mixed_service NAME PORT/PROTOCOL KEYS
mixed_service() {
	LAB_PORT=${MIXED_PORT[$1]} LAB_KEYS=$3 \
		lab_service "$1" "$LAB_VIP4" "$2" connection canary=25 stable
}

# Every one remembers all its flows: of others a SYN that is sent again is a flow again.
mixed_config() {
	local nat='track: always' full="forwarding: fullnat
source_addresses: [$MIXED_SOURCE]
source_ports: "
	printf 'idle: {syn: 8, established: 15, closing: 5, udp: 6}\n'
	lab_config eth0
	mixed_service web 80/tcp "$nat"
	mixed_service full 81/tcp "${full}10000-39999"
	mixed_service shut 82/tcp "${full}40000-44999"
	mixed_service lost 83/tcp "$nat"
	mixed_service dns 53/udp "$nat"
	mixed_service dnsf 54/udp "${full}10000-39999"
	mixed_service void 55/udp "$nat"
}
