/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files share that serve pages to clients: page.c, bulk.c and magazine.c
 */
#ifndef _XALLOC_POOL_PAGE_H
#define _XALLOC_POOL_PAGE_H

#include <linux/bitops.h>

#include "pool.h"

/* The magazines of one order. */
struct xpool_page_mag {
	struct xmag	mag;
	struct xpool	*pool;
	unsigned int	order;
};

/**
 * struct xpool_page_mags - the magazines of a pool
 * @holder: gives the depots' blocks back when the pool runs dry
 * @shut: they are kept empty, because of the pool's limits
 * @nr: orders that have magazines: 0 to @nr - 1
 * @by_order: the magazines
 */
struct xpool_page_mags {
	struct xholder		holder;
	bool			shut;
	unsigned int		nr;
	struct xpool_page_mag	by_order[XPOOL_MAG_ORDERS];
};

/**
 * struct xpage_request - what a client wants
 * @pool: from this pool
 * @order: blocks of 2^@order pages
 * @gfp: what the client said
 * @nr: how many
 * @take: takes all of them or none, of what is there and @gfp allows
 * @page: the block, where it is one
 * @pages: for many
 * @run: for a run
 */
struct xpage_request {
	struct xpool	*pool;
	unsigned long	order;
	gfp_t		gfp;
	size_t		nr;
	bool		(*take)(struct xpage_request *request, gfp_t gfp);
	struct xpage	*page;
	struct page	**pages;
	const struct xpool_request *run;
};

/* Of any struct page, where they follow one another; see pool/linear.c. */
static __always_inline struct xpage *xpool_page_of(const struct xpool *pool,
						   const struct page *page)
{
	unsigned long block = xpool_page_block_of_struct(page);

	/* A word, which changes only while no client has a page there. */
	return (void *)page + data_race(pool->structs.to[block & pool->linear.mask]);
}

/* Its number from the pool's first page on. What is none of the pool's has a larger one. */
static __always_inline unsigned long xpool_page_nr(const struct xpool *pool,
						   const struct xpage *page)
{
	/* What is no multiple of the size is rotated to something huge. */
	return ror64((const void *)page - (void *)pool->pages_mem, XPAGE_SHIFT);
}

static inline void *page_addr(const struct xpool *pool, const struct xpage *page)
{
	return (void *)xpool_addr(pool, xpool_page_index(pool, page));
}

/* The struct page of one of the pool. */
static __always_inline struct page *struct_page_of(const struct xpool *pool, void *page)
{
	unsigned long block = (page - (void *)pool->pages) >> (XPAGE_SHIFT + XBUDDY_MAX_ORDER);

	if (!XPAGE_STRUCTS_FOLLOW)
		return virt_to_page(page_addr(pool, page));
	return page + data_race(pool->structs.from[block]);	/* set before any is used */
}

/* page.c */
struct xpage *xpool_page_take_now(struct xpool *pool, unsigned long order, gfp_t gfp);
bool xpool_page_take_slow(struct xpage_request *request);

/* Tell the kernel's tools of a block that a client has. */
static inline void tools_alloc_pages(struct xpool *pool, struct xpage *page,
				     unsigned int order, gfp_t gfp)
{
	xtools_pages_alloc(pool->tools, page_addr(pool, page), PAGE_SIZE << order, gfp);
}

/* Tell them of a row of @nr blocks that were accepted, before these have another owner. */
static inline void tools_free_pages(struct xpool *pool, struct xpage *page, unsigned int order,
				    unsigned int nr)
{
	xtools_pages_free(pool->tools, page_addr(pool, page), (PAGE_SIZE << order) * nr);
}

/*
 * Hand out a block that came from a magazine. Returns false if it is not what it was when
 * it came there. Kind and order are written at once, here and when it is freed, because
 * both will soon be read at once, and a load waits for stores that it spans.
 */
static __always_inline bool make_live(struct xpage *page, unsigned long order)
{
	/* Another CPU changes it only by a client's error; see page.c. */
	if (unlikely(data_race(page->state) != xpool_page_state(XPAGE_CACHED, order)))
		return false;
	WRITE_ONCE(page->state, xpool_page_state(XPAGE_LIVE, order));
	return true;
}

/* Is this a single page that a client holds? An order other than 0 needs no comparison. */
static __always_inline bool is_single(const struct xpage *page, unsigned long order)
{
	unsigned long state = READ_ONCE(page->state);

	OPTIMIZER_HIDE_VAR(state);	/* else it is narrow, and widened after it */
	return likely(!((state ^ XPAGE_LIVE << 8) | order));
}

/* Is the client's reference to its page the only one? */
static __always_inline bool has_one_ref(const struct page *page)
{
	return likely(xcompat_page_refs(page) == 1);
}

/* A block that was accepted. With preemption off since it was looked at, as in free_block(). */
static __always_inline void make_cached(struct xpage *page, unsigned long order)
{
	WRITE_ONCE(page->state, xpool_page_state(XPAGE_CACHED, order));
}

#endif
