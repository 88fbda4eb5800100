/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a client knows of xalloc because it was compiled into it: the layout of the
 * structures that its inline functions read, and of those that it fills in or gets back.
 * A stamp is a hash of all that, computed by the compiler. The calls that make pools and
 * caches pass the client's, and xalloc refuses one that is not its own. Module versions
 * would tell too, but not every kernel has them.
 *
 * The sums are in xpool.h and xslab.h, beside what they are of.
 */
#ifndef _XALLOC_XSTAMP_H
#define _XALLOC_XSTAMP_H

#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/stddef.h>
#include <linux/types.h>

/* Must be raised when the meaning of something changes that a client has compiled in. */
#define XALLOC_VERSION	1U

/* For a test: a client that was built for another xalloc. */
#ifdef XALLOC_LAYOUT_TEST
#define XSTAMP_START	(XALLOC_VERSION + (XALLOC_LAYOUT_TEST << 16))
#else
#define XSTAMP_START	XALLOC_VERSION
#endif

/* The step of FNV-1a, with numbers instead of bytes. */
static __always_inline u32 xstamp_add(u32 stamp, u64 value)
{
	return (stamp ^ lower_32_bits(value) ^ upper_32_bits(value)) * 0x01000193U;
}

/* Where a field is; the size of the structure comes last. */
#define XSTAMP_FIELD(stamp, type, field)	xstamp_add(stamp, offsetof(struct type, field))

#endif
