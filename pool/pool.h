/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pools: what the files of the layer share, and what the layers above may use
 *
 * Kbuild lists the files from the top down; the theory of each is at its top.
 */
#ifndef _XALLOC_POOL_H
#define _XALLOC_POOL_H

#include <xalloc/xbuddy.h>
#include <xalloc/impl/xlinear.h>
#include <xalloc/xpool.h>

#include "listed.h"
#include "../base/base.h"
#include "../mag/mag.h"

/* What a block of pages is used for; kept at its first page, 0 elsewhere. */
enum xpool_page_kind {
	XPAGE_NONE,
	XPAGE_SLAB,		/* a slab of a cache */
	XPAGE_CACHED,		/* freed by a client, kept for the next or on its way */
	XPAGE_DEFERRED,		/* freed from NMI, waits for the pool's lock */
	XPAGE_HEAP,		/* in a region of a heap */
	XPAGE_LIVE = U8_MAX,	/* held by a client; no state is above it */
};

#define XPAGE_SHIFT	6	/* of its size */
#define XPAGE_MAP_WORDS	4	/* 256 objects of 16 bytes are a page */

/**
 * struct xpage - the state of a page, out of band; the size of struct page
 * @order: of the block
 * @kind: enum xpool_page_kind, at the first page of a block
 * @state: both
 * @nr_free: slabs: free objects by @map; NMIs' are added by the next holder of the lock
 * @deferred: link of a stack of pages that NMIs left work for (struct xdefer)
 * @cache: the owner of the slab that the page is in, at each of its pages
 * @list: slabs: one of the owner's lists
 * @holder: heaps: which one
 * @map: slabs: a bit an object, set when the object is free in the slab
 * @word: the first word of @map; where it is the only one:
 * @holes: the pages that a torn slab gave back, as bits, see slab/tear.c
 * @there: then the objects that are left, as bits; beside it is the word of NMIs
 *
 * There is one for each page. A block of several pages uses the first one. The state
 * belongs to the pool's lock, or to the owner of the block; the other fields belong to the
 * owner of the block.
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
	union {
		struct list_head	list;
		struct xholder		*holder;
	};
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

static __always_inline u16 xpool_page_state(enum xpool_page_kind kind, unsigned long order)
{
	return (kind << 8) + order;
}

/* A stack of pages, for NMIs that find a lock taken; see pool/defer.c. */
struct xdefer {
	atomic_t head;
};

#define XDEFER_END	U32_MAX		/* the last page on the stack */
#define XDEFER_CLAIMED	(U32_MAX - 1)	/* about to be pushed */

/* What a region of a pool that grows serves; see pool/region.c. The first two index arrays. */
enum xserves {
	XSERVES_SMALL,
	XSERVES_LARGE,
	XSERVES_ANY,		/* one of the initial size, or empty */
	XSERVES_NONE,		/* what is in it will be moved elsewhere */
	XSERVES_NR,
};

#define XSERVES_KINDS	XSERVES_ANY	/* of requests */

/**
 * struct xregion - a run of contiguous addresses
 * @addr: kernel virtual address
 * @nr: pages; 0: the page numbers are there, and no memory for them
 * @index: page number of its first page
 * @used: pools that grow: pages in use, under the pool's lock; so are those below
 * @was_used: @used when the pool's collection began
 * @movable: of these, pages of objects that can be moved, when a collection counted them
 * @serves: enum xserves
 * @served: SMALL or LARGE: what it served before it was chosen for emptying
 */
struct xregion {
	unsigned long	addr;
	unsigned long	nr;
	unsigned long	index;
	unsigned int	used;
	unsigned int	was_used;
	unsigned int	movable;
	u8		serves;
	u8		served;
};

/**
 * struct xpool_stray - a page that had references and should have had none
 * @index: its number
 * @refs: its count, before that was mended
 * @cache: what its struct xpage says of its cache, if it is in a slab
 */
