// SPDX-License-Identifier: GPL-2.0-or-later
/* What people ask of rollouts. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "agent/rollout_internal.h"
#include "config/suggest.h"

#define TURNS_MAX 4 /* a look and a seed, a look and a shift, and looks at what became of it */

__attribute__((format(printf, 3, 4))) static int refuse(int err, char *why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, ROLLOUT_WHY_LEN, format, args);
	va_end(args);
	return err;
}

static int answer(struct rollout_run *run, const char *message, json_t **out)
{
	struct snapshot *s = rollouts_snapshot(run->all);
	json_t *view = rollout_view_json(run, s);

	snapshot_free(s);
	*out = view ? json_pack("{s:o, s:s}", "rollout", view, "message", message) : NULL;
	return *out ? 0 : -ENOMEM;
}

/* "root by API" */
static void read_who(const struct rollouts_order *order, char out[ROLLOUT_ACTOR_LEN])
{
	char user[40];

	rollout_user_of(order->uid, user, sizeof(user));
	snprintf(out, ROLLOUT_ACTOR_LEN, "%s", user);
}

static void turn_until(struct rollouts *r, const struct rollout_run *run, bool is_ended)
{
	for (int i = 0; i < TURNS_MAX; i++) {
		rollouts_turn(r);
		if (is_ended && rollout_run_has_ended(run))
			break;
	}
}

/* A candidate that an agent which restarts does not know of would keep its weight, and nobody looked. */
static int refuse_unkept(char *why)
{
	return refuse(-EROFS, why,
		      "the state database cannot be written (the agent's log says why), so that an "
		      "agent that restarts would not know of this rollout: nothing was started");
}

/* ---- to one there is ---- */

static int obey(struct rollout_run *run, enum rollout_command command, const char *who,
		const char *reason, char *why)
{
	struct rollout_notes notes = {};
	int err = rollout_obey(&run->state, command, who, reason, &notes, why);

	if (err)
		return err == -EINVAL ? -ESTALE : err;
	if (!rollout_run_has_ended(run))
		run->state.ended_ms = 0;
	run->is_dirty = true;
	rollout_run_note(run, &notes);
	return 0;
}

/* What was done by hand a moment ago is known before anything is said to it. */
static void look_first(struct rollouts *r, struct rollout_run *run)
{
	struct snapshot *s;

	if (rollout_run_has_ended(run))
		return;
	s = rollouts_snapshot(r);
	rollout_run_look(run, s);
	snapshot_free(s);
}

static int answer_dry(const char *message, json_t **out)
{
	*out = json_pack("{s:n, s:s}", "rollout", "message", message);
	return *out ? 0 : -ENOMEM;
}

/* What it would say, told by a copy, which has nothing of its own to free. */
static int obey_dry(const struct rollout_run *run, enum rollout_command command, json_t **out,
		    char *why)
{
	struct rollout_state *copy = malloc(sizeof(*copy));
	struct rollout_notes notes = {};
	char message[ROLLOUT_WHY_LEN];
	int err;

	if (!copy)
		return refuse(-ENOMEM, why, "out of memory");
	*copy = run->state;
	err = rollout_obey(copy, command, NULL, NULL, &notes, why);
	if (!err)
		snprintf(message, sizeof(message), "%s: %s of %s would be %s, and is %s",
			 rollout_command_name(command), copy->service, copy->release,
			 rollout_phase_name(copy->phase), rollout_phase_name(run->state.phase));
	free(copy);
	if (err)
		return err == -EINVAL ? -ESTALE : err;
	return answer_dry(message, out);
}

static int command(struct rollouts *r, const struct rollouts_order *order, json_t **out, char *why)
{
	struct rollout_run *run = rollouts_find(r, order->service, 0);
	char who[ROLLOUT_ACTOR_LEN], message[ROLLOUT_WHY_LEN];
	int err;

	if (!run)
		return refuse(-ENOENT, why, "service %s has had no rollout", order->service);
	if (order->id && (int64_t)run->state.id != order->id)
		return refuse(-ESTALE, why,
			      "rollout %lld is not the one under way: that is %llu (%s)",
			      (long long)order->id, (unsigned long long)run->state.id,
			      run->state.release);
	if (order->command == ROLLOUT_RETRY && !rollouts_can_keep(r))
		return refuse_unkept(why);
	look_first(r, run);
	if (order->is_dry_run)
		return obey_dry(run, order->command, out, why);
	read_who(order, who);
	err = obey(run, order->command, who, order->reason, why);
	if (err)
		return err;
	turn_until(r, run, true);
	snprintf(message, sizeof(message), "%s: %s of %s is %s",
		 rollout_command_name(order->command), run->state.service, run->state.release,
		 rollout_phase_name(run->state.phase));
	return answer(run, message, out);
}

/* ---- a new one ---- */

static const struct rollouts_service *find_service(const struct rollouts *r, const char *name)
{
	for (size_t i = 0; i < r->service_count; i++)
		if (!strcmp(r->services[i].name, name))
			return &r->services[i];
	return NULL;
}

