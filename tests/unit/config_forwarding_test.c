// SPDX-License-Identifier: GPL-2.0-or-later
/* Ways to the backends: what is read of them, and what does not go together. */
#include "lib/net.h"

#include "config_lab.h"

/* A service of four lines from line 4, and its backends on line 8; what follows is line 9. */
#define TOP "version: 1\ninterfaces: [eth0]\nservices:\n"
#define SERVICE(vip, address)                           \
	TOP "- name: web\n  vip: " vip "\n  port: 80\n" \
	    "  pools:\n  - {name: stable, backends: [{address: " address "}]}\n"
#define V4  SERVICE("192.0.2.10", "10.0.0.11")
#define V6  SERVICE("2001:db8::10", "2001:db8:b::11")
#define V46 SERVICE("192.0.2.10", "2001:db8:b::11")
#define V64 SERVICE("2001:db8::10", "10.0.0.11")

#define FULLNAT V4 "  forwarding: fullnat\n"
#define IPIP	V4 "  forwarding: ipip\n"

/* A second one, on two lines. */
#define SECOND(protocol, settings)                                                              \
	"- {name: b, vip: 192.0.2.20, port: 80, protocol: " protocol ", " settings ", pools:\n" \
	"    [{name: stable, backends: [{address: 10.0.0.21}]}]}\n"

static void assert_source(const struct model_source *source, const char *prefix, uint8_t len)
{
	char text[NET_ADDR_LEN];

	assert_string_equal(net_format_addr(&source->prefix, text), prefix);
	assert_int_equal(source->prefix_len, len);
}

/* ---- what is right ---- */

static void test_defaults(void **state)
{
	struct model *m = parse(V4);
	const struct model_service *svc = m->services;

	(void)state;
	assert_int_equal(svc->forwarding, SERIN_FORWARDING_NAT);
	assert_int_equal(svc->source_count, 0);
	assert_null(svc->sources);
	assert_int_equal(svc->source_port_low, 1024);
	assert_int_equal(svc->source_port_high, 65535);
	assert_int_equal(svc->client_address, MODEL_CLIENT_ADDRESS_NONE);
	assert_int_equal(svc->gue_port, 6080);
	model_free(m);
}

static void test_fullnat(void **state)
{
	struct model *m = parse(FULLNAT "  source_addresses: [10.0.0.1, 10.0.0.2/32]\n"
					"  source_ports: 20000-29999\n  client_address: toa\n");
	const struct model_service *svc = m->services;

	(void)state;
	assert_int_equal(svc->forwarding, SERIN_FORWARDING_FULLNAT);
	assert_int_equal(svc->source_count, 2);
	assert_source(&svc->sources[0], "10.0.0.1", 128);
	assert_source(&svc->sources[1], "10.0.0.2", 128);
	assert_int_equal(svc->source_port_low, 20000);
	assert_int_equal(svc->source_port_high, 29999);
	assert_int_equal(svc->client_address, MODEL_CLIENT_ADDRESS_TOA);
	model_free(m);
}

static void test_tunnels_carry_either_family(void **state)
{
	static const char *const texts[] = {
		V4 "  forwarding: ipip\n",  V6 "  forwarding: ipip\n", V46 "  forwarding: ipip\n",
		V64 "  forwarding: ipip\n", V4 "  forwarding: gue\n",  V6 "  forwarding: gue\n",
		V46 "  forwarding: gue\n",  V64 "  forwarding: gue\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct model *m = parse(texts[i]);

		assert_int_equal(m->services[0].forwarding,
				 i < 4 ? SERIN_FORWARDING_IPIP : SERIN_FORWARDING_GUE);
		model_free(m);
	}
}

static void test_tunnels_have_a_source_of_each_family(void **state)
{
	struct model *m = parse(TOP
				"- name: web\n  vip: 192.0.2.10\n  port: 80\n  forwarding: gue\n"
				"  source_addresses: [10.9.0.0/24, \"2001:db8:9::/64\"]\n"
				"  gue_port: 6081\n"
				"  pools:\n  - {name: stable, backends: [{address: 10.0.0.11},\n"
				"     {address: 2001:db8:b::11, port: 80}]}\n");
	const struct model_service *svc = m->services;

	(void)state;
	assert_int_equal(svc->source_count, 2);
	assert_source(&svc->sources[0], "10.9.0.0", 96 + 24);
	assert_source(&svc->sources[1], "2001:db8:9::", 64);
	assert_int_equal(svc->gue_port, 6081);
	model_free(m);
}

