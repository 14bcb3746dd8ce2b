// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whole tables, read as dumps. Each has a socket of its own: one that is given up half-way leaves
 * no answers behind for the next question, and visitors can ask questions meanwhile.
 */
#include "lib/rtnl_talk.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#define RECEIVE_TIMEOUT_S 2
#define REPLY_SIZE	  32768 /* the kernel makes no larger part of a dump */

struct dump {
	struct mnl_socket *socket;
	rtnl_parser *take; /* anything but 0 ends the dump */
	void *arg;
	bool is_torn; /* the table changed meanwhile */
	bool is_complete;
};

static int take_datagram(struct dump *d, const char *reply, int left)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)reply;
	int err = 0;

	for (; !err && mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		d->is_torn |= nlh->nlmsg_flags & NLM_F_DUMP_INTR;
		if (nlh->nlmsg_type != NLMSG_DONE && nlh->nlmsg_type != NLMSG_ERROR) {
			err = d->take(nlh, d->arg);
			continue;
		}
		if (mnl_nlmsg_get_payload_len(nlh) < sizeof(err))
			return -EBADMSG;
		memcpy(&err, mnl_nlmsg_get_payload(nlh), sizeof(err));
		d->is_complete = true;
		break;
	}
	return err;
}

static int receive_all(struct dump *d)
{
	_Alignas(struct nlmsghdr) char reply[REPLY_SIZE];
	int err = 0;

	while (!err && !d->is_complete) {
		ssize_t n = mnl_socket_recvfrom(d->socket, reply, sizeof(reply));

		if (n >= 0)
			err = take_datagram(d, reply, (int)n);
		else if (errno != EINTR)
			err = errno == EAGAIN ? -ETIMEDOUT : -errno;
	}
	return err ? err : d->is_torn ? -EINTR : 0;
}

static int ask(struct dump *d, struct nlmsghdr *request)
{
	struct timeval timeout = {.tv_sec = RECEIVE_TIMEOUT_S};

	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	if (mnl_socket_bind(d->socket, 0, MNL_SOCKET_AUTOPID) ||
	    setsockopt(mnl_socket_get_fd(d->socket), SOL_SOCKET, SO_RCVTIMEO, &timeout,
		       sizeof(timeout)) ||
	    mnl_socket_sendto(d->socket, request, request->nlmsg_len) < 0)
		return -errno;
	return 0;
}

int rtnl_dump(struct nlmsghdr *request, rtnl_parser *take, void *arg)
{
	struct dump d = {.take = take, .arg = arg};
	int err;

	d.socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!d.socket)
		return -errno;
	err = ask(&d, request);
	if (!err)
		err = receive_all(&d);
	mnl_socket_close(d.socket);
	return err;
}
