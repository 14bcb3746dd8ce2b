// SPDX-License-Identifier: GPL-2.0-or-later
/* Any text at all: a model in which everything promised holds, or errors that can be shown. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "lib/net.h"
#include "model/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static bool is_terminated(const char *name, size_t size)
{
	return *name && memchr(name, '\0', size);
}

static bool is_prime_number(uint32_t n)
{
	for (uint32_t d = 2; d <= n / d; d++)
		if (n % d == 0)
			return false;
	return n >= 2;
}

static bool is_tunnelled(const struct model_service *svc)
{
	return svc->forwarding == SERIN_FORWARDING_IPIP || svc->forwarding == SERIN_FORWARDING_GUE;
}

static void check_pool(const struct model_service *svc, size_t index)
{
	const struct model_pool *pool = &svc->pools[index];

	must(is_terminated(pool->name, sizeof(pool->name)));
	must(model_find_pool(svc, pool->name) == (int)index);
	must(pool->backend_count > 0);
	must(pool->backend_count * MODEL_SLOTS_PER_BACKEND <= svc->table_size);
	for (size_t i = 0; i < pool->backend_count; i++) {
		const struct model_backend *b = &pool->backends[i];

		must(!IN6_IS_ADDR_UNSPECIFIED(&b->address) && b->port);
		must(is_tunnelled(svc) || net_is_v4(&b->address) == net_is_v4(&svc->vip));
		must(b->port == svc->port || svc->forwarding < SERIN_FORWARDING_DSR);
		must(b->weight >= 1 && b->weight <= MODEL_BACKEND_WEIGHT_MAX);
	}
}

static void check_split(const struct model_service *svc)
{
	uint64_t sum = 0;

	must(svc->pool_count >= 1 && svc->pool_count <= SERIN_MAX_POOLS);
	must(svc->primary < svc->pool_count);
	must(svc->pools[svc->primary].weight_ppm == 0);
	for (size_t i = 0; i < svc->pool_count; i++) {
		check_pool(svc, i);
		sum += svc->pools[i].weight_ppm;
	}
	must(sum <= MODEL_PPM_ALL);
}

static bool has_host_bits(const struct in6_addr *prefix, uint8_t len)
{
	for (int bit = len; bit < 128; bit++)
		if (prefix->s6_addr[bit / 8] & (0x80 >> bit % 8))
			return true;
	return false;
}

static void check_sources(const struct model_service *svc)
{
	bool is_fullnat = svc->forwarding == SERIN_FORWARDING_FULLNAT;

	must(svc->source_count <= (is_fullnat ? MODEL_SOURCES_MAX : is_tunnelled(svc) ? 2 : 0));
	must(!is_fullnat || svc->source_count);
	for (size_t i = 0; i < svc->source_count; i++) {
		const struct model_source *s = &svc->sources[i];

		must(!IN6_IS_ADDR_UNSPECIFIED(&s->prefix) && s->prefix_len <= 128);
		must(!has_host_bits(&s->prefix, s->prefix_len));
		must(!is_fullnat ||
		     (s->prefix_len == 128 && net_is_v4(&s->prefix) == net_is_v4(&svc->vip)));
	}
	must(svc->source_port_low && svc->source_port_low < svc->source_port_high);
	must(svc->client_address == MODEL_CLIENT_ADDRESS_NONE ||
	     (is_fullnat && svc->protocol == IPPROTO_TCP));
	must(svc->gue_port);
}

static void check_targets(const struct model_service *svc)
{
	for (size_t i = 0; i < SERIN_DSCP_VALUES; i++)
		must(svc->dscp_pool[i] <= svc->pool_count);
	for (size_t i = 0; i < svc->target_count; i++) {
		const struct model_target *t = &svc->targets[i];

		must(t->pool < svc->pool_count);
		must(t->prefix_len <= 128);
		must(net_is_v4(&svc->vip) == (net_is_v4(&t->prefix) && t->prefix_len >= 96));
		must(!has_host_bits(&t->prefix, t->prefix_len));
	}
}

static void check_steps(const struct model_strategy *s)
{
	uint32_t before_ppm = 0;

	must(s->step_count <= STRATEGY_STEPS_MAX);
	must(s->step_count || s->type != STRATEGY_CANARY);
	for (size_t i = 0; i < s->step_count; i++) {
		const struct strategy_step *step = &s->steps[i];

		must(step->has_weight || step->hold_ms || step->analysis_ms || step->pauses);
		must(step->has_weight || !step->ramp_ms);
		if (!step->has_weight)
			continue;
		must(step->weight_ppm > before_ppm && step->weight_ppm <= MODEL_PPM_ALL);
		must(!*s->baseline || step->weight_ppm <= MODEL_PPM_ALL / 2);
		before_ppm = step->weight_ppm;
	}
}

static void check_analysis(const struct strategy_analysis *a)
{
	must(a->alpha > 0 && a->alpha < 1 && a->beta > 0 && a->beta < 1);
	must(a->harm_ratio >= 1 && a->fine_ratio >= 1);
	must(a->kayenta_marginal >= 0 && a->kayenta_pass <= 100);
	must(a->prometheus_url || (!a->metric_count && !a->kayenta_config));
	must(a->metric_count <= STRATEGY_METRICS_MAX);
	for (size_t i = 0; i < a->metric_count; i++) {
		must(a->metrics[i].name && a->metrics[i].query);
		must(a->metrics[i].min == a->metrics[i].min ||
		     a->metrics[i].max == a->metrics[i].max);
	}
}

static void check_strategy(const struct model *m, const struct model_strategy *s)
{
	must(is_terminated(s->name, sizeof(s->name)) && model_find_strategy(m, s->name) == s);
	must(strategy_type_name(s->type) && strategy_finish_name(s->finish));
	must(!*s->candidate == (s->type == STRATEGY_ROLLING));
	must(s->type != STRATEGY_ROLLING || !s->batch != !s->batch_percent);
	must(s->batch_percent <= 100);
	check_steps(s);
	check_analysis(&s->analysis);
	must(s->hook_count <= STRATEGY_HOOKS_MAX);
	for (size_t i = 0; i < s->hook_count; i++) {
		const struct strategy_hook *h = &s->hooks[i];

		must(strategy_moment_name(h->at) && h->name && !h->argv != !h->url);
		must(!h->argv || h->argv[0][0] == '/');
		must(h->timeout_ms > 0);
	}
}

static void check_use(const struct model *m, const struct model_service *svc)
{
	const struct model_strategy *s;

	must(svc->strategy <= m->strategy_count);
	if (!svc->strategy)
		return;
	s = &m->strategies[svc->strategy - 1];
	if (s->type == STRATEGY_ROLLING)
		return;
	must(model_find_pool(svc, s->candidate) >= 0);
	must(model_find_pool(svc, s->candidate) != (int)svc->primary);
	must(!*s->baseline || model_find_pool(svc, s->baseline) >= 0);
}

static void check_service(const struct model *m, const struct model_service *svc)
{
	must(is_terminated(svc->name, sizeof(svc->name)));
	must(model_find_service(m, svc->name) == svc);
	must(!IN6_IS_ADDR_UNSPECIFIED(&svc->vip) && svc->port);
	must(model_protocol_name(svc->protocol));
	must(model_forwarding_name(svc->forwarding));
	must(model_affinity_name(svc->affinity));
	must(svc->client_prefix6 >= 1 && svc->client_prefix6 <= 128);
	must(svc->client_prefix4 >= 1 && svc->client_prefix4 <= 32);
	must(svc->table_size <= SERIN_TABLE_SIZE_MAX && is_prime_number(svc->table_size));
	check_split(svc);
	check_sources(svc);
	check_targets(svc);
	check_use(m, svc);
}

static void check_model(const struct model *m)
{
	must(m->interface_count > 0 && m->interface_count < SERIN_MAX_PORTS);
	for (size_t i = 0; i < m->interface_count; i++) {
		must(is_terminated(m->interfaces[i].name, sizeof(m->interfaces[i].name)));
		must(model_xdp_mode_name(m->interfaces[i].mode));
	}
	must(m->service_count > 0 && m->service_count <= m->limits.services);
	must(m->limits.backends >= 1 && m->limits.backends <= SERIN_MAX_BACKENDS);
	must(m->limits.flows >= 1);
	must(m->limits.targets >= 1);
	for (size_t i = 0; i < m->strategy_count; i++)
		check_strategy(m, &m->strategies[i]);
	for (size_t i = 0; i < m->service_count; i++)
		check_service(m, &m->services[i]);
}

static void check_errors(const struct config_errors *errors)
{
	must(errors->count > 0);
	for (size_t i = 0; i < errors->count; i++) {
		const struct config_error *e = &errors->list[i];

		must(e->message && *e->message);
		must((e->line == 0) == (e->column == 0));
		must(!i || !e->line || e->line >= e[-1].line);
		for (const char *c = e->message; *c; c++)
			must((unsigned char)*c >= 0x20 && *c != 0x7f);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_errors errors = {0};
	struct model *m = NULL;
	int err = config_parse((const char *)data, size, &m, &errors);

	must((err == 0) == (m != NULL));
	must((err == 0) == (errors.count == 0));
	if (m)
		check_model(m);
	else
		check_errors(&errors);
	config_errors_fini(&errors);
	model_free(m);
	return 0;
}
