/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the services of the tests of choices: six of three pools each, differing in affinity and
 * family; any number of backends in each pool. The number of a backend's host tells its pool.
 * For inclusion by one test program each.
 */
#pragma once

#include <arpa/inet.h>
#include <math.h>

#include "lab.h"

enum { CANARY, BASELINE, STABLE, POOLS };

static const char *const pool_names[POOLS] = {"canary", "baseline", "stable"};
static const unsigned int pool_first[POOLS + 1] = {1, 31, 61, 101}; /* hosts */

struct choice_service {
	const char *name, *vip, *settings, *targets;
	uint16_t port;
	bool is_v4;
	uint8_t protocol;
};

#define TARGETS4                                  \
	"{source: 198.18.0.0/15, pool: canary}, " \
	"{source: 198.18.5.0/24, pool: stable}, " \
	"{source: 198.18.5.7, pool: baseline}"
#define DSCP                                                                                 \
	"{dscp: [EF, AF41, 0], pool: canary}, {dscp: 10, pool: baseline}, {dscp: 63, pool: " \
	"stable}"
#define TARGETS6                                            \
	"{source: '2001:db8:a::/48', pool: canary}, "       \
	"{source: '2001:db8:a:5::/64', pool: stable}, "     \
	"{source: '2001:db8:a:5::7/128', pool: baseline}, " \
	"{source: '2001:db8:b::/47', pool: baseline}"

static const struct choice_service choice_services[] = {
	{"conn4", "192.0.2.1", "protocol: tcp, affinity: connection", TARGETS4, 8001, true,
	 IPPROTO_TCP},
	{"client4", "192.0.2.2", "protocol: tcp, affinity: client", "", 8002, true, IPPROTO_TCP},
	{"conn6", "2001:db8:ff::1", "protocol: tcp, affinity: connection", TARGETS6 ", " DSCP, 8003,
	 false, IPPROTO_TCP},
	{"client6", "2001:db8:ff::2", "protocol: tcp, affinity: client, client_prefix6: 56",
	 "{source: '::/0', pool: canary}, {source: '2000::/3', pool: stable}, "
	 "{source: '2001:db8:c::/48', pool: baseline}",
	 8004, false, IPPROTO_TCP},
	{"udp4", "192.0.2.1", "protocol: udp, affinity: connection", TARGETS4 ", " DSCP, 8005, true,
	 IPPROTO_UDP},
	{"net4", "192.0.2.6", "protocol: tcp, affinity: client, client_prefix4: 20", DSCP, 8006,
	 true, IPPROTO_TCP},
};

#define CHOICE_SERVICES (sizeof(choice_services) / sizeof(*choice_services))

static inline void choice_backends(FILE *yaml, const struct choice_service *svc, int pool,
				   unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		unsigned int host = pool_first[pool] + i;

		fprintf(yaml, svc->is_v4 ? "{address: 10.%u.0.%u" : "{address: '2001:db8:%u::%x'",
			host % 2 + 1, host);
		fprintf(yaml, ", port: %u, weight: %u}, ", svc->port, 1 + host % 3);
	}
}

static unsigned int choice_table_size = 16381;
static size_t choice_service_count = CHOICE_SERVICES;

/* The configuration with so many backends in each pool; the caller frees it. */
static inline char *choice_config(const unsigned int counts[POOLS], bool with_targets)
{
	char *text = NULL;
	size_t size;
	FILE *yaml = open_memstream(&text, &size);

	fputs(LAB_HEAD, yaml);
	for (size_t n = 0; n < choice_service_count; n++) {
		const struct choice_service *svc = &choice_services[n];

		fprintf(yaml,
			"  - {name: %s, vip: '%s', port: 80, %s, table_size: %u, primary: stable, "
			"pools: [",
			svc->name, svc->vip, svc->settings, choice_table_size);
		for (int pool = 0; pool < POOLS; pool++) {
			fprintf(yaml, "{name: %s, ", pool_names[pool]);
			if (pool != STABLE)
				fprintf(yaml, "weight: %s, ", pool == CANARY ? "5" : "12.3456");
			fputs("backends: [", yaml);
			choice_backends(yaml, svc, pool, counts[pool]);
			fputs("]}, ", yaml);
		}
		fprintf(yaml, "], targets: [%s]}\n", with_targets ? svc->targets : "");
	}
	fclose(yaml);
	return text;
}

static inline void choice_apply(const unsigned int counts[POOLS], bool with_targets)
{
	char *yaml = choice_config(counts, with_targets);

	lab_apply(yaml);
	free(yaml);
}

static inline int pool_of(unsigned int host)
{
	for (int pool = 0; pool < POOLS; pool++)
		if (host >= pool_first[pool] && host < pool_first[pool + 1])
			return pool;
	return -1;
}

static inline struct in6_addr random_client(bool is_v4)
{
	uint64_t high = lab_random(), low = lab_random();
	struct in6_addr a = {};

	if (is_v4) {
		a.s6_addr[10] = a.s6_addr[11] = 0xff;
		memcpy(&a.s6_addr[12], &high, 4);
		a.s6_addr[12] = (uint8_t)(1 + a.s6_addr[12] % 223);
		return a;
	}
	memcpy(&a.s6_addr[0], &high, 8);
	memcpy(&a.s6_addr[8], &low, 8);
	a.s6_addr[0] = 0x20;
	return a;
}

/* A packet of a client. */
static inline struct frame client_frame(const struct choice_service *svc,
					const struct in6_addr *client, uint16_t port, uint8_t flags)
{
	struct frame f = lab_request("::", port, svc->vip, 80, svc->protocol);

	f.src = *client;
	f.tcp_flags = flags;
	return f;
}
