// SPDX-License-Identifier: GPL-2.0
/*
 * The worst case: the largest number of instructions of any single allocation
 * or free, over many of mixed kinds, in a small pool, in a large one and in one of many
 * regions. A loop that grows with the pool, or with its regions, would show.
 *
 * Operations are random: objects of four sizes, with all checks, and blocks of
 * all orders, of which each kind may hold a number. The small pool is then
 * nearly full, and blocks of the largest orders are often refused; what a
 * refusal costs is told apart, because it has asked all caches to give back.
 *
 * The large pool is 16 GiB of addresses with no memory behind them: neither the
 * pool nor its caches ever touch what they manage. The pool of 256 regions is a pool that may
 * grow, as the system gave them, at random addresses.
 *
 * Interrupts are off while one operation is measured. Reading the clock is part
 * of the figure, as in "none".
 */
#include <linux/err.h>
#include <linux/irqflags.h>
#include <linux/kernel.h>
#include <linux/pgtable.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/vmalloc.h>

#include <xalloc/xbuddy.h>
#include <xalloc/xpool.h>
#include <xalloc/xslab.h>

#include "xbench.h"

#define OPERATIONS	1000000
#define SMALL_BYTES	(16UL << 20)
#define LARGE_BYTES	(16UL << 30)
#define REGIONS		256
#define REGION_BYTES	(4UL << 20)
#define NR_CACHES	4
#define KINDS		(NR_CACHES + XBUDDY_NR_ORDERS)
#define MAX_HELD	4096	/* objects of one kind */
#define PAGES_OF_ORDER	128	/* that may be held, but one block at least */

/* Addresses where nothing is: the last of the range that vmalloc() uses. */
#define NOWHERE		(ALIGN_DOWN(VMALLOC_END, SZ_1G) - LARGE_BYTES)

/**
 * struct kind - objects of one cache, or blocks of one order
 * @cache: NULL for blocks
 * @order: of the blocks
 * @most: how many may be held
 * @nr: how many are
 * @objs: those; page numbers for the buddy system alone
 */
struct kind {
	struct xslab_cache	*cache;
	unsigned int		order;
	unsigned int		most;
	unsigned int		nr;
	unsigned long		objs[MAX_HELD];
};

/**
 * struct worst - one search for the worst case
 * @pool: NULL for the buddy system alone
 * @buddy: that one
 * @first: the first kind to use
 * @alloc: the worst so far, of those that got something
 * @alloc_of: what that was
 * @refused: of those that did not
 * @free: of the frees
 * @free_of: what that was
 * @nr_refused: how many got nothing
 * @kinds: what is held
 */
struct worst {
	struct xpool	*pool;
	struct xbuddy	buddy;
	unsigned int	first;
	u64		alloc;
	unsigned int	alloc_of;
	u64		refused;
	u64		free;
	unsigned int	free_of;
	unsigned long	nr_refused;
	struct kind	kinds[KINDS];
};

static const struct {
	size_t		size;
	unsigned int	most;
} caches[NR_CACHES] = { { 16, 4096 }, { 256, 2048 }, { 1024, 512 }, { 4096, 256 } };

/* Returns 0 if there is none; page number 0 is told apart by adding one. */
static unsigned long take(struct worst *worst, struct kind *kind)
{
	if (kind->cache)
		return (unsigned long)xslab_cache_alloc(kind->cache, 0);
	if (worst->pool)
		return (unsigned long)xpool_alloc_addr(worst->pool, kind->order, 0);
	return max(xbuddy_alloc(&worst->buddy, kind->order) + 1, 0L);
}

static void give(struct worst *worst, struct kind *kind, unsigned long obj)
{
	if (kind->cache)
		xslab_cache_free(kind->cache, (void *)obj);
	else if (worst->pool)
		xpool_free_addr(worst->pool, (void *)obj, kind->order);
	else
		xbuddy_free(&worst->buddy, obj - 1, kind->order);
}

static void measured_take(struct worst *worst, struct kind *kind)
{
	unsigned long flags, obj;
	u64 ticks;

	local_irq_save(flags);
	ticks = xbench_now();
	obj = take(worst, kind);
	ticks = xbench_now() - ticks;
	local_irq_restore(flags);

	if (obj) {
		kind->objs[kind->nr++] = obj;
		if (ticks > worst->alloc) {
			worst->alloc = ticks;
			worst->alloc_of = kind - worst->kinds;
		}
	} else {
		worst->nr_refused++;
		worst->refused = max(worst->refused, ticks);
	}
}

static void measured_give(struct worst *worst, struct kind *kind)
{
	unsigned long flags, obj;
	unsigned int i = xbench_random(kind->nr);
	u64 ticks;

	obj = kind->objs[i];
	kind->objs[i] = kind->objs[--kind->nr];
	local_irq_save(flags);
	ticks = xbench_now();
	give(worst, kind, obj);
	ticks = xbench_now() - ticks;
	local_irq_restore(flags);
	if (ticks > worst->free) {
		worst->free = ticks;
		worst->free_of = kind - worst->kinds;
	}
}

