// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/query.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEST_MAX 64

/* Where in PromQL the walk is. */
struct lexer {
	char quote;		    /* of the string it is in; '#': a comment; 0: neither */
	bool is_regex;		    /* a string after =~ or !~ */
	char last;		    /* that is no space, outside of strings */
	const char *quoted;	    /* where the string begins */
	const char *open[NEST_MAX]; /* brackets */
	size_t depth;
	const char *misfit; /* the first bracket that closes none, or is one too many */
};

struct expansion {
	const char *template;
	const struct query_values *values; /* NULL: nothing is put in */
	struct query_error *error;
	struct lexer lexer;
	FILE *out;
};

const char *const query_places[] = {"service", "pool", "scope", "control", "start", "end", "step"};

static int refuse(const struct expansion *e, const char *at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(const struct expansion *e, const char *at, const char *format, ...)
{
	va_list args;

	*e->error = (struct query_error){.column = (size_t)(at - e->template) + 1};
	va_start(args, format);
	vsnprintf(e->error->text, sizeof(e->error->text), format, args);
	va_end(args);
	return -EINVAL;
}

static bool is_pair(char open, char close)
{
	return (open == '(' && close == ')') || (open == '[' && close == ']') ||
	       (open == '{' && close == '}');
}

static void count_bracket(struct lexer *l, const char *at)
{
	bool opens = strchr("([{", *at), closes = strchr(")]}", *at);

	if (l->misfit || !(opens || closes))
		return;
	if (closes && l->depth && is_pair(*l->open[l->depth - 1], *at))
		l->depth--;
	else if (opens && l->depth < NEST_MAX)
		l->open[l->depth++] = at;
	else
		l->misfit = at;
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
		l->quoted = at;
	} else if (!isspace((unsigned char)c)) {
		count_bracket(l, at);
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

/* @place: of query_places */
static int put_value(const struct expansion *e, const char *at, size_t place)
{
	const struct query_values *v = e->values;
	const struct {
		const char *text;
		int64_t ms;
	} of[] = {{v->service, 0},     {v->pool, 0},	  {v->pool, 0},	     {v->control, 0},
		  {NULL, v->start_ms}, {NULL, v->end_ms}, {NULL, v->step_ms}};

	_Static_assert(sizeof(of) / sizeof(*of) == QUERY_PLACES_MAX, "a value each");
	if (of[place].text)
		return put_name(e, at, of[place].text);
	if (!strcmp(query_places[place], "step"))
		fprintf(e->out, "%" PRId64 "ms", of[place].ms);
	else
		fprintf(e->out, "%" PRId64 ".%03d", of[place].ms / 1000,
			(int)(of[place].ms % 1000));
	return 0;
}

static int fill(const struct expansion *e, const char *at, const char *name, size_t len)
{
	int most = (int)(len < QUERY_PLACE_LEN ? len : QUERY_PLACE_LEN - 1);

	for (size_t i = 0; i < QUERY_PLACES_MAX; i++)
		if (strlen(query_places[i]) == len && !memcmp(query_places[i], name, len))
			return e->values ? put_value(e, at, i) : 0;
	refuse(e, at,
	       "${%.*s} is not known; there are ${service}, ${pool}, ${scope} (the pool), "
	       "${control}, ${start}, ${end} and ${step}",
	       most, name);
	snprintf(e->error->unknown, QUERY_PLACE_LEN, "%.*s", most, name);
	return -EINVAL;
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
			error = fill(e, at, name, (size_t)(end - name));
			if (error)
				return error;
			at = end + 1;
			continue;
		}
		len = step_over(&e->lexer, at);
		if (e->out)
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

int query_check(const char *template, struct query_error *error)
{
	struct expansion e = {.template = template, .error = error};
	const struct lexer *l = &e.lexer;

	if (expand(&e))
		return -EINVAL;
	if (l->quote && l->quote != '#')
		return refuse(&e, l->quoted, "a string that does not end");
	if (l->misfit && strchr("([{", *l->misfit))
		return refuse(&e, l->misfit, "more than %d brackets in each other", NEST_MAX);
	if (l->misfit)
		return refuse(&e, l->misfit, "\"%c\" ends no bracket", *l->misfit);
	if (l->depth)
		return refuse(&e, l->open[l->depth - 1], "\"%c\" without its end",
			      *l->open[l->depth - 1]);
	return 0;
}
