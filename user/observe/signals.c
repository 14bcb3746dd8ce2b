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
	{"sampled_flows", "New flows that were sampled.", AT(signals.sampled_flows),
	 SIGNAL_OF_SAMPLES | SIGNAL_APART},
	{"missed_samples", "New flows that were to be sampled and found no room.",
	 AT(signals.missed), SIGNAL_OF_SAMPLES | SIGNAL_APART},
	{"handshakes", "Handshakes completed, of sampled flows.", AT(signals.handshakes),
	 SIGNAL_OF_TCP},
	{"syn_retransmits", "SYNs sent again, of sampled flows.", AT(signals.syn_retransmits),
	 SIGNAL_OF_TCP},
	{"sampled_refused", "Sampled flows that the backend refused.", AT(signals.sampled_refused),
	 SIGNAL_OF_TCP | SIGNAL_OF_REPLIES},
	{"sampled_unreachables", "Sampled flows whose backend was unreachable before it answered.",
	 AT(signals.sampled_unreachables), SIGNAL_OF_REPLIES},
	{"resets_before_data",
	 "Sampled flows that the backend took and reset before it sent a byte.",
	 AT(signals.resets_before_data), SIGNAL_OF_TCP | SIGNAL_OF_REPLIES},
	{"resets_after_data", "Sampled flows that the backend reset after it had sent some.",
	 AT(signals.resets_after_data), SIGNAL_OF_TCP | SIGNAL_OF_REPLIES},
	{"timed_out", "Sampled flows whose handshake was not over in 3 s.", AT(signals.timed_out),
	 SIGNAL_OF_TCP},
	{"closed", "Sampled flows that ended with FINs; by dsr, ipip and gue, the client's.",
	 AT(signals.closed), SIGNAL_OF_TCP},
	{"answered", "Sampled UDP conversations whose first datagram was answered.",
	 AT(signals.answered), SIGNAL_OF_UDP | SIGNAL_OF_REPLIES},
	{"unanswered", "Sampled UDP conversations without an answer in 2 s.",
	 AT(signals.unanswered), SIGNAL_OF_UDP | SIGNAL_OF_REPLIES},
	{"failures",
	 "Sampled flows refused, unreachable, reset before data, timed out or unanswered: at most "
	 "one for each client and second.",
	 AT(signals.failures), SIGNAL_OF_SAMPLES},
};

const size_t signal_count = sizeof(signals) / sizeof(*signals);

bool signal_scope_is_seen(unsigned int scope, const struct snapshot_service *svc)
{
	bool is_tcp = svc->protocol == IPPROTO_TCP;
	bool has_replies = svc->forwarding < SERIN_FORWARDING_DSR;

	if (((scope & SIGNAL_OF_TCP) && !is_tcp) || ((scope & SIGNAL_OF_UDP) && is_tcp))
		return false;
	if ((scope & SIGNAL_OF_SAMPLES) && !is_tcp && !has_replies)
		return false;
	return !(scope & SIGNAL_OF_REPLIES) || has_replies;
}

bool signal_is_seen(const struct signal *signal, const struct snapshot_service *svc)
{
	return signal_scope_is_seen(signal->scope, svc);
}

uint64_t signal_value(const struct signal *signal, const struct snapshot_counters *counters)
{
	uint64_t value;

	memcpy(&value, (const char *)counters + signal->offset, sizeof(value));
	return value;
}
