// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What varies by flow in outer headers: source, UDP source port, flow label. One for all packets of
 * a flow and all pieces of them, another for other flows, and never outside its bounds.
 */
#include "modes_lab.h"
#include "wire.h"

#define SEED   0x1f6ac0d82e7b4935ull
#define FLOWS  1000
#define ENOUGH (FLOWS * 9 / 10)

/* Of one packet; what a way has not is 0. */
struct entropy {
	struct in6_addr source;
	uint32_t flow_label;
	uint32_t port;
};

static int setup(void **state)
{
	lab_setup(state);
	modes_add_all();
	modes_apply();
	return 0;
}

static struct frame frame_of(const struct way *w, unsigned int flow)
{
	char client[NET_ADDR_LEN];
	struct frame f;

	/* Neighbours by address and by port, as clients behind one gateway are. */
	snprintf(client, sizeof(client), w->is_v4 ? "198.51.100.%u" : "2001:db8:c::%x",
		 1 + flow % 50);
	f = lab_request(client, (uint16_t)(40000 + flow / 50), w->vip, w->port, w->protocol);
	f.ttl = (uint8_t)(2 + lab_below(254));
	f.fill = (uint32_t)lab_random();
	f.payload_len = (uint16_t)(16 + lab_below(1000));
	return f;
}

static struct in6_addr mapped(const uint8_t *v4)
{
	struct in6_addr a = {};

	a.s6_addr[10] = a.s6_addr[11] = 0xff;
	memcpy(&a.s6_addr[12], v4, 4);
	return a;
}

static struct entropy entropy_of(const struct way *w, const uint8_t *bytes, size_t len)
{
	struct entropy e = {};
	struct wire outer = {}, inner = {};
	struct outcome out;

	lab_run(lab_front, bytes, len, &out);
	assert_true(out.action == XDP_TX || out.action == XDP_REDIRECT);
	assert_true(wire_read(out.bytes, out.len, &outer));
	assert_true(wire_read_inner(&outer, &inner));
	assert_int_equal(outer.is_v4, w->is_outer_v4);
	if (outer.is_v4) {
		e.source = mapped(outer.ip + 12);
	} else {
		memcpy(&e.source, outer.ip + 8, sizeof(e.source));
		e.flow_label = (uint32_t)(outer.ip[1] & 15) << 16 | frame_get16(outer.ip + 2);
	}
	if (w->mode == SERIN_FORWARDING_GUE)
		e.port = frame_get16(outer.l4);
	return e;
}

static struct entropy entropy_of_frame(const struct way *w, const struct frame *f)
{
	uint8_t bytes[FRAME_MAX];
	size_t len = frame_build(f, bytes);

	return entropy_of(w, bytes, len);
}

/* Makes a piece of a frame: @place is the 16 bits of IPv6's fragment header. */
static size_t make_piece(uint8_t *bytes, size_t len, uint16_t place)
{
	uint8_t *ip = bytes + FRAME_ETH;

	if (bytes[12] == 0x08) {
		frame_put16(ip + 4, 77);
		frame_put16(ip + 6, (uint16_t)(place >> 3 | (place & 1) << 13));
		frame_put16(ip + 10, 0);
		frame_put16(ip + 10, (uint16_t)~frame_fold(frame_sum(ip, 20, 0)));
		return len;
	}
	memmove(ip + 48, ip + 40, len - FRAME_ETH - 40);
	memset(ip + 40, 0, 8);
	ip[40] = ip[6];
	frame_put16(ip + 42, place);
	ip[47] = 77;
	ip[6] = IPPROTO_FRAGMENT;
	frame_put16(ip + 4, (uint16_t)(frame_get16(ip + 4) + 8));
	return len + 8;
}

static void expect_same_of_pieces(const struct way *w, const struct frame *f,
				  const struct entropy *wanted)
{
	static const uint16_t places[] = {0x0001, 0x0401, 0x0801, 0x0c00};

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		uint8_t bytes[FRAME_MAX];
		size_t len = frame_build(f, bytes);
		struct entropy e;

		len = make_piece(bytes, len, places[i]);
		e = entropy_of(w, bytes, len);
		assert_memory_equal(&e, wanted, sizeof(e));
	}
}

/* The bits that do not vary are the configuration's. */
static void expect_within(const struct way *w, const struct entropy *e)
{
	struct in6_addr source = e->source;

	for (unsigned int i = 0; i < w->source_bits; i++)
		source.s6_addr[15 - i / 8] &= (uint8_t) ~(1u << i % 8);
	assert_memory_equal(&source, &w->source, sizeof(source));
	assert_true(w->mode != SERIN_FORWARDING_GUE || e->port >= 49152);
}

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct in6_addr));
}

static unsigned int count_distinct(struct in6_addr *list, unsigned int count)
{
	unsigned int distinct = 1;

	qsort(list, count, sizeof(*list), by_bytes);
	for (unsigned int i = 1; i < count; i++)
		distinct += memcmp(&list[i], &list[i - 1], sizeof(*list)) != 0;
	return distinct;
}

static void expect_spread(const struct way *w)
{
	static struct in6_addr sources[FLOWS], ports[FLOWS], labels[FLOWS];
	unsigned int of_sources, of_ports, of_labels;

	memset(ports, 0, sizeof(ports));
	memset(labels, 0, sizeof(labels));
	for (unsigned int flow = 0; flow < FLOWS; flow++) {
		struct frame f = frame_of(w, flow), again = frame_of(w, flow);
		struct entropy e = entropy_of_frame(w, &f), e2 = entropy_of_frame(w, &again);

		assert_memory_equal(&e, &e2, sizeof(e));
		expect_within(w, &e);
		if (flow % 10 == 0)
			expect_same_of_pieces(w, &f, &e);
		sources[flow] = e.source;
		ports[flow].s6_addr32[0] = e.port;
		labels[flow].s6_addr32[0] = e.flow_label;
	}
	of_sources = count_distinct(sources, FLOWS);
	of_ports = count_distinct(ports, FLOWS);
	of_labels = count_distinct(labels, FLOWS);
	printf("%s: %u flows, %u sources, %u ports, %u flow labels\n", w->name, FLOWS, of_sources,
	       of_ports, of_labels);
	assert_true(w->source_bits ? of_sources >= ENOUGH : of_sources == 1);
	assert_true(w->mode == SERIN_FORWARDING_GUE ? of_ports >= ENOUGH : of_ports == 1);
	assert_true(w->is_outer_v4 ? of_labels == 1 : of_labels >= ENOUGH);
}

static void test_sources_drawn_from_a_prefix(void **state)
{
	unsigned int tried = 0;

	(void)state;
	for (unsigned int i = 0; i < way_count; i++) {
		if (!ways[i].source_bits)
			continue;
		expect_spread(&ways[i]);
		tried++;
	}
	assert_int_equal(tried, 8);
}

/* Ports and flow labels vary; the source does not. */
static void test_one_source(void **state)
{
	unsigned int tried = 0;

	(void)state;
	for (unsigned int i = 0; i < way_count; i++) {
		if (!modes_is_tunnel(ways[i].mode) || ways[i].source_bits || ways[i].is_back ||
		    ways[i].vlan)
			continue;
		expect_spread(&ways[i]);
		tried++;
	}
	assert_int_equal(tried, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sources_drawn_from_a_prefix),
		cmocka_unit_test(test_one_source),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, setup, lab_teardown);
}