struct xpool_stray {
	unsigned long		index;
	int			refs;
	struct xslab_cache	*cache;
};

/**
 * struct xholder - a holder of free pages of a pool: its magazines of pages, a cache or a heap
 * @kind: "cache" or "heap", for the log. NULL: the magazines of the pool itself
 * @name: its name
 * @entry: in the pool's list, of which readers may use RCU
 * @gathered: shut, and pinned, for requests that gather; under xpool_registry
 * @most: pages that its magazines keep at most; they are not counted elsewhere
 * @reclaim: give some pages back; any context but NMI, no locks of the pool held
 * @collect: give back what is free and can be had without disturbing other CPUs;
 *	may sleep
 * @compact: have objects moved so that fewer pages are in use. Calls the client's
 *	code. NULL: it has none
 * @close: shut the magazines; any context but NMI
 * @drain: everything that is free goes to the pool, a grace period after @close; may
 *	sleep
 * @open: the end of @close
 * @in_magazines: pages that the magazines hold now; any context but NMI
 * @shut: keep nothing in magazines from now on, or (false) @most again; may sleep,
 *	under the pool's tuning
 * @room: the pool has pages again, for a task that waits for some; any context. May be NULL
 * @count_movable: add its pages of objects that can be moved to xregion.movable; may
 *	sleep. NULL: it has none
 * @vacate: move its objects out of the regions that serve nothing; as @compact. May be NULL
 * @stray: is this a page of its? Then report it. May be NULL
 * @retire: the pool was destroyed, which was refused: no allocation any more. May be NULL
 * @give_up: an operator says that no client will give anything back. May be NULL
 *
 * @reclaim, @collect, @compact and @drain return the pages that the pool has back.
 */
struct xholder {
	const char *kind;
	const char *name;
	struct xlisted entry;
	bool gathered;
	unsigned long most;
	unsigned long (*reclaim)(struct xholder *holder);
	unsigned long (*collect)(struct xholder *holder);
	unsigned long (*compact)(struct xholder *holder);
	void (*close)(struct xholder *holder);
	unsigned long (*drain)(struct xholder *holder);
	void (*open)(struct xholder *holder);
	unsigned long (*in_magazines)(struct xholder *holder);
	void (*shut)(struct xholder *holder, bool shut);
	void (*room)(struct xholder *holder);
	void (*count_movable)(struct xholder *holder);
	void (*vacate)(struct xholder *holder);
	bool (*stray)(struct xholder *holder, const struct xpool_stray *stray);
	void (*retire)(struct xholder *holder);
	void (*give_up)(struct xholder *holder);
};

/* Which requests may take the last pages? See struct xpool_limits. */
enum xpool_need {
	XPOOL_ORDINARY,
	XPOOL_URGENT,		/* __GFP_HIGH, or prefill */
};

enum xpool_source {
	XPOOL_SYSTEM,
	XPOOL_BASE,
	XPOOL_RESERVE_MEM,
	XPOOL_ADDR,
};

#define XPOOL_LOOK		(HZ / 10)	/* jiffies between looks that no event asked for */
#define XPOOL_MAG_ORDERS	5	/* orders 0 to 4 go through magazines */
#define XPOOL_LARGEST_PAGES	BIT(XBUDDY_MAX_ORDER)
#define XPOOL_LARGEST_SHIFT	XLINEAR_SHIFT
#define XPOOL_LIVE_SHIFTS	(PAGE_SHIFT + 1)
#define XPOOL_FIRST_TAG		2	/* less in a byte of pool/live.c is a state, ... */
#define XPOOL_LAST_TAG		250	/* ... and more; of all users that have none else */
#define XPOOL_FOREIGN		ULONG_MAX

struct xgrow;
struct xmag_cpu;
struct xpool_page_mags;
struct xlive;

/*
 * An offset is where an address lies in its pool, counted in bytes from page
 * number 0. With the base it is the linear address (xlinear.h). Page number 0 is the
 * last multiple of the largest block at or before the start of the range, so that a block
 * is aligned in addresses as it is in page numbers; the numbers before the start are never
 * free.
 */
