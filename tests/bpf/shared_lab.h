/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the services of the tests of shared backends: pairs of them, by family and protocol, that have
 * three backends in common and one each of their own; their flows, and the flow table's word on each.
 * For inclusion by one test program each.
 */
#pragma once

#include <arpa/inet.h>

#include <serin/hash.h>

#include "dataplane/internal.h"

#include "lab.h"

#define S_LIMITS                      \
	"version: 1\n"                \
	"interfaces: [front, back]\n" \
	"limits: {services: 32, backends: 128, flows: 8192}\n"
#define S_HEAD S_LIMITS "services:\n"

#define S_SHARED 3 /* hosts 1 .. 3; host 4 is the first service's own, 5 the second one's */

struct s_service {
	const char *name, *vip;
	bool is_v4;
	uint8_t protocol;
};

/* A service's sibling is the one beside it. */
enum { TCP4_A, TCP4_B, UDP4_A, UDP4_B, TCP6_A, TCP6_B, S_SERVICES };

static const struct s_service s_services[S_SERVICES] = {
	{"tcp4a", "192.0.2.1", true, IPPROTO_TCP},
	{"tcp4b", "192.0.2.2", true, IPPROTO_TCP},
	{"udp4a", "192.0.2.1", true, IPPROTO_UDP},
	{"udp4b", "192.0.2.2", true, IPPROTO_UDP},
	{"tcp6a", "2001:db8:ff::1", false, IPPROTO_TCP},
	{"tcp6b", "2001:db8:ff::2", false, IPPROTO_TCP},
};

/* The services whose bit is set in `which`; the caller frees it. */
static inline char *s_config(const char *head, unsigned int which)
{
	char *text = NULL;
	size_t size;
	FILE *yaml = open_memstream(&text, &size);

	fputs(head, yaml);
	for (int s = 0; s < S_SERVICES; s++) {
		const struct s_service *svc = &s_services[s];
		const char *host = svc->is_v4 ? "{address: 10.1.0.%d}, "
					      : "{address: '2001:db8:1::%d'}, ";

		if (!(which >> s & 1))
			continue;
		fprintf(yaml,
			"  - {name: %s, vip: '%s', port: 80, protocol: %s, pools: [{name: p, "
			"backends: [",
			svc->name, svc->vip, svc->protocol == IPPROTO_TCP ? "tcp" : "udp");
		for (int i = 1; i <= S_SHARED; i++)
			fprintf(yaml, host, i);
		fprintf(yaml, host, S_SHARED + 1 + s % 2);
		fputs("]}]}\n", yaml);
	}
	fclose(yaml);
	return text;
}

static inline void s_apply(const char *head, unsigned int which)
{
	char *yaml = s_config(head, which);

	lab_apply(yaml);
	free(yaml);
}

/* ---- packets ---- */

struct s_flow {
	int service;
	unsigned int client; /* the last byte of its address */
	uint16_t port;
};

static inline struct in6_addr s_client(const struct s_flow *f)
{
	char text[NET_ADDR_LEN];

	snprintf(text, sizeof(text),
		 s_services[f->service].is_v4 ? "198.51.100.%u" : "2001:db8:c::%x", f->client);
	return lab_addr(text);
}

static inline struct frame s_frame(const struct s_flow *f, uint8_t flags)
{
	const struct s_service *svc = &s_services[f->service];
	struct frame frame = lab_request("::", f->port, svc->vip, 80, svc->protocol);

	frame.src = s_client(f);
	frame.tcp_flags = flags;
	return frame;
}

/* The host it reaches, or 0. */
static inline unsigned int s_send(const struct s_flow *f, uint8_t flags)
{
	struct frame frame = s_frame(f, flags);

	return lab_ask(&frame);
}

