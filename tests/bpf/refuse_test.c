// SPDX-License-Identifier: GPL-2.0-or-later
/* What cannot or must not be applied changes nothing; and detaching leaves nothing. */
#include <dirent.h>
#include <linux/if_link.h>
#include <poll.h>

#include "lib/rtnl.h"

#include "apply_lab.h"

#define SEED 0x15c8e7b03fa96d42ull

#define POOLS_AS_THEY_ARE WEIGHED("canary", "10", HOST(1)) POOL("stable", HOST(2) HOST(3))
#define HEAD_OF(nics, services, backends)                                                        \
	"version: 1\ninterfaces: " nics "\nlimits: {services: " services ", backends: " backends \
	", flows: 262144}\nservices:\n"
#define WEB_ON(nics) HEAD_OF(nics, "32", "512") SERVICE("web", "192.0.2.1", "", POOLS_AS_THEY_ARE)

static const char first[] = WEB("", POOLS_AS_THEY_ARE);

static int start(void **state)
{
	(void)state;
	lab_apply(first);
	return 0;
}

/* ---- what decides which clients fall to which pool ---- */

static void cohort(const char *yaml, const char *told)
{
	assert_int_equal(lab_shift("web", "canary", 1), 0);
	apply_expect_refusal(yaml, -EBUSY);
	assert_int_equal(lab_shift("web", "canary", 0), 0);
	assert_int_equal(lab_apply_yaml(yaml, true), 0);
	lab_apply(yaml);
	assert_non_null(strstr(lab_changes, told));
	apply_expect_weight("canary", 0);
	assert_int_equal(lab_apply_yaml(yaml, false), 0);
	assert_null(strstr(lab_changes, told));
}

static void test_cohorts_change_only_without_a_canary(void **state)
{
	struct snapshot *s;

	(void)state;
	cohort(WEB(", seed: 12345", POOLS_AS_THEY_ARE), "~ service web: new seed\n");
	s = lab_snapshot();
	assert_true(snapshot_find_service(s, "web")->seed == 12345);
	snapshot_free(s);
	cohort(WEB(", seed: 12345, affinity: client", POOLS_AS_THEY_ARE),
	       "~ service web: new affinity\n");
	cohort(WEB(", seed: 12345, affinity: client, client_prefix6: 48", POOLS_AS_THEY_ARE),
	       "~ service web: new client_prefix6\n");
	s = lab_snapshot();
	assert_int_equal(snapshot_find_service(s, "web")->client_prefix6, 48);
	snapshot_free(s);
	cohort(WEB(", seed: 12345, affinity: client, client_prefix6: 48, client_prefix4: 24",
		   POOLS_AS_THEY_ARE),
	       "~ service web: new client_prefix4\n");
	s = lab_snapshot();
	assert_int_equal(snapshot_find_service(s, "web")->client_prefix4, 24);
	assert_int_equal(snapshot_find_service(s, "web")->affinity, SERIN_AFFINITY_CLIENT);
	snapshot_free(s);
}

/* Two settings at once, of which only the first might be looked at. */
static void test_two_cohort_settings_change_at_once(void **state)
{
	static const char yaml[] =
		WEB(", seed: 7, affinity: client, client_prefix6: 56", POOLS_AS_THEY_ARE);

	(void)state;
	apply_expect_refusal(yaml, -EBUSY);
	assert_int_equal(lab_shift("web", "canary", 0), 0);
	lab_apply(yaml);
	assert_int_equal(lab_apply_yaml(yaml, false), 0);
	assert_non_null(strstr(lab_changes, "no changes\n"));
}

/* ---- what cannot be ---- */

static void test_unknown_nics_and_backends_out_of_reach(void **state)
{
	(void)state;
	apply_expect_refusal(WEB_ON("[front, back, nowhere]"), -ENODEV);
	assert_non_null(strstr(lab_errors, "nowhere"));
	apply_expect_refusal(WEB("", POOL("stable", HOST(2) "{address: 10.1.255.254}")), -EINVAL);
	assert_non_null(strstr(lab_errors, "10.1.255.254"));
	apply_expect_refusal(HEAD_OF("[front]", "32", "512") SERVICE(
				     "web", "192.0.2.1", "",
				     POOLS_AS_THEY_ARE WEIGHED("far", "1", "{address: 10.2.0.9}")),
			     -EINVAL);
	assert_non_null(strstr(lab_errors, "back"));
	apply_expect_settled(first);
}

/* Something else is wrong with a service that stands behind one that is right. */
static void test_one_wrong_service_spoils_all(void **state)
{
	(void)state;
	apply_expect_refusal(
		WEB("", POOL("stable", HOST(5)))
			SERVICE("shop", "192.0.2.2", "", POOL("stable", "{address: 10.2.255.254}")),
		-EINVAL);
	assert_int_equal(lab_shift("web", "canary", 1), 0);
	apply_expect_refusal(LAB_HEAD SERVICE("new", "192.0.2.3", "", POOL("stable", HOST(6)))
				     SERVICE("web", "192.0.2.1", ", seed: 1", POOLS_AS_THEY_ARE),
			     -EBUSY);
}

