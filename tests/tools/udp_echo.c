// SPDX-License-Identifier: GPL-2.0-or-later
/* udp_echo PORT POOL NAME - answer every datagram with "POOL NAME " and what it said, both
 * families. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int off = 0;
	char buf[65536];
	size_t head;

	if (argc != 4) {
		fputs("usage: udp_echo PORT POOL NAME\n", stderr);
		return 2;
	}
	at.sin6_port = htons((uint16_t)atoi(argv[1]));
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at))) {
		perror("udp_echo");
		return 1;
	}
	head = (size_t)snprintf(buf, sizeof(buf) / 2, "%s %s ", argv[2], argv[3]);
	for (;;) {
		struct sockaddr_in6 from;
		socklen_t from_len = sizeof(from);
		ssize_t len = recvfrom(fd, buf + head, sizeof(buf) - head, 0,
				       (struct sockaddr *)&from, &from_len);

		if (len >= 0)
			sendto(fd, buf, head + (size_t)len, 0, (struct sockaddr *)&from, from_len);
	}
}
