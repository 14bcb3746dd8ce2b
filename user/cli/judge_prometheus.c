// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/judge_prometheus.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "cli/cli.h"
#include "config/duration.h"
#include "config/http.h"
#include "lib/log.h"
#include "metrics_source/moment.h"
#include "metrics_source/prometheus.h"
#include "metrics_source/retrieve.h"

#define STEP_DEFAULT "60s"

static int read_moment(const char *option, const char *text, int64_t now_ms, int64_t *out)
{
	if (!moment_parse(text, now_ms, out))
		return 0;
	log_error("--%s takes Unix seconds, 2024-02-29T12:00:00Z, now or now-30m, not \"%s\"",
		  option, text);
	return -EINVAL;
}

static int read_duration(const char *option, const char *text, uint32_t *out)
{
	if (!duration_parse(text, out) && *out)
		return 0;
	log_error("--%s takes a time above 0 like 500ms, 15s or 1m, not \"%s\"", option, text);
	return -EINVAL;
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int read_grid(const struct cli *cli, struct range_grid *out)
{
	struct range_grid g = {0};
	int64_t now_ms = now();
	uint32_t step_ms = 0;
	int error = read_moment("start", cli->start, now_ms, &g.start_ms);

	error = error ? error : read_moment("end", cli->end ? cli->end : "now", now_ms, &g.end_ms);
	error = error ? error
		      : read_duration("step", cli->step ? cli->step : STEP_DEFAULT, &step_ms);
	if (error)
		return error;
	g.step_ms = step_ms;
	if (!range_steps(&g)) {
		log_error("--start must not be after --end, and of --step at most %d between them",
			  RANGE_STEPS_MAX);
		return -EINVAL;
	}
	*out = g;
	return 0;
}

static int ask(const struct cli *cli, const struct http_config *http, const struct source *s,
	       const struct canary *c, const struct retrieval *r, struct samples *out)
{
	struct prometheus_settings settings = {cli->prometheus, PROMETHEUS_TIMEOUT_MS, http};
	struct prometheus *p = NULL;
	int error = 0;

	if (cli->timeout)
		error = read_duration("timeout", cli->timeout, &settings.timeout_ms);
	error = error ? error : prometheus_new(&settings, stderr, &p);
	error = error ? error : retrieve_samples(p, s, c, r, out);
	prometheus_free(p);
	return error;
}

int judge_ask_prometheus(const struct cli *cli, const struct source *s, const struct canary *c,
			 struct samples *out)
{
	struct retrieval r = {
		.service = cli->service,
		.experiment = cli->experiment ? cli->experiment : "canary",
		.control = cli->control ? cli->control : "baseline",
		.is_summed = cli->is_summed,
	};
	struct http_config http = {0};
	int error;

	if (!cli->service || !cli->start) {
		log_error("--prometheus needs --service and --start; see `serin help judge`");
		return -EINVAL;
	}
	error = read_grid(cli, &r.grid);
	if (!error && cli->http_config && http_config_load(cli->http_config, &http, stderr))
		error = -EINVAL;
	error = error ? error : ask(cli, &http, s, c, &r, out);
	http_config_fini(&http);
	return error;
}
