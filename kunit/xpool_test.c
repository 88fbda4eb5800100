// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of pools and of the pages that clients take from them.
 *
 * Each test makes its own pool. It is destroyed after the test, which must have
 * given everything back by then: that the destruction succeeds is part of each.
 */
#include <kunit/test.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/io.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#include "slab/slab.h"
#include "xdecay.h"
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

/* The books balance, and the blocks are what is free. */
static void expect_balance(struct kunit *test, struct xpool *pool)
{
	struct xpool_stats s = pool_stats(pool);
	u64 free = 0;
	int order;

	for (order = 0; order < XBUDDY_NR_ORDERS; order++)
		free += s.free_blocks[order] << order;
	KUNIT_EXPECT_EQ(test, s.free, free);
	KUNIT_EXPECT_EQ(test, s.total, s.free + s.slabs + s.heaps + s.pages + s.magazines);
	KUNIT_EXPECT_EQ(test, xpool_validate(pool), 0);
}

/* All pages are free again once a collection took back what is kept for later. */
static void expect_all_free(struct kunit *test, struct xpool *pool)
{
	struct xpool_stats s;

	xpool_collect(pool, true);
	s = pool_stats(pool);
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

KUNIT_ARRAY_PARAM_DESC(kind, kinds, name);

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
	struct xpool_stats s = pool_stats(pool);

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
		bool fits = pool_stats(pool).largest_free >> order;
		void *addr = xpool_alloc_addr(pool, order, GFP_KERNEL);

		KUNIT_EXPECT_EQ(test, !!addr, fits);
		if (!addr)
			continue;
		expect_block(test, addr, order);
		KUNIT_EXPECT_EQ(test, pool_stats(pool).pages, 1ULL << order);
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
	unsigned long i, nr = xtest_take_blocks(pool, 0, (void **)pages, max, GFP_KERNEL);

	for (i = 0; i < nr; i++)
		*pages[i] = i;
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
	u64 total = pool_stats(pool).total;
	unsigned long **pages = xtest_room(test, total + 1, sizeof(*pages));
	unsigned long i, nr;

	xtest_pin();
	nr = take_all(pool, pages, total + 1);
	KUNIT_EXPECT_EQ(test, (u64)nr, total);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).pages, total);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).failures, 1ULL);
	KUNIT_EXPECT_NULL(test, xpool_alloc_addr(pool, 0, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, pool_stats(pool).failures, 2ULL);
	expect_balance(test, pool);

	for (i = 0; i < nr; i++) {
		KUNIT_ASSERT_EQ(test, *pages[i], i);
		KUNIT_ASSERT_TRUE(test, in_own_memory(test->priv, pages[i]));
	}
	for (i = 0; i < nr; i++)
		KUNIT_ASSERT_EQ(test, xpool_free_addr(pool, pages[i], 0), 0);
	expect_balance(test, pool);
	expect_all_free(test, pool);
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

	h->pages = xtest_room(test, max, sizeof(*h->pages));
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
	u64 total = pool_stats(pool).total;
	unsigned long **pages = xtest_room(test, total + 1, sizeof(*pages));
	unsigned long i, nr;

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

	regions = pool_stats(f->pool).regions;
	kunit_info(test, "%llu regions for 64 MiB and 3 pages, metadata %llu bytes\n",
		   regions, pool_stats(f->pool).metadata);
	if (regions == 1)
		kunit_skip(test, "the system still had a run of 64 MiB");
	KUNIT_EXPECT_EQ(test, regions, 17ULL);
	KUNIT_EXPECT_EQ(test, pool_stats(f->pool).total, 16 * 1024 + 3ULL);
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
	{ "max_size of 6 MiB", { .name = pool_name, .size = 4 << 20, .max_size = 6 << 20 },
	  -EINVAL },
	{ "max_size below size", { .name = pool_name, .size = 8 << 20, .max_size = 4 << 20 },
	  -EINVAL },
	{ "max_size of 32 TiB", { .name = pool_name, .size = 4 << 20, .max_size = 1UL << 45 },
	  -ENOMEM },
	{ "max_size and addr", { .name = pool_name, .size = 4 << 20, .max_size = 8 << 20,
				 .addr = (void *)(1UL << 30) }, -EINVAL },
	{ "max_size and base", { .name = pool_name, .size = 4 << 20, .max_size = 8 << 20,
				 .base = 1 << 30 }, -EINVAL },
	{ "addr without size", { .name = pool_name, .addr = (void *)(1UL << 30) },
	  -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(create_error, create_errors, what);

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

/* All that totalram counts is more than is free: refused, and no task is killed. */
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

/*
 * Expect a pool of which a block is held to refuse to go, to give no more blocks, to take
 * this one back, and to go then; to destroy it once more is right at any time.
 */
static void test_destroy_with_pages(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int order;

	for (order = 0; order < XBUDDY_NR_ORDERS; order++) {
		struct xpool *pool = system_pool(test, 8 << 20);
		void *addr = xpool_alloc_addr(pool, order, GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, addr);
		KUNIT_EXPECT_EQ(test, xpool_destroy(pool), -EBUSY);
		KUNIT_EXPECT_EQ(test, xpool_destroy(pool), -EBUSY);
		KUNIT_EXPECT_EQ(test, pool_stats(pool).errors, 2ULL);
		KUNIT_EXPECT_NULL(test, xpool_alloc_addr(pool, 0, GFP_KERNEL));
		KUNIT_EXPECT_NULL(test, xpool_alloc_pages(pool, order, GFP_ATOMIC));
		expect_balance(test, pool);
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr, order), 0);
		KUNIT_EXPECT_EQ(test, xpool_destroy(pool), 0);
		KUNIT_EXPECT_EQ(test, xpool_destroy(pool), 0);
		f->pool = NULL;
	}
}

/* A cache without a slab holds its pool too. */
static void test_destroy_with_cache(struct kunit *test)
{
	struct xslab_args args = { .name = "xpool-test", .size = 64 };
	struct xpool *pool = system_pool(test, 1 << 20);
	struct xslab_cache *cache = xslab_cache_create_in(pool, &args);

	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(cache));
	KUNIT_EXPECT_EQ(test, xpool_destroy(pool), -EBUSY);
	KUNIT_EXPECT_NULL(test, xslab_cache_alloc(cache, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, PTR_ERR(xslab_cache_create_in(pool, &args)), -EBUSY);
	/* Both go by themselves: nothing is live. */
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
	KUNIT_EXPECT_EQ(test, xpool_destroy(pool), 0);
}

static unsigned long free_system_pages(void)
{
	struct sysinfo info;

	si_meminfo(&info);
	return info.freeram;
}

/*
 * How many pages fewer than @before are free. What the system's CPUs keep for themselves
 * does not count as free until they give it back, a second or more later, so it is waited
 * for until there are fewer than @limit; what leaks does not come at all.
 */
static long drift_from(long before, long limit)
{
	unsigned int tries;
	long drift;

	for (tries = 0; tries < 100; tries++) {
		drift = before - (long)free_system_pages();
		if (drift < limit)
			break;
		msleep(100);
	}
	return drift;
}

/*
 * How many pages fewer are free after some cycles. What leaks does so in each of three tries;
 * what others on the machine take meanwhile, and the kernel's tools for their records, does not.
 */
static long drift_of(struct kunit *test, void (*cycle)(struct kunit *test), int cycles, long limit)
{
	long before, drift;
	int tries, i;

	for (tries = 0; tries < 3; tries++) {
		before = free_system_pages();
		for (i = 0; i < cycles; i++)
			cycle(test);
		drift = drift_from(before, limit);
		if (drift < limit)
			break;
	}
	return drift;
}

#define CYCLES		(IS_ENABLED(CONFIG_KASAN) ? 4 : 16)

/* Pages, of 16,896 that go to and fro each time. KASAN keeps freed memory. */
#define CYCLE_DRIFT	(IS_ENABLED(CONFIG_KASAN) ? 2048L : 1024L)

static void give_back_and_take(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, xpool_destroy(f->pool), 0);
	f->pool = NULL;
	system_pool(test, 66 << 20);
}

/*
 * Expect all pages back in the system, each time. Free memory is measured while
 * there is a pool: to make one of a single region, the system empties the lists
 * of free pages that its CPUs keep, which it does not count as free.
 */
static void test_destroy_gives_back(struct kunit *test)
{
	long drift;

	system_pool(test, 66 << 20);
	drift = drift_of(test, give_back_and_take, CYCLES, CYCLE_DRIFT);
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
	struct xpool_stats before = pool_stats(pool), after;

	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr, order), err);
	after = pool_stats(pool);
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
	KUNIT_EXPECT_EQ(test, pool_stats(pool).errors, 1ULL);
	KUNIT_EXPECT_EQ(test, page_count(page), 1);
	__free_page(page);
}

static void test_free_null(struct kunit *test)
{
	struct xpool *pool = system_pool(test, 1 << 20);

	KUNIT_EXPECT_EQ(test, xpool_free_pages(pool, NULL, 0), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, NULL, 0), 0);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).errors, 0ULL);
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
	KUNIT_EXPECT_EQ(test, pool_stats(pool).slabs, (u64)MANY_OBJECTS);
	xpool_collect(pool, true);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).slabs, 0ULL);
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
	KUNIT_EXPECT_EQ(test, pool_stats(pool).failures, 4ULL);
	expect_all_free(test, pool);
}

/*
 * Refills of magazines
 */

#define PIECES	128U	/* more than a refill takes */

/* So large that the magazines of single pages hold 64; no memory is there, nor needed. */
static struct xpool *pool_of_large_magazines(struct kunit *test)
{
	return pool_over(test, (void *)SZ_1G, SZ_16M * num_possible_cpus());
}

/* Large blocks are free. Expect a refill to take 32 pages, not all that a magazine holds. */
static void test_refill_is_small(struct kunit *test)
{
	struct xpool *pool = pool_of_large_magazines(test);
	void *page;

	xtest_pin();
	page = xpool_alloc_addr(pool, 0, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).magazines, 31ULL);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, page, 0), 0);
	expect_all_free(test, pool);
}

/*
 * An object of 16 pages leaves a block of 16 free, and larger ones. Expect a refill to take
 * that one, whole, and to break none for its rest.
 */
static void test_refill_leaves_blocks(struct kunit *test)
{
	struct xslab_args args = { .name = "xpool-test", .size = 16 << PAGE_SHIFT };
	struct xpool *pool = pool_of_large_magazines(test);
	struct xslab_cache *cache = xslab_cache_create_in(pool, &args);
	struct xpool_stats before;
	void *obj, *page;

	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(cache));
	xtest_pin();
	obj = xslab_cache_alloc(cache, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, obj);
	before = pool_stats(pool);
	KUNIT_ASSERT_EQ(test, before.free_blocks[4], 1ULL);
	page = xpool_alloc_addr(pool, 0, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).magazines, 15ULL);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).free_blocks[4], 0ULL);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).free_blocks[5], before.free_blocks[5]);
	expect_balance(test, pool);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, page, 0), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, obj), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
	expect_all_free(test, pool);
}

/* Free the pages with odd numbers, or those with even ones. */
static void free_every_other(struct kunit *test, struct xpool *pool, void **pages, bool odd)
{
	unsigned int i;

	for (i = 0; i < 2 * PIECES; i++)
		if (((unsigned long)pages[i] >> PAGE_SHIFT) % 2 == odd)
			KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, pages[i], 0), 0);
}

/* What is free begins with 128 single pages. Expect a refill to take 32 of them. */
static void test_refill_of_pieces(struct kunit *test)
{
	struct xpool *pool = pool_of_large_magazines(test);
	void **pages = xtest_room(test, 2 * PIECES, sizeof(*pages)), *page;
	unsigned int i;

	xtest_pin();
	for (i = 0; i < 2 * PIECES; i++) {
		pages[i] = xpool_alloc_addr(pool, 0, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, pages[i]);
	}
	free_every_other(test, pool, pages, true);
	xpool_collect(pool, true);
	KUNIT_ASSERT_EQ(test, pool_stats(pool).free_blocks[0], (u64)PIECES);
	page = xpool_alloc_addr(pool, 0, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).magazines, 31ULL);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).free_blocks[0], PIECES - 32ULL);
	expect_balance(test, pool);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, page, 0), 0);
	free_every_other(test, pool, pages, false);
	expect_all_free(test, pool);
}

