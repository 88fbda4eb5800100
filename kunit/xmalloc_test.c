// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of xmalloc(): sizes, places, contents, and what clients do wrong. All of it lies in the
 * default pool.
 */
#include <kunit/test.h>
#include <linux/log2.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include <xalloc/xmalloc.h>

#include "slab/slab.h"
#include "xcrew.h"
#include "xtest.h"

#define SLOTS	256U

static unsigned long ops = 60000 / XTEST_SLOWER;
module_param(ops, ulong, 0444);
MODULE_PARM_DESC(ops, "random operations of each task");

/*
 * The first request of all: on a machine where xalloc was just loaded. Expect one that may not
 * sleep to fail, and to succeed a moment later.
 */
static void xmalloc_test_first(struct kunit *test)
{
	void *addr = xmalloc(100, GFP_ATOMIC);
	unsigned int tries;

	for (tries = 0; !addr && tries < 1000; tries++) {
		msleep(20);
		addr = xmalloc(100, GFP_ATOMIC);
	}
	KUNIT_ASSERT_NOT_NULL(test, addr);
	KUNIT_EXPECT_GT(test, tries, 0U);
	KUNIT_EXPECT_EQ(test, xfree(addr), 0);
	KUNIT_EXPECT_EQ(test, xmalloc_prepare(), 0);
}

/* Bytes that a client has besides those that it asked for. */
static size_t padding_of(struct kunit *test, size_t size)
{
	void *addr = xmalloc(size, GFP_KERNEL);
	size_t has = xmalloc_size(addr);

	KUNIT_ASSERT_NOT_NULL(test, addr);
	KUNIT_ASSERT_GE(test, has, size);
	KUNIT_EXPECT_TRUE(test, IS_ALIGNED((unsigned long)addr, 16));
	if (is_power_of_2(size) && (size <= PAGE_SIZE || size > SZ_8K))
		KUNIT_EXPECT_TRUE(test, IS_ALIGNED((unsigned long)addr,
						   size > SZ_4M ? PAGE_SIZE : size));
	if (size > SZ_8K)
		KUNIT_EXPECT_TRUE(test, IS_ALIGNED((unsigned long)addr, SZ_1K));
	memset(addr, 0x5a, has);
	KUNIT_ASSERT_EQ(test, xfree(addr), 0);
	return has - size;
}

/* Each size to 32 KiB. Expect at most a fifth of what is taken to be padding. */
static void xmalloc_test_padding(struct kunit *test)
{
	size_t size, step = IS_ENABLED(CONFIG_KASAN) ? 7 : 1;

	for (size = 1; size <= 128; size++)
		KUNIT_EXPECT_LT(test, padding_of(test, size), (size_t)16);
	for (size = 129; size <= SZ_32K; size += step) {
		size_t padding = padding_of(test, size);

		KUNIT_ASSERT_LE_MSG(test, 5 * padding, size + padding, "of %zu bytes", size);
	}
	for (size = SZ_32K; size <= SZ_8M; size *= 2)
		KUNIT_EXPECT_EQ(test, padding_of(test, size), (size_t)0);
}

static const size_t sizes[] = { 1, 16, 100, 129, 1000, 4096, 8192, 8193, 20000, 300000 };

/* What was used before comes back zeroed, to the last byte of what there is. */
static void xmalloc_test_zeroed(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		void *addr = xmalloc(sizes[i], GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, addr);
		memset(addr, 0xff, xmalloc_size(addr));
		xfree(addr);
		addr = xzalloc(sizes[i], GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, addr);
		KUNIT_EXPECT_NULL(test, memchr_inv(addr, 0, sizes[i]));
		KUNIT_EXPECT_EQ(test, xfree(addr), 0);
	}
}

static void xmalloc_test_empty(struct kunit *test)
{
	void *addr = xmalloc(0, GFP_KERNEL);

	KUNIT_EXPECT_PTR_EQ(test, addr, ZERO_SIZE_PTR);
	KUNIT_EXPECT_EQ(test, xmalloc_size(addr), (size_t)0);
	KUNIT_EXPECT_EQ(test, xfree(addr), 0);
	KUNIT_EXPECT_EQ(test, xfree(NULL), 0);
	KUNIT_EXPECT_EQ(test, xmalloc_size(NULL), (size_t)0);
	addr = xrealloc(addr, 50, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, xmalloc_size(addr), (size_t)64);
	KUNIT_EXPECT_PTR_EQ(test, xrealloc(addr, 0, GFP_KERNEL), ZERO_SIZE_PTR);
	KUNIT_EXPECT_EQ(test, xfree(addr), -EALREADY);
}

