// SPDX-License-Identifier: GPL-2.0
/*
 * slab/bulk: many objects at once
 *
 * They come from full magazines of the depot and from the maps of slabs, past the CPU's
 * magazines, and go back to the maps: for many objects that is faster, because 256 of them cost
 * the lock once. Up to a quarter of a magazine come from the CPU's magazines and go back there,
 * so that the lock serves several calls.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/prefetch.h>
#include <linux/ratelimit.h>
#include <linux/sched.h>

#include "row.h"

#define XSLAB_COPIED		64U	/* objects that are copied, to the stack */
#define XSLAB_FETCHED		256U	/* objects of a bulk, a line of each: half of a small L1 */

/*
 * Mark the objects of a magazine live and replace them by their addresses; returns how many
 * can be handed out.
 */
static noinline unsigned int mark_many(struct xslab_cache *cache, void **objs,
				       unsigned int nr)
{
	unsigned int i, fresh = 0;

	for (i = 0; i < nr; i++)
		if (likely(xslab_hand_out(cache, objs[i])) || xslab_mark_live(cache, objs[i]))
			objs[fresh++] = addr_of(cache, objs[i]);
	return fresh;
}

/*
 * Up to @nr objects, marked live, of those that are free now. A full magazine
 * comes first: what it holds are holes in slabs.
 */
static __always_inline unsigned int take_bulk(struct xslab_cache *cache, size_t nr, void **objs)
{
	unsigned int want = min_t(size_t, nr, XSLAB_PER_LOCK), got = 0;

	if (nr >= cache->mag.size)
		got = xmag_depot_take(&cache->mag, objs);
	if (got) {
		this_cpu_add(cache->mag.slow->allocs, got);
		return mark_many(cache, objs, got);
	}
	return xslab_fill_bulk(cache, objs, want);
}

/* Do they go by way of the CPU's magazines? */
static __always_inline bool are_few(const struct xslab_cache *cache, size_t nr)
{
	return nr <= cache->mag.size / 4 && !xmag_is_shut(&cache->mag);
}

/*
 * Up to @nr objects of the loaded magazine, marked live, as @nr allocations would get them.
 * Stops at one that is not what it was.
 */
static __always_inline unsigned int pop_few(struct xslab_cache *cache, unsigned int nr,
					    void **objs)
{
	unsigned int got = 0;
	xmag_here_t *cpu;
	void **top;

	preempt_disable();
	cpu = xmag_here(READ_ONCE(cache->fast.cpus));
	if (likely(xmag_try_enter(cpu, &top))) {
		while (got < nr && top != cpu->bottom && xslab_hand_out(cache, top[-1]))
			objs[got++] = addr_of(cache, *--top);
		cpu->allocs += got;
		cpu->top = top;
		xmag_try_leave(cpu, true);
	}
	preempt_enable();
	return got;
}

/* Like take_bulk(), but few objects, by way of this CPU's magazines. */
static noinline unsigned int take_few(struct xslab_cache *cache, unsigned int nr, void **objs)
{
	unsigned int got = 0;
	void *at;

	while ((got += pop_few(cache, nr - got, objs + got)) < nr) {
		at = xmag_alloc_slow(&cache->mag);	/* and the next are in a magazine again */
		if (!at)
			break;
		if (likely(xslab_mark_live(cache, at)))
			objs[got++] = addr_of(cache, at);
	}
	return got;
}

/*
 * Nothing is free in slabs: a new slab, or what magazines hold still. Returns how many
 * objects came with it, marked live: one at most, or none; or -ENOMEM.
 */
static noinline int alloc_one_more(struct xslab_cache *cache, gfp_t gfp, void **obj)
{
	*obj = NULL;
	if (xslab_grow(cache, gfp, obj))
		return mark_many(cache, obj, !!*obj);
	*obj = xslab_alloc_marked(cache, gfp);
	if (!*obj)
		return -ENOMEM;
	*obj = addr_of(cache, *obj);
	return 1;
}

/* Up to @nr objects, marked live, of those that are free at hand; returns how many. */
static __always_inline size_t alloc_at_hand(struct xslab_cache *cache, gfp_t gfp, size_t nr,
					    void **objs)
{
	size_t got = are_few(cache, nr) ? take_few(cache, nr, objs) : 0;

	while (got < nr) {
		int n = take_bulk(cache, nr - got, objs + got);

		if (unlikely(!n))
			n = alloc_one_more(cache, gfp, objs + got);
		if (unlikely(n < 0))
			break;
		got += n;
	}
	return got;
}

static __always_inline bool take_or_give_back(struct xslab_cache *cache, gfp_t gfp, size_t nr,
					      void **objs)
{
	size_t got = alloc_at_hand(cache, gfp, nr, objs), i;

	for (i = 0; xtools_watch(cache->tools) && i < got; i++)
		tools_alloc(cache, objs[i], gfp);
	if (likely(got == nr))
		return true;
	xslab_cache_free_bulk(cache, got, objs);
	xpool_gather_note_part(cache->pool);
	return false;
}

