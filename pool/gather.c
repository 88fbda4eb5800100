// SPDX-License-Identifier: GPL-2.0
/*
 * pool/gather: what no client holds, every client can have
 *
 * Concepts
 *
 * Free memory of a pool lies in more places than its buddy system: in the magazines of
 * pages and of all caches, on all CPUs, in their depots, in slabs without objects, and in idle
 * regions of heaps. That is what makes the common case fast, and it must not make a request fail.
 * So before a request that may sleep fails, or waits, everything that no client holds is brought
 * together in the buddy system and in partial slabs:
 *
 *	close	the magazines of all holders (struct xholder) are shut, also of those that
 *		come meanwhile
 *	wait	for one grace period, which serves all holders
 *	drain	magazines and depots are emptied into slabs and pool, free slabs and
 *		the blocks that were freed last go to the pool; from now on caches
 *		keep no empty slabs, but for a reserve and those of typesafe caches
 *	take	what the request wants; and again after a grace period: what others were
 *		just giving back is there then
 *	open	the magazines
 *
 * Were they opened before the request takes, other tasks, which hold next to nothing, could
 * fill them again with all that was brought together.
 *
 * A request is served by a gathering that began after it did. gather.mutex lets one be under way,
 * and requests that wait meanwhile share the next. That begins when all that share the last one
 * have taken, and the last of them has opened the magazines: so requests that follow one another
 * do not keep these shut for ever.
 *
 * A request for many, or a prefill, takes what it can, and gives it back if that is not all. Those
 * that gather do so one at a time. Another request's try meanwhile does not count: what it missed
 * will be there again. Such a request is counted where it begins, if it may sleep; otherwise where
 * it gives back, under rcu_read_lock(), so that it is counted after a grace period.
 *
 * A request that may not sleep takes what its CPU's magazines, the depots and free slabs
 * have (xpool_ask_holders()). If it fails, a worker gathers at once, if there is anything,
 * so that the same request succeeds a moment later. drain_all_pages() of the system's page
 * allocator is the same idea.
 *
 * Objects are not moved for it: that calls clients, which may wait for locks that the
 * request's client holds.
 *
 * Locks: gather.mutex of the pool, see base/base.h. Holders are pinned from close
 * to open, so one that goes waits for that, or for the next gathering, which opens it. While
 * they are shut a request neither sleeps, except for gather.mutex and grace periods, nor has
 * the system reclaim.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/ratelimit.h>
#include <linux/rcupdate.h>
#include <linux/workqueue.h>

#include "pool.h"

/* Does work for requests that wait for memory, so it must not wait for a new thread. */
static struct workqueue_struct *gather_queue;

#define XGATHER_SAY	(10 * HZ)	/* between two lines of a request that waits */
#define XGATHER_TRIES	2		/* to take what others hold for an instant, */
#define XGATHER_MOST	30		/* and with those that do not count */

/* Pages that the magazines of all holders keep now. Any context but NMI. */
unsigned long xpool_in_magazines(struct xpool *pool)
{
	unsigned long pages = 0;
	struct xholder *holder;

	rcu_read_lock();
	list_for_each_entry_rcu(holder, &pool->holders, entry.node)
		pages += holder->in_magazines(holder);
	rcu_read_unlock();
	return pages;
}

/* Shut the magazines of all holders, or open them; one that is about to go is never shut. */
static void set_all_gathered(struct xpool *pool, bool gathered)
{
	struct xholder *holder;

	list_for_each_entry(holder, &pool->holders, entry.node)
		xpool_set_gathered(holder, gathered && !holder->entry.going);
}

/*
 * The next holder of those that are shut, after @last; one that is about to go, too. They stay on
 * the list.
 */
static struct xholder *next_gathered(struct xpool *pool, struct xholder *last)
{
	struct xholder *holder = last ?: list_entry(&pool->holders, struct xholder, entry.node);

	mutex_lock(&xpool_registry);
	do {
		holder = list_next_entry(holder, entry.node);
	} while (&holder->entry.node != &pool->holders && !holder->gathered);
	mutex_unlock(&xpool_registry);
	return &holder->entry.node != &pool->holders ? holder : NULL;
}

