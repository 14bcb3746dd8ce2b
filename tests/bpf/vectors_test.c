// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every mode, family and protocol, byte by byte: what becomes of packets is foretold by scapy
 * (oracle_packets.py), which knows the same world and none of our code, and then tried.
 */
#include <sys/wait.h>

#include "modes_lab.h"
#include "wire.h"

#define SEED   0x6b0a94f3d1c8e527ull
#define ORACLE "tests/bpf/oracle_packets.py"

static char vectors_path[PATH_MAX];
static struct dataplane *dp;
static bool is_split; /* the headers in a buffer of their own */

/* The step at hand. */
static struct {
	char *line; /* of the file */
	size_t room;
	char *word[10];
	unsigned int words;
	uint8_t in[LAB_FRAME_MAX];
	size_t len;
	int nic;
} step;

/* ---- the oracle ---- */

static void write_vectors(void)
{
	json_t *world = modes_json();
	char command[PATH_MAX + 64];
	FILE *oracle;

	assert_non_null(world);
	snprintf(command, sizeof(command), "/usr/bin/python3 -B " ORACLE " >%s", vectors_path);
	oracle = popen(command, "w");
	assert_non_null(oracle);
	assert_int_equal(json_dumpf(world, oracle, 0), 0);
	assert_int_equal(pclose(oracle), 0);
	json_decref(world);
}

/* Where whoever looks into a failure finds it. */
static void name_vectors(void)
{
	const char *build = getenv("SERIN_BUILD");

	snprintf(vectors_path, sizeof(vectors_path), "%s/tests/bpf/vectors",
		 build ? build : "build");
}

static int setup(void **state)
{
	lab_setup(state);
	modes_add_all();
	modes_apply();
	name_vectors();
	write_vectors();
	dp = lab_open(DATAPLANE_READ);
	return 0;
}

static int teardown(void **state)
{
	dataplane_close(dp);
	free(step.line);
	return lab_teardown(state);
}

/* ---- reading a step ---- */

static int digit_of(char c)
{
	return c >= 'a' ? c - 'a' + 10 : c - '0';
}

static void read_frame(const char *hex)
{
	step.len = strlen(hex) / 2;
	assert_true(step.len <= sizeof(step.in));
	for (size_t i = 0; i < step.len; i++)
		step.in[i] = (uint8_t)(digit_of(hex[2 * i]) << 4 | digit_of(hex[2 * i + 1]));
}

/* False at the end of the file. */
static bool next_step(FILE *f)
{
	char *rest;

	if (getline(&step.line, &step.room, f) < 0)
		return false;
	step.words = 0;
	for (char *word = strtok_r(step.line, " \n", &rest); word;
	     word = strtok_r(NULL, " \n", &rest)) {
		assert_true(step.words < 10);
		step.word[step.words++] = word;
	}
	assert_true(step.words >= 2);
	return true;
}

/* ---- fullnat's source ports ---- */

/* Of each flow, by its number; 0: none yet. */
static uint16_t source_ports[UINT16_MAX + 1];

static uint16_t hex_get16(const char *hex, size_t at)
{
	uint16_t value = 0;

	for (size_t i = 2 * at; i < 2 * at + 4; i++)
		value = (uint16_t)(value << 4 | digit_of(hex[i]));
	return value;
}

static void hex_put16(char *hex, size_t at, uint16_t value)
{
	char digits[5];

	snprintf(digits, sizeof(digits), "%04x", value);
	memcpy(hex + 2 * at, digits, 4);
}

static size_t number_in(unsigned int word)
{
	return strtoul(step.word[word], NULL, 10);
}

/* Puts the port in where 0 stands for it, and into the checksum (RFC 1624). */
static void put_source_port(char *hex, uint16_t port)
{
	size_t at = number_in(8), sum_at = number_in(9);
	bool is_udp = sum_at > at && sum_at < at + 8;
	uint16_t sum;

	assert_int_equal(hex_get16(hex, at), 0);
	hex_put16(hex, at, port);
	if (!sum_at)
		return;
	sum = hex_get16(hex, sum_at);
	sum = is_udp && sum == 0xffff ? 0 : sum;
	sum = (uint16_t)~frame_fold((uint32_t)(uint16_t)~sum + port);
	hex_put16(hex, sum_at, is_udp && !sum ? 0xffff : sum);
}

static bool has_source_port(void)
{
	return step.words == 10;
}

