// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/read_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct buffer {
	char *text;
	size_t len;
	size_t room;
};

static int grow(struct buffer *b)
{
	size_t room = b->room ? b->room * 2 : 16384;
	char *text;

	if (b->len < b->room)
		return 0;
	text = realloc(b->text, room);
	if (!text)
		return -ENOMEM;
	b->text = text;
	b->room = room;
	return 0;
}

/* 1 to go on, 0 at the end, or -errno. */
static int read_some(int fd, struct buffer *b)
{
	ssize_t got;

	if (b->len > CONFIG_SIZE_MAX)
		return -EFBIG;
	if (grow(b))
		return -ENOMEM;
	got = read(fd, b->text + b->len, b->room - b->len);
	if (got < 0)
		return errno == EINTR ? 1 : -errno;
	b->len += (size_t)got;
	return got > 0;
}

int config_read_file(const char *path, char **text, size_t *len)
{
	struct buffer b = {0};
	int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	int status;

	if (fd < 0)
		return -errno;
	do
		status = read_some(fd, &b);
	while (status > 0);
	if (fd != STDIN_FILENO)
		close(fd);
	if (status < 0) {
		free(b.text);
		return status;
	}
	*text = b.text;
	*len = b.len;
	return 0;
}
