// SPDX-License-Identifier: GPL-2.0-or-later
/* Sources among everything else in the file. */
#include <stdlib.h>
#include <string.h>

#include "config/service.h"
#include "config/validate.h"
#include "lib/net.h"
#include "model/model.h"

/* An address somebody has. */
struct owner {
	const struct in6_addr *address;
	const struct model_service *svc;
	const struct node *node; /* of the service whose VIP it is, or of the backend */
	bool is_backend;
};

/* A service's ports of one of its sources. */
struct range {
	const struct model_source *source;
	const struct model_service *svc;
	const struct node *node;
};

struct lists {
	struct owner *owners; /* by address */
	size_t owner_count;
	struct range *ranges; /* by protocol, address and port */
	size_t range_count;
};

/* ---- gathering ---- */

static int by_address(const void *a, const void *b)
{
	const struct owner *x = a, *y = b;
	int order = memcmp(x->address, y->address, sizeof(*x->address));

	if (!order) /* a VIP goes before a backend on it, and then who comes first in the text */
		order = (int)x->is_backend - (int)y->is_backend;
	return order ? order : node_order(x->node, y->node);
}

static int by_range(const void *a, const void *b)
{
	const struct range *x = a, *y = b;
	int order = (int)x->svc->protocol - (int)y->svc->protocol;

	if (!order)
		order = memcmp(&x->source->prefix, &y->source->prefix, sizeof(x->source->prefix));
	if (!order)
		order = (int)x->svc->source_port_low - (int)y->svc->source_port_low;
	return order ? order : node_order(x->node, y->node);
}

static void add_owner(struct lists *l, const struct owner *owner)
{
	if (!IN6_IS_ADDR_UNSPECIFIED(owner->address))
		l->owners[l->owner_count++] = *owner;
}

static void add_owners(struct lists *l, const struct model_service *svc, const struct node *node)
{
	const struct node *pool = node_items(node, "pools");

	add_owner(l, &(struct owner){.address = &svc->vip, .svc = svc, .node = node});
	for (size_t i = 0; i < svc->pool_count; i++, pool = pool->next) {
		const struct node *item = node_items(pool, "backends");

		for (size_t j = 0; j < svc->pools[i].backend_count; j++, item = item->next)
			add_owner(l, &(struct owner){&svc->pools[i].backends[j].address, svc, item,
						     true});
	}
}

/* One that is wrong by itself has had its error. */
static bool is_right(const struct model_service *svc, const struct model_source *source)
{
	switch (svc->forwarding) {
	case SERIN_FORWARDING_FULLNAT:
		return source->prefix_len == 128;
	case SERIN_FORWARDING_IPIP:
	case SERIN_FORWARDING_GUE:
		return source->prefix_len != SERVICE_PREFIX_UNKNOWN;
	default:
		return false;
	}
}

static void add_ranges(struct lists *l, const struct model_service *svc, const struct node *node)
{
	const struct node *item = node_items(node, "source_addresses");

	for (size_t i = 0; i < svc->source_count; i++, item = item->next)
		if (is_right(svc, &svc->sources[i]))
			l->ranges[l->range_count++] = (struct range){&svc->sources[i], svc, item};
}

static size_t count_sources(const struct model *m)
{
	size_t count = 0;

	for (size_t i = 0; i < m->service_count; i++)
		count += m->services[i].source_count;
	return count;
}

static size_t count_owners(const struct model *m)
{
	size_t count = m->service_count;

	for (size_t i = 0; i < m->service_count; i++)
		for (size_t j = 0; j < m->services[i].pool_count; j++)
			count += m->services[i].pools[j].backend_count;
	return count;
}

/* ---- checking ---- */

static bool is_within(const struct in6_addr *address, const struct model_source *source)
{
	size_t bytes = source->prefix_len / 8u;
	uint8_t rest = (uint8_t)(0xff00 >> source->prefix_len % 8);

	return !memcmp(address, &source->prefix, bytes) &&
	       (bytes == 16 || !((address->s6_addr[bytes] ^ source->prefix.s6_addr[bytes]) & rest));
}

/* The first whose address is not before the source's; within the prefix, if any is. */
static const struct owner *find_owner(const struct lists *l, const struct model_source *source)
{
	size_t low = 0, high = l->owner_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memcmp(l->owners[middle].address, &source->prefix, sizeof(source->prefix)) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < l->owner_count && is_within(l->owners[low].address, source) ? &l->owners[low]
										 : NULL;
}

static void check_owner(struct reader *r, const struct lists *l, const struct range *range)
{
	const struct owner *owner = find_owner(l, range->source);
	char address[NET_ADDR_LEN];

	if (!owner)
		return;
	net_format_addr(owner->address, address);
	errors_add(&r->errors, range->node->at,
		   "%s %s (service '%s', line %u); a source is an address that is nobody else's",
		   address, owner->is_backend ? "is a backend" : "is a VIP", owner->svc->name,
		   owner->node->at.line);
}

/* @widest: of those before it at this address, the one whose ports reach highest. */
static void check_range(struct reader *r, const struct range *range, const struct range *widest)
{
	if (range->svc == widest->svc || !range->svc->source_port_low ||
	    range->svc->source_port_low > widest->svc->source_port_high)
		return;
	errors_add(&r->errors, range->node->at,
		   "service '%s' sends from ports %u-%u of '%s' already (line %u), and this one "
		   "from %u-%u: give each its own 'source_ports' or 'source_addresses'",
		   widest->svc->name, widest->svc->source_port_low, widest->svc->source_port_high,
		   range->node->text, widest->node->at.line, range->svc->source_port_low,
		   range->svc->source_port_high);
}

static bool is_same_place(const struct range *a, const struct range *b)
{
	return a->svc->protocol == b->svc->protocol &&
	       !memcmp(&a->source->prefix, &b->source->prefix, sizeof(a->source->prefix));
}

static void check_ranges(struct reader *r, const struct lists *l)
{
	const struct range *widest = NULL;

	for (size_t i = 0; i < l->range_count; i++) {
		const struct range *range = &l->ranges[i];

		if (range->svc->forwarding != SERIN_FORWARDING_FULLNAT)
			continue;
		if (!widest || !is_same_place(range, widest)) {
			widest = range;
			continue;
		}
		check_range(r, range, widest);
		if (range->svc->source_port_high > widest->svc->source_port_high)
			widest = range;
	}
}

void validate_sources(struct reader *r, const struct node *root)
{
	const struct model *m = r->model;
	const struct node *node = node_items(root, "services");
	struct lists l = {0};
	size_t sources = count_sources(m);

	if (!sources)
		return;
	l.owners = calloc(count_owners(m) + 1, sizeof(*l.owners));
	l.ranges = calloc(sources, sizeof(*l.ranges));
	r->errors.is_no_memory |= !l.owners || !l.ranges;
	if (!l.owners || !l.ranges)
		goto out;
	for (size_t i = 0; i < m->service_count; i++, node = node->next) {
		add_owners(&l, &m->services[i], node);
		add_ranges(&l, &m->services[i], node);
	}
	qsort(l.owners, l.owner_count, sizeof(*l.owners), by_address);
	qsort(l.ranges, l.range_count, sizeof(*l.ranges), by_range);
	for (size_t i = 0; i < l.range_count; i++)
		check_owner(r, &l, &l.ranges[i]);
	check_ranges(r, &l);
out:
	free(l.owners);
	free(l.ranges);
}
