// SPDX-License-Identifier: GPL-2.0-or-later
/* Requests and replies, byte by byte: what comes out is what a host of its own would have built. */
#include "lab.h"

#define SEED	 0x4c1f8e02b7d935a6ull
#define VARIANTS 400

/* One backend each, behind the clients' NIC or behind the other one. */
static const char config[] = LAB_HEAD
	"  - {name: t4f, vip: 192.0.2.1, port: 80, protocol: tcp, pools: [{name: p, backends: "
	"[{address: 10.1.0.1, port: 8080}]}]}\n"
	"  - {name: t4b, vip: 192.0.2.2, port: 80, protocol: tcp, pools: [{name: p, backends: "
	"[{address: 10.2.0.2, port: 80}]}]}\n"
	"  - {name: u4f, vip: 192.0.2.3, port: 53, protocol: udp, pools: [{name: p, backends: "
	"[{address: 10.1.0.3, port: 5353}]}]}\n"
	"  - {name: u4b, vip: 192.0.2.4, port: 53, protocol: udp, pools: [{name: p, backends: "
	"[{address: 10.2.0.4, port: 65535}]}]}\n"
	"  - {name: t6f, vip: '2001:db8:ff::1', port: 443, protocol: tcp, pools: [{name: p, "
	"backends: [{address: '2001:db8:1::5', port: 8443}]}]}\n"
	"  - {name: t6b, vip: '2001:db8:ff::2', port: 443, protocol: tcp, pools: [{name: p, "
	"backends: [{address: '2001:db8:2::6', port: 443}]}]}\n"
	"  - {name: u6f, vip: '2001:db8:ff::3', port: 443, protocol: udp, pools: [{name: p, "
	"backends: [{address: '2001:db8:1::7', port: 1}]}]}\n"
	"  - {name: u6b, vip: '2001:db8:ff::4', port: 443, protocol: udp, pools: [{name: p, "
	"backends: [{address: '2001:db8:2::8', port: 4433}]}]}\n";

struct route {
	const char *service, *vip, *backend;
	uint16_t port, backend_port;
	uint8_t protocol;
	bool is_back; /* behind `back` */
	uint8_t mac[6];
};

static const struct route routes[] = {
	{"t4f", "192.0.2.1", "10.1.0.1", 80, 8080, IPPROTO_TCP, false, {2, 0, 0, 1, 4, 1}},
	{"t4b", "192.0.2.2", "10.2.0.2", 80, 80, IPPROTO_TCP, true, {2, 0, 0, 2, 4, 2}},
	{"u4f", "192.0.2.3", "10.1.0.3", 53, 5353, IPPROTO_UDP, false, {2, 0, 0, 1, 4, 3}},
	{"u4b", "192.0.2.4", "10.2.0.4", 53, 65535, IPPROTO_UDP, true, {2, 0, 0, 2, 4, 4}},
	{"t6f",
	 "2001:db8:ff::1",
	 "2001:db8:1::5",
	 443,
	 8443,
	 IPPROTO_TCP,
	 false,
	 {2, 0, 0, 1, 6, 5}},
	{"t6b", "2001:db8:ff::2", "2001:db8:2::6", 443, 443, IPPROTO_TCP, true, {2, 0, 0, 2, 6, 6}},
	{"u6f", "2001:db8:ff::3", "2001:db8:1::7", 443, 1, IPPROTO_UDP, false, {2, 0, 0, 1, 6, 7}},
	{"u6b",
	 "2001:db8:ff::4",
	 "2001:db8:2::8",
	 443,
	 4433,
	 IPPROTO_UDP,
	 true,
	 {2, 0, 0, 2, 6, 8}},
};

#define ROUTES (sizeof(routes) / sizeof(*routes))

static int setup(void **state)
{
	lab_setup(state);
	lab_apply(config);
	return 0;
}

static bool is_v4(const struct route *r)
{
	return !strchr(r->vip, ':');
}

/* A client's first packet with everything about it drawn; its port numbers the flows. */
static struct frame random_request(const struct route *r, uint16_t port)
{
	struct frame f = lab_request(is_v4(r) ? "198.51.100.7" : "2001:db8:c::7", port, r->vip,
				     r->port, r->protocol);

