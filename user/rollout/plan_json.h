/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns a strategy as JSON, for the rollout that keeps a copy of it. */
#pragma once

#include "model/strategy.h"

struct json_t;

/* NULL when out of memory. */
struct json_t *plan_to_json(const struct model_strategy *s);
/* 0, -EINVAL, -ENOMEM; @out has something to give back to strategy_fini() whatever it returns. */
int plan_from_json(const struct json_t *json, struct model_strategy *out);
