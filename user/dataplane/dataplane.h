/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns what runs in the kernel: loading, attaching, pinning, and every read and write of a map.
 * The only door to user/dataplane/; nobody else touches maps.
 *
 * The pins are the truth. A struct dataplane is a view of them: open it, use it, close it. Writers
 * hold one lock for as long as they have it open; readers take none.
 *
 * Errors: functions return 0 or -errno, and say why once, through log_error(), where they know it:
 *   -ENOENT   nothing is loaded, or no such service, pool or backend
 *   -EINVAL   the request itself is wrong
 *   -ESTALE   someone else changed it meanwhile (an epoch expected and not found)
 *   -EBUSY    the NIC belongs to another XDP program
 *   -EPROTO   the pins are of another ABI version
 */
#pragma once

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <serin/abi.h>
#include <serin/event.h>
#include <serin/guard.h>
#include <serin/info.h>
#include <serin/signals.h>

#include "model/live.h"
#include "model/model.h"

#define DATAPLANE_DEFAULT_DIR "/sys/fs/bpf/serin"

struct dataplane;
struct rtnl;

enum dataplane_access {
	DATAPLANE_READ,
	DATAPLANE_WRITE,     /* waits for the lock */
	DATAPLANE_TRY_WRITE, /* does not: -EAGAIN */
};

/* Who changes something and why: kept beside the split and shown by status. */
struct dataplane_author {
	const char *actor;  /* the verb */
	const char *reason; /* --reason, or "" */
	bool has_uid;	    /* somebody else than this process: who asked it to */
	uint32_t uid;
	/* Receives what was changed, to be kept elsewhere; NULL: nobody wants to know. */
	struct live_change *change;
};

/* 0 if something is loaded, -ENOENT if not, -EPROTO; says nothing. */
int dataplane_probe(const char *dir);
int dataplane_open(const char *dir, enum dataplane_access access, struct dataplane **out);
void dataplane_close(struct dataplane *dp);

/*
 * dataplane_check() - whether this host's interfaces, of those that a model names, can do the work.
 * What is not here is not looked at. Needs no privilege. -EINVAL: one cannot.
 */
int dataplane_check(const struct model *m);

/*
 * dataplane_apply() - load and attach where needed, then make the kernel match a model.
 * @dir: the pin directory; @m: the wanted state; @dry_run: only tell what would change
 * @changes: receives one line per difference, "no changes" if none
 *
 * Live weights and drained backends survive, and the live primary and seed until the file says another
 * one than it said; where nothing is loaded, those of m->remembered are in
 * force from the first packet on. Every step leaves a state that forwards: what is new
 * is complete before it is reachable, what goes is unreachable before it is freed, so being killed
 * between any two of them loses nothing and the next apply finishes the work.
 */
int dataplane_apply(const char *dir, const struct model *m, const struct dataplane_author *author,
		    bool dry_run, FILE *changes);

/* Takes the program off its NICs and removes the pins. @dry_run: only tell. */
int dataplane_detach(const char *dir, const struct dataplane_author *author, bool dry_run,
		     FILE *changes);

/* What a change has left: all services. @read_ns: as struct live_change's made_ns */
int dataplane_live(struct dataplane *dp, struct live **out, uint64_t *read_ns);

/* One pool's new weight; the primary takes the rest. */
struct dataplane_weight {
	const char *pool;
	uint32_t ppm;
};

struct dataplane_shift {
	uint32_t epoch;		 /* of the new split (dry run: of the one that would be replaced) */
	uint64_t took_effect_ns; /* CLOCK_MONOTONIC just after the store; 0 in a dry run */
	uint64_t store_ns;	 /* how long writing the split and the store took */
	size_t pool_count;
	struct {
		char name[SERIN_NAME_LEN];
		uint32_t before_ppm;
		uint32_t after_ppm;
	} pool[SERIN_MAX_POOLS];
};

struct dataplane_shift_request {
	const char *service;
	const struct dataplane_weight *weights;
	size_t weight_count;
	int64_t expect_epoch; /* -1: any */
	bool dry_run;
	struct dataplane_author author;
};

