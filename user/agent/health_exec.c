// SPDX-License-Identifier: GPL-2.0-or-later
/* Checks that are somebody's program: exit status 0 is a pass. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "agent/health_probe.h"
#include "agent/warden.h"
#include "lib/net.h"

#define ENVIRONMENT 6

struct exec_probe {
	struct probe probe;
	sd_event_source *child;
	pid_t pid;
};

/* The probe goes with its source. */
static void finish(struct exec_probe *p, const char *reason)
{
	struct probe ended = p->probe;

	sd_event_source_disable_unref(p->child);
	ended.done(ended.arg, reason);
}

static int on_exit_of(sd_event_source *source, const siginfo_t *info, void *arg)
{
	char reason[PROBE_REASON_LEN];
	bool has_passed = info->si_code == CLD_EXITED && !info->si_status;
	const struct exec_probe *p = arg;

	if (!p->probe.done) { /* the loop's own by now */
		sd_event_source_ref(source);
		sd_event_source_set_floating(source, false);
		sd_event_source_disable_unref(source);
		return 0;
	}
	if (info->si_code == CLD_EXITED)
		snprintf(reason, sizeof(reason), "exit status %d", info->si_status);
	else
		snprintf(reason, sizeof(reason), "killed by signal %d", info->si_status);
	finish(arg, has_passed ? NULL : reason);
	return 0;
}

/* The loop reaps it when it has ended, which nobody waits for. */
static void cancel(struct probe *probe)
{
	struct exec_probe *p = (struct exec_probe *)probe;

	p->probe.done = NULL;
	kill(p->pid, SIGTERM);
	sd_event_source_set_floating(p->child, true);
	sd_event_source_unref(p->child);
}

static int open_nothing(posix_spawn_file_actions_t *files)
{
	int err = 0;

	for (int fd = 0; !err && fd < 3; fd++)
		err = posix_spawn_file_actions_addopen(files, fd, "/dev/null",
						       fd ? O_WRONLY : O_RDONLY, 0);
	return err ? err : posix_spawn_file_actions_addclosefrom_np(files, 3);
}

static int set_variable(char **environment, size_t *count, const char *name, const char *value)
{
	if (!value)
		return 0;
	if (asprintf(&environment[*count], "%s=%s", name, value) < 0)
		return ENOMEM;
	(*count)++;
	return 0;
}

static int make_environment(const struct probe_target *t, char *environment[ENVIRONMENT])
{
	char address[NET_ADDR_LEN], port[8];
	size_t count = 0;
	int err;

	snprintf(port, sizeof(port), "%u", t->port);
	net_format_addr(&t->address, address);
	err = set_variable(environment, &count, "PATH", getenv("PATH"));
	if (!err)
		err = set_variable(environment, &count, "SERIN_SERVICE", t->service);
	if (!err)
		err = set_variable(environment, &count, "SERIN_POOL", t->pool);
	if (!err)
		err = set_variable(environment, &count, "SERIN_BACKEND_ADDRESS", address);
	return err ? err : set_variable(environment, &count, "SERIN_BACKEND_PORT", port);
}

static int spawn(const struct probe_target *t, pid_t *pid)
{
	char *environment[ENVIRONMENT] = {NULL};
	posix_spawn_file_actions_t files;
	int err;

	posix_spawn_file_actions_init(&files);
	err = open_nothing(&files);
	if (!err)
		err = make_environment(t, environment);
	if (!err)
		err = warden_spawn(pid, t->check->command[0], &files, t->check->command,
				   environment);
	posix_spawn_file_actions_destroy(&files);
	for (int i = 0; i < ENVIRONMENT; i++)
		free(environment[i]);
	return -err;
}

int health_exec_start(const struct probe_start *s, struct probe **out)
{
	struct exec_probe *p = calloc(1, sizeof(*p));
	int err = p ? spawn(s->target, &p->pid) : -ENOMEM;

	if (!err) {
		p->probe = (struct probe){.done = s->done, .arg = s->arg, .cancel = cancel};
		err = sd_event_add_child(s->event, &p->child, p->pid, WEXITED, on_exit_of, p);
		if (err < 0) {
			kill(p->pid, SIGTERM);
			waitpid(p->pid, NULL, 0);
		}
	}
	if (err < 0) {
		snprintf(s->reason, PROBE_REASON_LEN, "%s: %s", s->target->check->command[0],
			 strerror(-err));
		free(p);
		return err;
	}
	sd_event_source_set_destroy_callback(p->child, free);
	*out = &p->probe;
	return 0;
}
