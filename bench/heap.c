// SPDX-License-Identifier: GPL-2.0
/*
 * Heaps: chunks of any size, from 256 bytes to 1 MiB, beside many others that are live.
 *
 * Twice as many small chunks are taken as are to be live, and a random half of them is given
 * back, so that as many holes are between them. Then pairs of random sizes are taken and given
 * back, a few hundred at a time. Sizes are as likely in each doubling.
 *
 * The peer is gen_pool with its best fit, which looks at the whole range for each request, so it
 * is measured beside the smallest number only. Neither touches what it manages, so the range
 * needs no memory.
 */
#include <linux/err.h>
#include <linux/genalloc.h>
#include <linux/irqflags.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/vmalloc.h>

#include <xalloc/xheap.h>

#include "xbench.h"

#define GRANULE		256U
#define BASE		SZ_1G		/* any address but 0 */
#define ALL_AT_ONCE	256U		/* pairs */
#define ROUNDS		40U
#define REPLACED	200000U		/* chunks, to find the worst case */

static const struct {
	const char	*name;
	unsigned long	live;
	u64		bytes;	/* of the range */
} fields[] = {
	{ "1k", 1000, SZ_1G },
	{ "100k", 100000, SZ_1G },
	{ "1M", 1000000, 4ULL * SZ_1G },
};

struct field {
	struct xheap	*heap;
	struct gen_pool	*genpool;
	unsigned long	nr;
	u64		*at;
	u32		*size;
};

/* As likely between 2^@low and the next power of two as in any doubling below 2^@high. */
static u32 random_size(unsigned int low, unsigned int high)
{
	unsigned int order = low + xbench_random(high - low);

	return BIT(order) + xbench_random(BIT(order));
}

static u64 take(struct field *field, u32 size)
{
	u64 at = 0;

	if (field->heap)
		xheap_alloc_number(field->heap, size, 0, &at);
	else
		at = gen_pool_alloc(field->genpool, size);
	return at;
}

static void give(struct field *field, u64 at, u32 size)
{
	if (field->heap)
		xheap_free_number(field->heap, at);
	else
		gen_pool_free(field->genpool, at, size);
}

static void drop(struct field *field, unsigned long i)
{
	give(field, field->at[i], field->size[i]);
	field->nr--;
	field->at[i] = field->at[field->nr];
	field->size[i] = field->size[field->nr];
}

static int fill(struct field *field, unsigned long live)
{
	while (field->nr < 2 * live) {
		u32 size = random_size(8, 12);
		u64 at = take(field, size);

		if (!at)
			return -ENOSPC;
		field->at[field->nr] = at;
		field->size[field->nr++] = size;
		if (!(field->nr % 10000))
			cond_resched();
	}
	while (field->nr > live)
		drop(field, xbench_random(field->nr));
	return 0;
}

/* What a round of pairs takes. */
static u64 run_pairs(struct field *field, const u32 *size)
{
	unsigned long flags;
	u64 ticks;
	unsigned int i;

	local_irq_save(flags);
	ticks = xbench_now();
	for (i = 0; i < ALL_AT_ONCE; i++)
		give(field, take(field, size[i]), size[i]);
	ticks = xbench_now() - ticks;
	local_irq_restore(flags);
	return ticks;
}

static void tell_pairs(struct field *field, const char *workload, const char *allocator)
{
	u32 size[ALL_AT_ONCE];
	unsigned int r, i;
	u64 ticks = 0;

	for (r = 0; r < ROUNDS; r++) {
		for (i = 0; i < ALL_AT_ONCE; i++)
			size[i] = random_size(8, 20);
		ticks += run_pairs(field, size);
		cond_resched();
	}
	xbench_value(workload, allocator, XBENCH_UNIT "_pair",
		     100 * ticks / (ROUNDS * ALL_AT_ONCE));
}

/* One goes, and one of another size comes. Returns what the longer of the two took. */
static u64 replace(struct field *field, unsigned long i, u32 size)
{
	unsigned long flags;
	u64 free, alloc;

	local_irq_save(flags);
	free = xbench_now();
	give(field, field->at[i], field->size[i]);
	free = xbench_now() - free;
	alloc = xbench_now();
	field->at[i] = take(field, size);
	alloc = xbench_now() - alloc;
	local_irq_restore(flags);
	field->size[i] = size;
	return max(free, alloc);
}

/* Reading the clock is part of the figure, as in "none". */
static int tell_worst(struct field *field, const char *workload, const char *allocator)
{
	unsigned long op, i;
	u64 worst = 0;

	for (op = 0; op < REPLACED; op++) {
		i = xbench_random(field->nr);
		worst = max(worst, replace(field, i, random_size(8, 12)));
		if (!field->at[i]) {
			field->at[i] = field->at[--field->nr];
			field->size[i] = field->size[field->nr];
			return -ENOSPC;
		}
		if (!(op % 10000))
			cond_resched();
	}
	xbench_value(workload, allocator, XBENCH_UNIT "_most", 100 * worst);
	return 0;
}

static int run_field(struct field *field, unsigned int f, const char *allocator)
{
	char workload[XBENCH_NAME_MAX];
	int err;

	snprintf(workload, sizeof(workload), "heap-pair-%s", fields[f].name);
	field->at = vmalloc(array_size(2 * fields[f].live, sizeof(*field->at)));
	field->size = vmalloc(array_size(2 * fields[f].live, sizeof(*field->size)));
	err = field->at && field->size ? fill(field, fields[f].live) : -ENOMEM;
	if (!err) {
		tell_pairs(field, workload, allocator);
		err = tell_worst(field, workload, allocator);
	}
	while (field->nr)
		drop(field, field->nr - 1);
	vfree(field->size);
	vfree(field->at);
	return err;
}

static int run_heap(unsigned int f, enum xheap_fit fit, const char *allocator)
{
	struct field field = {
		.heap = xheap_create(&(struct xheap_args){
			.base = BASE, .size = fields[f].bytes, .granule = GRANULE, .fit = fit }),
	};
	int err;

	if (IS_ERR(field.heap))
		return PTR_ERR(field.heap);
	err = run_field(&field, f, allocator);
	return xheap_destroy(field.heap) ?: err;
}

static int run_genpool(unsigned int f)
{
	struct field field = { .genpool = gen_pool_create(ilog2(GRANULE), NUMA_NO_NODE) };
	int err = -ENOMEM;

	if (!field.genpool)
		return err;
	gen_pool_set_algo(field.genpool, gen_pool_best_fit, NULL);
	if (!gen_pool_add(field.genpool, BASE, fields[f].bytes, NUMA_NO_NODE))
		err = run_field(&field, f, "gen_pool-best");
	gen_pool_destroy(field.genpool);
	return err;
}

int xbench_heap_run(void)
{
	int err = xbench_fast ? 0 : run_genpool(0);
	unsigned int f;

	for (f = 0; !err && f < ARRAY_SIZE(fields); f++)
		err = run_heap(f, XHEAP_BEST_FIT, "xalloc-heap") ?:
		      run_heap(f, XHEAP_FIRST_FIT, "xalloc-first");
	return err;
}
