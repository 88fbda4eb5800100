// SPDX-License-Identifier: GPL-2.0
/*
 * The interface to each allocator, and the workloads compiled for each.
 *
 * A workload is written once, as an inline function that gets its allocator as
 * a constant struct of inline functions. So the compiler makes direct calls,
 * and what is measured is a loop as a client would write it: three
 * instructions, and nothing else that is not the allocator's.
 */
#include <linux/genalloc.h>
#include <linux/gfp.h>
#include <linux/mempool.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <xalloc/genpool.h>
#include <xalloc/xmalloc.h>
#include <xalloc/xpool.h>
#include <xalloc/xslab.h>

#include "loops.h"
#include "teamloops.h"
#include "xbench.h"

/* All workloads, compiled for one allocator. */
static __always_inline int compile(const struct xops *ops, enum xwork work, struct xrun *run)
{
	switch (work) {
	case XWORK_PAIR:
		return pair(ops, run, false);
	case XWORK_PAIR_TOUCH:
		return pair(ops, run, true);
	case XWORK_ROUNDS:
		return rounds(ops, run);
	case XWORK_BATCH:
		return batch(ops, run, false);
	case XWORK_BATCH_TOUCH:
		return batch(ops, run, true);
	case XWORK_BULK:
		return ops->alloc_bulk ? bulk(ops, run, false) : -EOPNOTSUPP;
	case XWORK_BULK_TOUCH:
		return ops->alloc_bulk ? bulk(ops, run, true) : -EOPNOTSUPP;
	case XWORK_RING:
		return ring(ops, run);
	case XWORK_RELAY:
		return relay(ops, run);
	case XWORK_LARSON:
		return larson(ops, run);
	case XWORK_SCRATCH:
		return scratch(ops, run, true);
	case XWORK_THRASH:
		return scratch(ops, run, false);
	case XWORK_MSTRESS:
		return mstress(ops, run);
	}
	return -EINVAL;
}

/*
 * Allocators
 */

/* Nothing: what the loops themselves cost. */
static __always_inline void *nothing_alloc(const struct xrun *run)
{
	barrier();
	return run->handle;
}

static __always_inline void nothing_free(const struct xrun *run, void *obj)
{
	barrier();
}

static const struct xops nothing = {
	.alloc	= nothing_alloc,
	.free	= nothing_free,
};

int xbench_nothing(enum xwork work, struct xrun *run)
{
	return compile(&nothing, work, run);
}

/*
 * A stack of pointers to objects that are always there: no lock, no check, no call.
 * No allocator can save what a workload costs with it, above all its own cache misses.
 */
static __always_inline void *stack_alloc(const struct xrun *run)
{
	struct xstack *stack = run->handle;

	barrier();
	return *--stack->top;
}

static __always_inline void stack_free(const struct xrun *run, void *obj)
{
	struct xstack *stack = run->handle;

	*stack->top++ = obj;
	barrier();
}

static __always_inline int stack_alloc_bulk(const struct xrun *run, size_t nr, void **objs)
{
	struct xstack *stack = run->handle;

	stack->top -= nr;
	memcpy(objs, stack->top, nr * sizeof(*objs));
	return nr;
}

static __always_inline void stack_free_bulk(const struct xrun *run, size_t nr, void **objs)
{
	struct xstack *stack = run->handle;

	memcpy(stack->top, objs, nr * sizeof(*objs));
	stack->top += nr;
}

static const struct xops stack = {
	.alloc		= stack_alloc,
	.free		= stack_free,
	.alloc_bulk	= stack_alloc_bulk,
	.free_bulk	= stack_free_bulk,
};

/* It has no lock either, so it is not for two threads. */
int xbench_stack(enum xwork work, struct xrun *run)
{
	return run->threads > 1 ? -EOPNOTSUPP : compile(&stack, work, run);
}

static __always_inline void *slub_alloc(const struct xrun *run)
{
	return kmem_cache_alloc(run->handle, GFP_KERNEL);
}

static __always_inline void slub_free(const struct xrun *run, void *obj)
{
	kmem_cache_free(run->handle, obj);
}

