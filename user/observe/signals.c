// SPDX-License-Identifier: GPL-2.0-or-later
#include "observe/signals.h"

#include <string.h>

#include "dataplane/dataplane.h"

#define AT(field) offsetof(struct snapshot_counters, field)

const struct signal signals[] = {
	{"packets_in", "Packets sent on to backends.", AT(packets_in), 0},
	{"packets_out", "Packets of backends sent back to clients.", AT(packets_out), 0},
	{"bytes_in", "Bytes sent on to backends, as whole frames.", AT(bytes_in), 0},
	{"bytes_out", "Bytes of backends sent back to clients, as whole frames.", AT(bytes_out), 0},
	{"flows", "New connections and UDP conversations.", AT(flows), 0},
	{"fallbacks", "New flows sent to the primary because the pool had no backend for them.",
	 AT(fallbacks), SIGNAL_OF_POOLS},
	{"syns", "SYNs of clients, those sent again among them.", AT(signals.syns), SIGNAL_OF_TCP},
	{"syn_acks", "SYN/ACKs of backends.", AT(signals.syn_acks),
	 SIGNAL_OF_TCP | SIGNAL_OF_REPLIES},
	{"fins_in", "FINs of clients.", AT(signals.fins_in), SIGNAL_OF_TCP},
	{"fins_out", "FINs of backends.", AT(signals.fins_out), SIGNAL_OF_TCP | SIGNAL_OF_REPLIES},
	{"resets_by_client", "RSTs of clients.", AT(signals.resets_by_client), SIGNAL_OF_TCP},
	{"resets_by_backend", "RSTs of backends.", AT(signals.resets_by_backend),
	 SIGNAL_OF_TCP | SIGNAL_OF_REPLIES},
	{"refused", "RSTs of backends that answered a SYN.", AT(signals.refused),
	 SIGNAL_OF_TCP | SIGNAL_OF_REPLIES},
	{"unreachables", "ICMP errors that a packet to a backend did not reach it.",
	 AT(signals.unreachables), SIGNAL_OF_REPLIES},
};

const size_t signal_count = sizeof(signals) / sizeof(*signals);

bool signal_is_seen(const struct signal *signal, const struct snapshot_service *svc)
{
	if ((signal->scope & SIGNAL_OF_TCP) && svc->protocol != IPPROTO_TCP)
		return false;
	return !(signal->scope & SIGNAL_OF_REPLIES) || svc->forwarding < SERIN_FORWARDING_DSR;
}

uint64_t signal_value(const struct signal *signal, const struct snapshot_counters *counters)
{
	uint64_t value;

	memcpy(&value, (const char *)counters + signal->offset, sizeof(value));
	return value;
}
