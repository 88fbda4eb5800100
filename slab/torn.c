// SPDX-License-Identifier: GPL-2.0
/*
 * slab/torn: torn slabs go
 *
 * When the last object of a torn slab (tear.c) is free, what is left of the slab leaves the
 * lists, and the holder of the lock gives it back to the pool after it unlocks.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include "slab.h"

static bool has_all_free(const struct xpage *slab)
{
	return slab->nr_free == hweight_long(slab->there);
}

/* All that is left of a torn slab is free, and it may go. */
bool xtear_is_over(struct xslab_cache *cache, struct xpage *slab)
{
	/* An NMI that has set a bit of the slab may not be through with it. */
	smp_mb();
	if (!has_all_free(slab) || atomic_read(&cache->nmi.frees) || READ_ONCE(slab->deferred) ||
	    cache->objects.free < kept_free(cache) + slab->nr_free)
		return false;
	xslab_believe_live(cache, slab);
	return has_all_free(slab);
}

/* The pages that are left of it name no cache any more, so it is found by none. */
static void disown_rest(const struct xslab_cache *cache, struct xpage *slab)
{
	unsigned long holes = slab->holes;
	unsigned int p;

	for (p = 0; p < pages_per_slab(cache); p++)
		if (!(holes & BIT(p)))
			WRITE_ONCE(slab[p].cache, NULL);
}

/*
 * Objects of a torn slab are free. If these were the last, it is taken off the lists; the
 * holder of the lock gives it back after it unlocks. Under the lock.
 */
noinline void xtear_freed(struct xslab_cache *cache, struct xpage *slab)
{
	lockdep_assert_held(&cache->lock);
	if (!xtear_is_over(cache, slab))
		return;
	if (unlikely(cache->moving.emptied))
		xmove_slab_goes(cache, slab);
	cache->objects.capacity -= slab->nr_free;
	cache->objects.free -= slab->nr_free;
	cache->torn.nr_holes -= hweight_long(slab->holes);
	xset_del(&cache->torn.set, slab_nr(cache, slab));
	WRITE_ONCE(cache->torn.nr, cache->torn.nr - 1);
	unlist_slab(cache, slab, cache->list_of[slab->nr_free]);
	disown_rest(cache, slab);
	list_add(&slab->list, &cache->torn.over);
	set_watermark(cache);
}

/* What is left of a slab that no CPU sees any more. */
static void put_rest(struct xslab_cache *cache, struct xpage *slab)
{
	struct xpage *pages[XTEAR_PAGES];
	unsigned long holes = slab->holes;
	unsigned int p, nr = 0;

	for (p = 0; p < pages_per_slab(cache); p++)
		if (!(holes & BIT(p)))
			pages[nr++] = &slab[p];
	xslab_put_pages(cache, pages, nr);
	uncharge_slabs(cache, 1);
}

/* Give back what xtear_freed() took off the lists. Without the lock. */
void xtear_put(struct xslab_cache *cache, struct list_head *over)
{
	struct xpage *slab, *next;

	list_for_each_entry_safe(slab, next, over, list)
		put_rest(cache, slab);
}
