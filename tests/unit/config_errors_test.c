// SPDX-License-Identifier: GPL-2.0-or-later
/* Wrong configurations: each mistake gives its error, at its place, and no other. */
#include "config_lab.h"
#include "config_texts.h"

#define SECOND(name, vip, address)                              \
	"- {name: " name ", vip: " vip ", port: 80, pools: [\n" \
	"    {name: stable, backends: [{address: " address "}]}]}\n"
#define REST "services:\n" SECOND("web", "192.0.2.10", "10.0.0.11")

static void test_yaml(void **state)
{
	static const struct wrong wrong[] = {
		{"", 1, 1, "begins with 'version: 1'"},
		{"# nothing\n", 1, 1, "begins with 'version: 1'"},
		{"---\n", 2, 1, "the configuration must be a mapping, not nothing"},
		{"- 1\n", 1, 1, "the configuration must be a mapping, not a list"},
		{"hello", 1, 1, "the configuration must be a mapping, not text"},
		{GOOD "  foo\n", 10, 3, "a ':' is missing"},
		{GOOD "  port: 80\n\tx: 1\n", 11, 1, "spaces, not tabs"},
		{GOOD "   port: 80\n", 10, 4, "not valid YAML"},
		{"version: 1\n a: 2\n", 2, 3, "is the indentation right"},
		{"version: \"1\n\n", 1, 10, "ends inside quotes"},
		{"interfaces: [a\nversion: 1\n", 2, 8, "a ',' or ']' is missing"},
		{"version: 1\na: \xff\n", 2, 4, "not UTF-8"},
		{"version: 1\n\xc3\xa9\xc3\xa9: \xc3\n", 2, 6, "not UTF-8"},
		{"version: 1\n# \x01\n", 2, 3, "control character U+0001"},
		{GOOD "---\nversion: 1\n", 10, 1, "second document"},
		{"version: 1\ninterfaces: &a [eth0]\n" REST, 2, 13, "anchor '&a'"},
		{"[[[[[[[[[[[[[[[[[[[[[[", 1, 17, "nested more than 16"},
		{GOOD "  \"se\\0ed\": 1\n", 10, 3, "NUL"},
		{GOOD "  ? [a]\n  : 1\n", 10, 5, "a key must be text, not a list"},
		{GOOD "  seed: !!int 1\n", 10, 9, "tag"},
		{GOOD "  seed: &x 1\n", 10, 9, "anchor '&x'"},
		{GOOD "  seed: *x\n", 10, 9, "alias '*x'"},
	};

	(void)state;
	assert_all_wrong(wrong, COUNT_OF(wrong));
}

static void test_embedded_nul(void **state)
{
	static const char text[] = "version: 1\ninter\0faces: 1\n";
	struct config_errors errors = {0};
	struct model *m = NULL;

	(void)state;
	assert_int_equal(config_parse(text, sizeof(text) - 1, &m, &errors), -EINVAL);
	assert_int_equal(errors.count, 1);
	assert_int_equal(errors.list[0].line, 2);
	assert_int_equal(errors.list[0].column, 6);
	assert_non_null(strstr(errors.list[0].message, "U+0000"));
	config_errors_fini(&errors);
}

