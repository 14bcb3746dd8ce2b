/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns what the files of user/dataplane/ share: the open view of the maps, and who does what. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <serin/abi.h>
#include <serin/event.h>
#include <serin/info.h>
#include <serin/source.h>

#include "balance/split.h"
#include "dataplane/dataplane.h"
#include "dataplane/maps.h"
#include "dataplane/port_list.h"
#include "lib/net.h"
#include "lib/rtnl.h"

struct dataplane {
	char dir[PATH_MAX]; /* --bpffs */
	enum dataplane_access access;
	int lock_fd;
	bool is_published;   /* the pins exist; false: freshly loaded, or nothing loaded */
	bool is_upgrade;     /* the programs below are not yet those that run */
	const char *lacking; /* of the maps, the first that the pins have not; or NULL */
	int map_fd[DP_MAP_MAX];
	int program_fd;		/* only after a load or for attaching; -1 otherwise */
	int clock_fd;		/* the program that tells the jiffies */
	int sweep_fd;		/* and the one that ends samples that time has ended */
	int tell_fd;		/* and the one that writes events of ours */
	bool tries;		/* not to wait for the lock */
	struct serin_meta meta; /* all zero: nothing loaded, every look-up finds nothing */
	int cpu_count;
	uint32_t uid; /* whose changes these are */
	/* mmapped; NULL when nothing is loaded */
	struct serin_bucket *service_index;
	struct serin_service *services;
	struct serin_guard *guards; /* by pool index */
	struct serin_backend *backends;
	struct serin_bucket *backend_index;
	struct serin_port *ports;
	struct serin_service_info *info;
	struct serin_bucket4 *flows4;
	struct serin_bucket6 *flows6;
	struct serin_routes *routes; /* two */
	struct serin_switches *switches;
	struct serin_source_set *source_sets;
	struct serin_event_log *event_log;
	size_t target_count; /* rules there were when they were last read */
	uint8_t *is_gone; /* by id: backends freed whose flows are still to be forgotten; or NULL */
};

/* ---- pins.c: directories, the lock, opening and publishing ---- */

#define DP_VERSION_DIR "v5" /* pins of SERIN_ABI_VERSION */
#define DP_STAGING_DIR "new"
#define DP_LINK_PREFIX "link_"

void dp_init(struct dataplane *dp, const char *dir, enum dataplane_access access);
void dp_fini(struct dataplane *dp);
/* Makes the directory if needed (mounting bpffs where nothing is mounted) and takes the lock. */
int dp_lock(struct dataplane *dp, bool create);
/* 0, or -ENOENT if nothing is loaded; never prints that one. Under the lock it first finishes what
 * a killed apply had attached and not yet published. Where maps are lacking, as after another
 * version, none is mapped yet. */
int dp_open_pins(struct dataplane *dp);
int dp_mmap(struct dataplane *dp);
/* The flow table too; whoever touches dp->flows4 or flows6 calls it first. */
int dp_mmap_flows(struct dataplane *dp);
/* "DIR/v5/NAME" or, before publishing, "DIR/new/NAME". */
int dp_pin_path(const struct dataplane *dp, const char *name, char path[PATH_MAX]);
/* Pins everything in the staging directory, without the links. */
int dp_stage(struct dataplane *dp);
/* One rename makes the staged pins the running ones. */
int dp_publish(struct dataplane *dp);
int dp_remove_tree(const char *path);

/* ---- load.c ---- */

/* Loads the program with new maps of these sizes into dp. */
int dp_load(struct dataplane *dp, const struct model *m);

/* ---- ports.c: the NICs ---- */

struct dp_interface {
	char name[IF_NAMESIZE];
	enum model_xdp_mode mode;
	struct rtnl_link link;
	bool is_attached;    /* by us, already, in this mode */
	bool had_other_mode; /* by us, in the other one */
};

/* Looks a wanted interface up and refuses a NIC that another XDP program holds. */
int dp_interface_check(struct dataplane *dp, struct rtnl *rtnl,
		       const struct model_interface *wanted, struct dp_interface *out);
