// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of the caches of objects: their lists of slabs, objects one by one, and
 * what comes and goes with a cache.
 *
 * What each test starts with, and what it expects at its end, is in
 * xfixture.h. Bulk operations are tested in xbulk_test.c.
 */
#include <kunit/test.h>
#include <linux/cpu.h>
#include <linux/err.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#include <xalloc/xpool.h>
#include <xalloc/xslab.h>

#include "xdecay.h"
#include "xfixture.h"

/* A cache to test with. */
struct kind {
	const char		*what;
	struct xslab_args	args;
};

/*
 * The lists of slabs
 */

/* 11,111 where loops are long; odd, so that the last refill gets 8 objects more than it must */
#define LIST_SLABS	((u32)xtest_rounds(11111) | 1)
#define LIST_OBJS	(9 * LIST_SLABS + 1)
#define LIST_SIZE	3584U	/* 9 in a slab of 8 pages */

/*
 * 100,000 objects, taken and given in bulk, which goes past the magazines: the
 * lists show exactly what clients hold.
 *
 *	11,111 slabs * 9 = 99,999    [#########] ... [#########]  full
 *	and one object more          [#........]                  partial
 *
 * Expect all slabs on the free list when all is freed, and none after a shrink.
 */
static void xslab_test_lists(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, 400UL << 20, LIST_SIZE);
	void **objs = xtest_room(test, LIST_OBJS, sizeof(*objs));
	struct xslab_stats full, s;

	KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, LIST_OBJS, objs),
			(int)LIST_OBJS);
	s = check_books(test, cache, LIST_OBJS);
	KUNIT_EXPECT_EQ(test, s.slab_order, 3ULL);
	KUNIT_EXPECT_EQ(test, s.objects_per_slab, 9ULL);
	KUNIT_EXPECT_EQ(test, s.slabs_full, (u64)LIST_SLABS);
	KUNIT_EXPECT_EQ(test, s.slabs_partial, 1ULL);
	KUNIT_EXPECT_EQ(test, s.slabs_free, 0ULL);
	full = s;

	xslab_cache_free_bulk(cache, LIST_OBJS, objs);
	s = check_books(test, cache, 0);
	KUNIT_EXPECT_EQ(test, s.slabs_full, 0ULL);
	KUNIT_EXPECT_EQ(test, s.slabs_partial, 0ULL);
	KUNIT_EXPECT_EQ(test, s.slabs_free, LIST_SLABS + 1ULL);
	kunit_info(test, "row 2: %u objects of %u bytes: %llu full, %llu partial, freed: %llu free\n",
		   LIST_OBJS, LIST_SIZE, full.slabs_full, full.slabs_partial, s.slabs_free);
	check_shrinks_to_nothing(test, cache);
}

/*
 * Like xslab_test_lists(), but one by one. The last magazine was loaded with 18 objects for
 * the sake of 10, so its last slab is full for the cache and 8 objects are in the magazine;
 * a shrink empties the magazine. Of the freed objects, what the CPU's magazines
 * and the depot hold is not in slabs.
 */
static void xslab_test_lists_magazines(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, 400UL << 20, LIST_SIZE);
	void **objs = xtest_room(test, LIST_OBJS, sizeof(*objs));
	struct xslab_stats s;

	xtest_take(test, cache, objs, LIST_OBJS, GFP_KERNEL);
	s = check_books(test, cache, LIST_OBJS);
	KUNIT_EXPECT_EQ(test, s.magazine_size, 18ULL);
	KUNIT_EXPECT_EQ(test, s.magazines, 8ULL);
	KUNIT_EXPECT_EQ(test, s.slabs_full, LIST_SLABS + 1ULL);
	KUNIT_EXPECT_EQ(test, xslab_cache_shrink(cache), 1);
	s = check_books(test, cache, LIST_OBJS);
	KUNIT_EXPECT_EQ(test, s.magazines, 0ULL);
	KUNIT_EXPECT_EQ(test, s.slabs_full, (u64)LIST_SLABS);
	KUNIT_EXPECT_EQ(test, s.slabs_partial, 1ULL);

	xtest_give(test, cache, objs, LIST_OBJS);
	s = check_books(test, cache, 0);
	KUNIT_EXPECT_EQ(test, s.slabs, LIST_SLABS + 1ULL);
	KUNIT_EXPECT_EQ(test, s.slab_free, (LIST_SLABS + 1ULL) * 9 - s.magazines - s.depot);
	KUNIT_EXPECT_LE(test, s.magazines, 2 * s.magazine_size);
	KUNIT_EXPECT_GT(test, s.depot, 0ULL);
	check_shrinks_to_nothing(test, cache);
}

/*
 * Slabs with 1 .. 9 free objects. Expect objects from the slab that has the
 * fewest free, then from the next: the others get a chance to become free.
 */
static void xslab_test_fullest_first(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, LIST_SIZE);
	void **objs = xtest_room(test, 81, sizeof(*objs));
	void **again = xtest_room(test, 45, sizeof(*again));
	struct xslab_stats s;
	unsigned int slab;

	close_magazines(test, cache);
	KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, 81, objs), 81);
	for (slab = 0; slab < 9; slab++)
		xslab_cache_free_bulk(cache, slab + 1, &objs[slab * 9]);
	s = check_books(test, cache, 81 - 45);
	KUNIT_EXPECT_EQ(test, s.slabs_partial, 8ULL);
	KUNIT_EXPECT_EQ(test, s.slabs_free, 1ULL);

	for (slab = 0; slab < 9; slab++) {
		void **got = &again[slab * (slab + 1) / 2];

		KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, slab + 1, got),
				(int)slab + 1);
		s = check_books(test, cache, 81 - 45 + (slab + 1) * (slab + 2) / 2);
		KUNIT_EXPECT_EQ(test, s.slabs_full, slab + 1ULL);
		KUNIT_EXPECT_EQ(test, s.slabs_free, slab < 8 ? 1ULL : 0ULL);
	}
	for (slab = 0; slab < 9; slab++)
		xslab_cache_free_bulk(cache, 8 - slab, &objs[slab * 10 + 1]);
	xslab_cache_free_bulk(cache, 45, again);
	check_books(test, cache, 0);
}

/*
 * Of three full slabs the second loses an object. Then the first loses all but one, one after
 * the other, and stays where its first loss put it. Expect the second to serve.
 */
static void xslab_test_left_behind(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, LIST_SIZE);
	void *objs[27], *freed;
	unsigned int i;

	close_magazines(test, cache);
	KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, 27, objs), 27);
	freed = objs[9];
	xtest_give(test, cache, &objs[9], 1);
	for (i = 0; i < 8; i++) {
		xtest_give(test, cache, &objs[i], 1);
		KUNIT_EXPECT_EQ(test, xslab_validate(cache), 0);
	}
	KUNIT_EXPECT_EQ(test, check_books(test, cache, 18).slabs_partial, 2ULL);
	xtest_take(test, cache, &objs[9], 1, GFP_KERNEL);
	KUNIT_EXPECT_PTR_EQ(test, objs[9], freed);
	KUNIT_EXPECT_EQ(test, check_books(test, cache, 19).slabs_partial, 1ULL);
	xtest_give(test, cache, &objs[8], 19);
	check_books(test, cache, 0);
}

/*
 * Nine slabs, A at the lowest address, become free in the order C H A I E B G D F. Expect
 * objects from A, then from B: the order of addresses, not of events.
 */
static void xslab_test_lowest_first(struct kunit *test)
{
	static const unsigned int order[] = { 2, 7, 0, 8, 4, 1, 6, 3, 5 };
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, LIST_SIZE);
	void **objs = xtest_room(test, 81, sizeof(*objs)), *before = NULL;
	unsigned int i;

	close_magazines(test, cache);
	KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, 81, objs), 81);
	for (i = 0; i < ARRAY_SIZE(order); i++) {
		xslab_cache_free_bulk(cache, 9, &objs[order[i] * 9]);
		KUNIT_EXPECT_EQ(test, xslab_validate(cache), 0);
	}
	for (i = 0; i < 81; i++) {
		objs[i] = xslab_cache_alloc(cache, GFP_KERNEL);
		KUNIT_EXPECT_GT(test, (unsigned long)objs[i], (unsigned long)before);
		before = objs[i];
		KUNIT_EXPECT_EQ(test, xslab_validate(cache), 0);
	}
	xslab_cache_free_bulk(cache, 81, objs);
	check_books(test, cache, 0);
}

/*
 * The same nine slabs have four free objects each. Expect objects from F, where one was
 * freed last, and on from there: G, H, I; then from D, the last of the others, and so on.
 */
static void xslab_test_neighbours_first(struct kunit *test)
{
	static const unsigned int freed[] = { 2, 7, 0, 8, 4, 1, 6, 3, 5 };
	static const unsigned int taken[] = { 5, 6, 7, 8, 3, 4, 1, 2, 0 };
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, LIST_SIZE);
	void **objs = xtest_room(test, 81, sizeof(*objs)), *again[4];
	unsigned int i;

	close_magazines(test, cache);
	KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, 81, objs), 81);
	for (i = 0; i < ARRAY_SIZE(freed); i++)
		xslab_cache_free_bulk(cache, 4, &objs[freed[i] * 9]);
	for (i = 0; i < ARRAY_SIZE(taken); i++) {
		KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, 4, again), 4);
		KUNIT_EXPECT_PTR_EQ(test, again[0], objs[taken[i] * 9]);
		KUNIT_EXPECT_PTR_EQ(test, again[3], objs[taken[i] * 9 + 3]);
	}
	KUNIT_EXPECT_EQ(test, check_books(test, cache, 81).slabs_full, 9ULL);
	xslab_cache_free_bulk(cache, 81, objs);
	check_books(test, cache, 0);
}

/* Callers have the two inline. Expect those that are exported to do the same. */
static void xslab_test_exported(struct kunit *test)
{
	void *(*alloc)(struct xslab_cache *cache, gfp_t gfp) = xslab_cache_alloc;
	int (*free)(struct xslab_cache *cache, void *obj) = xslab_cache_free;
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, LIST_SIZE);
	void *obj = alloc(cache, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, obj);
	check_books(test, cache, 1);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, obj), 0);
	KUNIT_EXPECT_EQ(test, free(cache, obj), -EALREADY);
	KUNIT_EXPECT_PTR_EQ(test, xslab_cache_alloc(cache, GFP_KERNEL), obj);
	KUNIT_EXPECT_EQ(test, free(cache, obj), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, obj), -EALREADY);
	check_books(test, cache, 0);
}

/*
 * Fullest first over many rounds, beside a cache that is no more than numbers: that takes
 * objects from the partial slab that has waited longest. It has no magazines.
 */

/**
 * struct queued_slab - a slab of the cache that queues its slabs
 * @used: objects that are held
 * @list: in the queue of partial slabs, or with the empty ones
 */
struct queued_slab {
	unsigned int		used;
	struct list_head	list;
};

/**
 * struct queue - that cache
 * @per_slab: objects in a slab
 * @partial: the queue
 * @empty: slabs without an object
 * @nr_empty: of these
 */
struct queue {
	unsigned int		per_slab;
	struct list_head	partial;
	struct list_head	empty;
	unsigned int		nr_empty;
};

/* Items are objects of either cache, which come and go together. */
struct item {
	void			*obj;
	struct queued_slab	*slab;
};

/**
 * struct churn - the two caches, and what is held of both
 * @cache: the real one
 * @queue: the other
 * @rnd: says what is freed
 * @items: those held come first
 * @nr: held
 */
