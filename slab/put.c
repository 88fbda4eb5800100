// SPDX-License-Identifier: GPL-2.0
/*
 * slab/put: objects come back from magazines to slabs
 *
 * Those that were allocated together are mostly freed together, so there are ways for what is in
 * order, as in fill.c: whole slabs, rows, scattered objects of one slab, and single objects.
 *
 * What comes from a magazine is looked at before it is put (see slab/check.c): is the slab the
 * cache's, is the object's live byte what it was when it came into the magazine, and is its bit
 * not set. In rows that is done for four at a time, and the owner is looked at once for each word
 * of a map. What is not as it should be is dropped. Objects of torn slabs are put one by one, as
 * the fast way does not know their slabs (slab/tear.c).
 *
 * NMI
 *
 * An NMI may have interrupted the holder of the lock. It does not wait: it allocates nothing, and
 * for a free it sets the object's bit in a second map (in the map itself, where that has more than
 * two words) and pushes the slab onto a stack without a lock. The next holder of the lock
 * (slab/lock.c) moves the bits, and the slab to the right list; it looks again at what may have
 * changed meanwhile because an object was freed twice. Until the bits are moved nmi.frees keeps the
 * slab from being given back, and then, until it is on the right list, slab->deferred does.
 *
 * Locks: cache->lock is held for one magazine, or up to 256 objects of a bulk operation.
 */
#include "row.h"

/*
 * How far objects follow one another in @at as they do in memory, @step apart, from
 * @obj on, which is the first one behind an object that was accepted.
 */
static __always_inline void **accept_row(const struct xslab_check *check, void **at,
					 void **end, unsigned long obj, long step,
					 unsigned int how)
{
	unsigned long fours = (unsigned long)(end - at) / 4;
	struct xlive_row row = {};

	if (how & XSLAB_HAS_LIVE) {
		row = live_row(check, obj, step);
		fours = row.step ? fours : 0;
	}
	for (; fours && is_row_of_4(at, obj, step) && accept_live_4(check, &row, how); fours--) {
		obj += 4 * step;
		at += 4;
	}
	while (at != end && (unsigned long)*at == obj && accept_live(check, obj, how)) {
		obj += step;
		at++;
	}
	return at;
}

/* The word of a map that has the bit of object @nr. */
static __always_inline unsigned int word_of(unsigned int nr, unsigned int how)
{
	return how & XSLAB_ONE_WORD ? 0 : BIT_WORD(nr);
}

/* How many objects a row can have that begins with number @nr, in one word of the map. */
static __always_inline unsigned int row_room(const struct xslab_cache *cache,
					     unsigned int nr, bool down)
{
	return down ? nr % BITS_PER_LONG + 1 :
		      min_t(unsigned int, cache->per_slab - nr,
			    BITS_PER_LONG - nr % BITS_PER_LONG);
}

static __always_inline unsigned long row_bits(unsigned int nr, unsigned int len, bool down)
{
	unsigned int first = nr % BITS_PER_LONG - (down ? len - 1 : 0);

	return GENMASK(len - 1, 0) << first;
}

/* Is an object of the cache at @obj, where it is not known from before? */
static __always_inline bool accept_start(const struct xslab_check *check, unsigned long obj,
					 unsigned long start, unsigned int how)
{
	return !(how & XSLAB_CHECK) || likely(xslab_is_start(check, obj - start + check->bias));
}

/*
 * The objects from @at on, but before @end, that are in the slab at @start, as bits of word
 * @w of its map, which is that of the first. Stops at one that cannot be freed; returns
 * where it stopped.
 */
