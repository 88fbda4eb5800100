// SPDX-License-Identifier: GPL-2.0
/*
 * slab/wait: a task waits for an object
 *
 * An allocation from a cache made with XSLAB_WAIT, if it may sleep, does so until there is an
 * object. Tasks that wait stand in a queue (queue.c). While a task waits
 *
 *	the magazines are closed, so that every free comes to the slabs, and
 *	no object is free in slabs whenever the cache's lock is free.
 *
 * The second follows from unlock_freed(), by which every CPU unlocks that made something free: it
 * serves the queue first. So no CPU can come in between and take what a task waits for, and the
 * order is that of the queue.
 *
 * A task that waits also asks the pool for a slab, when it comes and when it is told to look:
 * because blocks went back to the pool's buddy system, because a limit was raised, or because
 * another task that waited left, so there may be room for the next one. What clients of the pool
 * free into magazines gives no sign, which is what makes it fast; a look at every tenth of a second
 * finds that, and has it gathered (pool/gather.c).
 *
 * Requests to other caches that may sleep wait too where nothing is left but objects that wait for
 * a grace period (rcu.c), until there are no such objects.
 *
 * A client may destroy a cache while tasks wait for an object of it, because it cannot know that.
 * So requests that may wait are counted from before their first gathering until they are through
 * (nr_callers), and a cache that has some when it is destroyed becomes an orphan, which goes after
 * the last of them.
 */
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "slab.h"

/* What could not be done where it was found: from NMI, or with locks held. */
static void cache_irq_work(struct irq_work *work)
{
	struct xslab_cache *cache = container_of(work, struct xslab_cache, irq_work);
	unsigned long flags;

	/* What an NMI freed may be what a task waits for. */
	xslab_lock(cache, &flags);
	unlock_freed(cache, flags);
	xslab_print_lost(cache);
	xslab_queue_wake_served(cache);
	xslab_queue_look(cache);
	xslab_leave_start(cache);
}

void xslab_wait_init(struct xslab_cache *cache)
{
	INIT_LIST_HEAD(&cache->waiting.list);
	INIT_LIST_HEAD(&cache->waiting.served);
	init_irq_work(&cache->irq_work, cache_irq_work);
}

/*
 * A request that may wait, which nr_callers counts, is through with the cache. The last of them
 * may be what an orphan waited for.
 */
void xslab_wait_end(struct xslab_cache *cache)
{
	rcu_read_lock();	/* the cache that goes waits for a grace period after the count */
	if (atomic_dec_and_test(&cache->waiting.nr_callers) && READ_ONCE(cache->state.retired))
		xpool_reap_soon();
	rcu_read_unlock();
}

/* What is free now is for tasks that came first; the magazines are emptied after it. */
static void queue_up(struct xslab_cache *cache, struct xwaiter *waiter)
{
	unsigned long flags;

	atomic_inc(&cache->pool->waiting.nr);
	xslab_lock(cache, &flags);
	list_add_tail(&waiter->node, &cache->waiting.list);
	xslab_queue_count(cache, 1);
	unlock_freed(cache, flags);
	if (atomic_inc_return(&cache->waiting.nr_sleepers) == 1)
		xmag_set_closed(&cache->mag, true);
}

/* Returns what it was handed. The next one may find room that this one left. */
static void *stop_waiting(struct xslab_cache *cache, struct xwaiter *waiter)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&cache->lock, flags);
	if (!waiter->obj)
		xslab_queue_count(cache, -1);
	list_del(&waiter->node);
	xslab_unlock(cache, flags);
	xslab_queue_look(cache);
	if (atomic_dec_and_test(&cache->waiting.nr_sleepers))
		xmag_set_closed(&cache->mag, false);
	atomic_dec(&cache->pool->waiting.nr);
	return waiter->obj;
}

/* Is there no reason to wait any more? */
static bool is_over(const struct xslab_cache *cache, const struct xwaiter *waiter)
{
	return READ_ONCE(waiter->obj) || READ_ONCE(cache->state.retired) ||
	       (!waiter->nofail && fatal_signal_pending(current));
}

static void sleep(const struct xslab_cache *cache, struct xwaiter *waiter)
{
	set_current_state(waiter->nofail ? TASK_UNINTERRUPTIBLE : TASK_KILLABLE);
	if (!is_over(cache, waiter) && !READ_ONCE(waiter->look))
		schedule_timeout(XPOOL_LOOK);
	__set_current_state(TASK_RUNNING);
}

/*
 * More may be free by now: a slab of the pool, or what is kept by others. Returns false if
 * nothing is; then the task may sleep.
 */
static bool find_more(struct xslab_cache *cache, struct xwaiter *waiter, gfp_t gfp)
{
	struct xgathering g;
	bool more;

	if (xslab_grow(cache, gfp, NULL))
		return true;
	if (!waiter->for_grace && !xpool_in_magazines(cache->pool) && !xslab_move_give_back(cache))
		return false;
	xpool_gather_begin(&g, cache->pool);
	more = READ_ONCE(waiter->obj) || xslab_grow(cache, gfp & ~__GFP_DIRECT_RECLAIM, NULL);
	xpool_gather_end(&g);
	/* What other caches gave back while magazines were shut is looked at here, not again. */
	WRITE_ONCE(waiter->look, false);
	return more || xslab_grow(cache, gfp, NULL);
}

/*
 * An object that is not marked live yet, after those that came before have theirs; or
 * NULL, when the task is killed or the cache destroyed, or, without @for_clients, where no
 * object waits for a grace period: then only clients hold some.
 */
void *xslab_wait_for_object(struct xslab_cache *cache, gfp_t gfp, bool for_clients)
{
	struct xwaiter waiter = {
		.task = current, .nofail = gfp & __GFP_NOFAIL,
		.for_grace = !for_clients,
	};
	unsigned long said = jiffies;

	might_sleep();
	queue_up(cache, &waiter);
	while (!is_over(cache, &waiter)) {
		bool is_last = waiter.for_grace && !xslab_rcu_waits(cache);

		WRITE_ONCE(waiter.look, false);
		/* Pairs with unlock_after_put() of the pool: it knows that a task sleeps. */
		if (!find_more(cache, &waiter, gfp)) {
			if (is_last)
				break;
			sleep(cache, &waiter);
		}
		if (waiter.nofail)
			xpool_say_waiting(&said, "cache", cache->name);
	}
	if (stop_waiting(cache, &waiter))
		this_cpu_inc(cache->mag.slow->allocs);
	return waiter.obj;
}
