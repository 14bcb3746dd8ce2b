// SPDX-License-Identifier: GPL-2.0-or-later
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <cmocka.h>

#include "dataplane/event_log.h"

#define SIZE SERIN_EVENT_LOG_SIZE

static struct serin_event_log *empty_log;

static int setup(void **state)
{
	(void)state;
	empty_log = aligned_alloc(64, sizeof(*empty_log));
	assert_non_null(empty_log);
	memset(empty_log, 0, sizeof(*empty_log));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(empty_log);
	return 0;
}

/* Every word of an event says which one it is. */
static struct serin_event nth_event(uint64_t n)
{
	struct serin_event e = {.when_ns = n,
				.count = n * 3,
				.total = ~n,
				.service = (uint32_t)n,
				.backend = (uint32_t)(n >> 1),
				.kind = (uint8_t)n,
				.cause = (uint8_t)(n >> 8),
				.pool = (uint8_t)(n >> 16)};

	for (int i = 0; i < 4; i++)
		e.client.addr.word_be[i] = (uint32_t)(n * (uint64_t)(i + 7));
	e.client.port_be = (uint16_t)(n * 11);
	return e;
}

static void write_events(struct serin_event_log *log, uint64_t from, uint64_t to)
{
	for (uint64_t n = from; n <= to; n++) {
		struct serin_event e = nth_event(n);

		assert_true(serin_event_write(log, &e));
	}
}

static bool is_whole(const struct serin_event *e)
{
	struct serin_event wanted = nth_event(e->when_ns);

	return !memcmp(e, &wanted, sizeof(wanted));
}

static void expect_events(struct event_cursor *c, uint64_t from, uint64_t to)
{
	struct serin_event e;

	for (uint64_t n = from; n <= to; n++) {
		assert_int_equal(event_cursor_read(c, empty_log, &e), EVENT_LOG_READ);
		assert_int_equal(e.when_ns, n);
		assert_int_equal(c->next, n + 1);
		assert_true(is_whole(&e));
	}
	assert_int_equal(event_cursor_read(c, empty_log, &e), EVENT_LOG_END);
}

/* ---- one reader ---- */

static void an_empty_log(void **state)
{
	struct event_cursor old = event_cursor_oldest(empty_log);
	struct event_cursor fresh = event_cursor_newest(empty_log);

	(void)state;
	expect_events(&old, 1, 0);
	write_events(empty_log, 1, 3);
	expect_events(&old, 1, 3);
	expect_events(&fresh, 1, 3);
	assert_int_equal(old.lost, 0);
}

static void the_newest_alone(void **state)
{
	struct event_cursor c;

	(void)state;
	write_events(empty_log, 1, 5);
	c = event_cursor_newest(empty_log);
	expect_events(&c, 1, 0);
	write_events(empty_log, 6, 7);
	expect_events(&c, 6, 7);
}

static void round_and_round(void **state)
{
	struct event_cursor c = event_cursor_oldest(empty_log);

	(void)state;
	for (uint64_t n = 1; n < 5 * SIZE; n += 1000) {
		write_events(empty_log, n, n + 999);
		expect_events(&c, n, n + 999);
	}
	assert_int_equal(c.lost, 0);
}

static void a_full_log_loses_nothing(void **state)
{
	struct event_cursor c = event_cursor_oldest(empty_log), late;

	(void)state;
	write_events(empty_log, 1, SIZE);
	late = event_cursor_oldest(empty_log);
	expect_events(&c, 1, SIZE);
	expect_events(&late, 1, SIZE);
	assert_int_equal(c.lost + late.lost, 0);
}

static void who_is_slow_loses_the_oldest(void **state)
{
	struct event_cursor c = event_cursor_oldest(empty_log), late;

	(void)state;
	write_events(empty_log, 1, 10);
	expect_events(&c, 1, 10);
	write_events(empty_log, 11, 3 * SIZE + 7);
	late = event_cursor_oldest(empty_log);
	expect_events(&c, 2 * SIZE + 8, 3 * SIZE + 7);
	assert_int_equal(c.lost, 2 * SIZE + 7 - 10);
	expect_events(&late, 2 * SIZE + 8, 3 * SIZE + 7);
	assert_int_equal(late.lost, 0);
}