/*
 * Blocks without magazines: the pool keeps the one of each order that was freed
 * last, as it is, until its pages are needed.
 */

#define HOT_PAIRS	100

/* Take and free a block of @order; expect the magazines to count it meanwhile. */
static void *expect_last_freed_pair(struct kunit *test, struct xpool *pool, unsigned int order)
{
	u64 pages = pool_stats(pool).pages;
	void *addr = xpool_alloc_addr(pool, order, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, addr);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).pages, pages + BIT(order));
	KUNIT_EXPECT_EQ(test, pool_stats(pool).magazines, 0ULL);
	expect_balance(test, pool);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr, order), 0);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).pages, pages);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).magazines, 1ULL << order);
	expect_balance(test, pool);
	return addr;
}

static void expect_cheap_pairs(struct kunit *test, struct xpool *pool, unsigned int order)
{
	void *addr = expect_last_freed_pair(test, pool, order);
	struct xpool_stats first = pool_stats(pool), last;
	int i;

	for (i = 0; i < HOT_PAIRS; i++)
		KUNIT_EXPECT_PTR_EQ(test, expect_last_freed_pair(test, pool, order), addr);
	last = pool_stats(pool);
	KUNIT_EXPECT_EQ(test, last.splits, first.splits);
	KUNIT_EXPECT_EQ(test, last.merges, first.merges);
	KUNIT_EXPECT_EQ(test, last.gets, first.gets);
	KUNIT_EXPECT_EQ(test, last.puts, first.puts);
	expect_refusal(test, pool, addr, order, -EALREADY);
	expect_all_free(test, pool);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).largest_free, 1024ULL);
}

/* Expect a block to be split once and joined once, however often it is used. */
static void test_last_freed_pair(struct kunit *test)
{
	struct xpool *pool = system_pool(test, ERROR_POOL);

	expect_cheap_pairs(test, pool, XPOOL_MAG_ORDERS);
	expect_cheap_pairs(test, pool, XBUDDY_MAX_ORDER);
}

/* All of a pool is one block, freed last. Expect each of its pages to be available. */
static void test_last_freed_for_other_orders(struct kunit *test)
{
	struct xpool *pool = system_pool(test, 4 << 20);
	unsigned long **pages = xtest_room(test, MAX_ORDER_PAGES + 1, sizeof(void *));
	unsigned long i;

	xtest_pin();
	expect_last_freed_pair(test, pool, XBUDDY_MAX_ORDER);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).free, 0ULL);
	KUNIT_EXPECT_EQ(test, take_all(pool, pages, MAX_ORDER_PAGES + 1), MAX_ORDER_PAGES);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).pages, (u64)MAX_ORDER_PAGES);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).magazines, 0ULL);
	expect_balance(test, pool);
	for (i = 0; i < MAX_ORDER_PAGES; i++)
		KUNIT_ASSERT_EQ(test, xpool_free_addr(pool, pages[i], 0), 0);
	expect_balance(test, pool);
	expect_all_free(test, pool);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).largest_free, (u64)MAX_ORDER_PAGES);
}

/* A cache takes its slabs from it too. */
static void test_last_freed_for_slabs(struct kunit *test)
{
	struct xslab_args args = { .name = "xpool-test", .size = PAGE_SIZE };
	struct xpool *pool = system_pool(test, 4 << 20);
	struct xslab_cache *cache = xslab_cache_create_in(pool, &args);
	void *obj;

	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(cache));
	expect_last_freed_pair(test, pool, XBUDDY_MAX_ORDER);
	obj = xslab_cache_alloc(cache, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, obj);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).magazines, 0ULL);
	expect_balance(test, pool);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, obj), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
	expect_all_free(test, pool);
}

static atomic_t times_told;

static void count_room(struct xholder *holder)
{
	atomic_inc(&times_told);
}

/*
 * A task sleeps until there is room. Expect it to be told of a block that is kept as it
 * was freed, because the task may have it, and when it goes back.
 */
static void test_last_freed_wakes(struct kunit *test)
{
	struct xpool *pool = system_pool(test, 4 << 20);
	struct xholder *holder = list_first_entry(&pool->holders, struct xholder, entry.node);

	atomic_set(&times_told, 0);
	holder->room = count_room;
	atomic_inc(&pool->waiting.nr);
	expect_last_freed_pair(test, pool, XBUDDY_MAX_ORDER);
	irq_work_sync(&pool->waiting.signal);
	KUNIT_EXPECT_EQ(test, atomic_read(&times_told), 1);
	xpool_collect(pool, false);
	irq_work_sync(&pool->waiting.signal);
	KUNIT_EXPECT_GT(test, atomic_read(&times_told), 1);
	atomic_dec(&pool->waiting.nr);
	holder->room = NULL;
	expect_all_free(test, pool);
}

/* aabb with the two halves freed, a and b: expect one kept, and both for a whole. */
static void test_last_freed_for_larger(struct kunit *test)
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
		KUNIT_EXPECT_EQ(test, pool_stats(pool).magazines, 512ULL);
		KUNIT_EXPECT_EQ(test, pool_stats(pool).free, 512ULL * i);
		expect_balance(test, pool);
	}
	whole = xpool_alloc_addr(pool, XBUDDY_MAX_ORDER, GFP_KERNEL);
	KUNIT_EXPECT_PTR_EQ(test, whole, half[0]);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).magazines, 0ULL);
	expect_balance(test, pool);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, whole, XBUDDY_MAX_ORDER), 0);
	expect_all_free(test, pool);
}

/* One of each order at a time. Expect all counted, and all back after a shrink. */
static void test_last_freed_of_each_order(struct kunit *test)
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
		u64 before = pool_stats(pool).magazines;

		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr[order], order), 0);
		KUNIT_EXPECT_EQ(test, pool_stats(pool).magazines, before + BIT(order));
		expect_balance(test, pool);
		sum += BIT(order);
	}
	KUNIT_EXPECT_GE(test, pool_stats(pool).magazines, sum);
	xpool_collect(pool, true);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).magazines, 0ULL);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).pages, 15ULL);
	expect_balance(test, pool);
	for (order = 0; order < 4; order++)
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr[order], order), 0);
	expect_all_free(test, pool);
}

/*
 * Two CPUs free one block at the same instant and both are believed. The second
 * time is found when the block comes back, and no other client may suffer.
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
	KUNIT_EXPECT_EQ(test, pool_stats(pool).errors, 1ULL);
}

/* Expect a block that a client has again to stay the client's when its copy comes back. */
static void test_free_at_once_and_live(struct kunit *test)
{
	struct xpool *pool = own_pool(test, ERROR_POOL);
	void *addr = xpool_alloc_addr(pool, 0, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, addr);
	xtest_pin();
	free_at_once(test, pool, addr, 0);
	KUNIT_EXPECT_PTR_EQ(test, xpool_alloc_addr(pool, 0, GFP_KERNEL), addr);
	xpool_collect(pool, true);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).pages, 1ULL);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).errors, 1ULL);
	expect_balance(test, pool);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr, 0), 0);
	expect_all_free(test, pool);
}

/* The block that was freed last comes again. Expect it handed out once. */
static void test_free_at_once_last_freed(struct kunit *test)
{
	struct xpool *pool = own_pool(test, ERROR_POOL);
	void *addr[2] = { xpool_alloc_addr(pool, XBUDDY_MAX_ORDER, GFP_KERNEL) };
	int i;

	KUNIT_ASSERT_NOT_NULL(test, addr[0]);
	free_at_once(test, pool, addr[0], XBUDDY_MAX_ORDER);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).errors, 1ULL);
	expect_balance(test, pool);
	for (i = 0; i < 2; i++)
		addr[i] = xpool_alloc_addr(pool, XBUDDY_MAX_ORDER, GFP_KERNEL);
	KUNIT_EXPECT_PTR_NE(test, addr[0], addr[1]);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).pages, 2ULL << XBUDDY_MAX_ORDER);
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

static void free_all_of(struct client *u)
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
}

static void end_user(struct kunit *test, struct client *u)
{
	free_all_of(u);
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
	xtest_need_no_records(test);
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
static void create_without_memory(struct kunit *test, size_t size, size_t max_size)
{
	struct xpool_args args = { .name = pool_name, .size = size, .max_size = max_size };
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
	create_without_memory(test, PAGE_SIZE, 0);
}

static void test_create_large_without_memory(struct kunit *test)
{
	xtest_need_failures(test);
	create_without_memory(test, 6 << 20, 0);
}

static void test_create_growing_without_memory(struct kunit *test)
{
	xtest_need_failures(test);
	create_without_memory(test, 6 << 20, 16 << 20);
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

/*
 * What lockdep adds: to the lock of each depot, to the mutex of each order's magazines
 * and the lock in it, and to the two locks of the pool.
 */
#ifdef CONFIG_DEBUG_LOCK_ALLOC
#define LOCKDEP_BYTES	((3 * XPOOL_MAG_ORDERS + 2) * sizeof(struct lockdep_map))
#else
#define LOCKDEP_BYTES	0
#endif

/*
 * What the pool's tables would have more if it had no memory that follows on: one region for each
 * 4 MiB, in blocks of addresses of which it has one of 16.
 */
static u64 spread_bytes(const struct xpool *pool)
{
	unsigned long regions = pool->nr_pages / XPOOL_LARGEST_PAGES, slots = 16 * regions;

	return (regions - pool->nr_regions) * sizeof(struct xregion) +
	       (slots - pool->linear.mask - 1) * 2 * sizeof(long);
}

/* Expect 1.6 % at most, wherever the regions lie, in units of a hundredth of a percent. */
static void test_metadata_share(struct kunit *test)
{
	struct xpool *pool = system_pool(test, 64 << 20);
	u64 metadata = pool_stats(pool).metadata - LOCKDEP_BYTES + spread_bytes(pool);
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
	s = pool_stats(u->pool);
	for (order = 0; order < XBUDDY_NR_ORDERS; order++) {
		unsigned int index = xpool_unusable_index(&s, order);

		KUNIT_EXPECT_EQ(test, index, unusable_by_definition(&s, order));
		KUNIT_EXPECT_GE(test, index, last);
		last = index;
	}
	KUNIT_EXPECT_GT(test, last, 0U);
	end_user(test, u);
}

#define REGION		(4UL << 20)
#define REGION_PAGES	(REGION >> PAGE_SHIFT)

/* Before the next pool of a test. */
static void destroy_pool(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, xpool_destroy(f->pool), 0);
	f->pool = NULL;
}

/*
 * Limits
 */

#define UNLIMITED	{ .hard = XPOOL_NO_LIMIT, .cache = XPOOL_NO_LIMIT }

static int limit_hard(struct xpool *pool, unsigned long pages)
{
	struct xpool_limits limits;

	xpool_get_limits(pool, &limits);
	limits.hard = pages;
	return xpool_set_limits(pool, &limits);
}

static int limit_cache(struct xpool *pool, unsigned long pages)
{
	struct xpool_limits limits;

	xpool_get_limits(pool, &limits);
	limits.cache = pages;
	return xpool_set_limits(pool, &limits);
}

static u64 in_use(struct xpool *pool)
{
	struct xpool_stats s = pool_stats(pool);

	return s.slabs + s.pages + s.magazines;
}

static void free_pages_at(struct kunit *test, struct xpool *pool, unsigned long **pages,
			  unsigned long nr)
{
	unsigned long i;

	for (i = 0; i < nr; i++)
		KUNIT_ASSERT_EQ(test, xpool_free_addr(pool, pages[i], 0), 0);
}

#define LIMIT_POOL	(16 << 20)
#define LIMIT_PAGES	(LIMIT_POOL >> PAGE_SHIFT)

static const unsigned long hard_limits[] = { 0, 1, 63, 200, 3000, LIMIT_PAGES - 1 };

/* Expect each of the allowed pages, and not one more, whatever was used before. */
static void test_hard(struct kunit *test)
{
	struct xpool *pool = system_pool(test, LIMIT_POOL);
	unsigned long **pages = xtest_room(test, LIMIT_PAGES + 1, sizeof(void *)), nr;
	unsigned int i;

	xtest_pin();
	for (i = 0; i < ARRAY_SIZE(hard_limits); i++) {
		unsigned long hard = hard_limits[i];
		u64 failures = pool_stats(pool).failures;

		KUNIT_ASSERT_EQ(test, limit_hard(pool, hard), 0);
		nr = take_all(pool, pages, LIMIT_PAGES + 1);
		KUNIT_EXPECT_EQ(test, nr, hard);
		KUNIT_EXPECT_EQ(test, in_use(pool), (u64)hard);
		KUNIT_EXPECT_EQ(test, pool_stats(pool).hard, (u64)hard);
		KUNIT_EXPECT_EQ(test, pool_stats(pool).failures, failures + 1);
		KUNIT_EXPECT_NULL(test, xpool_alloc_addr(pool, 0, GFP_KERNEL | __GFP_HIGH));
		expect_balance(test, pool);
		free_pages_at(test, pool, pages, nr);
	}
	expect_all_free(test, pool);
	KUNIT_EXPECT_EQ(test, limit_hard(pool, XPOOL_NO_LIMIT), 0);
	KUNIT_EXPECT_EQ(test, take_all(pool, pages, LIMIT_PAGES + 1), (unsigned long)LIMIT_PAGES);
	free_pages_at(test, pool, pages, LIMIT_PAGES);
	expect_all_free(test, pool);
	kunit_info(test, "row 8: of %d pages exactly 0, 1, 63, 200, 3,000 and %d could be had\n",
		   LIMIT_PAGES, LIMIT_PAGES - 1);
}

/* The last pages allowed are in a block freed last, and in empty slabs. */
static void test_hard_reclaims(struct kunit *test)
{
	struct xslab_args args = { .name = "xpool-test", .size = PAGE_SIZE };
	struct xpool *pool = system_pool(test, LIMIT_POOL);
	struct xslab_cache *cache = xslab_cache_create_in(pool, &args);
	void *objs[64], *whole;

	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(cache));
	KUNIT_ASSERT_EQ(test, limit_hard(pool, 256), 0);
	whole = xpool_alloc_addr(pool, 8, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, whole);
	KUNIT_EXPECT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, 64, objs), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, whole, 8), 0);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).magazines, 256ULL);

	KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, 64, objs), 64);
	KUNIT_EXPECT_NULL(test, xpool_alloc_addr(pool, 8, GFP_KERNEL));
	xslab_cache_free_bulk(cache, 64, objs);
	KUNIT_EXPECT_GE(test, pool_stats(pool).slabs, 64ULL);
	whole = xpool_alloc_addr(pool, 8, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, whole);
	KUNIT_EXPECT_EQ(test, in_use(pool), 256ULL);
	expect_balance(test, pool);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, whole, 8), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
	expect_all_free(test, pool);
}

