/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the timing and the results. Contenders take turns, so that what the machine does meanwhile
 * hits them alike: in each run a packet's cost is the median over chunks of 16,384 packets, net of
 * the floor's of the same run; the result is the median over the runs. For inclusion by
 * packet_bench.c.
 */
#pragma once

#include <jansson.h>
#include <regex.h>

#include "check.h"

#define MEASURE_RUNS_MAX 99
#define MEASURE_CASES	 256
#define MEASURE_TINY_NS	 1.0 /* less is noise, and what is divided by it more so */
#define MEASURE_WARM_MAX 8   /* chunks: 131,072 packets; more flows than that fit in no cache */

struct options {
	const char *json_path;
	regex_t only; /* cases, as NAME@FLOWS */
	bool has_only;
	bool is_quick;
	uint32_t runs;
	uint32_t chunks;
};

struct spread {
	double median, least, most;
};

static struct options options = {.runs = 11, .chunks = 32};
static json_t *measure_list;

static inline int measure_by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static inline struct spread measure_spread(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), measure_by_size);
	return (struct spread){values[count / 2], values[0], values[count - 1]};
}

static inline bool measure_wanted(const char *name, uint32_t flows)
{
	char text[96];

	snprintf(text, sizeof(text), "%s@%u", name, flows);
	return !options.has_only || !regexec(&options.only, text, 0, NULL, 0);
}

/* ---- one case ---- */

struct measurement {
	const char *name;
	uint32_t flows;
	struct traffic traffic;
	uint32_t warm_chunks; /* run before those that count */
	uint32_t chunks;
	bool is_once;	     /* flows are new: no packet may be sent twice */
	void (*renew)(void); /* called before each run, which then begins at the first turn */
	int subject_fd;	     /* in Serin's place, if not -1; then there is no textbook */
	double ns[CONTENDER_MAX][MEASURE_RUNS_MAX];
};

static inline double measure_run(const struct measurement *m, enum contender who, uint64_t start)
{
	uint32_t chunks = m->warm_chunks + m->chunks;
	const __u64 *stamp = world.driver->bss->run.stamps_ns;
	double ns[BENCH_STAMPS];
	struct outcome out;

	traffic_prepare(&m->traffic, who, start);
	if (who == CONTENDER_SERIN && m->subject_fd >= 0)
		world_call(m->subject_fd);
	/* One packet more, for the stamp that ends the last chunk. */
	world_run(world.driver->progs.driver, chunks * BENCH_CHUNK + 1, &out);
	if (out.action != traffic_action(&m->traffic) && who != CONTENDER_FLOOR)
		die("%s: %s: the last packet timed was not treated as the first ones were", m->name,
		    contender_names[who]);
	for (uint32_t i = 0; i < m->chunks; i++) {
		const __u64 *at = stamp + m->warm_chunks + i;

		ns[i] = (double)(at[1] - at[0]) / BENCH_CHUNK;
	}
	return measure_spread(ns, m->chunks).median;
}

static inline bool measure_takes_part(const struct measurement *m, enum contender who)
{
	return traffic_is_for(m->traffic.service, who) &&
	       (who != CONTENDER_TEXTBOOK || m->subject_fd < 0);
}

static inline void measure_all_runs(struct measurement *m)
{
	uint64_t packets = (uint64_t)(m->warm_chunks + m->chunks) * BENCH_CHUNK + 1;

	for (uint32_t run = 0; run < options.runs; run++) {
		uint64_t start = m->renew ? 0 : run * packets;

		if (m->is_once && start + packets > m->traffic.turns - BENCH_CHUNK)
			die("%s: not enough new flows for so many runs and chunks", m->name);
		if (m->renew)
			m->renew();
		for (enum contender who = 0; who < CONTENDER_MAX; who++)
			if (measure_takes_part(m, who))
				m->ns[who][run] = measure_run(m, who, start);
	}
}

static inline struct spread measure_net(const struct measurement *m, enum contender who)
{
	double net[MEASURE_RUNS_MAX];

	for (uint32_t run = 0; run < options.runs; run++)
		net[run] = m->ns[who][run] - m->ns[CONTENDER_FLOOR][run];
	return measure_spread(net, options.runs);
}

/* ---- results ---- */

