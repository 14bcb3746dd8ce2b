/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the file that says who may read over TCP: keys as in the web configuration of Prometheus and
 * its exporters, of which these are known.
 *
 *	tls_server_config: {cert_file, key_file, client_ca_file, client_auth_type, min_version}
 *	basic_auth_users: {NAME: BCRYPT-HASH}
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct config_errors;

/* A hash that takes longer is more work than a scrape is worth: 12 is up to half a second. */
#define WEB_COST_MAX 12
#define WEB_HASH_LEN 61 /* with the NUL */

enum web_tls_version {
	WEB_TLS12,
	WEB_TLS13,
};

/* Files by their path, or, once they are read, their text. */
struct web_tls {
	char *cert; /* NULL: no TLS */
	char *key;
	char *client_ca; /* NULL: clients show no certificate */
	bool is_client_cert_needed;
	enum web_tls_version min_version;
};

struct web_user {
	char *name;
	char hash[WEB_HASH_LEN];
};

struct web_config {
	struct web_tls tls;
	struct web_user *users;
	size_t user_count;
};

/* @out: paths as they are given; web_config_fini() it whatever the result. 0, -EINVAL or -ENOMEM. */
int web_config_parse(const char *text, size_t len, struct web_config *out,
		     struct config_errors *errors);
/*
 * With the files read, whose paths are relative to this one's. Errors are lines of @messages.
 * 0 or -errno; then @out is empty.
 */
int web_config_load(const char *path, struct web_config *out, FILE *messages);
void web_config_fini(struct web_config *w);
