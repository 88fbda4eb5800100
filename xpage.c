// SPDX-License-Identifier: GPL-2.0
/*
 * xpage: pages for clients, the public face of a pool
 *
 * Concepts
 *
 * xpool.c knows how to take a block of pages from a pool and to put it back,
 * under the pool's lock. This file puts magazines (xmag.c) before it for blocks
 * of orders 0 to 4, checks what clients give back, and makes and destroys pools.
 *
 * What a magazine of pages holds are the addresses of struct xpage, not of the
 * pages. So neither the free nor the next allocation needs to translate, and the
 * check that makes a double free harmless is on the line that is needed anyway:
 *
 *	kind	LIVE	a client has the block
 *		CACHED	the block is in a magazine, or on the way
 *
 * A free is accepted when the struct xpage says LIVE and the same order; then it
 * says CACHED. An address inside of a block, a wrong order, a page of a slab and
 * a page that is free already all say something else. This is a byte and not a
 * lock, so two frees of one block at the very same instant can both be accepted;
 * the second is then found when it comes out of its magazine: an allocation
 * finds the block live, the buddy system finds it free.
 *
 * Orders are unsigned long here, because they index the array of magazines: an int
 * would have to be widened by each operation.
 *
 * Blocks of other orders, and all orders of a small pool, go to the pool. It keeps
 * the last one of each order for a while (xpool.c).
 *
 * A magazine never holds more than 64 blocks. A refill takes at most 32, and after the first
 * row none that is a part of a larger block, so that it takes no longer in a pool that is in
 * pieces, nor breaks what is whole. (With 64 it was what took longest of all operations,
 * 3,030 instructions; now 2,570 are the most.) Nor has a magazine more than 1/64 of the
 * pool's blocks of that order, divided by the CPUs, so that the five orders together keep
 * at most a sixth of the pool from other CPUs. In a pool that is too small for that there
 * are none.
 *
 * A request is satisfied in the following order:
 *
 *	1. the magazines and the depot of that order
 *	2. the buddy system
 *	3. the magazines' depots and the empty slabs of this pool's caches, which
 *	   xpool_get() asks for pages
 *
 * Magazines are filled as by an ordinary request, and never from the reserve: an
 * urgent one goes on to xpool_get(). Where they could hold more than the pool's
 * limits allow, they are shut (xlimit.c).
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/export.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/ratelimit.h>
#include <linux/string.h>

#include "internal.h"

#define XPAGE_REFILL	32U	/* blocks; see above */
#define XPAGE_DEPOT	3U	/* magazines: a CPU's two can go, and one waits */

/* The magazines of one order. */
struct xpage_mag {
	struct xmag	mag;
	struct xpool	*pool;
	unsigned int	order;
};

/**
 * struct xpage_mags - the magazines of a pool
 * @client: gives the depots' blocks back when the pool runs dry
 * @pool: the pool
 * @shut: they are kept empty, because of the pool's limits
 * @nr: orders that have magazines: 0 to @nr - 1
 * @of: by order
 */
struct xpage_mags {
	struct xclient		client;
	struct xpool		*pool;
	bool			shut;
	unsigned int		nr;
	struct xpage_mag	of[XPOOL_MAG_ORDERS];
};

static struct xpool *default_pool;

/*
 * What lies below the magazines
 */

static unsigned int page_fill(struct xmag *mag, void **objs, unsigned int nr)
{
	struct xpage_mag *of = container_of(mag, struct xpage_mag, mag);

	return xpool_get_many(of->pool, of->order, XPAGE_CACHED, XPOOL_ORDINARY,
			      (struct xpage **)objs, min(nr, XPAGE_REFILL));
}

static void page_drain(struct xmag *mag, void **objs, unsigned int nr)
{
	struct xpage_mag *of = container_of(mag, struct xpage_mag, mag);

	xpool_put_many(of->pool, (struct xpage **)objs, nr);
}

static const struct xmag_ops page_ops = {
	.fill	= page_fill,
	.drain	= page_drain,
};

static unsigned long page_reclaim(struct xclient *client)
{
	struct xpage_mags *mags = container_of(client, struct xpage_mags, client);
	unsigned long pages = 0;
	unsigned int i;

	for (i = 0; i < mags->nr; i++)
		pages += xmag_drain_depot(&mags->of[i].mag) << i;
	return pages;
}

/*
 * Allocation
 */

/* The block came twice: the other time it was handed out, this time it is not. */
static noinline void report_lost(struct xpool *pool, struct xpage *page)
{
	atomic_long_inc(&pool->errors);
	pr_err_ratelimited("pool %s: page %lu was freed twice, found late\n",
			   pool->name, xpage_index(pool, page));
}

static enum xpool_need need_of(gfp_t gfp)
{
	return gfp & __GFP_HIGH ? XPOOL_URGENT : XPOOL_ORDINARY;
}

/* A block, whatever it takes; or NULL. Magazines are not filled from the reserve. */
static struct xpage *take(struct xpool *pool, unsigned long order, gfp_t gfp)
{
	struct xpage *page = NULL;

