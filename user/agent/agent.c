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
#include "agent/http.h"
#include "agent/keeper.h"
#include "agent/neighbours.h"
#include "agent/sweeper.h"
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
	struct http *http;
	struct neighbours *neighbours;
	struct keeper *keeper;
	struct agent_events *events;
	struct sweeper *sweeper;
	struct health *health;
	struct metrics_agent own; /* its own metrics */
};

/* What others print as text for a person, line by line. @prefix: of the lines wanted, or "" */
static void log_lines(enum log_level level, const char *prefix, char *text)
{
	char *line;

	while ((line = strsep(&text, "\n")))
		if (*line && !strncmp(line, prefix, strlen(prefix)))
			log_message(level, "%s", line);
}

/* The line of the file with its caret, under each error, is for a terminal: not logged. */
static int load_config(const char *path, struct model **out)
{
	char *text = NULL;
	size_t size;
	FILE *messages = open_memstream(&text, &size);
	int err;

	if (!messages)
		return -ENOMEM;
	err = config_load(path, out, messages);
	fclose(messages);
	log_lines(LOG_LEVEL_ERROR, strcmp(path, "-") ? path : "<stdin>", text);
	free(text);
	return err;
}

static int apply_model(const struct agent *agent, const struct model *m, const char *reason)
{
	struct live_change change = {};
	const struct dataplane_author author = {
		.actor = "agent", .reason = reason, .change = &change};
	char *text = NULL;
	size_t size;
	FILE *changes = open_memstream(&text, &size);
	int err;

	if (!changes)
		return -ENOMEM;
	err = dataplane_apply(agent->options->dir, m, &author, false, changes);
	fclose(changes);
	log_lines(LOG_LEVEL_INFO, "", text);
	free(text);
	keeper_record(agent->keeper, &author, err);
	live_change_fini(&change);
	return err;
}

static enum exit_status apply_config(const struct agent *agent, const char *reason)
{
	struct model *m = NULL;
	int err;

	if (load_config(agent->options->config_path, &m))
		return EXIT_BAD_CONFIG;
	keeper_remember(agent->keeper, m);
	err = apply_model(agent, m, reason);
	if (!err)
		health_reload(agent->health, m);
	model_free(m);
	return err ? EXIT_FAILED : EXIT_DONE;
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
		err = dataplane_snapshot(dp, &s);
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

static void show_metrics(struct agent *agent, struct http_reply *reply)
{
	struct snapshot *s = take_snapshot(agent);

	count_events(agent);
	count_kept(agent);
	agent->own.pass_errors = neighbours_errors(agent->neighbours);
	reply->status = 200;
	reply->content_type = METRICS_CONTENT_TYPE;
	metrics_write(s, reply->body);
	metrics_write_agent(&agent->own, reply->body);
	health_write_metrics(agent->health, reply->body);
	snapshot_free(s);
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
	fputs("no such page; there are /metrics, /-/healthy and /-/ready\n", reply->body);
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

/* Whatever is wrong with the file, what runs goes on as it is. */
static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
	struct agent *agent = arg;

	(void)source;
	(void)info;
	if (!agent->options->config_path) {
		log_warning("SIGHUP: the agent was given no file to apply");
		return 0;
	}
	tell_reloading(agent);
	if (apply_config(agent, "SIGHUP") == EXIT_DONE)
		log_info("%s is applied again", agent->options->config_path);
	else
		log_warning("what runs is kept");
	neighbours_kick(agent->neighbours);
	sd_notify(0, "READY=1");
	return 0;
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

/* What can fail for the host's reasons comes before what changes the kernel. */
static enum exit_status start(struct agent *agent)
{
	const char *listen = agent->options->listen;
	int err = open_loop(agent);

	if (err)
		return EXIT_FAILED;
	err = http_open(agent->event, listen ? listen : AGENT_DEFAULT_LISTEN, show_page, agent,
			&agent->http);
	if (err)
		return err == -EINVAL ? EXIT_BAD_CONFIG : EXIT_FAILED;
	if (neighbours_open(agent->event, agent->options->dir, &agent->neighbours) ||
	    keeper_open(agent->event, agent->options->dir, agent->options->state, &agent->keeper) ||
	    agent_events_open(agent->event, agent->options->dir, agent->keeper, &agent->events) ||
	    sweeper_open(agent->event, agent->options->dir, &agent->sweeper) ||
	    health_open(agent->event, agent->options->dir, &agent->health))
		return EXIT_FAILED;
	if (!agent->options->config_path)
		log_info("no configuration file was given: backends are not checked");
	return agent->options->config_path ? apply_config(agent, "agent start") : EXIT_DONE;
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
	agent_events_close(agent.events);
	keeper_close(agent.keeper);
	neighbours_close(agent.neighbours);
	sweeper_close(agent.sweeper);
	health_close(agent.health);
	http_close(agent.http);
	sd_event_unref(agent.event);
	return status;
}
