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
 * What is fetched ahead
 *
 * Most of the time of a slow path may be waiting for the state of slabs that were
 * not looked at for long, and much of a client's for the object that he writes to.
 * Both can be asked for before they are needed.
 *
 *	Free slabs are taken in the order of their addresses, also when they became
 *	free in another: then the hardware fetches their states by itself. 30,000
 *	objects of 4 KiB, 64 at once, after they were freed in random order: from 0.63
 *	of SLUB's time to 0.18 (ns, User Mode Linux). To keep that order, a tree of
 *	bitmaps finds the free slab before another (xset.c).
 *
 *	A refill hands out objects in the order of addresses, too, for the hardware: 30,000
 *	of 4 KiB that are written to, one by one, from 0.61 to 0.38, and their frees from
 *	0.20 to 0.10.
 *
 *	Of partial slabs that are about equally full, the one behind the last that served
 *	is next: 30,000 objects of 1 KiB, after they were freed in random order, from 0.48
 *	to 0.29. (To fetch the state of the next one on the list came too late: the one
 *	after it is known only then.)
 *
 *	So what comes soon is known by its address, and the state of the fourth slab from
 *	the one in use is fetched. Not all hardware does: 4 KiB objects, 64 at once, from
 *	0.56 to 0.20 on an Intel Golden Cove, where the next but one gave 0.28.
 *
 * Objects are fetched only for a client who says that he writes to them (XSLAB_PREFETCH):
 * it may be the memory of a device, which is none of the CPU's business, and who does not
 * write waits in vain. 30,000 objects of 256 bytes, ns, one by one, on an Intel Golden Cove
 * under a hypervisor: 8.5 where a refill fetches its objects, 2.7 where it does not; and for
 * those that are written to 8.6 and 11 (1 KiB: 10 and 3, 22 and 31; 4 KiB: 42 and 6, 43 and
 * 80). In bulk, 64 of 256 bytes at once and written to: 6.7 and 8.4; 1 KiB: 14 and 23, with
 * a bare stack of pointers 13 to 17. To fetch 16 ahead of those in use, window by window, or
 * 16 of 64 alone, was good for neither kind of client. Objects of up to a line are left to
 * the hardware: 64 bytes, written to, 5.1 with a fetch and 3.8 without.
 *
 * A fetch cannot fault: what is not mapped, or no memory, is left alone.
 *
 * Lining up
 *
 * A word of a map fills a magazine, and so do some slabs. But where clients take and free
 * objects in order, they begin anywhere, and then each magazine would hold the end of one
 * slab and the begin of the next, and change the states of both. So a flush takes what
 * completes its last slab from the next magazine, and a refill that has some objects leaves
 * the next slab, or word, alone when it would take a part of it. Both happen once, and
 * from then on magazines and slabs begin together. 30,000 objects of 256 bytes, one by one:
 * frees from 48 to 45 instructions, allocations from 36 to 34 (with slabs of 64).
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
 * NMI
 *
 * An NMI may have interrupted the holder of the lock. It does not wait: it
 * allocates nothing, and for a free it sets the object's bit in a second map and
 * pushes the slab onto a stack without a lock. Whoever takes the lock next moves
 * the bits, and the slab to the right list. Between the two, nmi_frees keeps the
 * slab from being given back.
 *
 * What is free is offered before the lock is given up: an object to who waits for
 * one (xwait.c), and slabs that are one too many to the pool.
 *
 * Locks: cache->lock protects the lists, the counts, and the taking of bits. It
 * is held for one magazine, or 64 objects of a bulk operation.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/export.h>
#include <linux/prefetch.h>
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

#define XSLAB_CHUNK		64U	/* objects of a bulk operation under one lock */
#define XSLAB_FEW		8U	/* objects that are freed into a magazine, in any order */
#define XSLAB_RELEASE		16U	/* slabs given back under one lock */
#define XSLAB_AHEAD		4U	/* slabs, see fetch_ahead() */
#define XSLAB_LOOKS		2U	/* at slabs on the lists of fuller ones */
#define XSLAB_FETCHED		256U	/* objects of a bulk, a line of each: half of a small L1 */

/*
 * Where an object is: from its offset in the pool or, in pools of one region,
 * from its address. Both are aligned alike.
 */

/* Where the slab starts that holds @offset. */
static __always_inline unsigned long slab_start(const struct xslab_cache *cache,
						unsigned long offset)
{
	return offset & cache->fast.slab_mask;
}

static __always_inline struct xpage *slab_in(struct xpage *pages, unsigned long start)
{
	/* Slabs start at pages: one shift instead of a division and a product. */
	return (void *)pages + (start >> (PAGE_SHIFT - XPAGE_SHIFT));
}

static struct xpage *slab_at(const struct xslab_cache *cache, unsigned long offset)
{
	return slab_in(cache->pages, slab_start(cache, offset));
}

/* Is the slab at address @start in the pool's one region? */
static __always_inline bool is_near(const struct xslab_cache *cache, unsigned long start)
{
	return start - cache->near_start < cache->fast.near_bytes;
}

static __always_inline struct xpage *near_slab(const struct xslab_cache *cache,
					       unsigned long start)
{
	return slab_in(cache->near_pages, start - cache->near_start);
}

/* The slab at address @start, which is one of the cache's. */
static __always_inline struct xpage *slab_of(const struct xslab_cache *cache,
					     unsigned long start)
{
	if (likely(is_near(cache, start)))
		return near_slab(cache, start);
	return slab_at(cache, xpool_offset(cache->pool, (void *)start));
}

/* Does an object start @in bytes into a slab? */
static __always_inline bool is_start(const struct xslab_check *check, unsigned long in)
{
	return xslab_is_start(check, in + check->bias);
}

static __always_inline bool owns(const struct xslab_cache *cache, const struct xpage *slab)
{
	/* The owner changes only while the slab has no live object. */
	return data_race(slab->cache) == cache;
}

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

