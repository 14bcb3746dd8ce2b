// SPDX-License-Identifier: GPL-2.0-or-later
/* Strategies, told rightly and wrongly. */
#include <math.h>

#include "config_lab.h"
#include "config_texts.h"

/* What is written after HEAD is line 5, after CAREFUL 8; ALONE or SERVICES ends either. */
#define HEAD	 TOP "strategies:\n  careful:\n"
#define CAREFUL	 HEAD "    type: canary\n    candidate: canary\n    steps: [{weight: 1}]\n"
#define SERVICES ALONE "  strategy: careful\n"
#define ALONE                                                                            \
	"services:\n- name: web\n  vip: 192.0.2.10\n  port: 80\n  pools:\n"              \
	"  - name: canary\n    backends: [{address: 10.0.0.21}]\n"                       \
	"  - name: other\n    weight: 30\n    backends: [{address: 10.0.0.31}]\n"        \
	"  - name: stable\n    backends: [{address: 10.0.0.11}, {address: 10.0.0.12}]\n" \
	"  primary: stable\n"

static void test_defaults(void **state)
{
	struct model *m = parse(CAREFUL SERVICES);
	const struct model_strategy *s = model_find_strategy(m, "careful");

	(void)state;
	assert_int_equal(m->strategy_count, 1);
	assert_ptr_equal(s, &m->strategies[0]);
	assert_int_equal(m->services[0].strategy, 1);
	assert_null(model_find_strategy(m, "hasty"));
	assert_int_equal(s->type, STRATEGY_CANARY);
	assert_string_equal(s->candidate, "canary");
	assert_string_equal(s->baseline, "");
	assert_int_equal(s->step_count, 1);
	assert_int_equal(s->steps[0].weight_ppm, 10000);
	assert_true(s->analysis.has_kernel && !s->analysis.is_dry_run);
	assert_true(s->analysis.alpha == 0.01 && s->analysis.harm_ratio == 1.25);
	assert_int_equal(s->analysis.on_failure, STRATEGY_ROLLBACK);
	assert_int_equal(s->finish, STRATEGY_SWAP);
	assert_int_equal(s->hook_count, 0);
	assert_true(s->drain_ms == 30000 && s->standby_ms == 600000);
	assert_true(s->analysis.initial_delay_ms == 0 && s->analysis.interval_ms == 60000);
	assert_true(s->analysis.lookback_ms == 600000 && s->analysis.deadline_ms == 0);
	assert_true(s->analysis.kayenta_pass == 75 && s->analysis.kayenta_marginal == 50);
	model_free(m);
}

static void assert_step(const struct strategy_step *s, const struct strategy_step *wanted)
{
	assert_int_equal(s->has_weight, wanted->has_weight);
	assert_int_equal(s->weight_ppm, wanted->weight_ppm);
	assert_int_equal(s->ramp_ms, wanted->ramp_ms);
	assert_int_equal(s->hold_ms, wanted->hold_ms);
	assert_int_equal(s->analysis_ms, wanted->analysis_ms);
	assert_int_equal(s->pauses, wanted->pauses);
}

static void test_steps(void **state)
{
	static const struct strategy_step wanted[] = {
		{.has_weight = true, .weight_ppm = 10000, .hold_ms = 120000},
		{.has_weight = true, .weight_ppm = 105000, .ramp_ms = 600000, .hold_ms = 1500},
		{.analysis_ms = 2592000000},
		{.pauses = true},
		{.has_weight = true, .weight_ppm = 700000},
	};
	struct model *m = parse(
		HEAD "    type: blue-green\n    candidate: canary\n    steps:\n"
		     "    - {weight: 1, hold: 2m}\n"
		     "    - {ramp: {to: 10.5%, over: 10m}, hold: 1500ms}\n    - {analysis: 720h}\n"
		     "    - {pause: manual}\n    - {weight: 70}\n    finish: return\n"
		     "    flows: reset\n    drain: 1s\n    standby: 0\n"
		     "    hooks: [{at: upgrade, exec: [/a]}]\n" SERVICES);
	const struct model_strategy *s = &m->strategies[0];

	(void)state;
	assert_int_equal(s->type, STRATEGY_BLUE_GREEN);
	assert_int_equal(s->step_count, COUNT_OF(wanted));
	for (size_t i = 0; i < COUNT_OF(wanted); i++)
		assert_step(&s->steps[i], &wanted[i]);
	assert_int_equal(s->finish, STRATEGY_RETURN);
	assert_int_equal(s->flows, STRATEGY_FLOWS_RESET);
	assert_int_equal(s->drain_ms, 1000);
	assert_int_equal(s->standby_ms, 0);
	model_free(m);
}

