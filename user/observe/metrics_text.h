/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns one line of Prometheus text, for metrics.c and metrics_pools.c. */
#pragma once

#include <stdint.h>
#include <stdio.h>

struct snapshot;
struct snapshot_pool;
struct snapshot_service;

#define METRICS_COUNTER	  "counter"
#define METRICS_GAUGE	  "gauge"
#define METRICS_HISTOGRAM "histogram"

/* All samples of a family follow its head: the format wants them in one piece. */
void metrics_put_head(FILE *out, const char *family, const char *type, const char *help);
/* The family's name and its first label. */
void metrics_put_service(FILE *out, const char *family, const struct snapshot_service *svc);
/* And its second. */
void metrics_put_pool(FILE *out, const char *family, const struct snapshot_service *svc,
		      const struct snapshot_pool *pool);
/* @before: what stands in front of it, "{" or ","; @value: NULL is "unknown" */
void metrics_put_label(FILE *out, const char *before, const char *name, const char *value);
/* Both end the line. Millionths are written as whole numbers: %f follows the locale's comma. */
void metrics_put_value(FILE *out, uint64_t value);
void metrics_put_millionths(FILE *out, uint64_t millionths);

/* metrics_pools.c: all families with a label pool, and those with a label backend. */
void metrics_write_pools(const struct snapshot *s, FILE *out);
void metrics_write_backends(const struct snapshot *s, FILE *out);
/* metrics_guards.c */
void metrics_write_guards(const struct snapshot *s, FILE *out);
