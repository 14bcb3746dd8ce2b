// SPDX-License-Identifier: GPL-2.0-or-later
/* Pins: DIR/v1/ holds every map, the program and a link per NIC; DIR itself is what is locked. */
#include "dataplane/internal.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <bpf/libbpf.h>

#include "lib/log.h"

const char *const dp_map_names[DP_MAP_MAX] = {
#define DP_MAP_NAME(upper, lower) [DP_MAP_##upper] = #lower,
	DP_MAPS(DP_MAP_NAME)
#undef DP_MAP_NAME
};

void dp_init(struct dataplane *dp, const char *dir, enum dataplane_access access)
{
	memset(dp, 0, sizeof(*dp));
	snprintf(dp->dir, sizeof(dp->dir), "%s", dir);
	dp->access = access;
	dp->lock_fd = -1;
	dp->program_fd = -1;
	dp->clock_fd = -1;
	dp->sweep_fd = -1;
	dp->tell_fd = -1;
	for (int i = 0; i < DP_MAP_MAX; i++)
		dp->map_fd[i] = -1;
	dp->cpu_count = libbpf_num_possible_cpus();
	dp->uid = getuid();
}

struct mapping {
	void **address;
	enum dp_map map;
	size_t value_size;
	size_t entries;
};

#define DP_MAPPINGS 13

static void list_mappings(struct dataplane *dp, struct mapping out[DP_MAPPINGS])
{
	const struct serin_meta *m = &dp->meta;
	const struct mapping all[DP_MAPPINGS] = {
		{(void **)&dp->service_index, DP_MAP_SERVICE_INDEX, sizeof(struct serin_bucket),
		 m->service_buckets},
		{(void **)&dp->services, DP_MAP_SERVICES, sizeof(struct serin_service),
		 m->max_services},
		{(void **)&dp->guards, DP_MAP_GUARDS, sizeof(struct serin_guard),
		 (size_t)m->max_services * SERIN_MAX_POOLS},
		{(void **)&dp->backends, DP_MAP_BACKENDS, sizeof(struct serin_backend),
		 m->max_backends},
		{(void **)&dp->backend_index, DP_MAP_BACKEND_INDEX, sizeof(struct serin_bucket),
		 m->backend_buckets},
		{(void **)&dp->ports, DP_MAP_PORTS, sizeof(struct serin_port), SERIN_MAX_PORTS},
		{(void **)&dp->info, DP_MAP_SERVICE_INFO, sizeof(struct serin_service_info),
		 m->max_services},
		{(void **)&dp->flows4, DP_MAP_FLOWS4, sizeof(struct serin_bucket4),
		 m->flow_buckets},
		{(void **)&dp->flows6, DP_MAP_FLOWS6, sizeof(struct serin_bucket6),
		 m->flow_buckets},
		{(void **)&dp->routes, DP_MAP_ROUTES, sizeof(struct serin_routes), 2},
		{(void **)&dp->switches, DP_MAP_SWITCHES, sizeof(struct serin_switches), 1},
		{(void **)&dp->source_sets, DP_MAP_SOURCE_SETS, sizeof(struct serin_source_set),
		 m->max_services},
		{(void **)&dp->event_log, DP_MAP_EVENT_LOG, sizeof(struct serin_event_log), 1},
	};

	memcpy(out, all, sizeof(all));
}

static size_t mapping_length(const struct mapping *m)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (m->value_size * m->entries + page - 1) / page * page;
}

static int map_one(struct dataplane *dp, const struct mapping *m)
{
	int protection = PROT_READ | (dp->access == DATAPLANE_WRITE ? PROT_WRITE : 0);
	void *at = mmap(NULL, mapping_length(m), protection, MAP_SHARED, dp->map_fd[m->map], 0);
	int error = at == MAP_FAILED ? -errno : 0;

	if (error)
		log_error("cannot map %s: %s", dp_map_names[m->map], strerror(-error));
	else
		*m->address = at;
	return error;
}

