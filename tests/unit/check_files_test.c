// SPDX-License-Identifier: GPL-2.0-or-later
/* Files that a configuration names and that are not there. */
#include <errno.h>

#include "cli/check_files.h"
#include "config_lab.h"

static void test_what_is_not_there(void **state)
{
	struct model *m = parse(
		"version: 1\ninterfaces: [eth0]\nstrategies:\n  careful:\n    type: canary\n"
		"    candidate: canary\n    steps: [{weight: 1}]\n    analysis:\n"
		"      prometheus: {url: 'http://127.0.0.1:9090', config: /nowhere/p.yaml}\n"
		"      kayenta: {config: /nowhere/k.json}\n    hooks:\n"
		"    - {at: step, exec: [/bin/true]}\n    - {at: step, exec: [/nowhere/gate, a]}\n"
		"    - {at: end, exec: [/dev/null]}\n    - {at: end, webhook: 'http://h/'}\n"
		"services:\n- name: web\n  vip: 192.0.2.10\n  port: 80\n  pools:\n"
		"  - {name: stable, backends: [{address: 10.0.0.11}]}\n");
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	check_files(m, "serin.yaml", out);
	fclose(out);
	assert_string_equal(
		text,
		"serin.yaml: note: strategy careful: its hook's program, /nowhere/gate, cannot be "
		"run here: No such file or directory\n"
		"serin.yaml: note: strategy careful: its hook's program, /dev/null, cannot be run "
		"here: Permission denied\n"
		"serin.yaml: note: strategy careful: its configuration of kayenta, "
		"/nowhere/k.json, "
		"cannot be read here: No such file or directory\n"
		"serin.yaml: note: strategy careful: its configuration of prometheus, "
		"/nowhere/p.yaml, cannot be read here: No such file or directory\n");
	free(text);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
