// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Random and damaged frames, to every mode: whatever comes in, one verdict, and nothing made worse.
 * MUTATIONS (1000000): how many.
 */
#include "modes_lab.h"
#include "wire.h"

#define SEED	   0xe3147ac05d9f682bull
#define MUTATIONS  1000000
#define MUTANT_MAX 9216

static const struct way *nat_ways[MODES_WAYS];
static unsigned int nat_count;

static uint8_t in[MUTANT_MAX];
static size_t in_len;
static struct outcome out;

static struct frame request_to(const struct way *w)
{
	return lab_request(w->is_v4 ? "198.51.100.1" : "2001:db8:c::1", 4321, w->vip, w->port,
			   w->protocol);
}

static struct frame reply_of(const struct way *w)
{
	struct frame request = request_to(w), f = frame_reply(&request);

	f.src = lab_addr(w->backend);
	f.src_port = w->backend_port;
	return f;
}

/* Every flow is known; some later pieces will find a first one. */
static int setup(void **state)
{
	lab_setup(state);
	modes_apply();
	modes_set_mtu(6000);
	for (unsigned int i = 0; i < way_count; i++) {
		struct frame f = request_to(&ways[i]);

		lab_run_frame(lab_front, &f, &out);
		assert_true(out.action == XDP_TX || out.action == XDP_REDIRECT);
		if (ways[i].mode == SERIN_FORWARDING_NAT)
			nat_ways[nat_count++] = &ways[i];
	}
	return 0;
}

/* ---- making frames ---- */

static void insert(size_t at, size_t count)
{
	if (in_len + count > sizeof(in))
		return;
	memmove(in + at + count, in + at, in_len - at);
	for (size_t i = 0; i < count; i++)
		in[at + i] = (uint8_t)lab_random();
	in_len += count;
}

static void add_tags(void)
{
	static const uint16_t tags[][2] = {
		{0x8100, 100}, {0x8100, 300}, {0x88a8, 200}, {0x8100, 4094}, {0x88a8, 7}};

	for (uint32_t n = lab_below(4); n; n--) {
		const uint16_t *tag = tags[lab_below(5)];

		insert(12, 4);
		frame_put16(in + 12, tag[0]);
		frame_put16(in + 14, (uint16_t)(lab_below(16) << 12 | tag[1]));
	}
}

/* Few numbers and places, so that pieces meet. */
static void make_piece4(void)
{
	uint8_t *ip = in + FRAME_ETH;

	frame_put16(ip + 4, (uint16_t)lab_below(4));
	frame_put16(ip + 6, (uint16_t)(lab_below(2) << 13 | lab_below(3)));
	frame_put16(ip + 10, 0);
	frame_put16(ip + 10, (uint16_t)~frame_fold(frame_sum(ip, (ip[0] & 15u) * 4, 0)));
}

static void insert_header6(void)
{
	static const uint8_t kinds[] = {IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_FRAGMENT,
					IPPROTO_DSTOPTS};
	uint8_t *ip = in + FRAME_ETH, kind = kinds[lab_below(4)];
	size_t words = kind == IPPROTO_FRAGMENT || lab_below(4) ? 1 : 1 + lab_below(40);

	insert(FRAME_ETH + 40, words * 8);
	ip[40] = ip[6];
	ip[41] = (uint8_t)(words - 1);
	ip[6] = kind;
	frame_put16(ip + 4, (uint16_t)(frame_get16(ip + 4) + words * 8));
	if (kind == IPPROTO_ROUTING)
		ip[43] = lab_below(4) == 0;
	if (kind != IPPROTO_FRAGMENT)
		return;
	frame_put16(ip + 42, (uint16_t)(lab_below(3) << 3 | lab_below(2)));
	memset(ip + 44, 0, 3);
	ip[47] = (uint8_t)lab_below(4);
}

static void add_headers(bool is_v4)
{
	if (is_v4 && lab_below(2))
		make_piece4();
	for (uint32_t n = is_v4 ? 0 : lab_below(lab_below(8) ? 3 : 11); n; n--)
		insert_header6();
}

