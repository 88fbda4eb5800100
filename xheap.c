// SPDX-License-Identifier: GPL-2.0
/*
 * xheap: chunks of any size
 *
 * Concepts
 *
 * A heap hands out chunks of a range of addresses. It never reads or writes what is there, so
 * the addresses may be those of memory, of a device, or numbers that stand for something else.
 * Sizes are rounded up to granules of 16 bytes to 4 KiB. The chunks of a range, live and free,
 * fill it, and no two free ones lie side by side.
 *
 *	  granules	1     2     3     4     5     6     7
 *	  chunks	| live      | free            | live |
 *	  tags		live 2      free 3      end 3 live 1
 *
 * What is known of a chunk lies out of band, in an array of one struct xgranule of 12 bytes for
 * each granule. The first granule of a chunk has its size and its state. So a free finds with one
 * load whether a live chunk begins at the address, which refuses wild pointers and double frees;
 * granules inside of chunks have no tag. The last granule of a free chunk has the size too
 * (Knuth's boundary tag), by which the chunk above finds its neighbour below. Links of free chunks
 * are in their own first granules, so nothing is allocated after creation.
 *
 * Bins: free chunks of about one size are on a list. There are 64 bins for each doubling of the
 * size, and two levels of bitmaps say which of them have any (TLSF, Masmano et al., ECRTS 2004).
 * So the bin for a request, and the next one with a chunk in it, take no search.
 *
 * A request is satisfied in the following order:
 *
 *	1. a chunk of its own bin that is large enough, among the first few
 *	2. the first chunk of the next bin that has any
 *	3. a chunk of its own bin, among more
 *	4. a new region, if the heap takes regions and its limit leaves room (heap/grow.c)
 *	5. a new region in the place of idle ones
 *
 * With first fit, a tree of maxima by address takes the place of 1 to 3 (heap/order.c).
 *
 * Time: 1 and 2 are bounded by a few chunks, 3 by 64, and a free by its two neighbours. None of
 * that grows with the number of chunks. The one case in which a request fails although a chunk is
 * large enough: more than 64 chunks of its own bin are too small, by less than 1/64, and no
 * larger one is free.
 *
 * Lock: heap->lock, raw, with interrupts off, for one operation. There is no lock below it. It is
 * only tried in NMI: then an allocation fails, and a free is left for the next holder
 * (heap/defer.c). A live chunk stops being live by cmpxchg() on its tag, as such an NMI may free
 * the same chunk at the same instant by a client's error; all other tags belong to the lock.
 *
 * Regions: a heap over a pool, or one that cuts its range by need, has several runs of addresses.
 * heap/region.c leads from addresses to granule numbers and back.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/err.h>
#include <linux/export.h>
#include <linux/module.h>

#include "heap/chunk.h"

/* What a heap cannot do for a request: it knows no memory. */
#define GFP_REFUSED	(__GFP_ZERO | __GFP_NOFAIL | __GFP_DMA | __GFP_DMA32 | __GFP_COMP)

/* What the arguments say, and the tables for it. */
static struct xheap *plan_and_setup(const struct xheap_args *args)
{
	struct xheap *plan = kzalloc(sizeof(*plan), XMETA_GFP), *heap;
	int err;

	if (!plan)
		return ERR_PTR(-ENOMEM);
	err = xheap_args_check(plan, args);
	heap = err ? ERR_PTR(err) : xheap_setup(plan, args->by_address || plan->first_fit);
	kfree(plan);
	return heap ?: ERR_PTR(-ENOMEM);
}

/* The pool may go after this. */
static void leave_pool(struct xheap *heap)
{
	xheap_holder_del(heap);
	xheap_grow_stop(heap);
	if (heap->pool)
		xpool_leave(heap->pool);
}

static struct xheap *create_heap(const struct xheap_args *args)
{
	struct xheap *heap = plan_and_setup(args);
	int err;

