/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the layers show one another, in their order. Nothing here is for
 * clients: their headers are in include/xalloc/.
 *
 * Lock order, outermost first:
 *
 *	1. xpool_registry	mutex	pools and caches come and go, and are listed
 *	2. xslab_cache.tuning	mutex	limits of one cache change
 *	3. xmag.closing		mutex	the magazines of one owner are closed
 *	   xgrow.one_at_a_time	mutex	regions come
 *	4. xpool.client_lock	raw	who can give pages back to a pool
 *	5. xdepot.lock		raw	whole magazines
 *	6. xslab_cache.lock	raw	lists of slabs
 *	7. xpool.lock		raw	the buddy system and the state of pages
 *
 * Raw spin locks are taken with interrupts off, and only tried from NMI.
 */
#ifndef _XALLOC_INTERNAL_H
#define _XALLOC_INTERNAL_H

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/hardirq.h>
#include <linux/irq_work.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#include <xalloc/xbuddy.h>
#include <xalloc/xmag.h>
#include <xalloc/xpool.h>
#include <xalloc/xslab.h>
#include "include/compat.h"

/*
 * Metadata. It is taken when a pool or a cache is made and never later. It
 * would rather fail than have the system kill somebody for it.
 */
#define XMETA_GFP (GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN | __GFP_RETRY_MAYFAIL)

static inline void *xmeta_alloc(size_t bytes)
{
	return bytes <= PAGE_SIZE ? kmalloc(bytes, XMETA_GFP) :
				    __vmalloc(bytes, XMETA_GFP);
}

static inline void xmeta_free(const void *mem)
{
	kvfree(mem);
}

/* A lock from any context: in NMI its holder may be the context below. */
static inline bool xlock(raw_spinlock_t *lock, unsigned long *flags)
{
	if (unlikely(in_nmi()))
		return raw_spin_trylock_irqsave(lock, *flags);
	raw_spin_lock_irqsave(lock, *flags);
	return true;
}

/*
 * Watching: a layer above wants to know, once, when there is something unused
 */

/**
 * struct xwatch - whom to tell
 * @wake: clears @asleep and sees to it that somebody looks; any context, also NMI
 *	and with raw locks held. NULL: nobody ever sleeps
 * @asleep: he wants to be told
 * @at_once: what is unused is not to be kept: who sees it gives it back
 */
struct xwatch {
	void	(*wake)(struct xwatch *watch);
	bool	asleep;
	bool	at_once;
};

static inline void xwatch_tell(struct xwatch *watch)
{
	if (unlikely(READ_ONCE(watch->asleep)))
		watch->wake(watch);
}

/*
 * Decay (xdecay.c). Pools and caches have the state, and use no more of it than
 * the watch.
 */

#define XDECAY_EPOCHS	16U

/**
 * struct xcurve - what may stay of the pages that became unused
 * @kept: unused pages at the end of the last epoch
 * @fresh: pages that became unused, by the epochs that have passed since
 */
struct xcurve {
	unsigned long	kept;
	unsigned long	fresh[XDECAY_EPOCHS];
};

/**
 * struct xdecay - the decay of a pool or a cache; but @watch under xpool_registry
 * @watch: tells when there is something unused
 * @ms: the time after which nothing unused is left; -1: never; XDECAY_INHERIT
 * @end: of the current epoch, in ns; 0: none has begun
 * @operations: so far, when last looked
 * @quiet: epochs since then in which there were none
 * @curve: what may stay
 */
struct xdecay {
	struct xwatch	watch;
	long		ms;
	u64		end;
	u64		operations;
	unsigned int	quiet;
	struct xcurve	curve;
};

/*
 * Pools (xpool.c)
 */

/* What a block of pages is used for; kept at its first page, 0 elsewhere. */
enum xpage_kind {
	XPAGE_NONE,
	XPAGE_SLAB,		/* a slab of a cache */
	XPAGE_CACHED,		/* freed by a client, in a page magazine */
	XPAGE_DEFERRED,		/* freed from NMI, waits for the pool's lock */
	XPAGE_LIVE = U8_MAX,	/* held by a client; no state is above it */
};

#define XPAGE_SHIFT	6	/* of its size */
#define XPAGE_MAP_WORDS	4	/* 256 objects of 16 bytes are a page */

