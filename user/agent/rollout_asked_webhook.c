// SPDX-License-Identifier: GPL-2.0-or-later
/* One POST of JSON, and what the answer means. */
#include "agent/rollout_asked.h"

#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "agent/rollout_asks_internal.h"
#include "agent/rollout_verdict.h"

struct post {
	CURL *easy;
	struct curl_slist *headers;
	char body[ASK_OUTPUT_MAX]; /* of the answer */
	size_t len;
	bool is_cut;
	char error[CURL_ERROR_SIZE];
};

static size_t take_body(char *data, size_t size, size_t count, void *arg)
{
	struct post *p = arg;
	size_t len = size * count, left = sizeof(p->body) - p->len;

	p->is_cut = len > left;
	len = p->is_cut ? left : len;
	memcpy(p->body + p->len, data, len);
	p->len += len;
	return p->is_cut ? 0 : len; /* it ends the transfer */
}

static int add_header(struct post *p, const char *format, const char *value)
{
	char line[256];
	struct curl_slist *more;

	snprintf(line, sizeof(line), format, value);
	more = curl_slist_append(p->headers, line);
	if (!more)
		return -ENOMEM;
	p->headers = more;
	return 0;
}

static int set_headers(struct post *p, const char *key)
{
	int err = add_header(p, "%s", "Content-Type: application/json");

	if (!err)
		err = add_header(p, "%s", "Expect:"); /* no asking first whether it may be sent */
	if (!err && key && *key)
		err = add_header(p, "Idempotency-Key: %.200s", key);
	curl_easy_setopt(p->easy, CURLOPT_HTTPHEADER, p->headers);
	return err;
}

static void set_request(struct post *p, const json_t *ask)
{
	json_t *timeout = json_object_get(ask, "timeout_ms");
	CURL *easy = p->easy;

	curl_easy_setopt(easy, CURLOPT_URL, json_string_value(json_object_get(ask, "url")));
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "serin/" SERIN_VERSION);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)json_integer_value(timeout));
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	/* Nothing of the environment has a say, as in health checks. */
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, json_string_value(json_object_get(ask, "body")));
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, p);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, p->error);
}

/* The URL is not repeated: those of Slack are secrets. */
static int tell(const struct post *p, CURLcode code)
{
	struct verdict v = {.kind = VERDICT_NONE};
	long status = 0;

	curl_easy_getinfo(p->easy, CURLINFO_RESPONSE_CODE, &status);
	if (code == CURLE_OK || p->is_cut)
		verdict_of_http(status, p->body, p->len, p->is_cut, &v);
	else
		snprintf(v.why, sizeof(v.why), "%.250s",
			 *p->error ? p->error : curl_easy_strerror(code));
	return rollout_asked_tell(json_pack("{s:i, s:o*, s:I, s:o*}", "kind", (int)v.kind, "why",
					    verdict_text(v.why, strlen(v.why)), "status",
					    (json_int_t)status, "output",
					    verdict_text(p->body, p->len)));
}

int rollout_asked_webhook(const json_t *ask)
{
	static struct post p;
	int err;

	p.easy = curl_easy_init();
	if (!p.easy)
		return -ENOMEM;
	set_request(&p, ask);
	err = set_headers(&p, json_string_value(json_object_get(ask, "key")));
	if (!err)
		err = tell(&p, curl_easy_perform(p.easy));
	curl_easy_cleanup(p.easy);
	curl_slist_free_all(p.headers);
	return err;
}
