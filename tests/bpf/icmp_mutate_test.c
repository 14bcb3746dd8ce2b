// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Damaged ICMP: whatever comes in, one verdict; what passes is as it came, and no checksum of what
 * leaves is any more wrong than it was.
 */
#include "icmp_ways.h"
#include "wire.h"

#define SEED   0x6c93f8a1d57e20b4ull
#define FRAMES 150000
#define PORT   4000

static const char more[] =
	"  - {name: i44, vip: 192.0.2.4, port: 80, protocol: tcp, forwarding: ipip, "
	"source_addresses: [10.9.0.7], pools: [{name: p, backends: [{address: 10.1.0.7, port: "
	"80}]}]}\n"
	"  - {name: g66, vip: '2001:db8:ff::5', port: 80, protocol: udp, forwarding: gue, "
	"source_addresses: ['2001:db8:9::7'], pools: [{name: p, backends: [{address: "
	"'2001:db8:2::8', port: 80}]}]}\n"
	"  - {name: d4, vip: 192.0.2.6, port: 80, protocol: udp, forwarding: dsr, pools: [{name: "
	"p, backends: [{address: 10.2.0.9, port: 80}]}]}\n";

/* Ways whose errors go to the backend without a change. */
static const struct icmp_way untranslated[] = {
	{"i44", "192.0.2.4", "192.0.2.4", CLIENT4, ROUTER4, 80, 80, IPPROTO_TCP, false, {0}, NULL},
	{"g66",
	 "2001:db8:ff::5",
	 "2001:db8:ff::5",
	 CLIENT6,
	 ROUTER6,
	 80,
	 80,
	 IPPROTO_UDP,
	 true,
	 {0},
	 NULL},
	{"d4", "192.0.2.6", "192.0.2.6", CLIENT4, ROUTER4, 80, 80, IPPROTO_UDP, true, {0}, NULL},
};

static uint8_t bytes[FRAME_MAX];
static size_t len;
static uint64_t seen[SERIN_REASON_MAX];
static int verdicts_fd;

static int setup(void **state)
{
	lab_setup(state);
	icmp_apply_ways_and(more);
	for (size_t i = 0; i < ICMP_WAYS; i++)
		icmp_open(&icmp_ways[i], PORT);
	for (size_t i = 0; i < 3; i++)
		icmp_open(&untranslated[i], PORT);
	verdicts_fd = icmp_open_map("verdicts");
	icmp_read_verdicts(seen);
	return 0;
}

/* The one reason that was counted since the last time. */
static enum serin_reason counted(void)
{
	uint64_t now[SERIN_REASON_MAX], sum = 0;
	enum serin_reason reason = SERIN_GO_ON;

	icmp_sum_verdicts(verdicts_fd, now);
	for (int i = 0; i < SERIN_REASON_MAX; i++) {
		sum += now[i] - seen[i];
		if (now[i] != seen[i])
			reason = (enum serin_reason)i;
	}
	memcpy(seen, now, sizeof(seen));
	assert_int_equal(sum, 1);
	return reason;
}

/* ---- what comes in ---- */

static int make_error(void)
{
	bool is_translated = lab_below(4);
	const struct icmp_way *w = is_translated ? &icmp_ways[lab_below(ICMP_WAYS)]
						 : &untranslated[lab_below(3)];
	bool to_client = is_translated && lab_below(2);
	struct icmp_message message[2];
	struct quoted quote[2];

	icmp_draw(w, PORT, to_client, lab_below(ICMP_KINDS), message, quote);
	quote[0] = quote_cut(quote[0], quote_ip_len(&quote[0]) + lab_below(600));
	if (lab_below(10) == 0)
		quote_make_piece(&quote[0], (uint16_t)(8 * lab_below(3)), lab_below(2), 5);
	len = icmp_build(&message[0], &quote[0], bytes);
	return icmp_nic(w, to_client);
}

/* An echo request, or what is too big. */
static int make_answerable(void)
{
	const struct icmp_way *w = &icmp_ways[lab_below(4)];
	struct frame f = icmp_request(w, PORT);

	f.fill = (uint32_t)lab_random();
	if (lab_below(2)) {
		struct icmp_message m = {.outer = f, .type = icmp_is_v4(w) ? 8 : 128};
		struct quoted payload = quote_of(&f);

		len = icmp_build(&m, &payload, bytes);
	} else {
		f.payload_len = (uint16_t)(1300 + lab_below(400));
		len = frame_build(&f, bytes);
	}
	return lab_front;
}

/* What a router says of a packet in a tunnel. */
static int make_complaint(void)
{
	bool is_v4 = lab_below(2);
	struct icmp_message m = {.outer = icmp_request(&icmp_ways[is_v4 ? 0 : 2], PORT)};
	struct frame f = icmp_request(&untranslated[is_v4 ? 0 : 1], PORT);
	struct outcome sent;
	struct quoted q;

	lab_run_frame(lab_front, &f, &sent);
	counted();
	q.len = sent.len - FRAME_ETH;
	memcpy(q.bytes, sent.bytes + FRAME_ETH, q.len);
	m.outer.src = lab_addr(is_v4 ? ROUTER4 : ROUTER6);
	m.outer.dst = lab_wire_addr(sent.bytes, false);
	m.type = is_v4 ? 3 : 2;
	m.code = is_v4 ? 4 : 0;
	m.rest = lab_below(4) ? 1390 : (uint32_t)lab_random();
	q = quote_cut(q, 20 + lab_below(100));
	len = icmp_build(&m, &q, bytes);
	return lab_back;
}

