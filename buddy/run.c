// SPDX-License-Identifier: GPL-2.0
/*
 * buddy/run: any number of contiguous pages
 *
 * A run is nothing but the blocks that it is made of, cut in one way only (the largest that fits,
 * from the left), so it needs no record of its own and its blocks may also be freed one by one.
 */
#include <linux/export.h>

#include "buddy.h"

/* The free pages from @at on, as far as @to: their end. */
static unsigned long end_of_free(const struct xbuddy *buddy, unsigned long at, unsigned long to)
{
	struct xbuddy_block block;

	while (at < to && !xbuddy_lookup(buddy, at, &block) && block.state == XBUDDY_FREE)
		at = block.index + (1UL << block.order);
	return min(at, to);
}

/* The free pages up to @at, as far as @from: their start. */
static unsigned long start_of_free(const struct xbuddy *buddy, unsigned long from,
				   unsigned long at)
{
	struct xbuddy_block block;

	while (at > from && !xbuddy_lookup(buddy, at - 1, &block) && block.state == XBUDDY_FREE)
		at = block.index;
	return max(at, from);
}

/* The aligned page number at or above @at, or at or below it. */
static unsigned long align_up(const struct xbuddy_run *run, unsigned long at)
{
	return round_up(at + run->skew, run->align) - run->skew;
}

static unsigned long align_down(const struct xbuddy_run *run, unsigned long at)
{
	return round_down(at + run->skew, run->align) - run->skew;
}

static long find_lowest(const struct xbuddy *buddy, const struct xbuddy_run *run)
{
	unsigned long at = run->from, end;
	unsigned int order;

	for (;; at = max(at, end)) {
		at = lowest(buddy, buddy->orders, 0, at, &order);
		if (at >= run->to)
			return -ENOSPC;
		at = align_up(run, at);
		if (at >= run->to || run->to - at < run->nr)
			return -ENOSPC;
		end = end_of_free(buddy, at, at + run->nr);
		if (end - at == run->nr)
			return at;
	}
}

static long find_highest(const struct xbuddy *buddy, const struct xbuddy_run *run)
{
	unsigned long end = run->to, start, at;
	struct xbuddy_block block;

	while (end > run->from && end - run->from >= run->nr) {
		at = align_down(run, end - run->nr);
		if (at < run->from || at > end)
			return -ENOSPC;
		start = start_of_free(buddy, at, at + run->nr);
		if (start == at)
			return at;
		/* Below the block that is used, and all that are used with it. */
		for (end = start; end > run->from; end = block.index)
			if (xbuddy_lookup(buddy, end - 1, &block) || block.state == XBUDDY_FREE)
				break;
	}
	return -ENOSPC;
}

/**
 * xbuddy_alloc_run_at() - take contiguous pages, at the lowest or the highest place
 * @buddy: the instance
 * @run: how many, and where
 *
 * Linear in the blocks that lie before the place found: not for hot paths.
 *
 * Context: Any; the caller serialises.
 * Return: the first page number, -ENOSPC, or -EINVAL where the run is empty, its alignment no
 * power of two, or its range is empty or leaves the instance.
 */
long xbuddy_alloc_run_at(struct xbuddy *buddy, const struct xbuddy_run *run)
{
	unsigned long at, end;
	unsigned int order;
	long index;

	if (!run->nr || !is_power_of_2(run->align) || bad_range(buddy, run->from, run->to))
		return -EINVAL;
	index = run->top ? find_highest(buddy, run) : find_lowest(buddy, run);
	if (index < 0)
		return index;
	/* Free buddies are joined, so each block of the run lies in one free block. */
	for (at = index, end = at + run->nr; at < end; at += 1UL << order) {
		order = xbuddy_run_order(at, end - at);
		xbuddy_alloc_range(buddy, order, at, at + (1UL << order));
	}
	return index;
}
EXPORT_SYMBOL_GPL(xbuddy_alloc_run_at);

/**
 * xbuddy_free_run() - give back what xbuddy_alloc_run() took
 * @buddy: the instance
 * @index: the run's first page number
 * @nr: its length in pages
 *
 * Context: Any; the caller serialises.
 * Return: 0; or, with nothing changed, -EINVAL where @nr is 0, or what
 * xbuddy_free() says of the first block of the run that cannot be freed.
 */
int xbuddy_free_run(struct xbuddy *buddy, unsigned long index, unsigned long nr)
{
	unsigned long at, end = index + nr;
	unsigned int order;

	if (!nr)
		return -EINVAL;
	if (index >= buddy->nr || nr > buddy->nr - index)
		return -ERANGE;

	for (at = index; at < end; at += 1UL << order) {
		int err;

		order = xbuddy_run_order(at, end - at);
		err = check_used(buddy, at, order);
		if (err)
			return err;
	}
	for (at = index; at < end; at += 1UL << order) {
		order = xbuddy_run_order(at, end - at);
		xbuddy_free(buddy, at, order);
	}
	return 0;
}
EXPORT_SYMBOL_GPL(xbuddy_free_run);
