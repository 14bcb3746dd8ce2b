// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The two maps of tables. The kernel waits for an RCU grace period with each write to one of them,
 * and before Linux 6.8 with each look-up, too, so that one after the other those of ten thousand
 * services would take minutes. Here many are waited for at the same time.
 */
#include "dataplane/internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <pthread.h>

#define WORKERS_MAX  256
#define WORKER_STACK 65536

void dp_outer_add(struct dp_outer *o, uint32_t pool_index, int fd)
{
	o->keys[o->count] = pool_index;
	o->values[o->count++] = fd;
}

enum operation {
	SET,
	REMOVE,
	LOOK_UP,
};

/* Some of the entries, for one thread. */
struct share {
	enum operation operation;
	int map_fd;
	uint32_t *keys;
	int *values;
	size_t count;
	int error;
	bool is_thread;
	pthread_t thread;
};

static int set_share(struct share *s)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	uint32_t count = (uint32_t)s->count;

	return bpf_map_update_batch(s->map_fd, s->keys, s->values, &count, &opts) ? -errno : 0;
}

static int remove_share(struct share *s)
{
	int error = 0;

	for (size_t i = 0; i < s->count; i++)
		if (bpf_map_delete_elem(s->map_fd, &s->keys[i]) && errno != ENOENT)
			error = -errno;
	return error;
}

static int look_up_share(struct share *s)
{
	int error = 0;

	for (size_t i = 0; i < s->count; i++) {
		s->values[i] = 0;
		if (bpf_map_lookup_elem(s->map_fd, &s->keys[i], &s->values[i]) && errno != ENOENT)
			error = -errno;
	}
	return error;
}

static void *work(void *arg)
{
	static int (*const functions[])(struct share *) = {
		[SET] = set_share, [REMOVE] = remove_share, [LOOK_UP] = look_up_share};
	struct share *s = arg;

	s->error = functions[s->operation](s);
	return NULL;
}

static void start(struct share *s, const pthread_attr_t *attr)
{
	s->is_thread = !pthread_create(&s->thread, attr, work, s);
	if (!s->is_thread)
		work(s);
}

static int run(struct dataplane *dp, enum dp_map map, struct dp_outer *o, enum operation operation)
{
	struct share shares[WORKERS_MAX];
	size_t workers = o->count < WORKERS_MAX ? o->count : WORKERS_MAX;
	pthread_attr_t attr;
	int error = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, WORKER_STACK);
	for (size_t i = 0; i < workers; i++) {
		size_t begin = o->count * i / workers, end = o->count * (i + 1) / workers;

		shares[i] = (struct share){.operation = operation,
					   .map_fd = dp->map_fd[map],
					   .keys = o->keys + begin,
					   .values = o->values + begin,
					   .count = end - begin};
		if (i + 1 < workers)
			start(&shares[i], &attr);
		else
			work(&shares[i]);
	}
	for (size_t i = 0; i < workers; i++) {
		if (shares[i].is_thread)
			pthread_join(shares[i].thread, NULL);
		error = error ? error : shares[i].error;
	}
	pthread_attr_destroy(&attr);
	return error;
}

int dp_outer_set(struct dataplane *dp, enum dp_map map, struct dp_outer *o)
{
	int error = run(dp, map, o, SET);

	for (size_t i = 0; !error && map == DP_MAP_TABLES && i < o->count; i++)
		dp_inner_pin(dp, map, o->keys[i], o->values[i]);
	return error;
}

int dp_outer_remove(struct dataplane *dp, enum dp_map map, struct dp_outer *o)
{
	for (size_t i = 0; map == DP_MAP_TABLES && i < o->count; i++)
		dp_inner_unpin(dp, map, o->keys[i]);
	return run(dp, map, o, REMOVE);
}

int dp_outer_look_up(struct dataplane *dp, enum dp_map map, struct dp_outer *o)
{
	return run(dp, map, o, LOOK_UP);
}
