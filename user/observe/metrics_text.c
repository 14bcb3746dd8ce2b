// SPDX-License-Identifier: GPL-2.0-or-later
#include "observe/metrics_text.h"

#include <inttypes.h>
#include <string.h>

#include "dataplane/dataplane.h"

void metrics_put_head(FILE *out, const char *family, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", family, help, family, type);
}

static void put_escaped(FILE *out, const char *value)
{
	size_t plain;

	for (; *value; value++) {
		plain = strcspn(value, "\\\"\n");
		fwrite(value, 1, plain, out);
		value += plain;
		if (!*value)
			break;
		fprintf(out, "\\%c", *value == '\n' ? 'n' : *value);
	}
}

void metrics_put_label(FILE *out, const char *before, const char *name, const char *value)
{
	fprintf(out, "%s%s=\"", before, name);
	put_escaped(out, value ? value : "unknown");
	fputc('"', out);
}

void metrics_put_value(FILE *out, uint64_t value)
{
	fprintf(out, "} %" PRIu64 "\n", value);
}

void metrics_put_millionths(FILE *out, uint64_t millionths)
{
	fprintf(out, "} %" PRIu64 ".%06" PRIu64 "\n", millionths / 1000000, millionths % 1000000);
}

void metrics_put_service(FILE *out, const char *family, const struct snapshot_service *svc)
{
	fputs(family, out);
	metrics_put_label(out, "{", "service", svc->name);
}

void metrics_put_pool(FILE *out, const char *family, const struct snapshot_service *svc,
		      const struct snapshot_pool *pool)
{
	metrics_put_service(out, family, svc);
	metrics_put_label(out, ",", "pool", pool->name);
}
