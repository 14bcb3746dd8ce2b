// SPDX-License-Identifier: GPL-2.0-or-later
/* What one service says of its way to the backends: do the parts go together? */
#include <string.h>

#include "config/service.h"
#include "config/validate.h"
#include "lib/net.h"
#include "model/model.h"

#define MODE(name) (1u << SERIN_FORWARDING_##name)
#define TUNNELS	   (MODE(IPIP) | MODE(GUE))

static bool has_mode(const struct model_service *svc, unsigned int modes)
{
	return modes >> svc->forwarding & 1;
}

static const char *family_name(bool is_v4)
{
	return is_v4 ? "IPv4" : "IPv6";
}

/* ---- keys of one mode alone ---- */

static const struct {
	const char *key;
	unsigned int modes;
	const char *names;
} keys_of_modes[] = {
	{"source_addresses", MODE(FULLNAT) | TUNNELS, "fullnat, ipip and gue"},
	{"source_ports", MODE(FULLNAT), "fullnat"},
	{"client_address", MODE(FULLNAT), "fullnat"},
	{"gue_port", MODE(GUE), "gue"},
};

static void check_keys(struct reader *r, const struct node *node, const struct model_service *svc)
{
	for (size_t i = 0; i < sizeof(keys_of_modes) / sizeof(*keys_of_modes); i++) {
		const char *key = keys_of_modes[i].key;

		if (has_mode(svc, keys_of_modes[i].modes) || !node_find(node, key))
			continue;
		errors_add(&r->errors, node_place(node, key),
			   "'%s' is for %s, and this service has 'forwarding: %s'%s", key,
			   keys_of_modes[i].names, model_forwarding_name(svc->forwarding),
			   node_find(node, "forwarding") ? "" : ", the default");
	}
}

/* ---- where packets come from ---- */

static bool is_known(const struct model_source *source)
{
	return source->prefix_len != SERVICE_PREFIX_UNKNOWN;
}

static const struct node *nth_item(const struct node *first, size_t n)
{
	while (n--)
		first = first->next;
	return first;
}

/* The first source that is in the way of the n-th by a rule, or -1. */
static int find_earlier(const struct model_service *svc, size_t n,
			bool (*clash)(const struct model_source *a, const struct model_source *b))
{
	for (size_t i = 0; i < n; i++)
		if (is_known(&svc->sources[i]) && clash(&svc->sources[i], &svc->sources[n]))
			return (int)i;
	return -1;
}

static bool is_same(const struct model_source *a, const struct model_source *b)
{
	return !memcmp(&a->prefix, &b->prefix, sizeof(a->prefix));
}

static bool is_same_family(const struct model_source *a, const struct model_source *b)
{
	return net_is_v4(&a->prefix) == net_is_v4(&b->prefix);
}

static void check_fullnat_source(struct reader *r, const struct node *first,
				 const struct model_service *svc, size_t n)
{
	const struct model_source *source = &svc->sources[n];
	const struct node *node = nth_item(first, n);
	bool is_v4 = net_is_v4(&svc->vip);
	int earlier = find_earlier(svc, n, is_same);

	if (!IN6_IS_ADDR_UNSPECIFIED(&svc->vip) && net_is_v4(&source->prefix) != is_v4)
		errors_add(&r->errors, node->at,
			   "an %s source cannot stand for the clients of an %s VIP",
			   family_name(!is_v4), family_name(is_v4));
	else if (source->prefix_len < 128)
		errors_add(&r->errors, node->at,
			   "'fullnat' takes whole addresses, each of which this host answers for: "
			   "list them one by one");
	else if (earlier >= 0)
		errors_add(&r->errors, node->at, "'%s' is listed already, on line %u", node->text,
			   nth_item(first, (size_t)earlier)->at.line);
}

