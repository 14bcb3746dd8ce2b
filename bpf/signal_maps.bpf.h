/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Owns the maps that only tell: counters, latencies, samples, events. No packet's way depends on them. */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include <serin/abi.h>
#include <serin/event.h>
#include <serin/signals.h>

/*
 * Counters. key: pool index as in `tables`; writer: count_signals(); reader: user space, which
 * zeroes a slot before it gets a new pool. Size: limits.services * SERIN_MAX_POOLS, 64 bytes a CPU.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct serin_counters);
} pool_counters SEC(".maps");

/* The same by backend id. Size: limits.backends, 64 bytes a CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct serin_counters);
} backend_counters SEC(".maps");

/*
 * What tells of how pools are doing. key: pool index; writer: count_step(), add_signal(); reader:
 * user space, which zeroes a slot before it gets a new pool. Size: limits.services * SERIN_MAX_POOLS, 192 bytes a CPU.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct serin_signals);
} pool_signals SEC(".maps");

/* The same by backend id. Size: limits.backends, 192 bytes a CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct serin_signals);
} backend_signals SEC(".maps");

/*
 * What steps of sampled flows took. key: pool index; value: of all CPUs, added to atomically
 * writer: user space, which makes one, empty, for each pool there is; add_latency(); reader: user space
 * size: limits.services * SERIN_MAX_POOLS, allocated one by one: 8 kB each
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct serin_histograms);
} pool_histograms SEC(".maps");

/* The same by backend id. Size: limits.backends, allocated one by one. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct serin_histograms);
} backend_histograms SEC(".maps");

/*
 * The sampled flows.
 * key: by 16 bits each of a sample's key: a flow is at one of four; writer: follow_sample(), the
 * sweep; reader: the same; size: 4 MB
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SERIN_SAMPLES);
	__type(key, __u32);
	__type(value, struct serin_sample);
} samples SEC(".maps");

/*
 * Who had a failure lately? key: client and pool; value: when it was counted, in jiffies
 * writer: add_failure(); size: 65536, the least recently used goes first
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct serin_failure_key);
	__type(value, __u64);
} failures SEC(".maps");

/* Every packet received, by reason. key: 0; writer: verdict() alone; reader: user space. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct serin_verdicts);
} verdicts SEC(".maps");

/*
 * What happened to packets that somebody should hear of. key: 0; writer: send_event(); reader: user
 * space, as many as like; size: the newest 4096, 256 KB
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct serin_event_log);
} event_log SEC(".maps");

/* When which of them was sent last. key: service id; writer: send_event(), and user space, which
 * zeroes it before a service is reachable; size: limits.services, 384 bytes each */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct serin_event_rates);
} event_rates SEC(".maps");
