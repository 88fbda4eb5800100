// SPDX-License-Identifier: GPL-2.0
/*
 * pool/run: runs: any number of contiguous pages, where the client wants them
 *
 * Concepts
 *
 * A block has a power of two of pages and 1,024 at most. Buffers of devices often have another
 * size, or a larger one, must be aligned to more than their size, or must lie in a part of the
 * pool. A run is made of blocks, cut from the left as large as they can be (buddy/run.c), each of
 * which is a client's block like any other. So a run needs no record: what is given back is blocks
 * that follow one another, and where it begins or ends inside of a block, that one is cut in two
 * until it does not.
 * A client can give back the end of a run that is longer than it needs, or of a block.
 *
 * The search goes through the free blocks from one end of a region to the other. To hold the lock
 * for that as long as a pool may be large would keep interrupts off for too long; so it goes in
 * steps of 16 MiB, each under the lock, which overlap by the length of the run.
 *
 * Runs do not go through magazines, neither when they are freed. Reserve, limits and gathering are
 * as for blocks. A pool that grows takes a region for a run of 4 MiB or less: a whole block of
 * that, of which the end goes back.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/export.h>
#include <linux/log2.h>
#include <linux/page_ref.h>
#include <linux/ratelimit.h>
#include <linux/string.h>

#include "page.h"

#define XRUN_STEP	(4 * XPOOL_LARGEST_PAGES)	/* pages, looked at under one lock */

/* May a region come that has such a run? */
static bool can_come(const struct xpool *pool, const struct xpool_request *request)
{
	return pool->grow && request->pages <= XPOOL_LARGEST_PAGES &&
	       request->align <= XPOOL_LARGEST_PAGES << PAGE_SHIFT && !request->from &&
	       !request->to;
}

/* Could the free lists not give the reserve its blocks any more? */
static bool breaks_reserve(const struct xpool *pool, enum xpool_need need)
{
	return need == XPOOL_ORDINARY && pool->limits.reserve && !xpool_forms(pool, pool->reserved);
}

/*
 * Under the lock. Returns the first page number, or -ENOSPC. A place that breaks what the reserve
 * needs is left, and the search goes on behind the free block that would have to be broken.
 */
static long take_in_step(struct xpool *pool, const struct xbuddy_run *step, enum xpool_need need)
{
	struct xbuddy_run run = *step;
	struct xbuddy_block block;
	long index;

	while (run.from < run.to && run.nr <= xpool_allowance(pool, need)) {
		index = xbuddy_alloc_run_at(&pool->buddy, &run);
		if (index < 0)
			return index;
		if (!breaks_reserve(pool, need)) {
			xpool_own_run(pool, index, run.nr);
			return index;
		}
		xbuddy_free_run(&pool->buddy, index, run.nr);
		if (xbuddy_lookup(&pool->buddy, run.top ? index + run.nr - 1 : index, &block))
			break;
		if (run.top)
			run.to = block.index;
		else
			run.from = block.index + (1UL << block.order);
	}
	return -ENOSPC;
}

/* @addr: of the region when it was looked at; it may have gone, and another one come. */
static long take_step(struct xpool *pool, const struct xregion *region, unsigned long addr,
		      const struct xbuddy_run *run, enum xpool_need need)
{
	long index = -ENOSPC;
	unsigned long flags;

	if (!xlock(&pool->lock, &flags))
		return -ENOSPC;
	xpool_put_deferred(pool);
	if (region->addr == addr && region->nr)
		index = take_in_step(pool, run, need);
	if (index < 0 && xpool_put_last_freed(pool) && region->addr == addr && region->nr)
		index = take_in_step(pool, run, need);
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	return index;
}

