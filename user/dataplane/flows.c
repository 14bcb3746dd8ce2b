// SPDX-License-Identifier: GPL-2.0-or-later
/* The flow tables, as user space reads them and frees entries of them. */
#include "dataplane/internal.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <serin/hash.h>

#include "lib/log.h"
#include "lib/net.h"

const char *flow_state_name(enum serin_flow_state state)
{
	static const char *const names[] = {"syn",   "replied",	    "adopted", "udp",
					    "acked", "established", "closing", "udp_replied"};

	_Static_assert(sizeof(names) / sizeof(*names) == SERIN_FLOW_STATE_MAX, "a name each");
	return (unsigned int)state < SERIN_FLOW_STATE_MAX ? names[state] : "unknown";
}

/* The coarse clock advances once a tick. */
long dp_ticks_per_second(void)
{
	struct timespec tick = {};

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) || !tick.tv_nsec)
		return 250;
	return (1000000000 + tick.tv_nsec / 2) / tick.tv_nsec;
}

int dp_jiffies(struct dataplane *dp, uint64_t *now)
{
	uint64_t jiffies = 0;
	/* The kernel writes a SYSCALL program's context back to where it came from. */
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &jiffies, .ctx_size_in = sizeof(jiffies));

	if (bpf_prog_test_run_opts(dp->clock_fd, &opts)) {
		int error = -errno;

		log_error("cannot ask the kernel for its jiffies: %s", strerror(-error));
		return error == -EINVAL ? -EIO : error;
	}
	*now = jiffies;
	return 0;
}

bool dp_flow_is_alive(const struct dataplane *dp, uint64_t value, uint64_t now)
{
	uint32_t state = serin_flow_state(value);

	return state < SERIN_FLOW_STATE_MAX &&
	       serin_flow_idle_jiffies(value, now) <=
		       dp->meta.idle_s[state] * (uint64_t)dp_ticks_per_second();
}

uint64_t dp_flow_idle_ms(uint64_t value, uint64_t now)
{
	return serin_flow_idle_jiffies(value, now) * 1000 / (uint64_t)dp_ticks_per_second();
}

/* An entry, read as packets read it: key, value, key again. */
static bool read_entry(const __u64 *key, const __u64 *value, uint64_t *key_out, uint64_t *value_out)
{
	*key_out = __atomic_load_n(key, __ATOMIC_ACQUIRE);
	*value_out = __atomic_load_n(value, __ATOMIC_ACQUIRE);
	return *key_out && *key_out != SERIN_FLOW_BUSY &&
	       serin_flow_state(*value_out) != SERIN_FLOW_EVICTED &&
	       __atomic_load_n(key, __ATOMIC_ACQUIRE) == *key_out;
}

static bool read_flow4(const struct serin_flow4 *entry, struct dp_flow *out)
{
	uint64_t key, value;

	if (!read_entry(&entry->key, &entry->value, &key, &value))
		return false;
	*out = (struct dp_flow){
		.client.word_be = {0, 0, SERIN_V4_MAPPED_BE, (uint32_t)(key >> 32)},
		.client_port_be = (uint16_t)(key >> 16),
		.service = serin_flow_service(key),
		.value = value,
	};
	return true;
}

static bool read_flow6(const struct serin_flow6 *entry, struct dp_flow *out)
{
	uint64_t high = __atomic_load_n(&entry->client_high, __ATOMIC_ACQUIRE);
	uint64_t low = __atomic_load_n(&entry->client_low, __ATOMIC_ACQUIRE);
	uint64_t key, value;

	if (!read_entry(&entry->key, &entry->value, &key, &value) ||
	    __atomic_load_n(&entry->client_high, __ATOMIC_ACQUIRE) != high ||
	    __atomic_load_n(&entry->client_low, __ATOMIC_ACQUIRE) != low)
		return false;
	*out = (struct dp_flow){
		.client.word_be = {(uint32_t)(high >> 32), (uint32_t)high, (uint32_t)(low >> 32),
				   (uint32_t)low},
		.client_port_be = (uint16_t)(key >> 16),
		.service = serin_flow_service(key),
		.value = value,
	};
	return true;
}

static bool read_flow(const struct dp_flow_table *t, uint32_t position, struct dp_flow *out)
{
	uint32_t b = position / SERIN_FLOW4_WAYS, way = position % SERIN_FLOW4_WAYS;

	return t->v4 ? read_flow4(&t->v4[b].flow[way], out) : read_flow6(&t->v6[b].flow[way], out);
}

