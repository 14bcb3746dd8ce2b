// SPDX-License-Identifier: GPL-2.0-or-later
/* What is to be said of one interface. */
#include "doctor/findings.h"

#include <string.h>

#include "doctor/facts.h"

#define FRAME_MAX_WITHOUT_FRAGS \
	3498 /* an MTU that leaves room in a page beside headers; drivers differ */

/* What would stop an attachment, whatever the driver. Returns whether there is such a thing. */
static bool judge_kind(const struct doctor_nic *n, struct doctor_report *r)
{
	struct doctor_finding *f;

	if (!n->exists) {
		f = doctor_find(r, DOCTOR_STOP, "interface", n->name, "there is none of that name");
		doctor_remedy(f, "ip link lists those there are");
		return true;
	}
	if (*n->bond && n->is_wanted) {
		f = doctor_find(r, DOCTOR_STOP, "interface", n->name,
				"is a part of a bond, by which its frames leave and come in");
		doctor_found(f, "%s", n->bond);
		doctor_remedy(f, "write %s in `interfaces` instead", n->bond);
		return true;
	}
	if (*n->parent && n->is_wanted && n->mode == MODEL_XDP_NATIVE) {
		f = doctor_find(r, DOCTOR_STOP, "interface", n->name,
				"is a VLAN, and the kernel has no native XDP on VLANs");
		doctor_found(f, "upon %s", n->parent);
		doctor_remedy(f, "write %s in `interfaces` instead", n->parent);
		return true;
	}
	if (n->is_up)
		return false;
	f = doctor_find(r, n->is_wanted ? DOCTOR_STOP : DOCTOR_NOTE, "interface", n->name,
			"is down");
	doctor_remedy(f, "ip link set dev %s up", n->name);
	return false;
}

static void judge_program(const struct doctor_nic *n, struct doctor_report *r)
{
	struct doctor_finding *f;

	if (!n->xdp_prog_id)
		return;
	if (n->is_ours == FACT_YES) {
		f = doctor_find(r, DOCTOR_OK, "xdp-program", n->name, "Serin is attached");
		doctor_found(f, "%s", n->is_generic ? "generic" : "native");
		return;
	}
	if (n->is_ours == FACT_UNKNOWN) {
		f = doctor_find(r, DOCTOR_NOTE, "xdp-program", n->name,
				"an XDP program is attached; whose, only root can see");
		doctor_found(f, "%s", n->program);
		return;
	}
	f = doctor_find(r, n->is_wanted ? DOCTOR_STOP : DOCTOR_NOTE, "xdp-foreign", n->name,
			"another XDP program is attached, and a NIC has room for one");
	doctor_found(f, "%s", n->program);
	doctor_remedy(f, "if it is not needed: ip link set dev %s xdp off", n->name);
}

static void judge_native(const struct doctor_nic *n, struct doctor_report *r)
{
	struct doctor_finding *f;

	if (n->has_native_xdp == FACT_UNKNOWN) {
		f = doctor_find(r, DOCTOR_NOTE, "xdp-native", n->name,
				"whether the driver has native XDP shows when `apply` attaches");
	} else if (n->has_native_xdp == FACT_YES &&
		   (n->mode == MODEL_XDP_GENERIC || n->is_generic)) {
		f = doctor_find(r, DOCTOR_SLOW, "xdp-native", n->name,
				"generic mode, though the driver has native XDP");
		doctor_remedy(f, "write `interfaces: [%s]`, apply", n->name);
	} else if (n->has_native_xdp == FACT_YES) {
		f = doctor_find(r, DOCTOR_OK, "xdp-native", n->name, "the driver has native XDP");
	} else if (n->mode == MODEL_XDP_GENERIC) {
		f = doctor_find(
			r, DOCTOR_SLOW, "xdp-native", n->name,
			"the driver has no native XDP; generic mode costs several times as much");
	} else {
		f = doctor_find(r, n->is_wanted ? DOCTOR_STOP : DOCTOR_NOTE, "xdp-native", n->name,
				"the driver has no native XDP, as the device is set up now");
		doctor_remedy(f,
			      "write {name: %s, mode: generic}; veth: at least as many rx queues "
			      "as the far end has tx queues (ethtool -L)",
			      n->name);
	}
	doctor_found(f, "driver %s", *n->driver ? n->driver : "unknown");
}

static bool is_native(const struct doctor_nic *n)
{
	return n->mode == MODEL_XDP_NATIVE && n->has_native_xdp != FACT_NO;
}

