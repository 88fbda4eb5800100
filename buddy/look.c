// SPDX-License-Identifier: GPL-2.0
/*
 * buddy/look: what is at a page number, and is all as it should be
 *
 * For reports, for observers and for tests: none of this changes anything.
 */
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "buddy.h"

/**
 * xbuddy_lookup() - which block holds a page number, and is it free?
 * @buddy: the instance
 * @index: any page number
 * @block: what was found
 *
 * Context: Any; the caller serialises, or lives with an answer that is old.
 * Return: 0, or -ERANGE where @index is not of this instance.
 */
int xbuddy_lookup(const struct xbuddy *buddy, unsigned long index,
		  struct xbuddy_block *block)
{
	unsigned int order;

	if (index >= buddy->nr)
		return -ERANGE;
	for (order = 0; order < XBUDDY_NR_ORDERS; order++) {
		bool free = xset_has(&buddy->free_area[order].free, index >> order);

		if (!free && !is_used(buddy, order, index >> order))
			continue;
		block->index = index >> order << order;
		block->order = order;
		block->state = free ? XBUDDY_FREE : XBUDDY_USED;
		return 0;
	}
	/* The blocks tile the range, so this is an instance that is broken. */
	return -EUCLEAN;
}
EXPORT_SYMBOL_GPL(xbuddy_lookup);

/* bitmap_weight() counts in int, which 2^32 page numbers do not fit. */
static unsigned long weight(const unsigned long *map, unsigned long bits)
{
	unsigned long word, sum = 0;

	for (word = 0; word < BITS_TO_LONGS(bits); word++)
		sum += hweight_long(map[word]);
	return sum;
}

static bool area_valid(const struct xbuddy *buddy, unsigned int order)
{
	const struct xbuddy_area *area = &buddy->free_area[order];
	unsigned long bits = max(nr_blocks(buddy, order), 1UL);

	return weight(area->free.level[0], bits) == area->nr_free &&
	       !!area->nr_free == !!(buddy->orders & BIT(order)) &&
	       xset_valid(&area->free);
}

/*
 * Walk the tiling: each page number must belong to exactly one block, and a
 * free block must not stand beside a free buddy.
 */
static bool tiling_valid(const struct xbuddy *buddy, unsigned long *nr_free,
			 unsigned long *nr_blocks_seen)
{
	unsigned long index = 0;

	while (index < buddy->nr) {
		struct xbuddy_block block;
		const struct xbuddy_area *area;
		unsigned long i;

		if (xbuddy_lookup(buddy, index, &block) || block.index != index)
			return false;
		area = &buddy->free_area[block.order];
		i = index >> block.order;
		if (block.state == XBUDDY_FREE) {
			if (is_used(buddy, block.order, i))
				return false;
			if (block.order < XBUDDY_MAX_ORDER && xset_has(&area->free, i ^ 1))
				return false;
			*nr_free += 1UL << block.order;
		}
		(*nr_blocks_seen)++;
		index += 1UL << block.order;
	}
	return index == buddy->nr;
}

/**
 * xbuddy_validate() - recount everything from scratch
 * @buddy: the instance
 *
 * Checks that the blocks tile the range without gap or overlap, that no two
 * free buddies stand beside one another, that the summaries, counts and the
 * mask of orders agree with the bitmaps. Linear in the range: for tests.
 *
 * Context: Any; the caller serialises.
 * Return: 0, or -EUCLEAN where something does not agree.
 */
int xbuddy_validate(const struct xbuddy *buddy)
{
	unsigned long nr_free = 0, seen = 0, bits = 0;
	unsigned int order;

	for (order = 0; order < XBUDDY_NR_ORDERS; order++) {
		const struct xbuddy_area *area = &buddy->free_area[order];

		if (!area_valid(buddy, order))
			return -EUCLEAN;
		bits += area->nr_free +
			weight(area->used, max(nr_blocks(buddy, order), 1UL));
	}
	if (!tiling_valid(buddy, &nr_free, &seen))
		return -EUCLEAN;
	/* As many blocks as bits: none hides inside another. */
	return nr_free == buddy->nr_free && seen == bits ? 0 : -EUCLEAN;
}
EXPORT_SYMBOL_GPL(xbuddy_validate);
