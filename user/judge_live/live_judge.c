// SPDX-License-Identifier: GPL-2.0-or-later
#include "judge_live/live_judge.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/dataplane.h"
#include "judge/seq_rank.h"
#include "observe/latency.h"
#include "observe/signals.h"

static const enum serin_latency latency_of[SEQ_LATENCY_MAX] = {
	[SEQ_HANDSHAKE] = SERIN_LATENCY_HANDSHAKE,
	[SEQ_FIRST_BYTE] = SERIN_LATENCY_FIRST_BYTE,
};

static const char *const skip_names[] = {
	"",
	"the service or a pool is gone",
	"counting begins anew",
	"too long since the last look",
	"counters went back",
};
_Static_assert(sizeof(skip_names) / sizeof(*skip_names) == LIVE_SKIP_MAX, "a name each");

const char *live_skip_name(enum live_skip skip)
{
	return (unsigned int)skip < LIVE_SKIP_MAX ? skip_names[skip] : "?";
}

void live_options_init(struct seq_options *o)
{
	static const double weight[SEQ_TEST_MAX] = {
		[SEQ_FAILURES] = 0.6,
		[SEQ_FIRST_BYTE_RANK] = 0.2,
		[SEQ_FIRST_BYTE_P90] = 0.1,
		[SEQ_FIRST_BYTE_P99] = 0.1,
	};

	seq_options_init(o);
	memcpy(o->weight, weight, sizeof(weight));
	o->harm.rank = 0.05; /* machines differ */
	o->repeats = LIVE_REPEATS;
	o->look_most = LIVE_LOOK_MOST;
	o->floor = LIVE_FLOOR;
}

/* ---- roles ---- */

static const struct snapshot_pool *find_pool(const struct snapshot_service *svc, const char *name)
{
	for (size_t i = 0; i < svc->pool_count; i++)
		if (!strcmp(svc->pools[i].name, name))
			return &svc->pools[i];
	return NULL;
}

static void set_name(char out[SERIN_NAME_LEN], const char *name)
{
	memset(out, 0, SERIN_NAME_LEN);
	snprintf(out, SERIN_NAME_LEN, "%s", name);
}

static int set_roles(struct live_roles *out, const struct snapshot_service *svc,
		     const char *const pool[SEQ_ROLE_MAX])
{
	if (!signal_scope_is_seen(SIGNAL_OF_SAMPLES, svc))
		return -ENOTSUP;
	set_name(out->service, svc->name);
	for (int role = 0; role < SEQ_ROLE_MAX; role++)
		set_name(out->pool[role], pool[role]);
	return 0;
}

int live_roles_init(struct live_roles *out, const struct snapshot *s, const char *service,
		    const char *canary, const char *baseline)
{
	const struct snapshot_service *svc = snapshot_find_service(s, service);
	const char *primary = svc ? svc->pools[svc->primary].name : "";

	if (!*baseline)
		baseline = primary;
	if (!svc || !find_pool(svc, canary) || !find_pool(svc, baseline))
		return -ENOENT;
	if (!strcmp(canary, primary) || !strcmp(canary, baseline))
		return -EINVAL;
	return set_roles(
		out, svc,
		(const char *[]){canary, baseline, strcmp(baseline, primary) ? primary : ""});
}

int live_roles_init_promoted(struct live_roles *out, const struct snapshot *s, const char *service,
			     const char *old_primary)
{
	const struct snapshot_service *svc = snapshot_find_service(s, service);
	const char *primary = svc ? svc->pools[svc->primary].name : "";

	if (!svc || !find_pool(svc, old_primary))
		return -ENOENT;
	if (!strcmp(old_primary, primary))
		return -EINVAL;
	return set_roles(out, svc, (const char *[]){primary, old_primary, ""});
}

static bool has_role(const struct live_judge *j, int role)
{
	return *j->roles.pool[role];
}

/* The pools of a service by role. NULL: there is none for it. */
struct cast {
	const struct snapshot_service *svc;
	const struct snapshot_pool *pool[SEQ_ROLE_MAX];
};

static int find_cast(const struct live_judge *j, const struct snapshot *s, struct cast *out)
{
	*out = (struct cast){.svc = snapshot_find_service(s, j->roles.service)};
	if (!out->svc)
		return -ENOENT;
	for (int role = 0; role < SEQ_ROLE_MAX; role++) {
		if (!has_role(j, role))
			continue;
		out->pool[role] = find_pool(out->svc, j->roles.pool[role]);
		if (!out->pool[role] || !out->pool[role]->latencies)
			return -ENOENT;
	}
	return 0;
}