static void test_analysis(void **state)
{
	struct model *m =
		parse(CAREFUL
		      "    analysis:\n      kernel: false\n      alpha: 0.02\n      beta: 1e-3\n"
		      "      harm_ratio: 1.5\n      fine_ratio: 3\n      initial_delay: 7\n"
		      "      interval: 2s\n      lookback: 0\n      failure_limit: 2\n"
		      "      inconclusive_limit: 3\n      dry_run: true\n      on_failure: pause\n"
		      "      on_no_traffic: wait\n      deadline: 1h\n"
		      "      prometheus: {url: 'https://p:9090/x', config: /etc/p.yaml}\n"
		      "      metrics:\n"
		      "      - {name: errors, query: 'up{pool=\"${pool}\"}', max: -0.5}\n"
		      "      - {name: rate, query: up, min: 2, max: 3, dry_run: true}\n"
		      "      kayenta: {config: /etc/k.json, pass: 80.5, marginal: 0}\n" SERVICES);
	const struct strategy_analysis *a = &m->strategies[0].analysis;

	(void)state;
	assert_true(!a->has_kernel && a->is_dry_run);
	assert_true(a->alpha == 0.02 && a->beta == 0.001);
	assert_true(a->harm_ratio == 1.5 && a->fine_ratio == 3);
	assert_true(a->initial_delay_ms == 7000 && a->interval_ms == 2000 && !a->lookback_ms);
	assert_true(a->failure_limit == 2 && a->inconclusive_limit == 3);
	assert_int_equal(a->on_failure, STRATEGY_PAUSE);
	assert_int_equal(a->deadline_ms, 3600000);
	assert_string_equal(a->prometheus_url, "https://p:9090/x");
	assert_string_equal(a->prometheus_auth, "/etc/p.yaml");
	assert_int_equal(a->metric_count, 2);
	assert_string_equal(a->metrics[0].query, "up{pool=\"${pool}\"}");
	assert_true(isnan(a->metrics[0].min) && a->metrics[0].max == -0.5);
	assert_true(!a->metrics[0].is_dry_run && a->metrics[1].is_dry_run);
	assert_true(a->metrics[1].min == 2 && a->metrics[1].max == 3);
	assert_string_equal(a->kayenta_config, "/etc/k.json");
	assert_true(a->kayenta_pass == 80.5 && a->kayenta_marginal == 0);
	model_free(m);
}

