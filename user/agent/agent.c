// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/agent.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "agent/events.h"
#include "agent/health.h"
#include "agent/keeper.h"
#include "agent/neighbours.h"
#include "agent/page.h"
#include "agent/rollouts.h"
#include "agent/sweeper.h"
#include "agent/web.h"
#include "config/config.h"
#include "dataplane/dataplane.h"
#include "lib/log.h"
#include "observe/metrics.h"

enum exit_status {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_BAD_CONFIG = 2,
};

struct agent {
	const struct agent_options *options;
	sd_event *event;
	struct web *web;
	struct page metrics;
	struct neighbours *neighbours;
	struct keeper *keeper;
	struct agent_events *events;
	struct sweeper *sweeper;
	struct health *health;
	struct rollouts *rollouts;
	struct metrics_agent own; /* its own metrics */
};

/* What others print as text for a person, line by line. @mark: in the lines wanted, or "" */
static void log_lines(enum log_level level, const char *mark, char *text)
{
	char *line;

	while ((line = strsep(&text, "\n")))
		if (*line && strstr(line, mark))
			log_message(level, "%s", line);
}

/* What an apply has to tell, line by line. */
struct account {
	char *changes_text, *messages_text;
	size_t changes_size, messages_size;
	FILE *changes, *messages;
};

static int account_open(struct account *a)
{
	*a = (struct account){};
	a->changes = open_memstream(&a->changes_text, &a->changes_size);
	a->messages = open_memstream(&a->messages_text, &a->messages_size);
	return a->changes && a->messages ? 0 : -ENOMEM;
}

/* The line of a file with its caret, under each error, is for a terminal: not logged. */
static void account_log(struct account *a)
{
	if (a->changes)
		fclose(a->changes);
	if (a->messages)
		fclose(a->messages);
	log_lines(LOG_LEVEL_INFO, "", a->changes_text);
	log_lines(LOG_LEVEL_ERROR, "error: ", a->messages_text);
	free(a->changes_text);
	free(a->messages_text);
}

/* -EINVAL: the file is wrong; any other: it could not be applied. */
static int apply_config(const struct agent *agent, struct dataplane_author author, FILE *changes,
			FILE *messages)
{
	struct live_change change = {};
	struct model *m = NULL;
	int err;

	if (config_load(agent->options->config_path, &m, messages))
		return -EINVAL;
	keeper_remember(agent->keeper, m);
	author.change = &change;
	err = dataplane_apply(agent->options->dir, m, &author, false, changes);
	keeper_record(agent->keeper, &author, NULL, err);
	live_change_fini(&change);
	if (!err) {
		health_reload(agent->health, m);
		rollouts_reload(agent->rollouts, m);
	}
	model_free(m);
	return err == -EINVAL ? -EIO : err;
}

static enum exit_status apply_and_log(const struct agent *agent, const char *reason)
{
	const struct dataplane_author author = {.actor = "agent", .reason = reason};
	struct account account;
	int err = account_open(&account);

	if (!err)
		err = apply_config(agent, author, account.changes, account.messages);
	account_log(&account);
	return !err ? EXIT_DONE : err == -EINVAL ? EXIT_BAD_CONFIG : EXIT_FAILED;
}

/* The pins are opened anew each time: what is loaded may have gone and come since. */
static struct snapshot *take_snapshot(struct agent *agent)
{
	struct snapshot *s = NULL;
	struct dataplane *dp;
	int err = dataplane_probe(agent->options->dir);

	agent->own.is_loaded = err != -ENOENT;
	if (!err)
		err = dataplane_open(agent->options->dir, DATAPLANE_READ, &dp);
	if (!err) {
		err = dataplane_glance(dp, &s);
		dataplane_close(dp);
	}
	if (err && agent->own.is_loaded)
		agent->own.scrape_errors++;
	return s;
}

static void count_events(struct agent *agent)
{
	struct agent_event_counts counts = agent_events_count(agent->events);

	memcpy(agent->own.events, counts.by_kind, sizeof(agent->own.events));
	agent->own.events_lost = counts.lost;
}

static void count_kept(struct agent *agent)
{
	struct store_counts counts = keeper_count(agent->keeper);

	agent->own.has_store = keeper_keeps(agent->keeper);
	agent->own.store_available = counts.is_available;
	agent->own.store_errors = counts.errors;
	agent->own.store_lost = counts.lost;
}

