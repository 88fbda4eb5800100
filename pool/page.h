/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files share that serve pages to clients: page.c, bulk.c and magazine.c
 */
#ifndef _XALLOC_POOL_PAGE_H
#define _XALLOC_POOL_PAGE_H

#include <linux/bitops.h>

#include "pool.h"

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

/* Undoes near_nr_of(), whatever that was of; so the page need not be kept. */
static __always_inline struct page *near_page_nr(const struct xpool *pool, unsigned long nr)
{
	return pool->near_page + rol64(nr, XPAGE_PAGE_SHIFT) * XPAGE_PAGE_ODD;
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

/* The struct xpage of one of the pool's one region, or NULL. */
static __always_inline struct xpage *near_xpage(struct xpool *pool, struct page *page)
{
	unsigned long nr = near_nr_of(pool, page);

	return likely(nr < pool->near_nr) ? near_xpage_of(pool, page, nr) : NULL;
}

static inline void *page_addr(struct xpool *pool, struct xpage *page)
{
	return (void *)xpool_addr(pool, xpage_index(pool, page));
}

/* Tell those who watch memory of a block that a client has. */
static inline void tell_page_alloc(struct xpool *pool, struct xpage *page,
				   unsigned int order, gfp_t gfp)
{
	xtools_pages_alloc(pool->tools, page_addr(pool, page), PAGE_SIZE << order, gfp);
}

static inline void tell_bulk_alloc(struct xpool *pool, struct xpage **pages, size_t nr,
				   gfp_t gfp)
{
	while (nr--)
		tell_page_alloc(pool, *pages++, 0, gfp);
}

/* Of @nr blocks in a row that were accepted, before anybody else can have them. */
static inline void tell_page_free(struct xpool *pool, struct xpage *page, unsigned int order,
				  unsigned int nr)
{
	xtools_pages_free(pool->tools, page_addr(pool, page), (PAGE_SIZE << order) * nr);
}

static inline void tell_rows_free(struct xpool *pool, const struct xrow *rows,
				  unsigned int nr)
{
	for (; nr; nr--, rows++)
		tell_page_free(pool, rows->first, 0, rows->nr);
}

/*
 * Hand out a block that came from a magazine; false: it is not what it was when it came there.
 * Kind and order are written at once, here and when it is freed, because both are read at once
 * soon, and a load waits for stores that it spans.
 */
static __always_inline bool make_live(struct xpage *page, unsigned long order)
{
	/* Another CPU changes it only by a client's error; see page.c. */
	if (unlikely(data_race(page->state) != xpage_state(XPAGE_CACHED, order)))
		return false;
	WRITE_ONCE(page->state, xpage_state(XPAGE_LIVE, order));
	return true;
}

/* Is this a block of @order that a client holds? An order may be any number. */
static __always_inline bool is_live(const struct xpage *page, unsigned long order)
{
	return order <= XBUDDY_MAX_ORDER &&
	       likely(READ_ONCE(page->state) == xpage_state(XPAGE_LIVE, order));
}

/* The count of a page of the pool's one region, or 1 where it is not looked at. */
static __always_inline int near_refs(const struct xpool *pool, struct xpage *page)
{
	if (XPAGE_SAME_SIZE)
		/* As xcompat_page_refs(). */
		return data_race(*(int *)((void *)page + pool->near_refs));
	return pool->counts_refs ? xcompat_page_refs(near_page_of(pool, page)) : 1;
}

/*
 * Is this a single page to free, of the pool's one region? Marks it free. An order other than
 * 0 is none, and is seen without a comparison of its own. With preemption off, as in
 * free_block().
 */
static __always_inline bool accept_single(struct xpool *pool, struct xpage *page,
					  unsigned long order)
{
	unsigned long state = READ_ONCE(page->state);

	OPTIMIZER_HIDE_VAR(state);	/* else it is narrow, and widened after it */
	if (unlikely((state ^ XPAGE_LIVE << 8) | order) || unlikely(near_refs(pool, page) != 1))
		return false;
	WRITE_ONCE(page->state, xpage_state(XPAGE_CACHED, 0));
	return true;
}

#endif
