/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the building of ICMP messages for tests: the packet quoted is built whole, with every checksum
 * computed in full, and then cut; so is the message around it. It shares no code with what it is to
 * judge. For inclusion by one test program each.
 */
#pragma once

#include "dataplane/internal.h"

#include "lab.h"

/* A packet as it is quoted: from its IP header on. */
struct quoted {
	uint8_t bytes[FRAME_MAX];
	size_t len;
};

struct icmp_message {
	struct frame
		outer; /* addresses, TTL, IPv4 options, what else the IP header is filled with */
	uint8_t type, code;
	uint32_t rest; /* what follows the checksum */
};

static inline struct quoted quote_of(const struct frame *f)
{
	struct frame unpadded = *f;
	uint8_t bytes[FRAME_MAX];
	struct quoted q;

	unpadded.padding = 0;
	q.len = frame_build(&unpadded, bytes) - FRAME_ETH;
	memcpy(q.bytes, bytes + FRAME_ETH, q.len);
	return q;
}

/* At most so many bytes of it. */
static inline struct quoted quote_cut(struct quoted q, size_t len)
{
	q.len = len < q.len ? len : q.len;
	return q;
}

static inline size_t quote_ip_len(const struct quoted *q)
{
	return q->bytes[0] >> 4 == 4 ? (q->bytes[0] & 15u) * 4 : 40;
}

/* An IPv6 extension header right after the IPv6 header. */
static inline void quote_insert_header(struct quoted *q, uint8_t type, const uint8_t *header,
				       size_t len)
{
	memmove(q->bytes + 40 + len, q->bytes + 40, q->len - 40);
	memcpy(q->bytes + 40, header, len);
	q->bytes[40] = q->bytes[6];
	q->bytes[6] = type;
	frame_put16(q->bytes + 4, (uint16_t)(frame_get16(q->bytes + 4) + len));
	q->len += len;
}

/* Makes it a piece of a datagram: IPv4, as its header says; IPv6, by a fragment header. */
static inline void quote_make_piece(struct quoted *q, uint16_t offset, bool more, uint32_t id)
{
	uint8_t header[8] = {0};

	if (q->bytes[0] >> 4 == 4) {
		frame_put16(q->bytes + 4, (uint16_t)id);
		frame_put16(q->bytes + 6, (uint16_t)(offset / 8 | (more ? 0x2000 : 0)));
		frame_put16(q->bytes + 10, 0);
		frame_put16(q->bytes + 10,
			    (uint16_t)~frame_fold(frame_sum(q->bytes, quote_ip_len(q), 0)));
		return;
	}
	frame_put16(header + 2, (uint16_t)(offset | more));
	frame_put16(header + 4, (uint16_t)(id >> 16));
	frame_put16(header + 6, (uint16_t)id);
	quote_insert_header(q, IPPROTO_FRAGMENT, header, sizeof(header));
}

/* Writes the frame and returns its length. */
static inline size_t icmp_build(const struct icmp_message *m, const struct quoted *q,
				uint8_t out[FRAME_MAX])
{
	struct frame f = m->outer;
	size_t len = 8 + q->len;
	uint8_t *icmp;

	f.protocol = frame_is_v4(&f) ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	f.payload_len = (uint16_t)len;
	frame_build(&f, out);
	icmp = out + frame_l4_offset(out);
	icmp[0] = m->type;
	icmp[1] = m->code;
	frame_put16(icmp + 2, 0);
	frame_put16(icmp + 4, (uint16_t)(m->rest >> 16));
	frame_put16(icmp + 6, (uint16_t)m->rest);
	memcpy(icmp + 8, q->bytes, q->len);
	frame_put16(icmp + 2,
		    (uint16_t)~frame_fold(frame_sum(
			    icmp, len,
			    frame_is_v4(&f) ? 0
					    : frame_pseudo_sum(out + FRAME_ETH, false,
							       IPPROTO_ICMPV6, (uint32_t)len))));
	return (size_t)(icmp - out) + len + f.padding;
}

/* A packet in a frame: addressed as `f` is, and nothing else of it. */
static inline size_t quote_frame(const struct quoted *q, const struct frame *f,
				 uint8_t out[FRAME_MAX])
{
	memcpy(out, f->dst_mac, 6);
	memcpy(out + 6, f->src_mac, 6);
	frame_put16(out + 12, q->bytes[0] >> 4 == 4 ? 0x0800 : 0x86dd);
	memcpy(out + FRAME_ETH, q->bytes, q->len);
	return FRAME_ETH + q->len;
}

/* Puts 802.1Q or 802.1ad tags into a built frame. Returns its length. */
static inline size_t icmp_insert_tags(uint8_t *bytes, size_t len, const uint32_t *tags, int count)
{
	memmove(bytes + 12 + 4 * count, bytes + 12, len - 12);
	for (int i = 0; i < count; i++) {
		frame_put16(bytes + 12 + 4 * i, (uint16_t)(tags[i] >> 16));
		frame_put16(bytes + 14 + 4 * i, (uint16_t)tags[i]);
	}
	return len + 4u * (unsigned int)count;
}

/* The errors there are. */
struct icmp_kind {
	uint8_t type, code;
	uint32_t rest;
};

