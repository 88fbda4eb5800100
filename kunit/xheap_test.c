// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of heaps: chunks of any size.
 *
 * Drawings show chunks from left to right: '.' free, a letter for each that is live.
 *
 * Most heaps of tests are over bare numbers, as a heap never touches what it manages. Each is
 * destroyed after the test, which must have freed all chunks by then.
 */
/* For gen_pool, see below. */
#ifndef CONFIG_GENERIC_ALLOCATOR
#define __DISABLE_EXPORTS
#endif

#include <kunit/test.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/genalloc.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/log2.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include <xalloc/genpool.h>
#include <xalloc/xheap.h>

#include "heap/heap.h"
#include "xcrew.h"
#include "xtest.h"

/* Nothing selects it on UML, and it has no prompt of its own. */
#ifndef CONFIG_GENERIC_ALLOCATOR
#include <../lib/genalloc.c>
#endif

static unsigned long ops = 200000 / XTEST_SLOWER;
module_param(ops, ulong, 0444);
MODULE_PARM_DESC(ops, "random operations against the model, for each kind of heap");

static unsigned long run_ms = 300;
module_param(run_ms, ulong, 0444);
MODULE_PARM_DESC(run_ms, "how long each test goes on in which several use a heap");

#define BASE		SZ_1M
#define MAX_HEAPS	4
#define MAX_CHUNKS	64
#define PLENTY		BIT_ULL(40)	/* of max_waste: never split where TensorFlow would not */

struct heap_test {
	struct xheap		*heap[MAX_HEAPS];
	unsigned int		nr;
	struct xpool		*pool;
	void			*own;
	struct xheap_stats	stats;
	u64			at[MAX_CHUNKS];
};

static int heap_init(struct kunit *test)
{
	test->priv = kunit_kzalloc(test, sizeof(struct heap_test), GFP_KERNEL);
	return test->priv ? 0 : -ENOMEM;
}

/* Expect all that a test took to be free. */
static void heap_exit(struct kunit *test)
{
	struct heap_test *t = test->priv;

	if (!t)
		return;
	while (t->nr) {
		struct xheap *heap = t->heap[--t->nr];

		KUNIT_EXPECT_EQ(test, xheap_validate(heap), 0);
		KUNIT_EXPECT_EQ(test, xheap_destroy(heap), 0);
	}
	KUNIT_EXPECT_EQ(test, xpool_destroy(t->pool), 0);
	vfree(t->own);
}

static noinline struct xheap *try_heap(const struct xheap_args *given)
{
	static unsigned int nr;
	char name[XPOOL_NAME_MAX];
	struct xheap_args args = *given;

	snprintf(name, sizeof(name), "test-%u", nr++);
	args.name = args.name ?: name;
	args.granule = args.granule ?: 256;
	if (!args.pool && !args.addr)
		args.base = args.base ?: BASE;
	return xheap_create(&args);
}

static noinline struct xheap *new_heap(struct kunit *test, const struct xheap_args *args)
{
	struct heap_test *t = test->priv;
	struct xheap *heap = try_heap(args);

	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(heap), "error %ld", PTR_ERR(heap));
	KUNIT_ASSERT_LT(test, t->nr, (unsigned int)MAX_HEAPS);
	t->heap[t->nr++] = heap;
	return heap;
}

static noinline struct xheap *heap_of(struct kunit *test, u64 size)
{
	return new_heap(test, &(struct xheap_args){ .size = size });
}

static noinline struct xpool *new_pool(struct kunit *test, size_t size)
{
	struct heap_test *t = test->priv;

	t->own = vmalloc(size);
	KUNIT_ASSERT_NOT_NULL(test, t->own);
	t->pool = xpool_create(&(struct xpool_args){
		.name = "xheap_test", .size = size, .addr = t->own });
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->pool));
	return t->pool;
}

static const struct xheap_stats *stats_of(struct kunit *test, struct xheap *heap)
{
	struct heap_test *t = test->priv;

	xheap_stats(heap, &t->stats);
	return &t->stats;
}

static void expect_valid(struct kunit *test, struct xheap *heap)
{
	const struct xheap_stats *s = stats_of(test, heap);

	KUNIT_ASSERT_EQ(test, xheap_validate(heap), 0);
	KUNIT_EXPECT_EQ(test, s->total, s->free + s->live);
	KUNIT_EXPECT_LE(test, s->total, s->limit);
}

static u64 take(struct kunit *test, struct xheap *heap, u64 size)
{
	u64 at = 0;

	KUNIT_ASSERT_EQ(test, xheap_alloc_number(heap, size, GFP_KERNEL, &at), 0);
	return at;
}

static void give(struct kunit *test, struct xheap *heap, u64 at)
{
	KUNIT_ASSERT_EQ(test, xheap_free_number(heap, at), 0);
}

static int try_take(struct xheap *heap, u64 size, u64 *at)
{
	return xheap_alloc_number(heap, size, GFP_KERNEL, at);
}

static int take_at(struct xheap *heap, u64 at, u64 size)
{
	const struct xheap_request request = { .size = size, .fixed = true, .at = at };
	u64 got;
	int err = xheap_alloc_request(heap, &request, &got);

	return err ?: got == at ? 0 : -EUCLEAN;
}

/*
 * TensorFlow's rules
 */

/* Expect sizes 511 and 512 in bins 0 and 1, as BFC has them, and free chunks by their sizes. */
static void xheap_test_bins(struct kunit *test)
{
	struct xheap *heap = heap_of(test, SZ_64K);
	const struct xheap_stats *s;
	u64 a, b;

	KUNIT_EXPECT_EQ(test, xheap_bin(heap, 511), 0U);
	KUNIT_EXPECT_EQ(test, xheap_bin(heap, 512), 1U);
	a = take(test, heap, 511);
	b = take(test, heap, 512);
	s = stats_of(test, heap);
	KUNIT_EXPECT_EQ(test, s->bins[0].live, 1U);
	KUNIT_EXPECT_EQ(test, s->bins[1].live, 1U);
	KUNIT_EXPECT_EQ(test, s->bins[xheap_bin(heap, SZ_64K - 1024)].free, 1U);
	give(test, heap, a);
	s = stats_of(test, heap);
	KUNIT_EXPECT_EQ(test, s->bins[0].live, 0U);
	KUNIT_EXPECT_EQ(test, s->bins[1].free, 1U);
	give(test, heap, b);
}

/* .... : a chunk of 1,024. Returns what a request gets of it. */
static u64 part_of_1024(struct kunit *test, u64 max_waste, u64 size)
{
	struct xheap *heap = new_heap(test, &(struct xheap_args){
		.size = 1024, .max_waste = max_waste });
	u64 at = take(test, heap, size), got = xheap_size_of_number(heap, at);

	expect_valid(test, heap);
	give(test, heap, at);
	return got;
}

/* Expect it to be split for 512, and not for 768, unless what that leaves is no waste. */
static void xheap_test_split_rule(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, part_of_1024(test, PLENTY, 512), 512ULL);
	KUNIT_EXPECT_EQ(test, part_of_1024(test, PLENTY, 768), 1024ULL);
	KUNIT_EXPECT_EQ(test, part_of_1024(test, 256, 768), 768ULL);
	KUNIT_EXPECT_EQ(test, part_of_1024(test, 0, 768), 768ULL);
}

/* Expect a request's own max_waste to come before its heap's. */
static void xheap_test_split_rule_of_request(struct kunit *test)
{
	struct xheap *heap = new_heap(test, &(struct xheap_args){
		.size = 1024, .max_waste = PLENTY });
	struct xheap_request request = { .size = 768, .max_waste = 1 };
	u64 at;

	KUNIT_ASSERT_EQ(test, xheap_alloc_request(heap, &request, &at), 0);
	KUNIT_EXPECT_EQ(test, xheap_size_of_number(heap, at), 768ULL);
	give(test, heap, at);
	request.max_waste = 0;
	KUNIT_ASSERT_EQ(test, xheap_alloc_request(heap, &request, &at), 0);
	KUNIT_EXPECT_EQ(test, xheap_size_of_number(heap, at), 1024ULL);
	give(test, heap, at);
}

/* ABCD -> .B.D -> ...D: expect one chunk after A, C, then B. */
static void xheap_test_coalesce(struct kunit *test)
{
	struct xheap *heap = heap_of(test, SZ_4K);
	u64 a = take(test, heap, SZ_1K), b = take(test, heap, SZ_1K);
	u64 c = take(test, heap, SZ_1K), d = take(test, heap, SZ_1K);

	give(test, heap, a);
	give(test, heap, c);
	expect_valid(test, heap);
	KUNIT_EXPECT_EQ(test, stats_of(test, heap)->free_chunks, 2ULL);
	give(test, heap, b);
	expect_valid(test, heap);
	KUNIT_EXPECT_EQ(test, stats_of(test, heap)->free_chunks, 1ULL);
	KUNIT_EXPECT_EQ(test, stats_of(test, heap)->largest_free, 3072ULL);
	give(test, heap, d);
}

/* Free {512, 1,024}: expect a third of it not to be in the largest. Full: expect 0. */
static void xheap_test_fragmentation(struct kunit *test)
{
	struct xheap *heap = heap_of(test, 512 + 256 + 1024);
	u64 a = take(test, heap, 512), b = take(test, heap, 256), c = take(test, heap, 1024);

	KUNIT_EXPECT_EQ(test, stats_of(test, heap)->free, 0ULL);
	KUNIT_EXPECT_EQ(test, stats_of(test, heap)->fragmentation, 0ULL);
	give(test, heap, a);
	give(test, heap, c);
	KUNIT_EXPECT_EQ(test, stats_of(test, heap)->free, 1536ULL);
	KUNIT_EXPECT_EQ(test, stats_of(test, heap)->fragmentation, 333ULL);
	give(test, heap, b);
}

