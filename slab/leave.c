// SPDX-License-Identifier: GPL-2.0
/*
 * slab/leave: slabs leave the cache
 *
 * A slab leaves only if all of it is free: by its map, by its live bytes, and by what NMIs are
 * about to free. Its pages name no cache any more before the pool has them.
 *
 * A CPU that took an object out of a magazine at the very instant when another one put it back
 * into its slab may have it (check.c). Its live byte says so, and the slab stays.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/string.h>

#include "slab.h"

/* Tell the kernel's tools that slabs, or pages of one, are the pool's again. */
static noinline void tell_slabs_go(struct xslab_cache *cache, struct xpage **pages,
				   unsigned int nr, unsigned int order)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		void *addr = (void *)xpool_addr(cache->pool, pages[i] - cache->pages);
		unsigned long in = (unsigned long)addr & ~cache->fast.slab_mask;
		long first = in <= cache->slack ? cache->slack - in :
						  -(long)((in - cache->slack) % cache->stride);

		xtools_slab_goes(cache->tools, addr, PAGE_SIZE << order, first, cache->stride);
	}
}

void xslab_put_slabs(struct xslab_cache *cache, struct xpage **slabs, unsigned int nr)
{
	if (!nr)
		return;
	if (xtools_watch(cache->tools))
		tell_slabs_go(cache, slabs, nr, cache->order);
	xpool_put_many(cache->pool, slabs, nr, xpage_state(XPAGE_SLAB, cache->order));
	uncharge_slabs(cache, nr);
	atomic_long_add((long)nr << cache->order, &cache->counts.returned);
}

/* Single pages of a torn slab. */
void xslab_put_pages(struct xslab_cache *cache, struct xpage **pages, unsigned int nr)
{
	if (!nr)
		return;
	if (xtools_watch(cache->tools))
		tell_slabs_go(cache, pages, nr, 0);
	xpool_put_many(cache->pool, pages, nr, xpage_state(XPAGE_SLAB, 0));
	atomic_long_add(nr, &cache->counts.returned);
}

/* Each page of a slab says whose it is, for xslab_free(). */
void xslab_set_owner(const struct xslab_cache *cache, struct xpage *slab,
		     struct xslab_cache *owner)
{
	unsigned int p;

	for (p = 0; p < pages_per_slab(cache); p++)
		WRITE_ONCE(slab[p].cache, owner);
}

/*
 * A CPU that took an object out of a magazine at the very instant when another one put it
 * back into its slab may have it. Then it is not free, whatever the map says.
 */
noinline void xslab_believe_live(struct xslab_cache *cache, struct xpage *slab)
{
	unsigned long offset = ((slab - cache->pages) << PAGE_SHIFT) + cache->slack;
	unsigned int i, nr = 0;

	lockdep_assert_held(&cache->lock);
	for (i = 0; cache->checks.live && i < cache->per_slab; i++, offset += cache->stride) {
		u8 *live = live_at(cache, offset), is = READ_ONCE(*live);

		if (likely(is == XSLAB_IN_SLAB) || !xtear_has(slab, i) ||
		    !(atomic_long_read(&slab->map[BIT_WORD(i)]) & BIT_MASK(i)))
			continue;
		if (is != XSLAB_LIVE && is != cache->fast.check.tag) {
			WRITE_ONCE(*live, XSLAB_IN_SLAB);
			continue;
		}
		change_word(cache, &slab->map[BIT_WORD(i)], BIT_MASK(i), 0);
		xslab_note_lost(cache, first_object(cache, slab) + i * cache->stride, 1);
		nr++;
	}
	if (nr)
		sub_nr_free(cache, slab, nr);
}

/* Is all of a free slab free? The next owner finds its live bytes as they should be. */
static bool is_all_free(struct xslab_cache *cache, struct xpage *slab)
{
	unsigned long offset = (slab - cache->pages) << PAGE_SHIFT;

	if (!cache->checks.live ||
	    likely(!memchr_inv(live_at(cache, offset), XSLAB_IN_SLAB,
			       PAGE_SIZE << cache->order >> cache->checks.shift)))
		return true;
	xslab_believe_live(cache, slab);
	return slab->nr_free == cache->per_slab;
}

/* An NMI that has set a bit of the slab may not be through with it. */
static bool nmi_uses(const struct xslab_cache *cache, const struct xpage *slab)
{
	smp_mb();	/* it has set the bit by then */
	return atomic_read(&cache->nmi.frees) || READ_ONCE(slab->deferred);
}

/* The free slab that lies farthest from where the cache's slabs should be, or NULL. */
static struct xpage *farthest_free(struct xslab_cache *cache)
{
	struct list_head *list = &cache->lists[XSLAB_FREE];
	struct xpage *slab;

	do {
		if (list_empty(list) || cache->objects.free < kept_free(cache) + cache->per_slab)
			return NULL;
		slab = list_entry(cache->place == XPLACE_LOW ? list->prev : list->next,
				  struct xpage, list);
		if (nmi_uses(cache, slab))
			return NULL;
	} while (unlikely(!is_all_free(cache, slab)));
	return slab;
}

/* A free slab leaves the cache's lists. */
static void remove_slab(struct xslab_cache *cache, struct xpage *slab)
{
	if (unlikely(cache->moving.emptied))
		xmove_slab_goes(cache, slab);
	unlist_slab(cache, slab, XSLAB_FREE);
	xslab_set_owner(cache, slab, NULL);
	cache->objects.capacity -= cache->per_slab;
	cache->objects.free -= cache->per_slab;
}

/* Like xslab_take_spare(), but a certain slab, if it may leave; returns whether it did. */
bool xslab_take_off(struct xslab_cache *cache, struct xpage *slab)
{
	if (nmi_uses(cache, slab) || !is_all_free(cache, slab))
		return false;
	remove_slab(cache, slab);
	return true;
}

/* A free slab that the cache can spare, out of its lists; or NULL. */
struct xpage *xslab_take_spare(struct xslab_cache *cache)
{
	struct xpage *slab = farthest_free(cache);

	lockdep_assert_held(&cache->lock);
	if (!slab)
		return NULL;
	remove_slab(cache, slab);
	return slab;
}

/* Give back slabs that no CPU sees any more; returns how many. */
unsigned long xslab_put_list(struct xslab_cache *cache, struct list_head *list)
{
	struct xpage *slabs[XSLAB_RELEASE];
	unsigned long all = 0;

	while (!list_empty(list)) {
		unsigned int nr = 0;

		while (nr < ARRAY_SIZE(slabs) && !list_empty(list)) {
			slabs[nr] = list_first_entry(list, struct xpage, list);
			list_del(&slabs[nr++]->list);
		}
		xslab_put_slabs(cache, slabs, nr);
		all += nr;
	}
	return all;
}
