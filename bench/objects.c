// SPDX-License-Identifier: GPL-2.0
/*
 * Object workloads: the kernel's caches of objects against xalloc's.
 */
#include <linux/err.h>
#include <linux/mempool.h>
#include <linux/slab.h>

#include <xalloc/xpool.h>
#include <xalloc/xslab.h>

#include "xbench.h"

/* Two caches of 30,000 objects of 4 KiB, and room for what they keep. */
#define OBJECT_POOL_BYTES	(320UL << 20)
#define RESERVE			256	/* objects that a mempool keeps */
#define MANY			30000

static struct xpool *pool;

static void *slub_create(const struct xcontest *contest)
{
	return kmem_cache_create("xbench", contest->size, 0, 0, NULL);
}

static void slub_destroy(void *cache)
{
	kmem_cache_destroy(cache);
}

/* kmalloc() has no handle, but NULL says that there is none. */
static void *kmalloc_create(const struct xcontest *contest)
{
	return ZERO_SIZE_PTR;
}

static void kmalloc_destroy(void *handle)
{
}

static void *mempool_make(const struct xcontest *contest)
{
	return mempool_create_kmalloc_pool(RESERVE, contest->size);
}

static void mempool_end(void *mempool)
{
	mempool_destroy(mempool);
}

static void *xslab_create(const char *name, size_t size, xslab_flags_t flags)
{
	const struct xslab_args args = { .name = name, .size = size, .flags = flags };

	struct xslab_cache *cache = xslab_cache_create_in(pool, &args);

	return IS_ERR(cache) ? NULL : cache;
}

static void *checked_create(const struct xcontest *contest)
{
	return xslab_create("xbench", contest->size, 0);
}

static void *unchecked_create(const struct xcontest *contest)
{
	return xslab_create("xbench-nochecks", contest->size, XSLAB_NO_CHECKS);
}

static void xslab_destroy(void *cache)
{
	if (xslab_cache_destroy(cache))
		pr_err("a cache of xalloc has live objects\n");
}

static void *prefill(void *cache)
{
	if (cache && xslab_cache_prefill(cache, RESERVE)) {
		xslab_destroy(cache);
		return NULL;
	}
	return cache;
}

static void *prefilled_create(const struct xcontest *contest)
{
	return prefill(xslab_create("xbench-prefilled", contest->size, 0));
}

static void *prefilled_unchecked_create(const struct xcontest *contest)
{
	return prefill(xslab_create("xbench-prefilled-nochecks", contest->size, XSLAB_NO_CHECKS));
}

#define KMALLOC_OF(bytes) {							\
	.name = "kmalloc", .only_size = bytes, .work = xbench_kmalloc##bytes,	\
	.create = kmalloc_create, .destroy = kmalloc_destroy,			\
}

static const struct xallocator allocators[] = {
	{ "slub", 0, xbench_slub, slub_create, slub_destroy },
	KMALLOC_OF(16), KMALLOC_OF(64), KMALLOC_OF(256), KMALLOC_OF(1024), KMALLOC_OF(4096),
	{ "xalloc", 0, xbench_xslab, checked_create, xslab_destroy },
	{ "xalloc-nochecks", 0, xbench_xslab, unchecked_create, xslab_destroy },
};

/* Those that guarantee a number of objects: for pairs only. */
static const struct xallocator reserves[] = {
	{ "mempool", 0, xbench_mempool, mempool_make, mempool_end },
	{ "xalloc", 0, xbench_xslab, prefilled_create, xslab_destroy },
	{ "xalloc-nochecks", 0, xbench_xslab, prefilled_unchecked_create, xslab_destroy },
};

static const struct xscenario scenarios[] = {
	{ "pair", XWORK_PAIR, 10000, .fast = true },
	{ "batch128", XWORK_BATCH, 100 * 128, 128, .fast = true },
	{ "batch128-random", XWORK_BATCH, 100 * 128, 128, .shuffle = true, .fast = true },
	{ "30k", XWORK_BATCH, MANY, MANY, .fast = true },
	{ "30k-random", XWORK_BATCH, MANY, MANY, .shuffle = true, .fast = true },
	{ "bulk16", XWORK_BULK, MANY, MANY, 16 },
	{ "bulk64", XWORK_BULK, MANY, MANY, 64, .fast = true },
	{ "bulk256", XWORK_BULK, MANY, MANY, 256 },
	{ "bulk16-random", XWORK_BULK, MANY, MANY, 16, .shuffle = true },
	{ "bulk64-random", XWORK_BULK, MANY, MANY, 64, .shuffle = true },
	{ "bulk256-random", XWORK_BULK, MANY, MANY, 256, .shuffle = true },
	{ "pair-touch", XWORK_PAIR_TOUCH, 10000 },
	{ "batch128-touch", XWORK_BATCH_TOUCH, 100 * 128, 128 },
	{ "batch128-random-touch", XWORK_BATCH_TOUCH, 100 * 128, 128, .shuffle = true },
	{ "30k-touch", XWORK_BATCH_TOUCH, MANY, MANY },
	{ "30k-random-touch", XWORK_BATCH_TOUCH, MANY, MANY, .shuffle = true },
	{ "bulk16-touch", XWORK_BULK_TOUCH, MANY, MANY, 16 },
	{ "bulk64-touch", XWORK_BULK_TOUCH, MANY, MANY, 64 },
	{ "bulk256-touch", XWORK_BULK_TOUCH, MANY, MANY, 256 },
};

static const struct xscenario reserve_pair = { "reserve-pair", XWORK_PAIR, 10000, .fast = true };

static const size_t sizes[] = { 16, 64, 256, 1024, 4096 };

/* Sizes one after the other, so that the memory of one is back for the next. */
int xbench_objects(void)
{
	unsigned int i;

	pool = xbench_pool("xbench-objects", OBJECT_POOL_BYTES);
	if (IS_ERR(pool))
		return PTR_ERR(pool);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct xcontest contest = {
			.table = allocators,
			.nr_allocators = ARRAY_SIZE(allocators),
			.size = sizes[i],
			.scenarios = scenarios,
			.nr_scenarios = ARRAY_SIZE(scenarios),
		};

		snprintf(contest.suffix, sizeof(contest.suffix), "%zu", sizes[i]);
		xbench_contest(&contest);
		contest.table = reserves;
		contest.nr_allocators = ARRAY_SIZE(reserves);
		contest.scenarios = &reserve_pair;
		contest.nr_scenarios = 1;
		xbench_contest(&contest);
	}
	return xpool_destroy(pool);
}
