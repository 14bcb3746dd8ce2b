// SPDX-License-Identifier: GPL-2.0-or-later
/* Where tunnels begin, as the maps hold it. */
#include "dataplane/internal.h"

#include <string.h>

static struct serin_addr host_mask(uint8_t prefix_len)
{
	uint8_t bytes[sizeof(struct serin_addr)] = {0};
	struct serin_addr mask;

	for (size_t bit = prefix_len; bit < 8 * sizeof(bytes); bit++)
		bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	memcpy(&mask, bytes, sizeof(mask));
	return mask;
}

static uint8_t prefix_len(const struct serin_addr *mask)
{
	int bits = 128;

	for (int i = 0; i < 4; i++)
		bits -= __builtin_popcount(mask->word_be[i]);
	return (uint8_t)bits;
}

void dp_tunnel_set_source(struct serin_tunnel *t, const struct model_source *source)
{
	struct serin_addr mask = host_mask(source->prefix_len), address;

	memcpy(&address, &source->prefix, sizeof(address));
	if (net_is_v4(&source->prefix)) {
		t->source4_be = address.word_be[3];
		t->host_mask4_be = mask.word_be[3];
	} else {
		t->source6 = address;
		t->host_mask6 = mask;
	}
}

static bool get_source(const struct serin_tunnel *t, bool is_v4, struct model_source *out)
{
	struct serin_addr address = t->source6, mask = t->host_mask6;

	if (is_v4) {
		address = (struct serin_addr){.word_be = {0, 0, SERIN_V4_MAPPED_BE, t->source4_be}};
		mask = (struct serin_addr){.word_be = {0, 0, 0, t->host_mask4_be}};
	}
	out->prefix = dp_addr(&address);
	out->prefix_len = prefix_len(&mask);
	return is_v4 ? t->source4_be != 0 : !IN6_IS_ADDR_UNSPECIFIED(&out->prefix);
}

bool dp_tunnel_has_source(const struct serin_tunnel *t, bool is_v4)
{
	struct model_source source;

	return get_source(t, is_v4, &source);
}

size_t dp_tunnel_sources(const struct serin_tunnel *t, struct model_source out[2])
{
	size_t count = get_source(t, true, &out[0]);

	return count + get_source(t, false, &out[count]);
}

void dp_tunnel_format(const struct serin_tunnel *t, bool is_v4, char buf[NET_PREFIX_LEN])
{
	struct model_source source;

	*buf = '\0';
	if (get_source(t, is_v4, &source))
		net_format_prefix(&source.prefix, source.prefix_len, buf);
}

/*
 * Packets may be reading. Host bits are narrowed first and widened last, so that an IPv4 source is
 * within the old prefix or the new one at every moment; an IPv6 one may be of both in the nanosecond
 * between two stores, which a receiver has no reason to mind.
 */
static void write_words(__u32 *source, __u32 *mask, const __u32 *new_source, const __u32 *new_mask,
			int count)
{
	for (int i = 0; i < count; i++)
		__atomic_store_n(&mask[i], mask[i] & new_mask[i], __ATOMIC_RELEASE);
	for (int i = 0; i < count; i++)
		__atomic_store_n(&source[i], new_source[i], __ATOMIC_RELEASE);
	for (int i = 0; i < count; i++)
		__atomic_store_n(&mask[i], new_mask[i], __ATOMIC_RELEASE);
}

void dp_tunnel_write(struct serin_tunnel *to, const struct serin_tunnel *from)
{
	write_words(&to->source4_be, &to->host_mask4_be, &from->source4_be, &from->host_mask4_be,
		    1);
	write_words(to->source6.word_be, to->host_mask6.word_be, from->source6.word_be,
		    from->host_mask6.word_be, 4);
	__atomic_store_n(&to->port_be, from->port_be, __ATOMIC_RELEASE);
}
