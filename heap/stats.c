// SPDX-License-Identifier: GPL-2.0
/*
 * heap/stats: what a heap has, in numbers
 *
 * All is counted as it happens but the largest free chunk: it is in the last bin that has any,
 * where all are looked at, or at the top of the tree of maxima.
 */
#include <linux/export.h>
#include <linux/math64.h>

#include "heap.h"

static u32 largest_in_bin(const struct xheap *heap)
{
	u32 chunk, w, largest = 0;

	if (!heap->bin_words)
		return 0;
	w = __fls(heap->bin_words);
	chunk = heap->bin[(w << XBIN_SHIFT) + __fls(heap->bin_map[w])];
	for (; chunk; chunk = heap->granules[chunk].next)
		largest = max(largest, xheap_chunk_size(heap, chunk));
	return largest;
}

static u32 largest_free(struct xheap *heap)
{
	return heap->order.nr_levels ? xheap_order_largest(heap) : largest_in_bin(heap);
}

static void count_bins(const struct xheap *heap, struct xheap_stats *stats)
{
	unsigned int b;

	for (b = 0; b < XHEAP_BINS; b++) {
		stats->bins[b].free = heap->free_in[b];
		stats->bins[b].live = heap->live_in[b];
		stats->free_chunks += heap->free_in[b];
		stats->chunks += heap->live_in[b];
	}
}

/* What changes; under the lock. */
static void count_all(struct xheap *heap, struct xheap_stats *stats)
{
	stats->free = xheap_free_granules(heap) << heap->shift;
	stats->live = (u64)heap->live << heap->shift;
	stats->total = stats->free + stats->live;
	stats->largest_free = (u64)largest_free(heap) << heap->shift;
	stats->regions = heap->regions.nr;
	stats->grown = heap->grown;
	stats->returned = heap->returned;
	count_bins(heap, stats);
}

/**
 * xheap_stats() - read the statistics of a heap
 * @heap: the heap
 * @stats: filled in
 *
 * Without by_address, the time grows with the number of free chunks in the bin of the largest.
 *
 * Context: Any but NMI.
 */
void xheap_stats(struct xheap *heap, struct xheap_stats *stats)
{
	unsigned long flags;

	*stats = (struct xheap_stats){
		.limit = heap->limit,
		.granule = 1ULL << heap->shift,
		.metadata = heap->metadata,
		.failures = atomic_long_read(&heap->failures),
		.errors = atomic_long_read(&heap->errors),
	};
	if (!xheap_try_lock(heap, &flags))
		return;
	count_all(heap, stats);
	xheap_unlock(heap, flags);
	if (stats->free)
		stats->fragmentation = div64_u64((stats->free - stats->largest_free) * 1000,
						 stats->free);
}
EXPORT_SYMBOL_GPL(xheap_stats);

/**
 * xheap_bin() - in which bin of the statistics chunks of a size are counted
 * @heap: the heap
 * @size: bytes
 *
 * Context: Any.
 * Return: the binary logarithm of @size in granules, rounded down; 0 for less than one.
 */
unsigned int xheap_bin(const struct xheap *heap, u64 size)
{
	return xheap_doubling(heap, size);
}
EXPORT_SYMBOL_GPL(xheap_bin);
