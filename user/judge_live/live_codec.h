/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns a live judge as bytes, the same on every machine: what is restored goes on as if nothing had
 * been. A kernel that has counted on meanwhile is a tick like others if it is not too late, one that
 * began anew is noticed. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct live_judge;

#define LIVE_CODEC_VERSION 1

/* How many bytes a judge is: some 20,000. */
size_t live_codec_size(void);

/* @bytes: live_codec_size() of them */
void live_codec_put(const struct live_judge *j, uint8_t *bytes);

/*
 * The inverse; @out is unchanged on failure. -EPROTONOSUPPORT: of another version. -EBADMSG: not a judge,
 * cut off, or damaged. -EINVAL: whole, but none that live_judge_tick() can have left.
 */
int live_codec_get(const uint8_t *bytes, size_t size, struct live_judge *out);
