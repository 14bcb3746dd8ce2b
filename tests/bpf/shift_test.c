// SPDX-License-Identifier: GPL-2.0-or-later
/* Shifting weights: what is refused, what it changes, and what packets see while it happens. */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include <serin/hash.h>

#include "balance/settled.h"
#include "balance/split.h"

#include "lab.h"

#define SEED	    0xf06d83b4a91e572cull
#define SHIFTS	    10000
#define PER_SHIFT   8 /* packets that pass before the next shift */
#define UNIT_OF(pc) ((uint32_t)(4294967296.0 * (pc) / 100))

/* The number of a backend's host is its pool's: canary 1, west 2, east 3, stable 4. */
static const char config[] = LAB_HEAD
	"  - {name: web, vip: 192.0.2.1, port: 80, protocol: tcp, primary: stable, pools: [\n"
	"     {name: canary, weight: 10, backends: [{address: 10.1.0.1}]},\n"
	"     {name: west, weight: 40, backends: [{address: 10.1.0.2}]},\n"
	"     {name: stable, backends: [{address: 10.1.0.4}]},\n"
	"     {name: east, weight: 10, backends: [{address: 10.1.0.3}]}]}\n"
	"  - {name: other, vip: 192.0.2.2, port: 80, protocol: tcp, primary: stable, pools: [\n"
	"     {name: canary, weight: 10, backends: [{address: 10.1.0.5}]},\n"
	"     {name: stable, backends: [{address: 10.1.0.6}]}]}\n";

enum { CANARY = 1, WEST, EAST, STABLE };

static int start(void **state)
{
	(void)state;
	lab_apply(config);
	return 0;
}

static uint32_t epoch_of(const char *service)
{
	struct snapshot *s = lab_snapshot();
	uint32_t epoch = snapshot_find_service(s, service)->epoch;

	snapshot_free(s);
	return epoch;
}

static int shift(const struct dataplane_shift_request *request, struct dataplane_shift *out)
{
	struct dataplane *dp = lab_open(DATAPLANE_WRITE);
	int real = lab_hush_begin();
	int error = dataplane_shift(dp, request, out);

	lab_hush_end(real);
	dataplane_close(dp);
	return error;
}

#define REQUEST(svc, list)                                                                         \
	{                                                                                          \
		.service = (svc), .weights = (list), .weight_count = sizeof(list) / sizeof(*list), \
		.expect_epoch = -1, .author = {.actor = "test", .reason = "because"},              \
	}

/* Refused: one line says why, nothing changes, the result is left alone. */
static void expect_refusal(const struct dataplane_shift_request *request, int wanted)
{
	struct dataplane_shift out, untouched;
	char *before = lab_status();

	memset(&out, 0x77, sizeof(out));
	memcpy(&untouched, &out, sizeof(out));
	assert_int_equal(shift(request, &out), wanted);
	assert_int_equal(lab_lines(lab_errors), 1);
	assert_memory_equal(&out, &untouched, sizeof(out));
	lab_expect_status(before);
}

static void test_wrong_shifts_are_refused(void **state)
{
	const struct dataplane_weight good[] = {{"canary", 20000}};
	const struct dataplane_weight unknown[] = {{"canary", 20000}, {"canarx", 1}};
	const struct dataplane_weight primary[] = {{"canary", 20000}, {"stable", 980000}};
	const struct dataplane_weight twice[] = {{"canary", 20000}, {"west", 1}, {"canary", 20000}};
	const struct dataplane_weight much[] = {{"canary", 500001}};
	const struct dataplane_weight more[] = {{"canary", 1000001}, {"west", 0}, {"east", 0}};
	struct dataplane_shift_request requests[] = {
		REQUEST("web", unknown), REQUEST("web", primary), REQUEST("web", twice),
		REQUEST("web", much),	 REQUEST("web", more),	  REQUEST("wev", good),
		REQUEST("web", good),	 REQUEST("web", good),
	};
	static const int errors[] = {-ENOENT, -EINVAL, -EINVAL, -EINVAL,
				     -EINVAL, -ENOENT, -ESTALE, -ESTALE};

	(void)state;
	requests[6].expect_epoch = epoch_of("web") + 1;
	requests[7].expect_epoch = (int64_t)epoch_of("web") + (1ll << 32);
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		expect_refusal(&requests[i], errors[i]);
}

