// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/status_signals.h"

#include <errno.h>
#include <string.h>

#include "cli/table.h"
#include "dataplane/dataplane.h"
#include "observe/latency.h"
#include "observe/recent.h"
#include "observe/signals.h"

enum {
	COLUMN_NAME,
	COLUMN_SAMPLED,
	COLUMN_FAILURES,
	COLUMN_REFUSED,
	COLUMN_LOST,
	COLUMN_RESET,
	COLUMN_HANDSHAKE_50,
	COLUMN_HANDSHAKE_99,
	COLUMN_FIRST_BYTE_50,
	COLUMN_FIRST_BYTE_99,
	COLUMN_MAX,
};

static const struct table_column columns[COLUMN_MAX] = {
	[COLUMN_NAME] = {.name = "POOL", .is_tree = true},
	[COLUMN_SAMPLED] = {.name = "SAMPLED", .is_number = true},
	[COLUMN_FAILURES] = {.name = "FAILURES", .is_number = true},
	[COLUMN_REFUSED] = {.name = "REFUSED", .is_number = true},
	[COLUMN_LOST] = {.name = "LOST", .is_number = true},
	[COLUMN_RESET] = {.name = "RESET", .is_number = true},
	[COLUMN_HANDSHAKE_50] = {.name = "SYN ms p50", .is_number = true},
	[COLUMN_HANDSHAKE_99] = {.name = "p99", .is_number = true},
	[COLUMN_FIRST_BYTE_50] = {.name = "1ST BYTE ms p50", .is_number = true},
	[COLUMN_FIRST_BYTE_99] = {.name = "p99", .is_number = true},
};

static void set_latency(struct libscols_line *row, int column, const struct snapshot_service *svc,
			const struct snapshot_pool *pool, enum serin_latency which)
{
	const struct serin_histogram *h = &pool->latencies->of[which];

	if (!latency_is_seen(&latencies[which], svc) || !latency_count(h)) {
		table_set(row, column, "-");
		table_set(row, column + 1, "-");
		return;
	}
	table_set(row, column, "%.2f", latency_quantile_us(h, 500) / 1000);
	table_set(row, column + 1, "%.2f", latency_quantile_us(h, 990) / 1000);
}

static void set_count(struct libscols_line *row, int column, const struct snapshot_service *svc,
		      unsigned int scope, uint64_t count)
{
	if (signal_scope_is_seen(scope, svc))
		table_set(row, column, "%llu", (unsigned long long)count);
	else
		table_set(row, column, "-");
}

/* "4 (2.0 %)": of the flows they are found among. */
static void set_failures(struct libscols_line *row, const struct serin_signals *s)
{
	if (s->failures && s->sampled_flows)
		table_set(row, COLUMN_FAILURES, "%llu (%.1f %%)", (unsigned long long)s->failures,
			  100.0 * (double)s->failures / (double)s->sampled_flows);
	else
		table_set(row, COLUMN_FAILURES, "%llu", (unsigned long long)s->failures);
}

static struct libscols_line *add_row(struct libscols_table *t, struct libscols_line *parent,
				     const struct snapshot_service *svc,
				     const struct snapshot_pool *pool)
{
	const struct serin_signals *s = &pool->counters.signals;
	struct libscols_line *row = table_row(t, parent);

	table_set(row, COLUMN_SAMPLED, "%llu (1/%u)", (unsigned long long)s->sampled_flows,
		  1u << pool->sample_shift);
	set_failures(row, s);
	set_count(row, COLUMN_REFUSED, svc, SIGNAL_OF_TCP | SIGNAL_OF_REPLIES, s->refused);
	table_set(row, COLUMN_LOST, "%llu", (unsigned long long)(s->timed_out + s->unanswered));
	set_count(row, COLUMN_RESET, svc, SIGNAL_OF_TCP | SIGNAL_OF_REPLIES, s->resets_by_backend);
	set_latency(row, COLUMN_HANDSHAKE_50, svc, pool, SERIN_LATENCY_HANDSHAKE);
	set_latency(row, COLUMN_FIRST_BYTE_50, svc, pool, SERIN_LATENCY_FIRST_BYTE);
	return row;
}

/* What there was before: a look, and how long ago. */
struct past {
	const struct snapshot *look;
	uint64_t ms;
};

static void add_recent(struct libscols_table *t, struct libscols_line *parent,
		       const struct snapshot_service *svc, const struct snapshot_pool *pool,
		       const struct past *past)
{
	struct snapshot_pool gained = *pool;
	struct recent_signals gain;
	struct libscols_line *row;

	if (recent_gain(past->look, svc, pool, &gain))
		return;
	gained.counters.signals = gain.signals;
	gained.latencies = &gain.latencies;
	row = add_row(t, parent, svc, &gained);
	table_set(row, COLUMN_NAME, "last %.0f s", (double)past->ms / 1000);
	if (gain.signals.failures)
		table_warn(row);
}

static void add_service(struct libscols_table *t, const struct snapshot_service *svc,
			const struct past *past)
{
	struct libscols_line *row, *pool_row;

	if (!signal_scope_is_seen(SIGNAL_OF_SAMPLES, svc))
		return;
	row = table_row(t, NULL);
	table_set(row, COLUMN_NAME, "%s", svc->name);
	for (size_t i = 0; i < svc->pool_count; i++) {
		pool_row = add_row(t, row, svc, &svc->pools[i]);
		table_set(pool_row, COLUMN_NAME, "%s", svc->pools[i].name);
		if (past->look)
			add_recent(t, pool_row, svc, &svc->pools[i], past);
	}
}

int status_print_signals(const struct snapshot *s, const char *only, const struct recent *recent,
			 uint64_t now_ms)
{
	struct libscols_table *t = table_new(columns, COLUMN_MAX);
	uint64_t then_ms = now_ms;
	struct past past;

	if (!t)
		return -ENOMEM;
	past.look = recent_oldest(recent, &then_ms);
	past.ms = now_ms - then_ms;
	for (size_t i = 0; i < s->service_count; i++)
		if (!only || !strcmp(only, s->services[i].name))
			add_service(t, &s->services[i], &past);
	table_print(t);
	table_free(t);
	return 0;
}
