// SPDX-License-Identifier: GPL-2.0-or-later
/* Random and damaged frames: whatever comes in, one verdict, and nothing made worse. */
#include "lab.h"

#define SEED   0xe3147ac05d9f682bull
#define FRAMES 200000
#define BASES  8

static const char config[] = LAB_HEAD
	"  - {name: t4, vip: 192.0.2.1, port: 80, protocol: tcp, pools: [{name: p, backends: "
	"[{address: 10.1.0.1, port: 8080}]}]}\n"
	"  - {name: u4, vip: 192.0.2.1, port: 53, protocol: udp, affinity: client, pools: [{name: "
	"p, backends: [{address: 10.2.0.1, port: 53}]}]}\n"
	"  - {name: t6, vip: '2001:db8:ff::1', port: 80, protocol: tcp, pools: [{name: p, "
	"backends: "
	"[{address: '2001:db8:1::1', port: 8080}]}]}\n"
	"  - {name: u6, vip: '2001:db8:ff::1', port: 53, protocol: udp, affinity: client, pools: "
	"[{name: p, backends: [{address: '2001:db8:2::1', port: 53}]}]}\n";

static const struct {
	const char *client, *vip, *backend;
	uint16_t port, backend_port;
	uint8_t protocol;
} ways[] = {
	{"198.51.100.1", "192.0.2.1", "10.1.0.1", 80, 8080, IPPROTO_TCP},
	{"198.51.100.1", "192.0.2.1", "10.2.0.1", 53, 53, IPPROTO_UDP},
	{"2001:db8:c::1", "2001:db8:ff::1", "2001:db8:1::1", 80, 8080, IPPROTO_TCP},
	{"2001:db8:c::1", "2001:db8:ff::1", "2001:db8:2::1", 53, 53, IPPROTO_UDP},
};

static struct frame bases[BASES];

/* A request of each kind, run so that its flow is known, and the reply to it. */
static int setup(void **state)
{
	lab_setup(state);
	lab_apply(config);
	for (int i = 0; i < 4; i++) {
		struct outcome out;

		bases[i] = lab_request(ways[i].client, 4321, ways[i].vip, ways[i].port,
				       ways[i].protocol);
		bases[i].payload_len = 60;
		lab_run_frame(lab_front, &bases[i], &out);
		assert_true(out.action == XDP_TX || out.action == XDP_REDIRECT);
		bases[i + 4] = frame_reply(&bases[i]);
		bases[i + 4].src = lab_addr(ways[i].backend);
		bases[i + 4].src_port = ways[i].backend_port;
	}
	return 0;
}

/* Half of the damage goes where the headers are. */
static void damage(uint8_t *bytes, size_t *len)
{
	static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff,
					 0x45, 0x4f, 0x60, 0x06, 0x11};
	uint32_t at = lab_below((uint32_t)(lab_below(2) && *len > 60 ? 60 : *len));

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
	case 3: /* cut */
		*len = FRAME_ETH + lab_below((uint32_t)*len - FRAME_ETH + 1);
		break;
	case 4: /* lengthen */
		for (uint32_t more = lab_below(64); more && *len < 1600; more--)
			bytes[(*len)++] = (uint8_t)lab_random();
		break;
	default: /* copy a piece over another */
		for (uint32_t i = 0, from = lab_below((uint32_t)*len); i < 8; i++)
			bytes[(at + i) % *len] = bytes[(from + i) % *len];
	}
}

static size_t make_frame(uint8_t bytes[FRAME_MAX])
{
	struct frame f = bases[lab_below(BASES)];
	size_t len;

	if (lab_below(20) == 0) { /* noise */
		len = FRAME_ETH + lab_below(200);
		for (size_t i = 0; i < len; i++)
			bytes[i] = (uint8_t)lab_random();
		if (lab_below(2))
			frame_put16(bytes + 12, lab_below(2) ? 0x0800 : 0x86dd);
		return len;
	}
	f.fill = (uint32_t)lab_random();
	f.tcp_flags = (uint8_t)lab_random();
	f.ttl = (uint8_t)lab_random();
	f.payload_len = (uint16_t)lab_below(lab_below(8) ? 100 : 1500);
	f.ip_option_words = frame_is_v4(&f) ? (uint8_t)lab_below(11) : 0;
	f.no_udp_csum = frame_is_v4(&f) && lab_below(4) == 0;
	f.padding = (uint16_t)lab_below(8);
	len = frame_build(&f, bytes);
	for (uint32_t n = lab_below(4); n; n--)
		damage(bytes, &len);
	return len;
}

