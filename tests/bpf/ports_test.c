// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * VLANs and bonds in the packet path. This kernel may have neither, so that the links are made up
 * and written as if the host had them: VLANs 900 and 901 upon `back`, and a bond of both NICs.
 */
#include <arpa/inet.h>

#include "dataplane/internal.h"

#include "apply_lab.h"

#define SEED 0x71c3e5d80b4fa296ull

#define VLAN	900
#define QINQ	901
#define BOND	902
#define BONDED	903 /* a VLAN upon it */
#define CTAG(n) htonl(0x81000000u | (n))
#define STAG(n) htonl(0x88a80000u | (n))

static const uint8_t vlan_mac[6] = {2, 0, 0, 0, 9, 1};
static const uint8_t backend_mac[6] = {2, 0, 0, 2, 4, 9};
static struct dataplane
	*dp; /* closed when a test ends, however it ends: others wait for its lock */
static const char web[] = WEB("", POOL("stable", HOST(2)));

static int open_map(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), LAB_PINS "/%s", name);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	return fd;
}

/* What is sent by a slot leaves by which interface? 0: none. */
static uint32_t sender_of(uint32_t slot)
{
	int fd = open_map("tx_ports");
	uint32_t ifindex = 0;

	bpf_map_lookup_elem(fd, &slot, &ifindex);
	close(fd);
	return ifindex;
}

static void make_links(struct rtnl_link links[5])
{
	memset(links, 0, 5 * sizeof(*links));
	links[0] = (struct rtnl_link){.ifindex = lab_front, .mtu = 1500};
	links[1] = (struct rtnl_link){.ifindex = lab_back, .mtu = 1400};
	memcpy(links[0].mac, lab_front_mac, 6);
	memcpy(links[1].mac, lab_back_mac, 6);
	links[2] = (struct rtnl_link){.ifindex = VLAN,
				      .mtu = 1300,
				      .kind = RTNL_LINK_VLAN,
				      .parent = lab_back,
				      .vlan_tag_be = STAG(7)};
	links[3] = (struct rtnl_link){.ifindex = QINQ,
				      .mtu = 1200,
				      .kind = RTNL_LINK_VLAN,
				      .parent = VLAN,
				      .vlan_tag_be = CTAG(8)};
	memcpy(links[2].mac, vlan_mac, 6);
	memcpy(links[3].mac, vlan_mac, 6);
}

static void write_ports(struct rtnl_link *links, size_t count)
{
	const struct link_list host = {.list = links, .count = count};
	const int nics[] = {lab_front, lab_back};
	struct port_list ports;

	assert_int_equal(port_list_begin(&ports, &host, nics, 2), 0);
	port_list_fill(&ports);
	assert_int_equal(dp_ports_write(dp, &ports), 0);
}

/* The one backend is found behind this interface from now on. */
static void move_backend(uint32_t ifindex)
{
	struct dp_hop hop = {.ifindex = (int)ifindex, .is_resolved = true};

	memcpy(hop.mac, backend_mac, 6);
	for (uint32_t id = 0; id < dp->meta.max_backends; id++)
		if (dp->backends[id].state == SERIN_BACKEND_UP)
			dp->backends[id].hop = dp_hop_word(dp, &hop);
}

static void begin(uint32_t behind)
{
	struct rtnl_link links[5];

	lab_apply(web);
	dp = lab_open(DATAPLANE_WRITE);
	make_links(links);
	write_ports(links, 4);
	move_backend(behind);
}

static int begin_behind_vlan(void **state)
{
	(void)state;
	begin(VLAN);
	return 0;
}

static int end(void **state)
{
	dataplane_close(dp);
	dp = NULL;
	return lab_teardown(state);
}

/* A frame as it comes with these tags; returns its length. */
static size_t build(const struct frame *f, const uint32_t *tags_be, size_t count, uint8_t *bytes)
{
	size_t len = frame_build(f, bytes);

	memmove(bytes + 12 + 4 * count, bytes + 12, len - 12);
	memcpy(bytes + 12, tags_be, 4 * count);
	return len + 4 * count;
}

static void expect_link(const struct outcome *out, const uint8_t *to, const uint8_t *from,
			const uint32_t *tags_be, size_t count)
{
	assert_memory_equal(out->bytes, to, 6);
	assert_memory_equal(out->bytes + 6, from, 6);
	assert_memory_equal(out->bytes + 12, tags_be, 4 * count);
	assert_int_equal(frame_get16(out->bytes + 12 + 4 * count), 0x0800);
}

static struct frame request(void)
{
	return lab_request("198.51.100.7", 4242, "192.0.2.1", 80, IPPROTO_TCP);
}

static struct frame reply(void)
{
	struct frame f = request();

