/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Heaps: what the files of the layer share
 *
 * Kbuild lists the files from the top down; the theory is at the top of xheap.c.
 */
#ifndef _XALLOC_HEAP_H
#define _XALLOC_HEAP_H

#include <linux/log2.h>
#include <linux/overflow.h>
#include <linux/ratelimit.h>

#include <xalloc/xheap.h>

#include "../base/base.h"
#include "../pool/pool.h"

/**
 * struct xgranule - what is known of a granule, out of band
 * @tag: what begins or ends here, see below; 0 inside of a chunk
 * @next: of a free chunk: the next one of its bin; deferred: the next on the stack; 0: none
 * @prev: of a free chunk: the one before it in its bin; of the first one, xprev_bin()
 * @asked: of a live chunk: the bin of statistics of what was asked for
 *
 * The links are those of the first granule of a chunk.
 */
struct xgranule {
	u32		tag;
	u32		next;
	union {
		u32	prev;
		u32	asked;
	};
};

static_assert(sizeof(struct xgranule) == 12);

/*
 * A tag is a number of granules and a state: of a chunk, at its first granule; END at the last
 * one of a free chunk that has more than one.
 */
#define XTAG_FREE	1U
#define XTAG_LIVE	2U
#define XTAG_DEFERRED	3U	/* freed in an NMI, waits for the lock */
#define XTAG_END	(XTAG_FREE | 4U)
#define XTAG_STATE	7U
#define XTAG_SHIFT	3
#define XHEAP_MAX_GRANULES	((1U << (32 - XTAG_SHIFT)) - 64)

/*
 * Bins: 64 a doubling, of one size each up to 128 granules. Two levels of bitmaps say which have a
 * chunk: a word for 64 bins, and a word for all of these words.
 */
#define XBIN_SHIFT	6
#define XBIN_NONE	U32_MAX
#define XBIN_WORDS	(32 - XTAG_SHIFT - XBIN_SHIFT + 1)

static_assert(BIT(XBIN_SHIFT) == BITS_PER_LONG);

#define XHEAP_LOOK	8U	/* chunks of a bin that a request looks at */

#define XORDER_LEAF_SHIFT	4	/* granules of a leaf: a bit each of a u16 */
#define XORDER_LEVELS	14
#define XORDER_STALE	4U

/**
 * struct xorder - the largest free chunk by address, of heaps that need it (heap/order.c)
 * @nr_levels: 0: the heap does not
 * @nr: entries of each level
 * @level: 0: the largest free chunk that begins in 16 granules; above: the largest of four
 * @starts: the granules of these 16 at which free chunks begin, as bits
 * @low: no free chunk of @low_size granules begins below this one
 * @low_size: granules
 * @stale: entries of level 0 that may not be what they should be
 * @nr_stale: how many there were so far
 */
struct xorder {
	unsigned int	nr_levels;
	u32		nr[XORDER_LEVELS];
	u32		*level[XORDER_LEVELS];
	u16		*starts;
	u32		low;
	u32		low_size;
	u32		stale[XORDER_STALE];
	u32		nr_stale;
};

/**
 * struct xheap_region - a run of addresses
 * @start: its first address
 * @bytes: its length while it is there, else 0
 * @length: bytes that count against the limit
 * @first: granule number of @start
 * @unit: the first of its units; see heap/region.c
 * @units: how many; 0: this slot is free
 * @stays: it came at creation, and goes with the heap
 */
struct xheap_region {
	u64		start;
	u64		bytes;
	u64		length;
	u32		first;
	u32		unit;
	u32		units;
	bool		stays;
};

/**
 * struct xheap_regions - the regions of a heap; but @slot[].bytes under its lock
 * @slot: regions; one stays in its slot
 * @nr_slots: slots that were ever used
 * @sorted: slots of those that are there, by address
 * @nr: how many these are
 * @of_unit: slot of the region that has a unit; NULL where there is one region for ever
 * @taken: units that are in use, as bits
 * @nr_units: units in all
 * @unit_bytes: addresses of a unit
 * @stride: granule numbers of a unit
 * @bytes: of all regions, those on their way included
 * @granules: of those that are there
 */
