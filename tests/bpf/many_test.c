// SPDX-License-Identifier: GPL-2.0-or-later
/* Many services: their tables change in force hundreds at a time, and all that holds of one service
 * holds of each. One table after the other, this would take minutes, and no test may. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "lab.h"

#define SEED	     0x2f86d1b3a97c04e5ull
#define SERVICES     1500u
#define SAMPLE	     30u    /* of them: before Linux 6.8 each look-up of a table takes long */
#define FLOWS	     3u	    /* of each service */
#define FIRST_PORT   10000u /* of the backends of service 0 */
#define KILLS	     12
#define CANARY	     "{address: 10.1.0.1, port: %u}"
#define STABLE	     "{address: 10.1.0.2, port: %u}, {address: 10.1.0.3, port: %u}"
#define STABLE_GROWN STABLE ", {address: 10.1.0.4, port: %u}"

typedef uint8_t hosts[SERVICES][FLOWS]; /* who has which connection */

/* How long idle connections live, and changes take to settle. */
static uint32_t idle_s = 600;

/* The first `count` services, with a third stable backend or without. */
static struct model *services(uint32_t count, bool is_grown)
{
	char *yaml = NULL;
	size_t len;
	FILE *f = open_memstream(&yaml, &len);
	struct model *m;

	fputs("version: 1\ninterfaces: [front, back]\nlimits: {services: 4096, backends: 16384, "
	      "flows: 65536}\n",
	      f);
	fprintf(f, "idle: {syn: %u, established: %u, closing: %u, udp: %u}\nservices:\n", idle_s,
		idle_s, idle_s, idle_s);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t port = FIRST_PORT + i;

		fprintf(f, "  - {name: s%u, vip: 10.200.%u.%u, port: 80, protocol: tcp, ", i,
			i / 250, i % 250);
		fputs("table_size: 509, primary: stable, pools: [", f);
		fprintf(f, "{name: canary, weight: 20, backends: [" CANARY "]}, ", port);
		fprintf(f, "{name: stable, backends: [");
		fprintf(f, is_grown ? STABLE_GROWN : STABLE, port, port, port);
		fputs("]}]}\n", f);
	}
	fclose(f);
	m = lab_parse(yaml);
	free(yaml);
	return m;
}

static void apply(uint32_t count, bool is_grown)
{
	struct model *m = services(count, is_grown);

	if (lab_apply_model(m, false))
		fail_msg("apply: %s", lab_errors);
	model_free(m);
	if (lab_program >= 0)
		close(lab_program);
	lab_program = bpf_obj_get(LAB_PINS "/program");
	assert_true(lab_program >= 0);
}

/* Which host a packet of a flow goes to; 0: none. */
static uint8_t ask(uint32_t service, uint16_t client_port, uint8_t tcp_flags)
{
	char vip[32];
	struct outcome out;
	struct frame f;
	uint16_t port;

	snprintf(vip, sizeof(vip), "10.200.%u.%u", service / 250, service % 250);
	f = lab_request("198.51.100.1", client_port, vip, 80, IPPROTO_TCP);
	f.tcp_flags = tcp_flags;
	lab_run_frame(lab_front, &f, &out);
	if (out.action != XDP_TX)
		return 0;
	memcpy(&port, out.bytes + FRAME_ETH + 22, 2);
	assert_int_equal(ntohs(port), FIRST_PORT + service); /* a backend of its own */
	return (uint8_t)lab_host_of(&out);
}

static void ask_all(uint16_t first_port, uint8_t tcp_flags, hosts out)
{
	for (uint32_t i = 0; i < SERVICES; i++)
		for (uint16_t flow = 0; flow < FLOWS; flow++)
			out[i][flow] = ask(i, first_port + flow, tcp_flags);
}

/* Where new connections go, each of which is reset at once. */
static void choose_all(hosts out)
{
	static hosts resets;

	ask_all(1001, FRAME_SYN, out);
	ask_all(1001, FRAME_RST, resets);
	assert_memory_equal(out, resets, sizeof(resets));
}

/* How many have this host. */
static size_t count_of(hosts h, uint8_t host)
{
	size_t count = 0;

	for (uint32_t i = 0; i < SERVICES; i++)
		for (uint32_t flow = 0; flow < FLOWS; flow++)
			count += h[i][flow] == host;
	return count;
}

static void test_each_of_many_services_works(void **state)
{
	static hosts got;

	(void)state;
	apply(SERVICES, false);
	ask_all(1, FRAME_SYN, got);
	assert_int_equal(count_of(got, 0), 0);
	assert_int_equal(count_of(got, 1) + count_of(got, 2) + count_of(got, 3), SERVICES * FLOWS);
	assert_in_range(count_of(got, 1), SERVICES * FLOWS * 17 / 100, SERVICES * FLOWS * 23 / 100);
	apply(SERVICES, false);
	assert_string_equal(lab_changes, "no changes\n");
}

/* Every stable pool gets a table anew, in which some places have another backend. */
static void test_connections_stay_when_all_tables_change(void **state)
{
	static hosts before, after, fresh;

	(void)state;
	apply(SERVICES, false);
	ask_all(1, FRAME_SYN, before);
	apply(SERVICES, true);
	ask_all(1, FRAME_ACK, after);
	assert_memory_equal(before, after, sizeof(before));
	ask_all(1001, FRAME_SYN, fresh);
	assert_in_range(count_of(fresh, 4), SERVICES * FLOWS * 22 / 100,
			SERVICES * FLOWS * 32 / 100);
	assert_int_equal(count_of(fresh, 0), 0);
}

