// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/health.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "agent/health_internal.h"
#include "lib/log.h"
#include "model/model.h"
#include "observe/metrics_text.h"

#define FILES_MARGIN 512 /* for all but checks */

uint64_t health_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint8_t health_facts(const struct health_backend *b)
{
	return (b->state.is_down ? SERIN_BACKEND_UNHEALTHY : 0) |
	       (b->outlier.is_ejected ? SERIN_BACKEND_EJECTED : 0);
}

/* ---- who is looked after ---- */

static int by_place(const void *a, const void *b)
{
	const struct health_backend *x = *(struct health_backend *const *)a;
	const struct health_backend *y = *(struct health_backend *const *)b;
	int order = strcmp(x->pool->service, y->pool->service);

	if (!order)
		order = memcmp(&x->address, &y->address, sizeof(x->address));
	return order ? order : (int)x->port - (int)y->port;
}

static void free_backends(struct health_backend **list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!list[i])
			continue;
		health_check_end(list[i]);
		sd_event_source_disable_unref(list[i]->timer);
		free(list[i]);
	}
	free(list);
}

static void free_pools(struct health_pool *pools, size_t count)
{
	for (size_t i = 0; i < count; i++)
		model_health_check_fini(&pools[i].check);
	free(pools);
}

static bool is_looked_after(const struct model_service *svc, const struct model_pool *pool)
{
	return pool->health_check.type != MODEL_CHECK_NONE || svc->outlier.failures;
}

static struct outlier_rules rules_of(const struct model_outlier *o)
{
	return (struct outlier_rules){
		.failures = o->failures,
		.ratio = o->ratio,
		.interval_ms = o->interval_ms,
		.eject_ms = o->eject_ms,
		.max_eject_ms = o->max_eject_ms,
		.max_percent = o->max_percent,
	};
}

static int add_pool(struct health *h, const struct model_service *svc,
		    const struct model_pool *pool)
{
	struct health_pool *p = &h->pools[h->pool_count];

	if (model_health_check_copy(&p->check, &pool->health_check))
		return -ENOMEM;
	memcpy(p->service, svc->name, sizeof(p->service));
	memcpy(p->pool, pool->name, sizeof(p->pool));
	p->outlier = rules_of(&svc->outlier);
	h->pool_count++;
	for (size_t i = 0; i < pool->backend_count; i++) {
		struct health_backend *b = calloc(1, sizeof(*b));

		if (!b)
			return -ENOMEM;
		b->health = h;
		b->pool = p;
		b->address = pool->backends[i].address;
		b->port = pool->backends[i].port;
		h->backends[h->count++] = b;
	}
	return 0;
}

static int list_all(struct health *h, const struct model *m)
{
	size_t pools = 0, backends = 0;
	int err = 0;

	for (size_t i = 0; i < m->service_count; i++)
		for (size_t k = 0; k < m->services[i].pool_count; k++, pools++)
			backends += m->services[i].pools[k].backend_count;
	h->pools = calloc(pools + 1, sizeof(*h->pools));
	h->backends = calloc(backends + 1, sizeof(struct health_backend *));
	h->pool_count = h->count = 0;
	if (!h->pools || !h->backends)
		return -ENOMEM;
	for (size_t i = 0; i < m->service_count; i++)
		for (size_t k = 0; !err && k < m->services[i].pool_count; k++)
			if (is_looked_after(&m->services[i], &m->services[i].pools[k]))
				err = add_pool(h, &m->services[i], &m->services[i].pools[k]);
	if (!err)
		qsort(h->backends, h->count, sizeof(*h->backends), by_place);
	return err;
}

/* What was counted of a pool of that name goes on. */
static void keep_counts(struct health *now, const struct health *before)
{
	for (size_t i = 0; i < now->pool_count; i++) {
		struct health_pool *p = &now->pools[i];

		for (size_t k = 0; k < before->pool_count; k++) {
			const struct health_pool *old = &before->pools[k];

			if (strcmp(p->service, old->service) || strcmp(p->pool, old->pool))
				continue;
			p->passes = old->passes;
			p->failures = old->failures;
			p->spent_us = old->spent_us;
			p->judged_ms = old->judged_ms;
		}
	}
}

