/* SPDX-License-Identifier: GPL-2.0 */
/*
 * xgen_pool: the calls of gen_pool, over heaps
 *
 * For drivers that use gen_pool: include this instead of <linux/genalloc.h>, and replace
 * gen_pool by xgen_pool and genpool by xgenpool. All is inline; each chunk of a pool is a heap of
 * bare numbers (xheap.h), one of 16 for each block of 2^min_alloc_order bytes.
 *
 * As with gen_pool, first fit gives the lowest address, and the same one for the same requests. A
 * request takes about as long whatever the pool has. Otherwise:
 *
 *	- a free that is wrong is refused and reported, where gen_pool stops the machine. Of what
 *	  was taken at once, a part cannot be given back
 *	- best fit takes any of the smallest chunks that are large enough; with an alignment, first
 *	  fit looks at some chunks, and then takes one that is large enough wherever it begins
 *	- an algorithm is one of those below, and no function of the driver's
 *	- xgen_pool_get() finds what the same source file made; there is no of_gen_pool_get()
 *	- a chunk takes 13 bytes a block when it is added, and has a block at least
 */
#ifndef _XALLOC_GENPOOL_H
#define _XALLOC_GENPOOL_H

#include <linux/device.h>
#include <linux/err.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/printk.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include <xalloc/xheap.h>

#define XGENPOOL_SHIFT	4	/* numbers of a block: the smallest granule */

/**
 * enum xgenpool_algo - which free blocks a request gets; see the functions of gen_pool
 * @xgen_pool_first_fit: those at the lowest address
 * @xgen_pool_first_fit_align: these, aligned to struct xgenpool_data_align
 * @xgen_pool_first_fit_order_align: these, aligned in the chunk to the size, rounded up to a
 *	power of two
 * @xgen_pool_fixed_alloc: those at struct xgenpool_data_fixed
 * @xgen_pool_best_fit: of the smallest free chunk that is large enough
 */
enum xgenpool_algo {
	xgen_pool_first_fit,
	xgen_pool_first_fit_align,
	xgen_pool_first_fit_order_align,
	xgen_pool_fixed_alloc,
	xgen_pool_best_fit,
};

#define xgenpool_algo_t	enum xgenpool_algo

/**
 * struct xgenpool_data_align - for xgen_pool_first_fit_align
 * @align: bytes, a power of two
 */
struct xgenpool_data_align {
	int		align;
};

/**
 * struct xgenpool_data_fixed - for xgen_pool_fixed_alloc
 * @offset: bytes from the start of a chunk, a multiple of a block
 */
struct xgenpool_data_fixed {
	unsigned long	offset;
};

/**
 * struct xgen_pool - chunks, and what requests get of them
 * @lock: for @chunks
 * @chunks: the one that was added last comes first
 * @min_alloc_order: of bytes of a block
 * @algo: of requests that do not say
 * @data: for @algo
 * @name: of devm_xgen_pool_create(), or NULL
 */
struct xgen_pool {
	spinlock_t		lock;		/* for the list of chunks */
	struct list_head	chunks;
	int			min_alloc_order;
	xgenpool_algo_t		algo;
	void			*data;
	const char		*name;
};

/**
 * struct xgen_pool_chunk - a run of addresses
 * @next_chunk: of the pool
 * @phys_addr: its physical address, or -1
 * @owner: of xgen_pool_add_owner()
 * @start_addr: its first address
 * @end_addr: its last address
 * @heap: its blocks
 */
struct xgen_pool_chunk {
	struct list_head	next_chunk;
	phys_addr_t		phys_addr;
	void			*owner;
	unsigned long		start_addr;
	unsigned long		end_addr;
	struct xheap		*heap;
};

static inline u64 xgenpool_numbers(const struct xgen_pool *pool, size_t size)
{
	return ((size + (1UL << pool->min_alloc_order) - 1) >> pool->min_alloc_order) <<
	       XGENPOOL_SHIFT;
}

