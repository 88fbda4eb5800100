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
#include <linux/prefetch.h>
#include <linux/ratelimit.h>

#include "row.h"

#define XSLAB_FAR		64U	/* objects that are copied, to the stack */
#define XSLAB_FETCHED		256U	/* objects of a bulk, a line of each: half of a small L1 */

/*
 * Is this an object of the cache, as far as its slab is the cache's? @slab is the last one
 * that was; beside one of its objects there are others.
 */
static __always_inline bool is_of_slab(const struct xslab_cache *cache, void *obj,
				       unsigned long *slab)
{
	unsigned long of = (unsigned long)obj & cache->fast.slab_mask;

	if (likely(of == *slab))
		return true;
	*slab = of;
	return xslab_owns_at(cache, of);
}

/*
 * Mark objects that come out of a magazine live, up to one that is not what it was; returns
 * how many.
 */
static __always_inline unsigned int mark_first(struct xslab_cache *cache, void **objs,
					       unsigned int nr)
{
	struct xslab_check how = cache->fast.check;
	void **at = objs, **end = objs + nr;
	unsigned long slab = ULONG_MAX;
	long stride = cache->stride;

	if (!xslab_has_live(&how)) {
		while (at != end && is_of_slab(cache, *at, &slab))
			at++;
		return at - objs;
	}
	while (end - at >= 4 && is_row_of_4(at, (unsigned long)*at, stride)) {
		struct xlive_row row = live_row(&how, (unsigned long)*at, stride);

		if (!row.step || !change_live_4(&row, how.tag, XSLAB_LIVE))
			break;
		at += 4;
	}
	while (at != end && likely(xslab_change_live(xslab_live_at(&how, *at), how.tag,
						     XSLAB_LIVE)))
		at++;
	return at - objs;
}

/* Replace linear addresses by addresses. */
static __always_inline void translate(struct xslab_cache *cache, void **objs, unsigned int nr)
{
	while (nr--)
		objs[nr] = addr_of(cache, objs[nr]);
}

/*
 * Mark the objects of a magazine live and replace them by their addresses; returns how many
 * can be handed out.
 */
static noinline unsigned int mark_many(struct xslab_cache *cache, void **objs,
				       unsigned int nr)
{
	unsigned int i, fresh = mark_first(cache, objs, nr);

	for (i = fresh; i < nr; i++)
		if (likely(xslab_mark_live(cache, objs[i])))
			objs[fresh++] = objs[i];
		else
			xslab_report_lost(cache, objs[i]);
	translate(cache, objs, fresh);
	return fresh;
}

/*
 * Up to @nr objects, marked live, of those that are free now. A full magazine
 * comes first: what it holds are holes in slabs.
 */
static __always_inline unsigned int take_bulk(struct xslab_cache *cache, size_t nr, void **objs)
{
	unsigned int want = min_t(size_t, nr, XSLAB_CHUNK), got = 0;

	if (nr >= cache->mag.size)
		got = xmag_take_full(&cache->mag, objs);
	if (got) {
		this_cpu_add(cache->mag.slow->allocs, got);
		return mark_many(cache, objs, got);
	}
	return xfill_bulk(cache, objs, want);
}

/* Do they go by way of the CPU's magazines? */
static __always_inline bool are_few(const struct xslab_cache *cache, size_t nr)
{
	return nr <= cache->mag.size / 4;
}

/*
 * Up to @nr objects of the loaded magazine, marked live, as @nr allocations would get them.
 * Stops at one that is not what it was: that is gone from the magazine, and *@lost.
 */
static __always_inline unsigned int pop_few(struct xslab_cache *cache, unsigned int nr,
					    void **objs, bool has_live, void **lost)
{
	struct xslab_check how = cache->fast.check;
	void **at = objs, **top, **bottom;
	unsigned long slab = ULONG_MAX;
	xmag_here_t *cpu;

	preempt_disable();
	cpu = xmag_here(READ_ONCE(cache->fast.cpus));
	if (likely(xmag_try_enter(cpu, &top))) {
		bottom = top - min_t(unsigned long, nr, top - cpu->bottom);
		while (top != bottom) {
			void *obj = *--top;

			if (has_live ? unlikely(!xslab_change_live(xslab_live_at(&how, obj),
								   how.tag, XSLAB_LIVE)) :
				       unlikely(!is_of_slab(cache, obj, &slab))) {
				*lost = obj;
				break;
			}
			*at++ = addr_of(cache, obj);
		}
		cpu->allocs += cpu->top - top;
		cpu->top = top;
		xmag_try_leave(cpu, true);
	}
	preempt_enable();
	return at - objs;
}

