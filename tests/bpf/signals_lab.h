/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the services of the tests of signals, of every kind of forwarding there is something to tell
 * of, and conversations with their backends, packet by packet. All flows go to the pool `canary`,
 * which is not the primary. For inclusion by one test program each.
 */
#pragma once

#include "icmp_lab.h"
#include "lab.h"

struct talk_way {
	const char *name, *forwarding, *vip, *backend, *source, *settings;
	uint8_t protocol;
};

static const struct talk_way talk_ways[] = {
	{"nat4", "nat", "192.0.2.1", "10.1.0.1", "", "", IPPROTO_TCP},
	{"nat6", "nat", "2001:db8:ff::1", "2001:db8:1::1", "", "", IPPROTO_TCP},
	{"tracked4", "nat", "192.0.2.2", "10.1.0.2", "", ", track: always", IPPROTO_TCP},
	{"tracked6", "nat", "2001:db8:ff::2", "2001:db8:1::2", "", ", track: always", IPPROTO_TCP},
	{"full4", "fullnat", "192.0.2.3", "10.1.0.3", "10.8.0.3", "", IPPROTO_TCP},
	{"full6", "fullnat", "2001:db8:ff::3", "2001:db8:1::3", "2001:db8:8::3", "", IPPROTO_TCP},
	{"udp4", "nat", "192.0.2.4", "10.1.0.4", "", "", IPPROTO_UDP},
	{"udp6", "nat", "2001:db8:ff::4", "2001:db8:1::4", "", "", IPPROTO_UDP},
	{"ufull4", "fullnat", "192.0.2.5", "10.1.0.5", "10.8.0.5", "", IPPROTO_UDP},
	{"dsr4", "dsr", "192.0.2.6", "10.1.0.6", "", "", IPPROTO_TCP},
	{"dsr6", "dsr", "2001:db8:ff::6", "2001:db8:1::6", "", "", IPPROTO_TCP},
	{"ipip4", "ipip", "192.0.2.7", "10.1.0.7", "10.9.0.7", "", IPPROTO_TCP},
	{"gue6", "gue", "2001:db8:ff::7", "2001:db8:1::7", "2001:db8:9::7", "", IPPROTO_TCP},
	{"udsr4", "dsr", "192.0.2.8", "10.1.0.8", "", "", IPPROTO_UDP},
};

#define TALK_WAYS (sizeof(talk_ways) / sizeof(*talk_ways))

static inline bool way_is_v4(const struct talk_way *w)
{
	return !strchr(w->vip, ':');
}

/* Do answers come back this way? */
static inline bool way_is_seen(const struct talk_way *w)
{
	return !strcmp(w->forwarding, "nat") || !strcmp(w->forwarding, "fullnat");
}

static inline void way_describe(FILE *yaml, const struct talk_way *w)
{
	fprintf(yaml, "  - {name: %s, vip: '%s', port: 80, protocol: %s, forwarding: %s", w->name,
		w->vip, model_protocol_name(w->protocol), w->forwarding);
	if (*w->source)
		fprintf(yaml, ", source_addresses: ['%s']%s", w->source,
			!strcmp(w->forwarding, "fullnat") ? ", source_ports: 20000-29999" : "");
	fprintf(yaml,
		"%s, primary: stable, pools: [{name: canary, weight: 100, backends: [{address: "
		"'%s'}]}, {name: stable, backends: [{address: '%s'}]}]}\n",
		w->settings, w->backend, way_is_v4(w) ? "10.1.0.90" : "2001:db8:1::90");
}

static inline void talk_apply(void)
{
	char *text = NULL;
	size_t size;
	FILE *yaml = open_memstream(&text, &size);

	fputs(LAB_HEAD, yaml);
	for (size_t i = 0; i < TALK_WAYS; i++)
		way_describe(yaml, &talk_ways[i]);
	fclose(yaml);
	lab_apply(text);
	free(text);
}

static inline const struct talk_way *talk_way(const char *name)
{
	for (size_t i = 0; i < TALK_WAYS; i++)
		if (!strcmp(talk_ways[i].name, name))
			return &talk_ways[i];
	fail_msg("no way %s", name);
	return NULL;
}

/* ---- one conversation ---- */

struct talk {
	const struct talk_way *way;
	struct frame request;
	struct frame reply; /* as the backend would send it; after the first request */
};

