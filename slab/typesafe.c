// SPDX-License-Identifier: GPL-2.0
/*
 * slab/typesafe: slabs that wait for a grace period
 *
 * Objects of a cache made with XSLAB_TYPESAFE_BY_RCU are used again at once; the slab must
 * stay one of the cache until all readers are through. A slab that leaves the cache is put
 * onto a list, retired. When no grace period is waited for, all that are on it go onto
 * another one, dying, and begin to wait. So one rcu_head in the cache is enough:
 *
 *	lists of the cache --(free, not needed)--> retired --(call_rcu)--> dying --> the pool
 *
 * They count against the hard limits of the cache and the pool until they are back.
 */
#include <linux/irq_work.h>
#include <linux/rcupdate.h>

#include "slab.h"

/* Slabs for which a grace period is over, which no other CPU knows. */
static void slabs_over(struct rcu_head *head)
{
	struct xslab_cache *cache = container_of(head, struct xslab_cache, rcu.head);
	unsigned long flags, nr = xslab_put_list(cache, &cache->rcu.dying);

	raw_spin_lock_irqsave(&cache->lock, flags);
	WRITE_ONCE(cache->rcu.nr_slabs, cache->rcu.nr_slabs - nr);
	cache->rcu.is_waiting = false;
	raw_spin_unlock_irqrestore(&cache->lock, flags);
	xslab_rcu_start(cache);
}

/* If slabs have retired, and none wait, these begin to. Any context, without the lock. */
void xslab_rcu_start(struct xslab_cache *cache)
{
	unsigned long flags;
	bool begin;

	if (!xslab_rcu_is_typesafe(cache))
		return;
	if (in_nmi()) {
		irq_work_queue(&cache->later);	/* which comes here */
		return;
	}
	raw_spin_lock_irqsave(&cache->lock, flags);
	begin = !cache->rcu.is_waiting && !list_empty(&cache->rcu.retired);
	if (begin) {
		list_splice_init(&cache->rcu.retired, &cache->rcu.dying);
		cache->rcu.is_waiting = true;
	}
	raw_spin_unlock_irqrestore(&cache->lock, flags);
	if (begin)
		call_rcu(&cache->rcu.head, slabs_over);
}

/* Wait until the pool has all slabs that have retired so far. Process context. */
void xslab_rcu_wait_slabs(struct xslab_cache *cache)
{
	unsigned int i;

	if (!xslab_rcu_is_typesafe(cache))
		return;
	irq_work_sync(&cache->later);
	/* Those that wait, and then those that retired meanwhile. */
	for (i = 0; i < 2 && READ_ONCE(cache->rcu.nr_slabs); i++) {
		xslab_rcu_start(cache);
		rcu_barrier();
	}
}
