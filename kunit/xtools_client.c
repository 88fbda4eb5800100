// SPDX-License-Identifier: GPL-2.0
/*
 * A client that makes one error, or none, for tools.sh to see what the kernel's tools say of
 * it: insmod xtools_client.ko what=overrun. No suite: what it provokes is a report in the log.
 */
#define pr_fmt(fmt) "xtools_client: " fmt

#include <linux/err.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include <xalloc/xpool.h>
#include <xalloc/xslab.h>

#define SIZE	203	/* neither a multiple of a granule of KASAN's nor of a stride */
/* No array of these is on a stack, which kmemleak scans even after its task has gone. */
#define NR	100

static char *what = "nothing";
module_param(what, charp, 0444);

static struct xslab_cache *cache;

static void *take(void)
{
	return xslab_cache_alloc(cache, GFP_KERNEL);
}

static void give(void *obj)
{
	if (xslab_cache_free(cache, obj))
		pr_err("%p was refused\n", obj);
}

/* The compiler must not see what is wrong. */
static void write_at(void *obj, long at)
{
	char *to = obj;

	OPTIMIZER_HIDE_VAR(to);
	WRITE_ONCE(to[at], 1);
}

/*
 * Errors that KASAN sees
 */

static void overrun(void)
{
	void *obj = take();

	write_at(obj, SIZE);
	give(obj);
}

static void padding(void)
{
	void *obj = take();

	write_at(obj, round_up(SIZE, 8));
	give(obj);
}

static void underrun(void)
{
	void *obj = take();

	write_at(obj, -1);
	give(obj);
}

static void use_after_free(void)
{
	void *obj = take();

	give(obj);
	write_at(obj, SIZE / 2);
}

static void bulk_overrun(void)
{
	static void *objs[NR];

	xslab_cache_alloc_bulk(cache, GFP_KERNEL, NR, objs);
	write_at(objs[NR / 2], SIZE);
	xslab_cache_free_bulk(cache, NR, objs);
}

static void bulk_use_after_free(void)
{
	static void *objs[NR];

	xslab_cache_alloc_bulk(cache, GFP_KERNEL, NR, objs);
	xslab_cache_free_bulk(cache, NR, objs);
	write_at(objs[NR / 2], 0);
}

/* What a slab gave back is a page of the pool. */
static void slab_after_free(void)
{
	void *obj = take();

	give(obj);
	xslab_cache_collect(cache, true);
	write_at(obj, 0);
}

static void ctor(void *obj)
{
	memset(obj, 1, SIZE);
}

static void constructed_overrun(void)
{
	struct xslab_cache *made = xslab_cache_create("tools_ctor", SIZE, 0, 0, ctor);
	void *obj = xslab_cache_alloc(made, GFP_KERNEL);

	write_at(obj, SIZE);
	xslab_cache_free(made, obj);
	xslab_cache_destroy(made);
}

/* The old place of an object that was moved is not the client's any more. */
static void *moved_from, *moved_to;

static enum xslab_move move(void *arg, void *old, void *new, size_t size)
{
	if (moved_from)
		return XSLAB_KEPT;
	memcpy(new, old, size);
	moved_from = old;
	moved_to = new;
	return XSLAB_MOVED;
}

/*
 * @nr objects, one more than a slab has, are in two slabs or more, and one of them moves. The
 * one that is freed for it is not the first or the last, which may be alone in its slab: then
 * nothing moves. The first is where the task went to another CPU after it.
 */
static void move_one(void **objs, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		objs[i] = take();
		memset(objs[i], 1, SIZE);
	}
	give(objs[nr / 2]);
	objs[nr / 2] = NULL;
	xslab_cache_set_move(cache, move, NULL);
	xslab_cache_collect(cache, true);
	xslab_cache_set_move(cache, NULL, NULL);
	for (i = 0; i < nr; i++)
		if (objs[i] && objs[i] == moved_from)
			objs[i] = moved_to;
}

