// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of memory that goes back when no client uses it.
 *
 * The curve is tested as the function that it is. What the worker does is tested
 * by waiting for it: what is asserted is what must come in the end and in which
 * order, and not when, because a loaded machine may be late. When it came is
 * printed.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/sort.h>

#include "slab/slab.h"
#include "xdecay.h"
#include "xtest.h"

static unsigned long rounds = 1000 / XTEST_SLOWER / XTEST_SLOWER;
module_param(rounds, ulong, 0444);
MODULE_PARM_DESC(rounds, "caches that are made, filled and destroyed");

static unsigned long samples = 100000 / XTEST_SLOWER;
module_param(samples, ulong, 0444);
MODULE_PARM_DESC(samples, "allocations that are timed");

#define POOL_SIZE	SZ_32M
#define PATIENCE_MS	60000	/* then it has failed */
#define BULK		64U
#define ROOM		(SZ_16M / 256)

/**
 * struct fixture - what most tests use
 * @pool: a pool that does not grow
 * @cache: a cache of it, of 256 bytes
 * @nr: objects of @cache: 16 MiB, or less where all takes long ...
 * @objs: ... that are here, where there is room for 16 MiB of them
 */
struct fixture {
	struct xpool		*pool;
	struct xslab_cache	*cache;
	size_t			nr;
	void			**objs;
};

static unsigned long ms_since(ktime_t start)
{
	return ktime_ms_delta(ktime_get(), start);
}

static void sleep_until(ktime_t start, unsigned long ms)
{
	unsigned long now = ms_since(start);

	if (now < ms)
		msleep(ms - now);
}

/* Wait until the cache has no slab. Returns false if that takes too long. */
static bool wait_for_none(struct xslab_cache *cache)
{
	return xtest_soon(!cache_pages(cache), PATIENCE_MS);
}

/* Wait until the worker has not run for @ms. Returns false if it always does. */
static bool wait_for_rest(unsigned int ms)
{
	ktime_t start = ktime_get();
	unsigned long runs;

	do {
		if (ms_since(start) > PATIENCE_MS)
			return false;
		runs = xdecay_runs();
		msleep(ms);
	} while (runs != xdecay_runs());
	return true;
}

static void take(struct kunit *test, struct xslab_cache *cache, void **objs, size_t nr)
{
	KUNIT_ASSERT_EQ(test, (size_t)xslab_cache_alloc_bulk(cache, GFP_KERNEL, nr, objs), nr);
}

static struct xslab_cache *make_cache(struct kunit *test, struct xpool *pool, size_t size)
{
	struct xslab_args args = { .name = "xdecay-test", .size = size };
	struct xslab_cache *cache = xslab_cache_create_in(pool, &args);

	KUNIT_ASSERT_FALSE(test, IS_ERR(cache));
	return cache;
}

static int decay_init(struct kunit *test)
{
	struct xpool_args args = { .name = "xdecay-test", .size = POOL_SIZE };
	struct xslab_args cache = { .name = "xdecay-test", .size = 256 };
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	if (!f)
		return -ENOMEM;
	test->priv = f;
	f->nr = xtest_rounds(ROOM);
	f->objs = vzalloc(ROOM * sizeof(*f->objs));
	f->pool = xpool_create(&args);
	if (!f->objs || IS_ERR(f->pool))
		return -ENOMEM;
	f->cache = xslab_cache_create_in(f->pool, &cache);
	return PTR_ERR_OR_ZERO(f->cache);
}

static void decay_exit(struct kunit *test)
{
	struct fixture *f = test->priv;

	if (!f)
		return;
	if (!IS_ERR_OR_NULL(f->cache)) {
		xslab_cache_free_bulk(f->cache, f->nr, f->objs);
		KUNIT_EXPECT_EQ(test, xslab_validate(f->cache), 0);
		KUNIT_EXPECT_EQ(test, xslab_cache_destroy(f->cache), 0);
	}
	KUNIT_EXPECT_EQ(test, xpool_destroy(f->pool), 0);
	vfree(f->objs);
}

/* All that the fixture has, freed; one by one, so that magazines get their share. */
static void free_all(struct fixture *f)
{
	size_t i;

	for (i = 0; i < f->nr; i++) {
		xslab_cache_free(f->cache, f->objs[i]);
		f->objs[i] = NULL;
	}
}

