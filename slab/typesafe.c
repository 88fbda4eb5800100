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
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/irq_work.h>
#include <linux/rcupdate.h>

#include "slab.h"

/* A slab has left the lists of a cache whose slabs wait. Under the cache's lock. */
void xrcu_retire(struct xslab_cache *cache, struct xpage *slab)
{
	lockdep_assert_held(&cache->lock);
	list_add(&slab->list, &cache->rcu.retired);
	WRITE_ONCE(cache->rcu.nr_slabs, cache->rcu.nr_slabs + 1);
}

/* Slabs for which a grace period is over, which no other CPU knows. */
static void slabs_over(struct rcu_head *head)
{
	struct xslab_cache *cache = container_of(head, struct xslab_cache, rcu.head);
	unsigned long flags, nr = xslab_put_list(cache, &cache->rcu.dying);

	raw_spin_lock_irqsave(&cache->lock, flags);
	WRITE_ONCE(cache->rcu.nr_slabs, cache->rcu.nr_slabs - nr);
	cache->rcu.is_waiting = false;
	raw_spin_unlock_irqrestore(&cache->lock, flags);
	xrcu_start(cache);
}

/* If slabs have retired, and none wait, these begin to. Any context, without the lock. */
void xrcu_start(struct xslab_cache *cache)
{
	unsigned long flags;
	bool begin;

	if (in_nmi()) {
		irq_work_queue(&cache->rcu.later);
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

static void start_later(struct irq_work *work)
{
	xrcu_start(container_of(work, struct xslab_cache, rcu.later));
}

/* Wait until the pool has all slabs that have retired so far. Process context. */
void xrcu_wait_slabs(struct xslab_cache *cache)
{
	unsigned int i;

	if (!xrcu_is_typesafe(cache))
		return;
	irq_work_sync(&cache->rcu.later);
	/* Those that wait, and then those that retired meanwhile. */
	for (i = 0; i < 2 && READ_ONCE(cache->rcu.nr_slabs); i++) {
		xrcu_start(cache);
		rcu_barrier();
	}
}

void xslab_typesafe_init(struct xslab_cache *cache)
{
	INIT_LIST_HEAD(&cache->rcu.retired);
	INIT_LIST_HEAD(&cache->rcu.dying);
	init_irq_work(&cache->rcu.later, start_later);
}
