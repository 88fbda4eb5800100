// SPDX-License-Identifier: GPL-2.0
/*
 * Tests that what no client holds is available to every client.
 *
 * Each makes a mess first: the pool is filled with bursts of objects of random caches,
 * all are freed in random order from several CPUs, and each CPU uses each cache and some
 * pages once more. Then nothing is live, and nearly all memory lies in magazines, depots
 * and free slabs. A request must succeed then if it would in an empty pool.
 */
#include <linux/vmalloc.h>

#include "xcrew.h"
#include "xjob.h"

#define MESS_MAX	66000U		/* objects */
#define MESS_PAGES	16U		/* blocks of each order that a CPU frees at the end */

struct mess {
	struct fixture	*w;
	struct rnd_state rnd;
	void		**objs;
	size_t		nr;
	unsigned int	cpus;
};

/* Take bursts of objects of random caches, until there are no more. */
static void fill_pool(struct mess *mess)
{
	struct fixture *w = mess->w;

	while (mess->nr < MESS_MAX) {
		struct xslab_cache *cache = w->caches[xtest_below(&mess->rnd, w->nr_caches)];
		unsigned int burst = 1 + xtest_below(&mess->rnd, 200);

		while (burst-- && mess->nr < MESS_MAX) {
			void *obj = xslab_cache_alloc(cache, GFP_KERNEL);

			if (!obj)
				return;
			mess->objs[mess->nr++] = obj;
		}
	}
}

/* This CPU frees its share of the objects; returns how many frees were refused. */
static long free_share(void *data)
{
	struct mess *mess = data;
	size_t i = raw_smp_processor_id() % mess->cpus;
	long refused = 0;

	for (; i < mess->nr; i += mess->cpus)
		refused += xslab_free(mess->objs[i]) != 0;
	return refused;
}

/* This CPU uses each cache and some pages; what would fail is not asked for. */
static long touch_all(void *data)
{
	struct fixture *w = data;
	void *blocks[MESS_PAGES];
	unsigned int i, nr, order;

	for (i = 0; i < w->nr_caches; i++)
		xslab_cache_free(w->caches[i], xslab_cache_alloc(w->caches[i], GFP_NOWAIT));
	for (order = 0; pool_stats(w->pool).largest_free >> order; order++) {
		for (nr = 0; nr < (order < 4 ? MESS_PAGES >> order : 1); nr++)
			blocks[nr] = xpool_alloc_addr(w->pool, order, GFP_NOWAIT);
		while (nr--)
			xpool_free_addr(w->pool, blocks[nr], order);
	}
	return 0;
}

static struct mess *new_mess(struct kunit *test, unsigned int cpus)
{
	struct mess *mess = xtest_room(test, 1, sizeof(*mess));

	mess->w = test->priv;
	mess->objs = xtest_room(test, MESS_MAX, sizeof(void *));
	mess->cpus = min(cpus, num_online_cpus());
	xtest_seed(test, &mess->rnd);
	return mess;
}

/* Make one. Nothing is live after it. */
static void make_mess(struct kunit *test, struct mess *mess)
{
	struct fixture *w = mess->w;
	unsigned int i;

	mess->nr = 0;
	fill_pool(mess);
	xtest_shuffle(&mess->rnd, mess->objs, mess->nr);
	KUNIT_ASSERT_EQ(test, xtest_on_cpus(mess->cpus, free_share, mess), 0L);
	xtest_on_cpus(mess->cpus, touch_all, w);
	for (i = 0; i < w->nr_caches; i++)
		KUNIT_ASSERT_EQ(test, cache_stats(w->caches[i]).live, 0ULL);
}

/*
 * All that there is
 */

static void free_blocks(struct kunit *test, unsigned int order, void **at, unsigned long nr)
{
	struct fixture *w = test->priv;

	while (nr--)
		KUNIT_ASSERT_EQ(test, xpool_free_addr(w->pool, at[nr], order), 0);
}

/* Expect each block of an order to be available after a mess. */
static void check_blocks(struct kunit *test, struct mess *mess, const struct xpool_stats *empty,
			 unsigned int order)
{
	unsigned long want = blocks_in(empty, order), got;
	void **at;

	if (!want)
		return;
	at = xtest_room(test, want + 1, sizeof(*at));
	make_mess(test, mess);
	got = xtest_take_blocks(mess->w->pool, order, at, want + 1, GFP_KERNEL);
	KUNIT_EXPECT_EQ_MSG(test, got, want, "order %u", order);
	free_blocks(test, order, at, got);
}

/* Expect all objects of a size that divides a slab to be available after a mess, also by bulk. */
static void check_objects(struct kunit *test, struct mess *mess, struct xslab_cache *cache,
			  unsigned long pages)
{
	unsigned long want = (pages << PAGE_SHIFT) / xslab_cache_size(cache), got;
	void **at = xtest_room(test, want + 1, sizeof(*at));

	KUNIT_ASSERT_EQ(test, cache_stats(cache).slab_waste, 0ULL);
	make_mess(test, mess);
	got = xtest_take_all(cache, at, want + 1, GFP_KERNEL);
	KUNIT_EXPECT_EQ_MSG(test, got, want, "%u bytes", xslab_cache_size(cache));
	xslab_cache_free_bulk(cache, got, at);

	make_mess(test, mess);
	KUNIT_EXPECT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, want, at), (int)want);
	xslab_cache_free_bulk(cache, want, at);
}

static void check_page_bulk(struct kunit *test, struct mess *mess, unsigned long pages)
{
	struct page **at = xtest_room(test, pages, sizeof(*at));

	make_mess(test, mess);
	KUNIT_EXPECT_EQ(test, xpool_alloc_pages_bulk(mess->w->pool, GFP_KERNEL, pages, at),
			(int)pages);
	xpool_free_pages_bulk(mess->w->pool, pages, at);
}

struct taking {
	struct xslab_cache	*cache;
	void			**at;
	unsigned long		most;
	gfp_t			gfp;
};

static long take_here(void *data)
{
	struct taking *taking = data;

	return xtest_take_all(taking->cache, taking->at, taking->most, taking->gfp);
}

/* Expect all of the pool's objects to be promised after a mess, and kept on each CPU. */
static void check_prefill(struct kunit *test, struct mess *mess, struct xslab_cache *cache,
			  unsigned long pages)
{
	unsigned long want = (pages << PAGE_SHIFT) / xslab_cache_size(cache);
	struct taking taking = { .cache = cache, .most = want, .gfp = GFP_ATOMIC,
				 .at = xtest_room(test, want, sizeof(void *)) };
	int cpu;

	make_mess(test, mess);
	KUNIT_ASSERT_EQ(test, xslab_cache_prefill(cache, want), 0);
	for_each_online_cpu(cpu) {
		KUNIT_EXPECT_EQ(test, work_on_cpu(cpu, take_here, &taking), (long)want);
		xslab_cache_free_bulk(cache, want, taking.at);
	}
	KUNIT_EXPECT_EQ(test, xslab_cache_prefill(cache, want + 1), -ENOMEM);
	KUNIT_EXPECT_EQ(test, cache_stats(cache).reserved, (u64)want);
	KUNIT_EXPECT_EQ(test, xslab_cache_prefill(cache, 0), 0);
}

