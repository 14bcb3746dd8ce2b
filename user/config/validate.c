// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/validate.h"

#include <inttypes.h>

#include "config/prime.h"
#include "config/service.h"
#include "model/model.h"

static void check_pool_names(struct reader *r, const struct node *first,
			     const struct model_service *svc)
{
	const struct node *node = first;

	for (size_t i = 0; i < svc->pool_count; i++, node = node->next) {
		int earlier = model_find_pool(svc, svc->pools[i].name);

		if (*svc->pools[i].name && (size_t)earlier < i)
			errors_add(&r->errors, node_place(node, "name"),
				   "this service has a pool '%s' already", svc->pools[i].name);
	}
}

static void check_weights(struct reader *r, const struct node *first,
			  const struct model_service *svc)
{
	const struct node *node = first;
	uint32_t sum = 0;

	for (size_t i = 0; i < svc->pool_count; i++, node = node->next) {
		uint32_t before = sum;

		if (i == svc->primary && node_find(node, "weight")) {
			errors_add(&r->errors, node_place(node, "weight"),
				   "'%s' is the primary and takes what the other pools leave; "
				   "leave its weight out",
				   svc->pools[i].name);
			continue;
		}
		sum += svc->pools[i].weight_ppm;
		if (before <= MODEL_PPM_ALL && sum > MODEL_PPM_ALL)
			errors_add(&r->errors, node_place(node, "weight"),
				   "with this the weights of the pools come to more than 100 %%");
	}
}

/* Where a table is too small: at its size if the file gives one, else at what it is too small for.
 */
static struct place slots_place(const struct node *service, const struct node *pool)
{
	if (node_find(service, "table_size"))
		return node_place(service, "table_size");
	return node_place(pool, "backends");
}

static void check_slots(struct reader *r, const struct node *node, const struct node *first,
			const struct model_service *svc)
{
	uint64_t most = SERIN_TABLE_SIZE_MAX / MODEL_SLOTS_PER_BACKEND;
	const struct node *pool = first;

	for (size_t i = 0; svc->table_size && i < svc->pool_count; i++, pool = pool->next) {
		uint64_t count = svc->pools[i].backend_count;
		uint64_t need = count * MODEL_SLOTS_PER_BACKEND;

		if (count > most)
			errors_add(&r->errors, node_place(pool, "backends"),
				   "a pool has at most %" PRIu64 " backends, not %" PRIu64, most,
				   count);
		else if (need > svc->table_size)
			errors_add(
				&r->errors, slots_place(node, pool),
				"%u slots are fewer than %u for each backend of pool '%s' (%" PRIu64
				"): set 'table_size: %u' or more",
				svc->table_size, MODEL_SLOTS_PER_BACKEND, svc->pools[i].name, count,
				prime_from((uint32_t)need));
	}
}

void validate_service(struct reader *r, const struct node *node, const struct model_service *svc)
{
	const struct node *pools = node_items(node, "pools");

	check_pool_names(r, pools, svc);
	check_weights(r, pools, svc);
	check_slots(r, node, pools, svc);
	validate_forwarding(r, node, svc);
}
