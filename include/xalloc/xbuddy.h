/* SPDX-License-Identifier: GPL-2.0 */
/*
 * xbuddy: a buddy system over page numbers.
 *
 * It manages numbers and not memory: nothing here knows an address, so the
 * numbers may stand for pages, slots of a device or anything else that comes
 * in blocks of powers of two. The theory is at the top of xbuddy.c.
 *
 * None of these functions locks: the caller serialises all calls that change
 * or validate one instance. All but init, destroy and validate run in constant
 * time and in any context.
 */
#ifndef _XALLOC_XBUDDY_H
#define _XALLOC_XBUDDY_H

#include <linux/bitops.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/types.h>

#include <xalloc/impl/xset.h>

/* A constant of our own: the kernel's MAX_ORDER changed its meaning and name. */
#define XBUDDY_MAX_ORDER	10
#define XBUDDY_NR_ORDERS	(XBUDDY_MAX_ORDER + 1)
#define XBUDDY_MAX_NR		BIT(32)

/**
 * struct xbuddy_area - the blocks of one order
 * @nr_free: free blocks in @free
 * @used: a bit a block: this block is allocated, and with just this order
 * @free: the blocks that are free, and not part of a larger free block
 */
struct xbuddy_area {
	unsigned long	nr_free;
	unsigned long	*used;
	struct xset	free;
};

/**
 * struct xbuddy - one buddy system; read its fields, never write them
 * @nr: page numbers managed: 0 to @nr - 1
 * @nr_free: pages free in blocks of all orders
 * @orders: bit o is set when free_area[o] holds a free block
 * @free_area: the blocks, by order
 * @splits: blocks halved so far
 * @merges: pairs of buddies joined so far
 * @bytes: memory that the bitmaps take
 */
struct xbuddy {
	unsigned long		nr;
	unsigned long		nr_free;
	unsigned int		orders;
	struct xbuddy_area	free_area[XBUDDY_NR_ORDERS];
	unsigned long		splits;
	unsigned long		merges;
	size_t			bytes;
};

enum xbuddy_state {
	XBUDDY_FREE,
	XBUDDY_USED,
};

/**
 * struct xbuddy_block - what xbuddy_lookup() found
 * @index: first page number of the block
 * @order: the block has 2^@order pages
 * @state: free or used
 */
struct xbuddy_block {
	unsigned long		index;
	unsigned int		order;
	enum xbuddy_state	state;
};

/**
 * struct xbuddy_part - where xbuddy_alloc_part() takes blocks
 * @from: first page number allowed; no free block reaches across it
 * @to: first page number not allowed any more; no free block reaches across it
 * @most: the largest order of a free block that may be broken
 * @top: the highest place, else the lowest
 */
struct xbuddy_part {
	unsigned long		from;
	unsigned long		to;
	unsigned int		most;
	bool			top;
};

/**
 * struct xbuddy_run - where xbuddy_alloc_run_at() takes contiguous pages
 * @nr: how many
 * @align: a power of two
 * @skew: a page number is aligned if the sum of both is a multiple of @align
 * @from: first page number allowed
 * @to: first page number not allowed any more
 * @top: the highest place, else the lowest
 */
struct xbuddy_run {
	unsigned long		nr;
	unsigned long		align;
	unsigned long		skew;
	unsigned long		from;
	unsigned long		to;
	bool			top;
};

int xbuddy_init(struct xbuddy *buddy, unsigned long nr);
void xbuddy_destroy(struct xbuddy *buddy);

long xbuddy_alloc(struct xbuddy *buddy, unsigned int order);
unsigned int xbuddy_alloc_row(struct xbuddy *buddy, unsigned int order, unsigned int nr,
			      bool whole, unsigned long *index);
unsigned int xbuddy_alloc_many(struct xbuddy *buddy, unsigned int order,
			       unsigned long *indices, unsigned int nr);
long xbuddy_alloc_in(struct xbuddy *buddy, unsigned int order, unsigned long from,
		     unsigned long to, bool top);
unsigned int xbuddy_alloc_part(struct xbuddy *buddy, unsigned int order, unsigned int nr,
			       bool whole, const struct xbuddy_part *part,
			       unsigned long *index);
int xbuddy_free(struct xbuddy *buddy, unsigned long index, unsigned int order);
int xbuddy_free_row(struct xbuddy *buddy, unsigned long index, unsigned int order,
		    unsigned int nr);
int xbuddy_split(struct xbuddy *buddy, unsigned long index, unsigned int order,
		 unsigned int to);
int xbuddy_unsplit(struct xbuddy *buddy, unsigned long index, unsigned int order,
		   unsigned int to);

long xbuddy_alloc_run_at(struct xbuddy *buddy, const struct xbuddy_run *run);
int xbuddy_free_run(struct xbuddy *buddy, unsigned long index,
		    unsigned long nr);

int xbuddy_lookup(const struct xbuddy *buddy, unsigned long index,
		  struct xbuddy_block *block);
int xbuddy_validate(const struct xbuddy *buddy);

/**
 * xbuddy_run_order() - the first block of a run
 * @index: where the run begins
 * @nr: its pages
 *
 * A run is made of the largest blocks that fit, from the left.
 *
 * Context: Any.
 * Return: the order of that block.
 */
static inline unsigned int xbuddy_run_order(unsigned long index, unsigned long nr)
{
	unsigned int order = min_t(unsigned int, ilog2(nr), XBUDDY_MAX_ORDER);

	return index ? min_t(unsigned int, order, __ffs(index)) : order;
}

/**
 * xbuddy_alloc_run() - take exactly @nr contiguous pages
 * @buddy: the instance
 * @nr: pages; need not be a power of two, may be larger than the largest block
 * @from: first page number allowed
 * @to: first page number not allowed any more
 *
 * The lowest place, not aligned; otherwise as xbuddy_alloc_run_at().
 *
 * Context: Any; the caller serialises.
 * Return: the first page number, -ENOSPC, or -EINVAL where @nr is 0 or
 * [@from, @to) is empty or leaves the instance.
 */
static inline long xbuddy_alloc_run(struct xbuddy *buddy, unsigned long nr, unsigned long from,
				    unsigned long to)
{
	const struct xbuddy_run run = { .nr = nr, .align = 1, .from = from, .to = to };

	return xbuddy_alloc_run_at(buddy, &run);
}

/**
 * xbuddy_alloc_low() - take the block at the lowest address
 * @buddy: the instance
 * @order: the block gets 2^@order pages
 *
 * The lowest place is used, whatever the size of the free block it is cut from. Together with
 * xbuddy_alloc_top() this keeps two kinds of blocks apart: what one cuts a large block for is
 * left to it.
 *
 * Context: Any; the caller serialises.
 * Return: the first page number, -ENOSPC, or -EINVAL where @order is too large.
 */
static inline long xbuddy_alloc_low(struct xbuddy *buddy, unsigned int order)
{
	return xbuddy_alloc_in(buddy, order, 0, buddy->nr, false);
}

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
static inline long xbuddy_alloc_top(struct xbuddy *buddy, unsigned int order)
{
	return xbuddy_alloc_in(buddy, order, 0, buddy->nr, true);
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
static inline long xbuddy_alloc_range(struct xbuddy *buddy, unsigned int order,
				      unsigned long from, unsigned long to)
{
	return xbuddy_alloc_in(buddy, order, from, to, false);
}

#endif
