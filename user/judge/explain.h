/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the sentence that says why a metric has its label, with the numbers it came from. */
#pragma once

#include "judge/judge.h"

#define JUDGE_EXPLAIN_LEN 320

/* Returns @buf. */
const char *judge_explain(const struct judge_result *r, char buf[JUDGE_EXPLAIN_LEN]);
/* "no_data", "interval", ...: the rule for machines. */
const char *judge_rule_name(enum judge_rule rule);
