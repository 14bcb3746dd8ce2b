/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns what the packet path and user space both read: the layout of every map, limits, reasons.
 *
 * Whatever changes here changes SERIN_ABI_VERSION: maps outlive the program that made them.
 * Addresses are always 16 bytes; IPv4 is written IPv4-mapped (::ffff:a.b.c.d, RFC 4291 2.5.5.2).
 * A field named _be is in network byte order, every other one in the host's.
 */
#pragma once

#include <linux/types.h>

#define SERIN_ABI_VERSION 5
#define SERIN_ABI_MAGIC	  0x4e495245u /* "ERIN" */

#define SERIN_NAME_LEN	     32 /* a service's or pool's name, with its NUL */
#define SERIN_MAX_POOLS	     8	/* per service */
#define SERIN_SPLIT_RING     8	/* splits kept per service, the live one among them */
#define SERIN_MAX_PORTS	     64 /* network interfaces */
#define SERIN_BUCKET_WAYS    16 /* entries per index bucket: one cache line */
#define SERIN_INDEX_ID_BITS  20 /* an index word is a tag above and an id + 1 below */
#define SERIN_MAX_BACKENDS   ((1u << SERIN_INDEX_ID_BITS) - 2)
#define SERIN_SHARED_MAX     16 /* services whose replies come back here from one backend */
#define SERIN_TABLE_SIZE_MAX 655373u

#ifdef __cplusplus
#define serin_static_assert static_assert
#else
#define serin_static_assert _Static_assert
#endif

struct serin_addr {
	__u32 word_be[4];
};

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define SERIN_V4_MAPPED_BE 0xffff0000u /* word_be[2] of an IPv4-mapped address */
#else
#define SERIN_V4_MAPPED_BE 0x0000ffffu
#endif

/* What a client connects to, or where a backend listens. */
struct serin_endpoint {
	struct serin_addr addr;
	__u16 port_be;
	__u8 protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 pad;
};
serin_static_assert(sizeof(struct serin_endpoint) == 20, "ABI");

/*
 * One split: how the unit interval [0, 2^32) is laid out over the pools.
 *
 * Every word carries the split's epoch in its top 22 bits. A reader that finds another epoch than
 * the one it asked for has been overtaken by SERIN_SPLIT_RING shifts and asks again, so no packet
 * sees half a split whatever the memory model, and the writer needs no lock against readers.
 *
 * word[0]:   stamp | number of edges << 8 | primary pool
 * word[1]:   stamp | pool << 36 | end     the bottom pool owns [0, end)
 * word[2..]: stamp | pool << 36 | start   from the top down; each owns [start, the one above)
 * The primary owns what is left. end and start are 0 .. 2^32, both included.
 */
struct serin_split {
	__u64 word[SERIN_MAX_POOLS];
};
serin_static_assert(sizeof(struct serin_split) == 64, "a split is one cache line");

#define SERIN_SPLIT_EPOCH_SHIFT 42
#define SERIN_SPLIT_EPOCH_MASK	0x3fffffu
#define SERIN_SPLIT_POOL_SHIFT	36
#define SERIN_SPLIT_POOL_MASK	0xfu
#define SERIN_SPLIT_EDGE_MASK	((1ull << SERIN_SPLIT_POOL_SHIFT) - 1)

/*
 * The places of the unit interval whose pool has been one and the same in every split since the
 * base: one piece a pool at most, the largest first, ended by an empty one. In units of 2^-19,
 * rounded inwards: what is settled but not marked so is only asked after once more than needed.
 *
 * word: stamp | pool << 38 | low << 19 | high    the piece is [low, high)
 */
struct serin_settled {
	__u64 word[SERIN_MAX_POOLS];
};
serin_static_assert(sizeof(struct serin_settled) == 64, "what is settled is one cache line");

#define SERIN_SETTLED_BITS	 19
#define SERIN_SETTLED_POOL_SHIFT 38
#define SERIN_SETTLED_EDGE_MASK	 ((1u << SERIN_SETTLED_BITS) - 1)
/* high is at most this: the topmost unit of the interval always moves, so that 19 bits do. */
#define SERIN_SETTLED_TOP SERIN_SETTLED_EDGE_MASK

