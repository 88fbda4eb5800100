// SPDX-License-Identifier: GPL-2.0
/*
 * slab/grow: new slabs
 *
 * A slab is charged to the cache's limit, taken from the pool, its map and objects are set up,
 * and then it is put on the list of free slabs. A torn slab is mended first, and all where
 * there is no new one (tear.c).
 *
 * Where live bytes of several slabs share a cache line, and another CPU asked for the slab
 * before, the CPU gets a group: all slabs of a line, if the pool has them at once.
 *
 * Slabs that are on their way from the pool to the cache are so under rcu_read_lock(), as those
 * on their way back are: a grace period later a request finds them.
 *
 * Constructors run with no lock held, but under rcu_read_lock(): they must not sleep.
 * nr_constructing counts them, for a cache that is retired.
 */
#include <linux/rcupdate.h>

#include "slab.h"

/* All words: what does not belong to the map may hold bits of a slab with a larger one. */
static void mark_all_free(struct xslab_cache *cache, struct xpage *slab)
{
	unsigned int w, left = cache->per_slab;

	for (w = 0; w < XPAGE_MAP_WORDS; w++) {
		unsigned int bits = min_t(unsigned int, left, BITS_PER_LONG);

		atomic_long_set(&slab->map[w], bits ? GENMASK(bits - 1, 0) : 0);
		left -= bits;
	}
}

/* What is constructed while the cache is retired is not handed out. */
static void construct(struct xslab_cache *cache, struct xpage *slab)
{
	void *obj = addr_of(cache, first_object(cache, slab));
	void (*ctor)(void *obj);
	unsigned int i;

	atomic_inc(&cache->nr_constructing);
	smp_mb__after_atomic();		/* pairs with retire_cache() */
	ctor = READ_ONCE(cache->ctor);
	for (i = 0; ctor && i < cache->per_slab; i++, obj += cache->stride) {
		if (xtools_watch(cache->tools))
			xtools_open(cache->tools, obj, cache->object_size);
		ctor(obj);
		if (xtools_watch(cache->tools))
			xtools_ctor_ends(cache->tools, obj, cache->object_size);
	}
	smp_mb__before_atomic();	/* a constructor is over when it is counted as such */
	atomic_dec(&cache->nr_constructing);
}

static unsigned long max_slabs(const struct xslab_cache *cache)
{
	return READ_ONCE(cache->limit.limits.hard) >> cache->order;
}

/* Count slabs that will come. Returns false if the limit forbids it, or this is an NMI. */
static bool charge_slabs(struct xslab_cache *cache, unsigned int nr)
{
	unsigned long flags;
	bool below;

	if (!xlock(&cache->lock, &flags))
		return false;
	below = atomic_long_read(&cache->nr_slabs) + nr <= max_slabs(cache);
	if (below)
		atomic_long_add(nr, &cache->nr_slabs);
	xslab_unlock(cache, flags);
	return below;
}

/* Is it another CPU than the last time, and may the cache have some more slabs? */
static bool wants_group(const struct xslab_cache *cache)
{
	int last = READ_ONCE(cache->growth.cpu);

	return cache->growth.group && last >= 0 && last != raw_smp_processor_id() && !in_nmi() &&
	       READ_ONCE(cache->limit.max_empty) == ULONG_MAX && !is_strict(cache);
}

/*
 * 2^@group slabs that follow one another, of what the pool has, or NULL. With @ask, its holders
 * are asked to give back for one that it has not.
 */
static struct xpage *try_slabs(struct xslab_cache *cache, unsigned int group,
			       enum xpool_need need, bool ask)
{
	unsigned int order = cache->order + group;
	struct xpage *block;

	if (!charge_slabs(cache, 1U << group))
		return NULL;
	block = ask ? xpool_get_for(cache->pool, order, need, cache->place, 0) :
		      xpool_try(cache->pool, order, need, cache->place);
	if (!block)
		uncharge_slabs(cache, 1U << group);
	else if (group)
		xpool_split(cache->pool, block, cache->order);
	return block;
}

/*
 * A slab of a region that comes from the system for it. That may take long, so the caller's
 * rcu_read_lock() is left for as long, and nothing is charged before it is there.
 */
static struct xpage *get_grown(struct xslab_cache *cache, enum xpool_need need, gfp_t gfp)
	__must_hold(RCU)
{
	struct xpool *pool = cache->pool;
	struct xpage *slab = NULL;
	struct page *region;

	if (atomic_long_read(&cache->nr_slabs) >= max_slabs(cache))
		return NULL;
	rcu_read_unlock();
	region = xpool_fetch_region(pool, cache->order, need, gfp);
	rcu_read_lock();
	if (!region)
		return NULL;
	if (!charge_slabs(cache, 1)) {
		xpool_grow_drop(pool, region);
		return NULL;
	}
	slab = xpool_get_of_region(pool, cache->order, need, cache->place, region);
	if (!slab)
		uncharge_slabs(cache, 1);
	return slab;
}

