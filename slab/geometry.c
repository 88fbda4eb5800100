// SPDX-License-Identifier: GPL-2.0
/*
 * slab/geometry: how large slabs and magazines are
 *
 * The order of a slab is the smallest that gives it 16 objects, 8 pages at most, and at most 64
 * objects: then one word is the map, a refill takes it whole, and the fullness of the slab
 * is the weight of that word. At most 1/8 of a slab may be left over. Objects below 64 bytes
 * need up to four words. So slabs are about as large as SLUB's, and a cache has no more pages
 * than there, whatever its number of objects.
 *
 * Magazines hold as many objects as a slab or 64 KiB have, whichever is more, but 64 at
 * most. The magazines of all caches of a pool together, when all are full, leave seven
 * eighths of it to others; a cache that finds too little left of that has none.
 *
 * An object is found by its number, and its number by its address, with two reciprocals:
 *
 * With reciprocal M = ceil(2^64 / stride), the low half of n * M is below M just when
 * stride divides n (Lemire, Kaser, Kurz, "Faster remainder by direct computation", 2019);
 * so (n - 1) * M + M wraps. What is left over of a slab, less than a stride, lies before
 * its first object. Let addresses count from as far before the slab as makes its objects
 * start at stride - 1, 2 * stride - 1, and so on:
 *
 *	0     bias            stride - 1        2 * stride - 1
 *	|      | left over    | object 0        | object 1   ...
 *	      slab
 *
 * No other address of the slab is one less than a multiple of stride. So "is this the start
 * of an object" is a multiplication and an addition, and the subtraction before them is
 * that which tells whether the address is in the pool.
 *
 * Where an object is known to start, a smaller reciprocal gives its number: number *
 * stride * ceil(2^32 / stride) is number * 2^32 and a rest of less than 256 * 4 MiB. So
 * half of a product of 64 bits will do; not all architectures offer more.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/cache.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/sizes.h>

#include "slab.h"

/* The smallest slab is a page, and its map must hold it, also where pages are large. */
static_assert(PAGE_SIZE / XSLAB_MIN_STRIDE <= XSLAB_MAX_PER_SLAB);

#define XSLAB_GOOD_ORDER	3U	/* as SLUB's: more is hard to get */
#define XSLAB_ENOUGH		16U	/* objects of a slab, where that takes no larger one */
#define XSLAB_MAX_WASTE		8	/* at most 1/8 of a slab */
#define XSLAB_MAGAZINE_BYTES	SZ_64K	/* of objects that a magazine holds at most */
#define XSLAB_LARGE		SZ_8K	/* bytes of an object that is placed with large ones */

/* A small object need not have a line of its own, only not straddle two. */
static size_t object_align(const struct xslab_args *args)
{
	size_t align = max_t(size_t, args->align, sizeof(void *));

	if (args->flags & XSLAB_HWCACHE_ALIGN)
		align = max_t(size_t, align, min_t(size_t, cache_line_size(),
						   roundup_pow_of_two(args->size)));
	return align;
}

static bool wastes_little(size_t stride, unsigned int order)
{
	size_t bytes = PAGE_SIZE << order;

	return stride <= bytes && bytes % stride <= bytes / XSLAB_MAX_WASTE;
}

/* Do at least @least objects make such a slab, which needs one word for a map? */
static bool fits_word(size_t stride, unsigned int order, unsigned int least)
{
	unsigned long objs = (PAGE_SIZE << order) / stride;

	return wastes_little(stride, order) && objs >= least && objs <= BITS_PER_LONG;
}

/*
 * The smallest good order that gives enough objects, else the largest good one, each with
 * one word for a map; where there is none, the smallest that wastes little. Of a good order
 * the pool has at least 64 blocks: small pools get small slabs.
 */
static int choose_order(const struct xpool *pool, size_t stride)
{
	unsigned long blocks = max(pool->nr_pages / 64, 1UL);
	int good = min_t(int, ilog2(blocks), XSLAB_GOOD_ORDER), order;

	for (order = 0; order <= good; order++)
		if (fits_word(stride, order, XSLAB_ENOUGH))
			return order;
	for (order = good; order >= 0; order--)
		if (fits_word(stride, order, 1))
			return order;
	for (order = 0; order <= XBUDDY_MAX_ORDER; order++)
		if (wastes_little(stride, order))
			return order;
	return -EINVAL;
}

/*
 * The magazines of all caches of a pool together keep at most an eighth of the bytes that
 * it always has. A cache that comes takes a quarter of what is left of that at most, so
 * that there is something for those after it.
 */
#define XSLAB_KEPT_SHARE	8U
#define XSLAB_MAGAZINE_PART	4U
#define XSLAB_DEPOT		32U	/* magazines, unless asked for otherwise */

static unsigned long max_mag_bytes(const struct xpool *pool)
{
	unsigned long r, pages = 0;

	for (r = 0; r < pool->nr_fixed; r++)
		pages += pool->regions[r].nr;
	return (pages << PAGE_SHIFT) / XSLAB_KEPT_SHARE;
}

/*
 * How large magazines are, and how many the depot has: as many objects as a slab or
 * 64 KiB have, or @most, as far as the bytes that the cache may keep allow. A size of 0: none.
 */
