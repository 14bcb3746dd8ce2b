// SPDX-License-Identifier: GPL-2.0-or-later
/* Programs beside the loop: what they say, and that none of them can hold or harm it. */
#include "asks_lab.h"

#include "agent/job.h"

#define OUTPUT_MAX 1000

struct outcome {
	size_t ends;
	struct job_result result;
	char output[OUTPUT_MAX + 1];
};

static void note(const struct job_result *r, void *arg)
{
	struct outcome *o = arg;

	o->ends++;
	o->result = *r;
	assert_true(r->len <= OUTPUT_MAX && strlen(r->output) <= r->len);
	memcpy(o->output, r->output, r->len + 1);
}

static int start(const char *path, const char *input, size_t len, uint64_t limit_ms,
		 struct outcome *o, struct job **job)
{
	char *argv[] = {(char *)path, (char *)"one two", NULL},
	     *environment[] = {(char *)"A=b", NULL};
	const struct job_spec spec = {.path = path,
				      .argv = argv,
				      .environment = environment,
				      .input = input,
				      .input_len = len,
				      .output_max = OUTPUT_MAX,
				      .limit_ms = limit_ms};

	memset(o, 0, sizeof(*o));
	return job_start(lab_event, &spec, note, o, job);
}

static void run(const char *path, const char *input, uint64_t limit_ms, struct outcome *o)
{
	struct job *job = NULL;

	assert_int_equal(start(path, input, strlen(input), limit_ms, o, &job), 0);
	assert_int_equal(o->ends, 0);
	while (!o->ends)
		lab_turn();
	assert_int_equal(o->ends, 1);
}

static void says_what_it_is_given(void **state)
{
	struct outcome o;

	(void)state;
	run(lab_program("say", "cat; echo \"$1 $A\" >&2; exit 3"), "in ", 60000, &o);
	assert_string_equal(o.output, "in one two b\n");
	assert_int_equal(o.result.status, 3);
	assert_int_equal(o.result.signal, 0);
	assert_false(o.result.is_cut || o.result.is_late);
	run(lab_program("silent", "exit 0"), "", 60000, &o);
	assert_string_equal(o.output, "");
	assert_int_equal(o.result.status, 0);
}

static void dies_by_a_signal(void **state)
{
	struct outcome o;

	(void)state;
	run(lab_program("die", "kill -SEGV $$"), "", 60000, &o);
	assert_int_equal(o.result.signal, SIGSEGV);
}

/* The agent's own ways with signals are not handed down. */
static void signals_are_as_usual(void **state)
{
	unsigned long long blocked, ignored;
	struct outcome o;

	(void)state;
	run(lab_program("signals", "grep -E '^Sig(Blk|Ign)' /proc/self/status | cut -f2"), "",
	    60000, &o);
	assert_int_equal(sscanf(o.output, "%llx %llx", &blocked, &ignored), 2);
	assert_int_equal(blocked, 0);
	assert_int_equal(ignored >> (SIGPIPE - 1) & 1, 0);
}

static void has_nothing_open_but_its_own(void **state)
{
	struct outcome o;

	(void)state;
	assert_int_equal(dup2(STDERR_FILENO, 57), 57);
	run(lab_program("open", "exec ls /proc/self/fd"), "", 60000, &o);
	close(57);
	assert_string_equal(o.output, "0\n1\n2\n3\n"); /* the last of ls itself */
}

static void needs_not_read_its_input(void **state)
{
	static char input[4 << 20];
	struct job *job = NULL;
	struct outcome o;

	(void)state;
	memset(input, 'x', sizeof(input));
	assert_int_equal(start(lab_program("deaf", "exec <&-; echo done"), input, sizeof(input),
			       60000, &o, &job),
			 0);
	while (!o.ends)
		lab_turn();
	assert_string_equal(o.output, "done\n");
	assert_int_equal(
		start(lab_program("count", "wc -c"), input, sizeof(input), 60000, &o, &job), 0);
	while (!o.ends)
		lab_turn();
	assert_int_equal(atol(o.output), sizeof(input));
}

static void may_say_more_than_is_kept(void **state)
{
	struct outcome o;

	(void)state;
	run(lab_program("flood", "head -c 3000000 /dev/zero | tr '\\0' x; exit 5"), "", 60000, &o);
	assert_int_equal(o.result.status, 5);
	assert_true(o.result.is_cut);
	assert_int_equal(o.result.len, OUTPUT_MAX);
	run(lab_program("endless", "exec yes"), "", 300, &o);
	assert_true(o.result.is_late && o.result.is_cut);
	assert_memory_equal(o.output, "y\ny\n", 4);
}

