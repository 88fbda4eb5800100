// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of errors that can only be found late: two CPUs free an object or a block at the same
 * instant and both are believed, or a cache does not look. Then it lies in two magazines.
 * Meanwhile one copy may have gone home, and the slab may have another owner:
 *
 *	magazine of A	[ .. x ]	x is free in its slab, or a client's; or the slab is
 *					another cache's, or the page a client's
 *
 * Whatever it is, expect the copy to be dropped and counted wherever it comes out, the books
 * to be exact, and no other owner to notice. Two CPUs at the same instant are played by one,
 * which puts back what the second CPU saw; in the end by four threads.
 */
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/workqueue.h>

#include "xcrew.h"
#include "xfixture.h"

static unsigned long twice_ms = 300;
module_param(twice_ms, ulong, 0444);
MODULE_PARM_DESC(twice_ms, "how long threads free the same objects");

/* Which caches: with live bytes or without, in one region or several, and objects of a size. */
struct flavour {
	const char	*name;
	size_t		size;
	xslab_flags_t	flags;
	bool		regions;
};

static const struct flavour flavours[] = {
	{ "64", 64 }, { "16", 16 }, { "96", 96 }, { "4096", 4096 },
	{ "64, regions", 64, 0, true }, { "4096, regions", 4096, 0, true },
	{ "64, no checks", 64, XSLAB_NO_CHECKS }, { "16, no checks", 16, XSLAB_NO_CHECKS },
	{ "4096, no checks", 4096, XSLAB_NO_CHECKS },
	{ "64, no checks, regions", 64, XSLAB_NO_CHECKS, true },
	{ "16, no checks, regions", 16, XSLAB_NO_CHECKS, true },
};

KUNIT_ARRAY_PARAM_DESC(flavour, flavours, name);

static bool has_checks(const struct flavour *flavour)
{
	return !(flavour->flags & XSLAB_NO_CHECKS);
}

static void with_flavour_pool(struct kunit *test, const struct flavour *flavour, size_t size)
{
	struct xpool_limits limits = { .hard = size >> PAGE_SHIFT, .cache = XPOOL_NO_LIMIT };
	size_t max_size = flavour->regions ? 4UL << XPOOL_LARGEST_SHIFT : 0;
	struct fixture *f = with_growing_pool(test, size, max_size);

	KUNIT_ASSERT_EQ(test, f->pool->nr_regions > 1, flavour->regions);
	KUNIT_ASSERT_EQ(test, xpool_set_limits(f->pool, &limits), 0);	/* it does not grow */
}

static struct xslab_cache *flavour_cache(struct kunit *test, const struct flavour *flavour)
{
	return add_cache(test, &(struct xslab_args){
		.name = "twice", .size = flavour->size, .flags = flavour->flags });
}

static unsigned long offset_of(struct kunit *test, struct xpool *pool, const void *addr)
{
	unsigned long r, at = (unsigned long)addr;

	for (r = 0; r < pool->nr_regions; r++) {
		const struct xregion *region = &pool->regions[r];

		if (at - region->addr < region->nr << PAGE_SHIFT)
			return (region->index << PAGE_SHIFT) + at - region->addr;
	}
	KUNIT_ASSERT_TRUE_MSG(test, false, "%p is not in the pool", addr);
	return 0;
}

static u8 *live_byte(struct xslab_cache *cache, const void *obj)
{
	return xslab_live_at(&cache->fast.check, linear_of(cache, obj));
}

/* A client frees what it holds, twice, and both frees are believed. */
static void free_twice(struct kunit *test, struct xslab_cache *cache, void *obj)
{
	KUNIT_ASSERT_EQ(test, xslab_cache_free(cache, obj), 0);
	if (has_live(cache))
		*live_byte(cache, obj) = XSLAB_LIVE;
	KUNIT_ASSERT_EQ(test, xslab_cache_free(cache, obj), 0);
}

