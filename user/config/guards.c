// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/guards.h"

#include <stddef.h>

#include "config/duration.h"
#include "config/values.h"
#include "lib/count_of.h"
#include "model/model.h"

static const struct value_number failures = {
	.min = 1, .max = MODEL_BREAKER_FAILURES_MAX, .size = sizeof(uint32_t)};
static const struct value_number flows = {
	.min = 1, .max = MODEL_EXPOSURE_MAX, .size = sizeof(uint32_t)};
static const struct duration_limits times = {MODEL_BREAKER_MIN_MS, MODEL_BREAKER_MAX_MS};

static const struct schema_field breaker_fields[] = {
	{"failures", value_read_number, offsetof(struct model_breaker, failures), true, &failures},
	{"window", duration_read, offsetof(struct model_breaker, window_ms), false, &times},
	{"recover", duration_read, offsetof(struct model_breaker, recover_ms), false, &times},
};
static const struct schema breaker_schema = {"'breaker'", breaker_fields, COUNT_OF(breaker_fields)};

static const struct schema_field exposure_fields[] = {
	{"flows", value_read_number, offsetof(struct model_exposure, flows), false, &flows},
	{"flows_per_second", value_read_number, offsetof(struct model_exposure, flows_per_second),
	 false, &flows},
};
static const struct schema exposure_schema = {"'exposure'", exposure_fields,
					      COUNT_OF(exposure_fields)};

void guards_read_breaker(struct reader *r, const struct node *value, const struct schema_field *f,
			 void *object)
{
	struct model_service *svc = object;

	(void)f;
	svc->breaker.window_ms = MODEL_BREAKER_WINDOW_MS;
	svc->breaker.recover_ms = MODEL_BREAKER_RECOVER_MS;
	schema_read_map(r, value, &breaker_schema, &svc->breaker);
}

void guards_read_exposure(struct reader *r, const struct node *value, const struct schema_field *f,
			  void *object)
{
	struct model_service *svc = object;
	size_t errors = r->errors.all.count;

	(void)f;
	schema_read_map(r, value, &exposure_schema, &svc->exposure);
	if (r->errors.all.count == errors && !model_exposure_is_capped(&svc->exposure))
		errors_add(&r->errors, value->at,
			   "'exposure' needs 'flows', 'flows_per_second', or both");
}

/* What goes past us, and datagrams, tell not whether they were answered. */
void guards_read_failover(struct reader *r, const struct node *value, const struct schema_field *f,
			  void *object)
{
	const struct model_service *svc = object;

	value_read_number(r, value, f, object);
	if (svc->protocol != IPPROTO_TCP)
		errors_add(&r->errors, value->at,
			   "'syn_failover' is for TCP: datagrams have no SYN");
	else if (svc->forwarding == SERIN_FORWARDING_DSR ||
		 svc->forwarding == SERIN_FORWARDING_IPIP ||
		 svc->forwarding == SERIN_FORWARDING_GUE)
		errors_add(&r->errors, value->at,
			   "'syn_failover' needs nat or fullnat: by %s, answers go past Serin",
			   model_forwarding_name(svc->forwarding));
}
