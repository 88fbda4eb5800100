/* SPDX-License-Identifier: GPL-2.0 */
/*
 * gpu_xbuddy: the interface of <linux/gpu_buddy.h> on xbuddy, as far as its tests need it.
 *
 * A chunk of the GPU's is a page number here, and what the user has of a block is an object
 * of an xslab cache. xbuddy does not tell cleared blocks from others, and has none larger
 * than 1024 chunks: a request for more is of several blocks.
 */
#ifndef _PORTS_GPU_XBUDDY_H
#define _PORTS_GPU_XBUDDY_H

#include <linux/list.h>
#include <xalloc/xbuddy.h>
#include "kmem_cache.h"

#define GPU_BUDDY_RANGE_ALLOCATION	BIT(0)
#define GPU_BUDDY_TOPDOWN_ALLOCATION	BIT(1)
#define GPU_BUDDY_CONTIGUOUS_ALLOCATION	BIT(2)
#define GPU_BUDDY_CLEAR_ALLOCATION	BIT(3)
#define GPU_BUDDY_CLEARED		BIT(4)

struct gpu_buddy_block {
	struct list_head	link;
	u64			offset;
	unsigned int		order;
};

struct gpu_buddy {
	struct xbuddy		chunks;
	struct kmem_cache	*blocks;
	u64			chunk_size;
	u64			size;
	u64			avail;
	unsigned int		max_order;
	unsigned int		n_roots;
};

/* What one request is for, in chunks; blocks of @align chunks or more start at such a number */
struct gpu_request {
	unsigned long		from;
	unsigned long		to;
	unsigned long		nr;
	unsigned long		align;
	unsigned long		flags;
};

#define gpu_buddy_block_offset(block)		((block)->offset)
#define gpu_buddy_block_order(block)		((block)->order)
#define gpu_buddy_block_size(mm, block)		((mm)->chunk_size << (block)->order)
#define gpu_buddy_block_is_clear(block)		((void)(block), false)

static inline int gpu_buddy_init(struct gpu_buddy *mm, u64 size, u64 chunk_size)
{
	unsigned long nr = size / chunk_size;
	int err = xbuddy_init(&mm->chunks, nr);

	if (err)
		return err;
	mm->chunk_size = chunk_size;
	mm->size = nr * chunk_size;
	mm->avail = mm->size;
	mm->max_order = min(ilog2(nr), XBUDDY_MAX_ORDER);
	mm->n_roots = hweight_long(nr);
	mm->blocks = KMEM_CACHE(gpu_buddy_block, 0);
	return mm->blocks ? 0 : -ENOMEM;
}

static inline void gpu_buddy_fini(struct gpu_buddy *mm)
{
	WARN_ON(mm->avail != mm->size);
	WARN_ON(mm->chunks.nr_free != mm->chunks.nr);
	WARN_ON(xbuddy_validate(&mm->chunks));
	kmem_cache_destroy(mm->blocks);
	xbuddy_destroy(&mm->chunks);
}

static inline void gpu_buddy_free_block(struct gpu_buddy *mm, struct gpu_buddy_block *block)
{
	WARN_ON(xbuddy_free(&mm->chunks, block->offset / mm->chunk_size, block->order));
	mm->avail += gpu_buddy_block_size(mm, block);
	kmem_cache_free(mm->blocks, block);
}

static inline void gpu_buddy_free_list(struct gpu_buddy *mm, struct list_head *blocks,
				       unsigned int flags)
{
	struct gpu_buddy_block *block, *next;

	list_for_each_entry_safe(block, next, blocks, link)
		gpu_buddy_free_block(mm, block);
	INIT_LIST_HEAD(blocks);
}

static inline void gpu_add_block(struct gpu_buddy *mm, unsigned long index, unsigned int order,
				 struct list_head *blocks)
{
	struct gpu_buddy_block *block = kmem_cache_alloc(mm->blocks, GFP_KERNEL | __GFP_NOFAIL);

	block->offset = index * mm->chunk_size;
	block->order = order;
	mm->avail -= gpu_buddy_block_size(mm, block);
	list_add_tail(&block->link, blocks);
}

