// SPDX-License-Identifier: GPL-2.0
/*
 * xfill: objects go from slabs to magazines, and back
 *
 * Concepts
 *
 * What is free in a slab are the bits of a map; what magazines and clients of bulk
 * operations have are arrays of pointers. To fill is to turn bits into pointers, and to
 * drain is to turn them back. Both cost the most where objects lie anywhere. But those that
 * were allocated together are mostly freed together, so there are ways for what is in
 * order, from the cheapest one:
 *
 *	whole slabs	that are all free, or become so: their states are written, not
 *			changed, and they change their list together
 *	a row		of objects that follow one another, in a map and in memory
 *	a group		of one slab, in any order: its state is changed once
 *	one object	of a slab, which for random frees is all there is
 *
 * What is fetched ahead
 *
 * Most of the time of a slow path may be waiting for the state of slabs that were
 * not looked at for long, and much of a client's for the object that he writes to.
 * Both can be asked for before they are needed.
 *
 *	Free slabs are taken in the order of their addresses, also when they became
 *	free in another: then the hardware fetches their states by itself. 30,000
 *	objects of 4 KiB, 64 at once, after they were freed in random order: from 0.63
 *	of SLUB's time to 0.18 (ns, User Mode Linux). To keep that order, a tree of
 *	bitmaps finds the free slab before another (xset.c).
 *
 *	A refill hands out objects in the order of addresses, too, for the hardware: 30,000
 *	of 4 KiB that are written to, one by one, from 0.61 to 0.38, and their frees from
 *	0.20 to 0.10.
 *
 *	Of partial slabs that are about equally full, the one behind the last that served
 *	is next: 30,000 objects of 1 KiB, after they were freed in random order, from 0.48
 *	to 0.29. (To fetch the state of the next one on the list came too late: the one
 *	after it is known only then.)
 *
 *	So what comes soon is known by its address, and the state of the fourth slab from
 *	the one in use is fetched. Not all hardware does: 4 KiB objects, 64 at once, from
 *	0.56 to 0.20 on an Intel Golden Cove, where the next but one gave 0.28.
 *
 * Objects are fetched only for a client who says that he writes to them (XSLAB_PREFETCH):
 * it may be the memory of a device, which is none of the CPU's business, and who does not
 * write waits in vain. 30,000 objects of 256 bytes, ns, one by one, on an Intel Golden Cove
 * under a hypervisor: 8.5 where a refill fetches its objects, 2.7 where it does not; and for
 * those that are written to 8.6 and 11 (1 KiB: 10 and 3, 22 and 31; 4 KiB: 42 and 6, 43 and
 * 80). In bulk, 64 of 256 bytes at once and written to: 6.7 and 8.4; 1 KiB: 14 and 23, with
 * a bare stack of pointers 13 to 17. To fetch 16 ahead of those in use, window by window, or
 * 16 of 64 alone, was good for neither kind of client. Objects of up to a line are left to
 * the hardware: 64 bytes, written to, 5.1 with a fetch and 3.8 without.
 *
 * A fetch cannot fault: what is not mapped, or no memory, is left alone.
 *
 * Lining up
 *
 * A word of a map fills a magazine, and so do some slabs. But where clients take and free
 * objects in order, they begin anywhere, and then each magazine would hold the end of one
 * slab and the begin of the next, and change the states of both. So a flush takes what
 * completes its last slab from the next magazine, and a refill that has some objects leaves
 * the next slab, or word, alone when it would take a part of it. Both happen once, and
 * from then on magazines and slabs begin together. 30,000 objects of 256 bytes, one by one:
 * frees from 48 to 45 instructions, allocations from 36 to 34 (with slabs of 64).
 *
 * NMI
 *
 * An NMI may have interrupted the holder of the lock. It does not wait: it
 * allocates nothing, and for a free it sets the object's bit in a second map and
 * pushes the slab onto a stack without a lock. Whoever takes the lock next moves
 * the bits, and the slab to the right list. Between the two, nmi_frees keeps the
 * slab from being given back.
 *
 * Locks: cache->lock is held for one magazine, or up to 256 objects of a bulk operation.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/prefetch.h>

#include "xrow.h"

#define XSLAB_AHEAD		4U	/* slabs, see fetch_ahead() */

/*
 * From slabs to arrays
 */

/* What objects are taken from slabs for. */
enum xslab_use {
	XSLAB_FOR_MAGAZINE,	/* for clients that come one by one, soon */
	XSLAB_FOR_WRITER,	/* likewise, for one who writes to them */
	XSLAB_FOR_BULK,		/* for a client, and nobody looks whether they are live */
	XSLAB_FOR_LIVE,		/* for a client: mark them live */
};