/*
 * Pools of all kinds
 */

struct shape {
	const char	*name;
	size_t		size;
	size_t		max_size;
	unsigned int	nr_caches;
	unsigned int	cpus;
	long		decay;
	xslab_flags_t	flags;
};

static const struct shape shapes[] = {
	{ "64 KiB, 1 cache", SZ_64K, 0, 1, 4, -1, 0 },
	{ "64 KiB, 8 caches, 2 CPUs, no checks", SZ_64K, 0, 8, 2, 5000, XSLAB_NO_CHECKS },
	{ "256 KiB, 16 caches", SZ_256K, 0, 16, 4, 5000, 0 },
	{ "1 MiB, 64 caches, 2 CPUs", SZ_1M, 0, 64, 2, -1, 0 },
	{ "1 MiB, 1 cache, 1 CPU", SZ_1M, 0, 1, 1, -1, 0 },
	{ "4 MiB, 20 caches", SZ_4M, 0, 20, 4, -1, XSLAB_NO_CHECKS },
	{ "16 MiB, 30 caches, 3 CPUs", SZ_16M, 0, 30, 3, 5000, 0 },
	{ "64 MiB, 95 caches", SZ_64M, 0, 95, 4, -1, 0 },
	{ "16 MiB in 4 regions, 10 caches", SZ_4M, SZ_16M, 10, 4, -1, 0 },
};

KUNIT_ARRAY_PARAM_DESC(shapes, shapes, name);

/* Sizes of all kinds, some of them large where the pool is. */
static size_t size_of(const struct shape *shape, unsigned int i)
{
	if (i % 8 == 5 && shape->size >= SZ_4M)
		return 5000 + i * 977 % 120000;
	return 24 + i * 61 % 4000;
}

/* A pool that grows has all its regions, and keeps them. */
static void grow_to_all(struct kunit *test, const struct shape *shape)
{
	unsigned long nr = shape->max_size / SZ_4M, tries = 1000, i = 0;
	struct fixture *w = test->priv;
	void *blocks[16];

	KUNIT_ASSERT_LE(test, nr, ARRAY_SIZE(blocks));
	while (i < nr && tries--) {
		blocks[i] = xpool_alloc_addr(w->pool, 10, GFP_KERNEL);
		if (blocks[i])
			i++;
		else
			usleep_range(2000, 5000);
	}
	free_blocks(test, 10, blocks, i);
	if (i < nr)
		kunit_skip(test, "the system has no memory for the pool to grow");
}

/* Where all takes long, the pools are smaller, but have blocks of each order. */
static size_t bytes_of(const struct shape *shape)
{
	return shape->size > SZ_4M ? ALIGN(xtest_rounds(shape->size), SZ_4M) : shape->size;
}

static void build(struct kunit *test, const struct shape *shape)
{
	struct fixture *w = with_steady_pool(test, bytes_of(shape), shape->max_size);
	unsigned int i;

	KUNIT_ASSERT_EQ(test, xpool_set_decay(w->pool, shape->decay), 0);
	for (i = 0; i < shape->nr_caches; i++)
		add_cache(test, &(struct xslab_args){
			.name = "any", .size = size_of(shape, i), .flags = shape->flags });
	if (shape->max_size)
		grow_to_all(test, shape);
}

/* What the pool is like with nothing in use. */
static struct xpool_stats empty_stats(struct fixture *w, const struct shape *shape)
{
	unsigned long regions = shape->max_size / SZ_4M;
	struct xpool_stats empty = pool_stats(w->pool);

	if (regions) {
		empty.free = regions << XBUDDY_MAX_ORDER;
		empty.free_blocks[XBUDDY_MAX_ORDER] = regions;
	}
	return empty;
}

static const unsigned int tried_orders[] = { 0, 3, 6, 10 };
static const size_t tried_sizes[] = { 128, 4096, 16384 };

/* Where all takes long, the smallest are larger, and fewer of them fill the pool. */
static size_t tried_size(unsigned int i)
{
	return i ? tried_sizes[i] : rounddown_pow_of_two(SZ_16K / xtest_rounds(SZ_16K / 128));
}

/*
 * Row 27: after any sequence in which all is freed, expect every page, every block and,
 * where slabs have no waste, every object, at the first request that may sleep.
 */
static void xgather_test_everything(struct kunit *test)
{
	const struct shape *shape = test->param_value;
	struct xslab_cache *late[ARRAY_SIZE(tried_sizes)];
	struct xpool_stats empty;
	struct mess *mess;
	unsigned int i;

	build(test, shape);
	mess = new_mess(test, shape->cpus);
	for (i = 0; i < ARRAY_SIZE(tried_sizes); i++)
		late[i] = add_cache(test, &(struct xslab_args){
			.name = "late", .size = tried_size(i), .flags = shape->flags });
	empty = empty_stats(mess->w, shape);
	KUNIT_ASSERT_EQ(test, empty.free,
			max_t(u64, bytes_of(shape), shape->max_size) >> PAGE_SHIFT);
	for (i = 0; i < ARRAY_SIZE(tried_orders); i++)
		check_blocks(test, mess, &empty, tried_orders[i]);
	for (i = 0; i < ARRAY_SIZE(tried_sizes); i++)
		check_objects(test, mess, late[i], empty.free);
	check_page_bulk(test, mess, empty.free);
	check_prefill(test, mess, late[1], empty.free);
	kunit_info(test, "row 27: %s: %lu gatherings\n", shape->name, mess->w->pool->gather.nr);
}

/* Sizes that go up, or down, so that nothing that was freed fits what comes. */
static void check_sequence(struct kunit *test, bool up, unsigned int order)
{
	struct fixture *w = with_steady_pool(test, SZ_16M, 0);
	void **at = xtest_room(test, 16384, sizeof(*at));
	unsigned long want = 4096UL >> order, got;
	unsigned int i;

	for (i = 0; i < 9; i++) {
		size_t size = 1000UL << (up ? i : 8 - i);
		struct xslab_cache *cache = add_size(test, size);
		unsigned long nr = (13UL << 20) / size;

		KUNIT_EXPECT_EQ(test, xtest_take_all(cache, at, nr, GFP_KERNEL), nr);
		xtest_give(test, cache, at, nr);
	}
	got = xtest_take_blocks(w->pool, order, at, want + 1, GFP_KERNEL);
	KUNIT_EXPECT_EQ_MSG(test, got, want, "order %u", order);
	free_blocks(test, order, at, got);
	end_fixture(test);
}

