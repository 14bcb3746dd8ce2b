// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Random and damaged frames, to every mode: whatever comes in, one verdict, and nothing made worse.
 * MUTATIONS (1000000): how many.
 */
#include "mutant_judge.h"

#define SEED	  0xe3147ac05d9f682bull
#define MUTATIONS 1000000

/* Of each mode, and last of none. */
static struct {
	uint64_t made, left;
} tally[SERIN_FORWARDING_MAX + 1];

static int setup(void **state)
{
	lab_setup(state);
	modes_add_all();
	modes_add_seconds();
	modes_apply();
	modes_set_mtu(6000);
	for (unsigned int i = 0; i < way_count; i++)
		begin(&ways[i]);
	return 0;
}

static void print_hex(const char *what, const uint8_t *bytes, size_t len)
{
	fprintf(stderr, "%s ", what);
	for (size_t i = 0; i < len; i++)
		fprintf(stderr, "%02x", bytes[i]);
	fputc('\n', stderr);
}

static bool has_left(void)
{
	return out.action == XDP_TX || out.action == XDP_REDIRECT;
}

static void judge(unsigned int n, enum serin_reason reason)
{
	const char *fault = NULL;

	if (reason == SERIN_REASON_MAX)
		fault = "not counted once";
	else if (has_left())
		fault = leaving_fault(reason);
	else if (out.action != XDP_PASS && out.action != XDP_DROP)
		fault = "no verdict";
	else if (out.len != in_len || memcmp(out.bytes, in, in_len))
		fault = "touched";
	if (out.action == XDP_DROP || reason == SERIN_ANSWER_TOO_BIG)
		note_lost();
	if (!fault)
		return;
	print_hex("in ", in, in_len);
	print_hex("out", out.bytes, out.len);
	fail_msg("mutant %u, verdict %u, %s: %s", n, out.action, dataplane_reason_name(reason),
		 fault);
}

static unsigned int mutations(void)
{
	const char *wanted = getenv("MUTATIONS");

	return wanted ? (unsigned int)strtoul(wanted, NULL, 10) : MUTATIONS;
}

static void count_mode(void)
{
	int mode = made_of ? (int)made_of->mode : SERIN_FORWARDING_MAX;

	tally[mode].made++;
	tally[mode].left += has_left();
}

static void print_kinds(const uint64_t kinds[KIND_MAX])
{
	for (int i = 0; i < KIND_MAX; i++)
		if (kinds[i])
			printf("    %-20s %llu\n", kind_names[i], (unsigned long long)kinds[i]);
}

/* Every mode that can be configured had its part, and much of it was forwarded; fullnat's every
 * kind of packet was. */
static void expect_modes(unsigned int of)
{
	for (int i = 0; i < SERIN_FORWARDING_MAX; i++) {
		printf("  by %-7s %8llu made, %8llu left\n",
		       model_forwarding_name((enum serin_forwarding)i),
		       (unsigned long long)tally[i].made, (unsigned long long)tally[i].left);
		print_kinds(left_as[i]);
	}
	printf("  by none    %8llu made, %8llu left\n",
	       (unsigned long long)tally[SERIN_FORWARDING_MAX].made,
	       (unsigned long long)tally[SERIN_FORWARDING_MAX].left);
	for (unsigned int i = 0; i < way_count; i++)
		assert_true(tally[ways[i].mode].left > of / 50);
	for (int i = 0; i < KIND_MAX; i++)
		assert_true(left_as[SERIN_FORWARDING_FULLNAT][i] > of / 2000);
}

/* The damage was neither too little nor too much to tell anything. */
static void expect_variety(const uint64_t counted[SERIN_REASON_MAX], unsigned int of)
{
	static const enum serin_reason common[] = {
		SERIN_FORWARD_TX,   SERIN_FORWARD_REDIRECT, SERIN_PASS_MALFORMED,
		SERIN_PASS_NOT_IP,  SERIN_PASS_NO_SERVICE,  SERIN_PASS_PROTOCOL,
		SERIN_PASS_NO_FLOW, SERIN_PASS_FRAGMENT,    SERIN_PASS_EXPIRING};

	for (int i = 1; i < SERIN_REASON_MAX; i++)
		printf("  %-22s %llu\n", dataplane_reason_name((enum serin_reason)i),
		       (unsigned long long)counted[i]);
	for (size_t i = 0; i < sizeof(common) / sizeof(*common); i++)
		assert_true(counted[common[i]] >= of / 1000);
	assert_true(counted[SERIN_FORWARD_TX] > of / 10);
	assert_true(counted[SERIN_FORWARD_REDIRECT] > of / 10);
	assert_true(counted[SERIN_DROP_HEADERS] > of / 10000);
}

static void test_damaged_frames(void **state)
{
	uint64_t first[SERIN_REASON_MAX], before[SERIN_REASON_MAX], after[SERIN_REASON_MAX];
	struct dataplane *dp = lab_open(DATAPLANE_READ);
	unsigned int count = mutations();

	(void)state;
	modes_read_verdicts(dp, first);
	memcpy(after, first, sizeof(after));
	for (unsigned int n = 0; n < count; n++) {
		make_mutant();
		memcpy(before, after, sizeof(before));
		lab_run(lab_below(2) ? lab_front : lab_back, in, in_len, &out);
		modes_read_verdicts(dp, after);
		judge(n, modes_reason(before, after));
		count_mode();
	}
	for (int i = 0; i < SERIN_REASON_MAX; i++)
		after[i] -= first[i];
	expect_variety(after, count);
	expect_modes(count);
	dataplane_close(dp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_damaged_frames),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, setup, lab_teardown);
}