/* A sum of 2^32 and a bit is no sum of 100 %. */
static void test_absurd_weights_are_refused(void **state)
{
	const struct dataplane_weight one[] = {{"canary", UINT32_MAX - 499999 + 1}};
	const struct dataplane_weight two[] = {{"canary", 1u << 31}, {"west", 1u << 31}};
	struct dataplane_shift_request requests[] = {REQUEST("web", one), REQUEST("web", two)};

	(void)state;
	expect_refusal(&requests[0], -EINVAL);
	expect_refusal(&requests[1], -EINVAL);
}

static void expect_weights(const char *service, const uint32_t wanted[4])
{
	static const char *const names[] = {"canary", "west", "stable", "east"};
	struct snapshot *s = lab_snapshot();

	for (int i = 0; i < 4; i++)
		assert_int_equal(lab_pool(s, service, names[i])->weight_ppm, wanted[i]);
	snapshot_free(s);
}

static void test_what_a_shift_does(void **state)
{
	const struct dataplane_weight weights[] = {{"east", 0}, {"canary", 250001}};
	struct dataplane_shift_request request = REQUEST("web", weights);
	uint32_t epoch = epoch_of("web");
	struct dataplane_shift out;
	struct snapshot *s;

	(void)state;
	request.expect_epoch = epoch;
	assert_int_equal(shift(&request, &out), 0);
	assert_int_equal(out.epoch, epoch + 1);
	assert_true(out.took_effect_ns > 0);
	assert_int_equal(out.pool_count, 4);
	assert_string_equal(out.pool[0].name, "canary");
	assert_int_equal(out.pool[0].before_ppm, 100000);
	assert_int_equal(out.pool[0].after_ppm, 250001);
	assert_string_equal(out.pool[1].name, "west");
	assert_int_equal(out.pool[1].after_ppm, 400000);
	assert_string_equal(out.pool[2].name, "stable");
	assert_int_equal(out.pool[2].before_ppm, 400000);
	assert_int_equal(out.pool[2].after_ppm, 349999);
	assert_string_equal(out.pool[3].name, "east");
	assert_int_equal(out.pool[3].before_ppm, 100000);
	assert_int_equal(out.pool[3].after_ppm, 0);
	expect_weights("web", (uint32_t[]){250001, 400000, 349999, 0});
	s = lab_snapshot();
	assert_int_equal(snapshot_find_service(s, "web")->epoch, epoch + 1);
	assert_string_equal(snapshot_find_service(s, "web")->last.actor, "test");
	assert_string_equal(snapshot_find_service(s, "web")->last.reason, "because");
	assert_int_equal(snapshot_find_service(s, "other")->epoch, 1);
	assert_int_equal(lab_pool(s, "other", "canary")->weight_ppm, 100000);
	snapshot_free(s);
}

static void test_a_dry_run_changes_nothing(void **state)
{
	const struct dataplane_weight weights[] = {{"canary", 250000}};
	struct dataplane_shift_request request = REQUEST("web", weights);
	struct dataplane_shift out;
	char *before = lab_status();

	(void)state;
	request.dry_run = true;
	assert_int_equal(shift(&request, &out), 0);
	assert_int_equal(out.epoch, epoch_of("web"));
	assert_int_equal(out.took_effect_ns, 0);
	assert_int_equal(out.pool[0].before_ppm, 100000);
	assert_int_equal(out.pool[0].after_ppm, 250000);
	lab_expect_status(before);
}