/* Adjacent chunks; xbuddy cuts a run into blocks from the left, the largest that fits first */
static inline int gpu_alloc_run(struct gpu_buddy *mm, unsigned long nr, unsigned long from,
				unsigned long to, struct list_head *blocks)
{
	long at = xbuddy_alloc_run(&mm->chunks, nr, from, to);
	unsigned long end = at + nr;

	if (at < 0)
		return at;
	while (at < end) {
		unsigned int order = min(ilog2(end - at), XBUDDY_MAX_ORDER);

		order = at ? min_t(unsigned int, order, __ffs(at)) : order;
		gpu_add_block(mm, at, order, blocks);
		at += 1L << order;
	}
	return 0;
}

/* A block that is smaller than its alignment: the first place that has it */
static inline long gpu_alloc_aligned(struct gpu_buddy *mm, unsigned int order,
				     const struct gpu_request *req)
{
	unsigned long at = round_up(req->from, req->align);
	long index = -ENOSPC;

	for (; index < 0 && at + (1UL << order) <= req->to; at += req->align)
		index = xbuddy_alloc_range(&mm->chunks, order, at, at + (1UL << order));
	return index;
}

static inline long gpu_alloc_order(struct gpu_buddy *mm, unsigned int order,
				   const struct gpu_request *req)
{
	if (1UL << order < req->align)
		return gpu_alloc_aligned(mm, order, req);
	if (req->flags & (GPU_BUDDY_RANGE_ALLOCATION | GPU_BUDDY_TOPDOWN_ALLOCATION))
		return xbuddy_alloc_in(&mm->chunks, order, req->from, req->to,
				       req->flags & GPU_BUDDY_TOPDOWN_ALLOCATION);
	return xbuddy_alloc(&mm->chunks, order);
}

/* The largest blocks that fit and are left, none smaller than the alignment or the request */
static inline int gpu_alloc_list(struct gpu_buddy *mm, const struct gpu_request *req,
				 struct list_head *blocks)
{
	unsigned int least = ilog2(min(req->nr, req->align)), order = mm->max_order;
	unsigned long left = req->nr;
	LIST_HEAD(taken);

	while (left) {
		long index;

		order = min_t(unsigned int, order, ilog2(left));
		index = gpu_alloc_order(mm, order, req);
		if (index >= 0) {
			gpu_add_block(mm, index, order, &taken);
			left -= 1UL << order;
		} else if (order-- == least) {
			gpu_buddy_free_list(mm, &taken, 0);
			return -ENOSPC;
		}
	}
	list_splice_tail(&taken, blocks);
	return 0;
}

static inline int gpu_buddy_alloc_blocks(struct gpu_buddy *mm, u64 start, u64 end, u64 size,
					 u64 min_block_size, struct list_head *blocks,
					 unsigned long flags)
{
	bool range = flags & GPU_BUDDY_RANGE_ALLOCATION, exact = start + size == end;
	struct gpu_request req = {
		.from = range || exact ? start / mm->chunk_size : 0,
		.to = range || exact ? end / mm->chunk_size : mm->chunks.nr,
		.nr = size / mm->chunk_size,
		.align = min_block_size / mm->chunk_size,
		.flags = flags,
	};

	if (!req.nr || !req.align || !is_power_of_2(min_block_size) || end > mm->size ||
	    !IS_ALIGNED(start | end | size, mm->chunk_size) ||
	    range_overflows(start, size, mm->size))
		return -EINVAL;
	if (exact && !IS_ALIGNED(start | end, min_block_size))
		return -EINVAL;
	if (exact || (flags & GPU_BUDDY_CONTIGUOUS_ALLOCATION && !range))
		return gpu_alloc_run(mm, req.nr, req.from, req.to, blocks);
	if (flags & GPU_BUDDY_CONTIGUOUS_ALLOCATION || ilog2(req.align) > mm->max_order)
		return -EINVAL;
	if (req.nr > req.align || !is_power_of_2(req.nr))
		req.nr = round_up(req.nr, req.align);
	if (req.nr > mm->chunks.nr)
		return -EINVAL;
	return gpu_alloc_list(mm, &req, blocks);
}

#endif
