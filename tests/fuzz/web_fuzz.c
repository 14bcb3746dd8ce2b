// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The web configuration and that of HTTP requests: whatever the text, it gives users and files, or
 * errors, and nothing between.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/http.h"
#include "config/web.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void read_http(const char *text, size_t len)
{
	struct config_errors errors = {};
	struct http_config c;
	int err = http_config_parse(text, len, &c, &errors);

	must(!err == !errors.count);
	if (!err) {
		must(!c.username == !c.password && !(c.username && c.token));
		must(!c.cert_file == !c.key_file);
	}
	http_config_fini(&c);
	config_errors_fini(&errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_errors errors = {};
	struct web_config w;
	int err = web_config_parse((const char *)data, size, &w, &errors);

	must(!err == !errors.count);
	if (!err) {
		must(!w.tls.cert == !w.tls.key);
		must(!w.tls.client_ca == !w.tls.is_client_cert_needed);
		for (size_t i = 0; i < w.user_count; i++)
			must(*w.users[i].name && strlen(w.users[i].hash) == WEB_HASH_LEN - 1);
	}
	web_config_fini(&w);
	config_errors_fini(&errors);
	read_http((const char *)data, size);
	return 0;
}
