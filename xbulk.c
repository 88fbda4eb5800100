// SPDX-License-Identifier: GPL-2.0
/*
 * xbulk: many objects at once
 *
 * They come from full magazines of the depot and from the maps of slabs, past the
 * CPU's magazines, and go back to the maps. For many objects that is faster, and 256 of
 * them cost the lock once: 1,000 objects of 96 bytes, alloc and free, 0.83 and 0.90 ns each
 * with a lock for each 64, and 0.45 and 0.48 so.
 *
 * Up to a quarter of a magazine come from the CPU's magazines, so that the lock serves
 * several calls (16 at a time, 16 bytes: 1.36 ns each past the magazines, 0.84 so; 30 at a
 * time, 48 bytes: 0.90 and 1.14). Up to 8 go back there: 4 at a time, of 24 bytes to 2 KiB,
 * instructions for each, freed, 92 to 102 past the magazines and 61 to 72 so. 10 at a time
 * cost the same either way, and of 30 the magazines have to pass on what slabs could have
 * had at once, 23 and 36.
 *
 * Up to half a magazine go there for as long as a magazine has room, and come from there for
 * as long as one is full, of the CPU or in the depot. So who takes and gives some in turns
 * leaves the slabs alone: 16 of 192 bytes, alloc and free, 1.45 and 1.83 ns each past the
 * magazines and 0.86 and 1.22 so. But only rows go there: what was freed in random order
 * would stay for long, as holes in slabs (64 at a time, 16 bytes, freed, 0.5 ns, and 0.8 where
 * there are such).
 */
#include <linux/export.h>
#include <linux/prefetch.h>

#include "xrow.h"

#define XSLAB_FEW		8U	/* objects that are freed into a magazine, in any order */
#define XSLAB_FAR		64U	/* objects that are copied, to the stack */
#define XSLAB_FETCHED		256U	/* objects of a bulk, a line of each: half of a small L1 */

/* Mark objects live up to one that is, or that is not near; returns how many. */
static __always_inline unsigned int mark_near(struct xslab_cache *cache, void **objs,
					      unsigned int nr)
{
	struct xslab_check how = cache->fast.check;
	void **at = objs, **end = objs + nr;
	long stride = cache->stride;

	if (!xslab_has_live(&how))
		return 0;
	while (end - at >= 4 && is_row_of_4(at, (unsigned long)*at, stride)) {
		struct xlive_row row = live_row(&how, (unsigned long)*at, stride);

		if (!row.step || !set_live_4(&row, 1))
			break;
		at += 4;
	}
	while (at != end && likely(xslab_set_near_live(&how, *at, 1)))
		at++;
	return at - objs;
}

static noinline unsigned int mark_all_live(struct xslab_cache *cache, void **objs,
					   unsigned int nr)
{
	unsigned int i, fresh = mark_near(cache, objs, nr);

	for (i = fresh; i < nr; i++)
		if (likely(xslab_mark_live(cache, objs[i])))
			objs[fresh++] = objs[i];
		else
			xslab_report_lost(cache, objs[i]);
	return fresh;
}

/* Mark @nr objects live; returns how many of them were not. */
static __always_inline unsigned int mark_many(struct xslab_cache *cache, void **objs,
					      unsigned int nr)
{
	return cache->live ? mark_all_live(cache, objs, nr) : nr;
}

/*
 * Up to @nr objects, marked live, of those that are free now. A full magazine
 * comes first: what it holds are holes in slabs.
 */
static unsigned int take_bulk(struct xslab_cache *cache, size_t nr, void **objs)
{
	unsigned int want = min_t(size_t, nr, XSLAB_CHUNK), got = 0;

	if (nr >= cache->mag.size)
		got = xmag_take_full(&cache->mag, objs);
	if (got) {
		this_cpu_add(cache->mag.slow->allocs, got);
		return mark_many(cache, objs, got);
	}
	if (likely(xslab_has_live(&cache->fast.check)))
		return xfill_live(cache, objs, want);
	return mark_many(cache, objs, xfill_bulk(cache, objs, want));
}

