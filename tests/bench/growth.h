/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the figures of growth and of change: what a packet costs with many services and backends,
 * what flows cost in memory, how long tables take to build and weights to shift. For inclusion by
 * packet_bench.c.
 */
#pragma once

#include <limits.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/wait.h>

#include "balance/maglev.h"
#include "balance/split.h"

#include "cases.h"

#define GROWTH_SHIFTS	 10000
#define GROWTH_PROCESSES 50
#define GROWTH_BUILDS	 5

static inline double growth_median(double *values, size_t count)
{
	return measure_spread(values, count).median;
}

/* ---- packets ---- */

/* @spread: the flows are of this many services in turn; 0: all are of the first. */
static inline void growth_case(const struct model *model, const char *name, uint32_t flows,
			       uint32_t spread)
{
	struct measurement *m = measurement_new();
	const struct traffic_near near = {
		.fixed_be = traffic_low_be(&model->services[0].vip),
		.spread = spread,
	};

	traffic_establish_near(&model->services[0], flows, &near);
	traffic_request(&m->traffic, &model->services[0], TRAFFIC_ACK);
	m->traffic.turns = traffic_permuted(flows, &near);
	m->traffic.any_of = spread ? model : NULL;
	measure(name, flows, m);
	free(m);
}

static inline void growth_services(uint32_t services, uint32_t flows)
{
	char name[48], spread_name[64];
	struct model *model;
	double ms;

	snprintf(name, sizeof(name), "services-%u", services);
	snprintf(spread_name, sizeof(spread_name), "%s-spread", name);
	if (!measure_wanted(name, flows) && !measure_wanted(spread_name, flows))
		return;
	model = models_services(services, CASES_1M);
	world_load(model);
	ms = world.apply_ms;
	if (measure_wanted(name, flows))
		growth_case(model, name, flows, 0);
	if (services > 1 && measure_wanted(spread_name, flows))
		growth_case(model, spread_name, flows, services);
	snprintf(name, sizeof(name), "apply-%u-services", services);
	measure_figure(name, ms, "ms");
	model_free(model);
}

static inline void growth_backends(uint32_t backends, uint32_t flows)
{
	struct model *model;
	char name[48];
	double ms;

	snprintf(name, sizeof(name), "backends-%u", backends);
	if (!measure_wanted(name, flows))
		return;
	model = models_backends(backends, CASES_1M);
	world_load(model);
	ms = world.apply_ms;
	growth_case(model, name, flows, 0);
	snprintf(name, sizeof(name), "apply-%u-backends", backends);
	measure_figure(name, ms, "ms");
	model_free(model);
}

/* ---- memory ---- */

/* A line of /proc/self/fdinfo/FD that begins with @key, as a number; 0 if there is none. */
static inline uint64_t growth_fdinfo(int fd, const char *key)
{
	char path[64], line[128];
	uint64_t value = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			value = strtoull(line + strlen(key) + 1, NULL, 10);
	if (f)
		fclose(f);
	return value;
}

/* What the kernel says that a pinned map takes. */
static inline double growth_map_bytes(const char *name)
{
	char path[PATH_MAX];
	uint64_t bytes;
	int fd;

	snprintf(path, sizeof(path), WORLD_PINS "/%s", name);
	fd = bpf_obj_get(path);
	bytes = fd < 0 ? 0 : growth_fdinfo(fd, "memlock:");
	if (!bytes)
		die("cannot tell the size of %s", path);
	close(fd);
	return (double)bytes;
}

/* At limits.flows of them a table is half full. What does not grow with it is not counted. */
static inline void growth_memory(void)
{
	static const char *const names[] = {"memory-per-flow4", "memory-per-flow6",
					    "textbook-memory-per-flow"};
	uint32_t limits[2] = {CASES_1M, 4 * CASES_1M};
	double bytes[2][3];

	if (!measure_wanted("memory", 0))
		return;
	for (int i = 0; i < 2; i++) {
		struct model *m = models_standard(limits[i]);

		world_load(m);
		bytes[i][0] = growth_map_bytes("flows4");
		bytes[i][1] = growth_map_bytes("flows6");
		bytes[i][2] = (double)growth_fdinfo(bpf_map__fd(world.textbook->maps.connections),
						    "memlock:");
		model_free(m);
	}
	for (int i = 0; i < 3; i++)
		measure_figure(names[i], (bytes[1][i] - bytes[0][i]) / (limits[1] - limits[0]),
			       "bytes");
}