/* How wrong a frame's checksums are: sums that are 0 (or 0xffff, which is 0 too) of a right one. */
struct residue {
	uint16_t ip, transport;
	bool is_unchecked; /* UDP over IPv4 without a checksum */
};

static struct residue residue_of(const uint8_t *bytes)
{
	const uint8_t *ip = bytes + FRAME_ETH, *l4 = bytes + frame_l4_offset(bytes);
	bool is_v4 = bytes[12] == 0x08;
	uint8_t protocol = is_v4 ? ip[9] : ip[6];
	size_t header = (size_t)(l4 - ip);
	size_t body = is_v4 ? frame_get16(ip + 2) - header : frame_get16(ip + 4);
	struct residue r = {};

	if (protocol == IPPROTO_UDP)
		body = frame_get16(l4 + 4);
	if (is_v4)
		r.ip = (uint16_t)(frame_fold(frame_sum(ip, header, 0)) % 0xffff);
	r.is_unchecked = is_v4 && protocol == IPPROTO_UDP && !frame_get16(l4 + 6);
	if (!r.is_unchecked)
		r.transport = (uint16_t)(frame_fold(frame_sum(l4, body,
							      frame_pseudo_sum(ip, is_v4, protocol,
									       (uint32_t)body))) %
					 0xffff);
	return r;
}

static void expect_no_worse(const uint8_t *in, size_t len, const struct outcome *out)
{
	struct residue before = residue_of(in), after = residue_of(out->bytes);
	size_t l4 = frame_l4_offset(in);
	size_t ttl = FRAME_ETH + (in[12] == 0x08 ? 8 : 7);

	assert_int_equal(out->len, len);
	assert_int_equal(before.ip, after.ip);
	assert_int_equal(before.is_unchecked, after.is_unchecked);
	assert_int_equal(before.transport, after.transport);
	assert_true(in[ttl] > 1);
	assert_int_equal(out->bytes[ttl], in[ttl] - 1);
	/* Behind the checksum field of the longer transport header nothing ever changes. */
	assert_memory_equal(out->bytes + l4 + 18, in + l4 + 18, len - l4 - 18);
	assert_memory_equal(out->bytes + 12, in + 12, ttl - 12);
}

static void test_damaged_frames(void **state)
{
	struct snapshot *before = lab_snapshot(), *after;
	uint64_t actions[XDP_REDIRECT + 1] = {};
	uint8_t bytes[FRAME_MAX];
	struct outcome out;

	(void)state;
	for (int i = 0; i < FRAMES; i++) {
		size_t len = make_frame(bytes);

		lab_run(lab_below(2) ? lab_front : lab_back, bytes, len, &out);
		assert_true(out.action > XDP_ABORTED && out.action <= XDP_REDIRECT);
		actions[out.action]++;
		if (out.action == XDP_TX || out.action == XDP_REDIRECT) {
			if (len >= frame_l4_offset(bytes) + 18)
				expect_no_worse(bytes, len, &out);
			continue;
		}
		assert_int_equal(out.len, len);
		assert_memory_equal(out.bytes, bytes, len);
	}
	after = lab_snapshot();
	assert_int_equal(lab_packets(after) - lab_packets(before), FRAMES);
	assert_int_equal(after->packets[SERIN_GO_ON], 0);
	assert_int_equal(after->packets[SERIN_FORWARD_TX] - before->packets[SERIN_FORWARD_TX],
			 actions[XDP_TX]);
	assert_int_equal(after->packets[SERIN_FORWARD_REDIRECT] -
				 before->packets[SERIN_FORWARD_REDIRECT],
			 actions[XDP_REDIRECT]);
	printf("passed %llu, dropped %llu, sent %llu, redirected %llu\n",
	       (unsigned long long)actions[XDP_PASS], (unsigned long long)actions[XDP_DROP],
	       (unsigned long long)actions[XDP_TX], (unsigned long long)actions[XDP_REDIRECT]);
	/* The damage was neither too little nor too much to tell anything. */
	assert_true(actions[XDP_PASS] > FRAMES / 10);
	assert_true(actions[XDP_TX] > FRAMES / 10 && actions[XDP_REDIRECT] > FRAMES / 10);
	assert_true(after->packets[SERIN_PASS_MALFORMED] > FRAMES / 100);
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
