// SPDX-License-Identifier: GPL-2.0
/*
 * xslab: caches of objects
 *
 * Concepts
 *
 * A cache hands out objects of one size. It cuts them from slabs: blocks of
 * 2^order pages of its pool, each holding as many objects as fit. A slab is
 *
 *	full		no object of it is free
 *	partial		some are
 *	free		all are
 *
 * and the cache has a list for each, the partial ones sorted by how many of their
 * objects are not free: 1, 2 to 3, 4 to 7, and so on. (TCMalloc's span lists: what matters
 * is which slabs are about to become free. Of 2,176 slabs of 16 objects, churned, 540 were
 * empty in the end, of 544 that could be, and with eighths 534.) Before the slabs stand
 * magazines (xmag.c), which serve nearly all operations; they load from slabs and unload
 * into them up to 64 objects at a time.
 *
 * A free does not move a partial slab to the next list: who takes objects looks at the first
 * slab of the fullest list, and if that one has become emptier moves it to where it belongs
 * and looks at another. So a slab is never on the list of emptier ones than it, and most
 * moves need not be made. They are branches that no CPU can guess and writes to the states
 * of four other slabs: 30,000 objects of 256 bytes freed at random, ns each, 6.3 with them
 * and 4.4 without (1 KiB: 6.8 and 4.9; 4 KiB: 11.8 and 9.0); the allocations after it 3.2
 * and 3.5. To look at two is enough: 532 slabs became empty, and 537 where it was eight,
 * which wait for one another's states (1 KiB: 4.6 and 5.5 ns).
 *
 * Objects come from, in this order:
 *
 *	1. the CPU's magazines, then the depot
 *	2. the fullest partial slabs: the others get a chance to become free
 *	3. a free slab
 *	4. a new slab from the pool, and with it what other caches can spare
 *
 * A free slab stays with its cache until xslab_cache_collect(), until the pool
 * runs dry and asks for it, until there are more than the cache may keep
 * (xslab_limit.c), or until it has not been needed for a while (xdecay.c): an
 * allocation and a free at the edge of a slab cost nothing but a bit.
 *
 * Placement
 *
 * One live object keeps its slab, and the slab keeps a block of the largest order
 * from becoming whole. So within a cache objects come from the fullest slab, and of
 * those about equally full from the last one or the one beside it. And caches of objects
 * so large that a slab has one or two, which mostly live long, have their slabs at
 * the top of the pool; the others have theirs at the bottom. What is between stays
 * whole, however the allocations of the two kinds take turns.
 *
 * Representation
 *
 * The state of a slab is the struct xpage of its first page, out of band: which
 * objects are free is a bitmap, and nothing is ever stored in a free object.
 *
 *	address -> offset in the pool -> page number of the slab's first page
 *	        (subtract)           (mask and shift: slabs are aligned)
 *	        -> struct xpage, which names the cache
 *	offset in the slab -> number of the object (multiply by a reciprocal)
 *
 * How large slabs are is decided in xcache.c.
 *
 * With reciprocal M = ceil(2^64 / stride), the low half of n * M is below M just when
 * stride divides n (Lemire, Kaser, Kurz, "Faster remainder by direct computation", 2019);
 * so (n - 1) * M + M wraps. What is left over of a slab, less than a stride, lies before
 * its first object. Let addresses count from as far before the slab as makes its objects
 * start at stride - 1, 2 * stride - 1, and so on:
 *
 *	0     bias            stride - 1        2 * stride - 1
 *	|      | left over    | object 0        | object 1   ...
 *	      slab
 *
 * No other address of the slab is one less than a multiple of stride. So "is this the start
 * of an object" is a multiplication and an addition, and the subtraction before them is
 * that which tells whether the address is in the pool. Offsets in the slab itself needed
 * two instructions more a free.
 *
 * Where an object is known to start, a smaller reciprocal gives its number: number *
 * stride * ceil(2^32 / stride) is number * 2^32 and a rest of less than 256 * 4 MiB. So
 * half of a product of 64 bits will do; not all architectures offer more (under User
 * Mode Linux the high half of M's product took 30 instructions).
 *
 * Checks
 *
 * A free looks, before anything is changed, whether the pointer is in the pool,
 * whether its slab is of this cache, whether an object starts there, and whether
 * that object is live. The first three read two lines that are needed anyway.
 * The last needs a state for each object that can be changed without a lock and
 * without an atomic instruction: a byte, because a neighbour may change at the
 * same time. There is a table of such bytes for all caches of a pool whose
 * stride has the same power of two, made with the first of them; the bytes are
 * found by a shift of the offset.
 *
 *	stride 192 (2^7 ..)  offset  0        192       384       576
 *	                     byte    0   1    2 (1)  .  3 (3)     4 ...
 *
 * Objects lie at least 2^7 apart, so no two share a byte. In a pool of one region
 * the fast paths find the byte from the address; in others every operation takes
 * the slow path, by a detour (xmag.c), and finds it from the offset.
 *
 * A line has the bytes of 64 objects, and CPUs that write to one line wait for each other.
 * So a CPU that asks for a slab after another CPU did gets all slabs whose bytes share a
 * line, if there is room for them. Two CPUs that allocate and free an object of 256 bytes
 * each: from 1.1 of what one CPU does to 1.9.
 *
 * The byte is looked at by allocations too: should two CPUs free an object at the
 * same instant and both be believed, then the second time that it comes out of a
 * magazine it is live, and is dropped. Without the table a double free is found
 * when the object reaches its slab, where its bit is set already.
 *
 * What is free is offered before the lock is given up: an object to who waits for
 * one (xwait.c), and slabs that are one too many to the pool.
 *
 * Locks: cache->lock protects the lists, the counts, and the taking of bits.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/export.h>
#include <linux/ratelimit.h>
#include <linux/rcupdate.h>
#include <linux/string.h>

#include "xslab_impl.h"

/* Here they are functions. */
#undef xslab_cache_alloc
#undef xslab_cache_free