static unsigned int one_too_many(void)
{
	struct xslab_stats stats;

	xslab_cache_stats(cache, &stats);
	return stats.objects_per_slab + 1;
}

static void use_after_move(void)
{
	unsigned int nr = one_too_many();
	void **objs = kcalloc(nr, sizeof(*objs), GFP_KERNEL);

	move_one(objs, nr);
	if (moved_from)
		write_at(moved_from, 0);
	xslab_cache_free_bulk(cache, nr, objs);
	kfree(objs);
}

static void page_overrun(void)
{
	void *pages = xpool_alloc_addr(xpool_default(), 1, GFP_KERNEL);

	write_at(pages, 2 * PAGE_SIZE);
	xpool_free_addr(xpool_default(), pages, 1);
}

static void page_use_after_free(void)
{
	struct page *page = xpool_alloc_pages(xpool_default(), 0, GFP_KERNEL);

	xpool_free_pages(xpool_default(), page, 0);
	write_at(page_address(page), 0);
}

static void page_bulk_use_after_free(void)
{
	static struct page *pages[NR];

	xpool_alloc_pages_bulk(xpool_default(), GFP_KERNEL, NR, pages);
	xpool_free_pages_bulk(xpool_default(), NR, pages);
	write_at(page_address(pages[NR / 2]), 0);
}

/* A pool that has several regions. */
static struct xpool *growing(void)
{
	struct xpool_args args = { .name = "tools", .size = SZ_4M, .max_size = 4 * SZ_4M };

	return xpool_create(&args);
}

static void grown_overrun(void)
{
	struct xslab_args args = { .name = "tools_far", .size = SIZE };
	struct xpool *pool = growing();
	struct xslab_cache *far = xslab_cache_create_in(pool, &args);
	void *obj = xslab_cache_alloc(far, GFP_KERNEL);

	write_at(obj, SIZE);
	xslab_cache_free(far, obj);
	xslab_cache_destroy(far);
	xpool_destroy(pool);
}

/*
 * Errors that KMSAN sees: the client reads what it has not written to. The
 * functions are not inline, because the report must name them.
 */

static void look_at(const void *obj)
{
	if (READ_ONCE(*(const char *)obj) == 77)
		pr_err("the byte is 77\n");
}

static noinline void never_written(void)
{
	void *obj = take();

	look_at(obj);
	give(obj);
}

/* The object's former owner wrote to it. */
static noinline void written_before(void)
{
	void *obj = take();

	memset(obj, 1, SIZE);
	give(obj);
	obj = take();
	look_at(obj);
	give(obj);
}

static noinline void bulk_never_written(void)
{
	static void *objs[NR];

	xslab_cache_alloc_bulk(cache, GFP_KERNEL, NR, objs);
	look_at(objs[NR / 2]);
	xslab_cache_free_bulk(cache, NR, objs);
}

static noinline void page_never_written(void)
{
	struct page *page = xpool_alloc_pages(xpool_default(), 1, GFP_KERNEL);

	look_at(page_address(page) + PAGE_SIZE);
	xpool_free_pages(xpool_default(), page, 1);
}

/*
 * Errors that others see
 */

struct locked {
	spinlock_t	lock;		/* protects nothing */
	char		rest[100];
};

/* What is freed last is what comes next. */
static void held_lock(void)
{
	struct xslab_cache *locks = xslab_cache_create("tools_lock", sizeof(struct locked), 0, 0,
						       NULL);
	struct locked *locked = xslab_cache_alloc(locks, GFP_KERNEL), *again;

	spin_lock_init(&locked->lock);
	spin_lock(&locked->lock);
	xslab_cache_free(locks, locked);
	again = xslab_cache_alloc(locks, GFP_ATOMIC);
	spin_unlock(&locked->lock);
	xslab_cache_free(locks, again);
	xslab_cache_destroy(locks);
}

/*
 * For kmemleak, which looks while this is loaded
 */

