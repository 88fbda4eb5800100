// SPDX-License-Identifier: GPL-2.0
/*
 * slab/leave: slabs leave the cache
 *
 * A slab leaves only if all of it is free: by its map, by its live bytes, and by what NMIs are
 * about to free. Its pages name no cache any more before the pool has them.
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
#include <linux/string.h>

#include "slab.h"

/* Tell the kernel's tools that slabs, or pages of one, are the pool's again. */
static noinline void tools_remove_slabs(struct xslab_cache *cache, struct xpage **pages,
					unsigned int nr, unsigned int order)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		void *addr = (void *)xpool_addr(cache->pool, pages[i] - cache->pages);
		unsigned long in = (unsigned long)addr & ~cache->fast.slab_mask;
		long first = in <= cache->slack ? cache->slack - in :
						  -(long)((in - cache->slack) % cache->stride);

		xtools_remove_slab(cache->tools, addr, PAGE_SIZE << order, first, cache->stride);
	}
}

/* Whole slabs, or single pages of a torn one (@order 0). */
void xslab_return_blocks(struct xslab_cache *cache, struct xpage **pages, unsigned int nr,
			 unsigned int order)
{
	if (!nr)
		return;
	if (xtools_watch(cache->tools))
		tools_remove_slabs(cache, pages, nr, order);
	xpool_put_many(cache->pool, pages, nr, xpool_page_state(XPAGE_SLAB, order));
	atomic_long_add((long)nr << order, &cache->counts.returned);
}

void xslab_return_slabs(struct xslab_cache *cache, struct xpage **slabs, unsigned int nr)
{
	xslab_return_blocks(cache, slabs, nr, cache->order);
	uncharge_slabs(cache, nr);
}

/* Each page of a slab, but those that it gave back, says whose it is, for xslab_free(). */
void xslab_set_owner(const struct xslab_cache *cache, struct xpage *slab,
		     struct xslab_cache *owner)
{
	unsigned long holes = holes_of(cache, slab);
	unsigned int p;

	for (p = 0; p < pages_per_slab(cache); p++)
		if (!(holes & BIT(p)))
			/* Pairs with xslab_tear_has(): a CPU sees what is left if it is torn. */
			smp_store_release(&slab[p].cache, owner);
}

/*
 * Two CPUs may free one object at the same instant, and a third may take one copy out of a magazine
 * just when the other is put into its slab (check.c). Then the live byte says that it is not free,
 * whatever the map says: the byte is believed, and the slab stays.
 */
noinline void xslab_believe_live(struct xslab_cache *cache, struct xpage *slab)
{
	void *at = first_object(cache, slab);
	unsigned int i, nr = 0;

	lockdep_assert_held(&cache->lock);
	for (i = 0; has_live(cache) && i < cache->per_slab; i++, at += cache->stride) {
		u8 *live = xslab_live_at(&cache->fast.check, at), is = READ_ONCE(*live);

		if (likely(is == XSLAB_IN_SLAB) || !xslab_tear_has(slab, i) ||
		    !is_in_slab(slab, i))
			continue;
		if (is != XSLAB_LIVE && is != cache->fast.check.tag) {
			WRITE_ONCE(*live, XSLAB_IN_SLAB);
			continue;
		}
		change_word(cache, &slab->map[BIT_WORD(i)], BIT_MASK(i), 0);
		xslab_note_lost(cache, at, 1);
		nr++;
	}
	if (nr)
		sub_nr_free(cache, slab, nr);
}

/* An NMI that has set a bit of the slab may not be through with it. */
static bool nmi_uses(const struct xslab_cache *cache, const struct xpage *slab)
{
	smp_mb();	/* it has set the bit by then */
	return atomic_read(&cache->nmi.frees) || READ_ONCE(slab->deferred);
}

/*
 * Is all of a slab, or what is left of it, free, and can it be spared? The next owner finds its
 * live bytes as they should be.
 */
static bool can_leave(struct xslab_cache *cache, struct xpage *slab)
{
	void *start = first_object(cache, slab) - cache->slack;
	unsigned int all = xslab_tear_objects(cache, slab);

	if (slab->nr_free != all || nmi_uses(cache, slab) ||
	    cache->objects.free < reserved_free(cache) + all)
		return false;
	/* The live bytes of a torn one are not all its own. */
	if (is_torn(slab) ||
	    (has_live(cache) &&
	     unlikely(memchr_inv(xslab_live_at(&cache->fast.check, start), XSLAB_IN_SLAB,
				 PAGE_SIZE << cache->order >> cache->fast.check.live_shift))))
		xslab_believe_live(cache, slab);
	return slab->nr_free == all;
}

/*
 * If all of a slab is free, and it can be spared, it leaves the cache's lists for @to, or begins
 * to wait for a grace period. Returns false if not. Under the lock; the caller unlocks and calls
 * xslab_return_list().
 */
