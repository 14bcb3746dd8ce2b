/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the wanted state: what a configuration file says, checked and with every default filled in.
 * It knows nothing of YAML, of maps or of what runs.
 */
#pragma once

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <serin/abi.h>

#include "model/health.h"
#include "model/strategy.h"

#define MODEL_PPM_ALL		   1000000u /* 100 %: weights are millionths of the unit */
#define MODEL_TABLE_SIZE_DEFAULT   16381u
#define MODEL_SLOTS_PER_BACKEND	   100u /* fewer and shares of backends get coarse */
#define MODEL_BACKEND_WEIGHT_MAX   1000u
#define MODEL_PREFIX6_DEFAULT	   64u
#define MODEL_PREFIX4_DEFAULT	   32u
#define MODEL_SOURCES_MAX	   16u
#define MODEL_SOURCE_PORT_LOW	   1024u
#define MODEL_SOURCE_PORT_HIGH	   65535u
#define MODEL_SOURCE_PORTS_MIN	   16u /* a range smaller than this is a slip of the pen */
#define MODEL_GUE_PORT		   6080u
#define MODEL_SERVICES_MAX	   65534u /* a flow's key has 16 bits for its service */
#define MODEL_FLOWS_MAX		   (16u << 20)
#define MODEL_TARGETS_MAX	   (16u << 20)
#define MODEL_BREAKER_FAILURES_MAX 1000000u
#define MODEL_BREAKER_WINDOW_MS	   10000u
#define MODEL_BREAKER_RECOVER_MS   30000u
#define MODEL_BREAKER_MIN_MS	   100u
#define MODEL_BREAKER_MAX_MS	   86400000u
#define MODEL_SYN_FAILOVER_MAX	   10u
#define MODEL_EXPOSURE_MAX	   1000000u
#define MODEL_IDLE_MAX_S	   604800u /* a week; the clock in a flow counts to 24 days */

enum model_xdp_mode {
	MODEL_XDP_NATIVE,
	MODEL_XDP_GENERIC,
	MODEL_XDP_MODE_MAX,
};

/* All addresses are IPv6 or IPv4-mapped IPv6. Ports are in host order. */

struct model_interface {
	char name[IF_NAMESIZE];
	enum model_xdp_mode mode;
};

struct model_backend {
	struct in6_addr address;
	uint16_t port;
	uint32_t weight; /* 1 .. MODEL_BACKEND_WEIGHT_MAX, relative to its pool */
};

struct model_pool {
	char name[SERIN_NAME_LEN];
	uint32_t weight_ppm; /* initial; 0 for the primary, which takes the rest */
	struct model_backend *backends;
	size_t backend_count;			/* at least 1 */
	struct model_health_check health_check; /* the service's, or its own */
};

/* New flows from this prefix go to this pool whatever the split says; the longest prefix wins. */
struct model_target {
	struct in6_addr prefix; /* host bits are zero */
	uint8_t prefix_len;	/* 0 .. 128; an IPv4 prefix counts its mapped 96 bits too */
	uint8_t pool;		/* index into pools */
};

/* Where packets to backends come from. */
struct model_source {
	struct in6_addr prefix; /* host bits are zero */
	uint8_t prefix_len;	/* 128: one address; an IPv4 prefix counts its mapped 96 bits too */
};

enum model_client_address {
	MODEL_CLIENT_ADDRESS_NONE,
	MODEL_CLIENT_ADDRESS_TOA, /* in a TCP option */
	MODEL_CLIENT_ADDRESS_MAX,
};

/* A pool that has so many failures in a window gets no new flows till it recovers. */
struct model_breaker {
	uint32_t failures; /* 0: there is none */
	uint32_t window_ms;
	uint32_t recover_ms; /* when it is probed */
};

/* How much of the traffic a pool gets at most, whatever its weight; the rest is the primary's. */
struct model_exposure {
	uint32_t flows;		   /* at once; 0: all */
	uint32_t flows_per_second; /* new ones; 0: all */
};

