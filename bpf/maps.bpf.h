/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns the maps. Sizes of 1 are set between open and load, from the configuration's limits.
 * "User space" is user/dataplane/, under its lock. Mmapped maps change by aligned stores.
 */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include <serin/abi.h>
#include <serin/guard.h>
#include <serin/info.h>
#include <serin/source.h>

/* Powers of two less one; set between open and load. */
const volatile __u32 service_bucket_mask;
const volatile __u32 backend_bucket_mask;
const volatile __u32 flow_bucket_mask;
/* Random, the same as long as the maps live. */
const volatile __u64 flow_secret[2];
/* How many living flows may give way to new ones on a CPU in one jiffy: a flood must not drive a
 * handshake out of the table before it ends. */
const volatile __u32 flow_evictions_per_jiffy;
/* Idle times in jiffies, by enum serin_flow_state: older entries bind no SYN and no datagram. */
const volatile __u64 flow_idle_jiffies[SERIN_FLOW_STATE_MASK + 1];

/* SERIN_FRAGMENT_S, SERIN_PATH_MTU_S, SERIN_SHARED_QUIET_S and a second in jiffies. */
const volatile __u32 fragment_jiffies;
const volatile __u32 path_mtu_jiffies;
const volatile __u32 shared_quiet_jiffies;
const volatile __u32 second_jiffies;

/*
 * Where is a VIP's service?
 * key: bucket, serin_index_hash() & mask; value: words of tag and service id
 * writer: user space (insert last, remove first); reader: find_service()
 * size: two buckets for each service there may be, 64 bytes each
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct serin_bucket);
} service_index SEC(".maps");

/*
 * What packets of a service need, its splits among it.
 * key: service id; value: one hot line and a ring of splits
 * writer: user space (a shift fills the next split of the ring, then stores `epoch`)
 * reader: find_service(), choose_*(); size: limits.services, 1856 bytes each
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct serin_service);
} services SEC(".maps");

/*
 * A pool's Maglev table: which backend owns each slot, and whether another did since the base.
 * key: service id * SERIN_MAX_POOLS + pool; value: an array of table_size words, or nothing where
 *      the pool has no backend that takes new flows
 * writer: user space, whole tables at a time; reader: choose_*()
 * size: limits.services * SERIN_MAX_POOLS, 8 bytes each; a table has 8 bytes a slot
 */
struct table {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct table);
} tables SEC(".maps");

/* The tables of the base, often the same ones. Read for moving places alone: choose_base(). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct table);
} base_tables SEC(".maps");

/*
 * Who keeps new flows from a pool that does badly.
 * key: pool index as in `tables`; writer: user space (what is wanted), guard.bpf.h (how it is)
 * reader: both; size: limits.services * SERIN_MAX_POOLS, 128 bytes each
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct serin_guard);
} guards SEC(".maps");

/*
 * Who holds the places of a pool that may have but so many flows at once.
 * key: pool index as in `tables`; value: an array of as many seats, or nothing where there is no cap
 * writer: is_beyond_cap(), user space (whole arrays); reader: is_beyond_cap()
 * size: 8 bytes each; 32 bytes a seat. By size and not by type, as source_tables4.
 */
struct seat_table {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct serin_seat));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct seat_table);
} seats SEC(".maps");

/*
 * Where packets of a backend go.
 * key: backend id; value: one line
 * writer: user space (`hop` and `state` by one store; the rest before anything points to it)
 * reader: find_service() (replies), find_flow(), forward(); size: limits.backends, 64 bytes each
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct serin_backend);
} backends SEC(".maps");

/*
 * Which backend sent this reply? As service_index, by the backend's address, port and protocol: one
 * of the entries there, the others being in its ring. Not for those who answer clients themselves.
 * size: two buckets for each four backends there may be, 64 bytes each
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct serin_bucket);
} backend_index SEC(".maps");

/*
 * Is this client one of its service's backends? Asked where the service's filter says maybe.
 * key: address and service; value: unused; writer: user space (in it before the backend takes flows,
 * out when it is freed); reader: is_backend_host(); size: limits.backends, allocated one by one
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct serin_host_key);
	__type(value, __u32);
} backend_hosts SEC(".maps");

/*
 * Rules that send new flows of a client prefix to one pool whatever the split says.
 * key: service and client prefix; value: length and pool; writer: user space; reader:
 * choose_by_source(); size: limits.targets, allocated one by one, and one more: before Linux 6.13
 * a full one takes no other pool for a rule it has, either
 */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct serin_target_key);
	__type(value, __u32);
} targets SEC(".maps");