static __always_inline void **gather_word(const struct xslab_cache *cache,
					  const struct xslab_check *check, void **at,
					  void **end, unsigned long start, unsigned int *w,
					  unsigned long *mask, unsigned int how)
{
	unsigned long obj = (unsigned long)*at, slab_mask = cache->fast.slab_mask, bits = 0;
	unsigned int nr = object_nr(check, obj - start), word = word_of(nr, how);

	while (accept_start(check, obj, start, how)) {
		if (!accept_live(check, obj, how))
			break;
		bits |= BIT_MASK(nr);
		if (++at == end)
			break;
		obj = (unsigned long)*at;
		if ((obj & slab_mask) != start)
			break;
		nr = object_nr(check, obj - start);
		if (word_of(nr, how) != word)
			break;
	}
	*mask = bits;
	*w = word;
	return at;
}

/* The objects @set of word @w, which was @old, come back; @added of them were not there. */
static __always_inline void put_bits(struct xslab_cache *cache, struct xpage *slab,
				     unsigned int w, unsigned long old, unsigned long set,
				     unsigned int added, unsigned int how)
{
	if (how & XSLAB_ONE_WORD)
		atomic_long_set(&slab->map[w], old | set);
	else
		change_word(cache, &slab->map[w], 0, set);
	add_nr_free(cache, slab, added);
}

/*
 * @nr objects of word @w of a map come back, @mask, of which @obj is the first. One may have been
 * there before, or two may have the same bit.
 */
static __always_inline void put_word(struct xslab_cache *cache, struct xpage *slab,
				     unsigned int w, unsigned long mask, unsigned long nr,
				     void *obj, unsigned int how)
{
	unsigned long old = atomic_long_read(&slab->map[w]);
	unsigned int added = hweight_long(mask & ~old);

	put_bits(cache, slab, w, old, mask, added, how);
	if (unlikely(added != nr))
		xslab_note_lost(cache, obj, nr - added);
}

/* Object @nr comes back, and nothing need be counted. Returns false if it was there. */
static __always_inline bool put_bit(struct xslab_cache *cache, struct xpage *slab,
				    unsigned int nr, unsigned int how)
{
	unsigned int w = word_of(nr, how);
	unsigned long old = atomic_long_read(&slab->map[w]), mask = BIT_MASK(nr);

	if (unlikely(old & mask))
		return false;
	put_bits(cache, slab, w, old, mask, 1, how);
	return true;
}

/* Is the object at @at the only one of the slab at @start, as far as the next one tells? */
static __always_inline bool is_alone(const struct xslab_cache *cache, void **at, void **end,
				     unsigned long start)
{
	return at + 1 == end || slab_start(cache, (unsigned long)at[1]) != start;
}

/* The linear address of a slab. */
static __always_inline unsigned long linear_start(const struct xslab_cache *cache,
						  const struct xpage *slab)
{
	return (unsigned long)first_object(cache, slab) - cache->slack;
}

/* The linear address of an object of a slab that is at @start, as the array has them. */
static __always_inline void *linear_at(const struct xslab_cache *cache,
				       const struct xpage *slab, unsigned long obj,
				       unsigned long start)
{
	return (void *)(linear_start(cache, slab) + (obj - start));
}

/* How to look at the objects of such a slab. */
static __always_inline struct xslab_check check_of(const struct xslab_cache *cache,
						   const struct xpage *slab,
						   unsigned long start, unsigned int how)
{
	return how & XSLAB_CHECK ? check_by(cache, linear_start(cache, slab) - start) :
				   cache->fast.check;
}

/* Put the object at @at into its slab; returns what is next, @at where it cannot be freed. */
static __always_inline void **put_one(struct xslab_cache *cache, struct xpage *slab,
				      void **at, unsigned long start,
				      unsigned int how)
{
	struct xslab_check check = check_of(cache, slab, start, how);
	unsigned long obj = (unsigned long)*at;

	if (!accept_start(&check, obj, start, how) || !accept_live(&check, obj, how))
		return at;
	if (unlikely(!put_bit(cache, slab, object_nr(&check, obj - start), how)))
		xslab_note_lost(cache, linear_at(cache, slab, obj, start), 1);
	return at + 1;
}

