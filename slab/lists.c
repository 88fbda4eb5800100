// SPDX-License-Identifier: GPL-2.0
/*
 * slab/lists: which slab serves next, and one object of it
 *
 * A cache has a list of full slabs, one of free slabs, and several of partial ones, by how many of
 * their objects are not free: 1, 2 to 3, 4 to 7, and so on. (TCMalloc's span lists: what matters
 * is which slabs are about to become free.)
 *
 * A free leaves a partial slab on its list. The allocator looks at the first slab of the fullest
 * list; if that has become emptier, the allocator moves it to where it belongs and looks at
 * another, at two in all. So a slab is never on the list of emptier ones than it, and most moves
 * need not be made: they are branches that no CPU can guess, and writes to four other slabs.
 */
#include <linux/sched.h>

#include "slab.h"

#define XSLAB_LOOKS	2U	/* at slabs on the lists of fuller ones */

/* To the list where it belongs, from where it did when it had @was free objects. */
noinline void xslab_relist(struct xslab_cache *cache, struct xpage *slab, unsigned int was)
{
	unsigned int to = cache->list_of[slab->nr_free];

	discount_slab(cache, slab, cache->list_of[was]);
	list_move(&slab->list, unlikely(to == XSLAB_FREE) ? free_place_of(cache, slab) :
							    &cache->lists[to]);
	count_slab(cache, slab, to);
}

/*
 * Move a partial slab on @list to that of those about as full. Returns false if that is
 * @list.
 */
bool xslab_refile(struct xslab_cache *cache, struct xpage *slab, unsigned int list)
{
	unsigned int to = cache->list_of[slab->nr_free];

	if (likely(to == list))
		return false;
	cache->occupied |= BIT(to);
	list_move(&slab->list, &cache->lists[to]);
	return true;
}

/* The fullest slab that has some free objects and some others, or NULL. */
noinline struct xpage *xslab_fullest(struct xslab_cache *cache)
{
	unsigned int looks = 0, list;

	while ((list = first_list(cache)) < XSLAB_BUCKETS) {
		struct xpage *slab = list_first_entry(&cache->lists[list], struct xpage, list);

		if (!xslab_refile(cache, slab, list) || ++looks == XSLAB_LOOKS)
			return slab;
	}
	return NULL;
}

/*
 * The next slab of the cache behind @slab, or (NULL) the first one; or NULL. Of those that have
 * no live object some may come or go meanwhile. Process context.
 */
struct xpage *xslab_next(const struct xslab_cache *cache, struct xpage *slab)
{
	slab = slab ? slab + pages_per_slab(cache) : cache->first.page;
	for (; slab < cache->pages + cache->pool->buddy.nr; slab += pages_per_slab(cache)) {
		cond_resched();
		if (owner_of(slab) == cache)
			return slab;
	}
	return NULL;
}

/*
 * One object, as for a magazine, of @slab, or of the best one where that is NULL. NULL
 * where nothing is free. Under the lock.
 */
void *xslab_take_one(struct xslab_cache *cache, struct xpage *slab)
{
	const struct xslab_check *check = &cache->fast.check;

	lockdep_assert_held(&cache->lock);
	for (;;) {
		struct xpage *from = slab ?: best_slab(cache);
		unsigned int w = 0, nr;
		void *obj;

		if (!from || !from->nr_free)
			return NULL;
		while (!atomic_long_read(&from->map[w]))
			w++;
		nr = w * BITS_PER_LONG + __ffs(atomic_long_read(&from->map[w]));
		obj = first_object(cache, from) + nr * cache->stride;
		change_word(cache, &from->map[w], BIT_MASK(nr), 0);
		sub_nr_free(cache, from, 1);
		if (!has_live(cache) ||
		    xslab_change_live(xslab_live_at(check, obj), XSLAB_IN_SLAB, check->tag))
			return obj;
		xslab_note_lost(cache, obj, 1);
	}
}
