// SPDX-License-Identifier: GPL-2.0
/*
 * pool/collect: give back what no client uses
 *
 * Without force, the holders of the pool's pages give back what they can without disturbing
 * other CPUs. With force, all that no client holds is gathered (gather.c), objects that can be
 * moved are packed, regions that the others can do without are emptied (plan.c), and regions
 * without a page in use go back to the system.
 *
 * A pool that grows registers a shrinker: empty regions count, and what its holders could give
 * back. Scanning returns empty regions first, and then asks the holders for more. After that the
 * pool does not ask the system for a region for a while.
 */
#include <linux/export.h>
#include <linux/sched.h>

#include "pool.h"

/* What can be collected without disturbing other CPUs. */
unsigned long xpool_collect_here(struct xpool *pool)
{
	struct xholder *holder;
	unsigned long pages = 0;

	for_each_holder(holder, pool) {
		pages += holder->collect(holder);
		cond_resched();
	}
	return pages + xpool_drain_idle(pool);
}

/* Have objects moved, where clients know how. */
unsigned long xpool_compact(struct xpool *pool)
{
	struct xholder *holder;
	unsigned long pages = 0;

	for_each_holder(holder, pool)
		if (holder->compact)
			pages += holder->compact(holder);
	return pages;
}

/*
 * Objects that can be moved leave the regions that the others can do without. Empty
 * regions go first, or they would be filled again.
 */
static void vacate_regions(struct xpool *pool)
{
	struct xholder *holder;

	xpool_grow_return_all(pool);
	if (!xpool_plan_begin(pool))
		return;
	for_each_holder(holder, pool)
		if (holder->vacate)
			holder->vacate(holder);
	xpool_plan_end(pool);
}

/**
 * xpool_collect() - give back what no client holds
 * @pool: the pool
 * @force: also what only other CPUs reach
 *
 * Puts what is kept for later into whole blocks: what is in the magazines of this CPU and
 * in depots, blocks that were freed last, and slabs without objects of the pool's caches.
 * With @force also what is in the magazines of all CPUs; and objects that can be moved,
 * see xslab_cache_set_move(), are. Then, of a pool that grows, all regions without a
 * page in use go back to the system; those of its initial size stay.
 *
 * Context: Process context, may sleep. Others may allocate and free meanwhile. Also from
 * a shrinker, and from a move callback, where no objects are moved. With @force no lock
 * may be held that a move callback takes.
 * Return: pages that this call took out of use, and pages that it gave back to the
 * system; those that it did both with count once. Exact when no other call collects at
 * the same time; of several, each page is counted by one.
 */
unsigned long xpool_collect(struct xpool *pool, bool force)
{
	unsigned long pages;

	if (unlikely(xpool_is_gone(pool)))
		return 0;
	xpool_grow_mark(pool);
	pages = force ? xpool_gather(pool) + xpool_compact(pool) : xpool_collect_here(pool);
	if (force)
		xpool_stray_check(pool);
	if (force && pool->grow)
		vacate_regions(pool);
	return pages + xpool_grow_return_all(pool);
}
EXPORT_SYMBOL_GPL(xpool_collect);

/*
 * The system asks for memory back
 */

/* Empty regions, and what may become such when all that is kept is given up. */
static unsigned long shrink_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct xpool *pool = xcompat_shrinker_data(shrinker);
	unsigned long spare = xpool_region_spare(pool);
	unsigned long here = READ_ONCE(pool->grow->grown) - READ_ONCE(pool->grow->returned);
	unsigned long idle = min(xpool_idle(pool), here);

	return max(spare, idle) ?: SHRINK_EMPTY;
}

static unsigned long shrink_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	unsigned long wanted = round_up(sc->nr_to_scan, XPOOL_LARGEST_PAGES), freed;
	struct xpool *pool = xcompat_shrinker_data(shrinker);

	xpool_grow_pause(pool->grow);
	freed = xpool_trim(pool, wanted);
	if (freed < wanted) {
		xpool_drain_idle(pool);
		xpool_ask_holders(pool);
		freed += xpool_trim(pool, wanted - freed);
	}
	return freed ?: SHRINK_STOP;
}

/* The pool is complete. Returns 0 or -ENOMEM. */
int xpool_collect_init(struct xpool *pool)
{
	if (!pool->grow)
		return 0;
	pool->grow->shrinker = xcompat_shrinker_new(pool->name, pool, shrink_count,
						    shrink_scan);
	return pool->grow->shrinker ? 0 : -ENOMEM;
}
