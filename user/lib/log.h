/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns messages to people: one line each, on stderr, results never. */
#pragma once

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_MAX,
};

/* "serin: error: …". Text on a verb's stderr; with log_as_daemon(), logfmt: time, level, msg. */
void log_message(enum log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The same, with what machines look for: "key=value key=\"value\"", printed as it is. */
void log_fields(enum log_level level, const char *text, const char *fields);
void log_as_daemon(void);

#define log_error(...)	 log_message(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_message(LOG_LEVEL_INFO, __VA_ARGS__)
