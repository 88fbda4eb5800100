/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Caches: what the files of the layer share, and what the layers above may use
 *
 * Kbuild lists the files from the top down; the theory of each is at its top.
 */
#ifndef _XALLOC_XSLAB_IMPL_H
#define _XALLOC_XSLAB_IMPL_H

#include <linux/irq_work.h>

#include <xalloc/xslab.h>

#include "../pool/pool.h"

/* The lists of slabs: of partial ones, by how many objects are not free, and of others. */
#define XSLAB_PARTIAL		0	/* the first; as an index of nr[], all of them */
#define XSLAB_BUCKETS		8
#define XSLAB_FULL		XSLAB_BUCKETS
#define XSLAB_FREE		(XSLAB_BUCKETS + 1)
#define XSLAB_LISTS		(XSLAB_BUCKETS + 2)
#define XSLAB_PARTIAL_MASK	(BIT(XSLAB_BUCKETS) - 1)

#define XSLAB_RELEASE		16U	/* slabs given back under one lock */
#define XTEAR_MAX_ORDER		3U	/* of slabs that can be torn; see slab/geometry.c */
#define XTEAR_PAGES		BIT(XTEAR_MAX_ORDER)
#define XSLAB_MAX_PER_SLAB	(XPAGE_MAP_WORDS * BITS_PER_LONG)

/* Live bytes of objects that wait for a grace period; see slab/rcu.c. */
#define XSLAB_WAITS		255U	/* in a batch */
#define XSLAB_LEFT		254U	/* to be found by the worker */
#define XSLAB_SEEN		253U	/* found; it waits */
static_assert(XSLAB_LIVE < XPOOL_FIRST_TAG && XPOOL_LAST_TAG < XSLAB_SEEN);

struct xslab_cache {
	/* The first line is for what is not used often: see XSLAB_FAST. */
	char			name[XSLAB_NAME_MAX];
	struct {
		struct xlisted	entry;		/* of xslab_list */
		void		*observed;	/* of the observer */
	} listing;

	struct xslab_fast	fast ____cacheline_aligned;
	struct xmag		mag;

	struct {	/* The first slab: an instruction less to its states than first_owner */
		struct xpage	*page;
		unsigned long	start;		/* its linear address */
	} first;
	u8			order;
	u16			per_slab;
	u32			object_size;
	u32			stride;
	unsigned int		tools;		/* that watch its memory; see base/tools.h */
	unsigned int		slack;		/* bytes of a slab before its objects */
	unsigned int		words;		/* of a slab's map */
	struct xpool		*pool;
	struct xpage		*pages;		/* the pool's, by page number */
	void			(*ctor)(void *obj);

	/* Slabs */
	raw_spinlock_t		lock ____cacheline_aligned;
	unsigned long		occupied;	/* bit l: lists[l] may have partial ones */
	struct list_head	lists[XSLAB_LISTS];
	struct xset		empty;		/* lists[XSLAB_FREE] by number; see slab_nr() */
	unsigned long		nr[XSLAB_LISTS];	/* PARTIAL, FULL, FREE */
	struct {
		unsigned long	capacity;	/* in all slabs */
		unsigned long	free;		/* of these, free in slabs */
		unsigned long	from_slabs;	/* handed out; others: xmag_slow.allocs */
	} objects;
	struct xpage		*hint;		/* the slab that served last, or the next */
	struct {	/* Free objects that stay; see slab/prefill.c */
		unsigned long	nr;
		unsigned long	coming;		/* @nr while prefill is under way */
		unsigned int	nr_filling;	/* calls of prefill that are */
		bool		is_exact;	/* no more than what was promised is kept */
		bool		shut;		/* the magazines; under limit.tuning */
	} reserve;
	long			watermark;	/* see set_watermark() */
	u8			list_of[XSLAB_MAX_PER_SLAB + 1];	/* by free objects */
	struct {	/* Frees that an NMI left; see slab/put.c */
		struct xdefer	deferred;
		atomic_t	frees;
	} nmi;
	atomic_long_t		nr_slabs;	/* with those on their way from and to the pool */
	struct {
		unsigned long	nr_counted;	/* spare slabs that the pool knows of */
		int		cpu;		/* that asked for the last slab, or -1 */
		u8		group;		/* log2 of slabs whose live bytes share a line */
	} growth;
	enum xplace		place;		/* of slabs in the pool */
	xslab_flags_t		flags;
	struct irq_work		irq_work;	/* for what needs another context; slab/wait.c */
	atomic_t		nr_constructing;
	struct {
		bool		retired;	/* no allocation any more */
		bool		given_up;	/* an operator says that no free will come */
	} state;
	struct {
		unsigned int	size;		/* objects; 0: it has no magazines */
		unsigned int	depot;		/* magazines */
	} magazine;

