/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Linear addresses: one way from an address to its object, for every pool
 *
 * The regions of a pool may lie anywhere; its page numbers, and with them all that is known
 * of pages and objects, follow one another. The linear address of an object is where it
 * would be if the regions did, too. Everything behind the API works with these: from one to
 * the struct xpage, to the live byte and to the slab is a shift or a mask, whatever the pool
 * is made of. Only what comes from a client and what goes to it is translated, by a table
 * with an entry for each largest block of addresses, which is one region's:
 *
 *	address --  + to[its block & mask]  -->  linear address
 *	linear address  --  + from[its block]  -->  address
 *
 * The table @to has a power of two of entries: at least one for each block of the addresses
 * that regions can have, so that no two regions share an entry, and more than there are
 * blocks of linear addresses. An entry without a region leads to no linear address of the
 * pool, from whatever address. So a comparison of the linear address refuses all that is not
 * the pool's.
 *
 * In a pool of one region the linear address is the address: @to has one entry, a 0.
 */
#ifndef _XALLOC_XLINEAR_H
#define _XALLOC_XLINEAR_H

#include <linux/compiler.h>
#include <linux/mm.h>

#include <xalloc/xbuddy.h>

#define XLINEAR_SHIFT	(PAGE_SHIFT + XBUDDY_MAX_ORDER)	/* of a largest block */

/**
 * struct xlinear - how addresses of a pool lead to linear ones, and back
 * @to: what to add to an address
 * @mask: entries of @to, less one
 * @from: what to add to a linear address; where the entry for address 0 would be
 */
struct xlinear {
	const long	*to;
	unsigned long	mask;
	unsigned long	from;
};

/* Of any address. READ_ONCE() would make this longer. */
static __always_inline unsigned long xlinear_of(const struct xlinear *linear, const void *addr)
{
	unsigned long at = (unsigned long)addr;

	/* A word, which changes only while no object lies there. */
	return at + data_race(linear->to[at >> XLINEAR_SHIFT & linear->mask]);
}

/* What to add to a linear address of the pool; the same for all of its block. */
static __always_inline long xlinear_back(const struct xlinear *linear, unsigned long at)
{
	/* Set before any object lies there. */
	return data_race(((const long *)linear->from)[at >> XLINEAR_SHIFT]);
}

/* The address of a linear one of the pool. */
static __always_inline void *xlinear_addr(const struct xlinear *linear, const void *at)
{
	return (void *)at + xlinear_back(linear, (unsigned long)at);
}

#endif