bool xslab_take_off(struct xslab_cache *cache, struct xpage *slab, struct list_head *to)
{
	bool waits = xslab_rcu_is_typesafe(cache);

	lockdep_assert_held(&cache->lock);
	if (!can_leave(cache, slab))
		return false;
	if (unlikely(cache->moving.emptied) && cache->moving.emptied->slab == slab)
		cache->moving.emptied->given_up = true;	/* the mover has nothing of it */
	list_del(&slab->list);
	discount_slab(cache, slab, cache->list_of[slab->nr_free]);
	cache->objects.capacity -= slab->nr_free;
	cache->objects.free -= slab->nr_free;
	if (is_torn(slab)) {
		cache->torn.nr_holes -= hweight_long(slab->holes);
		xset_del(&cache->torn.set, slab_nr(cache, slab));
		WRITE_ONCE(cache->torn.nr, cache->torn.nr - 1);
	}
	xslab_set_owner(cache, slab, NULL);
	list_add(&slab->list, waits ? &cache->rcu.retired : to);
	WRITE_ONCE(cache->rcu.nr_slabs, cache->rcu.nr_slabs + waits);
	return true;
}

/*
 * Like xslab_take_off(), but the free slab that lies farthest from where the cache's slabs should
 * be. Returns false if none can be spared.
 */
bool xslab_take_spare(struct xslab_cache *cache, struct list_head *to)
{
	struct list_head *list = &cache->lists[XSLAB_FREE];
	struct xpage *slab;

	do {
		if (list_empty(list))
			return false;
		slab = list_entry(cache->place == XPLACE_LOW ? list->prev : list->next,
				  struct xpage, list);
		if (xslab_take_off(cache, slab, to))
			return true;
	} while (slab->nr_free != cache->per_slab);	/* it was not all free */
	return false;
}

/*
 * Objects of a slab are free. If it is torn and these were the last, it is taken off the lists;
 * the holder of the lock gives it back after it unlocks. Returns false if it stays.
 */
noinline bool xslab_leave_torn(struct xslab_cache *cache, struct xpage *slab)
{
	if (!is_torn(slab) || !xslab_take_off(cache, slab, &cache->torn.over))
		return false;
	set_watermark(cache);
	return true;
}

/* What is left of a torn slab. */
static void put_torn(struct xslab_cache *cache, struct xpage *slab)
{
	unsigned long there = GENMASK(pages_per_slab(cache) - 1, 0) & ~slab->holes;
	struct xpage *pages[XTEAR_PAGES];
	unsigned int p, nr = 0;

	for_each_set_bit(p, &there, XTEAR_PAGES)
		pages[nr++] = &slab[p];
	xslab_return_blocks(cache, pages, nr, 0);
	uncharge_slabs(cache, 1);
}

/*
 * Give back slabs that no CPU sees any more; returns how many. Those that have to wait for a grace
 * period begin to.
 */
unsigned long xslab_return_list(struct xslab_cache *cache, struct list_head *list)
{
	struct xpage *slabs[XSLAB_RELEASE], *slab, *next;
	unsigned long all = 0;
	unsigned int nr = 0;

	list_for_each_entry_safe(slab, next, list, list) {
		all++;
		if (holes_of(cache, slab))
			put_torn(cache, slab);
		else
			slabs[nr++] = slab;
		if (nr == XSLAB_RELEASE) {
			xslab_return_slabs(cache, slabs, nr);
			nr = 0;
		}
	}
	xslab_return_slabs(cache, slabs, nr);
	INIT_LIST_HEAD(list);
	xslab_leave_start(cache);
	return all;
}

/* Slabs for which a grace period is over, which no other CPU knows. */
static void slabs_over(struct rcu_head *head)
{
	struct xslab_cache *cache = container_of(head, struct xslab_cache, rcu.head);
	unsigned long flags, nr = xslab_return_list(cache, &cache->rcu.dying);

	raw_spin_lock_irqsave(&cache->lock, flags);
	WRITE_ONCE(cache->rcu.nr_slabs, cache->rcu.nr_slabs - nr);
	cache->rcu.is_waiting = false;
	raw_spin_unlock_irqrestore(&cache->lock, flags);
	xslab_leave_start(cache);
}

/* If slabs have retired, and none wait, these begin to. Any context, without the lock. */
void xslab_leave_start(struct xslab_cache *cache)
{
	unsigned long flags;
	bool begin;

	if (!xslab_rcu_is_typesafe(cache))
		return;
	if (in_nmi()) {
		irq_work_queue(&cache->irq_work);	/* which comes here */
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
void xslab_leave_wait(struct xslab_cache *cache)
{
	unsigned int i;

	if (!xslab_rcu_is_typesafe(cache))
		return;
	irq_work_sync(&cache->irq_work);
	/* Those that wait, and then those that retired meanwhile. */
	for (i = 0; i < 2 && READ_ONCE(cache->rcu.nr_slabs); i++) {
		xslab_leave_start(cache);
		rcu_barrier();
	}
}
