// SPDX-License-Identifier: GPL-2.0-or-later
/* living_samples PIN: prints how many flows the map of samples pinned there holds. */
#include <bpf/bpf.h>
#include <stdio.h>
#include <stdlib.h>

#include <serin/signals.h>

static struct serin_sample samples[SERIN_SAMPLES];
static __u32 keys[SERIN_SAMPLES];

int main(int argc, char **argv)
{
	__u32 position = 0, count = SERIN_SAMPLES, living = 0;
	int fd = argc == 2 ? bpf_obj_get(argv[1]) : -1;

	if (fd < 0) {
		perror("living_samples PIN");
		return 2;
	}
	if (bpf_map_lookup_batch(fd, NULL, &position, keys, samples, &count, NULL) &&
	    count != SERIN_SAMPLES) {
		perror("samples");
		return 1;
	}
	for (__u32 i = 0; i < count; i++)
		living += !!samples[i].key;
	printf("%u\n", living);
	return 0;
}
