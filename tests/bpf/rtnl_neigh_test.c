// SPDX-License-Identifier: GPL-2.0-or-later
/* Neighbours asked of the kernel, and what a follower hears of. */
#include <errno.h>
#include <poll.h>
#include <time.h>

#include "rtnl_lab.h"

#define QUIET_MS 100

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Asks until the entry is in this state; then what it is. */
static struct rtnl_neigh wait_for(const char *text, enum rtnl_neigh_state wanted)
{
	struct in6_addr a = addr(text);
	int64_t deadline = now_ms() + DEADLINE_MS;
	struct rtnl_neigh neigh;

	for (;;) {
		assert_int_equal(rtnl_neigh_get(rtnl, ifindex, &a, &neigh), 0);
		if (neigh.state == wanted || now_ms() > deadline)
			break;
		poll(NULL, 0, 10);
	}
	assert_int_equal(neigh.state, wanted);
	return neigh;
}

static void probe(const char *text)
{
	struct in6_addr a = addr(text);

	assert_int_equal(rtnl_neigh_probe(rtnl, ifindex, &a), 0);
}

static void neighbour_appears_when_probed(void **state)
{
	static const char *const hosts[] = {"10.99.0.2", "2001:db8:99::2"};
	static const uint8_t mac[] = {2, 0, 0, 0, 0, 2};
	struct rtnl_neigh neigh;

	(void)state;
	run("ip neighbour flush dev near");
	for (int i = 0; i < 2; i++) {
		wait_for(hosts[i], RTNL_NEIGH_NONE);
		probe(hosts[i]);
		neigh = wait_for(hosts[i], RTNL_NEIGH_VALID);
		assert_memory_equal(neigh.mac, mac, sizeof(mac));
		assert_false(neigh.is_stale);
	}
}

static void neighbour_resolves_until_it_is_given_up(void **state)
{
	static const char *const hosts[] = {"10.99.0.8", "2001:db8:99::8"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		wait_for(hosts[i], RTNL_NEIGH_NONE);
		probe(hosts[i]);
		wait_for(hosts[i], RTNL_NEIGH_RESOLVING);
	}
}

static void absent_neighbour_fails_and_is_revived(void **state)
{
	static const char *const hosts[] = {"10.99.0.9", "2001:db8:99::9"};
	static const uint8_t mac[] = {2, 0, 0, 0, 0, 2};
	struct rtnl_neigh neigh;

	(void)state;
	give_up_after(100);
	for (int i = 0; i < 2; i++) {
		wait_for(hosts[i], RTNL_NEIGH_NONE);
		probe(hosts[i]);
		wait_for(hosts[i], RTNL_NEIGH_FAILED);
	}
	give_up_after(10 * DEADLINE_MS);
	run("nsenter -t %d -n ip address add 10.99.0.9/24 dev far", peer);
	run("nsenter -t %d -n ip address add 2001:db8:99::9/64 dev far nodad", peer);
	for (int i = 0; i < 2; i++) {
		probe(hosts[i]);
		neigh = wait_for(hosts[i], RTNL_NEIGH_VALID);
		assert_memory_equal(neigh.mac, mac, sizeof(mac));
	}
}

/* Nobody has confirmed it lately, but its address is good until somebody denies it. */
static void stale_neighbour_is_valid(void **state)
{
	(void)state;
	run("ip neighbour replace 10.99.0.50 lladdr 02:00:00:00:00:32 nud stale dev near");
	assert_true(wait_for("10.99.0.50", RTNL_NEIGH_VALID).is_stale);
}

static void permanent_neighbour_survives_a_probe(void **state)
{
	static const uint8_t mac[] = {2, 0, 0, 0, 0, 0x33};
	struct rtnl_neigh neigh;

	(void)state;
	run("ip neighbour replace 10.99.0.51 lladdr 02:00:00:00:00:33 nud permanent dev near");
	probe("10.99.0.51");
	neigh = wait_for("10.99.0.51", RTNL_NEIGH_VALID);
	assert_memory_equal(neigh.mac, mac, sizeof(mac));
	run("ip neighbour show 10.99.0.51 dev near | grep -q PERMANENT");
}

static void no_neighbour_is_valid_without_a_mac(void **state)
{
	struct in6_addr a = addr("2001:db8:98::2");
	struct rtnl_neigh neigh = {.state = RTNL_NEIGH_VALID};
	int tun;

	(void)state;
	run("ip tuntap add name tube mode tun");
	run("ip link set tube up");
	tun = (int)if_nametoindex("tube");
	assert_int_equal(rtnl_neigh_probe(rtnl, tun, &a), 0);
	assert_int_equal(rtnl_neigh_get(rtnl, tun, &a, &neigh), 0);
	assert_int_equal(neigh.state, RTNL_NEIGH_FAILED);
	run("ip link delete tube");
}

