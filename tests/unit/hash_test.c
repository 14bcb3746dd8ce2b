// SPDX-License-Identifier: GPL-2.0-or-later
/* The flow hash as a draw: of which pool, and of which backend. */
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

#include "balance/split.h"

#define SEED	 0x7d20c94be61f83a5ull
#define CLIENTS	 100000u
#define BINS	 256u
#define SLOTS	 16381u
#define TRIALS	 20000u
#define INPUTS	 144u /* 128 bits of address and 16 of port */
#define BACKENDS 16u

static uint64_t rng;

static uint64_t next_random(void) /* xorshift64* */
{
	rng ^= rng >> 12;
	rng ^= rng << 25;
	rng ^= rng >> 27;
	return rng * 0x2545f4914f6cdd1dull;
}

static int setup(void **state)
{
	(void)state;
	rng = SEED;
	return 0;
}

static struct serin_addr v4(uint32_t host_order)
{
	return (struct serin_addr){{0, 0, SERIN_V4_MAPPED_BE, htonl(host_order)}};
}

static struct serin_addr v6(uint64_t high, uint64_t low)
{
	return (struct serin_addr){{htonl((uint32_t)(high >> 32)), htonl((uint32_t)high),
				    htonl((uint32_t)(low >> 32)), htonl((uint32_t)low)}};
}

static struct serin_service service(uint64_t seed, enum serin_affinity affinity)
{
	struct serin_service svc = {.affinity = affinity, .client_prefix6 = 64};

	svc.vip = (struct serin_endpoint){
		.addr = v4(0xc000020a), .port_be = htons(80), .protocol = IPPROTO_TCP};
	svc.hash_key = serin_service_key(seed, &svc.vip);
	svc.table_size = SLOTS;
	return svc;
}

/* ---- avalanche ---- */

static void flip(struct serin_addr *a, uint16_t *port_be, unsigned int bit)
{
	if (bit < 128)
		a->word_be[bit / 32] ^= 1u << bit % 32;
	else
		*port_be ^= (uint16_t)(1u << (bit - 128));
}

static void count_flips(const struct serin_service *svc, bool is_v4, unsigned int input,
			uint32_t flips[64])
{
	for (uint32_t i = 0; i < TRIALS; i++) {
		uint64_t r = next_random();
		struct serin_addr a = is_v4 ? v4((uint32_t)r) : v6(r, next_random());
		uint16_t port_be = (uint16_t)next_random();
		uint64_t before = serin_flow_hash(svc, &a, port_be), changed;

		flip(&a, &port_be, input);
		changed = before ^ serin_flow_hash(svc, &a, port_be);
		for (int bit = 0; bit < 64; bit++)
			flips[bit] += changed >> bit & 1;
	}
}

/* 64 outputs of each input, each a coin tossed TRIALS times: 6 sigma leaves no room for chance. */
static void avalanche(bool is_v4, unsigned int first)
{
	struct serin_service svc = service(1, SERIN_AFFINITY_CONNECTION);
	double sigma = sqrt(TRIALS) / 2, worst = 0;

	for (unsigned int input = first; input < INPUTS; input++) {
		uint32_t flips[64] = {};

		count_flips(&svc, is_v4, input, flips);
		for (int bit = 0; bit < 64; bit++) {
			double off = fabs(flips[bit] - TRIALS / 2.0);

			worst = off > worst ? off : worst;
			if (off > 6 * sigma)
				fail_msg("input bit %u flips output bit %d %u times of %u", input,
					 bit, flips[bit], TRIALS);
		}
	}
	printf("%s: worst p of a flip is 0.5 +- %.4f (6 sigma: %.4f)\n", is_v4 ? "IPv4" : "IPv6",
	       worst / TRIALS, 6 * sigma / TRIALS);
}

static void test_every_input_bit_reaches_every_output_bit(void **state)
{
	(void)state;
	avalanche(true, 96);
	avalanche(false, 0);
}

