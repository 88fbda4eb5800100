// SPDX-License-Identifier: GPL-2.0
/*
 * xlimit: what a pool may have and keep, set at run time; and collection
 *
 * The limits of what is in use, hard and reserve, are kept by xpool.c, in the same
 * moment as each block is taken. So to set them is to store two numbers under the
 * pool's lock. A hard limit below what is in use is refused; what clients of the
 * pool merely keep for later is collected first, and does not count.
 *
 * The limit of what is cached bounds the sum of
 *
 *	page magazines		of all CPUs and depots (xpage.c)
 *	hot blocks		freed last, kept as they are (xpool.c)
 *	slabs without objects	that caches keep (xslab.c)
 *	empty regions		of pools that have grown (xgrow.c)
 *
 * Nobody can know at a given moment what the magazines of other CPUs hold without
 * stopping them. So magazines count with all that they could hold: either that
 * fits and is taken off the limit, or they are shut and hold nothing. What is left
 * (idle_limit) bounds the other three, which are counted exactly. Whoever adds to
 * one of these adds first, then looks at the sum, and takes back what is over; as
 * each does so behind a full barrier, of two at the same time at least one sees
 * both.
 *
 * Magazines are shut, too, where they could hold more than half of what the hard
 * limit allows: pages that one CPU keeps are not there for another.
 *
 * Locks: all of this runs under xpool_registry, in process context.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/export.h>

#include "internal.h"

/* Pages that are counted against idle_limit. */
unsigned long xpool_idle(const struct xpool *pool)
{
	long cached = max(atomic_long_read(&pool->cached), 0L);
	unsigned long idle = cached + READ_ONCE(pool->nr_hot_pages);

	return pool->grow ? idle + READ_ONCE(pool->grow->spare) : idle;
}

bool xpool_over_cache(const struct xpool *pool)
{
	unsigned long limit = READ_ONCE(pool->idle_limit);

	return limit != XPOOL_NO_LIMIT && xpool_idle(pool) > limit;
}

/*
 * @pages of a slab lost their last object, or (negative) get one, or go back to the
 * pool. True: that is more than the pool may keep, so give it back. Any context.
 */
bool xpool_cached_add(struct xpool *pool, long pages)
{
	atomic_long_add_return(pages, &pool->cached);	/* and a full barrier */
	if (unlikely(pool->grow))
		xgrow_trim(pool);
	return xpool_over_cache(pool);
}
EXPORT_SYMBOL_GPL(xpool_cached_add);

/*
 * Collection
 */

static void collect_client(struct xpool *pool, struct xclient *client, bool force)
{
	unsigned long got, all = 0;

	if (client->collect) {
		client->collect(client, force);
		return;
	}
	do {
		got = client->reclaim(client);
		all += got;
		cond_resched();
	} while (got && all < READ_ONCE(pool->nr_pages));	/* others may fill it */
}

static void collect_clients(struct xpool *pool, bool force)
{
	struct xclient *client;

	lockdep_assert_held(&xpool_registry);
	list_for_each_entry(client, &pool->clients, node)
		collect_client(pool, client, force);
	xpool_settle(pool);
}

/* xpool_collect(), for who holds xpool_registry. */
unsigned long xpool_collect_locked(struct xpool *pool, bool force)
{
	unsigned long before, after;

	lockdep_assert_held(&xpool_registry);
	xgrow_mark(pool);
	before = xpool_used(pool);
	collect_clients(pool, force);
	after = xpool_used(pool);
	return xgrow_return_all(pool) + (before > after ? before - after : 0);
}

/**
 * xpool_collect() - give back what no client holds
 * @pool: the pool
 * @force: also what only other CPUs reach
 *
 * Puts what is kept for later into whole blocks: depots, blocks that were freed
 * last, and slabs without objects of the pool's caches. With @force also what is
 * in the magazines of all CPUs. Then, of a pool that grows, all regions without a
 * page in use go back to the system; those of its initial size stay.
 *
 * Context: Process context, may sleep. Others may allocate and free meanwhile.
 * Return: pages that were in use before and are not any more, and pages that went
 * back to the system; those that did both count once. Exact when nobody else
 * allocates or frees.
 */
unsigned long xpool_collect(struct xpool *pool, bool force)
{
	unsigned long pages;

	mutex_lock(&xpool_registry);
	pages = xpool_collect_locked(pool, force);
	mutex_unlock(&xpool_registry);
	return pages;
}
EXPORT_SYMBOL_GPL(xpool_collect);

/*
 * Limits
 */

