// SPDX-License-Identifier: GPL-2.0
/*
 * pool/setup: a pool from its arguments, and back
 *
 * Arguments are checked; the range is acquired (range.c); metadata and tables are made; and the
 * pool is listed, mapped and published, in this order. Teardown undoes it from the end.
 * All that a pool takes from the system beside its range is taken here.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/string.h>

#include "pool.h"

static int check_size(struct xpool *pool, const struct xpool_args *args)
{
	if (!args->size && pool->range.source != XPOOL_RESERVE_MEM)
		return pool_refuse(pool, -EINVAL,
				   "size=0: nothing to manage; give a multiple of the page size %lu",
				   PAGE_SIZE);
	if (!PAGE_ALIGNED(args->size))
		return pool_refuse(pool, -EINVAL,
				   "size=%zu: not a multiple of the page size %lu; round it",
				   args->size, PAGE_SIZE);
	if (args->size >> PAGE_SHIFT >= XBUDDY_MAX_NR - XPOOL_LARGEST_PAGES)
		return pool_refuse(pool, pool->range.source == XPOOL_SYSTEM ? -ENOMEM : -EINVAL,
				   "size=%zu: more than 2^32 pages; ask for less", args->size);
	return 0;
}

static int check_max_size(struct xpool *pool, const struct xpool_args *args)
{
	if (!args->max_size)
		return 0;
	if (pool->range.source != XPOOL_SYSTEM)
		return pool_refuse(pool, -EINVAL,
				   "max_size=%zu: only memory of the system grows; give no other source, or no max_size",
				   args->max_size);
	if (!IS_ALIGNED(args->max_size, 1UL << XPOOL_LARGEST_SHIFT))
		return pool_refuse(pool, -EINVAL,
				   "max_size=%zu: not a multiple of the %lu bytes by which a pool grows; round it",
				   args->max_size, 1UL << XPOOL_LARGEST_SHIFT);
	if (args->max_size != args->size &&
	    (args->max_size < args->size || !xpool_more_regions(args)))
		return pool_refuse(pool, -EINVAL,
				   "max_size=%zu: no step of %lu bytes above size=%zu; a pool grows from size in whole ones",
				   args->max_size, 1UL << XPOOL_LARGEST_SHIFT, args->size);
	if (args->max_size >> PAGE_SHIFT > totalram_pages())
		return pool_refuse(pool, -ENOMEM,
				   "max_size=%zu: more than the %lu bytes that the system has; ask for less",
				   args->max_size, totalram_pages() << PAGE_SHIFT);
	return 0;
}

static int check_pool_args(struct xpool *pool, const struct xpool_args *args)
{
	if (!!args->base + !!args->reserve_mem + !!args->addr > 1)
		return pool_refuse(pool, -EINVAL,
				   "base=, reserve_mem= and addr exclude one another; give one");

	pool->range.source = args->base ? XPOOL_BASE :
		       args->reserve_mem ? XPOOL_RESERVE_MEM :
		       args->addr ? XPOOL_ADDR : XPOOL_SYSTEM;
	return check_size(pool, args) ?: check_max_size(pool, args);
}

/* Page numbers that no region stands for are taken out of the buddy for good. */
static void take_gaps(struct xpool *pool)
{
	unsigned long r, at = 0;

	/* Nothing is taken where nothing lies between two regions. */
	for (r = 0; r < pool->nr_regions; r++) {
		const struct xregion *region = &pool->regions[r];

		xbuddy_alloc_run(&pool->buddy, region->index - at, at, region->index);
		at = region->index + region->nr;
	}
	xbuddy_alloc_run(&pool->buddy, pool->buddy.nr - at, at, pool->buddy.nr);
	pool->buddy.splits = 0;
}

static int init_metadata(struct xpool *pool)
{
	const struct xregion *last = &pool->regions[pool->nr_regions - 1];
	unsigned long first = pool->regions[0].index;
	/* The last region, if it has no memory yet, is a largest block once it has. */
	unsigned long end = last->index + (last->nr ?: XPOOL_LARGEST_PAGES);
	int err;

	pool->pages_mem = xmeta_alloc((end - first) * sizeof(struct xpage));
	if (!pool->pages_mem)
		return -ENOMEM;
	err = xbuddy_init(&pool->buddy, end);
	if (err)
		goto undo_pages;
	pool->pages = pool->pages_mem - first;
	err = xpool_linear_init(pool);
	if (err)
		goto undo_buddy;
	take_gaps(pool);
	pool->metadata += (end - first) * sizeof(struct xpage) + pool->buddy.bytes;
	return 0;

undo_buddy:
	xbuddy_destroy(&pool->buddy);
undo_pages:
	xmeta_free(pool->pages_mem);
	return err;
}

