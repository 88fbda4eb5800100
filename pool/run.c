// SPDX-License-Identifier: GPL-2.0
/*
 * pool/run: any number of pages in a row, where the client wants them
 *
 * Concepts
 *
 * A block has a power of two of pages and 1,024 at most. Buffers of devices often have another
 * size, or a larger one, must be aligned to more than their size, or must lie in a part of the
 * pool. A run is made of blocks, cut from the left as large as they can be (buddy/run.c), each of
 * which is a client's block as any other. So a run needs no record: what is given back is a row of
 * blocks, and where a row begins or ends inside of a block, that is cut in two until it does not.
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

#define XRUN_STEP	(4 * XPOOL_CHUNK_PAGES)	/* pages, looked at under one lock */

/* Under the lock. Returns the first page number, or -ENOSPC. */
static long take_in_step(struct xpool *pool, const struct xbuddy_run *run, enum xpool_need need)
{
	unsigned long at, end;
	unsigned int order;
	long index;

	if (run->nr > xpool_allowance(pool, need))
		return -ENOSPC;
	index = xbuddy_alloc_run_at(&pool->buddy, run);
	if (index < 0)
		return index;
	if (need == XPOOL_ORDINARY && pool->limits.reserve &&
	    !xpool_forms(pool, pool->reserved)) {
		xbuddy_free_run(&pool->buddy, index, run->nr);
		return -ENOSPC;
	}
	for (at = index, end = at + run->nr; at < end; at += 1UL << order) {
		order = xbuddy_run_order(at, end - at);
		xpool_own_block(pool, at, order);
	}
	return index;
}

static long take_step(struct xpool *pool, const struct xbuddy_run *run, enum xpool_need need)
{
	unsigned long flags;
	long index;

	if (!xlock(&pool->lock, &flags))
		return -ENOSPC;
	xpool_put_deferred(pool);
	index = take_in_step(pool, run, need);
	if (index < 0 && xpool_put_last_freed(pool))
		index = take_in_step(pool, run, need);
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	return index;
}

/* The same, step by step. */
static long take_in_part(struct xpool *pool, const struct xbuddy_run *whole, enum xpool_need need)
{
	struct xbuddy_run run = *whole;
	unsigned long step = whole->nr + XRUN_STEP;
	long index;

	do {
		if (whole->top)
			run.from = run.to - whole->from > step ? run.to - step : whole->from;
		else
			run.to = whole->to - run.from > step ? run.from + step : whole->to;
		index = take_step(pool, &run, need);
		if (index >= 0)
			return index;
		if (whole->top)
			run.to -= min(XRUN_STEP, run.to - whole->from);
		else
			run.from += min(XRUN_STEP, whole->to - run.from);
	} while (run.to - run.from >= whole->nr && run.from < whole->to && run.to > whole->from);
	return -ENOSPC;
}

/* What @request wants of the pages of @region; false: that cannot be there. */
static bool clip(const struct xpool_request *request, const struct xregion *region,
		 struct xbuddy_run *run)
{
	unsigned long from = max_t(unsigned long, (unsigned long)request->from, region->addr);
	unsigned long to = region->addr + (region->nr << PAGE_SHIFT);

	if (request->to)
		to = min_t(unsigned long, (unsigned long)request->to, to);
	if (!region->nr || from >= to)
		return false;
	*run = (struct xbuddy_run){
		.nr = request->pages,
		.align = max(request->align >> PAGE_SHIFT, 1UL),
		.skew = PHYS_PFN(region->addr) - region->index,
		.from = region->index + PHYS_PFN(PAGE_ALIGN(from) - region->addr),
		.to = region->index + PHYS_PFN(to - region->addr),
		.top = request->top,
	};
	return run->from < run->to && run->to - run->from >= run->nr;
}

/* A region comes, of which a whole block is taken; its end goes back. */
static bool take_new(struct xpage_request *request, gfp_t gfp)
{
	const struct xpool_request *run = request->run;
	struct xpool *pool = request->pool;
	struct xpage *page;
	unsigned long addr;

	if (!pool->grow || !gfpflags_allow_blocking(gfp) || run->pages > XPOOL_CHUNK_PAGES ||
	    run->align > XPOOL_CHUNK_PAGES << PAGE_SHIFT || run->from || run->to)
		return false;
	page = xpool_get_for(pool, XBUDDY_MAX_ORDER, xpool_need_of(gfp), XPLACE_FIT, gfp);
	if (!page)
		return false;
	addr = (unsigned long)page_addr(pool, page);
	if (run->pages < XPOOL_CHUNK_PAGES)
		xpool_free_run(pool, (void *)(addr + (run->pages << PAGE_SHIFT)),
			       XPOOL_CHUNK_PAGES - run->pages);
	request->page = page;
	return true;
}

