// SPDX-License-Identifier: GPL-2.0-or-later
/* The endpoint indexes, as user space changes them under the packet path's eyes. */
#include "dataplane/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include <serin/hash.h>

struct serin_endpoint dp_endpoint(const struct in6_addr *addr, uint16_t port, uint8_t protocol)
{
	struct serin_endpoint at = {.port_be = htons(port), .protocol = protocol};

	memcpy(&at.addr, addr, sizeof(at.addr));
	return at;
}

struct in6_addr dp_addr(const struct serin_addr *addr)
{
	struct in6_addr out;

	memcpy(&out, addr, sizeof(out));
	return out;
}

static const struct serin_endpoint *service_key(const struct dataplane *dp, uint32_t id)
{
	return id < dp->meta.max_services ? &dp->services[id].vip : NULL;
}

static const struct serin_endpoint *backend_key(const struct dataplane *dp, uint32_t id)
{
	return id < dp->meta.max_backends ? &dp->backends[id].at : NULL;
}

/* One of the two indexes: its buckets, and where an id's key is kept. */
struct index {
	struct serin_bucket *buckets;
	uint32_t bucket_count;
	const struct serin_endpoint *(*key)(const struct dataplane *dp, uint32_t id);
};

static struct index service_index(const struct dataplane *dp)
{
	return (struct index){dp->service_index, dp->meta.service_buckets, service_key};
}

static struct index backend_index(const struct dataplane *dp)
{
	return (struct index){dp->backend_index, dp->meta.backend_buckets, backend_key};
}

/* The word of an endpoint in its bucket, or NULL. */
static uint32_t *find_word(const struct dataplane *dp, const struct index *index,
			   const struct serin_endpoint *at)
{
	uint64_t hash = serin_index_hash(at);
	struct serin_bucket *bucket;

	if (!index->bucket_count)
		return NULL;
	bucket = &index->buckets[hash & (index->bucket_count - 1)];
	for (int i = 0; i < SERIN_BUCKET_WAYS && bucket->word[i]; i++) {
		const struct serin_endpoint *key;

		if (!serin_index_tag_matches(bucket->word[i], hash))
			continue;
		key = index->key(dp, serin_index_id(bucket->word[i]));
		if (key && serin_endpoint_equal(key, at))
			return &bucket->word[i];
	}
	return NULL;
}

static int64_t find_id(const struct dataplane *dp, const struct index *index,
		       const struct serin_endpoint *at)
{
	const uint32_t *word = find_word(dp, index, at);

	return word ? (int64_t)serin_index_id(*word) : -1;
}

static int set_word(struct dataplane *dp, const struct index *index,
		    const struct serin_endpoint *at, uint32_t id)
{
	uint64_t hash = serin_index_hash(at);
	uint32_t *word = find_word(dp, index, at);

	for (int i = 0; !word && i < SERIN_BUCKET_WAYS; i++) {
		struct serin_bucket *bucket = &index->buckets[hash & (index->bucket_count - 1)];

		if (!bucket->word[i] || bucket->word[i] == SERIN_INDEX_GONE)
			word = &bucket->word[i];
	}
	if (!word)
		return -ENOSPC;
	__atomic_store_n(word, serin_index_word(hash, id), __ATOMIC_RELEASE);
	return 0;
}

/* Takes a word out; then the end of the bucket moves up over what is gone. */
static void clear_word(const struct index *index, const struct serin_endpoint *at, uint32_t id)
{
	uint64_t hash = serin_index_hash(at);
	struct serin_bucket *bucket;
	int last = SERIN_BUCKET_WAYS - 1;

	if (!index->bucket_count)
		return;
	bucket = &index->buckets[hash & (index->bucket_count - 1)];
	for (int i = 0; i < SERIN_BUCKET_WAYS && bucket->word[i]; i++)
		if (bucket->word[i] == serin_index_word(hash, id))
			__atomic_store_n(&bucket->word[i], SERIN_INDEX_GONE, __ATOMIC_RELEASE);
	while (last >= 0 && !bucket->word[last])
		last--;
	for (; last >= 0 && bucket->word[last] == SERIN_INDEX_GONE; last--)
		__atomic_store_n(&bucket->word[last], 0, __ATOMIC_RELEASE);
}

int64_t dp_service_at(const struct dataplane *dp, const struct serin_endpoint *at)
{
	struct index index = service_index(dp);

	return find_id(dp, &index, at);
}

int64_t dp_backend_at(const struct dataplane *dp, const struct serin_endpoint *at)
{
	struct index index = backend_index(dp);

	return find_id(dp, &index, at);
}

int dp_service_index_set(struct dataplane *dp, const struct serin_endpoint *at, uint32_t id)
{
	struct index index = service_index(dp);

	return set_word(dp, &index, at, id);
}

int dp_backend_index_set(struct dataplane *dp, const struct serin_endpoint *at, uint32_t id)
{
	struct index index = backend_index(dp);

	return set_word(dp, &index, at, id);
}

void dp_service_index_clear(struct dataplane *dp, const struct serin_endpoint *at, uint32_t id)
{
	struct index index = service_index(dp);

	clear_word(&index, at, id);
}

void dp_backend_index_clear(struct dataplane *dp, const struct serin_endpoint *at, uint32_t id)
{
	struct index index = backend_index(dp);

	clear_word(&index, at, id);
}
