// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/neighbours.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "agent/exhaustion.h"
#include "agent/fullness.h"
#include "agent/sampling.h"
#include "dataplane/dataplane.h"
#include "lib/log.h"
#include "lib/rtnl.h"

#define MS	    ((uint64_t)1000)
#define COALESCE_US (50 * MS)
#define RETRY_US    (1000 * MS) /* while not all is well, or nothing is loaded */
#define PERIOD_US   (4000 * MS) /* otherwise: to have neighbours asked whether they still are */
#define REST	    4		/* passes take at most one part in REST + 1 of the time */

struct neighbours {
	const char *dir;
	struct rtnl *rtnl;
	struct rtnl_follower *follower;
	struct exhaustion *exhaustion;
	struct sampling *sampling;
	struct fullness fullness;
	uint64_t errors[METRICS_WORK_MAX]; /* passes that failed, by what failed */
	enum metrics_work work;		   /* what the pass is at */
	sd_event *event;
	sd_event_source *heard;
	sd_event_source *timer;
	uint64_t next_us; /* when the timer fires */
	uint64_t
		earliest_us; /* when the next pass may be: a storm of changes must not fill a CPU */
	uint64_t confirm_us; /* when neighbours are to be asked again */
	size_t unresolved;   /* at the last pass */
	int error;	     /* of the last pass; 0 or -errno */
};

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 * MS + (uint64_t)now.tv_nsec / 1000;
}

static int schedule(struct neighbours *n, uint64_t at_us)
{
	int err;

	if (at_us < n->earliest_us)
		at_us = n->earliest_us;
	n->next_us = at_us;
	err = sd_event_source_set_time(n->timer, at_us);
	return err < 0 ? err : sd_event_source_set_enabled(n->timer, SD_EVENT_ONESHOT);
}

/* Once for each change, not once for each pass. Which hop changed, the data plane has said. */
static void tell(struct neighbours *n, int err, size_t unresolved)
{
	n->errors[n->work] += err != 0;
	if (err && err != n->error)
		log_warning("next hops are not followed: %s", strerror(-err));
	if (!err && n->error)
		log_info("next hops are followed again");
	if (unresolved && unresolved != n->unresolved)
		log_warning("backends without a next hop, which get no new flow: %zu", unresolved);
	if (!err && !unresolved && n->unresolved)
		log_info("every backend has a next hop");
	n->error = err;
	n->unresolved = unresolved;
}

/* What is done now and then only; ends with the first that fails. */
static int look_after(struct neighbours *n, struct dataplane *dp, uint64_t now_ms)
{
	int result;

	n->work = METRICS_SETTLING;
	result = dataplane_maintain(dp, n->rtnl);
	if (result < 0)
		return result;
	n->work = METRICS_PORTS;
	result = exhaustion_look(n->exhaustion, dp, now_ms);
	if (result < 0)
		return result;
	n->work = METRICS_SAMPLING;
	result = sampling_look(n->sampling, dp, now_ms);
	if (result < 0)
		return result;
	n->work = METRICS_FULLNESS;
	return fullness_look(&n->fullness, dp);
}

/* Looks once. Returns how long to wait before looking again without being told of a change. */
static uint64_t pass(struct neighbours *n, uint64_t started_us)
{
	/* Not after each message: asking makes messages. */
	bool confirm = started_us >= n->confirm_us;
	struct dataplane *dp;
	size_t unresolved = 0;
	int result = dataplane_probe(n->dir), host;

	n->work = METRICS_NEXT_HOPS;
	if (result == -ENOENT) { /* nothing loaded, or no longer */
		n->error = 0;
		n->unresolved = 0;
		return RETRY_US;
	}
	if (!result)
		result = dataplane_open(n->dir, DATAPLANE_WRITE, &dp);
	if (result) {
		tell(n, result, 0);
		return PERIOD_US;
	}
	if (confirm)
		n->confirm_us = started_us + PERIOD_US;
	host = dataplane_follow_host(dp, n->rtnl);
	result = dataplane_follow_hops(dp, n->rtnl, confirm, &unresolved);
	if (!confirm)
		dataplane_follow_routes(dp, n->rtnl);
	if (result >= 0 && host)
		result = host;
	if (result >= 0 && confirm)
		result = look_after(n, dp, started_us / MS);
	dataplane_close(dp);
	tell(n, result < 0 ? result : 0, unresolved);
	return result < 0 || unresolved ? RETRY_US : PERIOD_US;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
	struct neighbours *n = arg;
	uint64_t started_us = now_us(), ended_us, wait_us;

	(void)source;
	(void)usec;
	wait_us = pass(n, started_us);
	ended_us = now_us();
	n->earliest_us = ended_us + REST * (ended_us - started_us);
	return schedule(n, ended_us + wait_us);
}

void neighbours_kick(struct neighbours *n)
{
	uint64_t soon_us = now_us() + COALESCE_US;

	if (soon_us < n->next_us)
		schedule(n, soon_us);
}

static int on_heard(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct neighbours *n = arg;
	bool changed = false;
	int err = rtnl_follow_drain(n->follower, &changed);

	(void)source;
	(void)fd;
	(void)events;
	if (err)
		log_warning("cannot hear of changed neighbours: %s", strerror(-err));
	if (err || changed)
		neighbours_kick(n);
	return 0;
}

static int start(struct neighbours *n)
{
	int err = rtnl_open(&n->rtnl);

	if (!err)
		err = rtnl_follow_open(&n->follower);
	if (!err)
		err = sd_event_add_io(n->event, &n->heard, rtnl_follow_fd(n->follower), EPOLLIN,
				      on_heard, n);
	if (err >= 0)
		err = sd_event_add_time(n->event, &n->timer, CLOCK_MONOTONIC, 0, 1, on_timer, n);
	return err < 0 ? err : schedule(n, now_us());
}

int neighbours_open(sd_event *event, const char *dir, struct neighbours **out)
{
	struct neighbours *n = calloc(1, sizeof(*n));
	int err;

	if (!n)
		return -ENOMEM;
	n->event = event;
	n->dir = dir;
	n->exhaustion = exhaustion_new();
	n->sampling = sampling_new();
	err = n->exhaustion && n->sampling ? start(n) : -ENOMEM;
	if (err) {
		log_error("cannot follow neighbours and routes: %s", strerror(-err));
		neighbours_close(n);
		return err;
	}
	*out = n;
	return 0;
}

uint64_t neighbours_errors(const struct neighbours *n, uint64_t by_work[METRICS_WORK_MAX])
{
	uint64_t sum = 0;

	for (int work = 0; work < METRICS_WORK_MAX; work++) {
		by_work[work] += n->errors[work];
		sum += n->errors[work];
	}
	return sum;
}

void neighbours_close(struct neighbours *n)
{
	if (!n)
		return;
	sd_event_source_disable_unref(n->timer);
	sd_event_source_disable_unref(n->heard);
	rtnl_follow_close(n->follower);
	rtnl_close(n->rtnl);
	exhaustion_free(n->exhaustion);
	sampling_free(n->sampling);
	free(n);
}