	if (IS_ERR(heap))
		return heap;
	err = xheap_listed_add(heap);
	if (err)
		goto undo_setup;
	err = xheap_holder_add(heap, args->size);
	if (err)
		goto undo_listing;
	err = xheap_grow_start(heap, args->size);
	if (err)
		goto undo_holder;
	xheap_listed_show(heap);
	return heap;

undo_holder:
	leave_pool(heap);
undo_listing:
	xheap_listed_del(heap);
undo_setup:
	xheap_teardown(heap);
	return ERR_PTR(err);
}

/* For those to whom it does not matter. */
static struct xheap *create_unnamed(const struct xheap_args *args)
{
	static atomic_t nr = ATOMIC_INIT(0);
	struct xheap_args named = *args;
	char name[XPOOL_NAME_MAX];

	snprintf(name, sizeof(name), "heap-%d", atomic_inc_return(&nr));
	named.name = name;
	return create_heap(&named);
}

/**
 * xheap_create_stamped() - xheap_create(), with what the client was built for
 * @args: its range and its rules
 * @stamp: the client's xheap_stamp()
 * @client: the client, for the log
 *
 * Context: Process context, may sleep.
 * Return: as of xheap_create() in xheap.h, which is how clients call this.
 */
struct xheap *xheap_create_stamped(const struct xheap_args *args, u32 stamp,
				   struct module *client)
{
	struct xheap *heap;

	if (!xpool_knows_client(stamp == xheap_stamp(), client))
		return ERR_PTR(-ENOEXEC);
	if (!args)
		return ERR_PTR(-EINVAL);
	if (!xpool_may_come_and_go("heap", args->name ?: "without a name"))
		return ERR_PTR(-EDEADLK);
	if (!try_module_get(THIS_MODULE))
		return ERR_PTR(-ENODEV);
	heap = args->name ? create_heap(args) : create_unnamed(args);
	if (IS_ERR(heap))
		module_put(THIS_MODULE);
	return heap;
}
EXPORT_SYMBOL_GPL(xheap_create_stamped);

/* Granules in live chunks, once what NMIs freed is free. */
static u64 live_granules(struct xheap *heap)
{
	unsigned long flags;
	u64 live;

	xheap_lock(heap, &flags);
	live = heap->live;
	xheap_unlock(heap, flags);
	return live;
}

static int refuse_destroy(struct xheap *heap)
{
	struct xheap_stats stats;

	atomic_long_inc(&heap->errors);
	xheap_stats(heap, &stats);
	return heap_refuse(heap->name, -EBUSY, "not destroyed: %llu chunks of %llu bytes are live",
			   stats.chunks, stats.live);
}

/* Whatever is live goes with it. */
void xheap_destroy_all(struct xheap *heap)
{
	xheap_listed_del(heap);
	leave_pool(heap);
	xheap_teardown(heap);
	module_put(THIS_MODULE);
}

/**
 * xheap_destroy() - give back a heap's range and its metadata
 * @heap: the heap, or NULL or an error pointer, which does nothing
 *
 * Context: Process context, may sleep; not from reclaim. No other call uses the heap.
 * Return: 0; or, with nothing changed and a line in the log, -EBUSY where chunks are live, of
 * which the line has the number, or -EDEADLK while the system reclaims memory.
 */
int xheap_destroy(struct xheap *heap)
{
	if (IS_ERR_OR_NULL(heap))
		return 0;
	if (!xpool_may_come_and_go("heap", heap->name))
		return -EDEADLK;
	if (live_granules(heap))
		return refuse_destroy(heap);
	xheap_destroy_all(heap);
	return 0;
}
EXPORT_SYMBOL_GPL(xheap_destroy);

/*
 * Allocation
 */

/* Bytes that a new region must have for a request. One of a pool begins where it should. */
static u64 region_for(const struct xheap *heap, const struct xwant *want)
{
	return ((u64)want->size << heap->shift) + (heap->pool ? want->phase : want->align);
}

