// SPDX-License-Identifier: GPL-2.0
/*
 * pool/linear: where the regions of a pool lie, as tables
 *
 * The theory is at the top of include/xalloc/impl/xlinear.h. A struct page leads to its struct
 * xpage in the same way, and back: both have the same size, and where the kernel has its
 * struct pages in one piece they follow one another as pages do.
 *
 * The tables are made for all regions that may come, so a region that comes or goes changes
 * four words of them.
 */
#include <linux/log2.h>
#include <linux/mm.h>

#include "pool.h"

/* Of a pool or a cache that has no addresses any more. */
const long xpool_linear_none;
const struct xlinear xpool_linear_nowhere = XLINEAR_NOWHERE;

/* Which largest blocks of addresses the memory of the system lies in. */
void xpool_linear_direct_map(unsigned long *first, unsigned long *nr)
{
	unsigned long start = ULONG_MAX, end = 0;
	int nid;

	for_each_online_node(nid) {
		start = min_t(unsigned long, start, node_start_pfn(nid));
		end = max_t(unsigned long, end, node_end_pfn(nid));
	}
	*first = (unsigned long)__va(PFN_PHYS(start)) >> XLINEAR_SHIFT;
	*nr = ((unsigned long)__va(PFN_PHYS(end) - 1) >> XLINEAR_SHIFT) - *first + 1;
}

/*
 * Entries without a region. They lead to the block before the first one, or as many away from
 * it as the table has entries.
 */
static long hole(const struct xpool *pool, unsigned long slot)
{
	unsigned long before = (pool->base >> XLINEAR_SHIFT) - 1;

	return (before - slot) << XLINEAR_SHIFT;
}

static long structs_hole(const struct xpool *pool, unsigned long slot)
{
	/* Where the struct pages of block 0 are, of all there are. */
	unsigned long origin = IS_ENABLED(CONFIG_FLATMEM) ? (unsigned long)pfn_to_page(0) : 0;

	return (unsigned long)pool->pages_mem - origin -
	       ((slot + 1) << (XPAGE_SHIFT + XBUDDY_MAX_ORDER));
}

/* All tables are one piece of memory: two with an entry for each slot, two for each block. */
static int make_tables(struct xpool *pool, unsigned long slots)
{
	unsigned long blocks = DIV_ROUND_UP(pool->buddy.nr, XPOOL_LARGEST_PAGES), slot;
	size_t bytes = 2 * (slots + blocks) * sizeof(long);

	pool->tables.mem = xmeta_alloc(bytes);
	if (!pool->tables.mem)
		return -ENOMEM;
	pool->metadata += bytes;
	for (slot = 0; slot < slots; slot++) {
		pool->tables.mem[slot] = hole(pool, slot);
		pool->tables.mem[slots + slot] = structs_hole(pool, slot);
	}
	pool->linear.to = pool->tables.mem;
	pool->linear.mask = slots - 1;
	pool->linear.from = (unsigned long)(pool->tables.mem + 2 * slots) -
			    (pool->base >> XLINEAR_SHIFT) * sizeof(long);
	pool->structs.to = pool->tables.mem + slots;
	pool->structs.from = pool->tables.mem + 2 * slots + blocks;
	return 0;
}

static unsigned long slot_of(const struct xpool *pool, unsigned long addr)
{
	return addr >> XLINEAR_SHIFT & pool->linear.mask;
}

static unsigned long slot_of_struct(const struct xpool *pool, const struct page *page)
{
	return xpool_page_block_of_struct(page) & pool->linear.mask;
}

/* The entries @from of a region's blocks: back from where @to leads. */
static void set_from(const struct xregion *region, long *from, long to)
{
	unsigned long block = region->index >> XBUDDY_MAX_ORDER;
	unsigned long end = DIV_ROUND_UP(region->index + region->nr, XPOOL_LARGEST_PAGES);

	for (; block < end; block++)
		WRITE_ONCE(from[block], -to);
}

/* Region @r has come. */
void xpool_linear_add(struct xpool *pool, unsigned long r)
{
	const struct xregion *region = &pool->regions[r];
	unsigned long slots = pool->linear.mask + 1;
	long to;

	if (pool->structs.nr) {
		const struct page *page = virt_to_page((void *)region->addr);

		to = (const void *)&pool->pages[region->index] - (const void *)page;
		set_from(region, pool->structs.from, to);
		/* Pairs with xpool_page_of(): what is found there can be translated. */
		smp_store_release(&pool->tables.mem[slots + slot_of_struct(pool, page)], to);
	}
	to = pool->base + (region->index << PAGE_SHIFT) - region->addr;
	set_from(region, pool->tables.mem + 2 * slots, to);
	/* Pairs with the dependency in xlinear_of(): what is found there can be translated. */
	smp_store_release(&pool->tables.mem[slot_of(pool, region->addr)], to);
}

