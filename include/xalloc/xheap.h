/* SPDX-License-Identifier: GPL-2.0 */
/*
 * xheap: chunks of any size, from a range of addresses, from bare numbers or from a pool.
 *
 * A heap never touches what it manages: its range may be memory that is mapped, memory of a
 * device that is not, or numbers that stand for something else. The theory is at the top of
 * xheap.c.
 */
#ifndef _XALLOC_XHEAP_H
#define _XALLOC_XHEAP_H

#include <linux/gfp.h>
#include <linux/types.h>
#include <xalloc/xpool.h>
#include <xalloc/impl/xstamp.h>

struct xheap;

#define XHEAP_GRANULE_MIN	16U
#define XHEAP_GRANULE_MAX	4096U
#define XHEAP_BINS		30U	/* one a doubling, from a granule on */

/**
 * enum xheap_fit - which free chunk a request gets
 * @XHEAP_FIT_DEFAULT: a heap: best fit; a request: what its heap does
 * @XHEAP_BEST_FIT: a chunk of the smallest class of sizes that is large enough
 * @XHEAP_FIRST_FIT: the chunk at the lowest address that is large enough, as gen_pool does; of a
 *	heap that takes regions, in the first of these that has one, in the order of their numbers
 */
enum xheap_fit {
	XHEAP_FIT_DEFAULT,
	XHEAP_BEST_FIT,
	XHEAP_FIRST_FIT,
};

/**
 * struct xheap_args - where the range of a heap comes from, and how it is cut
 * @name: names the heap in the log; unique among heaps, as xpool_args.name. NULL: heap-1, or
 *	another number
 * @size: bytes; a multiple of @granule. With @pool: what is taken from it at creation and
 *	stays; may be 0 where @max_size is given
 * @addr: start of a range of kernel virtual addresses that the caller owns, aligned to
 *	@granule; the heap does not read or write it
 * @base: without @addr and @pool: the first of @size numbers, aligned to @granule
 * @pool: take the range from there, in one run of pages if it has that, else in several; no chunk
 *	lies in two
 * @max_size: bytes that the heap may take from @pool, the hard limit; 0: @size
 * @region_size: bytes, the least that is taken at a time: from @pool, 0: 4 MiB;
 *	or of the range itself, which then is cut into regions by need, 0: the range is one
 * @granule: bytes, a power of two from 16 to 4,096: all chunks are multiples of it
 * @fit: what requests get
 * @by_address: requests may ask for the lowest address or for a fixed one; @fit of
 *	XHEAP_FIRST_FIT has that too. Costs 0.46 bytes a granule and some time
 * @max_split: bytes; a free chunk above it is not broken for a request of at most as many.
 *	Needs best fit, and a heap that takes regions. 0: any chunk is broken
 * @max_waste: bytes; a free chunk is split where that leaves at least as many, or twice what
 *	is requested is in it; otherwise the request gets all of it. 0: always split
 * @max_idle: bytes; a region in which the last chunk is freed goes back while more than that is
 *	free in the heap, and more than an eighth of what is live. 0: it stays
 *
 * A heap of a @pool with @max_size above @size, and one of a range with @region_size, takes
 * regions as requests need them. A region without chunks stays until a request needs a larger
 * one than the limit leaves, or until xheap_trim(), unless @max_idle bounds that. @size and
 * @max_size are multiples of 32 KiB and of 16 granules there.
 */
struct xheap_args {
	const char	*name;
	u64		size;
	void		*addr;
	u64		base;
	struct xpool	*pool;
	u64		max_size;
	u64		region_size;
	u32		granule;
	enum xheap_fit	fit;
	bool		by_address;
	u64		max_split;
	u64		max_waste;
	u64		max_idle;
};

/**
 * struct xheap_request - a chunk, and where it should be
 * @size: bytes, 1 or more
 * @align: bytes, a power of two, of the address; 0: the granule
 * @phase: bytes, less than @align and a multiple of the granule, by which the address is above a
 *	multiple of @align
 * @fit: which free chunk; XHEAP_FIRST_FIT needs a heap that is by_address
 * @fixed: the chunk must begin at @at, which needs a heap that is by_address
 * @at: the address, a multiple of the granule, if @fixed
 * @max_waste: bytes, as xheap_args.max_waste for this request; 0: as the heap's, 1: always split
 * @gfp: as for xheap_alloc()
 */
