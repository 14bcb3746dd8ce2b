/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the layout of the textbook balancer's maps. IPv4 addresses are IPv4-mapped. */
#pragma once

#include <linux/types.h>

struct textbook_endpoint {
	__u32 addr_be[4];
	__u16 port_be;
	__u8 protocol;
	__u8 pad;
};

struct textbook_service {
	struct textbook_endpoint vip;
	__u32 id;
	__u32 first_slot;
	__u32 slot_count;
};

struct textbook_backend {
	struct textbook_endpoint at;
	__u32 service;
	__u8 mac[6];
	__u16 port; /* key of tx_ports; 0: the one the packet came in by */
};

struct textbook_connection_key {
	__u32 src_be[4];
	__u32 dst_be[4];
	__u16 src_port_be;
	__u16 dst_port_be;
	__u8 protocol;
	__u8 pad[3];
};
_Static_assert(sizeof(struct textbook_connection_key) == 40, "as they all have it");

struct textbook_connection {
	__u64 seen_jiffies;
	__u32 backend;
	__u8 client_mac[6];
	__u8 is_closing;
	__u8 pad[5];
};

struct textbook_counters {
	__u64 packets;
	__u64 bytes;
};