/* What pop_few() stopped at may be of a torn slab; returns how many can be handed out. */
static noinline unsigned int mark_lost(struct xslab_cache *cache, void *lost, void **obj)
{
	*obj = lost;
	if (!cache->checks.live)
		return mark_many(cache, obj, 1);
	xslab_report_lost(cache, lost);
	return 0;
}

static __always_inline unsigned int pop_some(struct xslab_cache *cache, unsigned int nr,
					     void **objs)
{
	void *lost = NULL;
	unsigned int got;

	if (likely(xslab_has_live(&cache->fast.check)))
		got = pop_few(cache, nr, objs, true, &lost);
	else
		got = pop_few(cache, nr, objs, false, &lost);
	if (unlikely(lost))
		got += mark_lost(cache, lost, &objs[got]);
	return got;
}

/* Where the loaded magazine had but @got objects: take the others from another one. */
static noinline unsigned int take_few_slow(struct xslab_cache *cache, unsigned int nr,
					   void **objs, unsigned int got)
{
	if (!xmag_reload(&cache->mag))
		return got;
	return got + pop_some(cache, nr - got, objs + got);
}

/* Like take_bulk(), but few objects, by way of this CPU's magazines. */
static __always_inline unsigned int take_few(struct xslab_cache *cache, unsigned int nr,
					     void **objs)
{
	unsigned int got = pop_some(cache, nr, objs);

	return likely(got == nr) ? got : take_few_slow(cache, nr, objs, got);
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
	translate(cache, obj, 1);
	return 1;
}

/*
 * From the last on: the client begins with the first, and the others are there by then. The
 * other way round, large batches lose more than a tenth.
 */
static __always_inline void fetch_objects(void **objs, unsigned int nr)
{
	while (nr--)
		prefetchw(objs[nr]);
}

