// SPDX-License-Identifier: GPL-2.0
/*
 * Ranges: gen_pool against xalloc, in 64 MiB of which half is in use.
 *
 *	front		the front half, as after a start that took and kept
 *	scattered	a random half of the blocks
 *
 * gen_pool never touches what it manages, so its range needs no memory.
 */
#include <linux/bitmap.h>
#include <linux/err.h>
#include <linux/genalloc.h>
#include <linux/log2.h>
#include <linux/vmalloc.h>

#include <xalloc/genpool.h>
#include <xalloc/xpool.h>
#include <xalloc/xslab.h>

#include "xbench.h"

#define RANGE_BYTES	(64UL << 20)
#define RANGE_ADDR	RANGE_BYTES	/* any address but 0 */
#define SMALLEST	256		/* bytes of a block */

/*
 * gen_pool
 */

static DECLARE_BITMAP(taken, RANGE_BYTES / SMALLEST);

static void take_half_of_genpool(struct gen_pool *genpool, const struct xcontest *contest)
{
	unsigned long addr = gen_pool_alloc(genpool, RANGE_BYTES), i;
	unsigned long nr = RANGE_BYTES / contest->size;

	bitmap_fill(taken, nr);
	for (i = 0; i < nr; i++) {
		if (contest->scattered ? xbench_random(2) : i < nr / 2)
			continue;
		/* What is taken as a whole may be given back in parts. */
		gen_pool_free(genpool, addr + i * contest->size, contest->size);
		__clear_bit(i, taken);
	}
}

static void *genpool_create(const struct xcontest *contest)
{
	struct gen_pool *genpool = gen_pool_create(ilog2(contest->size), NUMA_NO_NODE);

	if (!genpool)
		return NULL;
	if (gen_pool_add(genpool, RANGE_ADDR, RANGE_BYTES, NUMA_NO_NODE)) {
		gen_pool_destroy(genpool);
		return NULL;
	}
	take_half_of_genpool(genpool, contest);
	return genpool;
}

static void genpool_end(void *handle)
{
	struct gen_pool *genpool = handle;
	size_t block = BIT(genpool->min_alloc_order);
	unsigned long i;

	for_each_set_bit(i, taken, RANGE_BYTES / block)
		gen_pool_free(genpool, RANGE_ADDR + i * block, block);
	gen_pool_destroy(genpool);
}

/*
 * xalloc: the same calls over a heap
 */

static void **our_blocks;

static void take_half_of_ours(struct xgen_pool *pool, const struct xcontest *contest)
{
	unsigned long nr = RANGE_BYTES / contest->size, i;

	for (i = 0; i < nr; i++)
		our_blocks[i] = (void *)xgen_pool_alloc(pool, contest->size);
	for (i = 0; i < nr; i++)
		if (contest->scattered ? xbench_random(2) : i >= nr / 2) {
			xgen_pool_free(pool, (unsigned long)our_blocks[i], contest->size);
			our_blocks[i] = NULL;
		}
}

static void xgenpool_end(void *handle)
{
	struct xgen_pool *pool = handle;
	unsigned long i;

	for (i = 0; our_blocks && i < RANGE_BYTES >> pool->min_alloc_order; i++)
		if (our_blocks[i])
			xgen_pool_free(pool, (unsigned long)our_blocks[i],
				       BIT(pool->min_alloc_order));
	vfree(our_blocks);
	xgen_pool_destroy(pool);
}

static void *xgenpool_create(const struct xcontest *contest)
{
	struct xgen_pool *pool = xgen_pool_create(ilog2(contest->size), NUMA_NO_NODE);

	if (!pool)
		return NULL;
	our_blocks = vzalloc(array_size(RANGE_BYTES / contest->size, sizeof(*our_blocks)));
	if (!our_blocks || xgen_pool_add(pool, RANGE_ADDR, RANGE_BYTES, NUMA_NO_NODE)) {
		xgenpool_end(pool);
		return NULL;
	}
	take_half_of_ours(pool, contest);
	return pool;
}

/*
 * xalloc: blocks of pages by address, and caches
 */

/**
 * struct half - what is taken from a pool of xalloc
 * @pool: the pool
 * @cache: the cache in it; NULL if pages are taken
 * @objs: objects or pages; NULL where given back
 */
struct half {
	struct xpool		*pool;
	struct xslab_cache	*cache;
	void			*objs[RANGE_BYTES / SMALLEST];
};

/* By allocator: pages, checks, no checks. */
static struct half *halves[3];

