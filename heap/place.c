// SPDX-License-Identifier: GPL-2.0
/*
 * heap/place: which free chunk a request gets, and how it is cut
 *
 * Best fit looks at the bin of the request's size, of which it takes the first chunk that fits, if
 * that is one of the first few: bins of up to 128 granules have one size each, others sizes
 * that differ by less than 1/64. Then it takes the first chunk of the next bin that has any, all
 * of which are large enough. Only a request that would fail looks at more (xheap_last_resort()).
 *
 * A request with an alignment looks at the first few chunks that could do, in the same order;
 * then for one that is so large that it must do. Of a chunk that is taken, what lies in front of
 * the aligned address is free again, so that an alignment costs nothing but the search.
 *
 * The cut: the request gets the start of the chunk, or of its aligned part. What is left is a
 * free chunk, unless that is less than max_waste, and less than the request: then the request
 * gets it too. TensorFlow's BFC has the same rule.
 */
#include "chunk.h"

#define LOOK_ALIGNED	16U
#define LAST_LOOK	64U	/* before a request fails */

/* The largest chunk that a request of @size may break. */
static u32 most_for(const struct xheap *heap, u32 size)
{
	return size <= heap->max_split ? heap->max_split : U32_MAX;
}

/* What xheap_best_fit() does not see at first, of the request's bin and the next one. */
noinline u32 xheap_last_resort(const struct xheap *heap, u32 size, u32 most)
{
	unsigned int bin = xheap_bin_of(size), next = xheap_next_bin(heap, bin);
	u32 chunk = xheap_find_in(heap, bin, size, most, LAST_LOOK);

	if (!chunk && next != XBIN_NONE)
		chunk = xheap_find_in(heap, next, size, most, LAST_LOOK);
	return chunk;
}

/* Granules from the start of a chunk to the next address that is aligned as is wanted. */
static u64 lead_of(const struct xheap *heap, u32 chunk, const struct xwant *want)
{
	if (!want->align)
		return 0;
	return ((want->phase - xheap_address(heap, chunk)) & (want->align - 1)) >> heap->shift;
}

static bool fits(const struct xheap *heap, u32 chunk, const struct xwant *want, u32 most)
{
	u32 size = xheap_chunk_size(heap, chunk);

	return size <= most && want->size + lead_of(heap, chunk, want) <= size;
}

/* So many granules hold the request aligned, wherever they begin; 0: more than there are. */
static u32 enough_for(const struct xheap *heap, const struct xwant *want)
{
	u64 size = want->size;

	if (want->align)
		size += (want->align >> heap->shift) - 1;
	return size <= heap->limit >> heap->shift ? size : 0;
}

static u32 best_aligned(const struct xheap *heap, const struct xwant *want)
{
	u32 chunk, enough = enough_for(heap, want), most = most_for(heap, want->size);
	unsigned int bin = xheap_bin_of(want->size), look = LOOK_ALIGNED;

	if (!want->align)
		return xheap_best_fit(heap, want->size, most);
	for (; look && bin != XBIN_NONE; bin = xheap_next_bin(heap, bin))
		for (chunk = heap->bin[bin]; chunk && look; look--) {
			if (fits(heap, chunk, want, most))
				return chunk;
			chunk = heap->granules[chunk].next;
		}
	return enough && enough <= most ? xheap_best_fit(heap, enough, most) : 0;
}

static u32 first_fit(struct xheap *heap, const struct xwant *want)
{
	u32 chunk = xheap_order_first(heap, want->size), enough = enough_for(heap, want);
	unsigned int look = LOOK_ALIGNED;

	for (; chunk && look; look--) {
		if (fits(heap, chunk, want, U32_MAX))
			return chunk;
		chunk = xheap_order_next(heap, chunk + 1, want->size);
	}
	return chunk && enough ? xheap_order_first(heap, enough) : 0;
}

/* The free chunk that has the place that is wanted, or 0. */
static u32 at_fixed(struct xheap *heap, const struct xwant *want)
{
	u32 chunk = xheap_order_before(heap, want->at + 1);

	return chunk && chunk + xheap_chunk_size(heap, chunk) >= want->at + want->size ? chunk : 0;
}

/* Under the lock. Returns 0 and *@address, or -ENOSPC. */
int xheap_place(struct xheap *heap, const struct xwant *want, u64 *address)
{
	u32 chunk, at, end;

	lockdep_assert_held(&heap->lock);
	if (want->fixed) {
		at = want->at;
		chunk = at_fixed(heap, want);
	} else {
		chunk = want->first_fit ? first_fit(heap, want) : best_aligned(heap, want);
		at = chunk ? chunk + lead_of(heap, chunk, want) : 0;
	}
	if (!chunk)
		return -ENOSPC;
	end = xheap_cut(heap, chunk, at, want->size, want->max_waste,
			xheap_doubling(heap, want->bytes));
	xheap_changed(heap, chunk, end);
	*address = xheap_address(heap, at);
	return 0;
}
