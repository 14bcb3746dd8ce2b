/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the agent's following of events: a line of log for each, and how many of each kind there were. */
#pragma once

#include <stdint.h>

#include <systemd/sd-event.h>

#include <serin/event.h>

struct agent_events;
struct keeper;

struct agent_event_counts {
	uint64_t by_kind[SERIN_EVENT_MAX];
	uint64_t lost; /* gone before they could be read */
};

/* @dir: of the pins; nothing need be loaded there. @keeper: gets them, too. 0 or -errno, said through log_error(). */
int agent_events_open(sd_event *event, const char *dir, struct keeper *keeper,
		      struct agent_events **out);
/* Since the agent began; it reads first what there is. */
struct agent_event_counts agent_events_count(struct agent_events *a);
void agent_events_close(struct agent_events *a);