/* Of the whole blocks that @size has. */
static inline u64 xgenpool_whole(const struct xgen_pool *pool, size_t size)
{
	return (u64)size >> pool->min_alloc_order << XGENPOOL_SHIFT;
}

static inline u64 xgenpool_number_of(const struct xgen_pool *pool, unsigned long addr)
{
	return (u64)addr >> pool->min_alloc_order << XGENPOOL_SHIFT;
}

/* As xgenpool_number_of(), the other way. A chunk may begin within a block. */
static inline unsigned long xgenpool_addr(const struct xgen_pool *pool,
					  const struct xgen_pool_chunk *chunk, u64 number)
{
	u64 nr = (number - xgenpool_number_of(pool, chunk->start_addr)) >> XGENPOOL_SHIFT;

	return chunk->start_addr + (nr << pool->min_alloc_order);
}

/**
 * xgen_pool_create() - make a pool, without chunks yet
 * @min_alloc_order: binary logarithm of the bytes of a block
 * @nid: node of the pool's own memory, or NUMA_NO_NODE
 *
 * Context: Process context, may sleep.
 * Return: the pool, or NULL.
 */
static inline struct xgen_pool *xgen_pool_create(int min_alloc_order, int nid)
{
	struct xgen_pool *pool = kzalloc_node(sizeof(*pool), GFP_KERNEL, nid);

	if (!pool)
		return NULL;
	spin_lock_init(&pool->lock);
	INIT_LIST_HEAD(&pool->chunks);
	pool->min_alloc_order = min_alloc_order;
	return pool;
}

/**
 * xgen_pool_add_owner() - add a chunk
 * @pool: the pool
 * @virt: its first address, not 0
 * @phys: its physical address, or -1
 * @size: bytes, of which whole blocks are used
 * @nid: node of its own memory, or NUMA_NO_NODE
 * @owner: what xgen_pool_alloc_owner() returns of it
 *
 * Context: Process context, may sleep.
 * Return: 0, or an errno: -ENOMEM, or as of xheap_create().
 */
static inline int xgen_pool_add_owner(struct xgen_pool *pool, unsigned long virt,
				      phys_addr_t phys, size_t size, int nid, void *owner)
{
	struct xgen_pool_chunk *chunk = kzalloc_node(sizeof(*chunk), GFP_KERNEL, nid);

	if (!chunk)
		return -ENOMEM;
	*chunk = (struct xgen_pool_chunk){
		.phys_addr = phys, .owner = owner, .start_addr = virt, .end_addr = virt + size - 1,
	};
	chunk->heap = xheap_create(&(struct xheap_args){
		.base = xgenpool_number_of(pool, virt),
		.size = xgenpool_whole(pool, size),
		.granule = 1U << XGENPOOL_SHIFT,
		.fit = XHEAP_FIRST_FIT,
	});
	if (IS_ERR(chunk->heap)) {
		int err = PTR_ERR(chunk->heap);

		kfree(chunk);
		return err;
	}
	spin_lock(&pool->lock);
	list_add_rcu(&chunk->next_chunk, &pool->chunks);
	spin_unlock(&pool->lock);
	return 0;
}

static inline int xgen_pool_add_virt(struct xgen_pool *pool, unsigned long virt,
				     phys_addr_t phys, size_t size, int nid)
{
	return xgen_pool_add_owner(pool, virt, phys, size, nid, NULL);
}

static inline int xgen_pool_add(struct xgen_pool *pool, unsigned long addr, size_t size, int nid)
{
	return xgen_pool_add_virt(pool, addr, -1, size, nid);
}

/**
 * xgen_pool_destroy() - give a pool back
 * @pool: the pool
 *
 * One of which something is taken stays as it is, with a line in the log of each such chunk.
 *
 * Context: Process context, may sleep. No other call uses the pool.
 */
static inline void xgen_pool_destroy(struct xgen_pool *pool)
{
	struct xgen_pool_chunk *chunk, *next;

	list_for_each_entry_safe(chunk, next, &pool->chunks, next_chunk) {
		if (xheap_destroy(chunk->heap))
			continue;
		list_del(&chunk->next_chunk);
		kfree(chunk);
	}
	if (!list_empty(&pool->chunks))
		return;
	kfree_const(pool->name);
	kfree(pool);
}

