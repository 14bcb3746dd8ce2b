// SPDX-License-Identifier: GPL-2.0-or-later
/* What is to be said of the kernel, its settings, memory and clock. */
#include "doctor/findings.h"

#include <errno.h>
#include <string.h>

#include "doctor/facts.h"

#define KERNEL_MAJOR 6
#define KERNEL_MINOR 1
#define MB	     (1024 * 1024)

static const char *const capability_names[] = {"CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"};
_Static_assert(sizeof(capability_names) / sizeof(*capability_names) == DOCTOR_CAP_MAX, "each");

static void judge_kernel(const struct doctor_host *h, struct doctor_report *r)
{
	bool is_new = h->kernel_major > KERNEL_MAJOR ||
		      (h->kernel_major == KERNEL_MAJOR && h->kernel_minor >= KERNEL_MINOR);
	struct doctor_finding *f;

	f = doctor_find(r, is_new ? DOCTOR_OK : DOCTOR_STOP, "kernel-version", "",
			is_new ? "the kernel is new enough"
			       : "the kernel is older than "
				 "6.1, whose BPF Serin needs");
	doctor_found(f, "Linux %s", h->release);
	if (!is_new)
		doctor_remedy(f, "apt-get install linux-image-amd64 (Debian 12 or later), reboot");
	if (h->has_btf == FACT_NO)
		doctor_find(r, DOCTOR_NOTE, "btf", "",
			    "the kernel has no BTF: bpftool tells less of what runs");
}

static void judge_features(const struct doctor_host *h, struct doctor_report *r)
{
	struct doctor_finding *f;

	if (h->has_features == FACT_UNKNOWN)
		return;
	if (h->has_features == FACT_YES) {
		f = doctor_find(r, DOCTOR_OK, "bpf-features", "",
				"the kernel has every kind of program, map and helper needed");
		doctor_found(f, "%u of %u", h->feature_count, h->feature_count);
		return;
	}
	f = doctor_find(r, DOCTOR_STOP, "bpf-features", "",
			"the kernel lacks kinds of BPF programs, maps or helpers");
	doctor_found(f, "%s", h->missing_features);
	doctor_remedy(f, "run a distribution's kernel, 6.1 or later, with CONFIG_BPF_SYSCALL=y");
}

static void judge_load(const struct doctor_host *h, struct doctor_report *r)
{
	struct doctor_finding *f;

	if (h->loads == FACT_YES)
		doctor_find(r, DOCTOR_OK, "program-load", "",
			    "the kernel takes the program (tried, and taken away again)");
	if (h->loads != FACT_NO)
		return;
	f = doctor_find(r, DOCTOR_STOP, "program-load", "", "the kernel refuses the program");
	doctor_found(f, "%s", strerror(-h->load_error));
	doctor_remedy(f, h->load_error == -ENOMEM
				 ? "free memory"
				 : "SERIN_LIBBPF_LOG=1 serin doctor shows the kernel's reasons");
}

static void judge_capabilities(const struct doctor_host *h, struct doctor_report *r)
{
	struct doctor_finding *f;
	unsigned int missing = 0;

	for (int i = 0; i < DOCTOR_CAP_MAX; i++) {
		if (h->may_have[i] == FACT_NO) {
			f = doctor_find(r, DOCTOR_STOP, "capabilities", "",
					"nobody here can have %s", capability_names[i]);
			doctor_remedy(f, "run on the host itself, or give the container that "
					 "capability (docker: --cap-add)");
		}
		missing += h->has_capability[i] == FACT_NO;
	}
	if (!missing) {
		f = doctor_find(r, DOCTOR_OK, "capabilities", "", "all that is needed is given");
		doctor_found(f, "CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON");
		return;
	}
	f = doctor_find(r, DOCTOR_NOTE, "capabilities", "",
			"not run as root: the program was not tried, and what is loaded, BPF "
			"features and neighbours may not have been seen");
	doctor_found(f, "%u of %u are missing", missing, (unsigned int)DOCTOR_CAP_MAX);
	doctor_remedy(f, "sudo serin doctor");
}