static u64 pool_pages(struct xpool *pool)
{
	return pool_stats(pool).heaps;
}

/*
 * Limit 1 MiB, idle regions of 128, 256 and 512 KiB. Expect a request of 768 KiB to have them
 * returned to the pool, and never more than the limit to be taken.
 */
static void xheap_test_idle_regions(struct kunit *test)
{
	struct xpool *pool = new_pool(test, SZ_8M);
	struct xheap *heap = new_heap(test, &(struct xheap_args){
		.pool = pool, .max_size = SZ_1M, .region_size = SZ_128K });
	u64 a = take(test, heap, SZ_128K), b = take(test, heap, SZ_256K);
	u64 c = take(test, heap, SZ_512K), d, has;

	KUNIT_EXPECT_EQ(test, stats_of(test, heap)->regions, 3ULL);
	KUNIT_EXPECT_EQ(test, try_take(heap, 768 * SZ_1K, &d), -ENOSPC);
	KUNIT_EXPECT_EQ(test, stats_of(test, heap)->returned, 0ULL);
	give(test, heap, a);
	give(test, heap, b);
	give(test, heap, c);
	KUNIT_EXPECT_EQ(test, pool_pages(pool), (u64)(SZ_512K + SZ_256K + SZ_128K) / PAGE_SIZE);
	d = take(test, heap, 768 * SZ_1K);
	expect_valid(test, heap);
	/* The smallest may stay: which goes first is a matter of where they lie. */
	has = pool_pages(pool) * PAGE_SIZE;
	KUNIT_EXPECT_GE(test, stats_of(test, heap)->returned, 2ULL);
	KUNIT_EXPECT_TRUE(test, has == 768 * SZ_1K || has == (768 + 128) * SZ_1K);
	give(test, heap, d);
	KUNIT_EXPECT_EQ(test, xheap_trim(heap), has);
	KUNIT_EXPECT_EQ(test, pool_pages(pool), 0ULL);
}

/*
 * Three regions are idle. One page has a second reference for an instant, as the system's walks
 * over memory take it. Expect its region to stay, the others to go, and that one to go later.
 */
static void xheap_test_idle_referenced(struct kunit *test)
{
	struct heap_test *t = test->priv;
	struct xpool *pool = xpool_create(&(struct xpool_args){
		.name = "xheap_test", .size = SZ_8M });
	struct xheap *heap;
	unsigned int i;
	u64 at[3];

	KUNIT_ASSERT_FALSE(test, IS_ERR(pool));
	t->pool = pool;
	heap = new_heap(test, &(struct xheap_args){
		.pool = pool, .max_size = SZ_1M, .region_size = SZ_256K });
	for (i = 0; i < ARRAY_SIZE(at); i++)
		at[i] = take(test, heap, SZ_256K);
	get_page(virt_to_page((void *)(unsigned long)at[0] + SZ_64K));
	for (i = 0; i < ARRAY_SIZE(at); i++)
		give(test, heap, at[i]);
	KUNIT_EXPECT_EQ(test, xheap_trim(heap), (u64)SZ_512K);
	expect_valid(test, heap);
	KUNIT_EXPECT_EQ(test, pool_pages(pool), (u64)SZ_256K / PAGE_SIZE);
	put_page(virt_to_page((void *)(unsigned long)at[0] + SZ_64K));
	KUNIT_EXPECT_EQ(test, xheap_trim(heap), (u64)SZ_256K);
	KUNIT_EXPECT_EQ(test, pool_pages(pool), 0ULL);
	KUNIT_EXPECT_EQ(test, xpool_validate(pool), 0);
}

/*
 * PyTorch's rule
 */

/* 46 MiB: 24 MiB taken and freed, 4 of 1.5 MiB taken. Returns what a request of 24 MiB gets. */
static int ask_again(struct kunit *test, u64 max_split)
{
	struct xheap *heap = new_heap(test, &(struct xheap_args){
		.size = 46 * SZ_1M, .region_size = 20 * SZ_1M, .max_split = max_split });
	u64 at[4], large = take(test, heap, 24 * SZ_1M);
	unsigned int i;
	int err;

	give(test, heap, large);
	for (i = 0; i < 4; i++)
		at[i] = take(test, heap, SZ_1M + SZ_512K);
	err = try_take(heap, 24 * SZ_1M, &large);
	expect_valid(test, heap);
	if (!err)
		give(test, heap, large);
	for (i = 0; i < 4; i++)
		give(test, heap, at[i]);
	return err;
}

/* Expect small requests to break the large chunk, unless it is above max_split. */
static void xheap_test_max_split(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, ask_again(test, 0), -ENOSPC);
	KUNIT_EXPECT_EQ(test, ask_again(test, 21 * SZ_1M), 0);
}

/*
 * Places
 */

/* Expect the smallest of the chunks that are large enough to be taken. */
static void xheap_test_best_fit(struct kunit *test)
{
	static const u16 sizes[] = { 2048, 256, 1024, 256, 1536, 256 };
	struct xheap *heap = heap_of(test, 2048 + 1024 + 1536 + 3 * 256);
	u64 at[6], got;
	unsigned int i;

	for (i = 0; i < 6; i++)
		at[i] = take(test, heap, sizes[i]);
	for (i = 0; i < 6; i += 2)
		give(test, heap, at[i]);
	got = take(test, heap, 1000);
	KUNIT_EXPECT_EQ(test, got, at[2]);
	give(test, heap, got);
	got = take(test, heap, 1280);
	KUNIT_EXPECT_EQ(test, got, at[4]);
	give(test, heap, got);
	for (i = 1; i < 6; i += 2)
		give(test, heap, at[i]);
}

/* Expect the lowest address, from a heap that does so and from one that is asked to. */
static void first_fit(struct kunit *test, const struct xheap_args *args,
		      const struct xheap_request *request)
{
	struct xheap *heap = new_heap(test, args);
	u64 a = take(test, heap, 2048), b = take(test, heap, 256), c = take(test, heap, 1024);
	u64 d = take(test, heap, 256), got;

	give(test, heap, a);
	give(test, heap, c);
	KUNIT_ASSERT_EQ(test, xheap_alloc_request(heap, request, &got), 0);
	KUNIT_EXPECT_EQ(test, got, a);
	expect_valid(test, heap);
	give(test, heap, got);
	give(test, heap, b);
	give(test, heap, d);
}

static void xheap_test_first_fit(struct kunit *test)
{
	first_fit(test, &(struct xheap_args){ .size = SZ_8K, .fit = XHEAP_FIRST_FIT },
		  &(struct xheap_request){ .size = 1024 });
	first_fit(test, &(struct xheap_args){ .size = SZ_8K, .by_address = true },
		  &(struct xheap_request){ .size = 1024, .fit = XHEAP_FIRST_FIT });
}

/*
 * A.C.E.GH.J..., chunks of 512. Expect first fit, aligned to 2 KiB, to pass by the first three
 * holes, and to take the fourth, which is just large enough.
 */
static void xheap_test_first_fit_aligned(struct kunit *test)
{
	static const u8 holes[] = { 1, 3, 5, 8 };
	const struct xheap_request request = { .size = 512, .align = SZ_2K };
	struct xheap *heap = new_heap(test, &(struct xheap_args){
		.size = SZ_64K, .fit = XHEAP_FIRST_FIT });
	struct heap_test *t = test->priv;
	unsigned int i;
	u64 at;

	for (i = 0; i < 20; i++)
		t->at[i] = take(test, heap, 512);
	for (i = 0; i < ARRAY_SIZE(holes); i++)
		give(test, heap, t->at[holes[i]]);
	KUNIT_ASSERT_EQ(test, xheap_alloc_request(heap, &request, &at), 0);
	KUNIT_EXPECT_EQ(test, at, t->at[8]);
	expect_valid(test, heap);
	give(test, heap, at);
	for (i = 0; i < 20; i++)
		if (!memchr(holes, i, sizeof(holes)))
			give(test, heap, t->at[i]);
}

/* Expect an alignment to be kept, and to cost nothing besides the chunk. */
static void xheap_test_alignment(struct kunit *test)
{
	struct xheap *heap = new_heap(test, &(struct xheap_args){
		.base = SZ_1M + SZ_4K, .size = SZ_4M });
	struct xheap_request request = { .size = SZ_8K, .align = SZ_256K };
	u64 at[4], next;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		KUNIT_ASSERT_EQ(test, xheap_alloc_request(heap, &request, &at[i]), 0);
		KUNIT_EXPECT_EQ(test, at[i] % SZ_256K, 0ULL);
		KUNIT_EXPECT_EQ(test, xheap_size_of_number(heap, at[i]), (u64)SZ_8K);
	}
	KUNIT_EXPECT_EQ(test, stats_of(test, heap)->live, 4ULL * SZ_8K);
	expect_valid(test, heap);
	request.align = SZ_8M;	/* the only multiple of it is not in the heap */
	KUNIT_EXPECT_EQ(test, xheap_alloc_request(heap, &request, &next), -ENOSPC);
	request.phase = SZ_4M - SZ_8K;	/* but there is this above it */
	KUNIT_ASSERT_EQ(test, xheap_alloc_request(heap, &request, &next), 0);
	KUNIT_EXPECT_EQ(test, next, (u64)SZ_4M - SZ_8K);
	give(test, heap, next);
	for (i = 0; i < 4; i++)
		give(test, heap, at[i]);
}

