# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Owns the network the demo and the end-to-end tests run in: a client, a load balancer and real
# servers, each in its own namespace on one machine. Sourced, not run.
#
#     client --- front (bridge) --- eth0 [lb] eth1 --- back (bridge) --- stable-1, canary-1, ...
#
# With one NIC, front and back are the same bridge and packets leave by the way they came (XDP_TX);
# with two they go from one to the other (redirect). Both speak IPv4 and IPv6, and addresses are the
# same in both. What a lab makes has a name that begins with $LAB and is gone when the script ends,
# however it ends: the BPF file system is the lab's own, so its pins go with it.

LAB_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
LAB_BUILD=${SERIN_BUILD:-$LAB_ROOT/build}
# shellcheck disable=SC2034 # for those who source this
LAB_VIP4=192.0.2.10 LAB_VIP6=2001:db8:f::10
LAB_CLIENTS4=10.1.0.0/16 LAB_CLIENTS6=2001:db8:c::/48
LAB_PORT=8080 # where every backend listens
LAB='' LAB_TMP=''
LAB_NAMESPACES=() LAB_PIDS=() LAB_BACKENDS=()
declare -A LAB_ADDR4=() LAB_ADDR6=() # of each backend

lab_die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

fail() {
	printf 'FAIL: %s\n' "$*" >&2
	exit 1
}

# Everything else comes after this.
lab_init() {
	local tool
	((EUID == 0)) || lab_die "needs root: network namespaces and XDP do (try: sudo $0)"
	for tool in ip nsenter ethtool nginx curl jq; do
		command -v "$tool" >/dev/null || lab_die "no $tool here; run scripts/install-deps"
	done
	[[ -x $LAB_BUILD/serin ]] || lab_die "$LAB_BUILD/serin is not built; run make"
	LAB=serin-$(basename "$0" .sh)-${SERIN_LAB_ID:-$$} # so that two of them at once keep apart
	trap lab_cleanup EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	LAB_TMP=$(mktemp -d "/tmp/$LAB.XXXXXX")
	mkdir "$LAB_TMP/bpf"
	export SERIN_STATE=$LAB_TMP/state/serin.db SERIN_SOCKET=$LAB_TMP/serin.sock
	mount -t bpf bpf "$LAB_TMP/bpf"
}

# lab_need_link OPTIONS...: of `ip link add`. Where the kernel has no such links the test ends, skipped.
lab_need_link() {
	unshare --net ip -batch - >/dev/null 2>&1 <<-END && return 0
		link add under type veth peer name far
		link add link under name wanted $*
	END
	printf 'Linux %s has no links of %s\n' "$(uname -r)" "$*"
	exit 77
}

# lab_need_fou: the same, of UDP ports that take tunnels.
lab_need_fou() {
	unshare --net ip fou add port 6080 gue >/dev/null 2>&1 && return 0
	printf 'Linux %s has no fou\n' "$(uname -r)"
	exit 77
}

lab_cleanup() {
	local status=$? pid ns
	trap '' HUP INT TERM
	set +e
	for pid in "${LAB_PIDS[@]}"; do
		lab_stop "$pid"
	done
	for ns in "${LAB_NAMESPACES[@]}"; do
		ip netns del "$ns"
	done
	if [[ -n $LAB_TMP ]]; then
		umount -l "$LAB_TMP/bpf"
		rm -rf --one-file-system "$LAB_TMP"
	fi
	exit "$status"
}

# lab_in NAMESPACE COMMAND...
lab_in() {
	nsenter --net="/run/netns/$LAB-$1" -- "${@:2}"
}

# lab_start NAMESPACE COMMAND...: in the background, until the lab ends. Sets LAB_PID.
lab_start() {
	nsenter --net="/run/netns/$LAB-$1" -- "${@:2}" &
	LAB_PID=$!
	LAB_PIDS+=("$LAB_PID")
}

# lab_stop PID: of something lab_start started; gives it three seconds to leave by itself.
lab_stop() {
	local tries=60
	kill "$1" 2>/dev/null || return 0
	while kill -0 "$1" 2>/dev/null && ((tries-- > 0)); do
		sleep 0.05
	done
	kill -9 "$1" 2>/dev/null || true
	wait "$1" 2>/dev/null || true
}

# lab_wait_for SECONDS COMMAND...: until it succeeds.
lab_wait_for() {
	local end=$((${EPOCHREALTIME/./} + $1 * 1000000))
	until "${@:2}" >/dev/null 2>&1; do
		((${EPOCHREALTIME/./} < end)) || fail "not within $1 s: ${*:2}"
		sleep 0.05
	done
}