/*
 * The curve
 */

/* 2048 pages, all unused at once: what may stay is the weights themselves. */
static void test_curve(struct kunit *test)
{
	struct xcurve curve = { };
	unsigned long limit, last = 2048;
	unsigned int k;

	xdecay_curve_step(&curve, 1, 2048);
	for (k = 1; k <= 16; k++) {
		limit = xdecay_curve_limit(&curve);
		KUNIT_EXPECT_EQ(test, limit, (16UL - k) * (16 - k) * (8 + k));
		KUNIT_EXPECT_LT(test, limit, last);
		last = limit;
		curve.last_unused = limit;
		xdecay_curve_step(&curve, 1, limit);
	}
	KUNIT_EXPECT_EQ(test, xdecay_curve_limit(&curve), 0UL);
}

/* Expect as much to go in the first half as in the second: w(k) + w(16 - k) = 1. */
static void test_curve_symmetric(struct kunit *test)
{
	unsigned int k;

	for (k = 1; k < 16; k++) {
		struct xcurve young = { }, old = { };

		xdecay_curve_add(&young, k - 1, 2048);
		xdecay_curve_add(&old, 15 - k, 2048);
		KUNIT_EXPECT_EQ(test, xdecay_curve_limit(&young) + xdecay_curve_limit(&old),
				2048UL);
	}
}

/* Nothing is old before it was unused: what was kept before is no news. */
static void test_curve_only_news(struct kunit *test)
{
	struct xcurve curve = { .last_unused = 1000 };

	xdecay_curve_step(&curve, 1, 1000);
	KUNIT_EXPECT_EQ(test, xdecay_curve_limit(&curve), 0UL);
	curve.last_unused = 1000;
	xdecay_curve_step(&curve, 1, 700);
	KUNIT_EXPECT_EQ(test, xdecay_curve_limit(&curve), 0UL);
	curve.last_unused = 700;
	xdecay_curve_step(&curve, 1, 2748);
	KUNIT_EXPECT_EQ(test, xdecay_curve_limit(&curve), 225UL * 9);
}

/* Epochs that are over all at once count as if they had been seen one by one. */
static void test_curve_late(struct kunit *test)
{
	unsigned int late, k;

	for (late = 1; late < 20; late++) {
		struct xcurve one = { }, many = { };

		xdecay_curve_step(&one, 1, 12345);
		xdecay_curve_step(&many, 1, 12345);
		one.last_unused = 12345;
		many.last_unused = 12345;
		for (k = 0; k < late; k++)
			xdecay_curve_step(&one, 1, 12345);
		xdecay_curve_step(&many, late, 12345);
		KUNIT_EXPECT_EQ(test, xdecay_curve_limit(&one), xdecay_curve_limit(&many));
		KUNIT_EXPECT_EQ(test, !xdecay_curve_limit(&many), late >= 15);
	}
}

/* Expect several epochs to add up, the largest pool not to overflow, old age to end. */
static void test_curve_sum(struct kunit *test)
{
	struct xcurve curve = { };
	unsigned int k;

	for (k = 0; k < 16; k++)
		xdecay_curve_add(&curve, k, 1UL << 32);
	xdecay_curve_add(&curve, 16, 1UL << 32);
	xdecay_curve_add(&curve, UINT_MAX, 1UL << 32);
	/* Symmetric, so the 16 weights from 1 to 16 are 7.5 in all. */
	KUNIT_EXPECT_EQ(test, xdecay_curve_limit(&curve), 15UL << 31);
}

/*
 * What is set
 */

static void test_bad_values(struct kunit *test)
{
	static const long bad[] = { -2, LONG_MIN, 24 * 3600 * 1000 + 1, LONG_MAX };
	struct fixture *f = test->priv;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, xpool_set_decay(f->pool, 24 * 3600 * 1000), 0);
	KUNIT_ASSERT_EQ(test, xslab_cache_set_decay(f->cache, -1), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		KUNIT_EXPECT_EQ(test, xpool_set_decay(f->pool, bad[i]), -EINVAL);
		KUNIT_EXPECT_EQ(test, xslab_cache_set_decay(f->cache, bad[i]), -EINVAL);
	}
	KUNIT_EXPECT_EQ(test, xpool_get_decay(f->pool), 24 * 3600 * 1000L);
	KUNIT_EXPECT_EQ(test, xslab_cache_get_decay(f->cache), -1L);
}