/* The first list that has partial slabs, or the one of free slabs. */
static __always_inline unsigned int first_list(struct xslab_cache *cache)
{
	for (; cache->occupied; cache->occupied &= cache->occupied - 1) {
		unsigned int list = __ffs(cache->occupied);

		if (likely(!list_empty(&cache->lists[list])))
			return list;
	}
	return XSLAB_FREE;
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

/* Is @slab a partial one of the cache that is on the list, or belongs there? */
static __always_inline bool is_on(const struct xslab_cache *cache, const struct xpage *slab,
				  unsigned int list)
{
	return slab < cache->pages + cache->pool->buddy.nr && owns(cache, slab) &&
	       cache->list_of[slab->nr_free] == list;
}

/*
 * The slab to take objects from: the fullest that has some, or NULL. Of partial ones that
 * are about equally full it is the last that served, or the one behind it, if that is one
 * of them.
 */
static __always_inline struct xpage *best_slab(struct xslab_cache *cache)
{
	unsigned int list = first_list(cache);

	if (list == XSLAB_FREE)
		return list_first_entry_or_null(&cache->lists[list], struct xpage, list);
	return is_on(cache, cache->beside, list) ? cache->beside : xslab_fullest(cache);
}

/* Set the bit of an object without the lock; false: it is set. */
static bool set_bit_nmi(const struct xslab_cache *cache, struct xpage *slab, unsigned int nr)
{
	unsigned int word = BIT_WORD(nr) + (has_nmi_words(cache) ? XPAGE_MAP_WORDS / 2 : 0);

	return !(atomic_long_fetch_or(BIT_MASK(nr), &slab->map[word]) & BIT_MASK(nr));
}

/* Move what NMIs set to where it belongs; returns whether it was there already. */
static bool merge_nmi_words(struct xslab_cache *cache, struct xpage *slab)
{
	unsigned long lost = 0;
	unsigned int w;

	for (w = 0; has_nmi_words(cache) && w < cache->words; w++) {
		unsigned long set = atomic_long_xchg(&slab->map[w + XPAGE_MAP_WORDS / 2], 0);

		lost |= set & atomic_long_read(&slab->map[w]);
		change_word(cache, &slab->map[w], 0, set);
	}
	return lost;
}

/* Slabs that NMIs freed objects of. */
noinline void xslab_relist_deferred(struct xslab_cache *cache)
{
	struct xpage *slab = xdefer_take_all(cache->pool, &cache->deferred);

	while (slab) {
		struct xpage *next = xdefer_next(cache->pool, slab);

		if (merge_nmi_words(cache, slab))
			atomic_long_inc(&cache->errors);
		recount_free(cache, slab);
		if (is_torn(slab))
			xtear_freed(cache, slab);
		slab = next;
	}
	if (cache->nr_waiting)
		xwait_serve(cache);	/* the NMI saw to it that they are woken */
}

noinline void xslab_report_lost(struct xslab_cache *cache, void *obj)
{
	atomic_long_inc(&cache->errors);
	pr_err_ratelimited("cache %s: object %p was freed twice, found late\n",
			   cache->name, obj);
}

/*
 * From slabs to magazines
 */

/* What objects are taken from slabs for. */
enum xslab_use {
	XSLAB_FOR_MAGAZINE,	/* for clients that come one by one, soon */
	XSLAB_FOR_WRITER,	/* likewise, for one who writes to them */
	XSLAB_FOR_BULK,		/* for a client, and nobody looks whether they are live */
	XSLAB_FOR_LIVE,		/* for a client: mark them live */
};

static __always_inline bool is_for_magazine(enum xslab_use use)
{
	return use == XSLAB_FOR_MAGAZINE || use == XSLAB_FOR_WRITER;
}

/*
 * Where the object @i after the one at @at is written. A magazine is used from its end, so
 * it is written from there: clients get objects in the order of addresses.
 */
static __always_inline void **slot(void **at, unsigned int i, enum xslab_use use)
{
	return is_for_magazine(use) ? at - i : at + i;
}

/* How many were written from @first on, where the next one would come to @at. */
static __always_inline unsigned int between(void **first, void **at, enum xslab_use use)
{
	return is_for_magazine(use) ? first - at : at - first;
}

static __always_inline void **write_one(void **at, void *obj, enum xslab_use use)
{
	*at = obj;
	if (use == XSLAB_FOR_WRITER)
		prefetchw(obj);
	return slot(at, 1, use);
}

static __always_inline void **write_4(void **at, void *obj, unsigned long stride,
				      enum xslab_use use)
{
	at = write_one(at, obj, use);
	at = write_one(at, obj + stride, use);
	at = write_one(at, obj + 2 * stride, use);
	return write_one(at, obj + 3 * stride, use);
}

/**
 * struct xlive_row - the live bytes of objects that follow one another, four at a time
 * @at: those of the next four
 * @four: what the first four bytes are when these are live
 * @two: the same of the two bytes behind, in a row of six; 0 in one of four
 * @step: bytes from four objects to the next; 0: they lie in no row of a known kind
 *
 * Where the stride is 2^n the bytes are neighbours. Where it is half as much again, four
 * objects have six, of which two are nobody's, and 0: which ones, depends on whether the
 * first object begins with its byte or in the middle of it. 1,000 objects of 48 bytes at
 * once, in instructions: allocated 20.4, one byte at a time, and 16.4 so, freed 22.3 and
 * 17.9; of 64 or 256 bytes one more than if only neighbours were known.
 */
struct xlive_row {
	u8		*at;
	u32		four;
	u16		two;
	unsigned int	step;
};

/* The row from @obj on; there are live bytes. @stride may be negative: of no known kind. */
static __always_inline struct xlive_row live_row(const struct xslab_check *check,
						 unsigned long obj, long stride)
{
	static const u8 rows[3][6] = {
		{ 1, 1, 1, 1 }, { 1, 1, 0, 1, 1, 0 }, { 1, 0, 1, 1, 0, 1 },
	};
	unsigned int half = check->live_shift - 1, kind = 0, step = 4;

	if (stride != 2L << half) {
		kind = 1 + (obj >> half & 1);
		step = stride == 3L << half ? 6 : 0;
	}
	return (struct xlive_row){ &check->live[obj >> check->live_shift],
				   get_unaligned((const u32 *)rows[kind]),
				   get_unaligned((const u16 *)&rows[kind][4]), step };
}

/*
 * Change the live bytes of the next four; false: one says @on already. Then none is changed.
 * Who has a loop looks at row->step before it: here that is half an instruction an object.
 */
static __always_inline bool set_live_4(struct xlive_row *row, bool on)
{
	u32 *four = (u32 *)row->at;
	u16 *two = (u16 *)(four + 1);

	/* As xslab_set_live(): who has the objects has their bytes. */
	if (unlikely(data_race(get_unaligned(four)) != (on ? 0 : row->four)))
		return false;
	if (row->two) {
		/* likewise */
		if (unlikely(data_race(get_unaligned(two)) != (on ? 0 : row->two)))
			return false;
		put_unaligned(on ? row->two : 0, two);
	}
	put_unaligned(on ? row->four : 0, four);
	row->at += row->step;
	return true;
}

/* As write_run(), but marks them live: one that is live already is left out. */
static __always_inline unsigned int write_live_run(struct xslab_cache *cache, void **objs,
						   unsigned int nr, void *obj)
{
	struct xslab_check how = cache->fast.check;
	unsigned long stride = cache->stride;
	struct xlive_row row = live_row(&how, (unsigned long)obj, stride);
	void **at = objs;

	for (; row.step && nr >= 4 && set_live_4(&row, 1); nr -= 4) {
		at = write_4(at, obj, stride, XSLAB_FOR_LIVE);
		obj += 4 * stride;
	}
	for (; nr; nr--, obj += stride)
		if (likely(xslab_set_near_live(&how, obj, 1)))
			at = write_one(at, obj, XSLAB_FOR_LIVE);
	return at - objs;
}

/*
 * Write down @nr objects of a slab, which follow one another from @obj on. Returns how
 * many: one that is live already was freed twice, and whoever has it keeps it.
 */
static __always_inline unsigned int write_run(struct xslab_cache *cache, void **at,
					      unsigned int nr, void *obj, enum xslab_use use)
{
	unsigned long stride = cache->stride;
	unsigned int left = nr;

	if (use == XSLAB_FOR_LIVE)
		return write_live_run(cache, at, nr, obj);
	for (; left >= 4; left -= 4) {
		at = write_4(at, obj, stride, use);
		obj += 4 * stride;
	}
	for (; left; left--, obj += stride)
		at = write_one(at, obj, use);
	return nr;
}

/* Do the set bits follow one another? */
static __always_inline bool is_row(unsigned long bits)
{
	return !(bits & (bits + (bits & -bits)));
}

/* How many of @bits are set; of a row that is known without counting. */
static __always_inline unsigned int count_bits(unsigned long bits, bool row)
{
	return row ? __fls(bits) - __ffs(bits) + 1 : hweight_long(bits);
}

/*
 * The first @nr objects of the bits *@left, which are a row of as many or more; @first is
 * the one of bit 0.
 */
static __always_inline unsigned int take_row(struct xslab_cache *cache, void *first,
					     unsigned long *left, void **objs,
					     unsigned int nr, enum xslab_use use)
{
	unsigned int at = __ffs(*left), n;
	void *obj = first + (unsigned long)at * cache->stride;

	*left &= ~(GENMASK(nr - 1, 0) << at);
	n = write_run(cache, objs, nr, obj, use);
	if (use == XSLAB_FOR_LIVE && unlikely(n < nr))
		xslab_report_lost(cache, obj);
	return n;
}

/*
 * The same of bits that are anywhere, one by one, so that no branch need be guessed: 16
 * bytes, 30,000 after they were freed in random order, 3.5 ns, in rows 4.1; 64 bytes 2.8
 * and 3.9, 256 bytes 3.2 and 4.1.
 */
static __always_inline unsigned int take_scattered(struct xslab_cache *cache, void *first,
						   unsigned long *left, void **objs,
						   unsigned int nr, enum xslab_use use)
{
	struct xslab_check how = cache->fast.check;
	unsigned long stride = cache->stride, bits = *left;
	void **at = objs;

	while (nr--) {
		void *obj = first + __ffs(bits) * stride;

		bits &= bits - 1;
		if (use != XSLAB_FOR_LIVE || likely(xslab_set_near_live(&how, obj, 1)))
			at = write_one(at, obj, use);
		else
			xslab_report_lost(cache, obj);
	}
	*left = bits;
	return between(objs, at, use);
}

/*
 * Up to @nr objects of word @w of a slab's map. In a slab that was filled in order they
 * lie in one row, which needs no search. *@taken counts the bits.
 */
static __always_inline unsigned int take_word(struct xslab_cache *cache, struct xpage *slab,
					      unsigned int w, void **objs, unsigned int nr,
					      unsigned int *taken, enum xslab_use use,
					      bool one_word)
{
	void *first = first_object(cache, slab) + w * BITS_PER_LONG * cache->stride;
	unsigned long bits = atomic_long_read(&slab->map[w]), left = bits;
	bool row = is_row(bits);
	unsigned int got;

	if (!bits)
		return 0;
	nr = min(nr, one_word ? slab->nr_free : count_bits(bits, row));
	*taken += nr;
	if (row)
		got = take_row(cache, first, &left, objs, nr, use);
	else
		got = take_scattered(cache, first, &left, objs, nr, use);
	if (one_word)
		atomic_long_set(&slab->map[w], left);
	else
		change_word(cache, &slab->map[w], bits & ~left, 0);
	return got;
}

/*
 * How many of @taken objects counted as free. Where NMIs set bits of the same map, some of
 * these may not have been counted yet: then the slab has too few until they are.
 */
static __always_inline unsigned int of_counted(const struct xslab_cache *cache,
					       struct xpage *slab, unsigned int taken)
{
	return has_nmi_words(cache) ? taken : min_t(unsigned int, slab->nr_free, taken);
}

/*
 * May a word of which all objects are free, and which is more than the @left that a refill
 * has room for, wait for the next one? That one takes it whole, and so do those after it,
 * if all go on as they do.
 */
static __always_inline bool word_may_wait(struct xpage *slab, unsigned int w,
					  unsigned int left)
{
	return left < BITS_PER_LONG && !~atomic_long_read(&slab->map[w]);
}

static __always_inline unsigned int take_slab(struct xslab_cache *cache, struct xpage *slab,
					      void **objs, unsigned int nr,
					      enum xslab_use use, bool refill)
{
	unsigned int w = 0, got = 0, taken = 0;

	do {
		got += take_word(cache, slab, w, slot(objs, got, use), nr - got, &taken, use,
				 false);
	} while (++w < cache->words && got < nr &&
		 !(refill && got && word_may_wait(slab, w, nr - got)));
	sub_nr_free(cache, slab, of_counted(cache, slab, taken));
	return got;
}

/* The same of a slab whose map is one word. */
static __always_inline unsigned int take_small(struct xslab_cache *cache, struct xpage *slab,
					       void **objs, unsigned int nr,
					       enum xslab_use use)
{
	unsigned int got, taken = 0;

	got = take_word(cache, slab, 0, objs, nr, &taken, use, true);
	sub_nr_free(cache, slab, taken);
	return got;
}

/*
 * Slabs are used in the order of their addresses where they can be, so the state of the one
 * that is that far behind comes to be wanted soon.
 */
static __always_inline void fetch_ahead(const struct xslab_cache *cache,
					const struct xpage *slab)
{
	prefetchw(slab + XSLAB_AHEAD * pages_per_slab(cache));
}

/* So many slabs are all full that were free, or the other way about; they are on the list. */
static __always_inline void count_whole(struct xslab_cache *cache, unsigned int from,
					unsigned int to, unsigned int nr)
{
	cache->nr[from] -= nr;
	cache->nr[to] += nr;
	cache->nr_free += (to == XSLAB_FREE ? 1L : -1L) * nr * cache->per_slab;
}

/*
 * All objects of free slabs whose map is one word, for as long as all of one are wanted.
 * The slabs change their list together.
 */
static __always_inline unsigned int take_whole(struct xslab_cache *cache, void **objs,
					       unsigned int nr, enum xslab_use use)
{
	struct list_head *list = &cache->lists[XSLAB_FREE], *at = list;
	unsigned int per_slab = cache->per_slab, got = 0, slabs = 0, n;

	do {
		struct xpage *slab = list_first_entry(at, struct xpage, list);
		void *first = first_object(cache, slab);

		fetch_ahead(cache, slab);
		xset_del(&cache->empty, slab_nr(cache, slab));
		n = write_run(cache, slot(objs, got, use), per_slab, first, use);
		if (use == XSLAB_FOR_LIVE && unlikely(n < per_slab))
			xslab_report_lost(cache, first);
		atomic_long_set(&slab->word, 0);
		slab->nr_free = 0;
		got += n;
		slabs++;
		at = &slab->list;
	} while (nr - got >= per_slab && at->next != list);
	list_bulk_move_tail(&cache->lists[XSLAB_FULL], list->next, at);
	count_whole(cache, XSLAB_FREE, XSLAB_FULL, slabs);
	return got;
}

/*
 * One object, not marked live, of @slab, or of the best one where that is NULL. NULL
 * where nothing is free. Under the lock.
 */
void *xslab_take_one(struct xslab_cache *cache, struct xpage *slab)
{
	void *obj;

	lockdep_assert_held(&cache->lock);
	slab = slab ?: best_slab(cache);
	return slab && take_slab(cache, slab, &obj, 1, XSLAB_FOR_BULK, false) ? obj : NULL;
}

/* May what a slab of several words gives next wait? As word_may_wait(). */
static bool slab_may_wait(const struct xslab_cache *cache, struct xpage *slab,
			  unsigned int left)
{
	unsigned int w = 0;

	while (w < cache->words - 1 && !atomic_long_read(&slab->map[w]))
		w++;
	return word_may_wait(slab, w, left);
}

/*
 * Up to @nr objects. @refill: of a magazine, which need not be full, so a free slab that is
 * more than what is left waits, too, where whole ones fill a magazine.
 */
static __always_inline unsigned int fill(struct xslab_cache *cache, void **objs,
					 unsigned int nr, enum xslab_use use, bool refill)
{
	unsigned int left = nr, n;
	struct xpage *slab;
	unsigned long flags;

	if (!xlock(&cache->lock, &flags))
		return 0;
	settle(cache);
	while (left && (slab = best_slab(cache))) {
		bool is_free = slab->nr_free == cache->per_slab;

		fetch_ahead(cache, slab);
		if (unlikely(cache->words > 1)) {
			if (refill && left < nr && slab_may_wait(cache, slab, left))
				break;
			n = take_slab(cache, slab, objs, left, use, refill);
		} else if (is_free && left >= cache->per_slab) {
			n = take_whole(cache, objs, left, use);
		} else if (!is_free || !refill || left == nr || nr % cache->per_slab) {
			n = take_small(cache, slab, objs, left, use);
		} else {
			break;
		}
		objs = slot(objs, n, use);
		left -= n;
		cache->beside = slab + (slab->nr_free ? 0 : pages_per_slab(cache));
	}
	xslab_unlock(cache, flags);
	return nr - left;
}

static noinline unsigned int slab_fill_bulk(struct xslab_cache *cache, void **objs,
					    unsigned int nr)
{
	return fill(cache, objs, nr, XSLAB_FOR_BULK, false);
}

/*
 * Will the client write to what he gets, and does the hardware leave it to us to fetch that?
 * It does not where objects share a line, or lie in one after the other.
 */
static bool wants_fetch(const struct xslab_cache *cache)
{
	return cache->flags & XSLAB_PREFETCH && cache->stride > L1_CACHE_BYTES;
}

static noinline unsigned int slab_fill_writer(struct xslab_cache *cache, void **last,
					      unsigned int nr)
{
	return fill(cache, last, nr, XSLAB_FOR_WRITER, true);
}

static unsigned int slab_fill(struct xmag *mag, void **objs, unsigned int nr)
{
	struct xslab_cache *cache = container_of(mag, struct xslab_cache, mag);
	unsigned int got;

	if (wants_fetch(cache))
		got = slab_fill_writer(cache, objs + nr - 1, nr);
	else
		got = fill(cache, objs + nr - 1, nr, XSLAB_FOR_MAGAZINE, true);
	if (unlikely(got < nr))
		memmove(objs, objs + nr - got, got * sizeof(*objs));
	return got;
}

static noinline unsigned int slab_fill_live(struct xslab_cache *cache, void **objs,
					    unsigned int nr)
{
	return fill(cache, objs, nr, XSLAB_FOR_LIVE, false);
}

/*
 * From magazines to slabs
 */

/*
 * A run: objects from an array that lie in one slab, as bits. Those that were
 * allocated together are mostly freed together.
 */

/* How much is known of objects that are put into slabs. */
enum xslab_trust {
	XSLAB_TRUST,		/* they were checked when they were freed */
	XSLAB_CHECK_START,	/* look whether they are objects, ... */
	XSLAB_CHECK_LIVE,	/* ... and whether they are live */
};

/* Marks the object dead, where that is to be known; false: it is. */
static __always_inline bool accept_live(const struct xslab_check *check, unsigned long obj,
					enum xslab_trust trust)
{
	return trust != XSLAB_CHECK_LIVE ||
	       likely(xslab_set_near_live(check, (const void *)obj, 0));
}

/* A round of four takes 4 instructions an object, of one 6. */
static __always_inline bool is_row_of_4(void **at, unsigned long obj, long step)
{
	return likely((unsigned long)at[0] == obj) && likely((unsigned long)at[1] == obj + step) &&
	       likely((unsigned long)at[2] == obj + 2 * step) &&
	       likely((unsigned long)at[3] == obj + 3 * step);
}

/* As accept_live(), of the next four of a row; false: one by one, then. */
static __always_inline bool accept_live_4(struct xlive_row *row, enum xslab_trust trust)
{
	return trust != XSLAB_CHECK_LIVE || set_live_4(row, 0);
}

/*
 * How far objects follow one another in @at as they do in memory, @step apart, from
 * @obj on, which is the first one behind an object that was accepted.
 */
static __always_inline void **accept_row(const struct xslab_check *check, void **at,
					 void **end, unsigned long obj, long step,
					 enum xslab_trust trust)
{
	unsigned long fours = (unsigned long)(end - at) / 4;
	struct xlive_row row = {};

	if (trust == XSLAB_CHECK_LIVE) {
		row = live_row(check, obj, step);
		fours = row.step ? fours : 0;
	}
	for (; fours && is_row_of_4(at, obj, step) && accept_live_4(&row, trust); fours--) {
		obj += 4 * step;
		at += 4;
	}
	while (at != end && (unsigned long)*at == obj && accept_live(check, obj, trust)) {
		obj += step;
		at++;
	}
	return at;
}

/* How many objects a row can have that begins with number @nr, in one word of the map. */
static __always_inline unsigned int row_room(const struct xslab_cache *cache,
					     unsigned int nr, bool down, bool one_word)
{
	unsigned int room = cache->per_slab - nr;

	if (down)
		return nr % BITS_PER_LONG + 1;
	return one_word ? room : min_t(unsigned int, room, BITS_PER_LONG - nr % BITS_PER_LONG);
}

static __always_inline unsigned long row_bits(unsigned int nr, unsigned int len, bool down)
{
	unsigned int first = nr % BITS_PER_LONG - (down ? len - 1 : 0);

	return GENMASK(len - 1, 0) << first;
}

/*
 * The objects from @at on, but before @end, that are in the slab at @start, as bits
 * of word @w of its map, which is that of the first. Stops at one that is not to
 * be freed; returns where it stopped.
 */
static __always_inline void **gather_word(const struct xslab_cache *cache, void **at,
					  void **end, unsigned long start, unsigned int *w,
					  unsigned long *mask, enum xslab_trust trust,
					  bool one_word)
{
	unsigned long obj = (unsigned long)*at, slab_mask = cache->fast.slab_mask, bits = 0;
	struct xslab_check how = cache->fast.check;
	unsigned int nr = object_nr(&how, obj - start), word = one_word ? 0 : BIT_WORD(nr);

	while (trust == XSLAB_TRUST || likely(is_start(&how, obj - start))) {
		if (!accept_live(&how, obj, trust))
			break;
		bits |= BIT_MASK(nr);
		if (++at == end)
			break;
		obj = (unsigned long)*at;
		if ((obj & slab_mask) != start)
			break;
		nr = object_nr(&how, obj - start);
		if (!one_word && BIT_WORD(nr) != word)
			break;
	}
	*mask = bits;
	*w = word;
	return at;
}

/* The objects @set of word @w, which was @old, come back; @added of them were not there. */
static __always_inline void put_bits(struct xslab_cache *cache, struct xpage *slab,
				     unsigned int w, unsigned long old, unsigned long set,
				     unsigned int added, bool one_word)
{
	if (one_word)
		atomic_long_set(&slab->map[w], old | set);
	else
		change_word(cache, &slab->map[w], 0, set);
	add_nr_free(cache, slab, added);
	if (one_word && unlikely(slab->holes))
		xtear_freed(cache, slab);
}

/* So do @nr objects; false: one was there before, or is in @mask for two. */
static __always_inline bool put_run(struct xslab_cache *cache, struct xpage *slab,
				    unsigned int w, unsigned long mask, unsigned long nr,
				    bool one_word)
{
	unsigned long old = atomic_long_read(&slab->map[w]);
	unsigned int added = hweight_long(mask & ~old);

	put_bits(cache, slab, w, old, mask, added, one_word);
	return likely(added == nr);
}

/* So does object @nr, and nothing need be counted; false: it was there. */
static __always_inline bool put_bit(struct xslab_cache *cache, struct xpage *slab,
				    unsigned int nr, bool one_word)
{
	unsigned int w = one_word ? 0 : BIT_WORD(nr);
	unsigned long old = atomic_long_read(&slab->map[w]), mask = BIT_MASK(nr);

	if (unlikely(old & mask))
		return false;
	put_bits(cache, slab, w, old, mask, 1, one_word);
	return true;
}

/* Is the object at @at the only one of the slab at @start, as far as the next one tells? */
static __always_inline bool is_alone(const struct xslab_cache *cache, void **at, void **end,
				     unsigned long start)
{
	return at + 1 == end || slab_start(cache, (unsigned long)at[1]) != start;
}

/* Put the object at @at into its slab; returns what is next, @at where it cannot be freed. */
static __always_inline void **put_one(struct xslab_cache *cache, struct xpage *slab,
				      void **at, unsigned long start, void **lost,
				      enum xslab_trust trust, bool one_word)
{
	const struct xslab_check *how = &cache->fast.check;
	unsigned long obj = (unsigned long)*at;

	if (trust != XSLAB_TRUST && unlikely(!is_start(how, obj - start)))
		return at;
	if (!accept_live(how, obj, trust))
		return at;
	if (unlikely(!put_bit(cache, slab, object_nr(how, obj - start), one_word)))
		*lost = *at;
	return at + 1;
}

/* The same for all that follow and are in the same word of the map. */
static __always_inline void **put_group(struct xslab_cache *cache, struct xpage *slab,
					void **at, void **end, unsigned long start,
					void **lost, enum xslab_trust trust, bool one_word)
{
	unsigned long mask;
	unsigned int w;
	void **next;

	next = gather_word(cache, at, end, start, &w, &mask, trust, one_word);
	if (trust != XSLAB_TRUST && unlikely(next == at))
		return at;
	if (unlikely(!put_run(cache, slab, w, mask, next - at, one_word)))
		*lost = *at;
	return next;
}

/* How far the second of two objects is behind the first. */
static __always_inline long step_of(void **pair)
{
	return (unsigned long)pair[1] - (unsigned long)pair[0];
}

/* Do they follow one another, up or down? */
static __always_inline bool are_row(const struct xslab_cache *cache, void **pair)
{
	long step = step_of(pair), stride = cache->stride;

	return step == stride || step == -stride;
}

/* As put_group(), for as long as objects follow one another as the first two do. */
static __always_inline void **put_row(struct xslab_cache *cache, struct xpage *slab,
				      void **at, void **end, unsigned long start,
				      void **lost, enum xslab_trust trust, bool one_word)
{
	struct xslab_check how = cache->fast.check;
	unsigned long obj = (unsigned long)*at, len;
	unsigned int nr = object_nr(&how, obj - start);
	long step = step_of(at);
	void **next;

	if (trust != XSLAB_TRUST && unlikely(!is_start(&how, obj - start)))
		return at;
	next = min(end, at + row_room(cache, nr, step < 0, one_word));
	next = accept_row(&how, at, next, obj, step, trust);
	len = next - at;
	if (trust == XSLAB_CHECK_LIVE && unlikely(!len))
		return at;
	if (unlikely(!put_run(cache, slab, one_word ? 0 : BIT_WORD(nr),
			      row_bits(nr, len, step < 0), len, one_word)))
		*lost = *at;
	return next;
}

/* Are the objects from @at on perhaps all of the full slab at @start? */
static __always_inline bool may_be_all(const struct xslab_cache *cache,
				       const struct xpage *slab, void **at, void **end,
				       unsigned long start)
{
	return end - at >= cache->per_slab && (unsigned long)*at == start + cache->slack &&
	       is_near(cache, start) && owns(cache, slab) && !slab->nr_free;
}

/*
 * All objects of full slabs whose map is one word, for as long as both follow one another
 * from @at and @slab on. The slabs change their list together. Torn ones, which have
 * fewer objects, are not among them: see owns(). As put_group() otherwise.
 */
static __always_inline void **put_whole(struct xslab_cache *cache, struct xpage *slab,
					void **at, void **end, unsigned long start,
					void **lost, enum xslab_trust trust)
{
	unsigned int per_slab = cache->per_slab, nr = slab_nr(cache, slab), slabs = 0;
	struct list_head *place = free_place_of(cache, slab);
	struct xslab_check how = cache->fast.check;
	void **next;

	do {
		next = accept_row(&how, at, at + per_slab, (unsigned long)*at, cache->stride,
				  trust);
		if (unlikely(next != at + per_slab))
			break;
		atomic_long_set(&slab->word, GENMASK(per_slab - 1, 0));
		slab->nr_free = per_slab;
		xset_add(&cache->empty, nr + slabs++);
		list_move(&slab->list, place);
		place = &slab->list;
		at = next;
		start += PAGE_SIZE << cache->order;
		slab += pages_per_slab(cache);
	} while (may_be_all(cache, slab, at, end, start));
	if (likely(slabs))
		count_whole(cache, XSLAB_FULL, XSLAB_FREE, slabs);
	if (unlikely(next != at) &&
	    unlikely(!put_run(cache, slab, 0, row_bits(0, next - at, false), next - at, true)))
		*lost = *at;
	return next;
}

typedef void **(*put_fn)(struct xslab_cache *cache, struct xpage *slab, void **at,
			 void **end, unsigned long start, void **lost);

/*
 * Put objects into slabs; *@lost is one that was there already. Unless they are
 * trusted, stops at one that cannot be freed, or is not near; returns how many.
 */
static __always_inline unsigned int put_runs(struct xslab_cache *cache, void **objs,
					     unsigned int nr, void **lost,
					     put_fn group, put_fn row, put_fn whole,
					     enum xslab_trust trust, bool one_word)
{
	void **at = objs, **end = objs + nr, **next;

	for (; at != end; at = next) {
		unsigned long start = slab_start(cache, (unsigned long)*at);
		struct xpage *slab;

		if (trust != XSLAB_TRUST && unlikely(!is_near(cache, start)))
			break;
		slab = slab_of(cache, start);
		if (trust != XSLAB_TRUST && unlikely(!owns(cache, slab)))
			break;
		if (is_alone(cache, at, end, start))
			next = put_one(cache, slab, at, start, lost, trust, one_word);
		else if (!are_row(cache, at))
			next = group(cache, slab, at, end, start, lost);
		else if (whole && may_be_all(cache, slab, at, end, start))
			next = whole(cache, slab, at, end, start, lost);
		else
			next = row(cache, slab, at, end, start, lost);
		if (trust != XSLAB_TRUST && unlikely(next == at))
			break;
	}
	return at - objs;
}

/* The same of objects that are trusted, and of different slabs mostly. */
static __always_inline void put_each(struct xslab_cache *cache, void **objs, unsigned int nr,
				     void **lost, bool all_near, bool one_word)
{
	void **at = objs, **end = objs + nr;

	while (at != end) {
		unsigned long start = slab_start(cache, (unsigned long)*at);
		struct xpage *slab = all_near ? near_slab(cache, start) : slab_of(cache, start);

		at = put_one(cache, slab, at, start, lost, XSLAB_TRUST, one_word);
	}
}

/* Of objects that are trusted, too: what is left to look at is whether they are live. */
static noinline void **put_whole_start(struct xslab_cache *cache, struct xpage *slab,
				       void **at, void **end, unsigned long start,
				       void **lost)
{
	return put_whole(cache, slab, at, end, start, lost, XSLAB_CHECK_START);
}

static noinline void **put_whole_live(struct xslab_cache *cache, struct xpage *slab,
				      void **at, void **end, unsigned long start,
				      void **lost)
{
	return put_whole(cache, slab, at, end, start, lost, XSLAB_CHECK_LIVE);
}

/*
 * Functions for each kind of slab and of trust: in one alone there are not registers enough
 * for the loops of all. @whole: for slabs that become free at once, or NULL.
 */
#define DEFINE_PUT(name, whole, ...)							\
	static noinline void **name##_group(struct xslab_cache *cache,			\
					    struct xpage *slab, void **at, void **end,	\
					    unsigned long start, void **lost)		\
	{										\
		return put_group(cache, slab, at, end, start, lost, __VA_ARGS__);	\
	}										\
											\
	static noinline void **name##_row(struct xslab_cache *cache,			\
					  struct xpage *slab, void **at, void **end,	\
					  unsigned long start, void **lost)		\
	{										\
		return put_row(cache, slab, at, end, start, lost, __VA_ARGS__);		\
	}										\
											\
	static noinline unsigned int name(struct xslab_cache *cache, void **objs,	\
					  unsigned int nr, void **lost)			\
	{										\
		return put_runs(cache, objs, nr, lost, name##_group, name##_row, whole,	\
				__VA_ARGS__);						\
	}