/* In a region of region_size, or (@exact) of what the request needs. */
static int place_in_region(struct xheap *heap, const struct xwant *want, bool exact, gfp_t gfp,
			   u64 *address)
{
	struct xheap_region *region;
	unsigned long flags;
	bool fetched;
	u64 start;
	int err;

	err = xheap_grow_reserve(heap, region_for(heap, want), exact, &region);
	if (err)
		return err;
	fetched = xheap_grow_fetch(heap, region, want->align, gfp, &start);
	xheap_lock(heap, &flags);
	if (fetched) {
		xheap_grow_add(heap, region, start);
		err = xheap_place(heap, want, address);
	} else {
		xheap_region_cancel(heap, region);
		err = -ENOSPC;
	}
	xheap_unlock(heap, flags);
	return err;
}

static int place_in_new_region(struct xheap *heap, const struct xwant *want, gfp_t gfp,
			       u64 *address)
{
	int err = -ENOSPC;

	if (want->fixed)
		return err;
	err = place_in_region(heap, want, false, gfp, address);
	/* The pool may be in pieces that are smaller than region_size. */
	return err ? place_in_region(heap, want, true, gfp, address) : 0;
}

static int place_or_grow(struct xheap *heap, const struct xwant *want, gfp_t gfp, u64 *address)
{
	unsigned long flags;
	int err = -ENOSPC;

	if (xheap_try_lock(heap, &flags)) {
		err = xheap_place(heap, want, address);
		xheap_unlock(heap, flags);
	}
	if (err && heap->grows)
		err = place_in_new_region(heap, want, gfp, address);
	if (err)
		atomic_long_inc(&heap->failures);
	return err;
}

/* Is a request of @size bytes one that the heap may ever meet? */
static __always_inline bool is_plain(const struct xheap *heap, u64 size, gfp_t gfp)
{
	return size - 1 < heap->limit && !(gfp & GFP_REFUSED);
}

static noinline int refuse_plain(struct xheap *heap, u64 size, gfp_t gfp)
{
	if (gfp & GFP_REFUSED)
		return xheap_refuse_request(heap, size, -EINVAL,
					    "a heap touches no memory and knows none, so it cannot keep __GFP_ZERO, __GFP_NOFAIL, __GFP_COMP or a zone");
	return xheap_refuse_request(heap, size, -EINVAL,
				    size ? "it is above the heap's size" : "it is empty");
}

/* What best fit did not find, or another policy must. */
static noinline int alloc_slow(struct xheap *heap, u64 size, gfp_t gfp, u64 *address)
{
	struct xwant want;

	if (!is_plain(heap, size, gfp))
		return refuse_plain(heap, size, gfp);
	want = (struct xwant){
		.bytes = size,
		.size = xheap_granules(heap, size),
		.max_waste = heap->max_waste,
		.first_fit = heap->first_fit,
	};
	return place_or_grow(heap, &want, gfp, address);
}

/* Best fit, in the regions that there are. */
static __always_inline int alloc_plain(struct xheap *heap, u64 bytes, gfp_t gfp, u64 *address)
{
	unsigned long flags;
	u32 chunk, size;

	if (unlikely(bytes - 1 >= heap->plain) || unlikely(gfp & GFP_REFUSED))
		return alloc_slow(heap, bytes, gfp, address);
	if (unlikely(!xheap_try_lock(heap, &flags)))
		return alloc_slow(heap, bytes, gfp, address);
	size = xheap_granules(heap, bytes);
	chunk = xheap_best_fit(heap, size, U32_MAX);
	if (likely(chunk)) {
		xheap_cut(heap, chunk, chunk, size, heap->max_waste,
			  xheap_doubling(heap, bytes));
		*address = xheap_address(heap, chunk);
	}
	xheap_unlock(heap, flags);
	return likely(chunk) ? 0 : alloc_slow(heap, bytes, gfp, address);
}

/* Pointers are for heaps of memory; a call with others is refused. */
static noinline bool has_pointers(struct xheap *heap)
{
	if (!heap || !heap->numbers)
		return heap;
	atomic_long_inc(&heap->errors);
	pr_err_ratelimited("heap %s: a heap of numbers has no pointers: use the calls with _number\n",
			   heap->name);
	return false;
}

