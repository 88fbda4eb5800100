// SPDX-License-Identifier: GPL-2.0
/*
 * heap/validate: recount all of a heap from scratch
 *
 * Chunks are walked from the start of each region to its end: they must fill it, no two free
 * ones may lie side by side, and no granule inside of one has a tag. Then bins are walked, whose
 * chunks must be as many, and the sums are compared with those that the heap keeps.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/export.h>

#include "heap.h"

/* What was counted, to be compared with what the heap says. */
struct recount {
	u64	free;
	u64	live;
	u32	free_in[XHEAP_BINS];
	u32	live_in[XHEAP_BINS];
};

#define invalid(heap, fmt, ...) \
	({ pr_err("heap %s: invalid: " fmt "\n", (heap)->name, ##__VA_ARGS__); false; })

/* Between its first granule and its last there is nothing. */
static bool inside_is_empty(const struct xheap *heap, u32 chunk, u32 size)
{
	u32 i;

	for (i = chunk + 1; i + 1 < chunk + size; i++)
		if (heap->granules[i].tag)
			return invalid(heap, "granule %u in the chunk at %u has a tag", i, chunk);
	return true;
}

static bool free_is_valid(const struct xheap *heap, u32 chunk, u32 size, struct recount *sum)
{
	const struct xgranule *g = heap->granules;

	if (xtag_is_free(g[chunk - 1].tag))
		return invalid(heap, "two free chunks meet at %u", chunk);
	if (size > 1 && g[chunk + size - 1].tag != xtag(size, XTAG_END))
		return invalid(heap, "the free chunk at %u does not end", chunk);
	sum->free += size;
	sum->free_in[ilog2(size)]++;
	return true;
}

static bool live_is_valid(const struct xheap *heap, u32 chunk, u32 size, struct recount *sum)
{
	u32 asked = heap->granules[chunk].asked;

	if (size > 1 && heap->granules[chunk + size - 1].tag)
		return invalid(heap, "the live chunk at %u ends in a tag", chunk);
	if (asked > ilog2(size))
		return invalid(heap, "the live chunk at %u of %u granules is in bin %u", chunk,
			       size, asked);
	sum->live += size;
	sum->live_in[asked]++;
	return true;
}

static bool chunk_is_valid(const struct xheap *heap, u32 chunk, u32 end, struct recount *sum)
{
	u32 tag = READ_ONCE(heap->granules[chunk].tag), size = xtag_size(tag);

	if (!size || size > end - chunk)
		return invalid(heap, "the chunk at %u of %u granules", chunk, size);
	if (!inside_is_empty(heap, chunk, size))
		return false;
	switch (tag & XTAG_STATE) {
	case XTAG_FREE:
		return free_is_valid(heap, chunk, size, sum);
	case XTAG_LIVE:
	case XTAG_DEFERRED:	/* an NMI came meanwhile */
		return live_is_valid(heap, chunk, size, sum);
	}
	return invalid(heap, "the chunk at %u has state %u", chunk, tag & XTAG_STATE);
}

static bool region_is_valid(const struct xheap *heap, const struct xheap_region *region,
			    struct recount *sum)
{
	u32 end = region->first + (region->bytes >> heap->shift), chunk;

	for (chunk = region->first; chunk < end; chunk += xheap_chunk_size(heap, chunk))
		if (!chunk_is_valid(heap, chunk, end, sum))
			return false;
	if (heap->granules[region->first - 1].tag || heap->granules[end].tag)
		return invalid(heap, "a tag beside the region at %#llx", region->start);
	return true;
}

static bool regions_are_valid(const struct xheap *heap, struct recount *sum)
{
	const struct xheap_regions *regions = &heap->regions;
	u64 end = 0, bytes = 0;
	u32 i;

	for (i = 0; i < regions->nr; i++) {
		const struct xheap_region *region = &regions->slot[regions->sorted[i]];

		if (!region->bytes || region->bytes != region->length || region->start < end)
			return invalid(heap, "the region at %#llx", region->start);
		if (!region_is_valid(heap, region, sum))
			return false;
		end = region->start + region->bytes;
		bytes += region->bytes;
	}
	if (bytes > regions->bytes || regions->bytes > heap->limit)
		return invalid(heap, "%llu bytes in regions, %llu counted, limit %llu", bytes,
			       regions->bytes, heap->limit);
	return true;
}

/* Each chunk of a bin is free, of the bin's size, and leads back to the one before. */
static bool bin_is_valid(const struct xheap *heap, unsigned int bin, struct recount *sum)
{
	u32 chunk, before = xprev_bin(bin);

	for (chunk = heap->bin[bin]; chunk; chunk = heap->granules[chunk].next) {
		const struct xgranule *g = &heap->granules[chunk];
		u32 size = xtag_size(g->tag);

		if ((g->tag & XTAG_STATE) != XTAG_FREE || xheap_bin_of(size) != bin ||
		    g->prev != before)
			return invalid(heap, "the chunk at %u in bin %u", chunk, bin);
		sum->free_in[ilog2(size)]--;
		before = chunk;
	}
	if (test_bit(bin, heap->bin_map) != !!heap->bin[bin])
		return invalid(heap, "bin %u is not marked as it is", bin);
	return true;
}

/* All free chunks are in bins, which takes all that was counted away again. */
static bool bins_are_valid(const struct xheap *heap, struct recount *sum)
{
	unsigned int bin, w, nr = xheap_bin_of(heap->limit >> heap->shift) + 1;

	for (bin = 0; bin < nr; bin++)
		if (!bin_is_valid(heap, bin, sum))
			return false;
	if (memchr_inv(sum->free_in, 0, sizeof(sum->free_in)))
		return invalid(heap, "bins have other chunks than there are free ones");
	for (w = 0; w < BITS_TO_LONGS(nr); w++)
		if (test_bit(w, &heap->bin_words) != !!heap->bin_map[w])
			return invalid(heap, "word %u of the bins is not marked as it is", w);
	return true;
}

static bool sums_are_valid(const struct xheap *heap, const struct recount *sum)
{
	u64 free = xheap_free_granules(heap);

	if (sum->free != free || sum->live != heap->live)
		return invalid(heap, "free %llu, live %u; counted %llu, %llu", free, heap->live,
			       sum->free, sum->live);
	if (memcmp(sum->free_in, heap->free_in, sizeof(sum->free_in)) ||
	    memcmp(sum->live_in, heap->live_in, sizeof(sum->live_in)))
		return invalid(heap, "chunks by size");
	return true;
}

static bool is_valid(struct xheap *heap)
{
	struct recount sum = { };

	return regions_are_valid(heap, &sum) && sums_are_valid(heap, &sum) &&
	       bins_are_valid(heap, &sum) && (!heap->order.nr_levels || xheap_order_valid(heap) ||
					      invalid(heap, "the largest free chunks by address"));
}

/**
 * xheap_validate() - recount all of a heap
 * @heap: the heap
 *
 * In time linear in its granules, with interrupts off: for tests.
 *
 * Context: Any but NMI.
 * Return: 0, or -EUCLEAN with a line in the log that says what is wrong.
 */
int xheap_validate(struct xheap *heap)
{
	unsigned long flags;
	bool valid;

	if (!xheap_try_lock(heap, &flags))
		return -EAGAIN;
	valid = is_valid(heap);
	xheap_unlock(heap, flags);
	return valid ? 0 : -EUCLEAN;
}
EXPORT_SYMBOL_GPL(xheap_validate);
