// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/log.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "lib/logfmt.h"

static const char *const level_names[] = {"error", "warning", "info"};
static const int priorities[] = {LOG_ERR, LOG_WARNING, LOG_INFO};
_Static_assert(sizeof(level_names) / sizeof(*level_names) == LOG_LEVEL_MAX, "a name each");
_Static_assert(sizeof(priorities) / sizeof(*priorities) == LOG_LEVEL_MAX, "one each");

struct message {
	enum log_level level;
	const char *text;
	const struct log_field *fields;
	size_t count;
};

typedef void sink(const struct message *m);

static void write_fields(FILE *out, const struct message *m)
{
	for (size_t i = 0; i < m->count; i++) {
		fputc(' ', out);
		logfmt_pair(out, m->fields[i].key, m->fields[i].value);
	}
}

static void print_text(const struct message *m)
{
	if (m->level == LOG_LEVEL_INFO)
		fprintf(stderr, "serin: %s", m->text);
	else
		fprintf(stderr, "serin: %s: %s", level_names[m->level], m->text);
	write_fields(stderr, m);
	fputc('\n', stderr);
}

static void print_logfmt(const struct message *m)
{
	struct timespec now;
	struct tm utc;
	char stamp[32];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc);
	fprintf(stderr, "ts=%s.%03ldZ level=%s ", stamp, now.tv_nsec / 1000000,
		level_names[m->level]);
	logfmt_text(stderr, "msg", m->text);
	write_fields(stderr, m);
	fputc('\n', stderr);
}

/* "SERIN_KEY=value" */
static char *journal_field(const struct log_field *f)
{
	char *entry;

	if (asprintf(&entry, "SERIN_%s=%s", f->key, f->value) < 0)
		return NULL;
	for (char *c = entry; *c != '='; c++)
		*c = (char)toupper((unsigned char)*c);
	return entry;
}

/* The fields stand in the text, too: that is what journalctl shows. */
static char *journal_text(const struct message *m)
{
	char *entry = NULL;
	size_t size;
	FILE *out = open_memstream(&entry, &size);

	if (!out)
		return NULL;
	fprintf(out, "MESSAGE=%s", m->text);
	write_fields(out, m);
	fclose(out);
	return entry;
}

static void send_to_journal(const struct message *m)
{
	char *entries[LOG_FIELDS_MAX + 2];
	struct iovec parts[LOG_FIELDS_MAX + 2];
	size_t count = 0;
	int sent = -1;

	entries[count++] = journal_text(m);
	if (asprintf(&entries[count], "PRIORITY=%d", priorities[m->level]) < 0)
		entries[count] = NULL;
	count++;
	for (size_t i = 0; i < m->count && i < LOG_FIELDS_MAX; i++)
		entries[count++] = journal_field(&m->fields[i]);
	for (size_t i = 0; i < count; i++)
		parts[i] = (struct iovec){entries[i], entries[i] ? strlen(entries[i]) : 0};
	if (entries[0] && entries[1])
		sent = sd_journal_sendv(parts, (int)count);
	if (sent < 0) /* stderr ends there, too */
		print_logfmt(m);
	for (size_t i = 0; i < count; i++)
		free(entries[i]);
}

/* systemd tells which device and inode it made stderr. */
static bool is_journal(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat there;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && !fstat(fd, &there) &&
	       there.st_dev == device && there.st_ino == inode;
}

static sink *print = print_text;
static FILE *held;

void log_hold(FILE *to)
{
	held = to;
}

void log_release(void)
{
	held = NULL;
}

void log_as_daemon(void)
{
	print = is_journal(STDERR_FILENO) ? send_to_journal : print_logfmt;
}

void log_fields(enum log_level level, const char *text, const struct log_field *fields,
		size_t count)
{
	const struct message m = {level, text, fields, count};

	if (held && level == LOG_LEVEL_ERROR) {
		fputs(text, held);
		write_fields(held, &m);
		fputc('\n', held);
		return;
	}
	print(&m);
}

void log_message(enum log_level level, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_fields(level, text, NULL, 0);
}
