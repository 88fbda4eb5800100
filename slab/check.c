// SPDX-License-Identifier: GPL-2.0
/*
 * slab/check: is this pointer an object, and whose
 *
 * A free looks, before anything is changed, whether the pointer is in the pool, whether its slab
 * is of this cache, whether an object starts there, and whether that object is live. The first
 * three read two lines that are needed anyway. The last is a byte (pool/live.c), which says where
 * the object is:
 *
 *	0	free in its slab, or no object starts there
 *	1	live: a client has it
 *	tag	free in a magazine of the cache with this tag, or on the way
 *	253 ..	waits for a grace period (rcu.c)
 *
 * Each cache has a tag of its own among those that share a table (but for the last ones, if
 * there are more than 248). The change from one state to another is a load and a store:
 *
 *	   slab  -- fill: 0 to tag -->  magazine  -- alloc: tag to 1 -->  client
 *	   slab  <-- drain: tag to 0 -- magazine  <-- free: 1 to tag --   client
 *
 * and bulk operations past the magazines go from 0 to 1 and back. Two CPUs that free an
 * object at the same instant may both load a 1 and both be believed; then it lies in two
 * magazines. So what lies in a magazine is not trusted: an object that comes out of one, to
 * a client or to its slab, must have the cache's tag, and one that comes out of a slab must
 * have a 0. Otherwise it is somewhere else: this copy is dropped, counted and reported. When
 * it comes to its slab, under the lock, that slab must be the cache's, too; and a slab goes
 * to the pool only with all bytes 0, so the next owner finds them so.
 *
 * A free loads the byte before it looks at the owner of the slab. While the slab is the
 * cache's, the byte of a free object is not 1; once it is 1 because another cache has the
 * slab, that one is the owner already. So a stale pointer is refused although its slab
 * changes hands at that moment. From the load to the store preemption is off: only an
 * interrupt can come in between.
 *
 * A load and a store cannot tell apart two CPUs that also take the two copies out at the
 * same instant: then two clients have one object until one of them frees it.
 *
 * Without the table a double free is found when the object reaches its slab, where its bit
 * is set already, or which has another owner; and an object is handed out only if its slab
 * is the cache's still.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/irq_work.h>
#include <linux/ratelimit.h>

#include "slab.h"

/* Stands for the slab of an object whose cache has gone; it has no owner. */
struct xpage xslab_nowhere;

/* The pool of a cache that has gone. */
struct xpool xslab_gone = { .name = "(gone)", .linear = XLINEAR_NOWHERE };

/*
 * Note frees that were believed and should not have been; @at is the first of @nr. Any
 * context, whatever locks are held: the line in the log comes later.
 */
noinline void xslab_note_lost(struct xslab_cache *cache, void *at, unsigned int nr)
{
	atomic_long_add(nr, &cache->counts.errors);
	if (atomic_long_fetch_add(nr, &cache->late.nr))
		return;
	WRITE_ONCE(cache->late.first, at ? addr_of(cache, at) : NULL);
	irq_work_queue(&cache->irq_work);
}

/* Write that line. */
void xslab_print_lost(struct xslab_cache *cache)
{
	void *obj = READ_ONCE(cache->late.first);
	long nr = atomic_long_xchg(&cache->late.nr, 0);

	if (unlikely(nr))
		pr_err_ratelimited("cache %s: object %p was freed twice, found late; %ld such\n",
				   cache->name, obj, nr);
}

/*
 * Errors of clients
 */

/* Says what is known about a pointer into a slab of the cache that cannot be freed. */
static int diagnose_object(struct xslab_cache *cache, void *obj, unsigned long offset)
{
	unsigned long start = slab_start(cache, offset), page = start >> PAGE_SHIFT;
	u32 in = offset - start;

	if (in < cache->slack) {
		pr_err_ratelimited("cache %s: free of %p: is before the first object of the slab at page %lu\n",
				   cache->name, obj, page);
		return -EINVAL;
	}
	in -= cache->slack;
	if (in % cache->stride) {
		pr_err_ratelimited("cache %s: free of %p: is %u bytes into object %u of the slab at page %lu\n",
				   cache->name, obj, in % cache->stride, in / cache->stride,
				   page);
		return -EINVAL;
	}
	pr_err_ratelimited("cache %s: free of %p: object %u of the slab at page %lu is free already\n",
			   cache->name, obj, in / cache->stride, page);
	return -EALREADY;
}