	while (order < pool->mags->nr) {
		page = xmag_alloc(&pool->mags->of[order].mag);
		if (likely(!page || page->kind == XPAGE_CACHED))
			break;
		report_lost(pool, page);
	}
	if (!page)
		page = xpool_get(pool, order, XPAGE_LIVE, need_of(gfp));
	if (page)
		WRITE_ONCE(page->kind, XPAGE_LIVE);
	else
		atomic_long_inc(&pool->failures);
	return page;
}

static void *page_addr(struct xpool *pool, struct xpage *page)
{
	return (void *)xpool_addr(pool, xpage_index(pool, page));
}

static noinline void *alloc_addr_slow(struct xpool *pool, unsigned long order, gfp_t gfp)
{
	struct xpage *page = take(pool, order, gfp);
	void *addr;

	if (unlikely(!page))
		return NULL;
	addr = page_addr(pool, page);
	if (unlikely(gfp & __GFP_ZERO))
		memset(addr, 0, PAGE_SIZE << order);
	return addr;
}

static bool has_struct_page(const struct xpool *pool)
{
	if (unlikely(!pool->has_struct_page))
		pr_warn_once("pool %s: its range has no struct page; use xpool_alloc_addr()\n",
			     pool->name);
	return pool->has_struct_page;
}

static noinline struct page *alloc_pages_slow(struct xpool *pool, unsigned long order,
					      gfp_t gfp)
{
	void *addr;

	if (unlikely(!has_struct_page(pool)))
		return NULL;
	addr = alloc_addr_slow(pool, order, gfp);
	return likely(addr) ? virt_to_page(addr) : NULL;
}

/*
 * From the struct page of a page of the pool's one region to its struct xpage, and
 * back. Both arrays have no holes. Where both structs have the same size, which they
 * mostly have, the distance of one from the other is always the same. Otherwise the
 * number of the page is in between: a division without a rest is a product and a
 * rotation, and where there would be a rest they give something huge (Granlund and
 * Montgomery, "Division by invariant integers using multiplication", 1994).
 */
#define XPAGE_SAME_SIZE	(sizeof(struct page) == sizeof(struct xpage))
#define XPAGE_PAGE_SHIFT	__builtin_ctzl(sizeof(struct page))
#define XPAGE_PAGE_ODD	((u64)sizeof(struct page) >> XPAGE_PAGE_SHIFT)

/* The inverse of an odd constant, which the compiler finds: a step doubles the bits. */
static __always_inline u64 inverse(u64 odd)
{
	u64 x = odd;		/* right in 3 bits */

	x *= 2 - odd * x;
	x *= 2 - odd * x;
	x *= 2 - odd * x;
	x *= 2 - odd * x;
	x *= 2 - odd * x;
	return x;
}

static __always_inline unsigned long near_nr_of(const struct xpool *pool,
						const struct page *page)
{
	u64 offset = (const void *)page - pool->near_page;

	return ror64(offset * inverse(XPAGE_PAGE_ODD), XPAGE_PAGE_SHIFT);
}

static __always_inline struct xpage *near_xpage_of(const struct xpool *pool,
						   struct page *page, unsigned long nr)
{
	return XPAGE_SAME_SIZE ? (void *)page - pool->near_delta : pool->near_xpage + nr;
}

static __always_inline struct page *near_page_of(const struct xpool *pool, void *xpage)
{
	unsigned long nr = (xpage - (void *)pool->near_xpage) >> XPAGE_SHIFT;

	return XPAGE_SAME_SIZE ? xpage + pool->near_delta :
				 pool->near_page + nr * sizeof(struct page);
}

/* What the fast paths do not do. */
static __always_inline bool is_special(unsigned long order, gfp_t gfp)
{
	return unlikely(order > XBUDDY_MAX_ORDER) || unlikely(gfp & __GFP_ZERO);
}

/*
 * Hand out a block that came from a magazine; false: it is handed out already. The
 * order is written again, because accept() reads both bytes at once soon, and a load
 * waits for stores that it spans (2 ns of 8 for a pair).
 */
static __always_inline bool make_live(struct xpage *page, unsigned long order)
{
	if (unlikely(page->kind != XPAGE_CACHED))
		return false;
	WRITE_ONCE(page->state, (XPAGE_LIVE << 8) + order);
	return true;
}

/*
 * What the fast paths leave to others, which begins with preemption off: that the
 * magazine could not serve, and that the block came twice
 */

static noinline void *alloc_addr_missed(struct xpool *pool, unsigned long order, gfp_t gfp)
{
	preempt_enable();
	return alloc_addr_slow(pool, order, gfp);
}

static noinline struct page *alloc_pages_missed(struct xpool *pool, unsigned long order,
						gfp_t gfp)
{
	preempt_enable();
	return alloc_pages_slow(pool, order, gfp);
}

static noinline void *alloc_addr_again(struct xpool *pool, unsigned long order,
				       struct xpage *page, gfp_t gfp)
{
	preempt_enable();
	report_lost(pool, page);
	return alloc_addr_slow(pool, order, gfp);
}

