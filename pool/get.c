// SPDX-License-Identifier: GPL-2.0
/*
 * pool/get: blocks are taken from the pool
 *
 * Order of satisfaction
 *
 *	1. pages that NMIs freed while the lock was taken are put back
 *	2. for clients: the block of that order that was freed last
 *	3. the buddy system, as far as the limits allow; of a pool that grows, regions that
 *	   serve the kind of the block
 *	4. the blocks of other orders that were freed last are put back
 *	5. a pool that grows, for a request that may sleep: a region that comes
 *	6. regions that serve the other kind
 *	7. holders (struct xholder) that keep empty slabs or magazines of pages are
 *	   asked to give back, one after the other, until there is a block
 *
 * Limits
 *
 * A block comes from the buddy system in one place for one and in one for many,
 * and both first ask how many pages may still be taken (xpool_allowance()):
 *
 *	obtainable = min(free, hard - in use), for ordinary needs less the reserve
 *
 * A reserve of n pages is made of blocks. For each order j the free blocks of at least
 * that order could be split into
 *
 *	blocks(j) = sum over i >= j of nr_free(i) * 2^(i - j)
 *
 * and after an ordinary allocation that must be n / 2^j or more, rounded down, as far as the
 * pool could ever have that many. So an urgent request gets a block of any order for which the
 * reserve has room. A block of order k that is cut from one of order m takes 2^(k - j) from
 * blocks(j) up to k, and one from there to m; so small blocks are broken first, and those
 * that are too large not at all (xpool_breakable()). Without a reserve none of this is looked
 * at. Regions that go back to the system, and pages that mend a slab, are ordinary too.
 *
 * The numbers and the limits belong to the same lock, so no limit is exceeded for
 * an instant. A block that was freed last is in use all the time. Limits are set
 * in pool/limit.c; pools that grow are in pool/grow.c, and are told here which pages
 * come into use and go out of it.
 */

#include "pool.h"

/* Rows of blocks that are taken under one lock: in a pool that is in pieces each is a block. */
#define XPOOL_ROWS	32U

static struct xpage *take_last_freed(struct xpool *pool, unsigned int order)
{
	struct xpage *page = pool->last_freed.block[order];

	if (!page)
		return NULL;
	pool->last_freed.block[order] = NULL;
	pool->last_freed.nr_pages -= 1UL << order;
	if (likely(READ_ONCE(page->state) == xpool_page_state(XPAGE_CACHED, order)))
		return page;
	xpool_note_lost(pool, page);
	return NULL;
}

/* The blocks of a row are used for @kind from now on. A row is cut from one block. */
static __always_inline void own_row(struct xpool *pool, unsigned long index, unsigned int nr,
				    unsigned int order, enum xpool_page_kind kind,
				    struct xpage **pages)
{
	struct xpage *page = &pool->pages[index];
	unsigned long size = 1UL << order;
	u16 state = xpool_page_state(kind, order);
	unsigned int i;

	for (i = 0; i < nr; i++, page += size) {
		WRITE_ONCE(page->state, state);
		pages[i] = page;
	}
	if (kind != XPAGE_SLAB && pool->counts_refs)
		xpool_refs_set(pool, pages[0], nr * size, 1);
	count_pages(pool, kind, nr * size);
	pool->counts.gets += nr;
	if (unlikely(pool->grow))
		xpool_region_use(pool, pages[0], nr * size);
}

/* Pages for clients, in a pool that grows, lie with the objects of about their size. */
static bool is_at_top(unsigned int order, enum xplace place)
{
	return place == XPLACE_FIT ? order > XPOOL_SMALL_ORDER : place == XPLACE_TOP;
}

/* The blocks of a run that was taken are a client's. Under the lock. */
void xpool_own_run(struct xpool *pool, unsigned long index, unsigned long nr)
{
	unsigned long end = index + nr;
	unsigned int order;
	struct xpage *page;

	lockdep_assert_held(&pool->lock);
	if (pool->grow)
		xpool_region_serve(pool, index, xpool_run_kind(nr));
	for (; index < end; index += 1UL << order) {
		order = xbuddy_run_order(index, end - index);
		own_row(pool, index, 1, order, XPAGE_LIVE, &page);
	}
}

