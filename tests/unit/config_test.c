// SPDX-License-Identifier: GPL-2.0-or-later
/* Right configurations, and percentages; the wrong ones are in config_errors_test.c. */
#include "lib/net.h"

#include "config_lab.h"

static void assert_address(const struct in6_addr *address, const char *text)
{
	char buf[NET_ADDR_LEN];

	assert_string_equal(net_format_addr(address, buf), text);
}

static void assert_backend(const struct model_backend *b, const char *address, uint16_t port,
			   uint32_t weight)
{
	assert_address(&b->address, address);
	assert_int_equal(b->port, port);
	assert_int_equal(b->weight, weight);
}

static const char least[] = "version: 1\n"
			    "interfaces: [eth0]\n"
			    "services:\n"
			    "- name: web\n"
			    "  vip: 192.0.2.10\n"
			    "  port: 80\n"
			    "  pools:\n"
			    "  - name: only\n"
			    "    backends: [{address: 10.0.0.11}]\n";

static void test_defaults(void **state)
{
	struct model *m = parse(least), *empty = model_new();
	const struct model_service *svc = m->services;

	(void)state;
	assert_int_equal(m->interface_count, 1);
	assert_string_equal(m->interfaces[0].name, "eth0");
	assert_int_equal(m->interfaces[0].mode, MODEL_XDP_NATIVE);
	assert_memory_equal(&m->limits, &empty->limits, sizeof(m->limits));
	assert_memory_equal(&m->idle, &empty->idle, sizeof(m->idle));
	assert_int_equal(m->service_count, 1);
	assert_string_equal(svc->name, "web");
	assert_address(&svc->vip, "192.0.2.10");
	assert_int_equal(svc->port, 80);
	assert_int_equal(svc->protocol, IPPROTO_TCP);
	assert_int_equal(svc->forwarding, SERIN_FORWARDING_NAT);
	assert_int_equal(svc->affinity, SERIN_AFFINITY_CONNECTION);
	assert_false(svc->track_always);
	assert_int_equal(svc->client_prefix6, 64);
	assert_int_equal(svc->client_prefix4, 32);
	assert_int_equal(svc->breaker.failures, 0);
	assert_int_equal(svc->syn_failover, 0);
	assert_true(svc->seed == model_default_seed("web"));
	assert_int_equal(svc->table_size, 16381);
	assert_int_equal(svc->primary, 0);
	assert_int_equal(svc->target_count, 0);
	assert_int_equal(svc->pool_count, 1);
	assert_string_equal(svc->pools[0].name, "only");
	assert_int_equal(svc->pools[0].weight_ppm, 0);
	assert_int_equal(svc->pools[0].backend_count, 1);
	assert_backend(&svc->pools[0].backends[0], "10.0.0.11", 80, 1);
	model_free(empty);
	model_free(m);
}

/* Keys stand in an order in which none can be read without those below it. */
static const char all[] = "%YAML 1.1\n"
			  "---\n"
			  "services:\n"
			  "  - targets:\n"
			  "      - {source: 198.51.100.7/24, pool: canary}\n"
			  "      - {source: 203.0.113.9, pool: stable}\n"
			  "      - {source: 0.0.0.0/0, pool: baseline}\n"
			  "      - {sources: [192.0.2.0/24, 192.0.2.7], pool: stable}\n"
			  "      - {dscp: 46, pool: baseline}\n"
			  "      - {dscp: [AF11, cs7, 0x3f], pool: canary}\n"
			  "    primary: stable\n"
			  "    pools:\n"
			  "      - name: canary\n"
			  "        weight: 12.0001%\n"
			  "        backends:\n"
			  "          - {address: 10.0.0.21, port: 8080}\n"
			  "      - name: stable\n"
			  "        backends:\n"
			  "          - {address: 10.0.0.11, port: 8081, weight: 1000}\n"
			  "          - {address: 10.0.0.12}\n"
			  "      - name: baseline\n"
			  "        weight: 87.9999\n"
			  "        backends: [{address: 10.0.0.31}]\n"
			  "    table_size: 65537\n"
			  "    breaker: {failures: 1000000, recover: 90m}\n"
			  "    seed: 18446744073709551615\n"
			  "    client_prefix6: 128\n"
			  "    client_prefix4: 1\n"
			  "    affinity: client\n"
			  "    track: always\n"
			  "    forwarding: nat\n"
			  "    protocol: udp\n"
			  "    port: 65535\n"
			  "    vip: 192.0.2.10\n"
			  "    name: \"web-1.2_x\"\n"
			  "limits: {services: 65534, backends: 5, flows: 16777216,\n"
			  "         targets: 16777216}\n"
			  "idle: {udp: 4, closing: 3, established: 604800, syn: 1}\n"
			  "interfaces:\n"
			  "  - eth0\n"
			  "  - {name: eth1.100, mode: generic}\n"
			  "version: 1\n"
			  "...\n";

