// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An oracle that remembers of every flow where it was born, against the program that remembers as
 * little as it can, through long random histories of changes. No packet of a living flow may go
 * elsewhere than where it was born, unless its backend is down; then it has the current choice.
 * Where the oracle allows two answers: a SYN that is sent again before anything else was, and whose
 * place has begun to move meanwhile, is a first packet like any other. And a flow that is met after
 * its SYN and half closed before anything answers has ended, as far as the flow table knows.
 */
#include "oracle_lab.h"

#define FLOWS	600
#define STEPS	1000
#define CLIENTS 48 /* few, so that some have many flows */
enum stage { OVER, OPENING, OPEN, CLIENT_DONE, BACKEND_DONE };
static const char *const stage_names[] = {"over", "opening", "open", "client done", "backend done"};

struct flow {
	unsigned int service;
	struct in6_addr client;
	uint16_t port;
	enum stage stage;
	unsigned int home; /* slot */
	bool is_bound;	   /* it has an entry by its SYN: one sent again changes nothing */
};

static struct flow flows[FLOWS];
static struct {
	unsigned int born, packets, replies, moved, dropped, reborn, settled, changes;
} done;

/* ---- what the oracle expects ---- */

static struct serin_addr addr_of(const struct flow *f)
{
	struct serin_addr a;

	memcpy(&a, &f->client, sizeof(a));
	return a;
}

static unsigned int slot_of_id(unsigned int s, uint32_t id)
{
	struct in6_addr addr = dp_addr(&o_dp->backends[id].at.addr);

	return o_slot_of(s, &addr, ntohs(o_dp->backends[id].at.port_be));
}

/* The current choice's slot; 0: there is none. */
static unsigned int current_choice(const struct flow *f, bool *is_settled)
{
	struct serin_addr client = addr_of(f);
	struct dp_choice choice;
	struct dp_chosen chosen;

	dp_choice_open(o_dp, o_ids[f->service], &choice);
	assert_int_equal(dp_choice_make(&choice, &client, htons(f->port), &chosen), 0);
	dp_choice_close(&choice);
	if (is_settled)
		*is_settled = chosen.is_settled;
	return chosen.has_backend ? slot_of_id(f->service, chosen.backend) : 0;
}

static bool is_homeless(const struct flow *f)
{
	return o_is_down(f->service, f->home);
}

/* Does an entry keep a new flow of the same addresses and ports from the current choice? */
static bool is_held(const struct flow *f)
{
	struct serin_addr client = addr_of(f);
	uint64_t value = 0, now = 0;

	if (dp_flow_find(o_dp, o_ids[f->service], &client, htons(f->port), &value))
		return false;
	assert_int_equal(dp_jiffies(o_dp, &now), 0);
	return dp_flow_is_alive(o_dp, value, now) &&
	       (o_services[f->service].protocol == IPPROTO_UDP ||
		(serin_flow_state(value) != SERIN_FLOW_CLOSING &&
		 o_dp->backends[serin_flow_backend(value)].state == SERIN_BACKEND_UP));
}

static bool is_given_up(const struct flow *f)
{
	const struct serin_service *svc = &o_dp->services[o_ids[f->service]];
	struct serin_addr client = addr_of(f);
	int64_t id = o_backend(f->service, f->home);
	uint64_t value = 0, now = 0;

	if ((f->stage != CLIENT_DONE && f->stage != BACKEND_DONE) || id < 0)
		return false;
	assert_int_equal(dp_jiffies(o_dp, &now), 0);
	if (dp_flow_find(o_dp, o_ids[f->service], &client, htons(f->port), &value))
		return svc->flags & SERIN_SERVICE_REMEMBERS && !o_dp->backends[id].has_past;
	return !dp_flow_is_alive(o_dp, value, now);
}

static void complain(const struct flow *f, const char *what, unsigned int to, unsigned int expected)
{
	struct serin_addr client = addr_of(f);
	bool is_settled;
	unsigned int current = current_choice(f, &is_settled);
	uint64_t value = 0;
	bool has_entry = !dp_flow_find(o_dp, o_ids[f->service], &client, htons(f->port), &value);

	fail_msg("after %u changes: flow %td of %s, %s%s: %s went to %u, not %u; home %u (%s), "
		 "current %u, place %s, entry %d state %u backend slot %u",
		 done.changes, f - flows, o_services[f->service].name, stage_names[f->stage],
		 f->is_bound ? ", bound" : "", what, to, expected, f->home,
		 is_homeless(f) ? "down" : "there", current, is_settled ? "settled" : "moving",
		 has_entry, serin_flow_state(value),
		 has_entry ? slot_of_id(f->service, serin_flow_backend(value)) : 0);
}

