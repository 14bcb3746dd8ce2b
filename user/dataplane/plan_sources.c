// SPDX-License-Identifier: GPL-2.0-or-later
/* The part of a plan that is about whose flows come from which address and port. */
#include "dataplane/plan.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"

static int by_key(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct serin_source_key));
}

static int by_key_and_port(const void *a, const void *b)
{
	const struct source_plan *x = a, *y = b;
	int order = by_key(&x->key, &y->key);

	return order ? order : (int)x->range.low - (int)y->range.low;
}

/* How many from here on are of one address and protocol. */
static size_t count_shares(const struct plan *p, size_t from)
{
	size_t to = from;

	while (to < p->source_count && !by_key(&p->sources[to].key, &p->sources[from].key))
		to++;
	return to - from;
}

static void add_sources(struct plan *p, const struct service_plan *s)
{
	const struct model_service *m = s->model;

	for (size_t i = 0; m->forwarding == SERIN_FORWARDING_FULLNAT && i < m->source_count; i++) {
		struct source_plan *out = &p->sources[p->source_count++];

		memcpy(&out->key.addr, &m->sources[i].prefix, sizeof(out->key.addr));
		out->key.protocol = m->protocol;
		out->range = (struct serin_source_range){
			.low = m->source_port_low,
			.high = m->source_port_high,
			.service = (uint16_t)(s->id + 1),
			.number = (uint16_t)i,
		};
	}
}

int plan_sources(struct plan *p)
{
	char text[NET_ADDR_LEN];
	size_t count = 0;

	for (size_t i = 0; i < p->model->service_count; i++)
		count += p->model->services[i].source_count;
	p->sources = calloc(count + 1, sizeof(*p->sources));
	if (!p->sources)
		return -ENOMEM;
	for (size_t i = 0; i < p->model->service_count; i++)
		add_sources(p, &p->services[i]);
	qsort(p->sources, p->source_count, sizeof(*p->sources), by_key_and_port);
	for (size_t i = 0; i < p->source_count; i += count_shares(p, i)) {
		struct in6_addr addr = dp_addr(&p->sources[i].key.addr);

		if (count_shares(p, i) <= SERIN_SOURCE_SHARES)
			continue;
		log_error("%s: more than %d services have it in `source_addresses`: give some of "
			  "them another",
			  net_format_addr(&addr, text), SERIN_SOURCE_SHARES);
		return -ENOSPC;
	}
	return 0;
}

/* ---- carrying it out ---- */

static int write_shares(struct dataplane *dp, const struct source_plan *first, size_t count)
{
	int fd = dp->map_fd[DP_MAP_SOURCES];
	struct serin_source_ranges wanted = {}, now;

	for (size_t i = 0; i < count; i++)
		wanted.range[i] = first[i].range;
	if (!bpf_map_lookup_elem(fd, &first->key, &now) && !memcmp(&now, &wanted, sizeof(now)))
		return 0;
	return bpf_map_update_elem(fd, &first->key, &wanted, BPF_ANY) ? -errno : 0;
}

/* First of all, so that there is room for new ones. */
static void drop_others(struct dataplane *dp, const struct plan *p)
{
	int fd = dp->map_fd[DP_MAP_SOURCES];
	struct serin_source_key key, next;
	bool is_end = bpf_map_get_next_key(fd, NULL, &next);

	while (!is_end) {
		key = next;
		is_end = bpf_map_get_next_key(fd, &key, &next);
		if (!bsearch(&key, p->sources, p->source_count, sizeof(*p->sources), by_key))
			bpf_map_delete_elem(fd, &key);
	}
}

int plan_commit_sources(struct dataplane *dp, const struct plan *p)
{
	int error = 0;

	drop_others(dp, p);
	for (size_t i = 0; !error && i < p->source_count; i += count_shares(p, i))
		error = write_shares(dp, &p->sources[i], count_shares(p, i));
	if (error)
		log_error("cannot write down the source addresses: %s", strerror(-error));
	return error;
}
