// SPDX-License-Identifier: GPL-2.0
/*
 * pool/range: where the memory of a pool comes from
 *
 * Where the system has no such run free, the range is made of blocks of 4 MiB, each a region of
 * its own, sorted by address and given consecutive page numbers (linear.c). Pools that grow are
 * always made so.
 *
 * Memory of the system is looked for where it is whole: one run of it in a zone of a node, or else
 * blocks of 4 MiB. What was reserved at boot is checked against what the system says of it.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/kernel.h>
#include <linux/sort.h>

#include "pool.h"

static int one_region(struct xpool *pool, void *addr)
{
	struct xregion *region = xmeta_alloc(sizeof(*region));

	if (!region)
		return -ENOMEM;
	*region = (struct xregion){
		.addr = (unsigned long)addr,
		.nr = pool->nr_pages,
		/* A block is aligned in page numbers as it is in addresses. */
		.index = ((unsigned long)addr >> PAGE_SHIFT) % XPOOL_LARGEST_PAGES,
	};
	pool->regions = region;
	pool->nr_regions = 1;
	pool->nr_fixed = 1;
	return 0;
}

/* The first page of [@pfn, @end) that @zone could not give away, or @end. */
static unsigned long obstacle(struct zone *zone, unsigned long pfn, unsigned long end)
{
	for (; pfn < end; pfn++) {
		struct page *page = pfn_to_online_page(pfn);

		if (!page || page_zone(page) != zone || PageReserved(page))
			break;
	}
	return pfn;
}

/*
 * alloc_contig_pages() does this, but is exported only by newer kernels; what
 * it is made of is exported by all.
 */
static struct page *run_in_zone(struct zone *zone, unsigned long nr)
{
	unsigned long pfn = ALIGN(zone->zone_start_pfn, XPOOL_LARGEST_PAGES);

	while (pfn + nr <= zone_end_pfn(zone)) {
		unsigned long stop = obstacle(zone, pfn, pfn + nr);

		if (stop == pfn + nr) {
			if (!xcompat_alloc_contig_range(pfn, pfn + nr, GFP_KERNEL |
							__GFP_NOWARN))
				return pfn_to_page(pfn);
			stop--;		/* in use: try behind it */
		}
		pfn = ALIGN(stop + 1, XPOOL_LARGEST_PAGES);
		cond_resched();
	}
	return NULL;
}

/* From the zones of a GFP_KERNEL allocation, of each node the highest first. */
static struct page *run_in_system(unsigned long nr)
{
	int nid, z;

	for_each_online_node(nid) {
		for (z = ZONE_NORMAL; z >= 0; z--) {
			struct zone *zone = &NODE_DATA(nid)->node_zones[z];
			struct page *page = NULL;

			if (IS_ENABLED(CONFIG_CONTIG_ALLOC) && populated_zone(zone))
				page = run_in_zone(zone, nr);
			if (page)
				return page;
		}
	}
	return NULL;
}

#define XPOOL_BLOCK_GFP (GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN)

/*
 * A run of @nr pages: take a block of @order, which holds it, and give the
 * rest back. Each page is made one of its own, with a count of one, as
 * alloc_contig_range() leaves them.
 */
static struct page *run_in_block(unsigned long nr, unsigned int order)
{
	struct page *page = alloc_pages(XPOOL_BLOCK_GFP, order);
	unsigned long i;

	if (!page)
		return NULL;
	split_page(page, order);
	for (i = nr; i < 1UL << order; i++)
		__free_page(page + i);
	return page;
}

static void release_system(struct xpool *pool)
{
	unsigned long r;

	for (r = 0; r < pool->nr_regions; r++)
		if (pool->regions[r].nr)
			xpool_refs_release(pool, virt_to_page((void *)pool->regions[r].addr),
					   pool->regions[r].nr);
}

static int by_address(const void *a, const void *b)
{
	const struct xregion *left = a, *right = b;

	return left->addr < right->addr ? -1 : left->addr > right->addr;
}

/*
 * No run of that length is free: largest blocks, wherever they lie. Each region has the page
 * numbers of a largest block, so only the last one may be shorter; it is sorted to where its
 * address belongs and leaves a gap there. It must start where a largest block starts, so it is
 * cut from one. There are page numbers for @more regions that are not there yet.
 */