struct churn {
	struct xslab_cache	*cache;
	struct queue		queue;
	struct rnd_state	rnd;
	struct item		*items;
	unsigned int		nr;
};

static void queue_init(struct queue *queue, struct queued_slab *slabs, unsigned int nr,
		       unsigned int per_slab)
{
	unsigned int i;

	queue->per_slab = per_slab;
	queue->nr_empty = nr;
	INIT_LIST_HEAD(&queue->partial);
	INIT_LIST_HEAD(&queue->empty);
	for (i = 0; i < nr; i++)
		list_add_tail(&slabs[i].list, &queue->empty);
}

/* There are as many slabs as are ever needed. */
static struct queued_slab *queue_take(struct queue *queue)
{
	struct queued_slab *slab;

	slab = list_first_entry_or_null(&queue->partial, struct queued_slab, list);
	if (!slab)
		slab = list_first_entry(&queue->empty, struct queued_slab, list);
	if (!slab->used++) {
		list_move_tail(&slab->list, &queue->partial);
		queue->nr_empty--;
	}
	if (slab->used == queue->per_slab)
		list_del_init(&slab->list);
	return slab;
}

static void queue_give(struct queue *queue, struct queued_slab *slab)
{
	if (slab->used-- == queue->per_slab)
		list_add_tail(&slab->list, &queue->partial);
	if (!slab->used) {
		list_move_tail(&slab->list, &queue->empty);
		queue->nr_empty++;
	}
}

static void churn_take(struct kunit *test, struct churn *churn, unsigned int nr)
{
	while (nr--) {
		struct item *item = &churn->items[churn->nr++];

		xtest_take(test, churn->cache, &item->obj, 1, GFP_KERNEL);
		item->slab = queue_take(&churn->queue);
	}
}

static void churn_give(struct kunit *test, struct churn *churn, unsigned int nr)
{
	while (nr--) {
		struct item *item = &churn->items[xtest_below(&churn->rnd, churn->nr)];

		xtest_give(test, churn->cache, &item->obj, 1);
		queue_give(&churn->queue, item->slab);
		*item = churn->items[--churn->nr];
	}
}

#define CHURN_DEPOT	max(32U / SLOWNESS, 1U)	/* magazines; 32 by default */
#define CHURN_ROUNDS	64U

static const size_t churned[] = { 120, 1024, 3584 };

KUNIT_ARRAY_PARAM(churned, churned, bytes_name);

/*
 * Free a random half of the objects of many slabs, take half of that again, then
 * free and take an eighth of all in each round: twice what magazines hold, so the slabs
 * serve half. A quarter of them could be empty. Expect at least half again as many
 * empty ones as where the slabs form a queue.
 */
static void xslab_test_fullest_first_churn(struct kunit *test)
{
	const size_t *size = test->param_value;
	const struct xslab_args args = { .name = "churn", .size = *size, .depot = CHURN_DEPOT };
	struct xslab_cache *cache = with_args(test, 64UL << 20, &args);
	unsigned int per_slab = cache_stats(cache).objects_per_slab;
	unsigned int held = (CHURN_DEPOT + 2) * cache_stats(cache).magazine_size;
	unsigned int slabs = 16 * held / per_slab;
	unsigned int all = slabs * per_slab, round;
	struct churn churn = {
		.cache = cache,
		.items = xtest_room(test, all, sizeof(struct item)),
	};
	unsigned int ours, theirs;

	xtest_seed(test, &churn.rnd);
	queue_init(&churn.queue, xtest_room(test, slabs, sizeof(struct queued_slab)),
		   slabs, per_slab);
	churn_take(test, &churn, all);
	churn_give(test, &churn, all / 2);
	churn_take(test, &churn, all / 4);
	for (round = 0; round < CHURN_ROUNDS; round++) {
		churn_give(test, &churn, all / 8);
		churn_take(test, &churn, all / 8);
	}

	/* What the magazines hold goes back, and slabs that are empty then. */
	KUNIT_EXPECT_GE(test, xslab_cache_shrink(cache), 0);
	ours = slabs - check_books(test, cache, churn.nr).slabs;
	theirs = churn.queue.nr_empty;
	kunit_info(test, "row 11: of %u slabs of %u objects are empty: fullest first %u, queue %u\n",
		   slabs, per_slab, ours, theirs);
	KUNIT_EXPECT_LE(test, ours, slabs / 4);
	KUNIT_EXPECT_GE(test, 2 * ours, 3 * max(theirs, 1U));
	churn_give(test, &churn, churn.nr);
	KUNIT_EXPECT_EQ(test, churn.queue.nr_empty, slabs);
	check_shrinks_to_nothing(test, cache);
}

/*
 * A slab fills a magazine, or half of one; or a word of its map does. Powers of two, so
 * that an address tells the object's number.
 */
static const size_t lined_up[] = { 256, 1024, 16 };

KUNIT_ARRAY_PARAM(lined_up, lined_up, bytes_name);

#define LINED_UP	(24U * 64U)	/* objects */
#define LINED_OFF	40U		/* no magazine begins where a slab does */

/* A cache on one CPU that has LINED_UP objects; these by address. */
static struct xslab_cache *with_line(struct kunit *test, size_t size, void **objs)
{
	const struct xslab_args args = { .name = "line", .size = size, .depot = 1 };
	struct xslab_cache *cache = with_args(test, POOL_SIZE, &args);

	xtest_pin();
	KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, LINED_UP, objs),
			(int)LINED_UP);
	sort(objs, LINED_UP, sizeof(*objs), by_address, NULL);
	return cache;
}

/*
 * Allocate some, then one by one. Expect refills to take what is left of a slab first, and
 * then whole slabs, or words of their maps: not the end of one and the start of the next.
 */
static void xslab_test_refills_line_up(struct kunit *test)
{
	const size_t *size = test->param_value;
	void **objs = xtest_room(test, LINED_UP, sizeof(*objs));
	struct xslab_cache *cache = with_line(test, *size, objs);
	unsigned int i, piece = min(cache_stats(cache).objects_per_slab, 64ULL);
	u64 refills = 0;

	xslab_cache_free_bulk(cache, LINED_UP, objs);
	KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, LINED_OFF, objs),
			(int)LINED_OFF);
	for (i = LINED_OFF; i < LINED_UP; i++) {
		struct xslab_stats s = cache_stats(cache);

		objs[i] = xslab_cache_alloc(cache, GFP_KERNEL);
		if (cache_stats(cache).refills == s.refills)
			continue;
		KUNIT_EXPECT_EQ(test, (unsigned long)objs[i] / *size % piece,
				refills++ ? 0 : LINED_OFF % piece);
	}
	KUNIT_EXPECT_GE(test, refills, (u64)LINED_UP / 64 - 1);
	xslab_cache_free_bulk(cache, LINED_UP, objs);
	check_books(test, cache, 0);
}

#define TAIL_SIZE	100U

/* Free a million objects but the last. Expect one slab to stay, and its object. */
static void xslab_test_last_object(struct kunit *test)
{
	const size_t nr = xtest_rounds(1000000 / SLOWNESS);
	struct xslab_cache *cache = with_cache(test, 128UL << 20, TAIL_SIZE);
	void **objs = xtest_room(test, nr, sizeof(*objs));
	struct xslab_stats s;
	u64 most;

	xtest_take(test, cache, objs, nr, GFP_KERNEL);
	most = check_books(test, cache, nr).slabs;
	memset(objs[nr - 1], 0xa5, TAIL_SIZE);
	xtest_give(test, cache, objs, nr - 1);
	KUNIT_EXPECT_EQ(test, xslab_cache_shrink(cache), 1);
	s = check_books(test, cache, 1);
	KUNIT_EXPECT_EQ(test, s.slabs, 1ULL);
	KUNIT_EXPECT_NULL(test, memchr_inv(objs[nr - 1], 0xa5, TAIL_SIZE));
	kunit_info(test, "%zu objects in %llu slabs; all but one freed: %llu slab\n",
		   nr, most, s.slabs);
	xtest_give(test, cache, &objs[nr - 1], 1);
	check_shrinks_to_nothing(test, cache);
}

#define SCATTERED_OBJS	((u32)xtest_rounds(500000U / SLOWNESS))
#define SCATTERED_SIZE	120U

/*
 * Free objects in random order, but not the last @kept, and shrink. A slab stays
 * for each that is kept, at most, and else no page.
 */
static void free_scattered(struct kunit *test, size_t kept)
{
	struct xslab_cache *cache = with_cache(test, 80UL << 20, SCATTERED_SIZE);
	void **objs = xtest_room(test, SCATTERED_OBJS, sizeof(*objs));
	struct fixture *f = test->priv;
	struct xslab_stats s;
	struct rnd_state rnd;
	u64 before, after;

	xtest_seed(test, &rnd);
	xtest_take(test, cache, objs, SCATTERED_OBJS, GFP_KERNEL);
	before = pool_stats(f->pool).slabs;
	xtest_shuffle(&rnd, objs, SCATTERED_OBJS);
	xtest_give(test, cache, objs, SCATTERED_OBJS - kept);
	KUNIT_EXPECT_EQ(test, xslab_cache_shrink(cache), kept ? 1 : 0);
	s = check_books(test, cache, kept);
	after = pool_stats(f->pool).slabs;
	kunit_info(test, "row 11: %u objects of %u bytes in %llu pages, %zu kept: %llu%% of the pages are back\n",
		   SCATTERED_OBJS, SCATTERED_SIZE, before, kept, 100 * (before - after) / before);
	KUNIT_EXPECT_LE(test, s.slabs, (u64)kept);
	KUNIT_EXPECT_LE(test, after, (u64)kept << s.slab_order);
	xtest_give(test, cache, &objs[SCATTERED_OBJS - kept], kept);
	check_shrinks_to_nothing(test, cache);
}

static void xslab_test_scattered(struct kunit *test)
{
	free_scattered(test, 0);
}

static void xslab_test_scattered_kept(struct kunit *test)
{
	free_scattered(test, SCATTERED_OBJS / 1000);
}

static noinline u64 buddy_calls(struct xpool *pool)
{
	struct xpool_stats s = pool_stats(pool);

	return s.gets + s.puts;
}

/*
 * Stand at the end of a slab and allocate and free across it, a million times.
 * Expect no slab to change its list, which only a refill or a flush does, and
 * the pool not to be asked.
 */
static void xslab_test_boundary(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 256);
	void **objs = xtest_room(test, 1000, sizeof(*objs)), *obj;
	struct xslab_stats before, after;
	struct fixture *f = test->priv;
	u64 calls;
	size_t nr = stand_at_boundary(test, cache, objs), i;
	const size_t pairs = xtest_rounds(1000000 / SLOWNESS);

	obj = xslab_cache_alloc(cache, GFP_KERNEL);
	xslab_cache_free(cache, obj);
	before = check_books(test, cache, nr);
	calls = buddy_calls(f->pool);
	for (i = 0; i < pairs; i++) {
		obj = xslab_cache_alloc(cache, GFP_KERNEL);
		if (!obj || xslab_cache_free(cache, obj))
			KUNIT_ASSERT_TRUE_MSG(test, false, "pair %zu", i);
	}
	after = check_books(test, cache, nr);
	KUNIT_EXPECT_EQ(test, after.allocs, before.allocs + pairs);
	before.allocs = after.allocs;
	before.frees = after.frees;
	KUNIT_EXPECT_EQ(test, memcmp(&before, &after, sizeof(after)), 0);
	KUNIT_EXPECT_EQ(test, buddy_calls(f->pool), calls);
	/* Only a refill or a flush moves a slab to another list. */
	kunit_info(test, "row 22: %zu pairs, %llu list moves, %llu calls of the buddy system\n",
		   pairs,
		   after.refills + after.flushes - before.refills - before.flushes,
		   buddy_calls(f->pool) - calls);
	xtest_give(test, cache, objs, nr);
}

