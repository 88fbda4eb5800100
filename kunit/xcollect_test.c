// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of what caches keep, give back, and hand on: collect, placement, limits, the
 * reserve of prefill, waiting, moving.
 *
 * Each test makes its own pool and caches. They are destroyed after it, which must
 * have freed all objects by then. The numbers of pages and of slabs are exact, worked
 * out from the geometry of the caches.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/string.h>

#include "xcrew.h"
#include "xdecay.h"
#include "xfixture.h"

/* Emulated and debug kernels are slow: there, what is repeated is repeated less. */
#define XTEST_EMULATED	(IS_ENABLED(CONFIG_UML) ? 1 : 5)

static unsigned long rounds = 1000 / XTEST_SLOWER / XTEST_EMULATED;
module_param(rounds, ulong, 0444);
MODULE_PARM_DESC(rounds, "rounds that the objects of the ring make");

#define RUN_MS		300

static struct xslab_cache *with_flags(struct kunit *test, size_t pool_size, size_t size,
				      xslab_flags_t flags)
{
	return with_args(test, pool_size, &(struct xslab_args){
		.name = "test", .size = size, .flags = flags });
}

/* The books of a cache whose client made no mistake. */
static struct xslab_stats check_clean(struct kunit *test, struct xslab_cache *cache, u64 live)
{
	struct xslab_stats s = check_books(test, cache, live);

	KUNIT_ASSERT_EQ(test, s.errors, 0ULL);
	return s;
}

static u64 slabs_for(const struct xslab_stats *s, u64 objs)
{
	return DIV_ROUND_UP_ULL(objs, s->objects_per_slab);
}

/*
 * Where the magazines are closed all use one lock. Where virtual CPUs share the machine's,
 * they would spin for one that does not run, unless they sleep a lot.
 */
static void breathe(void)
{
	usleep_range(200, 500);
}

#define CHURN_OBJS	300U
#define CHURN_WAVE	20U	/* turns; in every other wave of them it only gives */

/* Take and give at random; each object holds its own address, as long as it is held. */
static int churn(void *data)
{
	struct hand *hand = data;
	struct xslab_cache *cache = hand->what;
	void **objs = kvcalloc(CHURN_OBJS, sizeof(*objs), GFP_KERNEL);
	unsigned int i, step, turn = 0;

	while (objs && !kthread_should_stop()) {
		bool ebb = turn++ / CHURN_WAVE % 2;

		for (step = 0; step < 20; step++) {
			i = ebb ? (turn * 20 + step) % CHURN_OBJS :
				  xtest_below(&hand->rnd, CHURN_OBJS);
			if (objs[i]) {
				WARN_ON_ONCE(xchg((void **)objs[i], NULL) != objs[i]);
				WARN_ON_ONCE(xslab_cache_free(cache, objs[i]));
				objs[i] = NULL;
				hand->done++;
			} else if (!ebb) {
				objs[i] = xslab_cache_alloc(cache, GFP_ATOMIC);
				if (objs[i])
					WARN_ON_ONCE(xchg((void **)objs[i], objs[i]) == objs[i]);
			}
		}
		breathe();
	}
	for (i = 0; objs && i < CHURN_OBJS; i++)
		if (objs[i]) {
			xchg((void **)objs[i], NULL);
			WARN_ON_ONCE(xslab_cache_free(cache, objs[i]));
		}
	kvfree(objs);
	return 0;
}

/*
 * Collect
 */

/* Fill this CPU's magazines and the depot, and leave. */
static int fill_magazines(void *data)
{
	struct hand *hand = data;
	struct xslab_cache *cache = hand->what;
	void *objs[64];

	hand->done = xtest_take_all(cache, objs, ARRAY_SIZE(objs), GFP_ATOMIC);
	while (hand->nr < ARRAY_SIZE(objs) && hand->nr < hand->done)
		xslab_cache_free(cache, objs[hand->nr++]);
	return xtest_stay();
}

/*
 * What another CPU's magazines hold: without force it stays, with force it comes back,
 * though that CPU does nothing. The depot, free slabs and what this CPU's magazines hold
 * come back without.
 */
static void xcollect_test_other_cpu(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, 16 << 20, 256);
	void **objs = xtest_room(test, 4000, sizeof(*objs));
	struct crew crew = { };
	struct xslab_stats s;
	unsigned long pages;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs 2 CPUs");
	hire(test, &crew, fill_magazines, cache, true);
	set_cpus_allowed_ptr(current, cpumask_of(cpumask_nth(1, cpu_online_mask)));
	while (!READ_ONCE(crew.hands[0].done) || cache_stats(cache).live)
		usleep_range(100, 1000);
	pages = cache_stats(cache).magazines;
	KUNIT_EXPECT_EQ(test, xslab_cache_collect(cache, false), 0UL);
	KUNIT_EXPECT_EQ(test, cache_stats(cache).magazines, (u64)pages);
	xtest_take(test, cache, objs, 4000, GFP_ATOMIC);
	xtest_give(test, cache, objs, 4000);
	s = check_clean(test, cache, 0);
	KUNIT_EXPECT_GT(test, s.magazines, (u64)pages);
	KUNIT_EXPECT_GT(test, s.depot, 0ULL);
	KUNIT_EXPECT_GT(test, s.slabs_free, 0ULL);

	pages = xslab_cache_collect(cache, false);
	KUNIT_EXPECT_EQ(test, (u64)pages, s.slabs * (1ULL << s.slab_order) -
			(cache_stats(cache).slabs << s.slab_order));
	s = check_clean(test, cache, 0);
	KUNIT_EXPECT_EQ(test, s.depot, 0ULL);
	KUNIT_EXPECT_EQ(test, s.slabs_free, 0ULL);
	KUNIT_EXPECT_GT(test, s.magazines, 0ULL);
	KUNIT_EXPECT_LE(test, s.magazines, 64ULL);
	KUNIT_EXPECT_EQ(test, s.returned_pages, (u64)pages);

	KUNIT_EXPECT_EQ(test, (u64)xslab_cache_collect(cache, true), s.slabs << s.slab_order);
	s = check_clean(test, cache, 0);
	KUNIT_EXPECT_EQ(test, s.slabs, 0ULL);
	KUNIT_EXPECT_EQ(test, xslab_cache_collect(cache, true), 0UL);
	dismiss(test, &crew);
}

/* Expect collects to be safe while all CPUs allocate and free, also where slabs are torn. */
static void xcollect_test_while_busy(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, 16 << 20, 256);
	ktime_t end = ktime_add_ms(ktime_get(), RUN_MS);
	unsigned long pages = 0, done, turns = 0;
	struct crew crew = { };
	unsigned int i;

	for (i = 0; i < min(num_online_cpus(), 4U); i++)
		hire(test, &crew, churn, cache, true);
	while (ktime_before(ktime_get(), end) || turns < 10 || (!pages && turns < 2000)) {
		pages += turns % 3 == 2 ? xslab_cache_tear(cache) :
					  xslab_cache_collect(cache, turns % 3);
		turns++;
		KUNIT_ASSERT_EQ(test, xslab_validate(cache), 0);
		usleep_range(100, 1000);
	}
	done = dismiss(test, &crew);
	KUNIT_EXPECT_GT(test, pages, 0UL);
	check_clean(test, cache, 0);
	xslab_cache_collect(cache, true);
	KUNIT_EXPECT_EQ(test, cache_stats(cache).slabs, 0ULL);
	KUNIT_EXPECT_EQ(test, pool_stats(fixture_pool(test)).slabs, 0ULL);
	kunit_info(test, "%lu frees, %lu collects, %lu pages came back\n", done, turns, pages);
}

#define LARGE_NR	(200U / XTEST_SLOWER)
#define LARGE_SIZE	32288U
#define SMALL_NR	(100000U / XTEST_SLOWER)
#define SMALL_SIZE	3584U
#define PATTERN_POOL	ALIGN((384UL << 20) / XTEST_SLOWER, 4UL << 20)

/* What small objects there are beside large ones, a cache for each size. */
static const unsigned int mixed_sizes[] = {
	24, 48, 96, 120, 192, 256, 512, 700, 1000, 1024, 2000, 3584,
};

#define MIXED_CACHES	ARRAY_SIZE(mixed_sizes)

struct mixed {
	struct xslab_cache	*large, *small[MIXED_CACHES];
	void			**larges, **smalls;
	unsigned int		nr;	/* of small ones ... */
	unsigned int		caches;	/* ... one of each cache, again and again */
	gfp_t			gfp;
};

/* A large one before every @every small ones, and the rest after; 0: all before. */
static void take_mixed(struct kunit *test, struct mixed *m, unsigned int every)
{
	unsigned int i, nr = every ? 0 : LARGE_NR;

	xtest_take(test, m->large, m->larges, nr, m->gfp);
	for (i = 0; i < m->nr; i++) {
		if (every && i % every == 0 && nr < LARGE_NR) {
			xtest_take(test, m->large, m->larges + nr, 1, m->gfp);
			nr++;
		}
		xtest_take(test, m->small[i % m->caches], m->smalls + i, 1, m->gfp);
	}
	xtest_take(test, m->large, m->larges + nr, LARGE_NR - nr, m->gfp);
}

/* Returns the free blocks of the largest order after the small ones were collected. */
static u64 run_pattern(struct kunit *test, struct mixed *m, unsigned int every)
{
	struct xpool_stats stats;
	struct xslab_stats s;
	u64 pages;

	with_pool(test, PATTERN_POOL);
	m->large = add_cache(test, &(struct xslab_args){ .name = "large", .size = LARGE_SIZE });
	m->small[0] = add_cache(test, &(struct xslab_args){ .name = "small", .size = SMALL_SIZE });
	take_mixed(test, m, every);
	xtest_give(test, m->small[0], m->smalls, SMALL_NR);
	xslab_cache_collect(m->small[0], true);
	xslab_cache_collect(m->large, true);

	s = check_clean(test, m->large, LARGE_NR);
	check_clean(test, m->small[0], 0);
	KUNIT_EXPECT_EQ(test, s.slab_order, 3ULL);
	pages = slabs_for(&s, LARGE_NR) << s.slab_order;
	stats = pool_stats(fixture_pool(test));
	KUNIT_EXPECT_EQ(test, stats.total - stats.free, pages);
	KUNIT_EXPECT_EQ(test, stats.slabs, pages);
	if (every)
		kunit_info(test, "row 4 interleaved 1 per %u: %llu pages, %llu order-10 blocks free\n",
			   every, stats.slabs, stats.free_blocks[XBUDDY_MAX_ORDER]);
	else
		kunit_info(test, "row 4 sequential: %llu pages, %llu order-10 blocks free\n",
			   stats.slabs, stats.free_blocks[XBUDDY_MAX_ORDER]);
	xtest_give(test, m->large, m->larges, LARGE_NR);
	end_fixture(test);
	return stats.free_blocks[XBUDDY_MAX_ORDER];
}

/*
 * Large objects, one a slab, between many small ones that are freed:
 *
 *	sequential   LLLLssssssssssssssssss
 *	interleaved  LssssLssssLssssLssssss
 *
 * Expect the pages of the large ones and no other to stay in use, and as many whole
 * blocks to be free whatever the order was, but for two.
 */
