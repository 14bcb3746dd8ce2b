/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns what the packet path tells of how pools and backends are doing. It is ABI like the rest: see
 * abi.h.
 */
#pragma once

#include <serin/abi.h>

/*
 * Per CPU, per pool and per backend; monotone. Kept apart from serin_counters, so that packets that
 * begin or end nothing do not touch it. Where answers go past us (dsr, ipip, gue), what backends do
 * stays 0.
 */
struct serin_signals {
	/* of all packets */
	__u64 syns;	/* of clients, those sent again among them */
	__u64 syn_acks; /* of backends */
	__u64 fins_in;	/* of clients */
	__u64 fins_out; /* of backends */
	__u64 resets_by_client;
	__u64 resets_by_backend;
	__u64 refused;	    /* those of them that answered a SYN */
	__u64 unreachables; /* ICMP errors about what was sent to a backend */
};
serin_static_assert(sizeof(struct serin_signals) == 64, "ABI");
