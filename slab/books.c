// SPDX-License-Identifier: GPL-2.0
/*
 * slab/books: what a cache holds, counted and recounted
 *
 * The counters obey, whenever no operation is under way:
 *
 *	capacity = live + magazines + depot + waiting + moving + free in slabs
 *
 *	slabs    = full slabs + partial ones + free ones
 *	allocs   = live + frees
 *
 * No path counts frees: an object that was handed out and is not live was freed. The validator
 * recounts all from the maps of the slabs.
 */
#include <linux/export.h>
#include <linux/string.h>

#include "slab.h"

static void slab_stats(struct xslab_cache *cache, struct xslab_stats *stats)
{
	unsigned long flags;

	xslab_lock(cache, &flags);
	stats->slabs_full = cache->nr[XSLAB_FULL];
	stats->slabs_partial = cache->nr[XSLAB_PARTIAL];
	stats->slabs_free = cache->nr[XSLAB_FREE];
	stats->capacity = cache->objects.capacity;
	stats->slab_free = cache->objects.free;
	stats->allocs = cache->objects.from_slabs;
	stats->moving = cache->moving.nr;
	stats->reserved = cache->reserve.nr;
	stats->waiters = cache->waiting.nr;
	stats->slabs_torn = cache->torn.nr;
	stats->holes = cache->torn.nr_holes;
	stats->slabs_waiting = cache->rcu.nr_slabs;
	xslab_unlock(cache, flags);
	stats->slabs = stats->slabs_full + stats->slabs_partial + stats->slabs_free;
	stats->partial_free = stats->slab_free - stats->slabs_free * cache->per_slab;
	stats->empty_pages = stats->slabs_free << cache->order;
}

/**
 * xslab_cache_stats() - what a cache holds and did
 * @cache: the cache
 * @stats: filled in
 *
 * Exact when no CPU allocates or frees and no worker gives back; otherwise the numbers of
 * objects may differ by what is under way. Stalls no CPU for longer than a refill does.
 *
 * Context: Any but NMI.
 */
void xslab_cache_stats(struct xslab_cache *cache, struct xslab_stats *stats)
{
	struct xmag_count count;
	unsigned long held;

	*stats = (struct xslab_stats){
		.object_size = cache->object_size,
		.stride = cache->stride,
		.slab_order = cache->order,
		.objects_per_slab = cache->per_slab,
		.slab_waste = cache->slack,
		.magazine_size = cache->mag.size,
		.failures = atomic_long_read(&cache->counts.failures),
		.errors = atomic_long_read(&cache->counts.errors),
		.returned_pages = atomic_long_read(&cache->counts.returned),
		.waiting = max(atomic_long_read(&cache->rcu.nr), 0L),
		.metadata = sizeof(*cache) + cache->mag.metadata +
			    (cache->empty.words + cache->torn.set.words) * sizeof(long),
	};
	if (unlikely(is_gone(cache)))
		return;
	xmag_count(&cache->mag, &count);
	slab_stats(cache, stats);
	stats->magazines = count.cpus;
	stats->depot = count.depot;
	stats->allocs += count.allocs;
	stats->refills = count.refills;
	stats->flushes = count.flushes;
	stats->depot_hits = count.depot_hits;
	stats->busy = count.busy;

	/* No path counts frees: what was handed out and is not live was freed. */
	held = stats->slab_free + stats->magazines + stats->depot + stats->moving +
	       stats->waiting;
	stats->live = stats->capacity > held ? stats->capacity - held : 0;
	stats->frees = stats->allocs - min(stats->live, stats->allocs);
}
EXPORT_SYMBOL_GPL(xslab_cache_stats);

/* The words of NMIs are empty, unless one has been here since the lock was taken. */
static bool nmi_words_valid(struct xslab_cache *cache, struct xpage *slab)
{
	unsigned long set = 0;
	unsigned int w;

	for (w = 0; has_nmi_words(cache) && w < cache->words; w++)
		set |= atomic_long_read(&slab->map[w + XPAGE_MAP_WORDS / 2]);
	if (!set || atomic_read(&cache->nmi.frees))
		return true;
	smp_rmb();	/* pairs with drain_nmi(): it has claimed the slab before it was through */
	return READ_ONCE(slab->deferred);
}

/* Are the free slabs, and no others, in the set, and in the order of their addresses? */
static bool order_valid(struct xslab_cache *cache)
{
	unsigned long before = XSET_NONE;
	struct xpage *slab;

	list_for_each_entry(slab, &cache->lists[XSLAB_FREE], list) {
		if (xset_before(&cache->empty, slab_nr(cache, slab)) != before)
			return false;
		before = slab_nr(cache, slab);
	}
	return xset_valid(&cache->empty) &&
	       (xset_is_empty(&cache->empty) ? XSET_NONE : xset_last(&cache->empty)) == before;
}