/* The number of tables among those of a sample of services. */
static size_t count_tables(const char *map)
{
	char path[64];
	size_t count = 0;
	uint32_t id;
	int fd;

	snprintf(path, sizeof(path), LAB_PINS "/%s", map);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	for (uint32_t service = 0; service < SAMPLE; service++) {
		for (uint32_t pool = 0; pool < 2; pool++) {
			uint32_t index = service * SERIN_MAX_POOLS + pool;

			count += !bpf_map_lookup_elem(fd, &index, &id);
		}
	}
	close(fd);
	return count;
}

static void test_services_go_and_come_back(void **state)
{
	static hosts before, got;

	(void)state;
	apply(SERVICES, false);
	ask_all(1, FRAME_SYN, before);
	assert_int_equal(count_tables("tables"), 2 * SAMPLE);
	assert_int_equal(count_tables("base_tables"), 2 * SAMPLE);
	apply(1, false);
	ask_all(1, FRAME_SYN, got);
	assert_int_equal(count_of(got, 0), (SERVICES - 1) * FLOWS);
	assert_int_equal(count_tables("tables"), 2);
	assert_int_equal(count_tables("base_tables"), 2);
	apply(SERVICES, true);
	apply(SERVICES, false);
	ask_all(2001, FRAME_SYN, got);
	assert_int_equal(count_of(got, 0), 0);
	assert_int_equal(count_of(got, 4), 0);
}

/* Fewer files may be open than tables are put in force at a time. */
static void test_few_files_are_enough(void **state)
{
	struct rlimit usual, few;
	static hosts before, after;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
	few = (struct rlimit){.rlim_cur = 128, .rlim_max = usual.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	apply(SERVICES, false);
	ask_all(1, FRAME_SYN, before);
	apply(SERVICES, true);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
	ask_all(1, FRAME_ACK, after);
	assert_memory_equal(before, after, sizeof(before));
}

static size_t count_settled(void)
{
	struct snapshot *s = lab_snapshot();
	size_t count = 0;

	for (size_t i = 0; i < s->service_count; i++)
		count += s->services[i].is_settled;
	snapshot_free(s);
	return count;
}

static size_t count_settled_places(void)
{
	struct in6_addr client = lab_addr("198.51.100.1");
	struct dataplane *dp = lab_open(DATAPLANE_READ);
	size_t count = 0;
	char name[16];

	for (uint32_t i = 0; i < SAMPLE; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		for (uint16_t flow = 0; flow < FLOWS; flow++)
			count += lab_explain(dp, name, &client, 1 + flow).is_settled;
	}
	dataplane_close(dp);
	return count;
}

/* What has settled is the base of the next change. */
static void test_all_settle_together(void **state)
{
	static hosts before, after;
	uint64_t changed_ms;

	(void)state;
	idle_s = 1;
	apply(SERVICES, false);
	apply(SERVICES, true);
	changed_ms = lab_now_ms();
	assert_in_range(count_settled_places(), 1, SAMPLE * FLOWS - 1);
	while (count_settled() < SERVICES) {
		lab_wait(changed_ms, "all services to settle");
		apply(SERVICES, true);
	}
	assert_int_equal(count_settled_places(), SAMPLE * FLOWS);
	ask_all(1, FRAME_SYN, before);
	assert_true(count_of(before, 4) > 0);
	apply(SERVICES, false);
	ask_all(1, FRAME_ACK, after);
	assert_memory_equal(before, after, sizeof(before));
	idle_s = 600;
}

/* An apply in a process of its own, killed when it has taken so long. Whether it was not done yet. */
static bool kill_apply(bool is_grown, uint64_t after_us)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		struct model *m = services(SERVICES, is_grown);

		_exit(lab_apply_model(m, false) ? 1 : 0);
	}
	assert_true(pid > 0);
	usleep((useconds_t)after_us);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) || !WEXITSTATUS(status));
	return WIFSIGNALED(status);
}

/* What was killed on its way to the grown configuration goes on, or back, and either is whole. */
static void test_what_was_killed_is_finished(void **state)
{
	static hosts before, after, wanted[2], got;
	uint64_t whole_us = UINT64_MAX; /* the quickest: most are to be killed while at work */
	int killed = 0;

	(void)state;
	for (int i = 0; i < 3; i++) {
		uint64_t start_ms = lab_now_ms(), took_us;

		apply(SERVICES, i % 2);
		took_us = (lab_now_ms() - start_ms) * 1000;
		whole_us = took_us < whole_us ? took_us : whole_us;
		if (!i)
			ask_all(1, FRAME_SYN, before);
		choose_all(wanted[i % 2]);
	}
	assert_memory_not_equal(wanted[0], wanted[1], sizeof(hosts));
	for (int i = 1; i <= KILLS; i++) {
		killed += kill_apply(true, whole_us * (uint64_t)i / (KILLS + 1));
		ask_all(1, FRAME_ACK, after);
		assert_memory_equal(before, after, sizeof(before));
		apply(SERVICES, i % 2);
		choose_all(got);
		assert_memory_equal(wanted[i % 2], got, sizeof(got));
		apply(SERVICES, false);
		ask_all(1, FRAME_ACK, after);
		assert_memory_equal(before, after, sizeof(before));
	}
	assert_in_range(killed, KILLS / 4, KILLS);
	apply(SERVICES, false);
	assert_string_equal(lab_changes, "no changes\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_each_of_many_services_works, lab_teardown),
		cmocka_unit_test_teardown(test_connections_stay_when_all_tables_change,
					  lab_teardown),
		cmocka_unit_test_teardown(test_services_go_and_come_back, lab_teardown),
		cmocka_unit_test_teardown(test_all_settle_together, lab_teardown),
		cmocka_unit_test_teardown(test_few_files_are_enough, lab_teardown),
		cmocka_unit_test_teardown(test_what_was_killed_is_finished, lab_teardown),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, lab_setup, NULL);
}
