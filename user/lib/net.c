// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/net.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void map_v4(struct in6_addr *out, const struct in_addr *v4)
{
	memset(out, 0, sizeof(*out));
	out->s6_addr[10] = 0xff;
	out->s6_addr[11] = 0xff;
	memcpy(&out->s6_addr[12], v4, sizeof(*v4));
}

int net_parse_addr(const char *text, struct in6_addr *out)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		map_v4(out, &v4);
		return 0;
	}
	if (inet_pton(AF_INET6, text, &v6) != 1)
		return -EINVAL;
	*out = v6;
	return 0;
}

/* A decimal number of at most `max`, digits alone; or -EINVAL. */
static int parse_number(const char *text, unsigned long max)
{
	unsigned long value = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		value = value * 10 + (unsigned long)(*text - '0');
		if (value > max)
			return -EINVAL;
	}
	return (int)value;
}

static void clear_host_bits(struct in6_addr *a, int len)
{
	for (int i = 0; i < 16; i++) {
		int keep = len - i * 8;

		if (keep <= 0)
			a->s6_addr[i] = 0;
		else if (keep < 8)
			a->s6_addr[i] &= (uint8_t)(0xff << (8 - keep));
	}
}

int net_parse_prefix(const char *text, struct in6_addr *out, uint8_t *len)
{
	char copy[NET_ADDR_LEN + 4];
	struct in6_addr addr;
	char *slash;
	int bits = 128;

	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, text);
	slash = strchr(copy, '/');
	if (slash)
		*slash = '\0';
	if (net_parse_addr(copy, &addr))
		return -EINVAL;
	if (slash) {
		bits = parse_number(slash + 1, net_is_v4(&addr) ? 32 : 128);
		if (bits < 0)
			return -EINVAL;
		if (net_is_v4(&addr))
			bits += 96;
	}
	clear_host_bits(&addr, bits);
	*out = addr;
	*len = (uint8_t)bits;
	return 0;
}

int net_parse_endpoint(const char *text, struct in6_addr *out, uint16_t *port)
{
	char copy[NET_ENDPOINT_LEN];
	struct in6_addr addr;
	char *host = copy, *colon = NULL;
	int number = 0;

	if (!net_parse_addr(text, &addr)) {
		*out = addr;
		*port = 0;
		return 0;
	}
	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, text);
	if (*copy == '[') {
		char *close = strchr(copy, ']');

		if (!close)
			return -EINVAL;
		*close = '\0';
		host = copy + 1;
		if (close[1] == ':')
			colon = close + 1;
		else if (close[1])
			return -EINVAL;
	} else {
		colon = strchr(copy, ':');
		if (!colon)
			return -EINVAL;
	}
	if (colon) {
		*colon = '\0';
		number = parse_number(colon + 1, 65535);
		if (number <= 0)
			return -EINVAL;
	}
	if (net_parse_addr(host, &addr))
		return -EINVAL;
	*out = addr;
	*port = (uint16_t)number;
	return 0;
}

const char *net_format_addr(const struct in6_addr *a, char buf[NET_ADDR_LEN])
{
	if (net_is_v4(a))
		inet_ntop(AF_INET, &a->s6_addr[12], buf, NET_ADDR_LEN);
	else
		inet_ntop(AF_INET6, a, buf, NET_ADDR_LEN);
	return buf;
}

const char *net_format_prefix(const struct in6_addr *a, uint8_t len, char buf[NET_PREFIX_LEN])
{
	char addr[NET_ADDR_LEN];

	snprintf(buf, NET_PREFIX_LEN, len < 128 ? "%s/%u" : "%s", net_format_addr(a, addr),
		 net_is_v4(a) ? len - 96u : len);
	return buf;
}

const char *net_format_endpoint(const struct in6_addr *a, uint16_t port, char buf[NET_ENDPOINT_LEN])
{
	char addr[NET_ADDR_LEN];

	snprintf(buf, NET_ENDPOINT_LEN, net_is_v4(a) ? "%s:%u" : "[%s]:%u",
		 net_format_addr(a, addr), port);
	return buf;
}

/* RFC 4594, and RFC 8622 (LE), RFC 5865 (VA); the first name of a value is the one it is told by. */
static const struct {
	char name[5];
	uint8_t dscp;
} dscp_names[] = {
	{"DF", 0},    {"CS0", 0},   {"BE", 0},	  {"LE", 1},	{"CS1", 8},
	{"AF11", 10}, {"AF12", 12}, {"AF13", 14}, {"CS2", 16},	{"AF21", 18},
	{"AF22", 20}, {"AF23", 22}, {"CS3", 24},  {"AF31", 26}, {"AF32", 28},
	{"AF33", 30}, {"CS4", 32},  {"AF41", 34}, {"AF42", 36}, {"AF43", 38},
	{"CS5", 40},  {"VA", 44},   {"EF", 46},	  {"CS6", 48},	{"CS7", 56},
};

#define DSCP_NAMES (sizeof(dscp_names) / sizeof(*dscp_names))

static int parse_dscp_number(const char *text)
{
	char *end;
	unsigned long value;

	if (text[0] == '0' && text[1] >= '0' && text[1] <= '9') /* octal, to some */
		return -EINVAL;
	if (text[0] != '0' || (text[1] != 'x' && text[1] != 'X'))
		return parse_number(text, NET_DSCP_VALUES - 1);
	if (!isxdigit((unsigned char)text[2]))
		return -EINVAL;
	value = strtoul(text + 2, &end, 16);
	return *end || value >= NET_DSCP_VALUES ? -EINVAL : (int)value;
}

int net_parse_dscp(const char *text, uint8_t *out)
{
	int value = parse_dscp_number(text);

	for (size_t i = 0; value < 0 && i < DSCP_NAMES; i++)
		if (!strcasecmp(text, dscp_names[i].name))
			value = dscp_names[i].dscp;
	if (value < 0)
		return -EINVAL;
	*out = (uint8_t)value;
	return 0;
}

const char *net_format_dscp(uint8_t dscp, char buf[NET_DSCP_LEN])
{
	for (size_t i = 0; i < DSCP_NAMES; i++) {
		if (dscp_names[i].dscp != dscp)
			continue;
		snprintf(buf, NET_DSCP_LEN, "%u (%s)", dscp, dscp_names[i].name);
		return buf;
	}
	snprintf(buf, NET_DSCP_LEN, "%u", dscp);
	return buf;
}