/* Half of the damage goes where the headers are. */
static void damage(void)
{
	static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff, 0x45, 0x4f,
					 0x60, 0x06, 0x11, 0x2c, 0x3c, 0x81};
	uint32_t at = lab_below((uint32_t)(lab_below(2) && in_len > 90 ? 90 : in_len));

	switch (lab_below(6)) {
	case 0:
		in[at] ^= (uint8_t)(1u << lab_below(8));
		break;
	case 1:
		in[at] = (uint8_t)lab_random();
		break;
	case 2:
		in[at] = values[lab_below(sizeof(values))];
		break;
	case 3: /* cut */
		in_len = FRAME_ETH + lab_below((uint32_t)in_len - FRAME_ETH + 1);
		break;
	case 4: /* lengthen */
		insert(in_len, lab_below(64));
		break;
	default: /* copy a piece over another */
		for (uint32_t i = 0, from = lab_below((uint32_t)in_len); i < 8; i++)
			in[(at + i) % in_len] = in[(from + i) % in_len];
	}
}

static void make_noise(void)
{
	static const uint16_t types[] = {0x0800, 0x86dd, 0x8100, 0x88a8};

	in_len = 0;
	insert(0, FRAME_ETH + lab_below(200));
	if (lab_below(4))
		frame_put16(in + 12, types[lab_below(4)]);
}

static uint16_t payload_size(void)
{
	if (lab_below(100) == 0)
		return (uint16_t)(3000 + lab_below(5000));
	return (uint16_t)lab_below(lab_below(8) ? 100 : 1500);
}

static void make_mutant(void)
{
	struct frame f = lab_below(3) ? request_to(&ways[lab_below(way_count)])
				      : reply_of(nat_ways[lab_below(nat_count)]);

	if (lab_below(20) == 0) {
		make_noise();
		return;
	}
	f.fill = (uint32_t)lab_random();
	f.tcp_flags = (uint8_t)lab_random();
	f.ttl = (uint8_t)lab_random();
	f.payload_len = payload_size();
	f.ip_option_words = frame_is_v4(&f) && lab_below(2) ? (uint8_t)lab_below(11) : 0;
	f.no_udp_csum = frame_is_v4(&f) && lab_below(4) == 0;
	f.padding = (uint16_t)lab_below(8);
	in_len = frame_build(&f, in);
	if (lab_below(3) == 0)
		add_headers(frame_is_v4(&f));
	if (lab_below(4) == 0)
		add_tags();
	for (uint32_t n = lab_below(4); n; n--)
		damage();
}

/* ---- judging what became of them ---- */

static struct in6_addr addr_of(const struct wire *w, bool is_destination)
{
	struct in6_addr a = {};

	if (!w->is_v4) {
		memcpy(&a, w->ip + (is_destination ? 24 : 8), 16);
		return a;
	}
	a.s6_addr[10] = a.s6_addr[11] = 0xff;
	memcpy(&a.s6_addr[12], w->ip + (is_destination ? 16 : 12), 4);
	return a;
}

/* The way a packet is to or from: the last byte of the address is its number. */
static const struct way *way_at(const struct wire *w, bool is_request)
{
	struct in6_addr a = addr_of(w, is_request), wanted;
	unsigned int n = a.s6_addr[15];
	const struct way *way = &ways[n - 1];

	if (!n || n > way_count)
		return NULL;
	wanted = lab_addr(is_request ? way->vip : way->backend);
	if (memcmp(&a, &wanted, sizeof(a)))
		return NULL;
	if (w->is_later)
		return way;
	return w->protocol == way->protocol && frame_get16(w->l4 + (is_request ? 2 : 0)) ==
						       (is_request ? way->port : way->backend_port)
		       ? way
		       : NULL;
}