static noinline struct page *alloc_pages_again(struct xpool *pool, unsigned long order,
					       gfp_t gfp, struct xpage *page)
{
	preempt_enable();
	report_lost(pool, page);
	return alloc_pages_slow(pool, order, gfp);
}

/**
 * xpool_alloc_addr() - take pages of a pool, by address
 * @pool: the pool
 * @order: 2^@order pages in a row, aligned to their size; at most 10
 * @gfp: __GFP_ZERO clears the pages; otherwise they are not touched. __GFP_HIGH,
 *	which GFP_ATOMIC has, may take the pool's reserve. Nothing else matters:
 *	this never sleeps and never asks the system for memory
 *
 * Works for all pools, also for ranges without struct page.
 *
 * Context: Any, NMI too.
 * Return: the kernel virtual address, or NULL where the pool has no such block.
 */
void *xpool_alloc_addr(struct xpool *pool, unsigned long order, gfp_t gfp)
{
	void *page;

	if (is_special(order, gfp))
		return alloc_addr_slow(pool, order, gfp);
	preempt_disable();
	if (unlikely(!xmag_try_alloc(&pool->cpus[order], &page, true)))
		return alloc_addr_missed(pool, order, gfp);
	if (unlikely(!make_live(page, order)))
		return alloc_addr_again(pool, order, page, gfp);
	preempt_enable();
	/* A struct xpage stands for a page as its address does, to scale. */
	return (void *)(((unsigned long)page + pool->near_scale) << (PAGE_SHIFT - XPAGE_SHIFT));
}
EXPORT_SYMBOL_GPL(xpool_alloc_addr);

/**
 * xpool_alloc_pages() - take pages of a pool
 * @pool: the pool; its range must have struct page
 * @order: 2^@order pages in a row, aligned to their size; at most 10
 * @gfp: as for xpool_alloc_addr()
 *
 * The pages are not compound. A client that takes references to them drops
 * these before it gives the pages back.
 *
 * Context: Any, NMI too.
 * Return: the first page, or NULL where the pool has no such block or no struct
 * page.
 */
struct page *xpool_alloc_pages(struct xpool *pool, unsigned long order, gfp_t gfp)
{
	void *page;

	if (is_special(order, gfp))
		return alloc_pages_slow(pool, order, gfp);
	preempt_disable();
	if (unlikely(!xmag_try_alloc(&pool->page_cpus[order], &page, true)))
		return alloc_pages_missed(pool, order, gfp);
	if (unlikely(!make_live(page, order)))
		return alloc_pages_again(pool, order, gfp, page);
	preempt_enable();
	return near_page_of(pool, page);
}
EXPORT_SYMBOL_GPL(xpool_alloc_pages);

/*
 * Free
 */

/* A client's error: say what is known about the address, change nothing. */
static noinline int refuse_free(struct xpool *pool, void *addr, unsigned long order)
{
	unsigned long offset = xpool_offset(pool, addr);
	struct xpage *head;

	if (!addr)
		return 0;
	atomic_long_inc(&pool->errors);
	if (offset == XPOOL_FOREIGN) {
		pr_err_ratelimited("pool %s: free of %p: not of this pool\n",
				   pool->name, addr);
		return -ERANGE;
	}
	head = xpool_head(pool, offset >> PAGE_SHIFT);
	if (!head || head->kind == XPAGE_CACHED || head->kind == XPAGE_DEFERRED) {
		pr_err_ratelimited("pool %s: free of %p, order %lu: free already\n",
				   pool->name, addr, order);
		return -EALREADY;
	}
	pr_err_ratelimited("pool %s: free of %p, order %lu: is page %lu of a block of order %u of %s\n",
			   pool->name, addr, order,
			   (offset >> PAGE_SHIFT) - xpage_index(pool, head), head->order,
			   head->kind == XPAGE_SLAB ? "a cache" : "pages");
	return -EINVAL;
}

/* Is this a block of @order to free? Marks it free. */
static __always_inline bool accept(struct xpage *page, unsigned long order)
{
	/* Kind and order at once; an order that is too large is above all states. */
	if (unlikely(READ_ONCE(page->state) != (XPAGE_LIVE << 8) + order))
		return false;
	WRITE_ONCE(page->kind, XPAGE_CACHED);
	return true;
}

static int give_slow(struct xpool *pool, struct xpage *page, unsigned long order)
{
	if (order < pool->mags->nr)
		xmag_free_slow(&pool->mags->of[order].mag, page);
	else
		xpool_put_hot(pool, page);
	return 0;
}

/* The loaded magazine could not serve. Begins with preemption off. */
static noinline int give_missed(struct xpool *pool, struct xpage *page, unsigned long order)
{
	preempt_enable();
	return give_slow(pool, page, order);
}

