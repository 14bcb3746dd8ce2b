// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

#include <serin/hash.h>

#include "model/live.h"

struct model *model_new(void)
{
	struct model *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->limits = (struct model_limits){
		.services = 1024, .backends = 16384, .flows = 1048576, .targets = 1000000};
	/* RFC 5382 REQ-5: established ones for 2 h 4 min at least; RFC 4787 REQ-5: UDP for 2 min. */
	m->idle = (struct model_idle){
		.syn_s = 60, .established_s = 7440, .closing_s = 60, .udp_s = 120};
	return m;
}

static void service_fini(struct model_service *svc)
{
	for (size_t i = 0; i < svc->pool_count; i++) {
		free(svc->pools[i].backends);
		model_health_check_fini(&svc->pools[i].health_check);
	}
	model_health_check_fini(&svc->health_check);
	free(svc->pools);
	free(svc->targets);
	free(svc->sources);
}

void model_free(struct model *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->service_count; i++)
		service_fini(&m->services[i]);
	for (size_t i = 0; i < m->strategy_count; i++)
		strategy_fini(&m->strategies[i]);
	live_free(m->remembered);
	free(m->strategies);
	free(m->services);
	free(m->interfaces);
	free(m);
}

static uint64_t hash_name(const char *name)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	for (const char *c = name; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 0x100000001b3ull;
	return hash;
}

uint64_t model_default_seed(const char *service_name)
{
	return hash_name(service_name);
}

uint64_t model_release_seed(uint64_t file_seed, const char *release)
{
	return serin_mix64(serin_split_key(file_seed) ^ hash_name(release));
}

const struct model_service *model_find_service(const struct model *m, const char *name)
{
	for (size_t i = 0; i < m->service_count; i++)
		if (!strcmp(m->services[i].name, name))
			return &m->services[i];
	return NULL;
}

const struct model_strategy *model_find_strategy(const struct model *m, const char *name)
{
	for (size_t i = 0; i < m->strategy_count; i++)
		if (!strcmp(m->strategies[i].name, name))
			return &m->strategies[i];
	return NULL;
}

int model_find_pool(const struct model_service *svc, const char *name)
{
	for (size_t i = 0; i < svc->pool_count; i++)
		if (!strcmp(svc->pools[i].name, name))
			return (int)i;
	return -1;
}

size_t model_count_backends(const struct model *m)
{
	size_t count = 0;

	for (size_t i = 0; i < m->service_count; i++)
		for (size_t j = 0; j < m->services[i].pool_count; j++)
			count += m->services[i].pools[j].backend_count;
	return count;
}

const char *model_xdp_mode_name(enum model_xdp_mode mode)
{
	static const char *const names[] = {"native", "generic"};

	_Static_assert(sizeof(names) / sizeof(*names) == MODEL_XDP_MODE_MAX, "a name each");
	return (unsigned int)mode < MODEL_XDP_MODE_MAX ? names[mode] : NULL;
}

const char *model_affinity_name(enum serin_affinity affinity)
{
	static const char *const names[] = {"connection", "client"};

	_Static_assert(sizeof(names) / sizeof(*names) == SERIN_AFFINITY_MAX, "a name each");
	return (unsigned int)affinity < SERIN_AFFINITY_MAX ? names[affinity] : NULL;
}

const char *model_forwarding_name(enum serin_forwarding forwarding)
{
	static const char *const names[] = {"nat", "fullnat", "dsr", "ipip", "gue"};

	_Static_assert(sizeof(names) / sizeof(*names) == SERIN_FORWARDING_MAX, "a name each");
	return (unsigned int)forwarding < SERIN_FORWARDING_MAX ? names[forwarding] : NULL;
}

bool model_forwarding_returns(enum serin_forwarding forwarding)
{
	return forwarding == SERIN_FORWARDING_NAT || forwarding == SERIN_FORWARDING_FULLNAT;
}

const char *model_protocol_name(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	default:
		return NULL;
	}
}