static unsigned long drain_all(struct xpool *pool)
{
	struct xholder *holder = NULL;
	unsigned long pages = 0;

	while ((holder = next_gathered(pool, holder))) {
		pages += holder->drain(holder);
		cond_resched();
	}
	return pages + xpool_drain_idle(pool);
}

/* Have all taken that share the last gathering? True until the next begins. */
static bool all_have_taken(const struct xpool *pool)
{
	return !READ_ONCE(pool->gather.nr_users[(READ_ONCE(pool->gather.nr) - 1) & 1]);
}

/* The next gathering, which requests share that came before it. Returns the pages. */
static unsigned long gather(struct xpool *pool)
{
	unsigned long pages;

	lockdep_assert_held(&pool->gather.mutex);
	mutex_lock(&xpool_registry);
	WRITE_ONCE(pool->gather.nr, pool->gather.nr + 1);
	mutex_unlock(&xpool_registry);
	wake_up_all(&pool->gather.over);
	xpool_flush(pool);
	mutex_lock(&xpool_registry);
	set_all_gathered(pool, true);
	mutex_unlock(&xpool_registry);
	synchronize_rcu_expedited();
	pages = drain_all(pool);
	WRITE_ONCE(pool->gather.release_empty, true);
	return pages;
}

/**
 * xpool_gather_begin() - bring together what no client holds
 * @g: the request, for the calls below
 * @pool: the pool
 *
 * A gathering that begins after this was called is over when it returns. Then nothing is kept
 * in magazines or empty slabs until xpool_gather_end(); until that the caller may take, but
 * not sleep nor have the system reclaim.
 *
 * Context: Process context, may sleep; also with locks of clients held, and while the
 * system reclaims.
 * Return: pages that this call gave back to the pool; another call may have done the work.
 */
unsigned long xpool_gather_begin(struct xgathering *g, struct xpool *pool)
{
	unsigned long pages = 0;

	might_sleep();
	mutex_lock(&xpool_registry);
	*g = (struct xgathering){ .pool = pool, .begun = pool->gather.nr };
	pool->gather.nr_users[g->begun & 1]++;
	mutex_unlock(&xpool_registry);
	wait_event(pool->gather.over,
		   READ_ONCE(pool->gather.nr) != g->begun || all_have_taken(pool));
	mutex_lock(&pool->gather.mutex);
	if (pool->gather.nr == g->begun)
		pages = gather(pool);
	mutex_unlock(&pool->gather.mutex);
	g->parts_ended = atomic_read(&pool->gather.parts_ended);
	return pages;
}
EXPORT_SYMBOL_FOR_KUNIT(xpool_gather_begin);

/*
 * The caller could not take what it wants. Returns true if it should try once more, as what
 * others were just giving back is there now.
 */
bool xpool_gather_again(struct xgathering *g)
{
	atomic_t *begun = &g->pool->gather.parts_begun, *ended = &g->pool->gather.parts_ended;
	bool alone;
	int nr;

	if (++g->all_tries > XGATHER_MOST)
		return false;
	synchronize_rcu_expedited();
	alone = atomic_read(begun) == g->parts_ended;
	if ((alone || g->is_bulk) && ++g->tries > XGATHER_TRIES)
		return false;
	nr = atomic_read(ended);
	if (!alone && !g->is_bulk)
		wait_event_timeout(g->pool->gather.over, atomic_read(begun) == nr ||
				   atomic_read(ended) != nr, XPOOL_LOOK);
	g->parts_ended = atomic_read(ended);
	return true;
}

/* A request that may sleep takes a part of what it wants, and may give it back. */
void xpool_gather_begin_part(struct xpool *pool)
{
	atomic_inc(&pool->gather.parts_begun);
}

void xpool_gather_end_part(struct xpool *pool)
{
	smp_mb__before_atomic();	/* it is there again when this is counted */
	atomic_inc(&pool->gather.parts_ended);
	wake_up_all(&pool->gather.over);
}

/* One that does not sleep gives back now. Under rcu_read_lock(), in any context. */
void xpool_gather_note_part(struct xpool *pool)
{
	atomic_inc(&pool->gather.parts_begun);
	atomic_inc(&pool->gather.parts_ended);
}

