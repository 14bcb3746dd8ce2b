// SPDX-License-Identifier: GPL-2.0-or-later
/* What guards pools, told wrongly. */
#include "config_lab.h"
#include "config_texts.h"

static void test_guards(void **state)
{
	static const struct wrong wrong[] = {
		{GOOD "  breaker: {window: 3}\n", 10, 12, "'breaker' needs the key 'failures'"},
		{GOOD "  breaker: {failures: 0}\n", 10, 23, "from 1 to 1000000"},
		{GOOD "  breaker: {failures: 3, recover: 5y}\n", 10, 35,
		 "'recover' must be a time from 100ms to 24h, like 500ms, 2s or 1m, not '5y'"},
		{GOOD "  breaker: {failures: 3, window: 10ms}\n", 10, 34, "from 100ms to 24h"},
		{GOOD "  exposure: {}\n", 10, 13,
		 "'exposure' needs 'flows', 'flows_per_second', or both"},
		{GOOD "  exposure: {flows: 1000001}\n", 10, 21, "from 1 to 1000000"},
		{GOOD "  exposure: {flows_per_second: 0}\n", 10, 32, "from 1 to 1000000"},
		{GOOD "  syn_failover: 0\n", 10, 17, "from 1 to 10"},
		{GOOD "  syn_failover: 1\n  protocol: udp\n", 10, 17, "datagrams have no SYN"},
		{GOOD "  syn_failover: 1\n  forwarding: dsr\n", 10, 17, "needs nat or fullnat"},
	};

	(void)state;
	assert_all_wrong(wrong, COUNT_OF(wrong));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