/* A cache has the time of its pool, also when that changes, until it has its own. */
static void test_inheritance(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, xpool_get_decay(f->pool), 10000L);
	KUNIT_EXPECT_EQ(test, xslab_cache_get_decay(f->cache), 10000L);
	KUNIT_EXPECT_EQ(test, xpool_set_decay(f->pool, 777), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_get_decay(f->cache), 777L);
	KUNIT_EXPECT_EQ(test, xslab_cache_set_decay(f->cache, 5), 0);
	KUNIT_EXPECT_EQ(test, xpool_set_decay(f->pool, -1), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_get_decay(f->cache), 5L);
}

/*
 * What goes back, and when
 */

/* Free 16 MiB with 1 s. Expect what is held to fall, never to rise, and to end. */
static void test_row_6(struct kunit *test)
{
	unsigned long before, now, last, at_1s = 0, ms = 0, steps = 0, i;
	struct fixture *f = test->priv;
	ktime_t start;

	xslab_cache_set_decay(f->cache, 1000);
	take(test, f->cache, f->objs, f->nr);
	before = cache_pages(f->cache);
	last = before;
	free_all(f);
	start = ktime_get();
	for (i = 1, now = before; now && i < PATIENCE_MS / 50; i++) {
		sleep_until(start, i * 50);
		ms = ms_since(start);
		now = cache_pages(f->cache);
		KUNIT_EXPECT_LE(test, now, last);
		steps += now < last;
		if (i == 20)
			at_1s = now;
		last = now;
	}
	KUNIT_EXPECT_EQ(test, now, 0UL);
	KUNIT_EXPECT_GE(test, before, f->nr * 256 >> PAGE_SHIFT);
	/* A curve and no cliff, unless the machine did not let the worker run. */
	KUNIT_EXPECT_GT(test, steps, 1UL);
	kunit_info(test, "row 6: %lu.%02lu %% at 1 s, 0 pages at %lu ms, %lu steps\n",
		   at_1s * 100 / before, at_1s * 10000 / before % 100, ms, steps);
}

/* Objects of eight sizes, taken together and freed in another order. */
struct mix {
	struct xslab_cache	*caches[8];
	size_t			nr[8];
	void			**objs[8];
};

#define MIX_BYTES	(20 << 20)

static const unsigned int mix_sizes[] = { 64, 120, 256, 500, 1000, 2048, 3000, 4096 };

static void mix_pages(struct mix *m, unsigned long *pages)
{
	unsigned int i;

	for (*pages = 0, i = 0; i < ARRAY_SIZE(m->caches); i++)
		*pages += cache_pages(m->caches[i]);
}

static void mix_take(struct kunit *test, struct fixture *f, struct mix *m)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(m->caches); i++) {
		m->caches[i] = make_cache(test, f->pool, mix_sizes[i]);
		xslab_cache_set_decay(m->caches[i], 1000);
		m->nr[i] = MIX_BYTES / ARRAY_SIZE(m->caches) / mix_sizes[i];
		m->objs[i] = vzalloc(m->nr[i] * sizeof(void *));
		KUNIT_ASSERT_NOT_NULL(test, m->objs[i]);
		take(test, m->caches[i], m->objs[i], m->nr[i]);
	}
}

/* In random order: then magazines hold objects of as many slabs as they can. */
static void mix_free(struct kunit *test, struct mix *m)
{
	struct rnd_state rnd;
	unsigned int i;

	xtest_seed(test, &rnd);
	for (i = 0; i < ARRAY_SIZE(m->caches); i++) {
		void **objs = m->objs[i];
		size_t left = m->nr[i];

		while (left) {
			unsigned int pick = xtest_below(&rnd, left);

			swap(objs[pick], objs[left - 1]);
			xslab_cache_free(m->caches[i], objs[--left]);
		}
	}
}

static void mix_destroy(struct kunit *test, struct mix *m)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(m->caches); i++) {
		KUNIT_EXPECT_EQ(test, xslab_cache_destroy(m->caches[i]), 0);
		vfree(m->objs[i]);
	}
}

