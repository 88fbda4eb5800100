/* SPDX-License-Identifier: GPL-2.0 */
/*
 * xslab: caches of objects of one size, in a private pool.
 *
 * The interface is that of kmem_cache with another prefix and the same order
 * of arguments.
 */
#ifndef _XALLOC_XSLAB_H
#define _XALLOC_XSLAB_H

#include <linux/gfp.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/types.h>

#include <xalloc/impl/xstamp.h>

struct xpool;
struct xslab_cache;

#define XSLAB_NAME_MAX		32		/* with the closing zero */
/* Bytes; smaller objects are padded. A page has 256 objects at most, also a large page. */
#define XSLAB_MIN_STRIDE	(PAGE_SIZE / 256 > 16 ? PAGE_SIZE / 256 : 16)
#define XSLAB_MAX_SIZE		(256 << 10)	/* bytes */

/*
 * No flag is one of kmem_cache's: those have 32 bits, on all kernels, so these are above.
 * One that is passed here by mistake is refused, and never taken for another.
 */
typedef u64 __bitwise xslab_flags_t;

#define XSLAB_FLAG(nr)		((__force xslab_flags_t)(1ULL << (32 + (nr))))

/* Objects start at cache lines, or at halves and quarters of one if small. */
#define XSLAB_HWCACHE_ALIGN	XSLAB_FLAG(0)
/*
 * A free does not look whether its object is live. All other checks stay; a double free is
 * found when a magazine is flushed and the object is in its slab already, or that has gone.
 */
#define XSLAB_NO_CHECKS		XSLAB_FLAG(1)

/*
 * An allocation whose gfp flags have __GFP_DIRECT_RECLAIM sleeps until there is an
 * object, unless it is killed.
 */
#define XSLAB_WAIT		XSLAB_FLAG(2)

/*
 * The client writes to an object as soon as it has it. So the CPU fetches a line of each
 * object with which a magazine is refilled from slabs, and of the first 256 objects of a
 * bulk allocation. Objects of up to a line are left to the hardware. Not for memory that a
 * device uses: without this flag the CPU does nothing to it that the client does not.
 */
#define XSLAB_PREFETCH		XSLAB_FLAG(3)

/*
 * A slab goes back to the pool only a grace period after it left the cache. So what a reader
 * finds under rcu_read_lock() is an object of this cache for as long as it looks, though
 * perhaps not the same one any more: objects are used again at once. Constructors run once,
 * when a slab is made, and __GFP_ZERO clears an object that a reader may look at, so a
 * client that has a lock or a sequence count in it does not use it. Such slabs are not torn.
 */
#define XSLAB_TYPESAFE_BY_RCU	XSLAB_FLAG(4)

/**
 * struct xslab_limits - what a cache may have; in pages, ULONG_MAX is no limit
 * @hard: in slabs. Never exceeded: allocations fail, or wait
 * @cache: that no client uses: free slabs, and slabs that would hold what the
 *	magazines of all CPUs and the depot may. A limit below the latter closes the
 *	magazines. What is more goes back when it is freed; what xslab_cache_prefill()
 *	asked to keep does not count
 */
struct xslab_limits {
	unsigned long	hard;
	unsigned long	cache;
};

/**
 * enum xslab_move - what a client says when it is asked to move an object
 * @XSLAB_MOVED: done; no client has the old object any more
 * @XSLAB_KEPT: not now, or never: the new object is not used
 * @XSLAB_GONE: the client is freeing the old object; the new one is not used
 * @XSLAB_UNKNOWN: the client does not know the old object (yet): it was just
 *	allocated; the new one is not used
 */
enum xslab_move {
	XSLAB_MOVED,
	XSLAB_KEPT,
	XSLAB_GONE,
	XSLAB_UNKNOWN,
};

typedef enum xslab_move (*xslab_move_fn)(void *arg, void *old, void *new, size_t size);

/**
 * struct xslab_args - a cache to create
 * @name: names the cache in debugfs; as for struct xpool_args, but need not be unique
 * @size: bytes of an object, 1 to 256 KiB
 * @align: alignment of objects in bytes, a power of two up to PAGE_SIZE; 0 is 8
 * @flags: XSLAB_HWCACHE_ALIGN, XSLAB_NO_CHECKS, XSLAB_WAIT, XSLAB_PREFETCH,
 *	XSLAB_TYPESAFE_BY_RCU
 * @ctor: called once for each object when its slab is made; must not sleep
 * @magazine: objects that a magazine holds at most, up to 64; 0: as many as a slab or 64 KiB have
 * @depot: magazines that the depot holds at most, fewer where the caches of the pool keep
 *	an eighth of it already; 0 is a default
 */
