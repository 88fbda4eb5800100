// SPDX-License-Identifier: GPL-2.0
/*
 * pool/page: blocks of pages for clients
 *
 * Concepts
 *
 * get.c takes a block of pages from a pool under the pool's lock, and put.c puts it back. This
 * file puts magazines (magazine.c) before them for blocks of orders 0 to 4, and checks what
 * clients give back.
 *
 * A magazine of pages holds the addresses of struct xpage, not of the pages. So neither the
 * free nor the next allocation needs to translate, and the check that makes a double free
 * harmless is on the line that is needed anyway:
 *
 *	kind	LIVE	a client has the block
 *		CACHED	the block is in a magazine, or on the way
 *
 * A free is accepted when the struct xpage says LIVE and the same order; then it
 * says CACHED. An address inside of a block, a wrong order, a page of a slab and
 * a page that is free already all say something else. This is a load and a store and
 * no lock, so two frees of one block at the very same instant can both be accepted.
 * So what lies in a magazine is not trusted: whatever comes out, to a client or to the
 * buddy system, must still say CACHED and the order of its magazine. Otherwise the block is
 * free, or a client's, or a slab of a cache, or a part of another block: it is dropped,
 * counted and reported.
 *
 * A block of a pool that counts references (pool/refs.c) is accepted only when no page of it
 * has another one than the client's.
 *
 * Orders are unsigned long here, because they index the array of magazines: each operation
 * would need to widen an int.
 *
 * Blocks of other orders, and all orders of a small pool, go to the pool. It keeps
 * the last one of each order for a while (pool/put.c).
 *
 * A request is satisfied in the following order:
 *
 *	1. the magazines and the depot of that order
 *	2. the buddy system
 *	3. the magazines' depots and the empty slabs of this pool's caches, which
 *	   get.c asks for pages
 *
 * Magazines are filled as by an ordinary request, and never from the reserve: an
 * urgent one goes on to get.c. Where they could hold more than the pool's
 * limits allow, they are shut (pool/limit.c).
 *
 * Where the kernel's tools watch a pool (base/tools.c), its routes stay closed, so that every
 * operation takes the slow path. They are told of a block after it has been taken for a
 * client, and after it was accepted back, when it is in no magazine yet.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/export.h>
#include <linux/ratelimit.h>
#include <linux/string.h>

#include "page.h"

bool xpool_page_has_struct(const struct xpool *pool)
{
	if (unlikely(!pool->has_struct_page))
		pr_warn_once("pool %s: its range has no struct page; use xpool_alloc_addr()\n",
			     pool->name);
	return pool->has_struct_page;
}

/*
 * Allocation
 */

/* A block of those that are free now; or NULL. Magazines are not filled from the reserve. */
struct xpage *xpool_page_take_now(struct xpool *pool, unsigned long order, gfp_t gfp)
{
	struct xpage *page = NULL;

	while (order < pool->mags->nr) {
		page = xmag_alloc_slow(&pool->mags->by_order[order].mag);
		if (likely(!page || make_live(page, order)))
			break;
		xpool_note_lost(pool, page);
	}
	if (!page)
		page = xpool_get_for(pool, order, xpool_need_of(gfp), XPLACE_FIT, gfp);
	return page;
}

/* One block, for xpool_page_take_slow(). */
static bool take_one(struct xpage_request *request, gfp_t gfp)
{
	request->page = xpool_page_take_now(request->pool, request->order, gfp);
	return request->page;
}

/*
 * Could the request be met if all of the pool were free, and all of it there? If not, waiting
 * is an error.
 */
static bool fits(const struct xpage_request *request)
{
	struct xpool *pool = request->pool;
	bool urgent = xpool_need_of(request->gfp) == XPOOL_URGENT, fit;
	unsigned long reserve = urgent ? 0 : READ_ONCE(pool->limits.reserve);
	unsigned long pages = request->nr << request->order;
	unsigned int o;

	fit = READ_ONCE(pool->limits.hard) >= reserve + pages;
	/* Beside the reserve, which is made of blocks; see xpool_breakable(). */
	for (o = 0; fit && o <= request->order; o++)
		fit = xpool_most_blocks(pool, o) >=
		      (urgent ? 0 : READ_ONCE(pool->reserved[o])) + (pages >> o);
	if (fit)
		return true;
	atomic_long_inc(&pool->counts.errors);
	pr_err_ratelimited("pool %s: %zu blocks of order %lu with __GFP_NOFAIL: it can never have them\n",
			   pool->name, request->nr, request->order);
	return false;
}

