// SPDX-License-Identifier: GPL-2.0
/*
 * slab/orphan: caches go, at once or with their last object
 *
 * A client that destroys a cache while objects of it are live makes a mistake, and its module may
 * be gone a moment later. So the cache forgets the client's functions, refuses allocations, and
 * waits for the last free, which the holder of its lock sees when it unlocks
 * (xslab_unlock_freed_slow()). A worker then disposes of it. Where no free will come, an
 * operator can give it up: the pages are lost to the pool then.
 *
 *	in use --destroy--> gone
 *	   |  '--refused--> orphan --last free, or given up--> gone, with a tomb
 *
 * The tomb is the memory of the cache, whose client may try to destroy it once more. It leads to
 * no pool, so each call of the client finds nothing.
 *
 * Locks: xpool_registry, for a step at a time; no memory is taken under it.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/export.h>
#include <linux/irq_work.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

#include "slab.h"

LIST_HEAD(xslab_list);

/* Up to @nr objects that are live, while the magazines are closed. */
static unsigned int find_live(struct xslab_cache *cache, void **objs, unsigned int nr)
{
	unsigned int l, i, got = 0;
	struct xpage *slab;

	for (l = 0; l < XSLAB_FREE; l++)
		list_for_each_entry(slab, &cache->lists[l], list)
			for (i = 0; i < cache->per_slab; i++) {
				if (is_in_slab(slab, i) || !xslab_tear_has(slab, i))
					continue;
				objs[got++] = first_object(cache, slab) + i * cache->stride;
				if (got == nr)
					return got;
			}
	return got;
}

/* How many objects are live by the maps of slabs, while the magazines are closed and empty. */
static unsigned long count_live(struct xslab_cache *cache)
{
	unsigned long live, flags;

	xslab_lock(cache, &flags);
	live = cache->objects.capacity - cache->objects.free;
	xslab_unlock(cache, flags);
	return live;
}

/* And by their live bytes, too, which slabs that leave are looked at for. */
static unsigned long count_surely_live(struct xslab_cache *cache)
{
	xslab_release_all(cache);
	return count_live(cache);
}

static void report_live(struct xslab_cache *cache, unsigned long live)
{
	unsigned long flags;
	void *objs[8];
	unsigned int i, nr;

	raw_spin_lock_irqsave(&cache->lock, flags);
	nr = find_live(cache, objs, ARRAY_SIZE(objs));
	xslab_unlock(cache, flags);

	pr_err("cache %s: not destroyed: %lu objects of %u bytes are live; it takes no allocations any more, and goes with the last of them\n",
	       cache->name, live, cache->object_size);
	for (i = 0; i < nr; i++) {
		unsigned long at = (unsigned long)objs[i], start = slab_start(cache, at);

		pr_err("cache %s: live: %p, object %u of the slab at page %lu\n", cache->name,
		       addr_of(cache, objs[i]), object_nr(&cache->fast.check, at - start),
		       xpool_page_index(cache->pool, slab_of(cache, start)));
	}
	if (live > nr)
		pr_err("cache %s: and %lu more\n", cache->name, live - nr);
}

/*
 * Caches that went after destroy was refused. Their clients may try to destroy them once
 * more, and must then not meet another cache at the same address.
 */
static LIST_HEAD(tombs);

/*
 * From now on nothing is allocated, everything that is freed goes to slabs, and no code of
 * the client is called. May sleep; not from the cache's own move callback.
 */
static void retire_cache(struct xslab_cache *cache)
{
	unsigned long flags;
	bool first;

	xslab_check_refs(cache);
	/* Another call may be in here too: each shuts the magazines before it sleeps. */
	xmag_shut(&cache->mag);
	raw_spin_lock_irqsave(&cache->lock, flags);
	first = !cache->state.retired;
	WRITE_ONCE(cache->state.retired, true);
	cache->reserve.nr = 0;
	WRITE_ONCE(cache->ctor, NULL);
	set_watermark(cache);
	xslab_unlock(cache, flags);
	xslab_move_set(cache, NULL, NULL);
	/* Constructors that run were called before the cache forgot its own. */
	smp_mb();	/* pairs with construct() in grow.c */
	while (atomic_read(&cache->nr_constructing))
		schedule_timeout_uninterruptible(1);
	if (first)
		xslab_queue_look(cache);	/* each task that leaves wakes the next */
	xslab_rcu_flush(cache->pool);
	synchronize_rcu_expedited();
	xmag_drain_closed(&cache->mag);
	if (!first)
		xmag_unshut(&cache->mag);	/* it stays shut by the first call */
}