struct xslab_args {
	const char	*name;
	size_t		size;
	size_t		align;
	xslab_flags_t	flags;
	void		(*ctor)(void *obj);
	unsigned int	magazine;
	unsigned int	depot;
};

/**
 * struct xslab_stats - what a cache holds and did
 *
 * Is memory lost, or only kept? @live objects are lost if no client knows them any
 * more. What @magazines, @depot and @empty_pages keep comes back with
 * xslab_cache_collect(); what @partial_free counts comes back only with the objects beside it,
 * or where those can be moved.
 *
 * @object_size: bytes asked for
 * @stride: bytes from one object to the next
 * @slab_order: a slab is a block of 2^@slab_order pages
 * @objects_per_slab: objects in a slab
 * @slab_waste: bytes of a slab that no object covers
 * @magazine_size: objects that a magazine holds
 * @slabs: all slabs; @slabs = @slabs_full + @slabs_partial + @slabs_free
 * @slabs_full: slabs without a free object
 * @slabs_partial: slabs with free objects and others
 * @slabs_free: slabs with free objects only
 * @slabs_torn: those of the full and partial ones that gave back some of their pages,
 *	and have fewer objects since
 * @holes: pages that these gave back; the cache has @slabs << @slab_order - @holes
 * @slabs_waiting: slabs that left the cache and wait for a grace period before the pool
 *	has them; not part of @slabs, but limits count them
 * @capacity: objects in all slabs; @capacity = @live + @magazines + @depot +
 *	@slab_free + @moving + @waiting
 * @live: held by clients
 * @magazines: in the magazines of the CPUs
 * @depot: in full magazines in the depot
 * @slab_free: free in slabs
 * @partial_free: those of @slab_free in slabs that also hold others
 * @empty_pages: pages of @slabs_free
 * @reserved: objects that xslab_cache_prefill() keeps in slabs
 * @moving: free, but kept aside while others of their slab are moved
 * @waiting: given to xslab_cache_free_rcu(), for less than a grace period
 * @waiters: tasks that wait for an object
 * @returned_pages: pages that went back to the pool so far
 * @allocs: objects handed out so far
 * @frees: objects taken back so far, with those of @waiting; @allocs = @frees + @live
 * @refills: magazines loaded, from the depot or from slabs
 * @flushes: magazines unloaded, to the depot or to slabs
 * @depot_hits: those of @refills and @flushes that the depot served
 * @busy: operations that found their CPU's magazines in use, and went past them
 * @failures: allocations that returned NULL
 * @errors: frees and destroys that were refused
 * @metadata: bytes taken from the system for this cache
 */
struct xslab_stats {
	u64	object_size;
	u64	stride;
	u64	slab_order;
	u64	objects_per_slab;
	u64	slab_waste;
	u64	magazine_size;
	u64	slabs;
	u64	slabs_full;
	u64	slabs_partial;
	u64	slabs_free;
	u64	slabs_torn;
	u64	holes;
	u64	slabs_waiting;
	u64	capacity;
	u64	live;
	u64	magazines;
	u64	depot;
	u64	slab_free;
	u64	partial_free;
	u64	empty_pages;
	u64	reserved;
	u64	moving;
	u64	waiting;
	u64	waiters;
	u64	returned_pages;
	u64	allocs;
	u64	frees;
	u64	refills;
	u64	flushes;
	u64	depot_hits;
	u64	busy;
	u64	failures;
	u64	errors;
	u64	metadata;
};

struct xslab_cache *xslab_cache_create_stamped(struct xpool *pool,
					       const struct xslab_args *args, u64 stamp,
					       struct module *client);
struct xslab_cache *xslab_cache_create_default(const struct xslab_args *args, u64 stamp,
					       struct module *client);
int xslab_cache_destroy(struct xslab_cache *cache);

void *xslab_cache_alloc(struct xslab_cache *cache, gfp_t gfp);
int xslab_cache_free(struct xslab_cache *cache, void *obj);
int xslab_free(void *obj);
int xslab_cache_free_rcu(struct xslab_cache *cache, void *obj);
int xslab_free_rcu(void *obj);

int xslab_cache_alloc_bulk(struct xslab_cache *cache, gfp_t gfp, size_t nr, void **objs);
void xslab_cache_free_bulk(struct xslab_cache *cache, size_t nr, void **objs);

