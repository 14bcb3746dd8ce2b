// SPDX-License-Identifier: GPL-2.0-or-later
#include "dataplane/event_log.h"

static uint64_t last_of(const struct serin_event_log *log)
{
	return __atomic_load_n(&log->last, __ATOMIC_ACQUIRE);
}

static uint64_t oldest_of(uint64_t last)
{
	return last < SERIN_EVENT_LOG_SIZE ? 1 : last - SERIN_EVENT_LOG_SIZE + 1;
}

struct event_cursor event_cursor_oldest(const struct serin_event_log *log)
{
	return (struct event_cursor){.next = oldest_of(last_of(log))};
}

struct event_cursor event_cursor_newest(const struct serin_event_log *log)
{
	return (struct event_cursor){.next = last_of(log) + 1};
}

/* The number there before a copy and after it: the same, or the copy is of no use. */
static uint64_t copy_record(const struct serin_event_record *r, struct serin_event *out)
{
	uint64_t before = __atomic_load_n(&r->sequence, __ATOMIC_ACQUIRE), after;

	if (before == SERIN_EVENT_BUSY)
		return before;
	*out = r->event;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	after = __atomic_load_n(&r->sequence, __ATOMIC_RELAXED);
	return after == before ? before : SERIN_EVENT_BUSY;
}

enum event_log_state event_cursor_read(struct event_cursor *cursor,
				       const struct serin_event_log *log, struct serin_event *out)
{
	while (cursor->next <= last_of(log)) {
		uint64_t oldest, at = cursor->next % SERIN_EVENT_LOG_SIZE;
		struct serin_event event;

		if (copy_record(&log->record[at], &event) == cursor->next) {
			cursor->next++;
			*out = event;
			return EVENT_LOG_READ;
		}
		oldest = oldest_of(last_of(log));
		if (cursor->next >= oldest)
			return EVENT_LOG_UNFINISHED;
		cursor->lost += oldest - cursor->next; /* its place is another's by now */
		cursor->next = oldest;
	}
	return EVENT_LOG_END;
}

void event_cursor_skip(struct event_cursor *cursor)
{
	cursor->next++;
	cursor->lost++;
}