static __always_inline bool is_for_magazine(enum xslab_use use)
{
	return use == XSLAB_FOR_MAGAZINE || use == XSLAB_FOR_WRITER;
}

/*
 * Where the object @i after the one at @at is written. A magazine is used from its end, so
 * it is written from there: clients get objects in the order of addresses.
 */
static __always_inline void **slot(void **at, unsigned int i, enum xslab_use use)
{
	return is_for_magazine(use) ? at - i : at + i;
}

/* How many were written from @first on, where the next one would come to @at. */
static __always_inline unsigned int between(void **first, void **at, enum xslab_use use)
{
	return is_for_magazine(use) ? first - at : at - first;
}

static __always_inline void **write_one(void **at, void *obj, enum xslab_use use)
{
	*at = obj;
	if (use == XSLAB_FOR_WRITER)
		prefetchw(obj);
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

/* As write_run(), but marks them live: one that is live already is left out. */
static __always_inline unsigned int write_live_run(struct xslab_cache *cache, void **objs,
						   unsigned int nr, void *obj)
{
	struct xslab_check how = cache->fast.check;
	unsigned long stride = cache->stride;
	struct xlive_row row = live_row(&how, (unsigned long)obj, stride);
	void **at = objs;

	for (; row.step && nr >= 4 && set_live_4(&row, 1); nr -= 4) {
		at = write_4(at, obj, stride, XSLAB_FOR_LIVE);
		obj += 4 * stride;
	}
	for (; nr; nr--, obj += stride)
		if (likely(xslab_set_near_live(&how, obj, 1)))
			at = write_one(at, obj, XSLAB_FOR_LIVE);
	return at - objs;
}

/*
 * Write down @nr objects of a slab, which follow one another from @obj on. Returns how
 * many: one that is live already was freed twice, and whoever has it keeps it.
 */
static __always_inline unsigned int write_run(struct xslab_cache *cache, void **at,
					      unsigned int nr, void *obj, enum xslab_use use)
{
	unsigned long stride = cache->stride;
	unsigned int left = nr;

	if (use == XSLAB_FOR_LIVE)
		return write_live_run(cache, at, nr, obj);
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

/* How many of @bits are set; of a row that is known without counting. */
static __always_inline unsigned int count_bits(unsigned long bits, bool row)
{
	return row ? __fls(bits) - __ffs(bits) + 1 : hweight_long(bits);
}

/*
 * The first @nr objects of the bits *@left, which are a row of as many or more; @first is
 * the one of bit 0.
 */
static __always_inline unsigned int take_row(struct xslab_cache *cache, void *first,
					     unsigned long *left, void **objs,
					     unsigned int nr, enum xslab_use use)
{
	unsigned int at = __ffs(*left), n;
	void *obj = first + (unsigned long)at * cache->stride;

	*left &= ~(GENMASK(nr - 1, 0) << at);
	n = write_run(cache, objs, nr, obj, use);
	if (use == XSLAB_FOR_LIVE && unlikely(n < nr))
		xslab_report_lost(cache, obj);
	return n;
}

/*
 * The same of bits that are anywhere, one by one, so that no branch need be guessed: 16
 * bytes, 30,000 after they were freed in random order, 3.5 ns, in rows 4.1; 64 bytes 2.8
 * and 3.9, 256 bytes 3.2 and 4.1.
 */
static __always_inline unsigned int take_scattered(struct xslab_cache *cache, void *first,
						   unsigned long *left, void **objs,
						   unsigned int nr, enum xslab_use use)
{
	struct xslab_check how = cache->fast.check;
	unsigned long stride = cache->stride, bits = *left;
	void **at = objs;

	while (nr--) {
		void *obj = first + __ffs(bits) * stride;

		bits &= bits - 1;
		if (use != XSLAB_FOR_LIVE || likely(xslab_set_near_live(&how, obj, 1)))
			at = write_one(at, obj, use);
		else
			xslab_report_lost(cache, obj);
	}
	*left = bits;
	return between(objs, at, use);
}

/*
 * Up to @nr objects of word @w of a slab's map. In a slab that was filled in order they
 * lie in one row, which needs no search. *@taken counts the bits.
 */
static __always_inline unsigned int take_word(struct xslab_cache *cache, struct xpage *slab,
					      unsigned int w, void **objs, unsigned int nr,
					      unsigned int *taken, enum xslab_use use,
					      bool one_word)
{
	void *first = first_object(cache, slab) + w * BITS_PER_LONG * cache->stride;
	unsigned long bits = atomic_long_read(&slab->map[w]), left = bits;
	bool row = is_row(bits);
	unsigned int got;

	if (!bits)
		return 0;
	nr = min(nr, one_word ? slab->nr_free : count_bits(bits, row));
	*taken += nr;
	if (row)
		got = take_row(cache, first, &left, objs, nr, use);
	else
		got = take_scattered(cache, first, &left, objs, nr, use);
	if (one_word)
		atomic_long_set(&slab->map[w], left);
	else
		change_word(cache, &slab->map[w], bits & ~left, 0);
	return got;
}

/*
 * How many of @taken objects counted as free. Where NMIs set bits of the same map, some of
 * these may not have been counted yet: then the slab has too few until they are.
 */
static __always_inline unsigned int of_counted(const struct xslab_cache *cache,
					       struct xpage *slab, unsigned int taken)
{
	return has_nmi_words(cache) ? taken : min_t(unsigned int, slab->nr_free, taken);
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

static __always_inline unsigned int take_slab(struct xslab_cache *cache, struct xpage *slab,
					      void **objs, unsigned int nr,
					      enum xslab_use use, bool refill)
{
	unsigned int w = 0, got = 0, taken = 0;

	do {
		got += take_word(cache, slab, w, slot(objs, got, use), nr - got, &taken, use,
				 false);
	} while (++w < cache->words && got < nr &&
		 !(refill && got && word_may_wait(slab, w, nr - got)));
	sub_nr_free(cache, slab, of_counted(cache, slab, taken));
	return got;
}

/* The same of a slab whose map is one word. */
static __always_inline unsigned int take_small(struct xslab_cache *cache, struct xpage *slab,
					       void **objs, unsigned int nr,
					       enum xslab_use use)
{
	unsigned int got, taken = 0;

	got = take_word(cache, slab, 0, objs, nr, &taken, use, true);
	sub_nr_free(cache, slab, taken);
	return got;
}

/*
 * Slabs are used in the order of their addresses where they can be, so the state of the one
 * that is that far behind comes to be wanted soon.
 */
static __always_inline void fetch_ahead(const struct xslab_cache *cache,
					const struct xpage *slab)
{
	prefetchw(slab + XSLAB_AHEAD * pages_per_slab(cache));
}

/* So many slabs are all full that were free, or the other way about; they are on the list. */
static __always_inline void count_whole(struct xslab_cache *cache, unsigned int from,
					unsigned int to, unsigned int nr)
{
	cache->nr[from] -= nr;
	cache->nr[to] += nr;
	cache->nr_free += (to == XSLAB_FREE ? 1L : -1L) * nr * cache->per_slab;
}

/*
 * All objects of free slabs whose map is one word, for as long as all of one are wanted.
 * The slabs change their list together.
 */
static __always_inline unsigned int take_whole(struct xslab_cache *cache, void **objs,
					       unsigned int nr, enum xslab_use use)
{
	struct list_head *list = &cache->lists[XSLAB_FREE], *at = list;
	unsigned int per_slab = cache->per_slab, got = 0, slabs = 0, n;

	do {
		struct xpage *slab = list_first_entry(at, struct xpage, list);
		void *first = first_object(cache, slab);

		fetch_ahead(cache, slab);
		xset_del(&cache->empty, slab_nr(cache, slab));
		n = write_run(cache, slot(objs, got, use), per_slab, first, use);
		if (use == XSLAB_FOR_LIVE && unlikely(n < per_slab))
			xslab_report_lost(cache, first);
		atomic_long_set(&slab->word, 0);
		slab->nr_free = 0;
		got += n;
		slabs++;
		at = &slab->list;
	} while (nr - got >= per_slab && at->next != list);
	list_bulk_move_tail(&cache->lists[XSLAB_FULL], list->next, at);
	count_whole(cache, XSLAB_FREE, XSLAB_FULL, slabs);
	return got;
}

/* Is @slab a partial one of the cache that is on the list, or belongs there? */
static __always_inline bool is_on(const struct xslab_cache *cache, const struct xpage *slab,
				  unsigned int list)
{
	return slab < cache->pages + cache->pool->buddy.nr && owns(cache, slab) &&
	       cache->list_of[slab->nr_free] == list;
}

/*
 * The slab to take objects from: the fullest that has some, or NULL. Of partial ones that
 * are about equally full it is the last that served, or the one behind it, if that is one
 * of them.
 */
static __always_inline struct xpage *best_slab(struct xslab_cache *cache)
{
	unsigned int list = first_list(cache);

	if (list == XSLAB_FREE)
		return list_first_entry_or_null(&cache->lists[list], struct xpage, list);
	return is_on(cache, cache->beside, list) ? cache->beside : xslab_fullest(cache);
}

/*
 * One object, not marked live, of @slab, or of the best one where that is NULL. NULL
 * where nothing is free. Under the lock.
 */
void *xfill_one(struct xslab_cache *cache, struct xpage *slab)
{
	void *obj;

	lockdep_assert_held(&cache->lock);
	slab = slab ?: best_slab(cache);
	return slab && take_slab(cache, slab, &obj, 1, XSLAB_FOR_BULK, false) ? obj : NULL;
}

/* May what a slab of several words gives next wait? As word_may_wait(). */
static bool slab_may_wait(const struct xslab_cache *cache, struct xpage *slab,
			  unsigned int left)
{
	unsigned int w = 0;

	while (w < cache->words - 1 && !atomic_long_read(&slab->map[w]))
		w++;
	return word_may_wait(slab, w, left);
}

/*
 * Up to @nr objects. @refill: of a magazine, which need not be full, so a free slab that is
 * more than what is left waits, too, where whole ones fill a magazine.
 */
static __always_inline unsigned int fill(struct xslab_cache *cache, void **objs,
					 unsigned int nr, enum xslab_use use, bool refill)
{
	unsigned int left = nr, n;
	struct xpage *slab;
	unsigned long flags;

	if (!xlock(&cache->lock, &flags))
		return 0;
	settle(cache);
	while (left && (slab = best_slab(cache))) {
		bool is_free = slab->nr_free == cache->per_slab;

		fetch_ahead(cache, slab);
		if (unlikely(cache->words > 1)) {
			if (refill && left < nr && slab_may_wait(cache, slab, left))
				break;
			n = take_slab(cache, slab, objs, left, use, refill);
		} else if (is_free && left >= cache->per_slab) {
			n = take_whole(cache, objs, left, use);
		} else if (!is_free || !refill || left == nr || nr % cache->per_slab) {
			n = take_small(cache, slab, objs, left, use);
		} else {
			break;
		}
		objs = slot(objs, n, use);
		left -= n;
		cache->beside = slab + (slab->nr_free ? 0 : pages_per_slab(cache));
	}
	/* Here, where the lock is held anyway: a counter of the CPU would be one more irq-off. */
	if (!is_for_magazine(use))
		cache->past += nr - left;
	xslab_unlock(cache, flags);
	return nr - left;
}

/* Up to @nr objects, not marked live; returns how many. */
noinline unsigned int xfill_bulk(struct xslab_cache *cache, void **objs, unsigned int nr)
{
	return fill(cache, objs, nr, XSLAB_FOR_BULK, false);
}

static noinline unsigned int fill_for_writer(struct xslab_cache *cache, void **last,
					     unsigned int nr)
{
	return fill(cache, last, nr, XSLAB_FOR_WRITER, true);
}

static unsigned int slab_fill(struct xmag *mag, void **objs, unsigned int nr)
{
	struct xslab_cache *cache = container_of(mag, struct xslab_cache, mag);
	unsigned int got;

	if (wants_fetch(cache))
		got = fill_for_writer(cache, objs + nr - 1, nr);
	else
		got = fill(cache, objs + nr - 1, nr, XSLAB_FOR_MAGAZINE, true);
	if (unlikely(got < nr))
		memmove(objs, objs + nr - got, got * sizeof(*objs));
	return got;
}

/* Up to @nr objects, marked live, of a cache that has live bytes by address. */
noinline unsigned int xfill_live(struct xslab_cache *cache, void **objs, unsigned int nr)
{
	return fill(cache, objs, nr, XSLAB_FOR_LIVE, false);
}

/*
 * From arrays to slabs
 */

/*
 * How far objects follow one another in @at as they do in memory, @step apart, from
 * @obj on, which is the first one behind an object that was accepted.
 */
static __always_inline void **accept_row(const struct xslab_check *check, void **at,
					 void **end, unsigned long obj, long step,
					 enum xslab_trust trust)
{
	unsigned long fours = (unsigned long)(end - at) / 4;
	struct xlive_row row = {};

	if (trust == XSLAB_CHECK_LIVE) {
		row = live_row(check, obj, step);
		fours = row.step ? fours : 0;
	}
	for (; fours && is_row_of_4(at, obj, step) && accept_live_4(&row, trust); fours--) {
		obj += 4 * step;
		at += 4;
	}
	while (at != end && (unsigned long)*at == obj && accept_live(check, obj, trust)) {
		obj += step;
		at++;
	}
	return at;
}

/* How many objects a row can have that begins with number @nr, in one word of the map. */
static __always_inline unsigned int row_room(const struct xslab_cache *cache,
					     unsigned int nr, bool down, bool one_word)
{
	unsigned int room = cache->per_slab - nr;

	if (down)
		return nr % BITS_PER_LONG + 1;
	return one_word ? room : min_t(unsigned int, room, BITS_PER_LONG - nr % BITS_PER_LONG);
}

static __always_inline unsigned long row_bits(unsigned int nr, unsigned int len, bool down)
{
	unsigned int first = nr % BITS_PER_LONG - (down ? len - 1 : 0);

	return GENMASK(len - 1, 0) << first;
}

/*
 * The objects from @at on, but before @end, that are in the slab at @start, as bits
 * of word @w of its map, which is that of the first. Stops at one that is not to
 * be freed; returns where it stopped.
 */
static __always_inline void **gather_word(const struct xslab_cache *cache, void **at,
					  void **end, unsigned long start, unsigned int *w,
					  unsigned long *mask, enum xslab_trust trust,
					  bool one_word)
{
	unsigned long obj = (unsigned long)*at, slab_mask = cache->fast.slab_mask, bits = 0;
	struct xslab_check how = cache->fast.check;
	unsigned int nr = object_nr(&how, obj - start), word = one_word ? 0 : BIT_WORD(nr);

	while (trust == XSLAB_TRUST || likely(is_start(&how, obj - start))) {
		if (!accept_live(&how, obj, trust))
			break;
		bits |= BIT_MASK(nr);
		if (++at == end)
			break;
		obj = (unsigned long)*at;
		if ((obj & slab_mask) != start)
			break;
		nr = object_nr(&how, obj - start);
		if (!one_word && BIT_WORD(nr) != word)
			break;
	}
	*mask = bits;
	*w = word;
	return at;
}

/* The objects @set of word @w, which was @old, come back; @added of them were not there. */
static __always_inline void put_bits(struct xslab_cache *cache, struct xpage *slab,
				     unsigned int w, unsigned long old, unsigned long set,
				     unsigned int added, bool one_word)
{
	if (one_word)
		atomic_long_set(&slab->map[w], old | set);
	else
		change_word(cache, &slab->map[w], 0, set);
	add_nr_free(cache, slab, added);
	if (one_word && unlikely(slab->holes))
		xtear_freed(cache, slab);
}

/*
 * So do @nr objects; false: one was there before, or is in @mask for two. In a @row none is,
 * so its bits need not be counted.
 */
static __always_inline bool put_run(struct xslab_cache *cache, struct xpage *slab,
				    unsigned int w, unsigned long mask, unsigned long nr,
				    bool row, bool one_word)
{
	unsigned long old = atomic_long_read(&slab->map[w]);
	unsigned int added = row && likely(!(old & mask)) ? nr : hweight_long(mask & ~old);

	put_bits(cache, slab, w, old, mask, added, one_word);
	return likely(added == nr);
}

/* So does object @nr, and nothing need be counted; false: it was there. */
static __always_inline bool put_bit(struct xslab_cache *cache, struct xpage *slab,
				    unsigned int nr, bool one_word)
{
	unsigned int w = one_word ? 0 : BIT_WORD(nr);
	unsigned long old = atomic_long_read(&slab->map[w]), mask = BIT_MASK(nr);

	if (unlikely(old & mask))
		return false;
	put_bits(cache, slab, w, old, mask, 1, one_word);
	return true;
}

/* Is the object at @at the only one of the slab at @start, as far as the next one tells? */
static __always_inline bool is_alone(const struct xslab_cache *cache, void **at, void **end,
				     unsigned long start)
{
	return at + 1 == end || slab_start(cache, (unsigned long)at[1]) != start;
}

/* Put the object at @at into its slab; returns what is next, @at where it cannot be freed. */
static __always_inline void **put_one(struct xslab_cache *cache, struct xpage *slab,
				      void **at, unsigned long start, void **lost,
				      enum xslab_trust trust, bool one_word)
{
	const struct xslab_check *how = &cache->fast.check;
	unsigned long obj = (unsigned long)*at;

	if (trust != XSLAB_TRUST && unlikely(!is_start(how, obj - start)))
		return at;
	if (!accept_live(how, obj, trust))
		return at;
	if (unlikely(!put_bit(cache, slab, object_nr(how, obj - start), one_word)))
		*lost = *at;
	return at + 1;
}

/* The same for all that follow and are in the same word of the map. */
static __always_inline void **put_group(struct xslab_cache *cache, struct xpage *slab,
					void **at, void **end, unsigned long start,
					void **lost, enum xslab_trust trust, bool one_word)
{
	unsigned long mask;
	unsigned int w;
	void **next;

	next = gather_word(cache, at, end, start, &w, &mask, trust, one_word);
	if (trust != XSLAB_TRUST && unlikely(next == at))
		return at;
	if (unlikely(!put_run(cache, slab, w, mask, next - at, false, one_word)))
		*lost = *at;
	return next;
}

/* As put_group(), for as long as objects follow one another as the first two do. */
static __always_inline void **put_row(struct xslab_cache *cache, struct xpage *slab,
				      void **at, void **end, unsigned long start,
				      void **lost, enum xslab_trust trust, bool one_word)
{
	struct xslab_check how = cache->fast.check;
	unsigned long obj = (unsigned long)*at, len;
	unsigned int nr = object_nr(&how, obj - start);
	long step = step_of(at);
	void **next;

	if (trust != XSLAB_TRUST && unlikely(!is_start(&how, obj - start)))
		return at;
	next = min(end, at + row_room(cache, nr, step < 0, one_word));
	next = accept_row(&how, at, next, obj, step, trust);
	len = next - at;
	if (trust == XSLAB_CHECK_LIVE && unlikely(!len))
		return at;
	if (unlikely(!put_run(cache, slab, one_word ? 0 : BIT_WORD(nr),
			      row_bits(nr, len, step < 0), len, true, one_word)))
		*lost = *at;
	return next;
}

/* Are the objects from @at on perhaps all of the full slab at @start? */
static __always_inline bool may_be_all(const struct xslab_cache *cache,
				       const struct xpage *slab, void **at, void **end,
				       unsigned long start)
{
	return end - at >= cache->per_slab && (unsigned long)*at == start + cache->slack &&
	       is_near(cache, start) && owns(cache, slab) && !slab->nr_free;
}

/*
 * All objects of full slabs whose map is one word, for as long as both follow one another
 * from @at and @slab on. The slabs change their list together. Torn ones, which have
 * fewer objects, are not among them: see owns(). As put_group() otherwise.
 */
static __always_inline void **put_whole(struct xslab_cache *cache, struct xpage *slab,
					void **at, void **end, unsigned long start,
					void **lost, enum xslab_trust trust)
{
	unsigned int per_slab = cache->per_slab, nr = slab_nr(cache, slab), slabs = 0;
	struct list_head *place = free_place_of(cache, slab);
	struct xslab_check how = cache->fast.check;
	void **next;

	do {
		next = accept_row(&how, at, at + per_slab, (unsigned long)*at, cache->stride,
				  trust);
		if (unlikely(next != at + per_slab))
			break;
		atomic_long_set(&slab->word, GENMASK(per_slab - 1, 0));
		slab->nr_free = per_slab;
		xset_add(&cache->empty, nr + slabs++);
		list_move(&slab->list, place);
		place = &slab->list;
		at = next;
		start += PAGE_SIZE << cache->order;
		slab += pages_per_slab(cache);
	} while (may_be_all(cache, slab, at, end, start));
	if (likely(slabs))
		count_whole(cache, XSLAB_FULL, XSLAB_FREE, slabs);
	if (unlikely(next != at) &&
	    unlikely(!put_run(cache, slab, 0, row_bits(0, next - at, false), next - at, true,
			      true)))
		*lost = *at;
	return next;
}

typedef void **(*put_fn)(struct xslab_cache *cache, struct xpage *slab, void **at,
			 void **end, unsigned long start, void **lost);

/*
 * Put objects into slabs; *@lost is one that was there already. Unless they are
 * trusted, stops at one that cannot be freed, or is not near; returns how many.
 */
static __always_inline unsigned int put_runs(struct xslab_cache *cache, void **objs,
					     unsigned int nr, void **lost,
					     put_fn group, put_fn row, put_fn whole,
					     enum xslab_trust trust, bool one_word)
{
	void **at = objs, **end = objs + nr, **next;

	for (; at != end; at = next) {
		unsigned long start = slab_start(cache, (unsigned long)*at);
		struct xpage *slab;

		if (trust != XSLAB_TRUST && unlikely(!is_near(cache, start)))
			break;
		slab = slab_of(cache, start);
		if (trust != XSLAB_TRUST && unlikely(!owns(cache, slab)))
			break;
		if (is_alone(cache, at, end, start))
			next = put_one(cache, slab, at, start, lost, trust, one_word);
		else if (!are_row(cache, at))
			next = group(cache, slab, at, end, start, lost);
		else if (whole && may_be_all(cache, slab, at, end, start))
			next = whole(cache, slab, at, end, start, lost);
		else
			next = row(cache, slab, at, end, start, lost);
		if (trust != XSLAB_TRUST && unlikely(next == at))
			break;
	}
	return at - objs;
}

/* The same of objects that are trusted, and of different slabs mostly. */
static __always_inline void put_each(struct xslab_cache *cache, void **objs, unsigned int nr,
				     void **lost, bool all_near, bool one_word)
{
	void **at = objs, **end = objs + nr;

	while (at != end) {
		unsigned long start = slab_start(cache, (unsigned long)*at);
		struct xpage *slab = all_near ? near_slab(cache, start) : slab_of(cache, start);

		at = put_one(cache, slab, at, start, lost, XSLAB_TRUST, one_word);
	}
}

/* Of objects that are trusted, too: what is left to look at is whether they are live. */
static noinline void **put_whole_start(struct xslab_cache *cache, struct xpage *slab,
				       void **at, void **end, unsigned long start,
				       void **lost)
{
	return put_whole(cache, slab, at, end, start, lost, XSLAB_CHECK_START);
}

static noinline void **put_whole_live(struct xslab_cache *cache, struct xpage *slab,
				      void **at, void **end, unsigned long start,
				      void **lost)
{
	return put_whole(cache, slab, at, end, start, lost, XSLAB_CHECK_LIVE);
}

/*
 * Functions for each kind of slab and of trust: in one alone there are not registers enough
 * for the loops of all. @whole: for slabs that become free at once, or NULL.
 */
#define DEFINE_PUT(name, whole, ...)							\
	static noinline void **name##_group(struct xslab_cache *cache,			\
					    struct xpage *slab, void **at, void **end,	\
					    unsigned long start, void **lost)		\
	{										\
		return put_group(cache, slab, at, end, start, lost, __VA_ARGS__);	\
	}										\
											\
	static noinline void **name##_row(struct xslab_cache *cache,			\
					  struct xpage *slab, void **at, void **end,	\
					  unsigned long start, void **lost)		\
	{										\
		return put_row(cache, slab, at, end, start, lost, __VA_ARGS__);		\
	}										\
											\
	static noinline unsigned int name(struct xslab_cache *cache, void **objs,	\
					  unsigned int nr, void **lost)			\
	{										\
		return put_runs(cache, objs, nr, lost, name##_group, name##_row, whole,	\
				__VA_ARGS__);						\
	}

DEFINE_PUT(put_check_start, put_whole_start, XSLAB_CHECK_START, true)
DEFINE_PUT(put_check_live, put_whole_live, XSLAB_CHECK_LIVE, true)
DEFINE_PUT(put_word_check_start, NULL, XSLAB_CHECK_START, false)
DEFINE_PUT(put_word_check_live, NULL, XSLAB_CHECK_LIVE, false)
DEFINE_PUT(put_trust, put_whole_start, XSLAB_TRUST, true)
DEFINE_PUT(put_word_trust, NULL, XSLAB_TRUST, false)

static noinline void put_singles(struct xslab_cache *cache, void **objs, unsigned int nr,
				 void **lost)
{
	if (unlikely(cache->words > 1))
		put_each(cache, objs, nr, lost, false, false);
	else if (likely(cache->fast.near_bytes))
		put_each(cache, objs, nr, lost, true, true);
	else
		put_each(cache, objs, nr, lost, false, true);
}

static unsigned int put_checked(struct xslab_cache *cache, void **objs, unsigned int nr,
				void **lost)
{
	bool has_live = xslab_has_live(&cache->fast.check);

	if (likely(cache->words == 1))
		return has_live ? put_check_live(cache, objs, nr, lost) :
				  put_check_start(cache, objs, nr, lost);
	return has_live ? put_word_check_live(cache, objs, nr, lost) :
			  put_word_check_start(cache, objs, nr, lost);
}

static __always_inline bool are_together(const struct xslab_cache *cache, void **pair)
{
	return slab_start(cache, (unsigned long)pair[0]) ==
	       slab_start(cache, (unsigned long)pair[1]);
}

/*
 * Objects of a magazine, which were checked. Whether some of them lie together the first
 * two tell, or where these lie apart the last two.
 */
static void put_trusted(struct xslab_cache *cache, void **objs, unsigned int nr,
			void **lost)
{
	if (nr == 1 || (!are_together(cache, objs) && !are_together(cache, objs + nr - 2)))
		put_singles(cache, objs, nr, lost);
	else if (likely(cache->words == 1))
		put_trust(cache, objs, nr, lost);
	else
		put_word_trust(cache, objs, nr, lost);
}

/*
 * NMIs
 */

/* Set the bit of an object without the lock; false: it is set. */
static bool set_bit_nmi(const struct xslab_cache *cache, struct xpage *slab, unsigned int nr)
{
	unsigned int word = BIT_WORD(nr) + (has_nmi_words(cache) ? XPAGE_MAP_WORDS / 2 : 0);

	return !(atomic_long_fetch_or(BIT_MASK(nr), &slab->map[word]) & BIT_MASK(nr));
}

/* Move what NMIs set to where it belongs; returns whether it was there already. */
static bool merge_nmi_words(struct xslab_cache *cache, struct xpage *slab)
{
	unsigned long lost = 0;
	unsigned int w;

	for (w = 0; has_nmi_words(cache) && w < cache->words; w++) {
		unsigned long set = atomic_long_xchg(&slab->map[w + XPAGE_MAP_WORDS / 2], 0);

		lost |= set & atomic_long_read(&slab->map[w]);
		change_word(cache, &slab->map[w], 0, set);
	}
	return lost;
}

/* Slabs that NMIs freed objects of. */
noinline void xfill_deferred(struct xslab_cache *cache)
{
	struct xpage *slab = xdefer_take_all(cache->pool, &cache->deferred);

	while (slab) {
		struct xpage *next = xdefer_next(cache->pool, slab);

		if (merge_nmi_words(cache, slab))
			atomic_long_inc(&cache->errors);
		recount_free(cache, slab);
		if (is_torn(slab))
			xtear_freed(cache, slab);
		slab = next;
	}
	if (cache->nr_waiting)
		xwait_serve(cache);	/* the NMI saw to it that they are woken */
}

/* In an NMI that found the lock taken. */
static void drain_nmi(struct xslab_cache *cache, void **objs, unsigned int nr)
{
	unsigned int i;

	atomic_inc(&cache->nmi_frees);
	smp_mb__after_atomic();		/* pairs with spare_slab() */
	for (i = 0; i < nr; i++) {
		unsigned long start = slab_start(cache, (unsigned long)objs[i]);
		struct xpage *slab = slab_of(cache, start);

		unsigned long in = (unsigned long)objs[i] - start;

		if (!set_bit_nmi(cache, slab, object_nr(&cache->fast.check, in)))
			xslab_report_lost(cache, objs[i]);
		if (xdefer_claim(slab))
			xdefer_push(cache->pool, &cache->deferred, slab);
	}
	smp_mb__before_atomic();	/* pairs with spare_slab() */
	atomic_dec(&cache->nmi_frees);
	irq_work_queue(&cache->later);
}

/* Objects that were checked, and are marked dead. Any context. */
void xfill_drain(struct xslab_cache *cache, void **objs, unsigned int nr)
{
	unsigned long flags;
	void *lost = NULL;

	if (!nr)
		return;
	if (unlikely(!xlock(&cache->lock, &flags))) {
		drain_nmi(cache, objs, nr);
		return;
	}
	settle(cache);
	put_trusted(cache, objs, nr, &lost);
	unlock_freed(cache, flags);
	if (unlikely(lost))
		xslab_report_lost(cache, lost);
}

/*
 * The same of objects that nobody looked at yet; returns how many it put: it stops at one
 * that cannot be freed.
 */
unsigned int xfill_drain_checked(struct xslab_cache *cache, void **objs, unsigned int nr)
{
	unsigned long flags;
	void *lost = NULL;

	if (unlikely(!xlock(&cache->lock, &flags)))
		return 0;
	settle(cache);
	nr = put_checked(cache, objs, nr, &lost);
	unlock_freed(cache, flags);
	if (unlikely(lost))
		xslab_report_lost(cache, lost);
	return nr;
}

/*
 * Where objects are freed in the order of addresses, what is missing of the slab that the
 * last one is in: then the next magazine begins with a slab, or with a word of its map.
 */
static unsigned int slab_rest(struct xmag *mag, void *last, void **objs)
{
	struct xslab_cache *cache = container_of(mag, struct xslab_cache, mag);
	unsigned long obj = (unsigned long)objs[0], nr;

	if (objs[0] != last + cache->stride)
		return 0;
	nr = object_nr(&cache->fast.check, obj - slab_start(cache, obj));
	if (!(nr % BITS_PER_LONG))
		return 0;
	nr = row_room(cache, nr, false, false);
	return nr < mag->size && (unsigned long)objs[nr - 1] == obj + (nr - 1) * cache->stride ?
	       nr : 0;
}

static void slab_drain(struct xmag *mag, void **objs, unsigned int nr)
{
	xfill_drain(container_of(mag, struct xslab_cache, mag), objs, nr);
}

const struct xmag_ops xfill_ops = {
	.fill	= slab_fill,
	.drain	= slab_drain,
	.rest	= slab_rest,
};

