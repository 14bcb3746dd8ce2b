// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Packets while configurations are applied. New connections go to their pool, whatever changes
 * beside it; living ones, which nobody remembers, to their backend.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "choice_lab.h"

#define SEED	0xd24b7e9183f0c65aull
#define CLIENTS 4096
#define APPLIES 12

static const struct choice_service *const svc = &choice_services[0];
/* Of each client a SYN, and a reset, which goes where old connections go and begins none. */
static uint8_t syns[CLIENTS][FRAME_MAX], resets[CLIENTS][FRAME_MAX];
static size_t frame_len;
static int pools[CLIENTS];
static unsigned int hosts[CLIENTS];
static atomic_bool is_over;
static atomic_ullong packets_run;
static unsigned long long astray, strayed, lost;

static void draw_clients(void)
{
	for (int i = 0; i < CLIENTS; i++) {
		struct in6_addr client = random_client(true);
		struct frame f = client_frame(svc, &client, (uint16_t)lab_random(), FRAME_SYN);

		frame_len = frame_build(&f, syns[i]);
		hosts[i] = lab_choose(&f);
		pools[i] = pool_of(hosts[i]);
		f.tcp_flags = FRAME_RST;
		frame_build(&f, resets[i]);
		assert_true(pools[i] >= 0);
	}
}

static unsigned int run_bytes(const uint8_t *bytes)
{
	struct outcome out;

	lab_run(lab_front, bytes, frame_len, &out);
	atomic_fetch_add(&packets_run, 1);
	return lab_host_of(&out);
}

/* Odd clients have a connection from before; even ones begin one, and end it. */
static void run_client(uint32_t n)
{
	unsigned int host = run_bytes(n % 2 ? resets[n] : syns[n]);

	lost += !host;
	if (n % 2) {
		strayed += host && host != hosts[n];
		return;
	}
	astray += host && pool_of(host) != pools[n];
	run_bytes(resets[n]);
}

static void *run_packets(void *arg)
{
	(void)arg;
	for (uint32_t n = 0; !atomic_load(&is_over); n++)
		run_client(n % CLIENTS);
	return NULL;
}

/* To and fro between two configurations, some packets after each. lab_program stays the same. */
static void apply_to_and_fro(char *const yaml[2])
{
	for (int i = 0; i < APPLIES; i++) {
		unsigned long long passed = atomic_load(&packets_run);

		assert_int_equal(lab_apply_yaml(yaml[i % 2], false), 0);
		while (atomic_load(&packets_run) < passed + 1000)
			sched_yield();
	}
}

static void race(const unsigned int counts[2][POOLS], const unsigned int sizes[2])
{
	pthread_t thread;
	char *yaml[2];

	astray = strayed = lost = 0;
	atomic_store(&is_over, false);
	atomic_store(&packets_run, 0);
	for (int i = 0; i < 2; i++) {
		choice_table_size = sizes[i];
		yaml[i] = choice_config(counts[i], false);
	}
	lab_apply(yaml[1]);
	draw_clients();
	assert_int_equal(pthread_create(&thread, NULL, run_packets, NULL), 0);
	apply_to_and_fro(yaml);
	atomic_store(&is_over, true);
	lab_join(&thread, 1);
	printf("%d applies under %llu packets\n", APPLIES, atomic_load(&packets_run));
	free(yaml[0]);
	free(yaml[1]);
	assert_int_equal(lost, 0);
	assert_int_equal(astray, 0);
	assert_int_equal(strayed, 0);
}

static void test_tables_grow_and_shrink(void **state)
{
	static const unsigned int counts[2][POOLS] = {{2, 3, 4}, {2, 3, 4}};

	(void)state;
	race(counts, (const unsigned int[2]){65537, 1009});
	/* And at the end all is as it was. */
	for (int i = 0; i < CLIENTS; i++) {
		assert_int_equal(run_bytes(syns[i]), hosts[i]);
		run_bytes(resets[i]);
	}
}

static void test_backends_come_and_go(void **state)
{
	static const unsigned int counts[2][POOLS] = {{1, 4, 2}, {3, 1, 6}};

	(void)state;
	race(counts, (const unsigned int[2]){16381, 16381});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_tables_grow_and_shrink, lab_teardown),
		cmocka_unit_test_teardown(test_backends_come_and_go, lab_teardown),
	};

	lab_enter(SEED);
	choice_service_count = 1;
	return cmocka_run_group_tests(tests, lab_setup, NULL);
}
