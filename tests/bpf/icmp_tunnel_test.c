// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Errors where backends answer past us: of what a backend sent, they go to it as its packets do,
 * and of our own tunnels' packets, they tell how long a packet may be.
 */
#include "icmp_ways.h"

#define SEED	 0x2f60b8d94ce1a753ull
#define PORT	 4000
#define GUE_PORT 6080

struct tunnel {
	const char *name, *mode, *vip, *backend, *source, *settings;
	uint8_t protocol;
	bool is_back;
};

#define SOURCE4 "10.9.0.7"
#define SOURCE6 "2001:db8:9::7"
#define PREFIX4 "10.77.0.0"
#define PREFIX6 "2001:db8:77::"

static const struct tunnel tunnels[] = {
	{"d4", "dsr", "192.0.2.1", "10.1.0.1", NULL, "", IPPROTO_TCP, false},
	{"d6", "dsr", "2001:db8:ff::1", "2001:db8:2::1", NULL, "", IPPROTO_UDP, true},
	{"i44", "ipip", "192.0.2.2", "10.2.0.2", SOURCE4, "", IPPROTO_TCP, true},
	{"i46", "ipip", "192.0.2.3", "2001:db8:1::3", SOURCE6, "", IPPROTO_UDP, false},
	{"i66", "ipip", "2001:db8:ff::4", "2001:db8:1::4", SOURCE6, ", track: always", IPPROTO_TCP,
	 false},
	{"g44", "gue", "192.0.2.5", "10.1.0.5", SOURCE4, "", IPPROTO_UDP, false},
	{"g46", "gue", "192.0.2.6", "2001:db8:2::6", SOURCE6, ", track: always", IPPROTO_TCP, true},
	{"g66", "gue", "2001:db8:ff::7", "2001:db8:2::7", SOURCE6, "", IPPROTO_TCP, true},
	{"i4s", "ipip", "192.0.2.8", "10.1.0.8", PREFIX4 "/16", "", IPPROTO_TCP, false},
	{"g6s", "gue", "2001:db8:ff::9", "2001:db8:1::9", PREFIX6 "/64", "", IPPROTO_UDP, false},
};

#define TUNNELS	     (sizeof(tunnels) / sizeof(*tunnels))
#define FIRST_TUNNEL 2 /* those before have none */
#define IS_V4(text)  (!strchr(text, ':'))

static int setup(void **state)
{
	char *yaml = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&yaml, &len);

	lab_setup(state);
	fputs(LAB_HEAD, f);
	for (size_t i = 0; i < TUNNELS; i++) {
		const struct tunnel *t = &tunnels[i];

		fprintf(f,
			"  - {name: %s, vip: '%s', port: 80, protocol: %s, forwarding: %s%s%s%s%s, "
			"pools: [{name: p, backends: [{address: '%s', port: 80}]}]}\n",
			t->name, t->vip, t->protocol == IPPROTO_TCP ? "tcp" : "udp", t->mode,
			t->source ? ", source_addresses: ['" : "", t->source ? t->source : "",
			t->source ? "']" : "", t->settings, t->backend);
	}
	fclose(f);
	lab_apply(yaml);
	free(yaml);
	return 0;
}

static struct frame request_of(const struct tunnel *t)
{
	struct frame f =
		lab_request(IS_V4(t->vip) ? CLIENT4 : CLIENT6, PORT, t->vip, 80, t->protocol);

	f.payload_len = 60;
	f.fill = 5; /* among others, the DSCP */
	return f;
}

static size_t outer_len(const struct tunnel *t)
{
	if (!strcmp(t->mode, "dsr"))
		return 0;
	return (IS_V4(t->backend) ? 20u : 40u) + (strcmp(t->mode, "gue") ? 0u : 8u);
}

/* A packet of the flow, as it goes to the backend. */
static void send_request(const struct tunnel *t, const struct frame *f, struct outcome *out)
{
	lab_run_frame(lab_front, f, out);
	assert_int_equal(out->action, t->is_back ? XDP_REDIRECT : XDP_TX);
}

/* ---- errors about what backends send ---- */

/* Before a packet of `len` bytes goes the same as before another of the flow, but for lengths. */
static void fit_outer(const struct tunnel *t, uint8_t *ip, size_t len)
{
	size_t total = outer_len(t) + len;

	if (IS_V4(t->backend)) {
		frame_put16(ip + 2, (uint16_t)total);
		frame_put16(ip + 10, 0);
		frame_put16(ip + 10, (uint16_t)~frame_fold(frame_sum(ip, 20, 0)));
	} else {
		frame_put16(ip + 4, (uint16_t)(total - 40));
	}
	if (!strcmp(t->mode, "gue"))
		frame_put16(ip + outer_len(t) - 4, (uint16_t)(len + 8));
}