static void test_hooks(void **state)
{
	struct model *m = parse(
		CAREFUL "    hooks:\n"
			"    - {at: step, exec: [/usr/local/bin/gate, --deep], timeout: 5s}\n"
			"    - {at: event, webhook: 'https://hooks.example:8443/T0/secret', "
			"payload: slack}\n"
			"    - {at: end, name: done, webhook: 'http://h', retries: 0}\n" SERVICES);
	const struct strategy_hook *h = m->strategies[0].hooks;

	(void)state;
	assert_int_equal(m->strategies[0].hook_count, 3);
	assert_int_equal(h[0].at, STRATEGY_AT_STEP);
	assert_string_equal(h[0].name, "gate");
	assert_string_equal(h[0].argv[0], "/usr/local/bin/gate");
	assert_string_equal(h[0].argv[1], "--deep");
	assert_null(h[0].argv[2]);
	assert_true(h[0].timeout_ms == 5000 && !h[0].retries && !h[0].url);
	assert_string_equal(h[1].name, "hooks.example");
	assert_null(h[1].argv);
	assert_int_equal(h[1].payload, STRATEGY_SLACK);
	assert_true(h[1].timeout_ms == 30000 && h[1].retries == 3);
	assert_string_equal(h[2].name, "done");
	assert_int_equal(h[2].retries, 0);
	assert_int_equal(h[2].at, STRATEGY_AT_END);
	model_free(m);
}

static void test_rolling(void **state)
{
	struct model *m =
		parse(HEAD "    type: rolling\n    batch: 25%\n    min_healthy: 0\n"
			   "    health_timeout: 90s\n    drain: 5m\n"
			   "    hooks: [{at: batch, exec: [/bin/true]}]\n"
			   "  steady: {type: rolling, batch: 2, hooks: [{at: batch, exec: [/a]}]}\n"
			   "  least: {type: rolling, hooks: [{at: batch, exec: [/a]}]}\n" SERVICES);
	const struct model_strategy *s = m->strategies;

	(void)state;
	assert_int_equal(m->strategy_count, 3);
	assert_int_equal(s[0].type, STRATEGY_ROLLING);
	assert_true(s[0].batch == 0 && s[0].batch_percent == 25);
	assert_true(s[0].min_healthy == 0 && s[0].health_ms == 90000 && s[0].drain_ms == 300000);
	assert_int_equal(s[0].hooks[0].at, STRATEGY_AT_BATCH);
	assert_true(s[1].batch == 2 && s[1].batch_percent == 0);
	assert_true(s[2].batch == 1 && s[2].batch_percent == 0 && s[2].min_healthy == 1);
	model_free(m);
}

static void test_after_batch(void **state)
{
	struct model *m = parse(HEAD "    type: rolling\n    after_batch: {hold: 1m, analysis: 5m, "
				     "pause: manual}\n    hooks: [{at: batch, exec: [/a]}]\n"
				     "  usual: {type: rolling, hooks: [{at: batch, exec: [/a]}]}\n"
				     "  unseen: {type: rolling, analysis: {kernel: false}, hooks: "
				     "[{at: batch, exec: [/a]}]}\n"
				     "  asked: {type: rolling, after_batch: {analysis: 5m}, hooks: "
				     "[{at: batch, exec: [/a]}]}\n" SERVICES);
	const struct strategy_step *after = &m->strategies[0].after_batch;

	(void)state;
	assert_true(after->hold_ms == 60000 && after->analysis_ms == 300000 && after->pauses);
	assert_false(after->has_weight);
	assert_int_equal(m->strategies[0].analysis.on_failure, STRATEGY_PAUSE);
	assert_int_equal(m->strategies[1].after_batch.hold_ms, 30000);
	assert_int_equal(m->strategies[2].after_batch.hold_ms, 0);
	assert_int_equal(m->strategies[3].after_batch.hold_ms, 0);
	model_free(m);
}

