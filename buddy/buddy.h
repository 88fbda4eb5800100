/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The buddy system: how its files look at blocks and change them. The theory is in xbuddy.c.
 */
#ifndef _XALLOC_BUDDY_H
#define _XALLOC_BUDDY_H

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
	xset_add_from(&area->free, 0, i);
}

static inline void area_clear(struct xbuddy *buddy, unsigned int order, unsigned long i)
{
	struct xbuddy_area *area = &buddy->free_area[order];

	if (!--area->nr_free)
		buddy->orders &= ~BIT(order);
	xset_del_from(&area->free, 0, i);
}

/*
 * State changes of blocks. A page number becomes free or used only here.
 */

static inline void mark_free(struct xbuddy *buddy, unsigned int order, unsigned long i)
{
	area_set(buddy, order, i);
	buddy->nr_free += 1UL << order;
}

static inline void unmark_free(struct xbuddy *buddy, unsigned int order, unsigned long i)
{
	area_clear(buddy, order, i);
	buddy->nr_free -= 1UL << order;
}

static inline void mark_used(struct xbuddy *buddy, unsigned int order, unsigned long i)
{
	__set_bit(i, buddy->free_area[order].used);
}

static inline void unmark_used(struct xbuddy *buddy, unsigned int order, unsigned long i)
{
	__clear_bit(i, buddy->free_area[order].used);
}

static inline bool is_used(const struct xbuddy *buddy, unsigned int order, unsigned long i)
{
	return test_bit(i, buddy->free_area[order].used);
}

/* The largest order of a block that starts at @index and has at most @nr pages. */
static inline unsigned int piece_order(unsigned long index, unsigned long nr)
{
	unsigned int order = min_t(unsigned int, ilog2(nr), XBUDDY_MAX_ORDER);

	return index ? min_t(unsigned int, order, __ffs(index)) : order;
}

static inline void mark_range_free(struct xbuddy *buddy, unsigned long from,
				   unsigned long to)
{
	while (from < to) {
		unsigned int order = piece_order(from, to - from);

		mark_free(buddy, order, from >> order);
		from += 1UL << order;
	}
}

/*
 * The lowest page number from @from on at which an aligned block of @order
 * lies inside a free block of order @in, or ULONG_MAX.
 */
static inline unsigned long lowest_in_order(const struct xbuddy *buddy, unsigned int in,
					    unsigned int order, unsigned long from)
{
	const struct xbuddy_area *area = &buddy->free_area[in];
	unsigned long index = round_up(from, 1UL << order);
	unsigned long i = xset_next(&area->free, index >> in);

	return i == ULONG_MAX ? i : max(index, i << in);
}

/* The lowest aligned free place for @order from @from on; *@in is its block's order. */
static inline unsigned long lowest(const struct xbuddy *buddy, unsigned int order,
				   unsigned long from, unsigned int *in)
{
	unsigned long best = ULONG_MAX;
	unsigned int o;

	for (o = order; o <= XBUDDY_MAX_ORDER; o++) {
		unsigned long index;

		if (!buddy->free_area[o].nr_free)
			continue;
		index = lowest_in_order(buddy, o, order, from);
		if (index < best) {
			best = index;
			*in = o;
		}
	}
	return best;
}

static inline bool bad_range(const struct xbuddy *buddy, unsigned long from,
			     unsigned long to)
{
	return from >= to || to > buddy->nr;
}

/* Why is the block not one that can be freed? For the error path. */
static inline int why_not_used(const struct xbuddy *buddy, unsigned long index)
{
	struct xbuddy_block block;

	xbuddy_lookup(buddy, index, &block);
	return block.state == XBUDDY_FREE ? -EALREADY : -EINVAL;
}

static inline int check_used(const struct xbuddy *buddy, unsigned long index,
			     unsigned int order)
{
	if (unlikely(index >= buddy->nr))
		return -ERANGE;
	if (unlikely(order > XBUDDY_MAX_ORDER || index & ((1UL << order) - 1)))
		return -EINVAL;
	/* A block that would leave the range at its end was never handed out. */
	if (unlikely(index + (1UL << order) > buddy->nr))
		return -ERANGE;
	if (unlikely(!is_used(buddy, order, index >> order)))
		return why_not_used(buddy, index);
	return 0;
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

/* The used blocks of @order will be joined as one of order @as. */
static inline void unmark_used_as(struct xbuddy *buddy, unsigned long index, unsigned int as,
				  unsigned int order)
{
	unsigned long nr = 1UL << (as - order);

	bitmap_clear(buddy->free_area[order].used, index >> order, nr);
	buddy->merges += nr - 1;
}

/* Free a block that is known to be used. */
static inline void release(struct xbuddy *buddy, unsigned long index, unsigned int order)
{
	unmark_used(buddy, order, index >> order);
	join(buddy, index, order);
}

#endif
