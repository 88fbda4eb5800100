// SPDX-License-Identifier: GPL-2.0
/*
 * slab/tear: slabs that give back some of their pages
 *
 * One live object keeps its slab. Where objects cannot be moved (slab/move.c), the pages on
 * which no live object lies can go back to the pool one by one, if the client asks for
 * it. The slab is torn from then on: it has fewer objects, and its pages are blocks of
 * their own. When the last of its objects is free, what is left of it goes back too, at
 * once: as it is, it is of less use than a whole one, and in the way of larger blocks.
 *
 *	pages		 0	 1	 2	 3
 *	live		a . . .	. . . .	. b . .	. . . .
 *	torn		a . . .		. b . .		pages 1 and 3 are the pool's
 *
 * The first page stays in any case, as its state is that of the slab. A slab whose map is
 * one word has room there for what it takes to know: which pages went, and which objects
 * are left. Slabs with larger maps are single pages, and have none to give.
 *
 * Before a cache takes another slab, it looks whether the pages of a torn one are free, and
 * mends it as far as it can. So tearing costs no memory later, unless others use it.
 *
 * A torn slab's owner is noted with a mark, so the fast path of a free does not take it
 * for the cache's. Slower paths look at each object, whether it is still there:
 * xslab_free_unaccepted() at one that is freed, put_torn_or_drop() at one that comes from a
 * magazine, and xslab_alloc_again() in a cache without live bytes. So other slabs pay nothing for
 * it. To an allocation it is a slab that has few free objects, and serves first.
 *
 * The cache's limit counts a torn slab as if it were whole.
 */
#include <linux/sched.h>

#include "slab.h"

/* The objects of a whole slab that lie on page @page, or partly so, as bits. */
static unsigned long objects_on(const struct xslab_cache *cache, unsigned int page)
{
	unsigned long from = (unsigned long)page << PAGE_SHIFT, to = from + PAGE_SIZE;
	unsigned int first, last;

	if (to <= cache->slack)
		return 0;
	first = from > cache->slack ? (from - cache->slack) / cache->stride : 0;
	last = (to - 1 - cache->slack) / cache->stride;
	return GENMASK(min(last, cache->per_slab - 1U), first);
}

static unsigned long objects_of(const struct xslab_cache *cache, const struct xpage *slab)
{
	return slab->holes ? slab->there : GENMASK(cache->per_slab - 1, 0);
}

/* Which pages could go, as bits; *@gone are the objects that would go with them. */
static unsigned long find_holes(const struct xslab_cache *cache, struct xpage *slab,
				unsigned long *gone)
{
	unsigned long there = objects_of(cache, slab), holes = 0;
	unsigned long unused = atomic_long_read(&slab->word) | ~there;
	unsigned int p;

	*gone = 0;
	for (p = 1; p < pages_per_slab(cache); p++) {
		unsigned long on = objects_on(cache, p);

		if (slab->holes & BIT(p) || on & ~unused)
			continue;
		holes |= BIT(p);
		*gone |= on & there;
	}
	return holes;
}

/* Its pages are blocks of their own; the fast path does not know it any more. */
static void mark_torn(struct xslab_cache *cache, struct xpage *slab)
{
	xslab_set_owner(cache, slab, torn_owner(cache));
	xpool_split(cache->pool, slab, 0);
	xset_add(&cache->torn.set, slab_nr(cache, slab));
	WRITE_ONCE(cache->torn.nr, cache->torn.nr + 1);
}

/* The pages @holes, and the objects @gone that lie on them, leave the slab; fills @pages. */
static unsigned int tear_pages(struct xslab_cache *cache, struct xpage *slab, unsigned long holes,
			       unsigned long gone, struct xpage **pages)
{
	unsigned int nr = hweight_long(gone), p, n = 0;

	lockdep_assert_held(&cache->lock);
	WRITE_ONCE(slab->there, objects_of(cache, slab) & ~gone);
	if (!slab->holes)
		mark_torn(cache, slab);
	slab->holes |= holes;
	change_word(cache, &slab->word, gone, 0);
	sub_nr_free(cache, slab, nr);
	cache->objects.capacity -= nr;
	for_each_set_bit(p, &holes, XTEAR_PAGES) {
		WRITE_ONCE(slab[p].cache, NULL);
		pages[n++] = &slab[p];
	}
	cache->torn.nr_holes += n;
	return n;
}

/* The torn slab before number *@at, which becomes its number; or NULL, and *@at is the end. */
static struct xpage *torn_before(struct xslab_cache *cache, unsigned long *at)
{
	lockdep_assert_held(&cache->lock);
	*at = xset_before(&cache->torn.set, *at);
	if (*at != XSET_NONE)
		return &cache->pages[*at << cache->order];
	*at = cache->pool->buddy.nr >> cache->order;
	return NULL;
}

/*
 * The reserve of prefill, or an NMI, may have kept a torn slab from going when its last
 * object was free. Give back those that can go now; returns the pages. Process context.
 */
unsigned long xslab_tear_release(struct xslab_cache *cache)
{
	unsigned long at = cache->pool->buddy.nr >> cache->order, flags, pages = 0;
	struct xpage *slab;

	do {
		xslab_lock(cache, &flags);
		slab = torn_before(cache, &at);
		if (slab && xslab_leave_torn(cache, slab))
			pages += pages_per_slab(cache) - hweight_long(slab->holes);
		unlock_freed(cache, flags);
		cond_resched();
	} while (slab);
	return pages;
}