/*
 * A copy of @obj has been in a magazine all the time, whatever became of the object. What a request
 * that failed has gathered is over, so that the magazines are open.
 */
static void leave_copy(struct xslab_cache *cache, void *obj)
{
	xtest_wait_gathered(cache->pool);
	xmag_free_slow(&cache->mag, linear_of(cache, obj));
}

static void expect_errors(struct kunit *test, struct xslab_cache *cache, u64 errors)
{
	KUNIT_EXPECT_EQ(test, cache_stats(cache).errors, errors);
}

/* Both copies are in magazines. Expect one to be handed out, one by one and in bulk. */
static void xtwice_test_popped(struct kunit *test)
{
	const struct flavour *flavour = test->param_value;
	struct xslab_cache *cache;
	void *objs[4];

	if (!has_checks(flavour))
		kunit_skip(test, "such a cache does not know which objects are live");
	with_flavour_pool(test, flavour, 8 << 20);
	cache = flavour_cache(test, flavour);
	xtest_take(test, cache, objs, 2, GFP_KERNEL);
	free_twice(test, cache, objs[1]);
	xtest_take(test, cache, &objs[1], 2, GFP_KERNEL);
	KUNIT_EXPECT_PTR_NE(test, objs[1], objs[2]);
	expect_errors(test, cache, 1);
	check_books(test, cache, 3);

	free_twice(test, cache, objs[2]);
	KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, 2, &objs[2]), 2);
	KUNIT_EXPECT_PTR_NE(test, objs[2], objs[3]);
	KUNIT_EXPECT_EQ(test, xslab_cache_shrink(cache), 1);	/* where it comes from slabs */
	check_books(test, cache, 4);
	expect_errors(test, cache, 2);
	xtest_give(test, cache, objs, 4);
	check_shrinks_to_nothing(test, cache);
}

/*
 * An object is given back twice at the same instant; one or both of the frees wait for a
 * grace period. Expect it to be free once, or its holder by then to keep it.
 */
static void xtwice_test_waits(struct kunit *test)
{
	const struct flavour *flavour = test->param_value;
	struct fixture *f = test->priv;
	struct xslab_cache *cache;
	void *objs[2];
	u8 *live;
	int way;

	if (!has_checks(flavour))
		kunit_skip(test, "such a cache does not know which objects are live");
	with_flavour_pool(test, flavour, 8 << 20);
	cache = flavour_cache(test, flavour);
	for (way = 0; way < 2; way++) {
		void *again = NULL;

		xtest_take(test, cache, objs, 2, GFP_KERNEL);
		live = live_byte(cache, objs[1]);
		rcu_read_lock();
		KUNIT_EXPECT_EQ(test, xslab_cache_free_rcu(cache, objs[1]), 0);
		*live = XSLAB_LIVE;
		KUNIT_EXPECT_EQ(test, way ? xslab_cache_free(cache, objs[1]) :
				      xslab_cache_free_rcu(cache, objs[1]), 0);
		if (way)
			again = xslab_cache_alloc(cache, GFP_ATOMIC);
		rcu_read_unlock();
		KUNIT_EXPECT_PTR_EQ(test, again, way ? objs[1] : NULL);
		xslab_rcu_flush(f->pool);
		check_books(test, cache, 1 + way);
		expect_errors(test, cache, 1 + way);
		xtest_give(test, cache, &again, way);
		xtest_give(test, cache, objs, 1);
		check_shrinks_to_nothing(test, cache);
	}
}

/* Both copies go home, beside a live object. Expect one to be put there. */
static void xtwice_test_flushed(struct kunit *test)
{
	const struct flavour *flavour = test->param_value;
	struct xslab_cache *cache;
	void *objs[8];
	unsigned int i;

	with_flavour_pool(test, flavour, 8 << 20);
	cache = flavour_cache(test, flavour);
	for (i = 1; i < 8; i++) {
		xtest_take(test, cache, objs, 8, GFP_KERNEL);
		free_twice(test, cache, objs[i]);
		objs[i] = NULL;
		xslab_cache_free_bulk(cache, 7, objs + 1);
		KUNIT_EXPECT_EQ(test, xslab_cache_shrink(cache), 1);
		check_books(test, cache, 1);
		expect_errors(test, cache, i);
		xtest_give(test, cache, objs, 1);
		check_shrinks_to_nothing(test, cache);
	}
}

