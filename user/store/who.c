// SPDX-License-Identifier: GPL-2.0-or-later
/* Who changes something: the user, and whoever became that user by sudo. */
#include "store/internal.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* "" where the host does not know. */
static void name_of(int64_t uid, char *out, size_t size)
{
	struct passwd entry, *found = NULL;
	char text[4096];

	*out = '\0';
	if (uid >= 0 && !getpwuid_r((uid_t)uid, &entry, text, sizeof(text), &found) && found)
		snprintf(out, size, "%s", found->pw_name);
}

int64_t who_sudo_uid(int64_t uid, const char *variable)
{
	char *end;
	long long number;

	if (uid || !variable || *variable < '0' || *variable > '9')
		return -1;
	errno = 0;
	number = strtoll(variable, &end, 10);
	return errno || *end || number > UINT32_MAX ? -1 : number;
}

void who_read(const struct dataplane_author *author, struct who *out)
{
	out->uid = author->has_uid ? author->uid : getuid();
	out->sudo_uid = author->has_uid ? -1 : who_sudo_uid(out->uid, getenv("SUDO_UID"));
	name_of(out->uid, out->user, sizeof(out->user));
	name_of(out->sudo_uid, out->sudo_user, sizeof(out->sudo_user));
}
