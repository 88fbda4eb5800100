// SPDX-License-Identifier: GPL-2.0
/*
 * Object workloads: the kernel's caches of objects against xalloc's.
 */
#include <linux/kernel.h>

#include "xbench.h"

/* Two caches of 30,000 objects of 4 KiB, and room for what they keep. */
#define OBJECT_POOL_BYTES	(320UL << 20)
#define MANY			XBENCH_MANY

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
	{}
};

/* Each object is written to once. Apart, because xalloc's caches are told: touch_flags(). */
static const struct xscenario touching[] = {
	{ "pair-touch", XWORK_PAIR_TOUCH, 10000 },
	{ "batch128-touch", XWORK_BATCH_TOUCH, 100 * 128, 128 },
	{ "batch128-random-touch", XWORK_BATCH_TOUCH, 100 * 128, 128, .shuffle = true },
	{ "30k-touch", XWORK_BATCH_TOUCH, MANY, MANY },
	{ "30k-random-touch", XWORK_BATCH_TOUCH, MANY, MANY, .shuffle = true },
	{ "bulk16-touch", XWORK_BULK_TOUCH, MANY, MANY, 16 },
	{ "bulk64-touch", XWORK_BULK_TOUCH, MANY, MANY, 64 },
	{ "bulk256-touch", XWORK_BULK_TOUCH, MANY, MANY, 256 },
	{}
};

/* Other lengths, for sizes in between: what is good for powers of two only shows here. */
static const struct xscenario lengths[] = {
	{ "pair", XWORK_PAIR, 10000 },
	{ "batch20", XWORK_BATCH, 500 * 20, 20 },
	{ "batch1000", XWORK_BATCH, 10 * 1000, 1000 },
	{ "batch1000-random", XWORK_BATCH, 10 * 1000, 1000, .shuffle = true },
	{ "batch128-bulk4", XWORK_BULK, 100 * 128, 128, 4 },
	{ "batch128-bulk16", XWORK_BULK, 100 * 128, 128, 16 },
	{ "batch128-bulk32", XWORK_BULK, 100 * 128, 128, 32 },
	{ "bulk4", XWORK_BULK, MANY, MANY, 4 },
	{ "bulk10", XWORK_BULK, MANY, MANY, 10 },
	{ "bulk30", XWORK_BULK, MANY, MANY, 30 },
	{ "bulk100", XWORK_BULK, MANY, MANY, 100 },
	{ "bulk1000", XWORK_BULK, MANY, MANY, 1000 },
	{ "bulk30-random", XWORK_BULK, MANY, MANY, 30, .shuffle = true },
	{}
};

/* Those that guarantee a number of objects. */
static const struct xscenario reserve_pair[] = {
	{ "reserve-pair", XWORK_PAIR, 10000, .fast = true },
	{}
};

/* A free is not told the cache, as kfree() is not. */
static const struct xscenario unnamed[] = {
	{ "unnamed-pair", XWORK_PAIR, 10000, .fast = true },
	{ "unnamed-30k", XWORK_BATCH, MANY, MANY },
	{ "unnamed-30k-random", XWORK_BATCH, MANY, MANY, .shuffle = true, .fast = true },
	{}
};

static const struct xscenario unnamed_large[] = {
	{ "unnamed-pair", XWORK_PAIR, 10000, .fast = true },
	{}
};

/*
 * glibc-simple, as in bench-malloc-simple.c: allocate n objects, free them in
 * the same order, 2,000,000 iterations / n times. A fiftieth of that where QEMU
 * counts instructions, which are the same each time.
 */
#ifdef CONFIG_UML
#define SIMPLE		2000000
#else
#define SIMPLE		40000
#endif

static const struct xscenario simple[] = {
	{ "glibc-simple25", XWORK_ROUNDS, SIMPLE, 25 },
	{ "glibc-simple100", XWORK_ROUNDS, SIMPLE, 100 },
	{ "glibc-simple400", XWORK_ROUNDS, SIMPLE, 400 },
	{ "glibc-simple1600", XWORK_ROUNDS, SIMPLE, 1600 },
	{}
};

/* Sizes one after the other, so that the memory of one is back for the next. */
static const struct xcontest contests[] = {
	{ xbench_caches, scenarios, .size = 16 },
	{ xbench_caches, touching, .size = 16 },
	{ xbench_reserves, reserve_pair, .size = 16 },
	{ xbench_caches, scenarios, .size = 64 },
	{ xbench_caches, touching, .size = 64 },
	{ xbench_reserves, reserve_pair, .size = 64 },
	{ xbench_caches, scenarios, .size = 256 },
	{ xbench_caches, touching, .size = 256 },
	{ xbench_reserves, reserve_pair, .size = 256 },
	{ xbench_caches, scenarios, .size = 1024 },
	{ xbench_caches, touching, .size = 1024 },
	{ xbench_reserves, reserve_pair, .size = 1024 },
	{ xbench_caches, scenarios, .size = 4096 },
	{ xbench_caches, touching, .size = 4096 },
	{ xbench_reserves, reserve_pair, .size = 4096 },
	{ xbench_sized, unnamed, .size = 64 },
	{ xbench_sized, unnamed, .size = 256 },
	{ xbench_sized, unnamed, .size = 1024 },
	{ xbench_sized, unnamed_large, .size = 8192 },
	{ xbench_caches, simple, .size = 16 },
	{ xbench_caches, simple, .size = 32 },
	{ xbench_caches, simple, .size = 64 },
};

static const struct xcontest between[] = {
	{ xbench_caches, lengths, .size = 24 },
	{ xbench_caches, lengths, .size = 48 },
	{ xbench_caches, lengths, .size = 96 },
	{ xbench_caches, lengths, .size = 120 },
	{ xbench_caches, lengths, .size = 192 },
	{ xbench_caches, lengths, .size = 320 },
	{ xbench_caches, lengths, .size = 512 },
	{ xbench_caches, lengths, .size = 700 },
	{ xbench_caches, lengths, .size = 2048 },
};

int xbench_sizes(void)
{
	return xbench_contests(between, ARRAY_SIZE(between), OBJECT_POOL_BYTES);
}

int xbench_objects(void)
{
	return xbench_contests(contests, ARRAY_SIZE(contests), OBJECT_POOL_BYTES);
}
