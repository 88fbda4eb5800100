// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of pools and of the pages that clients take from them.
 *
 * Each test makes its own pool. It is destroyed after the test, which must have
 * given everything back by then: that the destruction succeeds is part of each.
 */
#include <kunit/test.h>
#include <linux/err.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "internal.h"
#include "xtest.h"

static unsigned long ops = 20000 / XTEST_SLOWER;
module_param(ops, ulong, 0444);
MODULE_PARM_DESC(ops, "random operations in tests that make many");

/* Another one after a test that could not destroy its pool. */
static char pool_name[XPOOL_NAME_MAX] = "xpool-test";

#define MAX_ORDER_PAGES	BIT(XBUDDY_MAX_ORDER)

/*
 * A pool for a test, and the memory that the test owns where the pool is made
 * over the caller's memory.
 */
struct fixture {
	struct xpool	*pool;
	void		*own;
	size_t		size;
};

static int pool_init(struct kunit *test)
{
	test->priv = kunit_kzalloc(test, sizeof(struct fixture), GFP_KERNEL);
	return test->priv ? 0 : -ENOMEM;
}

static void pool_exit(struct kunit *test)
{
	struct fixture *f = test->priv;
	int err = xpool_destroy(f->pool);

	KUNIT_EXPECT_EQ(test, err, 0);
	if (!err)
		kvfree(f->own);
	else
		strlcat(pool_name, "+", sizeof(pool_name));
}

static struct xpool *make_pool(struct kunit *test, const struct xpool_args *args)
{
	struct fixture *f = test->priv;
	struct xpool *pool = xpool_create(args);

	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(pool), "error %ld", PTR_ERR(pool));
	f->pool = pool;
	f->size = args->size;
	KUNIT_EXPECT_EQ(test, xpool_validate(pool), 0);
	return pool;
}

static struct xpool *system_pool(struct kunit *test, size_t size)
{
	return make_pool(test, &(struct xpool_args){ .name = pool_name, .size = size });
}

static struct xpool *pool_over(struct kunit *test, void *addr, size_t size)
{
	struct xpool_args args = { .name = pool_name, .size = size, .addr = addr };

	return make_pool(test, &args);
}

/* A pool over vmalloc memory that the fixture owns. */
static struct xpool *own_pool(struct kunit *test, size_t size)
{
	struct fixture *f = test->priv;

	f->own = vmalloc(size);
	KUNIT_ASSERT_NOT_NULL(test, f->own);
	return pool_over(test, f->own, size);
}

static struct xpool_stats stats_of(struct xpool *pool)
{
	struct xpool_stats stats;

	xpool_stats(pool, &stats);
	return stats;
}

/* The books balance, and the blocks are what is free. */
static void expect_balance(struct kunit *test, struct xpool *pool)
{
	struct xpool_stats s = stats_of(pool);
	u64 free = 0;
	int order;

	for (order = 0; order < XBUDDY_NR_ORDERS; order++)
		free += s.free_blocks[order] << order;
	KUNIT_EXPECT_EQ(test, s.free, free);
	KUNIT_EXPECT_EQ(test, s.total, s.free + s.slabs + s.pages + s.magazines);
	KUNIT_EXPECT_EQ(test, xpool_validate(pool), 0);
}

/* All pages are free again once nobody keeps any for later. */
static void expect_all_free(struct kunit *test, struct xpool *pool)
{
	struct xpool_stats s;

	xpool_collect(pool, true);
	s = stats_of(pool);
	KUNIT_EXPECT_EQ(test, s.free, s.total);
	KUNIT_EXPECT_EQ(test, s.magazines, 0ULL);
	KUNIT_EXPECT_EQ(test, s.pages, 0ULL);
	KUNIT_EXPECT_EQ(test, s.slabs, 0ULL);
	KUNIT_EXPECT_EQ(test, xpool_validate(pool), 0);
}

/*
 * Every kind of pool
 */

struct kind {
	const char	*name;
	size_t		size;
	enum { KIND_SYSTEM, KIND_VMALLOC, KIND_DIRECT } from;
};

static const struct kind kinds[] = {
	{ "1 page of the system", PAGE_SIZE, KIND_SYSTEM },
	{ "3 pages of the system", 3 * PAGE_SIZE, KIND_SYSTEM },
	{ "4 MiB of the system", 4 << 20, KIND_SYSTEM },
	{ "66 MiB of the system", 66 << 20, KIND_SYSTEM },
	{ "one page of the caller", PAGE_SIZE, KIND_VMALLOC },
	{ "9 MiB and a page of the caller", (9 << 20) + PAGE_SIZE, KIND_VMALLOC },
	{ "2 MiB of the caller, direct map", 2 << 20, KIND_DIRECT },
};

static void kind_desc(const struct kind *kind, char *desc)
{
	strscpy(desc, kind->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(kind, kinds, kind_desc);

static struct xpool *pool_of_kind(struct kunit *test)
{
	const struct kind *kind = test->param_value;
	struct fixture *f = test->priv;

	if (kind->from == KIND_SYSTEM)
		return system_pool(test, kind->size);
	if (kind->from == KIND_VMALLOC)
		return own_pool(test, kind->size);
	f->own = kmalloc(kind->size, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, f->own);
	return pool_over(test, f->own, kind->size);
}

static void test_new_pool(struct kunit *test)
{
	const struct kind *kind = test->param_value;
	struct xpool *pool = pool_of_kind(test);
	struct xpool_stats s = stats_of(pool);

	KUNIT_EXPECT_EQ(test, s.total, (u64)(kind->size >> PAGE_SHIFT));
	KUNIT_EXPECT_EQ(test, s.free, s.total);
	KUNIT_EXPECT_GE(test, s.regions, 1ULL);
	KUNIT_EXPECT_EQ(test, s.failures, 0ULL);
	KUNIT_EXPECT_EQ(test, s.errors, 0ULL);
	expect_balance(test, pool);
	kunit_info(test, "%llu regions, largest free block %llu pages, metadata %llu bytes\n",
		   s.regions, s.largest_free, s.metadata);
}

/* Each page of a block is there, and lies behind the one before. */
static void expect_block(struct kunit *test, void *addr, unsigned int order)
{
	unsigned long i;

	KUNIT_EXPECT_TRUE(test, IS_ALIGNED((unsigned long)addr, PAGE_SIZE << order));
	memset(addr, order + 1, PAGE_SIZE << order);
	if (!virt_addr_valid(addr))
		return;
	for (i = 1; i < BIT(order); i++)
		KUNIT_EXPECT_EQ(test, virt_to_phys(addr + i * PAGE_SIZE),
				virt_to_phys(addr) + i * PAGE_SIZE);
}

/* One block of each order at a time. Expect it aligned and in one piece. */
static void test_every_order(struct kunit *test)
{
	struct xpool *pool = pool_of_kind(test);
	unsigned int order;

	for (order = 0; order < XBUDDY_NR_ORDERS; order++) {
		bool fits = stats_of(pool).largest_free >> order;
		void *addr = xpool_alloc_addr(pool, order, GFP_KERNEL);

		KUNIT_EXPECT_EQ(test, !!addr, fits);
		if (!addr)
			continue;
		expect_block(test, addr, order);
		KUNIT_EXPECT_EQ(test, stats_of(pool).pages, 1ULL << order);
		expect_balance(test, pool);
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr, order), 0);
		expect_balance(test, pool);
		expect_all_free(test, pool);
	}
}