/* No route is no reason to hold up the others: it takes no flow until there is one. */
static void test_a_backend_without_a_route_waits(void **state)
{
	struct snapshot *s;

	(void)state;
	lab_apply(WEB("", WEIGHED("canary", "10", HOST(1))
				  POOL("stable", HOST(2) "{address: 203.0.113.9}")));
	assert_non_null(strstr(lab_errors, "203.0.113.9"));
	s = lab_snapshot();
	assert_int_equal(lab_pool(s, "web", "stable")->backend_count, 3); /* one is leaving */
	for (size_t i = 0; i < 3; i++) {
		const struct snapshot_backend *b = &lab_pool(s, "web", "stable")->backends[i];

		assert_int_equal(b->has_hop, b->address.s6_addr[12] != 203);
	}
	snapshot_free(s);
	assert_int_equal(apply_hosts("192.0.2.1"), BIT(1) | BIT(2));
}

static char *many(unsigned int services, unsigned int backends)
{
	char *text = NULL;
	size_t size;
	FILE *yaml = open_memstream(&text, &size);

	fputs(HEAD_OF("[front, back]", "1024", "16384"), yaml);
	for (unsigned int i = 0; i < services; i++) {
		fprintf(yaml,
			"  - {name: s%u, vip: 192.0.2.%u, port: 80, protocol: tcp, table_size: "
			"65537, pools: "
			"[{name: p, backends: [",
			i, i + 1);
		for (unsigned int j = i; j < backends; j += services)
			fprintf(yaml, "{address: 10.1.0.%u, port: %u}, ", 1 + j % 100, 1000 + j);
		fputs("]}]}\n", yaml);
	}
	fclose(yaml);
	return text;
}

static void test_more_than_there_is_room_for(void **state)
{
	static const unsigned int sizes[][2] = {{33, 33}, {2, 513}, {32, 32}, {2, 509}};

	(void)state;
	lab_apply(WEB("", POOLS_AS_THEY_ARE));
	for (size_t i = 0; i < 4; i++) {
		char *yaml = many(sizes[i][0], sizes[i][1]);

		/* With `web` still there until the end, the last but one does not fit in either. */
		if (i < 3)
			apply_expect_refusal(yaml, -ENOSPC);
		else
			assert_int_equal(lab_apply_yaml(yaml, false), 0);
		free(yaml);
	}
}

static int foreign_program(void)
{
	struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return bpf_prog_load(BPF_PROG_TYPE_XDP, "foreign", "GPL", pass, 2, NULL);
}

static uint32_t program_on(const char *nic)
{
	struct rtnl *rtnl = NULL;
	struct rtnl_link link;

	assert_int_equal(rtnl_open(&rtnl), 0);
	assert_int_equal(rtnl_link_by_name(rtnl, nic, &link), 0);
	rtnl_close(rtnl);
	return link.xdp_prog_id;
}

/* But for what the kernel itself puts into every new one. */
static bool is_bpffs_empty(void)
{
	DIR *d = opendir("/sys/fs/bpf");
	struct dirent *entry;
	bool is_empty = true;

	assert_non_null(d);
	while ((entry = readdir(d)))
		is_empty &= entry->d_name[0] == '.' || strstr(entry->d_name, ".debug");
	closedir(d);
	return is_empty;
}

static void expect_nothing_left(void)
{
	assert_int_equal(dataplane_probe(LAB_DIR), -ENOENT);
	assert_true(is_bpffs_empty());
	/* The kernel lets go of a link that is only unpinned a little later. */
	for (int i = 0; i < 2000 && (program_on("front") || program_on("back")); i++)
		poll(NULL, 0, 1);
	assert_int_equal(program_on("front"), 0);
	assert_int_equal(program_on("back"), 0);
}

static void test_a_nic_of_another_program_is_let_alone(void **state)
{
	int program = foreign_program(), spare = (int)if_nametoindex("front-far");
	uint32_t held;

	(void)state;
	assert_true(program >= 0);
	assert_int_equal(bpf_xdp_attach(spare, program, XDP_FLAGS_DRV_MODE, NULL), 0);
	held = program_on("front-far");
	assert_true(held > 0);
	apply_expect_refusal(WEB_ON("[front, back, front-far]"), -EBUSY);
	assert_non_null(strstr(lab_errors, "foreign"));
	lab_detach();
	assert_int_equal(lab_apply_yaml(WEB_ON("[front, back, front-far]"), false), -EBUSY);
	expect_nothing_left();
	assert_int_equal(program_on("front-far"), held);
	assert_int_equal(bpf_xdp_detach(spare, XDP_FLAGS_DRV_MODE, NULL), 0);
	close(program);
}

/* The loopback has no native XDP: found out only while attaching, after the others. */
static void test_a_nic_that_refuses(void **state)
{
	(void)state;
	apply_expect_refusal(WEB_ON("[front, back, lo]"), -EOPNOTSUPP);
	apply_expect_settled(first);
	lab_detach();
	assert_int_equal(lab_apply_yaml(WEB_ON("[front, back, lo]"), false), -EOPNOTSUPP);
	expect_nothing_left();
}

