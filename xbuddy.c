// SPDX-License-Identifier: GPL-2.0
/*
 * xbuddy: a buddy system over page numbers
 *
 * Concepts
 *
 * A range of page numbers 0 .. nr-1 is tiled by blocks. A block has an order,
 * 0 to 10, holds 2^order pages and starts at a multiple of its size. The two
 * halves of a block are buddies. A block is free or used; two free buddies
 * never stand beside one another, because a free joins them.
 *
 * An allocation takes the smallest free block that is large enough and, among
 * those, the one at the lowest address; it halves the block until it fits and
 * keeps the lower half each time. A free joins the block with its buddy for as
 * long as the buddy is free. Taking low addresses first is what lets the high
 * end of a range stay whole, and go back to where it came from.
 *
 * Two kinds of blocks that do not live equally long should lie apart, or each of the
 * long-lived ones keeps a large block from becoming whole. Then one kind is taken at the
 * lowest address and the other at the highest, whatever block it is cut from; the smallest
 * would be what the other kind has left over.
 *
 * Representation
 *
 * The usual buddy system threads its free lists through the free pages. Here
 * nothing may touch a managed page: an overflow must not reach the allocator,
 * and the pages may be memory that the CPU cannot address. So each order has
 * two bitmaps, with a bit a block:
 *
 *	free	set: the block is free and not part of a larger free block
 *	used	set: the block was handed out with exactly this order
 *
 *	page     0   1   2   3   4   5   6   7
 *	order 0  used| . |       |               page 0 handed out, page 1 free
 *	order 1          | free  |
 *	order 2                  | free          |
 *
 * "Is the buddy free" is the bit beside the block's own (index ^ 1), "is this
 * a double free, or a free with another order" is one bit of used: no header,
 * no page descriptor, no guess. All together that is 4 bits a page.
 *
 * To find the lowest free block without a search, free is the lowest level of a 64-way tree
 * (base/set.c). There are four levels, which is enough for 64 GiB, or as many as a larger
 * range needs: 6 at the very most. Fewer would do for small ranges, but then the worst case
 * would depend on the size.
 *
 * All bitmaps of an instance lie in one allocation, packed: page-aligned arrays, one for
 * each bitmap, would start in the same cache sets, which takes six times as long.
 *
 * Cost
 *
 * Allocation and free are bounded by the number of orders times the number of
 * levels, whatever the size of the range and the number of blocks. Runs of
 * more than one block, lookups and validation are for slow paths: a run search
 * is linear in the number of free blocks that it passes over.
 *
 * Locking: none. One instance belongs to one lock of its owner.
 */
#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/find.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/mm.h>

#include "buddy/buddy.h"

/*
 * Bring-up and tear-down
 */

/* Lay out one area from @at on, or only measure it where @at is NULL. */
static size_t area_layout(struct xbuddy_area *area, unsigned long bits,
			  unsigned long *at)
{
	size_t words = BITS_TO_LONGS(bits);

	area->used = at;
	xset_layout(&area->free, bits, XBUDDY_LEVELS, at ? at + words : NULL);
	return words + area->free.words;
}

static size_t layout(struct xbuddy *buddy, unsigned long *at)
{
	unsigned int order;
	size_t words = 0;

	for (order = 0; order < XBUDDY_NR_ORDERS; order++)
		words += area_layout(&buddy->free_area[order],
				     max(nr_blocks(buddy, order), 1UL),
				     at ? at + words : NULL);
	return words;
}

/**
 * xbuddy_init() - make a buddy system over page numbers 0 to @nr - 1, all free
 * @buddy: the instance, its memory owned by the caller
 * @nr: page numbers, 1 to 2^32; need not be a multiple of the largest block
 *
 * Takes 4 bits a page from the system, once: nothing is allocated later.
 *
 * Context: Process context, may sleep.
 * Return: 0, -EINVAL where @nr is out of bounds, or -ENOMEM.
 */