struct xheap_request {
	u64		size;
	u64		align;
	u64		phase;
	enum xheap_fit	fit;
	bool		fixed;
	u64		at;
	u64		max_waste;
	gfp_t		gfp;
};

/**
 * struct xheap_stats - what a heap has
 * @total: bytes of its regions; @total = @free + @live
 * @limit: bytes of regions that it may have
 * @free: bytes in free chunks
 * @live: bytes in chunks that clients hold
 * @largest_free: bytes of the largest free chunk
 * @chunks: chunks that clients hold
 * @free_chunks: free chunks
 * @regions: runs of addresses that the heap is made of
 * @granule: bytes
 * @metadata: bytes taken from the system at creation, all that the heap ever takes
 * @fragmentation: per mille of @free that is not in the largest free chunk; 0 where none is free
 * @failures: requests that were not met
 * @errors: calls that were refused
 * @grown: regions taken so far, those of creation besides
 * @returned: regions given back so far
 * @bins: chunks by xheap_bin(), the free ones by their size and the others by what was asked for
 */
struct xheap_stats {
	u64	total;
	u64	limit;
	u64	free;
	u64	live;
	u64	largest_free;
	u64	chunks;
	u64	free_chunks;
	u64	regions;
	u64	granule;
	u64	metadata;
	u64	fragmentation;
	u64	failures;
	u64	errors;
	u64	grown;
	u64	returned;
	struct {
		u32	free;
		u32	live;
	} bins[XHEAP_BINS];
};

/* Of what a client knows of heaps; see xstamp.h. */
static __always_inline u32 xheap_stamp(void)
{
	u32 stamp = XSTAMP_START;

	stamp = XSTAMP_FIELD(stamp, xheap_args, pool);
	stamp = XSTAMP_FIELD(stamp, xheap_args, max_waste);
	stamp = xstamp_add(stamp, sizeof(struct xheap_args));
	stamp = XSTAMP_FIELD(stamp, xheap_request, gfp);
	stamp = xstamp_add(stamp, sizeof(struct xheap_request));
	stamp = XSTAMP_FIELD(stamp, xheap_stats, bins);
	return xstamp_add(stamp, sizeof(struct xheap_stats));
}

struct xheap *xheap_create_stamped(const struct xheap_args *args, u32 stamp,
				   struct module *client);
int xheap_destroy(struct xheap *heap);

/**
 * xheap_create() - make a heap
 * @args: its range and its rules
 *
 * Takes all metadata for max_size from the system: 12 bytes a granule. That is at most 5 % of the
 * range at granules of 256 bytes, from 1 MiB on, or from 4 MiB on with by_address, and 1.6 % at
 * granules of 1 KiB. Nothing is taken from it later.
 *
 * Context: Process context, may sleep; not from reclaim.
 * Return: the heap; or, with nothing changed and a line in the log that names the argument,
 * an error pointer: -EINVAL (an argument out of bounds), -EEXIST (the name is taken), -EBUSY
 * (a range of addresses of which another heap has a part), -ENOSPC (the pool has not enough),
 * -ENOMEM, -EDEADLK (the system reclaims memory), -ENOEXEC (the client was built for another
 * xalloc). -EINVAL without a line where @args is NULL.
 */
static inline struct xheap *xheap_create(const struct xheap_args *args)
{
	return xheap_create_stamped(args, xheap_stamp(), THIS_MODULE);
}

void *xheap_alloc(struct xheap *heap, u64 size, gfp_t gfp);
int xheap_free(struct xheap *heap, const void *addr);
int xheap_alloc_number(struct xheap *heap, u64 size, gfp_t gfp, u64 *number);
int xheap_free_number(struct xheap *heap, u64 number);
int xheap_free_sized(struct xheap *heap, u64 number, u64 size);
int xheap_alloc_request(struct xheap *heap, const struct xheap_request *request, u64 *number);
int xheap_resize(struct xheap *heap, const void *addr, u64 size);
int xheap_resize_number(struct xheap *heap, u64 number, u64 size);
u64 xheap_size_of(struct xheap *heap, const void *addr);
u64 xheap_size_of_number(struct xheap *heap, u64 number);

u64 xheap_avail(struct xheap *heap);
u64 xheap_trim(struct xheap *heap);
void xheap_stats(struct xheap *heap, struct xheap_stats *stats);
unsigned int xheap_bin(const struct xheap *heap, u64 size);
int xheap_validate(struct xheap *heap);

#endif