/**
 * struct xpage - the state of a page, out of band; the size of struct page
 * @order: of the block
 * @kind: enum xpage_kind, at the first page of a block
 * @state: both
 * @nr_free: slabs: free objects when the slab was last put on a list
 * @deferred: link of a stack of pages that NMIs left work for (struct xdefer)
 * @cache: slabs: the owner
 * @list: slabs: one of the owner's lists
 * @map: slabs: a bit an object, set when the object is free in the slab
 * @word: the first word of @map; where it is the only one:
 * @holes: the pages that a torn slab gave back, as bits, see xtear.c
 * @there: then the objects that are left, as bits; beside it is the word of NMIs
 *
 * There is one for each page. A block of several pages uses the first one. The
 * state belongs to the pool's lock, or to who owns the block; the other
 * fields to the owner of the block.
 */
struct xpage {
	union {
		struct {
#ifdef __LITTLE_ENDIAN
			u8	order;
			u8	kind;
#else
			u8	kind;
			u8	order;
#endif
		};
		u16		state;
	};
	u16			nr_free;
	u32			deferred;
	struct xslab_cache	*cache;
	struct list_head	list;
	union {
		atomic_long_t	map[XPAGE_MAP_WORDS];
		struct {
			atomic_long_t	word;
			unsigned long	holes;
			atomic_long_t	nmi_word;
			unsigned long	there;
		};
	};
};

static_assert(sizeof(struct xpage) == 1 << XPAGE_SHIFT);

/*
 * A stack of pages that any context can push to without a lock, for the case
 * that an NMI finds a lock taken. The owner of the lock empties it. Links are
 * page numbers plus one, so that zero is "not on a stack".
 */
struct xdefer {
	atomic_t head;
};

#define XDEFER_END	U32_MAX		/* the last page on the stack */
#define XDEFER_CLAIMED	(U32_MAX - 1)	/* about to be pushed */

/**
 * struct xregion - a run of contiguous addresses
 * @addr: kernel virtual address
 * @nr: pages; 0: the page numbers are there, and no memory for them
 * @index: page number of its first page
 * @used: pools that grow: pages in use, under the pool's lock
 * @was_used: the same when the pool's collection began
 */
struct xregion {
	unsigned long	addr;
	unsigned long	nr;
	unsigned long	index;
	unsigned int	used;
	unsigned int	was_used;
};

/**
 * struct xclient - somebody who keeps free pages of a pool
 * @node: in the pool's list
 * @most: pages that it keeps at most and counts nowhere else, if it has @shut
 * @reclaim: give some pages back; any context but NMI, no locks of the pool
 *	held but client_lock
 * @collect: give all pages back that no object needs, with force also what only
 *	other CPUs reach; may sleep, under xpool_registry. NULL: @reclaim will do
 * @shut: keep nothing from now on, or (false) @most again; may sleep, under
 *	xpool_registry. NULL: what it keeps goes through xpool_cached_add()
 * @room: the pool has pages again, for who waits for some; under client_lock
 *
 * Clients come and go under both xpool_registry and client_lock, so either is
 * enough to walk their list.
 */
struct xclient {
	struct list_head node;
	unsigned long most;
	unsigned long (*reclaim)(struct xclient *client);
	unsigned long (*collect)(struct xclient *client, bool force);
	void (*shut)(struct xclient *client, bool shut);
	void (*room)(struct xclient *client);
};

/* Who may take the last pages? See struct xpool_limits. */
enum xpool_need {
	XPOOL_ORDINARY,
	XPOOL_URGENT,		/* __GFP_HIGH, or a reserve that was promised */
};

enum xpool_source {
	XPOOL_SYSTEM,
	XPOOL_BASE,
	XPOOL_RESERVE_MEM,
	XPOOL_ADDR,
};

#define XPOOL_MAG_ORDERS	5	/* orders 0 to 4 go through magazines */
#define XPOOL_CHUNK_PAGES	BIT(XBUDDY_MAX_ORDER)
#define XPOOL_CHUNK_SHIFT	(XBUDDY_MAX_ORDER + PAGE_SHIFT)
#define XPOOL_LIVE_SHIFTS	(PAGE_SHIFT + 1)
#define XPOOL_FOREIGN		ULONG_MAX