/*
 * Live pages, and as many that are only kept. Expect what is kept not to count,
 * and a limit that is one page too low to be refused and to change nothing.
 */
static void test_hard_lower(struct kunit *test)
{
	struct xpool_limits before = { 2000, 1500, 100 }, after;
	struct xpool *pool = system_pool(test, LIMIT_POOL);
	unsigned long **pages = xtest_room(test, 600, sizeof(void *));

	xtest_pin();
	KUNIT_ASSERT_EQ(test, xpool_set_limits(pool, &before), 0);
	KUNIT_ASSERT_EQ(test, take_all(pool, pages, 600), 600UL);
	free_pages_at(test, pool, pages + 300, 300);
	KUNIT_EXPECT_GT(test, pool_stats(pool).magazines, 0ULL);

	KUNIT_EXPECT_EQ(test, limit_hard(pool, 299), -EBUSY);
	xpool_get_limits(pool, &after);
	KUNIT_EXPECT_EQ(test, memcmp(&before, &after, sizeof(before)), 0);
	expect_balance(test, pool);
	KUNIT_ASSERT_EQ(test, take_all(pool, pages + 300, 300), 300UL);
	free_pages_at(test, pool, pages + 300, 300);

	KUNIT_EXPECT_EQ(test, limit_hard(pool, 300), 0);
	KUNIT_EXPECT_EQ(test, in_use(pool), 300ULL);
	KUNIT_EXPECT_NULL(test, xpool_alloc_addr(pool, 0, GFP_KERNEL | __GFP_HIGH));
	free_pages_at(test, pool, pages, 300);
	expect_all_free(test, pool);
}

/* Expect a refusal that names the reserve, and no limit changed. */
static void test_reserve_too_large(struct kunit *test)
{
	struct xpool_limits limits = UNLIMITED, after;
	struct xpool *pool = system_pool(test, LIMIT_POOL);

	limits.reserve = LIMIT_PAGES + 1;
	KUNIT_EXPECT_EQ(test, xpool_set_limits(pool, &limits), -EINVAL);
	limits.reserve = 11;
	limits.hard = 10;
	KUNIT_EXPECT_EQ(test, xpool_set_limits(pool, &limits), -EINVAL);
	xpool_get_limits(pool, &after);
	KUNIT_EXPECT_EQ(test, after.reserve, 0UL);
	KUNIT_EXPECT_EQ(test, after.hard, XPOOL_NO_LIMIT);
	limits.hard = XPOOL_NO_LIMIT;
	limits.reserve = LIMIT_PAGES;
	KUNIT_EXPECT_EQ(test, xpool_set_limits(pool, &limits), 0);
	KUNIT_EXPECT_NULL(test, xpool_alloc_addr(pool, 0, GFP_KERNEL));
}

/* Expect ordinary requests to stop at the reserve, and urgent ones to get all of it. */
static void expect_reserve(struct kunit *test, struct xpool *pool,
			   const struct xpool_limits *limits)
{
	unsigned long most = min_t(unsigned long, limits->hard, LIMIT_PAGES), low, high;
	void **addr = xtest_room(test, LIMIT_PAGES + 1, sizeof(void *));
	struct page *page;
	u64 left;

	KUNIT_ASSERT_EQ(test, xpool_set_limits(pool, limits), 0);
	low = xtest_take_blocks(pool, 0, addr, LIMIT_PAGES + 1, GFP_KERNEL);
	left = most - in_use(pool);
	KUNIT_EXPECT_EQ(test, low, most - limits->reserve);
	KUNIT_EXPECT_EQ(test, left, (u64)limits->reserve);
	KUNIT_EXPECT_NULL(test, xpool_alloc_pages(pool, 0, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, xpool_alloc_addr(pool, 4, GFP_ATOMIC & ~__GFP_HIGH));
	KUNIT_EXPECT_EQ(test, xpool_alloc_pages_bulk(pool, GFP_KERNEL, 1, &page), 0);
	KUNIT_EXPECT_EQ(test, xpool_alloc_pages_bulk(pool, GFP_ATOMIC, 1, &page), 1);
	KUNIT_EXPECT_EQ(test, xpool_free_pages(pool, page, 0), 0);
	page = xpool_alloc_pages(pool, 0, GFP_ATOMIC);
	KUNIT_EXPECT_NOT_NULL(test, page);
	KUNIT_EXPECT_EQ(test, xpool_free_pages(pool, page, 0), 0);
	/* So that no magazine serves an ordinary request with it. */
	xpool_collect(pool, true);
	KUNIT_EXPECT_EQ(test, in_use(pool), (u64)low);

	high = xtest_take_blocks(pool, 0, addr + low, LIMIT_PAGES + 1 - low,
				 GFP_KERNEL | __GFP_HIGH);
	KUNIT_EXPECT_EQ(test, high, limits->reserve);
	expect_balance(test, pool);
	free_pages_at(test, pool, (unsigned long **)addr, low + high);
	expect_all_free(test, pool);
	kunit_info(test, "row 17: ordinary failed at %llu free, high got %lu\n", left, high);
}

static void test_reserve(struct kunit *test)
{
	struct xpool_limits tenth = UNLIMITED, of_hard = UNLIMITED;
	struct xpool *pool = system_pool(test, LIMIT_POOL);

	xtest_pin();
	tenth.reserve = DIV_ROUND_UP(LIMIT_PAGES, 10);
	expect_reserve(test, pool, &tenth);
	of_hard.hard = 1000;
	of_hard.reserve = 100;
	expect_reserve(test, pool, &of_hard);
}

/* Expect the reserve in blocks of all orders that it has room for. */
static void expect_formed(struct kunit *test, struct xpool *pool, unsigned long reserve)
{
	struct xpool_stats s = pool_stats(pool);
	unsigned int o;

	for (o = 0; o < XBUDDY_NR_ORDERS; o++)
		KUNIT_ASSERT_GE(test, blocks_in(&s, o), (u64)(reserve >> o));
}

#define BREAK_NR	256U

/*
 * Clients take blocks of all orders and give them back in any order, until the pool is in
 * pieces. They do not sleep: a gathering for each request that fails takes minutes. Expect
 * the reserve to stay whole, and urgent requests to have all of it: in blocks of @order, and
 * then in pages.
 */
static void expect_reserve_whole(struct kunit *test, unsigned long reserve, unsigned int order)
{
	struct xpool *pool = system_pool(test, LIMIT_POOL);
	unsigned long **addr = xtest_room(test, LIMIT_PAGES, sizeof(void *)), nr = 0, urgent = 0, i;
	u8 *orders = xtest_room(test, LIMIT_PAGES, 1);
	struct xpool_limits limits = UNLIMITED;
	const unsigned int rounds = 4 + xtest_rounds(16 / XTEST_SLOWER);
	unsigned int round, failed = 0;
	struct rnd_state rnd;

	prandom_seed_state(&rnd, reserve + order);
	limits.reserve = reserve;
	KUNIT_ASSERT_EQ(test, xpool_set_limits(pool, &limits), 0);
	for (round = 0; round < rounds; round++) {
		for (failed = 0; failed < 100 && nr < LIMIT_PAGES;) {
			orders[nr] = xtest_below(&rnd, round % 4 ? 3 : XBUDDY_NR_ORDERS);
			addr[nr] = xpool_alloc_addr(pool, orders[nr], GFP_NOWAIT);
			if (addr[nr])
				nr++;
			else
				failed++;
		}
		expect_formed(test, pool, reserve);
		for (i = 0; round < rounds - 1 && i < nr;) {
			if (xtest_below(&rnd, 3)) {
				i++;
				continue;
			}
			KUNIT_ASSERT_EQ(test, xpool_free_addr(pool, addr[i], orders[i]), 0);
			addr[i] = addr[--nr];
			orders[i] = orders[nr];
		}
	}
	KUNIT_EXPECT_EQ(test, xpool_validate(pool), 0);
	xpool_collect(pool, true);
	for (; urgent < reserve >> order; urgent++) {
		addr[nr + urgent] = xpool_alloc_addr(pool, order, GFP_ATOMIC);
		orders[nr + urgent] = order;
		KUNIT_ASSERT_NOT_NULL(test, addr[nr + urgent]);
	}
	for (i = 0; i < nr + urgent; i++)
		KUNIT_ASSERT_EQ(test, xpool_free_addr(pool, addr[i], orders[i]), 0);
	expect_all_free(test, pool);
	destroy_pool(test);
}

static void test_reserve_blocks(struct kunit *test)
{
	static const unsigned int reserves[] = { 1, 3, 100, 512, 1023, 1024, 1500, 2048, 4000 };
	unsigned int i, order;

	xtest_pin();
	for (i = 0; i < ARRAY_SIZE(reserves); i++)
		for (order = 0; order < XBUDDY_NR_ORDERS; order += i % 2 ? 5 : 2)
			expect_reserve_whole(test, reserves[i], order);
}

/* One block of each order, from the largest that the reserve has room for. */
static void test_reserve_of_many_orders(struct kunit *test)
{
	struct xpool_limits limits = { XPOOL_NO_LIMIT, XPOOL_NO_LIMIT, 2 * REGION_PAGES - 1 };
	struct xpool *pool = system_pool(test, LIMIT_POOL);
	void **low = xtest_room(test, LIMIT_PAGES, sizeof(void *)), *addr[XBUDDY_NR_ORDERS];
	unsigned long nr;
	int o;

	xtest_pin();
	KUNIT_ASSERT_EQ(test, xpool_set_limits(pool, &limits), 0);
	nr = xtest_take_blocks(pool, 0, low, LIMIT_PAGES, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, nr, LIMIT_PAGES - limits.reserve);
	for (o = XBUDDY_MAX_ORDER; o >= 0; o--)
		KUNIT_EXPECT_NOT_NULL(test, addr[o] = xpool_alloc_addr(pool, o, GFP_ATOMIC));
	for (o = XBUDDY_MAX_ORDER; o >= 0; o--)
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr[o], o), 0);
	free_pages_at(test, pool, (unsigned long **)low, nr);
	expect_all_free(test, pool);
}