/* Expect a chunk just where it is asked for, or -EBUSY, or -ERANGE. */
static void xheap_test_fixed(struct kunit *test)
{
	struct xheap *heap = new_heap(test, &(struct xheap_args){
		.size = SZ_64K, .by_address = true });

	KUNIT_EXPECT_EQ(test, take_at(heap, BASE + SZ_32K, SZ_4K), 0);
	expect_valid(test, heap);
	KUNIT_EXPECT_EQ(test, take_at(heap, BASE + SZ_32K, 256), -EBUSY);
	KUNIT_EXPECT_EQ(test, take_at(heap, BASE + SZ_32K - 256, 512), -EBUSY);
	KUNIT_EXPECT_EQ(test, take_at(heap, BASE + SZ_32K - 256, 256), 0);
	KUNIT_EXPECT_EQ(test, take_at(heap, BASE, 256), 0);
	KUNIT_EXPECT_EQ(test, take_at(heap, BASE + SZ_64K - 256, 256), 0);
	KUNIT_EXPECT_EQ(test, take_at(heap, BASE + SZ_64K, 256), -ERANGE);
	KUNIT_EXPECT_EQ(test, take_at(heap, BASE - 256, 256), -ERANGE);
	KUNIT_EXPECT_EQ(test, take_at(heap, BASE + SZ_32K + SZ_4K, SZ_64K), -ERANGE);
	expect_valid(test, heap);
	give(test, heap, BASE + SZ_64K - 256);
	give(test, heap, BASE);
	give(test, heap, BASE + SZ_32K - 256);
	give(test, heap, BASE + SZ_32K);
}

/*
 * gen_pool and its calls over heaps
 */

struct twins {
	struct gen_pool		*genpool;
	struct xgen_pool	*ours;
	int			order;
	unsigned long		*at;
	u32			*size;
	unsigned int		nr;
	unsigned long		refused;
};

#define TWINS_BYTES	SZ_1M
#define TWINS_SECOND	(BASE + SZ_8M + SZ_2K)	/* of the second chunk, aligned to no more */
#define TWINS_MOST	2000U

enum twins_kind {
	TWINS_FIXED,
	TWINS_ALIGN,
	TWINS_ORDER_ALIGN,
	TWINS_KINDS,
	TWINS_FIRST = 20,	/* most requests are of this kind */
};

/* The same of both. */
static void twins_ask(struct twins *t, unsigned int kind, size_t size, unsigned long *want,
		      unsigned long *got)
{
	struct genpool_data_fixed fixed = { .offset = round_up(size, SZ_16K) };
	struct xgenpool_data_fixed our_fixed = { .offset = fixed.offset };
	struct genpool_data_align align = { .align = SZ_16K };
	struct xgenpool_data_align our_align = { .align = SZ_16K };

	switch (kind) {
	case TWINS_FIXED:
		*want = gen_pool_alloc_algo(t->genpool, size, gen_pool_fixed_alloc, &fixed);
		*got = xgen_pool_alloc_algo(t->ours, size, xgen_pool_fixed_alloc, &our_fixed);
		break;
	case TWINS_ALIGN:
		*want = gen_pool_alloc_algo(t->genpool, size, gen_pool_first_fit_align, &align);
		*got = xgen_pool_alloc_algo(t->ours, size, xgen_pool_first_fit_align, &our_align);
		break;
	case TWINS_ORDER_ALIGN:
		*want = gen_pool_alloc_algo(t->genpool, size, gen_pool_first_fit_order_align,
					    NULL);
		*got = xgen_pool_alloc_algo(t->ours, size, xgen_pool_first_fit_order_align, NULL);
		break;
	default:
		*want = gen_pool_alloc(t->genpool, size);
		*got = xgen_pool_alloc(t->ours, size);
	}
}

/* Both get the same request. Expect the same address of both. */
static bool twins_take(struct twins *t, unsigned int kind, u32 size)
{
	unsigned long want, got;

	twins_ask(t, kind, size, &want, &got);
	if (got != want) {
		pr_info("blocks of %lu bytes, request %u of %u bytes: %#lx, gen_pool has %#lx\n",
			BIT(t->order), kind, size, got, want);
		return false;
	}
	t->refused += !want;
	t->at[t->nr] = want;
	t->size[t->nr] = size;
	t->nr += !!want;
	return true;
}

static void twins_give(struct twins *t, unsigned int i)
{
	gen_pool_free(t->genpool, t->at[i], t->size[i]);
	xgen_pool_free(t->ours, t->at[i], t->size[i]);
	t->nr--;
	t->at[i] = t->at[t->nr];
	t->size[i] = t->size[t->nr];
}

/* Without alignment, of which all free chunks would have to be looked at. */
static void run_twins(struct kunit *test, struct twins *t)
{
	unsigned long i, nr_ops = max(xtest_rounds(40000 / XTEST_SLOWER), 2000UL);
	u32 largest = min(6000U << t->order >> 8, (u32)SZ_64K);
	struct rnd_state rnd;

	xtest_seed(test, &rnd);
	for (i = 0; i < nr_ops; i++) {
		bool filling = i / 500 % 3 != 2;
		unsigned int kind = xtest_below(&rnd, TWINS_FIRST) ? TWINS_FIRST : TWINS_FIXED;

		if (t->nr < TWINS_MOST && xtest_below(&rnd, 4) < (filling ? 3 : 1))
			KUNIT_ASSERT_TRUE_MSG(test, twins_take(t, kind,
							       1 + xtest_below(&rnd, largest)),
					      "operation %lu", i);
		else if (t->nr)
			twins_give(t, xtest_below(&rnd, t->nr));
		KUNIT_ASSERT_EQ(test, xgen_pool_avail(t->ours), gen_pool_avail(t->genpool));
	}
	while (t->nr)
		twins_give(t, t->nr - 1);
	for (i = 0; i < 12; i++)
		KUNIT_ASSERT_TRUE(test, twins_take(t, xtest_below(&rnd, TWINS_KINDS),
						   1 + xtest_below(&rnd, largest)));
}

static void twins_add(struct kunit *test, struct twins *t, unsigned long start)
{
	KUNIT_ASSERT_EQ(test, gen_pool_add(t->genpool, start, TWINS_BYTES, NUMA_NO_NODE), 0);
	KUNIT_ASSERT_EQ(test, xgen_pool_add(t->ours, start, TWINS_BYTES, NUMA_NO_NODE), 0);
}

static void validate_chunk(struct xgen_pool *pool, struct xgen_pool_chunk *chunk, void *data)
{
	struct kunit *test = data;

	KUNIT_EXPECT_EQ(test, xheap_validate(chunk->heap), 0);
}

/* Expect the same addresses as of gen_pool for the same requests, whatever a block is. */
static void xheap_test_like_genpool(struct kunit *test)
{
	static const int orders[] = { 0, 5, 8, 12, 14 };
	struct twins t = { };
	unsigned int i;

	t.at = xtest_room(test, TWINS_MOST, sizeof(*t.at));
	t.size = xtest_room(test, TWINS_MOST, sizeof(*t.size));
	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		t.order = orders[i];
		t.refused = 0;
		t.genpool = gen_pool_create(t.order, NUMA_NO_NODE);
		t.ours = xgen_pool_create(t.order, NUMA_NO_NODE);
		KUNIT_ASSERT_TRUE(test, t.genpool && t.ours);
		twins_add(test, &t, BASE);
		twins_add(test, &t, TWINS_SECOND);
		run_twins(test, &t);
		xgen_pool_for_each_chunk(t.ours, validate_chunk, test);
		KUNIT_EXPECT_EQ(test, xgen_pool_size(t.ours), 2UL * TWINS_BYTES);
		while (t.nr)
			twins_give(&t, t.nr - 1);
		KUNIT_EXPECT_EQ(test, xgen_pool_avail(t.ours), gen_pool_avail(t.genpool));
		gen_pool_destroy(t.genpool);
		xgen_pool_destroy(t.ours);
	}
	KUNIT_EXPECT_GT(test, t.refused, 0UL);
}

/* Expect wrong frees to be refused, and nothing to change; gen_pool stops the machine there. */
static void xheap_test_genpool_wrong(struct kunit *test)
{
	struct xgen_pool *pool = xgen_pool_create(8, NUMA_NO_NODE);
	unsigned long at;
	size_t avail;

	KUNIT_ASSERT_NOT_NULL(test, pool);
	KUNIT_ASSERT_EQ(test, xgen_pool_add(pool, BASE, SZ_64K, NUMA_NO_NODE), 0);
	at = xgen_pool_alloc(pool, SZ_4K);
	KUNIT_ASSERT_EQ(test, at, (unsigned long)BASE);
	avail = xgen_pool_avail(pool);
	xgen_pool_free(pool, at, SZ_2K);
	xgen_pool_free(pool, at, SZ_8K);
	xgen_pool_free(pool, at, 0);
	xgen_pool_free(pool, at + SZ_2K, SZ_2K);
	xgen_pool_free(pool, at - SZ_4K, SZ_4K);
	KUNIT_EXPECT_EQ(test, xgen_pool_avail(pool), avail);
	xgen_pool_free(pool, at, SZ_4K);
	xgen_pool_free(pool, at, SZ_4K);
	KUNIT_EXPECT_EQ(test, xgen_pool_avail(pool), (size_t)SZ_64K);
	xgen_pool_destroy(pool);
}

