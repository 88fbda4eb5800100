// SPDX-License-Identifier: GPL-2.0
/*
 * slab/fill: objects go from slabs to magazines
 *
 * Concepts
 *
 * Bits of a map say what is free in a slab; magazines and clients of bulk operations have
 * arrays of pointers. Filling turns bits into pointers, and draining turns them back. Both
 * cost the most where objects lie anywhere. But objects that were allocated together are
 * mostly freed together, so there are ways for what is in order, from the cheapest one:
 *
 *	whole slabs	that are all free, or become so: their states are written, not
 *			changed, and they change their list together
 *	a row		of objects that follow one another, in a map and in memory
 *	scattered	objects of one word of a slab's map: the word is changed once
 *	one object	of a slab, which for random frees is all there is
 *
 * What is fetched ahead
 *
 * Two things may not be in a CPU's caches when they are needed: the states of slabs that were not
 * looked at for long, on which a slow path waits, and the objects, on which the client waits when
 * it writes to them. Both can be asked for before.
 *
 *	free slabs	are taken in the order of their addresses, whatever the order was in which
 *			they became free. The hardware sees that and fetches their states. A tree of
 *			bitmaps (base/set.c) keeps the order: it finds the free slab before another
 *	objects		are handed out in the order of addresses, too, for the same reason
 *	partial slabs	have no such order. But of those that are about equally full, the one that
 *			lies behind the last that served is next
 *
 * So the address of what comes soon is known, and the state of the fourth slab from the one in use
 * is fetched; not all hardware does so by itself. (The links of a list would not do: only the next
 * slab is known by them, and to fetch its state comes too late.)
 *
 * Objects are fetched only for a client that says that it writes to them (XSLAB_PREFETCH):
 * the memory may be a device's, and a client that does not write would wait in vain. Objects
 * of up to a line are left to the hardware.
 *
 * A fetch cannot fault: what is not mapped, or no memory, is left alone.
 *
 * Lining up
 *
 * A word of a map fills a magazine, and so do some slabs. But where clients take and free
 * objects in order, they begin anywhere, and then each magazine would hold the end of one
 * slab and the start of the next, and change the states of both. So a refill that has some
 * objects leaves the next slab, or word, alone when it would take a part of it. It happens
 * once, and from then on magazines and slabs begin together.
 *
 * Locks: cache->lock is held for one magazine, or up to 256 objects of a bulk operation.
 */
#include <linux/prefetch.h>

#include "row.h"

#define XSLAB_AHEAD		4U	/* slabs, see fetch_ahead() */

/* What objects are taken from slabs for. */
enum xslab_use {
	XSLAB_FOR_MAGAZINE,	/* for clients that come one by one, soon: linear addresses */
	XSLAB_FOR_BULK,		/* for a client: addresses */
};

/*
 * Where the object @i after the one at @at is written. A magazine is used from its end, so
 * it is written from there: clients get objects in the order of addresses.
 */
static __always_inline void **slot(void **at, unsigned int i, enum xslab_use use)
{
	return use == XSLAB_FOR_MAGAZINE ? at - i : at + i;
}

/* How many were written from @first on, where the next one would come to @at. */
static __always_inline unsigned int between(void **first, void **at, enum xslab_use use)
{
	return use == XSLAB_FOR_MAGAZINE ? first - at : at - first;
}

static __always_inline void **write_one(void **at, void *obj, enum xslab_use use)
{
	*at = obj;
	return slot(at, 1, use);
}

static __always_inline void **write_4(void **at, void *obj, unsigned long stride,
				      enum xslab_use use)
{
	at = write_one(at, obj, use);
	at = write_one(at, obj + stride, use);
	at = write_one(at, obj + 2 * stride, use);
	return write_one(at, obj + 3 * stride, use);
}

/* What the live byte says of an object that was taken. */
static __always_inline u8 live_after(const struct xslab_check *check, enum xslab_use use)
{
	return use == XSLAB_FOR_MAGAZINE ? check->tag : XSLAB_LIVE;
}

/*
 * The object of a bit that is set in a map. Returns false if its live byte says that it is
 * not free there: then it was freed twice, and the magazine or the client that has it keeps
 * it.
 */
static __always_inline bool mark_taken(struct xslab_cache *cache,
				       const struct xslab_check *check, void *obj,
				       enum xslab_use use)
{
	if (likely(xslab_change_live(xslab_live_at(check, obj), XSLAB_IN_SLAB,
				     live_after(check, use))))
		return true;
	xslab_note_lost(cache, use == XSLAB_FOR_BULK ? linear_of(cache, obj) : obj, 1);
	return false;
}

