// SPDX-License-Identifier: GPL-2.0-or-later
#include <assert.h>

#include "rollout/rollout.h"

#define NAME_OF(names, value) \
	((size_t)(value) < sizeof(names) / sizeof(*(names)) ? (names)[value] : "?")

static const char *const phase_names[] = {
	"starting",	"stepping", "paused",  "promoting", "standby",
	"rolling back", "promoted", "aborted", "undone",    "superseded",
};
static const char *const stage_names[] = {"gate", "shift", "ramp", "hold", "analyse", "halt"};
static const char *const cause_names[] = {
	"none", "step", "person", "foreign", "analysis", "inconclusive", "deadline", "batch",
};
static const char *const finding_names[] = {"unknown", "good", "bad", "inconclusive", "no traffic"};
static const char *const command_names[] = {
	"pause", "resume", "promote", "promote full", "abort", "retry", "undo", "supersede",
};

static_assert(sizeof(phase_names) / sizeof(*phase_names) == ROLLOUT_PHASE_MAX, "a name each");
static_assert(sizeof(stage_names) / sizeof(*stage_names) == ROLLOUT_STAGE_MAX, "a name each");
static_assert(sizeof(cause_names) / sizeof(*cause_names) == ROLLOUT_CAUSE_MAX, "a name each");
static_assert(sizeof(finding_names) / sizeof(*finding_names) == ROLLOUT_FINDING_MAX, "a name each");
static_assert(sizeof(command_names) / sizeof(*command_names) == ROLLOUT_COMMAND_MAX, "a name each");

const char *rollout_phase_name(enum rollout_phase p)
{
	return NAME_OF(phase_names, p);
}

const char *rollout_stage_name(enum rollout_stage s)
{
	return NAME_OF(stage_names, s);
}

const char *rollout_cause_name(enum rollout_cause c)
{
	return NAME_OF(cause_names, c);
}

const char *rollout_finding_name(enum rollout_finding f)
{
	return NAME_OF(finding_names, f);
}

const char *rollout_command_name(enum rollout_command c)
{
	return NAME_OF(command_names, c);
}

bool rollout_has_ended(enum rollout_phase p)
{
	return p == ROLLOUT_PROMOTED || p == ROLLOUT_ABORTED || p == ROLLOUT_UNDONE ||
	       p == ROLLOUT_SUPERSEDED;
}
