/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What suites of caches share: pools and caches that go after the test, and their books.
 *
 * Each test makes its own pool and caches. They are destroyed after the test,
 * which must have freed all objects by then: that the destruction succeeds, and
 * that the pool then has all its pages, is part of each.
 *
 * A test keeps to one CPU unless it says otherwise, so that what magazines hold
 * is known exactly.
 *
 * The functions are not inline: copies of what they keep on the stack would fill that of a
 * test, where KASAN keeps them apart. Not each suite uses all of them.
 */
#ifndef _XALLOC_XFIXTURE_H
#define _XALLOC_XFIXTURE_H

#include <kunit/test.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include <xalloc/xpool.h>
#include <xalloc/xslab.h>

#include "slab/slab.h"
#include "xtest.h"

/* Debug kernels are slow: there, tests that make many operations make fewer. */
#define SLOWNESS	(IS_ENABLED(CONFIG_KASAN) ? 20 : 1)

#define POOL_SIZE	(16UL << 20)
#define MAX_CACHES	101U

/*
 * What a test has, and gives back in the end: pools, and the caches in them.
 */
struct fixture {
	struct xpool		*pool;
	struct xpool		*second;
	struct xslab_cache	*caches[MAX_CACHES];
	unsigned int		nr_caches;
	bool			hung;		/* a task does not end: nothing is given back */
	void			*own;
	void			*forbidden;
};

static __maybe_unused int fixture_init(struct kunit *test)
{
	test->priv = kunit_kzalloc(test, sizeof(struct fixture), GFP_KERNEL);
	return test->priv ? xtest_pin() : -ENOMEM;
}

static __maybe_unused struct xpool *fixture_pool(struct kunit *test)
{
	struct fixture *f = test->priv;

	return f->pool;
}

/* Expect a pool to have all its pages, those in magazines too once they are collected. */
static __maybe_unused void destroy_pool(struct kunit *test, struct xpool **at)
{
	struct xpool *pool = *at;
	struct xpool_stats stats;

	if (!pool)
		return;
	xtest_wait_gathered(pool);
	stats = pool_stats(pool);
	KUNIT_EXPECT_EQ(test, stats.free + stats.magazines, stats.total);
	KUNIT_EXPECT_EQ(test, xpool_validate(pool), 0);
	xpool_collect(pool, true);
	stats = pool_stats(pool);
	KUNIT_EXPECT_EQ(test, stats.free, stats.total);
	KUNIT_EXPECT_EQ(test, stats.live_bytes, 0ULL);
	KUNIT_EXPECT_EQ(test, xpool_validate(pool), 0);
	KUNIT_EXPECT_EQ(test, xpool_destroy(pool), 0);
	*at = NULL;
}

/* Expect all to be given back; the test may make others then. */
static __maybe_unused void end_fixture(struct kunit *test)
{
	struct fixture *f = test->priv;

	while (f->nr_caches)
		KUNIT_EXPECT_EQ(test, xslab_cache_destroy(f->caches[--f->nr_caches]), 0);
	destroy_pool(test, &f->pool);
	destroy_pool(test, &f->second);
}

static __maybe_unused void fixture_exit(struct kunit *test)
{
	struct fixture *f = test->priv;

	if (!f || f->hung)
		return;
	end_fixture(test);
	vfree(f->own);
	vunmap(f->forbidden);
}

/* A pool over @addr, or of the system's memory for NULL; with @max_size it may grow. */
static __maybe_unused struct xpool *
new_pool(struct kunit *test, void *addr, size_t size, size_t max_size)
{
	static unsigned int nr;	/* of pools so far: one that stayed does not fail the next test */
	char name[XPOOL_NAME_MAX];
	struct xpool *pool;

	snprintf(name, sizeof(name), KBUILD_MODNAME "-%u", nr++);
	pool = xpool_create(&(struct xpool_args){
		.name = name, .addr = addr, .size = size, .max_size = max_size });
	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(pool), "error %ld", PTR_ERR(pool));
	return pool;
}

static __maybe_unused struct fixture *
with_growing_pool(struct kunit *test, size_t size, size_t max_size)
{
	struct fixture *f = test->priv;

	f->pool = new_pool(test, NULL, size, max_size);
	return f;
}

/* Nothing goes back by itself. */
static __maybe_unused struct fixture *
with_steady_pool(struct kunit *test, size_t size, size_t max_size)
{
	struct fixture *f = with_growing_pool(test, size, max_size);

	KUNIT_ASSERT_EQ(test, xpool_set_decay(f->pool, -1), 0);
	return f;
}

static __maybe_unused struct fixture *with_pool(struct kunit *test, size_t size)
{
	return with_growing_pool(test, size, 0);
}

