/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the services and good packets that the tests of passing and dropping begin with, and the
 * proof that one frame was counted for one reason. For inclusion by one test program each.
 */
#pragma once

#include "lab.h"

static const char config[] = LAB_HEAD
	"  - {name: t4, vip: 192.0.2.1, port: 80, protocol: tcp, pools: [{name: p, backends: "
	"[{address: 10.1.0.1, port: 8080}]}]}\n"
	"  - {name: u4, vip: 192.0.2.1, port: 53, protocol: udp, pools: [{name: p, backends: "
	"[{address: 10.2.0.1, port: 53}]}]}\n"
	"  - {name: t6, vip: '2001:db8:ff::1', port: 80, protocol: tcp, pools: [{name: p, "
	"backends: "
	"[{address: '2001:db8:1::1', port: 8080}]}]}\n"
	"  - {name: u6, vip: '2001:db8:ff::1', port: 53, protocol: udp, pools: [{name: p, "
	"backends: "
	"[{address: '2001:db8:2::1', port: 53}]}]}\n"
	"  - {name: gone, vip: 192.0.2.9, port: 80, protocol: tcp, primary: b, pools: [{name: a, "
	"weight: 50, backends: [{address: 10.1.0.8, port: 80}]}, {name: b, backends: [{address: "
	"10.1.0.9, port: 80}]}]}\n";

/* A good packet for each of the first four services. */
static const struct {
	const char *client, *vip;
	uint16_t port;
	uint8_t protocol;
} good[] = {
	{"198.51.100.1", "192.0.2.1", 80, IPPROTO_TCP},
	{"198.51.100.1", "192.0.2.1", 53, IPPROTO_UDP},
	{"2001:db8:c::1", "2001:db8:ff::1", 80, IPPROTO_TCP},
	{"2001:db8:c::1", "2001:db8:ff::1", 53, IPPROTO_UDP},
};

#define GOOD (sizeof(good) / sizeof(*good))

static uint8_t bytes[FRAME_MAX];
static size_t len;
static uint64_t before[SERIN_REASON_MAX];

static inline int setup(void **state)
{
	lab_setup(state);
	lab_apply(config);
	return 0;
}

static inline struct frame good_frame(size_t n)
{
	struct frame f =
		lab_request(good[n].client, 4321, good[n].vip, good[n].port, good[n].protocol);

	f.payload_len = 20;
	return f;
}

static inline void build(const struct frame *f)
{
	memset(bytes, 0, sizeof(bytes));
	len = frame_build(f, bytes);
}

static inline void build_good(size_t n)
{
	struct frame f = good_frame(n);

	build(&f);
}

static inline void note_counters(void)
{
	struct snapshot *s = lab_snapshot();

	memcpy(before, s->packets, sizeof(before));
	snapshot_free(s);
}

/* `times` packets since note_counters(), all of them for this reason, and nothing else counted. */
static inline void expect_counted(enum serin_reason reason, uint64_t times)
{
	struct snapshot *s = lab_snapshot();

	for (int i = 0; i < SERIN_REASON_MAX; i++)
		if (s->packets[i] - before[i] != (i == (int)reason ? times : 0))
			fail_msg("%s: counted %llu times, to be %llu",
				 dataplane_reason_name((enum serin_reason)i),
				 (unsigned long long)(s->packets[i] - before[i]),
				 (unsigned long long)(i == (int)reason ? times : 0));
	for (size_t i = 0; i < s->service_count; i++)
		for (size_t j = 0; j < s->services[i].pool_count; j++)
			if (s->services[i].pools[j].counters.packets_in)
				fail_msg("%s: a packet was counted", s->services[i].name);
	snapshot_free(s);
}

static inline void run_untouched(int ifindex, uint32_t action)
{
	struct outcome out;

	lab_run(ifindex, bytes, len, &out);
	assert_int_equal(out.action, action);
	assert_int_equal(out.len, len);
	assert_memory_equal(out.bytes, bytes, len);
}

static inline void expect_pass(enum serin_reason reason)
{
	note_counters();
	run_untouched(lab_front, XDP_PASS);
	expect_counted(reason, 1);
}

static inline void expect_pass_frame(const struct frame *f, enum serin_reason reason)
{
	build(f);
	expect_pass(reason);
}
