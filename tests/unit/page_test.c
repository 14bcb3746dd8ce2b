// SPDX-License-Identifier: GPL-2.0-or-later
/* A dear page is made once for those who ask at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/page.h"

static void make(struct http_reply *reply, void *arg)
{
	reply->status = 503;
	reply->content_type = "text/x";
	fprintf(reply->body, "page %d", ++*(int *)arg);
}

static void expect_page(struct page *p, int *made, const char *wanted)
{
	struct http_reply reply = {};
	char *text;
	size_t size;

	reply.body = open_memstream(&text, &size);
	page_show(p, make, made, &reply);
	fclose(reply.body);
	assert_string_equal(text, wanted);
	assert_int_equal(reply.status, 503);
	assert_string_equal(reply.content_type, "text/x");
	free(text);
}

static void a_fresh_page_is_shown_again(void **state)
{
	struct page p = {};
	int made = 0;

	(void)state;
	expect_page(&p, &made, "page 1");
	p.until_us = UINT64_MAX;
	expect_page(&p, &made, "page 1");
	page_forget(&p);
	expect_page(&p, &made, "page 2");
	page_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_fresh_page_is_shown_again)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