DEFINE_PUT(put_check_start, put_whole_start, XSLAB_CHECK_START, true)
DEFINE_PUT(put_check_live, put_whole_live, XSLAB_CHECK_LIVE, true)
DEFINE_PUT(put_word_check_start, NULL, XSLAB_CHECK_START, false)
DEFINE_PUT(put_word_check_live, NULL, XSLAB_CHECK_LIVE, false)
DEFINE_PUT(put_trust, put_whole_start, XSLAB_TRUST, true)
DEFINE_PUT(put_word_trust, NULL, XSLAB_TRUST, false)

static noinline void put_singles(struct xslab_cache *cache, void **objs, unsigned int nr,
				 void **lost)
{
	if (unlikely(cache->words > 1))
		put_each(cache, objs, nr, lost, false, false);
	else if (likely(cache->fast.near_bytes))
		put_each(cache, objs, nr, lost, true, true);
	else
		put_each(cache, objs, nr, lost, false, true);
}

static unsigned int put_checked(struct xslab_cache *cache, void **objs, unsigned int nr,
				void **lost)
{
	bool has_live = xslab_has_live(&cache->fast.check);

	if (likely(cache->words == 1))
		return has_live ? put_check_live(cache, objs, nr, lost) :
				  put_check_start(cache, objs, nr, lost);
	return has_live ? put_word_check_live(cache, objs, nr, lost) :
			  put_word_check_start(cache, objs, nr, lost);
}

