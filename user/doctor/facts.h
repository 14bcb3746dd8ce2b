/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns what is asked of a host before it is judged. Zeroes mean that a fact could not be seen. The
 * collect functions ask and change nothing on the host but make it ask its neighbours (ARP, NDP).
 */
#pragma once

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <serin/abi.h>

#include "model/model.h"

enum fact {
	FACT_UNKNOWN,
	FACT_NO,
	FACT_YES,
};

enum doctor_capability {
	DOCTOR_CAP_BPF,
	DOCTOR_CAP_NET_ADMIN,
	DOCTOR_CAP_PERFMON,
	DOCTOR_CAP_MAX,
};

enum doctor_bpffs {
	DOCTOR_BPFFS_UNKNOWN,
	DOCTOR_BPFFS_YES,
	DOCTOR_BPFFS_MOUNTABLE, /* not mounted where the distribution has it; apply would */
	DOCTOR_BPFFS_OTHER,	/* the pins' directory is on another file system */
	DOCTOR_BPFFS_NO_PARENT, /* the directory it would be made in is not there */
};

enum doctor_pins {
	DOCTOR_PINS_UNKNOWN,
	DOCTOR_PINS_NONE,
	DOCTOR_PINS_LOADED,
	DOCTOR_PINS_OTHER, /* of another ABI version */
};

#define DOCTOR_MISSING_LEN 160

struct doctor_host {
	unsigned int kernel_major, kernel_minor;
	char release[65];
	enum fact has_btf;
	enum fact has_capability[DOCTOR_CAP_MAX]; /* this process */
	enum fact may_have[DOCTOR_CAP_MAX];	  /* the bounding set: root of here */
	enum fact has_features;
	unsigned int feature_count;		   /* asked for */
	char missing_features[DOCTOR_MISSING_LEN]; /* names of those the kernel has not */
	enum fact loads;			   /* the program, tried and taken away again */
	int load_error;				   /* FACT_NO: why */
	const char *dir;			   /* of the pins */
	enum doctor_bpffs bpffs;
	enum doctor_pins pins;
	bool has_leftovers;	  /* of an apply that was killed */
	enum fact is_own_program; /* that is loaded: of this executable */
	bool is_upgrade_unfinished;
	char made_by[32]; /* the serin that loaded it */
	bool has_jit_setting;
	unsigned int jit, jit_harden; /* net.core.bpf_jit_* */
	enum fact allows_unprivileged_bpf;
	uint64_t memory_available,
		memory_wanted; /* bytes; 0: not known, or nothing is to be loaded */
	unsigned int cpus_online, cpus_possible;
	char clocksource[32];
	enum fact is_clock_synchronised;
	enum fact has_conntrack;
	enum fact forwards4, forwards6;
	enum fact has_policy_rules;
};

struct doctor_nic {
	char name[IF_NAMESIZE];
	bool is_wanted; /* by the file or by what runs; false: only looked at */
	enum model_xdp_mode mode;
	bool exists, is_up;
	char driver[32];
	char bond[IF_NAMESIZE];	  /* it is a part of this one */
	char parent[IF_NAMESIZE]; /* it is a VLAN upon this one */
	bool has_vlans;		  /* upon it */
	uint32_t mtu;
	enum fact has_native_xdp;
	enum fact takes_frags; /* XDP for frames larger than a page */
	uint32_t xdp_prog_id;
	bool is_generic;   /* its program runs in generic mode */
	enum fact is_ours; /* its program */
	char program[64];
	uint32_t rx_queues, rx_queues_max; /* 0: not known */
	enum fact has_lro, has_gro_hw, strips_vlan_tags;
	enum fact sends_redirects, is_rp_filter_strict;
};

struct doctor_backend {
	const char *service;
	struct in6_addr address, vip;
	enum serin_forwarding forwarding;
	enum {
		DOCTOR_ROUTE_UNKNOWN,
		DOCTOR_ROUTE_NONE,
		DOCTOR_ROUTE_LOCAL,
		DOCTOR_ROUTE_FOUND,
	} route;
	int ifindex; /* by which it is reached */
	struct in6_addr next;
	char nic[IF_NAMESIZE];
	uint32_t mtu;
	bool is_nic_ours; /* or upon one that is */
	bool is_on_link;  /* without a gateway */
	enum fact has_neighbour;
};

struct doctor_facts {
	struct doctor_host host;
	struct doctor_nic *nics;
	size_t nic_count;
	struct doctor_backend *backends; /* of the file */
	size_t backend_count;
	bool returns; /* the file has services whose replies come back through this host */
};

/*
 * doctor_collect() - everything, as far as this process may see it.
 * @dir: of the pins; @m: the file's model, kept; NULL: what runs, or every NIC that is up
 * Returns 0 or -ENOMEM; doctor_facts_fini() in either case.
 */
int doctor_collect(const char *dir, const struct model *m, struct doctor_facts *out);
void doctor_facts_fini(struct doctor_facts *facts);

/* Its parts. */
void doctor_collect_host(const char *dir, const struct model *m, struct doctor_host *out);
int doctor_collect_nics(const char *dir, const struct model *m, struct doctor_facts *out);
int doctor_collect_backends(const struct model *m, struct doctor_facts *out);
