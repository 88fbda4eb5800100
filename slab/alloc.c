// SPDX-License-Identifier: GPL-2.0
/*
 * slab/alloc: objects that the fast path did not have
 *
 * A request is met from, in this order:
 *
 *	1. the CPU's magazines, then the depot, then partial and free slabs (xmag.c, fill.c)
 *	2. a new slab (grow.c)
 *	3. what no client of the pool holds, gathered (pool/gather.c), if the request may sleep
 *	4. what is freed later, if the request waits (wait.c)
 *
 * An object that comes from a magazine is marked live, or dropped if it cannot be; see check.c.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/export.h>
#include <linux/ratelimit.h>
#include <linux/string.h>

#include "slab.h"

/*
 * An object that is not marked live yet, or NULL. Where there is no new slab, the magazines are
 * asked once more: the pool has asked its holders for pages, which leaves objects free in
 * slabs.
 */
static void *alloc_raw(struct xslab_cache *cache, gfp_t gfp)
{
	void *obj = xmag_alloc_slow(&cache->mag);
	bool grown = true;

	while (unlikely(!obj) && grown) {
		grown = xslab_grow(cache, gfp, &obj);
		obj = obj ?: xmag_alloc_slow(&cache->mag);
	}
	return obj;
}

/*
 * Is this a client's error: the cache is an orphan, or none of its objects can be what @gfp asks
 * for? Says so, counts it.
 */
noinline bool xslab_refuse_alloc(struct xslab_cache *cache, gfp_t gfp)
{
	bool retired = READ_ONCE(cache->state.retired);

	if (retired)
		pr_err_ratelimited("cache %s: allocation after it was destroyed\n", cache->name);
	else if (gfp & __GFP_ZERO && cache->ctor)
		pr_err_ratelimited("cache %s: __GFP_ZERO would undo the constructor\n",
				   cache->name);
	else if (!xpool_gfp_refused(cache->pool, gfp, XGFP_ZONES))
		return false;
	atomic_long_inc(&cache->counts.errors);
	if (!retired)
		atomic_long_inc(&cache->counts.failures);
	return true;
}

/* An object of the client's, or NULL. */
void *xslab_alloc_marked(struct xslab_cache *cache, gfp_t gfp)
{
	void *obj;

	do {
		obj = alloc_raw(cache, gfp);
	} while (obj && unlikely(!xslab_mark_live(cache, obj)));
	return obj;
}

/*
 * For a request that may not sleep: have what a move keeps back, which may serve it; or have a
 * worker gather, and return false.
 */
bool xslab_help_atomic(struct xslab_cache *cache, gfp_t gfp)
{
	if (!in_nmi() && xslab_move_give_back(cache))
		return true;
	xpool_gather_soon(cache->pool);
	if (gfp & __GFP_NOFAIL && !xpool_has_context(gfp, "cache", cache->name))
		atomic_long_inc(&cache->counts.errors);
	return false;
}

/* From all that no client holds. May sleep. */
static void *alloc_one_gathered(struct xslab_cache *cache, gfp_t gfp)
{
	struct xpool *pool = cache->pool;
	struct xgathering g;
	void *obj = NULL;

	xpool_gather_begin(&g, pool);
	while (!READ_ONCE(cache->state.retired) &&
	       !(obj = xslab_alloc_marked(cache, gfp & ~__GFP_DIRECT_RECLAIM)) &&
	       xpool_gather_again(&g))
		xslab_move_give_back(cache);
	xpool_gather_end(&g);
	/* A pool that grows may wait for the system. */
	if (!obj && pool->grow && !READ_ONCE(cache->state.retired))
		obj = xslab_alloc_marked(cache, gfp);
	return obj;
}

/*
 * No object is free at hand. Gather what no client holds; if there is no object in that either,
 * wait for one. Of a cache with XSLAB_WAIT, or with __GFP_NOFAIL, that may be one that a client
 * holds. Other requests wait only while objects wait for a grace period: another request may take
 * each of these first.
 */
static void *alloc_gather_or_wait(struct xslab_cache *cache, gfp_t gfp)
{
	bool for_clients = cache->flags & XSLAB_WAIT || gfp & __GFP_NOFAIL;
	bool wait = for_clients || xslab_rcu_waits(cache);
	void *obj;

	atomic_inc(&cache->waiting.nr_callers);
	obj = alloc_one_gathered(cache, gfp);
	if (!obj && (wait || xslab_rcu_waits(cache))) {
		do {
			obj = xslab_wait_for_object(cache, gfp, for_clients);
		} while (obj && unlikely(!xslab_mark_live(cache, obj)));
	}
	xslab_wait_end(cache);
	return obj;
}

static noinline void *alloc_last(struct xslab_cache *cache, gfp_t gfp)
{
	if (gfpflags_allow_blocking(gfp))
		return alloc_gather_or_wait(cache, gfp);
	if (!xslab_help_atomic(cache, gfp) || READ_ONCE(cache->state.retired))
		return NULL;
	return xslab_alloc_marked(cache, gfp);
}

/*
 * What the fast path leaves to others
 */

/* The loaded magazine could not serve. Begins with preemption off. */
noinline void *xslab_alloc_missed(struct xslab_cache *cache, gfp_t gfp)
{
	void *obj;

	preempt_enable();
	if (unlikely(READ_ONCE(cache->state.retired)) && xslab_refuse_alloc(cache, gfp))
		return NULL;
	obj = xslab_alloc_marked(cache, gfp) ?: alloc_last(cache, gfp);
	if (unlikely(!obj)) {
		atomic_long_inc(&cache->counts.failures);
		return NULL;
	}
	obj = addr_of(cache, obj);
	tools_alloc(cache, obj, gfp);
	return obj;
}
EXPORT_SYMBOL_GPL(xslab_alloc_missed);

/*
 * The object came twice: the other time it was handed out, or put into its slab. Or its slab
 * is torn, which the fast path does not know where there are no live bytes. Begins with preemption
 * off.
 */
noinline void *xslab_alloc_again(struct xslab_cache *cache, void *at, gfp_t gfp)
{
	if (!xslab_mark_live(cache, at))
		return xslab_alloc_missed(cache, gfp);
	preempt_enable();
	return addr_of(cache, at);
}
EXPORT_SYMBOL_GPL(xslab_alloc_again);

/* There is more to do with the object than to hand it out, or it is not what is wanted. */
noinline void *xslab_alloc_special(struct xslab_cache *cache, gfp_t gfp)
{
	void *obj;

	if (xslab_refuse_alloc(cache, gfp))
		return NULL;
	obj = xslab_alloc_fast(cache, gfp & ~XSLAB_GFP_SPECIAL);
	return obj && gfp & __GFP_ZERO ? memset(obj, 0, cache->object_size) : obj;
}
EXPORT_SYMBOL_GPL(xslab_alloc_special);