static bool overlaps(void *a, size_t a_size, void *b, size_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

#define SMALL_POOL	(2UL << 20)

/* The copy of @obj comes out of @cache's magazines in all ways. Expect it nowhere. */
static void expect_dropped(struct kunit *test, struct xslab_cache *cache, void *obj)
{
	struct xpool *pool = cache->pool;
	u64 errors = cache_stats(cache).errors;
	void *objs[2] = {};
	int n;

	leave_copy(cache, obj);
	objs[0] = xslab_cache_alloc(cache, GFP_ATOMIC);
	KUNIT_EXPECT_NULL(test, objs[0]);
	expect_errors(test, cache, errors + 1);

	leave_copy(cache, obj);
	n = xslab_cache_alloc_bulk(cache, GFP_ATOMIC, 2, objs);
	KUNIT_EXPECT_EQ(test, n, 0);
	expect_errors(test, cache, errors + 2);

	leave_copy(cache, obj);
	xslab_cache_collect(cache, true);
	expect_errors(test, cache, errors + 3);
	KUNIT_EXPECT_EQ(test, xslab_validate(cache), 0);
	KUNIT_EXPECT_EQ(test, xpool_validate(pool), 0);
	KUNIT_EXPECT_EQ(test, cache_stats(cache).capacity, 0ULL);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, obj), -EINVAL);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, obj), -EINVAL);
}

/*
 * The slab of an object whose copy is in a magazine has gone to another cache, whose objects
 * are live, or free, or in its magazines. Expect that cache not to notice.
 */
static void xtwice_test_other_cache(struct kunit *test)
{
	const struct flavour *flavour = test->param_value;
	/* All of it is taken, which KASAN makes slow; large objects need it for magazines. */
	size_t size = IS_ENABLED(CONFIG_KASAN) && flavour->size < 1024 ? SZ_512K : SMALL_POOL;
	size_t most = size / flavour->size, nr, i;
	void **objs = xtest_room(test, most, sizeof(*objs));
	struct xslab_cache *cache, *other;
	bool met = false;
	void *obj;

	with_flavour_pool(test, flavour, size);
	cache = flavour_cache(test, flavour);
	other = flavour_cache(test, flavour);
	if (has_checks(flavour))
		KUNIT_EXPECT_NE(test, cache->fast.check.tag, other->fast.check.tag);
	xtest_take(test, cache, &obj, 1, GFP_KERNEL);
	KUNIT_ASSERT_EQ(test, xslab_cache_free(cache, obj), 0);
	check_shrinks_to_nothing(test, cache);

	nr = xtest_take_all(other, objs, most, GFP_ATOMIC);
	for (i = 0; i < nr; i++)
		met |= objs[i] == obj;
	KUNIT_ASSERT_TRUE(test, met);
	expect_dropped(test, cache, obj);
	for (i = 0; i < nr; i++)	/* all but one page keep their slabs */
		if (objs[i] != obj && i % 64)
			KUNIT_ASSERT_EQ(test, xslab_cache_free(other, objs[i]), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(other, obj), 0);
	leave_copy(cache, obj);		/* it is in a magazine of the other, or in its slab */
	xslab_cache_collect(cache, true);
	KUNIT_EXPECT_EQ(test, xslab_validate(other), 0);
	for (i = 0; i < nr; i += 64)
		if (objs[i] != obj)
			KUNIT_ASSERT_EQ(test, xslab_cache_free(other, objs[i]), 0);
	expect_errors(test, other, 0);
	check_shrinks_to_nothing(test, other);
	check_shrinks_to_nothing(test, cache);
}