/* Like put_one(), but all objects that follow and are in the same word of the map. */
static __always_inline void **put_scattered(struct xslab_cache *cache, struct xpage *slab,
					    void **at, void **end, unsigned long start,
					    unsigned int how)
{
	struct xslab_check check = check_of(cache, slab, start, how);
	unsigned long mask;
	unsigned int w;
	void **next;

	next = gather_word(cache, &check, at, end, start, &w, &mask, how);
	if (unlikely(next == at))
		return at;
	put_word(cache, slab, w, mask, next - at,
		 linear_at(cache, slab, (unsigned long)*at, start), how);
	return next;
}

/* Like put_scattered(), but for as long as objects follow one another as the first two do. */
static __always_inline void **put_object_row(struct xslab_cache *cache, struct xpage *slab,
					     void **at, void **end, unsigned long start,
					     unsigned int how)
{
	struct xslab_check check = check_of(cache, slab, start, how);
	unsigned long obj = (unsigned long)*at, len;
	unsigned int nr = object_nr(&check, obj - start);
	long step = step_of(at);
	void **next;

	if (!accept_start(&check, obj, start, how))
		return at;
	next = min(end, at + row_room(cache, nr, step < 0));
	next = accept_row(&check, at, next, obj, step, how);
	len = next - at;
	if (unlikely(!len))
		return at;
	put_word(cache, slab, word_of(nr, how), row_bits(nr, len, step < 0), len,
		 linear_at(cache, slab, obj, start), how);
	return next;
}

/* Are the objects from @at on perhaps all of the full slab at @start? */
static __always_inline bool may_be_all(const struct xslab_cache *cache,
				       const struct xpage *slab, void **at, void **end,
				       unsigned long start)
{
	return end - at >= cache->per_slab && (unsigned long)*at == start + cache->slack &&
	       can_have_slab(cache, linear_start(cache, slab)) && owns(cache, slab) &&
	       !slab->nr_free;
}

/*
 * All objects of full slabs whose map is one word, for as long as both follow one another
 * from @at and @slab on, in one block of addresses. The slabs change their list together.
 * Torn ones, which have fewer objects, are not among them: see owns(). Otherwise like
 * put_scattered().
 */
static __always_inline void **put_whole(struct xslab_cache *cache, struct xpage *slab,
					void **at, void **end, unsigned long start,
					unsigned int how)
{
	unsigned int per_slab = cache->per_slab, nr = slab_nr(cache, slab), slabs = 0;
	struct list_head *place = free_place_of(cache, slab);
	struct xslab_check check = check_of(cache, slab, start, how);
	void **next;

	do {
		next = accept_row(&check, at, at + per_slab, (unsigned long)*at, cache->stride,
				  how);
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
	} while (start & (BIT(XLINEAR_SHIFT) - 1) && may_be_all(cache, slab, at, end, start));
	if (likely(slabs))
		count_whole(cache, XSLAB_FULL, XSLAB_FREE, slabs);
	if (unlikely(next != at))
		put_word(cache, slab, 0, row_bits(0, next - at, false), next - at,
			 linear_at(cache, slab, (unsigned long)*at, start), how);
	return next;
}

/*
 * The fast ways did not accept an object of a magazine. It may lie in a torn slab, whose owner they
 * do not know: then it is put. Otherwise it was freed twice, and is free in its slab by now, or a
 * client's, or its slab has another owner: then this copy is dropped, and noted.
 */
static noinline void put_torn_or_drop(struct xslab_cache *cache, struct xpage *slab, void *obj,
				      unsigned long start)
{
	const struct xslab_check *check = &cache->fast.check;

	if (!xslab_mark(cache, obj, check->tag, XSLAB_IN_SLAB))
		return;
	if (put_bit(cache, slab, object_nr(check, (unsigned long)obj - start), 0))
		xslab_leave_torn(cache, slab);
	else
		xslab_note_lost(cache, obj, 1);
}