static int each_in_table(const struct dp_flow_table *t, bool has_source, dp_flow_visitor *visit,
			 void *arg)
{
	struct dp_flow flow;
	int error = 0;

	for (uint32_t i = 0; !error && i < t->buckets * SERIN_FLOW4_WAYS; i++) {
		if (!read_flow(t, i, &flow))
			continue;
		flow.has_source = has_source;
		flow.position = i;
		error = visit(&flow, arg);
	}
	return error;
}

static struct dp_flow_table table4(const struct dataplane *dp)
{
	return (struct dp_flow_table){.v4 = dp->flows4, .buckets = dp->meta.flow_buckets};
}

static struct dp_flow_table table6(const struct dataplane *dp)
{
	return (struct dp_flow_table){.v6 = dp->flows6, .buckets = dp->meta.flow_buckets};
}

int dp_each_table_flow(struct dataplane *dp, dp_flow_visitor *visit, void *arg)
{
	int error = dp_mmap_flows(dp);
	struct dp_flow_table t4 = table4(dp), t6 = table6(dp);

	if (!error)
		error = each_in_table(&t4, false, visit, arg);
	return error ? error : each_in_table(&t6, false, visit, arg);
}

int dp_each_source_flow(struct dataplane *dp, uint32_t service, dp_flow_visitor *visit, void *arg)
{
	struct dp_flow_table t;
	int error = dp_source_table_open(dp, service, &t);

	if (error)
		return error;
	error = each_in_table(&t, true, visit, arg);
	dp_source_table_close(&t);
	return error;
}

int dp_each_flow(struct dataplane *dp, dp_flow_visitor *visit, void *arg)
{
	int error = dp_each_table_flow(dp, visit, arg);

	for (uint32_t id = 0; !error && id < dp->meta.max_services; id++)
		if (dp_has_sources(dp, id))
			error = dp_each_source_flow(dp, id, visit, arg);
	return error;
}

/* ---- one flow ---- */

struct flow_question {
	uint32_t service;
	const struct serin_addr *client;
	uint16_t port_be;
	uint64_t hash;
};

static bool find_in_bucket(const struct dp_flow_table *t, uint32_t bucket,
			   const struct flow_question *q, uint64_t *value)
{
	struct dp_flow f;

	for (uint32_t i = 0; i < SERIN_FLOW4_WAYS; i++) {
		if (!read_flow(t, bucket * SERIN_FLOW4_WAYS + i, &f) || f.service != q->service ||
		    f.client_port_be != q->port_be || !serin_addr_equal(&f.client, q->client))
			continue;
		*value = f.value;
		return true;
	}
	return false;
}

static int find_in_table(struct dataplane *dp, bool is_v4, const struct flow_question *q,
			 uint64_t *value)
{
	int error = dp_mmap_flows(dp);
	struct dp_flow_table t = is_v4 ? table4(dp) : table6(dp);
	uint32_t mask = dp->meta.flow_buckets - 1;

	if (error)
		return error;
	return find_in_bucket(&t, (uint32_t)q->hash & mask, q, value) ||
			       find_in_bucket(&t, (uint32_t)(q->hash >> 32) & mask, q, value)
		       ? 0
		       : -ENOENT;
}

static int find_in_sources(struct dataplane *dp, const struct flow_question *q, uint64_t *value)
{
	struct dp_flow_table t;
	int error = dp_source_table_open(dp, q->service, &t);
	bool is_found = false;

	if (error)
		return error;
	for (uint32_t n = 0; !is_found && n < SERIN_SOURCE_DEPTH; n++)
		is_found = find_in_bucket(&t, serin_source_bucket(q->hash, n, t.buckets), q, value);
	dp_source_table_close(&t);
	return is_found ? 0 : -ENOENT;
}

int dp_flow_find(struct dataplane *dp, uint32_t service, const struct serin_addr *client,
		 uint16_t port_be, uint64_t *value)
{
	const __u64 *secret = dp->meta.flow_secret;
	struct flow_question q = {service, client, port_be, 0};
	struct in6_addr addr = dp_addr(client);
	bool is_v4 = net_is_v4(&addr);

	if (is_v4)
		q.hash = serin_flow4_hash(serin_flow4_key(client->word_be[3], port_be, service),
					  secret);
	else
		q.hash = serin_flow6_hash(client, port_be, service, secret);
	return dp_has_sources(dp, service) ? find_in_sources(dp, &q, value)
					   : find_in_table(dp, is_v4, &q, value);
}