static void judge_bpffs(const struct doctor_host *h, struct doctor_report *r)
{
	struct doctor_finding *f;

	switch (h->bpffs) {
	case DOCTOR_BPFFS_UNKNOWN:
		return;
	case DOCTOR_BPFFS_YES:
		f = doctor_find(r, DOCTOR_OK, "bpffs", "", "pins have a BPF file system");
		break;
	case DOCTOR_BPFFS_MOUNTABLE:
		f = doctor_find(r, DOCTOR_NOTE, "bpffs", "",
				"no BPF file system is mounted; `serin apply` as root mounts it");
		doctor_remedy(f, "mount -t bpf bpf /sys/fs/bpf");
		break;
	case DOCTOR_BPFFS_OTHER:
		f = doctor_find(r, DOCTOR_STOP, "bpffs", "",
				"the directory for pins is not on a BPF file system");
		doctor_remedy(f, "mount -t bpf bpf /sys/fs/bpf, and leave --bpffs out");
		break;
	case DOCTOR_BPFFS_NO_PARENT:
	default:
		f = doctor_find(
			r, DOCTOR_STOP, "bpffs", "",
			"the directory for pins cannot be made: what it would be in is not there");
		doctor_remedy(f, "leave --bpffs out, or name a directory on a BPF file system");
		break;
	}
	doctor_found(f, "%s", h->dir);
}

static void judge_program(const struct doctor_host *h, struct doctor_report *r)
{
	struct doctor_finding *f;

	if (h->is_own_program == FACT_YES) {
		f = doctor_find(r, DOCTOR_OK, "program-build", "", "this serin's program runs");
		doctor_found(f, "serin %s", h->made_by);
	}
	if (h->is_own_program != FACT_NO)
		return;
	f = doctor_find(r, DOCTOR_NOTE, "program-build", "",
			h->is_upgrade_unfinished
				? "an upgrade of the program was killed before it was done"
				: "the program that runs is of another build than this serin");
	doctor_found(f, "serin %s", h->made_by);
	doctor_remedy(f, "serin apply FILE");
}

static void judge_pins(const struct doctor_host *h, struct doctor_report *r)
{
	struct doctor_finding *f;

	if (h->pins == DOCTOR_PINS_NONE)
		doctor_find(r, DOCTOR_OK, "pins", "", "nothing is loaded yet");
	if (h->pins == DOCTOR_PINS_LOADED) {
		f = doctor_find(r, DOCTOR_OK, "pins", "", "a data plane of this version is loaded");
		doctor_found(f, "ABI %u", SERIN_ABI_VERSION);
	}
	if (h->pins == DOCTOR_PINS_OTHER) {
		f = doctor_find(r, DOCTOR_STOP, "pins", "",
				"another version's data plane is loaded; this one speaks ABI %u",
				SERIN_ABI_VERSION);
		doctor_found(f, "%s", h->dir);
		doctor_remedy(f,
			      "serin detach, with the serin that loaded it; then serin apply FILE");
	}
	if (h->has_leftovers) {
		f = doctor_find(r, DOCTOR_NOTE, "pins-leftovers", "",
				"an apply was killed before it was done; the next one finishes");
		doctor_remedy(f, "serin apply FILE");
	}
}

static void judge_jit(const struct doctor_host *h, struct doctor_report *r)
{
	struct doctor_finding *f;

	if (!h->has_jit_setting)
		return;
	f = doctor_find(r, h->jit == 1 ? DOCTOR_OK : DOCTOR_SLOW, "bpf-jit", "",
			h->jit == 1   ? "BPF programs are compiled"
			: h->jit == 0 ? "BPF programs are interpreted, at a tenth of the speed"
				      : "compiled BPF programs are printed, for debugging");
	doctor_found(f, "net.core.bpf_jit_enable=%u", h->jit);
	if (h->jit != 1)
		doctor_remedy(f, "sysctl -w net.core.bpf_jit_enable=1");
	if (h->jit_harden < 2)
		return;
	f = doctor_find(r, DOCTOR_SLOW, "bpf-jit-harden", "",
			"constants of all BPF programs are blinded, root's too");
	doctor_found(f, "net.core.bpf_jit_harden=%u", h->jit_harden);
	doctor_remedy(f, "sysctl -w net.core.bpf_jit_harden=1, then load anew");
}

static void judge_memory(const struct doctor_host *h, struct doctor_report *r)
{
	enum doctor_level level = DOCTOR_OK;
	struct doctor_finding *f;

	if (!h->memory_available || !h->memory_wanted)
		return;
	if (h->memory_wanted > h->memory_available)
		level = DOCTOR_STOP;
	else if (h->memory_wanted > h->memory_available / 4 * 3)
		level = DOCTOR_SLOW;
	f = doctor_find(r, level, "memory", "",
			level == DOCTOR_STOP ? "there is not memory enough for the maps"
			: level == DOCTOR_SLOW
				? "the maps would take most of the memory that is free"
				: "there is memory enough for the maps");
	doctor_found(f, "%llu MB of %llu MB available", (unsigned long long)(h->memory_wanted / MB),
		     (unsigned long long)(h->memory_available / MB));
	if (level != DOCTOR_OK)
		doctor_remedy(f, "lower limits.flows, limits.services or limits.backends");
}