static __always_inline bool are_together(const struct xslab_cache *cache, void **pair)
{
	return slab_start(cache, (unsigned long)pair[0]) ==
	       slab_start(cache, (unsigned long)pair[1]);
}

/*
 * Objects of a magazine, which were checked. Whether some of them lie together the first
 * two tell, or where these lie apart the last two.
 */
static void put_trusted(struct xslab_cache *cache, void **objs, unsigned int nr,
			void **lost)
{
	if (nr == 1 || (!are_together(cache, objs) && !are_together(cache, objs + nr - 2)))
		put_singles(cache, objs, nr, lost);
	else if (likely(cache->words == 1))
		put_trust(cache, objs, nr, lost);
	else
		put_word_trust(cache, objs, nr, lost);
}

/* In an NMI that found the lock taken. */
static void drain_nmi(struct xslab_cache *cache, void **objs, unsigned int nr)
{
	unsigned int i;

	atomic_inc(&cache->nmi_frees);
	smp_mb__after_atomic();		/* pairs with spare_slab() */
	for (i = 0; i < nr; i++) {
		unsigned long start = slab_start(cache, (unsigned long)objs[i]);
		struct xpage *slab = slab_of(cache, start);

		unsigned long in = (unsigned long)objs[i] - start;

		if (!set_bit_nmi(cache, slab, object_nr(&cache->fast.check, in)))
			xslab_report_lost(cache, objs[i]);
		if (xdefer_claim(slab))
			xdefer_push(cache->pool, &cache->deferred, slab);
	}
	smp_mb__before_atomic();	/* pairs with spare_slab() */
	atomic_dec(&cache->nmi_frees);
	irq_work_queue(&cache->later);
}

