// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of the buddy system.
 *
 * Drawings show pages from left to right: '.' free, a letter for each block
 * that is used, '|' between free blocks.
 */
#include <kunit/test.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <xalloc/xbuddy.h>

#include "xtest.h"

static unsigned long ops = 1000000 / XTEST_SLOWER;
module_param(ops, ulong, 0444);
MODULE_PARM_DESC(ops, "random operations against the model, all lengths together");

#define TOP_PAGES	BIT(XBUDDY_MAX_ORDER)

static void expect_valid(struct kunit *test, const struct xbuddy *buddy)
{
	KUNIT_EXPECT_EQ(test, xbuddy_validate(buddy), 0);
}

#define MAX_BUDDIES	2	/* of a test */

/* The instances of a test; they are freed by buddy_exit(), passed or not. */
static struct xbuddy *nth_buddy(struct kunit *test, unsigned int nth, unsigned long nr)
{
	struct xbuddy *buddy = (struct xbuddy *)test->priv + nth;

	xbuddy_destroy(buddy);
	KUNIT_ASSERT_EQ(test, xbuddy_init(buddy, nr), 0);
	return buddy;
}

static struct xbuddy *new_buddy(struct kunit *test, unsigned long nr)
{
	return nth_buddy(test, 0, nr);
}

static int buddy_init(struct kunit *test)
{
	test->priv = kunit_kcalloc(test, MAX_BUDDIES, sizeof(struct xbuddy), GFP_KERNEL);
	return test->priv ? 0 : -ENOMEM;
}

static void buddy_exit(struct kunit *test)
{
	struct xbuddy *buddies = test->priv;
	unsigned int i;

	for (i = 0; buddies && i < MAX_BUDDIES; i++)
		xbuddy_destroy(&buddies[i]);
}

/* An untouched range has as many top blocks as fit, and the bits of the rest. */
static void expect_untouched(struct kunit *test, const struct xbuddy *buddy)
{
	unsigned int order;

	KUNIT_EXPECT_EQ(test, buddy->nr_free, buddy->nr);
	KUNIT_EXPECT_EQ(test, buddy->free_area[XBUDDY_MAX_ORDER].nr_free,
			buddy->nr >> XBUDDY_MAX_ORDER);
	for (order = 0; order < XBUDDY_MAX_ORDER; order++)
		KUNIT_EXPECT_EQ(test, buddy->free_area[order].nr_free,
				(buddy->nr >> order) & 1);
}

static unsigned long free_blocks_pages(const struct xbuddy *buddy)
{
	unsigned long sum = 0;
	unsigned int order;

	for (order = 0; order < XBUDDY_NR_ORDERS; order++)
		sum += buddy->free_area[order].nr_free << order;
	return sum;
}

static void expect_block(struct kunit *test, const struct xbuddy *buddy,
			 unsigned long at, unsigned long index,
			 unsigned int order, enum xbuddy_state state)
{
	struct xbuddy_block block = { };

	KUNIT_EXPECT_EQ(test, xbuddy_lookup(buddy, at, &block), 0);
	KUNIT_EXPECT_EQ(test, block.index, index);
	KUNIT_EXPECT_EQ(test, block.order, order);
	KUNIT_EXPECT_EQ(test, block.state, state);
}

/*
 * Split and merge
 */

static void take_all_single(struct kunit *test, struct xbuddy *buddy)
{
	unsigned long i;

	for (i = 0; i < buddy->nr; i++)
		KUNIT_ASSERT_EQ(test, xbuddy_alloc(buddy, 0), (long)i);
	expect_valid(test, buddy);
}

static void free_every_second(struct kunit *test, struct xbuddy *buddy,
			      unsigned long i)
{
	for (; i < buddy->nr; i += 2)
		KUNIT_ASSERT_EQ(test, xbuddy_free(buddy, i, 0), 0);
	expect_valid(test, buddy);
}

/*
 * |......|  ->  abcdef  ->  a.c.e.  ->  |......|
 *
 * Expect 1,023 splits for 1,024 single pages out of one block, no merge while
 * each freed page has a used buddy, and 1,023 merges for the other half.
 */
static void test_split_and_merge(struct kunit *test)
{
	struct xbuddy *buddy = new_buddy(test, TOP_PAGES);

	take_all_single(test, buddy);
	KUNIT_EXPECT_EQ(test, buddy->splits, 1023UL);
	KUNIT_EXPECT_EQ(test, buddy->nr_free, 0UL);

	free_every_second(test, buddy, 1);
	KUNIT_EXPECT_EQ(test, buddy->free_area[0].nr_free, 512UL);
	KUNIT_EXPECT_EQ(test, buddy->nr_free, 512UL);
	KUNIT_EXPECT_EQ(test, buddy->merges, 0UL);
	kunit_info(test, "row 1: %lu splits, %lu free order-0 blocks\n",
		   buddy->splits, buddy->free_area[0].nr_free);

	free_every_second(test, buddy, 0);
	KUNIT_EXPECT_EQ(test, buddy->merges, 1023UL);
	KUNIT_EXPECT_EQ(test, buddy->free_area[XBUDDY_MAX_ORDER].nr_free, 1UL);
	expect_untouched(test, buddy);
	kunit_info(test, "row 1: %lu merges, %lu free order-10 block\n",
		   buddy->merges, buddy->free_area[XBUDDY_MAX_ORDER].nr_free);
}

/* Expect the lower half each time: an order-0 block leaves one of each order. */
static void test_split_keeps_low_half(struct kunit *test)
{
	struct xbuddy *buddy = new_buddy(test, TOP_PAGES);
	unsigned int order;

	KUNIT_EXPECT_EQ(test, xbuddy_alloc(buddy, 0), 0L);
	expect_valid(test, buddy);
	for (order = 0; order < XBUDDY_MAX_ORDER; order++) {
		KUNIT_EXPECT_EQ(test, buddy->free_area[order].nr_free, 1UL);
		expect_block(test, buddy, 1UL << order, 1UL << order, order,
			     XBUDDY_FREE);
	}
}

/*
 * aabb....  free a  ->  |..|bb....  Expect order 0 from the left |..| though
 * a larger block is free, and order 2 from the right half.
 */
static void test_smallest_block_first(struct kunit *test)
{
	struct xbuddy *buddy = new_buddy(test, 8);

	KUNIT_EXPECT_EQ(test, xbuddy_alloc(buddy, 1), 0L);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc(buddy, 1), 2L);
	KUNIT_EXPECT_EQ(test, xbuddy_free(buddy, 0, 1), 0);
	expect_valid(test, buddy);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc(buddy, 2), 4L);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc(buddy, 0), 0L);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc(buddy, 0), 1L);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc(buddy, 0), -(long)ENOSPC);
	expect_valid(test, buddy);
}

/* abcdefgh, free g, c, e in this order. Expect c, e, g back: lowest first. */
static void test_lowest_address_first(struct kunit *test)
{
	struct xbuddy *buddy = new_buddy(test, 8);

	take_all_single(test, buddy);
	KUNIT_EXPECT_EQ(test, xbuddy_free(buddy, 6, 0), 0);
	KUNIT_EXPECT_EQ(test, xbuddy_free(buddy, 2, 0), 0);
	KUNIT_EXPECT_EQ(test, xbuddy_free(buddy, 4, 0), 0);
	expect_valid(test, buddy);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc(buddy, 0), 2L);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc(buddy, 0), 4L);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc(buddy, 0), 6L);
	expect_valid(test, buddy);
}

/* .bc.: pages 1 and 2 are neighbours but not buddies. Expect no merge of them. */
static void test_neighbours_are_not_buddies(struct kunit *test)
{
	struct xbuddy *buddy = new_buddy(test, 4);

	take_all_single(test, buddy);
	KUNIT_EXPECT_EQ(test, xbuddy_free(buddy, 1, 0), 0);
	KUNIT_EXPECT_EQ(test, xbuddy_free(buddy, 2, 0), 0);
	expect_valid(test, buddy);
	KUNIT_EXPECT_EQ(test, buddy->merges, 0UL);
	KUNIT_EXPECT_EQ(test, buddy->free_area[0].nr_free, 2UL);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc(buddy, 1), -(long)ENOSPC);
}

