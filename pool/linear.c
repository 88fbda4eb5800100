// SPDX-License-Identifier: GPL-2.0
/*
 * xlinear: where the regions of a pool lie, as tables. The theory is at the top of
 *
 * include/xalloc/impl/xlinear.h.
 *
 * The tables are made for all regions that may come, so a region that comes or goes changes
 * two words of them.
 */
#include <linux/export.h>
#include <linux/log2.h>

#include "pool.h"

/* The table of a pool whose linear addresses are addresses. */
const long xlinear_same;

/* Of a pool or a cache that has no addresses any more. */
const struct xlinear xlinear_nowhere = XLINEAR_NOWHERE;

/* The first entry is that of linear address @base. */
static int make_from(struct xpool *pool)
{
	size_t bytes = DIV_ROUND_UP(pool->buddy.nr, XPOOL_CHUNK_PAGES) * sizeof(long);

	pool->linear_from = xmeta_alloc(bytes);
	if (!pool->linear_from)
		return -ENOMEM;
	pool->metadata += bytes;
	pool->linear.from = (unsigned long)pool->linear_from -
			    (pool->base >> XLINEAR_SHIFT) * sizeof(long);
	return 0;
}

/* Leads to the block before the first one, or as many away from it as the table has entries. */
static void set_hole(struct xpool *pool, unsigned long slot)
{
	unsigned long before = (pool->base >> XLINEAR_SHIFT) - 1;

	WRITE_ONCE(pool->linear_to[slot], (long)((before - slot) << XLINEAR_SHIFT));
}

/* What addresses regions can have. */
static void find_span(struct xpool *pool)
{
	const struct xregion *last = &pool->regions[pool->nr_fixed - 1];

	if (pool->nr_regions > pool->nr_fixed) {
		xgrow_direct_map(&pool->first_chunk, &pool->nr_chunks);
		return;
	}
	pool->first_chunk = pool->regions[0].addr >> XLINEAR_SHIFT;
	pool->nr_chunks = (last->addr >> XLINEAR_SHIFT) - pool->first_chunk + 1;
}

static int make_to(struct xpool *pool)
{
	unsigned long nr, slot;

	find_span(pool);
	nr = roundup_pow_of_two(max(pool->nr_chunks, pool->nr_regions + 1));
	pool->linear_to = xmeta_alloc(nr * sizeof(long));
	if (!pool->linear_to)
		return -ENOMEM;
	pool->metadata += nr * sizeof(long);
	pool->linear.to = pool->linear_to;
	pool->linear.mask = nr - 1;
	for (slot = 0; slot < nr; slot++)
		set_hole(pool, slot);
	return 0;
}

static unsigned long slot_of(const struct xpool *pool, unsigned long addr)
{
	return addr >> XLINEAR_SHIFT & pool->linear.mask;
}

/* Region @r is at @addr from now on. */
void xlinear_add(struct xpool *pool, unsigned long r, unsigned long addr)
{
	long to = pool->base + (r << XLINEAR_SHIFT) - addr;

	WRITE_ONCE(pool->linear_from[r], -to);
	/* Pairs with the dependency in xlinear_of(): what is found there can be translated. */
	smp_store_release(&pool->linear_to[slot_of(pool, addr)], to);
}

/* No address of region @r leads to it any more. */
void xlinear_del(struct xpool *pool, unsigned long r)
{
	set_hole(pool, slot_of(pool, pool->regions[r].addr));
}

/* Memory that came to the system after the pool was made is not in the tables. */
bool xlinear_fits(const struct xpool *pool, unsigned long addr)
{
	return (addr >> XLINEAR_SHIFT) - pool->first_chunk < pool->nr_chunks;
}

/*
 * Linear addresses begin where the first region does: so they are in the same half of all
 * addresses, and what is added to one has the sign that a shift of it expects.
 */
static int init_several(struct xpool *pool)
{
	unsigned long r;
	int err;

	pool->base = pool->regions[0].addr;
	pool->bytes = pool->buddy.nr << PAGE_SHIFT;
	err = make_from(pool) ?: make_to(pool);
	for (r = 0; !err && r < pool->nr_fixed; r++)
		xlinear_add(pool, r, pool->regions[r].addr);
	return err;
}

/* Once the regions are known; 0 or -ENOMEM, then xlinear_exit() is still to be called. */
int xlinear_init(struct xpool *pool)
{
	unsigned long first = pool->regions[0].index << PAGE_SHIFT;

	pool->linear = xlinear_nowhere;
	if (pool->nr_regions > 1)
		return init_several(pool);
	pool->base = pool->regions[0].addr - first;
	pool->start = first;
	pool->bytes = pool->nr_pages << PAGE_SHIFT;
	return make_from(pool);
}

void xlinear_exit(struct xpool *pool)
{
	pool->linear = xlinear_nowhere;
	pool->bytes = 0;
	xmeta_free(pool->linear_to);
	xmeta_free(pool->linear_from);
	pool->linear_to = NULL;
	pool->linear_from = NULL;
}

/* Where @addr lies in the pool, or XPOOL_FOREIGN. */
unsigned long xpool_offset(const struct xpool *pool, const void *addr)
{
	unsigned long offset = xlinear_of(&pool->linear, addr) - pool->base;
	unsigned long r = offset >> XLINEAR_SHIFT;

	if (offset - pool->start >= pool->bytes)
		return XPOOL_FOREIGN;
	/* A region may be shorter than its page numbers would allow. */
	if (pool->nr_regions > 1 &&
	    (offset >> PAGE_SHIFT) - pool->regions[r].index >= READ_ONCE(pool->regions[r].nr))
		return XPOOL_FOREIGN;
	return offset;
}