static void test_keys_and_types(void **state)
{
	static const struct wrong wrong[] = {
		{GOOD "  health_chek: {type: tcp}\n", 10, 3,
		 "unknown key 'health_chek' in a service; did you mean 'health_check'?"},
		{GOOD "  protocal: tcp\n", 10, 3, "did you mean 'protocol'?"},
		{GOOD "  Seed: 1\n", 10, 3, "did you mean 'seed'?"},
		{GOOD "  table: 1\n", 10, 3, "did you mean 'table_size'?"},
		{GOOD "    wieght: 1\n", 10, 5,
		 "unknown key 'wieght' in a pool; did you mean 'weight'?"},
		{GOOD "    xyzzy: 1\n", 10, 5, "which has: name, weight, backends, health_check"},
		{GOOD "limit: {}\n", 10, 1, "did you mean 'limits'?"},
		{GOOD "limits: {flow: 1}\n", 10, 10, "did you mean 'flows'?"},
		{GOOD "  port: 81\n", 10, 3, "duplicate key 'port', first given on line 6"},
		{GOOD "version: 1\n", 10, 1, "duplicate key 'version', first given on line 1"},
		{GOOD "  seed:\n", 10, 3, "'seed' has no value"},
		{GOOD "  seed: ~\n", 10, 3, "'seed' has no value"},
		{GOOD "  seed: [1]\n", 10, 9, "'seed' must be a number, not a list"},
		{GOOD "  seed: {a: 1}\n", 10, 9, "'seed' must be a number, not a mapping"},
		{GOOD "  seed: \"1\"\n", 10, 9, "take off the quotes"},
		{GOOD "  targets: all\n", 10, 12, "'targets' must be a list, not text"},
		{GOOD "  targets: [x]\n", 10, 13, "a target must be a mapping, not text"},
		{GOOD "limits: 1\n", 10, 9, "'limits' must be a mapping, not text"},
		{SERVICE, 4, 3, "a service needs the key 'pools'"},
		{SERVICE "  pools: []\n", 7, 10, "'pools' needs at least one pool"},
		{SERVICE "  pools:\n  - name: a\n", 8, 5, "a pool needs the key 'backends'"},
		{SERVICE "  pools:\n  - name: a\n    backends: []\n", 9, 15,
		 "at least one backend"},
		{SERVICE "  pools:\n  - name: a\n    backends: [{port: 1}]\n", 9, 16,
		 "a backend needs the key 'address'"},
		{GOOD "  targets: [{pool: stable}]\n", 10, 13,
		 "a target needs the key 'source', 'sources' or 'dscp'"},
		{GOOD "  targets: [{source: 10.0.0.0/8}]\n", 10, 13,
		 "a target needs the key 'pool'"},
		{GOOD "  targets: [{sources: [], pool: stable}]\n", 10, 23,
		 "'sources' needs at least one prefix"},
		{GOOD "  targets: [{sources: 10.0.0.0/8, pool: stable}]\n", 10, 23,
		 "'sources' must be a list, not text"},
		{TOP, 1, 1, "needs the key 'services'"},
		{TOP "services: []\n", 3, 11, "'services' needs at least one service"},
	};

	(void)state;
	assert_all_wrong(wrong, COUNT_OF(wrong));
}

static void test_top(void **state)
{
	static const struct wrong wrong[] = {
		{"interfaces: [eth0]\n" REST, 1, 1, "needs the key 'version'"},
		{"version: 2\ninterfaces: [eth0]\n" REST, 1, 10, "'version: 1', not '2'"},
		{"version: \"1\"\ninterfaces: [eth0]\n" REST, 1, 10, "'version: 1'"},
		{"version: 1\n" REST, 1, 1, "needs the key 'interfaces'"},
		{"version: 1\ninterfaces: []\n" REST, 2, 13, "at least one interface"},
		{"version: 1\ninterfaces: eth0\n" REST, 2, 13, "must be a list, not text"},
		{"version: 1\ninterfaces: [a, b, a]\n" REST, 2, 20, "'a' is listed already"},
		{"version: 1\ninterfaces: [a, {name: a}]\n" REST, 2, 24, "'a' is listed already"},
		{"version: 1\ninterfaces: [abcdefghijklmnop]\n" REST, 2, 14, "longer than 15"},
		{"version: 1\ninterfaces: [a/b]\n" REST, 2, 14, "not the name of an interface"},
		{"version: 1\ninterfaces: [\"a b\"]\n" REST, 2, 14, "not the name of an interface"},
		{"version: 1\ninterfaces: [{mode: native}]\n" REST, 2, 14, "needs the key 'name'"},
		{"version: 1\ninterfaces: [{name: a, mode: genric}]\n" REST, 2, 30,
		 "must be native or generic, not 'genric'; did you mean 'generic'?"},
		{GOOD "limits: {services: 0}\n", 10, 20, "from 1 to 65534"},
		{GOOD "limits: {services: 65535}\n", 10, 20, "from 1 to 65534"},
		{GOOD "limits: {backends: 1048575}\n", 10, 20, "from 1 to 1048574"},
		{GOOD "limits: {flows: 16777217}\n", 10, 17, "from 1 to 16777216"},
		{GOOD "limits: {targets: 16777217}\n", 10, 19, "from 1 to 16777216"},
		{GOOD "idle: 60\n", 10, 7, "'idle' must be a mapping, not text"},
		{GOOD "idle: {sin: 1}\n", 10, 8,
		 "unknown key 'sin' in 'idle'; did you mean 'syn'?"},
		{GOOD "idle: {syn: 0}\n", 10, 13, "from 1 to 604800"},
		{GOOD "idle: {established: 604801}\n", 10, 21, "from 1 to 604800"},
		{GOOD "idle: {closing: 1.5}\n", 10, 17, "'closing' must be a whole number"},
		{GOOD "idle: {udp: 2m}\n", 10, 13, "'udp' must be a whole number"},
		{CANARY "limits: {backends: 1}\n", 12, 20, "2 backends, but room for 1"},
		{GOOD "  targets: [{sources: [10.0.0.0/8, 10.0.0.0/9], pool: stable}]\n"
		      "limits: {targets: 1}\n",
		 11, 19, "2 targets, but room for 1"},
		{GOOD SECOND("b", "192.0.2.1", "10.0.0.1") "limits: {services: 1}\n", 12, 20,
		 "2 services, but room for 1"},
	};

	(void)state;
	assert_all_wrong(wrong, COUNT_OF(wrong));
}