/* After everything that no client holds was brought together. Many are taken by one at a time. */
static bool take_gathered(struct xpage_request *request)
{
	struct xpool *pool = request->pool;
	struct xgathering g;
	bool done = false;

	xpool_gather_begin(&g, pool);
	while (!READ_ONCE(pool->state.retired)) {
		if (request->pages)
			xpool_gather_begin_bulk(&g);
		done = request->take(request, request->gfp & ~__GFP_DIRECT_RECLAIM);
		if (request->pages)
			xpool_gather_end_bulk(&g);
		if (done || !xpool_gather_again(&g))
			break;
	}
	xpool_gather_end(&g);
	/* A pool that grows may wait for the system. */
	if (!done && pool->grow && !READ_ONCE(pool->state.retired))
		done = request->take(request, request->gfp);
	return done;
}

/*
 * Sleep until the pool may have a block. A request for many only sleeps: what it gives back
 * would wake it.
 */
static bool take_or_sleep(struct xpage_request *request)
{
	struct xpool *pool = request->pool;
	DEFINE_WAIT(wait);
	bool done;

	if (request->pages) {
		schedule_timeout_uninterruptible(XPOOL_LOOK);
		return false;
	}
	prepare_to_wait(&pool->waiting.room, &wait, TASK_UNINTERRUPTIBLE);
	/* The system must not reclaim here: that may sleep, too. */
	done = request->take(request, request->gfp & ~__GFP_DIRECT_RECLAIM);
	if (!done)
		schedule_timeout(XPOOL_LOOK);
	finish_wait(&pool->waiting.room, &wait);
	return done;
}

/* Try without end, for __GFP_NOFAIL; false only where the pool is destroyed meanwhile. */
static bool wait_until_taken(struct xpage_request *request)
{
	struct xpool *pool = request->pool;
	unsigned long said = jiffies;
	bool done = false;

	while (!done && !READ_ONCE(pool->state.retired)) {
		done = take_or_sleep(request);
		if (!done && (request->pages || xpool_in_magazines(pool)))
			done = take_gathered(request);
		else if (!done)
			done = request->take(request, request->gfp);
		xpool_say_waiting(&said, "pool", pool->name);
	}
	return done;
}

/* For __GFP_NOFAIL: a pool that is destroyed meanwhile stays until it is over. */
static bool take_nofail(struct xpage_request *request)
{
	struct xpool *pool = request->pool;
	bool done;

	atomic_inc(&pool->waiting.nr);
	done = take_gathered(request) || (fits(request) && wait_until_taken(request));
	rcu_read_lock();	/* the pool that goes waits for a grace period after the count */
	if (atomic_dec_and_test(&pool->waiting.nr) && READ_ONCE(pool->state.retired))
		xpool_reap_soon();
	rcu_read_unlock();
	return done;
}

/* Too little is free now: what can still be done for this request. */
noinline bool xpool_page_take_slow(struct xpage_request *request)
{
	struct xpool *pool = request->pool;
	gfp_t gfp = request->gfp;

	if (gfpflags_allow_blocking(gfp))
		return gfp & __GFP_NOFAIL ? take_nofail(request) : take_gathered(request);
	xpool_gather_soon(pool);	/* for the next one */
	if (gfp & __GFP_NOFAIL && !xpool_has_context(gfp, "pool", pool->name))
		atomic_long_inc(&pool->counts.errors);
	return false;
}

/* Does @gfp ask for what no block of the pool is? A single page need not be compound. */
bool xpool_page_is_refused(struct xpool *pool, unsigned long order, gfp_t gfp)
{
	if (likely(!xpool_gfp_refused(pool, gfp, XGFP_ZONES | (order ? __GFP_COMP : 0))))
		return false;
	atomic_long_inc(&pool->counts.errors);
	atomic_long_inc(&pool->counts.failures);
	return true;
}

/* Flags that the usual ways do not look at; see pool/gfp.c. */
#define XPAGE_GFP_SPECIAL	(__GFP_ZERO | __GFP_COMP | __GFP_NOMEMALLOC | XGFP_ZONES)

