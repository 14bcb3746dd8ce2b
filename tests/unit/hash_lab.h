/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns what the tests of the flow hash draw from: clients as they come, and how even a draw is. For
 * inclusion by one test program each.
 */
#pragma once

#include <arpa/inet.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <serin/hash.h>

#define SEED	 0x7d20c94be61f83a5ull
#define CLIENTS	 100000u
#define BINS	 256u
#define SLOTS	 16381u
#define TRIALS	 20000u
#define INPUTS	 144u /* 128 bits of address and 16 of port */
#define BACKENDS 16u

static uint64_t rng;

static inline uint64_t next_random(void) /* xorshift64* */
{
	rng ^= rng >> 12;
	rng ^= rng << 25;
	rng ^= rng >> 27;
	return rng * 0x2545f4914f6cdd1dull;
}

static inline int setup(void **state)
{
	(void)state;
	rng = SEED;
	return 0;
}

static inline struct serin_addr v4(uint32_t host_order)
{
	return (struct serin_addr){{0, 0, SERIN_V4_MAPPED_BE, htonl(host_order)}};
}

static inline struct serin_addr v6(uint64_t high, uint64_t low)
{
	return (struct serin_addr){{htonl((uint32_t)(high >> 32)), htonl((uint32_t)high),
				    htonl((uint32_t)(low >> 32)), htonl((uint32_t)low)}};
}

static inline struct serin_endpoint vip_of(uint16_t port, uint8_t protocol)
{
	return (struct serin_endpoint){
		.addr = v4(0xc000020a), .port_be = htons(port), .protocol = protocol};
}

static inline struct serin_hashing hashing(uint64_t seed, enum serin_affinity affinity)
{
	struct serin_endpoint vip = vip_of(80, IPPROTO_TCP);

	return (struct serin_hashing){
		.flow_key = serin_flow_key(&vip),
		.split_key = serin_split_key(seed),
		.table_size = SLOTS,
		.affinity = affinity,
		.client_prefix6 = 64,
		.client_prefix4 = 32,
	};
}

struct input {
	const char *name;
	void (*make)(uint32_t i, struct serin_addr *a, uint16_t *port);
};

static inline void sequential_v4(uint32_t i, struct serin_addr *a, uint16_t *port)
{
	*a = v4(0x0a000000u + i);
	*port = 40000;
}

static inline void sequential_ports(uint32_t i, struct serin_addr *a, uint16_t *port)
{
	*a = v4(0xc6336400u + i / 50000);
	*port = (uint16_t)(1024 + i % 50000);
}

static inline void sparse_v4(uint32_t i, struct serin_addr *a, uint16_t *port)
{
	*a = v4(i << 14 | 1);
	*port = (uint16_t)(32768 + i % 7);
}

static inline void sequential_v6(uint32_t i, struct serin_addr *a, uint16_t *port)
{
	*a = v6(0x20010db800000000ull, i);
	*port = 443;
}

static inline void sequential_networks_v6(uint32_t i, struct serin_addr *a, uint16_t *port)
{
	*a = v6(0x20010db800000000ull + i, 1);
	*port = 50000;
}

static inline void ports_v6(uint32_t i, struct serin_addr *a, uint16_t *port)
{
	*a = v6(0x20010db800000000ull, i / 50000);
	*port = (uint16_t)(1024 + i % 50000);
}

static const struct input inputs[] = {
	{"IPv4 in sequence", sequential_v4},
	{"IPv4 ports in sequence", sequential_ports},
	{"IPv4 networks", sparse_v4},
	{"IPv6 in sequence", sequential_v6},
	{"IPv6 /64s in sequence", sequential_networks_v6},
	{"IPv6 ports in sequence", ports_v6},
};

#define INPUT_COUNT (sizeof(inputs) / sizeof(*inputs))

static inline double chi_square(const uint32_t *seen, uint32_t bins, double expected)
{
	double sum = 0;

	for (uint32_t i = 0; i < bins; i++)
		sum += (seen[i] - expected) * (seen[i] - expected) / expected;
	return sum;
}

/* Of k degrees of freedom: mean k, variance 2 k. Too even is as suspect as too uneven. */
static inline void expect_chi_square(const char *what, const char *input, double value,
				     uint32_t bins)
{
	double mean = bins - 1, sigma = sqrt(2 * mean);

	if (fabs(value - mean) > 5 * sigma)
		fail_msg("%s, %s: chi-square %.1f of %.0f degrees", input, what, value, mean);
}
