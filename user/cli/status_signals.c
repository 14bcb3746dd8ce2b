// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/status_signals.h"

#include <errno.h>
#include <string.h>

#include "cli/table.h"
#include "dataplane/dataplane.h"
#include "observe/latency.h"
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

static void add_pool(struct libscols_table *t, struct libscols_line *parent,
		     const struct snapshot_service *svc, const struct snapshot_pool *pool)
{
	const struct serin_signals *s = &pool->counters.signals;
	struct libscols_line *row = table_row(t, parent);

	table_set(row, COLUMN_NAME, "%s", pool->name);
	table_set(row, COLUMN_SAMPLED, "%llu (1/%u)", (unsigned long long)s->sampled_flows,
		  1u << pool->sample_shift);
	table_set(row, COLUMN_FAILURES, "%llu", (unsigned long long)s->failures);
	set_count(row, COLUMN_REFUSED, svc, SIGNAL_OF_TCP | SIGNAL_OF_REPLIES, s->refused);
	table_set(row, COLUMN_LOST, "%llu", (unsigned long long)(s->timed_out + s->unanswered));
	set_count(row, COLUMN_RESET, svc, SIGNAL_OF_TCP | SIGNAL_OF_REPLIES, s->resets_by_backend);
	set_latency(row, COLUMN_HANDSHAKE_50, svc, pool, SERIN_LATENCY_HANDSHAKE);
	set_latency(row, COLUMN_FIRST_BYTE_50, svc, pool, SERIN_LATENCY_FIRST_BYTE);
}

static void add_service(struct libscols_table *t, const struct snapshot_service *svc)
{
	struct libscols_line *row;

	if (!signal_scope_is_seen(SIGNAL_OF_SAMPLES, svc))
		return;
	row = table_row(t, NULL);
	table_set(row, COLUMN_NAME, "%s", svc->name);
	for (size_t i = 0; i < svc->pool_count; i++)
		add_pool(t, row, svc, &svc->pools[i]);
}

int status_print_signals(const struct snapshot *s, const char *only)
{
	struct libscols_table *t = table_new(columns, COLUMN_MAX);

	if (!t)
		return -ENOMEM;
	for (size_t i = 0; i < s->service_count; i++)
		if (!only || !strcmp(only, s->services[i].name))
			add_service(t, &s->services[i]);
	table_print(t);
	table_free(t);
	return 0;
}