/* Give back the pages whose address has @value in the bits @mask. */
static void free_where(struct kunit *test, struct xpool *pool, unsigned long **pages,
		       unsigned long mask, unsigned long value)
{
	unsigned long i;

	for (i = 0; i < LIMIT_PAGES; i++) {
		if (((unsigned long)pages[i] & mask) != value)
			continue;
		KUNIT_ASSERT_EQ(test, xpool_free_addr(pool, pages[i], 0), 0);
		pages[i] = NULL;
	}
}

/*
 * [#.#.#.#.]: enough is free, in pieces. Expect a reserve that is larger than these to be
 * refused and no limit to change, a smaller one to be set, and the same one when it can be.
 */
static void test_reserve_again(struct kunit *test)
{
	struct xpool_limits limits = UNLIMITED, after;
	struct xpool *pool = own_pool(test, LIMIT_POOL);
	unsigned long **pages = xtest_room(test, LIMIT_PAGES, sizeof(void *));
	void *urgent;

	xtest_pin();
	KUNIT_ASSERT_EQ(test, take_all(pool, pages, LIMIT_PAGES), (unsigned long)LIMIT_PAGES);
	free_where(test, pool, pages, PAGE_SIZE, PAGE_SIZE);
	limits.reserve = 2;
	KUNIT_EXPECT_EQ(test, xpool_set_limits(pool, &limits), -EAGAIN);
	xpool_get_limits(pool, &after);
	KUNIT_EXPECT_EQ(test, after.reserve, 0UL);
	limits.reserve = 1;
	KUNIT_EXPECT_EQ(test, xpool_set_limits(pool, &limits), 0);
	free_where(test, pool, pages, PAGE_SIZE | REGION, REGION);
	limits.reserve = REGION_PAGES;
	KUNIT_EXPECT_EQ(test, xpool_set_limits(pool, &limits), 0);
	limits.reserve = REGION_PAGES * 2 + 2;
	KUNIT_EXPECT_EQ(test, xpool_set_limits(pool, &limits), -EAGAIN);
	xpool_get_limits(pool, &after);
	KUNIT_EXPECT_EQ(test, after.reserve, REGION_PAGES);
	/* An urgent request has had it: the other limits can still be set. */
	urgent = xpool_alloc_addr(pool, XBUDDY_MAX_ORDER, GFP_ATOMIC);
	KUNIT_EXPECT_NOT_NULL(test, urgent);
	KUNIT_EXPECT_EQ(test, limit_cache(pool, 100), 0);
	KUNIT_EXPECT_EQ(test, limit_hard(pool, LIMIT_PAGES), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, urgent, XBUDDY_MAX_ORDER), 0);
	free_where(test, pool, pages, PAGE_SIZE | REGION, 0);
	expect_all_free(test, pool);
}

/* Fill the magazines of all CPUs. */
static long take_and_free(void *data)
{
	void *addr[64];
	int i;

	for (i = 0; i < ARRAY_SIZE(addr); i++)
		addr[i] = xpool_alloc_addr(data, i % 4, GFP_KERNEL);
	for (i = 0; i < ARRAY_SIZE(addr); i++)
		xpool_free_addr(data, addr[i], i % 4);
	return 0;
}

static void use_all_cpus(struct xpool *pool)
{
	xtest_on_cpus(nr_cpu_ids, take_and_free, pool);
}

/* Expect no page kept on any CPU when a limit of none returns, nor after it. */
static void test_cache_none(struct kunit *test)
{
	struct xpool *pool = system_pool(test, LIMIT_POOL);
	void *addr;

	use_all_cpus(pool);
	addr = xpool_alloc_addr(pool, 9, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr, 9), 0);
	KUNIT_EXPECT_GT(test, pool_stats(pool).magazines, 512ULL);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).cached, pool_stats(pool).magazines);

	KUNIT_EXPECT_EQ(test, limit_cache(pool, 0), 0);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).free, (u64)LIMIT_PAGES);
	use_all_cpus(pool);
	addr = xpool_alloc_addr(pool, 9, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr, 9), 0);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).free, (u64)LIMIT_PAGES);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).cached, 0ULL);

	KUNIT_EXPECT_EQ(test, limit_cache(pool, XPOOL_NO_LIMIT), 0);
	use_all_cpus(pool);
	KUNIT_EXPECT_GT(test, pool_stats(pool).magazines, 0ULL);
	expect_all_free(test, pool);
}

/* Free a block of each large order. Expect what fits to be kept, at each moment. */
static void test_cache_last_freed(struct kunit *test)
{
	struct xpool *pool = system_pool(test, LIMIT_POOL);
	void *addr[XBUDDY_NR_ORDERS];
	unsigned long limit;
	unsigned int order;

	for (limit = BIT(XPOOL_MAG_ORDERS); limit <= 2048; limit *= 2) {
		u64 most = 0;

		KUNIT_ASSERT_EQ(test, limit_cache(pool, limit), 0);
		for (order = XPOOL_MAG_ORDERS; order < XBUDDY_NR_ORDERS; order++)
			addr[order] = xpool_alloc_addr(pool, order, GFP_KERNEL);
		for (order = XPOOL_MAG_ORDERS; order < XBUDDY_NR_ORDERS; order++) {
			KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr[order], order), 0);
			KUNIT_EXPECT_LE(test, pool_stats(pool).cached, (u64)limit);
			most = max(most, pool_stats(pool).cached);
		}
		KUNIT_EXPECT_GT(test, most, 0ULL);
		expect_balance(test, pool);
	}
	KUNIT_EXPECT_EQ(test, limit_cache(pool, XPOOL_NO_LIMIT), 0);
	expect_all_free(test, pool);
}

static bool is_over_with(struct xpool *pool, long pages)
{
	xpool_cached_count(pool, pages);
	return xpool_over_cache(pool);
}

/* What caches keep counts too: expect to be told at the first page too many. */
static void test_cache_of_slabs(struct kunit *test)
{
	struct xpool *pool = own_pool(test, 1 << 20);
	void *addr;

	KUNIT_EXPECT_FALSE(test, is_over_with(pool, 1000));
	KUNIT_EXPECT_FALSE(test, is_over_with(pool, -1000));
	KUNIT_ASSERT_EQ(test, limit_cache(pool, 40), 0);
	KUNIT_EXPECT_FALSE(test, is_over_with(pool, 40));
	KUNIT_EXPECT_TRUE(test, is_over_with(pool, 1));
	KUNIT_EXPECT_EQ(test, pool_stats(pool).cached, 41ULL);
	KUNIT_EXPECT_FALSE(test, is_over_with(pool, -17));
	addr = xpool_alloc_addr(pool, 5, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr, 5), 0);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).cached, 24ULL);
	addr = xpool_alloc_addr(pool, 4, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr, 4), 0);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).cached, 40ULL);
	KUNIT_EXPECT_TRUE(test, is_over_with(pool, 1));
	KUNIT_EXPECT_FALSE(test, is_over_with(pool, -25));
	expect_all_free(test, pool);
}

/*
 * Clients on all CPUs
 */

struct crowd {
	struct client		*users[8];
	struct task_struct	*tasks[8];
	unsigned int		nr;
};

static int use_in_thread(void *data)
{
	while (!kthread_should_stop()) {
		use_pool(data, 64);
		usleep_range(1, 10);
	}
	return 0;
}

/* A client that begins when the others have all there may be can be refused for long. */
static void wait_for_user(struct client *u)
{
	unsigned long end = jiffies + 20 * HZ;

	/* Its thread counts without us; that it is not zero any more is enough. */
	while (!data_race(u->done) && time_before(jiffies, end))
		usleep_range(100, 200);
}

static void start_crowd(struct kunit *test, struct xpool *pool, struct crowd *crowd)
{
	unsigned int cpu;

	*crowd = (struct crowd){};
	for_each_online_cpu(cpu) {
		struct client *u = new_user(test, pool);
		struct task_struct *task = kthread_create(use_in_thread, u, "xpool/%u", cpu);

		KUNIT_ASSERT_FALSE(test, IS_ERR(task));
		crowd->users[crowd->nr] = u;
		crowd->tasks[crowd->nr++] = task;
		kthread_bind(task, cpu);
		wake_up_process(task);
		wait_for_user(u);
		if (crowd->nr == ARRAY_SIZE(crowd->tasks))
			break;
	}
}

static unsigned long stop_crowd(struct kunit *test, struct crowd *crowd)
{
	unsigned long done = 0;
	unsigned int i;

	for (i = 0; i < crowd->nr; i++)
		kthread_stop(crowd->tasks[i]);
	for (i = 0; i < crowd->nr; i++) {
		done += crowd->users[i]->done;
		expect_user_fine(test, crowd->users[i]);
		free_all_of(crowd->users[i]);
		KUNIT_EXPECT_EQ(test, crowd->users[i]->err, 0);
		KUNIT_EXPECT_EQ(test, xslab_cache_destroy(crowd->users[i]->small), 0);
		KUNIT_EXPECT_EQ(test, xslab_cache_destroy(crowd->users[i]->large), 0);
	}
	return done;
}

#define CROWD_MS	(IS_ENABLED(CONFIG_KASAN) ? 1000 : 600)

/* All CPUs run into the limit. Expect no sample with a page more in use. */
static void test_hard_crowd(struct kunit *test)
{
	struct xpool *pool = system_pool(test, LIMIT_POOL);
	unsigned long end, samples = 0, done;
	struct crowd crowd;
	u64 most = 0;

	KUNIT_ASSERT_EQ(test, limit_hard(pool, 1500), 0);
	start_crowd(test, pool, &crowd);
	for (end = jiffies + msecs_to_jiffies(CROWD_MS); time_before(jiffies, end); samples++) {
		most = max(most, in_use(pool));
		if (samples % 64 == 0)
			usleep_range(10, 20);
	}
	done = stop_crowd(test, &crowd);
	KUNIT_EXPECT_LE(test, most, 1500ULL);
	KUNIT_EXPECT_GT(test, most, 1400ULL);
	KUNIT_EXPECT_GT(test, pool_stats(pool).failures, 0ULL);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).errors, 0ULL);
	expect_all_free(test, pool);
	kunit_info(test, "row 8: limit 1,500 pages: at most %llu in use in %lu samples of %lu allocations on %u CPUs, %llu failed\n",
		   most, samples, done, crowd.nr, pool_stats(pool).failures);
}

/* Limits that go up and down under load: expect each to hold when it returns. */
static void test_limits_change(struct kunit *test)
{
	struct xpool *pool = system_pool(test, 64 << 20);
	unsigned long end, refused = 0, set = 0;
	struct rnd_state rnd;
	struct crowd crowd;

	xtest_seed(test, &rnd);
	start_crowd(test, pool, &crowd);
	end = jiffies + msecs_to_jiffies(CROWD_MS);
	while (time_before(jiffies, end) || (!set && refused < 100)) {
		struct xpool_limits limits = {
			.hard = 500 + xtest_below(&rnd, 64 << (20 - PAGE_SHIFT)),
			.cache = xtest_below(&rnd, 1500),
			.reserve = xtest_below(&rnd, 500),
		};
		int err = xpool_set_limits(pool, &limits);

		KUNIT_ASSERT_TRUE(test, !err || err == -EBUSY || err == -EAGAIN);
		refused += !!err;
		set += !err;
		if (!err)
			KUNIT_EXPECT_LE(test, in_use(pool), (u64)limits.hard);
		KUNIT_EXPECT_EQ(test, xpool_validate(pool), 0);
		usleep_range(100, 1000);
	}
	stop_crowd(test, &crowd);
	KUNIT_EXPECT_GT(test, set, 0UL);
	expect_all_free(test, pool);
	kunit_info(test, "limits set %lu times, refused %lu times\n", set, refused);
}

