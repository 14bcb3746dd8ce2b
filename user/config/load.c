// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/read_file.h"
#include "config/text.h"

#define WIDTH_MAX 120 /* characters of a line that are shown */
#define BEFORE	  80  /* of them before the caret, where the line is longer */

/* The bytes of a line that are shown. */
struct window {
	const char *start;
	size_t len;
	size_t column; /* of the caret in it, from 1 */
	bool is_cut_before;
	bool is_cut_after;
};

static size_t skip_chars(const char *text, size_t len, size_t count)
{
	size_t at = 0;
	bool is_printable;

	while (count-- && at < len)
		at += text_char(text + at, len - at, &is_printable);
	return at;
}

static struct window cut_window(const struct text_line *line, size_t column)
{
	struct window w = {.column = column};
	size_t start = 0;

	if (skip_chars(line->start, line->len, WIDTH_MAX) < line->len && column > BEFORE) {
		start = skip_chars(line->start, line->len, column - BEFORE);
		w.column = BEFORE;
		w.is_cut_before = true;
	}
	w.start = line->start + start;
	w.len = skip_chars(w.start, line->len - start, WIDTH_MAX);
	w.is_cut_after = start + w.len < line->len;
	return w;
}

static void print_text(const struct window *w, FILE *out)
{
	size_t bytes;
	bool is_printable;

	fputs(w->is_cut_before ? "..." : "", out);
	for (size_t i = 0; i < w->len; i += bytes) {
		bytes = text_char(w->start + i, w->len - i, &is_printable);
		if (is_printable || w->start[i] == '\t')
			fwrite(w->start + i, 1, bytes, out);
		else
			fputc('?', out);
	}
	fputs(w->is_cut_after ? "...\n" : "\n", out);
}

/* One column for each character, with the line's own tabs, so that it ends under its place. */
static void print_caret(const struct window *w, FILE *out)
{
	size_t at = 0;
	bool is_printable;

	fputs(w->is_cut_before ? "   " : "", out);
	for (size_t column = 1; column < w->column; column++) {
		bool is_tab = at < w->len && w->start[at] == '\t';

		fputc(is_tab ? '\t' : ' ', out);
		if (at < w->len)
			at += text_char(w->start + at, w->len - at, &is_printable);
	}
	fputs("^\n", out);
}

static void print_errors(const char *path, const char *text, size_t len,
			 const struct config_errors *errors, FILE *out)
{
	struct text_line line;
	bool has_line = text_first_line(text, len, &line);

	for (size_t i = 0; i < errors->count; i++) {
		const struct config_error *e = &errors->list[i];
		struct window w;

		if (!e->line) {
			fprintf(out, "%s: error: %s\n", path, e->message);
			continue;
		}
		fprintf(out, "%s:%zu:%zu: error: %s\n", path, e->line, e->column, e->message);
		while (has_line && line.number < e->line)
			has_line = text_next_line(text, len, &line);
		if (!has_line)
			continue;
		w = cut_window(&line, e->column);
		print_text(&w, out);
		print_caret(&w, out);
	}
	fprintf(out, "%zu error%s; nothing was changed\n", errors->count,
		errors->count == 1 ? "" : "s");
}

static void print_failure(const char *path, int err, FILE *out)
{
	if (err == -EFBIG)
		fprintf(out, "%s: error: larger than %u MiB\n", path, CONFIG_SIZE_MAX >> 20);
	else
		fprintf(out, "%s: error: cannot read this file: %s\n", path, strerror(-err));
}

int config_load_with(const char *path, config_parser *parse, void *out, FILE *messages)
{
	const char *name = strcmp(path, "-") ? path : "<stdin>";
	struct config_errors errors = {0};
	const char *shown;
	char *text = NULL;
	size_t len = 0;
	int err = config_read_file(path, &text, &len);

	if (err) {
		print_failure(name, err, messages);
		return err;
	}
	err = parse(text, len, out, &errors);
	shown = text;
	text_skip_mark(&shown, &len);
	if (err == -EINVAL)
		print_errors(name, shown, len, &errors, messages);
	else if (err)
		fprintf(messages, "%s: error: %s\n", name, strerror(-err));
	config_errors_fini(&errors);
	free(text);
	return err;
}

static int parse_model(const char *text, size_t len, void *out, struct config_errors *errors)
{
	return config_parse(text, len, out, errors);
}

int config_load(const char *path, struct model **out, FILE *messages)
{
	return config_load_with(path, parse_model, out, messages);
}
