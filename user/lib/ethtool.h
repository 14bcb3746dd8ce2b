/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns questions about what NICs do by themselves. They need no privilege. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Does it take VLAN tags off frames and hand them on beside? False also where it cannot be asked. */
bool ethtool_strips_vlan_tags(const char *nic);

#define ETHTOOL_DRIVER_LEN 32

/* These return 0, or -errno where it cannot be asked or has no answer. */
int ethtool_driver(const char *nic, char out[ETHTOOL_DRIVER_LEN]);
int ethtool_has_lro(const char *nic, bool *out);
/* A feature by the name that `ethtool -k` has for it: "rx-gro-hw". -ENOENT: none of that name. */
int ethtool_feature(const char *nic, const char *name, bool *out);
/* Queues that take packets, and how many there could be. */
int ethtool_rx_queues(const char *nic, uint32_t *queues, uint32_t *most);
