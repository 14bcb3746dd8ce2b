// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "doctor/facts.h"
#include "doctor/findings.h"
#include "lib/net.h"

struct lab {
	struct doctor_nic nic[2];
	struct doctor_backend backend[1];
	struct doctor_facts facts;
};

static struct in6_addr addr(const char *text)
{
	struct in6_addr a;

	assert_int_equal(net_parse_addr(text, &a), 0);
	return a;
}

/* A host on which there is nothing to mend. */
static void lab_init(struct lab *l)
{
	memset(l, 0, sizeof(*l));
	l->facts.host = (struct doctor_host){
		.kernel_major = 6,
		.kernel_minor = 1,
		.release = "6.1.0-32-amd64",
		.has_btf = FACT_YES,
		.has_features = FACT_YES,
		.feature_count = 16,
		.loads = FACT_YES,
		.dir = "/sys/fs/bpf/serin",
		.bpffs = DOCTOR_BPFFS_YES,
		.pins = DOCTOR_PINS_NONE,
		.has_jit_setting = true,
		.jit = 1,
		.allows_unprivileged_bpf = FACT_NO,
		.memory_available = 4ull << 30,
		.memory_wanted = 1ull << 27,
		.cpus_online = 4,
		.cpus_possible = 4,
		.clocksource = "tsc",
		.is_clock_synchronised = FACT_YES,
		.has_conntrack = FACT_NO,
		.forwards4 = FACT_YES,
		.forwards6 = FACT_YES,
		.has_policy_rules = FACT_NO,
	};
	for (int i = 0; i < DOCTOR_CAP_MAX; i++) {
		l->facts.host.has_capability[i] = FACT_YES;
		l->facts.host.may_have[i] = FACT_YES;
	}
	l->nic[0] = (struct doctor_nic){
		.name = "eth0",
		.is_wanted = true,
		.exists = true,
		.is_up = true,
		.driver = "ice",
		.mtu = 1500,
		.has_native_xdp = FACT_YES,
		.takes_frags = FACT_YES,
		.rx_queues = 4,
		.rx_queues_max = 8,
		.has_lro = FACT_NO,
		.has_gro_hw = FACT_NO,
		.strips_vlan_tags = FACT_YES,
		.sends_redirects = FACT_NO,
		.is_rp_filter_strict = FACT_YES,
	};
	l->backend[0] = (struct doctor_backend){
		.service = "web",
		.address = addr("10.0.0.11"),
		.vip = addr("192.0.2.10"),
		.forwarding = SERIN_FORWARDING_NAT,
		.route = DOCTOR_ROUTE_FOUND,
		.next = addr("10.0.0.11"),
		.nic = "eth0",
		.mtu = 1500,
		.is_nic_ours = true,
		.is_on_link = true,
		.has_neighbour = FACT_YES,
	};
	l->facts.nics = l->nic;
	l->facts.nic_count = 1;
	l->facts.backends = l->backend;
	l->facts.backend_count = 1;
	l->facts.returns = true;
}

static const struct doctor_finding *find(const struct doctor_report *r, const char *check)
{
	for (size_t i = 0; i < r->count; i++)
		if (!strcmp(r->list[i].check, check))
			return &r->list[i];
	return NULL;
}

/* That there is one finding of this level and no other that is as bad or worse. */
static void expect_where(struct lab *l, enum doctor_level level, const char *check,
			 const char *where, const char *remedy)
{
	struct doctor_report r = {0};
	const struct doctor_finding *f;
	size_t as_bad = 0;

	assert_int_equal(doctor_judge(&l->facts, &r), 0);
	f = find(&r, check);
	for (int i = (int)level; i < DOCTOR_LEVEL_MAX; i++)
		as_bad += r.count_of[i];
	if (!f || f->level != level || as_bad != 1)
		fail_msg("%s: is %s, %zu as bad or worse, the worst %s", check,
			 f ? doctor_level_name(f->level) : "not found", as_bad,
			 r.count ? r.list[0].check : "none");
	assert_string_equal(f->where, where);
	assert_non_null(strstr(f->remedy, remedy));
	doctor_report_fini(&r);
	lab_init(l);
}

static void expect(struct lab *l, enum doctor_level level, const char *check, const char *remedy)
{
	expect_where(l, level, check, "", remedy);
}

static void expect_nic(struct lab *l, enum doctor_level level, const char *check,
		       const char *remedy)
{
	expect_where(l, level, check, "eth0", remedy);
}

