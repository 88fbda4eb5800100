/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The buddy system: how its files look at blocks and change them. The theory is in xbuddy.c.
 */
#ifndef _XALLOC_BUDDY_H
#define _XALLOC_BUDDY_H

#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/log2.h>

#include <xalloc/xbuddy.h>

#include "../base/base.h"

#define XBUDDY_LEVELS	4U	/* at least, whatever the range; see xbuddy.c */

/* The number of blocks of an order that lie wholly inside the range. */
static inline unsigned long nr_blocks(const struct xbuddy *buddy, unsigned int order)
{
	return buddy->nr >> order;
}

/*
 * The free blocks of one order. Only area_set() and area_clear() change them, and
 * they keep the counts and the mask of orders with them.
 */

static inline void area_set(struct xbuddy *buddy, unsigned int order, unsigned long i)
{
	struct xbuddy_area *area = &buddy->free_area[order];

	area->nr_free++;
	buddy->orders |= BIT(order);
	xset_add(&area->free, i);
}

static inline void area_clear(struct xbuddy *buddy, unsigned int order, unsigned long i)
{
	struct xbuddy_area *area = &buddy->free_area[order];

	if (!--area->nr_free)
		buddy->orders &= ~BIT(order);
	xset_del(&area->free, i);
}

/*
 * Used blocks
 */

/* What is used, from @index on, are blocks of @order, which were or would be one of order @as. */
static inline void mark_used(struct xbuddy *buddy, unsigned long index, unsigned int as,
			     unsigned int order)
{
	unsigned long nr = 1UL << (as - order);

	bitmap_set(buddy->free_area[order].used, index >> order, nr);
	buddy->splits += nr - 1;
}

/* These blocks of @order are not used as such any more: they will be one of order @as. */
static inline void unmark_used(struct xbuddy *buddy, unsigned long index, unsigned int as,
			       unsigned int order)
{
	unsigned long nr = 1UL << (as - order);

	bitmap_clear(buddy->free_area[order].used, index >> order, nr);
	buddy->merges += nr - 1;
}

static inline bool is_used(const struct xbuddy *buddy, unsigned int order, unsigned long i)
{
	return test_bit(i, buddy->free_area[order].used);
}

/*
 * The lowest page number from @from on at which an aligned block of @order lies inside a free
 * block of one of the orders in @candidates, or XSET_NONE; *@in is the order of that block.
 */
static inline unsigned long lowest(const struct xbuddy *buddy, unsigned long candidates,
				   unsigned int order, unsigned long from, unsigned int *in)
{
	unsigned long best = XSET_NONE, start = round_up(from, 1UL << order);
	unsigned int o;

	for_each_set_bit(o, &candidates, XBUDDY_NR_ORDERS) {
		unsigned long i = xset_next(&buddy->free_area[o].free, start >> o);

		if (i == XSET_NONE || max(start, i << o) >= best)
			continue;
		best = max(start, i << o);
		*in = o;
	}
	return best;
}

static inline bool bad_range(const struct xbuddy *buddy, unsigned long from,
			     unsigned long to)
{
	return from >= to || to > buddy->nr;
}

/* Is this a block that can be freed? Else why not. */
static inline int check_used(const struct xbuddy *buddy, unsigned long index,
			     unsigned int order)
{
	struct xbuddy_block block;

	if (unlikely(index >= buddy->nr))
		return -ERANGE;
	if (unlikely(order > XBUDDY_MAX_ORDER || index & ((1UL << order) - 1)))
		return -EINVAL;
	/* A block that would leave the range at its end was never handed out. */
	if (unlikely(index + (1UL << order) > buddy->nr))
		return -ERANGE;
	if (likely(is_used(buddy, order, index >> order)))
		return 0;
	xbuddy_lookup(buddy, index, &block);
	return block.state == XBUDDY_FREE ? -EALREADY : -EINVAL;
}

/* Make a block free that is neither free nor used, and join it with its buddies. */
static inline void join(struct xbuddy *buddy, unsigned long index, unsigned int order)
{
	unsigned long i = index >> order;

	buddy->nr_free += 1UL << order;
	while (order < XBUDDY_MAX_ORDER &&
	       xset_has(&buddy->free_area[order].free, i ^ 1)) {
		area_clear(buddy, order, i ^ 1);
		buddy->merges++;
		order++;
		i >>= 1;
	}
	area_set(buddy, order, i);
}

#endif
