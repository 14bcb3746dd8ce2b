/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns what the driver program and its user share: the frame that is sent over and over, the order
 * in which flows take turns, and how a flow's number becomes a client.
 */
#pragma once

#include <linux/types.h>

#define BENCH_FRAME_LEN 96 /* of every frame; what follows the headers is payload, or padding */
#define BENCH_HEAD_LEN	80 /* restored before each packet: holds every header there is */
#define BENCH_CHUNK	16384u
#define BENCH_STAMPS	1024u
#define BENCH_ORDER_MAX (8u << 20) /* turns in the order table; a power of two */

/* Who the near addresses of the order table are for: programs spread flows over backends each in
 * its own way, so replies to them come from different ones. */
enum bench_side {
	BENCH_SIDE_SUBJECT,
	BENCH_SIDE_TEXTBOOK,
	BENCH_SIDE_MAX,
};

/* One turn. The near side is the VIP in a request and the backend in a reply. */
struct bench_turn {
	__u32 flow;
	__u16 near_be[BENCH_SIDE_MAX]; /* low 16 bits of the near side's address */
};

enum bench_family {
	BENCH_RAW, /* sent as it is */
	BENCH_IP4,
	BENCH_IP6,
};

/*
 * The frame without what a turn fills in: the client's address and port and the near side's low 16
 * bits are zero, and so are the checksums. The sums are those of everything else, in wire order.
 */
struct bench_frame {
	__u8 bytes[BENCH_HEAD_LEN];
	__u32 ip_sum;
	__u32 l4_sum;
	__u8 family;
	__u8 is_reply;
	__u8 is_udp;
	__u8 is_to_source; /* a turn's flow is bench_source4()'s, not a client's */
	__u8 pad[4];
};

/* What one run is told, and what it tells. */
struct bench_run {
	struct bench_frame frame;
	__u64 start; /* the first turn */
	__u64 mask;  /* turns in the order table less one */
	__u64 side;
	__u64 packet; /* counts up from 0 */
	__u64 stamps_ns[BENCH_STAMPS];
};

/*
 * A bijection of 32 bits, so that neighbours in number are none in address: 20 bits of it are the
 * client's address and 12 its port.
 */
static inline __u32 bench_client_bits(__u32 flow)
{
	return flow * 0x9e3779b1u;
}

#define BENCH_CLIENT4	  0xac100000u /* 172.16.0.0/12 */
#define BENCH_CLIENT6	  0x0c000000u /* bits 32 to 63 of 2001:db8:c00::/44 and so on, ::1 */
#define BENCH_CLIENT_PORT 20480u

/* The far side of an IPv4 packet, in host order. */
struct bench_far4 {
	__u32 addr;
	__u16 port;
};

static inline struct bench_far4 bench_client4(__u32 flow)
{
	__u32 bits = bench_client_bits(flow);

	return (struct bench_far4){BENCH_CLIENT4 | bits >> 12, BENCH_CLIENT_PORT + (bits & 0xfff)};
}

/* What fullnat put in a client's place: 16 bits of the address and the port. */
#define BENCH_SOURCE4 0x0a010000u /* 10.1.0.0/16 */

static inline struct bench_far4 bench_source4(__u32 source)
{
	return (struct bench_far4){BENCH_SOURCE4 | source >> 16, (__u16)source};
}
