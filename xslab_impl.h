/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the slab layer share, and nobody else sees:
 *
 *	xcache.c	caches come and go
 *	xslab.c		slabs, allocation and free, collect
 *	xfill.c		objects from slabs to magazines, and back
 *	xbulk.c		many objects at once
 *	xslab_limit.c	limits
 *	xwait.c		waiting for an object
 *	xmove.c		objects that can be moved
 *	xtear.c		pages of slabs that are not free
 *	xrow.h		objects that follow one another
 *
 * The theory is at the top of each.
 */
#ifndef _XALLOC_XSLAB_IMPL_H
#define _XALLOC_XSLAB_IMPL_H

#include <linux/irq_work.h>

#include "internal.h"

/* The lists of slabs: of partial ones, by how many objects are not free, and of others. */
#define XSLAB_PARTIAL		0	/* the first; as an index of nr[], all of them */
#define XSLAB_BUCKETS		8
#define XSLAB_FULL		XSLAB_BUCKETS
#define XSLAB_FREE		(XSLAB_BUCKETS + 1)
#define XSLAB_LISTS		(XSLAB_BUCKETS + 2)
#define XSLAB_PARTIAL_MASK	(BIT(XSLAB_BUCKETS) - 1)

#define XSLAB_MAX_PER_SLAB	(XPAGE_MAP_WORDS * BITS_PER_LONG)

struct xslab_cache {
	/* The first line is for what is not used often: see XSLAB_FAST. */
	char			name[XSLAB_NAME_MAX];
	struct list_head	node;
	size_t			align;
	void			*observed;

	struct xslab_fast	fast ____cacheline_aligned;
	struct xmag		mag;

	/* The first slab that is near: an instruction less to its states than near_owners. */
	struct xpage		*near_pages;
	unsigned long		near_start;
	u8			order;
	u8			live_shift;	/* see struct xslab_check */
	u8			group;		/* log2 of slabs whose live bytes share a line */
	u16			per_slab;
	u32			object_size;
	u32			stride;
	unsigned int		slack;		/* bytes of a slab before its objects */
	unsigned int		words;		/* of a slab's map */
	struct xpool		*pool;
	struct xpage		*pages;		/* the pool's, by page number */
	u8			*live;		/* by offset; NULL: no live checks */
	void			(*ctor)(void *obj);

	/* Slabs */
	raw_spinlock_t		lock ____cacheline_aligned;
	unsigned long		occupied;	/* bit l: lists[l] may have partial ones */
	struct list_head	lists[XSLAB_LISTS];
	struct xset		empty;		/* lists[XSLAB_FREE] by number; see slab_nr() */
	unsigned long		nr[XSLAB_LISTS];	/* PARTIAL, FULL, FREE */
	unsigned long		capacity;	/* objects in all slabs */
	unsigned long		nr_free;	/* of these, free in slabs */
	unsigned long		past;		/* handed out from slabs; else xmag_slow.allocs */
	unsigned long		nr_told;	/* free slabs that the pool knows of */
	struct xpage		*beside;	/* the slab that served last, or the next */
	unsigned long		keep;		/* free objects that stay; see prefill */
	long			watermark;	/* see set_watermark() */
	u8			list_of[XSLAB_MAX_PER_SLAB + 1];	/* by free objects */
	struct xdefer		deferred;
	atomic_t		nmi_frees;
	atomic_long_t		nr_slabs;	/* with those on their way from and to the pool */
	unsigned long		max_slabs;	/* of nr_slabs */
	int			grown_by;	/* the CPU that asked for the last slab, or -1 */
	enum xplace		place;		/* of slabs in the pool */
	xslab_flags_t		flags;
	struct irq_work		later;		/* what could not be done at once */

	/* Those who wait for an object, under lock; see xwait.c */
	struct list_head	waiters;
	struct list_head	served;
	unsigned int		nr_waiting;	/* in waiters */
	atomic_t		nr_sleepers;

	/* Limits; under tuning, see xslab_limit.c */
	struct mutex		tuning;
	struct xslab_limits	limits;
	unsigned long		max_empty;	/* slabs on the free list */
	bool			shut;		/* the magazines, for a limit's sake */

