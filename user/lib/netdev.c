// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/netdev.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

/* linux/netdev.h, which the headers of 6.1 have not. */
#define NETDEV_FAMILY		 "netdev"
#define NETDEV_VERSION		 1
#define NETDEV_DEV_GET		 1
#define NETDEV_ATTR_IFINDEX	 1
#define NETDEV_ATTR_XDP_FEATURES 3

#define RECEIVE_TIMEOUT_S 2
#define REPLY_SIZE	  8192

union message {
	struct nlmsghdr header;
	char bytes[REPLY_SIZE];
};

static struct nlmsghdr *request(union message *m, uint16_t family, uint8_t command, uint8_t version)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(m);
	struct genlmsghdr *header = mnl_nlmsg_put_extra_header(nlh, sizeof(*header));

	nlh->nlmsg_type = family;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	header->cmd = command;
	header->version = version;
	return nlh;
}

/* Sends m and reads the answer into it. */
static int talk(struct mnl_socket *socket, union message *m, ssize_t *len)
{
	const struct nlmsgerr *error;

	if (mnl_socket_sendto(socket, &m->header, m->header.nlmsg_len) < 0)
		return -errno;
	*len = mnl_socket_recvfrom(socket, m, sizeof(*m));
	if (*len < 0)
		return -errno;
	if (!mnl_nlmsg_ok(&m->header, (int)*len))
		return -EBADMSG;
	if (m->header.nlmsg_type != NLMSG_ERROR)
		return 0;
	error = mnl_nlmsg_get_payload(&m->header);
	return mnl_nlmsg_get_payload_len(&m->header) >= sizeof(*error) && error->error
		       ? error->error
		       : -EBADMSG;
}

/* An attribute of an answer, if it is long enough. */
static const struct nlattr *find_attr(const union message *m, uint16_t type, uint16_t len)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, &m->header, sizeof(struct genlmsghdr))
	{
		if (mnl_attr_get_type(attr) == type && mnl_attr_get_payload_len(attr) >= len)
			return attr;
	}
	return NULL;
}

static int find_family(struct mnl_socket *socket, uint16_t *family)
{
	union message m = {};
	const struct nlattr *attr;
	ssize_t len;
	int error;

	mnl_attr_put_strz(request(&m, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1), CTRL_ATTR_FAMILY_NAME,
			  NETDEV_FAMILY);
	error = talk(socket, &m, &len);
	if (error)
		return error;
	attr = find_attr(&m, CTRL_ATTR_FAMILY_ID, sizeof(*family));
	if (!attr)
		return -EBADMSG;
	*family = mnl_attr_get_u16(attr);
	return 0;
}

static int ask_device(struct mnl_socket *socket, uint16_t family, int ifindex, uint64_t *out)
{
	union message m = {};
	const struct nlattr *attr;
	ssize_t len;
	int error;

	mnl_attr_put_u32(request(&m, family, NETDEV_DEV_GET, NETDEV_VERSION), NETDEV_ATTR_IFINDEX,
			 (uint32_t)ifindex);
	error = talk(socket, &m, &len);
	if (error)
		return error;
	attr = find_attr(&m, NETDEV_ATTR_XDP_FEATURES, sizeof(*out));
	if (!attr)
		return -ENOENT;
	*out = mnl_attr_get_u64(attr);
	return 0;
}

int netdev_xdp_features(int ifindex, uint64_t *out)
{
	struct timeval timeout = {.tv_sec = RECEIVE_TIMEOUT_S};
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	uint16_t family;
	int error;

	if (!socket)
		return -errno;
	error = mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) ||
				setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO,
					   &timeout, sizeof(timeout))
			? -errno
			: find_family(socket, &family);
	if (!error)
		error = ask_device(socket, family, ifindex, out);
	mnl_socket_close(socket);
	return error;
}