/* See struct xmag_cpu: where fast paths write in its line, they read nothing of others. */
#define in_line(type, member)	BIT(offsetof(type, member) % L1_CACHE_BYTES / sizeof(long))
static_assert(!IS_ENABLED(CONFIG_64BIT) ||
	      !((in_line(struct xmag_cpu, busy) | in_line(struct xmag_cpu, top) |
		 in_line(struct xmag_cpu, allocs)) &
		(in_line(struct xpage, cache) | in_line(struct xslab_fast, cpus) |
		 in_line(struct xslab_fast, check.live) |
		 in_line(struct xslab_fast, check.live_shift) |
		 in_line(struct xslab_fast, check.recip) |
		 in_line(struct xslab_fast, slab_mask) |
		 in_line(struct xslab_fast, near_base) |
		 in_line(struct xslab_fast, near_bytes) |
		 in_line(struct xslab_fast, near_owners))));

#define XSLAB_RELEASE		16U	/* slabs given back under one lock */
#define XSLAB_LOOKS		2U	/* at slabs on the lists of fuller ones */

/* To the list where it belongs, from where it did when it had @was free objects. */
noinline void xslab_relist(struct xslab_cache *cache, struct xpage *slab, unsigned int was)
{
	unsigned int to = cache->list_of[slab->nr_free];

	discount_slab(cache, slab, cache->list_of[was]);
	list_move(&slab->list, place_of(cache, slab, to));
	count_slab(cache, slab, to);
}

/* Move a partial slab on @list to that of those about as full; false: it is the same. */
static bool refile(struct xslab_cache *cache, struct xpage *slab, unsigned int list)
{
	unsigned int to = cache->list_of[slab->nr_free];

	if (likely(to == list))
		return false;
	cache->occupied |= BIT(to);
	list_move(&slab->list, &cache->lists[to]);
	return true;
}

/* The fullest slab that has some free objects and some others, or NULL. */
noinline struct xpage *xslab_fullest(struct xslab_cache *cache)
{
	unsigned int looks = 0, list;

	while ((list = first_list(cache)) < XSLAB_BUCKETS) {
		struct xpage *slab = list_first_entry(&cache->lists[list], struct xpage, list);

		if (!refile(cache, slab, list) || ++looks == XSLAB_LOOKS)
			return slab;
	}
	return NULL;
}

/*
 * The first slab of a list goes where it belongs, which may be the end of the same one:
 * these are counted, and *@stop is the first of them. False: there are no others.
 */
static bool sort_first(struct xslab_cache *cache, unsigned int list, struct xpage **stop,
		       unsigned long *nr)
{
	struct xpage *slab;
	unsigned long flags;
	bool goes_on;

	raw_spin_lock_irqsave(&cache->lock, flags);
	settle(cache);
	slab = list_first_entry_or_null(&cache->lists[list], struct xpage, list);
	goes_on = slab && slab != *stop;
	if (goes_on && !refile(cache, slab, list)) {
		list_move_tail(&slab->list, &cache->lists[list]);
		*stop = *stop ?: slab;
		++*nr;
	}
	xslab_unlock(cache, flags);
	return goes_on;
}

/*
 * Move all partial slabs to the lists where they belong, for who begins with the emptiest;
 * others may come and go meanwhile. @nr: how many are on each. Process context.
 */
void xslab_sort(struct xslab_cache *cache, unsigned long *nr)
{
	unsigned int l;

	for (l = 0; l < XSLAB_BUCKETS; l++) {
		unsigned long most = READ_ONCE(cache->nr[XSLAB_PARTIAL]);
		struct xpage *stop = NULL;

		nr[l] = 0;
		while (most-- && sort_first(cache, l, &stop, &nr[l]))
			cond_resched();
	}
}

noinline void xslab_report_lost(struct xslab_cache *cache, void *obj)
{
	atomic_long_inc(&cache->errors);
	pr_err_ratelimited("cache %s: object %p was freed twice, found late\n",
			   cache->name, obj);
}

/*
 * Between slabs and the pool
 */

/* All words: what does not belong to the map may hold bits of a slab with a larger one. */
static void mark_all_free(struct xslab_cache *cache, struct xpage *slab)
{
	unsigned int w, left = cache->per_slab;

	for (w = 0; w < XPAGE_MAP_WORDS; w++) {
		unsigned int bits = min_t(unsigned int, left, BITS_PER_LONG);

		atomic_long_set(&slab->map[w], bits ? GENMASK(bits - 1, 0) : 0);
		left -= bits;
	}
}

static void construct(struct xslab_cache *cache, struct xpage *slab)
{
	void *obj = first_object(cache, slab);
	unsigned int i;

	if (!cache->ctor)
		return;
	for (i = 0; i < cache->per_slab; i++, obj += cache->stride)
		cache->ctor(obj);
}

/* Count slabs that are to come; false: the limit forbids it, or this is an NMI. */
static bool charge_slabs(struct xslab_cache *cache, unsigned int nr)
{
	unsigned long flags;
	bool below;

	if (!xlock(&cache->lock, &flags))
		return false;
	below = atomic_long_read(&cache->nr_slabs) + nr <= cache->max_slabs;
	if (below)
		atomic_long_add(nr, &cache->nr_slabs);
	xslab_unlock(cache, flags);
	return below;
}

/* Who was promised objects, or says that it is urgent, may have the last pages. */
static enum xpool_need need_of(const struct xslab_cache *cache, gfp_t gfp)
{
	return gfp & __GFP_HIGH || READ_ONCE(cache->keep) ? XPOOL_URGENT : XPOOL_ORDINARY;
}