static void xgather_test_other_sizes(struct kunit *test)
{
	check_sequence(test, true, 10);
	check_sequence(test, true, 4);
	check_sequence(test, false, 0);
}

#define RING		512U
#define RING_SIZE	128U

/* A ring of 512 objects fills a small pool: expect all of it, on whatever CPU. */
static void xgather_test_ring(struct kunit *test)
{
	struct fixture *w = with_steady_pool(test, SZ_64K, 0);
	struct xslab_cache *cache = add_size(test, RING_SIZE);
	struct taking taking = { .cache = cache, .most = RING + 1, .gfp = GFP_KERNEL,
				 .at = xtest_room(test, RING + 1, sizeof(void *)) };
	int cpu;

	for_each_online_cpu(cpu) {
		xtest_on_cpus(4, touch_all, w);
		KUNIT_EXPECT_EQ(test, work_on_cpu(cpu, take_here, &taking), (long)RING);
		xtest_give(test, cache, taking.at, RING);
	}
	KUNIT_ASSERT_EQ(test, xslab_cache_prefill(cache, RING), 0);
	taking.gfp = GFP_ATOMIC;
	for_each_online_cpu(cpu) {
		xtest_on_cpus(4, touch_all, w);
		KUNIT_EXPECT_EQ(test, work_on_cpu(cpu, take_here, &taking), (long)RING);
		xtest_give(test, cache, taking.at, RING);
	}
	KUNIT_EXPECT_EQ(test, cache_stats(cache).reserved, (u64)RING);
	KUNIT_EXPECT_EQ(test, xslab_cache_prefill(cache, 0), 0);
}

/*
 * Requests that may not sleep
 */

struct request {
	struct xslab_cache	*cache;		/* NULL: a block */
	unsigned int		order;
};

static void *ask_once(struct kunit *test, const struct request *r)
{
	struct fixture *w = test->priv;

	return r->cache ? xslab_cache_alloc(r->cache, GFP_ATOMIC) :
			  xpool_alloc_addr(w->pool, r->order, GFP_ATOMIC);
}

static void take_back(struct kunit *test, const struct request *r, void **at, unsigned long nr)
{
	if (r->cache)
		xtest_give(test, r->cache, at, nr);
	else
		free_blocks(test, r->order, at, nr);
}

/* Ask until it fails; returns the ms until it succeeds again, or -1 if it did not fail. */
static s64 time_of_refill(struct kunit *test, const struct request *r, void **at,
			  unsigned long want)
{
	unsigned long nr = 0;
	ktime_t start;
	s64 ms = -1;

	while (nr < want && (at[nr] = ask_once(test, r)))
		nr++;
	if (nr < want) {
		start = ktime_get();
		expect_soon(test, (at[nr] = ask_once(test, r)));
		ms = ktime_ms_delta(ktime_get(), start);
		nr += !!at[nr];
	}
	take_back(test, r, at, nr);
	return ms;
}

/*
 * A request that may not sleep fails, because others keep what it wants: expect that the
 * same succeeds 10 ms later. A busy machine may be late, so the best of some turns counts.
 */
static void xgather_test_atomic(struct kunit *test)
{
	struct request requests[] = { { NULL, 0 }, { NULL, 4 }, { NULL, 8 }, { NULL, 0 } };
	void **at = xtest_room(test, 256, sizeof(*at));
	unsigned int turn, i, failed = 0;
	s64 best = S64_MAX, ms;
	struct mess *mess;

	with_steady_pool(test, SZ_1M, 0);
	for (i = 0; i < 30; i++)
		add_size(test, 24 + i * 61 % 4000);
	requests[3].cache = add_size(test, SZ_64K);
	mess = new_mess(test, 4);
	for (turn = 0; turn < 8 || (turn < 60 && best > 10); turn++) {
		const struct request *r = &requests[turn % 4];

		make_mess(test, mess);
		ms = time_of_refill(test, r, at, r->cache ? 16 : 256 >> r->order);
		failed += ms >= 0;
		best = min(best, ms >= 0 ? ms : best);
	}
	KUNIT_EXPECT_GT(test, failed, 0U);
	KUNIT_EXPECT_LE(test, best, (s64)10);
	kunit_info(test, "%u of %u requests failed first; %lld ms later one does not\n", failed,
		   turn, best);
}

/*
 * Many at once
 */

#define ASKERS		12U

struct asking {
	struct fixture	*w;
	unsigned int	order;
	atomic_t	here;
	atomic_t	had;
};

/* Ask for what clients hold, so the request has everything gathered, and fails. */
static void ask(void *data)
{
	struct asking *asking = data;

	atomic_inc(&asking->here);
	if (xpool_alloc_addr(asking->w->pool, asking->order, GFP_KERNEL))
		atomic_inc(&asking->had);
}

/*
 * Many ask while one gathering is under way, and share the next: expect one, and at most
 * one more for those that were slow to come.
 */
static void xgather_test_shared(struct kunit *test)
{
	struct fixture *w = with_steady_pool(test, SZ_1M, 0);
	struct asking *asking = xtest_room(test, 1, sizeof(*asking));
	void **at = xtest_room(test, 257, sizeof(*at));
	unsigned long before, gathers, nr;
	struct job *jobs[ASKERS];
	unsigned int i;

	asking->w = w;
	nr = xtest_take_blocks(w->pool, 0, at, 257, GFP_KERNEL);
	KUNIT_ASSERT_EQ(test, nr, 256UL);
	before = w->pool->gather.nr;
	mutex_lock(&w->pool->gather.mutex);
	for (i = 0; i < ASKERS; i++)
		jobs[i] = start_job(test, ask, asking, -1);
	expect_soon(test, atomic_read(&asking->here) == ASKERS);
	msleep(100);
	mutex_unlock(&w->pool->gather.mutex);
	for (i = 0; i < ASKERS; i++)
		end_job(test, jobs[i]);
	gathers = w->pool->gather.nr - before;
	KUNIT_EXPECT_EQ(test, atomic_read(&asking->had), 0);
	KUNIT_EXPECT_GE(test, gathers, 1UL);
	KUNIT_EXPECT_LE(test, gathers, 2UL);
	kunit_info(test, "%u requests at once: %lu gatherings\n", ASKERS, gathers);
	free_blocks(test, 0, at, nr);
}

struct sleeper {
	struct xslab_cache	*cache;
	void			*objs[100];
	unsigned int		got;
};

static void take_hundred(void *data)
{
	struct sleeper *s = data;

	while (s->got < 100 && (s->objs[s->got] = xslab_cache_alloc(s->cache, GFP_KERNEL)))
		WRITE_ONCE(s->got, s->got + 1);
}