/* -ESTALE: the service's epoch is not the one expected. Pools not named keep their weight. */
int dataplane_shift(struct dataplane *dp, const struct dataplane_shift_request *request,
		    struct dataplane_shift *out);

struct dataplane_promote_request {
	const char *service;
	const char *pool;
	int64_t expect_epoch; /* -1: any */
	bool dry_run;
	struct dataplane_author author;
};

/*
 * dataplane_promote() - make a pool that has 100 % the service's primary, by one new split.
 *
 * No place of the split moves: whoever went to the pool goes there still, and so do flows of before.
 * The old primary becomes a pool like others, at 0 %, and has the guards that the new one loses.
 * Of a pool that is the primary already nothing changes.
 *
 * Returns 0; -ESTALE: another epoch; -ENOENT: no such service or pool; -EBUSY: it does not have
 * everything, or its clients go to the primary now, for want of backends or by its breaker.
 */
int dataplane_promote(struct dataplane *dp, const struct dataplane_promote_request *request,
		      struct dataplane_shift *out);

struct dataplane_seed_request {
	const char *service;
	uint64_t seed;	      /* of a release: model_release_seed() */
	int64_t expect_epoch; /* -1: any */
	struct dataplane_author author;
};

/*
 * dataplane_set_seed() - draw anew which clients fall to which pool, by one store.
 *
 * It moves nobody: new flows all go to the primary, and those there are stay where they are. The
 * split and its epoch remain as they are. The seed stays until a release takes another one, or the
 * file says another one than it said. Of the seed there is nothing changes.
 *
 * Returns 0; -ESTALE: another epoch; -ENOENT: no such service; -EBUSY: a pool beside the primary has
 * a weight.
 */
int dataplane_set_seed(struct dataplane *dp, const struct dataplane_seed_request *request);

struct dataplane_drain_request {
	const char *service;
	bool drain; /* false: undrain */
	bool force; /* also if no backend of the pool and the primary is left for new flows */
	bool dry_run;
	struct dataplane_author author;
};

/*
 * dataplane_drain() - stop (or resume) giving a backend new flows; its old ones go on.
 * @port: 0 where the address alone tells which
 * Returns 1 if it was so already.
 */
int dataplane_drain(struct dataplane *dp, const struct dataplane_drain_request *request,
		    const struct in6_addr *address, uint16_t port);

/*
 * dataplane_follow_hops() - ask the kernel's routes and neighbours anew for every backend, probe
 * those that do not answer, and store what changed. Returns the number of changed hops or -errno.
 * @confirm: also make the kernel ask those it knows: packets that XDP sends never make it ask
 * @unresolved: receives how many backends have no next hop now
 */
int dataplane_follow_hops(struct dataplane *dp, struct rtnl *rtnl, bool confirm,
			  size_t *unresolved);

/*
 * dataplane_follow_host() - ask the kernel anew what packets can leave by (VLANs come and go), and
 * which VIPs are addresses of this host. Returns 0 or -errno.
 */
int dataplane_follow_host(struct dataplane *dp, struct rtnl *rtnl);

/* By which gateways clients are reached, asked anew; dataplane_maintain() does so, too. */
void dataplane_follow_routes(struct dataplane *dp, struct rtnl *rtnl);

/* ---- which backends are well ---- */

struct dataplane_backend {
	uint32_t id;
	const char *service;
	const char *pool;
	struct in6_addr address;
	uint16_t port;
	bool is_leaving;
	uint8_t facts; /* SERIN_BACKEND_FACTS */
};

typedef void backend_visitor(const struct dataplane_backend *b, void *arg);

/* Visits every backend; what it points to lasts as long as @dp is open. */
void dataplane_each_backend(struct dataplane *dp, backend_visitor *visit, void *arg);

/* How flows of a backend have ended so far, of those that are sampled. */
struct dataplane_outcomes {
	uint64_t answered;
	uint64_t failed;
};

int dataplane_backend_outcomes(struct dataplane *dp, uint32_t id, struct dataplane_outcomes *out);

struct dataplane_health {
	uint32_t id; /* as dataplane_each_backend() told it */
	char service[SERIN_NAME_LEN];
	struct in6_addr address;
	uint16_t port;
	uint8_t fact; /* SERIN_BACKEND_UNHEALTHY or _EJECTED */
	bool is_so;
	bool is_gone; /* out: no such backend is there any more */
};

