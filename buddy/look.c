// SPDX-License-Identifier: GPL-2.0
/*
 * buddy/look: what is at a page number, and is all as it should be
 *
 * For reports, for observers and for tests: none of this changes anything.
 */
#include <linux/export.h>
#include <linux/kernel.h>

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

/* Do the counts and the mask of orders agree with the bitmaps? Counts the blocks. */
static bool areas_valid(const struct xbuddy *buddy, unsigned long *blocks)
{
	unsigned int order;

	for (order = 0; order < XBUDDY_NR_ORDERS; order++) {
		const struct xbuddy_area *area = &buddy->free_area[order];
		unsigned long bits = max(nr_blocks(buddy, order), 1UL);

		if (weight(area->free.level[0], bits) != area->nr_free ||
		    !area->nr_free != !(buddy->orders & BIT(order)) ||
		    !xset_valid(&area->free))
			return false;
		*blocks += area->nr_free + weight(area->used, bits);
	}
	return true;
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
	unsigned long index, nr_free = 0, blocks = 0;
	struct xbuddy_block block;

	if (!areas_valid(buddy, &blocks))
		return -EUCLEAN;
	/* As many blocks as bits, so none hides inside another; and no two free buddies. */
	for (index = 0; index < buddy->nr; index += 1UL << block.order, blocks--) {
		const struct xbuddy_area *area;
		unsigned long i;

		if (xbuddy_lookup(buddy, index, &block) || block.index != index)
			return -EUCLEAN;
		if (block.state == XBUDDY_USED)
			continue;
		area = &buddy->free_area[block.order];
		i = index >> block.order;
		if (is_used(buddy, block.order, i) ||
		    (block.order < XBUDDY_MAX_ORDER && xset_has(&area->free, i ^ 1)))
			return -EUCLEAN;
		nr_free += 1UL << block.order;
	}
	return index == buddy->nr && nr_free == buddy->nr_free && !blocks ? 0 : -EUCLEAN;
}
EXPORT_SYMBOL_GPL(xbuddy_validate);