/*
 * A task may sleep for objects, nothing is live, all memory is with another cache: expect
 * it to have 100 of 100 at once, without a sleep.
 */
static void check_wait(struct kunit *test, size_t size, size_t large, long decay)
{
	struct sleeper *s = xtest_room(test, 1, sizeof(*s));
	struct fixture *w = with_steady_pool(test, ALIGN(large * 110, SZ_4M), 0);
	struct mess *mess;
	ktime_t start;

	KUNIT_ASSERT_EQ(test, xpool_set_decay(w->pool, decay), 0);
	add_size(test, size);
	mess = new_mess(test, 4);
	make_mess(test, mess);
	s->cache = add_cache(test, &(struct xslab_args){
		.name = "waits", .size = large, .flags = XSLAB_WAIT });
	start = ktime_get();
	run_job(test, take_hundred, s);
	KUNIT_EXPECT_EQ(test, s->got, 100U);
	kunit_info(test, "decay %ld: 100 of 100 objects of %zu bytes after %lld ms\n", decay,
		   large, ktime_ms_delta(ktime_get(), start));
	xtest_give(test, s->cache, s->objs, s->got);
	end_fixture(test);
}

static void xgather_test_wait(struct kunit *test)
{
	check_wait(test, 128, SZ_64K, -1);
	check_wait(test, 128, SZ_64K, 5000);
	check_wait(test, 1000, 100000, -1);
	check_wait(test, 5000, 9000, -1);
}

/*
 * What may be kept
 */

static unsigned long magazine_bytes(const struct xslab_cache *cache)
{
	unsigned long nr = 2UL * num_possible_cpus() + cache->mag.depot.nr;

	return cache->magazine.size ? nr * cache->mag.size * cache->stride : 0;
}

static void expect_bounded(struct kunit *test)
{
	struct fixture *w = test->priv;
	unsigned long sum = 0;
	unsigned int i;

	for (i = 0; i < w->nr_caches; i++)
		sum += magazine_bytes(w->caches[i]);
	KUNIT_EXPECT_LE(test, sum, (w->pool->nr_pages << PAGE_SHIFT) / 8);
	KUNIT_EXPECT_EQ(test, sum, w->pool->mag_bytes);
}

static void drop_caches(struct kunit *test, unsigned int left)
{
	struct fixture *w = test->priv;

	while (w->nr_caches > left)
		KUNIT_EXPECT_EQ(test, xslab_cache_destroy(w->caches[--w->nr_caches]), 0);
}

/* Whatever caches come and go, expect their magazines to keep an eighth of the pool at most. */
static void xgather_test_an_eighth(struct kunit *test)
{
	static const size_t pools[] = { PAGE_SIZE, SZ_256K, SZ_64M };
	struct rnd_state rnd;
	unsigned int p, i;

	xtest_seed(test, &rnd);
	for (p = 0; p < ARRAY_SIZE(pools); p++) {
		with_steady_pool(test, pools[p], 0);
		for (i = 0; i < 14; i++) {
			add_cache(test, &(struct xslab_args){
				.name = "mix", .size = 1 + xtest_below(&rnd, p ? 4096 : 500),
				.depot = i % 3 ? 0 : 1 + xtest_below(&rnd, 1000) });
			expect_bounded(test);
			if (i == 9)
				drop_caches(test, 6);
			expect_bounded(test);
		}
		end_fixture(test);
	}
}

/* Pages that magazines of objects keep, and slabs that are empty. */
static u64 kept_now(const struct fixture *w)
{
	u64 pages = 0;
	unsigned int i;

	for (i = 0; i < w->nr_caches; i++) {
		struct xslab_stats s = cache_stats(w->caches[i]);

		pages += DIV_ROUND_UP_ULL(s.magazines + s.depot, s.objects_per_slab) <<
			 s.slab_order;
		pages += s.empty_pages;
	}
	return pages;
}

static void expect_cached(struct kunit *test, u64 most)
{
	struct fixture *w = test->priv;
	struct xpool_stats s = pool_stats(w->pool);

	KUNIT_EXPECT_EQ(test, s.cached, kept_now(w) + s.magazines);
	KUNIT_EXPECT_LE(test, s.cached, most);
	if (!most)
		KUNIT_EXPECT_EQ(test, s.free, s.total);
}

static int limit_cached(struct xpool *pool, unsigned long pages)
{
	return xpool_set_limits(pool, &(struct xpool_limits){
		.hard = XPOOL_NO_LIMIT, .cache = pages });
}

/*
 * Expect the limit of what is cached to count what objects' magazines keep, also of a
 * cache that comes later, and the statistic to be what is there.
 */
static void xgather_test_cached(struct kunit *test)
{
	static const unsigned long limits[] = { 0, 1, 7, 64, 1000, XPOOL_NO_LIMIT };
	struct fixture *w = with_steady_pool(test, SZ_4M, 0);
	struct mess *mess;
	unsigned int i;

	for (i = 0; i < 20; i++)
		add_size(test, 24 + i * 61 % 4000);
	mess = new_mess(test, 4);
	make_mess(test, mess);
	expect_cached(test, U64_MAX);
	KUNIT_EXPECT_GT(test, kept_now(w), 0ULL);
	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		KUNIT_ASSERT_EQ(test, limit_cached(w->pool, limits[i]), 0);
		expect_cached(test, limits[i]);
		xtest_on_cpus(4, touch_all, w);
		expect_cached(test, limits[i]);
		add_size(test, 100 + i);
		xtest_on_cpus(4, touch_all, w);
		expect_cached(test, limits[i]);
		make_mess(test, mess);
		expect_cached(test, limits[i]);
	}
	KUNIT_EXPECT_GT(test, kept_now(w), 0ULL);
}

/* Like xgather_test_cached(), but with one cache's limit. */
static void xgather_test_cache_limit(struct kunit *test)
{
	static const unsigned long limits[] = { 0, 1, 8, 40 };
	struct fixture *w = with_steady_pool(test, SZ_4M, 0);
	struct xslab_cache *cache = add_size(test, 200);
	struct mess *mess = new_mess(test, 4);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		KUNIT_ASSERT_EQ(test, set_limits(cache, ULONG_MAX, limits[i]), 0);
		make_mess(test, mess);
		KUNIT_EXPECT_LE(test, kept_now(w), (u64)limits[i]);
	}
}

static long use_and_collect(void *data)
{
	struct fixture *w = data;

	touch_all(w);
	return xpool_collect(w->pool, false);
}

