// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of references to the pages of pools: which pages have some, what is refused, and
 * what is found. Each test makes its own pool, which has all its pages in the end.
 */
#include <linux/mm.h>
#include <linux/net.h>
#include <linux/page_ref.h>

#include "xdecay.h"
#include "xfixture.h"

#define REGION		BIT(XPOOL_LARGEST_SHIFT)

/* Pools that get their pages in different ways. */
struct origin {
	const char	*name;
	size_t		size;
	size_t		max_size;
};

static const struct origin origins[] = {
	{ "3 pages", 3 * PAGE_SIZE },
	{ "one run", 16 << 20 },
	{ "several regions", REGION, 3 * REGION },
};

KUNIT_ARRAY_PARAM_DESC(origin, origins, name);

static struct xpool *pool_of(struct kunit *test, const struct origin *origin)
{
	return with_growing_pool(test, origin->size, origin->max_size)->pool;
}

/* Whether a page has its count is seen without the functions that the pool has for it. */
static unsigned long nr_not(struct page *page, unsigned long nr, int refs)
{
	unsigned long i, wrong = 0;

	for (i = 0; i < nr; i++)
		wrong += page_count(page + i) != refs;
	return wrong;
}

/* A put_page() too many. Where the system would stop at it, what it does to the count. */
static void stray_put(struct page *page)
{
	if (IS_ENABLED(CONFIG_DEBUG_VM))
		page_ref_dec(page);
	else
		put_page(page);
}

/* Expect all pages of the pool, which are free, to be frozen. */
static void expect_frozen(struct kunit *test, struct xpool *pool)
{
	unsigned long r, wrong = 0;

	xpool_collect(pool, true);
	for (r = 0; r < pool->nr_regions; r++)
		if (pool->regions[r].nr)
			wrong += nr_not(virt_to_page((void *)pool->regions[r].addr),
					pool->regions[r].nr, 0);
	KUNIT_EXPECT_EQ(test, wrong, 0UL);
}

/*
 * Counts
 */

/* Blocks of all orders that there are: expect 1 while a client has them, and then 0. */
static void xrefs_test_counts(struct kunit *test)
{
	struct xpool *pool = pool_of(test, test->param_value);
	u64 errors = pool_stats(pool).errors;
	unsigned int order, round;
	struct page *page;

	expect_frozen(test, pool);
	for (round = 0; round < 3; round++) {
		for (order = 0; order < XBUDDY_NR_ORDERS; order++) {
			page = xpool_alloc_pages(pool, order, GFP_KERNEL);
			if (!page)
				continue;
			KUNIT_EXPECT_EQ(test, nr_not(page, 1UL << order, 1), 0UL);
			KUNIT_EXPECT_EQ(test, xpool_free_pages(pool, page, order), 0);
		}
	}
	expect_frozen(test, pool);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).errors, errors);
}

static void xrefs_test_counts_bulk(struct kunit *test)
{
	struct fixture *f = with_pool(test, POOL_SIZE);
	struct page **pages = xtest_room(test, 1000, sizeof(*pages));
	unsigned int i;

	KUNIT_ASSERT_EQ(test, xpool_alloc_pages_bulk(f->pool, GFP_KERNEL, 1000, pages), 1000);
	for (i = 0; i < 1000; i++)
		KUNIT_ASSERT_EQ(test, page_count(pages[i]), 1);
	xpool_free_pages_bulk(f->pool, 1000, pages);
	expect_frozen(test, f->pool);
	KUNIT_EXPECT_EQ(test, pool_stats(f->pool).errors, 0ULL);
}

