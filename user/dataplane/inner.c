// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Maps within maps. The kernel tells their ids, and opens by id for CAP_SYS_ADMIN alone, which the
 * agent's unit has not. So each has a pin, too, DIR/v1/MAP-KEY. The map of maps is the truth: a pin
 * of another id (somebody was killed between the two) is as good as none.
 */
#include "dataplane/internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static int inner_path(const struct dataplane *dp, enum dp_map map, uint32_t key,
		      char path[PATH_MAX])
{
	char name[64];

	snprintf(name, sizeof(name), "%s-%u", dp_map_names[map], key);
	return dp_pin_path(dp, name, path);
}

static int open_pin(const struct dataplane *dp, enum dp_map map, uint32_t key, uint32_t id)
{
	struct bpf_map_info info = {};
	uint32_t len = sizeof(info);
	char path[PATH_MAX];
	int fd;

	if (inner_path(dp, map, key, path))
		return -EPERM;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return errno == EMFILE ? -EMFILE : -EPERM;
	if (!bpf_obj_get_info_by_fd(fd, &info, &len) && info.id == id)
		return fd;
	close(fd);
	return -EPERM;
}

int dp_inner_open(const struct dataplane *dp, enum dp_map map, uint32_t key, uint32_t id)
{
	int fd = bpf_map_get_fd_by_id(id);

	if (fd >= 0)
		return fd;
	return errno == EPERM ? open_pin(dp, map, key, id) : -errno;
}

void dp_inner_pin(const struct dataplane *dp, enum dp_map map, uint32_t key, int fd)
{
	char path[PATH_MAX];

	if (inner_path(dp, map, key, path))
		return;
	if (!bpf_obj_pin(fd, path) || errno != EEXIST)
		return;
	unlink(path);
	bpf_obj_pin(fd, path);
}

void dp_inner_unpin(const struct dataplane *dp, enum dp_map map, uint32_t key)
{
	char path[PATH_MAX];

	if (!inner_path(dp, map, key, path))
		unlink(path);
}
