// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/service.h"

#include <stddef.h>

#include "config/guards.h"
#include "config/health.h"
#include "config/prime.h"
#include "config/source.h"
#include "config/strategies.h"
#include "config/suggest.h"
#include "config/targets.h"
#include "config/values.h"
#include "lib/count_of.h"
#include "lib/net.h"
#include "model/model.h"

#define NUMBER(type, member, least, most) \
	(&(const struct value_number){    \
		.min = (least), .max = (most), .size = sizeof(((type *)NULL)->member)})
#define WORDS(type, member, words)                             \
	(&(const struct value_words){.list = (words),          \
				     .count = COUNT_OF(words), \
				     .size = sizeof(((type *)NULL)->member)})

static const struct schema_field backend_fields[] = {
	{"address", value_read_address, offsetof(struct model_backend, address), true, NULL},
	{"port", value_read_number, offsetof(struct model_backend, port), false,
	 NUMBER(struct model_backend, port, 1, 65535)},
	{"weight", value_read_number, offsetof(struct model_backend, weight), false,
	 NUMBER(struct model_backend, weight, 1, MODEL_BACKEND_WEIGHT_MAX)},
};
static const struct schema backend_schema = {"a backend", backend_fields, COUNT_OF(backend_fields)};

static void read_backend(struct reader *r, const struct node *value, void *item)
{
	struct model_backend *backend = item;

	backend->port = r->service->port;
	backend->weight = 1;
	schema_read_map(r, value, &backend_schema, backend);
}

static const struct schema_list backend_list = {
	.item = "backend",
	.item_size = sizeof(struct model_backend),
	.count_offset = offsetof(struct model_pool, backend_count),
	.max = SERIN_MAX_BACKENDS,
	.read_item = read_backend,
};

static const struct schema_field pool_fields[] = {
	{"name", value_read_name, offsetof(struct model_pool, name), true, NULL},
	{"weight", value_read_percent, offsetof(struct model_pool, weight_ppm), false, NULL},
	{"backends", schema_read_list, offsetof(struct model_pool, backends), true, &backend_list},
	{"health_check", health_read_pool_check, offsetof(struct model_pool, health_check), false,
	 NULL},
};
static const struct schema pool_schema = {"a pool", pool_fields, COUNT_OF(pool_fields)};

static void read_pool(struct reader *r, const struct node *value, void *item)
{
	struct model_pool *pool = item;

	if (model_health_check_copy(&pool->health_check, &r->service->health_check))
		r->errors.is_no_memory = true;
	schema_read_map(r, value, &pool_schema, item);
}

static const struct schema_list pool_list = {
	.item = "pool",
	.item_size = sizeof(struct model_pool),
	.count_offset = offsetof(struct model_service, pool_count),
	.max = SERIN_MAX_POOLS,
	.read_item = read_pool,
};

/* Whether each pool has a name: where one lacks it, an unknown name may well be that one's. */
static bool are_pools_named(const struct model_service *svc)
{
	for (size_t i = 0; i < svc->pool_count; i++)
		if (!*svc->pools[i].name)
			return false;
	return svc->pool_count > 0;
}

int service_read_pool_name(struct reader *r, const struct node *value, const struct schema_field *f)
{
	const struct model_service *svc = r->service;
	struct suggest near = {0};
	char hint[SUGGEST_HINT_LEN];
	int pool;

	if (!value_is_text(r, value, f, "a pool's name"))
		return -1;
	pool = model_find_pool(svc, value->text);
	if (pool >= 0 || !are_pools_named(svc))
		return pool;
	near.text = value->text;
	for (size_t i = 0; i < svc->pool_count; i++)
		suggest_offer(&near, svc->pools[i].name);
	errors_add(&r->errors, value->at, "this service has no pool '%.40s'%s", value->text,
		   suggest_hint(&near, hint));
	return -1;
}

static void read_primary(struct reader *r, const struct node *value, const struct schema_field *f,
			 void *object)
{
	struct model_service *svc = object;
	int pool = service_read_pool_name(r, value, f);

	if (pool >= 0)
		svc->primary = (size_t)pool;
}

static void read_table_size(struct reader *r, const struct node *value,
			    const struct schema_field *f, void *object)
{
	struct model_service *svc = object;

	value_read_number(r, value, f, object);
	if (!svc->table_size || prime_is(svc->table_size))
		return;
	errors_add(&r->errors, value->at, "'table_size' must be a prime; the next after %u is %u",
		   svc->table_size, prime_from(svc->table_size));
	svc->table_size = 0;
}

static void read_forwarding(struct reader *r, const struct node *value,
			    const struct schema_field *f, void *object)
{
	struct model_service *svc = object;

	svc->forwarding = SERVICE_FORWARDING_UNKNOWN;
	value_read_word(r, value, f, object);
}

