// SPDX-License-Identifier: GPL-2.0-or-later
/* apply: from a model to what runs. Plan, program, NICs, maps; how each is made is told elsewhere. */
#include "dataplane/plan.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/routes.h"
#include "dataplane/upgrade.h"
#include "lib/log.h"

#define NEIGHBOUR_WAIT_MS 2000
#define GATEWAY_WAIT_MS	  20

/* While old ports are in use there may be no room for all new ones, which come when these go. */
static int commit_ports(struct dataplane *dp, const struct plan *p)
{
	int error = dp_ports_write(dp, &p->ports);

	return error == -ENOSPC ? 0 : error;
}

static int drop_ports(struct dataplane *dp, const struct plan *p)
{
	dp_ports_keep(dp, &p->ports);
	return dp_ports_write(dp, &p->ports);
}

static int commit_vips(struct dataplane *dp, struct rtnl *rtnl)
{
	int error = dp_vips_sync(dp, rtnl);

	if (error)
		log_error("cannot write down the VIPs: %s", strerror(-error));
	return error;
}

/* Gateways that must be asked for answer within milliseconds, if at all; clients of those that do
 * not are found by their frames. */
static void commit_routes(struct dataplane *dp, struct rtnl *rtnl)
{
	if (!dp_routes_sync(dp, rtnl, true))
		return;
	poll(NULL, 0, GATEWAY_WAIT_MS);
	dp_routes_sync(dp, rtnl, true);
}

static int commit_attach(struct dataplane *dp, const struct plan *p)
{
	int error = 0;

	for (size_t i = 0; !error && i < p->model->interface_count; i++) {
		struct dp_interface again = p->interfaces[i];

		if (again.is_attached)
			continue;
		error = dp_interface_attach(dp, &again);
		if (!error || !again.had_other_mode)
			continue;
		again.mode = again.mode == MODEL_XDP_NATIVE ? MODEL_XDP_GENERIC : MODEL_XDP_NATIVE;
		dp_interface_attach(dp, &again); /* as it was */
	}
	return error;
}

/* Nothing is there yet: everything is made aside, attached, and becomes visible by one rename. */
static int commit_fresh(struct dataplane *dp, struct rtnl *rtnl, struct plan *p,
			const struct dataplane_author *author)
{
	int error = dp_stage(dp);

	if (!error)
		error = commit_ports(dp, p);
	if (!error)
		error = plan_commit(dp, p, author);
	if (!error)
		error = commit_vips(dp, rtnl);
	if (error)
		return error;
	commit_routes(dp, rtnl);
	error = commit_attach(dp, p);
	return error ? error : dp_publish(dp);
}

struct unwanted {
	struct plan *plan;
	struct dataplane *dp;
	char names[SERIN_MAX_PORTS][IF_NAMESIZE];
	size_t count;
};

/* Links whose NIC is no longer wanted, or not in that mode, or has been made anew since. */
static int note_unwanted(const char *name, uint32_t ifindex, void *arg)
{
	struct unwanted *u = arg;

	for (size_t i = 0; i < u->plan->model->interface_count; i++) {
		const struct dp_interface *wanted = &u->plan->interfaces[i];

		if (!strcmp(wanted->name, name) && wanted->is_attached &&
		    (uint32_t)wanted->link.ifindex == ifindex)
			return 0;
	}
	if (u->count < SERIN_MAX_PORTS)
		snprintf(u->names[u->count++], IF_NAMESIZE, "%s", name);
	return 0;
}

static bool is_wanted_name(const struct plan *p, const char *name)
{
	for (size_t i = 0; i < p->model->interface_count; i++)
		if (!strcmp(p->model->interfaces[i].name, name))
			return true;
	return false;
}

static int detach_unwanted(struct dataplane *dp, const struct unwanted *u, bool is_wanted)
{
	int error = 0;

	for (size_t i = 0; !error && i < u->count; i++)
		if (is_wanted_name(u->plan, u->names[i]) == is_wanted)
			error = dp_interface_detach(dp, u->names[i]);
	return error;
}

static int commit_running(struct dataplane *dp, struct rtnl *rtnl, struct plan *p,
			  const struct unwanted *u, const struct dataplane_author *author)
{
	int error = dp_upgrade(dp);

	if (!error)
		error = detach_unwanted(dp, u, true); /* to be attached anew, in another mode */
	if (!error)
		error = commit_ports(dp, p);
	if (!error)
		error = commit_attach(dp, p);
	if (error)
		return error;
	commit_routes(dp, rtnl);
	error = dp_backend_reap(dp, p->keeps_backend);
	if (!error)
		error = plan_commit(dp, p, author);
	if (!error)
		error = commit_vips(dp, rtnl);
	if (!error)
		error = detach_unwanted(dp, u, false);
	if (!error)
		error = drop_ports(dp, p);
	if (error)
		log_error("the file was applied in part; what runs forwards, and applying again "
			  "goes on");
	return error;
}

static int prepare_program(struct dataplane *dp, struct plan *p, bool is_fresh)
{
	const struct model_limits *limits = &p->model->limits;
	char told[DP_UPGRADE_LEN] = "";
	int error = is_fresh ? 0 : dp_upgrade_prepare(dp, told);

	if (error)
		return error;
	if (is_fresh)
		plan_tell(p, "+ program: serin %s, room for %u services, %u backends, %u flows",
			  SERIN_VERSION, dp->meta.max_services, dp->meta.max_backends,
			  dp->meta.max_flows);
	else if (limits->services != dp->meta.max_services ||
		 limits->backends != dp->meta.max_backends || limits->flows != dp->meta.max_flows ||
		 limits->targets != dp->meta.max_targets)
		log_warning("limits differ from those of the running maps; they take effect after "
			    "`serin detach` and `serin apply`");
	if (*told)
		plan_tell(p, "%s", told);
	return error;
}