/* Two top blocks side by side. Expect that they stay two. */
static void test_top_blocks_do_not_merge(struct kunit *test)
{
	struct xbuddy *buddy = new_buddy(test, 2 * TOP_PAGES);

	KUNIT_EXPECT_EQ(test, xbuddy_alloc(buddy, XBUDDY_MAX_ORDER), 0L);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc(buddy, XBUDDY_MAX_ORDER), (long)TOP_PAGES);
	KUNIT_EXPECT_EQ(test, xbuddy_free(buddy, 0, XBUDDY_MAX_ORDER), 0);
	KUNIT_EXPECT_EQ(test, xbuddy_free(buddy, TOP_PAGES, XBUDDY_MAX_ORDER), 0);
	expect_valid(test, buddy);
	KUNIT_EXPECT_EQ(test, buddy->merges, 0UL);
	expect_untouched(test, buddy);
}

/*
 * Lengths
 */

static const unsigned long lengths[] = {
	1, 2, 3, 63, 64, 65, 1023, 1024, 1025, 4097, (1UL << 18) + 7,
};

static void length_desc(const unsigned long *length, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%lu pages", *length);
}

KUNIT_ARRAY_PARAM(length, lengths, length_desc);

/* Take blocks of @order until none is left; each page at most once. */
static unsigned long exhaust(struct kunit *test, struct xbuddy *buddy,
			     unsigned int order, unsigned long *seen)
{
	unsigned long nr;
	long index;

	for (nr = 0; (index = xbuddy_alloc(buddy, order)) >= 0; nr++) {
		KUNIT_ASSERT_LE(test, index + (1UL << order), buddy->nr);
		KUNIT_ASSERT_EQ(test, index & ((1UL << order) - 1), 0UL);
		KUNIT_ASSERT_FALSE(test, __test_and_set_bit(index, seen));
	}
	KUNIT_EXPECT_EQ(test, index, -(long)ENOSPC);
	return nr;
}

static void give_back(struct kunit *test, struct xbuddy *buddy,
		      unsigned int order, const unsigned long *seen)
{
	unsigned long index;

	for_each_set_bit(index, seen, buddy->nr)
		KUNIT_ASSERT_EQ(test, xbuddy_free(buddy, index, order), 0);
}

/* Expect all that fits of each order, and the range untouched after each. */
static void test_length(struct kunit *test)
{
	unsigned long nr = *(const unsigned long *)test->param_value;
	struct xbuddy *buddy = new_buddy(test, nr);
	size_t bytes = BITS_TO_LONGS(nr) * sizeof(long);
	unsigned long *seen = kvmalloc(bytes, GFP_KERNEL);
	unsigned int order;

	KUNIT_ASSERT_NOT_NULL(test, seen);
	expect_valid(test, buddy);
	expect_untouched(test, buddy);
	for (order = 0; order < XBUDDY_NR_ORDERS; order++) {
		memset(seen, 0, bytes);
		KUNIT_EXPECT_EQ(test, exhaust(test, buddy, order, seen), nr >> order);
		KUNIT_EXPECT_EQ(test, buddy->nr_free, nr & ((1UL << order) - 1));
		expect_valid(test, buddy);
		give_back(test, buddy, order, seen);
		expect_valid(test, buddy);
		expect_untouched(test, buddy);
	}
	kvfree(seen);
}

/* Take one page at @index out of a free top block and put it back. */
static void cascade_at(struct kunit *test, struct xbuddy *buddy, unsigned long index)
{
	unsigned long splits = buddy->splits, merges = buddy->merges;

	KUNIT_EXPECT_EQ(test, xbuddy_alloc_range(buddy, 0, index, index + 1), (long)index);
	KUNIT_EXPECT_EQ(test, buddy->nr_free, XBUDDY_MAX_NR - 1);
	expect_block(test, buddy, index, index, 0, XBUDDY_USED);
	expect_block(test, buddy, index ^ 1, index ^ 1, 0, XBUDDY_FREE);
	KUNIT_EXPECT_EQ(test, xbuddy_free(buddy, index, 0), 0);
	KUNIT_EXPECT_EQ(test, buddy->splits - splits, 10UL);
	KUNIT_EXPECT_EQ(test, buddy->merges - merges, 10UL);
	expect_block(test, buddy, index, round_down(index, TOP_PAGES),
		     XBUDDY_MAX_ORDER, XBUDDY_FREE);
}

#define LARGEST_NEEDS	(3UL << (30 - PAGE_SHIFT))	/* pages */

/* Expect the largest range to work at both of its ends, and to fill up. */
static void test_largest(struct kunit *test)
{
	unsigned long nr = XBUDDY_MAX_NR, blocks = nr >> XBUDDY_MAX_ORDER;
	struct xbuddy *buddy;
	unsigned long i;

	if (totalram_pages() < LARGEST_NEEDS)
		kunit_skip(test, "its bitmaps take 2 GiB and this machine has less than 3 GiB");

	buddy = new_buddy(test, nr);
	expect_untouched(test, buddy);
	cascade_at(test, buddy, 0);
	cascade_at(test, buddy, nr / 2 - 1);
	cascade_at(test, buddy, nr / 2);
	cascade_at(test, buddy, nr - 1);
	expect_untouched(test, buddy);

	for (i = 0; i < blocks; i++)
		KUNIT_ASSERT_EQ(test, xbuddy_alloc(buddy, XBUDDY_MAX_ORDER),
				(long)(i << XBUDDY_MAX_ORDER));
	KUNIT_EXPECT_EQ(test, xbuddy_alloc(buddy, 0), -(long)ENOSPC);
	KUNIT_EXPECT_EQ(test, buddy->nr_free, 0UL);
	KUNIT_EXPECT_EQ(test, xbuddy_free(buddy, nr, 0), -ERANGE);
	for (i = 0; i < blocks; i++)
		KUNIT_ASSERT_EQ(test, xbuddy_free(buddy, i << XBUDDY_MAX_ORDER,
						  XBUDDY_MAX_ORDER), 0);
	expect_untouched(test, buddy);
	expect_valid(test, buddy);
	kunit_info(test, "2^32 pages: %zu MiB of bitmaps\n", buddy->bytes >> 20);
}

/* Expect at most 4 bits a page and a 64th of the half of that for summaries. */
static void test_metadata_size(struct kunit *test)
{
	struct xbuddy *buddy = new_buddy(test, 1UL << 20);

	kunit_info(test, "2^20 pages: %zu bytes of bitmaps\n", buddy->bytes);
	KUNIT_EXPECT_LE(test, buddy->bytes, ((1UL << 19) / 64 * 65) + PAGE_SIZE);
}

/*
 * Errors. Each must change nothing.
 */

/* .bccdddd........ with b at 1, c at 2, d at 4, and a page of range missing. */
static struct xbuddy *error_buddy(struct kunit *test)
{
	struct xbuddy *buddy = new_buddy(test, 15);

	KUNIT_ASSERT_EQ(test, xbuddy_alloc(buddy, 2), 8L);
	KUNIT_ASSERT_EQ(test, xbuddy_alloc(buddy, 0), 14L);
	KUNIT_ASSERT_EQ(test, xbuddy_alloc_range(buddy, 0, 1, 2), 1L);
	KUNIT_ASSERT_EQ(test, xbuddy_alloc_range(buddy, 1, 2, 4), 2L);
	KUNIT_ASSERT_EQ(test, xbuddy_alloc_range(buddy, 2, 4, 8), 4L);
	KUNIT_ASSERT_EQ(test, xbuddy_free(buddy, 8, 2), 0);
	KUNIT_ASSERT_EQ(test, xbuddy_free(buddy, 14, 0), 0);
	expect_valid(test, buddy);
	return buddy;
}

/* All that a caller can see of an instance. */
static void expect_unchanged(struct kunit *test, const struct xbuddy *buddy,
			     const struct xbuddy *before)
{
	KUNIT_EXPECT_EQ(test, memcmp(buddy, before, sizeof(*buddy)), 0);
	expect_valid(test, buddy);
	expect_block(test, buddy, 0, 0, 0, XBUDDY_FREE);
	expect_block(test, buddy, 1, 1, 0, XBUDDY_USED);
	expect_block(test, buddy, 3, 2, 1, XBUDDY_USED);
	expect_block(test, buddy, 7, 4, 2, XBUDDY_USED);
	expect_block(test, buddy, 11, 8, 2, XBUDDY_FREE);
	expect_block(test, buddy, 13, 12, 1, XBUDDY_FREE);
	expect_block(test, buddy, 14, 14, 0, XBUDDY_FREE);
}

struct free_error {
	const char	*what;
	unsigned long	index;
	unsigned int	order;
	int		err;
};