/* A block that was accepted, so its order is one. Always 0. */
static __always_inline int give(struct xpool *pool, struct xpage *page, unsigned long order)
{
	preempt_disable();
	if (unlikely(!xmag_try_free(&pool->cpus[order], page, true)))
		return give_missed(pool, page, order);
	preempt_enable();
	return 0;
}

/* In one of several regions, or an error. */
static noinline int free_addr_far(struct xpool *pool, void *addr, unsigned long order)
{
	unsigned long offset = xpool_offset(pool, addr);
	struct xpage *page = &pool->pages[offset >> PAGE_SHIFT];

	if (offset == XPOOL_FOREIGN || offset & ~PAGE_MASK || !accept(page, order))
		return refuse_free(pool, addr, order);
	return give_slow(pool, page, order);
}

/**
 * xpool_free_addr() - give back what xpool_alloc_addr() took
 * @pool: the pool
 * @addr: the address that it returned; NULL does nothing
 * @order: the order that was asked for
 *
 * Context: Any, NMI too: where a lock is taken there, the block is put back by
 * the next who takes it.
 * Return: 0; or, with nothing changed and a line in the log: -ERANGE where the
 * address is not of this pool, -EALREADY where the block is free, -EINVAL where
 * the address is not the start of a block of this order, or belongs to a cache.
 */
int xpool_free_addr(struct xpool *pool, void *addr, unsigned long order)
{
	/* What is no multiple of a page is rotated to something huge. */
	unsigned long nr = ror64((unsigned long)addr - pool->near_addr, PAGE_SHIFT);
	struct xpage *page;

	if (unlikely(nr >= pool->near_addr_nr))
		return free_addr_far(pool, addr, order);
	page = pool->near_xpage + nr;
	if (unlikely(!accept(page, order)))
		return refuse_free(pool, addr, order);
	return give(pool, page, order);
}
EXPORT_SYMBOL_GPL(xpool_free_addr);

#define XPAGE_STRUCT_ALIGN \
	(is_power_of_2(sizeof(struct page)) ? sizeof(struct page) : __alignof__(struct page))

/* No struct page of the pool's one region. */
static noinline int free_pages_far(struct xpool *pool, struct page *page,
				   unsigned long order)
{
	if (!page)
		return 0;
	/* By the number alone: to read what is no struct page may be fatal. */
	if (!IS_ALIGNED((unsigned long)page, XPAGE_STRUCT_ALIGN)) {
		atomic_long_inc(&pool->errors);
		pr_err_ratelimited("pool %s: free of %p: no struct page starts there\n",
				   pool->name, page);
		return -EINVAL;
	}
	return xpool_free_addr(pool, page_address(page), order);
}

/* Not inlined: what finds the address takes registers. */
static noinline int refuse_page(struct xpool *pool, struct page *page, unsigned long order)
{
	return refuse_free(pool, page_address(page), order);
}

/**
 * xpool_free_pages() - give back what xpool_alloc_pages() took
 * @pool: the pool
 * @page: the page that it returned; NULL does nothing
 * @order: the order that was asked for
 *
 * Context: Any, as for xpool_free_addr().
 * Return: as for xpool_free_addr().
 */
int xpool_free_pages(struct xpool *pool, struct page *page, unsigned long order)
{
	unsigned long nr = near_nr_of(pool, page);
	struct xpage *of = near_xpage_of(pool, page, nr);

	if (unlikely(nr >= pool->near_nr))
		return free_pages_far(pool, page, order);
	if (unlikely(!accept(of, order)))
		return refuse_page(pool, page, order);
	return give(pool, of, order);
}
EXPORT_SYMBOL_GPL(xpool_free_pages);

/*
 * Bulk: single pages past the magazines, in rows
 */

#define XPAGE_CHUNK	256U	/* pages under one lock */
#define XPAGE_ROWS	16U	/* rows under one lock */

static void far_to_struct_pages(struct xpool *pool, void **pages, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		pages[i] = virt_to_page(page_addr(pool, pages[i]));
}

/* The struct pages that stand for @pages, in the same place. */
static void to_struct_pages(struct xpool *pool, void **pages, size_t nr)
{
	void **end = pages + nr;

	if (unlikely(!pool->near_nr)) {
		far_to_struct_pages(pool, pages, nr);
		return;
	}
	if (XPAGE_SAME_SIZE) {
		unsigned long delta = pool->near_delta;

		for (; pages != end; pages++)
			*pages += delta;
		return;
	}
	for (; pages != end; pages++)
		*pages = near_page_of(pool, *pages);
}

/* A full magazine of the depot, if as many are wanted; returns how many it had. */
static unsigned int take_magazine(struct xpool *pool, size_t nr, struct xpage **pages)
{
	struct xmag *mag = &pool->mags->of[0].mag;
	unsigned int got, i, fresh = 0;

	if (!pool->mags->nr || nr < mag->size)
		return 0;
	got = xmag_take_full(mag, (void **)pages);
	for (i = 0; i < got; i++) {
		if (likely(make_live(pages[i], 0)))
			pages[fresh++] = pages[i];
		else
			report_lost(pool, pages[i]);
	}
	return fresh;
}