/* Like write_row(), but of a cache that has live bytes. */
static __always_inline unsigned int write_marked_row(struct xslab_cache *cache,
						     const struct xslab_check *check,
						     void **objs, unsigned int nr, void *obj,
						     enum xslab_use use)
{
	unsigned long stride = cache->stride;
	struct xlive_row row = live_row(check, (unsigned long)obj, stride);
	u8 to = live_after(check, use);
	void **at = objs;

	for (; row.step && nr >= 4 && change_live_4(&row, XSLAB_IN_SLAB, to); nr -= 4) {
		at = write_4(at, obj, stride, use);
		obj += 4 * stride;
	}
	for (; nr; nr--, obj += stride)
		if (likely(mark_taken(cache, check, obj, use)))
			at = write_one(at, obj, use);
	return between(objs, at, use);
}

/*
 * Write down @nr objects of a slab, which follow one another from @obj on. Returns how
 * many: see mark_taken().
 */
static __always_inline unsigned int write_row(struct xslab_cache *cache,
					      const struct xslab_check *check, void **at,
					      unsigned int nr, void *obj, enum xslab_use use)
{
	unsigned long stride = cache->stride;
	unsigned int left = nr;

	if (likely(xslab_has_live(check)))
		return write_marked_row(cache, check, at, nr, obj, use);
	for (; left >= 4; left -= 4) {
		at = write_4(at, obj, stride, use);
		obj += 4 * stride;
	}
	for (; left; left--, obj += stride)
		at = write_one(at, obj, use);
	return nr;
}

/* Do the set bits follow one another? */
static __always_inline bool is_row(unsigned long bits)
{
	return !(bits & (bits + (bits & -bits)));
}

/*
 * The objects of the first @nr of the bits *@left, which are anywhere: one by one, with no branch
 * to guess. @first is the one of bit 0.
 */
static __always_inline unsigned int take_scattered(struct xslab_cache *cache,
						   const struct xslab_check *check,
						   void *first, unsigned long *left,
						   void **objs, unsigned int nr,
						   enum xslab_use use)
{
	unsigned long stride = cache->stride, bits = *left;
	void **at = objs;

	while (nr--) {
		void *obj = first + __ffs(bits) * stride;

		bits &= bits - 1;
		if (!xslab_has_live(check) || likely(mark_taken(cache, check, obj, use)))
			at = write_one(at, obj, use);
	}
	*left = bits;
	return between(objs, at, use);
}

/* The first object of a slab, by the address that is wanted, and how to look at that. */
static __always_inline void *first_for(const struct xslab_cache *cache, const struct xpage *slab,
				       struct xslab_check *check, enum xslab_use use)
{
	void *first = first_object(cache, slab);
	long back = 0;

	if (use == XSLAB_FOR_BULK)
		back = xlinear_back(&cache->fast.linear, (unsigned long)first);
	*check = check_by(cache, -back);
	return first + back;
}

/*
 * Up to @nr objects of word @w of a slab's map. In a slab that was filled in order they
 * are one row, which needs no search. *@taken counts the bits.
 */
static __always_inline unsigned int take_word(struct xslab_cache *cache, struct xpage *slab,
					      unsigned int w, void **objs, unsigned int nr,
					      unsigned int *taken, enum xslab_use use,
					      bool one_word)
{
	unsigned long bits = atomic_long_read(&slab->map[w]), left = bits;
	struct xslab_check check;
	void *first = first_for(cache, slab, &check, use) + w * BITS_PER_LONG * cache->stride;
	unsigned int got;

	if (!bits)
		return 0;
	nr = min_t(unsigned int, nr, one_word ? slab->nr_free : hweight_long(bits));
	*taken += nr;
	if (is_row(bits)) {
		left &= ~(GENMASK(nr - 1, 0) << __ffs(bits));
		got = write_row(cache, &check, objs, nr, first + __ffs(bits) * cache->stride, use);
	} else {
		got = take_scattered(cache, &check, first, &left, objs, nr, use);
	}
	if (one_word)
		atomic_long_set(&slab->map[w], left);
	else
		change_word(cache, &slab->map[w], bits & ~left, 0);
	return got;
}

/*
 * May a word of which all objects are free, and which is more than the @left that a refill
 * has room for, wait for the next one? That one takes it whole, and so do those after it,
 * if all go on as they do.
 */
static __always_inline bool word_may_wait(struct xpage *slab, unsigned int w,
					  unsigned int left)
{
	return left < BITS_PER_LONG && !~atomic_long_read(&slab->map[w]);
}

/*
 * Up to @nr objects of a slab; @one_word: that is its map. A refill that has some already, as
 * @first says it has not, takes none of a slab that may wait.
 */
