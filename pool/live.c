// SPDX-License-Identifier: GPL-2.0
/*
 * pool/live: tables with a byte for each unit of a pool
 *
 * A free needs a state for each object that can be changed without a lock and without an atomic
 * instruction (see slab/check.c): a byte, because a neighbour may change at the same time. There
 * is a table of such bytes for all users whose objects lie at least the same power of two apart,
 * made with the first of them; the byte is found by a shift of the offset.
 *
 *	stride 192 (2^7 ..)  offset  0        192       384       576
 *	                     byte    0   1    2 (1)  .  3 (3)     4 ...
 *
 * Objects lie at least 2^7 apart, so no two share a byte.
 *
 * A byte is a state, or the tag of a user: its magazines have the object.
 *
 * Locks: xpool_registry; no memory is taken under it.
 */
#include <linux/bitmap.h>

#include "pool.h"

/**
 * struct xlive - the bytes that say whether an object is live
 * @users: how many
 * @tags: those that a user has
 * @bytes: of the table
 * @mem: the table
 */
struct xlive {
	unsigned int	users;
	DECLARE_BITMAP(tags, U8_MAX);
	size_t		bytes;
	u8		mem[] ____cacheline_aligned;
};

static struct xlive *create_live(const struct xpool *pool, unsigned int shift)
{
	unsigned long pages = pool->buddy.nr - (pool->start >> PAGE_SHIFT);
	size_t bytes = (pages << PAGE_SHIFT) >> shift;
	struct xlive *live = xmeta_alloc(struct_size(live, mem, bytes));

	if (live)
		live->bytes = bytes;
	return live;
}

/* One more user of the pool's table if there is one, or of @mine, which is then the pool's. */
static struct xlive *share_live(struct xpool *pool, unsigned int shift, struct xlive *mine,
				u8 *tag)
{
	struct xlive *live;

	mutex_lock(&xpool_registry);
	if (mine && !pool->live.by_shift[shift]) {
		pool->live.by_shift[shift] = mine;
		pool->live.bytes += mine->bytes;
	}
	live = pool->live.by_shift[shift];
	if (live) {
		live->users++;
		/* A tag of its own, as long as there are some; the last one is for all others. */
		*tag = find_next_zero_bit(live->tags, XPOOL_LAST_TAG, XPOOL_FIRST_TAG);
		if (*tag < XPOOL_LAST_TAG)
			__set_bit(*tag, live->tags);
	}
	mutex_unlock(&xpool_registry);
	return live;
}

/*
 * The bytes of units of 2^@shift bytes, the first for the start of the pool, and the user's
 * @tag. The table lives as long as it has a user. It is made with no lock held. Process
 * context; NULL: there is no memory.
 */
u8 *xpool_live_get(struct xpool *pool, unsigned int shift, u8 *tag)
{
	struct xlive *live = share_live(pool, shift, NULL, tag);

	if (!live) {
		struct xlive *mine = create_live(pool, shift);

		if (!mine)
			return NULL;
		live = share_live(pool, shift, mine, tag);
		if (live != mine)
			xmeta_free(mine);
	}
	return live->mem;
}

void xpool_live_put(struct xpool *pool, unsigned int shift, u8 tag)
{
	struct xlive *live;

	mutex_lock(&xpool_registry);
	live = pool->live.by_shift[shift];
	if (tag < XPOOL_LAST_TAG)
		__clear_bit(tag, live->tags);
	if (!--live->users) {
		pool->live.by_shift[shift] = NULL;
		pool->live.bytes -= live->bytes;
	} else {
		live = NULL;
	}
	mutex_unlock(&xpool_registry);
	xmeta_free(live);
}
