// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/job.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/warden.h"

#define READ_SIZE     65536
#define US_IN_MS      1000
#define READ_BURST    20 /* reads of a job that floods, in each READ_EVERY_US */
#define READ_EVERY_US 100000

struct job {
	sd_event_source *child, *pipe, *limit;
	pid_t pid;
	int fd; /* of its output */
	char *output;
	size_t len, room, max;
	bool is_cut;
	job_ended *ended;
	void *arg;
};

/* ---- output ---- */

static void take_output(struct job *j, const char *data, size_t len)
{
	size_t left = j->max - j->len, wanted = len < left ? len : left;

	j->is_cut |= wanted < len;
	if (j->len + wanted + 1 > j->room) {
		size_t room = 2 * (j->len + wanted + 1);
		char *output = realloc(j->output, room);

		j->is_cut |= !output;
		if (!output)
			return;
		j->output = output;
		j->room = room;
	}
	memcpy(j->output + j->len, data, wanted);
	j->len += wanted;
	j->output[j->len] = '\0';
}

/* Of what has come. Returns how much it was; 0 at the end, or -errno. */
static ssize_t read_output(struct job *j)
{
	static char data[READ_SIZE];
	ssize_t len = read(j->fd, data, sizeof(data));

	if (len > 0)
		take_output(j, data, (size_t)len);
	return len < 0 ? -errno : len;
}

static void close_output(struct job *j)
{
	j->pipe = sd_event_source_disable_unref(j->pipe);
	if (j->fd >= 0)
		close(j->fd);
	j->fd = -1;
}

/* What is beyond the size is read all the same: a program is not to fail, or wait, for saying much. */
static int on_output(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	ssize_t len = read_output(arg);

	(void)source, (void)fd, (void)events;
	if (!len || (len < 0 && len != -EAGAIN && len != -EINTR))
		close_output(arg);
	return 0;
}

/* ---- the end ---- */

static void free_job(void *arg)
{
	struct job *j = arg;

	free(j->output);
	free(j);
}

/* The loop reaps what is killed when it has ended, which nobody waits for. The job goes with its source,
 * which is for the caller to let go of. */
static void abandon(struct job *j)
{
	j->ended = NULL;
	close_output(j);
	j->limit = sd_event_source_disable_unref(j->limit);
	kill(j->pid, SIGTERM);
	sd_event_source_set_floating(j->child, true);
}

void job_cancel(struct job *j)
{
	if (!j)
		return;
	abandon(j);
	sd_event_source_unref(j->child);
}

static int on_limit(sd_event_source *source, uint64_t usec, void *arg)
{
	struct job *j = arg;
	job_ended *ended = j->ended;
	struct job_result result = {.is_late = true};
	sd_event_source *child = j->child;

	(void)source, (void)usec;
	take_output(j, "", 0);
	result.output = j->output ? j->output : "";
	result.len = j->len;
	result.is_cut = j->is_cut;
	abandon(j);
	ended(&result, j->arg);
	sd_event_source_unref(child);
	return 0;
}

static int on_exit_of(sd_event_source *source, const siginfo_t *info, void *arg)
{
	struct job *j = arg;
	job_ended *ended = j->ended;
	struct job_result result = {0};

	if (!ended) { /* the loop's own by now */
		sd_event_source_ref(source);
		sd_event_source_set_floating(source, false);
		sd_event_source_disable_unref(source);
		return 0;
	}
	take_output(j, "", 0);
	while (j->fd >= 0 && !j->is_cut && read_output(j) > 0)
		;
	result.output = j->output ? j->output : "";
	result.len = j->len;
	result.is_cut = j->is_cut;
	*(info->si_code == CLD_EXITED ? &result.status : &result.signal) = info->si_status;
	close_output(j);
	j->limit = sd_event_source_disable_unref(j->limit);
	ended(&result, j->arg);
	sd_event_source_disable_unref(j->child);
	return 0;
}

/* ---- the beginning ---- */

static int make_input(const char *data, size_t len)
{
	int fd = memfd_create("serin-job", MFD_CLOEXEC);
	size_t done = 0;

	while (fd >= 0 && done < len) {
		ssize_t n = write(fd, data + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int err = n ? -errno : -EIO;

			close(fd);
			return err;
		}
		done += (size_t)n;
	}
	if (fd >= 0)
		lseek(fd, 0, SEEK_SET);
	return fd < 0 ? -errno : fd;
}

static int spawn(struct job *j, const struct job_spec *s, int input, int output)
{
	posix_spawn_file_actions_t files;
	int err;

	posix_spawn_file_actions_init(&files);
	err = posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
	if (!err)
		err = posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
	if (!err)
		err = posix_spawn_file_actions_adddup2(&files, output, STDERR_FILENO);
	if (!err)
		err = posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
	if (!err)
		err = warden_spawn(&j->pid, s->path, &files, s->argv, s->environment);
	posix_spawn_file_actions_destroy(&files);
	return -err;
}

/* Its end of the pipe is closed here, so that the end of its output is seen. */
static int spawn_between(struct job *j, const struct job_spec *s)
{
	int input = make_input(s->input, s->input_len), ends[2], err;

	if (input < 0)
		return input;
	err = pipe2(ends, O_CLOEXEC) ? -errno : 0;
	if (!err) {
		j->fd = ends[0];
		fcntl(j->fd, F_SETFL, O_NONBLOCK);
		err = spawn(j, s, input, ends[1]);
		close(ends[1]);
	}
	close(input);
	return err;
}

static int watch(sd_event *event, struct job *j, uint64_t limit_ms)
{
	int err = sd_event_add_child(event, &j->child, j->pid, WEXITED, on_exit_of, j);

	if (err >= 0)
		err = sd_event_add_io(event, &j->pipe, j->fd, EPOLLIN, on_output, j);
	if (err >= 0)
		err = sd_event_source_set_ratelimit(j->pipe, READ_EVERY_US, READ_BURST);
	if (err >= 0)
		err = sd_event_add_time_relative(event, &j->limit, CLOCK_MONOTONIC,
						 limit_ms * US_IN_MS, 1, on_limit, j);
	return err < 0 ? err : 0;
}

/* Nothing of it is left; for the rare one that runs and cannot be watched there is a wait. */
static void undo(struct job *j)
{
	if (j->pid > 0) {
		kill(j->pid, SIGTERM);
		waitpid(j->pid, NULL, 0);
	}
	sd_event_source_disable_unref(j->limit);
	sd_event_source_disable_unref(j->child);
	close_output(j);
	free_job(j);
}

int job_start(sd_event *event, const struct job_spec *spec, job_ended *ended, void *arg,
	      struct job **out)
{
	struct job *j = calloc(1, sizeof(*j));
	int err;

	if (!j)
		return -ENOMEM;
	*j = (struct job){.fd = -1, .max = spec->output_max, .ended = ended, .arg = arg};
	err = spawn_between(j, spec);
	if (!err)
		err = watch(event, j, spec->limit_ms);
	if (err) {
		undo(j);
		return err;
	}
	sd_event_source_set_destroy_callback(j->child, free_job);
	*out = j;
	return 0;
}
