// SPDX-License-Identifier: GPL-2.0-or-later
#include "observe/status_json.h"

#include <string.h>
#include <time.h>

#include "dataplane/dataplane.h"
#include "lib/net.h"
#include "observe/latency.h"
#include "observe/share.h"
#include "observe/signals.h"

/*
 * A jansson value that could not be made is NULL, and every json_*_new() that is given NULL fails
 * in turn; so the functions here build whole values, check once, and give NULL for any failure.
 */
static json_t *checked(json_t *object, int failures)
{
	if (!failures)
		return object;
	json_decref(object);
	return NULL;
}

/* Text of a map: at most `size` bytes, and perhaps cut in the middle of a character. */
static json_t *map_text(const char *text, size_t size)
{
	size_t len = strnlen(text, size);
	char ascii[128];
	json_t *value = NULL;

	for (size_t cut = 0; !value && cut <= 3 && cut <= len; cut++)
		value = json_stringn(text, len - cut);
	if (value)
		return value;
	if (len > sizeof(ascii))
		len = sizeof(ascii);
	for (size_t i = 0; i < len; i++)
		ascii[i] = (signed char)text[i] < 0 ? '?' : text[i];
	return json_stringn(ascii, len);
}

static json_t *name_or_null(const char *name)
{
	return name ? json_string(name) : json_null();
}

static json_t *percent(uint32_t ppm)
{
	return json_real(ppm / (MODEL_PPM_ALL / 100.0));
}

static json_t *interfaces_json(const struct snapshot *s)
{
	json_t *list = json_array();
	int failures = 0;

	for (size_t i = 0; i < s->interface_count; i++) {
		const struct snapshot_interface *port = &s->interfaces[i];
		json_t *o = json_pack("{s:s, s:o, s:b}", "name", port->name, "mode",
				      name_or_null(model_xdp_mode_name(port->mode)), "attached",
				      port->is_attached);

		failures |= json_array_append_new(list, o);
	}
	return checked(list, failures);
}

static json_t *quantile_json(const struct serin_histogram *h, unsigned int permille)
{
	return latency_count(h) ? json_real(latency_quantile_us(h, permille)) : json_null();
}

static json_t *latency_json(const struct serin_histogram *h)
{
	return json_pack("{s:I, s:I, s:o, s:o, s:o}", "count", (json_int_t)latency_count(h), "sum",
			 (json_int_t)h->sum_us, "p50", quantile_json(h, 500), "p90",
			 quantile_json(h, 900), "p99", quantile_json(h, 990));
}

static int set_latencies(json_t *o, const struct snapshot_service *svc,
			 const struct serin_histograms *h)
{
	int failures = 0;
	char name[32];

	for (int i = 0; h && i < SERIN_LATENCY_MAX; i++) {
		snprintf(name, sizeof(name), "%s_us", latencies[i].name);
		if (latency_is_seen(&latencies[i], svc))
			failures |= json_object_set_new(o, name, latency_json(&h->of[i]));
	}
	return failures;
}

/* A pool's; its backends' flows are sampled alike. */
static json_t *sampled_json(const struct snapshot_pool *pool)
{
	const struct serin_signals *s = &pool->counters.signals;

	return json_pack("{s:I, s:I, s:f}", "flows", (json_int_t)s->sampled_flows, "missed",
			 (json_int_t)s->missed, "rate", 1.0 / (double)(1u << pool->sample_shift));
}

static json_t *signals_json(const struct snapshot_service *svc,
			    const struct snapshot_counters *counters,
			    const struct serin_histograms *histograms, bool is_pool)
{
	unsigned int hidden = SIGNAL_APART | (is_pool ? 0 : SIGNAL_OF_POOLS);
	json_t *o = json_object();
	int failures = 0;

	for (size_t i = 0; i < signal_count; i++) {
		json_int_t value = (json_int_t)signal_value(&signals[i], counters);

		if (signal_is_seen(&signals[i], svc) && !(signals[i].scope & hidden))
			failures |= json_object_set_new(o, signals[i].name, json_integer(value));
	}
	failures |= set_latencies(o, svc, histograms);
	return checked(o, failures);
}