/* Expect owners, physical addresses, alignment and zeroes as of gen_pool. */
static void xheap_test_genpool_calls(struct kunit *test)
{
	struct xgen_pool *pool = xgen_pool_create(8, NUMA_NO_NODE);
	unsigned long mem = (unsigned long)kunit_kzalloc(test, SZ_64K, GFP_KERNEL), at;
	void *owner;
	dma_addr_t dma;
	u8 *addr;

	KUNIT_ASSERT_TRUE(test, pool && mem);
	KUNIT_ASSERT_EQ(test, xgen_pool_add_owner(pool, mem, SZ_1G, SZ_32K, NUMA_NO_NODE, &dma),
			0);
	memset((void *)mem, 0xff, SZ_64K);
	at = xgen_pool_alloc_owner(pool, 100, &owner);
	KUNIT_EXPECT_EQ(test, at, mem);
	KUNIT_EXPECT_PTR_EQ(test, owner, (void *)&dma);
	addr = xgen_pool_dma_zalloc_align(pool, SZ_1K, &dma, SZ_4K);
	KUNIT_ASSERT_NOT_NULL(test, addr);
	KUNIT_EXPECT_EQ(test, (unsigned long)addr % SZ_4K, 0UL);
	KUNIT_EXPECT_NULL(test, memchr_inv(addr, 0, SZ_1K));
	KUNIT_EXPECT_EQ(test, addr[SZ_1K], 0xffU);
	KUNIT_EXPECT_EQ(test, (u64)dma, (u64)SZ_1G + ((unsigned long)addr - mem));
	KUNIT_EXPECT_TRUE(test, xgen_pool_has_addr(pool, mem, SZ_32K));
	KUNIT_EXPECT_FALSE(test, xgen_pool_has_addr(pool, mem, SZ_32K + 1));
	KUNIT_EXPECT_EQ(test, xgen_pool_virt_to_phys(pool, mem + SZ_32K), (phys_addr_t)-1);
	KUNIT_EXPECT_EQ(test, xgen_pool_alloc(pool, 0), 0UL);
	xgen_pool_free(pool, (unsigned long)addr, SZ_1K);
	xgen_pool_free_owner(pool, at, 100, &owner);
	KUNIT_EXPECT_PTR_EQ(test, owner, (void *)&dma);
	xgen_pool_destroy(pool);
}

/* Of a device's pools. Expect each name once, and none of them to be there after the device. */
static void xheap_test_genpool_of_device(struct kunit *test)
{
	/* Of no module: on old kernels suites run before this one is in sysfs. */
	struct device *dev = __root_device_register("xheap_test", NULL);
	struct xgen_pool *pool, *unnamed;

	KUNIT_ASSERT_FALSE(test, IS_ERR(dev));
	pool = devm_xgen_pool_create(dev, 8, NUMA_NO_NODE, "sram");
	unnamed = devm_xgen_pool_create(dev, 8, NUMA_NO_NODE, NULL);
	KUNIT_EXPECT_FALSE(test, IS_ERR(pool) || IS_ERR(unnamed));
	KUNIT_EXPECT_PTR_EQ(test, xgen_pool_get(dev, "sram"), pool);
	KUNIT_EXPECT_PTR_EQ(test, xgen_pool_get(dev, NULL), unnamed);
	KUNIT_EXPECT_NULL(test, xgen_pool_get(dev, "dram"));
	KUNIT_EXPECT_EQ(test, PTR_ERR(devm_xgen_pool_create(dev, 8, NUMA_NO_NODE, "sram")),
			(long)-EINVAL);
	KUNIT_EXPECT_EQ(test, xgen_pool_add(pool, SZ_1G, SZ_1M, NUMA_NO_NODE), 0);
	root_device_unregister(dev);	/* a heap that stays would keep the module */
}

/* AB..: expect A to stay where it is, B to grow into what is free and to shrink. */
static void xheap_test_resize(struct kunit *test)
{
	struct xheap *heap = heap_of(test, SZ_4K);
	u64 a = take(test, heap, SZ_1K), b = take(test, heap, SZ_1K);

	KUNIT_EXPECT_EQ(test, xheap_resize_number(heap, a, SZ_1K + 1), -ENOSPC);
	KUNIT_EXPECT_EQ(test, xheap_resize_number(heap, b, SZ_2K), 0);
	KUNIT_EXPECT_EQ(test, xheap_size_of_number(heap, b), (u64)SZ_2K);
	expect_valid(test, heap);
	KUNIT_EXPECT_EQ(test, xheap_resize_number(heap, b, SZ_4K), -ENOSPC);
	KUNIT_EXPECT_EQ(test, xheap_resize_number(heap, b, SZ_2K + SZ_1K), 0);
	KUNIT_EXPECT_EQ(test, stats_of(test, heap)->free, 0ULL);
	KUNIT_EXPECT_EQ(test, xheap_resize_number(heap, b, 1), 0);
	KUNIT_EXPECT_EQ(test, xheap_size_of_number(heap, b), 256ULL);
	expect_valid(test, heap);
	KUNIT_EXPECT_EQ(test, stats_of(test, heap)->free_chunks, 1ULL);
	give(test, heap, a);
	KUNIT_EXPECT_EQ(test, xheap_resize_number(heap, a, SZ_1K), -EALREADY);
	give(test, heap, b);
}

/*
 * Ranges
 */

static const u32 granules[] = { 16, 32, 64, 128, 256, 512, 1024, 2048, 4096 };

static void granule_desc(const u32 *granule, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "granule %u", *granule);
}

KUNIT_ARRAY_PARAM(granule, granules, granule_desc);

/* Numbers around 2^36. Expect all granules of the range to be there, once each. */
static void xheap_test_numbers(struct kunit *test)
{
	u32 granule = *(const u32 *)test->param_value;
	const u64 base = BIT_ULL(36) - 500 * granule, end = base + 1000 * granule;
	struct xheap *heap = new_heap(test, &(struct xheap_args){
		.base = base, .size = end - base, .granule = granule, .by_address = true });
	u64 at, nr = 0;

	while (!try_take(heap, 1, &at)) {
		KUNIT_ASSERT_TRUE(test, at >= base && at < end && at % granule == 0);
		nr++;
	}
	KUNIT_EXPECT_EQ(test, nr, 1000ULL);
	expect_valid(test, heap);
	for (at = base; at < end; at += granule)
		KUNIT_ASSERT_EQ(test, xheap_free_number(heap, at), 0);
	KUNIT_EXPECT_EQ(test, take_at(heap, base, end - base), 0);
	give(test, heap, base);
}

/* Expect at most 5 % of the range to be taken for metadata, and 1.6 % from 1 KiB on. */
static void xheap_test_metadata(struct kunit *test)
{
	static const u64 sizes[] = { SZ_1M, SZ_4M, SZ_1G };
	unsigned int i;

	for (i = 0; i < 2 * ARRAY_SIZE(sizes); i++) {
		u64 size = sizes[i / 2];
		u32 granule = i % 2 ? 1024 : 256;
		struct xheap *heap = try_heap(&(struct xheap_args){
			.size = size, .granule = granule, .by_address = size > SZ_1M });

		KUNIT_ASSERT_FALSE(test, IS_ERR(heap));
		KUNIT_EXPECT_LE(test, stats_of(test, heap)->metadata * 1000,
				size * (granule == 256 ? 50 : 16));
		KUNIT_EXPECT_EQ(test, xheap_destroy(heap), 0);
	}
}

/* Expect the same limits of a heap that takes regions. */
static void xheap_test_metadata_of_regions(struct kunit *test)
{
	struct xheap *heap = new_heap(test, &(struct xheap_args){
		.size = SZ_32M, .region_size = SZ_64K });

	KUNIT_EXPECT_LE(test, stats_of(test, heap)->metadata * 20, (u64)SZ_32M);
}

/* Expect the memory that a heap manages to be as it was, whatever happens. */
static void xheap_test_untouched(struct kunit *test)
{
	struct heap_test *t = test->priv;
	struct xheap *heap;
	unsigned int i;
	void *at[16];

	t->own = vmalloc(SZ_64K);
	KUNIT_ASSERT_NOT_NULL(test, t->own);
	memset(t->own, 0xa5, SZ_64K);
	heap = new_heap(test, &(struct xheap_args){ .addr = t->own, .size = SZ_64K });
	for (i = 0; i < 16; i++) {
		at[i] = xheap_alloc(heap, SZ_4K - i, GFP_ATOMIC);
		KUNIT_ASSERT_NOT_NULL(test, at[i]);
	}
	KUNIT_EXPECT_NULL(test, xheap_alloc(heap, 1, GFP_ATOMIC));
	for (i = 0; i < 16; i++) {
		KUNIT_EXPECT_EQ(test, xheap_size_of(heap, at[i]), (u64)SZ_4K);
		KUNIT_EXPECT_EQ(test, xheap_free(heap, at[i]), 0);
	}
	KUNIT_EXPECT_NULL(test, memchr_inv(t->own, 0xa5, SZ_64K));
}

/* A heap of a pool that does not grow. Expect its blocks to be one region, and to go back. */
static void xheap_test_pool(struct kunit *test)
{
	struct xpool *pool = new_pool(test, SZ_32M);
	struct xheap *heap = try_heap(&(struct xheap_args){ .pool = pool, .size = SZ_16M });
	void *large;

	KUNIT_ASSERT_FALSE(test, IS_ERR(heap));
	KUNIT_EXPECT_EQ(test, pool_pages(pool), (u64)SZ_16M / PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, stats_of(test, heap)->regions, 1ULL);
	large = xheap_alloc(heap, SZ_16M, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, large);
	KUNIT_EXPECT_NULL(test, xheap_alloc(heap, 1, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, xheap_free(heap, large), 0);
	expect_valid(test, heap);
	KUNIT_EXPECT_EQ(test, xheap_destroy(heap), 0);
	KUNIT_EXPECT_EQ(test, pool_pages(pool), 0ULL);
}

/* Of a pool that has not enough. Expect an error, and the pool to have all it had. */
static void xheap_test_pool_too_small(struct kunit *test)
{
	struct xpool *pool = new_pool(test, SZ_8M);
	struct xheap *heap = try_heap(&(struct xheap_args){ .pool = pool, .size = SZ_16M });

	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(heap), -ENOSPC);
	KUNIT_EXPECT_EQ(test, pool_pages(pool), 0ULL);
}

