// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/health.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STATUS_LOW  100
#define STATUS_HIGH 599

void model_health_check_init(struct model_health_check *c)
{
	*c = (struct model_health_check){
		.type = MODEL_CHECK_NONE,
		.statuses = {.range = {{200, 299}}, .count = 1},
		.verify = true,
		.interval_ms = MODEL_CHECK_INTERVAL_MS,
		.timeout_ms = MODEL_CHECK_TIMEOUT_MS,
		.jitter_ms = MODEL_CHECK_INTERVAL_MS / 10,
		.rise = MODEL_CHECK_RISE,
		.fall = MODEL_CHECK_FALL,
	};
}

/* The members that are strings. */
#define STRINGS(X) X(path) X(host) X(method) X(expect) X(send) X(sni) X(ca_file)

static void free_command(struct model_health_check *c)
{
	for (size_t i = 0; c->command && i < c->command_count; i++)
		free(c->command[i]);
	free(c->command);
	c->command = NULL;
	c->command_count = 0;
}

void model_health_check_fini(struct model_health_check *c)
{
#define FREE_STRING(member) \
	free(c->member);    \
	c->member = NULL;
	STRINGS(FREE_STRING)
#undef FREE_STRING
	free_command(c);
}

static int copy_string(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return from && !*to ? -ENOMEM : 0;
}

static int copy_command(struct model_health_check *to, const struct model_health_check *from)
{
	to->command = NULL;
	to->command_count = 0;
	if (!from->command)
		return 0;
	to->command = calloc(from->command_count + 1, sizeof(*to->command));
	if (!to->command)
		return -ENOMEM;
	for (; to->command_count < from->command_count; to->command_count++)
		if (copy_string(&to->command[to->command_count], from->command[to->command_count]))
			return -ENOMEM;
	return 0;
}

int model_health_check_copy(struct model_health_check *to, const struct model_health_check *from)
{
	int error = 0;

	*to = *from;
#define COPY_STRING(member) error |= copy_string(&to->member, from->member);
	STRINGS(COPY_STRING)
#undef COPY_STRING
	error |= copy_command(to, from);
	if (!error)
		return 0;
	model_health_check_fini(to);
	return -ENOMEM;
}

static bool is_same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool is_same_command(const struct model_health_check *a, const struct model_health_check *b)
{
	if (a->command_count != b->command_count)
		return false;
	for (size_t i = 0; i < a->command_count; i++)
		if (!is_same_text(a->command[i], b->command[i]))
			return false;
	return true;
}

static bool is_same_statuses(const struct model_statuses *a, const struct model_statuses *b)
{
	return a->count == b->count && !memcmp(a->range, b->range, a->count * sizeof(*a->range));
}

bool model_health_check_equal(const struct model_health_check *a,
			      const struct model_health_check *b)
{
#define SAME_STRING(member) &&is_same_text(a->member, b->member)
	return a->type == b->type && a->port == b->port && a->verify == b->verify &&
	       a->reuse == b->reuse && a->interval_ms == b->interval_ms &&
	       a->timeout_ms == b->timeout_ms && a->jitter_ms == b->jitter_ms &&
	       a->rise == b->rise && a->fall == b->fall &&
	       is_same_statuses(&a->statuses, &b->statuses) &&
	       is_same_command(a, b) STRINGS(SAME_STRING);
#undef SAME_STRING
}

/* ---- status codes ---- */

/* Three digits at *text, which moves past them; 0 if they are not there. */
static uint16_t take_status(const char **text)
{
	unsigned int status = 0;

	for (int i = 0; i < 3; i++, (*text)++) {
		if (!isdigit((unsigned char)**text))
			return 0;
		status = status * 10 + (unsigned int)(**text - '0');
	}
	return status >= STATUS_LOW && status <= STATUS_HIGH ? (uint16_t)status : 0;
}

static void skip_blanks(const char **text)
{
	*text += strspn(*text, " \t");
}

static int take_range(const char **text, struct model_status_range *out)
{
	out->low = out->high = take_status(text);
	if (**text == '-') {
		(*text)++;
		out->high = take_status(text);
	}
	return out->low && out->high >= out->low ? 0 : -EINVAL;
}

int model_statuses_parse(const char *text, struct model_statuses *out)
{
	struct model_statuses s = {.count = 0};

	for (;;) {
		skip_blanks(&text);
		if (s.count == MODEL_STATUS_RANGES_MAX || take_range(&text, &s.range[s.count]))
			return -EINVAL;
		s.count++;
		skip_blanks(&text);
		if (!*text)
			break;
		if (*text++ != ',')
			return -EINVAL;
	}
	*out = s;
	return 0;
}

bool model_statuses_match(const struct model_statuses *s, unsigned int status)
{
	for (size_t i = 0; i < s->count; i++)
		if (status >= s->range[i].low && status <= s->range[i].high)
			return true;
	return false;
}

/* ---- bytes ---- */

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* What follows a backslash: how many characters it takes, or 0 if it is nothing. */
static int take_escape(const char *text, char *out)
{
	static const char letters[] = "nrt0\\", bytes[] = {'\n', '\r', '\t', '\0', '\\'};
	const char *at = *text ? strchr(letters, *text) : NULL;

	if (at) {
		*out = bytes[at - letters];
		return 1;
	}
	if (*text != 'x' || hex_digit(text[1]) < 0 || hex_digit(text[2]) < 0)
		return 0;
	*out = (char)(hex_digit(text[1]) << 4 | hex_digit(text[2]));
	return 3;
}

long model_unescape(const char *text, char *out)
{
	long count = 0;

	while (*text) {
		int taken = 0;

		if (*text != '\\') {
			out[count++] = *text++;
			continue;
		}
		taken = take_escape(text + 1, &out[count++]);
		if (!taken)
			return -EINVAL;
		text += 1 + taken;
	}
	return count;
}

const char *model_check_type_name(enum model_check_type type)
{
	static const char *const names[] = {"none", "tcp", "http", "https", "udp", "exec"};

	_Static_assert(sizeof(names) / sizeof(*names) == MODEL_CHECK_TYPE_MAX, "a name each");
	return (unsigned int)type < MODEL_CHECK_TYPE_MAX ? names[type] : NULL;
}