static void try_error(const struct tunnel *t, const struct outcome *request, size_t kind)
{
	struct icmp_message in = {.outer = request_of(t)};
	uint8_t bytes[FRAME_MAX], wanted[FRAME_MAX], inner[FRAME_MAX];
	struct frame f = request_of(t), quoted = frame_reply(&f);
	size_t len, head = FRAME_ETH + outer_len(t);
	struct quoted quote;
	struct outcome out;

	quoted.fill = (uint32_t)lab_random();
	quoted.payload_len = (uint16_t)lab_below(500);
	quote = quote_cut(quote_of(&quoted), 40 + 4 + lab_below(500));
	in.outer.src = lab_addr(IS_V4(t->vip) ? ROUTER4 : ROUTER6);
	in.outer.ttl = (uint8_t)(2 + lab_below(254));
	icmp_set_kind(&in, &in, icmp_kind_of(IS_V4(t->vip), kind));
	len = icmp_build(&in, &quote, bytes);
	in.outer.ttl--;
	icmp_build(&in, &quote, inner);
	memcpy(wanted, request->bytes, head);
	memcpy(wanted + head, inner + FRAME_ETH, len - FRAME_ETH);
	if (outer_len(t))
		fit_outer(t, wanted + FRAME_ETH, len - FRAME_ETH);
	lab_run(lab_front, bytes, len, &out);
	icmp_expect_bytes(&out, t->is_back ? XDP_REDIRECT : XDP_TX, wanted, len + outer_len(t));
}

static void test_errors_go_where_the_flow_goes(void **state)
{
	(void)state;
	for (size_t i = 0; i < TUNNELS; i++) {
		struct frame f = request_of(&tunnels[i]);
		struct outcome request;
		uint64_t memory;

		send_request(&tunnels[i], &f, &request);
		memory = icmp_memory();
		for (size_t kind = 0; kind < 3 * ICMP_KINDS; kind++)
			try_error(&tunnels[i], &request, kind);
		assert_int_equal(icmp_memory(), memory);
	}
}

/* ---- errors about our own packets ---- */

static void forget_path(const struct tunnel *t)
{
	struct dataplane *dp = lab_open(DATAPLANE_WRITE);
	int64_t service = dp_service_find(dp, t->name);

	for (uint32_t id = 0; id < dp->meta.max_backends; id++)
		if (dp->backends[id].state && dp->backends[id].service == service)
			dp->backends[dp->backends[id].path].path_mtu = 0;
	dataplane_close(dp);
}

static uint16_t link_mtu(const struct tunnel *t)
{
	return t->is_back ? 1400 : 1500;
}

static enum serin_reason run_request(const struct tunnel *t, size_t ip_len)
{
	struct frame f = request_of(t);
	uint64_t now[SERIN_REASON_MAX];
	uint8_t bytes[FRAME_MAX];
	struct outcome out;
	size_t len = frame_build(&f, bytes) - FRAME_ETH;

	f.payload_len = (uint16_t)(f.payload_len + ip_len - len);
	icmp_note_verdicts();
	lab_run_frame(lab_front, &f, &out);
	icmp_read_verdicts(now);
	for (int i = 0; i < SERIN_REASON_MAX; i++)
		if (now[i] != icmp_verdicts[i])
			return (enum serin_reason)i;
	return SERIN_GO_ON;
}

/* The clients' packets to this tunnel may be as long as this, and no longer. */
static void expect_fits(const struct tunnel *t, size_t mtu)
{
	icmp_fill_budget();
	assert_int_equal(run_request(t, mtu),
			 t->is_back ? SERIN_FORWARD_REDIRECT : SERIN_FORWARD_TX);
	assert_int_equal(run_request(t, mtu + 1),
			 IS_V4(t->vip) || mtu >= 1280 ? SERIN_ANSWER_TOO_BIG : SERIN_DROP_TOO_BIG);
}

static void expect_link_fits(const struct tunnel *t)
{
	expect_fits(t, link_mtu(t) - outer_len(t));
}

/* What a router on the way to the backend says of the flow's packet. */
static void make_complaint(const struct tunnel *t, uint32_t mtu, struct icmp_message *m,
			   struct quoted *q)
{
	bool is_v4 = IS_V4(t->backend);
	struct frame f = request_of(t);
	struct outcome sent;