static json_t *pool_signals_json(const struct snapshot_service *svc,
				 const struct snapshot_pool *pool)
{
	json_t *o = signals_json(svc, &pool->counters, pool->latencies, true);
	int failures = !o;

	if (signal_scope_is_seen(SIGNAL_OF_SAMPLES, svc))
		failures |= json_object_set_new(o, "sampled", sampled_json(pool));
	return checked(o, failures);
}

static json_t *backend_json(const struct snapshot_service *svc, const struct snapshot_backend *b)
{
	char address[NET_ADDR_LEN];

	return json_pack("{s:s, s:i, s:i, s:s, s:s, s:o}", "address",
			 net_format_addr(&b->address, address), "port", b->port, "weight",
			 (int)b->weight, "state", snapshot_backend_state_name(b), "health",
			 snapshot_backend_health_name(b), "signals",
			 signals_json(svc, &b->counters, b->latencies, false));
}

static json_t *backends_json(const struct snapshot_service *svc, const struct snapshot_pool *pool)
{
	json_t *list = json_array();
	int failures = 0;

	for (size_t i = 0; i < pool->backend_count; i++)
		failures |= json_array_append_new(list, backend_json(svc, &pool->backends[i]));
	return checked(list, failures);
}

/* The share of the new flows since the last shift; null where there was none. */
static int set_actual_share(json_t *o, uint64_t hits, uint64_t total)
{
	double low, high;

	if (!total)
		return json_object_set_new(o, "actual_share", json_null()) |
		       json_object_set_new(o, "actual_share_interval", json_null());
	share_interval(hits, total, &low, &high);
	return json_object_set_new(o, "actual_share", json_real(100.0 * hits / total)) |
	       json_object_set_new(o, "actual_share_interval", json_pack("[f, f]", low, high));
}

/* Null where there is no cap. */
static json_t *cap_json(uint32_t cap)
{
	return cap ? json_integer(cap) : json_null();
}

/* What guards a pool, each kind only where there is one. */
static int set_guard(json_t *o, const struct snapshot_guard *g)
{
	int failures = 0;

	if (g->budget)
		failures |= json_object_set_new(
			o, "breaker",
			json_pack("{s:s, s:i, s:I, s:I}", "state", breaker_state_name(g->state),
				  "failures", (int)g->budget, "trips", (json_int_t)g->trips,
				  "moved_flows", (json_int_t)g->moved));
	if (g->failover)
		failures |=
			json_object_set_new(o, "syn_failover",
					    json_pack("{s:i, s:I}", "at", (int)g->failover,
						      "moved_flows", (json_int_t)g->failed_over));
	if (g->flows || g->flows_per_second)
		failures |= json_object_set_new(o, "exposure",
						json_pack("{s:o, s:o, s:I}", "flows",
							  cap_json(g->flows), "flows_per_second",
							  cap_json(g->flows_per_second),
							  "moved_flows", (json_int_t)g->capped));
	return failures;
}

static json_t *pool_json(const struct snapshot_service *svc, const struct snapshot_pool *pool,
			 uint64_t service_flows)
{
	json_t *o = json_object();
	int failures = 0;

	failures |= json_object_set_new(o, "name", map_text(pool->name, sizeof(pool->name)));
	failures |= json_object_set_new(o, "weight", percent(pool->weight_ppm));
	failures |= set_actual_share(o, pool->counters.epoch_flows, service_flows);
	failures |= set_guard(o, &pool->guard);
	failures |= json_object_set_new(o, "signals", pool_signals_json(svc, pool));
	failures |= json_object_set_new(o, "backends", backends_json(svc, pool));
	return checked(o, failures);
}

static json_t *pools_json(const struct snapshot_service *svc)
{
	json_t *list = json_array();
	uint64_t flows = 0;
	int failures = 0;

	for (size_t i = 0; i < svc->pool_count; i++)
		flows += svc->pools[i].counters.epoch_flows;
	for (size_t i = 0; i < svc->pool_count; i++)
		failures |= json_array_append_new(list, pool_json(svc, &svc->pools[i], flows));
	return checked(list, failures);
}