static void xcollect_test_interleaved(struct kunit *test)
{
	static const unsigned int everys[] = { 400, 500 };
	struct mixed m = {
		.larges = xtest_room(test, LARGE_NR, sizeof(void *)),
		.smalls = xtest_room(test, SMALL_NR, sizeof(void *)),
		.nr = SMALL_NR, .caches = 1, .gfp = GFP_ATOMIC,
	};
	u64 sequential, blocks, spread = 0;
	unsigned int i;

	if (XTEST_SLOWER > 1)
		kunit_info(test, "row 4 is scaled down by %d on this kernel\n", XTEST_SLOWER);
	sequential = run_pattern(test, &m, 0);
	for (i = 0; i < ARRAY_SIZE(everys); i++) {
		blocks = run_pattern(test, &m, everys[i]);
		KUNIT_EXPECT_GE(test, blocks + 2, sequential);
		KUNIT_EXPECT_LE(test, blocks, sequential + 2);
		spread = max(spread, max(blocks, sequential) - min(blocks, sequential));
	}
	kunit_info(test, "row 4 spread: %llu blocks of order 10 more or fewer\n", spread);
}

#define REGION		(4UL << 20)
#define REGION_PAGES	(REGION >> PAGE_SHIFT)

static u64 regions_for(u64 pages)
{
	return DIV_ROUND_UP_ULL(pages, REGION_PAGES);
}

#define MIXED_NR	(48000U / XTEST_SLOWER)
#define MIXED_POOL	ALIGN((160UL << 20) / XTEST_SLOWER, REGION)

static void add_mixed(struct kunit *test, struct mixed *m, unsigned int size)
{
	unsigned int i;

	for (i = 0; i < MIXED_CACHES; i++)
		m->small[i] = add_cache(test, &(struct xslab_args){
			.name = "small", .size = mixed_sizes[i] });
	m->large = add_cache(test, &(struct xslab_args){ .name = "large", .size = size });
}

/* Returns the free blocks of the largest order once only large objects are left. */
static u64 run_mixed(struct kunit *test, struct mixed *m, unsigned int size,
		     unsigned int every, bool grows)
{
	struct xpool_stats stats;
	struct xslab_stats s;
	u64 pages;
	unsigned int i;

	if (grows)
		with_growing_pool(test, REGION, MIXED_POOL);
	else
		with_pool(test, MIXED_POOL);
	add_mixed(test, m, size);
	take_mixed(test, m, every);
	for (i = 0; i < m->nr; i++)
		xtest_give(test, m->small[i % MIXED_CACHES], m->smalls + i, 1);
	xtest_wait_gathered(fixture_pool(test));
	xpool_collect(fixture_pool(test), true);

	s = check_clean(test, m->large, LARGE_NR);
	stats = pool_stats(fixture_pool(test));
	pages = slabs_for(&s, LARGE_NR) << s.slab_order;
	KUNIT_EXPECT_EQ(test, stats.total - stats.free, pages);
	if (grows)
		KUNIT_EXPECT_LE(test, stats.regions, regions_for(pages) + 2);
	xtest_give(test, m->large, m->larges, LARGE_NR);
	end_fixture(test);
	return stats.free_blocks[XBUDDY_MAX_ORDER];
}

/*
 * Row 4 with large objects of which a slab has one or several, among small ones of many
 * caches. Expect the pages of the large ones alone to stay in use; in a pool of fixed size
 * as many whole blocks to be free whatever the order was, but for two; and in one that grows
 * as few regions as they need to stay, and two.
 */
static void xcollect_test_large_among_small(struct kunit *test)
{
	static const unsigned int sizes[] = { 8192, 9000, 12000, 40000, 200000 };
	struct mixed m = {
		.larges = xtest_room(test, LARGE_NR, sizeof(void *)),
		.smalls = xtest_room(test, MIXED_NR, sizeof(void *)),
		.nr = xtest_rounds(MIXED_NR), .caches = MIXED_CACHES, .gfp = GFP_KERNEL,
	};
	u64 sequential, blocks;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i += XTEST_SLOWER > 1 || xtest_rounds(2) == 1 ? 2 : 1) {
		sequential = run_mixed(test, &m, sizes[i], 0, false);
		blocks = run_mixed(test, &m, sizes[i], 200, false);
		KUNIT_EXPECT_GE(test, blocks + 2, sequential);
		kunit_info(test, "row 4, large of %u bytes: %llu and %llu order-10 blocks free\n",
			   sizes[i], sequential, blocks);
		run_mixed(test, &m, sizes[i], 0, true);
		run_mixed(test, &m, sizes[i], 200, true);
		if (XTEST_SLOWER == 1)
			run_mixed(test, &m, sizes[i], 233, true);
	}
}

#define PIN_NR		(1000000U / XTEST_SLOWER)

/* One live object at the end. Expect it to keep one slab, and no more. */
static void xcollect_test_last_pins_one(struct kunit *test)
{
	unsigned long nr = xtest_rounds(PIN_NR);
	struct xslab_cache *cache = with_cache(test, ALIGN(nr * 112UL, 4UL << 20), 100);
	void **objs = xtest_room(test, nr, sizeof(*objs));
	struct xslab_stats s;

	xtest_take(test, cache, objs, nr, GFP_ATOMIC);
	xtest_give(test, cache, objs, nr - 1);
	s = check_clean(test, cache, 1);
	KUNIT_EXPECT_GE(test, s.slabs, slabs_for(&s, nr));
	xslab_cache_collect(cache, true);
	s = check_clean(test, cache, 1);
	KUNIT_EXPECT_EQ(test, s.slabs, 1ULL);
	KUNIT_EXPECT_EQ(test, pool_stats(fixture_pool(test)).slabs, 1ULL << s.slab_order);
	kunit_info(test, "row 20: %lu objects of 100 bytes, all freed but the last: %llu slab\n",
		   nr, s.slabs);
	xtest_give(test, cache, objs + nr - 1, 1);
}

#define RING_HANDS	4U
#define RING_OBJS	10000U

struct ring {
	struct xslab_cache	*cache;
	void			*objs[RING_HANDS][RING_OBJS / RING_HANDS];
	atomic_t		arrived;
	unsigned long		rounds;
	u64			most;		/* slabs seen; by hand 0 */
	atomic_t		wrong;
	void			(*pass)(struct ring *ring, void **objs);
};

static void give_one(struct ring *ring, void **slot)
{
	if (xslab_cache_free(ring->cache, *slot))
		atomic_inc(&ring->wrong);
}

static void take_one(struct ring *ring, void **slot)
{
	*slot = xslab_cache_alloc(ring->cache, GFP_ATOMIC);
	if (!*slot)
		atomic_inc(&ring->wrong);
}

/* Free what the neighbour allocated, and allocate as many for the next one. */
static void pass_singly(struct ring *ring, void **objs)
{
	unsigned int i;

	for (i = 0; i < RING_OBJS / RING_HANDS; i++) {
		give_one(ring, &objs[i]);
		take_one(ring, &objs[i]);
	}
}

/* All at once, so that magazines fill and run dry. */
static void pass_batch(struct ring *ring, void **objs)
{
	unsigned int i;

	for (i = 0; i < RING_OBJS / RING_HANDS; i++)
		give_one(ring, &objs[i]);
	for (i = 0; i < RING_OBJS / RING_HANDS; i++)
		take_one(ring, &objs[i]);
}

static int go_round(void *data)
{
	struct hand *hand = data;
	struct ring *ring = hand->what;
	unsigned int met = 0;
	unsigned long round;

	for (round = 0; round < ring->rounds; round++) {
		ring->pass(ring, ring->objs[(hand->nr + round) % RING_HANDS]);
		if (!hand->nr)
			ring->most = max(ring->most, cache_stats(ring->cache).slabs);
		xtest_meet(&ring->arrived, RING_HANDS, &met);
	}
	hand->done++;
	return xtest_stay();
}

static void run_ring(struct kunit *test, void (*pass)(struct ring *ring, void **objs),
		     const char *how)
{
	struct ring *ring = xtest_room(test, 1, sizeof(*ring));
	struct crew crew = { };
	struct xslab_stats s;
	u64 bytes, bound;
	unsigned int i;

	ring->cache = with_cache(test, 16 << 20, 64);
	ring->rounds = xtest_rounds(xtest_param(rounds));
	ring->pass = pass;
	xtest_take(test, ring->cache, &ring->objs[0][0], RING_OBJS, GFP_ATOMIC);
	for (i = 0; i < RING_HANDS; i++)
		hire(test, &crew, go_round, ring, true);
	for (i = 0; i < RING_HANDS; i++)
		while (!READ_ONCE(crew.hands[i].done))
			usleep_range(1000, 2000);
	dismiss(test, &crew);
	s = check_clean(test, ring->cache, RING_OBJS);
	KUNIT_EXPECT_EQ(test, atomic_read(&ring->wrong), 0);

	/* A cache gives nothing back by itself, so what it has now is the most. */
	bytes = max(ring->most, s.slabs) << (PAGE_SHIFT + s.slab_order);
	bound = RING_OBJS * 64ULL * 5 / 4 +
		2ULL * num_online_cpus() * (PAGE_SIZE << s.slab_order);
	kunit_info(test, "row 21, %s: %lu rounds, peak %llu bytes for %u live, allowed %llu\n",
		   how, ring->rounds, bytes, RING_OBJS * 64, bound);
	KUNIT_EXPECT_LE(test, bytes, bound);
	xtest_give(test, ring->cache, &ring->objs[0][0], RING_OBJS);
	end_fixture(test);
}

/* Expect what is held to be bounded by what is live, whichever CPU frees it. */
static void xcollect_test_ring(struct kunit *test)
{
	run_ring(test, pass_singly, "one by one");
	run_ring(test, pass_batch, "in batches");
}

/*
 * Large objects lie at the top, one after the other downwards, others at the bottom. Of
 * two free slabs the lower one is used first.
 */
static void xcollect_test_placement(struct kunit *test)
{
	struct xslab_cache *small, *large;
	void *objs[3], *low, *again[2];

	with_pool(test, 16 << 20);
	small = add_cache(test, &(struct xslab_args){ .name = "small", .size = 4096 });
	large = add_cache(test, &(struct xslab_args){ .name = "large", .size = LARGE_SIZE });
	KUNIT_ASSERT_EQ(test, set_limits(large, ULONG_MAX, 16), 0);
	xtest_take(test, small, &low, 1, GFP_ATOMIC);
	xtest_take(test, large, objs, 3, GFP_ATOMIC);
	KUNIT_EXPECT_LT(test, (unsigned long)low, (unsigned long)objs[2]);
	KUNIT_EXPECT_PTR_EQ(test, objs[1] + (8 << PAGE_SHIFT), objs[0]);
	KUNIT_EXPECT_PTR_EQ(test, objs[2] + (8 << PAGE_SHIFT), objs[1]);
	xtest_give(test, large, objs + 1, 1);
	xtest_give(test, large, objs, 1);
	xtest_take(test, large, again, 2, GFP_ATOMIC);
	KUNIT_EXPECT_PTR_EQ(test, again[0], objs[1]);
	KUNIT_EXPECT_PTR_EQ(test, again[1], objs[0]);
	xtest_give(test, large, objs, 3);
	xtest_give(test, small, &low, 1);
}

/*
 * Limits
 */

/* Pages of slabs that what magazines may hold would need. */
static unsigned long held_by_magazines(struct xslab_cache *cache, unsigned int depot)
{
	struct xslab_stats s = cache_stats(cache);

	return slabs_for(&s, (2UL * num_possible_cpus() + depot) * s.magazine_size)
	       << s.slab_order;
}

