/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the JSON of `serin explain -o json`. */
#pragma once

#include <jansson.h>

#include "dataplane/dataplane.h"
#include "lib/net.h"

#define EXPLAIN_TARGET_LEN (NET_ADDR_LEN + 4)

/* Of the rule that decided. */
void explain_target_text(const struct explanation *e, char text[EXPLAIN_TARGET_LEN]);

/* @client: as it was asked. A new reference, or NULL when out of memory. */
json_t *explain_json(const char *service, const char *client, const struct explanation *e);