struct xpool {
	/* What the fast paths for pages use; see pool/page.c */
	struct xmag_cpu __percpu *cpus[XBUDDY_NR_ORDERS];	/* by order */
	unsigned long		page_orders;	/* for struct pages: XBUDDY_NR_ORDERS, or 0 */
	struct {
		unsigned long	first;		/* linear address of the first page, ... */
		unsigned long	nr;		/* ... and page numbers from there on */
		unsigned long	scale;		/* from a struct xpage to it, to scale */
	} span;

	/* Read by every operation */
	struct xlinear		linear;
	struct {
		const long	*to;		/* @linear.to for struct pages */
		long		*from;
		unsigned long	nr;		/* @span.nr, or 0: they go the long way */
	} structs;
	unsigned long		base;		/* linear address of page number 0, and ... */
	unsigned long		start;		/* ... offset of the first page, ... */
	unsigned long		bytes;		/* ... and how many numbers follow it */
	struct xpage		*pages;
	struct xpage		*pages_mem;	/* of the first page */
	struct xpool_page_mags	*mags;		/* of small blocks; see pool/page.c */

	struct {	/* See pool/linear.c */
		long		*mem;
		unsigned long	first_block;	/* where regions can lie */
		unsigned long	nr_blocks;
	} tables;

	struct xregion		*regions;
	unsigned long		nr_regions;	/* with those that are not there yet */
	unsigned long		nr_fixed;	/* of these, there from first to last */
	unsigned long		nr_pages;	/* that are there */
	bool			has_struct_page;
	bool			counts_refs;	/* see pool/refs.c */
	unsigned int		tools;		/* that watch it; see base/tools.h */
	struct {	/* See pool/gfp.c */
		gfp_t		refused;
		unsigned long	logged;		/* of these, by bit */
	} gfp;
	struct {
		enum xpool_source source;
		phys_addr_t	phys;
	} range;
	unsigned long		max_pages;	/* that it may ever have */
	size_t			metadata;
	char			name[XPOOL_NAME_MAX];
	struct {	/* Under xpool_registry */
		struct xlisted	entry;
		unsigned int	nr_users;	/* that were made in it, as caches are */
		void		*observed;	/* of the observer */
	} listing;
	struct {
		bool		retired;	/* no allocation any more */
		bool		given_up;	/* an operator says that no client returns */
	} state;
	struct {	/* See pool/live.c; under xpool_registry */
		struct xlive	*by_shift[XPOOL_LIVE_SHIFTS];
		size_t		bytes;
	} live;
	struct xdecay		decay;

	struct list_head	holders;	/* of struct xholder */
	struct {	/* For pages; see pool/page.c */
		atomic_t	nr;		/* tasks */
		wait_queue_head_t room;
		struct irq_work	signal;
	} waiting;
	struct mutex		tuning;		/* limits change */
	struct {	/* See pool/gather.c */
		struct mutex	mutex;
		unsigned long	nr;		/* begun so far; under xpool_registry */
		unsigned long	nr_users[2];	/* requests, by @nr when they came; as @nr */
		wait_queue_head_t over;		/* all have taken, or given a part back */
		atomic_t	parts_begun;	/* requests that took a part of what they want, */
		atomic_t	parts_ended;	/* and have all, or gave it back */
		bool		in_bulk;	/* one of those that gather is taking many */
		bool		release_empty;	/* caches give empty slabs back at once */
		struct irq_work	soon;
		struct work_struct work;
	} gather;
	unsigned long		mag_bytes;	/* that holders may keep; under xpool_registry */