/* A client has the pages by now. Expect its pages to stay as they are. */
static void xtwice_test_page_client(struct kunit *test)
{
	const struct flavour *flavour = test->param_value;
	struct xslab_cache *cache;
	struct fixture *f = test->priv;
	void **addrs = xtest_room(test, 4096, sizeof(*addrs));
	unsigned int nr = 0;
	bool met = false;
	void *obj;

	with_flavour_pool(test, flavour, SMALL_POOL);
	cache = flavour_cache(test, flavour);
	xtest_take(test, cache, &obj, 1, GFP_KERNEL);
	KUNIT_ASSERT_EQ(test, xslab_cache_free(cache, obj), 0);
	check_shrinks_to_nothing(test, cache);
	while (nr < 4096 && (addrs[nr] = xpool_alloc_addr(f->pool, 0, GFP_ATOMIC))) {
		met |= overlaps(addrs[nr], PAGE_SIZE, obj, 1);
		memset(addrs[nr++], 0x5a, PAGE_SIZE);
	}
	KUNIT_ASSERT_TRUE(test, met);
	expect_dropped(test, cache, obj);
	while (nr) {
		KUNIT_ASSERT_NULL(test, memchr_inv(addrs[--nr], 0x5a, PAGE_SIZE));
		KUNIT_ASSERT_EQ(test, xpool_free_addr(f->pool, addrs[nr], 0), 0);
	}
	KUNIT_EXPECT_EQ(test, pool_stats(f->pool).errors, 0ULL);
}

/*
 * One CPU took the copy out at the very instant when another put it into its slab: a client has
 * what the map says is free. Expect no other client to get it, nor its slab to go.
 */
static void xtwice_test_live_in_map(struct kunit *test)
{
	const struct flavour *flavour = test->param_value;
	void *objs[3], **others = xtest_room(test, 300, sizeof(*others));
	struct xslab_cache *cache;
	unsigned int way;
	int i, n;

	if (!has_checks(flavour))
		kunit_skip(test, "such a cache does not know which objects are live");
	with_flavour_pool(test, flavour, 8 << 20);
	cache = flavour_cache(test, flavour);
	for (way = 0; way < 3; way++) {
		xtest_take(test, cache, objs, 3, GFP_KERNEL);
		xtest_give(test, cache, &objs[1], 1);
		KUNIT_EXPECT_EQ(test, xslab_cache_shrink(cache), 1);
		*live_byte(cache, objs[1]) = XSLAB_LIVE;
		KUNIT_EXPECT_EQ(test, xslab_validate(cache), -EUCLEAN);
		n = 0;
		if (way == 0)
			while (n < 300 && (others[n] = xslab_cache_alloc(cache, GFP_ATOMIC)))
				n++;
		else if (way == 1)
			n = xslab_cache_alloc_bulk(cache, GFP_ATOMIC, 300, others);
		for (i = 0; i < n; i++)
			KUNIT_ASSERT_PTR_NE(test, others[i], objs[1]);
		xtest_give(test, cache, others, n);
		xtest_give(test, cache, &objs[0], 1);
		xtest_give(test, cache, &objs[2], 1);
		KUNIT_EXPECT_EQ(test, xslab_cache_shrink(cache), 1);
		check_books(test, cache, 1);
		expect_errors(test, cache, way + 1);
		xtest_give(test, cache, &objs[1], 1);
		check_shrinks_to_nothing(test, cache);
	}
}

/*
 * Objects of slabs of 8 pages: some live ones, whose pages stay, of each slab; then the others
 * are torn off.
 */