/*
 * What the fast path leaves to this, which begins with preemption off: that the request is
 * special, that the magazine could not serve, or that its block (@lost) came twice.
 */
static noinline void *alloc_addr_slow(struct xpool *pool, unsigned long order, gfp_t gfp,
				      struct xpage *lost)
{
	struct xpage_request request = {
		.pool = pool, .order = order, .gfp = xpool_gfp_without_reserve(gfp), .nr = 1,
		.take = take_one,
	};
	void *addr;

	preempt_enable();
	if (lost)
		xpool_note_lost(pool, lost);
	if (unlikely(gfp & XPAGE_GFP_SPECIAL) && xpool_page_is_refused(pool, order, gfp))
		return NULL;
	/* The order is looked at before it is narrowed. */
	if (unlikely(order > XBUDDY_MAX_ORDER) || unlikely(READ_ONCE(pool->state.retired)) ||
	    (unlikely(!take_one(&request, request.gfp)) && !xpool_page_take_slow(&request))) {
		atomic_long_inc(&pool->counts.failures);
		return NULL;
	}
	if (xtools_watch(pool->tools))
		tools_alloc_pages(pool, request.page, order, gfp);
	addr = page_addr(pool, request.page);
	return unlikely(gfp & __GFP_ZERO) ? memset(addr, 0, PAGE_SIZE << order) : addr;
}

/* Like alloc_addr_slow(), also where the pool has no struct pages. */
static noinline struct page *alloc_pages_slow(struct xpool *pool, unsigned long order,
					      gfp_t gfp, struct xpage *lost)
{
	void *addr = NULL;

	if (likely(xpool_page_has_struct(pool)))
		addr = alloc_addr_slow(pool, order, gfp, lost);
	else
		preempt_enable();
	return likely(addr) ? virt_to_page(addr) : NULL;
}

/**
 * xpool_alloc_addr() - take pages of a pool, by address
 * @pool: the pool
 * @order: 2^@order contiguous pages, aligned to their size; at most 10
 * @gfp: __GFP_ZERO clears the pages; otherwise they are not touched. __GFP_HIGH,
 *	which GFP_ATOMIC has, may take the pool's reserve. __GFP_DMA and __GFP_DMA32 need
 *	a pool that lies there, and __GFP_COMP is for order 0 alone; the others are in
 *	Documentation/api.md. With __GFP_DIRECT_RECLAIM this fails only if all that no
 *	client holds does not make such a block, and a pool that grows asks the system
 *	for a region first, as __GFP_IO and __GFP_FS allow. Without it, this never sleeps
 *	and never asks the system for memory
 *
 * Works for all pools, also for ranges without struct page.
 *
 * Context: Any, NMI too; process context where it may sleep.
 * Return: the kernel virtual address; or NULL where the pool has no such block, and the
 * system had no region for it, or, with a line in the log, can have none that is as @gfp
 * says.
 */
void *xpool_alloc_addr(struct xpool *pool, unsigned long order, gfp_t gfp)
{
	unsigned long at;
	void *page;

	preempt_disable();
	if (unlikely(order >= XBUDDY_NR_ORDERS) || unlikely(gfp & XPAGE_GFP_SPECIAL) ||
	    unlikely(!xmag_try_alloc(&pool->cpus[order], &page, true)))
		return alloc_addr_slow(pool, order, gfp, NULL);
	if (unlikely(!make_live(page, order)))
		return alloc_addr_slow(pool, order, gfp, page);
	preempt_enable();
	/* A struct xpage stands for a page as its linear address does, to scale. */
	at = ((unsigned long)page + pool->span.scale) << (PAGE_SHIFT - XPAGE_SHIFT);
	return xlinear_addr(&pool->linear, (void *)at);
}
EXPORT_SYMBOL_GPL(xpool_alloc_addr);

/**
 * xpool_alloc_pages() - take pages of a pool
 * @pool: the pool; its range must have struct page
 * @order: 2^@order contiguous pages, aligned to their size; at most 10
 * @gfp: as for xpool_alloc_addr()
 *
 * The pages are not compound, and each has a count of one. References that a client
 * takes to them, or others do, are dropped before it gives the pages back. In a pool over
 * the caller's range, the pages are as the caller has them, and are refused where one of
 * the range is no ordinary page: free, of a slab, compound, or no memory of the system.
 *
 * Context: Any, NMI too.
 * Return: the first page; or NULL where the pool has no such block or no struct
 * page, or, with a line in the log, can have none that is as @gfp says.
 */
