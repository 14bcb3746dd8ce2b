// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/errors.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void clean(char *message)
{
	size_t len = strlen(message);
	bool is_printable;

	for (size_t i = 0, bytes; i < len; i += bytes) {
		bytes = text_char(message + i, len - i, &is_printable);
		if (!is_printable)
			memset(message + i, '?', bytes);
	}
}

static int make_room(struct errors *e)
{
	size_t room = e->room ? e->room * 2 : 16;
	struct config_error *list;

	if (e->all.count < e->room)
		return 0;
	list = realloc(e->all.list, room * sizeof(*list));
	if (!list)
		return -ENOMEM;
	e->all.list = list;
	e->room = room;
	return 0;
}

/* Takes the message, which may be NULL when there was no memory for it. */
static void append(struct errors *e, struct place at, char *message)
{
	if (!message || make_room(e)) {
		free(message);
		e->is_no_memory = true;
		return;
	}
	clean(message);
	e->all.list[e->all.count++] =
		(struct config_error){.line = at.line, .column = at.column, .message = message};
}

void errors_add(struct errors *e, struct place at, const char *format, ...)
{
	char *message;
	va_list args;

	if (e->all.count >= ERRORS_MAX) {
		e->has_more = true;
		return;
	}
	va_start(args, format);
	if (vasprintf(&message, format, args) < 0)
		message = NULL;
	va_end(args);
	append(e, at, message);
}

static int by_place(const void *a, const void *b)
{
	const struct config_error *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	if (x->column != y->column)
		return x->column < y->column ? -1 : 1;
	return strcmp(x->message, y->message);
}

int errors_finish(struct errors *e, struct config_errors *out)
{
	if (e->all.count)
		qsort(e->all.list, e->all.count, sizeof(*e->all.list), by_place);
	if (e->has_more)
		append(e, (struct place){0},
		       strdup("there are more errors than these; mend them first"));
	*out = e->all;
	if (e->is_no_memory)
		return -ENOMEM;
	return out->count ? -EINVAL : 0;
}

void config_errors_fini(struct config_errors *errors)
{
	for (size_t i = 0; i < errors->count; i++)
		free(errors->list[i].message);
	free(errors->list);
	*errors = (struct config_errors){0};
}