#define NAMED(name)	 TOP "services:\n" SECOND(name, "192.0.2.1", "10.0.0.1")
#define VIP(vip)	 TOP "services:\n" SECOND("a", vip, "10.0.0.1")
#define BACKEND(address) TOP "services:\n" SECOND("a", "192.0.2.1", address)

static void test_values(void **state)
{
	static const struct wrong wrong[] = {
		{NAMED("\"\""), 4, 10, "is not a name"},
		{NAMED("-a"), 4, 10, "'-a' is not a name"},
		{NAMED("a b"), 4, 10, "'a b' is not a name"},
		{NAMED("a/b"), 4, 10, "'a/b' is not a name"},
		{NAMED("\"\\e[31m\""), 4, 10, "'?[31m' is not a name"},
		{NAMED("a1234567890123456789012345678901"), 4, 10, "longer than 31 characters"},
		{VIP("0.0.0.0"), 4, 18, "unspecified"},
		{VIP("\"::\""), 4, 18, "unspecified"},
		{VIP("127.1.2.3"), 4, 18, "loopback"},
		{VIP("\"::1\""), 4, 18, "loopback"},
		{VIP("239.0.0.1"), 4, 18, "multicast"},
		{VIP("ff02::1"), 4, 18, "multicast"},
		{VIP("255.255.255.255"), 4, 18, "broadcast"},
		{VIP("192.0.2.256"), 4, 18, "not an IPv4 or IPv6 address"},
		{VIP("192.0.2.1:80"), 4, 18, "the port has a key of its own"},
		{VIP("192.0.2.1/32"), 4, 18, "leave out the prefix length"},
		{VIP("www.example.com"), 4, 18, "host names are not looked up"},
		{BACKEND("127.0.0.1"), 5, 41, "loopback"},
		{BACKEND("224.0.0.1"), 5, 41, "multicast"},
		{BACKEND("10.0.0.1, port: 0"), 5, 57, "from 1 to 65535"},
		{BACKEND("10.0.0.1, port: 65536"), 5, 57, "from 1 to 65535"},
		{BACKEND("10.0.0.1, port: 080"), 5, 57, "from 1 to 65535"},
		{BACKEND("10.0.0.1, port: +80"), 5, 57, "from 1 to 65535"},
		{BACKEND("10.0.0.1, port: 0x50"), 5, 57, "from 1 to 65535"},
		{BACKEND("10.0.0.1, port: 8_0"), 5, 57, "from 1 to 65535"},
		{BACKEND("10.0.0.1, weight: 0"), 5, 59, "from 1 to 1000"},
		{BACKEND("10.0.0.1, weight: 1001"), 5, 59, "from 1 to 1000"},
		{BACKEND("10.0.0.1, weight: 5%"), 5, 59, "from 1 to 1000"},
		{GOOD "  seed: 18446744073709551616\n", 10, 9, "from 0 to 18446744073709551615"},
		{GOOD "  seed: -1\n", 10, 9, "in digits alone, not '-1'"},
		{GOOD "  client_prefix6: 0\n", 10, 19, "from 1 to 128"},
		{GOOD "  client_prefix6: 129\n", 10, 19, "from 1 to 128"},
		{GOOD "  client_prefix4: 0\n", 10, 19, "from 1 to 32"},
		{GOOD "  client_prefix4: 33\n", 10, 19, "from 1 to 32"},
		{GOOD "  protocol: tpc\n", 10, 13,
		 "must be tcp or udp, not 'tpc'; did you mean 'tcp'?"},
		{GOOD "  protocol: [tcp]\n", 10, 13, "must be one word, not a list"},
		{GOOD "  affinity: clinet\n", 10, 13, "did you mean 'client'?"},
		{GOOD "  track: all\n", 10, 10, "'track' must be changed or always, not 'all'"},
		{GOOD "  track: [always]\n", 10, 10, "'track' must be one word, not a list"},
		{GOOD "  forwarding: natt\n", 10, 15,
		 "must be nat or fullnat or dsr or ipip or gue, not 'natt'; did you mean 'nat'?"},
		{GOOD "  table_size: 16384\n", 10, 15, "the next after 16384 is 16411"},
		{GOOD "  table_size: 655374\n", 10, 15, "from 2 to 655373"},
		{GOOD "  table_size: 97\n", 10, 15,
		 "97 slots are fewer than 100 for each backend of pool 'stable' (1)"},
		{CANARY "    weight: 100.0001\n", 12, 13, "at most 100"},
		{CANARY "    weight: 0.00001\n", 12, 13, "four digits"},
		{CANARY "    weight: five\n", 12, 13, "a number from 0 to 100"},
		{CANARY "    weight: [5]\n", 12, 13, "must be a percentage, not a list"},
		{GOOD "  targets: [{source: 10.0.0.0/33, pool: stable}]\n", 10, 22,
		 "is not a prefix"},
		{GOOD "  targets: [{dscp: 64, pool: stable}]\n", 10, 20,
		 "'64' is not a DSCP value"},
		{GOOD "  targets: [{dscp: [EF, AF44], pool: stable}]\n", 10, 25,
		 "'AF44' is not a DSCP value"},
		{GOOD "  targets: [{dscp: [], pool: stable}]\n", 10, 20, "at least one value"},
		{GOOD "  targets: [{dscp: {a: 1}, pool: stable}]\n", 10, 20,
		 "'dscp' must be a DSCP value, not a mapping"},
		{GOOD "  targets: [{source: [], pool: stable}]\n", 10, 22, "a prefix, not a list"},
		{GOOD "  targets: [{sources: [10.0.0.0/8, x], pool: stable}]\n", 10, 36,
		 "'x' is not a prefix"},
	};

	(void)state;
	assert_all_wrong(wrong, COUNT_OF(wrong));
}