static int make_frame(void)
{
	static const uint32_t tags[] = {0x88a8a123, 0x81006456};
	uint32_t what = lab_below(10);
	int nic = what < 7 ? make_error() : what < 9 ? make_answerable() : make_complaint();

	if (lab_below(8) == 0)
		len = icmp_insert_tags(bytes, len, tags, (int)(1 + lab_below(2)));
	return nic;
}

/* One wound: a bit, a byte, a telling value, a cut, or a copy; mostly where headers are. */
static void damage(void)
{
	static const uint8_t values[] = {0,  1,	 4,  5,	 6,   8,   17,	20,  40,  43,
					 44, 58, 60, 64, 127, 128, 129, 224, 254, 255};
	size_t at = lab_below(lab_below(4) && len > 160 ? 160 : (uint32_t)len);

	switch (lab_below(6)) {
	case 0:
		bytes[at] ^= (uint8_t)(1u << lab_below(8));
		break;
	case 1:
		bytes[at] = (uint8_t)lab_random();
		break;
	case 2:
		bytes[at] = values[lab_below(sizeof(values))];
		break;
	case 3:
		len = FRAME_ETH + lab_below((uint32_t)len - FRAME_ETH + 1);
		break;
	case 4:
		for (uint32_t n = lab_below(64); n && len < 1700; n--)
			bytes[len++] = (uint8_t)lab_random();
		break;
	default:
		for (uint32_t i = 0, from = lab_below((uint32_t)len); i < 8; i++)
			bytes[(at + i) % len] = bytes[(from + i) % len];
	}
}

/* ---- what goes out ---- */

/* How wrong the checksums of an ICMP message's packet are. */
struct faults {
	uint16_t ip, icmp, quoted_ip;
};

static struct faults faults_of(const struct wire *w)
{
	uint32_t size = (uint32_t)(w->end - w->l4);
	uint32_t pseudo = w->is_v4 ? 0 : frame_pseudo_sum(w->ip, false, IPPROTO_ICMPV6, size);
	const uint8_t *quoted = w->l4 + 8;
	struct faults f = {.ip = wire_ip_residue(w)};

	f.icmp = frame_fold(frame_sum(w->l4, size, pseudo)) % 0xffff;
	if (w->is_v4 && size >= 28)
		f.quoted_ip = frame_fold(frame_sum(quoted, (quoted[0] & 15u) * 4, 0)) % 0xffff;
	return f;
}

static bool is_icmp(const struct wire *w)
{
	return w->protocol == (w->is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6) && w->end - w->l4 >= 8;
}

/* Forwarded or echoed: as right, and as wrong, as it came; the rest of it is all there. */
static void expect_no_worse(const struct outcome *out)
{
	struct wire before = {}, after = {}, inner = {};
	struct faults was, is;

	assert_true(wire_read(bytes, len, &before) && wire_read(out->bytes, out->len, &after));
	if (wire_read_inner(&after, &inner)) {
		assert_int_equal(wire_ip_residue(&after), 0);
		after = inner;
	} else {
		assert_int_equal(out->len, len);
	}
	if (!is_icmp(&before))
		return;
	assert_int_equal(after.end - after.ip, before.end - before.ip);
	was = faults_of(&before);
	is = faults_of(&after);
	assert_memory_equal(&was, &is, sizeof(is));
}

static void expect_right_answer(const struct outcome *out)
{
	static const struct faults none;
	struct wire w = {};
	struct faults f;

	assert_true(wire_read(out->bytes, out->len, &w));
	assert_true(is_icmp(&w) && w.end == out->bytes + out->len);
	f = faults_of(&w);
	f.quoted_ip = none.quoted_ip; /* as it came */
	assert_memory_equal(&f, &none, sizeof(none));
}

static void expect_sane(enum serin_reason reason, const struct outcome *out)
{
	switch (out->action) {
	case XDP_PASS:
	case XDP_DROP:
		assert_int_equal(out->len, len);
		assert_memory_equal(out->bytes, bytes, len);
		return;
	case XDP_TX:
	case XDP_REDIRECT:
		if (reason == SERIN_ANSWER_TOO_BIG)
			expect_right_answer(out);
		else
			expect_no_worse(out);
		return;
	default:
		fail_msg("action %u", out->action);
	}
}

static void test_damaged_messages(void **state)
{
	uint64_t reasons[SERIN_REASON_MAX] = {};

	(void)state;
	for (int i = 0; i < FRAMES; i++) {
		int nic = make_frame();
		enum serin_reason reason;
		struct outcome out;

		if (i % 64 == 0)
			icmp_fill_budget();
		for (uint32_t n = lab_below(4); n; n--)
			damage();
		lab_run(nic, bytes, len, &out);
		reason = counted();
		expect_sane(reason, &out);
		reasons[reason]++;
	}
	for (int i = 1; i < SERIN_REASON_MAX; i++)
		printf("%s %llu, ", dataplane_reason_name((enum serin_reason)i),
		       (unsigned long long)reasons[i]);
	printf("\n");
	/* The damage was neither too little nor too much to tell anything. */
	assert_true(reasons[SERIN_FORWARD_TX] > FRAMES / 20);
	assert_true(reasons[SERIN_FORWARD_REDIRECT] > FRAMES / 20);
	assert_true(reasons[SERIN_PASS_MALFORMED] > FRAMES / 20);
	assert_true(reasons[SERIN_PASS_TUNNEL_ERROR] > FRAMES / 100);
	assert_true(reasons[SERIN_ANSWER_ECHO] > FRAMES / 100);
	assert_true(reasons[SERIN_ANSWER_TOO_BIG] > FRAMES / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_damaged_messages),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, setup, lab_teardown);
}
