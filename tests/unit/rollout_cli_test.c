// SPDX-License-Identifier: GPL-2.0-or-later
/* What the verbs of `rollout` ask an agent, and what its answers are as exit codes and lines. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/agent_client.h"
#include "cli/cli.h"

#define ANSWERS_MAX 8
#define TEXT_LEN    4096

const struct cli_verb cli_verbs[] = {{}};

/* ---- a clock that only sleeping moves ---- */

static time_t now_s;

int nanosleep(const struct timespec *time, struct timespec *left)
{
	(void)left;
	now_s += time->tv_sec;
	return 0;
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
	(void)clock;
	*out = (struct timespec){.tv_sec = 1000 + now_s};
	return 0;
}

/* ---- an agent ---- */

/* Each connection takes the next answer; the last goes on. "": hangs up. */
static struct {
	const char *answers[ANSWERS_MAX];
	size_t count, asked;
	char heard[ANSWERS_MAX][TEXT_LEN];
	char path[64];
	int fd;
	pthread_t thread;
} agent;

static void hear(int fd, char *heard)
{
	size_t len = 0, want = SIZE_MAX;

	while (len < want && len < TEXT_LEN - 1) {
		ssize_t n = read(fd, heard + len, TEXT_LEN - 1 - len);
		const char *end, *length;

		if (n <= 0)
			break;
		len += (size_t)n;
		heard[len] = '\0';
		end = strstr(heard, "\r\n\r\n");
		length = strstr(heard, "Content-Length: ");
		if (end)
			want = (size_t)(end + 4 - heard) +
			       (length ? strtoul(length + 16, NULL, 10) : 0);
	}
}

static void *serve(void *arg)
{
	int fd;

	(void)arg;
	while ((fd = accept(agent.fd, NULL, NULL)) >= 0) {
		size_t i = agent.asked < agent.count ? agent.asked : agent.count - 1;

		agent.asked++;
		hear(fd, agent.heard[i]);
		if (write(fd, agent.answers[i], strlen(agent.answers[i])) < 0)
			perror("write");
		close(fd);
	}
	return NULL;
}

static void begin_agent(const char *const *answers)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	memset(&agent, 0, sizeof(agent));
	for (; answers[agent.count]; agent.count++)
		agent.answers[agent.count] = answers[agent.count];
	snprintf(agent.path, sizeof(agent.path), "/tmp/serin-unit-agent.%d", (int)getpid());
	strcpy(at.sun_path, agent.path);
	agent.fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_false(bind(agent.fd, (struct sockaddr *)&at, sizeof(at)));
	assert_false(listen(agent.fd, 8));
	assert_false(pthread_create(&agent.thread, NULL, serve, NULL));
}

static void end_agent(void)
{
	shutdown(agent.fd, SHUT_RDWR);
	pthread_join(agent.thread, NULL);
	close(agent.fd);
	unlink(agent.path);
}

/* ---- a verb's run ---- */

static char printed[TEXT_LEN];

static char *const web[] = {"web", NULL};

static struct cli cli_of(void)
{
	return (struct cli){.reason = "",
			    .id = -1,
			    .limit = -1,
			    .socket = agent.path,
			    .args = (char **)web,
			    .arg_count = 1};
}

/* Its exit code; what it printed is in printed. */
static int run(int (*verb)(const struct cli *), const struct cli *cli)
{
	int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO), result;
	FILE *file = tmpfile();
	size_t len;

	fflush(stdout);
	dup2(fileno(file), STDOUT_FILENO);
	dup2(fileno(file), STDERR_FILENO);
	result = verb(cli);
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	close(out);
	close(err);
	rewind(file);
	len = fread(printed, 1, sizeof(printed) - 1, file);
	printed[len] = '\0';
	fclose(file);
	return result;
}

#define HTTP(status, body) "HTTP/1.1 " status " x\r\nContent-Type: x\r\n\r\n" body
#define REFUSED(status) \
	HTTP(status, "{\"error\": {\"code\": \"x\", \"message\": \"no: \\u001b[2J\"}}")
#define T(from, to) \
	"{\"at_ms\": 0, \"from\": \"" from "\", \"to\": \"" to "\", \"step\": 0, \"why\": \"\"}"
#define VIEW(phase, transitions)                                                                  \
	"{\"id\": 7, \"step_count\": 2, \"phase\": \"" phase "\", \"transitions\": [" transitions \
	"]}"