/* No call for a second. Expect what is held to go by itself. */
static void test_row_5_idle(struct kunit *test)
{
	unsigned long before, now, at_1s, ms;
	struct fixture *f = test->priv;
	struct mix m = { };
	ktime_t start;

	mix_take(test, f, &m);
	mix_pages(&m, &before);
	mix_free(test, &m);
	start = ktime_get();
	sleep_until(start, 1000);
	mix_pages(&m, &at_1s);
	do {
		mix_pages(&m, &now);
		ms = ms_since(start);
		msleep(20);
	} while (now && ms < PATIENCE_MS);
	KUNIT_EXPECT_EQ(test, now, 0UL);
	KUNIT_EXPECT_GE(test, before, MIX_BYTES >> PAGE_SHIFT);
	kunit_info(test, "row 5 idle: %lu.%02lu %% after 1 s, 0 pages at %lu ms\n",
		   at_1s * 100 / before, at_1s * 10000 / before % 100, ms);
	mix_destroy(test, &m);
}

/* Expect each cache to leave the pool as it found it, whatever the worker is at. */
static void test_row_5_drift(struct kunit *test)
{
	unsigned long i, nr = xtest_rounds(xtest_param(rounds)), worst = 0;
	struct xpool_stats first, now;
	struct fixture *f = test->priv;
	struct rnd_state rnd;

	xtest_seed(test, &rnd);
	xpool_set_decay(f->pool, 20);
	for (i = 0; i <= nr; i++) {
		size_t size = 64 + xtest_below(&rnd, 4096 - 64 + 1);
		struct xslab_cache *cache = make_cache(test, f->pool, size);
		size_t n, left = min_t(size_t, MIX_BYTES / size, f->nr);

		while (left) {
			n = min_t(size_t, left, f->nr);
			take(test, cache, f->objs, n);
			xslab_cache_free_bulk(cache, n, f->objs);
			left -= n;
		}
		KUNIT_ASSERT_EQ(test, xslab_cache_destroy(cache), 0);
		now = pool_stats(f->pool);
		if (!i)
			first = now;
		worst = max_t(unsigned long, worst, first.free - min(first.free, now.free));
		KUNIT_EXPECT_EQ(test, first.metadata, now.metadata);
		cond_resched();
	}
	memset(f->objs, 0, ROOM * sizeof(*f->objs));
	KUNIT_EXPECT_EQ(test, worst, 0UL);
	KUNIT_EXPECT_EQ(test, now.free, now.total);
	KUNIT_EXPECT_EQ(test, xpool_validate(f->pool), 0);
	kunit_info(test, "row 5 drift: %lu pages, %lu caches\n", worst, nr);
}

/* Decay of -1. Expect nothing to go, and the worker not to look. */
static void test_never(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long before, runs;

	KUNIT_ASSERT_EQ(test, xpool_set_decay(f->pool, -1), 0);
	take(test, f->cache, f->objs, f->nr);
	free_all(f);
	before = cache_pages(f->cache);
	KUNIT_ASSERT_TRUE(test, wait_for_rest(100));
	runs = xdecay_runs();
	msleep(500);
	KUNIT_EXPECT_EQ(test, cache_pages(f->cache), before);
	KUNIT_EXPECT_EQ(test, xdecay_runs(), runs);
	/* Set to anything else, it is over. */
	KUNIT_ASSERT_EQ(test, xpool_set_decay(f->pool, 50), 0);
	KUNIT_EXPECT_TRUE(test, wait_for_none(f->cache));
}

/* Decay of 0. Expect no slab without objects after any call, not even for a moment. */
static void test_at_once(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct xslab_stats s;
	size_t i;

	KUNIT_ASSERT_EQ(test, xslab_cache_set_decay(f->cache, 0), 0);
	take(test, f->cache, f->objs, f->nr);
	for (i = 0; i < f->nr; i += BULK) {
		xslab_cache_free_bulk(f->cache, BULK, f->objs + i);
		memset(f->objs + i, 0, BULK * sizeof(*f->objs));
		s = cache_stats(f->cache);
		KUNIT_ASSERT_EQ(test, s.slabs_free, 0ULL);
	}
	KUNIT_EXPECT_EQ(test, s.slabs, 0ULL);
}