/*
 * Prefill
 */

struct share {
	struct xslab_cache	*cache;
	void			**objs;
	size_t			nr;
};

/* Run on a CPU: take a share of the objects. */
static long take_share(void *data)
{
	struct share *share = data;
	size_t i;

	for (i = 0; i < share->nr; i++) {
		share->objs[i] = xslab_cache_alloc(share->cache, GFP_ATOMIC);
		if (!share->objs[i])
			return -ENOMEM;
	}
	return 0;
}

/* Expect @nr allocations, from one CPU after the other, not to ask the pool, nor to fail. */
static void take_reserve(struct kunit *test, struct xslab_cache *cache, void **objs, size_t nr)
{
	size_t part = nr / num_online_cpus();
	struct fixture *f = test->priv;
	struct share share = { cache, objs, part };
	struct xpool_stats before = pool_stats(f->pool), after;
	unsigned int cpu;

	cpus_read_lock();
	for_each_online_cpu(cpu) {
		KUNIT_EXPECT_EQ(test, work_on_cpu(cpu, take_share, &share), 0L);
		share.objs += part;
	}
	cpus_read_unlock();
	share.nr = objs + nr - share.objs;
	KUNIT_EXPECT_EQ(test, take_share(&share), 0L);

	after = pool_stats(f->pool);
	KUNIT_EXPECT_EQ(test, after.gets, before.gets);
	KUNIT_EXPECT_EQ(test, after.splits, before.splits);
	KUNIT_EXPECT_EQ(test, after.failures, before.failures);
}

static void xslab_test_prefill(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 200);
	const size_t nr = 10000;
	void **objs = xtest_room(test, nr, sizeof(*objs));

	KUNIT_ASSERT_EQ(test, xslab_cache_prefill(cache, nr), 0);
	KUNIT_EXPECT_GE(test, check_books(test, cache, 0).capacity, (u64)nr);
	take_reserve(test, cache, objs, nr);
	check_books(test, cache, nr);
	xtest_give(test, cache, objs, nr);
	KUNIT_EXPECT_EQ(test, xslab_cache_prefill(cache, 0), 0);
	check_shrinks_to_nothing(test, cache);
}

/*
 * Another cache takes all that is left of the pool, and a shrink asks for what
 * the first one can spare. Expect the reserve to hold.
 */
static void xslab_test_prefill_under_pressure(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 200);
	struct xslab_cache *greedy = add_cache(test, &(struct xslab_args){
		.name = "greedy", .size = 4096 });
	const size_t nr = 10000;
	void **objs = xtest_room(test, nr, sizeof(*objs));
	void **all = xtest_room(test, 4096, sizeof(*all));
	size_t taken = 0;

	KUNIT_ASSERT_EQ(test, xslab_cache_prefill(cache, nr), 0);
	while ((all[taken] = xslab_cache_alloc(greedy, GFP_KERNEL)))
		taken++;
	KUNIT_EXPECT_GT(test, taken, 1000UL);
	KUNIT_EXPECT_EQ(test, xslab_cache_shrink(cache), 1);
	take_reserve(test, cache, objs, nr);
	check_books(test, cache, nr);
	check_books(test, greedy, taken);
	xtest_give(test, cache, objs, nr);
	xtest_give(test, greedy, all, taken);
	KUNIT_EXPECT_EQ(test, xslab_cache_prefill(cache, 0), 0);
	check_shrinks_to_nothing(test, cache);
	check_shrinks_to_nothing(test, greedy);
}

/*
 * A reserve holds a torn slab back of which all objects are free: expect it to go with the
 * reserve.
 */
static void xslab_test_prefill_torn(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 480);
	void *objs[17];

	KUNIT_ASSERT_EQ(test, set_limits(cache, pages_per_slab(cache), ULONG_MAX), 0);
	xtest_take(test, cache, objs, ARRAY_SIZE(objs), GFP_KERNEL);
	sort(objs, ARRAY_SIZE(objs), sizeof(*objs), by_address, NULL);
	xtest_give(test, cache, objs + 2, ARRAY_SIZE(objs) - 2);
	KUNIT_ASSERT_EQ(test, xslab_cache_prefill(cache, 3), 0);
	KUNIT_ASSERT_EQ(test, xslab_cache_tear(cache), 1UL);
	xtest_give(test, cache, objs, 2);
	KUNIT_EXPECT_EQ(test, cache_stats(cache).slabs, 1ULL);
	KUNIT_EXPECT_EQ(test, cache_stats(cache).slabs_torn, 1ULL);
	KUNIT_EXPECT_EQ(test, xslab_cache_prefill(cache, 0), 0);
	KUNIT_EXPECT_EQ(test, cache_stats(cache).slabs_torn, 0ULL);
	check_shrinks_to_nothing(test, cache);
}

#define TORN_PAGES	(SZ_8M / PAGE_SIZE)

/*
 * All of a pool are slabs of 8 pages, each with its first object live and the other pages torn
 * off, which a client has: returns how many, in @pages. The objects are in @objs.
 */
static unsigned long tear_whole_pool(struct kunit *test, struct xslab_cache *cache, void **objs,
				     unsigned int *live, void **pages)
{
	unsigned long nr = xtest_take_all(cache, objs, TORN_PAGES, GFP_KERNEL), i;

	KUNIT_ASSERT_EQ(test, cache->order, 3U);
	sort(objs, nr, sizeof(*objs), by_address, NULL);
	for (i = 0, *live = 0; i < nr; i++) {
		if (!(i % cache->per_slab))
			objs[(*live)++] = objs[i];
		else
			xslab_cache_free(cache, objs[i]);
	}
	KUNIT_ASSERT_GT(test, xslab_cache_tear(cache), 0UL);
	return xtest_take_blocks(cache->pool, 0, pages, TORN_PAGES, GFP_KERNEL);
}

/* The number of its slab's pages at which a page lies. */
static unsigned int page_in_slab(const struct xslab_cache *cache, void *page)
{
	return ((unsigned long)page >> PAGE_SHIFT) % pages_per_slab(cache);
}

static void end_torn_pool(struct kunit *test, struct xslab_cache *cache, void **objs,
			  unsigned int live, void **pages, unsigned long nr)
{
	while (nr)
		if (pages[--nr])
			KUNIT_EXPECT_EQ(test, xpool_free_addr(cache->pool, pages[nr], 0), 0);
	xtest_give(test, cache, objs, live);
	check_books(test, cache, 0);
}

/* Of all torn slabs one can be mended, whichever: expect a request to have its objects. */
static void xslab_test_mends_any(struct kunit *test)
{
	void **objs = xtest_room(test, TORN_PAGES, sizeof(*objs)), *got[8];
	void **pages = xtest_room(test, TORN_PAGES, sizeof(*pages));
	struct xslab_cache *cache;
	unsigned long nr, i, of;
	unsigned int live, n;

	with_steady_pool(test, SZ_8M, 0);
	cache = add_size(test, PAGE_SIZE);
	nr = tear_whole_pool(test, cache, objs, &live, pages);
	for (of = 0; of < live; of += 19) {
		for (i = 0; i < nr; i++)
			if (pages[i] > objs[of] && pages[i] < objs[of] + 8 * PAGE_SIZE) {
				KUNIT_EXPECT_EQ(test, xpool_free_addr(cache->pool, pages[i], 0), 0);
				pages[i] = NULL;
			}
		for (n = 0; n < 7 && (got[n] = xslab_cache_alloc(cache, GFP_NOWAIT)); n++)
			;
		KUNIT_EXPECT_EQ(test, n, 7U);
		xtest_give(test, cache, got, n);
		xslab_cache_tear(cache);
		for (i = 0; i < nr; i++)
			pages[i] = pages[i] ?: xpool_alloc_addr(cache->pool, 0, GFP_KERNEL);
	}
	end_torn_pool(test, cache, objs, live, pages, nr);
}

/* One page is free, of which alone no object can be made: expect the cache not to take it. */
static void xslab_test_mends_whole_objects(struct kunit *test)
{
	void **objs = xtest_room(test, TORN_PAGES, sizeof(*objs));
	void **pages = xtest_room(test, TORN_PAGES, sizeof(*pages));
	struct xslab_cache *cache;
	unsigned long nr, i = 0;
	unsigned int live, n;

	with_steady_pool(test, SZ_8M, 0);
	cache = add_size(test, PAGE_SIZE + PAGE_SIZE / 2);
	nr = tear_whole_pool(test, cache, objs, &live, pages);
	while (page_in_slab(cache, pages[i]) != 4)
		i++;
	KUNIT_EXPECT_EQ(test, xpool_free_addr(cache->pool, pages[i], 0), 0);
	for (n = 0; n < 2 * live; n++)
		KUNIT_EXPECT_NULL(test, xslab_cache_alloc(cache, GFP_NOWAIT));
	pages[i] = xpool_alloc_addr(cache->pool, 0, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, pages[i]);
	end_torn_pool(test, cache, objs, live, pages, nr);
}

/* Expect a prefill that the pool has no room for to change nothing. */
static void xslab_test_prefill_too_much(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 4096);
	struct xslab_stats s;

	KUNIT_EXPECT_EQ(test, xslab_cache_prefill(cache, 5000), -ENOMEM);
	s = check_books(test, cache, 0);
	KUNIT_EXPECT_EQ(test, s.slabs, 0ULL);
	check_shrinks_to_nothing(test, cache);
}

/*
 * Where objects lie
 */

/* Expect objects in the range, aligned, and none inside of another. */
static void check_addresses(struct kunit *test, unsigned long *objs, size_t nr,
			    size_t size, size_t align)
{
	struct fixture *f = test->priv;
	unsigned long from = (unsigned long)f->own, to = from + POOL_SIZE;
	size_t i;

	sort(objs, nr, sizeof(*objs), by_address, NULL);
	for (i = 0; i < nr; i++) {
		bool in = objs[i] >= from && objs[i] + size <= to;
		bool apart = !i || objs[i] - objs[i - 1] >= size;

		KUNIT_ASSERT_TRUE_MSG(test, in && apart && !(objs[i] % align),
				      "size %zu align %zu: object %zu at %lx", size, align,
				      i, objs[i] - from);
	}
}

static void check_waste(struct kunit *test, const struct xslab_stats *s, size_t size,
			size_t align)
{
	u64 bytes = PAGE_SIZE << s->slab_order;

	KUNIT_ASSERT_EQ(test, s->object_size, (u64)size);
	KUNIT_ASSERT_GE(test, s->stride, (u64)size);
	KUNIT_ASSERT_EQ(test, s->stride % align, 0ULL);
	KUNIT_ASSERT_LT(test, s->stride, max_t(u64, size + max_t(size_t, align, 8), 17));
	KUNIT_ASSERT_EQ(test, s->objects_per_slab * s->stride + s->slab_waste, bytes);
	KUNIT_ASSERT_LE(test, s->slab_waste, bytes / 8);
}