static void slab_drain(struct xmag *mag, void **objs, unsigned int nr)
{
	struct xslab_cache *cache = container_of(mag, struct xslab_cache, mag);
	unsigned long flags;
	void *lost = NULL;

	if (!nr)
		return;
	if (unlikely(!xlock(&cache->lock, &flags))) {
		drain_nmi(cache, objs, nr);
		return;
	}
	settle(cache);
	put_trusted(cache, objs, nr, &lost);
	unlock_freed(cache, flags);
	if (unlikely(lost))
		xslab_report_lost(cache, lost);
}

/* As slab_drain(), but checks each object; returns how many it put. */
static unsigned int slab_drain_checked(struct xslab_cache *cache, void **objs,
				       unsigned int nr)
{
	unsigned long flags;
	void *lost = NULL;

	if (unlikely(!xlock(&cache->lock, &flags)))
		return 0;
	settle(cache);
	nr = put_checked(cache, objs, nr, &lost);
	unlock_freed(cache, flags);
	if (unlikely(lost))
		xslab_report_lost(cache, lost);
	return nr;
}

/*
 * Where objects are freed in the order of addresses, what is missing of the slab that the
 * last one is in: then the next magazine begins with a slab, or with a word of its map.
 */
static unsigned int slab_rest(struct xmag *mag, void *last, void **objs)
{
	struct xslab_cache *cache = container_of(mag, struct xslab_cache, mag);
	unsigned long obj = (unsigned long)objs[0], nr;

	if (objs[0] != last + cache->stride)
		return 0;
	nr = object_nr(&cache->fast.check, obj - slab_start(cache, obj));
	if (!(nr % BITS_PER_LONG))
		return 0;
	nr = row_room(cache, nr, false, false);
	return nr < mag->size && (unsigned long)objs[nr - 1] == obj + (nr - 1) * cache->stride ?
	       nr : 0;
}