/* A block of each order at once, and none overlaps another. */
static void test_all_orders_at_once(struct kunit *test)
{
	struct xpool *pool = pool_of_kind(test);
	void *addr[XBUDDY_NR_ORDERS];
	int order;

	for (order = XBUDDY_MAX_ORDER; order >= 0; order--) {
		addr[order] = xpool_alloc_addr(pool, order, GFP_KERNEL);
		if (addr[order])
			memset(addr[order], order + 1, PAGE_SIZE << order);
		expect_balance(test, pool);
	}
	for (order = 0; order < XBUDDY_NR_ORDERS; order++) {
		if (!addr[order])
			continue;
		KUNIT_EXPECT_NULL(test, memchr_inv(addr[order], order + 1,
						   PAGE_SIZE << order));
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr[order], order), 0);
		expect_balance(test, pool);
	}
	expect_all_free(test, pool);
}

/* Expect clear pages where they are asked for, and the old content where not. */
static void test_zero(struct kunit *test)
{
	struct xpool *pool = pool_of_kind(test);
	unsigned int order;

	xtest_pin();
	for (order = 0; order < XBUDDY_NR_ORDERS; order++) {
		size_t bytes = PAGE_SIZE << order;
		void *addr = xpool_alloc_addr(pool, order, GFP_KERNEL);

		if (!addr)
			break;
		memset(addr, 0xa5, bytes);
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr, order), 0);
		KUNIT_EXPECT_PTR_EQ(test, xpool_alloc_addr(pool, order, GFP_KERNEL), addr);
		KUNIT_EXPECT_NULL(test, memchr_inv(addr, 0xa5, bytes));
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr, order), 0);
		KUNIT_EXPECT_PTR_EQ(test, xpool_alloc_addr(pool, order, GFP_KERNEL |
							   __GFP_ZERO), addr);
		KUNIT_EXPECT_NULL(test, memchr_inv(addr, 0, bytes));
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr, order), 0);
	}
	expect_all_free(test, pool);
}

/* Take pages until none is left, each marked with its number. Returns how many. */
static unsigned long take_all(struct xpool *pool, unsigned long **pages,
			      unsigned long max)
{
	unsigned long nr;

	for (nr = 0; nr < max; nr++) {
		pages[nr] = xpool_alloc_addr(pool, 0, GFP_KERNEL);
		if (!pages[nr])
			break;
		*pages[nr] = nr;
	}
	return nr;
}

static bool in_own_memory(const struct fixture *f, const void *addr)
{
	return !f->own || (addr >= f->own && addr + PAGE_SIZE <= f->own + f->size);
}

/*
 * Expect exactly all pages, each once, none outside the range, then NULL; and
 * all of them back.
 */
static void test_exhaustion(struct kunit *test)
{
	struct xpool *pool = pool_of_kind(test);
	u64 total = stats_of(pool).total;
	unsigned long **pages = kvcalloc(total + 1, sizeof(*pages), GFP_KERNEL);
	unsigned long i, nr;

	KUNIT_ASSERT_NOT_NULL(test, pages);
	xtest_pin();
	nr = take_all(pool, pages, total + 1);
	KUNIT_EXPECT_EQ(test, (u64)nr, total);
	KUNIT_EXPECT_EQ(test, stats_of(pool).pages, total);
	KUNIT_EXPECT_EQ(test, stats_of(pool).failures, 1ULL);
	KUNIT_EXPECT_NULL(test, xpool_alloc_addr(pool, 0, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, stats_of(pool).failures, 2ULL);
	expect_balance(test, pool);

	for (i = 0; i < nr; i++) {
		KUNIT_ASSERT_EQ(test, *pages[i], i);
		KUNIT_ASSERT_TRUE(test, in_own_memory(test->priv, pages[i]));
	}
	for (i = 0; i < nr; i++)
		KUNIT_ASSERT_EQ(test, xpool_free_addr(pool, pages[i], 0), 0);
	expect_balance(test, pool);
	expect_all_free(test, pool);
	kvfree(pages);
	kunit_info(test, "row 23: %lu of %llu pages, then NULL\n", nr, total);
}

/*
 * struct page and addresses are two views of one block.
 */
static void test_pages_and_addresses(struct kunit *test)
{
	struct xpool *pool = system_pool(test, 4 << 20);
	struct page *page = xpool_alloc_pages(pool, 2, GFP_KERNEL | __GFP_ZERO);
	void *addr;

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_EQ(test, page_count(page), 1);
	KUNIT_EXPECT_EQ(test, page_count(page + 3), 1);
	KUNIT_EXPECT_NULL(test, memchr_inv(page_address(page), 0, 4 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, page_address(page), 2), 0);
	addr = xpool_alloc_addr(pool, 2, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, addr);
	KUNIT_EXPECT_EQ(test, xpool_free_pages(pool, virt_to_page(addr), 2), 0);
	expect_all_free(test, pool);
}

static void test_no_struct_page(struct kunit *test)
{
	struct xpool *pool = own_pool(test, 1 << 20);

	KUNIT_EXPECT_NULL(test, xpool_alloc_pages(pool, 0, GFP_KERNEL));
	expect_all_free(test, pool);
}

/*
 * Regions
 */

/* Blocks of the system that a test holds so that no long run is free. */
struct holder {
	struct page	**pages;
	unsigned long	nr;
};

static void release_held(struct holder *h, unsigned long keep_every)
{
	unsigned long i;

	for (i = 0; i < h->nr; i++) {
		if (!h->pages[i] || (keep_every && !((page_to_pfn(h->pages[i]) >>
						      XBUDDY_MAX_ORDER) % keep_every)))
			continue;
		__free_pages(h->pages[i], XBUDDY_MAX_ORDER);
		h->pages[i] = NULL;
	}
}

/* Hold every fourth 4 MiB of the system's memory. */
static void fragment_system(struct kunit *test, struct holder *h)
{
	unsigned long max = (totalram_pages() >> XBUDDY_MAX_ORDER) + 1;

	h->pages = kunit_kcalloc(test, max, sizeof(*h->pages), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, h->pages);
	for (h->nr = 0; h->nr < max; h->nr++) {
		h->pages[h->nr] = alloc_pages(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN,
					      XBUDDY_MAX_ORDER);
		if (!h->pages[h->nr])
			break;
	}
	release_held(h, 4);
}

/* Exhaust a pool of several regions; each page must find its way back. */
static void use_regions(struct kunit *test, struct xpool *pool)
{
	u64 total = stats_of(pool).total;
	unsigned long **pages = kvcalloc(total + 1, sizeof(*pages), GFP_KERNEL);
	unsigned long i, nr;

	KUNIT_ASSERT_NOT_NULL(test, pages);
	nr = take_all(pool, pages, total + 1);
	KUNIT_EXPECT_EQ(test, (u64)nr, total);
	for (i = 0; i < nr; i++) {
		KUNIT_EXPECT_EQ(test, *pages[i], i);
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, pages[i], 0), 0);
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, pages[i], 0), -EALREADY);
		if (i % 1000 == 0)
			expect_balance(test, pool);
	}
	expect_all_free(test, pool);
	kvfree(pages);
}

/*
 * |####....|.###....|  Where the system has no run that is long enough, expect a
 * pool of the same size made of several regions.
 */