static bool is_flow_table(const struct mapping *m)
{
	return m->map == DP_MAP_FLOWS4 || m->map == DP_MAP_FLOWS6;
}

/* The kernel fills in the page tables of a map at once: for the flow table that takes longer than
 * all the rest of a shift, so it waits until somebody asks for flows. */
static int map_some(struct dataplane *dp, bool flow_table)
{
	struct mapping list[DP_MAPPINGS];
	int error = 0;

	list_mappings(dp, list);
	for (int i = 0; !error && i < DP_MAPPINGS; i++)
		if (is_flow_table(&list[i]) == flow_table && !*list[i].address)
			error = map_one(dp, &list[i]);
	return error;
}

int dp_mmap(struct dataplane *dp)
{
	return map_some(dp, false);
}

int dp_mmap_flows(struct dataplane *dp)
{
	return map_some(dp, true);
}

void dp_fini(struct dataplane *dp)
{
	struct mapping list[DP_MAPPINGS];

	list_mappings(dp, list);
	for (int i = 0; i < DP_MAPPINGS; i++)
		if (*list[i].address)
			munmap(*list[i].address, mapping_length(&list[i]));
	for (int i = 0; i < DP_MAP_MAX; i++)
		if (dp->map_fd[i] >= 0)
			close(dp->map_fd[i]);
	free(dp->is_gone);
	if (dp->program_fd >= 0)
		close(dp->program_fd);
	if (dp->clock_fd >= 0)
		close(dp->clock_fd);
	if (dp->sweep_fd >= 0)
		close(dp->sweep_fd);
	if (dp->tell_fd >= 0)
		close(dp->tell_fd);
	if (dp->lock_fd >= 0)
		close(dp->lock_fd);
}

static bool is_on_bpffs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == (__typeof__(fs.f_type))BPF_FS_MAGIC;
}

/* The distribution mounts bpffs at boot; a container or a fresh namespace may not have it. */
static int ensure_bpffs(const char *dir)
{
	static const char root[] = "/sys/fs/bpf";

	if (!strncmp(dir, root, sizeof(root) - 1) && !is_on_bpffs(root) &&
	    mount("bpf", root, "bpf", 0, "mode=0700"))
		return -errno;
	return 0;
}

static int make_directory(const char *dir)
{
	int error = ensure_bpffs(dir);
	bool is_made;

	if (error) {
		log_error("cannot mount the BPF file system on /sys/fs/bpf: %s", strerror(-error));
		return error;
	}
	is_made = !mkdir(dir, 0700);
	if (!is_made && errno != EEXIST) {
		error = -errno;
		log_error("cannot make %s: %s", dir, strerror(-error));
		return error;
	}
	if (is_on_bpffs(dir))
		return 0;
	if (is_made)
		rmdir(dir);
	log_error("%s is not on a BPF file system: pins can only be kept on one "
		  "(mount -t bpf bpf /sys/fs/bpf)",
		  dir);
	return -ENOTSUP;
}

/* Whoever held the lock may have removed the directory meanwhile: is it still the one there? */
static bool is_current(int fd, const char *dir)
{
	struct stat held, there;

	return !fstat(fd, &held) && !stat(dir, &there) && held.st_ino == there.st_ino &&
	       held.st_dev == there.st_dev;
}

int dp_lock(struct dataplane *dp, bool create)
{
	for (;;) {
		int error = create ? make_directory(dp->dir) : 0;
		int fd;

		if (error)
			return error;
		fd = open(dp->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | (dp->tries ? LOCK_NB : 0))) {
			error = -errno;
			close(fd);
			return error;
		}
		if (is_current(fd, dp->dir)) {
			dp->lock_fd = fd;
			return 0;
		}
		close(fd);
	}
}