/* Expect the last object that fits, and none more; a raise to take effect at once. */
static void xcollect_test_hard_limit(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, 16 << 20, 256);
	void **objs = xtest_room(test, 4000, sizeof(*objs));
	struct xslab_stats s = cache_stats(cache);
	struct xslab_limits limits;
	size_t nr, most = 10 * s.objects_per_slab;
	unsigned long pages = 10UL << s.slab_order;

	xslab_cache_get_limits(cache, &limits);
	KUNIT_EXPECT_EQ(test, limits.hard, ULONG_MAX);
	KUNIT_EXPECT_EQ(test, limits.cache, ULONG_MAX);
	KUNIT_ASSERT_EQ(test, set_limits(cache, pages, ULONG_MAX), 0);
	nr = xtest_take_all(cache, objs, 4000, GFP_ATOMIC);
	KUNIT_EXPECT_EQ(test, nr, most);
	KUNIT_EXPECT_EQ(test, pool_stats(fixture_pool(test)).slabs, (u64)pages);
	KUNIT_EXPECT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, 1, objs + nr), 0);
	check_clean(test, cache, most);

	KUNIT_ASSERT_EQ(test, set_limits(cache, pages + (1UL << s.slab_order), ULONG_MAX), 0);
	nr += xtest_take_all(cache, objs + nr, 4000 - nr, GFP_ATOMIC);
	KUNIT_EXPECT_EQ(test, nr, most + s.objects_per_slab);

	/* One page less than a slab more is no slab more. */
	KUNIT_ASSERT_EQ(test, set_limits(cache, pages + (2UL << s.slab_order) - 1,
					 ULONG_MAX), 0);
	xslab_cache_get_limits(cache, &limits);
	KUNIT_EXPECT_EQ(test, limits.hard, pages + (2UL << s.slab_order) - 1);
	nr += xtest_take_all(cache, objs + nr, 4000 - nr, GFP_ATOMIC);
	KUNIT_EXPECT_EQ(test, nr, most + s.objects_per_slab);
	xtest_give(test, cache, objs, nr);
	KUNIT_ASSERT_EQ(test, set_limits(cache, 0, ULONG_MAX), 0);
	KUNIT_EXPECT_EQ(test, pool_stats(fixture_pool(test)).slabs, 0ULL);
	KUNIT_EXPECT_NULL(test, xslab_cache_alloc(cache, GFP_KERNEL));
}

/* Expect a limit below what is live to be refused and to change nothing. */
static void xcollect_test_hard_limit_busy(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, 16 << 20, 256);
	void **objs = xtest_room(test, 1000, sizeof(*objs));
	struct xslab_limits limits;
	struct xslab_stats s;
	u64 pages;

	xtest_take(test, cache, objs, 1000, GFP_ATOMIC);
	s = cache_stats(cache);
	pages = slabs_for(&s, 1000) << s.slab_order;
	KUNIT_EXPECT_EQ(test, set_limits(cache, pages - 1, 0), -EBUSY);
	xslab_cache_get_limits(cache, &limits);
	KUNIT_EXPECT_EQ(test, limits.hard, ULONG_MAX);
	KUNIT_EXPECT_EQ(test, limits.cache, ULONG_MAX);
	/* What is merely kept does not count: 1 live object and 999 that are free. */
	xtest_give(test, cache, objs + 1, 999);
	KUNIT_EXPECT_EQ(test, set_limits(cache, 1UL << s.slab_order, ULONG_MAX), 0);
	s = check_clean(test, cache, 1);
	KUNIT_EXPECT_EQ(test, s.slabs, 1ULL);
	xtest_give(test, cache, objs, 1);
}

/*
 * The limit of what is kept, above and below what the magazines may hold. Expect
 * exactly the free slabs that are left for it, when it is set and after frees.
 */
static void xcollect_test_cache_limit(struct kunit *test)
{
	const unsigned int nr = 4000, depot = 4;
	void **objs = xtest_room(test, nr, sizeof(*objs));
	struct xslab_cache *cache;
	unsigned long held, slab;
	struct xslab_stats s;
	unsigned int left;

	with_pool(test, 16 << 20);
	cache = add_cache(test, &(struct xslab_args){
		.name = "test", .size = 256, .depot = depot });
	slab = 1UL << cache_stats(cache).slab_order;
	held = held_by_magazines(cache, depot);

	xtest_take(test, cache, objs, nr, GFP_ATOMIC);
	xtest_give(test, cache, objs, nr);
	s = check_clean(test, cache, 0);
	KUNIT_EXPECT_GT(test, s.empty_pages, (u64)5 * slab);
	KUNIT_ASSERT_EQ(test, set_limits(cache, ULONG_MAX, held + 5 * slab), 0);
	s = check_clean(test, cache, 0);
	KUNIT_EXPECT_EQ(test, s.empty_pages, (u64)5 * slab);
	KUNIT_EXPECT_GT(test, s.magazines + s.depot, 0ULL);

	for (left = 3; left < 4; left--) {
		KUNIT_ASSERT_EQ(test, set_limits(cache, ULONG_MAX, left * slab), 0);
		s = check_clean(test, cache, 0);
		KUNIT_EXPECT_EQ(test, s.magazines + s.depot, 0ULL);
		KUNIT_EXPECT_EQ(test, s.slabs * slab, (u64)left * slab);
		xtest_take(test, cache, objs, nr, GFP_ATOMIC);
		check_clean(test, cache, nr);
		xtest_give(test, cache, objs, nr / 2);
		xslab_cache_free_bulk(cache, nr - nr / 2, objs + nr / 2);
		s = check_clean(test, cache, 0);
		KUNIT_EXPECT_EQ(test, s.slabs, (u64)left);
		KUNIT_EXPECT_EQ(test, pool_stats(fixture_pool(test)).slabs, (u64)left * slab);
	}
	KUNIT_ASSERT_EQ(test, set_limits(cache, ULONG_MAX, held), 0);
	xtest_take(test, cache, objs, 1, GFP_ATOMIC);
	xtest_give(test, cache, objs, 1);
	s = check_clean(test, cache, 0);
	KUNIT_EXPECT_GT(test, s.magazines, 0ULL);
	KUNIT_EXPECT_EQ(test, s.empty_pages, 0ULL);
}

/* The limit does not count the reserve: expect it whole. */
static void xcollect_test_limit_and_reserve(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, 16 << 20, 256);
	void **objs = xtest_room(test, 1000, sizeof(*objs));
	struct xslab_stats s;

	KUNIT_ASSERT_EQ(test, xslab_cache_prefill(cache, 500), 0);
	KUNIT_ASSERT_EQ(test, set_limits(cache, ULONG_MAX, 0), 0);
	s = check_clean(test, cache, 0);
	KUNIT_EXPECT_GE(test, s.slab_free, s.reserved);
	KUNIT_EXPECT_GE(test, s.reserved, 500ULL);
	xtest_take(test, cache, objs, 1000, GFP_ATOMIC);
	xtest_give(test, cache, objs, 1000);
	s = check_clean(test, cache, 0);
	KUNIT_EXPECT_GE(test, s.slab_free, s.reserved);
	KUNIT_EXPECT_LT(test, s.slab_free, s.reserved + s.objects_per_slab);
	KUNIT_EXPECT_EQ(test, set_limits(cache, 1, 0), -EBUSY);
	KUNIT_EXPECT_EQ(test, set_limits(cache, s.slabs << s.slab_order, 0), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_prefill(cache, s.capacity + 1), -ENOMEM);
	KUNIT_EXPECT_EQ(test, cache_stats(cache).reserved, s.reserved);
	KUNIT_EXPECT_EQ(test, xslab_cache_prefill(cache, 0), 0);
	KUNIT_EXPECT_EQ(test, check_clean(test, cache, 0).slabs, 0ULL);
}

/* Limits change while all CPUs work. Expect no look to find one exceeded. */
static void xcollect_test_limits_while_busy(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, 16 << 20, 256);
	unsigned long slab = 1UL << cache_stats(cache).slab_order, hard, looks = 0, refused = 0;
	ktime_t end = ktime_add_ms(ktime_get(), 2 * RUN_MS), late = ktime_add_ms(end, 30 * RUN_MS);
	struct crew crew = { };
	struct rnd_state rnd;
	unsigned int i;

	xtest_seed(test, &rnd);
	for (i = 0; i < min(num_online_cpus(), 4U); i++)
		hire(test, &crew, churn, cache, true);
	/* On a busy machine, a single limit that is refused may take until @end. */
	while (ktime_before(ktime_get(), looks ? end : late)) {
		unsigned int empty = xtest_below(&rnd, 4);

		hard = (4 + xtest_below(&rnd, 60)) * slab;
		if (set_limits(cache, hard, empty * slab)) {
			refused++;
			continue;
		}
		for (i = 0; i < 50; i++) {
			KUNIT_ASSERT_LE(test, pool_stats(fixture_pool(test)).slabs, (u64)hard);
			KUNIT_ASSERT_LE(test, cache_stats(cache).slabs_free, (u64)empty);
			looks++;
		}
		KUNIT_ASSERT_EQ(test, xslab_validate(cache), 0);
		usleep_range(100, 1000);
	}
	dismiss(test, &crew);
	KUNIT_EXPECT_GT(test, looks, 0UL);
	KUNIT_ASSERT_EQ(test, set_limits(cache, ULONG_MAX, 0), 0);
	KUNIT_EXPECT_EQ(test, check_clean(test, cache, 0).slabs, 0ULL);
	KUNIT_EXPECT_EQ(test, pool_stats(fixture_pool(test)).slabs, 0ULL);
	kunit_info(test, "%lu looks, %lu limits refused\n", looks, refused);
}

/*
 * The reserve
 */

static int take_pressure(void *data)
{
	struct hand *hand = data;
	struct xslab_cache *cache = hand->what;

	while (!kthread_should_stop()) {
		xslab_cache_collect(cache, hand->done++ & 1);
		xslab_cache_shrink(cache);
		usleep_range(10, 100);
	}
	return 0;
}

#define RESERVE		3000U

/*
 * After prefill(n), another cache takes all that the pool has, and others collect and
 * shrink all the time. Expect the next n allocations to succeed, and the pool not to be
 * asked.
 */
static void xcollect_test_reserve(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, 4 << 20, 200);
	struct xslab_cache *greedy = add_cache(test, &(struct xslab_args){
		.name = "greedy", .size = 1000 });
	void **objs = xtest_room(test, RESERVE, sizeof(*objs));
	void **all = xtest_room(test, 5000, sizeof(*all));
	struct crew crew = { };
	unsigned int turn;
	u64 gets, asked = 0;
	size_t nr;

	for (turn = 0; turn < 5; turn++) {
		KUNIT_ASSERT_EQ(test, xslab_cache_prefill(cache, RESERVE), 0);
		hire(test, &crew, take_pressure, cache, true);
		hire(test, &crew, take_pressure, cache, true);
		nr = xtest_take_all(greedy, all, 5000, GFP_ATOMIC);
		KUNIT_ASSERT_LT(test, nr, (size_t)5000);
		while (!READ_ONCE(crew.hands[0].done) || !READ_ONCE(crew.hands[1].done))
			usleep_range(100, 1000);
		gets = pool_stats(fixture_pool(test)).gets;
		xtest_take(test, cache, objs, RESERVE, GFP_ATOMIC);
		KUNIT_EXPECT_EQ(test, pool_stats(fixture_pool(test)).gets, gets);
		asked += pool_stats(fixture_pool(test)).gets - gets;
		dismiss(test, &crew);
		check_clean(test, cache, RESERVE);
		xtest_give(test, cache, objs, RESERVE);
		xtest_give(test, greedy, all, nr);
		KUNIT_EXPECT_EQ(test, xslab_cache_prefill(cache, 0), 0);
		xslab_cache_collect(cache, true);
		KUNIT_EXPECT_EQ(test, cache_stats(cache).slabs, 0ULL);
	}
	kunit_info(test, "row 15: %u allocations after prefill: %llu blocks from the pool\n",
		   RESERVE, asked);
}

