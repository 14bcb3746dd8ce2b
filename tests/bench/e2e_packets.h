/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the frame the packet generator sends, as its BPF and its user side both know it. */
#pragma once

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>

#define E2E_PORTS    32768u /* source ports of one client address */
#define E2E_PORT_MIN 16384u
#define E2E_SEEN_MAX 256u
#define E2E_BATCH    128u /* sent at once: half of what a veth can queue */

struct e2e_frame { /* as small as Ethernet allows, without its checksum */
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
	unsigned char payload[18];
} __attribute__((packed));
