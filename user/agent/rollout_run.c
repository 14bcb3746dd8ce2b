// SPDX-License-Identifier: GPL-2.0-or-later
/* One rollout: what it is told of the world at each look, and what becomes of what it says. */
#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "agent/rollout_internal.h"
#include "judge_live/live_halves.h"
#include "lib/log.h"
#include "lib/net.h"

/* A host that was suspended, or stalled, did not look: what passed meanwhile is no hold. */
#define PASSED_MAX_MS 5000

struct rollout_run *rollout_run_new(struct rollouts *all)
{
	struct rollout_run *run = calloc(1, sizeof(*run));

	if (!run)
		return NULL;
	run->all = all;
	run->question.run = run;
	run->transitions = json_array();
	for (int part = 0; part < STORE_PART_MAX; part++)
		run->news[part] = json_array();
	return run;
}

void rollout_run_free(struct rollout_run *run)
{
	if (!run)
		return;
	rollout_hooks_cancel(run);
	rollout_looks_cancel(run);
	rollout_judge_free(run->judge);
	live_halves_free(run->halves);
	rollout_fini(&run->state);
	json_decref(run->transitions);
	json_decref(run->metrics_json);
	json_decref(run->counted);
	json_decref(run->ended_pools);
	json_decref(run->kernel_steps);
	for (int part = 0; part < STORE_PART_MAX; part++)
		json_decref(run->news[part]);
	free(run->backends);
	free(run);
}

/* ---- what is seen ---- */

void rollout_user_of(uint32_t uid, char *out, size_t size)
{
	struct passwd entry, *found = NULL;
	char text[4096];

	snprintf(out, size, "user %u", uid);
	if (!getpwuid_r(uid, &entry, text, sizeof(text), &found) && found)
		snprintf(out, size, "%s", found->pw_name);
}

void rollout_actor_of(const struct serin_change *last, char out[ROLLOUT_ACTOR_LEN])
{
	char user[32];

	rollout_user_of(last->uid, user, sizeof(user));
	snprintf(out, ROLLOUT_ACTOR_LEN,
		 *last->reason ? "%.20s by %.20s (%.16s)" : "%.20s by %.20s", last->actor, user,
		 last->reason);
}

void rollout_split_of(const struct snapshot_service *svc, struct rollout_split *out)
{
	*out = (struct rollout_split){};
	for (size_t i = 0; i < svc->pool_count && i < SERIN_MAX_POOLS; i++) {
		struct rollout_share *share = &out->of[out->count++];

		memcpy(share->pool, svc->pools[i].name, sizeof(share->pool));
		share->ppm = svc->pools[i].weight_ppm;
	}
	memcpy(out->primary, svc->pools[svc->primary].name, sizeof(out->primary));
}

static const struct snapshot_pool *pool_of(const struct snapshot_service *svc, const char *name)
{
	for (size_t i = 0; i < svc->pool_count; i++)
		if (!strcmp(svc->pools[i].name, name))
			return &svc->pools[i];
	return NULL;
}

static void see_backends(struct rollout_run *run, const struct snapshot_service *svc)
{
	const struct snapshot_pool *pool = pool_of(svc, run->state.production);
	size_t count = pool ? pool->backend_count : 0;
	struct rollout_backend *list = calloc(count + 1, sizeof(*list));

	free(run->backends);
	run->backends = list;
	for (size_t i = 0; list && i < count; i++) {
		const struct snapshot_backend *b = &pool->backends[i];

		net_format_endpoint(&b->address, b->port, list[i].name);
		list[i].is_healthy = !b->is_unhealthy && !b->is_ejected && b->has_hop;
		list[i].is_drained = b->state == SERIN_BACKEND_DRAINING;
	}
	run->look.backends = list;
	run->look.backend_count = list ? count : 0;
}

static bool takes_flows(const struct snapshot_backend *b)
{
	return b->state == SERIN_BACKEND_UP && !b->is_unhealthy && !b->is_ejected && b->has_hop;
}