static void free_metadata(struct xpool *pool)
{
	xpool_linear_exit(pool);
	xbuddy_destroy(&pool->buddy);
	xmeta_free(pool->pages_mem);
}

/* The pool is listed, which takes its name, but cannot be pinned yet. */
static int list_pool(struct xpool *pool)
{
	struct xpool *other;
	bool taken = false;

	mutex_lock(&xpool_registry);
	list_for_each_entry(other, &xpool_list, listing.entry.node)
		taken |= !strcmp(pool->name, other->name);
	if (!taken) {
		pool->listing.entry.going = true;
		list_add_tail(&pool->listing.entry.node, &xpool_list);
	}
	mutex_unlock(&xpool_registry);
	if (taken)
		return pool_refuse(pool, -EEXIST,
				   "name: taken by another pool; choose another one");
	return 0;
}

static void unlist_pool(struct xpool *pool)
{
	mutex_lock(&xpool_registry);
	list_del(&pool->listing.entry.node);
	mutex_unlock(&xpool_registry);
}

static int setup(struct xpool *pool, const struct xpool_args *args)
{
	enum xtools_range range = args->base ? XTOOLS_MAPPED :
				  args->addr ? XTOOLS_CALLERS : XTOOLS_SYSTEM;
	int err;

	err = check_pool_args(pool, args);
	if (err)
		return err;
	pool->nr_pages = args->size >> PAGE_SHIFT;
	err = xpool_acquire(pool, args);
	if (err)
		return err;
	err = init_metadata(pool);
	if (err) {
		pool_refuse(pool, err, "size=%lu: no memory for its metadata; ask for less",
			    pool->nr_pages << PAGE_SHIFT);
		goto undo_acquire;
	}
	pool->max_pages = pool->nr_pages + xpool_more_regions(args) * XPOOL_LARGEST_PAGES;
	err = pool->max_pages > pool->nr_pages ? xpool_grow_init(pool) : 0;
	if (err)
		goto undo_metadata;
	err = xpool_map_regions(pool);
	if (err)
		goto undo_grow;
	xpool_gfp_init(pool);
	pool->tools = xtools_of_pool(range, (void *)pool->regions[0].addr,
				     pool->regions[0].nr);
	xpool_tools_regions(pool, xtools_add_range);
	kmemleak_no_scan(pool->regions);
	xtools_look_at(&pool->start, pool + 1);
	return 0;

undo_grow:
	xmeta_free(pool->grow);
undo_metadata:
	free_metadata(pool);
undo_acquire:
	xpool_release(pool);
	return err;
}

/*
 * A pool with its range, its metadata and no holders, not published yet. Returns an
 * error pointer after one line in the log. No lock is held: this takes memory.
 */
struct xpool *xpool_setup(const struct xpool_args *args)
{
	struct xpool *pool;
	int err = xtext_check_name("pool", args->name);

	if (err)
		return ERR_PTR(err);
	pool = xmeta_alloc(sizeof(*pool));
	if (!pool)
		return ERR_PTR(-ENOMEM);

	strscpy(pool->name, args->name, sizeof(pool->name));
	raw_spin_lock_init(&pool->lock);
	INIT_LIST_HEAD(&pool->holders);
	mutex_init(&pool->tuning);
	init_waitqueue_head(&pool->waiting.room);
	init_irq_work(&pool->waiting.signal, xpool_signal_room);
	xpool_gather_init(pool);
	pool->limits.hard = XPOOL_NO_LIMIT;
	pool->limits.cache = XPOOL_NO_LIMIT;
	pool->idle_limit = XPOOL_NO_LIMIT;
	pool->metadata = sizeof(*pool);
	err = list_pool(pool);
	if (err)
		goto undo_pool;
	err = setup(pool, args);
	if (err)
		goto undo_list;
	return pool;

undo_list:
	unlist_pool(pool);
undo_pool:
	xmeta_free(pool);
	return ERR_PTR(err);
}

/* Undo xpool_setup(), but for the pool's own memory. No client has anything of it any more. */
void xpool_teardown(struct xpool *pool)
{
	xpool_unmap_regions(pool);
	irq_work_sync(&pool->waiting.signal);
	xpool_forget(pool);
	free_metadata(pool);
	xpool_release(pool);
	xmeta_free(pool->grow);
	unlist_pool(pool);
}

/*
 * Like xpool_teardown(), but clients still have pages; these clients are gone and cannot
 * give them back. A device may still know the pages, so the range has no owner from now on.
 */
void xpool_abandon(struct xpool *pool)
{
	pr_err("pool %s: %lu bytes are lost with the pages in use\n", pool->name,
	       pool->nr_pages << PAGE_SHIFT);
	if (pool->range.source == XPOOL_BASE)
		release_mem_region(pool->range.phys, pool->nr_pages << PAGE_SHIFT);
	pool->range.source = XPOOL_ADDR;
	xpool_teardown(pool);
}