static struct xpage *get_slab(struct xslab_cache *cache, gfp_t gfp)
{
	struct xpage *slab;

	if (!charge_slabs(cache, 1))
		return NULL;
	slab = xpool_get_at(cache->pool, cache->order, XPAGE_SLAB, need_of(cache, gfp),
			    cache->place);
	if (!slab)
		uncharge_slabs(cache, 1);
	return slab;
}

/* Is it another CPU than the last time, and may the cache have some more slabs? */
static bool wants_group(const struct xslab_cache *cache)
{
	int last = READ_ONCE(cache->grown_by);

	return cache->group && last >= 0 && last != raw_smp_processor_id() && !in_nmi() &&
	       READ_ONCE(cache->max_empty) == ULONG_MAX && !is_strict(cache);
}

/* A group of slabs, or NULL. Nobody is asked to give back for what is not needed yet. */
static struct xpage *get_group(struct xslab_cache *cache)
{
	unsigned int nr = 1U << cache->group;
	struct xpage *block;

	if (!charge_slabs(cache, nr))
		return NULL;
	if (!xpool_get_many(cache->pool, cache->order + cache->group, XPAGE_SLAB,
			    XPOOL_ORDINARY, &block, 1)) {
		uncharge_slabs(cache, nr);
		return NULL;
	}
	xpool_split(cache->pool, block, cache->order);
	return block;
}

/*
 * The one place where pages come from the pool; @gfp is what the client said. The first of
 * *@nr slabs that follow one another, or NULL.
 */
static struct xpage *get_slabs(struct xslab_cache *cache, gfp_t gfp, unsigned int *nr)
{
	struct xpage *slab = wants_group(cache) ? get_group(cache) : NULL;

	*nr = slab ? 1U << cache->group : 1;
	return slab ?: get_slab(cache, gfp);
}

static void put_slabs(struct xslab_cache *cache, struct xpage **slabs, unsigned int nr)
{
	if (!nr)
		return;
	xpool_put_many(cache->pool, slabs, nr);
	uncharge_slabs(cache, nr);
	atomic_long_add((long)nr << cache->order, &cache->returned);
}

/* Single pages of a torn slab. */
void xslab_put_pages(struct xslab_cache *cache, struct xpage **pages, unsigned int nr)
{
	if (!nr)
		return;
	xpool_put_many(cache->pool, pages, nr);
	atomic_long_add(nr, &cache->returned);
}

static void *take_first(struct xslab_cache *cache, struct xpage *slab)
{
	cache->past++;
	return xfill_one(cache, slab);
}

/* Slabs that follow one another, before anybody sees them. */
static void init_slabs(struct xslab_cache *cache, struct xpage *slab, unsigned int nr)
{
	for (; nr; nr--, slab += pages_per_slab(cache)) {
		mark_all_free(cache, slab);
		construct(cache, slab);
	}
}

/* They are the cache's from now on. Under the lock. */
static void add_slabs(struct xslab_cache *cache, struct xpage *slab, unsigned int nr)
{
	lockdep_assert_held(&cache->lock);
	WRITE_ONCE(cache->grown_by, raw_smp_processor_id());
	cache->capacity += nr * cache->per_slab;
	cache->nr_free += nr * cache->per_slab;
	for (; nr; nr--, slab += pages_per_slab(cache)) {
		slab->nr_free = cache->per_slab;
		WRITE_ONCE(slab->cache, cache);
		list_slab(cache, slab, XSLAB_FREE);
	}
}

/*
 * One more slab, or a group of them, of which those who wait for an object have theirs
 * first. Where it might not stay empty for an instant, an object of it comes as *@obj; @obj
 * is NULL for who wants it empty.
 */
bool xslab_grow(struct xslab_cache *cache, gfp_t gfp, void **obj)
{
	struct xpage *slab;
	unsigned int nr;
	unsigned long flags;

	if (unlikely(READ_ONCE(cache->nr_torn)) && !in_nmi() &&
	    xtear_mend(cache, need_of(cache, gfp)))
		return true;
	slab = get_slabs(cache, gfp, &nr);
	if (!slab)
		return false;
	init_slabs(cache, slab, nr);
	if (!xlock(&cache->lock, &flags)) {	/* an NMI, which has one slab */
		put_slabs(cache, &slab, 1);
		return false;
	}
	settle(cache);
	add_slabs(cache, slab, nr);
	if (obj && has_excess(cache) && !cache->nr_waiting)
		*obj = take_first(cache, slab);
	unlock_freed(cache, flags);
	return true;
}

/*
 * A free slab that the cache can spare, out of its lists; or NULL. The one that lies
 * farthest from where the cache's slabs should be.
 */
static struct xpage *spare_slab(struct xslab_cache *cache)
{
	struct list_head *list = &cache->lists[XSLAB_FREE];
	struct xpage *slab;

	lockdep_assert_held(&cache->lock);
	if (list_empty(list) || cache->nr_free < cache->keep + cache->per_slab)
		return NULL;
	slab = list_entry(cache->place == XPLACE_LOW ? list->prev : list->next,
			  struct xpage, list);
	/* An NMI that has set a bit of the slab may not be through with it. */
	smp_mb();
	if (atomic_read(&cache->nmi_frees) || READ_ONCE(slab->deferred))
		return NULL;
	unlist_slab(cache, slab, XSLAB_FREE);
	WRITE_ONCE(slab->cache, NULL);
	cache->capacity -= cache->per_slab;
	cache->nr_free -= cache->per_slab;
	return slab;
}

