/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns which paths the API has, by which methods, and who may ask them. Pure. */
#pragma once

#include <stdbool.h>

#include <serin/abi.h>

enum api_call {
	API_STATUS,
	API_STATUS_SERVICE,
	API_WEIGHTS,
	API_DRAIN,
	API_UNDRAIN,
	API_RELOAD,
	API_EXPLAIN,
	API_EVENTS,
	API_ROLLOUTS,
	API_ROLLOUT,
	API_ROLLOUT_RECORD,
	API_ORDER_ROLLOUT,
	API_CALL_MAX,
};

struct api_route {
	const char *method;
	const char *pattern; /* "{service}" stands for one segment */
	bool is_public;	     /* over TCP, too */
};

extern const struct api_route api_routes[API_CALL_MAX];

struct api_target {
	enum api_call call;
	char service[SERIN_NAME_LEN]; /* "" where the path names none */
};

/*
 * api_find() - which call a request is. HEAD is GET.
 * Returns 0, -ENOENT (no such path), or -EOPNOTSUPP (another method has it: @allow).
 */
int api_find(const char *method, const char *path, struct api_target *out, const char **allow);
