// SPDX-License-Identifier: GPL-2.0
/*
 * slab/torn: torn slabs go
 *
 * When the last object of a torn slab (tear.c) is free, what is left of the slab leaves the
 * lists, and the holder of the lock gives it back to the pool after it unlocks.
 */
#include "slab.h"

static bool has_all_free(const struct xpage *slab)
{
	return slab->nr_free == hweight_long(slab->there);
}

/* All that is left of a torn slab is free, and it may go. */
bool xslab_tear_is_over(struct xslab_cache *cache, struct xpage *slab)
{
	/* An NMI that has set a bit of the slab may not be through with it. */
	smp_mb();
	if (!has_all_free(slab) || atomic_read(&cache->nmi.frees) || READ_ONCE(slab->deferred) ||
	    cache->objects.free < reserved_free(cache) + slab->nr_free)
		return false;
	xslab_believe_live(cache, slab);
	return has_all_free(slab);
}

/*
 * Objects of a slab are free. If it is torn and these were the last, it is taken off the lists;
 * the holder of the lock gives it back after it unlocks. Under the lock.
 */
noinline void xslab_tear_freed(struct xslab_cache *cache, struct xpage *slab)
{
	lockdep_assert_held(&cache->lock);
	if (!is_torn(slab) || !xslab_tear_is_over(cache, slab))
		return;
	xslab_move_slab_goes(cache, slab);
	cache->objects.capacity -= slab->nr_free;
	cache->objects.free -= slab->nr_free;
	cache->torn.nr_holes -= hweight_long(slab->holes);
	xset_del(&cache->torn.set, slab_nr(cache, slab));
	WRITE_ONCE(cache->torn.nr, cache->torn.nr - 1);
	unlist_slab(cache, slab, cache->list_of[slab->nr_free]);
	xslab_set_owner(cache, slab, NULL);
	list_add(&slab->list, &cache->torn.over);
	set_watermark(cache);
}

/* Give back what xslab_tear_freed() took off the lists. Without the lock. */
void xslab_tear_put(struct xslab_cache *cache, struct list_head *over)
{
	struct xpage *pages[XTEAR_PAGES], *slab, *next;

	list_for_each_entry_safe(slab, next, over, list) {
		unsigned long there = GENMASK(pages_per_slab(cache) - 1, 0) & ~slab->holes;
		unsigned int p, nr = 0;

		for_each_set_bit(p, &there, XTEAR_PAGES)
			pages[nr++] = &slab[p];
		xslab_put_blocks(cache, pages, nr, 0);
		uncharge_slabs(cache, 1);
	}
}