	struct {	/* Tasks that wait for an object, under lock; see slab/wait.c */
		struct list_head list;
		struct list_head served;
		unsigned int	nr;		/* in list */
		atomic_t	nr_sleepers;
		atomic_t	nr_callers;	/* requests that may wait, from the first look on */
	} waiting;

	struct {	/* Under tuning; see slab/limit.c */
		struct mutex	tuning;
		struct xslab_limits limits;
		unsigned long	max_empty;	/* slabs on the free list */
		bool		shut;		/* the magazines, for the cache's limits */
		bool		pool_shut;	/* the magazines, for the pool's limits */
	} limit;

	struct {	/* Torn slabs, under lock; see slab/tear.c */
		struct list_head over;		/* that must go */
		struct xset	set;		/* by number, on the lists */
		unsigned long	nr;
		unsigned long	mended;		/* those from here on were looked at */
		unsigned long	nr_holes;	/* pages that these gave back */
	} torn;

	struct {	/* Under lock; see slab/move.c */
		xslab_move_fn	move;
		void		*arg;
		struct task_struct *task;	/* packs objects now: the mover */
		wait_queue_head_t gone;
		struct xmove	*emptied;	/* the slab that it empties */
		unsigned long	nr;		/* free objects that the mover took */
	} moving;

	struct {	/* Found late, and not in the log yet; see xslab_note_lost() */
		void		*first;
		atomic_long_t	nr;
	} late;

	struct {	/* What waits for a grace period; see slab/rcu.c */
		struct list_head node;		/* this and the next under xslab_rcu_lock */
		long		unseen;		/* of nr_left, what the worker has still to find */
		atomic_long_t	nr;		/* objects */
		atomic_long_t	nr_left;	/* of these, not in a batch */
		struct list_head retired;	/* slabs; under lock */
		struct list_head dying;		/* slabs that wait */
		struct rcu_head	head;
		bool		is_waiting;	/* head is in use; under lock */
		unsigned long	nr_slabs;	/* on both lists; under lock */
	} rcu;

	struct {
		atomic_long_t	returned;	/* pages given back so far */
		atomic_long_t	failures;
		atomic_long_t	errors;
	} counts;
	struct xholder		holder;
	struct xdecay		decay;
};

/**
 * struct xmove - a mover, and the slab that it empties
 * @cache: its cache
 * @caller: the task, for as long as it may call the client
 * @fn: the client's function
 * @arg: its argument
 * @slab: the slab
 * @to: where a region is emptied: the slab that takes the objects, or NULL
 * @taken: its objects that the mover has, as bits; moving.nr in all
 * @given_up: what was taken was put back, for an allocation
 */
struct xmove {
	struct xslab_cache	*cache;
	struct xpool_caller	caller;
	xslab_move_fn		fn;
	void			*arg;
	struct xpage		*slab;
	struct xpage		**to;
	unsigned long		taken[XPAGE_MAP_WORDS];
	bool			given_up;
};