unsigned long xslab_cache_collect(struct xslab_cache *cache, bool force);
unsigned long xslab_cache_tear(struct xslab_cache *cache);
int xslab_cache_shrink(struct xslab_cache *cache);
int xslab_cache_prefill(struct xslab_cache *cache, unsigned int nr);
void xslab_cache_get_limits(struct xslab_cache *cache, struct xslab_limits *limits);
int xslab_cache_set_limits(struct xslab_cache *cache, const struct xslab_limits *limits);
int xslab_cache_set_move(struct xslab_cache *cache, xslab_move_fn move, void *arg);
int xslab_cache_set_decay(struct xslab_cache *cache, long ms);
long xslab_cache_get_decay(struct xslab_cache *cache);

unsigned int xslab_cache_size(const struct xslab_cache *cache);
const char *xslab_cache_name(const struct xslab_cache *cache);
void xslab_cache_stats(struct xslab_cache *cache, struct xslab_stats *stats);
int xslab_validate(struct xslab_cache *cache);

/*
 * A client with XSLAB_NO_INLINE defined calls for each operation, and knows nothing of how
 * caches and magazines are made: xalloc may be built again without it.
 */
#ifndef XSLAB_NO_INLINE
#include <xalloc/impl/xslab_fast.h>
#else
#define xslab_fast_stamp()	0U
#endif

/* Of what a client knows of caches: in the lower half what its inline functions do, or 0. */
static __always_inline u64 xslab_stamp(void)
{
	u32 stamp = XSTAMP_START;

	stamp = XSTAMP_FIELD(stamp, xslab_args, name);
	stamp = XSTAMP_FIELD(stamp, xslab_args, size);
	stamp = XSTAMP_FIELD(stamp, xslab_args, align);
	stamp = XSTAMP_FIELD(stamp, xslab_args, flags);
	stamp = XSTAMP_FIELD(stamp, xslab_args, ctor);
	stamp = XSTAMP_FIELD(stamp, xslab_args, magazine);
	stamp = XSTAMP_FIELD(stamp, xslab_args, depot);
	stamp = xstamp_add(stamp, sizeof(struct xslab_args));
	stamp = xstamp_add(stamp, (__force u64)XSLAB_HWCACHE_ALIGN);
	stamp = XSTAMP_FIELD(stamp, xslab_limits, hard);
	stamp = XSTAMP_FIELD(stamp, xslab_limits, cache);
	stamp = xstamp_add(stamp, sizeof(struct xslab_limits));
	stamp = XSTAMP_FIELD(stamp, xslab_stats, live);
	stamp = XSTAMP_FIELD(stamp, xslab_stats, metadata);
	stamp = xstamp_add(stamp, sizeof(struct xslab_stats));
	stamp = xstamp_add(stamp, XSLAB_UNKNOWN);
	return (u64)stamp << 32 | xslab_fast_stamp();
}

/**
 * xslab_cache_create_in() - make a cache in a pool
 * @pool: the pool
 * @args: the cache; names need not be unique
 *
 * Takes all metadata from the system; using the cache takes nothing any more.
 * The module cannot be unloaded, nor the pool destroyed, until the cache is.
 *
 * Context: Process context, may sleep; not from a shrinker. Also from a move callback.
 * Return: the cache; or an error pointer: with a line in the log -EINVAL where an
 * argument is out of bounds, or a slab does not fit into the pool, -EBUSY where the pool
 * was destroyed, -EDEADLK while the system reclaims memory, -ENOEXEC where the client was
 * built for another xalloc; -ENOMEM.
 */
static inline struct xslab_cache *xslab_cache_create_in(struct xpool *pool,
							const struct xslab_args *args)
{
	return xslab_cache_create_stamped(pool, args, xslab_stamp(), THIS_MODULE);
}

/**
 * xslab_cache_create() - make a cache in the default pool
 * @name: names it in debugfs; see struct xslab_args
 * @size: bytes of an object, 1 to 256 KiB
 * @align: of objects, a power of two up to PAGE_SIZE; 0 is 8
 * @flags: as in struct xslab_args. A flag of kmem_cache is refused by name
 * @ctor: called once for each object when its slab is made, or NULL; must not
 *	sleep
 *
 * Context: Process context, may sleep.
 * Return: the cache, or NULL, as kmem_cache_create(). xslab_cache_create_in()
 * says why, and so does the log, also where there is no default pool.
 */
static inline struct xslab_cache *xslab_cache_create(const char *name, size_t size,
						     size_t align, xslab_flags_t flags,
						     void (*ctor)(void *obj))
{
	const struct xslab_args args = {
		.name = name, .size = size, .align = align, .flags = flags, .ctor = ctor,
	};

	return xslab_cache_create_default(&args, xslab_stamp(), THIS_MODULE);
}

#endif
