// SPDX-License-Identifier: GPL-2.0
/*
 * pool/stray: references that should not be there
 *
 * What is found wrong is reported and mended: by a forced collection, when a cache or a pool is
 * destroyed, and when pages go back to the system. A scan reads counts without a lock; one
 * that is not 0 is looked at again under the pool's lock, where frozen pages have none.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/page_ref.h>
#include <linux/ratelimit.h>

#include "pool.h"

/* Page @index, of a region that is there, should be frozen and is not: mend its count. */
static bool mend(struct xpool *pool, const struct xregion *region, unsigned long index,
		 struct xpool_stray *stray)
{
	struct xpage *head;
	unsigned long flags;
	bool wrong = false;

	raw_spin_lock_irqsave(&pool->lock, flags);
	if (region->nr && index - region->index < region->nr) {
		struct page *page = xpool_refs_page_at(pool, index);

		head = xpool_head(pool, index);
		stray->refs = page_ref_count(page);
		stray->cache = head ? READ_ONCE(head->cache) : NULL;
		stray->index = index;
		wrong = stray->refs && (!head || head->kind == XPAGE_SLAB);
		if (wrong)
			set_page_count(page, 0);
	}
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	return wrong;
}

/* Does a client hold page @index, or is it kept for one? As seen without the lock. */
static bool is_clients(const struct xpool *pool, unsigned long index, unsigned long *end)
{
	const struct xpage *head = xpool_head(pool, index);

	if (!head || head->kind == XPAGE_SLAB)
		return false;
	*end = xpool_page_index(pool, head) + (1UL << READ_ONCE(head->order));
	return true;
}

/*
 * The first page from @index on, but before @end, that should be frozen and was not; its
 * count has been mended. All are of one region. Returns false if there is none.
 */
bool xpool_stray_find(struct xpool *pool, unsigned long index, unsigned long end,
		      struct xpool_stray *stray)
{
	const struct xregion *region = pool->nr_regions == 1 ? pool->regions :
				       &pool->regions[index / XPOOL_LARGEST_PAGES];

	while (index < end) {
		unsigned long next = index + 1;

		if (unlikely(xcompat_page_refs(xpool_refs_page_at(pool, index))) &&
		    !is_clients(pool, index, &next) && mend(pool, region, index, stray))
			return true;
		index = max(next, index + 1);
	}
	return false;
}

static void report(struct xpool *pool, const struct xpool_stray *stray)
{
	struct xholder *holder;

	for_each_holder(holder, pool)
		if (holder->stray && holder->stray(holder, stray)) {
			xpool_listed_unpin(&holder->entry);
			return;
		}
	atomic_long_inc(&pool->counts.errors);
	pr_err_ratelimited("pool %s: free page %lu had %d references: kfree() or put_page() of what is not the system's?\n",
			   pool->name, stray->index, stray->refs);
}

static void check_region(struct xpool *pool, const struct xregion *region)
{
	unsigned long at = region->index, end = at + READ_ONCE(region->nr);
	struct xpool_stray stray;

	while (at < end) {
		unsigned long stop = min(end, at + XPOOL_LARGEST_PAGES);

		while (xpool_stray_find(pool, at, stop, &stray)) {
			report(pool, &stray);
			at = stray.index + 1;
		}
		at = stop;
		cond_resched();
	}
}

/* Look at all pages of a pool; report what is wrong. Process context. */
void xpool_stray_check(struct xpool *pool)
{
	unsigned long r;

	if (!pool->counts_refs)
		return;
	for (r = 0; r < pool->nr_regions; r++)
		check_region(pool, &pool->regions[r]);
}