	send_request(t, &f, &sent);
	q->len = sent.len - FRAME_ETH;
	memcpy(q->bytes, sent.bytes + FRAME_ETH, q->len);
	*m = (struct icmp_message){
		.outer = {.src = lab_addr(is_v4 ? ROUTER4 : ROUTER6),
			  .dst = lab_wire_addr(sent.bytes, false),
			  .ttl = 60,
			  .src_mac = {2, 0xee, 0, 0, 0, 9}},
		.type = is_v4 ? 3 : 2,
		.code = is_v4 ? 4 : 0,
		.rest = mtu,
	};
	memcpy(m->outer.dst_mac, t->is_back ? lab_back_mac : lab_front_mac, 6);
}

static void expect_pass(const struct tunnel *t, const struct icmp_message *m,
			const struct quoted *q, enum serin_reason reason)
{
	icmp_note_verdicts();
	icmp_expect(t->is_back ? lab_back : lab_front, m, q, XDP_PASS, NULL, NULL);
	icmp_expect_counted(reason, 1);
}

static void complain(const struct tunnel *t, uint32_t mtu, size_t quote_len)
{
	struct icmp_message m;
	struct quoted q;

	make_complaint(t, mtu, &m, &q);
	q = quote_cut(q, quote_len);
	expect_pass(t, &m, &q, SERIN_PASS_TUNNEL_ERROR);
}

/* From the eight bytes that RFC 792 asks for to the whole packet; the host sees each. */
static void test_a_path_is_learned_whatever_is_quoted(void **state)
{
	(void)state;
	for (size_t i = FIRST_TUNNEL; i < TUNNELS; i++) {
		const struct tunnel *t = &tunnels[i];
		size_t least = IS_V4(t->backend) ? 28 : 48;

		for (size_t len = least; len < 150; len++) {
			forget_path(t);
			expect_link_fits(t);
			complain(t, 1350, len);
			expect_fits(t, 1350 - outer_len(t));
		}
		forget_path(t);
	}
}

static void test_a_path_gets_only_narrower(void **state)
{
	(void)state;
	for (size_t i = FIRST_TUNNEL; i < TUNNELS; i++) {
		const struct tunnel *t = &tunnels[i];

		complain(t, 1390, 100);
		complain(t, 1340, 100);
		expect_fits(t, 1340 - outer_len(t));
		complain(t, 1360, 100);
		expect_fits(t, 1340 - outer_len(t));
		complain(t, 0, 100);
		expect_fits(t, 1340 - outer_len(t));
		complain(t, 1330, 100);
		expect_fits(t, 1330 - outer_len(t));
		forget_path(t);
	}
}

/* Nobody can make it so narrow that nothing goes through. */
static void test_a_path_has_a_least_width(void **state)
{
	static const uint32_t lies[] = {1, 68, 500, 575};

	(void)state;
	for (size_t i = FIRST_TUNNEL; i < TUNNELS; i++) {
		for (size_t n = 0; n < 4; n++) {
			const struct tunnel *t = &tunnels[i];
			size_t least = IS_V4(t->backend) ? 576 : 1280;

			complain(t, lies[n], 100);
			expect_fits(t, IS_V4(t->vip) ? least - outer_len(t) : 1280);
			forget_path(t);
		}
	}
}

/* As if ten minutes had gone by. */
static void age_paths(void)
{
	struct dataplane *dp = lab_open(DATAPLANE_WRITE);

	for (uint32_t id = 0; id < dp->meta.max_backends; id++)
		dp->backends[id].path_mtu_jiffies -=
			(uint32_t)(SERIN_PATH_MTU_S * dp_ticks_per_second());
	dataplane_close(dp);
}

/* RFC 1191 6.3: after that time the way may be another. */
static void test_a_path_is_forgotten(void **state)
{
	(void)state;
	for (size_t i = FIRST_TUNNEL; i < TUNNELS; i++) {
		complain(&tunnels[i], 1330, 100);
		age_paths();
		expect_link_fits(&tunnels[i]);
		complain(&tunnels[i], 1360, 100);
		expect_fits(&tunnels[i], 1360 - outer_len(&tunnels[i]));
		forget_path(&tunnels[i]);
	}
}

/* ---- who is not believed ---- */

