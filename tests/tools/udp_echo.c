// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * udp_echo PORT POOL NAME - answer every datagram with "POOL NAME " and what it said, both families,
 * from the address it was sent to.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The control message that came in goes out again: by whatever interface, from that address. */
static void answer(int fd, char *buf, size_t head, size_t size)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} control;
	struct sockaddr_in6 from;
	struct iovec data = {buf + head, size - head};
	struct msghdr msg = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t len = recvmsg(fd, &msg, 0);
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	if (len < 0)
		return;
	if (c && c->cmsg_type == IPV6_PKTINFO)
		((struct in6_pktinfo *)(void *)CMSG_DATA(c))->ipi6_ifindex = 0;
	data = (struct iovec){buf, head + (size_t)len};
	sendmsg(fd, &msg, 0);
}

int main(int argc, char **argv)
{
	struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int off = 0, on = 1;
	char buf[65536];
	size_t head;

	if (argc != 4) {
		fputs("usage: udp_echo PORT POOL NAME\n", stderr);
		return 2;
	}
	at.sin6_port = htons((uint16_t)atoi(argv[1]));
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at))) {
		perror("udp_echo");
		return 1;
	}
	head = (size_t)snprintf(buf, sizeof(buf) / 2, "%s %s ", argv[2], argv[3]);
	for (;;)
		answer(fd, buf, head, sizeof(buf));
}