/* Of @nr objects, marked live, @got are there: the rest, past the magazines. */
static __always_inline size_t alloc_past(struct xslab_cache *cache, gfp_t gfp, size_t nr,
					 void **objs, size_t got)
{
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

/* Where the memory is watched, which closes the fast paths, a few come one by one. */
static noinline size_t alloc_watched(struct xslab_cache *cache, gfp_t gfp, size_t nr,
				     void **objs)
{
	size_t got = 0;
	void *obj;

	if (!xmag_is_shut(&cache->mag) && are_few(cache, nr)) {
		while (got < nr && (obj = xmag_alloc_slow(&cache->mag))) {
			if (likely(xslab_mark_live(cache, obj)))
				objs[got++] = addr_of(cache, obj);
			else
				xslab_report_lost(cache, obj);
		}
	}
	return alloc_past(cache, gfp, nr, objs, got);
}

/* Up to @nr objects, marked live, of those that are free at hand; returns how many. */
static __always_inline size_t alloc_at_hand(struct xslab_cache *cache, gfp_t gfp, size_t nr,
					    void **objs)
{
	size_t got = 0;

	if (xtools_watch(cache->tools))
		return alloc_watched(cache, gfp, nr, objs);
	if (are_few(cache, nr))
		got = take_few(cache, nr, objs);
	return alloc_past(cache, gfp, nr, objs, got);
}

/*
 * The rest: from all that no client holds; and one by one, with patience, with __GFP_NOFAIL or
 * where some wait for a grace period.
 */
static size_t gather_rest(struct xslab_cache *cache, gfp_t gfp, size_t nr, void **objs)
{
	bool wait = gfp & __GFP_NOFAIL || xrcu_waits(cache);
	size_t got = 0;

	if (!xslab_gather(cache, gfp))
		return 0;
	got = alloc_at_hand(cache, gfp, nr, objs);
	wait |= xrcu_waits(cache);
	while (got < nr && wait && (objs[got] = xslab_alloc_any(cache, gfp)))
		translate(cache, &objs[got++], 1);
	return got;
}

/* Like gather_rest(), but a cache that is destroyed meanwhile stays until it is over. */
static noinline size_t alloc_rest(struct xslab_cache *cache, gfp_t gfp, size_t nr, void **objs)
{
	size_t got;

	if (!gfpflags_allow_blocking(gfp))
		return gather_rest(cache, gfp, nr, objs);
	xwait_begin(cache);
	got = gather_rest(cache, gfp, nr, objs);
	xwait_end(cache);
	return got;
}

/* Up to @nr objects, marked live, from wherever they are; returns how many. */
static size_t alloc_many(struct xslab_cache *cache, gfp_t gfp, size_t nr, void **objs)
{
	size_t got = alloc_at_hand(cache, gfp, nr, objs);

	return likely(got == nr) ? got : got + alloc_rest(cache, gfp, nr - got, objs + got);
}

/* More than can be returned, a client's error; always 0. */
static noinline int refuse_many(struct xslab_cache *cache, size_t nr)
{
	atomic_long_inc(&cache->counts.errors);
	pr_err_ratelimited("cache %s: %zu objects at once: at most %d\n", cache->name, nr,
			   INT_MAX);
	return 0;
}

/**
 * xslab_cache_alloc_bulk() - take many objects
 * @cache: the cache
 * @gfp: as for xslab_cache_alloc(), but XSLAB_WAIT does not make this wait for objects
 *	that clients hold; __GFP_NOFAIL does, for one after the other
 * @nr: how many; more than INT_MAX are a client's error, which is reported
 * @objs: filled with them
 *
 * Context: Any, as xslab_cache_alloc(). The lock is taken for up to 256
 * objects at a time.
 * Return: @nr, or 0 where the cache cannot have that many; then it took none.
 */
int xslab_cache_alloc_bulk(struct xslab_cache *cache, gfp_t gfp, size_t nr, void **objs)
{
	size_t got, i;

	if (unlikely(nr > INT_MAX))
		return refuse_many(cache, nr);
	if (unlikely(READ_ONCE(cache->state.retired)) && !xslab_refuse_alloc(cache))
		return 0;
	if (unlikely(gfp & XSLAB_GFP_SPECIAL) && xslab_refuse_gfp(cache, gfp))
		return 0;
	got = alloc_many(cache, gfp, nr, objs);
	for (i = 0; xtools_watch(cache->tools) && i < got; i++)
		tell_alloc(cache, objs[i], gfp);
	if (unlikely(got < nr)) {
		xslab_cache_free_bulk(cache, got, objs);
		atomic_long_inc(&cache->counts.failures);
		return 0;
	}
	if (wants_fetch(cache))
		fetch_objects(objs, min_t(size_t, nr, XSLAB_FETCHED));
	for (i = 0; unlikely(gfp & __GFP_ZERO) && i < nr; i++)
		memset(objs[i], 0, cache->object_size);
	return nr;
}
EXPORT_SYMBOL_GPL(xslab_cache_alloc_bulk);

/* One by one: what xfill_drain_checked() stops at, and what is watched. */
static noinline void free_each(struct xslab_cache *cache, size_t nr, void **objs)
{
	void *chunk[XSLAB_FAR];
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < nr; i++) {
		void *at;

		preempt_disable();
		at = linear_of(cache, objs[i]);
		if (xslab_accept(cache, at)) {
			tell_free(cache, objs[i]);
			chunk[n++] = at;
		} else {
			xslab_refuse_free(cache, objs[i]);
		}
		preempt_enable();
		if (n == XSLAB_FAR) {
			xfill_drain(cache, chunk, n);
			n = 0;
		}
	}
	xfill_drain(cache, chunk, n);
}