/* Expect what came at creation to stay, and what came later to go when it is trimmed. */
static void xheap_test_trim(struct kunit *test)
{
	struct xpool *pool = new_pool(test, SZ_16M);
	struct xheap *heap = new_heap(test, &(struct xheap_args){
		.pool = pool, .size = SZ_1M, .max_size = SZ_8M, .region_size = SZ_1M });
	u64 a = take(test, heap, SZ_1M), b = take(test, heap, SZ_2M);

	KUNIT_EXPECT_EQ(test, stats_of(test, heap)->total, 3ULL * SZ_1M);
	give(test, heap, a);
	KUNIT_EXPECT_EQ(test, xheap_trim(heap), 0ULL);
	give(test, heap, b);
	KUNIT_EXPECT_EQ(test, xheap_trim(heap), (u64)SZ_2M);
	KUNIT_EXPECT_EQ(test, pool_pages(pool), (u64)SZ_1M / PAGE_SIZE);
}

/* Expect regions to go back when they become idle, as long as more is free than may be. */
static void xheap_test_max_idle(struct kunit *test)
{
	struct xpool *pool = new_pool(test, SZ_16M);
	struct xheap *heap = new_heap(test, &(struct xheap_args){
		.pool = pool, .max_size = SZ_8M, .region_size = SZ_256K, .max_idle = SZ_512K });
	u64 a = take(test, heap, SZ_256K), b = take(test, heap, SZ_256K);
	u64 c = take(test, heap, SZ_256K), d = take(test, heap, SZ_2M);

	give(test, heap, a);
	give(test, heap, b);
	KUNIT_EXPECT_EQ(test, stats_of(test, heap)->total, 3ULL * SZ_256K + SZ_2M);
	give(test, heap, d);
	KUNIT_EXPECT_LE(test, stats_of(test, heap)->free, (u64)SZ_512K);
	KUNIT_EXPECT_EQ(test, pool_pages(pool), stats_of(test, heap)->total / PAGE_SIZE);
	give(test, heap, c);
	KUNIT_EXPECT_LE(test, stats_of(test, heap)->total, (u64)SZ_512K);
	expect_valid(test, heap);
}

/* Expect the 1,000 regions of a heap to be found by their addresses, in any order. */
static void xheap_test_many_regions(struct kunit *test)
{
	struct xheap *heap = new_heap(test, &(struct xheap_args){
		.size = 1000 * SZ_64K, .region_size = SZ_64K });
	u64 *at = xtest_room(test, 1000, sizeof(*at));
	unsigned int i;

	for (i = 0; i < 1000; i++)
		at[i] = take(test, heap, SZ_64K);
	KUNIT_EXPECT_EQ(test, stats_of(test, heap)->regions, 1000ULL);
	for (i = 0; i < 1000; i++)
		KUNIT_ASSERT_EQ(test, xheap_free_number(heap, at[i * 7 % 1000]), 0);
	expect_valid(test, heap);
	KUNIT_EXPECT_EQ(test, xheap_trim(heap), 1000ULL * SZ_64K);
	expect_valid(test, heap);
}

/*
 * Clients' errors
 */

/*
 * What a heap keeps idle of its pool
 */

/* A heap over a pool of @size, of which it may have all, with an idle region of 4 MiB. */
static struct xheap *heap_with_idle_region(struct kunit *test, size_t size)
{
	struct xheap *heap = new_heap(test, &(struct xheap_args){
		.pool = new_pool(test, size), .max_size = size });

	give(test, heap, take(test, heap, SZ_2M));
	KUNIT_ASSERT_EQ(test, stats_of(test, heap)->total, (u64)SZ_4M);
	return heap;
}

static void *all_of(struct xpool *pool, gfp_t gfp)
{
	return xpool_alloc_run(pool, &(struct xpool_request){
		.pages = pool_stats(pool).total, .gfp = gfp });
}

/* Expect others to get the pages of idle regions, whether they may sleep or not. */
static void xheap_test_idle_for_others(struct kunit *test)
{
	struct xheap *heap = heap_with_idle_region(test, 2 * SZ_4M);
	struct xpool *pool = heap->pool;
	void *all = all_of(pool, GFP_KERNEL), *block;

	KUNIT_EXPECT_NOT_NULL(test, all);
	KUNIT_EXPECT_EQ(test, stats_of(test, heap)->total, 0ULL);
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, all, 2 * SZ_4M / PAGE_SIZE), 0);
	give(test, heap, take(test, heap, SZ_2M));
	all = xpool_alloc_run(pool, &(struct xpool_request){
		.pages = SZ_4M / PAGE_SIZE, .gfp = GFP_KERNEL });
	KUNIT_EXPECT_NOT_NULL(test, all);
	block = xpool_alloc_addr(pool, 6, GFP_ATOMIC);
	KUNIT_EXPECT_NOT_NULL(test, block);
	KUNIT_EXPECT_EQ(test, stats_of(test, heap)->total, 0ULL);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, block, 6), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, all, SZ_4M / PAGE_SIZE), 0);
}

/* Expect a live chunk to keep its region from others. */
static void xheap_test_live_not_for_others(struct kunit *test)
{
	struct xheap *heap = heap_with_idle_region(test, 2 * SZ_4M);
	u64 at = take(test, heap, 1);

	KUNIT_EXPECT_NULL(test, all_of(heap->pool, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, stats_of(test, heap)->total, (u64)SZ_4M);
	give(test, heap, at);
}

/* Expect idle regions to count as cached, and none where the limit leaves no room. */
static void xheap_test_idle_is_cached(struct kunit *test)
{
	struct xheap *heap = heap_with_idle_region(test, 4 * SZ_4M);
	struct xpool *pool = heap->pool;
	struct xpool_limits limits;

	KUNIT_EXPECT_EQ(test, pool_stats(pool).cached, (u64)SZ_4M / PAGE_SIZE);
	xpool_get_limits(pool, &limits);
	limits.cache = 0;
	KUNIT_ASSERT_EQ(test, xpool_set_limits(pool, &limits), 0);
	KUNIT_EXPECT_EQ(test, stats_of(test, heap)->total, 0ULL);
	give(test, heap, take(test, heap, SZ_2M));
	KUNIT_EXPECT_EQ(test, stats_of(test, heap)->total, 0ULL);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).cached, 0ULL);
	limits.cache = XPOOL_NO_LIMIT;
	KUNIT_ASSERT_EQ(test, xpool_set_limits(pool, &limits), 0);
	give(test, heap, take(test, heap, SZ_2M));
	KUNIT_EXPECT_EQ(test, stats_of(test, heap)->total, (u64)SZ_4M);
	KUNIT_EXPECT_EQ(test, xpool_collect(pool, false), (unsigned long)SZ_4M / PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, stats_of(test, heap)->total, 0ULL);
}

/* Expect a pool to stay as long as a heap is in it, also one that has nothing of it. */
static void xheap_test_pool_stays(struct kunit *test)
{
	struct heap_test *t = test->priv;
	struct xheap *heap = new_heap(test, &(struct xheap_args){
		.pool = new_pool(test, SZ_4M), .max_size = SZ_4M });

	KUNIT_EXPECT_EQ(test, xpool_destroy(t->pool), -EBUSY);
	KUNIT_EXPECT_NULL(test, xheap_alloc(heap, 1, GFP_KERNEL));	/* it is an orphan now */
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(try_heap(&(struct xheap_args){
		.pool = t->pool, .max_size = SZ_4M })), -EBUSY);
}

/* Expect one more error to be counted, and nothing else to change. */
static void expect_refused(struct kunit *test, struct xheap *heap, int err, int want)
{
	static u64 errors;
	const struct xheap_stats *s = stats_of(test, heap);

	KUNIT_EXPECT_EQ(test, err, want);
	KUNIT_EXPECT_EQ(test, s->errors, want ? errors + 1 : 0);
	errors = s->errors;
	expect_valid(test, heap);
}

/* A.C: each wrong free, expected to be refused. */
static void xheap_test_wrong_frees(struct kunit *test)
{
	struct xheap *heap = heap_of(test, SZ_4K);
	u64 a = take(test, heap, SZ_1K), b = take(test, heap, SZ_1K);
	u64 c = take(test, heap, SZ_2K);

	give(test, heap, b);
	expect_refused(test, heap, 0, 0);
	expect_refused(test, heap, xheap_free_number(heap, b), -EALREADY);
	expect_refused(test, heap, xheap_free_number(heap, b + 256), -EALREADY);
	expect_refused(test, heap, xheap_free_number(heap, b + 768), -EALREADY);
	expect_refused(test, heap, xheap_free_number(heap, a + 256), -EINVAL);
	expect_refused(test, heap, xheap_free_number(heap, a + 1), -EINVAL);
	expect_refused(test, heap, xheap_free_number(heap, b - 256), -EINVAL);
	expect_refused(test, heap, xheap_free_number(heap, BASE - 256), -ERANGE);
	expect_refused(test, heap, xheap_free_number(heap, BASE + SZ_4K), -ERANGE);
	expect_refused(test, heap, xheap_free_number(heap, 0), -ERANGE);
	expect_refused(test, heap, xheap_free_number(heap, U64_MAX), -ERANGE);
	expect_refused(test, heap, xheap_free(heap, (void *)BASE), -EINVAL);
	expect_refused(test, heap, xheap_size_of_number(heap, b) ? 1 : -ENOENT, -ENOENT);
	give(test, heap, a);
	expect_refused(test, heap, xheap_free_number(heap, b), -EALREADY);
	give(test, heap, c);
	KUNIT_EXPECT_EQ(test, xheap_free(heap, NULL), 0);
	KUNIT_EXPECT_EQ(test, xheap_free(NULL, (void *)BASE), -EINVAL);
	KUNIT_EXPECT_EQ(test, xheap_free_number(NULL, BASE), -EINVAL);
}

static int request(struct xheap *heap, const struct xheap_request *request)
{
	u64 at;

	return xheap_alloc_request(heap, request, &at);
}