/* Whether they are those that were counted. */
static bool is_same_cast(const struct live_judge *j, const struct cast *cast)
{
	if (cast->svc->id != j->service_id)
		return false;
	for (int role = 0; role < SEQ_ROLE_MAX; role++)
		if (cast->pool[role] && cast->pool[role]->slot != j->slot[role])
			return false;
	return true;
}

/* ---- counters ---- */

/*
 * Each flow when it is known how it began, TCP's and UDP's; and, once more, when it is reset before data:
 * so that a failure is always one of this tick's, as the tests want it.
 */
static uint64_t known_flows(const struct serin_signals *s)
{
	return s->handshakes + s->answered + s->sampled_refused + s->sampled_unreachables +
	       s->resets_before_data + s->timed_out + s->unanswered;
}

static void count_pool(const struct snapshot_pool *pool, struct live_counts *out)
{
	const struct serin_signals *s = &pool->counters.signals;

	out->flows = known_flows(s);
	out->failures = s->failures;
	out->resets = s->resets_after_data;
	for (int i = 0; i < SEQ_LATENCY_MAX; i++)
		out->latency[i] = pool->latencies->of[latency_of[i]];
}

/* What it had counted is taken, and nothing told. */
static void take_counts(struct live_judge *j, const struct cast *cast)
{
	j->service_id = cast->svc->id;
	j->has_latency = 0;
	for (int i = 0; i < SEQ_LATENCY_MAX; i++)
		if (latency_is_seen(&latencies[latency_of[i]], cast->svc))
			j->has_latency |= 1u << i;
	for (int role = 0; role < SEQ_ROLE_MAX; role++) {
		if (!cast->pool[role])
			continue;
		j->slot[role] = cast->pool[role]->slot;
		count_pool(cast->pool[role], &j->last[role]);
	}
}

static bool subtract_histogram(const struct serin_histogram *now, const struct serin_histogram *was,
			       struct serin_histogram *out)
{
	if (now->sum_us < was->sum_us)
		return false;
	out->sum_us = now->sum_us - was->sum_us;
	for (uint32_t i = 0; i < SERIN_BUCKETS; i++) {
		if (now->bucket[i] < was->bucket[i])
			return false;
		out->bucket[i] = now->bucket[i] - was->bucket[i];
	}
	return true;
}

static bool subtract(const struct live_counts *now, const struct live_counts *was,
		     struct live_gain *out)
{
	if (now->flows < was->flows || now->failures < was->failures || now->resets < was->resets)
		return false;
	out->flows = now->flows - was->flows;
	out->failures = now->failures - was->failures;
	out->resets = now->resets - was->resets;
	for (int i = 0; i < SEQ_LATENCY_MAX; i++)
		if (!subtract_histogram(&now->latency[i], &was->latency[i], &out->latency[i]))
			return false;
	return true;
}

/* Of weights in millionths, one flow in 2^shift sampled: whole numbers. */
static uint64_t share_of(const struct snapshot_pool *pool)
{
	return (uint64_t)pool->weight_ppm << (SERIN_SAMPLE_SHIFT_MAX - pool->sample_shift);
}

static enum live_skip compare(const struct live_judge *j, const struct cast *cast,
			      struct live_tick *out)
{
	struct live_counts now;

	if (!j->at_ms || !is_same_cast(j, cast))
		return LIVE_FIRST;
	if (out->at_ms < j->at_ms || out->span_ms > LIVE_GAP_MS)
		return LIVE_LATE;
	for (int role = 0; role < SEQ_ROLE_MAX; role++) {
		if (!cast->pool[role])
			continue;
		count_pool(cast->pool[role], &now);
		if (!subtract(&now, &j->last[role], &out->of[role]))
			return LIVE_BACK;
		out->of[role].weight_ppm = cast->pool[role]->weight_ppm;
		out->of[role].share = share_of(cast->pool[role]);
	}
	return LIVE_TOLD;
}

/* ---- the judge ---- */

/* As the tests see it: what is alike is in one bucket. */
static void make_alike(const struct serin_histogram *h, struct serin_histogram *out)
{
	uint32_t least = serin_latency_bucket(LIVE_ALIKE_US);

	*out = *h;
	for (uint32_t i = 0; i < least; i++) {
		out->bucket[least] += h->bucket[i];
		out->bucket[i] = 0;
	}
}

