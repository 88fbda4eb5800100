// SPDX-License-Identifier: GPL-2.0
/*
 * Remote frees: objects are allocated on one CPU and freed on another.
 *
 * One thread does both and moves to the other CPU in between, so that nothing
 * else runs while the phases are measured. That gives figures without the cost
 * of handing over, and under icount instructions of one CPU alone.
 *
 * Slices: a layer of 25,000 objects of 120 bytes at once, freed one by one, in
 * bulk, and one by one past the magazines (as a bulk of one).
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/slab.h>

#include <xalloc/xpool.h>
#include <xalloc/xslab.h>

#include "xbench.h"

#define REMOTE_POOL_BYTES	(64UL << 20)
#define SLICES			25000
#define SLICE_BYTES		120

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
	{ "slices", XWORK_BATCH, LAYERS * SLICES, SLICES, .remote = true },
	{ "slices-bulk", XWORK_BULK, LAYERS * SLICES, SLICES, SLICES, .remote = true },
	/* Slow: it takes the lock for each. */
	{ "slices-bulk-of-1", XWORK_BULK, 8 * SLICES, SLICES, 1, .remote = true },
	{}
};

static const struct xcontest contests[] = {
	{ xbench_caches, phases, .size = 64 },
	{ xbench_caches, phases, .size = 256 },
	{ xbench_caches, phases, .size = 1024 },
	{ xbench_caches, slices, .size = SLICE_BYTES },
};

int xbench_remote_run(void)
{
	return xbench_contests(contests, ARRAY_SIZE(contests), REMOTE_POOL_BYTES);
}