/* Each wrong request, expected to be refused. */
static void xheap_test_wrong_requests(struct kunit *test)
{
	struct xheap *heap = heap_of(test, SZ_4K);
	u64 at;

	expect_refused(test, heap, 0, 0);
	expect_refused(test, heap, try_take(heap, 0, &at), -EINVAL);
	expect_refused(test, heap, try_take(heap, SZ_4K + 1, &at), -EINVAL);
	expect_refused(test, heap, try_take(heap, U64_MAX, &at), -EINVAL);
	expect_refused(test, heap, xheap_alloc_number(heap, 1, GFP_KERNEL | __GFP_ZERO, &at),
		       -EINVAL);
	expect_refused(test, heap, xheap_alloc(heap, 1, GFP_KERNEL) ? 0 : -EINVAL, -EINVAL);
	expect_refused(test, heap, request(heap, &(struct xheap_request){ .size = 0 }), -EINVAL);
	expect_refused(test, heap, request(heap, &(struct xheap_request){
		.size = 1, .align = 3 * SZ_1K }), -EINVAL);
	expect_refused(test, heap, request(heap, &(struct xheap_request){
		.size = 1, .fit = XHEAP_FIRST_FIT }), -EINVAL);
	expect_refused(test, heap, request(heap, &(struct xheap_request){
		.size = 1, .fixed = true, .at = BASE }), -EINVAL);
	expect_refused(test, heap, xheap_resize_number(heap, BASE, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, xheap_alloc_number(NULL, 1, GFP_KERNEL, &at), -EINVAL);
	KUNIT_EXPECT_EQ(test, xheap_alloc_number(heap, 1, GFP_KERNEL, NULL), -EINVAL);
	KUNIT_EXPECT_NULL(test, xheap_alloc(NULL, 1, GFP_KERNEL));
}

static const struct wrong_args {
	const char		*what;
	struct xheap_args	args;
} wrong_args[] = {
	{ "no size", { .base = BASE } },
	{ "granule 24", { .size = SZ_4K, .granule = 24 } },
	{ "granule 8", { .size = SZ_4K, .granule = 8 } },
	{ "granule 8192", { .size = SZ_64K, .granule = 8192 } },
	{ "size no multiple", { .size = SZ_4K + 16 } },
	{ "base not aligned", { .size = SZ_4K, .base = BASE + 16 } },
	{ "around the end", { .size = SZ_8K, .base = -(u64)SZ_4K } },
	{ "addr and base", { .size = SZ_4K, .base = BASE, .addr = (void *)BASE } },
	{ "max_size of a range", { .size = SZ_4K, .max_size = SZ_8K } },
	{ "max_split of one range", { .size = SZ_4K, .max_split = SZ_1K } },
	{ "max_split, first fit", { .size = SZ_1M, .region_size = SZ_64K, .max_split = SZ_1K,
				    .fit = XHEAP_FIRST_FIT } },
	{ "no such fit", { .size = SZ_4K, .fit = 3 } },
	{ "size of regions", { .size = SZ_1M + SZ_4K, .region_size = SZ_64K } },
	{ "too large", { .size = 1ULL << 50, .granule = 4096 } },
	{ "bad name", { .name = "a b", .size = SZ_4K } },
	{ "pool is an error", { .pool = (void *)-ENOMEM, .size = SZ_4K } },
};

KUNIT_ARRAY_PARAM_DESC(wrong_args, wrong_args, what);

/* Expect each to be refused, with a line in the log. */
static void xheap_test_wrong_args(struct kunit *test)
{
	const struct wrong_args *wrong = test->param_value;
	struct xheap *heap = try_heap(&wrong->args);

	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(heap), -EINVAL);
	if (!IS_ERR(heap))
		xheap_destroy(heap);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(xheap_create(NULL)), -EINVAL);
}

/* Expect a name to be taken, and addresses to be of one heap; numbers may be of several. */
static void xheap_test_others(struct kunit *test)
{
	struct heap_test *t = test->priv;
	const struct xheap_args named = { .name = "twice", .size = SZ_4K };

	new_heap(test, &named);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(try_heap(&named)), -EEXIST);
	t->own = vmalloc(SZ_64K);
	KUNIT_ASSERT_NOT_NULL(test, t->own);
	new_heap(test, &(struct xheap_args){ .addr = t->own + SZ_4K, .size = SZ_8K });
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(try_heap(&(struct xheap_args){
		.addr = t->own, .size = SZ_4K + 256 })), -EBUSY);
	new_heap(test, &(struct xheap_args){ .addr = t->own, .size = SZ_4K });
	heap_of(test, SZ_4K);
}

/* Expect a heap with a live chunk to stay, and to work on. */
static void xheap_test_destroy_in_use(struct kunit *test)
{
	struct xheap *heap = heap_of(test, SZ_4K);
	u64 a = take(test, heap, 100), b;

	KUNIT_EXPECT_EQ(test, xheap_destroy(heap), -EBUSY);
	b = take(test, heap, 100);
	give(test, heap, a);
	KUNIT_EXPECT_EQ(test, xheap_destroy(heap), -EBUSY);
	give(test, heap, b);
	KUNIT_EXPECT_EQ(test, xheap_destroy(NULL), 0);
	KUNIT_EXPECT_EQ(test, xheap_destroy(ERR_PTR(-ENOMEM)), 0);
}

/* Expect the validator to see each of these. */
static void xheap_test_validator_sees(struct kunit *test)
{
	struct xheap *heap = new_heap(test, &(struct xheap_args){
		.size = SZ_64K, .by_address = true });
	u64 at = take(test, heap, SZ_1K);
	struct xgranule *g = heap->granules;
	struct xorder *order = &heap->order;

	expect_valid(test, heap);
	g[2].tag = 1;
	KUNIT_EXPECT_EQ(test, xheap_validate(heap), -EUCLEAN);
	g[2].tag = 0;
	g[256].tag ^= 8;
	KUNIT_EXPECT_EQ(test, xheap_validate(heap), -EUCLEAN);
	g[256].tag ^= 8;
	g[5].prev ^= 1;
	KUNIT_EXPECT_EQ(test, xheap_validate(heap), -EUCLEAN);
	g[5].prev ^= 1;
	heap->live++;
	KUNIT_EXPECT_EQ(test, xheap_validate(heap), -EUCLEAN);
	heap->live--;
	heap->live_in[2]++;
	KUNIT_EXPECT_EQ(test, xheap_validate(heap), -EUCLEAN);
	heap->live_in[2]--;
	order->level[0][3]++;
	KUNIT_EXPECT_EQ(test, xheap_validate(heap), -EUCLEAN);
	order->level[0][3]--;
	order->level[1][0]++;
	KUNIT_EXPECT_EQ(test, xheap_validate(heap), -EUCLEAN);
	order->level[1][0]--;
	order->low = 6;
	KUNIT_EXPECT_EQ(test, xheap_validate(heap), -EUCLEAN);
	order->low = 5;
	expect_valid(test, heap);
	give(test, heap, at);
}

/*
 * The model: which granules are live, and the chunks
 */

#define MODEL_CHUNKS	2000U

struct model {
	struct xheap	*heap;
	struct rnd_state rnd;
	u64		base;
	u64		size;
	u64		largest;	/* request */
	u32		granule;
	bool		by_address;
	u8		*live;		/* by granule */
	u64		at[MODEL_CHUNKS];
	u64		bytes[MODEL_CHUNKS];
	unsigned int	nr;
	unsigned int	level;		/* chunks to hold next */
	unsigned long	done[7];
};

static const struct model_kind {
	const char	*what;
	bool		pool;
	u32		granule;
	u64		size;
	u64		max_size;
	u64		region_size;
	u64		max_split;
	u64		max_waste;
	enum xheap_fit	fit;
	bool		by_address;
} model_kinds[] = {
	{ .what = "best fit", .granule = 256, .size = SZ_1M },
	{ .what = "best fit, by address", .granule = 64, .size = SZ_1M, .by_address = true },
	{ .what = "best fit, max_waste", .granule = 16, .size = SZ_64K, .max_waste = 200 },
	{ .what = "first fit", .granule = 512, .size = SZ_1M, .fit = XHEAP_FIRST_FIT },
	{ .what = "regions", .granule = 256, .size = SZ_4M, .region_size = SZ_256K },
	{ .what = "regions, max_split", .granule = 256, .size = SZ_4M, .region_size = SZ_256K,
	  .max_split = SZ_32K },
	{ .what = "pool", .pool = true, .granule = 1024, .size = SZ_1M, .max_size = SZ_4M,
	  .region_size = SZ_256K },
	{ .what = "pool, by address", .pool = true, .granule = 4096, .max_size = SZ_4M,
	  .region_size = SZ_1M, .by_address = true },
};

KUNIT_ARRAY_PARAM_DESC(model_kind, model_kinds, what);

static bool model_is(const struct model *m, u64 at, u64 bytes, bool live)
{
	return !memchr_inv(m->live + (at - m->base) / m->granule, live, bytes / m->granule);
}

static void model_set(struct model *m, u64 at, u64 bytes, bool live)
{
	memset(m->live + (at - m->base) / m->granule, live, bytes / m->granule);
}

static bool model_has(const struct model *m, u64 at, u64 bytes)
{
	return at >= m->base && bytes <= m->size && at - m->base <= m->size - bytes;
}

/* A chunk was handed out: all of it must be free in the model. */
static bool model_add(struct model *m, u64 at, u64 asked)
{
	u64 bytes = xheap_size_of_number(m->heap, at);

	if (bytes < asked || at % m->granule || bytes % m->granule || !model_has(m, at, bytes) ||
	    !model_is(m, at, bytes, false))
		return false;
	model_set(m, at, bytes, true);
	m->at[m->nr] = at;
	m->bytes[m->nr++] = bytes;
	return true;
}

static u64 random_size(struct model *m)
{
	u32 most = xtest_below(&m->rnd, 8) ? m->largest / 64 : m->largest;

	return 1 + xtest_below(&m->rnd, most);
}

static bool op_take(struct model *m)
{
	u64 at, size = random_size(m);
	int err = try_take(m->heap, size, &at);

	m->done[0]++;
	return err ? err == -ENOSPC : model_add(m, at, size);
}