/* Like take_all(), but the system may be asked for memory. */
static noinline bool take_all_grown(struct xslab_cache *cache, gfp_t gfp, size_t nr, void **objs)
{
	bool done;

	xpool_gather_begin_part(cache->pool);
	done = take_or_give_back(cache, gfp, nr, objs);
	xpool_gather_end_part(cache->pool);
	return done;
}

/* All of them, or none. */
static __always_inline bool take_all(struct xslab_cache *cache, gfp_t gfp, size_t nr,
				     void **objs)
{
	bool done;

	if (unlikely(cache->pool->grow) && gfpflags_allow_blocking(gfp))
		return take_all_grown(cache, gfp, nr, objs);
	rcu_read_lock();
	done = take_or_give_back(cache, gfp, nr, objs);
	rcu_read_unlock();
	return done;
}

/* Of all that no client holds. May sleep. */
static bool take_all_gathered(struct xslab_cache *cache, gfp_t gfp, size_t nr, void **objs)
{
	struct xpool *pool = cache->pool;
	struct xgathering g;
	bool done = false;

	xpool_gather_begin(&g, pool);
	while (!READ_ONCE(cache->state.retired)) {
		xpool_gather_begin_bulk(&g);
		done = take_all(cache, gfp & ~__GFP_DIRECT_RECLAIM, nr, objs);
		xpool_gather_end_bulk(&g);
		if (done || !xpool_gather_again(&g))
			break;
		xslab_move_give_back(cache);
	}
	xpool_gather_end(&g);
	/* A pool that grows may wait for the system. */
	if (!done && pool->grow && !READ_ONCE(cache->state.retired))
		done = take_all(cache, gfp, nr, objs);
	return done;
}

/*
 * They were not at hand: from all that no client holds, again as long as some wait for a grace
 * period, and with __GFP_NOFAIL without end. The request holds none while it waits.
 */
static bool take_all_waiting(struct xslab_cache *cache, gfp_t gfp, size_t nr, void **objs)
{
	bool nofail = gfp & __GFP_NOFAIL, done, wait;
	unsigned long said = jiffies;

	do {
		wait = nofail || xslab_rcu_waits(cache);
		done = take_all_gathered(cache, gfp, nr, objs);
		wait |= xslab_rcu_waits(cache);
		if (done || !wait || READ_ONCE(cache->state.retired))
			return done;
		schedule_timeout_uninterruptible(nofail ? XPOOL_LOOK : 1);
		if (nofail)
			xpool_say_waiting(&said, "cache", cache->name);
	} while (true);
}

/* More than @most, a client's error; always 0. */
static noinline int refuse_many(struct xslab_cache *cache, size_t nr, unsigned long most)
{
	atomic_long_inc(&cache->counts.errors);
	pr_err_ratelimited("cache %s: %zu objects at once: at most %lu\n",
			   cache->name, nr, most);
	return 0;
}

static noinline bool take_all_slow(struct xslab_cache *cache, gfp_t gfp, size_t nr, void **objs)
{
	/* When all of the pool is the cache's own and free. */
	unsigned long most = (cache->pool->max_pages >> cache->order) * cache->per_slab;
	bool done;

	if (!gfpflags_allow_blocking(gfp))
		return xslab_help_atomic(cache, gfp) && take_all(cache, gfp, nr, objs);
	if (gfp & __GFP_NOFAIL && nr > most)
		return refuse_many(cache, nr, most);
	atomic_inc(&cache->waiting.nr_callers);
	done = take_all_waiting(cache, gfp, nr, objs);
	xslab_wait_end(cache);
	return done;
}

/**
 * xslab_cache_alloc_bulk() - take many objects
 * @cache: the cache
 * @gfp: as for xslab_cache_alloc(), but XSLAB_WAIT does not make this wait for objects
 *	that clients hold; __GFP_NOFAIL does, and holds none until it has all
 * @nr: how many; more than INT_MAX are a client's error, which is reported
 * @objs: filled with them
 *
 * Context: Any, as xslab_cache_alloc(). The lock is taken for up to 256
 * objects at a time.
 * Return: @nr, or 0 where the cache cannot have that many; then it took none.
 */
int xslab_cache_alloc_bulk(struct xslab_cache *cache, gfp_t gfp, size_t nr, void **objs)
{
	size_t i;

	if (unlikely(nr > INT_MAX))
		return refuse_many(cache, nr, INT_MAX);
	if (unlikely(gfp & XSLAB_GFP_SPECIAL || READ_ONCE(cache->state.retired)) &&
	    xslab_refuse_alloc(cache, gfp))
		return 0;
	if (unlikely(!take_all(cache, gfp, nr, objs)) &&
	    unlikely(!take_all_slow(cache, gfp, nr, objs))) {
		atomic_long_inc(&cache->counts.failures);
		return 0;
	}
	/*
	 * From the last on: the client begins with the first, and the others are there by then.
	 * The other way round, large batches lose more than a tenth.
	 */
	for (i = wants_fetch(cache) ? min_t(size_t, nr, XSLAB_FETCHED) : 0; i; i--)
		prefetchw(objs[i - 1]);
	for (i = 0; unlikely(gfp & __GFP_ZERO) && i < nr; i++)
		memset(objs[i], 0, cache->object_size);
	return nr;
}
EXPORT_SYMBOL_GPL(xslab_cache_alloc_bulk);

