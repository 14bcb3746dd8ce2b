/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns asking Prometheus (or what speaks as it does) for a range of a query: the HTTP of it. One request
 * at a time; connections are kept for the next. Redirects are not followed: they would take secrets
 * along.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "judge_io/complaint.h"

struct http_config;
struct prometheus;
struct range_grid;

#define PROMETHEUS_TIMEOUT_MS 30000
/* 100,000 points; of JSON made to be dear, about 120 MB in memory. */
#define PROMETHEUS_ANSWER_MAX ((size_t)4 << 20)

struct prometheus_settings {
	const char *url; /* before /api/v1 */
	uint32_t timeout_ms;
	const struct http_config *http; /* outlives the handle */
};

/*
 * prometheus_new() - a handle; nothing is asked yet.
 * @messages: receives what is wrong with the URL
 *
 * Returns 0, -EINVAL, or -ENOMEM.
 */
int prometheus_new(const struct prometheus_settings *s, FILE *messages, struct prometheus **out);
void prometheus_free(struct prometheus *p);

/* Where queries go; there are no secrets in it. */
const char *prometheus_url(const struct prometheus *p);

/*
 * prometheus_query_range() - ask, and wait for the answer.
 * @s: what complaints begin with
 * @text: the answer, with NUL at its end, the caller's to free; unchanged on failure
 *
 * Returns 0, -EIO after complaining, or -ENOMEM.
 */
int prometheus_query_range(struct prometheus *p, const struct source *s, const char *query,
			   const struct range_grid *g, char **text, size_t *len);
