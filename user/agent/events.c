// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/accuracy.h"
#include "agent/exhaustion.h"
#include "agent/keeper.h"
#include "dataplane/dataplane.h"
#include "lib/log.h"
#include "lib/net.h"

#define MS	  ((uint64_t)1000)
#define PERIOD_US (250 * MS)
#define RETRY_US  (4000 * MS) /* while the log cannot be read: why is said each time */

struct agent_events {
	struct events *events;
	struct keeper *keeper;
	sd_event_source *timer;
	struct agent_event_counts counts;
	struct exhaustion_episode loss;
};

static void tell(const struct event_view *v)
{
	char client[NET_ENDPOINT_LEN] = "", backend[NET_ENDPOINT_LEN] = "";
	char count[24], total[24], sequence[24];
	const struct log_field fields[] = {
		{"kind", event_kind_name(v->kind)},
		{"service", v->service},
		{"pool", v->pool},
		{"backend", backend},
		{"client", client},
		{"count", count},
		{"total", total},
		{"cause", event_cause_name(v->cause)},
		{"sequence", sequence},
	};

	if (!IN6_IS_ADDR_UNSPECIFIED(&v->client))
		net_format_endpoint(&v->client, v->client_port, client);
	if (v->has_backend)
		net_format_endpoint(&v->backend, v->backend_port, backend);
	snprintf(count, sizeof(count), "%llu", (unsigned long long)v->count);
	snprintf(total, sizeof(total), "%llu", (unsigned long long)v->total);
	snprintf(sequence, sizeof(sequence), "%llu", (unsigned long long)v->sequence);
	log_fields(LOG_LEVEL_INFO, "event", fields, sizeof(fields) / sizeof(*fields));
}

/* Once when events begin to be lost, and once when that is over: a flood of them makes no other. */
static void tell_lost(struct agent_events *a, uint64_t now_ms)
{
	enum exhaustion_news news;

	a->counts.lost = events_lost(a->events);
	news = exhaustion_judge(&a->loss, a->counts.lost, now_ms);
	if (news == EXHAUSTION_BEGINS)
		log_warning("events come faster than they are read: %llu lost so far",
			    (unsigned long long)a->loss.total);
	if (news == EXHAUSTION_ENDS)
		log_info("events are no longer lost; %llu were", (unsigned long long)a->loss.total);
}

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 * MS + (uint64_t)now.tv_nsec / 1000;
}

/* All there are. 0, or -errno if the log cannot be read. */
static int follow(struct agent_events *a)
{
	struct event_view v;
	int result;

	while ((result = events_next(a->events, &v)) == 1) {
		if ((unsigned int)v.kind < SERIN_EVENT_MAX)
			a->counts.by_kind[v.kind]++;
		tell(&v);
		keeper_add_event(a->keeper, &v);
	}
	tell_lost(a, now_us() / MS);
	return result == -ENOENT ? 0 : result;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
	int err = follow(arg);

	err = sd_event_source_set_time(source, usec + (err ? RETRY_US : PERIOD_US));
	return err < 0 ? err : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int agent_events_open(sd_event *event, const char *dir, struct keeper *keeper,
		      struct agent_events **out)
{
	struct agent_events *a = calloc(1, sizeof(*a));
	uint64_t now_us = 0;
	int err = a ? events_open(dir, EVENTS_NEW, &a->events) : -ENOMEM;

	if (!err) {
		a->keeper = keeper;
		err = sd_event_now(event, CLOCK_MONOTONIC, &now_us);
	}
	if (err >= 0)
		err = sd_event_add_time(event, &a->timer, CLOCK_MONOTONIC, now_us + PERIOD_US,
					TIMER_ACCURACY_US, on_timer, a);
	if (err < 0) {
		log_error("cannot follow events: %s", strerror(-err));
		agent_events_close(a);
		return err;
	}
	*out = a;
	return 0;
}

struct agent_event_counts agent_events_count(struct agent_events *a)
{
	follow(a);
	return a->counts;
}

void agent_events_close(struct agent_events *a)
{
	if (!a)
		return;
	sd_event_source_disable_unref(a->timer);
	events_close(a->events);
	free(a);
}
