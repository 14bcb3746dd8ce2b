/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns what the packet path tells of how pools and backends are doing: counters, latencies, and the
 * samples both are in part made of. It is ABI like the rest: see abi.h.
 */
#pragma once

#include <serin/abi.h>
#include <serin/hash.h>

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
	/* of sampled flows */
	__u64 sampled_flows;
	__u64 missed; /* flows that were to be sampled and found no place */
	__u64 handshakes;
	__u64 syn_retransmits;
	__u64 sampled_refused;
	__u64 sampled_unreachables;
	__u64 resets_before_data; /* of backends that had answered the SYN */
	__u64 resets_after_data;
	__u64 timed_out; /* handshakes, after SERIN_HANDSHAKE_MS */
	__u64 closed;
	__u64 answered;	  /* UDP: a conversation's first datagram */
	__u64 unanswered; /* after SERIN_ANSWER_MS */
	__u64 failures;	  /* refused, unreachable, reset before data, timed out, unanswered: at most
			     one for each client and second */
	__u64 pad[3];
};
serin_static_assert(sizeof(struct serin_signals) == 192, "ABI");

#define SERIN_HANDSHAKE_MS 3000 /* a client's first SYN and two more, by RFC 6298 */
#define SERIN_ANSWER_MS	   2000

/* ---- latencies ---- */

enum serin_latency {
	SERIN_LATENCY_HANDSHAKE, /* SYN to SYN/ACK; where answers go past us, to the client's ACK */
	SERIN_LATENCY_CLIENT_HALF, /* SYN/ACK to ACK */
	SERIN_LATENCY_FIRST_BYTE,  /* the request's first byte to the answer's; UDP: datagrams */
	SERIN_LATENCY_DURATION,	   /* SYN to the second FIN */
	SERIN_LATENCY_MAX,
};

/*
 * Buckets of microseconds: exact below 2^SERIN_STEP_BITS, then as many to each octave, up to 2^26
 * (67 s); the last one has all above. So a bucket is an eighth of what it holds wide, at most.
 */
#define SERIN_STEP_BITS	     3
#define SERIN_STEPS	     (1u << SERIN_STEP_BITS)
#define SERIN_LATENCY_OCTAVE 26
#define SERIN_LATENCY_TOP    ((SERIN_LATENCY_OCTAVE - SERIN_STEP_BITS + 1) * SERIN_STEPS)
#define SERIN_BUCKETS	     (SERIN_LATENCY_TOP + 1)

struct serin_histogram {
	__u64 sum_us;
	__u64 bucket[SERIN_BUCKETS];
};

struct serin_histograms {
	struct serin_histogram of[SERIN_LATENCY_MAX];
};
serin_static_assert(sizeof(struct serin_histograms) == 6208, "ABI");

/* The position of the highest bit set; of 0, 0. */
SERIN_INLINE __u32 serin_log2(__u32 x)
{
	__u32 bits = (x > 0xffff) << 4, more;

	x >>= bits;
	more = (x > 0xff) << 3;
	x >>= more;
	bits |= more;
	more = (x > 0xf) << 2;
	x >>= more;
	bits |= more;
	more = (x > 0x3) << 1;
	x >>= more;
	return bits | more | x >> 1;
}

/* Which bucket of a histogram holds so many microseconds: the inverse of serin_bucket_low(). */
SERIN_INLINE __u32 serin_latency_bucket(__u64 us)
{
	__u32 octave;

	if (us >= 1ull << SERIN_LATENCY_OCTAVE)
		return SERIN_LATENCY_TOP;
	if (us < SERIN_STEPS)
		return (__u32)us;
	octave = serin_log2((__u32)us);
	return (octave - SERIN_STEP_BITS + 1) * SERIN_STEPS +
	       ((__u32)us >> (octave - SERIN_STEP_BITS) & (SERIN_STEPS - 1));
}