/* Without force: expect what the caller's CPU keeps to go, and nothing of other CPUs. */
static void xgather_test_collect_here(struct kunit *test)
{
	struct fixture *w = with_steady_pool(test, SZ_16M, 0);
	struct xslab_cache *cache;
	unsigned int i;

	for (i = 0; i < 10; i++)
		add_size(test, 24 + i * 461);
	cache = w->caches[3];
	xtest_on_cpus(nr_cpu_ids, use_and_collect, w);
	KUNIT_EXPECT_EQ(test, pool_stats(w->pool).free, pool_stats(w->pool).total);
	KUNIT_EXPECT_EQ(test, kept_now(w), 0ULL);

	touch_all(w);
	KUNIT_EXPECT_GT(test, cache_stats(cache).magazines, 0ULL);
	KUNIT_EXPECT_GT(test, xslab_cache_collect(cache, false), 0UL);
	KUNIT_EXPECT_EQ(test, cache_stats(cache).capacity, 0ULL);
}

/*
 * Requests that cannot fail
 */

struct demand {
	struct fixture		*w;
	struct xslab_cache	*cache;		/* NULL: a page */
	void			*got;
};

static void demand_one(void *data)
{
	struct demand *d = data;
	gfp_t gfp = GFP_KERNEL | __GFP_NOFAIL;
	void *got = d->cache ? xslab_cache_alloc(d->cache, gfp) :
			       xpool_alloc_addr(d->w->pool, 0, gfp);

	WRITE_ONCE(d->got, got);
}

static void demand_by_bulk(void *data)
{
	struct demand *d = data;
	void *got = NULL;

	xslab_cache_alloc_bulk(d->cache, GFP_KERNEL | __GFP_NOFAIL, 1, &got);
	WRITE_ONCE(d->got, got);
}

/* Expect the task to wait, also when it is killed, until @free_one frees what it wants. */
static void check_demand(struct kunit *test, struct demand *d, void (*work)(void *),
			 void **held)
{
	struct job *job = start_job(test, work, d, -1);

	KUNIT_EXPECT_FALSE(test, is_over_in(job, 30));
	send_sig(SIGKILL, job->task, 1);
	KUNIT_EXPECT_FALSE(test, is_over_in(job, 150));
	if (d->cache)
		xtest_give(test, d->cache, held, 1);
	else
		free_blocks(test, 0, held, 1);
	end_job(test, job);
	KUNIT_EXPECT_NOT_NULL(test, d->got);
	*held = d->got;
	d->got = NULL;
}

static void xgather_test_no_fail(struct kunit *test)
{
	struct fixture *w = with_steady_pool(test, SZ_256K, 0);
	void **at = xtest_room(test, 1025, sizeof(*at));
	struct demand *d = xtest_room(test, 1, sizeof(*d));
	struct xslab_cache *cache = add_size(test, 256);
	unsigned long nr;

	*d = (struct demand){ .w = w };
	nr = xtest_take_blocks(w->pool, 0, at, 65, GFP_KERNEL);
	KUNIT_ASSERT_EQ(test, nr, 64UL);
	check_demand(test, d, demand_one, at);
	KUNIT_EXPECT_NULL(test, xpool_alloc_addr(w->pool, 0, GFP_ATOMIC | __GFP_NOFAIL));
	KUNIT_EXPECT_EQ(test, pool_stats(w->pool).errors, 1ULL);
	free_blocks(test, 0, at, nr);

	nr = xtest_take_all(cache, at, 1025, GFP_KERNEL);
	KUNIT_ASSERT_EQ(test, nr, 1024UL);
	d->cache = cache;
	check_demand(test, d, demand_one, at);
	check_demand(test, d, demand_by_bulk, at + 1);
	KUNIT_EXPECT_NULL(test, xslab_cache_alloc(cache, GFP_ATOMIC | __GFP_NOFAIL));
	KUNIT_EXPECT_EQ(test, cache_stats(cache).errors, 1ULL);
	xtest_give(test, cache, at, nr);
}

/* The pool cannot grow, and then it can: expect the wait to end with that. */
static void xgather_test_no_fail_grows(struct kunit *test)
{
	struct fixture *w = with_steady_pool(test, SZ_4M, SZ_8M);
	struct demand *d = xtest_room(test, 1, sizeof(*d));
	void **at = xtest_room(test, 1025, sizeof(*at));
	struct job *job;

	WRITE_ONCE(w->pool->grow->stopped, true);
	KUNIT_ASSERT_EQ(test, xtest_take_blocks(w->pool, 0, at, 1025, GFP_KERNEL), 1024UL);
	*d = (struct demand){ .w = w };
	job = start_job(test, demand_one, d, -1);
	KUNIT_EXPECT_FALSE(test, is_over_in(job, 30));
	WRITE_ONCE(w->pool->grow->stopped, false);
	end_job(test, job);
	KUNIT_EXPECT_NOT_NULL(test, d->got);
	free_blocks(test, 0, &d->got, 1);
	free_blocks(test, 0, at, 1024);
}

/* Where no state of the pool has such a block for the request, expect it not to wait. */
static void xgather_test_no_fail_in_vain(struct kunit *test)
{
	const struct xpool_limits limits = {
		.hard = XPOOL_NO_LIMIT, .cache = XPOOL_NO_LIMIT, .reserve = 1 };
	struct fixture *w = with_steady_pool(test, SZ_4M, 0);
	void *mem = vmalloc(SZ_16M);
	struct xpool_args args = { .name = "xgather-odd", .size = SZ_4M + SZ_2M };
	struct xpool_limits block = limits;
	struct xpool *odd;

	KUNIT_ASSERT_EQ(test, xpool_set_limits(w->pool, &limits), 0);
	KUNIT_EXPECT_NULL(test, xpool_alloc_addr(w->pool, 10, GFP_KERNEL | __GFP_NOFAIL));
	KUNIT_EXPECT_EQ(test, pool_stats(w->pool).errors, 1ULL);

	KUNIT_ASSERT_NOT_NULL(test, mem);
	args.addr = PTR_ALIGN(mem, SZ_4M) + SZ_1M;	/* it has no whole block of 4 MiB */
	odd = xpool_create(&args);
	if (!IS_ERR(odd)) {
		KUNIT_EXPECT_NULL(test, xpool_alloc_addr(odd, 10, GFP_KERNEL | __GFP_NOFAIL));
		KUNIT_EXPECT_EQ(test, pool_stats(odd).errors, 1ULL);
		KUNIT_EXPECT_EQ(test, xpool_destroy(odd), 0);
	}
	KUNIT_EXPECT_FALSE(test, IS_ERR(odd));
	args.size = SZ_8M;	/* it has one, which is the reserve's */
	block.reserve = 1024;
	odd = xpool_create(&args);
	if (!IS_ERR(odd)) {
		KUNIT_EXPECT_EQ(test, xpool_set_limits(odd, &block), 0);
		KUNIT_EXPECT_NULL(test, xpool_alloc_addr(odd, 10, GFP_KERNEL | __GFP_NOFAIL));
		KUNIT_EXPECT_EQ(test, pool_stats(odd).errors, 1ULL);
		KUNIT_EXPECT_EQ(test, xpool_destroy(odd), 0);
	}
	KUNIT_EXPECT_FALSE(test, IS_ERR(odd));
	vfree(mem);
}

