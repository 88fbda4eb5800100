// SPDX-License-Identifier: GPL-2.0
/*
 * heap/look: what an address is, where no live chunk begins
 *
 * For reports, and to tell a double free from a wild pointer. The chunk that has a granule is
 * looked for downwards, as long as a report is worth it.
 */
#include "heap.h"

#define LOOK_DOWN	512U

/* The chunk that has granule @number, or 0 where its start is not close. Under the lock. */
u32 xheap_look_around(const struct xheap *heap, u32 number)
{
	u32 at = number, low = number > LOOK_DOWN ? number - LOOK_DOWN : 1;

	for (; at >= low; at--) {
		u32 tag = heap->granules[at].tag;

		if ((tag & XTAG_STATE) == XTAG_END)
			at -= xtag_size(tag) - 1;
		if (tag)
			return number - at < xheap_chunk_size(heap, at) ? at : 0;
	}
	return 0;
}

/* Why is @address no live chunk? Under the lock. */
int xheap_look_error(const struct xheap *heap, u64 address)
{
	u32 state, chunk, number = xheap_number_of(heap, address & ~heap->mask);

	if (!number)
		return -ERANGE;
	if (address & heap->mask)
		return -EINVAL;
	chunk = xheap_look_around(heap, number);
	if (!chunk)
		return -EINVAL;
	state = heap->granules[chunk].tag & XTAG_STATE;
	return state == XTAG_LIVE ? -EINVAL : -EALREADY;
}
