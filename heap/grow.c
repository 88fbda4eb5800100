// SPDX-License-Identifier: GPL-2.0
/*
 * heap/grow: regions come when a request needs one, and go when another needs more
 *
 * A region is taken from the pool as one run, or is a piece of the heap's own range. It is as
 * large as the request, and region_size at least if the limit leaves as much. Where it leaves
 * less than the request needs, idle regions, which have no live chunk, go first. A heap with
 * max_idle gives them back when they become idle, too, so that what a client has freed does not
 * stay with the heap: but not what an eighth more than is live now would need, or the same client
 * would soon fetch it again.
 *
 * The lock is not held while the pool is asked. So a region is reserved, then taken, then
 * added; and one that goes is deleted, then given back, then no longer counted: what the heap
 * has of the pool never exceeds its limit. No region comes in an NMI.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include "heap.h"

/* What was taken is the heap's, if there is any: the pool counts it so. */
static u64 lend(struct xheap *heap, void *addr, u64 bytes)
{
	if (addr)
		xpool_lend_run(heap->pool, addr, bytes >> PAGE_SHIFT, &heap->holder);
	return (unsigned long)addr;
}

/* A run of the pool's pages, or 0. */
static u64 take_run(struct xheap *heap, u64 bytes, u64 align, gfp_t gfp)
{
	const struct xpool_request request = {
		.pages = bytes >> PAGE_SHIFT, .align = max_t(u64, align, PAGE_SIZE), .gfp = gfp,
	};

	if (request.pages > heap->pool->max_pages)
		return 0;
	return lend(heap, xpool_alloc_run(heap->pool, &request), bytes);
}

/* A block of the pool, or 0. To take one costs a fraction of what a run does. */
static u64 take_block(struct xheap *heap, u64 bytes, gfp_t gfp)
{
	unsigned int order = get_order(bytes);

	if (order > XBUDDY_MAX_ORDER || bytes != PAGE_SIZE << order)
		return 0;
	return lend(heap, xpool_alloc_addr(heap->pool, order, gfp), bytes);
}

/*
 * What it is made of, of a region that was deleted; without the lock. As a run, which the pool does
 * not keep for the next request as it keeps a block. Returns false, with the pages still the
 * heap's, where one has a reference that is not the heap's, if only for an instant.
 */
static bool give_back(struct xheap *heap, const struct xheap_region *region)
{
	void *addr = (void *)(unsigned long)region->start;
	size_t nr = region->length >> PAGE_SHIFT;

	if (!heap->pool)
		return true;
	xpool_return_run(heap->pool, addr, nr);
	if (!xpool_free_run(heap->pool, addr, nr))
		return true;
	xpool_lend_run(heap->pool, addr, nr, &heap->holder);
	return false;
}

/* The first that is idle at @from or above, or NULL. */
static struct xheap_region *find_idle(const struct xheap *heap, u64 from)
{
	u32 i;

