// SPDX-License-Identifier: GPL-2.0-or-later
#include "dataplane/port_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DUMP_TRIES	3 /* of links that change while they are read */
#define VLAN_LEVELS_MAX 8 /* the kernel's own limit */

/* ---- the host's links ---- */

static int by_ifindex(const void *a, const void *b)
{
	const struct rtnl_link *x = a, *y = b;

	return (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

static int keep_link(const struct rtnl_link *link, void *arg)
{
	struct link_list *l = arg;
	struct rtnl_link *list = reallocarray(l->list, l->count + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	l->list = list;
	l->list[l->count++] = *link;
	return 0;
}

int link_list_read(struct rtnl *rtnl, struct link_list *out)
{
	struct link_list l = {0};
	int error = -EINTR;

	for (int i = 0; i < DUMP_TRIES && error == -EINTR; i++) {
		link_list_fini(&l);
		error = rtnl_link_each(rtnl, keep_link, &l);
	}
	if (error) {
		link_list_fini(&l);
		return error;
	}
	if (l.count)
		qsort(l.list, l.count, sizeof(*l.list), by_ifindex);
	*out = l;
	return 0;
}

void link_list_fini(struct link_list *l)
{
	free(l->list);
	*l = (struct link_list){0};
}

const struct rtnl_link *link_list_find(const struct link_list *l, int ifindex)
{
	const struct rtnl_link wanted = {.ifindex = ifindex};

	return l->count ? bsearch(&wanted, l->list, l->count, sizeof(*l->list), by_ifindex) : NULL;
}

/* ---- ports ---- */

static bool is_nic(const struct port_list *l, int ifindex)
{
	for (size_t i = 0; i < l->nic_count; i++)
		if (l->nics[i] == ifindex)
			return true;
	return false;
}

bool port_list_has(const struct port_list *l, int ifindex)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->port[i].ifindex == (uint32_t)ifindex)
			return true;
	return false;
}

/* @like: whose address and MTU frames have that leave by it. Returns the port, or NULL: no room. */
static struct serin_port *add(struct port_list *l, int ifindex, const struct rtnl_link *like,
			      int nic)
{
	struct serin_port *port;

	if (l->count == SERIN_MAX_PORTS - 1)
		return NULL;
	port = &l->port[l->count++];
	*port = (struct serin_port){
		.ifindex = (uint32_t)ifindex,
		.nic = (uint32_t)nic,
		.mtu = like->mtu > UINT16_MAX ? UINT16_MAX : (uint16_t)like->mtu,
	};
	memcpy(port->mac, like->mac, sizeof(port->mac));
	return port;
}

/* Frames come in by a bond's parts, and leave by the bond. */
static int add_parts(struct port_list *l, const struct rtnl_link *bond)
{
	for (size_t i = 0; i < l->links->count; i++) {
		const struct rtnl_link *part = &l->links->list[i];

		if (part->is_bonded && part->master == bond->ifindex && !is_nic(l, part->ifindex) &&
		    !add(l, part->ifindex, bond, bond->ifindex))
			return -ENOSPC;
	}
	return 0;
}

int port_list_begin(struct port_list *l, const struct link_list *links, const int *nics,
		    size_t nic_count)
{
	int error = 0;

	*l = (struct port_list){.links = links, .nics = nics, .nic_count = nic_count};
	for (size_t i = 0; !error && i < nic_count; i++) {
		const struct rtnl_link *nic = link_list_find(links, nics[i]);

		if (nic && !add(l, nic->ifindex, nic, nic->ifindex))
			error = -ENOSPC;
	}
	for (size_t i = 0; !error && i < nic_count; i++) {
		const struct rtnl_link *nic = link_list_find(links, nics[i]);

		if (nic && nic->kind == RTNL_LINK_BOND)
			error = add_parts(l, nic);
	}
	return error;
}

/* A VLAN's way down to what it is upon at last. */
struct descent {
	uint32_t tag_be[VLAN_LEVELS_MAX]; /* innermost first */
	int count;
	const struct rtnl_link *base; /* attached, or the last there is */
};

static void descend(const struct port_list *l, const struct rtnl_link *link, struct descent *d)
{
	*d = (struct descent){.base = link};
	while (d->base->kind == RTNL_LINK_VLAN && !is_nic(l, d->base->ifindex) &&
	       d->count < VLAN_LEVELS_MAX) {
		const struct rtnl_link *parent = link_list_find(l->links, d->base->parent);

		if (!parent)
			return;
		d->tag_be[d->count++] = d->base->vlan_tag_be;
		d->base = parent;
	}
}

static bool is_reachable(const struct port_list *l, const struct descent *d)
{
	return is_nic(l, d->base->ifindex) && d->count >= 1 && d->count <= SERIN_MAX_TAGS;
}

bool port_list_add(struct port_list *l, int ifindex)
{
	const struct rtnl_link *link = link_list_find(l->links, ifindex);
	struct serin_port *port;
	struct descent d;

	if (port_list_has(l, ifindex))
		return true;
	if (!link)
		return false;
	descend(l, link, &d);
	if (!is_reachable(l, &d))
		return false;
	port = add(l, ifindex, link, d.base->ifindex);
	if (!port)
		return false;
	port->tag_count = (uint8_t)d.count;
	for (int i = 0; i < d.count; i++)
		port->tag_be[i] = d.tag_be[d.count - 1 - i];
	return true;
}

void port_list_fill(struct port_list *l)
{
	for (size_t i = 0; i < l->links->count; i++) {
		const struct rtnl_link *link = &l->links->list[i];
		struct descent d;

		if (link->kind != RTNL_LINK_VLAN || port_list_add(l, link->ifindex))
			continue;
		descend(l, link, &d);
		l->left_out += is_reachable(l, &d);
	}
}

/* ---- why not ---- */

const char *port_list_refusal(const struct port_list *l, int ifindex, char buf[PORT_REFUSAL_LEN])
{
	const struct rtnl_link *link = link_list_find(l->links, ifindex);
	struct descent d;

	if (!link) {
		snprintf(buf, PORT_REFUSAL_LEN, "link %d, which is gone", ifindex);
		return buf;
	}
	descend(l, link, &d);
	if (!is_nic(l, d.base->ifindex))
		snprintf(buf, PORT_REFUSAL_LEN,
			 "%s%s%s, which Serin is not attached to, so its replies would not be "
			 "rewritten. Add %s to `interfaces`",
			 link->name, d.base == link ? "" : " upon ",
			 d.base == link ? "" : d.base->name, d.base->name);
	else if (d.count > SERIN_MAX_TAGS)
		snprintf(buf, PORT_REFUSAL_LEN,
			 "%s, whose frames have %d VLAN tags on %s: Serin reads and writes %d",
			 link->name, d.count, d.base->name, SERIN_MAX_TAGS);
	else
		snprintf(buf, PORT_REFUSAL_LEN,
			 "%s, for which there is no place: Serin can hold %d NICs, parts of bonds "
			 "and VLANs in all",
			 link->name, SERIN_MAX_PORTS - 1);
	return buf;
}
