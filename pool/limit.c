// SPDX-License-Identifier: GPL-2.0
/*
 * pool/limit: what a pool may have and keep, set at run time
 *
 * The limits of what is in use, hard and reserve, are kept by get.c and blocks.c, in the same
 * moment as each block is taken. So setting them stores two numbers under the pool's lock. A hard
 * limit below what is in use is refused; what holders of its pages merely keep for later is
 * collected first, and does not count.
 *
 * The limit of what is cached bounds the sum of
 *
 *	magazines		of pages (pool/magazine.c) and of objects (slab/limit.c), and depots
 *	last freed		a block of each order, as it was (pool/put.c)
 *	slabs without objects	that caches keep (slab/release.c)
 *	empty regions		of pools that have grown (pool/grow.c)
 *	idle regions		of heaps (heap/holder.c)
 *
 * What the magazines of other CPUs hold at a given moment cannot be known without stopping
 * them. So magazines count with all that they could hold, and so do heaps. If that fits, it is
 * taken off the limit; else they are shut and hold nothing. What is left (idle_limit) bounds the
 * other three, which are counted exactly. A CPU that adds to one of these adds first, then looks
 * at the sum, and takes back what is over. Each does so behind a full barrier, so of two CPUs at
 * the same time at least one sees both additions.
 *
 * Magazines are shut, too, where they could hold more than half of what the hard
 * limit allows: pages that one CPU keeps are not there for another.
 *
 * Locks: limits change under the pool's mutex tuning, in process context. Objects are not
 * moved under it, because that calls clients.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/export.h>

#include "pool.h"

/*
 * Open the holders that may keep all that they could, or shut the others. Returns what the
 * former leave of the limit.
 */
static unsigned long shut_or_open(struct xpool *pool, bool open)
{
	unsigned long left = pool->limits.cache;
	struct xholder *holder;

	lockdep_assert_held(&pool->tuning);
	for_each_holder(holder, pool) {
		bool fit = holder->most <= min(left, pool->limits.hard / 2);

		if (fit && left != XPOOL_NO_LIMIT)
			left -= holder->most;
		if (fit == open)
			holder->shut(holder, !open);
	}
	return left;
}

/*
 * Make the limits that are set hold: no holder keeps more, then none has more. What is over is
 * given up, the cheapest first.
 */
static void apply_cache(struct xpool *pool)
{
	WRITE_ONCE(pool->idle_limit, shut_or_open(pool, false));
	smp_mb();	/* as in xpool_cached_count() */
	if (xpool_over_cache(pool) || pool->grow)
		xpool_drain_idle(pool);	/* and empty regions with it */
	if (xpool_over_cache(pool))
		xpool_collect_here(pool);
	shut_or_open(pool, true);
}

/* How many blocks of 2^@order pages the pool has when all is free and it has grown. */
unsigned long xpool_most_blocks(const struct xpool *pool, unsigned int order)
{
	unsigned long r, sum = 0;

	for (r = 0; r < pool->nr_regions; r++) {
		const struct xregion *region = &pool->regions[r];
		unsigned long nr = r < pool->nr_fixed ? region->nr : XPOOL_LARGEST_PAGES;
		unsigned long from = round_up(region->index, 1UL << order);
		unsigned long to = round_down(region->index + nr, 1UL << order);

		sum += to > from ? (to - from) >> order : 0;
	}
	return sum;
}

/*
 * Returns 0 if the limits are set; -EBUSY where *@over pages more than the hard limit are
 * in use; -EAGAIN where what is free does not make the reserve.
 */
static int try_limits(struct xpool *pool, const struct xpool_limits *limits,
		      unsigned long *over)
{
	unsigned long reserved[XBUDDY_NR_ORDERS], used, flags;
	unsigned int o;
	int err = 0;

	/* A reserve in blocks: of each order as many as it has room for, and the pool has. */
	for (o = 0; o < XBUDDY_NR_ORDERS; o++)
		reserved[o] = min(limits->reserve >> o, xpool_most_blocks(pool, o));
	raw_spin_lock_irqsave(&pool->lock, flags);
	used = xpool_used(pool);
	*over = used > limits->hard ? used - limits->hard : 0;
	if (*over) {
		err = -EBUSY;
	} else if (limits->reserve > pool->limits.reserve &&
		   (limits->hard - used < limits->reserve || !xpool_forms(pool, reserved))) {
		err = -EAGAIN;	/* one that becomes no larger need not be there */
	} else {
		memcpy(pool->reserved, reserved, sizeof(reserved));
		pool->limits = *limits;
	}
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	return err;
}

/* A holder has come: it must not keep what the limits that are set leave no room for. */
void xpool_admit_holder(struct xpool *pool)
{
	mutex_lock(&pool->tuning);
	apply_cache(pool);
	mutex_unlock(&pool->tuning);
}

static int check_limits(const struct xpool *pool, const struct xpool_limits *limits)
{
	unsigned long pages = min(pool->max_pages, limits->hard);

	if (limits->reserve <= pages)
		return 0;
	pr_err("pool %s: reserve=%lu: more than the %lu pages that can be had; reserve less\n",
	       pool->name, limits->reserve, pages);
	return -EINVAL;
}