static int refuse_strategy(const struct rollouts *r, const char *name, char *why)
{
	struct suggest near = {.text = name};
	char hint[SUGGEST_HINT_LEN];

	for (size_t i = 0; i < r->strategy_count; i++)
		suggest_offer(&near, r->strategies[i].name);
	return refuse(-EINVAL, why, "the agent's file has no strategy \"%.40s\"%s", name,
		      suggest_hint(&near, hint));
}

static int find_strategy(const struct rollouts *r, const struct rollouts_order *order,
			 const struct model_strategy **out, char *why)
{
	const struct rollouts_service *svc = find_service(r, order->service);
	const char *name = order->strategy;

	if (!name && svc && *svc->strategy)
		name = svc->strategy;
	if (!name)
		return refuse(
			-EINVAL, why,
			"service %s has no strategy in the agent's file; name one, or give it "
			"one there (strategy: NAME) and reload",
			order->service);
	for (size_t i = 0; i < r->strategy_count; i++)
		if (!strcmp(r->strategies[i].name, name)) {
			*out = &r->strategies[i];
			return 0;
		}
	return refuse_strategy(r, name, why);
}

/* Whoever starts another release has the one before taken back, by that one's own rules. */
static int supersede(struct rollouts *r, const struct rollouts_order *order, const char *who,
		     char *told, char *why)
{
	struct rollout_run *old = rollouts_find(r, order->service, 0);
	char reason[ROLLOUT_WHY_LEN];
	int err;

	if (!old || rollout_run_has_ended(old))
		return 0;
	snprintf(reason, sizeof(reason), "%.60s takes its place", order->release);
	err = obey(old, ROLLOUT_SUPERSEDE, who, reason, why);
	if (err)
		return err;
	turn_until(r, old, true);
	if (!rollout_run_has_ended(old))
		return refuse(-ESTALE, why, "%s is still being taken back; start again when it is",
			      old->state.release);
	snprintf(told, ROLLOUT_WHY_LEN, "in the place of rollout %llu (%s)",
		 (unsigned long long)old->state.id, old->state.release);
	return 0;
}

/* Where the database cannot tell which ids there were: none that it can have. */
static uint64_t next_id(struct rollouts *r)
{
	int64_t last = 0;
	int err = keeper_keeps(r->keeper) ? store_rollouts_last_id(keeper_store(r->keeper), &last)
					  : 0;

	if (err && err != -ENOENT)
		last = rollout_now_unix_ms() / 1000;
	if (last > r->last_id)
		r->last_id = last;
	return (uint64_t)++r->last_id;
}

/* The service's split as it is now. */
static int look_at(struct rollouts *r, const struct rollouts_order *order, struct rollout_begin *b,
		   char *why)
{
	struct snapshot *s = rollouts_snapshot(r);
	const struct snapshot_service *svc = s ? snapshot_find_service(s, order->service) : NULL;
	int err = 0;

	if (!s)
		err = refuse(-ENODEV, why, "nothing is loaded: run `serin apply FILE`");
	else if (!svc)
		err = refuse(-ENOENT, why, "no service \"%.40s\" is loaded", order->service);
	else
		rollout_split_of(svc, &b->split);
	if (svc) {
		b->epoch = svc->epoch;
		b->seed = model_release_seed(svc->file_seed, order->release);
	}
	snapshot_free(s);
	return err;
}

static int begin_state(struct rollouts *r, struct rollout_begin *b,
		       const struct rollouts_order *order, struct rollout_state *out, char *why)
{
	const struct rollouts_service *svc = find_service(r, order->service);

	b->service = order->service;
	b->release = order->release;
	b->primary = svc ? svc->primary : NULL;
	b->now_unix_ms = rollout_now_unix_ms();
	return rollout_begin(out, b, why);
}

static int begin(struct rollouts *r, struct rollout_begin *b, const struct rollouts_order *order,
		 struct rollout_run **out, char *why)
{
	struct rollout_run *run = rollout_run_new(r);
	int err;

	if (!run)
		return refuse(-ENOMEM, why, "out of memory");
	err = begin_state(r, b, order, &run->state, why);
	if (err) {
		rollout_run_free(run);
		return err;
	}
	run->state.id = next_id(r);
	run->first_epoch = b->epoch + 1;
	rollouts_release_of(r, order->service, run->state.production, run->production_release);
	snprintf(run->reason, sizeof(run->reason), "%s", order->reason);
	rollouts_add(r, run);
	*out = run;
	return 0;
}

static void note_begin(struct rollout_run *run, const char *told)
{
	struct rollout_notes notes = {.count = 1};
	struct rollout_note *note = &notes.of[0];

	note->from = note->to = run->state.phase;
	snprintf(note->why, sizeof(note->why), "%s by %.60s%s%.80s%s%.80s", "started", run->who,
		 *run->reason ? ": " : "", run->reason, *told ? ", " : "", told);
	rollout_run_note(run, &notes);
}

