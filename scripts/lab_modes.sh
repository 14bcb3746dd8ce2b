# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Owns what the lab's backends need for forwarding other than nat, and what every mode is put to.
# Sourced after lab.sh, not run.

LAB_BIG_MB=${LAB_BIG_MB:-100}

# lab_direct BACKEND...: owns the VIPs, tells nobody, and answers clients by itself.
lab_direct() {
	local name
	for name; do
		lab_in "$name" sysctl -q -w net.ipv4.conf.all.arp_ignore=1 \
			net.ipv4.conf.all.arp_announce=2 net.ipv4.conf.all.rp_filter=0
		ip -n "$LAB-$name" -batch - <<-END
			address add $LAB_VIP4/32 dev lo
			address add $LAB_VIP6/128 dev lo nodad
			route add 10.0.0.0/24 dev eth0 table 100
			route add default via 10.0.0.2 dev eth0 onlink table 100
			rule add from $LAB_VIP4 table 100
			route add 2001:db8:a::/64 dev eth0 table 100
			route add default via 2001:db8:a::2 dev eth0 onlink table 100
		END
		ip -n "$LAB-$name" -6 rule add from "$LAB_VIP6" table 100
	done
}

# lab_far_end BACKEND...: the same, and takes tunnels' headers off. What it saw is in
# $LAB_TMP/BACKEND.decap once lab_far_end_stop BACKEND has been called.
declare -A LAB_FAR_ENDS=()
lab_far_end() {
	local name
	lab_direct "$@"
	for name; do
		lab_start "$name" "$LAB_BUILD/tests/tools/decap" eth0 >"$LAB_TMP/$name.decap"
		LAB_FAR_ENDS[$name]=$LAB_PID
		lab_wait_for 5 grep -q ready "$LAB_TMP/$name.decap"
	done
}

lab_far_end_stop() {
	lab_stop "${LAB_FAR_ENDS[$1]}"
}

# lab_quic BACKEND...: serves $LAB_TMP/quic/ by HTTP/3.
lab_quic() {
	local name
	mkdir -p "$LAB_TMP/quic"
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=lab -keyout "$LAB_TMP/quic.key" \
		-out "$LAB_TMP/quic.crt" 2>/dev/null
	for name; do
		lab_start "$name" gtlsserver -q -d "$LAB_TMP/quic" '*' "$LAB_PORT" \
			"$LAB_TMP/quic.key" "$LAB_TMP/quic.crt" >"$LAB_TMP/$name.quic" 2>&1
		lab_wait_for 5 lab_udp_is_up "$name"
	done
}

# lab_url HOST PORT: a host as it stands in a URL, and a port.
lab_url() {
	if [[ $1 == *:* ]]; then
		printf '[%s]:%s' "$1" "$2"
	else
		printf '%s:%s' "$1" "$2"
	fi
}

# expect_download VIP PORT: of $LAB_TMP/big, whole.
expect_download() {
	local got
	got=$(lab_in client curl -sf --max-time 90 "http://$(lab_url "$1" "$2")/big" | sha256sum)
	expect "the big file by $1" "$got" "$(sha256sum <"$LAB_TMP/big")"
}

# expect_quic VIP PORT: the download of $LAB_TMP/quic/file by HTTP/3.
expect_quic() {
	local dir=$LAB_TMP/quic-got
	rm -rf "$dir"
	mkdir "$dir"
	lab_in client timeout 60 gtlsclient -q --exit-on-all-streams-close --download "$dir" \
		"$1" "$2" "https://$(lab_url "$1" "$2")/file" >"$LAB_TMP/quic-client" 2>&1 ||
		fail "QUIC by $1: $(tail -n 5 "$LAB_TMP/quic-client")"
	expect "the QUIC file by $1" "$(sha256sum <"$dir/file")" "$(sha256sum <"$LAB_TMP/quic/file")"
}

# expect_talk VIP PORT: DNS-like exchanges by UDP, none unanswered.
expect_talk() {
	local clients=$LAB_CLIENTS4
	[[ $1 != *:* ]] || clients=$LAB_CLIENTS6
	expect_clean "$(lab_in client "$LAB_BUILD/tests/tools/udp_load" --vip "$(lab_url "$1" "$2")" \
		--clients "$clients" --count 500 --rounds 4 --pause-ms 20)"
}

# lab_mode_config [KEYS]: both families, TCP at 80 (or where the backends listen, if $LAB_PORTS is
# same), UDP likewise, and QUIC at the port after. Every service has the forwarding KEYS say.
lab_mode_config() {
	local family vip
	lab_config eth0
	for family in 4 6; do
		vip=LAB_VIP$family
		LAB_KEYS=$1 lab_service "tcp$family" "${!vip}" "$LAB_PORT/tcp" connection canary=50 stable
		LAB_KEYS=$1 lab_service "udp$family" "${!vip}" "$LAB_PORT/udp" connection canary=50 stable
	done
}

# expect_mode: every connection, datagram and download over both families.
expect_mode() {
	local vip summary
	head -c "${LAB_BIG_MB}M" /dev/urandom >"$LAB_TMP/big"
	for vip in "$LAB_VIP4" "$LAB_VIP6"; do
		summary=$(load "$vip" "$LAB_PORT" --count 500 --requests 2000)
		expect_clean "$summary"
		expect "backends that answered" "$(jq '.by_backend | length' <<<"$summary")" 3
		expect_download "$vip" "$LAB_PORT"
		expect_talk "$vip" "$LAB_PORT"
	done
}
