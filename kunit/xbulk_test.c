// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of what is done for many objects at once: bulk operations, and the rows
 * and whole slabs that come and go with them.
 *
 * What each test starts with, and what it expects at its end, is in
 * xfixture.h.
 */
#include <kunit/test.h>
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/sort.h>
#include <linux/string.h>

#include <xalloc/xpool.h>
#include <xalloc/xslab.h>

#include "xdecay.h"
#include "xfixture.h"

/*
 * As many as asked for
 */

static const size_t counts[] = { 1, 2, 63, 64, 65, 1000, 5000 };

static void count_name(const size_t *count, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%zu objects", *count);
}

KUNIT_ARRAY_PARAM(count, counts, count_name);

/* Expect as many different objects as asked for, each counted once, and all of them back. */
static void xbulk_test_bulk(struct kunit *test)
{
	const size_t nr = *(const size_t *)test->param_value;
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 200);
	void **objs = xtest_room(test, nr, sizeof(*objs));
	struct xslab_stats s;
	size_t i;

	KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, nr, objs), (int)nr);
	check_books(test, cache, nr);
	for (i = 0; i < nr; i++)
		memcpy(objs[i], &i, sizeof(i));
	for (i = 0; i < nr; i++)
		KUNIT_ASSERT_EQ(test, *(size_t *)objs[i], i);
	xslab_cache_free_bulk(cache, nr, objs);
	check_books(test, cache, 0);

	/* Both ways mix. */
	xtest_take(test, cache, objs, nr, GFP_KERNEL);
	xslab_cache_free_bulk(cache, nr, objs);
	KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, nr, objs), (int)nr);
	xtest_give(test, cache, objs, nr);
	s = check_books(test, cache, 0);
	KUNIT_EXPECT_EQ(test, s.errors, 0ULL);
	KUNIT_EXPECT_EQ(test, s.allocs, 3ULL * nr);
}

/* Ask for more than the pool has. Expect nothing, and nothing lost. */
static void xbulk_test_bulk_too_much(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, 1 << 20, 4096);
	void *some[10], **objs = xtest_room(test, 300, sizeof(*objs));
	struct xslab_stats s;

	xtest_take(test, cache, some, 10, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, 247, objs), 0);
	s = check_books(test, cache, 10);
	KUNIT_EXPECT_EQ(test, s.failures, 1ULL);
	KUNIT_EXPECT_EQ(test, s.errors, 0ULL);
	KUNIT_EXPECT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, 246, objs), 246);
	check_books(test, cache, 256);
	KUNIT_EXPECT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, 0, objs), 0);
	xtest_give(test, cache, some, 10);
	xslab_cache_free_bulk(cache, 246, objs);
	check_shrinks_to_nothing(test, cache);
}

/* Expect the good ones among bad ones to be freed, and each bad one counted. */
static void xbulk_test_bulk_bad(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 64);
	void *objs[4], *mix[8];

	xtest_take(test, cache, objs, 4, GFP_KERNEL);
	mix[0] = objs[0];
	mix[1] = NULL;
	mix[2] = objs[1] + 1;
	mix[3] = objs[1];
	mix[4] = mix;
	mix[5] = objs[0];
	mix[6] = objs[2];
	mix[7] = ERR_PTR(-EINVAL);
	xslab_cache_free_bulk(cache, 8, mix);
	KUNIT_EXPECT_EQ(test, check_books(test, cache, 1).errors, 4ULL);
	xtest_give(test, cache, &objs[3], 1);
	check_shrinks_to_nothing(test, cache);
}

/*
 * Stand at the end of a slab and allocate and free across it, past the magazines.
 * Expect the empty slab to be kept each time.
 */
static void xbulk_test_boundary_bulk(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 256);
	void **objs = xtest_room(test, 1000, sizeof(*objs)), *obj;
	struct fixture *f = test->priv;
	struct xpool_stats pool;
	struct xslab_stats s;
	size_t nr = stand_at_boundary(test, cache, objs), i;
	u64 slabs = cache_stats(cache).slabs;

	close_magazines(test, cache);
	for (i = 0; i < 100000 / SLOWNESS; i++) {
		if (xslab_cache_alloc_bulk(cache, GFP_KERNEL, 1, &obj) != 1)
			KUNIT_ASSERT_TRUE_MSG(test, false, "pair %zu", i);
		xslab_cache_free_bulk(cache, 1, &obj);
		if (!i)
			pool = pool_stats(f->pool);
	}
	s = check_books(test, cache, nr);
	KUNIT_EXPECT_EQ(test, s.slabs_full, slabs);
	KUNIT_EXPECT_EQ(test, s.slabs_free, 1ULL);
	KUNIT_EXPECT_EQ(test, pool_stats(f->pool).gets, pool.gets);
	KUNIT_EXPECT_EQ(test, pool_stats(f->pool).puts, pool.puts);
	xtest_give(test, cache, objs, nr);
}

