// SPDX-License-Identifier: GPL-2.0-or-later
/* Makes the world as a rollout wants it: seed and split first, then which backends take new flows. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/rollout_internal.h"
#include "lib/log.h"
#include "lib/net.h"

static uint32_t ppm_of(const struct rollout_split *split, const char *pool)
{
	for (size_t i = 0; i < split->count; i++)
		if (!strcmp(split->of[i].pool, pool))
			return split->of[i].ppm;
	return 0;
}

bool rollout_wants_shift(const struct rollout_run *run)
{
	const struct rollout_state *s = &run->state;

	return s->want.count && !s->is_want_made && !run->has_left &&
	       !(s->phase == ROLLOUT_PAUSED && s->cause == ROLLOUT_BY_FOREIGN);
}

bool rollout_wants_back(const struct rollout_run *run)
{
	const struct rollout_state *s = &run->state;

	return rollout_wants_shift(run) && *s->candidate && !ppm_of(&s->want, s->candidate);
}

/* ---- one change ---- */

/* With the words of whatever refuses it. */
struct change {
	struct rollout_run *run;
	struct dataplane *dp;
	struct live_change account;
	struct dataplane_author author;
	char reason[sizeof(((struct serin_change *)0)->reason)];
	char *words;
	size_t size;
	FILE *messages;
};

/* 0; -EAGAIN: somebody else writes; any other: it cannot be done at all. */
static int change_begin(struct change *c, struct rollout_run *run)
{
	int err;

	*c = (struct change){.run = run};
	c->messages = open_memstream(&c->words, &c->size);
	if (!c->messages)
		return -ENOMEM;
	log_hold(c->messages);
	err = dataplane_probe(run->all->dir);
	if (!err)
		err = dataplane_open(run->all->dir, DATAPLANE_TRY_WRITE, &c->dp);
	if (!err)
		return 0;
	log_release();
	fclose(c->messages);
	free(c->words);
	return err;
}

void rollout_shift_reason(const struct rollout_run *run, const char *what, char *out, size_t size)
{
	snprintf(out, size, "%.40s: %.36s", run->state.release, what);
}

static const struct dataplane_author *author(struct change *c, const char *what)
{
	rollout_shift_reason(c->run, what, c->reason, sizeof(c->reason));
	c->author = (struct dataplane_author){
		.actor = ROLLOUT_ACTOR, .reason = c->reason, .change = &c->account};
	return &c->author;
}

/* Who looks on hears of it once; the record, each time that something was changed. */
static int change_end(struct change *c, int err)
{
	struct rollout_run *run = c->run;

	log_release();
	fclose(c->messages);
	dataplane_close(c->dp);
	c->words[strcspn(c->words, "\n")] = '\0';
	if (err && err != -ESTALE)
		rollout_run_trouble(run, "%s", *c->words ? c->words : strerror(-err));
	else
		rollout_run_trouble(run, NULL);
	keeper_record(run->all->keeper, &c->author, run->state.service, err);
	live_change_fini(&c->account);
	free(c->words);
	return err;
}

/* ---- the split ---- */

static void describe(const struct rollout_run *run, char *out, size_t size)
{
	const struct rollout_state *s = &run->state;

	if (rollout_wants_back(run))
		snprintf(out, size, "%s", ROLLOUT_BACK);
	else if (s->phase == ROLLOUT_STEPPING)
		snprintf(out, size, "step %u of %zu", s->step + 1, s->plan.step_count);
	else
		snprintf(out, size, "%s", rollout_phase_name(s->phase));
}

/* Weights as wanted, of all but the one that is the primary now: it has the rest, as yet. */
static int shift(struct change *c, const struct dataplane_author *by, uint32_t *epoch)
{
	const struct rollout_split *want = &c->run->state.want;
	const char *primary = c->run->state.found.primary;
	struct dataplane_weight weights[SERIN_MAX_POOLS];
	struct dataplane_shift done = {};
	int err;
	struct dataplane_shift_request request = {
		.service = c->run->state.service,
		.weights = weights,
		.expect_epoch = c->run->state.epoch,
		.author = *by,
	};

	for (size_t i = 0; i < want->count; i++)
		if (strcmp(want->of[i].pool, primary))
			weights[request.weight_count++] =
				(struct dataplane_weight){want->of[i].pool, want->of[i].ppm};
	err = dataplane_shift(c->dp, &request, &done);
	*epoch = done.epoch;
	return err;
}