/*
 * Objects into a magazine from @top on, for as long as they can be freed; returns the new
 * top. In a row of them, up or down, each slab is looked at once: beside one object of a
 * slab there is another, if that is in the slab. Torn ones are not among them, see owns().
 */
static __always_inline void **push_checked(const struct xslab_cache *cache, void **top,
					   void **at, void **end)
{
	unsigned long slab_mask = cache->fast.slab_mask, stride = cache->stride;
	struct xslab_check how = cache->fast.check;

	while (at != end) {
		unsigned long linear = xlinear_of(&cache->fast.linear, *at);
		unsigned long start = linear & slab_mask, to = linear - (unsigned long)*at;
		unsigned long step = at + 1 != end && at[1] < at[0] ? -stride : stride;
		unsigned long in = linear - cache->fast.base;

		if (unlikely(in >= cache->fast.bytes) ||
		    unlikely(!xslab_accept_at(cache, (void *)linear, in)))
			break;
		do {
			*top++ = (void *)linear;
			linear += step;
		} while (++at != end && (unsigned long)*at + to == linear &&
			 (linear & slab_mask) == start &&
			 (!xslab_has_live(&how) ||
			  likely(xslab_change_live(xslab_live_at(&how, (void *)linear),
						   XSLAB_LIVE, how.tag))));
	}
	return top;
}

/* Up to @nr objects into the loaded magazine, if it has room; returns how many. */
static noinline unsigned int push_few(struct xslab_cache *cache, unsigned int nr, void **objs)
{
	unsigned int done = 0;
	xmag_here_t *cpu;
	void **top, **end;

	preempt_disable();
	cpu = xmag_here(READ_ONCE(cache->fast.cpus));
	if (likely(xmag_try_enter(cpu, &top))) {
		end = objs + min_t(unsigned long, nr, cpu->end - top);
		done = push_checked(cache, top, objs, end) - top;
		cpu->top = top + done;
		xmag_try_leave(cpu, true);
	}
	preempt_enable();
	return done;
}

/*
 * Some of many, looked at one by one before they come to slabs: they are watched, or the first is
 * in a torn slab or no object to free. Returns how many.
 */
static noinline unsigned int free_each(struct xslab_cache *cache, unsigned int nr, void **objs)
{
	void *copies[XSLAB_COPIED], *at;
	unsigned int i, n = 0;

	for (i = 0; i < nr; i++) {
		preempt_disable();
		at = linear_of(cache, objs[i]);
		if (xslab_accept(cache, at, cache->fast.check.tag)) {
			tools_free(cache, objs[i]);
			copies[n++] = at;
		} else {
			xslab_refuse_free(cache, objs[i]);
		}
		preempt_enable();
	}
	if (n)
		xslab_put_many(cache, copies, n);
	return nr;
}

/* The first of @nr objects; returns how many. A few go to the CPU's magazines, many to slabs. */
static unsigned int free_some(struct xslab_cache *cache, size_t nr, void **objs, bool few)
{
	unsigned int n;

	if (few) {
		n = push_few(cache, nr, objs);
		if (likely(n))
			return n;
		xslab_free_fast(cache, objs[0]);
		return 1;
	}
	if (xtools_watch(cache->tools))
		return free_each(cache, min_t(size_t, nr, XSLAB_COPIED), objs);
	n = xslab_put_many_checked(cache, objs, min_t(size_t, nr, XSLAB_PER_LOCK));
	return likely(n) ? n : free_each(cache, 1, objs);
}

/**
 * xslab_cache_free_bulk() - give many objects back
 * @cache: the cache that they were taken from
 * @nr: how many
 * @objs: the objects; an entry may be NULL
 *
 * Each is checked as by xslab_free_fast(); those that cannot be freed are
 * reported and counted, and the others are freed.
 *
 * Context: Any, NMI too. The lock is taken for up to 256 objects at a time, and a few go
 * the way of single frees.
 */
void xslab_cache_free_bulk(struct xslab_cache *cache, size_t nr, void **objs)
{
	bool few = are_few(cache, nr);

	while (nr) {
		unsigned int n;

		rcu_read_lock();	/* as in free.c: the cache may be given up */
		n = free_some(cache, nr, objs, few);
		rcu_read_unlock();
		objs += n;
		nr -= n;
	}
}
EXPORT_SYMBOL_GPL(xslab_cache_free_bulk);
