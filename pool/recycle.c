// SPDX-License-Identifier: GPL-2.0
/*
 * pool/recycle: all blocks of clients come back at once
 *
 * A client that serves one job after the other from a pool need not know at the end of a job what
 * it has taken: the pool knows. (TBB's fixed pools have the same call.) Each page is looked at
 * once, so the size of the pool bounds the time, whatever is live. Each block is claimed as a free
 * would do it, so what another CPU frees at the same instant comes back once.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/export.h>
#include <linux/sched.h>

#include "page.h"

/* Has a page of the block a reference that is not the client's? */
static bool is_referenced(const struct xpool *pool, const struct xpage *page, unsigned int order)
{
	unsigned long index = xpool_page_index(pool, page);

	return pool->counts_refs && !xpool_refs_only_one(xpool_refs_page_at(pool, index), order);
}

/* The block is no client's from here on. Returns false where another CPU has just freed it. */
static bool claim(struct xpool *pool, struct xpage *page, unsigned int order)
{
	if (!xpool_page_change(page, XPAGE_LIVE, XPAGE_CACHED, order))
		return false;
	if (xtools_watch(pool->tools))
		tools_free_pages(pool, page, order, 1);
	return true;
}

static void put_row(struct xpool *pool, const struct xrow *row, unsigned int order)
{
	if (row->nr)
		xpool_put_rows(pool, row, 1, xpool_page_state(XPAGE_CACHED, order));
}

/*
 * The blocks of page numbers @from to @to, which are of one largest block; those of one order that
 * follow one another go back together. Returns how many stay.
 */
static unsigned long recycle_part(struct xpool *pool, unsigned long from, unsigned long to)
{
	struct xrow row = {};
	unsigned long at = from, stay = 0;
	unsigned int row_order = 0;

	while (at < to) {
		struct xpage *page = &pool->pages[at];
		u16 state = READ_ONCE(page->state);
		unsigned int order = state & U8_MAX;

		if (state >> 8 != XPAGE_LIVE) {
			at++;
			continue;
		}
		at += 1UL << order;
		if (is_referenced(pool, page, order)) {
			stay++;
			continue;
		}
		if (!claim(pool, page, order))
			continue;
		if (!row.nr || order != row_order ||
		    page != row.first + ((unsigned long)row.nr << order)) {
			put_row(pool, &row, row_order);
			row = (struct xrow){ .first = page };
			row_order = order;
		}
		row.nr++;
	}
	put_row(pool, &row, row_order);
	return stay;
}

static unsigned long recycle_region(struct xpool *pool, const struct xregion *region)
{
	unsigned long at = region->index, end = at + READ_ONCE(region->nr), stay = 0, to;

	for (; at < end; at = to) {
		to = min(end, round_up(at + 1, XPOOL_LARGEST_PAGES));
		stay += recycle_part(pool, at, to);
		cond_resched();
	}
	return stay;
}

/**
 * xpool_recycle() - take back all pages that clients have of a pool
 * @pool: a pool without caches and heaps
 *
 * After this all blocks and runs are free, of every client. They are joined to whole blocks again.
 * The time is linear in the pool's size.
 *
 * Context: Process context, may sleep. No client uses a page of the pool, or frees one.
 * Return: 0; or -EBUSY: with nothing changed where caches or heaps live in the pool, which the log
 * names, or it was destroyed; where pages have references that are not the client's, as of a
 * process that maps them: these blocks stay live, as the log says, and all others are free.
 */
int xpool_recycle(struct xpool *pool)
{
	unsigned long r, stay = 0;
	int err = -EBUSY;

	if (!xpool_enter(pool))
		return -EBUSY;	/* it may have gone altogether */
	if (READ_ONCE(pool->listing.nr_users) > 1) {
		atomic_long_inc(&pool->counts.errors);
		pr_err("pool %s: not recycled: caches or heaps live in it\n", pool->name);
		xpool_name_users(pool);
		goto leave;
	}
	for (r = 0; r < READ_ONCE(pool->nr_regions); r++)
		stay += recycle_region(pool, &pool->regions[r]);
	xpool_gather(pool);
	err = stay ? -EBUSY : 0;
	if (stay) {
		atomic_long_add(stay, &pool->counts.errors);
		pr_err("pool %s: recycled, but for %lu blocks with references that are not the client's\n",
		       pool->name, stay);
	}
leave:
	xpool_leave(pool);
	return err;
}
EXPORT_SYMBOL_GPL(xpool_recycle);
