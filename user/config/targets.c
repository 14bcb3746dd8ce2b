// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>

#include "config/service.h"
#include "config/validate.h"
#include "lib/net.h"
#include "model/model.h"

/* A target whose source could be read. */
struct prefix {
	const struct model_target *target;
	const struct node *source;
};

static bool is_v4_prefix(const struct model_target *t)
{
	return net_is_v4(&t->prefix) && t->prefix_len >= 96;
}

static void check_families(struct reader *r, const struct prefix *list, size_t count,
			   const struct model_service *svc)
{
	bool is_v4 = net_is_v4(&svc->vip);

	if (IN6_IS_ADDR_UNSPECIFIED(&svc->vip))
		return;
	for (size_t i = 0; i < count; i++)
		if (is_v4_prefix(list[i].target) != is_v4)
			errors_add(
				&r->errors, list[i].source->at,
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

static void check_unique(struct reader *r, const struct prefix *list, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		const struct model_target *t = list[i].target, *before = list[i - 1].target;

		if (t->prefix_len != before->prefix_len ||
		    memcmp(&t->prefix, &before->prefix, sizeof(t->prefix)))
			continue;
		errors_add(&r->errors, list[i].source->at, "line %u has a target for '%s' already",
			   list[i - 1].source->at.line, list[i].source->text);
	}
}

void validate_targets(struct reader *r, const struct node *first, const struct model_service *svc)
{
	struct prefix *list;
	const struct node *node = first;
	size_t count = 0;

	if (!svc->target_count)
		return;
	list = calloc(svc->target_count, sizeof(*list));
	if (!list) {
		r->errors.is_no_memory = true;
		return;
	}
	for (size_t i = 0; i < svc->target_count; i++, node = node->next)
		if (svc->targets[i].prefix_len != SERVICE_PREFIX_UNKNOWN)
			list[count++] =
				(struct prefix){&svc->targets[i], node_find(node, "source")};
	check_families(r, list, count, svc);
	qsort(list, count, sizeof(*list), by_prefix);
	check_unique(r, list, count);
	free(list);
}
