// SPDX-License-Identifier: GPL-2.0
/*
 * pool/refs: references to the pages of a pool
 *
 * Concepts
 *
 * The system counts the references to a page, and has the page back when the last one is
 * dropped. What a pool took from the system is the pool's until it gives it back, so no
 * reference that is dropped by mistake may give a page away:
 *
 *	count	page
 *	0	frozen: it is free in the pool, or belongs to a slab
 *	1	it belongs to a block that a client holds, or that is kept for the next one
 *	more	and there are references beside the client's, as of a process that maps it
 *
 * A kfree(), kfree_rcu() or put_page() of an object makes the count of a frozen page
 * negative, and the system takes a page only when the count becomes 0. Code that wants to
 * take a reference can see that a page with count 0 must have none (sendpage_ok()). SLUB's
 * pages are frozen for the same reasons.
 *
 * Counts change where a block comes into the hands of clients or goes out of them, in
 * get.c and put.c, under the pool's lock. Slabs take and give frozen pages, and nothing is done.
 *
 * A client's block that comes back with more references than its own is refused: the users
 * of these references would see the next owner's data. It stays with the client, which can
 * free it when the references are gone. Any of its pages may have one.
 *
 * All this is for pages that the pool took from the system. Those of a range that belongs to
 * the caller are left as they are.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/io.h>
#include <linux/memory_hotplug.h>
#include <linux/memremap.h>
#include <linux/page-flags.h>
#include <linux/page_ref.h>

#include "pool.h"

/* Page number @index. Those that follow it in its largest block are of one section of memory. */
struct page *xpool_refs_page_at(const struct xpool *pool, unsigned long index)
{
	return virt_to_page((void *)xpool_addr(pool, index));
}

static void set_refs(struct page *page, unsigned long nr, int refs)
{
	struct page *end = page + nr;

	for (; nr & 3; nr--)
		set_page_count(page++, refs);
	for (; page != end; page += 4) {
		set_page_count(page, refs);
		set_page_count(page + 1, refs);
		set_page_count(page + 2, refs);
		set_page_count(page + 3, refs);
	}
}

/*
 * Pages from @page on, of one largest block, come into the hands of clients, or (@refs 0) out of
 * them. This mends a count that was wrong, without a look at it, which would cost time for each
 * page.
 */
void xpool_refs_set(struct xpool *pool, const struct xpage *page, unsigned long nr, int refs)
{
	lockdep_assert_held(&pool->lock);
	set_refs(xpool_refs_page_at(pool, xpool_page_index(pool, page)), nr, refs);
}

/* @nr pages, each with a count of 1, have come from the system. */
void xpool_refs_freeze(struct page *page, unsigned long nr)
{
	set_refs(page, nr, 0);
}
EXPORT_SYMBOL_FOR_KUNIT(xpool_refs_freeze);

/* A frozen page goes back to the system. Returns false if it was referred to, or is. */
static bool release_page(struct page *page)
{
	int refs = page_ref_count(page);

	if (likely(refs >= 0))
		page_ref_inc(page);	/* the holder of a reference drops the last one */
	else
		set_page_count(page, 1);
	__free_page(page);
	return likely(!refs);
}

/* Frozen pages go back to the system. Process context; @pool may be on its way. */
void xpool_refs_release(struct xpool *pool, struct page *page, unsigned long nr)
{
	unsigned long i, wrong = 0;

	for (i = 0; i < nr; i++)
		wrong += !release_page(page + i);
	if (likely(!wrong))
		return;
	atomic_long_add(wrong, &pool->counts.errors);
	pr_err_ratelimited("pool %s: %lu of %lu pages that go to the system had references dropped or taken while they were free\n",
			   pool->name, wrong, nr);
}
EXPORT_SYMBOL_FOR_KUNIT(xpool_refs_release);

/*
 * The caller's pages
 */

/* Can all pages of a range be handed out as struct page, to be used like any others? */
bool xpool_refs_all_plain(unsigned long addr, unsigned long nr)
{
	for (; nr; nr--, addr += PAGE_SIZE) {
		struct page *page;

		if (!virt_addr_valid((void *)addr))
			return false;
		page = pfn_to_online_page(PHYS_PFN(virt_to_phys((void *)addr)));
		if (!page || is_zone_device_page(page) || PageSlab(page) || PageCompound(page) ||
		    page_count(page) < 1)
			return false;
	}
	return true;
}
