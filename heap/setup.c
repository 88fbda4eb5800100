// SPDX-License-Identifier: GPL-2.0
/*
 * heap/setup: the tables of a heap
 *
 * They are flat arrays for all granules that the heap may ever have, taken once:
 *
 *	granules	12 bytes a granule, and a spare one a unit; the only large one. It is the
 *			end of struct xheap, so that no pointer is loaded to get to it
 *	order		0.46 bytes a granule, of heaps that look by address
 *	bins		4 bytes a bin: 64 bins a doubling
 *	regions		some 40 bytes a unit, of heaps that have several
 */
#include "heap.h"

static void *table(struct xheap *heap, size_t nr, size_t size)
{
	heap->metadata += nr * size;
	return xmeta_alloc(nr * size);
}

static bool setup_bins(struct xheap *heap)
{
	unsigned int nr = xheap_bin_of(heap->limit >> heap->shift) + 1;

	heap->bin = table(heap, nr, sizeof(*heap->bin));
	return heap->bin;
}

static bool setup_order(struct xheap *heap)
{
	u32 nr = xheap_nr_numbers(heap);
	u32 *at = table(heap, xheap_order_layout(&heap->order, nr, NULL), sizeof(*at));

	if (at)
		xheap_order_layout(&heap->order, nr, at);
	return at;
}

static bool setup_regions(struct xheap *heap)
{
	struct xheap_regions *regions = &heap->regions;
	u32 nr = regions->nr_units;

	regions->slot = table(heap, nr, sizeof(*regions->slot));
	regions->sorted = table(heap, nr, sizeof(*regions->sorted));
	regions->taken = table(heap, BITS_TO_LONGS(nr), sizeof(*regions->taken));
	if (heap->pool || heap->grows) {
		regions->of_unit = table(heap, nr, sizeof(*regions->of_unit));
		if (!regions->of_unit)
			return false;
	}
	return regions->slot && regions->sorted && regions->taken;
}

/* A heap as planned, without regions yet. Process context, may sleep. Returns NULL: no memory. */
struct xheap *xheap_setup(const struct xheap *plan, bool by_address)
{
	size_t bytes = struct_size(plan, granules, xheap_nr_numbers(plan));
	struct xheap *heap = xmeta_alloc(bytes);

	if (!heap)
		return NULL;
	*heap = *plan;
	heap->metadata = bytes;
	raw_spin_lock_init(&heap->lock);
	if (setup_bins(heap) && setup_regions(heap) && (!by_address || setup_order(heap)))
		return heap;
	xheap_teardown(heap);
	return NULL;
}

void xheap_teardown(struct xheap *heap)
{
	xmeta_free(heap->order.level[0]);
	xmeta_free(heap->regions.of_unit);
	xmeta_free(heap->regions.taken);
	xmeta_free(heap->regions.sorted);
	xmeta_free(heap->regions.slot);
	xmeta_free(heap->bin);
	xmeta_free(heap);
}
