// SPDX-License-Identifier: GPL-2.0-or-later
/* A judge that is stopped and restored goes on to the last bit; what is damaged is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "judge/seq_codec.h"
#include "seq_lab.h"

#define TICKS 400

static struct seq_lab lab;
static struct seq_lab_shape shape;
static struct serin_histogram histogram[SEQ_ROLE_MAX][SEQ_LATENCY_MAX];
static struct seq_state state;
static uint8_t *bytes;
static size_t size;

static int setup(void **unused)
{
	struct seq_options options;

	(void)unused;
	lab.rng = 11;
	seq_lab_shape(&shape, 800, 0.7, 0, 1);
	seq_options_init(&options);
	options.alpha = options.alpha_alarm = 1e-12; /* no end of it by chance */
	options.floor = 0.001;
	options.required = (1u << SEQ_TEST_MAX) - 1;
	seq_begin(&state, &options);
	size = seq_codec_size();
	bytes = malloc(size);
	return bytes ? 0 : -1;
}

static int teardown(void **unused)
{
	(void)unused;
	free(bytes);
	bytes = NULL;
	return 0;
}

static void random_tick(struct seq_tick *t)
{
	memset(t, 0, sizeof(*t));
	memset(histogram, 0, sizeof(histogram));
	for (int role = 0; role < SEQ_ROLE_MAX; role++) {
		struct seq_pool *p = &t->of[role];

		p->flows = seq_lab_poisson(&lab, 40);
		p->failures = seq_lab_binomial(&lab, p->flows, 0.03);
		p->resets = seq_lab_binomial(&lab, p->flows, 0.02);
		p->share = 1 + seq_lab_bits(&lab) % 3;
		for (int i = 0; i < SEQ_LATENCY_MAX; i++) {
			seq_lab_latencies(&lab, &shape, p->flows, &histogram[role][i]);
			p->latency[i] = &histogram[role][i];
		}
	}
}

static uint64_t fnv1a(const uint8_t *from, size_t count)
{
	uint64_t sum = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < count; i++)
		sum = (sum ^ from[i]) * 0x100000001b3ull;
	return sum;
}

/* Whose sum is right nevertheless. */
static void put_word(size_t at, uint64_t value)
{
	uint64_t sum;

	memcpy(bytes + at, &value, sizeof(value));
	sum = fnv1a(bytes, size - sizeof(sum));
	memcpy(bytes + size - sizeof(sum), &sum, sizeof(sum));
}

static void step_both(struct seq_state *a, struct seq_state *b, int tick)
{
	struct seq_tick t;

	if (tick == 50)
		for (int i = 0; i < SEQ_LATENCY_MAX; i++) {
			seq_freeze(a, (enum seq_latency)i, &histogram[SEQ_STABLE][i]);
			seq_freeze(b, (enum seq_latency)i, &histogram[SEQ_STABLE][i]);
		}
	if (tick == 300) {
		seq_promote(a);
		seq_promote(b);
	}
	random_tick(&t);
	assert_int_equal(seq_step(a, &t), 0);
	assert_int_equal(seq_step(b, &t), 0);
}

static void restored_in_every_tick_it_is_the_same_to_the_last_bit(void **unused)
{
	struct seq_state restored = state;

	(void)unused;
	for (int tick = 0; tick < TICKS; tick++) {
		struct seq_state kept = restored;

		seq_codec_put(&restored, bytes);
		memset(&restored, 0xa5, sizeof(restored));
		assert_int_equal(seq_codec_get(bytes, size, &restored), 0);
		assert_memory_equal(&restored, &kept, sizeof(kept));
		step_both(&state, &restored, tick);
		assert_memory_equal(&state, &restored, sizeof(state));
	}
	/* and something was going on all the time */
	assert_int_equal(state.ticks, TICKS - 300);
	for (int t = 0; t < SEQ_TEST_MAX; t++)
		assert_true(state.grid[SEQ_LINE_HARM][t].looks > 10);
}

static void what_is_damaged_is_refused(void **unused)
{
	struct seq_state out, before;

	(void)unused;
	memset(&out, 0x3c, sizeof(out));
	before = out;
	seq_codec_put(&state, bytes);
	for (size_t i = 0; i < size; i++) {
		int err;

		bytes[i] ^= 0x10;
		err = seq_codec_get(bytes, size, &out);
		assert_int_equal(err, i >= 8 && i < 16 ? -EPROTONOSUPPORT : -EBADMSG);
		bytes[i] ^= 0x10;
	}
	for (size_t i = 0; i < size; i++)
		assert_int_equal(seq_codec_get(bytes, i, &out), -EBADMSG);
	assert_memory_equal(&out, &before, sizeof(out));
	assert_int_equal(seq_codec_get(bytes, size, &out), 0);
}

/* NAN in any field that is a number makes it no state, as does all that is too great. */
static void what_no_tick_can_leave_is_refused(void **unused)
{
	const uint64_t nan_bits = 0x7ff8000000000000ull;
	size_t refused = 0;
	struct seq_state out;

	(void)unused;
	seq_codec_put(&state, bytes);
	for (size_t at = 16; at < size - 8; at += 8) {
		uint64_t was;
		int err;

		memcpy(&was, bytes + at, sizeof(was));
		put_word(at, nan_bits);
		err = seq_codec_get(bytes, size, &out);
		assert_true(!err || err == -EINVAL);
		refused += err == -EINVAL;
		put_word(at, was);
	}
	/* all but ticks, shares, totals and looks, which are counts */
	assert_int_equal(refused, (size - 24) / 8 - 1 - SEQ_LAG * SEQ_ROLE_MAX -
					  sizeof(state.totals) / 8 -
					  (1 + SEQ_LINE_MAX * SEQ_TEST_MAX));
	assert_int_equal(seq_codec_get(bytes, size, &out), 0);
}

/* A change of the layout needs another version. */
static void bytes_of_this_version_are_as_they_were(void **unused)
{
	(void)unused;
	seq_codec_put(&state, bytes);
	assert_int_equal(SEQ_CODEC_VERSION, 2);
	assert_int_equal(size, 4056);
	assert_memory_equal(bytes, "serinseq\2\0\0\0\0\0\0\0", 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			restored_in_every_tick_it_is_the_same_to_the_last_bit, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_damaged_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(what_no_tick_can_leave_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(bytes_of_this_version_are_as_they_were, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