/* Give back up to @most free slabs, a few at a time; returns how many. */
static unsigned int release_some(struct xslab_cache *cache, unsigned int most)
{
	struct xpage *slabs[XSLAB_RELEASE];
	unsigned long flags;
	unsigned int nr = 0;

	if (!xlock(&cache->lock, &flags))
		return 0;
	settle(cache);
	most = min(most, XSLAB_RELEASE);
	while (nr < most && (slabs[nr] = spare_slab(cache)))
		nr++;
	xslab_unlock(cache, flags);
	put_slabs(cache, slabs, nr);
	return nr;
}

static unsigned long nr_empty(struct xslab_cache *cache)
{
	unsigned long flags, nr;

	raw_spin_lock_irqsave(&cache->lock, flags);
	settle(cache);
	nr = cache->nr[XSLAB_FREE];
	xslab_unlock(cache, flags);
	return nr;
}

/*
 * Give back the slabs that are free now. Not those that become so meanwhile: others may
 * take a slab and free it for as long as somebody gives it back.
 */
void xslab_release_all(struct xslab_cache *cache)
{
	unsigned long most = nr_empty(cache);
	unsigned int nr;

	while (most && (nr = release_some(cache, XSLAB_RELEASE))) {
		most -= min_t(unsigned long, nr, most);
		cond_resched();
	}
}

/* Take those slabs that may not stay empty off the cache's lists. */
static void take_excess(struct xslab_cache *cache, struct list_head *excess)
{
	unsigned int most = XSLAB_CHUNK;	/* no free empties more slabs */
	struct xpage *slab;

	while (most-- && has_excess(cache) && (slab = spare_slab(cache)))
		list_add(&slab->list, excess);
}

static void put_excess(struct xslab_cache *cache, struct list_head *excess)
{
	struct xpage *slabs[XSLAB_RELEASE];

	while (!list_empty(excess)) {
		unsigned int nr = 0;

		while (nr < ARRAY_SIZE(slabs) && !list_empty(excess)) {
			slabs[nr] = list_first_entry(excess, struct xpage, list);
			list_del(&slabs[nr++]->list);
		}
		put_slabs(cache, slabs, nr);
	}
}

/* Nobody sees the slabs that are one too many, nor an object that somebody waits for. */
noinline void xslab_unlock_freed_slow(struct xslab_cache *cache, unsigned long flags)
	__releases(&cache->lock)
{
	LIST_HEAD(excess);
	LIST_HEAD(over);
	bool served;

	served = xwait_serve(cache);
	take_excess(cache, &excess);
	list_splice_init(&cache->torn_over, &over);
	set_watermark(cache);
	xslab_unlock(cache, flags);
	put_excess(cache, &excess);
	xtear_put(cache, &over);
	if (served)
		xwait_wake(cache);
}

/*
 * Give back free slabs, @pages of them at most. Process context. Returns the pages.
 */
unsigned long xslab_trim(struct xslab_cache *cache, unsigned long pages)
{
	unsigned long most = pages >> cache->order, done = 0;
	unsigned int nr;

	do {
		nr = release_some(cache, min_t(unsigned long, most - done, XSLAB_RELEASE));
		done += nr;
		cond_resched();
	} while (nr && done < most);
	return done << cache->order;
}

/* What xslab_trim() could give back now. Any context but NMI. */
unsigned long xslab_empty_pages(struct xslab_cache *cache)
{
	unsigned long flags, slabs, spare;

	raw_spin_lock_irqsave(&cache->lock, flags);
	settle(cache);
	spare = cache->nr_free > cache->keep ? cache->nr_free - cache->keep : 0;
	slabs = min(cache->nr[XSLAB_FREE], spare / cache->per_slab);
	xslab_unlock(cache, flags);
	return slabs << cache->order;
}

/* The pool runs dry: the depot first, because it may hold the last of a slab. */
unsigned long xslab_client_reclaim(struct xclient *client)
{
	struct xslab_cache *cache = container_of(client, struct xslab_cache, client);
	unsigned int nr = release_some(cache, XSLAB_RELEASE);

	if (!nr && xmag_drain_depot(&cache->mag))
		nr = release_some(cache, XSLAB_RELEASE);
	return (unsigned long)nr << cache->order;
}

/*
 * Errors of clients
 */

/* Says what is known about a pointer that cannot be freed, changes nothing. */
static int diagnose(struct xslab_cache *cache, void *obj)
{
	unsigned long offset = xpool_offset(cache->pool, obj);
	struct xslab_cache *owner = NULL;
	struct xpage *head;
	u32 in;

	if (offset == XPOOL_FOREIGN) {
		pr_err_ratelimited("cache %s: free of %p: not in pool %s\n",
				   cache->name, obj, cache->pool->name);
		return -ERANGE;
	}
	head = xpool_head(cache->pool, offset >> PAGE_SHIFT);
	if (head && head->kind == XPAGE_SLAB)
		owner = owner_of(head);
	if (!owner) {
		pr_err_ratelimited("cache %s: free of %p: its page %lu is not in a slab\n",
				   cache->name, obj, offset >> PAGE_SHIFT);
		return -EINVAL;
	}
	if (owner != cache) {
		pr_err_ratelimited("cache %s: free of %p: is of cache %s\n",
				   cache->name, obj, owner->name);
		return -EINVAL;
	}
	in = offset - slab_start(cache, offset);
	if (in < cache->slack) {
		pr_err_ratelimited("cache %s: free of %p: is before the first object of the slab at page %lu\n",
				   cache->name, obj, xpage_index(cache->pool, head));
		return -EINVAL;
	}
	in -= cache->slack;
	if (in % cache->stride) {
		pr_err_ratelimited("cache %s: free of %p: is %u bytes into object %u of the slab at page %lu\n",
				   cache->name, obj, in % cache->stride, in / cache->stride,
				   xpage_index(cache->pool, head));
		return -EINVAL;
	}
	pr_err_ratelimited("cache %s: free of %p: object %u of the slab at page %lu is free already\n",
			   cache->name, obj, in / cache->stride,
			   xpage_index(cache->pool, head));
	return -EALREADY;
}

