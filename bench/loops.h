/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The loops that are measured on one CPU. Each is written once, over a constant
 * struct of inline functions, and compiled for each allocator by ops.c.
 *
 * Each allocation is looked at for NULL, as in any client: two instructions.
 */
#ifndef _XBENCH_LOOPS_H
#define _XBENCH_LOOPS_H

#include <linux/errno.h>
#include <linux/minmax.h>

#include "xbench.h"

struct xops {
	void	*(*alloc)(const struct xrun *run);
	void	(*free)(const struct xrun *run, void *obj);
	int	(*alloc_bulk)(const struct xrun *run, size_t nr, void **objs);
	void	(*free_bulk)(const struct xrun *run, size_t nr, void **objs);
};

static __always_inline int pair(const struct xops *ops, struct xrun *run, bool touch)
{
	unsigned long i, nr = run->nr;
	u64 start = xbench_now();
	void *obj;

	for (i = 0; i < nr; i++) {
		obj = ops->alloc(run);
		if (unlikely(!obj))
			return -ENOMEM;
		if (touch)
			WRITE_ONCE(*(unsigned long *)obj, i);
		ops->free(run, obj);
	}
	run->ticks[XBENCH_PAIR] += xbench_now() - start;
	return 0;
}

/* Allocate all, free all in the same order, round by round under one clock. */
static __always_inline int rounds(const struct xops *ops, struct xrun *run)
{
	unsigned long done, i, batch = run->batch;
	void **objs = run->objs;
	u64 start = xbench_now();

	for (done = 0; done < run->nr; done += batch) {
		for (i = 0; i < batch; i++) {
			objs[i] = ops->alloc(run);
			if (unlikely(!objs[i]))
				return -ENOMEM;
		}
		for (i = 0; i < batch; i++)
			ops->free(run, objs[i]);
	}
	run->ticks[XBENCH_PAIR] += xbench_now() - start;
	return 0;
}

/* Returns how many there are. */
static __always_inline unsigned long alloc_batch(const struct xops *ops, struct xrun *run,
						 bool touch)
{
	unsigned long i, nr = run->batch;
	void **objs = run->objs, *obj;
	u64 start = xbench_now();

	for (i = 0; i < nr; i++) {
		obj = ops->alloc(run);
		if (unlikely(!obj))
			break;
		if (touch)
			WRITE_ONCE(*(unsigned long *)obj, i);
		objs[i] = obj;
	}
	run->ticks[XBENCH_ALLOC] += xbench_now() - start;
	return i;
}

static __always_inline void free_batch(const struct xops *ops, struct xrun *run,
				       unsigned long nr)
{
	void **objs = run->objs;
	u64 start = xbench_now();
	unsigned long i;

	for (i = 0; i < nr; i++)
		ops->free(run, objs[i]);
	run->ticks[XBENCH_FREE] += xbench_now() - start;
}

static __always_inline int batch(const struct xops *ops, struct xrun *run, bool touch)
{
	unsigned long done, got;

	for (done = 0; done < run->nr; done += run->batch) {
		got = alloc_batch(ops, run, touch);
		xbench_between(run, got);
		free_batch(ops, run, got);
		xbench_after(run);
		if (got < run->batch)
			return -ENOMEM;
	}
	return 0;
}

static __always_inline unsigned long alloc_chunks(const struct xops *ops, struct xrun *run,
						  bool touch)
{
	void **objs = run->objs, **end = objs + run->batch, **touched;
	size_t chunk = run->chunk;
	u64 start = xbench_now();

	for (; objs < end; objs += chunk) {
		chunk = min_t(size_t, chunk, end - objs);
		if (!ops->alloc_bulk(run, chunk, objs))
			break;
		for (touched = objs; touch && touched < objs + chunk; touched++)
			WRITE_ONCE(*(unsigned long *)*touched, chunk);
	}
	run->ticks[XBENCH_ALLOC] += xbench_now() - start;
	return objs - run->objs;
}

static __always_inline void free_chunks(const struct xops *ops, struct xrun *run,
					unsigned long nr)
{
	void **objs = run->objs, **end = objs + nr;
	size_t chunk = run->chunk;
	u64 start = xbench_now();

	for (; objs < end; objs += chunk) {
		chunk = min_t(size_t, chunk, end - objs);
		ops->free_bulk(run, chunk, objs);
	}
	run->ticks[XBENCH_FREE] += xbench_now() - start;
}

static __always_inline int bulk(const struct xops *ops, struct xrun *run, bool touch)
{
	unsigned long done, got;

	for (done = 0; done < run->nr; done += run->batch) {
		got = alloc_chunks(ops, run, touch);
		xbench_between(run, got);
		free_chunks(ops, run, got);
		xbench_after(run);
		if (got < run->batch)
			return -ENOMEM;
	}
	return 0;
}

#endif
