// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/rtnl_talk.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "lib/net.h"
#include "lib/rtnl.h"

#define RECEIVE_TIMEOUT_S 2	/* the kernel answers at once; this is for never hanging */
#define REQUEST_SIZE	  256	/* of our own making: a header and at most one address */
#define REPLY_SIZE	  32768 /* a link with everything it has to tell */

struct rtnl {
	struct mnl_socket *socket;
	uint32_t portid;
	uint32_t seq;
	_Alignas(struct nlmsghdr) char request[REQUEST_SIZE];
	_Alignas(struct nlmsghdr) char reply[REPLY_SIZE];
};

int rtnl_open(struct rtnl **out)
{
	struct timeval timeout = {.tv_sec = RECEIVE_TIMEOUT_S};
	struct rtnl *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!r->socket || mnl_socket_bind(r->socket, 0, MNL_SOCKET_AUTOPID) ||
	    setsockopt(mnl_socket_get_fd(r->socket), SOL_SOCKET, SO_RCVTIMEO, &timeout,
		       sizeof(timeout))) {
		int err = -errno;

		rtnl_close(r);
		return err;
	}
	r->portid = mnl_socket_get_portid(r->socket);
	*out = r;
	return 0;
}

void rtnl_close(struct rtnl *r)
{
	if (!r)
		return;
	if (r->socket)
		mnl_socket_close(r->socket);
	free(r);
}

struct nlmsghdr *rtnl_request(struct rtnl *r, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(r->request);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	nlh->nlmsg_seq = ++r->seq;
	return nlh;
}

static ssize_t receive(struct rtnl *r)
{
	ssize_t n;

	do {
		n = mnl_socket_recvfrom(r->socket, r->reply, sizeof(r->reply));
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	return errno == EAGAIN ? -ETIMEDOUT : -errno;
}

struct answer {
	rtnl_parser *parse; /* NULL once it has had its message, or where there is none to have */
	void *out;
	bool is_complete;
};

static int take_message(const struct nlmsghdr *nlh, struct answer *answer)
{
	const struct nlmsgerr *result = mnl_nlmsg_get_payload(nlh);
	int err;

	if (nlh->nlmsg_type != NLMSG_ERROR) {
		err = answer->parse ? answer->parse(nlh, answer->out) : 0;
		answer->parse = NULL;
		return err;
	}
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*result))
		return -EBADMSG;
	if (!result->error && answer->parse)
		return -EBADMSG;
	answer->is_complete = true;
	return result->error;
}

/* Messages of another sequence number are late answers to a request that timed out. */
static int take_datagram(struct rtnl *r, ssize_t len, struct answer *answer)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)r->reply;
	int left = (int)len;
	int err = 0;

	for (; !err && mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
		if (nlh->nlmsg_seq == r->seq && nlh->nlmsg_pid == r->portid)
			err = take_message(nlh, answer);
	return err;
}

int rtnl_talk(struct rtnl *r, const struct nlmsghdr *nlh, rtnl_parser *parse, void *out)
{
	struct answer answer = {.parse = parse, .out = out};
	ssize_t n;
	int err = 0;

	do {
		n = mnl_socket_sendto(r->socket, nlh, nlh->nlmsg_len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	while (!err && !answer.is_complete) {
		n = receive(r);
		err = n < 0 ? (int)n : take_datagram(r, n, &answer);
	}
	return err;
}

uint8_t rtnl_family(const struct in6_addr *a)
{
	return net_is_v4(a) ? AF_INET : AF_INET6;
}

void rtnl_put_addr(struct nlmsghdr *nlh, uint16_t type, const struct in6_addr *a)
{
	if (net_is_v4(a))
		mnl_attr_put(nlh, type, 4, &a->s6_addr[12]);
	else
		mnl_attr_put(nlh, type, 16, a);
}

int rtnl_take_addr(const void *data, size_t len, struct in6_addr *out)
{
	if (len != 4 && len != 16)
		return -EBADMSG;
	memset(out, 0, sizeof(*out));
	if (len == 4)
		memset(&out->s6_addr[10], 0xff, 2);
	memcpy(&out->s6_addr[16 - len], data, len);
	return 0;
}

int rtnl_take_u32(const struct nlattr *attr, uint32_t *out)
{
	if (mnl_attr_get_payload_len(attr) < sizeof(*out))
		return -EBADMSG;
	*out = mnl_attr_get_u32(attr);
	return 0;
}