static inline struct talk talk_from(const struct talk_way *w, const char *client, uint16_t port)
{
	return (struct talk){.way = w,
			     .request = lab_request(client, port, w->vip, 80, w->protocol)};
}

static inline struct talk talk_begin(const struct talk_way *w, uint16_t port)
{
	return talk_from(w, way_is_v4(w) ? "198.51.100.1" : "2001:db8:c::1", port);
}

/* @seq: TCP's number; the packet must be forwarded */
static inline void talk_run(const struct frame *f, uint32_t seq, struct outcome *out)
{
	uint8_t bytes[FRAME_MAX];
	size_t len = frame_build(f, bytes), l4 = frame_l4_offset(bytes);

	if (f->protocol == IPPROTO_TCP) {
		frame_put16(bytes + l4 + 4, (uint16_t)(seq >> 16));
		frame_put16(bytes + l4 + 6, (uint16_t)seq);
		frame_refresh(bytes);
	}
	lab_run(lab_front, bytes, len, out);
	if (out->action != XDP_TX)
		lab_fail("action %u where it was to be forwarded", out->action);
}

static inline void talk_learn_reply(struct talk *t, const uint8_t *bytes)
{
	struct frame sent = t->request;
	size_t l4 = frame_l4_offset(bytes);

	sent.src = lab_wire_addr(bytes, false);
	sent.dst = lab_wire_addr(bytes, true);
	sent.src_port = frame_get16(bytes + l4);
	sent.dst_port = frame_get16(bytes + l4 + 2);
	t->reply = frame_reply(&sent);
	memcpy(t->reply.dst_mac, lab_front_mac, 6);
}

static inline void talk_send(struct talk *t, uint8_t flags, uint32_t seq, uint16_t payload)
{
	struct frame f = t->request;
	struct outcome out;

	f.tcp_flags = flags;
	f.payload_len = payload;
	talk_run(&f, seq, &out);
	if (way_is_seen(t->way))
		talk_learn_reply(t, out.bytes);
}

static inline void talk_answer(const struct talk *t, uint8_t flags, uint32_t seq, uint16_t payload)
{
	struct frame f = t->reply;
	struct outcome out;

	f.tcp_flags = flags;
	f.payload_len = payload;
	talk_run(&f, seq, &out);
}

/* The backend's host sends an ICMP error about the last request. */
static inline void talk_error(const struct talk *t, uint8_t type4, uint8_t code4, uint8_t type6,
			      uint8_t code6)
{
	bool is_v4 = way_is_v4(t->way);
	struct frame sent = frame_reply(&t->reply);
	struct quoted q = quote_of(&sent);
	struct icmp_message m = {.outer = t->reply,
				 .type = is_v4 ? type4 : type6,
				 .code = is_v4 ? code4 : code6,
				 .rest = 0};
	uint8_t bytes[FRAME_MAX];
	struct outcome out;
	size_t len = icmp_build(&m, &q, bytes);

	lab_run(lab_front, bytes, len, &out);
	if (out.action != XDP_TX)
		lab_fail("action %u where an ICMP error was to be forwarded", out.action);
}

static inline void talk_unreachable(const struct talk *t)
{
	talk_error(t, 3, 3, 1, 4);
}

/* ---- what is counted ---- */

static inline struct serin_signals talk_signals(const char *service, const char *pool)
{
	struct snapshot *s = lab_snapshot();
	const struct snapshot_pool *p = lab_pool(s, service, pool);
	struct serin_signals signals = p->counters.signals;

	assert_int_equal(p->backend_count, 1);
	assert_memory_equal(&p->backends[0].counters.signals, &signals, sizeof(signals));
	snapshot_free(s);
	return signals;
}

static inline struct serin_signals talk_delta(const struct serin_signals *from,
					      const struct serin_signals *to)
{
	struct serin_signals delta;
	uint64_t a[sizeof(delta) / 8], b[sizeof(delta) / 8];

	memcpy(a, from, sizeof(a));
	memcpy(b, to, sizeof(b));
	for (size_t i = 0; i < sizeof(a) / sizeof(*a); i++)
		b[i] -= a[i];
	memcpy(&delta, b, sizeof(delta));
	return delta;
}