/* refusals.c: says why, if so. */
bool dp_interface_is_refused(const struct link_list *links, const struct model *m,
			     const struct model_interface *wanted, int ifindex);
/* Says what is not as it should be. */
void dp_interface_warn(const struct dp_interface *interface, const struct port_list *ports);
int dp_interface_attach(struct dataplane *dp, const struct dp_interface *interface);
/* Where the link of a NIC of that name is pinned. */
int dp_link_path(const struct dataplane *dp, const char *name, char path[PATH_MAX]);
/* Detaches whatever link is pinned under that name. */
int dp_interface_detach(struct dataplane *dp, const char *name);
/* Calls visit for every pinned link: its NIC's name and ifindex (0 if the NIC is gone). */
int dp_each_link(struct dataplane *dp, int (*visit)(const char *name, uint32_t ifindex, void *arg),
		 void *arg);
/* Slot of an interface, or 0. */
uint32_t dp_port_find(const struct dataplane *dp, uint32_t ifindex);
/* Makes the list's ports be there and be so, in place of those that are no more. -ENOSPC: there is
 * no room for all, until dp_ports_keep() has made some. */
int dp_ports_write(struct dataplane *dp, const struct port_list *l);
/* Frees all others, those of interfaces that are no more among them. */
void dp_ports_keep(struct dataplane *dp, const struct port_list *l);

/* Makes the ports what the attached NICs and the host's links are now. */
int dp_ports_follow(struct dataplane *dp, struct rtnl *rtnl);

/* ---- tunnels.c: where they begin ---- */

bool dp_tunnel_has_source(const struct serin_tunnel *t, bool is_v4);
/* Puts it in place of the one of that family. */
void dp_tunnel_set_source(struct serin_tunnel *t, const struct model_source *source);
/* Those there are; returns how many. */
size_t dp_tunnel_sources(const struct serin_tunnel *t, struct model_source out[2]);
/* "10.9.0.0/24", "10.9.0.1", or "" where there is none. */
void dp_tunnel_format(const struct serin_tunnel *t, bool is_v4, char buf[NET_PREFIX_LEN]);
/* Changes one that packets may be reading. */
void dp_tunnel_write(struct serin_tunnel *to, const struct serin_tunnel *from);

/* ---- vips.c ---- */

/* Makes the map of VIPs what the services are, and what of them this host owns. */
int dp_vips_sync(struct dataplane *dp, struct rtnl *rtnl);

/* ---- index.c: the endpoint indexes ---- */

struct serin_endpoint dp_endpoint(const struct in6_addr *addr, uint16_t port, uint8_t protocol);
struct in6_addr dp_addr(const struct serin_addr *addr);
/* The id standing at an endpoint, or -1. */
int64_t dp_service_at(const struct dataplane *dp, const struct serin_endpoint *at);
int64_t dp_backend_at(const struct dataplane *dp, const struct serin_endpoint *at);
/* Point an endpoint at an id, in place of another's if it has one. -ENOSPC: bucket full. */
int dp_service_index_set(struct dataplane *dp, const struct serin_endpoint *at, uint32_t id);
int dp_backend_index_set(struct dataplane *dp, const struct serin_endpoint *at, uint32_t id);
void dp_service_index_clear(struct dataplane *dp, const struct serin_endpoint *at, uint32_t id);
void dp_backend_index_clear(struct dataplane *dp, const struct serin_endpoint *at, uint32_t id);

/* ---- services.c: services, their pools and splits ---- */

uint32_t dp_pool_index(uint32_t service, uint32_t pool);
int64_t dp_service_find(const struct dataplane *dp, const char *name);
/* Slot of a pool of that name (of the file, or leaving), or -1. */
int dp_pool_find(const struct dataplane *dp, uint32_t service, const char *name);
void dp_split_read(const struct dataplane *dp, uint32_t service, struct split_layout *out);
/* Slot of the pool that the file last applied calls the primary. */
uint8_t dp_file_primary(const struct dataplane *dp, uint32_t service);
/* Fills the next generation of the ring, then the one store. What is settled shrinks to where the
 * new split agrees with it. Returns the new epoch. */