/* To where it is already: no new epoch, and nobody is said to have done anything. */
static void test_a_shift_to_the_same_changes_nothing(void **state)
{
	const struct dataplane_weight weights[] = {{"canary", 100000}, {"west", 400000}};
	struct dataplane_shift_request request = REQUEST("web", weights);
	struct dataplane_shift out;
	char *before = lab_status();

	(void)state;
	assert_int_equal(shift(&request, &out), 0);
	assert_int_equal(out.took_effect_ns, 0);
	lab_expect_status(before);
}

static void test_epochs_expected_and_found(void **state)
{
	const struct dataplane_weight a[] = {{"canary", 1}}, b[] = {{"canary", 2}};
	struct dataplane_shift_request request = REQUEST("web", a);
	struct dataplane_shift out;

	(void)state;
	for (uint32_t epoch = epoch_of("web"), i = 0; i < 20; i++, epoch++) {
		request.weights = i % 2 ? b : a;
		request.expect_epoch = epoch;
		assert_int_equal(shift(&request, &out), 0);
		assert_int_equal(out.epoch, epoch + 1);
		request.weights = i % 2 ? a : b;
		expect_refusal(&request, -ESTALE);
	}
}

static void test_all_of_it_and_nothing(void **state)
{
	const struct dataplane_weight all[] = {{"canary", 1000000}, {"west", 0}, {"east", 0}};
	const struct dataplane_weight none[] = {{"canary", 0}};
	struct dataplane_shift_request requests[] = {REQUEST("web", all), REQUEST("web", none)};
	struct dataplane_shift out;

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(shift(&requests[i], &out), 0);
		for (uint16_t port = 1; port <= 3000; port++) {
			struct frame f =
				lab_request("198.51.100.1", port, "192.0.2.1", 80, IPPROTO_TCP);

			assert_int_equal(lab_choose(&f), i ? STABLE : CANARY);
		}
	}
}

/* ---- packets while shifts happen ---- */

/*
 * Two splits, to and fro, all pools moving at once:
 *
 *     A  canary [0, 10)  stable [10, 50)  east [50, 60)  west [60, 100)
 *     B  canary [0, 45)  stable [45, 85)  east [85, 90)  west [90, 100)
 *
 * A client of [62, 83) is west's by A and stable's by B; by the west of B with the east of A it
 * would be east's. One of [12, 43) is stable's or canary's.
 */
struct zone {
	uint32_t low, high;
	unsigned int by_a, by_b;
};

static const struct zone zones[] = {
	{0, 9, CANARY, CANARY}, {12, 43, STABLE, CANARY}, {46, 49, STABLE, STABLE},
	{51, 59, EAST, STABLE}, {62, 83, WEST, STABLE},	  {86, 89, WEST, EAST},
	{91, 100, WEST, WEST},
};

#define ZONES	    (sizeof(zones) / sizeof(*zones))
#define ZONE_FRAMES 64

static uint8_t zone_syns[ZONES][ZONE_FRAMES][FRAME_MAX];
static uint8_t zone_resets[ZONES][ZONE_FRAMES][FRAME_MAX];
static size_t zone_len;
static atomic_bool is_over;
static atomic_ullong packets_run;
static unsigned long long zone_hits[ZONES][2], wrong_hits;

/* Clients whose place on the unit interval lies in the zone: a SYN to see which pool is theirs, and
 * a reset that undoes it. */
static void find_clients(size_t zone, const struct serin_hashing *h)
{
	int found = 0;

	while (found < ZONE_FRAMES) {
		struct frame f = lab_request("203.0.113.1", (uint16_t)(1 + lab_below(65535)),
					     "192.0.2.1", 80, IPPROTO_TCP);
		struct serin_addr client;
		uint64_t point;

		f.src.s6_addr[15] = (uint8_t)lab_random();
		memcpy(&client, &f.src, sizeof(client));
		point = serin_hash_point(h, serin_flow_hash(h, &client, htons(f.src_port)));
		if (point < UNIT_OF(zones[zone].low) ||
		    point > 4294967296.0 * zones[zone].high / 100 - 1)
			continue;
		zone_len = frame_build(&f, zone_syns[zone][found]);
		f.tcp_flags = FRAME_RST;
		frame_build(&f, zone_resets[zone][found++]);
	}
}

