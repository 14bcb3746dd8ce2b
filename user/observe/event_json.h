/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns how an event is told: its JSON, and the texts that stand in it. */
#pragma once

#include <jansson.h>

#include "dataplane/dataplane.h"
#include "lib/net.h"

#define EVENT_TIME_LEN 40

/* RFC 3339, in UTC. */
const char *event_time_text(uint64_t when_us, char buf[EVENT_TIME_LEN]);
/* "" where it is not known. */
const char *event_backend_text(const struct event_view *v, char buf[NET_ENDPOINT_LEN]);
/* "" where it is about no packet of one. */
const char *event_client_text(const struct event_view *v, char buf[NET_ENDPOINT_LEN]);

/* A new reference, or NULL when out of memory. */
json_t *event_json(const struct event_view *v);
