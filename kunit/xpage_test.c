// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of pages taken and given back in bulk. Each test has its own pool.
 */
#include <kunit/test.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "slab/slab.h"
#include "xdecay.h"
#include "xtest.h"

#define POOL_BYTES	(16UL << 20)
#define POOL_PAGES	(POOL_BYTES >> PAGE_SHIFT)

struct fixture {
	struct xpool	*pool;
	struct page	**pages;	/* two more than the pool has */
};

static int page_init(struct kunit *test)
{
	struct xpool_args args = { .name = "xpage-test", .size = POOL_BYTES };
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	if (!f)
		return -ENOMEM;
	f->pages = vzalloc((POOL_PAGES + 2) * sizeof(*f->pages));
	if (!f->pages)
		return -ENOMEM;
	f->pool = xpool_create(&args);
	if (IS_ERR(f->pool)) {
		vfree(f->pages);
		return PTR_ERR(f->pool);
	}
	test->priv = f;
	return 0;
}

/* That everything was given back is part of each test. */
static void page_exit(struct kunit *test)
{
	struct fixture *f = test->priv;

	if (!f)
		return;
	KUNIT_EXPECT_EQ(test, xpool_destroy(f->pool), 0);
	vfree(f->pages);
}

static void expect_live(struct kunit *test, struct xpool *pool, u64 pages)
{
	struct xpool_stats stats = pool_stats(pool);

	KUNIT_EXPECT_EQ(test, stats.pages, pages);
	KUNIT_EXPECT_EQ(test, stats.total,
			stats.free + stats.slabs + stats.heaps + stats.pages + stats.magazines);
	KUNIT_EXPECT_EQ(test, xpool_validate(pool), 0);
}

/* Each page is of the pool, and there once: the second free of one is refused. */
static void expect_distinct(struct kunit *test, struct fixture *f, size_t nr)
{
	u64 errors = pool_stats(f->pool).errors;
	size_t i;

	for (i = 0; i < nr; i++)
		KUNIT_EXPECT_EQ(test, xpool_free_pages(f->pool, f->pages[i], 0), 0);
	KUNIT_EXPECT_EQ(test, pool_stats(f->pool).errors, errors);
	expect_live(test, f->pool, 0);
}

/* Taken in bulk, given back one by one; the lengths are beside those of chunks. */
static void test_bulk_alloc(struct kunit *test)
{
	static const size_t lengths[] = { 1, 2, 3, 63, 64, 65, 255, 256, 257, 1000, POOL_PAGES };
	struct fixture *f = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		size_t nr = lengths[i];

		KUNIT_ASSERT_EQ(test, xpool_alloc_pages_bulk(f->pool, GFP_KERNEL, nr, f->pages),
				(int)nr);
		expect_live(test, f->pool, nr);
		expect_distinct(test, f, nr);
	}
}

/* Take single pages, one by one. */
static void take_singly(struct kunit *test, struct fixture *f, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		f->pages[i] = xpool_alloc_pages(f->pool, 0, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, f->pages[i]);
	}
}

/* Rows, pages out of order, and an entry that is NULL. */
static void test_bulk_free(struct kunit *test)
{
	struct fixture *f = test->priv;
	size_t nr = 1500, i;
	struct page *kept;

	take_singly(test, f, nr);
	for (i = 0; i + 7 < nr; i += 7)
		swap(f->pages[i], f->pages[i + 5]);
	kept = f->pages[100];
	f->pages[100] = NULL;
	xpool_free_pages_bulk(f->pool, nr, f->pages);
	expect_live(test, f->pool, 1);
	KUNIT_EXPECT_EQ(test, xpool_free_pages(f->pool, kept, 0), 0);
	KUNIT_EXPECT_EQ(test, pool_stats(f->pool).errors, 0ULL);
}

/* Up to the last page of the pool, behind which there is nothing to look at. */
static void test_bulk_all(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, xpool_alloc_pages_bulk(f->pool, GFP_KERNEL, POOL_PAGES, f->pages),
			(int)POOL_PAGES);
	KUNIT_EXPECT_NULL(test, xpool_alloc_pages(f->pool, 0, GFP_KERNEL));
	xpool_free_pages_bulk(f->pool, POOL_PAGES, f->pages);
	expect_live(test, f->pool, 0);
}

/* One page more than there are: it gets none. */
static void test_bulk_too_many(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, xpool_alloc_pages_bulk(f->pool, GFP_KERNEL, POOL_PAGES + 1,
						     f->pages), 0);
	expect_live(test, f->pool, 0);
	KUNIT_EXPECT_EQ(test, pool_stats(f->pool).errors, 0ULL);
}