/*
 * Collection
 */

/* Magazines of all CPUs, a block freed last, empty slabs: expect each page counted. */
static void test_collect_fixed(struct kunit *test)
{
	struct xslab_args args = { .name = "xpool-test", .size = PAGE_SIZE };
	struct xpool *pool = system_pool(test, LIMIT_POOL);
	struct xslab_cache *cache = xslab_cache_create_in(pool, &args);
	void *objs[64], *addr;
	u64 kept;
	int i;

	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(cache));
	for (i = 0; i < 10; i++) {
		use_all_cpus(pool);
		addr = xpool_alloc_addr(pool, 9, GFP_KERNEL);
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr, 9), 0);
		KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, 64, objs), 64);
		xslab_cache_free_bulk(cache, 64, objs);
		addr = xpool_alloc_addr(pool, 6, GFP_KERNEL);
		kept = in_use(pool) - 64;
		KUNIT_EXPECT_GT(test, kept, 512ULL);
		KUNIT_EXPECT_EQ(test, (u64)xpool_collect(pool, true), kept);
		KUNIT_EXPECT_EQ(test, in_use(pool), 64ULL);
		KUNIT_EXPECT_EQ(test, xpool_collect(pool, true), 0UL);
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr, 6), 0);
		KUNIT_EXPECT_EQ(test, xpool_collect(pool, false), 64UL);
	}
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
	expect_all_free(test, pool);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).returned, 0ULL);
}

/*
 * Pools that grow
 */

static struct xpool *growing_pool(struct kunit *test, size_t size, size_t max_size)
{
	return make_pool(test, &(struct xpool_args){
			 .name = pool_name, .size = size, .max_size = max_size });
}

#define PATIENCE_MS	5000

#define wait_until(condition)	xtest_soon(condition, PATIENCE_MS)

/*
 * Returns a block when the pool has grown enough, or NULL if it grows no more. It is asked
 * again and again, as clients do: the system may refuse a region once, and growth pauses
 * for a while then.
 */
static void *take_patiently(struct xpool *pool, unsigned int order, u64 max_pages)
{
	bool grown;
	void *addr;

	wait_until(({
		grown = pool_stats(pool).total >= max_pages;
		addr = xpool_alloc_addr(pool, order, GFP_KERNEL);
		addr || grown;
	}));
	return addr;
}

static unsigned long take_all_patiently(struct xpool *pool, void **addr, unsigned long max,
					unsigned int order, u64 max_pages)
{
	unsigned long nr = 0;

	while (nr < max && (addr[nr] = take_patiently(pool, order, max_pages)))
		nr++;
	return nr;
}

/*
 * [ size ][absent]...: take pages without haste. Expect the next region to be there
 * before one is missing, and all of the largest size in the end but no page more.
 */
static void test_grow_before_empty(struct kunit *test)
{
	struct xpool *pool = growing_pool(test, REGION, 4 * REGION);
	unsigned long **pages = xtest_room(test, 4 * REGION_PAGES + 1, sizeof(void *)), nr = 0, i;
	u64 metadata = pool_stats(pool).metadata, wanted;

	xtest_pin();
	KUNIT_EXPECT_EQ(test, pool_stats(pool).total, (u64)REGION_PAGES);
	for (wanted = 2; wanted <= 4; wanted++) {
		nr += take_all(pool, pages + nr, REGION_PAGES - REGION_PAGES / 16);
		KUNIT_EXPECT_TRUE(test, wait_until(pool_stats(pool).regions == wanted));
		KUNIT_EXPECT_EQ(test, pool_stats(pool).failures, 0ULL);
		expect_balance(test, pool);
	}
	nr += take_all(pool, pages + nr, 4 * REGION_PAGES + 1 - nr);
	KUNIT_EXPECT_EQ(test, nr, 4 * REGION_PAGES);
	msleep(20);
	KUNIT_EXPECT_NULL(test, xpool_alloc_addr(pool, 0, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, pool_stats(pool).total, 4ULL * REGION_PAGES);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).grown, 3ULL * REGION_PAGES);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).metadata, metadata);
	for (i = 0; i < nr; i++)
		*pages[i] = i;
	while (nr--) {
		KUNIT_ASSERT_EQ(test, *pages[nr], nr);
		KUNIT_ASSERT_EQ(test, xpool_free_addr(pool, pages[nr], 0), 0);
		KUNIT_ASSERT_EQ(test, xpool_free_addr(pool, pages[nr], 0), -EALREADY);
	}
	expect_balance(test, pool);
	expect_all_free(test, pool);
}

/*
 * [##..][##..][##..][absent]: half of all pages are free, and no block of the
 * largest order. Expect a region for one, and none before.
 */
static void test_grow_for_block(struct kunit *test)
{
	struct xpool *pool = growing_pool(test, 3 * REGION, 8 * REGION);
	void *half[6], *whole;
	int i;

	KUNIT_ASSERT_EQ(test, limit_hard(pool, 3 * REGION_PAGES), 0);
	for (i = 0; i < 6; i++)
		half[i] = xpool_alloc_addr(pool, XBUDDY_MAX_ORDER - 1, GFP_KERNEL);
	for (i = 0; i < 6; i += 2)
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, half[i], XBUDDY_MAX_ORDER - 1), 0);
	KUNIT_ASSERT_EQ(test, limit_hard(pool, XPOOL_NO_LIMIT), 0);
	msleep(20);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).grown, 0ULL);
	whole = take_patiently(pool, XBUDDY_MAX_ORDER, 8 * REGION_PAGES);
	KUNIT_EXPECT_NOT_NULL(test, whole);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).grown, (u64)REGION_PAGES);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, whole, XBUDDY_MAX_ORDER), 0);
	for (i = 1; i < 6; i += 2)
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, half[i], XBUDDY_MAX_ORDER - 1), 0);
	expect_all_free(test, pool);
}

/* The initial size need not be whole regions. Expect it to stay, and no more. */
static void test_grow_odd_size(struct kunit *test)
{
	struct xpool *pool = growing_pool(test, REGION + 5 * PAGE_SIZE, 3 * REGION);
	void **addr = xtest_room(test, 3 * REGION_PAGES, sizeof(void *));
	unsigned long nr;

	xtest_pin();
	nr = take_all_patiently(pool, addr, 3 * REGION_PAGES, 0, 2 * REGION_PAGES + 5);
	KUNIT_EXPECT_EQ(test, nr, 2 * REGION_PAGES + 5);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).regions, 3ULL);
	free_pages_at(test, pool, (unsigned long **)addr, nr);
	expect_all_free(test, pool);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).total, (u64)REGION_PAGES + 5);
}

static void take_regions(struct kunit *test, struct xpool *pool, void **addr,
			 unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		addr[i] = take_patiently(pool, XBUDDY_MAX_ORDER, nr * REGION_PAGES);
		KUNIT_ASSERT_NOT_NULL(test, addr[i]);
	}
	KUNIT_EXPECT_EQ(test, pool_stats(pool).total, (u64)nr * REGION_PAGES);
}

/* A live block in one of the regions. Expect exactly the others to go. */
static void test_collect_grown(struct kunit *test)
{
	struct xpool *pool = growing_pool(test, REGION, 8 * REGION);
	u64 metadata = pool_stats(pool).metadata;
	struct xpool_stats s;
	void *addr[8];
	int round, i;

	for (round = 0; round < 20; round++) {
		int live = 1 + round % 7;

		take_regions(test, pool, addr, 8);
		for (i = 0; i < 8; i++)
			if (i != live)
				KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr[i],
								      XBUDDY_MAX_ORDER), 0);
		/* One was freed last; of the initial region nothing can go. */
		KUNIT_EXPECT_EQ(test, pool_stats(pool).magazines, (u64)REGION_PAGES);
		KUNIT_EXPECT_EQ(test, xpool_collect(pool, round % 2), 6 * REGION_PAGES);
		s = pool_stats(pool);
		KUNIT_EXPECT_EQ(test, s.total, 2ULL * REGION_PAGES);
		KUNIT_EXPECT_EQ(test, s.pages, (u64)REGION_PAGES);
		expect_balance(test, pool);
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr[live], XBUDDY_MAX_ORDER), 0);
		KUNIT_EXPECT_EQ(test, xpool_collect(pool, true), REGION_PAGES);
		KUNIT_EXPECT_EQ(test, xpool_collect(pool, true), 0UL);
		s = pool_stats(pool);
		KUNIT_EXPECT_EQ(test, s.total, (u64)REGION_PAGES);
		KUNIT_EXPECT_EQ(test, s.grown, s.returned);
	}
	KUNIT_EXPECT_EQ(test, s.returned, 20ULL * 7 * REGION_PAGES);
	KUNIT_EXPECT_EQ(test, s.metadata, metadata);
	kunit_info(test, "20 rounds of 8 regions: %llu pages taken and given back\n", s.returned);
}

/*
 * Half of a region in use before, half free: expect its pages counted once, also
 * where a limit of what is cached makes it go before the collection comes to it.
 */
static void expect_counted_once(struct kunit *test, struct xpool *pool, unsigned long cache)
{
	void *whole = xpool_alloc_addr(pool, XBUDDY_MAX_ORDER, GFP_KERNEL);
	void *half = take_patiently(pool, XBUDDY_MAX_ORDER - 1, 2 * REGION_PAGES);

	KUNIT_ASSERT_NOT_NULL(test, half);
	KUNIT_ASSERT_EQ(test, limit_cache(pool, cache), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, half, XBUDDY_MAX_ORDER - 1), 0);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).magazines, (u64)REGION_PAGES / 2);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).free, (u64)REGION_PAGES / 2);
	KUNIT_EXPECT_EQ(test, xpool_collect(pool, true), REGION_PAGES);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).total, (u64)REGION_PAGES);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, whole, XBUDDY_MAX_ORDER), 0);
	xpool_collect(pool, true);
}

static void test_collect_counts_once(struct kunit *test)
{
	struct xpool *pool = growing_pool(test, REGION, 2 * REGION);

	expect_counted_once(test, pool, XPOOL_NO_LIMIT);
	expect_counted_once(test, pool, REGION_PAGES - 1);
}

/* Expect the address alone to find an object in a region that came. */
static void test_grown_addresses(struct kunit *test)
{
	struct xslab_args args = { .name = "xpool-test", .size = 1000 };
	struct xpool *pool = growing_pool(test, REGION, 2 * REGION);
	struct xslab_cache *cache = xslab_cache_create_in(pool, &args);
	void *whole = xpool_alloc_addr(pool, XBUDDY_MAX_ORDER, GFP_KERNEL);
	void *obj, *page;

	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(cache));
	page = take_patiently(pool, 6, 2 * REGION_PAGES);
	obj = xslab_cache_alloc(cache, GFP_KERNEL);
	KUNIT_ASSERT_TRUE(test, page && obj);
	KUNIT_EXPECT_EQ(test, xslab_free(obj), 0);
	KUNIT_EXPECT_EQ(test, xslab_free(obj), -EALREADY);
	KUNIT_EXPECT_EQ(test, xpool_free_pages(pool, virt_to_page(page), 6), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, page, 6), -EALREADY);
	KUNIT_EXPECT_EQ(test, xslab_cache_shrink(cache), 0);
	KUNIT_EXPECT_GE(test, xpool_collect(pool, true), REGION_PAGES / 2);

	KUNIT_EXPECT_EQ(test, pool_stats(pool).regions, 1ULL);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, page, 6), -ERANGE);
	KUNIT_EXPECT_EQ(test, xpool_free_pages(pool, virt_to_page(page), 6), -ERANGE);
	KUNIT_EXPECT_EQ(test, xslab_free(obj), -ERANGE);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, obj), -ERANGE);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, whole, XBUDDY_MAX_ORDER), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
	expect_all_free(test, pool);
}