struct xheap_regions {
	struct xheap_region	*slot;
	u32			nr_slots;
	u32			*sorted;
	u32			nr;
	u32			*of_unit;
	unsigned long		*taken;
	u32			nr_units;
	u64			unit_bytes;
	u32			stride;
	u64			bytes;
	u64			granules;
};

/**
 * struct xheap - a heap
 * @lock: protects all that changes
 * @deferred: the first of a stack of chunks that NMIs freed; 0: none
 * @bin: the first free chunk of each bin; 0: none
 * @bin_words: the words of @bin_map that have any, as bits
 * @shift: of a granule's size
 * @mask: a granule's size, less 1
 * @single: of heaps of one range for ever: where it starts and its length, else 0
 * @plain: @limit; 0 where not all is best fit, or not any chunk broken, or there is an order
 * @max_split: granules; see struct xheap_args
 * @max_waste: granules; see there, too
 * @idle_from: granules; a free chunk of as many may be a region to give back. U32_MAX: none is
 * @max_idle: granules; see struct xheap_args
 * @first_fit: what requests get that do not say
 * @numbers: the range is no memory
 * @grows: it takes regions
 * @live: granules in live chunks, deferred ones included
 * @free_in: free chunks by the doubling of their size
 * @live_in: live chunks by the doubling of what was asked for
 * @order: largest free chunks by address
 * @regions: what addresses there are
 * @failures: requests not met
 * @errors: calls refused
 * @grown: regions that came after creation
 * @returned: regions given back
 * @limit: bytes of regions at most
 * @region_size: bytes of a region at least
 * @pool: where regions come from, or NULL
 * @holder: the heap as a holder of its pages
 * @shut: bits; not 0: no region stays idle (heap/holder.c)
 * @range: the range of one without a pool
 * @metadata: bytes of all tables
 * @listing: the entry of the list of all heaps, and what belongs to the observer
 * @name: for the log
 * @bin_map: bins that have a chunk, as bits, 64 bins a word
 * @granules: by granule number; number 0 is of no chunk
 */
struct xheap {
	raw_spinlock_t		lock;
	atomic_t		deferred;
	u32			*bin;
	unsigned long		bin_words;
	unsigned int		shift;
	u64			mask;
	struct {
		u64		start;
		u64		bytes;
	} single;
	u64			plain;
	u32			max_split;
	u32			max_waste;
	u32			idle_from;
	u64			max_idle;
	bool			first_fit;
	bool			numbers;
	bool			grows;

	u32			live;
	u32			free_in[XHEAP_BINS];
	u32			live_in[XHEAP_BINS];

	struct xorder		order;
	struct xheap_regions	regions;

	atomic_long_t		failures;
	atomic_long_t		errors;
	u64			grown;
	u64			returned;

	u64			limit;
	u64			region_size;
	struct xpool		*pool;
	struct xholder		holder;
	unsigned long		shut;
	struct {
		u64		start;
		u64		bytes;
	} range;
	size_t			metadata;
	struct {
		struct xlisted	entry;
		void		*observed;
	} listing;
	char			name[XPOOL_NAME_MAX];
	unsigned long		bin_map[XBIN_WORDS];
	struct xgranule		granules[];
};

extern struct list_head xheap_list;	/* under xpool_registry */

/**
 * struct xwant - a request, in granules
 * @bytes: what was asked for
 * @size: granules of it
 * @max_waste: the split rule
 * @align: bytes; 0: any granule will do
 * @phase: bytes that the address is above a multiple of @align
 * @first_fit: the lowest address
 * @fixed: the chunk begins at granule @at
 * @at: that granule
 */
struct xwant {
	u64	bytes;
	u32	size;
	u32	max_waste;
	u64	align;
	u64	phase;
	bool	first_fit;
	bool	fixed;
	u32	at;
};