/*
 * The flow table: which backend each flow of a moving place has.
 * key: bucket, by serin_flow4_hash() and _flow6_hash(), low and high half: a flow is in either
 * writer: insert_flow(), touch_flow(), user space (forgetting); reader: both
 * size: limits.flows / 2 buckets each: 32 bytes an IPv4 flow, 64 an IPv6 flow, at half full
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct serin_bucket4);
} flows4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct serin_bucket6);
} flows6 SEC(".maps");

/* One writer at a time in a flow's buckets. key: by the flow's hash; value: 0 or 1. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SERIN_FLOW_LOCKS);
	__type(key, __u32);
	__type(value, __u64);
} flow_locks SEC(".maps");

/* What became of flows that wanted remembering. key: 0; writer: insert_flow(); reader: user space. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct serin_flow_counters);
} flow_counters SEC(".maps");

/*
 * fullnat: what a service's flows are given for sources.
 * key: service id; writer: user space, before the service is reachable, and `depths` by packets;
 * reader: follow_fullnat(), find_source(), rewrite_fullnat(); size: limits.services, 320 bytes each
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct serin_source_set);
} source_sets SEC(".maps");

/*
 * fullnat: a service's flows, each at the position that is its source address and port.
 * key: service id; value: an array of as many buckets as hold its ports, in the map of the VIP's
 *      family, or nothing
 * writer: user space, whole tables, and forgetting; insert_source_flow4() and 6, touch_flow()
 * reader: these, find_source(); size: 16 bytes a port by IPv4, 32 by IPv6
 *
 * By size and not by type: before 6.2 a map whose value is a known struct, be there nothing special
 * in it, is no equal of one that user space made without telling of any.
 */
struct source_table4 {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct serin_bucket4));
};

struct source_table6 {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct serin_bucket6));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct source_table4);
} source_tables4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct source_table6);
} source_tables6 SEC(".maps");

/*
 * Whose port is this? Asked of packets for addresses that fullnat services give theirs.
 * key: address and protocol; value: ranges of ports, of a service each; writer: user space
 * size: at most 16 a service, allocated one by one
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct serin_source_key);
	__type(value, struct serin_source_ranges);
} sources SEC(".maps");

/* What became of flows that wanted a port. key: service id; writer: insert_source_flow4() and 6,
 * forward(); reader: user space, which zeroes it before a service is reachable; 64 bytes a CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct serin_source_counters);
} source_counters SEC(".maps");

/*
 * The ways to clients, for replies. key: 0 or 1, by route_sets' word; writer: user space, the one
 * that is not live; reader: find_client_hop()
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct serin_routes);
} routes SEC(".maps");

/*
 * The ways to clients that no gateway leads to, learned from their frames; and which addresses are this
 * host's own, that answers to it pass up.
 * key: client; value: hop; writers: learn_client_hop(), user space; reader: unrouted_client_hop()
 * size: 65536, the least recently used goes first
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct serin_addr);
	__type(value, __u64);
} client_hops SEC(".maps");

/*
 * Conversations with backends that go past their VIP, but through this host: their replies look like
 * ours and are not.
 * key: both ends; value: unused; writer: note_direct(); reader: is_direct_reply()
 * size: 65536, the least recently used goes first
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct serin_direct_key);
	__type(value, __u32);
} direct_flows SEC(".maps");

/*
 * Where the first piece of a fragmented datagram went, for those that follow.
 * key: what all pieces share; value: as the walk found it; writer: note_fragment(); reader:
 * recall_fragment(); size: 65536, the least recently used goes first
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct serin_fragment_key);
	__type(value, struct serin_fragment);
} fragments SEC(".maps");

/*
 * Which addresses are VIPs, whatever their ports? Asked where a packet shows none.
 * key: address; writer: user space; size: limits.services
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct serin_addr);
	__type(value, struct serin_vip);
} vips SEC(".maps");

/*
 * Whose tunnels does an ICMP error quote?
 * key: a tunnel's far end: a backend's address, the protocol, and gue's port or 0; value: the id of
 *      the backend there whose path_mtu counts
 * writer: user space; reader: learn_path_mtu(); size: limits.backends, allocated one by one
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct serin_endpoint);
	__type(value, __u32);
} tunnel_ends SEC(".maps");

/* How many packets may still be answered. key: 0; writer: may_answer(). */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct serin_answers);
} answer_budget SEC(".maps");

/* The few words that are one of a kind. key: 0; see struct serin_switches. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct serin_switches);
} switches SEC(".maps");

/*
 * The network interfaces packets come in by and leave by.
 * key: slot, see struct serin_port; writer: user space; reader: find_port(), forward()
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SERIN_MAX_PORTS);
	__type(key, __u32);
	__type(value, struct serin_port);
} ports SEC(".maps");

/* The same slots as `ports`, for redirects. key: slot; value: ifindex. Writer: user space. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, SERIN_MAX_PORTS);
	__type(key, __u32);
	__type(value, __u32);
} tx_ports SEC(".maps");

/* What is loaded: ABI version and sizes. key: 0; written once, by the loader; never by packets. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct serin_meta);
} meta SEC(".maps");

/*
 * What people need of a service and packets do not: names, seed, who shifted last.
 * key: service id; writer and reader: user space; size: limits.services, 624 bytes each
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct serin_service_info);
} service_info SEC(".maps");

#include "signal_maps.bpf.h"
