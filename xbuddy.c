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

/* Lay out all areas from @at on, or only measure them where @at is NULL. */
static size_t layout(struct xbuddy *buddy, unsigned long *at)
{
	unsigned int order;
	size_t words = 0;

	for (order = 0; order < XBUDDY_NR_ORDERS; order++) {
		struct xbuddy_area *area = &buddy->free_area[order];
		unsigned long bits = max(nr_blocks(buddy, order), 1UL);

		area->used = at ? at + words : NULL;
		words += BITS_TO_LONGS(bits);
		xset_layout(&area->free, bits, XBUDDY_LEVELS, at ? at + words : NULL);
		words += area->free.words;
	}
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
	unsigned long *words, at;
	unsigned int order;

	if (!nr || nr > XBUDDY_MAX_NR)
		return -EINVAL;

	*buddy = (struct xbuddy){ .nr = nr };
	buddy->bytes = layout(buddy, NULL) * sizeof(*words);
	words = xmeta_alloc(buddy->bytes);
	if (!words)
		return -ENOMEM;

	layout(buddy, words);
	for (at = 0; at < nr; at += 1UL << order) {
		order = xbuddy_run_order(at, nr - at);
		join(buddy, at, order);
	}
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
 * Take up to @nr blocks of @order, a power of two of them, out of the free block of order @in
 * that holds page @at: from @at on, or its last ones. Halve, keep the half that holds them, free
 * the other one. @whole: only if that takes all of the free block. Returns how many.
 */
static __always_inline unsigned int carve(struct xbuddy *buddy, unsigned int in,
					  unsigned long at, unsigned int order,
					  unsigned int nr, bool whole, bool last,
					  unsigned long *index)
{
	unsigned int as = min_t(unsigned int, in, order + ilog2(nr));

	if (whole && as < in)
		return 0;
	if (last)
		at += (1UL << in) - (1UL << as);
	area_clear(buddy, in, at >> in);
	buddy->nr_free -= 1UL << as;
	buddy->splits += in - as;
	while (in-- > as)
		area_set(buddy, in, (at >> in) ^ 1);
	mark_used(buddy, at, as, order);
	*index = at;
	return 1U << (as - order);
}

/* Take them out of the smallest free block, and the lowest of those. */
static __always_inline unsigned int take_smallest(struct xbuddy *buddy, unsigned int order,
						  unsigned int nr, bool whole,
						  unsigned long *index)
{
	unsigned long candidates = buddy->orders >> order;
	unsigned long at;
	unsigned int in;

	if (!candidates)
		return 0;
	in = order + __ffs(candidates);
	at = xset_first(&buddy->free_area[in].free) << in;
	return carve(buddy, in, at, order, nr, whole, false, index);
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
	unsigned long index;

	if (order > XBUDDY_MAX_ORDER)
		return -EINVAL;
	return take_smallest(buddy, order, 1, false, &index) ? index : -ENOSPC;
}
EXPORT_SYMBOL_GPL(xbuddy_alloc);

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
	if (order > XBUDDY_MAX_ORDER || !nr)
		return 0;
	return take_smallest(buddy, order, nr, whole, index);
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
 * The free block at the highest address before @to of one of the orders in @candidates, or
 * XSET_NONE; *@in is its order.
 */
static unsigned long highest(const struct xbuddy *buddy, unsigned long candidates,
			     unsigned long to, unsigned int *in)
{
	unsigned long best = 0, start = XSET_NONE;
	unsigned int o;

	for_each_set_bit(o, &candidates, XBUDDY_NR_ORDERS) {
		unsigned long i = xset_before(&buddy->free_area[o].free, to >> o);

		if (i == XSET_NONE || (i + 1) << o <= best)
			continue;
		best = (i + 1) << o;
		start = i << o;
		*in = o;
	}
	return start;
}

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
	unsigned long candidates, at;
	unsigned int in;

	if (order > XBUDDY_MAX_ORDER || part->most > XBUDDY_MAX_ORDER || !nr ||
	    bad_range(buddy, part->from, part->to))
		return 0;
	candidates = buddy->orders & (BIT(part->most + 1) - 1) & ~(BIT(order) - 1);
	at = part->top ? highest(buddy, candidates, part->to, &in) :
			 lowest(buddy, candidates, order, part->from, &in);
	if (at < part->from || at >= part->to || part->to - at < 1UL << order)
		return 0;
	/* Where the part begins or ends inside of the free block, fewer are aligned and in it. */
	if (!part->top)
		nr = min(nr, 1U << xbuddy_run_order(at >> order, (part->to - at) >> order));
	return carve(buddy, in, at, order, nr, whole, part->top, index);
}
EXPORT_SYMBOL_GPL(xbuddy_alloc_part);

/**
 * xbuddy_alloc_in() - take a block inside part of the range, whatever it is cut from
 * @buddy: the instance
 * @order: the block gets 2^@order pages
 * @from: first page number allowed
 * @to: first page number not allowed any more
 * @top: the highest place, else the lowest. Then no free block reaches across @from or @to
 *
 * In time bounded by orders times levels.
 *
 * Context: Any; the caller serialises.
 * Return: the first page number, -ENOSPC, or -EINVAL where @order is too large
 * or [@from, @to) is empty or leaves the instance.
 */
long xbuddy_alloc_in(struct xbuddy *buddy, unsigned int order, unsigned long from,
		     unsigned long to, bool top)
{
	const struct xbuddy_part part = {
		.from = from, .to = to, .most = XBUDDY_MAX_ORDER, .top = top,
	};
	unsigned long index;

	if (order > XBUDDY_MAX_ORDER || bad_range(buddy, from, to))
		return -EINVAL;
	return xbuddy_alloc_part(buddy, order, 1, false, &part, &index) ? index : -ENOSPC;
}
EXPORT_SYMBOL_GPL(xbuddy_alloc_in);

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
	return xbuddy_free_row(buddy, index, order, 1);
}
EXPORT_SYMBOL_GPL(xbuddy_free);

/* Can all of these blocks be freed? Else what xbuddy_free() says of the first that cannot. */
static int check_row(const struct xbuddy *buddy, unsigned long index, unsigned int order,
		     unsigned int nr)
{
	unsigned long i, end;
	int err = check_used(buddy, index, order);

	if (unlikely(err))
		return err;
	i = index >> order;
	end = min(i + nr, nr_blocks(buddy, order));
	end = find_next_zero_bit(buddy->free_area[order].used, end, i);
	return likely(end == i + nr) ? 0 : check_used(buddy, end << order, order);
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
	unsigned long end;
	unsigned int as;
	int err = nr ? check_row(buddy, index, order, nr) : -EINVAL;

	if (unlikely(err))
		return err;
	for (end = index + ((unsigned long)nr << order); index < end; index += 1UL << as) {
		as = xbuddy_run_order(index, end - index);
		unmark_used(buddy, index, as, order);
		join(buddy, index, as);
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
	int err = to > order ? -EINVAL : check_used(buddy, index, order);

	if (err)
		return err;
	unmark_used(buddy, index, order, order);
	mark_used(buddy, index, order, to);
	return 0;
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
	int err;

	if (to < order || to > XBUDDY_MAX_ORDER || index & ((1UL << to) - 1))
		return -EINVAL;
	err = check_row(buddy, index, order, 1U << (to - order));
	if (err)
		return err;
	unmark_used(buddy, index, to, order);
	mark_used(buddy, index, to, to);
	return 0;
}
EXPORT_SYMBOL_GPL(xbuddy_unsplit);
