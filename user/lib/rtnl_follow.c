// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/rtnl.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

/* A storm of changes must not hold the caller: what is left keeps the descriptor readable. */
#define DRAIN_MAX 4096

struct rtnl_follower {
	struct mnl_socket *socket;
};

static int join_groups(struct mnl_socket *socket)
{
	/* A rule or a nexthop object changes routes without a route message. */
	static const int groups[] = {
		RTNLGRP_LINK,	   RTNLGRP_NEIGH,     RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
		RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, RTNLGRP_NEXTHOP,
	};

	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++) {
		int group = groups[i];

		if (mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)))
			return -errno;
	}
	return 0;
}

int rtnl_follow_open(struct rtnl_follower **out)
{
	struct rtnl_follower *f = calloc(1, sizeof(*f));
	int err;

	if (!f)
		return -ENOMEM;
	f->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!f->socket || mnl_socket_bind(f->socket, 0, MNL_SOCKET_AUTOPID))
		err = -errno;
	else
		err = join_groups(f->socket);
	if (err) {
		rtnl_follow_close(f);
		return err;
	}
	*out = f;
	return 0;
}

int rtnl_follow_fd(const struct rtnl_follower *f)
{
	return mnl_socket_get_fd(f->socket);
}

/* What the messages say is of no interest, so they are cut short on reading. */
int rtnl_follow_drain(struct rtnl_follower *f, bool *changed)
{
	bool any = false;
	char head[NLMSG_HDRLEN];
	int i;

	for (i = 0; i < DRAIN_MAX; i++) {
		if (recv(rtnl_follow_fd(f), head, sizeof(head), 0) >= 0 || errno == ENOBUFS)
			any = true;
		else if (errno == EAGAIN)
			break;
		else if (errno != EINTR)
			return -errno;
	}
	*changed = any;
	return 0;
}

void rtnl_follow_close(struct rtnl_follower *f)
{
	if (!f)
		return;
	if (f->socket)
		mnl_socket_close(f->socket);
	free(f);
}
