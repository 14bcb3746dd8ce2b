// SPDX-License-Identifier: GPL-2.0-or-later
/* What the kernel tells of itself: files of /proc and /sys, and trials of BPF. */
#include "doctor/facts.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "dataplane/dataplane.h"
#include "doctor/sysctl.h"
#include "lib/rtnl.h"

#define BPFFS_ROOT "/sys/fs/bpf"

static void collect_kernel(struct doctor_host *h)
{
	struct utsname name;

	if (uname(&name))
		return;
	snprintf(h->release, sizeof(h->release), "%s", name.release);
	sscanf(name.release, "%u.%u", &h->kernel_major, &h->kernel_minor);
	h->has_btf = access("/sys/kernel/btf/vmlinux", F_OK) ? FACT_NO : FACT_YES;
}

static bool read_capabilities(uint64_t *effective, uint64_t *bounding)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	int found = 0;

	while (file && fgets(line, sizeof(line), file)) {
		unsigned long long set;

		if (sscanf(line, "CapEff: %llx", &set) == 1) {
			*effective = set;
			found++;
		} else if (sscanf(line, "CapBnd: %llx", &set) == 1) {
			*bounding = set;
			found++;
		}
	}
	if (file)
		fclose(file);
	return found == 2;
}

static enum fact has_bits(uint64_t set, uint64_t bits)
{
	return set & bits ? FACT_YES : FACT_NO;
}

/* CAP_SYS_ADMIN is as good as CAP_BPF and CAP_PERFMON, to the kernel. */
static void collect_capabilities(struct doctor_host *h)
{
	static const uint64_t bits[DOCTOR_CAP_MAX] = {
		[DOCTOR_CAP_BPF] = 1ull << CAP_BPF | 1ull << CAP_SYS_ADMIN,
		[DOCTOR_CAP_NET_ADMIN] = 1ull << CAP_NET_ADMIN,
		[DOCTOR_CAP_PERFMON] = 1ull << CAP_PERFMON | 1ull << CAP_SYS_ADMIN,
	};
	uint64_t effective, bounding;

	if (!read_capabilities(&effective, &bounding))
		return;
	for (int i = 0; i < DOCTOR_CAP_MAX; i++) {
		h->has_capability[i] = has_bits(effective, bits[i]);
		h->may_have[i] = has_bits(bounding, bits[i]);
	}
}

static void collect_bpf(struct doctor_host *h)
{
	int missing, error;

	for (int i = 0; i < DOCTOR_CAP_MAX; i++)
		if (h->has_capability[i] != FACT_YES)
			return;
	missing = dataplane_missing_features(h->missing_features, sizeof(h->missing_features),
					     &h->feature_count);
	if (missing >= 0)
		h->has_features = missing ? FACT_NO : FACT_YES;
	error = dataplane_try_load();
	h->loads = error ? FACT_NO : FACT_YES;
	h->load_error = error;
}

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == (__typeof__(fs.f_type))BPF_FS_MAGIC;
}

/* Of the directory, or where it is to be made. */
static enum doctor_bpffs find_bpffs(const char *dir)
{
	char parent[PATH_MAX];
	char *slash;

	if (is_bpffs(dir))
		return DOCTOR_BPFFS_YES;
	if (!strncmp(dir, BPFFS_ROOT, strlen(BPFFS_ROOT)) && !is_bpffs(BPFFS_ROOT))
		return DOCTOR_BPFFS_MOUNTABLE;
	snprintf(parent, sizeof(parent), "%s", dir);
	slash = strrchr(parent, '/');
	if (!slash)
		snprintf(parent, sizeof(parent), ".");
	else
		slash[slash == parent] = '\0';
	if (access(dir, F_OK) && errno == EACCES)
		return DOCTOR_BPFFS_UNKNOWN;
	if (access(parent, F_OK))
		return DOCTOR_BPFFS_NO_PARENT;
	return access(dir, F_OK) && is_bpffs(parent) ? DOCTOR_BPFFS_YES : DOCTOR_BPFFS_OTHER;
}

