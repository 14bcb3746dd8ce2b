#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What Serin counts and times is what nginx, the clients and tshark say of the same connections: some
# refused, late, reset by either end, sent again or lost, by nat and by dsr.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_modes.sh
. "$(dirname "$0")/../../scripts/lab_modes.sh"

PORT=80 RATE=100 UPSTREAM=9000 MS=60 LATE_MS=300
declare -A CABLE_MS=([stable-1]=5 [canary-1]=10)
# Connections, by the third byte of clients' addresses: 1 good, 2 refused, 3 late, 4 reset after the
# request, 5 lost, 6 given up by the client, 7 whose first SYN is lost.
NAT=("1=200" "2=30" "3=80" "4=30" "5=10" "6=30" "7=70")
DSR=("1=120" "2=20" "3=50" "4=20" "6=20" "7=45")

lab_init
command -v tshark >/dev/null || lab_die "no tshark here; run scripts/install-deps"
lab_topology one stable:1 canary:1 old:1
lab_direct stable-1 canary-1

# slow_cable BACKEND: what is on its way to or from it is so for a while.
slow_cable() {
	ip -n "$LAB-switch" -batch - <<-END
		link set $1 nomaster
		link add $1-near type veth peer name $1-far
		link set $1-near master front up
		link set $1-far up
	END
	lab_start switch python3 "$LAB_ROOT/tests/tools/delay_line.py" "$1" "$1-far" \
		"${CABLE_MS[$1]}" >"$LAB_TMP/$1.cable"
	lab_wait_for 30 grep -q ready "$LAB_TMP/$1.cable"
}

# serve BACKEND: nginx, which is late where the server behind it is.
serve() {
	local dir=$LAB_TMP/$1
	mkdir "$dir"
	cat >"$dir/nginx.conf" <<-END
		daemon off;
		master_process off;
		pid $dir/pid;
		events { worker_connections 4096; }
		http {
			map \$remote_addr \$kind { ~^10\\.1\\.(?<third>\\d)\\. \$third; default 1; }
			log_format peers '\$server_addr \$kind \$connection \$status \$request_time';
			access_log $dir/log peers;
			client_body_temp_path $dir;
			proxy_temp_path $dir;
			fastcgi_temp_path $dir;
			uwsgi_temp_path $dir;
			scgi_temp_path $dir;
			server {
				listen $LAB_PORT backlog=4096;
				reset_timedout_connection on;
				location / {
					if (\$kind = 4) { return 444; }
					proxy_bind 127.0.\$kind.1;
					proxy_pass http://127.0.0.1:$UPSTREAM;
				}
			}
		}
	END
	lab_start "$1" python3 "$LAB_ROOT/tests/tools/fickle_server.py" "$UPSTREAM" "$MS" \
		"$LATE_MS" >"$LAB_TMP/$1.server"
	servers+=("$LAB_PID")
	lab_start "$1" nginx -p "$dir" -e "$dir/error.log" -c "$dir/nginx.conf"
	lab_wait_for 30 lab_in "$1" curl -sf "http://127.0.0.1:$LAB_PORT/"
	lab_in "$1" nft -f - <<-END
		table inet fickle {
			set seen { type ipv4_addr . inet_service; flags dynamic; size 65535; }
			chain in {
				type filter hook input priority 0;
				ip saddr 10.1.2.0/24 tcp flags syn reject with tcp reset
				ip saddr 10.1.5.0/24 drop
				ip saddr 10.1.7.0/24 tcp flags syn ip saddr . tcp sport != @seen \\
					add @seen { ip saddr . tcp sport } drop
			}
		}
	END
}
macs=() servers=()
for backend in stable-1 canary-1; do
	slow_cable "$backend"
	serve "$backend"
	macs+=("${backend%-1}=$(ip -n "$LAB-$backend" -j link show eth0 | jq -r '.[0].address')")
done
{
	lab_config eth0
	# A primary's flows are not all sampled at first; and of a flow that is not remembered, a SYN sent
	# again is another one.
	LAB_KEYS='track: always'
	lab_service nat "$LAB_VIP4" "$PORT/tcp" connection canary=50 stable=50 old
	LAB_KEYS+=$'\nforwarding: dsr'
	lab_service dsr "$LAB_VIP4" "$LAB_PORT/tcp" connection canary=50 stable=50 old
} >"$LAB_TMP/serin.yaml"
serin apply "$LAB_TMP/serin.yaml"
lab_start lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" agent 2>"$LAB_TMP/agent.log"

# By nat at the far end of the balancer's cable, what it has with backends; by dsr at the client's, who
# alone has both directions. A datagram says that all has been written.
has() {
	[[ -s $1 ]]
}
# capture NAME NAMESPACE INTERFACE FILTER
capture() {
	lab_start "$2" dumpcap -q -i "$3" -f "udp port 9 or ($4)" -w "$LAB_TMP/$1.pcap" 2>/dev/null
	lab_wait_for 10 has "$LAB_TMP/$1.pcap"
}
capture nat switch lb-front "tcp port $LAB_PORT and net 10.0.1.0/24"
capture dsr client eth0 "tcp port $LAB_PORT"
# talk NAME PORT KIND=COUNT...
talk() {
	lab_start client python3 "$LAB_ROOT/tests/tools/fickle_client.py" --http "$LAB_VIP4" "$2" \
		"$RATE" "${@:3}" >"$LAB_TMP/$1.client"
}
talk nat "$PORT" "${NAT[@]}"
nat=$LAB_PID
talk dsr "$LAB_PORT" "${DSR[@]}"
wait "$LAB_PID" "$nat"
# shellcheck disable=SC2016 # the inner shell's
lab_in client bash -c 'echo THE-END >/dev/udp/10.0.0.1/9'

# agrees MODE: Serin does, with all of them.
agrees() {
	local backend address words=()
	for backend in stable-1 canary-1; do
		address=$LAB_VIP4
		[[ $1 == dsr ]] || address=${LAB_ADDR4[$backend]}
		words+=("${backend%-1}=$address=$LAB_TMP/$backend/log")
	done
	serin status -o json >"$LAB_TMP/status"
	python3 "$LAB_ROOT/tests/tools/compare_signals.py" "$1" "$LAB_TMP/status" \
		"$LAB_TMP/$1.tshark" "$LAB_TMP/$1.client" "${words[@]}" >"$LAB_TMP/$1.different"
}
for mode in nat dsr; do
	lab_wait_for 10 grep -q THE-END "$LAB_TMP/$mode.pcap"
	python3 "$LAB_ROOT/tests/tools/capture_signals.py" "$LAB_TMP/$mode.pcap" "${macs[@]}" \
		>"$LAB_TMP/$mode.tshark"
	agrees "$mode" || fail "$mode: $(cat "$LAB_TMP/$mode.different")"
done
expect "what clients by nat say" "$(cat "$LAB_TMP/nat.client")" \
	'{"answered": 350, "refused": 30, "reset": 30, "timed_out": 10, "aborted": 30}'
expect "what clients by dsr say" "$(cat "$LAB_TMP/dsr.client")" \
	'{"answered": 215, "refused": 20, "reset": 20, "timed_out": 0, "aborted": 20}'
for pid in "${servers[@]}"; do
	lab_stop "$pid"
done
# One answer of each was to see whether it is there.
expect "what servers say" "$(jq -sc '[(map(.answered) | add), (map(.late) | add)]' \
	"$LAB_TMP"/*.server)" "[$((200 + 70 + 120 + 45 + 2)),$((80 + 50))]"