static __maybe_unused struct xslab_cache *
add_cache_in(struct kunit *test, struct xpool *pool, const struct xslab_args *args)
{
	struct fixture *f = test->priv;
	struct xslab_cache *cache = xslab_cache_create_in(pool, args);

	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(cache), "error %ld", PTR_ERR(cache));
	KUNIT_ASSERT_LT(test, f->nr_caches, MAX_CACHES);
	f->caches[f->nr_caches++] = cache;
	return cache;
}

static __maybe_unused struct xslab_cache *
add_cache(struct kunit *test, const struct xslab_args *args)
{
	return add_cache_in(test, fixture_pool(test), args);
}

static __maybe_unused struct xslab_cache *add_size(struct kunit *test, size_t size)
{
	return add_cache(test, &(struct xslab_args){ .name = "test", .size = size });
}

static __maybe_unused struct xslab_cache *
with_args(struct kunit *test, size_t pool_size, const struct xslab_args *args)
{
	with_pool(test, pool_size);
	return add_cache(test, args);
}

static __maybe_unused struct xslab_cache *
with_cache(struct kunit *test, size_t pool_size, size_t size)
{
	return with_args(test, pool_size, &(struct xslab_args){ .name = "test", .size = size });
}

/* It is no cache of the test's any more. */
static __maybe_unused void forget_cache(struct kunit *test, struct xslab_cache *cache)
{
	struct fixture *f = test->priv;
	unsigned int i;

	for (i = 0; i < f->nr_caches; i++)
		if (f->caches[i] == cache) {
			f->caches[i] = f->caches[--f->nr_caches];
			return;
		}
}

static __maybe_unused int
set_limits(struct xslab_cache *cache, unsigned long hard, unsigned long keep)
{
	return xslab_cache_set_limits(cache, &(struct xslab_limits){
		.hard = hard, .cache = keep });
}

/* Expect the books to balance exactly, with @live objects held by the client. */
static __maybe_unused struct xslab_stats
check_books(struct kunit *test, struct xslab_cache *cache, u64 live)
{
	struct xslab_stats s = cache_stats(cache);
	struct xpool_stats p = pool_stats(cache->pool);

	KUNIT_ASSERT_EQ(test, xslab_validate(cache), 0);
	KUNIT_ASSERT_EQ(test, xpool_validate(cache->pool), 0);
	KUNIT_ASSERT_EQ(test, s.live, live);
	KUNIT_ASSERT_EQ(test, s.moving, 0ULL);
	KUNIT_ASSERT_EQ(test, s.capacity, s.live + s.magazines + s.depot + s.slab_free);
	if (!s.holes)
		KUNIT_ASSERT_EQ(test, s.capacity, s.slabs * s.objects_per_slab);
	KUNIT_ASSERT_EQ(test, s.slabs, s.slabs_full + s.slabs_partial + s.slabs_free);
	KUNIT_ASSERT_EQ(test, s.slab_free, s.partial_free + s.slabs_free * s.objects_per_slab);
	KUNIT_ASSERT_EQ(test, s.empty_pages, s.slabs_free << s.slab_order);
	KUNIT_ASSERT_EQ(test, s.allocs, s.frees + s.live);
	KUNIT_ASSERT_EQ(test, p.total, p.free + p.slabs + p.heaps + p.pages + p.magazines);
	KUNIT_ASSERT_GE(test, p.slabs, (s.slabs << s.slab_order) - s.holes);
	return s;
}

/* Expect a shrink to leave no slab of a cache without live objects. */
static __maybe_unused void
check_shrinks_to_nothing(struct kunit *test, struct xslab_cache *cache)
{
	struct xslab_stats s;

	KUNIT_EXPECT_EQ(test, xslab_cache_shrink(cache), 0);
	s = check_books(test, cache, 0);
	KUNIT_EXPECT_EQ(test, s.slabs, 0ULL);
	KUNIT_EXPECT_EQ(test, s.capacity, 0ULL);
}

/* From now on the cache has no magazines: they could hold more than it may keep. */
static __maybe_unused void close_magazines(struct kunit *test, struct xslab_cache *cache)
{
	KUNIT_ASSERT_EQ(test, set_limits(cache, ULONG_MAX, 64), 0);
}

/* Take objects until the next one would need a slab more; returns how many. */
static __maybe_unused size_t
stand_at_boundary(struct kunit *test, struct xslab_cache *cache, void **objs)
{
	struct xslab_stats s;
	size_t nr = 0;

	do {
		xtest_take(test, cache, &objs[nr++], 1, GFP_KERNEL);
		s = cache_stats(cache);
	} while (s.slab_free + s.magazines + s.depot);
	return nr;
}

static __maybe_unused void bytes_name(const size_t *size, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%zu bytes", *size);
}

static __maybe_unused int by_address(const void *a, const void *b)
{
	unsigned long left = *(unsigned long *)a, right = *(unsigned long *)b;

	return left < right ? -1 : left > right;
}

#endif
