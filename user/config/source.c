// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/source.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "config/service.h"
#include "config/values.h"
#include "lib/net.h"
#include "model/model.h"

/* 0 where the text names the prefix itself, or one address; else the address within it. */
static int find_host_bits(const char *text, const struct model_source *source,
			  struct in6_addr *address)
{
	char copy[NET_ADDR_LEN];

	snprintf(copy, sizeof(copy), "%.*s", (int)strcspn(text, "/"), text);
	if (net_parse_addr(copy, address))
		return 0;
	return memcmp(address, &source->prefix, sizeof(*address));
}

static void refuse_host_bits(struct reader *r, const struct node *value,
			     const struct model_source *source, const struct in6_addr *address)
{
	char prefix[NET_ADDR_LEN], host[NET_ADDR_LEN];

	net_format_addr(&source->prefix, prefix);
	net_format_addr(address, host);
	errors_add(&r->errors, value->at,
		   "'%s' is an address and not a prefix: write %s%s for all of them, or %s alone",
		   value->text, prefix, strchr(value->text, '/'), host);
}

static void read_source(struct reader *r, const struct node *value, void *item)
{
	struct model_source *out = item, source;
	struct in6_addr address;
	const char *kind;

	out->prefix_len = SERVICE_PREFIX_UNKNOWN;
	if (!schema_expect(r, value, NODE_TEXT, "a source"))
		return;
	if (net_parse_prefix(value->text, &source.prefix, &source.prefix_len)) {
		errors_add(&r->errors, value->at,
			   "'%.60s' is neither an address nor a prefix like 10.9.0.0/24",
			   value->text);
		return;
	}
	kind = value_special_address(&source.prefix);
	if (kind)
		errors_add(&r->errors, value->at, "%s is %s; nothing can come from there",
			   value->text, kind);
	else if (find_host_bits(value->text, &source, &address))
		refuse_host_bits(r, value, &source, &address);
	else
		*out = source;
}

const struct schema_list source_list = {
	.item = "source",
	.item_size = sizeof(struct model_source),
	.count_offset = offsetof(struct model_service, source_count),
	.max = MODEL_SOURCES_MAX,
	.read_item = read_source,
};

static bool parse_range(const char *text, uint64_t *low, uint64_t *high)
{
	char copy[16];
	char *dash;

	if (strlen(text) >= sizeof(copy))
		return false;
	strcpy(copy, text);
	dash = strchr(copy, '-');
	if (!dash)
		return false;
	*dash = '\0';
	return !value_parse_number(copy, low) && !value_parse_number(dash + 1, high) && *low &&
	       *low <= UINT16_MAX && *high && *high <= UINT16_MAX;
}

void source_read_ports(struct reader *r, const struct node *value, const struct schema_field *f,
		       void *object)
{
	struct model_service *svc = object;
	uint64_t low, high;

	svc->source_port_low = 0;
	svc->source_port_high = 0;
	if (!value_is_text(r, value, f, "a range of ports"))
		return;
	if (!parse_range(value->text, &low, &high)) {
		errors_add(&r->errors, value->at,
			   "'%s' must be a range of ports like %u-%u, not '%.40s'", f->key,
			   MODEL_SOURCE_PORT_LOW, MODEL_SOURCE_PORT_HIGH, value->text);
	} else if (low > high) {
		errors_add(&r->errors, value->at,
			   "the range of ports '%s' ends before it begins: write %u-%u",
			   value->text, (unsigned int)high, (unsigned int)low);
	} else if (high - low + 1 < MODEL_SOURCE_PORTS_MIN) {
		errors_add(&r->errors, value->at,
			   "%s has room for %u at once from each source; a range has %u ports or "
			   "more",
			   value->text, (unsigned int)(high - low + 1), MODEL_SOURCE_PORTS_MIN);
	} else {
		svc->source_port_low = (uint16_t)low;
		svc->source_port_high = (uint16_t)high;
	}
}
