// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * decap IFNAME - be a tunnel's far end on that interface until told to stop; then say, as JSON, how
 * many packets came through it and how many sources they had (by their last byte).
 */
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "tests/tools/decap.skel.h"

static unsigned int count_bits(const __u64 *words, size_t count)
{
	unsigned int bits = 0;

	for (size_t i = 0; i < count; i++)
		bits += (unsigned int)__builtin_popcountll(words[i]);
	return bits;
}

static int serve(struct decap_bpf *skel, int ifindex)
{
	struct bpf_link *link = bpf_program__attach_xdp(skel->progs.decap, ifindex);
	sigset_t stop;
	int sig;

	if (!link)
		return -errno;
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	printf("{\"ready\": true}\n");
	fflush(stdout);
	sigwait(&stop, &sig);
	printf("{\"packets\": %llu, \"sources\": %u}\n", (unsigned long long)skel->bss->taken_off,
	       count_bits((const __u64 *)skel->bss->sources, sizeof(skel->bss->sources) / 8));
	bpf_link__destroy(link);
	return 0;
}

int main(int argc, char **argv)
{
	struct decap_bpf *skel;
	int ifindex = argc == 2 ? (int)if_nametoindex(argv[1]) : 0, error;

	if (!ifindex) {
		fprintf(stderr, "usage: decap IFNAME\n");
		return 2;
	}
	skel = decap_bpf__open_and_load();
	error = skel ? serve(skel, ifindex) : -errno;
	if (error)
		fprintf(stderr, "decap: %s: %s\n", argv[1], strerror(-error));
	decap_bpf__destroy(skel);
	return error ? 1 : 0;
}