/*
 * Up to @nr pages; returns how many. The depot comes before the buddy system, because
 * its pages are holes there. The magazines come last.
 */
static size_t alloc_some(struct xpool *pool, gfp_t gfp, size_t nr, struct xpage **pages)
{
	size_t got = 0;
	unsigned int n;

	while (got < nr) {
		n = take_magazine(pool, nr - got, pages + got);
		if (!n)
			n = xpool_get_many(pool, 0, XPAGE_LIVE, need_of(gfp), pages + got,
					   min_t(size_t, nr - got, XPAGE_CHUNK));
		if (unlikely(!n)) {
			pages[got] = take(pool, 0, gfp);
			if (!pages[got])
				break;
			n = 1;
		}
		got += n;
	}
	return got;
}

/**
 * xpool_alloc_pages_bulk() - take many single pages of a pool
 * @pool: the pool; its range must have struct page
 * @gfp: as for xpool_alloc_addr()
 * @nr: how many
 * @pages: filled with them
 *
 * Takes whole magazines of the depot, and then rows of pages where there are some,
 * so that it costs least for many. They can be given back one by one, too.
 *
 * Context: Any, as for xpool_alloc_addr(). The lock is taken for 256 pages at a
 * time.
 * Return: @nr; or 0 where the pool does not have that many, then it took none.
 */
int xpool_alloc_pages_bulk(struct xpool *pool, gfp_t gfp, size_t nr, struct page **pages)
{
	size_t got, i;

	if (unlikely(!has_struct_page(pool)))
		return 0;
	got = alloc_some(pool, gfp, nr, (struct xpage **)pages);
	to_struct_pages(pool, (void **)pages, got);
	if (unlikely(got < nr)) {
		xpool_free_pages_bulk(pool, got, pages);
		return 0;
	}
	for (i = 0; unlikely(gfp & __GFP_ZERO) && i < nr; i++)
		memset(page_address(pages[i]), 0, PAGE_SIZE);
	return nr;
}
EXPORT_SYMBOL_GPL(xpool_alloc_pages_bulk);

/* The struct xpage of one of the pool's one region, or NULL. */
static __always_inline struct xpage *near_xpage(struct xpool *pool, struct page *page)
{
	unsigned long nr = near_nr_of(pool, page);

	return likely(nr < pool->near_nr) ? near_xpage_of(pool, page, nr) : NULL;
}

/*
 * The single pages from @pages on, but before @end, that follow one another and are
 * a client's. They are free then. Returns how many.
 */
static unsigned int take_row(struct xpool *pool, struct page **pages, struct page **end,
			     struct xpage **first)
{
	struct xpage *at = near_xpage(pool, *pages);
	unsigned long next = (unsigned long)*pages;
	struct page **from = pages;

	*first = at;
	if (unlikely(!at))
		return 0;
	/* Behind the last page there is no struct xpage. */
	end = min(end, pages + (pool->near_nr - (at - pool->near_xpage)));
	do {
		if (unlikely(!accept(at, 0)))
			break;
		at++;
		pages++;
		next += sizeof(struct page);
	} while (pages != end && (unsigned long)*pages == next);
	return pages - from;
}

/* Pages from @pages on, up to one that is not to be freed so; returns how many. */
static size_t free_rows(struct xpool *pool, size_t nr, struct page **pages)
{
	struct page **end = pages + nr, **at = pages;
	struct xrow rows[XPAGE_ROWS];
	unsigned int i = 0, n;

	while (at != end && i < XPAGE_ROWS) {
		n = take_row(pool, at, min(end, at + XPAGE_CHUNK), &rows[i].first);
		if (unlikely(!n))
			break;
		rows[i++].nr = n;
		at += n;
	}
	if (i)
		xpool_put_rows(pool, rows, i);
	return at - pages;
}

/**
 * xpool_free_pages_bulk() - give many single pages back
 * @pool: the pool
 * @nr: how many
 * @pages: the pages, taken in bulk or one by one; an entry may be NULL
 *
 * Each is checked as by xpool_free_pages(); those that cannot be freed are
 * reported and counted, and the others are freed. Costs least where pages follow
 * one another in @pages as they do in memory.
 *
 * Context: Any, as for xpool_free_addr(). The lock is taken for 16 rows at a time,
 * of at most 256 pages.
 */
void xpool_free_pages_bulk(struct xpool *pool, size_t nr, struct page **pages)
{
	while (nr) {
		size_t n = free_rows(pool, nr, pages);

		if (unlikely(!n)) {
			xpool_free_pages(pool, *pages, 0);
			n = 1;
		}
		pages += n;
		nr -= n;
	}
}
EXPORT_SYMBOL_GPL(xpool_free_pages_bulk);

/*
 * All of a pool
 */

/* What is kept for the next goes to the pool. May sleep. */
void xpage_drain(struct xpool *pool)
{
	unsigned int i;

	for (i = 0; i < pool->mags->nr; i++)
		xmag_drain(&pool->mags->of[i].mag);
	xpool_settle(pool);
}