#define ALL_LIMITS	SIZE_MAX

static unsigned long *limit_at(struct xpool_limits *limits, size_t field)
{
	return (void *)limits + field;
}

/*
 * Set the limits. @gather: also if they can hold only when nothing is kept for later. Otherwise
 * nothing is given back before.
 * @over: pages in use more than the hard limit allows.
 */
static int change_limits(struct xpool *pool, struct xpool_limits *limits, size_t field,
			 bool gather, unsigned long *over)
{
	struct xholder *holder;
	struct xgathering g;
	int err;

	mutex_lock(&pool->tuning);
	if (field != ALL_LIMITS) {
		/* The others are those that hold. */
		unsigned long pages = *limit_at(limits, field);

		*limits = pool->limits;
		*limit_at(limits, field) = pages;
	}
	err = check_limits(pool, limits);
	if (err)
		goto out;
	err = try_limits(pool, limits, over);
	if (err && gather) {
		/* Magazines are shut until it is decided. */
		for_each_holder(holder, pool)
			holder->shut(holder, true);
		xpool_gather_begin(&g, pool);
		do {
			xpool_ask_holders(pool);
			xpool_drain_idle(pool);
			err = try_limits(pool, limits, over);
		} while (err && xpool_gather_again(&g));
		xpool_gather_end(&g);
	}
	if (!err || gather)
		apply_cache(pool);	/* of the old limits if the new ones were refused */
out:
	mutex_unlock(&pool->tuning);
	return err;
}

/*
 * Like change_limits(), but with regions that come for the reserve; no lock is held for
 * these. They go again if that was in vain. Until then they stay, although more may be empty
 * than the limit of what is cached allows.
 */
static int change_limits_grown(struct xpool *pool, struct xpool_limits *limits, size_t field,
			       unsigned long *over)
{
	unsigned long most = pool->nr_regions, nr = 0;
	int err = -EAGAIN;

	atomic_inc(&pool->grow->nr_reserving);
	while (err == -EAGAIN && nr < most && xpool_grow_for_reserve(pool)) {
		nr++;
		err = change_limits(pool, limits, field, false, over);
	}
	if (err)
		xpool_trim(pool, nr * XPOOL_LARGEST_PAGES);
	atomic_dec(&pool->grow->nr_reserving);
	xpool_grow_trim(pool);
	return err;
}

static int set_pool_limits(struct xpool *pool, struct xpool_limits *limits, size_t field)
{
	unsigned long over = 0;
	int err;

	if (unlikely(xpool_is_gone(pool)))
		return -ENOENT;
	err = change_limits(pool, limits, field, true, &over);
	/* Objects that can be moved may lie in fewer pages; clients are called for it. */
	if (err == -EBUSY || err == -EAGAIN) {
		xpool_compact(pool);
		err = change_limits(pool, limits, field, true, &over);
	}
	if (err == -EAGAIN && pool->grow)
		err = change_limits_grown(pool, limits, field, &over);
	if (err == -EBUSY)
		pr_err("pool %s: hard=%lu: %lu pages more than that are in use; free them first\n",
		       pool->name, limits->hard, over);
	else if (err == -EAGAIN)
		pr_err("pool %s: reserve=%lu: what is free does not make blocks of that many pages now; free some first\n",
		       pool->name, limits->reserve);
	if (!err && pool->grow)
		xpool_grow_wake(pool);
	return err;
}

/*
 * Change the limit at offset @field of struct xpool_limits, and no other: what another
 * task sets at the same time stays.
 */
int xpool_set_limit(struct xpool *pool, size_t field, unsigned long pages)
{
	struct xpool_limits limits = { };

	*limit_at(&limits, field) = pages;
	return set_pool_limits(pool, &limits, field);
}
EXPORT_SYMBOL_FOR_KUNIT(xpool_set_limit);	/* for a test */

/**
 * xpool_set_limits() - say what a pool may have and keep
 * @pool: the pool
 * @limits: all of them, in pages; see struct xpool_limits
 *
 * When this returns they hold. What is kept for later and over a limit has been
 * given back by then.
 *
 * Context: Process context, may sleep. Others may allocate and free meanwhile. Also from
 * a shrinker and from a move callback. No lock may be held that a move callback takes.
 * Return: 0; or, with no limit changed and a line in the log: -EBUSY where more
 * pages are in use than the hard limit, -EINVAL where the reserve is more than the
 * pool or the hard limit can have, -EAGAIN where a reserve that is larger than before
 * cannot be made of what is free now, in blocks as large as it has room for, although
 * all that is kept was given back and the pool has grown as far as it can without waiting
 * for memory. -ENOENT: it was destroyed, and has gone.
 */
int xpool_set_limits(struct xpool *pool, const struct xpool_limits *limits)
{
	struct xpool_limits all = *limits;

	return set_pool_limits(pool, &all, ALL_LIMITS);
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
