// SPDX-License-Identifier: GPL-2.0-or-later
#include "metrics_source/template.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where in PromQL the walk is. */
struct lexer {
	char quote;    /* of the string it is in; '#': a comment; 0: neither */
	bool is_regex; /* a string after =~ or !~ */
	char last;     /* that is no space, outside of strings */
};

struct expansion {
	const char *template;
	const struct query_values *values;
	struct query_error *error;
	struct lexer lexer;
	FILE *out;
};

static int refuse(const struct expansion *e, const char *at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(const struct expansion *e, const char *at, const char *format, ...)
{
	va_list args;

	e->error->column = (size_t)(at - e->template) + 1;
	va_start(args, format);
	vsnprintf(e->error->text, sizeof(e->error->text), format, args);
	va_end(args);
	return -EINVAL;
}

/* One character of the template's own, or two where it escapes the next. Returns how many. */
static size_t step_over(struct lexer *l, const char *at)
{
	char c = *at;

	if (l->quote == '#') {
		l->quote = c == '\n' ? 0 : '#';
	} else if (l->quote) {
		if (c == '\\' && l->quote != '`' && at[1] && at[1] != '$')
			return 2;
		l->quote = c == l->quote ? 0 : l->quote;
	} else if (strchr("\"'`#", c)) {
		l->quote = c;
		l->is_regex = l->last == '~';
	} else if (!isspace((unsigned char)c)) {
		l->last = c;
	}
	return 1;
}

/* ---- values ---- */

/* By number: then it is right in strings of both quotes. */
static void put_escaped(FILE *out, char c)
{
	if (strchr("\"'\\", c) || iscntrl((unsigned char)c))
		fprintf(out, "\\x%02x", (unsigned char)c);
	else
		fputc(c, out);
}

static int put_name(const struct expansion *e, const char *at, const char *name)
{
	const struct lexer *l = &e->lexer;

	for (const char *c = name; *c; c++) {
		bool is_meta = l->quote && l->is_regex && strchr("\\.+*?()|[]{}^$", *c);

		if (!l->quote && !isalnum((unsigned char)*c) && *c != '_' && *c != ':')
			return refuse(e, at,
				      "\"%.60s\" can stand in a string alone; put quotes round it",
				      name);
		if (l->quote == '`' && (*c == '`' || *c == '\r'))
			return refuse(e, at, "\"%.60s\" cannot stand between backticks", name);
		if (is_meta)
			fputs(l->quote == '`' ? "\\" : "\\\\", e->out);
		if (l->quote == '"' || l->quote == '\'')
			put_escaped(e->out, *c);
		else
			fputc(*c, e->out);
	}
	return 0;
}

static int put_value(const struct expansion *e, const char *at, const char *name, size_t len)
{
	const struct query_values *v = e->values;
	const struct {
		const char *name, *text;
		int64_t ms;
	} known[] = {
		{"service", v->service, 0}, {"pool", v->pool, 0},	  {"scope", v->pool, 0},
		{"control", v->control, 0}, {"start", NULL, v->start_ms}, {"end", NULL, v->end_ms},
		{"step", NULL, v->step_ms},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (strlen(known[i].name) != len || memcmp(known[i].name, name, len))
			continue;
		if (known[i].text)
			return put_name(e, at, known[i].text);
		if (!strcmp(known[i].name, "step"))
			fprintf(e->out, "%" PRId64 "ms", known[i].ms);
		else
			fprintf(e->out, "%" PRId64 ".%03d", known[i].ms / 1000,
				(int)(known[i].ms % 1000));
		return 0;
	}
	return refuse(e, at,
		      "${%.*s} is not known; there are ${service}, ${pool}, ${scope} (the pool), "
		      "${control}, ${start}, ${end} and ${step}",
		      (int)(len < 32 ? len : 32), name);
}

/* Behind "${" or "$\{", or NULL where @at is neither. */
static const char *place_begins(const char *at)
{
	if (!strncmp(at, "${", 2))
		return at + 2;
	return strncmp(at, "$\\{", 3) ? NULL : at + 3;
}

static int expand(struct expansion *e)
{
	const char *at = e->template;

	while (*at) {
		const char *name = place_begins(at), *end = name ? strchr(name, '}') : NULL;
		size_t len;
		int error;

		if (name && !end)
			return refuse(e, at, "\"${\" without its \"}\"");
		if (name) {
			error = put_value(e, at, name, (size_t)(end - name));
			if (error)
				return error;
			at = end + 1;
			continue;
		}
		len = step_over(&e->lexer, at);
		fwrite(at, 1, len, e->out);
		at += len;
	}
	return 0;
}

int query_expand(const char *template, const struct query_values *v, char **out,
		 struct query_error *error)
{
	struct expansion e = {.template = template, .values = v, .error = error};
	char *text = NULL;
	size_t len = 0;
	int err;

	e.out = open_memstream(&text, &len);
	if (!e.out)
		return -ENOMEM;
	err = expand(&e);
	if (fclose(e.out) && !err)
		err = -ENOMEM;
	if (err)
		free(text);
	else
		*out = text;
	return err;
}