/* The same, and the next operation on a magazine tells the one who watches. */
void xpage_park(struct xpool *pool)
{
	unsigned int i;

	for (i = 0; i < pool->mags->nr; i++)
		xmag_park(&pool->mags->of[i].mag);
	xpool_settle(pool);
}

/* Before the pool is used. */
void xpage_set_watch(struct xpool *pool, struct xwatch *watch)
{
	unsigned int i;

	for (i = 0; i < pool->mags->nr; i++)
		xmag_set_watch(&pool->mags->of[i].mag, watch);
}

static unsigned long page_collect(struct xclient *client, bool force)
{
	struct xpage_mags *mags = container_of(client, struct xpage_mags, client);
	unsigned long before = xpool_used(mags->pool), after;

	if (!force)
		return page_reclaim(client);
	xpage_drain(mags->pool);
	after = xpool_used(mags->pool);
	return before > after ? before - after : 0;
}

/* What the magazines hold goes to the pool, and nothing comes into them. */
static void page_shut(struct xclient *client, bool shut)
{
	struct xpage_mags *mags = container_of(client, struct xpage_mags, client);
	unsigned int i;

	if (mags->shut == shut)
		return;
	mags->shut = shut;
	for (i = 0; i < mags->nr; i++)
		xmag_set_closed(&mags->of[i].mag, shut);
}

static unsigned int largest_order(const struct xbuddy *buddy)
{
	return fls(buddy->orders) - 1;
}

static u64 limit_stat(unsigned long limit)
{
	return limit == XPOOL_NO_LIMIT ? U64_MAX : limit;
}

static void limit_stats(const struct xpool *pool, struct xpool_stats *stats)
{
	stats->hard = limit_stat(pool->limits.hard);
	stats->cache = limit_stat(pool->limits.cache);
	stats->reserve = pool->limits.reserve;
}

static void growth_stats(const struct xpool *pool, struct xpool_stats *stats)
{
	const struct xgrow *grow = pool->grow;

	stats->regions = pool->nr_fixed;
	if (!grow)
		return;
	stats->regions += (grow->grown - grow->returned) / XPOOL_CHUNK_PAGES;
	stats->grown = grow->grown;
	stats->returned = grow->returned;
}

/**
 * xpool_stats() - where the pages of a pool are
 * @pool: the pool
 * @stats: filled in
 *
 * Exact when nobody allocates or frees; otherwise what is in the magazines and
 * what clients hold may differ by what is under way.
 *
 * Context: Any but NMI.
 */
void xpool_stats(struct xpool *pool, struct xpool_stats *stats)
{
	struct xbuddy *buddy = &pool->buddy;
	unsigned long cached = 0, flags;
	struct xmag_count count;
	unsigned int o;

	*stats = (struct xpool_stats){
		.metadata = pool->metadata,
		.live_bytes = READ_ONCE(pool->live_bytes),
		.failures = atomic_long_read(&pool->failures),
		.errors = atomic_long_read(&pool->errors),
	};
	for (o = 0; o < pool->mags->nr; o++) {
		xmag_count(&pool->mags->of[o].mag, &count);
		cached += (count.cpus + count.depot) << o;
	}

	raw_spin_lock_irqsave(&pool->lock, flags);
	stats->total = pool->nr_pages;
	limit_stats(pool, stats);
	growth_stats(pool, stats);
	stats->free = buddy->nr_free;
	stats->slabs = pool->nr_slab_pages;
	stats->magazines = min(cached + pool->nr_hot_pages, pool->nr_client_pages);
	stats->pages = pool->nr_client_pages - stats->magazines;
	stats->cached = xpool_idle(pool) + stats->magazines - pool->nr_hot_pages;
	stats->largest_free = buddy->orders ? 1UL << largest_order(buddy) : 0;
	stats->gets = pool->gets;
	stats->puts = pool->puts;
	stats->splits = buddy->splits;
	stats->merges = buddy->merges;
	for (o = 0; o < XBUDDY_NR_ORDERS; o++)
		stats->free_blocks[o] = buddy->free_area[o].nr_free;
	raw_spin_unlock_irqrestore(&pool->lock, flags);
}
EXPORT_SYMBOL_GPL(xpool_stats);

/**
 * xpool_unusable_index() - how much of the free memory an order cannot use
 * @stats: from xpool_stats()
 * @order: the order
 *
 * As extfrag/unusable_index of the page allocator: the share of free pages that
 * lie in blocks too small for @order.
 *
 * Context: Any.
 * Return: 0 (all can be used) to 1,000 (none, or nothing is free).
 */
unsigned int xpool_unusable_index(const struct xpool_stats *stats, unsigned int order)
{
	u64 usable = 0;
	unsigned int o;

	if (!stats->free)
		return 1000;
	for (o = order; o < XBUDDY_NR_ORDERS; o++)
		usable += stats->free_blocks[o] << o;
	return div64_u64((stats->free - usable) * 1000, stats->free);
}
EXPORT_SYMBOL_GPL(xpool_unusable_index);