/* All pages of slabs that objects hold are lost to the pool. */
static void lose_slabs(struct xslab_cache *cache)
{
	struct xpool *pool = cache->pool;
	unsigned long flags, pages;

	pages = xslab_detach_all(cache);
	raw_spin_lock_irqsave(&pool->lock, flags);
	pool->used.lost += pages;
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	pr_err("cache %s: given up: %lu pages are lost to pool %s until that is destroyed\n",
	       cache->name, pages, pool->name);
}

/* A claimed cache without live objects, or that is given up, goes. */
static void dispose_cache(struct xslab_cache *cache, bool was_refused)
{
	struct xpool *pool = cache->pool;

	/* As long as the cache is a client, those that gather see what it has. */
	xslab_release_all(cache);
	xslab_leave_wait(cache);
	/* No observer or other task looks at the cache after this. */
	raw_notifier_call_chain(&xobservers, XOBSERVE_CACHE_DEL, cache);
	xpool_listed_retire(&cache->listing.entry);
	xpool_del_holder(&cache->holder);
	xslab_release_all(cache);
	xslab_leave_wait(cache);
	if (cache->state.given_up) {
		lose_slabs(cache);
		/* Frees that have emptied slabs meanwhile give these to the pool. */
		synchronize_rcu_expedited();
		xslab_leave_wait(cache);
	}
	/*
	 * Clients may come back to free what was given up. No address is in the pool of a cache
	 * that is in its tomb: so nothing is looked at that goes, live bytes or the pool itself.
	 */
	WRITE_ONCE(cache->fast.bytes, 0);
	WRITE_ONCE(cache->fast.linear.mask, 0);	/* the first entry, which any table has */
	WRITE_ONCE(cache->pool, &xslab_gone);
	synchronize_rcu_expedited();	/* for those that found it by an address */
	if (cache->state.given_up)
		xslab_rcu_flush(cache->pool);	/* what they freed meanwhile is dropped */
	xslab_rcu_del_cache(cache);
	irq_work_sync(&cache->irq_work);
	cache->fast.linear = xpool_linear_nowhere;
	xslab_put_live(cache, pool);
	xmag_destroy(&cache->mag);
	xslab_put_magazines(cache, pool);
	xset_exit(&cache->torn.set);
	xset_exit(&cache->empty);
	/* The last step: the pool has no such cache any more, nor has the list. */
	mutex_lock(&xpool_registry);
	list_del(&cache->listing.entry.node);
	if (was_refused)
		list_add(&cache->listing.entry.node, &tombs);
	WRITE_ONCE(pool->listing.nr_users, pool->listing.nr_users - 1);
	mutex_unlock(&xpool_registry);
	if (!was_refused)
		xmeta_free(cache);
	xpool_reap_soon();	/* the pool may have waited for it, or be gone by now */
}

static int destroy_cache(struct xslab_cache *cache)
{
	/* Tasks that wait leave when it is retired, but may use its memory a moment longer. */
	int waiting = atomic_read(&cache->waiting.nr_callers);
	bool was_retired = cache->state.retired;
	unsigned long live;

	retire_cache(cache);
	live = count_surely_live(cache);
	waiting = max(waiting, atomic_read(&cache->waiting.nr_callers));
	if (!live && !waiting) {
		dispose_cache(cache, was_retired);
		return 0;
	}
	if (live)
		report_live(cache, live);
	else
		pr_err("cache %s: not destroyed: %d tasks wait for an object\n", cache->name,
		       waiting);
	atomic_long_inc(&cache->counts.errors);
	xpool_listed_unclaim(&cache->listing.entry);
	xpool_reap_soon();	/* the last may have been freed meanwhile */
	return -EBUSY;
}