static const struct free_error free_errors[] = {
	{ "a free page", 0, 0, -EALREADY },
	{ "a free block", 8, 2, -EALREADY },
	{ "a part of a free block", 8, 0, -EALREADY },
	{ "the last page, free", 14, 0, -EALREADY },
	{ "a free page with an order too large", 0, 2, -EALREADY },
	{ "order too small", 2, 0, -EINVAL },
	{ "order too large", 4, 3, -EINVAL },
	{ "order too large, misaligned", 1, 1, -EINVAL },
	{ "inside a block", 3, 0, -EINVAL },
	{ "inside a block, aligned", 6, 1, -EINVAL },
	{ "inside a block, misaligned", 5, 2, -EINVAL },
	{ "order 11", 0, 11, -EINVAL },
	{ "order 63", 0, 63, -EINVAL },
	{ "order 64", 0, 64, -EINVAL },
	{ "the largest order", 0, UINT_MAX, -EINVAL },
	{ "first page after the range", 15, 0, -ERANGE },
	{ "far after the range", 1UL << 40, 0, -ERANGE },
	{ "a negative index", -1UL, 0, -ERANGE },
	{ "a negative index of order 10", -1024UL, 10, -ERANGE },
	{ "a block across the end", 14, 1, -ERANGE },
	{ "a block larger than the range", 0, 10, -ERANGE },
};

KUNIT_ARRAY_PARAM_DESC(free_error, free_errors, what);

static void test_free_error(struct kunit *test)
{
	const struct free_error *e = test->param_value;
	struct xbuddy *buddy = error_buddy(test), before = *buddy;

	KUNIT_EXPECT_EQ(test, xbuddy_free(buddy, e->index, e->order), e->err);
	expect_unchanged(test, buddy, &before);
}

/* Expect the second free of a block to be refused, merged away or not. */
static void test_double_free(struct kunit *test)
{
	struct xbuddy *buddy = new_buddy(test, 16);

	KUNIT_EXPECT_EQ(test, xbuddy_alloc(buddy, 0), 0L);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc(buddy, 0), 1L);
	KUNIT_EXPECT_EQ(test, xbuddy_free(buddy, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, xbuddy_free(buddy, 0, 0), -EALREADY);
	KUNIT_EXPECT_EQ(test, xbuddy_free(buddy, 1, 0), 0);
	KUNIT_EXPECT_EQ(test, xbuddy_free(buddy, 1, 0), -EALREADY);
	KUNIT_EXPECT_EQ(test, xbuddy_free(buddy, 0, 0), -EALREADY);
	expect_valid(test, buddy);
	expect_untouched(test, buddy);
}

struct run_error {
	const char	*what;
	unsigned long	index;
	unsigned long	nr;
	int		err;
};

static const struct run_error free_run_errors[] = {
	{ "no pages", 1, 0, -EINVAL },
	{ "starts with a free page", 0, 1, -EALREADY },
	{ "starts with a free page, then used ones", 0, 2, -EALREADY },
	{ "ends with a free block", 1, 11, -EALREADY },
	{ "cuts a block at its end", 1, 2, -EINVAL },
	{ "cuts a block at its start", 3, 5, -EINVAL },
	{ "after the range", 15, 1, -ERANGE },
	{ "across the end", 4, 12, -ERANGE },
	{ "wraps round", 2, -1UL, -ERANGE },
	{ "a negative index", -1UL, 2, -ERANGE },
};

KUNIT_ARRAY_PARAM_DESC(free_run_error, free_run_errors, what);

static void test_free_run_error(struct kunit *test)
{
	const struct run_error *e = test->param_value;
	struct xbuddy *buddy = error_buddy(test), before = *buddy;

	KUNIT_EXPECT_EQ(test, xbuddy_free_run(buddy, e->index, e->nr), e->err);
	expect_unchanged(test, buddy, &before);
}

struct row_error {
	const char	*what;
	unsigned long	index;
	unsigned int	order;
	unsigned int	nr;
	int		err;
};

static const struct row_error free_row_errors[] = {
	{ "no blocks", 1, 0, 0, -EINVAL },
	{ "a free block", 8, 2, 1, -EALREADY },
	{ "starts with a free page, then a used one", 0, 0, 2, -EALREADY },
	{ "ends with a free block", 4, 2, 2, -EALREADY },
	{ "a free block, then across the end", 4, 2, 3, -EALREADY },
	{ "the second block is larger", 1, 0, 2, -EINVAL },
	{ "the second block is larger, the third free", 2, 1, 4, -EINVAL },
	{ "the second block is larger, then far over the end", 1, 0, UINT_MAX, -EINVAL },
	{ "order too small", 2, 0, 2, -EINVAL },
	{ "order too large", 4, 3, 1, -EINVAL },
	{ "misaligned", 1, 1, 2, -EINVAL },
	{ "inside a block", 3, 0, 1, -EINVAL },
	{ "order 11", 0, 11, 1, -EINVAL },
	{ "order 64", 0, 64, 1, -EINVAL },
	{ "the largest order", 0, UINT_MAX, UINT_MAX, -EINVAL },
	{ "after the range", 15, 0, 1, -ERANGE },
	{ "a negative index", -1UL, 0, 2, -ERANGE },
	{ "a negative index of order 10", -1024UL, 10, 1, -ERANGE },
	{ "a block across the end", 14, 1, 1, -ERANGE },
	{ "blocks larger than the range", 0, 10, UINT_MAX, -ERANGE },
};

KUNIT_ARRAY_PARAM_DESC(free_row_error, free_row_errors, what);

static void test_free_row_error(struct kunit *test)
{
	const struct row_error *e = test->param_value;
	struct xbuddy *buddy = error_buddy(test), before = *buddy;

	KUNIT_EXPECT_EQ(test, xbuddy_free_row(buddy, e->index, e->order, e->nr), e->err);
	expect_unchanged(test, buddy, &before);
}

static void test_init_errors(struct kunit *test)
{
	struct xbuddy *buddy = test->priv;

	KUNIT_EXPECT_EQ(test, xbuddy_init(buddy, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, xbuddy_init(buddy, XBUDDY_MAX_NR + 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, xbuddy_init(buddy, ULONG_MAX), -EINVAL);
}

/* Expect -ENOMEM, and nothing to free, wherever the system has no memory. */
static void test_init_without_memory(struct kunit *test)
{
	struct xbuddy *buddy = test->priv;
	unsigned int n, left = 0, failures = 0;

	xtest_need_failures(test);
	for (n = 1; !left; n++) {
		int err;

		xtest_fail_nth(n);
		err = xbuddy_init(buddy, 1UL << 16);
		left = xtest_fail_end();
		if (!err) {
			expect_valid(test, buddy);
			xbuddy_destroy(buddy);
			continue;
		}
		failures++;
		KUNIT_EXPECT_EQ(test, err, -ENOMEM);
	}
	KUNIT_EXPECT_GT(test, failures, 0U);
	kunit_info(test, "%u requests to the system, %u without which there is no instance\n",
		   n - 2, failures);
}

static void test_alloc_errors(struct kunit *test)
{
	struct xbuddy *buddy = error_buddy(test), before = *buddy;

	KUNIT_EXPECT_EQ(test, xbuddy_alloc(buddy, 11), -(long)EINVAL);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc(buddy, 64), -(long)EINVAL);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc(buddy, UINT_MAX), -(long)EINVAL);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc(buddy, 3), -(long)ENOSPC);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc(buddy, 10), -(long)ENOSPC);
	expect_unchanged(test, buddy, &before);
}

static void test_alloc_many_errors(struct kunit *test)
{
	struct xbuddy *buddy = error_buddy(test), before = *buddy;
	unsigned long indices[2] = { 77, 77 };

	KUNIT_EXPECT_EQ(test, xbuddy_alloc_many(buddy, 11, indices, 2), 0U);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_many(buddy, 64, indices, 2), 0U);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_many(buddy, UINT_MAX, indices, 2), 0U);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_many(buddy, 3, indices, 2), 0U);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_many(buddy, 10, indices, 2), 0U);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_many(buddy, 0, indices, 0), 0U);
	KUNIT_EXPECT_EQ(test, indices[0], 77UL);
	KUNIT_EXPECT_EQ(test, indices[1], 77UL);
	expect_unchanged(test, buddy, &before);
}

static void test_alloc_ends_errors(struct kunit *test)
{
	struct xbuddy *buddy = error_buddy(test), before = *buddy;

	KUNIT_EXPECT_EQ(test, xbuddy_alloc_low(buddy, 11), -(long)EINVAL);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_top(buddy, UINT_MAX), -(long)EINVAL);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_low(buddy, 10), -(long)ENOSPC);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_top(buddy, 10), -(long)ENOSPC);
	expect_unchanged(test, buddy, &before);
}