/* What one epoch is made of. */
struct serin_generation {
	struct serin_settled settled;
	struct serin_split now;
	struct serin_split base; /* the split before all changes that are still remembered */
};

enum serin_affinity {
	SERIN_AFFINITY_CONNECTION,
	SERIN_AFFINITY_CLIENT,
	SERIN_AFFINITY_MAX,
};

enum serin_forwarding {
	SERIN_FORWARDING_NAT,	  /* destination rewritten; replies come back through us */
	SERIN_FORWARDING_FULLNAT, /* and the source, to an address of ours */
	SERIN_FORWARDING_DSR,  /* MAC address alone; backends own the VIP and answer themselves */
	SERIN_FORWARDING_IPIP, /* IP in IP: RFC 2003, RFC 2473; answers as dsr */
	SERIN_FORWARDING_GUE,  /* IP in UDP, without a GUE header: variant 1 of the draft */
	SERIN_FORWARDING_MAX,
};

enum serin_service_flags {
	SERIN_SERVICE_TARGETS = 1 << 0, /* has target rules: ask them for a new flow */
	SERIN_SERVICE_TRACKED = 1 << 1, /* every flow is remembered */
	SERIN_SERVICE_SHARING = 1 << 2, /* so it is while others have backends of its, by nat */
	SERIN_SERVICE_TOA = 1 << 3,  /* fullnat: backends are told of the client in a TCP option */
	SERIN_SERVICE_DSCP = 1 << 4, /* has rules for DSCP values: ask them for a new flow */
	SERIN_SERVICE_FAILOVER = 1 << 5, /* its pools may lose a flow that they do not answer */
};
#define SERIN_SERVICE_REMEMBERS (SERIN_SERVICE_TRACKED | SERIN_SERVICE_SHARING)

/* What makes a client a point of the unit interval and a slot of a Maglev table. */
struct serin_hashing {
	__u64 flow_key;	  /* serin_flow_key(): VIP, port and protocol mixed */
	__u64 split_key;  /* serin_split_key(): the seed mixed; THE store of a new seed */
	__u32 table_size; /* Maglev slots of each pool, a prime */
	__u8 affinity;
	__u8 client_prefix6; /* affinity client: IPv6 clients by this many leading bits */
	__u8 client_prefix4; /* and IPv4 clients: 1 .. 32 */
	__u8 pad;
};
serin_static_assert(sizeof(struct serin_hashing) == 24, "ABI");

/*
 * ipip and gue: where packets to backends come from, by the backends' family. The host bits vary by
 * flow, so that receivers spread flows over their queues; with a host mask of 0 the source is one.
 */
struct serin_tunnel {
	__u32 source4_be; /* 0: none, no backend is reached by IPv4 */
	__u32 host_mask4_be;
	struct serin_addr source6; /* all 0: none */
	struct serin_addr host_mask6;
	__u16 port_be; /* gue: destination port */
	__u8 pad[22];
};
serin_static_assert(sizeof(struct serin_tunnel) == 64, "a tunnel is one cache line");

/* The size of what goes before a packet. */
#define SERIN_IPIP4_LEN 20
#define SERIN_IPIP6_LEN 40
#define SERIN_GUE_LEN	8 /* UDP, after the outer IP header */

/* Values of the six bits of RFC 2474, and one for packets that tell nothing of their flow's first. */
#define SERIN_DSCP_VALUES 64
#define SERIN_DSCP_NONE	  SERIN_DSCP_VALUES

