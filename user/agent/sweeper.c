// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/sweeper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/accuracy.h"
#include "dataplane/dataplane.h"
#include "lib/log.h"

#define PERIOD_US 500000 /* a sweep takes a millisecond or two */

struct sweeper {
	const char *dir;
	sd_event_source *timer;
	int error;	 /* of the last sweep, which has been told */
	uint64_t errors; /* sweeps that failed */
};

static void tell(struct sweeper *s, int error)
{
	s->errors += error != 0;
	if (error && error != s->error)
		log_warning("what is not answered is not counted: %s", strerror(-error));
	if (!error && s->error)
		log_info("what is not answered is counted again");
	s->error = error;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
	struct sweeper *s = arg;
	int error = dataplane_sweep(s->dir);

	(void)usec;
	tell(s, error == -ENOENT ? 0 : error);
	error = sd_event_source_set_time_relative(source, PERIOD_US);
	return error < 0 ? error : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int sweeper_open(sd_event *event, const char *dir, struct sweeper **out)
{
	struct sweeper *s = calloc(1, sizeof(*s));
	int error;

	if (!s)
		return -ENOMEM;
	s->dir = dir;
	error = sd_event_add_time_relative(event, &s->timer, CLOCK_MONOTONIC, PERIOD_US,
					   TIMER_ACCURACY_US, on_timer, s);
	if (error < 0) {
		log_error("cannot sweep samples: %s", strerror(-error));
		sweeper_close(s);
		return error;
	}
	*out = s;
	return 0;
}

uint64_t sweeper_errors(const struct sweeper *s)
{
	return s->errors;
}

void sweeper_close(struct sweeper *s)
{
	if (!s)
		return;
	sd_event_source_disable_unref(s->timer);
	free(s);
}
