// SPDX-License-Identifier: GPL-2.0
/*
 * pool/blocks: which blocks may be taken
 *
 * What a request may take of the buddy system, under the limits; see get.c. In a pool with
 * a reserve, small blocks are broken first, and those that the reserve needs not at all.
 */
#include "pool.h"

/* Pages that may be taken; see struct xpool_limits. May be old without the lock. */
unsigned long xpool_allowance(const struct xpool *pool, enum xpool_need need)
{
	unsigned long reserve = need == XPOOL_URGENT ? 0 : READ_ONCE(pool->limits.reserve);
	unsigned long room = min(xpool_hard_room(pool), READ_ONCE(pool->buddy.nr_free));

	return room > reserve ? room - reserve : 0;
}

/*
 * The largest order of a free block that may be broken for one of @order, or -1: none. The
 * free lists must be able to give as many blocks of each order as are reserved: a block of
 * @order takes its size from what they give of smaller ones, and one from what they give of
 * the larger ones, up to the order that it is cut from. May be old without the lock.
 */
int xpool_breakable(const struct xpool *pool, unsigned int order, enum xpool_need need)
{
	int most = XBUDDY_MAX_ORDER, o;
	unsigned long blocks = 0;

	if (need == XPOOL_URGENT || !READ_ONCE(pool->limits.reserve))
		return most;
	for (o = XBUDDY_MAX_ORDER; o >= 0; o--) {
		unsigned long takes = o < order ? BIT(order - o) : 1;

		blocks = 2 * blocks + READ_ONCE(pool->buddy.free_area[o].nr_free);
		if (blocks >= READ_ONCE(pool->reserved[o]) + takes)
			continue;
		if (o <= order)
			return -1;
		most = o - 1;
	}
	return most;
}

/* Can the free lists give all blocks that are reserved? */
bool xpool_forms(const struct xpool *pool, const unsigned long *reserved)
{
	unsigned long blocks = 0;
	int o;

	for (o = XBUDDY_MAX_ORDER; o >= 0; o--) {
		blocks = 2 * blocks + pool->buddy.free_area[o].nr_free;
		if (blocks < reserved[o])
			return false;
	}
	return true;
}