uint32_t dp_split_store(struct dataplane *dp, uint32_t service, const struct split_layout *layout);
/* The same for a service's first split: everything is settled on it. */
void dp_split_found(struct dataplane *dp, uint32_t service, const struct split_layout *layout);
/* Marks every place of a service as moving, as before a change of how clients are hashed. */
void dp_split_unsettle(struct dataplane *dp, uint32_t service);
/* Makes the live split and hashing the base, and everything settled on them. */
void dp_split_settle(struct dataplane *dp, uint32_t service);
/* Notes that a choice of the service has changed: it settles no sooner than flows idle from now. */
void dp_service_changed(struct dataplane *dp, uint32_t service);
/* Enum serin_service_flags. A service that begins to remember its flows has some that nobody does:
 * they take the base's choice as long as it is there. One that ceases to must first settle. */
void dp_service_set_flags(struct dataplane *dp, uint32_t service, uint8_t flags);
void dp_note_change(struct dataplane *dp, uint32_t service, const struct dataplane_author *author);

/* ---- seed.c ---- */

/* What clients are hashed with now, and what the file last applied says. */
uint64_t dp_seed(const struct dataplane *dp, uint32_t service);
uint64_t dp_file_seed(const struct dataplane *dp, uint32_t service);
void dp_note_file_seed(struct dataplane *dp, uint32_t service, uint64_t seed);

/* ---- shift.c: what a change of a split begins and ends with ---- */

/* The service of that name, if it has the epoch expected (-1: any). Says why not. */
int dp_shift_begin(struct dataplane *dp, const char *service, int64_t expect_epoch, uint32_t *id);
/* Slot of a pool of that name that the file has, or -ENOENT. Says so. */
int dp_shift_pool(const struct dataplane *dp, uint32_t service, const char *pool);
void dp_shift_describe(const struct dataplane *dp, uint32_t service,
		       const struct split_layout *before, const struct split_layout *after,
		       struct dataplane_shift *out);
/* Puts another split in force, and notes who did it. */
void dp_shift_store(struct dataplane *dp, uint32_t service, const struct split_layout *after,
		    const struct dataplane_author *author, struct dataplane_shift *out);

/* ---- live.c: an account of what changes, for authors who want one ---- */

/* Around what is written. @service: an id, or -1 for all */
void dp_change_begin(const struct dataplane *dp, const struct dataplane_author *author,
		     int64_t service);
void dp_change_end(const struct dataplane *dp, const struct dataplane_author *author,
		   int64_t service);

/* ---- signals.c: what is counted ---- */

/* At first one flow in 64 of a primary is sampled, and every one of another pool. */
#define DP_PRIMARY_SAMPLE_SHIFT 6

uint8_t dp_sample_shift(const struct serin_service *svc, uint32_t pool);

/* Of all pools of a service at one instant, so that they can be compared. @epoch: the service's */
int dp_pool_counters_read(struct dataplane *dp, uint32_t service, uint32_t epoch,
			  struct snapshot_counters out[SERIN_MAX_POOLS]);
int dp_backend_counters_read(struct dataplane *dp, uint32_t id, uint32_t epoch,
			     struct snapshot_counters *out);
/* What steps of its sampled flows took: pools or backends, by map. */
int dp_histograms_read(struct dataplane *dp, enum dp_map map, uint32_t index,
		       struct serin_histograms *out);
/* Before there is a pool or a backend of that number, and after. */
int dp_pool_counters_clear(struct dataplane *dp, uint32_t pool_index);
int dp_backend_counters_clear(struct dataplane *dp, uint32_t id);
void dp_pool_counters_free(struct dataplane *dp, uint32_t pool_index);
void dp_backend_counters_free(struct dataplane *dp, uint32_t id);
/* Counts what time alone ends: see serin_sweep(). */
int dp_sweep(struct dataplane *dp);

#include "dataplane/tables.h"

/* ---- choice.c: what the packet path would choose, for many clients ---- */

