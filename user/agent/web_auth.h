/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns who may read over TCP, by HTTP's basic authentication. bcrypt is slow on purpose: what was
 * right once is known again by a keyed hash, and all else is tried in a thread of its own, once a
 * second at most, however many ask.
 */
#pragma once

#include <stdint.h>

struct web_auth;
struct web_config;

#define WEB_AUTH_PAUSE_MS 1000

enum web_verdict {
	WEB_ADMITTED,
	WEB_REFUSED,
	WEB_PENDING, /* it is being tried: ask again soon */
	WEB_LATER,   /* others are, or were just now */
};

struct web_auth *web_auth_new(void);
void web_auth_free(struct web_auth *a);
/* Other users or passwords from now on. */
void web_auth_forget(struct web_auth *a);

/* @authorization: the header, or NULL. With no users everybody is admitted. */
enum web_verdict web_auth_check(struct web_auth *a, const struct web_config *config,
				const char *authorization, uint64_t now_ms);
