// SPDX-License-Identifier: GPL-2.0-or-later
/* One backend's checks, one after another. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <serin/hash.h>

#include "agent/health_internal.h"
#include "lib/log.h"
#include "lib/net.h"

#define US_IN_MS	 1000ull
#define SLACK_US	 (10 * US_IN_MS) /* checks that are due within it begin together */
#define SLACK_PART	 20		 /* of the interval, at most */
#define LATE_US		 (50 * US_IN_MS) /* later than this, it is the agent that was held up */
#define AFTER_ALL_OTHERS (SD_EVENT_PRIORITY_NORMAL + 10)

static void set_timer(struct health_backend *b, uint64_t at_us)
{
	int err = sd_event_source_set_time(b->timer, at_us);

	if (err >= 0)
		err = sd_event_source_set_enabled(b->timer, SD_EVENT_ONESHOT);
	if (err < 0)
		log_error("a health check is given up: %s", strerror(-err));
}

static void wait_for_turn(struct health_backend *b)
{
	set_timer(b, turns_take(&b->turns, (uint64_t)random(), health_now_us()));
}

static void tell(const struct health_backend *b, const char *reason)
{
	const struct health_pool *p = b->pool;
	char at[NET_ENDPOINT_LEN];

	net_format_endpoint(&b->address, b->port, at);
	if (b->state.is_down)
		log_warning("service %s: pool %s: backend %s is down: %u checks running failed, "
			    "the last one: %s",
			    p->service, p->pool, at, p->check.fall, reason);
	else
		log_info("service %s: pool %s: backend %s is up again: %u checks running passed",
			 p->service, p->pool, at, p->check.rise);
}

static void take_result(struct health_backend *b, const char *reason)
{
	struct health_pool *p = b->pool;
	struct health_rules rules = {p->check.rise, p->check.fall};

	*(reason ? &p->failures : &p->passes) += 1;
	p->spent_us += health_now_us() - b->begun_us;
	if (!health_judge(&b->state, &rules, !reason))
		return;
	tell(b, reason);
	health_kick(b->health);
}

static void on_done(void *arg, const char *reason)
{
	struct health_backend *b = arg;

	b->probe = NULL;
	take_result(b, reason);
	wait_for_turn(b);
}

static int start_probe(const struct probe_start *s, struct probe **out)
{
	switch (s->target->check->type) {
	case MODEL_CHECK_TCP:
		return health_tcp_start(s, out);
	case MODEL_CHECK_HTTP:
	case MODEL_CHECK_HTTPS:
		return health_http_start(s, out);
	case MODEL_CHECK_UDP:
		return health_udp_start(s, out);
	case MODEL_CHECK_EXEC:
		return health_exec_start(s, out);
	default:
		return -EINVAL;
	}
}

static void ask(struct health_backend *b)
{
	const struct health_pool *p = b->pool;
	const struct probe_target target = {
		.check = &p->check,
		.service = p->service,
		.pool = p->pool,
		.address = b->address,
		.port = p->check.port ? p->check.port : b->port,
	};
	char reason[PROBE_REASON_LEN] = "";
	const struct probe_start s = {
		.event = b->health->event,
		.http = b->health->http,
		.target = &target,
		.done = on_done,
		.arg = b,
		.reason = reason,
	};

	b->begun_us = health_now_us();
	b->deadline_us = b->begun_us + p->check.timeout_ms * US_IN_MS;
	if (start_probe(&s, &b->probe))
		on_done(b, reason);
	else
		set_timer(b, b->deadline_us);
}

/* What kept the agent from hearing an answer must not be taken for the backend's silence. */
static bool was_held_up(struct health_backend *b, uint64_t now_us)
{
	uint64_t late_us = now_us - b->deadline_us, most_us = b->deadline_us - b->begun_us;

	if (late_us < LATE_US)
		return false;
	b->deadline_us = now_us + (late_us < most_us ? late_us : most_us);
	b->begun_us = now_us;
	set_timer(b, b->deadline_us);
	return true;
}

static void give_up(struct health_backend *b)
{
	bool has_passed = b->probe->passes_in_silence;
	char reason[PROBE_REASON_LEN];

	b->probe->cancel(b->probe);
	snprintf(reason, sizeof(reason), "no answer within %u ms", b->pool->check.timeout_ms);
	on_done(b, has_passed ? NULL : reason);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
	struct health_backend *b = arg;

	(void)source;
	(void)usec;
	if (!b->probe)
		ask(b);
	else if (!was_held_up(b, health_now_us()))
		give_up(b);
	return 0;
}

void health_check_begin(struct health_backend *b)
{
	const struct model_health_check *c = &b->pool->check;
	uint64_t now_us = health_now_us();
	uint64_t slack_us = c->interval_ms * US_IN_MS / SLACK_PART;
	uint64_t hash = serin_mix64(b->port);
	int err;

	for (size_t i = 0; i < sizeof(b->address); i++)
		hash = serin_mix64(hash ^ b->address.s6_addr[i]);
	if (!b->turns.interval_us)
		b->turns = turns_begin(hash, c->interval_ms * US_IN_MS, c->jitter_ms * US_IN_MS,
				       now_us);
	err = sd_event_add_time(b->health->event, &b->timer, CLOCK_MONOTONIC, now_us,
				slack_us < SLACK_US ? slack_us : SLACK_US, on_timer, b);
	if (err >= 0) /* answers that are there come first */
		err = sd_event_source_set_priority(b->timer, AFTER_ALL_OTHERS);
	if (err < 0)
		log_error("a backend is not checked: %s", strerror(-err));
	else
		wait_for_turn(b);
}

void health_check_end(struct health_backend *b)
{
	if (b->probe)
		b->probe->cancel(b->probe);
	b->probe = NULL;
}