static void test_wrong_strategies(void **state)
{
	static const struct wrong wrong[] = {
		{TOP "strategies: [careful]\n" ALONE, 3, 13,
		 "'strategies' must be a mapping, not a list"},
		{TOP "strategies:\n  careful:\n" ALONE, 4, 3, "'careful' has no value"},
		{TOP "strategies:\n  care ful: {type: rolling}\n" ALONE, 4, 3, "is not a name"},
		{CAREFUL "  careful: {type: rolling}\n" ALONE, 8, 3,
		 "duplicate strategy 'careful', first given on line 4"},
		{HEAD "    candidate: canary\n" ALONE, 5, 5, "a strategy needs the key 'type'"},
		{HEAD "    type: canry\n" ALONE, 5, 11, "not 'canry'; did you mean 'canary'?"},
		{CAREFUL "    candidat: canary\n" ALONE, 8, 5, "did you mean 'candidate'?"},
		{HEAD "    type: canary\n    candidate: canary\n" ALONE, 5, 5,
		 "a strategy of type canary needs the key 'steps'"},
		{HEAD "    type: blue-green\n" ALONE, 5, 5,
		 "a strategy of type blue-green needs the key 'candidate'"},
		{CAREFUL "    baseline: canary\n" ALONE, 8, 15, "'canary' is the candidate"},
		{CAREFUL "    finish: swop\n" ALONE, 8, 13,
		 "'finish' must be swap or return, not 'swop'; did you mean 'swap'?"},
		{CAREFUL "    drain: 31d\n" ALONE, 8, 12, "'drain' must be a time from 0s to 720h"},
		{CAREFUL "    batch: 2\n" ALONE, 8, 12,
		 "'batch' is for strategies of type rolling, not canary"},
		{HEAD "    type: rolling\n    candidate: canary\n" ALONE, 6, 16,
		 "'candidate' is for strategies of type canary and blue-green, not rolling"},
		{HEAD "    type: rolling\n    batch: 0\n" ALONE, 6, 12,
		 "like 2, or a part of them"},
		{HEAD "    type: rolling\n    batch: 101%\n" ALONE, 6, 12, "not '101%'"},
		{HEAD "    type: rolling\n    batch: 99999999999999999999\n" ALONE, 6, 12,
		 "'batch' must be"},
		{CAREFUL "    after_batch: {hold: 1m}\n" ALONE, 8, 18,
		 "'after_batch' is for strategies of type rolling, not canary"},
		{HEAD "    type: rolling\n    steps: [{hold: 1m}]\n" ALONE, 6, 12,
		 "'steps' is for strategies of type canary and blue-green, not rolling"},
		{HEAD "    type: rolling\n    after_batch: {weight: 1}\n" ALONE, 6, 19,
		 "unknown key 'weight'"},
		{HEAD "    type: rolling\n    after_batch: {analysis: 1m}\n"
		      "    analysis: {kernel: false}\n" ALONE,
		 6, 29, "there would be no finding to wait for"},
		{HEAD "    type: rolling\n    analysis: {on_failure: rollback}\n" ALONE, 6, 28,
		 "nobody can take back what a hook upgraded"},
	};

	(void)state;
	assert_all_wrong(wrong, COUNT_OF(wrong));
}

#define STEPS(steps) HEAD "    type: canary\n    candidate: canary\n    steps: " steps "\n"

