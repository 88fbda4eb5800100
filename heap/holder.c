// SPDX-License-Identifier: GPL-2.0
/*
 * heap/holder: a heap as a holder of its pool's pages
 *
 * No client uses a region without live chunks, so every client of the pool can have it: the heap
 * is one of the pool's holders (struct xholder), as caches are, and its idle regions are to it what
 * magazines are to a cache. They go back when the pool is asked for more than it has. While
 * requests gather, or where the pool's limits leave no room for what heaps may keep, a region goes
 * as soon as it is idle.
 */
#include "heap.h"

#define CLOSED	0	/* bits of shut: requests gather */
#define LIMITED	1	/* the limits leave no room */

static struct xheap *of_holder(struct xholder *holder)
{
	return container_of(holder, struct xheap, holder);
}

static unsigned long give_idle_back(struct xholder *holder)
{
	return xheap_grow_trim(of_holder(holder)) >> PAGE_SHIFT;
}

static void holder_close(struct xholder *holder)
{
	set_bit(CLOSED, &of_holder(holder)->shut);
}

static void holder_open(struct xholder *holder)
{
	clear_bit(CLOSED, &of_holder(holder)->shut);
}

static unsigned long holder_idle_pages(struct xholder *holder)
{
	return xheap_grow_idle(of_holder(holder)) >> PAGE_SHIFT;
}

static void holder_shut(struct xholder *holder, bool shut)
{
	assign_bit(LIMITED, &of_holder(holder)->shut, shut);
	if (shut)
		xheap_grow_trim(of_holder(holder));
}

/* The heap is in its pool, or in none. Process context. Returns 0 or an errno, with a line. */
int xheap_holder_add(struct xheap *heap, u64 staying)
{
	if (!heap->pool)
		return 0;
	if (!xpool_enter(heap->pool))
		return heap_refuse(heap->name, -EBUSY, "its pool was destroyed");
	heap->holder = (struct xholder){
		.kind = "heap", .name = heap->name,
		.most = (heap->limit - staying) >> PAGE_SHIFT,
		.reclaim = give_idle_back, .collect = give_idle_back, .drain = give_idle_back,
		.close = holder_close, .open = holder_open, .shut = holder_shut,
		.in_magazines = holder_idle_pages,
	};
	xpool_add_holder(heap->pool, &heap->holder);
	xpool_admit_holder(heap->pool);
	return 0;
}

/* Nothing uses the heap; its regions are still there. */
void xheap_holder_del(struct xheap *heap)
{
	if (heap->pool)
		xpool_del_holder(&heap->holder);
}
