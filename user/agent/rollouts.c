// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/rollouts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/accuracy.h"
#include "agent/rollout_internal.h"
#include "lib/log.h"
#include "model/model.h"

#define MS	  ((uint64_t)1000)
#define PERIOD_US (1000 * MS)
#define BUSY_US	  (5 * MS) /* while somebody else writes */
/* Of what is kept in memory alone. */
#define ENDED_MAX 50

int64_t rollout_now_unix_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

uint64_t rollout_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct snapshot *rollouts_snapshot(const struct rollouts *r)
{
	struct snapshot *s = NULL;
	struct dataplane *dp;

	if (dataplane_probe(r->dir) || dataplane_open(r->dir, DATAPLANE_READ, &dp))
		return NULL;
	if (dataplane_glance(dp, &s))
		s = NULL;
	dataplane_close(dp);
	return s;
}

/* ---- the list ---- */

struct rollout_run *rollouts_find(struct rollouts *r, const char *service, int64_t id)
{
	struct rollout_run *newest = NULL;

	for (struct rollout_run *run = r->runs; run; run = run->next) {
		if (strcmp(run->state.service, service))
			continue;
		if (id ? (int64_t)run->state.id == id : !rollout_run_has_ended(run))
			return run;
		if (!newest)
			newest = run;
	}
	return id ? NULL : newest;
}

void rollouts_add(struct rollouts *r, struct rollout_run *run)
{
	struct rollout_run **at = &r->runs;

	while (*at && (*at)->state.id > run->state.id)
		at = &(*at)->next;
	run->next = *at;
	*at = run;
	if ((int64_t)run->state.id > r->last_id)
		r->last_id = (int64_t)run->state.id;
}

void rollouts_remove(struct rollouts *r, struct rollout_run *run)
{
	struct rollout_run **at = &r->runs;

	while (*at != run)
		at = &(*at)->next;
	*at = run->next;
	rollout_run_free(run);
}

static bool is_newest(struct rollouts *r, const struct rollout_run *run)
{
	for (const struct rollout_run *other = r->runs; other != run; other = other->next)
		if (!strcmp(other->state.service, run->state.service))
			return false;
	return true;
}

/* Whether it may go: the database has it, and nobody can want anything of it but to read. */
static bool is_over(struct rollouts *r, const struct rollout_run *run, size_t ended)
{
	if (!rollout_run_has_ended(run) || is_newest(r, run) || run->question.ask)
		return false;
	return keeper_keeps(r->keeper) ? !run->is_dirty : ended > ENDED_MAX;
}

static void forget_ended(struct rollouts *r)
{
	size_t ended = 0;

	for (struct rollout_run **at = &r->runs; *at;) {
		struct rollout_run *run = *at;

		ended += rollout_run_has_ended(run);
		if (is_over(r, run, ended)) {
			*at = run->next;
			rollout_run_free(run);
		} else {
			at = &run->next;
		}
	}
}

/* ---- now and then ---- */

void rollouts_look_in(struct rollouts *r, uint64_t in_us)
{
	uint64_t now_us = 0, due_us = 0;
	int on = 0, err;

	if (!r->timer)
		return;
	sd_event_now(r->event, CLOCK_MONOTONIC, &now_us);
	sd_event_source_get_enabled(r->timer, &on);
	sd_event_source_get_time(r->timer, &due_us);
	if (on != SD_EVENT_OFF && due_us <= now_us + in_us)
		return;
	err = sd_event_source_set_time(r->timer, now_us + in_us);
	if (err >= 0)
		err = sd_event_source_set_enabled(r->timer, SD_EVENT_ONESHOT);
	if (err < 0)
		log_error("rollouts are not looked after: %s", strerror(-err));
}

static bool is_to_look_after(const struct rollout_run *run)
{
	return !rollout_run_has_ended(run) || run->question.ask ||
	       (run->is_dirty && keeper_keeps(run->all->keeper));
}

/* Safety first: what takes a candidate back waits neither for the database nor for anybody. */
static int make_back(struct rollouts *r)
{
	int result = 0;

	for (struct rollout_run *run = r->runs; run; run = run->next)
		if (rollout_wants_back(run) && rollout_make_split(run))
			result = -EAGAIN;
	return result;
}

