/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Owns what the stages know of the packet at hand: each stage fills in what the next ones need. */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include <serin/abi.h>
#include <serin/hash.h>

#define IP6_MIN_MTU 1280 /* RFC 8200 5: every link takes that */

#define READ_ONCE(x)	 (*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile typeof(x) *)&(x) = (v))

/* Makes the compiler forget what it knows of a value, and the verifier too. */
#ifndef barrier_var
#define barrier_var(var) asm volatile("" : "+r"(var))
#endif

/* Several fields as one. In packets and maps these may lie anywhere, on the stack where they are
 * aligned; the compiler must not be told the former, or it takes a byte at a time. */
typedef __u16 __attribute__((may_alias)) any16;
typedef __u32 __attribute__((may_alias)) any32;
typedef __u64 __attribute__((may_alias)) any64;

static __always_inline void copy_mac(void *to, const void *from)
{
	*(any32 *)to = *(const any32 *)from;
	*(any16 *)(to + 4) = *(const any16 *)(from + 4);
}

static __always_inline void copy_addr(void *to, const void *from)
{
	*(any64 *)to = *(const any64 *)from;
	*(any64 *)(to + 8) = *(const any64 *)(from + 8);
}

/* Ethernet's header and what tags we read. */
#define MAX_L2_LEN (sizeof(struct ethhdr) + SERIN_MAX_TAGS * sizeof(__u32))

/* The same number, but to the verifier one it knows nothing of: ways that differ in it alone become
 * one, and a program that took a second to prove takes a fifth. */
static __always_inline __u32 forget_number(__u32 number, __u64 unknown)
{
	number += (__u32)unknown;
	barrier_var(number);
	return number - (__u32)unknown;
}

/* The Ethernet header and its VLAN tags: TPID and VLAN id, outermost first. */
struct link {
	__u32 len; /* of both */
	__u32 count;
	__u32 tag_be[SERIN_MAX_TAGS];
};

enum piece_place {
	PIECE_WHOLE,
	PIECE_FIRST, /* of a fragmented datagram: has the ports */
	PIECE_LATER, /* has none: src and dst are addresses alone */
};

struct piece {
	__u32 place;
	__u32 id_be;
};

/* An ICMP error's: where in the frame is what will be rewritten. */
struct quote {
	__u16 icmp;  /* the ICMP header; 0: the packet is no error */
	__u16 l4;    /* the quoted TCP or UDP header; 0: not quoted */
	__u16 check; /* its checksum; 0: not quoted */
};

/* What of a packet tells how its flow is doing: TCP's flags, but for the push flag, in whose place is
 * whether there is data. */
#define SAYS_FIN	 0x01
#define SAYS_SYN	 0x02
#define SAYS_RST	 0x04
#define SAYS_DATA	 0x08
#define SAYS_ACK	 0x10
#define SAYS_UNREACHABLE 0x20 /* an ICMP error's */
#define SAYS_TCP_FLAGS	 (SAYS_FIN | SAYS_SYN | SAYS_RST | SAYS_ACK)
#define SAYS_STEP	 (SAYS_FIN | SAYS_SYN | SAYS_RST | SAYS_UNREACHABLE)

struct packet {
	/* parse() */
	struct xdp_md *ctx;
	struct ethhdr *eth;
	struct iphdr *ip4; /* one of these two is NULL */
	struct ipv6hdr *ip6;
	struct tcphdr *tcp; /* and one of these, or both */
	struct udphdr *udp;
	/* Where it comes from and goes to, as it arrived. An ICMP error's are those of the packet it
	 * quotes, the other way round: it goes where that one came from. */
	struct serin_endpoint src __attribute__((aligned(8)));
	__u32 frame_len;
	struct serin_endpoint dst __attribute__((aligned(8)));
	__u32 ip_len;	  /* the IP header and all that follows */
	struct link link; /* as it came */
	struct piece piece;
	struct quote quote;
	__u8 says;    /* SAYS_*; what follows, too, is for after no pointer is valid any more */
	__u32 seq_be; /* TCP's */

	/* find_service() */
	struct serin_addr client __attribute__((aligned(8)));
	struct serin_service *service;
	__u32 service_id;
	__u16 client_port_be;
	__u8 is_reply;	    /* from a backend to a client */
	__u8 is_unfollowed; /* by follow_flow(): a request that no entry led to its backend */

	/* choose_settled(), or follow_flow() where the place is moving */
	struct serin_backend *backend;
	__u32 backend_id;
	__u32 epoch;   /* the split it was chosen by */
	__u8 is_new;   /* the first packet of a flow */
	__u8 fallback; /* 1 + the pool that should have taken it, had it had a backend */

	/* fullnat */
	__u8 is_telling; /* the client's address is to go along */
	__u8 fails_over; /* a SYN sent again, to go to the primary: its pool does not answer */
	__u32 position;	 /* of the flow in its service's table: its source address and port */

	/* find_hop(), find_exit() */
	__u64 hop;
	struct serin_port *out;
	__u32 out_port;
	__u32 mtu; /* of what leaves, its tunnel's headers taken off */
};

static __always_inline int packet_is_error(const struct packet *p)
{
	return p->quote.icmp;
}

static __always_inline int packet_is_syn(const struct packet *p)
{
	return p->tcp && p->tcp->syn && !p->tcp->ack;
}

/* A SYN, or any datagram: what may begin a flow. */
static __always_inline int packet_may_begin(const struct packet *p)
{
	return p->udp || packet_is_syn(p);
}

static __always_inline int is_fullnat(const struct packet *p)
{
	return p->service->forwarding == SERIN_FORWARDING_FULLNAT;
}