struct holder {
	struct list_head	node;
	void			*only;	/* pointer to other memory */
	char			rest[SIZE];
};

static LIST_HEAD(holders);
static struct xslab_cache *held;
#define NR_LOST	60
static unsigned long lost[NR_LOST];	/* not as pointers */

static void hold(void)
{
	unsigned int i;

	held = xslab_cache_create("tools_held", sizeof(struct holder), 0, 0, NULL);
	for (i = 0; i < NR; i++) {
		struct holder *holder = xslab_cache_alloc(held, GFP_KERNEL | __GFP_ZERO);

		holder->only = kmalloc(77, GFP_KERNEL);
		list_add(&holder->node, &holders);
	}
}

/*
 * kmemleak scans the stacks of dead tasks, too, as they are kept for new ones: clear what
 * functions and interrupts left below.
 */
static noinline void clear_stack(unsigned int kib)
{
	char below[1024];

	memzero_explicit(below, sizeof(below));
	if (kib > 1)
		clear_stack(kib - 1);
	memzero_explicit(below, sizeof(below));
}

/*
 * It was freed before, so magazines have had its address. A compiler leaves out a memset()
 * before the end.
 */
static void lose(void)
{
	static void *objs[NR];
	unsigned int i;

	hold();
	for (i = 0; i < NR; i++)
		objs[i] = take();
	for (i = 0; i < NR; i++)
		give(objs[i]);
	memzero_explicit(objs, sizeof(objs));
	for (i = 0; i < NR_LOST; i++)
		lost[i] = ~(unsigned long)take();
	clear_stack(12);
}

static void let_go(void)
{
	struct holder *holder, *next;
	unsigned int i;

	list_for_each_entry_safe(holder, next, &holders, node) {
		kfree(holder->only);
		xslab_cache_free(held, holder);
	}
	xslab_cache_destroy(held);
	for (i = 0; i < NR_LOST && lost[i]; i++)
		give((void *)~lost[i]);
}

/*
 * No error
 */

static void use_objects(struct xslab_cache *of, gfp_t gfp)
{
	static void *objs[NR];
	unsigned int i;

	for (i = 0; i < NR; i++) {
		objs[i] = xslab_cache_alloc(of, gfp);
		memset(objs[i], 1, SIZE);
	}
	for (i = 0; i < NR; i++)
		xslab_free(objs[i]);
	xslab_cache_alloc_bulk(of, gfp, NR, objs);
	for (i = 0; i < NR; i++)
		memset(objs[i], 1, SIZE);
	/* Every seventh stays, so pages of slabs go and come back. */
	for (i = 0; i < NR; i++) {
		if (i % 7 == 3)
			continue;
		xslab_cache_free(of, objs[i]);
		objs[i] = NULL;
	}
	xslab_cache_tear(of);
	for (i = 0; i < NR; i++) {
		objs[i] = objs[i] ?: xslab_cache_alloc(of, gfp);
		memset(objs[i], 2, SIZE);
	}
	xslab_cache_free_bulk(of, NR, objs);
}

static void use_pages(struct xpool *pool)
{
	static struct page *pages[NR];
	unsigned int i;
	void *addr;

	for (i = 0; i <= 10; i++) {
		addr = xpool_alloc_addr(pool, i, GFP_KERNEL);
		if (!addr)
			continue;
		memset(addr, 1, PAGE_SIZE << i);
		xpool_free_addr(pool, addr, i);
	}
	if (!xpool_alloc_pages_bulk(pool, GFP_KERNEL, NR, pages))
		return;
	for (i = 0; i < NR; i++)
		memset(page_address(pages[i]), 1, PAGE_SIZE);
	xpool_free_pages_bulk(pool, NR, pages);
}

