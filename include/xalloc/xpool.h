/* SPDX-License-Identifier: GPL-2.0 */
/*
 * xpool: private pools of pages.
 *
 * A pool owns a range of memory that no other allocator can take from, and it takes nothing
 * from others, but for the regions by which one grows. Caches (xslab.h) live in pools; the
 * functions below hand out pages directly.
 */
#ifndef _XALLOC_XPOOL_H
#define _XALLOC_XPOOL_H

#include <linux/gfp.h>
#include <linux/limits.h>
#include <linux/types.h>
#include <xalloc/xbuddy.h>
#include <xalloc/impl/xstamp.h>

struct device;
struct page;
struct xpool;

#define XPOOL_NAME_MAX	32	/* with the closing zero */

/**
 * struct xpool_args - where the memory of a pool comes from
 * @name: names the pool in debugfs; unique, 1 to 31 printable characters of ASCII, no
 *	blank and no slash, not "." nor "..", and the first is no "#"
 * @size: bytes, a multiple of PAGE_SIZE
 * @base: physical address of a range reserved at boot with memmap=
 * @reserve_mem: name of a range reserved at boot with reserve_mem= (6.12 on);
 *	@size may be 0 then and means all of it
 * @addr: kernel virtual address of a range that the caller owns, has mapped,
 *	and keeps until the pool is destroyed
 * @max_size: bytes, a multiple of 4 MiB: the pool grows from @size up to it, in whole
 *	steps of 4 MiB of which one fits at least; or @size, or 0: it keeps its size
 *
 * At most one of @base, @reserve_mem and @addr is given. Without any, the
 * memory is taken from the system when the pool is created, and goes back when
 * it is destroyed. Only such a pool can grow. All metadata is taken for
 * @max_size when the pool is created.
 */
struct xpool_args {
	const char	*name;
	size_t		size;
	phys_addr_t	base;
	const char	*reserve_mem;
	void		*addr;
	size_t		max_size;
};

#define XPOOL_NO_LIMIT	ULONG_MAX

/**
 * struct xpool_limits - what a pool may do, in pages
 * @hard: pages in use at most, by slabs and clients, with what page magazines
 *	keep for the next; XPOOL_NO_LIMIT: all of the pool
 * @cache: pages at most that the pool holds and no client uses: in magazines of pages,
 *	those that objects in magazines of caches fill, slabs without objects, blocks
 *	kept as they were freed, and empty regions of a pool that has grown, but for those
 *	that @reserve needs; XPOOL_NO_LIMIT: any number
 * @reserve: pages that only __GFP_HIGH and xslab_cache_prefill() can have, the last ones
 *	that @hard leaves; kept in blocks as large as that many pages allow. 0: none
 *
 * Free pages of a pool of fixed size, or of the initial size of one that grows, are not
 * bounded by @cache: they have nowhere to go. A region of a pool that grows has 4 MiB. With
 * a smaller @cache none can come ahead of need: such a pool grows only for requests that
 * may sleep (__GFP_DIRECT_RECLAIM), which get their block of it as it comes; a request that
 * may not sleep gets what is there. What is kept in a magazine is not free, and serves any
 * request, whatever it was taken for.
 */
struct xpool_limits {
	unsigned long	hard;
	unsigned long	cache;
	unsigned long	reserve;
};

/**
 * struct xpool_stats - where the pages of a pool are
 * @total: pages of the pool; @total = @free + @slabs + @heaps + @pages + @magazines
 * @free: free in the buddy system
 * @slabs: in slabs of caches
 * @heaps: in regions of heaps
 * @pages: that clients hold
 * @magazines: freed by clients and kept in page magazines
 * @regions: runs of contiguous addresses that the pool is made of
 * @largest_free: pages of the largest free block
 * @metadata: bytes that the pool takes from the system besides its pages
 * @live_bytes: bytes that live checks of its caches take besides
 * @gets: blocks taken from the buddy system so far
 * @puts: blocks given back to it so far
 * @splits: blocks halved so far
 * @merges: pairs of blocks joined so far
 * @failures: requests for a block that were not met
 * @errors: frees that were refused
 * @hard: limit of pages in use; U64_MAX: none
 * @cache: limit of @cached; U64_MAX: none
 * @reserve: pages that only __GFP_HIGH can have
 * @cached: pages that no client uses and that the limit bounds; with @magazines
 * @grown: pages taken from the system since the pool was created
 * @returned: pages given back to it
 * @free_blocks: free blocks, by order
 */
struct xpool_stats {
	u64	total;
	u64	free;
	u64	slabs;
	u64	heaps;
	u64	pages;
	u64	magazines;
	u64	regions;
	u64	largest_free;
	u64	metadata;
	u64	live_bytes;
	u64	gets;
	u64	puts;
	u64	splits;
	u64	merges;
	u64	failures;
	u64	errors;
	u64	hard;
	u64	cache;
	u64	reserve;
	u64	cached;
	u64	grown;
	u64	returned;
	u64	free_blocks[XBUDDY_NR_ORDERS];
};

/**
 * struct xpool_request - contiguous pages, and where they should be
 * @pages: how many, 1 or more
 * @align: bytes, a power of two and a page or more, of the address; 0: a page
 * @from: the first address allowed; NULL: of the pool
 * @to: the first address not allowed any more; NULL: the end of the pool
 * @top: the highest place, else the lowest
 * @gfp: as for xpool_alloc_addr()
 */
