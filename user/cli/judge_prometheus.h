/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the options of `judge` that say which samples to get from Prometheus. */
#pragma once

struct canary;
struct cli;
struct samples;
struct source;

/*
 * judge_ask_prometheus() - the samples of a canary's metrics.
 * @s: of the configuration
 * @out: samples_fini() it; unchanged on failure
 *
 * Returns 0, -EINVAL, -EIO or -ENOMEM; the first two after a message.
 */
int judge_ask_prometheus(const struct cli *cli, const struct source *s, const struct canary *c,
			 struct samples *out);