static void test_alloc_range_errors(struct kunit *test)
{
	struct xbuddy *buddy = error_buddy(test), before = *buddy;

	KUNIT_EXPECT_EQ(test, xbuddy_alloc_range(buddy, 11, 0, 15), -(long)EINVAL);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_range(buddy, UINT_MAX, 0, 15), -(long)EINVAL);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_range(buddy, 0, 8, 8), -(long)EINVAL);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_range(buddy, 0, 9, 8), -(long)EINVAL);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_range(buddy, 0, 0, 16), -(long)EINVAL);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_range(buddy, 0, 15, 16), -(long)EINVAL);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_range(buddy, 0, 0, -1UL), -(long)EINVAL);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_range(buddy, 0, 1, 8), -(long)ENOSPC);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_range(buddy, 1, 9, 11), -(long)ENOSPC);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_range(buddy, 2, 9, 15), -(long)ENOSPC);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_range(buddy, 2, 8, 11), -(long)ENOSPC);
	expect_unchanged(test, buddy, &before);
}

static void test_alloc_run_errors(struct kunit *test)
{
	struct xbuddy *buddy = error_buddy(test), before = *buddy;

	KUNIT_EXPECT_EQ(test, xbuddy_alloc_run(buddy, 0, 0, 15), -(long)EINVAL);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_run(buddy, 1, 8, 8), -(long)EINVAL);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_run(buddy, 1, 9, 8), -(long)EINVAL);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_run(buddy, 1, 0, 16), -(long)EINVAL);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_run(buddy, 1, 0, -1UL), -(long)EINVAL);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_run(buddy, 1, 1, 8), -(long)ENOSPC);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_run(buddy, 8, 0, 15), -(long)ENOSPC);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_run(buddy, 7, 9, 15), -(long)ENOSPC);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_run(buddy, -1UL, 0, 15), -(long)ENOSPC);
	expect_unchanged(test, buddy, &before);
}

/*
 * Ranges, runs, lookup
 */

/* Expect the lowest aligned place from @from on, whatever block it is cut from. */
static void test_range_places(struct kunit *test)
{
	struct xbuddy *buddy = new_buddy(test, 2 * TOP_PAGES);

	KUNIT_EXPECT_EQ(test, xbuddy_alloc_range(buddy, 0, 1500, 1501), 1500L);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_range(buddy, 3, 1499, 1520), 1504L);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_range(buddy, 3, 1497, 1520), 1512L);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_range(buddy, 3, 1497, 1520), -(long)ENOSPC);
	/* The small rest beside page 1500 is free, but 5 is lower. */
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_range(buddy, 0, 5, 2048), 5L);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_range(buddy, 10, 0, 2048), -(long)ENOSPC);
	expect_valid(test, buddy);
}

/* The highest place for a block, found by looking at each; or -ENOSPC. */
static long highest_place(const struct xbuddy *buddy, unsigned int order)
{
	unsigned long size = 1UL << order, index;
	struct xbuddy_block block;

	for (index = round_down(buddy->nr, size); index; index -= size)
		if (!xbuddy_lookup(buddy, index - size, &block) &&
		    block.state == XBUDDY_FREE && block.order >= order)
			return index - size;
	return -ENOSPC;
}

/*
 * Two kinds of blocks, taken alternately from both ends:
 * |aaaa....|........|  ..  |........|....bbbb|
 * Expect all that lies between them to be one run, whole top blocks in the middle,
 * and no block of one kind in what was cut for the other.
 */
static void test_ends_apart(struct kunit *test)
{
	struct xbuddy *buddy = new_buddy(test, 6 * TOP_PAGES);
	long i;

	for (i = 0; i < 64; i++) {
		KUNIT_ASSERT_EQ(test, xbuddy_alloc_low(buddy, 3), i * 8);
		KUNIT_ASSERT_EQ(test, xbuddy_alloc_top(buddy, 3),
				6L * TOP_PAGES - (i + 1) * 8);
	}
	expect_valid(test, buddy);
	KUNIT_EXPECT_EQ(test, buddy->free_area[XBUDDY_MAX_ORDER].nr_free, 4UL);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_run(buddy, 5 * TOP_PAGES, 0, 6 * TOP_PAGES), 512L);
}

/*
 * |....|....|..  a run of 7 from page 1: .aaaaaaa|..
 * Expect it cut as 1 + 2 + 4 pages from the left, and the rest still free.
 */
static void test_run_is_exact(struct kunit *test)
{
	struct xbuddy *buddy = new_buddy(test, 10);

	KUNIT_EXPECT_EQ(test, xbuddy_alloc_run(buddy, 7, 1, 10), 1L);
	expect_valid(test, buddy);
	KUNIT_EXPECT_EQ(test, buddy->nr_free, 3UL);
	expect_block(test, buddy, 1, 1, 0, XBUDDY_USED);
	expect_block(test, buddy, 2, 2, 1, XBUDDY_USED);
	expect_block(test, buddy, 4, 4, 2, XBUDDY_USED);
	expect_block(test, buddy, 0, 0, 0, XBUDDY_FREE);
	expect_block(test, buddy, 8, 8, 1, XBUDDY_FREE);
	KUNIT_EXPECT_EQ(test, xbuddy_free_run(buddy, 1, 7), 0);
	expect_valid(test, buddy);
	expect_untouched(test, buddy);
}

/* Expect a run to cross top blocks, and to be the whole range where asked. */
static void test_run_is_long(struct kunit *test)
{
	struct xbuddy *buddy = new_buddy(test, 5 * TOP_PAGES + 3);

	KUNIT_EXPECT_EQ(test, xbuddy_alloc_run(buddy, buddy->nr, 0, buddy->nr), 0L);
	KUNIT_EXPECT_EQ(test, buddy->nr_free, 0UL);
	expect_valid(test, buddy);
	KUNIT_EXPECT_EQ(test, xbuddy_free_run(buddy, 0, buddy->nr), 0);
	expect_untouched(test, buddy);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_run(buddy, 3000, 1000, buddy->nr), 1000L);
	expect_valid(test, buddy);
	KUNIT_EXPECT_EQ(test, xbuddy_free_run(buddy, 1000, 3000), 0);
	expect_valid(test, buddy);
	expect_untouched(test, buddy);
}

/* ..c....h: expect the first hole that is long enough, 3 to 6, not 0 to 1. */
static void test_run_first_fit(struct kunit *test)
{
	struct xbuddy *buddy = new_buddy(test, 16);

	KUNIT_EXPECT_EQ(test, xbuddy_alloc_range(buddy, 0, 2, 3), 2L);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_range(buddy, 0, 7, 8), 7L);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_run(buddy, 3, 0, 16), 3L);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_run(buddy, 2, 0, 16), 0L);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_run(buddy, 2, 0, 16), 8L);
	expect_valid(test, buddy);
}

/* Expect the blocks of a run to be blocks like others. */
static void test_run_freed_by_blocks(struct kunit *test)
{
	struct xbuddy *buddy = new_buddy(test, 8);

	KUNIT_EXPECT_EQ(test, xbuddy_alloc_run(buddy, 7, 0, 8), 0L);
	KUNIT_EXPECT_EQ(test, xbuddy_free(buddy, 4, 1), 0);
	expect_valid(test, buddy);
	KUNIT_EXPECT_EQ(test, xbuddy_free_run(buddy, 0, 7), -EALREADY);
	KUNIT_EXPECT_EQ(test, xbuddy_free(buddy, 0, 2), 0);
	KUNIT_EXPECT_EQ(test, xbuddy_free(buddy, 6, 0), 0);
	expect_valid(test, buddy);
	expect_untouched(test, buddy);
}

static void test_lookup(struct kunit *test)
{
	struct xbuddy *buddy = new_buddy(test, 2 * TOP_PAGES);
	struct xbuddy_block block;

	KUNIT_EXPECT_EQ(test, xbuddy_alloc(buddy, 4), 0L);
	expect_block(test, buddy, 0, 0, 4, XBUDDY_USED);
	expect_block(test, buddy, 15, 0, 4, XBUDDY_USED);
	expect_block(test, buddy, 16, 16, 4, XBUDDY_FREE);
	expect_block(test, buddy, 1023, 512, 9, XBUDDY_FREE);
	expect_block(test, buddy, 2047, 1024, 10, XBUDDY_FREE);
	KUNIT_EXPECT_EQ(test, xbuddy_lookup(buddy, 2048, &block), -ERANGE);
	KUNIT_EXPECT_EQ(test, xbuddy_lookup(buddy, ULONG_MAX, &block), -ERANGE);
	expect_valid(test, buddy);
}

