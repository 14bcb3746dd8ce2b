// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/values.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config/suggest.h"
#include "lib/net.h"
#include "model/model.h"

bool value_is_text(struct reader *r, const struct node *value, const struct schema_field *f,
		   const char *wanted)
{
	if (value->kind == NODE_TEXT)
		return true;
	errors_add(&r->errors, value->at, "'%s' must be %s, not %s", f->key, wanted,
		   node_kind_name(value));
	return false;
}

static void store(void *object, const struct schema_field *f, size_t size, uint64_t value)
{
	void *field = (char *)object + f->offset;

	switch (size) {
	case sizeof(uint8_t):
		*(uint8_t *)field = (uint8_t)value;
		break;
	case sizeof(uint16_t):
		*(uint16_t *)field = (uint16_t)value;
		break;
	case sizeof(uint32_t):
		memcpy(field, &(uint32_t){(uint32_t)value}, sizeof(uint32_t));
		break;
	default:
		memcpy(field, &value, sizeof(value));
	}
}

/* YAML 1.1 would take one with a leading zero for an octal number. */
int value_parse_number(const char *text, uint64_t *out)
{
	uint64_t value = 0;

	if (!*text || (*text == '0' && text[1]))
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
			return -EINVAL;
	}
	*out = value;
	return 0;
}

void value_read_number(struct reader *r, const struct node *value, const struct schema_field *f,
		       void *object)
{
	const struct value_number *type = f->type;
	uint64_t number;

	store(object, f, type->size, 0);
	if (!value_is_text(r, value, f, "a number"))
		return;
	if (value_parse_number(value->text, &number) || number < type->min || number > type->max)
		errors_add(&r->errors, value->at,
			   "'%s' must be a whole number from %" PRIu64 " to %" PRIu64
			   ", in digits alone, not '%.40s'",
			   f->key, type->min, type->max, value->text);
	else if (!value->is_plain)
		errors_add(&r->errors, value->at, "'%s' must be a number: take off the quotes",
			   f->key);
	else
		store(object, f, type->size, number);
}

/* "tcp or udp" */
static const char *join_words(const struct value_words *type, char *buf, size_t size)
{
	size_t len = 0;

	*buf = '\0';
	for (size_t i = 0; i < type->count && len < size; i++)
		len += (size_t)snprintf(buf + len, size - len, "%s%s", len ? " or " : "",
					type->list[i].word);
	return buf;
}

static void refuse_word(struct reader *r, const struct node *value, const struct schema_field *f)
{
	const struct value_words *type = f->type;
	struct suggest near = {.text = value->text};
	char hint[SUGGEST_HINT_LEN], words[128];

	join_words(type, words, sizeof(words));
	for (size_t i = 0; i < type->count; i++)
		suggest_offer(&near, type->list[i].word);
	errors_add(&r->errors, value->at, "'%s' must be %s, not '%.40s'%s", f->key, words,
		   value->text, suggest_hint(&near, hint));
}

void value_read_word(struct reader *r, const struct node *value, const struct schema_field *f,
		     void *object)
{
	const struct value_words *type = f->type;
	size_t i = 0;

	if (!value_is_text(r, value, f, "one word"))
		return;
	while (i < type->count && strcmp(value->text, type->list[i].word))
		i++;
	if (i < type->count)
		store(object, f, type->size, type->list[i].value);
	else
		refuse_word(r, value, f);
}

const struct value_words value_truths = {
	.list = (const struct value_word[]){{"true", true}, {"false", false}},
	.count = 2,
	.size = sizeof(bool),
};

static bool is_name(const char *text)
{
	static const char alnum[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	size_t len = strspn(text, alnum);

	while (len && text[len] && (strchr("._-", text[len]) || strchr(alnum, text[len])))
		len++;
	return len && !text[len];
}

void value_read_name(struct reader *r, const struct node *value, const struct schema_field *f,
		     void *object)
{
	if (!value_is_text(r, value, f, "a name"))
		return;
	if (!is_name(value->text))
		errors_add(&r->errors, value->at,
			   "'%.40s' is not a name: letters, digits, '.', '_' and '-', beginning "
			   "with a letter or digit",
			   value->text);
	else if (strlen(value->text) >= SERIN_NAME_LEN)
		errors_add(&r->errors, value->at, "the name '%.40s' is longer than %d characters",
			   value->text, SERIN_NAME_LEN - 1);
	else
		strcpy((char *)object + f->offset, value->text);
}

const char *value_special_address(const struct in6_addr *a)
{
	uint32_t v4 = (uint32_t)a->s6_addr[12] << 24 | (uint32_t)a->s6_addr[13] << 16 |
		      (uint32_t)a->s6_addr[14] << 8 | a->s6_addr[15];

	if (IN6_IS_ADDR_UNSPECIFIED(a) || (net_is_v4(a) && v4 == INADDR_ANY))
		return "the unspecified address";
	if (IN6_IS_ADDR_LOOPBACK(a) || (net_is_v4(a) && v4 >> 24 == IN_LOOPBACKNET))
		return "a loopback address";
	if (IN6_IS_ADDR_MULTICAST(a) || (net_is_v4(a) && IN_MULTICAST(v4)))
		return "a multicast address";
	if (net_is_v4(a) && v4 == INADDR_BROADCAST)
		return "the broadcast address";
	return NULL;
}

static const char *address_hint(const char *text)
{
	uint16_t port;
	struct in6_addr addr;
	uint8_t len;

	if (!net_parse_endpoint(text, &addr, &port))
		return "; the port has a key of its own";
	if (!net_parse_prefix(text, &addr, &len))
		return "; leave out the prefix length";
	return "; host names are not looked up";
}

void value_read_address(struct reader *r, const struct node *value, const struct schema_field *f,
			void *object)
{
	struct in6_addr addr;
	const char *kind;

	if (!value_is_text(r, value, f, "an address"))
		return;
	if (net_parse_addr(value->text, &addr)) {
		errors_add(&r->errors, value->at, "'%.60s' is not an IPv4 or IPv6 address%s",
			   value->text, address_hint(value->text));
		return;
	}
	kind = value_special_address(&addr);
	if (kind)
		errors_add(&r->errors, value->at, "%s is %s; no packet could be sent there",
			   value->text, kind);
	else
		memcpy((char *)object + f->offset, &addr, sizeof(addr));
}

void value_read_percent(struct reader *r, const struct node *value, const struct schema_field *f,
			void *object)
{
	const char *why;
	unsigned int ppm;

	if (!value_is_text(r, value, f, "a percentage"))
		return;
	if (config_parse_percent(value->text, &ppm, &why))
		errors_add(&r->errors, value->at, "'%s' of '%.40s': %s", f->key, value->text, why);
	else
		store(object, f, sizeof(uint32_t), ppm);
}
