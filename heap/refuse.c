// SPDX-License-Identifier: GPL-2.0
/*
 * heap/refuse: clients' errors
 *
 * Each is counted, and reported in one line with what is known; nothing has changed.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include "heap.h"

/* A request that no heap, or not this one, can meet. Returns @err. */
noinline int xheap_refuse_request(struct xheap *heap, u64 size, int err, const char *reason)
{
	atomic_long_inc(&heap->errors);
	pr_err_ratelimited("heap %s: request of %llu bytes refused: %s\n", heap->name, size,
			   reason);
	return err;
}

/* The live chunk that has @address, and its *@size in bytes; or false. */
static bool find_live(struct xheap *heap, u64 address, u64 *start, u64 *size)
{
	unsigned long flags;
	u32 number, chunk = 0;

	if (!xheap_try_lock(heap, &flags))
		return false;
	number = xheap_number_of(heap, address & ~heap->mask);
	if (number)
		chunk = xheap_look_around(heap, number);
	if (chunk) {
		*start = xheap_address(heap, chunk);
		*size = (u64)xheap_chunk_size(heap, chunk) << heap->shift;
		if ((heap->granules[chunk].tag & XTAG_STATE) != XTAG_LIVE)
			chunk = 0;
	}
	xheap_unlock(heap, flags);
	return chunk;
}

/* A @call came with an @address that is not what it needs. Returns @err. */
noinline int xheap_refuse_chunk(struct xheap *heap, const char *call, u64 address, int err)
{
	u64 start, size;

	atomic_long_inc(&heap->errors);
	if (err == -ERANGE)
		pr_err_ratelimited("heap %s: %s of %#llx refused: not of this heap\n",
				   heap->name, call, address);
	else if (err == -EALREADY)
		pr_err_ratelimited("heap %s: %s of %#llx refused: it is free already\n",
				   heap->name, call, address);
	else if (!find_live(heap, address, &start, &size))
		pr_err_ratelimited("heap %s: %s of %#llx refused: no chunk begins there\n",
				   heap->name, call, address);
	else if (address == start)
		pr_err_ratelimited("heap %s: %s of %#llx refused: the chunk has %llu bytes\n",
				   heap->name, call, address, size);
	else
		pr_err_ratelimited("heap %s: %s of %#llx refused: inside of the chunk of %llu bytes at %#llx\n",
				   heap->name, call, address, size, start);
	return err;
}