static bool is_whole(struct xslab_cache *cache, const struct xpage *slab)
{
	unsigned int p;

	for (p = 0; p < pages_per_slab(cache); p++)
		if (slab[p].cache != cache)
			return false;
	return slab->kind == XPAGE_SLAB && slab->order == cache->order &&
	       (cache->words > 1 || !slab->holes);
}

/* What is free in the slab is so by its live byte, too. */
static bool live_bytes_valid(struct xslab_cache *cache, struct xpage *slab)
{
	void *at = first_object(cache, slab);
	unsigned int i;

	for (i = 0; has_live(cache) && i < cache->per_slab; i++, at += cache->stride)
		if (is_in_slab(slab, i) &&
		    READ_ONCE(*xslab_live_at(&cache->fast.check, at)) != XSLAB_IN_SLAB)
			return false;
	return true;
}

/* What is counted again of all slabs, as in struct xslab_cache. */
struct recount {
	unsigned long	nr[XSLAB_LISTS];
	unsigned long	free;
	unsigned long	capacity;
	unsigned long	torn;
	unsigned long	holes;
};

/* Each slab on a list where the weight of its map says; counts them. */
static bool list_valid(struct xslab_cache *cache, unsigned int l, struct recount *count)
{
	struct xpage *slab;

	if (l < XSLAB_BUCKETS && !list_empty(&cache->lists[l]) && !(cache->occupied & BIT(l)))
		return false;
	list_for_each_entry(slab, &cache->lists[l], list) {
		unsigned int is = count_free(cache, slab), right = cache->list_of[is];

		/* A partial one may have been left on a list of fuller ones. */
		if (!(is_torn(slab) ? xslab_tear_valid(cache, slab) : is_whole(cache, slab)) ||
		    slab->nr_free != is || l > right || (l < right && right >= XSLAB_BUCKETS) ||
		    !nmi_words_valid(cache, slab) || !live_bytes_valid(cache, slab))
			return false;
		++*count_of(count->nr, l);
		count->free += is;
		count->capacity += xslab_tear_objects(cache, slab);
		count->torn += is_torn(slab);
		count->holes += hweight_long(holes_of(cache, slab));
	}
	return true;
}

/**
 * xslab_validate() - recount the slabs of a cache from scratch
 * @cache: the cache
 *
 * Linear in the slabs and with interrupts off: for tests.
 *
 * Context: Any but NMI.
 * Return: 0, or -EUCLEAN where something does not agree.
 */
int xslab_validate(struct xslab_cache *cache)
{
	struct recount count = {};
	unsigned long flags;
	bool valid = true;
	unsigned int l;

	if (unlikely(is_gone(cache)))
		return 0;
	if (!xlock(&cache->lock, &flags))
		return -EBUSY;
	drain_nmi_frees(cache);
	for (l = 0; l < XSLAB_LISTS; l++)
		valid &= list_valid(cache, l, &count);
	valid &= !memcmp(count.nr, cache->nr, sizeof(count.nr)) &&
		 count.free == cache->objects.free &&
		 count.capacity == cache->objects.capacity &&
		 count.torn == cache->torn.nr && count.holes == cache->torn.nr_holes &&
		 order_valid(cache) && xset_valid(&cache->torn.set);
	xslab_unlock(cache, flags);
	return valid ? 0 : -EUCLEAN;
}
EXPORT_SYMBOL_GPL(xslab_validate);

/* Object @nr, at @at: it may come or go meanwhile, then either answer is right. */
static bool is_live(const struct xslab_cache *cache, struct xpage *slab, unsigned int nr, void *at)
{
	if (!has_live(cache))
		return !is_in_slab(slab, nr);
	/* It is written without a lock; see check.c. */
	return data_race(*xslab_live_at(&cache->fast.check, at)) == XSLAB_LIVE;
}

/* Does the slab begin at this page? Else it is a page of a torn one, whose first one tells. */
static bool begins_at(const struct xslab_cache *cache, const struct xpage *page)
{
	unsigned long at = (unsigned long)first_object(cache, page);

	return (at & ~cache->fast.slab_mask) == cache->slack;
}

/* Objects that a slab has, in whatever state; 0 at a page that is not its first. Any context. */
unsigned int xslab_objects_in(const struct xslab_cache *cache, const struct xpage *slab)
{
	return begins_at(cache, slab) ? xslab_tear_objects(cache, slab) : 0;
}

/*
 * Objects that clients hold in a slab, which may be another owner's by now. Where there
 * are no live checks, those in magazines count too. Any context.
 */
unsigned int xslab_live_in(struct xslab_cache *cache, struct xpage *slab)
{
	void *at = first_object(cache, slab);
	unsigned int i, nr = 0;

	if (!begins_at(cache, slab))
		return 0;
	for (i = 0; i < cache->per_slab; i++, at += cache->stride)
		nr += xslab_tear_has(slab, i) && is_live(cache, slab, i, at);
	return nr;
}