static void test_regions(struct kunit *test)
{
	struct xpool_args args = { .name = pool_name, .size = (64 << 20) + 3 * PAGE_SIZE };
	struct fixture *f = test->priv;
	struct holder held;
	u64 regions;

	if (totalram_pages() < 512UL << (20 - PAGE_SHIFT))
		kunit_skip(test, "needs 512 MiB of memory to spare a part of it");
	xtest_pin();
	fragment_system(test, &held);
	f->pool = xpool_create(&args);
	release_held(&held, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(f->pool));

	regions = stats_of(f->pool).regions;
	kunit_info(test, "%llu regions for 64 MiB and 3 pages, metadata %llu bytes\n",
		   regions, stats_of(f->pool).metadata);
	if (regions == 1)
		kunit_skip(test, "the system still had a run of 64 MiB");
	KUNIT_EXPECT_EQ(test, regions, 17ULL);
	KUNIT_EXPECT_EQ(test, stats_of(f->pool).total, 16 * 1024 + 3ULL);
	expect_balance(test, f->pool);
	use_regions(test, f->pool);
}

/*
 * Errors of xpool_create(). Each leaves nothing behind.
 */

struct create_error {
	const char		*what;
	struct xpool_args	args;
	long			err;
};

#define NAME_31		"0123456789012345678901234567890"

static const struct create_error create_errors[] = {
	{ "no name", { .size = 1 << 20 }, -EINVAL },
	{ "empty name", { .name = "", .size = 1 << 20 }, -EINVAL },
	{ "name of 32 characters", { .name = NAME_31 "1", .size = 1 << 20 }, -EINVAL },
	{ "name with a slash", { .name = "a/b", .size = 1 << 20 }, -EINVAL },
	{ "name is a dot", { .name = ".", .size = 1 << 20 }, -EINVAL },
	{ "name is two dots", { .name = "..", .size = 1 << 20 }, -EINVAL },
	{ "size 0", { .name = pool_name }, -EINVAL },
	{ "size 1", { .name = pool_name, .size = 1 }, -EINVAL },
	{ "half a page too much", { .name = pool_name, .size = PAGE_SIZE * 3 / 2 }, -EINVAL },
	{ "32 TiB", { .name = pool_name, .size = 1UL << 45 }, -ENOMEM },
	{ "more than 2^32 pages", { .name = pool_name, .size = 1UL << 52 }, -ENOMEM },
	{ "largest size", { .name = pool_name, .size = PAGE_MASK }, -ENOMEM },
	{ "base and addr", { .name = pool_name, .size = 1 << 20, .base = 1 << 30,
			     .addr = (void *)(1UL << 30) }, -EINVAL },
	{ "base and reserve_mem", { .name = pool_name, .size = 1 << 20, .base = 1 << 30,
				    .reserve_mem = "x" }, -EINVAL },
	{ "reserve_mem and addr", { .name = pool_name, .size = 1 << 20,
				    .reserve_mem = "x", .addr = (void *)(1UL << 30) },
	  -EINVAL },
	{ "base unaligned", { .name = pool_name, .size = 1 << 20,
			      .base = (1 << 30) + 512 }, -EINVAL },
	{ "base wraps", { .name = pool_name, .size = 1 << 20,
			  .base = PAGE_MASK }, -EINVAL },
	{ "base without size", { .name = pool_name, .base = 1 << 30 }, -EINVAL },
	{ "addr unaligned", { .name = pool_name, .size = 1 << 20,
			      .addr = (void *)((1UL << 30) + 512) }, -EINVAL },
	{ "addr wraps", { .name = pool_name, .size = 1 << 20,
			  .addr = (void *)PAGE_MASK }, -EINVAL },
	{ "addr with more than 2^32 pages", { .name = pool_name, .size = 1UL << 52,
			  .addr = (void *)(1UL << 30) }, -EINVAL },
	{ "addr without size", { .name = pool_name, .addr = (void *)(1UL << 30) },
	  -EINVAL },
};

static void create_error_desc(const struct create_error *e, char *desc)
{
	strscpy(desc, e->what, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(create_error, create_errors, create_error_desc);

static void expect_create_error(struct kunit *test, const struct xpool_args *args,
				long err)
{
	struct xpool *pool = xpool_create(args);

	KUNIT_EXPECT_TRUE(test, IS_ERR(pool));
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(pool), (int)err);
	if (!IS_ERR_OR_NULL(pool))
		xpool_destroy(pool);
}

static void test_create_error(struct kunit *test)
{
	const struct create_error *e = test->param_value;

	expect_create_error(test, &e->args, e->err);
	system_pool(test, 1 << 20);
}

static void test_create_without_args(struct kunit *test)
{
	expect_create_error(test, NULL, -EINVAL);
}

/* Expect a name to be taken for as long as its pool lives. */
static void test_duplicate_name(struct kunit *test)
{
	struct xpool_args args = { .name = pool_name, .size = 1 << 20 };
	struct fixture *f = test->priv;

	system_pool(test, 1 << 20);
	expect_create_error(test, &args, -EEXIST);
	KUNIT_EXPECT_EQ(test, xpool_destroy(f->pool), 0);
	f->pool = NULL;
	system_pool(test, 1 << 20);
}

static void test_longest_name(struct kunit *test)
{
	make_pool(test, &(struct xpool_args){ .name = NAME_31, .size = 1 << 20 });
}

static void test_more_than_memory(struct kunit *test)
{
	struct xpool_args args = { .name = pool_name,
				   .size = (totalram_pages() + 1) << PAGE_SHIFT };

	expect_create_error(test, &args, -ENOMEM);
}

/* All that totalram counts is more than is free: refused, and nobody is killed. */
static void test_all_of_memory(struct kunit *test)
{
	struct xpool_args args = { .name = pool_name,
				   .size = totalram_pages() << PAGE_SHIFT };

	expect_create_error(test, &args, -ENOMEM);
	system_pool(test, 4 << 20);
}

/* Memory that the system uses is not reserved, so it is not ours to take. */
static void test_base_in_system_ram(struct kunit *test)
{
	void *page = (void *)get_zeroed_page(GFP_KERNEL);
	struct xpool_args args = { .name = pool_name, .size = PAGE_SIZE };

	KUNIT_ASSERT_NOT_NULL(test, page);
	args.base = virt_to_phys(page);
	expect_create_error(test, &args, -EINVAL);
	free_page((unsigned long)page);
}

static void test_unknown_reserve_mem(struct kunit *test)
{
	struct xpool_args args = { .name = pool_name, .reserve_mem = "no-such-range" };
	phys_addr_t base, size;
	int err = xcompat_reserve_mem(args.reserve_mem, &base, &size);

	KUNIT_EXPECT_TRUE(test, err == -ENOENT || err == -EOPNOTSUPP);
	expect_create_error(test, &args, err);
	args.size = PAGE_SIZE + 1;
	expect_create_error(test, &args, -EINVAL);
}

/* |==own==|: a second pool at its start, inside, over its end, around it. */
static void test_overlap(struct kunit *test)
{
	struct xpool_args args = { .name = "xpool-test-2", .size = 2 * PAGE_SIZE };
	struct fixture *f = test->priv;
	size_t half = 512 << 10;

	f->own = vmalloc(1 << 20);
	KUNIT_ASSERT_NOT_NULL(test, f->own);
	pool_over(test, f->own + PAGE_SIZE, half);
	args.addr = f->own;
	expect_create_error(test, &args, -EBUSY);
	args.addr = f->own + half / 2;
	expect_create_error(test, &args, -EBUSY);
	args.addr = f->own + half;
	expect_create_error(test, &args, -EBUSY);
	args.addr = f->own;
	args.size = 1 << 20;
	expect_create_error(test, &args, -EBUSY);
	expect_all_free(test, f->pool);
}

/* |=one=|=two=|: expect neighbours to be no overlap, and to keep apart. */
static void test_neighbours(struct kunit *test)
{
	struct xpool_args args = { .name = "xpool-test-2", .size = 1 << 20 };
	struct fixture *f = test->priv;
	struct xpool *one, *two;
	void *addr;

	f->own = vmalloc(2 << 20);
	KUNIT_ASSERT_NOT_NULL(test, f->own);
	args.addr = f->own + (1 << 20);
	one = pool_over(test, f->own, 1 << 20);
	two = xpool_create(&args);
	KUNIT_ASSERT_FALSE(test, IS_ERR(two));

	addr = xpool_alloc_addr(two, 0, GFP_KERNEL);
	KUNIT_EXPECT_TRUE(test, addr >= args.addr && addr < args.addr + args.size);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(one, addr, 0), -ERANGE);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(two, addr, 0), 0);
	expect_all_free(test, one);
	expect_all_free(test, two);
	KUNIT_EXPECT_EQ(test, xpool_destroy(two), 0);
}

