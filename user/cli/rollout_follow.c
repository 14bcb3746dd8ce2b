// SPDX-License-Identifier: GPL-2.0-or-later
/* rollout status: one screen, once, or again each second until the rollout has ended. */
#include "cli/rollout.h"

#include <errno.h>
#include <langinfo.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/rollout_screen.h"
#include "config/duration.h"
#include "lib/log.h"
#include "observe/rollout_view.h"

#define PATIENCE_MS 30000 /* an agent that is restarted is back by then */

struct wait {
	const struct cli *cli;
	bool is_terminal;
	bool was_shown; /* the agent has answered once */
	bool is_told;	/* that it does not now */
	int64_t id;
	size_t transitions; /* told so far */
	uint64_t heard_ms;
};

static volatile sig_atomic_t is_interrupted;

static void on_interrupt(int signal)
{
	(void)signal;
	is_interrupted = 1;
}

static uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- showing ---- */

static struct rollout_screen screen_of_terminal(bool is_watching)
{
	struct rollout_screen s = {
		.columns = ROLLOUT_SCREEN_COLUMNS,
		.is_ascii = strcmp(nl_langinfo(CODESET), "UTF-8") != 0,
		.has_colours = cli_has_colours(),
	};
	struct winsize size;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		return s;
	s.columns = size.ws_col;
	s.rows = is_watching ? size.ws_row : 0;
	return s;
}

/* At one stroke, so that a screen that is drawn anew does not flicker. */
static int show(const json_t *view, bool is_watching)
{
	const struct rollout_screen s = screen_of_terminal(is_watching);
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int error = out ? rollout_screen_write(&s, view, out) : -ENOMEM;

	if (out && fclose(out))
		error = -ENOMEM;
	if (!error)
		printf("%s%s", is_watching ? "\033[H\033[2J" : "", text);
	free(text);
	if (error)
		log_error("out of memory");
	return error || fflush(stdout) ? CLI_FAILED : CLI_OK;
}

static int print_view(const struct cli *cli, json_t *view)
{
	return cli->is_json ? cli_print_json(json_incref(view)) : show(view, false);
}

static void tell_transitions(struct wait *w, const json_t *view)
{
	const json_t *all = json_object_get(view, "transitions");

	for (; w->transitions < json_array_size(all); w->transitions++) {
		char line[ROLLOUT_TRANSITION_LEN];

		printf("%s %s\n", w->cli->args[0],
		       rollout_transition(view, json_array_get(all, w->transitions), line));
	}
	fflush(stdout);
}

static void tell(struct wait *w, json_t *view)
{
	if (w->is_terminal)
		show(view, true);
	else if (!w->cli->is_json)
		tell_transitions(w, view);
	else if (view_has_ended(view))
		print_view(w->cli, view);
}

/* ---- waiting ---- */

static int outcome_of(const json_t *view)
{
	return !view_has_ended(view) || view_ended_well(view) ? CLI_OK : CLI_UNHEALTHY;
}

/* Returns the exit code where it is in vain to go on, else -1. */
static int bear(struct wait *w, int error, const struct agent_answer *a)
{
	if (w->was_shown && clock_ms() - w->heard_ms < PATIENCE_MS) {
		if (!w->is_told)
			log_warning("the agent does not answer; trying again for %d s",
				    PATIENCE_MS / 1000);
		w->is_told = true;
		return -1;
	}
	return error ? agent_tell_absent(agent_socket(w->cli), error) : agent_tell_refusal(a);
}

/* The same. */
static int look(struct wait *w)
{
	struct agent_answer answer = {0};
	int error = rollout_get(w->cli, "", w->id, &answer), result = -1;

	if (error || answer.status != 200) {
		result = bear(w, error, &answer);
	} else {
		w->heard_ms = clock_ms();
		w->was_shown = true;
		w->is_told = false;
		w->id = view_int(answer.json, "id", w->id);
		tell(w, answer.json);
		if (view_has_ended(answer.json))
			result = outcome_of(answer.json);
	}
	agent_answer_fini(&answer);
	return result;
}

/* Until when to wait; UINT64_MAX: for ever. */
static int read_end(const struct cli *cli, uint64_t *end_ms)
{
	uint32_t ms = 0;

	*end_ms = UINT64_MAX;
	if (!cli->timeout)
		return 0;
	if (duration_parse(cli->timeout, &ms) || !ms) {
		log_error("--timeout takes a time like 30s or 90m, not \"%s\"", cli->timeout);
		return -EINVAL;
	}
	*end_ms = clock_ms() + ms;
	return 0;
}

int rollout_check_timeout(const struct cli *cli)
{
	uint64_t end_ms;

	return read_end(cli, &end_ms);
}

int rollout_follow(const struct cli *cli, int64_t id)
{
	const struct sigaction action = {.sa_handler = on_interrupt};
	const struct timespec second = {.tv_sec = 1};
	struct wait w = {
		.cli = cli,
		.is_terminal = isatty(STDOUT_FILENO) && !cli->is_json,
		.was_shown = id != cli->id, /* it was started just now */
		.id = id,
		.heard_ms = clock_ms(),
	};
	uint64_t end_ms;
	int result = -1;

	if (read_end(cli, &end_ms))
		return CLI_USAGE;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	while (result < 0 && !is_interrupted && !ferror(stdout)) {
		result = look(&w);
		if (result >= 0 || is_interrupted)
			break;
		if (clock_ms() >= end_ms) {
			log_error("it has not ended within %s, and goes on", cli->timeout);
			return CLI_FAILED;
		}
		nanosleep(&second, NULL);
	}
	return result < 0 ? CLI_FAILED : result; /* who stopped waiting does not know how it ends */
}

int cmd_rollout_status(const struct cli *cli)
{
	struct agent_answer answer = {0};
	int error, result;

	if (rollout_check_timeout(cli))
		return CLI_USAGE;
	if (cli->is_waiting)
		return rollout_follow(cli, cli->id);
	error = rollout_get(cli, "", cli->id, &answer);
	if (error)
		return agent_tell_absent(agent_socket(cli), error);
	result = agent_tell_refusal(&answer);
	if (!result)
		result = print_view(cli, answer.json);
	if (!result)
		result = outcome_of(answer.json);
	agent_answer_fini(&answer);
	return result;
}
