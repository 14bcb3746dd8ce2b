// SPDX-License-Identifier: GPL-2.0-or-later
#include "judge/summary.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS	    256u /* of a pass: a byte */
#define PASSES	    8u
#define SHORT_COUNT 48u /* below it insertion is quicker than counting digits */

/* Whole numbers in the order of the doubles: negative ones turned round, positive ones above them. */
static uint64_t to_key(double value)
{
	uint64_t bits;

	if (isnan(value))
		return UINT64_MAX;
	memcpy(&bits, &value, sizeof(bits));
	return bits >> 63 ? ~bits : bits | 1ull << 63;
}

static double from_key(uint64_t key)
{
	uint64_t bits = key >> 63 ? key & ~(1ull << 63) : ~key;
	double value;

	if (key == UINT64_MAX)
		return NAN;
	memcpy(&value, &bits, sizeof(value));
	return value;
}

static void insert_all(double *values, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		double value = values[i];
		uint64_t key = to_key(value);
		size_t at = i;

		for (; at && to_key(values[at - 1]) > key; at--)
			values[at] = values[at - 1];
		values[at] = value;
	}
}

/* One pass of a radix sort; false where all keys have the same digit and nothing was moved. */
static bool scatter(const uint64_t *from, uint64_t *to, size_t count, const size_t *tally,
		    unsigned int shift)
{
	size_t start[DIGITS], sum = 0;

	if (tally[from[0] >> shift & (DIGITS - 1)] == count)
		return false;
	for (size_t digit = 0; digit < DIGITS; digit++) {
		start[digit] = sum;
		sum += tally[digit];
	}
	for (size_t i = 0; i < count; i++)
		to[start[from[i] >> shift & (DIGITS - 1)]++] = from[i];
	return true;
}

static void radix_sort(uint64_t *keys, uint64_t *spare, size_t count, double *out)
{
	size_t tally[PASSES][DIGITS] = {0};

	for (size_t i = 0; i < count; i++)
		for (unsigned int pass = 0; pass < PASSES; pass++)
			tally[pass][keys[i] >> 8 * pass & (DIGITS - 1)]++;
	for (unsigned int pass = 0; pass < PASSES; pass++) {
		if (scatter(keys, spare, count, tally[pass], 8 * pass)) {
			uint64_t *swap = keys;

			keys = spare;
			spare = swap;
		}
	}
	for (size_t i = 0; i < count; i++)
		out[i] = from_key(keys[i]);
}

int judge_sort(double *values, size_t count)
{
	uint64_t *keys;

	if (count < SHORT_COUNT) {
		insert_all(values, count);
		return 0;
	}
	keys = calloc(count, 2 * sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		keys[i] = to_key(values[i]);
	radix_sort(keys, keys + count, count, values);
	free(keys);
	return 0;
}

double judge_mean(const double *values, size_t count)
{
	double sum = 0.0, correction = 0.0, mean;

	if (!count)
		return 0.0;
	for (size_t i = 0; i < count; i++)
		sum += values[i];
	mean = sum / (double)count;
	for (size_t i = 0; i < count; i++)
		correction += values[i] - mean;
	return mean + correction / (double)count;
}

double judge_variance(const double *values, size_t count, double mean, bool is_population)
{
	double squares = 0.0, sum = 0.0, n = (double)count;

	if (count < 2)
		return 0.0;
	for (size_t i = 0; i < count; i++) {
		double difference = values[i] - mean;

		squares += difference * difference;
		sum += difference;
	}
	return (squares - sum * sum / n) / (is_population ? n : n - 1.0);
}

void judge_summarise(const double *values, size_t count, struct judge_stats *out)
{
	*out = (struct judge_stats){.count = count};
	if (!count)
		return;
	out->min = out->max = values[0];
	for (size_t i = 1; i < count; i++) {
		out->min = values[i] < out->min ? values[i] : out->min;
		out->max = values[i] > out->max ? values[i] : out->max;
	}
	out->mean = judge_mean(values, count);
	out->std = sqrt(judge_variance(values, count, out->mean, false));
}

double judge_percentile(const double *sorted, size_t count, double percent)
{
	double position, floor_position;
	size_t below;

	if (count < 2)
		return count ? sorted[0] : NAN;
	/* not 1 + (n - 1) * p / 100 in any other order: the last digits matter at the fences */
	position = percent == 100.0 ? (double)count : 1.0 + (double)(count - 1) * (percent / 100.0);
	if (position < 1.0)
		return sorted[0];
	if (position >= (double)count)
		return sorted[count - 1];
	floor_position = floor(position);
	below = (size_t)floor_position - 1;
	return sorted[below] + (position - floor_position) * (sorted[below + 1] - sorted[below]);
}