/* A pool over the pages that another pool handed out. */
static void test_pool_over_a_pool(struct kunit *test)
{
	struct xpool_args args = { .name = "xpool-test-2", .size = PAGE_SIZE };
	struct xpool *pool = system_pool(test, 1 << 20);

	args.addr = xpool_alloc_addr(pool, 0, GFP_KERNEL);
	expect_create_error(test, &args, -EBUSY);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, args.addr, 0), 0);
}

/*
 * Destruction
 */

static void test_destroy_nothing(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, xpool_destroy(NULL), 0);
	KUNIT_EXPECT_EQ(test, xpool_destroy(ERR_PTR(-ENOMEM)), 0);
}

static void test_destroy_default(struct kunit *test)
{
	KUNIT_ASSERT_NOT_NULL(test, xpool_default());
	KUNIT_EXPECT_EQ(test, xpool_destroy(xpool_default()), -EPERM);
	expect_balance(test, xpool_default());
}

/* Expect a refusal while a page of any order is held, and then none. */
static void test_destroy_with_pages(struct kunit *test)
{
	struct xpool *pool = system_pool(test, 8 << 20);
	unsigned int order;

	for (order = 0; order < XBUDDY_NR_ORDERS; order++) {
		void *addr = xpool_alloc_addr(pool, order, GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, addr);
		KUNIT_EXPECT_EQ(test, xpool_destroy(pool), -EBUSY);
		KUNIT_EXPECT_EQ(test, stats_of(pool).errors, order + 1ULL);
		expect_balance(test, pool);
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr, order), 0);
	}
	expect_all_free(test, pool);
}

/* A cache without a slab holds its pool too. */
static void test_destroy_with_cache(struct kunit *test)
{
	struct xslab_args args = { .name = "xpool-test", .size = 64 };
	struct xpool *pool = system_pool(test, 1 << 20);
	struct xslab_cache *cache = xslab_cache_create_in(pool, &args);

	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(cache));
	KUNIT_EXPECT_EQ(test, xpool_destroy(pool), -EBUSY);
	expect_balance(test, pool);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
	expect_all_free(test, pool);
}

static unsigned long free_system_pages(void)
{
	struct sysinfo info;

	si_meminfo(&info);
	return info.freeram;
}

#define CYCLES		(IS_ENABLED(CONFIG_KASAN) ? 4 : 16)

/* Pages, of 16,896 that go to and fro each time. KASAN keeps freed memory. */
#define CYCLE_DRIFT	(IS_ENABLED(CONFIG_KASAN) ? 2048L : 1024L)

/*
 * Expect all pages back in the system, each time. Free memory is measured while
 * there is a pool: to make one of a single region, the system empties the lists
 * of free pages that its CPUs keep, which it does not count as free.
 */
static void test_destroy_gives_back(struct kunit *test)
{
	struct fixture *f = test->priv;
	long before, drift;
	int i;

	system_pool(test, 66 << 20);
	before = free_system_pages();
	for (i = 0; i < CYCLES; i++) {
		KUNIT_ASSERT_EQ(test, xpool_destroy(f->pool), 0);
		f->pool = NULL;
		system_pool(test, 66 << 20);
	}
	drift = before - (long)free_system_pages();
	KUNIT_EXPECT_LT(test, drift, CYCLE_DRIFT);
	kunit_info(test, "row 23: %d times 66 MiB taken and given back, drift %ld pages\n",
		   CYCLES, drift);
}

/*
 * Frees that are refused. Each changes one number: that of the errors.
 */

static void expect_refusal(struct kunit *test, struct xpool *pool, void *addr,
			   unsigned int order, int err)
{
	struct xpool_stats before = stats_of(pool), after;

	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr, order), err);
	after = stats_of(pool);
	KUNIT_EXPECT_EQ(test, after.errors, before.errors + 1);
	after.errors = before.errors;
	KUNIT_EXPECT_EQ(test, memcmp(&before, &after, sizeof(after)), 0);
	KUNIT_EXPECT_EQ(test, xpool_validate(pool), 0);
}

#define ERROR_POOL	(66 << 20)	/* large enough for magazines of all orders */

static void test_double_free(struct kunit *test)
{
	struct xpool *pool = system_pool(test, ERROR_POOL);
	unsigned int order;

	for (order = 0; order < XBUDDY_NR_ORDERS; order++) {
		void *addr = xpool_alloc_addr(pool, order, GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, addr);
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr, order), 0);
		expect_refusal(test, pool, addr, order, -EALREADY);
		expect_refusal(test, pool, addr, (order + 1) % 11, -EALREADY);
		xpool_collect(pool, true);
		expect_refusal(test, pool, addr, order, -EALREADY);
	}
	expect_all_free(test, pool);
}

static void test_wrong_order(struct kunit *test)
{
	struct xpool *pool = system_pool(test, ERROR_POOL);
	unsigned int order, wrong;

	for (order = 0; order < XBUDDY_NR_ORDERS; order++) {
		void *addr = xpool_alloc_addr(pool, order, GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, addr);
		for (wrong = 0; wrong < XBUDDY_NR_ORDERS + 2; wrong++)
			if (wrong != order)
				expect_refusal(test, pool, addr, wrong, -EINVAL);
		expect_refusal(test, pool, addr, order + 256, -EINVAL);
		expect_refusal(test, pool, addr, UINT_MAX, -EINVAL);
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr, order), 0);
	}
	expect_all_free(test, pool);
}

/* Expect a pointer into a struct page to be refused, and the page to stay live. */
static void test_inside_struct_page(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct page *page;

	system_pool(test, 4 << 20);
	page = xpool_alloc_pages(f->pool, 0, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_EQ(test, xpool_free_pages(f->pool, (void *)page + 4, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, xpool_validate(f->pool), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_pages(f->pool, page, 0), 0);
}

/* abcd: every page but the first, and every odd address. */
static void test_interior(struct kunit *test)
{
	struct xpool *pool = system_pool(test, ERROR_POOL);
	unsigned int order;
	void *addr;

	for (order = 0; order < XBUDDY_NR_ORDERS; order++) {
		addr = xpool_alloc_addr(pool, order, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, addr);
		expect_refusal(test, pool, addr + 1, order, -EINVAL);
		expect_refusal(test, pool, addr + PAGE_SIZE - 8, order, -EINVAL);
		if (order) {
			expect_refusal(test, pool, addr + PAGE_SIZE, order, -EINVAL);
			expect_refusal(test, pool, addr + PAGE_SIZE, 0, -EINVAL);
			expect_refusal(test, pool, addr + (PAGE_SIZE << (order - 1)),
				       order - 1, -EINVAL);
		}
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr, order), 0);
		expect_refusal(test, pool, addr + (PAGE_SIZE << order) - PAGE_SIZE, 0,
			       -EALREADY);
	}
	expect_all_free(test, pool);
}