/* Give up what is over the limit of what is cached, the cheapest first. */
static void trim(struct xpool *pool)
{
	if (xpool_over_cache(pool) || pool->grow)
		xpool_settle(pool);	/* and empty regions with it */
	if (xpool_over_cache(pool))
		collect_clients(pool, false);
}

static bool fits(const struct xpool *pool, const struct xclient *client, unsigned long left)
{
	return client->most <= left && client->most <= pool->limits.hard / 2;
}

/*
 * Open the clients that may keep all that they could, or shut the others. Returns
 * what the former leave of the limit.
 */
static unsigned long settle_clients(struct xpool *pool, bool open)
{
	unsigned long left = pool->limits.cache;
	struct xclient *client;

	list_for_each_entry(client, &pool->clients, node) {
		bool fit = client->shut && fits(pool, client, left);

		if (fit && left != XPOOL_NO_LIMIT)
			left -= client->most;
		if (client->shut && fit == open)
			client->shut(client, !open);
	}
	return left;
}

/* Make the limits that are set hold: nobody keeps more, then nobody has more. */
static void apply_cache(struct xpool *pool)
{
	WRITE_ONCE(pool->idle_limit, settle_clients(pool, false));
	smp_mb();	/* as in xpool_cached_add() */
	trim(pool);
	settle_clients(pool, true);
}

/* Returns by how many pages more than the hard limit are in use, or 0: it is set. */
static unsigned long try_limits(struct xpool *pool, const struct xpool_limits *limits)
{
	unsigned long flags, over;

	raw_spin_lock_irqsave(&pool->lock, flags);
	over = xpool_used(pool) > limits->hard ? xpool_used(pool) - limits->hard : 0;
	if (!over)
		pool->limits = *limits;
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	return over;
}

/* The same with nothing kept for later: magazines are shut until it is decided. */
static unsigned long try_limits_hard(struct xpool *pool, const struct xpool_limits *limits)
{
	struct xclient *client;

	list_for_each_entry(client, &pool->clients, node)
		if (client->shut)
			client->shut(client, true);
	collect_clients(pool, true);
	return try_limits(pool, limits);
}

static int check_limits(const struct xpool *pool, const struct xpool_limits *limits)
{
	unsigned long pages = pool->grow ? pool->grow->max_pages : pool->nr_pages;

	if (limits->reserve <= min(pages, limits->hard))
		return 0;
	pr_err("pool %s: reserve=%lu: more than the %lu pages that can be had; reserve less\n",
	       pool->name, limits->reserve, min(pages, limits->hard));
	return -EINVAL;
}

static int set_limits(struct xpool *pool, const struct xpool_limits *limits)
{
	unsigned long over = try_limits(pool, limits);
	int err = 0;

	if (over)
		over = try_limits_hard(pool, limits);
	if (over) {
		pr_err("pool %s: hard=%lu: %lu pages more than that are in use; free them first\n",
		       pool->name, limits->hard, over);
		err = -EBUSY;
	}
	apply_cache(pool);	/* of the old limits if the new ones were refused */
	if (pool->grow)
		xgrow_wake(pool, false);
	return err;
}

/* xpool_set_limits(), for who holds xpool_registry. */
int xpool_set_limits_locked(struct xpool *pool, const struct xpool_limits *limits)
{
	lockdep_assert_held(&xpool_registry);
	return check_limits(pool, limits) ?: set_limits(pool, limits);
}

/**
 * xpool_set_limits() - say what a pool may have and keep
 * @pool: the pool
 * @limits: all of them, in pages; see struct xpool_limits
 *
 * When this returns they hold. What is kept for later and over a limit has been
 * given back by then.
 *
 * Context: Process context, may sleep. Others may allocate and free meanwhile.
 * Return: 0; or, with no limit changed and a line in the log: -EBUSY where more
 * pages are in use than the hard limit, -EINVAL where the reserve is more than the
 * pool or the hard limit can have.
 */
int xpool_set_limits(struct xpool *pool, const struct xpool_limits *limits)
{
	int err;

	mutex_lock(&xpool_registry);
	err = xpool_set_limits_locked(pool, limits);
	mutex_unlock(&xpool_registry);
	return err;
}
EXPORT_SYMBOL_GPL(xpool_set_limits);

/**
 * xpool_get_limits() - what a pool may have and keep
 * @pool: the pool
 * @limits: filled in
 *
 * Context: Any but NMI.
 */
void xpool_get_limits(struct xpool *pool, struct xpool_limits *limits)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&pool->lock, flags);
	*limits = pool->limits;
	raw_spin_unlock_irqrestore(&pool->lock, flags);
}
EXPORT_SYMBOL_GPL(xpool_get_limits);
