// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/ethtool.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* @command: any of ethtool's structures, whose first word says which. */
static int ask(const char *nic, void *command)
{
	struct ifreq request = {.ifr_data = command};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0)
		return -errno;
	strncpy(request.ifr_name, nic, sizeof(request.ifr_name) - 1);
	error = ioctl(fd, SIOCETHTOOL, &request) ? -errno : 0;
	close(fd);
	return error;
}

static int ask_flag(const char *nic, uint32_t flag, bool *out)
{
	struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};
	int error = ask(nic, &flags);

	if (!error)
		*out = flags.data & flag;
	return error;
}

bool ethtool_strips_vlan_tags(const char *nic)
{
	bool strips = false;

	ask_flag(nic, ETH_FLAG_RXVLAN, &strips);
	return strips;
}

int ethtool_has_lro(const char *nic, bool *out)
{
	return ask_flag(nic, ETH_FLAG_LRO, out);
}

int ethtool_driver(const char *nic, char out[ETHTOOL_DRIVER_LEN])
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	int error = ask(nic, &info);

	if (!error)
		memcpy(out, info.driver, ETHTOOL_DRIVER_LEN);
	return error;
}

int ethtool_rx_queues(const char *nic, uint32_t *queues, uint32_t *most)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	int error = ask(nic, &channels);

	if (error)
		return error;
	*queues = channels.rx_count + channels.combined_count;
	*most = channels.max_rx > channels.max_combined ? channels.max_rx : channels.max_combined;
	return 0;
}

static int count_features(const char *nic, uint32_t *out)
{
	union {
		struct ethtool_sset_info info;
		uint32_t words[sizeof(struct ethtool_sset_info) / sizeof(uint32_t) + 1];
	} sets = {.info = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << ETH_SS_FEATURES}};
	int error = ask(nic, &sets);

	if (!error && !sets.info.sset_mask)
		error = -EOPNOTSUPP;
	if (!error)
		*out = sets.info.data[0];
	return error;
}

/* The place of a feature among `count` of them. */
static int find_feature(const char *nic, const char *name, uint32_t count, uint32_t *out)
{
	struct ethtool_gstrings *names = calloc(1, sizeof(*names) + count * ETH_GSTRING_LEN);
	int error = names ? 0 : -ENOMEM;

	if (!error) {
		names->cmd = ETHTOOL_GSTRINGS;
		names->string_set = ETH_SS_FEATURES;
		names->len = count;
		error = ask(nic, names);
	}
	for (*out = 0; !error && *out < count; (*out)++)
		if (!strncmp((char *)names->data + *out * ETH_GSTRING_LEN, name, ETH_GSTRING_LEN))
			break;
	free(names);
	return error ? error : *out < count ? 0 : -ENOENT;
}

int ethtool_feature(const char *nic, const char *name, bool *out)
{
	struct ethtool_gfeatures *features;
	uint32_t count, blocks, place;
	int error = count_features(nic, &count);

	if (!error)
		error = find_feature(nic, name, count, &place);
	if (error)
		return error;
	blocks = (count + 31) / 32;
	features = calloc(1, sizeof(*features) + blocks * sizeof(features->features[0]));
	if (!features)
		return -ENOMEM;
	features->cmd = ETHTOOL_GFEATURES;
	features->size = blocks;
	error = ask(nic, features);
	if (!error)
		*out = features->features[place / 32].active >> place % 32 & 1;
	free(features);
	return error;
}
