// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/web.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/read_file.h"
#include "config/values.h"
#include "lib/count_of.h"

#define USERS_MAX     1000
#define FILE_SIZE_MAX ((size_t)1 << 20)

static char *copy_text(struct reader *r, const char *text)
{
	char *copy = strdup(text);

	r->errors.is_no_memory |= !copy;
	return copy;
}

static void read_path(struct reader *r, const struct node *value, const struct schema_field *f,
		      void *object)
{
	char *path;

	if (!value_is_text(r, value, f, "the path of a file"))
		return;
	path = copy_text(r, value->text);
	memcpy((char *)object + f->offset, &path, sizeof(path));
}

static const struct value_words versions = {
	.list = (const struct value_word[]){{"TLS12", WEB_TLS12}, {"TLS13", WEB_TLS13}},
	.count = 2,
	.size = sizeof(enum web_tls_version),
};
static const struct value_words client_auth = {
	.list = (const struct value_word[]){{"NoClientCert", false},
					    {"RequireAndVerifyClientCert", true}},
	.count = 2,
	.size = sizeof(bool),
};

static const struct schema_field tls_fields[] = {
	{"cert_file", read_path, offsetof(struct web_tls, cert), true, NULL},
	{"key_file", read_path, offsetof(struct web_tls, key), true, NULL},
	{"client_ca_file", read_path, offsetof(struct web_tls, client_ca), false, NULL},
	{"client_auth_type", value_read_word, offsetof(struct web_tls, is_client_cert_needed),
	 false, &client_auth},
	{"min_version", value_read_word, offsetof(struct web_tls, min_version), false, &versions},
};
static const struct schema tls_schema = {"'tls_server_config'", tls_fields, COUNT_OF(tls_fields)};

static void read_tls(struct reader *r, const struct node *value, const struct schema_field *f,
		     void *object)
{
	struct web_tls *tls = &((struct web_config *)object)->tls;
	size_t errors = r->errors.all.count;

	(void)f;
	schema_read_map(r, value, &tls_schema, tls);
	if (r->errors.all.count != errors || !tls->client_ca == !tls->is_client_cert_needed)
		return;
	errors_add(&r->errors, value->at,
		   "'client_ca_file' and 'client_auth_type: RequireAndVerifyClientCert' need each "
		   "other");
}

/* "$2b$10$" and 53 characters of its own base 64; the cost, or 0. */
static unsigned int bcrypt_cost(const char *hash)
{
	static const char base64[] =
		"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

	if (strlen(hash) != WEB_HASH_LEN - 1 || strncmp(hash, "$2", 2) || !strchr("aby", hash[2]) ||
	    hash[3] != '$' || hash[4] < '0' || hash[4] > '9' || hash[5] < '0' || hash[5] > '9' ||
	    hash[6] != '$' || strspn(hash + 7, base64) != WEB_HASH_LEN - 8)
		return 0;
	return (unsigned int)(hash[4] - '0') * 10 + (unsigned int)(hash[5] - '0');
}

/* The hash is a secret: messages do not repeat it. */
static void read_hash(struct reader *r, const struct node *key, struct web_user *user)
{
	unsigned int cost;

	if (!schema_expect(r, key->value, NODE_TEXT, "a password"))
		return;
	cost = bcrypt_cost(key->value->text);
	if (cost < 4)
		errors_add(
			&r->errors, key->value->at,
			"the password of '%.40s' must be a bcrypt hash, $2y$10$ and 53 characters "
			"(htpasswd -nBC 10 NAME makes one)",
			key->text);
	else if (cost > WEB_COST_MAX)
		errors_add(&r->errors, key->value->at,
			   "the hash of '%.40s' has cost %u; at most %u, or whoever guesses "
			   "keeps a CPU busy",
			   key->text, cost, WEB_COST_MAX);
	else
		strcpy(user->hash, key->value->text);
}

static bool is_user_name(struct reader *r, const struct node *key, const struct web_config *w)
{
	if (!schema_expect(r, key, NODE_TEXT, "a user's name"))
		return false;
	if (!*key->text || strchr(key->text, ':')) {
		errors_add(&r->errors, key->at, "a user's name is not empty and has no colon");
		return false;
	}
	for (size_t i = 0; i < w->user_count; i++) {
		if (strcmp(w->users[i].name, key->text))
			continue;
		errors_add(&r->errors, key->at, "duplicate user '%.40s'", key->text);
		return false;
	}
	return true;
}

static void read_users(struct reader *r, const struct node *value, const struct schema_field *f,
		       void *object)
{
	struct web_config *w = object;
	size_t count = 0;

	(void)f;
	if (!schema_expect(r, value, NODE_MAP, "'basic_auth_users'"))
		return;
	for (const struct node *key = value->first; key; key = key->next)
		count++;
	if (count > USERS_MAX) {
		errors_add(&r->errors, value->at, "there are more than %d users", USERS_MAX);
		return;
	}
	w->users = calloc(count + 1, sizeof(*w->users));
	r->errors.is_no_memory |= !w->users;
	for (const struct node *key = w->users ? value->first : NULL; key; key = key->next) {
		struct web_user *user = &w->users[w->user_count];

		if (!is_user_name(r, key, w))
			continue;
		read_hash(r, key, user);
		user->name = copy_text(r, key->text);
		w->user_count += user->name != NULL;
	}
}

static const struct schema_field root_fields[] = {
	{"tls_server_config", read_tls, 0, false, NULL},
	{"basic_auth_users", read_users, 0, false, NULL},
};
static const struct schema root_schema = {"the web configuration", root_fields,
					  COUNT_OF(root_fields)};

int web_config_parse(const char *text, size_t len, struct web_config *out,
		     struct config_errors *errors)
{
	*out = (struct web_config){};
	return schema_read_text(text, len, &root_schema, out, errors);
}

static int parse(const char *text, size_t len, void *out, struct config_errors *errors)
{
	return web_config_parse(text, len, out, errors);
}

/* A path gives way to what the file holds. */
static int read_named(const char *config, char **path, FILE *messages)
{
	const char *slash = strrchr(config, '/');
	int dir = slash && **path != '/' ? (int)(slash - config + 1) : 0;
	char *full = NULL, *text = NULL;
	size_t len = 0;
	int err;

	if (asprintf(&full, "%.*s%s", dir, config, *path) < 0)
		return -ENOMEM;
	err = config_read_file(full, &text, &len);
	if (!err && len > FILE_SIZE_MAX)
		err = -EFBIG;
	if (!err) {
		free(*path);
		*path = strndup(text, len);
		err = *path ? 0 : -ENOMEM;
	}
	if (err)
		fprintf(messages, "%s: error: cannot read %s: %s\n", config, full, strerror(-err));
	free(text);
	free(full);
	return err;
}

int web_config_load(const char *path, struct web_config *out, FILE *messages)
{
	int err = config_load_with(path, parse, out, messages);

	if (!err && out->tls.cert)
		err = read_named(path, &out->tls.cert, messages);
	if (!err && out->tls.key)
		err = read_named(path, &out->tls.key, messages);
	if (!err && out->tls.client_ca)
		err = read_named(path, &out->tls.client_ca, messages);
	if (err)
		web_config_fini(out);
	return err;
}

void web_config_fini(struct web_config *w)
{
	free(w->tls.cert);
	if (w->tls.key)
		explicit_bzero(w->tls.key, strlen(w->tls.key));
	free(w->tls.key);
	free(w->tls.client_ca);
	for (size_t i = 0; i < w->user_count; i++)
		free(w->users[i].name);
	free(w->users);
	*w = (struct web_config){};
}