#define BITS_TRIED	4	/* regions */

/* Elsewhere the kernel reads a struct page to know its number, so it must be one. */
#define TELLS_STRUCT_PAGES \
	(IS_ENABLED(CONFIG_SPARSEMEM_VMEMMAP) || IS_ENABLED(CONFIG_FLATMEM))

/* Expect what differs from @like in a bit, from @bit on, to be refused as an address and a page. */
static void expect_bits_foreign(struct kunit *test, struct xpool *pool, void **regions,
				const void *like, unsigned int bit)
{
	for (; bit < BITS_PER_LONG; bit++) {
		void *addr = (void *)((unsigned long)like ^ BIT(bit));
		unsigned int r, is_region = 0;

		for (r = 0; r < BITS_TRIED; r++)
			is_region += addr == regions[r] || addr == virt_to_page(regions[r]);
		if (is_region || !addr)	/* NULL is no error */
			continue;
		KUNIT_EXPECT_NE_MSG(test, xpool_free_addr(pool, addr, XBUDDY_MAX_ORDER), 0,
				    "%p, bit %u", like, bit);
		if (!TELLS_STRUCT_PAGES)
			continue;
		KUNIT_EXPECT_NE_MSG(test, xpool_free_pages(pool, addr, XBUDDY_MAX_ORDER), 0,
				    "%p, bit %u", like, bit);
	}
}

/*
 * All of a pool is a client's. Expect addresses and struct pages that are nearly its own to be
 * refused, and so what its tables make of them.
 */
static void test_foreign_to_regions(struct kunit *test)
{
	struct xpool *pool = growing_pool(test, REGION, BITS_TRIED * REGION);
	void *regions[BITS_TRIED];
	unsigned int r;

	take_regions(test, pool, regions, BITS_TRIED);
	for (r = 0; r < BITS_TRIED; r++) {
		unsigned long in = (unsigned long)r << (XBUDDY_MAX_ORDER + PAGE_SHIFT);

		expect_bits_foreign(test, pool, regions, regions[r], 12);
		expect_bits_foreign(test, pool, regions, virt_to_page(regions[r]), 6);
		expect_bits_foreign(test, pool, regions, (void *)pool->base + in, 12);
		expect_bits_foreign(test, pool, regions, &pool->pages[in >> PAGE_SHIFT], 6);
	}
	KUNIT_EXPECT_EQ(test, pool_stats(pool).pages, (u64)BITS_TRIED * REGION_PAGES);
	for (r = 0; r < BITS_TRIED; r++)
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, regions[r], XBUDDY_MAX_ORDER), 0);
	expect_all_free(test, pool);
}

#define OTHER_TRIES	16

/*
 * A region goes, and another one gets its page numbers. Expect the first one's
 * addresses to be foreign and not to lead to the second. What the system gives
 * first is what it got last, so that is held until it gives something else.
 */
static void test_numbers_used_again(struct kunit *test)
{
	struct xpool *pool = growing_pool(test, REGION, 2 * REGION);
	struct page *held[OTHER_TRIES] = {};
	void *first[2], *second = NULL;
	int i;

	take_regions(test, pool, first, 2);
	for (i = 0; i < OTHER_TRIES && (!second || second == first[1]); i++) {
		xpool_free_addr(pool, second ?: first[1], XBUDDY_MAX_ORDER);
		KUNIT_EXPECT_EQ(test, xpool_collect(pool, true), REGION_PAGES);
		held[i] = alloc_pages(GFP_KERNEL, XBUDDY_MAX_ORDER);
		second = take_patiently(pool, XBUDDY_MAX_ORDER, 2 * REGION_PAGES);
	}
	KUNIT_EXPECT_PTR_NE(test, second, first[1]);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, first[1], XBUDDY_MAX_ORDER), -ERANGE);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, second, XBUDDY_MAX_ORDER), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, first[0], XBUDDY_MAX_ORDER), 0);
	for (i = 0; i < OTHER_TRIES; i++)
		if (held[i])
			__free_pages(held[i], XBUDDY_MAX_ORDER);
	expect_all_free(test, pool);
}

/* Expect memory that a pool has grown by to be no other pool's. */
static void test_pool_over_grown(struct kunit *test)
{
	struct xpool_args args = { .name = "xpool-test-2", .size = REGION };
	struct xpool *pool = growing_pool(test, REGION, 2 * REGION);
	void *addr[2];

	take_regions(test, pool, addr, 2);
	args.addr = addr[1];
	expect_create_error(test, &args, -EBUSY);
	args.addr = addr[0];
	expect_create_error(test, &args, -EBUSY);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr[0], XBUDDY_MAX_ORDER), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr[1], XBUDDY_MAX_ORDER), 0);
	expect_all_free(test, pool);
}

static void grow_and_destroy(struct kunit *test)
{
	struct fixture *f = test->priv;
	void *addr[8];
	int i;

	growing_pool(test, REGION, 8 * REGION);
	take_regions(test, f->pool, addr, 8);
	KUNIT_EXPECT_EQ(test, xpool_destroy(f->pool), -EBUSY);
	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_EQ(test, xpool_free_addr(f->pool, addr[i], XBUDDY_MAX_ORDER), 0);
	KUNIT_ASSERT_EQ(test, xpool_destroy(f->pool), 0);
	f->pool = NULL;
}

/*
 * Expect a pool to take all of its regions with it. One that stays behind each
 * time would be 8,192 pages in all; the system's CPUs keep some free pages, too,
 * that it does not count as free.
 */
static void test_destroy_grown(struct kunit *test)
{
	long drift;

	grow_and_destroy(test);
	drift = drift_of(test, grow_and_destroy, 8, 4 * (long)REGION_PAGES);
	KUNIT_EXPECT_LT(test, drift, 4 * (long)REGION_PAGES);
	kunit_info(test, "8 pools that had grown by 28 MiB, drift %ld pages\n", drift);
}

/* One of two pools goes with its regions. Expect their addresses to lead nowhere. */
static void test_destroy_one_of_two(struct kunit *test)
{
	struct xpool *pool = growing_pool(test, REGION, 2 * REGION), *other;
	struct xpool_args args = { .name = "xpool-test-2", .size = REGION,
				   .max_size = 2 * REGION };
	void *addr[2];
	int i;

	other = xpool_create(&args);
	KUNIT_ASSERT_FALSE(test, IS_ERR(other));
	take_regions(test, other, addr, 2);
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, xpool_free_addr(other, addr[i], XBUDDY_MAX_ORDER), 0);
	KUNIT_EXPECT_EQ(test, pool_stats(other).regions, 2ULL);
	KUNIT_ASSERT_EQ(test, xpool_destroy(other), 0);
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_PTR_EQ(test, xpool_find_grown((unsigned long)addr[i]), NULL);
		KUNIT_EXPECT_EQ(test, xslab_free(addr[i]), -ERANGE);
	}
	expect_all_free(test, pool);
}

/* Each count of a region a page off. Expect the validator to see it. */
static void test_validate_regions(struct kunit *test)
{
	struct xpool *pool = growing_pool(test, REGION, 2 * REGION);
	unsigned long *counts[] = {
		&pool->grow->spare, &pool->grow->fixed_spare, &pool->nr_pages,
	};
	void *addr[2];
	int i;

	take_regions(test, pool, addr, 2);
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		++*counts[i];
		KUNIT_EXPECT_EQ(test, xpool_validate(pool), -EUCLEAN);
		--*counts[i];
	}
	for (i = 0; i < 2; i++) {
		pool->regions[i].used--;
		KUNIT_EXPECT_EQ(test, xpool_validate(pool), -EUCLEAN);
		pool->regions[i].used++;
		KUNIT_EXPECT_EQ(test, xpool_validate(pool), 0);
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr[i], XBUDDY_MAX_ORDER), 0);
	}
	expect_all_free(test, pool);
}

/*
 * The system has nothing. Expect no growth, no failure of what the pool has, and
 * growth when there is something again; and allocations to ask the system for nothing.
 */
static void test_grow_without_memory(struct kunit *test)
{
	struct xpool *pool = growing_pool(test, REGION, 4 * REGION);
	void **addr = xtest_room(test, 4 * REGION_PAGES, sizeof(void *));
	struct xpool_limits limits = UNLIMITED;
	unsigned int left;
	unsigned long nr;

	xtest_need_failures(test);
	/* A hard limit that leaves nothing keeps the worker away. */
	limits.hard = REGION_PAGES;
	KUNIT_ASSERT_EQ(test, xpool_set_limits(pool, &limits), 0);
	xtest_pin();
	xtest_fail_nth(XTEST_NEVER);
	nr = xtest_take_blocks(pool, 0, addr, 4 * REGION_PAGES, GFP_KERNEL);
	left = xtest_fail_end();
	KUNIT_EXPECT_EQ(test, nr, REGION_PAGES);
	KUNIT_EXPECT_EQ(test, left, XTEST_NEVER);

	WRITE_ONCE(pool->limits.hard, XPOOL_NO_LIMIT);
	xtest_fail_nth(1);
	KUNIT_EXPECT_EQ(test, xpool_grow_now(pool), 0UL);
	left = xtest_fail_end();
	KUNIT_EXPECT_EQ(test, left, 0U);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).grown, 0ULL);
	expect_balance(test, pool);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr[nr - 1], 0), 0);
	addr[nr - 1] = xpool_alloc_addr(pool, 0, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, addr[nr - 1]);

	KUNIT_EXPECT_EQ(test, xpool_grow_now(pool), REGION_PAGES);
	KUNIT_EXPECT_NOT_NULL(test, addr[nr] = xpool_alloc_addr(pool, 0, GFP_KERNEL));
	free_pages_at(test, pool, (unsigned long **)addr, nr + 1);
	expect_all_free(test, pool);
}

/* A block of the system's onto the list, if it gives one for @gfp. */
static bool take_from_system(struct list_head *taken, gfp_t gfp, unsigned int order)
{
	struct page *page = alloc_pages(gfp | __GFP_NOWARN, order);

	if (!page)
		return false;
	set_page_private(page, order);
	list_add(&page->lru, taken);
	return true;
}

static void give_to_system(struct list_head *taken)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, taken, lru)
		__free_pages(page, page_private(page));
	INIT_LIST_HEAD(taken);
}

/*
 * Leave the system one whole block of 4 MiB, with so little free memory that only tasks that
 * reclaim get any. Returns false where other tasks free as much meanwhile, or where the system
 * has no such block.
 */
static bool leave_one_block(struct list_head *taken)
{
	unsigned int tries = 20;
	LIST_HEAD(block);
	int order;

	while (take_from_system(taken, __GFP_NOMEMALLOC, XBUDDY_MAX_ORDER)) {
		if (!tries--)
			return false;
		list_move(taken->next, &block);
		for (order = XBUDDY_MAX_ORDER; order >= 0; order--)
			while (take_from_system(taken, __GFP_NOMEMALLOC, order))
				;
		give_to_system(&block);
		while (take_from_system(taken, __GFP_NOMEMALLOC, 0))
			;
	}
	if (!take_from_system(&block, GFP_KERNEL, XBUDDY_MAX_ORDER))
		return false;
	give_to_system(&block);
	return true;
}

/*
 * The system has a block only for tasks that reclaim memory, and such a task asks the pool.
 * Expect no growth: that block is for what makes the system go on. Others may have freed
 * enough meanwhile; then more than that is left.
 */
