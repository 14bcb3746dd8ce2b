/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns what the tests of apply have in common: configurations made of pieces, and steps from one
 * to the next with everything that must hold of every step. For inclusion by one test program each.
 */
#pragma once

#include "lab.h"

#define SERVICE(name, vip, settings, pools)                                                    \
	"  - {name: " name ", vip: " vip ", port: 80, protocol: tcp, primary: stable" settings \
	", pools: [" pools "]}\n"
#define POOL(name, backends) "{name: " name ", backends: [" backends "]}, "
#define WEIGHED(name, weight, backends) \
	"{name: " name ", weight: " weight ", backends: [" backends "]}, "
#define HOST(n) "{address: 10.1.0." #n "}, "

#define WEB(settings, pools) LAB_HEAD SERVICE("web", "192.0.2.1", settings, pools)
/* The same, where all that changes settles within seconds. */
#define HASTY_WEB(s, pools) LAB_HASTY_HEAD(s) SERVICE("web", "192.0.2.1", "", pools)

/* Refused: it says why, and nothing is other than it was. */
static inline void apply_expect_refusal(const char *yaml, int error)
{
	char *before = lab_status();

	assert_int_equal(lab_apply_yaml(yaml, false), error);
	assert_true(lab_lines(lab_errors) >= 1);
	lab_expect_status(before);
}

/* The configuration is in force: to apply it again is to change nothing. */
static inline void apply_expect_settled(const char *yaml)
{
	char *before = lab_status();

	assert_int_equal(lab_apply_yaml(yaml, true), 0);
	assert_string_equal(lab_changes, "no changes\n");
	lab_apply(yaml);
	assert_string_equal(lab_changes, "no changes\n");
	lab_expect_status(before);
}

/* A step tells the same whether it is dry or not, and only the real one does anything. */
static inline void apply_step(const char *yaml, const char *told)
{
	char *before = lab_status();

	assert_int_equal(lab_apply_yaml(yaml, true), 0);
	assert_string_equal(lab_changes, told);
	lab_expect_status(before);
	lab_apply(yaml);
	assert_string_equal(lab_changes, told);
}

static inline void apply_expect_weight(const char *pool, uint32_t ppm)
{
	struct snapshot *s = lab_snapshot();

	assert_int_equal(lab_pool(s, "web", pool)->weight_ppm, ppm);
	snapshot_free(s);
}

static inline enum serin_backend_state apply_state(const char *service, const char *pool,
						   unsigned int host)
{
	struct snapshot *s = lab_snapshot();
	const struct snapshot_pool *p = lab_pool(s, service, pool);
	enum serin_backend_state state = SERIN_BACKEND_FREE;

	for (size_t i = 0; i < p->backend_count; i++)
		if (p->backends[i].address.s6_addr[15] == host)
			state = p->backends[i].state;
	snapshot_free(s);
	return state;
}

/* Which hosts get new connections of a service: bit n for host n. */
static inline uint64_t apply_hosts(const char *vip)
{
	uint64_t hosts = 0;

	for (uint16_t port = 1; port <= 2000; port++) {
		struct frame f = lab_request("198.51.100.250", port, vip, 80, IPPROTO_TCP);

		hosts |= 1ull << lab_choose(&f);
	}
	return hosts;
}

#define BIT(n) (1ull << (n))
