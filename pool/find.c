// SPDX-License-Identifier: GPL-2.0
/*
 * pool/find: the pool and the block of an address
 *
 * The pool of an address of which nothing else is known is in a map: for ranges of any length,
 * which stay as long as the pool, in a maple tree; for regions that a pool has grown by in an
 * array of largest blocks, because to take an entry out of that needs no memory. A region is in
 * the map before it is a part of the pool, and until it is none any more. Each CPU
 * looks first at the pool that it found last, because the maps cost a free that names no
 * cache more than the free itself. A pool that goes must be forgotten.
 *
 * A lookup takes no lock. It is certain for an address that a client holds, because its region
 * stays; for another one it may see what was there an instant ago, finds no block there, and
 * refuses it. What it may read, the arrays of struct xpage and of regions, stays as long as
 * the pool.
 *
 * A block that is handed out has a kind at its first page. An address inside of it finds that by
 * looking at the (at most eleven) numbers at which a block that holds it could start.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/maple_tree.h>
#include <linux/xarray.h>

#include "pool.h"

/* Address to pool, for a pointer of which nothing else is known: ranges that stay */
static struct maple_tree xpool_map =
	MTREE_INIT(xpool_map, MT_FLAGS_USE_RCU);

/* ... and regions that come and go, by the number of their largest block */
static DEFINE_XARRAY_FLAGS(xpool_grown, XA_FLAGS_LOCK_IRQ);

/* The pool that was found last on this CPU; mostly it is the one of the next address, too. */
static DEFINE_PER_CPU(struct xpool *, xpool_found);

/* The pool cannot be found any more: wait for the CPUs that found it, and forget it. */
void xpool_forget(struct xpool *pool)
{
	int cpu;

	synchronize_rcu_expedited();	/* then no CPU is about to write it down */
	for_each_possible_cpu(cpu)
		cmpxchg(per_cpu_ptr(&xpool_found, cpu), pool, NULL);
	synchronize_rcu_expedited();	/* and no CPU has read it */
}

/* The first page of the handed out block that holds @index, or NULL. */
struct xpage *xpool_head(const struct xpool *pool, unsigned long index)
{
	unsigned long first = pool->start >> PAGE_SHIFT;
	unsigned long in = index % XPOOL_LARGEST_PAGES, block = index - in;
	struct xpage *page = &pool->pages[index];

	while (!READ_ONCE(page->kind)) {
		if (!in)
			return NULL;
		in &= in - 1;
		if (block + in < first)
			return NULL;
		page = &pool->pages[block + in];
	}
	return index - block - in < 1UL << page->order ? page : NULL;
}

/* The pool that has grown to @addr, or NULL. With preemption off, like xpool_find_page(). */
struct xpool *xpool_find_grown(unsigned long addr)
{
	return xa_load(&xpool_grown, addr >> XPOOL_LARGEST_SHIFT);
}
EXPORT_SYMBOL_FOR_KUNIT(xpool_find_grown);

static noinline struct xpool *find_pool(const void *addr)
{
	struct xpool *pool = mtree_load(&xpool_map, (unsigned long)addr) ?:
			     xpool_find_grown((unsigned long)addr);

	if (pool)
		__this_cpu_write(xpool_found, pool);
	return pool;
}

/* Which pool @addr is in, at *@offset, or NULL; with preemption off. */
static __always_inline struct xpool *pool_of(const void *addr, unsigned long *offset)
{
	struct xpool *pool = __this_cpu_read(xpool_found);

	*offset = likely(pool) ? xpool_offset(pool, addr) : XPOOL_FOREIGN;
	if (likely(*offset != XPOOL_FOREIGN))
		return pool;
	pool = find_pool(addr);
	*offset = pool ? xpool_offset(pool, addr) : XPOOL_FOREIGN;
	return *offset == XPOOL_FOREIGN ? NULL : pool;	/* the region is going */
}

/*
 * The page of any pool that @addr is in, and its linear address in that; or NULL. Called with
 * preemption off: it is there for as long as that is off, or as a client holds what it is a part
 * of.
 */
struct xpage *xpool_find_page(const void *addr, void **at)
{
	unsigned long offset;
	struct xpool *pool = pool_of(addr, &offset);

	if (unlikely(!pool))
		return NULL;
	*at = (void *)pool->base + offset;
	return &pool->pages[offset >> PAGE_SHIFT];
}

/* A client's error with an address that is of no cache: if it is in a pool, that counts it. */
void xpool_count_stray(const void *addr)
{
	unsigned long offset;
	struct xpool *pool;

	preempt_disable();
	pool = pool_of(addr, &offset);
	if (pool)
		atomic_long_inc(&pool->counts.errors);
	preempt_enable();
}

/*
 * A region that may come is found from now on; 0 or an error. Sleeps as @gfp allows. Here and
 * below interrupts are off under the map's lock: a client's lock may be held, which its
 * interrupts take, too.
 */
int xpool_map_grown(struct xpool *pool, unsigned long addr, gfp_t gfp)
{
	return xa_insert_irq(&xpool_grown, addr >> XPOOL_LARGEST_SHIFT, pool, gfp);
}

/* And from now on not any more. Where the system's memory may be given back. */
void xpool_unmap_grown(unsigned long addr)
{
	xa_erase_irq(&xpool_grown, addr >> XPOOL_LARGEST_SHIFT);
}

/* After the last pool: an insertion that failed may have left nodes without entries. */
void xpool_map_exit(void)
{
	xa_destroy(&xpool_grown);
}

static void unmap_fixed(struct xpool *pool, unsigned long nr)
{
	while (nr--)
		mtree_erase(&xpool_map, pool->regions[nr].addr);
}

/* No address leads to the pool any more. */
void xpool_unmap_regions(struct xpool *pool)
{
	unsigned long r;

	unmap_fixed(pool, pool->nr_fixed);
	for (r = pool->nr_fixed; r < pool->nr_regions; r++)
		if (pool->regions[r].nr)
			xpool_unmap_grown(pool->regions[r].addr);
}

/* The regions that a pool begins with. */
int xpool_map_regions(struct xpool *pool)
{
	unsigned long r;

	for (r = 0; r < pool->nr_fixed; r++) {
		unsigned long first = pool->regions[r].addr;
		unsigned long last = first + (pool->regions[r].nr << PAGE_SHIFT) - 1;
		unsigned long block = first >> XPOOL_LARGEST_SHIFT;
		int err = -EEXIST;

		if (!xa_find(&xpool_grown, &block, last >> XPOOL_LARGEST_SHIFT, XA_PRESENT))
			err = mtree_insert_range(&xpool_map, first, last, pool, GFP_KERNEL);
		if (!err)
			continue;
		unmap_fixed(pool, r);
		if (err != -EEXIST)
			return err;
		return pool_refuse(pool, -EBUSY,
				   "%s: overlaps the range of another pool; choose another one",
				   pool->range.source == XPOOL_RESERVE_MEM ? "reserve_mem=" :
									     "addr");
	}
	return 0;
}
