// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "dataplane/dataplane.h"
#include "lib/net.h"
#include "observe/latency.h"
#include "observe/metrics_text.h"
#include "observe/signals.h"

/* Families of pools and backends differ in what one sample is, and are walked alike. */
typedef void pool_writer(FILE *out, const char *family, const struct snapshot_service *svc,
			 const struct snapshot_pool *pool, const void *arg);

static void write_pools(FILE *out, const struct snapshot *s, const char *family, pool_writer *write,
			const void *arg)
{
	for (size_t i = 0; i < s->service_count; i++)
		for (size_t k = 0; k < s->services[i].pool_count; k++)
			write(out, family, &s->services[i], &s->services[i].pools[k], arg);
}

static void weight(FILE *out, const char *family, const struct snapshot_service *svc,
		   const struct snapshot_pool *pool, const void *arg)
{
	(void)arg;
	metrics_put_pool(out, family, svc, pool);
	metrics_put_millionths(out, pool->weight_ppm);
}

/* The file gives its primary no weight: it takes the rest. */
static void configured_weight(FILE *out, const char *family, const struct snapshot_service *svc,
			      const struct snapshot_pool *pool, const void *arg)
{
	uint32_t ppm = pool->configured_ppm;

	(void)arg;
	if (pool == &svc->pools[svc->file_primary]) {
		ppm = MODEL_PPM_ALL;
		for (size_t i = 0; i < svc->pool_count; i++)
			ppm -= i == svc->file_primary ? 0 : svc->pools[i].configured_ppm;
	}
	metrics_put_pool(out, family, svc, pool);
	metrics_put_millionths(out, ppm);
}

/* One of each state, so that a state that no backend is in shows a 0. */
static const struct snapshot_backend of_each_state[] = {
	{.state = SERIN_BACKEND_UP, .has_hop = true},
	{.state = SERIN_BACKEND_UP, .has_hop = false},
	{.state = SERIN_BACKEND_UP, .has_hop = true, .is_unhealthy = true},
	{.state = SERIN_BACKEND_DRAINING, .has_hop = true},
	{.state = SERIN_BACKEND_LEAVING, .has_hop = true},
};

static uint64_t count_in_state(const struct snapshot_pool *pool, const char *state)
{
	uint64_t count = 0;

	for (size_t i = 0; i < pool->backend_count; i++)
		count += !strcmp(snapshot_backend_state_name(&pool->backends[i]), state);
	return count;
}

static void backends_by_state(FILE *out, const char *family, const struct snapshot_service *svc,
			      const struct snapshot_pool *pool, const void *arg)
{
	(void)arg;
	for (size_t i = 0; i < sizeof(of_each_state) / sizeof(*of_each_state); i++) {
		const char *state = snapshot_backend_state_name(&of_each_state[i]);

		metrics_put_pool(out, family, svc, pool);
		metrics_put_label(out, ",", "state", state);
		metrics_put_value(out, count_in_state(pool, state));
	}
}

static void pool_signal(FILE *out, const char *family, const struct snapshot_service *svc,
			const struct snapshot_pool *pool, const void *arg)
{
	if (!signal_is_seen(arg, svc))
		return;
	metrics_put_pool(out, family, svc, pool);
	metrics_put_value(out, signal_value(arg, &pool->counters));
}

/*
 * Of a histogram's bounds, every other one is told: four to an octave. With less, half of the answers
 * could come a third later, and histogram_quantile() say the same.
 */
#define BOUND_STEP   (SERIN_STEPS / 4)
#define BOUND_LOW_US 16

static void put_bucket(FILE *out, const char *family, const struct snapshot_service *svc,
		       const struct snapshot_pool *pool, const char *le, uint64_t count)
{
	char name[80];

	snprintf(name, sizeof(name), "%.64s_bucket", family);
	metrics_put_pool(out, name, svc, pool);
	metrics_put_label(out, ",", "le", le);
	metrics_put_value(out, count);
}

static void put_histogram(FILE *out, const char *family, const struct snapshot_service *svc,
			  const struct snapshot_pool *pool, const struct serin_histogram *h)
{
	uint64_t count = latency_count(h);
	char text[80];

	for (uint32_t i = serin_latency_bucket(BOUND_LOW_US); i <= SERIN_LATENCY_TOP;
	     i += BOUND_STEP) {
		unsigned int us = (unsigned int)serin_bucket_low(i);

		snprintf(text, sizeof(text), "%u.%06u", us / 1000000, us % 1000000);
		put_bucket(out, family, svc, pool, text, latency_count_until(h, i));
	}
	put_bucket(out, family, svc, pool, "+Inf", count);
	snprintf(text, sizeof(text), "%.64s_sum", family);
	metrics_put_pool(out, text, svc, pool);
	metrics_put_millionths(out, h->sum_us);
	snprintf(text, sizeof(text), "%.64s_count", family);
	metrics_put_pool(out, text, svc, pool);
	metrics_put_value(out, count);
}