/* From the next tick on, for what is frozen must not depend on what it is to be told of. */
static void freeze(struct live_judge *j, const struct cast *cast)
{
	const struct snapshot_pool *primary =
		cast->pool[has_role(j, SEQ_STABLE) ? SEQ_STABLE : SEQ_BASELINE];

	for (int i = 0; i < SEQ_LATENCY_MAX; i++) {
		const struct serin_histogram *h = &primary->latencies->of[latency_of[i]];

		struct serin_histogram alike;

		if (!(j->has_latency >> i & 1) || j->seq.edge[i][SEQ_P90] != SEQ_NO_EDGE ||
		    latency_count(h) < LIVE_FREEZE_SAMPLES)
			continue;
		make_alike(h, &alike);
		seq_freeze(&j->seq, (enum seq_latency)i, &alike);
	}
}

int live_judge_begin(struct live_judge *j, const struct live_roles *roles, const struct snapshot *s,
		     const struct seq_options *o, uint64_t now_ms)
{
	struct live_judge made = {.roles = *roles, .at_ms = now_ms};
	struct cast cast;
	int error = find_cast(&made, s, &cast);

	if (error)
		return error;
	seq_begin(&made.seq, o);
	take_counts(&made, &cast);
	freeze(&made, &cast);
	*j = made;
	return 0;
}

static int step(struct live_judge *j, const struct live_tick *tick)
{
	struct serin_histogram alike[SEQ_ROLE_MAX][SEQ_LATENCY_MAX];
	struct seq_tick in = {0};

	for (int role = 0; role < SEQ_ROLE_MAX; role++) {
		const struct live_gain *pool = &tick->of[role];

		in.of[role] = (struct seq_pool){.flows = pool->flows,
						.failures = pool->failures,
						.resets = pool->resets,
						.share = pool->share};
		for (int i = 0; i < SEQ_LATENCY_MAX; i++) {
			if (!has_role(j, role) || !(j->has_latency >> i & 1))
				continue;
			make_alike(&pool->latency[i], &alike[role][i]);
			in.of[role].latency[i] = &alike[role][i];
		}
	}
	return seq_step(&j->seq, &in);
}

void live_judge_tick(struct live_judge *j, const struct snapshot *s, uint64_t now_ms,
		     struct live_tick *out)
{
	struct cast cast;

	*out = (struct live_tick){.skip = LIVE_GONE, .at_ms = now_ms};
	out->span_ms = j->at_ms && now_ms > j->at_ms ? now_ms - j->at_ms : 0;
	if (!find_cast(j, s, &cast)) {
		out->skip = compare(j, &cast, out);
		if (out->skip == LIVE_TOLD && step(j, out))
			out->skip = LIVE_BACK;
		take_counts(j, &cast);
		freeze(j, &cast);
		j->at_ms = now_ms;
	}
	if (out->skip == LIVE_TOLD)
		return;
	memset(out->of, 0, sizeof(out->of));
	j->skipped++;
}

static void begin_change(struct live_judge *j, const char *reference)
{
	seq_promote(&j->seq);
	set_name(j->roles.pool[SEQ_BASELINE], reference);
	set_name(j->roles.pool[SEQ_STABLE], "");
	j->at_ms = 0;
}

void live_judge_promote(struct live_judge *j, const char *old_primary)
{
	for (int role = 0; role < SEQ_ROLE_MAX; role++)
		if (has_role(j, role) && !strcmp(j->roles.pool[role], old_primary))
			seq_expect(&j->seq, j->last[role].flows, j->last[role].failures);
	begin_change(j, old_primary);
}

void live_judge_outlive(struct live_judge *j, const struct serin_signals *past)
{
	const struct live_counts *last = &j->last[SEQ_BASELINE];
	char reference[SERIN_NAME_LEN];

	if (last->flows >= LIVE_ENOUGH)
		seq_expect(&j->seq, last->flows, last->failures);
	else
		seq_expect(&j->seq, last->flows + known_flows(past),
			   last->failures + past->failures);
	memcpy(reference, j->roles.pool[SEQ_BASELINE], sizeof(reference));
	begin_change(j, reference);
}

void live_judge_counted(const struct live_judge *j, enum seq_role role, struct serin_signals *to,
			struct serin_histograms *times)
{
	const struct live_counts *last = &j->last[role];

	*to = (struct serin_signals){.handshakes = last->flows,
				     .failures = last->failures,
				     .resets_after_data = last->resets};
	memset(times, 0, sizeof(*times));
	for (int i = 0; i < SEQ_LATENCY_MAX; i++)
		times->of[latency_of[i]] = last->latency[i];
}
