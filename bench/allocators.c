// SPDX-License-Identifier: GPL-2.0
/*
 * Allocators that several suites use: how they are made and undone. Those of
 * xalloc live in the pool of the suite that runs.
 */
#include <linux/err.h>
#include <linux/math.h>
#include <linux/mempool.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include <xalloc/xpool.h>
#include <xalloc/xslab.h>

#include "xbench.h"

#define RESERVE		256	/* objects that a mempool keeps */

struct xpool *xbench_suite_pool;

static void *slub_create(const struct xcontest *contest)
{
	return kmem_cache_create("xbench", contest->size, 0, 0, NULL);
}

static void slub_destroy(void *cache)
{
	kmem_cache_destroy(cache);
}

/* For those without a handle: NULL would say that it could not be made. */
static void *none_create(const struct xcontest *contest)
{
	return ZERO_SIZE_PTR;
}

static void none_destroy(void *handle)
{
}

static void *stack_create(const struct xcontest *contest)
{
	struct xstack *stack = vzalloc(struct_size(stack, slots, XBENCH_MANY));
	void *obj;

	if (!stack)
		return NULL;
	stack->top = stack->slots;
	stack->objs = vzalloc(contest->size * XBENCH_MANY);
	if (!stack->objs) {
		vfree(stack);
		return NULL;
	}
	for (obj = stack->objs; stack->top < stack->slots + XBENCH_MANY; obj += contest->size)
		*stack->top++ = obj;
	return stack;
}

static void stack_destroy(void *handle)
{
	struct xstack *stack = handle;

	vfree(stack->objs);
	vfree(stack);
}

static void *mempool_make(const struct xcontest *contest)
{
	return mempool_create_kmalloc_pool(RESERVE, contest->size);
}

static void mempool_end(void *mempool)
{
	mempool_destroy(mempool);
}

static void *xslab_create(size_t size, xslab_flags_t flags)
{
	const struct xslab_args args = { .name = "xbench", .size = size, .flags = flags };

	return xslab_cache_create_in(xbench_suite_pool, &args);
}

/* A client that writes to its objects says so; scenarios of one contest all do it, or none. */
static xslab_flags_t touch_flags(const struct xcontest *contest)
{
	switch (contest->scenarios->work) {
	case XWORK_PAIR_TOUCH:
	case XWORK_BATCH_TOUCH:
	case XWORK_BULK_TOUCH:
		return XSLAB_PREFETCH;
	default:
		return 0;
	}
}

static void *checked_create(const struct xcontest *contest)
{
	return xslab_create(contest->size, touch_flags(contest));
}

static void *unchecked_create(const struct xcontest *contest)
{
	return xslab_create(contest->size, touch_flags(contest) | XSLAB_NO_CHECKS);
}

/*
 * A cache whose depot has room for @objs objects. How many go into a magazine is
 * known when there is a cache, so there is one to ask first.
 */
struct xslab_cache *xbench_deep_cache(struct xpool *pool, size_t size, unsigned long objs)
{
	struct xslab_args args = { .name = "xbench-deep", .size = size };
	struct xslab_cache *cache = xslab_cache_create_in(pool, &args);
	struct xslab_stats stats;

	if (IS_ERR(cache))
		return cache;
	xslab_cache_stats(cache, &stats);
	xslab_cache_destroy(cache);
	args.depot = DIV_ROUND_UP(objs, stats.magazine_size);
	return xslab_cache_create_in(pool, &args);
}

static void *deep_create(const struct xcontest *contest)
{
	return xbench_deep_cache(xbench_suite_pool, contest->size, XBENCH_SLICES);
}

static void xslab_destroy(void *cache)
{
	if (xslab_cache_destroy(cache))
		pr_err("a cache of xalloc has live objects\n");
}

/* Does an object that was freed go past the magazines? */
static bool is_closed(struct xslab_cache *cache)
{
	struct xslab_stats stats;

	xslab_cache_free(cache, xslab_cache_alloc(cache, GFP_KERNEL));
	xslab_cache_stats(cache, &stats);
	return stats.slab_free && !stats.magazines;
}

/*
 * A cache whose magazines are closed, because they can hold more than it may keep: 69 pages
 * of 120 bytes. Not 0, where each slab that becomes free would go back to the pool.
 */
static void *closed_create(const struct xcontest *contest)
{
	const struct xslab_limits limits = { .hard = ULONG_MAX, .cache = 64 };
	struct xslab_cache *cache = checked_create(contest);

	if (IS_ERR_OR_NULL(cache))
		return cache;
	if (!xslab_cache_set_limits(cache, &limits) && is_closed(cache))
		return cache;
	xslab_destroy(cache);
	return NULL;
}

static void *prefill(void *cache)
{
	if (!IS_ERR_OR_NULL(cache) && xslab_cache_prefill(cache, RESERVE)) {
		xslab_destroy(cache);
		return NULL;
	}
	return cache;
}

static void *prefilled_create(const struct xcontest *contest)
{
	return prefill(checked_create(contest));
}

static void *prefilled_unchecked_create(const struct xcontest *contest)
{
	return prefill(unchecked_create(contest));
}

static void *pool_create(const struct xcontest *contest)
{
	return xbench_suite_pool;
}

#define KMALLOC_OF(bytes)							\
	{ "kmalloc", bytes, xbench_kmalloc##bytes, none_create, none_destroy }

/* Objects of one size. */
const struct xallocator xbench_caches[] = {
	{ "slub", 0, xbench_slub, slub_create, slub_destroy },
	{ "stack", 0, xbench_stack, stack_create, stack_destroy },
	KMALLOC_OF(16),
	KMALLOC_OF(32),
	KMALLOC_OF(64),
	KMALLOC_OF(256),
	KMALLOC_OF(1024),
	KMALLOC_OF(4096),
	{ "xalloc", 0, xbench_xslab, checked_create, xslab_destroy },
	{ "xalloc-nochecks", 0, xbench_xslab, unchecked_create, xslab_destroy },
	{}
};

/* Objects that are allocated and freed a whole layer at a time. */
const struct xallocator xbench_layered[] = {
	{ "slub", 0, xbench_slub, slub_create, slub_destroy },
	{ "xalloc", 0, xbench_xslab, checked_create, xslab_destroy },
	{ "xalloc-nochecks", 0, xbench_xslab, unchecked_create, xslab_destroy },
	{ "xalloc-deep", 0, xbench_xslab, deep_create, xslab_destroy },
	{}
};

/* What layers cost without magazines. */
const struct xallocator xbench_closed[] = {
	{ "xalloc-closed", 0, xbench_xslab, closed_create, xslab_destroy },
	{}
};

/* Those that guarantee a number of objects. */
const struct xallocator xbench_reserves[] = {
	{ "mempool", 0, xbench_mempool, mempool_make, mempool_end },
	{ "xalloc", 0, xbench_xslab, prefilled_create, xslab_destroy },
	{ "xalloc-nochecks", 0, xbench_xslab, prefilled_unchecked_create, xslab_destroy },
	{}
};

/* Objects of any size; a free is not told the size. */
const struct xallocator xbench_sized[] = {
	{ "kmalloc", 0, xbench_kmalloc_any, none_create, none_destroy },
	{ "xalloc", 0, xbench_xmalloc, none_create, none_destroy },
	{}
};

/* Pages of an empty pool. */
const struct xallocator xbench_of_pages[] = {
	{ "alloc_pages", 0, xbench_pages, none_create, none_destroy },
	{ "xalloc", 0, xbench_xpages, pool_create, none_destroy },
	{ "xalloc-addr", 0, xbench_xaddr, pool_create, none_destroy },
	{}
};
