// SPDX-License-Identifier: GPL-2.0-or-later
#include "metrics_source/prometheus.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config/duration.h"
#include "config/http.h"
#include "metrics_source/range.h"

#define FORM_MS(ms) (ms) / 1000, (int)((ms) % 1000)

struct answer {
	char *text;
	size_t len;
	bool is_too_large, is_no_memory;
};

struct prometheus {
	CURL *easy;
	char *url;
	uint32_t timeout_ms;
	struct answer answer; /* while one comes */
	char error[CURL_ERROR_SIZE];
};

/* ---- the URL ---- */

static bool has_part(CURLU *url, CURLUPart part)
{
	char *text = NULL;
	bool has = curl_url_get(url, part, &text, 0) == CURLUE_OK && *text;

	curl_free(text);
	return has;
}

/* What is wrong with it, or NULL. It is not repeated: it may hold a password. */
static const char *judge_url(const char *text, CURLU *url)
{
	if (strncmp(text, "http://", 7) && strncmp(text, "https://", 8))
		return "must begin with http:// or https://";
	if (curl_url_set(url, CURLUPART_URL, text, 0))
		return "is no URL";
	if (has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_PASSWORD))
		return "must hold no user or password, which every user of this host could see; "
		       "say them in --http-config";
	if (has_part(url, CURLUPART_QUERY) || has_part(url, CURLUPART_FRAGMENT))
		return "must end before any \"?\" or \"#\"; /api/v1/query_range is put after it";
	return NULL;
}

static int make_url(const char *base, FILE *messages, char **out)
{
	CURLU *url = curl_url();
	const char *wrong = url ? judge_url(base, url) : NULL;
	int len = (int)strlen(base);

	curl_url_cleanup(url);
	if (wrong) {
		fprintf(messages, "--prometheus: error: the URL %s\n", wrong);
		return -EINVAL;
	}
	while (len && base[len - 1] == '/')
		len--;
	if (!url || asprintf(out, "%.*s/api/v1/query_range", len, base) < 0)
		return -ENOMEM;
	return 0;
}

/* ---- the handle ---- */

static size_t take_answer(char *data, size_t size, size_t count, void *arg)
{
	struct answer *a = arg;
	size_t len = size * count;
	char *text;

	a->is_too_large = len > PROMETHEUS_ANSWER_MAX - a->len;
	if (a->is_too_large)
		return 0;
	text = realloc(a->text, a->len + len + 1);
	a->is_no_memory = !text;
	if (!text)
		return 0;
	a->text = text;
	memcpy(text + a->len, data, len);
	a->len += len;
	text[a->len] = '\0';
	return len;
}

static void set_access(CURL *easy, const struct http_config *c)
{
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, c->is_unverified ? 0L : 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, c->is_unverified ? 0L : 2L);
	if (c->ca_file)
		curl_easy_setopt(easy, CURLOPT_CAINFO, c->ca_file);
	if (c->cert_file) {
		curl_easy_setopt(easy, CURLOPT_SSLCERT, c->cert_file);
		curl_easy_setopt(easy, CURLOPT_SSLKEY, c->key_file);
	}
	if (c->username) {
		curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
		curl_easy_setopt(easy, CURLOPT_USERNAME, c->username);
		curl_easy_setopt(easy, CURLOPT_PASSWORD, c->password);
	}
	if (c->token) {
		curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
		curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, c->token);
	}
}

static void set_request(struct prometheus *p)
{
	CURL *easy = p->easy;

	curl_easy_setopt(easy, CURLOPT_URL, p->url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "serin/" SERIN_VERSION);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)p->timeout_ms);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	/* Nothing of the environment has a say, as in health checks. */
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, &p->answer);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, p->error);
}

int prometheus_new(const struct prometheus_settings *s, FILE *messages, struct prometheus **out)
{
	struct prometheus *p = calloc(1, sizeof(*p));
	int error = p ? make_url(s->url, messages, &p->url) : -ENOMEM;

	if (!error) {
		p->timeout_ms = s->timeout_ms;
		p->easy = curl_easy_init();
		error = p->easy ? 0 : -ENOMEM;
	}
	if (error) {
		prometheus_free(p);
		return error;
	}
	set_request(p);
	set_access(p->easy, s->http);
	*out = p;
	return 0;
}