int dp_pin_path(const struct dataplane *dp, const char *name, char path[PATH_MAX])
{
	const char *sub = dp->is_published ? DP_VERSION_DIR : DP_STAGING_DIR;
	int len = snprintf(path, PATH_MAX, "%s/%s/%s", dp->dir, sub, name);

	return len < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* Pins of another version: "v" and a number that is not ours. */
static bool has_other_version(const char *dir, char found[16])
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	bool is_found = false;

	while (d && (entry = readdir(d))) {
		if (entry->d_name[0] == 'v' && strcmp(entry->d_name, DP_VERSION_DIR)) {
			snprintf(found, 16, "%.15s", entry->d_name + 1);
			is_found = true;
		}
	}
	if (d)
		closedir(d);
	return is_found;
}

static int check_meta(struct dataplane *dp)
{
	uint32_t zero = 0;

	if (bpf_map_lookup_elem(dp->map_fd[DP_MAP_META], &zero, &dp->meta))
		return -errno;
	if (dp->meta.magic == SERIN_ABI_MAGIC && dp->meta.abi_version == SERIN_ABI_VERSION)
		return 0;
	log_error("%s was made by serin %.31s (ABI %u), this one speaks ABI %u: use the serin that "
		  "made it, or detach with it and apply anew",
		  dp->dir, dp->meta.made_by, dp->meta.abi_version, SERIN_ABI_VERSION);
	memset(&dp->meta, 0, sizeof(dp->meta));
	return -EPROTO;
}

static int open_maps(struct dataplane *dp)
{
	char path[PATH_MAX];

	for (int i = 0; i < DP_MAP_MAX; i++) {
		int error = dp_pin_path(dp, dp_map_names[i], path);

		if (error)
			return error;
		/* Not BPF_F_RDONLY, even to read: the kernel would refuse to mmap it. */
		dp->map_fd[i] = bpf_obj_get(path);
		if (dp->map_fd[i] < 0) {
			error = -errno;
			if (error == -ENOENT && i != DP_MAP_META) {
				dp->lacking = dp->lacking ? dp->lacking : dp_map_names[i];
				continue;
			}
			if (error != -ENOENT && error != -EPERM && error != -EACCES)
				log_error("cannot open %s: %s", path, strerror(-error));
			return error;
		}
	}
	return 0;
}

/* A link in the staging directory: everything before it is done, packets go through it already. */
static bool has_staged_link(const struct dataplane *dp)
{
	char path[PATH_MAX];
	struct dirent *entry;
	bool is_found = false;
	DIR *d;

	if (snprintf(path, sizeof(path), "%s/%s", dp->dir, DP_STAGING_DIR) >= PATH_MAX)
		return false;
	d = opendir(path);
	while (d && !is_found && (entry = readdir(d)))
		is_found = !strncmp(entry->d_name, DP_LINK_PREFIX, strlen(DP_LINK_PREFIX));
	if (d)
		closedir(d);
	return is_found;
}

int dp_open_pins(struct dataplane *dp)
{
	char path[PATH_MAX], other[16];
	int error;

	if (dp->lock_fd >= 0 && has_staged_link(dp))
		dp_publish(dp);
	dp->is_published = true;
	error = dp_pin_path(dp, "clock", path);
	if (error)
		return error;
	if (access(path, F_OK)) {
		error = -errno;
		dp->is_published = false;
		if (error == -ENOENT && has_other_version(dp->dir, other)) {
			log_error("%s holds pins of ABI version %s, this serin speaks %u: use the "
				  "serin that made them, or detach with it and apply anew",
				  dp->dir, other, SERIN_ABI_VERSION);
			return -EPROTO;
		}
		return error;
	}
	error = open_maps(dp);
	if (error)
		return error;
	dp->clock_fd = bpf_obj_get(path);
	error = dp_pin_path(dp, "sweep", path);
	if (error)
		return error;
	dp->sweep_fd = bpf_obj_get(path);
	error = dp_pin_path(dp, "tell", path);
	if (error)
		return error;
	dp->tell_fd = bpf_obj_get(path);
	error = check_meta(dp);
	return error || dp->lacking ? error : dp_mmap(dp);
}