struct xgrow;
struct xmag_cpu;
struct xpage_mags;
struct xlive;

/*
 * An offset is where an address lies in its pool, counted in bytes from page
 * number 0. Page number 0 is the last multiple of the largest block at or
 * before the start of the range, so that a block is aligned in addresses as it
 * is in page numbers; the numbers before the start are never free.
 */
struct xpool {
	/* What the fast paths for pages use; see set_near() in xpage.c */
	struct xmag_cpu __percpu *cpus[XBUDDY_NR_ORDERS];	/* by order */
	struct xmag_cpu __percpu *page_cpus[XBUDDY_NR_ORDERS];	/* if struct pages are near */
	void			*near_page;	/* struct page of the first page */
	unsigned long		near_delta;	/* from its struct xpage to near_page */
	unsigned long		near_nr;	/* pages; 0: the long way */
	unsigned long		near_addr;	/* address of the first page, ... */
	struct xpage		*near_xpage;	/* ... its struct xpage, ... */
	unsigned long		near_scale;	/* ... from it to the address, to scale, ... */
	unsigned long		near_addr_nr;	/* ... and pages; 0: the long way */

	/* Read by every operation */
	unsigned long		base;	/* address of page number 0, and ... */
	unsigned long		start;	/* ... offset of the range's start, ... */
	unsigned long		bytes;	/* ... its length; 0: several regions */
	struct xpage		*pages;
	struct xpage_mags	*mags;	/* of small blocks; see xpage.c */

	/* Several regions: address to chunk of page numbers */
	u32			*chunks;
	unsigned long		first_chunk;
	unsigned long		nr_chunks;

	struct xregion		*regions;
	unsigned long		nr_regions;	/* with those that are not there yet */
	unsigned long		nr_fixed;	/* of these, there from first to last */
	unsigned long		nr_pages;	/* that are there */
	bool			has_struct_page;
	enum xpool_source	source;
	phys_addr_t		phys;
	struct xpage		*pages_mem;
	size_t			metadata;
	size_t			live_bytes;	/* under xpool_registry */
	struct list_head	node;
	char			name[XPOOL_NAME_MAX];
	unsigned int		nr_caches;	/* under xpool_registry */
	struct xlive		*live[XPOOL_LIVE_SHIFTS]; /* likewise */
	void			*observed;	/* of the observer */
	struct xdecay		decay;

	raw_spinlock_t		client_lock;
	struct list_head	clients;
	atomic_t		nr_sleepers;	/* who sleep until there is room */
	struct irq_work		tell_room;

	raw_spinlock_t		lock ____cacheline_aligned;
	struct xbuddy		buddy;
	struct xpool_limits	limits;
	unsigned long		idle_limit;	/* limits.cache less what @shut bounds */
	struct xgrow		*grow;		/* NULL: does not grow */
	atomic_long_t		cached;		/* pages of slabs without objects */
	unsigned long		nr_slab_pages;
	unsigned long		nr_client_pages;	/* live, cached, deferred */
	unsigned long		nr_hot_pages;		/* of these, in hot */
	struct xpage		*hot[XBUDDY_NR_ORDERS];	/* freed last, by order */
	unsigned long		gets;
	unsigned long		puts;
	struct xdefer		deferred;
	atomic_long_t		failures;
	atomic_long_t		errors;
};

extern struct mutex xpool_registry;
extern struct list_head xpool_list;

struct xpool *xpool_setup(const struct xpool_args *args);
void xpool_teardown(struct xpool *pool);
void xpool_abandon(struct xpool *pool);
void xpool_publish(struct xpool *pool);
void xpool_unpublish(struct xpool *pool);

/* Where in the pool a block is to lie. */
enum xplace {
	XPLACE_FIT,	/* where the smallest block has to be cut */
	XPLACE_LOW,	/* as low as possible */
	XPLACE_TOP,	/* as high as possible */
};

/* Blocks of one state that follow one another. */
struct xrow {
	struct xpage	*first;
	unsigned int	nr;
};

struct xpage *xpool_get_at(struct xpool *pool, unsigned int order, enum xpage_kind kind,
			   enum xpool_need need, enum xplace place);
unsigned int xpool_get_many(struct xpool *pool, unsigned int order,
			    enum xpage_kind kind, enum xpool_need need,
			    struct xpage **pages, unsigned int nr);