static void pool_latency(FILE *out, const char *family, const struct snapshot_service *svc,
			 const struct snapshot_pool *pool, const void *arg)
{
	const struct latency *latency = arg;

	if (pool->latencies && latency_is_seen(latency, svc))
		put_histogram(out, family, svc, pool, &pool->latencies->of[latency - latencies]);
}

static void flows_per_sample(FILE *out, const char *family, const struct snapshot_service *svc,
			     const struct snapshot_pool *pool, const void *arg)
{
	(void)arg;
	if (!signal_scope_is_seen(SIGNAL_OF_SAMPLES, svc))
		return;
	metrics_put_pool(out, family, svc, pool);
	metrics_put_value(out, 1ull << pool->sample_shift);
}

typedef uint64_t backend_reader(const struct snapshot_backend *b, const struct signal *signal);

static uint64_t read_up(const struct snapshot_backend *b, const struct signal *signal)
{
	(void)signal;
	return snapshot_backend_takes_flows(b);
}

static uint64_t read_weight(const struct snapshot_backend *b, const struct signal *signal)
{
	(void)signal;
	return b->weight;
}

static uint64_t read_signal(const struct snapshot_backend *b, const struct signal *signal)
{
	return signal_value(signal, &b->counters);
}

struct backend_family {
	backend_reader *read;
	const struct signal *signal;
};

static void backends(FILE *out, const char *family, const struct snapshot_service *svc,
		     const struct snapshot_pool *pool, const void *arg)
{
	const struct backend_family *of = arg;
	char endpoint[NET_ENDPOINT_LEN];

	if (of->signal && !signal_is_seen(of->signal, svc))
		return;
	for (size_t i = 0; i < pool->backend_count; i++) {
		const struct snapshot_backend *b = &pool->backends[i];

		metrics_put_pool(out, family, svc, pool);
		metrics_put_label(out, ",", "backend",
				  net_format_endpoint(&b->address, b->port, endpoint));
		metrics_put_value(out, of->read(b, of->signal));
	}
}

void metrics_write_pools(const struct snapshot *s, FILE *out)
{
	char family[64];

	metrics_put_head(out, "serin_pool_weight_ratio", METRICS_GAUGE,
			 "Share of new flows the pool is to get.");
	write_pools(out, s, "serin_pool_weight_ratio", weight, NULL);
	metrics_put_head(out, "serin_pool_configured_weight_ratio", METRICS_GAUGE,
			 "Share the configuration file gives the pool at first.");
	write_pools(out, s, "serin_pool_configured_weight_ratio", configured_weight, NULL);
	metrics_put_head(out, "serin_pool_backends", METRICS_GAUGE,
			 "Backends of the pool in each state.");
	write_pools(out, s, "serin_pool_backends", backends_by_state, NULL);
	for (size_t i = 0; i < signal_count; i++) {
		snprintf(family, sizeof(family), "serin_pool_%s_total", signals[i].name);
		metrics_put_head(out, family, METRICS_COUNTER, signals[i].help);
		write_pools(out, s, family, pool_signal, &signals[i]);
	}
	metrics_put_head(out, "serin_pool_flows_per_sample", METRICS_GAUGE,
			 "One flow in so many of the pool is sampled.");
	write_pools(out, s, "serin_pool_flows_per_sample", flows_per_sample, NULL);
	for (int i = 0; i < SERIN_LATENCY_MAX; i++) {
		snprintf(family, sizeof(family), "serin_pool_%s_seconds", latencies[i].name);
		metrics_put_head(out, family, METRICS_HISTOGRAM, latencies[i].help);
		write_pools(out, s, family, pool_latency, &latencies[i]);
	}
}

void metrics_write_backends(const struct snapshot *s, FILE *out)
{
	struct backend_family of = {.read = read_up};
	char family[64];

	metrics_put_head(out, "serin_backend_up", METRICS_GAUGE,
			 "Whether the backend takes new flows: it is neither down nor draining, "
			 "and its next hop is "
			 "known.");
	write_pools(out, s, "serin_backend_up", backends, &of);
	of.read = read_weight;
	metrics_put_head(out, "serin_backend_weight", METRICS_GAUGE,
			 "Weight of the backend, relative to the others of its pool.");
	write_pools(out, s, "serin_backend_weight", backends, &of);
	of.read = read_signal;
	for (size_t i = 0; i < signal_count; i++) {
		if (signals[i].scope & SIGNAL_OF_POOLS)
			continue;
		of.signal = &signals[i];
		snprintf(family, sizeof(family), "serin_backend_%s_total", signals[i].name);
		metrics_put_head(out, family, METRICS_COUNTER, signals[i].help);
		write_pools(out, s, family, backends, &of);
	}
}