	raw_spinlock_t		lock ____cacheline_aligned;
	struct xbuddy		buddy;
	struct xpool_limits	limits;
	unsigned long		reserved[XBUDDY_NR_ORDERS];	/* limits.reserve in blocks */
	unsigned long		idle_limit;	/* limits.cache less what @shut bounds */
	struct xgrow		*grow;		/* NULL: does not grow */
	atomic_long_t		cached;		/* pages of slabs without objects */
	struct {	/* Pages */
		unsigned long	slabs;
		unsigned long	lost;		/* of these, of caches that were given up */
		unsigned long	clients;	/* live, cached, deferred, heaps */
		unsigned long	heaps;		/* of these, of heaps */
	} used;
	struct {
		unsigned long	nr_pages;	/* of used.clients */
		struct xpage	*block[XBUDDY_NR_ORDERS];	/* by order */
	} last_freed;
	struct xdefer		deferred;
	struct {	/* Found late, and not in the log yet; see xpool_note_lost() */
		unsigned long	first;		/* page number */
		atomic_long_t	nr;
	} late;
	struct {
		unsigned long	gets;
		unsigned long	puts;
		atomic_long_t	failures;
		atomic_long_t	errors;
	} counts;
};

extern struct mutex xpool_registry;
extern struct list_head xpool_list;

/* What the worker does that xpool_reap_soon() starts; the layer of caches says it. */
extern void (*xpool_reaper)(void);
/* Waits for what clients gave back after a grace period; of the same layer. May sleep. */
extern void (*xpool_flush)(struct xpool *pool);

/* Of pages for clients, in pools that grow: larger ones lie with large objects. */
#define XPOOL_SMALL_ORDER	2U

/* What a block is for, and so where in the pool it should lie. */
enum xplace {
	XPLACE_FIT,	/* a client's pages: where the smallest block must be cut */
	XPLACE_LOW,	/* a slab: as low as possible */
	XPLACE_TOP,	/* a slab: as high as possible */
};

/* A task that may call a client, on its stack; see callback.c. */
struct xpool_caller {
	struct list_head	node;
	struct task_struct	*task;
};

/* Blocks of one state that follow one another in a largest block, which is of one region. */
struct xrow {
	struct xpage	*first;
	unsigned int	nr;
};

/*
 * From the top down
 */

/* xpool.c */
void xpool_exit_tombs(void);
bool xpool_knows_client(bool ok, struct module *client);
int xpool_give_up(struct xpool *pool);
bool xpool_reap_one(void);
int xpool_init_default(const struct xpool_args *args);
void xpool_exit_default(void);

/* run.c */
bool xpool_has_place(struct xpool *pool, const struct xpool_request *request);
void xpool_lend_run(struct xpool *pool, void *addr, size_t nr, struct xholder *holder);
void xpool_return_run(struct xpool *pool, void *addr, size_t nr);

/* page.c */
bool xpool_page_has_struct(const struct xpool *pool);
bool xpool_page_is_refused(struct xpool *pool, unsigned long order, gfp_t gfp);

/* magazine.c */
void xpool_mags_empty(struct xpool *pool, void (*how)(struct xmag *mag));
void xpool_mags_set_watch(struct xpool *pool, struct xwatch *watch);
void xpool_mags_close(struct xholder *holder);
unsigned long xpool_mags_drain_closed(struct xholder *holder);
unsigned long xpool_mags_pages(struct xholder *holder);
void xpool_mags_detach(struct xpool *pool);
int xpool_mags_attach(struct xpool *pool);

/* setup.c */
struct xpool *xpool_setup(const struct xpool_args *args);
void xpool_teardown(struct xpool *pool);
void xpool_abandon(struct xpool *pool);

/* An orphan that has gone: a call of its client's finds nothing. */
static inline bool xpool_is_gone(const struct xpool *pool)
{
	return !READ_ONCE(pool->mags);
}

/* range.c */
unsigned long xpool_more_regions(const struct xpool_args *args);
int xpool_acquire(struct xpool *pool, const struct xpool_args *args);
void xpool_tools_regions(struct xpool *pool,
			 void (*fn)(unsigned int tools, const void *addr, size_t bytes));