/* A page is wanted and an object is freed, by another cache: expect the wait to end. */
static void xgather_test_no_fail_of_others(struct kunit *test)
{
	struct fixture *w = with_steady_pool(test, SZ_256K, 0);
	void **at = xtest_room(test, 1025, sizeof(*at));
	struct demand *d = xtest_room(test, 1, sizeof(*d));
	struct xslab_cache *cache = add_size(test, 256);
	unsigned long nr = xtest_take_all(cache, at, 1025, GFP_KERNEL);
	struct job *job;

	*d = (struct demand){ .w = w };
	job = start_job(test, demand_one, d, -1);
	KUNIT_EXPECT_FALSE(test, is_over_in(job, 30));
	xtest_give(test, cache, at, nr);
	end_job(test, job);
	KUNIT_EXPECT_NOT_NULL(test, d->got);
	free_blocks(test, 0, &d->got, 1);
}

/*
 * Collections at the same time
 */

struct collecting {
	struct fixture	*w;
	atomic_t	ready;
	atomic_long_t	pages;
	unsigned int	of;
};

static void collect_together(void *data)
{
	struct collecting *c = data;

	atomic_inc(&c->ready);
	while (atomic_read(&c->ready) < c->of)
		usleep_range(50, 100);
	atomic_long_add(xpool_collect(c->w->pool, true), &c->pages);
}

/* Expect those that collect at the same time to say, together, what went. */
static void xgather_test_collects(struct kunit *test)
{
	struct collecting *c = xtest_room(test, 1, sizeof(*c));
	struct fixture *w = with_steady_pool(test, SZ_4M, 0);
	struct job *jobs[4];
	struct mess *mess;
	unsigned int i, turn;
	u64 used;

	for (i = 0; i < 10; i++)
		add_size(test, 24 + i * 161);
	mess = new_mess(test, 4);
	for (turn = 0; turn < 6; turn++) {
		make_mess(test, mess);
		used = pool_stats(w->pool).total - pool_stats(w->pool).free;
		KUNIT_EXPECT_GT(test, used, 0ULL);
		*c = (struct collecting){ .w = w, .of = 2 + turn % 3 };
		for (i = 0; i < c->of; i++)
			jobs[i] = start_job(test, collect_together, c, -1);
		for (i = 0; i < c->of; i++)
			end_job(test, jobs[i]);
		KUNIT_EXPECT_EQ(test, (u64)atomic_long_read(&c->pages), used);
		KUNIT_EXPECT_EQ(test, pool_stats(w->pool).free, pool_stats(w->pool).total);
	}
}

/*
 * Others that hold next to nothing
 */

/* The hands take one object of each cache in turn, and give it back. */
static int use_each(void *data)
{
	struct hand *hand = data;
	struct fixture *w = hand->what;

	while (!kthread_should_stop()) {
		struct xslab_cache *cache = w->caches[1 + hand->done++ % (w->nr_caches - 1)];
		void *obj = xslab_cache_alloc(cache, GFP_ATOMIC);

		if (obj)
			xslab_cache_free(cache, obj);
		if (!(hand->done & 7))
			cond_resched();
	}
	return 0;
}

static unsigned long take_pages(struct fixture *w, void **at, unsigned long nr)
{
	unsigned long got = xtest_take_blocks(w->pool, 0, at, nr, GFP_KERNEL), i;

	for (i = 0; i < got; i++)
		xpool_free_addr(w->pool, at[i], 0);
	return got;
}

static unsigned long take_objects(struct fixture *w, void **at, unsigned long nr)
{
	unsigned long got = 0;

	while (got < nr && (at[got] = xslab_cache_alloc(w->caches[0], GFP_KERNEL)))
		got++;
	xslab_cache_free_bulk(w->caches[0], got, at);
	return got;
}

static unsigned long take_bulk(struct fixture *w, void **at, unsigned long nr)
{
	unsigned long got = xslab_cache_alloc_bulk(w->caches[0], GFP_KERNEL, nr, at);

	xslab_cache_free_bulk(w->caches[0], got, at);
	return got;
}

static unsigned long keep_ready(struct fixture *w, void **at, unsigned long nr)
{
	int err = xslab_cache_prefill(w->caches[0], nr);

	return xslab_cache_prefill(w->caches[0], 0) || err ? 0 : nr;
}

/* The pool may have no more than what is left of it beside @nr pages. */
static unsigned long limit_rest(struct fixture *w, void **at, unsigned long nr)
{
	struct xpool_limits limits = { SZ_1M / PAGE_SIZE - nr, XPOOL_NO_LIMIT };
	const struct xpool_limits none = { XPOOL_NO_LIMIT, XPOOL_NO_LIMIT };
	int err = xpool_set_limits(w->pool, &limits);

	return xpool_set_limits(w->pool, &none) || err ? 0 : nr;
}

/*
 * Three tasks use all caches all the time, and hold one object each: expect another to have
 * all but that, in whatever way it asks, each time.
 */
static void xgather_test_in_use(struct kunit *test)
{
	struct fixture *w = with_steady_pool(test, SZ_1M, 0);
	const unsigned long nr = SZ_1M / PAGE_SIZE;
	void **at = xtest_room(test, nr, sizeof(*at));
	struct crew crew = {};
	unsigned int i, round, order;
	unsigned long (*ways[])(struct fixture *w, void **at, unsigned long nr) = {
		take_pages, limit_rest, take_objects, take_bulk, keep_ready };
	unsigned long most[ARRAY_SIZE(ways)];

	order = cache_stats(add_size(test, PAGE_SIZE)).slab_order;
	for (i = 0; i < 16; i++)
		add_size(test, 200);
	most[0] = nr - 3;
	most[1] = nr - 3;
	for (i = 2; i < ARRAY_SIZE(ways); i++)
		most[i] = nr - (3 << order);	/* each may lie in a slab's place */
	for (i = 0; i < 3; i++)
		hire(test, &crew, use_each, w, true);
	for (round = 0; round < 12; round++)
		for (i = 0; i < ARRAY_SIZE(ways); i++)
			KUNIT_EXPECT_EQ_MSG(test, ways[i](w, at, most[i]), most[i], "way %u", i);
	dismiss(test, &crew);
}