static bool is_down(const struct snapshot_pool *pool)
{
	for (size_t i = 0; pool && i < pool->backend_count; i++)
		if (takes_flows(&pool->backends[i]))
			return false;
	return pool;
}

static void see(struct rollout_run *run, const struct snapshot *s,
		const struct snapshot_service *svc)
{
	run->look.is_loaded = true;
	rollout_split_of(svc, &run->look.split);
	if (svc->epoch != run->state.epoch)
		rollout_actor_of(&svc->last, run->look.actor);
	run->look.epoch = svc->epoch;
	run->look.seed = svc->seed;
	run->look.is_candidate_down = is_down(pool_of(svc, run->state.candidate));
	rollout_counts_look(run, svc);
	if (run->state.plan.type == STRATEGY_ROLLING)
		see_backends(run, svc);
	rollout_flows_look(run);
	rollout_judge_follow(run, s);
}

static uint64_t pass(struct rollout_run *run)
{
	uint64_t now_ms = rollout_now_ms(),
		 passed_ms = run->looked_ms ? now_ms - run->looked_ms : 0;

	run->looked_ms = now_ms;
	return passed_ms > PASSED_MAX_MS ? PASSED_MAX_MS : passed_ms;
}

/* ---- what it says ---- */

void rollout_run_trouble(struct rollout_run *run, const char *format, ...)
{
	char text[ROLLOUT_WHY_LEN] = "";
	va_list args;

	if (format) {
		va_start(args, format);
		vsnprintf(text, sizeof(text), format, args);
		va_end(args);
	}
	if (*text && strcmp(text, run->trouble))
		log_warning("service %s: the rollout of %s waits: %s", run->state.service,
			    run->state.release, text);
	strcpy(run->trouble, text);
}

/* From 1 on, as screens count; 0: none yet, or there are none. */
static uint32_t number_of(const struct rollout_state *s, const struct rollout_note *note)
{
	bool has_steps = s->plan.type == STRATEGY_ROLLING || s->plan.step_count;

	return has_steps && note->to != ROLLOUT_STARTING ? note->step + 1 : 0;
}

static void log_note(const struct rollout_run *run, const struct rollout_note *note)
{
	char id[24], step[16];
	const struct log_field fields[] = {
		{"service", run->state.service},
		{"release", run->state.release},
		{"rollout", id},
		{"from", rollout_phase_name(note->from)},
		{"to", rollout_phase_name(note->to)},
		{"step", step},
		{"why", note->why},
	};

	snprintf(id, sizeof(id), "%llu", (unsigned long long)run->state.id);
	snprintf(step, sizeof(step), "%u", number_of(&run->state, note));
	log_fields(LOG_LEVEL_INFO, "rollout", fields, sizeof(fields) / sizeof(*fields));
}

static enum metrics_rollback rollback_of(const struct rollout_state *s,
					 const struct rollout_notes *notes)
{
	if (!notes->is_ordered)
		return METRICS_ROLLBACK_BY_ANALYSIS;
	return s->ends_as == ROLLOUT_SUPERSEDED ? METRICS_ROLLBACK_SUPERSEDED
						: METRICS_ROLLBACK_BY_PERSON;
}

void rollout_run_note(struct rollout_run *run, const struct rollout_notes *notes)
{
	for (size_t i = 0; i < notes->count; i++) {
		const struct rollout_note *note = &notes->of[i];
		json_t *row = json_pack(
			"{s:I, s:s, s:s, s:I, s:s}", "at_ms", (json_int_t)rollout_now_unix_ms(),
			"from", rollout_phase_name(note->from), "to", rollout_phase_name(note->to),
			"step", (json_int_t)note->step, "why", note->why);

		log_note(run, note);
		json_array_append(run->transitions, row);
		rollout_run_tell(run, STORE_TRANSITIONS, row);
		rollout_hooks_tell(run, STRATEGY_AT_EVENT, note->why);
		if (note->from == note->to)
			continue;
		if (note->to == ROLLOUT_ROLLING_BACK) {
			rollouts_count_rollback(run->all, run->state.service,
						rollback_of(&run->state, notes));
			rollout_hooks_tell(run, STRATEGY_AT_ROLLBACK, note->why);
		}
		if (rollout_has_ended(note->to))
			rollout_hooks_tell(run, STRATEGY_AT_END, note->why);
	}
	if (notes->count && rollout_run_has_ended(run) && !run->state.ended_ms) {
		run->state.ended_ms = rollout_now_unix_ms();
		rollout_pools_freeze(run);
	}
	run->is_dirty |= notes->count > 0;
}