static void test_wrong_steps(void **state)
{
	static const struct wrong wrong[] = {
		{STEPS("[]") ALONE, 7, 12, "'steps' needs at least one step"},
		{STEPS("[{}]") ALONE, 7, 13, "this step does nothing"},
		{STEPS("[{hold: 1m}, {wait: 1m}]") ALONE, 7, 26,
		 "unknown key 'wait' in a step, which has: weight, ramp, hold, analysis, pause"},
		{STEPS("[{setWeight: 5}]") ALONE, 7, 14, "did you mean 'weight'?"},
		{STEPS("[{weight: 1, ramp: {to: 2, over: 1m}}]") ALONE, 7, 31,
		 "a step has 'weight' or 'ramp', not both"},
		{STEPS("[{weight: 1, weight: 2}]") ALONE, 7, 25, "duplicate key 'weight'"},
		{STEPS("[{weight: 101}]") ALONE, 7, 22, "a percentage is at most 100"},
		{STEPS("[{ramp: {to: 5}}]") ALONE, 7, 20, "'ramp' needs the key 'over'"},
		{STEPS("[{weight: 5, hold: 1ms}]") ALONE, 7, 31, "a time from 100ms to 720h"},
		{STEPS("[{pause: 10m}]") ALONE, 7, 21, "a step waits for a time by 'hold: 10m'"},
		{STEPS("[{pause: mine}]") ALONE, 7, 21, "'pause' must be manual, not 'mine'"},
		{STEPS("[{weight: 0}]") ALONE, 7, 22, "above 0: at 0 the candidate gets nobody"},
		{STEPS("[{weight: 5}, {hold: 1m}, {ramp: {to: 5, over: 1m}}]") ALONE, 7, 50,
		 "5 % is not above the 5 % of the steps before"},
		{STEPS("[{weight: 5}, {weight: 2.5}]") ALONE, 7, 35, "2.5 % is not above the 5 %"},
		{STEPS("[{weight: 50.5}]") "    baseline: other\n" ALONE, 7, 22,
		 "no room for the baseline 'other'"},
		{STEPS("[{analysis: 1m}]") "    analysis: {kernel: false}\n" ALONE, 7, 24,
		 "there would be no finding to wait for"},
		{STEPS("[{analysis: 1m}]") "    analysis: {dry_run: true}\n" ALONE, 7, 24,
		 "or is a dry run"},
	};

	(void)state;
	assert_all_wrong(wrong, COUNT_OF(wrong));
}

#define ANALYSIS(text) CAREFUL "    analysis: {" text "}\n" ALONE
#define PROMETHEUS     "prometheus: {url: 'http://p'}, "

#define QUERY(text) ANALYSIS(PROMETHEUS "metrics: [{name: a, query: '" text "', max: 1}]")

static void test_wrong_analysis(void **state)
{
	static const struct wrong wrong[] = {
		{ANALYSIS("kernel: yes"), 8, 24, "'kernel' must be true or false, not 'yes'"},
		{ANALYSIS("alpha: 1"), 8, 23, "'alpha' must be a number between 0 and 1, not 1"},
		{ANALYSIS("alpha: 0x1p-3"), 8, 23, "'alpha' must be a number, like 0.05"},
		{ANALYSIS("alpha: nan"), 8, 23, "not 'nan'"},
		{ANALYSIS("beta: '0.1'"), 8, 22, "take off the quotes"},
		{ANALYSIS("harm_ratio: 0.9"), 8, 28, "must be a number from 1 to 1000, not 0.9"},
		{ANALYSIS("interval: 10ms"), 8, 26, "'interval' must be a time from 1s to 720h"},
		{ANALYSIS("failure_limit: -1"), 8, 31, "from 0 to 10000"},
		{ANALYSIS("on_failure: abort"), 8, 28, "must be rollback or pause, not 'abort'"},
		{ANALYSIS("on_no_traffic: fail"), 8, 31, "a release without traffic never fails"},
		{ANALYSIS("prometheus: {url: 'ftp://p'}"), 8, 34,
		 "'url' must be a URL like http://127.0.0.1:9090, not 'ftp://p'"},
		{ANALYSIS("prometheus: {url: 'http://:9090'}"), 8, 34, "'url' must be a URL"},
		{ANALYSIS("prometheus: {url: 'http://p', config: p.yaml}"), 8, 54,
		 "'config' must be a file's whole path, not 'p.yaml'"},
		{ANALYSIS("metrics: [{name: a, query: up, max: 1}]"), 8, 25,
		 "'metrics' need 'prometheus: {url: ...}'"},
		{ANALYSIS("kayenta: {config: /k.json}"), 8, 25,
		 "'kayenta' needs 'prometheus: {url: ...}'"},
		{ANALYSIS(PROMETHEUS "metrics: [{name: a, query: up}]"), 8, 57,
		 "a metric needs 'min', 'max', or both"},
		{ANALYSIS(PROMETHEUS "metrics: [{name: a, query: up, min: 2, max: 1}]"), 8, 83,
		 "no value is at least 2 and at most 1"},
		{ANALYSIS(PROMETHEUS "metrics: [{name: a, query: ' ', min: 2}]"), 8, 74,
		 "'query' must be PromQL"},
		{ANALYSIS(PROMETHEUS "metrics: [{name: a, query: up, min: 2}, {name: a, query: up, "
				     "min: 2}]"),
		 8, 94, "there is a metric 'a' already"},
		{QUERY("up{pool=\"${pol}\"}"), 8, 74,
		 "'query', character 10: ${pol} is not known; there are ${service}, ${pool}, "},
		{QUERY("up{pool=\"${pol}\"}"), 8, 74, "; did you mean 'pool'?"},
		{QUERY("up ${pool"), 8, 74, "\"${\" without its \"}\""},
		{QUERY("rate(up[${step}]"), 8, 74, "character 5: \"(\" without its end"},
		{QUERY("up{a=\"b}"), 8, 74, "character 6: a string that does not end"},
		{QUERY("sum(up])"), 8, 74, "character 7: \"]\" ends no bracket"},
		{ANALYSIS(PROMETHEUS "kayenta: {config: /k, pass: 60, marginal: 70}"), 8, 89,
		 "a 'marginal' score of 70 is above the one to 'pass', 60"},
		{ANALYSIS(PROMETHEUS "kayenta: {config: /k, pass: 101}"), 8, 75,
		 "'pass' must be a number from 0 to 100"},
	};

	(void)state;
	assert_all_wrong(wrong, COUNT_OF(wrong));
}