/*
 * dataplane_set_health() - new facts of many backends at once: each is an event, and each pool of
 * theirs gets one new table, also where only that is missing, for it could not be made before. Flows
 * that a backend has stay with it. Returns how many were not so before, or -errno.
 */
int dataplane_set_health(struct dataplane *dp, struct dataplane_health *changes, size_t count);

#include "dataplane/snapshot.h"

/* ---- one client's way, step by step ---- */

enum explain_reason {
	EXPLAIN_FLOW,	  /* the flow table remembers it */
	EXPLAIN_TARGET,	  /* a target rule */
	EXPLAIN_SPLIT,	  /* hash and weights */
	EXPLAIN_FALLBACK, /* its pool has no backend: the primary took it */
	EXPLAIN_BREAKER,  /* its pool's breaker is open: the primary took it */
	EXPLAIN_MAX,
};

/* What a target rule went by. */
enum explain_rule {
	EXPLAIN_RULE_NONE,
	EXPLAIN_RULE_SOURCE,
	EXPLAIN_RULE_DSCP,
	EXPLAIN_RULE_MAX,
};

/* Whose next packet is asked about. */
struct explain_query {
	const char *service;
	struct in6_addr client;
	uint16_t port; /* 0: affinity client only */
	uint8_t dscp;
	/* As if the service's release had this seed, and nobody remembered anything. */
	bool has_seed;
	uint64_t seed;
};

struct explanation {
	enum explain_reason reason;
	bool has_backend; /* false: no backend anywhere, the packet would be dropped */
	/* SERIN_GO_ON, or why a new connection of this client would be dropped though it has a backend */
	enum serin_reason refusal;
	char pool[SERIN_NAME_LEN];
	struct in6_addr backend;
	uint16_t backend_port;
	/* and why: */
	char chosen_pool[SERIN_NAME_LEN]; /* by rule or split, before any fallback */
	uint64_t hash;
	uint32_t point;	    /* of 2^32 */
	uint64_t low, high; /* the chosen pool's interval around the point; [low, high) of 2^32 */
	uint32_t slot, table_size;
	enum explain_rule rule;
	struct in6_addr target_prefix; /* by source */
	uint8_t target_len;	       /* of 128 bits */
	uint8_t dscp;		       /* by DSCP */
	uint64_t seed;		       /* what the hash was keyed with */
	bool is_other_release;	       /* not the live one: no flow was asked about */
	/* The chosen pool's cap; beyond it the primary has new flows. 0: none */
	uint32_t cap_flows, cap_flows_per_second;
	bool is_settled; /* the flow table is not asked for such a client */
	bool has_flow;
	uint32_t flow_epoch;
	enum serin_flow_state flow_state;
	uint64_t flow_idle_ms;
};

/* Takes the same steps as the packet path, with the same header. */
int dataplane_explain(struct dataplane *dp, const struct explain_query *query,
		      struct explanation *out);
const char *explain_reason_name(enum explain_reason reason);
/* "source", "dscp"; NULL for none. */
const char *explain_rule_name(enum explain_rule rule);

/* ---- the flow table ---- */

struct flow_view {
	const char *service;
	const char *pool;
	struct in6_addr client;
	uint16_t client_port;
	struct in6_addr backend;
	uint16_t backend_port;
	struct in6_addr source; /* fullnat: what the backend sees in the client's place */
	uint16_t source_port;	/* 0: the client itself */
	enum serin_flow_state state;
	uint32_t epoch;
	uint64_t idle_ms;
};

/*
 * dataplane_maintain() - what must be done now and then: settle what has settled, follow the routes
 * to clients, free what has left. Returns 0 or -errno.
 */
int dataplane_maintain(struct dataplane *dp, struct rtnl *rtnl);

typedef void ports_visitor(uint32_t id, const char *name, const struct snapshot_ports *ports,
			   void *arg);

/* Visits each fullnat service. How many ports are in use is not asked: that takes long. */
int dataplane_each_ports(struct dataplane *dp, ports_visitor *visit, void *arg);

