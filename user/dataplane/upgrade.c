// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Another program in place of the one that runs, upon the same maps. First all that can be refused:
 * the maps are compared and the kernel loads the program, while nothing that runs is touched. Then
 * meta loses its word of which program it is, each NIC's link gets the new one, the pins follow, and
 * meta has the last word. So whoever comes after a kill, with either program, begins again.
 */
#include "dataplane/upgrade.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"

#define UNFINISHED 0 /* meta.program_id while it is being changed */

static bool is_due(const struct dataplane *dp)
{
	return dp->lacking || dp->meta.program_id != dataplane_program_id();
}

void dataplane_format_program(char text[DATAPLANE_PROGRAM_LEN], const char *version, uint64_t id)
{
	if (id == UNFINISHED)
		snprintf(text, DATAPLANE_PROGRAM_LEN, "serin %.31s (unfinished)", version);
	else
		snprintf(text, DATAPLANE_PROGRAM_LEN, "serin %.31s (%08x)", version,
			 (unsigned int)(id >> 32));
}

int dataplane_running_program(const char *dir, uint64_t *id, char made_by[32])
{
	struct serin_meta meta;
	char path[PATH_MAX];
	uint32_t zero = 0;
	int error, fd;

	if (snprintf(path, sizeof(path), "%s/" DP_VERSION_DIR "/meta", dir) >= PATH_MAX)
		return -ENAMETOOLONG;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -errno;
	error = bpf_map_lookup_elem(fd, &zero, &meta) ? -errno : 0;
	close(fd);
	if (error)
		return error;
	*id = meta.program_id;
	memcpy(made_by, meta.made_by, sizeof(meta.made_by));
	return 0;
}

int dp_upgrade_prepare(struct dataplane *dp, char told[DP_UPGRADE_LEN])
{
	char from[DATAPLANE_PROGRAM_LEN], to[DATAPLANE_PROGRAM_LEN];
	int error;

	*told = '\0';
	if (!is_due(dp))
		return 0;
	dataplane_format_program(from, dp->meta.made_by, dp->meta.program_id);
	dataplane_format_program(to, SERIN_VERSION, dataplane_program_id());
	error = dp_load_over(dp);
	if (error)
		return error;
	snprintf(told, DP_UPGRADE_LEN, "~ program: %s -> %s", from, to);
	dp->is_upgrade = true;
	return dp_mmap(dp);
}

static int write_meta(struct dataplane *dp, uint64_t program_id)
{
	uint32_t zero = 0;

	dp->meta.program_id = program_id;
	return bpf_map_update_elem(dp->map_fd[DP_MAP_META], &zero, &dp->meta, 0) ? -errno : 0;
}

/* In place of the pin of that name, if there is one. */
static int pin_over(struct dataplane *dp, int fd, const char *name)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	int error = dp_pin_path(dp, name, path);

	if (!error)
		error = dp_pin_path(dp, "next", fresh);
	if (error)
		return error;
	unlink(fresh);
	if (bpf_obj_pin(fd, fresh) || rename(fresh, path)) {
		error = -errno;
		log_error("cannot pin %s: %s", name, strerror(-error));
	}
	return error;
}

static int pin_new_maps(struct dataplane *dp)
{
	char path[PATH_MAX];
	int error = 0;

	for (int i = 0; !error && i < DP_MAP_MAX; i++) {
		error = dp_pin_path(dp, dp_map_names[i], path);
		if (!error && access(path, F_OK))
			error = pin_over(dp, dp->map_fd[i], dp_map_names[i]);
	}
	return error;
}

/* The program that links were made with: the pinned one. */
struct swap {
	struct dataplane *dp;
	int old_fd;
	uint32_t old_id;
};

static int swap_begin(struct dataplane *dp, struct swap *out)
{
	struct bpf_prog_info info = {};
	uint32_t len = sizeof(info);
	char path[PATH_MAX];
	int error = dp_pin_path(dp, "program", path);

	*out = (struct swap){.dp = dp, .old_fd = -1};
	if (error)
		return error;
	out->old_fd = bpf_obj_get(path);
	if (out->old_fd < 0)
		return 0; /* lost: links are given the new one whatever they have */
	if (!bpf_obj_get_info_by_fd(out->old_fd, &info, &len))
		out->old_id = info.id;
	return 0;
}

static int read_link(int fd, struct bpf_link_info *out)
{
	uint32_t len = sizeof(*out);

	memset(out, 0, sizeof(*out));
	return bpf_obj_get_info_by_fd(fd, out, &len) ? -errno : 0;
}

/* One that a killed upgrade has reached already has neither the old program nor this one. */
static int update_link(const struct swap *s, int fd)
{
	struct bpf_link_info info;
	LIBBPF_OPTS(bpf_link_update_opts, opts);
	int error = read_link(fd, &info);

	if (error)
		return error;
	if (s->old_id && info.prog_id == s->old_id) {
		opts.flags = BPF_F_REPLACE;
		opts.old_prog_fd = (uint32_t)s->old_fd;
	}
	return bpf_link_update(fd, s->dp->program_fd, &opts) ? -errno : 0;
}

static int swap_link(const char *name, uint32_t ifindex, void *arg)
{
	const struct swap *s = arg;
	char path[PATH_MAX];
	int error, fd;

	if (!ifindex)
		return 0; /* its NIC is gone: apply will see to it */
	error = dp_link_path(s->dp, name, path);
	if (error)
		return error;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -errno;
	error = update_link(s, fd);
	close(fd);
	if (error)
		log_error("%s: cannot put the new program in: %s", name, strerror(-error));
	return error;
}

static int swap_links(struct dataplane *dp)
{
	struct swap s;
	int error = swap_begin(dp, &s);

	if (!error)
		error = dp_each_link(dp, swap_link, &s);
	if (s.old_fd >= 0)
		close(s.old_fd);
	return error;
}

int dp_upgrade(struct dataplane *dp)
{
	int error;

	if (!dp->is_upgrade)
		return 0;
	error = write_meta(dp, UNFINISHED);
	if (!error)
		error = pin_new_maps(dp);
	if (!error)
		error = swap_links(dp);
	if (!error)
		error = pin_over(dp, dp->program_fd, "program");
	if (!error)
		error = pin_over(dp, dp->clock_fd, "clock");
	if (!error)
		error = pin_over(dp, dp->sweep_fd, "sweep");
	if (!error)
		error = pin_over(dp, dp->tell_fd, "tell");
	if (error)
		return error;
	snprintf(dp->meta.made_by, sizeof(dp->meta.made_by), "%s", SERIN_VERSION);
	return write_meta(dp, dataplane_program_id());
}
