// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any answer of a webhook, and anything a child could say of its look: what comes of it can be shown and
 * kept as JSON. The first byte chooses the status.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/rollout_verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void must_be_kept(const char *why)
{
	json_t *json = json_string(why);

	must(json != NULL);
	must(strlen(why) < ROLLOUT_WHY_LEN && !strpbrk(why, "\n\r\033"));
	json_decref(json);
}

static void answer(long status, const char *text, size_t len)
{
	struct verdict v;

	verdict_of_http(status, text, len, false, &v);
	must_be_kept(v.why);
	must((status >= 200 && status < 300) || v.kind != VERDICT_YES);
	must(status < 500 || v.kind == VERDICT_NONE);
}

static void look(const char *text, size_t len, const char *trouble)
{
	struct verdict_look l;

	verdict_of_look(text, len, trouble, &l);
	must_be_kept(l.why);
	must(!trouble || l.finding == ROLLOUT_INCONCLUSIVE || l.finding == ROLLOUT_BAD);
	must(json_array_size(l.entries) <= VERDICT_ENTRIES_MAX);
	json_decref(l.entries);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1;
	json_t *json;

	if (!size)
		return 0;
	size--;
	answer(200, text, size);
	answer(*data * 3, text, size);
	look(text, size, *data & 1 ? "late" : NULL);
	json = verdict_text(text, size);
	must(json && json_string_length(json) == size);
	json_decref(json);
	return 0;
}