/* ---- Maglev ---- */

static inline void growth_maglev(uint32_t count, uint32_t slots)
{
	struct maglev_backend *backends = models_alloc(count, sizeof(*backends));
	uint32_t *table = models_alloc(slots, sizeof(*table));
	double ns[GROWTH_BUILDS];
	char name[48];

	snprintf(name, sizeof(name), "maglev-%u-of-%u", count, slots);
	for (uint32_t i = 0; i < count; i++) {
		struct in6_addr at = models_nth(world_addr("10.2.0.0"), i);

		memcpy(&backends[i].at.addr, &at, sizeof(at));
		backends[i].at.port_be = htons(8080);
		backends[i].at.protocol = IPPROTO_TCP;
		backends[i].id = i;
		backends[i].weight = 1;
	}
	for (int i = 0; measure_wanted(name, 0) && i < GROWTH_BUILDS; i++) {
		double start = world_now_ns();

		if (maglev_build(backends, count, table, slots))
			die("%s: cannot build", name);
		ns[i] = world_now_ns() - start;
		if (i == GROWTH_BUILDS - 1)
			measure_figure(name, growth_median(ns, GROWTH_BUILDS) / 1e6, "ms");
	}
	free(backends);
	free(table);
}

/* ---- shifts ---- */

/* The whole call, and of it what writing the split and the store take. */
static inline void growth_shift_library(void)
{
	double *call = models_alloc(GROWTH_SHIFTS, sizeof(*call));
	double *store = models_alloc(GROWTH_SHIFTS, sizeof(*store));
	struct dataplane *dp = world_open();
	struct dataplane_shift shift;

	for (uint32_t i = 0; i < GROWTH_SHIFTS; i++) {
		double start = world_now_ns();

		if (world_shift(dp, "tcp4", 100000 + i % 2 * 10000, &shift))
			die("cannot shift");
		call[i] = world_now_ns() - start;
		store[i] = (double)shift.store_ns;
	}
	measure_figure("shift-library", growth_median(call, GROWTH_SHIFTS), "ns");
	measure_figure("shift-split-and-store", growth_median(store, GROWTH_SHIFTS), "ns");
	dataplane_close(dp);
	free(call);
	free(store);
}

static char growth_serin[PATH_MAX]; /* the executable */

/* $SERIN_BUILD/serin, or the one beside tests/bench/packet_bench, which @self is. */
static inline void growth_find_serin(const char *self)
{
	const char *build = getenv("SERIN_BUILD");
	char own[PATH_MAX] = "";

	if (!build && realpath(self, own)) {
		for (int i = 0; i < 3 && strrchr(own, '/'); i++)
			*strrchr(own, '/') = '\0';
		build = own;
	}
	if (snprintf(growth_serin, PATH_MAX, "%s/serin", build ? build : "build") >= PATH_MAX)
		die("the path of serin is too long");
}

static inline void growth_shift_process(void)
{
	char weight[32];
	char *argv[] = {growth_serin,
			(char[]){"--bpffs"},
			(char[]){WORLD_DIR},
			(char[]){"weight"},
			(char[]){"tcp4"},
			weight,
			NULL};
	posix_spawn_file_actions_t actions;
	double ms[GROWTH_PROCESSES];

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	for (int i = 0; i < GROWTH_PROCESSES; i++) {
		double start = world_now_ns();
		int status = -1;
		pid_t pid;

		snprintf(weight, sizeof(weight), "canary=%d", 20 + i % 2);
		if (posix_spawn(&pid, growth_serin, &actions, NULL, argv, environ) ||
		    waitpid(pid, &status, 0) < 0 || status)
			die("%s weight: failed; is it built?", growth_serin);
		ms[i] = (world_now_ns() - start) / 1e6;
	}
	measure_figure("shift-process", growth_median(ms, GROWTH_PROCESSES), "ms");
	posix_spawn_file_actions_destroy(&actions);
}