static void use_pool(struct xpool *pool)
{
	static const size_t sizes[] = { SIZE, 8, 16, 1000, 4000, 5000, 40000 };
	struct xslab_args args = { .name = "tools_any" };
	struct xslab_cache *of;
	unsigned int i;
	void *obj;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		args.size = sizes[i];
		of = xslab_cache_create_in(pool, &args);
		if (IS_ERR(of))
			continue;
		obj = xslab_cache_alloc(of, GFP_KERNEL | __GFP_ZERO);
		look_at(obj);
		memset(obj, 1, sizes[i]);
		xslab_cache_free(of, obj);
		xslab_cache_destroy(of);
	}
	args.size = SIZE;
	of = xslab_cache_create_in(pool, &args);
	xslab_cache_prefill(of, NR);
	use_objects(of, GFP_KERNEL);
	use_objects(of, GFP_KERNEL | __GFP_ZERO);
	xslab_cache_destroy(of);
	args.ctor = ctor;
	of = xslab_cache_create_in(pool, &args);
	use_objects(of, GFP_KERNEL);
	obj = xslab_cache_alloc(of, GFP_KERNEL);
	look_at(obj);
	xslab_cache_free(of, obj);
	xslab_cache_destroy(of);
	use_pages(pool);
}

/* Memory that the caller has back is all the caller's. */
static void use_own_memory(void)
{
	struct xpool_args args = { .name = "tools_own", .size = SZ_4M };
	void *pages = (void *)__get_free_pages(GFP_KERNEL, get_order(args.size));
	void *mapped = vmalloc(args.size);
	struct xpool *pool;

	args.addr = pages;
	pool = xpool_create(&args);
	use_pool(pool);
	xpool_destroy(pool);
	memset(pages, 1, args.size);
	free_pages((unsigned long)pages, get_order(args.size));

	args.addr = mapped;
	pool = xpool_create(&args);
	use_pool(pool);
	xpool_destroy(pool);
	memset(mapped, 1, args.size);
	vfree(mapped);
}

static void nothing(void)
{
	unsigned int nr = one_too_many();
	void **objs = kcalloc(nr, sizeof(*objs), GFP_KERNEL);
	struct xpool *pool = growing();

	use_pool(xpool_default());
	use_pool(pool);
	xpool_destroy(pool);
	use_own_memory();
	move_one(objs, nr);
	if (!moved_from)
		pr_err("no object was moved\n");
	xslab_cache_free_bulk(cache, nr, objs);
	kfree(objs);
}

/*
 * Which
 */

static const struct {
	const char	*name;
	void		(*run)(void);
} errors[] = {
	{ "overrun", overrun },
	{ "padding", padding },
	{ "underrun", underrun },
	{ "use_after_free", use_after_free },
	{ "bulk_overrun", bulk_overrun },
	{ "bulk_use_after_free", bulk_use_after_free },
	{ "slab_after_free", slab_after_free },
	{ "constructed_overrun", constructed_overrun },
	{ "use_after_move", use_after_move },
	{ "page_overrun", page_overrun },
	{ "page_use_after_free", page_use_after_free },
	{ "page_bulk_use_after_free", page_bulk_use_after_free },
	{ "grown_overrun", grown_overrun },
	{ "held_lock", held_lock },
	{ "hold", hold },
	{ "lose", lose },
	{ "nothing", nothing },
	{ "never_written", never_written },
	{ "written_before", written_before },
	{ "bulk_never_written", bulk_never_written },
	{ "page_never_written", page_never_written },
};

static int __init xtools_client_init(void)
{
	unsigned int i;

	cache = xslab_cache_create("tools", SIZE, 0, 0, NULL);
	if (!cache)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		if (strcmp(what, errors[i].name))
			continue;
		errors[i].run();
		return 0;
	}
	xslab_cache_destroy(cache);
	return -EINVAL;
}

static void __exit xtools_client_exit(void)
{
	let_go();
	xslab_cache_destroy(cache);
}

module_init(xtools_client_init);
module_exit(xtools_client_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Errors that the kernel's tools should see");
MODULE_AUTHOR("The xalloc authors");
