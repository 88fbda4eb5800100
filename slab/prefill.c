// SPDX-License-Identifier: GPL-2.0
/*
 * slab/prefill: objects that are ready before they are needed
 *
 * A promise of n objects is kept by slabs: the cache does not give back a slab while fewer than
 * n objects would be free. Magazines of other CPUs can hold free objects back from the CPU that
 * needs one, so the reserve is larger by what all magazines can hold; where the pool does
 * not have that much, it is exactly n and the magazines are shut.
 *
 *	try n + magazines ---> kept
 *	     | too little      .
 *	     v                 .
 *	shut, try n ---------> kept, exact
 *	     | too little
 *	     v
 *	-ENOMEM, as before
 *
 * Locks: cache->lock for the moment in which the promise is made; cache->limit.tuning for the
 * shutting.
 */
#include <linux/cpumask.h>
#include <linux/export.h>
#include <linux/sched.h>

#include "slab.h"

/* One call of prefill @more is under way; @nr free objects stay until the last one ends. */
static void count_filling(struct xslab_cache *cache, int more, unsigned long nr)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&cache->lock, flags);
	cache->reserve.nr_filling += more;
	cache->reserve.coming = cache->reserve.nr_filling ? max(cache->reserve.coming, nr) : 0;
	xslab_unlock(cache, flags);
}

/*
 * The promise is made in the moment in which it is kept. Returns false if objects are
 * missing. @exact: nothing is kept for what magazines hold back, because they are shut.
 */
static bool promise(struct xslab_cache *cache, unsigned long nr, bool exact)
{
	unsigned long flags;
	bool enough;

	xslab_lock(cache, &flags);
	enough = cache->objects.free >= nr && !cache->state.retired;
	if (enough) {
		WRITE_ONCE(cache->reserve.nr, nr);
		WRITE_ONCE(cache->reserve.is_exact, exact);
	}
	xslab_unlock(cache, flags);
	return enough;
}

/*
 * Have slabs until the promise can be made; they may be of the pool's reserve. Others may
 * take as fast as this brings; but what is there for it stays with the cache meanwhile.
 */
static bool fill_once(struct xslab_cache *cache, unsigned long nr, bool exact, gfp_t gfp)
{
	unsigned long most = 2 * DIV_ROUND_UP(nr, cache->per_slab) + 1;
	bool done;

	count_filling(cache, 1, nr);
	xpool_gather_begin_part(cache->pool);
	while (!(done = promise(cache, nr, exact)) && most-- && xslab_grow(cache, gfp, NULL))
		cond_resched();
	count_filling(cache, -1, 0);
	xpool_gather_end_part(cache->pool);
	return done;
}

/* With all that no client holds. */
static bool fill_up_gathered(struct xslab_cache *cache, unsigned long nr, bool exact)
{
	struct xgathering g;
	bool done;

	xpool_gather_begin(&g, cache->pool);
	do {
		xpool_gather_begin_bulk(&g);
		done = fill_once(cache, nr, exact, __GFP_HIGH);
		xpool_gather_end_bulk(&g);
	} while (!done && xpool_gather_again(&g));
	xpool_gather_end(&g);
	return done;
}

/* With what is free, and then with all that no client holds; a pool that grows may do so. */
static bool try_reserve(struct xslab_cache *cache, unsigned long nr, bool exact)
{
	unsigned long slabs = DIV_ROUND_UP(nr, cache->per_slab);
	gfp_t gfp = GFP_KERNEL | __GFP_HIGH;

	if (slabs > cache->pool->max_pages >> cache->order)
		return false;
	return fill_once(cache, nr, exact, gfp) || fill_up_gathered(cache, nr, exact) ||
	       (cache->pool->grow && fill_once(cache, nr, exact, gfp));
}

/* The magazines are shut for as long as the promise is an exact one. */
static void set_shut(struct xslab_cache *cache, bool shut)
{
	mutex_lock(&cache->limit.tuning);
	shut |= READ_ONCE(cache->reserve.is_exact);
	xslab_set_closed(cache, &cache->reserve.shut, shut);
	mutex_unlock(&cache->limit.tuning);
}

static bool reserve_objects(struct xslab_cache *cache, unsigned int nr)
{
	/* Magazines may hold objects back from one another, and one may be on its way to slabs. */
	unsigned long held = (2UL * num_possible_cpus() + 1) * cache->magazine.size;
	unsigned long most = nr ? nr + held : 0;
	bool done = try_reserve(cache, most, false);

	if (!done && most > nr) {
		set_shut(cache, true);
		done = try_reserve(cache, nr, true);
	}
	set_shut(cache, false);
	return done;
}

/**
 * xslab_cache_prefill() - have objects ready
 * @cache: the cache
 * @nr: how many; 0 ends the reserve
 *
 * After it, the next @nr allocations, on whatever CPU and in whatever context
 * but NMI, are served from slabs that the cache has: they cannot fail and do
 * not ask the pool. The slabs stay with the cache as a reserve until prefill is
 * called with another number. The reserve is larger than @nr by what the
 * magazines of all CPUs can hold back from one another; where the pool has not that
 * much, it is exactly @nr, and the magazines stay shut. It may take what the pool keeps
 * for urgent requests; later requests of the cache may not.
 *
 * Context: Process context, may sleep; also from a shrinker and from a move callback.
 * Return: 0; -ENOMEM with nothing changed: all that no client holds is not enough; -ENOENT:
 * it was destroyed, and has gone.
 */
int xslab_cache_prefill(struct xslab_cache *cache, unsigned int nr)
{
	int err;

	if (unlikely(is_gone(cache)))
		return -ENOENT;
	err = reserve_objects(cache, nr) ? 0 : -ENOMEM;
	if (err)
		xslab_release_all(cache);
	else if (READ_ONCE(cache->torn.nr))
		xslab_tear_release(cache);	/* what the reserve before this one held */
	xwatch_wake(&cache->decay.watch);	/* less may be kept now */
	xslab_limit_apply(cache);
	return err;
}
EXPORT_SYMBOL_GPL(xslab_cache_prefill);
