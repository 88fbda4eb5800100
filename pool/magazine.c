// SPDX-License-Identifier: GPL-2.0
/*
 * pool/magazine: blocks of pages in magazines
 *
 * A magazine never holds more than 64 blocks. A refill takes at most 32, and after the
 * first row none that is a part of a larger block. So it takes no longer in a pool that is
 * in pieces, and does not break what is whole. (With 64 a refill took longest of all
 * operations.) A magazine also holds no more than 1/96 of the pool's blocks of that order,
 * divided by the CPUs, so that the five orders together keep at most a ninth of the pool
 * from other CPUs, and the metadata within bounds however far apart the regions lie. A pool that
 * is too small for that has no magazines.
 */
#include <linux/string.h>

#include "page.h"

#define XPAGE_REFILL	32U	/* blocks; see above */
#define XPAGE_DEPOT	3U	/* magazines: a CPU's two can go, and one waits */

/*
 * What lies below the magazines
 */

static unsigned int page_fill(struct xmag *mag, void **objs, unsigned int nr)
{
	struct xpool_page_mag *blocks = container_of(mag, struct xpool_page_mag, mag);

	return xpool_get_many(blocks->pool, blocks->order, XPAGE_CACHED, XPOOL_ORDINARY,
			      (struct xpage **)objs, min(nr, XPAGE_REFILL));
}

static void page_drain(struct xmag *mag, void **objs, unsigned int nr)
{
	struct xpool_page_mag *blocks = container_of(mag, struct xpool_page_mag, mag);

	xpool_put_many(blocks->pool, (struct xpage **)objs, nr,
		       xpool_page_state(XPAGE_CACHED, blocks->order));
}

static const struct xmag_ops page_ops = {
	.fill	= page_fill,
	.drain	= page_drain,
};

static struct xpool_page_mags *mags_of(struct xholder *holder)
{
	return container_of(holder, struct xpool_page_mags, holder);
}

/* For the magazines of each order. */
static void for_all(struct xpool_page_mags *mags, void (*what)(struct xmag *mag))
{
	unsigned int i;

	for (i = 0; i < mags->nr; i++)
		what(&mags->by_order[i].mag);
}

/* Like for_all(), of what returns blocks; returns the pages. */
static unsigned long sum_up(struct xpool_page_mags *mags, unsigned long (*what)(struct xmag *mag))
{
	unsigned long pages = 0;
	unsigned int i;

	for (i = 0; i < mags->nr; i++)
		pages += what(&mags->by_order[i].mag) << i;
	return pages;
}

static unsigned long reclaim(struct xmag *mag)
{
	return xmag_drain_here(mag) + xmag_drain_depot(mag);
}

static unsigned long page_reclaim(struct xholder *holder)
{
	return sum_up(mags_of(holder), reclaim);
}

/* What is kept for the next goes to the pool; @how empties magazines. May sleep. */
void xpool_mags_empty(struct xpool *pool, void (*how)(struct xmag *mag))
{
	for_all(pool->mags, how);
	xpool_drain_idle(pool);
}

/* Before the pool is used. */
void xpool_mags_set_watch(struct xpool *pool, struct xwatch *watch)
{
	unsigned int i;

	for (i = 0; i < pool->mags->nr; i++)
		xmag_set_watch(&pool->mags->by_order[i].mag, watch);
}

void xpool_mags_close(struct xholder *holder)
{
	for_all(mags_of(holder), xmag_shut);
}

unsigned long xpool_mags_drain_closed(struct xholder *holder)
{
	return sum_up(mags_of(holder), xmag_drain_closed);
}

static void page_open(struct xholder *holder)
{
	for_all(mags_of(holder), xmag_unshut);
}

static unsigned long count_held(struct xmag *mag)
{
	struct xmag_count count;

	xmag_count(mag, &count);
	return count.cpus + count.depot;
}

unsigned long xpool_mags_pages(struct xholder *holder)
{
	return sum_up(mags_of(holder), count_held);
}

/* What the magazines hold goes to the pool, and nothing comes into them. */
static void page_shut(struct xholder *holder, bool shut)
{
	struct xpool_page_mags *mags = mags_of(holder);
	unsigned int i;

	if (mags->shut == shut)
		return;
	mags->shut = shut;
	for (i = 0; i < mags->nr; i++)
		xmag_set_closed(&mags->by_order[i].mag, shut);
}

/* Shorter magazines are not worth the memory that they take on each CPU. */
#define XPAGE_MIN_MAGAZINE	4U
#define XPAGE_MAGAZINE_PART	96	/* of the pool's blocks; see above */

static unsigned int magazine_size(struct xpool *pool, unsigned int order)
{
	unsigned long blocks = pool->nr_pages >> order;
	unsigned long fair = blocks / (XPAGE_MAGAZINE_PART * num_possible_cpus());

	return fair < XPAGE_MIN_MAGAZINE ? 0 : min_t(unsigned long, fair, XMAG_MAX_SIZE >> order);
}

void xpool_mags_detach(struct xpool *pool)
{
	struct xpool_page_mags *mags = pool->mags;

	xpool_del_holder(&mags->holder);
	while (mags->nr)
		xmag_destroy(&mags->by_order[--mags->nr].mag);
	WRITE_ONCE(pool->mags, NULL);
	xmeta_free(mags);
}

/* The fast paths do not tell the kernel's tools, so a watched pool takes the slow ones. */
static void open_routes(struct xpool *pool)
{
	unsigned int order;

	for (order = 0; order < XBUDDY_NR_ORDERS; order++)
		pool->cpus[order] = &xmag_closed;
	pool->page_orders = pool->structs.nr ? XBUDDY_NR_ORDERS : 0;
	if (xtools_watch(pool->tools))
		return;
	for (order = 0; order < pool->mags->nr; order++)
		xmag_set_route(&pool->mags->by_order[order].mag, &pool->cpus[order]);
}

/* Once the pool has all that its fast paths use. */
int xpool_mags_attach(struct xpool *pool)
{
	struct xpool_page_mags *mags = xmeta_alloc(sizeof(*mags));
	unsigned int size;
	int err = 0;

	if (!mags)
		return -ENOMEM;
	pool->mags = mags;
	mags->holder = (struct xholder){
		.reclaim = page_reclaim, .collect = page_reclaim, .close = xpool_mags_close,
		.drain = xpool_mags_drain_closed, .open = page_open,
		.in_magazines = xpool_mags_pages, .shut = page_shut,
	};
	xpool_add_holder(pool, &mags->holder);
	while (mags->nr < XPOOL_MAG_ORDERS && (size = magazine_size(pool, mags->nr))) {
		struct xpool_page_mag *blocks = &mags->by_order[mags->nr];

		blocks->pool = pool;
		blocks->order = mags->nr;
		err = xmag_init(&blocks->mag, &page_ops, size, XPAGE_DEPOT);
		if (err)
			break;
		pool->metadata += blocks->mag.metadata;
		mags->holder.most += xmag_capacity(&blocks->mag) << blocks->order;
		mags->nr++;
	}
	if (err)
		xpool_mags_detach(pool);
	else
		open_routes(pool);
	return err;
}