/* Is this an object to free? Marks it dead, like the fast path. */
static __always_inline bool accept(const struct xslab_cache *cache, unsigned long at)
{
	unsigned long in = at - cache->fast.base;

	return likely(in < cache->fast.bytes) &&
	       likely(xslab_accept_at(cache, (void *)at, in));
}

/*
 * Objects into a magazine from @top on, for as long as they can be freed; returns the new
 * top. In a row of them, up or down, each slab is looked at once: beside one object of a
 * slab there is another, if that is in the slab. Torn ones are not among them, see owns().
 */
static __always_inline void **push_checked(const struct xslab_cache *cache, void **top,
					   void **at, void **end, enum xslab_trust trust)
{
	unsigned long slab_mask = cache->fast.slab_mask, stride = cache->stride;
	struct xslab_check how = cache->fast.check;

	while (at != end) {
		unsigned long linear = xlinear_of(&cache->fast.linear, *at);
		unsigned long start = linear & slab_mask, to = linear - (unsigned long)*at;
		unsigned long step = at + 1 != end && at[1] < at[0] ? -stride : stride;

		if (!accept(cache, linear))
			break;
		do {
			*top++ = (void *)linear;
			linear += step;
		} while (++at != end && (unsigned long)*at + to == linear &&
			 (linear & slab_mask) == start &&
			 (trust != XSLAB_CHECK_LIVE ||
			  likely(xslab_change_live(xslab_live_at(&how, (void *)linear),
						   XSLAB_LIVE, how.tag))));
	}
	return top;
}

/* Up to @nr objects into the loaded magazine, if it has room; returns how many. */
static __always_inline unsigned int push_few(struct xslab_cache *cache, unsigned int nr,
					     void **objs, enum xslab_trust trust)
{
	unsigned int done = 0;
	xmag_here_t *cpu;
	void **top;

	preempt_disable();
	cpu = xmag_here(READ_ONCE(cache->fast.cpus));
	if (likely(xmag_try_enter(cpu, &top))) {
		void **end = objs + min_t(unsigned long, nr, cpu->end - top);

		done = push_checked(cache, top, objs, end, trust) - top;
		cpu->top = top + done;
		xmag_try_leave(cpu, true);
	}
	preempt_enable();
	return done;
}

static __always_inline unsigned int push_some(struct xslab_cache *cache, unsigned int nr,
					      void **objs)
{
	if (likely(xslab_has_live(&cache->fast.check)))
		return push_few(cache, nr, objs, XSLAB_CHECK_LIVE);
	return push_few(cache, nr, objs, XSLAB_CHECK_START);
}

/* A few objects to this CPU's magazines; returns how many of the first ones went there. */
static noinline unsigned int give_few(struct xslab_cache *cache, unsigned int nr, void **objs)
{
	unsigned int done = push_some(cache, nr, objs);

	if (unlikely(done < nr) && xmag_make_room(&cache->mag))
		done += push_some(cache, nr - done, objs + done);
	return done;
}

/*
 * Where the memory is watched, each object must be accepted, and the tools told of it,
 * before it comes to a magazine or a slab.
 */
static noinline void free_some_watched(struct xslab_cache *cache, unsigned int nr, void **objs,
				       bool few)
{
	unsigned int i;

	if (xmag_is_shut(&cache->mag) || !few) {
		free_each(cache, nr, objs);
		return;
	}
	for (i = 0; i < nr; i++)
		xslab_free_fast(cache, objs[i]);
}

/* The first of @nr objects; returns how many. */
static unsigned int free_some(struct xslab_cache *cache, unsigned int nr, void **objs, bool few)
{
	unsigned int n;

	if (xtools_watch(cache->tools)) {
		free_some_watched(cache, nr, objs, few);
		return nr;
	}
	n = few ? give_few(cache, nr, objs) : 0;
	n = n ?: xfill_drain_checked(cache, objs, nr);
	if (likely(n))
		return n;
	free_each(cache, 1, objs);
	return 1;
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
		n = free_some(cache, min_t(size_t, nr, XSLAB_CHUNK), objs, few);
		rcu_read_unlock();
		objs += n;
		nr -= n;
	}
}
EXPORT_SYMBOL_GPL(xslab_cache_free_bulk);