/* What the magazines hold is found when the rest does not do. */
static void test_bulk_from_magazines(struct kunit *test)
{
	struct fixture *f = test->priv;

	migrate_disable();	/* other CPUs' magazines are not for us */
	take_singly(test, f, 100);
	xpool_free_pages(f->pool, f->pages[50], 0);
	xpool_free_pages(f->pool, f->pages[51], 0);
	KUNIT_EXPECT_EQ(test, xpool_alloc_pages_bulk(f->pool, GFP_KERNEL, POOL_PAGES - 98,
						     f->pages + 100), (int)(POOL_PAGES - 98));
	migrate_enable();
	expect_live(test, f->pool, POOL_PAGES);
	f->pages[50] = NULL;
	f->pages[51] = NULL;
	xpool_free_pages_bulk(f->pool, POOL_PAGES + 2, f->pages);
	expect_live(test, f->pool, 0);
}

static void test_bulk_zero(struct kunit *test)
{
	struct fixture *f = test->priv;
	size_t i;

	take_singly(test, f, 300);
	for (i = 0; i < 300; i++)
		memset(page_address(f->pages[i]), 0x5a, PAGE_SIZE);
	xpool_free_pages_bulk(f->pool, 300, f->pages);
	KUNIT_ASSERT_EQ(test, xpool_alloc_pages_bulk(f->pool, __GFP_ZERO, 300, f->pages), 300);
	for (i = 0; i < 300; i++)
		KUNIT_EXPECT_PTR_EQ(test, memchr_inv(page_address(f->pages[i]), 0, PAGE_SIZE),
				    NULL);
	xpool_free_pages_bulk(f->pool, 300, f->pages);
}

/*
 * Errors among good pages: each is counted, nothing is freed by it, and all good
 * ones are freed. @f->pages[@at] is replaced by @bad.
 */
static void expect_one_error(struct kunit *test, struct fixture *f, size_t at,
			     struct page *bad, u64 live)
{
	u64 errors = pool_stats(f->pool).errors;
	struct page *good;

	KUNIT_ASSERT_EQ(test, xpool_alloc_pages_bulk(f->pool, GFP_KERNEL, 40, f->pages), 40);
	good = f->pages[at];
	f->pages[at] = bad;
	xpool_free_pages_bulk(f->pool, 40, f->pages);
	KUNIT_EXPECT_EQ(test, pool_stats(f->pool).errors, errors + 1);
	expect_live(test, f->pool, live + 1);
	KUNIT_EXPECT_EQ(test, xpool_free_pages(f->pool, good, 0), 0);
	expect_live(test, f->pool, live);
}

static void test_bulk_errors(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct page *block, *foreign = alloc_page(GFP_KERNEL);

	block = xpool_alloc_pages(f->pool, 2, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, foreign);
	KUNIT_ASSERT_NOT_NULL(test, block);
	expect_one_error(test, f, 0, foreign, 4);
	expect_one_error(test, f, 39, foreign, 4);
	expect_one_error(test, f, 20, block, 4);		/* of another order */
	expect_one_error(test, f, 20, block + 1, 4);		/* inside of a block */
	expect_one_error(test, f, 20, (void *)block + 8, 4);	/* no struct page */
	__free_page(foreign);
	KUNIT_EXPECT_EQ(test, xpool_free_pages(f->pool, block, 2), 0);
}

/* The same page twice, in one row and far apart. */
static void test_bulk_double_free(struct kunit *test)
{
	struct fixture *f = test->priv;
	size_t at;

	for (at = 1; at < 40; at += 19) {
		u64 errors = pool_stats(f->pool).errors;
		struct page *good;

		KUNIT_ASSERT_EQ(test, xpool_alloc_pages_bulk(f->pool, GFP_KERNEL, 40, f->pages),
				40);
		good = f->pages[at];
		f->pages[at] = f->pages[at - 1];
		xpool_free_pages_bulk(f->pool, 40, f->pages);
		KUNIT_EXPECT_EQ(test, pool_stats(f->pool).errors, errors + 1);
		KUNIT_EXPECT_EQ(test, xpool_free_pages(f->pool, good, 0), 0);
		expect_live(test, f->pool, 0);
	}
}

static struct kunit_case page_cases[] = {
	KUNIT_CASE(test_bulk_alloc),
	KUNIT_CASE(test_bulk_free),
	KUNIT_CASE(test_bulk_all),
	KUNIT_CASE(test_bulk_too_many),
	KUNIT_CASE(test_bulk_from_magazines),
	KUNIT_CASE(test_bulk_zero),
	KUNIT_CASE(test_bulk_errors),
	KUNIT_CASE(test_bulk_double_free),
	{ }
};

static struct kunit_suite page_suite = {
	.name = "xpage",
	.init = page_init,
	.exit = page_exit,
	.test_cases = page_cases,
};

kunit_test_suite(page_suite);

MODULE_DESCRIPTION("Tests of xalloc's pages in bulk");
MODULE_LICENSE("GPL");