static int acquire_blocks(struct xpool *pool, unsigned long more)
{
	unsigned long left = pool->nr_pages;
	size_t bytes = (DIV_ROUND_UP(left, XPOOL_LARGEST_PAGES) + more) * sizeof(struct xregion);
	unsigned long r;

	pool->regions = xmeta_alloc(bytes);
	if (!pool->regions)
		return -ENOMEM;
	while (left) {
		unsigned long nr = min(left, XPOOL_LARGEST_PAGES);
		struct page *page = run_in_block(nr, XBUDDY_MAX_ORDER);

		if (!page)
			goto undo;
		xpool_refs_freeze(page, nr);
		pool->regions[pool->nr_regions++] = (struct xregion){
			.addr = (unsigned long)page_address(page), .nr = nr,
		};
		left -= nr;
		cond_resched();
	}
	sort(pool->regions, pool->nr_regions, sizeof(struct xregion), by_address, NULL);
	pool->nr_fixed = pool->nr_regions;
	pool->nr_regions += more;
	for (r = 0; r < pool->nr_regions; r++)
		pool->regions[r].index = r * XPOOL_LARGEST_PAGES;
	pool->metadata += bytes;
	return 0;
undo:
	release_system(pool);
	xmeta_free(pool->regions);
	pool->regions = NULL;
	pool->nr_regions = 0;
	return -ENOMEM;
}

/* Regions that may come to those of @args->size. */
unsigned long xpool_more_regions(const struct xpool_args *args)
{
	return args->max_size ? (args->max_size - args->size) >> XPOOL_LARGEST_SHIFT : 0;
}

static int acquire_system(struct xpool *pool, const struct xpool_args *args)
{
	unsigned long nr = pool->nr_pages, more = xpool_more_regions(args);
	struct page *page = NULL;
	int err;

	if (nr > totalram_pages())
		return pool_refuse(pool, -ENOMEM,
				   "size=%lu: more than the %lu bytes that the system has; ask for less",
				   nr << PAGE_SHIFT, totalram_pages() << PAGE_SHIFT);

	pool->has_struct_page = true;
	pool->counts_refs = true;	/* the pages are the pool's alone; see pool/refs.c */
	if (!more)
		page = nr <= XPOOL_LARGEST_PAGES ?
		       run_in_block(nr, get_order(nr << PAGE_SHIFT)) : run_in_system(nr);
	if (page) {
		xpool_refs_freeze(page, nr);
		err = one_region(pool, page_address(page));
		if (err)
			xpool_refs_release(pool, page, nr);
		return err;
	}
	if (acquire_blocks(pool, more))
		return pool_refuse(pool, -ENOMEM,
				   "size=%lu: the system has not that much free; ask for less, or reserve it at boot with memmap= or reserve_mem=",
				   nr << PAGE_SHIFT);
	return 0;
}

/* All of the range is of a kind that firmware or memmap= set aside. */
static bool is_reserved(phys_addr_t base, size_t size, unsigned long desc)
{
	return region_intersects(base, size, IORESOURCE_MEM, desc) == REGION_INTERSECTS &&
	       region_intersects(base, 1, IORESOURCE_MEM, desc) == REGION_INTERSECTS &&
	       region_intersects(base + size - 1, 1, IORESOURCE_MEM, desc) ==
	       REGION_INTERSECTS;
}

static bool is_set_aside(phys_addr_t base, size_t size)
{
	return is_reserved(base, size, IORES_DESC_RESERVED) ||
	       is_reserved(base, size, IORES_DESC_PERSISTENT_MEMORY_LEGACY);
}

static int not_reserved(struct xpool *pool, const struct xpool_args *args)
{
	return pool_refuse(pool, -EINVAL,
			   "base=%pa size=%zu: not reserved; boot with memmap=%zu$%pa",
			   &args->base, args->size, args->size, &args->base);
}