noinline int xslab_refuse_free(struct xslab_cache *cache, void *obj)
{
	if (!obj)
		return 0;
	atomic_long_inc(&cache->errors);
	return diagnose(cache, obj);
}

/*
 * Allocation
 */

/* The live byte of the object at @offset. */
static u8 *live_at(const struct xslab_cache *cache, unsigned long offset)
{
	return &cache->live[offset >> cache->live_shift];
}

static bool mark(struct xslab_cache *cache, void *obj, u8 live)
{
	if (!cache->live)
		return true;
	return xslab_set_live(live_at(cache, xpool_offset(cache->pool, obj)), live);
}

/* Mark an object live; false: it is already, and must not be handed out twice. */
bool xslab_mark_live(struct xslab_cache *cache, void *obj)
{
	return mark(cache, obj, 1);
}

/* Mark an object dead; false: it is already. */
bool xslab_mark_dead(struct xslab_cache *cache, void *obj)
{
	return mark(cache, obj, 0);
}

/*
 * The same from a new slab. Where there is none, the magazines are asked once more: the
 * pool has asked its clients for pages, which leaves objects free in slabs; and of a
 * cache that is not careful, the depot may have been locked for a moment.
 */
static noinline void *alloc_grown(struct xslab_cache *cache, gfp_t gfp)
{
	void *obj = NULL;
	bool grown;

	do {
		grown = xslab_grow(cache, gfp, &obj);
		obj = obj ?: xmag_alloc_slow(&cache->mag);
	} while (!obj && grown);
	return obj;
}

/* An object that is not marked live yet, or NULL. */
static void *alloc_raw(struct xslab_cache *cache, gfp_t gfp)
{
	void *obj = xmag_alloc_slow(&cache->mag);

	return likely(obj) ? obj : alloc_grown(cache, gfp);
}

/* A client's error; always 0. */
noinline int xslab_refuse_zero(struct xslab_cache *cache)
{
	atomic_long_inc(&cache->errors);
	pr_err_ratelimited("cache %s: __GFP_ZERO would undo the constructor\n", cache->name);
	return 0;
}

static noinline void *zeroed(struct xslab_cache *cache, void *obj)
{
	if (likely(!cache->ctor))
		return memset(obj, 0, cache->object_size);
	xslab_refuse_zero(cache);
	xslab_cache_free(cache, obj);
	return NULL;
}

/* An object of the client's, or NULL. */
void *xslab_alloc_marked(struct xslab_cache *cache, gfp_t gfp)
{
	void *obj = alloc_raw(cache, gfp);

	while (obj && unlikely(!xslab_mark_live(cache, obj))) {
		xslab_report_lost(cache, obj);
		obj = alloc_raw(cache, gfp);
	}
	return obj;
}

/* There is none: wait for one if that is what both sides want. */
static noinline void *alloc_last(struct xslab_cache *cache, gfp_t gfp)
{
	void *obj;

	while (xwait_wanted(cache, gfp) && (obj = xwait_for_object(cache, gfp))) {
		if (likely(xslab_mark_live(cache, obj)))
			return obj;
		xslab_report_lost(cache, obj);
	}
	atomic_long_inc(&cache->failures);
	return NULL;
}

static void *alloc_slow(struct xslab_cache *cache, gfp_t gfp)
{
	void *obj = xslab_alloc_marked(cache, gfp) ?: alloc_last(cache, gfp);

	if (unlikely(gfp & __GFP_ZERO) && obj)
		obj = zeroed(cache, obj);
	return obj;
}

/*
 * What the fast path leaves to others, which begins with preemption off
 */

/* The loaded magazine could not serve. */
noinline void *xslab_alloc_missed(struct xslab_cache *cache, gfp_t gfp)
{
	preempt_enable();
	return alloc_slow(cache, gfp);
}
EXPORT_SYMBOL_GPL(xslab_alloc_missed);

/* The object came twice: the other time it was handed out, this time it is not. */
noinline void *xslab_alloc_again(struct xslab_cache *cache, void *obj, gfp_t gfp)
{
	preempt_enable();
	xslab_report_lost(cache, obj);
	return alloc_slow(cache, gfp);
}
EXPORT_SYMBOL_GPL(xslab_alloc_again);

noinline void *xslab_alloc_zeroed(struct xslab_cache *cache, void *obj)
{
	preempt_enable();
	return zeroed(cache, obj);
}
EXPORT_SYMBOL_GPL(xslab_alloc_zeroed);

/**
 * xslab_cache_alloc() - take an object
 * @cache: the cache
 * @gfp: __GFP_ZERO clears the object; without it the object is not touched.
 *	With __GFP_DIRECT_RECLAIM, of a cache made with XSLAB_WAIT, this sleeps until
 *	there is an object; those who wait are served in the order they came. Otherwise
 *	it never sleeps. The system is never asked for memory
 *
 * Context: Any, NMI too, where it may fail for a lock that is taken; but process
 * context where it may sleep.
 * Return: the object; or NULL where the pool has no room for another slab or the
 * cache's limit forbids it and it may not sleep, where a fatal signal ended the sleep,
 * or where __GFP_ZERO is given for a cache with a constructor.
 */
void *xslab_cache_alloc(struct xslab_cache *cache, gfp_t gfp)
{
	return xslab_alloc_fast(cache, gfp);
}
EXPORT_SYMBOL_GPL(xslab_cache_alloc);

/*
 * Free
 */

