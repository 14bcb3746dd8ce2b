// SPDX-License-Identifier: GPL-2.0-or-later
#include "doctor/facts.h"

#include <stdlib.h>

int doctor_collect(const char *dir, const struct model *m, struct doctor_facts *out)
{
	int error;

	doctor_collect_host(dir, m, &out->host);
	for (size_t i = 0; m && i < m->service_count; i++)
		out->returns |= model_forwarding_returns(m->services[i].forwarding);
	error = doctor_collect_nics(dir, m, out);
	return error || !m ? error : doctor_collect_backends(m, out);
}

void doctor_facts_fini(struct doctor_facts *facts)
{
	free(facts->nics);
	free(facts->backends);
}