/* For xpool_page_take_slow(), too. */
static bool take_run(struct xpage_request *request, gfp_t gfp)
{
	struct xpool *pool = request->pool;
	unsigned long i, r, nr = READ_ONCE(pool->nr_regions);
	struct xbuddy_run run;
	long index;

	for (i = 0; i < nr; i++) {
		r = request->run->top ? nr - 1 - i : i;
		if (!clip(request->run, &pool->regions[r], &run))
			continue;
		index = take_in_part(pool, &run, xpool_need_of(gfp));
		if (index < 0)
			continue;
		request->page = &pool->pages[index];
		return true;
	}
	return take_new(request, gfp);
}

static const char *wrong_with(const struct xpool *pool, const struct xpool_request *request)
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
 * xpool_alloc_run() - take any number of pages in a row
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

/* Page number @at is of a block that a client holds: the end of that, or 0. */
static unsigned long live_end(const struct xpool *pool, unsigned long at)
{
	struct xpage *head = xpool_head(pool, at);

	if (!head || READ_ONCE(head->kind) != XPAGE_LIVE)
		return 0;
	return xpool_page_index(pool, head) + (1UL << head->order);
}

/* Does the client hold these pages, with no reference but its own? Else what is wrong. */
static int check_run(const struct xpool *pool, void *addr, size_t nr)
{
	unsigned long offset = xpool_offset(pool, addr), last = (nr - 1) << PAGE_SHIFT;
	unsigned long from = offset >> PAGE_SHIFT, at, end;

	if (offset == XPOOL_FOREIGN || !nr || nr > pool->max_pages ||
	    xpool_offset(pool, addr + last) != offset + last)
		return -ERANGE;
	if (offset & ~PAGE_MASK)
		return -EINVAL;
	for (at = from; at < from + nr; at = end) {
		end = live_end(pool, at);
		if (!end)
			return -EINVAL;
	}
	for (at = from; pool->counts_refs && at < from + nr; at++)
		if (page_ref_count(xpool_refs_page_at(pool, at)) != 1)
			return -EBUSY;
	return 0;
}

/* From here on a block begins at page number @at, which is of a client's. */
static void cut_at(struct xpool *pool, unsigned long at)
{
	struct xpage *head = xpool_head(pool, at);

	while (xpool_page_index(pool, head) != at) {
		xpool_split(pool, head, head->order - 1);
		head = xpool_head(pool, at);
	}
}

/* Past the magazines, so that what is free lies together for the next run. */
static void free_block(struct xpool *pool, struct xpage *page, unsigned int order)
{
	const struct xrow row = { .first = page, .nr = 1 };

	/* Freed meanwhile, by a client's error. */
	if (unlikely(READ_ONCE(page->state) != xpool_page_state(XPAGE_LIVE, order)))
		return;
	make_cached(page, order);
	if (xtools_watch(pool->tools))
		tools_free_pages(pool, page, order, 1);
	xpool_put_rows(pool, &row, 1, xpool_page_state(XPAGE_CACHED, order));
}

/* They were looked at. */
static void free_blocks(struct xpool *pool, unsigned long at, size_t nr)
{
	unsigned long to = at + nr;
	unsigned int order;

	cut_at(pool, at);
	if (live_end(pool, to - 1) != to)
		cut_at(pool, to);
	for (; at < to; at += 1UL << order) {
		order = pool->pages[at].order;
		free_block(pool, &pool->pages[at], order);
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
 * xpool_free_run() - give back pages in a row
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
	int err;

	if (!addr)
		return 0;
	rcu_read_lock();	/* as in page.c: the pool may be given up */
	err = check_run(pool, addr, nr);
	if (!err)
		free_blocks(pool, xpool_offset(pool, addr) >> PAGE_SHIFT, nr);
	rcu_read_unlock();
	return err ? refuse_run(pool, addr, nr, err) : 0;
}
EXPORT_SYMBOL_GPL(xpool_free_run);
