// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Are the pinned maps what a program expects? libbpf would take any that it is handed for a map, and
 * the verifier judge by those, while both sides read them by their own structs.
 */
#include "dataplane/upgrade.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"

/* What the kernel adds by itself: BPF_F_RDONLY_PROG to every map of devices. */
#define FLAGS_OF_KERNEL BPF_F_RDONLY_PROG

struct shape {
	uint32_t type, key_size, value_size, max_entries, flags;
};

static struct shape wanted_shape(const struct bpf_map *map)
{
	return (struct shape){
		.type = bpf_map__type(map),
		.key_size = bpf_map__key_size(map),
		.value_size = bpf_map__value_size(map),
		.max_entries = bpf_map__max_entries(map),
		.flags = bpf_map__map_flags(map),
	};
}

static int read_shape(int fd, struct shape *out)
{
	struct bpf_map_info info = {};
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	*out = (struct shape){
		.type = info.type,
		.key_size = info.key_size,
		.value_size = info.value_size,
		.max_entries = info.max_entries,
		.flags = info.map_flags & ~(uint32_t)FLAGS_OF_KERNEL,
	};
	return 0;
}

static int compare(const char *name, const struct shape *is, const struct shape *wanted)
{
	if (!memcmp(is, wanted, sizeof(*is)))
		return 0;
	log_error("the pinned map %s is of type %u, key %u, value %u bytes, %u entries, flags %#x; "
		  "the program of serin %s wants type %u, key %u, value %u, %u, %#x. Nothing was "
		  "touched: go on with the serin that made it, or `serin detach` and apply anew",
		  name, is->type, is->key_size, is->value_size, is->max_entries, is->flags,
		  SERIN_VERSION, wanted->type, wanted->key_size, wanted->value_size,
		  wanted->max_entries, wanted->flags);
	return -EPROTO;
}

static int open_in_version(const struct dataplane *dp, const char *name)
{
	char path[PATH_MAX];
	int error = dp_pin_path(dp, name, path), fd;

	if (error)
		return error;
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

static bool is_within(const char *pin, const char *outer)
{
	size_t len = strlen(outer);

	return !strncmp(pin, outer, len) && pin[len] == '-';
}

/* One that a map of maps holds now, by its pin; -ENOENT: it holds none that has one. */
static int open_any_inner(const struct dataplane *dp, const char *outer)
{
	char path[PATH_MAX];
	struct dirent *entry;
	int fd = dp_pin_path(dp, "", path);
	DIR *d = fd ? NULL : opendir(path);

	if (!d)
		return fd ? fd : -errno;
	fd = -ENOENT;
	while (fd < 0 && (entry = readdir(d)))
		if (is_within(entry->d_name, outer))
			fd = open_in_version(dp, entry->d_name);
	closedir(d);
	return fd;
}

/* Their sizes differ, and those that are made from now on have the new program's own. */
static int check_inner(const struct dataplane *dp, const char *name, const struct bpf_map *inner)
{
	struct shape is, wanted = wanted_shape(inner);
	int fd = open_any_inner(dp, name), error;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	error = read_shape(fd, &is);
	close(fd);
	if (error)
		return error;
	wanted.max_entries = is.max_entries;
	return compare(name, &is, &wanted);
}

int dp_map_check(const struct dataplane *dp, enum dp_map map, struct bpf_map *wanted_map)
{
	struct shape is, wanted = wanted_shape(wanted_map);
	struct bpf_map *inner = bpf_map__inner_map(wanted_map);
	int error = read_shape(dp->map_fd[map], &is);

	if (!error)
		error = compare(dp_map_names[map], &is, &wanted);
	return error || !inner ? error : check_inner(dp, dp_map_names[map], inner);
}