/* Is this an object to free? Marks it dead. For any pointer and any pool. */
bool xslab_accept(struct xslab_cache *cache, void *obj)
{
	const struct xslab_check *check = &cache->fast.check;
	unsigned long offset = xpool_offset(cache->pool, obj);
	unsigned long start = slab_start(cache, offset);
	struct xpage *slab;

	if (offset == XPOOL_FOREIGN || start < cache->pool->start)
		return false;
	slab = slab_in(cache->pages, start);
	if (owner_of(slab) != cache || !is_start(check, offset - start) ||
	    !xtear_has(slab, object_nr(check, offset - start)))
		return false;
	return !cache->live || xslab_set_live(live_at(cache, offset), 0);
}

static int free_slow(struct xslab_cache *cache, void *obj)
{
	xmag_free_slow(&cache->mag, obj);
	return 0;
}

/* The loaded magazine could not serve. Begins with preemption off. */
noinline int xslab_free_missed(struct xslab_cache *cache, void *obj)
{
	preempt_enable();
	return free_slow(cache, obj);
}
EXPORT_SYMBOL_GPL(xslab_free_missed);

/* In one of several regions, or in a torn slab, or an error. */
noinline int xslab_free_odd(struct xslab_cache *cache, void *obj)
{
	if (!xslab_accept(cache, obj))
		return xslab_refuse_free(cache, obj);
	return free_slow(cache, obj);
}
EXPORT_SYMBOL_GPL(xslab_free_odd);

/**
 * xslab_cache_free() - give an object back
 * @cache: the cache that it was taken from
 * @obj: the object; NULL does nothing
 *
 * Context: Any, NMI too.
 * Return: 0; or, with nothing changed and a line in the log: -ERANGE where @obj
 * is not in the cache's pool, -EINVAL where it is not an object of the cache,
 * -EALREADY where it is free.
 */
int xslab_cache_free(struct xslab_cache *cache, void *obj)
{
	return xslab_free_fast(cache, obj);
}
EXPORT_SYMBOL_GPL(xslab_cache_free);

static struct xslab_cache *cache_of(const void *obj)
{
	struct xslab_cache *cache = NULL;
	struct xpage *head;

	preempt_disable();
	head = xpool_head_any(obj);
	if (head && READ_ONCE(head->kind) == XPAGE_SLAB)
		cache = owner_of(head);
	preempt_enable();
	return cache;
}

/**
 * xslab_free() - give an object back to whatever cache it is of
 * @obj: an object of any cache of any pool; NULL does nothing
 *
 * Finds the cache first, which costs more than xslab_cache_free().
 *
 * Context: Any, NMI too.
 * Return: as xslab_cache_free(), and -ERANGE where @obj is in no slab at all.
 */
int xslab_free(void *obj)
{
	struct xslab_cache *cache;

	if (unlikely(!obj))
		return 0;
	cache = cache_of(obj);
	if (unlikely(!cache)) {
		pr_err_ratelimited("free of %p: is of no cache\n", obj);
		return -ERANGE;
	}
	return xslab_free_fast(cache, obj);
}
EXPORT_SYMBOL_GPL(xslab_free);

/*
 * All of a cache
 */

/* All of it, from CPUs that are busy, idle or gone. */
static void collect_by_force(struct xslab_cache *cache, bool tear)
{
	xmag_close(&cache->mag);
	xmag_drain_closed(&cache->mag);
	xslab_release_all(cache);
	xmove_compact(cache);
	if (tear)
		xtear_cache(cache);
	xmag_open(&cache->mag);
}

/**
 * xslab_cache_collect() - give back to the pool what no client holds
 * @cache: the cache
 * @force: all of it; otherwise what can be had without disturbing other CPUs
 *
 * Returns the free slabs, but for what xslab_cache_prefill() asked to keep, after
 * it emptied the depot and, with @force, the magazines of all CPUs, which go past
 * them meanwhile. With @force, a cache whose objects can be moved, see
 * xslab_cache_set_move(), is left with no more slabs than its objects need.
 *
 * Context: Process context, may sleep. Others may allocate and free meanwhile. Not
 * from a callback of the cache.
 * Return: pages that the cache gave back meanwhile.
 */
unsigned long xslab_cache_collect(struct xslab_cache *cache, bool force)
{
	unsigned long before = atomic_long_read(&cache->returned);

	if (force)
		collect_by_force(cache, false);
	else
		xmag_drain_depot(&cache->mag);
	xslab_release_all(cache);
	return atomic_long_read(&cache->returned) - before;
}
EXPORT_SYMBOL_GPL(xslab_cache_collect);

/**
 * xslab_cache_tear() - give back also pages of slabs that hold live objects
 * @cache: the cache
 *
 * A forced collect; after it, of slabs of 2 to 8 pages with live objects, those pages
 * go back, but for the first, on which none lies. For caches that will hold few objects
 * for long and whose objects cannot be moved. Slabs that gave back pages have fewer
 * objects, until the cache needs another slab and finds that nobody has these pages; a
 * cache with a constructor does not look. When the last of its objects is free, all of
 * such a slab goes back. What xslab_cache_prefill() asked to keep stays. Limits count
 * such a slab as a whole one.
 *
 * (TCMalloc calls it subrelease, for parts of its huge pages.)
 *
 * Context: Process context, may sleep. Others may allocate and free meanwhile. Not
 * from a callback of the cache.
 * Return: pages that the cache gave back meanwhile.
 */
unsigned long xslab_cache_tear(struct xslab_cache *cache)
{
	unsigned long before = atomic_long_read(&cache->returned);

	collect_by_force(cache, true);
	xslab_release_all(cache);
	return atomic_long_read(&cache->returned) - before;
}
EXPORT_SYMBOL_GPL(xslab_cache_tear);

