// SPDX-License-Identifier: GPL-2.0
/*
 * pool/find: the pool and the block of an address
 *
 * The pool of an address of which nothing else is known is in a maple tree. Each CPU
 * looks first at the pool that it found last, because the tree costs a free that names no
 * cache more than the free itself. A pool that goes must be forgotten.
 *
 * A block that is handed out has a kind at its first page. An address inside of it finds that by
 * looking at the (at most eleven) numbers at which a block that holds it could start.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/maple_tree.h>

#include "pool.h"

/* Address to pool, for a pointer of which nothing else is known. */
static struct maple_tree xpool_map =
	MTREE_INIT(xpool_map, MT_FLAGS_USE_RCU);

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
	unsigned long in = index % XPOOL_CHUNK_PAGES, chunk = index - in;
	struct xpage *page = &pool->pages[index];

	while (!READ_ONCE(page->kind)) {
		if (!in)
			return NULL;
		in &= in - 1;
		if (chunk + in < first)
			return NULL;
		page = &pool->pages[chunk + in];
	}
	return index - chunk - in < 1UL << page->order ? page : NULL;
}

static noinline struct xpool *find_pool(const void *addr)
{
	struct xpool *pool = mtree_load(&xpool_map, (unsigned long)addr) ?:
			     xgrow_owner((unsigned long)addr);

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
 * The page of any pool that @addr is in, or NULL. Called with preemption off: it is there
 * for as long as that is off, or as a client holds what it is a part of.
 */
struct xpage *xpool_page_any(const void *addr)
{
	unsigned long offset;
	struct xpool *pool = pool_of(addr, &offset);

	return likely(pool) ? &pool->pages[offset >> PAGE_SHIFT] : NULL;
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

void xpool_unmap_regions(struct xpool *pool, unsigned long nr)
{
	while (nr--)
		mtree_erase(&xpool_map, pool->regions[nr].addr);
}

static int map_region(struct xpool *pool, const struct xregion *region)
{
	unsigned long bytes = region->nr << PAGE_SHIFT;
	bool overlaps;

	mutex_lock(&xpool_registry);
	overlaps = xgrow_overlaps(region->addr, bytes);
	mutex_unlock(&xpool_registry);
	if (overlaps)
		return -EEXIST;
	return mtree_insert_range(&xpool_map, region->addr, region->addr + bytes - 1,
				  pool, GFP_KERNEL);
}

/* Regions that come and go are found by another way; see pool/grow.c. */
int xpool_map_regions(struct xpool *pool)
{
	unsigned long r;

	for (r = 0; r < pool->nr_fixed; r++) {
		int err = map_region(pool, &pool->regions[r]);

		if (!err)
			continue;
		xpool_unmap_regions(pool, r);
		if (err != -EEXIST)
			return err;
		return pool_refuse(pool, -EBUSY,
				   "%s: overlaps the range of another pool; choose another one",
				   pool->range.source == XPOOL_RESERVE_MEM ? "reserve_mem=" :
									     "addr");
	}
	return 0;
}