static bool op_take_aligned(struct model *m)
{
	struct xheap_request request = {
		.size = random_size(m), .align = 1ULL << xtest_below(&m->rnd, 20),
		.fit = xtest_below(&m->rnd, m->by_address ? 3 : 2),
		.max_waste = xtest_below(&m->rnd, 2),
	};
	u64 at;
	int err = xheap_alloc_request(m->heap, &request, &at);

	m->done[1]++;
	return err ? err == -ENOSPC : !(at & (request.align - 1)) &&
				      model_add(m, at, request.size);
}

static bool op_take_fixed(struct model *m)
{
	struct xheap_request request = {
		.size = random_size(m), .fixed = true, .max_waste = 1,
		.at = m->base + (u64)xtest_below(&m->rnd, m->size / m->granule) * m->granule,
	};
	u64 at, bytes = round_up(request.size, m->granule);
	int err = xheap_alloc_request(m->heap, &request, &at);

	m->done[2]++;
	if (err)
		return err == -ERANGE ||
		       (err == -EBUSY && !model_is(m, request.at, bytes, false));
	return at == request.at && model_add(m, at, request.size);
}

/* In an NMI that interrupted the holder of the lock. */
static int free_in_nmi(struct xheap *heap, u64 at)
{
	unsigned long flags;
	int err;

	raw_spin_lock_irqsave(&heap->lock, flags);
	preempt_count_add(NMI_OFFSET);
	err = xheap_free_number(heap, at);
	preempt_count_sub(NMI_OFFSET);
	raw_spin_unlock_irqrestore(&heap->lock, flags);
	return err;
}

static bool op_give(struct model *m)
{
	unsigned int i = xtest_below(&m->rnd, m->nr);
	bool nmi = !xtest_below(&m->rnd, 8);
	int err = nmi ? free_in_nmi(m->heap, m->at[i]) : xheap_free_number(m->heap, m->at[i]);

	model_set(m, m->at[i], m->bytes[i], false);
	m->nr--;
	m->at[i] = m->at[m->nr];
	m->bytes[i] = m->bytes[m->nr];
	m->done[3]++;
	return !err;
}

static bool op_resize(struct model *m)
{
	unsigned int i = xtest_below(&m->rnd, m->nr);
	u64 size = min(1 + (u64)xtest_below(&m->rnd, 2 * m->bytes[i]), m->largest);
	u64 bytes = round_up(size, m->granule);
	int err = xheap_resize_number(m->heap, m->at[i], size);

	m->done[4]++;
	if (err)
		return err == -ENOSPC && bytes > m->bytes[i] &&
		       xheap_size_of_number(m->heap, m->at[i]) == m->bytes[i];
	model_set(m, m->at[i], m->bytes[i], false);
	m->bytes[i] = bytes;
	if (!model_has(m, m->at[i], bytes) || !model_is(m, m->at[i], bytes, false))
		return false;
	model_set(m, m->at[i], bytes, true);
	return true;
}

/* The middle of a chunk, one that is free, what is not aligned, what is outside. */
static bool op_give_wrong(struct model *m)
{
	unsigned int i = xtest_below(&m->rnd, m->nr), kind = xtest_below(&m->rnd, 4);
	u64 at = m->at[i], skip;

	m->done[5]++;
	if (kind == 0 && m->bytes[i] > m->granule) {
		skip = 1 + xtest_below(&m->rnd, m->bytes[i] / m->granule - 1);
		return xheap_free_number(m->heap, at + skip * m->granule) == -EINVAL;
	}
	if (kind == 1) {
		skip = xtest_below(&m->rnd, m->size / m->granule);
		return m->live[skip] ||
		       xheap_free_number(m->heap, m->base + skip * m->granule) < 0;
	}
	if (kind == 2)
		return xheap_free_number(m->heap, at + 1) == -EINVAL;
	return xheap_free_number(m->heap, m->base + m->size) == -ERANGE;
}

static bool random_op(struct model *m)
{
	unsigned int kind = xtest_below(&m->rnd, 16);

	if (m->nr < m->level ? kind < 10 : kind < 3) {
		if (kind % 5 == 0)
			return op_take_aligned(m);
		return kind % 5 == 1 && m->by_address ? op_take_fixed(m) : op_take(m);
	}
	if (!m->nr)
		return true;
	if (kind == 15 && !xtest_below(&m->rnd, 64)) {
		m->done[6]++;
		xheap_trim(m->heap);
		return true;
	}
	if (kind == 14)
		return op_resize(m);
	return kind == 13 ? op_give_wrong(m) : op_give(m);
}

static noinline struct model *new_model(struct kunit *test, const struct model_kind *kind)
{
	struct model *m = xtest_room(test, 1, sizeof(*m));
	struct heap_test *t = test->priv;
	struct xheap_args args = {
		.size = kind->size, .max_size = kind->max_size, .region_size = kind->region_size,
		.max_split = kind->max_split, .max_waste = kind->max_waste, .fit = kind->fit,
		.granule = kind->granule, .by_address = kind->by_address,
	};

	args.pool = kind->pool ? new_pool(test, SZ_8M) : NULL;
	m->heap = new_heap(test, &args);
	m->base = kind->pool ? (unsigned long)t->own : BASE;
	m->size = kind->pool ? SZ_8M : kind->size;
	m->largest = (kind->max_size ?: kind->size) / 4;
	m->granule = kind->granule;
	m->by_address = kind->by_address || kind->fit == XHEAP_FIRST_FIT;
	m->live = xtest_room(test, m->size / m->granule, 1);
	xtest_seed(test, &m->rnd);
	return m;
}

static void check_model(struct kunit *test, struct model *m, unsigned long op)
{
	const struct xheap_stats *s;
	u64 live = 0;
	unsigned int i;

	for (i = 0; i < m->nr; i++)
		live += m->bytes[i];
	KUNIT_ASSERT_EQ_MSG(test, xheap_validate(m->heap), 0, "after operation %lu", op);
	s = stats_of(test, m->heap);
	KUNIT_ASSERT_EQ(test, s->live, live);
	KUNIT_ASSERT_EQ(test, s->chunks, (u64)m->nr);
}

/*
 * Random operations on each kind of heap, wrong frees of each kind among them. Expect what is
 * handed out to be free in the model, and the books to balance.
 */
static void xheap_test_model(struct kunit *test)
{
	struct model *m = new_model(test, test->param_value);
	unsigned long i, nr_ops = xtest_rounds(xtest_param(ops));

	for (i = 0; i < nr_ops; i++) {
		if (i % 1000 == 0)
			m->level = xtest_below(&m->rnd, MODEL_CHUNKS / (i / 1000 % 2 ? 1 : 16));
		KUNIT_ASSERT_TRUE_MSG(test, random_op(m), "operation %lu", i);
		if (i % 100 == 0 || i < 100)
			check_model(test, m, i);
	}
	kunit_info(test, "%lu operations: %lu plain, %lu aligned, %lu fixed, %lu free, %lu resize, %lu wrong, %lu trim\n",
		   nr_ops, m->done[0], m->done[1], m->done[2], m->done[3], m->done[4], m->done[5],
		   m->done[6]);
	while (m->nr)
		KUNIT_ASSERT_TRUE(test, op_give(m));
	check_model(test, m, nr_ops);
	KUNIT_EXPECT_EQ(test, stats_of(test, m->heap)->free_chunks,
			stats_of(test, m->heap)->regions);
}

/*
 * Contexts
 */

/* Expect a request in an NMI to fail where the lock is held, and a free not to be lost. */
static void xheap_test_nmi(struct kunit *test)
{
	struct xheap *heap = heap_of(test, SZ_4K);
	u64 a = take(test, heap, SZ_1K), b = take(test, heap, SZ_1K), c;
	unsigned long flags;

	KUNIT_EXPECT_EQ(test, free_in_nmi(heap, a), 0);
	KUNIT_EXPECT_EQ(test, free_in_nmi(heap, a), -EALREADY);
	KUNIT_EXPECT_EQ(test, free_in_nmi(heap, b + 256), -EINVAL);
	KUNIT_EXPECT_EQ(test, free_in_nmi(heap, BASE - 256), -ERANGE);
	KUNIT_EXPECT_EQ(test, free_in_nmi(heap, b), 0);
	raw_spin_lock_irqsave(&heap->lock, flags);
	KUNIT_EXPECT_NE(test, atomic_read(&heap->deferred), 0);
	preempt_count_add(NMI_OFFSET);
	KUNIT_EXPECT_EQ(test, try_take(heap, 1, &c), -ENOSPC);
	preempt_count_sub(NMI_OFFSET);
	raw_spin_unlock_irqrestore(&heap->lock, flags);
	c = take(test, heap, SZ_4K);
	give(test, heap, c);
}

/* With the lock free, an NMI allocates and frees as any. */
static void xheap_test_nmi_unlocked(struct kunit *test)
{
	struct xheap *heap = heap_of(test, SZ_4K);
	unsigned long flags;
	int err[2];
	u64 at;

	local_irq_save(flags);
	preempt_count_add(NMI_OFFSET);
	err[0] = try_take(heap, 1000, &at);
	err[1] = xheap_free_number(heap, at);
	preempt_count_sub(NMI_OFFSET);
	local_irq_restore(flags);
	KUNIT_EXPECT_EQ(test, err[0], 0);
	KUNIT_EXPECT_EQ(test, err[1], 0);
}

#define HAND_CHUNKS	64U
#define HELD_BYTES	SZ_512K	/* too little for two */

/* Chunks that a thread or an interrupt holds; each is marked while it does. */
struct holder {
	struct xheap	*heap;
	u8		*marks;		/* a byte a granule, shared */
	atomic_t	*wrong;
	u64		at[HAND_CHUNKS];
	struct rnd_state rnd;
	unsigned long	done;
};