static void expect_backend(struct lab *l, enum doctor_level level, const char *check,
			   const char *remedy)
{
	char where[NET_ADDR_LEN];

	net_format_addr(&l->backend[0].address, where);
	expect_where(l, level, check, where, remedy);
}

static void nothing_is_wrong_with_a_healthy_host(void **state)
{
	struct doctor_report r = {0};
	struct lab l;

	(void)state;
	lab_init(&l);
	assert_int_equal(doctor_judge(&l.facts, &r), 0);
	for (size_t i = 0; i < r.count; i++)
		if (r.list[i].level != DOCTOR_OK)
			fail_msg("%s: %s", r.list[i].check, r.list[i].what);
	assert_true(r.count > 10);
	assert_int_equal(r.count_of[DOCTOR_OK], r.count);
	doctor_report_fini(&r);
}

static void the_kernel(void **state)
{
	struct lab l;

	(void)state;
	lab_init(&l);
	l.facts.host.kernel_major = 5;
	l.facts.host.kernel_minor = 19;
	expect(&l, DOCTOR_STOP, "kernel-version", "linux-image");
	l.facts.host.kernel_minor = 0;
	expect(&l, DOCTOR_STOP, "kernel-version", "linux-image");
	l.facts.host.has_btf = FACT_NO;
	expect(&l, DOCTOR_NOTE, "btf", "");
	l.facts.host.has_features = FACT_NO;
	expect(&l, DOCTOR_STOP, "bpf-features", "6.1");
	l.facts.host.loads = FACT_NO;
	l.facts.host.load_error = -EACCES;
	expect(&l, DOCTOR_STOP, "program-load", "SERIN_LIBBPF_LOG=1");
	l.facts.host.jit = 0;
	expect(&l, DOCTOR_SLOW, "bpf-jit", "sysctl -w net.core.bpf_jit_enable=1");
	l.facts.host.jit_harden = 2;
	expect(&l, DOCTOR_SLOW, "bpf-jit-harden", "bpf_jit_harden=1");
	l.facts.host.allows_unprivileged_bpf = FACT_YES;
	expect(&l, DOCTOR_NOTE, "unprivileged-bpf", "sysctl -w");
	snprintf(l.facts.host.clocksource, sizeof(l.facts.host.clocksource), "hpet");
	expect(&l, DOCTOR_SLOW, "clocksource", "tsc");
	l.facts.host.is_clock_synchronised = FACT_NO;
	expect(&l, DOCTOR_NOTE, "clock-sync", "chrony");
	l.facts.host.cpus_possible = 128;
	expect(&l, DOCTOR_NOTE, "cpus", "nr_cpus=4");
	l.facts.host.has_conntrack = FACT_YES;
	expect(&l, DOCTOR_NOTE, "conntrack", "");
}

static void rights_and_pins(void **state)
{
	struct lab l;

	(void)state;
	lab_init(&l);
	l.facts.host.may_have[DOCTOR_CAP_PERFMON] = FACT_NO;
	expect(&l, DOCTOR_STOP, "capabilities", "--cap-add");
	l.facts.host.has_capability[DOCTOR_CAP_BPF] = FACT_NO;
	expect(&l, DOCTOR_NOTE, "capabilities", "sudo");
	l.facts.host.bpffs = DOCTOR_BPFFS_MOUNTABLE;
	expect(&l, DOCTOR_NOTE, "bpffs", "mount -t bpf");
	l.facts.host.bpffs = DOCTOR_BPFFS_OTHER;
	expect(&l, DOCTOR_STOP, "bpffs", "mount -t bpf");
	l.facts.host.bpffs = DOCTOR_BPFFS_NO_PARENT;
	expect(&l, DOCTOR_STOP, "bpffs", "--bpffs");
	l.facts.host.pins = DOCTOR_PINS_OTHER;
	expect(&l, DOCTOR_STOP, "pins", "serin detach");
	l.facts.host.is_own_program = FACT_NO;
	expect(&l, DOCTOR_NOTE, "program-build", "serin apply");
	l.facts.host.has_leftovers = true;
	expect(&l, DOCTOR_NOTE, "pins-leftovers", "serin apply");
}

static void memory(void **state)
{
	struct lab l;

	(void)state;
	lab_init(&l);
	l.facts.host.memory_wanted = l.facts.host.memory_available + 1;
	expect(&l, DOCTOR_STOP, "memory", "limits.flows");
	l.facts.host.memory_wanted = l.facts.host.memory_available;
	expect(&l, DOCTOR_SLOW, "memory", "limits.flows");
}

