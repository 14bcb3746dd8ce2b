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

#define READ_ONCE(x)	 (*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile typeof(x) *)&(x) = (v))

struct packet {
	/* parse() */
	struct xdp_md *ctx;
	struct ethhdr *eth;
	struct iphdr *ip4; /* one of these two is NULL */
	struct ipv6hdr *ip6;
	struct tcphdr *tcp; /* and one of these */
	struct udphdr *udp;
	struct serin_endpoint src; /* where it comes from and goes to, as it arrived */
	struct serin_endpoint dst;
	__u32 frame_len;

	/* find_service() */
	struct serin_service *service;
	__u32 service_id;
	__u32 is_reply; /* from a backend to a client */
	struct serin_addr client;
	__u16 client_port_be;

	/* choose_settled(), or follow_flow() where the place is moving */
	__u64 hash;
	__u32 is_settled;
	__u32 is_new;	/* the first packet of a flow */
	__u32 epoch;	/* the split it was chosen by */
	__u32 fallback; /* 1 + the pool that should have taken it, had it had a backend */
	struct serin_backend *backend;
	__u32 backend_id;

	/* find_hop(), find_exit() */
	__u64 hop;
	struct serin_port *out;
	__u32 out_port;
};

static __always_inline int packet_is_syn(const struct packet *p)
{
	return p->tcp && p->tcp->syn && !p->tcp->ack;
}

/* A SYN, or any datagram: what may begin a flow. */
static __always_inline int packet_may_begin(const struct packet *p)
{
	return p->udp || packet_is_syn(p);
}
