// SPDX-License-Identifier: GPL-2.0
/*
 * heap/listed: all heaps
 *
 * Names are unique, and no two heaps hand out the same addresses. Numbers may stand for
 * anything, so those of two heaps may be the same.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/string.h>

#include "heap.h"

static LIST_HEAD(heaps);
static DEFINE_MUTEX(heaps_lock);

static bool overlap(const struct xheap *a, const struct xheap *b)
{
	return !a->numbers && !b->numbers && a->range.start < b->range.start + b->range.bytes &&
	       b->range.start < a->range.start + a->range.bytes;
}

static int check_others(const struct xheap *heap)
{
	struct xheap *other;

	list_for_each_entry(other, &heaps, node) {
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

	mutex_lock(&heaps_lock);
	err = check_others(heap);
	if (!err)
		list_add_tail(&heap->node, &heaps);
	mutex_unlock(&heaps_lock);
	return err;
}

void xheap_listed_del(struct xheap *heap)
{
	mutex_lock(&heaps_lock);
	list_del(&heap->node);
	mutex_unlock(&heaps_lock);
}
