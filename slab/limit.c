// SPDX-License-Identifier: GPL-2.0
/*
 * slab/limit: limits of a cache
 *
 * hard bounds the pages of slabs. A slab is counted under the cache's lock before the pool is asked
 * for its pages, and counted off after the pool has them back. So at each instant the count is at
 * least the number of slabs that have pages, and to bound the count bounds these. A lower limit is
 * set under the same lock, and only if the count is not above it.
 *
 * cache bounds what no client uses: slabs without a live object, and what is in magazines. How much
 * that is cannot be counted while it changes, so the magazines count with their capacity. If the
 * limit is less, they are closed. What is left of it is for free slabs:
 *
 *	limit    0                  capacity of the magazines
 *	         |------------------|---------------------->
 *	magazines       closed      |        open
 *	free slabs      limit       |   limit - capacity
 *
 * A slab that becomes free beyond that leaves the cache's lists in the operation that freed its
 * last object, before the lock is given up. So no other CPU sees it on a list, though it may still
 * be on its way to the pool. The fast paths know of neither limit: where the limit is too low for
 * magazines these are closed, and slabs come and go on slow paths.
 *
 * What an NMI freed while the lock was taken counts when it is put where it belongs.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/export.h>

#include "slab.h"

void xslab_limit_init(struct xslab_cache *cache)
{
	mutex_init(&cache->limit.tuning);
	cache->limit.limits = (struct xslab_limits){ .hard = ULONG_MAX, .cache = ULONG_MAX };
	cache->limit.max_empty = ULONG_MAX;
	set_watermark(cache);
}

/* Returns by how many pages the cache is above @hard; 0: the limit is set. */
static unsigned long try_hard(struct xslab_cache *cache, unsigned long hard)
{
	unsigned long flags, pages;

	raw_spin_lock_irqsave(&cache->lock, flags);
	pages = (unsigned long)atomic_long_read(&cache->nr_slabs) << cache->order;
	if (pages <= hard)
		WRITE_ONCE(cache->limit.limits.hard, hard);
	xslab_unlock(cache, flags);
	return pages - min(pages, hard);
}

/* Like try_hard(), but what is merely kept is given back first, while no CPU can keep more. */
static unsigned long try_hard_collected(struct xslab_cache *cache, unsigned long hard)
{
	struct xgathering g;
	unsigned long over;

	xpool_gather_begin(&g, cache->pool);
	do {
		xslab_release_all(cache);
		xslab_leave_wait(cache);
		over = try_hard(cache, hard);
	} while (over && xpool_gather_again(&g));
	xpool_gather_end(&g);
	return over;
}

static int set_hard(struct xslab_cache *cache, unsigned long hard)
{
	unsigned long over = try_hard(cache, hard);

	if (over)
		over = try_hard_collected(cache, hard);
	if (!over)
		return 0;
	pr_err("cache %s: hard limit of %lu pages: %lu pages more hold live objects or the reserve; free some first\n",
	       cache->name, hard, over);
	return -EBUSY;
}

/* Pages of the slabs that as many objects need as magazines can hold. */
unsigned long xslab_magazine_pages(const struct xslab_cache *cache)
{
	if (!cache->magazine.size)
		return 0;
	return DIV_ROUND_UP(xmag_capacity(&cache->mag), cache->per_slab) << cache->order;
}

/*
 * The cache may keep less from now on: give back the free slabs that are too many, some at a time.
 * As many rounds as there are free slabs are enough: each operation that empties a slab meanwhile
 * looks itself whether that is one too many.
 */
void xslab_limit_apply(struct xslab_cache *cache)
{
	unsigned long most = READ_ONCE(cache->nr[XSLAB_FREE]) + 1, before, flags;

	do {
		cond_resched();
		xslab_lock(cache, &flags);
		before = has_excess(cache) ? cache->objects.capacity : 0;
		unlock_freed(cache, flags);
	} while (--most && READ_ONCE(cache->objects.capacity) < before);
}

/*
 * First what lowers: the magazines are closed before free slabs may have what these could keep, and
 * opened after free slabs have less.
 */
static void set_cache(struct xslab_cache *cache, unsigned long limit)
{
	unsigned long held = xslab_magazine_pages(cache), most = ULONG_MAX, flags;
	bool shut = limit < held;

	lockdep_assert_held(&cache->limit.tuning);
	WRITE_ONCE(cache->limit.limits.cache, limit);
	if (shut)
		xslab_set_closed(cache, &cache->limit.shut, true);
	if (limit != ULONG_MAX)
		most = (shut ? limit : limit - held) >> cache->order;
	raw_spin_lock_irqsave(&cache->lock, flags);
	cache->limit.max_empty = most;
	set_watermark(cache);
	xslab_unlock(cache, flags);
	xslab_limit_apply(cache);
	xslab_set_closed(cache, &cache->limit.shut, shut);
}

static int set_cache_limits(struct xslab_cache *cache, const struct xslab_limits *limits)
{
	int err = set_hard(cache, limits->hard);

	if (err)
		return err;
	set_cache(cache, limits->cache);
	xslab_queue_look(cache);
	return 0;
}

/**
 * xslab_cache_get_limits() - the limits of a cache
 * @cache: the cache
 * @limits: filled in, in pages; ULONG_MAX is no limit
 *
 * Context: Process context, may sleep.
 */
void xslab_cache_get_limits(struct xslab_cache *cache, struct xslab_limits *limits)
{
	mutex_lock(&cache->limit.tuning);
	*limits = cache->limit.limits;
	mutex_unlock(&cache->limit.tuning);
}
EXPORT_SYMBOL_GPL(xslab_cache_get_limits);

/**
 * xslab_cache_set_limits() - limit a cache, or no longer
 * @cache: the cache
 * @limits: in pages; ULONG_MAX is no limit
 *
 * Both hold when it returns, and at every instant from then on.
 *
 * Context: Process context, may sleep; with no lock held that a move callback takes. Others may
 * allocate and free meanwhile.
 * Return: 0; or -EBUSY with no limit changed and a line in the log, where live
 * objects and what xslab_cache_prefill() keeps are in more slabs than the new hard
 * limit allows; what was merely kept was given back then. -ENOENT: it was destroyed, and
 * has gone.
 */
int xslab_cache_set_limits(struct xslab_cache *cache, const struct xslab_limits *limits)
{
	int err;

	if (unlikely(is_gone(cache)))
		return -ENOENT;
	mutex_lock(&cache->limit.tuning);
	err = set_cache_limits(cache, limits);
	mutex_unlock(&cache->limit.tuning);
	return err;
}
EXPORT_SYMBOL_GPL(xslab_cache_set_limits);

/*
 * Change the limit at offset @field of struct xslab_limits, and no other: what another task
 * sets at the same time stays.
 */
int xslab_cache_set_limit(struct xslab_cache *cache, size_t field, unsigned long pages)
{
	struct xslab_limits limits;
	int err;

	mutex_lock(&cache->limit.tuning);
	limits = cache->limit.limits;
	*(unsigned long *)((void *)&limits + field) = pages;
	err = set_cache_limits(cache, &limits);
	mutex_unlock(&cache->limit.tuning);
	return err;
}
EXPORT_SYMBOL_FOR_KUNIT(xslab_cache_set_limit);	/* for a test */
