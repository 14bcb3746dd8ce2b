// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/http.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/read_file.h"
#include "config/values.h"
#include "lib/count_of.h"

#define SECRET_SIZE_MAX 65536

static void read_text(struct reader *r, const struct node *value, const struct schema_field *f,
		      void *object)
{
	char *copy;

	if (!value_is_text(r, value, f, "text"))
		return;
	if (!*value->text) {
		errors_add(&r->errors, value->at, "'%s' must not be empty", f->key);
		return;
	}
	copy = strdup(value->text);
	r->errors.is_no_memory |= !copy;
	memcpy((char *)object + f->offset, &copy, sizeof(copy));
}

static const struct value_words booleans = {
	.list = (const struct value_word[]){{"false", false}, {"true", true}},
	.count = 2,
	.size = sizeof(bool),
};

static const struct schema_field basic_fields[] = {
	{"username", read_text, offsetof(struct http_config, username), true, NULL},
	{"password_file", read_text, offsetof(struct http_config, password), true, NULL},
};
static const struct schema basic_schema = {"'basic_auth'", basic_fields, COUNT_OF(basic_fields)};

static const struct schema_field bearer_fields[] = {
	{"credentials_file", read_text, offsetof(struct http_config, token), true, NULL},
};
static const struct schema bearer_schema = {"'authorization'", bearer_fields,
					    COUNT_OF(bearer_fields)};

static const struct schema_field tls_fields[] = {
	{"ca_file", read_text, offsetof(struct http_config, ca_file), false, NULL},
	{"cert_file", read_text, offsetof(struct http_config, cert_file), false, NULL},
	{"key_file", read_text, offsetof(struct http_config, key_file), false, NULL},
	{"insecure_skip_verify", value_read_word, offsetof(struct http_config, is_unverified),
	 false, &booleans},
};
static const struct schema tls_schema = {"'tls_config'", tls_fields, COUNT_OF(tls_fields)};

static void read_tls(struct reader *r, const struct node *value, const struct schema_field *f,
		     void *object)
{
	struct http_config *c = object;
	size_t errors = r->errors.all.count;

	schema_read_submap(r, value, f, object);
	if (r->errors.all.count == errors && !c->cert_file != !c->key_file)
		errors_add(&r->errors, value->at, "'cert_file' and 'key_file' need each other");
}

static void read_authorization(struct reader *r, const struct node *value,
			       const struct schema_field *f, void *object)
{
	const struct http_config *c = object;

	schema_read_submap(r, value, f, object);
	if (c->username && c->token)
		errors_add(&r->errors, value->at,
			   "'authorization' and 'basic_auth' exclude each other");
}

static const struct schema_field root_fields[] = {
	{"basic_auth", schema_read_submap, 0, false, &basic_schema},
	{"authorization", read_authorization, 0, false, &bearer_schema},
	{"tls_config", read_tls, 0, false, &tls_schema},
};
static const struct schema root_schema = {"the HTTP configuration", root_fields,
					  COUNT_OF(root_fields)};

int http_config_parse(const char *text, size_t len, struct http_config *out,
		      struct config_errors *errors)
{
	*out = (struct http_config){};
	return schema_read_text(text, len, &root_schema, out, errors);
}

static int parse(const char *text, size_t len, void *out, struct config_errors *errors)
{
	return http_config_parse(text, len, out, errors);
}

/* A path in the configuration as one from here. */
static int make_whole(const char *config, char **path)
{
	const char *slash = strrchr(config, '/');
	char *full;

	if (!*path || **path == '/' || !slash)
		return 0;
	if (asprintf(&full, "%.*s%s", (int)(slash - config + 1), config, *path) < 0)
		return -ENOMEM;
	free(*path);
	*path = full;
	return 0;
}

/* A path gives way to the line that the file holds. */
static int read_secret(const char *config, char **path, FILE *messages)
{
	const char *why = "it must hold one line of printable characters";
	char *text = NULL;
	size_t len = 0;
	int err;

	if (!*path)
		return 0;
	err = config_read_file(*path, &text, &len);
	if (err)
		why = strerror(-err);
	while (!err && len && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		len--;
	for (size_t i = 0; !err && i < len; i++)
		err = iscntrl((unsigned char)text[i]) ? -EINVAL : 0;
	if (!err && (!len || len > SECRET_SIZE_MAX))
		err = -EINVAL;
	if (err) {
		fprintf(messages, "%s: error: cannot read %s: %s\n", config, *path, why);
	} else {
		free(*path);
		*path = strndup(text, len);
		err = *path ? 0 : -ENOMEM;
	}
	if (text)
		explicit_bzero(text, len);
	free(text);
	return err;
}

int http_config_load(const char *path, struct http_config *out, FILE *messages)
{
	int err = config_load_with(path, parse, out, messages);
	char **paths[] = {&out->password, &out->token, &out->ca_file, &out->cert_file,
			  &out->key_file};

	for (size_t i = 0; !err && i < COUNT_OF(paths); i++)
		err = make_whole(path, paths[i]);
	if (!err)
		err = read_secret(path, &out->password, messages);
	if (!err)
		err = read_secret(path, &out->token, messages);
	if (err)
		http_config_fini(out);
	return err;
}

static void forget(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

void http_config_fini(struct http_config *c)
{
	forget(c->password);
	forget(c->token);
	free(c->username);
	free(c->ca_file);
	free(c->cert_file);
	free(c->key_file);
	*c = (struct http_config){};
}