/* Like test_at_once(), but through magazines: what they hold goes once the cache is quiet. */
static void test_at_once_magazines(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct xslab_stats s;

	take(test, f->cache, f->objs, f->nr);
	KUNIT_ASSERT_EQ(test, xslab_cache_set_decay(f->cache, 0), 0);
	free_all(f);
	s = cache_stats(f->cache);
	KUNIT_EXPECT_EQ(test, s.slabs_free, 0ULL);
	KUNIT_EXPECT_TRUE(test, wait_for_none(f->cache));
}

/* Expect what is empty when 0 is set to be gone when that returns. */
static void test_set_at_once(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, xpool_set_decay(f->pool, -1), 0);
	take(test, f->cache, f->objs, f->nr);
	free_all(f);
	KUNIT_EXPECT_GT(test, cache_pages(f->cache), 0UL);
	KUNIT_ASSERT_EQ(test, xpool_set_decay(f->pool, 0), 0);
	KUNIT_EXPECT_EQ(test, cache_pages(f->cache), 0UL);
}

/* What prefill asked for stays; what it no longer asks for goes. */
static void test_prefill(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct xslab_stats s;

	KUNIT_ASSERT_EQ(test, xslab_cache_set_decay(f->cache, 50), 0);
	KUNIT_ASSERT_EQ(test, xslab_cache_prefill(f->cache, 5000), 0);
	take(test, f->cache, f->objs, f->nr);
	free_all(f);
	KUNIT_ASSERT_TRUE(test, wait_for_rest(200));
	s = cache_stats(f->cache);
	KUNIT_EXPECT_GE(test, s.slab_free, 5000ULL);
	KUNIT_EXPECT_LT(test, s.slab_free, (u64)f->nr);
	KUNIT_ASSERT_EQ(test, xslab_cache_prefill(f->cache, 0), 0);
	KUNIT_EXPECT_TRUE(test, wait_for_none(f->cache));
}

/*
 * The worker
 */

/* Expect the worker to rest when nothing is unused, and a single object to wake it. */
static void test_sleep_and_wake(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long runs;
	unsigned int i;
	void *obj;

	KUNIT_ASSERT_EQ(test, xslab_cache_set_decay(f->cache, 50), 0);
	for (i = 0; i < 5; i++) {
		KUNIT_ASSERT_TRUE(test, wait_for_rest(200));
		runs = xdecay_runs();
		obj = xslab_cache_alloc(f->cache, GFP_KERNEL);
		KUNIT_ASSERT_EQ(test, xslab_cache_free(f->cache, obj), 0);
		KUNIT_EXPECT_TRUE(test, wait_for_none(f->cache));
		KUNIT_EXPECT_GT(test, xdecay_runs(), runs);
	}
}

/* An object is live while the worker sleeps; its free, into a magazine, wakes the worker. */
static void test_woken_by_free(struct kunit *test)
{
	struct fixture *f = test->priv;
	void *obj;

	KUNIT_ASSERT_EQ(test, xslab_cache_set_decay(f->cache, 50), 0);
	obj = xslab_cache_alloc(f->cache, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, obj);
	KUNIT_ASSERT_TRUE(test, wait_for_rest(200));
	KUNIT_EXPECT_GT(test, cache_pages(f->cache), 0UL);
	KUNIT_ASSERT_EQ(test, xslab_cache_free(f->cache, obj), 0);
	KUNIT_EXPECT_TRUE(test, wait_for_none(f->cache));
}

/* Like test_woken_by_free(), but past magazines: the slab that becomes empty wakes it. */
static void test_woken_by_empty_slab(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, xslab_cache_set_decay(f->cache, 50), 0);
	take(test, f->cache, f->objs, 1000);
	KUNIT_ASSERT_TRUE(test, wait_for_rest(200));
	KUNIT_EXPECT_GT(test, cache_pages(f->cache), 0UL);
	xslab_cache_free_bulk(f->cache, 1000, f->objs);
	memset(f->objs, 0, 1000 * sizeof(*f->objs));
	KUNIT_EXPECT_TRUE(test, wait_for_none(f->cache));
}