/* Blocks that are handed out, as the struct xpages tell it. */
static void recount(struct xpool *pool, unsigned long *slabs, unsigned long *clients)
{
	unsigned long first = pool->regions[0].index, i;

	for (i = first; i < pool->buddy.nr; i++) {
		struct xpage *page = &pool->pages[i];

		if (page->kind == XPAGE_SLAB)
			*slabs += 1UL << page->order;
		else if (page->kind != XPAGE_NONE)
			*clients += 1UL << page->order;
	}
}

/**
 * xpool_validate() - recount the pages of a pool from scratch
 * @pool: the pool
 *
 * Linear in the pool and with interrupts off: for tests.
 *
 * Context: Any but NMI.
 * Return: 0, or -EUCLEAN where something does not agree.
 */
int xpool_validate(struct xpool *pool)
{
	unsigned long slabs = 0, clients = 0, gaps, flags;
	struct xbuddy *buddy = &pool->buddy;
	int err;

	raw_spin_lock_irqsave(&pool->lock, flags);
	recount(pool, &slabs, &clients);
	gaps = buddy->nr - pool->nr_pages;
	err = xbuddy_validate(buddy);
	if (slabs != pool->nr_slab_pages || clients != pool->nr_client_pages ||
	    slabs + clients + buddy->nr_free + gaps != buddy->nr || !xgrow_valid(pool))
		err = -EUCLEAN;
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	return err;
}
EXPORT_SYMBOL_GPL(xpool_validate);

/*
 * Pools come and go
 */

/* Not worth the memory that magazines take on each CPU, where they are short. */
#define XPAGE_MIN_MAGAZINE	4U

static unsigned int magazine_size(struct xpool *pool, unsigned int order)
{
	unsigned long blocks = pool->nr_pages >> order;
	unsigned long fair = blocks / (64 * num_possible_cpus());

	return fair < XPAGE_MIN_MAGAZINE ? 0 : min_t(unsigned long, fair, XMAG_MAX_SIZE >> order);
}

/* Objects that the magazines of all CPUs and the depot hold at most. */
static unsigned long magazine_pages(const struct xmag *mag)
{
	return (2UL * num_possible_cpus() + mag->depot.nr) * mag->size;
}

static void detach_magazines(struct xpool *pool)
{
	struct xpage_mags *mags = pool->mags;

	xpool_del_client(pool, &mags->client);
	while (mags->nr)
		xmag_destroy(&mags->of[--mags->nr].mag);
	xmeta_free(mags);
}

static int attach_magazines(struct xpool *pool)
{
	struct xpage_mags *mags = xmeta_alloc(sizeof(*mags));
	unsigned int size;
	int err = 0;

	if (!mags)
		return -ENOMEM;
	pool->mags = mags;
	mags->pool = pool;
	mags->client.reclaim = page_reclaim;
	mags->client.collect = page_collect;
	mags->client.shut = page_shut;
	xpool_add_client(pool, &mags->client);
	while (mags->nr < XPOOL_MAG_ORDERS && (size = magazine_size(pool, mags->nr))) {
		struct xpage_mag *of = &mags->of[mags->nr];

		of->pool = pool;
		of->order = mags->nr;
		err = xmag_init(&of->mag, &page_ops, size, XPAGE_DEPOT);
		if (err)
			break;
		pool->metadata += of->mag.metadata;
		mags->client.most += magazine_pages(&of->mag) << of->order;
		mags->nr++;
	}
	if (err)
		detach_magazines(pool);
	return err;
}

static void close_routes(struct xmag_cpu __percpu **routes)
{
	unsigned int order;

	for (order = 0; order < XBUDDY_NR_ORDERS; order++)
		routes[order] = &xmag_closed;
}

static void open_routes(struct xpool *pool, struct xmag_cpu __percpu **routes)
{
	unsigned int order;

	for (order = 0; order < pool->mags->nr; order++)
		xmag_add_route(&pool->mags->of[order].mag, &routes[order]);
}

/*
 * Do the struct pages follow one another as the pages do? Where the kernel has an
 * array of them for each section of memory, these may lie anywhere.
 */
static bool is_linear(struct xpool *pool)
{
	unsigned long addr = pool->regions[0].addr, last = pool->nr_pages - 1, i;
	struct page *first = virt_to_page((void *)addr);

	/* No section is smaller than the largest block. */
	for (i = 0; i < last; i += XPOOL_CHUNK_PAGES)
		if (virt_to_page((void *)addr + (i << PAGE_SHIFT)) != first + i)
			return false;
	return virt_to_page((void *)addr + (last << PAGE_SHIFT)) == first + last;
}

/*
 * What the fast paths use, in pools of one region. From an address to its struct
 * xpage is a shift.
 */