static void check_size(struct kunit *test, size_t size, size_t align, void **objs)
{
	struct fixture *f = test->priv;
	struct xslab_args args = { .name = "size", .size = size, .align = align };
	struct xslab_cache *cache = add_cache(test, &args);
	size_t nr = clamp_t(size_t, SZ_1M / size, 3, 70), i;
	struct xslab_stats s;

	xtest_take(test, cache, objs, nr, GFP_KERNEL);
	s = check_books(test, cache, nr);
	check_waste(test, &s, size, align ?: 8);
	for (i = 0; i < nr; i++) {
		*(u8 *)objs[i] = i;
		*((u8 *)objs[i] + size - 1) = i;
	}
	xtest_give(test, cache, objs, nr);
	check_addresses(test, (unsigned long *)objs, nr, size, align ?: 8);
	f->nr_caches--;
	KUNIT_ASSERT_EQ(test, xslab_cache_destroy(cache), 0);
}

/* All sizes to 64; then those around the powers of two, and between them. */
static size_t next_size(size_t size)
{
	size_t base = rounddown_pow_of_two(size);

	if (size < 64)
		return size + 1;
	if (size == base || size == base * 2 - 1)
		return size + 1;
	if (size == base + 1)
		return base * 5 / 4;
	return size + base / 4 < base * 2 ? size + base / 4 : base * 2 - 1;
}

static const size_t aligns[] = {
	0, 1, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096,
};

static void align_name(const size_t *align, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "align %zu", *align);
}

KUNIT_ARRAY_PARAM(align, aligns, align_name);

static void xslab_test_sizes(struct kunit *test)
{
	const size_t align = *(const size_t *)test->param_value;
	struct fixture *f = test->priv;
	void **objs = xtest_room(test, 70, sizeof(*objs));
	unsigned int nr = 0;
	size_t size;

	f->own = vmalloc(POOL_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, f->own);
	f->pool = new_pool(test, f->own, POOL_SIZE, 0);
	for (size = 1; size <= XSLAB_MAX_SIZE; size = next_size(size)) {
		if ((align || IS_ENABLED(CONFIG_KASAN)) && size % 3 != 1)
			continue;
		check_size(test, size, align, objs);
		nr++;
	}
	kunit_info(test, "%u sizes\n", nr);
}

/* Expect an object that fits into a cache line not to lie across two. */
static void xslab_test_hwcache_align(struct kunit *test)
{
	struct fixture *f = with_pool(test, POOL_SIZE);
	size_t size, line = cache_line_size();
	struct xslab_cache *cache;
	void *objs[200];
	unsigned int i;

	for (size = 1; size <= 2 * line; size += 3) {
		cache = add_cache(test, &(struct xslab_args){
			.name = "lines", .size = size, .flags = XSLAB_HWCACHE_ALIGN });
		xtest_take(test, cache, objs, ARRAY_SIZE(objs), GFP_KERNEL);
		for (i = 0; i < ARRAY_SIZE(objs); i++) {
			size_t at = (unsigned long)objs[i] % line;

			if (size <= line ? at + size > line : at)
				KUNIT_FAIL(test, "size %zu at %zu", size, at);
		}
		xtest_give(test, cache, objs, ARRAY_SIZE(objs));
		f->nr_caches--;
		KUNIT_ASSERT_EQ(test, xslab_cache_destroy(cache), 0);
	}
}

/*
 * What is in objects
 */

static atomic_t constructed;

static void construct(void *obj)
{
	atomic_inc(&constructed);
	memset(obj, 0x5c, 300);
}

/* Expect the constructor once for each object of a slab, and never for a reuse. */
static void xslab_test_ctor(struct kunit *test)
{
	struct xslab_cache *cache = with_args(test, POOL_SIZE, &(struct xslab_args){
		.name = "ctor", .size = 300, .ctor = construct });
	void **objs = xtest_room(test, 1000, sizeof(*objs));
	unsigned int round, i;

	atomic_set(&constructed, 0);
	for (round = 0; round < 3; round++) {
		xtest_take(test, cache, objs, 1000, GFP_KERNEL);
		for (i = 0; i < 1000; i++)
			KUNIT_ASSERT_NULL(test, memchr_inv(objs[i], 0x5c, 300));
		KUNIT_EXPECT_EQ(test, (u64)atomic_read(&constructed),
				check_books(test, cache, 1000).capacity);
		xtest_give(test, cache, objs, 1000);
	}
	check_shrinks_to_nothing(test, cache);
	atomic_set(&constructed, 0);
	xtest_take(test, cache, objs, 1, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, (u64)atomic_read(&constructed),
			check_books(test, cache, 1).capacity);
	xtest_give(test, cache, objs, 1);
}

/* Expect zeroes where they are asked for, and untouched memory elsewhere. */
static void xslab_test_zero(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 300);
	/* Boot parameters may ask for zeroes. */
	u8 stays = want_init_on_alloc(0) || want_init_on_free() ? 0 : 0xee;
	void *objs[100];
	unsigned int i;

	xtest_take(test, cache, objs, 100, GFP_KERNEL);
	for (i = 0; i < 100; i++)
		memset(objs[i], 0xee, 300);
	xtest_give(test, cache, objs, 100);
	xtest_take(test, cache, objs, 100, GFP_KERNEL);
	for (i = 0; i < 100; i++)
		KUNIT_ASSERT_NULL(test, memchr_inv(objs[i], stays, 300));
	xtest_give(test, cache, objs, 100);
	for (i = 0; i < 50; i++) {
		objs[i] = xslab_cache_alloc(cache, GFP_KERNEL | __GFP_ZERO);
		KUNIT_ASSERT_NOT_NULL(test, objs[i]);
		KUNIT_ASSERT_NULL(test, memchr_inv(objs[i], 0, 300));
	}
	KUNIT_ASSERT_EQ(test, 50, xslab_cache_alloc_bulk(cache, GFP_KERNEL | __GFP_ZERO, 50,
							 &objs[50]));
	for (i = 50; i < 100; i++)
		KUNIT_ASSERT_NULL(test, memchr_inv(objs[i], 0, 300));
	check_books(test, cache, 100);
	xtest_give(test, cache, objs, 100);
}

/* Zeroes would undo a constructor. Expect a refusal that loses nothing. */
static void xslab_test_zero_ctor(struct kunit *test)
{
	struct xslab_cache *cache = with_args(test, POOL_SIZE, &(struct xslab_args){
		.name = "ctor", .size = 300, .ctor = construct });
	void *objs[100];
	struct xslab_stats s;

	KUNIT_EXPECT_NULL(test, xslab_cache_alloc(cache, GFP_KERNEL | __GFP_ZERO));
	s = check_books(test, cache, 0);
	KUNIT_EXPECT_GT(test, s.errors, 0ULL);
	KUNIT_EXPECT_EQ(test, 0, xslab_cache_alloc_bulk(cache, GFP_KERNEL | __GFP_ZERO, 100,
							objs));
	check_books(test, cache, 0);
	xtest_take(test, cache, objs, 100, GFP_KERNEL);
	KUNIT_EXPECT_NULL(test, memchr_inv(objs[0], 0x5c, 300));
	check_books(test, cache, 100);
	xtest_give(test, cache, objs, 100);
	check_shrinks_to_nothing(test, cache);
}

/*
 * Errors of clients: creation
 */

struct bad_args {
	const char *what;
	struct xslab_args args;
};

static const struct bad_args bad_args[] = {
	{ "no name", { .size = 64 } },
	{ "empty name", { .name = "", .size = 64 } },
	{ "long name", { .name = "0123456789abcdef0123456789abcdef", .size = 64 } },
	{ "slash in the name", { .name = "a/b", .size = 64 } },
	{ "dots for a name", { .name = "..", .size = 64 } },
	{ "size 0", { .name = "bad" } },
	{ "size over 256 KiB", { .name = "bad", .size = XSLAB_MAX_SIZE + 1 } },
	{ "size -1", { .name = "bad", .size = SIZE_MAX } },
	{ "align 3", { .name = "bad", .size = 64, .align = 3 } },
	{ "align over a page", { .name = "bad", .size = 64, .align = 2 * PAGE_SIZE } },
	{ "unknown flag", { .name = "bad", .size = 64,
			    .flags = (__force xslab_flags_t)0x80000000U } },
	{ "object larger than the pool", { .name = "bad", .size = 128 << 10 } },
	{ "magazine too large", { .name = "bad", .size = 64, .magazine = 65 } },
	{ "depot too large", { .name = "bad", .size = 64, .depot = UINT_MAX } },
};

KUNIT_ARRAY_PARAM_DESC(bad_args, bad_args, what);

/* Expect -EINVAL and a pool as it was; NULL from the form without arguments. */
static void xslab_test_bad_args(struct kunit *test)
{
	const struct bad_args *bad = test->param_value;
	struct fixture *f = with_pool(test, 64 << 10);
	struct xpool_stats before = pool_stats(f->pool), after;
	struct xslab_cache *cache = xslab_cache_create_in(f->pool, &bad->args);

	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(cache), -EINVAL);
	after = pool_stats(f->pool);
	KUNIT_EXPECT_EQ(test, memcmp(&before, &after, sizeof(after)), 0);
}

/* The longest name and the extreme sizes are fine, and so is a name twice. */
static void xslab_test_good_args(struct kunit *test)
{
	struct fixture *f = with_pool(test, POOL_SIZE);
	struct xslab_cache *cache;
	void *obj;

	cache = add_cache(test, &(struct xslab_args){
		.name = "0123456789abcdef0123456789abcde", .size = 1 });
	KUNIT_EXPECT_STREQ(test, xslab_cache_name(cache), "0123456789abcdef0123456789abcde");
	KUNIT_EXPECT_EQ(test, xslab_cache_size(cache), 1U);
	cache = add_cache(test, &(struct xslab_args){
		.name = "0123456789abcdef0123456789abcde", .size = XSLAB_MAX_SIZE,
		.align = PAGE_SIZE, .depot = 1 });
	KUNIT_EXPECT_EQ(test, cache_stats(add_cache(test, &(struct xslab_args){
		.name = "short", .size = 64, .magazine = 5 })).magazine_size, 5ULL);
	obj = xslab_cache_alloc(cache, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, obj);
	check_books(test, cache, 1);
	xtest_give(test, cache, &obj, 1);
	cache = xslab_cache_create_in(NULL, &(struct xslab_args){ .name = "a", .size = 8 });
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(cache), -EINVAL);
	cache = xslab_cache_create_in(f->pool, NULL);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(cache), -EINVAL);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(NULL), 0);
}

/* The form that kmem_cache users know, in the default pool. */
static void xslab_test_default_pool(struct kunit *test)
{
	struct xslab_cache *cache;
	void *obj;

	if (IS_ERR_OR_NULL(xpool_default()))
		kunit_skip(test, "xalloc has no default pool");
	cache = xslab_cache_create("test", 300, 64, XSLAB_HWCACHE_ALIGN, construct);
	KUNIT_ASSERT_NOT_NULL(test, cache);
	obj = xslab_cache_alloc(cache, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, obj);
	KUNIT_EXPECT_TRUE(test, IS_ALIGNED((unsigned long)obj, 64));
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, obj), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
	KUNIT_EXPECT_NULL(test, xslab_cache_create("", 100, 0, 0, NULL));
	KUNIT_EXPECT_NULL(test, xslab_cache_create("test", 0, 0, 0, NULL));
}

/*
 * Fail one request to the system after another. Expect a creation that fails to leave
 * the pool's books as they were, and one that could do without to be whole.
 */
