// SPDX-License-Identifier: GPL-2.0-or-later
#include "observe/latency.h"

#include "dataplane/dataplane.h"
#include "observe/signals.h"

const struct latency latencies[SERIN_LATENCY_MAX] = {
	[SERIN_LATENCY_HANDSHAKE] = {"handshake",
				     "From a client's SYN to the SYN/ACK; by dsr, ipip and gue, to "
				     "the client's ACK. Of sampled flows.",
				     SIGNAL_OF_TCP},
	[SERIN_LATENCY_CLIENT_HALF] = {"client_half",
				       "From SYN/ACK to the client's ACK. Of sampled flows.",
				       SIGNAL_OF_TCP | SIGNAL_OF_REPLIES},
	[SERIN_LATENCY_FIRST_BYTE] = {"first_byte",
				      "From the first byte of a flow's first request to the first "
				      "byte of the answer. Of sampled flows.",
				      SIGNAL_OF_REPLIES},
	[SERIN_LATENCY_DURATION] = {"duration",
				    "From SYN to the last FIN, of connections closed in order. "
				    "Of sampled flows.",
				    SIGNAL_OF_TCP},
};

bool latency_is_seen(const struct latency *latency, const struct snapshot_service *svc)
{
	return signal_scope_is_seen(latency->scope, svc);
}

uint64_t latency_count_until(const struct serin_histogram *h, uint32_t bucket)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < bucket; i++)
		count += h->bucket[i];
	return count;
}

uint64_t latency_count(const struct serin_histogram *h)
{
	return latency_count_until(h, SERIN_BUCKETS);
}

double latency_quantile_us(const struct serin_histogram *h, unsigned int permille)
{
	uint64_t rank = (uint64_t)((double)latency_count(h) * permille / 1000.0 + 0.999999);
	uint64_t count = 0;
	uint32_t i = 0;

	while (i < SERIN_LATENCY_TOP) {
		count += h->bucket[i];
		if (count >= rank)
			break;
		i++;
	}
	if (i == SERIN_LATENCY_TOP)
		return (double)serin_bucket_low(i);
	return (double)(serin_bucket_low(i) + serin_bucket_low(i + 1) - 1) / 2;
}