/**
 * struct xheap_walk - where a walk over the chunks of a heap is; 0 at first
 * @start: the first address of the region
 * @bytes: its length; 0: the walk has not begun
 * @at: granules of it that were passed
 */
struct xheap_walk {
	u64	start;
	u64	bytes;
	u32	at;
};

#define XHEAP_WALK_MAX	64U	/* chunks that are looked at under one lock */

/* xheap.c */
void xheap_destroy_all(struct xheap *heap);

/* args.c */
int xheap_args_check(struct xheap *heap, const struct xheap_args *args);

/* walk.c */
bool xheap_walk_region(struct xheap *heap, struct xheap_walk *walk);
unsigned int xheap_walk(struct xheap *heap, struct xheap_walk *walk, s32 *chunks, unsigned int nr);

/* setup.c */
struct xheap *xheap_setup(const struct xheap *plan, bool by_address);
void xheap_teardown(struct xheap *heap);

/* listed.c */
int xheap_listed_add(struct xheap *heap);
void xheap_listed_show(struct xheap *heap);
void xheap_listed_del(struct xheap *heap);
struct xheap *xheap_listed_find(const struct xholder *holder);
struct xheap *xheap_listed_pin(const struct xholder *holder);

/* holder.c */
int xheap_holder_add(struct xheap *heap, u64 staying);
void xheap_holder_del(struct xheap *heap);

/* refuse.c */
int xheap_refuse_request(struct xheap *heap, u64 size, int err, const char *reason);
int xheap_refuse_chunk(struct xheap *heap, const char *call, u64 address, int err);

/* grow.c */
int xheap_grow_start(struct xheap *heap, u64 size);
int xheap_grow_reserve(struct xheap *heap, u64 bytes, bool exact, struct xheap_region **region);
bool xheap_grow_fetch(struct xheap *heap, struct xheap_region *region, u64 align, gfp_t gfp,
		      u64 *start);
void xheap_grow_add(struct xheap *heap, struct xheap_region *region, u64 start);
u64 xheap_grow_idle(struct xheap *heap);
u64 xheap_grow_trim(struct xheap *heap);
bool xheap_grow_has_excess(const struct xheap *heap);
void xheap_grow_return(struct xheap *heap);
void xheap_grow_stop(struct xheap *heap);

/* place.c */
int xheap_place(struct xheap *heap, const struct xwant *want, u64 *address);

/* resize.c */
int xheap_resize_live(struct xheap *heap, u64 address, u64 bytes);

/* look.c */
u32 xheap_look_around(const struct xheap *heap, u32 number);
int xheap_look_error(const struct xheap *heap, u64 address);

/* defer.c */
int xheap_defer(struct xheap *heap, u64 address, u32 size);
void xheap_defer_drain(struct xheap *heap);

/* region.c */
struct xheap_region *xheap_region_reserve(struct xheap *heap, u64 bytes);
void xheap_region_cancel(struct xheap *heap, struct xheap_region *region);
void xheap_region_add(struct xheap *heap, struct xheap_region *region, u64 start);
void xheap_region_del(struct xheap *heap, struct xheap_region *region);
bool xheap_region_is_idle(const struct xheap *heap, const struct xheap_region *region);
const struct xheap_region *xheap_region_search(const struct xheap *heap, u64 address);
const struct xheap_region *xheap_region_scan(const struct xheap *heap, u64 address);

/* order.c */
size_t xheap_order_layout(struct xorder *order, u32 nr, u32 *at);
void xheap_order_update(struct xheap *heap, u32 a, u32 b);
u32 xheap_order_largest(struct xheap *heap);
u32 xheap_order_first(struct xheap *heap, u32 size);
u32 xheap_order_next(struct xheap *heap, u32 from, u32 size);
u32 xheap_order_before(struct xheap *heap, u32 to);
bool xheap_order_valid(struct xheap *heap);

/* That is all that the files show. */

