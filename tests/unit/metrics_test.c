// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "observe/metrics.h"
#include "snapshot_sample.h"

static char *text;

static int write_sample(void **state)
{
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_int_equal(metrics_write(&sample, out), 0);
	fclose(out);
	return 0;
}

static int setup(void **state)
{
	sample_init();
	return write_sample(state);
}

static int teardown(void **state)
{
	(void)state;
	free(text);
	return 0;
}

static bool has_line(const char *line)
{
	size_t len = strlen(line);

	for (const char *at = text; (at = strstr(at, line)); at++)
		if ((at == text || at[-1] == '\n') && at[len] == '\n')
			return true;
	return false;
}

static void expect_lines(const char *const *lines, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!has_line(lines[i]))
			fail_msg("no line '%s' in:\n%s", lines[i], text);
}

#define EXPECT(...)                                                  \
	do {                                                         \
		static const char *const lines[] = {__VA_ARGS__};    \
		expect_lines(lines, sizeof(lines) / sizeof(*lines)); \
	} while (0)

static void host_lines(void **state)
{
	(void)state;
	EXPECT("serin_build_info{version=\"" SERIN_VERSION "\",kernel_abi=\"5\"} 1",
	       "serin_program_info{version=\"0.0.9\"} 1",
	       "serin_interface_attached{interface=\"eth0\",mode=\"native\"} 1",
	       "serin_packets_total{verdict=\"tx\",reason=\"forwarded_same_port\"} 41",
	       "serin_packets_total{verdict=\"pass\",reason=\"no_service\"} 42",
	       "serin_packets_total{verdict=\"drop\",reason=\"too_big\"} 43",
	       "serin_drops_total{reason=\"too_big\"} 43",
	       "serin_drops_total{reason=\"no_backend\"} 0", "serin_flow_table_entries 12",
	       "serin_map_entries{map=\"backends\"} 3",
	       "serin_map_capacity{map=\"backends\"} 16384", "serin_map_entries{map=\"flows4\"} 12",
	       "serin_flow_table_capacity 1048576", "serin_flow_table_bytes 100663296",
	       "serin_flow_table_inserted_total 5000000000",
	       "serin_flow_table_unremembered_total 17",
	       "serin_flow_table_evicted_total{state=\"syn\"} 7",
	       "serin_flow_table_evicted_total{state=\"adopted\"} 3",
	       "serin_flow_table_evicted_total{state=\"established\"} 0");
	assert_null(strstr(text, "serin_drops_total{reason=\"no_service\"}"));
}

static void service_lines(void **state)
{
	(void)state;
	EXPECT("serin_service_info{service=\"web\",vip=\"192.0.2.10\",port=\"80\",protocol=\"tcp\","
	       "forwarding=\"nat\",affinity=\"client\",primary=\"stable\"} 1",
	       "serin_service_epoch{service=\"web\"} 7",
	       "serin_service_last_change_timestamp_seconds{service=\"web\"} 1700000000.123456");
}

static void source_lines(void **state)
{
	assert_null(strstr(text, "serin_service_source_info{"));
	sample_tunnels();
	free(text);
	assert_int_equal(write_sample(state), 0);
	EXPECT("serin_service_source_info{service=\"web\",source=\"10.9.0.0/24\"} 1",
	       "serin_service_source_info{service=\"web\",source=\"2001:db8:9::1\"} 1");
}

static void port_lines(void **state)
{
	assert_null(strstr(text, "serin_service_source_ports{"));
	sample_fullnat();
	free(text);
	assert_int_equal(write_sample(state), 0);
	EXPECT("serin_service_source_ports{service=\"web\"} 2000",
	       "serin_service_source_ports_used{service=\"web\"} 1500",
	       "serin_service_source_table_bytes{service=\"web\"} 32000",
	       "serin_service_source_ports_taken_total{service=\"web\"} 1152921504606846976",
	       "serin_service_source_ports_evicted_total{service=\"web\"} 21",
	       "serin_service_source_ports_refused_total{service=\"web\"} 22",
	       "serin_service_client_address_untold_total{service=\"web\"} 23",
	       "# TYPE serin_service_source_ports gauge",
	       "# TYPE serin_service_source_ports_refused_total counter");
}

static void unknown_ports_in_use_are_no_zero(void **state)
{
	sample_fullnat();
	sample_service.ports.has_used = false;
	free(text);
	assert_int_equal(write_sample(state), 0);
	assert_null(strstr(text, "serin_service_source_ports_used{"));
	EXPECT("serin_service_source_ports{service=\"web\"} 2000");
}