/* Region @r goes: none of its addresses leads to it any more. */
void xpool_linear_del(struct xpool *pool, unsigned long r)
{
	unsigned long addr = pool->regions[r].addr, slot = slot_of(pool, addr);

	WRITE_ONCE(pool->tables.mem[slot], hole(pool, slot));
	if (!pool->structs.nr)
		return;
	slot = slot_of_struct(pool, virt_to_page((void *)addr));
	WRITE_ONCE(pool->tables.mem[pool->linear.mask + 1 + slot], structs_hole(pool, slot));
}

/* Memory that came to the system after the pool was made is not in the tables. */
bool xpool_linear_fits(const struct xpool *pool, unsigned long addr)
{
	return (addr >> XLINEAR_SHIFT) - pool->tables.first_block < pool->tables.nr_blocks;
}

/* Of several regions, each must have its struct pages in one block, as it has its pages. */
static bool structs_fit(const struct xpool *pool)
{
	const struct xregion *region = &pool->regions[0];
	const struct page *page = virt_to_page((void *)region->addr), *last = page + region->nr - 1;

	return pool->nr_regions == 1 ||
	       xpool_page_block_of_struct(page) == xpool_page_block_of_struct(last);
}

/*
 * Linear addresses of several regions begin where the first one does: so they are in the same
 * half of all addresses, and what is added to one has the sign that a shift of it expects.
 */
static void number_pages(struct xpool *pool)
{
	const struct xregion *region = &pool->regions[0];

	pool->start = region->index << PAGE_SHIFT;
	pool->base = region->addr - pool->start;
	pool->span.nr = pool->buddy.nr - region->index;
	pool->bytes = pool->span.nr << PAGE_SHIFT;
	pool->span.first = region->addr;
	pool->span.scale = (pool->span.first >> (PAGE_SHIFT - XPAGE_SHIFT)) -
			   (unsigned long)pool->pages_mem;
	if (XPAGE_STRUCTS_FOLLOW && pool->has_struct_page && structs_fit(pool))
		pool->structs.nr = pool->span.nr;
}

/* Once the regions and their metadata are there; 0 or -ENOMEM. */
int xpool_linear_init(struct xpool *pool)
{
	const struct xregion *last = &pool->regions[pool->nr_fixed - 1];
	unsigned long first = pool->regions[0].addr >> XLINEAR_SHIFT;
	unsigned long nr = (last->addr >> XLINEAR_SHIFT) - first + 1, slots = 1, r;

	number_pages(pool);
	if (pool->nr_regions > pool->nr_fixed)
		xpool_linear_direct_map(&first, &nr);
	pool->tables.first_block = first;
	pool->tables.nr_blocks = nr;
	if (pool->nr_regions > 1)
		slots = roundup_pow_of_two(max(nr, pool->nr_regions + 1));
	if (make_tables(pool, slots))
		return -ENOMEM;
	for (r = 0; r < pool->nr_fixed; r++)
		xpool_linear_add(pool, r);
	return 0;
}

/*
 * No address is in the pool any more. A client of a pool whose destruction was refused may
 * still come, and looks at the tables with preemption off: then all look at the first entry.
 */
void xpool_linear_close(struct xpool *pool)
{
	WRITE_ONCE(pool->span.nr, 0);
	WRITE_ONCE(pool->structs.nr, 0);
	WRITE_ONCE(pool->bytes, 0);
	WRITE_ONCE(pool->linear.mask, 0);
	synchronize_rcu_expedited();
}

/* After that, if the pool was ever seen. */
void xpool_linear_exit(struct xpool *pool)
{
	pool->linear = xpool_linear_nowhere;
	WRITE_ONCE(pool->structs.to, &xpool_linear_none);
	synchronize_rcu_expedited();	/* and none at these tables */
	xmeta_free(pool->tables.mem);
	pool->tables.mem = NULL;
}

/*
 * Where @addr lies in the pool, or XPOOL_FOREIGN. With preemption off, or for a caller that
 * holds the pool.
 */
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
