// SPDX-License-Identifier: GPL-2.0
/*
 * slab/lock: what is done after the lock is taken, and before it is given up
 *
 * After it is taken, the frees of NMIs that found it held are put where they belong:
 * drain_nmi_frees() comes here if there are any.
 *
 * Before it is given up, what became free is offered: an object to a task that waits for one
 * (queue.c), and slabs that are one too many to the pool. unlock_freed() comes here if there may
 * be such. So no other CPU sees a slab that is one too many, nor an object for which a task waits.
 */
#include <linux/rcupdate.h>

#include "slab.h"

/* Move what NMIs set to where it belongs, but for objects that a torn slab has not, or has free. */
static void merge_nmi_words(struct xslab_cache *cache, struct xpage *slab)
{
	unsigned int w;

	for (w = 0; has_nmi_words(cache) && w < cache->words; w++) {
		unsigned long set = atomic_long_xchg(&slab->map[w + XPAGE_MAP_WORDS / 2], 0);
		unsigned long good = set & ~atomic_long_read(&slab->map[w]);

		if (is_torn(slab))
			good &= slab->there;
		change_word(cache, &slab->map[w], 0, good);
		if (unlikely(set != good))
			xslab_note_lost(cache, first_object(cache, slab) + cache->stride *
					(w * BITS_PER_LONG + __ffs(set & ~good)),
					hweight_long(set & ~good));
	}
}

/* A slab that an NMI freed objects of; it may be another owner's by now. */
static void put_deferred(struct xslab_cache *cache, struct xpage *slab)
{
	if (unlikely(owner_of(slab) != cache)) {
		xslab_note_lost(cache, first_object(cache, slab), 1);
		return;
	}
	merge_nmi_words(cache, slab);
	recount_free(cache, slab);
	xslab_leave_torn(cache, slab);
}

/* Slabs that NMIs freed objects of. */
noinline void xslab_drain_nmi_frees_slow(struct xslab_cache *cache)
{
	struct xpage *slab = xpool_defer_take_all(cache->pool, &cache->nmi.deferred);

	while (slab) {
		struct xpage *next = xpool_defer_next(cache->pool, slab);

		put_deferred(cache, slab);
		slab = next;
	}
	if (cache->waiting.nr)
		xslab_queue_serve(cache);	/* the NMI saw to it that they are woken */
}

/* Offer what became free, and unlock. */
noinline void xslab_unlock_freed_slow(struct xslab_cache *cache, unsigned long flags)
	__releases(&cache->lock)
{
	unsigned int most = XSLAB_PER_LOCK;	/* no free empties more slabs */
	LIST_HEAD(excess);
	bool served, is_over;

	/* A tool cannot be told in NMI that slabs go: they do in the interrupt behind it. */
	if (unlikely(in_nmi() && xtools_watch(cache->tools))) {
		xslab_unlock(cache, flags);
		irq_work_queue(&cache->irq_work);
		return;
	}
	rcu_read_lock();
	served = xslab_queue_serve(cache);
	while (most-- && has_excess(cache) && xslab_take_spare(cache, &excess))
		;
	list_splice_init(&cache->torn.over, &excess);
	set_watermark(cache);
	is_over = cache->state.retired && cache->objects.free == cache->objects.capacity;
	xslab_unlock(cache, flags);
	xslab_return_list(cache, &excess);
	rcu_read_unlock();
	if (served)
		xslab_queue_wake(cache);
	if (is_over)
		xpool_reap_soon();
}
