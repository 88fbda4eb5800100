// SPDX-License-Identifier: GPL-2.0
/*
 * pool/bulk: many single pages at once
 *
 * They come from full magazines of the depot, whose pages are holes in the buddy system, and
 * then from the buddy system in rows, past the CPU's magazines; and they go back in rows. The
 * lock is taken once for 16 rows, of at most 256 pages.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/export.h>
#include <linux/ratelimit.h>
#include <linux/string.h>

#include "page.h"

#define XPAGE_PER_LOCK	256U	/* pages under one lock */
#define XPAGE_ROWS	16U	/* rows under one lock */

/* A full magazine of the depot, if as many are wanted; returns how many it had. */
static unsigned int take_magazine(struct xpool *pool, size_t nr, struct xpage **pages)
{
	struct xmag *mag = &pool->mags->by_order[0].mag;
	unsigned int got, i, fresh = 0;

	if (!pool->mags->nr || nr < mag->size)
		return 0;
	got = xmag_depot_take(mag, (void **)pages);
	for (i = 0; i < got; i++) {
		if (likely(make_live(pages[i], 0)))
			pages[fresh++] = pages[i];
		else
			xpool_note_lost(pool, pages[i]);
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
			n = xpool_get_many(pool, 0, XPAGE_LIVE, xpool_need_of(gfp), pages + got,
					   min_t(size_t, nr - got, XPAGE_PER_LOCK));
		if (unlikely(!n)) {
			pages[got] = xpool_page_take_now(pool, 0, gfp);
			if (!pages[got])
				break;
			n = 1;
		}
		got += n;
	}
	return got;
}

static bool take_pages_or_none(struct xpage_request *request, gfp_t gfp)
{
	struct page **pages = request->pages;
	struct xpage **taken = (struct xpage **)pages;
	struct xpool *pool = request->pool;
	size_t got = alloc_some(pool, gfp, request->nr, taken), i;

	for (i = 0; xtools_watch(pool->tools) && i < got; i++)
		tools_alloc_pages(pool, taken[i], 0, gfp);
	for (i = 0; i < got; i++)
		pages[i] = struct_page_of(pool, taken[i]);
	if (likely(got == request->nr))
		return true;
	xpool_free_pages_bulk(pool, got, pages);
	xpool_gather_note_part(pool);
	return false;
}

/* All of them, or none. */
static bool take_pages(struct xpage_request *request, gfp_t gfp)
{
	bool grows = unlikely(request->pool->grow) && gfpflags_allow_blocking(gfp), done;

	if (grows) {
		xpool_gather_begin_part(request->pool);
		done = take_pages_or_none(request, gfp);
		xpool_gather_end_part(request->pool);
	} else {
		rcu_read_lock();
		done = take_pages_or_none(request, gfp);
		rcu_read_unlock();
	}
	return done;
}

/**
 * xpool_alloc_pages_bulk() - take many single pages of a pool
 * @pool: the pool; its range must have struct page
 * @gfp: as for xpool_alloc_addr()
 * @nr: how many; more than INT_MAX are a client's error, which is reported
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
	struct xpage_request request = {
		.pool = pool, .gfp = xpool_gfp_without_reserve(gfp), .nr = nr,
		.take = take_pages, .pages = pages,
	};
	size_t i;

	if (unlikely(nr > INT_MAX)) {
		atomic_long_inc(&pool->counts.errors);
		pr_err_ratelimited("pool %s: %zu pages at once: at most %d\n", pool->name, nr,
				   INT_MAX);
		return 0;
	}
	if (unlikely(READ_ONCE(pool->state.retired)) || unlikely(!xpool_page_has_struct(pool)) ||
	    unlikely(xpool_page_is_refused(pool, 0, gfp)))
		return 0;
	if (unlikely(!take_pages(&request, request.gfp)) &&
	    unlikely(!xpool_page_take_slow(&request))) {
		atomic_long_inc(&pool->counts.failures);
		return 0;
	}
	for (i = 0; unlikely(gfp & __GFP_ZERO) && i < nr; i++)
		memset(page_address(pages[i]), 0, PAGE_SIZE);
	return nr;
}
EXPORT_SYMBOL_GPL(xpool_alloc_pages_bulk);

/*
 * The single pages from @pages on, but before @end, that follow one another in a block of the
 * pool and are a client's. They are free then. Returns how many.
 */
static unsigned int find_page_row(struct xpool *pool, struct page **pages, struct page **end,
				  struct xpage **first)
{
	struct page **from = pages, *next = *pages;
	unsigned long nr, left;
	struct xpage *at;

	preempt_disable();
	at = xpool_page_of(pool, *pages);
	nr = xpool_page_nr(pool, at);
	*first = at;
	if (unlikely(nr >= pool->structs.nr))
		goto out;
	/* Struct pages follow one another in a largest block. */
	left = XPOOL_LARGEST_PAGES - xpool_page_index(pool, at) % XPOOL_LARGEST_PAGES;
	end = min(end, pages + min(pool->structs.nr - nr, left));
	do {
		if (!is_single(at, 0) || (likely(pool->counts_refs) && !has_one_ref(next)))
			break;
		make_cached(at, 0);
		at++;
		pages++;
		next++;
	} while (pages != end && *pages == next);
out:
	preempt_enable();
	return pages - from;
}

/* Pages from @pages on, up to one that cannot be freed so; returns how many. */
static size_t free_rows(struct xpool *pool, size_t nr, struct page **pages)
{
	struct page **end = pages + nr, **at = pages;
	struct xrow rows[XPAGE_ROWS];
	unsigned int i = 0, n, r;

	while (at != end && i < XPAGE_ROWS) {
		n = find_page_row(pool, at, min(end, at + XPAGE_PER_LOCK), &rows[i].first);
		if (unlikely(!n))
			break;
		rows[i++].nr = n;
		at += n;
	}
	for (r = 0; xtools_watch(pool->tools) && r < i; r++)
		tools_free_pages(pool, rows[r].first, 0, rows[r].nr);
	if (i)
		xpool_put_rows(pool, rows, i, xpool_page_state(XPAGE_CACHED, 0));
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
		size_t n;

		rcu_read_lock();	/* as in page.c: the pool may be given up */
		n = free_rows(pool, nr, pages);
		rcu_read_unlock();
		if (unlikely(!n)) {
			xpool_free_pages(pool, *pages, 0);
			n = 1;
		}
		pages += n;
		nr -= n;
	}
}
EXPORT_SYMBOL_GPL(xpool_free_pages_bulk);