/* Tear a slab, if it is a partial one of the cache; returns the pages. */
static unsigned int tear_slab(struct xslab_cache *cache, struct xpage *slab)
{
	struct xpage *pages[XTEAR_PAGES];
	unsigned long flags, holes, gone;
	unsigned int nr = 0;

	rcu_read_lock();	/* as in slab/release.c: the pages are on their way */
	xslab_lock(cache, &flags);
	if (owner_of(slab) == cache && cache->list_of[slab->nr_free] < XSLAB_BUCKETS) {
		xslab_believe_live(cache, slab);
		holes = find_holes(cache, slab, &gone);
		if (holes && cache->objects.free >= reserved_free(cache) + hweight_long(gone))
			nr = tear_pages(cache, slab, holes, gone, pages);
		xslab_leave_torn(cache, slab);
	}
	unlock_freed(cache, flags);
	xslab_return_blocks(cache, pages, nr, 0);
	rcu_read_unlock();
	return nr;
}

/* Give back all unused pages of partial slabs; returns how many. Process context. */
unsigned long xslab_tear_cache(struct xslab_cache *cache)
{
	struct xpage *slab = NULL;
	unsigned long given = 0;

	if (cache->words > 1 || !cache->order || cache->order > XTEAR_MAX_ORDER ||
	    xslab_rcu_is_typesafe(cache))
		return 0;
	while ((slab = xslab_next(cache, slab)))
		given += tear_slab(cache, slab);
	return given;
}

/*
 * Mending
 */

/*
 * The pages @back are the slab's again, under the lock. Objects that now lie on pages of the slab
 * alone are there again, and free; if no page is missing any more, the slab is whole.
 */
static void mend_pages(struct xslab_cache *cache, struct xpage *slab, unsigned long back)
{
	unsigned long there = GENMASK(cache->per_slab - 1, 0), more;
	unsigned int p;

	slab->holes &= ~back;
	cache->torn.nr_holes -= hweight_long(back);
	for_each_set_bit(p, &back, XTEAR_PAGES)
		tools_add_slab(cache, &slab[p], 0);
	for_each_set_bit(p, &slab->holes, XTEAR_PAGES)
		there &= ~objects_on(cache, p);
	more = there & ~slab->there;
	WRITE_ONCE(slab->there, there);
	if (!slab->holes) {
		xset_del(&cache->torn.set, slab_nr(cache, slab));
		WRITE_ONCE(cache->torn.nr, cache->torn.nr - 1);
		xpool_unsplit(cache->pool, slab, cache->order);
	}
	xslab_set_owner(cache, slab, slab->holes ? torn_owner(cache) : cache);
	change_word(cache, &slab->word, 0, more);
	cache->objects.capacity += hweight_long(more);
	add_nr_free(cache, slab, hweight_long(more));
}

/* Those of the pages @back on which no object would be whole, as others are missing still. */
static unsigned long find_useless(const struct xslab_cache *cache, const struct xpage *slab,
				  unsigned long back)
{
	unsigned long holes = slab->holes & ~back, whole = GENMASK(cache->per_slab - 1, 0);
	unsigned long useless = 0;
	unsigned int p;

	for_each_set_bit(p, &holes, XTEAR_PAGES)
		whole &= ~objects_on(cache, p);
	for_each_set_bit(p, &back, XTEAR_PAGES)
		if (!(objects_on(cache, p) & whole))
			useless |= BIT(p);
	return useless;
}

/* Mend the next torn slab, with pages that make objects. Returns whether there are more. */
static bool mend_next(struct xslab_cache *cache, enum xpool_need need)
{
	unsigned long had, flags, back = 0, useless = 0;
	struct xpage *pages[XTEAR_PAGES], *slab;
	unsigned int p, nr = 0;
	bool more;

	rcu_read_lock();	/* as in slab/release.c: the pages are on their way */
	xslab_lock(cache, &flags);
	had = cache->objects.capacity;
	slab = torn_before(cache, &cache->torn.mended) ?:
	       torn_before(cache, &cache->torn.mended);
	if (slab)
		back = xpool_get_these(cache->pool, slab, slab->holes, need);
	if (back)
		useless = find_useless(cache, slab, back);
	if (back != useless)
		mend_pages(cache, slab, back & ~useless);
	for_each_set_bit(p, &useless, XTEAR_PAGES)
		pages[nr++] = &slab[p];
	more = cache->objects.capacity > had;
	unlock_freed(cache, flags);
	if (nr)
		xpool_put_many(cache->pool, pages, nr, xpool_page_state(XPAGE_SLAB, 0));
	rcu_read_unlock();
	return more;
}

/*
 * Take back pages that torn slabs gave away, if they are free: of the next @most slabs, until
 * there are more objects; returns whether there are. Any context but NMI.
 */
bool xslab_tear_mend(struct xslab_cache *cache, enum xpool_need need, unsigned long most)
{
	if (cache->ctor)
		return false;	/* which would be called under the lock */
	for (most = min(most, READ_ONCE(cache->torn.nr)); most; most--)
		if (mend_next(cache, need))
			return true;
	return false;
}

/* Are the state of a torn slab and of its pages as they should be? */
bool xslab_tear_valid(const struct xslab_cache *cache, const struct xpage *slab)
{
	unsigned int p;

	if (!slab->holes || slab->holes & BIT(0) || slab->holes >> pages_per_slab(cache) ||
	    atomic_long_read(&slab->word) & ~slab->there ||
	    !xset_has(&cache->torn.set, slab_nr(cache, slab)))
		return false;
	for (p = 0; p < pages_per_slab(cache); p++) {
		if (slab->holes & BIT(p)) {
			if (objects_on(cache, p) & slab->there)
				return false;
			continue;
		}
		if (owner_of(&slab[p]) != cache || !is_torn(&slab[p]) ||
		    slab[p].kind != XPAGE_SLAB || slab[p].order)
			return false;
	}
	return true;
}