#define FIRST  T("starting", "stepping")
#define SECOND T("stepping", "promoting")
#define BEGUN \
	HTTP("200", "{\"rollout\": " VIEW("starting", "") ", \"message\": \"rollout 7 began\"}")
#define ANSWERS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void expect(const char *text, const char *wanted)
{
	if (!strstr(text, wanted))
		fail_msg("\"%s\" is not in: %s", wanted, text);
}

static void expect_run(const char *const *answers, int (*verb)(const struct cli *),
		       const struct cli *cli, int code)
{
	int result;

	begin_agent(answers);
	result = run(verb, cli);
	end_agent();
	if (result != code)
		fail_msg("exit %d, wanted %d: %s", result, code, printed);
}

/* ---- what is asked ---- */

static void commands_say_what_is_wanted(void **state)
{
	struct cli cli = cli_of();

	(void)state;
	cli.reason = "why \"not\"";
	cli.id = 7;
	expect_run(ANSWERS(BEGUN), cmd_rollout_abort, &cli, CLI_OK);
	expect(agent.heard[0], "POST /api/v1/services/web/rollout HTTP/1.0\r\n");
	expect(agent.heard[0],
	       "\r\n\r\n{\"command\":\"abort\",\"reason\":\"why \\\"not\\\"\",\"id\":7}");
	assert_string_equal(printed, "rollout 7 began\n");
	cli = cli_of();
	cli.is_full = true;
	expect_run(ANSWERS(BEGUN), cmd_rollout_promote, &cli, CLI_OK);
	expect(agent.heard[0], "{\"command\":\"promote full\",\"reason\":\"\"}");
}

static void start_says_which_release(void **state)
{
	struct cli cli = cli_of();

	(void)state;
	expect_run(ANSWERS(BEGUN), cmd_rollout_start, &cli, CLI_USAGE);
	assert_int_equal(agent.asked, 0);
	cli.release = "v2";
	cli.strategy = "careful";
	expect_run(ANSWERS(BEGUN), cmd_rollout_start, &cli, CLI_OK);
	expect(agent.heard[0], "{\"command\":\"start\",\"release\":\"v2\",\"reason\":\"\","
			       "\"strategy\":\"careful\"}");
	cli.release = "\xff";
	expect_run(ANSWERS(BEGUN), cmd_rollout_start, &cli, CLI_USAGE);
	assert_int_equal(agent.asked, 0);
}

static void a_name_is_one_part_of_the_path(void **state)
{
	static char *const odd[] = {"a/../b?c", NULL};
	struct cli cli = cli_of();

	(void)state;
	cli.args = (char **)odd;
	cli.id = 3;
	expect_run(ANSWERS(HTTP("200", VIEW("promoted", ""))), cmd_rollout_status, &cli, CLI_OK);
	expect(agent.heard[0], "GET /api/v1/services/a%2F..%2Fb%3Fc/rollout?id=3 HTTP/1.0\r\n");
	cli.limit = 5;
	expect_run(ANSWERS(HTTP("200", "{\"rollouts\": []}")), cmd_rollout_list, &cli, CLI_OK);
	expect(agent.heard[0], "GET /api/v1/rollouts?service=a%2F..%2Fb%3Fc&limit=5 HTTP/1.0\r\n");
}

/* ---- exit codes ---- */

static void answers_are_exit_codes(void **state)
{
	static const struct {
		const char *answer;
		int code;
	} cases[] = {
		{REFUSED("400"), CLI_USAGE},
		{REFUSED("404"), CLI_USAGE},
		{REFUSED("422"), CLI_USAGE},
		{REFUSED("409"), CLI_CONFLICT},
		{REFUSED("403"), CLI_FAILED},
		{REFUSED("503"), CLI_FAILED},
		{"", CLI_NO_AGENT},
		{"220 mail\r\n", CLI_FAILED},
		{HTTP("200", "[]"), CLI_FAILED},
		{HTTP("200", "{\"cut"), CLI_FAILED},
	};
	struct cli cli = cli_of();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		expect_run(ANSWERS(cases[i].answer), cmd_rollout_pause, &cli, cases[i].code);
		expect_run(ANSWERS(cases[i].answer), cmd_rollout_report, &cli, cases[i].code);
		expect_run(ANSWERS(cases[i].answer), cmd_rollout_list, &cli, cases[i].code);
	}
	expect_run(ANSWERS(REFUSED("404")), cmd_rollout_pause, &cli, CLI_USAGE);
	assert_string_equal(printed, "serin: error: no: ?[2J\n");
	cli.socket = "/tmp/serin-unit-agent.nowhere";
	assert_int_equal(run(cmd_rollout_pause, &cli), CLI_NO_AGENT);
	expect(printed, "no agent answers at /tmp/serin-unit-agent.nowhere: No such file");
}

