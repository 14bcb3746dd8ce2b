/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns what runs, as seen by status, metrics and people: one copy of it, taken at one instant. A part of
 * dataplane.h, which is what to include.
 */
#pragma once

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include <serin/abi.h>
#include <serin/guard.h>
#include <serin/info.h>
#include <serin/signals.h>

#include "model/model.h"

struct dataplane;

struct snapshot_counters {
	uint64_t packets_in, bytes_in, packets_out, bytes_out, flows, fallbacks;
	uint64_t epoch_flows; /* new flows since the service's last shift */
	struct serin_signals signals;
};

struct snapshot_backend {
	struct in6_addr address;
	uint16_t port;
	uint32_t weight;
	uint32_t id;
	enum serin_backend_state state;
	bool is_unhealthy; /* its checks fail */
	bool is_ejected;   /* its flows do */
	bool has_hop;	   /* false: its next hop is not resolved, it takes no new flow */
	struct snapshot_counters counters;
	struct serin_histograms *latencies;
};

struct snapshot_guard {
	uint32_t budget; /* 0: there is none */
	enum serin_breaker_state state;
	uint64_t trips;
	uint64_t moved;		   /* new flows it sent to the primary */
	uint32_t failover;	   /* which SYN sent again goes to the primary; 0: none */
	uint64_t failed_over;	   /* flows moved by that */
	uint32_t flows;		   /* at once, at most; 0: no cap */
	uint32_t flows_per_second; /* new ones at most; 0: no cap */
	uint64_t capped;	   /* flows moved by either */
};

struct snapshot_pool {
	char name[SERIN_NAME_LEN];
	struct snapshot_guard guard;
	uint32_t slot;		 /* the pool's number in the maps */
	uint32_t weight_ppm;	 /* live; of the primary too */
	uint32_t configured_ppm; /* the file's; 0 for its primary */
	uint8_t sample_shift;	 /* one flow in 2^this is sampled */
	struct snapshot_counters counters;
	struct serin_histograms *latencies;
	struct snapshot_backend *backends;
	size_t backend_count;
};

/* fullnat: the ports of all sources. */
struct snapshot_ports {
	uint64_t capacity; /* 0: not fullnat */
	uint64_t used;	   /* by living flows */
	bool has_used;	   /* false: telling takes CAP_SYS_ADMIN */
	uint64_t bytes;	   /* memory of their table */
	uint64_t taken;	   /* given to flows so far */
	uint64_t evicted;  /* taken from living ones, none of them proved */
	uint64_t refused;  /* flows that found none */
	uint64_t untold;   /* packets that had no room for the client's address */
};

struct snapshot_service {
	char name[SERIN_NAME_LEN];
	uint32_t id;
	struct in6_addr vip;
	uint16_t port;
	uint8_t protocol;
	enum serin_forwarding forwarding;
	struct model_source sources[MODEL_SOURCES_MAX]; /* where packets to backends come from */
	size_t source_count;				/* 0 where they keep the clients' own */
	uint16_t gue_port;				/* 0: not gue */
	struct snapshot_ports ports;
	enum serin_affinity affinity;
	uint8_t client_prefix6;
	uint8_t client_prefix4;
	uint32_t target_count; /* rules for source prefixes */
	/* Rules for DSCP values: 1 + the slot of a pool; 0: none. */
	uint8_t dscp_pool[SERIN_DSCP_VALUES];
	uint64_t seed;
	uint64_t file_seed; /* of the file last applied */
	uint32_t table_size;
	uint32_t epoch;
	bool is_settled;	     /* no choice has changed that a living flow could remember */
	bool is_tracked;	     /* every flow is remembered */
	size_t primary;		     /* index into pools */
	size_t file_primary;	     /* likewise: that of the file */
	struct snapshot_pool *pools; /* in the order of the file */
	size_t pool_count;
	struct serin_change last; /* who shifted, drained or applied last */
};

struct snapshot_interface {
	char name[IF_NAMESIZE];
	uint32_t ifindex;
	enum model_xdp_mode mode;
	bool is_attached;
};

/* How full a map is whose size one of the limits sets. */
struct usage_view {
	const char *map;
	const char *limit; /* "limits.flows" */
	uint64_t used;	   /* of flow tables an estimate */
	uint64_t capacity;
};

enum usage_map {
	USAGE_SERVICES,
	USAGE_BACKENDS,
	USAGE_TARGETS,
	USAGE_FLOWS4,
	USAGE_FLOWS6,
	USAGE_MAX,
};

struct snapshot {
	struct usage_view usage[USAGE_MAX];
	struct snapshot_interface *interfaces;
	size_t interface_count;
	struct snapshot_service *services;
	size_t service_count;
	uint64_t packets[SERIN_REASON_MAX]; /* by enum serin_reason, all CPUs */
	uint64_t flow_entries;
	uint64_t flow_capacity;		   /* places for each family: twice limits.flows or more */
	uint64_t flow_bytes4, flow_bytes6; /* memory of the two tables */
	uint64_t flows_inserted;
	uint64_t flows_unremembered;		      /* no place, or beyond the rate */
	uint64_t flows_evicted[SERIN_FLOW_STATE_MAX]; /* living ones that gave way */
	char made_by[32];
	uint64_t program_id; /* see dataplane_program_id(); 0: an upgrade was not finished */
};

/*
 * dataplane_sweep() - counts what time alone ends: handshakes and datagrams that were not answered in
 * time. Whoever reads the counters has them swept first; an agent does so now and then.
 * Returns 0 or -errno, and says nothing.
 */
int dataplane_sweep(const char *dir);

/* @pool: its number in the maps; @flows: so far; one in 2^shift is sampled. Returns the next shift. */
typedef uint8_t sample_judge(uint32_t pool, uint64_t flows, uint8_t shift, void *arg);

/* dataplane_set_samples() - asks of each pool how many of its flows to sample from now on. */
int dataplane_set_samples(struct dataplane *dp, sample_judge *judge, void *arg);

/* 0 or -errno. */
int dataplane_usage(struct dataplane *dp, struct usage_view out[USAGE_MAX]);

/* What is counted of a service's pools is of one instant: two of them can be compared. */
int dataplane_snapshot(struct dataplane *dp, struct snapshot **out);
/* The same, but living flows are an estimate: to count those of a large table takes a tenth of a second. */
int dataplane_glance(struct dataplane *dp, struct snapshot **out);
void snapshot_free(struct snapshot *s);
const struct snapshot_service *snapshot_find_service(const struct snapshot *s, const char *name);

/* "up", "draining", "leaving"; of what is neither draining nor leaving, "down" where it fails, and
 * "unresolved" where the next hop is not known. */
const char *snapshot_backend_state_name(const struct snapshot_backend *b);
/* "up", "down" by its checks, or "ejected", whatever its state. */
const char *snapshot_backend_health_name(const struct snapshot_backend *b);
bool snapshot_backend_takes_flows(const struct snapshot_backend *b);
/* A reason's text and what becomes of such a packet ("pass", "drop", "tx", "redirect"). */
const char *dataplane_reason_name(enum serin_reason reason);
const char *dataplane_reason_action(enum serin_reason reason);
