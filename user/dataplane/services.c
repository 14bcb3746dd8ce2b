// SPDX-License-Identifier: GPL-2.0-or-later
/* Services as the maps hold them: finding them, their pools, and their splits. */
#include "dataplane/internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "balance/settled.h"

uint32_t dp_pool_index(uint32_t service, uint32_t pool)
{
	return service * SERIN_MAX_POOLS + pool;
}

int64_t dp_service_find(const struct dataplane *dp, const char *name)
{
	for (uint32_t id = 0; id < dp->meta.max_services; id++)
		if (dp->info[id].name[0] && !strcmp(dp->info[id].name, name))
			return id;
	return -1;
}

int dp_pool_find(const struct dataplane *dp, uint32_t service, const char *name)
{
	const struct serin_pool_info *pools = dp->info[service].pool;

	for (int i = 0; i < SERIN_MAX_POOLS; i++)
		if (pools[i].name[0] && !strcmp(pools[i].name, name))
			return i;
	return -1;
}

static struct serin_generation *live_generation(struct serin_service *svc)
{
	return &svc->ring[svc->epoch % SERIN_SPLIT_RING];
}

void dp_split_read(const struct dataplane *dp, uint32_t service, struct split_layout *out)
{
	split_decode(&live_generation(&dp->services[service])->now, out);
}

uint8_t dp_file_primary(const struct dataplane *dp, uint32_t service)
{
	struct split_layout live;

	dp_split_read(dp, service, &live);
	return dp->info[service].file_primary ? (uint8_t)(dp->info[service].file_primary - 1)
					      : live.primary;
}

void dp_service_changed(struct dataplane *dp, uint32_t service)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	dp->services[service].changed_ns =
		(uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Word by word: a packet that reads meanwhile finds another epoch in some, and reads again. */
static void copy_words(__u64 *to, const __u64 *from)
{
	volatile __u64 *word = to;

	for (int i = 0; i < SERIN_MAX_POOLS; i++)
		word[i] = from[i];
}

static uint32_t publish(struct serin_service *svc, uint32_t epoch, const struct serin_generation *g)
{
	struct serin_generation *next = &svc->ring[epoch % SERIN_SPLIT_RING];

	copy_words(next->settled.word, g->settled.word);
	copy_words(next->now.word, g->now.word);
	copy_words(next->base.word, g->base.word);
	__atomic_store_n(&svc->epoch, epoch, __ATOMIC_RELEASE);
	return epoch;
}

uint32_t dp_split_store(struct dataplane *dp, uint32_t service, const struct split_layout *layout)
{
	struct serin_service *svc = &dp->services[service];
	const struct serin_generation *live = live_generation(svc);
	uint32_t epoch = svc->epoch + 1;
	struct serin_generation next;
	struct split_layout base;

	split_decode(&live->base, &base);
	split_encode(&base, epoch, &next.base);
	split_encode(layout, epoch, &next.now);
	settled_narrow(&live->settled, layout, epoch, &next.settled);
	dp_service_changed(dp, service);
	return publish(svc, epoch, &next);
}

void dp_split_found(struct dataplane *dp, uint32_t service, const struct split_layout *layout)
{
	struct serin_service *svc = &dp->services[service];
	uint32_t epoch = svc->epoch + 1;
	struct serin_generation next;

	split_encode(layout, epoch, &next.base);
	next.now = next.base;
	settled_begin(layout, epoch, &next.settled);
	publish(svc, epoch, &next);
}

/* In place: the split is the same, so is its epoch, and packets may read either. */
void dp_split_unsettle(struct dataplane *dp, uint32_t service)
{
	struct serin_service *svc = &dp->services[service];
	struct serin_settled none;

	settled_none(svc->epoch, &none);
	copy_words(live_generation(svc)->settled.word, none.word);
	dp_service_changed(dp, service);
}

/* In place, too: nothing that packets might still be told by the old words is untrue. */
void dp_split_settle(struct dataplane *dp, uint32_t service)
{
	struct serin_service *svc = &dp->services[service];
	struct serin_generation *live = live_generation(svc);
	struct split_layout layout;
	struct serin_settled settled;

	svc->base = svc->now;
	split_decode(&live->now, &layout);
	copy_words(live->base.word, live->now.word);
	settled_begin(&layout, svc->epoch, &settled);
	copy_words(live->settled.word, settled.word);
	svc->changed_ns = 0;
}

void dp_service_set_flags(struct dataplane *dp, uint32_t service, uint8_t flags)
{
	struct serin_service *svc = &dp->services[service];
	bool remembered = svc->flags & SERIN_SERVICE_REMEMBERS;
	bool remembers = flags & SERIN_SERVICE_REMEMBERS;
	bool is_unborn = !svc->epoch; /* no packet has reached it */

	if (flags == svc->flags)
		return;
	if (!is_unborn && remembers && !remembered)
		dp_past_begin(dp, service);
	if (!is_unborn && (remembers != remembered ||
			   (flags ^ svc->flags) & (SERIN_SERVICE_TARGETS | SERIN_SERVICE_DSCP)))
		dp_split_unsettle(dp, service);
	__atomic_store_n(&svc->flags, flags, __ATOMIC_RELEASE);
}

void dp_note_change(struct dataplane *dp, uint32_t service, const struct dataplane_author *author)
{
	struct serin_change *last = &dp->info[service].last;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	memset(last, 0, sizeof(*last));
	last->when_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	last->uid = author->has_uid ? author->uid : dp->uid;
	snprintf(last->actor, sizeof(last->actor), "%s", author->actor);
	snprintf(last->reason, sizeof(last->reason), "%s", author->reason ? author->reason : "");
}