/* Of those whose intent is kept. */
static int make_forward(struct rollouts *r)
{
	int result = 0;

	for (struct rollout_run *run = r->runs; run; run = run->next) {
		if (rollout_wants_shift(run) && run->kept_wants == run->state.wants &&
		    (rollout_flows_remember(run) || rollout_make_split(run)))
			result = -EAGAIN;
		if (rollout_wants_seed(run) && rollout_make_seed(run))
			result = -EAGAIN;
	}
	return result;
}

static int make_rest(struct rollouts *r, const struct snapshot *s)
{
	int result = 0;

	for (struct rollout_run *run = r->runs; run; run = run->next) {
		if (rollout_make_rest(run, s))
			result = -EAGAIN;
		rollout_hooks_follow(run);
		rollout_looks_follow(run);
	}
	return result;
}

void rollouts_turn(struct rollouts *r)
{
	bool is_busy = false, has_work = false;
	struct snapshot *s;

	if (r->is_turning)
		return;
	r->is_turning = true;
	s = rollouts_snapshot(r);
	for (struct rollout_run *run = r->runs; run; run = run->next) {
		rollout_run_take_up(run, s);
		if (!rollout_run_has_ended(run))
			rollout_run_look(run, s);
	}
	is_busy |= make_back(r) != 0;
	rollouts_keep(r);
	is_busy |= make_forward(r) != 0;
	is_busy |= make_rest(r, s) != 0;
	rollouts_keep(r);
	snapshot_free(s);
	forget_ended(r);
	for (const struct rollout_run *run = r->runs; run; run = run->next)
		has_work |= is_to_look_after(run);
	if (has_work)
		rollouts_look_in(r, is_busy ? BUSY_US : PERIOD_US);
	r->is_turning = false;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source, (void)usec;
	rollouts_turn(arg);
	return 0;
}

/* ---- what the file says ---- */

static void strategies_free(struct rollouts *r)
{
	for (size_t i = 0; i < r->strategy_count; i++)
		strategy_fini(&r->strategies[i]);
	free(r->strategies);
	free(r->services);
	r->strategies = NULL;
	r->services = NULL;
	r->strategy_count = r->service_count = 0;
}

static int copy_strategies(struct rollouts *r, const struct model *m)
{
	int err = 0;

	r->strategies = calloc(m->strategy_count + 1, sizeof(*r->strategies));
	r->services = calloc(m->service_count + 1, sizeof(*r->services));
	if (!r->strategies || !r->services)
		return -ENOMEM;
	for (size_t i = 0; !err && i < m->strategy_count; i++) {
		err = strategy_copy(&m->strategies[i], &r->strategies[i]);
		r->strategy_count += !err;
	}
	for (size_t i = 0; !err && i < m->service_count; i++) {
		const struct model_service *svc = &m->services[i];
		struct rollouts_service *own = &r->services[r->service_count++];

		memcpy(own->name, svc->name, sizeof(own->name));
		memcpy(own->primary, svc->pools[svc->primary].name, sizeof(own->primary));
		if (svc->strategy)
			memcpy(own->strategy, m->strategies[svc->strategy - 1].name,
			       sizeof(own->strategy));
	}
	return err;
}

void rollouts_reload(struct rollouts *r, const struct model *m)
{
	strategies_free(r);
	if (copy_strategies(r, m)) {
		strategies_free(r);
		log_error("out of memory: no rollout can be started until the next reload");
	}
}

/* ---- life ---- */

struct rollouts *rollouts_new(const char *dir)
{
	struct rollouts *r = calloc(1, sizeof(*r));

	if (r)
		r->dir = dir;
	return r;
}

int rollouts_open(struct rollouts *r, sd_event *event, struct keeper *keeper)
{
	int err = sd_event_add_time_relative(event, &r->timer, CLOCK_MONOTONIC, PERIOD_US,
					     TIMER_ACCURACY_US, on_timer, r);

	if (err < 0) {
		log_error("cannot look after rollouts: %s", strerror(-err));
		return err;
	}
	r->event = event;
	r->keeper = keeper;
	sd_event_source_set_enabled(r->timer, SD_EVENT_OFF);
	err = rollouts_load(r);
	if (r->runs)
		rollouts_look_in(r, 0);
	return err;
}

void rollouts_close(struct rollouts *r)
{
	if (!r)
		return;
	if (r->keeper)
		rollouts_keep(r);
	rollout_tellings_cancel(r);
	while (r->runs) {
		struct rollout_run *run = r->runs;

		r->runs = run->next;
		rollout_run_free(run);
	}
	sd_event_source_disable_unref(r->timer);
	strategies_free(r);
	rollouts_rollbacks_free(r);
	free(r);
}
