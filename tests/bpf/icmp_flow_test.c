// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whose an ICMP error is, where places move and flows are remembered: it goes to the backend that
 * the flow has, and what is remembered stays as it was.
 */
#include "icmp_ways.h"

#define SEED 0x5e8d3c91b7f2a604ull

/* Clients' ports: a flow of before the shift, one of after it, and one that nobody ever saw. */
enum { OLD_PORT = 4001, NEW_PORT, NO_PORT };

struct duo {
	const char *name, *vip, *client, *stable, *canary;
	uint8_t protocol;
	bool is_tracked;
};

static const struct duo duos[] = {
	{"m4", "192.0.2.1", CLIENT4, "10.1.0.1", "10.2.0.2", IPPROTO_TCP, false},
	{"m6", "2001:db8:ff::1", CLIENT6, "2001:db8:2::2", "2001:db8:1::1", IPPROTO_TCP, false},
	{"k4", "192.0.2.2", CLIENT4, "10.2.0.4", "10.1.0.3", IPPROTO_TCP, true},
	{"k6", "2001:db8:ff::2", CLIENT6, "2001:db8:1::3", "2001:db8:2::4", IPPROTO_TCP, true},
	{"u4", "192.0.2.3", CLIENT4, "10.1.0.5", "10.2.0.6", IPPROTO_UDP, true},
	{"u6", "2001:db8:ff::3", CLIENT6, "2001:db8:2::6", "2001:db8:1::5", IPPROTO_UDP, true},
};

#define DUOS (sizeof(duos) / sizeof(*duos))

/* One of a duo's two backends, as a way of its own. */
static struct icmp_way way_to(const struct duo *d, bool is_canary)
{
	const char *backend = is_canary ? d->canary : d->stable;
	struct in6_addr address = lab_addr(backend);
	bool is_v4 = !strchr(backend, ':');
	uint8_t net = is_v4 ? address.s6_addr[13] : address.s6_addr[5];

	return (struct icmp_way){
		.name = d->name,
		.vip = d->vip,
		.backend = backend,
		.client = d->client,
		.router = is_v4 ? ROUTER4 : ROUTER6,
		.port = 80,
		.backend_port = 8080,
		.protocol = d->protocol,
		.is_back = net == 2,
		.mac = {2, 0, 0, net, is_v4 ? 4 : 6, address.s6_addr[15]},
	};
}

static void apply(void)
{
	char *yaml = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&yaml, &len);

	fputs(LAB_HEAD, f);
	for (size_t i = 0; i < DUOS; i++)
		fprintf(f,
			"  - {name: %s, vip: '%s', port: 80, protocol: %s, track: %s, primary: s, "
			"pools: [{name: c, weight: 0, backends: [{address: '%s', port: 8080}]}, "
			"{name: s, backends: [{address: '%s', port: 8080}]}]}\n",
			duos[i].name, duos[i].vip, duos[i].protocol == IPPROTO_TCP ? "tcp" : "udp",
			duos[i].is_tracked ? "always" : "changed", duos[i].canary, duos[i].stable);
	fclose(f);
	lab_apply(yaml);
	free(yaml);
}

static int setup(void **state)
{
	lab_setup(state);
	apply();
	for (size_t i = 0; i < DUOS; i++) {
		struct icmp_way stable = way_to(&duos[i], false);

		icmp_open(&stable, OLD_PORT);
		assert_int_equal(lab_shift(duos[i].name, "c", 1000000), 0);
		icmp_open(&stable, NEW_PORT);
	}
	return 0;
}

/* An error of the flow of a client's port goes by this backend. */
static void expect_forwarded(const struct duo *d, bool is_canary, uint16_t port, bool to_client)
{
	struct icmp_way w = way_to(d, is_canary);
	struct icmp_message message[2];
	struct quoted quote[2];

	for (size_t kind = 0; kind < ICMP_KINDS; kind++) {
		icmp_draw(&w, port, to_client, kind, message, quote);
		icmp_expect(icmp_nic(&w, to_client), &message[0], &quote[0], icmp_action(&w),
			    &message[1], &quote[1]);
	}
}

static void expect_passed(const struct duo *d, bool is_canary, uint16_t port, bool to_client)
{
	struct icmp_way w = way_to(d, is_canary);
	struct icmp_message message[2];
	struct quoted quote[2];

	icmp_note_verdicts();
	icmp_draw(&w, port, to_client, 4, message, quote);
	icmp_expect(icmp_nic(&w, to_client), &message[0], &quote[0], XDP_PASS, NULL, NULL);
	icmp_expect_counted(SERIN_PASS_NO_FLOW, 1);
}

static void test_errors_follow_their_flow(void **state)
{
	uint64_t memory = icmp_memory();

	(void)state;
	for (size_t i = 0; i < DUOS; i++) {
		for (int to_client = 0; to_client < 2; to_client++) {
			expect_forwarded(&duos[i], false, OLD_PORT, to_client);
			expect_forwarded(&duos[i], true, NEW_PORT, to_client);
		}
	}
	assert_int_equal(icmp_memory(), memory);
}

/* A backend can tell of its own flows alone. */
static void test_errors_of_backends_that_have_not_the_flow(void **state)
{
	uint64_t memory = icmp_memory();

	(void)state;
	for (size_t i = 0; i < DUOS; i++) {
		expect_passed(&duos[i], false, NEW_PORT, true);
		if (duos[i].is_tracked)
			expect_passed(&duos[i], true, OLD_PORT, true);
	}
	assert_int_equal(icmp_memory(), memory);
}