/**
 * struct xwaiter - a task that waits, on its stack
 * @node: in waiting.list, in waiting.served, or nowhere
 * @task: the task
 * @obj: what it was handed
 * @look: it must ask the pool again
 * @nofail: it waits without end and without being killed
 * @for_grace: it waits for no client, but for objects that wait for a grace period
 */
struct xwaiter {
	struct list_head	node;
	struct task_struct	*task;
	void			*obj;
	bool			look;
	bool			nofail;
	bool			for_grace;
};

static_assert(offsetof(struct xslab_cache, fast) == XSLAB_FAST);
static_assert(XSLAB_STATE_SHIFT == XPAGE_SHIFT);

/*
 * Where an object is: from its offset in the pool, or from its linear address (xlinear.h),
 * which is what magazines hold and is called @at. Both are aligned alike, and so is the
 * address, @obj.
 */

static __always_inline void *linear_of(const struct xslab_cache *cache, const void *obj)
{
	return (void *)xlinear_of(&cache->fast.linear, obj);
}

static __always_inline void *addr_of(const struct xslab_cache *cache, const void *at)
{
	return xlinear_addr(&cache->fast.linear, at);
}

/* Where the slab starts that holds @offset. */
static __always_inline unsigned long slab_start(const struct xslab_cache *cache,
						unsigned long offset)
{
	return offset & cache->fast.slab_mask;
}

/*
 * Can a slab be at linear address @at, or around it? The last one may end behind the pool; then
 * it is none, but what is known of its pages may be looked at.
 */
static __always_inline bool can_have_slab(const struct xslab_cache *cache, unsigned long at)
{
	return at - cache->first.start < cache->fast.bytes;
}

extern struct list_head xslab_list;	/* under xpool_registry */

#define for_each_cache(cache)	for_each_listed(cache, &xslab_list, listing.entry)

extern struct xpage xslab_nowhere;
extern struct xpool xslab_gone;

/* An orphan that has gone: a call of its client's finds nothing. */
static inline bool is_gone(const struct xslab_cache *cache)
{
	return READ_ONCE(cache->pool) == &xslab_gone;
}

/* The slab at linear address @start; where the cache has gone, one that has no owner. */
static __always_inline struct xpage *slab_of(const struct xslab_cache *cache,
					     unsigned long start)
{
	if (unlikely(!can_have_slab(cache, start)))
		return &xslab_nowhere;
	/* Slabs start at pages: one shift instead of a division and a product. */
	return (void *)cache->first.page +
	       ((start - cache->first.start) >> (PAGE_SHIFT - XPAGE_SHIFT));
}

/*
 * What it takes to look at objects by addresses that @to leads from to linear ones, in a
 * copy: see xslab_check.
 */
static __always_inline struct xslab_check check_by(const struct xslab_cache *cache, long to)
{
	struct xslab_check check = cache->fast.check;

	/* Of a pool that has one region that is 0. */
	check.live += to >> check.live_shift;
	return check;
}

static __always_inline bool has_live(const struct xslab_cache *cache)
{
	return xslab_has_live(&cache->fast.check);
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
	unsigned long in = (unsigned long)slab - (unsigned long)cache->first.page;

	/* One shift, as in slab_of(). */
	return (void *)cache->first.start + (in << (PAGE_SHIFT - XPAGE_SHIFT)) + cache->slack;
}

/* Is object @nr free in its slab, as the map says? */
static inline bool is_in_slab(const struct xpage *slab, unsigned int nr)
{
	return atomic_long_read(&slab->map[BIT_WORD(nr)]) & BIT_MASK(nr);
}

#include "lists.h"