static void collect_program(const char *dir, struct doctor_host *h)
{
	uint64_t id;

	if (dataplane_running_program(dir, &id, h->made_by))
		return;
	h->is_upgrade_unfinished = !id;
	h->is_own_program = id == dataplane_program_id() ? FACT_YES : FACT_NO;
}

/* The directory is root's alone: to others a pin there and none look the same. */
static void collect_pins(const char *dir, struct doctor_host *h)
{
	int state;

	h->dir = dir;
	h->bpffs = find_bpffs(dir);
	if (h->bpffs != DOCTOR_BPFFS_YES || (!access(dir, F_OK) && access(dir, X_OK | R_OK)) ||
	    (access(dir, F_OK) && errno != ENOENT))
		return;
	state = dataplane_probe(dir);
	h->pins = !state	     ? DOCTOR_PINS_LOADED
		  : state == -EPROTO ? DOCTOR_PINS_OTHER
				     : DOCTOR_PINS_NONE;
	h->has_leftovers = dataplane_has_leftovers(dir);
	if (h->pins == DOCTOR_PINS_LOADED)
		collect_program(dir, h);
}

static uint64_t memory_available(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	unsigned long long kb = 0;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %llu kB", &kb) == 1)
			break;
	if (file)
		fclose(file);
	return kb * 1024;
}

static void collect_memory(const struct model *m, struct doctor_host *h)
{
	struct model *standard = m ? NULL : model_new();

	h->memory_available = memory_available();
	if (h->pins != DOCTOR_PINS_LOADED && (m || standard))
		h->memory_wanted = dataplane_memory(m ? m : standard);
	model_free(standard);
}

static void collect_settings(struct doctor_host *h)
{
	unsigned int disabled;

	h->has_jit_setting = sysctl_read(&h->jit, "net/core/bpf_jit_enable");
	sysctl_read(&h->jit_harden, "net/core/bpf_jit_harden");
	if (sysctl_read(&disabled, "kernel/unprivileged_bpf_disabled"))
		h->allows_unprivileged_bpf = disabled ? FACT_NO : FACT_YES;
	h->forwards4 = sysctl_fact("net/ipv4/ip_forward");
	h->forwards6 = sysctl_fact("net/ipv6/conf/all/forwarding");
	h->has_conntrack = access("/proc/sys/net/netfilter/nf_conntrack_max", F_OK) ? FACT_NO
										    : FACT_YES;
}

static void collect_clock(struct doctor_host *h)
{
	FILE *file =
		fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "re");
	struct timex state = {};
	int result = adjtimex(&state);

	if (file) {
		if (fscanf(file, "%31s", h->clocksource) != 1)
			*h->clocksource = '\0';
		fclose(file);
	}
	if (result >= 0)
		h->is_clock_synchronised =
			result == TIME_ERROR || state.status & STA_UNSYNC ? FACT_NO : FACT_YES;
}

static void collect_rules(struct doctor_host *h)
{
	struct rtnl *rtnl = NULL;
	bool has;

	if (!rtnl_open(&rtnl) && !rtnl_has_policy_rules(rtnl, &has))
		h->has_policy_rules = has ? FACT_YES : FACT_NO;
	rtnl_close(rtnl);
}

void doctor_collect_host(const char *dir, const struct model *m, struct doctor_host *out)
{
	int possible = libbpf_num_possible_cpus();

	collect_kernel(out);
	collect_capabilities(out);
	collect_bpf(out);
	collect_pins(dir, out);
	collect_memory(m, out);
	collect_settings(out);
	collect_clock(out);
	collect_rules(out);
	out->cpus_online = (unsigned int)get_nprocs();
	out->cpus_possible = possible > 0 ? (unsigned int)possible : out->cpus_online;
}