struct dp_choice {
	struct dataplane *dp;
	uint32_t service;
	uint64_t split_key; /* the live one at first */
	uint32_t dscp;	    /* of the packets, or SERIN_DSCP_NONE, which it is at first */
	struct split_layout split;
	struct dp_table tables[SERIN_MAX_POOLS]; /* opened as they are asked for */
	int table_error[SERIN_MAX_POOLS];	 /* 1: not asked for yet */
};

struct dp_chosen {
	uint64_t hash;
	uint32_t point;
	uint32_t slot;
	uint8_t pool; /* by rule or split, before any fallback */
	enum explain_rule rule;
	uint8_t target_len; /* of the source's */
	bool is_fallback;
	bool has_backend;
	uint32_t backend;
	bool is_settled; /* no flow table is asked */
	bool is_guarded; /* by dp_choice_guard(): its backend is the primary's for that */
};

void dp_choice_open(struct dataplane *dp, uint32_t service, struct dp_choice *out);
/* The table of a pool, by its id, so that it need not be asked for. */
int dp_choice_set_table(struct dp_choice *c, uint32_t pool, uint32_t id);
int dp_choice_make(struct dp_choice *c, const struct serin_addr *client, uint16_t port_be,
		   struct dp_chosen *out);
/* What a new flow gets instead while the pool chosen is guarded; probes apart, which none can tell. */
int dp_choice_guard(struct dp_choice *c, struct dp_chosen *chosen);
/* Might this backend be the one of such a client whose packets are marked for a rule? */
bool dp_choice_may_be_marked(struct dp_choice *c, const struct dp_chosen *chosen, uint32_t backend);
void dp_choice_close(struct dp_choice *c);

/* ---- settle.c ---- */

/* Flags, by id, the services whose changes all flows have outlived. Returns how many, or -errno. */
int dp_settle_find(struct dataplane *dp, uint8_t *is_due);
int dp_settle(struct dataplane *dp, const uint8_t *is_due);
/* Takes the flag (by id) off services that a living flow disagrees with the current choice of. */
int dp_flows_agree(struct dataplane *dp, uint8_t *flags);

/* ---- guards.c ---- */

/* Closed, too, where there is none. */
enum serin_breaker_state dp_breaker_state(const struct serin_guard *g);
/* What of a guard user space sets; all 0: there is none. */
struct dp_guard_settings {
	uint32_t failover;
	uint32_t flows;
	uint32_t flows_per_second;
	uint32_t budget;
	uint64_t window_jiffies;
	uint64_t recover_jiffies;
};

void dp_guard_settings(const struct serin_guard *g, struct dp_guard_settings *out);
bool dp_guard_has_breaker(const struct serin_guard *g, const struct dp_guard_settings *s);
bool dp_guard_has_exposure(const struct serin_guard *g, const struct dp_guard_settings *s);
/* 0, or -errno: there is no room for so many flows. */
int dp_guard_set(struct dataplane *dp, uint32_t service, uint8_t slot,
		 const struct dp_guard_settings *s);
/* Are new flows kept from this pool, if not every one of them? */
bool dp_guard_diverts(const struct dataplane *dp, uint32_t pool_index);
/* Services that no guard has diverted a living flow of need the flow table no more for that. */
int dp_guards_settle(struct dataplane *dp);

/* ---- seats.c ---- */

/* How many flows a pool may have at once; 0: any number. 0 or -errno. */
int dp_seats_set(struct dataplane *dp, uint32_t pool_index, uint32_t count);

/* ---- backends.c ---- */

struct dp_backend_spec {
	struct serin_endpoint at;
	uint32_t service;
	uint8_t pool;
	uint8_t state; /* and facts */
	uint32_t weight;
	uint64_t hop;
};

/* A free slot at or after *from, or -1; *from moves past it. */
int64_t dp_backend_slot(const struct dataplane *dp, uint32_t *from);
int dp_backend_add(struct dataplane *dp, uint32_t id, const struct dp_backend_spec *spec);
/* Its flows are forgotten by dp_backends_forget(), which must come before the slot is used again, for
 * it waits for the packets that are just there, too. */