/* Writes an address into a quoted outer header. */
static void set_quoted_addr(struct quoted *q, bool is_source, const struct in6_addr *a)
{
	if (q->bytes[0] >> 4 == 4)
		memcpy(q->bytes + (is_source ? 12 : 16), (const uint8_t *)a + 12, 4);
	else
		memcpy(q->bytes + (is_source ? 8 : 24), a, 16);
}

static enum serin_reason not_ours(const struct tunnel *t)
{
	return strcmp(t->mode, "gue") ? SERIN_PASS_PROTOCOL : SERIN_PASS_NO_SERVICE;
}

static void test_other_sources_are_not_believed(void **state)
{
	(void)state;
	for (size_t i = FIRST_TUNNEL; i < TUNNELS; i++) {
		const struct tunnel *t = &tunnels[i];
		struct icmp_message m;
		struct quoted q;

		for (size_t len = 60; len < 120; len += 30) {
			make_complaint(t, 1330, &m, &q);
			m.outer.dst.s6_addr[IS_V4(t->backend) ? 13 : 5] ^= 1;
			set_quoted_addr(&q, true, &m.outer.dst);
			q = quote_cut(q, len);
			expect_pass(t, &m, &q, not_ours(t));
			expect_link_fits(t);
		}
	}
}

static void test_other_receivers_are_not_believed(void **state)
{
	(void)state;
	for (size_t i = FIRST_TUNNEL; i < TUNNELS; i++) {
		const struct tunnel *t = &tunnels[i];
		struct in6_addr stranger = lab_addr(t->backend);
		struct icmp_message m;
		struct quoted q;

		stranger.s6_addr[15] = 99;
		make_complaint(t, 1330, &m, &q);
		set_quoted_addr(&q, false, &stranger);
		expect_pass(t, &m, &q, not_ours(t));
		expect_link_fits(t);
	}
}

/* What the tunnel carried must have been to a VIP, as far as the quote goes. */
static void test_other_contents_are_not_believed(void **state)
{
	(void)state;
	for (size_t i = FIRST_TUNNEL; i < TUNNELS; i++) {
		const struct tunnel *t = &tunnels[i];
		size_t at = outer_len(t) + (IS_V4(t->vip) ? 16 : 24);
		struct icmp_message m;
		struct quoted q;

		make_complaint(t, 1330, &m, &q);
		q.bytes[at] ^= 1;
		expect_pass(t, &m, &q, not_ours(t));
		expect_link_fits(t);
	}
}

static void test_other_protocols_and_ports_are_not_believed(void **state)
{
	(void)state;
	for (size_t i = FIRST_TUNNEL; i < TUNNELS; i++) {
		const struct tunnel *t = &tunnels[i];
		size_t outer = IS_V4(t->backend) ? 20 : 40;
		struct icmp_message m;
		struct quoted q;

		make_complaint(t, 1330, &m, &q);
		if (!strcmp(t->mode, "gue"))
			frame_put16(q.bytes + outer + 2, GUE_PORT + 1);
		else
			q.bytes[outer == 20 ? 9 : 6] = IPPROTO_GRE;
		expect_pass(t, &m, &q, not_ours(t));
		expect_link_fits(t);
	}
}

/* Only "too big" says how long is too long. */
static void test_other_errors_tell_no_width(void **state)
{
	(void)state;
	for (size_t i = FIRST_TUNNEL; i < TUNNELS; i++) {
		const struct tunnel *t = &tunnels[i];

		for (size_t kind = 0; kind < ICMP_KINDS; kind++) {
			struct icmp_message m;
			struct quoted q;

			make_complaint(t, 1330, &m, &q);
			if (kind == 4) /* that one */
				continue;
			icmp_set_kind(&m, &m, icmp_kind_of(IS_V4(t->backend), kind));
			m.rest = 1330;
			expect_pass(t, &m, &q, not_ours(t));
			expect_link_fits(t);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors_go_where_the_flow_goes),
		cmocka_unit_test(test_a_path_is_learned_whatever_is_quoted),
		cmocka_unit_test(test_a_path_gets_only_narrower),
		cmocka_unit_test(test_a_path_has_a_least_width),
		cmocka_unit_test(test_a_path_is_forgotten),
		cmocka_unit_test(test_other_sources_are_not_believed),
		cmocka_unit_test(test_other_receivers_are_not_believed),
		cmocka_unit_test(test_other_contents_are_not_believed),
		cmocka_unit_test(test_other_protocols_and_ports_are_not_believed),
		cmocka_unit_test(test_other_errors_tell_no_width),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, setup, lab_teardown);
}
