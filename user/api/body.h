/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns what requests say: JSON bodies and parameters to structs. Pure. What is unknown, given twice
 * or out of range is an error, and says so.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <serin/abi.h>
#include <serin/info.h>

#define API_WHY_LEN 200

/* What every change may have. */
struct api_change {
	char reason[sizeof(((struct serin_change *)0)->reason)];
	bool is_dry_run;
};

struct api_weights {
	struct api_change change;
	int64_t expect_epoch; /* -1: any */
	size_t count;
	struct {
		char pool[SERIN_NAME_LEN];
		uint32_t ppm;
	} list[SERIN_MAX_POOLS];
};

struct api_drain {
	struct api_change change;
	bool is_forced;
	struct in6_addr address;
	uint16_t port; /* 0: the address alone tells which */
};

struct api_reload {
	char reason[sizeof(((struct serin_change *)0)->reason)];
};

#define API_RELEASE_LEN 64

/* What is asked of a service's rollouts. Strings are "" where they are not given. */
struct api_rollout_order {
	char command[16];
	char release[API_RELEASE_LEN];
	char strategy[SERIN_NAME_LEN];
	char reason[sizeof(((struct serin_change *)0)->reason)];
	int64_t id; /* 0: none is named */
	bool is_dry_run;
};

/*
 * 0; -EBADMSG: not JSON, or no object; -EINVAL: an object that says something wrong; both with a
 * sentence in @why. @out is right only with 0. @text need not end with NUL.
 */
int api_read_weights(const char *text, size_t len, struct api_weights *out, char why[API_WHY_LEN]);
int api_read_drain(const char *text, size_t len, struct api_drain *out, char why[API_WHY_LEN]);
int api_read_rollout(const char *text, size_t len, struct api_rollout_order *out,
		     char why[API_WHY_LEN]);
/* An empty body is right, too. */
int api_read_reload(const char *text, size_t len, struct api_reload *out, char why[API_WHY_LEN]);

/* Parameters of a URL; NULL is one that is not given. 0 or -EINVAL. */
int api_read_seed(const char *text, bool *has_seed, uint64_t *seed, char why[API_WHY_LEN]);
/* @otherwise: of one that is not given */
int api_read_count(const char *name, const char *text, int64_t otherwise, int64_t *out,
		   char why[API_WHY_LEN]);
int api_read_flag(const char *name, const char *text, bool *out, char why[API_WHY_LEN]);
