// SPDX-License-Identifier: GPL-2.0
/*
 * xmalloc: any size, from the default pool
 *
 * Up to 8 KiB there are classes of sizes, each of them a slab cache: one for each 16 bytes up to
 * 128, then four for each doubling, as jemalloc has them. So no more than a fifth of an object is
 * padding from 129 bytes on:
 *
 *	16 32 .. 128 | 160 192 224 256 | 320 384 448 512 | .. | 5120 6144 7168 8192
 *
 * Larger requests are chunks of a heap with granules of 1 KiB, which takes its regions from the
 * same pool and gives back what is idle when others need it.
 *
 * A free finds the cache by the page of the address, as each page of a slab names its cache; an
 * address without one is looked up in the heap. So it is checked like any free of an object or a
 * chunk. An object of any other cache of the default pool is freed too, as kfree() does it.
 *
 * The caches and the heap (the front) are made at once and whole, with the first request that may
 * sleep, or by xmalloc_prepare(): so a machine without clients of xmalloc pays nothing for it, and
 * after that nothing is asked of the system. A request that may not sleep and comes before all
 * others fails, and a worker makes the front at once. One task makes it, and others wait for that:
 * as they would for the system, which is asked as for GFP_NOIO.
 *
 * The front stays until the module goes. Its clients hold the module by the symbols that they use,
 * so its caches and its heap need not, and what a client left behind when it went does not keep
 * the module: it is reported and goes with the default pool.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/export.h>
#include <linux/irq_work.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/string.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <xalloc/xheap.h>
#include <xalloc/xmalloc.h>

#include "heap/heap.h"
#include "slab/slab.h"
#include "xmalloc.h"

#define LINEAR_MAX	128U	/* bytes; below, each step is a class */
#define STEP		16U
#define SLAB_MAX	8192U	/* bytes; above, the heap serves */
#define NR_CLASSES	(LINEAR_MAX / STEP + 4 * (ilog2(SLAB_MAX) - ilog2(LINEAR_MAX)))
#define MAGAZINE	SZ_16K	/* bytes of objects in one, so that all classes have some */
#define DEPOT		2U	/* magazines */
#define GRANULE		1024U	/* bytes, of the heap */
#define REGION_MIN	SZ_64K	/* bytes, of a region of the heap */
#define REGION_MAX	SZ_256K	/* so that little is free in the last one */
#define REGION_SHARE	16U	/* of the pool is a region, at most */
#define STAYS_ABOVE	8U	/* an object stays where more than this part of it is used */
#define IDLE_MAX	SZ_1M	/* bytes free in the heap: to have a region again costs more */
#define ALIGNED_MAX	SZ_4M	/* bytes: a larger power of two begins at a page */
#define HEAP_NAME	"xmalloc"

/**
 * struct xfront - all that serves requests
 * @linear: the pool's: from an address to a linear one
 * @start: linear address of the pool's first page
 * @bytes: how many follow it
 * @pages: what the pool knows of its first page, and of those that follow it
 * @largest: bytes that a class has at most
 * @heap: for what is larger
 * @classes: caches, by class
 * @class: class_of() of each step of sizes: to look it up takes five instructions less
 */
struct xfront {
	struct xlinear		linear;
	unsigned long		start;
	unsigned long		bytes;
	const struct xpage	*pages;
	size_t			largest;
	struct xheap		*heap;
	struct xslab_cache	*classes[NR_CLASSES];
	u8			class[SLAB_MAX / STEP];
};

/* Until there is another, no size is small enough and no address in it: all goes the slow way. */
static const long to_nowhere;
static struct xfront unready = { .linear.to = &to_nowhere };
static struct xfront *front = &unready;	/* set once, when it is whole */

static bool is_ready(void)
{
	return READ_ONCE(front) != &unready;
}

/*
 * The class of a size that is not 0. The sizes of a doubling differ in the two bits behind the
 * first; all below 128 are taken for those of the doubling to 128, which has eight.
 */
