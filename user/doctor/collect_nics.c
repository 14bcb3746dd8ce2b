// SPDX-License-Identifier: GPL-2.0-or-later
/* What there is to know of interfaces: those of the file, those Serin is attached to, or all. */
#include "doctor/facts.h"

#include <errno.h>
#include <linux/if_link.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/dataplane.h"
#include "doctor/sysctl.h"
#include "lib/count_of.h"
#include "lib/ethtool.h"
#include "lib/netdev.h"
#include "lib/rtnl.h"

/* Before Linux 6.3 nobody can be asked. Drivers of 6.1 that have native XDP, as ethtool names them. */
static const char *const native_drivers[] = {
	"veth",		 "tun",	      "virtio_net",  "bonding", "mlx4_en", "mlx5_core", "ixgbe",
	"ixgbevf",	 "i40e",      "ice",	     "igb",	"igc",	   "bnxt_en",	"nfp",
	"qede",		 "nicvf",     "mvneta",	     "mvpp2",	"ena",	   "hv_netvsc", "sfc",
	"fsl_dpaa2_eth", "fsl_enetc", "st_gmac",     "netsec",	"vif",	   "mana",	"funeth",
	"atlantic",	 "rvu-nicpf", "mtk_soc_eth",
};

static const char *const generic_drivers[] = {
	"bridge", "macvlan", "vxlan",  "802.1Q VLAN Support", "dummy", "ifb", "e1000e", "e1000",
	"r8169",  "tg3",     "ipvlan", "wireguard",	      "team",
};

static bool is_among(const char *name, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(list[i], name))
			return true;
	return false;
}

struct collecting {
	struct doctor_facts *facts;
	struct rtnl *rtnl;
	const struct snapshot *running; /* NULL: nothing, or it may not be seen */
	bool may_see;			/* what runs */
	int error;
};

static void collect_xdp(const struct rtnl_link *link, struct doctor_nic *n)
{
	uint64_t features;

	if (!netdev_xdp_features(link->ifindex, &features)) {
		n->has_native_xdp = features & NETDEV_XDP_NATIVE ? FACT_YES : FACT_NO;
		n->takes_frags = features & NETDEV_XDP_FRAGS ? FACT_YES : FACT_NO;
	} else if (is_among(n->driver, native_drivers, COUNT_OF(native_drivers))) {
		n->has_native_xdp = FACT_YES;
	} else if (is_among(n->driver, generic_drivers, COUNT_OF(generic_drivers))) {
		n->has_native_xdp = FACT_NO;
	}
}

static void collect_program(const struct collecting *c, const struct rtnl_link *link,
			    struct doctor_nic *n)
{
	n->xdp_prog_id = link->xdp_prog_id;
	n->is_generic = link->xdp_attach_mode == XDP_ATTACHED_SKB;
	if (!link->xdp_prog_id)
		return;
	dataplane_describe_program(link->xdp_prog_id, n->program);
	n->is_ours = c->may_see ? FACT_NO : FACT_UNKNOWN;
	for (size_t i = 0; c->running && i < c->running->interface_count; i++)
		if (c->running->interfaces[i].ifindex == (uint32_t)link->ifindex)
			n->is_ours = FACT_YES;
}

static enum fact fact_of(int error, bool value)
{
	return error ? FACT_UNKNOWN : value ? FACT_YES : FACT_NO;
}

static void collect_offloads(struct doctor_nic *n)
{
	bool value = false;
	int error;

	error = ethtool_has_lro(n->name, &value);
	n->has_lro = fact_of(error, value);
	error = ethtool_feature(n->name, "rx-gro-hw", &value);
	n->has_gro_hw = fact_of(error, value);
	n->strips_vlan_tags = ethtool_strips_vlan_tags(n->name) ? FACT_YES : FACT_NO;
	if (ethtool_rx_queues(n->name, &n->rx_queues, &n->rx_queues_max))
		n->rx_queues = 0;
}

/* The kernel takes the greater of what is said of all and of one. */
static void collect_sysctls(struct doctor_nic *n)
{
	unsigned int all = 0, own = 0;

	if (sysctl_read(&all, "net/ipv4/conf/all/send_redirects") &&
	    sysctl_read(&own, "net/ipv4/conf/%s/send_redirects", n->name))
		n->sends_redirects = all || own ? FACT_YES : FACT_NO;
	if (sysctl_read(&all, "net/ipv4/conf/all/rp_filter") &&
	    sysctl_read(&own, "net/ipv4/conf/%s/rp_filter", n->name))
		n->is_rp_filter_strict = (all > own ? all : own) == 1 ? FACT_YES : FACT_NO;
}

