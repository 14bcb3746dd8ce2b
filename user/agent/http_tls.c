// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/http_tls.h"

#include <errno.h>
#include <string.h>

#include <gnutls/gnutls.h>

#include "agent/http_internal.h"
#include "config/web.h"

static const char *const priorities[] = {
	[WEB_TLS12] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2",
	[WEB_TLS13] = "NORMAL:-VERS-ALL:+VERS-TLS1.3",
};

static gnutls_datum_t datum(const char *text)
{
	return (gnutls_datum_t){(unsigned char *)(uintptr_t)text, (unsigned int)strlen(text)};
}

static int load(gnutls_certificate_credentials_t credentials, const struct web_tls *tls,
		const char **what)
{
	gnutls_datum_t cert = datum(tls->cert), key = datum(tls->key), ca;
	int result;

	*what = "cert_file and key_file";
	result = gnutls_certificate_set_x509_key_mem(credentials, &cert, &key, GNUTLS_X509_FMT_PEM);
	if (result < 0 || !tls->client_ca)
		return result;
	*what = "client_ca_file";
	ca = datum(tls->client_ca);
	result = gnutls_certificate_set_x509_trust_mem(credentials, &ca, GNUTLS_X509_FMT_PEM);
	return result ? result : GNUTLS_E_NO_CERTIFICATE_FOUND;
}

int http_tls_check(const struct web_tls *tls, FILE *messages)
{
	gnutls_certificate_credentials_t credentials;
	const char *what = "";
	int result = gnutls_certificate_allocate_credentials(&credentials);

	if (result >= 0) {
		result = load(credentials, tls, &what);
		gnutls_certificate_free_credentials(credentials);
	}
	if (result >= 0)
		return 0;
	fprintf(messages, "error: %s: %s\n", what, gnutls_strerror(result));
	return -EINVAL;
}

void http_tls_options(const struct web_tls *tls, struct MHD_OptionItem list[HTTP_TLS_OPTIONS])
{
	*list++ = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, tls->cert};
	*list++ = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, tls->key};
	*list++ = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0,
					  (void *)(uintptr_t)priorities[tls->min_version]};
	if (tls->client_ca)
		*list++ = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_TRUST, 0, tls->client_ca};
	*list = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
}

bool http_tls_admits(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	unsigned int status = 0;

	return info && !gnutls_certificate_verify_peers2(info->tls_session, &status) && !status;
}