static const struct snapshot_service *service_of(struct rollout_run *run, const struct snapshot *s)
{
	const struct snapshot_service *svc = s ? snapshot_find_service(s, run->state.service)
					       : NULL;

	if (!svc)
		rollout_run_trouble(run, s ? "no such service is loaded" : "nothing is loaded");
	else if (run->has_left)
		rollout_run_trouble(run, NULL);
	run->has_left = !svc;
	return svc;
}

/* Was the split made so by this rollout, after all that is kept of it? */
static bool is_own_shift(const struct rollout_run *run, const struct snapshot_service *svc)
{
	char own[sizeof(svc->last.reason)];

	rollout_shift_reason(run, "", own, sizeof(own));
	return svc->epoch != run->state.epoch && !strcmp(svc->last.actor, ROLLOUT_ACTOR) &&
	       !strncmp(svc->last.reason, own, strlen(own));
}

/* A candidate is taken back before that is written down. Whoever was killed in between did so. */
static bool was_taken_back(const struct rollout_run *run, const struct snapshot_service *svc)
{
	const struct snapshot_pool *candidate = pool_of(svc, run->state.candidate);
	size_t len = strlen(svc->last.reason), end = strlen(ROLLOUT_BACK);

	return len >= end && !strcmp(svc->last.reason + len - end, ROLLOUT_BACK) && candidate &&
	       !candidate->weight_ppm && run->state.phase != ROLLOUT_ROLLING_BACK;
}

/* What an agent before this one did and could not write down. A weight of that kind is nobody else's: it
 * goes on with what is kept. */
static void take_up(struct rollout_run *run, const struct snapshot_service *svc)
{
	enum rollout_command command = run->state.phase == ROLLOUT_PROMOTED ? ROLLOUT_UNDO
									    : ROLLOUT_ABORT;
	struct rollout_notes notes = {};
	char why[ROLLOUT_WHY_LEN];

	run->is_taken_up = false;
	if (!is_own_shift(run, svc))
		return;
	if (!was_taken_back(run, svc)) {
		rollout_split_of(svc, &run->state.found);
		run->state.is_want_made = false;
	} else if (!rollout_obey(&run->state, command, "the agent before this one",
				 "it was killed before it could say why", &notes, why)) {
		run->state.ended_ms = 0;
		rollout_run_note(run, &notes);
	}
}

void rollout_run_take_up(struct rollout_run *run, const struct snapshot *s)
{
	const struct snapshot_service *svc = s ? snapshot_find_service(s, run->state.service)
					       : NULL;

	if (svc && run->is_taken_up)
		take_up(run, svc);
}

void rollout_run_look(struct rollout_run *run, const struct snapshot *s)
{
	const struct snapshot_service *svc = service_of(run, s);
	struct rollout_notes notes = {};

	run->look.passed_ms = pass(run);
	run->look.is_loaded = false;
	if (svc)
		see(run, s, svc);
	rollout_step(&run->state, &run->look, &notes);
	/* told once */
	run->look = (struct rollout_look){};
	/* what a pause may take for days is not worth a write each second */
	if (run->state.phase != ROLLOUT_PAUSED || run->state.wants != run->kept_wants)
		run->is_dirty = true;
	rollout_run_note(run, &notes);
}