/* A product that does not fit is no small array. */
static void xmalloc_test_arrays(struct kunit *test)
{
	u8 *addr = xcalloc(7, 11, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, addr);
	KUNIT_EXPECT_NULL(test, memchr_inv(addr, 0, 77));
	KUNIT_EXPECT_EQ(test, xfree(addr), 0);
	KUNIT_EXPECT_NULL(test, xmalloc_array(SIZE_MAX / 2, 4, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, xcalloc(1UL << 32, 1UL << 32, GFP_KERNEL));
}

/* Byte @i of what @size says. */
static u8 byte_at(size_t size, size_t i)
{
	return size * 31 + i / 7;
}

static void fill(u8 *addr, size_t size, size_t seed)
{
	size_t i;

	for (i = 0; i < size; i++)
		addr[i] = byte_at(seed, i);
}

static bool is_filled(const u8 *addr, size_t size, size_t seed)
{
	size_t i;

	for (i = 0; i < size; i++)
		if (addr[i] != byte_at(seed, i))
			return false;
	return true;
}

/* One block grows to a megabyte and shrinks again, over classes and the heap. */
static void xmalloc_test_realloc(struct kunit *test)
{
	size_t size, was = 8;
	u8 *addr = xrealloc(NULL, was, GFP_KERNEL), *new;

	KUNIT_ASSERT_NOT_NULL(test, addr);
	fill(addr, was, 1);
	for (size = 9; size < SZ_1M; size += size / 3) {
		new = xrealloc(addr, size, GFP_KERNEL | __GFP_ZERO);
		KUNIT_ASSERT_NOT_NULL(test, new);
		addr = new;
		KUNIT_ASSERT_TRUE(test, is_filled(addr, was, 1));
		KUNIT_ASSERT_GE(test, xmalloc_size(addr), size);
		if (size > SZ_8K)	/* small ones had a dirty end in the first place */
			KUNIT_ASSERT_NULL(test, memchr_inv(addr + SZ_8K, 0,
							   max(size, was) - SZ_8K));
		if (size > SZ_4K)
			continue;
		fill(addr, size, 1);
		was = size;
	}
	for (size = SZ_1M; size > 8; size /= 3) {
		new = xrealloc(addr, size, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, new);
		addr = new;
		KUNIT_ASSERT_TRUE(test, is_filled(addr, min(size, was), 1));
		KUNIT_ASSERT_LT(test, xmalloc_size(addr),
				size > SZ_8K ? size + size / 7 + SZ_1K : 8 * size + 16);
	}
	KUNIT_EXPECT_EQ(test, xfree(addr), 0);
}

/* The pool has no more. Expect a block to stay as it is where it cannot grow. */
static void xmalloc_test_realloc_fails(struct kunit *test)
{
	void *addr = xmalloc(100, GFP_KERNEL), *new;

	KUNIT_ASSERT_NOT_NULL(test, addr);
	fill(addr, 100, 3);
	KUNIT_EXPECT_NULL(test, xrealloc(addr, SZ_1G, GFP_KERNEL));
	KUNIT_EXPECT_TRUE(test, is_filled(addr, 100, 3));
	KUNIT_EXPECT_EQ(test, xmalloc_size(addr), (size_t)112);
	new = xrealloc(addr, 101, GFP_KERNEL);
	KUNIT_EXPECT_PTR_EQ(test, new, addr);
	KUNIT_EXPECT_EQ(test, xfree(new), 0);
}

/* Of objects and of chunks. Expect each to be refused, with what was live still there. */
static void xmalloc_test_wrong_frees(struct kunit *test)
{
	u8 *small = xmalloc(200, GFP_KERNEL), *large = xmalloc(30000, GFP_KERNEL);
	u8 *on_stack = (u8 *)&test, *page = xpool_alloc_addr(xpool_default(), 0, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_ASSERT_NOT_NULL(test, small);
	KUNIT_ASSERT_NOT_NULL(test, large);
	KUNIT_EXPECT_EQ(test, xfree(small + 16), -EINVAL);
	KUNIT_EXPECT_EQ(test, xfree(large + 16), -EINVAL);
	KUNIT_EXPECT_EQ(test, xfree(large + SZ_1K), -EINVAL);
	KUNIT_EXPECT_EQ(test, xfree(on_stack), -ERANGE);
	KUNIT_EXPECT_EQ(test, xfree(page), -EINVAL);
	KUNIT_EXPECT_NULL(test, xrealloc(small + 16, 500, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, xrealloc(large + SZ_1K, 500, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, xrealloc(on_stack, 500, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, xmalloc_size(small + 1), (size_t)0);
	KUNIT_EXPECT_EQ(test, xmalloc_size(large + 1), (size_t)0);

	KUNIT_EXPECT_EQ(test, xfree(small), 0);
	KUNIT_EXPECT_EQ(test, xfree(large), 0);
	KUNIT_EXPECT_EQ(test, xfree(small), -EALREADY);
	KUNIT_EXPECT_NE(test, xfree(large), 0);
	KUNIT_EXPECT_EQ(test, xmalloc_size(small), (size_t)0);
	KUNIT_EXPECT_EQ(test, xmalloc_size(large), (size_t)0);
	KUNIT_EXPECT_NULL(test, xrealloc(small, 500, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, xrealloc(large, 500, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, xpool_free_addr(xpool_default(), page, 0), 0);
}

/* As kfree() frees objects of caches. */
static void xmalloc_test_frees_any_object(struct kunit *test)
{
	struct xslab_cache *cache = xslab_cache_create("any", 300, 0, 0, NULL);
	struct xslab_cache *large = xslab_cache_create("any-large", 40000, 0, 0, NULL);
	void *obj, *large_obj;

	KUNIT_ASSERT_NOT_NULL(test, cache);
	KUNIT_ASSERT_NOT_NULL(test, large);
	obj = xslab_cache_alloc(cache, GFP_KERNEL);
	large_obj = xslab_cache_alloc(large, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, xmalloc_size(obj), (size_t)300);
	KUNIT_EXPECT_EQ(test, xfree(obj), 0);
	large_obj = xrealloc(large_obj, 90000, GFP_KERNEL);
	KUNIT_EXPECT_GE(test, xmalloc_size(large_obj), (size_t)90000);
	KUNIT_EXPECT_EQ(test, xfree(large_obj), 0);
	KUNIT_EXPECT_EQ(test, cache_stats(cache).errors + cache_stats(large).errors, 0ULL);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(large), 0);
}

/* All the pool has is taken in one size and freed. Expect that others then can have all of it. */
static void xmalloc_test_gives_back(struct kunit *test)
{
	static const size_t each[] = { 9000, 2000, SZ_1M };
	struct xpool *pool = xpool_default();
	u64 whole, total = pool_stats(pool).total;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(each); i++) {
		void **list = NULL, **addr, *block;
		size_t nr = 0;

		while ((addr = xmalloc(each[i], GFP_KERNEL))) {
			*addr = list;
			list = addr;
			nr++;
		}
		KUNIT_EXPECT_GT(test, nr * each[i], (size_t)(total << PAGE_SHIFT) * 7 / 8);
		for (; list; list = addr) {
			addr = *list;
			KUNIT_ASSERT_EQ(test, xfree(list), 0);
		}
		whole = 0;
		while ((block = xpool_alloc_addr(pool, XBUDDY_MAX_ORDER, GFP_KERNEL))) {
			*(void **)block = list;
			list = block;
			whole++;
		}
		for (; list; list = block) {
			block = *list;
			KUNIT_ASSERT_EQ(test, xpool_free_addr(pool, list, XBUDDY_MAX_ORDER), 0);
		}
		KUNIT_EXPECT_EQ(test, whole << XBUDDY_MAX_ORDER, total);
	}
}

/*
 * The pool is free in pieces of 32 KiB, which are smaller than a region of the heap. Expect
 * requests to have them.
 */
static void xmalloc_test_pool_in_pieces(struct kunit *test)
{
	struct xpool *pool = xpool_default();
	size_t most = pool_stats(pool).total / 8, nr, i, got = 0;
	void **blocks = xtest_room(test, most, sizeof(*blocks)), *addr;

	for (nr = 0; nr < most && (blocks[nr] = xpool_alloc_addr(pool, 3, GFP_KERNEL)); nr++)
		;
	for (i = 0; i < nr; i += 2)
		KUNIT_ASSERT_EQ(test, xpool_free_addr(pool, blocks[i], 3), 0);
	for (i = 0; i < nr; i += 2) {
		addr = xmalloc(20000, GFP_KERNEL);
		got += !!addr;
		blocks[i] = addr;
	}
	KUNIT_EXPECT_GE(test, got, nr / 2 - 1);
	for (i = 0; i < nr; i++)
		KUNIT_EXPECT_EQ(test, i % 2 ? xpool_free_addr(pool, blocks[i], 3) :
					      xfree(blocks[i]), 0);
}

struct slot {
	u8	*addr;
	size_t	size;
};

/* Mostly small, now and then large; about as many bytes of each. */
static size_t random_size(struct rnd_state *rnd)
{
	static const unsigned int most[] = { 64, 256, 1024, 4096, 12000, 50000 };
	unsigned int i = xtest_below(rnd, 64);

	return 1 + xtest_below(rnd, most[ARRAY_SIZE(most) - 1 - min(ilog2(i + 1), 5)]);
}

static bool change_slot(struct slot *slot, struct rnd_state *rnd)
{
	size_t size = random_size(rnd), kept = min(size, slot->size);
	gfp_t gfp = xtest_below(rnd, 2) ? GFP_KERNEL : GFP_ATOMIC;
	u8 *addr;

	if (slot->addr && !is_filled(slot->addr, slot->size, slot->size))
		return false;
	if (slot->addr && xtest_below(rnd, 2)) {
		addr = slot->addr;
		*slot = (struct slot){};
		return !xfree(addr);
	}
	addr = slot->addr ? xrealloc(slot->addr, size, gfp) : xmalloc(size, gfp);
	if (!addr)
		return gfp == GFP_ATOMIC;	/* a new region of the heap cannot always come */
	if (!is_filled(addr, kept, slot->size))
		return false;
	fill(addr, size, size);
	*slot = (struct slot){ addr, size };
	return true;
}

static int change_slots(void *arg)
{
	struct hand *hand = arg;
	struct slot *slots = kcalloc(SLOTS, sizeof(*slots), GFP_KERNEL);
	unsigned long i;

	for (i = 0; i < ops; i++) {
		if (!slots || !change_slot(&slots[xtest_below(&hand->rnd, SLOTS)], &hand->rnd))
			atomic_inc((atomic_t *)hand->what);
		WRITE_ONCE(hand->done, hand->done + 1);
		cond_resched();
	}
	for (i = 0; slots && i < SLOTS; i++)
		if (xfree(slots[i].addr))
			atomic_inc((atomic_t *)hand->what);
	kfree(slots);
	return xtest_stay();
}

/* Tasks allocate, resize and free at random. Expect no byte of any to be written by another. */
static void xmalloc_test_model(struct kunit *test)
{
	atomic_t wrong = ATOMIC_INIT(0);
	struct crew crew = {};
	struct rnd_state rnd;
	unsigned int i;

	xtest_seed(test, &rnd);
	crew.rnd = &rnd;
	for (i = 0; i < min(num_online_cpus(), 4U); i++)
		hire(test, &crew, change_slots, &wrong, true);
	for (i = 0; i < crew.nr; i++)
		while (READ_ONCE(crew.hands[i].done) < ops)
			msleep(20);
	kunit_info(test, "%lu operations\n", dismiss(test, &crew));
	KUNIT_EXPECT_EQ(test, atomic_read(&wrong), 0);
	KUNIT_EXPECT_EQ(test, xpool_validate(xpool_default()), 0);
}

/* A task that holds all frees it while another waits. */
static int wait_for_large(void *arg)
{
	struct hand *hand = arg;
	void *addr;

	WRITE_ONCE(*(bool *)hand->what, true);
	addr = xmalloc(SZ_8M, GFP_KERNEL | __GFP_NOFAIL);
	hand->done = addr && !xfree(addr);
	return xtest_stay();
}

static void xmalloc_test_no_fail(struct kunit *test)
{
	struct crew crew = {};
	void **list = NULL, **addr;
	bool begun = false;

	while ((addr = xmalloc(SZ_4M, GFP_KERNEL))) {
		*addr = list;
		list = addr;
	}
	hire(test, &crew, wait_for_large, &begun, false);
	while (!READ_ONCE(begun))
		msleep(20);
	msleep(50);
	KUNIT_EXPECT_EQ(test, READ_ONCE(crew.hands[0].done), 0UL);
	for (; list; list = addr) {
		addr = *list;
		KUNIT_ASSERT_EQ(test, xfree(list), 0);
	}
	dismiss(test, &crew);
	KUNIT_EXPECT_NULL(test, xmalloc(SZ_1G, GFP_KERNEL | __GFP_NOFAIL));
}

static struct kunit_case malloc_cases[] = {
	KUNIT_CASE(xmalloc_test_first),
	KUNIT_CASE(xmalloc_test_padding),
	KUNIT_CASE(xmalloc_test_zeroed),
	KUNIT_CASE(xmalloc_test_empty),
	KUNIT_CASE(xmalloc_test_arrays),
	KUNIT_CASE(xmalloc_test_realloc),
	KUNIT_CASE(xmalloc_test_realloc_fails),
	KUNIT_CASE(xmalloc_test_wrong_frees),
	KUNIT_CASE(xmalloc_test_frees_any_object),
	KUNIT_CASE(xmalloc_test_gives_back),
	KUNIT_CASE(xmalloc_test_pool_in_pieces),
	KUNIT_CASE(xmalloc_test_model),
	KUNIT_CASE(xmalloc_test_no_fail),
	{}
};

static struct kunit_suite malloc_suite = {
	.name = "xmalloc",
	.test_cases = malloc_cases,
};

kunit_test_suite(malloc_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Tests of xalloc's xmalloc()");
