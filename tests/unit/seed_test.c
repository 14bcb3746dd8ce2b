// SPDX-License-Identifier: GPL-2.0-or-later
/* The seed: two releases draw their clients independently, and no client leaves its backend. */
#include "balance/split.h"

#include "hash_lab.h"

static double unit(uint32_t draw) /* a uniform draw of 2^32 about 0 */
{
	return draw / 4294967296.0 - 0.5;
}

/* The variance of a uniform draw is 1/12: of independent ones this is 0 with a sigma of
 * 1 / sqrt(CLIENTS), which is 0.0032. */
static double correlation(const struct serin_hashing *a, const struct serin_hashing *b)
{
	double sum = 0;

	for (uint32_t i = 0; i < CLIENTS; i++) {
		struct serin_addr client = v4(0x0a000000u + i);

		sum += unit(serin_hash_point(a, serin_flow_hash(a, &client, 0))) *
		       unit(serin_hash_point(b, serin_flow_hash(b, &client, 0)));
	}
	return sum / CLIENTS * 12;
}

static struct serin_hashing other_vip(const struct serin_hashing *h, uint16_t port,
				      uint8_t protocol)
{
	struct serin_endpoint vip = vip_of(port, protocol);
	struct serin_hashing other = *h;

	other.flow_key = serin_flow_key(&vip);
	return other;
}

static void test_seeds_and_services_draw_points_independently(void **state)
{
	double worst = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 12; seed++) {
		struct serin_hashing a = hashing(seed, SERIN_AFFINITY_CLIENT);
		struct serin_hashing near = hashing(seed + 1, SERIN_AFFINITY_CLIENT);
		struct serin_hashing bit =
			hashing(seed ^ 1ull << (seed * 5 + 3), SERIN_AFFINITY_CLIENT);
		struct serin_hashing vip = other_vip(&a, (uint16_t)(81 + seed), IPPROTO_TCP);
		struct serin_hashing udp = other_vip(&a, 80, IPPROTO_UDP);

		worst = fmax(worst, fabs(correlation(&a, &near)));
		worst = fmax(worst, fabs(correlation(&a, &bit)));
		worst = fmax(worst, fabs(correlation(&a, &vip)));
		worst = fmax(worst, fabs(correlation(&a, &udp)));
		assert_true(correlation(&a, &a) > 0.99);
	}
	printf("worst correlation of two draws: %.4f\n", worst);
	assert_true(worst < 4.5 / sqrt(CLIENTS));
}

/* A grid of 16 by 16 of two points of each client: it is even only if they are independent, and not
 * only uncorrelated. A joint draw of 5 % cohorts, each a release of its own, overlaps by 0.25 %. */
static void expect_independent_points(const struct input *in, uint64_t seed_a, uint64_t seed_b)
{
	struct serin_hashing a = hashing(seed_a, SERIN_AFFINITY_CONNECTION);
	struct serin_hashing b = hashing(seed_b, SERIN_AFFINITY_CONNECTION);
	uint32_t joint[BINS] = {}, cohort = UINT32_MAX / 20, both = 0;
	double p = 1 / 400.0;

	for (uint32_t i = 0; i < CLIENTS; i++) {
		struct serin_addr client;
		uint32_t x, y;
		uint16_t port;

		in->make(i, &client, &port);
		x = serin_hash_point(&a, serin_flow_hash(&a, &client, htons(port)));
		y = serin_hash_point(&b, serin_flow_hash(&b, &client, htons(port)));
		joint[(x >> 28) * 16 + (y >> 28)]++;
		both += x < cohort && y < cohort;
	}
	expect_chi_square("points of two seeds", in->name,
			  chi_square(joint, BINS, CLIENTS / (double)BINS), BINS);
	if (fabs(both - CLIENTS * p) > 5 * sqrt(CLIENTS * p * (1 - p)))
		fail_msg("%s, seeds %llu and %llu: %u clients are in both cohorts", in->name,
			 (unsigned long long)seed_a, (unsigned long long)seed_b, both);
}

static void test_points_of_two_seeds_are_independent(void **state)
{
	(void)state;
	for (size_t n = 0; n < INPUT_COUNT; n++) {
		for (unsigned int bit = 0; bit < 64; bit += 3) {
			uint64_t seed = next_random();

			expect_independent_points(&inputs[n], seed, seed ^ 1ull << bit);
		}
		for (uint64_t seed = 0; seed < 8; seed++)
			expect_independent_points(&inputs[n], seed, seed + 1);
	}
}

/* ---- cohorts of two releases ---- */

#define JOINT_CLIENTS 200000u

struct release {
	struct serin_hashing hashing;
	struct serin_split split;
};

static struct release release(uint64_t seed, uint32_t canary_ppm)
{
	const struct split_layout layout = {
		.primary = 1, .other_count = 1, .others = {{.pool = 0, .ppm = canary_ppm}}};
	struct release r = {.hashing = hashing(seed, SERIN_AFFINITY_CLIENT)};

	split_encode(&layout, 1, &r.split);
	return r;
}

static int is_in_canary(const struct release *r, const struct serin_addr *client)
{
	uint64_t hash = serin_flow_hash(&r->hashing, client, 0);

	return serin_split_pick(&r->split, 1, serin_hash_point(&r->hashing, hash)) == 0;
}

/* Who is in both, either and neither: three degrees of freedom, for the shares are known. The sum
 * of squares over ten pairs has thirty, and 80 is exceeded once in 400,000 times. */