/* ---- uniformity and independence, for clients as they come ---- */

struct input {
	const char *name;
	void (*make)(uint32_t i, struct serin_addr *a, uint16_t *port);
};

static void sequential_v4(uint32_t i, struct serin_addr *a, uint16_t *port)
{
	*a = v4(0x0a000000u + i);
	*port = 40000;
}

static void sequential_ports(uint32_t i, struct serin_addr *a, uint16_t *port)
{
	*a = v4(0xc6336400u + i / 50000);
	*port = (uint16_t)(1024 + i % 50000);
}

static void sparse_v4(uint32_t i, struct serin_addr *a, uint16_t *port)
{
	*a = v4(i << 14 | 1);
	*port = (uint16_t)(32768 + i % 7);
}

static void sequential_v6(uint32_t i, struct serin_addr *a, uint16_t *port)
{
	*a = v6(0x20010db800000000ull, i);
	*port = 443;
}

static void sequential_networks_v6(uint32_t i, struct serin_addr *a, uint16_t *port)
{
	*a = v6(0x20010db800000000ull + i, 1);
	*port = 50000;
}

static void ports_v6(uint32_t i, struct serin_addr *a, uint16_t *port)
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

static double chi_square(const uint32_t *seen, uint32_t bins, double expected)
{
	double sum = 0;

	for (uint32_t i = 0; i < bins; i++)
		sum += (seen[i] - expected) * (seen[i] - expected) / expected;
	return sum;
}

/* Of k degrees of freedom: mean k, variance 2 k. Too even is as suspect as too uneven. */
static void expect_chi_square(const char *what, const char *input, double value, uint32_t bins)
{
	double mean = bins - 1, sigma = sqrt(2 * mean);

	if (fabs(value - mean) > 5 * sigma)
		fail_msg("%s, %s: chi-square %.1f of %.0f degrees", input, what, value, mean);
}

static void test_points_and_slots_are_uniform(void **state)
{
	struct serin_service svc = service(42, SERIN_AFFINITY_CONNECTION);

	(void)state;
	for (size_t n = 0; n < INPUT_COUNT; n++) {
		uint32_t points[BINS] = {}, slots[BINS] = {}, joint[BINS] = {};

		for (uint32_t i = 0; i < CLIENTS; i++) {
			struct serin_addr a;
			uint16_t port;
			uint64_t h;
			uint32_t slot;

			inputs[n].make(i, &a, &port);
			h = serin_flow_hash(&svc, &a, htons(port));
			slot = serin_hash_slot(h, SLOTS);
			assert_true(slot < SLOTS);
			points[serin_hash_point(h) >> 24]++;
			slots[(uint64_t)slot * BINS / SLOTS]++;
			joint[(serin_hash_point(h) >> 28) * 16 + slot * 16ull / SLOTS]++;
		}
		expect_chi_square("points", inputs[n].name,
				  chi_square(points, BINS, CLIENTS / (double)BINS), BINS);
		expect_chi_square("slots", inputs[n].name,
				  chi_square(slots, BINS, CLIENTS / (double)BINS), BINS);
		expect_chi_square("point and slot", inputs[n].name,
				  chi_square(joint, BINS, CLIENTS / (double)BINS), BINS);
	}
}

/* The 1 % of clients that a canary gets spread over its backends as all clients would. */
static void test_a_small_cohort_spreads_over_all_backends(void **state)
{
	struct serin_service svc = service(42, SERIN_AFFINITY_CONNECTION);
	uint32_t cohort = (uint32_t)((1ull << 32) / 100);

	(void)state;
	for (size_t n = 0; n < INPUT_COUNT; n++) {
		uint32_t seen[BACKENDS] = {}, total = 0;

		for (uint32_t i = 0; i < 4 * CLIENTS; i++) {
			struct serin_addr a;
			uint16_t port;
			uint64_t h;

			inputs[n].make(i % (3 * CLIENTS), &a, &port);
			h = serin_flow_hash(&svc, &a, htons((uint16_t)(port + i / 300000)));
			if (serin_hash_point(h) >= cohort)
				continue;
			seen[serin_hash_slot(h, SLOTS) * BACKENDS / SLOTS]++;
			total++;
		}
		assert_true(total > 3000);
		/* chi-square of 15: 44.3 has a chance of 1 in 10,000. */
		if (chi_square(seen, BACKENDS, total / (double)BACKENDS) > 44.3)
			fail_msg("%s: the canary's clients crowd on few backends", inputs[n].name);
	}
}

