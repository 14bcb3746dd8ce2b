/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns what TLS needs of GnuTLS, beside libmicrohttpd. */
#pragma once

#include <stdio.h>

struct web_tls;

/* Can a server begin with these texts? 0, or -EINVAL and a line in @messages. */
int http_tls_check(const struct web_tls *tls, FILE *messages);