/*
 * Many blocks at once: in any state the result is that of one after the other. Two
 * instances are brought to the same state; one is used each way.
 */

struct start {
	const char	*what;
	unsigned long	nr;
	void		(*make)(struct kunit *test, struct xbuddy *buddy,
				struct rnd_state *rnd);
};

/* Every second page of the first half is free: |a.c.e.g.|........| */
static void make_combed(struct kunit *test, struct xbuddy *buddy, struct rnd_state *rnd)
{
	unsigned long i;

	for (i = 0; i < buddy->nr / 2; i++)
		KUNIT_ASSERT_EQ(test, xbuddy_alloc_range(buddy, 0, i, i + 1), (long)i);
	for (i = 0; i < buddy->nr / 2; i += 2)
		KUNIT_ASSERT_EQ(test, xbuddy_free(buddy, i, 0), 0);
}

/* One free block of each order, the largest at the lowest address. */
static void make_stairs(struct kunit *test, struct xbuddy *buddy, struct rnd_state *rnd)
{
	unsigned long at[XBUDDY_NR_ORDERS];
	int order;

	for (order = XBUDDY_MAX_ORDER; order >= 0; order--) {
		at[order] = (XBUDDY_MAX_ORDER - order) * TOP_PAGES;
		KUNIT_ASSERT_EQ(test, xbuddy_alloc_range(buddy, order, at[order],
							 at[order] + TOP_PAGES),
				(long)at[order]);
	}
	while (xbuddy_alloc(buddy, 0) >= 0)
		;
	for (order = 0; order < XBUDDY_NR_ORDERS; order++)
		KUNIT_ASSERT_EQ(test, xbuddy_free(buddy, at[order], order), 0);
}

/* Blocks of many orders come and go at random places. */
static void make_scattered(struct kunit *test, struct xbuddy *buddy, struct rnd_state *rnd)
{
	unsigned long i, index;
	unsigned int order;

	for (i = 0; i < buddy->nr; i++) {
		order = min(xtest_below(rnd, 6), xtest_below(rnd, 6));
		index = round_down(xtest_below(rnd, buddy->nr), 1UL << order);
		if (xbuddy_free(buddy, index, order))
			xbuddy_alloc_range(buddy, order, index,
					   min(index + (1UL << order), buddy->nr));
	}
}

static void make_untouched(struct kunit *test, struct xbuddy *buddy, struct rnd_state *rnd)
{
}

static void make_full(struct kunit *test, struct xbuddy *buddy, struct rnd_state *rnd)
{
	KUNIT_ASSERT_EQ(test, xbuddy_alloc_run(buddy, buddy->nr, 0, buddy->nr), 0L);
}

static const struct start starts[] = {
	{ "one page", 1, make_untouched },
	{ "7 pages", 7, make_untouched },
	{ "3 top blocks", 3 * TOP_PAGES, make_untouched },
	{ "2 top blocks and 333 pages", 2 * TOP_PAGES + 333, make_untouched },
	{ "every second page of a half", 2 * TOP_PAGES + 6, make_combed },
	{ "a block of each order", 11 * TOP_PAGES, make_stairs },
	{ "scattered", 2600, make_scattered },
	{ "scattered, 5 top blocks", 5 * TOP_PAGES, make_scattered },
	{ "full", 1500, make_full },
};

KUNIT_ARRAY_PARAM_DESC(start, starts, what);

/* Each bit and each count, but the address of the bitmaps. */
static void expect_alike(struct kunit *test, const struct xbuddy *one,
			 const struct xbuddy *two)
{
	unsigned int order;

	KUNIT_EXPECT_EQ(test, one->nr_free, two->nr_free);
	KUNIT_EXPECT_EQ(test, one->orders, two->orders);
	KUNIT_EXPECT_EQ(test, one->splits, two->splits);
	KUNIT_EXPECT_EQ(test, one->merges, two->merges);
	for (order = 0; order < XBUDDY_NR_ORDERS; order++)
		KUNIT_EXPECT_EQ(test, one->free_area[order].nr_free,
				two->free_area[order].nr_free);
	KUNIT_ASSERT_EQ(test, one->bytes, two->bytes);
	KUNIT_EXPECT_EQ(test, memcmp(one->free_area[0].used, two->free_area[0].used,
				     one->bytes), 0);
	expect_valid(test, one);
}

/*
 * Expect the lowest place of all and the highest one, in any state and for each
 * order, until there is none.
 */
static void test_low_and_top(struct kunit *test)
{
	const struct start *start = test->param_value;
	struct xbuddy *buddy = nth_buddy(test, 0, start->nr);
	struct xbuddy *model = nth_buddy(test, 1, start->nr);
	struct rnd_state rnd, again;
	long low, top, want;
	int order;

	xtest_seed(test, &rnd);
	again = rnd;
	start->make(test, buddy, &rnd);
	start->make(test, model, &again);
	for (order = XBUDDY_MAX_ORDER; order >= 0; order--) {
		unsigned int turn, turns = order ? 3 : 40;

		for (turn = 0; turn < turns; turn++) {
			low = xbuddy_alloc_low(buddy, order);
			KUNIT_ASSERT_EQ(test, low, xbuddy_alloc_range(model, order, 0, start->nr));
			want = highest_place(model, order);
			top = xbuddy_alloc_top(buddy, order);
			KUNIT_ASSERT_EQ(test, top, want);
			if (top < 0)
				break;
			KUNIT_ASSERT_EQ(test, xbuddy_alloc_range(model, order, top,
								 top + (1UL << order)), top);
		}
		expect_alike(test, buddy, model);
	}
}

/*
 * Parts of a range of 6 blocks of the largest order, from both ends: expect the places, of
 * rows too, and nothing outside of a part or from a block that may not be broken.
 */
static void test_alloc_part(struct kunit *test)
{
	struct xbuddy *buddy = new_buddy(test, 6 * TOP_PAGES);
	struct xbuddy_part low = { TOP_PAGES, 3 * TOP_PAGES, XBUDDY_MAX_ORDER, false };
	struct xbuddy_part top = { TOP_PAGES, 3 * TOP_PAGES, XBUDDY_MAX_ORDER, true };
	unsigned long index;

	KUNIT_EXPECT_EQ(test, xbuddy_alloc_part(buddy, 0, 1, false, &low, &index), 1U);
	KUNIT_EXPECT_EQ(test, index, TOP_PAGES);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_part(buddy, 2, 5, false, &top, &index), 4U);
	KUNIT_EXPECT_EQ(test, index, 3 * TOP_PAGES - 16);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_part(buddy, 0, 7, false, &low, &index), 1U);
	KUNIT_EXPECT_EQ(test, index, TOP_PAGES + 1);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_part(buddy, 0, 7, false, &low, &index), 2U);
	KUNIT_EXPECT_EQ(test, index, TOP_PAGES + 2);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_part(buddy, 0, 3, true, &low, &index), 0U);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_part(buddy, 0, 4, true, &low, &index), 4U);
	KUNIT_EXPECT_EQ(test, index, TOP_PAGES + 4);
	expect_valid(test, buddy);

	low.most = 2;
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_part(buddy, 0, 1, false, &low, &index), 0U);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_part(buddy, 3, 1, false, &low, &index), 0U);
	low.most = 3;
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_part(buddy, 3, 1, false, &low, &index), 1U);
	KUNIT_EXPECT_EQ(test, index, TOP_PAGES + 8);
	low.most = XBUDDY_MAX_ORDER;
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_part(buddy, 10, 1, false, &low, &index), 0U);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_part(buddy, 10, 1, false, &top, &index), 0U);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_part(buddy, 11, 1, false, &top, &index), 0U);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_part(buddy, 0, 0, false, &top, &index), 0U);
	top.to = 6 * TOP_PAGES + 1;
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_part(buddy, 0, 1, false, &top, &index), 0U);
	expect_valid(test, buddy);

	/* A part that begins and ends inside of a free block */
	low.from = 4 * TOP_PAGES + 1;
	low.to = 4 * TOP_PAGES + 7;
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_part(buddy, 0, 4, false, &low, &index), 1U);
	KUNIT_EXPECT_EQ(test, index, 4 * TOP_PAGES + 1);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_part(buddy, 0, 8, false, &low, &index), 2U);
	KUNIT_EXPECT_EQ(test, index, 4 * TOP_PAGES + 2);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_part(buddy, 0, 8, false, &low, &index), 2U);
	KUNIT_EXPECT_EQ(test, index, 4 * TOP_PAGES + 4);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_part(buddy, 1, 1, false, &low, &index), 0U);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_part(buddy, 0, 8, false, &low, &index), 1U);
	KUNIT_EXPECT_EQ(test, index, 4 * TOP_PAGES + 6);
	expect_valid(test, buddy);
}