/* What an algorithm wants of a chunk. */
static inline int xgenpool_take(const struct xgen_pool *pool, const struct xgen_pool_chunk *chunk,
				u64 size, xgenpool_algo_t algo, const void *data, u64 *number)
{
	u64 first = xgenpool_number_of(pool, chunk->start_addr);
	struct xheap_request request = { .size = size, .fit = XHEAP_FIRST_FIT };

	switch (algo) {
	case xgen_pool_first_fit:
		return xheap_alloc_number(chunk->heap, size, 0, number);
	case xgen_pool_first_fit_align: {
		const struct xgenpool_data_align *wanted = data;

		request.align = xgenpool_numbers(pool, wanted->align);
		break;
	}
	case xgen_pool_first_fit_order_align:
		request.align = roundup_pow_of_two(size);
		request.phase = first & (request.align - 1);
		break;
	case xgen_pool_fixed_alloc: {
		const struct xgenpool_data_fixed *wanted = data;

		if (wanted->offset > chunk->end_addr - chunk->start_addr)
			return -ERANGE;
		request.fixed = true;
		request.at = first + xgenpool_number_of(pool, wanted->offset);
		break;
	}
	case xgen_pool_best_fit:
		request.fit = XHEAP_BEST_FIT;
		break;
	}
	return xheap_alloc_request(chunk->heap, &request, number);
}

/**
 * xgen_pool_alloc_algo_owner() - take blocks of a pool
 * @pool: the pool
 * @size: bytes, rounded up to blocks
 * @algo: which free blocks
 * @data: for @algo
 * @owner: filled with the chunk's, if not NULL
 *
 * Context: Any, NMI too.
 * Return: the address; or 0 where no chunk can have it, and for a @size of 0.
 */
static inline unsigned long xgen_pool_alloc_algo_owner(struct xgen_pool *pool, size_t size,
						       xgenpool_algo_t algo, void *data,
						       void **owner)
{
	u64 numbers = xgenpool_numbers(pool, size), number;
	const struct xgen_pool_chunk *chunk;
	unsigned long addr = 0;

	if (owner)
		*owner = NULL;
	if (!size)
		return 0;
	rcu_read_lock();
	list_for_each_entry_rcu(chunk, &pool->chunks, next_chunk) {
		if (numbers > xgenpool_whole(pool, chunk->end_addr - chunk->start_addr + 1) ||
		    xgenpool_take(pool, chunk, numbers, algo, data, &number))
			continue;
		addr = xgenpool_addr(pool, chunk, number);
		if (owner)
			*owner = chunk->owner;
		break;
	}
	rcu_read_unlock();
	return addr;
}

static inline unsigned long xgen_pool_alloc_owner(struct xgen_pool *pool, size_t size,
						  void **owner)
{
	return xgen_pool_alloc_algo_owner(pool, size, pool->algo, pool->data, owner);
}

static inline unsigned long xgen_pool_alloc_algo(struct xgen_pool *pool, size_t size,
						 xgenpool_algo_t algo, void *data)
{
	return xgen_pool_alloc_algo_owner(pool, size, algo, data, NULL);
}

static inline unsigned long xgen_pool_alloc(struct xgen_pool *pool, size_t size)
{
	return xgen_pool_alloc_algo(pool, size, pool->algo, pool->data);
}

/* The chunk that has an address, or NULL. Under rcu_read_lock(). */
static inline struct xgen_pool_chunk *xgenpool_chunk_of(struct xgen_pool *pool, unsigned long addr)
{
	struct xgen_pool_chunk *chunk;

	list_for_each_entry_rcu(chunk, &pool->chunks, next_chunk)
		if (addr >= chunk->start_addr && addr <= chunk->end_addr)
			return chunk;
	return NULL;
}