static void xslab_test_create_no_memory(struct kunit *test)
{
	struct fixture *f = with_pool(test, POOL_SIZE);
	struct xpool_stats before = pool_stats(f->pool), after;
	unsigned int n, left = 0, failed = 0;
	struct xslab_cache *cache;
	void *obj;

	xtest_need_failures(test);
	for (n = 1; !left; n++) {
		xtest_fail_nth(n);
		cache = xslab_cache_create_in(f->pool, &(struct xslab_args){
			.name = "fail", .size = 64 });
		left = xtest_fail_end();
		if (IS_ERR(cache)) {
			KUNIT_ASSERT_EQ(test, PTR_ERR(cache), (long)-ENOMEM);
			KUNIT_ASSERT_EQ(test, left, 0U);
			after = pool_stats(f->pool);
			KUNIT_ASSERT_EQ(test, memcmp(&before, &after, sizeof(after)), 0);
			failed++;
			continue;
		}
		xtest_take(test, cache, &obj, 1, GFP_KERNEL);
		check_books(test, cache, 1);
		xtest_give(test, cache, &obj, 1);
		KUNIT_ASSERT_EQ(test, xslab_cache_destroy(cache), 0);
		before = pool_stats(f->pool);
		KUNIT_ASSERT_EQ(test, before.free, before.total);
		KUNIT_ASSERT_EQ(test, before.live_bytes, 0ULL);
	}
	KUNIT_EXPECT_GT(test, failed, 3U);
	kunit_info(test, "%u requests to the system, failed for %u of them\n", n - 2, failed);
}

/* Expect a cache that is made to ask the system for nothing any more. */
static void xslab_test_no_hidden_requests(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 100);
	void **objs = xtest_room(test, 20000, sizeof(*objs));
	unsigned int left;

	xtest_need_failures(test);
	xtest_need_no_records(test);
	xtest_fail_nth(XTEST_NEVER);
	xtest_take(test, cache, objs, 10000, GFP_KERNEL);
	if (xslab_cache_alloc_bulk(cache, GFP_KERNEL, 10000, &objs[10000]) != 10000)
		KUNIT_FAIL(test, "no bulk");
	xtest_give(test, cache, objs, 15000);
	xslab_cache_free_bulk(cache, 5000, &objs[15000]);
	xslab_cache_prefill(cache, 1000);
	xslab_cache_prefill(cache, 0);
	left = xtest_fail_end();
	KUNIT_EXPECT_EQ(test, left, XTEST_NEVER);
	check_books(test, cache, 0);
}

/*
 * Errors of clients: frees
 *
 *	slab  |obj 0|obj 1|  ...  |obj n-1|tail|
 *	       ^  ^                        ^
 *	       |  inside                   tail
 *	       the only good one
 */

#define BAD_SIZE	600U	/* 27 in a slab of 4 pages, and 184 bytes before them */

struct scene {
	struct xpool		*pool;
	struct xslab_cache	*cache;
	struct xslab_cache	*other;
	struct xslab_cache	*big;
	struct xslab_cache	*far;	/* in another pool */
	u8			*obj;
	u8			*other_obj;
	u8			*big_obj;
	u8			*far_obj;
	u8			*page;
	u8			*kmalloced;
};

struct bad_free {
	const char *what;
	int err;
	u8 *(*pointer)(struct scene *scene);
	bool fine_by_pointer;	/* it is an object, only not of this cache */
};

static u8 *small_number(struct scene *scene)
{
	return (u8 *)8;
}

static u8 *error_pointer(struct scene *scene)
{
	return ERR_PTR(-ENOMEM);
}

static u8 *kernel_text(struct scene *scene)
{
	return (u8 *)&xslab_cache_free;
}

static u8 *kmalloc_memory(struct scene *scene)
{
	return scene->kmalloced;
}

static u8 *stack_memory(struct scene *scene)
{
	return (u8 *)&scene->obj;	/* the scene is on the stack */
}

/* The start of the slab that the object is in. */
static u8 *first_slab(struct scene *scene)
{
	return (u8 *)((unsigned long)scene->obj & ~(4 * PAGE_SIZE - 1));
}

static u8 *inside_by_one(struct scene *scene)
{
	return scene->obj + 1;
}

static u8 *inside_by_a_word(struct scene *scene)
{
	return scene->obj + 8;
}

static u8 *last_byte(struct scene *scene)
{
	return scene->obj + BAD_SIZE - 1;
}

static u8 *page_inside_of_slab(struct scene *scene)
{
	return first_slab(scene) + PAGE_SIZE;
}

static u8 *before_first_object(struct scene *scene)
{
	return first_slab(scene);
}

static u8 *end_of_slab(struct scene *scene)
{
	return first_slab(scene) + 4 * PAGE_SIZE - 1;
}

static u8 *other_caches_object(struct scene *scene)
{
	return scene->other_obj;
}

static u8 *inside_of_big_object(struct scene *scene)
{
	return scene->big_obj + 8 * PAGE_SIZE;
}

static u8 *other_pools_object(struct scene *scene)
{
	return scene->far_obj;
}

static u8 *page_memory(struct scene *scene)
{
	return scene->page;
}

static u8 *freed_page(struct scene *scene)
{
	u8 *page = xpool_alloc_addr(scene->pool, 5, GFP_KERNEL);

	xpool_free_addr(scene->pool, page, 5);
	return page;
}

/* An object whose slab has gone back to the pool. */
static u8 *object_of_gone_slab(struct scene *scene)
{
	void *objs[54];

	if (xslab_cache_alloc_bulk(scene->cache, GFP_KERNEL, 54, objs) != 54)
		return NULL;
	xslab_cache_free_bulk(scene->cache, 54, objs);
	xslab_cache_shrink(scene->cache);
	return objs[53];
}

static const struct bad_free bad_frees[] = {
	{ "a small number", -ERANGE, small_number },
	{ "an error pointer", -ERANGE, error_pointer },
	{ "kernel text", -ERANGE, kernel_text },
	{ "kmalloc memory", -ERANGE, kmalloc_memory },
	{ "the stack", -ERANGE, stack_memory },
	{ "one byte into an object", -EINVAL, inside_by_one },
	{ "a word into an object", -EINVAL, inside_by_a_word },
	{ "the last byte of an object", -EINVAL, last_byte },
	{ "a page inside of the slab", -EINVAL, page_inside_of_slab },
	{ "what is left over of the slab", -EINVAL, before_first_object },
	{ "the last byte of the slab", -EINVAL, end_of_slab },
	{ "an object of another cache", -EINVAL, other_caches_object, true },
	{ "inside of another cache's object", -EINVAL, inside_of_big_object },
	{ "an object of another pool", -ERANGE, other_pools_object, true },
	{ "memory of xpool_alloc_addr()", -EINVAL, page_memory },
	{ "a free page of the pool", -EINVAL, freed_page },
	{ "an object whose slab is gone", -EINVAL, object_of_gone_slab },
};

KUNIT_ARRAY_PARAM_DESC(bad_free, bad_frees, what);

static void set_scene(struct kunit *test, struct scene *scene, xslab_flags_t flags)
{
	struct fixture *f = with_pool(test, POOL_SIZE);
	struct xslab_args args = { .name = "under-test", .size = BAD_SIZE, .flags = flags };

	f->second = new_pool(test, NULL, 1 << 20, 0);
	scene->pool = f->pool;
	scene->cache = add_cache(test, &args);
	scene->other = add_cache(test, &args);
	scene->far = add_cache_in(test, f->second, &args);
	args.size = 100 << 10;
	scene->big = add_cache(test, &args);
	scene->obj = xslab_cache_alloc(scene->cache, GFP_KERNEL);
	scene->other_obj = xslab_cache_alloc(scene->other, GFP_KERNEL);
	scene->far_obj = xslab_cache_alloc(scene->far, GFP_KERNEL);
	scene->big_obj = xslab_cache_alloc(scene->big, GFP_KERNEL);
	scene->page = xpool_alloc_addr(f->pool, 0, GFP_KERNEL);
	scene->kmalloced = kunit_kzalloc(test, BAD_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_TRUE(test, scene->obj && scene->other_obj && scene->far_obj &&
			  scene->big_obj && scene->page && scene->kmalloced);
	KUNIT_ASSERT_EQ(test, cache_stats(scene->cache).objects_per_slab, 27ULL);
	KUNIT_ASSERT_EQ(test, cache_stats(scene->cache).slab_order, 2ULL);
	memset(scene->obj, 0x77, BAD_SIZE);
}

static void leave_scene(struct kunit *test, struct scene *scene)
{
	KUNIT_EXPECT_NULL(test, memchr_inv(scene->obj, 0x77, BAD_SIZE));
	KUNIT_EXPECT_EQ(test, xslab_cache_free(scene->cache, scene->obj), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(scene->other, scene->other_obj), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(scene->far, scene->far_obj), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(scene->big, scene->big_obj), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(scene->pool, scene->page, 0), 0);
	check_books(test, scene->cache, 0);
	check_books(test, scene->other, 0);
	check_books(test, scene->big, 0);
}

/* Expect that nothing has changed but the count of errors. */
static void check_refused(struct kunit *test, struct scene *scene, struct xslab_stats before,
			  u64 errors)
{
	struct xslab_stats after = check_books(test, scene->cache, 1);

	KUNIT_EXPECT_EQ(test, after.errors, before.errors + errors);
	before.errors = after.errors;
	KUNIT_EXPECT_EQ(test, memcmp(&before, &after, sizeof(after)), 0);
	check_books(test, scene->other, 1);
	check_books(test, scene->big, 1);
}

static void free_badly(struct kunit *test, xslab_flags_t flags)
{
	const struct bad_free *bad = test->param_value;
	struct xslab_stats before;
	struct scene scene;
	u8 *pointer;

	set_scene(test, &scene, flags);
	pointer = bad->pointer(&scene);
	KUNIT_ASSERT_NOT_NULL(test, pointer);
	before = cache_stats(scene.cache);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(scene.cache, pointer), bad->err);
	check_refused(test, &scene, before, 1);
	xslab_cache_free_bulk(scene.cache, 1, (void **)&pointer);
	check_refused(test, &scene, before, 2);
	if (!bad->fine_by_pointer)
		KUNIT_EXPECT_LT(test, xslab_free(pointer), 0);
	before.errors = cache_stats(scene.cache).errors;
	check_refused(test, &scene, before, 0);
	leave_scene(test, &scene);
}

/* Expect a refusal, one error more, and nothing else changed. */
static void xslab_test_bad_free(struct kunit *test)
{
	free_badly(test, 0);
}

/* Expect the same without checks for double frees: those for pointers stay. */
static void xslab_test_bad_free_no_checks(struct kunit *test)
{
	free_badly(test, XSLAB_NO_CHECKS);
}

/* One word or several, with and without bytes left over; pages, and larger ones. */
static const size_t every_sizes[] = { 8, 24, 72, 120, 600, 1000, 1024, 3584, 5000, 20000 };

KUNIT_ARRAY_PARAM(every_size, every_sizes, bytes_name);

/*
 * Free at @obj. Expect an object to be taken, and to be the one that is handed out next;
 * where there is none, expect one by one and in bulk to be refused.
 */
static void free_at(struct kunit *test, struct xslab_cache *cache, u8 *obj, bool is_object)
{
	u64 errors = cache_stats(cache).errors;

	if (is_object) {
		KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, obj), 0);
		KUNIT_EXPECT_PTR_EQ(test, xslab_cache_alloc(cache, GFP_KERNEL), (void *)obj);
		return;
	}
	KUNIT_EXPECT_LT(test, xslab_cache_free(cache, obj), 0);
	xslab_cache_free_bulk(cache, 1, (void **)&obj);
	KUNIT_EXPECT_EQ(test, cache_stats(cache).errors, errors + 2);
}

/*
 * Free at each address of two slabs, whose objects are all live. Expect those at which
 * an object begins to be accepted, and no other: without live checks, as these would
 * find some of the others.
 */
