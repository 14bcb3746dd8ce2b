// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/warden.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct program {
	const char *path;
	const posix_spawn_file_actions_t *files;
	char *const *argv, *const *environment;
};

/* A process group of its own, no signal blocked, and SIGPIPE as programs expect it. 0 or errno. */
static int spawn(const struct program *p, pid_t *pid)
{
	posix_spawnattr_t attributes;
	sigset_t none, pipe;
	int err;

	sigemptyset(&none);
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	posix_spawnattr_init(&attributes);
	err = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
							    POSIX_SPAWN_SETSIGDEF);
	if (!err)
		err = posix_spawnattr_setpgroup(&attributes, 0);
	if (!err)
		err = posix_spawnattr_setsigmask(&attributes, &none);
	if (!err)
		err = posix_spawnattr_setsigdefault(&attributes, &pipe);
	if (!err)
		err = posix_spawn(pid, p->path, p->files, &attributes, p->argv, p->environment);
	posix_spawnattr_destroy(&attributes);
	return err;
}

/* A child's number is its own until it is reaped, which is done here alone. How many could be killed: of
 * many, those of the first page. */
static size_t kill_children(void)
{
	char list[4096 + 1], *end;
	int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? 0 : read(fd, list, sizeof(list) - 1);
	size_t killed = 0;
	pid_t pid;

	if (fd >= 0)
		close(fd);
	list[len > 0 ? len : 0] = '\0';
	for (char *at = list; (pid = (pid_t)strtol(at, &end, 10)) > 0 && *end == ' '; at = end)
		killed += !kill(pid, SIGKILL);
	return killed;
}

/* Children of who is killed come here, and are next. Mostly there is nobody. */
static void end_all(void)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0) {
		if (pid)
			continue;
		if (!kill_children())
			return;
		waitpid(-1, NULL, 0);
	}
}

/* Waits for the program; false: SIGTERM came first. */
static bool wait_for(pid_t program, const sigset_t *signals, int *status)
{
	for (;;) {
		pid_t pid;
		int ended;

		if (sigwaitinfo(signals, NULL) == SIGTERM)
			return false;
		while ((pid = waitpid(-1, &ended, WNOHANG)) > 0)
			if (pid == program) {
				*status = ended;
				return true;
			}
	}
}

/* Without a core, which would be the agent's memory. */
static _Noreturn void end_as(int status)
{
	sigset_t all;

	if (!WIFSIGNALED(status))
		_exit(WEXITSTATUS(status));
	prctl(PR_SET_DUMPABLE, 0);
	signal(WTERMSIG(status), SIG_DFL);
	sigfillset(&all);
	sigprocmask(SIG_UNBLOCK, &all, NULL);
	raise(WTERMSIG(status));
	_exit(128 + WTERMSIG(status));
}

/* Nothing of the agent's is kept open: neither its links and sockets nor the program's pipe. */
static _Noreturn void guard(const struct program *p, pid_t agent, int report)
{
	int err, status = SIGTERM; /* as it ends when it is told to */
	pid_t program = 0;
	sigset_t signals;

	sigfillset(&signals);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	prctl(PR_SET_NAME, "serin-warden");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	err = getppid() == agent ? spawn(p, &program) : ECHILD;
	if (write(report, &err, sizeof(err)) != sizeof(err) || err)
		_exit(1);
	closefrom(0);
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	wait_for(program, &signals, &status);
	end_all();
	end_as(status);
}

/* How it began, from the other end of @report. */
static int hear(pid_t warden, int report)
{
	ssize_t len;
	int err;

	do
		len = read(report, &err, sizeof(err));
	while (len < 0 && errno == EINTR);
	if (len != sizeof(err))
		err = ECHILD;
	if (err)
		waitpid(warden, NULL, 0);
	return err;
}

int warden_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *files,
		 char *const *argv, char *const *environment)
{
	const struct program p = {path, files, argv, environment};
	pid_t agent = getpid(), warden;
	int report[2], err;

	if (pipe2(report, O_CLOEXEC))
		return errno;
	warden = fork();
	if (!warden)
		guard(&p, agent, report[1]);
	err = warden < 0 ? errno : 0;
	close(report[1]);
	if (!err)
		err = hear(warden, report[0]);
	close(report[0]);
	if (!err)
		*pid = warden;
	return err;
}