lab_ns() {
	local ns=$LAB-$1
	ip netns add "$ns"
	LAB_NAMESPACES+=("$ns")
	# An address that waits for duplicate address detection would only slow the tests.
	lab_in "$1" sysctl -q -w net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
		net.ipv6.conf.all.accept_ra=0 net.ipv6.conf.default.accept_ra=0
	ip -n "$ns" link set lo up
}

# lab_link NAMESPACE INTERFACE BRIDGE PORT: a cable from a host to the switch.
lab_link() {
	ip link add "$2" netns "$LAB-$1" type veth peer name "$4" netns "$LAB-switch"
	ip -n "$LAB-switch" link set "$4" master "$3" up
	ip -n "$LAB-$1" link set "$2" up
}

# Veth senders leave checksums to a NIC that is not there; XDP would pass them on unfinished.
lab_host_offloads() {
	lab_in "$1" ethtool -K eth0 tx off tso off gso off gro off >/dev/null
}

lab_bridge() {
	ip -n "$LAB-switch" link add "$1" up type bridge mcast_snooping 0
}

lab_client() {
	lab_ns client
	lab_link client eth0 front client
	lab_host_offloads client
	ip -n "$LAB-client" -batch - <<-END
		address add 10.0.0.2/24 dev eth0
		address add 2001:db8:a::2/64 dev eth0
		route add default via 10.0.0.1
		route add default via 2001:db8:a::1
		route add local $LAB_CLIENTS4 dev lo
		route add local $LAB_CLIENTS6 dev lo
	END
}

# lab_lb one|two
lab_lb() {
	local back=eth0
	lab_ns lb
	lab_in lb sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
		net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
	# A router on one NIC teaches its neighbours ways past itself.
	lab_in lb sysctl -q -w net.ipv4.conf.all.send_redirects=0 \
		net.ipv4.conf.default.send_redirects=0
	lab_link lb eth0 front lb-front
	lab_in switch "$LAB_BUILD/tests/tools/xdp_pass" lb-front
	if [[ $1 == two ]]; then
		back=eth1
		lab_link lb eth1 back lb-back
		lab_in switch "$LAB_BUILD/tests/tools/xdp_pass" lb-back
	fi
	ip -n "$LAB-lb" -batch - <<-END
		address add 10.0.0.1/24 dev eth0
		address add 2001:db8:a::1/64 dev eth0
		address add 10.0.1.1/24 dev $back
		address add 2001:db8:b::1/64 dev $back
		route add $LAB_CLIENTS4 via 10.0.0.2
		route add $LAB_CLIENTS6 via 2001:db8:a::2
	END
}

# lab_backend BRIDGE NAME NUMBER: a host in the back network whose way out is the load balancer.
lab_backend() {
	lab_ns "$2"
	lab_link "$2" eth0 "$1" "$2"
	lab_host_offloads "$2"
	LAB_BACKENDS+=("$2")
	LAB_ADDR4[$2]=10.0.1.$3 LAB_ADDR6[$2]=2001:db8:b::$3
	ip -n "$LAB-$2" -batch - <<-END
		address add ${LAB_ADDR4[$2]}/24 dev eth0
		address add ${LAB_ADDR6[$2]}/64 dev eth0
		route add default via 10.0.1.1
		route add default via 2001:db8:b::1
	END
}