/* Where nothing is looked at, a round of four is 3 instructions an object, of one 6. */
static __always_inline void **pop_4(void **at, void **top)
{
	at[0] = top[-1];
	at[1] = top[-2];
	at[2] = top[-3];
	at[3] = top[-4];
	return at + 4;
}

/* So many come from magazines even if these have to be filled for it. */
static __always_inline unsigned int few_to_take(const struct xslab_cache *cache)
{
	return cache->mag.size / 4;
}

/* Do they come from magazines? So many more if these have them. */
static __always_inline bool takes_some(const struct xslab_cache *cache, size_t nr)
{
	const struct xmag_cpu *cpu = raw_cpu_ptr(READ_ONCE(cache->fast.cpus));
	bool has;

	if (nr <= few_to_take(cache))
		return true;
	/* A guess: one may come to another CPU, or an interrupt in between. */
	has = data_race(cpu->top - cpu->bottom >= nr);
	return (has || xmag_has_ready(&cache->mag, cpu)) && nr <= cache->mag.size / 2;
}

/* Do they go there? So many more if these have the room, and only rows: see above. */
static __always_inline bool gives_some(const struct xslab_cache *cache, size_t nr, void **objs)
{
	const struct xmag_cpu *cpu = raw_cpu_ptr(READ_ONCE(cache->fast.cpus));
	bool room;

	if (nr <= XSLAB_FEW)
		return true;
	/* A guess, too. */
	room = data_race(cpu->end - cpu->top >= nr);
	return (room || xmag_has_ready_room(&cache->mag, cpu)) && nr <= cache->mag.size / 2 &&
	       (are_row(cache, objs) || are_row(cache, objs + nr - 2));
}

/*
 * Up to @nr objects of the loaded magazine, marked live, as so many allocations would get
 * them. Stops at one that is live already: that is gone from the magazine, and *@lost.
 */
static __always_inline unsigned int pop_few(struct xslab_cache *cache, unsigned int nr,
					    void **objs, bool has_live, void **lost)
{
	struct xslab_check how = cache->fast.check;
	void **at = objs, **top, **bottom;
	xmag_here_t *cpu;

	preempt_disable();
	cpu = xmag_here(READ_ONCE(cache->fast.cpus));
	if (likely(xmag_try_enter(cpu, &top))) {
		bottom = top - min_t(unsigned long, nr, top - cpu->bottom);
		for (; !has_live && top - bottom >= 4; top -= 4)
			at = pop_4(at, top);
		while (top != bottom) {
			void *obj = *--top;

			if (has_live && unlikely(!xslab_set_near_live(&how, obj, 1))) {
				*lost = obj;
				break;
			}
			*at++ = obj;
		}
		cpu->allocs += cpu->top - top;
		cpu->top = top;
		xmag_try_leave(cpu, true);
	}
	preempt_enable();
	return at - objs;
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
		xslab_report_lost(cache, lost);
	return got;
}

/* Where the loaded magazine had but @got: the rest from another one. */
static noinline unsigned int take_few_slow(struct xslab_cache *cache, unsigned int nr,
					   void **objs, unsigned int got)
{
	if (!xmag_reload(&cache->mag, nr > few_to_take(cache)))
		return got;
	return got + pop_some(cache, nr - got, objs + got);
}

/* As take_bulk(), of few: by way of this CPU's magazines. */
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
	return *obj ? 1 : -ENOMEM;
}

/*
 * From the last on: the client begins with the first, and the others are there by then (256
 * of 256 bytes at once: 7.5 ns an object, and 8.6 the other way).
 */
static __always_inline void fetch_objects(void **objs, unsigned int nr)
{
	while (nr--)
		prefetchw(objs[nr]);
}