int xbuddy_init(struct xbuddy *buddy, unsigned long nr)
{
	unsigned long *words;

	if (!nr || nr > XBUDDY_MAX_NR)
		return -EINVAL;

	*buddy = (struct xbuddy){ .nr = nr };
	buddy->bytes = layout(buddy, NULL) * sizeof(*words);
	words = xmeta_alloc(buddy->bytes);
	if (!words)
		return -ENOMEM;

	layout(buddy, words);
	mark_range_free(buddy, 0, nr);
	return 0;
}
EXPORT_SYMBOL_GPL(xbuddy_init);

/**
 * xbuddy_destroy() - give back what xbuddy_init() took
 * @buddy: the instance; blocks still used are forgotten
 *
 * Context: Process context, may sleep.
 */
void xbuddy_destroy(struct xbuddy *buddy)
{
	kvfree(buddy->free_area[0].used);
	*buddy = (struct xbuddy){ };
}
EXPORT_SYMBOL_GPL(xbuddy_destroy);

/*
 * Blocks
 */

/*
 * Take the block of @order at page @index out of free block @i of order @from,
 * which holds it: halve, keep the half that holds it, free the other one.
 */
static void carve(struct xbuddy *buddy, unsigned int from, unsigned long i,
		  unsigned int order, unsigned long index)
{
	area_clear(buddy, from, i);
	buddy->nr_free -= 1UL << order;
	buddy->splits += from - order;
	while (from-- > order)
		area_set(buddy, from, (index >> from) ^ 1);
	mark_used(buddy, order, index >> order);
}

/**
 * xbuddy_alloc() - take a block
 * @buddy: the instance
 * @order: the block gets 2^@order pages
 *
 * The smallest free block that is large enough is used, and the lowest of those.
 *
 * Context: Any; the caller serialises.
 * Return: the first page number, -ENOSPC, or -EINVAL where @order is too large.
 */
long xbuddy_alloc(struct xbuddy *buddy, unsigned int order)
{
	unsigned long candidates, i;
	unsigned int from;

	if (order > XBUDDY_MAX_ORDER)
		return -EINVAL;
	candidates = buddy->orders >> order;
	if (!candidates)
		return -ENOSPC;

	from = order + __ffs(candidates);
	i = xset_first(&buddy->free_area[from].free);
	carve(buddy, from, i, order, i << from);
	return i << from;
}
EXPORT_SYMBOL_GPL(xbuddy_alloc);

/* The order of the free block at the lowest address; @candidates has a bit an order. */
static unsigned int order_of_lowest(const struct xbuddy *buddy, unsigned long candidates)
{
	unsigned long best = ULONG_MAX;
	unsigned int order, in = 0;

	for_each_set_bit(order, &candidates, XBUDDY_NR_ORDERS) {
		unsigned long start = xset_first(&buddy->free_area[order].free) << order;

		if (start < best) {
			best = start;
			in = order;
		}
	}
	return in;
}

/* The order of the free block at the highest address. */
static unsigned int order_of_highest(const struct xbuddy *buddy, unsigned long candidates)
{
	unsigned int order, in = 0;
	unsigned long best = 0;

	for_each_set_bit(order, &candidates, XBUDDY_NR_ORDERS) {
		unsigned long end = (xset_last(&buddy->free_area[order].free) + 1) << order;

		if (end > best) {
			best = end;
			in = order;
		}
	}
	return in;
}

/* The orders of free blocks that are large enough for @order, or why there is none. */
static long candidates_for(const struct xbuddy *buddy, unsigned int order)
{
	unsigned long candidates;

	if (order > XBUDDY_MAX_ORDER)
		return -EINVAL;
	candidates = buddy->orders >> order << order;
	return candidates ? (long)candidates : -ENOSPC;
}

/**
 * xbuddy_alloc_low() - take the block at the lowest address
 * @buddy: the instance
 * @order: the block gets 2^@order pages
 *
 * The lowest place is used, whatever the size of the free block it is cut from,
 * in time bounded by orders times levels. Together with xbuddy_alloc_top() this
 * keeps two kinds of blocks apart: what one cuts a large block for is left to it.
 *
 * Context: Any; the caller serialises.
 * Return: the first page number, -ENOSPC, or -EINVAL where @order is too large.
 */
