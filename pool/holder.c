// SPDX-License-Identifier: GPL-2.0
/*
 * pool/holder: the holders of a pool's pages come and go, and so do orphans
 *
 * A worker, the reaper, disposes of pools and caches that were destroyed while they were in use,
 * once they are not.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/sched.h>

#include "page.h"

#define XPOOL_NAMED	8U	/* of each kind, where the log says what is in use */

LIST_HEAD(xpool_list);
RAW_NOTIFIER_HEAD(xobservers);

/* Have the magazines of this holder shut, or not; it is pinned for as long. */
void xpool_set_gathered(struct xholder *holder, bool gathered)
{
	lockdep_assert_held(&xpool_registry);
	if (holder->gathered == gathered)
		return;
	WRITE_ONCE(holder->gathered, gathered);
	if (gathered) {
		holder->entry.pins++;
		holder->close(holder);
	} else {
		holder->open(holder);
		xpool_listed_unpin_locked(&holder->entry);
	}
}

/* Something is made in the pool, which stays until xpool_leave(). Returns false: it is going. */
bool xpool_enter(struct xpool *pool)
{
	const struct xlisted *entry = &pool->listing.entry;
	bool may;

	mutex_lock(&xpool_registry);
	may = xpool_listed_is_on(&xpool_list, entry) && !entry->going && !entry->dying &&
	      !pool->state.retired;
	pool->listing.nr_users += may;
	mutex_unlock(&xpool_registry);
	return may;
}

/* The pool may have waited for it, or be gone when this returns. */
void xpool_leave(struct xpool *pool)
{
	mutex_lock(&xpool_registry);
	WRITE_ONCE(pool->listing.nr_users, pool->listing.nr_users - 1);
	mutex_unlock(&xpool_registry);
	xpool_reap_soon();
}

/* One that comes while the holder of pages is shut, as all are, is shut too. */
void xpool_add_holder(struct xpool *pool, struct xholder *holder)
{
	mutex_lock(&xpool_registry);
	list_add_tail_rcu(&holder->entry.node, &pool->holders);
	xpool_set_gathered(holder, pool->mags->holder.gathered);
	mutex_unlock(&xpool_registry);
}

/* It is off the list, and no CPU looks at it through the list any more. May sleep. */
void xpool_del_holder(struct xholder *holder)
{
	xpool_listed_retire(&holder->entry);
	mutex_lock(&xpool_registry);
	list_del_rcu(&holder->entry.node);
	mutex_unlock(&xpool_registry);
	synchronize_rcu_expedited();
}

void (*xpool_flush)(struct xpool *pool);

/*
 * Pools and caches that were left behind by their clients go by themselves when the last
 * thing of theirs is free. The caller that frees it may hold any lock, so a worker does it.
 */
void (*xpool_reaper)(void);

static void reap(struct work_struct *work)
{
	xpool_reaper();
}

static DECLARE_WORK(reap_work, reap);

static void start_reaping(struct irq_work *soon)
{
	/* Not for requests that wait: it waits for workers that wait for the system's memory. */
	schedule_work(&reap_work);
}

static DEFINE_IRQ_WORK(reap_soon, start_reaping);

/* Any context, any locks held. */
void xpool_reap_soon(void)
{
	irq_work_queue(&reap_soon);
}

/* What was asked for so far is done. */
void xpool_reap_sync(void)
{
	irq_work_sync(&reap_soon);
	flush_work(&reap_work);
}

/*
 * May something be created or destroyed here? That takes locks of the system, of CPU
 * hotplug and of per-CPU memory, which are held while the system allocates: not where the
 * system reclaims memory for an allocation.
 */
bool xpool_may_come_and_go(const char *what, const char *name)
{
	if (likely(!(current->flags & PF_MEMALLOC)))
		return true;
	pr_err_ratelimited("%s %s: cannot be created or destroyed while the system reclaims memory\n",
			   what, name ?: "?");
	return false;
}

/* The first page number from @at on that is a client's, or @end. */
static unsigned long next_live(const struct xpool *pool, unsigned long at, unsigned long end)
{
	for (; at < end && READ_ONCE(pool->pages[at].kind) != XPAGE_LIVE; at++)
		if (!(at % XPOOL_LARGEST_PAGES))
			cond_resched();
	return at;
}

/* Where the blocks end that begin at @at, which is a client's, and follow one another. */
static unsigned long end_of_held(const struct xpool *pool, unsigned long at, unsigned long end)
{
	while (at < end && READ_ONCE(pool->pages[at].kind) == XPAGE_LIVE)
		at += 1UL << READ_ONCE(pool->pages[at].order);
	return at;
}

/* Say in the log what was made in the pool, and where clients' pages lie: the first of each. */
void xpool_name_users(struct xpool *pool)
{
	unsigned int left = XPOOL_NAMED;
	struct xholder *holder;
	unsigned long r;

	for_each_holder(holder, pool)
		if (holder->kind && left) {
			pr_err("pool %s: %s %s lives in it\n", pool->name, holder->kind,
			       holder->name);
			left--;
		}
	for (r = 0, left = XPOOL_NAMED; left && r < READ_ONCE(pool->nr_regions); r++) {
		unsigned long at = pool->regions[r].index, end = at + pool->regions[r].nr, to;

		for (; left && (at = next_live(pool, at, end)) < end; at = to, left--) {
			to = end_of_held(pool, at, end);
			pr_err("pool %s: pages %lu to %lu are held\n", pool->name, at, to - 1);
		}
	}
	if (!left)
		pr_err("pool %s: and more\n", pool->name);
}
