// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/targets.h"

#include <stdlib.h>
#include <string.h>

#include "config/service.h"
#include "config/values.h"
#include "lib/count_of.h"
#include "lib/net.h"
#include "model/model.h"

/* A prefix that could be read, and where it stands. */
struct prefix {
	const struct model_target *target;
	const struct node *source;
};

struct targets {
	struct model_service *svc;
	struct prefix *prefixes;		      /* one for each of svc->targets */
	const struct node *values[SERIN_DSCP_VALUES]; /* that have a rule: where */
};

/* What is read of one item of the list. */
struct item {
	struct targets *all;
	uint8_t pool;
	bool has_clients; /* it says whose flows it is for */
};

/* ---- items ---- */

static void read_pool(struct reader *r, const struct node *value, const struct schema_field *f,
		      void *object)
{
	struct item *item = object;
	int pool = service_read_pool_name(r, value, f);

	if (pool >= 0)
		item->pool = (uint8_t)pool;
}

static void read_source(struct reader *r, const struct node *value, const struct schema_field *f,
			void *object)
{
	struct item *item = object;
	struct model_service *svc = item->all->svc;
	struct model_target *target = &svc->targets[svc->target_count];

	item->has_clients = true;
	if (!value_is_text(r, value, f, "a prefix"))
		return;
	if (net_parse_prefix(value->text, &target->prefix, &target->prefix_len)) {
		errors_add(&r->errors, value->at,
			   "'%.60s' is not a prefix like 198.51.100.0/24 or 2001:db8::/32",
			   value->text);
		return;
	}
	target->pool = item->pool;
	item->all->prefixes[svc->target_count++] = (struct prefix){target, value};
}

static void read_sources(struct reader *r, const struct node *value, const struct schema_field *f,
			 void *object)
{
	struct item *item = object;

	item->has_clients = true;
	if (!schema_expect(r, value, NODE_LIST, "'sources'"))
		return;
	if (!value->first)
		errors_add(&r->errors, value->at, "'sources' needs at least one prefix");
	for (const struct node *source = value->first; source; source = source->next)
		if (source->kind != NODE_BAD)
			read_source(r, source, f, object);
}

static void read_value(struct reader *r, const struct node *value, const struct schema_field *f,
		       struct item *item)
{
	struct targets *all = item->all;
	uint8_t dscp;

	if (!value_is_text(r, value, f, "a DSCP value"))
		return;
	if (net_parse_dscp(value->text, &dscp)) {
		errors_add(&r->errors, value->at,
			   "'%.40s' is not a DSCP value: a number from 0 to 63, or a name like EF, "
			   "AF41 or CS1",
			   value->text);
		return;
	}
	if (all->values[dscp]) {
		errors_add(&r->errors, value->at, "line %u has a target for DSCP %u already",
			   all->values[dscp]->at.line, dscp);
		return;
	}
	all->values[dscp] = value;
	all->svc->dscp_pool[dscp] = item->pool + 1;
	all->svc->dscp_count++;
}

/* One value or a list. */
static void read_dscp(struct reader *r, const struct node *value, const struct schema_field *f,
		      void *object)
{
	struct item *item = object;

	if (item->has_clients)
		errors_add(&r->errors, value->at,
			   "a target goes by source or by DSCP value: write one for each");
	item->has_clients = true;
	if (value->kind != NODE_LIST) {
		read_value(r, value, f, item);
		return;
	}
	if (!value->first)
		errors_add(&r->errors, value->at, "'dscp' needs at least one value");
	for (const struct node *one = value->first; one; one = one->next)
		if (one->kind != NODE_BAD)
			read_value(r, one, f, item);
}

/* In this order: a prefix or value is filed with its pool. */
static const struct schema_field item_fields[] = {
	{"pool", read_pool, 0, true, NULL},
	{"source", read_source, 0, false, NULL},
	{"sources", read_sources, 0, false, NULL},
	{"dscp", read_dscp, 0, false, NULL},
};
static const struct schema item_schema = {"a target", item_fields, COUNT_OF(item_fields)};

