// SPDX-License-Identifier: GPL-2.0-or-later
/* Another primary: what goes with the role follows it, and no place of the split moves. */
#include "dataplane/internal.h"

#include <errno.h>
#include <string.h>

#include <serin/hash.h>

#include "lib/log.h"

static bool has_backends(const struct dataplane *dp, uint32_t service, uint8_t slot)
{
	for (uint32_t id = 0; id < dp->meta.max_backends; id++) {
		const struct serin_backend *b = &dp->backends[id];

		if (b->service == service && b->pool == slot && dp_backend_takes_flows(b))
			return true;
	}
	return false;
}

/* The promise is that nobody moves: so nobody may be elsewhere now. */
static int check(const struct dataplane *dp, uint32_t service, uint8_t slot,
		 const struct split_layout *now)
{
	const char *name = dp->info[service].name, *pool = dp->info[service].pool[slot].name;
	uint32_t ppm = split_pool_ppm(now, slot);

	if (ppm != SPLIT_PPM_ALL)
		log_error("service %s: pool %s has %g %%, and becomes the primary only from "
			  "100 %%: `serin weight %s %s=100` first; nothing was changed",
			  name, pool, ppm / 1e4, name, pool);
	else if (!has_backends(dp, service, slot))
		log_error("service %s: pool %s has no backend that takes new connections: its "
			  "clients go to the primary, and would go nowhere; nothing was changed",
			  name, pool);
	else if (dp_guard_diverts(dp, dp_pool_index(service, slot)))
		log_error("service %s: the breaker of pool %s is open: the primary has its new "
			  "connections; nothing was changed",
			  name, pool);
	else
		return 0;
	return -EBUSY;
}

/* All others in the order of the file, and at 0. */
static void layout_of(const struct dataplane *dp, uint32_t service, uint8_t primary,
		      struct split_layout *out)
{
	const struct serin_pool_info *pools = dp->info[service].pool;

	*out = (struct split_layout){.primary = primary};
	for (uint32_t order = 0; order < SERIN_MAX_POOLS; order++)
		for (uint8_t slot = 0; slot < SERIN_MAX_POOLS; slot++)
			if (pools[slot].name[0] && pools[slot].order == order && slot != primary)
				out->others[out->other_count++].pool = slot;
}

/*
 * A primary has no guard, and a service's other pools have one and the same. Before the split, so
 * that whoever does it again after a kill does what is left of it: guards of the primary that is to go,
 * and of a pool that nobody may be kept from, keep nobody from anything.
 */
static int move_guard(struct dataplane *dp, uint32_t service, uint8_t from, uint8_t to)
{
	static const struct dp_guard_settings none, *const no_guard = &none;
	struct dp_guard_settings settings;
	int error = 0;

	dp_guard_settings(&dp->guards[dp_pool_index(service, from)], &settings);
	if (!memcmp(&settings, no_guard, sizeof(settings)))
		return 0;
	error = dp_guard_set(dp, service, to, &settings);
	if (!error)
		error = dp_guard_set(dp, service, from, no_guard);
	else
		dp_guard_set(dp, service, to, no_guard);
	if (error)
		log_error("service %s: cannot make room for the %u flows that its pools may have: "
			  "%s; nothing was changed",
			  dp->info[service].name, settings.flows, strerror(-error));
	return error;
}

/* A primary has many flows, of which few are sampled. */
static void move_samples(struct serin_service *svc, uint8_t mask, uint8_t from, uint8_t to)
{
	__atomic_store_n(&svc->sample_mask[to], mask, __ATOMIC_RELAXED);
	__atomic_store_n(&svc->sample_mask[from], serin_sample_mask(0), __ATOMIC_RELAXED);
}

static int promote(struct dataplane *dp, uint32_t service, const struct split_layout *before,
		   const struct split_layout *after, const struct dataplane_author *author,
		   struct dataplane_shift *out)
{
	struct serin_service *svc = &dp->services[service];
	uint8_t mask = svc->sample_mask[before->primary]; /* a guard wants all of them */
	int error = move_guard(dp, service, after->primary, before->primary);

	if (error)
		return error;
	/* 0 was the live one, which is about to be another. */
	dp->info[service].file_primary = 1u + dp_file_primary(dp, service);
	dp_change_begin(dp, author, service);
	dp_shift_store(dp, service, after, author, out);
	move_samples(svc, mask, before->primary, after->primary);
	dp_change_end(dp, author, service);
	return 0;
}

int dataplane_promote(struct dataplane *dp, const struct dataplane_promote_request *r,
		      struct dataplane_shift *out)
{
	struct dataplane_shift result = {};
	struct split_layout before, after;
	uint32_t service = 0;
	int error, slot = -1;

	error = dp_shift_begin(dp, r->service, r->expect_epoch, &service);
	if (!error)
		slot = dp_shift_pool(dp, service, r->pool);
	if (error || slot < 0)
		return error ? error : slot;
	dp_split_read(dp, service, &before);
	after = before;
	if (slot != before.primary) {
		error = check(dp, service, (uint8_t)slot, &before);
		layout_of(dp, service, (uint8_t)slot, &after);
	}
	if (error)
		return error;
	result.epoch = dp->services[service].epoch;
	dp_shift_describe(dp, service, &before, &after, &result);
	if (!r->dry_run && slot != before.primary)
		error = promote(dp, service, &before, &after, &r->author, &result);
	if (!error)
		*out = result;
	return error;
}
