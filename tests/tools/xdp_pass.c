// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * xdp_pass IFNAME... - attach an XDP program of two instructions that passes everything.
 *
 * A veth delivers what its peer sends by XDP_TX only where it has an XDP program itself. It stays
 * until the interface goes, as any program does that was attached by netlink.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

int main(int argc, char **argv)
{
	static const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "xdp_pass", "GPL", pass, 2, NULL);
	int err;

	if (fd < 0) {
		fprintf(stderr, "xdp_pass: loading: %s\n", strerror(errno));
		return 1;
	}
	for (int i = 1; i < argc; i++) {
		err = bpf_xdp_attach((int)if_nametoindex(argv[i]), fd,
				     XDP_FLAGS_UPDATE_IF_NOEXIST | XDP_FLAGS_DRV_MODE, NULL);
		if (err) {
			fprintf(stderr, "xdp_pass: %s: %s\n", argv[i], strerror(-err));
			return 1;
		}
	}
	return 0;
}