void xpool_put_many(struct xpool *pool, struct xpage **pages, unsigned int nr);
void xpool_split(struct xpool *pool, struct xpage *block, unsigned int order);
void xpool_unsplit(struct xpool *pool, struct xpage *block, unsigned int order);
unsigned long xpool_get_these(struct xpool *pool, struct xpage *first, unsigned long wanted,
			      enum xpage_kind kind, enum xpool_need need);
void xpool_put_rows(struct xpool *pool, const struct xrow *rows, unsigned int nr);
void xpool_put_hot(struct xpool *pool, struct xpage *page);
void xpool_settle(struct xpool *pool);

static inline struct xpage *xpool_get(struct xpool *pool, unsigned int order,
				      enum xpage_kind kind, enum xpool_need need)
{
	return xpool_get_at(pool, order, kind, need, XPLACE_FIT);
}

void xpool_add_client(struct xpool *pool, struct xclient *client);
void xpool_del_client(struct xpool *pool, struct xclient *client);
unsigned long xpool_ask_clients(struct xpool *pool);

unsigned long xpool_offset_far(const struct xpool *pool, unsigned long addr);
struct xpage *xpool_head(const struct xpool *pool, unsigned long index);
struct xpage *xpool_head_any(const void *addr);

static inline bool xdefer_waits(const struct xdefer *defer)
{
	return atomic_read(&defer->head);
}

bool xdefer_claim(struct xpage *page);
void xdefer_push(struct xpool *pool, struct xdefer *defer, struct xpage *page);
struct xpage *xdefer_take_all(struct xpool *pool, struct xdefer *defer);
struct xpage *xdefer_next(struct xpool *pool, struct xpage *page);

/* Where @addr lies in the pool, or XPOOL_FOREIGN. */
static inline unsigned long xpool_offset(const struct xpool *pool, const void *addr)
{
	unsigned long offset = (unsigned long)addr - pool->base;

	if (likely(offset - pool->start < pool->bytes))
		return offset;
	return xpool_offset_far(pool, (unsigned long)addr);
}

static inline unsigned long xpool_addr(const struct xpool *pool, unsigned long index)
{
	if (likely(pool->bytes))
		return pool->base + (index << PAGE_SHIFT);
	return pool->regions[index / XPOOL_CHUNK_PAGES].addr +
	       (index % XPOOL_CHUNK_PAGES << PAGE_SHIFT);
}

static inline unsigned long xpage_index(const struct xpool *pool,
					const struct xpage *page)
{
	return page - pool->pages;
}

/* Pages that slabs and clients have, and what is kept of these for the next. */
static inline unsigned long xpool_used(const struct xpool *pool)
{
	return READ_ONCE(pool->nr_slab_pages) + READ_ONCE(pool->nr_client_pages);
}

/* Pages that may come into use until the hard limit is reached. */
static inline unsigned long xpool_hard_room(const struct xpool *pool)
{
	unsigned long hard = READ_ONCE(pool->limits.hard), used = xpool_used(pool);

	return hard > used ? hard - used : 0;
}

/*
 * Limits (xlimit.c)
 */
unsigned long xpool_idle(const struct xpool *pool);
bool xpool_over_cache(const struct xpool *pool);
bool xpool_cached_add(struct xpool *pool, long pages);
void xgrow_trim(struct xpool *pool);

/* The same for who looks himself whether it is too much, after this. Any context. */
static inline void xpool_cached_count(struct xpool *pool, long pages)
{
	atomic_long_add(pages, &pool->cached);
	smp_mb__after_atomic();		/* as in xpool_cached_add() */
	if (unlikely(pool->grow))
		xgrow_trim(pool);
}

/* Is there a limit of what is cached? */
static inline bool xpool_is_capped(const struct xpool *pool)
{
	return READ_ONCE(pool->idle_limit) != XPOOL_NO_LIMIT;
}

unsigned long xpool_collect_locked(struct xpool *pool, bool force);
int xpool_set_limits_locked(struct xpool *pool, const struct xpool_limits *limits);

/*
 * Pools that grow (xgrow.c)
 */

