// SPDX-License-Identifier: GPL-2.0
/*
 * xcache: caches come and go
 *
 * What a cache is made of is decided here, once: how large its slabs and magazines are,
 * the constants of its arithmetic, and which table its live bytes are in. What it does then,
 * and what live bytes are, is in xslab.c.
 *
 * Slabs
 *
 * The order is the smallest that gives a slab 16 objects, 8 pages at most, and at most 64
 * objects: then one word is the map, a refill takes it whole, and the fullness of the slab
 * is the weight of that word. At most 1/8 of a slab may be left over. Objects below 64 bytes
 * need up to four words.
 *
 * So slabs are about as large as SLUB's, and a cache has no more pages than there,
 * whatever its number of objects. Slabs of up to 64 objects were tried: the last of 30,000
 * objects of 1 KiB left half a slab (99.94 percent live, now 100), and seven of eight of 256
 * bytes freed at random left pages that could not go (14.0 percent, now 14.2, SLUB 14.1).
 * Smaller ones cost no more, since full slabs that become free in a row do so together:
 * 256 bytes, with checks, freed in order 53 and now 55, at random 83 and 85, by 64 17.
 *
 * Magazines hold as many objects as a slab or 64 KiB have, whichever is more, but 64 at
 * most, and no more than leaves seven eighths of the pool to others when all are full.
 *
 * All memory that a cache will ever take from the system is taken here.
 *
 * Locks: xpool_registry, over all of it.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/cache.h>
#include <linux/export.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "xslab_impl.h"

/* The smallest slab is a page, and its map must hold it, also where pages are large. */
static_assert(PAGE_SIZE / XSLAB_MIN_STRIDE <= XSLAB_MAX_PER_SLAB);

#define XSLAB_GOOD_ORDER	3U	/* as SLUB's: more is hard to get */
#define XSLAB_ENOUGH		16U	/* objects of a slab, where that takes no larger one */
#define XSLAB_MAX_WASTE		8	/* at most 1/8 of a slab */
#define XSLAB_DEPOT		32U	/* magazines, unless asked for otherwise */
#define XSLAB_MAGAZINE_BYTES	SZ_64K	/* of objects that a magazine holds at most */
#define XSLAB_FLAGS		(XSLAB_HWCACHE_ALIGN | XSLAB_NO_CHECKS | XSLAB_WAIT | \
				 XSLAB_PREFETCH)
#define XSLAB_LARGE		2U	/* objects of a slab that each pin much of it */

/**
 * struct xlive - the bytes that say whether an object is live
 * @users: caches
 * @bytes: of the table
 * @mem: the table
 */
struct xlive {
	unsigned int	users;
	size_t		bytes;
	u8		*mem;
};

LIST_HEAD(xslab_list);
static bool checks = true;

/* Whether caches made from now on check for double frees at once. */
void xslab_set_checks(bool on)
{
	WRITE_ONCE(checks, on);
}

/* The cache after @cache, or the first one; NULL at the end. Under xpool_registry. */
struct xslab_cache *xslab_cache_next(struct xslab_cache *cache)
{
	struct list_head *next = cache ? cache->node.next : xslab_list.next;

	lockdep_assert_held(&xpool_registry);
	return next == &xslab_list ? NULL : list_entry(next, struct xslab_cache, node);
}

/*
 * The table of live bytes
 */

static unsigned int live_shift(unsigned int stride)
{
	return min_t(unsigned int, ilog2(stride), PAGE_SHIFT);
}

/* Under xpool_registry. The table lives as long as a cache uses it. */
static int get_live(struct xslab_cache *cache)
{
	struct xpool *pool = cache->pool;
	struct xlive **slot = &pool->live[live_shift(cache->stride)];
	unsigned long pages = pool->buddy.nr - (pool->start >> PAGE_SHIFT);
	struct xlive *live = *slot;

	cache->live_shift = live_shift(cache->stride);
	if (!live) {
		live = xmeta_alloc(sizeof(*live));
		if (!live)
			return -ENOMEM;
		live->bytes = (pages << PAGE_SHIFT) >> cache->live_shift;
		live->mem = xmeta_alloc(live->bytes);
		if (!live->mem) {
			xmeta_free(live);
			return -ENOMEM;
		}
		pool->live_bytes += live->bytes;
		*slot = live;
	}
	live->users++;
	cache->live = live->mem - (pool->start >> cache->live_shift);
	return 0;
}