unsigned long xslab_client_collect(struct xclient *client, bool force)
{
	return xslab_cache_collect(container_of(client, struct xslab_cache, client), force);
}

/**
 * xslab_cache_shrink() - xslab_cache_collect() by kmem_cache_shrink()'s name
 * @cache: the cache
 *
 * Context: Process context, may sleep. Others may allocate and free meanwhile.
 * Return: 0 where no slab is left, 1 otherwise.
 */
int xslab_cache_shrink(struct xslab_cache *cache)
{
	xslab_cache_collect(cache, true);
	return READ_ONCE(cache->capacity) != 0;
}
EXPORT_SYMBOL_GPL(xslab_cache_shrink);

/* Grow until @nr objects are free in slabs. */
static bool grow_to(struct xslab_cache *cache, unsigned long nr)
{
	while (READ_ONCE(cache->nr_free) < nr) {
		if (!xslab_grow(cache, GFP_KERNEL, NULL))
			return false;
		cond_resched();
	}
	return true;
}

/**
 * xslab_cache_prefill() - have objects ready
 * @cache: the cache
 * @nr: how many; 0 ends the reserve
 *
 * After it, the next @nr allocations, on whatever CPU and in whatever context
 * but NMI, are served from slabs that the cache has: they cannot fail and do
 * not ask the pool. The slabs stay with the cache as a reserve until prefill is
 * called with another number. The reserve is larger than @nr by what the
 * magazines of all CPUs can hold back from one another.
 *
 * Context: Process context, may sleep.
 * Return: 0, or -ENOMEM with nothing changed.
 */
int xslab_cache_prefill(struct xslab_cache *cache, unsigned int nr)
{
	/* And one magazine that may be on its way from the depot to slabs. */
	unsigned long held = (2UL * num_possible_cpus() + 1) * cache->mag.size;
	unsigned long keep = nr ? nr + held : 0, old = cache->keep;

	if (DIV_ROUND_UP(keep, cache->per_slab) > cache->pool->nr_pages >> cache->order)
		return -ENOMEM;
	WRITE_ONCE(cache->keep, keep);
	if (keep)
		xmag_set_careful(&cache->mag);
	xwatch_tell(&cache->decay.watch);	/* less may be kept now */
	if (grow_to(cache, keep)) {
		xslab_limit_apply(cache);
		return 0;
	}
	WRITE_ONCE(cache->keep, old);
	xslab_release_all(cache);
	return -ENOMEM;
}
EXPORT_SYMBOL_GPL(xslab_cache_prefill);

/**
 * xslab_cache_size() - bytes of an object, as asked for
 * @cache: the cache
 *
 * Context: Any.
 * Return: bytes.
 */
unsigned int xslab_cache_size(const struct xslab_cache *cache)
{
	return cache->object_size;
}
EXPORT_SYMBOL_GPL(xslab_cache_size);

/**
 * xslab_cache_name() - the name a cache was created with
 * @cache: the cache
 *
 * Context: Any.
 * Return: the name; it lives as long as the cache.
 */
const char *xslab_cache_name(const struct xslab_cache *cache)
{
	return cache->name;
}
EXPORT_SYMBOL_GPL(xslab_cache_name);

static void slab_stats(struct xslab_cache *cache, struct xslab_stats *stats)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&cache->lock, flags);
	settle(cache);
	stats->slabs_full = cache->nr[XSLAB_FULL];
	stats->slabs_partial = cache->nr[XSLAB_PARTIAL];
	stats->slabs_free = cache->nr[XSLAB_FREE];
	stats->capacity = cache->capacity;
	stats->slab_free = cache->nr_free;
	stats->allocs = cache->past;
	stats->moving = cache->nr_moving;
	stats->reserved = cache->keep;
	stats->waiters = cache->nr_waiting;
	stats->slabs_torn = cache->nr_torn;
	stats->holes = cache->nr_holes;
	xslab_unlock(cache, flags);
	stats->slabs = stats->slabs_full + stats->slabs_partial + stats->slabs_free;
	stats->partial_free = stats->slab_free - stats->slabs_free * cache->per_slab;
	stats->empty_pages = stats->slabs_free << cache->order;
}

/**
 * xslab_cache_stats() - what a cache holds and did
 * @cache: the cache
 * @stats: filled in
 *
 * Exact when nobody allocates or frees; otherwise the numbers of objects may
 * differ by what is under way. Stalls nobody for longer than a refill does.
 *
 * Context: Any but NMI.
 */
void xslab_cache_stats(struct xslab_cache *cache, struct xslab_stats *stats)
{
	struct xmag_count count;
	unsigned long held;

	*stats = (struct xslab_stats){
		.object_size = cache->object_size,
		.stride = cache->stride,
		.slab_order = cache->order,
		.objects_per_slab = cache->per_slab,
		.slab_waste = cache->slack,
		.magazine_size = cache->mag.size,
		.failures = atomic_long_read(&cache->failures),
		.errors = atomic_long_read(&cache->errors),
		.returned_pages = atomic_long_read(&cache->returned),
		.metadata = sizeof(*cache) + cache->mag.metadata +
			    (cache->empty.words + cache->torn.words) * sizeof(long),
	};
	xmag_count(&cache->mag, &count);
	slab_stats(cache, stats);
	stats->magazines = count.cpus;
	stats->depot = count.depot;
	stats->allocs += count.allocs;
	stats->refills = count.refills;
	stats->flushes = count.flushes;
	stats->depot_hits = count.depot_hits;
	stats->busy = count.busy;

	/* Nobody counts frees: what was handed out and is not live was freed. */
	held = stats->slab_free + stats->magazines + stats->depot + stats->moving;
	stats->live = stats->capacity > held ? stats->capacity - held : 0;
	stats->frees = stats->allocs - min(stats->live, stats->allocs);
}
EXPORT_SYMBOL_GPL(xslab_cache_stats);

