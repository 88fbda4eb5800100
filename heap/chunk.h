/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What happens to chunks: all that changes tags, bins and books, under the lock
 *
 *	free		xheap_link()		xheap_unlink()
 *	live		xheap_make_live()	xheap_claim()
 *	moved		xheap_relink()
 *	cut and join	xheap_cut()		xheap_coalesce()
 *
 * Between a function of the second column and one of the first, granules are of no chunk. Tags
 * are written by WRITE_ONCE(), because an NMI may look at them without the lock. An
 * allocation and a free are each these functions in one, so all are inline.
 */
#ifndef _XALLOC_HEAP_CHUNK_H
#define _XALLOC_HEAP_CHUNK_H

#include "heap.h"

/* A bin has a chunk. */
static __always_inline void xheap_mark_bin(struct xheap *heap, unsigned int bin)
{
	heap->bin_map[bin >> XBIN_SHIFT] |= BIT_MASK(bin);
	heap->bin_words |= BIT(bin >> XBIN_SHIFT);
}

/* It has none. */
static __always_inline void xheap_unmark_bin(struct xheap *heap, unsigned int bin)
{
	unsigned long *word = &heap->bin_map[bin >> XBIN_SHIFT];

	*word &= ~BIT_MASK(bin);
	if (!*word)
		heap->bin_words &= ~BIT(bin >> XBIN_SHIFT);
}

/* The first bin above @bin that has a chunk, or XBIN_NONE. */
static __always_inline unsigned int xheap_next_bin(const struct xheap *heap, unsigned int bin)
{
	unsigned int w = bin >> XBIN_SHIFT;
	unsigned long word = heap->bin_map[w] & (~1UL << (bin % BITS_PER_LONG));

	if (!word) {
		unsigned long words = heap->bin_words & (~1UL << w);

		if (!words)
			return XBIN_NONE;
		w = __ffs(words);
		word = heap->bin_map[w];
	}
	return (w << XBIN_SHIFT) + __ffs(word);
}

/* A chunk comes to the front of a bin, before the one that is @next. */
static __always_inline void xheap_put_first(struct xheap *heap, unsigned int bin, u32 chunk,
					    u32 next)
{
	struct xgranule *g = heap->granules;

	g[chunk].next = next;
	g[chunk].prev = xprev_bin(bin);
	g[next].prev = chunk;	/* that of number 0 means nothing */
	heap->bin[bin] = chunk;
}

static __always_inline void xheap_put_in(struct xheap *heap, unsigned int bin, u32 chunk)
{
	u32 next = heap->bin[bin];

	xheap_put_first(heap, bin, chunk, next);
	if (!next)
		xheap_mark_bin(heap, bin);
}

static __always_inline void xheap_take_out(struct xheap *heap, u32 chunk)
{
	struct xgranule *g = heap->granules;
	u32 next = g[chunk].next, prev = g[chunk].prev;

	g[next].prev = prev;
	if (likely(xprev_is_bin(prev))) {
		heap->bin[~prev] = next;
		if (!next)
			xheap_unmark_bin(heap, ~prev);
	} else {
		g[prev].next = next;
	}
}

/* The tags of a free chunk. They may be of the same granule, so the order matters. */
static __always_inline void xheap_tag_free(struct xheap *heap, u32 chunk, u32 size)
{
	WRITE_ONCE(heap->granules[chunk + size - 1].tag, xtag(size, XTAG_END));
	WRITE_ONCE(heap->granules[chunk].tag, xtag(size, XTAG_FREE));
	heap->free_in[__fls(size)]++;
}

/* Granules that are of no chunk become a free one, in front of its bin. */
static __always_inline void xheap_link(struct xheap *heap, u32 chunk, u32 size)
{
	xheap_tag_free(heap, chunk, size);
	xheap_put_in(heap, xheap_bin_of(size), chunk);
}

/* A free chunk leaves its bin. Its two tags are the caller's to clear, or to overwrite. */
static __always_inline void xheap_unlink(struct xheap *heap, u32 chunk, u32 size)
{
	heap->free_in[__fls(size)]--;
	xheap_take_out(heap, chunk);
}

/*
 * A free chunk starts elsewhere, or is longer or shorter. A large one that stays the first of its
 * bin, as when all is cut from it and comes back to it, takes its own place.
 */
static __always_inline void xheap_relink(struct xheap *heap, u32 was, u32 was_size, u32 chunk,
					 u32 size)
{
	unsigned int bin = xheap_bin_of(size);

	heap->free_in[__fls(was_size)]--;
	xheap_tag_free(heap, chunk, size);
	if (heap->granules[was].prev == xprev_bin(bin)) {
		xheap_put_first(heap, bin, chunk, heap->granules[was].next);
	} else {
		xheap_take_out(heap, was);
		xheap_put_in(heap, bin, chunk);
	}
}

/* After that: a free chunk begins at a granule, or does no more, or has another size. */
static __always_inline void xheap_changed(struct xheap *heap, u32 a, u32 b)
{
	if (unlikely(heap->order.nr_levels))
		xheap_order_update(heap, a, b);
}