/* Gives back what begins at @addr, if that has @size. Returns the chunk, or NULL: refused. */
static inline struct xgen_pool_chunk *xgenpool_give(struct xgen_pool *pool, unsigned long addr,
						    size_t size)
{
	struct xgen_pool_chunk *chunk = xgenpool_chunk_of(pool, addr);
	u64 number = chunk ? xgenpool_number_of(pool, chunk->start_addr) +
			     xgenpool_number_of(pool, addr - chunk->start_addr) : 0;

	if (!chunk)
		pr_err_ratelimited("xalloc: xgen_pool: free of %#lx refused: of no chunk\n", addr);
	else if (!xheap_free_sized(chunk->heap, number, xgenpool_numbers(pool, size)))
		return chunk;
	return NULL;
}

/**
 * xgen_pool_free_owner() - give blocks back
 * @pool: the pool
 * @addr: what xgen_pool_alloc() or a relative returned
 * @size: bytes that were asked for
 * @owner: filled with the chunk's, if not NULL
 *
 * What is not as it was taken stays as it is, with a line in the log.
 *
 * Context: Any, NMI too.
 */
static inline void xgen_pool_free_owner(struct xgen_pool *pool, unsigned long addr, size_t size,
					void **owner)
{
	struct xgen_pool_chunk *chunk;

	rcu_read_lock();
	chunk = xgenpool_give(pool, addr, size);
	if (owner)
		*owner = chunk ? chunk->owner : NULL;
	rcu_read_unlock();
}

static inline void xgen_pool_free(struct xgen_pool *pool, unsigned long addr, size_t size)
{
	xgen_pool_free_owner(pool, addr, size, NULL);
}

/* -1: of no chunk. */
static inline phys_addr_t xgen_pool_virt_to_phys(struct xgen_pool *pool, unsigned long addr)
{
	struct xgen_pool_chunk *chunk;
	phys_addr_t phys = -1;

	rcu_read_lock();
	chunk = xgenpool_chunk_of(pool, addr);
	if (chunk)
		phys = chunk->phys_addr + (addr - chunk->start_addr);
	rcu_read_unlock();
	return phys;
}

static inline void *xgen_pool_dma_alloc_algo(struct xgen_pool *pool, size_t size, dma_addr_t *dma,
					     xgenpool_algo_t algo, void *data)
{
	unsigned long addr = pool ? xgen_pool_alloc_algo(pool, size, algo, data) : 0;

	if (addr && dma)
		*dma = xgen_pool_virt_to_phys(pool, addr);
	return (void *)addr;
}

static inline void *xgen_pool_dma_alloc(struct xgen_pool *pool, size_t size, dma_addr_t *dma)
{
	return pool ? xgen_pool_dma_alloc_algo(pool, size, dma, pool->algo, pool->data) : NULL;
}

static inline void *xgen_pool_dma_alloc_align(struct xgen_pool *pool, size_t size,
					      dma_addr_t *dma, int align)
{
	struct xgenpool_data_align data = { .align = align };

	return xgen_pool_dma_alloc_algo(pool, size, dma, xgen_pool_first_fit_align, &data);
}

static inline void *xgenpool_clear(void *addr, size_t size)
{
	return addr ? memset(addr, 0, size) : NULL;
}

static inline void *xgen_pool_dma_zalloc_algo(struct xgen_pool *pool, size_t size,
					      dma_addr_t *dma, xgenpool_algo_t algo, void *data)
{
	return xgenpool_clear(xgen_pool_dma_alloc_algo(pool, size, dma, algo, data), size);
}

static inline void *xgen_pool_dma_zalloc(struct xgen_pool *pool, size_t size, dma_addr_t *dma)
{
	return xgenpool_clear(xgen_pool_dma_alloc(pool, size, dma), size);
}

static inline void *xgen_pool_dma_zalloc_align(struct xgen_pool *pool, size_t size,
					       dma_addr_t *dma, int align)
{
	return xgenpool_clear(xgen_pool_dma_alloc_align(pool, size, dma, align), size);
}