static struct xslab_cache *torn_cache(struct kunit *test, xslab_flags_t flags, void **objs,
				      unsigned int nr)
{
	struct xslab_cache *cache = with_args(test, POOL_SIZE, &(struct xslab_args){
		.name = "torn", .size = 4096, .flags = flags });
	unsigned int i;

	xtest_pin();
	xtest_take(test, cache, objs, nr, GFP_KERNEL);
	for (i = 0; i < nr; i++)
		if (i % 4)
			KUNIT_ASSERT_EQ(test, xslab_cache_free(cache, objs[i]), 0);
	KUNIT_ASSERT_GT(test, xslab_cache_tear(cache), 0UL);
	return cache;
}

/* A copy of an object that a torn slab gave away. Expect it to be dropped. */
static void torn_copy(struct kunit *test, xslab_flags_t flags)
{
	struct xslab_cache *cache;
	unsigned int i;
	void *objs[32];

	cache = torn_cache(test, flags, objs, 32);
	for (i = 0; i < 32; i++)
		if (i % 4)
			leave_copy(cache, objs[i]);
	xslab_cache_collect(cache, true);
	KUNIT_EXPECT_EQ(test, xslab_validate(cache), 0);
	expect_errors(test, cache, 24);
	for (i = 0; i < 32; i += 4)
		KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, objs[i]), 0);
	check_shrinks_to_nothing(test, cache);
}

static void xtwice_test_torn(struct kunit *test)
{
	torn_copy(test, 0);
}

static void xtwice_test_torn_no_checks(struct kunit *test)
{
	torn_copy(test, XSLAB_NO_CHECKS);
}

/* What is left of torn slabs is as good as others, freed and taken in all ways. */
static void torn_use(struct kunit *test, xslab_flags_t flags)
{
	void *objs[32], *again[8];
	struct xslab_cache *cache;
	unsigned int i, way;

	cache = torn_cache(test, flags, objs, 32);
	for (i = 0; i < 8; i++)
		again[i] = objs[4 * i];
	for (way = 0; way < 6; way++) {
		for (i = 1; i < 8; i++)	/* the first keeps its slab */
			KUNIT_ASSERT_EQ(test, way % 2 ? xslab_free(again[i]) :
					      xslab_cache_free(cache, again[i]), 0);
		if (way < 4)
			xtest_take(test, cache, again + 1, 7, GFP_KERNEL);
		else
			KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, 7,
								     again + 1), 7);
	}
	expect_errors(test, cache, 0);
	KUNIT_EXPECT_EQ(test, xslab_validate(cache), 0);
	xtest_give(test, cache, again, 8);
	check_shrinks_to_nothing(test, cache);
}

static void xtwice_test_torn_use(struct kunit *test)
{
	torn_use(test, 0);
}

static void xtwice_test_torn_use_no_checks(struct kunit *test)
{
	torn_use(test, XSLAB_NO_CHECKS);
}

/*
 * Pages
 */

static struct xpage *xpool_page_of(struct kunit *test, struct xpool *pool, const void *addr)
{
	return &pool->pages[offset_of(test, pool, addr) >> PAGE_SHIFT];
}

/*
 * A block of @order at @addr was freed twice, and one copy is in a magazine, whatever the
 * page is now. Each page had the client's reference then.
 */
static void leave_block(struct kunit *test, struct xpool *pool, void *addr, unsigned int order)
{
	struct xpage *page = xpool_page_of(test, pool, addr);
	struct page *first = virt_to_page(addr);
	int i, nr = 1 << order, *refs = xtest_room(test, nr, sizeof(*refs));
	u16 state = page->state;

	for (i = 0; i < nr; i++) {
		refs[i] = page_ref_count(first + i);
		set_page_count(first + i, 1);
	}
	WRITE_ONCE(page->state, xpool_page_state(XPAGE_LIVE, order));
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr, order), 0);
	WRITE_ONCE(page->state, state);
	for (i = 0; i < nr; i++)
		set_page_count(first + i, refs[i]);
}

/* All orders that have magazines, and some that have none. */
static const unsigned int orders[] = { 0, 1, 2, 3, 4, 5, 9 };