static void hold_drop(struct holder *h, unsigned int i)
{
	if (xchg(&h->marks[(h->at[i] - BASE) / 256], 0) != 1)
		atomic_inc(h->wrong);
	if (xheap_free_number(h->heap, h->at[i]))
		atomic_inc(h->wrong);
	h->at[i] = 0;
}

static void hold_take(struct holder *h, unsigned int i)
{
	u64 at;

	if (xheap_alloc_number(h->heap, 1 + xtest_below(&h->rnd, SZ_16K), GFP_ATOMIC, &at))
		return;
	if (xchg(&h->marks[(at - BASE) / 256], 1))
		atomic_inc(h->wrong);
	h->at[i] = at;
}

static void hold_step(struct holder *h)
{
	unsigned int i = xtest_below(&h->rnd, HAND_CHUNKS);

	if (h->at[i])
		hold_drop(h, i);
	else
		hold_take(h, i);
	h->done++;
}

static void hold_none(struct holder *h)
{
	unsigned int i;

	for (i = 0; i < HAND_CHUNKS; i++)
		if (h->at[i])
			hold_drop(h, i);
}

static int hold_work(void *arg)
{
	struct hand *hand = arg;

	while (!kthread_should_stop()) {
		unsigned int i;

		for (i = 0; i < 200; i++)
			hold_step(hand->what);
		hand->done++;
		yield();
	}
	hold_none(hand->what);
	return 0;
}

static struct holder *new_holders(struct kunit *test, unsigned int nr, atomic_t *wrong)
{
	struct holder *h = xtest_room(test, nr, sizeof(*h));
	struct xheap *heap = heap_of(test, HELD_BYTES);
	u8 *marks = xtest_room(test, HELD_BYTES / 256, 1);
	unsigned int i;

	for (i = 0; i < nr; i++) {
		h[i].heap = heap;
		h[i].marks = marks;
		h[i].wrong = wrong;
		xtest_seed(test, &h[i].rnd);
	}
	return h;
}

/* Two CPUs at a heap. Expect no chunk to be held twice. */
static void xheap_test_two_cpus(struct kunit *test)
{
	struct crew *crew = xtest_room(test, 1, sizeof(*crew));
	atomic_t wrong = ATOMIC_INIT(0);
	struct holder *h = new_holders(test, 2, &wrong);

	hire(test, crew, hold_work, &h[0], true);
	hire(test, crew, hold_work, &h[1], true);
	msleep(xtest_param(run_ms));
	dismiss(test, crew);
	KUNIT_EXPECT_EQ(test, atomic_read(&wrong), 0);
	KUNIT_EXPECT_EQ(test, stats_of(test, h->heap)->chunks, 0ULL);
	expect_valid(test, h->heap);
	kunit_info(test, "%lu and %lu operations, %llu not met\n", h[0].done, h[1].done,
		   stats_of(test, h->heap)->failures);
}

#define PERIOD_NS	(IS_ENABLED(CONFIG_KASAN) ? 2000000 : 40000)

struct ticker {
	struct hrtimer	timer;
	struct holder	*holder;
};

static enum hrtimer_restart on_tick(struct hrtimer *timer)
{
	struct ticker *ticker = container_of(timer, struct ticker, timer);

	hold_step(ticker->holder);
	hrtimer_forward_now(timer, ns_to_ktime(PERIOD_NS));
	return HRTIMER_RESTART;
}

/* A timer's hard interrupt uses the heap that the task below it uses. Expect nothing lost. */
static void xheap_test_hardirq(struct kunit *test)
{
	unsigned long end = jiffies + msecs_to_jiffies(xtest_param(run_ms));
	atomic_t wrong = ATOMIC_INIT(0);
	struct holder *h = new_holders(test, 2, &wrong);
	struct ticker ticker = { .holder = &h[1] };

	KUNIT_ASSERT_EQ(test, xtest_pin(), 0);
	xcompat_hrtimer_setup_on_stack(&ticker.timer, on_tick, HRTIMER_MODE_REL_PINNED_HARD);
	hrtimer_start(&ticker.timer, ns_to_ktime(PERIOD_NS), HRTIMER_MODE_REL_PINNED_HARD);
	while (time_before(jiffies, end)) {
		hold_step(&h[0]);
		cond_resched();
	}
	hrtimer_cancel(&ticker.timer);
	destroy_hrtimer_on_stack(&ticker.timer);
	hold_none(&h[0]);
	hold_none(&h[1]);
	KUNIT_EXPECT_GT(test, h[1].done, 0UL);
	KUNIT_EXPECT_EQ(test, atomic_read(&wrong), 0);
	KUNIT_EXPECT_EQ(test, stats_of(test, h->heap)->chunks, 0ULL);
	kunit_info(test, "%lu operations, %lu of interrupts\n", h[0].done, h[1].done);
}

/* Expect no request to the system once a heap is there, also where it takes regions. */
static void xheap_test_no_hidden_requests(struct kunit *test)
{
	struct xheap *heap;
	unsigned int i, left;
	u64 at[16];
	int err = 0;

	xtest_need_failures(test);
	heap = new_heap(test, &(struct xheap_args){
		.pool = new_pool(test, SZ_8M), .max_size = SZ_4M, .region_size = SZ_64K,
		.by_address = true });
	xtest_fail_nth(XTEST_NEVER);
	for (i = 0; i < 16; i++)
		err |= try_take(heap, 1000 + i * SZ_16K, &at[i]);
	for (i = 0; i < 16; i++)
		err |= xheap_free_number(heap, at[i]);
	xheap_trim(heap);
	left = xtest_fail_end();
	KUNIT_EXPECT_EQ(test, err, 0);
	KUNIT_EXPECT_EQ(test, left, XTEST_NEVER);
}

/*
 * Each request for memory of a creation fails once. Expect -ENOMEM, or that the system had a
 * second way, and all to be given back.
 */
static void xheap_test_create_without_memory(struct kunit *test)
{
	unsigned int nth, failed = 0, left = 0;

	xtest_need_failures(test);
	for (nth = 1; nth < 1000 && !left; nth++) {
		struct xheap *heap;

		xtest_fail_nth(nth);
		heap = try_heap(&(struct xheap_args){
			.size = SZ_1M, .region_size = SZ_64K, .by_address = true });
		left = xtest_fail_end();
		failed += IS_ERR(heap);
		if (IS_ERR(heap))
			KUNIT_EXPECT_EQ(test, PTR_ERR(heap), -ENOMEM);
		KUNIT_EXPECT_EQ(test, xheap_destroy(heap), 0);
	}
	kunit_info(test, "%u requests, %u of them needed\n", nth - 2, failed);
	KUNIT_EXPECT_GT(test, left, 0U);
	KUNIT_EXPECT_GT(test, failed, 5U);
}

static struct kunit_case heap_cases[] = {
	KUNIT_CASE(xheap_test_bins),
	KUNIT_CASE(xheap_test_split_rule),
	KUNIT_CASE(xheap_test_split_rule_of_request),
	KUNIT_CASE(xheap_test_coalesce),
	KUNIT_CASE(xheap_test_fragmentation),
	KUNIT_CASE(xheap_test_idle_regions),
	KUNIT_CASE(xheap_test_idle_referenced),
	KUNIT_CASE(xheap_test_max_split),
	KUNIT_CASE(xheap_test_best_fit),
	KUNIT_CASE(xheap_test_first_fit),
	KUNIT_CASE(xheap_test_first_fit_aligned),
	KUNIT_CASE(xheap_test_alignment),
	KUNIT_CASE(xheap_test_fixed),
	KUNIT_CASE(xheap_test_like_genpool),
	KUNIT_CASE(xheap_test_genpool_wrong),
	KUNIT_CASE(xheap_test_genpool_calls),
	KUNIT_CASE(xheap_test_genpool_of_device),
	KUNIT_CASE(xheap_test_resize),
	KUNIT_CASE_PARAM(xheap_test_numbers, granule_gen_params),
	KUNIT_CASE(xheap_test_metadata),
	KUNIT_CASE(xheap_test_metadata_of_regions),
	KUNIT_CASE(xheap_test_untouched),
	KUNIT_CASE(xheap_test_pool),
	KUNIT_CASE(xheap_test_pool_too_small),
	KUNIT_CASE(xheap_test_trim),
	KUNIT_CASE(xheap_test_idle_for_others),
	KUNIT_CASE(xheap_test_live_not_for_others),
	KUNIT_CASE(xheap_test_idle_is_cached),
	KUNIT_CASE(xheap_test_pool_stays),
	KUNIT_CASE(xheap_test_max_idle),
	KUNIT_CASE(xheap_test_many_regions),
	KUNIT_CASE(xheap_test_wrong_frees),
	KUNIT_CASE(xheap_test_wrong_requests),
	KUNIT_CASE_PARAM(xheap_test_wrong_args, wrong_args_gen_params),
	KUNIT_CASE(xheap_test_others),
	KUNIT_CASE(xheap_test_destroy_in_use),
	KUNIT_CASE(xheap_test_validator_sees),
	KUNIT_CASE_PARAM(xheap_test_model, model_kind_gen_params),
	KUNIT_CASE(xheap_test_nmi),
	KUNIT_CASE(xheap_test_nmi_unlocked),
	KUNIT_CASE(xheap_test_two_cpus),
	KUNIT_CASE(xheap_test_hardirq),
	KUNIT_CASE(xheap_test_no_hidden_requests),
	KUNIT_CASE(xheap_test_create_without_memory),
	{ }
};

static struct kunit_suite heap_suite = {
	.name = "xheap",
	.init = heap_init,
	.exit = heap_exit,
	.test_cases = heap_cases,
};

kunit_test_suite(heap_suite);

MODULE_DESCRIPTION("Tests of xalloc's heaps");
MODULE_LICENSE("GPL");