static void an_agent_that_hangs_is_left(void **state)
{
	struct agent_request request = {.method = "GET", .path = "/", .timeout_s = 1};
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct agent_answer answer;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	snprintf(at.sun_path, sizeof(at.sun_path), "/tmp/serin-unit-hangs.%d", (int)getpid());
	request.socket = at.sun_path;
	assert_false(bind(fd, (struct sockaddr *)&at, sizeof(at)));
	assert_false(listen(fd, 1));
	assert_int_equal(agent_ask(&request, &answer), -ETIMEDOUT);
	close(fd);
	unlink(at.sun_path);
}

static void a_status_says_whether_it_ended_well(void **state)
{
	struct cli cli = cli_of();

	(void)state;
	expect_run(ANSWERS(HTTP("200", VIEW("promoted", ""))), cmd_rollout_status, &cli, CLI_OK);
	expect_run(ANSWERS(HTTP("200", VIEW("stepping", ""))), cmd_rollout_status, &cli, CLI_OK);
	expect_run(ANSWERS(HTTP("200", VIEW("aborted", ""))), cmd_rollout_status, &cli,
		   CLI_UNHEALTHY);
	expect(printed, "phase      aborted");
}

/* ---- waiting ---- */

static void waits_until_it_has_ended(void **state)
{
	static const char *const ends[] = {"aborted", "undone", "superseded"};
	struct cli cli = cli_of();
	char last[256];

	(void)state;
	cli.is_waiting = true;
	cli.release = "v2";
	expect_run(ANSWERS(BEGUN, HTTP("200", VIEW("starting", "")),
			   HTTP("200", VIEW("stepping", FIRST)),
			   HTTP("200", VIEW("stepping", FIRST)),
			   HTTP("200", VIEW("promoted", FIRST ", " SECOND))),
		   cmd_rollout_start, &cli, CLI_OK);
	assert_int_equal(agent.asked, 5);
	expect(agent.heard[1], "GET /api/v1/services/web/rollout?id=7 ");
	assert_string_equal(printed, "rollout 7 began\n"
				     "web 1970-01-01 00:00:00Z starting -> stepping, step 1/2\n"
				     "web 1970-01-01 00:00:00Z stepping -> promoting, step 1/2\n");
	for (size_t i = 0; i < 3; i++) {
		snprintf(last, sizeof(last), HTTP("200", VIEW("%s", "")), ends[i]);
		expect_run(ANSWERS(HTTP("200", VIEW("paused", "")), last), cmd_rollout_status, &cli,
			   CLI_UNHEALTHY);
	}
}

static void rides_out_a_restart(void **state)
{
	struct cli cli = cli_of();

	(void)state;
	cli.is_waiting = true;
	expect_run(ANSWERS(HTTP("200", VIEW("stepping", FIRST)), "", REFUSED("503"), "",
			   HTTP("200", VIEW("promoted", FIRST))),
		   cmd_rollout_status, &cli, CLI_OK);
	assert_int_equal(agent.asked, 5);
	expect(printed, "warning: the agent does not answer; trying again for 30 s\n");
}

static void gives_up_after_a_while(void **state)
{
	struct cli cli = cli_of();

	(void)state;
	cli.is_waiting = true;
	now_s = 0;
	expect_run(ANSWERS(HTTP("200", VIEW("stepping", FIRST)), ""), cmd_rollout_status, &cli,
		   CLI_NO_AGENT);
	assert_int_equal(now_s, 30);
	expect_run(ANSWERS(""), cmd_rollout_status, &cli, CLI_NO_AGENT);
	assert_int_equal(agent.asked, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_say_what_is_wanted),
		cmocka_unit_test(start_says_which_release),
		cmocka_unit_test(a_name_is_one_part_of_the_path),
		cmocka_unit_test(answers_are_exit_codes),
		cmocka_unit_test(an_agent_that_hangs_is_left),
		cmocka_unit_test(a_status_says_whether_it_ended_well),
		cmocka_unit_test(waits_until_it_has_ended),
		cmocka_unit_test(rides_out_a_restart),
		cmocka_unit_test(gives_up_after_a_while),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
