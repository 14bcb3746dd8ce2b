/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* IP headers, as all who read them need it: fragments, and IPv6's extension headers. */
#pragma once

#include "packet.bpf.h"

#define IP_MORE_FRAGMENTS 0x2000
#define IP_OFFSET	  0x1fff
#define IP6_OFFSET	  0xfff8
#define IP6_MORE	  0x0001
#define MAX_HEADERS	  8    /* IPv6 extension headers walked, the Fragment header among them */
#define MAX_HEADERS_LEN	  512  /* and their bytes, the last one's not counted */
#define MAX_AT		  8191 /* no header we read begins further on in a frame */

static __always_inline void set_v4(struct serin_addr *a, __u32 addr_be)
{
	a->word_be[0] = 0;
	a->word_be[1] = 0;
	a->word_be[2] = SERIN_V4_MAPPED_BE;
	a->word_be[3] = addr_be;
}

struct header_walk {
	struct piece piece;
	__u32 len;  /* of all of them */
	__u32 next; /* what follows */
	__u32 is_done;
	__u32 pad;
};

static __always_inline int is_extension(__u32 header)
{
	return header == IPPROTO_HOPOPTS || header == IPPROTO_ROUTING ||
	       header == IPPROTO_DSTOPTS || header == IPPROTO_FRAGMENT;
}

/* RFC 8200 4.5. One that is a whole datagram by itself (RFC 6946) is no piece. */
static __always_inline void note_piece(struct piece *piece, __u16 offset_be, __u32 id_be)
{
	if (!(offset_be & bpf_htons(IP6_OFFSET | IP6_MORE)))
		return;
	piece->place = offset_be & bpf_htons(IP6_OFFSET) ? PIECE_LATER : PIECE_FIRST;
	piece->id_be = id_be;
}

/* Past one extension header. What follows a later piece's is not a header. */
static __always_inline int walk_header(void *base, void *end, struct header_walk *w)
{
	__u8 *header;

	w->len = forget_number(w->len, w->next);
	if (w->len > MAX_HEADERS_LEN)
		return SERIN_DROP_HEADERS;
	header = base + w->len;
	if ((void *)(header + 8) > end)
		return SERIN_PASS_MALFORMED;
	if (w->next == IPPROTO_ROUTING && header[3]) /* segments left: not at its end yet */
		return SERIN_PASS_PROTOCOL;
	if (w->next == IPPROTO_FRAGMENT) {
		note_piece(&w->piece, *(__u16 *)(header + 2), *(__u32 *)(header + 4));
		w->len += 8;
		w->is_done = w->piece.place == PIECE_LATER;
	} else {
		w->len += (header[1] + 1) * 8;
	}
	w->next = header[0];
	w->is_done |= !is_extension(w->next);
	return SERIN_GO_ON;
}

/* From the first one, wherever it is. A global function, as others that meet the packet anew: the
 * verifier proves it once. */
__noinline int walk_headers(struct xdp_md *ctx, __u32 at, struct header_walk *w)
{
	void *end = (void *)(long)ctx->data_end;
	void *base = (void *)(long)ctx->data;
	int reason = SERIN_GO_ON;

	if (!w || at > MAX_AT)
		return SERIN_PASS_MALFORMED;
	base += at;
	for (int i = 0; i < MAX_HEADERS && !reason && !w->is_done; i++)
		reason = walk_header(base, end, w);
	return reason || w->is_done ? reason : SERIN_DROP_HEADERS;
}