long xbuddy_alloc_low(struct xbuddy *buddy, unsigned int order)
{
	long candidates = candidates_for(buddy, order);
	unsigned int in;
	unsigned long i;

	if (candidates < 0)
		return candidates;
	in = order_of_lowest(buddy, candidates);
	i = xset_first(&buddy->free_area[in].free);
	carve(buddy, in, i, order, i << in);
	return i << in;
}
EXPORT_SYMBOL_GPL(xbuddy_alloc_low);

/**
 * xbuddy_alloc_top() - take the block at the highest address
 * @buddy: the instance
 * @order: the block gets 2^@order pages
 *
 * Like xbuddy_alloc_low(), but from the other end.
 *
 * Context: Any; the caller serialises.
 * Return: the first page number, -ENOSPC, or -EINVAL where @order is too large.
 */
long xbuddy_alloc_top(struct xbuddy *buddy, unsigned int order)
{
	long candidates = candidates_for(buddy, order);
	unsigned long i, index;
	unsigned int in;

	if (candidates < 0)
		return candidates;
	in = order_of_highest(buddy, candidates);
	i = xset_last(&buddy->free_area[in].free);
	index = ((i + 1) << in) - (1UL << order);
	carve(buddy, in, i, order, index);
	return index;
}
EXPORT_SYMBOL_GPL(xbuddy_alloc_top);

/* The used block of order @from will be used as blocks of @order. */
static void mark_used_as(struct xbuddy *buddy, unsigned long index, unsigned int from,
			 unsigned int order)
{
	unsigned long nr = 1UL << (from - order);

	unmark_used(buddy, from, index >> from);
	bitmap_set(buddy->free_area[order].used, index >> order, nr);
	buddy->splits += nr - 1;
}

/**
 * xbuddy_alloc_row() - take blocks of one order that follow one another
 * @buddy: the instance
 * @order: each block gets 2^@order pages
 * @nr: how many are wanted
 * @whole: only if that takes all of a free block
 * @index: filled with the first page number of the first block
 *
 * Takes the smallest free block that is large enough for one of them, or the part
 * of it that is enough for all, and splits it into all its parts at once.
 *
 * Context: Any; the caller serialises.
 * Return: how many it got, a power of two, at most @nr; 0 where there is no block, or
 * none that may be broken, or @order is too large, or @nr is 0.
 */
unsigned int xbuddy_alloc_row(struct xbuddy *buddy, unsigned int order, unsigned int nr,
			      bool whole, unsigned long *index)
{
	unsigned int smallest, as;
	unsigned long candidates;
	long at;

	if (order > XBUDDY_MAX_ORDER || !nr)
		return 0;
	candidates = buddy->orders >> order;
	if (!candidates)
		return 0;
	smallest = __ffs(candidates);
	if (whole && smallest > ilog2(nr))
		return 0;
	as = order + min_t(unsigned int, smallest, ilog2(nr));
	at = xbuddy_alloc(buddy, as);
	if (as > order)
		mark_used_as(buddy, at, as, order);
	*index = at;
	return 1U << (as - order);
}
EXPORT_SYMBOL_GPL(xbuddy_alloc_row);

/**
 * xbuddy_alloc_many() - take many blocks of one order
 * @buddy: the instance
 * @order: each block gets 2^@order pages
 * @indices: filled with their first page numbers
 * @nr: how many
 *
 * Takes the same blocks as repeated calls of xbuddy_alloc() would, but splits a
 * larger block into all its parts at once.
 *
 * Context: Any; the caller serialises.
 * Return: how many it got, less than @nr where there are no more; 0 where @order
 * is too large.
 */
unsigned int xbuddy_alloc_many(struct xbuddy *buddy, unsigned int order,
			       unsigned long *indices, unsigned int nr)
{
	unsigned long index;
	unsigned int got = 0, n;

	while ((n = xbuddy_alloc_row(buddy, order, nr - got, false, &index)))
		for (; n; n--, index += 1UL << order)
			indices[got++] = index;
	return got;
}
EXPORT_SYMBOL_GPL(xbuddy_alloc_many);

/*
 * The highest aligned free place for @order before @to, as the page number behind it;
 * *@in is its block's order. 0: there is none.
 */