/*
 * By way of magazines
 */

/*
 * All free objects are in magazines. Expect a small bulk to be served from there, what was
 * freed last first, and no new slab; and to go back there in any order. Where both magazines
 * are full, expect one of them to go to the depot for it.
 */
static void xbulk_test_small_bulk(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 64);
	void **objs = xtest_room(test, 4 * 64, sizeof(*objs)), *mixed[16];
	struct xslab_stats s;
	unsigned int i;

	xtest_pin();
	xtest_take(test, cache, objs, 64, GFP_KERNEL);
	sort(objs, 64, sizeof(*objs), by_address, NULL);
	xtest_give(test, cache, objs, 64);
	s = check_books(test, cache, 0);
	KUNIT_ASSERT_EQ(test, s.objects_per_slab, 64ULL);
	KUNIT_ASSERT_EQ(test, s.magazine_size, 64ULL);
	KUNIT_ASSERT_EQ(test, s.slab_free, 0ULL);

	KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, 16, objs), 16);
	s = check_books(test, cache, 16);
	KUNIT_EXPECT_EQ(test, s.slabs, 1ULL);
	KUNIT_EXPECT_EQ(test, s.magazines, 48ULL);
	for (i = 1; i < 16; i++)
		KUNIT_EXPECT_PTR_EQ(test, objs[i], objs[i - 1] - 64);
	xslab_cache_free_bulk(cache, 16, objs);
	KUNIT_EXPECT_EQ(test, check_books(test, cache, 0).magazines, 64ULL);
	KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, 16, objs), 16);
	for (i = 0; i < 16; i++)
		mixed[i] = objs[i % 8 * 2 + i / 8];
	xslab_cache_free_bulk(cache, 16, mixed);
	s = check_books(test, cache, 0);
	KUNIT_EXPECT_EQ(test, s.magazines, 64ULL);
	KUNIT_EXPECT_EQ(test, s.slab_free, 0ULL);

	KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, 128, objs), 128);
	xtest_give(test, cache, objs, 64);
	s = check_books(test, cache, 64);
	KUNIT_EXPECT_EQ(test, s.magazines, 128ULL);
	KUNIT_EXPECT_PTR_EQ(test, objs[113], objs[112] + 64);
	xslab_cache_free_bulk(cache, 16, &objs[112]);
	KUNIT_EXPECT_EQ(test, check_books(test, cache, 48).slab_free, s.slab_free);
	xslab_cache_free_bulk(cache, 8, &objs[80]);
	s = check_books(test, cache, 40);
	KUNIT_EXPECT_EQ(test, s.magazines, 88ULL);
	KUNIT_EXPECT_EQ(test, s.depot, 64ULL);
	xtest_give(test, cache, &objs[64], 16);
	xtest_give(test, cache, &objs[88], 24);
	check_shrinks_to_nothing(test, cache);
}

static void bulks_in_turn(struct kunit *test, struct xslab_cache *cache, void **objs,
			  unsigned int of, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i + nr <= of; i += nr)
		KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, nr, objs + i),
				(int)nr);
	for (i = 0; i + nr <= of; i += nr)
		xslab_cache_free_bulk(cache, nr, objs + i);
}

/*
 * As many as both magazines hold, or as these and the depot do, are taken some at once, then
 * given some at once. Expect slabs to have no part in it after the first rounds.
 */
