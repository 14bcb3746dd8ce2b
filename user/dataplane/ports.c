// SPDX-License-Identifier: GPL-2.0-or-later
/* The NICs: what holds them, attaching by links, and the map that says how to leave by them. */
#include "dataplane/internal.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include <unistd.h>

#include <serin/hash.h>

#include "lib/log.h"

uint32_t dp_port_find(const struct dataplane *dp, uint32_t ifindex)
{
	uint32_t slot = serin_port_home(ifindex);

	if (!dp->ports || !ifindex)
		return 0;
	for (int i = 0; i < SERIN_MAX_PORTS - 1 && dp->ports[slot].ifindex; i++) {
		if (dp->ports[slot].ifindex == ifindex)
			return slot;
		slot = serin_port_next(slot);
	}
	return 0;
}

static uint32_t find_free_port(const struct dataplane *dp, uint32_t ifindex)
{
	uint32_t slot = serin_port_home(ifindex);

	for (int i = 0; i < SERIN_MAX_PORTS - 1; i++) {
		if (!dp->ports[slot].ifindex || dp->ports[slot].ifindex == SERIN_PORT_GONE)
			return slot;
		slot = serin_port_next(slot);
	}
	return 0;
}

static int write_port(struct dataplane *dp, const struct serin_port *port)
{
	uint32_t slot = dp_port_find(dp, port->ifindex);
	struct serin_port fresh = *port;

	if (!slot)
		slot = find_free_port(dp, port->ifindex);
	if (!slot)
		return -ENOSPC;
	if (!memcmp(&dp->ports[slot], port, sizeof(*port)))
		return 0;
	/* The NIC that sends; of a part of a bond, the bond. */
	if (bpf_map_update_elem(dp->map_fd[DP_MAP_TX_PORTS], &slot, &port->nic, 0))
		return -errno;
	fresh.ifindex = dp->ports[slot].ifindex;
	dp->ports[slot] = fresh;
	__atomic_store_n(&dp->ports[slot].ifindex, port->ifindex, __ATOMIC_RELEASE);
	return 0;
}

static void free_port(struct dataplane *dp, uint32_t slot)
{
	__atomic_store_n(&dp->ports[slot].ifindex, SERIN_PORT_GONE, __ATOMIC_RELEASE);
	bpf_map_delete_elem(dp->map_fd[DP_MAP_TX_PORTS], &slot);
}

static bool is_port(const struct dataplane *dp, uint32_t slot)
{
	return dp->ports[slot].ifindex && dp->ports[slot].ifindex != SERIN_PORT_GONE;
}

int dp_ports_write(struct dataplane *dp, const struct port_list *l)
{
	int error = 0, room = 0;

	for (uint32_t slot = 1; slot < SERIN_MAX_PORTS; slot++)
		if (is_port(dp, slot) && !link_list_find(l->links, (int)dp->ports[slot].ifindex))
			free_port(dp, slot);
	for (size_t i = 0; !error && i < l->count; i++) {
		const struct rtnl_link *link = link_list_find(l->links, (int)l->port[i].ifindex);
		int failed = write_port(dp, &l->port[i]);

		if (failed == -ENOSPC)
			room = failed;
		else if (failed)
			log_error("%s: cannot be a way out: %s", link->name, strerror(-failed));
		error = failed == -ENOSPC ? 0 : failed;
	}
	return error ? error : room;
}

void dp_ports_keep(struct dataplane *dp, const struct port_list *l)
{
	for (uint32_t slot = 1; slot < SERIN_MAX_PORTS; slot++)
		if (is_port(dp, slot) && !port_list_has(l, (int)dp->ports[slot].ifindex))
			free_port(dp, slot);
}

struct attached {
	int nics[SERIN_MAX_PORTS];
	size_t count;
};

static int note_attached(const char *name, uint32_t ifindex, void *arg)
{
	struct attached *a = arg;

	(void)name;
	if (ifindex && a->count < SERIN_MAX_PORTS)
		a->nics[a->count++] = (int)ifindex;
	return 0;
}

