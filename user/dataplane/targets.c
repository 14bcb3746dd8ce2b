// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Target rules: the wanted set against the one in the kernel, both sorted, walked side by side. A
 * service may have a hundred thousand: maps are read and written many entries a system call.
 */
#include "dataplane/internal.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"

#define BATCH 4096u

/* The form in which the kernel takes and gives many entries. */
struct batch {
	struct serin_target_key keys[BATCH];
	uint32_t values[BATCH];
};

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

static uint32_t value_of(const struct dp_target *t)
{
	return (t->key.prefix_len - 32) << SERIN_TARGET_LEN_SHIFT | t->pool;
}

static int by_key(const void *a, const void *b)
{
	return memcmp(&((const struct dp_target *)a)->key, &((const struct dp_target *)b)->key,
		      sizeof(struct serin_target_key));
}

/* ---- reading ---- */

static int append(struct dp_targets *to, const struct batch *b, size_t count)
{
	struct dp_target *grown = reallocarray(to->list, to->count + count + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	to->list = grown;
	for (size_t i = 0; i < count; i++)
		to->list[to->count++] = (struct dp_target){
			.key = b->keys[i],
			.pool = b->values[i] & SERIN_TARGET_POOL_MASK,
		};
	return 0;
}

static int read_rules(struct dataplane *dp, struct batch *b, struct dp_targets *out)
{
	struct serin_target_key from, *last = NULL;
	int error = 0;

	while (!error) {
		LIBBPF_OPTS(bpf_map_batch_opts, opts);
		struct serin_target_key next;
		uint32_t count = BATCH;
		bool is_end;

		error = bpf_map_lookup_batch(dp->map_fd[DP_MAP_TARGETS], last, &next, b->keys,
					     b->values, &count, &opts);
		is_end = error == -ENOENT;
		if (!error || is_end)
			error = append(out, b, count);
		if (is_end)
			break;
		from = next;
		last = &from;
	}
	if (!error && out->count)
		qsort(out->list, out->count, sizeof(*out->list), by_key);
	return error;
}

/* ---- comparing ---- */

/* Takes out of both what is the same in both; what has only another pool goes out of `present`. */
static void drop_common(struct dp_targets *wanted, struct dp_targets *present)
{
	size_t w = 0, p = 0, puts = 0, drops = 0;

	while (w < wanted->count || p < present->count) {
		int order = w == wanted->count	  ? 1
			    : p == present->count ? -1
						  : by_key(&wanted->list[w], &present->list[p]);

		if (order < 0 || (!order && wanted->list[w].pool != present->list[p].pool))
			wanted->list[puts++] = wanted->list[w];
		else if (order > 0)
			present->list[drops++] = present->list[p];
		w += order <= 0;
		p += order >= 0;
	}
	wanted->count = puts;
	present->count = drops;
}

int dp_targets_compare(struct dataplane *dp, struct dp_targets *wanted, struct dp_targets *gone)
{
	struct batch *b = NULL;
	int error = 0;

	if (wanted->count > dp->meta.max_targets) {
		log_error("there are %zu target rules, and the maps were made for %u. Raise "
			  "limits.targets, then `serin detach` and `serin apply`; nothing was "
			  "changed",
			  wanted->count, dp->meta.max_targets);
		return -ENOSPC;
	}
	if (dp->map_fd[DP_MAP_TARGETS] >= 0) {
		b = malloc(sizeof(*b));
		error = b ? read_rules(dp, b, gone) : -ENOMEM;
	}
	free(b);
	if (error) {
		log_error("cannot read the target rules: %s", strerror(-error));
		return error;
	}
	dp->target_count = gone->count;
	if (wanted->count)
		qsort(wanted->list, wanted->count, sizeof(*wanted->list), by_key);
	drop_common(wanted, gone);
	return 0;
}

/* ---- writing ---- */

static int put_rules(struct dataplane *dp, struct batch *b, const struct dp_targets *rules)
{
	int error = 0;

	for (size_t done = 0; !error && done < rules->count;) {
		LIBBPF_OPTS(bpf_map_batch_opts, opts);
		uint32_t count = 0;

		for (; count < BATCH && done < rules->count; count++, done++) {
			b->keys[count] = rules->list[done].key;
			b->values[count] = value_of(&rules->list[done]);
		}
		error = bpf_map_update_batch(dp->map_fd[DP_MAP_TARGETS], b->keys, b->values, &count,
					     &opts);
	}
	if (error)
		log_error("cannot add target rules: %s", strerror(-error));
	return error;
}

static int drop_rules(struct dataplane *dp, struct batch *b, const struct dp_targets *rules)
{
	int error = 0;

	for (size_t done = 0; !error && done < rules->count;) {
		LIBBPF_OPTS(bpf_map_batch_opts, opts);
		uint32_t count = 0;

		for (; count < BATCH && done < rules->count; count++, done++)
			b->keys[count] = rules->list[done].key;
		error = bpf_map_delete_batch(dp->map_fd[DP_MAP_TARGETS], b->keys, &count, &opts);
	}
	if (error)
		log_error("cannot take target rules out: %s", strerror(-error));
	return error;
}

/* New rules first, so that no client is without one meanwhile, unless there is no room for both. */
int dp_targets_write(struct dataplane *dp, const struct dp_targets *put,
		     const struct dp_targets *gone)
{
	bool is_tight = dp->target_count + put->count > dp->meta.max_targets;
	struct batch *b = malloc(sizeof(*b));
	int error = b ? 0 : -ENOMEM;

	if (!error && is_tight)
		error = drop_rules(dp, b, gone);
	if (!error)
		error = put_rules(dp, b, put);
	if (!error && !is_tight)
		error = drop_rules(dp, b, gone);
	free(b);
	return error;
}

bool dp_target_match(struct dataplane *dp, uint32_t service, const struct serin_addr *client,
		     uint8_t *pool, uint8_t *prefix_len)
{
	struct in6_addr addr = dp_addr(client);
	struct serin_target_key key = dp_target_key(service, &addr, 128);
	uint32_t value;

	if (bpf_map_lookup_elem(dp->map_fd[DP_MAP_TARGETS], &key, &value))
		return false;
	*pool = (uint8_t)(value % SERIN_MAX_POOLS);
	*prefix_len = (uint8_t)(value >> SERIN_TARGET_LEN_SHIFT);
	return true;
}