/*
 * Waiting
 */

#define WAIT_SIZE	1000U

struct queue {
	struct xslab_cache	*cache;
	void			*objs[MAX_CREW];	/* what each got */
	unsigned int		place[MAX_CREW];	/* 1: served first */
	atomic_t		served;
	atomic_t		gone;			/* with nothing */
};

static int wait_for_one(void *data)
{
	struct hand *hand = data;
	struct queue *queue = hand->what;
	void *obj;

	allow_signal(SIGKILL);
	obj = xslab_cache_alloc(queue->cache, GFP_KERNEL);
	if (obj) {
		queue->place[hand->nr] = atomic_inc_return(&queue->served);
		WRITE_ONCE(queue->objs[hand->nr], obj);
	} else {
		atomic_inc(&queue->gone);
	}
	hand->done++;
	return xtest_stay();
}

/* One task after the other, so that their order is known. */
static void line_up(struct kunit *test, struct crew *crew, struct queue *queue, unsigned int nr)
{
	u64 before = cache_stats(queue->cache).waiters;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		hire(test, crew, wait_for_one, queue, false);
		while (cache_stats(queue->cache).waiters <= before + i)
			usleep_range(100, 1000);
	}
}

/* A cache of one slab, all of it taken. Returns how many objects. */
static size_t full_cache(struct kunit *test, struct queue *queue, void **objs)
{
	queue->cache = with_flags(test, 4 << 20, WAIT_SIZE, XSLAB_WAIT);
	KUNIT_ASSERT_EQ(test, set_limits(queue->cache, 1UL << queue->cache->order, ULONG_MAX), 0);
	return xtest_take_all(queue->cache, objs, 256, GFP_ATOMIC);
}

/*
 * Expect tasks that wait to be served in their order, one for each object that is freed,
 * and a caller that does not wait to get nothing as long as a task waits.
 */
static void xcollect_test_wait_in_order(struct kunit *test)
{
	void **objs = xtest_room(test, 256, sizeof(*objs));
	struct queue *queue = xtest_room(test, 1, sizeof(*queue));
	size_t nr = full_cache(test, queue, objs);
	struct crew crew = { };
	unsigned int i;

	line_up(test, &crew, queue, MAX_CREW);
	check_clean(test, queue->cache, nr);
	for (i = 0; i < MAX_CREW; i++) {
		xtest_give(test, queue->cache, objs + i, 1);
		KUNIT_EXPECT_NULL(test, xslab_cache_alloc(queue->cache, GFP_ATOMIC));
		KUNIT_ASSERT_TRUE(test, xtest_soon(atomic_read(&queue->served) > i, 10000));
		KUNIT_EXPECT_EQ(test, queue->place[i], i + 1);
	}
	KUNIT_EXPECT_EQ(test, cache_stats(queue->cache).waiters, 0ULL);
	dismiss(test, &crew);
	check_clean(test, queue->cache, nr);
	xtest_give(test, queue->cache, queue->objs, MAX_CREW);
	xtest_give(test, queue->cache, objs + MAX_CREW, nr - MAX_CREW);
	KUNIT_EXPECT_GT(test, check_clean(test, queue->cache, 0).magazines, 0ULL);
}

/* Expect NULL at once where the cache or the caller does not say that it may wait. */
static void xcollect_test_no_wait(struct kunit *test)
{
	void **objs = xtest_room(test, 256, sizeof(*objs));
	struct queue *queue = xtest_room(test, 1, sizeof(*queue));
	size_t nr = full_cache(test, queue, objs);
	struct xslab_cache *other = add_cache(test, &(struct xslab_args){
		.name = "other", .size = WAIT_SIZE });
	void *bulk[4];

	KUNIT_EXPECT_NULL(test, xslab_cache_alloc(queue->cache, GFP_NOWAIT));
	KUNIT_EXPECT_EQ(test, xslab_cache_alloc_bulk(queue->cache, GFP_KERNEL, 4, bulk), 0);
	KUNIT_ASSERT_EQ(test, set_limits(other, 0, ULONG_MAX), 0);
	KUNIT_EXPECT_NULL(test, xslab_cache_alloc(other, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, cache_stats(other).failures, 1ULL);
	xtest_give(test, queue->cache, objs, nr);
}

/*
 * Expect the task in the middle to go when it is killed, and the others to stay until the
 * cache is destroyed, which is refused and ends all waiting.
 */
static void xcollect_test_wait_killed(struct kunit *test)
{
	void **objs = xtest_room(test, 256, sizeof(*objs));
	struct queue *queue = xtest_room(test, 1, sizeof(*queue));
	size_t nr = full_cache(test, queue, objs);
	struct crew crew = { };

	line_up(test, &crew, queue, 3);
	send_sig(SIGKILL, crew.hands[1].task, 1);
	KUNIT_ASSERT_TRUE(test, xtest_soon(atomic_read(&queue->gone) > 0, 10000));
	KUNIT_EXPECT_NULL(test, queue->objs[1]);
	KUNIT_EXPECT_EQ(test, cache_stats(queue->cache).waiters, 2ULL);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(queue->cache), -EBUSY);
	KUNIT_EXPECT_EQ(test, cache_stats(queue->cache).errors, 1ULL);
	KUNIT_ASSERT_TRUE(test, xtest_soon(atomic_read(&queue->gone) > 2, 10000));
	KUNIT_EXPECT_EQ(test, atomic_read(&queue->served), 0);
	dismiss(test, &crew);
	xtest_give(test, queue->cache, objs, nr - 1);
	KUNIT_EXPECT_EQ(test, cache_stats(queue->cache).live, 1ULL);
	xtest_give(test, queue->cache, objs + nr - 1, 1);	/* and it goes by itself */
}

/* Returns how many ms after @let_go a task that waits is served. */
static s64 time_to_serve(struct kunit *test, struct queue *queue,
			 void (*let_go)(struct kunit *test, void *what), void *what)
{
	struct crew crew = { };
	ktime_t start;

	atomic_set(&queue->served, 0);
	line_up(test, &crew, queue, 1);
	start = ktime_get();
	let_go(test, what);
	KUNIT_EXPECT_TRUE(test, xtest_soon(atomic_read(&queue->served) > 0, 10000));
	dismiss(test, &crew);
	return ktime_ms_delta(ktime_get(), start);
}

struct greedy {
	struct xslab_cache	*cache;
	void			**objs;
	size_t			nr;
};

static void let_go_slabs(struct kunit *test, void *what)
{
	struct greedy *greedy = what;

	xtest_give(test, greedy->cache, greedy->objs, greedy->nr);
	xslab_cache_collect(greedy->cache, true);
}

static void raise_limit(struct kunit *test, void *what)
{
	KUNIT_EXPECT_EQ(test, set_limits(what, ULONG_MAX, ULONG_MAX), 0);
}

/*
 * Another cache has the whole pool. Expect its pages, and a raised limit, to wake the task
 * that waits: at least once in a few turns, sooner than it looks by itself, every 100 ms.
 */
static void xcollect_test_wait_for_pages(struct kunit *test)
{
	struct queue *queue = xtest_room(test, 1, sizeof(*queue));
	struct greedy greedy = { .objs = xtest_room(test, 300, sizeof(void *)) };
	s64 slabs = 1000, limit = 1000;
	unsigned int turn;

	queue->cache = with_flags(test, 4 << 20, WAIT_SIZE, XSLAB_WAIT);
	/* Few and large ones, so that to free them takes no time that counts. */
	greedy.cache = add_cache(test, &(struct xslab_args){ .name = "greedy", .size = 16000 });
	/* A busy machine is late now and then, and the best turn counts. */
	for (turn = 0; turn < 5 || (turn < 30 && max(slabs, limit) >= 60); turn++) {
		greedy.nr = xtest_take_all(greedy.cache, greedy.objs, 300, GFP_ATOMIC);
		slabs = min(slabs, time_to_serve(test, queue, let_go_slabs, &greedy));
		xtest_give(test, queue->cache, queue->objs, 1);
		xslab_cache_collect(queue->cache, true);
		KUNIT_ASSERT_EQ(test, set_limits(queue->cache, 0, ULONG_MAX), 0);
		limit = min(limit, time_to_serve(test, queue, raise_limit, queue->cache));
		xtest_give(test, queue->cache, queue->objs, 1);
		xslab_cache_collect(queue->cache, true);
	}
	KUNIT_EXPECT_LT(test, slabs, (s64)60);
	KUNIT_EXPECT_LT(test, limit, (s64)60);
	kunit_info(test, "served %lld ms after pages came back, %lld ms after a limit was raised\n",
		   slabs, limit);
}

/* Take one of what is for all, hold it for a moment. */
static int share(void *data)
{
	struct hand *hand = data;
	struct xslab_cache *cache = hand->what;
	void *obj;

	while (!kthread_should_stop()) {
		obj = xslab_cache_alloc(cache, GFP_KERNEL);
		if (!obj) {
			WARN_ON_ONCE(1);
			break;
		}
		WARN_ON_ONCE(xchg((void **)obj, obj) == obj);
		hand->done++;
		if (!(hand->done % 8))
			usleep_range(1, 10);
		else
			yield();
		WARN_ON_ONCE(xchg((void **)obj, NULL) != obj);
		WARN_ON_ONCE(xslab_cache_free(cache, obj));
	}
	return xtest_stay();
}

/* More tasks than objects, while the cache is collected. Expect all to get their share. */
static void xcollect_test_wait_while_busy(struct kunit *test)
{
	void **objs = xtest_room(test, 256, sizeof(*objs));
	struct queue *queue = xtest_room(test, 1, sizeof(*queue));
	size_t nr = full_cache(test, queue, objs), left = MAX_CREW / 2;
	unsigned long done, turns = 0, least = ULONG_MAX;
	struct crew crew = { };
	unsigned int i;
	ktime_t end;

	memset(objs[nr - 1], 0, WAIT_SIZE);
	for (i = 0; i < left; i++) {
		memset(objs[i], 0, WAIT_SIZE);
		xtest_give(test, queue->cache, objs + i, 1);
	}
	for (i = 0; i < MAX_CREW; i++)
		hire(test, &crew, share, queue->cache, true);
	end = ktime_add_ms(ktime_get(), 2 * RUN_MS);
	while (ktime_before(ktime_get(), end)) {
		xslab_cache_collect(queue->cache, turns++ & 1);
		KUNIT_ASSERT_EQ(test, xslab_validate(queue->cache), 0);
		usleep_range(1000, 3000);
	}
	for (i = 0; i < MAX_CREW; i++)
		least = min(least, READ_ONCE(crew.hands[i].done));
	done = dismiss(test, &crew);
	check_clean(test, queue->cache, nr - left);
	KUNIT_EXPECT_EQ(test, cache_stats(queue->cache).waiters, 0ULL);
	xtest_give(test, queue->cache, objs + left, nr - left);
	kunit_info(test, "%lu allocations by %d tasks of %zu objects, at least %lu each, %lu collects\n",
		   done, MAX_CREW, left, least, turns);
}

