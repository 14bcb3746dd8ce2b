// SPDX-License-Identifier: GPL-2.0-or-later
/* The part of a plan that is about what packets come in and leave by. */
#include "dataplane/plan.h"

#include <errno.h>

#include "lib/log.h"

/* Those that backends are behind come first: there may not be room for all. */
static void add_needed(struct plan *p)
{
	int last = 0;

	for (size_t i = 0; i < p->hop_count; i++) {
		if (p->hops[i].ifindex != last)
			port_list_add(&p->ports, p->hops[i].ifindex);
		last = p->hops[i].ifindex;
	}
}

int plan_ports(struct plan *p)
{
	size_t count = p->model->interface_count;

	for (size_t i = 0; i < count; i++)
		p->nics[i] = p->interfaces[i].link.ifindex;
	if (port_list_begin(&p->ports, &p->links, p->nics, count)) {
		log_error("more than %d interfaces, the parts of bonds among them",
			  SERIN_MAX_PORTS - 1);
		return -ENOSPC;
	}
	add_needed(p);
	port_list_fill(&p->ports);
	if (p->ports.left_out)
		log_warning("VLANs there is no room for, so that nobody is reached by them: %zu",
			    p->ports.left_out);
	for (size_t i = 0; i < count; i++)
		dp_interface_warn(&p->interfaces[i], &p->ports);
	return 0;
}