/* Many with __GFP_NOFAIL, which cannot wait: expect one error and one failure. */
static void xgather_test_no_fail_bulk_atomic(struct kunit *test)
{
	struct fixture *w = with_steady_pool(test, SZ_64K, 0);
	struct xslab_cache *cache = add_size(test, PAGE_SIZE);
	void *at[SZ_64K / PAGE_SIZE + 1];
	struct xslab_stats s;

	KUNIT_EXPECT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_ATOMIC | __GFP_NOFAIL,
						     ARRAY_SIZE(at), at), 0);
	s = cache_stats(cache);
	KUNIT_EXPECT_EQ(test, s.errors, 1ULL);
	KUNIT_EXPECT_EQ(test, s.failures, 1ULL);
	KUNIT_EXPECT_EQ(test, xpool_validate(w->pool), 0);
}

/*
 * A request that has taken ends while another, which came after its gathering began, waits
 * for the next one: expect magazines to be open until that begins.
 */
static void xgather_test_open_between(struct kunit *test)
{
	struct fixture *w = with_steady_pool(test, SZ_1M, 0);
	struct xslab_cache *cache = add_size(test, 200);
	struct asking *asking = xtest_room(test, 1, sizeof(*asking));
	struct xgathering g;
	struct job *job;
	void *page;

	asking->w = w;
	xpool_gather_begin(&g, w->pool);
	KUNIT_EXPECT_EQ(test, READ_ONCE(cache->mag.nr_shut), 1U);
	page = xpool_alloc_addr(w->pool, 0, GFP_NOWAIT);
	KUNIT_EXPECT_NOT_NULL(test, page);
	asking->order = XBUDDY_MAX_ORDER;
	mutex_lock(&w->pool->gather.mutex);
	job = start_job(test, ask, asking, -1);
	expect_soon(test, READ_ONCE(w->pool->gather.nr_users[!(g.begun & 1)]));
	xpool_gather_end(&g);
	KUNIT_EXPECT_EQ(test, READ_ONCE(cache->mag.nr_shut), 0U);
	mutex_unlock(&w->pool->gather.mutex);
	end_job(test, job);
	KUNIT_EXPECT_EQ(test, READ_ONCE(cache->mag.nr_shut), 0U);
	KUNIT_EXPECT_EQ(test, atomic_read(&asking->had), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(w->pool, page, 0), 0);
}

static void gather_again(void *data)
{
	struct xgathering g;

	xpool_gather_begin(&g, data);
	xpool_gather_end(&g);
}

/*
 * A request that came later gathers next: expect it to wait until those have taken that share
 * the gathering before, for which the magazines stay shut.
 */
static void xgather_test_waits_for_takers(struct kunit *test)
{
	struct fixture *w = with_steady_pool(test, SZ_1M, 0);
	struct xslab_cache *cache = add_size(test, 200);
	struct xgathering g;
	struct job *job;

	xpool_gather_begin(&g, w->pool);
	job = start_job(test, gather_again, w->pool, -1);
	expect_soon(test, READ_ONCE(w->pool->gather.nr_users[!(g.begun & 1)]));
	KUNIT_EXPECT_FALSE(test, is_over_in(job, 100));
	KUNIT_EXPECT_EQ(test, READ_ONCE(cache->mag.nr_shut), 1U);
	xpool_gather_end(&g);
	end_job(test, job);
	KUNIT_EXPECT_EQ(test, READ_ONCE(cache->mag.nr_shut), 0U);
}

struct many {
	struct fixture	*w;
	unsigned int	nr;
	int		got;
	struct page	*pages[SZ_1M / PAGE_SIZE + 1];
	void		*objs[SZ_1M / PAGE_SIZE + 1];
};

static void take_many_objects(void *data)
{
	struct many *many = data;

	many->got = xslab_cache_alloc_bulk(many->w->caches[0], GFP_KERNEL | __GFP_NOFAIL,
					   many->nr, many->objs);
	xslab_cache_free_bulk(many->w->caches[0], many->got, many->objs);
}

static void take_many_pages(void *data)
{
	struct many *many = data;

	many->got = xpool_alloc_pages_bulk(many->w->pool, GFP_KERNEL | __GFP_NOFAIL, many->nr,
					   many->pages);
	xpool_free_pages_bulk(many->w->pool, many->got, many->pages);
}

/*
 * Two requests at once for more than half of all with __GFP_NOFAIL: expect none to hold what
 * the other waits for. And expect one for more than there ever is to be an error.
 */
static void xgather_test_no_fail_bulk(struct kunit *test)
{
	struct fixture *w = with_steady_pool(test, SZ_1M, 0);
	const unsigned int most = SZ_1M / PAGE_SIZE;
	struct many *many = xtest_room(test, 2, sizeof(*many));
	void (*ways[])(void *data) = { take_many_objects, take_many_pages };
	void **at = xtest_room(test, most, sizeof(*at));
	struct job *jobs[2];
	unsigned int i, way, nr;

	add_size(test, PAGE_SIZE);
	for (way = 0; way < ARRAY_SIZE(ways); way++) {
		nr = xtest_take_blocks(w->pool, 0, at, most / 2, GFP_KERNEL);
		for (i = 0; i < 2; i++) {
			many[i].w = w;
			many[i].nr = most * 2 / 3;
			jobs[i] = start_job(test, ways[way], &many[i], -1);
		}
		KUNIT_EXPECT_FALSE(test, is_over_in(jobs[0], 100));
		while (nr)
			xpool_free_addr(w->pool, at[--nr], 0);
		for (i = 0; i < 2; i++) {
			end_job(test, jobs[i]);
			KUNIT_EXPECT_EQ(test, many[i].got, (int)many[i].nr);
		}
		many[0].nr = most + 1;
		run_job(test, ways[way], &many[0]);
		KUNIT_EXPECT_EQ(test, many[0].got, 0);
	}
	KUNIT_EXPECT_EQ(test, cache_stats(w->caches[0]).errors, 1ULL);
	KUNIT_EXPECT_EQ(test, pool_stats(w->pool).errors, 1ULL);
}

struct trying {
	struct fixture	*w;
	bool		stop;
	int		got;
	void		**objs;
};

/* For one more than there are, again and again. */
static void take_in_vain(void *data)
{
	struct trying *t = data;

	while (!READ_ONCE(t->stop))
		t->got += xslab_cache_alloc_bulk(t->w->caches[0], GFP_KERNEL,
						 SZ_1M / PAGE_SIZE + 1, t->objs);
}

/* Expect a request for one to have it while another takes all there are and gives them back. */
static void xgather_test_beside_bulk(struct kunit *test)
{
	struct fixture *w = with_steady_pool(test, SZ_1M, 0);
	struct trying *t = xtest_room(test, 1, sizeof(*t));
	struct xslab_cache *cache = add_size(test, PAGE_SIZE);
	unsigned int i, failed = 0;
	struct job *job;

	*t = (struct trying){ .w = w };
	t->objs = xtest_room(test, SZ_1M / PAGE_SIZE + 1, sizeof(*t->objs));
	job = start_job(test, take_in_vain, t, other_cpu());
	for (i = 0; i < 300; i++) {
		void *obj = xslab_cache_alloc(cache, GFP_KERNEL);

		failed += !obj;
		xslab_cache_free(cache, obj);
		cond_resched();
	}
	WRITE_ONCE(t->stop, true);
	end_job(test, job);
	KUNIT_EXPECT_EQ(test, failed, 0U);
	KUNIT_EXPECT_EQ(test, t->got, 0);
}