/*
 * Says what is known about a pointer that cannot be freed, unless it is NULL. With preemption off
 * its page's owner stays.
 */
noinline int xslab_refuse_free(struct xslab_cache *cache, void *obj)
{
	unsigned long offset = xpool_offset(cache->pool, obj);
	struct xslab_cache *owner;

	lockdep_assert_preemption_disabled();
	if (!obj)
		return 0;
	atomic_long_inc(&cache->counts.errors);
	if (offset == XPOOL_FOREIGN) {
		pr_err_ratelimited("cache %s: free of %p: not in pool %s\n",
				   cache->name, obj, cache->pool->name);
		return -ERANGE;
	}
	owner = owner_of(&cache->pages[offset >> PAGE_SHIFT]);
	if (owner == cache)
		return diagnose_object(cache, obj, offset);
	if (owner)
		pr_err_ratelimited("cache %s: free of %p: is of cache %s\n",
				   cache->name, obj, owner->name);
	else
		pr_err_ratelimited("cache %s: free of %p: its page %lu is not in a slab\n",
				   cache->name, obj, offset >> PAGE_SHIFT);
	return -EINVAL;
}

/*
 * Change what the live byte of an object says, if there is one. Returns false, and notes it, if
 * it does not say @from, or the object's slab is not one of the cache any more.
 */
bool xslab_mark(struct xslab_cache *cache, void *at, u8 from, u8 to)
{
	const struct xslab_check *check = &cache->fast.check;
	unsigned long start = slab_start(cache, (unsigned long)at);
	struct xpage *slab = slab_of(cache, start);

	if (likely(owner_of(slab) == cache) &&
	    xslab_tear_has(slab, object_nr(check, (unsigned long)at - start)) &&
	    (!has_live(cache) || likely(xslab_change_live(xslab_live_at(check, at), from, to))))
		return true;
	xslab_note_lost(cache, at, 1);
	return false;
}

/* Like xslab_mark(), but of an object that comes out of a magazine: a client has it. */
bool xslab_mark_live(struct xslab_cache *cache, void *at)
{
	return xslab_mark(cache, at, cache->fast.check.tag, XSLAB_LIVE);
}

/*
 * Is this a live object of the cache, as far as its checks tell? For what any pointer leads to;
 * with preemption off, as in the fast path.
 */
bool xslab_is_live(const struct xslab_cache *cache, const void *at)
{
	const struct xslab_check *check = &cache->fast.check;
	unsigned long start = slab_start(cache, (unsigned long)at);
	unsigned long in = (unsigned long)at - start;
	struct xpage *slab;

	lockdep_assert_preemption_disabled();
	if (!can_have_slab(cache, (unsigned long)at))
		return false;
	if (has_live(cache)) {
		if (xslab_load_live(xslab_live_at(check, at)) != XSLAB_LIVE)
			return false;
		xslab_loaded_live();
	}
	slab = slab_of(cache, start);
	return owner_of(slab) == cache && xslab_is_start(check, in + check->bias) &&
	       xslab_tear_has(slab, object_nr(check, in));
}

/* Is this an object to free? Its live byte becomes @state. As xslab_is_live(). */
bool xslab_accept(struct xslab_cache *cache, void *at, u8 state)
{
	if (!xslab_is_live(cache, at))
		return false;
	if (has_live(cache))
		WRITE_ONCE(*xslab_live_at(&cache->fast.check, at), state);
	return true;
}

void xslab_report_stray(struct xslab_cache *cache, const struct xpool_stray *stray)
{
	atomic_long_inc(&cache->counts.errors);
	pr_err_ratelimited("cache %s: page %lu of a slab had %d references: kfree() or put_page() of an object?\n",
			   cache->name, stray->index, stray->refs);
}
