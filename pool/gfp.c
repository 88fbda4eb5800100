// SPDX-License-Identifier: GPL-2.0
/*
 * pool/gfp: flags of a request, honoured or refused
 *
 * Most gfp flags say what may be done to find memory. A pool has what it has, so they are
 * honoured without doing anything. A few say what the memory must be like:
 *
 *	__GFP_DMA	below 16 MiB, or in the kernel's zone of that name
 *	__GFP_DMA32	below 4 GiB, or in the kernel's zone of that name
 *	__GFP_COMP	a compound page, where there are several pages
 *
 * No block of a pool is a compound page. When a pool is made, it is found out whether all
 * of it lies where the first two want it: by physical addresses where they are known, that
 * is in the direct map and in ranges reserved with memmap=; otherwise it does not. A pool
 * that grows may have any memory of the system tomorrow. A request that the pool cannot
 * satisfy gets NULL, and the first one a line in the log: memory out of the reach of a
 * device would be worse than none. Documentation/api.md has a line for each flag.
 *
 * The fast paths look at these flags with the same instruction as at __GFP_ZERO, so they
 * cost nothing to requests without them.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/bitops.h>
#include <linux/io.h>

#include "pool.h"

/* Behind the last byte of a range of addresses in the direct map. */
static phys_addr_t physical_end(unsigned long addr, unsigned long pages)
{
	return virt_to_phys((void *)addr) + ((phys_addr_t)pages << PAGE_SHIFT);
}

/* Behind the last byte that the pool may ever have; PHYS_ADDR_MAX: it is not known. */
static phys_addr_t end_of(const struct xpool *pool)
{
	unsigned long r, first, nr;
	phys_addr_t end = 0;

	if (pool->range.source == XPOOL_BASE)
		return pool->range.phys + ((phys_addr_t)pool->nr_pages << PAGE_SHIFT);
	if (!pool->has_struct_page && !virt_addr_valid((void *)pool->regions[0].addr))
		return PHYS_ADDR_MAX;
	if (pool->grow) {
		xpool_linear_direct_map(&first, &nr);
		return physical_end(first << XPOOL_LARGEST_SHIFT, nr << XBUDDY_MAX_ORDER);
	}
	for (r = 0; r < pool->nr_regions; r++)
		end = max(end, physical_end(pool->regions[r].addr, pool->regions[r].nr));
	return end;
}

/* Does all of the pool lie below @most, or else in the zone of the kernel for @flag, if any? */
static bool reaches(const struct xpool *pool, phys_addr_t end, gfp_t flag, phys_addr_t most)
{
	enum zone_type zone = gfp_zone(flag);

	if (end <= most)
		return true;
	/* Zones lie one above the other: the last page tells for all. */
	return zone < ZONE_NORMAL && pool->range.source == XPOOL_SYSTEM && !pool->grow &&
	       page_zonenum(pfn_to_page(PHYS_PFN(end - 1))) <= zone;
}

/* Once the pool's memory is known. */
void xpool_gfp_init(struct xpool *pool)
{
	phys_addr_t end = end_of(pool);

	pool->gfp.refused = __GFP_COMP;
	if (reaches(pool, end, __GFP_DMA, SZ_16M))
		return;
	pool->gfp.refused |= __GFP_DMA;
	if (!reaches(pool, end, __GFP_DMA32, SZ_4G))
		pool->gfp.refused |= __GFP_DMA32;
}

static const char *what_fails(gfp_t flag)
{
	if (flag == __GFP_COMP)
		return "__GFP_COMP: blocks of a pool are no compound pages; leave it out";
	return flag == __GFP_DMA ?
	       "__GFP_DMA: not all of it lies below 16 MiB; give the device a pool that does" :
	       "__GFP_DMA32: not all of it lies below 4 GiB; give the device a pool that does";
}

/*
 * A request has flags @gfp that the pool cannot satisfy: say so, once for each. Any
 * context. Always true.
 */
noinline bool xpool_gfp_refuse(struct xpool *pool, gfp_t gfp)
{
	unsigned long flags = (__force unsigned long)gfp;
	unsigned int bit;

	for_each_set_bit(bit, &flags, BITS_PER_LONG)
		if (!test_and_set_bit(bit, &pool->gfp.logged))
			pr_err("pool %s: %s\n", pool->name, what_fails((__force gfp_t)BIT(bit)));
	return true;
}
