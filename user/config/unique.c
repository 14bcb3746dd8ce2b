// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/validate.h"
#include "lib/net.h"
#include "model/model.h"

#define POOL_NONE SIZE_MAX /* the claim of a VIP */

/* Who says that an address, port and protocol are its own. */
struct claim {
	struct in6_addr address;
	uint16_t port;
	uint8_t protocol;
	const struct model_service *svc;
	size_t pool;		 /* of svc, or POOL_NONE */
	const struct node *node; /* of the service, or of the backend */
};

struct claims {
	struct claim *list;
	size_t count;
};

static int by_endpoint(const struct claim *x, const struct claim *y)
{
	int order = memcmp(&x->address, &y->address, sizeof(x->address));

	if (!order)
		order = (int)x->port - (int)y->port;
	if (!order)
		order = (int)x->protocol - (int)y->protocol;
	return order;
}

/* A VIP goes before the backends on it, and then who comes first in the text. */
static int by_claim(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int order = by_endpoint(x, y);

	if (!order)
		order = (x->pool != POOL_NONE) - (y->pool != POOL_NONE);
	return order ? order : node_order(x->node, y->node);
}

static void add_claim(struct claims *c, const struct claim *claim)
{
	if (!IN6_IS_ADDR_UNSPECIFIED(&claim->address) && claim->port)
		c->list[c->count++] = *claim;
}

static void add_pool(struct claims *c, const struct model_service *svc, size_t pool,
		     const struct node *first)
{
	const struct node *node = first;

	for (size_t i = 0; i < svc->pools[pool].backend_count; i++, node = node->next) {
		const struct model_backend *backend = &svc->pools[pool].backends[i];

		add_claim(c, &(struct claim){.address = backend->address,
					     .port = backend->port,
					     .protocol = svc->protocol,
					     .svc = svc,
					     .pool = pool,
					     .node = node});
	}
}

static void add_service(struct claims *c, const struct model_service *svc, const struct node *node)
{
	const struct node *pool = node_items(node, "pools");

	add_claim(c, &(struct claim){.address = svc->vip,
				     .port = svc->port,
				     .protocol = svc->protocol,
				     .svc = svc,
				     .pool = POOL_NONE,
				     .node = node});
	for (size_t i = 0; i < svc->pool_count; i++, pool = pool->next)
		add_pool(c, svc, i, node_items(pool, "backends"));
}

static size_t count_claims(const struct model *m)
{
	size_t count = m->service_count;

	for (size_t i = 0; i < m->service_count; i++)
		for (size_t j = 0; j < m->services[i].pool_count; j++)
			count += m->services[i].pools[j].backend_count;
	return count;
}

/* What to say of a claim on what the earlier one has; NULL: they may both. */
static const char *conflict(const struct claim *claim, const struct claim *earlier)
{
	if (claim->pool == POOL_NONE)
		return "is the VIP of another service already";
	if (earlier->pool == POOL_NONE)
		return "is a VIP; packets sent there would come back here";
	if (claim->svc != earlier->svc)
		return NULL;
	if (claim->pool != earlier->pool)
		return "is a backend of another pool of this service already";
	return "is a backend of this pool already; give it a weight to have it chosen more often";
}

static void refuse_claim(struct reader *r, const struct claim *claim, const struct claim *earlier,
			 const char *why)
{
	const char *key = claim->pool == POOL_NONE ? "vip" : "address";
	const struct model_service *svc = earlier->svc;
	char endpoint[NET_ENDPOINT_LEN], pool[SERIN_NAME_LEN + 16] = "";

	net_format_endpoint(&claim->address, claim->port, endpoint);
	if (earlier->pool != POOL_NONE)
		snprintf(pool, sizeof(pool), ", pool '%s'", svc->pools[earlier->pool].name);
	errors_add(&r->errors, node_place(claim->node, key), "%s (%s) %s (service '%s'%s, line %u)",
		   endpoint, model_protocol_name(claim->protocol), why, svc->name, pool,
		   earlier->node->at.line);
}

/* A backend that is one of too many services: each of their replies is looked for among them all. */
static void check_sharers(struct reader *r, const struct claim *list, size_t count)
{
	size_t sharers = 0;

	for (size_t i = 0; i < count; i++) {
		char endpoint[NET_ENDPOINT_LEN];

		if (list[i].pool == POOL_NONE ||
		    !model_forwarding_returns(list[i].svc->forwarding) ||
		    ++sharers != SERIN_SHARED_MAX + 1)
			continue;
		net_format_endpoint(&list[i].address, list[i].port, endpoint);
		errors_add(&r->errors, node_place(list[i].node, "address"),
			   "%s (%s) is a backend of %u services already; with 'forwarding: %s' no "
			   "more can have one",
			   endpoint, model_protocol_name(list[i].protocol), SERIN_SHARED_MAX,
			   model_forwarding_name(list[i].svc->forwarding));
	}
}

/* All claims of one endpoint: the VIPs first, and each service's backends together. */
static void check_endpoint(struct reader *r, const struct claim *list, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		bool is_on_vip = list[0].pool == POOL_NONE && list[i].pool != POOL_NONE;
		const struct claim *earlier = is_on_vip ? &list[0] : &list[i - 1];
		const char *why = conflict(&list[i], earlier);

		if (why)
			refuse_claim(r, &list[i], earlier, why);
	}
	check_sharers(r, list, count);
}

static void check_endpoints(struct reader *r, const struct node *first)
{
	const struct model *m = r->model;
	const struct node *node = first;
	struct claims c = {.list = calloc(count_claims(m) + 1, sizeof(*c.list))};
	size_t begin = 0;

	if (!c.list) {
		r->errors.is_no_memory = true;
		return;
	}
	for (size_t i = 0; i < m->service_count; i++, node = node->next)
		add_service(&c, &m->services[i], node);
	qsort(c.list, c.count, sizeof(*c.list), by_claim);
	for (size_t end = 1; begin < c.count; end++) {
		if (end < c.count && !by_endpoint(&c.list[end], &c.list[begin]))
			continue;
		check_endpoint(r, c.list + begin, end - begin);
		begin = end;
	}
	free(c.list);
}

struct named {
	const char *name;
	const struct node *node;
};

static int by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : node_order(x->node, y->node);
}

static void check_names(struct reader *r, const struct node *first)
{
	size_t count = r->model->service_count;
	struct named *list = calloc(count + 1, sizeof(*list));
	const struct node *node = first;

	if (!list) {
		r->errors.is_no_memory = true;
		return;
	}
	for (size_t i = 0; i < count; i++, node = node->next)
		list[i] = (struct named){r->model->services[i].name, node};
	qsort(list, count, sizeof(*list), by_name);
	for (size_t i = 1; i < count; i++)
		if (*list[i].name && !strcmp(list[i].name, list[i - 1].name))
			errors_add(&r->errors, node_place(list[i].node, "name"),
				   "there is a service '%s' already, on line %u", list[i].name,
				   list[i - 1].node->at.line);
	free(list);
}

void validate_unique(struct reader *r, const struct node *root)
{
	const struct node *services = node_items(root, "services");

	check_names(r, services);
	check_endpoints(r, services);
}