/* What @request wants of the pages of @region; false: that cannot be there. */
static bool clip(const struct xpool_request *request, const struct xregion *region,
		 unsigned long addr, struct xbuddy_run *run)
{
	unsigned long from = max_t(unsigned long, (unsigned long)request->from, addr);
	unsigned long to = addr + (READ_ONCE(region->nr) << PAGE_SHIFT), at;

	if (request->to)
		to = min_t(unsigned long, (unsigned long)request->to, to);
	if (from >= to)
		return false;
	*run = (struct xbuddy_run){
		.nr = request->pages,
		.align = max(request->align >> PAGE_SHIFT, 1UL),
		.skew = PHYS_PFN(addr) - region->index,
		.from = region->index + PHYS_PFN(PAGE_ALIGN(from) - addr),
		.to = region->index + PHYS_PFN(to - addr),
		.top = request->top,
	};
	at = round_up(run->from + run->skew, run->align) - run->skew;
	return at >= run->from && at < run->to && run->to - at >= run->nr;
}

/* Step by step. */
static long take_in_region(struct xpool *pool, const struct xpool_request *request,
			   const struct xregion *region, enum xpool_need need)
{
	unsigned long step = request->pages + XRUN_STEP, addr = READ_ONCE(region->addr);
	struct xbuddy_run whole, run;
	long index = -ENOSPC;

	if (!clip(request, region, addr, &whole))
		return -ENOSPC;
	run = whole;
	while (index < 0 && run.to - run.from >= run.nr) {
		if (run.top)
			run.from = run.to - whole.from > step ? run.to - step : whole.from;
		else
			run.to = whole.to - run.from > step ? run.from + step : whole.to;
		index = take_step(pool, region, addr, &run, need);
		if (run.top)
			run.to -= min(XRUN_STEP, run.to - run.from);
		else
			run.from += min(XRUN_STEP, run.to - run.from);
		if (run.top)
			run.from = whole.from;
		else
			run.to = whole.to;
	}
	return index;
}

/* In a pool that grows: do blocks like this run lie in the region? */
static bool is_of_kind(const struct xregion *region, const struct xpool_request *request)
{
	u8 serves = READ_ONCE(region->serves);

	return serves == XSERVES_ANY || serves == xpool_run_kind(request->pages);
}

/* In the regions that serve the kind, or else in all. Returns the page number, or -ENOSPC. */
static long take_in_regions(struct xpage_request *request, gfp_t gfp, bool all)
{
	unsigned long i, nr = READ_ONCE(request->pool->nr_regions);
	struct xpool *pool = request->pool;
	long index = -ENOSPC;

	for (i = 0; i < nr && index < 0; i++) {
		const struct xregion *region =
			&pool->regions[request->run->top ? nr - 1 - i : i];

		if (all || is_of_kind(region, request->run))
			index = take_in_region(pool, request->run, region, xpool_need_of(gfp));
	}
	return index;
}

/* Of a block that a region makes which comes. The end of the block goes back. */
static long take_new(struct xpage_request *request, gfp_t gfp)
{
	const struct xpool_request *run = request->run;
	struct xpool *pool = request->pool;
	unsigned long excess;
	unsigned int order;
	struct xpage *page;

	if (!can_come(pool, run))
		return -ENOSPC;
	order = max(order_base_2(run->pages), ilog2(max(run->align, PAGE_SIZE)) - PAGE_SHIFT);
	excess = (1UL << order) - run->pages;
	page = xpool_get_for(pool, order, xpool_need_of(gfp), XPLACE_FIT, gfp);
	if (!page)
		return -ENOSPC;
	if (excess)
		xpool_free_run(pool, page_addr(pool, page) + (run->pages << PAGE_SHIFT), excess);
	return xpool_page_index(pool, page);
}

/* Holders give back what they keep at hand; see xpool_ask_holders(). */
static void ask_holders(struct xpool *pool)
{
	unsigned long asked = 0, most = READ_ONCE(pool->nr_pages), got;

	do {
		got = xpool_ask_holders(pool);
		asked += got;
	} while (got && asked <= most);
}

/*
 * For xpool_page_take_slow(), too. What there is for the kind; then a region; then what there is
 * of the other kind; then what holders keep at hand.
 */
static bool take_run(struct xpage_request *request, gfp_t gfp)
{
	struct xpool *pool = request->pool;
	long index = pool->grow ? take_in_regions(request, gfp, false) : -ENOSPC;

	if (index < 0 && gfpflags_allow_blocking(gfp))
		index = take_new(request, gfp);
	if (index < 0)
		index = take_in_regions(request, gfp, true);
	if (index < 0 && !gfpflags_allow_blocking(gfp) && !in_nmi()) {
		ask_holders(pool);
		index = take_in_regions(request, gfp, true);
	}
	if (index < 0 && can_come(pool, request->run))
		xpool_starve(pool, request->run->pages);
	else if (pool->grow)
		xpool_grow_wake(pool);
	if (index >= 0)
		request->page = &pool->pages[index];
	return index >= 0;
}