/* The split that there will be when it has taken the place of the one under way. */
static int split_after(struct rollouts *r, const struct rollouts_order *order,
		       struct rollout_split *split, char *why)
{
	struct rollout_run *old = rollouts_find(r, order->service, 0);
	struct rollout_notes notes = {};
	struct rollout_state *state;
	int err;

	if (!old || rollout_run_has_ended(old))
		return 0;
	state = malloc(sizeof(*state));
	if (!state)
		return refuse(-ENOMEM, why, "out of memory");
	*state = old->state; /* its plan stays the old one's */
	state->found = *split;
	err = rollout_obey(state, ROLLOUT_SUPERSEDE, NULL, NULL, &notes, why);
	if (!err && state->phase == ROLLOUT_ROLLING_BACK)
		*split = state->want;
	free(state);
	return err;
}

/* Who asks twice for the same, as a job does that is tried again, takes nothing back by it. */
static int check_is_new(struct rollouts *r, const struct rollouts_order *order,
			const struct model_strategy *strategy, char *why)
{
	const struct rollout_run *old = rollouts_find(r, order->service, 0);

	if (!old || rollout_run_has_ended(old) || strcmp(old->state.release, order->release) ||
	    strcmp(old->state.plan.name, strategy->name))
		return 0;
	return refuse(-ESTALE, why,
		      "%s by %s is under way already: rollout %llu is %s; nothing was changed",
		      old->state.release, strategy->name, (unsigned long long)old->state.id,
		      rollout_phase_name(old->state.phase));
}

/* Would it be taken? A release that cannot begin supersedes nobody. */
static int check(struct rollouts *r, const struct rollouts_order *order, char *why)
{
	struct rollout_state *state = NULL;
	struct rollout_begin b = {};
	int err = look_at(r, order, &b, why);

	if (!err)
		err = find_strategy(r, order, &b.strategy, why);
	if (!err)
		err = check_is_new(r, order, b.strategy, why);
	if (!err)
		err = split_after(r, order, &b.split, why);
	if (!err)
		state = malloc(sizeof(*state));
	if (!err && !state)
		err = refuse(-ENOMEM, why, "out of memory");
	if (!err)
		err = begin_state(r, &b, order, state, why);
	if (!err)
		rollout_fini(state);
	free(state);
	return err || rollouts_can_keep(r) ? err : refuse_unkept(why);
}

/* Room for a few bytes may be none for all of it. */
static int keep_begin(struct rollouts *r, struct rollout_run *run, char *why)
{
	rollouts_keep(r);
	if (!keeper_keeps(r->keeper) || !run->is_dirty)
		return 0;
	rollouts_remove(r, run);
	return refuse_unkept(why);
}

static bool is_standing_by(const struct rollout_state *s)
{
	return (s->phase == ROLLOUT_PAUSED ? s->resumes_to : s->phase) == ROLLOUT_STANDBY;
}

/* It has been checked. */
static int start_dry(struct rollouts *r, const struct rollouts_order *order, json_t **out,
		     char *why)
{
	const struct rollout_run *old = rollouts_find(r, order->service, 0);
	const struct model_strategy *strategy = NULL;
	char message[ROLLOUT_WHY_LEN];
	int err = find_strategy(r, order, &strategy, why), len;

	if (err)
		return err;
	len = snprintf(message, sizeof(message), "%s would begin by %s (%s, %zu steps)",
		       order->release, strategy->name, strategy_type_name(strategy->type),
		       strategy->step_count);
	if (old && !rollout_run_has_ended(old))
		snprintf(message + len, sizeof(message) - (size_t)len,
			 "; before, rollout %llu (%s, %s) would be %s",
			 (unsigned long long)old->state.id, old->state.release,
			 rollout_phase_name(old->state.phase),
			 is_standing_by(&old->state) ? "promoted" : "taken back");
	return answer_dry(message, out);
}

static int start(struct rollouts *r, const struct rollouts_order *order, json_t **out, char *why)
{
	char who[ROLLOUT_ACTOR_LEN], told[ROLLOUT_WHY_LEN] = "", message[ROLLOUT_WHY_LEN];
	struct rollout_begin b = {};
	struct rollout_run *run = NULL;
	int err = check(r, order, why);

	if (!err && order->is_dry_run)
		return start_dry(r, order, out, why);
	read_who(order, who);
	if (!err)
		err = supersede(r, order, who, told, why);
	if (!err)
		err = look_at(r, order, &b, why);
	if (!err)
		err = find_strategy(r, order, &b.strategy, why);
	if (!err)
		err = begin(r, &b, order, &run, why);
	if (err)
		return err;
	strcpy(run->who, who);
	note_begin(run, told);
	err = keep_begin(r, run, why);
	if (err)
		return err;
	turn_until(r, run, true);
	snprintf(message, sizeof(message), "rollout %llu of %s began%s%.120s",
		 (unsigned long long)run->state.id, run->state.release, *told ? ", " : "", told);
	return answer(run, message, out);
}

int rollouts_order(struct rollouts *r, const struct rollouts_order *order, json_t **out,
		   char why[ROLLOUT_WHY_LEN])
{
	return order->is_start ? start(r, order, out, why) : command(r, order, out, why);
}