	f.fill = (uint32_t)lab_random();
	f.ttl = (uint8_t)(lab_below(4) ? 2 + lab_below(254) : 2);
	f.ip_option_words = is_v4(r) && lab_below(2) ? (uint8_t)lab_below(11) : 0;
	f.tcp_option_words = (uint8_t)lab_below(11);
	f.payload_len = (uint16_t)lab_below(lab_below(3) ? 40 : 1200);
	f.padding = (uint16_t)(lab_below(3) ? 0 : lab_below(47));
	f.no_udp_csum = is_v4(r) && lab_below(4) == 0;
	f.src_mac[5] = (uint8_t)port;
	return f;
}

/* What the backend is to get for a request. */
static struct frame forwarded(const struct route *r, const struct frame *in)
{
	struct frame f = *in;

	f.dst = lab_addr(r->backend);
	f.dst_port = r->backend_port;
	f.ttl--;
	memcpy(f.dst_mac, r->mac, 6);
	memcpy(f.src_mac, r->is_back ? lab_back_mac : lab_front_mac, 6);
	return f;
}

/* What the backend answers to what it got, as it leaves the backend. */
static struct frame answer(const struct route *r, const struct frame *got)
{
	struct frame f = frame_reply(got);

	f.ttl = (uint8_t)(2 + lab_below(254));
	f.tcp_flags = FRAME_SYN | FRAME_ACK;
	f.payload_len = (uint16_t)lab_below(1200);
	f.padding = 0;
	memcpy(f.src_mac, r->mac, 6);
	memcpy(f.dst_mac, r->is_back ? lab_back_mac : lab_front_mac, 6);
	return f;
}

/* And what the client is to get of that. */
static struct frame returned(const struct route *r, const struct frame *reply,
			     const struct frame *request)
{
	struct frame f = *reply;

	f.src = lab_addr(r->vip);
	f.src_port = r->port;
	f.ttl--;
	memcpy(f.dst_mac, request->src_mac, 6);
	memcpy(f.src_mac, lab_front_mac, 6);
	return f;
}

static void expect_frame(const struct outcome *out, const struct frame *wanted, bool is_redirect)
{
	uint8_t bytes[FRAME_MAX];
	size_t len = frame_build(wanted, bytes);

	assert_int_equal(out->action, is_redirect ? XDP_REDIRECT : XDP_TX);
	assert_int_equal(out->len, len);
	assert_memory_equal(out->bytes, bytes, len);
}

/* Counters as they are to be. */
struct tally {
	struct snapshot_counters flow;
	uint64_t tx, redirect;
};

static void exchange(const struct route *r, uint16_t port, struct tally *t)
{
	struct frame request = random_request(r, port), sent = forwarded(r, &request);
	struct frame reply = answer(r, &sent), back = returned(r, &reply, &request);
	struct outcome out;

	lab_run_frame(lab_front, &request, &out);
	expect_frame(&out, &sent, r->is_back);
	t->flow.packets_in++;
	t->flow.bytes_in += out.len;
	t->flow.flows++;
	lab_run_frame(r->is_back ? lab_back : lab_front, &reply, &out);
	expect_frame(&out, &back, r->is_back);
	t->flow.packets_out++;
	t->flow.bytes_out += out.len;
	*(r->is_back ? &t->redirect : &t->tx) += 2;
}

static void expect_counters(const struct snapshot_counters *have,
			    const struct snapshot_counters *before, const struct tally *t)
{
	assert_int_equal(have->packets_in - before->packets_in, t->flow.packets_in);
	assert_int_equal(have->bytes_in - before->bytes_in, t->flow.bytes_in);
	assert_int_equal(have->packets_out - before->packets_out, t->flow.packets_out);
	assert_int_equal(have->bytes_out - before->bytes_out, t->flow.bytes_out);
	assert_int_equal(have->flows - before->flows, t->flow.flows);
	assert_int_equal(have->epoch_flows - before->epoch_flows, t->flow.flows);
	assert_int_equal(have->fallbacks, 0);
}