struct serin_service {
	struct serin_endpoint vip;
	__u32 epoch; /* THE store of a shift: the live one is ring[epoch % SERIN_SPLIT_RING] */
	struct serin_hashing now;
	__u8 flags;
	__u8 forwarding;
	__u8 sample_mask[SERIN_MAX_POOLS]; /* by pool: see serin_is_sampled() */
	__u8 pad[2];
	__u32 diverts; /* 0: no flow lives that a guard sent elsewhere; see guard.bpf.h */
	/* what follows is read for moving places only */
	struct serin_hashing base;
	__u64 forgot_jiffies; /* when a flow born before the base's first change went unremembered */
	__u64 changed_ns; /* CLOCK_MONOTONIC: user space's last change of a choice; 0: settled */
	__u64 file_seed, unsettled_ns; /* user space's: the file's; settles no sooner than that */
	__u8 has_file_seed, pad2[7];   /* 0: not noted, and it is the live one */
	/* and this for new flows by nat, and for tunnels */
	__u64 host_filter[8]; /* serin_host_bit() of each backend's address: who may be one */
	struct serin_tunnel tunnel;
	__u8 dscp_pool[SERIN_DSCP_VALUES]; /* 1 + where new flows so marked go; 0: no rule */
	struct serin_generation ring[SERIN_SPLIT_RING];
};
serin_static_assert(sizeof(struct serin_service) == 320 + 192 * SERIN_SPLIT_RING, "ABI");

/* A slot of a Maglev table: a backend, and whether another one had it since the base. */
#define SERIN_SLOT_CHANGED 0x80000000u
#define SERIN_SLOT_BACKEND 0x00ffffffu

/* Pool `p` of service `s` has the map index s * SERIN_MAX_POOLS + p. */

enum serin_backend_state {
	SERIN_BACKEND_FREE,
	SERIN_BACKEND_UP,
	SERIN_BACKEND_DRAINING, /* by an operator: takes no new flow, keeps its old ones */
	SERIN_BACKEND_LEAVING, /* not in the configuration: draining, then freed with its last flow */
	SERIN_BACKEND_STATE_MAX,
};

/* A hop is where a frame goes next, in one word so that it changes by one store: MAC address in the
 * low 48 bits (first byte lowest), port (slot of `ports`) above. 0: not known. HOST: it is for us. */
#define SERIN_HOP_PORT_SHIFT 48
#define SERIN_HOP_HOST	     ((1ull << SERIN_HOP_PORT_SHIFT) - 1)

#define SERIN_PATH_MTU_S 600 /* RFC 1191 6.3: ask again for a longer path after ten minutes */

/*
 * A service's backend. Services that name one endpoint have an entry each; those whose replies come
 * back here form a ring, one of which the index names.
 */
struct serin_backend {
	struct serin_endpoint at;
	__u32 service;
	__u64 hop;
	__u8 pool;	  /* within the service */
	__u8 state;	  /* enum serin_backend_state, and SERIN_BACKEND_FACTS; FREE has none */
	__u16 has_direct; /* somebody talks to it past its VIP: look at each reply; writer: packets */
	__u16 l3_csum_delta; /* what VIP -> backend adds to the IPv4 header's sum (RFC 1624) */
	__u16 l4_csum_delta; /* and to the TCP or UDP sum, pseudo header included */
	__u32 weight;
	__u8 hop_failures; /* user space's: passes running that found its neighbour gone */
	__u8 has_past;	   /* flows that nobody remembers may live, of before its service shared */
	/* Tunnels: the longest packet that reaches it, if a router on the way said so; writer: packets */
	__u16 path_mtu;
	__u32 path_mtu_jiffies; /* when, low word; forgotten after SERIN_PATH_MTU_S */
	__u32 path;		/* whose path_mtu counts: one backend's of all at this address */
	__u32 next_shared; /* id + 1 of the endpoint's next entry, round to the first; 0: alone */
	__u32 first_event; /* low word of the first one's number that may tell of it */
};
serin_static_assert(sizeof(struct serin_backend) == 64, "a backend is one cache line");

/*
 * A network interface Serin is attached to. The array is open-addressed by ifindex: an interface
 * stands at serin_port_home() or in the next slot free then. Slot 0 is never used, so that a hop
 * of 0 is none; SERIN_PORT_GONE marks a slot whose interface left, for searches to go past.
 */
