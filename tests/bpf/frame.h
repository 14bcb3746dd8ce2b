/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns frames for tests: built from a description, every checksum computed in full over the bytes
 * (RFC 1071). It shares no code with what it is to judge. For inclusion by one test program each.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define FRAME_MAX 2048
#define FRAME_ETH 14

#define FRAME_FIN 0x01
#define FRAME_SYN 0x02
#define FRAME_RST 0x04
#define FRAME_ACK 0x10

/* Addresses are IPv6 or IPv4-mapped, both of one kind; ports in host order. */
struct frame {
	uint8_t dst_mac[6], src_mac[6];
	struct in6_addr src, dst;
	uint16_t src_port, dst_port;
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP; of any other, no header follows IP's */
	uint8_t ttl;
	uint8_t tcp_flags;
	uint8_t ip_option_words; /* IPv4: 0 .. 10 */
	uint8_t tcp_option_words;
	bool no_udp_csum;
	uint16_t payload_len;
	uint16_t padding; /* Ethernet's, after the IP packet */
	uint32_t fill;	  /* what sequence numbers, ids and payload are made of */
};

static inline void frame_put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline uint16_t frame_get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* Adds 16-bit words of the wire; an odd byte at the end is the upper half of one. */
static inline uint32_t frame_sum(const uint8_t *data, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
	return sum;
}

static inline uint16_t frame_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static inline bool frame_is_v4(const struct frame *f)
{
	return IN6_IS_ADDR_V4MAPPED(&f->src);
}

/* The pseudo header's sum (RFC 9293 3.1, RFC 8200 8.1). */
static inline uint32_t frame_pseudo_sum(const uint8_t *ip, bool is_v4, uint8_t protocol,
					uint32_t len)
{
	uint32_t sum = protocol + (len >> 16) + (len & 0xffff);

	return is_v4 ? frame_sum(ip + 12, 8, sum) : frame_sum(ip + 8, 32, sum);
}

static inline uint8_t frame_byte(const struct frame *f, uint32_t i)
{
	uint64_t x = ((uint64_t)f->fill << 32 | i) * 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9ull;
	return (uint8_t)(x >> 56);
}

static inline void frame_fill(const struct frame *f, uint8_t *at, size_t len, uint32_t from)
{
	for (size_t i = 0; i < len; i++)
		at[i] = frame_byte(f, from + (uint32_t)i);
}

/* These three return the length of the header they wrote. */
static inline size_t frame_put_ipv4(const struct frame *f, uint8_t *ip, size_t body)
{
	size_t header = 20 + 4u * f->ip_option_words;

	memset(ip, 1, header); /* options: no-operation */
	ip[0] = (uint8_t)(0x40 | header / 4);
	ip[1] = frame_byte(f, 1) & 0xfc;
	frame_put16(ip + 2, (uint16_t)(header + body));
	frame_fill(f, ip + 4, 2, 2);
	frame_put16(ip + 6, 0x4000);
	ip[8] = f->ttl;
	ip[9] = f->protocol;
	frame_put16(ip + 10, 0);
	memcpy(ip + 12, (const uint8_t *)&f->src + 12, 4);
	memcpy(ip + 16, (const uint8_t *)&f->dst + 12, 4);
	frame_put16(ip + 10, (uint16_t)~frame_fold(frame_sum(ip, header, 0)));
	return header;
}

static inline size_t frame_put_ipv6(const struct frame *f, uint8_t *ip, size_t body)
{
	frame_fill(f, ip, 4, 4);
	ip[0] = (uint8_t)(0x60 | (ip[0] & 0x0f));
	frame_put16(ip + 4, (uint16_t)body);
	ip[6] = f->protocol;
	ip[7] = f->ttl;
	memcpy(ip + 8, &f->src, 16);
	memcpy(ip + 24, &f->dst, 16);
	return 40;
}

/* How such a frame is marked: by six bits of what fills the IP header. */
static inline uint8_t frame_dscp(const struct frame *f)
{
	if (frame_is_v4(f))
		return frame_byte(f, 1) >> 2;
	return (uint8_t)((frame_byte(f, 4) & 0x0f) << 2 | frame_byte(f, 5) >> 6);
}

