// SPDX-License-Identifier: GPL-2.0
/*
 * heap/client: a heap as a holder of its pool's pages
 *
 * No client uses a region without live chunks, so every client of the pool can have it: the heap
 * is one of the pool's holders (struct xclient), as caches are, and its idle regions are to it what
 * magazines are to a cache. They go back when the pool is asked for more than it has. While
 * requests gather, or where the pool's limits leave no room for what heaps may keep, a region goes
 * as soon as it is idle.
 */
#include "heap.h"

#define CLOSED	0	/* bits of shut: requests gather */
#define LIMITED	1	/* the limits leave no room */

static struct xheap *of_client(struct xclient *client)
{
	return container_of(client, struct xheap, client);
}

static unsigned long give_idle_back(struct xclient *client)
{
	return xheap_grow_trim(of_client(client)) >> PAGE_SHIFT;
}

static void client_close(struct xclient *client)
{
	set_bit(CLOSED, &of_client(client)->shut);
}

static void client_open(struct xclient *client)
{
	clear_bit(CLOSED, &of_client(client)->shut);
}

static unsigned long client_idle_pages(struct xclient *client)
{
	return xheap_grow_idle(of_client(client)) >> PAGE_SHIFT;
}

static void client_shut(struct xclient *client, bool shut)
{
	assign_bit(LIMITED, &of_client(client)->shut, shut);
	if (shut)
		xheap_grow_trim(of_client(client));
}

/* The heap is in its pool, or in none. Process context. Returns 0 or an errno, with a line. */
int xheap_client_add(struct xheap *heap, u64 staying)
{
	if (!heap->pool)
		return 0;
	if (!xpool_enter(heap->pool))
		return heap_refuse(heap->name, -EBUSY, "its pool was destroyed");
	heap->client = (struct xclient){
		.most = (heap->limit - staying) >> PAGE_SHIFT,
		.reclaim = give_idle_back, .collect = give_idle_back, .drain = give_idle_back,
		.close = client_close, .open = client_open, .shut = client_shut,
		.in_magazines = client_idle_pages,
	};
	xpool_add_client(heap->pool, &heap->client);
	xpool_admit_client(heap->pool);
	return 0;
}

/* Nothing uses the heap; its regions are still there. */
void xheap_client_del(struct xheap *heap)
{
	if (heap->pool)
		xpool_del_client(&heap->client);
}