static void *take(struct half *half)
{
	return half->cache ? xslab_cache_alloc(half->cache, 0) :
			     xpool_alloc_addr(half->pool, 0, 0);
}

static void give(struct half *half, void **obj)
{
	if (!*obj)
		return;
	if (half->cache)
		xslab_cache_free(half->cache, *obj);
	else
		xpool_free_addr(half->pool, *obj, 0);
	*obj = NULL;
}

static void take_half(struct half *half, const struct xcontest *contest)
{
	unsigned long nr = RANGE_BYTES / contest->size, i;

	for (i = 0; i < (contest->scattered ? nr : nr / 2); i++)
		half->objs[i] = take(half);
	for (i = 0; contest->scattered && i < nr; i++)
		if (xbench_random(2))
			give(half, &half->objs[i]);
}

static void half_destroy(struct half *half)
{
	unsigned long i;

	for (i = 0; i < ARRAY_SIZE(half->objs); i++)
		give(half, &half->objs[i]);
	if (half->cache && xslab_cache_destroy(half->cache))
		pr_err("a cache of xalloc has live objects\n");
	if (xpool_destroy(half->pool))
		pr_err("a pool of xalloc has pages in use\n");
	vfree(half);
}

static struct half *half_create(const char *name)
{
	struct half *half = vzalloc(sizeof(*half));

	if (!half)
		return NULL;
	half->pool = xbench_pool(name, RANGE_BYTES);
	if (!IS_ERR(half->pool))
		return half;
	vfree(half);
	return NULL;
}

static void *pages_create(const struct xcontest *contest)
{
	struct half *half = half_create("xbench-range");

	halves[0] = half;
	if (!half)
		return NULL;
	take_half(half, contest);
	return half->pool;
}

static void pages_end(void *pool)
{
	half_destroy(halves[0]);
}

/* Two ways into one pool. */
static void *shared_pages(const struct xcontest *contest)
{
	return halves[0] ? halves[0]->pool : NULL;
}

static void shared_end(void *pool)
{
}

static void *cache_create(struct half **at, const char *name, xslab_flags_t flags,
			  const struct xcontest *contest)
{
	const struct xslab_args args = { .name = name, .size = contest->size, .flags = flags };
	struct half *half = half_create(name);

	if (!half)
		return NULL;
	half->cache = xslab_cache_create_in(half->pool, &args);
	if (IS_ERR_OR_NULL(half->cache)) {
		half->cache = NULL;
		half_destroy(half);
		return NULL;
	}
	*at = half;
	take_half(half, contest);
	return half->cache;
}

static void *checked_create(const struct xcontest *contest)
{
	return cache_create(&halves[1], "xbench-range-c", 0, contest);
}

static void checked_end(void *cache)
{
	half_destroy(halves[1]);
}

static void *unchecked_create(const struct xcontest *contest)
{
	return cache_create(&halves[2], "xbench-range-n", XSLAB_NO_CHECKS, contest);
}

static void unchecked_end(void *cache)
{
	half_destroy(halves[2]);
}

static const struct xallocator allocators[] = {
	{ "gen_pool", 0, xbench_genpool, genpool_create, genpool_end },
	{ "xalloc-genpool", 0, xbench_xgenpool, xgenpool_create, xgenpool_end },
	{ "xalloc", 0, xbench_xslab, checked_create, checked_end },
	{ "xalloc-nochecks", 0, xbench_xslab, unchecked_create, unchecked_end },
	{ "xalloc-pages", PAGE_SIZE, xbench_xpages, pages_create, pages_end },
	{ "xalloc-addr", PAGE_SIZE, xbench_xaddr, shared_pages, shared_end },
	{}
};

static const struct xscenario scenarios[] = {
	{ "range-pair", XWORK_PAIR, 2000, .fast = true },
	{ "range-1024", XWORK_BATCH, 2 * 1024, 1024 },
	{}
};

static const size_t sizes[] = { 256, 4096 };

static void run_range(size_t size, bool scattered)
{
	struct xcontest contest = {
		.table = allocators,
		.scenarios = scenarios,
		.size = size,
		.scattered = scattered,
	};

	snprintf(contest.suffix, sizeof(contest.suffix), "%zu-%s", size,
		 scattered ? "scattered" : "front");
	xbench_contest(&contest);
}

int xbench_genpool_run(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		run_range(sizes[i], false);
		run_range(sizes[i], true);
	}
	return 0;
}
