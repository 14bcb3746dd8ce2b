// SPDX-License-Identifier: GPL-2.0-or-later
/* New Maglev tables, put in force many at a time. */
#include "dataplane/internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/log.h"

#define BYTES_MAX (128u << 20) /* of tables in the queue: those they replace have theirs, too */

struct swap {
	uint32_t index; /* of the pool */
	uint32_t size;
	uint32_t *words;    /* of its new table; NULL: it has none from now on */
	uint32_t before_id; /* its table until now; 0: none, or not asked for */
	int fd;
	uint64_t digest;
};

struct dp_swaps {
	struct dataplane *dp;
	struct swap list[DP_OUTER_MAX];
	size_t count;
	size_t bytes; /* of all the tables */
	struct dp_outer outer;
};

struct dp_swaps *dp_swaps_new(struct dataplane *dp)
{
	struct dp_swaps *q = calloc(1, sizeof(*q));

	if (q)
		q->dp = dp;
	return q;
}

static void empty(struct dp_swaps *q)
{
	for (size_t i = 0; i < q->count; i++)
		free(q->list[i].words);
	q->count = 0;
	q->bytes = 0;
}

void dp_swaps_free(struct dp_swaps *q)
{
	if (q)
		empty(q);
	free(q);
}

/* A service that no packet has reached yet: what it begins with is its base. */
static bool is_unborn(const struct dp_swaps *q, const struct swap *s)
{
	return !q->dp->services[s->index / SERIN_MAX_POOLS].epoch;
}

/* ---- making ---- */

static int find_before(struct dp_swaps *q)
{
	struct dp_outer *o = &q->outer;
	size_t found = 0;
	int error;

	o->count = 0;
	for (size_t i = 0; i < q->count; i++)
		if (q->list[i].words && !is_unborn(q, &q->list[i]))
			dp_outer_add(o, q->list[i].index, 0);
	error = dp_outer_look_up(q->dp, DP_MAP_TABLES, o);
	for (size_t i = 0; !error && i < q->count; i++)
		if (q->list[i].words && !is_unborn(q, &q->list[i]))
			q->list[i].before_id = (uint32_t)o->values[found++];
	return error;
}

/*
 * Which slots have had another backend since the base: those that had in the table before, and
 * those that get another one now. With no table before, or one of another size, all of them.
 */
static void mark_changed(struct dataplane *dp, const struct swap *s)
{
	struct dp_table before = {};
	bool has_before = s->before_id && !dp_table_open_id(dp, s->index, s->before_id, &before) &&
			  before.size == s->size;

	for (uint32_t i = 0; i < s->size; i++)
		if (!has_before || dp_table_word(&before, i) != s->words[i])
			s->words[i] |= SERIN_SLOT_CHANGED;
	dp_table_close(&before);
}

/* A new table map with these words; its fd or -errno. */
static int make_table(const uint32_t *words, uint32_t size)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	uint64_t *elements;
	int error, fd;

	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "table", sizeof(uint32_t), sizeof(uint32_t), size,
			    &opts);
	if (fd < 0)
		return -errno;
	elements = mmap(NULL, dp_table_length(size), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (elements == MAP_FAILED) {
		error = -errno;
		close(fd);
		return error;
	}
	for (uint32_t i = 0; i < size; i++)
		elements[i] = words[i];
	munmap(elements, dp_table_length(size));
	return fd;
}

/* Makes tables from the `first` on, as many as there are file descriptors. Returns where it ended,
 * with an error if that is where it began. */
static size_t make_tables(struct dp_swaps *q, size_t first, int *error)
{
	size_t i;

	*error = 0;
	for (i = first; i < q->count; i++) {
		struct swap *s = &q->list[i];

		if (!s->words)
			continue;
		if (!is_unborn(q, s))
			mark_changed(q->dp, s);
		s->fd = make_table(s->words, s->size);
		if (s->fd >= 0)
			continue;
		if (s->fd != -EMFILE || i == first)
			*error = s->fd;
		break;
	}
	return i;
}

/* ---- putting in force ---- */

static void note_changes(const struct dp_swaps *q, size_t begin, size_t end)
{
	for (size_t i = begin; i < end; i++)
		if (!is_unborn(q, &q->list[i]))
			dp_service_changed(q->dp, q->list[i].index / SERIN_MAX_POOLS);
}

static int set_tables(struct dp_swaps *q, size_t begin, size_t end, bool of_base)
{
	struct dp_outer *o = &q->outer;

	o->count = 0;
	for (size_t i = begin; i < end; i++)
		if (q->list[i].words && (!of_base || is_unborn(q, &q->list[i])))
			dp_outer_add(o, q->list[i].index, q->list[i].fd);
	return dp_outer_set(q->dp, of_base ? DP_MAP_BASE_TABLES : DP_MAP_TABLES, o);
}

static int remove_tables(struct dp_swaps *q, size_t begin, size_t end)
{
	struct dp_outer *o = &q->outer;

	o->count = 0;
	for (size_t i = begin; i < end; i++)
		if (!q->list[i].words)
			dp_outer_add(o, q->list[i].index, -1);
	return dp_outer_remove(q->dp, DP_MAP_TABLES, o);
}

/* A change is noted before it is made, for this may be killed in between, and after, for only from
 * then on do no new flows take the old choice. */
static int put_in_force(struct dp_swaps *q, size_t begin, size_t end)
{
	struct dataplane *dp = q->dp;
	int error;

	note_changes(q, begin, end);
	error = set_tables(q, begin, end, true);
	if (!error)
		error = set_tables(q, begin, end, false);
	if (!error)
		error = remove_tables(q, begin, end);
	note_changes(q, begin, end);
	for (size_t i = begin; !error && i < end; i++) {
		uint32_t index = q->list[i].index;

		dp->info[index / SERIN_MAX_POOLS].pool[index % SERIN_MAX_POOLS].table_digest =
			q->list[i].digest;
	}
	return error;
}

static int flush_some(struct dp_swaps *q, size_t *done)
{
	size_t begin = *done;
	int error;

	*done = make_tables(q, begin, &error);
	if (!error)
		error = put_in_force(q, begin, *done);
	for (size_t i = begin; i < *done; i++)
		if (q->list[i].words)
			close(q->list[i].fd);
	return error;
}

int dp_swaps_flush(struct dp_swaps *q)
{
	size_t done = 0;
	int error = find_before(q);

	while (!error && done < q->count)
		error = flush_some(q, &done);
	if (error)
		log_error("cannot put new tables in force: %s", strerror(-error));
	empty(q);
	return error;
}

int dp_swaps_add(struct dp_swaps *q, uint32_t pool_index, uint32_t *words, uint32_t size,
		 uint64_t digest)
{
	size_t bytes = words ? dp_table_length(size) : 0;
	int error = 0;

	if (q->count == DP_OUTER_MAX || (q->count && q->bytes + bytes > BYTES_MAX))
		error = dp_swaps_flush(q);
	if (error) {
		free(words);
		return error;
	}
	q->list[q->count++] =
		(struct swap){.index = pool_index, .size = size, .words = words, .digest = digest};
	q->bytes += bytes;
	return 0;
}
