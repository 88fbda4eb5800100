// SPDX-License-Identifier: GPL-2.0
/*
 * heap/order: free chunks by address
 *
 * First fit wants the lowest free chunk that is large enough, and a chunk at a fixed address
 * must be cut from the free chunk in front of it. Bins do not know addresses. So heaps that
 * are asked for either have a tree of maxima. A leaf stands for 16 granules: a bit for each at
 * which a free chunk begins, and the size of the largest of these. An entry of a level above is
 * the largest of four.
 *
 *	level 1		      9
 *	level 0		9     0     3     0
 *	starts		0..9  ....  ...3  ....
 *
 * A search looks at four entries a level on the way up and on the way down. A leaf is recounted,
 * and then one entry a level until it is what it was.
 *
 * Most requests follow one like them. So the heap remembers below which granule no free chunk of
 * some size begins (@low, @low_size), and a request of that size or more looks from there on
 * first, at a few chunks one after the other. And starts are marked at once, but leaves are
 * recounted late: those that changed last are stale, until others are, or until a search needs
 * the tree.
 */
#include "heap.h"

#define LEAF		((u32)BIT(XORDER_LEAF_SHIFT))
#define FAN_OUT		4U
#define LOOKS_FROM_LOW	4U	/* at chunks */

/*
 * Levels above @nr granules from @at on, whose entries are multiples of four; or only how many
 * words they take, where @at is NULL.
 */
size_t xheap_order_layout(struct xorder *order, u32 nr, u32 *at)
{
	unsigned int l = 0;
	size_t sum = 0;

	nr = DIV_ROUND_UP(nr, LEAF);
	do {
		nr = round_up(nr, FAN_OUT);
		order->nr[l] = nr;
		order->level[l++] = at ? at + sum : NULL;
		sum += nr;
		nr /= FAN_OUT;
	} while (nr > 1);
	order->starts = at ? (u16 *)(at + sum) : NULL;
	order->nr_levels = at ? l : 0;
	return sum + order->nr[0] / 2;
}

static u32 largest_in_leaf(const struct xheap *heap, u32 leaf)
{
	u32 largest = 0, starts = heap->order.starts[leaf];

	for (; starts; starts &= starts - 1)
		largest = max(largest, xheap_chunk_size(heap, leaf * LEAF + __ffs(starts)));
	return largest;
}

static u32 largest_of_four(const u32 *entry)
{
	return max(max(entry[0], entry[1]), max(entry[2], entry[3]));
}

static void recount(struct xheap *heap, u32 i)
{
	u32 largest = largest_in_leaf(heap, i);
	unsigned int l = 0;

	while (heap->order.level[l][i] != largest) {
		heap->order.level[l][i] = largest;
		if (++l == heap->order.nr_levels)
			return;
		i /= FAN_OUT;
		largest = largest_of_four(&heap->order.level[l - 1][i * FAN_OUT]);
	}
}

/* Recount the leaves that are stale: from here on the tree is right. */
static void recount_stale(struct xheap *heap)
{
	unsigned int i;

	for (i = 0; i < XORDER_STALE; i++)
		recount(heap, heap->order.stale[i]);
}

static void make_stale(struct xheap *heap, u32 leaf)
{
	struct xorder *order = &heap->order;
	unsigned int i;

	for (i = 0; i < XORDER_STALE; i++)
		if (order->stale[i] == leaf)
			return;
	i = order->nr_stale++ % XORDER_STALE;
	recount(heap, order->stale[i]);
	order->stale[i] = leaf;
}

/* At a granule a free chunk begins from now on, or ends to, or has another size. */
static void note_change(struct xheap *heap, u32 number)
{
	u32 tag = heap->granules[number].tag;
	u16 *starts = &heap->order.starts[number / LEAF], bit = BIT(number % LEAF);

	if ((tag & XTAG_STATE) == XTAG_FREE) {
		*starts |= bit;
		if (number < heap->order.low && xtag_size(tag) >= heap->order.low_size)
			heap->order.low = number;
	} else {
		*starts &= ~bit;
	}
	make_stale(heap, number / LEAF);
}

void xheap_order_update(struct xheap *heap, u32 a, u32 b)
{
	note_change(heap, a);
	note_change(heap, b);
}

/* The first of a leaf's chunks from granule @from on that has @size, or 0. */
static u32 first_in_leaf(const struct xheap *heap, u32 from, u32 size)
{
	u32 starts = heap->order.starts[from / LEAF] >> (from % LEAF) << (from % LEAF);

	for (; starts; starts &= starts - 1) {
		u32 chunk = from / LEAF * LEAF + __ffs(starts);

		if (xheap_chunk_size(heap, chunk) >= size)
			return chunk;
	}
	return 0;
}

