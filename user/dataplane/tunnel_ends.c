// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where tunnels end, for ICMP errors that quote a packet of one: what a router says of the way to an
 * address holds for every service that has a backend there, so one entry of them keeps it for all.
 */
#include "dataplane/internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <serin/hash.h>

struct tunnel_end {
	struct serin_endpoint at;
	uint32_t id;
};

struct tunnel_ends {
	struct tunnel_end *list; /* ordered by place, then by id */
	size_t count;
};

static int compare(const void *a, const void *b)
{
	const struct tunnel_end *x = a, *y = b;
	int order = memcmp(&x->at, &y->at, sizeof(x->at));

	return order ? order : x->id < y->id ? -1 : x->id > y->id;
}

static bool same_end(const struct tunnel_end *a, const struct tunnel_end *b)
{
	return !memcmp(&a->at, &b->at, sizeof(a->at));
}

static bool is_tunnelled(const struct dataplane *dp, const struct serin_backend *b)
{
	uint8_t forwarding;

	if (b->state == SERIN_BACKEND_FREE || b->service >= dp->meta.max_services)
		return false;
	forwarding = dp->services[b->service].forwarding;
	return forwarding == SERIN_FORWARDING_IPIP || forwarding == SERIN_FORWARDING_GUE;
}

/* What the outer header of a packet to it says. */
static struct serin_endpoint end_of(const struct serin_service *svc, const struct serin_backend *b)
{
	struct serin_endpoint at = {.addr = b->at.addr};

	if (svc->forwarding == SERIN_FORWARDING_GUE) {
		at.protocol = IPPROTO_UDP;
		at.port_be = svc->tunnel.port_be;
	} else {
		at.protocol = serin_addr_is_v4(&svc->vip.addr) ? IPPROTO_IPIP : IPPROTO_IPV6;
	}
	return at;
}

static int collect(const struct dataplane *dp, struct tunnel_ends *ends)
{
	size_t count = 0;

	for (uint32_t id = 0; id < dp->meta.max_backends; id++)
		count += is_tunnelled(dp, &dp->backends[id]);
	ends->list = calloc(count + 1, sizeof(*ends->list));
	if (!ends->list)
		return -ENOMEM;
	for (uint32_t id = 0; id < dp->meta.max_backends; id++) {
		const struct serin_backend *b = &dp->backends[id];

		if (!is_tunnelled(dp, b))
			continue;
		ends->list[ends->count].at = end_of(&dp->services[b->service], b);
		ends->list[ends->count++].id = id;
	}
	qsort(ends->list, ends->count, sizeof(*ends->list), compare);
	return 0;
}

/* The one that keeps the path for all of them: the one that did, so that what is known stays so. */
static uint32_t keeper_of(const struct dataplane *dp, const struct tunnel_end *group, size_t count)
{
	struct tunnel_end known = {.at = group->at};

	if (bpf_map_lookup_elem(dp->map_fd[DP_MAP_TUNNEL_ENDS], &known.at, &known.id))
		return group->id;
	return bsearch(&known, group, count, sizeof(*group), compare) ? known.id : group->id;
}

static int write_group(struct dataplane *dp, const struct tunnel_end *group, size_t count)
{
	uint32_t keeper = keeper_of(dp, group, count);

	for (size_t i = 0; i < count; i++)
		__atomic_store_n(&dp->backends[group[i].id].path, keeper, __ATOMIC_RELAXED);
	if (bpf_map_update_elem(dp->map_fd[DP_MAP_TUNNEL_ENDS], &group->at, &keeper, BPF_ANY))
		return -errno;
	return 0;
}

static bool is_wanted(const struct tunnel_ends *ends, const struct serin_endpoint *at)
{
	size_t low = 0, high = ends->count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = memcmp(&ends->list[middle].at, at, sizeof(*at));

		if (!order)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static void delete_others(struct dataplane *dp, const struct tunnel_ends *ends)
{
	int fd = dp->map_fd[DP_MAP_TUNNEL_ENDS];
	struct serin_endpoint at, next;
	int more = !bpf_map_get_next_key(fd, NULL, &next);

	while (more) {
		at = next;
		more = !bpf_map_get_next_key(fd, &at, &next);
		if (!is_wanted(ends, &at))
			bpf_map_delete_elem(fd, &at);
	}
}

int dp_tunnel_ends_sync(struct dataplane *dp)
{
	struct tunnel_ends ends = {};
	int error = collect(dp, &ends);
	size_t next;

	for (size_t i = 0; !error && i < ends.count; i = next) {
		for (next = i + 1; next < ends.count; next++)
			if (!same_end(&ends.list[next], &ends.list[i]))
				break;
		error = write_group(dp, &ends.list[i], next - i);
	}
	if (!error)
		delete_others(dp, &ends);
	free(ends.list);
	return error;
}