void dp_backend_free(struct dataplane *dp, uint32_t id);
void dp_backends_forget(struct dataplane *dp);
/* Frees the leaving backends that no living flow needs. @keeps: by id, those to leave alone */
int dp_backend_reap(struct dataplane *dp, const uint8_t *keeps);
/* Only tells of them, as if services had settled, by id. Returns how many, or -errno. */
int dp_backend_tell_reap(struct dataplane *dp, const uint8_t *keeps, const uint8_t *settles,
			 FILE *changes);
/* Waits until no packet that was in the program when it was called still is. */
void dp_wait_for_packets(void);

/* ---- tunnel_ends.c ---- */

/* Makes tunnel_ends, and the backends' `path`, what backends and services are now. */
int dp_tunnel_ends_sync(struct dataplane *dp);

/* ---- sharing.c: backends that several services have ---- */

/* Puts a backend that is complete into its endpoint's ring, if it is not in it. -ENOSPC: index full. */
int dp_backend_link(struct dataplane *dp, uint32_t id);
/* Takes it out, if it is in it. */
void dp_backend_unlink(struct dataplane *dp, uint32_t id);
/* Takes those out of an endpoint's ring whose services are not to be kept (flags by id). */
void dp_ring_release(struct dataplane *dp, const struct serin_endpoint *at, const uint8_t *keeps);
/* Does a living flow of another service hold this client and port at an entry of its ring? */
bool dp_backend_is_held(struct dataplane *dp, uint32_t id, const struct serin_addr *client,
			uint16_t port_be, uint64_t now);
/* Before a service gets a backend that another one has, and for that other one: every flow is
 * remembered from now on. */
void dp_sharing_begin(struct dataplane *dp, uint32_t service);
/* The end of that for all services that share no more. */
int dp_sharing_end(struct dataplane *dp);
/* The service's backends have flows that nobody remembers. */
void dp_past_begin(struct dataplane *dp, uint32_t service);
/* Services that have settled (flags by id) have no more such flows. */
void dp_past_end(struct dataplane *dp, const uint8_t *is_service);

/* ---- hosts.c: clients that are backends ---- */

/* Before the backend takes flows. */
int dp_host_add(struct dataplane *dp, uint32_t service, const struct serin_addr *addr);
/* Forgets the addresses that no backend has any more. */
int dp_hosts_prune(struct dataplane *dp);

/* ---- hops.c: next hops ---- */

struct dp_hop {
	struct in6_addr address; /* of a backend */
	int ifindex;		 /* out: where the route leads; 0: nowhere */
	bool is_on_link;	 /* out: no gateway is between */
	uint8_t mac[6];		 /* out, if is_resolved */
	bool is_resolved;
};

/* Routes first (an error if one leads to this host), then neighbours, waiting for those that must
 * be asked for at most wait_ms. */
int dp_hops_resolve(struct rtnl *rtnl, struct dp_hop *hops, size_t count, int wait_ms);
uint64_t dp_hop_word(const struct dataplane *dp, const struct dp_hop *hop);

/* ---- targets.c ---- */

struct dp_target {
	struct serin_target_key key;
	uint32_t pool;
};

struct dp_targets {
	struct dp_target *list;
	size_t count;
};

struct serin_target_key dp_target_key(uint32_t service, const struct in6_addr *prefix,
				      uint8_t prefix_len);
/* Leaves of the rules wanted, of all services, those that are to be put: new or with another pool;
 * and fills in those that are to go. -ENOSPC: too many, which it tells. */
int dp_targets_compare(struct dataplane *dp, struct dp_targets *wanted, struct dp_targets *gone);
int dp_targets_write(struct dataplane *dp, const struct dp_targets *put,
		     const struct dp_targets *gone);
/* The rule that holds a client: the kernel's own answer. */
bool dp_target_match(struct dataplane *dp, uint32_t service, const struct serin_addr *client,
		     uint8_t *pool, uint8_t *prefix_len);

