// SPDX-License-Identifier: GPL-2.0-or-later
/* Events, told by the names that services, pools and backends have in the maps. */
#include "dataplane/internal.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "dataplane/event_log.h"

/* Writing an event takes a packet no time at all: after so many naps of a millisecond it is not
 * being written, it was given up. */
#define NAPS	20
#define NAP_NS	1000000
#define US_IN_S ((uint64_t)1000000)

struct events {
	char dir[PATH_MAX];
	enum events_from from;
	struct dataplane *dp; /* NULL: nothing is loaded, or was not yet */
	ino_t pin;	      /* of its log */
	struct event_cursor cursor;
	uint64_t lost_before; /* of logs that are gone */
};

const char *event_kind_name(enum serin_event_kind kind)
{
	static const char *const names[SERIN_EVENT_MAX] = {
#define EVENT_NAME(name, text) [SERIN_EVENT_##name] = text,
		SERIN_EVENTS(EVENT_NAME)
#undef EVENT_NAME
	};

	return (unsigned int)kind < SERIN_EVENT_MAX ? names[kind] : "unknown";
}

const char *event_cause_name(enum serin_event_cause cause)
{
	static const char *const names[SERIN_EVENT_CAUSE_MAX] = {
#define CAUSE_NAME(name, text) [SERIN_EVENT_CAUSE_##name] = text,
		SERIN_EVENT_CAUSES(CAUSE_NAME)
#undef CAUSE_NAME
	};

	return (unsigned int)cause < SERIN_EVENT_CAUSE_MAX ? names[cause] : "unknown";
}

uint32_t dp_event_next(const struct dataplane *dp)
{
	return (uint32_t)__atomic_load_n(&dp->event_log->last, __ATOMIC_ACQUIRE) + 1;
}

int dp_event_tell(struct dataplane *dp, const struct serin_event *e)
{
	struct serin_event told = *e;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &told, .ctx_size_in = sizeof(told));

	return bpf_prog_test_run_opts(dp->tell_fd, &opts) ? -errno : 0;
}

int dp_event_rates_clear(struct dataplane *dp, uint32_t service)
{
	const struct serin_event_rates none = {};
	int fd = dp->map_fd[DP_MAP_EVENT_RATES];

	return bpf_map_update_elem(fd, &service, &none, BPF_ANY) ? -errno : 0;
}

/* ---- names ---- */

/* Numbers are used again: is it older than the event? */
static bool was_there(uint32_t first_event, uint64_t sequence)
{
	return (int32_t)((uint32_t)sequence - first_event) >= 0;
}

static void name_backend(const struct dataplane *dp, const struct serin_event *e,
			 struct event_view *out)
{
	const struct serin_backend *b = &dp->backends[e->backend - 1];

	if (b->state == SERIN_BACKEND_FREE || b->service != e->service ||
	    !was_there(b->first_event, out->sequence))
		return;
	out->has_backend = true;
	out->backend = dp_addr(&b->at.addr);
	out->backend_port = ntohs(b->at.port_be);
}

static void name_all(const struct dataplane *dp, const struct serin_event *e,
		     struct event_view *out)
{
	const struct serin_service_info *info;
	const struct serin_pool_info *pool;

	if (e->service >= dp->meta.max_services)
		return;
	info = &dp->info[e->service];
	if (!was_there(info->first_event, out->sequence))
		return;
	memcpy(out->service, info->name, sizeof(out->service));
	if (e->pool && e->pool <= SERIN_MAX_POOLS) {
		pool = &info->pool[e->pool - 1];
		if (was_there(pool->first_event, out->sequence))
			memcpy(out->pool, pool->name, sizeof(out->pool));
	}
	if (e->backend && e->backend <= dp->meta.max_backends)
		name_backend(dp, e, out);
}

static uint64_t clock_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * US_IN_S + (uint64_t)now.tv_nsec / 1000;
}

static void view_event(const struct dataplane *dp, const struct serin_event *e, uint64_t sequence,
		       struct event_view *out)
{
	uint64_t booted_us = clock_us(CLOCK_REALTIME) - clock_us(CLOCK_BOOTTIME);

	*out = (struct event_view){
		.sequence = sequence,
		.when_us = booted_us + e->when_ns / 1000,
		.kind = e->kind,
		.cause = e->cause,
		.count = e->count,
		.total = e->total,
		.client = dp_addr(&e->client.addr),
		.client_port = ntohs(e->client.port_be),
	};
	name_all(dp, e, out);
}

/* ---- which log ---- */

/* 0 if there is none. */
static ino_t find_pin(const char *dir)
{
	char path[PATH_MAX];
	struct stat found;

	if (snprintf(path, sizeof(path), "%s/%s/%s", dir, DP_VERSION_DIR,
		     dp_map_names[DP_MAP_EVENT_LOG]) >= PATH_MAX)
		return 0;
	return stat(path, &found) ? 0 : found.st_ino;
}

static void leave_log(struct events *e)
{
	dataplane_close(e->dp);
	e->dp = NULL;
	e->lost_before += e->cursor.lost;
	e->cursor = (struct event_cursor){};
	e->from = EVENTS_OLDEST;
}

static int enter_log(struct events *e)
{
	int error = dataplane_probe(e->dir);

	if (error == -ENOENT)
		e->from = EVENTS_OLDEST; /* whatever is loaded from now on is new */
	e->pin = find_pin(e->dir);	 /* before it is opened: a later one is found out */
	if (!error)
		error = dataplane_open(e->dir, DATAPLANE_READ, &e->dp);
	if (error)
		return error;
	e->cursor = e->from == EVENTS_NEW ? event_cursor_newest(e->dp->event_log)
					  : event_cursor_oldest(e->dp->event_log);
	return 0;
}

int events_open(const char *dir, enum events_from from, struct events **out)
{
	struct events *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	snprintf(e->dir, sizeof(e->dir), "%s", dir);
	e->from = from;
	if (!dataplane_probe(dir))
		enter_log(
			e); /* what is new is so from here on; an error is told by events_next() */
	*out = e;
	return 0;
}

/* ---- reading ---- */

static enum event_log_state read_patiently(struct events *e, struct serin_event *out)
{
	const struct serin_event_log *log = e->dp->event_log;
	const struct timespec nap = {.tv_nsec = NAP_NS};
	enum event_log_state state;
	uint64_t waits_for = 0;

	for (int naps = 0;;) {
		state = event_cursor_read(&e->cursor, log, out);
		if (state != EVENT_LOG_UNFINISHED)
			return state;
		naps = e->cursor.next == waits_for ? naps + 1 : 1;
		waits_for = e->cursor.next;
		if (naps > NAPS)
			event_cursor_skip(&e->cursor);
		else
			nanosleep(&nap, NULL);
	}
}

int events_next(struct events *e, struct event_view *out)
{
	struct serin_event event;
	int error;

	for (;;) {
		error = e->dp ? 0 : enter_log(e);
		if (error)
			return error;
		if (read_patiently(e, &event) == EVENT_LOG_READ) {
			view_event(e->dp, &event, e->cursor.next - 1, out);
			return 1;
		}
		if (find_pin(e->dir) == e->pin)
			return 0;
		leave_log(e); /* another data plane has taken its place, or none */
	}
}

uint64_t events_lost(const struct events *e)
{
	return e->lost_before + e->cursor.lost;
}

void events_close(struct events *e)
{
	if (!e)
		return;
	dataplane_close(e->dp);
	free(e);
}
