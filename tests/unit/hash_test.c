// SPDX-License-Identifier: GPL-2.0-or-later
/* The flow hash as a draw: of which pool, and of which backend. */
#include "balance/split.h"

#include "hash_lab.h"

/* ---- avalanche ---- */

static void flip(struct serin_addr *a, uint16_t *port_be, unsigned int bit)
{
	if (bit < 128)
		a->word_be[bit / 32] ^= 1u << bit % 32;
	else
		*port_be ^= (uint16_t)(1u << (bit - 128));
}

static void count_flips(const struct serin_hashing *h, bool is_v4, unsigned int input,
			uint32_t flips[64])
{
	for (uint32_t i = 0; i < TRIALS; i++) {
		uint64_t r = next_random();
		struct serin_addr a = is_v4 ? v4((uint32_t)r) : v6(r, next_random());
		uint16_t port_be = (uint16_t)next_random();
		uint64_t before = serin_flow_hash(h, &a, port_be), changed;

		flip(&a, &port_be, input);
		changed = before ^ serin_flow_hash(h, &a, port_be);
		for (int bit = 0; bit < 64; bit++)
			flips[bit] += changed >> bit & 1;
	}
}

/* 64 outputs of each input, each a coin tossed TRIALS times: 6 sigma leaves no room for chance. */
static void avalanche(bool is_v4, unsigned int first)
{
	struct serin_hashing h = hashing(1, SERIN_AFFINITY_CONNECTION);
	double sigma = sqrt(TRIALS) / 2, worst = 0;

	for (unsigned int input = first; input < INPUTS; input++) {
		uint32_t flips[64] = {};

		count_flips(&h, is_v4, input, flips);
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

static void test_points_and_slots_are_uniform(void **state)
{
	struct serin_hashing h = hashing(42, SERIN_AFFINITY_CONNECTION);

	(void)state;
	for (size_t n = 0; n < INPUT_COUNT; n++) {
		uint32_t points[BINS] = {}, slots[BINS] = {}, joint[BINS] = {};

		for (uint32_t i = 0; i < CLIENTS; i++) {
			struct serin_addr a;
			uint16_t port;
			uint64_t hash;
			uint32_t slot;

			inputs[n].make(i, &a, &port);
			hash = serin_flow_hash(&h, &a, htons(port));
			slot = serin_hash_slot(hash, SLOTS);
			assert_true(slot < SLOTS);
			points[serin_hash_point(&h, hash) >> 24]++;
			slots[(uint64_t)slot * BINS / SLOTS]++;
			joint[(serin_hash_point(&h, hash) >> 28) * 16 + slot * 16ull / SLOTS]++;
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
	struct serin_hashing h = hashing(42, SERIN_AFFINITY_CONNECTION);
	uint32_t cohort = (uint32_t)((1ull << 32) / 100);

	(void)state;
	for (size_t n = 0; n < INPUT_COUNT; n++) {
		uint32_t seen[BACKENDS] = {}, total = 0;

		for (uint32_t i = 0; i < 4 * CLIENTS; i++) {
			struct serin_addr a;
			uint16_t port;
			uint64_t hash;

			inputs[n].make(i % (3 * CLIENTS), &a, &port);
			hash = serin_flow_hash(&h, &a, htons((uint16_t)(port + i / 300000)));
			if (serin_hash_point(&h, hash) >= cohort)
				continue;
			seen[serin_hash_slot(hash, SLOTS) * BACKENDS / SLOTS]++;
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
	struct serin_hashing h = hashing(7, SERIN_AFFINITY_CONNECTION);

	(void)state;
	for (size_t n = 0; n < INPUT_COUNT; n++) {
		for (size_t w = 0; w < sizeof(ppm) / sizeof(*ppm); w++) {
			struct serin_split split;
			struct split_layout layout = {.primary = 1, .other_count = 1};
			double p = ppm[w] / 1e6, sigma = sqrt(CLIENTS * p * (1 - p));
			uint32_t hits = 0;

			layout.others[0].ppm = ppm[w];
			split_encode(&layout, 1, &split);
			for (uint32_t i = 0; i < CLIENTS; i++) {
				struct serin_addr a;
				uint16_t port;
				uint64_t hash;

				inputs[n].make(i, &a, &port);
				hash = serin_flow_hash(&h, &a, htons(port));
				hits += serin_split_pick(&split, 1, serin_hash_point(&h, hash)) ==
					0;
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
	struct serin_hashing h = hashing(9, SERIN_AFFINITY_CLIENT);

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct serin_addr four = v4((uint32_t)next_random());
		struct serin_addr six = v6(next_random(), next_random());
		uint16_t port = (uint16_t)next_random();

		assert_true(serin_flow_hash(&h, &four, port) == serin_flow_hash(&h, &four, 0));
		assert_true(serin_flow_hash(&h, &six, port) == serin_flow_hash(&h, &six, 0));
		h.affinity = SERIN_AFFINITY_CONNECTION;
		assert_true(serin_flow_hash(&h, &six, port) !=
			    serin_flow_hash(&h, &six, port ^ 0x100));
		assert_true(serin_flow_hash(&h, &four, port) !=
			    serin_flow_hash(&h, &four, port ^ 0x100));
		h.affinity = SERIN_AFFINITY_CLIENT;
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
	struct serin_hashing h = hashing(9, SERIN_AFFINITY_CLIENT);

	(void)state;
	for (unsigned int len = 1; len <= 128; len++) {
		struct serin_addr a =
			v6(0x2001000000000000ull | next_random() >> 16, next_random());
		uint64_t hash;

		h.client_prefix6 = (uint8_t)len;
		hash = serin_flow_hash(&h, &a, 1);
		for (unsigned int bit = 0; bit < 128; bit++) {
			struct serin_addr b = with_flipped_bit(a, bit);

			if ((serin_flow_hash(&h, &b, 1) == hash) != (bit >= len))
				fail_msg("/%u: bit %u", len, bit);
		}
	}
}

static void test_ipv4_clients_are_told_apart_by_their_prefix(void **state)
{
	struct serin_hashing h = hashing(9, SERIN_AFFINITY_CLIENT);

	(void)state;
	for (unsigned int len = 1; len <= 32; len++) {
		struct serin_addr a = v4((uint32_t)next_random());
		uint64_t hash;

		h.client_prefix4 = (uint8_t)len;
		h.client_prefix6 = (uint8_t)(len * 4); /* the other family's */
		hash = serin_flow_hash(&h, &a, 1);
		for (unsigned int bit = 0; bit < 32; bit++) {
			struct serin_addr b = with_flipped_bit(a, 96 + bit);

			if ((serin_flow_hash(&h, &b, 1) == hash) != (bit >= len))
				fail_msg("/%u: bit %u", len, bit);
		}
	}
}

/* Connections are told apart by all there is, whatever the prefixes say. */
static void test_prefixes_are_of_client_affinity_alone(void **state)
{
	struct serin_hashing h = hashing(9, SERIN_AFFINITY_CONNECTION), whole = h;

	(void)state;
	h.client_prefix4 = 1;
	h.client_prefix6 = 1;
	for (int i = 0; i < 1000; i++) {
		struct serin_addr a = i % 2 ? v4((uint32_t)next_random())
					    : v6(next_random(), next_random());

		assert_true(serin_flow_hash(&h, &a, 1) == serin_flow_hash(&whole, &a, 1));
	}
}

/* Where clients are by default may not change between versions: written down once. */
static void test_clients_stay_where_they_are(void **state)
{
	static const struct {
		uint64_t hash;
		uint32_t point;
	} wanted[SERIN_AFFINITY_MAX][4] = {
		[SERIN_AFFINITY_CONNECTION] = {{0xc2f0ec13b69f212eull, 0x22ef2d73},
					       {0xcebe2af8fd9444caull, 0xb40acdff},
					       {0x440e15511c4fc312ull, 0xdbfb68d6},
					       {0x0348f1e6f69c0feaull, 0xacec3ddf}},
		[SERIN_AFFINITY_CLIENT] = {{0x38a94eab31d33fbfull, 0x34b7f1ef},
					   {0x4ecb81a84c08e35cull, 0x949b9e29},
					   {0x27fce2cfcbec57d8ull, 0x58a357f1},
					   {0x676b14dbe67666fdull, 0x2f09a4a4}},
	};
	const struct serin_addr clients[] = {v4(0xc6336407), v4(0xcb0071fe),
					     v6(0x20010db800000001ull, 1),
					     v6(0x20010db80000000aull, 0xff00000000000000ull)};

	(void)state;
	for (int affinity = 0; affinity < SERIN_AFFINITY_MAX; affinity++) {
		struct serin_hashing h = hashing(2026, affinity);

		for (uint16_t i = 0; i < 4; i++) {
			uint16_t port_be = htons((uint16_t)(40000 + i));
			uint64_t hash = serin_flow_hash(&h, &clients[i], port_be);

			assert_true(hash == wanted[affinity][i].hash);
			assert_int_equal(serin_hash_point(&h, hash), wanted[affinity][i].point);
		}
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
		cmocka_unit_test_setup(test_ipv4_clients_are_told_apart_by_their_prefix, setup),
		cmocka_unit_test_setup(test_prefixes_are_of_client_affinity_alone, setup),
		cmocka_unit_test(test_clients_stay_where_they_are),
	};

	printf("seed %#llx\n", SEED);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
