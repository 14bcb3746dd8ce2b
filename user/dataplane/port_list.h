/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns which of a host's links packets can come in and leave by: the NICs Serin is attached to, what
 * a bond among them is made of, and the VLANs upon them. Pure: links go in, ports come out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <serin/abi.h>

#include "lib/rtnl.h"

/* All links of the host. */
struct link_list {
	struct rtnl_link *list; /* by ifindex, once link_list_read() is done */
	size_t count;
};

int link_list_read(struct rtnl *rtnl, struct link_list *out);
void link_list_fini(struct link_list *l);
const struct rtnl_link *link_list_find(const struct link_list *l, int ifindex);

struct port_list {
	const struct link_list *links;
	const int *nics; /* what is attached, or will be */
	size_t nic_count;
	struct serin_port port[SERIN_MAX_PORTS];
	size_t count;	 /* at most SERIN_MAX_PORTS - 1 */
	size_t left_out; /* by port_list_fill() */
};

/*
 * port_list_begin() - the NICs, and the parts of the bonds among them.
 * @links, @nics: kept, the caller's to free after the list's last use
 * Returns 0 or -ENOSPC.
 */
int port_list_begin(struct port_list *l, const struct link_list *links, const int *nics,
		    size_t nic_count);
/* Adds a VLAN upon one of them. True if the link has a port now, or had one. */
bool port_list_add(struct port_list *l, int ifindex);
/* Adds all other such VLANs, as many as there is room for. */
void port_list_fill(struct port_list *l);

bool port_list_has(const struct port_list *l, int ifindex);

#define PORT_REFUSAL_LEN 256
/* A link that has no port, why not, and what to do: what follows "is reached through". Returns @buf. */
const char *port_list_refusal(const struct port_list *l, int ifindex, char buf[PORT_REFUSAL_LEN]);