static inline bool model_exposure_is_capped(const struct model_exposure *e)
{
	return e->flows || e->flows_per_second;
}

struct model_service {
	char name[SERIN_NAME_LEN];
	struct in6_addr vip;
	uint16_t port;
	uint8_t protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	enum serin_forwarding forwarding;
	struct model_source
		*sources; /* fullnat: whole addresses; ipip, gue: one a family at most */
	size_t source_count;
	uint16_t source_port_low; /* fullnat: the ports of each source, both included */
	uint16_t source_port_high;
	enum model_client_address client_address; /* fullnat: how backends are told of it */
	uint16_t gue_port;			  /* gue: where backends listen */
	enum serin_affinity affinity;
	bool track_always;	  /* false: only flows whose place in the split changed are kept */
	uint8_t client_prefix6;	  /* 1 .. 128 */
	uint8_t client_prefix4;	  /* 1 .. 32 */
	uint64_t seed;		  /* default: model_default_seed() */
	uint32_t table_size;	  /* a prime */
	size_t primary;		  /* index into pools */
	struct model_pool *pools; /* in the order declared, 1 .. SERIN_MAX_POOLS */
	size_t pool_count;
	struct model_target *targets;
	size_t target_count;
	/* New flows so marked, of sources that have no target: 1 + index into pools; 0: no rule. */
	uint8_t dscp_pool[SERIN_DSCP_VALUES];
	size_t dscp_count;	      /* values that have a rule */
	struct model_breaker breaker; /* of each pool but the primary */
	struct model_exposure exposure;
	uint32_t syn_failover; /* which SYN sent again goes to the primary; 0: none */
	struct model_health_check health_check; /* of pools that say nothing else */
	struct model_outlier outlier;
	size_t strategy; /* of its releases: 1 + index into the model's strategies; 0: none */
};

/* Sizes of the maps, chosen when the program is loaded. */
struct model_limits {
	uint32_t services;
	uint32_t backends;
	uint32_t flows;
	uint32_t targets; /* prefixes, of all services */
};

/* After how long without a packet a flow is forgotten, by what is known of it. */
struct model_idle {
	uint32_t syn_s;		/* TCP, handshake not finished */
	uint32_t established_s; /* TCP */
	uint32_t closing_s;	/* TCP, after a FIN */
	uint32_t udp_s;
};

struct live;

struct model {
	struct model_interface *interfaces;
	size_t interface_count; /* at least 1 */
	struct model_limits limits;
	struct model_idle idle;
	struct model_service *services;
	size_t service_count;
	struct model_strategy *strategies;
	size_t strategy_count;
	struct live *remembered; /* of before a restart, not of the file; sorted, or NULL */
};

/* An empty model with the default limits and idle times, or NULL when out of memory. */
struct model *model_new(void);
void model_free(struct model *m);

/* FNV-1a (64 bit) of the service's name: two hosts with one file agree without a word. */
uint64_t model_default_seed(const char *service_name);
/*
 * What a release's clients are drawn with: made of the file's seed and the release's name and of
 * nothing else, so that two hosts with one file agree, and so does a release that is tried again.
 */
uint64_t model_release_seed(uint64_t file_seed, const char *release);

const struct model_service *model_find_service(const struct model *m, const char *name);
const struct model_strategy *model_find_strategy(const struct model *m, const char *name);
/* Index of a pool of that name, or -1. */
int model_find_pool(const struct model_service *svc, const char *name);
/* Of all pools: an address is counted as often as it is listed. */
size_t model_count_backends(const struct model *m);

/* Names as files, JSON and tables write them; NULL where the number is none of the enum. */
const char *model_xdp_mode_name(enum model_xdp_mode mode);
const char *model_affinity_name(enum serin_affinity affinity);
const char *model_forwarding_name(enum serin_forwarding forwarding);
/* Do backends' replies come back through us, rather than go to the clients directly? */
bool model_forwarding_returns(enum serin_forwarding forwarding);
const char *model_protocol_name(uint8_t protocol);