static void find_all_clients(void)
{
	struct snapshot *s = lab_snapshot();
	const struct snapshot_service *svc = snapshot_find_service(s, "web");
	struct serin_endpoint vip = {.port_be = htons(svc->port), .protocol = svc->protocol};

	struct serin_hashing h = {.split_key = serin_split_key(svc->seed),
				  .affinity = SERIN_AFFINITY_CONNECTION};

	memcpy(&vip.addr, &svc->vip, sizeof(vip.addr));
	h.flow_key = serin_flow_key(&vip);
	for (size_t zone = 0; zone < ZONES; zone++)
		find_clients(zone, &h);
	snapshot_free(s);
}

/* Where a new connection of the zone's client goes; none remains. */
static unsigned int run_zone(size_t zone, size_t client)
{
	struct outcome syn, reset;

	lab_run(lab_front, zone_syns[zone][client], zone_len, &syn);
	lab_run(lab_front, zone_resets[zone][client], zone_len, &reset);
	return lab_host_of(&syn);
}

static void *run_packets(void *arg)
{
	(void)arg;
	for (uint32_t n = 0; !atomic_load(&is_over); n++) {
		const struct zone *zone = &zones[n % ZONES];
		unsigned int host = run_zone(n % ZONES, n / ZONES % ZONE_FRAMES);

		if (host == zone->by_a)
			zone_hits[n % ZONES][0]++;
		else if (host == zone->by_b)
			zone_hits[n % ZONES][1]++;
		else
			wrong_hits++;
		atomic_fetch_add(&packets_run, 1);
	}
	return NULL;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void print_times(uint64_t *whole, uint64_t *store)
{
	qsort(whole, SHIFTS, sizeof(*whole), by_value);
	qsort(store, SHIFTS, sizeof(*store), by_value);
	printf("%d shifts under %llu packets; median of a shift %llu ns, of its store %llu ns\n",
	       SHIFTS, atomic_load(&packets_run), (unsigned long long)whole[SHIFTS / 2],
	       (unsigned long long)store[SHIFTS / 2]);
}

static void shift_to_and_fro(struct dataplane *dp, uint64_t *whole, uint64_t *store)
{
	const struct dataplane_weight a[] = {
		{"canary", 100000}, {"west", 400000}, {"east", 100000}};
	const struct dataplane_weight b[] = {{"canary", 450000}, {"west", 100000}, {"east", 50000}};
	struct dataplane_shift_request request = REQUEST("web", a);

	for (int i = 0; i < SHIFTS; i++) {
		unsigned long long passed = atomic_load(&packets_run);
		struct dataplane_shift out;
		uint64_t start_ns = now_ns();

		request.weights = i % 2 ? a : b;
		assert_int_equal(dataplane_shift(dp, &request, &out), 0);
		whole[i] = now_ns() - start_ns;
		store[i] = out.store_ns;
		while (atomic_load(&packets_run) < passed + (unsigned int)i % PER_SHIFT)
			sched_yield();
	}
}

/* Every client of every zone, by one of the two splits. */
static void expect_split(bool is_b)
{
	for (size_t zone = 0; zone < ZONES; zone++)
		for (size_t i = 0; i < ZONE_FRAMES; i++)
			assert_int_equal(run_zone(zone, i),
					 is_b ? zones[zone].by_b : zones[zone].by_a);
}

#define WORDS (sizeof(struct serin_generation) / sizeof(__u64))

/* What a shift to the other split has written when it is killed after `words` of them. */
static void write_part(struct serin_service *svc, const struct split_layout *to, size_t words)
{
	const struct serin_generation *live = &svc->ring[svc->epoch % SERIN_SPLIT_RING];
	struct serin_generation next;
	struct split_layout base;

	split_decode(&live->base, &base);
	settled_narrow(&live->settled, to, svc->epoch + 1, &next.settled);
	split_encode(to, svc->epoch + 1, &next.now);
	split_encode(&base, svc->epoch + 1, &next.base);
	memcpy(&svc->ring[(svc->epoch + 1) % SERIN_SPLIT_RING], &next, words * sizeof(__u64));
}

static void test_a_shift_cut_short_changes_nothing(void **state)
{
	int fd = bpf_obj_get(LAB_PINS "/services");
	struct snapshot *s = lab_snapshot();
	uint32_t id = snapshot_find_service(s, "web")->id;
	const struct dataplane_weight a[] = {
		{"canary", 100000}, {"west", 400000}, {"east", 100000}};
	const struct dataplane_weight b[] = {{"canary", 450000}, {"west", 100000}, {"east", 50000}};
	struct dataplane_shift_request requests[] = {REQUEST("web", a), REQUEST("web", b)};

	(void)state;
	snapshot_free(s);
	find_all_clients();
	for (int round = 0; round <= SERIN_SPLIT_RING; round++) {
		bool is_b = round % 2;
		struct serin_service svc;
		struct split_layout to;
		struct dataplane_shift out;

		assert_int_equal(shift(&requests[!is_b], &out), 0);
		assert_int_equal(bpf_map_lookup_elem(fd, &id, &svc), 0);
		split_decode(&svc.ring[svc.epoch % SERIN_SPLIT_RING].now, &to);
		assert_int_equal(shift(&requests[is_b], &out), 0);
		for (size_t words = 1; words <= WORDS; words++) {
			assert_int_equal(bpf_map_lookup_elem(fd, &id, &svc), 0);
			write_part(&svc, &to, words);
			assert_int_equal(bpf_map_update_elem(fd, &id, &svc, BPF_EXIST), 0);
			expect_split(is_b);
		}
	}
	close(fd);
}

static void test_no_packet_sees_half_a_shift(void **state)
{
	static uint64_t whole[SHIFTS], store[SHIFTS];
	uint32_t epoch = epoch_of("web");
	struct dataplane *dp;
	pthread_t thread;

	(void)state;
	find_all_clients();
	dp = lab_open(DATAPLANE_WRITE);
	assert_int_equal(pthread_create(&thread, NULL, run_packets, NULL), 0);
	shift_to_and_fro(dp, whole, store);
	atomic_store(&is_over, true);
	dataplane_close(dp);
	lab_join(&thread, 1);
	assert_int_equal(epoch_of("web"), epoch + SHIFTS);
	assert_int_equal(wrong_hits, 0);
	for (size_t zone = 0; zone < ZONES; zone++) { /* both splits were seen everywhere */
		assert_true(zone_hits[zone][0] > 100);
		if (zones[zone].by_a != zones[zone].by_b)
			assert_true(zone_hits[zone][1] > 100);
	}
	print_times(whole, store);
}

int main(void)
{
#define SHIFT_TEST(name) cmocka_unit_test_setup_teardown(name, start, lab_teardown)
	const struct CMUnitTest tests[] = {
		SHIFT_TEST(test_wrong_shifts_are_refused),
		SHIFT_TEST(test_absurd_weights_are_refused),
		SHIFT_TEST(test_what_a_shift_does),
		SHIFT_TEST(test_a_dry_run_changes_nothing),
		SHIFT_TEST(test_a_shift_to_the_same_changes_nothing),
		SHIFT_TEST(test_epochs_expected_and_found),
		SHIFT_TEST(test_all_of_it_and_nothing),
		SHIFT_TEST(test_a_shift_cut_short_changes_nothing),
		SHIFT_TEST(test_no_packet_sees_half_a_shift),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, NULL);
}