/* Who has everything may become the primary, which moves nobody. */
static int make(struct change *c, const struct dataplane_author *by)
{
	const struct rollout_state *s = &c->run->state;
	struct dataplane_promote_request request = {
		.service = s->service,
		.pool = s->want.primary,
		.author = *by,
	};
	struct dataplane_shift done;
	uint32_t epoch = 0;
	int err = shift(c, by, &epoch);

	if (err || !strcmp(s->want.primary, s->found.primary))
		return err;
	request.expect_epoch = epoch;
	return dataplane_promote(c->dp, &request, &done);
}

int rollout_make_split(struct rollout_run *run)
{
	struct change c;
	char what[40];
	int err = change_begin(&c, run);

	if (err == -EAGAIN)
		return err;
	if (err) {
		rollout_run_trouble(run, "what runs cannot be changed: %s", strerror(-err));
		return 0;
	}
	describe(run, what, sizeof(what));
	err = make(&c, author(&c, what));
	err = change_end(&c, err);
	/* made, or another one's: what is so now is seen at once */
	return !err || err == -ESTALE ? 1 : 0;
}

/* ---- the seed ---- */

bool rollout_wants_seed(const struct rollout_run *run)
{
	return run->state.wants_seed && !run->has_left;
}

/* The next look hears of it, and the rollout goes on without. */
static void refuse_seed(struct rollout_run *run, const char *why)
{
	snprintf(run->look.seed_refusal, sizeof(run->look.seed_refusal), "%s", why);
	rollout_run_trouble(run, NULL);
}

int rollout_make_seed(struct rollout_run *run)
{
	struct change c;
	int err = change_begin(&c, run);

	if (err) {
		if (err != -EAGAIN)
			refuse_seed(run, strerror(-err));
		return err;
	}

	const struct dataplane_seed_request request = {
		.service = run->state.service,
		.seed = run->state.seed,
		.expect_epoch = run->state.epoch,
		.author = *author(&c, "its seed"),
	};

	err = change_end(&c, dataplane_set_seed(c.dp, &request));
	if (err && err != -ESTALE)
		refuse_seed(run, run->trouble);
	return 1;
}

/* ---- backends ---- */

static bool is_in(const char (*list)[64], size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(list[i], name))
			return true;
	return false;
}

static int drain(struct rollout_run *run, const struct snapshot_backend *b, bool is_drained,
		 const char *name)
{
	struct change c;
	char what[64 + 16];
	int err = change_begin(&c, run);

	if (err)
		return err == -EAGAIN ? err : 0;
	snprintf(what, sizeof(what), "%s %s", is_drained ? "drain" : "undrain", name);

	const struct dataplane_drain_request request = {
		.service = run->state.service,
		.drain = is_drained,
		.author = *author(&c, what),
	};

	err = dataplane_drain(c.dp, &request, &b->address, b->port);
	change_end(&c, err < 0 ? err : 0);
	return err ? 0 : 1;
}

/* Before a batch is drained, and when it has been given back, who drains one of it is somebody else. */
static bool was_drained_by(const struct rollout_state *s, const char *name)
{
	enum rollout_phase phase = s->phase == ROLLOUT_PAUSED ? s->resumes_to : s->phase;

	return is_in(s->batch, s->batch_count, name) &&
	       !(phase == ROLLOUT_STEPPING &&
		 (s->stage == ROLLOUT_GATE || s->stage > ROLLOUT_HOLD));
}

/* Those that this rollout drains, and those of its own that it has drained before. */
static int make_drains(struct rollout_run *run, const struct snapshot_pool *pool)
{
	const struct rollout_state *s = &run->state;
	int result = 0;

	for (size_t i = 0; i < pool->backend_count; i++) {
		const struct snapshot_backend *b = &pool->backends[i];
		bool is_drained = b->state == SERIN_BACKEND_DRAINING, is_wanted;
		char name[NET_ENDPOINT_LEN];

		if (b->state == SERIN_BACKEND_LEAVING)
			continue;
		net_format_endpoint(&b->address, b->port, name);
		is_wanted = is_in(s->drained, s->drain_count, name);
		if (is_wanted != is_drained && (is_wanted || was_drained_by(s, name)))
			result |= drain(run, b, is_wanted, name);
	}
	return result;
}

int rollout_make_rest(struct rollout_run *run, const struct snapshot *s)
{
	const struct snapshot_service *svc = s ? snapshot_find_service(s, run->state.service)
					       : NULL;
	int result = 0;

	if (!svc || rollout_run_has_ended(run))
		return 0;
	if (run->state.plan.type != STRATEGY_ROLLING)
		return rollout_flows_remember(run) || rollout_flows_reset(run);
	for (size_t i = 0; i < svc->pool_count; i++)
		if (!strcmp(svc->pools[i].name, run->state.production))
			result = make_drains(run, &svc->pools[i]);
	return result;
}