/* Regions that come are frozen, as are those that were there; and both go back whole. */
static void xrefs_test_counts_grown(struct kunit *test)
{
	struct xpool *pool = pool_of(test, &origins[2]);
	void *addrs[3];
	unsigned int i, tries;

	for (i = 0; i < ARRAY_SIZE(addrs); i++) {
		addrs[i] = NULL;
		for (tries = 0; !addrs[i] && tries < 100; tries++) {
			addrs[i] = xpool_alloc_addr(pool, XBUDDY_MAX_ORDER, GFP_KERNEL);
			xpool_grow_now(pool);
		}
		KUNIT_EXPECT_NOT_NULL(test, addrs[i]);
		KUNIT_EXPECT_EQ(test, nr_not(virt_to_page(addrs[i]), XPOOL_LARGEST_PAGES, 1), 0UL);
	}
	for (i = 0; i < ARRAY_SIZE(addrs); i++)
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addrs[i], XBUDDY_MAX_ORDER), 0);
	expect_frozen(test, pool);
	KUNIT_EXPECT_GT(test, pool_stats(pool).returned, 0ULL);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).errors, 0ULL);
}

#define ROW_REGIONS	3U
#define ROW_HALF	4U		/* pages of a row on each side of the end of a region */

/* Grow two pools alternately, so that a region of one lies behind one of the other. */
static void grow_by_turns(struct kunit *test, struct xpool **pools, void *(*blocks)[2])
{
	unsigned int r, p;

	for (r = 0; r < ROW_REGIONS; r++)
		for (p = 0; p < 2; p++) {
			blocks[r][p] = xpool_alloc_addr(pools[p], XBUDDY_MAX_ORDER, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, blocks[r][p]);
		}
}

/* Take each page of a pool; returns them by their numbers. */
static void **take_each(struct kunit *test, struct xpool *pool)
{
	void **at = xtest_room(test, ROW_REGIONS * XPOOL_LARGEST_PAGES, sizeof(*at)), *addr;
	unsigned long r, in;

	while ((addr = xpool_alloc_addr(pool, 0, GFP_ATOMIC)))
		for (r = 0; r < ROW_REGIONS; r++) {
			in = (unsigned long)addr - pool->regions[r].addr;
			if (in < REGION)
				at[r * XPOOL_LARGEST_PAGES + (in >> PAGE_SHIFT)] = addr;
		}
	return at;
}

/*
 * Rows of pages that go back lie on both sides of the end of a region: expect what lies
 * behind it in memory, of the same pool or another, to keep its counts.
 */
static void xrefs_test_row_of_regions(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct xpool *pools[2] = { pool_of(test, &origins[2]) };
	unsigned long i, at, nr = ROW_REGIONS * XPOOL_LARGEST_PAGES;
	void *blocks[ROW_REGIONS][2], **pages;

	f->second = new_pool(test, NULL, REGION, ROW_REGIONS * REGION);
	pools[1] = f->second;
	xtest_pin();
	grow_by_turns(test, pools, blocks);
	for (i = 0; i < ROW_REGIONS; i++)
		xpool_free_addr(pools[0], blocks[i][0], XBUDDY_MAX_ORDER);
	pages = take_each(test, pools[0]);
	for (at = XPOOL_LARGEST_PAGES; at < nr; at += XPOOL_LARGEST_PAGES) {
		/* A magazine must not end there, too. */
		for (i = at - ROW_HALF + 1; i < at + ROW_HALF; i++) {
			KUNIT_ASSERT_EQ(test, xpool_free_addr(pools[0], pages[i], 0), 0);
			pages[i] = NULL;
		}
		xpool_collect(pools[0], false);
	}
	for (i = 0; i < nr; i++)
		KUNIT_ASSERT_EQ(test, xpool_free_addr(pools[0], pages[i], 0), 0);
	for (i = 0; i < ROW_REGIONS; i++) {
		void *block = blocks[i][1];

		KUNIT_EXPECT_EQ(test, nr_not(virt_to_page(block), XPOOL_LARGEST_PAGES, 1), 0UL);
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pools[1], block, XBUDDY_MAX_ORDER), 0);
	}
}

/* Expect an object to be nothing that may be sent by reference. */
static void xrefs_test_slab(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 64);
	void *obj = xslab_cache_alloc(cache, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, obj);
	KUNIT_EXPECT_EQ(test, page_count(virt_to_page(obj)), 0);
	KUNIT_EXPECT_FALSE(test, sendpage_ok(virt_to_page(obj)));
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, obj), 0);
}