static void test_foreign(struct kunit *test)
{
	struct xpool *pool = own_pool(test, 8 << 20);
	struct fixture *f = test->priv;
	void *slab = kmalloc(64, GFP_KERNEL);
	void *page = (void *)__get_free_page(GFP_KERNEL);

	KUNIT_ASSERT_TRUE(test, slab && page);
	expect_refusal(test, pool, slab, 0, -ERANGE);
	expect_refusal(test, pool, page, 0, -ERANGE);
	expect_refusal(test, pool, f->own - PAGE_SIZE, 0, -ERANGE);
	expect_refusal(test, pool, f->own - 1, 0, -ERANGE);
	expect_refusal(test, pool, f->own + (8 << 20), 0, -ERANGE);
	expect_refusal(test, pool, &slab, 0, -ERANGE);
	expect_refusal(test, pool, (void *)8, 0, -ERANGE);
	expect_refusal(test, pool, (void *)ULONG_MAX, 0, -ERANGE);
	expect_refusal(test, pool, f->own, 0, -EALREADY);
	expect_refusal(test, pool, f->own + (8 << 20) - PAGE_SIZE, 0, -EALREADY);
	free_page((unsigned long)page);
	kfree(slab);
}

static void test_foreign_page(struct kunit *test)
{
	struct xpool *pool = system_pool(test, ERROR_POOL);
	struct page *page = alloc_page(GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_EQ(test, xpool_free_pages(pool, page, 0), -ERANGE);
	KUNIT_EXPECT_EQ(test, stats_of(pool).errors, 1ULL);
	KUNIT_EXPECT_EQ(test, page_count(page), 1);
	__free_page(page);
}

static void test_free_null(struct kunit *test)
{
	struct xpool *pool = system_pool(test, 1 << 20);

	KUNIT_EXPECT_EQ(test, xpool_free_pages(pool, NULL, 0), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, NULL, 0), 0);
	KUNIT_EXPECT_EQ(test, stats_of(pool).errors, 0ULL);
}

/* The pages of a slab are the cache's, not the client's. */
static void test_free_of_slab_page(struct kunit *test)
{
	struct xslab_args args = { .name = "xpool-test", .size = PAGE_SIZE };
	struct xpool *pool = system_pool(test, ERROR_POOL);
	struct xslab_cache *cache = xslab_cache_create_in(pool, &args);
	unsigned int order;
	void *obj;

	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(cache));
	obj = xslab_cache_alloc(cache, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, obj);
	for (order = 0; order < XBUDDY_NR_ORDERS; order++)
		expect_refusal(test, pool, obj, order, -EINVAL);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, obj), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
}

#define MANY_OBJECTS	512

/* More empty slabs than a cache gives back at a time. Expect none left. */
static void test_shrink_many_slabs(struct kunit *test)
{
	struct xslab_args args = { .name = "xpool-test", .size = PAGE_SIZE };
	struct xpool *pool = system_pool(test, ERROR_POOL);
	struct xslab_cache *cache = xslab_cache_create_in(pool, &args);
	void **objs = kunit_kcalloc(test, MANY_OBJECTS, sizeof(*objs), GFP_KERNEL);

	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(cache) || !objs);
	KUNIT_EXPECT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, MANY_OBJECTS, objs),
			MANY_OBJECTS);
	xslab_cache_free_bulk(cache, MANY_OBJECTS, objs);
	KUNIT_EXPECT_EQ(test, stats_of(pool).slabs, (u64)MANY_OBJECTS);
	xpool_collect(pool, true);
	KUNIT_EXPECT_EQ(test, stats_of(pool).slabs, 0ULL);
	expect_balance(test, pool);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
}

static void test_alloc_order_too_large(struct kunit *test)
{
	struct xpool *pool = system_pool(test, ERROR_POOL);

	KUNIT_EXPECT_NULL(test, xpool_alloc_addr(pool, 11, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, xpool_alloc_addr(pool, 64, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, xpool_alloc_addr(pool, UINT_MAX, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, xpool_alloc_pages(pool, 11, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, stats_of(pool).failures, 4ULL);
	expect_all_free(test, pool);
}

/*
 * Blocks without magazines: the pool keeps the one of each order that was freed
 * last, as it is, until somebody needs its pages.
 */

#define HOT_PAIRS	100

/* Take and free a block of @order; expect the magazines to count it meanwhile. */
static void *expect_hot_pair(struct kunit *test, struct xpool *pool, unsigned int order)
{
	u64 pages = stats_of(pool).pages;
	void *addr = xpool_alloc_addr(pool, order, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, addr);
	KUNIT_EXPECT_EQ(test, stats_of(pool).pages, pages + BIT(order));
	KUNIT_EXPECT_EQ(test, stats_of(pool).magazines, 0ULL);
	expect_balance(test, pool);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr, order), 0);
	KUNIT_EXPECT_EQ(test, stats_of(pool).pages, pages);
	KUNIT_EXPECT_EQ(test, stats_of(pool).magazines, 1ULL << order);
	expect_balance(test, pool);
	return addr;
}

static void expect_cheap_pairs(struct kunit *test, struct xpool *pool, unsigned int order)
{
	void *addr = expect_hot_pair(test, pool, order);
	struct xpool_stats first = stats_of(pool), last;
	int i;

	for (i = 0; i < HOT_PAIRS; i++)
		KUNIT_EXPECT_PTR_EQ(test, expect_hot_pair(test, pool, order), addr);
	last = stats_of(pool);
	KUNIT_EXPECT_EQ(test, last.splits, first.splits);
	KUNIT_EXPECT_EQ(test, last.merges, first.merges);
	KUNIT_EXPECT_EQ(test, last.gets, first.gets);
	KUNIT_EXPECT_EQ(test, last.puts, first.puts);
	expect_refusal(test, pool, addr, order, -EALREADY);
	expect_all_free(test, pool);
	KUNIT_EXPECT_EQ(test, stats_of(pool).largest_free, 1024ULL);
}

/* Expect a block to be split once and joined once, however often it is used. */
static void test_hot_pair(struct kunit *test)
{
	struct xpool *pool = system_pool(test, ERROR_POOL);

	expect_cheap_pairs(test, pool, 4);
	expect_cheap_pairs(test, pool, XBUDDY_MAX_ORDER);
}

/* All of a pool is one block, freed last. Expect each of its pages to be had. */
static void test_hot_for_other_orders(struct kunit *test)
{
	struct xpool *pool = system_pool(test, 4 << 20);
	unsigned long **pages = kunit_kcalloc(test, MAX_ORDER_PAGES + 1, sizeof(*pages),
					      GFP_KERNEL);
	unsigned long i;

	KUNIT_ASSERT_NOT_NULL(test, pages);
	xtest_pin();
	expect_hot_pair(test, pool, XBUDDY_MAX_ORDER);
	KUNIT_EXPECT_EQ(test, stats_of(pool).free, 0ULL);
	KUNIT_EXPECT_EQ(test, take_all(pool, pages, MAX_ORDER_PAGES + 1), MAX_ORDER_PAGES);
	KUNIT_EXPECT_EQ(test, stats_of(pool).pages, (u64)MAX_ORDER_PAGES);
	KUNIT_EXPECT_EQ(test, stats_of(pool).magazines, 0ULL);
	expect_balance(test, pool);
	for (i = 0; i < MAX_ORDER_PAGES; i++)
		KUNIT_ASSERT_EQ(test, xpool_free_addr(pool, pages[i], 0), 0);
	expect_balance(test, pool);
	expect_all_free(test, pool);
	KUNIT_EXPECT_EQ(test, stats_of(pool).largest_free, (u64)MAX_ORDER_PAGES);
}

/* A cache takes its slabs from it too. */
static void test_hot_for_slabs(struct kunit *test)
{
	struct xslab_args args = { .name = "xpool-test", .size = PAGE_SIZE };
	struct xpool *pool = system_pool(test, 4 << 20);
	struct xslab_cache *cache = xslab_cache_create_in(pool, &args);
	void *obj;

	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(cache));
	expect_hot_pair(test, pool, XBUDDY_MAX_ORDER);
	obj = xslab_cache_alloc(cache, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, obj);
	KUNIT_EXPECT_EQ(test, stats_of(pool).magazines, 0ULL);
	expect_balance(test, pool);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, obj), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
	expect_all_free(test, pool);
}

