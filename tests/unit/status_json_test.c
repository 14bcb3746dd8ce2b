// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "observe/share.h"
#include "observe/status_json.h"
#include "snapshot_sample.h"

static json_t *status;

static int setup(void **state)
{
	(void)state;
	sample_init();
	status = status_json(&sample);
	return status ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	json_decref(status);
	return 0;
}

static json_t *service(void)
{
	return json_array_get(json_object_get(status, "services"), 0);
}

static json_t *pool(size_t i)
{
	return json_array_get(json_object_get(service(), "pools"), i);
}

/* Compares with JSON text in which ' stands for ". */
static void expect(json_t *value, const char *text)
{
	char copy[2048], *found;
	json_t *expected;

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *c = copy; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	expected = json_loads(copy, JSON_DECODE_ANY, NULL);
	assert_non_null(expected);
	found = json_dumps(value, STATUS_JSON_FLAGS | JSON_ENCODE_ANY);
	if (!json_equal(value, expected))
		fail_msg("found %s where %s was expected", found, copy);
	free(found);
	json_decref(expected);
}

static void top_level(void **state)
{
	(void)state;
	expect(json_object_get(status, "version"), "1");
	expect(json_object_get(status, "interfaces"),
	       "[{'name': 'eth0', 'mode': 'native', 'attached': true}]");
	expect(json_object_get(status, "flow_table"),
	       "{'entries': 12, 'capacity': 1048576, 'bytes_ipv4': 33554432,"
	       " 'bytes_ipv6': 67108864, 'inserted': 5000000000, 'unremembered': 17,"
	       " 'evicted': {'syn': 7, 'replied': 0, 'adopted': 3, 'udp': 0, 'acked': 0, "
	       "'established': 0,"
	       " 'closing': 0, 'udp_replied': 0}}");
	expect(json_object_get(status, "program"),
	       "{'made_by': '0.0.9', 'id': '89abcdef01234567', 'unfinished': false, 'abi': 5}");
	expect(json_object_get(json_object_get(status, "verdicts"), "forwarded_same_port"), "41");
	expect(json_object_get(json_object_get(status, "verdicts"), "too_big"), "43");
	assert_int_equal(json_object_size(json_object_get(status, "verdicts")),
			 SERIN_REASON_MAX - 1);
}

static void service_fields(void **state)
{
	json_t *copy = json_copy(service());

	(void)state;
	json_object_del(copy, "pools");
	expect(copy, "{'name': 'web', 'vip': '192.0.2.10', 'port': 80, 'protocol': 'tcp',"
		     " 'forwarding': 'nat', 'affinity': 'client', 'client_prefix': 24,"
		     " 'primary': 'stable', 'targets': {'sources': 100000,"
		     " 'dscp': {'10': 'canary', '46': 'stable'}}, 'epoch': 7, 'seed': "
		     "'18446744073709551615',"
		     " 'settled': false, 'tracked': false,"
		     " 'last_change': {'when': '2023-11-14T22:13:20.123Z', 'actor': 'weight',"
		     " 'reason': 'canary 1.4', 'uid': 1000}}");
	json_decref(copy);
}

static void sources_are_told_where_there_are_some(void **state)
{
	assert_null(json_object_get(service(), "sources"));
	assert_null(json_object_get(service(), "gue_port"));
	sample_tunnels();
	teardown(state);
	status = status_json(&sample);
	expect(json_object_get(service(), "forwarding"), "'gue'");
	expect(json_object_get(service(), "sources"), "['10.9.0.0/24', '2001:db8:9::1']");
	expect(json_object_get(service(), "gue_port"), "6080");
}

static void ports_are_told_of_fullnat(void **state)
{
	assert_null(json_object_get(service(), "source_ports"));
	sample_fullnat();
	teardown(state);
	status = status_json(&sample);
	expect(json_object_get(service(), "sources"), "['10.0.0.2', '10.0.0.3']");
	expect(json_object_get(service(), "source_ports"),
	       "{'capacity': 2000, 'used': 1500, 'bytes': 32000, 'taken': 1152921504606846976,"
	       " 'evicted': 21, 'refused': 22, 'untold': 23}");
}

