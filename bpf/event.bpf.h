/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sending events: whoever follows the log hears of them, with no daemon in between. Sending takes a
 * clock call and atomics on lines that all CPUs share; it is for what seldom happens.
 */
#pragma once

#include <serin/event.h>

#include "maps.bpf.h"
#include "packet.bpf.h"

/* One a second of a service and kind, which stands for those since the one before: a flood of them
 * must not wash all others out of the log. */
static __always_inline int event_is_due(struct serin_event *e)
{
	__u32 service = e->service;
	struct serin_event_rates *rates = bpf_map_lookup_elem(&event_rates, &service);
	__u64 now = bpf_jiffies64(), last;
	struct serin_event_rate *rate;

	if (!rates)
		return 0;
	rate = &rates->kind[e->kind % SERIN_EVENT_RATES];
	__sync_fetch_and_add(&rate->untold, 1);
	last = READ_ONCE(rate->jiffies);
	if (last && now - last < second_jiffies)
		return 0;
	if (__sync_val_compare_and_swap(&rate->jiffies, last, now) != last)
		return 0;
	e->count = __atomic_exchange_n(&rate->untold, 0, __ATOMIC_SEQ_CST);
	e->total = __sync_fetch_and_add(&rate->told, e->count) + e->count;
	return e->count > 0;
}

/* Fills in when; the rest is the caller's. */
static __always_inline int log_event(struct serin_event *e)
{
	__u32 zero = 0;
	struct serin_event_log *log = bpf_map_lookup_elem(&event_log, &zero);

	if (!log)
		return 0;
	e->when_ns = bpf_ktime_get_boot_ns();
	return serin_event_write(log, e);
}

/* Fills in when, count and total; the rest is the caller's. */
__noinline int send_event(struct serin_event *e)
{
	return e && event_is_due(e) ? log_event(e) : 0;
}

/* One that user space sends: none of them may be missed, however close they come. */
static __always_inline int tell_event(const struct serin_event *told)
{
	struct serin_event e = *told;
	struct serin_event_rates *rates = bpf_map_lookup_elem(&event_rates, &e.service);

	if (!rates)
		return 0;
	e.count = 1;
	e.total = __sync_fetch_and_add(&rates->kind[e.kind % SERIN_EVENT_RATES].told, 1) + 1;
	return log_event(&e);
}

/* With a frame of its own, for the walk has none to spare: whose packet it is, and where it would
 * have gone. */
static __noinline int send_packet_event(const struct packet *p, __u32 kind, __u32 cause)
{
	struct serin_event e = {
		.service = p->service_id,
		.client.addr = p->client,
		.client.port_be = p->client_port_be,
		.client.protocol = p->dst.protocol,
		.kind = kind,
		.cause = cause,
	};

	if (p->backend) {
		e.backend = p->backend_id + 1;
		e.pool = p->backend->pool + 1;
	}
	return send_event(&e);
}
