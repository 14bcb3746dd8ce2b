// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel takes the program, and with room to spare: its verifier gives up at a million
 * instructions looked at. Says how many it was, for `make test-vm` to compare kernels and compilers.
 */
#include "lab.h"

#define SEED	      0x9b1f60d2c47e835aull
#define VERIFIER_MOST 1000000u

static uint32_t verified(int program)
{
	struct bpf_prog_info info = {};
	uint32_t len = sizeof(info);

	assert_true(program >= 0);
	assert_int_equal(bpf_obj_get_info_by_fd(program, &info, &len), 0);
	assert_true(info.verified_insns > 0);
	return info.verified_insns;
}

static void test_the_verifier_is_done_early(void **state)
{
	uint32_t insns;

	(void)state;
	lab_apply(LAB_HEAD "  - {name: web, vip: 192.0.2.1, port: 80, protocol: tcp, pools: "
			   "[{name: stable, backends: [{address: 10.1.0.1}]}]}\n");
	insns = verified(lab_program);
	printf("verified %u\n", insns);
	assert_in_range(insns, 1, VERIFIER_MOST / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_the_verifier_is_done_early, lab_teardown),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, NULL);
}
