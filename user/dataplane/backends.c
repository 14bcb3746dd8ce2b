// SPDX-License-Identifier: GPL-2.0-or-later
/* Backends: making an entry complete before anything points to it, and freeing it after. */
#include "dataplane/internal.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/net.h"

/* MEMBARRIER_CMD_GLOBAL waits for an RCU grace period, and XDP programs run inside RCU readers. */
void dp_wait_for_packets(void)
{
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		usleep(50000); /* no membarrier (nohz_full): longer than any program runs */
}

static uint32_t sum_words(const void *data, size_t bytes, uint32_t sum)
{
	const unsigned char *at = data;

	for (size_t i = 0; i < bytes; i += 2) {
		uint16_t word;

		memcpy(&word, at + i, sizeof(word));
		sum += word;
	}
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* The part of an address that is in the packet: IPv4-mapped ones lend their last word only. */
static uint32_t sum_addr(const struct serin_addr *a, uint32_t sum)
{
	struct in6_addr addr = dp_addr(a);

	return net_is_v4(&addr) ? sum_words(&a->word_be[3], 4, sum) : sum_words(a, 16, sum);
}

/* ~from + to, in ones' complement (RFC 1624, eq. 3). */
static uint16_t csum_delta(uint32_t from, uint32_t to)
{
	return fold((uint32_t)(uint16_t)~fold(from) + fold(to));
}

static void set_deltas(struct serin_backend *b, const struct serin_endpoint *vip)
{
	uint32_t from = sum_addr(&vip->addr, 0), to = sum_addr(&b->at.addr, 0);

	b->l3_csum_delta = csum_delta(from, to);
	b->l4_csum_delta =
		csum_delta(sum_words(&vip->port_be, 2, from), sum_words(&b->at.port_be, 2, to));
}

int64_t dp_backend_slot(const struct dataplane *dp, uint32_t *from)
{
	while (*from < dp->meta.max_backends) {
		uint32_t id = (*from)++;

		if (dp->backends[id].state == SERIN_BACKEND_FREE)
			return id;
	}
	return -1;
}

/* Whoever gets this slot next must not get its flows. */
static void note_gone(struct dataplane *dp, uint32_t id)
{
	if (!dp->is_gone)
		dp->is_gone = calloc(dp->meta.max_backends + 1, 1);
	if (dp->is_gone)
		dp->is_gone[id] = 1;
	else
		log_error("out of memory: flows of a freed backend are kept");
}

void dp_backends_forget(struct dataplane *dp)
{
	if (!dp->is_gone)
		return;
	dp_wait_for_packets();
	dp_flows_forget(dp, dp->is_gone);
	free(dp->is_gone);
	dp->is_gone = NULL;
}

int dp_backend_add(struct dataplane *dp, uint32_t id, const struct dp_backend_spec *spec)
{
	const struct serin_service *svc = &dp->services[spec->service];
	struct serin_backend *b = &dp->backends[id];
	int error;

	error = dp_backend_counters_clear(dp, id);
	if (!error)
		error = dp_host_add(dp, spec->service, &spec->at.addr);
	if (error)
		return error;
	b->at = spec->at;
	b->service = spec->service;
	b->pool = spec->pool;
	b->weight = spec->weight;
	b->has_direct = 0;
	b->path_mtu = 0;
	b->path = id; /* until dp_tunnel_ends_sync() */
	b->has_past = 0;
	b->next_shared = 0;
	b->first_event = dp_event_next(dp);
	b->hop = spec->hop;
	set_deltas(b, &svc->vip);
	/* Not free, and taking no flow yet: whoever is killed in here leaves a ring that holds. */
	__atomic_store_n(&b->state, SERIN_BACKEND_LEAVING, __ATOMIC_RELEASE);
	error = model_forwarding_returns(svc->forwarding) ? dp_backend_link(dp, id) : 0;
	if (error)
		log_error("the backend index is full at one place: raise limits.backends");
	__atomic_store_n(&b->state, error ? SERIN_BACKEND_FREE : spec->state, __ATOMIC_RELEASE);
	return error;
}

void dp_backend_free(struct dataplane *dp, uint32_t id)
{
	struct serin_backend *b = &dp->backends[id];

	dp_backend_unlink(dp, id);
	__atomic_store_n(&b->hop, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&b->state, SERIN_BACKEND_FREE, __ATOMIC_RELEASE);
	dp_backend_counters_free(dp, id);
	note_gone(dp, id);
}

struct needed {
	const struct dataplane *dp;
	uint64_t now;
	uint8_t *flags; /* by backend id */
};

static int mark_needed(const struct dp_flow *flow, void *arg)
{
	struct needed *n = arg;
	uint32_t backend = flow->value & SERIN_FLOW_BACKEND_MASK;

	if (backend < n->dp->meta.max_backends && dp_flow_is_alive(n->dp, flow->value, n->now))
		n->flags[backend] = 1;
	return 0;
}

/* A flow that nobody remembers may still be alive, until its service has settled without it. */
static bool may_be_freed(const struct dataplane *dp, uint32_t id, const uint8_t *keeps,
			 const uint8_t *settles)
{
	const struct serin_backend *b = &dp->backends[id];

	return dp_backend_state(b) == SERIN_BACKEND_LEAVING && !keeps[id] &&
	       (!dp->services[b->service].changed_ns || (settles && settles[b->service]));
}

/* Flags those that are free to go. Returns whether there may be any, or -errno. */
static int find_freed(struct dataplane *dp, const uint8_t *keeps, const uint8_t *settles,
		      uint8_t *is_freed)
{
	struct needed needed = {.dp = dp};
	size_t leaving = 0;
	int error;

	for (uint32_t id = 0; id < dp->meta.max_backends; id++)
		leaving += is_freed[id] = may_be_freed(dp, id, keeps, settles);
	if (!leaving)
		return 0;
	needed.flags = calloc(dp->meta.max_backends, 1);
	error = needed.flags ? dp_jiffies(dp, &needed.now) : -ENOMEM;
	if (!error)
		error = dp_each_flow(dp, mark_needed, &needed);
	for (uint32_t id = 0; !error && id < dp->meta.max_backends; id++)
		is_freed[id] &= !needed.flags[id];
	free(needed.flags);
	return error ? error : 1;
}

int dp_backend_reap(struct dataplane *dp, const uint8_t *keeps)
{
	uint8_t *is_freed = calloc(dp->meta.max_backends + 1, 1);
	int result = is_freed ? find_freed(dp, keeps, NULL, is_freed) : -ENOMEM;

	for (uint32_t id = 0; result > 0 && id < dp->meta.max_backends; id++)
		if (is_freed[id])
			dp_backend_free(dp, id);
	if (dp->is_gone)
		result = dp_hosts_prune(dp);
	dp_backends_forget(dp);
	free(is_freed);
	return result < 0 ? result : dp_tunnel_ends_sync(dp);
}

static void tell_freed(const struct dataplane *dp, uint32_t id, FILE *changes)
{
	const struct serin_backend *b = &dp->backends[id];
	struct in6_addr addr = dp_addr(&b->at.addr);
	char text[NET_ENDPOINT_LEN];

	fprintf(changes, "- service %s: backend %s: its last flow has ended\n",
		dp->info[b->service].name, net_format_endpoint(&addr, ntohs(b->at.port_be), text));
}

int dp_backend_tell_reap(struct dataplane *dp, const uint8_t *keeps, const uint8_t *settles,
			 FILE *changes)
{
	uint8_t *is_freed = calloc(dp->meta.max_backends + 1, 1);
	int result = is_freed ? find_freed(dp, keeps, settles, is_freed) : -ENOMEM, count = 0;

	for (uint32_t id = 0; result > 0 && id < dp->meta.max_backends; id++) {
		if (!is_freed[id])
			continue;
		tell_freed(dp, id, changes);
		count++;
	}
	free(is_freed);
	return result < 0 ? result : count;
}
