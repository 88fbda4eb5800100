// SPDX-License-Identifier: GPL-2.0
/*
 * slab/holder: a cache as a holder of its pool's pages
 *
 * The pool knows its holders of free pages by struct xholder, and calls these functions: to have
 * pages back before a request fails, to gather what no client holds, and for its limits.
 */
#include <linux/irq_work.h>

#include "slab.h"

/* The pool runs dry: give back free slabs, or slabs that magazines at hand keep in use. */
static unsigned long holder_reclaim(struct xholder *holder)
{
	struct xslab_cache *cache = of_holder(holder);
	unsigned int nr = xslab_release_some(cache, XSLAB_RELEASE);

	if (!nr && xmag_drain_depot(&cache->mag) + xmag_drain_here(&cache->mag))
		nr = xslab_release_some(cache, XSLAB_RELEASE);
	/* The pool does not have the slabs yet that wait. */
	return xslab_rcu_is_typesafe(cache) ? 0 : (unsigned long)nr << cache->order;
}

static void holder_close(struct xholder *holder)
{
	xmag_shut(&of_holder(holder)->mag);
}

static unsigned long holder_drain(struct xholder *holder)
{
	struct xslab_cache *cache = of_holder(holder);
	unsigned long pages;

	xmag_drain_closed(&cache->mag);
	xslab_move_give_back(cache);
	pages = xslab_release_all(cache);
	xslab_leave_wait(cache);
	return pages;
}

static void holder_open(struct xholder *holder)
{
	xmag_unshut(&of_holder(holder)->mag);
}

/* Pages of as many slabs as the objects in magazines would fill. */
static unsigned long holder_in_magazines(struct xholder *holder)
{
	struct xslab_cache *cache = of_holder(holder);
	struct xmag_count count;

	xmag_count(&cache->mag, &count);
	return DIV_ROUND_UP(count.cpus + count.depot, cache->per_slab) << cache->order;
}

/* The pool's limits leave no room for what the magazines may keep, or do again. */
static void holder_shut(struct xholder *holder, bool shut)
{
	struct xslab_cache *cache = of_holder(holder);

	lockdep_assert_held(&cache->pool->tuning);
	xslab_set_closed(cache, &cache->limit.pool_shut, shut);
}

static bool holder_stray(struct xholder *holder, const struct xpool_stray *stray)
{
	struct xslab_cache *cache = of_holder(holder);

	if ((void *)((unsigned long)stray->cache & ~1UL) != cache)
		return false;
	xslab_report_stray(cache, stray);
	return true;
}

static unsigned long holder_collect(struct xholder *holder)
{
	return xslab_cache_collect(of_holder(holder), false);
}

/* Objects that can be moved lie in as few pages as can be after this. */
static unsigned long holder_compact(struct xholder *holder)
{
	struct xslab_cache *cache = of_holder(holder);

	return READ_ONCE(cache->moving.move) ? xslab_collect_by_force(cache, false) : 0;
}

/* Blocks went back to the pool's buddy system: a task that waits may find a slab. */
static void holder_room(struct xholder *holder)
{
	struct xslab_cache *cache = of_holder(holder);

	if (READ_ONCE(cache->waiting.nr))
		irq_work_queue(&cache->irq_work);
}

void xslab_holder_init(struct xslab_cache *cache)
{
	cache->holder = (struct xholder){
		.kind = "cache", .name = cache->name,
		.reclaim = holder_reclaim, .collect = holder_collect,
		.compact = holder_compact, .close = holder_close, .drain = holder_drain,
		.open = holder_open, .in_magazines = holder_in_magazines,
		.shut = holder_shut, .room = holder_room, .stray = holder_stray,
		.count_movable = xslab_move_count, .vacate = xslab_move_vacate,
		.retire = xslab_holder_retire, .give_up = xslab_holder_give_up,
	};
}
