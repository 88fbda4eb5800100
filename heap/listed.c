// SPDX-License-Identifier: GPL-2.0
/*
 * heap/listed: all heaps
 *
 * Names are unique, and no two heaps hand out the same addresses. Numbers may stand for
 * anything, so those of two heaps may be the same. A heap has its name before it has regions, and
 * is seen, by walks over the list and by observers, once it has these.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/string.h>

#include "heap.h"

LIST_HEAD(xheap_list);

static bool overlap(const struct xheap *a, const struct xheap *b)
{
	return !a->numbers && !b->numbers && a->range.start < b->range.start + b->range.bytes &&
	       b->range.start < a->range.start + a->range.bytes;
}

static int check_others(const struct xheap *heap)
{
	struct xheap *other;

	list_for_each_entry(other, &xheap_list, listing.entry.node) {
		if (!strcmp(other->name, heap->name))
			return heap_refuse(heap->name, -EEXIST, "the name is taken");
		if (overlap(heap, other))
			return heap_refuse(heap->name, -EBUSY,
					   "addr %#llx: heap %s has a part of this range",
					   heap->range.start, other->name);
	}
	return 0;
}

/* Process context, may sleep. Returns 0, or an errno with a line in the log. */
int xheap_listed_add(struct xheap *heap)
{
	int err;

	mutex_lock(&xpool_registry);
	err = check_others(heap);
	heap->listing.entry.going = true;	/* not seen yet */
	if (!err)
		list_add_tail(&heap->listing.entry.node, &xheap_list);
	mutex_unlock(&xpool_registry);
	return err;
}

/* The heap is whole: from now on it can be seen and pinned. Process context, may sleep. */
void xheap_listed_show(struct xheap *heap)
{
	raw_notifier_call_chain(&xobservers, XOBSERVE_HEAP_ADD, heap);
	mutex_lock(&xpool_registry);
	heap->listing.entry.going = false;
	mutex_unlock(&xpool_registry);
}

/* No observer or other task looks at it after this. Process context, may sleep. */
void xheap_listed_del(struct xheap *heap)
{
	xpool_listed_retire(&heap->listing.entry);
	raw_notifier_call_chain(&xobservers, XOBSERVE_HEAP_DEL, heap);
	mutex_lock(&xpool_registry);
	list_del(&heap->listing.entry.node);
	mutex_unlock(&xpool_registry);
}

/*
 * The heap that is this holder of pages, which may be none any more; or NULL. It stays while
 * xpool_registry is held.
 */
struct xheap *xheap_listed_find(const struct xholder *holder)
{
	struct xheap *heap;

	lockdep_assert_held(&xpool_registry);
	list_for_each_entry(heap, &xheap_list, listing.entry.node)
		if (&heap->holder == holder && !heap->listing.entry.going)
			return heap;
	return NULL;
}

/* Like xheap_listed_find(), but the caller unpins it. Process context, may sleep. */
struct xheap *xheap_listed_pin(const struct xholder *holder)
{
	struct xheap *heap;

	mutex_lock(&xpool_registry);
	heap = xheap_listed_find(holder);
	if (heap)
		heap->listing.entry.pins++;
	mutex_unlock(&xpool_registry);
	return heap;
}
