/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns reading the log of events, wherever it is in memory, while packets write it: a place in it
 * that each reader has for itself. What could not be read whole is counted, never shown.
 */
#pragma once

#include <stdint.h>

#include <serin/event.h>

enum event_log_state {
	EVENT_LOG_END,	      /* nothing after this, yet */
	EVENT_LOG_READ,	      /* one event read */
	EVENT_LOG_UNFINISHED, /* the next one is being written just now */
};

struct event_cursor {
	uint64_t next; /* number of the event to be read */
	uint64_t lost; /* overwritten, or never finished, before they were read */
};

/* At the oldest event there is, which may be gone when it is read; nothing counts as lost yet. */
struct event_cursor event_cursor_oldest(const struct serin_event_log *log);
/* After the newest. */
struct event_cursor event_cursor_newest(const struct serin_event_log *log);

/* Its number is cursor->next - 1 then. */
enum event_log_state event_cursor_read(struct event_cursor *cursor,
				       const struct serin_event_log *log, struct serin_event *out);
/* Gives an event up that is not being finished. */
void event_cursor_skip(struct event_cursor *cursor);