static inline void measure_print_head(void)
{
	printf("Nanoseconds per packet, net of the floor: the same driver calling a program that "
	       "is only `return XDP_TX`.\nMedian of %u runs (least to most) of the median of %u "
	       "chunks of %u packets.\nThe textbook balancer knows nat alone: what other modes "
	       "cost is to be read beside tcp4 and tcp6.\n\n",
	       options.runs, options.chunks, BENCH_CHUNK);
	printf("%-22s %8s %7s %15s %9s %15s %7s %7s\n", "case", "flows", "serin", "", "textbook",
	       "", "ratio", "floor");
}

/* One measurement's results; those that do not exist are NAN. */
struct result {
	struct spread serin, textbook, bottom;
	double ratio;
};

static inline struct result measure_result(const struct measurement *m)
{
	struct result r = {.serin = measure_net(m, CONTENDER_SERIN),
			   .textbook = {NAN, NAN, NAN},
			   .ratio = NAN};
	double floor_ns[MEASURE_RUNS_MAX];

	memcpy(floor_ns, m->ns[CONTENDER_FLOOR], sizeof(floor_ns));
	r.bottom = measure_spread(floor_ns, options.runs);
	if (!measure_takes_part(m, CONTENDER_TEXTBOOK))
		return r;
	r.textbook = measure_net(m, CONTENDER_TEXTBOOK);
	if (r.textbook.median > MEASURE_TINY_NS)
		r.ratio = r.serin.median / r.textbook.median;
	return r;
}

/* "-" where there is none. */
static inline void measure_print_number(int width, int digits, double value)
{
	if (isnan(value))
		printf("%*s", width, "-");
	else
		printf("%*.*f", width, digits, value);
}

static inline void measure_print_spread(int width, const struct spread *s)
{
	char range[32] = "";

	if (!isnan(s->median))
		snprintf(range, sizeof(range), "(%.1f-%.1f)", s->least, s->most);
	measure_print_number(width, 1, s->median);
	printf(" %15s", range);
}

static inline void measure_print(const struct measurement *m, const struct result *r)
{
	printf("%-22s %8u ", m->name, m->flows);
	measure_print_spread(7, &r->serin);
	measure_print_spread(10, &r->textbook);
	measure_print_number(7, 2, r->ratio);
	printf(" %7.1f\n", r->bottom.median);
	fflush(stdout);
}

static inline void measure_add(json_t *entry, const char *key, double value)
{
	json_object_set_new(entry, key,
			    isnan(value) ? json_null() : json_real(round(value * 1000) / 1000));
}

static inline void measure_record(const struct measurement *m)
{
	struct result r = measure_result(m);
	json_t *entry = json_pack("{s:s, s:I}", "case", m->name, "flows", (json_int_t)m->flows);

	measure_print(m, &r);
	measure_add(entry, "ns_net", r.serin.median);
	measure_add(entry, "textbook_ns_net", r.textbook.median);
	measure_add(entry, "ratio", r.ratio);
	measure_add(entry, "ns_net_min", r.serin.least);
	measure_add(entry, "ns_net_max", r.serin.most);
	measure_add(entry, "textbook_ns_net_min", r.textbook.least);
	measure_add(entry, "textbook_ns_net_max", r.textbook.most);
	measure_add(entry, "floor_ns", r.bottom.median);
	json_array_append_new(measure_list, entry);
}

/* A figure that is no cost of a packet: memory, time of a build, of a shift. */
static inline void measure_figure(const char *name, double value, const char *unit)
{
	json_t *entry;

	printf("%-34s %12.1f %s\n", name, value, unit);
	fflush(stdout);
	entry = json_pack("{s:s, s:i, s:n, s:n, s:n, s:s}", "case", name, "flows", 0, "ns_net",
			  "textbook_ns_net", "ratio", "unit", unit);
	measure_add(entry, "value", value);
	json_array_append_new(measure_list, entry);
}

/* Checks, then times, then tells. */
static inline void measure(const char *name, uint32_t flows, struct measurement *m)
{
	m->name = name;
	m->flows = flows;
	if (!m->chunks)
		m->chunks = options.chunks;
	if (!m->warm_chunks)
		m->warm_chunks = flows / BENCH_CHUNK < 1 ? 1 : flows / BENCH_CHUNK;
	if (m->warm_chunks > MEASURE_WARM_MAX)
		m->warm_chunks = MEASURE_WARM_MAX;
	if (m->subject_fd < 0 && m->is_once) /* of flows that are not needed for anything else */
		check_sample(name, &m->traffic, m->traffic.turns - BENCH_CHUNK, BENCH_CHUNK);
	else if (m->subject_fd < 0)
		check_sample(name, &m->traffic, 0, m->traffic.turns);
	measure_all_runs(m);
	measure_record(m);
}
