/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns how many of each pool's flows are sampled: all of few, fewer of many, so that samples cost a
 * pool's packets next to nothing and still tell enough.
 */
#pragma once

#include <stdint.h>

#include <serin/signals.h>

struct dataplane;
struct sampling;

#define SAMPLING_MOST	   2000 /* samples a second: beyond, half as many flows are */
#define SAMPLING_FEW	   (SAMPLING_MOST / 2) /* twice as many, if that is no more than this */
#define SAMPLING_SHIFT_MAX SERIN_SAMPLE_SHIFT_MAX

/* The next shift of a pool with one. Pure. */
uint8_t sampling_judge(uint8_t shift, uint64_t flows_per_s);

struct sampling *sampling_new(void);
void sampling_free(struct sampling *s);

/* Looks at all pools. @dp: to be written. Returns 0 or -errno. */
int sampling_look(struct sampling *s, struct dataplane *dp, uint64_t now_ms);
