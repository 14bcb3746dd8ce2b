// SPDX-License-Identifier: GPL-2.0-or-later
#include "observe/event_json.h"

#include <stdio.h>
#include <time.h>

#define US_IN_S 1000000

const char *event_time_text(uint64_t when_us, char buf[EVENT_TIME_LEN])
{
	time_t seconds = (time_t)(when_us / US_IN_S);
	struct tm utc;
	char date[24];

	gmtime_r(&seconds, &utc);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(buf, EVENT_TIME_LEN, "%s.%06uZ", date, (unsigned int)(when_us % US_IN_S));
	return buf;
}

const char *event_backend_text(const struct event_view *v, char buf[NET_ENDPOINT_LEN])
{
	if (!v->has_backend)
		return "";
	return net_format_endpoint(&v->backend, v->backend_port, buf);
}

const char *event_client_text(const struct event_view *v, char buf[NET_ENDPOINT_LEN])
{
	if (IN6_IS_ADDR_UNSPECIFIED(&v->client))
		return "";
	return net_format_endpoint(&v->client, v->client_port, buf);
}

static json_t *text_or_null(const char *text)
{
	return *text ? json_string(text) : json_null();
}

json_t *event_json(const struct event_view *v)
{
	char time[EVENT_TIME_LEN], backend[NET_ENDPOINT_LEN], client[NET_ENDPOINT_LEN];

	return json_pack("{s:s, s:I, s:s, s:o, s:o, s:o, s:o, s:I, s:I, s:s}", "time",
			 event_time_text(v->when_us, time), "sequence", (json_int_t)v->sequence,
			 "kind", event_kind_name(v->kind), "service", text_or_null(v->service),
			 "pool", text_or_null(v->pool), "backend",
			 text_or_null(event_backend_text(v, backend)), "client",
			 text_or_null(event_client_text(v, client)), "count", (json_int_t)v->count,
			 "total", (json_int_t)v->total, "cause", event_cause_name(v->cause));
}