struct page *xpool_alloc_pages(struct xpool *pool, unsigned long order, gfp_t gfp)
{
	void *page;

	preempt_disable();
	if (unlikely(order >= pool->page_orders) || unlikely(gfp & XPAGE_GFP_SPECIAL) ||
	    unlikely(!xmag_try_alloc(&pool->cpus[order], &page, true)))
		return alloc_pages_slow(pool, order, gfp, NULL);
	if (unlikely(!make_live(page, order)))
		return alloc_pages_slow(pool, order, gfp, page);
	preempt_enable();
	return struct_page_of(pool, page);
}
EXPORT_SYMBOL_GPL(xpool_alloc_pages);

/*
 * Free
 */

/*
 * A client's error: say what is known about the address, change nothing. Begins with
 * preemption off, because a pool that is going waits for contexts that have it off.
 */
static noinline int refuse_free(struct xpool *pool, void *addr, unsigned long order)
{
	unsigned long offset = xpool_offset(pool, addr), index = offset >> PAGE_SHIFT;
	struct xpage *head = offset == XPOOL_FOREIGN ? NULL : xpool_head(pool, index);
	u16 state = head ? READ_ONCE(head->state) : xpool_page_state(XPAGE_NONE, 0);

	preempt_enable();
	if (!addr)
		return 0;
	atomic_long_inc(&pool->counts.errors);
	if (offset == XPOOL_FOREIGN) {
		pr_err_ratelimited("pool %s: free of %p: not of this pool\n",
				   pool->name, addr);
		return -ERANGE;
	}
	if (order > XBUDDY_MAX_ORDER) {
		pr_err_ratelimited("pool %s: free of %p: order %lu: no block is so large\n",
				   pool->name, addr, order);
		return -EINVAL;
	}
	if (state >> 8 != XPAGE_LIVE && state >> 8 != XPAGE_SLAB && state >> 8 != XPAGE_HEAP) {
		pr_err_ratelimited("pool %s: free of %p, order %lu: free already\n",
				   pool->name, addr, order);
		return -EALREADY;
	}
	pr_err_ratelimited("pool %s: free of %p, order %lu: is page %lu of a block of order %u of %s\n",
			   pool->name, addr, order, index - xpool_page_index(pool, head),
			   state & U8_MAX, state >> 8 == XPAGE_SLAB ? "a cache" :
			   state >> 8 == XPAGE_HEAP ? "a heap" : "pages");
	return -EINVAL;
}

/* Begins with preemption off. */
static noinline int refuse_refs(struct xpool *pool, struct xpage *page, unsigned long order)
{
	void *addr = page_addr(pool, page);
	struct page *first = virt_to_page(addr);
	unsigned long nr = 0;

	preempt_enable();
	while (nr + 1 < 1UL << order && page_ref_count(first + nr) == 1)
		nr++;
	atomic_long_inc(&pool->counts.errors);
	pr_err_ratelimited("pool %s: free of %p, order %lu: page %lu of it has %d references, not only yours\n",
			   pool->name, addr, order, nr, page_ref_count(first + nr));
	return -EBUSY;
}

/*
 * The loaded magazine could not serve. Begins with preemption off. Where an operator gives the
 * pool up, this alone keeps it from going.
 */
static noinline int give_missed(struct xpool *pool, struct xpage *page, unsigned long order)
{
	rcu_read_lock();
	preempt_enable();
	if (xtools_watch(pool->tools))
		tools_free_pages(pool, page, order, 1);
	if (order < pool->mags->nr)
		xmag_free_slow(&pool->mags->by_order[order].mag, page);
	else
		xpool_put_client(pool, page, order);
	rcu_read_unlock();
	return 0;
}

/* A block that was accepted, so its order is one. Begins with preemption off. Always 0. */
static __always_inline int push_cached(struct xpool *pool, struct xpage *page, unsigned long order)
{
	if (unlikely(!xmag_try_free(&pool->cpus[order], page)))
		return give_missed(pool, page, order);
	preempt_enable();
	return 0;
}

/*
 * A block of any order, which @page stands for, if it is one; or an error. Begins with preemption
 * off: from the translation of the address to the store no other task comes in between, in whose
 * time the page might become another owner's, or the pool go.
 */