#define SERIN_PORT_GONE 0xffffffffu
#define SERIN_MAX_TAGS	2

struct serin_port {
	__u32 ifindex; /* the kernel's number: of a NIC, or of a VLAN upon one */
	__u32 nic;     /* the NIC that sends: itself, or what the VLAN is upon, or its bond */
	__u16 mtu;
	__u8 mac[6];
	__u32 tag_be[SERIN_MAX_TAGS]; /* 802.1Q and 802.1ad, outermost first: TPID, then VLAN id */
	__u8 tag_count;
	__u8 pad[7];
};
serin_static_assert(sizeof(struct serin_port) == 32, "ABI");

/*
 * A bucket of the endpoint indexes, filled from the front; 0 ends it. A word taken out in the middle
 * becomes SERIN_INDEX_GONE, which names nothing, so that no search under way is cut short.
 */
#define SERIN_INDEX_GONE ((1u << SERIN_INDEX_ID_BITS) - 1)

struct serin_bucket {
	__u32 word[SERIN_BUCKET_WAYS];
};
serin_static_assert(sizeof(struct serin_bucket) == 64, "a bucket is one cache line");

struct serin_target_key {
	__u32 prefix_len; /* bits of what follows: 32 for the service and then the prefix */
	__u32 service_be;
	struct serin_addr client;
};
serin_static_assert(sizeof(struct serin_target_key) == 24, "ABI");

/* A rule's value: its prefix' length, of 128, above its pool: a look-up by itself tells no key. */
#define SERIN_TARGET_LEN_SHIFT 8
#define SERIN_TARGET_POOL_MASK 0xffu

/*
 * The flow table: buckets of four IPv4 or two IPv6 entries; a flow is in one of two buckets that a
 * keyed hash names. Keys are whole, so there is no false match.
 *
 * Reading takes no lock: key, value, key again. Writing an entry anew takes the bucket's lock and
 * goes key to 0, value, key; changing a value is a compare-and-swap, which fails if the entry has
 * become another's.
 */
struct serin_flow4 {
	__u64 key; /* client << 32 | its port << 16 | service + 1; 0: free */
	__u64 value;
};

struct serin_flow6 {
	__u64 client_high;
	__u64 client_low;
	__u64 key; /* tag of the client << 32 | its port << 16 | service + 1; 0: free */
	__u64 value;
};

#define SERIN_FLOW4_WAYS 4
#define SERIN_FLOW6_WAYS 4

struct serin_bucket4 {
	struct serin_flow4 flow[SERIN_FLOW4_WAYS];
};
serin_static_assert(sizeof(struct serin_bucket4) == 64, "a bucket is one cache line");

struct serin_bucket6 {
	struct serin_flow6 flow[SERIN_FLOW6_WAYS];
};
serin_static_assert(sizeof(struct serin_bucket6) == 128, "a bucket is two cache lines");

/* A flow's value: seen << 39 | epoch << 24 | state << 20 | backend. */
#define SERIN_FLOW_SEEN_SHIFT	 39
#define SERIN_FLOW_SEEN_BITS	 25
#define SERIN_FLOW_JIFFIES_SHIFT 6    /* `seen` counts 64 jiffies */
#define SERIN_FLOW_SEEN_AHEAD	 4096 /* how far it may be ahead of who asks: minutes */
#define SERIN_FLOW_EPOCH_SHIFT	 24
#define SERIN_FLOW_EPOCH_MASK	 0x7fffu
#define SERIN_FLOW_STATE_SHIFT	 20
#define SERIN_FLOW_STATE_MASK	 0xfu
#define SERIN_FLOW_BACKEND_MASK	 0xfffffu
#define SERIN_FLOW_LOCKS	 4096