static unsigned long highest(const struct xbuddy *buddy, unsigned long candidates,
			     unsigned long to, unsigned int *in)
{
	unsigned long best = 0;
	unsigned int o;

	for_each_set_bit(o, &candidates, XBUDDY_NR_ORDERS) {
		unsigned long i = xset_before(&buddy->free_area[o].free, to >> o);

		if (i == XSET_NONE || (i + 1) << o <= best)
			continue;
		best = (i + 1) << o;
		*in = o;
	}
	return best;
}

/* The lowest block of one of the orders in @candidates from @from on, or ULONG_MAX. */
static unsigned long lowest_block(const struct xbuddy *buddy, unsigned long candidates,
				  unsigned long from, unsigned int *in)
{
	unsigned long best = ULONG_MAX;
	unsigned int o;

	for_each_set_bit(o, &candidates, XBUDDY_NR_ORDERS) {
		unsigned long index = lowest_in_order(buddy, o, o, from);

		if (index >= best)
			continue;
		best = index;
		*in = o;
	}
	return best;
}

/**
 * xbuddy_alloc_range() - take a block inside part of the range
 * @buddy: the instance
 * @order: the block gets 2^@order pages
 * @from: first page number allowed
 * @to: first page number not allowed any more
 *
 * The lowest place is used, whatever the size of the free block it is cut from.
 *
 * Context: Any; the caller serialises.
 * Return: the first page number, -ENOSPC, or -EINVAL where @order is too large
 * or [@from, @to) is empty or leaves the instance.
 */
long xbuddy_alloc_range(struct xbuddy *buddy, unsigned int order,
			unsigned long from, unsigned long to)
{
	unsigned long index;
	unsigned int in;

	if (order > XBUDDY_MAX_ORDER || bad_range(buddy, from, to))
		return -EINVAL;

	index = lowest(buddy, order, from, &in);
	if (index >= to || to - index < 1UL << order)
		return -ENOSPC;

	carve(buddy, in, index >> in, order, index);
	return index;
}
EXPORT_SYMBOL_GPL(xbuddy_alloc_range);

/**
 * xbuddy_alloc_part() - take blocks that follow one another, inside part of the range
 * @buddy: the instance
 * @order: each block gets 2^@order pages
 * @nr: how many are wanted
 * @whole: only if that takes all of a free block
 * @part: where, and which free blocks may be broken
 * @index: filled with the first page number of the first block
 *
 * Takes the free block at the lowest address of the part, or at the highest, if it is
 * large enough for one of the blocks and not larger than what may be broken; or the part
 * of it that is enough for all. The time is bounded by orders times levels.
 *
 * Context: Any; the caller serialises.
 * Return: how many it got, a power of two, at most @nr; 0 where there is no such block,
 * or the arguments are out of bounds.
 */
unsigned int xbuddy_alloc_part(struct xbuddy *buddy, unsigned int order, unsigned int nr,
			       bool whole, const struct xbuddy_part *part,
			       unsigned long *index)
{
	unsigned long candidates, block;
	unsigned int in, as;

	if (order > XBUDDY_MAX_ORDER || part->most > XBUDDY_MAX_ORDER || !nr ||
	    bad_range(buddy, part->from, part->to))
		return 0;
	candidates = buddy->orders & (BIT(part->most + 1) - BIT(order));
	if (part->most < order || !candidates)
		return 0;
	if (part->top) {
		block = highest(buddy, candidates, part->to, &in);
		if (!block || block - (1UL << in) < part->from)
			return 0;
		block -= 1UL << in;
	} else {
		block = lowest_block(buddy, candidates, part->from, &in);
		if (block >= part->to || part->to - block < 1UL << in)
			return 0;
	}
	if (whole && in - order > ilog2(nr))
		return 0;
	as = order + min_t(unsigned int, in - order, ilog2(nr));
	*index = part->top ? block + (1UL << in) - (1UL << as) : block;
	carve(buddy, in, block >> in, as, *index);
	if (as > order)
		mark_used_as(buddy, *index, as, order);
	return 1U << (as - order);
}
EXPORT_SYMBOL_GPL(xbuddy_alloc_part);

