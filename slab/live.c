// SPDX-License-Identifier: GPL-2.0
/*
 * slab/live: the table of live bytes
 *
 * A free needs a state for each object that can be changed without a lock and without an atomic
 * instruction (see check.c): a byte, because a neighbour may change at the same time. There is a
 * table of such bytes for all caches of a pool whose stride has the same power of two, made with
 * the first of them; the byte is found by a shift of the offset.
 *
 *	stride 192 (2^7 ..)  offset  0        192       384       576
 *	                     byte    0   1    2 (1)  .  3 (3)     4 ...
 *
 * Objects lie at least 2^7 apart, so no two share a byte.
 *
 * A line has the bytes of 64 objects, and CPUs that write to one line wait for each other.
 * So a CPU that asks for a slab after another CPU did gets all slabs whose bytes share a
 * line, if there is room for them (group).
 *
 * Locks: xpool_registry; no memory is taken under it.
 */
#include <linux/bitmap.h>
#include <linux/cache.h>
#include <linux/log2.h>

#include "slab.h"

/**
 * struct xlive - the bytes that say whether an object is live
 * @users: caches
 * @tags: those that a cache has
 * @bytes: of the table
 * @mem: the table
 */
struct xlive {
	unsigned int	users;
	DECLARE_BITMAP(tags, U8_MAX);
	size_t		bytes;
	u8		*mem;
};

static unsigned int live_shift(unsigned int stride)
{
	return min_t(unsigned int, ilog2(stride), PAGE_SHIFT);
}

/* A tag of its own, as long as there are some; the last one is for all others. */
static u8 get_tag(struct xlive *live)
{
	unsigned long tag = find_next_zero_bit(live->tags, XSLAB_LAST_TAG, XSLAB_FIRST_TAG);

	if (tag < XSLAB_LAST_TAG)
		__set_bit(tag, live->tags);
	return tag;
}

static struct xlive *make_live(struct xslab_cache *cache)
{
	unsigned long pages = cache->pool->buddy.nr - (cache->pool->start >> PAGE_SHIFT);
	struct xlive *live = xmeta_alloc(sizeof(*live));

	if (!live)
		return NULL;
	live->bytes = (pages << PAGE_SHIFT) >> live_shift(cache->stride);
	live->mem = xmeta_alloc(live->bytes);
	if (live->mem)
		return live;
	xmeta_free(live);
	return NULL;
}

static void free_live(struct xlive *live)
{
	if (!live)
		return;
	xmeta_free(live->mem);
	xmeta_free(live);
}

/* Use the pool's table if there is one, or @mine. Returns true if it is @mine. */
static bool share_live(struct xslab_cache *cache, struct xlive *mine)
{
	struct xlive **slot = &cache->pool->checks.live[live_shift(cache->stride)], *live;
	bool use_mine;

	mutex_lock(&xpool_registry);
	use_mine = mine && !*slot;
	if (use_mine) {
		*slot = mine;
		cache->pool->checks.bytes += mine->bytes;
	}
	live = *slot;
	if (live) {
		live->users++;
		cache->fast.check.tag = get_tag(live);
		cache->checks.shift = live_shift(cache->stride);
		cache->checks.live = live->mem - (cache->pool->start >> cache->checks.shift);
	}
	mutex_unlock(&xpool_registry);
	return use_mine;
}

/* log2 of the slabs whose live bytes share a line, where a magazine takes all of them. */
static unsigned int live_group(const struct xslab_cache *cache)
{
	unsigned int line = ilog2(L1_CACHE_BYTES) + cache->checks.shift;
	unsigned int slab = PAGE_SHIFT + cache->order;

	if (line <= slab || cache->per_slab << (line - slab) > cache->mag.size)
		return 0;
	return line - slab;
}

/* The table lives as long as a cache uses it. It is made with no lock held. */
int xslab_get_live(struct xslab_cache *cache)
{
	share_live(cache, NULL);
	if (!cache->checks.live) {
		struct xlive *mine = make_live(cache);

		if (!mine)
			return -ENOMEM;
		if (!share_live(cache, mine))
			free_live(mine);
	}
	cache->checks.group = live_group(cache);
	return 0;
}

void xslab_put_live(struct xslab_cache *cache, struct xpool *pool)
{
	struct xlive **slot = &pool->checks.live[cache->checks.shift], *live = NULL;

	if (!cache->checks.live)
		return;
	mutex_lock(&xpool_registry);
	if (cache->fast.check.tag < XSLAB_LAST_TAG)
		__clear_bit(cache->fast.check.tag, (*slot)->tags);
	if (!--(*slot)->users) {
		live = *slot;
		*slot = NULL;
		pool->checks.bytes -= live->bytes;
	}
	mutex_unlock(&xpool_registry);
	free_live(live);
}