/* ---- sources.c: the addresses and ports that fullnat gives flows ---- */

/* Buckets of flows, mapped: of one family. */
struct dp_flow_table {
	struct serin_bucket4 *v4; /* one of these is NULL */
	struct serin_bucket6 *v6;
	uint32_t buckets;
};

bool dp_has_sources(const struct dataplane *dp, uint32_t service);
/* Makes a service's table and counters, empty, before packets can reach it. */
int dp_sources_make(struct dataplane *dp, uint32_t service, const struct model_service *m);
/* Once packets cannot any more. */
void dp_sources_free(struct dataplane *dp, uint32_t service);
/* Whether a running service's are other than the model's. */
bool dp_sources_differ(const struct dataplane *dp, uint32_t service, const struct model_service *m);
struct serin_endpoint dp_source_at(const struct dataplane *dp, uint32_t service, uint32_t position);
/* -ENOENT: it has none. -EPERM: reading it takes CAP_SYS_ADMIN. */
int dp_source_table_open(struct dataplane *dp, uint32_t service, struct dp_flow_table *out);
void dp_source_table_close(struct dp_flow_table *t);
/* All about a fullnat service's ports but how many are in use. */
int dp_ports_read(struct dataplane *dp, uint32_t service, struct snapshot_ports *out);

/* ---- events.c ---- */

/* The low word of the next event's number: events before it tell of others than what is made now. */
uint32_t dp_event_next(const struct dataplane *dp);
/* Of a service that is about to be made. */
/* Into the log, as it is but for when and how many. */
int dp_event_tell(struct dataplane *dp, const struct serin_event *e);
int dp_event_rates_clear(struct dataplane *dp, uint32_t service);

/* ---- flows.c ---- */

/* Jiffies now and ticks per second, for the ages of flows. */
int dp_jiffies(struct dataplane *dp, uint64_t *now);
long dp_ticks_per_second(void);

struct dp_flow {
	struct serin_addr client;
	uint16_t client_port_be;
	uint32_t service;
	uint64_t value; /* see SERIN_FLOW_SEEN_SHIFT and the rest */
	bool has_source;
	uint32_t position; /* if so: in its service's table */
};

typedef int dp_flow_visitor(const struct dp_flow *flow, void *arg);
int dp_each_flow(struct dataplane *dp, dp_flow_visitor *visit, void *arg);
/* Those of the flow table alone, and those of a fullnat service. */
int dp_each_table_flow(struct dataplane *dp, dp_flow_visitor *visit, void *arg);
int dp_each_source_flow(struct dataplane *dp, uint32_t service, dp_flow_visitor *visit, void *arg);
/* The entry of one flow: 0 or -ENOENT. */
int dp_flow_find(struct dataplane *dp, uint32_t service, const struct serin_addr *client,
		 uint16_t port_be, uint64_t *value);
bool dp_flow_is_alive(const struct dataplane *dp, uint64_t value, uint64_t now_jiffies);
uint64_t dp_flow_idle_ms(uint64_t value, uint64_t now_jiffies);
/* Frees every entry that names one of these backends (flags by id), in one walk over the tables. */
void dp_flows_forget(struct dataplane *dp, const uint8_t *is_gone);
/* Frees the entries of services, by id, whose flows are over: one of them may be met again, by
 * another flow of the same client and port, when its service has settled and moves once more. */
void dp_flows_forget_dead(struct dataplane *dp, const uint8_t *is_service, uint64_t now_jiffies);
/* Flows of a service that were born in an epoch or since, and have one of these backends (flags by id),
 * have another from their next packet on; of fullnat with the source ports they have. */
struct dp_flows_move {
	const struct dataplane *dp;
	uint32_t service;
	uint32_t from_epoch;
	const uint8_t *is_from;
	uint32_t to;
	uint64_t now_jiffies;
	size_t *count; /* receives how many living ones there were */
};
int dp_flows_move(struct dataplane *dp, const struct dp_flows_move *m);
/* Sums the counters of all CPUs. */
int dp_flow_counters(struct dataplane *dp, struct serin_flow_counters *out);