/* @nr slabs are all full that were free, or the other way about; they are on the list. */
static __always_inline void count_whole(struct xslab_cache *cache, unsigned int from,
					unsigned int to, unsigned int nr)
{
	cache->nr[from] -= nr;
	cache->nr[to] += nr;
	cache->objects.free += (to == XSLAB_FREE ? 1L : -1L) * nr * cache->per_slab;
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

void xslab_drain_nmi_frees_slow(struct xslab_cache *cache);

/* Free objects that stay with the cache. */
static inline unsigned long reserved_free(const struct xslab_cache *cache)
{
	return max(cache->reserve.nr, cache->reserve.coming);
}

/* Free slabs that could go: all, but for those that prefill keeps. */
static __always_inline unsigned long spare_slabs(const struct xslab_cache *cache)
{
	unsigned long reserve = reserved_free(cache);

	if (likely(!reserve))
		return cache->nr[XSLAB_FREE];
	return min(cache->nr[XSLAB_FREE],
		   (cache->objects.free - min(cache->objects.free, reserve)) / cache->per_slab);
}

/*
 * Slabs that no client needs count against the pool's limit, and decay. They are counted
 * there once, when all that happens under the lock is over.
 */
static __always_inline void count_spare(struct xslab_cache *cache)
{
	long more = spare_slabs(cache) - cache->growth.nr_counted;

	if (likely(!more))
		return;
	cache->growth.nr_counted += more;
	xpool_cached_count(cache->pool, more * (1L << cache->order));
	if (more > 0)
		xwatch_wake(&cache->decay.watch);
}

/* Before each giving up of the lock where slabs may have changed lists. */
static __always_inline void xslab_unlock(struct xslab_cache *cache, unsigned long flags)
{
	count_spare(cache);
	raw_spin_unlock_irqrestore(&cache->lock, flags);
}

/* After a taking of the lock, for all that looks at maps, lists or counts of objects. */
static __always_inline void drain_nmi_frees(struct xslab_cache *cache)
{
	if (unlikely(xpool_defer_waits(&cache->nmi.deferred)))
		xslab_drain_nmi_frees_slow(cache);
}

/* Not from an NMI, see xlock(). */
static __always_inline void xslab_lock(struct xslab_cache *cache, unsigned long *flags)
{
	raw_spin_lock_irqsave(&cache->lock, *flags);
	drain_nmi_frees(cache);
}

void xslab_unlock_freed_slow(struct xslab_cache *cache, unsigned long flags)
	__releases(&cache->lock);

/*
 * After a change of waiting.nr, limit.max_empty or torn.over: a CPU that frees has more to do
 * with more slabs on the free list than @watermark, and with any number while a task waits,
 * a torn slab must go or the cache is retired.
 */
static inline void set_watermark(struct xslab_cache *cache)
{
	unsigned long most = min_t(unsigned long, cache->limit.max_empty, LONG_MAX);

	bool look = cache->waiting.nr || !list_empty(&cache->torn.over) || cache->state.retired;

	cache->watermark = look ? -1L : (long)most;
}

/* Do slabs that leave the cache wait for a grace period? */
static inline bool xslab_rcu_is_typesafe(const struct xslab_cache *cache)
{
	return cache->flags & XSLAB_TYPESAFE_BY_RCU;
}

/*
 * Does the cache give each empty slab back at once? While a request gathers, a typesafe cache
 * does not: no request can have a slab that waits for a grace period.
 */
static inline bool gives_at_once(const struct xslab_cache *cache)
{
	return READ_ONCE(cache->decay.watch.at_once) ||
	       (READ_ONCE(cache->pool->gather.release_empty) && !xslab_rcu_is_typesafe(cache));
}

/* Must an empty slab perhaps go before the operation that emptied it returns? */
static inline bool is_strict(const struct xslab_cache *cache)
{
	return READ_ONCE(cache->pool->idle_limit) != XPOOL_NO_LIMIT || gives_at_once(cache);
}

/* Unlock after something became free in slabs: a task or the pool may be due to get it. */
static __always_inline void unlock_freed(struct xslab_cache *cache, unsigned long flags)
{
	count_spare(cache);
	if (unlikely((long)cache->nr[XSLAB_FREE] > cache->watermark) ||
	    unlikely(cache->nr[XSLAB_FREE] && is_strict(cache)))
		xslab_unlock_freed_slow(cache, flags);
	else
		raw_spin_unlock_irqrestore(&cache->lock, flags);
}

/* More slabs are empty than may be, not counting those that prefill keeps. */
static inline bool has_excess(struct xslab_cache *cache)
{
	count_spare(cache);
	return cache->nr[XSLAB_FREE] &&
	       (cache->nr[XSLAB_FREE] > cache->limit.max_empty || cache->state.retired ||
		xpool_over_cache(cache->pool) || gives_at_once(cache)) &&
	       cache->objects.free >= reserved_free(cache) + cache->per_slab;
}

/* The owner of a slab of which some pages went back; it equals no client's pointer. */
static inline struct xslab_cache *torn_owner(struct xslab_cache *cache)
{
	return (void *)((unsigned long)cache | 1UL);
}

static inline bool is_torn(const struct xpage *slab)
{
	return (unsigned long)READ_ONCE(slab->cache) & 1UL;
}

/*
 * Is a live object of the cache at the linear address @at of its pool? With preemption off. Returns
 * false, too, of a cache without live bytes: then xslab_size_of() knows.
 */
static __always_inline bool xslab_is_live_at(const struct xslab_cache *cache, const void *at)
{
	const struct xslab_fast *fast = &cache->fast;
	unsigned long in = (unsigned long)at - fast->base, slab = in & fast->slab_mask;

	if (unlikely(!xslab_is_start(&fast->check, in - slab)) ||
	    unlikely(!xslab_has_live(&fast->check)) ||
	    unlikely(xslab_load_live(xslab_live_at(&fast->check, at)) != XSLAB_LIVE))
		return false;
	xslab_loaded_live();
	return xslab_owns(cache, slab);
}

/* Of a slab, torn or not. */
static inline struct xslab_cache *owner_of(const struct xpage *slab)
{
	return (void *)((unsigned long)READ_ONCE(slab->cache) & ~1UL);
}

/* The pages of a slab that it gave back, as bits: none, where it is whole. */
static inline unsigned long holes_of(const struct xslab_cache *cache, const struct xpage *slab)
{
	return cache->words == 1 ? slab->holes : 0;
}

/* How many objects the slab has. */
static inline unsigned int xslab_tear_objects(const struct xslab_cache *cache,
					      const struct xpage *slab)
{
	return is_torn(slab) ? hweight_long(slab->there) : cache->per_slab;
}

/* Is object @nr of the slab there? Without the lock too, if it is live or is not. */
static inline bool xslab_tear_has(const struct xpage *slab, unsigned int nr)
{
	/* Pairs with xslab_set_owner(). */
	if (!((unsigned long)smp_load_acquire(&slab->cache) & 1UL))
		return true;
	return READ_ONCE(slab->there) & BIT(nr);
}

/*
 * What the kernel's tools are told; see base/tools.h
 */

/* A client has the object. */
static __always_inline void tools_alloc(struct xslab_cache *cache, void *obj, gfp_t gfp)
{
	if (xtools_watch(cache->tools))
		xtools_alloc(cache->tools, obj, cache->object_size, gfp);
}

/* A client has given it back, and it was accepted; it has no other owner yet. */
static __always_inline void tools_free(struct xslab_cache *cache, void *obj)
{
	if (xtools_watch(cache->tools))
		xtools_free(cache->tools, obj, cache->object_size);
}

/* Pages of a slab came from the pool. */
static inline void tools_add_slab(struct xslab_cache *cache, struct xpage *page,
				  unsigned int order)
{
	if (xtools_watch(cache->tools))
		xtools_add_slab(cache->tools, (void *)xpool_addr(cache->pool,
								 page - cache->pages),
				PAGE_SIZE << order);
}

#define XSLAB_PER_LOCK	256U	/* objects at most that come or go under one lock */

/*
 * Will the client write to what it gets, and does the hardware leave it to us to fetch that?
 * It does not where objects share a line, or lie in one after the other.
 */
static inline bool wants_fetch(const struct xslab_cache *cache)
{
	return cache->flags & XSLAB_PREFETCH && cache->stride > L1_CACHE_BYTES;
}

/* Do objects wait for a grace period? They are no client's any more. */
static inline bool xslab_rcu_waits(const struct xslab_cache *cache)
{
	return atomic_long_read(&cache->rcu.nr);
}

static inline struct xslab_cache *of_holder(struct xholder *holder)
{
	return container_of(holder, struct xslab_cache, holder);
}

/* @is, a reason to keep the magazines closed, becomes @closed. The caller keeps others out. */
static inline void xslab_set_closed(struct xslab_cache *cache, bool *is, bool closed)
{
	if (*is != closed)
		xmag_set_closed(&cache->mag, closed);
	*is = closed;
}

/* Say why the arguments of a cache are refused; the value is @err. */
#define cache_refuse(name, err, fmt, ...) \
	({ pr_err("cache %s: " fmt "\n", (name), ##__VA_ARGS__); (err); })

/*
 * From the top down
 */

/* xslab.c */
ssize_t xslab_size_of(const void *obj);

/* cache.c */
void xslab_set_checks(bool on);

/* holder.c */
void xslab_holder_init(struct xslab_cache *cache);

/* orphan.c */
void xslab_holder_retire(struct xholder *holder);
int xslab_give_up(struct xslab_cache *cache);
void xslab_holder_give_up(struct xholder *holder);
void xslab_subsys_init(void);
void xslab_subsys_exit(void);

/* geometry.c */
int xslab_get_live(struct xslab_cache *cache);
void xslab_put_live(struct xslab_cache *cache, struct xpool *pool);
void xslab_get_magazines(struct xslab_cache *cache, const struct xslab_args *args);
void xslab_put_magazines(struct xslab_cache *cache, struct xpool *pool);
int xslab_set_geometry(struct xslab_cache *cache, const struct xslab_args *args);

/* books.c */
unsigned int xslab_live_in(struct xslab_cache *cache, struct xpage *slab);
unsigned int xslab_objects_in(const struct xslab_cache *cache, const struct xpage *slab);

/* limit.c */
void xslab_limit_init(struct xslab_cache *cache);
unsigned long xslab_magazine_pages(const struct xslab_cache *cache);
void xslab_limit_apply(struct xslab_cache *cache);
int xslab_cache_set_limit(struct xslab_cache *cache, size_t field, unsigned long pages);

/* collect.c */
void xslab_check_refs(struct xslab_cache *cache);
unsigned long xslab_collect_by_force(struct xslab_cache *cache, bool tear);

/* alloc.c */
bool xslab_refuse_alloc(struct xslab_cache *cache, gfp_t gfp);
void *xslab_alloc_marked(struct xslab_cache *cache, gfp_t gfp);
bool xslab_help_atomic(struct xslab_cache *cache, gfp_t gfp);

/* wait.c */
void xslab_wait_init(struct xslab_cache *cache);
void xslab_wait_end(struct xslab_cache *cache);
void *xslab_wait_for_object(struct xslab_cache *cache, gfp_t gfp, bool for_clients);

/* move.c */
bool xslab_move_give_back(struct xslab_cache *cache);
bool xslab_move_would_wait_for_itself(struct xslab_cache *cache);
unsigned long xslab_move_compact(struct xslab_cache *cache);
void xslab_move_set(struct xslab_cache *cache, xslab_move_fn move, void *arg);
void xslab_move_count(struct xholder *holder);
void xslab_move_vacate(struct xholder *holder);

/* rcu.c */
void xslab_rcu_flush(struct xpool *pool);
void xslab_rcu_add_cache(struct xslab_cache *cache);
void xslab_rcu_del_cache(struct xslab_cache *cache);
int xslab_rcu_init(void);
void xslab_rcu_exit(void);

/* put.c */
extern const struct xmag_ops xslab_mag_ops;
void xslab_put_many(struct xslab_cache *cache, void **objs, unsigned int nr);
unsigned int xslab_put_many_checked(struct xslab_cache *cache, void **objs, unsigned int nr);

/* release.c */
unsigned int xslab_release_some(struct xslab_cache *cache, unsigned long most);
void xslab_release_this(struct xslab_cache *cache, struct xpage *slab);
unsigned long xslab_release_all(struct xslab_cache *cache);
unsigned long xslab_trim(struct xslab_cache *cache, unsigned long pages);
unsigned long xslab_empty_pages(struct xslab_cache *cache);
unsigned long xslab_detach_all(struct xslab_cache *cache);

/* grow.c */
bool xslab_grow(struct xslab_cache *cache, gfp_t gfp, void **obj);
struct xpage *xslab_grow_in_place(struct xslab_cache *cache, void **obj);

/* tear.c */
unsigned long xslab_tear_release(struct xslab_cache *cache);
unsigned long xslab_tear_cache(struct xslab_cache *cache);
bool xslab_tear_mend(struct xslab_cache *cache, enum xpool_need need, unsigned long most);
bool xslab_tear_valid(const struct xslab_cache *cache, const struct xpage *slab);

/* leave.c */
void xslab_leave_start(struct xslab_cache *cache);
void xslab_leave_wait(struct xslab_cache *cache);
void xslab_return_slabs(struct xslab_cache *cache, struct xpage **slabs, unsigned int nr);
void xslab_return_blocks(struct xslab_cache *cache, struct xpage **pages, unsigned int nr,
			 unsigned int order);
void xslab_set_owner(const struct xslab_cache *cache, struct xpage *slab,
		     struct xslab_cache *owner);
void xslab_believe_live(struct xslab_cache *cache, struct xpage *slab);
bool xslab_take_off(struct xslab_cache *cache, struct xpage *slab, struct list_head *to);
bool xslab_leave_torn(struct xslab_cache *cache, struct xpage *slab);
bool xslab_take_spare(struct xslab_cache *cache, struct list_head *to);
unsigned long xslab_return_list(struct xslab_cache *cache, struct list_head *list);

/* queue.c */
void xslab_queue_count(struct xslab_cache *cache, int more);
bool xslab_queue_serve(struct xslab_cache *cache);
void xslab_queue_look(struct xslab_cache *cache);
void xslab_queue_wake_served(struct xslab_cache *cache);
void xslab_queue_wake(struct xslab_cache *cache);

/* fill.c */
unsigned int xslab_fill_bulk(struct xslab_cache *cache, void **objs, unsigned int nr);
unsigned int xslab_fill_magazine(struct xmag *mag, void **objs, unsigned int nr);

/* lists.c */
bool xslab_refile(struct xslab_cache *cache, struct xpage *slab, unsigned int list);
void *xslab_take_one(struct xslab_cache *cache, struct xpage *slab);
struct xpage *xslab_next(const struct xslab_cache *cache, struct xpage *slab);

/* check.c */
void xslab_note_lost(struct xslab_cache *cache, void *at, unsigned int nr);
void xslab_print_lost(struct xslab_cache *cache);
int xslab_refuse_free(struct xslab_cache *cache, void *obj);
bool xslab_mark(struct xslab_cache *cache, void *at, u8 from, u8 to);
bool xslab_mark_live(struct xslab_cache *cache, void *at);
bool xslab_is_live(const struct xslab_cache *cache, const void *at);
bool xslab_accept(struct xslab_cache *cache, void *at, u8 state);
void xslab_report_stray(struct xslab_cache *cache, const struct xpool_stray *stray);

#endif