const struct xmag_ops xslab_ops = {
	.fill	= slab_fill,
	.drain	= slab_drain,
	.rest	= slab_rest,
};

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
	this_cpu_inc(cache->mag.slow->allocs);
	return xslab_take_one(cache, slab);
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
static bool grow(struct xslab_cache *cache, gfp_t gfp, void **obj)
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

bool xslab_grow(struct xslab_cache *cache, gfp_t gfp)
{
	return grow(cache, gfp, NULL);
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

static noinline int refuse_free(struct xslab_cache *cache, void *obj)
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
		grown = grow(cache, gfp, &obj);
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
static noinline int refuse_zero(struct xslab_cache *cache)
{
	atomic_long_inc(&cache->errors);
	pr_err_ratelimited("cache %s: __GFP_ZERO would undo the constructor\n", cache->name);
	return 0;
}

static noinline void *zeroed(struct xslab_cache *cache, void *obj)
{
	if (likely(!cache->ctor))
		return memset(obj, 0, cache->object_size);
	refuse_zero(cache);
	xslab_cache_free(cache, obj);
	return NULL;
}

/* An object of the client's, or NULL. */
static void *alloc_marked(struct xslab_cache *cache, gfp_t gfp)
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
	void *obj = alloc_marked(cache, gfp) ?: alloc_last(cache, gfp);

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
static bool accept(struct xslab_cache *cache, void *obj)
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
	if (!accept(cache, obj))
		return refuse_free(cache, obj);
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
 * Bulk: from full magazines of the depot and from the maps of slabs, past the
 * CPU's magazines; back to the maps. For many objects that is faster, and
 * 64 of them cost the lock once.
 *
 * Up to a quarter of a magazine come from the CPU's magazines, so that the lock serves
 * several calls (16 at a time, 16 bytes: 1.36 ns each past the magazines, 0.84 so; 30 at a
 * time, 48 bytes: 0.90 and 1.14). Up to 8 go back there: 4 at a time, of 24 bytes to 2 KiB,
 * instructions for each, freed, 92 to 102 past the magazines and 61 to 72 so. 10 at a time
 * cost the same either way, and of 30 the magazines have to pass on what slabs could have
 * had at once, 23 and 36.
 *
 * Up to half a magazine go there for as long as a magazine has room, and come from there for
 * as long as one is full, of the CPU or in the depot. So who takes and gives some in turns
 * leaves the slabs alone: 16 of 192 bytes, alloc and free, 1.45 and 1.83 ns each past the
 * magazines and 0.86 and 1.22 so. But only rows go there: what was freed in random order
 * would stay for long, as holes in slabs (64 at a time, 16 bytes, freed, 0.5 ns, and 0.8 where
 * there are such).
 */

/* Mark objects live up to one that is, or that is not near; returns how many. */
static __always_inline unsigned int mark_near(struct xslab_cache *cache, void **objs,
					      unsigned int nr)
{
	struct xslab_check how = cache->fast.check;
	void **at = objs, **end = objs + nr;
	long stride = cache->stride;

	if (!xslab_has_live(&how))
		return 0;
	while (end - at >= 4 && is_row_of_4(at, (unsigned long)*at, stride)) {
		struct xlive_row row = live_row(&how, (unsigned long)*at, stride);

		if (!row.step || !set_live_4(&row, 1))
			break;
		at += 4;
	}
	while (at != end && likely(xslab_set_near_live(&how, *at, 1)))
		at++;
	return at - objs;
}

static noinline unsigned int mark_all_live(struct xslab_cache *cache, void **objs,
					   unsigned int nr)
{
	unsigned int i, fresh = mark_near(cache, objs, nr);

	for (i = fresh; i < nr; i++)
		if (likely(xslab_mark_live(cache, objs[i])))
			objs[fresh++] = objs[i];
		else
			xslab_report_lost(cache, objs[i]);
	return fresh;
}

/* Mark @nr objects live; returns how many of them were not. */
static __always_inline unsigned int mark_many(struct xslab_cache *cache, void **objs,
					      unsigned int nr)
{
	return cache->live ? mark_all_live(cache, objs, nr) : nr;
}

/*
 * Up to @nr objects, marked live, of those that are free now. A full magazine
 * comes first: what it holds are holes in slabs.
 */
static unsigned int take_bulk(struct xslab_cache *cache, size_t nr, void **objs)
{
	unsigned int want = min_t(size_t, nr, XSLAB_CHUNK), got = 0;

	if (nr >= cache->mag.size)
		got = xmag_take_full(&cache->mag, objs);
	if (got)
		return mark_many(cache, objs, got);
	if (likely(xslab_has_live(&cache->fast.check)))
		return slab_fill_live(cache, objs, want);
	return mark_many(cache, objs, slab_fill_bulk(cache, objs, want));
}

/* Where nothing is looked at, a round of four is 3 instructions an object, of one 6. */
static __always_inline void **pop_4(void **at, void **top)
{
	at[0] = top[-1];
	at[1] = top[-2];
	at[2] = top[-3];
	at[3] = top[-4];
	return at + 4;
}

/* So many come from magazines even if these have to be filled for it. */
static __always_inline unsigned int few_to_take(const struct xslab_cache *cache)
{
	return cache->mag.size / 4;
}

/* Do they come from magazines? So many more if these have them. */
static __always_inline bool takes_some(const struct xslab_cache *cache, size_t nr)
{
	const struct xmag_cpu *cpu = raw_cpu_ptr(READ_ONCE(cache->fast.cpus));
	bool has;

	if (nr <= few_to_take(cache))
		return true;
	/* A guess: one may come to another CPU, or an interrupt in between. */
	has = data_race(cpu->top - cpu->bottom >= nr);
	return (has || xmag_has_ready(&cache->mag, cpu)) && nr <= cache->mag.size / 2;
}

/* Do they go there? So many more if these have the room, and only rows: see above. */
static __always_inline bool gives_some(const struct xslab_cache *cache, size_t nr, void **objs)
{
	const struct xmag_cpu *cpu = raw_cpu_ptr(READ_ONCE(cache->fast.cpus));
	bool room;

	if (nr <= XSLAB_FEW)
		return true;
	/* A guess, too. */
	room = data_race(cpu->end - cpu->top >= nr);
	return (room || xmag_has_ready_room(&cache->mag, cpu)) && nr <= cache->mag.size / 2 &&
	       (are_row(cache, objs) || are_row(cache, objs + nr - 2));
}

/*
 * Up to @nr objects of the loaded magazine, marked live, as so many allocations would get
 * them. Stops at one that is live already: that is gone from the magazine, and *@lost.
 */
static __always_inline unsigned int pop_few(struct xslab_cache *cache, unsigned int nr,
					    void **objs, bool has_live, void **lost)
{
	struct xslab_check how = cache->fast.check;
	void **at = objs, **top, **bottom;
	xmag_here_t *cpu;

	preempt_disable();
	cpu = xmag_here(READ_ONCE(cache->fast.cpus));
	if (likely(xmag_try_enter(cpu, &top))) {
		bottom = top - min_t(unsigned long, nr, top - cpu->bottom);
		for (; !has_live && top - bottom >= 4; top -= 4)
			at = pop_4(at, top);
		while (top != bottom) {
			void *obj = *--top;

			if (has_live && unlikely(!xslab_set_near_live(&how, obj, 1))) {
				*lost = obj;
				break;
			}
			*at++ = obj;
		}
		cpu->allocs += cpu->top - top;
		cpu->top = top;
		xmag_try_leave(cpu, true);
	}
	preempt_enable();
	return at - objs;
}

static __always_inline unsigned int pop_some(struct xslab_cache *cache, unsigned int nr,
					     void **objs)
{
	void *lost = NULL;
	unsigned int got;

	if (likely(xslab_has_live(&cache->fast.check)))
		got = pop_few(cache, nr, objs, true, &lost);
	else
		got = pop_few(cache, nr, objs, false, &lost);
	if (unlikely(lost))
		xslab_report_lost(cache, lost);
	return got;
}

/* Where the loaded magazine had but @got: the rest from another one. */
static noinline unsigned int take_few_slow(struct xslab_cache *cache, unsigned int nr,
					   void **objs, unsigned int got)
{
	if (!xmag_reload(&cache->mag, nr > few_to_take(cache)))
		return got;
	return got + pop_some(cache, nr - got, objs + got);
}

/* As take_bulk(), of few: by way of this CPU's magazines. */
static __always_inline unsigned int take_few(struct xslab_cache *cache, unsigned int nr,
					     void **objs)
{
	unsigned int got = pop_some(cache, nr, objs);

	return likely(got == nr) ? got : take_few_slow(cache, nr, objs, got);
}

/*
 * Nothing is free in slabs: a new slab, or what magazines hold still. Returns how many
 * objects came with it, marked live: one at most, or none; or -ENOMEM.
 */
static noinline int alloc_one_more(struct xslab_cache *cache, gfp_t gfp, void **obj)
{
	*obj = NULL;
	if (grow(cache, gfp, obj))
		return mark_many(cache, obj, !!*obj);
	*obj = alloc_marked(cache, gfp);
	return *obj ? 1 : -ENOMEM;
}

/*
 * From the last on: the client begins with the first, and the others are there by then (256
 * of 256 bytes at once: 7.5 ns an object, and 8.6 the other way).
 */
static __always_inline void fetch_objects(void **objs, unsigned int nr)
{
	while (nr--)
		prefetchw(objs[nr]);
}

/* Up to @nr objects, marked live, from wherever they are; returns how many. */
static size_t alloc_many(struct xslab_cache *cache, gfp_t gfp, size_t nr, void **objs)
{
	size_t got = 0;

	if (takes_some(cache, nr))
		got = take_few(cache, nr, objs);
	while (got < nr) {
		int n = take_bulk(cache, nr - got, objs + got);

		if (likely(n)) {
			this_cpu_add(cache->mag.slow->allocs, n);
		} else {
			n = alloc_one_more(cache, gfp, objs + got);
			if (n < 0)
				break;
		}
		got += n;
	}
	return got;
}

/**
 * xslab_cache_alloc_bulk() - take many objects
 * @cache: the cache
 * @gfp: as for xslab_cache_alloc(), but this never sleeps
 * @nr: how many
 * @objs: filled with them
 *
 * Context: Any, as xslab_cache_alloc(). The lock is taken for 64 objects at a
 * time.
 * Return: @nr, or 0 where the cache cannot have that many; then it took none.
 */
int xslab_cache_alloc_bulk(struct xslab_cache *cache, gfp_t gfp, size_t nr, void **objs)
{
	size_t got, i;

	if (unlikely(gfp & __GFP_ZERO && cache->ctor))
		return refuse_zero(cache);
	got = alloc_many(cache, gfp, nr, objs);
	if (unlikely(got < nr)) {
		xslab_cache_free_bulk(cache, got, objs);
		atomic_long_inc(&cache->failures);
		return 0;
	}
	if (wants_fetch(cache))
		fetch_objects(objs, min_t(size_t, nr, XSLAB_FETCHED));
	for (i = 0; unlikely(gfp & __GFP_ZERO) && i < nr; i++)
		memset(objs[i], 0, cache->object_size);
	return nr;
}
EXPORT_SYMBOL_GPL(xslab_cache_alloc_bulk);

/* The same for any pool: also for what slab_drain_checked() stops at. */
static noinline void free_bulk_far(struct xslab_cache *cache, size_t nr, void **objs)
{
	void *chunk[XSLAB_CHUNK];
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < nr; i++) {
		if (accept(cache, objs[i]))
			chunk[n++] = objs[i];
		else
			refuse_free(cache, objs[i]);
		if (n == XSLAB_CHUNK) {
			slab_drain(&cache->mag, chunk, n);
			n = 0;
		}
	}
	slab_drain(&cache->mag, chunk, n);
}

