/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns what is told of a live judge: cells of tables, JSON, Markdown. Pure but for the file written. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "judge_live/live_judge.h"

struct json_t;

struct live_account {
	const struct live_judge *judge;
	enum live_skip last_skip; /* of the last tick */
	uint32_t weight_ppm[SEQ_ROLE_MAX];
	struct serin_histogram latency[SEQ_ROLE_MAX][SEQ_LATENCY_MAX]; /* since it began */
	uint64_t passed_ms, limit_ms;
	bool is_over; /* no tick comes any more */
};

/* A tick's part of what is told. */
void live_account_add(struct live_account *a, const struct live_tick *tick, uint64_t passed_ms);

/* seq_verdict_name(), but "undecided" of one that is over and could go on. */
const char *live_account_verdict(const struct live_account *a);

#define LIVE_CELL_LEN 96

enum live_pool_column {
	LIVE_POOL_NAME,
	LIVE_POOL_ROLE,
	LIVE_POOL_WEIGHT,
	LIVE_POOL_FLOWS,
	LIVE_POOL_FAILURES,
	LIVE_POOL_RESETS,
	LIVE_POOL_HANDSHAKE, /* p50 p90 p99 */
	LIVE_POOL_FIRST_BYTE,
	LIVE_POOL_COLUMNS,
};

enum live_test_column {
	LIVE_TEST_NAME,
	LIVE_TEST_CANARY,
	LIVE_TEST_BASELINE,
	LIVE_TEST_EFFECT,
	LIVE_TEST_WORSE, /* how far from its boundary */
	LIVE_TEST_FINE,
	LIVE_TEST_ALARM,
	LIVE_TEST_COLUMNS,
};

extern const char *const live_pool_columns[LIVE_POOL_COLUMNS];
extern const char *const live_test_columns[LIVE_TEST_COLUMNS];

typedef char live_cell[LIVE_CELL_LEN];

/* False: nobody has that role. */
bool live_pool_cells(const struct live_account *a, enum seq_role role,
		     live_cell cells[LIVE_POOL_COLUMNS]);
/* @test: SEQ_TEST_MAX is all of them together. False: it has no part in this judge. */
bool live_test_cells(const struct live_account *a, const struct seq_report *r, int test,
		     live_cell cells[LIVE_TEST_COLUMNS]);

/* Of each band. */
#define LIVE_REPORT_MISS 0.05

#define LIVE_LINE_LEN 256

/* "web: canary against stable, 37 s: abort (worse: failures)" */
const char *live_headline(const struct live_account *a, char buf[LIVE_LINE_LEN]);
/* What would decide, and how often that is wrong. */
const char *live_terms(const struct live_account *a, char buf[LIVE_LINE_LEN]);

/* NULL: no memory. */
struct json_t *live_report_json(const struct live_account *a);
/* 0 or -EIO. */
int live_report_write_md(const struct live_account *a, FILE *out);