static inline size_t frame_put_transport(const struct frame *f, uint8_t *at)
{
	size_t header = f->protocol == IPPROTO_UDP ? 8 : 20 + 4u * f->tcp_option_words;

	if (f->protocol != IPPROTO_TCP && f->protocol != IPPROTO_UDP)
		return 0;
	frame_fill(f, at, header, 8);
	frame_put16(at, f->src_port);
	frame_put16(at + 2, f->dst_port);
	if (f->protocol == IPPROTO_UDP) {
		frame_put16(at + 4, (uint16_t)(header + f->payload_len));
		frame_put16(at + 6, 0);
		return header;
	}
	memset(at + 20, 1, header - 20);
	at[12] = (uint8_t)(header / 4 << 4);
	at[13] = f->tcp_flags;
	frame_put16(at + 16, 0);
	return header;
}

static inline size_t frame_transport_len(const struct frame *f)
{
	switch (f->protocol) {
	case IPPROTO_TCP:
		return 20 + 4u * f->tcp_option_words;
	case IPPROTO_UDP:
		return 8;
	default:
		return 0;
	}
}

/* Writes the frame and returns its length. */
static inline size_t frame_build(const struct frame *f, uint8_t out[FRAME_MAX])
{
	size_t body = frame_transport_len(f) + f->payload_len;
	uint8_t *ip = out + FRAME_ETH, *l4;
	uint16_t check;

	memcpy(out, f->dst_mac, 6);
	memcpy(out + 6, f->src_mac, 6);
	frame_put16(out + 12, frame_is_v4(f) ? 0x0800 : 0x86dd);
	l4 = ip + (frame_is_v4(f) ? frame_put_ipv4(f, ip, body) : frame_put_ipv6(f, ip, body));
	frame_fill(f, l4 + frame_put_transport(f, l4), f->payload_len, 64);
	frame_fill(f, l4 + body, f->padding, 4096);
	check = (uint16_t)~frame_fold(frame_sum(
		l4, body, frame_pseudo_sum(ip, frame_is_v4(f), f->protocol, (uint32_t)body)));
	if (f->protocol == IPPROTO_TCP)
		frame_put16(l4 + 16, check);
	else if (f->protocol == IPPROTO_UDP && !f->no_udp_csum)
		frame_put16(l4 + 6, check ? check : 0xffff);
	return (size_t)(l4 - out) + body + f->padding;
}

/* Where the transport header begins in a frame without VLAN tags or extension headers. */
static inline size_t frame_l4_offset(const uint8_t *bytes)
{
	return FRAME_ETH + (bytes[12] == 0x08 ? (bytes[FRAME_ETH] & 0x0fu) * 4 : 40u);
}

/* Computes the checksums of a built frame anew, after a change to its bytes. */
static inline void frame_refresh(uint8_t *bytes)
{
	uint8_t *ip = bytes + FRAME_ETH, *l4 = bytes + frame_l4_offset(bytes);
	bool is_v4 = bytes[12] == 0x08;
	uint8_t protocol = is_v4 ? ip[9] : ip[6];
	size_t header = (size_t)(l4 - ip), check = protocol == IPPROTO_TCP ? 16 : 6;
	size_t body = is_v4 ? frame_get16(ip + 2) - header : frame_get16(ip + 4);
	uint16_t sum;

	if (is_v4) {
		frame_put16(ip + 10, 0);
		frame_put16(ip + 10, (uint16_t)~frame_fold(frame_sum(ip, header, 0)));
	}
	frame_put16(l4 + check, 0);
	sum = (uint16_t)~frame_fold(
		frame_sum(l4, body, frame_pseudo_sum(ip, is_v4, protocol, (uint32_t)body)));
	frame_put16(l4 + check, protocol == IPPROTO_UDP && !sum ? 0xffff : sum);
}

/* The answer to a frame: everything the other way round. */
static inline struct frame frame_reply(const struct frame *f)
{
	struct frame r = *f;

	r.src = f->dst;
	r.dst = f->src;
	r.src_port = f->dst_port;
	r.dst_port = f->src_port;
	memcpy(r.src_mac, f->dst_mac, 6);
	memcpy(r.dst_mac, f->src_mac, 6);
	r.fill = f->fill ^ 0x5eed;
	return r;
}