static void order_name(const unsigned int *order, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "order %u", *order);
}

KUNIT_ARRAY_PARAM(order, orders, order_name);

/* Expect the copy of a block neither to be handed out nor to become free. */
static void expect_block_dropped(struct kunit *test, struct xpool *pool, void *addr,
				 unsigned int order)
{
	u64 errors = pool_stats(pool).errors;
	void *got;

	leave_block(test, pool, addr, order);
	got = xpool_alloc_addr(pool, order, GFP_ATOMIC);
	if (got) {
		KUNIT_EXPECT_PTR_NE(test, got, addr);
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, got, order), 0);
	}
	xpool_collect(pool, true);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).errors, errors + 1);

	leave_block(test, pool, addr, order);
	xpool_collect(pool, true);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).errors, errors + 2);
	KUNIT_EXPECT_EQ(test, xpool_validate(pool), 0);
}

/* The page is a slab by now, or the start of a client's block of another order. */
static void xtwice_test_block(struct kunit *test)
{
	unsigned int order = *(const unsigned int *)test->param_value, other = order ? 0 : 1;
	struct fixture *f = with_pool(test, POOL_SIZE);
	struct xslab_cache *cache = add_cache(test, &(struct xslab_args){
		.name = "slabs", .size = 1024 });
	void *obj, *addr;

	xtest_pin();
	xtest_take(test, cache, &obj, 1, GFP_KERNEL);
	expect_block_dropped(test, f->pool, (void *)((unsigned long)obj &
						     cache->fast.slab_mask), order);
	KUNIT_EXPECT_EQ(test, xslab_validate(cache), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, obj), 0);

	addr = xpool_alloc_addr(f->pool, other, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, addr);
	expect_block_dropped(test, f->pool, addr, order);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(f->pool, addr, other), 0);
	check_shrinks_to_nothing(test, cache);
}

/*
 * Orders and counts of any width
 */

static void xtwice_test_wild_orders(struct kunit *test)
{
	static const unsigned long wild[] = {
		11, 12, 255, 256, 0x100, 0x200, 0x1ff, 0xff00, 0x10000, 0xffff0100UL, 1UL << 32,
		1UL << 33, (1UL << 32) + 4, -0xff00UL, -0xfe00UL, -0xfd00UL, -1UL, LONG_MAX,
	};
	struct fixture *f = with_pool(test, POOL_SIZE);
	void *free, *live, *addr;
	unsigned int i;

	free = xpool_alloc_addr(f->pool, 0, GFP_KERNEL);
	live = xpool_alloc_addr(f->pool, 0, GFP_KERNEL);
	KUNIT_ASSERT_EQ(test, xpool_free_addr(f->pool, free, 0), 0);
	for (i = 0; i < ARRAY_SIZE(wild); i++) {
		addr = xpool_alloc_addr(f->pool, wild[i], GFP_KERNEL);
		KUNIT_EXPECT_NULL(test, addr);
		addr = xpool_alloc_addr(f->pool, wild[i], GFP_KERNEL | __GFP_ZERO);
		KUNIT_EXPECT_NULL(test, addr);
		KUNIT_EXPECT_NULL(test, xpool_alloc_pages(f->pool, wild[i], GFP_KERNEL));
		KUNIT_EXPECT_EQ(test, xpool_free_addr(f->pool, free, wild[i]), -EINVAL);
		KUNIT_EXPECT_EQ(test, xpool_free_addr(f->pool, live, wild[i]), -EINVAL);
		KUNIT_EXPECT_EQ(test, xpool_free_pages(f->pool, virt_to_page(live), wild[i]),
				-EINVAL);
	}
	KUNIT_EXPECT_EQ(test, pool_stats(f->pool).pages, 1ULL);
	KUNIT_EXPECT_EQ(test, xpool_validate(f->pool), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(f->pool, live, 0), 0);
}

