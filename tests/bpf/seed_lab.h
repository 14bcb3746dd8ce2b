/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns what the tests of seeds have in common: a service whose file says 11, another seed for it, and
 * clients. For inclusion by one test program each.
 */
#pragma once

#include <arpa/inet.h>

#include <serin/hash.h>

#include "apply_lab.h"

#include "dataplane/internal.h"
#include "model/live.h"

#define CLIENTS 600
#define HALF	(SPLIT_PPM_ALL / 2)

/* The canary's host is 1, the baseline's 5; 2 and 3 are the stable one's. */
#define POOLS                           \
	WEIGHED("canary", "0", HOST(1)) \
	POOL("stable", HOST(2) HOST(3)) WEIGHED("base", "0", HOST(5))
#define FILE_OF(vip, settings) LAB_HEAD SERVICE("web", vip, settings, POOLS)
#define FILE_SEED	       11

static const char file[] = FILE_OF("192.0.2.1", ", seed: 11");
static const char clients_file[] = FILE_OF("192.0.2.1", ", seed: 11, affinity: client");
static const char new_file[] = FILE_OF("192.0.2.1", ", seed: 12");

static struct live_change change;

static inline int ask_seed(uint64_t seed, int64_t epoch)
{
	const struct dataplane_seed_request request = {
		.service = "web",
		.seed = seed,
		.expect_epoch = epoch,
		.author = {.actor = "test", .reason = "because", .change = &change},
	};
	struct dataplane *dp = lab_open(DATAPLANE_WRITE);
	int real = lab_hush_begin();
	int error = dataplane_set_seed(dp, &request);

	lab_hush_end(real);
	dataplane_close(dp);
	return error;
}

static inline void take_seed(uint64_t seed)
{
	if (ask_seed(seed, -1))
		fail_msg("%s", lab_errors);
}

static inline int finish(void **state)
{
	live_change_fini(&change);
	return lab_teardown(state);
}

static inline void expect_seeds(uint64_t live, uint64_t of_file)
{
	struct snapshot *s = lab_snapshot();
	const struct snapshot_service *svc = snapshot_find_service(s, "web");

	assert_int_equal(svc->seed, live);
	assert_int_equal(svc->file_seed, of_file);
	snapshot_free(s);
}

static inline struct frame frame_of(unsigned int client)
{
	char address[32];

	snprintf(address, sizeof(address), "198.51.%u.%u", client / 250, 1 + client % 250);
	return lab_request(address, (uint16_t)(1024 + client), "192.0.2.1", 80, IPPROTO_TCP);
}

static inline unsigned int send_of(unsigned int client, uint8_t flags)
{
	struct frame f = frame_of(client);

	f.tcp_flags = flags;
	return lab_ask(&f);
}

static inline void find_cohort(bool is_canary[CLIENTS])
{
	for (unsigned int i = 0; i < CLIENTS; i++) {
		struct frame f = frame_of(i);

		is_canary[i] = lab_choose(&f) == 1;
	}
}
