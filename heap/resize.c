// SPDX-License-Identifier: GPL-2.0
/*
 * heap/resize: a live chunk becomes longer or shorter where it is
 *
 * The chunk gets the free one above it, and then gives back what is more than it needs. It is
 * not live meanwhile, so that a free at the same instant, a client's error, is refused.
 */
#include "chunk.h"

/* The granules that a chunk could have: its own, and those of a free one above it. */
static u32 room_of(const struct xheap *heap, u32 chunk, u32 size)
{
	u32 above = heap->granules[chunk + size].tag;

	return size + (xtag_is_free(above) ? xtag_size(above) : 0);
}

/* From @size to @to granules, of which there are enough. */
static void change(struct xheap *heap, u32 chunk, u32 size, u32 to)
{
	u32 room = room_of(heap, chunk, size);

	if (to == size)
		return;
	if (room > size) {
		xheap_unlink(heap, chunk + size, room - size);
		WRITE_ONCE(heap->granules[chunk + size].tag, 0);
		WRITE_ONCE(heap->granules[chunk + room - 1].tag, 0);
	}
	if (room > to)
		xheap_link(heap, chunk + to, room - to);
	xheap_changed(heap, chunk + size, chunk + to);
}

/*
 * Under the lock. Returns 0; or, with nothing changed, -ENOSPC where what lies above is not
 * free or not enough, or -ENOENT where no live chunk begins at @address.
 */
int xheap_resize_live(struct xheap *heap, u64 address, u64 bytes)
{
	u64 to = xheap_granules(heap, bytes);
	u32 chunk, size = 0;

	lockdep_assert_held(&heap->lock);
	chunk = xheap_claim(heap, address, &size);
	if (!chunk)
		return -ENOENT;
	if (to > room_of(heap, chunk, size)) {
		xheap_make_live(heap, chunk, size, heap->granules[chunk].asked);
		return -ENOSPC;
	}
	change(heap, chunk, size, to);
	xheap_make_live(heap, chunk, to, xheap_doubling(heap, bytes));
	return 0;
}