/**
 * xslab_cache_destroy() - give all of a cache back to its pool
 * @cache: the cache, or NULL or an error pointer, which does nothing
 *
 * Where objects are live, or tasks wait for one, this is refused, and the log says how many
 * and lists the first of them. The cache is an orphan from then on: nothing is allocated
 * from it, and tasks that wait get NULL; constructor and move callback are forgotten, so
 * the client's module may be unloaded; frees go on, and it goes away by itself with its
 * last object. To destroy it may be tried again, also when it is gone by then. An operator
 * can give up an orphan of which nothing will be freed any more.
 *
 * Waits for a constructor or a move callback that is running, for what
 * xslab_cache_free_rcu() took back, and for slabs that must wait for a grace period.
 *
 * Context: Process context, may sleep; not from a shrinker, nor under rcu_read_lock(), and with
 * no lock held that a move callback or a shrinker takes. No other call uses the cache. From a
 * move callback only caches that are not being moved.
 * Return: 0; or with a line in the log -EBUSY where objects are live or tasks wait for one;
 * or, with nothing changed, -EDEADLK from a move callback of the cache, or of another one
 * while its own runs, and while the system reclaims memory.
 */
int xslab_cache_destroy(struct xslab_cache *cache)
{
	int err;

	if (IS_ERR_OR_NULL(cache))
		return 0;
	if (!xpool_may_come_and_go("cache", NULL))
		return -EDEADLK;
	err = xpool_listed_claim_in_turn(&xslab_list, &cache->listing.entry);
	if (err)
		return err == -ENOENT ? 0 : err;
	if (xslab_move_would_wait_for_itself(cache)) {
		xpool_listed_unclaim(&cache->listing.entry);
		return -EDEADLK;
	}
	err = destroy_cache(cache);
	if (!err)
		module_put(THIS_MODULE);
	return err;
}
EXPORT_SYMBOL_GPL(xslab_cache_destroy);

/*
 * Orphans
 */

/* The pool was destroyed, which was refused: its caches are orphans. */
void xslab_holder_retire(struct xholder *holder)
{
	retire_cache(of_holder(holder));
}

/*
 * An operator says that no client will free what is live of an orphan. The worker does it,
 * because the operator is in a file of the cache, which goes with it.
 */
int xslab_give_up(struct xslab_cache *cache)
{
	if (!READ_ONCE(cache->state.retired))
		return -EINVAL;
	WRITE_ONCE(cache->state.given_up, true);
	xpool_reap_soon();
	return 0;
}
EXPORT_SYMBOL_FOR_KUNIT(xslab_give_up);

void xslab_holder_give_up(struct xholder *holder)
{
	xslab_give_up(of_holder(holder));
}

static bool cache_is_over(struct xslab_cache *cache)
{
	return READ_ONCE(cache->state.retired) && !atomic_read(&cache->waiting.nr_callers) &&
	       (READ_ONCE(cache->state.given_up) || !count_live(cache));
}

/* A claimed orphan that can go; or NULL. */
static struct xslab_cache *claim_orphan_cache(void)
{
	struct xslab_cache *cache;

	for_each_cache(cache)
		if (cache_is_over(cache) &&
		    !xpool_listed_claim(&xslab_list, &cache->listing.entry)) {
			xpool_listed_unpin(&cache->listing.entry);
			return cache;
		}
	return NULL;
}

/* The worker: orphans whose last object was freed go, and then orphaned pools. */
static void reap_all(void)
{
	struct xslab_cache *cache;

	while ((cache = claim_orphan_cache())) {
		retire_cache(cache);
		if (!cache->state.given_up && count_surely_live(cache)) {
			xpool_listed_unclaim(&cache->listing.entry);
			continue;
		}
		if (!cache->state.given_up)
			pr_info("cache %s: its last object was freed; it goes\n", cache->name);
		dispose_cache(cache, true);
		module_put(THIS_MODULE);
	}
	while (xpool_reap_one())
		cond_resched();
}

void xslab_subsys_init(void)
{
	xpool_reaper = reap_all;
	xpool_flush = xslab_rcu_flush;
}

/* After the last cache. */
void xslab_subsys_exit(void)
{
	struct xslab_cache *cache, *next;

	xpool_reap_sync();
	list_for_each_entry_safe(cache, next, &tombs, listing.entry.node)
		xmeta_free(cache);
	xpool_exit_tombs();
}