/* ---- what is not whole ---- */

static struct serin_event_record *record_of(uint64_t n)
{
	return &empty_log->record[n % SIZE];
}

static void an_event_being_written_is_waited_for(void **state)
{
	struct event_cursor c = event_cursor_oldest(empty_log);
	struct serin_event e;

	(void)state;
	write_events(empty_log, 1, 3);
	record_of(2)->sequence = SERIN_EVENT_BUSY;
	assert_int_equal(event_cursor_read(&c, empty_log, &e), EVENT_LOG_READ);
	assert_int_equal(event_cursor_read(&c, empty_log, &e), EVENT_LOG_UNFINISHED);
	assert_int_equal(event_cursor_read(&c, empty_log, &e), EVENT_LOG_UNFINISHED);
	assert_int_equal(c.lost, 0);
	record_of(2)->sequence = 2;
	expect_events(&c, 2, 3);
	assert_int_equal(c.lost, 0);
}

/* It has a place, and its writer has not come to it. */
static void an_event_not_yet_begun_is_waited_for(void **state)
{
	struct event_cursor c = event_cursor_oldest(empty_log);
	struct serin_event e;

	(void)state;
	write_events(empty_log, 1, SIZE);
	expect_events(&c, 1, SIZE);
	empty_log->last++; /* there is the one of a log ago */
	assert_int_equal(event_cursor_read(&c, empty_log, &e), EVENT_LOG_UNFINISHED);
	write_events(empty_log, SIZE + 2, SIZE + 4);
	assert_int_equal(event_cursor_read(&c, empty_log, &e), EVENT_LOG_UNFINISHED);
	event_cursor_skip(&c);
	expect_events(&c, SIZE + 2, SIZE + 4);
	assert_int_equal(c.lost, 1);
}

static void an_event_half_overwritten_is_lost(void **state)
{
	struct event_cursor c = event_cursor_oldest(empty_log);
	struct serin_event e;

	(void)state;
	write_events(empty_log, 1, SIZE);
	empty_log->last++; /* event SIZE + 1 takes the place of event 1 */
	record_of(1)->sequence = SERIN_EVENT_BUSY;
	assert_int_equal(event_cursor_read(&c, empty_log, &e), EVENT_LOG_READ);
	assert_int_equal(e.when_ns, 2);
	assert_int_equal(c.lost, 1);
}

/* Two writers a whole log apart: the later one finds the place taken, or the earlier one finds it
 * filled. */
static void writers_do_not_mix(void **state)
{
	struct serin_event e = nth_event(77);

	(void)state;
	write_events(empty_log, 1, 4);
	record_of(5)->sequence = SERIN_EVENT_BUSY;
	assert_false(serin_event_write(empty_log, &e)); /* 5 */
	assert_int_equal(record_of(5)->sequence, SERIN_EVENT_BUSY);
	record_of(6)->sequence = SIZE + 6;
	assert_false(serin_event_write(empty_log, &e)); /* 6 */
	assert_int_equal(record_of(6)->sequence, SIZE + 6);
	assert_int_equal(empty_log->last, 6);
}

/* ---- in the middle of a copy ---- */

#define INTERRUPTIONS 1000
#define DELAY_US      50

static volatile sig_atomic_t interruptions;

/* Every place has another event when this is over. */
static void write_log_over(int number)
{
	(void)number;
	for (int i = 0; i < SIZE; i++) {
		struct serin_event e = nth_event(empty_log->last + 1);

		serin_event_write(empty_log, &e);
	}
	interruptions++;
}

/* Each only when the one before is over, or there would be nothing else. */
static void interrupt_soon(void)
{
	static sig_atomic_t armed = -1;
	const struct itimerval soon = {.it_value.tv_usec = DELAY_US};

	if (armed == interruptions)
		return;
	armed = interruptions;
	setitimer(ITIMER_REAL, &soon, NULL);
}