static void check_tunnel_source(struct reader *r, const struct node *first,
				const struct model_service *svc, size_t n)
{
	bool is_v4 = net_is_v4(&svc->sources[n].prefix);
	const struct node *node = nth_item(first, n);
	int earlier = find_earlier(svc, n, is_same_family);

	if (earlier >= 0)
		errors_add(&r->errors, node->at,
			   "'%s' takes one prefix for each family, and line %u has the %s one",
			   model_forwarding_name(svc->forwarding),
			   nth_item(first, (size_t)earlier)->at.line, family_name(is_v4));
}

static void check_sources(struct reader *r, const struct node *node,
			  const struct model_service *svc)
{
	const struct node *first = node_items(node, "source_addresses");

	for (size_t i = 0; i < svc->source_count; i++) {
		if (!is_known(&svc->sources[i]))
			continue;
		if (has_mode(svc, MODE(FULLNAT)))
			check_fullnat_source(r, first, svc, i);
		else if (has_mode(svc, TUNNELS))
			check_tunnel_source(r, first, svc, i);
	}
}

static void check_fullnat(struct reader *r, const struct node *node,
			  const struct model_service *svc)
{
	if (!node_find(node, "source_addresses"))
		errors_add(&r->errors, node_place(node, "forwarding"),
			   "'fullnat' needs 'source_addresses': one or more addresses of this "
			   "host, of the VIP's family, which backends answer to");
	if (svc->client_address == MODEL_CLIENT_ADDRESS_TOA && svc->protocol != IPPROTO_TCP)
		errors_add(&r->errors, node_place(node, "client_address"),
			   "'toa' is an option of TCP, and this service is %s",
			   model_protocol_name(svc->protocol));
}

/* ---- backends ---- */

/* Within an IP packet, another one goes anywhere; otherwise they speak the client's language. */
static void check_family(struct reader *r, const struct node *node, const struct model_service *svc,
			 const struct model_backend *b)
{
	bool is_v4 = net_is_v4(&svc->vip);

	if (has_mode(svc, TUNNELS) || IN6_IS_ADDR_UNSPECIFIED(&svc->vip) ||
	    IN6_IS_ADDR_UNSPECIFIED(&b->address) || net_is_v4(&b->address) == is_v4)
		return;
	errors_add(&r->errors, node_place(node, "address"),
		   "an %s backend cannot serve an %s VIP by '%s', which does not translate: "
		   "'forwarding: ipip' or 'gue' would carry packets there as they are",
		   family_name(!is_v4), family_name(is_v4), model_forwarding_name(svc->forwarding));
}

static void check_port(struct reader *r, const struct node *node, const struct model_service *svc,
		       const struct model_backend *b)
{
	if (!has_mode(svc, MODE(DSR) | TUNNELS) || !svc->port || !b->port || b->port == svc->port)
		return;
	errors_add(&r->errors, node_place(node, "port"),
		   "with 'forwarding: %s' backends get packets as clients sent them, to the VIP's "
		   "own port %u: leave 'port' out",
		   model_forwarding_name(svc->forwarding), svc->port);
}

static void check_backends(struct reader *r, const struct node *pools,
			   const struct model_service *svc)
{
	const struct node *pool = pools;

	for (size_t i = 0; i < svc->pool_count; i++, pool = pool->next) {
		const struct node *node = node_items(pool, "backends");

		for (size_t j = 0; j < svc->pools[i].backend_count; j++, node = node->next) {
			check_family(r, node, svc, &svc->pools[i].backends[j]);
			check_port(r, node, svc, &svc->pools[i].backends[j]);
		}
	}
}

void validate_forwarding(struct reader *r, const struct node *node, const struct model_service *svc)
{
	if (svc->forwarding == SERVICE_FORWARDING_UNKNOWN)
		return;
	check_keys(r, node, svc);
	check_sources(r, node, svc);
	if (has_mode(svc, MODE(FULLNAT)))
		check_fullnat(r, node, svc);
	check_backends(r, node_items(node, "pools"), svc);
}