/* The words of NMIs are empty, unless one has been here since the lock was taken. */
static bool nmi_words_valid(struct xslab_cache *cache, struct xpage *slab)
{
	unsigned long set = 0;
	unsigned int w;

	for (w = 0; has_nmi_words(cache) && w < cache->words; w++)
		set |= atomic_long_read(&slab->map[w + XPAGE_MAP_WORDS / 2]);
	if (!set || atomic_read(&cache->nmi_frees))
		return true;
	smp_rmb();	/* pairs with drain_nmi(): it has claimed the slab before it was through */
	return READ_ONCE(slab->deferred);
}

/* Are the free slabs, and no others, in the set, and in the order of their addresses? */
static bool order_valid(struct xslab_cache *cache)
{
	unsigned long before = XSET_NONE;
	struct xpage *slab;

	list_for_each_entry(slab, &cache->lists[XSLAB_FREE], list) {
		if (xset_before(&cache->empty, slab_nr(cache, slab)) != before)
			return false;
		before = slab_nr(cache, slab);
	}
	return xset_valid(&cache->empty) &&
	       (xset_is_empty(&cache->empty) ? XSET_NONE : xset_last(&cache->empty)) == before;
}

static bool is_whole(struct xslab_cache *cache, const struct xpage *slab)
{
	return slab->cache == cache && slab->kind == XPAGE_SLAB &&
	       slab->order == cache->order && (cache->words > 1 || !slab->holes);
}

/* Is @l the list for slabs with so many free objects, or may one have been left there? */
static bool may_be_on(const struct xslab_cache *cache, unsigned int l, unsigned int nr_free)
{
	unsigned int right = cache->list_of[nr_free];

	return right < XSLAB_BUCKETS ? l <= right : l == right;
}

/* Each slab on a list where the weight of its map says; counts them. */
static bool list_valid(struct xslab_cache *cache, unsigned int l, unsigned long *nr,
		       unsigned long *nr_free)
{
	struct xpage *slab;

	if (l < XSLAB_BUCKETS && !list_empty(&cache->lists[l]) && !(cache->occupied & BIT(l)))
		return false;
	list_for_each_entry(slab, &cache->lists[l], list) {
		unsigned int is = count_free(cache, slab);

		if (!(is_torn(slab) ? xtear_valid(cache, slab) : is_whole(cache, slab)) ||
		    slab->nr_free != is || !may_be_on(cache, l, is) ||
		    !nmi_words_valid(cache, slab))
			return false;
		*nr_free += is;
		++*count_of(nr, l);
	}
	return true;
}

/**
 * xslab_validate() - recount the slabs of a cache from scratch
 * @cache: the cache
 *
 * Linear in the slabs and with interrupts off: for tests.
 *
 * Context: Any but NMI.
 * Return: 0, or -EUCLEAN where something does not agree.
 */
int xslab_validate(struct xslab_cache *cache)
{
	unsigned long nr[XSLAB_LISTS] = {}, nr_free = 0, flags;
	bool valid = true;
	unsigned int l;

	if (!xlock(&cache->lock, &flags))
		return -EBUSY;
	settle(cache);
	for (l = 0; l < XSLAB_LISTS; l++)
		valid &= list_valid(cache, l, nr, &nr_free);
	valid &= nr_free == cache->nr_free && !memcmp(nr, cache->nr, sizeof(nr)) &&
		 order_valid(cache) &&
		 xtear_books_valid(cache, nr[XSLAB_PARTIAL] + nr[XSLAB_FULL] + nr[XSLAB_FREE]);
	xslab_unlock(cache, flags);
	return valid ? 0 : -EUCLEAN;
}
EXPORT_SYMBOL_GPL(xslab_validate);

/*
 * For the layers above
 */

struct xpool *xslab_cache_pool(const struct xslab_cache *cache)
{
	return cache->pool;
}

/* A pointer for the observer's use. */
void **xslab_cache_observed(struct xslab_cache *cache)
{
	return &cache->observed;
}

/* Object @nr, at @offset: it may come or go meanwhile, then either answer is right. */
static bool is_live(const struct xslab_cache *cache, struct xpage *slab, unsigned int nr,
		    unsigned long offset)
{
	if (!cache->live)
		return !(atomic_long_read(&slab->map[BIT_WORD(nr)]) & BIT_MASK(nr));
	/* It is written without a lock; see above. */
	return data_race(*live_at(cache, offset));
}

/*
 * Objects that clients hold in a slab, which may be somebody else's by now. Where there
 * are no live checks, those in magazines count too. Any context.
 */
unsigned int xslab_live_in(struct xslab_cache *cache, struct xpage *slab)
{
	unsigned long offset = (slab - cache->pages) << PAGE_SHIFT;
	unsigned int i, nr = 0;

	if (slab_start(cache, offset) != offset)
		return 0;	/* a page of a torn slab, whose first one tells */
	offset += cache->slack;
	for (i = 0; i < cache->per_slab; i++, offset += cache->stride)
		nr += xtear_has(slab, i) && is_live(cache, slab, i, offset);
	return nr;
}

/* The cache of a slab, or of a page of a torn one; NULL where it is on its way. */
struct xslab_cache *xslab_owner(const struct xpage *slab)
{
	return owner_of(slab);
}

struct xdecay *xslab_cache_decay(struct xslab_cache *cache)
{
	return &cache->decay;
}

struct xmag *xslab_cache_mag(struct xslab_cache *cache)
{
	return &cache->mag;
}
EXPORT_SYMBOL_GPL(xslab_cache_mag);
