// SPDX-License-Identifier: GPL-2.0-or-later
/* Flows of a candidate that is taken back end, those of fullnat and idle ones as well: for so long as they
 * are to be remembered. */
#include "apply_lab.h"

#include "balance/split.h"
#include "lib/rtnl.h"

#define SEED 0x2f9d1c06b58e74a3ull
#define BORN 100

#define POOLS WEIGHED("canary", "0", HOST(1)) POOL("stable", HOST(2))

static const char nat[] = LAB_HASTY_HEAD(1) SERVICE("web", "192.0.2.1", "", POOLS);
static const char two[] = LAB_HASTY_HEAD(1) SERVICE("web", "192.0.2.1", "", POOLS)
	SERVICE("other", "192.0.2.2", "", POOLS);
static const char fullnat[] = LAB_HASTY_HEAD(1) SERVICE(
	"web", "192.0.2.1", ", forwarding: fullnat, source_addresses: [10.1.255.200]", POOLS);

static unsigned int send_of(unsigned int client, uint8_t flags)
{
	struct frame f = lab_request("198.51.100.1", (uint16_t)(1024 + client), "192.0.2.1", 80,
				     IPPROTO_TCP);

	f.tcp_flags = flags;
	return lab_ask(&f);
}

static int count_flow(const struct flow_view *flow, void *arg)
{
	(void)flow;
	++*(unsigned int *)arg;
	return 0;
}

static unsigned int count_living(void)
{
	struct dataplane *dp = lab_open(DATAPLANE_READ);
	unsigned int count = 0;

	assert_int_equal(dataplane_each_flow(dp, count_flow, &count), 0);
	dataplane_close(dp);
	return count;
}

static void wait_until_idle(void)
{
	uint64_t since_ms = lab_now_ms();

	while (count_living())
		lab_wait(since_ms, "flows to be idle");
}

/* What an agent does meanwhile, when all could settle. */
static void maintain(void)
{
	struct dataplane *dp = lab_open(DATAPLANE_WRITE);
	struct rtnl *rtnl = NULL;

	assert_int_equal(rtnl_open(&rtnl), 0);
	assert_int_equal(dataplane_maintain(dp, rtnl), 0);
	rtnl_close(rtnl);
	dataplane_close(dp);
}

static void remember(uint32_t seconds)
{
	struct dataplane *dp = lab_open(DATAPLANE_WRITE);

	assert_int_equal(dataplane_remember_flows(dp, "web", seconds), 0);
	dataplane_close(dp);
}

static bool is_settled(const char *service)
{
	struct snapshot *s = lab_snapshot();
	bool answer = snapshot_find_service(s, service)->is_settled;

	snapshot_free(s);
	return answer;
}

static void wait_until_settled(const char *service)
{
	uint64_t since_ms = lab_now_ms();

	while (!is_settled(service)) {
		lab_wait(since_ms, "the service to settle");
		maintain();
	}
}

static void reset(const char *yaml)
{
	static uint8_t hosts[BORN];
	struct dataplane *dp;
	unsigned int canaries = 0;

	lab_teardown(NULL);
	lab_apply(yaml);
	remember(600);
	assert_int_equal(lab_shift("web", "canary", SPLIT_PPM_ALL / 2), 0);
	for (unsigned int i = 0; i < BORN; i++) {
		hosts[i] = (uint8_t)send_of(i, FRAME_SYN);
		canaries += hosts[i] == 1;
	}
	assert_in_range(canaries, 20, 80);
	wait_until_idle();
	maintain();
	for (unsigned int i = 0; i < BORN; i += 2) /* half of them live on */
		assert_int_equal(send_of(i, FRAME_ACK), hosts[i]);
	assert_int_equal(lab_shift("web", "canary", 0), 0);
	dp = lab_open(DATAPLANE_WRITE);
	assert_true(dataplane_reset_flows(dp, "web", "canary", 2) >= 0);
	dataplane_close(dp);
	for (unsigned int i = 0; i < BORN; i++)
		assert_int_equal(send_of(i, FRAME_ACK), 2);
}

/* Nobody has to say that it is over: who was to may not live. */
static void test_the_lease_ends(void **state)
{
	uint64_t ends_ms;

	(void)state;
	lab_teardown(NULL);
	lab_apply(two);
	remember(600);
	assert_int_equal(lab_shift("web", "canary", SPLIT_PPM_ALL / 2), 0);
	assert_int_equal(lab_shift("other", "canary", SPLIT_PPM_ALL / 2), 0);
	wait_until_settled("other");
	assert_false(is_settled("web"));
	ends_ms = lab_now_ms() + 1000;
	remember(1);
	wait_until_settled("web");
	assert_true(lab_now_ms() >= ends_ms);
}

static void test_nat(void **state)
{
	(void)state;
	reset(nat);
}

static void test_fullnat(void **state)
{
	(void)state;
	reset(fullnat);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_nat, lab_teardown),
		cmocka_unit_test_teardown(test_fullnat, lab_teardown),
		cmocka_unit_test_teardown(test_the_lease_ends, lab_teardown),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, lab_teardown);
}