/* The request will take many or none, alone of its kind. For each try; ends with the next. */
void xpool_gather_begin_bulk(struct xgathering *g)
{
	g->is_bulk = true;
	wait_event(g->pool->gather.over, !xchg(&g->pool->gather.in_bulk, true));
}

void xpool_gather_end_bulk(struct xgathering *g)
{
	smp_store_release(&g->pool->gather.in_bulk, false);	/* pairs with the xchg() */
	wake_up_all(&g->pool->gather.over);
}

/* The last of those that share a gathering opens the magazines. */
void xpool_gather_end(struct xgathering *g)
{
	struct xpool *pool = g->pool;

	mutex_lock(&xpool_registry);
	WRITE_ONCE(pool->gather.nr_users[g->begun & 1], pool->gather.nr_users[g->begun & 1] - 1);
	if (all_have_taken(pool)) {
		WRITE_ONCE(pool->gather.release_empty, false);
		set_all_gathered(pool, false);
		wake_up_all(&pool->gather.over);
	}
	mutex_unlock(&xpool_registry);
}
EXPORT_SYMBOL_FOR_KUNIT(xpool_gather_end);

/* Bring together what no client holds, for what comes later. As xpool_gather_begin(). */
unsigned long xpool_gather(struct xpool *pool)
{
	struct xgathering g;
	unsigned long pages = xpool_gather_begin(&g, pool);

	xpool_gather_end(&g);
	synchronize_rcu_expedited();	/* what others were just giving back is there then */
	return pages;
}

static void gather_work(struct work_struct *work)
{
	struct xpool *pool = container_of(work, struct xpool, gather.work);

	/* Is there anything to gather, as far as can be seen without disturbing a CPU? */
	if (xpool_in_magazines(pool) || atomic_long_read(&pool->cached) > 0 ||
	    READ_ONCE(pool->last_freed.nr_pages) || xpool_defer_waits(&pool->deferred))
		xpool_gather(pool);
}

static void start_gathering(struct irq_work *soon)
{
	struct xpool *pool = container_of(soon, struct xpool, gather.soon);

	queue_work(gather_queue, &pool->gather.work);
}

/* A request that may not sleep failed: have a worker gather. Any context, any locks held. */
void xpool_gather_soon(struct xpool *pool)
{
	if (!READ_ONCE(pool->state.retired))
		irq_work_queue(&pool->gather.soon);
}

/*
 * Requests that wait
 */

/* May a request with these flags wait without end? If not, that is a client's error. */
bool xpool_has_context(gfp_t gfp, const char *what, const char *name)
{
	if (gfp & __GFP_DIRECT_RECLAIM)
		return true;
	pr_err_ratelimited("%s %s: __GFP_NOFAIL without __GFP_DIRECT_RECLAIM: it cannot wait\n",
			   what, name);
	return false;
}

/* Say now and then that a request waits; *@said is when this was said last, first jiffies. */
void xpool_say_waiting(unsigned long *said, const char *what, const char *name)
{
	if (time_before(jiffies, *said + XGATHER_SAY))
		return;
	*said = jiffies;
	pr_warn("%s %s: %s waits for memory with __GFP_NOFAIL, since 10 s or longer\n", what,
		name, current->comm);
}

/*
 * Bring-up and tear-down
 */

void xpool_gather_init(struct xpool *pool)
{
	mutex_init(&pool->gather.mutex);
	init_waitqueue_head(&pool->gather.over);
	init_irq_work(&pool->gather.soon, start_gathering);
	INIT_WORK(&pool->gather.work, gather_work);
}

/* No request of the pool is under way any more. */
void xpool_gather_exit(struct xpool *pool)
{
	irq_work_sync(&pool->gather.soon);
	cancel_work_sync(&pool->gather.work);
}

int xpool_gather_subsys_init(void)
{
	gather_queue = alloc_workqueue("xalloc_gather", WQ_UNBOUND | WQ_HIGHPRI | WQ_MEM_RECLAIM,
				       0);
	return gather_queue ? 0 : -ENOMEM;
}

void xpool_gather_subsys_exit(void)
{
	destroy_workqueue(gather_queue);
}