static const struct value_word protocol_words[] = {{"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}};
static const struct value_word forwarding_words[] = {
	{"nat", SERIN_FORWARDING_NAT}, {"fullnat", SERIN_FORWARDING_FULLNAT},
	{"dsr", SERIN_FORWARDING_DSR}, {"ipip", SERIN_FORWARDING_IPIP},
	{"gue", SERIN_FORWARDING_GUE},
};
static const struct value_word client_address_words[] = {{"none", MODEL_CLIENT_ADDRESS_NONE},
							 {"toa", MODEL_CLIENT_ADDRESS_TOA}};
static const struct value_word affinity_words[] = {{"connection", SERIN_AFFINITY_CONNECTION},
						   {"client", SERIN_AFFINITY_CLIENT}};
static const struct value_word track_words[] = {{"changed", false}, {"always", true}};

/* In this order: backends want the service's port, pools its health check, what names a pool wants the
 * pools, targets want the VIP. */
static const struct schema_field service_fields[] = {
	{"name", value_read_name, offsetof(struct model_service, name), true, NULL},
	{"vip", value_read_address, offsetof(struct model_service, vip), true, NULL},
	{"port", value_read_number, offsetof(struct model_service, port), true,
	 NUMBER(struct model_service, port, 1, 65535)},
	{"protocol", value_read_word, offsetof(struct model_service, protocol), false,
	 WORDS(struct model_service, protocol, protocol_words)},
	{"forwarding", read_forwarding, offsetof(struct model_service, forwarding), false,
	 WORDS(struct model_service, forwarding, forwarding_words)},
	{"source_addresses", schema_read_list, offsetof(struct model_service, sources), false,
	 &source_list},
	{"source_ports", source_read_ports, 0, false, NULL},
	{"client_address", value_read_word, offsetof(struct model_service, client_address), false,
	 WORDS(struct model_service, client_address, client_address_words)},
	{"gue_port", value_read_number, offsetof(struct model_service, gue_port), false,
	 NUMBER(struct model_service, gue_port, 1, 65535)},
	{"affinity", value_read_word, offsetof(struct model_service, affinity), false,
	 WORDS(struct model_service, affinity, affinity_words)},
	{"track", value_read_word, offsetof(struct model_service, track_always), false,
	 WORDS(struct model_service, track_always, track_words)},
	{"client_prefix6", value_read_number, offsetof(struct model_service, client_prefix6), false,
	 NUMBER(struct model_service, client_prefix6, 1, 128)},
	{"client_prefix4", value_read_number, offsetof(struct model_service, client_prefix4), false,
	 NUMBER(struct model_service, client_prefix4, 1, 32)},
	{"seed", value_read_number, offsetof(struct model_service, seed), false,
	 NUMBER(struct model_service, seed, 0, UINT64_MAX)},
	{"table_size", read_table_size, offsetof(struct model_service, table_size), false,
	 NUMBER(struct model_service, table_size, 2, SERIN_TABLE_SIZE_MAX)},
	{"health_check", health_read_check, offsetof(struct model_service, health_check), false,
	 NULL},
	{"pools", schema_read_list, offsetof(struct model_service, pools), true, &pool_list},
	{"primary", read_primary, 0, false, NULL},
	{"targets", targets_read, 0, false, NULL},
	{"syn_failover", guards_read_failover, offsetof(struct model_service, syn_failover), false,
	 NUMBER(struct model_service, syn_failover, 1, MODEL_SYN_FAILOVER_MAX)},
	{"exposure", guards_read_exposure, 0, false, NULL},
	{"breaker", guards_read_breaker, 0, false, NULL},
	{"outlier", health_read_outlier, offsetof(struct model_service, outlier), false, NULL},
	{"strategy", strategies_read_name, 0, false, NULL},
};
static const struct schema service_schema = {"a service", service_fields, COUNT_OF(service_fields)};
_Static_assert(COUNT_OF(service_fields) <= SCHEMA_FIELDS_MAX, "the walker keeps one key of each");

static void choose_primary(struct reader *r, const struct node *node, struct model_service *svc)
{
	int stable = model_find_pool(svc, "stable");

	if (stable >= 0)
		svc->primary = (size_t)stable;
	else if (svc->pool_count == 1)
		svc->primary = 0;
	else if (are_pools_named(svc))
		errors_add(&r->errors, node->at,
			   "which pool takes what the others leave? say it with 'primary: NAME', "
			   "or call that pool 'stable'");
}

static void read_service(struct reader *r, const struct node *value, void *item)
{
	struct model_service *svc = item;

	svc->protocol = IPPROTO_TCP;
	svc->forwarding = SERIN_FORWARDING_NAT;
	svc->source_port_low = MODEL_SOURCE_PORT_LOW;
	svc->source_port_high = MODEL_SOURCE_PORT_HIGH;
	svc->client_address = MODEL_CLIENT_ADDRESS_NONE;
	svc->gue_port = MODEL_GUE_PORT;
	svc->affinity = SERIN_AFFINITY_CONNECTION;
	svc->client_prefix6 = MODEL_PREFIX6_DEFAULT;
	svc->client_prefix4 = MODEL_PREFIX4_DEFAULT;
	svc->table_size = MODEL_TABLE_SIZE_DEFAULT;
	svc->primary = SERVICE_PRIMARY_UNKNOWN;
	model_health_check_init(&svc->health_check);
	r->service = svc;
	schema_read_map(r, value, &service_schema, svc);
	if (!node_find(value, "seed"))
		svc->seed = model_default_seed(svc->name);
	if (!node_find(value, "primary"))
		choose_primary(r, value, svc);
	r->service = NULL;
}

const struct schema_list service_list = {
	.item = "service",
	.item_size = sizeof(struct model_service),
	.count_offset = offsetof(struct model, service_count),
	.max = UINT32_MAX,
	.read_item = read_service,
};