/* Say why the arguments of a heap are refused; the value is @err. */
#define heap_refuse(name, err, fmt, ...) \
	({ pr_err("heap %s: " fmt "\n", name, ##__VA_ARGS__); (err); })

static __always_inline u32 xtag(u32 size, u32 state)
{
	return (size << XTAG_SHIFT) | state;
}

static __always_inline u32 xtag_size(u32 tag)
{
	return tag >> XTAG_SHIFT;
}

/* Does a free chunk begin or end there? */
static __always_inline bool xtag_is_free(u32 tag)
{
	return (tag & (XTAG_FREE | XTAG_LIVE)) == XTAG_FREE;
}

/* Granule numbers, in units and with a spare one at the end. */
static inline u32 xheap_nr_numbers(const struct xheap *heap)
{
	return heap->regions.nr_units * heap->regions.stride + 2;
}

static __always_inline u64 xheap_free_granules(const struct xheap *heap)
{
	return heap->regions.granules - heap->live;
}

static __always_inline u32 xheap_chunk_size(const struct xheap *heap, u32 chunk)
{
	return xtag_size(heap->granules[chunk].tag);
}

/*
 * A power of two is the largest size of its bin. So a range of which half is in use does not have
 * its other half change its bin with each chunk that is cut from it and comes back.
 */
static __always_inline unsigned int xheap_bin_of(u32 size)
{
	unsigned int shift;

	size--;
	if (size < 2U << XBIN_SHIFT)
		return size;
	shift = __fls(size) - XBIN_SHIFT;
	return (shift << XBIN_SHIFT) + (size >> shift);
}

static __always_inline u64 xheap_granules(const struct xheap *heap, u64 bytes)
{
	return (bytes + heap->mask) >> heap->shift;
}

/* The bin of statistics in which @bytes are. */
static __always_inline unsigned int xheap_doubling(const struct xheap *heap, u64 bytes)
{
	return __fls((bytes >> heap->shift) | 1);
}

static __always_inline u32 xheap_number(const struct xheap *heap,
					const struct xheap_region *region, u64 address)
{
	return region->first + ((address - region->start) >> heap->shift);
}

/* The granule number of @address; 0: it is not that of a granule of the heap. */
static __always_inline u32 xheap_number_of(const struct xheap *heap, u64 address)
{
	const struct xheap_region *region;

	if (unlikely(address & heap->mask))
		return 0;
	if (likely(address - heap->single.start < heap->single.bytes))
		return ((address - heap->single.start) >> heap->shift) + 1;
	region = xheap_region_search(heap, address);
	return region ? xheap_number(heap, region, address) : 0;
}

static __always_inline u64 xheap_address(const struct xheap *heap, u32 number)
{
	const struct xheap_region *region = heap->regions.slot;

	if (likely(heap->single.bytes))
		return heap->single.start + ((u64)(number - 1) << heap->shift);
	region += heap->regions.of_unit[number / heap->regions.stride];
	return region->start + ((u64)(number - region->first) << heap->shift);
}

/* In the place of a chunk before the first one of a bin. */
static __always_inline u32 xprev_bin(unsigned int bin)
{
	return ~bin;
}

static __always_inline bool xprev_is_bin(u32 prev)
{
	return (int)prev < 0;
}

/* The lock, and what NMIs left goes back. Not from an NMI. */
static __always_inline void xheap_lock(struct xheap *heap, unsigned long *flags)
{
	raw_spin_lock_irqsave(&heap->lock, *flags);
	if (unlikely(atomic_read(&heap->deferred)))
		xheap_defer_drain(heap);
}

/* Like xheap_lock(), from any context. Returns false in an NMI that must not wait for it. */
static __always_inline bool xheap_try_lock(struct xheap *heap, unsigned long *flags)
{
	if (unlikely(!xlock(&heap->lock, flags)))
		return false;
	if (unlikely(atomic_read(&heap->deferred)))
		xheap_defer_drain(heap);
	return true;
}

static __always_inline void xheap_unlock(struct xheap *heap, unsigned long flags)
{
	raw_spin_unlock_irqrestore(&heap->lock, flags);
}

#endif