	f.src = lab_addr("10.1.0.2");
	f.dst = lab_addr("198.51.100.7");
	f.src_port = 80;
	f.dst_port = 4242;
	f.tcp_flags = FRAME_SYN | FRAME_ACK;
	memcpy(f.dst_mac, vlan_mac, 6);
	memcpy(f.src_mac, backend_mac, 6);
	return f;
}

/* ---- slots ---- */

static void test_each_nic_sends_for_itself(void **state)
{

	(void)state;
	lab_apply(web);
	dp = lab_open(DATAPLANE_READ);
	for (int i = 0; i < 2; i++) {
		uint32_t nic = (uint32_t)(i ? lab_back : lab_front);
		uint32_t slot = dp_port_find(dp, nic);

		assert_true(slot);
		assert_int_equal(dp->ports[slot].nic, nic);
		assert_int_equal(dp->ports[slot].tag_count, 0);
		assert_int_equal(dp->ports[slot].mtu, i ? 1400 : 1500);
		assert_int_equal(sender_of(slot), nic);
	}
}

static void test_a_vlans_nic_sends_for_it(void **state)
{
	uint32_t slot = dp_port_find(dp, QINQ);

	(void)state;
	assert_int_equal(sender_of(dp_port_find(dp, VLAN)), lab_back);
	assert_int_equal(sender_of(slot), lab_back);
	assert_int_equal(dp->ports[slot].tag_be[0], STAG(7));
	assert_int_equal(dp->ports[slot].tag_be[1], CTAG(8));
}

/* What is no more gives up its place, and nobody is sent there. */
static void test_links_that_are_no_more_lose_their_places(void **state)
{
	uint32_t slot = dp_port_find(dp, VLAN);
	struct rtnl *rtnl = NULL;
	struct outcome out;
	struct frame f = request();

	(void)state;
	assert_int_equal(rtnl_open(&rtnl), 0);
	assert_int_equal(dataplane_follow_host(dp, rtnl), 0);
	rtnl_close(rtnl);
	assert_int_equal(dp_port_find(dp, VLAN), 0);
	assert_int_equal(dp_port_find(dp, QINQ), 0);
	assert_int_equal(sender_of(slot), 0);
	assert_int_equal(sender_of(dp_port_find(dp, (uint32_t)lab_back)), lab_back);
	lab_run_frame(lab_front, &f, &out);
	assert_int_equal(out.action, XDP_DROP);
}

static void test_what_changes_of_a_link_is_followed(void **state)
{
	struct rtnl *rtnl = NULL;

	(void)state;
	lab_apply(web);
	dp = lab_open(DATAPLANE_WRITE);
	assert_int_equal(system("ip link set front mtu 1444"), 0);
	assert_int_equal(rtnl_open(&rtnl), 0);
	assert_int_equal(dataplane_follow_host(dp, rtnl), 0);
	assert_int_equal(dp->ports[dp_port_find(dp, (uint32_t)lab_front)].mtu, 1444);
	assert_int_equal(system("ip link set front mtu 1500"), 0);
	assert_int_equal(dataplane_follow_host(dp, rtnl), 0);
	assert_int_equal(dp->ports[dp_port_find(dp, (uint32_t)lab_front)].mtu, 1500);
	rtnl_close(rtnl);
}

/* As VLANs' names have it, and pins' must not. */
static void test_a_name_with_a_dot(void **state)
{
	static const char yaml[] =
		"version: 1\ninterfaces: [front, dot.ted, back]\n"
		"limits: {services: 32, backends: 512, flows: 262144}\nservices:\n" SERVICE(
			"web", "192.0.2.1", "", POOL("stable", HOST(2)));
	struct snapshot *s;

	(void)state;
	assert_int_equal(system("ip link add dot.ted type veth peer name dot-far && "
				"ip link set dot.ted up"),
			 0);
	lab_apply(yaml);
	s = lab_snapshot();
	assert_int_equal(s->interface_count, 3);
	assert_string_equal(s->interfaces[2].name, "dot.ted");
	assert_true(s->interfaces[2].is_attached);
	snapshot_free(s);
	apply_expect_settled(yaml);
	lab_apply(web);
	assert_string_equal(lab_changes, "- interface dot.ted\n");
	assert_int_equal(system("ip link del dot.ted"), 0);
}

/* Sixty-three places; the old ones are in the way of the new ones until they are let go. */
static void test_one_host_full_of_vlans_after_another(void **state)
{
	static struct rtnl_link links[2 + 61];

	(void)state;
	lab_apply(web);
	dp = lab_open(DATAPLANE_WRITE);
	make_links(links);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 61; i++)
			links[2 + i] = (struct rtnl_link){.ifindex = 1000 + 100 * round + i,
							  .kind = RTNL_LINK_VLAN,
							  .parent = lab_back,
							  .vlan_tag_be = CTAG((unsigned int)i)};
		write_ports(links, 2 + 61);
		for (uint32_t i = 0; i < 61; i++)
			assert_true(dp_port_find(dp, 1000 + 100 * (uint32_t)round + i));
		assert_int_equal(dp_port_find(dp, 900 + 100 * (uint32_t)round), 0);
	}
}