static void test_dsr_leaves_the_port_alone(void **state)
{
	struct model *m = parse(SERVICE("192.0.2.10", "10.0.0.11, port: 80") "  forwarding: dsr\n");

	(void)state;
	assert_int_equal(m->services[0].forwarding, SERIN_FORWARDING_DSR);
	assert_int_equal(m->services[0].pools[0].backends[0].port, 80);
	model_free(m);
}

/* Ranges side by side, one address for two protocols, and the host's other addresses. */
static void test_sources_that_do_not_meet(void **state)
{
	static const char *const texts[] = {
		FULLNAT "  source_addresses: [10.0.0.1]\n  source_ports: 1024-29999\n" SECOND(
			"tcp", "forwarding: fullnat, source_addresses: [10.0.0.1], "
			       "source_ports: 30000-65535"),
		FULLNAT "  source_addresses: [10.0.0.1]\n" SECOND(
			"udp", "forwarding: fullnat, source_addresses: [10.0.0.1]"),
		FULLNAT "  source_addresses: [10.0.0.1]\n" SECOND(
			"tcp", "forwarding: fullnat, source_addresses: [10.0.0.2]"),
		IPIP "  source_addresses: [10.9.0.0/24]\n" SECOND(
			"tcp", "forwarding: ipip, source_addresses: [10.9.0.0/24]"),
		IPIP "  source_addresses: [10.0.0.12/30]\n",
		IPIP "  source_addresses: [192.0.2.11]\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		model_free(parse(texts[i]));
}

/* ---- what is wrong ---- */

static void test_keys_of_another_mode(void **state)
{
	static const struct wrong wrong[] = {
		{V4 "  source_addresses: [10.0.0.1]\n", 9, 21,
		 "'source_addresses' is for fullnat, ipip and gue, and this service has "
		 "'forwarding: nat', the default"},
		{V4 "  source_addresses: [10.0.0.1]\n  forwarding: dsr\n", 9, 21,
		 "and this service has 'forwarding: dsr'"},
		{V4 "  source_ports: 1024-2047\n", 9, 17, "'source_ports' is for fullnat"},
		{IPIP "  source_ports: 1024-2047\n", 10, 17, "'source_ports' is for fullnat"},
		{V4 "  client_address: none\n", 9, 19, "'client_address' is for fullnat"},
		{V4 "  forwarding: gue\n  client_address: toa\n", 10, 19,
		 "'client_address' is for fullnat"},
		{V4 "  gue_port: 6080\n", 9, 13, "'gue_port' is for gue"},
		{IPIP "  gue_port: 6080\n", 10, 13, "'gue_port' is for gue"},
	};

	(void)state;
	assert_all_wrong(wrong, COUNT_OF(wrong));
}

static void test_values(void **state)
{
	static const struct wrong wrong[] = {
		{IPIP "  source_addresses: 10.9.0.1\n", 10, 21, "must be a list, not text"},
		{IPIP "  source_addresses: []\n", 10, 21, "needs at least one source"},
		{IPIP "  source_addresses: [[10.9.0.1]]\n", 10, 22,
		 "a source must be text, not a list"},
		{IPIP "  source_addresses: [eth0]\n", 10, 22,
		 "'eth0' is neither an address nor a prefix like 10.9.0.0/24"},
		{IPIP "  source_addresses: [10.9.0.0/33]\n", 10, 22, "neither an address nor"},
		{IPIP "  source_addresses: [10.9.0.1/24]\n", 10, 22,
		 "write 10.9.0.0/24 for all of them, or 10.9.0.1 alone"},
		{V6 "  forwarding: ipip\n  source_addresses: [\"2001:db8::1/64\"]\n", 10, 22,
		 "write 2001:db8::/64 for all of them, or 2001:db8::1 alone"},
		{IPIP "  source_addresses: [0.0.0.0/0]\n", 10, 22, "the unspecified address"},
		{IPIP "  source_addresses: [127.0.0.0/8]\n", 10, 22, "a loopback address"},
		{IPIP "  source_addresses: [224.0.0.0/4]\n", 10, 22, "a multicast address"},
		{FULLNAT "  source_addresses: [10.1.0.1, 10.1.0.2, 10.1.0.3, 10.1.0.4, 10.1.0.5,\n"
			 "    10.1.0.6, 10.1.0.7, 10.1.0.8, 10.1.0.9, 10.1.0.10, 10.1.0.11,\n"
			 "    10.1.0.12, 10.1.0.13, 10.1.0.14, 10.1.0.15, 10.1.0.16, 10.1.0.17]\n",
		 12, 60, "has more than 16 sources"},
		{FULLNAT "  source_addresses: [10.1.0.1]\n  source_ports: 1024\n", 11, 17,
		 "must be a range of ports like 1024-65535, not '1024'"},
		{FULLNAT "  source_addresses: [10.1.0.1]\n  source_ports: 0-100\n", 11, 17,
		 "must be a range of ports"},
		{FULLNAT "  source_addresses: [10.1.0.1]\n  source_ports: 1024-65536\n", 11, 17,
		 "must be a range of ports"},
		{FULLNAT "  source_addresses: [10.1.0.1]\n  source_ports: 1024-2048-4096\n", 11, 17,
		 "must be a range of ports"},
		{FULLNAT "  source_addresses: [10.1.0.1]\n  source_ports: -1\n", 11, 17,
		 "must be a range of ports"},
		{FULLNAT "  source_addresses: [10.1.0.1]\n  source_ports: [1024, 2048]\n", 11, 17,
		 "must be a range of ports, not a list"},
		{FULLNAT "  source_addresses: [10.1.0.1]\n  source_ports: 2048-1024\n", 11, 17,
		 "ends before it begins: write 1024-2048"},
		{FULLNAT "  source_addresses: [10.1.0.1]\n  source_ports: 2000-2014\n", 11, 17,
		 "2000-2014 has room for 15 at once from each source; a range has 16 ports or"},
		{FULLNAT "  source_addresses: [10.1.0.1]\n  client_address: tao\n", 11, 19,
		 "must be none or toa, not 'tao'; did you mean 'toa'?"},
		{V4 "  forwarding: gue\n  gue_port: 0\n", 10, 13, "from 1 to 65535"},
		/* One mistake is one error: what would be wrong of a mode that is not known? */
		{V46 "  forwarding: ippi\n  source_addresses: [10.9.0.1]\n", 9, 15,
		 "did you mean 'ipip'?"},
	};

	(void)state;
	assert_all_wrong(wrong, COUNT_OF(wrong));
}

static void test_fullnat_sources(void **state)
{
	static const struct wrong wrong[] = {
		{FULLNAT, 9, 15, "'fullnat' needs 'source_addresses'"},
		{FULLNAT "  source_addresses: [10.1.0.1, \"2001:db8::1\"]\n", 10, 32,
		 "an IPv6 source cannot stand for the clients of an IPv4 VIP"},
		{V6 "  forwarding: fullnat\n  source_addresses: [10.1.0.1]\n", 10, 22,
		 "an IPv4 source cannot stand for the clients of an IPv6 VIP"},
		{FULLNAT "  source_addresses: [10.1.0.0/30]\n", 10, 22,
		 "'fullnat' takes whole addresses"},
		{FULLNAT "  source_addresses:\n  - 10.1.0.1\n  - 10.1.0.2\n  - 10.1.0.1\n", 13, 5,
		 "'10.1.0.1' is listed already, on line 11"},
		{FULLNAT "  protocol: udp\n  source_addresses: [10.1.0.1]\n  client_address: toa\n",
		 12, 19, "'toa' is an option of TCP, and this service is udp"},
	};

	(void)state;
	assert_all_wrong(wrong, COUNT_OF(wrong));
}

static void test_tunnel_sources(void **state)
{
	static const struct wrong wrong[] = {
		{IPIP "  source_addresses: [10.9.0.0/24, 10.9.1.0/24]\n", 10, 35,
		 "'ipip' takes one prefix for each family, and line 10 has the IPv4 one"},
		{V64 "  forwarding: gue\n  source_addresses: [\"2001:db8:9::1\", 10.9.0.1, "
		     "\"2001:db8:9::2\"]\n",
		 10, 49, "'gue' takes one prefix for each family, and line 10 has the IPv6 one"},
	};

	(void)state;
	assert_all_wrong(wrong, COUNT_OF(wrong));
}

static void test_backends(void **state)
{
	static const struct wrong wrong[] = {
		{V46, 8, 41,
		 "an IPv6 backend cannot serve an IPv4 VIP by 'nat', which does not translate: "
		 "'forwarding: ipip' or 'gue' would"},
		{V64 "  forwarding: dsr\n", 8, 41,
		 "an IPv4 backend cannot serve an IPv6 VIP by 'dsr'"},
		{V46 "  forwarding: fullnat\n  source_addresses: [10.1.0.1]\n", 8, 41,
		 "an IPv6 backend cannot serve an IPv4 VIP by 'fullnat'"},
		{SERVICE("192.0.2.10", "10.0.0.11, port: 81") "  forwarding: dsr\n", 8, 58,
		 "to the VIP's own port 80: leave 'port' out"},
		{SERVICE("192.0.2.10", "10.0.0.11, port: 81") "  forwarding: ipip\n", 8, 58,
		 "with 'forwarding: ipip' backends get packets as clients sent them"},
		{SERVICE("192.0.2.10", "10.0.0.11, port: 81") "  forwarding: gue\n", 8, 58,
		 "with 'forwarding: gue' backends get packets as clients sent them"},
	};

	(void)state;
	assert_all_wrong(wrong, COUNT_OF(wrong));
}

#define FULLNAT_FROM(ports) FULLNAT "  source_addresses: [10.1.0.9, 10.1.0.1]\n" ports

static void test_sources_that_meet_others(void **state)
{
	static const struct wrong wrong[] = {
		{IPIP "  source_addresses: [192.0.2.0/28]\n", 10, 22,
		 "192.0.2.10 is a VIP (service 'web', line 4); a source is an address that is "
		 "nobody else's"},
		{IPIP "  source_addresses: [10.0.0.8/29]\n", 10, 22,
		 "10.0.0.11 is a backend (service 'web', line 8)"},
		{V6 "  forwarding: gue\n  source_addresses: [\"2001:db8:a::/47\"]\n", 10, 22,
		 "2001:db8:b::11 is a backend"},
		{FULLNAT "  source_addresses: [10.0.0.11]\n", 10, 22, "10.0.0.11 is a backend"},
		{FULLNAT "  source_addresses: [192.0.2.20]\n" SECOND("tcp", "seed: 1"), 10, 22,
		 "192.0.2.20 is a VIP (service 'b', line 11)"},
		{IPIP "  source_addresses: [10.0.0.21]\n" SECOND("udp", "seed: 1"), 10, 22,
		 "10.0.0.21 is a backend (service 'b', line 12)"},
		{FULLNAT_FROM("")
			 SECOND("tcp", "forwarding: fullnat, source_addresses: [10.1.0.1]"),
		 11, 95,
		 "service 'web' sends from ports 1024-65535 of '10.1.0.1' already (line 10), and "
		 "this one from 1024-65535: give each its own 'source_ports'"},
		{FULLNAT_FROM("  source_ports: 2000-2999\n")
			 SECOND("tcp", "source_ports: 2999-4000, forwarding: fullnat, "
				       "source_addresses: [10.1.0.1]"),
		 12, 120, "service 'web' sends from ports 2000-2999 of '10.1.0.1' already"},
	};

	(void)state;
	assert_all_wrong(wrong, COUNT_OF(wrong));
}

/* The widest range is not the one before: 2000-9999 holds 2100-2199 and 5000-5999 both. */
static void test_ranges_within_a_wider_one(void **state)
{
	static const char text[] = TOP
		"- {name: a, vip: 192.0.2.1, port: 1, forwarding: fullnat,\n"
		"   source_addresses: [10.1.0.1], source_ports: 2000-9999,\n"
		"   pools: [{name: stable, backends: [{address: 10.0.0.1}]}]}\n"
		"- {name: b, vip: 192.0.2.1, port: 2, forwarding: fullnat,\n"
		"   source_addresses: [10.1.0.1], source_ports: 2100-2199,\n"
		"   pools: [{name: stable, backends: [{address: 10.0.0.1}]}]}\n"
		"- {name: c, vip: 192.0.2.1, port: 3, forwarding: fullnat,\n"
		"   source_addresses: [10.1.0.1], source_ports: 5000-5999,\n"
		"   pools: [{name: stable, backends: [{address: 10.0.0.1}]}]}\n";
	struct config_errors errors = {0};
	struct model *m = NULL;

	(void)state;
	assert_int_equal(config_parse(text, strlen(text), &m, &errors), -EINVAL);
	assert_int_equal(errors.count, 2);
	assert_int_equal(errors.list[0].line, 8);
	assert_int_equal(errors.list[1].line, 11);
	assert_non_null(strstr(errors.list[1].message, "service 'a' sends from ports 2000-9999"));
	config_errors_fini(&errors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_fullnat),
		cmocka_unit_test(test_tunnels_carry_either_family),
		cmocka_unit_test(test_tunnels_have_a_source_of_each_family),
		cmocka_unit_test(test_dsr_leaves_the_port_alone),
		cmocka_unit_test(test_sources_that_do_not_meet),
		cmocka_unit_test(test_keys_of_another_mode),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_fullnat_sources),
		cmocka_unit_test(test_tunnel_sources),
		cmocka_unit_test(test_backends),
		cmocka_unit_test(test_sources_that_meet_others),
		cmocka_unit_test(test_ranges_within_a_wider_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
