// SPDX-License-Identifier: GPL-2.0
/*
 * buddy/run: any number of pages in a row
 *
 * A run is nothing but the blocks that it is made of, cut in one way only (the largest that fits,
 * from the left), so it needs no record of its own and its blocks may also be freed one by one.
 */
#include <linux/export.h>
#include <linux/kernel.h>

#include "buddy.h"

static bool find_free(const struct xbuddy *buddy, unsigned long index,
		      struct xbuddy_block *block)
{
	return !xbuddy_lookup(buddy, index, block) &&
	       block->state == XBUDDY_FREE;
}

/* How many pages from @index on are free, counting no further than @nr. */
static unsigned long free_extent(const struct xbuddy *buddy, unsigned long index,
				 unsigned long nr)
{
	unsigned long end = index;
	struct xbuddy_block block;

	while (end - index < nr && find_free(buddy, end, &block))
		end = block.index + (1UL << block.order);
	return min(end - index, nr);
}

/* Take [@from, @to), all free, out of its free blocks; give their rests back. */
static void cut_out(struct xbuddy *buddy, unsigned long from, unsigned long to)
{
	unsigned long at = from;
	struct xbuddy_block block;

	while (at < to && find_free(buddy, at, &block)) {
		unsigned long end = block.index + (1UL << block.order);

		unmark_free(buddy, block.order, block.index >> block.order);
		mark_range_free(buddy, block.index, max(block.index, at));
		mark_range_free(buddy, min(end, to), end);
		at = end;
	}
}

static void mark_range_used(struct xbuddy *buddy, unsigned long from,
			    unsigned long to)
{
	while (from < to) {
		unsigned int order = piece_order(from, to - from);

		mark_used(buddy, order, from >> order);
		from += 1UL << order;
	}
}

/**
 * xbuddy_alloc_run() - take exactly @nr pages in a row
 * @buddy: the instance
 * @nr: pages; need not be a power of two, may be larger than the largest block
 * @from: first page number allowed
 * @to: first page number not allowed any more
 *
 * First fit, lowest address first; not aligned. Linear in the free blocks that
 * lie before the place found: not for hot paths.
 *
 * Context: Any; the caller serialises.
 * Return: the first page number, -ENOSPC, or -EINVAL where @nr is 0 or
 * [@from, @to) is empty or leaves the instance.
 */
long xbuddy_alloc_run(struct xbuddy *buddy, unsigned long nr,
		      unsigned long from, unsigned long to)
{
	unsigned long extent;
	unsigned int in;

	if (!nr || bad_range(buddy, from, to))
		return -EINVAL;

	for (;; from += extent) {
		from = lowest(buddy, 0, from, &in);
		if (from >= to || to - from < nr)
			return -ENOSPC;
		extent = free_extent(buddy, from, nr);
		if (extent == nr)
			break;
	}
	cut_out(buddy, from, from + nr);
	mark_range_used(buddy, from, from + nr);
	return from;
}
EXPORT_SYMBOL_GPL(xbuddy_alloc_run);

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

		order = piece_order(at, end - at);
		err = check_used(buddy, at, order);
		if (err)
			return err;
	}
	for (at = index; at < end; at += 1UL << order) {
		order = piece_order(at, end - at);
		release(buddy, at, order);
	}
	return 0;
}
EXPORT_SYMBOL_GPL(xbuddy_free_run);