static __always_inline int slub_alloc_bulk(const struct xrun *run, size_t nr, void **objs)
{
	return kmem_cache_alloc_bulk(run->handle, GFP_KERNEL, nr, objs);
}

static __always_inline void slub_free_bulk(const struct xrun *run, size_t nr, void **objs)
{
	kmem_cache_free_bulk(run->handle, nr, objs);
}

static const struct xops slub = {
	.alloc		= slub_alloc,
	.free		= slub_free,
	.alloc_bulk	= slub_alloc_bulk,
	.free_bulk	= slub_free_bulk,
};

int xbench_slub(enum xwork work, struct xrun *run)
{
	return compile(&slub, work, run);
}

static __always_inline void kmalloc_free(const struct xrun *run, void *obj)
{
	kfree(obj);
}

/* The size is a constant, as it mostly is where kmalloc() is called. */
#define KMALLOC(bytes)								\
	static __always_inline void *kmalloc##bytes##_alloc(const struct xrun *run) \
	{									\
		return kmalloc(bytes, GFP_KERNEL);				\
	}									\
										\
	static const struct xops kmalloc##bytes = {				\
		.alloc	= kmalloc##bytes##_alloc,				\
		.free	= kmalloc_free,						\
	};									\
										\
	int xbench_kmalloc##bytes(enum xwork work, struct xrun *run)		\
	{									\
		return compile(&kmalloc##bytes, work, run);			\
	}

KMALLOC(16)
KMALLOC(32)
KMALLOC(64)
KMALLOC(256)
KMALLOC(1024)
KMALLOC(4096)

/* The size is known at run time only. */
static __always_inline void *kmalloc_any_alloc(const struct xrun *run)
{
	return kmalloc(run->size, GFP_KERNEL);
}

static const struct xops kmalloc_any = {
	.alloc	= kmalloc_any_alloc,
	.free	= kmalloc_free,
};

int xbench_kmalloc_any(enum xwork work, struct xrun *run)
{
	return compile(&kmalloc_any, work, run);
}

static __always_inline void *mempool_alloc_obj(const struct xrun *run)
{
	return mempool_alloc(run->handle, GFP_KERNEL);
}

static __always_inline void mempool_free_obj(const struct xrun *run, void *obj)
{
	mempool_free(obj, run->handle);
}

static const struct xops mempool = {
	.alloc	= mempool_alloc_obj,
	.free	= mempool_free_obj,
};

int xbench_mempool(enum xwork work, struct xrun *run)
{
	return compile(&mempool, work, run);
}

static __always_inline void *xslab_alloc(const struct xrun *run)
{
	return xslab_cache_alloc(run->handle, GFP_KERNEL);
}

static __always_inline void xslab_free_obj(const struct xrun *run, void *obj)
{
	xslab_cache_free(run->handle, obj);
}

static __always_inline int xslab_alloc_bulk(const struct xrun *run, size_t nr, void **objs)
{
	return xslab_cache_alloc_bulk(run->handle, GFP_KERNEL, nr, objs);
}

static __always_inline void xslab_free_bulk(const struct xrun *run, size_t nr, void **objs)
{
	xslab_cache_free_bulk(run->handle, nr, objs);
}

static const struct xops xslab = {
	.alloc		= xslab_alloc,
	.free		= xslab_free_obj,
	.alloc_bulk	= xslab_alloc_bulk,
	.free_bulk	= xslab_free_bulk,
};

int xbench_xslab(enum xwork work, struct xrun *run)
{
	return compile(&xslab, work, run);
}

static __always_inline void *xmalloc_alloc(const struct xrun *run)
{
	return xmalloc(run->size, GFP_KERNEL);
}

static __always_inline void xmalloc_free(const struct xrun *run, void *obj)
{
	xfree(obj);
}

static const struct xops any_size = {
	.alloc	= xmalloc_alloc,
	.free	= xmalloc_free,
};

int xbench_xmalloc(enum xwork work, struct xrun *run)
{
	return compile(&any_size, work, run);
}

static __always_inline void *pages_alloc(const struct xrun *run)
{
	return alloc_pages(GFP_KERNEL, run->order);
}

static __always_inline void pages_free(const struct xrun *run, void *page)
{
	__free_pages(page, run->order);
}

/* Newer kernels lost the word array in the name. Both want empty slots. */
#ifndef alloc_pages_bulk
#define alloc_pages_bulk alloc_pages_bulk_array
#endif

/* It may come back with less than there is: on a kernel for one CPU with a page a call. */
static __always_inline int pages_alloc_bulk(const struct xrun *run, size_t nr, void **objs)
{
	unsigned long got;

	memset(objs, 0, nr * sizeof(*objs));
	do {
		got = alloc_pages_bulk(GFP_KERNEL, nr, (struct page **)objs);
		objs += got;
		nr -= got;
	} while (nr && got);
	return !nr;
}

static __always_inline void pages_free_bulk(const struct xrun *run, size_t nr, void **objs)
{
	size_t i;

	for (i = 0; i < nr; i++)
		__free_pages(objs[i], 0);
}

static const struct xops pages = {
	.alloc		= pages_alloc,
	.free		= pages_free,
	.alloc_bulk	= pages_alloc_bulk,
	.free_bulk	= pages_free_bulk,
};

int xbench_pages(enum xwork work, struct xrun *run)
{
	return compile(&pages, work, run);
}

static __always_inline void *xpages_alloc(const struct xrun *run)
{
	return xpool_alloc_pages(run->handle, run->order, GFP_KERNEL);
}

static __always_inline void xpages_free(const struct xrun *run, void *page)
{
	xpool_free_pages(run->handle, page, run->order);
}

static __always_inline int xpages_alloc_bulk(const struct xrun *run, size_t nr, void **objs)
{
	return xpool_alloc_pages_bulk(run->handle, GFP_KERNEL, nr, (struct page **)objs);
}

static __always_inline void xpages_free_bulk(const struct xrun *run, size_t nr, void **objs)
{
	xpool_free_pages_bulk(run->handle, nr, (struct page **)objs);
}

static const struct xops xpages = {
	.alloc		= xpages_alloc,
	.free		= xpages_free,
	.alloc_bulk	= xpages_alloc_bulk,
	.free_bulk	= xpages_free_bulk,
};

int xbench_xpages(enum xwork work, struct xrun *run)
{
	return compile(&xpages, work, run);
}

static __always_inline void *xaddr_alloc(const struct xrun *run)
{
	return xpool_alloc_addr(run->handle, run->order, GFP_KERNEL);
}

static __always_inline void xaddr_free(const struct xrun *run, void *addr)
{
	xpool_free_addr(run->handle, addr, run->order);
}

static const struct xops xaddr = {
	.alloc	= xaddr_alloc,
	.free	= xaddr_free,
};

int xbench_xaddr(enum xwork work, struct xrun *run)
{
	return compile(&xaddr, work, run);
}

static __always_inline void *genpool_alloc(const struct xrun *run)
{
	return (void *)gen_pool_alloc(run->handle, run->size);
}

static __always_inline void genpool_free(const struct xrun *run, void *obj)
{
	gen_pool_free(run->handle, (unsigned long)obj, run->size);
}

static const struct xops genpool = {
	.alloc	= genpool_alloc,
	.free	= genpool_free,
};

int xbench_genpool(enum xwork work, struct xrun *run)
{
	return compile(&genpool, work, run);
}

static __always_inline void *xgenpool_alloc(const struct xrun *run)
{
	return (void *)xgen_pool_alloc(run->handle, run->size);
}

static __always_inline void xgenpool_free(const struct xrun *run, void *obj)
{
	xgen_pool_free(run->handle, (unsigned long)obj, run->size);
}

static const struct xops xgenpool = {
	.alloc	= xgenpool_alloc,
	.free	= xgenpool_free,
};

int xbench_xgenpool(enum xwork work, struct xrun *run)
{
	return compile(&xgenpool, work, run);
}