static __always_inline unsigned int take_slab(struct xslab_cache *cache, struct xpage *slab,
					      void **objs, unsigned int nr,
					      enum xslab_use use, bool first, bool one_word)
{
	bool lines_up = use == XSLAB_FOR_MAGAZINE && !one_word;
	unsigned int w = 0, got = 0, taken = 0;

	do {
		if (lines_up && (got || !first) && word_may_wait(slab, w, nr - got))
			break;
		got += take_word(cache, slab, w, slot(objs, got, use), nr - got, &taken, use,
				 one_word);
	} while (!one_word && ++w < cache->words && got < nr);
	/*
	 * Where NMIs set bits of the same map, some of these may not have been counted as free
	 * yet: then the slab has too few until they are.
	 */
	if (!one_word && !has_nmi_words(cache))
		taken = min_t(unsigned int, slab->nr_free, taken);
	sub_nr_free(cache, slab, taken);
	return got;
}

/*
 * Slabs are used in the order of their addresses where they can be, so the state of the one
 * that is XSLAB_AHEAD slabs behind will be wanted soon.
 */
static __always_inline void fetch_ahead(const struct xslab_cache *cache,
					const struct xpage *slab)
{
	prefetchw(slab + XSLAB_AHEAD * pages_per_slab(cache));
}

/*
 * All objects of free slabs whose map is one word, for as long as all of one are wanted.
 * The slabs change their list together.
 */
static __always_inline unsigned int take_whole(struct xslab_cache *cache, void **objs,
					       unsigned int nr, enum xslab_use use)
{
	struct list_head *list = &cache->lists[XSLAB_FREE], *at = list;
	unsigned int per_slab = cache->per_slab, got = 0, slabs = 0;

	do {
		struct xpage *slab = list_first_entry(at, struct xpage, list);
		struct xslab_check check;
		void *first = first_for(cache, slab, &check, use);

		fetch_ahead(cache, slab);
		xset_del(&cache->empty, slab_nr(cache, slab));
		got += write_row(cache, &check, slot(objs, got, use), per_slab, first, use);
		atomic_long_set(&slab->word, 0);
		slab->nr_free = 0;
		slabs++;
		at = &slab->list;
	} while (nr - got >= per_slab && at->next != list);
	list_bulk_move_tail(&cache->lists[XSLAB_FULL], list->next, at);
	count_whole(cache, XSLAB_FREE, XSLAB_FULL, slabs);
	return got;
}

/*
 * Up to @nr objects. A magazine need not be full, so a free slab that is more than what is left
 * waits, too, where whole ones fill a magazine.
 */
static __always_inline unsigned int fill(struct xslab_cache *cache, void **objs,
					 unsigned int nr, enum xslab_use use)
{
	bool refill = use == XSLAB_FOR_MAGAZINE;
	unsigned int left = nr, n;
	struct xpage *slab;
	unsigned long flags;

	if (!xlock(&cache->lock, &flags))
		return 0;
	drain_nmi_frees(cache);
	while (left && (slab = best_slab(cache))) {
		bool is_free = slab->nr_free == cache->per_slab;

		fetch_ahead(cache, slab);
		if (unlikely(cache->words > 1)) {
			n = take_slab(cache, slab, objs, left, use, left == nr, false);
			if (!n)
				break;
		} else if (is_free && left >= cache->per_slab) {
			n = take_whole(cache, objs, left, use);
		} else if (!is_free || !refill || left == nr || nr % cache->per_slab) {
			n = take_slab(cache, slab, objs, left, use, left == nr, true);
		} else {
			break;
		}
		objs = slot(objs, n, use);
		left -= n;
		cache->hint = slab + (slab->nr_free ? 0 : pages_per_slab(cache));
	}
	/* Here, where the lock is held anyway: a counter of the CPU would be one more irq-off. */
	if (!refill)
		cache->objects.from_slabs += nr - left;
	xslab_unlock(cache, flags);
	return nr - left;
}

/* Up to @nr objects, which are the client's; returns how many. */
noinline unsigned int xslab_fill_bulk(struct xslab_cache *cache, void **objs, unsigned int nr)
{
	return fill(cache, objs, nr, XSLAB_FOR_BULK);
}

unsigned int xslab_fill_magazine(struct xmag *mag, void **objs, unsigned int nr)
{
	struct xslab_cache *cache = container_of(mag, struct xslab_cache, mag);
	unsigned int got, i;

	got = fill(cache, objs + nr - 1, nr, XSLAB_FOR_MAGAZINE);
	for (i = 1; wants_fetch(cache) && i <= got; i++)
		prefetchw(addr_of(cache, objs[nr - i]));
	if (unlikely(got < nr))
		memmove(objs, objs + nr - got, got * sizeof(*objs));
	return got;
}
