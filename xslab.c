// SPDX-License-Identifier: GPL-2.0
/*
 * xslab: caches of objects
 *
 * Concepts
 *
 * A cache hands out objects of one size. It cuts them from slabs: blocks of
 * 2^order pages of its pool, each holding as many objects as fit. A slab is
 *
 *	full		no object of it is free
 *	partial		some are
 *	free		all are
 *
 * and the cache has lists for each (slab/lists.c). Before the slabs stand magazines (xmag.c),
 * which serve nearly all operations; they load from slabs and unload into them up to 64 objects at
 * a time.
 *
 * Objects come from, in this order:
 *
 *	1. the CPU's magazines, then the depot
 *	2. the fullest partial slabs: the others get a chance to become free
 *	3. a free slab
 *	4. a new slab from the pool, and with it what other caches can spare
 *
 * A free goes in this order, mostly no further than the first step:
 *
 *	1. xslab_cache_free(), inline in the client (impl/xslab_fast.h), looks whether this is a
 *	   live object of the cache, marks it, and pushes it into the CPU's magazine. Other
 *	   pointers go to xslab_free_unaccepted() (slab/free.c), where objects of torn slabs are
 *	   accepted, and what is left is refused (slab/check.c)
 *	2. the magazine is full, closed or busy: xslab_free_missed() (slab/free.c) calls
 *	   xmag_free_slow() (xmag.c), which exchanges magazines, also with the depot
 *	3. the depot has no empty one: xslab_put_many() (slab/put.c) sets the objects' bits under
 *	   the cache's lock, and the slabs change lists (slab/lists.h)
 *	4. unlock_freed() hands objects to tasks that wait (slab/queue.c), and takes slabs that
 *	   are one too many off the lists (slab/lock.c, slab/leave.c)
 *	5. xslab_return_list() (slab/leave.c) gives their pages back: xpool_put_many() (pool/put.c)
 *	   joins each block with its buddies (xbuddy.c)
 *
 * A free slab stays with its cache until xslab_cache_collect(), until the pool
 * runs dry and asks for it, until there are more than the cache may keep
 * (slab/limit.c), or until it has not been needed for a while (xdecay.c): an
 * allocation and a free at the edge of a slab cost nothing but a bit.
 *
 * Placement
 *
 * One live object keeps its slab, and the slab keeps a block of the largest order
 * from becoming whole. So within a cache objects come from the fullest slab, and of
 * those about equally full from the last one or the one beside it. And caches of objects
 * of 8 KiB and more, which mostly live long, have their slabs at the top of the pool; the
 * others have theirs at the bottom. What is between stays whole, however the allocations of
 * the two kinds take turns. In a pool that grows they do not share regions (pool/region.c).
 *
 * Representation
 *
 * The state of a slab is the struct xpage of its first page, out of band: which
 * objects are free is a bitmap, and nothing is ever stored in a free object.
 *
 *	address -> linear address -> page number of the slab's first page
 *	        (a table)         (mask, subtract, shift: slabs are aligned)
 *	        -> struct xpage, which names the cache
 *	offset in the slab -> number of the object (multiply by a reciprocal)
 *
 * How large slabs are is decided in slab/geometry.c; what is looked at before a pointer is
 * believed is in slab/check.c.
 *
 * The page of a slab names the cache, each page of it, as long as any object of it is live,
 * whether the slab is whole, or torn, or changes from one to the other. So xslab_free() finds
 * the cache by the page of the address alone. The cache may go meanwhile only if the caller
 * errs; what was found is read with preemption off, and a cache that goes waits for that.
 *
 * Where the kernel's tools watch a cache (base/tools.c), every operation takes the slow path,
 * too. They are told of an object once it is marked live, and once it was accepted
 * back, before it comes to a magazine or a slab.
 *
 * An object that waits for a grace period is neither live nor free, and its byte says so
 * (slab/rcu.c). Thus a free looks for the one value that live objects have.
 *
 * Locks: cache->lock protects the lists, the counts, and the taking of bits.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/export.h>
#include <linux/ratelimit.h>

#include "slab/slab.h"

/* Here they are functions. */
#undef xslab_cache_alloc
#undef xslab_cache_free

/* Fast paths read no other line at the offsets at which they write to struct xmag_cpu. */
#define is_before(type, member)	(offsetof(type, member) % 64 < offsetof(struct xmag_cpu, busy))
#define is_behind(type, member)	(offsetof(type, member) % 64 > offsetof(struct xmag_cpu, allocs))
static_assert(is_before(struct xpage, cache) && is_before(struct xslab_fast, check.recip) &&
	      is_behind(struct xslab_fast, slab_mask) &&
	      is_before(struct xslab_fast, first_owner) &&
	      is_behind(struct xslab_fast, linear.to) &&
	      is_before(struct xslab_fast, linear.from));