static noinline int free_block(struct xpool *pool, struct xpage *page, unsigned long order)
{
	/* An order may be any number. */
	if (unlikely(order > XBUDDY_MAX_ORDER) ||
	    unlikely(READ_ONCE(page->state) != xpool_page_state(XPAGE_LIVE, order)))
		return refuse_free(pool, page_addr(pool, page), order);
	if (pool->counts_refs && !xpool_refs_only_one(struct_page_of(pool, page), order))
		return refuse_refs(pool, page, order);
	if (unlikely(!xpool_page_change(page, XPAGE_LIVE, XPAGE_CACHED, order)))
		return refuse_free(pool, page_addr(pool, page), order);
	return push_cached(pool, page, order);
}

/**
 * xpool_free_addr() - give back what xpool_alloc_addr() took
 * @pool: the pool
 * @addr: the address that it returned; NULL does nothing
 * @order: the order that was asked for
 *
 * Context: Any, NMI too: where a lock is taken there, the next holder of the lock puts the
 * block back.
 * Return: 0; or, with nothing changed and a line in the log: -ERANGE where the
 * address is not of this pool, -EALREADY where the block is free, -EINVAL where
 * the address is not the start of a block of this order, or belongs to a cache, -EBUSY
 * where a page of it has more references than the client's, as one has that a process
 * has mapped: the block stays the client's, to be freed when these are gone. Only pools
 * whose memory is the system's look at that.
 */
int xpool_free_addr(struct xpool *pool, void *addr, unsigned long order)
{
	struct xpage *page;
	unsigned long nr;

	preempt_disable();
	/* What is no multiple of a page is rotated to something huge. */
	nr = ror64(xlinear_of(&pool->linear, addr) - pool->span.first, PAGE_SHIFT);
	if (unlikely(nr >= pool->span.nr))
		return refuse_free(pool, addr, order);
	page = pool->pages_mem + nr;
	if (!is_single(page, order) ||
	    (likely(pool->counts_refs) && !has_one_ref(struct_page_of(pool, page))))
		return free_block(pool, page, order);
	make_cached(page, 0);
	return push_cached(pool, page, 0);
}
EXPORT_SYMBOL_GPL(xpool_free_addr);

#define XPAGE_STRUCT_ALIGN \
	(is_power_of_2(sizeof(struct page)) ? sizeof(struct page) : __alignof__(struct page))

/*
 * No struct page of the pool, or one that does not lead to its struct xpage. Begins with
 * preemption off.
 */
static noinline int free_pages_slow(struct xpool *pool, struct page *page, unsigned long order)
{
	bool wrong = !IS_ALIGNED((unsigned long)page, XPAGE_STRUCT_ALIGN);
	void *addr = NULL;

	/* By the number alone: to read what is no struct page may be fatal. */
	if (page && !wrong) {
		addr = page_address(page);
		/* The address of what is no struct page may be any. */
		wrong = xpool_offset(pool, addr) != XPOOL_FOREIGN && virt_to_page(addr) != page;
	}
	preempt_enable();
	if (!wrong)
		return xpool_free_addr(pool, addr, order);
	atomic_long_inc(&pool->counts.errors);
	pr_err_ratelimited("pool %s: free of %p: no struct page starts there\n", pool->name, page);
	return -EINVAL;
}

/**
 * xpool_free_pages() - give back what xpool_alloc_pages() took
 * @pool: the pool
 * @page: the page that it returned; NULL does nothing
 * @order: the order that was asked for
 *
 * A pointer to anything else is refused. Only a kernel with CONFIG_SPARSEMEM and without
 * CONFIG_SPARSEMEM_VMEMMAP reads what it points to; there it must be a struct page, if any.
 *
 * Context: Any, as for xpool_free_addr().
 * Return: as for xpool_free_addr().
 */
int xpool_free_pages(struct xpool *pool, struct page *page, unsigned long order)
{
	struct xpage *block;

	preempt_disable();
	block = xpool_page_of(pool, page);
	if (unlikely(xpool_page_nr(pool, block) >= pool->structs.nr))
		return free_pages_slow(pool, page, order);
	if (!is_single(block, order) || (likely(pool->counts_refs) && !has_one_ref(page)))
		return free_block(pool, block, order);
	make_cached(block, 0);
	return push_cached(pool, block, 0);
}
EXPORT_SYMBOL_GPL(xpool_free_pages);