/*
 * Moving
 *
 * The client has a table with an entry for each object; an object says which is its
 * own, and the table is what is believed.
 */

#define MOVE_MAX	SMALL_NR
#define MOVE_KEEP	40U	/* one in this many stays */

struct mover {
	struct xslab_cache	*cache;
	spinlock_t		lock;		/* of the table, and of what is counted */
	void			**table;
	unsigned int		nr;
	u64			live;		/* entries in use */
	unsigned long		asked, moved, unknown;
	unsigned int		refuse_every;	/* 0: never */
	bool			free_asked;
	atomic_long_t		wrong;
};

/*
 * A hint, which the table confirms: the object may be free, and then what it holds is old.
 * KASAN must not look.
 */
static unsigned long entry_of(const void *obj)
{
	return READ_ONCE_NOCHECK(*(const unsigned long *)obj);
}

static void write_entry(void *obj, unsigned long nr)
{
	unsigned long *words = obj;

	WRITE_ONCE(words[0], nr);
	words[1] = ~nr;
}

/* Expect an object to be what the table says, wherever it is. */
static void check_entry(struct mover *mover, unsigned long nr, void *obj)
{
	const unsigned long *words = obj;

	if (words[0] != nr || words[1] != ~nr)
		atomic_long_inc(&mover->wrong);
}

static enum xslab_move move_entry(struct mover *mover, void *old, void *new, size_t size)
{
	unsigned long nr = entry_of(old);

	if (nr >= mover->nr || mover->table[nr] != old) {
		mover->unknown++;
		return XSLAB_UNKNOWN;
	}
	if (mover->refuse_every && nr / MOVE_KEEP % mover->refuse_every == 0)
		return XSLAB_KEPT;
	if (mover->free_asked) {
		mover->table[nr] = NULL;
		mover->live--;
		return XSLAB_GONE;
	}
	memcpy(new, old, size);
	mover->table[nr] = new;
	mover->moved++;
	return XSLAB_MOVED;
}

static enum xslab_move move(void *arg, void *old, void *new, size_t size)
{
	struct mover *mover = arg;
	enum xslab_move answer;

	spin_lock(&mover->lock);
	mover->asked++;
	answer = move_entry(mover, old, new, size);
	spin_unlock(&mover->lock);
	/* Like another thread that has just taken it out of the table. */
	if (answer == XSLAB_GONE && xslab_cache_free(mover->cache, old))
		atomic_long_inc(&mover->wrong);
	return answer;
}

/* Objects of which one in 40 stays. */
static struct mover *scatter_in(struct kunit *test, unsigned int nr, size_t size,
				xslab_flags_t flags)
{
	struct mover *mover = xtest_room(test, 1, sizeof(*mover));
	unsigned int i;

	spin_lock_init(&mover->lock);
	mover->nr = nr;
	mover->table = xtest_room(test, nr, sizeof(void *));
	mover->cache = with_flags(test, ALIGN(nr * size / 7 * 8 + (4UL << 20), 4UL << 20), size,
				  flags);
	KUNIT_ASSERT_EQ(test, xslab_cache_set_move(mover->cache, move, mover), 0);
	xtest_take(test, mover->cache, mover->table, nr, GFP_ATOMIC);
	for (i = 0; i < nr; i++)
		write_entry(mover->table[i], i);
	for (i = 0; i < nr; i++) {
		if (i % MOVE_KEEP == 0) {
			mover->live++;
			continue;
		}
		xtest_give(test, mover->cache, mover->table + i, 1);
		mover->table[i] = NULL;
	}
	check_clean(test, mover->cache, mover->live);
	return mover;
}

static struct mover *scatter(struct kunit *test, unsigned int nr, size_t size)
{
	return scatter_in(test, nr, size, 0);
}

/* Expect the books and the table to be right. */
static struct xslab_stats check_table(struct kunit *test, struct mover *mover)
{
	u64 live = mover->live;
	unsigned int i;

	for (i = 0; i < mover->nr; i++)
		if (mover->table[i]) {
			check_entry(mover, i, mover->table[i]);
			live--;
		}
	KUNIT_EXPECT_EQ(test, live, 0ULL);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&mover->wrong), 0L);
	return check_clean(test, mover->cache, mover->live);
}

static struct xslab_stats move_all(struct kunit *test, struct mover *mover)
{
	xslab_cache_collect(mover->cache, true);
	return check_table(test, mover);
}

static void free_table(struct kunit *test, struct mover *mover)
{
	unsigned int i;

	for (i = 0; i < mover->nr; i++)
		if (mover->table[i])
			xtest_give(test, mover->cache, mover->table + i, 1);
	check_clean(test, mover->cache, 0);
}

#define SPREAD_BYTES	((24UL << 20) / XTEST_SLOWER)
#define SPREAD_POOL	ALIGN((64UL << 20) / XTEST_SLOWER, REGION)

/* @nr objects of a cache in a pool that grows, all live. */
static struct mover *fill_regions_with(struct kunit *test, size_t size, unsigned int nr)
{
	struct mover *mover = xtest_room(test, 1, sizeof(*mover));
	unsigned int i;

	spin_lock_init(&mover->lock);
	mover->nr = nr;
	mover->live = mover->nr;
	mover->table = xtest_room(test, mover->nr, sizeof(void *));
	mover->cache = add_cache(test, &(struct xslab_args){ .name = "spread", .size = size });
	KUNIT_ASSERT_EQ(test, xslab_cache_set_move(mover->cache, move, mover), 0);
	xtest_take(test, mover->cache, mover->table, mover->nr, GFP_KERNEL);
	for (i = 0; i < mover->nr; i++)
		write_entry(mover->table[i], i);
	return mover;
}

/* Like fill_regions_with(), but a @share-th of SPREAD_BYTES. */
static struct mover *fill_regions(struct kunit *test, size_t size, unsigned int share)
{
	return fill_regions_with(test, size, SPREAD_BYTES / size / share);
}

/* All but @percent of the objects are freed, anywhere. */
static void thin_out(struct kunit *test, struct mover *mover, struct rnd_state *rnd,
		     unsigned int percent)
{
	unsigned int i;

	for (i = 0; i < mover->nr; i++) {
		if (!mover->table[i] || xtest_below(rnd, 100) < percent)
			continue;
		xtest_give(test, mover->cache, mover->table + i, 1);
		mover->table[i] = NULL;
		mover->live--;
	}
}

/* Expect the system to have back all regions but those that pages in use need, and @more. */
static void expect_few_regions(struct kunit *test, u64 more)
{
	struct fixture *f = test->priv;
	struct xpool_stats s;

	xpool_collect(f->pool, true);
	s = pool_stats(fixture_pool(test));
	KUNIT_EXPECT_LE(test, s.regions, regions_for(s.slabs + s.heaps + s.pages) + more);
	KUNIT_EXPECT_EQ(test, xpool_validate(f->pool), 0);
}

/*
 * Objects that can be moved, in seven regions, of which fewer and fewer are left. Expect
 * them in as few slabs as they fit into, and these in as few regions.
 */
static void xcollect_test_move_regions(struct kunit *test)
{
	static const unsigned int sizes[] = { 120, 944, 3584, 9000, 40000 };
	struct rnd_state rnd;
	unsigned int i, pass;

	xtest_seed(test, &rnd);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct mover *mover;
		struct xslab_stats s;

		with_growing_pool(test, REGION, SPREAD_POOL);
		mover = fill_regions(test, sizes[i], 1);
		for (pass = 0; pass < 4; pass++) {
			thin_out(test, mover, &rnd, pass ? 50 : 35);
			expect_few_regions(test, 1);
			s = check_table(test, mover);
			KUNIT_EXPECT_EQ(test, s.slabs, slabs_for(&s, mover->live));
		}
		free_table(test, mover);
		expect_few_regions(test, 1);
		end_fixture(test);
	}
}

/*
 * Two caches that can move, of small and of large objects, and pages of a client that lie
 * in one region. Expect the same, with one region more for each kind.
 */
static void xcollect_test_move_two(struct kunit *test)
{
	struct fixture *f = with_growing_pool(test, REGION, SPREAD_POOL);
	struct mover *small = fill_regions(test, 700, 2), *large;
	struct rnd_state rnd;
	void *pages[64];
	unsigned int i;

	xtest_seed(test, &rnd);
	for (i = 0; i < ARRAY_SIZE(pages); i++)
		KUNIT_ASSERT_NOT_NULL(test, pages[i] = xpool_alloc_addr(f->pool, 0, GFP_KERNEL));
	large = fill_regions(test, 10000, 2);
	for (i = 0; i < 4; i++) {
		thin_out(test, small, &rnd, 40);
		thin_out(test, large, &rnd, 40);
		expect_few_regions(test, 2);
		check_table(test, small);
		check_table(test, large);
	}
	for (i = 0; i < ARRAY_SIZE(pages); i++)
		KUNIT_EXPECT_EQ(test, xpool_free_addr(f->pool, pages[i], 0), 0);
	free_table(test, small);
	free_table(test, large);
	expect_few_regions(test, 1);
}

/*
 * A client that refuses some objects, a reserve of prefill, a hard limit that leaves no
 * page: expect collection to end, and all of these to hold.
 */
static void xcollect_test_move_regions_limited(struct kunit *test)
{
	struct fixture *f = with_growing_pool(test, REGION, SPREAD_POOL);
	struct mover *mover = fill_regions(test, 944, 1);
	struct xpool_limits limits;
	struct rnd_state rnd;
	u64 gets;
	void **more = xtest_room(test, 500, sizeof(void *));

	xtest_seed(test, &rnd);
	thin_out(test, mover, &rnd, 30);
	mover->refuse_every = 100;
	xpool_collect(f->pool, true);
	check_table(test, mover);
	mover->refuse_every = 0;

	xpool_get_limits(f->pool, &limits);
	limits.hard = pool_stats(fixture_pool(test)).slabs;
	KUNIT_EXPECT_EQ(test, xpool_set_limits(f->pool, &limits), 0);
	xpool_collect(f->pool, true);
	check_table(test, mover);
	limits.hard = XPOOL_NO_LIMIT;
	KUNIT_EXPECT_EQ(test, xpool_set_limits(f->pool, &limits), 0);

	thin_out(test, mover, &rnd, 30);
	KUNIT_ASSERT_EQ(test, xslab_cache_prefill(mover->cache, 500), 0);
	expect_few_regions(test, 2);
	check_table(test, mover);
	gets = pool_stats(fixture_pool(test)).gets;
	xtest_take(test, mover->cache, more, 500, GFP_ATOMIC);
	KUNIT_EXPECT_EQ(test, pool_stats(fixture_pool(test)).gets, gets);
	xtest_give(test, mover->cache, more, 500);
	KUNIT_ASSERT_EQ(test, xslab_cache_prefill(mover->cache, 0), 0);
	free_table(test, mover);
	expect_few_regions(test, 1);
}

/* A slab is larger than what the pool begins with. Expect it to come with the growth. */
static void xcollect_test_slab_of_growth(struct kunit *test)
{
	static const unsigned int sizes[] = { 40000, 132 << 10, 200000, 256 << 10 };
	struct xslab_cache *cache;
	unsigned int i;
	void *obj;

	with_growing_pool(test, PAGE_SIZE, 8UL << 20);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		cache = add_cache(test, &(struct xslab_args){ .name = "large", .size = sizes[i] });
		obj = xslab_cache_alloc(cache, GFP_KERNEL);
		KUNIT_EXPECT_NOT_NULL(test, obj);
		KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, obj), 0);
	}
}