static unsigned int class_of(size_t size)
{
	size_t last = size - 1;
	unsigned int doubling = __fls(last | (LINEAR_MAX - 1));

	return (last >> (doubling - 2)) + 4 * (doubling - ilog2(LINEAR_MAX - 1));
}

/* The cache of a size that is not 0, nor above SLAB_MAX. */
static __always_inline struct xslab_cache *cache_for(const struct xfront *ready, size_t size)
{
	return ready->classes[ready->class[(size - 1) / STEP]];
}

/* The bytes of a class: the largest size that is in it. */
static unsigned int class_size(unsigned int class)
{
	unsigned int first = LINEAR_MAX / STEP, doubling;

	if (class < first)
		return (class + 1) * STEP;
	doubling = (class - first) / 4;
	return (LINEAR_MAX + (class % 4 + 1) * (LINEAR_MAX / 4)) << doubling;
}

/*
 * The front comes and goes
 */

/* Neither caches nor the heap keep the module: xmalloc_exit() is there for them. */
static int make_cache(struct xpool *pool, struct xfront *new, unsigned int class)
{
	unsigned int size = class_size(class);
	char name[XSLAB_NAME_MAX];
	const struct xslab_args args = {
		.name = name,
		.size = size,
		.align = min_t(size_t, size & -size, PAGE_SIZE),
		.magazine = clamp(MAGAZINE / size, 2U, XMAG_MAX_SIZE),
		.depot = DEPOT,
	};
	struct xslab_cache *cache;

	snprintf(name, sizeof(name), HEAP_NAME "-%u", size);
	cache = xslab_cache_create_in(pool, &args);
	if (IS_ERR(cache))
		return PTR_ERR(cache);
	module_put(THIS_MODULE);
	new->classes[class] = cache;
	return 0;
}

static int make_heap(struct xpool *pool, struct xfront *new)
{
	u64 bytes = (u64)pool->max_pages << PAGE_SHIFT;
	u64 region = clamp_t(u64, rounddown_pow_of_two(bytes / REGION_SHARE), REGION_MIN,
			      REGION_MAX);
	struct xheap_args args = {
		.name = HEAP_NAME,
		.pool = pool,
		.max_size = round_down(bytes, region),
		.region_size = region,
		.granule = GRANULE,
		.max_idle = IDLE_MAX,
	};
	struct xheap *heap;

	if (!args.max_size)
		return 0;
	heap = xheap_create(&args);
	if (PTR_ERR(heap) == -EEXIST) {	/* a client's has the name */
		args.name = NULL;
		heap = xheap_create(&args);
	}
	if (IS_ERR(heap))
		return PTR_ERR(heap);
	module_put(THIS_MODULE);
	new->heap = heap;
	return 0;
}

/* What is live of a cache is given up: it goes with the pool. */
static void end_cache(struct xslab_cache *cache)
{
	if (!cache)
		return;
	__module_get(THIS_MODULE);
	if (xslab_cache_destroy(cache))
		xslab_give_up(cache);
}

static void end_heap(struct xheap *heap)
{
	if (!heap)
		return;
	__module_get(THIS_MODULE);
	if (xheap_destroy(heap))
		xheap_destroy_all(heap);
}

static void end_front(struct xfront *old)
{
	unsigned int class;

	for (class = 0; class < NR_CLASSES; class++)
		end_cache(old->classes[class]);
	end_heap(old->heap);
	xmeta_free(old);
}

static int make_front(struct xpool *pool)
{
	struct xfront *new = xmeta_alloc(sizeof(*new));
	unsigned int class, step;
	int err = 0;

	if (!new)
		return -ENOMEM;
	for (step = 0; step < ARRAY_SIZE(new->class); step++)
		new->class[step] = class_of((step + 1) * STEP);
	for (class = 0; !err && class < NR_CLASSES; class++)
		err = make_cache(pool, new, class);
	err = err ?: make_heap(pool, new);
	if (err) {
		end_front(new);
		return err;
	}
	new->linear = pool->linear;
	new->start = pool->base + pool->start;
	new->bytes = pool->bytes;
	new->pages = &pool->pages[pool->start >> PAGE_SHIFT];
	new->largest = SLAB_MAX;
	smp_store_release(&front, new);	/* pairs with the loads of it, which the caches depend on */
	return 0;
}