static bool is_to_source_port(void)
{
	return has_source_port() && !strcmp(step.word[6], "reply");
}

/* The port that a flow came out with, which only a new connection may change. */
static void learn_source_port(const struct outcome *out)
{
	uint16_t port, *known = &source_ports[number_in(7)];

	if (number_in(8) + 2 > out->len)
		fail_msg("%s: %u bytes", step.word[1], out->len);
	port = frame_get16(out->bytes + number_in(8));
	if (port < MODES_PORT_LOW || port > MODES_PORT_HIGH)
		fail_msg("%s: port %u is none of ours", step.word[1], port);
	if (*known && *known != port && strcmp(step.word[6], "new"))
		fail_msg("%s: port %u, and before it was %u", step.word[1], port, *known);
	*known = port;
	put_source_port(step.word[5], port);
}

/* ---- running it ---- */

/* Up to the end of the transport's header. */
static size_t headers_len(size_t len)
{
	struct wire w = {};

	assert_true(wire_read(step.in, len, &w));
	return (size_t)(w.l4 - step.in) + (w.protocol == IPPROTO_TCP ? 20 : 8);
}

/* Runs a frame and returns the one reason it was counted for. */
static enum serin_reason run_counted(size_t len, struct outcome *out)
{
	uint64_t before[SERIN_REASON_MAX], after[SERIN_REASON_MAX];
	enum serin_reason reason;

	modes_read_verdicts(dp, before);
	if (is_split)
		assert_int_equal(lab_run_split(step.nic, step.in, len, headers_len(len), out), 0);
	else
		lab_run(step.nic, step.in, len, out);
	modes_read_verdicts(dp, after);
	reason = modes_reason(before, after);
	if (reason == SERIN_REASON_MAX)
		fail_msg("%s: not counted once", step.word[1]);
	return reason;
}

static uint32_t action_of(enum serin_reason reason)
{
	static const uint32_t actions[SERIN_REASON_MAX] = {
#define ACTION(name, text, action) [SERIN_##name] = XDP_##action,
		SERIN_REASONS(ACTION)
#undef ACTION
	};

	return actions[reason];
}

static void explain(const char *wanted, const struct outcome *out)
{
	size_t digits = 2 * (size_t)out->len;
	char *got = malloc(digits + 1), *plain = strdup(wanted), *c;
	pid_t child;

	for (uint32_t i = 0; i < out->len; i++)
		snprintf(got + 2 * i, 3, "%02x", out->bytes[i]);
	fprintf(stderr, "%s\nin     %s\nwanted %s\ngot    %s\n", step.word[1], step.word[3], wanted,
		got);
	while ((c = strchr(plain, '?')))
		*c = '0';
	fflush(NULL);
	child = fork();
	if (!child) {
		execl("/usr/bin/python3", "python3", "-B", ORACLE, "explain", plain, got, NULL);
		_exit(1);
	}
	waitpid(child, NULL, 0);
	free(got);
	free(plain);
}

static bool is_as_wanted(const char *wanted, const struct outcome *out)
{
	static const char digits[] = "0123456789abcdef";

	if (strlen(wanted) != 2 * (size_t)out->len)
		return false;
	for (uint32_t i = 0; i < out->len; i++)
		if ((wanted[2 * i] != '?' && wanted[2 * i] != digits[out->bytes[i] >> 4]) ||
		    (wanted[2 * i + 1] != '?' && wanted[2 * i + 1] != digits[out->bytes[i] & 15]))
			return false;
	return true;
}

static void run_step(void)
{
	const char *given = step.word[3], *wanted = step.word[5];
	static struct outcome out;
	enum serin_reason reason = run_counted(step.len, &out);
	const char *fault;

	if (strcmp(dataplane_reason_name(reason), step.word[4]))
		fail_msg("%s: %s, to be %s", step.word[1], dataplane_reason_name(reason),
			 step.word[4]);
	assert_int_equal(out.action, action_of(reason));
	if (has_source_port() && !is_to_source_port())
		learn_source_port(&out);
	if (!strcmp(wanted, "="))
		wanted = given;
	if (!is_as_wanted(wanted, &out)) {
		explain(wanted, &out);
		fail_msg("%s: not as foretold", step.word[1]);
	}
	/* Fields that nobody can foretell, and sums over them. */
	fault = strchr(wanted, '?') ? wire_fault(out.bytes, out.len) : NULL;
	if (fault)
		fail_msg("%s: %s", step.word[1], fault);
}

