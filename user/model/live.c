// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct live *live_new(void)
{
	return calloc(1, sizeof(struct live));
}

void live_free(struct live *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->count; i++)
		free(l->services[i].drained);
	free(l->services);
	free(l);
}

/* Grown at powers of two, so that adding one is cheap. */
static void *grow(void *list, size_t count, size_t size)
{
	if (count & (count - 1))
		return list;
	return reallocarray(list, count ? 2 * count : 1, size);
}

struct live_service *live_add(struct live *l)
{
	struct live_service *grown = grow(l->services, l->count, sizeof(*grown));

	if (!grown)
		return NULL;
	l->services = grown;
	memset(&grown[l->count], 0, sizeof(*grown));
	return &grown[l->count++];
}

int live_add_drained(struct live_service *s, const struct in6_addr *address, uint16_t port)
{
	struct live_backend *grown = grow(s->drained, s->drained_count, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	s->drained = grown;
	grown[s->drained_count++] = (struct live_backend){*address, port};
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct live_service *)a)->name,
		      ((const struct live_service *)b)->name);
}

void live_sort(struct live *l)
{
	if (l->count)
		qsort(l->services, l->count, sizeof(*l->services), by_name);
}

const struct live_service *live_find(const struct live *l, const char *name)
{
	struct live_service wanted = {};

	if (!l || !l->count || strlen(name) >= sizeof(wanted.name))
		return NULL;
	memcpy(wanted.name, name, strlen(name));
	return bsearch(&wanted, l->services, l->count, sizeof(wanted), by_name);
}

bool live_share(const struct live_service *s, const char *pool, uint32_t *ppm)
{
	for (size_t i = 0; i < s->pool_count; i++) {
		if (strcmp(s->pools[i].name, pool))
			continue;
		*ppm = s->pools[i].ppm;
		return true;
	}
	return false;
}

bool live_weight(const struct live_service *s, const char *pool, uint32_t *ppm)
{
	return strcmp(s->primary, pool) && live_share(s, pool, ppm);
}

bool live_is_drained(const struct live_service *s, const struct in6_addr *address, uint16_t port)
{
	for (size_t i = 0; i < s->drained_count; i++)
		if (s->drained[i].port == port &&
		    IN6_ARE_ADDR_EQUAL(&s->drained[i].address, address))
			return true;
	return false;
}

bool live_has_release(const struct live_service *s)
{
	uint32_t ppm;

	for (size_t i = 0; i < s->pool_count; i++)
		if (live_weight(s, s->pools[i].name, &ppm) && ppm)
			return true;
	return false;
}

static bool has_same_pools(const struct live_service *a, const struct live_service *b)
{
	if (a->pool_count != b->pool_count)
		return false;
	for (size_t i = 0; i < a->pool_count; i++)
		if (a->pools[i].ppm != b->pools[i].ppm ||
		    strcmp(a->pools[i].name, b->pools[i].name))
			return false;
	return true;
}

bool live_equal(const struct live_service *a, const struct live_service *b)
{
	if (a->seed != b->seed || a->has_file_seed != b->has_file_seed ||
	    (a->has_file_seed && a->file_seed != b->file_seed) || strcmp(a->primary, b->primary) ||
	    strcmp(a->file_primary, b->file_primary) || !has_same_pools(a, b) ||
	    a->drained_count != b->drained_count)
		return false;
	for (size_t i = 0; i < a->drained_count; i++)
		if (!live_is_drained(b, &a->drained[i].address, a->drained[i].port))
			return false;
	return true;
}

void live_change_fini(struct live_change *c)
{
	live_free(c->before);
	live_free(c->after);
	free(c->told);
	memset(c, 0, sizeof(*c));
}
