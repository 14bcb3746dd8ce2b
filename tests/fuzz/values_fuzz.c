// SPDX-License-Identifier: GPL-2.0-or-later
/* Percentages, addresses, prefixes, endpoints: what is read can be written and read again. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "lib/net.h"
#include "model/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_percent(const char *text)
{
	const char *why = NULL;
	unsigned int ppm = 0, again;
	char written[16];

	if (config_parse_percent(text, &ppm, &why)) {
		must(why && *why);
		return;
	}
	must(ppm <= MODEL_PPM_ALL);
	snprintf(written, sizeof(written), "%u.%04u", ppm / 10000, ppm % 10000);
	must(!config_parse_percent(written, &again, &why) && again == ppm);
}

static void check_addr(const char *text)
{
	struct in6_addr addr, again;
	char written[NET_ADDR_LEN];

	if (net_parse_addr(text, &addr))
		return;
	must(!net_parse_addr(net_format_addr(&addr, written), &again));
	must(!memcmp(&addr, &again, sizeof(addr)));
}

static void check_prefix(const char *text)
{
	struct in6_addr prefix;
	uint8_t len;

	if (net_parse_prefix(text, &prefix, &len))
		return;
	must(len <= 128);
	for (int bit = len; bit < 128; bit++)
		must(!(prefix.s6_addr[bit / 8] & (0x80 >> bit % 8)));
}

static void check_dscp(const char *text)
{
	char written[NET_DSCP_LEN];
	uint8_t dscp;

	if (net_parse_dscp(text, &dscp))
		return;
	must(dscp < NET_DSCP_VALUES);
	must(strlen(net_format_dscp(dscp, written)) < sizeof(written));
}

static void check_endpoint(const char *text)
{
	struct in6_addr addr, again;
	uint16_t port, port_again;
	char written[NET_ENDPOINT_LEN];

	if (net_parse_endpoint(text, &addr, &port) || !port)
		return;
	net_format_endpoint(&addr, port, written);
	must(!net_parse_endpoint(written, &again, &port_again));
	must(port == port_again && !memcmp(&addr, &again, sizeof(addr)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	check_percent(text);
	check_addr(text);
	check_dscp(text);
	check_prefix(text);
	check_endpoint(text);
	free(text);
	return 0;
}