static void test_shares_are_the_weights(void **state)
{
	static const uint32_t ppm[] = {100,    1000,   5000,   10000,  50000,  100000,
				       250000, 333333, 500000, 750000, 990000, 999900};
	struct serin_service svc = service(7, SERIN_AFFINITY_CONNECTION);

	(void)state;
	for (size_t n = 0; n < INPUT_COUNT; n++) {
		for (size_t w = 0; w < sizeof(ppm) / sizeof(*ppm); w++) {
			struct serin_split ring[SERIN_SPLIT_RING] = {};
			struct split_layout layout = {.primary = 1, .other_count = 1};
			double p = ppm[w] / 1e6, sigma = sqrt(CLIENTS * p * (1 - p));
			uint32_t hits = 0;

			layout.others[0].ppm = ppm[w];
			split_encode(&layout, 1, &ring[1]);
			for (uint32_t i = 0; i < CLIENTS; i++) {
				struct serin_addr a;
				uint16_t port;
				uint64_t h;

				inputs[n].make(i, &a, &port);
				h = serin_flow_hash(&svc, &a, htons(port));
				hits += serin_split_pick(ring, 1, serin_hash_point(h)) == 0;
			}
			if (fabs(hits - CLIENTS * p) > 4 * sigma)
				fail_msg("%s: %u of %u clients at %u ppm", inputs[n].name, hits,
					 CLIENTS, ppm[w]);
		}
	}
}

/* ---- affinity ---- */

static void test_client_affinity_ignores_the_port(void **state)
{
	struct serin_service svc = service(9, SERIN_AFFINITY_CLIENT);

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct serin_addr four = v4((uint32_t)next_random());
		struct serin_addr six = v6(next_random(), next_random());
		uint16_t port = (uint16_t)next_random();

		assert_true(serin_flow_hash(&svc, &four, port) == serin_flow_hash(&svc, &four, 0));
		assert_true(serin_flow_hash(&svc, &six, port) == serin_flow_hash(&svc, &six, 0));
		svc.affinity = SERIN_AFFINITY_CONNECTION;
		assert_true(serin_flow_hash(&svc, &six, port) !=
			    serin_flow_hash(&svc, &six, port ^ 0x100));
		assert_true(serin_flow_hash(&svc, &four, port) !=
			    serin_flow_hash(&svc, &four, port ^ 0x100));
		svc.affinity = SERIN_AFFINITY_CLIENT;
	}
}