/* The test holds the worker. Expect no allocation and no free to do its work. */
static void test_off_the_path(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long before;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, xslab_cache_set_decay(f->cache, 20), 0);
	take(test, f->cache, f->objs, f->nr);
	before = cache_pages(f->cache);
	xdecay_hold();
	free_all(f);
	for (i = 0; i < 1000; i++) {
		void *obj = xslab_cache_alloc(f->cache, GFP_KERNEL);

		KUNIT_EXPECT_EQ(test, xslab_cache_free(f->cache, obj), 0);
		if (!(i % 10))
			usleep_range(1000, 2000);
	}
	KUNIT_EXPECT_EQ(test, cache_pages(f->cache), before);
	xdecay_release();
	KUNIT_EXPECT_TRUE(test, wait_for_none(f->cache));
}

/* Caches go while the worker is about to give back of them. */
static void test_destroy_under_decay(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, xpool_set_decay(f->pool, 1), 0);
	for (i = 0; i < xtest_rounds(100); i++) {
		struct xslab_cache *one = make_cache(test, f->pool, 64);
		struct xslab_cache *two = make_cache(test, f->pool, 512);

		take(test, one, f->objs, 2000);
		xslab_cache_free_bulk(one, 2000, f->objs);
		take(test, two, f->objs, 2000);
		usleep_range(100, 3000);
		xslab_cache_free_bulk(two, 2000, f->objs);
		KUNIT_EXPECT_EQ(test, xslab_cache_destroy(one), 0);
		KUNIT_EXPECT_EQ(test, xslab_cache_destroy(two), 0);
	}
	memset(f->objs, 0, 2000 * sizeof(*f->objs));
	KUNIT_EXPECT_EQ(test, xpool_validate(f->pool), 0);
}

/*
 * Pools that grow
 */

#define GROWN_PAGES	(SZ_16M >> PAGE_SHIFT)

/* Take pages one by one; the pool grows meanwhile, so it may have none for a moment. */
static unsigned long take_pages(struct xpool *pool, void **pages, unsigned long nr)
{
	ktime_t start = ktime_get();
	unsigned long got = 0;

	while (got < nr && ms_since(start) < PATIENCE_MS) {
		pages[got] = xpool_alloc_addr(pool, 0, GFP_KERNEL);
		if (pages[got])
			got++;
		else
			usleep_range(1000, 2000);
	}
	return got;
}

/* What was asked for while there were few pages may come when they are not few any more. */
static void wait_for_growth(struct xpool *pool)
{
	irq_work_sync(&pool->grow->soon);
	flush_work(&pool->grow->work);
}

/* Expect all but the initial size to go back to the system, and no step up. */
static void test_pool(struct kunit *test)
{
	struct xpool_args args = { .name = "xdecay-grow", .size = SZ_4M, .max_size = SZ_64M };
	struct xpool *pool = xpool_create(&args);
	unsigned long i, got;
	struct fixture *f = test->priv;
	u64 before, now, last;
	ktime_t start;

	KUNIT_ASSERT_FALSE(test, IS_ERR(pool));
	KUNIT_ASSERT_EQ(test, xpool_set_decay(pool, 500), 0);
	got = take_pages(pool, f->objs, GROWN_PAGES);
	KUNIT_EXPECT_EQ(test, got, (unsigned long)GROWN_PAGES);
	wait_for_growth(pool);
	before = pool_stats(pool).total;
	for (i = 0; i < got; i++)
		xpool_free_addr(pool, f->objs[i], 0);
	memset(f->objs, 0, got * sizeof(*f->objs));
	last = before;
	start = ktime_get();
	do {
		msleep(20);
		now = pool_stats(pool).total;
		KUNIT_EXPECT_LE(test, now, last);
		last = now;
	} while (now > SZ_4M >> PAGE_SHIFT && ms_since(start) < PATIENCE_MS);
	KUNIT_EXPECT_EQ(test, now, (u64)SZ_4M >> PAGE_SHIFT);
	kunit_info(test, "%llu pages, then %llu after %lu ms\n", before, now, ms_since(start));
	KUNIT_EXPECT_TRUE(test, wait_for_rest(200));
	KUNIT_EXPECT_EQ(test, xpool_validate(pool), 0);
	KUNIT_EXPECT_EQ(test, xpool_destroy(pool), 0);
}

static bool wait_for_initial(struct xpool *pool)
{
	return xtest_soon(pool_stats(pool).total <= SZ_4M >> PAGE_SHIFT, PATIENCE_MS);
}

