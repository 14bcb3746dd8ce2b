/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns a pool as two: those of its backends that have the new version, and the rest. What is counted of
 * either is the sum of what its backends counted while they belonged to it, as a snapshot for
 * live_judge.h: each backend may change sides. Pure.
 *
 *	h = live_halves_new();
 *	each second, and before live_judge_begin():
 *		live_halves_follow(h, service, pool, half_of, arg);
 *		live_judge_tick(&j, live_halves_snapshot(h), now_ms, &tick);
 */
#pragma once

struct live_halves;
struct live_judge;
struct serin_signals;
struct snapshot;
struct snapshot_backend;
struct snapshot_pool;
struct snapshot_service;

enum live_half {
	LIVE_REST,
	LIVE_UPGRADED,
	LIVE_NEITHER, /* being upgraded: what it does now is nobody's fault */
};

/* The two pools of the snapshot; the rest is its primary. */
#define LIVE_HALF_REST	   "rest"
#define LIVE_HALF_UPGRADED "upgraded"

struct live_halves *live_halves_new(void); /* NULL: no memory */
void live_halves_free(struct live_halves *h);

/* live_halves_adopt() - goes on from what a judge that was kept had counted, before the first look. */
void live_halves_adopt(struct live_halves *h, const struct live_judge *j);

typedef enum live_half live_half_of(const struct snapshot_backend *b, void *arg);

/*
 * live_halves_follow() - adds to each half what its backends counted since the last look.
 * Returns 0 or -ENOMEM.
 */
int live_halves_follow(struct live_halves *h, const struct snapshot_service *svc,
		       const struct snapshot_pool *pool, live_half_of *half_of, void *arg);

/* Of the last look; lives until the next one. */
const struct snapshot *live_halves_snapshot(const struct live_halves *h);

/* What the rest had counted ever before the first look; nothing after live_halves_adopt(). */
const struct serin_signals *live_halves_past(const struct live_halves *h);