/* One that is not remembered is none where all are, and one of before the shift elsewhere. */
static void test_errors_of_flows_that_nobody_remembers(void **state)
{
	uint64_t memory = icmp_memory();

	(void)state;
	for (size_t i = 0; i < DUOS; i++) {
		if (duos[i].is_tracked) {
			expect_passed(&duos[i], false, NO_PORT, false);
			expect_passed(&duos[i], true, NO_PORT, false);
			expect_passed(&duos[i], false, NO_PORT, true);
			expect_passed(&duos[i], true, NO_PORT, true);
		} else {
			expect_forwarded(&duos[i], false, NO_PORT, false);
			expect_forwarded(&duos[i], false, NO_PORT, true);
		}
	}
	assert_int_equal(icmp_memory(), memory);
}

/* ---- pieces ---- */

#define PIECE_ID 0x5ee1u

static void send_piece(int nic, struct frame f, const struct quoted *piece, uint32_t action)
{
	uint8_t bytes[FRAME_MAX];
	size_t len = quote_frame(piece, &f, bytes);
	struct outcome out;

	lab_run(nic, bytes, len, &out);
	assert_int_equal(out.action, action);
}

/* The later piece of a datagram: bytes of its middle, and no ports. */
static struct quoted later_piece(const struct frame *f, uint32_t id)
{
	struct quoted q = quote_of(f);

	quote_make_piece(&q, 1200, true, id);
	return q;
}

/* Request and reply are sent in pieces; then a later one is quoted that never came by here. */
static void quote_piece(const struct duo *d, bool to_client, uint32_t id)
{
	struct icmp_way w = way_to(d, false);
	struct frame before, after, sent;
	struct icmp_message message[2];
	struct quoted first, quote[2];

	icmp_draw(&w, OLD_PORT, to_client, 0, message, quote);
	icmp_draw_quoted(&w, OLD_PORT, to_client, &before, &after);
	before.ip_option_words = after.ip_option_words = 0;
	sent = after; /* by whoever is to get the error */
	memcpy(sent.src_mac, to_client ? lab_client_mac : w.mac, 6);
	memcpy(sent.dst_mac, !to_client && w.is_back ? lab_back_mac : lab_front_mac, 6);
	sent.ttl = 64;
	first = quote_of(&sent);
	quote_make_piece(&first, 0, true, id);
	send_piece(!to_client && w.is_back ? lab_back : lab_front, sent, &first, icmp_action(&w));
	quote[0] = later_piece(&before, id);
	quote[1] = later_piece(&after, id);
	/* A checksum that is not one is not rewritten: what tells the two apart is the addresses. */
	memcpy(quote[1].bytes + quote_ip_len(&quote[0]), quote[0].bytes + quote_ip_len(&quote[0]),
	       quote[0].len - quote_ip_len(&quote[0]));
	icmp_expect(icmp_nic(&w, to_client), &message[0], &quote[0], icmp_action(&w), &message[1],
		    &quote[1]);
}

static void test_later_pieces_in_the_quote(void **state)
{
	(void)state;
	for (size_t i = 0; i < DUOS; i++) {
		if (duos[i].protocol != IPPROTO_UDP)
			continue;
		for (uint32_t n = 0; n < 20; n++)
			quote_piece(&duos[i], n & 1, PIECE_ID + n);
	}
}

static void test_later_pieces_whose_first_nobody_saw(void **state)
{
	(void)state;
	for (size_t i = 0; i < DUOS; i++) {
		for (int to_client = 0; to_client < 2; to_client++) {
			struct icmp_way w = way_to(&duos[i], false);
			struct icmp_message message[2];
			struct frame before, after;
			struct quoted quote[2];

			icmp_draw(&w, OLD_PORT, to_client, 0, message, quote);
			icmp_draw_quoted(&w, OLD_PORT, to_client, &before, &after);
			before.ip_option_words = 0;
			quote[0] = later_piece(&before, 77);
			icmp_note_verdicts();
			icmp_expect(icmp_nic(&w, to_client), &message[0], &quote[0], XDP_PASS, NULL,
				    NULL);
			icmp_expect_counted(SERIN_PASS_FRAGMENT, 1);
		}
	}
}

/* A first piece has ports, and is quoted as any packet. */
static void test_first_pieces_in_the_quote(void **state)
{
	uint64_t memory = icmp_memory();

	(void)state;
	for (size_t i = 0; i < DUOS; i++) {
		for (uint32_t n = 0; n < 8; n++) {
			struct icmp_way w = way_to(&duos[i], false);
			struct icmp_message message[2];
			struct quoted quote[2];

			icmp_draw(&w, OLD_PORT, n & 1, n, message, quote);
			quote_make_piece(&quote[0], 0, true, n);
			quote_make_piece(&quote[1], 0, true, n);
			icmp_expect(icmp_nic(&w, n & 1), &message[0], &quote[0], icmp_action(&w),
				    &message[1], &quote[1]);
		}
	}
	assert_int_equal(icmp_memory(), memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors_follow_their_flow),
		cmocka_unit_test(test_errors_of_backends_that_have_not_the_flow),
		cmocka_unit_test(test_errors_of_flows_that_nobody_remembers),
		cmocka_unit_test(test_later_pieces_in_the_quote),
		cmocka_unit_test(test_later_pieces_whose_first_nobody_saw),
		cmocka_unit_test(test_first_pieces_in_the_quote),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, setup, lab_teardown);
}