static void what_is_overwritten_in_a_copy_is_not_shown(void **state)
{
	const struct sigaction action = {.sa_handler = write_log_over};
	uint64_t read = 0, torn = 0;
	struct event_cursor c;
	struct serin_event e;

	(void)state;
	write_events(empty_log, 1, SIZE);
	sigaction(SIGALRM, &action, NULL);
	while (interruptions < INTERRUPTIONS) {
		interrupt_soon();
		c = event_cursor_oldest(empty_log);
		for (int i = 0; i < 100; i++) {
			if (event_cursor_read(&c, empty_log, &e) != EVENT_LOG_READ)
				break;
			read++;
			torn += !is_whole(&e) || e.when_ns != c.next - 1;
		}
	}
	assert_true(read > 0);
	assert_int_equal(torn, 0);
}

/* ---- all at once ---- */

#define WRITERS	   3
#define READERS	   3
#define EACH	   400000
#define ALL_EVENTS ((uint64_t)WRITERS * EACH)

static atomic_uint writers_left;

static void *write_many(void *arg)
{
	uint64_t first = (uint64_t)(uintptr_t)arg;

	for (uint64_t i = 0; i < EACH; i++) {
		struct serin_event e = nth_event(first + i * WRITERS);

		serin_event_write(empty_log, &e);
	}
	atomic_fetch_sub(&writers_left, 1);
	return NULL;
}

struct race_reader {
	pthread_t thread;
	struct event_cursor cursor;
	uint64_t read, torn, backwards;
};

/* Until nothing is left of what all have written. */
static void *read_many(void *arg)
{
	struct race_reader *r = arg;
	uint64_t before = 0;
	struct serin_event e;

	for (;;) {
		bool is_over = !atomic_load(&writers_left);
		enum event_log_state got = event_cursor_read(&r->cursor, empty_log, &e);

		if (got == EVENT_LOG_READ) {
			r->read++;
			r->torn += !is_whole(&e);
			r->backwards += r->cursor.next <= before;
			before = r->cursor.next;
		} else if (is_over && got == EVENT_LOG_END) {
			return NULL;
		} else if (is_over) { /* given up by its writer */
			event_cursor_skip(&r->cursor);
		}
	}
}

static void many_writers_and_many_readers(void **state)
{
	struct race_reader readers[READERS];
	pthread_t writers[WRITERS];

	(void)state;
	atomic_store(&writers_left, WRITERS);
	for (int i = 0; i < READERS; i++) {
		readers[i] = (struct race_reader){.cursor = event_cursor_oldest(empty_log)};
		assert_int_equal(pthread_create(&readers[i].thread, NULL, read_many, &readers[i]),
				 0);
	}
	for (uintptr_t i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&writers[i], NULL, write_many, (void *)(i + 1)), 0);
	for (int i = 0; i < WRITERS; i++)
		pthread_join(writers[i], NULL);
	for (int i = 0; i < READERS; i++)
		pthread_join(readers[i].thread, NULL);
	for (int i = 0; i < READERS; i++) {
		struct race_reader *r = &readers[i];

		printf("reader %d: %llu events, %llu lost\n", i, (unsigned long long)r->read,
		       (unsigned long long)r->cursor.lost);
		assert_int_equal(r->torn, 0);
		assert_int_equal(r->backwards, 0);
		assert_true(r->read > 0);
		assert_int_equal(r->read + r->cursor.lost, ALL_EVENTS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_empty_log, setup, teardown),
		cmocka_unit_test_setup_teardown(the_newest_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(round_and_round, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_log_loses_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(who_is_slow_loses_the_oldest, setup, teardown),
		cmocka_unit_test_setup_teardown(an_event_being_written_is_waited_for, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_event_not_yet_begun_is_waited_for, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_event_half_overwritten_is_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(writers_do_not_mix, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_overwritten_in_a_copy_is_not_shown, setup,
						teardown),
		cmocka_unit_test_setup_teardown(many_writers_and_many_readers, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