/* Who may not look at the table cannot say 0. */
static void ports_in_use_may_be_unknown(void **state)
{
	sample_fullnat();
	sample_service.ports.has_used = false;
	teardown(state);
	status = status_json(&sample);
	expect(json_object_get(json_object_get(service(), "source_ports"), "used"), "null");
	expect(json_object_get(json_object_get(service(), "source_ports"), "capacity"), "2000");
}

static void pool_fields(void **state)
{
	(void)state;
	expect(json_object_get(pool(0), "name"), "'canary'");
	expect(json_object_get(pool(0), "weight"), "5.0");
	expect(json_object_get(pool(1), "weight"), "95.0");
	expect(json_object_get(pool(0), "signals"),
	       "{'packets_in': 1, 'bytes_in': 2, 'packets_out': 3, 'bytes_out': 4, 'flows': 5,"
	       " 'fallbacks': 6, 'syns': 101, 'syn_acks': 102, 'fins_in': 103, 'fins_out': 104,"
	       " 'resets_by_client': 105, 'resets_by_backend': 106, 'refused': 107,"
	       " 'unreachables': 108, 'handshakes': 111, 'syn_retransmits': 112,"
	       " 'sampled_refused': 113, 'sampled_unreachables': 114, 'resets_before_data': 115,"
	       " 'resets_after_data': 116, 'timed_out': 117, 'closed': 118, 'failures': 121,"
	       " 'handshake_us': {'count': 100, 'sum': 5050000, 'p50': 51199.5, 'p90': 86015.5, "
	       "'p99': 102399.5},"
	       " 'client_half_us': {'count': 0, 'sum': 0, 'p50': null, 'p90': null, 'p99': null},"
	       " 'first_byte_us': {'count': 10, 'sum': 10000, 'p50': 991.5, 'p90': 991.5, 'p99': "
	       "991.5},"
	       " 'duration_us': {'count': 0, 'sum': 0, 'p50': null, 'p90': null, 'p99': null},"
	       " 'sampled': {'flows': 109, 'missed': 110, 'rate': 0.125}}");
}

/* What cannot be seen is not 0. */
static void what_answers_past_us_is_not_told(void **state)
{
	json_t *found;

	sample_tunnels();
	teardown(state);
	status = status_json(&sample);
	found = json_object_get(pool(0), "signals");
	expect(json_object_get(found, "syns"), "101");
	expect(json_object_get(found, "resets_by_client"), "105");
	assert_null(json_object_get(found, "syn_acks"));
	assert_null(json_object_get(found, "resets_by_backend"));
	assert_null(json_object_get(found, "unreachables"));
	assert_null(json_object_get(found, "client_half_us"));
	assert_null(json_object_get(found, "first_byte_us"));
	assert_non_null(json_object_get(found, "handshake_us"));
	assert_non_null(json_object_get(found, "sampled"));
	json_decref(status);
	sample_service.protocol = IPPROTO_UDP;
	status = status_json(&sample);
	found = json_object_get(pool(0), "signals");
	assert_null(json_object_get(found, "failures"));
	assert_null(json_object_get(found, "sampled"));
}

static void udp_has_no_handshakes(void **state)
{
	sample_service.protocol = IPPROTO_UDP;
	teardown(state);
	status = status_json(&sample);
	expect(json_object_get(pool(0), "signals"),
	       "{'packets_in': 1, 'bytes_in': 2, 'packets_out': 3, 'bytes_out': 4, 'flows': 5,"
	       " 'fallbacks': 6, 'unreachables': 108, 'sampled_unreachables': 114, 'answered': 119,"
	       " 'unanswered': 120, 'failures': 121, 'first_byte_us': {'count': 10, 'sum': 10000, "
	       "'p50': 991.5,"
	       " 'p90': 991.5, 'p99': 991.5},"
	       " 'sampled': {'flows': 109, 'missed': 110, 'rate': 0.125}}");
}

