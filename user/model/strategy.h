/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns what a file says of how releases go: its strategies, each with its steps, analysis and hooks.
 * Durations are milliseconds; weights are millionths. Every default is filled in.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <serin/abi.h>

#define STRATEGY_STEPS_MAX   64u
#define STRATEGY_METRICS_MAX 32u
#define STRATEGY_HOOKS_MAX   16u
#define STRATEGY_TEXT_MAX    4096u /* bytes of a query, a URL, an argument */

enum strategy_type {
	STRATEGY_CANARY,     /* step by step */
	STRATEGY_BLUE_GREEN, /* steps, if there are any, then everything at once */
	STRATEGY_ROLLING,    /* the primary's backends, batch by batch */
	STRATEGY_TYPE_MAX,
};

enum strategy_finish {
	STRATEGY_SWAP,	 /* the candidate becomes the primary */
	STRATEGY_RETURN, /* a hook upgrades the primary, then the candidate goes back to 0 % */
	STRATEGY_FINISH_MAX,
};

/* In this order, each where it is asked for: weight or ramp, hold, analysis, pause. */
struct strategy_step {
	bool has_weight;
	uint32_t weight_ppm; /* the candidate's; a ramp's end */
	uint64_t ramp_ms;    /* 0: at once */
	uint64_t hold_ms;    /* at that weight */
	uint64_t
		analysis_ms; /* waits for a good finding of the analysis, so long at most; 0: does not */
	bool pauses;	     /* until somebody says resume */
};

enum strategy_on_failure {
	STRATEGY_ROLLBACK,
	STRATEGY_PAUSE,
	STRATEGY_ON_FAILURE_MAX,
};

/* What becomes of flows that the candidate has when it is taken back. */
enum strategy_flows {
	STRATEGY_FLOWS_LEAVE, /* they end when they end */
	STRATEGY_FLOWS_DRAIN, /* so, for drain_ms; then they are reset */
	STRATEGY_FLOWS_RESET, /* at once, of those born in this rollout */
	STRATEGY_FLOWS_MAX,
};

/* A query of Prometheus: one number, which is good within bounds. */
struct strategy_metric {
	char *name;
	char *query;	 /* with ${service}, ${pool}, ... as user/model/query.h has them */
	double min, max; /* NAN: no such bound */
	bool is_dry_run; /* shown, never acted upon */
};

struct strategy_analysis {
	bool has_kernel;       /* the sequential tests of the kernel's signals; by default */
	double alpha, beta;    /* 0..1: see seq_judge.h */
	double harm_ratio;     /* >= 1: allowed times as many failures */
	double fine_ratio;     /* >= 1: "not worse" than so many times */
	char *prometheus_url;  /* NULL: none is asked */
	char *prometheus_auth; /* file as `serin judge --prometheus-config` takes it; NULL: none */
	struct strategy_metric *metrics;
	size_t metric_count;
	char *kayenta_config; /* file: Kayenta's own canary configuration; NULL: none */
	double kayenta_pass, kayenta_marginal;
	uint64_t initial_delay_ms; /* before the first look of any kind */
	uint64_t interval_ms;	/* between looks at metrics (the kernel is looked at each second) */
	uint64_t lookback_ms;	/* what a look at metrics is about; 0: since the rollout's begin */
	uint32_t failure_limit; /* bad looks at metrics that are borne; the next one fails it */
	uint32_t inconclusive_limit; /* looks without an answer, likewise; beyond: pause */
	bool is_dry_run;	     /* of all: shown, never acted upon */
	enum strategy_on_failure on_failure;
	/* Without traffic a rollout waits; so long at most, then pauses. 0: for ever. */
	uint64_t deadline_ms;
};

enum strategy_moment {
	STRATEGY_AT_START,     /* before anything: no means the rollout waits */
	STRATEGY_AT_STEP,      /* before each step: no means it waits */
	STRATEGY_AT_BATCH,     /* rolling: a batch is drained and may be upgraded: must say yes */
	STRATEGY_AT_PROMOTION, /* before it: no means it waits */
	STRATEGY_AT_UPGRADE,   /* finish return: upgrades the primary: must say yes */
	STRATEGY_AT_ROLLBACK,  /* weights are back already; nobody waits for the answer */
	STRATEGY_AT_END,       /* likewise */
	STRATEGY_AT_EVENT,     /* each transition: notifications; nobody waits */
	STRATEGY_MOMENT_MAX,
};

enum strategy_payload { STRATEGY_GENERIC, STRATEGY_SLACK, STRATEGY_PAYLOAD_MAX };

struct strategy_hook {
	enum strategy_moment at;
	char *name;
	char **argv; /* a program, NULL at the end; or NULL and */
	char *url;   /* POST, JSON */
	enum strategy_payload payload;
	uint64_t timeout_ms; /* of one try */
	uint32_t retries;    /* after the first, of a hook that gave no answer */
};

struct model_strategy {
	char name[SERIN_NAME_LEN];
	enum strategy_type type;
	char candidate[SERIN_NAME_LEN]; /* pool; "" for rolling */
	char baseline[SERIN_NAME_LEN];	/* pool whose weight follows the candidate's; "": none */
	struct strategy_step *steps;
	size_t step_count;
	struct strategy_analysis analysis;
	enum strategy_finish finish;
	enum strategy_flows flows;
	uint64_t drain_ms; /* of flows, above; rolling: a batch waits for idle so long at most */
	uint64_t
		standby_ms; /* after promotion: the old pool stays warm and is compared with; 0: none */
	/* rolling */
	uint32_t batch;			  /* backends at once; 0: batch_percent */
	uint32_t batch_percent;		  /* 1 .. 100 */
	uint32_t min_healthy;		  /* never fewer backends for new flows */
	uint64_t health_ms;		  /* waits for a batch to be healthy so long at most */
	struct strategy_step after_batch; /* of each, when it is healthy; no weight */
	struct strategy_hook *hooks;
	size_t hook_count;
};

/* All zero is not valid: canary, alpha .01, interval 1 min, deadline none, finish swap. */
void strategy_init(struct model_strategy *s);
void strategy_fini(struct model_strategy *s);
/* A copy that outlives the file it is of. 0 or -ENOMEM. */
int strategy_copy(const struct model_strategy *from, struct model_strategy *to);

const char *strategy_type_name(enum strategy_type t);	  /* "canary", "blue-green", "rolling" */
const char *strategy_finish_name(enum strategy_finish f); /* "swap", "return" */
const char *strategy_flows_name(enum strategy_flows f);	  /* "leave", "drain", "reset" */
const char *strategy_moment_name(enum strategy_moment m); /* "start", "step", "batch", ... */
const char *strategy_on_failure_name(enum strategy_on_failure f);