/* ---- packets ---- */

static struct frame frame_of(const struct flow *f, uint8_t flags)
{
	const struct o_service *svc = &o_services[f->service];
	struct frame out = lab_request("::", f->port, svc->vip, 80, svc->protocol);

	out.src = f->client;
	out.tcp_flags = flags;
	return out;
}

static void expect_intact(const struct outcome *out)
{
	uint8_t again[FRAME_MAX];

	memcpy(again, out->bytes, out->len);
	frame_refresh(again);
	assert_memory_equal(again, out->bytes, out->len);
}

/* Where the flow's packet goes: a slot, or 0. */
static unsigned int send_packet(const struct flow *f, uint8_t flags)
{
	struct frame frame = frame_of(f, flags);
	struct outcome out;
	struct in6_addr to;

	lab_run_frame(lab_front, &frame, &out);
	done.packets++;
	if (out.action != XDP_TX && out.action != XDP_REDIRECT) {
		done.dropped++;
		return 0;
	}
	expect_intact(&out);
	to = lab_wire_addr(out.bytes, true);
	return o_slot_of(f->service, &to, frame_get16(out.bytes + frame_l4_offset(out.bytes) + 2));
}

/* A packet that is not the first: to its home, or if that is down to the current choice. */
static void go_on(struct flow *f, uint8_t flags)
{
	bool was_homeless = is_homeless(f);
	unsigned int expected = was_homeless ? current_choice(f, NULL) : f->home;
	unsigned int to = send_packet(f, flags);

	if (to != expected)
		complain(f, "a packet", to, expected);
	if (!was_homeless || !to)
		return;
	done.moved++;
	f->home = to;
	f->is_bound = true;
	if (flags & (FRAME_FIN | FRAME_RST)) /* nobody remembers that one */
		f->stage = OVER;
}

/* A first packet: explain said where it would go. */
static void be_born(struct flow *f)
{
	struct dataplane *dp = o_dp;
	struct explanation e = lab_explain(dp, o_services[f->service].name, &f->client, f->port);
	unsigned int current = current_choice(f, NULL);
	unsigned int told = e.has_backend ? o_slot_of(f->service, &e.backend, e.backend_port) : 0;
	unsigned int expected = e.has_flow && is_held(f) ? told : current, to;

	if (!e.has_flow)
		assert_int_equal(told, current);
	to = send_packet(f, FRAME_SYN);
	f->stage = OPENING;
	if (to != expected)
		complain(f, "its first packet", to, expected);
	f->stage = to ? (o_services[f->service].protocol == IPPROTO_UDP ? OPEN : OPENING) : OVER;
	f->home = to;
	f->is_bound = !e.is_settled;
	done.born++;
}

/* A SYN sent again. An entry of its first holds it; otherwise it may be born anew. */
static void syn_again(struct flow *f)
{
	bool is_settled, may_move = !f->is_bound || is_homeless(f) || !o_is_up(f->service, f->home);
	unsigned int current = current_choice(f, &is_settled);
	unsigned int to = send_packet(f, FRAME_SYN);

	if (to != f->home && !(may_move && to == current))
		complain(f, "its SYN, again,", to, f->home);
	done.reborn += to != f->home;
	f->is_bound = !is_settled;
	f->home = to;
	if (!to)
		f->stage = OVER;
}

/* The home answers: rewritten, it reaches the client. */
static void answer(struct flow *f, uint8_t flags)
{
	struct frame request = frame_of(f, flags), reply = frame_reply(&request);
	char text[NET_ADDR_LEN];
	struct in6_addr vip = lab_addr(o_services[f->service].vip), from, to;
	const uint8_t *l4;
	struct outcome out;

	if (is_homeless(f))
		return;
	o_address(f->service, f->home, text);
	reply.src = lab_addr(text);
	reply.src_port = o_port(f->service, f->home);
	lab_run_frame(o_host(f->home) % 2 ? lab_front : lab_back, &reply, &out);
	if (out.action != XDP_TX && out.action != XDP_REDIRECT)
		complain(f, "a reply", out.action, XDP_TX);
	expect_intact(&out);
	from = lab_wire_addr(out.bytes, false);
	to = lab_wire_addr(out.bytes, true);
	l4 = out.bytes + frame_l4_offset(out.bytes);
	assert_memory_equal(&from, &vip, sizeof(vip));
	assert_memory_equal(&to, &f->client, sizeof(to));
	assert_int_equal(frame_get16(l4), 80);
	assert_int_equal(frame_get16(l4 + 2), f->port);
	done.replies++;
}