/**
 * xbuddy_free() - give a block back
 * @buddy: the instance
 * @index: the block's first page number
 * @order: the order that it was taken with
 *
 * Context: Any; the caller serialises.
 * Return: 0; or, with nothing changed: -ERANGE where the block is not of this
 * instance, -EINVAL where @order is not the block's, or @index not its start,
 * -EALREADY where it is free.
 */
int xbuddy_free(struct xbuddy *buddy, unsigned long index, unsigned int order)
{
	int err = check_used(buddy, index, order);

	if (unlikely(err))
		return err;
	release(buddy, index, order);
	return 0;
}
EXPORT_SYMBOL_GPL(xbuddy_free);

/*
 * The first of @nr blocks of @order from @index on that is not used, or leaves
 * the range; or @nr.
 */
static unsigned int first_not_used(const struct xbuddy *buddy, unsigned long index,
				   unsigned int order, unsigned int nr)
{
	unsigned long i = index >> order, end = min(i + nr, nr_blocks(buddy, order));

	return find_next_zero_bit(buddy->free_area[order].used, end, i) - i;
}

/**
 * xbuddy_free_row() - give blocks back that follow one another
 * @buddy: the instance
 * @index: the first page number of the first block
 * @order: the order that each of them was taken with
 * @nr: how many
 *
 * Does what the same number of calls of xbuddy_free() would do, but the blocks are joined
 * before they are looked for.
 *
 * Context: Any; the caller serialises.
 * Return: 0; or, with nothing changed, -EINVAL where @nr is 0, or what
 * xbuddy_free() says of the first block that cannot be freed.
 */
int xbuddy_free_row(struct xbuddy *buddy, unsigned long index, unsigned int order,
		    unsigned int nr)
{
	unsigned long end = index + ((unsigned long)nr << order);
	unsigned int good;
	int err;

	if (unlikely(!nr))
		return -EINVAL;
	err = check_used(buddy, index, order);
	if (unlikely(err))
		return err;
	good = first_not_used(buddy, index, order, nr);
	if (unlikely(good < nr))
		return check_used(buddy, index + ((unsigned long)good << order), order);

	while (index < end) {
		unsigned int as = piece_order(index, end - index);

		unmark_used_as(buddy, index, as, order);
		join(buddy, index, as);
		index += 1UL << as;
	}
	return 0;
}
EXPORT_SYMBOL_GPL(xbuddy_free_row);

/**
 * xbuddy_split() - have a block that is used be several
 * @buddy: the instance
 * @index: its first page number
 * @order: the order that it was taken with
 * @to: the order of the blocks that it is from now on, each to be freed by itself
 *
 * Context: Any; the caller serialises.
 * Return: 0; or, with nothing changed, -EINVAL where @to is more than @order, or what
 * xbuddy_free() would say.
 */
int xbuddy_split(struct xbuddy *buddy, unsigned long index, unsigned int order,
		 unsigned int to)
{
	int err;

	if (to > order)
		return -EINVAL;
	err = check_used(buddy, index, order);
	if (!err && to < order)
		mark_used_as(buddy, index, order, to);
	return err;
}
EXPORT_SYMBOL_GPL(xbuddy_split);

/**
 * xbuddy_unsplit() - have blocks that are used be one again
 * @buddy: the instance
 * @index: the first page number of the first
 * @order: the order of each
 * @to: the order of the block that they are from now on
 *
 * Context: Any; the caller serialises.
 * Return: 0; or, with nothing changed, -EINVAL where @to is less than @order, or the
 * blocks make no block, or what xbuddy_free() would say of the first of them that cannot
 * be freed.
 */
int xbuddy_unsplit(struct xbuddy *buddy, unsigned long index, unsigned int order,
		   unsigned int to)
{
	unsigned int nr, good;
	int err;

	if (to < order || to > XBUDDY_MAX_ORDER || index & ((1UL << to) - 1))
		return -EINVAL;
	nr = 1U << (to - order);
	err = check_used(buddy, index, order);
	if (err || to == order)
		return err;
	good = first_not_used(buddy, index, order, nr);
	if (good < nr)
		return check_used(buddy, index + ((unsigned long)good << order), order);
	unmark_used_as(buddy, index, to, order);
	mark_used(buddy, to, index >> to);
	return 0;
}
EXPORT_SYMBOL_GPL(xbuddy_unsplit);