static DECLARE_WAIT_QUEUE_HEAD(made);
static bool is_making;

/**
 * xmalloc_prepare() - have all that xmalloc() needs
 *
 * The first request that may sleep does this. For clients whose first one may not.
 *
 * Context: Process context, may sleep; not from a shrinker.
 * Return: 0, also where all was there; -ENODEV where there is no default pool, with a line in the
 * log, -EDEADLK while the system reclaims memory; -ENOMEM; or what the log says of a pool
 * that is too small.
 */
int xmalloc_prepare(void)
{
	struct xpool *pool = xpool_default();
	unsigned int flags;
	int err;

	if (is_ready())
		return 0;
	if (!pool) {
		pr_err_ratelimited("xmalloc: there is no default pool; load xalloc with a size\n");
		return -ENODEV;
	}
	if (!xpool_may_come_and_go("xmalloc's", "caches"))
		return -EDEADLK;
	wait_event(made, is_ready() || !xchg(&is_making, true));
	if (is_ready())
		return 0;
	/* A client that calls xmalloc() with GFP_NOIO comes here. */
	flags = memalloc_noio_save();
	err = make_front(pool);
	memalloc_noio_restore(flags);
	smp_store_release(&is_making, false);	/* pairs with the xchg() */
	wake_up_all(&made);
	return err;
}
EXPORT_SYMBOL_GPL(xmalloc_prepare);

static void prepare_work(struct work_struct *work)
{
	xmalloc_prepare();
}

static DECLARE_WORK(prepare, prepare_work);

static void start_preparing(struct irq_work *soon)
{
	schedule_work(&prepare);
}

static DEFINE_IRQ_WORK(prepare_soon, start_preparing);

/* No client is left. Before the default pool goes. */
void xmalloc_exit(void)
{
	irq_work_sync(&prepare_soon);
	cancel_work_sync(&prepare);
	if (!is_ready())
		return;
	end_front(front);
	xpool_reap_sync();
}

/*
 * Requests
 */

static noinline bool prepare_for(gfp_t gfp)
{
	if (gfpflags_allow_blocking(gfp) && !(current->flags & PF_MEMALLOC))
		return !xmalloc_prepare();
	pr_notice_ratelimited("xmalloc: not ready for a first request that may not sleep; see xmalloc_prepare()\n");
	irq_work_queue(&prepare_soon);
	return false;
}

/* A chunk at a multiple of its size where that is a power of two, as kmalloc() has it. */
static void *alloc_chunk(struct xheap *heap, size_t size, gfp_t gfp)
{
	const struct xheap_request request = { .size = size, .align = size, .gfp = gfp };
	u64 addr;

	if (!is_power_of_2(size) || size > ALIGNED_MAX)
		return xheap_alloc(heap, size, gfp);
	return xheap_alloc_request(heap, &request, &addr) ? NULL : (void *)(unsigned long)addr;
}

/* Could there be a region for the request, if all of the pool were free? */
static bool can_have(struct xheap *heap, size_t size)
{
	const struct xpool_request run = {
		.pages = round_up(size, heap->regions.unit_bytes) >> PAGE_SHIFT,
		.align = is_power_of_2(size) && size <= ALIGNED_MAX ? size : 0,
	};

	return size <= heap->limit && xpool_has_place(heap->pool, &run);
}

/* The heap knows no memory and does not wait. */
static void *alloc_large(struct xheap *heap, size_t size, gfp_t gfp)
{
	bool no_fail = gfp & __GFP_NOFAIL && can_have(heap, size) &&
		       xpool_has_context(gfp, "heap", heap->name);
	unsigned long said = jiffies;
	void *addr;

	while (!(addr = alloc_chunk(heap, size, gfp & ~(__GFP_ZERO | __GFP_NOFAIL))) && no_fail) {
		xpool_say_waiting(&said, "heap", heap->name);
		schedule_timeout_uninterruptible(1);
	}
	if (addr && gfp & __GFP_ZERO)
		memset(addr, 0, round_up(size, GRANULE));
	return addr;
}

