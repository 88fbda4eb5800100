// SPDX-License-Identifier: GPL-2.0
/*
 * slab/collect: give back to the pool what no client holds
 *
 * Without force this CPU's magazines, the depot and the free slabs are given back. With force
 * the magazines of all CPUs are closed first, and objects that can be moved are packed, or
 * slabs torn; see move.c and tear.c.
 */
#include <linux/export.h>

#include "slab.h"

/* Only the cache may refer to the pages of its slabs; any other reference is reported. */
void xslab_check_refs(struct xslab_cache *cache)
{
	struct xpool_stray stray;
	struct xpage *slab;
	unsigned long i;

	if (!cache->pool->counts_refs)
		return;
	for (slab = xslab_next(cache, NULL); slab; slab = xslab_next(cache, slab)) {
		unsigned long at = xpool_page_index(cache->pool, slab);
		unsigned long end = at + pages_per_slab(cache);

		for (i = at; xpool_stray_find(cache->pool, i, end, &stray); i = stray.index + 1)
			xslab_report_stray(cache, &stray);
	}
}

/* All of it, from CPUs that are busy, idle or gone; returns the pages given back. */
unsigned long xslab_collect_by_force(struct xslab_cache *cache, bool tear)
{
	unsigned long pages;

	xslab_rcu_flush(cache->pool);
	xmag_set_closed(&cache->mag, true);
	pages = xslab_release_all(cache) + xslab_move_compact(cache);
	if (tear)
		pages += xslab_tear_cache(cache);
	pages += xslab_release_all(cache);
	xmag_set_closed(&cache->mag, false);
	xslab_leave_wait(cache);
	return pages;
}

/**
 * xslab_cache_collect() - give back to the pool what no client holds
 * @cache: the cache
 * @force: all of it; otherwise what can be had without disturbing other CPUs
 *
 * Returns the free slabs, but for what xslab_cache_prefill() asked to keep, after
 * it emptied the depot and this CPU's magazines and, with @force, the magazines of all
 * CPUs; operations go past them meanwhile. With @force, a cache whose objects can be
 * moved, see xslab_cache_set_move(), is left with no more slabs than its objects need; it
 * waits for what xslab_cache_free_rcu() took back, and for slabs that may be given back only
 * after a grace period; and it reports pages of slabs to which a reference was dropped, as
 * kfree() of an object does, and mends their counts.
 *
 * Context: Process context, may sleep; with @force not under rcu_read_lock(). Others may
 * allocate and free meanwhile. Also from a shrinker, and from a move callback, where no
 * objects are moved. With @force no lock may be held that the cache's move callback takes.
 * Return: pages that this call gave back.
 */
unsigned long xslab_cache_collect(struct xslab_cache *cache, bool force)
{
	unsigned long pages;

	if (unlikely(is_gone(cache)))
		return 0;
	if (!force) {
		xmag_drain_here(&cache->mag);
		xmag_drain_depot(&cache->mag);
		return xslab_release_all(cache);
	}
	pages = xslab_collect_by_force(cache, false);
	xslab_check_refs(cache);
	return pages;
}
EXPORT_SYMBOL_GPL(xslab_cache_collect);

/**
 * xslab_cache_tear() - give back also pages of slabs that hold live objects
 * @cache: the cache
 *
 * A forced collect; after it, slabs of 2 to 8 pages with live objects give back the pages
 * on which none of these lies, but for the first page. For caches that will hold few
 * objects for long and whose objects cannot be moved. Slabs that gave back pages have fewer
 * objects, until the cache needs another slab and finds that these pages are free; a cache
 * with a constructor does not look. When the last of its objects is free, all of such a
 * slab goes back. What xslab_cache_prefill() asked to keep stays. Limits count such a slab
 * as a whole one. Slabs of a cache made with XSLAB_TYPESAFE_BY_RCU stay whole.
 *
 * (TCMalloc calls it subrelease, for parts of its huge pages.)
 *
 * Context: As for xslab_cache_collect() with force.
 * Return: pages that this call gave back.
 */
unsigned long xslab_cache_tear(struct xslab_cache *cache)
{
	return unlikely(is_gone(cache)) ? 0 : xslab_collect_by_force(cache, true);
}
EXPORT_SYMBOL_GPL(xslab_cache_tear);

/**
 * xslab_cache_shrink() - xslab_cache_collect() by kmem_cache_shrink()'s name
 * @cache: the cache
 *
 * Context: Process context, may sleep. Others may allocate and free meanwhile.
 * Return: 0 where no slab is left, 1 otherwise.
 */
int xslab_cache_shrink(struct xslab_cache *cache)
{
	xslab_cache_collect(cache, true);
	return !is_gone(cache) && READ_ONCE(cache->objects.capacity);
}
EXPORT_SYMBOL_GPL(xslab_cache_shrink);