/* How many of the first @nr blocks follow one another. */
static unsigned int row_length(const unsigned long *indices, unsigned int nr,
			       unsigned int order)
{
	unsigned int n = 1;

	while (n < nr && indices[n] == indices[n - 1] + (1UL << order))
		n++;
	return n;
}

struct pair {
	struct xbuddy	*many;		/* is used by many blocks at once */
	struct xbuddy	*single;	/* by one after the other */
	unsigned long	*indices;
};

static void take_many(struct kunit *test, struct pair *p, unsigned int order,
		      unsigned int nr, unsigned int *got)
{
	unsigned int i;

	*got = xbuddy_alloc_many(p->many, order, p->indices, nr);
	KUNIT_ASSERT_LE(test, *got, nr);
	for (i = 0; i < *got; i++)
		KUNIT_ASSERT_EQ(test, xbuddy_alloc(p->single, order), (long)p->indices[i]);
	if (*got < nr)
		KUNIT_EXPECT_EQ(test, xbuddy_alloc(p->single, order), -(long)ENOSPC);
	expect_alike(test, p->many, p->single);
}

static void give_rows(struct kunit *test, struct pair *p, unsigned int order,
		      unsigned int nr)
{
	unsigned int i, n;

	for (i = 0; i < nr; i += n) {
		n = row_length(p->indices + i, nr - i, order);
		KUNIT_EXPECT_EQ(test, xbuddy_free_row(p->many, p->indices[i], order, n), 0);
	}
	for (i = 0; i < nr; i++)
		KUNIT_ASSERT_EQ(test, xbuddy_free(p->single, p->indices[i], order), 0);
	expect_alike(test, p->many, p->single);
}

/*
 * Expect the same blocks, the same splits and merges and the same bits after
 * each step, for all orders and for as many blocks as there are, and more.
 */
static void test_many_like_single(struct kunit *test)
{
	static const unsigned int nrs[] = { 1, 2, 3, 7, 63, 64, 65, 1000, 12000 };
	const struct start *start = test->param_value;
	struct rnd_state rnd[MAX_BUDDIES];
	unsigned int order, i, got;
	struct pair p = {
		.many = nth_buddy(test, 0, start->nr),
		.single = nth_buddy(test, 1, start->nr),
		.indices = xtest_room(test, 12000, sizeof(long)),
	};

	xtest_seed(test, &rnd[0]);
	rnd[1] = rnd[0];
	start->make(test, p.many, &rnd[0]);
	start->make(test, p.single, &rnd[1]);
	expect_alike(test, p.many, p.single);
	for (order = 0; order < XBUDDY_NR_ORDERS; order++) {
		for (i = 0; i < ARRAY_SIZE(nrs); i++) {
			take_many(test, &p, order, nrs[i], &got);
			give_rows(test, &p, order, got);
		}
	}
}

/* In the order of addresses, whatever the length. */
static void take_each_page(struct kunit *test, struct xbuddy *buddy)
{
	unsigned long i;

	for (i = 0; i < buddy->nr; i++)
		KUNIT_ASSERT_EQ(test, xbuddy_alloc_range(buddy, 0, i, i + 1), (long)i);
	expect_valid(test, buddy);
}

/*
 * |abcd|efgh|ijk: rows of pages that start and end anywhere, over the bounds of
 * top blocks and up to the end of the range. Expect what single frees do.
 */
static void test_rows_across_blocks(struct kunit *test)
{
	static const struct { unsigned long from, to; } rows[] = {
		{ 1, 2 }, { 3, 1021 }, { 1023, 1025 }, { 1025, 3071 }, { 3072, 3077 },
		{ 2, 3 }, { 1021, 1023 }, { 3071, 3072 }, { 0, 1 },
	};
	struct xbuddy *many = nth_buddy(test, 0, 3 * TOP_PAGES + 5);
	struct xbuddy *single = nth_buddy(test, 1, 3 * TOP_PAGES + 5);
	unsigned long at;
	unsigned int i;

	take_each_page(test, many);
	take_each_page(test, single);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned int nr = rows[i].to - rows[i].from;

		KUNIT_EXPECT_EQ(test, xbuddy_free_row(many, rows[i].from, 0, nr), 0);
		for (at = rows[i].from; at < rows[i].to; at++)
			KUNIT_ASSERT_EQ(test, xbuddy_free(single, at, 0), 0);
		expect_alike(test, many, single);
		KUNIT_EXPECT_EQ(test, xbuddy_free_row(many, rows[i].from, 0, nr), -EALREADY);
		expect_alike(test, many, single);
	}
	expect_untouched(test, many);
}

/* ghijkl| and a row of one page more than there are. Expect nothing changed. */
static void test_row_over_the_end(struct kunit *test)
{
	struct xbuddy *buddy = new_buddy(test, 15), before;
	unsigned long i;

	take_each_page(test, buddy);
	before = *buddy;
	KUNIT_EXPECT_EQ(test, xbuddy_free_row(buddy, 10, 0, 6), -ERANGE);
	KUNIT_EXPECT_EQ(test, xbuddy_free_row(buddy, 14, 0, 2), -ERANGE);
	KUNIT_EXPECT_EQ(test, xbuddy_free_row(buddy, 0, 0, UINT_MAX), -ERANGE);
	KUNIT_EXPECT_EQ(test, memcmp(buddy, &before, sizeof(before)), 0);
	for (i = 0; i < buddy->nr; i++)
		expect_block(test, buddy, i, i, 0, XBUDDY_USED);
	KUNIT_EXPECT_EQ(test, xbuddy_free_row(buddy, 0, 0, 15), 0);
	expect_valid(test, buddy);
	expect_untouched(test, buddy);
}

/* A row may be made of the parts of blocks and runs that were taken otherwise. */
static void test_row_of_mixed_origin(struct kunit *test)
{
	struct xbuddy *buddy = new_buddy(test, 64);

	KUNIT_EXPECT_EQ(test, xbuddy_alloc_run(buddy, 4, 6, 64), 6L);	/* 6-7, 8-9 */
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_range(buddy, 1, 10, 12), 10L);
	KUNIT_EXPECT_EQ(test, xbuddy_free_row(buddy, 6, 1, 4), -EALREADY);
	KUNIT_EXPECT_EQ(test, xbuddy_free_row(buddy, 6, 1, 3), 0);
	expect_valid(test, buddy);
	expect_untouched(test, buddy);
}

/*
 * The validator. Bits and counts are changed behind the back of the instance:
 * expect it to see each change.
 */
static void test_validator_sees(struct kunit *test)
{
	struct xbuddy *buddy = error_buddy(test);
	unsigned int order;

	for (order = 0; order < 4; order++) {
		struct xbuddy_area *area = &buddy->free_area[order];
		unsigned long i;

		for (i = 0; i < buddy->nr >> order; i++) {
			change_bit(i, area->used);
			KUNIT_EXPECT_EQ(test, xbuddy_validate(buddy), -EUCLEAN);
			change_bit(i, area->used);
			change_bit(i, area->free.level[0]);
			KUNIT_EXPECT_EQ(test, xbuddy_validate(buddy), -EUCLEAN);
			change_bit(i, area->free.level[0]);
		}
		area->nr_free++;
		KUNIT_EXPECT_EQ(test, xbuddy_validate(buddy), -EUCLEAN);
		area->nr_free--;
		buddy->orders ^= BIT(order);
		KUNIT_EXPECT_EQ(test, xbuddy_validate(buddy), -EUCLEAN);
		buddy->orders ^= BIT(order);
	}
	buddy->nr_free++;
	KUNIT_EXPECT_EQ(test, xbuddy_validate(buddy), -EUCLEAN);
	buddy->nr_free--;
	expect_valid(test, buddy);
}

/*
 * Random operations against a model
 *
 * The model knows no split, no merge and no list. It has a byte a page: zero
 * where the page is free, else 1 + the order of the block that it belongs to.
 * What is a free block follows from that by definition: an aligned stretch of
 * free pages that is not part of a larger one. Everything is found by looking
 * at all places from the left.
 */
struct model {
	unsigned long	nr;
	unsigned long	nr_used;
	u8		*page;
	struct rnd_state rnd;
	unsigned long	done[7];	/* successes, by kind of operation */
};

/* Runs that were taken; blocks of some may have been freed since. */
#define MODEL_RUNS	16
struct model_run {
	unsigned long	index;
	unsigned long	nr;
};

