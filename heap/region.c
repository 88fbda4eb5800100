// SPDX-License-Identifier: GPL-2.0
/*
 * heap/region: from addresses to granule numbers and back
 *
 * A heap has numbers for as many granules as it may ever have. They are dealt out in units. A
 * region, a run of addresses, takes the numbers of as many units as it needs, wherever that many
 * follow one another; so numbers say nothing about addresses, but for the case that a range is cut
 * into regions by need: there unit n is the n-th piece of the range.
 *
 *	units		| 0     | 1     | 2     | 3     | 4     |
 *	numbers		  ===region===    ==reg==
 *			^               ^	the number in front of a region is of no chunk
 *
 * A unit has one number more than it has granules. So between two regions there is a number
 * that no chunk has, and no chunk is ever joined with one of another region.
 *
 * A region stays in its slot. To find the region of an address, there is a list of slots in the
 * order of addresses. An NMI that does not have the lock goes through the slots instead.
 */
#include <linux/bitmap.h>
#include <linux/string.h>

#include "chunk.h"

/* Slots in the order of addresses: how many regions begin at or below @address. */
static u32 nr_up_to(const struct xheap_regions *regions, u64 address)
{
	u32 from = 0, to = regions->nr;

	while (from < to) {
		u32 middle = from + (to - from) / 2;

		if (regions->slot[regions->sorted[middle]].start <= address)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

/* The region in which @address is, or NULL. */
const struct xheap_region *xheap_region_search(const struct xheap *heap, u64 address)
{
	const struct xheap_region *region;
	u32 i = nr_up_to(&heap->regions, address);

	if (!i)
		return NULL;
	region = &heap->regions.slot[heap->regions.sorted[i - 1]];
	return address - region->start < region->bytes ? region : NULL;
}

/* The same without the lock: a region with live chunks does not change. */
const struct xheap_region *xheap_region_scan(const struct xheap *heap, u64 address)
{
	u32 s, nr = READ_ONCE(heap->regions.nr_slots);

	for (s = 0; s < nr; s++) {
		const struct xheap_region *region = &heap->regions.slot[s];
		u64 bytes = READ_ONCE(region->bytes);

		smp_rmb();	/* it is written after the start */
		if (address - READ_ONCE(region->start) < bytes)
			return region;
	}
	return NULL;
}

static struct xheap_region *free_slot(struct xheap_regions *regions)
{
	u32 s;

	for (s = 0; s < regions->nr_slots; s++)
		if (!regions->slot[s].units)
			return &regions->slot[s];
	return &regions->slot[s];	/* there is one a unit */
}

/*
 * Set numbers aside for @bytes, or NULL: not that many follow one another. There are as many units
 * as the limit allows, so this keeps the limit, too.
 */
struct xheap_region *xheap_region_reserve(struct xheap *heap, u64 bytes)
{
	struct xheap_regions *regions = &heap->regions;
	u32 units = div64_u64(bytes + regions->unit_bytes - 1, regions->unit_bytes);
	struct xheap_region *region;
	unsigned long unit;

	lockdep_assert_held(&heap->lock);
	unit = bitmap_find_next_zero_area(regions->taken, regions->nr_units, 0, units, 0);
	if (unit >= regions->nr_units)
		return NULL;
	bitmap_set(regions->taken, unit, units);
	regions->bytes += bytes;
	region = free_slot(regions);
	*region = (struct xheap_region){
		.unit = unit, .units = units, .first = unit * regions->stride + 1,
		.length = bytes,
	};
	if (region - regions->slot == regions->nr_slots)
		WRITE_ONCE(regions->nr_slots, regions->nr_slots + 1);
	return region;
}

/* It does not come; or it went, and what it was made of is given back. */
void xheap_region_cancel(struct xheap *heap, struct xheap_region *region)
{
	lockdep_assert_held(&heap->lock);
	bitmap_clear(heap->regions.taken, region->unit, region->units);
	heap->regions.bytes -= region->length;
	region->units = 0;
}

static u32 slot_of(const struct xheap *heap, const struct xheap_region *region)
{
	return region - heap->regions.slot;
}

static void sort_in(struct xheap *heap, const struct xheap_region *region, u64 start)
{
	struct xheap_regions *regions = &heap->regions;
	u32 i = nr_up_to(regions, start);

	memmove(&regions->sorted[i + 1], &regions->sorted[i],
		(regions->nr - i) * sizeof(*regions->sorted));
	regions->sorted[i] = slot_of(heap, region);
	regions->nr++;
}

/* A region that was reserved is there, at @start: one free chunk. */
void xheap_region_add(struct xheap *heap, struct xheap_region *region, u64 start)
{
	struct xheap_regions *regions = &heap->regions;
	u32 u, size = region->length >> heap->shift;

	lockdep_assert_held(&heap->lock);
	sort_in(heap, region, start);
	for (u = region->unit; regions->of_unit && u < region->unit + region->units; u++)
		regions->of_unit[u] = slot_of(heap, region);
	WRITE_ONCE(region->start, start);
	smp_wmb();	/* an NMI that sees its length sees its start */
	WRITE_ONCE(region->bytes, region->length);
	if (!regions->of_unit) {
		heap->single.start = start;
		heap->single.bytes = region->length;
	}
	xheap_link(heap, region->first, size);
	xheap_changed(heap, region->first, region->first);
	regions->granules += size;
}

bool xheap_region_is_idle(const struct xheap *heap, const struct xheap_region *region)
{
	return region->bytes && !region->stays && heap->granules[region->first].tag ==
	       xtag(region->bytes >> heap->shift, XTAG_FREE);
}

/* An idle one is not there any more; what it was made of counts until xheap_region_cancel(). */
void xheap_region_del(struct xheap *heap, struct xheap_region *region)
{
	struct xheap_regions *regions = &heap->regions;
	u32 i = nr_up_to(regions, region->start) - 1;
	u32 size = region->length >> heap->shift;

	lockdep_assert_held(&heap->lock);
	xheap_unlink(heap, region->first, size);
	WRITE_ONCE(heap->granules[region->first].tag, 0);
	WRITE_ONCE(heap->granules[region->first + size - 1].tag, 0);
	xheap_changed(heap, region->first, region->first);
	regions->granules -= size;
	WRITE_ONCE(region->bytes, 0);
	regions->nr--;
	memmove(&regions->sorted[i], &regions->sorted[i + 1],
		(regions->nr - i) * sizeof(*regions->sorted));
}