void xpool_release(struct xpool *pool);

/* limit.c */
unsigned long xpool_most_blocks(const struct xpool *pool, unsigned int order);
void xpool_admit_holder(struct xpool *pool);
int xpool_set_limit(struct xpool *pool, size_t field, unsigned long pages);

/* collect.c */
unsigned long xpool_collect_here(struct xpool *pool);
unsigned long xpool_compact(struct xpool *pool);
int xpool_collect_init(struct xpool *pool);

/* stray.c */
bool xpool_stray_find(struct xpool *pool, unsigned long index, unsigned long end,
		      struct xpool_stray *stray);
void xpool_stray_check(struct xpool *pool);

/* plan.c */
bool xpool_plan_begin(struct xpool *pool);
void xpool_plan_end(struct xpool *pool);

/**
 * struct xgathering - a request that needs what no client holds
 * @pool: of this pool
 * @begun: gatherings before it came
 * @tries: how often it could not take what it wants
 * @all_tries: with those that do not count
 * @parts_ended: of the pool, before it tried last
 * @is_bulk: it takes many or none
 */
struct xgathering {
	struct xpool	*pool;
	unsigned long	begun;
	unsigned int	tries;
	unsigned int	all_tries;
	int		parts_ended;
	bool		is_bulk;
};

/* gather.c */
unsigned long xpool_in_magazines(struct xpool *pool);
unsigned long xpool_gather_begin(struct xgathering *g, struct xpool *pool);
bool xpool_gather_again(struct xgathering *g);
void xpool_gather_begin_part(struct xpool *pool);
void xpool_gather_end_part(struct xpool *pool);
void xpool_gather_note_part(struct xpool *pool);
void xpool_gather_begin_bulk(struct xgathering *g);
void xpool_gather_end_bulk(struct xgathering *g);
void xpool_gather_end(struct xgathering *g);
unsigned long xpool_gather(struct xpool *pool);
void xpool_gather_soon(struct xpool *pool);
bool xpool_has_context(gfp_t gfp, const char *what, const char *name);
void xpool_say_waiting(unsigned long *said, const char *what, const char *name);
void xpool_gather_init(struct xpool *pool);
void xpool_gather_exit(struct xpool *pool);
int xpool_gather_subsys_init(void);
void xpool_gather_subsys_exit(void);

/* get.c */
unsigned int xpool_get_many(struct xpool *pool, unsigned int order, enum xpool_page_kind kind,
			    enum xpool_need need, struct xpage **pages, unsigned int nr);
/* With which objects a run of @nr pages lies; as blocks of about that size do. */
static inline enum xserves xpool_run_kind(unsigned long nr)
{
	return nr > 1UL << XPOOL_SMALL_ORDER ? XSERVES_LARGE : XSERVES_SMALL;
}

void xpool_own_run(struct xpool *pool, unsigned long index, unsigned long nr);
void xpool_starve(struct xpool *pool, unsigned long nr);
unsigned long xpool_ask_holders(struct xpool *pool);
struct xpage *xpool_try(struct xpool *pool, unsigned int order, enum xpool_need need,
			enum xplace place);
struct xpage *xpool_get_for(struct xpool *pool, unsigned int order, enum xpool_need need,
			    enum xplace place, gfp_t gfp);
struct page *xpool_fetch_region(struct xpool *pool, unsigned int order, enum xpool_need need,
				gfp_t gfp);
struct xpage *xpool_get_of_region(struct xpool *pool, unsigned int order, enum xpool_need need,
				  enum xplace place, struct page *region);
unsigned long xpool_get_these(struct xpool *pool, struct xpage *first, unsigned long wanted,
			      enum xpool_need need);

/*
 * A block of @from becomes one of @to, unless another CPU was faster. Other than a single page, a
 * block may be cut at the same instant (put.c), so that the two must not both believe it.
 */
static inline bool xpool_page_change(struct xpage *page, enum xpool_page_kind from,
				     enum xpool_page_kind to, unsigned int order)
{
	u16 was = xpool_page_state(from, order);