static noinline void *alloc_slow(size_t size, gfp_t gfp)
{
	if (!size)
		return ZERO_SIZE_PTR;
	if (!is_ready() && !prepare_for(gfp))
		return NULL;
	if (size <= SLAB_MAX)
		return xslab_alloc_fast(cache_for(front, size), gfp);
	return front->heap ? alloc_large(front->heap, size, gfp) : NULL;
}

/**
 * xmalloc() - allocate memory of the default pool
 * @size: bytes
 * @gfp: as for xslab_cache_alloc()
 *
 * The first call for the module that may sleep makes caches and a heap in the default pool, for
 * which it takes memory of the system; see xmalloc_prepare().
 *
 * Context: Any, NMI too, where it may fail for a lock that is taken; but process context where it
 * may sleep.
 * Return: the address: a multiple of 16; of the size where that is a power of two, up to a page or
 * from 16 KiB to 4 MiB; and of 1 KiB above 8 KiB. ZERO_SIZE_PTR for @size 0. NULL where the pool
 * has no room, as of xslab_cache_alloc(); where there is no default pool; and for the first call
 * of all, where that may not sleep.
 */
void *xmalloc(size_t size, gfp_t gfp)
{
	const struct xfront *ready = READ_ONCE(front);

	if (unlikely(size - 1 >= ready->largest))
		return alloc_slow(size, gfp);
	return xslab_alloc_fast(cache_for(ready, size), gfp);
}
EXPORT_SYMBOL_GPL(xmalloc);

static noinline int free_large(const void *addr)
{
	int err;

	if (ZERO_OR_NULL_PTR(addr))
		return 0;
	if (front->heap) {
		err = xheap_free(front->heap, addr);
		/* Of the pool, but of no region: a client's page, or a free one. */
		return err == -ERANGE && xpool_offset(front->heap->pool, addr) != XPOOL_FOREIGN ?
		       -EINVAL : err;
	}
	pr_err_ratelimited("free of %p: nothing was allocated by xmalloc()\n", addr);
	return -ERANGE;
}

/* The cache that has the page at linear address @at, or NULL. With preemption off it stays. */
static __always_inline struct xslab_cache *owner_at(const struct xfront *ready, unsigned long at)
{
	unsigned long page = (at - ready->start) >> PAGE_SHIFT;

	return at - ready->start < ready->bytes ? owner_of(&ready->pages[page]) : NULL;
}

/**
 * xfree() - free what xmalloc() returned
 * @addr: the address, or that of an object of any cache of the default pool; NULL and
 *	ZERO_SIZE_PTR do nothing
 *
 * Context: Any, NMI too.
 * Return: 0; or, with nothing changed and a line in the log, as of xslab_cache_free() and
 * xheap_free(): -ERANGE where @addr is not in the default pool, -EINVAL where neither object nor
 * chunk begins there, -EALREADY where it is free.
 */
int xfree(const void *addr)
{
	const struct xfront *ready = READ_ONCE(front);
	struct xslab_cache *cache;
	unsigned long at;

	preempt_disable();
	at = xlinear_of(&ready->linear, addr);
	cache = owner_at(ready, at);
	if (likely(cache))
		return xslab_free_at(cache, (void *)addr, (void *)at);
	preempt_enable();
	return free_large(addr);
}
EXPORT_SYMBOL_GPL(xfree);

/* The bytes of a live object of a class, as a rule; else 0. */
static __always_inline size_t size_of_object(const void *addr)
{
	const struct xfront *ready = READ_ONCE(front);
	struct xslab_cache *cache;
	size_t bytes = 0;
	unsigned long at;

	preempt_disable();
	at = xlinear_of(&ready->linear, addr);
	cache = owner_at(ready, at);
	if (likely(cache) && likely(xslab_is_live_at(cache, (void *)at)))
		bytes = cache->object_size;
	preempt_enable();
	return bytes;
}