	/* Torn slabs, under lock; see xtear.c */
	struct list_head	torn_over;	/* that are to go */
	struct xset		torn;		/* by number, on the lists */
	unsigned long		nr_torn;
	unsigned long		mend;		/* those from here on were looked at */
	unsigned long		nr_holes;	/* pages that these gave back */

	/* Moving; under mag.closing, see xmove.c */
	xslab_move_fn		move;
	void			*move_arg;
	unsigned long		nr_moving;	/* free objects that the mover took; under lock */

	atomic_long_t		returned;	/* pages given back so far */
	atomic_long_t		failures;
	atomic_long_t		errors;
	struct xclient		client;
	struct xdecay		decay;
};

static_assert(offsetof(struct xslab_cache, fast) == XSLAB_FAST);
static_assert(XSLAB_STATE_SHIFT == XPAGE_SHIFT);

/*
 * Where an object is: from its offset in the pool or, in pools of one region,
 * from its address. Both are aligned alike.
 */

/* Where the slab starts that holds @offset. */
static __always_inline unsigned long slab_start(const struct xslab_cache *cache,
						unsigned long offset)
{
	return offset & cache->fast.slab_mask;
}

static __always_inline struct xpage *slab_in(struct xpage *pages, unsigned long start)
{
	/* Slabs start at pages: one shift instead of a division and a product. */
	return (void *)pages + (start >> (PAGE_SHIFT - XPAGE_SHIFT));
}

static inline struct xpage *slab_at(const struct xslab_cache *cache, unsigned long offset)
{
	return slab_in(cache->pages, slab_start(cache, offset));
}

/* Is the slab at address @start in the pool's one region? */
static __always_inline bool is_near(const struct xslab_cache *cache, unsigned long start)
{
	return start - cache->near_start < cache->fast.near_bytes;
}

static __always_inline struct xpage *near_slab(const struct xslab_cache *cache,
					       unsigned long start)
{
	return slab_in(cache->near_pages, start - cache->near_start);
}

/* The slab at address @start, which is one of the cache's. */
static __always_inline struct xpage *slab_of(const struct xslab_cache *cache,
					     unsigned long start)
{
	if (likely(is_near(cache, start)))
		return near_slab(cache, start);
	return slab_at(cache, xpool_offset(cache->pool, (void *)start));
}

/* Does an object start @in bytes into a slab? */
static __always_inline bool is_start(const struct xslab_check *check, unsigned long in)
{
	return xslab_is_start(check, in + check->bias);
}

static __always_inline bool owns(const struct xslab_cache *cache, const struct xpage *slab)
{
	/* The owner changes only while the slab has no live object. */
	return data_race(slab->cache) == cache;
}

/* The number of the object that starts @in bytes into its slab. */
static __always_inline unsigned int object_nr(const struct xslab_check *check, u64 in)
{
	return (in * check->nr_recip - check->nr_slack) >> 32;
}

static __always_inline void *first_object(const struct xslab_cache *cache,
					  const struct xpage *slab)
{
	unsigned long in = (unsigned long)slab - (unsigned long)cache->near_pages;

	/* One shift, as in slab_in(). */
	if (likely(cache->fast.near_bytes))
		return (void *)cache->near_start + (in << (PAGE_SHIFT - XPAGE_SHIFT)) +
		       cache->slack;
	return (void *)xpool_addr(cache->pool, slab - cache->pages) + cache->slack;
}

/*
 * The lists of slabs. Which one a slab belongs to follows from the number of its
 * free objects, and xslab_relist() is all that moves it; but partial ones may have been
 * left on the list of fuller ones, see xslab_fullest(). The last to come is the first to be
 * used; but free slabs, which nobody's caches know any more, are in the order of
 * their addresses. (One comparison to have the partial ones nearly so was measured at 7
 * instructions for each object freed at random.)
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

/* Behind what a slab comes onto a list. */
static __always_inline struct list_head *place_of(struct xslab_cache *cache,
						  const struct xpage *slab, unsigned int to)
{
	return unlikely(to == XSLAB_FREE) ? free_place_of(cache, slab) : &cache->lists[to];
}

/* All partial slabs are counted in one: on which of their lists each is, nobody knows. */
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

static inline void list_slab(struct xslab_cache *cache, struct xpage *slab, unsigned int to)
{
	list_add(&slab->list, place_of(cache, slab, to));
	count_slab(cache, slab, to);
}