static bool has_key(const struct node *item)
{
	return node_find(item, "source") || node_find(item, "sources") || node_find(item, "dscp");
}

static void read_item(struct reader *r, const struct node *node, struct targets *all)
{
	struct item item = {.all = all};

	schema_read_map(r, node, &item_schema, &item);
	if (node->kind == NODE_MAP && !item.has_clients && !has_key(node))
		errors_add(&r->errors, node->at,
			   "a target needs the key 'source', 'sources' or 'dscp'");
}

/* ---- what no prefix can be wrong about by itself ---- */

static bool is_v4_prefix(const struct model_target *t)
{
	return net_is_v4(&t->prefix) && t->prefix_len >= 96;
}

static void check_families(struct reader *r, const struct targets *all)
{
	bool is_v4 = net_is_v4(&all->svc->vip);

	if (IN6_IS_ADDR_UNSPECIFIED(&all->svc->vip))
		return;
	for (size_t i = 0; i < all->svc->target_count; i++)
		if (is_v4_prefix(all->prefixes[i].target) != is_v4)
			errors_add(
				&r->errors, all->prefixes[i].source->at,
				"this is an %s prefix, but clients of an %s VIP have %s addresses",
				is_v4 ? "IPv6" : "IPv4", is_v4 ? "IPv4" : "IPv6",
				is_v4 ? "IPv4" : "IPv6");
}

static int by_prefix(const void *a, const void *b)
{
	const struct prefix *x = a, *y = b;
	int order = memcmp(&x->target->prefix, &y->target->prefix, sizeof(x->target->prefix));

	if (!order)
		order = (int)x->target->prefix_len - (int)y->target->prefix_len;
	if (!order) /* the targets are one array, in the order of the text */
		order = (x->target > y->target) - (x->target < y->target);
	return order;
}

static void check_unique(struct reader *r, const struct targets *all)
{
	struct prefix *list = all->prefixes;
	size_t count = all->svc->target_count;

	qsort(list, count, sizeof(*list), by_prefix);
	for (size_t i = 1; i < count; i++) {
		const struct model_target *t = list[i].target, *before = list[i - 1].target;

		if (t->prefix_len != before->prefix_len ||
		    memcmp(&t->prefix, &before->prefix, sizeof(t->prefix)))
			continue;
		errors_add(&r->errors, list[i].source->at, "line %u has a target for '%s' already",
			   list[i - 1].source->at.line, list[i].source->text);
	}
}

/* ---- the list ---- */

/* As many prefixes as the list can have. */
static size_t count_prefixes(const struct node *list)
{
	size_t count = 0;

	for (const struct node *item = list->first; item; item = item->next) {
		if (item->kind != NODE_MAP)
			continue;
		for (const struct node *key = item->first; key; key = key->next) {
			const struct node *value = key->value;

			count++;
			for (const struct node *n = value && value->kind == NODE_LIST ? value->first
										      : NULL;
			     n; n = n->next)
				count++;
		}
	}
	return count;
}

void targets_read(struct reader *r, const struct node *value, const struct schema_field *f,
		  void *object)
{
	struct targets all = {.svc = object};
	size_t most;

	(void)f;
	if (!schema_expect(r, value, NODE_LIST, "'targets'"))
		return;
	most = count_prefixes(value) + 1;
	all.svc->targets = calloc(most, sizeof(*all.svc->targets));
	all.prefixes = calloc(most, sizeof(*all.prefixes));
	if (all.svc->targets && all.prefixes) {
		for (const struct node *item = value->first; item; item = item->next)
			read_item(r, item, &all);
		check_families(r, &all);
		check_unique(r, &all);
	} else {
		r->errors.is_no_memory = true;
	}
	free(all.prefixes);
}
