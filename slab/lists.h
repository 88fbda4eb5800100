/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Lists of slabs: a part of slab.h, which includes it
 */
#ifndef _XALLOC_SLAB_LISTS_H
#define _XALLOC_SLAB_LISTS_H

/*
 * Which list a slab belongs to follows from the number of its free objects, and xslab_relist()
 * moves it there, but for whole slabs that are taken or put at once; see slab/lists.c. The last to
 * come is the first to be used; but free slabs, which no CPU's caches know any more, are in the
 * order of their addresses. (Keeping the partial ones nearly so costs too much for objects that are
 * freed at random.)
 */

static inline unsigned int count_free(const struct xslab_cache *cache, struct xpage *slab)
{
	unsigned int w, nr = 0;

	for (w = 0; w < cache->words; w++)
		nr += hweight_long(atomic_long_read(&slab->map[w]));
	return nr;
}

static inline unsigned int pages_per_slab(const struct xslab_cache *cache)
{
	return 1U << cache->order;
}

/* The pool has slabs again. Without the lock, which an NMI might not get. */
static inline void uncharge_slabs(struct xslab_cache *cache, unsigned int nr)
{
	atomic_long_sub(nr, &cache->nr_slabs);
}

/* The number of a slab among all places of the pool where one can be. */
static __always_inline unsigned long slab_nr(const struct xslab_cache *cache,
					     const struct xpage *slab)
{
	return (unsigned long)(slab - cache->pages) >> cache->order;
}

/* The free slabs' list is in the order of addresses. */
static inline struct list_head *free_place_of(struct xslab_cache *cache,
					      const struct xpage *slab)
{
	unsigned long before = xset_before(&cache->empty, slab_nr(cache, slab));

	return before == XSET_NONE ? &cache->lists[XSLAB_FREE] :
				     &cache->pages[before << cache->order].list;
}

/* All partial slabs are counted as one: on which of their lists each is, is not known. */
static __always_inline unsigned long *count_of(unsigned long *nr, unsigned int list)
{
	return &nr[list < XSLAB_BUCKETS ? XSLAB_PARTIAL : list];
}

static inline void count_slab(struct xslab_cache *cache, struct xpage *slab, unsigned int to)
{
	++*count_of(cache->nr, to);
	cache->occupied |= BIT(to) & XSLAB_PARTIAL_MASK;
	if (unlikely(to == XSLAB_FREE))
		xset_add(&cache->empty, slab_nr(cache, slab));
}

static inline void discount_slab(struct xslab_cache *cache, struct xpage *slab,
				 unsigned int from)
{
	--*count_of(cache->nr, from);
	if (unlikely(from == XSLAB_FREE))
		xset_del(&cache->empty, slab_nr(cache, slab));
}

/* The first list that has partial slabs, or the one of free slabs. */
static __always_inline unsigned int first_list(struct xslab_cache *cache)
{
	for (; cache->occupied; cache->occupied &= cache->occupied - 1) {
		unsigned int list = __ffs(cache->occupied);

		if (likely(!list_empty(&cache->lists[list])))
			return list;
	}
	return XSLAB_FREE;
}

void xslab_relist(struct xslab_cache *cache, struct xpage *slab, unsigned int was);
struct xpage *xslab_fullest(struct xslab_cache *cache);

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
	return is_on(cache, cache->hint, list) ? cache->hint : xslab_fullest(cache);
}

/* @nr more objects of the slab are free. If it was partial and is, it stays where it is. */
static __always_inline void add_nr_free(struct xslab_cache *cache, struct xpage *slab,
					unsigned int nr)
{
	unsigned int was = slab->nr_free, is = was + nr;

	lockdep_assert_held(&cache->lock);
	slab->nr_free = is;
	cache->objects.free += nr;
	if (unlikely(!was) || unlikely(is == cache->per_slab))
		xslab_relist(cache, slab, was);
}

/* @nr fewer objects of the slab are free. */
static __always_inline void sub_nr_free(struct xslab_cache *cache, struct xpage *slab,
					unsigned int nr)
{
	unsigned long was = slab->nr_free, is = was - nr;	/* as they index: no conversion */

	lockdep_assert_held(&cache->lock);
	slab->nr_free = is;
	cache->objects.free -= nr;
	if (cache->list_of[was] != cache->list_of[is])
		xslab_relist(cache, slab, was);
}

/* As many are free as its map says. */
static inline void recount_free(struct xslab_cache *cache, struct xpage *slab)
{
	unsigned int was = slab->nr_free, is = count_free(cache, slab);

	if (is > was)
		add_nr_free(cache, slab, is - was);
	else
		sub_nr_free(cache, slab, was - is);
}

#endif