/* Past magazines: a large block, which is kept as it is, and slabs, which are not. */
static void test_pool_woken_by_region(struct kunit *test)
{
	struct xpool_args args = { .name = "xdecay-grow", .size = SZ_4M, .max_size = SZ_64M };
	struct xpool *pool = xpool_create(&args);
	struct fixture *f = test->priv;
	struct xslab_cache *cache;
	unsigned int tries;
	unsigned long got;
	void *block = NULL;

	KUNIT_ASSERT_FALSE(test, IS_ERR(pool));
	KUNIT_ASSERT_EQ(test, xpool_set_decay(pool, 50), 0);
	cache = make_cache(test, pool, 2048);
	got = take_pages(pool, f->objs, SZ_8M >> PAGE_SHIFT);
	for (tries = 0; !block && tries < 1000; tries++) {
		block = xpool_alloc_addr(pool, 10, GFP_KERNEL);
		usleep_range(1000, 2000);
	}
	KUNIT_EXPECT_NOT_NULL(test, block);
	while (got)
		xpool_free_addr(pool, f->objs[--got], 0);
	KUNIT_ASSERT_TRUE(test, wait_for_rest(200));
	KUNIT_EXPECT_GT(test, pool_stats(pool).total, (u64)SZ_4M >> PAGE_SHIFT);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, block, 10), 0);
	KUNIT_EXPECT_TRUE(test, wait_for_initial(pool));

	while (pool_stats(pool).total < SZ_16M >> PAGE_SHIFT && got < ROOM)
		if (xslab_cache_alloc_bulk(cache, GFP_KERNEL, BULK, f->objs + got))
			got += BULK;
	KUNIT_EXPECT_EQ(test, xslab_cache_set_decay(cache, -1), 0);
	KUNIT_ASSERT_TRUE(test, wait_for_rest(200));
	xslab_cache_free_bulk(cache, got, f->objs);
	memset(f->objs, 0, ROOM * sizeof(*f->objs));
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
	KUNIT_EXPECT_TRUE(test, wait_for_initial(pool));
	KUNIT_EXPECT_EQ(test, xpool_destroy(pool), 0);
}

/* A page in a magazine holds a region; its free wakes, and the region goes. */
static void test_pool_woken(struct kunit *test)
{
	struct xpool_args args = { .name = "xdecay-grow", .size = SZ_4M, .max_size = SZ_64M };
	struct xpool *pool = xpool_create(&args);
	struct fixture *f = test->priv;
	unsigned long i, got;

	KUNIT_ASSERT_FALSE(test, IS_ERR(pool));
	KUNIT_ASSERT_EQ(test, xpool_set_decay(pool, 50), 0);
	got = take_pages(pool, f->objs, GROWN_PAGES);
	for (i = 0; i + 1 < got; i++)
		xpool_free_addr(pool, f->objs[i], 0);
	KUNIT_ASSERT_TRUE(test, wait_for_rest(200));
	KUNIT_EXPECT_GT(test, pool_stats(pool).total, (u64)SZ_4M >> PAGE_SHIFT);
	xpool_free_addr(pool, f->objs[got - 1], 0);
	memset(f->objs, 0, got * sizeof(*f->objs));
	KUNIT_EXPECT_TRUE(test, wait_for_initial(pool));
	KUNIT_EXPECT_EQ(test, xpool_destroy(pool), 0);
}

/*
 * What it costs the others
 */

/* A thread that uses a cache of its own, and has the worker run each time. */
struct nuisance {
	struct xslab_cache	*cache;
	void			**objs;
	size_t			nr;
	long			ms;
	unsigned long		given;
};

static int be_a_nuisance(void *arg)
{
	struct nuisance *n = arg;

	while (!kthread_should_stop()) {
		unsigned long before;

		if (!xslab_cache_alloc_bulk(n->cache, GFP_KERNEL, n->nr, n->objs))
			break;
		before = cache_pages(n->cache);
		xslab_cache_free_bulk(n->cache, n->nr, n->objs);
		xslab_cache_set_decay(n->cache, n->ms);
		usleep_range(2000, 3000);
		n->given += before - min(before, cache_pages(n->cache));
	}
	return xtest_stay();
}

