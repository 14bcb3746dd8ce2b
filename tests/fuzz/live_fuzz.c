// SPDX-License-Identifier: GPL-2.0-or-later
/* What the state database says of live weights: whatever it says, what is taken for sense makes sense. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"
#include "store/internal.h"

static void check(const struct live_service *s)
{
	uint32_t sum = 0;

	if (!*s->primary || strcmp(s->name, "web") || s->pool_count > SERIN_MAX_POOLS)
		abort();
	for (size_t i = 0; i < s->pool_count; i++)
		sum += s->pools[i].ppm;
	if (sum > MODEL_PPM_ALL)
		abort();
}

/* And said again it says the same. */
static void check_again(const struct live_service *s)
{
	struct live *again = live_new();
	char *text = live_to_json(s);

	if (!again || !text)
		abort();
	if (live_from_json(s->name, text, again) || !live_equal(s, &again->services[0]))
		abort();
	free(text);
	live_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);
	struct live *l = live_new();

	if (!text || !l)
		abort();
	if (!live_from_json("web", text, l)) {
		check(&l->services[0]);
		check_again(&l->services[0]);
	} else if (l->count) {
		abort();
	}
	free(text);
	live_free(l);
	return 0;
}
