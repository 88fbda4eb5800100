// SPDX-License-Identifier: GPL-2.0
/*
 * Page workloads: the page allocator against xalloc's pools.
 *
 * Scattered means that POOL_BYTES / 2 was taken page by page and a random half
 * of these pages was given back. xalloc's pool is then three quarters free, and
 * the front is full of holes. The system has more memory than that, so for the
 * page allocator the holes are there but it need not look at them.
 */
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include <xalloc/xpool.h>

#include "xbench.h"

#define POOL_BYTES	(64UL << 20)
#define SCATTER_PAGES	(POOL_BYTES / 2 >> PAGE_SHIFT)

/* The pages that make holes, of the system and of the pool; NULL: given back. */
static struct page **held_system, **held_pool;

static struct page *take_page(struct xpool *pool)
{
	return pool ? xpool_alloc_pages(pool, 0, 0) : alloc_page(GFP_KERNEL);
}

static void give_page(struct xpool *pool, struct page **page)
{
	if (!*page)
		return;
	if (pool)
		xpool_free_pages(pool, *page, 0);
	else
		__free_page(*page);
	*page = NULL;
}

static void make_holes(struct xpool *pool, struct page **held)
{
	unsigned long i;

	for (i = 0; i < SCATTER_PAGES; i++)
		held[i] = take_page(pool);
	for (i = 0; i < SCATTER_PAGES; i++)
		if (xbench_random(2))
			give_page(pool, &held[i]);
}

static void end_holes(struct xpool *pool, struct page **held)
{
	unsigned long i;

	for (i = 0; i < SCATTER_PAGES; i++)
		give_page(pool, &held[i]);
}

/* The system has no handle, but NULL says that there is none. */
static void *system_create(const struct xcontest *contest)
{
	if (contest->scattered)
		make_holes(NULL, held_system);
	return ZERO_SIZE_PTR;
}

static void system_destroy(void *handle)
{
	end_holes(NULL, held_system);
}

static void *pool_create(const struct xcontest *contest)
{
	struct xpool *pool = xbench_pool("xbench-pages", POOL_BYTES);

	if (IS_ERR(pool))
		return NULL;
	if (contest->scattered)
		make_holes(pool, held_pool);
	return pool;
}

static void pool_destroy(void *pool)
{
	end_holes(pool, held_pool);
	if (xpool_destroy(pool))
		pr_err("a pool has pages in use\n");
}

/* The two ways into a pool share it; see addr_of_pool. */
static struct xpool *shared_pool;

static void *pages_of_pool(const struct xcontest *contest)
{
	shared_pool = pool_create(contest);
	return shared_pool;
}

static void *addr_of_pool(const struct xcontest *contest)
{
	return shared_pool;
}

static void addr_done(void *pool)
{
}

static const struct xallocator allocators[] = {
	{ "alloc_pages", 0, xbench_pages, system_create, system_destroy },
	{ "xalloc", 0, xbench_xpages, pages_of_pool, pool_destroy },
	{ "xalloc-addr", 0, xbench_xaddr, addr_of_pool, addr_done },
	{}
};

static const struct xscenario pairs[] = {
	{ "pages-pair", XWORK_PAIR, 5000, .fast = true },
	{}
};

/*
 * What is freed in random order leaves pages from everywhere with the CPU, so what
 * comes behind it starts from another state than what comes before.
 */
static const struct xscenario batches[] = {
	{ "pages-1024", XWORK_BATCH, 10 * 1024, 1024, .fast = true },
	{ "pages-bulk1024", XWORK_BULK, 10 * 1024, 1024, 1024, .fast = true },
	{ "pages-1024-random", XWORK_BATCH, 10 * 1024, 1024, .shuffle = true },
	{ "pages-bulk1024-worn", XWORK_BULK, 10 * 1024, 1024, 1024 },
	{}
};

static const unsigned int orders[] = { 0, 3, 4, 9, 10 };

static void run_order(unsigned int order, bool scattered)
{
	struct xcontest contest = {
		.table = allocators,
		.scenarios = pairs,
		.order = order,
		.scattered = scattered,
	};

	snprintf(contest.suffix, sizeof(contest.suffix), "o%u%s", order,
		 scattered ? "-scattered" : "");
	xbench_contest(&contest);
	if (order || scattered)
		return;
	contest.scenarios = batches;
	xbench_contest(&contest);
}

int xbench_pages_run(void)
{
	size_t bytes = array_size(SCATTER_PAGES, sizeof(struct page *));
	unsigned int i;
	int err = -ENOMEM;

	held_system = vzalloc(bytes);
	held_pool = vzalloc(bytes);
	if (!held_system || !held_pool)
		goto out;
	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		run_order(orders[i], false);
		run_order(orders[i], true);
	}
	err = 0;
out:
	vfree(held_system);
	vfree(held_pool);
	return err;
}
