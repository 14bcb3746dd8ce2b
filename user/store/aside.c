// SPDX-License-Identifier: GPL-2.0-or-later
/* A damaged database: kept for whoever wants to save what is in it, and out of the way. */
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"

#define NAME_END ".db"

/* Whatever file somebody named by mistake stays where it is. */
static bool may_be_ours(const char *path, int fd)
{
	static const char magic[] = "SQLite format 3";
	size_t length = strlen(path), end = strlen(NAME_END);
	char head[sizeof(magic)] = "";

	if (length > end && !strcmp(path + length - end, NAME_END))
		return true;
	return pread(fd, head, sizeof(head), 0) == sizeof(head) &&
	       !memcmp(head, magic, sizeof(magic));
}

/* Or has somebody else put it aside, and begun the new one? */
static bool is_there(const char *path, const struct stat *damaged)
{
	struct stat named;

	return !stat(path, &named) && named.st_ino == damaged->st_ino &&
	       named.st_dev == damaged->st_dev;
}

static int rename_part(const char *path, const char *part, const char *end)
{
	char from[PATH_MAX], to[PATH_MAX];

	if (snprintf(from, sizeof(from), "%s%s", path, part) >= PATH_MAX ||
	    snprintf(to, sizeof(to), "%s%s%s", path, end, part) >= PATH_MAX)
		return -ENAMETOOLONG;
	return rename(from, to) ? -errno : 0;
}

/* What else belongs to it goes first: a new one must not find it. */
static int rename_all(const char *path)
{
	time_t now = time(NULL);
	struct tm utc;
	char end[64];
	int error;

	gmtime_r(&now, &utc);
	strftime(end, sizeof(end), ".damaged-%Y%m%dT%H%M%SZ", &utc);
	snprintf(end + strlen(end), sizeof(end) - strlen(end), "-%d", (int)getpid());
	rename_part(path, "-wal", end);
	rename_part(path, "-shm", end);
	error = rename_part(path, "", end);
	if (!error)
		log_warning("the state database %s is damaged: it is now %s%s, and a new one is "
			    "begun, without the history and the live weights of before",
			    path, path, end);
	return error;
}

int store_move_aside(const char *path, const struct stat *damaged)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), error = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!is_there(path, damaged))
		error = 0;
	else if (!may_be_ours(path, fd))
		error = -EINVAL;
	else if (flock(fd, LOCK_EX))
		error = -errno;
	else if (is_there(path, damaged))
		error = rename_all(path);
	close(fd);
	return error;
}