/* ---- flows ---- */

static void draw_addresses(struct flow *f)
{
	uint32_t client = lab_below(CLIENTS);
	char text[NET_ADDR_LEN];

	f->service = lab_below(O_SERVICES);
	snprintf(text, sizeof(text),
		 o_services[f->service].is_v4 ? "198.51.100.%u" : "2001:db8:c:%x::1", 1 + client);
	f->client = lab_addr(text);
	f->port = (uint16_t)(1024 + lab_random() % 60000);
	for (struct flow *other = flows; other < flows + FLOWS; other++)
		if (other != f && other->service == f->service && other->port == f->port &&
		    !memcmp(&other->client, &f->client, sizeof(f->client)))
			f->port = 1; /* taken: a port that is used but seldom */
}

/* Half of the new flows have addresses and ports of one that is over. */
static void begin(struct flow *f)
{
	if (!f->port || f->port == 1 || lab_below(2))
		draw_addresses(f);
	if (f->port != 1)
		be_born(f);
}

static void step_opening(struct flow *f)
{
	switch (lab_below(5)) {
	case 0:
		syn_again(f);
		break;
	case 1:
	case 2:
		answer(f, FRAME_SYN | FRAME_ACK);
		break;
	case 3:
		go_on(f, FRAME_ACK);
		f->stage = OPEN;
		break;
	default:
		if (!lab_below(4)) {
			answer(f, FRAME_RST);
			f->stage = OVER;
		}
	}
}

/* Each end says when it is done; when both have, it is over. */
static void finish(struct flow *f, bool by_client)
{
	enum stage half = by_client ? CLIENT_DONE : BACKEND_DONE;

	if (by_client)
		go_on(f, FRAME_FIN | FRAME_ACK);
	else
		answer(f, FRAME_FIN | FRAME_ACK);
	if (f->stage == OPEN) {
		f->stage = half;
	} else if (f->stage != OVER && f->stage != half) {
		go_on(f, FRAME_ACK);
		f->stage = OVER;
	}
}

static void step_open(struct flow *f)
{
	uint32_t what = lab_below(100);
	bool is_udp = o_services[f->service].protocol == IPPROTO_UDP;

	if (what < 50) {
		go_on(f, FRAME_ACK);
	} else if (what < 85 || is_udp) {
		answer(f, FRAME_ACK);
	} else if (what < 88 && f->stage == OPEN && f->is_bound && !is_homeless(f) &&
		   o_is_up(f->service, f->home)) {
		syn_again(f);
	} else if (what < 93) {
		finish(f, true);
	} else if (what < 97) {
		finish(f, false);
	} else if (what < 99) {
		go_on(f, FRAME_RST);
		f->stage = OVER;
	} else {
		answer(f, FRAME_RST);
		f->stage = OVER;
	}
}

static void step_flow(struct flow *f)
{
	if (f->stage == OVER)
		begin(f);
	else if (f->stage == OPENING)
		step_opening(f);
	else if (is_given_up(f))
		f->stage = OVER;
	else
		step_open(f);
}

static bool is_over(unsigned int s, const struct in6_addr *client, uint16_t port)
{
	for (const struct flow *f = flows; f < flows + FLOWS; f++)
		if (f->stage != OVER && f->service == s && f->port == port &&
		    !memcmp(&f->client, client, sizeof(*client)))
			return false;
	return true;
}

/* ---- changes ---- */

static uint64_t changed_before[O_SERVICES];

static void note_changed(void)
{
	for (unsigned int s = 0; s < O_SERVICES; s++)
		changed_before[s] = o_dp->services[o_ids[s]].changed_ns;
}

/* Of what has settled, nothing is promised to a SYN that is sent again after the next change. */
static void note_settled(void)
{
	for (unsigned int s = 0; s < O_SERVICES; s++) {
		if (!changed_before[s] || o_dp->services[o_ids[s]].changed_ns)
			continue;
		done.settled++;
		for (struct flow *f = flows; f < flows + FLOWS; f++)
			if (f->service == s)
				f->is_bound = false;
	}
}