/* There is no run of @nr pages, in a pool that grows: the worker should know of it. */
void xpool_starve(struct xpool *pool, unsigned long nr)
{
	unsigned long flags;

	if (!xlock(&pool->lock, &flags))
		return;
	WRITE_ONCE(pool->grow->starved, pool->grow->starved | BIT(xpool_run_kind(nr)));
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	xpool_grow_wake(pool);
}

/*
 * Like xbuddy_alloc_row(), but of what the reserve leaves, and what lies in regions that serve the
 * kind. @any_region: also of regions that serve the other kind.
 */
static noinline unsigned int take_row_restricted(struct xpool *pool, unsigned int order,
						 unsigned int nr, bool whole,
						 enum xpool_need need, enum xplace place,
						 bool any_region, unsigned long *index)
{
	bool top = is_at_top(order, place);
	struct xbuddy_part part = { .to = pool->buddy.nr, .top = top };
	unsigned int more;
	int most;

	if (!nr)
		return 0;
	more = min_t(unsigned int, ilog2(nr), XBUDDY_MAX_ORDER - order);
	while ((most = xpool_breakable(pool, order + more, need)) < 0 && more)
		more--;
	if (most < 0)
		return 0;
	nr = 1U << more;
	part.most = most;
	if (!pool->grow && place == XPLACE_FIT) {
		/* The smallest block is the one that hurts a reserve least. */
		unsigned long candidates = pool->buddy.orders >> order;

		if (!candidates || order + __ffs(candidates) > most)
			return 0;
		return xbuddy_alloc_row(&pool->buddy, order, nr, whole, index);
	}
	if (pool->grow && !any_region)
		nr = xpool_region_take(pool, order, nr, whole, &part, index);
	else
		nr = xbuddy_alloc_part(&pool->buddy, order, nr, whole, &part, index);
	if (nr && pool->grow)
		xpool_region_serve(pool, *index, top ? XSERVES_LARGE : XSERVES_SMALL);
	return nr;
}

/* May a request not take just any free block? */
static __always_inline bool is_restricted(const struct xpool *pool)
{
	return unlikely(pool->grow) || unlikely(pool->limits.reserve);
}

static long take_block(struct xpool *pool, unsigned int order, enum xpool_need need,
		       enum xplace place, bool any_region)
{
	if (unlikely(!(xpool_allowance(pool, need) >> order)))
		return -ENOSPC;
	if (is_restricted(pool)) {
		unsigned long index;

		return take_row_restricted(pool, order, 1, false, need, place, any_region,
					   &index) ? index : -ENOSPC;
	}
	if (place == XPLACE_FIT)
		return xbuddy_alloc(&pool->buddy, order);
	return xbuddy_alloc_in(&pool->buddy, order, 0, pool->buddy.nr, place == XPLACE_TOP);
}

/* The limits leave no room for such a block, whatever the pool has. */
static bool is_over_hard(const struct xpool *pool, unsigned int order, enum xpool_need need)
{
	unsigned long reserve = need == XPOOL_URGENT ? 0 : READ_ONCE(pool->limits.reserve);
	unsigned long room = xpool_hard_room(pool);

	return room < reserve || !((room - reserve) >> order);
}

/* Apart from get_locked(), so that a pair of the block that was freed last saves no registers. */
static noinline struct xpage *get_cold(struct xpool *pool, unsigned int order,
				       enum xpool_need need, enum xplace place, bool any_region)
{
	struct xpage *page;
	long index;

