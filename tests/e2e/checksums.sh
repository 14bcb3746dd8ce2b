#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every checksum Serin touches is right, as the kernels of both ends see it.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
lab_topology one stable:1
lab_nginx stable-1
lab_udp stable-1
{
	lab_config eth0
	lab_service web4 "$LAB_VIP4" 80/tcp client stable
	lab_service web6 "$LAB_VIP6" 80/tcp client stable
	lab_service dns4 "$LAB_VIP4" 53/udp client stable
	lab_service dns6 "$LAB_VIP6" 53/udp client stable
} >"$LAB_TMP/serin.yaml"
serin apply "$LAB_TMP/serin.yaml"
counter() { # NAMESPACE NAME
	lab_in "$1" nstat -asz "$2" | awk -v n="$2" '$1 == n {print $2}'
}
talk() {
	lab_in client "$LAB_BUILD/tests/tools/udp_load" --vip "$1" --clients "$2" --count 200 --rounds 30
}
for vip in "$LAB_VIP4" "$LAB_VIP6"; do
	expect_clean "$(load "$vip" 80 --count 2000 --requests 4000)"
done
expect_clean "$(talk "$LAB_VIP4:53" "$LAB_CLIENTS4")"
expect_clean "$(talk "[$LAB_VIP6]:53" "$LAB_CLIENTS6")"

for ns in client stable-1; do
	for name in IpInHdrErrors TcpInCsumErrors UdpInCsumErrors Udp6InCsumErrors TcpInErrs; do
		expect "$name of $ns" "$(counter "$ns" "$name")" 0
	done
	expect_between "TCP segments $ns received" "$(counter "$ns" TcpInSegs)" 16000 1000000
	expect_between "datagrams $ns received" "$(counter "$ns" UdpInDatagrams)" 6000 10000
done

# And these counters do notice a wrong sum.
lab_in client /usr/bin/python3 - "${LAB_ADDR4[stable-1]}" "$LAB_PORT" <<-'END'
	import sys
	from scapy.all import IP, TCP, send
	send(IP(dst=sys.argv[1]) / TCP(dport=int(sys.argv[2]), chksum=1), verbose=False)
END
noticed() {
	[[ $(counter stable-1 TcpInCsumErrors) == 1 ]]
}
lab_wait_for 3 noticed
