/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the many clients of a load tool: which addresses they have, and sockets bound to them. The
 * addresses need a local route only (`ip route add local PREFIX dev lo`), not one `ip addr` each.
 */
#pragma once

#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/net.h"

struct clients {
	struct in6_addr prefix;
	uint8_t prefix_len; /* of 128 bits */
	uint32_t count;
};

static inline uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* 0, or -EINVAL where the prefix is none or has no room for so many. */
static inline int clients_parse(struct clients *c, const char *prefix, uint32_t count)
{
	unsigned int room;

	if (!count || net_parse_prefix(prefix, &c->prefix, &c->prefix_len))
		return -EINVAL;
	room = (c->prefix_len < 64 ? 64u : 128u) - c->prefix_len;
	if (room < 32 && (uint64_t)count + 1 > 1ull << room)
		return -EINVAL;
	c->count = count;
	return 0;
}

/*
 * Client i is address i + 1 of the prefix. Where an IPv6 prefix is shorter than /64 it is address 1
 * of network i + 1 instead, for `affinity: client` takes a /64 for one client.
 */
static inline struct in6_addr clients_get(const struct clients *c, uint32_t i)
{
	struct in6_addr a = c->prefix;
	unsigned int last = c->prefix_len < 64 ? 7 : 15;
	uint32_t number = i % c->count + 1;

	for (unsigned int byte = 0; byte < 4; byte++)
		a.s6_addr[last - byte] |= (uint8_t)(number >> (8 * byte));
	if (last == 7)
		a.s6_addr[15] = 1;
	return a;
}

/* Fills a sockaddr of the address' own family; returns its length. */
static inline socklen_t net_to_sockaddr(const struct in6_addr *a, uint16_t port,
					struct sockaddr_storage *out)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;

	memset(out, 0, sizeof(*out));
	if (net_is_v4(a)) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		memcpy(&v4->sin_addr, &a->s6_addr[12], sizeof(v4->sin_addr));
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	v6->sin6_addr = *a;
	return sizeof(*v6);
}

/* A socket of this client towards `to`, its port left to connect(); or -errno. */
static inline int clients_socket(const struct in6_addr *client, int type)
{
	struct sockaddr_storage from;
	socklen_t len = net_to_sockaddr(client, 0, &from);
	int fd = socket(from.ss_family, type | SOCK_CLOEXEC, 0);
	int one = 1;
	int err;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one)) ||
	    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&from, len)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}