/* Packets from another CPU, without a pause, until told to stop. */
struct growth_sender {
	struct traffic traffic;
	volatile bool is_over;
	double packets, ns;
};

static inline void *growth_send(void *arg)
{
	struct growth_sender *load = arg;
	struct outcome out;

	world_go_first();
	while (!load->is_over) {
		double start = world_now_ns();

		traffic_send(&load->traffic, CONTENDER_SERIN, 0, 8 * BENCH_CHUNK, &out);
		load->packets += 8 * BENCH_CHUNK;
		load->ns += world_now_ns() - start;
	}
	return NULL;
}

/* Another CPU than the one it is on, or the same if there is only one; and as everybody else: two
 * that go first on two CPUs would leave none to the kernel's own threads. */
static inline void growth_move(cpu_set_t *before)
{
	const struct sched_param normal = {};
	cpu_set_t all;

	sched_setscheduler(0, SCHED_OTHER, &normal);
	sched_getaffinity(0, sizeof(*before), before);
	CPU_ZERO(&all);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (!CPU_ISSET(cpu, before))
			CPU_SET(cpu, &all);
	sched_setaffinity(0, sizeof(all), &all);
}

static inline void growth_shift_loaded(const struct model *m, uint32_t flows)
{
	const struct model_service *svc = model_find_service(m, "tcp4");
	struct traffic_near near = {.fixed_be = traffic_low_be(&svc->vip)};
	struct growth_sender load = {};
	struct dataplane *dp = world_open();
	struct dataplane_shift shift;
	struct outcome out;
	double start, shifts = 0;
	cpu_set_t cpu;
	pthread_t sender;

	traffic_establish(svc, flows);
	traffic_request(&load.traffic, svc, TRAFFIC_ACK);
	load.traffic.turns = traffic_permuted(flows, &near);
	traffic_send(&load.traffic, CONTENDER_SERIN, 0, flows, &out);
	if (pthread_create(&sender, NULL, growth_send, &load))
		die("cannot start a thread");
	growth_move(&cpu); /* the sender stays */
	for (start = world_now_ns(); world_now_ns() - start < 1e9; shifts++)
		if (world_shift(dp, "tcp4", 100000 + (uint32_t)shifts % 2 * 10000, &shift))
			die("cannot shift");
	measure_figure("shifts-per-second-loaded", shifts / (world_now_ns() - start) * 1e9, "1/s");
	load.is_over = true;
	pthread_join(sender, NULL);
	measure_figure("packet-while-shifting", load.ns / load.packets, "ns, floor included");
	sched_setaffinity(0, sizeof(cpu), &cpu);
	world_go_first();
	dataplane_close(dp);
}

static inline void growth_shifts(void)
{
	struct model *m;

	if (!measure_wanted("shift", 0))
		return;
	m = models_standard(CASES_1M);
	world_load(m);
	growth_shift_library();
	growth_shift_process();
	growth_shift_loaded(m, CASES_131K);
	model_free(m);
}

/* ---- all of it ---- */

static inline void growth_run(void)
{
	static const uint32_t services[] = {1, 100, 10000}, backends[] = {1, 100, 10000};
	static const uint32_t builds[] = {10, 100, 1000, 10000};
	uint32_t flows = options.is_quick ? CASES_1K : CASES_131K;

	for (int i = 0; i < 3; i++)
		growth_services(services[i], flows);
	for (int i = 0; i < 3; i++)
		growth_backends(backends[i], flows);
	putchar('\n');
	growth_memory();
	for (int i = 0; i < 4; i++) {
		growth_maglev(builds[i], 16381);
		growth_maglev(builds[i], 65537);
	}
	growth_shifts();
}
