// SPDX-License-Identifier: GPL-2.0-or-later
/* A kept rollout: whatever it says, what is taken for one is kept again the same, and can be gone on with. */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rollout/rollout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_again(const struct rollout_state *s)
{
	struct rollout_state *again = malloc(sizeof(*again));
	json_t *json = rollout_to_json(s), *second;

	must(json && again);
	must(!rollout_from_json(json, again));
	second = rollout_to_json(again);
	must(json_equal(json, second));
	json_decref(json);
	json_decref(second);
	rollout_fini(again);
	free(again);
}

static void check_want(const struct rollout_state *s)
{
	uint64_t sum = 0;

	must(s->want.count <= SERIN_MAX_POOLS);
	for (size_t i = 0; i < s->want.count; i++) {
		sum += s->want.of[i].ppm;
		must(s->phase != ROLLOUT_ROLLING_BACK || !s->is_want_made ||
		     strcmp(s->want.of[i].pool, s->candidate) || !s->want.of[i].ppm);
	}
	must(sum == 1000000);
}

/* By what the input has for looks: a byte each. */
static void go_on(struct rollout_state *s, const uint8_t *data, size_t size)
{
	static struct rollout_backend backends[3] = {{.name = "a", .is_healthy = true},
						     {.name = "b", .is_healthy = true},
						     {.name = "c"}};
	struct rollout_look look = {.split = s->found, .backends = backends, .backend_count = 3};
	struct rollout_notes notes;
	char why[ROLLOUT_WHY_LEN];

	for (size_t i = 0; i < size && i < 64; i++) {
		look.is_loaded = data[i] & 1;
		look.passed_ms = data[i] & 2 ? UINT64_MAX : 1000;
		look.kernel = (enum rollout_finding)((data[i] >> 2) % ROLLOUT_FINDING_MAX);
		look.answered = s->question.number;
		look.is_yes = data[i] & 4;
		rollout_step(s, &look, &notes);
		must(notes.count <= ROLLOUT_NOTES_MAX && s->phase < ROLLOUT_PHASE_MAX);
		if (look.is_loaded) /* what was kept may be wrong; a look puts it right */
			check_want(s);
		rollout_left_ms(s);
		if (data[i] & 128)
			rollout_obey(s, (enum rollout_command)(data[i] % ROLLOUT_COMMAND_MAX), "x",
				     "y", &notes, why);
		if (data[i] & 64)
			look.split = s->want;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rollout_state *s = malloc(sizeof(*s));
	const uint8_t *end = memchr(data, '\0', size);
	size_t length = end ? (size_t)(end - data) : size;
	json_t *json = json_loadb((const char *)data, length, 0, NULL);

	must(s);
	if (json && !rollout_from_json(json, s)) {
		check_again(s);
		go_on(s, data + length, size - length);
		check_again(s);
		rollout_fini(s);
	}
	json_decref(json);
	free(s);
	return 0;
}
