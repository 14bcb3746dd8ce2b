/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the list of the maps; bpf/maps.bpf.h says what they are for. */
#pragma once

/* Maps by the name they have in the program and in the pin directory. */
#define DP_MAPS(X)                                \
	X(SERVICE_INDEX, service_index)           \
	X(SERVICES, services)                     \
	X(TABLES, tables)                         \
	X(BASE_TABLES, base_tables)               \
	X(GUARDS, guards)                         \
	X(SEATS, seats)                           \
	X(BACKENDS, backends)                     \
	X(BACKEND_INDEX, backend_index)           \
	X(BACKEND_HOSTS, backend_hosts)           \
	X(TARGETS, targets)                       \
	X(FLOWS4, flows4)                         \
	X(FLOWS6, flows6)                         \
	X(FLOW_LOCKS, flow_locks)                 \
	X(FLOW_COUNTERS, flow_counters)           \
	X(SOURCE_SETS, source_sets)               \
	X(SOURCE_TABLES4, source_tables4)         \
	X(SOURCE_TABLES6, source_tables6)         \
	X(SOURCES, sources)                       \
	X(SOURCE_COUNTERS, source_counters)       \
	X(ROUTES, routes)                         \
	X(CLIENT_HOPS, client_hops)               \
	X(DIRECT_FLOWS, direct_flows)             \
	X(FRAGMENTS, fragments)                   \
	X(VIPS, vips)                             \
	X(TUNNEL_ENDS, tunnel_ends)               \
	X(ANSWER_BUDGET, answer_budget)           \
	X(SWITCHES, switches)                     \
	X(PORTS, ports)                           \
	X(TX_PORTS, tx_ports)                     \
	X(POOL_COUNTERS, pool_counters)           \
	X(BACKEND_COUNTERS, backend_counters)     \
	X(POOL_SIGNALS, pool_signals)             \
	X(BACKEND_SIGNALS, backend_signals)       \
	X(POOL_HISTOGRAMS, pool_histograms)       \
	X(BACKEND_HISTOGRAMS, backend_histograms) \
	X(SAMPLES, samples)                       \
	X(FAILURES, failures)                     \
	X(VERDICTS, verdicts)                     \
	X(EVENT_LOG, event_log)                   \
	X(EVENT_RATES, event_rates)               \
	X(META, meta)                             \
	X(SERVICE_INFO, service_info)

enum dp_map {
#define DP_MAP_ENUM(upper, lower) DP_MAP_##upper,
	DP_MAPS(DP_MAP_ENUM)
#undef DP_MAP_ENUM
		DP_MAP_MAX,
};

extern const char *const dp_map_names[DP_MAP_MAX];
