// SPDX-License-Identifier: GPL-2.0
/*
 * slab/release: free slabs that the cache gives back
 *
 * A free slab stays with its cache until it is asked for: by a collection, by the pool that runs
 * dry, or by the decay. A few slabs are taken off the lists under one lock.
 *
 * Slabs that are on their way to the pool are so under rcu_read_lock(): a grace period later the
 * pool has them (pool/gather.c). Those of a typesafe cache wait for one (typesafe.c).
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/rcupdate.h>
#include <linux/sched.h>

#include "slab.h"

static void retire_some(struct xslab_cache *cache, struct xpage **slabs, unsigned int nr)
{
	while (nr--)
		xrcu_retire(cache, slabs[nr]);
}

/*
 * Give back up to @most free slabs, a few at a time; returns how many. Slabs that are on
 * their way to the pool are so under rcu_read_lock(), here and below: a grace period later
 * the pool has them (pool/gather.c).
 */
unsigned int xslab_release_some(struct xslab_cache *cache, unsigned int most)
{
	struct xpage *slabs[XSLAB_RELEASE];
	unsigned long flags;
	unsigned int nr = 0;

	rcu_read_lock();
	if (!xlock(&cache->lock, &flags)) {
		rcu_read_unlock();
		return 0;
	}
	settle(cache);
	most = min(most, XSLAB_RELEASE);
	while (nr < most && (slabs[nr] = xslab_take_spare(cache)))
		nr++;
	if (xrcu_is_typesafe(cache))
		retire_some(cache, slabs, nr);
	xslab_unlock(cache, flags);
	if (xrcu_is_typesafe(cache))
		xrcu_start(cache);
	else
		xslab_put_slabs(cache, slabs, nr);
	rcu_read_unlock();
	return nr;
}

/* Give this slab back, if it is the cache's, free, and can be spared. Process context. */
void xslab_release_this(struct xslab_cache *cache, struct xpage *slab)
{
	unsigned long flags;
	bool goes;

	rcu_read_lock();
	raw_spin_lock_irqsave(&cache->lock, flags);
	settle(cache);
	goes = slab->cache == cache && slab->nr_free == cache->per_slab &&
	       cache->objects.free >= kept_free(cache) + cache->per_slab &&
	       xslab_take_off(cache, slab);
	if (goes && xrcu_is_typesafe(cache))
		xrcu_retire(cache, slab);
	xslab_unlock(cache, flags);
	if (xrcu_is_typesafe(cache))
		xrcu_start(cache);
	else
		xslab_put_slabs(cache, &slab, goes);
	rcu_read_unlock();
}

static unsigned long nr_empty(struct xslab_cache *cache)
{
	unsigned long flags, nr;

	raw_spin_lock_irqsave(&cache->lock, flags);
	settle(cache);
	nr = cache->nr[XSLAB_FREE];
	xslab_unlock(cache, flags);
	return nr;
}

/*
 * Give back the slabs that are free now; returns the pages. Not those that become so
 * meanwhile: others may take a slab and free it for as long as it is given back.
 */
unsigned long xslab_release_all(struct xslab_cache *cache)
{
	unsigned long torn = READ_ONCE(cache->torn.nr) ? xtear_release(cache) : 0;
	unsigned long most = nr_empty(cache), done = 0;
	unsigned int nr;

	while (done < most && (nr = xslab_release_some(cache, XSLAB_RELEASE))) {
		done += nr;
		cond_resched();
	}
	return (done << cache->order) + torn;
}

/*
 * Give back free slabs, @pages of them at most. Process context. Returns the pages.
 */
unsigned long xslab_trim(struct xslab_cache *cache, unsigned long pages)
{
	unsigned long most = pages >> cache->order, done = 0;
	unsigned int nr;

	do {
		nr = xslab_release_some(cache, min_t(unsigned long, most - done, XSLAB_RELEASE));
		done += nr;
		cond_resched();
	} while (nr && done < most);
	return done << cache->order;
}

/* What xslab_trim() could give back now. Any context but NMI. */
unsigned long xslab_empty_pages(struct xslab_cache *cache)
{
	unsigned long flags, slabs;

	raw_spin_lock_irqsave(&cache->lock, flags);
	settle(cache);
	slabs = spare_slabs(cache);
	xslab_unlock(cache, flags);
	return slabs << cache->order;
}

/* The cache is given up while clients hold objects of the slab. */
static void forget_objects(struct xslab_cache *cache, const struct xpage *slab)
{
	void *at = first_object(cache, slab);
	unsigned int i;

	for (i = 0; i < cache->per_slab; i++, at += cache->stride)
		if (xtear_has(slab, i) &&
		    !(atomic_long_read(&slab->map[BIT_WORD(i)]) & BIT_MASK(i)))
			xtools_forget(cache->tools, addr_of(cache, at));
}

/* No page of the slab leads to the cache any more; returns the pages that it has. */
static unsigned long detach_slab(struct xslab_cache *cache, struct xpage *slab)
{
	unsigned long holes = is_torn(slab) ? slab->holes : 0;
	unsigned int p;

	if (xtools_watch(cache->tools))
		forget_objects(cache, slab);
	list_del(&slab->list);
	for (p = 0; p < pages_per_slab(cache); p++)
		if (!(holes & BIT(p)))
			WRITE_ONCE(slab[p].cache, NULL);
	return pages_per_slab(cache) - hweight_long(holes);
}

/* Like xslab_detach_all(), but a few under one lock. */
static unsigned long detach_some(struct xslab_cache *cache)
{
	unsigned int l = 0, most = XSLAB_CHUNK;
	unsigned long flags, pages = 0;

	raw_spin_lock_irqsave(&cache->lock, flags);
	settle(cache);
	while (l < XSLAB_LISTS && most) {
		struct list_head *list = &cache->lists[l];

		if (list_empty(list)) {
			l++;
			continue;
		}
		pages += detach_slab(cache, list_first_entry(list, struct xpage, list));
		most--;
	}
	raw_spin_unlock_irqrestore(&cache->lock, flags);
	return pages;
}

/* The cache is given up: it forgets all of its slabs. Returns their pages. Process context. */
unsigned long xslab_detach_all(struct xslab_cache *cache)
{
	unsigned long pages = 0, some;

	while ((some = detach_some(cache))) {
		pages += some;
		cond_resched();
	}
	return pages;
}