/* aabb with the two halves freed, a and b: expect one kept, and both for a whole. */
static void test_hot_for_larger(struct kunit *test)
{
	struct xpool *pool = system_pool(test, 4 << 20);
	void *half[2], *whole;
	int i;

	for (i = 0; i < 2; i++) {
		half[i] = xpool_alloc_addr(pool, XBUDDY_MAX_ORDER - 1, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, half[i]);
	}
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, half[i], XBUDDY_MAX_ORDER - 1), 0);
		KUNIT_EXPECT_EQ(test, stats_of(pool).magazines, 512ULL);
		KUNIT_EXPECT_EQ(test, stats_of(pool).free, 512ULL * i);
		expect_balance(test, pool);
	}
	whole = xpool_alloc_addr(pool, XBUDDY_MAX_ORDER, GFP_KERNEL);
	KUNIT_EXPECT_PTR_EQ(test, whole, half[0]);
	KUNIT_EXPECT_EQ(test, stats_of(pool).magazines, 0ULL);
	expect_balance(test, pool);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, whole, XBUDDY_MAX_ORDER), 0);
	expect_all_free(test, pool);
}

/* One of each order at a time. Expect all counted, and all back after a shrink. */
static void test_hot_of_each_order(struct kunit *test)
{
	struct xpool *pool = system_pool(test, ERROR_POOL);
	void *addr[XBUDDY_NR_ORDERS];
	unsigned int order;
	u64 sum = 0;

	xtest_pin();
	for (order = 0; order < XBUDDY_NR_ORDERS; order++) {
		addr[order] = xpool_alloc_addr(pool, order, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, addr[order]);
	}
	expect_balance(test, pool);
	for (order = 4; order < XBUDDY_NR_ORDERS; order++) {
		u64 before = stats_of(pool).magazines;

		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr[order], order), 0);
		KUNIT_EXPECT_EQ(test, stats_of(pool).magazines, before + BIT(order));
		expect_balance(test, pool);
		sum += BIT(order);
	}
	KUNIT_EXPECT_GE(test, stats_of(pool).magazines, sum);
	xpool_collect(pool, true);
	KUNIT_EXPECT_EQ(test, stats_of(pool).magazines, 0ULL);
	KUNIT_EXPECT_EQ(test, stats_of(pool).pages, 15ULL);
	expect_balance(test, pool);
	for (order = 0; order < 4; order++)
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr[order], order), 0);
	expect_all_free(test, pool);
}

/*
 * Two CPUs free one block at the same instant and both are believed. The second
 * time is found when the block comes back, and nobody else may suffer.
 */

/* What the second CPU saw is put back, so that it is believed too. */
static void free_at_once(struct kunit *test, struct xpool *pool, void *addr,
			 unsigned int order)
{
	struct xpage *page = &pool->pages[((unsigned long)addr - pool->base) >> PAGE_SHIFT];

	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr, order), 0);
	WRITE_ONCE(page->kind, XPAGE_LIVE);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr, order), 0);
}

#define ROW_PAGES	7

/* abcddefg come out of the magazine. Expect one d refused, and no other page lost. */
static void test_free_at_once_in_row(struct kunit *test)
{
	struct xpool *pool = own_pool(test, ERROR_POOL);
	void *addr[ROW_PAGES];
	unsigned int i;

	xtest_pin();
	for (i = 0; i < ROW_PAGES; i++) {
		addr[i] = xpool_alloc_addr(pool, 0, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, addr[i]);
	}
	for (i = 0; i < ROW_PAGES; i++) {
		if (i == ROW_PAGES / 2)
			free_at_once(test, pool, addr[i], 0);
		else
			KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr[i], 0), 0);
	}
	expect_all_free(test, pool);
	KUNIT_EXPECT_EQ(test, stats_of(pool).errors, 1ULL);
}

/* Expect a block that somebody has again to stay with him when it comes back. */
static void test_free_at_once_and_live(struct kunit *test)
{
	struct xpool *pool = own_pool(test, ERROR_POOL);
	void *addr = xpool_alloc_addr(pool, 0, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, addr);
	xtest_pin();
	free_at_once(test, pool, addr, 0);
	KUNIT_EXPECT_PTR_EQ(test, xpool_alloc_addr(pool, 0, GFP_KERNEL), addr);
	xpool_collect(pool, true);
	KUNIT_EXPECT_EQ(test, stats_of(pool).pages, 1ULL);
	KUNIT_EXPECT_EQ(test, stats_of(pool).errors, 1ULL);
	expect_balance(test, pool);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr, 0), 0);
	expect_all_free(test, pool);
}

/* The block that was freed last comes again. Expect it handed out once. */
static void test_free_at_once_hot(struct kunit *test)
{
	struct xpool *pool = own_pool(test, ERROR_POOL);
	void *addr[2] = { xpool_alloc_addr(pool, XBUDDY_MAX_ORDER, GFP_KERNEL) };
	int i;

	KUNIT_ASSERT_NOT_NULL(test, addr[0]);
	free_at_once(test, pool, addr[0], XBUDDY_MAX_ORDER);
	KUNIT_EXPECT_EQ(test, stats_of(pool).errors, 1ULL);
	expect_balance(test, pool);
	for (i = 0; i < 2; i++)
		addr[i] = xpool_alloc_addr(pool, XBUDDY_MAX_ORDER, GFP_KERNEL);
	KUNIT_EXPECT_PTR_NE(test, addr[0], addr[1]);
	KUNIT_EXPECT_EQ(test, stats_of(pool).pages, 2ULL << XBUDDY_MAX_ORDER);
	expect_balance(test, pool);
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr[i], XBUDDY_MAX_ORDER), 0);
	expect_all_free(test, pool);
}

/*
 * Random use. The client keeps a table of what it holds; nothing else.
 */

#define HELD_MAX	256

struct held {
	void		*addr;
	unsigned int	order;
};

struct client {
	struct xpool		*pool;
	struct xslab_cache	*small;		/* of 64 bytes */
	struct xslab_cache	*large;		/* of 3,000 bytes */
	struct held		pages[HELD_MAX];
	void			*objs[2][HELD_MAX];
	struct rnd_state	rnd;
	unsigned long		done;
	int			err;
};