/**
 * xslab_cache_alloc() - take an object
 * @cache: the cache
 * @gfp: __GFP_ZERO clears the object; without it the object is not touched.
 *	With __GFP_DIRECT_RECLAIM this fails only if all that no client of the pool holds,
 *	on all CPUs, does not have an object; and of a cache made with XSLAB_WAIT, it sleeps
 *	until there is one. Those that wait are served in the order they came. So it does
 *	with __GFP_NOFAIL, of any cache, and then it is not ended by a signal.
 *	Without it, this never sleeps; if it fails although others keep free memory, that
 *	is fetched at once, and the same request succeeds a moment later
 *
 * The system is asked for memory only by a pool that grows, for a request that may sleep,
 * before it fails. __GFP_DMA and __GFP_DMA32 need a pool that lies there; the other flags
 * are in Documentation/api.md.
 *
 * Context: Any, NMI too, where it may fail for a lock that is taken; but process
 * context where it may sleep; also from a shrinker, and from a move callback without
 * XSLAB_WAIT.
 * Return: the object; or NULL where the pool has no room for another slab or the
 * cache's limit forbids it and it may not wait, where a fatal signal ended the sleep,
 * where __GFP_ZERO is given for a cache with a constructor, or where the cache was
 * destroyed; or where the pool cannot have an object that is as @gfp says.
 */
void *xslab_cache_alloc(struct xslab_cache *cache, gfp_t gfp)
{
	return xslab_alloc_fast(cache, gfp);
}
EXPORT_SYMBOL_GPL(xslab_cache_alloc);

/**
 * xslab_cache_free() - give an object back
 * @cache: the cache that it was taken from
 * @obj: the object; NULL does nothing
 *
 * Context: Any, NMI too.
 * Return: 0; or, with nothing changed and a line in the log: -ERANGE where @obj
 * is not in the cache's pool, -EINVAL where it is not an object of the cache,
 * -EALREADY where it is free.
 */
int xslab_cache_free(struct xslab_cache *cache, void *obj)
{
	return xslab_free_fast(cache, obj);
}
EXPORT_SYMBOL_GPL(xslab_cache_free);

/*
 * The cache that has the page of @obj, and the linear address of that; or NULL. It is there for as
 * long as preemption is off, also where the caller errs, see xslab_cache_destroy().
 */
static struct xslab_cache *cache_of_object(const void *obj, void **at)
{
	struct xpage *page = xpool_find_page(obj, at);

	return page ? owner_of(page) : NULL;
}

static noinline int refuse_stray(void *obj)
{
	xpool_count_stray(obj);
	pr_err_ratelimited("free of %p: is of no cache\n", obj);
	return -ERANGE;
}

/**
 * xslab_free() - give an object back to whatever cache it is of
 * @obj: an object of any cache of any pool; NULL does nothing
 *
 * Finds the cache first, which costs more than xslab_cache_free().
 *
 * Context: Any, NMI too.
 * Return: as xslab_cache_free(), and -ERANGE where @obj is in no slab at all; its pool, if it is
 * in one, counts that.
 */
int xslab_free(void *obj)
{
	struct xslab_cache *cache;
	void *at;

	if (unlikely(!obj))
		return 0;
	preempt_disable();
	cache = cache_of_object(obj, &at);
	if (likely(cache))
		return xslab_free_at(cache, obj, at);
	preempt_enable();
	return refuse_stray(obj);
}
EXPORT_SYMBOL_GPL(xslab_free);

/* The bytes of a live object; -EINVAL, with a line in the log, or -ERANGE if it is in no slab. */
ssize_t xslab_size_of(const void *obj)
{
	struct xslab_cache *cache;
	ssize_t size = -ERANGE;
	void *at;

	preempt_disable();
	cache = cache_of_object(obj, &at);
	if (cache) {
		size = cache->object_size;
		if (!xslab_is_live(cache, at)) {
			size = -EINVAL;
			atomic_long_inc(&cache->counts.errors);
			pr_err_ratelimited("cache %s: size of %p: no live object begins there\n",
					   cache->name, obj);
		}
	}
	preempt_enable();
	return size;
}

/**
 * xslab_free_rcu() - xslab_cache_free_rcu() to whatever cache the object is of
 * @obj: an object of any cache of any pool; NULL does nothing
 *
 * Context: Any, NMI too.
 * Return: as xslab_cache_free_rcu(), and -ERANGE where @obj is in no slab at all.
 */
int xslab_free_rcu(void *obj)
{
	struct xslab_cache *cache;
	int err = 0;
	void *at;

	if (unlikely(!obj))
		return 0;
	preempt_disable();
	cache = cache_of_object(obj, &at);
	if (likely(cache))
		err = xslab_cache_free_rcu(cache, obj);
	preempt_enable();
	return likely(cache) ? err : refuse_stray(obj);
}
EXPORT_SYMBOL_GPL(xslab_free_rcu);

/**
 * xslab_cache_size() - bytes of an object, as asked for
 * @cache: the cache
 *
 * Context: Any.
 * Return: bytes.
 */
unsigned int xslab_cache_size(const struct xslab_cache *cache)
{
	return cache->object_size;
}
EXPORT_SYMBOL_GPL(xslab_cache_size);

/**
 * xslab_cache_name() - the name a cache was created with
 * @cache: the cache
 *
 * Context: Any.
 * Return: the name; it lives as long as the cache.
 */
const char *xslab_cache_name(const struct xslab_cache *cache)
{
	return cache->name;
}
EXPORT_SYMBOL_GPL(xslab_cache_name);