/* The least it holds; the next one's is beyond the most. */
SERIN_INLINE __u64 serin_bucket_low(__u32 bucket)
{
	__u32 octave = bucket / SERIN_STEPS;

	if (!octave)
		return bucket;
	return (__u64)(SERIN_STEPS + bucket % SERIN_STEPS) << (octave - 1);
}

/* ---- samples ---- */

/* What decides whether a flow is sampled: of its client's address and port alone, so that it stays the
 * same however clients are hashed. The upper bits of a product depend on all of a factor's. */
SERIN_INLINE __u32 serin_sample_draw(const struct serin_addr *client, __u16 port_be)
{
	return (__u32)((((__u64)client->word_be[3] << 16 | port_be) * 0xff51afd7ed558ccdull) >> 56);
}

/* One flow in 2^n is, where the mask's n lowest bits are set and no other one is. */
SERIN_INLINE int serin_is_sampled(__u32 draw, __u32 mask)
{
	return !(draw & mask);
}

#define SERIN_SAMPLE_SHIFT_MAX 8 /* bits of a mask */

SERIN_INLINE __u8 serin_sample_mask(__u32 shift)
{
	return (__u8)((1u << shift) - 1);
}

#define SERIN_SAMPLES	  65536 /* by 16 bits of a key */
#define SERIN_SAMPLE_WAYS 4

/* What has been seen of a sampled flow. */
#define SERIN_SAMPLE_LIVE      0x01 /* without it the entry is being written, or free */
#define SERIN_SAMPLE_ANSWERED  0x02
#define SERIN_SAMPLE_OPEN      0x04 /* the client's part of the handshake, too */
#define SERIN_SAMPLE_REQUESTED 0x08 /* data of the client */
#define SERIN_SAMPLE_SERVED    0x10 /* data of the backend */
#define SERIN_SAMPLE_FIN_IN    0x20
#define SERIN_SAMPLE_FIN_OUT   0x40
#define SERIN_SAMPLE_LOST      0x80 /* not answered in time, which is counted */

/* Above them, how often the SYN was sent again without an answer, and no more than so often. */
#define SERIN_SAMPLE_TRIES_SHIFT 8
#define SERIN_SAMPLE_TRIES_MAX	 15

#define SERIN_SAMPLE_AGE_SHIFT 16

/*
 * A sampled flow, at one of four places that its key names. Whoever changes `state` by a
 * compare-and-swap counts what the change means; each use of the entry has another number above its
 * bits, so that nobody changes the next flow's. Free: key 0.
 */
struct serin_sample {
	__u64 key;   /* hash of client, port and service, keyed */
	__u64 state; /* uses << SERIN_SAMPLE_AGE_SHIFT | SERIN_SAMPLE_* */
	__u64 begun_ns;
	__u64 step_ns; /* of what the next latency is counted from */
	__u64 client;  /* hash of its address */
	__u64 seen_jiffies;
	__u32 draw;
	__u32 isn_be; /* the SYN's number: another one begins another connection */
	__u32 backend;
	__u16 service;
	__u8 pool;
	__u8 kind; /* SERIN_KIND_* */
};
serin_static_assert(sizeof(struct serin_sample) == 64, "a sample is one cache line");

#define SERIN_KIND_UDP	   0x01
#define SERIN_KIND_ONE_WAY 0x02 /* answers go past us */

/* How long a sample that nothing is seen of is kept; in brackets, if a new one wants its place. */
#define SERIN_SAMPLE_KEEP_S  3600 /* (SERIN_SAMPLE_QUIET_S) */
#define SERIN_SAMPLE_QUIET_S 60
/* Lost ones (0), lest their next SYN begin another, and UDP's, lest the next datagram of a
 * conversation, which may be its last, does; and those whose client never ended the handshake, of which
 * a flood would leave nothing but. */
#define SERIN_SAMPLE_LINGER_S 10

/* A client that had a failure: which pool's, and when. */
struct serin_failure_key {
	__u64 client; /* as in struct serin_sample */
	__u32 pool;
	__u32 pad;
};
serin_static_assert(sizeof(struct serin_failure_key) == 16, "ABI");