/*
 * Granules that are of no chunk become free, with the free chunks beside them. Of the tags of
 * these, the inner ones are cleared, and the outer ones are those of the new chunk. Returns the
 * granules of that.
 */
static __always_inline u32 xheap_coalesce(struct xheap *heap, u32 chunk, u32 size)
{
	struct xgranule *g = heap->granules;
	u32 below = g[chunk - 1].tag, end = chunk + size, above = g[end].tag;
	u32 above_size = xtag_is_free(above) ? xtag_size(above) : 0;

	if (above_size)
		WRITE_ONCE(g[end].tag, 0);
	if (xtag_is_free(below)) {
		WRITE_ONCE(g[chunk - 1].tag, 0);
		if (above_size)
			xheap_unlink(heap, end, above_size);
		chunk -= xtag_size(below);
		size += xtag_size(below) + above_size;
		xheap_relink(heap, chunk, xtag_size(below), chunk, size);
	} else if (above_size) {
		size += above_size;
		xheap_relink(heap, end, above_size, chunk, size);
	} else {
		xheap_link(heap, chunk, size);
	}
	xheap_changed(heap, chunk, end);
	return size;
}

/* Granules that are of no chunk are a live one; @asked: the bin of what was asked for. */
static __always_inline void xheap_make_live(struct xheap *heap, u32 chunk, u32 size, u32 asked)
{
	heap->granules[chunk].asked = asked;
	WRITE_ONCE(heap->granules[chunk].tag, xtag(size, XTAG_LIVE));
	heap->live_in[asked]++;
	heap->live += size;
}

/* A live chunk, or one that was, is counted no longer. */
static __always_inline void xheap_count_dead(struct xheap *heap, u32 chunk, u32 size)
{
	heap->live_in[heap->granules[chunk].asked]--;
	heap->live -= size;
}

/*
 * The live chunk of *@size granules (0: of any size) at @address is none any more, unless an NMI
 * or another CPU did that at the same instant. Returns its granule number and *@size; or 0: no
 * such chunk begins there.
 */
static __always_inline u32 xheap_claim(struct xheap *heap, u64 address, u32 *size)
{
	u32 chunk = xheap_number_of(heap, address);
	u32 tag = READ_ONCE(heap->granules[chunk].tag);	/* number 0 has none */

	if (unlikely((tag & XTAG_STATE) != XTAG_LIVE) ||
	    unlikely(*size && *size != xtag_size(tag)) ||
	    unlikely(cmpxchg(&heap->granules[chunk].tag, tag, 0) != tag))
		return 0;
	*size = xtag_size(tag);
	xheap_count_dead(heap, chunk, *size);
	return chunk;
}

/* Is what a request would leave of a chunk too little to be one? */
static __always_inline bool xheap_is_waste(u32 left, u32 size, u32 max_waste)
{
	return unlikely(left < max_waste) && left < size;
}

/*
 * Cut a live chunk of @size granules, or more, at granule @at out of a free @chunk. Returns
 * where it ends.
 */
static __always_inline u32 xheap_cut(struct xheap *heap, u32 chunk, u32 at, u32 size,
				     u32 max_waste, u32 asked)
{
	u32 whole = xheap_chunk_size(heap, chunk), left = chunk + whole - at - size;

	if (!left || xheap_is_waste(left, size, max_waste)) {
		xheap_unlink(heap, chunk, whole);
		WRITE_ONCE(heap->granules[chunk + whole - 1].tag, 0);
		size += left;
	} else {
		xheap_relink(heap, chunk, whole, at + size, left);
	}
	if (at != chunk)
		xheap_link(heap, chunk, at - chunk);
	xheap_make_live(heap, at, size, asked);
	return at + size;
}

/* The first chunk of @size to @most granules among the first @look of a bin's, or 0. */
static __always_inline u32 xheap_find_in(const struct xheap *heap, unsigned int bin, u32 size,
					 u32 most, unsigned int look)
{
	u32 chunk = heap->bin[bin];

	for (; chunk && look; chunk = heap->granules[chunk].next, look--)
		if (likely(xheap_chunk_size(heap, chunk) - size <= most - size))
			return chunk;
	return 0;
}

u32 xheap_last_resort(const struct xheap *heap, u32 size, u32 most);

/* A free chunk of the smallest class that is large enough, and of @most at most; or 0. */
static __always_inline u32 xheap_best_fit(const struct xheap *heap, u32 size, u32 most)
{
	unsigned int bin = xheap_bin_of(size);
	u32 chunk = xheap_find_in(heap, bin, size, most, XHEAP_LOOK);

	if (chunk)
		return chunk;
	bin = xheap_next_bin(heap, bin);
	if (likely(bin != XBIN_NONE))
		chunk = xheap_find_in(heap, bin, size, most, XHEAP_LOOK);
	return likely(chunk) ? chunk : xheap_last_resort(heap, size, most);
}

#endif
