/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns single checks: one question to one backend, asked without blocking the loop. Whoever asks keeps
 * the time: a probe ends by itself with an answer or an error alone.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "model/health.h"

#define PROBE_REASON_LEN 160

/* What a probe points to has to stay as it is until it ends. */
struct probe_target {
	const struct model_health_check *check;
	const char *service;
	const char *pool;
	struct in6_addr address;
	uint16_t port;
};

/* @reason: NULL where the check has passed. The probe is gone when this is called. */
typedef void probe_done(void *arg, const char *reason);

struct probe {
	probe_done *done;
	void *arg;
	void (*cancel)(struct probe *p);
	bool passes_in_silence; /* no answer in time is one, too */
};

/* Each kind's: 0, and `done` is called later on; or -errno, with the reason, and nothing was begun. */
struct probe_start {
	sd_event *event;
	struct health_http *http;
	const struct probe_target *target;
	probe_done *done;
	void *arg;
	char *reason; /* PROBE_REASON_LEN */
};

int health_tcp_start(const struct probe_start *s, struct probe **out);
int health_udp_start(const struct probe_start *s, struct probe **out);
int health_http_start(const struct probe_start *s, struct probe **out);
int health_exec_start(const struct probe_start *s, struct probe **out);

/* What all HTTP probes share. */
int health_http_open(sd_event *event, struct health_http **out);
void health_http_close(struct health_http *h);
