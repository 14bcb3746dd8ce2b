/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns what drivers say of themselves by ethtool. */
#pragma once

#include <stdbool.h>

/* Whether the NIC takes VLAN tags off frames before anybody sees them; false where it cannot tell. */
bool ethtool_strips_vlan_tags(const char *nic);