int dp_ports_follow(struct dataplane *dp, struct rtnl *rtnl)
{
	struct link_list links = {0};
	struct attached attached = {.count = 0};
	struct port_list ports;
	int error = dp_each_link(dp, note_attached, &attached);

	if (!error)
		error = link_list_read(rtnl, &links);
	if (!error)
		error = port_list_begin(&ports, &links, attached.nics, attached.count);
	/* Those there are first: a backend may be behind one. */
	for (uint32_t slot = 1; !error && slot < SERIN_MAX_PORTS; slot++)
		port_list_add(&ports, (int)dp->ports[slot].ifindex);
	if (!error) {
		port_list_fill(&ports);
		dp_ports_keep(dp, &ports);
		error = dp_ports_write(dp, &ports);
	}
	link_list_fini(&links);
	return error;
}

/* The BPF file system keeps names with a dot for itself, and interfaces' have no colon. */
static void swap_dots(char *name, char from, char to)
{
	for (; *name; name++)
		if (*name == from)
			*name = to;
}

int dp_link_path(const struct dataplane *dp, const char *name, char path[PATH_MAX])
{
	char file[64];

	snprintf(file, sizeof(file), DP_LINK_PREFIX "%s", name);
	swap_dots(file, '.', ':');
	return dp_pin_path(dp, file, path);
}

/* NIC and program of a pinned link; -ENOENT if there is none. */
static int link_info(struct dataplane *dp, const char *name, uint32_t *ifindex,
		     uint32_t *program_id)
{
	struct bpf_link_info info = {};
	uint32_t len = sizeof(info);
	char path[PATH_MAX];
	int error, fd;

	error = dp_link_path(dp, name, path);
	if (error)
		return error;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -errno;
	error = bpf_obj_get_info_by_fd(fd, &info, &len) ? -errno : 0;
	close(fd);
	if (error)
		return error;
	*ifindex = info.xdp.ifindex;
	*program_id = info.prog_id;
	return 0;
}

int dp_each_link(struct dataplane *dp, int (*visit)(const char *name, uint32_t ifindex, void *arg),
		 void *arg)
{
	size_t prefix_len = strlen(DP_LINK_PREFIX);
	char path[PATH_MAX];
	struct dirent *entry;
	int error;
	DIR *d;

	error = dp_pin_path(dp, "", path);
	if (error)
		return error;
	d = opendir(path);
	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while (!error && (entry = readdir(d))) {
		uint32_t ifindex = 0, program_id = 0;
		char *name = entry->d_name + prefix_len;

		if (strncmp(entry->d_name, DP_LINK_PREFIX, prefix_len))
			continue;
		swap_dots(name, ':', '.');
		error = link_info(dp, name, &ifindex, &program_id);
		if (!error)
			error = visit(name, ifindex, arg);
	}
	closedir(d);
	return error;
}

void dataplane_describe_program(uint32_t id, char text[DATAPLANE_PROGRAM_LEN])
{
	struct bpf_prog_info info = {};
	uint32_t len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);

	snprintf(text, DATAPLANE_PROGRAM_LEN, "id %u", id);
	if (fd < 0)
		return;
	if (!bpf_obj_get_info_by_fd(fd, &info, &len) && info.name[0])
		snprintf(text, DATAPLANE_PROGRAM_LEN, "\"%s\" (id %u)", info.name, id);
	close(fd);
}

