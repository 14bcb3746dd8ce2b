// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/web_auth.h"

#include <crypt.h>
#include <pthread.h>
#include <stdatomic.h>
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

/* One password that is being tried; the thread's until is_done. */
struct trial {
	pthread_t thread;
	struct crypt_data crypt;
	char password[CREDENTIALS_MAX];
	char hash[WEB_HASH_LEN]; /* that it should have */
	bool is_user;		 /* false: there is no such user, which takes as long */
	bool is_right;
	atomic_bool is_done;
};

struct web_auth {
	unsigned char key[HASH_LEN];
	unsigned char known[KNOWN_MAX][HASH_LEN];
	size_t known_count, next;
	struct trial *trial; /* NULL: there is none */
	unsigned char trial_hash[HASH_LEN];
	bool is_trial_void;		 /* users have changed meanwhile */
	unsigned char refused[HASH_LEN]; /* the last that was wrong */
	bool has_refused;
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

static void trial_free(struct trial *t)
{
	explicit_bzero(t, sizeof(*t));
	free(t);
}

void web_auth_free(struct web_auth *a)
{
	if (!a)
		return;
	if (a->trial) {
		pthread_join(a->trial->thread, NULL);
		trial_free(a->trial);
	}
	explicit_bzero(a, sizeof(*a));
	free(a);
}

void web_auth_forget(struct web_auth *a)
{
	a->known_count = a->next = 0;
	a->has_refused = false;
	a->is_trial_void = true;
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

static void *try_password(void *arg)
{
	struct trial *t = arg;
	const char *result = crypt_r(t->password, t->hash, &t->crypt);

	t->is_right = result && strlen(result) == WEB_HASH_LEN - 1 &&
		      !gnutls_memcmp(result, t->hash, WEB_HASH_LEN - 1) && t->is_user;
	atomic_store(&t->is_done, true);
	return NULL;
}

static const struct web_user *find_user(const struct web_config *config, const char *name,
					size_t len)
{
	for (size_t i = 0; i < config->user_count; i++)
		if (strlen(config->users[i].name) == len &&
		    !memcmp(config->users[i].name, name, len))
			return &config->users[i];
	return NULL;
}

static struct trial *begin_trial(const struct web_config *config, const char *credentials)
{
	size_t name_len = strcspn(credentials, ":");
	const struct web_user *user = find_user(config, credentials, name_len);
	struct trial *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->is_user = user && credentials[name_len];
	strcpy(t->hash, (user ? user : config->users)->hash);
	strcpy(t->password, credentials + name_len + (credentials[name_len] == ':'));
	if (!pthread_create(&t->thread, NULL, try_password, t))
		return t;
	trial_free(t);
	return NULL;
}

/* What the thread has found, if it has. Who knows a password is no guesser: the next may try. */
static void end_trial(struct web_auth *a, uint64_t now_ms)
{
	if (!a->trial || !atomic_load(&a->trial->is_done))
		return;
	pthread_join(a->trial->thread, NULL);
	if (a->trial->is_right)
		a->next_try_ms = now_ms;
	if (!a->is_trial_void && a->trial->is_right)
		learn(a, a->trial_hash);
	if (!a->is_trial_void && !a->trial->is_right) {
		memcpy(a->refused, a->trial_hash, HASH_LEN);
		a->has_refused = true;
	}
	trial_free(a->trial);
	a->trial = NULL;
}

static enum web_verdict check(struct web_auth *a, const struct web_config *config,
			      const char *credentials, uint64_t now_ms)
{
	unsigned char hash[HASH_LEN];

	if (!hash_of(a, credentials, hash))
		return WEB_REFUSED;
	end_trial(a, now_ms);
	if (is_known(a, hash))
		return WEB_ADMITTED;
	if (a->has_refused && !gnutls_memcmp(a->refused, hash, HASH_LEN))
		return WEB_REFUSED;
	if (a->trial)
		return gnutls_memcmp(a->trial_hash, hash, HASH_LEN) ? WEB_LATER : WEB_PENDING;
	if (now_ms < a->next_try_ms)
		return WEB_LATER;
	a->next_try_ms = now_ms + WEB_AUTH_PAUSE_MS;
	a->trial = begin_trial(config, credentials);
	a->is_trial_void = false;
	memcpy(a->trial_hash, hash, HASH_LEN);
	return a->trial ? WEB_PENDING : WEB_LATER;
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