static int acquire_base(struct xpool *pool, const struct xpool_args *args)
{
	phys_addr_t base = args->base;
	void *addr;
	int err;

	if (!PAGE_ALIGNED(base))
		return pool_refuse(pool, -EINVAL,
				   "base=%pa: not a multiple of the page size %lu; align it",
				   &base, PAGE_SIZE);
	if (base + args->size < base)
		return pool_refuse(pool, -EINVAL,
				   "base=%pa size=%zu: runs over the end of memory; ask for less",
				   &base, args->size);
	if (!request_mem_region(base, args->size, "xalloc")) {
		if (region_intersects(base, args->size, IORESOURCE_SYSTEM_RAM, IORES_DESC_NONE) !=
		    REGION_DISJOINT)
			return not_reserved(pool, args);
		return pool_refuse(pool, -EBUSY,
				   "base=%pa size=%zu: overlaps a range that is in use; choose another one",
				   &base, args->size);
	}
	if (!is_set_aside(base, args->size)) {
		err = not_reserved(pool, args);
		goto undo_request;
	}

	addr = memremap(base, args->size, MEMREMAP_WB);
	if (!addr) {
		err = pool_refuse(pool, -ENOMEM,
				  "base=%pa size=%zu: cannot be mapped; choose another range",
				  &base, args->size);
		goto undo_request;
	}
	err = one_region(pool, addr);
	if (err)
		goto undo_map;
	pool->range.phys = base;
	return 0;

undo_map:
	memunmap(addr);
undo_request:
	release_mem_region(base, args->size);
	return err;
}

static int acquire_reserve_mem(struct xpool *pool, const struct xpool_args *args)
{
	phys_addr_t base, size;
	int err = xcompat_reserve_mem(args->reserve_mem, &base, &size);

	if (err == -EOPNOTSUPP)
		return pool_refuse(pool, err,
				   "reserve_mem=%s: needs Linux 6.12 or newer; use base= with memmap=",
				   args->reserve_mem);
	if (err)
		return pool_refuse(pool, err,
				   "reserve_mem=%s: no range of that name; boot with reserve_mem=<size>:<align>:%s",
				   args->reserve_mem, args->reserve_mem);
	if (args->size > size)
		return pool_refuse(pool, -EINVAL,
				   "size=%zu: reserve_mem=%s has %pa bytes; ask for less",
				   args->size, args->reserve_mem, &size);
	if (!PAGE_ALIGNED(base) || size < PAGE_SIZE)
		return pool_refuse(pool, -EINVAL,
				   "reserve_mem=%s: not made of whole pages; boot with an alignment of %lu",
				   args->reserve_mem, PAGE_SIZE);

	pool->nr_pages = (args->size ?: size) >> PAGE_SHIFT;
	pool->has_struct_page = true;
	return one_region(pool, phys_to_virt(base));
}

static int acquire_addr(struct xpool *pool, const struct xpool_args *args)
{
	unsigned long addr = (unsigned long)args->addr;

	if (!PAGE_ALIGNED(addr))
		return pool_refuse(pool, -EINVAL,
				   "addr=%p: not a multiple of the page size %lu; align it",
				   args->addr, PAGE_SIZE);
	if (addr + args->size < addr)
		return pool_refuse(pool, -EINVAL,
				   "addr=%p size=%zu: runs over the end of memory; ask for less",
				   args->addr, args->size);
	pool->has_struct_page = xpool_refs_all_plain(addr, pool->nr_pages);
	return one_region(pool, args->addr);
}

int xpool_acquire(struct xpool *pool, const struct xpool_args *args)
{
	switch (pool->range.source) {
	case XPOOL_BASE:
		return acquire_base(pool, args);
	case XPOOL_RESERVE_MEM:
		return acquire_reserve_mem(pool, args);
	case XPOOL_ADDR:
		return acquire_addr(pool, args);
	default:
		return acquire_system(pool, args);
	}
}

/* Tell the kernel's tools that the regions are the pool's, or are not any more. */
void xpool_tools_regions(struct xpool *pool,
			 void (*fn)(unsigned int tools, const void *addr, size_t bytes))
{
	unsigned long r;

	for (r = 0; r < pool->nr_regions; r++)
		if (pool->regions[r].nr)
			fn(pool->tools, (void *)pool->regions[r].addr,
			   pool->regions[r].nr << PAGE_SHIFT);
}

void xpool_release(struct xpool *pool)
{
	xpool_tools_regions(pool, xtools_open);
	if (pool->range.source == XPOOL_SYSTEM) {
		release_system(pool);
	} else if (pool->range.source == XPOOL_BASE) {
		memunmap((void *)pool->regions[0].addr);
		release_mem_region(pool->range.phys, pool->nr_pages << PAGE_SHIFT);
	}
	xmeta_free(pool->regions);
}
