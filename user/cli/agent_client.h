/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns requests to the agent over its unix socket, and what an answer is as an exit code. */
#pragma once

#include <stddef.h>

#include <jansson.h>

struct cli;

struct agent_request {
	const char *socket;	/* path */
	const char *method;	/* "GET", "POST" */
	const char *path;	/* "/api/v1/reload" */
	json_t *body;		/* NULL: none */
	unsigned int timeout_s; /* of each wait for the agent; 0: none */
};

struct agent_answer {
	unsigned int status; /* HTTP's */
	json_t *json;	     /* an object */
};

/* Of --socket, the environment, or the usual one. */
const char *agent_socket(const struct cli *cli);

/*
 * agent_ask() - one request and its answer; says nothing.
 * @out: agent_answer_fini() it; unchanged on failure
 *
 * Returns 0; -EPROTO: what came is no answer of an agent; -ETIMEDOUT; or another -errno: nobody answers.
 */
int agent_ask(const struct agent_request *r, struct agent_answer *out);
void agent_answer_fini(struct agent_answer *a);

/* Says why agent_ask() failed. Returns CLI_NO_AGENT, or CLI_FAILED for -EPROTO. */
int agent_tell_absent(const char *socket, int error);
/* Says why the agent refused, if it did, with every detail. Returns the exit code. */
int agent_tell_refusal(const struct agent_answer *a);

/* "web/1" as "web%2F1", to be a part of a path. Returns buf. */
const char *agent_escape(const char *text, char *buf, size_t size);
