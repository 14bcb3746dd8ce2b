/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the daemon's loop: it keeps next hops true, logs events, and answers over HTTP. Packets do
 * not need it: it may come and go, and so may the data plane.
 */
#pragma once

#define AGENT_DEFAULT_LISTEN "127.0.0.1:10717"

struct agent_options {
	const char *dir;	 /* of the pins */
	const char *config_path; /* applied at the start and at each SIGHUP; NULL: none */
	const char *listen;	 /* "127.0.0.1:10717", "[::1]:10717"; NULL: AGENT_DEFAULT_LISTEN */
	const char *socket;	 /* path of the unix socket; as struct web_options has it */
	const char *web_config;	 /* who may read over TCP; NULL: anybody */
	const char *state;	 /* the state database; as store_new() takes it */
};

/*
 * Runs until SIGTERM or SIGINT and returns the exit status: 0, 1 where it could not start or go on,
 * 2 where the options or the configuration file are wrong. Says why.
 */
int agent_run(const struct agent_options *options);
