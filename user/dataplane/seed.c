// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A service's seed: the live one, which a release may have of its own, and the file's.
 *
 * The live one is what its split_key was made of, so that one store changes it for every CPU, and for
 * whoever comes after a kill. All new flows go to the primary before it and after it.
 */
#include "dataplane/internal.h"

#include <errno.h>

#include <serin/hash.h>

#include "lib/log.h"

uint64_t dp_seed(const struct dataplane *dp, uint32_t service)
{
	return serin_split_seed(dp->services[service].now.split_key);
}

uint64_t dp_file_seed(const struct dataplane *dp, uint32_t service)
{
	const struct serin_service *svc = &dp->services[service];

	return svc->has_file_seed ? svc->file_seed : dp_seed(dp, service);
}

void dp_note_file_seed(struct dataplane *dp, uint32_t service, uint64_t seed)
{
	struct serin_service *svc = &dp->services[service];

	svc->file_seed = seed;
	__atomic_store_n(&svc->has_file_seed, 1, __ATOMIC_RELEASE);
}

/* ---- who is elsewhere ---- */

struct search {
	const struct dataplane *dp;
	uint32_t service;
	uint8_t primary;
	uint64_t now_jiffies;
};

static int is_elsewhere(const struct dp_flow *flow, void *arg)
{
	const struct search *s = arg;
	uint32_t backend = serin_flow_backend(flow->value);

	return flow->service == s->service && backend < s->dp->meta.max_backends &&
	       s->dp->backends[backend].pool != s->primary &&
	       dp_flow_is_alive(s->dp, flow->value, s->now_jiffies);
}

/* But for the topmost unit, which never is. */
static bool is_all_settled(const struct serin_settled *settled, uint8_t primary)
{
	uint64_t word = settled->word[0] & ((1ull << SERIN_SPLIT_EPOCH_SHIFT) - 1);

	return word == ((uint64_t)primary << SERIN_SETTLED_POOL_SHIFT | SERIN_SETTLED_TOP);
}

/*
 * Whether what is settled holds whatever clients are hashed by: the primary has had everything since
 * the base, and no living flow is known to be elsewhere. Packets that might be told otherwise by what
 * was before are through.
 */
static bool is_of_any_seed(struct dataplane *dp, uint32_t service)
{
	const struct serin_service *svc = &dp->services[service];
	const struct serin_generation *live = &svc->ring[svc->epoch % SERIN_SPLIT_RING];
	struct search s = {.dp = dp, .service = service};
	struct split_layout base;

	split_decode(&live->base, &base);
	s.primary = base.primary;
	return !split_others_ppm(&base) && is_all_settled(&live->settled, base.primary) &&
	       !dp_jiffies(dp, &s.now_jiffies) && !dp_each_flow(dp, is_elsewhere, &s);
}

/* ---- another one ---- */

static int check(const struct dataplane *dp, uint32_t service)
{
	const struct serin_service_info *info = &dp->info[service];
	struct split_layout live;

	dp_split_read(dp, service, &live);
	for (size_t i = 0; i < live.other_count; i++) {
		if (!live.others[i].ppm)
			continue;
		log_error("service %s: pool %s has %g %%, and a new seed would move clients from "
			  "pool to pool; every pool but the primary must be at 0 %%; nothing was "
			  "changed",
			  info->name, info->pool[live.others[i].pool].name,
			  live.others[i].ppm / 1e4);
		return -EBUSY;
	}
	return 0;
}

/* Where flows may be elsewhere, the flow table has the word for all there are. */
static void store(struct dataplane *dp, uint32_t service, uint64_t seed)
{
	struct serin_service *svc = &dp->services[service];

	dp_note_file_seed(dp, service, dp_file_seed(dp, service));
	dp_wait_for_packets();
	if (!is_of_any_seed(dp, service)) {
		dp_split_unsettle(dp, service);
		dp_wait_for_packets();
	}
	__atomic_store_n(&svc->now.split_key, serin_split_key(seed), __ATOMIC_RELEASE);
	dp->info[service].seed = seed;
	dp_wait_for_packets(); /* no shift that follows is met with the old one */
}

int dataplane_set_seed(struct dataplane *dp, const struct dataplane_seed_request *r)
{
	uint32_t service = 0;
	int error = dp_shift_begin(dp, r->service, r->expect_epoch, &service);

	if (error)
		return error;
	if (dp_seed(dp, service) == r->seed)
		return 0;
	error = check(dp, service);
	if (error)
		return error;
	dp_change_begin(dp, &r->author, service);
	store(dp, service, r->seed);
	dp_note_change(dp, service, &r->author);
	dp_change_end(dp, &r->author, service);
	return 0;
}