/* Only who needs the kernel's ways to clients is stopped without them. */
static void forwarding(void **state)
{
	struct lab l;

	(void)state;
	lab_init(&l);
	l.facts.host.forwards4 = FACT_NO;
	expect(&l, DOCTOR_SLOW, "forwarding", "net.ipv4.ip_forward=1");
	l.facts.host.forwards6 = FACT_NO;
	expect(&l, DOCTOR_SLOW, "forwarding", "net.ipv6.conf.all.forwarding=1");
	l.facts.host.forwards4 = FACT_NO;
	l.facts.host.has_policy_rules = FACT_YES;
	expect(&l, DOCTOR_STOP, "forwarding", "net.ipv4.ip_forward=1");
	l.facts.host.forwards4 = FACT_NO;
	l.facts.returns = false;
	expect(&l, DOCTOR_NOTE, "forwarding", "net.ipv4.ip_forward=1");
	l.facts.host.has_policy_rules = FACT_YES;
	expect(&l, DOCTOR_SLOW, "policy-rules", "ip rule list");
}

static void interfaces(void **state)
{
	struct lab l;

	(void)state;
	lab_init(&l);
	l.nic[0].exists = false;
	expect_nic(&l, DOCTOR_STOP, "interface", "ip link");
	l.nic[0].is_up = false;
	expect_nic(&l, DOCTOR_STOP, "interface", "ip link set dev eth0 up");
	snprintf(l.nic[0].bond, IF_NAMESIZE, "bond0");
	expect_nic(&l, DOCTOR_STOP, "interface", "write bond0");
	snprintf(l.nic[0].parent, IF_NAMESIZE, "eth7");
	expect_nic(&l, DOCTOR_STOP, "interface", "write eth7");
	l.nic[0].xdp_prog_id = 7;
	l.nic[0].is_ours = FACT_NO;
	expect_nic(&l, DOCTOR_STOP, "xdp-foreign", "ip link set dev eth0 xdp off");
	l.nic[0].xdp_prog_id = 7;
	l.nic[0].is_ours = FACT_UNKNOWN;
	expect_nic(&l, DOCTOR_NOTE, "xdp-program", "");
	l.nic[0].has_native_xdp = FACT_NO;
	expect_nic(&l, DOCTOR_STOP, "xdp-native", "mode: generic");
	l.nic[0].has_native_xdp = FACT_UNKNOWN;
	expect_nic(&l, DOCTOR_NOTE, "xdp-native", "");
	l.nic[0].mode = MODEL_XDP_GENERIC;
	expect_nic(&l, DOCTOR_SLOW, "xdp-native", "[eth0]");
	l.nic[0].mode = MODEL_XDP_GENERIC;
	l.nic[0].has_native_xdp = FACT_NO;
	expect_nic(&l, DOCTOR_SLOW, "xdp-native", "");
}

static void offloads_and_queues(void **state)
{
	struct lab l;

	(void)state;
	lab_init(&l);
	l.nic[0].has_lro = FACT_YES;
	expect_nic(&l, DOCTOR_SLOW, "lro", "ethtool -K eth0 lro off");
	l.nic[0].has_gro_hw = FACT_YES;
	expect_nic(&l, DOCTOR_SLOW, "gro-hw", "ethtool -K eth0 rx-gro-hw off");
	l.nic[0].has_vlans = true;
	expect_nic(&l, DOCTOR_STOP, "rx-vlan", "ethtool -K eth0 rxvlan off");
	l.nic[0].mtu = 9000;
	l.nic[0].takes_frags = FACT_NO;
	expect_nic(&l, DOCTOR_STOP, "mtu-native", "mtu 1500");
	l.nic[0].rx_queues = 1;
	expect_nic(&l, DOCTOR_SLOW, "queues", "ethtool -L eth0 combined 4");
	l.nic[0].rx_queues = 1;
	l.nic[0].rx_queues_max = 2;
	expect_nic(&l, DOCTOR_SLOW, "queues", "ethtool -L eth0 combined 2");
	l.nic[0].sends_redirects = FACT_YES;
	expect_nic(&l, DOCTOR_SLOW, "send-redirects", "send_redirects=0");
	snprintf(l.nic[0].driver, sizeof(l.nic[0].driver), "veth");
	expect_nic(&l, DOCTOR_NOTE, "veth", "tx off");
	l.nic[1] = l.nic[0];
	l.nic[1].is_rp_filter_strict = FACT_NO;
	l.facts.nic_count = 2;
	expect_nic(&l, DOCTOR_NOTE, "rp-filter", "rp_filter=2");
}