static void xtwice_test_wild_counts(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 64);
	static const size_t wild[] = { 1UL << 31, 1UL << 32, (1UL << 32) + 1, -1UL };
	struct fixture *f = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(wild); i++) {
		KUNIT_EXPECT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, wild[i], NULL), 0);
		KUNIT_EXPECT_EQ(test, xpool_alloc_pages_bulk(f->pool, GFP_KERNEL, wild[i], NULL),
				0);
	}
	expect_errors(test, cache, ARRAY_SIZE(wild));
	KUNIT_EXPECT_EQ(test, pool_stats(f->pool).errors, (u64)ARRAY_SIZE(wild));
	check_books(test, cache, 0);
}

/*
 * At the same instant
 */

#define MAX_RACERS	4
#define RACE_HELD	16

/*
 * In each round one thread takes an object and all free it. Then each takes and gives objects
 * of another cache, and pages, which it marks and looks at.
 */
struct race {
	struct xslab_cache	*cache;
	struct xslab_cache	*other;
	struct xpool		*pool;
	unsigned int		nr;
	bool			stop;
	bool			over;		/* as all threads know */
	void			*obj;
	atomic_t		at;		/* steps of all threads */
	atomic_long_t		believed;	/* frees */
	atomic_long_t		wrong;
	unsigned long		rounds;
};

struct racer {
	struct race		*race;
	struct rnd_state	*rnd;
	void			*held[RACE_HELD];
};

/* Is the object of the other cache as it was left? Then it goes. */
static void give_held(struct racer *racer, unsigned int i)
{
	unsigned long *obj = racer->held[i];

	if (!obj)
		return;
	racer->held[i] = NULL;
	if (xchg(obj, XTEST_DEAD) != xtest_mark(obj) ||
	    xslab_cache_free(racer->race->other, obj))
		atomic_long_inc(&racer->race->wrong);
}

static void toggle_held(struct racer *racer)
{
	unsigned int i = xtest_below(racer->rnd, RACE_HELD);
	unsigned long *obj;

	if (racer->held[i]) {
		give_held(racer, i);
		return;
	}
	obj = xslab_cache_alloc(racer->race->other, GFP_ATOMIC);
	if (obj && xchg(obj, xtest_mark(obj)) == xtest_mark(obj))
		atomic_long_inc(&racer->race->wrong);
	racer->held[i] = obj;
}

static void use_page(struct racer *racer)
{
	unsigned int order = xtest_below(racer->rnd, 3);
	struct race *race = racer->race;
	unsigned long *page = xpool_alloc_addr(race->pool, order, GFP_ATOMIC);

	if (!page)
		return;
	if (xchg(page, xtest_mark(page)) == xtest_mark(page))
		atomic_long_inc(&race->wrong);
	if (xchg(page, XTEST_DEAD) != xtest_mark(page) ||
	    xpool_free_addr(race->pool, page, order))
		atomic_long_inc(&race->wrong);
}

static int race_work(void *data)
{
	struct hand *hand = data;
	struct race *race = hand->what;
	struct racer racer = { .race = race, .rnd = &hand->rnd };
	unsigned int step = 0, i;
	bool over = false;

	while (!over) {
		if (!hand->nr) {
			WRITE_ONCE(race->over, READ_ONCE(race->stop));
			WRITE_ONCE(race->obj, xslab_cache_alloc(race->cache, GFP_ATOMIC));
		}
		xtest_meet(&race->at, race->nr, &step);
		over = race->over;
		if (race->obj && !xslab_cache_free(race->cache, race->obj))
			atomic_long_inc(&race->believed);
		xtest_meet(&race->at, race->nr, &step);
		for (i = 0; i < 4; i++)
			toggle_held(&racer);
		use_page(&racer);
		hand->done++;
		if (!hand->nr && !(++race->rounds % 16))
			xslab_cache_collect(race->cache, race->rounds % 64 == 0);
	}
	for (i = 0; i < RACE_HELD; i++)
		give_held(&racer, i);
	return xtest_stay();
}

