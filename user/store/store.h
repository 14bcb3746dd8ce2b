/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the state database: what was changed, by whom and why; the live weights that a restart takes
 * up; and the events that the agent read. SQLite is known in this folder alone.
 *
 * Nothing that packets need waits for it or fails with it: the kernel is changed first. What cannot
 * be kept is said, counted, and gone on without. The functions return 0 or -errno, and have said why.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/dataplane.h"
#include "model/live.h"

#define STORE_DEFAULT_PATH "/var/lib/serin/serin.db"
#define STORE_ENV	   "SERIN_STATE"
#define STORE_ROWS_MAX	   100000 /* of changes, and of events: the oldest go */

struct store;

struct store_counts {
	bool is_available; /* the last write went well */
	uint64_t errors;
	uint64_t lost; /* changes and events that are not kept */
};

/* @path: "" keeps nothing; NULL: that of the environment, or the default. Opens nothing yet.
 * NULL when out of memory, which all the others take for a store that keeps nothing. */
struct store *store_new(const char *path);
void store_free(struct store *s);
const char *store_path(const struct store *s);
struct store_counts store_count(const struct store *s);
/* Writes something that changes nothing: can it be done? */
int store_probe(struct store *s);
/* How long somebody who has it locked is waited for; 2 s unless told otherwise. */
void store_set_patience(struct store *s, int ms);
/* Counts what its owner gives up keeping. */
void store_lose(struct store *s, uint64_t count);

/* ---- changes ---- */

struct store_act {
	const struct dataplane_author *author;
	const char *service; /* that was asked for; NULL: all */
	int error;	     /* as the data plane returned it */
};

/* After the data plane returned; author->change is its account. Asking for what is not there, and
 * what was so already, is no change. */
int store_record(struct store *s, const struct store_act *act);

/* ---- live weights ---- */

/* What is kept: *out is NULL where nothing is. */
int store_load_live(struct store *s, struct live **out);
/* Gives it to a model that is about to be applied, where nothing is loaded. */
void store_remember(struct store *s, const char *dir, struct model *m);
/* Makes what is kept what was read at read_ns, unless it is so or has changed since. 1: it has
 * written something. */
int store_sync_live(struct store *s, const struct live *l, uint64_t read_ns);

/* ---- events ---- */

/* All or none; not counted as lost, for they may be tried again. */
int store_events(struct store *s, const struct event_view *list, size_t count);

/* ---- reading ---- */

struct history_query {
	const char *service; /* NULL: all */
	int64_t since_ms;    /* Unix time */
	int64_t limit;	     /* the newest so many; -1: all */
	bool has_events;     /* those, too */
};

/* Strings are "" where there is nothing to say; they last until the visitor returns. */
struct history_entry {
	bool is_event;
	int64_t at_ms;
	const char *actor; /* of an event, its kind */
	const char *service;
	const char *reason; /* of an event, its cause */
	const char *detail; /* of an apply: the differences */
	/* of a change: */
	int64_t uid, sudo_uid; /* -1: none */
	const char *user, *sudo_user;
	const char *outcome;	    /* done, failed, conflict */
	int64_t epoch;		    /* -1: none */
	const char *before, *after; /* JSON */
	/* of an event: */
	const char *pool, *backend, *client;
	int64_t count, total;
};

typedef int history_visitor(const struct history_entry *e, void *arg);

/* The oldest first. -ENOENT, and that one silently: nothing was kept yet. */
int store_history(struct store *s, const struct history_query *query, history_visitor *visit,
		  void *arg);