/* The first chunk of @size below entry @i of level @l; there is one. */
static u32 descend_first(const struct xheap *heap, unsigned int l, u32 i, u32 size)
{
	while (l--)
		for (i *= FAN_OUT; heap->order.level[l][i] < size;)
			i++;
	return first_in_leaf(heap, i * LEAF, size);
}

static u32 descend_from_top(const struct xheap *heap, u32 size)
{
	unsigned int top = heap->order.nr_levels - 1;
	u32 i;

	for (i = 0; i < heap->order.nr[top]; i++)
		if (heap->order.level[top][i] >= size)
			return descend_first(heap, top, i, size);
	return 0;
}

/* Like xheap_order_first(), as far as that is one of the next few chunks from @low on. */
static u32 first_from_low(const struct xheap *heap, u32 size)
{
	u32 at = heap->order.low, nr = xheap_nr_numbers(heap);
	unsigned int look;

	for (look = LOOKS_FROM_LOW; look && at < nr; look--) {
		u32 tag = heap->granules[at].tag, state = tag & XTAG_STATE;

		if (state == XTAG_FREE && xtag_size(tag) >= size)
			return at;
		if (!tag || state == XTAG_END)	/* no chunk begins there now */
			return 0;
		at += xtag_size(tag);
	}
	return 0;
}

/* The free chunk of at least @size at the lowest address, or 0. */
u32 xheap_order_first(struct xheap *heap, u32 size)
{
	struct xorder *order = &heap->order;
	u32 chunk = size >= order->low_size ? first_from_low(heap, size) : 0;

	if (!chunk) {
		recount_stale(heap);
		chunk = descend_from_top(heap, size);
	}
	order->low = chunk ?: U32_MAX;
	order->low_size = size;
	return chunk;
}

/* Like xheap_order_first(), but from granule @from on. */
u32 xheap_order_next(struct xheap *heap, u32 from, u32 size)
{
	u32 chunk, i = from / LEAF + 1;
	unsigned int l;

	chunk = first_in_leaf(heap, from, size);
	if (chunk)
		return chunk;
	recount_stale(heap);
	for (l = 0; l < heap->order.nr_levels; l++) {
		for (; i % FAN_OUT; i++)
			if (heap->order.level[l][i] >= size)
				return descend_first(heap, l, i, size);
		i /= FAN_OUT;
	}
	return 0;
}

/* The last chunk below entry @i of level @l; there is one. */
static u32 descend_last(const struct xheap *heap, unsigned int l, u32 i)
{
	while (l--)
		for (i = i * FAN_OUT + FAN_OUT - 1; !heap->order.level[l][i];)
			i--;
	return i * LEAF + __fls(heap->order.starts[i]);
}

/* The last free chunk that begins before granule @to; or 0. */
u32 xheap_order_before(struct xheap *heap, u32 to)
{
	u32 i = to / LEAF, starts = heap->order.starts[i] & (BIT(to % LEAF) - 1);
	unsigned int l;

	if (starts)
		return i * LEAF + __fls(starts);
	recount_stale(heap);
	for (l = 0; l < heap->order.nr_levels; l++, i /= FAN_OUT)
		while (i % FAN_OUT)
			if (heap->order.level[l][--i])
				return descend_last(heap, l, i);
	return 0;
}

/* The largest free chunk. */
u32 xheap_order_largest(struct xheap *heap)
{
	recount_stale(heap);
	return largest_of_four(heap->order.level[heap->order.nr_levels - 1]);
}

static bool leaf_is_valid(const struct xheap *heap, u32 leaf)
{
	unsigned int i;

	for (i = 0; i < LEAF; i++) {
		u32 number = leaf * LEAF + i;
		bool begins = number < xheap_nr_numbers(heap) &&
			      (heap->granules[number].tag & XTAG_STATE) == XTAG_FREE;

		if (begins != (heap->order.starts[leaf] >> i & 1))
			return false;
	}
	return heap->order.level[0][leaf] == largest_in_leaf(heap, leaf);
}

/* Are all starts marked, is each entry the largest below it, and @low no chunk too high? */
bool xheap_order_valid(struct xheap *heap)
{
	unsigned int l;
	u32 i;

	recount_stale(heap);
	i = descend_from_top(heap, heap->order.low_size);
	if (i && i < heap->order.low)
		return false;
	for (i = 0; i < heap->order.nr[0]; i++)
		if (!leaf_is_valid(heap, i))
			return false;
	for (l = 1; l < heap->order.nr_levels; l++)
		for (i = 0; i < heap->order.nr[l - 1] / FAN_OUT; i++)
			if (heap->order.level[l][i] !=
			    largest_of_four(&heap->order.level[l - 1][i * FAN_OUT]))
				return false;
	return true;
}