/*
 * Blocks that come back with references of others
 */

/* A reference to the page @nth of a block: expect the free to be refused while it is there. */
static void expect_busy(struct kunit *test, struct xpool *pool, unsigned int order,
			unsigned long nth)
{
	struct page *page;
	void *addr;
	u64 errors;

	xpool_collect(pool, true);	/* magazines may hold some of the only region */
	page = xpool_alloc_pages(pool, order, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, page);
	addr = page_address(page);
	errors = pool_stats(pool).errors;
	get_page(page + nth);
	KUNIT_EXPECT_EQ(test, xpool_free_pages(pool, page, order), -EBUSY);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr, order), -EBUSY);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).errors, errors + 2);
	KUNIT_EXPECT_EQ(test, page_count(page + nth), 2);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).pages, 1ULL << order);
	put_page(page + nth);
	if (order & 1)
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr, order), 0);
	else
		KUNIT_EXPECT_EQ(test, xpool_free_pages(pool, page, order), 0);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).pages, 0ULL);
}

/* Each order, and of each the first page, the last, and some between. */
static void xrefs_test_busy(struct kunit *test)
{
	const struct origin *origin = test->param_value;
	struct xpool *pool = pool_of(test, origin);
	unsigned int order;

	for (order = 0; order < XBUDDY_NR_ORDERS && PAGE_SIZE << order <= origin->size; order++) {
		unsigned long nr = 1UL << order, step = max(nr / 4, 1UL), nth;

		for (nth = 0; nth < nr; nth += step)
			expect_busy(test, pool, order, nth);
		expect_busy(test, pool, order, nr - 1);
	}
	expect_frozen(test, pool);
}

/* In bulk, too, and the others of the array are freed. */
static void xrefs_test_busy_bulk(struct kunit *test)
{
	struct fixture *f = with_pool(test, POOL_SIZE);
	struct page *pages[64];

	KUNIT_ASSERT_EQ(test, xpool_alloc_pages_bulk(f->pool, GFP_KERNEL, 64, pages), 64);
	get_page(pages[0]);
	get_page(pages[33]);
	xpool_free_pages_bulk(f->pool, 64, pages);
	KUNIT_EXPECT_EQ(test, pool_stats(f->pool).errors, 2ULL);
	KUNIT_EXPECT_EQ(test, pool_stats(f->pool).pages, 2ULL);
	put_page(pages[0]);
	put_page(pages[33]);
	KUNIT_EXPECT_EQ(test, xpool_free_pages(f->pool, pages[0], 0), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_pages(f->pool, pages[33], 0), 0);
	expect_frozen(test, f->pool);
}

