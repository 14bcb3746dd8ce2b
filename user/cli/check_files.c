// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/check_files.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "model/model.h"

struct checking {
	const char *file, *strategy;
	FILE *out;
};

static void check_one(const struct checking *c, const char *what, const char *path, int mode)
{
	if (path && access(path, mode))
		fprintf(c->out, "%s: note: strategy %s: its %s, %s, cannot be %s here: %s\n",
			c->file, c->strategy, what, path, mode == X_OK ? "run" : "read",
			strerror(errno));
}

void check_files(const struct model *m, const char *file, FILE *out)
{
	for (size_t i = 0; i < m->strategy_count; i++) {
		const struct model_strategy *s = &m->strategies[i];
		const struct checking c = {file, s->name, out};

		for (size_t j = 0; j < s->hook_count; j++)
			check_one(&c, "hook's program",
				  s->hooks[j].argv ? s->hooks[j].argv[0] : NULL, X_OK);
		check_one(&c, "configuration of kayenta", s->analysis.kayenta_config, R_OK);
		check_one(&c, "configuration of prometheus", s->analysis.prometheus_auth, R_OK);
	}
}