	return cmpxchg(&page->state, was, xpool_page_state(to, order)) == was;
}

/* put.c */
void xpool_note_lost(struct xpool *pool, const struct xpage *page);
void xpool_put_deferred(struct xpool *pool);
bool xpool_put_last_freed(struct xpool *pool);
void xpool_signal_room(struct irq_work *work);
void xpool_put_rows(struct xpool *pool, const struct xrow *rows, unsigned int nr, u16 state);
void xpool_put_many(struct xpool *pool, struct xpage **pages, unsigned int nr, u16 state);
bool xpool_claim_run(struct xpool *pool, unsigned long from, unsigned long to);
void xpool_split(struct xpool *pool, struct xpage *block, unsigned int order);
void xpool_unsplit(struct xpool *pool, struct xpage *block, unsigned int order);
void xpool_put_client(struct xpool *pool, struct xpage *page, unsigned int order);
unsigned long xpool_drain_idle(struct xpool *pool);

/* grow.c */
void xpool_grow_pause(struct xgrow *grow);
unsigned long xpool_grow_now(struct xpool *pool);
struct page *xpool_grow_fetch(struct xpool *pool, gfp_t gfp);
void xpool_grow_drop(struct xpool *pool, struct page *page);
bool xpool_grow_add(struct xpool *pool, enum xserves kind, struct page *page, unsigned long *r);
bool xpool_grow_added(struct xpool *pool, unsigned long r);
bool xpool_grow_for_reserve(struct xpool *pool);
void xpool_grow_trim(struct xpool *pool);
void xpool_grow_wake(struct xpool *pool);
void xpool_grow_mark(struct xpool *pool);
unsigned long xpool_grow_return_all(struct xpool *pool);
unsigned long xpool_idle_pages(struct xpool *pool, bool all);
unsigned long xpool_trim(struct xpool *pool, unsigned long pages);
int xpool_grow_init(struct xpool *pool);
void xpool_grow_stop(struct xpool *pool);
unsigned long xpool_recount(const struct xpool *pool, unsigned long from, unsigned long to,
			    bool of_slabs);
bool xpool_grow_valid(const struct xpool *pool);

/* region.c */
unsigned long xpool_region_bit(const struct xpool *pool, unsigned long r, enum xserves kind);
void xpool_region_count_free(struct xpool *pool, enum xserves serves, long more);
void xpool_region_set_serves(struct xpool *pool, unsigned long r, enum xserves serves);
void xpool_region_serve(struct xpool *pool, unsigned long index, enum xserves kind);
void xpool_region_use(struct xpool *pool, const struct xpage *page, long nr);
unsigned int xpool_region_take(struct xpool *pool, unsigned int order, unsigned int nr, bool whole,
			       struct xbuddy_part *part, unsigned long *index);
unsigned long xpool_region_spare(const struct xpool *pool);
unsigned long xpool_idle(const struct xpool *pool);
bool xpool_over_cache(const struct xpool *pool);

/* blocks.c */
unsigned long xpool_allowance(const struct xpool *pool, enum xpool_need need);
int xpool_breakable(const struct xpool *pool, unsigned int order, enum xpool_need need);
bool xpool_forms(const struct xpool *pool, const unsigned long *reserved);

/* find.c */
void xpool_forget(struct xpool *pool);
struct xpage *xpool_head(const struct xpool *pool, unsigned long index);
struct xpool *xpool_find_grown(unsigned long addr);
struct xpage *xpool_find_page(const void *addr, void **at);
void xpool_count_stray(const void *addr);
int xpool_map_grown(struct xpool *pool, unsigned long addr, gfp_t gfp);
void xpool_unmap_grown(unsigned long addr);
void xpool_map_exit(void);
void xpool_unmap_regions(struct xpool *pool);
int xpool_map_regions(struct xpool *pool);