struct apply_options {
	const struct dataplane_author *author;
	bool dry_run;
	FILE *changes;
	char **told; /* what the plan has told, to be passed on to changes once it is so */
};

/* Everything that can be refused, and every difference told; nothing is written. */
static int make_plan(struct dataplane *dp, struct rtnl *rtnl, struct plan *p, struct unwanted *u)
{
	bool is_fresh = !dp->is_published;
	int error = plan_build(dp, rtnl, p), reaped;

	if (!error && !is_fresh) {
		reaped = dp_backend_tell_reap(dp, p->keeps_backend, p->settles, p->changes);
		error = reaped < 0 ? reaped : 0;
		p->change_count += reaped > 0 ? (size_t)reaped : 0;
	}
	if (!error && !is_fresh)
		error = dp_each_link(dp, note_unwanted, u);
	for (size_t i = 0; !error && i < u->count; i++)
		if (!is_wanted_name(p, u->names[i]))
			plan_tell(p, "- interface %s", u->names[i]);
	if (!error && !p->change_count)
		fputs("no changes\n", p->changes);
	return error;
}

/* What has settled meanwhile does so first, whatever becomes of the rest; a dry run only tells. */
static int settle(struct dataplane *dp, struct plan *p, bool dry_run)
{
	int count;

	p->settles = calloc(dp->meta.max_services + 1, 1);
	if (!p->settles)
		return -ENOMEM;
	count = dp_settle_find(dp, p->settles);
	for (uint32_t id = 0; count > 0 && id < dp->meta.max_services; id++)
		if (p->settles[id])
			plan_tell(p,
				  "~ service %s: settles: nobody depends on its earlier choices "
				  "any more",
				  dp->info[id].name);
	return count < 0 || dry_run ? count : dp_settle(dp, p->settles);
}

/* Of a first load that failed nothing is left. */
static int commit(struct dataplane *dp, struct rtnl *rtnl, struct plan *p, struct unwanted *u,
		  const struct apply_options *options)
{
	struct live_change *change = options->author->change;
	bool is_fresh = !dp->is_published;
	int error;

	dp_change_begin(dp, options->author, -1);
	error = is_fresh ? commit_fresh(dp, rtnl, p, options->author)
			 : commit_running(dp, rtnl, p, u, options->author);
	fflush(p->changes);
	if (!change)
		return error;
	if (!error || !is_fresh)
		dp_change_end(dp, options->author, -1);
	change->is_made = error || p->change_count;
	change->told = strdup(*options->told);
	return error;
}

static int run_plan(struct dataplane *dp, struct rtnl *rtnl, struct plan *p,
		    const struct apply_options *options)
{
	struct unwanted u = {.plan = p, .dp = dp};
	bool is_fresh = !dp->is_published;
	int error = prepare_program(dp, p, is_fresh);

	if (!error && !is_fresh)
		error = settle(dp, p, options->dry_run);
	if (error >= 0)
		error = make_plan(dp, rtnl, p, &u);
	if (error)
		return error;
	if (!options->dry_run)
		error = commit(dp, rtnl, p, &u, options);
	fflush(p->changes);
	if (!error)
		fputs(*options->told, options->changes);
	return error;
}

static int detach_staged(const char *name, uint32_t ifindex, void *arg)
{
	(void)ifindex;
	return dp_interface_detach(arg, name);
}

static void drop_staging(struct dataplane *dp)
{
	char path[PATH_MAX];

	dp_each_link(dp, detach_staged, dp);
	if (snprintf(path, sizeof(path), "%s/%s", dp->dir, DP_STAGING_DIR) < PATH_MAX)
		dp_remove_tree(path);
}

int dataplane_apply(const char *dir, const struct model *m, const struct dataplane_author *author,
		    bool dry_run, FILE *changes)
{
	char *told = NULL;
	size_t told_len = 0;
	const struct apply_options options = {author, dry_run, changes, &told};
	struct plan plan = {.model = m, .changes = open_memstream(&told, &told_len)};
	bool is_fresh = false;
	struct rtnl *rtnl = NULL;
	struct dataplane dp;
	int error;

	dp_init(&dp, dir, DATAPLANE_WRITE);
	error = plan.changes ? rtnl_open(&rtnl) : -ENOMEM;
	if (!error) /* before the lock: neighbours may take their time, operators must not wait */
		error = plan_resolve(rtnl, &plan, NEIGHBOUR_WAIT_MS);
	if (!error)
		error = dp_lock(&dp, !dry_run);
	if (!error || (dry_run && error == -ENOENT))
		error = dp_open_pins(&dp);
	is_fresh = error == -ENOENT && !dp.is_published;
	if (is_fresh)
		error = dp_load(&dp, m);
	if (!error)
		error = run_plan(&dp, rtnl, &plan, &options);
	if (error && is_fresh && !dry_run && dp.lock_fd >= 0) {
		drop_staging(&dp);
		rmdir(dp.dir);
	}
	if (plan.changes)
		fclose(plan.changes);
	free(told);
	plan_fini(&plan);
	rtnl_close(rtnl);
	dp_fini(&dp);
	return error;
}