static const struct icmp_kind icmp4_kinds[] = {
	{3, 0, 0},  {3, 1, 0},	{3, 2, 0},  {3, 3, 0},	       {3, 4, 1300},
	{3, 13, 0}, {11, 0, 0}, {11, 1, 0}, {12, 0, 9u << 24},
};
static const struct icmp_kind icmp6_kinds[] = {
	{1, 0, 0}, {1, 1, 0}, {1, 3, 0}, {1, 4, 0},  {2, 0, 1300},
	{3, 0, 0}, {3, 1, 0}, {4, 0, 6}, {4, 1, 40},
};

#define ICMP_KINDS (sizeof(icmp4_kinds) / sizeof(*icmp4_kinds))

static inline const struct icmp_kind *icmp_kind_of(bool is_v4, size_t i)
{
	return is_v4 ? &icmp4_kinds[i % ICMP_KINDS] : &icmp6_kinds[i % ICMP_KINDS];
}

/* ---- what the maps say ---- */

static inline int icmp_open_map(const char *name)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), LAB_PINS "/%s", name);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	return fd;
}

static uint64_t icmp_verdicts[SERIN_REASON_MAX];

static inline void icmp_sum_verdicts(int fd, uint64_t sums[SERIN_REASON_MAX])
{
	struct serin_verdicts values[libbpf_num_possible_cpus()];
	uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(fd, &zero, values), 0);
	memset(sums, 0, SERIN_REASON_MAX * sizeof(*sums));
	for (int cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++)
		for (int i = 0; i < SERIN_REASON_MAX; i++)
			sums[i] += values[cpu].packets[i];
}

static inline void icmp_read_verdicts(uint64_t sums[SERIN_REASON_MAX])
{
	int fd = icmp_open_map("verdicts");

	icmp_sum_verdicts(fd, sums);
	close(fd);
}

static inline void icmp_note_verdicts(void)
{
	icmp_read_verdicts(icmp_verdicts);
}

/* `times` packets since icmp_note_verdicts(), all of them for this reason. */
static inline void icmp_expect_counted(enum serin_reason reason, uint64_t times)
{
	uint64_t now[SERIN_REASON_MAX];

	icmp_read_verdicts(now);
	for (int i = 0; i < SERIN_REASON_MAX; i++)
		if (now[i] - icmp_verdicts[i] != (i == (int)reason ? times : 0) && i != (int)reason)
			fail_msg("%s, to be %s", dataplane_reason_name((enum serin_reason)i),
				 dataplane_reason_name(reason));
	assert_int_equal(now[reason] - icmp_verdicts[reason], times);
}

static inline int icmp_sum_flow(const struct dp_flow *flow, void *arg)
{
	uint64_t *sum = arg;

	*sum += (flow->service * 5u + flow->position * 3u + flow->client_port_be +
		 flow->client.word_be[3]) ^
		flow->value;
	return 0;
}

/* A number made of all that packets remember: flows, ways to clients, pieces, conversations. */
static inline uint64_t icmp_memory(void)
{
	static const char *const hashes[] = {"client_hops", "direct_flows", "fragments"};
	struct dataplane *dp = lab_open(DATAPLANE_WRITE);
	uint8_t key[64], next[64], value[64];
	uint64_t sum = 0;

	assert_int_equal(dp_each_flow(dp, icmp_sum_flow, &sum), 0);
	dataplane_close(dp);
	for (size_t m = 0; m < sizeof(hashes) / sizeof(*hashes); m++) {
		int fd = icmp_open_map(hashes[m]);

		for (int more = bpf_map_get_next_key(fd, NULL, next); !more;
		     more = bpf_map_get_next_key(fd, key, next)) {
			memcpy(key, next, sizeof(key));
			memset(value, 0, sizeof(value));
			bpf_map_lookup_elem(fd, key, value);
			for (size_t i = 0; i < sizeof(value); i++)
				sum = sum + value[i] * (i + 7) + 1;
		}
		close(fd);
	}
	return sum;
}

/* As if nothing had been answered for long. */
static inline void icmp_fill_budget(void)
{
	struct serin_answers values[libbpf_num_possible_cpus()];
	int fd = icmp_open_map("answer_budget");
	uint32_t zero = 0;

	memset(values, 0, sizeof(values));
	assert_int_equal(bpf_map_update_elem(fd, &zero, values, 0), 0);
	close(fd);
}

/* ---- running ---- */

static inline void icmp_expect_bytes(const struct outcome *out, uint32_t action,
				     const uint8_t *bytes, size_t len)
{
	if (out->action != action)
		fail_msg("action %u, to be %u", out->action, action);
	assert_int_equal(out->len, len);
	for (size_t i = 0; i < len; i++)
		if (out->bytes[i] != bytes[i])
			fail_msg("byte %zu of %zu is %02x, to be %02x", i, len, out->bytes[i],
				 bytes[i]);
}

/* In comes one message, out goes another, or the same if `to` is NULL. */
static inline void icmp_expect(int nic, const struct icmp_message *from, const struct quoted *q,
			       uint32_t action, const struct icmp_message *to,
			       const struct quoted *to_q)
{
	uint8_t in[FRAME_MAX], wanted[FRAME_MAX];
	size_t len = icmp_build(from, q, in), wanted_len = len;
	struct outcome out;

	lab_run(nic, in, len, &out);
	if (to)
		wanted_len = icmp_build(to, to_q, wanted);
	icmp_expect_bytes(&out, action, to ? wanted : in, wanted_len);
}
