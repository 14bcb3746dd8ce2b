/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the file that says how a server is asked over HTTP: keys as promtool's --http.config.file has
 * them, of which these are known. Secrets are in files of their own.
 *
 *	basic_auth: {username, password_file}
 *	authorization: {credentials_file}                a bearer token
 *	tls_config: {ca_file, cert_file, key_file, insecure_skip_verify}
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct config_errors;

struct http_config {
	char *username; /* NULL: no basic authentication */
	char *password; /* the file's path, or, once it is read, what it holds */
	char *token;	/* the same */
	char *ca_file;	/* NULL: the system's */
	char *cert_file;
	char *key_file;
	bool is_unverified;
};

/* @out: paths as they are given; http_config_fini() it whatever the result. 0, -EINVAL or -ENOMEM. */
int http_config_parse(const char *text, size_t len, struct http_config *out,
		      struct config_errors *errors);
/*
 * With the secrets read and all paths, which are relative to this one's, made whole. Errors are lines
 * of @messages. 0 or -errno; then @out is empty.
 */
int http_config_load(const char *path, struct http_config *out, FILE *messages);
void http_config_fini(struct http_config *c);
