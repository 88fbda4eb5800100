// SPDX-License-Identifier: GPL-2.0
/*
 * slab/release: free slabs that the cache gives back
 *
 * A free slab stays with its cache until it is asked for: by a collection, by the pool that runs
 * dry, or by the decay. A few slabs are taken off the lists under one lock.
 *
 * Slabs that are on their way to the pool are so under rcu_read_lock(): a grace period later the
 * pool has them (pool/gather.c). Those of a typesafe cache wait for one (leave.c).
 */
#include <linux/rcupdate.h>
#include <linux/sched.h>

#include "slab.h"

/*
 * Give back up to @most free slabs, a few at a time; returns how many.
 */
unsigned int xslab_release_some(struct xslab_cache *cache, unsigned long most)
{
	unsigned long flags;
	unsigned int nr = 0;
	LIST_HEAD(list);

	rcu_read_lock();
	if (xlock(&cache->lock, &flags)) {
		drain_nmi_frees(cache);
		while (nr < min_t(unsigned long, most, XSLAB_RELEASE) &&
		       xslab_take_spare(cache, &list))
			nr++;
		xslab_unlock(cache, flags);
		xslab_return_list(cache, &list);
	}
	rcu_read_unlock();
	return nr;
}

/* Give this slab back, if it is the cache's, free, and can be spared. Process context. */
void xslab_release_this(struct xslab_cache *cache, struct xpage *slab)
{
	unsigned long flags;
	LIST_HEAD(list);

	rcu_read_lock();
	xslab_lock(cache, &flags);
	if (owner_of(slab) == cache)
		xslab_take_off(cache, slab, &list);
	xslab_unlock(cache, flags);
	xslab_return_list(cache, &list);
	rcu_read_unlock();
}

/*
 * Give back the slabs that are free now; returns the pages. Not those that become so
 * meanwhile: others may take a slab and free it for as long as it is given back.
 */
unsigned long xslab_release_all(struct xslab_cache *cache)
{
	unsigned long torn = READ_ONCE(cache->torn.nr) ? xslab_tear_release(cache) : 0;

	return xslab_trim(cache, xslab_empty_pages(cache)) + torn;
}

/*
 * Give back free slabs, @pages of them at most. Process context. Returns the pages.
 */
unsigned long xslab_trim(struct xslab_cache *cache, unsigned long pages)
{
	unsigned long most = pages >> cache->order, done = 0;
	unsigned int nr;

	while (done < most && (nr = xslab_release_some(cache, most - done))) {
		done += nr;
		cond_resched();
	}
	return done << cache->order;
}

/* What xslab_trim() could give back now. Any context but NMI. */
unsigned long xslab_empty_pages(struct xslab_cache *cache)
{
	unsigned long flags, slabs;

	xslab_lock(cache, &flags);
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
		if (xslab_tear_has(slab, i) && !is_in_slab(slab, i))
			xtools_forget(cache->tools, addr_of(cache, at));
}

/* Like xslab_detach_all(), but the first slab of all; returns 0 if there is none. */
static unsigned long detach_first(struct xslab_cache *cache)
{
	unsigned long flags, pages = 0;
	struct xpage *slab;
	unsigned int l = 0;

	xslab_lock(cache, &flags);
	/* A free may have moved one to a list that was empty before. */
	while (l < XSLAB_LISTS && list_empty(&cache->lists[l]))
		l++;
	if (l < XSLAB_LISTS) {
		slab = list_first_entry(&cache->lists[l], struct xpage, list);
		if (xtools_watch(cache->tools))
			forget_objects(cache, slab);
		list_del(&slab->list);
		xslab_set_owner(cache, slab, NULL);
		pages = pages_per_slab(cache) - hweight_long(holes_of(cache, slab));
	}
	raw_spin_unlock_irqrestore(&cache->lock, flags);
	return pages;
}

/*
 * The cache is given up: it forgets all of its slabs, and no page of them leads to it. Returns
 * their pages. Process context.
 */
unsigned long xslab_detach_all(struct xslab_cache *cache)
{
	unsigned long pages = 0, some;

	while ((some = detach_first(cache))) {
		pages += some;
		cond_resched();
	}
	return pages;
}