/* Since `from`, a service's canary and its backend have counted this and nothing else. */
static inline void talk_expect(const struct talk_way *w, const struct serin_signals *from,
			       const struct serin_signals *wanted)
{
	struct serin_signals to = talk_signals(w->name, "canary"), found = talk_delta(from, &to);
	uint64_t a[sizeof(found) / 8], b[sizeof(found) / 8];

	memcpy(a, &found, sizeof(a));
	memcpy(b, wanted, sizeof(b));
	for (size_t i = 0; i < sizeof(a) / sizeof(*a); i++)
		if (a[i] != b[i])
			fail_msg("%s: counter %zu is %llu, to be %llu", w->name, i,
				 (unsigned long long)a[i], (unsigned long long)b[i]);
}

/* ---- samples ---- */

static struct serin_sample *talk_samples; /* the kernel's */

static inline void talk_open_samples(void)
{
	int fd = icmp_open_map("samples");

	talk_samples = mmap(NULL, SERIN_SAMPLES * sizeof(*talk_samples), PROT_READ | PROT_WRITE,
			    MAP_SHARED, fd, 0);
	assert_true(talk_samples != MAP_FAILED);
	close(fd);
}

static inline size_t talk_count_samples(void)
{
	size_t count = 0;

	for (size_t i = 0; i < SERIN_SAMPLES; i++)
		count += talk_samples[i].key != 0;
	return count;
}

/* As if all had begun, and made their last step, so long ago. */
static inline void talk_age_samples(uint64_t ms)
{
	for (size_t i = 0; i < SERIN_SAMPLES; i++) {
		if (!talk_samples[i].key)
			continue;
		talk_samples[i].begun_ns -= ms * 1000000;
		talk_samples[i].step_ns -= ms * 1000000;
		talk_samples[i].seen_jiffies -= ms * (uint64_t)dp_ticks_per_second() / 1000;
	}
}

static inline void talk_sweep(void)
{
	assert_int_equal(dataplane_sweep(LAB_DIR), 0);
}

/* Of a pool; the backend's must be the same. */
static inline struct serin_histogram talk_latency(const struct talk_way *w,
						  enum serin_latency latency)
{
	struct snapshot *s = lab_snapshot();
	const struct snapshot_pool *p = lab_pool(s, w->name, "canary");
	struct serin_histogram h = p->latencies->of[latency];

	assert_memory_equal(&p->backends[0].latencies->of[latency], &h, sizeof(h));
	snapshot_free(s);
	return h;
}

static inline uint64_t talk_latency_count(const struct talk_way *w, enum serin_latency latency)
{
	struct serin_histogram h = talk_latency(w, latency);
	uint64_t count = 0;

	for (size_t i = 0; i < SERIN_BUCKETS; i++)
		count += h.bucket[i];
	return count;
}

static inline void talk_forget_samples(void)
{
	memset(talk_samples, 0, SERIN_SAMPLES * sizeof(*talk_samples));
}

/* Or they are too young for the same client to have another. */
static inline void talk_forget_failures(void)
{
	struct serin_failure_key key;
	int fd = icmp_open_map("failures");

	while (!bpf_map_get_next_key(fd, NULL, &key))
		assert_int_equal(bpf_map_delete_elem(fd, &key), 0);
	close(fd);
}

/* ---- conversations ---- */

static inline void open_connection(struct talk *t)
{
	talk_send(t, FRAME_SYN, 7, 0);
	talk_answer(t, FRAME_SYN | FRAME_ACK, 70, 0);
	talk_send(t, FRAME_ACK, 8, 0);
}

static inline void ask_and_answer(struct talk *t)
{
	open_connection(t);
	talk_send(t, FRAME_ACK, 8, 100);
	talk_send(t, FRAME_ACK, 108, 100);
	talk_answer(t, FRAME_ACK, 71, 0);
	talk_answer(t, FRAME_ACK, 71, 50);
	talk_answer(t, FRAME_ACK, 121, 50);
}

static inline void whole_connection(struct talk *t)
{
	ask_and_answer(t);
	talk_send(t, FRAME_ACK | FRAME_FIN, 208, 0);
	talk_send(t, FRAME_ACK | FRAME_FIN, 208, 0);
	talk_answer(t, FRAME_ACK | FRAME_FIN, 171, 0);
	talk_send(t, FRAME_ACK, 209, 0);
	talk_answer(t, FRAME_ACK | FRAME_FIN, 171, 0);
}

static inline void refuse(struct talk *t)
{
	talk_send(t, FRAME_SYN, 7, 0);
	talk_answer(t, FRAME_RST | FRAME_ACK, 0, 0);
}