static void ways_to_backends(void **state)
{
	struct lab l;

	(void)state;
	lab_init(&l);
	l.backend[0].route = DOCTOR_ROUTE_NONE;
	expect_backend(&l, DOCTOR_STOP, "backend-route", "ip route add 10.0.0.11");
	l.backend[0].route = DOCTOR_ROUTE_LOCAL;
	expect_backend(&l, DOCTOR_STOP, "backend-route", "another backend");
	l.backend[0].is_nic_ours = false;
	expect_backend(&l, DOCTOR_STOP, "backend-route", "`interfaces`");
	l.backend[0].forwarding = SERIN_FORWARDING_DSR;
	l.backend[0].is_on_link = false;
	expect_backend(&l, DOCTOR_STOP, "backend-route", "ipip");
	l.backend[0].has_neighbour = FACT_NO;
	expect_backend(&l, DOCTOR_STOP, "backend-neighbour", "ip neigh");
	l.backend[0].has_neighbour = FACT_UNKNOWN;
	expect_backend(&l, DOCTOR_NOTE, "backend-neighbour", "sudo");
}

static void expect_tunnel(struct lab *l, const char *vip, const char *backend, uint32_t mtu,
			  enum doctor_level level, const char *remedy)
{
	l->backend[0].forwarding = SERIN_FORWARDING_IPIP;
	l->backend[0].vip = addr(vip);
	l->backend[0].address = addr(backend);
	l->backend[0].mtu = mtu;
	if (level == DOCTOR_OK) {
		struct doctor_report r = {0};

		assert_int_equal(doctor_judge(&l->facts, &r), 0);
		assert_null(find(&r, "tunnel-mtu"));
		doctor_report_fini(&r);
		lab_init(l);
		return;
	}
	expect_backend(l, level, "tunnel-mtu", remedy);
}

static void tunnels_need_room(void **state)
{
	struct lab l;

	(void)state;
	lab_init(&l);
	expect_tunnel(&l, "192.0.2.10", "10.0.0.11", 1520, DOCTOR_OK, "");
	expect_tunnel(&l, "192.0.2.10", "10.0.0.11", 1519, DOCTOR_SLOW, "mtu 1520");
	expect_tunnel(&l, "2001:db8::10", "10.0.0.11", 1300, DOCTOR_SLOW, "mtu 1520");
	expect_tunnel(&l, "2001:db8::10", "10.0.0.11", 1299, DOCTOR_STOP, "mtu 1520");
	expect_tunnel(&l, "2001:db8::10", "2001:db8::11", 1319, DOCTOR_STOP, "mtu 1540");
	l.backend[0].forwarding = SERIN_FORWARDING_GUE;
	expect_backend(&l, DOCTOR_SLOW, "tunnel-mtu", "mtu 1528");
}

static void the_worst_comes_first(void **state)
{
	struct doctor_report r = {0};
	struct lab l;

	(void)state;
	lab_init(&l);
	l.facts.host.is_clock_synchronised = FACT_NO;
	l.facts.host.jit = 0;
	l.nic[0].is_up = false;
	l.backend[0].route = DOCTOR_ROUTE_NONE;
	assert_int_equal(doctor_judge(&l.facts, &r), 0);
	assert_string_equal(r.list[0].check, "interface");
	assert_string_equal(r.list[1].check, "backend-route");
	assert_string_equal(r.list[2].check, "bpf-jit");
	assert_string_equal(r.list[3].check, "clock-sync");
	for (size_t i = 4; i < r.count; i++)
		assert_int_equal(r.list[i].level, DOCTOR_OK);
	doctor_report_fini(&r);
}

/* A host that tells nothing of itself is not said to be ill. */
static void what_is_unknown_is_no_fault(void **state)
{
	struct doctor_facts facts = {.host = {.kernel_major = 6, .kernel_minor = 1}};
	struct doctor_report r = {0};

	(void)state;
	assert_int_equal(doctor_judge(&facts, &r), 0);
	assert_int_equal(r.count_of[DOCTOR_STOP] + r.count_of[DOCTOR_SLOW], 0);
	doctor_report_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_wrong_with_a_healthy_host),
		cmocka_unit_test(the_kernel),
		cmocka_unit_test(rights_and_pins),
		cmocka_unit_test(memory),
		cmocka_unit_test(forwarding),
		cmocka_unit_test(interfaces),
		cmocka_unit_test(offloads_and_queues),
		cmocka_unit_test(ways_to_backends),
		cmocka_unit_test(tunnels_need_room),
		cmocka_unit_test(the_worst_comes_first),
		cmocka_unit_test(what_is_unknown_is_no_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
