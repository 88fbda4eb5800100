// SPDX-License-Identifier: GPL-2.0
/*
 * heap/grow: regions come when a request needs one, and go when another needs more
 *
 * A region is taken from the pool as one block, or is a piece of the heap's own range. It is as
 * large as the request, and region_size at least if the limit leaves as much. Where it leaves
 * less than the request needs, idle regions, which have no live chunk, go first.
 *
 * The lock is not held while the pool is asked. So a region is reserved, then taken, then
 * added; and one that goes is deleted, then given back, then no longer counted: what the heap
 * has of the pool never exceeds its limit. No region comes in an NMI.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include "heap.h"

static u64 block_bytes(const struct xheap_region *region)
{
	return (u64)PAGE_SIZE << region->order;
}

/* What it is made of, of a region that was deleted; without the lock. */
static void give_back(struct xheap *heap, const struct xheap_region *region)
{
	u64 at, end = region->start + region->length;

	if (!heap->pool)
		return;
	for (at = region->start; at < end; at += block_bytes(region))
		WARN_ON_ONCE(xpool_free_addr(heap->pool, (void *)(unsigned long)at,
					     region->order));
}

static struct xheap_region *find_idle(const struct xheap *heap)
{
	u32 i;

	for (i = 0; i < heap->regions.nr; i++) {
		struct xheap_region *region = &heap->regions.slot[heap->regions.sorted[i]];

		if (xheap_region_is_idle(heap, region))
			return region;
	}
	return NULL;
}

static u64 idle_bytes(const struct xheap *heap)
{
	u64 bytes = 0;
	u32 i;

	for (i = 0; i < heap->regions.nr; i++) {
		const struct xheap_region *region =
			&heap->regions.slot[heap->regions.sorted[i]];

		if (xheap_region_is_idle(heap, region))
			bytes += region->bytes;
	}
	return bytes;
}

/* One that is idle goes; the lock is given up meanwhile. Returns its bytes, 0: there is none. */
static u64 return_idle(struct xheap *heap, unsigned long *flags)
{
	struct xheap_region *region = find_idle(heap);

	if (!region)
		return 0;
	xheap_region_del(heap, region);
	heap->returned++;
	xheap_unlock(heap, *flags);
	give_back(heap, region);
	raw_spin_lock_irqsave(&heap->lock, *flags);
	xheap_region_cancel(heap, region);
	return region->length;
}

/* All that are idle. Any context but NMI. Returns their bytes. */
u64 xheap_grow_trim(struct xheap *heap)
{
	unsigned long flags;
	u64 bytes, sum = 0;

	xheap_lock(heap, &flags);
	while ((bytes = return_idle(heap, &flags)))
		sum += bytes;
	xheap_unlock(heap, flags);
	return sum;
}

/* A region that holds @bytes comes in such a size. */
static u64 region_bytes(const struct xheap *heap, u64 bytes)
{
	bytes = round_up(bytes, heap->regions.unit_bytes);
	return heap->pool ? roundup_pow_of_two(bytes) : bytes;
}

static struct xheap_region *reserve(struct xheap *heap, u64 bytes)
{
	struct xheap_region *region = NULL;

	if (bytes < heap->region_size)
		region = xheap_region_reserve(heap, region_bytes(heap, heap->region_size));
	return region ?: xheap_region_reserve(heap, region_bytes(heap, bytes));
}

/* If all that is idle went, would the limit leave so much? */
static bool would_fit(const struct xheap *heap, u64 bytes)
{
	return heap->regions.bytes - idle_bytes(heap) + region_bytes(heap, bytes) <= heap->limit;
}

/*
 * Have room for a region of @bytes in the numbers and under the limit. Returns 0 and *@region,
 * for xheap_grow_fetch(); or -ENOSPC.
 */
int xheap_grow_reserve(struct xheap *heap, u64 bytes, struct xheap_region **region)
{
	unsigned long flags;

	if (!heap->grows || in_nmi() || bytes > heap->limit ||
	    (heap->pool && bytes > (u64)PAGE_SIZE << XBUDDY_MAX_ORDER))
		return -ENOSPC;
	xheap_lock(heap, &flags);
	do {
		*region = reserve(heap, bytes);
	} while (!*region && would_fit(heap, bytes) && return_idle(heap, &flags));
	xheap_unlock(heap, flags);
	return *region ? 0 : -ENOSPC;
}

/* A block of the pool for a region that is reserved, or 0. */
static u64 take_block(struct xheap *heap, struct xheap_region *region, gfp_t gfp)
{
	region->order = ilog2(region->length >> PAGE_SHIFT);
	return (unsigned long)xpool_alloc_addr(heap->pool, region->order, gfp);
}

/* Take what @region was reserved for. Returns false if the pool has no such block; may sleep. */
bool xheap_grow_fetch(struct xheap *heap, struct xheap_region *region, gfp_t gfp, u64 *start)
{
	*start = heap->pool ? take_block(heap, region, gfp) :
		 heap->range.start + region->unit * heap->regions.unit_bytes;
	return *start || !heap->pool;
}

/* The region is the heap's. Under the lock, like what is placed there first. */
void xheap_grow_add(struct xheap *heap, struct xheap_region *region, u64 start)
{
	lockdep_assert_held(&heap->lock);
	xheap_region_add(heap, region, start);
	heap->grown++;
}

/*
 * The regions of creation
 */

static void add_staying(struct xheap *heap, u64 start, u64 bytes, unsigned int order)
{
	struct xheap_region *region;
	unsigned long flags;

	raw_spin_lock_irqsave(&heap->lock, flags);
	region = xheap_region_reserve(heap, bytes);	/* there is room for all of them */
	region->order = order;
	region->stays = true;
	xheap_region_add(heap, region, start);
	raw_spin_unlock_irqrestore(&heap->lock, flags);
}

/* The next block of @left bytes that are wanted, as large as they allow: 2^*@order pages. */
static u64 first_block(struct xheap *heap, u64 left, unsigned int *order)
{
	*order = min(ilog2(left >> PAGE_SHIFT), XBUDDY_MAX_ORDER);
	return (unsigned long)xpool_alloc_addr(heap->pool, *order, GFP_KERNEL);
}

/* Blocks of one order that follow one another become one region. */
static int take_from_pool(struct xheap *heap, u64 size)
{
	u64 start = 0, bytes = 0;
	unsigned int order = 0, o;

	while (size) {
		u64 block = first_block(heap, size, &o);

		if (bytes && (o != order || block != start + bytes)) {
			add_staying(heap, start, bytes, order);
			bytes = 0;
		}
		if (!block)
			return heap_refuse(heap->name, -ENOSPC, "the pool has not so many pages");
		start = bytes ? start : block;
		order = o;
		bytes += (u64)PAGE_SIZE << o;
		size -= (u64)PAGE_SIZE << o;
	}
	if (bytes)
		add_staying(heap, start, bytes, order);
	return 0;
}

/* Process context, may sleep. Returns 0, or an errno with a line in the log. */
int xheap_grow_start(struct xheap *heap, u64 size)
{
	int err = 0;

	if (heap->pool)
		err = take_from_pool(heap, size);
	else if (!heap->grows)
		add_staying(heap, heap->range.start, size, 0);
	if (err)
		xheap_grow_stop(heap);
	return err;
}

/* All regions go. Their chunks are free, and nothing uses the heap. */
void xheap_grow_stop(struct xheap *heap)
{
	u32 i;

	for (i = 0; i < heap->regions.nr; i++)
		give_back(heap, &heap->regions.slot[heap->regions.sorted[i]]);
}