struct xpool_request {
	size_t		pages;
	size_t		align;
	void		*from;
	void		*to;
	bool		top;
	gfp_t		gfp;
};

/* Of what a client knows of pools; see xstamp.h. */
static __always_inline u32 xpool_stamp(void)
{
	u32 stamp = XSTAMP_START;

	stamp = XSTAMP_FIELD(stamp, xpool_args, name);
	stamp = XSTAMP_FIELD(stamp, xpool_args, size);
	stamp = XSTAMP_FIELD(stamp, xpool_args, base);
	stamp = XSTAMP_FIELD(stamp, xpool_args, reserve_mem);
	stamp = XSTAMP_FIELD(stamp, xpool_args, addr);
	stamp = XSTAMP_FIELD(stamp, xpool_args, max_size);
	stamp = xstamp_add(stamp, sizeof(struct xpool_args));
	stamp = XSTAMP_FIELD(stamp, xpool_limits, hard);
	stamp = XSTAMP_FIELD(stamp, xpool_limits, cache);
	stamp = XSTAMP_FIELD(stamp, xpool_limits, reserve);
	stamp = xstamp_add(stamp, sizeof(struct xpool_limits));
	stamp = XSTAMP_FIELD(stamp, xpool_request, gfp);
	stamp = xstamp_add(stamp, sizeof(struct xpool_request));
	stamp = XSTAMP_FIELD(stamp, xpool_stats, live_bytes);
	stamp = XSTAMP_FIELD(stamp, xpool_stats, free_blocks);
	stamp = xstamp_add(stamp, sizeof(struct xpool_stats));
	stamp = xstamp_add(stamp, sizeof(struct xbuddy));
	return xstamp_add(stamp, PAGE_SIZE);
}

struct xpool *xpool_create_stamped(const struct xpool_args *args, u32 stamp,
				   struct module *client);
struct xpool *devm_xpool_create_stamped(struct device *dev, const struct xpool_args *args,
					u32 stamp, struct module *client);
struct xpool *xpool_default_stamped(u32 stamp, struct module *client);
int xpool_destroy(struct xpool *pool);

/**
 * xpool_create() - make a pool
 * @args: where its memory comes from
 *
 * Takes the memory, and all metadata for it, or for its max_size where it has one; how much
 * that is stands in the statistics. Using the pool takes nothing from the system any more, but
 * for the regions of one that grows: a request that may sleep takes one itself, for others a
 * worker does. The module cannot be unloaded until the pool is destroyed.
 *
 * Context: Process context, may sleep.
 * Return: the pool; or, with nothing changed and a line in the log that names
 * the argument, an error pointer: -EINVAL (a bad name, size or address, a range
 * that is not reserved, two sources), -EEXIST (a taken name), -EBUSY (a range
 * that is in use), -ENOENT (an unknown reserve_mem name), -EOPNOTSUPP (a kernel
 * without reserve_mem), -ENOMEM, -EDEADLK (the system reclaims memory), -ENOEXEC (the
 * client was built for another xalloc).
 * Only a lack of memory for metadata may go without the line.
 */
static inline struct xpool *xpool_create(const struct xpool_args *args)
{
	return xpool_create_stamped(args, xpool_stamp(), THIS_MODULE);
}

/**
 * devm_xpool_create() - make a pool that goes with a device
 * @dev: the device
 * @args: where its memory comes from
 *
 * The pool is destroyed when the device loses its driver, or goes, after what the driver asked the
 * device for later: for the pool's caches and pages, too, the driver makes such an action.
 *
 * Context: Process context, may sleep.
 * Return: as of xpool_create().
 */
static inline struct xpool *devm_xpool_create(struct device *dev, const struct xpool_args *args)
{
	return devm_xpool_create_stamped(dev, args, xpool_stamp(), THIS_MODULE);
}

/**
 * xpool_default() - the pool that the module parameters describe
 *
 * Context: Any.
 * Return: the pool; it lives as long as the module. NULL where there is none, because
 * xalloc was loaded with size=0; or, with a line in the log, for a client that was built
 * for another xalloc.
 */
static inline struct xpool *xpool_default(void)
{
	return xpool_default_stamped(xpool_stamp(), THIS_MODULE);
}

struct page *xpool_alloc_pages(struct xpool *pool, unsigned long order, gfp_t gfp);
int xpool_free_pages(struct xpool *pool, struct page *page, unsigned long order);
int xpool_alloc_pages_bulk(struct xpool *pool, gfp_t gfp, size_t nr, struct page **pages);
void xpool_free_pages_bulk(struct xpool *pool, size_t nr, struct page **pages);
void *xpool_alloc_addr(struct xpool *pool, unsigned long order, gfp_t gfp);
int xpool_free_addr(struct xpool *pool, void *addr, unsigned long order);
void *xpool_alloc_run(struct xpool *pool, const struct xpool_request *request);
int xpool_free_run(struct xpool *pool, void *addr, size_t nr);

void xpool_get_limits(struct xpool *pool, struct xpool_limits *limits);
int xpool_set_limits(struct xpool *pool, const struct xpool_limits *limits);
unsigned long xpool_collect(struct xpool *pool, bool force);
int xpool_recycle(struct xpool *pool);
int xpool_set_decay(struct xpool *pool, long ms);
long xpool_get_decay(const struct xpool *pool);
void xpool_stats(struct xpool *pool, struct xpool_stats *stats);
unsigned int xpool_unusable_index(const struct xpool_stats *stats, unsigned int order);
int xpool_validate(struct xpool *pool);

#endif