int dp_interface_check(struct dataplane *dp, struct rtnl *rtnl,
		       const struct model_interface *wanted, struct dp_interface *out)
{
	uint32_t ifindex = 0, ours = 0;
	char program[DATAPLANE_PROGRAM_LEN];
	int error;

	memset(out, 0, sizeof(*out));
	memcpy(out->name, wanted->name, sizeof(out->name));
	out->mode = wanted->mode;
	error = rtnl_link_by_name(rtnl, wanted->name, &out->link);
	if (error) {
		log_error("interface %s: %s; `ip link` lists those there are", wanted->name,
			  error == -ENODEV ? "there is none of that name" : strerror(-error));
		return error;
	}
	if (dp->is_published && !link_info(dp, wanted->name, &ifindex, &ours) &&
	    ifindex == (uint32_t)out->link.ifindex && ours == out->link.xdp_prog_id)
		out->is_attached = (out->link.xdp_attach_mode == XDP_ATTACHED_SKB) ==
				   (wanted->mode == MODEL_XDP_GENERIC);
	out->had_other_mode = ours && ours == out->link.xdp_prog_id && !out->is_attached;
	if (!out->link.xdp_prog_id || ours == out->link.xdp_prog_id)
		return 0;
	dataplane_describe_program(out->link.xdp_prog_id, program);
	log_error("interface %s: another XDP program, %s, is attached to it; nothing was touched. "
		  "If it is not needed: `ip link set dev %s xdp off`",
		  wanted->name, program, wanted->name);
	return -EBUSY;
}

static void explain_refusal(const struct dp_interface *i, int error)
{
	if (i->mode == MODEL_XDP_NATIVE && i->link.kind == RTNL_LINK_BOND)
		log_error("interface %s: the bond refuses native XDP (%s). Each part of it needs a "
			  "driver that has it and no program of its own, and the bond one of the "
			  "modes balance-rr, active-backup, balance-xor and 802.3ad. Or write "
			  "{name: %s, mode: generic}, which is slower",
			  i->name, strerror(-error), i->name);
	else if (i->mode == MODEL_XDP_NATIVE && error == -EOPNOTSUPP)
		log_error("interface %s: its driver has no native XDP. Write {name: %s, mode: "
			  "generic} under `interfaces` to run slower, in the kernel's generic mode",
			  i->name, i->name);
	else if (i->mode == MODEL_XDP_NATIVE && (error == -EINVAL || error == -ERANGE))
		log_error(
			"interface %s: its driver refuses native XDP as the device is set up now "
			"(%s). Common reasons: an MTU over one page (here %u), LRO, fewer receive "
			"queues than the peer's transmit queues (veth); `dmesg` may tell",
			i->name, strerror(-error), i->link.mtu);
	else
		log_error("interface %s: cannot attach (%s XDP): %s", i->name,
			  model_xdp_mode_name(i->mode), strerror(-error));
}

static int open_program(struct dataplane *dp)
{
	char path[PATH_MAX];
	int error;

	if (dp->program_fd >= 0)
		return 0;
	error = dp_pin_path(dp, "program", path);
	if (error)
		return error;
	dp->program_fd = bpf_obj_get(path);
	return dp->program_fd < 0 ? -errno : 0;
}

int dp_interface_attach(struct dataplane *dp, const struct dp_interface *i)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .flags = i->mode == MODEL_XDP_GENERIC ? XDP_FLAGS_SKB_MODE
							  : XDP_FLAGS_DRV_MODE);
	char path[PATH_MAX];
	int error, fd;

	error = open_program(dp);
	if (error)
		return error;
	error = dp_link_path(dp, i->name, path);
	if (error)
		return error;
	fd = bpf_link_create(dp->program_fd, i->link.ifindex, BPF_XDP, &opts);
	if (fd < 0) {
		error = -errno;
		explain_refusal(i, error);
		return error == -EINVAL ? -EOPNOTSUPP : error; /* the NIC's fault, not the user's */
	}
	error = bpf_obj_pin(fd, path) ? -errno : 0;
	if (error)
		log_error("interface %s: cannot pin its link: %s", i->name, strerror(-error));
	close(fd);
	return error;
}

int dp_interface_detach(struct dataplane *dp, const char *name)
{
	char path[PATH_MAX];
	int error, fd;

	error = dp_link_path(dp, name, path);
	if (error)
		return error;
	fd = bpf_obj_get(path);
	if (fd >= 0) {
		bpf_link_detach(fd); /* at once: a link that only loses its pin lets go later */
		close(fd);
	}
	if (unlink(path))
		error = -errno;
	if (error)
		log_error("interface %s: cannot remove its link: %s", name, strerror(-error));
	return error;
}
