// SPDX-License-Identifier: GPL-2.0
/*
 * heap/defer: frees of NMIs that found the lock taken
 *
 * The holder may be the context below. So the NMI marks the chunk as deferred, which makes a
 * second free of it an error, and puts it on a stack without a lock. The next holder of the lock
 * empties the stack before anything else. The link is in the chunk's own granule, so there is
 * room for all.
 */
#include "chunk.h"

static void push(struct xheap *heap, u32 chunk)
{
	int head = atomic_read(&heap->deferred);

	do {
		WRITE_ONCE(heap->granules[chunk].next, head);
	} while (!atomic_try_cmpxchg(&heap->deferred, &head, chunk));
}

/*
 * Free the chunk of @size granules (0: of any size) at @address, in an NMI without the lock.
 * Returns 0 or an errno.
 */
int xheap_defer(struct xheap *heap, u64 address, u32 size)
{
	const struct xheap_region *region = xheap_region_scan(heap, address);
	u32 chunk, tag;

	if (!region)
		return -ERANGE;
	if (address & heap->mask)
		return -EINVAL;
	chunk = xheap_number(heap, region, address);
	tag = READ_ONCE(heap->granules[chunk].tag);
	if ((tag & XTAG_STATE) != XTAG_LIVE)
		return tag ? -EALREADY : -EINVAL;
	if (size && xtag_size(tag) != size)
		return -EINVAL;
	if (cmpxchg(&heap->granules[chunk].tag, tag, xtag(xtag_size(tag), XTAG_DEFERRED)) != tag)
		return -EALREADY;
	push(heap, chunk);
	return 0;
}

/* Under the lock. */
noinline void xheap_defer_drain(struct xheap *heap)
{
	u32 next, chunk = atomic_xchg(&heap->deferred, 0);

	for (; chunk; chunk = next) {
		u32 size = xheap_chunk_size(heap, chunk);

		next = READ_ONCE(heap->granules[chunk].next);
		WRITE_ONCE(heap->granules[chunk].tag, 0);
		xheap_count_dead(heap, chunk, size);
		xheap_coalesce(heap, chunk, size);
	}
}