/* Put objects that lie together: as whole slabs, as a row, or as they lie in a word of the map. */
static __always_inline void **put_some(struct xslab_cache *cache, struct xpage *slab, void **at,
				       void **end, unsigned long start, unsigned int how)
{
	if (!are_row(cache, at))
		return put_scattered(cache, slab, at, end, start, how);
	if (how & XSLAB_ONE_WORD && may_be_all(cache, slab, at, end, start))
		return put_whole(cache, slab, at, end, start, how);
	return put_object_row(cache, slab, at, end, start, how);
}

typedef void **(*put_fn)(struct xslab_cache *cache, struct xpage *slab, void **at,
			 void **end, unsigned long start);

/*
 * Put objects into slabs; a client's by address, those of a magazine by linear address.
 * Stops at one that cannot be freed; returns how many. Those that come from a magazine were
 * looked at before: then all are taken, and one that is not what it was is dropped. Without
 * @some each goes alone, which is cheaper where mostly each is of another slab.
 */
static __always_inline unsigned int put_all(struct xslab_cache *cache, void **objs,
					    unsigned int nr, put_fn some, unsigned int how)
{
	void **at = objs, **end = objs + nr, **next;

	for (; at != end; at = next) {
		unsigned long start = slab_start(cache, (unsigned long)*at), linear = start;
		struct xpage *slab;

		if (how & XSLAB_CHECK)
			linear = xlinear_of(&cache->fast.linear, (void *)start);
		slab = slab_of(cache, linear);
		if (unlikely(!owns(cache, slab)))
			next = at;
		else if (!some || is_alone(cache, at, end, start))
			next = put_one(cache, slab, at, start, how);
		else
			next = some(cache, slab, at, end, start);
		if (likely(next != at))
			continue;
		if (how & XSLAB_CHECK)
			break;
		put_torn_or_drop(cache, slab, *at, start);
		next = at + 1;
	}
	return at - objs;
}

/*
 * Functions for each kind of slabs and objects: in one alone there are not registers enough
 * for the loops of all. @apart: mostly each object is of another slab.
 */
