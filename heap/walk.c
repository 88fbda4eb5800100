// SPDX-License-Identifier: GPL-2.0
/*
 * heap/walk: the chunks of a heap, one region after the other, for observers
 *
 * A walk takes the lock for some chunks at a time, so that no operation waits for long. Between
 * two steps chunks come and go. Where the next one should begin, there may then be the inside of a
 * larger chunk: what is left of that is found by looking upwards for its end. A region that goes
 * ends the walk of it.
 */
#include "heap.h"

#define LOOK_UP	4096U	/* granules; what is longer counts as several */

/* The first region above the one of the walk, which may have gone; or NULL. */
static const struct xheap_region *next_region(const struct xheap *heap,
					      const struct xheap_walk *walk)
{
	u32 i;

	for (i = 0; i < heap->regions.nr; i++) {
		const struct xheap_region *region = &heap->regions.slot[heap->regions.sorted[i]];

		if (!walk->bytes || region->start > walk->start)
			return region;
	}
	return NULL;
}

/* Go to the next region by address, or to the first one. Any context but NMI. */
bool xheap_walk_region(struct xheap *heap, struct xheap_walk *walk)
{
	const struct xheap_region *region;
	unsigned long flags;

	xheap_lock(heap, &flags);
	region = next_region(heap, walk);
	if (region)
		*walk = (struct xheap_walk){ .start = region->start, .bytes = region->bytes };
	xheap_unlock(heap, flags);
	return region;
}

/* What is left of a chunk that was not there before, from granule @number on. */
static s32 rest_of_chunk(const struct xheap *heap, u32 number, u32 end)
{
	u32 at = number, stop = min(end, number + LOOK_UP);

	while (at < stop && !heap->granules[at].tag)
		at++;
	if (at == end || (at < stop && (heap->granules[at].tag & XTAG_STATE) != XTAG_END))
		return at - number;	/* live ones have no tag at their end */
	return at < stop ? -(s32)(at + 1 - number) : -(s32)(at - number);
}

/* The chunk that begins at granule @number, or (negative) a free one. */
static s32 chunk_at(const struct xheap *heap, u32 number, u32 end)
{
	u32 tag = READ_ONCE(heap->granules[number].tag);

	switch (tag & XTAG_STATE) {
	case XTAG_FREE:
		return -(s32)xtag_size(tag);
	case XTAG_LIVE:
	case XTAG_DEFERRED:
		return xtag_size(tag);
	}
	return rest_of_chunk(heap, number, end);
}

/*
 * The next chunks of the region: @nr or XHEAP_WALK_MAX at most, in granules, those that are free
 * as negative numbers. Any context but NMI. Returns how many; 0: that was the last, or the region
 * has gone.
 */
unsigned int xheap_walk(struct xheap *heap, struct xheap_walk *walk, s32 *chunks, unsigned int nr)
{
	const struct xheap_region *region;
	unsigned int got = 0;
	unsigned long flags;
	u32 number, end;

	xheap_lock(heap, &flags);
	region = xheap_region_search(heap, walk->start);
	if (region && region->start == walk->start && region->bytes == walk->bytes) {
		number = region->first + walk->at;
		end = region->first + (region->bytes >> heap->shift);
		for (; got < min(nr, XHEAP_WALK_MAX) && number < end; got++) {
			chunks[got] = chunk_at(heap, number, end);
			number += abs(chunks[got]);
		}
		walk->at = number - region->first;
	}
	xheap_unlock(heap, flags);
	return got;
}
