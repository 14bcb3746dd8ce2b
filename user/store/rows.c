// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From one act to what is said of each service: its state before and after, and those lines that
 * apply told of it ("+ service web: pool canary"). Pure.
 */
#include "store/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_service(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->service, ((const struct row *)b)->service);
}

static size_t count_of(const struct live *l)
{
	return l ? l->count : 0;
}

static bool is_other(const struct live_service *before, const struct live_service *after)
{
	return !before || !after || !live_equal(before, after);
}

/* A row for each service there was or is, after the one for none of them. */
static int list_services(const struct live_change *c, struct rows *out)
{
	size_t room = 1 + count_of(c->before) + count_of(c->after);

	out->list = calloc(room, sizeof(*out->list));
	if (!out->list)
		return -ENOMEM;
	out->count = 1;
	for (size_t i = 0; i < count_of(c->before); i++) {
		const struct live_service *s = &c->before->services[i];

		out->list[out->count++] = (struct row){
			.service = s->name, .before = s, .after = live_find(c->after, s->name)};
	}
	for (size_t i = 0; i < count_of(c->after); i++) {
		const struct live_service *s = &c->after->services[i];

		if (!live_find(c->before, s->name))
			out->list[out->count++] = (struct row){.service = s->name, .after = s};
	}
	for (size_t i = 1; i < out->count; i++)
		out->list[i].is_changed = is_other(out->list[i].before, out->list[i].after);
	qsort(out->list + 1, out->count - 1, sizeof(*out->list), by_service);
	return 0;
}

/* Whom a line is about; the first row if none is known by that name. */
static struct row *row_of(const struct rows *r, const char *line, size_t length)
{
	static const char word[] = "service ";
	char name[SERIN_NAME_LEN] = "";
	struct row wanted = {.service = name}, *found = NULL;
	const char *at = line + 2;
	size_t size;

	if (length < 2 + sizeof(word) || strncmp(at, word, sizeof(word) - 1))
		return r->list;
	at += sizeof(word) - 1;
	size = strcspn(at, ": \n");
	if (size >= sizeof(name))
		return r->list;
	memcpy(name, at, size);
	found = bsearch(&wanted, r->list + 1, r->count - 1, sizeof(wanted), by_service);
	return found ? found : r->list;
}

static int add_line(struct row *row, const char *line, size_t length)
{
	size_t before = row->detail ? strlen(row->detail) : 0;
	char *grown;

	if (*line != '=') /* what is as it was */
		row->is_changed = true;
	if (before + length + 1 > ROWS_DETAIL_MAX) {
		row->omitted++;
		return 0;
	}
	grown = realloc(row->detail, before + length + 2);
	if (!grown)
		return -ENOMEM;
	row->detail = grown;
	snprintf(grown + before, length + 2, "%s%.*s", before ? "\n" : "", (int)length, line);
	return 0;
}

static int add_lines(const struct rows *r, const char *told)
{
	int error = 0;

	while (!error && told && *told) {
		size_t length = strcspn(told, "\n");

		if (length)
			error = add_line(row_of(r, told, length), told, length);
		told += length + (told[length] == '\n');
	}
	return error;
}

static int say_omitted(struct row *row)
{
	char *all = NULL;

	if (!row->omitted)
		return 0;
	if (asprintf(&all, "%s\n(and %zu more)", row->detail ? row->detail : "", row->omitted) < 0)
		return -ENOMEM;
	free(row->detail);
	row->detail = all;
	return 0;
}

/* Rows that say nothing go; but there was an act, so one stays. */
static void drop_unchanged(struct rows *r, const char *service)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->count; i++) {
		if (r->list[i].is_changed)
			r->list[kept++] = r->list[i];
		else
			free(r->list[i].detail);
	}
	if (!kept)
		r->list[kept++] = (struct row){.service = service};
	r->count = kept;
}

int rows_make(const struct live_change *c, const char *service, struct rows *out)
{
	int error;

	memset(out, 0, sizeof(*out));
	error = list_services(c, out);
	if (!error)
		error = add_lines(out, c->told);
	for (size_t i = 0; !error && i < out->count; i++)
		error = say_omitted(&out->list[i]);
	if (error)
		rows_fini(out);
	else
		drop_unchanged(out, service);
	return error;
}

void rows_fini(struct rows *r)
{
	for (size_t i = 0; i < r->count; i++)
		free(r->list[i].detail);
	free(r->list);
	memset(r, 0, sizeof(*r));
}