static void expect_independent_cohorts(const struct input *in, uint32_t ppm_a, uint32_t ppm_b)
{
	double p = ppm_a / 1e6, q = ppm_b / 1e6, sum = 0;
	const double shares[4] = {(1 - p) * (1 - q), p * (1 - q), (1 - p) * q, p * q};

	for (int pair = 0; pair < 10; pair++) {
		/* Releases of one service in turn, and any two. */
		uint64_t seed = pair < 5 ? (uint64_t)pair : next_random();
		struct release a = release(seed, ppm_a);
		struct release b = release(pair < 5 ? seed + 1 : next_random(), ppm_b);
		uint32_t seen[4] = {};

		for (uint32_t i = 0; i < JOINT_CLIENTS; i++) {
			struct serin_addr client;
			uint16_t port;

			in->make(i, &client, &port);
			seen[is_in_canary(&a, &client) + 2 * is_in_canary(&b, &client)]++;
		}
		for (int i = 0; i < 4; i++) {
			double wanted = JOINT_CLIENTS * shares[i];

			sum += (seen[i] - wanted) * (seen[i] - wanted) / wanted;
		}
	}
	printf("%s, %g %% and %g %%: chi-square %.1f of 30 degrees\n", in->name, p * 100, q * 100,
	       sum);
	if (sum > 80)
		fail_msg("%s: the cohorts of two releases are not independent", in->name);
}

static void test_cohorts_of_two_releases_are_independent(void **state)
{
	static const struct input many[] = {
		{"IPv4 in sequence", sequential_v4},
		{"IPv6 /64s in sequence", sequential_networks_v6},
	};

	(void)state;
	for (size_t n = 0; n < sizeof(many) / sizeof(*many); n++) {
		expect_independent_cohorts(&many[n], 100000, 100000);
		expect_independent_cohorts(&many[n], 500000, 500000);
		expect_independent_cohorts(&many[n], 10000, 500000);
	}
}

/* A new seed draws who is in a release's cohort anew, and moves nobody inside of any pool. */
static void test_a_seed_moves_points_and_no_slots(void **state)
{
	uint32_t same = 0;

	(void)state;
	for (uint32_t i = 0; i < CLIENTS; i++) {
		struct serin_hashing a = hashing(next_random(), SERIN_AFFINITY_CONNECTION);
		struct serin_hashing b = hashing(next_random(), SERIN_AFFINITY_CONNECTION);
		struct serin_addr client = i % 2 ? v4((uint32_t)next_random())
						 : v6(next_random(), next_random());
		uint16_t port_be = (uint16_t)next_random();
		uint64_t hash = serin_flow_hash(&a, &client, port_be);

		assert_true(hash == serin_flow_hash(&b, &client, port_be));
		same += serin_hash_point(&a, hash) >> 20 == serin_hash_point(&b, hash) >> 20;
	}
	assert_true(same < CLIENTS / 4096 * 2);
}

/* Half of a client's point changes with each bit of the seed. */
static void test_every_bit_of_a_seed_reaches_every_bit_of_a_point(void **state)
{
	struct serin_hashing a = hashing(0, SERIN_AFFINITY_CONNECTION), b = a;
	double sigma = sqrt(TRIALS) / 2;

	(void)state;
	for (unsigned int bit = 0; bit < 64; bit++) {
		uint32_t flips[32] = {};

		for (uint32_t i = 0; i < TRIALS; i++) {
			uint64_t seed = next_random(), hash = next_random();
			uint32_t changed;

			a.split_key = serin_split_key(seed);
			b.split_key = serin_split_key(seed ^ 1ull << bit);
			changed = serin_hash_point(&a, hash) ^ serin_hash_point(&b, hash);
			for (int out = 0; out < 32; out++)
				flips[out] += changed >> out & 1;
		}
		for (int out = 0; out < 32; out++)
			if (fabs(flips[out] - TRIALS / 2.0) > 6 * sigma)
				fail_msg("seed bit %u flips bit %d of the point %u times of %u",
					 bit, out, flips[out], TRIALS);
	}
}

/* The maps hold the key alone. */
static void test_a_key_tells_its_seed(void **state)
{
	(void)state;
	assert_true(serin_split_seed(serin_split_key(0)) == 0);
	assert_true(serin_split_seed(serin_split_key(UINT64_MAX)) == UINT64_MAX);
	assert_true(serin_split_key(serin_split_seed(0)) == 0);
	for (int i = 0; i < 100000; i++) {
		uint64_t seed = next_random();

		assert_true(serin_split_seed(serin_split_key(seed)) == seed);
	}
}

static void test_only_seed_vip_and_client_count(void **state)
{
	struct serin_hashing a = hashing(31, SERIN_AFFINITY_CONNECTION), b;

	(void)state;
	memset(&b, 0xee, sizeof(b));
	b.flow_key = a.flow_key;
	b.split_key = a.split_key;
	b.affinity = SERIN_AFFINITY_CONNECTION;
	for (int i = 0; i < 1000; i++) {
		struct serin_addr client = i % 2 ? v4((uint32_t)next_random())
						 : v6(next_random(), next_random());
		uint16_t port = (uint16_t)next_random();
		uint64_t hash = serin_flow_hash(&a, &client, port);

		assert_true(hash == serin_flow_hash(&b, &client, port));
		assert_int_equal(serin_hash_point(&a, hash), serin_hash_point(&b, hash));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_seeds_and_services_draw_points_independently, setup),
		cmocka_unit_test_setup(test_points_of_two_seeds_are_independent, setup),
		cmocka_unit_test_setup(test_cohorts_of_two_releases_are_independent, setup),
		cmocka_unit_test_setup(test_a_seed_moves_points_and_no_slots, setup),
		cmocka_unit_test_setup(test_every_bit_of_a_seed_reaches_every_bit_of_a_point,
				       setup),
		cmocka_unit_test_setup(test_a_key_tells_its_seed, setup),
		cmocka_unit_test_setup(test_only_seed_vip_and_client_count, setup),
	};

	printf("seed %#llx\n", SEED);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