static void size_magazines(struct xslab_cache *cache, unsigned long bytes, unsigned long most,
			   unsigned int depot)
{
	unsigned long objs = bytes / cache->stride, cpus = 2UL * num_possible_cpus();
	unsigned long good = max_t(unsigned long, cache->per_slab,
				   XSLAB_MAGAZINE_BYTES / cache->stride);

	cache->magazine.size = min3(objs / cpus, good, most);
	cache->magazine.depot = cache->magazine.size ?
			   min_t(unsigned long, objs / cache->magazine.size - cpus, depot) : 0;
}

static unsigned long magazine_bytes(const struct xslab_cache *cache)
{
	unsigned long magazines = 2UL * num_possible_cpus() + cache->magazine.depot;

	return magazines * cache->magazine.size * cache->stride;
}

/* Take the cache's part of what all may keep. */
void xslab_get_magazines(struct xslab_cache *cache, const struct xslab_args *args)
{
	struct xpool *pool = cache->pool;
	unsigned long bytes;

	mutex_lock(&xpool_registry);
	bytes = (max_mag_bytes(pool) - pool->mag_bytes) / XSLAB_MAGAZINE_PART;
	size_magazines(cache, bytes, args->magazine ?: XMAG_MAX_SIZE, args->depot ?: XSLAB_DEPOT);
	pool->mag_bytes += magazine_bytes(cache);
	mutex_unlock(&xpool_registry);
}

void xslab_put_magazines(struct xslab_cache *cache, struct xpool *pool)
{
	mutex_lock(&xpool_registry);
	pool->mag_bytes -= magazine_bytes(cache);
	mutex_unlock(&xpool_registry);
}

/*
 * A line has the live bytes of 64 objects, and CPUs that write to one line wait for each
 * other. So a CPU that asks for a slab after another CPU did gets all slabs whose bytes
 * share a line, if a magazine takes all of them. Returns log2 of the slabs.
 */
static unsigned int live_group(const struct xslab_cache *cache)
{
	unsigned int line = ilog2(L1_CACHE_BYTES) + cache->fast.check.live_shift;
	unsigned int slab = PAGE_SHIFT + cache->order;

	if (line <= slab || cache->per_slab << (line - slab) > cache->mag.size)
		return 0;
	return line - slab;
}

/* Once it is known how large magazines are. Returns 0 or -ENOMEM. */
int xslab_get_live(struct xslab_cache *cache)
{
	struct xpool *pool = cache->pool;
	/* Objects at least this far apart, as a power of two, have a live byte each. */
	unsigned int shift = min_t(unsigned int, ilog2(cache->stride), PAGE_SHIFT);
	u8 *live = xpool_live_get(pool, shift, &cache->fast.check.tag);

	if (!live)
		return -ENOMEM;
	cache->fast.check.live_shift = shift;
	cache->fast.check.live = live - (pool->start >> shift) - (pool->base >> shift);
	cache->growth.group = live_group(cache);
	return 0;
}

void xslab_put_live(struct xslab_cache *cache, struct xpool *pool)
{
	const struct xslab_check *check = &cache->fast.check;

	if (has_live(cache))
		xpool_live_put(pool, check->live_shift, check->tag);
}

/* Is there a place for a slab, which is aligned to its size, or will be? */
static bool slab_fits(const struct xpool *pool, unsigned int order)
{
	unsigned long r, pages = 1UL << order;

	for (r = 0; r < pool->nr_regions; r++) {
		const struct xregion *region = &pool->regions[r];
		unsigned long nr = r < pool->nr_fixed ? region->nr : XPOOL_LARGEST_PAGES;

		if (round_up(region->index, pages) + pages <= region->index + nr)
			return true;
	}
	return false;
}

static_assert(ilog2(XSLAB_MAX_PER_SLAB) <= XSLAB_BUCKETS);

/*
 * The list for slabs with @nr_free free objects. Partial ones: by the power of two of the
 * number of the others, from the fullest slab to those of which one object is left.
 */
static unsigned int list_for(const struct xslab_cache *cache, unsigned int nr_free)
{
	if (!nr_free)
		return XSLAB_FULL;
	if (nr_free == cache->per_slab)
		return XSLAB_FREE;
	return XSLAB_BUCKETS - fls(cache->per_slab - nr_free);
}

int xslab_set_geometry(struct xslab_cache *cache, const struct xslab_args *args)
{
	size_t align = object_align(args);
	size_t stride = max_t(size_t, ALIGN(args->size, align), XSLAB_MIN_STRIDE);
	int order = choose_order(cache->pool, stride);
	unsigned int nr;

	if (order < 0 || !slab_fits(cache->pool, order))
		return cache_refuse(args->name, -EINVAL,
				    "size %zu: a slab of it does not fit into pool %s",
				    args->size, cache->pool->name);
	cache->object_size = args->size;
	cache->stride = stride;
	cache->order = order;
	cache->fast.slab_mask = ~((PAGE_SIZE << order) - 1);
	cache->per_slab = (PAGE_SIZE << order) / stride;
	cache->slack = (PAGE_SIZE << order) % stride;
	cache->words = BITS_TO_LONGS(cache->per_slab);
	cache->place = stride >= XSLAB_LARGE ? XPLACE_TOP : XPLACE_LOW;
	cache->fast.check.recip = div64_u64(U64_MAX, stride) + 1;
	cache->fast.check.bias = stride - 1 - cache->slack;
	cache->fast.check.nr_recip = DIV_ROUND_UP_ULL(BIT_ULL(32), stride);
	cache->fast.check.nr_slack = cache->slack * cache->fast.check.nr_recip;
	for (nr = 0; nr <= cache->per_slab; nr++)
		cache->list_of[nr] = list_for(cache, nr);
	return 0;
}