static void test_everything_given(void **state)
{
	struct model *m = parse(all);
	const struct model_service *svc = m->services;

	(void)state;
	assert_int_equal(m->interface_count, 2);
	assert_string_equal(m->interfaces[1].name, "eth1.100");
	assert_int_equal(m->interfaces[1].mode, MODEL_XDP_GENERIC);
	assert_int_equal(m->limits.services, 65534);
	assert_int_equal(m->limits.backends, 5);
	assert_int_equal(m->limits.flows, 16777216);
	assert_int_equal(m->limits.targets, 16777216);
	assert_int_equal(m->idle.syn_s, 1);
	assert_int_equal(m->idle.established_s, 604800);
	assert_int_equal(m->idle.closing_s, 3);
	assert_int_equal(m->idle.udp_s, 4);
	assert_string_equal(svc->name, "web-1.2_x");
	assert_int_equal(svc->port, 65535);
	assert_int_equal(svc->protocol, IPPROTO_UDP);
	assert_int_equal(svc->affinity, SERIN_AFFINITY_CLIENT);
	assert_true(svc->track_always);
	assert_int_equal(svc->client_prefix6, 128);
	assert_int_equal(svc->client_prefix4, 1);
	assert_int_equal(svc->breaker.failures, 1000000);
	assert_int_equal(svc->breaker.window_ms, 10000);
	assert_int_equal(svc->breaker.recover_ms, 5400000);
	assert_true(svc->seed == UINT64_MAX);
	assert_int_equal(svc->table_size, 65537);
	model_free(m);
}

static void test_pools_are_in_order_and_targets_name_them(void **state)
{
	struct model *m = parse(all);
	const struct model_service *svc = m->services;

	(void)state;
	assert_int_equal(svc->pool_count, 3);
	assert_int_equal(svc->primary, 1);
	assert_int_equal(svc->pools[0].weight_ppm, 120001);
	assert_int_equal(svc->pools[1].weight_ppm, 0);
	assert_int_equal(svc->pools[2].weight_ppm, 879999);
	assert_backend(&svc->pools[0].backends[0], "10.0.0.21", 8080, 1);
	assert_backend(&svc->pools[1].backends[0], "10.0.0.11", 8081, 1000);
	assert_backend(&svc->pools[1].backends[1], "10.0.0.12", 65535, 1);
	assert_int_equal(svc->target_count, 5);
	assert_address(&svc->targets[0].prefix, "198.51.100.0");
	assert_int_equal(svc->targets[0].prefix_len, 96 + 24);
	assert_int_equal(svc->targets[0].pool, 0);
	assert_int_equal(svc->targets[1].prefix_len, 128);
	assert_int_equal(svc->targets[1].pool, 1);
	assert_int_equal(svc->targets[2].prefix_len, 96);
	assert_int_equal(svc->targets[2].pool, 2);
	assert_address(&svc->targets[3].prefix, "192.0.2.0");
	assert_int_equal(svc->targets[3].prefix_len, 96 + 24);
	assert_address(&svc->targets[4].prefix, "192.0.2.7");
	assert_int_equal(svc->targets[4].prefix_len, 128);
	assert_true(svc->targets[3].pool == 1 && svc->targets[4].pool == 1);
	assert_int_equal(svc->dscp_count, 4);
	for (int dscp = 0; dscp < SERIN_DSCP_VALUES; dscp++)
		assert_int_equal(svc->dscp_pool[dscp], dscp == 46 ? 2 + 1
						       : dscp == 10 || dscp == 56 || dscp == 63
							       ? 0 + 1
							       : 0);
	model_free(m);
}