static void name_of(struct rtnl *rtnl, int ifindex, char out[IF_NAMESIZE])
{
	struct rtnl_link link;

	if (!rtnl_link_by_index(rtnl, ifindex, &link))
		memcpy(out, link.name, IF_NAMESIZE);
}

static struct doctor_nic *add_nic(struct collecting *c, const char *name)
{
	struct doctor_facts *f = c->facts;
	struct doctor_nic *nics = reallocarray(f->nics, f->nic_count + 1, sizeof(*nics));

	if (!nics) {
		c->error = -ENOMEM;
		return NULL;
	}
	f->nics = nics;
	nics += f->nic_count++;
	memset(nics, 0, sizeof(*nics));
	strncpy(nics->name, name, sizeof(nics->name) - 1);
	return nics;
}

static void collect_nic(struct collecting *c, const struct rtnl_link *link, struct doctor_nic *n)
{
	n->exists = true;
	n->is_up = link->is_up;
	n->mtu = link->mtu;
	if (ethtool_driver(n->name, n->driver))
		*n->driver = '\0';
	if (link->is_bonded)
		name_of(c->rtnl, link->master, n->bond);
	if (link->kind == RTNL_LINK_VLAN)
		name_of(c->rtnl, link->parent, n->parent);
	collect_xdp(link, n);
	collect_program(c, link, n);
	collect_offloads(n);
	collect_sysctls(n);
}

static void collect_wanted(struct collecting *c, const char *name, enum model_xdp_mode mode)
{
	struct doctor_nic *n = add_nic(c, name);
	struct rtnl_link link;

	if (!n)
		return;
	n->is_wanted = true;
	n->mode = mode;
	if (!rtnl_link_by_name(c->rtnl, name, &link))
		collect_nic(c, &link, n);
}

/* Physical ones have drivers that ethtool can name; of the others veth alone is of interest. */
static int collect_any(const struct rtnl_link *link, void *arg)
{
	static const char *const others[] = {"bridge", "dummy",	  "ifb",    "vxlan",
					     "tun",    "macvlan", "ipvlan", "802.1Q VLAN Support"};
	char driver[ETHTOOL_DRIVER_LEN];
	struct collecting *c = arg;
	struct doctor_nic *n;

	if (!link->is_up || link->kind == RTNL_LINK_VLAN || ethtool_driver(link->name, driver) ||
	    is_among(driver, others, COUNT_OF(others)))
		return 0;
	n = add_nic(c, link->name);
	if (n)
		collect_nic(c, link, n);
	return c->error;
}

static int note_vlan(const struct rtnl_link *link, void *arg)
{
	struct doctor_facts *f = arg;
	char parent[IF_NAMESIZE] = "";
	unsigned int index = (unsigned int)link->parent;

	if (link->kind != RTNL_LINK_VLAN || !index || !if_indextoname(index, parent))
		return 0;
	for (size_t i = 0; i < f->nic_count; i++)
		f->nics[i].has_vlans |= !strcmp(f->nics[i].name, parent);
	return 0;
}

/* Without rights, what runs is not looked at: that would only be refused. */
static struct snapshot *take_snapshot(const char *dir, const struct doctor_host *h)
{
	struct dataplane *dp = NULL;
	struct snapshot *s = NULL;

	if (h->pins != DOCTOR_PINS_LOADED || h->has_capability[DOCTOR_CAP_BPF] != FACT_YES ||
	    dataplane_open(dir, DATAPLANE_READ, &dp))
		return NULL;
	if (dataplane_snapshot(dp, &s))
		s = NULL;
	dataplane_close(dp);
	return s;
}

int doctor_collect_nics(const char *dir, const struct model *m, struct doctor_facts *out)
{
	struct snapshot *running = take_snapshot(dir, &out->host);
	struct collecting c = {.facts = out, .running = running};

	c.may_see = running || out->host.pins == DOCTOR_PINS_NONE;
	if (rtnl_open(&c.rtnl)) {
		snapshot_free(running);
		return -ENOMEM;
	}
	for (size_t i = 0; m && i < m->interface_count; i++)
		collect_wanted(&c, m->interfaces[i].name, m->interfaces[i].mode);
	for (size_t i = 0; !m && running && i < running->interface_count; i++)
		collect_wanted(&c, running->interfaces[i].name, running->interfaces[i].mode);
	if (!m && !running)
		rtnl_link_each(c.rtnl, collect_any, &c);
	rtnl_link_each(c.rtnl, note_vlan, out);
	rtnl_close(c.rtnl);
	snapshot_free(running);
	return c.error;
}