/* Is there a place, free or not, that is as the request wants it? */
bool xpool_has_place(struct xpool *pool, const struct xpool_request *request)
{
	unsigned long r, nr = READ_ONCE(pool->nr_regions);
	struct xbuddy_run run;

	for (r = 0; r < nr; r++)
		if (clip(request, &pool->regions[r], READ_ONCE(pool->regions[r].addr), &run))
			return true;
	return can_come(pool, request);
}

static const char *wrong_with(struct xpool *pool, const struct xpool_request *request)
{
	if (!request->pages)
		return "no pages";
	if (request->pages > pool->max_pages)
		return "more pages than the pool can have";
	if (request->align && (!is_power_of_2(request->align) || request->align < PAGE_SIZE))
		return "align is no power of two of a page or more";
	if (request->to && (request->from >= request->to ||
			    (request->to - request->from) >> PAGE_SHIFT < request->pages))
		return "it does not fit between from and to";
	if (!xpool_has_place(pool, request))
		return "no region of the pool has such a place";
	return NULL;
}

static bool is_refused(struct xpool *pool, const struct xpool_request *request)
{
	const char *wrong = wrong_with(pool, request);

	if (likely(!wrong))
		return xpool_page_is_refused(pool, request->pages > 1, request->gfp);
	atomic_long_inc(&pool->counts.errors);
	atomic_long_inc(&pool->counts.failures);
	pr_err_ratelimited("pool %s: request of %zu pages in a row refused: %s\n", pool->name,
			   request->pages, wrong);
	return true;
}

/**
 * xpool_alloc_run() - take any number of contiguous pages
 * @pool: the pool
 * @request: how many, where, and with which flags
 *
 * The lowest place, or the highest, of a pool of one region; of several, the first region that has
 * one. Linear in the free blocks that lie before it: not for hot paths.
 *
 * Context: Any, as of xpool_alloc_addr().
 * Return: the kernel virtual address; or NULL as of xpool_alloc_addr(), and, with a line in the
 * log, where the request is one that the pool can never meet.
 */
void *xpool_alloc_run(struct xpool *pool, const struct xpool_request *request)
{
	struct xpage_request want = {
		.pool = pool, .gfp = xpool_gfp_without_reserve(request->gfp),
		.nr = request->pages, .take = take_run, .run = request,
	};
	void *addr;

	if (READ_ONCE(pool->state.retired) || is_refused(pool, request))
		return NULL;
	if (!take_run(&want, want.gfp) && !xpool_page_take_slow(&want)) {
		atomic_long_inc(&pool->counts.failures);
		return NULL;
	}
	addr = page_addr(pool, want.page);
	if (xtools_watch(pool->tools))
		xtools_pages_alloc(pool->tools, addr, request->pages << PAGE_SHIFT, request->gfp);
	return request->gfp & __GFP_ZERO ? memset(addr, 0, request->pages << PAGE_SHIFT) : addr;
}
EXPORT_SYMBOL_GPL(xpool_alloc_run);

/*
 * The blocks of a run, from the first on, become those of another kind. Returns the pages: a block
 * that a client frees meanwhile, by an error, is the last.
 */
static unsigned long change_run(struct xpool *pool, unsigned long at, size_t nr,
				enum xpool_page_kind from, enum xpool_page_kind to,
				struct xholder *holder)
{
	unsigned long first = at, end = at + nr;

	lockdep_assert_held(&pool->lock);
	while (at < end) {
		struct xpage *page = &pool->pages[at];
		unsigned int order = READ_ONCE(page->order);

		WRITE_ONCE(page->holder, holder);
		if (order > XBUDDY_MAX_ORDER || !xpool_page_change(page, from, to, order))
			break;
		at += 1UL << order;
	}
	return at - first;
}