static void test_one_service(void **state)
{
	static const struct wrong wrong[] = {
		{CANARY "  primary: stabel\n", 12, 12, "no pool 'stabel'; did you mean 'stable'?"},
		{CANARY "  targets: [{source: 10.0.0.0/8, pool: canray}]\n", 12, 40,
		 "no pool 'canray'; did you mean 'canary'?"},
		{SERVICE "  pools:\n" POOL("a", "10.0.0.1") POOL("b", "10.0.0.2"), 4, 3,
		 "say it with 'primary: NAME'"},
		{GOOD "    weight: 5\n", 10, 13, "'stable' is the primary"},
		{CANARY "    weight: 5\n  primary: canary\n", 12, 13, "'canary' is the primary"},
		{CANARY "    weight: 60\n" POOL("b", "10.0.0.31") "    weight: 40.0001\n", 15, 13,
		 "more than 100 %"},
		{CANARY POOL("stable", "10.0.0.31"), 12, 11, "has a pool 'stable' already"},
		{GOOD POOL("a", "10.1.0.1") POOL("b", "10.1.0.2") POOL("c", "10.1.0.3")
			 POOL("d", "10.1.0.4") POOL("e", "10.1.0.5") POOL("f", "10.1.0.6")
				 POOL("g", "10.1.0.7") POOL("h", "10.1.0.8"),
		 24, 5, "'pools' has more than 8 pools"},
		{BACKEND("2001:db8::1"), 5, 41, "an IPv6 backend cannot serve an IPv4 VIP"},
		{VIP("2001:db8::1"), 5, 41, "an IPv4 backend cannot serve an IPv6 VIP"},
		{GOOD "  targets: [{source: \"::/0\", pool: stable}]\n", 10, 22, "IPv6 prefix"},
		{GOOD "  targets:\n"
		      "  - {source: 10.0.0.0/8, pool: stable}\n"
		      "  - {source: 10.0.0.0/16, pool: stable}\n"
		      "  - {source: 10.1.2.3/8, pool: stable}\n",
		 13, 14, "line 11 has a target for '10.1.2.3/8' already"},
		{GOOD "  targets:\n"
		      "  - {source: 10.0.0.0/8, pool: stable}\n"
		      "  - {sources: [10.0.0.0/16,\n"
		      "    10.1.2.3/8], pool: stable}\n",
		 13, 5, "line 11 has a target for '10.1.2.3/8' already"},
		{GOOD "  targets: [{source: 10.0.0.0/8, dscp: EF, pool: stable}]\n", 10, 40,
		 "write one for each"},
		{CANARY "  targets:\n"
			"  - {dscp: [1, 46], pool: canary}\n"
			"  - {dscp: EF, pool: stable}\n",
		 14, 12, "line 13 has a target for DSCP 46 already"},
		{GOOD "  targets: [{sources: [10.0.0.0/8, \"::/0\"], pool: stable}]\n", 10, 36,
		 "IPv6 prefix"},
		{BACKEND("10.0.0.1}, {address: 10.0.0.2}, {address: 10.0.0.1"), 5, 83,
		 "10.0.0.1:80 (tcp) is a backend of this pool already"},
		{GOOD POOL("canary", "10.0.0.11"), 11, 26,
		 "is a backend of another pool of this service already"},
		{BACKEND("192.0.2.1"), 5, 41, "is a VIP"},
	};

	(void)state;
	assert_all_wrong(wrong, COUNT_OF(wrong));
}