static void xslab_test_every_address(struct kunit *test)
{
	const size_t *size = test->param_value;
	const struct xslab_args args = {
		.name = "every", .size = *size, .flags = XSLAB_NO_CHECKS
	};
	struct xslab_cache *cache = with_args(test, 1 << 20, &args);
	struct xslab_stats s = cache_stats(cache);
	unsigned long i, bytes = (2 * PAGE_SIZE) << s.slab_order, seen = 0;
	unsigned long step = SLOWNESS > 1 ? SLOWNESS : 10 / xtest_rounds(10);
	unsigned int nr = 2 * s.objects_per_slab;
	void **objs = xtest_room(test, nr, sizeof(*objs));
	unsigned long *starts = xtest_room(test, BITS_TO_LONGS(bytes), sizeof(*starts));
	u8 *first;

	KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, nr, objs), (int)nr);
	/* Slabs of large objects come from the top down. */
	first = PTR_ALIGN_DOWN((u8 *)min(objs[0], objs[nr - 1]), PAGE_SIZE << s.slab_order);
	for (i = 0; i < nr; i++) {
		KUNIT_ASSERT_LT(test, (unsigned long)((u8 *)objs[i] - first), bytes);
		__set_bit((u8 *)objs[i] - first, starts);
	}
	for (i = 0; i < bytes; i++) {
		bool is_object = test_bit(i, starts);

		if (is_object || !(i % step))
			free_at(test, cache, first + i, is_object);
		seen += is_object;
	}
	KUNIT_EXPECT_EQ(test, seen, (unsigned long)nr);
	xslab_cache_free_bulk(cache, nr, objs);
	check_books(test, cache, 0);
}

/* Expect a free of NULL to do nothing and to be no error. */
static void xslab_test_free_null(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 64);
	void *none[3] = {};

	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, NULL), 0);
	KUNIT_EXPECT_EQ(test, xslab_free(NULL), 0);
	xslab_cache_free_bulk(cache, 3, none);
	KUNIT_EXPECT_EQ(test, check_books(test, cache, 0).errors, 0ULL);
}

/*
 * An object is freed twice: at once, with magazines on. Expect -EALREADY, at the
 * call and however often; and that two clients never get the same object.
 */
static void xslab_test_double_free(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 64);
	void *obj, *two[2];

	xtest_take(test, cache, &obj, 1, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, obj), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, obj), -EALREADY);
	KUNIT_EXPECT_EQ(test, xslab_free(obj), -EALREADY);
	KUNIT_EXPECT_EQ(test, check_books(test, cache, 0).errors, 2ULL);
	xtest_take(test, cache, two, 2, GFP_KERNEL);
	KUNIT_EXPECT_PTR_NE(test, two[0], two[1]);
	check_books(test, cache, 2);
	xtest_give(test, cache, two, 2);
	KUNIT_EXPECT_EQ(test, check_books(test, cache, 0).errors, 2ULL);
}

/*
 * Two CPUs free an object at the same instant and both are believed. Expect it to be
 * handed out once, whether one by one or in bulk, and the other time to be reported.
 */
static void xslab_test_free_believed_twice(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 256);
	struct xmag *mag = &cache->mag;
	void *objs[4];

	xtest_pin();
	xtest_take(test, cache, objs, 2, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, objs[1]), 0);
	xmag_free_slow(mag, objs[1]);
	xtest_take(test, cache, &objs[1], 2, GFP_KERNEL);
	KUNIT_EXPECT_PTR_NE(test, objs[1], objs[2]);
	KUNIT_EXPECT_EQ(test, check_books(test, cache, 3).errors, 1ULL);

	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, objs[2]), 0);
	xmag_free_slow(mag, objs[2]);
	KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, 2, &objs[2]), 2);
	KUNIT_EXPECT_PTR_NE(test, objs[2], objs[3]);
	KUNIT_EXPECT_EQ(test, check_books(test, cache, 4).errors, 2ULL);
	xtest_give(test, cache, objs, 4);
	check_shrinks_to_nothing(test, cache);
}

/* A second free when the object has gone back to its slab, which another one keeps. */
static void xslab_test_double_free_flushed(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 64);
	void *objs[2];

	xtest_take(test, cache, objs, 2, GFP_KERNEL);
	xtest_give(test, cache, objs, 1);
	KUNIT_EXPECT_EQ(test, xslab_cache_shrink(cache), 1);
	KUNIT_EXPECT_EQ(test, check_books(test, cache, 1).magazines, 0ULL);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, objs[0]), -EALREADY);
	KUNIT_EXPECT_EQ(test, check_books(test, cache, 1).errors, 1ULL);
	xtest_give(test, cache, &objs[1], 1);
	check_shrinks_to_nothing(test, cache);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, objs[1]), -EINVAL);
}

/* Expect an object that was never handed out not to be taken. */
static void xslab_test_free_of_free(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 64);
	void *obj, *neighbour;

	xtest_take(test, cache, &obj, 1, GFP_KERNEL);
	neighbour = (void *)((unsigned long)obj ^ 64);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, neighbour), -EALREADY);
	KUNIT_EXPECT_EQ(test, check_books(test, cache, 1).errors, 1ULL);
	xtest_give(test, cache, &obj, 1);
}

/*
 * Without the check at the call, expect the second free to be found when the
 * magazine is emptied, and the slab to be right after it.
 */
static void xslab_test_double_free_no_checks(struct kunit *test)
{
	struct xslab_cache *cache = with_args(test, POOL_SIZE, &(struct xslab_args){
		.name = "unchecked", .size = 64,
		.flags = XSLAB_NO_CHECKS });
	void *objs[2];

	xtest_take(test, cache, objs, 2, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, objs[0]), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, objs[0]), 0);
	KUNIT_EXPECT_EQ(test, cache_stats(cache).errors, 0ULL);
	KUNIT_EXPECT_EQ(test, xslab_cache_shrink(cache), 1);
	KUNIT_EXPECT_EQ(test, xslab_validate(cache), 0);
	KUNIT_EXPECT_EQ(test, cache_stats(cache).errors, 1ULL);
	KUNIT_EXPECT_EQ(test, cache_stats(cache).live, 1ULL);
	xtest_give(test, cache, &objs[1], 1);
	KUNIT_EXPECT_EQ(test, xslab_cache_shrink(cache), 0);
}

/*
 * Pages that were slabs with four words of map become slabs with one or two, whose
 * other words belong to NMIs. Expect nothing to be left there.
 */
static void xslab_test_map_of_another(struct kunit *test)
{
	static const size_t sizes[] = { 32, 256 };
	struct fixture *f = with_pool(test, 16 * PAGE_SIZE);
	u64 pages = pool_stats(f->pool).total;
	void **objs = xtest_room(test, pages * 256, sizeof(*objs));
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct xslab_args args = { .name = "before", .size = 16 };
		struct xslab_cache *cache = xslab_cache_create_in(f->pool, &args);
		void *obj;

		KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(cache));
		KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, pages * 256, objs),
				(int)(pages * 256));
		xslab_cache_free_bulk(cache, pages * 256, objs);
		KUNIT_ASSERT_EQ(test, xslab_cache_destroy(cache), 0);

		args = (struct xslab_args){ .name = "after", .size = sizes[i] };
		cache = xslab_cache_create_in(f->pool, &args);
		KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(cache));
		xtest_take(test, cache, &obj, 1, GFP_KERNEL);
		KUNIT_EXPECT_EQ(test, xslab_validate(cache), 0);
		xtest_give(test, cache, &obj, 1);
		KUNIT_ASSERT_EQ(test, xslab_cache_destroy(cache), 0);
	}
}

/*
 * The pool ends in the middle of where a slab would be. Expect addresses there, and behind it,
 * to be refused by every call, and nothing behind what is known of the pool to be read.
 */
static void xslab_test_end_of_pool(struct kunit *test)
{
	static const size_t sizes[] = { 64, 2000, 8000, 60000 };
	struct fixture *f = test->priv;
	unsigned int i, p;

	f->own = vmalloc(POOL_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, f->own);
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		for (p = 0; p < 16; p++) {
			size_t bytes = SZ_1M + p * PAGE_SIZE;
			void *obj, *end = f->own + bytes;
			struct xslab_cache *cache;

			f->pool = new_pool(test, f->own, bytes, 0);
			cache = add_cache(test, &(struct xslab_args){
				.name = "to-the-end", .size = sizes[i] });
			for (obj = end - SZ_64K; obj < end + SZ_128K; obj += PAGE_SIZE) {
				KUNIT_ASSERT_LT(test, xslab_cache_free(cache, obj), 0);
				KUNIT_ASSERT_LT(test, xslab_cache_free_rcu(cache, obj), 0);
				xslab_cache_free_bulk(cache, 1, &obj);
			}
			KUNIT_ASSERT_EQ(test, cache_stats(cache).errors, 144ULL);
			KUNIT_ASSERT_EQ(test, xslab_cache_destroy(f->caches[--f->nr_caches]), 0);
			KUNIT_ASSERT_EQ(test, xpool_destroy(f->pool), 0);
			f->pool = NULL;
		}
}

/* Expect a page that is in no slab to be refused by address, and the pool to count that. */
static void xslab_test_stray(struct kunit *test)
{
	struct fixture *f = with_pool(test, POOL_SIZE);
	void *page = xpool_alloc_addr(f->pool, 0, GFP_KERNEL);

	KUNIT_EXPECT_EQ(test, xslab_free(page), -ERANGE);
	KUNIT_EXPECT_EQ(test, xslab_free_rcu(page), -ERANGE);
	KUNIT_EXPECT_EQ(test, xslab_free(&f), -ERANGE);
	KUNIT_EXPECT_EQ(test, pool_stats(f->pool).errors, 2ULL);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(f->pool, page, 0), 0);
}

/*
 * Errors of clients: destruction
 */

/*
 * A client has an object that its slab has for free, after it was freed on two CPUs at the same
 * instant. Expect the slab to stay, be it whole or torn, and the cache to be an orphan until
 * the object is freed.
 */
static void expect_believed(struct kunit *test, bool tear)
{
	struct fixture *f = with_pool(test, POOL_SIZE);
	struct xslab_cache *cache = add_cache(test, &(struct xslab_args){
		.name = "believed", .size = 1024 });
	void *objs[64];

	xtest_take(test, cache, objs, ARRAY_SIZE(objs), GFP_KERNEL);
	xtest_give(test, cache, objs + 2, ARRAY_SIZE(objs) - 2);
	xslab_cache_collect(cache, true);
	KUNIT_ASSERT_EQ(test, cache_stats(cache).slabs, 1ULL);
	if (tear)
		KUNIT_ASSERT_GT(test, xslab_cache_tear(cache), 0UL);
	xtest_give(test, cache, objs, 1);
	xslab_cache_collect(cache, true);
	WRITE_ONCE(*xslab_live_at(&cache->fast.check, objs[0]), XSLAB_LIVE);
	xtest_give(test, cache, objs + 1, 1);

	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), -EBUSY);
	f->nr_caches--;
	KUNIT_EXPECT_EQ(test, cache_stats(cache).live, 1ULL);
	KUNIT_EXPECT_GT(test, pool_stats(f->pool).slabs, 0ULL);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, objs[0]), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
	destroy_pool(test, &f->pool);
}

static void xslab_test_destroy_believed(struct kunit *test)
{
	expect_believed(test, false);
	expect_believed(test, true);
}

/*
 * Destroy a cache whose objects are live. Expect -EBUSY, the objects untouched
 * and the cache as good as before; and that it goes when the objects are freed.
 */