# lab_topology one|two POOL:COUNT...: NICs of the load balancer, and the backends; no servers yet.
lab_topology() {
	local nics=$1 back=front pool number=10 i
	lab_ns switch
	lab_bridge front
	if [[ $nics == two ]]; then
		back=back
		lab_bridge back
	fi
	lab_client
	lab_lb "$nics"
	for pool in "${@:2}"; do
		for ((i = 1; i <= ${pool#*:}; i++)); do
			lab_backend "$back" "${pool%:*}-$i" $((number + i))
		done
		number=$((number + 10))
	done
}

# lab_nginx BACKEND...: a real server on each; / answers "POOL NAME", /big is $LAB_TMP/big, and /healthz
# is $LAB_TMP/BACKEND/healthz.
lab_nginx() {
	local name dir
	for name; do
		dir=$LAB_TMP/$name
		mkdir "$dir"
		printf 'well\n' >"$dir/healthz"
		cat >"$dir/nginx.conf" <<-END
			daemon off;
			master_process off;
			pid $dir/pid;
			events { worker_connections 16384; }
			http {
				access_log off;
				client_body_temp_path $dir;
				proxy_temp_path $dir;
				fastcgi_temp_path $dir;
				uwsgi_temp_path $dir;
				scgi_temp_path $dir;
				keepalive_requests 1000000;
				default_type text/plain;
				server {
					listen $LAB_PORT backlog=4096;
					listen [::]:$LAB_PORT backlog=4096;
					location = / { return 200 "${name%-*} $name\n"; }
					location = /big { alias $LAB_TMP/big; }
					location = /healthz { alias $dir/healthz; }
				}
			}
		END
		lab_start "$name" nginx -p "$dir" -e "$dir/error.log" -c "$dir/nginx.conf"
	done
	for name; do
		lab_wait_for 5 lab_in "$name" curl -sf "http://127.0.0.1:$LAB_PORT/"
	done
}

# lab_udp BACKEND...: an echo server on each, that says "POOL NAME " first.
lab_udp() {
	local name
	for name; do
		lab_start "$name" "$LAB_BUILD/tests/tools/udp_echo" "$LAB_PORT" "${name%-*}" "$name"
	done
	for name; do
		lab_wait_for 5 lab_udp_is_up "$name"
	done
}

lab_udp_is_up() {
	[[ -n $(lab_in "$1" ss -Hlun "sport = :$LAB_PORT") ]]
}

# lab_config INTERFACE...: the beginning of a configuration file, on stdout.
lab_config() {
	local IFS=,
	printf 'version: 1\ninterfaces: [%s]\nservices:\n' "$*"
}

# lab_service NAME VIP PORT/PROTOCOL AFFINITY POOL[=WEIGHT]...: one service of all of those pools'
# backends, on stdout. The pool without a weight is the primary. More keys: lines in $LAB_KEYS.
lab_service() {
	local pool backend port=${3%/*} address
	printf '  - name: %s\n    vip: "%s"\n    port: %s\n' "$1" "$2" "$port"
	printf '    protocol: %s\n    affinity: %s\n' "${3#*/}" "$4"
	for pool in "${@:5}"; do
		[[ $pool == *=* ]] || printf '    primary: %s\n' "$pool"
	done
	[[ -z ${LAB_KEYS:-} ]] || printf '    %s\n' "${LAB_KEYS//$'\n'/$'\n'    }"
	printf '    pools:\n'
	for pool in "${@:5}"; do
		printf '      - name: %s\n' "${pool%=*}"
		[[ $pool != *=* ]] || printf '        weight: %s\n' "${pool#*=}"
		printf '        backends:\n'
		for backend in "${LAB_BACKENDS[@]}"; do
			[[ ${backend%-*} == "${pool%=*}" ]] || continue
			address=${LAB_ADDR4[$backend]}
			[[ $2 != *:* ]] || address=${LAB_ADDR6[$backend]}
			printf '          - {address: "%s", port: %s}\n' "$address" "$LAB_PORT"
		done
	done
}

# serin ...: as its operator on the load balancer types it.
serin() {
	lab_in lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" "$@"
}

# What Serin has pinned; debug files of the kernel's are not its own.
lab_pins() {
	find "$LAB_TMP/bpf" -type f ! -name '*.debug'
}

# load VIP PORT OPTIONS...: from the client. Prints JSON lines, the summary last.
load() {
	local vip=$1:$2 clients=$LAB_CLIENTS4
	[[ $1 != *:* ]] || vip="[$1]:$2" clients=$LAB_CLIENTS6
	lab_in client "$LAB_BUILD/tests/tools/load" --vip "$vip" --clients "$clients" "${@:3}"
}

# load_start FILE VIP PORT OPTIONS...: the same in the background, its lines in FILE. Sets LAB_PID.
load_start() {
	local vip=$2:$3 clients=$LAB_CLIENTS4
	[[ $2 != *:* ]] || vip="[$2]:$3" clients=$LAB_CLIENTS6
	lab_start client "$LAB_BUILD/tests/tools/load" --vip "$vip" --clients "$clients" \
		"${@:4}" >"$1"
}

# load_stop PID FILE: ends it, and fails unless it did something and nothing went wrong.
load_stop() {
	local status=0
	kill "$1" 2>/dev/null || true
	wait "$1" || status=$?
	expect_clean "$(tail -n 1 "$2")"
	((status == 0)) || fail "load ended with $status"
}

# expect_clean SUMMARY: of a load tool; requests were made and none of them failed.
expect_clean() {
	jq -e '.summary and .requests > 0 and .failed == 0' <<<"$1" >/dev/null || fail "load: $1"
}

# expect WHAT GOT WANTED
expect() {
	[[ $2 == "$3" ]] || fail "$1: got '$2', wanted '$3'"
}

# expect_between WHAT GOT LOW HIGH: numbers, ends included.
expect_between() {
	jq -en --argjson v "$2" --argjson lo "$3" --argjson hi "$4" '$v >= $lo and $v <= $hi' \
		>/dev/null || fail "$1: got $2, wanted $3 to $4"
}

# expect_exit STATUS COMMAND...: its output goes to $LAB_TMP/out.
expect_exit() {
	local status=0
	"${@:2}" >"$LAB_TMP/out" 2>&1 || status=$?
	((status == $1)) || fail "exit $status, wanted $1: ${*:2}: $(cat "$LAB_TMP/out")"
}