static void xbulk_test_some_in_turn(struct kunit *test)
{
	static const unsigned int lengths[] = { 4, 9, 16 };
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 192);
	void **objs = xtest_room(test, 512, sizeof(*objs));
	struct xslab_stats before, after;
	unsigned int i, of, round;

	xtest_pin();
	for (i = 0; i < 2 * ARRAY_SIZE(lengths); i++) {
		unsigned int nr = lengths[i / 2];

		of = i % 2 ? 512 : 128;
		xslab_cache_collect(cache, true);
		for (round = 0; round < 4; round++)
			bulks_in_turn(test, cache, objs, of, nr);
		before = check_books(test, cache, 0);
		for (round = 0; round < 8; round++)
			bulks_in_turn(test, cache, objs, of, nr);
		after = check_books(test, cache, 0);
		KUNIT_EXPECT_EQ_MSG(test, after.refills + after.flushes - after.depot_hits,
				    before.refills + before.flushes - before.depot_hits,
				    "%u of %u", nr, of);
		if (of == 128)
			KUNIT_EXPECT_EQ_MSG(test, after.depot_hits, before.depot_hits, "%u", nr);
		KUNIT_EXPECT_EQ_MSG(test, after.slab_free, before.slab_free, "%u of %u", nr, of);
		KUNIT_EXPECT_GT(test, after.magazines + after.depot, of / 2ULL);
	}
	check_shrinks_to_nothing(test, cache);
}

/* Free 8 of the objects, expect them in magazines, and to come back the last one first. */
static void pass_eight(struct kunit *test, struct xslab_cache *cache, void **objs, u64 live)
{
	u64 magazines = cache_stats(cache).magazines;
	void *again[8];
	unsigned int i;

	xslab_cache_free_bulk(cache, 8, objs);
	KUNIT_EXPECT_EQ(test, check_books(test, cache, live - 8).magazines, magazines + 8);
	KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, 8, again), 8);
	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_PTR_EQ(test, again[i], objs[7 - i]);
	KUNIT_EXPECT_EQ(test, check_books(test, cache, live).magazines, magazines);
}

#define FEW_OBJS	304U	/* more than two magazines, and whole slabs */

/*
 * A few objects at once, in the order of addresses, the other way, from both sides of
 * where two slabs meet, and from here and there. Expect them to go by way of magazines,
 * also where these become full and empty on the way.
 */
static void xbulk_test_few(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 256);
	void **objs = xtest_room(test, FEW_OBJS, sizeof(*objs)), *some[8];
	struct xslab_stats s;
	unsigned int i, nr;

	xtest_pin();
	KUNIT_ASSERT_EQ(test, cache_stats(cache).objects_per_slab, 16ULL);
	KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, FEW_OBJS, objs),
			(int)FEW_OBJS);
	sort(objs, FEW_OBJS, sizeof(*objs), by_address, NULL);
	pass_eight(test, cache, objs, FEW_OBJS);
	pass_eight(test, cache, objs + 12, FEW_OBJS);
	for (i = 0; i < 8; i++)
		some[i] = objs[20 - i];
	pass_eight(test, cache, some, FEW_OBJS);
	for (i = 0; i < 8; i++)
		some[i] = objs[21 * i];
	pass_eight(test, cache, some, FEW_OBJS);
	for (nr = 1; nr <= 16; nr++) {
		for (i = 0; i < FEW_OBJS; i += nr)
			xslab_cache_free_bulk(cache, min(nr, FEW_OBJS - i), &objs[i]);
		s = check_books(test, cache, 0);
		KUNIT_EXPECT_EQ(test, s.errors, 0ULL);
		KUNIT_EXPECT_GT(test, s.magazines, s.magazine_size);
		for (i = 0; i < FEW_OBJS; i += nr)
			KUNIT_ASSERT_GT(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL,
								     min(nr, FEW_OBJS - i),
								     &objs[i]), 0);
		check_books(test, cache, FEW_OBJS);
	}
	xtest_give(test, cache, objs, FEW_OBJS);
	check_shrinks_to_nothing(test, cache);
}

/*
 * A few pointers at once, of which one is no object to free: inside of one, behind the last
 * one of a slab, where another cache has its first, or one that comes twice. Expect it to be
 * refused wherever it stands, and the others to be taken.
 */
