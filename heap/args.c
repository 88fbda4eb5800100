// SPDX-License-Identifier: GPL-2.0
/*
 * heap/args: the arguments of a heap, honoured or refused
 *
 * What is found out here about the range, in units (heap/region.c):
 *
 *	one range for ever		one unit, of all of it
 *	a range cut by need, a pool	units of a power of two, an eighth of a region at most, so
 *					that regions of any size waste little; size and max_size
 *					are multiples of them
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/sizes.h>
#include <linux/string.h>

#include "heap.h"

#define UNIT_MIN	SZ_32K		/* smaller ones would cost more than 5 % with their slots */
#define UNIT_GRANULES	16U
#define REGION_SIZE	((u64)PAGE_SIZE << XBUDDY_MAX_ORDER)	/* unless the client says */

static int check_granule(const struct xheap_args *args)
{
	if (is_power_of_2(args->granule) && args->granule >= XHEAP_GRANULE_MIN &&
	    args->granule <= XHEAP_GRANULE_MAX)
		return 0;
	return heap_refuse(args->name, -EINVAL,
			   "granule %u: need a power of two from %u to %u bytes",
			   args->granule, XHEAP_GRANULE_MIN, XHEAP_GRANULE_MAX);
}

static int check_source(const struct xheap_args *args)
{
	if (!!args->addr + !!args->base + !!args->pool > 1)
		return heap_refuse(args->name, -EINVAL, "give one of addr, base and pool");
	if (IS_ERR(args->pool))
		return heap_refuse(args->name, -EINVAL, "pool is an error pointer, %ld",
				   PTR_ERR(args->pool));
	if (!args->pool && args->max_size && args->max_size != args->size)
		return heap_refuse(args->name, -EINVAL,
				   "max_size %llu: a range has its size and does not grow",
				   args->max_size);
	return 0;
}

/* Of a range: aligned, not empty, and not around the end of all numbers. */
static int check_range(const struct xheap_args *args)
{
	u64 start = args->addr ? (unsigned long)args->addr : args->base;
	u64 mask = args->granule - 1;

	if (!args->size || args->size & mask)
		return heap_refuse(args->name, -EINVAL,
				   "size %llu: need a multiple of the granule, %u bytes",
				   args->size, args->granule);
	if (start & mask)
		return heap_refuse(args->name, -EINVAL, "%s %#llx: not aligned to the granule, %u",
				   args->addr ? "addr" : "base", start, args->granule);
	if (start + args->size < start)
		return heap_refuse(args->name, -EINVAL, "the range from %#llx on wraps around",
				   start);
	return 0;
}

static int check_pool_sizes(const struct xheap_args *args)
{
	if (!args->size && !args->max_size)
		return heap_refuse(args->name, -EINVAL, "give size or max_size");
	if (args->max_size && args->max_size < args->size)
		return heap_refuse(args->name, -EINVAL, "max_size %llu is below size, %llu",
				   args->max_size, args->size);
	return 0;
}

static int check_policy(const struct xheap *heap, const struct xheap_args *args)
{
	if (args->fit > XHEAP_FIRST_FIT)
		return heap_refuse(args->name, -EINVAL, "fit %d: there is no such policy",
				   args->fit);
	if (args->max_split && heap->first_fit)
		return heap_refuse(args->name, -EINVAL, "max_split needs best fit");
	if (args->max_split && !heap->grows)
		return heap_refuse(args->name, -EINVAL,
				   "max_split needs a heap that takes regions: give region_size");
	if (args->max_idle && !heap->grows)
		return heap_refuse(args->name, -EINVAL,
				   "max_idle needs a heap that takes regions: give region_size");
	if (args->max_split && args->max_split < args->granule)
		return heap_refuse(args->name, -EINVAL, "max_split %llu is below the granule, %u",
				   args->max_split, args->granule);
	return 0;
}

/* The largest power of two of which @bytes is a multiple; 0 is one of all. */
static u64 alignment_of(u64 bytes)
{
	return bytes ? bytes & -bytes : BIT_ULL(63);
}

/* Units of a heap of regions. */
static int plan_units(struct xheap *heap, const struct xheap_args *args)
{
	u64 least = max_t(u64, UNIT_MIN, UNIT_GRANULES * args->granule);
	u64 unit = max_t(u64, rounddown_pow_of_two(heap->region_size) / 8, least);

	unit = min3(unit, alignment_of(args->size), alignment_of(heap->limit));
	if (unit < least)
		return heap_refuse(args->name, -EINVAL,
				   "size %llu, max_size %llu: need multiples of %llu bytes",
				   args->size, args->max_size, least);
	heap->regions.unit_bytes = unit;
	heap->regions.stride = (unit >> heap->shift) + 1;
	return 0;
}

static void plan_one_range(struct xheap *heap)
{
	heap->regions.unit_bytes = heap->limit;
	heap->regions.stride = (heap->limit >> heap->shift) + 1;
}

/* So that granule numbers, those between regions included, fit a tag. */
static int check_number(struct xheap *heap)
{
	u64 units = heap->limit / heap->regions.unit_bytes;

	if (heap->limit >> heap->shift >= XHEAP_MAX_GRANULES ||
	    units * heap->regions.stride >= XHEAP_MAX_GRANULES)
		return heap_refuse(heap->name, -EINVAL,
				   "%llu bytes are more than %u granules of %lu bytes",
				   heap->limit, XHEAP_MAX_GRANULES, 1UL << heap->shift);
	heap->regions.nr_units = units;
	return 0;
}

static void take_over(struct xheap *heap, const struct xheap_args *args)
{
	strscpy(heap->name, args->name, sizeof(heap->name));
	heap->shift = ilog2(args->granule);
	heap->mask = args->granule - 1;
	heap->pool = args->pool;
	heap->numbers = !args->pool && !args->addr;
	heap->range.start = args->addr ? (unsigned long)args->addr : args->base;
	heap->range.bytes = args->pool ? 0 : args->size;
	heap->limit = args->max_size ?: args->size;
	heap->region_size = args->region_size ?:
			    min_t(u64, REGION_SIZE, rounddown_pow_of_two(heap->limit));
	heap->grows = args->pool ? heap->limit > args->size : args->region_size;
	heap->first_fit = args->fit == XHEAP_FIRST_FIT;
	heap->max_split = min_t(u64, args->max_split >> heap->shift, XHEAP_MAX_GRANULES);
	heap->plain = heap->first_fit || heap->max_split || args->by_address ? 0 : heap->limit;
	heap->idle_from = args->max_idle ? heap->region_size >> heap->shift : U32_MAX;
	heap->max_idle = args->max_idle >> heap->shift;
	heap->max_waste = min_t(u64, xheap_granules(heap, args->max_waste), U32_MAX);
}

/* Check @args, and note in @heap what they say. Returns 0 or an errno, with a line in the log. */
int xheap_args_check(struct xheap *heap, const struct xheap_args *args)
{
	int err = xtext_check_name("heap", args->name);

	err = err ?: check_granule(args);
	err = err ?: check_source(args);
	err = err ?: args->pool ? check_pool_sizes(args) : check_range(args);
	if (err)
		return err;
	take_over(heap, args);
	err = check_policy(heap, args);
	if (!err && (heap->pool || heap->grows))
		err = plan_units(heap, args);
	else if (!err)
		plan_one_range(heap);
	return err ?: check_number(heap);
}