static void run_cut(void)
{
	static struct outcome out;

	for (size_t len = FRAME_ETH; len < step.len; len++) {
		run_counted(len, &out);
		if (out.action != XDP_PASS || out.len != len || memcmp(out.bytes, step.in, len))
			fail_msg("%s cut to %zu bytes: verdict %u, %u bytes", step.word[1], len,
				 out.action, out.len);
	}
}

static void run_group(const char *name)
{
	FILE *f = fopen(vectors_path, "r");
	bool is_in = false;
	unsigned int steps = 0;

	assert_non_null(f);
	while (next_step(f)) {
		if (!strcmp(step.word[0], "group")) {
			is_in = !strcmp(step.word[1], name);
			continue;
		}
		if (!is_in)
			continue;
		steps++;
		step.nic = !strcmp(step.word[2], "front") ? lab_front : lab_back;
		if (is_to_source_port())
			put_source_port(step.word[3], source_ports[number_in(7)]);
		read_frame(step.word[3]);
		if (!strcmp(step.word[0], "cut"))
			run_cut();
		else
			run_step();
	}
	fclose(f);
	printf("%s: %u steps\n", name, steps);
	assert_true(steps > way_count / 4);
}

static void test_plain_packets(void **state)
{
	(void)state;
	run_group("plain");
}

static void test_checksums_of_zero(void **state)
{
	(void)state;
	run_group("checksums");
}

static void test_tcp_in_any_state(void **state)
{
	(void)state;
	run_group("tcp_flags");
}

static void test_what_must_not_go_on(void **state)
{
	(void)state;
	run_group("strangers");
}

static void test_ipv4_options(void **state)
{
	(void)state;
	run_group("ip_options");
}

static void test_ipv6_extension_headers(void **state)
{
	(void)state;
	run_group("extension_headers");
}

static void test_tags(void **state)
{
	(void)state;
	run_group("tags");
}

static void test_padding(void **state)
{
	(void)state;
	run_group("padding");
}

static void test_outer_headers(void **state)
{
	(void)state;
	run_group("outer_headers");
}

static void test_telling_of_the_client(void **state)
{
	(void)state;
	run_group("client_address");
}

static void test_fragments(void **state)
{
	(void)state;
	run_group("fragments");
}

static void test_jumbo_frames(void **state)
{
	(void)state;
	modes_set_mtu(9000);
	run_group("jumbo");
	modes_set_mtu(0);
}

static void test_icmp_errors(void **state)
{
	(void)state;
	run_group("errors_of_clients");
	run_group("errors_of_backends");
	run_group("strange_icmp");
}

static void test_answers_to_what_is_too_big(void **state)
{
	(void)state;
	run_group("answers_to_what_is_too_big");
}

static void test_echoes(void **state)
{
	(void)state;
	run_group("echoes");
}

/* As a NIC may deliver it: the headers in the first buffer, the rest in another. */
static void test_headers_apart_from_the_rest(void **state)
{
	struct frame f = lab_request("198.51.100.1", 1, "192.0.2.1", 1, IPPROTO_UDP);
	static struct outcome out;

	(void)state;
	step.len = frame_build(&f, step.in);
	if (lab_run_split(lab_front, step.in, step.len, step.len - 1, &out) == -EINVAL)
		skip(); /* this kernel's BPF_PROG_RUN fills the first buffer */
	is_split = true;
	run_group("plain");
	is_split = false;
}

static void test_frames_cut_short(void **state)
{
	(void)state;
	run_group("cut_short");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_packets),
		cmocka_unit_test(test_checksums_of_zero),
		cmocka_unit_test(test_tcp_in_any_state),
		cmocka_unit_test(test_what_must_not_go_on),
		cmocka_unit_test(test_ipv4_options),
		cmocka_unit_test(test_ipv6_extension_headers),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_padding),
		cmocka_unit_test(test_outer_headers),
		cmocka_unit_test(test_telling_of_the_client),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_jumbo_frames),
		cmocka_unit_test(test_icmp_errors),
		cmocka_unit_test(test_answers_to_what_is_too_big),
		cmocka_unit_test(test_echoes),
		cmocka_unit_test(test_headers_apart_from_the_rest),
		cmocka_unit_test(test_frames_cut_short),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, setup, teardown);
}