static void neighbours_of_no_link_are_an_error(void **state)
{
	struct in6_addr a = addr("10.99.0.2");
	struct rtnl_neigh neigh = {.state = RTNL_NEIGH_FAILED};

	(void)state;
	assert_int_equal(rtnl_neigh_get(rtnl, 12345, &a, &neigh), -ENODEV);
	assert_int_equal(rtnl_neigh_probe(rtnl, 12345, &a), -ENODEV);
	assert_int_equal(neigh.state, RTNL_NEIGH_FAILED);
}

/* Reads on until nothing has come for a while. */
static void drain(struct rtnl_follower *follower)
{
	struct pollfd fd = {.fd = rtnl_follow_fd(follower), .events = POLLIN};
	bool changed;

	while (poll(&fd, 1, QUIET_MS) > 0)
		assert_int_equal(rtnl_follow_drain(follower, &changed), 0);
	assert_int_equal(rtnl_follow_drain(follower, &changed), 0);
	assert_false(changed);
}

static void expect_heard(struct rtnl_follower *follower, const char *command)
{
	struct pollfd fd = {.fd = rtnl_follow_fd(follower), .events = POLLIN};
	bool changed = false;

	drain(follower);
	run("%s", command);
	assert_int_equal(poll(&fd, 1, DEADLINE_MS), 1);
	assert_int_equal(rtnl_follow_drain(follower, &changed), 0);
	assert_true(changed);
}

static void follower_hears_of_every_kind(void **state)
{
	static const char *const commands[] = {
		"ip link set near mtu 1300",
		"ip neighbour replace 10.99.0.60 lladdr 02:00:00:00:00:60 dev near",
		"ip neighbour replace 2001:db8:99::60 lladdr 02:00:00:00:00:60 dev near",
		"ip route add 172.30.0.0/24 via 10.99.0.2",
		"ip -6 route add 2001:db8:300::/64 via 2001:db8:99::2",
		"ip rule add to 172.31.0.0/24 blackhole",
		"ip -6 rule add to 2001:db8:301::/64 blackhole",
		"ip nexthop add id 7 via 10.99.0.2 dev near",
	};
	struct rtnl_follower *follower;

	(void)state;
	assert_int_equal(rtnl_follow_open(&follower), 0);
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		expect_heard(follower, commands[i]);
	rtnl_follow_close(follower);
}

/* More changes than the socket has room for: those lost count as a change, and it goes on. */
static void follower_survives_an_overrun(void **state)
{
	struct rtnl_follower *follower;
	int smallest = 1;

	(void)state;
	assert_int_equal(rtnl_follow_open(&follower), 0);
	drain(follower);
	setsockopt(rtnl_follow_fd(follower), SOL_SOCKET, SO_RCVBUF, &smallest, sizeof(smallest));
	expect_heard(follower, "for i in $(seq 50); do echo link set near mtu $((1300 + i)); done |"
			       " ip -batch -");
	expect_heard(follower, "ip link set near mtu 1400");
	rtnl_follow_close(follower);
}

static void sockets_close_on_exec(void **state)
{
	struct rtnl_follower *follower;

	(void)state;
	assert_int_equal(rtnl_follow_open(&follower), 0);
	run("! ls -l /proc/self/fd | grep -q socket:");
	rtnl_follow_close(follower);
}

static void closing_nothing_is_fine(void **state)
{
	(void)state;
	rtnl_close(NULL);
	rtnl_follow_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neighbour_appears_when_probed),
		cmocka_unit_test(neighbour_resolves_until_it_is_given_up),
		cmocka_unit_test(absent_neighbour_fails_and_is_revived),
		cmocka_unit_test(stale_neighbour_is_valid),
		cmocka_unit_test(permanent_neighbour_survives_a_probe),
		cmocka_unit_test(no_neighbour_is_valid_without_a_mac),
		cmocka_unit_test(neighbours_of_no_link_are_an_error),
		cmocka_unit_test(follower_hears_of_every_kind),
		cmocka_unit_test(follower_survives_an_overrun),
		cmocka_unit_test(sockets_close_on_exec),
		cmocka_unit_test(closing_nothing_is_fine),
	};

	lab_enter();
	return cmocka_run_group_tests(tests, lab_setup, lab_teardown);
}