/* Is this an object to free, in a pool of one region? Marks it dead. As the fast path. */
static __always_inline bool accept_near(const struct xslab_cache *cache, const void *obj)
{
	unsigned long in = (unsigned long)obj - cache->fast.near_base;

	return likely(in < cache->fast.near_bytes) && likely(xslab_accept_near(cache, obj, in));
}

/*
 * Objects into a magazine from @top on, for as long as they can be freed; returns the new
 * top. A row of them, up or down, is looked at once a slab: beside one object of a slab
 * there is another, if that is in the slab. Torn ones are not among them, see owns().
 */
static __always_inline void **push_checked(const struct xslab_cache *cache, void **top,
					   void **at, void **end, enum xslab_trust trust)
{
	unsigned long slab_mask = cache->fast.slab_mask, stride = cache->stride;
	struct xslab_check how = cache->fast.check;

	while (at != end && accept_near(cache, *at)) {
		unsigned long obj = (unsigned long)*at, start = obj & slab_mask;
		unsigned long step = at + 1 != end && at[1] < at[0] ? -stride : stride;

		do {
			*top++ = (void *)obj;
			obj += step;
		} while (++at != end && (unsigned long)*at == obj &&
			 (obj & slab_mask) == start && accept_live(&how, obj, trust));
	}
	return top;
}

