// SPDX-License-Identifier: GPL-2.0-or-later
#include "observe/signals.h"

#include <string.h>

#include "dataplane/dataplane.h"

#define AT(field) offsetof(struct snapshot_counters, field)

const struct signal signals[SIGNAL_COUNT] = {
	{"packets_in", "Packets sent on to backends.", AT(packets_in), false},
	{"packets_out", "Packets of backends sent back to clients.", AT(packets_out), false},
	{"bytes_in", "Bytes sent on to backends, as whole frames.", AT(bytes_in), false},
	{"bytes_out", "Bytes of backends sent back to clients, as whole frames.", AT(bytes_out),
	 false},
	{"flows", "New connections and UDP conversations.", AT(flows), false},
	{"fallbacks", "New flows sent to the primary because the pool had no backend for them.",
	 AT(fallbacks), true},
};

uint64_t signal_value(const struct signal *signal, const struct snapshot_counters *counters)
{
	uint64_t value;

	memcpy(&value, (const char *)counters + signal->offset, sizeof(value));
	return value;
}