/* A wrong pointer is still told from a page that is in use. */
static void xrefs_test_busy_order(struct kunit *test)
{
	struct fixture *f = with_pool(test, POOL_SIZE);
	struct page *page = xpool_alloc_pages(f->pool, 3, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, page);
	get_page(page);
	KUNIT_EXPECT_EQ(test, xpool_free_pages(f->pool, page, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, xpool_free_pages(f->pool, page + 1, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, xpool_free_pages(f->pool, page, 3), -EBUSY);
	put_page(page);
	KUNIT_EXPECT_EQ(test, xpool_free_pages(f->pool, page, 3), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_pages(f->pool, page, 3), -EALREADY);
}

/*
 * A pool over the caller's pages
 */

static void xrefs_test_own_pages(struct kunit *test)
{
	struct fixture *f = test->priv;
	void *own = alloc_pages_exact(16 * PAGE_SIZE, GFP_KERNEL);
	struct page *first, *page;
	unsigned int order;

	KUNIT_ASSERT_NOT_NULL(test, own);
	first = virt_to_page(own);
	get_page(first + 5);		/* the caller's business */
	f->pool = new_pool(test, own, 16 * PAGE_SIZE, 0);
	KUNIT_EXPECT_EQ(test, nr_not(first, 16, 1), 1UL);
	for (order = 0; order <= 3; order++) {
		page = xpool_alloc_pages(f->pool, order, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, page);
		get_page(page);
		KUNIT_EXPECT_EQ(test, xpool_free_pages(f->pool, page, order), 0);
		put_page(page);
		KUNIT_EXPECT_EQ(test, xpool_free_pages(f->pool, page, order), -EALREADY);
		page = virt_to_page(xpool_alloc_addr(f->pool, order, GFP_KERNEL));
		get_page(page);
		KUNIT_EXPECT_EQ(test, xpool_free_addr(f->pool, page_address(page), order), 0);
		put_page(page);
	}
	KUNIT_EXPECT_EQ(test, pool_stats(f->pool).errors, 4ULL);
	destroy_pool(test, &f->pool);
	KUNIT_EXPECT_EQ(test, nr_not(first, 16, 1), 1UL);
	put_page(first + 5);
	free_pages_exact(own, 16 * PAGE_SIZE);
}

/* Expect no struct page of a range that is not made of ordinary pages, but addresses. */
static void expect_no_pages(struct kunit *test, void *own, size_t size)
{
	struct fixture *f = test->priv;
	struct page *page = NULL;
	void *addr;

	KUNIT_ASSERT_NOT_NULL(test, own);
	f->pool = new_pool(test, own, size, 0);
	KUNIT_EXPECT_NULL(test, xpool_alloc_pages(f->pool, 0, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, xpool_alloc_pages_bulk(f->pool, GFP_KERNEL, 1, &page), 0);
	addr = xpool_alloc_addr(f->pool, 0, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, addr);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(f->pool, addr, 0), 0);
	destroy_pool(test, &f->pool);
}

static void xrefs_test_compound(struct kunit *test)
{
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_COMP, 3);

	KUNIT_ASSERT_NOT_NULL(test, page);
	expect_no_pages(test, page_address(page), 8 * PAGE_SIZE);
	__free_pages(page, 3);
}

/* Only the first page of what is not split has a reference. */
static void xrefs_test_not_split(struct kunit *test)
{
	struct page *page = alloc_pages(GFP_KERNEL, 3);

	KUNIT_ASSERT_NOT_NULL(test, page);
	expect_no_pages(test, page_address(page), 8 * PAGE_SIZE);
	__free_pages(page, 3);
}

static void xrefs_test_kmalloc(struct kunit *test)
{
	void *own = kmalloc(PAGE_SIZE, GFP_KERNEL);

	expect_no_pages(test, own, PAGE_SIZE);
	kfree(own);
}

/*
 * References that are dropped by mistake
 */

/* A slab's page: expect it to stay, and a collection of the cache to find it once. */
static void xrefs_test_stray_slab(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 1024);
	void *obj = xslab_cache_alloc(cache, GFP_KERNEL);
	struct page *page = virt_to_page(obj);

	KUNIT_ASSERT_NOT_NULL(test, obj);
	stray_put(page);
	stray_put(page);
	KUNIT_EXPECT_EQ(test, page_count(page), -2);
	xslab_cache_collect(cache, true);
	KUNIT_EXPECT_EQ(test, page_count(page), 0);
	KUNIT_EXPECT_EQ(test, cache_stats(cache).errors, 1ULL);
	xslab_cache_collect(cache, true);
	KUNIT_EXPECT_EQ(test, cache_stats(cache).errors, 1ULL);
	check_books(test, cache, 1);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, obj), 0);
}

