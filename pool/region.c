// SPDX-License-Identifier: GPL-2.0
/*
 * pool/region: which regions serve a request
 *
 * Two frontiers
 *
 * A region goes back when nothing in it is in use, so small objects, of which some mostly
 * stay, must not lie in the regions of large ones. Slabs of small objects and small blocks
 * are one kind, those of large objects and larger blocks the other. A region that comes for
 * small ones takes the lowest absent place, and one for large ones the highest; each kind
 * is allocated from its end, too.
 *
 *	[any ][any ][small][small][absent]...[absent][large][large]
 *
 * A region serves the kind that it came for, or that used it first after it was empty; the
 * initial ones serve any. A request takes a block where its kind is served. If there is
 * none, a region comes for it, if the request may sleep; and only if none can come it has
 * what is there for the other kind. A request that may not sleep has that at once.
 *
 * No client uses empty regions, blocks that were freed last and slabs without objects. The limit
 * of what is cached is one of their sum. How each is counted is in limit.c.
 */
#include "pool.h"

/*
 * Which regions are in use
 */

/* The bit of a region among those that may serve @kind. */
unsigned long xpool_region_bit(const struct xpool *pool, unsigned long r, enum xserves kind)
{
	return kind == XSERVES_LARGE ? pool->nr_regions - 1 - r : r;
}

/* @more pages are free in regions that serve @serves. */
void xpool_region_count_free(struct xpool *pool, enum xserves serves, long more)
{
	WRITE_ONCE(pool->grow->free[serves], pool->grow->free[serves] + more);
}

/* What a region serves from now on. */
void xpool_region_set_serves(struct xpool *pool, unsigned long r, enum xserves serves)
{
	struct xregion *region = &pool->regions[r];
	long nr = (long)region->nr - region->used;
	enum xserves kind;

	lockdep_assert_held(&pool->lock);
	xpool_region_count_free(pool, region->serves, -nr);
	xpool_region_count_free(pool, serves, nr);
	region->serves = serves;
	for (kind = 0; kind < XSERVES_KINDS; kind++)
		__assign_bit(xpool_region_bit(pool, r, kind), pool->grow->for_kind[kind],
			     serves == kind || serves == XSERVES_ANY);
}

/* A block at @index is about to be used: an empty region serves its kind from now on. */
void xpool_region_serve(struct xpool *pool, unsigned long index, enum xserves kind)
{
	unsigned long r = index / XPOOL_LARGEST_PAGES;

	lockdep_assert_held(&pool->lock);
	if (r >= pool->nr_fixed && !pool->regions[r].used)
		xpool_region_set_serves(pool, r, kind);
}

/* @nr pages of the block at @page come into use, or (negative) go out of it. */
void xpool_region_use(struct xpool *pool, const struct xpage *page, long nr)
{
	unsigned long r = xpool_page_index(pool, page) / XPOOL_LARGEST_PAGES;
	unsigned long *spare = r < pool->nr_fixed ? &pool->grow->fixed_spare :
						    &pool->grow->spare;
	struct xregion *region = &pool->regions[r];

	lockdep_assert_held(&pool->lock);
	if (!region->used)
		WRITE_ONCE(*spare, *spare - region->nr);
	region->used += nr;
	xpool_region_count_free(pool, region->serves, -nr);
	if (region->used)
		return;
	WRITE_ONCE(*spare, *spare + region->nr);
	if (r >= pool->nr_fixed && region->serves != XSERVES_NONE)
		xpool_region_set_serves(pool, r, XSERVES_ANY);
	xwatch_wake(&pool->decay.watch);
}

/*
 * Like xbuddy_alloc_part(), but only in regions that serve the kind of @part: the lowest
 * ones first, or the highest. They mostly lie side by side, so that there are few turns.
 */
unsigned int xpool_region_take(struct xpool *pool, unsigned int order, unsigned int nr, bool whole,
			       struct xbuddy_part *part, unsigned long *index)
{
	enum xserves kind = part->top ? XSERVES_LARGE : XSERVES_SMALL;
	const unsigned long *map = pool->grow->for_kind[kind];
	unsigned long all = pool->nr_regions, from, to;
	unsigned int got;

	lockdep_assert_held(&pool->lock);
	WRITE_ONCE(pool->grow->asked, pool->grow->asked | BIT(kind));
	for_each_set_bitrange(from, to, map, all) {
		part->from = (part->top ? all - to : from) << XBUDDY_MAX_ORDER;
		part->to = min((part->top ? all - from : to) << XBUDDY_MAX_ORDER,
			       pool->buddy.nr);
		got = xbuddy_alloc_part(&pool->buddy, order, nr, whole, part, index);
		if (got)
			return got;
	}
	return 0;
}

/*
 * Pages of empty regions that are cached: not those that a reserve needs, beside the
 * empty regions of the initial size.
 */
unsigned long xpool_region_spare(const struct xpool *pool)
{
	unsigned long spare = READ_ONCE(pool->grow->spare), needed, fixed;

	needed = round_up(READ_ONCE(pool->limits.reserve), XPOOL_LARGEST_PAGES);
	if (likely(!needed))
		return spare;
	fixed = round_down(READ_ONCE(pool->grow->fixed_spare), XPOOL_LARGEST_PAGES);
	needed = needed > fixed ? needed - fixed : 0;
	return spare > needed ? spare - needed : 0;
}

/* Pages that are counted against idle_limit. */
unsigned long xpool_idle(const struct xpool *pool)
{
	long cached = max(atomic_long_read(&pool->cached), 0L);
	unsigned long idle = cached + READ_ONCE(pool->last_freed.nr_pages);

	return pool->grow ? idle + xpool_region_spare(pool) : idle;
}

bool xpool_over_cache(const struct xpool *pool)
{
	unsigned long limit = READ_ONCE(pool->idle_limit);

	return limit != XPOOL_NO_LIMIT && xpool_idle(pool) > limit;
}
EXPORT_SYMBOL_FOR_KUNIT(xpool_over_cache);
