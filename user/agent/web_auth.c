// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/web_auth.h"

#include <crypt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "config/web.h"

#define HASH_LEN	32 /* of SHA-256 */
#define KNOWN_MAX	64
#define CREDENTIALS_MAX 1024 /* bytes; bcrypt looks at 72 of a password */

struct web_auth {
	struct crypt_data crypt;
	unsigned char key[HASH_LEN];
	unsigned char known[KNOWN_MAX][HASH_LEN];
	size_t known_count, next;
	uint64_t next_try_ms;
};

struct web_auth *web_auth_new(void)
{
	struct web_auth *a = calloc(1, sizeof(*a));

	if (a && gnutls_rnd(GNUTLS_RND_KEY, a->key, sizeof(a->key))) {
		free(a);
		return NULL;
	}
	return a;
}

void web_auth_free(struct web_auth *a)
{
	if (a)
		explicit_bzero(a, sizeof(*a));
	free(a);
}

void web_auth_forget(struct web_auth *a)
{
	a->known_count = a->next = 0;
}

static bool hash_of(const struct web_auth *a, const char *text, unsigned char hash[HASH_LEN])
{
	return !gnutls_hmac_fast(GNUTLS_MAC_SHA256, a->key, sizeof(a->key), text, strlen(text),
				 hash);
}

static bool is_known(const struct web_auth *a, const unsigned char hash[HASH_LEN])
{
	for (size_t i = 0; i < a->known_count; i++)
		if (!gnutls_memcmp(a->known[i], hash, HASH_LEN))
			return true;
	return false;
}

/* The oldest gives way. */
static void learn(struct web_auth *a, const unsigned char hash[HASH_LEN])
{
	memcpy(a->known[a->next], hash, HASH_LEN);
	a->next = (a->next + 1) % KNOWN_MAX;
	if (a->known_count < KNOWN_MAX)
		a->known_count++;
}

/* "Basic dXNlcjpwYXNz" to "user:pass". */
static bool decode(const char *authorization, char out[CREDENTIALS_MAX])
{
	gnutls_datum_t from, to = {};
	bool fits;

	if (!authorization || strncasecmp(authorization, "Basic ", 6))
		return false;
	authorization += 6 + strspn(authorization + 6, " ");
	from = (gnutls_datum_t){(unsigned char *)(uintptr_t)authorization,
				(unsigned int)strlen(authorization)};
	if (gnutls_base64_decode2(&from, &to))
		return false;
	fits = to.size < CREDENTIALS_MAX && !memchr(to.data, '\0', to.size);
	if (fits) {
		memcpy(out, to.data, to.size);
		out[to.size] = '\0';
	}
	explicit_bzero(to.data, to.size);
	gnutls_free(to.data);
	return fits;
}

/* A user that there is not takes as long. */
static bool is_right(struct web_auth *a, const struct web_config *config, const char *credentials)
{
	const char *colon = strchr(credentials, ':'), *result;
	const struct web_user *user = config->users;
	bool is_user = false;

	if (!colon)
		return false;
	for (size_t i = 0; i < config->user_count && !is_user; i++) {
		const char *name = config->users[i].name;

		is_user = strlen(name) == (size_t)(colon - credentials) &&
			  !strncmp(name, credentials, strlen(name));
		if (is_user)
			user = &config->users[i];
	}
	result = crypt_r(colon + 1, user->hash, &a->crypt);
	return result && strlen(result) == WEB_HASH_LEN - 1 &&
	       !gnutls_memcmp(result, user->hash, WEB_HASH_LEN - 1) && is_user;
}

static enum web_verdict check(struct web_auth *a, const struct web_config *config,
			      const char *credentials, uint64_t now_ms)
{
	unsigned char hash[HASH_LEN];

	if (!hash_of(a, credentials, hash))
		return WEB_REFUSED;
	if (is_known(a, hash))
		return WEB_ADMITTED;
	if (now_ms < a->next_try_ms)
		return WEB_LATER;
	a->next_try_ms = now_ms + WEB_AUTH_PAUSE_MS;
	if (!is_right(a, config, credentials))
		return WEB_REFUSED;
	a->next_try_ms = now_ms; /* who knows a password is no guesser */
	learn(a, hash);
	return WEB_ADMITTED;
}

enum web_verdict web_auth_check(struct web_auth *a, const struct web_config *config,
				const char *authorization, uint64_t now_ms)
{
	char credentials[CREDENTIALS_MAX];
	enum web_verdict verdict;

	if (!config->user_count)
		return WEB_ADMITTED;
	if (!decode(authorization, credentials))
		return WEB_REFUSED;
	verdict = check(a, config, credentials, now_ms);
	explicit_bzero(credentials, sizeof(credentials));
	return verdict;
}
