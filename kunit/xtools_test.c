// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of what is done to memory of clients, and of what is not: boot parameters may ask
 * for zeroes, and otherwise it stays as it was. What tools report is tested by tools.sh.
 */
#include <kunit/test.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "xfixture.h"

#define POOL_BYTES	(4UL << 20)
#define SIZE		200
#define NR		50U
#define MARK		0xa5

static int tools_init(struct kunit *test)
{
	int err = fixture_init(test);

	if (!err)
		with_cache(test, POOL_BYTES, SIZE);
	return err;
}

/* A look at what is free is reported where there is KASAN. */
static void need_silence(struct kunit *test)
{
	if (IS_ENABLED(CONFIG_KASAN) || IS_ENABLED(CONFIG_KMSAN))
		kunit_skip(test, "what is free must not be looked at here");
}

static bool all(const void *mem, u8 value, size_t bytes)
{
	return !memchr_inv(mem, value, bytes);
}

static u8 after_free(void)
{
	return want_init_on_free() ? 0 : MARK;
}

/* What @mem holds that was free, when it has been allocated without __GFP_ZERO. */
static u8 after_alloc(void)
{
	return want_init_on_alloc(0) ? 0 : after_free();
}

static void objects_hold_what_was_asked_for(struct kunit *test)
{
	struct fixture *f = test->priv;
	void *obj, *again;

	need_silence(test);
	obj = xslab_cache_alloc(f->caches[0], GFP_KERNEL);
	memset(obj, MARK, SIZE);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(f->caches[0], obj), 0);
	KUNIT_EXPECT_TRUE(test, all(obj, after_free(), SIZE));
	again = xslab_cache_alloc(f->caches[0], GFP_KERNEL);
	KUNIT_ASSERT_PTR_EQ(test, again, obj);
	KUNIT_EXPECT_TRUE(test, all(obj, after_alloc(), SIZE));
	KUNIT_EXPECT_EQ(test, xslab_free(obj), 0);
	KUNIT_EXPECT_TRUE(test, all(obj, after_free(), SIZE));
}

static void objects_in_bulk_do(struct kunit *test)
{
	struct fixture *f = test->priv;
	void *objs[NR];
	unsigned int i;

	need_silence(test);
	KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(f->caches[0], GFP_KERNEL, NR, objs), NR);
	for (i = 0; i < NR; i++)
		memset(objs[i], MARK, SIZE);
	xslab_cache_free_bulk(f->caches[0], NR, objs);
	for (i = 0; i < NR; i++)
		KUNIT_EXPECT_TRUE(test, all(objs[i], after_free(), SIZE));
	KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(f->caches[0], GFP_KERNEL, NR, objs), NR);
	for (i = 0; want_init_on_alloc(0) && i < NR; i++)
		KUNIT_EXPECT_TRUE(test, all(objs[i], 0, SIZE));
	xslab_cache_free_bulk(f->caches[0], NR, objs);
}

static void pages_do(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int order;

	need_silence(test);
	for (order = 0; order < 7; order++) {
		size_t bytes = PAGE_SIZE << order;
		void *addr = xpool_alloc_addr(f->pool, order, GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, addr);
		memset(addr, MARK, bytes);
		KUNIT_EXPECT_EQ(test, xpool_free_addr(f->pool, addr, order), 0);
		KUNIT_EXPECT_TRUE(test, all(addr, after_free(), bytes));
		KUNIT_ASSERT_PTR_EQ(test, xpool_alloc_addr(f->pool, order, GFP_KERNEL), addr);
		KUNIT_EXPECT_TRUE(test, all(addr, after_alloc(), bytes));
		KUNIT_EXPECT_EQ(test, xpool_free_addr(f->pool, addr, order), 0);
	}
}