static void expect_tally(const struct route *r, const struct snapshot *before,
			 const struct tally *t)
{
	struct snapshot *s = lab_snapshot();
	const struct snapshot_pool *old = lab_pool(before, r->service, "p");
	const struct snapshot_pool *pool = lab_pool(s, r->service, "p");

	expect_counters(&pool->counters, &old->counters, t);
	expect_counters(&pool->backends[0].counters, &old->backends[0].counters, t);
	for (int reason = 0; reason < SERIN_REASON_MAX; reason++) {
		uint64_t more = s->packets[reason] - before->packets[reason];

		assert_int_equal(more, reason == SERIN_FORWARD_TX	  ? t->tx
				       : reason == SERIN_FORWARD_REDIRECT ? t->redirect
									  : 0);
	}
	for (size_t i = 0; i < s->service_count; i++)
		if (strcmp(s->services[i].name, r->service))
			assert_int_equal(s->services[i].pools[0].counters.packets_in,
					 before->services[i].pools[0].counters.packets_in);
	snapshot_free(s);
}

static void test_frames_are_forwarded_byte_by_byte(void **state)
{
	(void)state;
	for (size_t n = 0; n < ROUTES; n++) {
		struct snapshot *before = lab_snapshot();
		struct tally t = {};

		for (uint16_t i = 0; i < VARIANTS; i++)
			exchange(&routes[n], (uint16_t)(1000 + i), &t);
		expect_tally(&routes[n], before, &t);
		snapshot_free(before);
	}
}

/* Later packets of a flow are no new flow. */
static void test_a_flow_is_counted_once(void **state)
{
	struct snapshot *before = lab_snapshot();
	struct frame f = random_request(&routes[0], 555);
	struct tally t = {.flow = {.flows = 1}, .tx = 20};
	struct outcome out;

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct frame sent = forwarded(&routes[0], &f);

		lab_run_frame(lab_front, &f, &out);
		expect_frame(&out, &sent, false);
		t.flow.packets_in++;
		t.flow.bytes_in += out.len;
		f.tcp_flags = FRAME_ACK;
		f.fill++;
	}
	expect_tally(&routes[0], before, &t);
	snapshot_free(before);
}

/* The checksum field of a frame's UDP header. */
static uint16_t udp_check(const struct frame *f)
{
	uint8_t bytes[FRAME_MAX];

	frame_build(f, bytes);
	return frame_get16(bytes + frame_l4_offset(bytes) + 6);
}

/* Draws until the checksum of what goes out, or of what comes in, is a 0 written as 0xffff. */
static void zero_checksum(const struct route *r, bool on_the_way_in)
{
	struct frame request, sent;
	struct outcome out;

	request = random_request(r, 700);
	request.no_udp_csum = false;
	request.payload_len = 32; /* room for every checksum */
	do {
		request.fill++;
		sent = forwarded(r, &request);
	} while (udp_check(on_the_way_in ? &request : &sent) != 0xffff);
	lab_run_frame(lab_front, &request, &out);
	expect_frame(&out, &sent, r->is_back);
}

static void zero_checksum_of_reply(const struct route *r)
{
	struct frame request = random_request(r, 701), sent, reply, back;
	struct outcome out;

	lab_run_frame(lab_front, &request, &out);
	sent = forwarded(r, &request);
	reply = answer(r, &sent);
	reply.no_udp_csum = false;
	reply.payload_len = 32;
	do {
		reply.fill++;
		back = returned(r, &reply, &request);
	} while (udp_check(&back) != 0xffff);
	lab_run_frame(r->is_back ? lab_back : lab_front, &reply, &out);
	expect_frame(&out, &back, r->is_back);
}

static void test_a_checksum_of_zero_is_sent_as_ffff(void **state)
{
	(void)state;
	for (size_t n = 0; n < ROUTES; n++) {
		if (routes[n].protocol != IPPROTO_UDP)
			continue;
		for (int i = 0; i < 3; i++) {
			zero_checksum(&routes[n], false);
			zero_checksum(&routes[n], true);
			zero_checksum_of_reply(&routes[n]);
		}
	}
}