	index = take_block(pool, order, need, place, false);
	if (unlikely(index < 0 && xpool_put_last_freed(pool)))
		index = take_block(pool, order, need, place, false);
	if (unlikely(index < 0) && pool->grow && any_region) {
		/* From a region of the other kind; the worker should know of it. */
		if (!is_over_hard(pool, order, need))
			WRITE_ONCE(pool->grow->starved, pool->grow->starved |
				   BIT(is_at_top(order, place) ? XSERVES_LARGE : XSERVES_SMALL));
		index = take_block(pool, order, need, place, true);
	}
	if (unlikely(index < 0))
		return NULL;
	own_row(pool, index, 1, order, place == XPLACE_FIT ? XPAGE_LIVE : XPAGE_SLAB, &page);
	return page;
}

static __always_inline struct xpage *get_locked(struct xpool *pool, unsigned int order,
						enum xpool_need need, enum xplace place,
						bool any_region)
{
	lockdep_assert_held(&pool->lock);
	if (place == XPLACE_FIT) {
		struct xpage *page = take_last_freed(pool, order);

		if (page) {
			WRITE_ONCE(page->kind, XPAGE_LIVE);
			return page;
		}
	}
	return get_cold(pool, order, need, place, any_region);
}

static __always_inline struct xpage *get_once(struct xpool *pool, unsigned int order,
					      enum xpool_need need, enum xplace place,
					      bool any_region)
{
	struct xpage *page;
	unsigned long flags;

	if (!xlock(&pool->lock, &flags))
		return NULL;
	xpool_put_deferred(pool);
	page = get_locked(pool, order, need, place, any_region);
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	return page;
}

/*
 * Take up to @nr blocks of 2^@order pages for @kind, as many as the limits allow,
 * without asking holders to give back, and XPOOL_ROWS rows at most. Any context. Returns
 * how many.
 *
 * A refill of a magazine, which need not be full, breaks no block for its rest: to
 * do so after many small rows would be the longest of all operations.
 */
unsigned int xpool_get_many(struct xpool *pool, unsigned int order,
			    enum xpool_page_kind kind, enum xpool_need need,
			    struct xpage **pages, unsigned int nr)
{
	unsigned int got = 0, rows = XPOOL_ROWS, n;
	unsigned long index, flags;

	if (!xlock(&pool->lock, &flags))
		return 0;
	xpool_put_deferred(pool);
	nr = min_t(unsigned long, nr, xpool_allowance(pool, need) >> order);
	while (rows--) {
		bool whole = got && kind == XPAGE_CACHED;

		n = is_restricted(pool) ?
		    take_row_restricted(pool, order, nr - got, whole, need, XPLACE_FIT, false,
					&index) :
		    xbuddy_alloc_row(&pool->buddy, order, nr - got, whole, &index);
		if (!n)
			break;
		own_row(pool, index, n, order, kind, pages + got);
		got += n;
	}
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	if (unlikely(pool->grow))
		xpool_grow_wake(pool);
	return got;
}

/*
 * The holders are asked for pages, one after the other, until there is a block; of an
 * order that no block has, each of them. Any context but NMI. Returns how many came.
 */
static unsigned long ask_holders(struct xpool *pool, unsigned int order, enum xpool_need need)
{
	struct xholder *holder;
	unsigned long got = 0;

	rcu_read_lock();
	list_for_each_entry_rcu(holder, &pool->holders, entry.node) {
		got += holder->reclaim(holder);
		/* Is there a block, as far as can be seen without the lock? */
		if (READ_ONCE(pool->buddy.orders) >> order &&
		    xpool_allowance(pool, need) >> order &&
		    xpool_breakable(pool, order, need) >= 0)
			break;
	}
	rcu_read_unlock();
	return got;
}

/* Each holder gives a few pages back. Any context but NMI; returns how many. */
unsigned long xpool_ask_holders(struct xpool *pool)
{
	return ask_holders(pool, XBUDDY_NR_ORDERS, XPOOL_ORDINARY);
}

/* What is there, wherever it is, and what holders keep. */
static __always_inline struct xpage *get_or_ask(struct xpool *pool, unsigned int order,
						enum xpool_need need, enum xplace place)
{
	/* What other CPUs take meanwhile must not keep this one asking. */
	unsigned long asked = 0, most = READ_ONCE(pool->nr_pages), got;
	struct xpage *page;