/* The bytes of a checksum in a copy become those of the packet it is to be compared with. */
static void copy_sum(uint8_t *copy, const struct wire *of, size_t at)
{
	memcpy(copy + at, of->ip + at, 2);
}

static void rewrite_addr(uint8_t *copy, const struct wire *w, bool is_request, const char *text)
{
	struct in6_addr a = lab_addr(text);

	if (w->is_v4)
		memcpy(copy + (is_request ? 16 : 12), &a.s6_addr[12], 4);
	else
		memcpy(copy + (is_request ? 24 : 8), &a, 16);
}

static size_t l4_sum_at(const struct wire *w)
{
	return (size_t)(w->l4 - w->ip) + (w->protocol == IPPROTO_TCP ? 16 : 6);
}

/* What nat makes of a packet, its checksums as they came out. */
static void rewrite(uint8_t *copy, const struct wire *w, const struct wire *got,
		    const struct way *way, bool is_request)
{
	rewrite_addr(copy, w, is_request, is_request ? way->backend : way->vip);
	if (w->is_later)
		return;
	frame_put16(copy + (w->l4 - w->ip) + (is_request ? 2 : 0),
		    is_request ? way->backend_port : way->port);
	copy_sum(copy, got, l4_sum_at(w));
}

/* But for what forwarding changes, the packet is as it was, and right where it was right. */
static const char *packet_fault(const struct wire *w, const struct wire *got, const struct way *way,
				bool is_request)
{
	size_t len = (size_t)(w->end - w->ip), ttl = w->is_v4 ? 8 : 7;
	static uint8_t copy[MUTANT_MAX];

	if ((size_t)(got->end - got->ip) != len)
		return "another length";
	if (w->ip[ttl] < 2)
		return "should have expired";
	memcpy(copy, w->ip, len);
	copy[ttl]--;
	if (way->mode == SERIN_FORWARDING_NAT)
		rewrite(copy, w, got, way, is_request);
	if (w->is_v4)
		copy_sum(copy, got, 10);
	if (memcmp(copy, got->ip, len))
		return "bytes that should be others";
	if (wire_ip_residue(w) != wire_ip_residue(got))
		return "IPv4 header checksum";
	if (!wire_has_ports(w))
		return NULL;
	if (wire_is_unchecked(w) != wire_is_unchecked(got))
		return "UDP checksum of none";
	return wire_l4_residue(w) == wire_l4_residue(got) ? NULL : "transport checksum";
}

/* What encloses a packet is right whatever that packet is. */
static const char *outer_fault(const struct wire *outer, const struct way *way)
{
	struct in6_addr backend = lab_addr(way->backend), to = addr_of(outer, true);

	if (memcmp(&backend, &to, sizeof(to)))
		return "not to the backend";
	if (wire_ip_residue(outer))
		return "outer IPv4 header checksum";
	if (way->mode == SERIN_FORWARDING_GUE &&
	    (!wire_is_gue(outer) || !wire_is_unchecked(outer) ||
	     frame_get16(outer->l4 + 4) != outer->end - outer->l4))
		return "UDP header around it";
	return wire_is_gue(outer) ? wire_transport_fault(outer) : NULL;
}

static const char *forwarded_fault(void)
{
	struct wire came = {}, left = {}, inner = {};
	const struct way *way;
	const char *fault;
	bool is_request;

	if (!wire_read(in, in_len, &came))
		return "nothing to forward";
	if (!wire_read(out.bytes, out.len, &left))
		return "no packet";
	way = way_at(&came, true);
	is_request = way != NULL;
	if (!way)
		way = way_at(&came, false);
	if (!way)
		return "not ours";
	/* What follows the packet in the frame follows it still. */
	if (out.len - (size_t)(left.end - out.bytes) != in_len - (size_t)(came.end - in) ||
	    memcmp(left.end, came.end, in_len - (size_t)(came.end - in)))
		return "the end of the frame";
	if (!modes_is_tunnel(way->mode))
		return packet_fault(&came, &left, way, is_request);
	if (!wire_read_inner(&left, &inner))
		return "no packet within";
	fault = outer_fault(&left, way);
	return fault ? fault : packet_fault(&came, &inner, way, is_request);
}

