// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

const char *cli_percent(uint32_t ppm, char buf[16])
{
	char *end;

	snprintf(buf, 16, "%u.%04u", ppm / 10000, ppm % 10000);
	end = buf + strlen(buf) - 1;
	while (*end == '0')
		*end-- = '\0';
	if (*end == '.')
		*end = '\0';
	return buf;
}