/**
 * struct xgrow - what a pool has that takes memory from the system and gives it back
 * @pool: the pool
 * @max_pages: that it may have
 * @work: takes and gives back where others cannot
 * @soon: queues @work
 * @one_at_a_time: held to take regions
 * @shrinker: the system's way of asking for memory
 * @not_before: when to ask the system again, in jiffies
 * @starved: a block was not there, although enough pages may have been
 * @stopped: no more work
 * @unused: pages that went since a collection began and were free then; this and
 *	those below under the pool's lock
 * @fixed_spare: pages of empty regions that stay
 * @spare: pages of empty regions that can go
 * @grown: pages taken so far
 * @returned: pages given back so far
 */
struct xgrow {
	struct xpool		*pool;
	unsigned long		max_pages;
	struct work_struct	work;
	struct irq_work		soon;
	struct mutex		one_at_a_time;	/* before a region is looked for */
	struct shrinker		*shrinker;
	unsigned long		not_before;
	bool			starved;
	bool			stopped;
	unsigned long		unused;
	unsigned long		fixed_spare;
	unsigned long		spare;
	unsigned long		grown;
	unsigned long		returned;
};

void xgrow_direct_map(unsigned long *first, unsigned long *nr);
int xgrow_init(struct xpool *pool, unsigned long max_pages);
void xgrow_exit(struct xpool *pool);
int xgrow_start(struct xpool *pool);
void xgrow_stop(struct xpool *pool);
void xgrow_use(struct xpool *pool, const struct xpage *page, long nr);
void xgrow_wake(struct xpool *pool, bool starved);
unsigned long xgrow_now(struct xpool *pool);
void xgrow_mark(struct xpool *pool);
unsigned long xgrow_return_all(struct xpool *pool);
unsigned long xpool_idle_pages(struct xpool *pool, bool all);
unsigned long xpool_trim(struct xpool *pool, unsigned long pages);
struct xpool *xgrow_owner(unsigned long addr);
bool xgrow_overlaps(unsigned long addr, unsigned long bytes);
bool xgrow_valid(const struct xpool *pool);

/*
 * Observers: told when pools and caches come and go. The layers know that
 * somebody may listen, and not who.
 */
enum xobserve_event {
	XOBSERVE_POOL_ADD,
	XOBSERVE_POOL_DEL,
	XOBSERVE_CACHE_ADD,
	XOBSERVE_CACHE_DEL,
};

extern struct blocking_notifier_head xobservers;

/*
 * Magazines (xmag.c)
 */

struct xmag;

/**
 * struct xmag_ops - what lies below the magazines of an owner
 * @fill: take up to @nr objects without waiting; returns how many. The last goes to a
 *	client first
 * @drain: give @nr objects back
 * @rest: how many of the objects at @objs, which were freed after @last, should go back
 *	with it; NULL: none
 */
struct xmag_ops {
	unsigned int (*fill)(struct xmag *mag, void **objs, unsigned int nr);
	void (*drain)(struct xmag *mag, void **objs, unsigned int nr);
	unsigned int (*rest)(struct xmag *mag, void *last, void **objs);
};

/* Busy for ever: where a fast path looks that is not to be taken. */
DECLARE_PER_CPU(struct xmag_cpu, xmag_closed);

/**
 * struct xmag_slow - what the slow paths count on a CPU
 * @allocs: objects handed out past the magazines
 * @busy: operations that found them in use, or closed
 * @refills: magazines loaded
 * @flushes: magazines unloaded
 * @depot_hits: those that the depot served
 */
struct xmag_slow {
	unsigned long		allocs;
	unsigned long		busy;
	unsigned long		refills;
	unsigned long		flushes;
	unsigned long		depot_hits;
};

#define XDEPOT_NEAR	5U	/* as many as the line of the lock has room for */

/**
 * struct xdepot - whole magazines
 * @lock: protects the others
 * @nr: magazines, full and empty; constant
 * @nr_full: the first @nr_full magazines are full, the others empty
 * @far: the magazines behind the first ones
 * @near: the first ones
 *
 * Two CPUs of which one frees what the other allocates exchange the first magazines only.
 * The pointers to these lie in the line of the lock, so before the magazine itself each
 * waits for one line of the other.
 */
struct xdepot {
	raw_spinlock_t		lock;
	unsigned int		nr;
	unsigned int		nr_full;
	void			***far;
	void			**near[XDEPOT_NEAR];
} ____cacheline_aligned;