/**
 * xheap_alloc() - allocate a chunk
 * @heap: a heap of addresses
 * @size: bytes, 1 or more
 * @gfp: __GFP_DIRECT_RECLAIM: may sleep for a region of the pool; __GFP_ZERO, __GFP_NOFAIL,
 *	__GFP_COMP and zones are refused, others mean nothing here
 *
 * Context: Any, NMI too.
 * Return: its address, aligned to the granule; or NULL where no free chunk is large enough, in an
 * NMI that found the heap's lock taken, and, with a line in the log, for what is refused.
 */
void *xheap_alloc(struct xheap *heap, u64 size, gfp_t gfp)
{
	u64 address;

	if (unlikely(!heap || heap->numbers) && !has_pointers(heap))
		return NULL;
	return alloc_plain(heap, size, gfp, &address) ? NULL : (void *)(unsigned long)address;
}
EXPORT_SYMBOL_GPL(xheap_alloc);

/**
 * xheap_alloc_number() - allocate a chunk, for heaps of numbers and of addresses
 * @heap: the heap
 * @size: numbers, or bytes, 1 or more
 * @gfp: as for xheap_alloc()
 * @number: filled with the first
 *
 * Context: Any, NMI too.
 * Return: 0; -ENOSPC where no free chunk is large enough, or in an NMI that found the heap's lock
 * taken; or, with a line in the log, -EINVAL for a size or flags that cannot be met. -EINVAL
 * without a line where @heap or @number is NULL.
 */
int xheap_alloc_number(struct xheap *heap, u64 size, gfp_t gfp, u64 *number)
{
	if (unlikely(!heap || !number))
		return -EINVAL;
	return alloc_plain(heap, size, gfp, number);
}
EXPORT_SYMBOL_GPL(xheap_alloc_number);

/* Why a request is refused, or NULL. */
static const char *wrong_with(const struct xheap *heap, const struct xheap_request *request)
{
	u64 mask = heap->mask;

	if (request->align && !is_power_of_2(request->align))
		return "align is no power of two";
	if (request->phase & mask || (request->phase && request->phase >= request->align))
		return "phase is not below align, or no multiple of the granule";
	if (request->fit > XHEAP_FIRST_FIT)
		return "fit is no policy";
	if (!heap->order.nr_levels && (request->fixed || request->fit == XHEAP_FIRST_FIT))
		return "a place by address needs a heap that is by_address";
	if (request->fixed && (request->at - request->phase) &
	    (mask | (request->align ? request->align - 1 : 0)))
		return "at is not aligned";
	return NULL;
}

static struct xwant want_of(const struct xheap *heap, const struct xheap_request *request)
{
	bool by_heap = request->fit == XHEAP_FIT_DEFAULT;

	return (struct xwant){
		.bytes = request->size,
		.size = xheap_granules(heap, request->size),
		.max_waste = request->max_waste ?
			     min_t(u64, xheap_granules(heap, request->max_waste), U32_MAX) :
			     heap->max_waste,
		.align = request->align > heap->mask + 1 ? request->align : 0,
		.phase = request->phase,
		.first_fit = by_heap ? heap->first_fit : request->fit == XHEAP_FIRST_FIT,
		.fixed = request->fixed,
	};
}

/* The granule of a fixed address. Regions may come and go, so under the lock. */
static int place_at(struct xheap *heap, struct xwant *want, u64 at, u64 *number)
{
	const struct xheap_region *region;
	unsigned long flags;
	int err = -EBUSY;

	if (!xheap_try_lock(heap, &flags))
		return -EBUSY;
	region = xheap_region_search(heap, at);
	if (!region || want->bytes > region->bytes - (at - region->start)) {
		err = -ERANGE;
	} else {
		want->at = xheap_number(heap, region, at);
		if (!xheap_place(heap, want, number))
			err = 0;
	}
	xheap_unlock(heap, flags);
	if (err)
		atomic_long_inc(&heap->failures);
	return err;
}

