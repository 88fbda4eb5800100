/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Rows: objects that follow one another, in an array as in memory, and their live bytes.
 * Objects that were allocated together are mostly freed together, so what must be looked
 * at, or changed, of each of them is looked at for four at a time.
 */
#ifndef _XALLOC_XROW_H
#define _XALLOC_XROW_H

#include "slab.h"

/* How far the second of two objects is behind the first. */
static __always_inline long step_of(void **pair)
{
	return (unsigned long)pair[1] - (unsigned long)pair[0];
}

/* Do they follow one another, up or down? */
static __always_inline bool are_row(const struct xslab_cache *cache, void **pair)
{
	long step = step_of(pair), stride = cache->stride;

	return step == stride || step == -stride;
}

/* A round of four is cheaper for each object than a round of one. */
static __always_inline bool is_row_of_4(void **at, unsigned long obj, long step)
{
	return likely((unsigned long)at[0] == obj) && likely((unsigned long)at[1] == obj + step) &&
	       likely((unsigned long)at[2] == obj + 2 * step) &&
	       likely((unsigned long)at[3] == obj + 3 * step);
}

/**
 * struct xlive_row - the live bytes of objects that follow one another, four at a time
 * @at: those of the next four
 * @four: what the first four bytes are when each of these objects has a 1
 * @two: like @four, of the two bytes behind, in a row of six; 0 in one of four
 * @step: bytes from four objects to the next; 0: they lie in no row of a known kind
 *
 * Where the stride is 2^n the bytes are neighbours. Where it is half as much again, four
 * objects have six, of which two belong to no object, and are 0: which ones, depends on
 * whether the first object begins with its byte or in the middle of it. One byte at a time,
 * batches of such objects take a quarter longer.
 */
struct xlive_row {
	u8		*at;
	u32		four;
	u16		two;
	unsigned int	step;
};

/* The row from @obj on; there are live bytes. @stride may be negative: of no known kind. */
static __always_inline struct xlive_row live_row(const struct xslab_check *check,
						 unsigned long obj, long stride)
{
	static const u8 rows[3][6] = {
		{ 1, 1, 1, 1 }, { 1, 1, 0, 1, 1, 0 }, { 1, 0, 1, 1, 0, 1 },
	};
	unsigned int half = check->live_shift - 1, kind = 0, step = 4;

	if (stride != 2L << half) {
		kind = 1 + (obj >> half & 1);
		step = stride == 3L << half ? 6 : 0;
	}
	return (struct xlive_row){ &check->live[obj >> check->live_shift],
				   get_unaligned((const u32 *)rows[kind]),
				   get_unaligned((const u16 *)&rows[kind][4]), step };
}

/*
 * Change the live bytes of the next four. Returns false if one does not say @from; none is
 * changed then. A caller with a loop looks at row->step before it, which is cheaper than
 * here.
 */
static __always_inline bool change_live_4(struct xlive_row *row, u8 from, u8 to)
{
	u32 *four = (u32 *)row->at;
	u16 *two = (u16 *)(four + 1);

	/* As in xslab_change_live(): the holder of the objects has their bytes. */
	if (unlikely(data_race(get_unaligned(four)) != row->four * from))
		return false;
	if (row->two) {
		/* like the four */
		if (unlikely(data_race(get_unaligned(two)) != (u16)(row->two * from)))
			return false;
		put_unaligned((u16)(row->two * to), two);
	}
	put_unaligned(row->four * to, four);
	row->at += row->step;
	return true;
}

/* What is known of objects that are put into slabs, as bits. */
enum xslab_how {
	XSLAB_CHECK	= BIT(0),	/* look whether they are objects; or a magazine had them */
	XSLAB_HAS_LIVE	= BIT(1),	/* they have live bytes */
	XSLAB_ONE_WORD	= BIT(2),	/* so has the map of each of their slabs */
};

/* What the live byte says of an object that is put into its slab. */
static __always_inline u8 live_before(const struct xslab_check *check, unsigned int how)
{
	return how & XSLAB_CHECK ? XSLAB_LIVE : check->tag;
}

/* Marks the live byte, if any, free. Returns false if the object is not what it was. */
static __always_inline bool accept_live(const struct xslab_check *check, unsigned long obj,
					unsigned int how)
{
	return !(how & XSLAB_HAS_LIVE) ||
	       likely(xslab_change_live(xslab_live_at(check, (const void *)obj),
					live_before(check, how), XSLAB_IN_SLAB));
}

/* Like accept_live(), but of the next four of a row; if false, try one by one. */
static __always_inline bool accept_live_4(const struct xslab_check *check,
					  struct xlive_row *row, unsigned int how)
{
	return !(how & XSLAB_HAS_LIVE) ||
	       change_live_4(row, live_before(check, how), XSLAB_IN_SLAB);
}

#endif