void prometheus_free(struct prometheus *p)
{
	if (!p)
		return;
	curl_easy_cleanup(p->easy);
	free(p->answer.text);
	free(p->url);
	free(p);
}

const char *prometheus_url(const struct prometheus *p)
{
	return p->url;
}

/* ---- one request ---- */

/* As a form: a query may be longer than a URL, and stays out of logs. */
static char *make_form(CURL *easy, const char *query, const struct range_grid *g)
{
	char *escaped = curl_easy_escape(easy, query, 0), *form = NULL;

	if (escaped &&
	    asprintf(&form,
		     "query=%s&start=%" PRId64 ".%03d&end=%" PRId64 ".%03d&step=%" PRId64 ".%03d",
		     escaped, FORM_MS(g->start_ms), FORM_MS(g->end_ms), FORM_MS(g->step_ms)) < 0)
		form = NULL;
	curl_free(escaped);
	return form;
}

static int complain_of_transfer(const struct prometheus *p, const struct source *s, CURLcode code)
{
	const char *what = *p->error ? p->error : curl_easy_strerror(code);
	char time[DURATION_TEXT_LEN];

	if (p->answer.is_no_memory)
		return -ENOMEM;
	if (p->answer.is_too_large)
		complain(s,
			 "the answer is larger than %zu bytes; ask for fewer series (sum() in the "
			 "query), a longer --step or a shorter time",
			 PROMETHEUS_ANSWER_MAX);
	else if (code == CURLE_OPERATION_TIMEDOUT)
		complain(s,
			 "no whole answer within %s; allow more by --timeout, or ask for less: a "
			 "longer --step, a shorter time",
			 duration_format(p->timeout_ms, time));
	else if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
		complain(s,
			 "its certificate is not trusted: %s; name who signed it as "
			 "tls_config.ca_file in --http-config",
			 what);
	else
		complain(s, "cannot be asked: %s; is the URL right, and does it run?", what);
	return -EIO;
}

/* What to do about a status that is not 200. */
static const char *advise(long status)
{
	if (status >= 300 && status < 400)
		return "redirects are not followed: give the URL it points to";
	if (status == 401 || status == 403)
		return "say in --http-config who asks: basic_auth or authorization";
	if (status == 404 || status == 405)
		return "is this the URL of Prometheus, without /api/v1?";
	if (status == 400 || status == 422)
		return "mend the metric's query, --start, --end or --step";
	if (status == 503)
		return "the query took too long or was given up there: ask for less, or try again";
	return "look into its log, or try again";
}

static int complain_of_status(const struct prometheus *p, const struct source *s, long status)
{
	char *said = range_refusal(p->answer.text ? p->answer.text : "", p->answer.len);

	complain(s, "HTTP status %ld%s%.300s; %s", status, said ? ": " : "", said ? said : "",
		 advise(status));
	free(said);
	return -EIO;
}

static int ask(struct prometheus *p, const struct source *s)
{
	long status = 0;
	CURLcode code;

	*p->error = '\0';
	code = curl_easy_perform(p->easy);
	if (code)
		return complain_of_transfer(p, s, code);
	curl_easy_getinfo(p->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200)
		return complain_of_status(p, s, status);
	if (!p->answer.text) {
		complain(s, "an empty answer; is this the URL of Prometheus?");
		return -EIO;
	}
	return 0;
}

int prometheus_query_range(struct prometheus *p, const struct source *s, const char *query,
			   const struct range_grid *g, char **text, size_t *len)
{
	char *form = make_form(p->easy, query, g);
	int error;

	if (!form)
		return -ENOMEM;
	curl_easy_setopt(p->easy, CURLOPT_POSTFIELDS, form);
	p->answer = (struct answer){0};
	error = ask(p, s);
	if (error) {
		free(p->answer.text);
	} else {
		*text = p->answer.text;
		*len = p->answer.len;
	}
	p->answer = (struct answer){0};
	curl_easy_setopt(p->easy, CURLOPT_POSTFIELDS, "");
	free(form);
	return error;
}
