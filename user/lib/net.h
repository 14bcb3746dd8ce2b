/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns what headers hold as text: parsing and formatting of addresses, prefixes, address:port pairs
 * and DSCP values.
 * Every address is a struct in6_addr; IPv4 is IPv4-mapped and printed as dotted quads.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define NET_ADDR_LEN	 INET6_ADDRSTRLEN
#define NET_PREFIX_LEN	 (INET6_ADDRSTRLEN + 4) /* "address/128" */
#define NET_ENDPOINT_LEN (INET6_ADDRSTRLEN + 8) /* "[address]:65535" */

static inline bool net_is_v4(const struct in6_addr *a)
{
	return IN6_IS_ADDR_V4MAPPED(a);
}

/* 0 or -EINVAL. Takes "192.0.2.1" and "2001:db8::1"; refuses scopes, masks and host names. */
int net_parse_addr(const char *text, struct in6_addr *out);
/* 0 or -EINVAL. "198.51.100.0/24", "2001:db8::/32" or a bare address; *len counts 128 bits. */
int net_parse_prefix(const char *text, struct in6_addr *out, uint8_t *len);
/* 0 or -EINVAL. "192.0.2.1:80", "[2001:db8::1]:80", or an address alone (then *port is 0). */
int net_parse_endpoint(const char *text, struct in6_addr *out, uint16_t *port);

#define NET_DSCP_VALUES 64
#define NET_DSCP_LEN	12 /* "46 (EF)" */

/* 0 or -EINVAL. "46", "0x2e", or a name of RFC 4594 in either case: EF, VA, LE, DF, CS0 .. CS7, AF11 ..
 * AF43. */
int net_parse_dscp(const char *text, uint8_t *out);
/* The number, and its name if it has one. Returns buf. */
const char *net_format_dscp(uint8_t dscp, char buf[NET_DSCP_LEN]);

/* These return buf. An address of a prefix or endpoint is bracketed only where IPv6 needs it. */
const char *net_format_addr(const struct in6_addr *a, char buf[NET_ADDR_LEN]);
/* A prefix of 128 bits is its address alone. */
const char *net_format_prefix(const struct in6_addr *a, uint8_t len, char buf[NET_PREFIX_LEN]);
const char *net_format_endpoint(const struct in6_addr *a, uint16_t port,
				char buf[NET_ENDPOINT_LEN]);
