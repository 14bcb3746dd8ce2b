// SPDX-License-Identifier: GPL-2.0-or-later
/* What is found out about backends while they run: facts beside their state, and tables to match. */
#include "dataplane/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"

void dataplane_each_backend(struct dataplane *dp, backend_visitor *visit, void *arg)
{
	for (uint32_t id = 0; id < dp->meta.max_backends; id++) {
		const struct serin_backend *b = &dp->backends[id];
		const struct serin_service_info *info = &dp->info[b->service];
		struct dataplane_backend view;

		if (b->state == SERIN_BACKEND_FREE)
			continue;
		view = (struct dataplane_backend){
			.id = id,
			.service = info->name,
			.pool = info->pool[b->pool].name,
			.address = dp_addr(&b->at.addr),
			.port = ntohs(b->at.port_be),
			.is_leaving = dp_backend_state(b) == SERIN_BACKEND_LEAVING,
			.facts = b->state & SERIN_BACKEND_FACTS,
		};
		visit(&view, arg);
	}
}

/* Failures by flow and not by client: they are compared with the flows that were answered. */
int dataplane_backend_outcomes(struct dataplane *dp, uint32_t id, struct dataplane_outcomes *out)
{
	struct snapshot_counters c;
	int error = dp_backend_counters_read(dp, id, 0, &c);
	uint64_t broken = c.signals.resets_before_data, answered;

	if (error)
		return error;
	answered = c.signals.handshakes + c.signals.answered;
	out->answered = answered > broken ? answered - broken : 0;
	out->failed = broken + c.signals.sampled_refused + c.signals.sampled_unreachables +
		      c.signals.timed_out + c.signals.unanswered;
	return 0;
}

static bool is_there(const struct dataplane *dp, const struct dataplane_health *h)
{
	const struct serin_backend *b;
	struct in6_addr address;

	if (h->id >= dp->meta.max_backends)
		return false;
	b = &dp->backends[h->id];
	address = dp_addr(&b->at.addr);
	return b->state != SERIN_BACKEND_FREE && dp_backend_state(b) != SERIN_BACKEND_LEAVING &&
	       ntohs(b->at.port_be) == h->port && !memcmp(&address, &h->address, sizeof(address)) &&
	       !strcmp(dp->info[b->service].name, h->service);
}

static void tell_event(struct dataplane *dp, const struct dataplane_health *h)
{
	const struct serin_backend *b = &dp->backends[h->id];
	struct serin_event e = {
		.service = b->service,
		.backend = h->id + 1,
		.pool = b->pool + 1,
		.client.protocol = b->at.protocol,
		.kind = h->is_so ? SERIN_EVENT_BACKEND_DOWN : SERIN_EVENT_BACKEND_UP,
		.cause = h->fact == SERIN_BACKEND_EJECTED ? SERIN_EVENT_CAUSE_OUTLIER
							  : SERIN_EVENT_CAUSE_HEALTH_CHECK,
	};
	int error = dp_event_tell(dp, &e);

	if (error)
		log_warning("service %s: that a backend is %s is told to nobody: %s",
			    dp->info[b->service].name, h->is_so ? "down" : "up", strerror(-error));
}

/* 1: it was not so before. */
static int set_fact(struct dataplane *dp, const struct dataplane_health *h)
{
	struct serin_backend *b = &dp->backends[h->id];

	if (!(b->state & h->fact) == !h->is_so)
		return 0;
	if (h->is_so)
		__atomic_or_fetch(&b->state, h->fact, __ATOMIC_RELEASE);
	else
		__atomic_and_fetch(&b->state, (uint8_t)~h->fact, __ATOMIC_RELEASE);
	tell_event(dp, h);
	return 1;
}

static void tell_empty(const struct dataplane *dp, uint32_t service, uint32_t pool)
{
	struct split_layout split;

	dp_split_read(dp, service, &split);
	if (pool == split.primary)
		log_warning("service %s: its primary %s has no backend left: new flows are dropped",
			    dp->info[service].name, dp->info[service].pool[pool].name);
	else
		log_warning(
			"service %s: pool %s has no backend left: its clients go to the primary",
			dp->info[service].name, dp->info[service].pool[pool].name);
}

/* Makes the tables of these pools (flags by pool index) anew. */
static int refresh_pools(struct dataplane *dp, const uint8_t *is_touched)
{
	struct roster roster = {};
	int error = roster_build(dp, &roster);

	if (!error)
		error = dp_tables_refresh(dp, &roster, is_touched);
	roster_fini(&roster);
	for (uint32_t i = 0; !error && i < dp->meta.max_services * SERIN_MAX_POOLS; i++)
		if (is_touched[i] && !dp_table_is_there(dp, i))
			tell_empty(dp, i / SERIN_MAX_POOLS, i % SERIN_MAX_POOLS);
	return error;
}

int dataplane_set_health(struct dataplane *dp, struct dataplane_health *changes, size_t count)
{
	uint8_t *is_touched = calloc((size_t)dp->meta.max_services * SERIN_MAX_POOLS + 1, 1);
	int made = 0, error = is_touched ? 0 : -ENOMEM;

	for (size_t i = 0; !error && i < count; i++) {
		const struct serin_backend *b = &dp->backends[changes[i].id];

		changes[i].is_gone = !is_there(dp, &changes[i]);
		if (changes[i].is_gone)
			continue;
		made += set_fact(dp, &changes[i]);
		is_touched[dp_pool_index(b->service, b->pool)] = 1;
	}
	if (!error)
		error = refresh_pools(dp, is_touched);
	free(is_touched);
	return error ? error : made;
}