/**
 * xheap_alloc_request() - allocate a chunk, and say where
 * @heap: the heap
 * @request: what is wanted
 * @number: filled with its first address, or number
 *
 * An alignment larger than the size costs nothing besides the chunk: what lies around it stays
 * free.
 *
 * Context: Any, NMI too.
 * Return: 0; -ENOSPC where no free chunk can hold it; for a fixed address -EBUSY where it is not
 * all free, or -ERANGE where it is not all in one region of the heap; or, with a line in the log,
 * -EINVAL where an argument is out of bounds, or needs a heap that is by_address. -EINVAL without
 * a line where one is NULL.
 */
int xheap_alloc_request(struct xheap *heap, const struct xheap_request *request, u64 *number)
{
	struct xwant want;
	const char *wrong;

	if (!heap || !request || !number)
		return -EINVAL;
	if (!is_plain(heap, request->size, request->gfp))
		return refuse_plain(heap, request->size, request->gfp);
	wrong = wrong_with(heap, request);
	if (wrong)
		return xheap_refuse_request(heap, request->size, -EINVAL, wrong);
	want = want_of(heap, request);
	return want.fixed ? place_at(heap, &want, request->at, number) :
			    place_or_grow(heap, &want, request->gfp, number);
}
EXPORT_SYMBOL_GPL(xheap_alloc_request);

/*
 * Free
 */

/* The chunk must have @size granules, if not 0. */
static __always_inline int free_address(struct xheap *heap, u64 address, u32 size)
{
	unsigned long flags;
	bool excess = false;
	u32 chunk;
	int err = 0;

	if (unlikely(!xheap_try_lock(heap, &flags))) {
		err = xheap_defer(heap, address, size);
	} else {
		chunk = xheap_claim(heap, address, &size);
		if (unlikely(!chunk))
			err = xheap_look_error(heap, address);
		else if (unlikely(xheap_coalesce(heap, chunk, size) >= heap->idle_from))
			excess = xheap_grow_has_excess(heap);
		xheap_unlock(heap, flags);
		if (unlikely(heap->shut) && !in_nmi())
			xheap_grow_trim(heap);
		else if (unlikely(excess) && !in_nmi())
			xheap_grow_return(heap);
	}
	return likely(!err) ? 0 : xheap_refuse_chunk(heap, "free", address, err);
}

/**
 * xheap_free() - free a chunk
 * @heap: the heap that it is of
 * @addr: its address; NULL does nothing
 *
 * Context: Any, NMI too; there it may be put off until the next call for the heap.
 * Return: 0; or, with nothing changed and a line in the log: -ERANGE where @addr is not of this
 * heap, -EALREADY where it is free, -EINVAL where no chunk begins there or the heap has no
 * pointers. A double free far inside of what is free by now is -EINVAL too.
 */
int xheap_free(struct xheap *heap, const void *addr)
{
	if (!addr)
		return 0;
	if (unlikely(!heap || heap->numbers) && !has_pointers(heap))
		return -EINVAL;
	return free_address(heap, (unsigned long)addr, 0);
}
EXPORT_SYMBOL_GPL(xheap_free);

/**
 * xheap_free_number() - free a chunk, for heaps of numbers and of addresses
 * @heap: the heap that it is of
 * @number: its first number
 *
 * Context: Any, NMI too.
 * Return: as of xheap_free().
 */
int xheap_free_number(struct xheap *heap, u64 number)
{
	if (unlikely(!heap))
		return -EINVAL;
	return free_address(heap, number, 0);
}
EXPORT_SYMBOL_GPL(xheap_free_number);

/**
 * xheap_free_sized() - free a chunk of which the size is known
 * @heap: the heap that it is of
 * @number: its first number
 * @size: bytes, which are the chunk's granules, as xheap_size_of() has them
 *
 * Context: Any, NMI too.
 * Return: as of xheap_free(); -EINVAL, too, where the chunk has another size.
 */
int xheap_free_sized(struct xheap *heap, u64 number, u64 size)
{
	if (unlikely(!heap))
		return -EINVAL;
	/* No chunk is as large as the largest u32. */
	return free_address(heap, number,
			    size ? min_t(u64, xheap_granules(heap, size), U32_MAX) : U32_MAX);
}
EXPORT_SYMBOL_GPL(xheap_free_sized);

/*
 * Size
 */

