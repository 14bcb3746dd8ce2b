/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns how an entry of the history is put for people, and for machines. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct history_entry;
struct json_t;

#define HISTORY_TIME_LEN    32
#define HISTORY_SUMMARY_LEN 256

/* UTC, "2026-01-31 13:05:59Z". Returns buf. */
const char *history_time(int64_t at_ms, char buf[HISTORY_TIME_LEN]);
/* "canary 5 -> 10 %", "10.0.0.11:80 drained", "+ interface eth0, 2 more". Returns buf. */
const char *history_summary(const struct history_entry *e, char buf[HISTORY_SUMMARY_LEN]);
/* "root", or whoever became root by sudo: "anna (root)". Returns buf. */
const char *history_who(const struct history_entry *e, char *buf, size_t size);
/* NULL when out of memory. */
struct json_t *history_json(const struct history_entry *e);