/* Where magazine @nr is. */
static inline void ***xdepot_slot(struct xdepot *depot, unsigned int nr)
{
	return nr < XDEPOT_NEAR ? &depot->near[nr] : &depot->far[nr - XDEPOT_NEAR];
}

#define XMAG_ROUTES	2U

/**
 * struct xmag - the magazines of an owner
 * @cpus: what the fast path uses: @own, or &xmag_closed
 * @own: the magazines of the CPUs
 * @ops: what lies below
 * @size: objects of a magazine
 * @closed: somebody has all magazines; see xmag_close()
 * @nr_shut: how many want them closed until further notice; under @closing
 * @detour: the fast path is never to be taken
 * @careful: interrupts are off while the depot is locked
 * @patient: for all who have it locked; so it can be waited for
 * @parked: empty, and the next operation leads the fast path back and tells @watch
 * @watch: whom to tell
 * @routes: copies of @cpus, for fast paths that have another place for them
 * @slow: what the slow paths count
 * @slots: the memory of all magazines
 * @metadata: bytes
 * @closing: held from xmag_close() to xmag_open()
 * @hotplug: in the list of those who are told that a CPU is gone
 * @depot: whole magazines
 */
struct xmag {
	struct xmag_cpu __percpu *cpus;
	struct xmag_cpu __percpu *own;
	const struct xmag_ops	*ops;
	unsigned int		size;
	bool			closed;
	bool			detour;
	bool			careful;
	bool			parked;
	unsigned int		nr_shut;
	bool			patient;
	struct xwatch		*watch;
	struct xmag_cpu __percpu **routes[XMAG_ROUTES];
	struct xmag_slow __percpu *slow;
	void			**slots;
	size_t			metadata;
	struct mutex		closing;	/* see above */
	struct hlist_node	hotplug;
	struct xdepot		depot;
};

#define XMAG_MAX_SIZE	64U	/* a word of a slab's map fills a magazine */

struct xmag_count {
	unsigned long	cpus;
	unsigned long	depot;
	unsigned long	allocs;
	unsigned long	refills;
	unsigned long	flushes;
	unsigned long	depot_hits;
	unsigned long	busy;
};

int xmag_init(struct xmag *mag, const struct xmag_ops *ops, unsigned int size,
	      unsigned int depot);
void xmag_destroy(struct xmag *mag);
void xmag_set_detour(struct xmag *mag);
void xmag_set_careful(struct xmag *mag);
void xmag_add_route(struct xmag *mag, struct xmag_cpu __percpu **route);
void *xmag_alloc_slow(struct xmag *mag);
void xmag_free_slow(struct xmag *mag, void *obj);
bool xmag_reload(struct xmag *mag, bool ready);
bool xmag_make_room(struct xmag *mag, bool ready);
void xmag_close(struct xmag *mag);
void xmag_open(struct xmag *mag);
void xmag_drain_closed(struct xmag *mag);
void xmag_drain(struct xmag *mag);
void xmag_set_watch(struct xmag *mag, struct xwatch *watch);
void xmag_park(struct xmag *mag);
void xmag_set_closed(struct xmag *mag, bool closed);
unsigned long xmag_capacity(const struct xmag *mag);
unsigned int xmag_depot_take(struct xmag *mag, void **objs);
unsigned long xmag_drain_depot(struct xmag *mag);
void xmag_count(struct xmag *mag, struct xmag_count *count);
int xmag_subsys_init(void);
void xmag_subsys_exit(void);

/*
 * Enter this CPU's magazines: with preemption off and the busy byte set they
 * are ours. An interrupt can come at any moment, but finds them busy and goes
 * past them, so between enter and leave there is no need for a lock, an atomic
 * instruction or for interrupts to be off. False: busy or closed already. This
 * is for the slow paths; a detour leads here too.
 */
static inline bool xmag_enter_slow(struct xmag *mag, struct xmag_cpu **cpu)
{
	preempt_disable();
	*cpu = this_cpu_ptr(mag->own);
	/* Pairs with xmag_open(). */
	if (smp_load_acquire(&mag->closed) || (*cpu)->busy) {
		preempt_enable();
		return false;
	}
	(*cpu)->busy = true;
	barrier();
	return true;
}