static void pages_in_bulk_do(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct page *pages[NR];
	unsigned int i;

	need_silence(test);
	KUNIT_ASSERT_EQ(test, xpool_alloc_pages_bulk(f->pool, GFP_KERNEL, NR, pages), NR);
	for (i = 0; i < NR; i++)
		memset(page_address(pages[i]), MARK, PAGE_SIZE);
	xpool_free_pages_bulk(f->pool, NR, pages);
	for (i = 0; i < NR; i++)
		KUNIT_EXPECT_TRUE(test, all(page_address(pages[i]), after_free(), PAGE_SIZE));
	KUNIT_ASSERT_EQ(test, xpool_alloc_pages_bulk(f->pool, GFP_KERNEL, NR, pages), NR);
	for (i = 0; want_init_on_alloc(0) && i < NR; i++)
		KUNIT_EXPECT_TRUE(test, all(page_address(pages[i]), 0, PAGE_SIZE));
	xpool_free_pages_bulk(f->pool, NR, pages);
}

static void make(void *obj)
{
	memset(obj, MARK, SIZE);
}

static void what_a_constructor_made_stays(struct kunit *test)
{
	struct xslab_cache *cache = add_cache(test, &(struct xslab_args){
		.name = "made", .size = SIZE, .ctor = make });
	void *obj = xslab_cache_alloc(cache, GFP_KERNEL);

	KUNIT_EXPECT_TRUE(test, all(obj, MARK, SIZE));
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, obj), 0);
	KUNIT_EXPECT_PTR_EQ(test, xslab_cache_alloc(cache, GFP_KERNEL), obj);
	KUNIT_EXPECT_TRUE(test, all(obj, MARK, SIZE));
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, obj), 0);
}

/* Where freed memory is cleared, expect no other cache to see what this one's objects held. */
static void what_a_slab_held_does_not_stay(struct kunit *test)
{
	struct fixture *f = test->priv;
	static const xslab_flags_t flags[] = { 0, 0, XSLAB_TYPESAFE_BY_RCU };
	unsigned int i, turn;
	void *objs[NR];

	need_silence(test);
	for (turn = 0; turn < ARRAY_SIZE(flags); turn++) {
		struct xslab_cache *cache = xslab_cache_create_in(f->pool, &(struct xslab_args){
			.name = "goes", .size = SIZE, .flags = flags[turn],
			.ctor = turn == 1 ? make : NULL });
		u8 *slab;

		KUNIT_ASSERT_FALSE(test, IS_ERR(cache));
		KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, NR, objs), NR);
		for (i = 0; i < NR; i++)
			memset(objs[i], MARK, SIZE);
		slab = (u8 *)((unsigned long)objs[0] & PAGE_MASK);
		xslab_cache_free_bulk(cache, NR, objs);
		KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
		for (i = 0; want_init_on_free() && i < PAGE_SIZE; i++)
			KUNIT_ASSERT_EQ(test, slab[i], 0);
	}
}

/* Memory of another kind is the caller's business, whatever the boot parameters say. */
static void a_callers_range_is_not_touched(struct kunit *test)
{
	struct xslab_args args = { .name = "own", .size = SIZE };
	void *obj, *page, *own = vmalloc(POOL_BYTES);
	struct xslab_cache *cache;
	struct xpool *pool;

	KUNIT_ASSERT_NOT_NULL(test, own);
	memset(own, MARK, POOL_BYTES);
	pool = new_pool(test, own, POOL_BYTES, 0);
	cache = add_cache_in(test, pool, &args);
	obj = xslab_cache_alloc(cache, GFP_KERNEL);
	page = xpool_alloc_addr(pool, 3, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, obj), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, page, 3), 0);
	forget_cache(test, cache);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
	KUNIT_EXPECT_TRUE(test, all(own, MARK, POOL_BYTES));
	KUNIT_EXPECT_EQ(test, xpool_destroy(pool), 0);
	vfree(own);
}

static struct kunit_case tools_cases[] = {
	KUNIT_CASE(objects_hold_what_was_asked_for),
	KUNIT_CASE(objects_in_bulk_do),
	KUNIT_CASE(pages_do),
	KUNIT_CASE(pages_in_bulk_do),
	KUNIT_CASE(what_a_constructor_made_stays),
	KUNIT_CASE(what_a_slab_held_does_not_stay),
	KUNIT_CASE(a_callers_range_is_not_touched),
	{}
};

static struct kunit_suite tools_suite = {
	.name = "xtools",
	.init = tools_init,
	.exit = fixture_exit,
	.test_cases = tools_cases,
};

kunit_test_suite(tools_suite);

MODULE_DESCRIPTION("Tests of what xalloc does to memory of clients");
MODULE_LICENSE("GPL");