/* ---- dry runs, and the end ---- */

static void test_dry_runs_leave_nothing(void **state)
{
	(void)state;
	assert_int_equal(lab_apply_yaml(first, true), 0);
	assert_non_null(strstr(lab_changes, "+ service web 192.0.2.1:80/tcp\n"));
	expect_nothing_left();
	assert_int_equal(lab_apply_yaml(WEB_ON("[nowhere]"), true), -ENODEV);
	expect_nothing_left();
	assert_int_equal(lab_apply_yaml(WEB_ON("[nowhere]"), false), -ENODEV);
	expect_nothing_left();
}

static void test_detaching(void **state)
{
	FILE *changes = fmemopen(lab_changes, sizeof(lab_changes), "w");
	char *before = lab_status();

	(void)state;
	assert_int_equal(dataplane_detach(LAB_DIR, &lab_author, true, changes), 0);
	fclose(changes);
	assert_non_null(strstr(lab_changes, "- interface front\n"));
	assert_non_null(strstr(lab_changes, "- interface back\n"));
	lab_expect_status(before);
	assert_true(program_on("front") && program_on("front") == program_on("back"));
	lab_detach();
	expect_nothing_left();
}

/* When detach returns, the NICs are free: whoever waits for that may go on. */
static void test_detaching_is_done_when_it_returns(void **state)
{
	for (int i = 0; i < 10; i++) {
		lab_detach();
		assert_int_equal(program_on("front"), 0);
		assert_int_equal(program_on("back"), 0);
		start(state);
	}
}

static void test_an_interface_changes_its_mode(void **state)
{
	(void)state;
	for (int i = 0; i < 6; i++) {
		struct snapshot *s;

		lab_apply(i % 2 ? first : WEB_ON("[{name: front, mode: generic}, back]"));
		s = lab_snapshot();
		assert_int_equal(s->interface_count, 2);
		for (size_t j = 0; j < 2; j++) {
			bool is_front = !strcmp(s->interfaces[j].name, "front");

			assert_true(s->interfaces[j].is_attached);
			assert_int_equal(s->interfaces[j].mode, is_front && i % 2 == 0
									? MODEL_XDP_GENERIC
									: MODEL_XDP_NATIVE);
		}
		snapshot_free(s);
	}
}

static void test_interfaces_come_and_go(void **state)
{
	(void)state;
	apply_step(WEB_ON("[front]"), "- interface back\n");
	assert_int_equal(program_on("back"), 0);
	assert_true(program_on("front") > 0);
	apply_expect_settled(WEB_ON("[front]"));
	apply_step(first, "+ interface back (native XDP)\n");
	assert_int_equal(program_on("back"), program_on("front"));
}

/* The way back to a client was by a NIC that is served no more: its replies have no next hop. */
static void test_a_nic_leaves_its_clients(void **state)
{
	struct frame f = lab_request("198.51.100.1", 1, "192.0.2.1", 80, IPPROTO_TCP), reply;
	char host[NET_ADDR_LEN];
	struct outcome out;
	struct snapshot *s;

	(void)state;
	memcpy(f.dst_mac, lab_back_mac, 6);
	lab_run_frame(lab_back, &f, &out);
	assert_int_equal(out.action, XDP_REDIRECT);
	snprintf(host, sizeof(host), "10.1.0.%u", lab_host_of(&out));
	reply = frame_reply(&f);
	reply.src = lab_addr(host);
	reply.tcp_flags = FRAME_SYN | FRAME_ACK;
	lab_run_frame(lab_front, &reply, &out);
	assert_int_equal(out.action, XDP_REDIRECT);
	lab_apply(WEB_ON("[front]"));
	lab_run_frame(lab_front, &reply, &out);
	assert_int_equal(out.action, XDP_DROP);
	s = lab_snapshot();
	assert_int_equal(s->packets[SERIN_DROP_NO_NEXT_HOP], 1);
	snapshot_free(s);
}

int main(void)
{
#define REFUSE_TEST(name) cmocka_unit_test_setup_teardown(name, start, lab_teardown)
	const struct CMUnitTest tests[] = {
		REFUSE_TEST(test_cohorts_change_only_without_a_canary),
		REFUSE_TEST(test_two_cohort_settings_change_at_once),
		REFUSE_TEST(test_unknown_nics_and_backends_out_of_reach),
		REFUSE_TEST(test_one_wrong_service_spoils_all),
		REFUSE_TEST(test_a_backend_without_a_route_waits),
		REFUSE_TEST(test_more_than_there_is_room_for),
		REFUSE_TEST(test_a_nic_of_another_program_is_let_alone),
		REFUSE_TEST(test_a_nic_that_refuses),
		cmocka_unit_test(test_dry_runs_leave_nothing),
		REFUSE_TEST(test_detaching),
		REFUSE_TEST(test_detaching_is_done_when_it_returns),
		REFUSE_TEST(test_an_interface_changes_its_mode),
		REFUSE_TEST(test_interfaces_come_and_go),
		REFUSE_TEST(test_a_nic_leaves_its_clients),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, NULL);
}