/* A partial one may be on another of their lists than @from. */
static inline void unlist_slab(struct xslab_cache *cache, struct xpage *slab,
			       unsigned int from)
{
	list_del(&slab->list);
	discount_slab(cache, slab, from);
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
void xslab_sort(struct xslab_cache *cache, unsigned long *nr);

/* So many more objects of the slab are free. If it was partial and is, it stays where it is. */
static __always_inline void add_nr_free(struct xslab_cache *cache, struct xpage *slab,
					unsigned int nr)
{
	unsigned int was = slab->nr_free, is = was + nr;

	lockdep_assert_held(&cache->lock);
	slab->nr_free = is;
	cache->nr_free += nr;
	if (unlikely(!was) || unlikely(is == cache->per_slab))
		xslab_relist(cache, slab, was);
}

/* Fewer. */
static __always_inline void sub_nr_free(struct xslab_cache *cache, struct xpage *slab,
					unsigned int nr)
{
	unsigned long was = slab->nr_free, is = was - nr;	/* as they index: no conversion */

	lockdep_assert_held(&cache->lock);
	slab->nr_free = is;
	cache->nr_free -= nr;
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

/*
 * Maps are changed under the lock. NMIs that find it taken have words of their
 * own, in the half of the map that slabs of up to 128 objects do not use; larger
 * slabs have one map for all, and pay for atomic instructions.
 */

static __always_inline bool has_nmi_words(const struct xslab_cache *cache)
{
	return likely(cache->words <= XPAGE_MAP_WORDS / 2);
}

static __always_inline void change_word(const struct xslab_cache *cache,
					atomic_long_t *word, unsigned long clear,
					unsigned long set)
{
	if (has_nmi_words(cache)) {
		atomic_long_set(word, (atomic_long_read(word) & ~clear) | set);
		return;
	}
	if (clear)
		atomic_long_andnot(clear, word);
	if (set)
		atomic_long_or(set, word);
}

void xfill_deferred(struct xslab_cache *cache);

/*
 * Slabs that nobody needs count against the pool's limit, and decay. The pool is told
 * once what came of all that happened under the lock.
 */
static __always_inline void tell_pool(struct xslab_cache *cache)
{
	long more = cache->nr[XSLAB_FREE] - cache->nr_told;

	if (likely(!more))
		return;
	cache->nr_told += more;
	xpool_cached_count(cache->pool, more * (1L << cache->order));
	if (more > 0)
		xwatch_tell(&cache->decay.watch);
}

/* Before each giving up of the lock where slabs may have changed lists. */
static __always_inline void xslab_unlock(struct xslab_cache *cache, unsigned long flags)
{
	tell_pool(cache);
	raw_spin_unlock_irqrestore(&cache->lock, flags);
}

/* After each taking of the lock. */
static __always_inline void settle(struct xslab_cache *cache)
{
	if (unlikely(xdefer_waits(&cache->deferred)))
		xfill_deferred(cache);
}

void xslab_unlock_freed_slow(struct xslab_cache *cache, unsigned long flags)
	__releases(&cache->lock);

/*
 * After a change of nr_waiting, max_empty or torn_over: with more slabs on the free list
 * than @watermark, and with any number while somebody waits or a torn slab is to go, who
 * frees has more to do.
 */
static inline void set_watermark(struct xslab_cache *cache)
{
	unsigned long most = min_t(unsigned long, cache->max_empty, LONG_MAX);

	cache->watermark = cache->nr_waiting || !list_empty(&cache->torn_over) ? -1L :
										 (long)most;
}

/* May an empty slab have to go before the operation that emptied it returns? */
static inline bool is_strict(const struct xslab_cache *cache)
{
	return xpool_is_capped(cache->pool) || READ_ONCE(cache->decay.watch.at_once);
}

/* Unlock after something became free in slabs: there may be somebody who is to have it. */
static __always_inline void unlock_freed(struct xslab_cache *cache, unsigned long flags)
{
	tell_pool(cache);
	if (unlikely((long)cache->nr[XSLAB_FREE] > cache->watermark) ||
	    unlikely(cache->nr[XSLAB_FREE] && is_strict(cache)))
		xslab_unlock_freed_slow(cache, flags);
	else
		raw_spin_unlock_irqrestore(&cache->lock, flags);
}

/* More slabs are empty than may be, not counting those that prefill keeps. */
static inline bool has_excess(struct xslab_cache *cache)
{
	tell_pool(cache);
	return (cache->nr[XSLAB_FREE] > cache->max_empty || xpool_over_cache(cache->pool) ||
		READ_ONCE(cache->decay.watch.at_once)) &&
	       cache->nr_free >= cache->keep + cache->per_slab;
}

/* Who owns a slab of which some pages went back; as a client's pointer it is none. */
static inline struct xslab_cache *torn_owner(struct xslab_cache *cache)
{
	return (void *)((unsigned long)cache | 1UL);
}

static inline bool is_torn(const struct xpage *slab)
{
	return (unsigned long)READ_ONCE(slab->cache) & 1UL;
}

/* Of a slab, torn or not. */
static inline struct xslab_cache *owner_of(const struct xpage *slab)
{
	return (void *)((unsigned long)READ_ONCE(slab->cache) & ~1UL);
}

/* xtear.c */
void xtear_freed(struct xslab_cache *cache, struct xpage *slab);
void xtear_put(struct xslab_cache *cache, struct list_head *over);
void xtear_cache(struct xslab_cache *cache);
bool xtear_mend(struct xslab_cache *cache, enum xpool_need need);
unsigned int xtear_objects(const struct xslab_cache *cache, const struct xpage *slab);
bool xtear_has(const struct xpage *slab, unsigned int nr);
bool xtear_valid(const struct xslab_cache *cache, const struct xpage *slab);
bool xtear_books_valid(const struct xslab_cache *cache, unsigned long slabs);

/* xfill.c */
#define XSLAB_CHUNK	256U	/* objects at most that come or go under one lock */

extern const struct xmag_ops xfill_ops;
unsigned int xfill_bulk(struct xslab_cache *cache, void **objs, unsigned int nr);
unsigned int xfill_live(struct xslab_cache *cache, void **objs, unsigned int nr);
void *xfill_one(struct xslab_cache *cache, struct xpage *slab);
void xfill_drain(struct xslab_cache *cache, void **objs, unsigned int nr);
unsigned int xfill_drain_checked(struct xslab_cache *cache, void **objs, unsigned int nr);

/*
 * Will the client write to what he gets, and does the hardware leave it to us to fetch that?
 * It does not where objects share a line, or lie in one after the other.
 */
static inline bool wants_fetch(const struct xslab_cache *cache)
{
	return cache->flags & XSLAB_PREFETCH && cache->stride > L1_CACHE_BYTES;
}

/* xslab.c */
unsigned long xslab_client_reclaim(struct xclient *client);
unsigned long xslab_client_collect(struct xclient *client, bool force);
void xslab_put_pages(struct xslab_cache *cache, struct xpage **pages, unsigned int nr);
bool xslab_mark_live(struct xslab_cache *cache, void *obj);
bool xslab_mark_dead(struct xslab_cache *cache, void *obj);
void xslab_report_lost(struct xslab_cache *cache, void *obj);
bool xslab_grow(struct xslab_cache *cache, gfp_t gfp, void **obj);
void *xslab_alloc_marked(struct xslab_cache *cache, gfp_t gfp);
bool xslab_accept(struct xslab_cache *cache, void *obj);
int xslab_refuse_free(struct xslab_cache *cache, void *obj);
int xslab_refuse_zero(struct xslab_cache *cache);
void xslab_release_all(struct xslab_cache *cache);

/* xwait.c */
void xwait_init(struct xslab_cache *cache);
void xwait_exit(struct xslab_cache *cache);
bool xwait_refuse(struct xslab_cache *cache);
bool xwait_serve(struct xslab_cache *cache);
void xwait_wake(struct xslab_cache *cache);
void xwait_look(struct xslab_cache *cache);
void *xwait_for_object(struct xslab_cache *cache, gfp_t gfp);

/* A client that says it may sleep, of a cache that says that it is to. */
static inline bool xwait_wanted(const struct xslab_cache *cache, gfp_t gfp)
{
	return cache->flags & XSLAB_WAIT && gfp & __GFP_DIRECT_RECLAIM;
}

/* xslab_limit.c */
void xslab_limit_init(struct xslab_cache *cache);
void xslab_limit_apply(struct xslab_cache *cache);

/* xmove.c */
void xmove_compact(struct xslab_cache *cache);

#endif
