// SPDX-License-Identifier: GPL-2.0-or-later
/* Backends whose connections fail, as the packet path has counted them. */
#include <string.h>

#include "agent/health_internal.h"
#include "lib/log.h"
#include "lib/net.h"

static void tell(const struct health_backend *b, uint64_t now_ms)
{
	char at[NET_ENDPOINT_LEN];

	net_format_endpoint(&b->address, b->port, at);
	if (b->outlier.is_ejected)
		log_warning("service %s: pool %s: backend %s is ejected for %llu s: its "
			    "connections fail",
			    b->pool->service, b->pool->pool, at,
			    (unsigned long long)(b->outlier.until_ms - now_ms) / 1000);
	else
		log_info("service %s: pool %s: backend %s is no longer ejected", b->pool->service,
			 b->pool->pool, at);
}

static void count_pool(const struct health *h, const struct health_pool *p, size_t *backends,
		       size_t *ejected)
{
	*backends = *ejected = 0;
	for (size_t i = 0; i < h->count; i++) {
		if (h->backends[i]->pool != p)
			continue;
		*backends += 1;
		*ejected += h->backends[i]->outlier.is_ejected;
	}
}

static void look_at_pool(struct health *h, struct dataplane *dp, struct health_pool *p,
			 uint64_t now_ms)
{
	size_t backends, ejected;

	count_pool(h, p, &backends, &ejected);
	for (size_t i = 0; i < h->count; i++) {
		struct health_backend *b = h->backends[i];
		bool has_room = outlier_has_room(&p->outlier, backends, ejected);
		struct dataplane_outcomes seen;

		if (b->pool != p || !b->is_there || dataplane_backend_outcomes(dp, b->id, &seen))
			continue;
		if (!outlier_judge(&b->outlier, &p->outlier, seen.answered, seen.failed, has_room,
				   now_ms))
			continue;
		if (b->outlier.is_ejected)
			ejected++;
		else
			ejected--;
		tell(b, now_ms);
	}
}

void health_outliers_look(struct health *h, struct dataplane *dp)
{
	uint64_t now_ms = health_now_us() / 1000;

	for (size_t i = 0; i < h->pool_count; i++) {
		struct health_pool *p = &h->pools[i];

		if (!p->outlier.failures || now_ms - p->judged_ms < p->outlier.interval_ms)
			continue;
		p->judged_ms = now_ms;
		look_at_pool(h, dp, p, now_ms);
	}
}
