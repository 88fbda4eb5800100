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
 * An object of a new slab, not marked live yet. Where there is no slab, the magazines are
 * asked once more: the pool has asked its clients for pages, which leaves objects free in
 * slabs.
 */
static noinline void *alloc_grown(struct xslab_cache *cache, gfp_t gfp)
{
	void *obj = NULL;
	bool grown;

	do {
		grown = xslab_grow(cache, gfp, &obj);
		obj = obj ?: xmag_alloc_slow(&cache->mag);
	} while (!obj && grown);
	return obj;
}

/* An object that is not marked live yet, or NULL. */
static void *alloc_raw(struct xslab_cache *cache, gfp_t gfp)
{
	void *obj = xmag_alloc_slow(&cache->mag);

	return likely(obj) ? obj : alloc_grown(cache, gfp);
}

/* Does @gfp ask for what no object of the cache can be? Says so, counts it. */
noinline bool xslab_refuse_gfp(struct xslab_cache *cache, gfp_t gfp)
{
	bool zero = gfp & __GFP_ZERO && cache->ctor;

	if (zero)
		pr_err_ratelimited("cache %s: __GFP_ZERO would undo the constructor\n",
				   cache->name);
	if (!zero && !xgfp_refused(cache->pool, gfp, XGFP_ZONES))
		return false;
	atomic_long_inc(&cache->counts.errors);
	atomic_long_inc(&cache->counts.failures);
	return true;
}

static noinline void *finish_special(struct xslab_cache *cache, void *at, gfp_t gfp)
{
	void *obj = addr_of(cache, at);

	if (unlikely(xslab_refuse_gfp(cache, gfp))) {
		xslab_free_fast(cache, obj);
		return NULL;
	}
	return gfp & __GFP_ZERO ? memset(obj, 0, cache->object_size) : obj;
}

/* An object of the client's, or NULL. */
void *xslab_alloc_marked(struct xslab_cache *cache, gfp_t gfp)
{
	void *obj = alloc_raw(cache, gfp);

	while (obj && unlikely(!xslab_mark_live(cache, obj))) {
		xslab_report_lost(cache, obj);
		obj = alloc_raw(cache, gfp);
	}
	return obj;
}

/* Bring together what no client holds, for the request. Returns false if a worker does it. */
bool xslab_gather(struct xslab_cache *cache, gfp_t gfp)
{
	if (gfpflags_allow_blocking(gfp)) {
		xpool_gather(cache->pool);
		return true;
	}
	if (!in_nmi() && xmove_give_back(cache))
		return true;
	xpool_gather_soon(cache->pool);
	if (gfp & __GFP_NOFAIL && !xpool_has_context(gfp, "cache", cache->name))
		atomic_long_inc(&cache->counts.errors);
	return false;
}

/*
 * No object is free at hand: take what others keep, and then wait for one, if the client
 * wants that; or if some wait for a grace period: other requests may take each of them first.
 */
static void *gather_or_wait(struct xslab_cache *cache, gfp_t gfp)
{
	bool wait = xwait_wanted(cache, gfp) || xrcu_waits(cache);
	void *obj = NULL;

	if (xslab_gather(cache, gfp) && likely(!READ_ONCE(cache->state.retired)))
		obj = xslab_alloc_marked(cache, gfp);
	if (obj)
		return obj;
	wait |= xrcu_waits(cache);
	while (wait && gfpflags_allow_blocking(gfp) && (obj = xwait_for_object(cache, gfp))) {
		if (likely(xslab_mark_live(cache, obj)))
			return obj;
		xslab_report_lost(cache, obj);
	}
	atomic_long_inc(&cache->counts.failures);
	return NULL;
}

/* Like gather_or_wait(), but a cache that is destroyed meanwhile stays until it is over. */
static noinline void *alloc_last(struct xslab_cache *cache, gfp_t gfp)
{
	void *obj;

	if (!gfpflags_allow_blocking(gfp))
		return gather_or_wait(cache, gfp);
	xwait_begin(cache);
	obj = gather_or_wait(cache, gfp);
	xwait_end(cache);
	return obj;
}

/* An object, marked live, of which the kernel's tools do not know yet; or NULL. */
void *xslab_alloc_any(struct xslab_cache *cache, gfp_t gfp)
{
	return xslab_alloc_marked(cache, gfp) ?: alloc_last(cache, gfp);
}

static void *alloc_told(struct xslab_cache *cache, gfp_t gfp)
{
	void *at = xslab_alloc_any(cache, gfp), *obj;

	if (unlikely(!at))
		return NULL;
	obj = addr_of(cache, at);
	if (xtools_watch(cache->tools))
		tell_alloc(cache, obj, gfp);
	return obj;
}

/* The request must not wait for an object that it cannot use. */
static noinline void *alloc_special(struct xslab_cache *cache, gfp_t gfp)
{
	void *obj;

	if (xslab_refuse_gfp(cache, gfp))
		return NULL;
	obj = alloc_told(cache, gfp);
	return obj && gfp & __GFP_ZERO ? memset(obj, 0, cache->object_size) : obj;
}

/* A client's error: the cache is an orphan. */
noinline void *xslab_refuse_alloc(struct xslab_cache *cache)
{
	atomic_long_inc(&cache->counts.errors);
	pr_err_ratelimited("cache %s: allocation after it was destroyed\n", cache->name);
	return NULL;
}

void *xslab_alloc_slow(struct xslab_cache *cache, gfp_t gfp)
{
	if (unlikely(READ_ONCE(cache->state.retired)))
		return xslab_refuse_alloc(cache);
	return unlikely(gfp & XSLAB_GFP_SPECIAL) ? alloc_special(cache, gfp) :
						   alloc_told(cache, gfp);
}

/*
 * What the fast path leaves to others, which begins with preemption off
 */

/* The loaded magazine could not serve. */
noinline void *xslab_alloc_missed(struct xslab_cache *cache, gfp_t gfp)
{
	preempt_enable();
	return xslab_alloc_slow(cache, gfp);
}
EXPORT_SYMBOL_GPL(xslab_alloc_missed);

/*
 * The object came twice: the other time it was handed out, or put into its slab. Or its slab
 * is torn, which the fast path does not know where there are no live bytes.
 */
noinline void *xslab_alloc_again(struct xslab_cache *cache, void *at, gfp_t gfp)
{
	bool good = !cache->checks.live && xslab_mark_live(cache, at);

	if (good && gfp & XSLAB_GFP_SPECIAL)
		return xslab_alloc_special(cache, at, gfp);
	preempt_enable();
	if (good)
		return addr_of(cache, at);
	xslab_report_lost(cache, at);
	return xslab_alloc_slow(cache, gfp);
}
EXPORT_SYMBOL_GPL(xslab_alloc_again);

/* There is more to do with the object than to hand it out, or it is not what is wanted. */
noinline void *xslab_alloc_special(struct xslab_cache *cache, void *at, gfp_t gfp)
{
	preempt_enable();
	return finish_special(cache, at, gfp);
}
EXPORT_SYMBOL_GPL(xslab_alloc_special);