static void count_map_errors(struct agent *agent)
{
	uint64_t *errors = agent->own.map_errors;

	memset(errors, 0, sizeof(agent->own.map_errors));
	agent->own.pass_errors = neighbours_errors(agent->neighbours, errors);
	errors[METRICS_SWEEP] = sweeper_errors(agent->sweeper);
	errors[METRICS_HEALTH] = health_errors(agent->health);
}

static void make_metrics(struct http_reply *reply, void *arg)
{
	struct agent *agent = arg;
	struct snapshot *s = take_snapshot(agent);

	count_events(agent);
	count_kept(agent);
	count_map_errors(agent);
	reply->status = 200;
	reply->content_type = METRICS_CONTENT_TYPE;
	metrics_write(s, reply->body);
	metrics_write_agent(&agent->own, reply->body);
	health_write_metrics(agent->health, reply->body);
	rollouts_write_metrics(agent->rollouts, reply->body);
	snapshot_free(s);
}

static void show_metrics(struct agent *agent, struct http_reply *reply)
{
	page_show(&agent->metrics, make_metrics, agent, reply);
}

static void show_healthy(struct agent *agent, struct http_reply *reply)
{
	(void)agent;
	reply->status = 200;
	fputs("the agent runs\n", reply->body);
}

static void show_ready(struct agent *agent, struct http_reply *reply)
{
	int err = dataplane_probe(agent->options->dir);

	reply->status = err ? 503 : 200;
	if (!err)
		fputs("a data plane is loaded\n", reply->body);
	else if (err == -ENOENT)
		fputs("nothing is loaded: run `serin apply FILE`\n", reply->body);
	else
		fprintf(reply->body, "the data plane cannot be read: %s\n", strerror(-err));
}

static void show_page(const char *path, struct http_reply *reply, void *arg)
{
	static const struct {
		const char *path;
		void (*show)(struct agent *agent, struct http_reply *reply);
	} pages[] = {
		{"/metrics", show_metrics},
		{"/-/healthy", show_healthy},
		{"/-/ready", show_ready},
	};

	for (size_t i = 0; i < sizeof(pages) / sizeof(*pages); i++)
		if (!strcmp(path, pages[i].path)) {
			pages[i].show(arg, reply);
			return;
		}
	fputs("no such page; there are /metrics, /-/healthy, /-/ready and /api/v1/status\n",
	      reply->body);
}

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
	struct agent *agent = arg;

	(void)source;
	sd_notify(0, "STOPPING=1");
	log_info("agent stops (%s); packets go on",
		 info->ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
	return sd_event_exit(agent->event, EXIT_DONE);
}

/* systemd holds the unit for reloading until it hears READY=1. */
static void tell_reloading(const struct agent *agent)
{
	uint64_t now_us = 0;

	sd_event_now(agent->event, CLOCK_MONOTONIC, &now_us);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)now_us);
}

/* Whatever is wrong with a file, what runs goes on as it is. */
static int reload(const struct dataplane_author *author, FILE *changes, FILE *messages, void *arg)
{
	struct agent *agent = arg;
	int err = 0, web_err;

	tell_reloading(agent);
	if (agent->options->config_path)
		err = apply_config(agent, *author, changes, messages);
	web_err = web_reload(agent->web, messages);
	if (!err && web_err)
		err = -EINVAL;
	neighbours_kick(agent->neighbours);
	sd_notify(0, "READY=1");
	return err;
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
	const struct dataplane_author author = {.actor = "agent", .reason = "SIGHUP"};
	struct agent *agent = arg;
	const char *path = agent->options->config_path;
	struct account account;
	int err;

	(void)source;
	(void)info;
	if (!path && !agent->options->web_config) {
		log_warning("SIGHUP: the agent was given no file to apply");
		return 0;
	}
	err = account_open(&account);
	if (!err)
		err = reload(&author, account.changes, account.messages, agent);
	account_log(&account);
	if (err)
		log_warning("what runs is kept");
	else
		log_info("%s is applied again", path ? path : agent->options->web_config);
	return 0;
}

static int on_api_reload(const struct dataplane_author *author, FILE *changes, FILE *messages,
			 void *arg)
{
	const struct agent *agent = arg;

	if (agent->options->config_path)
		return reload(author, changes, messages, arg);
	fputs("the agent was given no file to apply\n", messages);
	return -EINVAL;
}