/*
 * Phases in which more is taken, and phases in which more is given back: else
 * all would stay half full, and the edges would not be seen.
 */
static void search(struct worst *worst)
{
	unsigned long op;

	for (op = 0; op < OPERATIONS; op++) {
		unsigned int percent = op / 20000 % 2 ? 70 : 30;
		struct kind *kind;

		kind = &worst->kinds[worst->first + xbench_random(KINDS - worst->first)];
		if (kind->nr && (kind->nr == kind->most || xbench_random(100) >= percent))
			measured_give(worst, kind);
		else
			measured_take(worst, kind);
		if (!(op % 10000))
			cond_resched();
	}
}

static void give_all(struct worst *worst)
{
	unsigned int i;

	for (i = 0; i < KINDS; i++) {
		struct kind *kind = &worst->kinds[i];

		while (kind->nr)
			give(worst, kind, kind->objs[--kind->nr]);
	}
}

static void tell(const struct worst *worst, const char *what, const char *size)
{
	char workload[XBENCH_NAME_MAX];

	snprintf(workload, sizeof(workload), "%s-%s", what, size);
	xbench_value(workload, "xalloc", XBENCH_UNIT "_most", 100 * max(worst->alloc, worst->free));
	xbench_value(workload, "xalloc", XBENCH_UNIT "_most_alloc", 100 * worst->alloc);
	xbench_value(workload, "xalloc", XBENCH_UNIT "_most_free", 100 * worst->free);
	if (worst->nr_refused)
		xbench_value(workload, "xalloc", XBENCH_UNIT "_most_refused", 100 * worst->refused);
	pr_info("%s: %lu of %u operations were refused; the worst were of kinds %u and %u\n",
		workload, worst->nr_refused, OPERATIONS, worst->alloc_of, worst->free_of);
}

static void set_orders(struct worst *worst)
{
	unsigned int order;

	for (order = 0; order < XBUDDY_NR_ORDERS; order++) {
		struct kind *kind = &worst->kinds[NR_CACHES + order];

		kind->order = order;
		kind->most = max(PAGES_OF_ORDER >> order, 1);
	}
}

static int set_caches(struct worst *worst)
{
	unsigned int i;

	for (i = 0; i < NR_CACHES; i++) {
		struct xslab_args args = { .name = "xbench-worst", .size = caches[i].size };
		struct xslab_cache *cache = xslab_cache_create_in(worst->pool, &args);

		if (IS_ERR(cache))
			return PTR_ERR(cache);
		worst->kinds[i].cache = cache;
		worst->kinds[i].most = caches[i].most;
	}
	return 0;
}

static void end_caches(struct worst *worst)
{
	unsigned int i;

	for (i = 0; i < NR_CACHES; i++)
		if (worst->kinds[i].cache)
			xslab_cache_destroy(worst->kinds[i].cache);
}

static int of_pool(struct worst *worst, const struct xpool_args *args, const char *size)
{
	int err;

	memset(worst, 0, sizeof(*worst));
	worst->pool = xpool_create(args);
	if (IS_ERR(worst->pool))
		return PTR_ERR(worst->pool);
	set_orders(worst);
	err = set_caches(worst);
	if (!err) {
		search(worst);
		tell(worst, "worst", size);
	}
	give_all(worst);
	end_caches(worst);
	return xpool_destroy(worst->pool) ?: err;
}

static int of_buddy(struct worst *worst, unsigned long bytes, const char *size)
{
	int err;

	memset(worst, 0, sizeof(*worst));
	err = xbuddy_init(&worst->buddy, bytes >> PAGE_SHIFT);
	if (err)
		return err;
	worst->first = NR_CACHES;
	set_orders(worst);
	search(worst);
	tell(worst, "worst-buddy", size);
	give_all(worst);
	xbuddy_destroy(&worst->buddy);
	return 0;
}

static int of_regions(struct worst *worst)
{
	const struct xpool_args args = {
		.name = "xbench-worst", .size = REGIONS * REGION_BYTES,
		.max_size = (REGIONS + 1) * REGION_BYTES,
	};

	xbench_scatter();
	return of_pool(worst, &args, "256R");
}

static int of_all(struct worst *worst)
{
	const struct xpool_args small = { .name = "xbench-worst", .size = SMALL_BYTES };
	const struct xpool_args large = {
		.name = "xbench-worst", .size = LARGE_BYTES, .addr = (void *)NOWHERE,
	};

	return of_buddy(worst, SMALL_BYTES, "16M") ?:
	       of_buddy(worst, LARGE_BYTES, "16G") ?:
	       of_pool(worst, &small, "16M") ?:
	       of_pool(worst, &large, "16G") ?:
	       of_regions(worst);
}

int xbench_worst_run(void)
{
	struct worst *worst = vzalloc(sizeof(*worst));
	int err = -ENOMEM;

	if (worst)
		err = of_all(worst);
	vfree(worst);
	return err;
}