static void apply_something(void)
{
	struct o_wish before[O_SERVICES];
	int64_t ids[FLOWS];

	memcpy(before, o_wishes, sizeof(before));
	for (uint32_t n = 1 + lab_below(4); n; n--)
		o_wish_something(lab_below(O_SERVICES));
	for (unsigned int s = 0; s < O_SERVICES; s++)
		if (!o_pool_size(&o_wishes[s], O_STABLE)) {
			memcpy(o_wishes, before, sizeof(before));
			return;
		}
	for (int n = 0; n < FLOWS; n++)
		ids[n] = flows[n].stage ? o_backend(flows[n].service, flows[n].home) : -1;
	o_apply(before);
	for (int n = 0; n < FLOWS; n++)
		if (flows[n].stage)
			assert_int_equal(o_backend(flows[n].service, flows[n].home), ids[n]);
}

/* Every flow that lives says so; of the others, half the time, go those that settling waits for. */
static void settle_one(unsigned int s)
{
	bool kills = lab_below(2);

	for (struct flow *f = flows; f < flows + FLOWS; f++) {
		if (f->service == s && is_given_up(f))
			f->stage = OVER;
		if (f->service != s || !f->stage)
			continue;
		if (f->stage == OPENING)
			syn_again(f);
		else
			go_on(f, FRAME_ACK);
		if (f->stage && (is_homeless(f) || (kills && f->home != current_choice(f, NULL))))
			f->stage = OVER;
	}
	o_settle(s, is_over);
}

static void change_something(void)
{
	static const uint32_t ppms[] = {0, 10000, 300000, 500000, 1000000};
	unsigned int s = lab_below(O_SERVICES), slot = 1 + lab_below(O_SLOTS - 1);
	uint32_t what = lab_below(100);

	done.changes++;
	note_changed();
	if (what < 30)
		o_shift(s, (int)lab_below(O_STABLE),
			lab_below(2) ? ppms[lab_below(5)] : lab_below(1000001));
	else if (what < 45)
		o_drain(s, slot, lab_below(2));
	else if (what < 60)
		o_set_down(s, slot, lab_below(2));
	else if (what < 68)
		o_change_pool(s);
	else if (what < 80)
		apply_something();
	else
		settle_one(s);
	note_settled();
}

/* ORACLE_SEED, if there is one, makes other histories of the three. */
static void test_history(void **state)
{
	const char *text = getenv("ORACLE_SEED");
	uint64_t seed = *(const uint64_t *)*state + (text ? strtoull(text, NULL, 0) : 0);

	lab_rng = seed;
	memset(flows, 0, sizeof(flows));
	memset(&done, 0, sizeof(done));
	o_begin();
	for (int step = 0; step < STEPS; step++) {
		for (int i = 0; i < 40; i++)
			step_flow(&flows[lab_below(FLOWS)]);
		if (!lab_below(3))
			change_something();
	}
	printf("seed %#llx: %u flows born, %u packets (%u dropped), %u replies; %u changes, %u "
	       "applies refused; %u times a flow left a backend that was down, %u SYNs born "
	       "anew, %u services settled\n",
	       (unsigned long long)seed, done.born, done.packets, done.dropped, done.replies,
	       done.changes, o_refused, done.moved, done.reborn, done.settled);
	assert_true(done.settled); /* or the half of it was not tested */
}

/* Where nothing has ever changed there is nothing to remember, but of datagrams. */
static void test_nothing_changed(void **state)
{
	struct snapshot *s;

	(void)state;
	o_begin();
	memset(flows, 0, sizeof(flows));
	for (int i = 0; i < 40000; i++) {
		struct flow *f = &flows[lab_below(FLOWS)];

		if (f->stage == OVER) {
			do
				draw_addresses(f);
			while (f->port == 1 || o_services[f->service].protocol != IPPROTO_TCP);
			be_born(f);
		} else {
			step_flow(f);
		}
	}
	s = lab_snapshot();
	assert_int_equal(s->flow_entries, 0);
	assert_int_equal(s->flows_inserted, 0);
	snapshot_free(s);
}

int main(void)
{
	uint64_t seeds[] = {0x8f3a61c40be7d295, 0x27d94be1f05ac683, 0xc16e0573a9f82d4b};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_nothing_changed, o_teardown),
		cmocka_unit_test_prestate_setup_teardown(test_history, NULL, o_teardown, &seeds[0]),
		cmocka_unit_test_prestate_setup_teardown(test_history, NULL, o_teardown, &seeds[1]),
		cmocka_unit_test_prestate_setup_teardown(test_history, NULL, o_teardown, &seeds[2]),
	};

	lab_enter(0x51a8e2c97d04b36full);
	return cmocka_run_group_tests(tests, lab_setup, NULL);
}