static void toggle_pages(struct client *u, struct held *h)
{
	if (h->addr) {
		u->err |= xpool_free_addr(u->pool, h->addr, h->order);
		h->addr = NULL;
		return;
	}
	h->order = min(xtest_below(&u->rnd, 8), xtest_below(&u->rnd, 8));
	h->addr = xpool_alloc_addr(u->pool, h->order, GFP_KERNEL);
	u->done += !!h->addr;
}

static void toggle_object(struct client *u, struct xslab_cache *cache, void **obj)
{
	if (*obj) {
		u->err |= xslab_cache_free(cache, *obj);
		*obj = NULL;
		return;
	}
	*obj = xslab_cache_alloc(cache, GFP_KERNEL);
	u->done += !!*obj;
}

/* Take what slot @i is for if it is empty, else give it back. */
static void toggle(struct client *u, unsigned int kind, unsigned int i)
{
	if (kind == 0)
		toggle_pages(u, &u->pages[i]);
	else if (kind == 1)
		toggle_object(u, u->small, &u->objs[0][i]);
	else
		toggle_object(u, u->large, &u->objs[1][i]);
}

static struct client *new_user(struct kunit *test, struct xpool *pool)
{
	struct xslab_args small = { .name = "xpool-test-64", .size = 64 };
	struct xslab_args large = { .name = "xpool-test-3000", .size = 3000 };
	struct client *u = kunit_kzalloc(test, sizeof(*u), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, u);
	u->pool = pool;
	u->small = xslab_cache_create_in(pool, &small);
	u->large = xslab_cache_create_in(pool, &large);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(u->small) || IS_ERR_OR_NULL(u->large));
	xtest_seed(test, &u->rnd);
	return u;
}

static void use_pool(struct client *u, unsigned long nr_ops)
{
	while (nr_ops--)
		toggle(u, xtest_below(&u->rnd, 3), xtest_below(&u->rnd, HELD_MAX));
}

static void expect_user_fine(struct kunit *test, struct client *u)
{
	KUNIT_EXPECT_EQ(test, u->err, 0);
	KUNIT_EXPECT_GT(test, u->done, 0UL);
	KUNIT_EXPECT_EQ(test, xslab_validate(u->small), 0);
	KUNIT_EXPECT_EQ(test, xslab_validate(u->large), 0);
	expect_balance(test, u->pool);
}

static void end_user(struct kunit *test, struct client *u)
{
	unsigned int i;

	for (i = 0; i < HELD_MAX; i++) {
		if (u->pages[i].addr)
			toggle(u, 0, i);
		if (u->objs[0][i])
			toggle(u, 1, i);
		if (u->objs[1][i])
			toggle(u, 2, i);
	}
	KUNIT_EXPECT_EQ(test, u->err, 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(u->small), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(u->large), 0);
	expect_all_free(test, u->pool);
}

/* The books balance at every moment of a random use. */
static void test_random_use(struct kunit *test)
{
	struct client *u = new_user(test, system_pool(test, 8 << 20));
	unsigned long i, nr_ops = xtest_param(ops);

	for (i = 0; i < nr_ops; i += 100) {
		use_pool(u, 100);
		expect_user_fine(test, u);
	}
	kunit_info(test, "%lu operations, %lu of them allocations that succeeded\n",
		   nr_ops, u->done);
	end_user(test, u);
}

/*
 * Managed memory is never touched
 */

static u64 pattern(const u64 *at)
{
	return (u64)(unsigned long)at * 0x9e3779b97f4a7c15ULL;
}

static void write_pattern(u64 *from, size_t bytes)
{
	u64 *at;

	for (at = from; at < from + bytes / sizeof(*at); at++)
		*at = pattern(at);
}

static size_t broken_words(const u64 *from, size_t bytes)
{
	size_t broken = 0;
	const u64 *at;

	for (at = from; at < from + bytes / sizeof(*at); at++)
		broken += *at != pattern(at);
	return broken;
}

#define PATTERN_BYTES	(8 << 20)

/* Expect each word of the range as it was, with objects live and after. */
static void test_never_written(struct kunit *test)
{
	struct xpool *pool = own_pool(test, PATTERN_BYTES);
	struct fixture *f = test->priv;
	struct client *u;

	write_pattern(f->own, PATTERN_BYTES);
	u = new_user(test, pool);
	use_pool(u, xtest_param(ops));
	expect_user_fine(test, u);
	KUNIT_EXPECT_EQ(test, broken_words(f->own, PATTERN_BYTES), (size_t)0);
	end_user(test, u);
	KUNIT_EXPECT_EQ(test, broken_words(f->own, PATTERN_BYTES), (size_t)0);
	kunit_info(test, "%lu operations changed no byte of %d MiB\n", xtest_param(ops),
		   PATTERN_BYTES >> 20);
}

#define NOWHERE		((void *)(256UL << 20))	/* no kernel maps anything there */

/* Expect a range that is not mapped at all to serve as well: a touch would oops. */
static void test_never_touched(struct kunit *test)
{
	struct xpool *pool;
	struct client *u;

	pool = pool_over(test, NOWHERE, PATTERN_BYTES);
	u = new_user(test, pool);
	use_pool(u, xtest_param(ops));
	expect_user_fine(test, u);
	end_user(test, u);
}

/*
 * The system's allocator: asked when something is made, and never later
 */

static void test_no_hidden_allocation(struct kunit *test)
{
	struct client *u;
	unsigned int left;

	xtest_need_failures(test);
	u = new_user(test, system_pool(test, 8 << 20));
	xtest_fail_nth(XTEST_NEVER);
	use_pool(u, xtest_param(ops));
	left = xtest_fail_end();
	KUNIT_EXPECT_EQ(test, left, XTEST_NEVER);
	expect_user_fine(test, u);
	kunit_info(test, "%lu operations, %u requests to the system\n", xtest_param(ops),
		   XTEST_NEVER - left);
	end_user(test, u);
}

/*
 * Let each of the system's allocations that the making of a pool takes fail, one
 * after the other. Expect an error pointer or a pool that is whole; after an
 * error the name is free again, so nothing is left of it.
 */
static void create_without_memory(struct kunit *test, size_t size)
{
	struct xpool_args args = { .name = pool_name, .size = size };
	unsigned int n, left = 0, failures = 0;

	for (n = 1; !left; n++) {
		struct xpool *pool;

		xtest_fail_nth(n);
		pool = xpool_create(&args);
		left = xtest_fail_end();
		if (IS_ERR(pool)) {
			KUNIT_EXPECT_EQ(test, PTR_ERR(pool), -(long)ENOMEM);
			failures++;
			continue;
		}
		KUNIT_ASSERT_NOT_NULL(test, pool);
		expect_balance(test, pool);
		KUNIT_ASSERT_EQ(test, xpool_destroy(pool), 0);
	}
	KUNIT_EXPECT_GT(test, failures, 0U);
	kunit_info(test, "%u requests to the system, %u without which there is no pool\n",
		   n - 2, failures);
}

static void test_create_small_without_memory(struct kunit *test)
{
	xtest_need_failures(test);
	create_without_memory(test, PAGE_SIZE);
}

static void test_create_large_without_memory(struct kunit *test)
{
	xtest_need_failures(test);
	create_without_memory(test, 6 << 20);
}

