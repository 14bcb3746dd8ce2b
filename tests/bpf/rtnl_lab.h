/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the two hosts of the rtnetlink tests: "near" in this process's own network namespace and
 * "far" in that of a child, a veth pair between them. Both are gone when the test ends, however it
 * ends. For inclusion by one test program each.
 */
#pragma once

#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/net.h"
#include "lib/rtnl.h"

#define DEADLINE_MS 5000

static pid_t peer;
static struct rtnl *rtnl;
static int ifindex; /* of near, our end */

__attribute__((format(printf, 1, 2))) static void run(const char *format, ...)
{
	char command[256];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	assert_int_equal(system(command), 0);
}

static struct in6_addr addr(const char *text)
{
	struct in6_addr a;

	assert_int_equal(net_parse_addr(text, &a), 0);
	return a;
}

/* A child in a namespace of its own, which dies with us. */
static pid_t start_peer(void)
{
	pid_t parent = getpid(), child;
	int ready[2];
	char byte;

	assert_int_equal(pipe(ready), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent || unshare(CLONE_NEWNET) || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return child;
}

/* How long the kernel waits for an answer to its one question; those that are there may be slow. */
static void give_up_after(int ms)
{
	run("echo %d > /proc/sys/net/ipv4/neigh/near/retrans_time_ms", ms);
	run("echo %d > /proc/sys/net/ipv6/neigh/near/retrans_time_ms", ms);
}

static void make_near_end(void)
{
	run("ip link set lo up");
	run("ip link add near type veth peer name far netns %d", peer);
	/* No solicitation goes out before the link-local address has been found unique: 1 s. */
	run("echo 0 > /proc/sys/net/ipv6/conf/near/accept_dad");
	run("ip link set near address 02:00:00:00:00:01 mtu 1400 up");
	run("ip address add 10.99.0.1/24 dev near");
	run("ip address add 2001:db8:99::1/64 dev near nodad");
	/* An absent host is given up after one question. */
	run("echo 1 > /proc/sys/net/ipv4/neigh/near/mcast_solicit");
	run("echo 1 > /proc/sys/net/ipv6/neigh/near/mcast_solicit");
	give_up_after(10 * DEADLINE_MS);
}

/* Before its state is UP, the kernel throws away what an interface is to send. */
static void wait_until_up(const char *show)
{
	run("timeout 5 sh -c 'until %s | grep -q \"state UP\"; do sleep 0.01; done'", show);
}

static int lab_setup(void **state)
{
	char show_far[64];

	(void)state;
	peer = start_peer();
	make_near_end();
	run("nsenter -t %d -n ip link set far address 02:00:00:00:00:02 up", peer);
	run("nsenter -t %d -n ip address add 10.99.0.2/24 dev far", peer);
	run("nsenter -t %d -n ip address add 2001:db8:99::2/64 dev far nodad", peer);
	wait_until_up("ip link show near");
	snprintf(show_far, sizeof(show_far), "nsenter -t %d -n ip link show far", peer);
	wait_until_up(show_far);
	assert_int_equal(rtnl_open(&rtnl), 0);
	ifindex = (int)if_nametoindex("near");
	return 0;
}

static int lab_teardown(void **state)
{
	(void)state;
	rtnl_close(rtnl);
	kill(peer, SIGKILL);
	waitpid(peer, NULL, 0);
	return 0;
}

/* Before anything else: what follows touches nothing of the host's. */
static void lab_enter(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) {
		perror("cannot enter a network namespace of its own (root is needed)");
		exit(1);
	}
}
