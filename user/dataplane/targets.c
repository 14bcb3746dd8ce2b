// SPDX-License-Identifier: GPL-2.0-or-later
/* Target rules: the wanted set against the one in the kernel, both sorted, walked side by side. */
#include "dataplane/internal.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"

struct serin_target_key dp_target_key(uint32_t service, const struct in6_addr *prefix,
				      uint8_t prefix_len)
{
	struct serin_target_key key = {
		.prefix_len = 32u + prefix_len,
		.service_be = htonl(service),
	};

	memcpy(&key.client, prefix, sizeof(key.client));
	return key;
}

static int by_key(const void *a, const void *b)
{
	return memcmp(&((const struct dp_target *)a)->key, &((const struct dp_target *)b)->key,
		      sizeof(struct serin_target_key));
}

static int append(struct dp_target **list, size_t *count, size_t *room,
		  const struct dp_target *target)
{
	if (*count == *room) {
		size_t more = *room ? *room * 2 : 64;
		struct dp_target *grown = reallocarray(*list, more, sizeof(**list));

		if (!grown)
			return -ENOMEM;
		*list = grown;
		*room = more;
	}
	(*list)[(*count)++] = *target;
	return 0;
}

static int read_rules(struct dataplane *dp, struct dp_target **out, size_t *count)
{
	int fd = dp->map_fd[DP_MAP_TARGETS];
	struct dp_target *list = NULL;
	struct dp_target target = {};
	struct serin_target_key *last = NULL;
	size_t room = 0;
	int error = 0;

	*count = 0;
	while (!error && !bpf_map_get_next_key(fd, last, &target.key)) {
		if (!bpf_map_lookup_elem(fd, &target.key, &target.pool))
			error = append(&list, count, &room, &target);
		last = &target.key;
	}
	if (error) {
		free(list);
		return error;
	}
	if (*count)
		qsort(list, *count, sizeof(*list), by_key);
	*out = list;
	return 0;
}

static int put_rule(struct dataplane *dp, const struct dp_target *target)
{
	if (!bpf_map_update_elem(dp->map_fd[DP_MAP_TARGETS], &target->key, &target->pool, BPF_ANY))
		return 0;
	log_error("cannot add a target rule: %s", strerror(errno));
	return -errno;
}

static int drop_rule(struct dataplane *dp, const struct dp_target *target)
{
	bool is_gone = !bpf_map_delete_elem(dp->map_fd[DP_MAP_TARGETS], &target->key);

	return is_gone || errno == ENOENT ? 0 : -errno;
}

int dp_targets_sync(struct dataplane *dp, struct dp_target *wanted, size_t count, bool dry_run,
		    size_t *differences)
{
	struct dp_target *present = NULL;
	size_t w = 0, p = 0, present_count = 0;
	int error = 0;

	if (dp->map_fd[DP_MAP_TARGETS] >= 0)
		error = read_rules(dp, &present, &present_count);
	if (count)
		qsort(wanted, count, sizeof(*wanted), by_key);
	while (!error && (w < count || p < present_count)) {
		int order = w == count		 ? 1
			    : p == present_count ? -1
						 : by_key(&wanted[w], &present[p]);

		if (order == 0 && wanted[w].pool == present[p].pool) {
			w++;
			p++;
			continue;
		}
		(*differences)++;
		if (!dry_run)
			error = order <= 0 ? put_rule(dp, &wanted[w]) : drop_rule(dp, &present[p]);
		w += order <= 0;
		p += order >= 0;
	}
	free(present);
	return error;
}

static bool covers(const struct serin_target_key *rule, const struct serin_target_key *client)
{
	const uint8_t *a = (const uint8_t *)&rule->service_be;
	const uint8_t *b = (const uint8_t *)&client->service_be;
	uint32_t whole = rule->prefix_len / 8, rest = rule->prefix_len % 8;

	return !memcmp(a, b, whole) && (!rest || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

bool dp_target_match(struct dataplane *dp, uint32_t service, const struct serin_addr *client,
		     uint8_t *pool, uint8_t *prefix_len)
{
	struct in6_addr addr = dp_addr(client);
	struct serin_target_key wanted = dp_target_key(service, &addr, 128);
	struct serin_target_key rule, *last = NULL;
	int fd = dp->map_fd[DP_MAP_TARGETS];
	uint32_t longest = 32, value;

	if (bpf_map_lookup_elem(fd, &wanted, &value))
		return false;
	/* A look-up gives a rule's value, not its length: that one is looked for. */
	while (!bpf_map_get_next_key(fd, last, &rule)) {
		if (rule.prefix_len > longest && covers(&rule, &wanted))
			longest = rule.prefix_len;
		last = &rule;
	}
	*pool = (uint8_t)(value % SERIN_MAX_POOLS);
	*prefix_len = (uint8_t)(longest - 32);
	return true;
}