/*
 * The first of *@nr slabs that follow one another, or NULL; @gfp is what the client said. A group
 * takes what is there. Where the client may sleep, a pool that may grow does so before it gives
 * what it has for the other kind of blocks.
 */
static struct xpage *get_slabs(struct xslab_cache *cache, gfp_t gfp, unsigned int *nr)
	__must_hold(RCU)
{
	unsigned int group = wants_group(cache) ? cache->growth.group : 0;
	bool grows = unlikely(cache->pool->grow) && gfpflags_allow_blocking(gfp);
	enum xpool_need need = xpool_need_of(gfp);
	struct xpage *slab = NULL;

	*nr = 1;
	if (group)
		slab = try_slabs(cache, group, XPOOL_ORDINARY, false);
	if (slab)
		*nr <<= group;
	if (!slab && grows)
		slab = try_slabs(cache, 0, need, false) ?: get_grown(cache, need, gfp);
	if (!slab)
		return try_slabs(cache, 0, need, true);
	if (unlikely(cache->pool->grow))
		xpool_grow_wake(cache->pool);
	return slab;
}

static void *take_first(struct xslab_cache *cache, struct xpage *slab)
{
	cache->objects.from_slabs++;
	return xslab_take_one(cache, slab);
}

/* Slabs that follow one another, before another CPU sees them. */
static void init_slabs(struct xslab_cache *cache, struct xpage *slab, unsigned int nr)
{
	for (; nr; nr--, slab += pages_per_slab(cache)) {
		mark_all_free(cache, slab);
		tools_add_slab(cache, slab, cache->order);
		construct(cache, slab);
	}
}

/* They are the cache's from now on. Under the lock. */
static void add_slabs(struct xslab_cache *cache, struct xpage *slab, unsigned int nr)
{
	lockdep_assert_held(&cache->lock);
	WRITE_ONCE(cache->growth.cpu, raw_smp_processor_id());
	cache->objects.capacity += nr * cache->per_slab;
	cache->objects.free += nr * cache->per_slab;
	for (; nr; nr--, slab += pages_per_slab(cache)) {
		slab->nr_free = cache->per_slab;
		xslab_set_owner(cache, slab, cache);
		list_add(&slab->list, free_place_of(cache, slab));
		count_slab(cache, slab, XSLAB_FREE);
	}
}

/*
 * Set new slabs up, and make them the cache's; see xslab_grow() for @obj. Returns false if the
 * cache cannot have them: it is retired, or this is an NMI that does not get the lock.
 */
static bool bring_in(struct xslab_cache *cache, struct xpage *slab, unsigned int nr, void **obj)
{
	unsigned long flags;

	init_slabs(cache, slab, nr);
	if (unlikely(!xlock(&cache->lock, &flags)))
		return false;
	if (unlikely(cache->state.retired)) {
		raw_spin_unlock_irqrestore(&cache->lock, flags);
		return false;
	}
	drain_nmi_frees(cache);
	add_slabs(cache, slab, nr);
	if (obj && has_excess(cache) && !cache->waiting.nr)
		*obj = take_first(cache, slab);
	unlock_freed(cache, flags);
	return true;
}

/*
 * One more slab, or a group of them; tasks that wait for an object get theirs first. Where
 * the slab might not stay empty for an instant, an object of it comes as *@obj; @obj is
 * NULL for a caller that wants it empty.
 */
bool xslab_grow(struct xslab_cache *cache, gfp_t gfp, void **obj)
{
	bool is_torn = unlikely(READ_ONCE(cache->torn.nr)) && !in_nmi(), grown;
	struct xpage *slab;
	unsigned int nr;

	if (is_torn && xslab_tear_mend(cache, xpool_need_of(gfp), 1))
		return true;
	rcu_read_lock();
	slab = get_slabs(cache, gfp, &nr);
	grown = slab && bring_in(cache, slab, nr, obj);
	for (; unlikely(slab && !grown) && nr; nr--, slab += pages_per_slab(cache))
		xslab_return_slabs(cache, &slab, 1);
	rcu_read_unlock();
	return grown || (is_torn && xslab_tear_mend(cache, xpool_need_of(gfp), ULONG_MAX));
}

/*
 * One more slab for the mover, where it should be and from what is there; *@obj is an
 * object of it, for the slab might not be allowed to stay empty. @obj is NULL for a caller
 * that wants it empty. Process context; NULL: there is none.
 */
struct xpage *xslab_grow_in_place(struct xslab_cache *cache, void **obj)
{
	struct xpage *slab;
	unsigned long flags;
	bool served;

	rcu_read_lock();
	slab = try_slabs(cache, 0, XPOOL_ORDINARY, false);
	if (slab) {
		init_slabs(cache, slab, 1);
		xslab_lock(cache, &flags);
		add_slabs(cache, slab, 1);
		if (obj)
			*obj = take_first(cache, slab);
		served = xslab_queue_serve(cache);
		xslab_unlock(cache, flags);
		if (unlikely(served))
			xslab_queue_wake(cache);
	}
	rcu_read_unlock();
	return slab;
}