/* What a host sends to the client: which service's it becomes, or -1 if it is nobody's. */
static inline int s_answer(const struct s_flow *f, unsigned int host, uint8_t flags)
{
	struct frame request = s_frame(f, flags), reply = frame_reply(&request);
	char text[NET_ADDR_LEN];
	struct in6_addr from, vip;
	struct outcome out;

	snprintf(text, sizeof(text), s_services[f->service].is_v4 ? "10.1.0.%u" : "2001:db8:1::%x",
		 host);
	reply.src = lab_addr(text);
	lab_run_frame(lab_front, &reply, &out);
	if (out.action != XDP_TX)
		return -1;
	from = lab_wire_addr(out.bytes, false);
	for (int s = f->service & ~1; s <= (f->service | 1); s++) {
		vip = lab_addr(s_services[s].vip);
		if (!memcmp(&from, &vip, sizeof(vip)))
			return s;
	}
	lab_fail("an answer from none of the pair's VIPs");
	return -1;
}

static inline struct s_flow s_twin(const struct s_flow *f)
{
	return (struct s_flow){f->service ^ 1, f->client, f->port};
}

/* Where a flow of nobody's yet would go. */
static inline unsigned int s_choice(struct dataplane *dp, const struct s_flow *f)
{
	struct in6_addr client = s_client(f);
	struct explanation e = lab_explain(dp, s_services[f->service].name, &client, f->port);

	assert_true(e.has_backend);
	return e.backend.s6_addr[15];
}

/* A client's port by which both services of a pair choose one host: @f is the first one's flow. */
static inline void s_draw_collision(struct dataplane *dp, int service, struct s_flow *f)
{
	struct s_flow twin;

	do {
		*f = (struct s_flow){service, 1 + lab_below(200),
				     (uint16_t)(1024 + lab_below(60000))};
		twin = s_twin(f);
	} while (s_choice(dp, f) != s_choice(dp, &twin));
}

/* ---- counters, and the flow table ---- */

static inline uint64_t s_count(enum serin_reason reason)
{
	struct snapshot *s = lab_snapshot();
	uint64_t count = s->packets[reason];

	snapshot_free(s);
	return count;
}

static inline bool s_is_tracked(int service)
{
	struct snapshot *s = lab_snapshot();
	bool answer = snapshot_find_service(s, s_services[service].name)->is_tracked;

	snapshot_free(s);
	return answer;
}

static inline uint32_t s_id(const struct dataplane *dp, int service)
{
	int64_t id = dp_service_find(dp, s_services[service].name);

	assert_true(id >= 0);
	return (uint32_t)id;
}

/* The value of this flow's entry, in place. */
static inline __u64 *s_entry(struct dataplane *dp, const struct s_flow *f)
{
	struct in6_addr client = s_client(f);
	uint64_t tail = (uint64_t)htons(f->port) << 16 | (s_id(dp, f->service) + 1);
	struct serin_addr a;

	memcpy(&a, &client, sizeof(a));
	assert_int_equal(dp_mmap_flows(dp), 0);
	for (uint32_t n = 0; n < dp->meta.flow_buckets * SERIN_FLOW4_WAYS; n++) {
		struct serin_flow4 *e4 = &dp->flows4[n / SERIN_FLOW4_WAYS].flow[n % 4];
		struct serin_flow6 *e6 = &dp->flows6[n / SERIN_FLOW6_WAYS].flow[n % 4];

		if (serin_addr_is_v4(&a) && e4->key == ((uint64_t)a.word_be[3] << 32 | tail))
			return &e4->value;
		if (!serin_addr_is_v4(&a) && (e6->key & 0xffffffff) == tail &&
		    e6->client_high == serin_addr_high(&a) && e6->client_low == serin_addr_low(&a))
			return &e6->value;
	}
	fail_msg("the flow has no entry");
	return NULL;
}

/* As if the flow had been silent for so long. */
static inline void s_age(const struct s_flow *f, unsigned int seconds)
{
	struct dataplane *dp = lab_open(DATAPLANE_WRITE);
	uint64_t units = (uint64_t)seconds * (uint64_t)dp_ticks_per_second() >>
			 SERIN_FLOW_JIFFIES_SHIFT;

	*s_entry(dp, f) -= (units + 1) << SERIN_FLOW_SEEN_SHIFT;
	dataplane_close(dp);
}