/* In any pool: of a cache's page it is the cache that says so, of another one the pool. */
static void xrefs_test_stray_pool(struct kunit *test)
{
	struct xpool *pool = pool_of(test, test->param_value);
	struct xslab_cache *cache = add_cache_in(test, pool, &(struct xslab_args){
		.name = "test", .size = PAGE_SIZE / 4 });
	void *obj = xslab_cache_alloc(cache, GFP_KERNEL);
	void *block = xpool_alloc_addr(pool, 0, GFP_KERNEL);
	u64 errors = pool_stats(pool).errors;

	KUNIT_ASSERT_NOT_NULL(test, obj);
	KUNIT_ASSERT_NOT_NULL(test, block);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, block, 0), 0);
	xpool_collect(pool, true);
	stray_put(virt_to_page(obj));
	stray_put(virt_to_page(block));
	xpool_collect(pool, true);
	KUNIT_EXPECT_EQ(test, cache_stats(cache).errors, 1ULL);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).errors, errors + 1);
	KUNIT_EXPECT_EQ(test, page_count(virt_to_page(block)), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, obj), 0);
	expect_frozen(test, pool);
}

/* Found when the cache goes, and mended when a client gets the page before any check. */
static void xrefs_test_stray_later(struct kunit *test)
{
	struct fixture *f = with_pool(test, 64 * PAGE_SIZE);
	struct xslab_cache *cache = xslab_cache_create_in(f->pool, &(struct xslab_args){
		.name = "test", .size = 1024 });
	void *obj = xslab_cache_alloc(cache, GFP_KERNEL), *all;
	unsigned int order;

	KUNIT_ASSERT_NOT_NULL(test, obj);
	stray_put(virt_to_page(obj));
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, obj), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
	KUNIT_EXPECT_EQ(test, page_count(virt_to_page(obj)), 0);
	KUNIT_EXPECT_EQ(test, pool_stats(f->pool).errors, 0ULL);

	stray_put(virt_to_page(obj));
	for (order = 0; order <= 6; order++) {
		all = xpool_alloc_addr(f->pool, order, GFP_KERNEL);
		if (!all)
			continue;
		KUNIT_EXPECT_EQ(test, nr_not(virt_to_page(all), 1UL << order, 1), 0UL);
		KUNIT_EXPECT_EQ(test, xpool_free_addr(f->pool, all, order), 0);
	}
	expect_frozen(test, f->pool);
}

/* A page to which others refer when its pool goes: expect it to go with their last put. */
static void xrefs_test_released(struct kunit *test)
{
	struct fixture *f = with_pool(test, 16 * PAGE_SIZE);
	struct page *first = alloc_pages(GFP_KERNEL, 1);

	/* Pages as a pool has them, as its own are checked and mended before it goes. */
	KUNIT_ASSERT_NOT_NULL(test, first);
	split_page(first, 1);
	xpool_refs_freeze(first, 2);
	page_ref_inc(first + 1);
	page_ref_dec(first);
	xpool_refs_release(f->pool, first, 2);
	KUNIT_EXPECT_EQ(test, pool_stats(f->pool).errors, 2ULL);
	KUNIT_EXPECT_EQ(test, page_count(first + 1), 1);
	put_page(first + 1);
}

static struct kunit_case xpool_refs_cases[] = {
	KUNIT_CASE_PARAM(xrefs_test_counts, origin_gen_params),
	KUNIT_CASE(xrefs_test_counts_bulk),
	KUNIT_CASE(xrefs_test_counts_grown),
	KUNIT_CASE(xrefs_test_row_of_regions),
	KUNIT_CASE(xrefs_test_slab),
	KUNIT_CASE_PARAM(xrefs_test_busy, origin_gen_params),
	KUNIT_CASE(xrefs_test_busy_bulk),
	KUNIT_CASE(xrefs_test_busy_order),
	KUNIT_CASE(xrefs_test_own_pages),
	KUNIT_CASE(xrefs_test_compound),
	KUNIT_CASE(xrefs_test_not_split),
	KUNIT_CASE(xrefs_test_kmalloc),
	KUNIT_CASE(xrefs_test_stray_slab),
	KUNIT_CASE_PARAM(xrefs_test_stray_pool, origin_gen_params),
	KUNIT_CASE(xrefs_test_stray_later),
	KUNIT_CASE(xrefs_test_released),
	{ }
};

static struct kunit_suite xpool_refs_suite = {
	.name = "xrefs_test",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = xpool_refs_cases,
};

kunit_test_suite(xpool_refs_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Tests of references to the pages of pools");