static inline void xmag_leave(struct xmag_cpu *cpu)
{
	barrier();
	cpu->busy = false;
	preempt_enable();
}

/* As it was a moment ago. */
static __always_inline bool xmag_depot_has_full(const struct xmag *mag)
{
	return READ_ONCE(mag->depot.nr_full);
}

/* Take the objects of one full magazine of the depot. Any context; returns how many, or 0. */
static __always_inline unsigned int xmag_take_full(struct xmag *mag, void **objs)
{
	return xmag_depot_has_full(mag) ? xmag_depot_take(mag, objs) : 0;
}

static __always_inline bool xmag_is_empty(const struct xmag_cpu *cpu)
{
	return cpu->top == cpu->bottom;
}

static __always_inline bool xmag_is_full(const struct xmag_cpu *cpu)
{
	return cpu->top == cpu->end;
}

/*
 * Is a full magazine to be had, of the CPU or the depot? A guess for who has not entered the
 * CPU's: who acts on it finds out what is true.
 */
static __always_inline bool xmag_has_ready(const struct xmag *mag, const struct xmag_cpu *cpu)
{
	/* One word, which its CPU may be changing. */
	return data_race(cpu->previous_full) || xmag_depot_has_full(mag);
}

/* Is an empty one? */
static __always_inline bool xmag_has_ready_room(const struct xmag *mag,
						const struct xmag_cpu *cpu)
{
	/* Likewise. */
	return !data_race(cpu->previous_full) || READ_ONCE(mag->depot.nr_full) < mag->depot.nr;
}

static __always_inline void *xmag_pop(struct xmag_cpu *cpu)
{
	cpu->allocs++;
	return *--cpu->top;
}

static __always_inline void xmag_push(struct xmag_cpu *cpu, void *obj)
{
	*cpu->top++ = obj;
}

static __always_inline void *xmag_alloc(struct xmag *mag)
{
	void *obj;
	bool hit;

	preempt_disable();
	hit = xmag_try_alloc(&mag->cpus, &obj, false);
	preempt_enable();
	return likely(hit) ? obj : xmag_alloc_slow(mag);
}

static __always_inline void xmag_free(struct xmag *mag, void *obj)
{
	bool hit;

	preempt_disable();
	hit = xmag_try_free(&mag->cpus, obj, false);
	preempt_enable();
	if (unlikely(!hit))
		xmag_free_slow(mag, obj);
}

/*
 * Pages for clients (xpage.c)
 */
void xpage_drain(struct xpool *pool);
void xpage_park(struct xpool *pool);
void xpage_set_watch(struct xpool *pool, struct xwatch *watch);
int xpage_init_default(const struct xpool_args *args);
void xpage_exit_default(void);

/*
 * Caches (xslab.c)
 */
extern struct list_head xslab_list;	/* under xpool_registry */
void xslab_set_checks(bool on);
struct xpool *xslab_cache_pool(const struct xslab_cache *cache);
void **xslab_cache_observed(struct xslab_cache *cache);
struct xdecay *xslab_cache_decay(struct xslab_cache *cache);
struct xmag *xslab_cache_mag(struct xslab_cache *cache);
unsigned long xslab_empty_pages(struct xslab_cache *cache);
unsigned long xslab_trim(struct xslab_cache *cache, unsigned long pages);
unsigned int xslab_live_in(struct xslab_cache *cache, struct xpage *slab);
struct xslab_cache *xslab_owner(const struct xpage *slab);
struct xslab_cache *xslab_cache_next(struct xslab_cache *cache);

/*
 * Decay (xdecay.c)
 */
void xcurve_step(struct xcurve *curve, unsigned int epochs, unsigned long unused);
void xcurve_add(struct xcurve *curve, unsigned int age, unsigned long pages);
unsigned long xcurve_limit(const struct xcurve *curve);
int xdecay_set_pool(struct xpool *pool, long ms);
int xdecay_set_cache(struct xslab_cache *cache, long ms);
long xdecay_of_cache(struct xslab_cache *cache);
unsigned long xdecay_runs(void);
void xdecay_hold(void);
void xdecay_release(void);
int xdecay_init(long ms);
void xdecay_exit(void);

/*
 * Statistics (xstats.c)
 */
int xstats_init(void);
void xstats_exit(void);

#endif