static void xbulk_test_few_but_one(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 256), *other;
	void *objs[16], *others[16], *some[8];
	unsigned int kind, at;
	u64 errors = 0;

	other = add_cache(test, &(struct xslab_args){ .name = "other", .size = 256 });
	xtest_pin();
	KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, 16, objs), 16);
	KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(other, GFP_KERNEL, 16, others), 16);
	sort(objs, 16, sizeof(*objs), by_address, NULL);
	sort(others, 16, sizeof(*others), by_address, NULL);
	KUNIT_ASSERT_PTR_EQ(test, others[0], objs[15] + 256);
	for (kind = 0; kind < 4; kind++) {
		void *bad[] = { NULL, objs[3] + 8, others[0], objs[15] };

		for (at = 1; at < 8; at++) {
			memcpy(some, &objs[16 - at], at * sizeof(*some));
			some[at] = bad[kind];
			memcpy(&some[at + 1], objs, (7 - at) * sizeof(*some));
			xslab_cache_free_bulk(cache, 8, some);
			errors += kind > 0;
			KUNIT_EXPECT_EQ(test, check_books(test, cache, 9).errors, errors);
			check_books(test, other, 16);
			KUNIT_ASSERT_EQ(test, 7, xslab_cache_alloc_bulk(cache, GFP_KERNEL, 7,
									some));
			KUNIT_ASSERT_EQ(test, check_books(test, cache, 16).slabs, 1ULL);
		}
	}
	xtest_give(test, cache, objs, 16);
	xtest_give(test, other, others, 16);
}

/*
 * Whole slabs and rows
 */

#define WHOLE		48U	/* objects: three slabs, full */

/* A cache that has these, in the order of addresses. */
static struct xslab_cache *with_whole(struct kunit *test, xslab_flags_t flags)
{
	const struct xslab_args args = { .name = "whole", .size = 256, .flags = flags };
	struct xslab_cache *cache = with_args(test, POOL_SIZE, &args);

	KUNIT_ASSERT_EQ(test, cache_stats(cache).objects_per_slab * 3, (u64)WHOLE);
	return cache;
}

static void take_row(struct kunit *test, struct xslab_cache *cache, void **objs)
{
	KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, WHOLE, objs),
			(int)WHOLE);
	KUNIT_ASSERT_PTR_EQ(test, objs[WHOLE - 1], objs[0] + (WHOLE - 1) * 256);
	KUNIT_EXPECT_EQ(test, check_books(test, cache, WHOLE).slabs_full, 3ULL);
}

/*
 * Full slabs come back as a whole, but for one object, which is free. Expect that one to be
 * refused wherever it is, and the others to be taken.
 */
static void xbulk_test_whole_but_one(struct kunit *test)
{
	struct xslab_cache *cache = with_whole(test, 0);
	void *objs[WHOLE];
	unsigned int i;

	for (i = 0; i < WHOLE; i++) {
		take_row(test, cache, objs);
		xtest_give(test, cache, &objs[i], 1);
		xslab_cache_free_bulk(cache, WHOLE, objs);
		KUNIT_EXPECT_EQ(test, check_books(test, cache, 0).errors, i + 1ULL);
		check_shrinks_to_nothing(test, cache);
	}
}

/* Two neighbours change places; by bulk, or one by one and from the magazine. */
static void give_swapped(struct kunit *test, struct xslab_cache *cache, bool bulk)
{
	void *objs[WHOLE];
	unsigned int i;

	for (i = 0; i < WHOLE - 1; i++) {
		take_row(test, cache, objs);
		swap(objs[i], objs[i + 1]);
		if (bulk)
			xslab_cache_free_bulk(cache, WHOLE, objs);
		else
			xtest_give(test, cache, objs, WHOLE);
		check_books(test, cache, 0);
		check_shrinks_to_nothing(test, cache);
	}
	KUNIT_EXPECT_EQ(test, cache_stats(cache).errors, 0ULL);
}

/* Full slabs come back as a whole, in nearly the right order. Expect all to be free. */
static void xbulk_test_whole_swapped(struct kunit *test)
{
	struct xslab_cache *cache = with_whole(test, 0);

	xtest_pin();
	give_swapped(test, cache, true);
	give_swapped(test, cache, false);
}

static void xbulk_test_whole_swapped_no_checks(struct kunit *test)
{
	struct xslab_cache *cache = with_whole(test, XSLAB_NO_CHECKS);

	xtest_pin();
	give_swapped(test, cache, true);
	give_swapped(test, cache, false);
}

/*
 * Slabs become free as a whole, while the list of free ones has some before them and some
 * behind. Expect it to stay in the order of addresses.
 */