struct burst {
	struct xslab_cache	*cache;
	unsigned int		nr;
	void			**objs;
	atomic_t		failed;
	atomic_t		hands;
};

static int take_burst(void *arg)
{
	struct hand *hand = arg;
	struct burst *burst = hand->what;
	unsigned int i, from = hand->nr * burst->nr;

	for (i = from; i < from + burst->nr; i++) {
		burst->objs[i] = xslab_cache_alloc(burst->cache, GFP_KERNEL);
		if (!burst->objs[i])
			atomic_inc(&burst->failed);
	}
	hand->done = 1;
	atomic_inc(&burst->hands);
	return xtest_stay();
}

/*
 * Threads that may sleep take all that a pool may grow to, at once. Expect no failure, and
 * one object more than there is room for to fail.
 */
static void xcollect_test_burst(struct kunit *test)
{
	static const unsigned long limits[] = { 0, 100, XPOOL_NO_LIMIT };
	unsigned int i, n, cpus, max = ALIGN_DOWN(MAX_CREW, 4);
	/* Where all takes long, fewer and larger objects take the same memory. */
	size_t size = rounddown_pow_of_two(SZ_4M / xtest_rounds(SZ_2K));

	for (i = 0; i < ARRAY_SIZE(limits); i++)
		for (cpus = 1; cpus <= max; cpus *= 2) {
			struct fixture *f = with_growing_pool(test, REGION, 10 * REGION);
			struct xpool_limits l = { XPOOL_NO_LIMIT, limits[i], 0 };
			struct crew crew = {};
			struct burst burst = {
				.cache = add_cache(test, &(struct xslab_args){
					.name = "burst", .size = size }),
				.nr = (10 * REGION / cpus - 200 * SZ_2K) / size,
				.objs = xtest_room(test, 10 * REGION / size, sizeof(void *)),
			};

			KUNIT_ASSERT_EQ(test, xpool_set_limits(f->pool, &l), 0);
			for (n = 0; n < cpus; n++)
				hire(test, &crew, take_burst, &burst, true);
			while (atomic_read(&burst.hands) < cpus)
				usleep_range(1000, 2000);
			dismiss(test, &crew);
			KUNIT_EXPECT_EQ(test, atomic_read(&burst.failed), 0);
			check_clean(test, burst.cache, cpus * burst.nr);
			xtest_give(test, burst.cache, burst.objs, cpus * burst.nr);
			expect_few_regions(test, 1);
			end_fixture(test);
		}
}

static void check_packs(struct kunit *test, unsigned int nr, size_t size)
{
	struct mover *mover = scatter(test, nr, size);
	struct xslab_stats s;
	u64 before;

	KUNIT_ASSERT_EQ(test, xslab_cache_set_move(mover->cache, NULL, NULL), 0);
	before = move_all(test, mover).slabs;
	KUNIT_ASSERT_EQ(test, xslab_cache_set_move(mover->cache, move, mover), 0);
	s = move_all(test, mover);
	KUNIT_EXPECT_GT(test, before, s.slabs);
	KUNIT_EXPECT_EQ(test, s.slabs, slabs_for(&s, mover->live));
	KUNIT_EXPECT_EQ(test, pool_stats(fixture_pool(test)).slabs, s.slabs << s.slab_order);
	KUNIT_EXPECT_EQ(test, mover->asked, mover->moved);
	kunit_info(test, "row 24: %llu of %u objects of %zu bytes live: %llu slabs, after moves %llu of %llu needed\n",
		   mover->live, nr, size, before, s.slabs, slabs_for(&s, mover->live));
	/* Nothing more can be gained, so the client is not asked. */
	mover->asked = 0;
	KUNIT_EXPECT_EQ(test, xslab_cache_collect(mover->cache, true), 0UL);
	KUNIT_EXPECT_EQ(test, mover->asked, 0UL);
	free_table(test, mover);
	end_fixture(test);
}

/* Expect as few slabs as the objects fit into; also with maps of several words. */
static void xcollect_test_move(struct kunit *test)
{
	check_packs(test, MOVE_MAX, SMALL_SIZE);
	check_packs(test, MOVE_MAX / 5, 16);
}

/*
 * One slab lost all but one of its objects one by one, the next all but four at once. Expect
 * the one to move, and not the four.
 */
static void xcollect_test_move_sparsest(struct kunit *test)
{
	struct mover *mover = scatter(test, 2 * 16, 256);
	unsigned int i;

	KUNIT_ASSERT_EQ(test, cache_stats(mover->cache).objects_per_slab, 16U);
	KUNIT_ASSERT_EQ(test, set_limits(mover->cache, ULONG_MAX, 1), 0);
	free_table(test, mover);
	xtest_take(test, mover->cache, mover->table, 32, GFP_ATOMIC);
	for (i = 0; i < 32; i++)
		write_entry(mover->table[i], i);
	for (i = 1; i < 16; i++) {
		xtest_give(test, mover->cache, mover->table + i, 1);
		mover->table[i] = NULL;
	}
	xslab_cache_free_bulk(mover->cache, 12, mover->table + 20);
	memset(mover->table + 20, 0, 12 * sizeof(void *));
	mover->live = 5;
	KUNIT_EXPECT_EQ(test, check_table(test, mover).slabs_partial, 2ULL);
	KUNIT_EXPECT_EQ(test, move_all(test, mover).slabs, 1ULL);
	KUNIT_EXPECT_EQ(test, mover->moved, 1UL);
	free_table(test, mover);
}

/* Some do not go. Expect no more slabs to stay than they are in, and those of the rest. */
static void xcollect_test_move_refused(struct kunit *test)
{
	struct mover *mover = scatter(test, 10000, 256);
	struct xslab_stats s;
	u64 stuck;

	mover->refuse_every = 10;
	stuck = DIV_ROUND_UP_ULL(mover->live, mover->refuse_every);
	s = move_all(test, mover);
	KUNIT_EXPECT_GT(test, mover->moved, 0UL);
	KUNIT_EXPECT_LE(test, s.slabs, stuck + slabs_for(&s, mover->live - stuck));
	mover->refuse_every = 1;
	mover->moved = 0;
	move_all(test, mover);
	KUNIT_EXPECT_EQ(test, mover->moved, 0UL);
	mover->refuse_every = 0;
	s = move_all(test, mover);
	KUNIT_EXPECT_EQ(test, s.slabs, slabs_for(&s, mover->live));
	free_table(test, mover);
}

/* Each is freed while it is asked about. Expect its slab to come free all the same. */
static void xcollect_test_move_gone(struct kunit *test)
{
	struct mover *mover = scatter(test, 10000, 256);
	u64 before = mover->live;
	struct xslab_stats s;

	mover->free_asked = true;
	s = move_all(test, mover);
	KUNIT_EXPECT_GT(test, mover->asked, 0UL);
	KUNIT_EXPECT_EQ(test, s.live, before - mover->asked);
	KUNIT_EXPECT_EQ(test, s.slabs, slabs_for(&s, s.live));
	free_table(test, mover);
}

/* A client whose slab goes while one of its objects is asked about. */
struct leaver {
	struct mover		*mover;
	struct xpool		*pool;
	struct xslab_cache	*other;
	unsigned long		slab_mask;
	void			**taken;	/* of the other cache, which has the pages then */
	size_t			nr, max;
	unsigned int		wrong;
	bool			force, done;
};

/* Others free all objects of the slab, and its pages become another cache's. */
static enum xslab_move move_leaving(void *arg, void *old, void *new, size_t size)
{
	struct leaver *leaver = arg;
	struct mover *mover = leaver->mover;
	unsigned long slab = (unsigned long)old & leaver->slab_mask;
	unsigned int i;

	if (leaver->done)
		return XSLAB_KEPT;
	leaver->done = true;
	for (i = 0; i < mover->nr; i++) {
		if (((unsigned long)mover->table[i] & leaver->slab_mask) != slab)
			continue;
		if (xslab_cache_free(mover->cache, mover->table[i]))
			atomic_long_inc(&mover->wrong);
		mover->table[i] = NULL;
		mover->live--;
	}
	xpool_collect(leaver->pool, leaver->force);
	leaver->nr = xtest_take_all(leaver->other, leaver->taken, leaver->max, GFP_ATOMIC);
	for (i = 0; i < leaver->nr; i++) {
		swap(leaver->taken[i], leaver->taken[leaver->nr - 1]);
		leaver->wrong += xslab_cache_free(leaver->other, leaver->taken[--leaver->nr]) != 0;
	}
	/* What was freed is in slabs after the first; the second must not touch these. */
	xpool_collect(leaver->pool, true);
	xpool_collect(leaver->pool, true);
	leaver->wrong += xslab_validate(leaver->other) != 0;
	return XSLAB_GONE;
}

/* One slab in @one_in stays, and is full. */
static void keep_full_slabs(struct kunit *test, struct mover *mover, unsigned int one_in)
{
	unsigned int shift = PAGE_SHIFT + cache_stats(mover->cache).slab_order, i;

	for (i = 0; i < mover->nr; i++) {
		if (!(((unsigned long)mover->table[i] >> shift) % one_in))
			continue;
		xtest_give(test, mover->cache, mover->table + i, 1);
		mover->table[i] = NULL;
		mover->live--;
	}
}

/* Expect the mover to leave the slab alone from then on. */
static void check_leaving(struct kunit *test, struct mover *mover, bool force, size_t size)
{
	struct fixture *f = test->priv;
	size_t max = SZ_2M / size;
	struct leaver leaver = {
		.mover = mover, .pool = f->pool, .force = force, .max = max,
		.slab_mask = ~((PAGE_SIZE << cache_stats(mover->cache).slab_order) - 1),
		.taken = xtest_room(test, max + 1, sizeof(void *)),
		.other = add_cache(test, &(struct xslab_args){ .name = "other", .size = size }),
	};

	KUNIT_ASSERT_EQ(test, xslab_cache_set_move(mover->cache, move_leaving, &leaver), 0);
	xpool_collect(f->pool, true);
	KUNIT_EXPECT_TRUE(test, leaver.done);
	KUNIT_EXPECT_EQ(test, leaver.wrong, 0U);
	check_clean(test, leaver.other, leaver.nr);
	check_table(test, mover);
	xtest_give(test, leaver.other, leaver.taken, leaver.nr);
	free_table(test, mover);
	end_fixture(test);
}

static void xcollect_test_move_slab_leaves(struct kunit *test)
{
	static const size_t sizes[] = { 32, 1000 };	/* maps of two words, and of one */
	struct mover *mover;
	unsigned int i;

	for (i = 0; i < 2 * ARRAY_SIZE(sizes); i++) {
		check_leaving(test, scatter(test, 10000, 256), i & 1, sizes[i / 2]);
		with_growing_pool(test, REGION, 5 * REGION);
		mover = fill_regions_with(test, 1000, 4 * REGION / 1024);
		keep_full_slabs(test, mover, 8);
		check_leaving(test, mover, i & 1, sizes[i / 2]);
	}
}

/* Objects that the client has, and says it does not know. Expect them left alone. */
static void xcollect_test_move_unknown(struct kunit *test)
{
	struct mover *mover = scatter(test, 10000, 256);
	unsigned int nr = mover->nr;

	mover->nr = 0;
	xslab_cache_collect(mover->cache, true);
	mover->nr = nr;
	KUNIT_EXPECT_EQ(test, mover->asked, mover->unknown);
	KUNIT_EXPECT_GT(test, mover->unknown, 0UL);
	check_table(test, mover);
	free_table(test, mover);
}