/* ---- forgetting ---- */

typedef void entry_visitor(const void *what, __u64 *key, __u64 *value);

/* Which entries are to go: those that name a backend, or the dead ones of services. */
struct forgetting {
	const struct dataplane *dp;
	const uint8_t *is_gone;	   /* by backend; NULL: any */
	const uint8_t *is_service; /* by service; NULL: any, dead or alive */
	uint64_t now_jiffies;
};

static bool is_to_go(const struct forgetting *f, uint64_t key, uint64_t value)
{
	uint32_t backend = serin_flow_backend(value), service = serin_flow_service(key);

	if (f->is_gone && (backend >= f->dp->meta.max_backends || !f->is_gone[backend]))
		return false;
	return !f->is_service || (service < f->dp->meta.max_services && f->is_service[service] &&
				  !dp_flow_is_alive(f->dp, value, f->now_jiffies));
}

/* As the packet path evicts: the value first, so that nobody's change of it can come between. */
static void forget_entry(const void *what, __u64 *key, __u64 *value)
{
	const struct forgetting *f = what;
	uint64_t seen = __atomic_load_n(value, __ATOMIC_ACQUIRE);
	uint64_t evicted = seen | (uint64_t)SERIN_FLOW_EVICTED << SERIN_FLOW_STATE_SHIFT;
	uint64_t there = __atomic_load_n(key, __ATOMIC_ACQUIRE);

	if (!there || there == SERIN_FLOW_BUSY || !is_to_go(f, there, seen))
		return;
	if (__sync_bool_compare_and_swap(value, seen, evicted))
		__atomic_store_n(key, 0, __ATOMIC_RELEASE);
}

static void each_entry(struct dp_flow_table *t, entry_visitor *visit, const void *what)
{
	for (uint32_t i = 0; i < t->buckets * SERIN_FLOW4_WAYS; i++) {
		uint32_t b = i / SERIN_FLOW4_WAYS, way = i % SERIN_FLOW4_WAYS;

		if (t->v4)
			visit(what, &t->v4[b].flow[way].key, &t->v4[b].flow[way].value);
		else
			visit(what, &t->v6[b].flow[way].key, &t->v6[b].flow[way].value);
	}
}

static void forget_in_sources(struct dataplane *dp, const struct forgetting *f, uint32_t service)
{
	struct dp_flow_table t;
	int error = dp_source_table_open(dp, service, &t);

	if (error && error != -ENOENT)
		log_error("service %s: flows that are over are kept: %s", dp->info[service].name,
			  strerror(-error));
	if (error)
		return;
	each_entry(&t, forget_entry, f);
	dp_source_table_close(&t);
}

static void forget(struct dataplane *dp, const struct forgetting *f)
{
	struct dp_flow_table t;

	for (uint32_t id = 0; id < dp->meta.max_services; id++)
		if (dp_has_sources(dp, id) && (!f->is_service || f->is_service[id]))
			forget_in_sources(dp, f, id);
	if (dp_mmap_flows(dp))
		return;
	t = table4(dp);
	each_entry(&t, forget_entry, f);
	t = table6(dp);
	each_entry(&t, forget_entry, f);
}

void dp_flows_forget(struct dataplane *dp, const uint8_t *is_gone)
{
	const struct forgetting f = {.dp = dp, .is_gone = is_gone};

	forget(dp, &f);
}

void dp_flows_forget_dead(struct dataplane *dp, const uint8_t *is_service, uint64_t now_jiffies)
{
	const struct forgetting f = {
		.dp = dp, .is_service = is_service, .now_jiffies = now_jiffies};

	forget(dp, &f);
}

/* ---- moving ---- */

