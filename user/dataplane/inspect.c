// SPDX-License-Identifier: GPL-2.0-or-later
/* What this kernel can do of what the program needs, asked without leaving anything behind. */
#include "dataplane/internal.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define TRIAL_ENTRIES 1024

enum feature_kind {
	FEATURE_PROGRAM,
	FEATURE_MAP,
	FEATURE_XDP_HELPER,
	FEATURE_SYSCALL_HELPER,
};

static const struct {
	const char *name;
	enum feature_kind kind;
	int number;
} features[] = {
	{"xdp", FEATURE_PROGRAM, BPF_PROG_TYPE_XDP},
	{"syscall", FEATURE_PROGRAM, BPF_PROG_TYPE_SYSCALL},
	{"array", FEATURE_MAP, BPF_MAP_TYPE_ARRAY},
	{"percpu_array", FEATURE_MAP, BPF_MAP_TYPE_PERCPU_ARRAY},
	{"array_of_maps", FEATURE_MAP, BPF_MAP_TYPE_ARRAY_OF_MAPS},
	{"hash", FEATURE_MAP, BPF_MAP_TYPE_HASH},
	{"lru_hash", FEATURE_MAP, BPF_MAP_TYPE_LRU_HASH},
	{"lpm_trie", FEATURE_MAP, BPF_MAP_TYPE_LPM_TRIE},
	{"devmap", FEATURE_MAP, BPF_MAP_TYPE_DEVMAP},
	{"bpf_redirect_map", FEATURE_XDP_HELPER, BPF_FUNC_redirect_map},
	{"bpf_fib_lookup", FEATURE_XDP_HELPER, BPF_FUNC_fib_lookup},
	{"bpf_jiffies64", FEATURE_XDP_HELPER, BPF_FUNC_jiffies64},
	{"bpf_xdp_adjust_head", FEATURE_XDP_HELPER, BPF_FUNC_xdp_adjust_head},
	{"bpf_xdp_adjust_tail", FEATURE_XDP_HELPER, BPF_FUNC_xdp_adjust_tail},
	{"bpf_xdp_get_buff_len", FEATURE_XDP_HELPER, BPF_FUNC_xdp_get_buff_len},
	{"bpf_for_each_map_elem", FEATURE_SYSCALL_HELPER, BPF_FUNC_for_each_map_elem},
};

#define FEATURE_COUNT (sizeof(features) / sizeof(*features))

/* 1, 0 or -errno. */
static int probe(size_t i)
{
	switch (features[i].kind) {
	case FEATURE_PROGRAM:
		return libbpf_probe_bpf_prog_type((enum bpf_prog_type)features[i].number, NULL);
	case FEATURE_MAP:
		return libbpf_probe_bpf_map_type((enum bpf_map_type)features[i].number, NULL);
	case FEATURE_XDP_HELPER:
		return libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP,
					       (enum bpf_func_id)features[i].number, NULL);
	case FEATURE_SYSCALL_HELPER:
		return libbpf_probe_bpf_helper(BPF_PROG_TYPE_SYSCALL,
					       (enum bpf_func_id)features[i].number, NULL);
	}
	return -EINVAL;
}

int dataplane_missing_features(char *names, size_t size, unsigned int *asked)
{
	int missing = 0;

	*names = '\0';
	*asked = FEATURE_COUNT;
	for (size_t i = 0; i < FEATURE_COUNT; i++) {
		int has = probe(i);

		if (has < 0)
			return has;
		if (has)
			continue;
		snprintf(names + strlen(names), size - strlen(names), "%s%s", missing ? ", " : "",
			 features[i].name);
		missing++;
	}
	return missing;
}

int dataplane_try_load(void)
{
	struct model *m = model_new();
	struct dataplane dp;
	int error;

	if (!m)
		return -ENOMEM;
	m->limits = (struct model_limits){
		.services = 1, .backends = 1, .flows = TRIAL_ENTRIES, .targets = TRIAL_ENTRIES};
	dp_init(&dp, "", DATAPLANE_WRITE);
	error = dp_load(&dp, m);
	dp_fini(&dp);
	model_free(m);
	return error;
}

bool dataplane_has_leftovers(const char *dir)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%s/%s", dir, DP_STAGING_DIR) < PATH_MAX &&
	       !access(path, F_OK);
}
