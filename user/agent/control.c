// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/control.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/log.h"

#define BACKLOG	   64
#define MODE	   0660
#define DIR_MODE   0755
#define GROUPS_MAX 65536 /* the kernel's own limit */

struct control {
	struct sockaddr_un at;
	int fd;
	gid_t group;
	bool is_bound;
	dev_t device; /* of the file, to know it again */
	ino_t inode;
};

static int new_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

/* 0: nobody listens there; -EADDRINUSE: an agent does, or it is no socket. */
static int take_away_dead(const struct sockaddr_un *at)
{
	struct stat there;
	int fd, err = 0;

	if (lstat(at->sun_path, &there))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(there.st_mode)) {
		log_error("%s is there and no socket: it is left alone", at->sun_path);
		return -EEXIST;
	}
	fd = new_socket();
	if (fd < 0)
		return fd;
	/* EAGAIN: it lives, and many ask it. */
	if (!connect(fd, (const struct sockaddr *)at, sizeof(*at)) || errno == EAGAIN)
		err = -EADDRINUSE;
	else if (errno != ECONNREFUSED || unlink(at->sun_path))
		err = -errno;
	close(fd);
	if (err == -EADDRINUSE)
		log_error("another agent listens at %s; give this one a --socket of its own, or "
			  "none: --socket ''",
			  at->sun_path);
	return err;
}

/* Nobody has to be in the group: without it, or where it cannot be given, the file is root's alone. */
static int share(struct control *c)
{
	const struct group *group = getgrnam(CONTROL_GROUP);
	struct stat there;

	if (group && chown(c->at.sun_path, (uid_t)-1, group->gr_gid))
		log_warning("cannot give %s to the group %s: %s (the unit needs "
			    "SupplementaryGroups=%s)",
			    c->at.sun_path, CONTROL_GROUP, strerror(errno), CONTROL_GROUP);
	if (chmod(c->at.sun_path, MODE) || lstat(c->at.sun_path, &there))
		return -errno;
	c->group = there.st_gid;
	c->device = there.st_dev;
	c->inode = there.st_ino;
	return 0;
}

static int listen_there(struct control *c)
{
	mode_t umask_before;
	int err;

	err = take_away_dead(&c->at);
	if (err)
		return err;
	c->fd = new_socket();
	if (c->fd < 0)
		return c->fd;
	umask_before = umask(0177); /* until it has its group, it is its owner's */
	err = bind(c->fd, (struct sockaddr *)&c->at, sizeof(c->at)) ? -errno : 0;
	umask(umask_before);
	if (err)
		return err;
	c->is_bound = true;
	err = share(c);
	if (!err && listen(c->fd, BACKLOG))
		err = -errno;
	return err;
}

/* Two that begin at once must not each take the other's for dead: the directory is locked meanwhile. */
static int begin(struct control *c)
{
	char copy[sizeof(c->at.sun_path)], *dir;
	int lock, err;

	memcpy(copy, c->at.sun_path, sizeof(copy));
	dir = dirname(copy);
	if (mkdir(dir, DIR_MODE) && errno != EEXIST)
		return -errno;
	lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock < 0)
		return -errno;
	err = flock(lock, LOCK_EX | LOCK_NB) ? -errno : listen_there(c);
	close(lock);
	return err;
}

int control_open(const char *path, struct control **out)
{
	struct control *c;
	int err;

	if (strlen(path) >= sizeof(c->at.sun_path)) {
		log_error("%s: the path of a socket has at most %zu bytes", path,
			  sizeof(c->at.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->at.sun_family = AF_UNIX;
	strcpy(c->at.sun_path, path);
	c->fd = -1;
	err = begin(c);
	if (err) {
		if (err != -EADDRINUSE && err != -EEXIST)
			log_error("cannot listen at %s: %s", path, strerror(-err));
		control_close(c);
		return err;
	}
	*out = c;
	return 0;
}

int control_take_fd(struct control *c)
{
	int fd = c->fd;

	c->fd = -1;
	return fd;
}

static bool is_in(const gid_t *groups, size_t count, gid_t wanted)
{
	for (size_t i = 0; i < count; i++)
		if (groups[i] == wanted)
			return true;
	return false;
}

static bool is_member(int fd, gid_t group)
{
	socklen_t len = GROUPS_MAX * sizeof(gid_t), peer_len;
	gid_t *groups = malloc(len);
	struct ucred peer;
	bool found = false;

	peer_len = sizeof(peer);
	if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_len))
		found = peer.gid == group;
	if (!found && groups && !getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len))
		found = is_in(groups, len / sizeof(*groups), group);
	free(groups);
	return found;
}

bool control_admits(const struct control *c, int fd, uid_t uid)
{
	return !uid || uid == geteuid() || is_member(fd, c->group);
}

void control_close(struct control *c)
{
	struct stat there;

	if (!c)
		return;
	if (c->is_bound && !lstat(c->at.sun_path, &there) && there.st_dev == c->device &&
	    there.st_ino == c->inode)
		unlink(c->at.sun_path);
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}