enum serin_flow_state {
	SERIN_FLOW_SYN,	    /* nothing but a SYN seen from the client */
	SERIN_FLOW_REPLIED, /* the backend answered it */
	SERIN_FLOW_ADOPTED, /* met after its SYN; no answer seen */
	SERIN_FLOW_UDP,	    /* datagrams seen from the client alone */
	SERIN_FLOW_ACKED, /* the client finished the handshake; may not have reached the backend */
	SERIN_FLOW_ESTABLISHED,
	SERIN_FLOW_CLOSING,	/* established, and a FIN seen */
	SERIN_FLOW_UDP_REPLIED, /* datagrams seen both ways */
	SERIN_FLOW_STATE_MAX,
};
serin_static_assert(SERIN_FLOW_STATE_MAX <= SERIN_FLOW_STATE_MASK,
		    "the last is SERIN_FLOW_EVICTED");
#define SERIN_FLOW_EVICTED \
	SERIN_FLOW_STATE_MASK /* an entry about to be another's: not to be used */
/* States before this one are unproven, whoever sent them: new flows may take their places. */
#define SERIN_FLOW_PROVEN SERIN_FLOW_ACKED
#define SERIN_FLOW_BUSY	  (~0ull) /* the key of an entry that is being written */

/* The ways to clients, as the kernel's routing tables have them; longest prefix first. */
#define SERIN_MAX_ROUTES 32

struct serin_route4 {
	__u32 prefix_be;
	__u32 mask_be;
	__u64 hop; /* 0: on the link, or not for us to know: ask client_hops */
};

struct serin_route6 {
	__u64 high, low; /* as serin_addr_high() and _low() */
	__u64 mask_high, mask_low;
	__u64 hop;
};

/* Two of these, one of which is live, are swapped by one store. */
struct serin_routes {
	__u32 count4;
	__u32 count6;
	__u64 pad[7];
	struct serin_route4 v4[SERIN_MAX_ROUTES];
	struct serin_route6 v6[SERIN_MAX_ROUTES];
};

/* A conversation with a backend's own address, which is none of ours. */
struct serin_direct_key {
	struct serin_endpoint client;
	struct serin_endpoint backend;
};
serin_static_assert(sizeof(struct serin_direct_key) == 40, "ABI");

/* An address that a service has backends at. */
struct serin_host_key {
	struct serin_addr addr;
	__u32 service;
};
serin_static_assert(sizeof(struct serin_host_key) == 20, "ABI");

/* A flow that is closing and has been silent for so long gives way to another service's flow of the
 * same client and port to the same backend. */
#define SERIN_SHARED_QUIET_S 2

/* Later pieces of a datagram have no ports: they go where the first one went. */
struct serin_fragment_key {
	struct serin_addr src;
	struct serin_addr dst;
	__u32 id_be;
	__u8 protocol;
	__u8 is_sent; /* src and dst are as it left, for ICMP errors that quote it; 0: as it came */
	__u8 pad[2];
};
serin_static_assert(sizeof(struct serin_fragment_key) == 40, "ABI");

struct serin_fragment {
	__u32 service;
	__u32 backend;
	__u32 is_reply;
	__u32 jiffies; /* when the first came, low word: numbers are used again */
	struct serin_endpoint client;
	__u32 position; /* fullnat: of the flow, in its service's table */
};
serin_static_assert(sizeof(struct serin_fragment) == 40, "ABI");

#define SERIN_FRAGMENT_S 30 /* as long as Linux waits for the rest of a datagram */

/* What Serin answers itself, a CPU. RFC 1812 4.3.2.8 asks for a limit. */
#define SERIN_ANSWERS_PER_S 1000
#define SERIN_ANSWER_BURST  100

struct serin_answers {
	__u64 jiffies; /* when it was last filled */
	__u64 credit;  /* an answer costs as much as there are jiffies in a second */
};
serin_static_assert(sizeof(struct serin_answers) == 16, "ABI");

/* An address that is some service's VIP. */
struct serin_vip {
	__u32 answers_echo; /* the host does not own it: its echo requests are ours to answer */
};

struct serin_switches {
	__u32 live_routes; /* which of the two sets of routes; writer: user space */
	__u32 learns;	   /* some client is reached by no gateway: look at each; writer: packets */
	__u64 gateway_mac
		[2]; /* of the default route, IPv4's and IPv6's; first byte lowest; 0: none */
	__u64 pad[5];
};