/* RFC 3339, to the millisecond. */
static json_t *time_json(uint64_t realtime_ns)
{
	time_t seconds = (time_t)(realtime_ns / 1000000000);
	unsigned int ms = (unsigned int)(realtime_ns / 1000000 % 1000);
	struct tm utc;
	char day[24];

	gmtime_r(&seconds, &utc);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &utc);
	return json_sprintf("%s.%03uZ", day, ms);
}

static json_t *change_json(const struct serin_change *change)
{
	return json_pack("{s:o, s:o, s:o, s:I}", "when", time_json(change->when_ns), "actor",
			 map_text(change->actor, sizeof(change->actor)), "reason",
			 map_text(change->reason, sizeof(change->reason)), "uid",
			 (json_int_t)change->uid);
}

static json_t *sources_json(const struct snapshot_service *svc)
{
	char prefix[NET_PREFIX_LEN];
	json_t *list = json_array();
	int failures = 0;

	for (size_t i = 0; i < svc->source_count; i++) {
		const struct model_source *s = &svc->sources[i];

		failures |= json_array_append_new(
			list, json_string(net_format_prefix(&s->prefix, s->prefix_len, prefix)));
	}
	return checked(list, failures);
}

static json_t *ports_json(const struct snapshot_ports *p)
{
	json_t *used = p->has_used ? json_integer((json_int_t)p->used) : json_null();

	return json_pack("{s:I, s:o, s:I, s:I, s:I, s:I, s:I}", "capacity", (json_int_t)p->capacity,
			 "used", used, "bytes", (json_int_t)p->bytes, "taken", (json_int_t)p->taken,
			 "evicted", (json_int_t)p->evicted, "refused", (json_int_t)p->refused,
			 "untold", (json_int_t)p->untold);
}

/* Where it is set, what goes with the way to the backends. */
static int set_forwarding(json_t *o, const struct snapshot_service *svc)
{
	int failures = json_object_set_new(o, "forwarding",
					   name_or_null(model_forwarding_name(svc->forwarding)));

	if (svc->source_count)
		failures |= json_object_set_new(o, "sources", sources_json(svc));
	if (svc->gue_port)
		failures |= json_object_set_new(o, "gue_port", json_integer(svc->gue_port));
	if (svc->ports.capacity)
		failures |= json_object_set_new(o, "source_ports", ports_json(&svc->ports));
	return failures;
}

/* {"46": "canary"}, or NULL where there is no rule. */
static json_t *dscp_json(const struct snapshot_service *svc)
{
	json_t *o = NULL;
	int failures = 0;

	for (int dscp = 0; dscp < SERIN_DSCP_VALUES; dscp++) {
		char value[4];

		if (!svc->dscp_pool[dscp])
			continue;
		snprintf(value, sizeof(value), "%d", dscp);
		o = o ? o : json_object();
		for (size_t i = 0; i < svc->pool_count; i++)
			if (svc->pools[i].slot + 1 == svc->dscp_pool[dscp])
				failures |= json_object_set_new(
					o, value,
					map_text(svc->pools[i].name, sizeof(svc->pools[i].name)));
	}
	return o ? checked(o, failures) : NULL;
}

/* Who goes to which pool whatever the split says. */
static int set_targets(json_t *o, const struct snapshot_service *svc)
{
	json_t *dscp = dscp_json(svc);

	if (!svc->target_count && !dscp)
		return 0;
	return json_object_set_new(
		o, "targets",
		json_pack("{s:I, s:o*}", "sources", (json_int_t)svc->target_count, "dscp", dscp));
}

