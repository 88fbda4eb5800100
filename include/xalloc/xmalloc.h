/* SPDX-License-Identifier: GPL-2.0 */
/*
 * xmalloc: memory of any size from the default pool, as kmalloc() has it from the system.
 *
 * The interface is that of kmalloc() with another prefix and the same order of arguments. The
 * theory is at the top of xmalloc.c.
 */
#ifndef _XALLOC_XMALLOC_H
#define _XALLOC_XMALLOC_H

#include <linux/compiler.h>
#include <linux/gfp.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/types.h>

int xmalloc_prepare(void);

void *xmalloc(size_t size, gfp_t gfp) __alloc_size(1);
void *xrealloc(const void *addr, size_t size, gfp_t gfp) __realloc_size(2);
int xfree(const void *addr);
size_t xmalloc_size(const void *addr);

/**
 * xzalloc() - xmalloc() of bytes that are 0
 * @size: bytes
 * @gfp: as for xmalloc()
 *
 * Context: As xmalloc().
 * Return: as xmalloc().
 */
static inline __alloc_size(1) void *xzalloc(size_t size, gfp_t gfp)
{
	return xmalloc(size, gfp | __GFP_ZERO);
}

/**
 * xmalloc_array() - xmalloc() of an array
 * @nr: elements
 * @size: bytes of one
 * @gfp: as for xmalloc()
 *
 * Context: As xmalloc().
 * Return: as xmalloc(); NULL where the product does not fit a size_t.
 */
static inline __alloc_size(1, 2) void *xmalloc_array(size_t nr, size_t size, gfp_t gfp)
{
	size_t bytes;

	return check_mul_overflow(nr, size, &bytes) ? NULL : xmalloc(bytes, gfp);
}

/**
 * xcalloc() - xzalloc() of an array
 * @nr: elements
 * @size: bytes of one
 * @gfp: as for xmalloc()
 *
 * Context: As xmalloc().
 * Return: as xmalloc_array().
 */
static inline __alloc_size(1, 2) void *xcalloc(size_t nr, size_t size, gfp_t gfp)
{
	return xmalloc_array(nr, size, gfp | __GFP_ZERO);
}

#endif