	do {
		page = get_once(pool, order, need, place, true);
		if (likely(page) || in_nmi() || asked > most)
			break;
		got = ask_holders(pool, order, need);
		asked += got;
	} while (got);
	return page;
}

/*
 * Like xpool_get_for(), but no client is asked to give back, and the pool neither grows
 * for it nor gives what it has for the other kind of blocks.
 */
struct xpage *xpool_try(struct xpool *pool, unsigned int order, enum xpool_need need,
			enum xplace place)
{
	return get_once(pool, order, need, place, false);
}

/* A region for such a block, of a pool that may grow; or NULL. May sleep. */
struct page *xpool_fetch_region(struct xpool *pool, unsigned int order, enum xpool_need need,
				gfp_t gfp)
{
	return is_over_hard(pool, order, need) ? NULL : xpool_grow_fetch(pool, gfp);
}

/*
 * A region comes, and a block of it is taken at the same instant: so no other request gets the
 * region, and it is never empty, which the limit of what is cached may forbid.
 */
struct xpage *xpool_get_of_region(struct xpool *pool, unsigned int order, enum xpool_need need,
				  enum xplace place, struct page *region)
{
	enum xserves serves = is_at_top(order, place) ? XSERVES_LARGE : XSERVES_SMALL;
	unsigned long r, flags;
	struct xpage *page;

	raw_spin_lock_irqsave(&pool->lock, flags);
	xpool_put_deferred(pool);
	page = get_locked(pool, order, need, place, false);
	if (!page && xpool_grow_add(pool, serves, region, &r)) {
		page = get_locked(pool, order, need, place, false);
		if (xpool_grow_added(pool, r))
			region = NULL;
	}
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	if (region)
		xpool_grow_drop(pool, region);
	return page;
}

/*
 * Take a block of 2^@order pages, for what @place says, for a client that said @gfp: where it
 * may sleep, a pool that may grow does so before it gives what it has for the other kind of
 * blocks. Any context. Returns its first page, or NULL: there is none that @need may have, or
 * this is an NMI that found the lock taken.
 */
struct xpage *xpool_get_for(struct xpool *pool, unsigned int order, enum xpool_need need,
			    enum xplace place, gfp_t gfp)
{
	struct xpage *page = NULL;
	struct page *region;

	if (unlikely(order > XBUDDY_MAX_ORDER))
		return NULL;
	if (unlikely(pool->grow) && gfpflags_allow_blocking(gfp)) {
		page = xpool_try(pool, order, need, place);
		region = page ? NULL : xpool_fetch_region(pool, order, need, gfp);
		if (region)
			page = xpool_get_of_region(pool, order, need, place, region);
	}
	if (likely(!page))
		page = get_or_ask(pool, order, need, place);
	if (unlikely(pool->grow))
		xpool_grow_wake(pool);
	return page;
}

/* One page, if it is free and the reserve does not need the block that holds it. */
static bool get_this(struct xpool *pool, struct xpage *page, enum xpool_need need)
{
	unsigned long index = xpool_page_index(pool, page);
	struct xbuddy_block block;

	if (!xpool_allowance(pool, need) || xbuddy_lookup(&pool->buddy, index, &block) ||
	    (int)block.order > xpool_breakable(pool, 0, need) ||
	    xbuddy_alloc_range(&pool->buddy, 0, index, index + 1) < 0)
		return false;
	own_row(pool, index, 1, 0, XPAGE_SLAB, &page);
	return true;
}

/*
 * Take those pages from @first on that are set in @wanted and free, for a slab, one by one, as
 * far as limits allow. Any context but NMI. Returns which they are.
 */
unsigned long xpool_get_these(struct xpool *pool, struct xpage *first, unsigned long wanted,
			      enum xpool_need need)
{
	unsigned long got = 0, flags;
	unsigned int i;

	raw_spin_lock_irqsave(&pool->lock, flags);
	xpool_put_deferred(pool);
	for_each_set_bit(i, &wanted, BITS_PER_LONG)
		if (get_this(pool, first + i, need))
			got |= BIT(i);
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	return got;
}