static void xslab_test_destroy_live(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 128);
	struct fixture *f = test->priv;
	void *objs[100];
	unsigned int i;

	xtest_take(test, cache, objs, 100, GFP_KERNEL);
	for (i = 0; i < 100; i++)
		memset(objs[i], i, 128);
	xtest_give(test, cache, objs, 50);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), -EBUSY);
	KUNIT_EXPECT_EQ(test, check_books(test, cache, 50).errors, 1ULL);
	KUNIT_EXPECT_NULL(test, xslab_cache_alloc(cache, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, 2, objs), 0);
	KUNIT_EXPECT_EQ(test, check_books(test, cache, 50).errors, 3ULL);
	for (i = 50; i < 100; i++)
		KUNIT_ASSERT_NULL(test, memchr_inv(objs[i], i, 128));
	xtest_give(test, cache, objs + 50, 49);
	check_books(test, cache, 1);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), -EBUSY);
	xtest_give(test, cache, &objs[99], 1);
	/* It goes by itself now, and to destroy it is right before and after that. */
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
	f->nr_caches--;
}

/*
 * Pools and CPUs
 */

/*
 * Expect an object to find its way back to its cache without being told which,
 * among several caches in several pools.
 */
static void xslab_test_free_by_pointer(struct kunit *test)
{
	static const size_t sizes[] = { 16, 3584, 100 << 10, 16 };
	struct fixture *f = with_pool(test, POOL_SIZE);
	void *objs[ARRAY_SIZE(sizes)][20];
	unsigned int c, i;

	f->second = new_pool(test, NULL, 1 << 20, 0);
	for (c = 0; c < ARRAY_SIZE(sizes); c++) {
		add_cache_in(test, c == 3 ? f->second : f->pool, &(struct xslab_args){
			.name = "one-of-many", .size = sizes[c] });
		xtest_take(test, f->caches[c], objs[c], 20, GFP_KERNEL);
	}
	for (i = 0; i < 20; i++)
		for (c = 0; c < ARRAY_SIZE(sizes); c++)
			KUNIT_ASSERT_EQ(test, xslab_free(objs[c][i]), 0);
	for (c = 0; c < ARRAY_SIZE(sizes); c++)
		KUNIT_EXPECT_EQ(test, check_books(test, f->caches[c], 0).frees, 20ULL);
}

static long free_pointer(void *obj)
{
	return xslab_free(obj);
}

/* Expect @result from every CPU that frees @obj, which is allocated again where it is 0. */
static void expect_on_all_cpus(struct kunit *test, struct xslab_cache *cache, void *obj,
			       long result)
{
	unsigned int cpu;

	cpus_read_lock();
	for_each_online_cpu(cpu) {
		KUNIT_EXPECT_EQ(test, work_on_cpu(cpu, free_pointer, obj), result);
		if (!result)
			xtest_take(test, cache, &obj, 1, GFP_KERNEL);
	}
	cpus_read_unlock();
	if (!result)
		xtest_give(test, cache, &obj, 1);
}

/*
 * Pools come and go in the same memory, and each CPU finds them by the address of an
 * object. Expect a pool that went to be forgotten, and the next one to be found.
 */
static void xslab_test_pool_forgotten(struct kunit *test)
{
	const struct xslab_args args = { .name = "test", .size = 256 };
	struct fixture *f = test->priv;
	unsigned int round;

	f->own = vmalloc(POOL_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, f->own);
	for (round = 0; round < 3; round++) {
		struct xslab_cache *cache;
		void *obj;

		f->pool = new_pool(test, f->own, POOL_SIZE, 0);
		cache = add_cache(test, &args);
		xtest_take(test, cache, &obj, 1, GFP_KERNEL);
		expect_on_all_cpus(test, cache, obj, 0);
		check_books(test, cache, 0);

		KUNIT_ASSERT_EQ(test, xslab_cache_destroy(f->caches[--f->nr_caches]), 0);
		KUNIT_ASSERT_EQ(test, xpool_destroy(f->pool), 0);
		f->pool = NULL;
		expect_on_all_cpus(test, NULL, obj, -ERANGE);
	}
}

static const size_t apart[] = { 64, 128, 200, 256, 512, 1024 };

KUNIT_ARRAY_PARAM(apart, apart, bytes_name);

#define SHARES		8U	/* CPUs at most */

/* Each CPU takes an object, one after the other; returns how many. There are at least two. */
static unsigned int take_on_each_cpu(struct kunit *test, struct xslab_cache *cache, void **objs)
{
	unsigned int cpu, nr = 0;

	cpus_read_lock();
	for_each_online_cpu(cpu) {
		struct share share = { cache, &objs[nr], 1 };

		if (nr < SHARES && !work_on_cpu(cpu, take_share, &share))
			nr++;
	}
	cpus_read_unlock();
	KUNIT_ASSERT_GT(test, nr, 1U);
	return nr;
}

/* Each CPU takes an object. Expect no two to have live bytes in one line. */
static void xslab_test_lines_apart(struct kunit *test)
{
	const size_t *size = test->param_value;
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, *size);
	unsigned int shift = ilog2(*size) + ilog2(L1_CACHE_BYTES), nr, i, j;
	void *objs[SHARES];

	nr = take_on_each_cpu(test, cache, objs);
	for (i = 0; i < nr; i++)
		for (j = 0; j < i; j++)
			KUNIT_EXPECT_NE(test, (unsigned long)objs[i] >> shift,
					(unsigned long)objs[j] >> shift);
	xtest_give(test, cache, objs, nr);
	check_books(test, cache, 0);
	check_shrinks_to_nothing(test, cache);
}

/* Each CPU takes an object. Expect a slab for each, and nothing that is not needed. */
static void expect_one_each(struct kunit *test, struct xslab_cache *cache)
{
	void *objs[SHARES];
	unsigned int nr = take_on_each_cpu(test, cache, objs);

	KUNIT_EXPECT_EQ(test, check_books(test, cache, nr).slabs, (u64)nr);
	xtest_give(test, cache, objs, nr);
}

/* Expect a slab for each CPU where more gain nothing, and where a limit has no room for more. */
static void xslab_test_no_lines(struct kunit *test)
{
	struct xslab_args args = { .name = "test", .size = 256 };
	struct xslab_cache *cache;

	cache = with_args(test, POOL_SIZE, &args);
	KUNIT_ASSERT_EQ(test, set_limits(cache, ULONG_MAX, 1000), 0);
	expect_one_each(test, cache);
	cache = add_cache(test, &args);
	KUNIT_ASSERT_EQ(test, set_limits(cache, num_online_cpus(), ULONG_MAX), 0);
	expect_one_each(test, cache);
	args.flags = XSLAB_NO_CHECKS;
	expect_one_each(test, add_cache(test, &args));
}

/* Expect a limit that is set to none to be as if there had never been one. */
static void xslab_test_no_limits(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 1024);
	unsigned long most = cache->limit.max_empty;

	KUNIT_ASSERT_GT(test, cache_stats(cache).slab_order, 0U);
	KUNIT_EXPECT_EQ(test, set_limits(cache, 100, 50), 0);
	KUNIT_EXPECT_NE(test, cache->limit.max_empty, most);
	KUNIT_EXPECT_EQ(test, set_limits(cache, ULONG_MAX, ULONG_MAX), 0);
	KUNIT_EXPECT_EQ(test, cache->limit.max_empty, most);
}

/* Take all of a pool. Expect every page of it to be used, then NULL, then all back. */
static void xslab_test_exhaustion(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, 4 << 20, 4096);
	void **objs = xtest_room(test, 1025, sizeof(*objs));
	struct fixture *f = test->priv;
	unsigned int round, i;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < 1025 && (objs[i] = xslab_cache_alloc(cache, GFP_KERNEL)); i++)
			;
		KUNIT_ASSERT_EQ(test, i, 1024U);
		KUNIT_EXPECT_EQ(test, check_books(test, cache, 1024).failures, round + 1ULL);
		KUNIT_EXPECT_EQ(test, pool_stats(f->pool).free, 0ULL);
		xtest_give(test, cache, objs, 1024);
		check_books(test, cache, 0);
	}
	check_shrinks_to_nothing(test, cache);
	KUNIT_EXPECT_EQ(test, pool_stats(f->pool).free, 1024ULL);
}

#define FORBIDDEN	(4UL << 20)

static bool faults(const u8 *addr)
{
	u8 byte;

	__get_kernel_nofault(&byte, addr, u8, fault);
	return false;
fault:
	return true;
}

/* Addresses that fault when they are read or written. */
static void *forbid(struct kunit *test)
{
	struct page *page = virt_to_page(xtest_room(test, 1, PAGE_SIZE));
	struct page **pages = xtest_room(test, FORBIDDEN >> PAGE_SHIFT, sizeof(*pages));
	struct fixture *f = test->priv;

	memset_p((void **)pages, page, FORBIDDEN >> PAGE_SHIFT);
	f->forbidden = vmap(pages, FORBIDDEN >> PAGE_SHIFT, 0, PAGE_NONE);
	KUNIT_ASSERT_NOT_NULL(test, f->forbidden);
	if (!IS_ENABLED(CONFIG_UML))	/* which would try again, for ever */
		KUNIT_ASSERT_TRUE(test, faults(f->forbidden));
	return f->forbidden;
}

static const struct kind forbidden[] = {
	{ "16 bytes", { .name = "device", .size = 16 } },
	{ "256 bytes, unchecked", { .name = "device", .size = 256, .flags = XSLAB_NO_CHECKS } },
	{ "256 bytes, prefetched", { .name = "device", .size = 256, .flags = XSLAB_PREFETCH } },
	{ "4096 bytes, prefetched", { .name = "device", .size = 4096,
				      .flags = XSLAB_PREFETCH } },
	{ "9000 bytes", { .name = "device", .size = 9000 } },
};

KUNIT_ARRAY_PARAM_DESC(forbidden, forbidden, what);

/* Memory of a device. Expect all that a cache does to leave it alone. */
static void xslab_test_forbidden(struct kunit *test)
{
	const struct kind *kind = test->param_value;
	struct fixture *f = test->priv;
	void *addr = forbid(test);
	unsigned int i, nr = 200;
	void **objs = xtest_room(test, nr, sizeof(*objs));
	struct xslab_cache *cache;

	f->pool = new_pool(test, addr, FORBIDDEN, 0);
	cache = add_cache(test, &kind->args);
	KUNIT_EXPECT_EQ(test, xslab_cache_prefill(cache, nr), 0);
	xtest_take(test, cache, objs, nr, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, xslab_cache_prefill(cache, 0), 0);
	for (i = 0; i < nr; i++) {
		KUNIT_EXPECT_TRUE(test, objs[i] >= addr && objs[i] < addr + FORBIDDEN);
		KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, objs[i] + 1), -EINVAL);
		if (i % 8)
			xtest_give(test, cache, &objs[i], 1);
	}
	xslab_cache_tear(cache);
	KUNIT_EXPECT_EQ(test, xslab_validate(cache), 0);
	KUNIT_EXPECT_EQ(test, cache_stats(cache).live, nr / 8ULL);
	KUNIT_EXPECT_EQ(test, !cache_stats(cache).holes, kind->args.size != PAGE_SIZE);
	for (i = 0; i < nr; i++)
		if (i % 8)
			xtest_take(test, cache, &objs[i], 1, GFP_KERNEL);
	xslab_cache_free_bulk(cache, nr, objs);
	KUNIT_EXPECT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, nr, objs), (int)nr);
	xslab_cache_free_bulk(cache, nr, objs);
	check_shrinks_to_nothing(test, cache);
}