static void what_hangs_is_ended_with_all_it_began(void **state)
{
	struct outcome o;

	(void)state;
	run(lab_program("hang", "sleep 1000 & echo $!; echo $$; trap '' TERM; wait; wait"), "",
	    1500, &o);
	assert_true(o.result.is_late);
	lab_wait_for_end_of(atoi(o.output));
	lab_wait_for_end_of(atoi(strchr(o.output, '\n')));
}

/* It holds the pipe, too: its end is not waited for. */
static void what_it_leaves_ends_with_it(void **state)
{
	struct outcome o;

	(void)state;
	run(lab_program("leave", "sleep 1000 & echo $!"), "", 60000, &o);
	assert_int_equal(o.result.status, 0);
	assert_false(o.result.is_late);
	lab_wait_for_end_of(atoi(o.output));
}

/* Neither a session of its own nor a parent that has gone saves it. */
static void no_session_outlives_it(void **state)
{
	struct outcome o;

	(void)state;
	run(lab_program("away", "setsid sh -c 'echo $$; sleep 1000 & echo $!; wait' & wait"), "",
	    1500, &o);
	assert_true(o.result.is_late);
	lab_wait_for_end_of(atoi(o.output));
	lab_wait_for_end_of(atoi(strchr(o.output, '\n')));
	run(lab_program("daemon", "(setsid sleep 1000 & echo $!)"), "", 60000, &o);
	assert_false(o.result.is_late);
	lab_wait_for_end_of(atoi(o.output));
}

static void nobody_hears_of_what_is_cancelled(void **state)
{
	struct job *job = NULL;
	struct outcome o;
	pid_t pid;

	(void)state;
	unlink(lab_path("pid"));
	assert_int_equal(start(lab_program("long", "sleep 1000 & echo $! >pid.new; mv pid.new pid; "
						   "echo; wait"),
			       "", 0, 60000, &o, &job),
			 0);
	while (!*lab_read("pid"))
		lab_turn();
	pid = atoi(lab_read("pid"));
	job_cancel(job);
	lab_wait_for_end_of(pid);
	lab_end(NULL);
	assert_int_equal(o.ends, 0);
	job_cancel(NULL);
	lab_begin(NULL);
}

static void what_cannot_be_run_is_told_at_once(void **state)
{
	struct job *job = NULL;
	struct outcome o;

	(void)state;
	assert_int_equal(start(lab_path("none"), "", 0, 60000, &o, &job), -ENOENT);
	lab_write("plain", "text\n");
	assert_int_equal(start(lab_path("plain"), "", 0, 60000, &o, &job), -EACCES);
	assert_null(job);
}

static void many_run_at_once(void **state)
{
	enum { JOBS = 20 };
	static struct outcome o[JOBS];
	struct job *job = NULL;
	size_t ends = 0;

	(void)state;
	lab_program("cat", "cat");
	for (size_t i = 0; i < JOBS; i++)
		assert_int_equal(start(lab_path("cat"), "abcdefghijklmnopqrst" + i, JOBS - i, 60000,
				       &o[i], &job),
				 0);
	while (ends < JOBS) {
		lab_turn();
		ends = 0;
		for (size_t i = 0; i < JOBS; i++)
			ends += o[i].ends;
	}
	for (size_t i = 0; i < JOBS; i++)
		assert_string_equal(o[i].output, "abcdefghijklmnopqrst" + i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(says_what_it_is_given, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(dies_by_a_signal, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(signals_are_as_usual, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(has_nothing_open_but_its_own, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(needs_not_read_its_input, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(may_say_more_than_is_kept, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(what_hangs_is_ended_with_all_it_began, lab_begin,
						lab_end),
		cmocka_unit_test_setup_teardown(what_it_leaves_ends_with_it, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(no_session_outlives_it, lab_begin, lab_end),
		cmocka_unit_test_setup_teardown(nobody_hears_of_what_is_cancelled, lab_begin,
						lab_end),
		cmocka_unit_test_setup_teardown(what_cannot_be_run_is_told_at_once, lab_begin,
						lab_end),
		cmocka_unit_test_setup_teardown(many_run_at_once, lab_begin, lab_end),
	};

	return cmocka_run_group_tests(tests, lab_open, lab_close);
}