static void pool_lines(void **state)
{
	(void)state;
	EXPECT("serin_pool_weight_ratio{service=\"web\",pool=\"canary\"} 0.050000",
	       "serin_pool_weight_ratio{service=\"web\",pool=\"stable\"} 0.950000",
	       "serin_pool_configured_weight_ratio{service=\"web\",pool=\"canary\"} 0.012345",
	       "serin_pool_configured_weight_ratio{service=\"web\",pool=\"stable\"} 0.987655",
	       "serin_pool_backends{service=\"web\",pool=\"stable\",state=\"up\"} 0",
	       "serin_pool_backends{service=\"web\",pool=\"stable\",state=\"unresolved\"} 1",
	       "serin_pool_backends{service=\"web\",pool=\"stable\",state=\"draining\"} 1",
	       "serin_pool_backends{service=\"web\",pool=\"stable\",state=\"leaving\"} 0",
	       "# TYPE serin_pool_flows_total counter",
	       "serin_pool_flows_total{service=\"web\",pool=\"stable\"} 1152921504606846976");
}

/* Another live primary changes nothing of what the file says. */
static void configured_weights_are_the_files(void **state)
{
	sample_service.primary = 0;
	free(text);
	assert_int_equal(write_sample(state), 0);
	EXPECT("serin_pool_configured_weight_ratio{service=\"web\",pool=\"canary\"} 0.012345",
	       "serin_pool_configured_weight_ratio{service=\"web\",pool=\"stable\"} 0.987655");
}

/* Each counter of the struct has a family of its own name. */
static void pool_signal_lines(void **state)
{
	(void)state;
	EXPECT("serin_pool_packets_in_total{service=\"web\",pool=\"canary\"} 1",
	       "serin_pool_bytes_in_total{service=\"web\",pool=\"canary\"} 2",
	       "serin_pool_packets_out_total{service=\"web\",pool=\"canary\"} 3",
	       "serin_pool_bytes_out_total{service=\"web\",pool=\"canary\"} 4",
	       "serin_pool_flows_total{service=\"web\",pool=\"canary\"} 5",
	       "serin_pool_fallbacks_total{service=\"web\",pool=\"canary\"} 6",
	       "serin_pool_syns_total{service=\"web\",pool=\"canary\"} 101",
	       "serin_pool_refused_total{service=\"web\",pool=\"canary\"} 107",
	       "serin_pool_unreachables_total{service=\"web\",pool=\"canary\"} 108");
}

#define LABELS "{service=\"web\",pool=\"canary\""

static void latency_lines(void **state)
{
	(void)state;
	EXPECT("# TYPE serin_pool_handshake_seconds histogram",
	       "serin_pool_handshake_seconds_bucket" LABELS ",le=\"0.000016\"} 0",
	       "serin_pool_handshake_seconds_bucket" LABELS ",le=\"0.008192\"} 8",
	       "serin_pool_handshake_seconds_bucket" LABELS ",le=\"0.010240\"} 10",
	       "serin_pool_handshake_seconds_bucket" LABELS ",le=\"0.012288\"} 12",
	       "serin_pool_handshake_seconds_bucket" LABELS ",le=\"0.065536\"} 65",
	       "serin_pool_handshake_seconds_bucket" LABELS ",le=\"67.108864\"} 100",
	       "serin_pool_handshake_seconds_bucket" LABELS ",le=\"+Inf\"} 100",
	       "serin_pool_handshake_seconds_sum" LABELS "} 5.050000",
	       "serin_pool_handshake_seconds_count" LABELS "} 100",
	       "serin_pool_first_byte_seconds_bucket" LABELS ",le=\"0.000512\"} 0",
	       "serin_pool_first_byte_seconds_bucket" LABELS ",le=\"0.000896\"} 0",
	       "serin_pool_first_byte_seconds_bucket" LABELS ",le=\"0.001024\"} 10",
	       "serin_pool_duration_seconds_count" LABELS "} 0",
	       "serin_pool_flows_per_sample" LABELS "} 8",
	       "serin_pool_sampled_flows_total" LABELS "} 109",
	       "serin_pool_failures_total" LABELS "} 121");
}

static void unseen_signals_have_no_lines(void **state)
{
	sample_tunnels();
	free(text);
	assert_int_equal(write_sample(state), 0);
	EXPECT("serin_pool_syns_total{service=\"web\",pool=\"canary\"} 101");
	assert_null(strstr(text, "serin_pool_syn_acks_total{"));
	assert_null(strstr(text, "serin_backend_syn_acks_total{"));
}

#define CANARY	 "{service=\"web\",pool=\"canary\",backend=\"10.0.0.21:8080\"}"
#define STABLE_4 "{service=\"web\",pool=\"stable\",backend=\"10.0.0.11:8080\"}"
#define STABLE_6 "{service=\"web\",pool=\"stable\",backend=\"[2001:db8::12]:8443\"}"

static void backend_lines(void **state)
{
	(void)state;
	EXPECT("serin_backend_up" CANARY " 1", "serin_backend_up" STABLE_4 " 0",
	       "serin_backend_up" STABLE_6 " 0", "serin_backend_weight" STABLE_4 " 2",
	       "serin_backend_packets_in_total" CANARY " 11",
	       "serin_backend_flows_total" CANARY " 3");
	assert_null(strstr(text, "serin_backend_fallbacks"));
}