static void print_hex(const char *what, const uint8_t *bytes, size_t len)
{
	fprintf(stderr, "%s ", what);
	for (size_t i = 0; i < len; i++)
		fprintf(stderr, "%02x", bytes[i]);
	fputc('\n', stderr);
}

/* What Serin says itself is ICMP: icmp_mutate_test judges it. */
static bool is_answer(void)
{
	struct wire w = {};

	return out.action == XDP_TX && wire_read(out.bytes, out.len, &w) &&
	       w.protocol == (w.is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

static void judge(unsigned int n)
{
	const char *fault = NULL;

	if (is_answer())
		return;
	if (out.action == XDP_TX || out.action == XDP_REDIRECT)
		fault = forwarded_fault();
	else if (out.action != XDP_PASS && out.action != XDP_DROP)
		fault = "no verdict";
	else if (out.len != in_len || memcmp(out.bytes, in, in_len))
		fault = "touched";
	if (!fault)
		return;
	print_hex("in ", in, in_len);
	print_hex("out", out.bytes, out.len);
	fail_msg("mutant %u, verdict %u: %s", n, out.action, fault);
}

static unsigned int mutations(void)
{
	const char *wanted = getenv("MUTATIONS");

	return wanted ? (unsigned int)strtoul(wanted, NULL, 10) : MUTATIONS;
}

/* The damage was neither too little nor too much to tell anything. */
static void expect_variety(const uint64_t counted[SERIN_REASON_MAX], unsigned int of)
{
	static const enum serin_reason common[] = {
		SERIN_FORWARD_TX,   SERIN_FORWARD_REDIRECT, SERIN_PASS_MALFORMED,
		SERIN_PASS_NOT_IP,  SERIN_PASS_NO_SERVICE,  SERIN_PASS_PROTOCOL,
		SERIN_PASS_NO_FLOW, SERIN_PASS_FRAGMENT,    SERIN_PASS_EXPIRING};

	for (int i = 1; i < SERIN_REASON_MAX; i++)
		printf("  %-22s %llu\n", dataplane_reason_name((enum serin_reason)i),
		       (unsigned long long)counted[i]);
	for (size_t i = 0; i < sizeof(common) / sizeof(*common); i++)
		assert_true(counted[common[i]] >= of / 1000);
	assert_true(counted[SERIN_FORWARD_TX] > of / 10);
	assert_true(counted[SERIN_FORWARD_REDIRECT] > of / 10);
	assert_true(counted[SERIN_DROP_HEADERS] > of / 10000);
}

static void test_damaged_frames(void **state)
{
	struct snapshot *before = lab_snapshot(), *after;
	uint64_t actions[XDP_REDIRECT + 1] = {}, counted[SERIN_REASON_MAX];
	unsigned int count = mutations();

	(void)state;
	for (unsigned int n = 0; n < count; n++) {
		make_mutant();
		lab_run(lab_below(2) ? lab_front : lab_back, in, in_len, &out);
		judge(n);
		actions[out.action]++;
	}
	after = lab_snapshot();
	assert_int_equal(lab_packets(after) - lab_packets(before), count);
	assert_int_equal(after->packets[SERIN_GO_ON], 0);
	for (int i = 0; i < SERIN_REASON_MAX; i++)
		counted[i] = after->packets[i] - before->packets[i];
	assert_int_equal(counted[SERIN_FORWARD_TX] + counted[SERIN_ANSWER_ECHO] +
				 counted[SERIN_ANSWER_TOO_BIG],
			 actions[XDP_TX]);
	assert_int_equal(counted[SERIN_FORWARD_REDIRECT], actions[XDP_REDIRECT]);
	expect_variety(counted, count);
	snapshot_free(before);
	snapshot_free(after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_damaged_frames),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, setup, lab_teardown);
}
