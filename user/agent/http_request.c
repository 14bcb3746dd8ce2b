// SPDX-License-Identifier: GPL-2.0-or-later
/* One request: what it may be, its body, and the reply. */
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "agent/http_internal.h"

/* A body that is too long is read on for so much, so that its sender hears of it. */
#define DISCARD_MAX (16 * HTTP_BODY_MAX)

struct exchange {
	char *body;
	size_t len;
	size_t discarded;
};

const char *http_parameter(const struct http_request *r, const char *name)
{
	return MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *http_header(const struct http_request *r, const char *name)
{
	return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

void http_refuse(struct http_reply *reply, unsigned int status, const char *code,
		 const char *format, ...)
{
	char message[1024];
	json_t *json;
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	reply->status = status;
	reply->content_type = "application/json";
	json = json_pack("{s:{s:s, s:s}}", "error", "code", code, "message", message);
	if (!json) /* not UTF-8: it quotes what came */
		json = json_pack("{s:{s:s, s:s}}", "error", "code", code, "message", "refused");
	if (json && !json_dumpf(json, reply->body, JSON_INDENT(2)))
		fputc('\n', reply->body);
	json_decref(json);
}

static struct MHD_Response *make_response(struct http_client *client, struct http_reply *reply,
					  char *body, size_t size)
{
	struct MHD_Response *response;

	if (reply->more)
		return http_follow(client, reply, body, size);
	response = MHD_create_response_from_buffer(size, body, MHD_RESPMEM_MUST_FREE);
	if (!response)
		free(body);
	return response;
}

static enum MHD_Result send_reply(struct http_client *client, struct http_reply *reply, char *body,
				  size_t size)
{
	struct MHD_Response *response;
	enum MHD_Result result;

	client->deadline_us = http_now_us() + HTTP_REPLY_US;
	response = make_response(client, reply, body, size);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type);
	if (reply->allow)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, reply->allow);
	if (reply->challenge)
		MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
					reply->challenge);
	result = MHD_queue_response(client->connection, reply->status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer(struct http_client *client, const struct http_request *request)
{
	struct http_reply reply = {.status = MHD_HTTP_NOT_FOUND, .content_type = "text/plain"};
	struct http *http = client->http;
	char *body = NULL;
	size_t size = 0;

	reply.body = open_memstream(&body, &size);
	if (!reply.body)
		return MHD_NO;
	http->options.handler(request, &reply, http->options.arg);
	if (fclose(reply.body)) {
		free(body);
		return MHD_NO;
	}
	if (!reply.is_pending)
		return send_reply(client, &reply, body, size);
	free(body);
	client->is_suspended = true;
	MHD_suspend_connection(client->connection);
	return MHD_YES;
}

static enum MHD_Result refuse(struct http_client *client, unsigned int status, const char *code,
			      const char *message)
{
	struct http_reply reply = {.allow = status == 405 ? "GET, HEAD" : NULL};
	char *body = NULL;
	size_t size = 0;

	reply.body = open_memstream(&body, &size);
	if (!reply.body)
		return MHD_NO;
	http_refuse(&reply, status, code, "%s", message);
	if (fclose(reply.body)) {
		free(body);
		return MHD_NO;
	}
	return send_reply(client, &reply, body, size);
}

static bool only_reads(const char *method)
{
	return !strcmp(method, MHD_HTTP_METHOD_GET) || !strcmp(method, MHD_HTTP_METHOD_HEAD);
}

static enum MHD_Result refuse_length(struct http_client *client)
{
	return refuse(client, MHD_HTTP_CONTENT_TOO_LARGE, "too_large",
		      "a body has at most 65536 bytes");
}

static bool is_too_long(struct MHD_Connection *connection)
{
	const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
							 MHD_HTTP_HEADER_CONTENT_LENGTH);

	return length && strtoull(length, NULL, 10) > HTTP_BODY_MAX;
}

/*
 * A reply at the first call closes the connection, which is right for a refusal, whose body nobody
 * shall read; all others come when the request has been read to its end.
 */
static enum MHD_Result begin(struct http_client *client, const char *method, struct exchange **out)
{
	if (!client->is_admitted)
		return refuse(client, MHD_HTTP_FORBIDDEN, "forbidden",
			      "this socket is for root, the agent's user and its group");
	if (client->http->is_certificate_needed && !http_tls_admits(client->connection))
		return refuse(client, MHD_HTTP_FORBIDDEN, "forbidden",
			      "only for clients that show a certificate of this server's CA");
	if (!client->http->options.takes_changes && !only_reads(method))
		return refuse(client, MHD_HTTP_METHOD_NOT_ALLOWED, "method_not_allowed",
			      "only GET and HEAD here");
	if (client->http->options.takes_changes && is_too_long(client->connection))
		return refuse_length(client);
	*out = calloc(1, sizeof(**out));
	return *out ? MHD_YES : MHD_NO;
}

/* What reads takes no body: it is forgotten. */
static enum MHD_Result collect(struct http *http, struct exchange *x, const char *upload,
			       size_t size)
{
	if (http->options.takes_changes && !x->discarded && x->len + size <= HTTP_BODY_MAX) {
		char *body = realloc(x->body, x->len + size + 1);

		if (!body)
			return MHD_NO;
		memcpy(body + x->len, upload, size);
		x->body = body;
		x->len += size;
		x->body[x->len] = '\0';
		return MHD_YES;
	}
	x->discarded += size;
	return x->discarded <= DISCARD_MAX ? MHD_YES : MHD_NO;
}

enum MHD_Result http_on_request(void *arg, struct MHD_Connection *connection, const char *path,
				const char *method, const char *version, const char *upload,
				size_t *upload_size, void **state)
{
	struct http_client *client = http_client_of(connection);
	struct http *http = arg;
	struct exchange *x = *state;
	struct http_request request = {.method = method, .path = path, .connection = connection};

	(void)version;
	if (!client)
		return MHD_NO;
	if (!x)
		return begin(client, method, (struct exchange **)state);
	if (*upload_size) {
		size_t size = *upload_size;

		*upload_size = 0;
		return collect(http, x, upload, size);
	}
	if (x->discarded && http->options.takes_changes)
		return refuse_length(client);
	request.body = x->body ? x->body : "";
	request.body_len = x->len;
	request.uid = http->options.admits ? &client->uid : NULL;
	return answer(client, &request);
}

void http_on_completed(void *arg, struct MHD_Connection *connection, void **state,
		       enum MHD_RequestTerminationCode how)
{
	struct http_client *client = http_client_of(connection);
	struct exchange *x = *state;

	(void)arg;
	(void)how;
	if (client)
		client->deadline_us = http_now_us() + HTTP_ASK_US;
	if (x)
		free(x->body);
	free(x);
	*state = NULL;
}