/* Bit `bit` of an address, counted as prefixes are. */
static struct serin_addr with_flipped_bit(struct serin_addr a, unsigned int bit)
{
	((uint8_t *)&a)[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
	return a;
}

static void test_ipv6_clients_are_told_apart_by_their_prefix(void **state)
{
	struct serin_service svc = service(9, SERIN_AFFINITY_CLIENT);

	(void)state;
	for (unsigned int len = 1; len <= 128; len++) {
		struct serin_addr a =
			v6(0x2001000000000000ull | next_random() >> 16, next_random());
		uint64_t hash;

		svc.client_prefix6 = (uint8_t)len;
		hash = serin_flow_hash(&svc, &a, 1);
		for (unsigned int bit = 0; bit < 128; bit++) {
			struct serin_addr b = with_flipped_bit(a, bit);

			if ((serin_flow_hash(&svc, &b, 1) == hash) != (bit >= len))
				fail_msg("/%u: bit %u", len, bit);
		}
	}
}

static void test_ipv4_clients_are_told_apart_by_every_bit(void **state)
{
	struct serin_service svc = service(9, SERIN_AFFINITY_CLIENT);

	(void)state;
	for (unsigned int len = 1; len <= 128; len += 7) {
		struct serin_addr a = v4((uint32_t)next_random());
		uint64_t hash;

		svc.client_prefix6 = (uint8_t)len;
		hash = serin_flow_hash(&svc, &a, 1);
		for (unsigned int bit = 96; bit < 128; bit++) {
			struct serin_addr b = with_flipped_bit(a, bit);

			assert_true(serin_flow_hash(&svc, &b, 1) != hash);
		}
	}
}

/* ---- seeds ---- */

static double correlation(uint64_t seed_a, uint64_t seed_b, uint16_t vip_port_b)
{
	struct serin_service a = service(seed_a, SERIN_AFFINITY_CLIENT);
	struct serin_service b = service(seed_b, SERIN_AFFINITY_CLIENT);
	double sum = 0;

	b.vip.port_be = htons(vip_port_b);
	b.hash_key = serin_service_key(seed_b, &b.vip);
	for (uint32_t i = 0; i < CLIENTS; i++) {
		struct serin_addr client = v4(0x0a000000u + i);
		double x = serin_hash_point(serin_flow_hash(&a, &client, 0)) / 4294967296.0 - 0.5;
		double y = serin_hash_point(serin_flow_hash(&b, &client, 0)) / 4294967296.0 - 0.5;

		sum += x * y;
	}
	return sum / CLIENTS * 12; /* the variance of a uniform draw is 1/12 */
}

/* Of independent draws it is 0 with a sigma of 1 / sqrt(CLIENTS), which is 0.0032. */
static void test_seeds_and_services_draw_independently(void **state)
{
	double worst = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 12; seed++) {
		double near = fabs(correlation(seed, seed + 1, 80));
		double bit = fabs(correlation(seed, seed ^ 1ull << (seed * 5 + 3), 80));
		double vip = fabs(correlation(seed, seed, (uint16_t)(81 + seed)));

		worst = fmax(worst, fmax(near, fmax(bit, vip)));
	}
	printf("worst correlation of two draws: %.4f\n", worst);
	assert_true(worst < 4.5 / sqrt(CLIENTS));
	assert_true(correlation(5, 5, 80) > 0.99);
}

static void test_only_seed_vip_and_client_count(void **state)
{
	struct serin_service a = service(31, SERIN_AFFINITY_CONNECTION), b;

	(void)state;
	memset(&b, 0xee, sizeof(b));
	b.vip = a.vip;
	b.hash_key = serin_service_key(31, &b.vip);
	b.affinity = SERIN_AFFINITY_CONNECTION;
	for (int i = 0; i < 1000; i++) {
		struct serin_addr client = i % 2 ? v4((uint32_t)next_random())
						 : v6(next_random(), next_random());
		uint16_t port = (uint16_t)next_random();

		assert_true(serin_flow_hash(&a, &client, port) ==
			    serin_flow_hash(&b, &client, port));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_every_input_bit_reaches_every_output_bit, setup),
		cmocka_unit_test_setup(test_points_and_slots_are_uniform, setup),
		cmocka_unit_test_setup(test_a_small_cohort_spreads_over_all_backends, setup),
		cmocka_unit_test_setup(test_shares_are_the_weights, setup),
		cmocka_unit_test_setup(test_client_affinity_ignores_the_port, setup),
		cmocka_unit_test_setup(test_ipv6_clients_are_told_apart_by_their_prefix, setup),
		cmocka_unit_test_setup(test_ipv4_clients_are_told_apart_by_every_bit, setup),
		cmocka_unit_test_setup(test_seeds_and_services_draw_independently, setup),
		cmocka_unit_test_setup(test_only_seed_vip_and_client_count, setup),
	};

	printf("seed %#llx\n", SEED);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
