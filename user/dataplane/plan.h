/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the comparison of a model with what runs: every look-up, allocation and refusal happens
 * here, before anything is written, and every difference is told here. apply.c and commit.c carry it out.
 */
#pragma once

#include "dataplane/internal.h"

struct backend_plan {
	struct serin_endpoint at;
	uint32_t service; /* id */
	uint8_t pool;	  /* slot */
	uint32_t weight;
	uint32_t id;
	bool is_new;
	bool moves_with_service; /* it had an entry when its service was at another address */
	uint8_t state;		 /* of a new one, and its facts: as that entry's were */
	uint8_t facts;		 /* that the model knows of: others are forgotten */
};

struct service_plan {
	const struct model_service *model;
	struct serin_endpoint vip;
	uint32_t id;
	uint32_t old_id; /* of the service of that name at another address; UINT32_MAX: none */
	bool is_new;
	const struct live_service *remembered; /* only where nothing is loaded; NULL: none */
	uint64_t seed;			       /* wanted: live, or the file's */
	uint8_t slot[SERIN_MAX_POOLS];	       /* of each of the model's pools */
	bool is_new_slot[SERIN_MAX_POOLS];     /* it had another name, or none, before */
	struct serin_tunnel tunnel;	       /* wanted; as it is, where there is none to want */
	size_t primary;		    /* index into the model's pools: live, or the file's */
	struct split_layout layout; /* wanted; live weights kept */
	bool is_split_new;
	uint8_t dscp_pool[SERIN_DSCP_VALUES]; /* as in struct serin_service */
	uint64_t file_seed; /* to be noted: the file's, or the one before if that has to wait */
};

/* A fullnat service's ports of one of its sources, as packets that come for them find it. */
struct source_plan {
	struct serin_source_key key;
	struct serin_source_range range;
};

struct plan {
	const struct model *model;
	FILE *changes;
	size_t change_count;
	struct dp_interface *interfaces; /* as many as the model has */
	struct link_list links;		 /* of the host */
	int nics[SERIN_MAX_PORTS];	 /* the interfaces' */
	struct port_list ports;		 /* by which they can be reached */
	struct service_plan *services;	 /* as many as the model has */
	struct backend_plan *backends;	 /* of all services, in their order */
	struct dp_hop *hops;		 /* one per backend */
	size_t hop_count;
	size_t backend_count;
	uint32_t *running; /* ids of the backends that run, by service and endpoint */
	size_t running_count;
	struct dp_targets targets;	/* wanted; then those that are to be put */
	struct dp_targets targets_gone; /* that are there and not wanted */
	uint8_t *settles; /* by id: 1 if it settles before anything else is done; or NULL */
	struct source_plan *sources; /* of all services, in order of key and port */
	size_t source_count;
	uint8_t *keeps_service; /* by id: 1 if the model still has it */
	uint8_t *keeps_backend;
	uint8_t *shares;       /* by service: 1 if others will have backends of its */
	uint32_t next_service; /* where to look for the next free slot */
	uint32_t next_backend;
};

/* Next hops of all backends of p->model; first, and without the lock.
 * @wait_ms: how long to wait for neighbours that must be asked for */
int plan_resolve(struct rtnl *rtnl, struct plan *p, int wait_ms);
/* All the rest: 0, or -errno with the reason told. */
int plan_build(struct dataplane *dp, struct rtnl *rtnl, struct plan *p);
void plan_fini(struct plan *p);
/* Tells a difference and counts it. */
void plan_tell(struct plan *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- plan_ports.c ---- */

/* What packets come in and leave by: the interfaces, which are checked by then. */
int plan_ports(struct plan *p);

/* ---- plan_forwarding.c ---- */

/* How packets get to a service's backends; what of it cannot be, and what cannot change. @hops: of
 * its backends, in their order */
int plan_forwarding(struct dataplane *dp, struct rtnl *rtnl, struct plan *p, struct service_plan *s,
		    const struct roster *r, const struct dp_hop *hops);
/* The first word of it for a service that is new; for a running one, all the rest. */
void plan_commit_forwarding(struct dataplane *dp, const struct service_plan *s);

/* ---- plan_sources.c ---- */

/* Whose ports of whose sources are whose, once services have their numbers. */
int plan_sources(struct plan *p);
int plan_commit_sources(struct dataplane *dp, const struct plan *p);

/* ---- plan_backends.c ---- */

/* Lists the backends that run; before the next one. */
int plan_list_running(struct dataplane *dp, struct plan *p);
int plan_service_backends(struct dataplane *dp, struct plan *p, const struct service_plan *s);
void plan_targets(const struct dataplane *dp, struct plan *p, struct service_plan *s);
void plan_tell_leaving(struct dataplane *dp, struct plan *p);
int plan_check_hops(const struct plan *p);

/* ---- plan_live.c: what is taken up of the time before a restart ---- */

void plan_remembered(const struct dataplane *dp, const struct plan *p, struct service_plan *s);
/* Which seed. @running: the service of that name, or -1 */
void plan_seed(const struct dataplane *dp, const struct plan *p, struct service_plan *s,
	       int64_t running);
/* Which pool is the primary. @running: the service of that name, or -1 */
void plan_primary(const struct dataplane *dp, const struct plan *p, struct service_plan *s,
		  int64_t running);
bool plan_stays_drained(const struct plan *p, const struct service_plan *s,
			const struct model_backend *m);

/* ---- plan_guards.c ---- */

void plan_guards(const struct dataplane *dp, struct plan *p, const struct service_plan *s);
/* Once its pools have their slots. */
int plan_commit_guards(struct dataplane *dp, const struct service_plan *s);
/* Of a pool that is gone: whoever gets its number begins with none. */
void plan_forget_guard(struct dataplane *dp, uint32_t pool_index);

/* ---- plan_sharing.c ---- */

/* What a service's settings ask for, of enum serin_service_flags. */
uint8_t plan_service_flags(const struct model_service *m);
/* Which services will share backends; refuses one that too many would have. */
int plan_sharing(struct dataplane *dp, struct plan *p);

/* ---- commit.c ---- */

/* Makes the maps what the plan says. Only a full index or want of memory can stop it half-way. */
int plan_commit(struct dataplane *dp, struct plan *p, const struct dataplane_author *author);