/* log2 of the slabs whose live bytes share a line, where a magazine takes all of them. */
static unsigned int live_group(const struct xslab_cache *cache)
{
	unsigned int line = ilog2(L1_CACHE_BYTES) + cache->live_shift;
	unsigned int slab = PAGE_SHIFT + cache->order;

	if (line <= slab || cache->per_slab << (line - slab) > cache->mag.size)
		return 0;
	return line - slab;
}

static void put_live(struct xslab_cache *cache)
{
	struct xlive **slot = &cache->pool->live[cache->live_shift];
	struct xlive *live = *slot;

	if (!cache->live || --live->users)
		return;
	cache->pool->live_bytes -= live->bytes;
	*slot = NULL;
	xmeta_free(live->mem);
	xmeta_free(live);
}

/*
 * Arguments and geometry
 */

#define refuse(name, err, fmt, ...) \
	({ pr_err("cache %s: " fmt "\n", (name), ##__VA_ARGS__); (err); })

static int check_name(const char *name)
{
	if (name && *name && strnlen(name, XSLAB_NAME_MAX) < XSLAB_NAME_MAX &&
	    !strchr(name, '/') && strcmp(name, ".") && strcmp(name, ".."))
		return 0;
	pr_err("cache: name: need 1 to %d characters, no slash\n", XSLAB_NAME_MAX - 1);
	return -EINVAL;
}

static int check_args(const struct xslab_args *args)
{
	int err = check_name(args->name);

	if (err)
		return err;
	if (!args->size || args->size > XSLAB_MAX_SIZE)
		return refuse(args->name, -EINVAL, "size %zu: need 1 to %d bytes",
			      args->size, XSLAB_MAX_SIZE);
	if (args->align && (!is_power_of_2(args->align) || args->align > PAGE_SIZE))
		return refuse(args->name, -EINVAL, "align %zu: need a power of two up to %lu",
			      args->align, PAGE_SIZE);
	if (args->flags & ~XSLAB_FLAGS)
		return refuse(args->name, -EINVAL, "flags %x: not known",
			      (__force unsigned int)(args->flags & ~XSLAB_FLAGS));
	if (args->depot > U16_MAX)
		return refuse(args->name, -EINVAL, "depot %u: need at most %u magazines",
			      args->depot, U16_MAX);
	return 0;
}

/* A small object need not have a line of its own, only not straddle two. */
static size_t line_align(size_t size)
{
	size_t align = cache_line_size();

	while (size <= align / 2)
		align /= 2;
	return align;
}

static size_t object_align(const struct xslab_args *args)
{
	size_t align = max_t(size_t, args->align, sizeof(void *));

	return args->flags & XSLAB_HWCACHE_ALIGN ?
	       max(align, line_align(args->size)) : align;
}

static bool wastes_little(size_t stride, unsigned int order)
{
	size_t bytes = PAGE_SIZE << order;

	return stride <= bytes && bytes % stride <= bytes / XSLAB_MAX_WASTE;
}

/*
 * Small pools get small slabs: an order of which the pool has at least 64
 * blocks, where the object allows.
 */
static unsigned int good_order(const struct xpool *pool)
{
	unsigned long blocks = pool->nr_pages / 64;

	return blocks ? min_t(unsigned int, ilog2(blocks), XSLAB_GOOD_ORDER) : 0;
}

/* Do at least @least objects make such a slab, which needs one word for a map? */
static bool fits_word(size_t stride, unsigned int order, unsigned int least)
{
	unsigned long objs = (PAGE_SIZE << order) / stride;

	return wastes_little(stride, order) && objs >= least && objs <= BITS_PER_LONG;
}

/*
 * The smallest good order that gives enough objects, else the largest good one, each with
 * one word for a map; where there is none, the smallest that wastes little.
 */
static int choose_order(const struct xpool *pool, size_t stride)
{
	int good = good_order(pool), order;

	for (order = 0; order <= good; order++)
		if (fits_word(stride, order, XSLAB_ENOUGH))
			return order;
	for (order = good; order >= 0; order--)
		if (fits_word(stride, order, 1))
			return order;
	for (order = 0; order <= XBUDDY_MAX_ORDER; order++)
		if (wastes_little(stride, order))
			return order;
	return -EINVAL;
}

/*
 * As many as a slab or 64 KiB have, but so that the magazines of all CPUs keep at
 * most an eighth of the pool.
 */
static unsigned int magazine_size(const struct xslab_cache *cache)
{
	unsigned long objs = (cache->pool->nr_pages << PAGE_SHIFT) / cache->stride;
	unsigned long fair = objs / (16 * num_possible_cpus());
	unsigned long good = max_t(unsigned long, cache->per_slab,
				   XSLAB_MAGAZINE_BYTES / cache->stride);

	return clamp(min(fair, good), 1UL, (unsigned long)XMAG_MAX_SIZE);
}

/* Is there a place for a slab, which is aligned to its size? */
static bool slab_fits(const struct xpool *pool, unsigned int order)
{
	unsigned long r, pages = 1UL << order;

	for (r = 0; r < pool->nr_regions; r++) {
		const struct xregion *region = &pool->regions[r];

		if (round_up(region->index, pages) + pages <= region->index + region->nr)
			return true;
	}
	return false;
}

static_assert(ilog2(XSLAB_MAX_PER_SLAB) <= XSLAB_BUCKETS);

/*
 * The list for slabs with so many free objects. Partial ones: by the power of two of the
 * others, from the fullest to those of which one object is left.
 */
static unsigned int list_for(const struct xslab_cache *cache, unsigned int nr_free)
{
	if (!nr_free)
		return XSLAB_FULL;
	if (nr_free == cache->per_slab)
		return XSLAB_FREE;
	return XSLAB_BUCKETS - fls(cache->per_slab - nr_free);
}

static int set_geometry(struct xslab_cache *cache, const struct xslab_args *args)
{
	size_t align = object_align(args);
	size_t stride = max_t(size_t, ALIGN(args->size, align), XSLAB_MIN_STRIDE);
	int order = choose_order(cache->pool, stride);
	unsigned int nr;

	if (order < 0 || !slab_fits(cache->pool, order))
		return refuse(args->name, -EINVAL,
			      "size %zu: a slab of it does not fit into pool %s",
			      args->size, cache->pool->name);
	cache->object_size = args->size;
	cache->align = align;
	cache->stride = stride;
	cache->order = order;
	cache->fast.slab_mask = ~((PAGE_SIZE << order) - 1);
	cache->per_slab = (PAGE_SIZE << order) / stride;
	cache->slack = (PAGE_SIZE << order) % stride;
	cache->words = BITS_TO_LONGS(cache->per_slab);
	cache->place = cache->per_slab <= XSLAB_LARGE ? XPLACE_TOP : XPLACE_LOW;
	cache->fast.check.recip = div64_u64(U64_MAX, stride) + 1;
	cache->fast.check.bias = stride - 1 - cache->slack;
	cache->fast.check.nr_recip = DIV_ROUND_UP_ULL(BIT_ULL(32), stride);
	cache->fast.check.nr_slack = cache->slack * cache->fast.check.nr_recip;
	for (nr = 0; nr <= cache->per_slab; nr++)
		cache->list_of[nr] = list_for(cache, nr);
	return 0;
}

/*
 * Come
 */

static void init_cache(struct xslab_cache *cache, struct xpool *pool,
		       const struct xslab_args *args)
{
	unsigned int l;

	strscpy(cache->name, args->name, sizeof(cache->name));
	cache->pool = pool;
	cache->pages = pool->pages;
	cache->beside = pool->pages + pool->buddy.nr;	/* none */
	cache->grown_by = -1;
	cache->ctor = args->ctor;
	cache->flags = args->flags;
	cache->client.reclaim = xslab_client_reclaim;
	cache->client.collect = xslab_client_collect;
	raw_spin_lock_init(&cache->lock);
	INIT_LIST_HEAD(&cache->torn_over);
	xslab_limit_init(cache);
	xwait_init(cache);
	for (l = 0; l < XSLAB_LISTS; l++)
		INIT_LIST_HEAD(&cache->lists[l]);
}

/* What the fast paths use, once geometry and live bytes are known. */
static void set_near(struct xslab_cache *cache)
{
	struct xpool *pool = cache->pool;
	unsigned long first = round_up(pool->start, PAGE_SIZE << cache->order);
	unsigned long end = pool->start + pool->bytes;

	if (cache->live && !pool->bytes)
		xmag_set_detour(&cache->mag);
	if (first >= end)
		return;
	cache->near_start = pool->base + first;
	cache->fast.near_base = cache->near_start - cache->fast.check.bias;
	cache->fast.near_bytes = end - first;
	cache->near_pages = pool->pages + (first >> PAGE_SHIFT);
	cache->fast.near_owners = &cache->near_pages->cache;
	if (!cache->live)
		return;
	cache->fast.check.live = cache->live - (pool->base >> cache->live_shift);
	cache->fast.check.live_shift = cache->live_shift;
}

static void publish(struct xslab_cache *cache)
{
	xpool_add_client(cache->pool, &cache->client);
	cache->pool->nr_caches++;
	list_add_tail(&cache->node, &xslab_list);
	blocking_notifier_call_chain(&xobservers, XOBSERVE_CACHE_ADD, cache);
}

static void unpublish(struct xslab_cache *cache)
{
	blocking_notifier_call_chain(&xobservers, XOBSERVE_CACHE_DEL, cache);
	list_del(&cache->node);
	cache->pool->nr_caches--;
	xpool_del_client(cache->pool, &cache->client);
}

/* Where a slab can be in the pool, now or when it has grown. */
static unsigned long nr_places(const struct xslab_cache *cache)
{
	return cache->pool->buddy.nr >> cache->order;
}

static struct xslab_cache *create(struct xpool *pool, const struct xslab_args *args)
{
	struct xslab_cache *cache = xmeta_alloc(sizeof(*cache));
	int err = -ENOMEM;

	if (!cache)
		return ERR_PTR(-ENOMEM);
	init_cache(cache, pool, args);
	err = set_geometry(cache, args);
	if (err)
		goto undo_cache;
	err = xset_init(&cache->empty, nr_places(cache));
	if (err)
		goto undo_cache;
	err = xset_init(&cache->torn, nr_places(cache));
	if (err)
		goto undo_empty;
	err = xmag_init(&cache->mag, &xfill_ops, magazine_size(cache),
			args->depot ?: XSLAB_DEPOT);
	if (err)
		goto undo_torn;
	xmag_add_route(&cache->mag, &cache->fast.cpus);
	if (READ_ONCE(checks) && !(args->flags & XSLAB_NO_CHECKS)) {
		err = get_live(cache);
		if (err)
			goto undo_mag;
		cache->group = live_group(cache);
	}
	set_near(cache);
	publish(cache);
	return cache;

undo_mag:
	xmag_destroy(&cache->mag);
undo_torn:
	xset_exit(&cache->torn);
undo_empty:
	xset_exit(&cache->empty);
undo_cache:
	xmeta_free(cache);
	return ERR_PTR(err);
}

/**
 * xslab_cache_create_in() - make a cache in a pool
 * @pool: the pool
 * @args: the cache; names need not be unique
 *
 * Takes all metadata from the system; using the cache takes nothing any more.
 * The module cannot be unloaded, nor the pool destroyed, until the cache is.
 *
 * Context: Process context, may sleep.
 * Return: the cache; or an error pointer: -EINVAL with a line in the log where an
 * argument is out of bounds, or a slab does not fit into the pool; -ENOMEM.
 */
struct xslab_cache *xslab_cache_create_in(struct xpool *pool,
					  const struct xslab_args *args)
{
	struct xslab_cache *cache;
	int err;

	if (IS_ERR_OR_NULL(pool) || !args)
		return ERR_PTR(-EINVAL);
	err = check_args(args);
	if (err)
		return ERR_PTR(err);
	if (!try_module_get(THIS_MODULE))
		return ERR_PTR(-ENODEV);
	mutex_lock(&xpool_registry);
	cache = create(pool, args);
	mutex_unlock(&xpool_registry);
	if (IS_ERR(cache))
		module_put(THIS_MODULE);
	return cache;
}
EXPORT_SYMBOL_GPL(xslab_cache_create_in);

/**
 * xslab_cache_create() - make a cache in the default pool
 * @name: names it in debugfs; 1 to 31 characters, no slash
 * @size: bytes of an object, 1 to 256 KiB
 * @align: of objects, a power of two up to PAGE_SIZE; 0 is 8
 * @flags: XSLAB_HWCACHE_ALIGN, XSLAB_NO_CHECKS, XSLAB_WAIT, XSLAB_PREFETCH
 * @ctor: called once for each object when its slab is made, or NULL; must not
 *	sleep
 *
 * Context: Process context, may sleep.
 * Return: the cache, or NULL, as kmem_cache_create(). xslab_cache_create_in()
 * says why.
 */
struct xslab_cache *xslab_cache_create(const char *name, size_t size, size_t align,
				       xslab_flags_t flags, void (*ctor)(void *obj))
{
	struct xslab_args args = {
		.name = name, .size = size, .align = align, .flags = flags, .ctor = ctor,
	};
	struct xslab_cache *cache = xslab_cache_create_in(xpool_default(), &args);

	return IS_ERR(cache) ? NULL : cache;
}
EXPORT_SYMBOL_GPL(xslab_cache_create);

/*
 * Go
 */

/* Addresses of up to @nr objects that are live, while the magazines are closed. */
static unsigned int find_live(struct xslab_cache *cache, void **objs, unsigned int nr)
{
	unsigned int l, i, got = 0;
	struct xpage *slab;

	for (l = 0; l < XSLAB_LISTS; l++)
		list_for_each_entry(slab, &cache->lists[l], list)
			for (i = 0; i < cache->per_slab && got < nr; i++)
				if (!(atomic_long_read(&slab->map[BIT_WORD(i)]) & BIT_MASK(i)) &&
				    xtear_has(slab, i))
					objs[got++] = first_object(cache, slab) + i * cache->stride;
	return got;
}

static void report_object(struct xslab_cache *cache, void *obj)
{
	unsigned long offset = xpool_offset(cache->pool, obj);
	unsigned long start = offset & cache->fast.slab_mask;

	pr_err("cache %s: live: %p, object %u of the slab at page %lu\n", cache->name, obj,
	       object_nr(&cache->fast.check, offset - start), start >> PAGE_SHIFT);
}

/* How many objects are live, while the magazines are closed; says which. */
static unsigned long report_live(struct xslab_cache *cache)
{
	void *objs[8];
	unsigned long live, flags;
	unsigned int i, nr;

	if (!xlock(&cache->lock, &flags))
		return ULONG_MAX;
	settle(cache);
	live = cache->capacity - cache->nr_free;
	nr = live ? find_live(cache, objs, ARRAY_SIZE(objs)) : 0;
	xslab_unlock(cache, flags);
	if (!live)
		return 0;

	pr_err("cache %s: not destroyed: %lu objects of %u bytes are live\n",
	       cache->name, live, cache->object_size);
	for (i = 0; i < nr; i++)
		report_object(cache, objs[i]);
	if (live > nr)
		pr_err("cache %s: and %lu more\n", cache->name, live - nr);
	return live;
}

static int destroy(struct xslab_cache *cache)
{
	xmag_close(&cache->mag);
	xmag_drain_closed(&cache->mag);
	if (report_live(cache) || xwait_refuse(cache)) {
		atomic_long_inc(&cache->errors);
		xmag_open(&cache->mag);
		return -EBUSY;
	}
	unpublish(cache);
	cache->keep = 0;
	xslab_release_all(cache);
	xmag_open(&cache->mag);
	xwait_exit(cache);
	put_live(cache);
	xmag_destroy(&cache->mag);
	xset_exit(&cache->torn);
	xset_exit(&cache->empty);
	xmeta_free(cache);
	return 0;
}

/**
 * xslab_cache_destroy() - give all of a cache back to its pool
 * @cache: the cache, or NULL or an error pointer, which does nothing
 *
 * Context: Process context, may sleep. Nobody uses the cache any more.
 * Return: 0; or, with nothing changed, -EBUSY where objects are live. Then the
 * log says how many and lists the first of them, and the cache can be used, and
 * destroyed later.
 */
int xslab_cache_destroy(struct xslab_cache *cache)
{
	int err;

	if (IS_ERR_OR_NULL(cache))
		return 0;
	mutex_lock(&xpool_registry);
	err = destroy(cache);
	mutex_unlock(&xpool_registry);
	if (!err)
		module_put(THIS_MODULE);
	return err;
}
EXPORT_SYMBOL_GPL(xslab_cache_destroy);