static void judge_offloads(const struct doctor_nic *n, struct doctor_report *r)
{
	struct doctor_finding *f;

	if (n->has_lro == FACT_YES) {
		f = doctor_find(
			r, DOCTOR_SLOW, "lro", n->name,
			"large receive offload is on: drivers refuse XDP with it, or hand it "
			"packets larger than the MTU");
		doctor_remedy(f, "ethtool -K %s lro off", n->name);
	}
	if (n->has_gro_hw == FACT_YES) {
		f = doctor_find(r, DOCTOR_SLOW, "gro-hw", n->name,
				"the NIC joins packets (rx-gro-hw): drivers refuse XDP with it, or "
				"hand it packets larger than the MTU");
		doctor_remedy(f, "ethtool -K %s rx-gro-hw off", n->name);
	}
	if (n->strips_vlan_tags == FACT_YES && n->has_vlans) {
		f = doctor_find(
			r, DOCTOR_STOP, "rx-vlan", n->name,
			"takes VLAN tags off frames, so that XDP does not see of which VLAN "
			"they are, and VLANs are upon it");
		doctor_remedy(f, "ethtool -K %s rxvlan off", n->name);
	}
	if (n->mtu > FRAME_MAX_WITHOUT_FRAGS && n->takes_frags == FACT_NO && is_native(n)) {
		f = doctor_find(r, DOCTOR_STOP, "mtu-native", n->name,
				"the driver takes no frames larger than a page with XDP");
		doctor_found(f, "mtu %u", n->mtu);
		doctor_remedy(f, "ip link set dev %s mtu 1500", n->name);
	}
	if (!strcmp(n->driver, "veth")) {
		f = doctor_find(
			r, DOCTOR_NOTE, "veth", n->name,
			"a virtual NIC: senders behind it must finish checksums themselves, "
			"and the far end needs an XDP program to get what leaves");
		doctor_remedy(f, "ethtool -K IF tx off, at the far ends");
	}
}

static void judge_queues(const struct doctor_facts *facts, const struct doctor_nic *n,
			 struct doctor_report *r)
{
	uint32_t cpus = facts->host.cpus_online;
	bool is_virtual = !strcmp(n->driver, "veth") || !strcmp(n->driver, "tun");
	struct doctor_finding *f;

	if (!n->rx_queues || !cpus)
		return;
	if (n->rx_queues >= cpus) {
		f = doctor_find(r, DOCTOR_OK, "queues", n->name, "every CPU can take packets");
		doctor_found(f, "%u queues, %u CPUs", n->rx_queues, cpus);
		return;
	}
	f = doctor_find(r, is_virtual ? DOCTOR_NOTE : DOCTOR_SLOW, "queues", n->name,
			"fewer receive queues than CPUs: XDP runs on the CPUs that have one");
	doctor_found(f, "%u queues, %u CPUs", n->rx_queues, cpus);
	if (n->rx_queues_max > n->rx_queues)
		doctor_remedy(f, "ethtool -L %s combined %u", n->name,
			      n->rx_queues_max < cpus ? n->rx_queues_max : cpus);
}

static void judge_sysctls(const struct doctor_facts *facts, const struct doctor_nic *n,
			  struct doctor_report *r)
{
	struct doctor_finding *f;

	if (n->sends_redirects == FACT_YES && facts->host.forwards4 == FACT_YES) {
		f = doctor_find(r, DOCTOR_SLOW, "send-redirects", n->name,
				"the kernel may teach backends a way past Serin by ICMP redirects");
		doctor_remedy(f,
			      "sysctl -w net.ipv4.conf.all.send_redirects=0 "
			      "net.ipv4.conf.%s.send_redirects=0",
			      n->name);
	}
	if (n->is_rp_filter_strict == FACT_YES && facts->nic_count > 1) {
		f = doctor_find(r, DOCTOR_NOTE, "rp-filter", n->name,
				"what Serin passes to the host is dropped where the way back is by "
				"another interface (strict rp_filter); what it forwards is not");
		doctor_remedy(f, "sysctl -w net.ipv4.conf.all.rp_filter=2");
	}
}

void doctor_judge_nic(const struct doctor_facts *facts, const struct doctor_nic *nic,
		      struct doctor_report *out)
{
	if (judge_kind(nic, out))
		return;
	judge_program(nic, out);
	judge_native(nic, out);
	judge_offloads(nic, out);
	judge_queues(facts, nic, out);
	judge_sysctls(facts, nic, out);
}