static void test_cache_without_memory(struct kunit *test)
{
	struct xslab_args args = { .name = "xpool-test", .size = 192 };
	struct xpool *pool = system_pool(test, 4 << 20);
	unsigned int n, left = 0, failures = 0;

	xtest_need_failures(test);
	for (n = 1; !left; n++) {
		struct xslab_cache *cache;

		xtest_fail_nth(n);
		cache = xslab_cache_create_in(pool, &args);
		left = xtest_fail_end();
		expect_balance(test, pool);
		if (IS_ERR_OR_NULL(cache)) {
			failures++;
			continue;
		}
		KUNIT_EXPECT_EQ(test, xslab_validate(cache), 0);
		KUNIT_ASSERT_EQ(test, xslab_cache_destroy(cache), 0);
	}
	KUNIT_EXPECT_GT(test, failures, 0U);
	kunit_info(test, "%u requests to the system, %u without which there is no cache\n",
		   n - 2, failures);
	expect_all_free(test, pool);
}

/*
 * Figures
 */

/* Expect 1.6 % at most, in units of a hundredth of a percent. */
static void test_metadata_share(struct kunit *test)
{
	struct xpool *pool = system_pool(test, 64 << 20);
	u64 metadata = stats_of(pool).metadata;
	u64 share = div_u64(metadata * 10000, 64 << 20);

	KUNIT_EXPECT_LE(test, metadata * 1000, 16ULL * (64 << 20));
	KUNIT_EXPECT_GT(test, share, 0ULL);
	kunit_info(test, "64 MiB: metadata %llu bytes, %llu.%02llu %%\n", metadata,
		   share / 100, share % 100);
}

/*
 * Three pages alone, a pair and a block of eight: 13 pages are free. Order 1
 * cannot use 3 of them, orders 2 and 3 cannot use 5, and larger ones none.
 */
static void test_unusable_index(struct kunit *test)
{
	struct xpool_stats s = { .free = 13, .free_blocks = { 3, 1, 0, 1 } };
	static const unsigned int want[] = { 0, 230, 384, 384, 1000, 1000 };
	unsigned int order;

	for (order = 0; order < ARRAY_SIZE(want); order++)
		KUNIT_EXPECT_EQ(test, xpool_unusable_index(&s, order), want[order]);
	KUNIT_EXPECT_EQ(test, xpool_unusable_index(&s, 10), 1000U);
	KUNIT_EXPECT_EQ(test, xpool_unusable_index(&s, 11), 1000U);
}

/* No free memory is taken as all of it unusable; a whole pool as none. */
static void test_unusable_index_ends(struct kunit *test)
{
	struct xpool_stats full = { .total = 1024 };
	struct xpool_stats empty = { .free = 3072, .free_blocks = { [10] = 3 } };
	unsigned int order;

	for (order = 0; order < XBUDDY_NR_ORDERS; order++) {
		KUNIT_EXPECT_EQ(test, xpool_unusable_index(&full, order), 1000U);
		KUNIT_EXPECT_EQ(test, xpool_unusable_index(&empty, order), 0U);
	}
}

/* The definition of mm/vmstat.c, on a pool with holes. */
static unsigned int unusable_by_definition(const struct xpool_stats *s, unsigned int order)
{
	u64 suitable = 0;
	unsigned int o;

	for (o = order; o < XBUDDY_NR_ORDERS; o++)
		suitable += s->free_blocks[o] << (o - order);
	return s->free ? div64_u64((s->free - (suitable << order)) * 1000, s->free) : 1000;
}

static void test_unusable_index_of_pool(struct kunit *test)
{
	struct client *u = new_user(test, system_pool(test, 8 << 20));
	struct xpool_stats s;
	unsigned int order, last = 0;

	use_pool(u, 3000);
	s = stats_of(u->pool);
	for (order = 0; order < XBUDDY_NR_ORDERS; order++) {
		unsigned int index = xpool_unusable_index(&s, order);

		KUNIT_EXPECT_EQ(test, index, unusable_by_definition(&s, order));
		KUNIT_EXPECT_GE(test, index, last);
		last = index;
	}
	KUNIT_EXPECT_GT(test, last, 0U);
	end_user(test, u);
}

static struct kunit_case pool_cases[] = {
	KUNIT_CASE_PARAM(test_new_pool, kind_gen_params),
	KUNIT_CASE_PARAM(test_every_order, kind_gen_params),
	KUNIT_CASE_PARAM(test_all_orders_at_once, kind_gen_params),
	KUNIT_CASE_PARAM(test_zero, kind_gen_params),
	KUNIT_CASE_PARAM(test_exhaustion, kind_gen_params),
	KUNIT_CASE(test_pages_and_addresses),
	KUNIT_CASE(test_no_struct_page),
	KUNIT_CASE(test_regions),
	KUNIT_CASE_PARAM(test_create_error, create_error_gen_params),
	KUNIT_CASE(test_create_without_args),
	KUNIT_CASE(test_duplicate_name),
	KUNIT_CASE(test_longest_name),
	KUNIT_CASE(test_more_than_memory),
	KUNIT_CASE(test_all_of_memory),
	KUNIT_CASE(test_base_in_system_ram),
	KUNIT_CASE(test_unknown_reserve_mem),
	KUNIT_CASE(test_overlap),
	KUNIT_CASE(test_neighbours),
	KUNIT_CASE(test_pool_over_a_pool),
	KUNIT_CASE(test_destroy_nothing),
	KUNIT_CASE(test_destroy_default),
	KUNIT_CASE(test_destroy_with_pages),
	KUNIT_CASE(test_destroy_with_cache),
	KUNIT_CASE(test_destroy_gives_back),
	KUNIT_CASE(test_double_free),
	KUNIT_CASE(test_wrong_order),
	KUNIT_CASE(test_inside_struct_page),
	KUNIT_CASE(test_interior),
	KUNIT_CASE(test_foreign),
	KUNIT_CASE(test_foreign_page),
	KUNIT_CASE(test_free_null),
	KUNIT_CASE(test_free_of_slab_page),
	KUNIT_CASE(test_shrink_many_slabs),
	KUNIT_CASE(test_alloc_order_too_large),
	KUNIT_CASE(test_hot_pair),
	KUNIT_CASE(test_hot_for_other_orders),
	KUNIT_CASE(test_hot_for_slabs),
	KUNIT_CASE(test_hot_for_larger),
	KUNIT_CASE(test_hot_of_each_order),
	KUNIT_CASE(test_free_at_once_in_row),
	KUNIT_CASE(test_free_at_once_and_live),
	KUNIT_CASE(test_free_at_once_hot),
	KUNIT_CASE(test_random_use),
	KUNIT_CASE(test_never_written),
	KUNIT_CASE(test_never_touched),
	KUNIT_CASE(test_no_hidden_allocation),
	KUNIT_CASE(test_create_small_without_memory),
	KUNIT_CASE(test_create_large_without_memory),
	KUNIT_CASE(test_cache_without_memory),
	KUNIT_CASE(test_metadata_share),
	KUNIT_CASE(test_unusable_index),
	KUNIT_CASE(test_unusable_index_ends),
	KUNIT_CASE(test_unusable_index_of_pool),
	{ }
};

static struct kunit_suite pool_suite = {
	.name = "xpool",
	.init = pool_init,
	.exit = pool_exit,
	.test_cases = pool_cases,
};

kunit_test_suite(pool_suite);

MODULE_DESCRIPTION("Tests of xalloc's pools and pages");
MODULE_LICENSE("GPL");