static bool all_free(const struct model *m, unsigned long index, unsigned long nr)
{
	return index + nr <= m->nr && !memchr_inv(m->page + index, 0, nr);
}

static bool is_free_block(const struct model *m, unsigned long index,
			  unsigned int order)
{
	if (!all_free(m, index, 1UL << order))
		return false;
	return order == XBUDDY_MAX_ORDER ||
	       !all_free(m, round_down(index, 2UL << order), 2UL << order);
}

static unsigned long count_free_blocks(const struct model *m, unsigned int order)
{
	unsigned long index, count = 0;

	for (index = 0; index < m->nr; index += 1UL << order)
		count += is_free_block(m, index, order);
	return count;
}

static long model_find(const struct model *m, unsigned int order)
{
	unsigned int from;

	for (from = order; from < XBUDDY_NR_ORDERS; from++) {
		unsigned long index;

		for (index = 0; index < m->nr; index += 1UL << from)
			if (!m->page[index] && is_free_block(m, index, from))
				return index;
	}
	return -ENOSPC;
}

/* The lowest place for @nr free pages, at a multiple of @align. */
static long model_find_in(const struct model *m, unsigned long nr,
			  unsigned long align, unsigned long from, unsigned long to)
{
	unsigned long index;

	for (index = round_up(from, align); index + nr <= to; index += align)
		if (!m->page[index] && all_free(m, index, nr))
			return index;
	return -ENOSPC;
}

static void model_take(struct model *m, unsigned long index, unsigned int order)
{
	memset(m->page + index, 1 + order, 1UL << order);
	m->nr_used += 1UL << order;
}

static void model_give(struct model *m, unsigned long index, unsigned int order)
{
	memset(m->page + index, 0, 1UL << order);
	m->nr_used -= 1UL << order;
}

/* The order of the first block of a run: aligned, at most 10, and it fits. */
static unsigned int run_step(unsigned long index, unsigned long nr)
{
	unsigned int order = 0;

	while (order < XBUDDY_MAX_ORDER && !(index & (1UL << order)) &&
	       2UL << order <= nr)
		order++;
	return order;
}

static int model_free_error(const struct model *m, unsigned long index,
			    unsigned int order)
{
	if (index >= m->nr)
		return -ERANGE;
	if (order > XBUDDY_MAX_ORDER || index % (1UL << order))
		return -EINVAL;
	if (index + (1UL << order) > m->nr)
		return -ERANGE;
	if (!m->page[index])
		return -EALREADY;
	return m->page[index] == 1 + order ? 0 : -EINVAL;
}

static int model_free_run_error(const struct model *m, const struct model_run *run)
{
	unsigned long at, end = run->index + run->nr;
	unsigned int order;

	for (at = run->index; at < end; at += 1UL << order) {
		int err;

		order = run_step(at, end - at);
		err = model_free_error(m, at, order);
		if (err)
			return err;
	}
	return 0;
}

/* Small orders more often than large ones, and some that cannot be. */
static unsigned int random_order(struct model *m)
{
	unsigned int n = min(ilog2(m->nr) + 2, XBUDDY_NR_ORDERS + 1);

	return min(xtest_below(&m->rnd, n), xtest_below(&m->rnd, n));
}

static void random_range(struct model *m, unsigned long *from, unsigned long *to)
{
	*from = xtest_below(&m->rnd, m->nr);
	*to = *from + 1 + xtest_below(&m->rnd, m->nr - *from);
}

/* The operations return whether the instance did what the model did. */

static bool op_alloc(struct model *m, struct xbuddy *buddy)
{
	unsigned int order = random_order(m);
	long want = order > XBUDDY_MAX_ORDER ? -EINVAL : model_find(m, order);

	if (want >= 0) {
		model_take(m, want, order);
		m->done[0]++;
	}
	return xbuddy_alloc(buddy, order) == want;
}

static bool op_alloc_range(struct model *m, struct xbuddy *buddy)
{
	unsigned int order = min(random_order(m), 10U);
	unsigned long from, to;
	long want;

	random_range(m, &from, &to);
	want = model_find_in(m, 1UL << order, 1UL << order, from, to);
	if (want >= 0) {
		model_take(m, want, order);
		m->done[1]++;
	}
	return xbuddy_alloc_range(buddy, order, from, to) == want;
}

static bool op_alloc_run(struct model *m, struct xbuddy *buddy, struct model_run *run)
{
	unsigned long from, to, at, nr = 1 + xtest_below(&m->rnd, m->nr / 8 + 1);
	unsigned int order;
	long want;

	random_range(m, &from, &to);
	want = model_find_in(m, nr, 1, from, to);
	if (want >= 0) {
		*run = (struct model_run){ want, nr };
		for (at = want; at < want + nr; at += 1UL << order) {
			order = run_step(at, want + nr - at);
			model_take(m, at, order);
		}
		m->done[2]++;
	}
	return xbuddy_alloc_run(buddy, nr, from, to) == want;
}

/* Free the block of a random page; now and then with something wrong. */
static bool op_free(struct model *m, struct xbuddy *buddy)
{
	unsigned long index = xtest_below(&m->rnd, m->nr);
	unsigned int order = m->page[index] ? m->page[index] - 1 : random_order(m);
	int want;

	index = round_down(index, 1UL << order);
	if (!xtest_below(&m->rnd, 16))
		index += xtest_below(&m->rnd, 3);
	if (!xtest_below(&m->rnd, 16))
		order = random_order(m);

	want = model_free_error(m, index, order);
	if (!want) {
		model_give(m, index, order);
		m->done[3]++;
	}
	return xbuddy_free(buddy, index, order) == want;
}

static bool op_free_run(struct model *m, struct xbuddy *buddy, struct model_run *run)
{
	unsigned long at, end = run->index + run->nr;
	unsigned int order;
	int want;

	if (!run->nr)
		return true;
	want = model_free_run_error(m, run);
	if (!want) {
		for (at = run->index; at < end; at += 1UL << order) {
			order = run_step(at, end - at);
			model_give(m, at, order);
		}
		m->done[4]++;
	}
	return xbuddy_free_run(buddy, run->index, run->nr) == want;
}

#define MODEL_MANY	16

static bool op_alloc_many(struct model *m, struct xbuddy *buddy)
{
	unsigned int nr = 1 + xtest_below(&m->rnd, MODEL_MANY), order = random_order(m);
	unsigned long got[MODEL_MANY];
	unsigned int n, i;
	long want;

	n = xbuddy_alloc_many(buddy, order, got, nr);
	for (i = 0; i < nr; i++) {
		want = order > XBUDDY_MAX_ORDER ? -EINVAL : model_find(m, order);
		if (want < 0)
			break;
		if (i >= n || got[i] != want)
			return false;
		model_take(m, want, order);
		m->done[5]++;
	}
	return n == i;
}

/* The first of @nr blocks that cannot be freed, if there is one, says why. */
static int model_free_row_error(const struct model *m, unsigned long index,
				unsigned int order, unsigned int nr)
{
	int err = 0;

	for (; nr && !err; nr--, index += 1UL << order)
		err = model_free_error(m, index, order);
	return err;
}

/* Free the blocks of one order that follow a random page, or one too many. */
static bool op_free_row(struct model *m, struct xbuddy *buddy)
{
	unsigned long index = xtest_below(&m->rnd, m->nr);
	unsigned int order = m->page[index] ? m->page[index] - 1 : random_order(m);
	unsigned int nr = 1, i;
	int want;

	index = round_down(index, 1UL << order);
	while (!model_free_row_error(m, index + ((unsigned long)nr << order), order, 1))
		nr++;
	nr = min(1 + xtest_below(&m->rnd, nr + 1), 1 + xtest_below(&m->rnd, nr + 1));
	if (!xtest_below(&m->rnd, 16))
		nr += xtest_below(&m->rnd, 2000);

	want = model_free_row_error(m, index, order, nr);
	for (i = 0; !want && i < nr; i++) {
		model_give(m, index + ((unsigned long)i << order), order);
		m->done[6]++;
	}
	return xbuddy_free_row(buddy, index, order, nr) == want;
}

/* One random operation: more often one that takes while @filling. */
static bool random_op(struct model *m, struct xbuddy *buddy,
		      struct model_run *runs, bool filling)
{
	struct model_run *run = &runs[xtest_below(&m->rnd, MODEL_RUNS)];
	bool take = xtest_below(&m->rnd, 8) < (filling ? 6 : 2);
	unsigned int kind = xtest_below(&m->rnd, 8);

