// SPDX-License-Identifier: GPL-2.0-or-later
/* Which addresses are a service's backends, for packets to ask whether a client is one. */
#include "dataplane/internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <serin/hash.h>

#include "lib/log.h"

#define FILTER_WORDS (sizeof(((struct serin_service *)NULL)->host_filter) / sizeof(uint64_t))

static void add_to_filter(__u64 *filter, const struct serin_addr *addr)
{
	uint32_t bit = serin_host_bit(addr);

	filter[bit / 64] |= 1ull << bit % 64;
}

int dp_host_add(struct dataplane *dp, uint32_t service, const struct serin_addr *addr)
{
	struct serin_host_key key = {.addr = *addr, .service = service};
	uint32_t one = 1;

	if (bpf_map_update_elem(dp->map_fd[DP_MAP_BACKEND_HOSTS], &key, &one, BPF_ANY)) {
		int error = -errno;

		log_error("cannot note a backend's address: %s", strerror(-error));
		return error;
	}
	add_to_filter(dp->services[service].host_filter, addr);
	return 0;
}

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct serin_host_key));
}

static size_t list_wanted(const struct dataplane *dp, struct serin_host_key *list)
{
	size_t count = 0;

	for (uint32_t id = 0; id < dp->meta.max_backends; id++) {
		const struct serin_backend *b = &dp->backends[id];

		if (b->state != SERIN_BACKEND_FREE)
			list[count++] = (struct serin_host_key){b->at.addr, b->service};
	}
	qsort(list, count, sizeof(*list), by_bytes);
	return count;
}

/* A map gives the key after one that is still there: so it is looked for before that is deleted. */
static void delete_unwanted(struct dataplane *dp, const struct serin_host_key *wanted, size_t count)
{
	int fd = dp->map_fd[DP_MAP_BACKEND_HOSTS];
	struct serin_host_key key, next;
	bool is_over = bpf_map_get_next_key(fd, NULL, &key);

	while (!is_over) {
		is_over = bpf_map_get_next_key(fd, &key, &next);
		if (!bsearch(&key, wanted, count, sizeof(key), by_bytes))
			bpf_map_delete_elem(fd, &key);
		key = next;
	}
}

/* Word by word: what is in the old filter and in the new one is never out of it. */
static void write_filters(struct dataplane *dp, const __u64 *filters)
{
	for (uint32_t id = 0; id < dp->meta.max_services; id++) {
		const __u64 *wanted = filters + id * FILTER_WORDS;
		__u64 *now = dp->services[id].host_filter;

		for (size_t i = 0; i < FILTER_WORDS; i++)
			if (now[i] != wanted[i])
				__atomic_store_n(&now[i], wanted[i], __ATOMIC_RELEASE);
	}
}

int dp_hosts_prune(struct dataplane *dp)
{
	struct serin_host_key *wanted = calloc(dp->meta.max_backends + 1, sizeof(*wanted));
	__u64 *filters = calloc((size_t)dp->meta.max_services + 1, FILTER_WORDS * sizeof(*filters));
	size_t count;

	if (!wanted || !filters) {
		free(wanted);
		free(filters);
		return -ENOMEM;
	}
	count = list_wanted(dp, wanted);
	delete_unwanted(dp, wanted, count);
	for (size_t i = 0; i < count; i++)
		add_to_filter(filters + wanted[i].service * FILTER_WORDS, &wanted[i].addr);
	write_filters(dp, filters);
	free(wanted);
	free(filters);
	return 0;
}
