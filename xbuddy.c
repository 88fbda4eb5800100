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
 * Two kinds of blocks that do not live equally long are to lie apart, or each of
 * the long-lived ones keeps a large block from becoming whole. Then one kind is
 * taken at the lowest address and the other at the highest, whatever block it is
 * cut from; the smallest would be what the other kind has left over.
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
 * To find the lowest free block without a search, free is the lowest level of a
 * 64-way tree (xset.c). There are four levels, which is enough for 64 GiB, or as
 * many as a larger range needs: 6 at the very most. Fewer would do for small ranges,
 * but then the worst case would depend on the size: 673 instructions at 16 MiB and
 * 979 at 16 GiB were measured.
 *
 * All bitmaps of an instance lie in one allocation, packed: thirty-three
 * page-aligned arrays would start in the same cache sets, and were measured
 * at six times the time.
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

#include "internal.h"

#define XBUDDY_LEVELS	4U	/* at least, whatever the range; see above */

/* The number of blocks of an order that lie wholly inside the range. */
static unsigned long nr_blocks(const struct xbuddy *buddy, unsigned int order)
{
	return buddy->nr >> order;
}

/*
 * The free blocks of one order. Only area_set() and area_clear() change them, and
 * they keep the counts and the mask of orders with them.
 */

static void area_set(struct xbuddy *buddy, unsigned int order, unsigned long i)
{
	struct xbuddy_area *area = &buddy->free_area[order];

	area->nr_free++;
	buddy->orders |= BIT(order);
	xset_add_from(&area->free, 0, i);
}

static void area_clear(struct xbuddy *buddy, unsigned int order, unsigned long i)
{
	struct xbuddy_area *area = &buddy->free_area[order];

	if (!--area->nr_free)
		buddy->orders &= ~BIT(order);
	xset_del_from(&area->free, 0, i);
}

/*
 * State changes of blocks. A page number becomes free or used only here.
 */

static void mark_free(struct xbuddy *buddy, unsigned int order, unsigned long i)
{
	area_set(buddy, order, i);
	buddy->nr_free += 1UL << order;
}

static void unmark_free(struct xbuddy *buddy, unsigned int order, unsigned long i)
{
	area_clear(buddy, order, i);
	buddy->nr_free -= 1UL << order;
}

static void mark_used(struct xbuddy *buddy, unsigned int order, unsigned long i)
{
	__set_bit(i, buddy->free_area[order].used);
}

static void unmark_used(struct xbuddy *buddy, unsigned int order, unsigned long i)
{
	__clear_bit(i, buddy->free_area[order].used);
}

static bool is_used(const struct xbuddy *buddy, unsigned int order, unsigned long i)
{
	return test_bit(i, buddy->free_area[order].used);
}

/* The largest order of a block that starts at @index and has at most @nr pages. */
static unsigned int piece_order(unsigned long index, unsigned long nr)
{
	unsigned int order = min_t(unsigned int, ilog2(nr), XBUDDY_MAX_ORDER);

	return index ? min_t(unsigned int, order, __ffs(index)) : order;
}

static void mark_range_free(struct xbuddy *buddy, unsigned long from,
			    unsigned long to)
{
	while (from < to) {
		unsigned int order = piece_order(from, to - from);

		mark_free(buddy, order, from >> order);
		from += 1UL << order;
	}
}

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
 * As xbuddy_alloc_low(), from the other end.
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

/* The used block of order @from is to be used as blocks of @order. */
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
 * none that is to be broken, or @order is too large, or @nr is 0.
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
 * The lowest page number from @from on at which an aligned block of @order
 * lies inside a free block of order @in, or ULONG_MAX.
 */
static unsigned long lowest_in_order(const struct xbuddy *buddy, unsigned int in,
				     unsigned int order, unsigned long from)
{
	const struct xbuddy_area *area = &buddy->free_area[in];
	unsigned long index = round_up(from, 1UL << order);
	unsigned long i = xset_next(&area->free, index >> in);

	return i == ULONG_MAX ? i : max(index, i << in);
}

/* The lowest aligned free place for @order from @from on; *@in is its block's order. */
static unsigned long lowest(const struct xbuddy *buddy, unsigned int order,
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

static bool bad_range(const struct xbuddy *buddy, unsigned long from,
		      unsigned long to)
{
	return from >= to || to > buddy->nr;
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

/* Why is the block not one that can be freed? For the error path. */
static int why_not_used(const struct xbuddy *buddy, unsigned long index)
{
	struct xbuddy_block block;

	xbuddy_lookup(buddy, index, &block);
	return block.state == XBUDDY_FREE ? -EALREADY : -EINVAL;
}

static int check_used(const struct xbuddy *buddy, unsigned long index,
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
static void join(struct xbuddy *buddy, unsigned long index, unsigned int order)
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

/* The used blocks of @order are to be joined as one of order @as. */
static void unmark_used_as(struct xbuddy *buddy, unsigned long index, unsigned int as,
			   unsigned int order)
{
	unsigned long nr = 1UL << (as - order);

	bitmap_clear(buddy->free_area[order].used, index >> order, nr);
	buddy->merges += nr - 1;
}

/* Free a block that is known to be used. */
static void release(struct xbuddy *buddy, unsigned long index, unsigned int order)
{
	unmark_used(buddy, order, index >> order);
	join(buddy, index, order);
}

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
 * What the same number of calls of xbuddy_free() would do, but the blocks are
 * joined before they are looked for.
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

/*
 * Runs: any number of pages in a row. A run is nothing but the blocks that it
 * is made of, cut in one way only (the largest that fits, from the left), so
 * it needs no record of its own and its blocks may also be freed one by one.
 */

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

/*
 * Looking
 */

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
