// SPDX-License-Identifier: GPL-2.0-or-later
#include "observe/explain_json.h"

#include <stdio.h>

#define UNIT 4294967296.0 /* 2^32 */

void explain_target_text(const struct explanation *e, char text[EXPLAIN_TARGET_LEN])
{
	char addr[NET_ADDR_LEN];
	bool is_v4 = net_is_v4(&e->target_prefix) && e->target_len >= 96;

	if (e->rule == EXPLAIN_RULE_DSCP)
		net_format_dscp(e->dscp, text);
	else
		snprintf(text, EXPLAIN_TARGET_LEN, "%s/%d",
			 net_format_addr(&e->target_prefix, addr),
			 is_v4 ? e->target_len - 96 : e->target_len);
}

/* As text: numbers of JSON readers may have 53 bits. */
static void set_seed(json_t *json, const struct explanation *e)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)e->seed);
	json_object_set_new(json, "seed", json_string(text));
	json_object_set_new(json, "other_release", json_boolean(e->is_other_release));
}

json_t *explain_json(const char *service, const char *client, const struct explanation *e)
{
	char backend[NET_ENDPOINT_LEN], target[EXPLAIN_TARGET_LEN];
	json_t *json = json_pack("{s:s, s:s, s:s}", "service", service, "client", client, "reason",
				 explain_reason_name(e->reason));

	if (e->has_backend) {
		net_format_endpoint(&e->backend, e->backend_port, backend);
		json_object_set_new(json, "pool", json_string(e->pool));
		json_object_set_new(json, "backend", json_string(backend));
	} else {
		json_object_set_new(json, "pool", json_null());
		json_object_set_new(json, "backend", json_null());
	}
	if (e->rule) {
		explain_target_text(e, target);
		json_object_set_new(json, "target", json_string(target));
		json_object_set_new(json, "rule", json_string(explain_rule_name(e->rule)));
	}
	set_seed(json, e);
	json_object_set_new(json, "chosen_pool", json_string(e->chosen_pool));
	json_object_set_new(json, "point", json_real(e->point / UNIT));
	json_object_set_new(json, "interval",
			    json_pack("[f, f]", (double)e->low / UNIT, (double)e->high / UNIT));
	json_object_set_new(json, "settled", json_boolean(e->is_settled));
	json_object_set_new(json, "slot", json_integer(e->slot));
	json_object_set_new(json, "table_size", json_integer(e->table_size));
	if (e->cap_flows)
		json_object_set_new(json, "exposure_flows", json_integer(e->cap_flows));
	if (e->cap_flows_per_second)
		json_object_set_new(json, "exposure_flows_per_second",
				    json_integer(e->cap_flows_per_second));
	if (e->refusal)
		json_object_set_new(json, "refused",
				    json_string(dataplane_reason_name(e->refusal)));
	if (e->has_flow)
		json_object_set_new(
			json, "flow",
			json_pack("{s:s, s:i, s:I}", "state", flow_state_name(e->flow_state),
				  "epoch", e->flow_epoch, "idle_ms", (json_int_t)e->flow_idle_ms));
	return json;
}