#define HOOKS(text) CAREFUL "    hooks: [{" text "}]\n" ALONE

static void test_wrong_hooks(void **state)
{
	static const struct wrong wrong[] = {
		{HOOKS("exec: [/bin/true]"), 8, 13, "a hook needs the key 'at'"},
		{HOOKS("at: steps, exec: [/bin/true]"), 8, 18, "did you mean 'step'?"},
		{HOOKS("at: step"), 8, 13, "a hook is either a program, 'exec', or a URL"},
		{HOOKS("at: step, exec: [/bin/true], webhook: 'http://h'"), 8, 52,
		 "a hook is either a program, 'exec', or a URL"},
		{HOOKS("at: step, exec: /bin/true"), 8, 30, "'exec' must be a list, not text"},
		{HOOKS("at: step, exec: []"), 8, 30, "'exec' needs at least one word"},
		{HOOKS("at: step, exec: [[a], b]"), 8, 31, "a word of a command must be text"},
		{HOOKS("at: step, exec: [gate, now]"), 8, 31,
		 "'exec' must begin with a program's whole path, not 'gate'"},
		{HOOKS("at: step, webhook: hooks.example"), 8, 33, "'webhook' must be a URL like"},
		{HOOKS("at: step, exec: [/bin/true], payload: slack"), 8, 52,
		 "'payload' is for webhooks"},
		{HOOKS("at: step, webhook: 'http://h', payload: teams"), 8, 54,
		 "'payload' must be generic or slack, not 'teams'"},
		{HOOKS("at: step, webhook: 'http://h', retries: 101"), 8, 54, "from 0 to 100"},
		{HOOKS("at: batch, exec: [/bin/true]"), 8, 18,
		 "'batch' is for strategies of type rolling, not canary"},
		{HOOKS("at: upgrade, exec: [/bin/true]"), 8, 18,
		 "'upgrade' is for strategies with 'finish: return'"},
		{HEAD "    type: rolling\n    hooks: [{at: promotion, exec: [/a]}]\n" ALONE, 6, 18,
		 "a strategy of type rolling promotes nothing"},
		{HEAD "    type: rolling\n    hooks: [{at: end, exec: [/a]}]\n" ALONE, 5, 11,
		 "a strategy of type rolling needs a hook at 'batch'"},
		{CAREFUL "    finish: return\n" ALONE, 8, 13,
		 "'finish: return' needs a hook at 'upgrade'"},
	};

	(void)state;
	assert_all_wrong(wrong, COUNT_OF(wrong));
}