static void test_primary_is_stable_where_not_given(void **state)
{
	static const char text[] = "version: 1\n"
				   "interfaces: [eth0]\n"
				   "services:\n"
				   "- name: web\n"
				   "  vip: 2001:db8::10\n"
				   "  port: 80\n"
				   "  targets: [{source: \"::/0\", pool: canary}]\n"
				   "  pools:\n"
				   "  - {name: canary, weight: 100,\n"
				   "     backends: [{address: 2001:db8::21}]}\n"
				   "  - {name: stable, backends: [{address: 2001:db8::11}]}\n";
	struct model *m = parse(text);

	(void)state;
	assert_int_equal(m->services[0].primary, 1);
	assert_int_equal(m->services[0].pools[0].weight_ppm, MODEL_PPM_ALL);
	assert_int_equal(m->services[0].targets[0].prefix_len, 0);
	model_free(m);
}

/* One address, told apart by port and by protocol. */
static void test_endpoints_differ_by_port_and_protocol(void **state)
{
	static const char text[] = "version: 1\n"
				   "interfaces: [eth0]\n"
				   "services:\n"
				   "- {name: a, vip: 192.0.2.1, port: 53, protocol: tcp,\n"
				   "   pools: [{name: stable, backends: [{address: 10.0.0.1}]}]}\n"
				   "- {name: b, vip: 192.0.2.1, port: 53, protocol: udp,\n"
				   "   pools: [{name: stable, backends: [{address: 10.0.0.1}]}]}\n"
				   "- {name: c, vip: 192.0.2.1, port: 54, protocol: tcp,\n"
				   "   pools: [{name: stable, backends: [{address: 10.0.0.1}]}]}\n";
	struct model *m = parse(text);

	(void)state;
	assert_int_equal(m->service_count, 3);
	model_free(m);
}

static void test_marks_and_breaks_of_other_systems(void **state)
{
	char text[sizeof(least) * 2] = "\xef\xbb\xbf", *to = text + 3;

	(void)state;
	for (const char *from = least; *from; from++) {
		if (*from == '\n')
			*to++ = '\r';
		*to++ = *from;
	}
	model_free(parse(text));
}

static void test_percentages_taken(void **state)
{
	static const struct {
		const char *text;
		unsigned int ppm;
	} good[] = {
		{"0", 0},      {"100", 1000000},     {"5", 50000},
		{"5%", 50000}, {"0.5", 5000},	     {"12.0001", 120001},
		{"0.0001", 1}, {"99.9999%", 999999}, {"100.0000", 1000000},
		{"0.0", 0},    {"7.25", 72500},	     {"10.10", 101000},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		const char *why = NULL;
		unsigned int ppm = 77;

		assert_int_equal(config_parse_percent(good[i].text, &ppm, &why), 0);
		assert_int_equal(ppm, good[i].ppm);
	}
}

static void test_percentages_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{"", "a number from 0 to 100"},
		{".", "a number from 0 to 100"},
		{"5.", "a number from 0 to 100"},
		{".5", "a number from 0 to 100"},
		{"%", "a number from 0 to 100"},
		{"5%%", "a number from 0 to 100"},
		{"5 %", "a number from 0 to 100"},
		{" 5", "a number from 0 to 100"},
		{"5 ", "a number from 0 to 100"},
		{"-1", "a number from 0 to 100"},
		{"+1", "a number from 0 to 100"},
		{"1e2", "a number from 0 to 100"},
		{"nan", "a number from 0 to 100"},
		{"inf", "a number from 0 to 100"},
		{"0x5", "a number from 0 to 100"},
		{"1.2.3", "a number from 0 to 100"},
		{"1,5", "a number from 0 to 100"},
		{"05", "a number from 0 to 100"},
		{"100.0001", "at most 100"},
		{"200", "at most 100"},
		{"101%", "at most 100"},
		{"4294967296", "at most 100"},
		{"99999999999999999999", "at most 100"},
		{"0.00001", "four digits"},
		{"5.00000", "four digits"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		const char *why = NULL;
		unsigned int ppm = 77;

		assert_int_equal(config_parse_percent(bad[i].text, &ppm, &why), -EINVAL);
		assert_int_equal(ppm, 77);
		assert_non_null(why);
		assert_non_null(strstr(why, bad[i].why));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_everything_given),
		cmocka_unit_test(test_pools_are_in_order_and_targets_name_them),
		cmocka_unit_test(test_primary_is_stable_where_not_given),
		cmocka_unit_test(test_endpoints_differ_by_port_and_protocol),
		cmocka_unit_test(test_marks_and_breaks_of_other_systems),
		cmocka_unit_test(test_percentages_taken),
		cmocka_unit_test(test_percentages_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