/* What is at @addr: its bytes, of a slab or of the heap; or 0, with a line in the log. */
static noinline size_t look_up(const void *addr, bool *in_heap)
{
	ssize_t bytes = xslab_size_of(addr);

	*in_heap = bytes == -ERANGE;
	if (!*in_heap)
		return max_t(ssize_t, bytes, 0);
	if (front->heap)
		return xheap_size_of(front->heap, addr);
	pr_err_ratelimited("size of %p: nothing was allocated by xmalloc()\n", addr);
	return 0;
}

/**
 * xmalloc_size() - how much there is for a client
 * @addr: what xmalloc() returned
 *
 * Context: Any but NMI.
 * Return: bytes, all of which may be used; 0 for NULL and ZERO_SIZE_PTR; and 0, with a line in the
 * log, where nothing that is live begins there.
 */
size_t xmalloc_size(const void *addr)
{
	bool in_heap;

	return ZERO_OR_NULL_PTR(addr) ? 0 : size_of_object(addr) ?: look_up(addr, &in_heap);
}
EXPORT_SYMBOL_GPL(xmalloc_size);

/* A chunk gets longer or shorter where it is, if what is above it allows. */
static bool resize_chunk(const void *addr, size_t has, size_t size, gfp_t gfp)
{
	if (size <= SLAB_MAX || size > front->heap->limit || xheap_resize(front->heap, addr, size))
		return false;
	if (gfp & __GFP_ZERO && size > has)
		memset((void *)addr + has, 0, round_up(size, GRANULE) - has);
	return true;
}

/*
 * Does an object of @has bytes stay as it is for @size? What shrinks often grows again soon, and a
 * copy takes more instructions than an allocation.
 */
static __always_inline bool object_stays(size_t has, size_t size)
{
	return size <= has && size > has / STAYS_ABOVE;
}

/* A chunk gives its end back without a copy, unless it would be an object then. */
static bool stays(size_t has, size_t size, bool in_heap)
{
	if (in_heap && size > SLAB_MAX)
		return size <= has && size > has / 2;
	return object_stays(has, size);
}

/* @has: as of size_of_object() */
static noinline void *realloc_slow(const void *addr, size_t size, gfp_t gfp, size_t has)
{
	bool in_heap = false;
	void *new;

	if (ZERO_OR_NULL_PTR(addr))
		return xmalloc(size, gfp);
	if (!size)
		return xfree(addr) ? NULL : ZERO_SIZE_PTR;
	has = has ?: look_up(addr, &in_heap);
	if (!has)
		return NULL;
	if (stays(has, size, in_heap) || (in_heap && resize_chunk(addr, has, size, gfp)))
		return (void *)addr;
	new = xmalloc(size, gfp);
	if (!new)
		return size <= has ? (void *)addr : NULL;
	memcpy(new, addr, min(has, size));
	if (!xfree(addr))
		return new;
	xfree(new);	/* another CPU has freed the old one, by an error */
	return NULL;
}

/**
 * xrealloc() - make what xmalloc() returned longer or shorter
 * @addr: the address; NULL and ZERO_SIZE_PTR: as xmalloc()
 * @size: bytes from now on; 0: as xfree()
 * @gfp: as for xmalloc(). With __GFP_ZERO what is beyond xmalloc_size() is zeroed, so that all
 *	is that was not written, where the earlier calls had the flag too
 *
 * It stays where it is if more than an eighth of it is used then; above 8 KiB it is made longer or
 * shorter in place where that is possible; otherwise the contents are copied.
 *
 * Context: As xmalloc(), but not NMI.
 * Return: the address; ZERO_SIZE_PTR for @size 0; or NULL, with nothing changed, as of xmalloc(),
 * and, with a line in the log, where nothing that is live begins at @addr.
 */
void *xrealloc(const void *addr, size_t size, gfp_t gfp)
{
	size_t has = size_of_object(addr);

	if (likely(object_stays(has, size)))
		return (void *)addr;
	return realloc_slow(addr, size, gfp, has);
}
EXPORT_SYMBOL_GPL(xrealloc);