/* holder.c */
bool xpool_enter(struct xpool *pool);
void xpool_leave(struct xpool *pool);
void xpool_add_holder(struct xpool *pool, struct xholder *holder);
void xpool_set_gathered(struct xholder *holder, bool gathered);
void xpool_del_holder(struct xholder *holder);
void xpool_reap_soon(void);
void xpool_reap_sync(void);
bool xpool_may_come_and_go(const char *what, const char *name);
void xpool_name_users(struct xpool *pool);

/* listed.c */
#define for_each_pool(pool)		for_each_listed(pool, &xpool_list, listing.entry)
#define for_each_holder(holder, pool)	for_each_listed(holder, &(pool)->holders, entry)

/* defer.c */
void xpool_defer_push(struct xpool *pool, struct xdefer *defer, struct xpage *page);
struct xpage *xpool_defer_take_all(struct xpool *pool, struct xdefer *defer);
struct xpage *xpool_defer_next(struct xpool *pool, struct xpage *page);

/* linear.c */
void xpool_linear_direct_map(unsigned long *first, unsigned long *nr);
void xpool_linear_add(struct xpool *pool, unsigned long r);
void xpool_linear_del(struct xpool *pool, unsigned long r);
bool xpool_linear_fits(const struct xpool *pool, unsigned long addr);
int xpool_linear_init(struct xpool *pool);
void xpool_linear_close(struct xpool *pool);
void xpool_linear_exit(struct xpool *pool);
unsigned long xpool_offset(const struct xpool *pool, const void *addr);

/* refs.c */
struct page *xpool_refs_page_at(const struct xpool *pool, unsigned long index);
void xpool_refs_set(struct xpool *pool, const struct xpage *page, unsigned long nr, int refs);
void xpool_refs_freeze(struct page *page, unsigned long nr);
void xpool_refs_release(struct xpool *pool, struct page *page, unsigned long nr);
bool xpool_refs_all_plain(unsigned long addr, unsigned long nr);

/* gfp.c */
void xpool_gfp_init(struct xpool *pool);
bool xpool_gfp_refuse(struct xpool *pool, gfp_t gfp);

/* live.c */
u8 *xpool_live_get(struct xpool *pool, unsigned int shift, u8 *tag);
void xpool_live_put(struct xpool *pool, unsigned int shift, u8 tag);

/* callback.c */
void xpool_enter_callback(struct xpool_caller *caller);
void xpool_leave_callback(struct xpool_caller *caller);
bool xpool_in_callback(void);

/* That is all that the files show. */

