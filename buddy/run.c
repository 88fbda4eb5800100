// SPDX-License-Identifier: GPL-2.0
/*
 * buddy/run: any number of pages in a row
 *
 * A run is nothing but the blocks that it is made of, cut in one way only (the largest that fits,
 * from the left), so it needs no record of its own and its blocks may also be freed one by one.
 */
#include <linux/export.h>

#include "buddy.h"

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
	struct xbuddy_block block;
	unsigned long at, end;
	unsigned int order;

	if (!nr || bad_range(buddy, from, to))
		return -EINVAL;

	for (;; from = end) {
		from = lowest(buddy, buddy->orders, 0, from, &order);
		if (from >= to || to - from < nr)
			return -ENOSPC;
		end = from;
		while (end - from < nr && !xbuddy_lookup(buddy, end, &block) &&
		       block.state == XBUDDY_FREE)
			end = block.index + (1UL << block.order);
		if (end - from >= nr)
			break;
	}
	/* Free buddies are joined, so each block of the run lies in one free block. */
	for (at = from, end = from + nr; at < end; at += 1UL << order) {
		order = piece_order(at, end - at);
		xbuddy_alloc_range(buddy, order, at, at + (1UL << order));
	}
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
		xbuddy_free(buddy, at, order);
	}
	return 0;
}
EXPORT_SYMBOL_GPL(xbuddy_free_run);