	if (!take && kind < 2)
		return kind ? op_free_row(m, buddy) : op_free_run(m, buddy, run);
	if (!take)
		return op_free(m, buddy);
	if (kind < 1)
		return op_alloc_many(m, buddy);
	if (kind < 4)
		return op_alloc(m, buddy);
	return kind < 6 ? op_alloc_range(m, buddy) : op_alloc_run(m, buddy, run);
}

static bool balanced(const struct model *m, const struct xbuddy *buddy)
{
	return free_blocks_pages(buddy) + m->nr_used == m->nr &&
	       buddy->nr_free + m->nr_used == m->nr;
}

/* Every block and every count, looked up one by one. */
static void expect_same(struct kunit *test, const struct model *m,
			const struct xbuddy *buddy)
{
	unsigned int order;
	unsigned long i;

	for (order = 0; order < XBUDDY_NR_ORDERS; order++)
		KUNIT_EXPECT_EQ(test, buddy->free_area[order].nr_free,
				count_free_blocks(m, order));
	for (i = 0; i < m->nr; i++) {
		struct xbuddy_block block = { };

		KUNIT_EXPECT_EQ(test, xbuddy_lookup(buddy, i, &block), 0);
		KUNIT_EXPECT_EQ(test, block.index, round_down(i, 1UL << block.order));
		KUNIT_EXPECT_EQ(test, block.state == XBUDDY_USED, !!m->page[i]);
		if (m->page[i])
			KUNIT_EXPECT_EQ(test, block.order, m->page[i] - 1U);
	}
	expect_valid(test, buddy);
}

static const unsigned long model_lengths[] = {
	1, 2, 7, 64, 65, 333, 1023, 1024, 1025, 2600,
};

KUNIT_ARRAY_PARAM(model_length, model_lengths, length_desc);

#define MODEL_PHASE	2048	/* operations around one level of filling */

static void run_model(struct kunit *test, struct model *m, struct xbuddy *buddy,
		      unsigned long nr_ops)
{
	struct model_run runs[MODEL_RUNS] = { };
	unsigned long i, level = m->nr;

	for (i = 0; i < nr_ops; i++) {
		bool filling = m->nr_used < level;

		KUNIT_ASSERT_TRUE_MSG(test, random_op(m, buddy, runs, filling),
				      "operation %lu differs from the model", i);
		KUNIT_ASSERT_TRUE_MSG(test, balanced(m, buddy),
				      "sum of free blocks after operation %lu", i);
		if (i % MODEL_PHASE)
			continue;
		expect_same(test, m, buddy);
		level = xtest_below(&m->rnd, m->nr + 1);
	}
	expect_same(test, m, buddy);
}

/*
 * Expect after each random operation the result that the model has, and the
 * sum of nr_free * 2^order plus the pages in use to be all pages.
 */
static void test_model(struct kunit *test)
{
	struct model m = { .nr = *(const unsigned long *)test->param_value };
	struct xbuddy *buddy = new_buddy(test, m.nr);
	unsigned long nr_ops = xtest_param(ops) / ARRAY_SIZE(model_lengths);
	unsigned int i;

	m.page = xtest_room(test, m.nr, sizeof(*m.page));
	xtest_seed(test, &m.rnd);
	run_model(test, &m, buddy, nr_ops);
	kunit_info(test, "%lu operations; done: %lu alloc, %lu range, %lu run, %lu free, %lu free run, %lu of many, %lu in rows\n",
		   nr_ops, m.done[0], m.done[1], m.done[2], m.done[3], m.done[4],
		   m.done[5], m.done[6]);
	/* A test that never succeeds at anything would show nothing. */
	for (i = 0; i < ARRAY_SIZE(m.done); i++)
		KUNIT_EXPECT_GE(test, m.done[i], nr_ops / 1000);
}

/*
 * AAAA AAAA .... : a block is split into pages, and pages 2 and 3 are freed. Expect the
 * others to be blocks of their own, and all to be one again only where all are used.
 */
static void xbuddy_test_split(struct kunit *test)
{
	struct xbuddy *buddy = new_buddy(test, 16);
	unsigned int i;

	KUNIT_ASSERT_EQ(test, xbuddy_alloc(buddy, 3), 0L);
	KUNIT_EXPECT_EQ(test, xbuddy_split(buddy, 0, 3, 4), -EINVAL);
	KUNIT_EXPECT_EQ(test, xbuddy_split(buddy, 0, 2, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, xbuddy_split(buddy, 8, 3, 0), -EALREADY);
	KUNIT_EXPECT_EQ(test, xbuddy_split(buddy, 16, 3, 0), -ERANGE);
	KUNIT_EXPECT_EQ(test, xbuddy_split(buddy, 0, 3, 3), 0);
	KUNIT_EXPECT_EQ(test, xbuddy_split(buddy, 0, 3, 0), 0);
	expect_valid(test, buddy);
	KUNIT_EXPECT_EQ(test, xbuddy_free(buddy, 0, 3), -EINVAL);
	KUNIT_EXPECT_EQ(test, xbuddy_free(buddy, 2, 0), 0);
	KUNIT_EXPECT_EQ(test, xbuddy_free(buddy, 3, 0), 0);
	KUNIT_EXPECT_EQ(test, xbuddy_alloc_range(buddy, 1, 0, 4), 2L);
	KUNIT_EXPECT_EQ(test, xbuddy_unsplit(buddy, 0, 0, 3), -EINVAL);
	KUNIT_EXPECT_EQ(test, xbuddy_split(buddy, 2, 1, 0), 0);
	KUNIT_EXPECT_EQ(test, xbuddy_unsplit(buddy, 1, 0, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, xbuddy_unsplit(buddy, 0, 1, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, xbuddy_unsplit(buddy, 8, 0, 3), -EALREADY);
	KUNIT_EXPECT_EQ(test, xbuddy_unsplit(buddy, 0, 0, 3), 0);
	expect_valid(test, buddy);
	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_EQ(test, xbuddy_free(buddy, i, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, xbuddy_free(buddy, 0, 3), 0);
	expect_untouched(test, buddy);
	expect_valid(test, buddy);
}

static struct kunit_case buddy_cases[] = {
	KUNIT_CASE(test_split_and_merge),
	KUNIT_CASE(test_split_keeps_low_half),
	KUNIT_CASE(test_smallest_block_first),
	KUNIT_CASE(test_lowest_address_first),
	KUNIT_CASE(test_neighbours_are_not_buddies),
	KUNIT_CASE(test_top_blocks_do_not_merge),
	KUNIT_CASE_PARAM(test_length, length_gen_params),
	KUNIT_CASE(test_largest),
	KUNIT_CASE(test_metadata_size),
	KUNIT_CASE_PARAM(test_free_error, free_error_gen_params),
	KUNIT_CASE(test_double_free),
	KUNIT_CASE_PARAM(test_free_run_error, free_run_error_gen_params),
	KUNIT_CASE_PARAM(test_free_row_error, free_row_error_gen_params),
	KUNIT_CASE(test_init_errors),
	KUNIT_CASE(test_init_without_memory),
	KUNIT_CASE(test_alloc_errors),
	KUNIT_CASE(test_alloc_many_errors),
	KUNIT_CASE(test_alloc_ends_errors),
	KUNIT_CASE(test_alloc_range_errors),
	KUNIT_CASE(test_alloc_run_errors),
	KUNIT_CASE(test_range_places),
	KUNIT_CASE(test_ends_apart),
	KUNIT_CASE_PARAM(test_low_and_top, start_gen_params),
	KUNIT_CASE(test_run_is_exact),
	KUNIT_CASE(test_run_is_long),
	KUNIT_CASE(test_run_first_fit),
	KUNIT_CASE(test_run_freed_by_blocks),
	KUNIT_CASE(test_lookup),
	KUNIT_CASE(test_alloc_part),
	KUNIT_CASE_PARAM(test_many_like_single, start_gen_params),
	KUNIT_CASE(test_rows_across_blocks),
	KUNIT_CASE(test_row_over_the_end),
	KUNIT_CASE(test_row_of_mixed_origin),
	KUNIT_CASE(test_validator_sees),
	KUNIT_CASE_PARAM(test_model, model_length_gen_params),
	KUNIT_CASE(xbuddy_test_split),
	{ }
};

static struct kunit_suite buddy_suite = {
	.name = "xbuddy",
	.init = buddy_init,
	.exit = buddy_exit,
	.test_cases = buddy_cases,
};

kunit_test_suite(buddy_suite);

MODULE_DESCRIPTION("Tests of xalloc's buddy system");
MODULE_LICENSE("GPL");
