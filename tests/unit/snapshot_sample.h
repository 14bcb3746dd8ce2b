/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns a snapshot made by hand: one service, a canary of one IPv4 backend at 5 % and a stable pool
 * of two, one of which is IPv6. For inclusion by one test program each.
 */
#pragma once

#include <arpa/inet.h>
#include <string.h>

#include "dataplane/dataplane.h"
#include "lib/net.h"

static struct snapshot_backend sample_canary[1];
static struct snapshot_backend sample_stable[2];
static struct snapshot_pool sample_pools[2];
static struct serin_histograms sample_latencies; /* of the canary: 100 handshakes, 10 requests */
static struct snapshot_service sample_service;
static struct snapshot_interface sample_interface;
static struct snapshot sample;

static void sample_pools_init(void)
{
	sample_canary[0] = (struct snapshot_backend){
		.port = 8080,
		.weight = 1,
		.state = SERIN_BACKEND_UP,
		.has_hop = true,
		.counters = {.packets_in = 11, .flows = 3, .signals.resets_by_backend = 12}};
	sample_stable[0] = (struct snapshot_backend){
		.port = 8080, .weight = 2, .state = SERIN_BACKEND_UP, .has_hop = false};
	sample_stable[1] = (struct snapshot_backend){
		.port = 8443, .weight = 1, .state = SERIN_BACKEND_DRAINING, .has_hop = true};
	net_parse_addr("10.0.0.21", &sample_canary[0].address);
	net_parse_addr("10.0.0.11", &sample_stable[0].address);
	net_parse_addr("2001:db8::12", &sample_stable[1].address);
	sample_pools[0] = (struct snapshot_pool){
		.name = "canary",
		.weight_ppm = 50000,
		.configured_ppm = 12345,
		.counters = {.packets_in = 1,
			     .bytes_in = 2,
			     .packets_out = 3,
			     .bytes_out = 4,
			     .flows = 5,
			     .fallbacks = 6,
			     .epoch_flows = 5,
			     .signals = {.syns = 101,
					 .syn_acks = 102,
					 .fins_in = 103,
					 .fins_out = 104,
					 .resets_by_client = 105,
					 .resets_by_backend = 106,
					 .refused = 107,
					 .unreachables = 108,
					 .sampled_flows = 109,
					 .missed = 110,
					 .handshakes = 111,
					 .syn_retransmits = 112,
					 .sampled_refused = 113,
					 .sampled_unreachables = 114,
					 .resets_before_data = 115,
					 .resets_after_data = 116,
					 .timed_out = 117,
					 .closed = 118,
					 .answered = 119,
					 .unanswered = 120,
					 .failures = 121}},
		.latencies = &sample_latencies,
		.sample_shift = 3,
		.backends = sample_canary,
		.backend_count = 1,
	};
	sample_pools[1] = (struct snapshot_pool){
		.name = "stable",
		.slot = 1,
		.weight_ppm = 950000,
		.counters = {.flows = 1ull << 60, .epoch_flows = 95},
		.backends = sample_stable,
		.backend_count = 2,
	};
}

/* Handshakes of 1 to 100 ms, and answers of 1,000 us all. */
static void sample_latencies_init(void)
{
	memset(&sample_latencies, 0, sizeof(sample_latencies));
	for (uint64_t ms = 1; ms <= 100; ms++) {
		struct serin_histogram *h = &sample_latencies.of[SERIN_LATENCY_HANDSHAKE];

		h->bucket[serin_latency_bucket(ms * 1000)]++;
		h->sum_us += ms * 1000;
	}
	sample_latencies.of[SERIN_LATENCY_FIRST_BYTE].bucket[serin_latency_bucket(1000)] = 10;
	sample_latencies.of[SERIN_LATENCY_FIRST_BYTE].sum_us = 10000;
}

static void sample_init(void)
{
	sample_latencies_init();
	sample_pools_init();
	sample_service = (struct snapshot_service){
		.name = "web",
		.port = 80,
		.protocol = IPPROTO_TCP,
		.forwarding = SERIN_FORWARDING_NAT,
		.affinity = SERIN_AFFINITY_CLIENT,
		.client_prefix4 = 24,
		.target_count = 100000,
		.dscp_pool = {[10] = 1, [46] = 2},
		.client_prefix6 = 56,
		.epoch = 7,
		.primary = 1,
		.file_primary = 1,
		.seed = UINT64_MAX,
		.pools = sample_pools,
		.pool_count = 2,
		.last = {.when_ns = 1700000000123456789ull,
			 .uid = 1000,
			 .actor = "weight",
			 .reason = "canary 1.4"},
	};
	net_parse_addr("192.0.2.10", &sample_service.vip);
	sample_interface = (struct snapshot_interface){
		.name = "eth0", .ifindex = 2, .mode = MODEL_XDP_NATIVE, .is_attached = true};
	sample = (struct snapshot){
		.interfaces = &sample_interface,
		.interface_count = 1,
		.services = &sample_service,
		.service_count = 1,
		.usage = {{"services", "limits.services", 1, 1024},
			  {"backends", "limits.backends", 3, 16384},
			  {"targets", "limits.targets", 2, 65536},
			  {"flows4", "limits.flows", 12, 1048576},
			  {"flows6", "limits.flows", 0, 1048576}},
		.flow_entries = 12,
		.flow_capacity = 1048576,
		.flow_bytes4 = 33554432,
		.flow_bytes6 = 67108864,
		.flows_inserted = 5000000000,
		.flows_unremembered = 17,
		.made_by = "0.0.9",
		.program_id = 0x89abcdef01234567ull,
	};
	sample.flows_evicted[SERIN_FLOW_SYN] = 7;
	sample.flows_evicted[SERIN_FLOW_ADOPTED] = 3;
	sample.packets[SERIN_FORWARD_TX] = 41;
	sample.packets[SERIN_PASS_NO_SERVICE] = 42;
	sample.packets[SERIN_DROP_TOO_BIG] = 43;
}

/* The service sends from two places, by tunnels. */
static inline void sample_tunnels(void)
{
	sample_service.forwarding = SERIN_FORWARDING_GUE;
	sample_service.gue_port = 6080;
	sample_service.source_count = 2;
	net_parse_prefix("10.9.0.0/24", &sample_service.sources[0].prefix,
			 &sample_service.sources[0].prefix_len);
	net_parse_prefix("2001:db8:9::1", &sample_service.sources[1].prefix,
			 &sample_service.sources[1].prefix_len);
}

/* The service gives its flows ports of two addresses. */
static inline void sample_fullnat(void)
{
	sample_service.forwarding = SERIN_FORWARDING_FULLNAT;
	sample_service.source_count = 2;
	net_parse_prefix("10.0.0.2", &sample_service.sources[0].prefix,
			 &sample_service.sources[0].prefix_len);
	net_parse_prefix("10.0.0.3", &sample_service.sources[1].prefix,
			 &sample_service.sources[1].prefix_len);
	sample_service.ports = (struct snapshot_ports){
		.capacity = 2000,
		.used = 1500,
		.has_used = true,
		.bytes = 32000,
		.taken = 1ull << 60,
		.evicted = 21,
		.refused = 22,
		.untold = 23,
	};
}