static void set_near(struct xpool *pool)
{
	close_routes(pool->cpus);
	close_routes(pool->page_cpus);
	if (!pool->bytes)
		return;
	open_routes(pool, pool->cpus);
	pool->near_addr = pool->regions[0].addr;
	pool->near_xpage = pool->pages_mem;
	pool->near_scale = (pool->near_addr >> (PAGE_SHIFT - XPAGE_SHIFT)) -
			   (unsigned long)pool->near_xpage;
	pool->near_addr_nr = pool->nr_pages;

	if (!pool->has_struct_page || !is_linear(pool))
		return;
	open_routes(pool, pool->page_cpus);
	pool->near_page = virt_to_page((void *)pool->near_addr);
	if (XPAGE_SAME_SIZE)
		pool->near_delta = pool->near_page - (void *)pool->near_xpage;
	pool->near_nr = pool->nr_pages;
}

static struct xpool *create(const struct xpool_args *args)
{
	struct xpool *pool = xpool_setup(args);
	int err;

	if (IS_ERR(pool))
		return pool;
	err = attach_magazines(pool);
	if (err)
		goto undo_setup;
	set_near(pool);
	err = xgrow_start(pool);
	if (err)
		goto undo_magazines;
	xpool_publish(pool);
	return pool;

undo_magazines:
	detach_magazines(pool);
undo_setup:
	xpool_teardown(pool);
	return ERR_PTR(err);
}

/* Fails, with nothing changed, while somebody has something of the pool. */
static int destroy(struct xpool *pool)
{
	struct xpool_stats stats;

	xpage_drain(pool);
	xpool_stats(pool, &stats);
	if (pool->nr_caches || stats.pages || stats.slabs) {
		atomic_long_inc(&pool->errors);
		pr_err("pool %s: not destroyed: %u caches and %llu pages are in use\n",
		       pool->name, pool->nr_caches, stats.pages);
		return -EBUSY;
	}
	xpool_unpublish(pool);
	detach_magazines(pool);
	xpool_teardown(pool);
	return 0;
}

/* As destroy(), for a pool that must go although clients left pages behind. */
static void abandon(struct xpool *pool)
{
	xpool_unpublish(pool);
	detach_magazines(pool);
	xpool_abandon(pool);
}

/**
 * xpool_create() - make a pool
 * @args: where its memory comes from
 *
 * Takes the memory, and all metadata for it: 1.6 % of it at most, of its max_size
 * where it has one. Using the pool takes nothing from the system any more: a pool
 * that grows does so behind the backs of those who use it. The module cannot be
 * unloaded until the pool is destroyed.
 *
 * Context: Process context, may sleep.
 * Return: the pool; or, with nothing changed and a line in the log that names
 * the argument, an error pointer: -EINVAL (a bad name, size or address, a range
 * that is not reserved, two sources), -EEXIST (a taken name), -EBUSY (a range
 * that is in use), -ENOENT (an unknown reserve_mem name), -EOPNOTSUPP (a kernel
 * without reserve_mem), -ENOMEM. Only a lack of memory for metadata may go without
 * the line.
 */
struct xpool *xpool_create(const struct xpool_args *args)
{
	struct xpool *pool;

	if (!args)
		return ERR_PTR(-EINVAL);
	if (!try_module_get(THIS_MODULE))
		return ERR_PTR(-ENODEV);
	mutex_lock(&xpool_registry);
	pool = create(args);
	mutex_unlock(&xpool_registry);
	if (IS_ERR(pool))
		module_put(THIS_MODULE);
	return pool;
}
EXPORT_SYMBOL_GPL(xpool_create);

/**
 * xpool_destroy() - give a pool's memory back to where it came from
 * @pool: the pool, or NULL or an error pointer, which does nothing
 *
 * Context: Process context, may sleep. Nobody uses the pool any more.
 * Return: 0; or, with nothing changed and a line in the log, -EBUSY where caches
 * live in the pool or pages of it are held, -EPERM for the default pool.
 */
int xpool_destroy(struct xpool *pool)
{
	int err;

	if (IS_ERR_OR_NULL(pool))
		return 0;
	if (pool == default_pool) {
		pr_err("pool %s: not destroyed: it goes with the module\n", pool->name);
		return -EPERM;
	}
	mutex_lock(&xpool_registry);
	err = destroy(pool);
	mutex_unlock(&xpool_registry);
	if (!err)
		module_put(THIS_MODULE);
	return err;
}
EXPORT_SYMBOL_GPL(xpool_destroy);

/**
 * xpool_default() - the pool that the module parameters describe
 *
 * Context: Any.
 * Return: the pool; it lives as long as the module.
 */
struct xpool *xpool_default(void)
{
	return default_pool;
}
EXPORT_SYMBOL_GPL(xpool_default);

int xpage_init_default(const struct xpool_args *args)
{
	struct xpool *pool;

	mutex_lock(&xpool_registry);
	pool = create(args);
	mutex_unlock(&xpool_registry);
	if (IS_ERR(pool))
		return PTR_ERR(pool);
	default_pool = pool;
	return 0;
}

void xpage_exit_default(void)
{
	mutex_lock(&xpool_registry);
	if (destroy(default_pool))
		abandon(default_pool);
	mutex_unlock(&xpool_registry);
}