/* A reserve stays whole while objects move. */
static void xcollect_test_move_and_reserve(struct kunit *test)
{
	struct mover *mover = scatter(test, 10000, 256);
	struct xslab_stats s;

	KUNIT_ASSERT_EQ(test, xslab_cache_prefill(mover->cache, 2000), 0);
	s = move_all(test, mover);
	KUNIT_EXPECT_GE(test, s.slab_free, s.reserved);
	KUNIT_EXPECT_LT(test, s.slab_free, s.reserved + s.objects_per_slab);
	KUNIT_ASSERT_EQ(test, xslab_cache_prefill(mover->cache, 0), 0);
	free_table(test, mover);
}

/* Allocate and free entries at random. */
static int churn_table(void *data)
{
	struct hand *hand = data;
	struct mover *mover = hand->what;
	unsigned int step;
	void *obj, *new;

	while (!kthread_should_stop()) {
		for (step = 0; step < 20; step++) {
			unsigned int nr = xtest_below(&hand->rnd, mover->nr);

			new = xslab_cache_alloc(mover->cache, GFP_ATOMIC);
			if (new)
				write_entry(new, nr);
			spin_lock(&mover->lock);
			obj = mover->table[nr];
			mover->table[nr] = obj ? NULL : new;
			if (obj)
				check_entry(mover, nr, obj);
			spin_unlock(&mover->lock);
			if (obj && xslab_cache_free(mover->cache, obj))
				atomic_long_inc(&mover->wrong);
			if (obj && new && xslab_cache_free(mover->cache, new))
				atomic_long_inc(&mover->wrong);
			hand->done++;
		}
		breathe();
	}
	return 0;
}

/*
 * Others allocate and free what is moved. Expect each entry of the table to be right
 * all the time, and nothing lost or freed twice.
 */
static void xcollect_test_move_while_busy(struct kunit *test)
{
	struct mover *mover = scatter(test, 5000, 256);
	ktime_t end = ktime_add_ms(ktime_get(), 2 * RUN_MS);
	struct crew crew = { };
	unsigned long done, turns = 0;
	struct xslab_stats s;
	unsigned int i;

	for (i = 0; i < min(num_online_cpus(), 4U); i++)
		hire(test, &crew, churn_table, mover, true);
	while (ktime_before(ktime_get(), end) || turns < 5) {
		xslab_cache_collect(mover->cache, true);
		KUNIT_ASSERT_EQ(test, xslab_validate(mover->cache), 0);
		turns++;
		usleep_range(1000, 3000);
	}
	done = dismiss(test, &crew);
	mover->live = 0;
	for (i = 0; i < mover->nr; i++)
		mover->live += !!mover->table[i];
	check_table(test, mover);
	KUNIT_EXPECT_GT(test, mover->moved, 0UL);
	kunit_info(test, "%lu changes, %lu collects, %lu asked, %lu moved, %lu unknown\n",
		   done, turns, mover->asked, mover->moved, mover->unknown);
	s = move_all(test, mover);
	KUNIT_EXPECT_EQ(test, s.slabs, slabs_for(&s, mover->live));
	free_table(test, mover);
}

/*
 * Slabs are torn, lose their last object, and are emptied by moves, all at once. Expect each
 * to leave once.
 */
static void xcollect_test_tear_and_move(struct kunit *test)
{
	struct fixture *f = with_growing_pool(test, REGION, 5 * REGION);
	struct mover *mover = fill_regions_with(test, 1000, 4 * REGION / 1024);
	struct crew crew = { };
	struct rnd_state rnd;
	unsigned int i, turns = 0;
	ktime_t end;

	xtest_seed(test, &rnd);
	thin_out(test, mover, &rnd, 5);
	end = ktime_add_ms(ktime_get(), 2 * RUN_MS);
	for (i = 0; i < min(num_online_cpus(), 4U); i++)
		hire(test, &crew, churn_table, mover, true);
	while (ktime_before(ktime_get(), end) || turns < 5) {
		xslab_cache_tear(mover->cache);
		xpool_collect(f->pool, true);
		KUNIT_ASSERT_EQ(test, xslab_validate(mover->cache), 0);
		KUNIT_ASSERT_EQ(test, xpool_validate(f->pool), 0);
		turns++;
	}
	dismiss(test, &crew);
	mover->live = 0;
	for (i = 0; i < mover->nr; i++)
		mover->live += !!mover->table[i];
	check_table(test, mover);
	free_table(test, mover);
	end_fixture(test);
}

/*
 * Limits of the pool, as caches see them
 */

static void set_pool_limits(struct kunit *test, unsigned long cached, unsigned long reserve)
{
	struct fixture *f = test->priv;
	struct xpool_limits limits;

	xpool_get_limits(f->pool, &limits);
	limits.cache = cached;
	limits.reserve = reserve;
	KUNIT_ASSERT_EQ(test, xpool_set_limits(f->pool, &limits), 0);
}

/*
 * A pool of 1,024 pages, and slabs of 8. Expect ordinary requests to leave just the
 * reserve, a request with __GFP_HIGH to have just that, and a cache that has been
 * promised objects to have them from there, too.
 */
static void xcollect_test_pool_reserve(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, 4 << 20, PAGE_SIZE);
	struct xslab_cache *promised = add_cache(test, &(struct xslab_args){
		.name = "promised", .size = PAGE_SIZE });
	void **objs = xtest_room(test, 1025, sizeof(*objs));
	size_t nr, more;

	KUNIT_ASSERT_EQ(test, cache_stats(cache).slab_order, 3ULL);
	set_pool_limits(test, ULONG_MAX, 256);
	nr = xtest_take_all(cache, objs, 1025, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, nr, (size_t)(1024 - 256));
	KUNIT_EXPECT_EQ(test, pool_stats(fixture_pool(test)).free, 256ULL);

	KUNIT_EXPECT_NULL(test, xslab_cache_alloc(promised, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, xslab_cache_prefill(promised, 16), 0);
	KUNIT_EXPECT_LT(test, pool_stats(fixture_pool(test)).free, 256ULL);
	KUNIT_EXPECT_EQ(test, xslab_cache_prefill(promised, 0), 0);
	xslab_cache_collect(promised, true);
	KUNIT_EXPECT_EQ(test, pool_stats(fixture_pool(test)).free, 256ULL);

	KUNIT_EXPECT_NULL(test, xslab_cache_alloc(cache, GFP_KERNEL));
	more = xtest_take_all(cache, objs + nr, 1025 - nr, GFP_KERNEL | __GFP_HIGH);
	KUNIT_EXPECT_EQ(test, more, (size_t)256);
	KUNIT_EXPECT_EQ(test, pool_stats(fixture_pool(test)).free, 0ULL);
	xtest_give(test, cache, objs, nr + more);

	/* What is more than the promise is an ordinary request. */
	KUNIT_EXPECT_EQ(test, xslab_cache_prefill(promised, 1), 0);
	nr = xtest_take_all(promised, objs, 1025, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, nr, (size_t)(1024 - 256));
	KUNIT_EXPECT_EQ(test, pool_stats(fixture_pool(test)).free, 256ULL);
	xtest_give(test, promised, objs, nr);
	KUNIT_EXPECT_EQ(test, xslab_cache_prefill(promised, 0), 0);
}

/* A limit of what is cached leaves promised objects, and does not count them. */
static void xcollect_test_cache_limit_and_promise(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, 4 << 20, PAGE_SIZE);

	set_pool_limits(test, 0, 0);
	KUNIT_ASSERT_EQ(test, xslab_cache_prefill(cache, 100), 0);
	KUNIT_EXPECT_GE(test, cache_stats(cache).slab_free, 100ULL);
	KUNIT_EXPECT_EQ(test, pool_stats(fixture_pool(test)).cached, 0ULL);
	set_pool_limits(test, 0, 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_prefill(cache, 0), 0);
	KUNIT_EXPECT_EQ(test, cache_stats(cache).slabs, 0ULL);
	KUNIT_EXPECT_EQ(test, pool_stats(fixture_pool(test)).cached, 0ULL);
}

static u64 fill_and_empty(struct kunit *test, struct xslab_cache *cache, void **objs)
{
	KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, 400, objs), 400);
	xslab_cache_free_bulk(cache, 400, objs);
	return cache_stats(cache).empty_pages;
}

/*
 * 50 slabs of 8 pages become empty, past the magazines. Expect all of them to stay
 * where there is no limit, and to go when the call returns that sets one, or that
 * empties them while there is one.
 */
static void xcollect_test_pool_cache_limit(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, 4 << 20, PAGE_SIZE);
	void **objs = xtest_room(test, 400, sizeof(*objs));
	u64 kept;

	KUNIT_EXPECT_EQ(test, fill_and_empty(test, cache, objs), 400ULL);
	set_pool_limits(test, 200, 0);
	KUNIT_EXPECT_LE(test, cache_stats(cache).empty_pages, 200ULL);
	KUNIT_EXPECT_LE(test, pool_stats(fixture_pool(test)).cached, 200ULL);
	kept = fill_and_empty(test, cache, objs);
	KUNIT_EXPECT_LE(test, kept, 200ULL);
	KUNIT_EXPECT_GT(test, kept, 0ULL);
	KUNIT_EXPECT_LE(test, pool_stats(fixture_pool(test)).cached, 200ULL);

	set_pool_limits(test, 0, 0);
	KUNIT_EXPECT_EQ(test, cache_stats(cache).empty_pages, 0ULL);
	KUNIT_EXPECT_EQ(test, fill_and_empty(test, cache, objs), 0ULL);
	set_pool_limits(test, ULONG_MAX, 0);
	KUNIT_EXPECT_EQ(test, fill_and_empty(test, cache, objs), 400ULL);
}

/*
 * Torn slabs
 */

#define TEAR_OBJS	3200U

/* The smallest and the largest object of slabs of several pages, and some that straddle. */
static const size_t tear_sizes[] = { 128, 256, 1024, 1536, 3584, 4096 };

/* Take @objs, free all but every @nth, and have the slabs torn. */
static struct xslab_stats tear(struct kunit *test, struct xslab_cache *cache, void **objs,
			       unsigned int nth)
{
	unsigned int i, nr = 0;

	xtest_take(test, cache, objs, TEAR_OBJS, GFP_KERNEL);
	for (i = 0; i < TEAR_OBJS; i++)
		if (i % nth)
			xtest_give(test, cache, objs + i, 1);
		else
			objs[nr++] = objs[i];
	xslab_cache_tear(cache);
	return check_clean(test, cache, nr);
}

/* Pages of the pool on which one of @objs lies or begins a slab, each counted once. */
static unsigned long pages_under(struct kunit *test, struct xslab_cache *cache, void **objs,
				 unsigned int nr, const struct xslab_stats *s)
{
	struct fixture *f = test->priv;
	unsigned long base = f->pool->base >> PAGE_SHIFT, all = f->pool->buddy.nr;
	unsigned long *used = xtest_room(test, BITS_TO_LONGS(all), sizeof(long));
	unsigned int i;

	for (i = 0; i < nr; i++) {
		unsigned long at = (unsigned long)objs[i], page = at >> PAGE_SHIFT;

		__set_bit((page & ~(BIT(s->slab_order) - 1)) - base, used);
		for (; page <= (at + s->object_size - 1) >> PAGE_SHIFT; page++)
			__set_bit(page - base, used);
	}
	return bitmap_weight(used, all);
}