	for (i = 0; i < heap->regions.nr; i++) {
		struct xheap_region *region = &heap->regions.slot[heap->regions.sorted[i]];

		if (region->start >= from && xheap_region_is_idle(heap, region))
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

/*
 * One that is idle goes, at *@from or above; the lock is given up meanwhile. Returns its bytes, 0:
 * there is none that can go. The next one is looked for behind it.
 */
static u64 return_idle(struct xheap *heap, unsigned long *flags, u64 *from)
{
	struct xheap_region *region;
	bool gone = false;

	while (!gone && (region = find_idle(heap, *from))) {
		*from = region->start + 1;
		xheap_region_del(heap, region);
		xheap_unlock(heap, *flags);
		gone = give_back(heap, region);
		raw_spin_lock_irqsave(&heap->lock, *flags);
		if (gone)
			xheap_region_cancel(heap, region);
		else
			xheap_region_add(heap, region, region->start);
	}
	heap->returned += gone;
	return gone ? region->length : 0;
}

/* Bytes of those that are idle. Any context but NMI. */
u64 xheap_grow_idle(struct xheap *heap)
{
	unsigned long flags;
	u64 bytes;

	xheap_lock(heap, &flags);
	bytes = idle_bytes(heap);
	xheap_unlock(heap, flags);
	return bytes;
}

/* All that are idle go. Any context but NMI. Returns their bytes. */
u64 xheap_grow_trim(struct xheap *heap)
{
	u64 bytes, sum = 0, from = 0;
	unsigned long flags;

	xheap_lock(heap, &flags);
	while ((bytes = return_idle(heap, &flags, &from)))
		sum += bytes;
	xheap_unlock(heap, flags);
	return sum;
}

#define IDLE_SHARE	8U	/* of what is live, as much may be free */

/* Is more free than the heap may keep, if regions of it are idle? Under the lock. */
bool xheap_grow_has_excess(const struct xheap *heap)
{
	return xheap_free_granules(heap) > max_t(u64, heap->max_idle, heap->live / IDLE_SHARE);
}

/* Idle regions go as long as there is an excess. Any context but NMI. */
void xheap_grow_return(struct xheap *heap)
{
	unsigned long flags;
	u64 from = 0;

	xheap_lock(heap, &flags);
	while (xheap_grow_has_excess(heap) && return_idle(heap, &flags, &from))
		;
	xheap_unlock(heap, flags);
}

/* A region that holds @bytes comes in such a size. */
static u64 region_bytes(const struct xheap *heap, u64 bytes)
{
	return round_up(bytes, heap->regions.unit_bytes);
}

static struct xheap_region *reserve(struct xheap *heap, u64 bytes, bool exact)
{
	struct xheap_region *region = NULL;

	if (bytes < heap->region_size && !exact)
		region = xheap_region_reserve(heap, region_bytes(heap, heap->region_size));
	return region ?: xheap_region_reserve(heap, region_bytes(heap, bytes));
}

/* If all that is idle went, would the limit leave so much? */
static bool would_fit(const struct xheap *heap, u64 bytes)
{
	return heap->regions.bytes - idle_bytes(heap) + region_bytes(heap, bytes) <= heap->limit;
}

/*
 * Have room for a region of @bytes, and not for a larger one if @exact, in the numbers and under
 * the limit. Returns 0 and *@region, for xheap_grow_fetch(); or -ENOSPC.
 */
int xheap_grow_reserve(struct xheap *heap, u64 bytes, bool exact, struct xheap_region **region)
{
	unsigned long flags;
	u64 from = 0;

	if (!heap->grows || in_nmi() || bytes > heap->limit)
		return -ENOSPC;
	xheap_lock(heap, &flags);
	do {
		*region = reserve(heap, bytes, exact);
	} while (!*region && would_fit(heap, bytes) && return_idle(heap, &flags, &from));
	xheap_unlock(heap, flags);
	return *region ? 0 : -ENOSPC;
}

/*
 * Take what @region was reserved for, of a pool at a multiple of @align. Returns false if the pool
 * has not so much; may sleep.
 */
bool xheap_grow_fetch(struct xheap *heap, struct xheap_region *region, u64 align, gfp_t gfp,
		      u64 *start)
{
	if (!heap->pool) {
		*start = heap->range.start + region->unit * heap->regions.unit_bytes;
		return true;
	}
	*start = align <= region->length ? take_block(heap, region->length, gfp) : 0;
	*start = *start ?: take_run(heap, region->length, align, gfp);
	return *start;
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

static void add_staying(struct xheap *heap, u64 start, u64 bytes)
{
	struct xheap_region *region;
	unsigned long flags;

	raw_spin_lock_irqsave(&heap->lock, flags);
	region = xheap_region_reserve(heap, bytes);	/* there is room for all of them */
	region->stays = true;
	xheap_region_add(heap, region, start);
	raw_spin_unlock_irqrestore(&heap->lock, flags);
}

/* One run if the pool has it, else as few as halving finds. */
static int take_from_pool(struct xheap *heap, u64 size)
{
	u64 bytes = size, start;

	while (size) {
		bytes = min(bytes, size);
		start = take_run(heap, bytes, 0, GFP_KERNEL);
		if (start) {
			add_staying(heap, start, bytes);
			size -= bytes;
			continue;
		}
		bytes = round_down(bytes / 2, heap->regions.unit_bytes);
		if (!bytes)
			return heap_refuse(heap->name, -ENOSPC, "the pool has not so many pages");
	}
	return 0;
}

/* Process context, may sleep. Returns 0, or an errno with a line in the log, and some regions. */
int xheap_grow_start(struct xheap *heap, u64 size)
{
	if (heap->pool)
		return take_from_pool(heap, size);
	if (!heap->grows)
		add_staying(heap, heap->range.start, size);
	return 0;
}

/*
 * All regions go; nothing uses the heap. Where chunks are live, or pages have references of others,
 * the pages stay held in the pool, as if a client had not freed them.
 */
void xheap_grow_stop(struct xheap *heap)
{
	u32 i;

	for (i = 0; i < heap->regions.nr; i++) {
		struct xheap_region *region = &heap->regions.slot[heap->regions.sorted[i]];

		region->stays = false;
		if ((!xheap_region_is_idle(heap, region) || !give_back(heap, region)) && heap->pool)
			xpool_return_run(heap->pool, (void *)(unsigned long)region->start,
					 region->length >> PAGE_SHIFT);
	}
}