static int pin_one(struct dataplane *dp, int fd, const char *name)
{
	char path[PATH_MAX];
	int error = dp_pin_path(dp, name, path);

	if (!error && bpf_obj_pin(fd, path))
		error = -errno;
	if (error)
		log_error("cannot pin %s: %s", name, strerror(-error));
	return error;
}

int dp_stage(struct dataplane *dp)
{
	char path[PATH_MAX];
	int error;

	if (snprintf(path, sizeof(path), "%s/%s", dp->dir, DP_STAGING_DIR) >= PATH_MAX)
		return -ENAMETOOLONG;
	error = dp_remove_tree(path);
	if (error && error != -ENOENT)
		return error;
	if (mkdir(path, 0700))
		return -errno;
	for (int i = 0; i < DP_MAP_MAX; i++) {
		error = pin_one(dp, dp->map_fd[i], dp_map_names[i]);
		if (error)
			return error;
	}
	error = pin_one(dp, dp->program_fd, "program");
	if (!error)
		error = pin_one(dp, dp->clock_fd, "clock");
	if (!error)
		error = pin_one(dp, dp->sweep_fd, "sweep");
	return error ? error : pin_one(dp, dp->tell_fd, "tell");
}

int dp_publish(struct dataplane *dp)
{
	char from[PATH_MAX], to[PATH_MAX];

	if (snprintf(from, sizeof(from), "%s/%s", dp->dir, DP_STAGING_DIR) >= PATH_MAX ||
	    snprintf(to, sizeof(to), "%s/%s", dp->dir, DP_VERSION_DIR) >= PATH_MAX)
		return -ENAMETOOLONG;
	if (rename(from, to)) {
		int error = -errno;

		log_error("cannot rename %s to %s: %s", from, to, strerror(-error));
		return error;
	}
	dp->is_published = true;
	return 0;
}

int dp_remove_tree(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *entry;
	int error = 0;

	if (!d)
		return -errno;
	while (!error && (entry = readdir(d))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (unlinkat(dirfd(d), entry->d_name, 0))
			error = -errno;
	}
	closedir(d);
	if (!error && rmdir(path))
		error = -errno;
	if (error)
		log_error("cannot remove %s: %s", path, strerror(-error));
	return error;
}

int dataplane_probe(const char *dir)
{
	char path[PATH_MAX], other[16];

	if (snprintf(path, sizeof(path), "%s/%s", dir, DP_VERSION_DIR) >= PATH_MAX)
		return -ENAMETOOLONG;
	if (!access(path, F_OK))
		return 0;
	return has_other_version(dir, other) ? -EPROTO : -ENOENT;
}

/* Only apply knows what to do about that. */
static int refuse_lacking(const struct dataplane *dp)
{
	log_error(
		"%s was made by serin %.31s and has no map %s: use that serin, or let `serin apply "
		"FILE` put this one's program in",
		dp->dir, dp->meta.made_by, dp->lacking);
	return -EPROTO;
}

int dataplane_open(const char *dir, enum dataplane_access access, struct dataplane **out)
{
	struct dataplane *dp = malloc(sizeof(*dp));
	int error = 0;

	if (!dp)
		return -ENOMEM;
	dp_init(dp, dir, access == DATAPLANE_TRY_WRITE ? DATAPLANE_WRITE : access);
	dp->tries = access == DATAPLANE_TRY_WRITE;
	if (dp->access == DATAPLANE_WRITE)
		error = dp_lock(dp, false);
	if (!error)
		error = dp_open_pins(dp);
	if (!error && dp->lacking)
		error = refuse_lacking(dp);
	if (error == -ENOENT)
		log_error("nothing is loaded in %s: `serin apply FILE` loads it", dir);
	else if (error == -EACCES || error == -EPERM)
		log_error("%s: %s (root, or CAP_BPF and CAP_NET_ADMIN)", dir, strerror(-error));
	if (error) {
		dataplane_close(dp);
		return error;
	}
	*out = dp;
	return 0;
}

void dataplane_close(struct dataplane *dp)
{
	if (!dp)
		return;
	dp_fini(dp);
	free(dp);
}