/* @func is called under rcu_read_lock(). */
static inline void xgenpool_call_each(struct xgen_pool *pool,
				      void (*func)(struct xgen_pool *pool,
						   struct xgen_pool_chunk *chunk, void *data),
				      void *data)
{
	struct xgen_pool_chunk *chunk;

	rcu_read_lock();
	list_for_each_entry_rcu(chunk, &pool->chunks, next_chunk)
		func(pool, chunk, data);
	rcu_read_unlock();
}

#define xgen_pool_for_each_chunk(pool, func, data)	xgenpool_call_each(pool, func, data)

static inline bool xgen_pool_has_addr(struct xgen_pool *pool, unsigned long start, size_t size)
{
	struct xgen_pool_chunk *chunk;
	bool has;

	rcu_read_lock();
	chunk = xgenpool_chunk_of(pool, start);
	has = chunk && size - 1 <= chunk->end_addr - start;
	rcu_read_unlock();
	return has;
}

/* Bytes that are free. */
static inline size_t xgen_pool_avail(struct xgen_pool *pool)
{
	struct xgen_pool_chunk *chunk;
	u64 numbers = 0;

	rcu_read_lock();
	list_for_each_entry_rcu(chunk, &pool->chunks, next_chunk)
		numbers += xheap_avail(chunk->heap);
	rcu_read_unlock();
	return numbers >> XGENPOOL_SHIFT << pool->min_alloc_order;
}

/* Bytes of all chunks. */
static inline size_t xgen_pool_size(struct xgen_pool *pool)
{
	struct xgen_pool_chunk *chunk;
	size_t size = 0;

	rcu_read_lock();
	list_for_each_entry_rcu(chunk, &pool->chunks, next_chunk)
		size += chunk->end_addr - chunk->start_addr + 1;
	rcu_read_unlock();
	return size;
}

static inline void xgen_pool_set_algo(struct xgen_pool *pool, xgenpool_algo_t algo, void *data)
{
	pool->algo = algo;
	pool->data = data;
}

/*
 * Pools that go with a device
 */

static inline void xgenpool_release(struct device *dev, void *res)
{
	xgen_pool_destroy(*(struct xgen_pool **)res);
}

static inline int xgenpool_match(struct device *dev, void *res, void *name)
{
	const struct xgen_pool *pool = *(struct xgen_pool **)res;

	return name && pool->name ? !strcmp(pool->name, name) : !name && !pool->name;
}

/* The pool of that name, or without one, that devm_xgen_pool_create() made for @dev; or NULL. */
static inline struct xgen_pool *xgen_pool_get(struct device *dev, const char *name)
{
	struct xgen_pool **found = devres_find(dev, xgenpool_release, xgenpool_match,
					       (void *)name);

	return found ? *found : NULL;
}

/**
 * devm_xgen_pool_create() - make a pool that goes with a device
 * @dev: the device
 * @min_alloc_order: binary logarithm of the bytes of a block
 * @nid: node of the pool's own memory, or NUMA_NO_NODE
 * @name: unique for @dev, or NULL
 *
 * Context: Process context, may sleep.
 * Return: the pool; or an error pointer: -EINVAL where the device has one of that name, -ENOMEM.
 */
static inline struct xgen_pool *devm_xgen_pool_create(struct device *dev, int min_alloc_order,
						      int nid, const char *name)
{
	struct xgen_pool **res, *pool;

	if (xgen_pool_get(dev, name))
		return ERR_PTR(-EINVAL);
	res = devres_alloc(xgenpool_release, sizeof(*res), GFP_KERNEL);
	pool = res ? xgen_pool_create(min_alloc_order, nid) : NULL;
	if (!pool)
		goto no_memory;
	pool->name = name ? kstrdup_const(name, GFP_KERNEL) : NULL;
	if (name && !pool->name)
		goto no_name;
	*res = pool;
	devres_add(dev, res);
	return pool;

no_name:
	xgen_pool_destroy(pool);
no_memory:
	devres_free(res);
	return ERR_PTR(-ENOMEM);
}

#endif