typedef int flow_visitor(const struct flow_view *flow, void *arg);

/* Visits every flow once (those that come or go meanwhile, perhaps). Ends at a non-zero. */
int dataplane_each_flow(struct dataplane *dp, flow_visitor *visit, void *arg);
/*
 * dataplane_reset_flows() - have a pool's flows that were born in an epoch or since end, idle ones as well:
 * their next packet goes to a backend of the primary, which knows nothing of them and answers with a
 * reset (of UDP: takes over). What their backend still sends reaches no client; with fullnat this host's
 * kernel, whose address it comes for, answers it with a reset. Meant are those that the flow table knows,
 * which is all of them if the service was not let settle meanwhile: dataplane_remember_flows().
 * Returns how many living ones there were, or -errno; says nothing.
 */
int dataplane_reset_flows(struct dataplane *dp, const char *service, const char *pool,
			  uint32_t from_epoch);
/* From now on for so long the service does not settle: each flow that changes of its split have made
 * differ is remembered. 0 or -ENOENT. */
int dataplane_remember_flows(struct dataplane *dp, const char *service, uint32_t seconds);
const char *flow_state_name(enum serin_flow_state state);

/* ---- events: what happened to packets that somebody should hear of ---- */

struct event_view {
	uint64_t sequence; /* its number in its log: what is missing between two was lost */
	uint64_t when_us;  /* Unix time */
	enum serin_event_kind kind;
	enum serin_event_cause cause;
	uint64_t count; /* how many like it it stands for */
	uint64_t total; /* and all of its service and kind so far */
	/* As the maps name them now: "" and false where there is none, or none any more */
	char service[SERIN_NAME_LEN];
	char pool[SERIN_NAME_LEN];
	bool has_backend;
	struct in6_addr backend;
	uint16_t backend_port;
	struct in6_addr client;
	uint16_t client_port;
};

enum events_from {
	EVENTS_OLDEST, /* the oldest that the log still holds */
	EVENTS_NEW,    /* what comes after this */
};

struct events;

/* A reader of its own, whom no other disturbs. Nothing need be loaded yet. 0 or -ENOMEM. */
int events_open(const char *dir, enum events_from from, struct events **out);
/*
 * events_next() - 1: an event; 0: there is none yet; -errno: the log cannot be read
 *
 * -ENOENT, and that one silently: nothing is loaded. When something is again, its events follow.
 */
int events_next(struct events *e, struct event_view *out);
/* How many were gone, or never finished, before they could be read. */
uint64_t events_lost(const struct events *e);
void events_close(struct events *e);

const char *event_kind_name(enum serin_event_kind kind);
const char *event_cause_name(enum serin_event_cause cause);

/* "closed", "open", "probing". */
const char *breaker_state_name(enum serin_breaker_state state);

/* ---- what this host can do, for those who ask before they apply ---- */

/* How many kinds of programs, maps and helpers that the program needs the kernel has not, or -errno
 * (-EPERM: asking takes CAP_BPF). @names: of those, with commas between; @asked: how many there are */
int dataplane_missing_features(char *names, size_t size, unsigned int *asked);
/* Loads the program with small maps and lets go of it. Says why it cannot. */
int dataplane_try_load(void);
/* Bytes that maps of a model's limits take from the start; 0: cannot be told. */
uint64_t dataplane_memory(const struct model *m);
/* Is there what an apply left that was killed before it was done? */
bool dataplane_has_leftovers(const char *dir);

#define DATAPLANE_PROGRAM_LEN 64

/* Which program this executable would load: a hash of it. */
uint64_t dataplane_program_id(void);
/* Which one is loaded, and of whom; id 0: an upgrade was not finished. 0 or -errno, silently. */
int dataplane_running_program(const char *dir, uint64_t *id, char made_by[32]);
/* "serin 0.1.0 (89abcdef)" */
void dataplane_format_program(char text[DATAPLANE_PROGRAM_LEN], const char *version, uint64_t id);

/* A BPF program by its name, where this process may ask for that, and id. */
void dataplane_describe_program(uint32_t id, char text[DATAPLANE_PROGRAM_LEN]);
