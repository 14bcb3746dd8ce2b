// SPDX-License-Identifier: GPL-2.0-or-later
#include "doctor/sysctl.h"

#include <stdarg.h>
#include <stdio.h>

bool sysctl_read(unsigned int *out, const char *format, ...)
{
	char name[160], path[192];
	unsigned int value;
	va_list args;
	FILE *file;
	bool is_read;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	file = fopen(path, "re");
	if (!file)
		return false;
	is_read = fscanf(file, "%u", &value) == 1;
	fclose(file);
	if (is_read)
		*out = value;
	return is_read;
}

enum fact sysctl_fact(const char *path)
{
	unsigned int value;

	if (!sysctl_read(&value, "%s", path))
		return FACT_UNKNOWN;
	return value ? FACT_YES : FACT_NO;
}
