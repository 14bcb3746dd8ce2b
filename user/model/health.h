/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns how a pool's backends are to be checked, and when passive signals take one out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_CHECK_INTERVAL_MS	    2000u
#define MODEL_CHECK_INTERVAL_MIN_MS 100u
#define MODEL_CHECK_TIMEOUT_MS	    1000u
#define MODEL_CHECK_TIMEOUT_MIN_MS  10u
#define MODEL_CHECK_MAX_MS	    3600000u
#define MODEL_CHECK_RISE	    2u
#define MODEL_CHECK_FALL	    3u
#define MODEL_CHECK_RUNS_MAX	    100u
#define MODEL_STATUS_RANGES_MAX	    16u
#define MODEL_COMMAND_MAX	    64u
#define MODEL_OUTLIER_INTERVAL_MS   10000u
#define MODEL_OUTLIER_EJECT_MS	    30000u
#define MODEL_OUTLIER_MAX_EJECT_MS  300000u
#define MODEL_OUTLIER_MAX_PERCENT   50u
#define MODEL_OUTLIER_RATIO	    50u

enum model_check_type {
	MODEL_CHECK_NONE, /* backends are taken as up */
	MODEL_CHECK_TCP,
	MODEL_CHECK_HTTP,
	MODEL_CHECK_HTTPS,
	MODEL_CHECK_UDP,
	MODEL_CHECK_EXEC,
	MODEL_CHECK_TYPE_MAX,
};

/* HTTP status codes, both included. */
struct model_status_range {
	uint16_t low;
	uint16_t high;
};

struct model_statuses {
	struct model_status_range range[MODEL_STATUS_RANGES_MAX];
	size_t count;
};

/* Strings are its own; NULL where a check has none. */
struct model_health_check {
	enum model_check_type type;
	uint16_t port; /* 0: the backend's own */
	char *path;    /* of http, https: "/" where it is NULL */
	char *host;    /* NULL: the backend's address */
	char *method;  /* NULL: GET */
	struct model_statuses statuses;
	char *expect;  /* what the answer has to contain */
	char *send;    /* of udp; escapes are still in it: see model_unescape() */
	char *sni;     /* https: the name the certificate must have; NULL: host, or the address */
	char *ca_file; /* NULL: the system's */
	bool verify;
	bool reuse;	/* http, https: one connection for many checks */
	char **command; /* of exec; command_count words and a NULL */
	size_t command_count;
	uint32_t interval_ms;
	uint32_t timeout_ms;
	uint32_t jitter_ms; /* a check is at most so much later than its turn */
	uint32_t rise;	    /* passes running that bring a backend back */
	uint32_t fall;	    /* failures running that take it out */
};

/* Takes backends out whose connections fail. */
struct model_outlier {
	uint32_t failures; /* in an interval; 0: off */
	uint32_t ratio;	   /* percent of the flows that must have failed, too */
	uint32_t interval_ms;
	uint32_t eject_ms;     /* the first time; each time running as much longer */
	uint32_t max_eject_ms; /* at most */
	uint32_t max_percent;  /* of a pool's backends */
};

/* TCP, or none: defaults for a check of this type. */
void model_health_check_init(struct model_health_check *c);
void model_health_check_fini(struct model_health_check *c);
/* 0 or -ENOMEM, with nothing in @to then. */
int model_health_check_copy(struct model_health_check *to, const struct model_health_check *from);
bool model_health_check_equal(const struct model_health_check *a,
			      const struct model_health_check *b);

/* Reads "200-299", "200, 301-302". 0 or -EINVAL. */
int model_statuses_parse(const char *text, struct model_statuses *out);
bool model_statuses_match(const struct model_statuses *s, unsigned int status);

/*
 * model_unescape() - bytes from text: \xHH, \n, \r, \t, \0, \\; everything else stands for itself
 * @out: room for strlen(text) bytes. Returns how many there are, or -EINVAL.
 */
long model_unescape(const char *text, char *out);

const char *model_check_type_name(enum model_check_type type);