/*
 * A run that the caller took is in a heap from now on: the pool refuses clients' frees of its
 * pages, and observers see which heap has it. Any context but NMI.
 */
void xpool_lend_run(struct xpool *pool, void *addr, size_t nr, struct xholder *holder)
{
	unsigned long at = xpool_offset(pool, addr) >> PAGE_SHIFT, flags;

	raw_spin_lock_irqsave(&pool->lock, flags);
	pool->used.heaps += change_run(pool, at, nr, XPAGE_LIVE, XPAGE_HEAP, holder);
	raw_spin_unlock_irqrestore(&pool->lock, flags);
}

/* It is the caller's again, to be freed. Any context but NMI. */
void xpool_return_run(struct xpool *pool, void *addr, size_t nr)
{
	unsigned long at = xpool_offset(pool, addr) >> PAGE_SHIFT, flags;

	raw_spin_lock_irqsave(&pool->lock, flags);
	pool->used.heaps -= change_run(pool, at, nr, XPAGE_HEAP, XPAGE_LIVE, NULL);
	raw_spin_unlock_irqrestore(&pool->lock, flags);
}

/* Are these pages of one region, with no reference but the client's? Else what is wrong. */
static int check_run(const struct xpool *pool, void *addr, size_t nr)
{
	unsigned long offset = xpool_offset(pool, addr), last = (nr - 1) << PAGE_SHIFT;
	unsigned long from = offset >> PAGE_SHIFT, at;

	if (offset != XPOOL_FOREIGN && (!nr || offset & ~PAGE_MASK))
		return -EINVAL;
	if (offset == XPOOL_FOREIGN || nr > pool->max_pages ||
	    xpool_offset(pool, addr + last) != offset + last)
		return -ERANGE;
	for (at = from; pool->counts_refs && at < from + nr; at++)
		if (page_ref_count(xpool_refs_page_at(pool, at)) > 1)
			return -EBUSY;
	return 0;
}

/*
 * Blocks that were claimed go back, past the magazines, so that what is free lies together for the
 * next run.
 */
static void put_claimed(struct xpool *pool, unsigned long at, unsigned long to)
{
	unsigned int order;

	for (; at < to; at += 1UL << order) {
		struct xrow row = { .first = &pool->pages[at], .nr = 1 };

		order = row.first->order;
		if (xtools_watch(pool->tools))
			tools_free_pages(pool, row.first, order, 1);
		xpool_put_rows(pool, &row, 1, xpool_page_state(XPAGE_CACHED, order));
	}
}

static int refuse_run(struct xpool *pool, void *addr, size_t nr, int err)
{
	atomic_long_inc(&pool->counts.errors);
	pr_err_ratelimited("pool %s: free of %p, %zu pages: %s\n", pool->name, addr, nr,
			   err == -ERANGE ? "not of this pool" :
			   err == -EBUSY ? "a page has references that are not yours" :
					   "a page is not in a block of yours");
	return err;
}

/**
 * xpool_free_run() - give back contiguous pages
 * @pool: the pool
 * @addr: the first page's address; NULL does nothing
 * @nr: how many
 *
 * All, or a part, of what xpool_alloc_run(), xpool_alloc_addr() or xpool_alloc_pages() took, also
 * of several of these. What is left is the client's, and is given back by this call too.
 *
 * Context: Any but NMI.
 * Return: 0; or, with nothing changed and a line in the log: -ERANGE where the pages are not all
 * of one region of the pool, -EINVAL where the client does not hold all of them, -EBUSY as of
 * xpool_free_addr().
 */
int xpool_free_run(struct xpool *pool, void *addr, size_t nr)
{
	unsigned long at;
	int err;

	if (!addr)
		return 0;
	rcu_read_lock();	/* as in page.c: the pool may be given up */
	err = check_run(pool, addr, nr);
	at = xpool_offset(pool, addr) >> PAGE_SHIFT;
	if (!err && !xpool_claim_run(pool, at, at + nr))
		err = -EINVAL;
	if (!err)
		put_claimed(pool, at, at + nr);
	rcu_read_unlock();
	return err ? refuse_run(pool, addr, nr, err) : 0;
}
EXPORT_SYMBOL_GPL(xpool_free_run);
