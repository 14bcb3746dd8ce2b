/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the rows of a rollout's record: JSON objects to columns, and back. For rollouts.c alone. */
#pragma once

#include "store/internal.h"
#include "store/rollouts.h"

/* Both return SQLite's result. */
int rollout_rows_add(sqlite3 *db, int64_t rollout, enum store_rollout_part part,
		     const json_t *rows);
int rollout_rows_read(sqlite3 *db, int64_t rollout, enum store_rollout_part part, json_t *rows);
/* All parts of rollouts that are there no more. */
int rollout_rows_prune(sqlite3 *db);
/* Merges samples where there are too many. */
int rollout_samples_thin(sqlite3 *db, int64_t rollout);