/*
 * One cache has freed all it took, but keeps it; another one needs it. Expect
 * the pool to fetch it, except for what one CPU's magazines hold.
 */
static void xslab_test_reclaim(struct kunit *test)
{
	struct xslab_cache *idle = with_cache(test, 4 << 20, 4096);
	struct fixture *f = test->priv;
	struct xslab_cache *needy = add_cache(test, &(struct xslab_args){
		.name = "needy", .size = 2048 });
	void **objs = xtest_room(test, 2048, sizeof(*objs));
	unsigned int i;
	u64 held;

	xtest_take(test, idle, objs, 1024, GFP_KERNEL);
	xtest_give(test, idle, objs, 1024);
	KUNIT_EXPECT_EQ(test, pool_stats(f->pool).free, 0ULL);
	for (i = 0; i < 2048 && (objs[i] = xslab_cache_alloc(needy, GFP_KERNEL)); i++)
		;
	check_books(test, needy, i);
	held = check_books(test, idle, 0).slabs;
	KUNIT_EXPECT_EQ(test, (u64)i, 2048 - held * 16);
	KUNIT_EXPECT_LE(test, held, 2 * cache_stats(idle).magazine_size);
	kunit_info(test, "%llu of 128 slabs stay with magazines\n", held);
	xtest_give(test, needy, objs, i);
	check_shrinks_to_nothing(test, needy);
	check_shrinks_to_nothing(test, idle);
}

/* Expect a shrink to reach what the magazines of other CPUs hold. */
static void xslab_test_shrink_all_cpus(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 128);
	void **objs = xtest_room(test, 1000, sizeof(*objs));
	struct share share = { cache, objs, 100 };
	unsigned int cpu;

	cpus_read_lock();
	for_each_online_cpu(cpu) {
		KUNIT_EXPECT_EQ(test, work_on_cpu(cpu, take_share, &share), 0L);
		xtest_give(test, cache, objs, 100);
	}
	cpus_read_unlock();
	KUNIT_EXPECT_GT(test, check_books(test, cache, 0).magazines, 0ULL);
	check_shrinks_to_nothing(test, cache);
}

/*
 * Random operations, against a list of the objects that the client holds. Each
 * is filled with a number of its own, which must be there when it is freed: so
 * no two objects share a byte, and nothing else writes to one.
 */

#define MODEL_OBJS	2000U

struct held {
	u8	*obj;
	u8	tag;
};

struct model {
	struct xslab_cache	*cache;
	struct rnd_state	rnd;
	struct held		*held;
	void			**batch;
	unsigned int		nr;
	size_t			size;
	bool			zero;
};

static void model_add(struct kunit *test, struct model *m, u8 *obj, bool zeroed)
{
	struct held *h = &m->held[m->nr++];

	if (zeroed)
		KUNIT_ASSERT_NULL(test, memchr_inv(obj, 0, m->size));
	h->obj = obj;
	h->tag = prandom_u32_state(&m->rnd);
	memset(obj, h->tag, m->size);
}

static u8 *model_remove(struct kunit *test, struct model *m)
{
	struct held *h = &m->held[xtest_below(&m->rnd, m->nr)];
	u8 *obj = h->obj;

	KUNIT_ASSERT_NULL(test, memchr_inv(obj, h->tag, m->size));
	*h = m->held[--m->nr];
	return obj;
}

static void model_alloc(struct kunit *test, struct model *m, unsigned int nr)
{
	gfp_t zero = m->zero && xtest_below(&m->rnd, 2) ? __GFP_ZERO : 0;

	while (nr-- && m->nr < MODEL_OBJS) {
		u8 *obj = xslab_cache_alloc(m->cache, GFP_KERNEL | zero);

		if (!obj)
			break;
		model_add(test, m, obj, zero);
	}
}

static void model_free(struct kunit *test, struct model *m, unsigned int nr)
{
	while (nr-- && m->nr) {
		u8 *obj = model_remove(test, m);

		KUNIT_ASSERT_EQ(test, 0, nr % 2 ? xslab_cache_free(m->cache, obj) :
						  xslab_free(obj));
	}
}

static void model_alloc_bulk(struct kunit *test, struct model *m, unsigned int nr)
{
	gfp_t zero = m->zero && xtest_below(&m->rnd, 2) ? __GFP_ZERO : 0;
	unsigned int i;

	nr = min(nr, MODEL_OBJS - m->nr);
	if (!xslab_cache_alloc_bulk(m->cache, GFP_KERNEL | zero, nr, m->batch))
		return;
	for (i = 0; i < nr; i++)
		model_add(test, m, m->batch[i], zero);
}

static void model_free_bulk(struct kunit *test, struct model *m, unsigned int nr)
{
	unsigned int i;

	nr = min(nr, m->nr);
	for (i = 0; i < nr; i++)
		m->batch[i] = model_remove(test, m);
	xslab_cache_free_bulk(m->cache, nr, m->batch);
}

static void model_move(struct model *m)
{
	unsigned int nth = xtest_below(&m->rnd, num_online_cpus());

	set_cpus_allowed_ptr(current, cpumask_of(cpumask_nth(nth, cpu_online_mask)));
}

static void model_step(struct kunit *test, struct model *m)
{
	unsigned int nr = xtest_below(&m->rnd, 200);

	switch (xtest_below(&m->rnd, 32)) {
	case 0:
		xslab_cache_shrink(m->cache);
		break;
	case 1:
		model_move(m);
		break;
	case 2 ... 6:
		model_alloc_bulk(test, m, nr);
		break;
	case 7 ... 11:
		model_free_bulk(test, m, nr);
		break;
	case 12 ... 21:
		model_alloc(test, m, nr);
		break;
	default:
		model_free(test, m, nr);
	}
}

static void nothing(void *obj)
{
}

static const struct kind kinds[] = {
	{ "16 bytes", { .name = "model", .size = 16 } },
	{ "100 bytes", { .name = "model", .size = 100 } },
	{ "100 bytes, unchecked", { .name = "model", .size = 100, .flags = XSLAB_NO_CHECKS } },
	{ "192 bytes, constructor", { .name = "model", .size = 192, .ctor = nothing } },
	{ "600 bytes, depot of 1", { .name = "model", .size = 600, .depot = 1 } },
	{ "256 bytes, prefetched", { .name = "model", .size = 256, .flags = XSLAB_PREFETCH } },
	{ "3584 bytes, 512 aligned", { .name = "model", .size = 3584, .align = 512 } },
	{ "9000 bytes", { .name = "model", .size = 9000 } },
};

KUNIT_ARRAY_PARAM_DESC(kind, kinds, what);

/* The pool is too small for the larger ones, so allocations fail now and then. */
static void xslab_test_random(struct kunit *test)
{
	const struct kind *kind = test->param_value;
	struct model m = {
		.cache = with_args(test, 4 << 20, &kind->args),
		.held = xtest_room(test, MODEL_OBJS, sizeof(struct held)),
		.batch = xtest_room(test, MODEL_OBJS, sizeof(void *)),
		.size = kind->args.size,
		.zero = !kind->args.ctor,
	};
	struct xslab_stats s;
	unsigned int i;

	xtest_seed(test, &m.rnd);
	for (i = 0; i < xtest_rounds(2000 / SLOWNESS); i++) {
		model_step(test, &m);
		check_books(test, m.cache, m.nr);
	}
	s = check_books(test, m.cache, m.nr);
	KUNIT_EXPECT_EQ(test, s.errors, 0ULL);
	kunit_info(test, "%llu allocations, %llu failures\n", s.allocs, s.failures);
	while (m.nr)
		model_free(test, &m, 1);
	check_shrinks_to_nothing(test, m.cache);
}

static struct kunit_case xslab_test_cases[] = {
	KUNIT_CASE(xslab_test_lists),
	KUNIT_CASE(xslab_test_lists_magazines),
	KUNIT_CASE(xslab_test_fullest_first),
	KUNIT_CASE(xslab_test_left_behind),
	KUNIT_CASE(xslab_test_lowest_first),
	KUNIT_CASE(xslab_test_neighbours_first),
	KUNIT_CASE(xslab_test_exported),
	KUNIT_CASE_PARAM(xslab_test_fullest_first_churn, churned_gen_params),
	KUNIT_CASE_PARAM(xslab_test_refills_line_up, lined_up_gen_params),
	KUNIT_CASE(xslab_test_last_object),
	KUNIT_CASE(xslab_test_scattered),
	KUNIT_CASE(xslab_test_scattered_kept),
	KUNIT_CASE(xslab_test_boundary),
	KUNIT_CASE(xslab_test_prefill),
	KUNIT_CASE(xslab_test_prefill_under_pressure),
	KUNIT_CASE(xslab_test_prefill_torn),
	KUNIT_CASE(xslab_test_prefill_too_much),
	KUNIT_CASE(xslab_test_mends_any),
	KUNIT_CASE(xslab_test_mends_whole_objects),
	KUNIT_CASE_PARAM(xslab_test_sizes, align_gen_params),
	KUNIT_CASE(xslab_test_hwcache_align),
	KUNIT_CASE(xslab_test_ctor),
	KUNIT_CASE(xslab_test_zero),
	KUNIT_CASE(xslab_test_zero_ctor),
	KUNIT_CASE_PARAM(xslab_test_bad_args, bad_args_gen_params),
	KUNIT_CASE(xslab_test_good_args),
	KUNIT_CASE(xslab_test_default_pool),
	KUNIT_CASE(xslab_test_create_no_memory),
	KUNIT_CASE(xslab_test_no_hidden_requests),
	KUNIT_CASE_PARAM(xslab_test_bad_free, bad_free_gen_params),
	KUNIT_CASE_PARAM(xslab_test_bad_free_no_checks, bad_free_gen_params),
	KUNIT_CASE_PARAM(xslab_test_every_address, every_size_gen_params),
	KUNIT_CASE(xslab_test_free_null),
	KUNIT_CASE(xslab_test_double_free),
	KUNIT_CASE(xslab_test_double_free_flushed),
	KUNIT_CASE(xslab_test_free_believed_twice),
	KUNIT_CASE(xslab_test_free_of_free),
	KUNIT_CASE(xslab_test_double_free_no_checks),
	KUNIT_CASE(xslab_test_map_of_another),
	KUNIT_CASE(xslab_test_end_of_pool),
	KUNIT_CASE(xslab_test_stray),
	KUNIT_CASE(xslab_test_destroy_believed),
	KUNIT_CASE(xslab_test_destroy_live),
	KUNIT_CASE(xslab_test_free_by_pointer),
	KUNIT_CASE(xslab_test_pool_forgotten),
	KUNIT_CASE_PARAM(xslab_test_lines_apart, apart_gen_params),
	KUNIT_CASE(xslab_test_no_lines),
	KUNIT_CASE(xslab_test_no_limits),
	KUNIT_CASE(xslab_test_exhaustion),
	KUNIT_CASE_PARAM(xslab_test_forbidden, forbidden_gen_params),
	KUNIT_CASE(xslab_test_reclaim),
	KUNIT_CASE(xslab_test_shrink_all_cpus),
	KUNIT_CASE_PARAM(xslab_test_random, kind_gen_params),
	{}
};

static struct kunit_suite xslab_test_suite = {
	.name = "xslab",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = xslab_test_cases,
};

kunit_test_suite(xslab_test_suite);

MODULE_DESCRIPTION("Tests of xalloc's caches");
MODULE_LICENSE("GPL");
