// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A service's live state as text, and back. Weights are percent, exact to a millionth of the unit:
 *
 *     {"epoch": 7, "seed": "12", "primary": "stable", "weights": {"canary": 5.0, "stable": 95.0},
 *      "drained": ["10.0.0.11:8080"], "file_primary": "canary", "file_seed": "7"}
 *
 * The last two where the file's is another one than the live one.
 */
#include "store/internal.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/net.h"

#define PPM_PER_PERCENT 1e4

static json_t *weights_json(const struct live_service *s)
{
	json_t *weights = json_object();

	for (size_t i = 0; i < s->pool_count; i++)
		json_object_set_new(weights, s->pools[i].name,
				    json_real(s->pools[i].ppm / PPM_PER_PERCENT));
	return weights;
}

static json_t *drained_json(const struct live_service *s)
{
	json_t *drained = json_array();
	char text[NET_ENDPOINT_LEN];

	for (size_t i = 0; i < s->drained_count; i++)
		json_array_append_new(drained,
				      json_string(net_format_endpoint(&s->drained[i].address,
								      s->drained[i].port, text)));
	return drained;
}

/* As text: numbers of JSON readers may have 53 bits. */
static json_t *seed_json(uint64_t seed)
{
	return json_sprintf("%llu", (unsigned long long)seed);
}

char *live_to_json(const struct live_service *s)
{
	json_t *json;
	char *text;

	if (!s)
		return NULL;
	json = json_pack("{s:I, s:o, s:s, s:o, s:o}", "epoch", (json_int_t)s->epoch, "seed",
			 seed_json(s->seed), "primary", s->primary, "weights", weights_json(s),
			 "drained", drained_json(s));
	if (json && *s->file_primary)
		json_object_set_new(json, "file_primary", json_string(s->file_primary));
	if (json && s->has_file_seed)
		json_object_set_new(json, "file_seed", seed_json(s->file_seed));
	text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
	json_decref(json);
	return text;
}

static bool copy_name(char to[SERIN_NAME_LEN], const char *from)
{
	return *from && snprintf(to, SERIN_NAME_LEN, "%s", from) < SERIN_NAME_LEN;
}

static int read_weights(json_t *weights, struct live_service *out)
{
	uint32_t sum = 0;
	const char *name;
	json_t *value;

	if (json_object_size(weights) > SERIN_MAX_POOLS)
		return -EINVAL;
	json_object_foreach(weights, name, value)
	{
		struct live_pool *pool = &out->pools[out->pool_count++];
		double percent = json_number_value(value);

		if (!copy_name(pool->name, name) || !json_is_number(value) ||
		    !(percent >= 0 && percent <= 100))
			return -EINVAL;
		pool->ppm = (uint32_t)lround(percent * PPM_PER_PERCENT);
		sum += pool->ppm;
	}
	return sum > MODEL_PPM_ALL ? -EINVAL : 0;
}

static int read_drained(json_t *drained, struct live_service *out)
{
	struct in6_addr address;
	uint16_t port;
	json_t *value;
	size_t i;

	json_array_foreach(drained, i, value)
	{
		const char *text = json_string_value(value);

		if (!text || net_parse_endpoint(text, &address, &port) || !port)
			return -EINVAL;
		if (live_add_drained(out, &address, port))
			return -ENOMEM;
	}
	return 0;
}

static int read_seed(const char *text, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	return errno || *text < '0' || *text > '9' || *end ? -EINVAL : 0;
}

static int read_service(json_t *json, struct live_service *out)
{
	const char *primary, *seed, *file_primary = NULL, *file_seed = NULL;
	json_t *weights, *drained;
	json_int_t epoch;
	int error;

	if (json_unpack(json, "{s:I, s:s, s:s, s:o, s:o, s?s, s?s}", "epoch", &epoch, "seed", &seed,
			"primary", &primary, "weights", &weights, "drained", &drained,
			"file_primary", &file_primary, "file_seed", &file_seed) ||
	    !copy_name(out->primary, primary) ||
	    (file_primary && !copy_name(out->file_primary, file_primary)) || epoch < 0 ||
	    epoch > UINT32_MAX)
		return -EINVAL;
	out->epoch = (uint32_t)epoch;
	out->has_file_seed = file_seed != NULL;
	error = read_seed(seed, &out->seed);
	if (!error && file_seed)
		error = read_seed(file_seed, &out->file_seed);
	if (!error)
		error = read_weights(weights, out);
	return error ? error : read_drained(drained, out);
}

int live_from_json(const char *name, const char *text, struct live *out)
{
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	struct live_service *s = json ? live_add(out) : NULL;
	int error = json ? -ENOMEM : -EINVAL;

	if (s)
		error = copy_name(s->name, name) ? read_service(json, s) : -EINVAL;
	if (s && error) {
		free(s->drained);
		out->count--;
	}
	json_decref(json);
	return error;
}