static void xbulk_test_whole_between(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 256);
	void **objs = xtest_room(test, 12 * 16, sizeof(*objs));

	close_magazines(test, cache);
	KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, 12 * 16, objs), 12 * 16);
	xslab_cache_free_bulk(cache, 2 * 16, &objs[16]);
	xslab_cache_free_bulk(cache, 2 * 16, &objs[8 * 16]);
	KUNIT_EXPECT_EQ(test, check_books(test, cache, 8 * 16).slabs_free, 4ULL);
	xslab_cache_free_bulk(cache, 4 * 16, &objs[4 * 16]);
	KUNIT_EXPECT_EQ(test, check_books(test, cache, 4 * 16).slabs_free, 8ULL);
	xslab_cache_free_bulk(cache, 16, objs);
	xslab_cache_free_bulk(cache, 16, &objs[3 * 16]);
	xslab_cache_free_bulk(cache, 2 * 16, &objs[10 * 16]);
	KUNIT_EXPECT_EQ(test, check_books(test, cache, 0).slabs_free, 12ULL);
	check_shrinks_to_nothing(test, cache);
}

static const size_t going_down[] = { 16, 48, 64, 120, 192, 256 };

KUNIT_ARRAY_PARAM(going_down, going_down, bytes_name);

#define DOWN		200U	/* objects: several words of a map, or slabs */

/* Objects from the last to the first, of which the one at @i is free. */
static void give_down(struct kunit *test, struct xslab_cache *cache, void **objs,
		      unsigned int i)
{
	unsigned int n;

	KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, DOWN, objs), (int)DOWN);
	for (n = 0; n < DOWN / 2; n++)
		swap(objs[n], objs[DOWN - 1 - n]);
	xtest_give(test, cache, &objs[i], 1);
	xslab_cache_free_bulk(cache, DOWN, objs);
	check_books(test, cache, 0);
	check_shrinks_to_nothing(test, cache);
}

/* Expect that one to be refused wherever it is, and the others to be taken. */
static void xbulk_test_rows_down(struct kunit *test)
{
	const size_t *size = test->param_value;
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, *size);
	unsigned int i, step = DOWN / xtest_rounds(DOWN);
	void **objs = xtest_room(test, DOWN, sizeof(*objs));

	for (i = 0; i < DOWN; i += step) {
		give_down(test, cache, objs, i);
		KUNIT_EXPECT_EQ(test, cache_stats(cache).errors, i / step + 1ULL);
	}
}

static const size_t in_rows[] = { 16, 24, 48, 64, 80, 96, 192, 256, 384, 768 };

KUNIT_ARRAY_PARAM(in_rows, in_rows, bytes_name);

#define ROW	72U	/* more than magazines serve */

/* From the object at @objs[@first] on: the slab's @first ones before it are held meanwhile. */
static void take_behind(struct kunit *test, struct xslab_cache *cache, void **objs,
			unsigned int first)
{
	int nr = first + ROW;

	KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, nr, objs), nr);
	xslab_cache_free_bulk(cache, ROW, objs + first);
	KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, ROW, objs + first),
			(int)ROW);
	KUNIT_ASSERT_EQ(test, (u64)(objs[first] - objs[0]), first * cache_stats(cache).stride);
}

/* The one @odd behind the first is free already. Expect that to be told, once. */
static void give_behind(struct kunit *test, struct xslab_cache *cache, void **objs,
			unsigned int first, unsigned int odd)
{
	u64 errors = cache_stats(cache).errors;

	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, objs[first + odd]), 0);
	xslab_cache_free_bulk(cache, ROW, objs + first);
	xslab_cache_free_bulk(cache, first, objs);
	KUNIT_EXPECT_EQ(test, check_books(test, cache, 0).errors, errors + 1);
}

/*
 * Objects in bulk, whose live bytes are changed four at a time where the stride allows
 * that, beside those of another cache in the same table. Expect each to be live after it,
 * wherever a row begins, one that is free already to be refused alone, and none to be live
 * afterwards, but for the others.
 */