static void test_grow_not_of_reclaim(struct kunit *test)
{
	struct xpool *pool = growing_pool(test, REGION, 4 * REGION);
	struct xpool_limits limits = { REGION_PAGES, XPOOL_NO_LIMIT };
	void **addr = xtest_room(test, REGION_PAGES, sizeof(void *));
	unsigned int flags;
	LIST_HEAD(taken);
	bool is_there, left;
	void *more;

	KUNIT_ASSERT_EQ(test, xpool_set_limits(pool, &limits), 0);
	xtest_pin();
	KUNIT_EXPECT_EQ(test, xtest_take_blocks(pool, 0, addr, REGION_PAGES, GFP_NOWAIT),
			REGION_PAGES);
	WRITE_ONCE(pool->limits.hard, XPOOL_NO_LIMIT);

	flags = memalloc_noreclaim_save();
	is_there = leave_one_block(&taken);
	more = xpool_alloc_addr(pool, 0, GFP_KERNEL);
	left = take_from_system(&taken, __GFP_NOMEMALLOC, 0);
	give_to_system(&taken);
	memalloc_noreclaim_restore(flags);

	free_pages_at(test, pool, (unsigned long **)addr, REGION_PAGES);
	KUNIT_EXPECT_EQ(test, more ? xpool_free_addr(pool, more, 0) : 0, 0);
	expect_all_free(test, pool);
	if (!is_there)
		kunit_skip(test, "the system has no block for tasks that reclaim alone");
	KUNIT_EXPECT_TRUE(test, !more || left);
}

/* The pool's metadata for its largest size is taken at once: 1.6 % of it at most. */
static void test_grow_metadata(struct kunit *test)
{
	struct xpool *pool = growing_pool(test, REGION, 64 * REGION);
	u64 metadata = pool_stats(pool).metadata, most = 64 * REGION / 1000 * 16;

	KUNIT_EXPECT_GT(test, metadata, 64 * REGION_PAGES * sizeof(struct xpage));
	KUNIT_EXPECT_LE(test, metadata, most + PAGE_SIZE);
	kunit_info(test, "4 MiB that grow to 256: metadata %llu bytes\n", metadata);
}

/* A pool does not grow for pages that its hard limit does not let it use. */
static void test_grow_hard(struct kunit *test)
{
	struct xpool *pool = growing_pool(test, REGION, 4 * REGION);
	void **addr = xtest_room(test, 4 * REGION_PAGES, sizeof(void *));
	unsigned long nr;

	xtest_pin();
	KUNIT_ASSERT_EQ(test, limit_hard(pool, REGION_PAGES + 10), 0);
	nr = take_all_patiently(pool, addr, 4 * REGION_PAGES, 0, 2 * REGION_PAGES);
	KUNIT_EXPECT_EQ(test, nr, REGION_PAGES + 10);
	msleep(20);
	KUNIT_EXPECT_NULL(test, xpool_alloc_addr(pool, 0, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, pool_stats(pool).total, 2ULL * REGION_PAGES);
	free_pages_at(test, pool, (unsigned long **)addr, nr);
	expect_all_free(test, pool);
}

/*
 * A limit below a region: expect a request that may not sleep to find only what is there,
 * because a region that comes ahead of it is empty.
 */
static void test_grow_cache_none(struct kunit *test)
{
	struct xpool *pool = growing_pool(test, REGION, 4 * REGION);
	void **addr = xtest_room(test, 2 * REGION_PAGES, sizeof(void *));
	unsigned long nr;

	xtest_pin();
	KUNIT_ASSERT_EQ(test, limit_cache(pool, REGION_PAGES - 1), 0);
	nr = xtest_take_blocks(pool, 0, addr, 2 * REGION_PAGES, GFP_NOWAIT);
	msleep(20);
	KUNIT_EXPECT_NULL(test, xpool_alloc_addr(pool, 0, GFP_NOWAIT));
	KUNIT_EXPECT_EQ(test, nr, REGION_PAGES);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).grown, 0ULL);
	free_pages_at(test, pool, (unsigned long **)addr, nr);
	expect_all_free(test, pool);
}

/*
 * Blocks for callers that may sleep, with a limit of what is kept that is less than a region:
 * expect each at once, and no more than the limit to stay of them.
 */
static void expect_growth_at_limit(struct kunit *test, unsigned long cache, unsigned int order)
{
	struct xpool *pool = growing_pool(test, REGION, 12 * REGION);
	unsigned int most = (12 * REGION_PAGES) >> order, i;
	unsigned long **addr = xtest_room(test, most, sizeof(void *));

	KUNIT_ASSERT_EQ(test, xpool_set_decay(pool, -1), 0);
	KUNIT_ASSERT_EQ(test, limit_cache(pool, cache), 0);
	for (i = 0; i < most; i++) {
		addr[i] = xpool_alloc_addr(pool, order, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, addr[i]);
		KUNIT_ASSERT_LE(test, pool_stats(pool).cached, (u64)cache);
	}
	KUNIT_EXPECT_NULL(test, xpool_alloc_addr(pool, order, GFP_KERNEL));
	for (i = 0; i < most; i++) {
		KUNIT_ASSERT_EQ(test, xpool_free_addr(pool, addr[i], order), 0);
		/* A magazine is flushed where the system cannot be called: soon after. */
		if (order >= XPOOL_MAG_ORDERS)
			KUNIT_ASSERT_LE(test, pool_stats(pool).cached, (u64)cache);
	}
	KUNIT_EXPECT_TRUE(test, wait_until(pool_stats(pool).cached <= cache));
	/* A smaller block that is kept holds its region. */
	if (order == XBUDDY_MAX_ORDER)
		KUNIT_EXPECT_LE(test, pool_stats(pool).total, REGION_PAGES + (u64)cache);
	expect_balance(test, pool);
	expect_all_free(test, pool);
	destroy_pool(test);
}

static void test_grow_at_cache_limit(struct kunit *test)
{
	static const unsigned long limits[] = { 0, 256, 1023, 1024 };
	unsigned int i;

	xtest_pin();
	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		expect_growth_at_limit(test, limits[i], 10);
		expect_growth_at_limit(test, limits[i], 9);
		expect_growth_at_limit(test, limits[i], 4);
		expect_growth_at_limit(test, limits[i], 0);
	}
}

/*
 * The system has nothing when it is asked first. Expect a request that may sleep to ask once
 * more after all that is free was brought together, and the others to have regions, too.
 */
static void test_grow_refused(struct kunit *test)
{
	struct xpool *pool = growing_pool(test, REGION, 4 * REGION);
	void *addr[4], *small;
	int i;

	xtest_need_failures(test);
	xtest_pin();
	/* The worker must not bring a region before it is asked for. */
	WRITE_ONCE(pool->grow->not_before, jiffies + 60 * HZ);
	small = xpool_alloc_addr(pool, 5, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, small);
	for (i = 0; i < 2; i++) {
		xtest_fail_nth(1);
		addr[i] = xpool_alloc_addr(pool, 10, GFP_KERNEL);
		KUNIT_EXPECT_EQ(test, xtest_fail_end(), 0U);
		KUNIT_EXPECT_NOT_NULL(test, addr[i]);
	}
	for (; i < 3; i++)
		KUNIT_EXPECT_NOT_NULL(test, addr[i] = xpool_alloc_addr(pool, 10, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, xpool_alloc_addr(pool, 10, GFP_KERNEL));
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr[i], 10), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, small, 5), 0);
	expect_all_free(test, pool);
}

/*
 * Two regions of which each has pages in use: expect the pool to grow for a reserve that
 * needs a whole one, the region to stay whatever is collected and however little may be
 * kept, and urgent requests to have it.
 */
static void test_reserve_grows(struct kunit *test)
{
	struct xpool *pool = growing_pool(test, REGION, 4 * REGION);
	struct xpool_limits limits = { XPOOL_NO_LIMIT, 0, REGION_PAGES };
	void *low, *page, *whole;

	xtest_pin();
	page = xpool_alloc_addr(pool, 0, GFP_KERNEL);
	KUNIT_ASSERT_EQ(test, xpool_set_limits(pool, &limits), 0);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).regions, 2ULL);
	xpool_collect(pool, true);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).regions, 2ULL);
	KUNIT_EXPECT_LE(test, pool_stats(pool).cached, 0ULL);
	KUNIT_EXPECT_NULL(test, xpool_alloc_addr(pool, 10, GFP_NOWAIT));
	low = xpool_alloc_addr(pool, 10, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, low);
	whole = xpool_alloc_addr(pool, 10, GFP_ATOMIC);
	KUNIT_EXPECT_NOT_NULL(test, whole);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, low, 10), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, whole, 10), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, page, 0), 0);
	limits.reserve = 4 * REGION_PAGES;
	KUNIT_EXPECT_EQ(test, xpool_set_limits(pool, &limits), 0);
	page = xpool_alloc_addr(pool, 0, GFP_ATOMIC);
	KUNIT_EXPECT_NOT_NULL(test, page);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, page, 0), 0);
	limits.reserve = 0;
	KUNIT_EXPECT_EQ(test, xpool_set_limits(pool, &limits), 0);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).regions, 1ULL);
	expect_all_free(test, pool);
}

/* Ordinary clients in a pool that grows, to the last page: expect the reserve to stay. */
static void test_reserve_in_regions(struct kunit *test)
{
	struct xpool *pool = growing_pool(test, REGION, 6 * REGION);
	struct xpool_limits limits = { XPOOL_NO_LIMIT, XPOOL_NO_LIMIT, REGION_PAGES + 100 };
	unsigned long **addr = xtest_room(test, 6 * REGION_PAGES, sizeof(void *)), nr, i;
	void *whole;

	xtest_pin();
	KUNIT_ASSERT_EQ(test, xpool_set_limits(pool, &limits), 0);
	expect_formed(test, pool, limits.reserve);
	nr = xtest_take_blocks(pool, 0, (void **)addr, 6 * REGION_PAGES, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, nr, 6 * REGION_PAGES - limits.reserve);
	expect_formed(test, pool, limits.reserve);
	for (i = 0; i < nr / 2; i++) {
		KUNIT_ASSERT_EQ(test, xpool_free_addr(pool, addr[2 * i], 0), 0);
		addr[i] = addr[2 * i + 1];
	}
	nr /= 2;
	KUNIT_EXPECT_NULL(test, xpool_alloc_addr(pool, 10, GFP_KERNEL));
	xpool_collect(pool, true);
	expect_formed(test, pool, limits.reserve);
	whole = xpool_alloc_addr(pool, 10, GFP_ATOMIC);
	KUNIT_EXPECT_NOT_NULL(test, whole);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, whole, 10), 0);
	free_pages_at(test, pool, addr, nr);
	expect_all_free(test, pool);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).regions, 2ULL);
}

/* Addresses of a region have all but these bits in common. */
static unsigned long region_of(const void *addr)
{
	return (unsigned long)addr / REGION;
}

/*
 * Single pages and larger blocks alternately. Expect no region that came to have both, and
 * exactly those of the larger ones to stay when the pages go.
 */
static void expect_kinds_apart(struct kunit *test, unsigned int order, gfp_t gfp)
{
	struct xpool *pool = growing_pool(test, REGION, 16 * REGION);
	unsigned long **small = xtest_room(test, 6 * REGION_PAGES, sizeof(void *));
	unsigned long **large = xtest_room(test, 64, sizeof(void *));
	unsigned long nr = 0, blocks, i, both = 0, step;
	struct xpool_stats s;

	blocks = min(64UL, (5 * REGION_PAGES) >> order);
	step = 5 * REGION_PAGES / blocks;
	for (i = 0; i < blocks; i++) {
		KUNIT_ASSERT_NOT_NULL(test, large[i] = xpool_alloc_addr(pool, order, gfp));
		KUNIT_ASSERT_EQ(test, xtest_take_blocks(pool, 0, (void **)small + nr, step, gfp),
				step);
		nr += step;
	}
	for (i = 0; i < nr; i++) {
		unsigned long b;

		for (b = 0; b < blocks && region_of(small[i]) != region_of(large[b]); b++)
			;
		both += b < blocks && region_of(small[i]) != pool->regions[0].addr / REGION;
	}
	KUNIT_EXPECT_EQ(test, both, 0UL);
	expect_balance(test, pool);
	free_pages_at(test, pool, small, nr);
	xpool_collect(pool, true);
	s = pool_stats(pool);
	KUNIT_EXPECT_EQ(test, s.pages, (u64)blocks << order);
	KUNIT_EXPECT_LE(test, s.regions, DIV_ROUND_UP_ULL(s.pages, REGION_PAGES) + 2);
	for (i = 0; i < blocks; i++)
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, large[i], order), 0);
	expect_all_free(test, pool);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).regions, 1ULL);
	destroy_pool(test);
}