/* Of a backend that was checked before; where it is not checked any more, nothing is known. */
static void keep_state(struct health_backend *b, const struct health_backend *old)
{
	b->is_there = old->is_there;
	b->is_adopted = old->is_adopted;
	b->id = old->id;
	b->told = old->told;
	if (b->pool->check.type != MODEL_CHECK_NONE)
		b->state = old->state;
	if (b->pool->outlier.failures)
		b->outlier = old->outlier;
	if (model_health_check_equal(&b->pool->check, &old->pool->check))
		b->turns = old->turns;
}

static void keep_states(struct health *now, const struct health *before)
{
	for (size_t i = 0; before->count && i < now->count; i++) {
		struct health_backend **old = bsearch(&now->backends[i], before->backends,
						      before->count, sizeof(*before->backends),
						      by_place);

		if (old)
			keep_state(now->backends[i], *old);
	}
}

/* A file descriptor or two for each. */
static void make_room(size_t count)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur >= 2 * count + FILES_MARGIN)
		return;
	files.rlim_cur = 2 * count + FILES_MARGIN;
	if (files.rlim_cur > files.rlim_max)
		files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

void health_reload(struct health *h, const struct model *m)
{
	struct health before = *h;
	int err = list_all(h, m);

	if (err) {
		log_error("health checks go on as they were: %s", strerror(-err));
		free_backends(h->backends, h->count);
		free_pools(h->pools, h->pool_count);
		*h = before;
		return;
	}
	keep_counts(h, &before);
	keep_states(h, &before);
	free_backends(before.backends, before.count);
	free_pools(before.pools, before.pool_count);
	make_room(h->count);
	health_maps_follow(h);
	for (size_t i = 0; i < h->count; i++)
		if (h->backends[i]->pool->check.type != MODEL_CHECK_NONE)
			health_check_begin(h->backends[i]);
	log_info("%zu backends are looked after", h->count);
}

/* ---- open and close ---- */

/* sd-event wants it blocked before it watches children. */
static int block_child_signal(void)
{
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	return sigprocmask(SIG_BLOCK, &child, NULL) ? -errno : 0;
}

int health_open(sd_event *event, const char *dir, struct health **out)
{
	struct health *h = calloc(1, sizeof(*h));
	int err = h ? block_child_signal() : -ENOMEM;

	srandom(arc4random()); /* what jitter is made of: each agent's own */
	if (!err) {
		h->event = event;
		h->dir = dir;
		err = health_http_open(event, &h->http);
	}
	if (!err)
		err = health_maps_open(h);
	if (err) {
		log_error("cannot check backends: %s", strerror(-err));
		health_close(h);
		return err;
	}
	*out = h;
	return 0;
}

void health_close(struct health *h)
{
	if (!h)
		return;
	free_backends(h->backends, h->count);
	free_pools(h->pools, h->pool_count);
	sd_event_source_disable_unref(h->follower);
	health_http_close(h->http);
	free(h);
}

/* ---- metrics ---- */

static void put_pool(FILE *out, const char *family, const struct health_pool *p)
{
	fputs(family, out);
	metrics_put_label(out, "{", "service", p->service);
	metrics_put_label(out, ",", "pool", p->pool);
}

static void put_result(FILE *out, const struct health_pool *p, const char *result, uint64_t count)
{
	put_pool(out, "serin_health_checks_total", p);
	metrics_put_label(out, ",", "result", result);
	metrics_put_value(out, count);
}

uint64_t health_errors(const struct health *h)
{
	return h->errors;
}

void health_write_metrics(const struct health *h, FILE *out)
{
	metrics_put_head(out, "serin_health_checks_total", METRICS_COUNTER,
			 "Checks of backends that have ended, by result.");
	for (size_t i = 0; i < h->pool_count; i++) {
		put_result(out, &h->pools[i], "pass", h->pools[i].passes);
		put_result(out, &h->pools[i], "fail", h->pools[i].failures);
	}
	metrics_put_head(out, "serin_health_check_seconds_total", METRICS_COUNTER,
			 "Time that checks of backends took, of all that have ended.");
	for (size_t i = 0; i < h->pool_count; i++) {
		put_pool(out, "serin_health_check_seconds_total", &h->pools[i]);
		metrics_put_millionths(out, h->pools[i].spent_us);
	}
}