/* Say why the arguments of a pool are refused; the value is @err. */
#define pool_refuse(pool, err, fmt, ...) \
	({ pr_err("pool %s: " fmt "\n", (pool)->name, ##__VA_ARGS__); (err); })

static inline bool xpool_defer_waits(const struct xdefer *defer)
{
	return atomic_read(&defer->head);
}

static inline unsigned long xpool_addr(const struct xpool *pool, unsigned long index)
{
	unsigned long at = pool->base + (index << PAGE_SHIFT);

	return at + xlinear_back(&pool->linear, at);
}

static inline unsigned long xpool_page_index(const struct xpool *pool,
					     const struct xpage *page)
{
	return page - pool->pages;
}

static inline void count_pages(struct xpool *pool, enum xpool_page_kind kind, long nr)
{
	if (kind == XPAGE_SLAB)
		pool->used.slabs += nr;
	else
		pool->used.clients += nr;
}

/* Pages that slabs and clients have, and what is kept of these for the next. */
static inline unsigned long xpool_used(const struct xpool *pool)
{
	return READ_ONCE(pool->used.slabs) + READ_ONCE(pool->used.clients);
}

/* Pages that may come into use until the hard limit is reached. */
static inline unsigned long xpool_hard_room(const struct xpool *pool)
{
	unsigned long hard = READ_ONCE(pool->limits.hard), used = xpool_used(pool);

	return hard > used ? hard - used : 0;
}

/* Linear addresses */

/*
 * Do struct pages follow one another as pages do, and are they as large as struct xpages? Else
 * one leads to the other by way of the address.
 */
#define XPAGE_STRUCTS_FOLLOW \
	(sizeof(struct page) == sizeof(struct xpage) && \
	 (IS_ENABLED(CONFIG_SPARSEMEM_VMEMMAP) || IS_ENABLED(CONFIG_FLATMEM)))

/* Which block a struct page is of. Blocks that follow one another have such numbers. */
static __always_inline unsigned long xpool_page_block_of_struct(const struct page *page)
{
	/* There a block of them starts at a multiple of its size. */
	if (IS_ENABLED(CONFIG_SPARSEMEM_VMEMMAP))
		return (unsigned long)page >> (XPAGE_SHIFT + XBUDDY_MAX_ORDER);
	/* Elsewhere it could take a look at the struct page. */
	return IS_ENABLED(CONFIG_FLATMEM) ? page_to_pfn(page) >> XBUDDY_MAX_ORDER : 0;
}

extern const long xpool_linear_none;
extern const struct xlinear xpool_linear_nowhere;
#define XLINEAR_NOWHERE	{ .to = &xpool_linear_none }

/* Limits */

/*
 * @pages of a slab lost their last object, or (negative) get one, or go back to the pool. The
 * caller then looks if that is more than the pool may keep: xpool_over_cache(). Any context.
 */
static inline void xpool_cached_count(struct xpool *pool, long pages)
{
	atomic_long_add(pages, &pool->cached);
	smp_mb__after_atomic();		/* before the caller looks at the limit */
	if (unlikely(pool->grow))
		xpool_grow_trim(pool);
}

/* Flags of a request */

/* Where objects and pages of any order can be asked to lie. */
#define XGFP_ZONES	(__GFP_DMA | __GFP_DMA32)

/* Is there one of @flags in @gfp that the pool cannot satisfy? */
static __always_inline bool xpool_gfp_refused(struct xpool *pool, gfp_t gfp, gfp_t flags)
{
	return unlikely(gfp & flags) && gfp & flags & pool->gfp.refused &&
	       xpool_gfp_refuse(pool, gfp & flags & pool->gfp.refused);
}

/* A client with another reserve to fall back on says __GFP_NOMEMALLOC: it is not urgent. */
static inline gfp_t xpool_gfp_without_reserve(gfp_t gfp)
{
	return gfp & __GFP_NOMEMALLOC ? gfp & ~__GFP_HIGH : gfp;
}

/* What was promised lies in slabs that a cache has: its other requests are ordinary. */
static inline enum xpool_need xpool_need_of(gfp_t gfp)
{
	return xpool_gfp_without_reserve(gfp) & __GFP_HIGH ? XPOOL_URGENT : XPOOL_ORDINARY;
}

/* References to pages */

static __always_inline int xpool_refs_of_4(const struct page *page)
{
	return xcompat_page_refs(page) | xcompat_page_refs(page + 1) |
	       xcompat_page_refs(page + 2) | xcompat_page_refs(page + 3);
}

static __always_inline int xpool_refs_of_16(const struct page *page)
{
	return xpool_refs_of_4(page) | xpool_refs_of_4(page + 4) | xpool_refs_of_4(page + 8) |
	       xpool_refs_of_4(page + 12);
}

/* Has no page of a block another reference than its owner's? */
static __always_inline bool xpool_refs_only_one(const struct page *page, unsigned long order)
{
	const struct page *end = page + (1UL << order);
	int all = 0;

	if (order >= 4) {
		for (; page != end; page += 16)
			all |= xpool_refs_of_16(page);
	} else if (order >= 2) {
		for (; page != end; page += 4)
			all |= xpool_refs_of_4(page);
	} else {
		all = xcompat_page_refs(page) | xcompat_page_refs(end - 1);
	}
	return all == 1;
}

#include "grow.h"

#endif