#define FAMILIES_MAX 128

static bool is_histogram(const char *family)
{
	char line[128];

	snprintf(line, sizeof(line), "# TYPE %s histogram", family);
	return has_line(line);
}

/* Every family has one head, and its samples stand together under it. */
static void families_are_contiguous(void **state)
{
	char seen[FAMILIES_MAX][64], *copy = strdup(text), *rest = copy, *line;
	size_t count = 0;

	(void)state;
	while ((line = strsep(&rest, "\n")) && *line) {
		if (!strncmp(line, "# HELP ", 7)) {
			assert_in_range(count, 0, FAMILIES_MAX - 1);
			snprintf(seen[count], 64, "%.*s", (int)strcspn(line + 7, " "), line + 7);
			for (size_t i = 0; i < count; i++)
				assert_string_not_equal(seen[i], seen[count]);
			count++;
		} else if (*line != '#') {
			line[strcspn(line, "{ ")] = '\0';
			assert_in_range(count, 1, FAMILIES_MAX);
			if (is_histogram(seen[count - 1]))
				*strrchr(line, '_') = '\0'; /* _bucket, _sum, _count */
			assert_string_equal(line, seen[count - 1]);
		}
	}
	assert_in_range(count, 20, FAMILIES_MAX);
	free(copy);
}

static void values_are_escaped(void **state)
{
	free(text);
	strcpy(sample.made_by, "a\"b\\c\nd\\");
	write_sample(state);
	EXPECT("serin_program_info{version=\"a\\\"b\\\\c\\nd\\\\\"} 1");
}

static void nothing_loaded_is_only_the_build(void **state)
{
	static const char expected[] =
		"# HELP serin_build_info Version and map layout of this serin; always 1.\n"
		"# TYPE serin_build_info gauge\n"
		"serin_build_info{version=\"" SERIN_VERSION "\",kernel_abi=\"5\"} 1\n";
	char *alone = NULL;
	size_t size;
	FILE *out = open_memstream(&alone, &size);

	(void)state;
	assert_int_equal(metrics_write(NULL, out), 0);
	fclose(out);
	assert_string_equal(alone, expected);
	free(alone);
}

static void agent_lines(void **state)
{
	struct metrics_agent agent = {.started_ms = 1700000000007,
				      .scrape_errors = 3,
				      .pass_errors = 4,
				      .map_errors = {[METRICS_SAMPLING] = 9, [METRICS_HEALTH] = 10},
				      .events = {5},
				      .events_lost = 6};
	size_t size;
	FILE *out;

	(void)state;
	free(text);
	out = open_memstream(&text, &size);
	assert_int_equal(metrics_write_agent(&agent, out), 0);
	fclose(out);
	EXPECT("serin_agent_start_time_seconds 1700000000.007", "serin_agent_dataplane_loaded 0",
	       "serin_agent_scrape_errors_total 3", "serin_agent_pass_errors_total 4",
	       "# TYPE serin_agent_map_errors_total counter",
	       "serin_agent_map_errors_total{what=\"next_hops\"} 0",
	       "serin_agent_map_errors_total{what=\"sampling\"} 9",
	       "serin_agent_map_errors_total{what=\"health\"} 10",
	       "# TYPE serin_events_total counter",
	       "serin_events_total{kind=\"ports_exhausted\"} 5",
	       "# TYPE serin_events_lost_total counter", "serin_events_lost_total 6");
	assert_null(strstr(text, "serin_store_"));
	free(text);
	agent.has_store = agent.store_available = true;
	agent.store_errors = 7;
	agent.store_lost = 8;
	out = open_memstream(&text, &size);
	assert_int_equal(metrics_write_agent(&agent, out), 0);
	fclose(out);
	EXPECT("serin_store_available 1", "# TYPE serin_store_errors_total counter",
	       "serin_store_errors_total 7", "serin_store_lost_total 8");
}

static void a_failed_stream_is_told(void **state)
{
	FILE *full = fopen("/dev/full", "w");

	(void)state;
	setvbuf(full, NULL, _IONBF, 0);
	assert_true(metrics_write(&sample, full) < 0);
	fclose(full);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(host_lines),
		TEST(service_lines),
		TEST(source_lines),
		TEST(port_lines),
		TEST(unknown_ports_in_use_are_no_zero),
		TEST(pool_lines),
		TEST(configured_weights_are_the_files),
		TEST(pool_signal_lines),
		TEST(latency_lines),
		TEST(unseen_signals_have_no_lines),
		TEST(backend_lines),
		TEST(families_are_contiguous),
		TEST(values_are_escaped),
		TEST(nothing_loaded_is_only_the_build),
		TEST(agent_lines),
		TEST(a_failed_stream_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