/* Up to @nr objects into the loaded magazine, if it has room; returns how many. */
static __always_inline unsigned int push_few(struct xslab_cache *cache, unsigned int nr,
					     void **objs, enum xslab_trust trust)
{
	unsigned int done = 0;
	xmag_here_t *cpu;
	void **top;

	preempt_disable();
	cpu = xmag_here(READ_ONCE(cache->fast.cpus));
	if (likely(xmag_try_enter(cpu, &top))) {
		void **end = objs + min_t(unsigned long, nr, cpu->end - top);

		done = push_checked(cache, top, objs, end, trust) - top;
		cpu->top = top + done;
		xmag_try_leave(cpu, true);
	}
	preempt_enable();
	return done;
}

static __always_inline unsigned int push_some(struct xslab_cache *cache, unsigned int nr,
					      void **objs)
{
	if (likely(xslab_has_live(&cache->fast.check)))
		return push_few(cache, nr, objs, XSLAB_CHECK_LIVE);
	return push_few(cache, nr, objs, XSLAB_CHECK_START);
}

/* A few objects to this CPU's magazines; returns how many of the first ones went there. */
static noinline unsigned int give_few(struct xslab_cache *cache, unsigned int nr, void **objs)
{
	unsigned int done = push_some(cache, nr, objs);

	if (unlikely(done < nr) && xmag_make_room(&cache->mag, nr > XSLAB_FEW))
		done += push_some(cache, nr - done, objs + done);
	return done;
}

/**
 * xslab_cache_free_bulk() - give many objects back
 * @cache: the cache that they were taken from
 * @nr: how many
 * @objs: the objects; an entry may be NULL
 *
 * Each is checked as by xslab_cache_free(); those that cannot be freed are
 * reported and counted, and the others are freed.
 *
 * Context: Any, NMI too. The lock is taken for 64 objects at a time, and a few go
 * the way of single frees.
 */
void xslab_cache_free_bulk(struct xslab_cache *cache, size_t nr, void **objs)
{
	if (gives_some(cache, nr, objs)) {
		unsigned int done = give_few(cache, nr, objs);

		objs += done;
		nr -= done;
	}
	while (nr) {
		unsigned int n = slab_drain_checked(cache, objs,
						    min_t(size_t, nr, XSLAB_CHUNK));

		if (unlikely(!n)) {
			n = cache->fast.near_bytes ? 1 : min_t(size_t, nr, XSLAB_CHUNK);
			free_bulk_far(cache, n, objs);
		}
		objs += n;
		nr -= n;
	}
}
EXPORT_SYMBOL_GPL(xslab_cache_free_bulk);

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
		if (!grow(cache, GFP_KERNEL, NULL))
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
	stats->allocs = count.allocs;
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