/* Threads free one object at the same instant, again and again. */
static void xtwice_test_race(struct kunit *test)
{
	const struct flavour *flavour = test->param_value;
	struct rnd_state rnd;
	struct crew crew = { .rnd = &rnd };
	struct race race = { .nr = min(num_online_cpus(), MAX_RACERS) };
	struct fixture *f = test->priv;

	if (race.nr < 2)
		kunit_skip(test, "needs 2 CPUs");
	with_flavour_pool(test, flavour, 1 << 20);
	race.pool = f->pool;
	race.cache = flavour_cache(test, flavour);
	race.other = flavour_cache(test, flavour);
	xtest_seed(test, &rnd);
	while (crew.nr < race.nr)
		hire(test, &crew, race_work, &race, true);
	msleep(xtest_param(twice_ms));
	WRITE_ONCE(race.stop, true);
	dismiss(test, &crew);

	kunit_info(test, "%lu rounds, %ld frees believed, %llu found late\n", race.rounds,
		   atomic_long_read(&race.believed), cache_stats(race.cache).errors);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&race.wrong), 0L);
	expect_errors(test, race.other, 0);
	check_shrinks_to_nothing(test, race.other);
	check_shrinks_to_nothing(test, race.cache);
	KUNIT_EXPECT_EQ(test, pool_stats(f->pool).errors, 0ULL);
}

/* A cache is torn all the time. Expect no free of a live object to be refused meanwhile. */
static int tear_work(void *data)
{
	while (!kthread_should_stop()) {
		xslab_cache_tear(data);
		cond_resched();
	}
	return 0;
}

static void xtwice_test_free_while_torn(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 4096);
	unsigned long end = jiffies + msecs_to_jiffies(xtest_param(twice_ms));
	unsigned int refused = 0, i;
	struct task_struct *task;
	void *objs[8];

	task = kthread_run(tear_work, cache, "xtwice/tear");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	while (time_before(jiffies, end)) {
		for (i = 0; i < 8; i++)
			objs[i] = xslab_cache_alloc(cache, GFP_KERNEL);
		for (i = 8; i--;)
			refused += objs[i] && xslab_free(objs[i]);
		cond_resched();
	}
	kthread_stop(task);
	KUNIT_EXPECT_EQ(test, refused, 0U);
	check_shrinks_to_nothing(test, cache);
}

static struct kunit_case xtwice_test_cases[] = {
	KUNIT_CASE_PARAM(xtwice_test_popped, flavour_gen_params),
	KUNIT_CASE_PARAM(xtwice_test_waits, flavour_gen_params),
	KUNIT_CASE_PARAM(xtwice_test_flushed, flavour_gen_params),
	KUNIT_CASE_PARAM(xtwice_test_other_cache, flavour_gen_params),
	KUNIT_CASE_PARAM(xtwice_test_page_client, flavour_gen_params),
	KUNIT_CASE_PARAM(xtwice_test_live_in_map, flavour_gen_params),
	KUNIT_CASE(xtwice_test_torn),
	KUNIT_CASE(xtwice_test_torn_no_checks),
	KUNIT_CASE(xtwice_test_torn_use),
	KUNIT_CASE(xtwice_test_torn_use_no_checks),
	KUNIT_CASE_PARAM(xtwice_test_block, order_gen_params),
	KUNIT_CASE(xtwice_test_wild_orders),
	KUNIT_CASE(xtwice_test_wild_counts),
	KUNIT_CASE(xtwice_test_free_while_torn),
	KUNIT_CASE_PARAM(xtwice_test_race, flavour_gen_params),
	{}
};

static struct kunit_suite xtwice_test_suite = {
	.name = "xtwice",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = xtwice_test_cases,
};

kunit_test_suite(xtwice_test_suite);

MODULE_DESCRIPTION("Tests of xalloc's late checks");
MODULE_LICENSE("GPL");