#define DEFINE_PUT(name, ...)								\
	static noinline void **name##_some(struct xslab_cache *cache, struct xpage *slab, \
					   void **at, void **end, unsigned long start)	\
	{										\
		return put_some(cache, slab, at, end, start, __VA_ARGS__);		\
	}										\
											\
	static noinline unsigned int name(struct xslab_cache *cache, void **objs,	\
					  unsigned int nr, bool apart)			\
	{										\
		return apart ? put_all(cache, objs, nr, NULL, __VA_ARGS__) :		\
			       put_all(cache, objs, nr, name##_some, __VA_ARGS__);	\
	}

DEFINE_PUT(put_checked, XSLAB_CHECK | XSLAB_ONE_WORD)
DEFINE_PUT(put_checked_live, XSLAB_CHECK | XSLAB_ONE_WORD | XSLAB_HAS_LIVE)
DEFINE_PUT(put_words_checked, XSLAB_CHECK)
DEFINE_PUT(put_words_checked_live, XSLAB_CHECK | XSLAB_HAS_LIVE)
DEFINE_PUT(put_magazine, XSLAB_ONE_WORD)
DEFINE_PUT(put_magazine_live, XSLAB_ONE_WORD | XSLAB_HAS_LIVE)
DEFINE_PUT(put_words_magazine, 0)
DEFINE_PUT(put_words_magazine_live, XSLAB_HAS_LIVE)

static unsigned int put_clients(struct xslab_cache *cache, void **objs, unsigned int nr)
{
	if (likely(cache->words == 1))
		return has_live(cache) ? put_checked_live(cache, objs, nr, false) :
					 put_checked(cache, objs, nr, false);
	return has_live(cache) ? put_words_checked_live(cache, objs, nr, false) :
				 put_words_checked(cache, objs, nr, false);
}

static __always_inline bool are_together(const struct xslab_cache *cache, void **pair)
{
	return slab_start(cache, (unsigned long)pair[0]) ==
	       slab_start(cache, (unsigned long)pair[1]);
}

/*
 * Objects of a magazine, which were checked. The first two tell whether some of them lie
 * together, or, where these lie apart, the last two.
 */
static void put_from_magazine(struct xslab_cache *cache, void **objs, unsigned int nr)
{
	bool apart = nr == 1 || (!are_together(cache, objs) &&
				 !are_together(cache, objs + nr - 2));

	if (likely(cache->words == 1) && likely(has_live(cache)))
		put_magazine_live(cache, objs, nr, apart);
	else if (likely(cache->words == 1))
		put_magazine(cache, objs, nr, apart);
	else if (has_live(cache))
		put_words_magazine_live(cache, objs, nr, apart);
	else
		put_words_magazine(cache, objs, nr, apart);
}

/*
 * NMIs
 */

/* Set the bit of an object without the lock. Returns false if it was set. */
static bool set_bit_nmi(const struct xslab_cache *cache, struct xpage *slab, unsigned int nr)
{
	unsigned int word = BIT_WORD(nr) + (has_nmi_words(cache) ? XPAGE_MAP_WORDS / 2 : 0);

	return !(atomic_long_fetch_or(BIT_MASK(nr), &slab->map[word]) & BIT_MASK(nr));
}

/* Put one object, also into a torn slab. */
static void put_nmi(struct xslab_cache *cache, void *obj)
{
	unsigned long start = slab_start(cache, (unsigned long)obj);
	const struct xslab_check *check = &cache->fast.check;
	struct xpage *slab = slab_of(cache, start);

	if (!xslab_mark(cache, obj, check->tag, XSLAB_IN_SLAB))
		return;
	if (!set_bit_nmi(cache, slab, object_nr(check, (unsigned long)obj - start)))
		xslab_note_lost(cache, obj, 1);
	else
		xpool_defer_push(cache->pool, &cache->nmi.deferred, slab);
}

/* In an NMI that found the lock taken. */
static void drain_nmi(struct xslab_cache *cache, void **objs, unsigned int nr)
{
	unsigned int i;

	atomic_inc(&cache->nmi.frees);
	smp_mb__after_atomic();		/* pairs with nmi_uses() */
	for (i = 0; i < nr; i++)
		put_nmi(cache, objs[i]);
	smp_mb__before_atomic();	/* pairs with nmi_uses() */
	atomic_dec(&cache->nmi.frees);
	irq_work_queue(&cache->irq_work);
}

/* Objects of a magazine. Any context. */
void xslab_put_many(struct xslab_cache *cache, void **objs, unsigned int nr)
{
	unsigned long flags;

	if (!nr)
		return;
	if (unlikely(!xlock(&cache->lock, &flags))) {
		drain_nmi(cache, objs, nr);
		return;
	}
	drain_nmi_frees(cache);
	put_from_magazine(cache, objs, nr);
	unlock_freed(cache, flags);
}

/*
 * Like xslab_put_many(), but of objects that a client says are its own. Stops at one that
 * cannot be freed; returns how many it put.
 */
unsigned int xslab_put_many_checked(struct xslab_cache *cache, void **objs, unsigned int nr)
{
	unsigned long flags;

	if (unlikely(!xlock(&cache->lock, &flags)))
		return 0;
	drain_nmi_frees(cache);
	nr = put_clients(cache, objs, nr);
	unlock_freed(cache, flags);
	return nr;
}

static void slab_drain(struct xmag *mag, void **objs, unsigned int nr)
{
	xslab_put_many(container_of(mag, struct xslab_cache, mag), objs, nr);
}

const struct xmag_ops xslab_mag_ops = {
	.fill	= xslab_fill_magazine,
	.drain	= slab_drain,
};