static void shares_are_of_the_flows_since_the_shift(void **state)
{
	json_t *interval = json_object_get(pool(0), "actual_share_interval");
	double low, high;

	(void)state;
	share_interval(5, 100, &low, &high);
	expect(json_object_get(pool(0), "actual_share"), "5.0");
	expect(json_object_get(pool(1), "actual_share"), "95.0");
	assert_true(json_real_value(json_array_get(interval, 0)) == low);
	assert_true(json_real_value(json_array_get(interval, 1)) == high);
}

static void backend_fields(void **state)
{
	(void)state;
	expect(json_object_get(pool(0), "backends"),
	       "[{'address': '10.0.0.21', 'port': 8080, 'weight': 1, 'state': 'up', 'health': "
	       "'up', 'signals':"
	       " {'packets_in': 11, 'bytes_in': 0, 'packets_out': 0, 'bytes_out': 0,"
	       " 'flows': 3, 'syns': 0, 'syn_acks': 0, 'fins_in': 0, 'fins_out': 0,"
	       " 'resets_by_client': 0, 'resets_by_backend': 12, 'refused': 0,"
	       " 'unreachables': 0, 'handshakes': 0, 'syn_retransmits': 0, 'sampled_refused': 0,"
	       " 'sampled_unreachables': 0, 'resets_before_data': 0, 'resets_after_data': 0,"
	       " 'timed_out': 0, 'closed': 0, 'failures': 0}}]");
	expect(json_object_get(json_array_get(json_object_get(pool(1), "backends"), 0), "state"),
	       "'unresolved'");
	expect(json_object_get(json_array_get(json_object_get(pool(1), "backends"), 1), "address"),
	       "'2001:db8::12'");
}

static void no_flow_yet_is_null(void **state)
{
	sample_pools[0].counters.epoch_flows = 0;
	sample_pools[1].counters.epoch_flows = 0;
	sample_service.last.when_ns = 0;
	teardown(state);
	status = status_json(&sample);
	expect(json_object_get(pool(0), "actual_share"), "null");
	expect(json_object_get(pool(0), "actual_share_interval"), "null");
	assert_null(json_object_get(service(), "last_change"));
}

/* Digits are those a person wrote, not those of a double. */
static void shares_dump_short(void **state)
{
	char *text;

	sample_pools[0].weight_ppm = 50200;
	teardown(state);
	status = status_json(&sample);
	text = json_dumps(json_object_get(pool(0), "weight"), STATUS_JSON_FLAGS | JSON_ENCODE_ANY);
	assert_string_equal(text, "5.02");
	free(text);
}

static void expect_reason(const char *expected)
{
	json_decref(status);
	status = status_json(&sample);
	assert_non_null(status);
	assert_string_equal(json_string_value(json_object_get(
				    json_object_get(service(), "last_change"), "reason")),
			    expected);
}

/* A reason is what somebody typed, cut to its field: that must not lose the whole status. */
static void bad_text_is_mended(void **state)
{
	char *reason = sample_service.last.reason;

	(void)state;
	strcpy(reason, "na\xc3\xafve");
	expect_reason("na\xc3\xafve");
	strcpy(reason, "cut \xe2\x82");
	expect_reason("cut ");
	strcpy(reason, "latin\xe9"
		       "1 text");
	expect_reason("latin?1 text");
	memset(reason, 'x', sizeof(sample_service.last.reason));
	json_decref(status);
	status = status_json(&sample);
	assert_non_null(status);
}

static void empty_snapshot_has_every_field(void **state)
{
	struct snapshot empty = {0};

	teardown(state);
	status = status_json(&empty);
	expect(json_object_get(status, "interfaces"), "[]");
	expect(json_object_get(status, "services"), "[]");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(top_level),
		TEST(service_fields),
		TEST(sources_are_told_where_there_are_some),
		TEST(ports_are_told_of_fullnat),
		TEST(ports_in_use_may_be_unknown),
		TEST(pool_fields),
		TEST(what_answers_past_us_is_not_told),
		TEST(udp_has_no_handshakes),
		TEST(shares_are_of_the_flows_since_the_shift),
		TEST(backend_fields),
		TEST(no_flow_yet_is_null),
		TEST(shares_dump_short),
		TEST(bad_text_is_mended),
		TEST(empty_snapshot_has_every_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