/* Up to @nr objects, marked live, from wherever they are; returns how many. */
static size_t alloc_many(struct xslab_cache *cache, gfp_t gfp, size_t nr, void **objs)
{
	size_t got = 0;

	if (takes_some(cache, nr))
		got = take_few(cache, nr, objs);
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

/**
 * xslab_cache_alloc_bulk() - take many objects
 * @cache: the cache
 * @gfp: as for xslab_cache_alloc(), but this never sleeps
 * @nr: how many
 * @objs: filled with them
 *
 * Context: Any, as xslab_cache_alloc(). The lock is taken for up to 256
 * objects at a time.
 * Return: @nr, or 0 where the cache cannot have that many; then it took none.
 */
int xslab_cache_alloc_bulk(struct xslab_cache *cache, gfp_t gfp, size_t nr, void **objs)
{
	size_t got, i;

	if (unlikely(gfp & __GFP_ZERO && cache->ctor))
		return xslab_refuse_zero(cache);
	got = alloc_many(cache, gfp, nr, objs);
	if (unlikely(got < nr)) {
		xslab_cache_free_bulk(cache, got, objs);
		atomic_long_inc(&cache->failures);
		return 0;
	}
	if (wants_fetch(cache))
		fetch_objects(objs, min_t(size_t, nr, XSLAB_FETCHED));
	for (i = 0; unlikely(gfp & __GFP_ZERO) && i < nr; i++)
		memset(objs[i], 0, cache->object_size);
	return nr;
}
EXPORT_SYMBOL_GPL(xslab_cache_alloc_bulk);

/* The same for any pool: also for what xfill_drain_checked() stops at. */
static noinline void free_bulk_far(struct xslab_cache *cache, size_t nr, void **objs)
{
	void *chunk[XSLAB_FAR];
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < nr; i++) {
		if (xslab_accept(cache, objs[i]))
			chunk[n++] = objs[i];
		else
			xslab_refuse_free(cache, objs[i]);
		if (n == XSLAB_FAR) {
			xfill_drain(cache, chunk, n);
			n = 0;
		}
	}
	xfill_drain(cache, chunk, n);
}

/* Is this an object to free, in a pool of one region? Marks it dead. As the fast path. */
static __always_inline bool accept_near(const struct xslab_cache *cache, const void *obj)
{
	unsigned long in = (unsigned long)obj - cache->fast.near_base;

	return likely(in < cache->fast.near_bytes) && likely(xslab_accept_near(cache, obj, in));
}

/*
 * Objects into a magazine from @top on, for as long as they can be freed; returns the new
 * top. A row of them, up or down, is looked at once a slab: beside one object of a slab
 * there is another, if that is in the slab. Torn ones are not among them, see owns().
 */
static __always_inline void **push_checked(const struct xslab_cache *cache, void **top,
					   void **at, void **end, enum xslab_trust trust)
{
	unsigned long slab_mask = cache->fast.slab_mask, stride = cache->stride;
	struct xslab_check how = cache->fast.check;

	while (at != end && accept_near(cache, *at)) {
		unsigned long obj = (unsigned long)*at, start = obj & slab_mask;
		unsigned long step = at + 1 != end && at[1] < at[0] ? -stride : stride;

		do {
			*top++ = (void *)obj;
			obj += step;
		} while (++at != end && (unsigned long)*at == obj &&
			 (obj & slab_mask) == start && accept_live(&how, obj, trust));
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

	if (unlikely(done < nr) && xmag_make_room(&cache->mag, nr > XSLAB_FEW))
		done += push_some(cache, nr - done, objs + done);
	return done;
}

/**
 * xslab_cache_free_bulk() - give many objects back
 * @cache: the cache that they were taken from
 * @nr: how many
 * @objs: the objects; an entry may be NULL
 *
 * Each is checked as by xslab_cache_free(); those that cannot be freed are
 * reported and counted, and the others are freed.
 *
 * Context: Any, NMI too. The lock is taken for up to 256 objects at a time, and a few go
 * the way of single frees.
 */
void xslab_cache_free_bulk(struct xslab_cache *cache, size_t nr, void **objs)
{
	if (gives_some(cache, nr, objs)) {
		unsigned int done = give_few(cache, nr, objs);

		objs += done;
		nr -= done;
	}
	while (nr) {
		unsigned int n = xfill_drain_checked(cache, objs,
						    min_t(size_t, nr, XSLAB_CHUNK));

		if (unlikely(!n)) {
			n = cache->fast.near_bytes ? 1 : min_t(size_t, nr, XSLAB_CHUNK);
			free_bulk_far(cache, n, objs);
		}
		objs += n;
		nr -= n;
	}
}
EXPORT_SYMBOL_GPL(xslab_cache_free_bulk);