static void move_entry(const void *what, __u64 *key, __u64 *value)
{
	const struct dp_flows_move *m = what;
	uint64_t seen = __atomic_load_n(value, __ATOMIC_ACQUIRE);
	uint64_t there = __atomic_load_n(key, __ATOMIC_ACQUIRE), moved;
	uint32_t backend = serin_flow_backend(seen);
	uint32_t age = (serin_flow_epoch(seen) - m->from_epoch) & SERIN_FLOW_EPOCH_MASK;

	if (!there || there == SERIN_FLOW_BUSY || serin_flow_service(there) != m->service ||
	    backend >= m->dp->meta.max_backends || !m->is_from[backend] ||
	    age > SERIN_FLOW_EPOCH_MASK / 2)
		return;
	moved = (seen & ~(uint64_t)SERIN_FLOW_BACKEND_MASK) | m->to;
	if (__sync_bool_compare_and_swap(value, seen, moved))
		*m->count += dp_flow_is_alive(m->dp, seen, m->now_jiffies);
}

static int move_in_sources(struct dataplane *dp, const struct dp_flows_move *m)
{
	struct dp_flow_table t;
	int error = dp_source_table_open(dp, m->service, &t);

	if (error)
		return error;
	each_entry(&t, move_entry, m);
	dp_source_table_close(&t);
	return 0;
}

/* Also those that have been idle for so long that they count as over: a connection's next packet follows
 * its entry all the same. */
int dp_flows_move(struct dataplane *dp, const struct dp_flows_move *m)
{
	struct dp_flow_table t;
	int error;

	if (dp_has_sources(dp, m->service))
		return move_in_sources(dp, m);
	error = dp_mmap_flows(dp);
	if (error)
		return error;
	t = table4(dp);
	each_entry(&t, move_entry, m);
	t = table6(dp);
	each_entry(&t, move_entry, m);
	return 0;
}

int dp_flow_counters(struct dataplane *dp, struct serin_flow_counters *out)
{
	struct serin_flow_counters *per_cpu = calloc((size_t)dp->cpu_count, sizeof(*per_cpu));
	struct serin_flow_counters sum = {};
	uint32_t zero = 0;
	int error = 0;

	if (!per_cpu)
		return -ENOMEM;
	if (bpf_map_lookup_elem(dp->map_fd[DP_MAP_FLOW_COUNTERS], &zero, per_cpu))
		error = -errno;
	for (int cpu = 0; !error && cpu < dp->cpu_count; cpu++) {
		sum.inserted += per_cpu[cpu].inserted;
		sum.unremembered += per_cpu[cpu].unremembered;
		sum.unlocked += per_cpu[cpu].unlocked;
		for (int state = 0; state < SERIN_FLOW_STATE_MAX; state++)
			sum.evicted[state] += per_cpu[cpu].evicted[state];
	}
	free(per_cpu);
	if (!error)
		*out = sum;
	return error;
}

struct view_arg {
	struct dataplane *dp;
	flow_visitor *visit;
	void *arg;
	uint64_t now;
};

static int view_flow(const struct dp_flow *flow, void *arg)
{
	struct view_arg *v = arg;
	const struct dataplane *dp = v->dp;
	uint32_t backend = serin_flow_backend(flow->value);
	const struct serin_backend *b;
	struct serin_endpoint source;
	struct flow_view view;

	if (flow->service >= dp->meta.max_services || backend >= dp->meta.max_backends)
		return 0;
	b = &dp->backends[backend];
	if (b->state == SERIN_BACKEND_FREE || b->service != flow->service ||
	    b->pool >= SERIN_MAX_POOLS || !dp_flow_is_alive(dp, flow->value, v->now))
		return 0; /* it binds nobody any more */
	view = (struct flow_view){
		.service = dp->info[flow->service].name,
		.pool = dp->info[flow->service].pool[b->pool].name,
		.client = dp_addr(&flow->client),
		.client_port = ntohs(flow->client_port_be),
		.backend = dp_addr(&b->at.addr),
		.backend_port = ntohs(b->at.port_be),
		.state = serin_flow_state(flow->value),
		.epoch = serin_flow_epoch(flow->value),
		.idle_ms = dp_flow_idle_ms(flow->value, v->now),
	};
	if (flow->has_source) {
		source = dp_source_at(dp, flow->service, flow->position);
		view.source = dp_addr(&source.addr);
		view.source_port = ntohs(source.port_be);
	}
	return v->visit(&view, v->arg);
}

int dataplane_each_flow(struct dataplane *dp, flow_visitor *visit, void *arg)
{
	struct view_arg v = {.dp = dp, .visit = visit, .arg = arg};
	int error = dp_jiffies(dp, &v.now);

	return error ? error : dp_each_flow(dp, view_flow, &v);
}