/* How many living flows may give way yet. */
struct serin_budget {
	__u64 jiffies; /* when it was last added to */
	__u64 left;
};

/* Per CPU. What could not be done for flows that wanted remembering. */
struct serin_flow_counters {
	struct serin_budget budget;
	__u64 inserted;
	__u64 evicted[SERIN_FLOW_STATE_MAX]; /* living ones that gave way */
	__u64 unremembered; /* no place, or beyond the rate: gone where split and Maglev say */
	__u64 unlocked;	    /* the flow's lock was held for longer than one waits */
	__u64 pad[3];
};
serin_static_assert(sizeof(struct serin_flow_counters) == 128, "ABI");

/* Per CPU, per pool and per backend; monotone but for the last two. Bytes are whole frames. */
struct serin_counters {
	__u64 packets_in; /* to the backend */
	__u64 bytes_in;
	__u64 packets_out; /* back to the client */
	__u64 bytes_out;
	__u64 flows;	 /* new connections and UDP conversations */
	__u64 fallbacks; /* pools only: new flows sent to the primary because this pool was empty */
	__u32 epoch;	 /* epoch_flows counts the flows of this epoch; of another, it is void */
	__u32 epoch_flows;
	__u64 pad;
};
serin_static_assert(sizeof(struct serin_counters) == 64, "ABI");

/*
 * Every packet ends with exactly one reason. X(NAME, "name", action) is the one list of them, from
 * which the enum, the names and the verdict are made. A stage returns SERIN_GO_ON to hand on.
 */
#define SERIN_REASONS(X)                                      \
	X(FORWARD_TX, "forwarded_same_port", TX)              \
	X(FORWARD_REDIRECT, "forwarded_other_port", REDIRECT) \
	X(PASS_NOT_IP, "not_ip", PASS)                        \
	X(PASS_MALFORMED, "malformed", PASS)                  \
	X(PASS_FRAGMENT, "fragment", PASS)                    \
	X(PASS_PROTOCOL, "protocol", PASS)                    \
	X(PASS_GROUP, "group_address", PASS)                  \
	X(PASS_NO_SERVICE, "no_service", PASS)                \
	X(PASS_NO_FLOW, "no_flow", PASS)                      \
	X(PASS_EXPIRING, "ttl_expiring", PASS)                \
	X(DROP_NO_BACKEND, "no_backend", DROP)                \
	X(DROP_NO_NEXT_HOP, "no_next_hop", DROP)              \
	X(DROP_TOO_BIG, "too_big", DROP)                      \
	X(DROP_HEADERS, "extension_headers", DROP)            \
	X(DROP_SHARED_BUSY, "shared_backend_busy", DROP)      \
	X(DROP_HAIRPIN, "hairpin", DROP)                      \
	X(DROP_NO_ROOM, "no_headroom", DROP)                  \
	X(PASS_TUNNEL_ERROR, "tunnel_error", PASS)            \
	X(ANSWER_ECHO, "answered_echo", TX)                   \
	X(ANSWER_TOO_BIG, "answered_too_big", TX)             \
	X(DROP_NO_PORT, "no_source_port", DROP)               \
	X(DROP_NO_FLOW, "unknown_flow", DROP)

enum serin_reason {
	SERIN_GO_ON,
#define SERIN_REASON_ENUM(name, text, action) SERIN_##name,
	SERIN_REASONS(SERIN_REASON_ENUM)
#undef SERIN_REASON_ENUM
		SERIN_REASON_MAX,
};

enum serin_action {
	SERIN_ACTION_PASS,
	SERIN_ACTION_DROP,
	SERIN_ACTION_TX,
	SERIN_ACTION_REDIRECT,
	SERIN_ACTION_MAX,
};

/* Per CPU: packets by reason. Their sum is the number of packets received. */
struct serin_verdicts {
	__u64 packets[32];
};
serin_static_assert(SERIN_REASON_MAX <= 32, "ABI");
