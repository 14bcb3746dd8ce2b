/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns messages to people: one line each, on stderr, results never. A verb's are text ("serin:
 * error: …"); a daemon's are logfmt (ts, level, msg and fields), or where stderr is the journal,
 * entries of it with PRIORITY, MESSAGE and a SERIN_KEY for each field.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_MAX,
};

/* What machines look for. */
struct log_field {
	const char *key; /* lower case letters and _ */
	const char *value;
};

#define LOG_FIELDS_MAX 16

void log_message(enum log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The same with fields, at most LOG_FIELDS_MAX. */
void log_fields(enum log_level level, const char *text, const struct log_field *fields,
		size_t count);
/* Until log_release(), errors are lines of @to and nowhere else: whoever asked for it hears of them. */
void log_hold(FILE *to);
void log_release(void);
/* From now on as a daemon does. */
void log_as_daemon(void);

#define log_error(...)	 log_message(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_message(LOG_LEVEL_INFO, __VA_ARGS__)