/* A cache comes while a request gathers: expect it to keep nothing until that ends. */
static void xgather_test_new_cache(struct kunit *test)
{
	struct fixture *w = with_steady_pool(test, SZ_1M, 0);
	struct xslab_cache *cache;
	struct xgathering g;

	xpool_gather_begin(&g, w->pool);
	cache = add_size(test, 200);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, xslab_cache_alloc(cache, GFP_NOWAIT)), 0);
	KUNIT_EXPECT_EQ(test, pool_stats(w->pool).free, pool_stats(w->pool).total);
	xpool_gather_end(&g);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, xslab_cache_alloc(cache, GFP_NOWAIT)), 0);
	KUNIT_EXPECT_GT(test, cache_stats(cache).magazines, 0ULL);
}

static struct {
	bool	begun;
	bool	asked;	/* another task wants an object, too */
} slow_ctor;

/* The first one of all takes long. */
static void construct_slowly(void *obj)
{
	if (READ_ONCE(slow_ctor.begun))
		return;
	WRITE_ONCE(slow_ctor.begun, true);
	while (!READ_ONCE(slow_ctor.asked))
		mdelay(1);
	mdelay(200);
}

static void take_and_free(void *data)
{
	xslab_cache_free(data, xslab_cache_alloc(data, GFP_NOWAIT));
}

/*
 * Another CPU constructs the only slab that a cache may have, for one object: expect a
 * request to wait for the others.
 */
static void xgather_test_new_slab(struct kunit *test)
{
	struct xslab_cache *cache;
	struct job *job;
	void *obj;

	if (num_online_cpus() < 2)
		kunit_skip(test, "one CPU");
	with_steady_pool(test, SZ_1M, 0);
	cache = add_cache(test, &(struct xslab_args){
		.name = "test", .size = 200, .ctor = construct_slowly });
	KUNIT_ASSERT_EQ(test, set_limits(cache, pages_per_slab(cache), ULONG_MAX), 0);
	slow_ctor.begun = false;
	slow_ctor.asked = false;
	job = start_job(test, take_and_free, cache, other_cpu());
	expect_soon(test, READ_ONCE(slow_ctor.begun));
	WRITE_ONCE(slow_ctor.asked, true);
	obj = xslab_cache_alloc(cache, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, obj);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, obj), 0);
	end_job(test, job);
}

/*
 * Limits that are set while others allocate and free
 */

struct churn {
	struct xpool	*pool;
	bool		stop;
	atomic_t	turns;
};

static void take_and_give(void *data)
{
	struct churn *c = data;

	while (!READ_ONCE(c->stop)) {
		xpool_free_addr(c->pool, xpool_alloc_addr(c->pool, 0, GFP_NOWAIT), 0);
		if (!(atomic_inc_return(&c->turns) % 16))
			usleep_range(1, 20);
	}
}

/*
 * What clients hold leaves room for the limits, what magazines keep as well does not: expect
 * none to be refused while clients free and their magazines fill again.
 */
static void xgather_test_limits_meanwhile(struct kunit *test)
{
	struct fixture *w = with_steady_pool(test, SZ_64M, 0);
	struct churn *c = xtest_room(test, 1, sizeof(*c));
	struct job *jobs[2];
	const unsigned long held = ARRAY_SIZE(jobs), half = SZ_32M / PAGE_SIZE;
	const struct xpool_limits hard = { .hard = held, .cache = XPOOL_NO_LIMIT };
	const struct xpool_limits reserve = { .hard = half + held, .cache = XPOOL_NO_LIMIT,
					      .reserve = half };
	const struct xpool_limits none = { XPOOL_NO_LIMIT, XPOOL_NO_LIMIT };
	unsigned int i, refused = 0;
	int turns;
	u64 kept = 0;

	c->pool = w->pool;
	for (i = 0; i < ARRAY_SIZE(jobs); i++)
		jobs[i] = start_job(test, take_and_give, c, -1);
	for (i = 0; i < 12; i++) {
		turns = atomic_read(&c->turns);
		expect_soon(test, atomic_read(&c->turns) - turns > 10);
		kept = max(kept, pool_stats(w->pool).magazines);
		refused += xpool_set_limits(w->pool, i & 1 ? &hard : &reserve) != 0;
		KUNIT_EXPECT_EQ(test, xpool_set_limits(w->pool, &none), 0);
	}
	WRITE_ONCE(c->stop, true);
	for (i = 0; i < ARRAY_SIZE(jobs); i++)
		end_job(test, jobs[i]);
	KUNIT_EXPECT_EQ(test, refused, 0U);
	KUNIT_EXPECT_GT(test, kept, (u64)held);
}

static struct kunit_case xgather_test_cases[] = {
	KUNIT_CASE_PARAM(xgather_test_everything, shapes_gen_params),
	KUNIT_CASE(xgather_test_other_sizes),
	KUNIT_CASE(xgather_test_ring),
	KUNIT_CASE(xgather_test_atomic),
	KUNIT_CASE(xgather_test_shared),
	KUNIT_CASE(xgather_test_wait),
	KUNIT_CASE(xgather_test_an_eighth),
	KUNIT_CASE(xgather_test_cached),
	KUNIT_CASE(xgather_test_cache_limit),
	KUNIT_CASE(xgather_test_collect_here),
	KUNIT_CASE(xgather_test_no_fail),
	KUNIT_CASE(xgather_test_no_fail_grows),
	KUNIT_CASE(xgather_test_no_fail_in_vain),
	KUNIT_CASE(xgather_test_no_fail_of_others),
	KUNIT_CASE(xgather_test_collects),
	KUNIT_CASE(xgather_test_in_use),
	KUNIT_CASE(xgather_test_no_fail_bulk_atomic),
	KUNIT_CASE(xgather_test_open_between),
	KUNIT_CASE(xgather_test_waits_for_takers),
	KUNIT_CASE(xgather_test_no_fail_bulk),
	KUNIT_CASE(xgather_test_beside_bulk),
	KUNIT_CASE(xgather_test_new_cache),
	KUNIT_CASE(xgather_test_new_slab),
	KUNIT_CASE(xgather_test_limits_meanwhile),
	{}
};

static struct kunit_suite xgather_test_suite = {
	.name = "xgather",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = xgather_test_cases,
};

kunit_test_suite(xgather_test_suite);

MODULE_DESCRIPTION("Tests that what no client holds, every client can have");
MODULE_LICENSE("GPL");
