// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/syntax.h"

#include <errno.h>
#include <string.h>

/* libyaml says what its grammar missed; these say what the writer most likely did. */
static const char *usual_cause(const char *problem)
{
	static const struct {
		const char *problem, *cause;
	} causes[] = {
		{"mapping values are not allowed in this context",
		 "a ':' that no key can have here; is the indentation right, or quotes missing?"},
		{"found character that cannot start any token",
		 "nothing can begin with this character; quote it, and indent with spaces, not "
		 "tabs"},
		{"found a tab character where an indentation space is expected",
		 "indent with spaces, not tabs"},
		{"found a tab character that violates indentation", "indent with spaces, not tabs"},
		{"could not find expected ':'", "a ':' is missing after this key"},
		{"did not find expected key", "a key was expected; is the indentation right?"},
		{"did not find expected '-' indicator",
		 "a '-' was expected; is the indentation right?"},
		{"did not find expected ',' or ']'", "a ',' or ']' is missing"},
		{"did not find expected ',' or '}'", "a ',' or '}' is missing"},
		{"found unexpected end of stream", "the text ends inside quotes"},
	};

	for (size_t i = 0; i < sizeof(causes) / sizeof(*causes); i++)
		if (!strcmp(problem, causes[i].problem))
			return causes[i].cause;
	return problem;
}

/* What is missing is noticed long after the place where it should be: look where it began. */
static yaml_mark_t where(const yaml_parser_t *parser)
{
	static const char *const late[] = {"could not find expected ':'",
					   "found unexpected end of stream"};

	for (size_t i = 0; parser->context && i < sizeof(late) / sizeof(*late); i++)
		if (!strcmp(parser->problem, late[i]))
			return parser->context_mark;
	return parser->problem_mark;
}

static int reader_error(const yaml_parser_t *parser, const char *text, size_t len,
			struct errors *errors)
{
	struct place at = text_place(text, len, parser->problem_offset);

	if (!strcmp(parser->problem, "control characters are not allowed"))
		errors_add(errors, at, "the control character U+%04X is not allowed in YAML",
			   (unsigned int)parser->problem_value);
	else
		errors_add(errors, at, "the text is not UTF-8: %s", parser->problem);
	return -EINVAL;
}

int syntax_error(const yaml_parser_t *parser, const char *text, size_t len, struct errors *errors)
{
	yaml_mark_t mark;
	struct place at;

	if (parser->error == YAML_MEMORY_ERROR || !parser->problem)
		return -ENOMEM;
	if (parser->error == YAML_READER_ERROR)
		return reader_error(parser, text, len, errors);
	mark = where(parser);
	at = (struct place){(uint32_t)mark.line + 1, (uint32_t)mark.column + 1};
	if (parser->context && parser->context_mark.line < mark.line)
		errors_add(errors, at, "not valid YAML: %s (%s that begins on line %zu)",
			   usual_cause(parser->problem), parser->context,
			   parser->context_mark.line + 1);
	else
		errors_add(errors, at, "not valid YAML: %s", usual_cause(parser->problem));
	return -EINVAL;
}