/*
 * x . . . | . . . . | . x . . | . . . . : one of eight objects is live. Expect the pages
 * with a live object to stay, and the first of each slab, and no others; the objects
 * that are left to be of use; and all to come back with the last of them. The pool has
 * room for 4,096 slabs of the largest objects: the set of torn ones then ends with a full word.
 */
static void xcollect_test_tear(struct kunit *test)
{
	unsigned int i, nr = TEAR_OBJS / 8;

	for (i = 0; i < ARRAY_SIZE(tear_sizes); i++) {
		struct xslab_cache *cache = with_cache(test, 128 << 20, tear_sizes[i]);
		void **objs = xtest_room(test, TEAR_OBJS, sizeof(*objs));
		struct xslab_stats s = tear(test, cache, objs, 8);
		u64 slabs = s.slabs, more = s.slab_free;

		KUNIT_EXPECT_EQ(test, pool_stats(fixture_pool(test)).slabs,
				(s.slabs << s.slab_order) - s.holes);
		KUNIT_EXPECT_EQ(test, pool_stats(fixture_pool(test)).slabs,
				pages_under(test, cache, objs, nr, &s));
		if (s.object_size > 512)
			KUNIT_EXPECT_GT(test, s.holes, 0ULL);
		KUNIT_EXPECT_EQ(test, xslab_cache_tear(cache), 0UL);

		xtest_take(test, cache, objs + nr, more, GFP_KERNEL);
		xslab_cache_collect(cache, true);
		s = check_clean(test, cache, nr + more);
		KUNIT_EXPECT_EQ(test, s.slabs, slabs);
		KUNIT_EXPECT_EQ(test, s.slab_free, 0ULL);

		/* No client has the pages, so slabs are mended: no more are made than must be. */
		nr = nr + more;
		xtest_take(test, cache, objs + nr, TEAR_OBJS - nr, GFP_KERNEL);
		xslab_cache_collect(cache, true);
		s = check_clean(test, cache, TEAR_OBJS);
		KUNIT_EXPECT_EQ(test, s.slabs, DIV_ROUND_UP_ULL(TEAR_OBJS, s.objects_per_slab));
		KUNIT_EXPECT_LT(test, s.holes, 1ULL << s.slab_order);
		nr = TEAR_OBJS / 8;

		/* And torn again, until the last object is free. */
		xtest_give(test, cache, objs + nr, TEAR_OBJS - nr);
		xslab_cache_tear(cache);
		xtest_give(test, cache, objs, nr);
		xslab_cache_collect(cache, true);
		s = check_clean(test, cache, 0);
		KUNIT_EXPECT_EQ(test, s.slabs + s.slabs_torn + s.holes, 0ULL);
		end_fixture(test);
	}
}

/* The first object of a page that the slab of @obj, which is alone in it, gave back. */
static void *gone_beside(void *obj, const struct xslab_stats *s)
{
	unsigned long bytes = PAGE_SIZE << s->slab_order, slab = (unsigned long)obj & ~(bytes - 1);
	unsigned long gone = slab + bytes - PAGE_SIZE;

	return (void *)((unsigned long)obj < gone ? gone : gone - PAGE_SIZE);
}

static void construct_nothing(void *obj)
{
}

/*
 * The reserve keeps torn slabs when their last objects are freed. Expect all of them to go
 * when it ends. (A cache with a constructor does not mend them.)
 */
static void xcollect_test_torn_reserve(struct kunit *test)
{
	void **objs = xtest_room(test, TEAR_OBJS, sizeof(*objs));
	struct xslab_cache *cache;
	struct xslab_stats s;
	unsigned int nr = TEAR_OBJS / 32;

	with_pool(test, 4 << 20);
	cache = add_cache(test, &(struct xslab_args){
		.name = "test", .size = 1024, .ctor = construct_nothing });
	s = tear(test, cache, objs, 32);
	KUNIT_ASSERT_GT(test, s.holes, 0ULL);
	KUNIT_ASSERT_EQ(test, xslab_cache_prefill(cache, 256), 0);
	xtest_give(test, cache, objs, nr);
	xslab_cache_collect(cache, true);
	check_clean(test, cache, 0);
	KUNIT_ASSERT_EQ(test, xslab_cache_prefill(cache, 0), 0);
	xslab_cache_collect(cache, true);
	KUNIT_EXPECT_EQ(test, cache_stats(cache).slabs, 0ULL);
	KUNIT_EXPECT_EQ(test, pool_stats(cache->pool).free, pool_stats(cache->pool).total);
}

/*
 * Another cache has the pages of a torn slab by now. Expect a pointer to an object that is
 * gone to be refused, and an object that is there to be freed once, by any call.
 */
static void check_torn_frees(struct kunit *test, xslab_flags_t flags)
{
	struct xslab_cache *cache = with_flags(test, 4 << 20, 1024, flags), *other;
	void **objs = xtest_room(test, TEAR_OBJS, sizeof(*objs));
	void **theirs = xtest_room(test, 16384, sizeof(*theirs));
	struct xslab_stats s = tear(test, cache, objs, 32);
	unsigned int i, nr = TEAR_OBJS / 32, taken;

	KUNIT_ASSERT_EQ(test, s.slabs, (u64)nr);
	KUNIT_ASSERT_GE(test, s.holes, s.slabs * ((1ULL << s.slab_order) - 2));
	other = add_cache(test, &(struct xslab_args){ .name = "other", .size = 256 });
	taken = xtest_take_all(other, theirs, 16384, GFP_ATOMIC);
	KUNIT_EXPECT_EQ(test, pool_stats(fixture_pool(test)).free, 0ULL);
	for (i = 0; i < nr; i++) {
		void *gone = gone_beside(objs[i], &s);

		KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, gone), -EINVAL);
		xslab_cache_free_bulk(cache, 1, &gone);
	}
	s = cache_stats(cache);
	KUNIT_EXPECT_EQ(test, s.errors, 2ULL * nr);
	KUNIT_EXPECT_EQ(test, s.live, (u64)nr);
	KUNIT_EXPECT_EQ(test, cache_stats(other).live, (u64)taken);

	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, objs[0] + 8), -EINVAL);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(other, objs[0]), -EINVAL);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, objs[0]), 0);
	if (!(flags & XSLAB_NO_CHECKS))		/* then it is found when it comes to its slab */
		KUNIT_EXPECT_LT(test, xslab_cache_free(cache, objs[0]), 0);
	KUNIT_EXPECT_EQ(test, xslab_free(objs[1]), 0);
	xslab_cache_free_bulk(cache, nr - 2, objs + 2);
	xslab_cache_collect(cache, true);
	s = cache_stats(cache);
	KUNIT_EXPECT_EQ(test, s.live, 0ULL);
	KUNIT_EXPECT_EQ(test, s.slabs, 0ULL);
	KUNIT_EXPECT_EQ(test, xslab_validate(cache), 0);
	xtest_give(test, other, theirs, taken);
	end_fixture(test);
}

static void xcollect_test_torn_frees(struct kunit *test)
{
	check_torn_frees(test, 0);
	check_torn_frees(test, XSLAB_NO_CHECKS);
}

/*
 * Torn slabs hold what can be moved after all. Expect fewer of them, and fewer slabs, and
 * the client not to be asked about objects that are gone.
 */
static void check_torn_moves(struct kunit *test, xslab_flags_t flags)
{
	struct mover *mover = scatter_in(test, 10000, 512, flags);
	struct xslab_stats torn, s;

	KUNIT_ASSERT_EQ(test, xslab_cache_set_move(mover->cache, NULL, NULL), 0);
	xslab_cache_tear(mover->cache);
	torn = check_table(test, mover);
	KUNIT_EXPECT_GT(test, torn.slabs_torn, 0ULL);
	KUNIT_ASSERT_EQ(test, xslab_cache_set_move(mover->cache, move, mover), 0);
	s = move_all(test, mover);
	KUNIT_EXPECT_GT(test, mover->moved, 0UL);
	kunit_info(test, "%llu slabs, %llu of them torn; after moves %llu and %llu\n",
		   torn.slabs, torn.slabs_torn, s.slabs, s.slabs_torn);
	KUNIT_EXPECT_LT(test, s.slabs, torn.slabs);
	KUNIT_EXPECT_LT(test, s.slabs_torn, torn.slabs_torn);
	KUNIT_EXPECT_EQ(test, mover->unknown, 0UL);
	free_table(test, mover);
	end_fixture(test);
}

static void xcollect_test_torn_moves(struct kunit *test)
{
	check_torn_moves(test, 0);
	check_torn_moves(test, XSLAB_NO_CHECKS);
}

static struct kunit_case xcollect_test_cases[] = {
	KUNIT_CASE(xcollect_test_other_cpu),
	KUNIT_CASE(xcollect_test_while_busy),
	KUNIT_CASE(xcollect_test_interleaved),
	KUNIT_CASE(xcollect_test_large_among_small),
	KUNIT_CASE(xcollect_test_last_pins_one),
	KUNIT_CASE(xcollect_test_ring),
	KUNIT_CASE(xcollect_test_placement),
	KUNIT_CASE(xcollect_test_hard_limit),
	KUNIT_CASE(xcollect_test_hard_limit_busy),
	KUNIT_CASE(xcollect_test_cache_limit),
	KUNIT_CASE(xcollect_test_limit_and_reserve),
	KUNIT_CASE(xcollect_test_limits_while_busy),
	KUNIT_CASE(xcollect_test_pool_reserve),
	KUNIT_CASE(xcollect_test_pool_cache_limit),
	KUNIT_CASE(xcollect_test_cache_limit_and_promise),
	KUNIT_CASE(xcollect_test_reserve),
	KUNIT_CASE(xcollect_test_wait_in_order),
	KUNIT_CASE(xcollect_test_no_wait),
	KUNIT_CASE(xcollect_test_wait_killed),
	KUNIT_CASE(xcollect_test_wait_for_pages),
	KUNIT_CASE(xcollect_test_wait_while_busy),
	KUNIT_CASE(xcollect_test_move),
	KUNIT_CASE(xcollect_test_move_regions),
	KUNIT_CASE(xcollect_test_move_two),
	KUNIT_CASE(xcollect_test_move_regions_limited),
	KUNIT_CASE(xcollect_test_slab_of_growth),
	KUNIT_CASE(xcollect_test_burst),
	KUNIT_CASE(xcollect_test_move_sparsest),
	KUNIT_CASE(xcollect_test_move_refused),
	KUNIT_CASE(xcollect_test_move_gone),
	KUNIT_CASE(xcollect_test_move_slab_leaves),
	KUNIT_CASE(xcollect_test_move_unknown),
	KUNIT_CASE(xcollect_test_move_and_reserve),
	KUNIT_CASE(xcollect_test_move_while_busy),
	KUNIT_CASE(xcollect_test_tear_and_move),
	KUNIT_CASE(xcollect_test_tear),
	KUNIT_CASE(xcollect_test_torn_reserve),
	KUNIT_CASE(xcollect_test_torn_frees),
	KUNIT_CASE(xcollect_test_torn_moves),
	{}
};

static struct kunit_suite xcollect_test_suite = {
	.name = "xcollect",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = xcollect_test_cases,
};

kunit_test_suite(xcollect_test_suite);

MODULE_DESCRIPTION("Tests of what xalloc's caches keep, give back and hand on");
MODULE_LICENSE("GPL");
