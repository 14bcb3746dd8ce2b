// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which backends share a path: those at one address, reached by one kind of tunnel. One of their
 * entries keeps what is known of it, whatever apply does to the others.
 */
#include <arpa/inet.h>

#include "dataplane/internal.h"

#include "lab.h"

#define SEED 0x7ac3e915d04b86f2ull
#define MTU  1301

#define SERVICE(name, vip, port, mode, backends)                                                 \
	"  - {name: " name ", vip: '" vip "', port: " #port ", protocol: tcp, forwarding: " mode \
	", source_addresses: [10.9.0.7], pools: [{name: p, backends: [" backends "]}]}\n"
#define AT(n, port) "{address: 10.1.0." #n ", port: " #port "}, "

#define A SERVICE("a", "192.0.2.1", 80, "ipip", AT(1, 80) AT(2, 80))
#define B SERVICE("b", "192.0.2.2", 81, "ipip", AT(1, 81))
#define G SERVICE("g", "192.0.2.3", 82, "gue", AT(1, 82))
#define NAT                                                                                   \
	"  - {name: n, vip: 192.0.2.4, port: 83, protocol: tcp, pools: [{name: p, backends: " \
	"[" AT(3, 83) "]}]}\n"

static struct dataplane *dp;

static int setup(void **state)
{
	return lab_setup(state);
}

static int forget(void **state)
{
	if (dp)
		dataplane_close(dp);
	dp = NULL;
	return lab_teardown(state);
}

static void apply(const char *yaml)
{
	if (dp)
		dataplane_close(dp);
	lab_apply(yaml);
	dp = lab_open(DATAPLANE_READ);
}

/* The id of a service's backend. */
static uint32_t id_of(const char *service, const char *address)
{
	int64_t svc = dp_service_find(dp, service);
	struct in6_addr wanted = lab_addr(address);

	for (uint32_t id = 0; id < dp->meta.max_backends; id++) {
		struct in6_addr a = dp_addr(&dp->backends[id].at.addr);

		if (dp->backends[id].state != SERIN_BACKEND_FREE &&
		    dp->backends[id].service == svc && IN6_ARE_ADDR_EQUAL(&a, &wanted))
			return id;
	}
	fail_msg("%s has no backend %s", service, address);
	return 0;
}

static struct serin_endpoint end_at(const char *address, uint16_t port, uint8_t protocol)
{
	struct in6_addr a = lab_addr(address);

	return dp_endpoint(&a, port, protocol);
}

/* Who keeps the path to a tunnel's end, or -1. */
static int64_t keeper(const char *address, uint16_t port, uint8_t protocol)
{
	struct serin_endpoint at = end_at(address, port, protocol);
	uint32_t id;

	if (bpf_map_lookup_elem(dp->map_fd[DP_MAP_TUNNEL_ENDS], &at, &id))
		return -1;
	return id;
}

static size_t count_ends(void)
{
	struct serin_endpoint at, next;
	size_t count = 0;

	for (int more = bpf_map_get_next_key(dp->map_fd[DP_MAP_TUNNEL_ENDS], NULL, &next); !more;
	     more = bpf_map_get_next_key(dp->map_fd[DP_MAP_TUNNEL_ENDS], &at, &next)) {
		at = next;
		count++;
	}
	return count;
}

static void set_path_mtu(int64_t id, uint16_t mtu)
{
	struct dataplane *writer;

	dataplane_close(dp);
	writer = lab_open(DATAPLANE_WRITE);
	writer->backends[id].path_mtu = mtu;
	dataplane_close(writer);
	dp = lab_open(DATAPLANE_READ);
}

static uint16_t path_mtu(const char *service, const char *address)
{
	return dp->backends[dp->backends[id_of(service, address)].path].path_mtu;
}

static void test_backends_at_one_address_share_a_path(void **state)
{
	(void)state;
	apply(LAB_HEAD A B G NAT);
	assert_int_equal(count_ends(), 3);
	assert_true(keeper("10.1.0.1", 0, IPPROTO_IPIP) >= 0);
	assert_int_equal(keeper("10.1.0.2", 0, IPPROTO_IPIP), id_of("a", "10.1.0.2"));
	assert_int_equal(keeper("10.1.0.1", 6080, IPPROTO_UDP), id_of("g", "10.1.0.1"));
	set_path_mtu(keeper("10.1.0.1", 0, IPPROTO_IPIP), MTU);
	assert_int_equal(path_mtu("a", "10.1.0.1"), MTU);
	assert_int_equal(path_mtu("b", "10.1.0.1"), MTU);
	assert_int_equal(path_mtu("a", "10.1.0.2"), 0);
	assert_int_equal(path_mtu("g", "10.1.0.1"), 0);
}

/* What is known stays known when others come, even before it in the table. */
static void test_a_path_stays_with_its_keeper(void **state)
{
	(void)state;
	apply(LAB_HEAD NAT B);
	set_path_mtu(keeper("10.1.0.1", 0, IPPROTO_IPIP), MTU);
	apply(LAB_HEAD A B);
	assert_int_equal(path_mtu("b", "10.1.0.1"), MTU);
	assert_int_equal(path_mtu("a", "10.1.0.1"), MTU);
}

/* A keeper that goes leaves the path to another; and takes what is known of it along. */
static void test_a_path_whose_keeper_goes(void **state)
{
	(void)state;
	apply(LAB_HEAD A);
	set_path_mtu(keeper("10.1.0.1", 0, IPPROTO_IPIP), MTU);
	apply(LAB_HEAD A B);
	assert_int_equal(keeper("10.1.0.1", 0, IPPROTO_IPIP), id_of("a", "10.1.0.1"));
	apply(LAB_HEAD B);
	assert_int_equal(keeper("10.1.0.1", 0, IPPROTO_IPIP), id_of("b", "10.1.0.1"));
	assert_int_equal(count_ends(), 1);
	assert_int_equal(path_mtu("b", "10.1.0.1"), 0);
	apply(LAB_HEAD NAT);
	assert_int_equal(count_ends(), 0);
}

static void test_a_slot_used_again_has_no_path(void **state)
{
	uint32_t slot;

	(void)state;
	apply(LAB_HEAD A NAT);
	slot = id_of("a", "10.1.0.1");
	set_path_mtu(slot, MTU);
	apply(LAB_HEAD NAT);
	apply(LAB_HEAD NAT SERVICE("c", "192.0.2.5", 84, "ipip", AT(5, 84)));
	assert_int_equal(id_of("c", "10.1.0.5"), slot);
	assert_int_equal(path_mtu("c", "10.1.0.5"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_backends_at_one_address_share_a_path, forget),
		cmocka_unit_test_teardown(test_a_path_stays_with_its_keeper, forget),
		cmocka_unit_test_teardown(test_a_path_whose_keeper_goes, forget),
		cmocka_unit_test_teardown(test_a_slot_used_again_has_no_path, forget),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, setup, NULL);
}