static void test_two_services(void **state)
{
	static const struct wrong wrong[] = {
		{GOOD SECOND("web", "192.0.2.1", "10.0.0.1"), 10, 10,
		 "a service 'web' already, on line 4"},
		{GOOD SECOND("b", "192.0.2.10", "10.0.0.1"), 10, 18,
		 "192.0.2.10:80 (tcp) is the VIP of another service already (service 'web', line "
		 "4)"},
		{GOOD SECOND("b", "192.0.2.1", "10.0.0.11}, {address: 10.0.0.11"), 11, 63,
		 "is a backend of this pool already; give it a weight to have it chosen more often "
		 "(service 'b', pool 'stable', line 11)"},
		{GOOD SECOND("b", "192.0.2.1", "192.0.2.10"), 11, 41, "is a VIP"},
		{GOOD SECOND("b", "10.0.0.11", "10.0.0.1"), 9, 26, "is a VIP"},
	};

	(void)state;
	assert_all_wrong(wrong, COUNT_OF(wrong));
}

static int write_sharers(char *text, size_t size, unsigned int count)
{
	int len = snprintf(text, size, TOP "services:\n");

	for (unsigned int i = 0; i < count; i++)
		len += snprintf(text + len, size - (size_t)len,
				SECOND("s%u", "192.0.2.%u", "10.0.0.1"), i, i + 1);
	return len;
}

/* Any number of services may have a backend, up to what a reply can be told from. */
static void test_services_share_backends(void **state)
{
	struct config_errors errors = {0};
	struct wrong wrong = {.line = 5 + 2 * SERIN_SHARED_MAX, .column = 41};
	char text[8192], message[128];
	struct model *m = NULL;
	int len = write_sharers(text, sizeof(text), SERIN_SHARED_MAX);

	(void)state;
	assert_int_equal(config_parse(text, (size_t)len, &m, &errors), 0);
	assert_int_equal(m->service_count, SERIN_SHARED_MAX);
	for (size_t i = 0; i < m->service_count; i++)
		assert_int_equal(m->services[i].pools[0].backends[0].address.s6_addr[15], 1);
	model_free(m);
	write_sharers(text, sizeof(text), SERIN_SHARED_MAX + 1);
	snprintf(message, sizeof(message),
		 "10.0.0.1:80 (tcp) is a backend of %u services already; with 'forwarding: nat'",
		 SERIN_SHARED_MAX);
	wrong.text = text;
	wrong.message = message;
	assert_wrong(&wrong);
}

