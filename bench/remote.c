// SPDX-License-Identifier: GPL-2.0
/*
 * Remote frees: objects are allocated on one CPU and freed on another.
 *
 * One thread does both and moves to the other CPU in between, so that nothing
 * else runs while the phases are measured. That gives figures without the cost
 * of handing over, and under icount instructions of one CPU alone.
 *
 * Slices: a layer of 25,000 objects of 120 bytes at once, freed one by one and in
 * bulk. "xalloc-closed" has no magazines, so one by one it takes the lock for each:
 * what bulk gains is told of it. "xalloc-deep" has a depot that a layer fits into, so
 * that its objects cross from the CPU that frees to the one that allocates in whole
 * magazines; the default depot holds 32. How often that is so is told from the second
 * layer on: the first fills the depot.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/slab.h>

#include <xalloc/xpool.h>
#include <xalloc/xslab.h>

#include "xbench.h"

#define REMOTE_POOL_BYTES	(64UL << 20)
#define SLICE_BYTES		120
#define SLICE_SHARES		"shares-slices-120"

/* 64 layers; fewer where QEMU translates */
#ifdef CONFIG_UML
#define LAYERS			64
#else
#define LAYERS			8
#endif

static const struct xscenario phases[] = {
	{ "remote-phases256", XWORK_BATCH, 100 * 256, 256, .remote = true },
	{}
};

static const struct xscenario slices[] = {
	{ "slices", XWORK_BATCH, LAYERS * XBENCH_SLICES, XBENCH_SLICES, .remote = true },
	{ "slices-bulk", XWORK_BULK, LAYERS * XBENCH_SLICES, XBENCH_SLICES, XBENCH_SLICES,
	  .remote = true },
	{}
};

/* A single layer: on User Mode Linux a lock may take microseconds. */
static const struct xscenario slices_closed[] = {
	{ "slices", XWORK_BATCH, XBENCH_SLICES, XBENCH_SLICES, .remote = true },
	{ "slices-bulk", XWORK_BULK, XBENCH_SLICES, XBENCH_SLICES, XBENCH_SLICES,
	  .remote = true },
	{}
};

static const struct xcontest contests[] = {
	{ xbench_caches, phases, .size = 64 },
	{ xbench_caches, phases, .size = 256 },
	{ xbench_caches, phases, .size = 1024 },
	{ xbench_layered, slices, .size = SLICE_BYTES },
	{ xbench_closed, slices_closed, .size = SLICE_BYTES },
};

/* What the depot served of all layers behind the first. */
static int tell_slices(const char *allocator, struct xslab_cache *cache)
{
	struct xrun run = {
		.handle = cache, .size = SLICE_BYTES, .nr = XBENCH_SLICES,
		.batch = XBENCH_SLICES, .remote = true, .objs = xbench_objs(),
	};
	struct xslab_stats before, after;
	int err;

	if (IS_ERR(cache))
		return PTR_ERR(cache);
	err = xbench_remote(xbench_xslab, XWORK_BATCH, &run);
	xslab_cache_stats(cache, &before);
	run.nr = (LAYERS - 1) * XBENCH_SLICES;
	if (!err)
		err = xbench_remote(xbench_xslab, XWORK_BATCH, &run);
	xslab_cache_stats(cache, &after);
	if (!err)
		xbench_tell_shares(SLICE_SHARES, allocator, &before, &after);
	return xslab_cache_destroy(cache) ?: err;
}

static int tell_all_slices(void)
{
	const struct xslab_args args = { .name = "xbench-slices", .size = SLICE_BYTES };
	struct xpool *pool;
	int err;

	if (!xbench_wanted(SLICE_SHARES))
		return 0;
	pool = xbench_pool("xbench-slices", REMOTE_POOL_BYTES);
	if (IS_ERR(pool))
		return PTR_ERR(pool);
	err = tell_slices("xalloc", xslab_cache_create_in(pool, &args)) ?:
	      tell_slices("xalloc-deep", xbench_deep_cache(pool, SLICE_BYTES, XBENCH_SLICES));
	return xpool_destroy(pool) ?: err;
}

int xbench_remote_run(void)
{
	return xbench_contests(contests, ARRAY_SIZE(contests), REMOTE_POOL_BYTES) ?:
	       tell_all_slices();
}