static void judge_cpus(const struct doctor_host *h, struct doctor_report *r)
{
	struct doctor_finding *f;

	if (h->cpus_possible < 2 * h->cpus_online || h->cpus_online == 0)
		return;
	f = doctor_find(r, DOCTOR_NOTE, "cpus", "",
			"counters take memory for every CPU that could be added");
	doctor_found(f, "%u of %u possible CPUs are there", h->cpus_online, h->cpus_possible);
	doctor_remedy(f, "boot with nr_cpus=%u if no more will come", h->cpus_online);
}

static bool is_slow_clock(const char *name)
{
	return !strcmp(name, "hpet") || !strcmp(name, "acpi_pm") || !strcmp(name, "jiffies") ||
	       !strcmp(name, "refined-jiffies") || !strcmp(name, "xen");
}

static void judge_clock(const struct doctor_host *h, struct doctor_report *r)
{
	bool is_slow = is_slow_clock(h->clocksource);
	struct doctor_finding *f;

	if (*h->clocksource) {
		f = doctor_find(r, is_slow ? DOCTOR_SLOW : DOCTOR_OK, "clocksource", "",
				is_slow ? "reading the clock takes microseconds"
					: "reading the clock is cheap");
		doctor_found(f, "%s", h->clocksource);
		if (is_slow)
			doctor_remedy(f, "echo tsc > /sys/devices/system/clocksource/clocksource0/"
					 "current_clocksource (dmesg tells why not)");
	}
	if (h->is_clock_synchronised == FACT_YES)
		doctor_find(r, DOCTOR_OK, "clock-sync", "", "the clock is synchronised");
	if (h->is_clock_synchronised == FACT_NO) {
		f = doctor_find(r, DOCTOR_NOTE, "clock-sync", "",
				"nothing says that the clock is synchronised: times of events and "
				"logs may not fit those of other hosts");
		doctor_remedy(f, "apt-get install chrony");
	}
}

static void judge_forwarding(const struct doctor_facts *facts, struct doctor_report *r)
{
	const struct doctor_host *h = &facts->host;
	bool asks = h->has_policy_rules == FACT_YES;
	struct doctor_finding *f;

	if (asks && facts->returns) {
		f = doctor_find(
			r, DOCTOR_SLOW, "policy-rules", "",
			"with policy rules, ways to clients cannot be kept ready: the kernel is "
			"asked for each reply to a client not seen on the link");
		doctor_remedy(f, "ip rule list; take away what is not needed");
	}
	if (h->forwards4 != FACT_NO && h->forwards6 != FACT_NO) {
		if (h->forwards4 == FACT_YES)
			doctor_find(r, DOCTOR_OK, "forwarding", "", "the kernel forwards");
		return;
	}
	f = doctor_find(r,
			!facts->returns ? DOCTOR_NOTE
			: asks		? DOCTOR_STOP
					: DOCTOR_SLOW,
			"forwarding", "",
			"the kernel does not forward: it tells no way to a client whose gateway "
			"Serin does not know, so that replies to it are dropped");
	doctor_found(f, "%s=0",
		     h->forwards4 == FACT_NO ? "net.ipv4.ip_forward"
					     : "net.ipv6.conf.all.forwarding");
	doctor_remedy(f, "sysctl -w %s%s", h->forwards4 == FACT_NO ? "net.ipv4.ip_forward=1 " : "",
		      h->forwards6 == FACT_NO ? "net.ipv6.conf.all.forwarding=1" : "");
}

static void judge_company(const struct doctor_host *h, struct doctor_report *r)
{
	struct doctor_finding *f;

	if (h->has_conntrack == FACT_YES)
		doctor_find(r, DOCTOR_NOTE, "conntrack", "",
			    "connection tracking is loaded; what Serin forwards never comes to it, "
			    "so that its table and rules do not see it");
	if (h->allows_unprivileged_bpf == FACT_YES) {
		f = doctor_find(
			r, DOCTOR_NOTE, "unprivileged-bpf", "",
			"anybody on this host may load BPF programs; Serin does not need that");
		doctor_found(f, "kernel.unprivileged_bpf_disabled=0");
		doctor_remedy(f, "sysctl -w kernel.unprivileged_bpf_disabled=1");
	}
}

void doctor_judge_host(const struct doctor_facts *facts, struct doctor_report *out)
{
	const struct doctor_host *h = &facts->host;

	judge_kernel(h, out);
	judge_features(h, out);
	judge_load(h, out);
	judge_capabilities(h, out);
	judge_bpffs(h, out);
	judge_pins(h, out);
	judge_program(h, out);
	judge_memory(h, out);
	judge_jit(h, out);
	judge_clock(h, out);
	judge_cpus(h, out);
	judge_forwarding(facts, out);
	judge_company(h, out);
}