static void test_an_absent_udp_checksum_stays_absent(void **state)
{
	struct frame f = random_request(&routes[2], 800), sent;
	struct outcome out;

	(void)state;
	f.no_udp_csum = true;
	sent = forwarded(&routes[2], &f);
	assert_int_equal(udp_check(&sent), 0);
	lab_run_frame(lab_front, &f, &out);
	expect_frame(&out, &sent, false);
}

/* One word of the IP header and one of the payload, in what goes in and what comes out. */
static void set_words(uint8_t *in, uint8_t *out, size_t payload, uint16_t word)
{
	frame_put16(in + payload, word);
	frame_put16(out + payload, word);
	if (in[12] == 0x08) { /* IPv4 has an identification */
		frame_put16(in + FRAME_ETH + 4, word);
		frame_put16(out + FRAME_ETH + 4, word);
	}
	frame_refresh(in);
	frame_refresh(out);
}

/* Every value that a checksum can have: the rare carries of its update among them. */
static void test_every_checksum_there_is(void **state)
{
	(void)state;
	for (size_t n = 0; n < ROUTES; n++) {
		struct frame request = random_request(&routes[n], 950), sent;
		uint8_t in[FRAME_MAX], wanted[FRAME_MAX];
		struct outcome out;
		size_t len;

		request.padding = 0;
		request.payload_len = 2;
		request.no_udp_csum = false;
		sent = forwarded(&routes[n], &request);
		len = frame_build(&request, in);
		frame_build(&sent, wanted);
		for (uint32_t word = 0; word <= UINT16_MAX; word++) {
			set_words(in, wanted, len - 2, (uint16_t)word);
			lab_run(lab_front, in, len, &out);
			if (out.len != len || memcmp(out.bytes, wanted, len))
				fail_msg("%s: wrong with %04x", routes[n].service, word);
		}
	}
}

/* A client behind `back` of a backend behind `front`: the other way through the same two NICs. */
static void test_clients_may_be_behind_any_nic(void **state)
{
	const struct route *r = &routes[0];
	struct frame request = random_request(r, 900), sent, reply, back;
	struct outcome out;

	(void)state;
	memcpy(request.dst_mac, lab_back_mac, 6);
	sent = forwarded(r, &request);
	lab_run_frame(lab_back, &request, &out);
	expect_frame(&out, &sent, true);
	reply = answer(r, &sent);
	back = returned(r, &reply, &request);
	memcpy(back.src_mac, lab_back_mac, 6);
	lab_run_frame(lab_front, &reply, &out);
	expect_frame(&out, &back, true);
}

/* The map behind XDP_REDIRECT names, in the slot of each port, that port's NIC. */
static void test_redirects_lead_to_the_port_whose_mac_they_carry(void **state)
{
	int ports = bpf_obj_get(LAB_PINS "/ports"), targets = bpf_obj_get(LAB_PINS "/tx_ports");
	int seen = 0;

	(void)state;
	for (uint32_t slot = 0; slot < SERIN_MAX_PORTS; slot++) {
		struct serin_port port;
		uint32_t ifindex = 0;

		assert_int_equal(bpf_map_lookup_elem(ports, &slot, &port), 0);
		if (bpf_map_lookup_elem(targets, &slot, &ifindex)) {
			assert_int_equal(port.ifindex, 0);
			continue;
		}
		seen++;
		assert_int_equal(ifindex, port.ifindex);
		assert_memory_equal(port.mac,
				    (int)ifindex == lab_front ? lab_front_mac : lab_back_mac, 6);
		assert_int_equal(port.mtu, (int)ifindex == lab_front ? 1500 : 1400);
	}
	assert_int_equal(seen, 2);
	close(ports);
	close(targets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames_are_forwarded_byte_by_byte),
		cmocka_unit_test(test_a_flow_is_counted_once),
		cmocka_unit_test(test_a_checksum_of_zero_is_sent_as_ffff),
		cmocka_unit_test(test_an_absent_udp_checksum_stays_absent),
		cmocka_unit_test(test_every_checksum_there_is),
		cmocka_unit_test(test_clients_may_be_behind_any_nic),
		cmocka_unit_test(test_redirects_lead_to_the_port_whose_mac_they_carry),
	};

	lab_enter(SEED);
	return cmocka_run_group_tests(tests, setup, lab_teardown);
}
