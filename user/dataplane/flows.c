// SPDX-License-Identifier: GPL-2.0-or-later
/* The flow table, as user space reads it. */
#include "dataplane/internal.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/log.h"

#define BATCH 4096

uint64_t dp_flow_idle_seconds(enum serin_flow_state state)
{
	static const uint64_t seconds[] = {
		[SERIN_FLOW_SYN] = 60,
		[SERIN_FLOW_ESTABLISHED] = 2 * 3600 + 240, /* RFC 5382, REQ-5: 2 h 4 min */
		[SERIN_FLOW_CLOSING] = 60,
		[SERIN_FLOW_UDP] = 120, /* RFC 4787, REQ-5 */
	};

	_Static_assert(sizeof(seconds) / sizeof(*seconds) == SERIN_FLOW_STATE_MAX, "one each");
	return (unsigned int)state < SERIN_FLOW_STATE_MAX ? seconds[state] : 0;
}

const char *flow_state_name(enum serin_flow_state state)
{
	static const char *const names[] = {"syn", "established", "closing", "udp"};

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

bool dp_flow_is_alive(const struct serin_flow *flow, uint64_t now)
{
	uint64_t idle = now > flow->seen_jiffies ? now - flow->seen_jiffies : 0;

	return idle <= dp_flow_idle_seconds(flow->state) * (uint64_t)dp_ticks_per_second();
}

int dp_each_flow(struct dataplane *dp, dp_flow_visitor *visit, void *arg)
{
	struct serin_flow_key *keys = calloc(BATCH, sizeof(*keys));
	struct serin_flow *flows = calloc(BATCH, sizeof(*flows));
	uint32_t from = 0, next = 0;
	bool is_first = true, is_last = false;
	int error = keys && flows ? 0 : -ENOMEM;

	while (!error && !is_last) {
		uint32_t count = BATCH;

		if (bpf_map_lookup_batch(dp->map_fd[DP_MAP_FLOWS], is_first ? NULL : &from, &next,
					 keys, flows, &count, NULL)) {
			is_last = errno == ENOENT;
			if (!is_last) {
				error = -errno;
				break;
			}
		}
		for (uint32_t i = 0; !error && i < count; i++)
			error = visit(&keys[i], &flows[i], arg);
		is_first = false;
		from = next;
	}
	free(keys);
	free(flows);
	return error;
}

struct view_arg {
	struct dataplane *dp;
	flow_visitor *visit;
	void *arg;
	uint64_t now;
};

static int view_flow(const struct serin_flow_key *key, const struct serin_flow *flow, void *arg)
{
	struct view_arg *v = arg;
	const struct dataplane *dp = v->dp;
	const struct serin_backend *b;
	struct flow_view view;

	if (key->service >= dp->meta.max_services || flow->backend >= dp->meta.max_backends)
		return 0;
	b = &dp->backends[flow->backend];
	if (b->generation != flow->generation || b->service != key->service ||
	    b->pool >= SERIN_MAX_POOLS || !dp_flow_is_alive(flow, v->now))
		return 0; /* it binds nobody any more */
	view = (struct flow_view){
		.service = dp->info[key->service].name,
		.pool = dp->info[key->service].pool[b->pool].name,
		.client = dp_addr(&key->client),
		.client_port = ntohs(key->client_port_be),
		.backend = dp_addr(&b->at.addr),
		.backend_port = ntohs(b->at.port_be),
		.state = flow->state,
		.epoch = flow->epoch,
	};
	if (v->now > flow->seen_jiffies)
		view.idle_ms =
			(v->now - flow->seen_jiffies) * 1000 / (uint64_t)dp_ticks_per_second();
	return v->visit(&view, v->arg);
}

int dataplane_each_flow(struct dataplane *dp, flow_visitor *visit, void *arg)
{
	struct view_arg v = {.dp = dp, .visit = visit, .arg = arg};
	int error = dp_jiffies(dp, &v.now);

	return error ? error : dp_each_flow(dp, view_flow, &v);
}
