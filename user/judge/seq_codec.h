/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns a sequential judge's state as bytes, the same on every machine: what is restored goes on as if
 * nothing had been, to the last bit. Pure.
 */
#pragma once

#include <stddef.h>

#include "judge/seq_judge.h"

#define SEQ_CODEC_VERSION 2

/* How many bytes a state is. */
size_t seq_codec_size(void);

/* @bytes: seq_codec_size() of them */
void seq_codec_put(const struct seq_state *s, uint8_t *bytes);

/*
 * The inverse; @out is unchanged on failure. -EPROTONOSUPPORT: of another version. -EBADMSG: not a state,
 * cut off, or damaged. -EINVAL: whole, but no state that seq_step() can have left.
 */
int seq_codec_get(const uint8_t *bytes, size_t size, struct seq_state *out);