static int by_number(const void *a, const void *b)
{
	const u32 *left = a, *right = b;

	return *left < *right ? -1 : *left > *right;
}

/* The 99th percentile of @nr allocations, in ns, while the other thread works. */
static u32 measure(struct xslab_cache *cache, u32 *times, unsigned long nr)
{
	void *objs[BULK];
	unsigned long i, j;

	for (i = 0; i < nr; i += BULK) {
		for (j = 0; j < BULK; j++) {
			u64 start = ktime_get_ns();

			objs[j] = xslab_cache_alloc(cache, GFP_KERNEL);
			times[i + j] = min_t(u64, ktime_get_ns() - start, U32_MAX);
		}
		for (j = 0; j < BULK; j++)
			xslab_cache_free(cache, objs[j]);
		cond_resched();
	}
	sort(times, nr, sizeof(*times), by_number, NULL);
	return times[nr - 1 - nr / 100];
}

static u32 measure_beside(struct kunit *test, struct nuisance *n, long ms, u32 *times,
			  unsigned long nr)
{
	struct fixture *f = test->priv;
	struct task_struct *task;
	u32 p99;

	n->ms = ms;
	task = kthread_run(be_a_nuisance, n, "xdecay-nuisance");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	p99 = measure(f->cache, times, nr);
	kthread_stop(task);
	return p99;
}

/*
 * Expect the worker to have had plenty to do. The best of five of each, alternately, so
 * that what else goes on in the machine counts for both.
 */
static void test_row_16(struct kunit *test)
{
	unsigned long nr = round_up(xtest_rounds(xtest_param(samples)), BULK);
	struct nuisance n = { .nr = SZ_4M / 256 };
	u32 *times = vzalloc(nr * sizeof(*times)), with = U32_MAX, without = U32_MAX;
	struct fixture *f = test->priv;
	unsigned long share;
	unsigned int i;

	n.cache = make_cache(test, f->pool, 256);
	n.objs = vzalloc(n.nr * sizeof(void *));
	KUNIT_ASSERT_TRUE(test, times && n.objs);
	xslab_cache_set_decay(f->cache, -1);
	for (i = 0; i < 5; i++) {
		without = min(without, measure_beside(test, &n, -1, times, nr));
		with = min(with, measure_beside(test, &n, 0, times, nr));
	}
	share = with * 100UL / max(without, 1U);
	KUNIT_EXPECT_GT(test, n.given, 0UL);
	kunit_info(test, "row 16: %lu.%02lu times, p99 %u ns with the worker, %u ns without, %lu pages given back\n",
		   share / 100, share % 100, with, without, n.given);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(n.cache), 0);
	vfree(n.objs);
	vfree(times);
}

static struct kunit_case decay_cases[] = {
	KUNIT_CASE(test_curve),
	KUNIT_CASE(test_curve_symmetric),
	KUNIT_CASE(test_curve_only_news),
	KUNIT_CASE(test_curve_late),
	KUNIT_CASE(test_curve_sum),
	KUNIT_CASE(test_bad_values),
	KUNIT_CASE(test_inheritance),
	KUNIT_CASE(test_row_6),
	KUNIT_CASE(test_row_5_idle),
	KUNIT_CASE(test_row_5_drift),
	KUNIT_CASE(test_never),
	KUNIT_CASE(test_at_once),
	KUNIT_CASE(test_at_once_magazines),
	KUNIT_CASE(test_set_at_once),
	KUNIT_CASE(test_prefill),
	KUNIT_CASE(test_sleep_and_wake),
	KUNIT_CASE(test_woken_by_free),
	KUNIT_CASE(test_woken_by_empty_slab),
	KUNIT_CASE(test_off_the_path),
	KUNIT_CASE(test_destroy_under_decay),
	KUNIT_CASE(test_pool),
	KUNIT_CASE(test_pool_woken),
	KUNIT_CASE(test_pool_woken_by_region),
	KUNIT_CASE(test_row_16),
	{ }
};

static struct kunit_suite decay_suite = {
	.name = "xdecay",
	.init = decay_init,
	.exit = decay_exit,
	.test_cases = decay_cases,
};

kunit_test_suite(decay_suite);

MODULE_DESCRIPTION("Tests of xalloc's decay");
MODULE_LICENSE("GPL");
