// SPDX-License-Identifier: GPL-2.0
/*
 * pool/stats: what a pool has, counted and recounted
 *
 * The counters obey, whenever no operation is under way:
 *
 *	total = free + slabs + heaps + clients' pages + magazines + last freed + deferred
 *
 * The validator recounts all from the buddy system and the states of the pages.
 */
#include <linux/export.h>

#include "page.h"

/**
 * xpool_stats() - where the pages of a pool are
 * @pool: the pool
 * @stats: filled in
 *
 * Exact when no CPU allocates or frees; otherwise what is in the magazines and
 * what clients hold may differ by what is under way.
 *
 * Context: Any but NMI.
 */
void xpool_stats(struct xpool *pool, struct xpool_stats *stats)
{
	const struct xgrow *grow = pool->grow;
	struct xbuddy *buddy = &pool->buddy;
	unsigned long cached, held, clients, flags;
	unsigned int o;

	*stats = (struct xpool_stats){
		.metadata = pool->metadata,
		.live_bytes = READ_ONCE(pool->live.bytes),
		.failures = atomic_long_read(&pool->counts.failures),
		.errors = atomic_long_read(&pool->counts.errors),
	};
	if (unlikely(xpool_is_gone(pool)))
		return;
	cached = xpool_mags_pages(&pool->mags->holder);
	held = xpool_in_magazines(pool);

	raw_spin_lock_irqsave(&pool->lock, flags);
	stats->total = pool->nr_pages;
	/* XPOOL_NO_LIMIT is U64_MAX, because xalloc needs a 64-bit kernel. */
	stats->hard = pool->limits.hard;
	stats->cache = pool->limits.cache;
	stats->reserve = pool->limits.reserve;
	stats->grown = grow ? grow->grown : 0;
	stats->returned = grow ? grow->returned : 0;
	stats->regions = pool->nr_fixed + (stats->grown - stats->returned) / XPOOL_LARGEST_PAGES;
	stats->free = buddy->nr_free;
	stats->slabs = pool->used.slabs;
	stats->heaps = pool->used.heaps;
	clients = pool->used.clients - pool->used.heaps;
	stats->magazines = min(cached + pool->last_freed.nr_pages, clients);
	stats->pages = clients - stats->magazines;
	stats->cached = xpool_idle(pool) + held;
	stats->largest_free = buddy->orders ? 1UL << (fls(buddy->orders) - 1) : 0;
	stats->gets = pool->counts.gets;
	stats->puts = pool->counts.puts;
	stats->splits = buddy->splits;
	stats->merges = buddy->merges;
	for (o = 0; o < XBUDDY_NR_ORDERS; o++)
		stats->free_blocks[o] = buddy->free_area[o].nr_free;
	raw_spin_unlock_irqrestore(&pool->lock, flags);
}
EXPORT_SYMBOL_GPL(xpool_stats);

/**
 * xpool_unusable_index() - how much of the free memory an order cannot use
 * @stats: from xpool_stats()
 * @order: the order
 *
 * Like extfrag/unusable_index of the page allocator: the share of free pages that
 * lie in blocks too small for @order.
 *
 * Context: Any.
 * Return: 0 (all can be used) to 1,000 (none, or nothing is free).
 */
unsigned int xpool_unusable_index(const struct xpool_stats *stats, unsigned int order)
{
	u64 usable = 0;
	unsigned int o;

	if (!stats->free)
		return 1000;
	for (o = order; o < XBUDDY_NR_ORDERS; o++)
		usable += stats->free_blocks[o] << o;
	return div64_u64((stats->free - usable) * 1000, stats->free);
}
EXPORT_SYMBOL_GPL(xpool_unusable_index);

/* Pages of heaps, from number @from on; for validation. */
static unsigned long recount_heaps(const struct xpool *pool, unsigned long from)
{
	unsigned long heaps = 0;

	for (; from < pool->buddy.nr; from++)
		if (pool->pages[from].kind == XPAGE_HEAP)
			heaps += 1UL << pool->pages[from].order;
	return heaps;
}

/**
 * xpool_validate() - recount the pages of a pool from scratch
 * @pool: the pool
 *
 * Linear in the pool and with interrupts off: for tests.
 *
 * Context: Any but NMI.
 * Return: 0, or -EUCLEAN where something does not agree.
 */
int xpool_validate(struct xpool *pool)
{
	unsigned long slabs, clients, first, gaps, flags;
	struct xbuddy *buddy = &pool->buddy;
	int err;

	if (unlikely(xpool_is_gone(pool)))
		return 0;
	raw_spin_lock_irqsave(&pool->lock, flags);
	first = pool->regions[0].index;
	slabs = xpool_recount(pool, first, buddy->nr, true);
	clients = xpool_recount(pool, first, buddy->nr, false);
	gaps = buddy->nr - pool->nr_pages;
	err = xbuddy_validate(buddy);
	if (slabs != pool->used.slabs || clients != pool->used.clients ||
	    recount_heaps(pool, first) != pool->used.heaps ||
	    slabs + clients + buddy->nr_free + gaps != buddy->nr || !xpool_grow_valid(pool))
		err = -EUCLEAN;
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	return err;
}
EXPORT_SYMBOL_GPL(xpool_validate);