/* Every service that has a VIP as its backend is told so, not the first one alone. */
static void test_services_share_a_vip_as_backend(void **state)
{
	static const char text[] = GOOD SECOND("b", "192.0.2.1", "192.0.2.10")
		SECOND("c", "192.0.2.2", "192.0.2.10");
	struct config_errors errors = {0};
	struct model *m = NULL;

	(void)state;
	assert_int_equal(config_parse(text, strlen(text), &m, &errors), -EINVAL);
	assert_int_equal(errors.count, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(errors.list[i].line, 11 + 2 * i);
		assert_non_null(strstr(errors.list[i].message, "is a VIP; packets sent there"));
		assert_non_null(strstr(errors.list[i].message, "(service 'web', line 4)"));
	}
	config_errors_fini(&errors);
}

static void test_more_backends_than_slots(void **state)
{
	char text[16384];
	int len =
		snprintf(text, sizeof(text), SERVICE "  pools:\n  - name: stable\n    backends:\n");
	struct wrong wrong = {.text = text, .line = 10, .column = 5};

	(void)state;
	for (unsigned int i = 0; i < 164; i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len,
				"    - {address: 10.0.1.%u}\n", i);
	wrong.message = "backend of pool 'stable' (164): set 'table_size: 16411' or more";
	assert_wrong(&wrong);
}

static void test_an_alias_is_one_error(void **state)
{
	static const char text[] = GOOD "  seed: &s 1\n  client_prefix6: *s\n";
	struct config_errors errors = {0};
	struct model *m = NULL;

	(void)state;
	assert_int_equal(config_parse(text, strlen(text), &m, &errors), -EINVAL);
	assert_int_equal(errors.count, 2);
	assert_non_null(strstr(errors.list[0].message, "anchor '&s'"));
	assert_non_null(strstr(errors.list[1].message, "alias '*s'"));
	assert_int_equal(errors.list[1].line, 11);
	assert_int_equal(errors.list[1].column, 19);
	config_errors_fini(&errors);
}

static void test_all_errors_in_the_order_of_the_text(void **state)
{
	static const char text[] = "versoin: 1\n"
				   "interfaces: [a, a]\n"
				   "services:\n"
				   "- name: web\n"
				   "  vip: 127.0.0.1\n"
				   "  port: 99999\n"
				   "  pools:\n"
				   "  - name: stable\n"
				   "    weight: 1\n"
				   "    backends: [{address: x}, {address: 10.0.0.1, port: 1}]\n"
				   "  - name: canary\n"
				   "    weight: 101\n"
				   "    backends: [{address: 10.0.0.1, port: 1}]\n"
				   "  targets: [{source: 1.2.3.4/5, pool: canari}]\n";
	static const size_t places[][2] = {{1, 1},  {1, 1},   {2, 17},	{5, 8},	  {6, 9},
					   {9, 13}, {10, 26}, {12, 13}, {13, 26}, {14, 39}};
	struct config_errors errors = {0};
	struct model *m = NULL;

	(void)state;
	assert_int_equal(config_parse(text, strlen(text), &m, &errors), -EINVAL);
	assert_int_equal(errors.count, COUNT_OF(places));
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		assert_int_equal(errors.list[i].line, places[i][0]);
		assert_int_equal(errors.list[i].column, places[i][1]);
	}
	config_errors_fini(&errors);
	assert_null(errors.list);
}

static void test_errors_without_end_are_cut(void **state)
{
	struct config_errors errors = {0};
	struct model *m = NULL;
	size_t lines = 5000;
	char *text = calloc(lines, 8);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < lines; i++)
		memcpy(text + i * 6, "zz: 1\n", 6);
	assert_int_equal(config_parse(text, lines * 6, &m, &errors), -EINVAL);
	assert_int_equal(errors.count, 1001);
	assert_non_null(strstr(errors.list[1000].message, "more errors"));
	config_errors_fini(&errors);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_yaml),
		cmocka_unit_test(test_embedded_nul),
		cmocka_unit_test(test_keys_and_types),
		cmocka_unit_test(test_top),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_one_service),
		cmocka_unit_test(test_two_services),
		cmocka_unit_test(test_services_share_backends),
		cmocka_unit_test(test_services_share_a_vip_as_backend),
		cmocka_unit_test(test_more_backends_than_slots),
		cmocka_unit_test(test_an_alias_is_one_error),
		cmocka_unit_test(test_all_errors_in_the_order_of_the_text),
		cmocka_unit_test(test_errors_without_end_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
