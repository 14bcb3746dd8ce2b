// SPDX-License-Identifier: GPL-2.0-or-later
/* Interfaces that Serin could be attached to but not do its work on: why, and what to write instead. */
#include "dataplane/internal.h"

#include <errno.h>
#include <string.h>

#include "lib/ethtool.h"
#include "lib/log.h"

static const struct model_interface *find_wanted(const struct model *m, const char *name)
{
	for (size_t i = 0; i < m->interface_count; i++)
		if (!strcmp(m->interfaces[i].name, name))
			return &m->interfaces[i];
	return NULL;
}

/* What a VLAN is upon, directly or not, and is wanted too; or NULL. */
static const struct rtnl_link *find_wanted_below(const struct link_list *links,
						 const struct model *m,
						 const struct rtnl_link *vlan)
{
	const struct rtnl_link *below = link_list_find(links, vlan->parent);

	while (below && !find_wanted(m, below->name))
		below = link_list_find(links, below->parent);
	return below;
}

static const char *name_of(const struct link_list *links, int ifindex)
{
	const struct rtnl_link *link = link_list_find(links, ifindex);

	return link ? link->name : "another";
}

static bool is_vlan_refused(const struct link_list *links, const struct model *m,
			    const struct model_interface *wanted, const struct rtnl_link *vlan)
{
	const struct rtnl_link *below = find_wanted_below(links, m, vlan);
	const char *parent = name_of(links, vlan->parent);

	if (below)
		log_error("interface %s: is a VLAN upon %s, which is in `interfaces` too. Leave it "
			  "out: on %s Serin reads and writes its tags",
			  wanted->name, below->name, below->name);
	else if (wanted->mode == MODEL_XDP_NATIVE)
		log_error("interface %s: is a VLAN, and the kernel has no native XDP on VLANs. "
			  "Write %s instead, which it is upon, where Serin reads and writes its "
			  "tags; or {name: %s, mode: generic}",
			  wanted->name, parent, wanted->name);
	return below || wanted->mode == MODEL_XDP_NATIVE;
}

bool dp_interface_is_refused(const struct link_list *links, const struct model *m,
			     const struct model_interface *wanted, int ifindex)
{
	const struct rtnl_link *link = link_list_find(links, ifindex);

	if (link && link->is_bonded) {
		const char *bond = name_of(links, link->master);

		log_error("interface %s: is a part of the bond %s, by which its frames leave and "
			  "come in. Write %s instead",
			  wanted->name, bond, bond);
		return true;
	}
	return link && link->kind == RTNL_LINK_VLAN && is_vlan_refused(links, m, wanted, link);
}

int dataplane_check(const struct model *m)
{
	struct link_list links = {0};
	struct rtnl *rtnl = NULL;
	int error = rtnl_open(&rtnl);

	if (!error)
		error = link_list_read(rtnl, &links);
	if (error)
		log_warning("only the file is checked: this host's links cannot be asked for: %s",
			    strerror(-error));
	error = 0;
	for (size_t i = 0; i < links.count; i++) {
		const struct model_interface *wanted = find_wanted(m, links.list[i].name);

		if (wanted && dp_interface_is_refused(&links, m, wanted, links.list[i].ifindex))
			error = -EINVAL;
	}
	link_list_fini(&links);
	rtnl_close(rtnl);
	return error;
}

static bool has_vlans(const struct port_list *ports, int nic)
{
	for (size_t i = 0; i < ports->count; i++)
		if (ports->port[i].nic == (uint32_t)nic && ports->port[i].tag_count)
			return true;
	return false;
}

void dp_interface_warn(const struct dp_interface *i, const struct port_list *ports)
{
	if (has_vlans(ports, i->link.ifindex) && ethtool_strips_vlan_tags(i->name))
		log_warning("interface %s: takes VLAN tags off frames, so that XDP does not see "
			    "of which VLAN they are: `ethtool -K %s rxvlan off`",
			    i->name, i->name);
}