static void xbulk_test_rows_of_four(struct kunit *test)
{
	size_t size = *(const size_t *)test->param_value;
	struct xslab_cache *cache = with_cache(test, 1 << 20, size);
	const struct xslab_args args = { .name = "other", .size = rounddown_pow_of_two(size) };
	struct xslab_cache *other = add_cache(test, &args);
	void **objs = xtest_room(test, ROW + 4, sizeof(*objs));
	void **others = xtest_room(test, ROW, sizeof(*others));
	unsigned int first, odd, i;

	xtest_take(test, other, others, ROW, GFP_KERNEL);
	for (first = 0; first < 4; first++)
		for (odd = 0; odd < 9; odd++) {
			take_behind(test, cache, objs, first);
			give_behind(test, cache, objs, first, odd);
			for (i = 0; i < first + ROW; i++)
				KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, objs[i]), -EALREADY);
			check_shrinks_to_nothing(test, cache);
		}
	xtest_give(test, other, others, ROW);
}

/*
 * Frees of what is free
 */

/*
 * One of eight objects that follow one another is free, and all are freed in bulk.
 * Expect that one to be refused wherever it is, and the others to be taken.
 */
static void xbulk_test_double_free_bulk(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 64);
	void *objs[8];
	unsigned int i;

	for (i = 0; i < 8; i++) {
		KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, 8, objs), 8);
		KUNIT_ASSERT_PTR_EQ(test, objs[7], objs[0] + 7 * 64);
		xtest_give(test, cache, &objs[i], 1);
		xslab_cache_free_bulk(cache, 8, objs);
		KUNIT_EXPECT_EQ(test, check_books(test, cache, 0).errors, i + 1ULL);
		check_shrinks_to_nothing(test, cache);
	}
	KUNIT_EXPECT_EQ(test, cache_stats(cache).errors, 8ULL);
}

/*
 * Clients have two objects of a slab, of which one is free for the slab, as after frees that
 * were believed twice. Expect no other client to get it, wherever it is.
 */
static void xbulk_test_free_believed_bulk(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 64);
	void *objs[64], *others[62];
	unsigned int i, n;

	for (i = 0; i < 8; i++) {
		KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, 64, objs), 64);
		KUNIT_ASSERT_PTR_EQ(test, objs[63], objs[0] + 63 * 64);
		xmag_free_slow(&cache->mag, objs[i]);
		xslab_cache_free_bulk(cache, i, objs);
		xslab_cache_free_bulk(cache, 62 - i, &objs[i + 1]);
		KUNIT_EXPECT_EQ(test, xslab_cache_shrink(cache), 1);
		KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, 62, others), 62);
		for (n = 0; n < 62; n++)
			KUNIT_EXPECT_PTR_EQ(test, others[n], objs[n < i ? n : n + 1]);
		KUNIT_EXPECT_EQ(test, check_books(test, cache, 64).errors, i + 1ULL);
		xslab_cache_free_bulk(cache, 62, others);
		xtest_give(test, cache, &objs[i], 1);
		xtest_give(test, cache, &objs[63], 1);
		check_shrinks_to_nothing(test, cache);
	}
}

static struct kunit_case xbulk_test_cases[] = {
	KUNIT_CASE_PARAM(xbulk_test_bulk, count_gen_params),
	KUNIT_CASE(xbulk_test_bulk_too_much),
	KUNIT_CASE(xbulk_test_bulk_bad),
	KUNIT_CASE(xbulk_test_boundary_bulk),
	KUNIT_CASE(xbulk_test_small_bulk),
	KUNIT_CASE(xbulk_test_some_in_turn),
	KUNIT_CASE(xbulk_test_few),
	KUNIT_CASE(xbulk_test_few_but_one),
	KUNIT_CASE(xbulk_test_whole_but_one),
	KUNIT_CASE(xbulk_test_whole_swapped),
	KUNIT_CASE(xbulk_test_whole_swapped_no_checks),
	KUNIT_CASE(xbulk_test_whole_between),
	KUNIT_CASE_PARAM(xbulk_test_rows_down, going_down_gen_params),
	KUNIT_CASE_PARAM(xbulk_test_rows_of_four, in_rows_gen_params),
	KUNIT_CASE(xbulk_test_double_free_bulk),
	KUNIT_CASE(xbulk_test_free_believed_bulk),
	{}
};

static struct kunit_suite xbulk_test_suite = {
	.name = "xbulk",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = xbulk_test_cases,
};

kunit_test_suite(xbulk_test_suite);

MODULE_DESCRIPTION("Tests of xalloc's bulk operations");
MODULE_LICENSE("GPL");
