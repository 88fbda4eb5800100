// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of sets of numbers, against a bitmap that is searched bit by bit.
 */
#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/vmalloc.h>

#include "slab/slab.h"
#include "xdecay.h"
#include "xtest.h"

#define ROUNDS		(20000 / XTEST_SLOWER)

/* What each level has: one word or less, just more, two levels, three, and four. */
static const unsigned long sizes[] = { 1, 63, 64, 65, 4096, 4097, 262144, 300001 };

struct fixture {
	struct xset	set;
	unsigned long	*model;
	unsigned long	nr;
};

static void begin(struct kunit *test, struct fixture *f, unsigned long nr)
{
	f->nr = nr;
	f->model = vzalloc(BITS_TO_LONGS(nr) * sizeof(long));
	KUNIT_ASSERT_NOT_NULL(test, f->model);
	KUNIT_ASSERT_EQ(test, xset_init(&f->set, nr), 0);
}

static void end(struct fixture *f)
{
	xset_exit(&f->set);
	vfree(f->model);
}

static unsigned long model_before(const struct fixture *f, unsigned long nr)
{
	unsigned long last = find_last_bit(f->model, nr);

	return last < nr ? last : XSET_NONE;
}

static void change(struct fixture *f, unsigned long nr, bool add)
{
	if (add) {
		__set_bit(nr, f->model);
		xset_add(&f->set, nr);
	} else {
		__clear_bit(nr, f->model);
		xset_del(&f->set, nr);
	}
}

static void expect_before(struct kunit *test, const struct fixture *f, unsigned long nr)
{
	KUNIT_EXPECT_EQ_MSG(test, xset_before(&f->set, nr), model_before(f, nr),
			    "before %lu of %lu", nr, f->nr);
}

static unsigned long model_next(const struct fixture *f, unsigned long nr)
{
	unsigned long next = find_next_bit(f->model, f->nr, nr);

	return next < f->nr ? next : XSET_NONE;
}

static void expect_same(struct kunit *test, const struct fixture *f, unsigned long nr)
{
	unsigned long first = model_next(f, 0);

	expect_before(test, f, nr);
	KUNIT_EXPECT_EQ_MSG(test, xset_next(&f->set, nr), model_next(f, nr),
			    "from %lu of %lu", nr, f->nr);
	KUNIT_EXPECT_EQ(test, xset_has(&f->set, nr), !!test_bit(nr, f->model));
	KUNIT_EXPECT_EQ(test, xset_is_empty(&f->set), first == XSET_NONE);
	if (first == XSET_NONE)
		return;
	KUNIT_EXPECT_EQ(test, xset_first(&f->set), first);
	KUNIT_EXPECT_EQ(test, xset_last(&f->set), model_before(f, f->nr));
	expect_before(test, f, f->nr);
}

/* . . . . : expect nothing anywhere. All levels are 64/63 of the lowest, and spare words. */
static void test_empty(struct kunit *test)
{
	struct fixture f;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		begin(test, &f, sizes[i]);
		KUNIT_EXPECT_EQ(test, xset_before(&f.set, sizes[i] - 1), XSET_NONE);
		KUNIT_EXPECT_EQ(test, xset_before(&f.set, sizes[i]), XSET_NONE);
		KUNIT_EXPECT_EQ(test, xset_next(&f.set, 0), XSET_NONE);
		KUNIT_EXPECT_TRUE(test, xset_is_empty(&f.set));
		KUNIT_EXPECT_LE(test, f.set.words, BITS_TO_LONGS(sizes[i]) * 64 / 63 + 8);
		end(&f);
	}
}

/* x . . . . x : expect the first to be before all others, also in other words. */
static void test_far(struct kunit *test)
{
	struct fixture f;
	unsigned int i;

	for (i = 1; i < ARRAY_SIZE(sizes); i++) {
		unsigned long last = sizes[i] - 1;

		begin(test, &f, sizes[i]);
		change(&f, 0, true);
		change(&f, last, true);
		KUNIT_EXPECT_EQ(test, xset_before(&f.set, last), 0);
		KUNIT_EXPECT_EQ(test, xset_before(&f.set, 0), XSET_NONE);
		change(&f, 0, false);
		KUNIT_EXPECT_EQ(test, xset_before(&f.set, last), XSET_NONE);
		end(&f);
	}
}

/* x x . x x : expect each to be before the next, whatever was added and taken. */
static void test_random(struct kunit *test)
{
	unsigned int i, round;
	struct rnd_state rnd;
	struct fixture f;

	xtest_seed(test, &rnd);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		begin(test, &f, sizes[i]);
		for (round = 0; round < ROUNDS; round++) {
			/* Rarely enough for empty words on all levels, and often for full ones. */
			unsigned long span = round % 2 ? min(sizes[i], 200UL) : sizes[i];
			unsigned long nr = prandom_u32_state(&rnd) % span;

			change(&f, nr, prandom_u32_state(&rnd) % 3);
			expect_same(test, &f, nr);
			expect_same(test, &f, prandom_u32_state(&rnd) % sizes[i]);
		}
		KUNIT_EXPECT_TRUE(test, xset_valid(&f.set));
		end(&f);
	}
}

/*
 * 4097 members fill 65 words, below 2 and 1, each level with a spare one behind it. Flip
 * each bit above the lowest level and in the spare words: expect it to be noticed.
 */
static void test_validate(struct kunit *test)
{
	static const unsigned int bits[] = { 0, 65, 2 }, words[] = { 65, 2, 1 };
	struct fixture f;
	unsigned int l, i;

	begin(test, &f, 4097);
	KUNIT_ASSERT_EQ(test, f.set.nr_levels, 3U);
	for (i = 0; i < f.nr; i += 100)
		change(&f, i, true);
	for (l = 0; l < f.set.nr_levels; l++)
		for (i = 0; i < (words[l] + 1) * BITS_PER_LONG; i++) {
			if (i >= bits[l] && i < words[l] * BITS_PER_LONG)
				continue;	/* members, and bits that stand for no word */
			change_bit(i, f.set.level[l]);
			KUNIT_EXPECT_FALSE(test, xset_valid(&f.set));
			change_bit(i, f.set.level[l]);
		}
	KUNIT_EXPECT_TRUE(test, xset_valid(&f.set));
	end(&f);
}

static struct kunit_case set_cases[] = {
	KUNIT_CASE(test_empty),
	KUNIT_CASE(test_far),
	KUNIT_CASE(test_random),
	KUNIT_CASE(test_validate),
	{}
};

static struct kunit_suite set_suite = {
	.name = "xset",
	.test_cases = set_cases,
};

kunit_test_suite(set_suite);

MODULE_DESCRIPTION("Tests of xalloc's sets of numbers");
MODULE_LICENSE("GPL");