static void on_api_change(const struct dataplane_author *author, const char *service, int error,
			  void *arg)
{
	const struct agent *agent = arg;

	keeper_record(agent->keeper, author, service, error);
}

static int open_loop(struct agent *agent)
{
	int err = sd_event_new(&agent->event);

	if (err >= 0)
		err = sd_event_add_signal(agent->event, NULL, SIGTERM | SD_EVENT_SIGNAL_PROCMASK,
					  on_stop, agent);
	if (err >= 0)
		err = sd_event_add_signal(agent->event, NULL, SIGINT | SD_EVENT_SIGNAL_PROCMASK,
					  on_stop, agent);
	if (err >= 0)
		err = sd_event_add_signal(agent->event, NULL, SIGHUP | SD_EVENT_SIGNAL_PROCMASK,
					  on_reload, agent);
	if (err >= 0)
		err = sd_event_set_watchdog(agent->event, true);
	if (err < 0)
		log_error("cannot make an event loop: %s", strerror(-err));
	return err < 0 ? err : 0;
}

static int open_web(struct agent *agent)
{
	const char *listen = agent->options->listen;
	const struct web_options options = {
		.listen = listen ? listen : AGENT_DEFAULT_LISTEN,
		.socket_path = agent->options->socket,
		.config_path = agent->options->web_config,
		.pages = show_page,
		.arg = agent,
		.api = {.dir = agent->options->dir,
			.reload = on_api_reload,
			.record = on_api_change,
			.arg = agent,
			.rollouts = agent->rollouts},
	};

	return web_open(agent->event, &options, &agent->web);
}

/* What runs as the file has it, then the rollouts that an agent before left. */
static enum exit_status take_up(struct agent *agent)
{
	enum exit_status status = EXIT_DONE;

	if (agent->options->config_path)
		status = apply_and_log(agent, "agent start");
	else
		log_info("no configuration file was given: backends are not checked, and no "
			 "rollout can be started");
	if (status == EXIT_DONE && rollouts_open(agent->rollouts, agent->event, agent->keeper))
		status = EXIT_FAILED;
	return status;
}

/* What can fail for the host's reasons comes before what changes the kernel. */
static enum exit_status start(struct agent *agent)
{
	int err = open_loop(agent);

	agent->rollouts = rollouts_new(agent->options->dir);
	if (err || !agent->rollouts)
		return EXIT_FAILED;
	err = open_web(agent);
	if (err)
		return err == -EINVAL ? EXIT_BAD_CONFIG : EXIT_FAILED;
	if (neighbours_open(agent->event, agent->options->dir, &agent->neighbours) ||
	    keeper_open(agent->event, agent->options->dir, agent->options->state, &agent->keeper) ||
	    agent_events_open(agent->event, agent->options->dir, agent->keeper, &agent->events) ||
	    sweeper_open(agent->event, agent->options->dir, &agent->sweeper) ||
	    health_open(agent->event, agent->options->dir, &agent->health))
		return EXIT_FAILED;
	return take_up(agent);
}

static enum exit_status loop(struct agent *agent)
{
	const char *listen = agent->options->listen;
	int result;

	log_info("agent runs, http://%s/metrics", listen ? listen : AGENT_DEFAULT_LISTEN);
	sd_notify(0, "READY=1");
	result = sd_event_loop(agent->event);
	if (result >= 0)
		return result;
	log_error("the event loop ended: %s", strerror(-result));
	return EXIT_FAILED;
}

int agent_run(const struct agent_options *options)
{
	struct agent agent = {.options = options};
	enum exit_status status;
	struct timespec now;

	log_as_daemon();
	signal(SIGPIPE, SIG_IGN);
	clock_gettime(CLOCK_REALTIME, &now);
	agent.own.started_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	status = start(&agent);
	if (status == EXIT_DONE)
		status = loop(&agent);
	rollouts_close(agent.rollouts);
	agent_events_close(agent.events);
	keeper_close(agent.keeper);
	neighbours_close(agent.neighbours);
	sweeper_close(agent.sweeper);
	health_close(agent.health);
	web_close(agent.web);
	page_fini(&agent.metrics);
	sd_event_unref(agent.event);
	return status;
}