/* ---- packets ---- */

static void test_out_by_a_vlan(void **state)
{
	const uint32_t tags[] = {STAG(7), CTAG(8)};
	struct frame f = request();
	struct outcome out;

	(void)state;
	for (uint32_t count = 1; count <= 2; count++) {
		move_backend(count == 1 ? VLAN : QINQ);
		lab_run_frame(lab_front, &f, &out);
		assert_int_equal(out.action, XDP_REDIRECT);
		expect_link(&out, backend_mac, vlan_mac, tags, count);
	}
}

/* In by the VLAN and out without a tag; and in by a VLAN, out by the other, its priority kept. */
static void test_in_by_a_vlan(void **state)
{
	const uint32_t came[] = {STAG(7) | htonl(0xa000), CTAG(8)};
	const uint32_t leaves[] = {STAG(7) | htonl(0xa000)};
	struct frame there = request(), back = reply();
	uint8_t bytes[FRAME_MAX];
	struct outcome out;

	(void)state;
	lab_run_frame(lab_front, &there, &out);
	lab_run(lab_back, bytes, build(&back, came, 1, bytes), &out);
	assert_int_equal(out.action, XDP_REDIRECT);
	expect_link(&out, lab_client_mac, lab_front_mac, NULL, 0);
	memcpy(there.dst_mac, vlan_mac, 6);
	lab_run(lab_back, bytes, build(&there, came, 2, bytes), &out);
	assert_int_equal(out.action, XDP_TX);
	expect_link(&out, backend_mac, vlan_mac, leaves, 1);
}

/* The VLAN's own MTU, which may be less than the NIC's. */
static void test_what_a_vlan_does_not_hold(void **state)
{
	struct frame f = request();
	struct outcome out;

	(void)state;
	f.payload_len = 1300 - 20 - 20;
	lab_run_frame(lab_front, &f, &out);
	assert_int_equal(out.action, XDP_REDIRECT);
	f.payload_len++;
	lab_run_frame(lab_front, &f, &out);
	assert_int_not_equal(out.action, XDP_REDIRECT);
}

/* Frames come in by the bond's parts and leave by the bond, whichever part that takes. */
static void test_a_bond(void **state)
{
	struct rtnl_link links[5];
	const struct link_list host = {.list = links, .count = 4};
	const int nics[] = {BOND};
	const uint32_t tag = CTAG(5);
	struct port_list ports;
	struct frame f = request();
	struct outcome out;

	(void)state;
	lab_apply(web);
	dp = lab_open(DATAPLANE_WRITE);
	make_links(links);
	links[0].master = links[1].master = BOND;
	links[0].is_bonded = links[1].is_bonded = true;
	links[2] = (struct rtnl_link){.ifindex = BOND, .mtu = 1500, .kind = RTNL_LINK_BOND};
	links[3] = (struct rtnl_link){.ifindex = BONDED,
				      .mtu = 1500,
				      .kind = RTNL_LINK_VLAN,
				      .parent = BOND,
				      .vlan_tag_be = tag};
	memcpy(links[2].mac, vlan_mac, 6);
	memcpy(links[3].mac, vlan_mac, 6);
	assert_int_equal(port_list_begin(&ports, &host, nics, 1), 0);
	port_list_fill(&ports);
	/* There is no such bond for the kernel to send by: its frames go out by the loopback. */
	for (size_t i = 0; i < ports.count; i++)
		if (ports.port[i].nic == BOND)
			ports.port[i].nic = 1;
	assert_int_equal(dp_ports_write(dp, &ports), 0);
	assert_int_equal(sender_of(dp_port_find(dp, (uint32_t)lab_front)), 1);
	move_backend(BONDED);
	lab_run_frame(lab_front, &f, &out);
	assert_int_equal(out.action, XDP_REDIRECT);
	expect_link(&out, backend_mac, vlan_mac, &tag, 1);
}

#define TEST(f)		    cmocka_unit_test_teardown(f, end)
#define TEST_BEHIND_VLAN(f) cmocka_unit_test_setup_teardown(f, begin_behind_vlan, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_each_nic_sends_for_itself),
		TEST_BEHIND_VLAN(test_a_vlans_nic_sends_for_it),
		TEST_BEHIND_VLAN(test_links_that_are_no_more_lose_their_places),
		TEST(test_what_changes_of_a_link_is_followed),
		TEST(test_a_name_with_a_dot),
		TEST(test_one_host_full_of_vlans_after_another),
		TEST_BEHIND_VLAN(test_out_by_a_vlan),
		TEST_BEHIND_VLAN(test_in_by_a_vlan),
		TEST_BEHIND_VLAN(test_what_a_vlan_does_not_hold),
		TEST(test_a_bond),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, NULL);
}
