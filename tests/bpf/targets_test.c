// SPDX-License-Identifier: GPL-2.0-or-later
/* Many target rules: packets and explain go by the longest, as a plain list says it is. */
#include "apply_lab.h"

#define SEED	0x3d1f0a6c95e7b248ull
#define RULES	100000
#define FEWER	10000 /* more than go in one batch */
#define LOOKUPS 10000

enum { CANARY, BASELINE, STABLE, POOLS };

static const char *const pool_names[POOLS] = {"canary", "baseline", "stable"}; /* host 1, 2, 3 */

struct rule {
	struct in6_addr prefix;
	uint8_t len; /* of 128 */
	uint8_t pool;
};

/* By length and prefix, so that each length can be searched by itself. */
struct rules {
	bool is_v4;
	struct rule list[RULES];
	size_t count;
};

static struct rules rules4 = {.is_v4 = true}, rules6;

static int by_length_and_prefix(const void *a, const void *b)
{
	const struct rule *x = a, *y = b;

	return x->len != y->len ? x->len - y->len : memcmp(&x->prefix, &y->prefix, 16);
}

static void clear_from(struct in6_addr *a, unsigned int bit)
{
	for (; bit < 128; bit++)
		a->s6_addr[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
}

static struct in6_addr random_addr(const struct rules *rules)
{
	struct in6_addr a = lab_addr(rules->is_v4 ? "16.0.0.0" : "2001:db8::");

	for (unsigned int byte = rules->is_v4 ? 12 : 4; byte < 16; byte++)
		a.s6_addr[byte] |= (uint8_t)lab_random();
	if (rules->is_v4)
		a.s6_addr[12] = 16 + a.s6_addr[12] % 64;
	return a;
}

/* Half of them inside of another, some levels deep. */
static struct rule random_rule(const struct rules *rules)
{
	unsigned int least = rules->is_v4 ? 96 + 16 : 48;
	struct rule rule = {.prefix = random_addr(rules), .pool = (uint8_t)lab_below(POOLS)};

	rule.len = (uint8_t)(least + lab_below(129 - least));
	if (rules->count && lab_below(2)) {
		const struct rule *around = &rules->list[lab_below((uint32_t)rules->count)];
		struct in6_addr inside = around->prefix;

		for (unsigned int bit = around->len; bit < 128; bit++)
			inside.s6_addr[bit / 8] |= rule.prefix.s6_addr[bit / 8] &
						   (uint8_t)(0x80 >> bit % 8);
		rule.prefix = inside;
		rule.len = (uint8_t)(around->len + lab_below(129u - around->len));
	}
	clear_from(&rule.prefix, rule.len);
	return rule;
}

static void sort_rules(struct rules *rules)
{
	size_t kept = 0;

	qsort(rules->list, rules->count, sizeof(*rules->list), by_length_and_prefix);
	for (size_t i = 0; i < rules->count; i++)
		if (!kept || by_length_and_prefix(&rules->list[kept - 1], &rules->list[i]))
			rules->list[kept++] = rules->list[i];
	rules->count = kept;
}

static void draw_rules(struct rules *rules, size_t count)
{
	while (rules->count < count) {
		while (rules->count < count)
			rules->list[rules->count] = random_rule(rules), rules->count++;
		sort_rules(rules);
	}
}

static const struct rule *longest(const struct rules *rules, const struct in6_addr *client)
{
	for (int len = 128; len >= 0; len--) {
		struct rule wanted = {.prefix = *client, .len = (uint8_t)len};
		const struct rule *found;

		clear_from(&wanted.prefix, wanted.len);
		found = bsearch(&wanted, rules->list, rules->count, sizeof(*rules->list),
				by_length_and_prefix);
		if (found)
			return found;
	}
	return NULL;
}

/* ---- configurations ---- */

static void write_service(FILE *yaml, const char *name, const struct rules *rules)
{
	char text[NET_PREFIX_LEN];

	fprintf(yaml, "  - {name: %s, vip: '%s', port: 80, primary: stable, pools: [", name,
		rules->is_v4 ? "192.0.2.1" : "2001:db8:ff::1");
	for (int pool = 0; pool < POOLS; pool++)
		fprintf(yaml, "{name: %s, %s backends: [{address: '%s%d'}]}, ", pool_names[pool],
			pool == STABLE ? "" : "weight: 30,",
			rules->is_v4 ? "10.1.0." : "2001:db8:1::", pool + 1);
	fputs("], targets: [", yaml);
	for (int pool = 0; pool < POOLS && rules->count; pool++) {
		fprintf(yaml, "{pool: %s, sources: [", pool_names[pool]);
		for (size_t i = 0; i < rules->count; i++)
			if (rules->list[i].pool == pool)
				fprintf(yaml, "'%s',",
					net_format_prefix(&rules->list[i].prefix,
							  rules->list[i].len, text));
		fputs("]}, ", yaml);
	}
	fputs("]}\n", yaml);
}

/* The caller frees it. */
static char *config(void)
{
	char *text = NULL;
	size_t size;
	FILE *yaml = open_memstream(&text, &size);

	fputs(LAB_HEAD, yaml);
	write_service(yaml, "four", &rules4);
	write_service(yaml, "six", &rules6);
	fclose(yaml);
	return text;
}

/* ---- packets ---- */

static void compare(struct dataplane *dp, const struct rules *rules, uint32_t *hits)
{
	struct in6_addr client = random_addr(rules);
	const struct rule *near = &rules->list[lab_below((uint32_t)rules->count)], *rule;
	uint16_t port = (uint16_t)(1 + lab_below(65535));
	struct explanation e;
	struct frame f;

	/* Mostly where rules are: in one, or in the place beside it. */
	if (lab_below(4)) {
		struct in6_addr inside = near->prefix;

		for (unsigned int bit = near->len; bit < 128; bit++)
			inside.s6_addr[bit / 8] |= client.s6_addr[bit / 8] &
						   (uint8_t)(0x80 >> bit % 8);
		client = inside;
		if (!lab_below(4))
			client.s6_addr[(near->len - 1) / 8] ^=
				(uint8_t)(0x80 >> (near->len - 1) % 8);
	}
	rule = longest(rules, &client);
	e = lab_explain(dp, rules->is_v4 ? "four" : "six", &client, port);
	f = lab_request("::", port, rules->is_v4 ? "192.0.2.1" : "2001:db8:ff::1", 80, IPPROTO_TCP);
	f.src = client;
	assert_int_equal(lab_choose(&f), e.backend.s6_addr[15]);
	assert_int_equal(e.rule, rule ? EXPLAIN_RULE_SOURCE : EXPLAIN_RULE_NONE);
	if (!rule)
		return;
	assert_int_equal(e.backend.s6_addr[15], rule->pool + 1);
	assert_int_equal(e.target_len, rule->len);
	assert_memory_equal(&e.target_prefix, &rule->prefix, 16);
	(*hits)++;
}

static void compare_all(void)
{
	struct dataplane *dp = lab_open(DATAPLANE_READ);
	uint32_t hits = 0;

	for (int i = 0; i < LOOKUPS; i++)
		compare(dp, i % 2 ? &rules4 : &rules6, &hits);
	dataplane_close(dp);
	assert_true(hits > LOOKUPS / 2 && hits < LOOKUPS);
}

static void apply(const char *told)
{
	char *yaml = config();

	lab_apply(yaml);
	assert_string_equal(lab_changes, told);
	lab_apply(yaml);
	assert_string_equal(lab_changes, "no changes\n");
	free(yaml);
}

static int start(void **state)
{
	char *yaml;

	(void)state;
	rules4.count = rules6.count = 0;
	yaml = config();
	lab_apply(yaml);
	free(yaml);
	return 0;
}

static void test_a_hundred_thousand_rules_a_service(void **state)
{
	struct snapshot *s;

	(void)state;
	draw_rules(&rules4, RULES);
	draw_rules(&rules6, RULES);
	apply("~ 200000 target rules\n");
	s = lab_snapshot();
	assert_int_equal(snapshot_find_service(s, "four")->target_count, RULES);
	snapshot_free(s);
	compare_all();
}

/* Some go, as many come, and some get another pool. */
static void test_many_rules_change(void **state)
{
	char told[64];
	uint32_t gone, changed = 0;

	(void)state;
	draw_rules(&rules4, FEWER);
	draw_rules(&rules6, FEWER);
	apply("~ 20000 target rules\n");
	for (size_t i = 0; i < rules4.count; i++) {
		if (i % 10 == 3)
			rules4.list[i].len = 255; /* the last there is: cut off */
		else if (i % 10 == 7)
			rules4.list[i].pool = (uint8_t)((rules4.list[i].pool + 1) % POOLS),
			changed++;
	}
	sort_rules(&rules4);
	while (rules4.count && rules4.list[rules4.count - 1].len == 255)
		rules4.count--;
	gone = (uint32_t)(FEWER - rules4.count);
	assert_true(gone > FEWER / 11 && changed > FEWER / 11);
	snprintf(told, sizeof(told), "~ %u target rules\n", gone + changed);
	apply(told);
	compare_all();
	rules6.count = 0;
	apply("~ 10000 target rules\n");
}

/* ---- the limit ---- */

#define LIMITED(targets)                          \
	"version: 1\ninterfaces: [front, back]\n" \
	"limits: {services: 32, backends: 512, flows: 262144, targets: " targets "}\nservices:\n"
#define WITH(list)                                           \
	SERVICE("web", "192.0.2.1", ", targets: [" list "]", \
		WEIGHED("canary", "0", HOST(1)) POOL("stable", HOST(2)))
#define TO(pool, sources) "{pool: " pool ", sources: [" sources "]}, "

static unsigned int host_of(const char *client)
{
	struct frame f =
		lab_request(client, (uint16_t)(1 + lab_below(65535)), "192.0.2.1", 80, IPPROTO_TCP);

	return lab_choose(&f);
}

static void test_no_more_rules_than_there_is_room_for(void **state)
{
	static const char three[] = LIMITED("3")
		WITH(TO("canary", "198.18.1.0/24, 198.18.2.0/24, 198.18.3.0/24"));
	/* The file has its own limit, which is not that of the maps. */
	static const char four[] = LIMITED("4")
		WITH(TO("canary", "198.18.1.0/24, 198.18.2.0/24, 198.18.3.0/24, 198.18.4.0/24"));

	(void)state;
	lab_apply(three);
	apply_expect_refusal(four, -ENOSPC);
	assert_non_null(strstr(lab_errors, "Raise limits.targets"));
	assert_int_equal(host_of("198.18.3.1"), 1);
	assert_int_equal(host_of("198.18.4.1"), 2);
	lab_detach();
	lab_apply(four);
	assert_int_equal(host_of("198.18.4.1"), 1);
}

/* With as many as there may be, rules still change places and pools. */
static void test_full_of_rules_they_still_change(void **state)
{
	(void)state;
	lab_apply(LIMITED("3") WITH(TO("canary", "198.18.1.0/24, 198.18.2.0/24, 198.18.3.0/24")));
	lab_apply(LIMITED("3") WITH(TO("stable", "198.18.1.0/24, 198.18.2.0/24")
					    TO("canary", "198.18.3.0/24")));
	assert_int_equal(host_of("198.18.1.1"), 2);
	lab_apply(LIMITED("3") WITH(TO("canary", "198.18.0.0/16, 198.18.8.0/24, 198.18.9.0/25")));
	assert_int_equal(host_of("198.18.1.1"), 1);
	assert_int_equal(host_of("198.18.3.1"), 1);
	apply_expect_settled(
		LIMITED("3") WITH(TO("canary", "198.18.0.0/16, 198.18.8.0/24, 198.18.9.0/25")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_hundred_thousand_rules_a_service, start,
						lab_teardown),
		cmocka_unit_test_setup_teardown(test_many_rules_change, start, lab_teardown),
		cmocka_unit_test_teardown(test_no_more_rules_than_there_is_room_for, lab_teardown),
		cmocka_unit_test_teardown(test_full_of_rules_they_still_change, lab_teardown),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, NULL);
}
