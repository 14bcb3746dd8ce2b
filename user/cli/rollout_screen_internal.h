/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns what the parts of a rollout's screen share. */
#pragma once

#include "cli/rollout_screen.h"

#define SCREEN_LABEL	11   /* columns before what a line tells */
#define SCREEN_WRAP	2    /* lines that one text takes at most */
#define SCREEN_TEXT_LEN 1024 /* bytes of it */
#define SCREEN_BAR_LEN	23   /* 20 places */

enum screen_colour {
	SCREEN_PLAIN,
	SCREEN_BOLD,
	SCREEN_GREEN,
	SCREEN_YELLOW,
	SCREEN_RED,
	SCREEN_COLOUR_MAX,
};

enum screen_backends { SCREEN_BACKENDS_NONE, SCREEN_BACKENDS_BAD, SCREEN_BACKENDS_ALL };

struct screen_limits {
	enum screen_backends backends;
	size_t tests;	    /* lines of evidence, those furthest on their way first */
	size_t transitions; /* the newest */
};

struct screen {
	struct rollout_screen look;
	const struct screen_limits *limits;
	const json_t *view;
	FILE *out;
	size_t commands; /* told so far */
};

/* A line, or two: what is put in is text from elsewhere. */
void screen_put(struct screen *s, enum screen_colour colour, const char *label, const char *format,
		...) __attribute__((format(printf, 4, 5)));
/* One line, cut where it is too long; all of it is in the report. */
void screen_put_line(struct screen *s, const char *label, const char *text);
/* "[####----------------]": 0 .. 1 of it. Returns bar. */
const char *screen_bar(double part, char bar[SCREEN_BAR_LEN]);

/* Service, pools, backends. 0 or -ENOMEM. */
int screen_put_tree(struct screen *s);
/* The verdict and how far each test is from its boundary; metrics. */
void screen_put_evidence(struct screen *s);