/**
 * xheap_resize_number() - make a chunk longer or shorter where it is
 * @heap: the heap that it is of
 * @number: its first number
 * @size: bytes from now on, 1 or more
 *
 * Context: Any but NMI.
 * Return: 0; or, with nothing changed, -ENOSPC where the chunk above is not free or not large
 * enough, -EAGAIN in an NMI; or, with a line in the log, -EINVAL for an empty or huge size, and
 * what xheap_free() says of a @number that is no chunk.
 */
int xheap_resize_number(struct xheap *heap, u64 number, u64 size)
{
	unsigned long flags;
	int err;

	if (!heap)
		return -EINVAL;
	if (!is_plain(heap, size, 0))
		return refuse_plain(heap, size, 0);
	if (in_nmi() || !xheap_try_lock(heap, &flags))
		return -EAGAIN;
	err = xheap_resize_live(heap, number, size);
	if (err == -ENOENT)
		err = xheap_look_error(heap, number);
	xheap_unlock(heap, flags);
	return !err || err == -ENOSPC ? err : xheap_refuse_chunk(heap, "resize", number, err);
}
EXPORT_SYMBOL_GPL(xheap_resize_number);

/**
 * xheap_resize() - make a chunk longer or shorter where it is
 * @heap: the heap that it is of, one of addresses
 * @addr: its address
 * @size: bytes from now on, 1 or more
 *
 * Context: Any but NMI.
 * Return: as of xheap_resize_number().
 */
int xheap_resize(struct xheap *heap, const void *addr, u64 size)
{
	return has_pointers(heap) ? xheap_resize_number(heap, (unsigned long)addr, size) : -EINVAL;
}
EXPORT_SYMBOL_GPL(xheap_resize);

/**
 * xheap_size_of_number() - how much a chunk has
 * @heap: the heap that it is of
 * @number: its first number
 *
 * Context: Any but NMI.
 * Return: bytes, all of which may be used; or 0, with a line in the log, where no live chunk
 * begins there.
 */
u64 xheap_size_of_number(struct xheap *heap, u64 number)
{
	unsigned long flags;
	u32 chunk, tag = 0;
	int err;

	if (!heap || in_nmi() || !xheap_try_lock(heap, &flags))
		return 0;
	chunk = xheap_number_of(heap, number);
	if (chunk)
		tag = READ_ONCE(heap->granules[chunk].tag);
	err = (tag & XTAG_STATE) == XTAG_LIVE ? 0 : xheap_look_error(heap, number);
	xheap_unlock(heap, flags);
	if (!err)
		return (u64)xtag_size(tag) << heap->shift;
	xheap_refuse_chunk(heap, "size", number, err);
	return 0;
}
EXPORT_SYMBOL_GPL(xheap_size_of_number);

/**
 * xheap_size_of() - how much a chunk has
 * @heap: the heap that it is of, one of addresses
 * @addr: its address
 *
 * Context: Any but NMI.
 * Return: as of xheap_size_of_number().
 */
u64 xheap_size_of(struct xheap *heap, const void *addr)
{
	return has_pointers(heap) ? xheap_size_of_number(heap, (unsigned long)addr) : 0;
}
EXPORT_SYMBOL_GPL(xheap_size_of);

/**
 * xheap_avail() - what is free
 * @heap: the heap
 *
 * Context: Any.
 * Return: bytes, in all its free chunks.
 */
u64 xheap_avail(struct xheap *heap)
{
	if (!heap)
		return 0;
	return (READ_ONCE(heap->regions.granules) - READ_ONCE(heap->live)) << heap->shift;
}
EXPORT_SYMBOL_GPL(xheap_avail);

/**
 * xheap_trim() - give back all regions without live chunks
 * @heap: the heap
 *
 * Those that came at creation stay.
 *
 * Context: Any but NMI.
 * Return: their bytes.
 */
u64 xheap_trim(struct xheap *heap)
{
	return heap && heap->grows && !in_nmi() ? xheap_grow_trim(heap) : 0;
}
EXPORT_SYMBOL_GPL(xheap_trim);
