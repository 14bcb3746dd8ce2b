/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns questions to the kernel's "netdev" family (generic netlink, since Linux 6.3). */
#pragma once

#include <stdint.h>

#define NETDEV_XDP_NATIVE 0x01u /* the driver runs programs */
#define NETDEV_XDP_FRAGS  0x20u /* on frames in several buffers, too */

/* What XDP a device can do now, as it is set up. -ENOENT: this kernel cannot be asked. */
int netdev_xdp_features(int ifindex, uint64_t *out);