static void test_grow_kinds_apart(struct kunit *test)
{
	unsigned int order;

	xtest_pin();
	for (order = 3; order <= XBUDDY_MAX_ORDER; order++)
		expect_kinds_apart(test, order, GFP_KERNEL);
}

/* The same kinds in a pool that may not grow further: expect each to have all there is. */
static void test_grow_full(struct kunit *test)
{
	struct xpool *pool = growing_pool(test, REGION, 3 * REGION);
	unsigned long **small = xtest_room(test, 3 * REGION_PAGES, sizeof(void *)), nr;
	void *large[16];
	int i;

	xtest_pin();
	for (i = 0; i < 16; i++)
		KUNIT_ASSERT_NOT_NULL(test, large[i] = xpool_alloc_addr(pool, 7, GFP_KERNEL));
	nr = xtest_take_blocks(pool, 0, (void **)small, 3 * REGION_PAGES, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, nr, 3 * REGION_PAGES - 16 * BIT(7));
	free_pages_at(test, pool, small, nr);
	xpool_collect(pool, true);
	nr = xtest_take_blocks(pool, 0, (void **)small, 3 * REGION_PAGES, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, nr, 3 * REGION_PAGES - 16 * BIT(7));
	expect_balance(test, pool);
	free_pages_at(test, pool, small, nr);
	for (i = 0; i < 16; i++)
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, large[i], 7), 0);
	expect_all_free(test, pool);
}

#define MIB_ORDER	8
#define MIB_PAGES	BIT(MIB_ORDER)
#define ROW8_LIMIT	(16 * MIB_PAGES)

static u64 held_unused(struct xpool *pool)
{
	struct xpool_stats s = pool_stats(pool);

	return s.total - s.pages;
}

/*
 * 64 MiB in blocks of 1 MiB, freed and kept. Expect no more than 16 MiB when the
 * limit returns; then, with the limit set, when each free returns.
 */
static void test_cache_of_regions(struct kunit *test)
{
	struct xpool *pool = growing_pool(test, REGION, 20 * REGION);
	unsigned long **addr = xtest_room(test, 64, sizeof(void *)), i;
	u64 cached;

	for (i = 0; i < 64; i++)
		KUNIT_ASSERT_NOT_NULL(test, addr[i] = take_patiently(pool, MIB_ORDER, ULONG_MAX));
	for (i = 0; i < 64; i++)
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr[i], MIB_ORDER), 0);
	cached = held_unused(pool);
	KUNIT_EXPECT_GE(test, cached, 64ULL * MIB_PAGES);
	KUNIT_EXPECT_EQ(test, limit_cache(pool, ROW8_LIMIT), 0);
	KUNIT_EXPECT_LE(test, held_unused(pool), (u64)ROW8_LIMIT);
	KUNIT_EXPECT_GT(test, held_unused(pool), (u64)ROW8_LIMIT / 2);
	KUNIT_EXPECT_LE(test, pool_stats(pool).cached, (u64)ROW8_LIMIT);
	kunit_info(test, "row 8: 64 x 1 MiB cached (%llu MiB held), limit 16 MiB: %llu MiB held on return\n",
		   cached / MIB_PAGES, held_unused(pool) / MIB_PAGES);

	for (i = 0; i < 64; i++)
		KUNIT_ASSERT_NOT_NULL(test, addr[i] = take_patiently(pool, MIB_ORDER, ULONG_MAX));
	for (i = 0; i < 64; i++) {
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr[i], MIB_ORDER), 0);
		KUNIT_EXPECT_LE(test, pool_stats(pool).cached, (u64)ROW8_LIMIT);
	}
	KUNIT_EXPECT_LE(test, held_unused(pool), (u64)ROW8_LIMIT);
	expect_balance(test, pool);
	expect_all_free(test, pool);
}

/*
 * With interrupts off, and a lock of the scheduler held, the system cannot be called,
 * and no task be woken: expect it done soon after.
 */
static void test_cache_of_regions_atomic(struct kunit *test)
{
	struct xpool *pool = growing_pool(test, REGION, 8 * REGION);
	unsigned long flags;
	void *addr[8];
	int i;

	take_regions(test, pool, addr, 8);
	KUNIT_EXPECT_EQ(test, limit_cache(pool, 2 * REGION_PAGES), 0);
	raw_spin_lock_irqsave(&current->pi_lock, flags);
	for (i = 0; i < 8; i++)
		xpool_free_addr(pool, addr[i], XBUDDY_MAX_ORDER);
	raw_spin_unlock_irqrestore(&current->pi_lock, flags);
	KUNIT_EXPECT_TRUE(test, wait_until(held_unused(pool) <= 2 * REGION_PAGES));
	expect_balance(test, pool);
	expect_all_free(test, pool);
}

/* All CPUs use a pool that grows, while it is collected again and again. */
static void test_grow_crowd(struct kunit *test)
{
	struct xpool *pool = growing_pool(test, REGION, 12 * REGION);
	unsigned long end, rounds = 0, pages = 0, done;
	struct xpool_stats s;
	struct crowd crowd;
	u64 most = 0;

	start_crowd(test, pool, &crowd);
	for (end = jiffies + msecs_to_jiffies(2 * CROWD_MS); time_before(jiffies, end); rounds++) {
		if (rounds % 4 == 0)
			KUNIT_EXPECT_EQ(test, limit_cache(pool, rounds % 8 ? XPOOL_NO_LIMIT :
							  4 * REGION_PAGES), 0);
		pages += xpool_collect(pool, rounds % 2);
		most = max(most, pool_stats(pool).total);
		expect_balance(test, pool);
		usleep_range(1000, 5000);
	}
	done = stop_crowd(test, &crowd);
	KUNIT_EXPECT_GT(test, pool_stats(pool).grown, 0ULL);
	KUNIT_EXPECT_LE(test, most, 12ULL * REGION_PAGES);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).errors, 0ULL);
	expect_all_free(test, pool);
	s = pool_stats(pool);
	KUNIT_EXPECT_EQ(test, s.total, (u64)REGION_PAGES);
	KUNIT_EXPECT_EQ(test, s.grown, s.returned);
	kunit_info(test, "%lu allocations on %u CPUs, %lu collections of %lu pages, %llu pages came and went\n",
		   done, crowd.nr, rounds, pages, s.returned);
}

/*
 * The system runs out of memory. What is taken from it is chained through the
 * first word of each block.
 */
struct hog {
	struct hogged {
		struct hogged	*next;
		unsigned int	order;
	} *first;
	unsigned long pages;
};

#define HOG_GFP		(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN)

static bool hog_block(struct hog *hog, unsigned int order)
{
	struct hogged *block = (void *)__get_free_pages(HOG_GFP, order);

	if (!block)
		return false;
	block->next = hog->first;
	block->order = order;
	hog->first = block;
	hog->pages += 1UL << order;
	return true;
}

static void end_hog(struct hog *hog)
{
	while (hog->first) {
		struct hogged *block = hog->first;

		hog->first = block->next;
		free_pages((unsigned long)block, block->order);
	}
}

/*
 * Take all that the system has, the largest blocks first. Expect it to fetch every
 * empty region of the pool before it gives up, and none that is in use.
 */
static void test_pressure(struct kunit *test)
{
	struct xpool *pool = growing_pool(test, REGION, 16 * REGION);
	struct xpool_stats s;
	struct hog hog = {};
	void *addr[16];
	int order, i;

	take_regions(test, pool, addr, 16);
	for (i = 0; i < 16; i++)
		if (i != 8)
			KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr[i],
							      XBUDDY_MAX_ORDER), 0);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).total, 16ULL * REGION_PAGES);
	for (order = XBUDDY_MAX_ORDER; order >= 0; order--)
		while (pool_stats(pool).total > 2 * REGION_PAGES && hog_block(&hog, order))
			cond_resched();
	end_hog(&hog);
	s = pool_stats(pool);
	KUNIT_EXPECT_EQ(test, s.total, 2ULL * REGION_PAGES);
	KUNIT_EXPECT_EQ(test, s.returned, 14ULL * REGION_PAGES);
	KUNIT_EXPECT_EQ(test, s.pages, (u64)REGION_PAGES);
	expect_balance(test, pool);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr[8], XBUDDY_MAX_ORDER), 0);
	expect_all_free(test, pool);
	s = pool_stats(pool);
	kunit_info(test, "%lu MiB taken from the system, %llu regions fetched from the pool\n",
		   hog.pages >> (20 - PAGE_SHIFT), s.returned / REGION_PAGES - 1);
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
	KUNIT_CASE(test_refill_is_small),
	KUNIT_CASE(test_refill_leaves_blocks),
	KUNIT_CASE(test_refill_of_pieces),
	KUNIT_CASE(test_last_freed_pair),
	KUNIT_CASE(test_last_freed_for_other_orders),
	KUNIT_CASE(test_last_freed_for_slabs),
	KUNIT_CASE(test_last_freed_wakes),
	KUNIT_CASE(test_last_freed_for_larger),
	KUNIT_CASE(test_last_freed_of_each_order),
	KUNIT_CASE(test_free_at_once_in_row),
	KUNIT_CASE(test_free_at_once_and_live),
	KUNIT_CASE(test_free_at_once_last_freed),
	KUNIT_CASE(test_random_use),
	KUNIT_CASE(test_never_written),
	KUNIT_CASE(test_never_touched),
	KUNIT_CASE(test_no_hidden_allocation),
	KUNIT_CASE(test_create_small_without_memory),
	KUNIT_CASE(test_create_large_without_memory),
	KUNIT_CASE(test_create_growing_without_memory),
	KUNIT_CASE(test_cache_without_memory),
	KUNIT_CASE(test_metadata_share),
	KUNIT_CASE(test_unusable_index),
	KUNIT_CASE(test_unusable_index_ends),
	KUNIT_CASE(test_unusable_index_of_pool),
	KUNIT_CASE(test_hard),
	KUNIT_CASE(test_hard_reclaims),
	KUNIT_CASE(test_hard_lower),
	KUNIT_CASE(test_reserve_too_large),
	KUNIT_CASE(test_reserve),
	KUNIT_CASE(test_reserve_blocks),
	KUNIT_CASE(test_reserve_of_many_orders),
	KUNIT_CASE(test_reserve_again),
	KUNIT_CASE(test_reserve_grows),
	KUNIT_CASE(test_reserve_in_regions),
	KUNIT_CASE(test_cache_none),
	KUNIT_CASE(test_cache_last_freed),
	KUNIT_CASE(test_cache_of_slabs),
	KUNIT_CASE(test_hard_crowd),
	KUNIT_CASE(test_limits_change),
	KUNIT_CASE(test_collect_fixed),
	KUNIT_CASE(test_grow_before_empty),
	KUNIT_CASE(test_grow_for_block),
	KUNIT_CASE(test_grow_odd_size),
	KUNIT_CASE(test_collect_grown),
	KUNIT_CASE(test_collect_counts_once),
	KUNIT_CASE(test_grown_addresses),
	KUNIT_CASE(test_foreign_to_regions),
	KUNIT_CASE(test_numbers_used_again),
	KUNIT_CASE(test_pool_over_grown),
	KUNIT_CASE(test_destroy_grown),
	KUNIT_CASE(test_destroy_one_of_two),
	KUNIT_CASE(test_validate_regions),
	KUNIT_CASE(test_grow_without_memory),
	KUNIT_CASE(test_grow_not_of_reclaim),
	KUNIT_CASE(test_grow_metadata),
	KUNIT_CASE(test_grow_hard),
	KUNIT_CASE(test_grow_cache_none),
	KUNIT_CASE(test_grow_at_cache_limit),
	KUNIT_CASE(test_grow_refused),
	KUNIT_CASE(test_grow_kinds_apart),
	KUNIT_CASE(test_grow_full),
	KUNIT_CASE(test_cache_of_regions),
	KUNIT_CASE(test_cache_of_regions_atomic),
	KUNIT_CASE(test_grow_crowd),
	KUNIT_CASE(test_pressure),
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