static void test_wrong_services(void **state)
{
	static const struct wrong wrong[] = {
		{CAREFUL ALONE "  strategy: carefull\n", 21, 13,
		 "there is no strategy 'carefull' under 'strategies'; did you mean 'careful'?"},
		{CAREFUL ALONE "  strategy: [careful]\n", 21, 13,
		 "'strategy' must be a strategy's name, not a list"},
		{HEAD "    type: blue-green\n    candidate: canry\n" SERVICES, 20, 13,
		 "the candidate of the strategy 'careful' is 'canry', and this service has no such "
		 "pool; did you mean 'canary'?"},
		{HEAD "    type: blue-green\n    candidate: stable\n" SERVICES, 20, 13,
		 "'stable' is this service's primary, and the candidate of the strategy"},
		{CAREFUL "    baseline: stable\n" SERVICES, 22, 13,
		 "'stable' is this service's primary, and the baseline of the strategy"},
		{CAREFUL "    analysis: {" PROMETHEUS
			 "metrics: [{name: a, query: 'up_${service}_${control}', max: 1}]}\n"
			 "services:\n- name: web-1\n  vip: 192.0.2.10\n  port: 80\n"
			 "  strategy: careful\n  pools:\n"
			 "  - name: canary\n    backends: [{address: 10.0.0.21}]\n"
			 "  - name: stable\n    backends: [{address: 10.0.0.11}]\n"
			 "  primary: stable\n",
		 13, 13,
		 "the query of 'a' in the strategy 'careful', character 4: \"web-1\" can stand in"},
		{CAREFUL "    baseline: bass\n" SERVICES, 22, 13,
		 "the baseline of the strategy 'careful' is 'bass'"},
		{STEPS("[{weight: 70}, {weight: 71}]") SERVICES, 21, 13,
		 "step 2 of the strategy 'careful' has no room: 71 % for the candidate, and other "
		 "pools of this service have 30 %"},
		{HEAD "    type: rolling\n    min_healthy: 2\n    hooks: [{at: batch, exec: "
		      "[/a]}]\n" SERVICES,
		 21, 13,
		 "the pool 'stable' has 2 backends, of which the strategy 'careful' keeps 2"},
	};

	(void)state;
	assert_all_wrong(wrong, COUNT_OF(wrong));
}

#define FOUR                                                                           \
	"services:\n- name: web\n  vip: 192.0.2.10\n  port: 80\n  strategy: careful\n" \
	"  pools:\n" POOL("stable", "10.0.0.11") POOL("canary", "10.0.0.21")           \
		POOL("base", "10.0.0.31") "    weight: 50\n" POOL("other",             \
								  "10.0.0.41") "    weight: 30\n"

/* Of the other pools what the file gives them is taken; the baseline's own is not another's. */
static void test_room_of_baseline(void **state)
{
	static const struct wrong wrong = {
		STEPS("[{weight: 35.5}]") "    baseline: base\n" FOUR, 13, 13,
		"step 1 of the strategy 'careful' has no room: 71 % for the candidate and the "
		"baseline, and other pools of this service have 30 %"};

	(void)state;
	assert_wrong(&wrong);
	model_free(parse(STEPS("[{weight: 35}]") "    baseline: base\n" FOUR));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),	 cmocka_unit_test(test_steps),
		cmocka_unit_test(test_analysis),	 cmocka_unit_test(test_hooks),
		cmocka_unit_test(test_after_batch),	 cmocka_unit_test(test_rolling),
		cmocka_unit_test(test_wrong_strategies), cmocka_unit_test(test_wrong_steps),
		cmocka_unit_test(test_wrong_analysis),	 cmocka_unit_test(test_wrong_hooks),
		cmocka_unit_test(test_wrong_services),	 cmocka_unit_test(test_room_of_baseline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