static json_t *service_json(const struct snapshot_service *svc)
{
	const struct snapshot_pool *primary = &svc->pools[svc->primary];
	char vip[NET_ADDR_LEN];
	json_t *o = json_object();
	int failures = 0;

	failures |= json_object_set_new(o, "name", map_text(svc->name, sizeof(svc->name)));
	failures |= json_object_set_new(o, "vip", json_string(net_format_addr(&svc->vip, vip)));
	failures |= json_object_set_new(o, "port", json_integer(svc->port));
	failures |= json_object_set_new(o, "protocol",
					name_or_null(model_protocol_name(svc->protocol)));
	failures |= set_forwarding(o, svc);
	failures |= json_object_set_new(o, "affinity",
					name_or_null(model_affinity_name(svc->affinity)));
	if (svc->affinity == SERIN_AFFINITY_CLIENT)
		failures |= json_object_set_new(o, "client_prefix",
						json_integer(net_is_v4(&svc->vip)
								     ? svc->client_prefix4
								     : svc->client_prefix6));
	failures |=
		json_object_set_new(o, "primary", map_text(primary->name, sizeof(primary->name)));
	failures |= set_targets(o, svc);
	failures |= json_object_set_new(o, "epoch", json_integer(svc->epoch));
	/* as text: numbers of JSON readers may have 53 bits */
	failures |=
		json_object_set_new(o, "seed", json_sprintf("%llu", (unsigned long long)svc->seed));
	failures |= json_object_set_new(o, "settled", json_boolean(svc->is_settled));
	failures |= json_object_set_new(o, "tracked", json_boolean(svc->is_tracked));
	failures |= json_object_set_new(o, "pools", pools_json(svc));
	if (svc->last.when_ns)
		failures |= json_object_set_new(o, "last_change", change_json(&svc->last));
	return checked(o, failures);
}

static json_t *services_json(const struct snapshot *s)
{
	json_t *list = json_array();
	int failures = 0;

	for (size_t i = 0; i < s->service_count; i++)
		failures |= json_array_append_new(list, service_json(&s->services[i]));
	return checked(list, failures);
}

static json_t *verdicts_json(const struct snapshot *s)
{
	json_t *o = json_object();
	int failures = 0;

	for (int reason = SERIN_GO_ON + 1; reason < SERIN_REASON_MAX; reason++)
		failures |= json_object_set_new(o, dataplane_reason_name(reason),
						json_integer((json_int_t)s->packets[reason]));
	return checked(o, failures);
}

static json_t *flow_table_json(const struct snapshot *s)
{
	json_t *evicted = json_object();
	int failures = 0;

	for (int state = 0; state < SERIN_FLOW_STATE_MAX; state++)
		failures |= json_object_set_new(evicted, flow_state_name(state),
						json_integer((json_int_t)s->flows_evicted[state]));
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "entries",
			 (json_int_t)s->flow_entries, "capacity", (json_int_t)s->flow_capacity,
			 "bytes_ipv4", (json_int_t)s->flow_bytes4, "bytes_ipv6",
			 (json_int_t)s->flow_bytes6, "inserted", (json_int_t)s->flows_inserted,
			 "unremembered", (json_int_t)s->flows_unremembered, "evicted",
			 checked(evicted, failures));
}

/* A number of 64 bits is text, or those who read it by doubles would lose some of them. */
static json_t *program_json(const struct snapshot *s)
{
	char id[17];

	snprintf(id, sizeof(id), "%016llx", (unsigned long long)s->program_id);
	return json_pack("{s:s, s:s, s:b, s:i}", "made_by", s->made_by, "id", id, "unfinished",
			 !s->program_id, "abi", SERIN_ABI_VERSION);
}

json_t *status_json(const struct snapshot *s)
{
	return json_pack("{s:i, s:o, s:o, s:o, s:o, s:o}", "version", 1, "interfaces",
			 interfaces_json(s), "services", services_json(s), "verdicts",
			 verdicts_json(s), "flow_table", flow_table_json(s), "program",
			 program_json(s));
}

json_t *status_json_select(json_t *status, const char *only)
{
	json_t *selected = json_copy(status), *kept = json_array(), *service;
	size_t i;

	json_array_foreach(json_object_get(status, "services"), i, service)
	{
		if (!strcmp(json_string_value(json_object_get(service, "name")), only))
			json_array_append(kept, service);
	}
	json_decref(status);
	return checked(selected, json_object_set_new(selected, "services", kept));
}
