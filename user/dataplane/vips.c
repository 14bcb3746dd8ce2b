// SPDX-License-Identifier: GPL-2.0-or-later
/* The VIPs by address alone, for packets that show no port: which are there, and who answers pings. */
#include "dataplane/internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct vip_list {
	struct serin_addr *addr; /* in order, each once */
	size_t count;
};

static int by_address(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct serin_addr));
}

static int list_vips(const struct dataplane *dp, struct vip_list *out)
{
	struct serin_addr *list = calloc(dp->meta.max_services + 1, sizeof(*list));
	size_t count = 0, kept = 0;

	if (!list)
		return -ENOMEM;
	for (uint32_t id = 0; id < dp->meta.max_services; id++)
		if (dp->info[id].name[0])
			list[count++] = dp->services[id].vip.addr;
	qsort(list, count, sizeof(*list), by_address);
	for (size_t i = 0; i < count; i++)
		if (!i || by_address(&list[i], &list[i - 1]))
			list[kept++] = list[i];
	*out = (struct vip_list){list, kept};
	return 0;
}

static bool is_vip(const struct vip_list *vips, const struct serin_addr *addr)
{
	return bsearch(addr, vips->addr, vips->count, sizeof(*addr), by_address);
}

/* First of all, so that there is room for new ones. */
static void drop_others(struct dataplane *dp, const struct vip_list *vips)
{
	int fd = dp->map_fd[DP_MAP_VIPS];
	struct serin_addr key, next;
	bool is_end = bpf_map_get_next_key(fd, NULL, &next);

	while (!is_end) {
		key = next;
		is_end = bpf_map_get_next_key(fd, &key, &next);
		if (!is_vip(vips, &key))
			bpf_map_delete_elem(fd, &key);
	}
}

/* What has no route here, or one that refuses, is announced to others and no address of ours. */
static int ask(struct rtnl *rtnl, const struct serin_addr *addr, struct serin_vip *out)
{
	struct in6_addr vip = dp_addr(addr);
	struct rtnl_route route;
	int error = rtnl_route_get(rtnl, &vip, &route);

	if (error && error != -ENETUNREACH)
		return error;
	out->answers_echo = error || route.kind != RTNL_ROUTE_LOCAL;
	return 0;
}

static int write_vip(struct dataplane *dp, const struct serin_addr *addr,
		     const struct serin_vip *wanted)
{
	int fd = dp->map_fd[DP_MAP_VIPS];
	struct serin_vip now;

	if (!bpf_map_lookup_elem(fd, addr, &now) && !memcmp(&now, wanted, sizeof(now)))
		return 0;
	return bpf_map_update_elem(fd, addr, wanted, BPF_ANY) ? -errno : 0;
}

int dp_vips_sync(struct dataplane *dp, struct rtnl *rtnl)
{
	struct vip_list vips;
	int error = list_vips(dp, &vips);

	if (error)
		return error;
	drop_others(dp, &vips);
	for (size_t i = 0; !error && i < vips.count; i++) {
		struct serin_vip vip;

		error = ask(rtnl, &vips.addr[i], &vip);
		if (!error)
			error = write_vip(dp, &vips.addr[i], &vip);
	}
	free(vips.addr);
	return error;
}

int dataplane_follow_host(struct dataplane *dp, struct rtnl *rtnl)
{
	int error = dp_ports_follow(dp, rtnl), failed = dp_vips_sync(dp, rtnl);

	return error ? error : failed;
}
