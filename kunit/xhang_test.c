// SPDX-License-Identifier: GPL-2.0
/*
 * Tests that no call hangs: each call that might is made by a task with a time limit.
 *
 * The situations are those in which a loop had nothing that ends it, a lock was held
 * while a client's code ran, or one call undid what another had just promised.
 */
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sched/mm.h>

#include "xjob.h"

#define SCATTERED	64U
#define RUN_MS		300

/* A cache with 64 objects of a page, of which one of 8 stays in each slab. */
static struct xslab_cache *scattered(struct kunit *test, const char *name, xslab_flags_t flags,
				     void **live)
{
	struct xslab_cache *cache = add_cache(test, &(struct xslab_args){
		.name = name, .size = 4096, .flags = flags });
	void **objs = xtest_room(test, SCATTERED, sizeof(*objs));
	unsigned int i;

	KUNIT_ASSERT_EQ(test, cache_stats(cache).objects_per_slab, 8ULL);
	xtest_take(test, cache, objs, SCATTERED, GFP_KERNEL);
	for (i = 0; i < SCATTERED; i++)
		if (i % 8)
			xtest_give(test, cache, objs + i, 1);
		else
			live[i / 8] = objs[i];
	return cache;
}

static void give_scattered(struct kunit *test, struct xslab_cache *cache, void **live)
{
	xtest_give(test, cache, live, SCATTERED / 8);
}

/*
 * Limits and reserves
 */

struct setting {
	struct xslab_cache	*cache;
	struct xpool		*pool;
	int			err;
};

static void set_no_limit(void *data)
{
	struct setting *s = data;

	s->err = set_limits(s->cache, ULONG_MAX, ULONG_MAX);
}

static void set_limit_zero(void *data)
{
	struct setting *s = data;

	s->err = set_limits(s->cache, ULONG_MAX, 0);
}

static void prefill_none(void *data)
{
	struct setting *s = data;

	s->err = xslab_cache_prefill(s->cache, 0);
}

static void prefill_some(void *data)
{
	struct setting *s = data;

	s->err = xslab_cache_prefill(s->cache, 20) ?: xslab_cache_prefill(s->cache, 0);
}

static void set_pool_limit(void *data)
{
	struct setting *s = data;

	s->err = xpool_set_limits(s->pool, &(struct xpool_limits){ XPOOL_NO_LIMIT, 0, 0 }) ?:
		 xpool_set_limits(s->pool, &(struct xpool_limits){ XPOOL_NO_LIMIT, 1, 0 });
}

static void set_decays(void *data)
{
	struct setting *s = data;

	s->err = xslab_cache_set_decay(s->cache, 10) ?: xpool_set_decay(s->pool, 0) ?:
		 xslab_cache_set_decay(s->cache, 0);
}

static void collect_all(void *data)
{
	struct setting *s = data;

	xslab_cache_collect(s->cache, true);
	xpool_collect(s->pool, true);
	xslab_cache_tear(s->cache);
}

static void (*const settings[])(void *data) = {
	set_no_limit, prefill_none, prefill_some, set_limit_zero, set_pool_limit, set_decays,
	collect_all,
};

/* Free objects lie in partial slabs only. Expect each call that sets a limit to return. */
static void check_settings(struct kunit *test, struct xslab_cache *cache)
{
	struct setting *s = xtest_room(test, 1, sizeof(*s));
	struct fixture *w = test->priv;
	unsigned int i;

	s->cache = cache;
	s->pool = w->pool;
	for (i = 0; i < ARRAY_SIZE(settings); i++) {
		run_job(test, settings[i], s);
		KUNIT_EXPECT_EQ(test, s->err, 0);
	}
}

static void xhang_test_decay_zero(struct kunit *test)
{
	struct fixture *w = with_steady_pool(test, SZ_8M, 0);
	void *live[SCATTERED / 8];
	struct xslab_cache *cache;

	cache = scattered(test, "spin", 0, live);
	KUNIT_ASSERT_EQ(test, xslab_cache_set_decay(cache, 0), 0);
	check_settings(test, cache);
	KUNIT_ASSERT_EQ(test, xpool_set_decay(w->pool, 0), 0);
	check_settings(test, cache);
	give_scattered(test, cache, live);
}

/* Another cache's reserve is more than the pool may keep. */
static void xhang_test_over_limit(struct kunit *test)
{
	struct fixture *w = with_steady_pool(test, SZ_8M, 0);
	struct xslab_cache *cache, *reserve;
	void *live[SCATTERED / 8];

	cache = scattered(test, "spin", 0, live);
	reserve = add_size(test, 4096);
	xslab_cache_collect(cache, true);
	KUNIT_ASSERT_EQ(test, xslab_cache_prefill(reserve, 100), 0);
	KUNIT_ASSERT_EQ(test, xpool_set_limits(w->pool, &(struct xpool_limits){
		XPOOL_NO_LIMIT, 1, 0 }), 0);
	check_settings(test, cache);
	KUNIT_EXPECT_GE(test, cache_stats(reserve).slab_free, 100ULL);
	give_scattered(test, cache, live);
	KUNIT_EXPECT_EQ(test, xslab_cache_prefill(reserve, 0), 0);
}

struct filling {
	struct xslab_cache	*cache;
	unsigned int		nr;
	bool			stop;
	unsigned long		fails, done;
};

static void fill_often(void *data)
{
	struct filling *f = data;

	while (!READ_ONCE(f->stop)) {
		f->fails += xslab_cache_prefill(f->cache, f->nr) != 0;
		WRITE_ONCE(f->done, f->done + 1);
		usleep_range(10, 50);
	}
}

/*
 * Two tasks ask for reserves of one cache, of which one is more than there can be: expect
 * both to return, the promise that was made to be kept, and to be kept to the end.
 */
static void check_two_fills(struct kunit *test, unsigned int other, bool fits)
{
	struct fixture *w = with_steady_pool(test, SZ_8M, 0);
	struct filling *f = xtest_room(test, 1, sizeof(*f));
	struct xslab_cache *cache = add_size(test, 4096);
	void **all = xtest_room(test, 2048, sizeof(*all));
	void **objs = xtest_room(test, 100, sizeof(*objs));
	ktime_t end = ktime_add_ms(ktime_get(), RUN_MS);
	unsigned int rounds = 0, nr;
	struct job *job;

	KUNIT_ASSERT_EQ(test, xpool_set_limits(w->pool, &(struct xpool_limits){
		1024, XPOOL_NO_LIMIT, 0 }), 0);
	*f = (struct filling){ .cache = cache, .nr = other };
	job = start_job(test, fill_often, f, other_cpu());
	while (ktime_before(ktime_get(), end) || !READ_ONCE(f->done)) {
		KUNIT_EXPECT_EQ(test, xslab_cache_prefill(cache, 100), 0);
		usleep_range(50, 300);
		KUNIT_EXPECT_GE(test, cache_stats(cache).reserved, 100ULL);
		rounds++;
	}
	WRITE_ONCE(f->stop, true);
	end_job(test, job);
	KUNIT_EXPECT_EQ(test, f->fails, fits ? 0 : f->done);
	xslab_cache_collect(cache, true);
	nr = xtest_take_blocks(w->pool, 0, all, 2048, GFP_ATOMIC);
	xtest_take(test, cache, objs, 100, GFP_ATOMIC);
	xtest_give(test, cache, objs, 100);
	while (nr)
		xpool_free_addr(w->pool, all[--nr], 0);
	kunit_info(test, "%u and %lu calls\n", rounds, f->done);
	KUNIT_EXPECT_EQ(test, xslab_cache_prefill(cache, 0), 0);
	end_fixture(test);
}

static void xhang_test_two_prefills(struct kunit *test)
{
	check_two_fills(test, 1400, false);
	check_two_fills(test, 300, true);
}

struct tearing {
	struct xslab_cache	*cache;
	bool			stop;
};

static void tear_often(void *data)
{
	struct tearing *t = data;

	while (!READ_ONCE(t->stop)) {
		xslab_cache_tear(t->cache);
		usleep_range(1, 20);
	}
}

/* Slabs are torn and mended while their objects are freed: expect no free to be refused. */
static void check_torn_frees(struct kunit *test, size_t size, xslab_flags_t flags)
{
	struct tearing *t = xtest_room(test, 1, sizeof(*t));
	ktime_t end = ktime_add_ms(ktime_get(), RUN_MS);
	unsigned long rounds = 0, refused = 0;
	struct job *job;
	unsigned int i;
	void *objs[8];

	with_steady_pool(test, SZ_8M, 0);
	t->cache = add_cache(test, &(struct xslab_args){
		.name = "torn", .size = size, .flags = flags });
	job = start_job(test, tear_often, t, other_cpu());
	while (ktime_before(ktime_get(), end)) {
		xtest_take(test, t->cache, objs, 8, GFP_KERNEL);
		for (i = 8; i--;)
			refused += (i % 2 ? xslab_free(objs[i]) :
					    xslab_cache_free(t->cache, objs[i])) != 0;
		if (!(++rounds % 16))
			usleep_range(1, 10);
	}
	WRITE_ONCE(t->stop, true);
	end_job(test, job);
	KUNIT_EXPECT_EQ(test, refused, 0UL);
	KUNIT_EXPECT_EQ(test, cache_stats(t->cache).live, 0ULL);
	KUNIT_EXPECT_EQ(test, xslab_validate(t->cache), 0);
	end_fixture(test);
	kunit_info(test, "%zu bytes: %lu rounds\n", size, rounds);
}

static void xhang_test_torn_frees(struct kunit *test)
{
	check_torn_frees(test, 4096, 0);
	check_torn_frees(test, 2000, XSLAB_NO_CHECKS);
	check_torn_frees(test, 700, 0);
}

/*
 * Calls from a move callback
 */

struct caller {
	struct fixture		*w;
	struct xslab_cache	*cache, *other;
	unsigned int		calls;
	int			wrong;		/* a call that did not return what it should */
	bool			through_pool;
};

#define CALLS	2U	/* in which the callback calls everything */

static int make_and_destroy(struct caller *c)
{
	struct xpool_args own = { .name = "xhang-inner", .size = SZ_64K };
	struct xslab_args args = { .name = "inner", .size = 64 };
	struct xslab_cache *cache = xslab_cache_create_in(c->w->pool, &args);
	struct xpool *pool = xpool_create(&own);
	int err = IS_ERR(cache) || IS_ERR(pool);

	if (!IS_ERR(pool)) {
		struct xslab_cache *in_it = xslab_cache_create_in(pool, &args);

		xslab_cache_free(in_it, xslab_cache_alloc(in_it, GFP_KERNEL));
		err |= xslab_cache_destroy(in_it) | xpool_destroy(pool);
	}
	return err | xslab_cache_destroy(cache);
}

static int collect_everything(struct caller *c)
{
	xpool_collect(c->w->pool, false);
	xpool_collect(c->w->pool, true);
	xslab_cache_collect(c->cache, false);
	xslab_cache_collect(c->cache, true);
	xslab_cache_collect(c->other, true);
	xslab_cache_tear(c->cache);
	xslab_cache_shrink(c->other);
	return 0;
}

static int set_everything(struct caller *c)
{
	struct xslab_limits limits;
	struct xpool_limits pool;
	int err = 0;

	xslab_cache_get_limits(c->cache, &limits);
	xpool_get_limits(c->w->pool, &pool);
	err |= xslab_cache_set_limits(c->cache, &limits);
	err |= xpool_set_limits(c->w->pool, &(struct xpool_limits){ XPOOL_NO_LIMIT, 5, 0 });
	err |= xpool_set_limits(c->w->pool, &pool);
	err |= xslab_cache_set_decay(c->cache, xslab_cache_get_decay(c->cache));
	err |= xpool_set_decay(c->w->pool, xpool_get_decay(c->w->pool));
	err |= xslab_cache_prefill(c->other, 10) | xslab_cache_prefill(c->other, 0);
	err |= xslab_cache_prefill(c->cache, 0);
	err |= cache_stats(c->cache).live == 0;
	err |= pool_stats(c->w->pool).total == 0;
	return err;
}

static int use_everything(struct caller *c)
{
	void *obj = xslab_cache_alloc(c->cache, GFP_KERNEL), *objs[4], *page;
	struct page *pages[4];
	int err = !obj || xslab_cache_free(c->cache, obj);

	err |= xslab_cache_alloc_bulk(c->cache, GFP_KERNEL, 4, objs) != 4;
	xslab_cache_free_bulk(c->cache, 4, objs);
	page = xpool_alloc_addr(c->w->pool, 3, GFP_KERNEL);
	err |= !page || xpool_free_addr(c->w->pool, page, 3);
	err |= xpool_alloc_pages_bulk(c->w->pool, GFP_KERNEL, 4, pages) != 4;
	xpool_free_pages_bulk(c->w->pool, 4, pages);
	return err;
}

/* What would wait for this callback itself. */
static int be_refused(struct caller *c)
{
	return xslab_cache_destroy(c->cache) != -EDEADLK ||
	       xslab_cache_set_move(c->cache, NULL, NULL) != -EDEADLK;
}

static enum xslab_move call_everything(void *arg, void *old, void *new, size_t size)
{
	static int (*const calls[])(struct caller *c) = {
		make_and_destroy, collect_everything, set_everything, use_everything, be_refused,
	};
	struct caller *c = arg;
	unsigned int i;

	for (i = 0; c->calls < CALLS && i < ARRAY_SIZE(calls); i++)
		if (calls[i](c))
			c->wrong |= BIT(i);
	c->calls++;
	return XSLAB_KEPT;
}

static void collect_for(void *data)
{
	struct caller *c = data;

	if (c->through_pool)
		xpool_collect(c->w->pool, true);
	else
		xslab_cache_collect(c->cache, true);
}

static void limit_for(void *data)
{
	struct caller *c = data;
	struct xpool_limits limits = { .hard = 9, .cache = XPOOL_NO_LIMIT };

	xpool_set_limits(c->w->pool, &limits);	/* it is refused, after all was tried */
}

static void check_callback(struct kunit *test, void (*work)(void *data), bool through_pool)
{
	struct caller *c = xtest_room(test, 1, sizeof(*c));
	void *live[SCATTERED / 8];

	*c = (struct caller){
		.w = with_steady_pool(test, SZ_8M, 0), .through_pool = through_pool };
	c->other = add_size(test, 300);
	c->cache = scattered(test, "mover", 0, live);
	KUNIT_ASSERT_EQ(test, xslab_cache_set_move(c->cache, call_everything, c), 0);
	run_job(test, work, c);
	KUNIT_EXPECT_GT(test, c->calls, 0U);
	KUNIT_EXPECT_EQ_MSG(test, c->wrong, 0, "bits say which call");
	KUNIT_EXPECT_EQ(test, xslab_cache_set_move(c->cache, NULL, NULL), 0);
	KUNIT_EXPECT_EQ(test, xslab_validate(c->cache), 0);
	give_scattered(test, c->cache, live);
	end_fixture(test);
}

/* Expect a callback to be able to call everything that does not wait for itself. */
static void xhang_test_callback(struct kunit *test)
{
	check_callback(test, collect_for, false);
	check_callback(test, collect_for, true);
	check_callback(test, limit_for, false);
}

struct pair {
	struct xslab_cache	*mine, *others;
	struct fixture		*w;
	atomic_t		calls, nested;
	struct task_struct	*task;	/* that is in the callback */
};

static enum xslab_move meddle(void *arg, void *old, void *new, size_t size)
{
	struct pair *p = arg, *other = p + (p->mine < p->others ? 1 : -1);

	if (READ_ONCE(other->task) == current)
		atomic_inc(&p->nested);
	WRITE_ONCE(p->task, current);
	if (atomic_inc_return(&p->calls) < 20) {
		xslab_cache_collect(p->others, true);
		xslab_cache_set_move(p->others, meddle, other);
		xpool_collect(p->w->pool, true);
		xslab_cache_destroy(NULL);
	}
	WRITE_ONCE(p->task, NULL);
	return XSLAB_KEPT;
}

static void collect_mine(void *data)
{
	struct pair *p = data;
	unsigned int i;

	for (i = 0; i < 5; i++)
		xslab_cache_collect(p->mine, true);
}

/*
 * Two caches whose callbacks act on one another, at the same time: expect both to return, and
 * none to be called from the other.
 */
static void xhang_test_two_callbacks(struct kunit *test)
{
	struct pair *pairs = xtest_room(test, 2, sizeof(*pairs));
	struct xslab_cache *caches[2];
	void *live[2][SCATTERED / 8];
	struct job *jobs[2];
	unsigned int i;

	with_steady_pool(test, SZ_8M, 0);
	for (i = 0; i < 2; i++)
		caches[i] = scattered(test, "mover", 0, live[i]);
	if (caches[0] > caches[1]) {
		swap(caches[0], caches[1]);
		for (i = 0; i < SCATTERED / 8; i++)
			swap(live[0][i], live[1][i]);
	}
	for (i = 0; i < 2; i++) {
		pairs[i] = (struct pair){ .mine = caches[i], .others = caches[!i],
					  .w = test->priv };
		KUNIT_ASSERT_EQ(test, xslab_cache_set_move(caches[i], meddle, &pairs[i]), 0);
	}
	for (i = 0; i < 2; i++)
		jobs[i] = start_job(test, collect_mine, &pairs[i], -1);
	for (i = 0; i < 2; i++)
		end_job(test, jobs[i]);
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_GT(test, atomic_read(&pairs[i].calls), 0);
		KUNIT_EXPECT_EQ(test, atomic_read(&pairs[i].nested), 0);
		KUNIT_EXPECT_EQ(test, xslab_cache_set_move(caches[i], NULL, NULL), 0);
		give_scattered(test, caches[i], live[i]);
	}
}

/*
 * A lock of the client's
 */

struct locked {
	struct mutex		lock;	/* a client's */
	struct xslab_cache	*cache;
	struct completion	entered;
	bool			in;
	void			*got;
};

static enum xslab_move take_lock(void *arg, void *old, void *new, size_t size)
{
	struct locked *l = arg;

	if (!l->in) {
		WRITE_ONCE(l->in, true);
		complete(&l->entered);
		msleep(100);
	}
	mutex_lock(&l->lock);
	mutex_unlock(&l->lock);
	return XSLAB_KEPT;
}

static void wait_with_lock(void *data)
{
	struct locked *l = data;

	mutex_lock(&l->lock);
	WRITE_ONCE(l->got, xslab_cache_alloc(l->cache, GFP_KERNEL));
	mutex_unlock(&l->lock);
}

static void collect_locked(void *data)
{
	struct locked *l = data;

	xslab_cache_collect(l->cache, true);
}

/*
 * A task waits for an object with a lock held that the move callback takes, while objects
 * are moved: expect it to get one as soon as one is freed.
 */
static void xhang_test_lock_of_client(struct kunit *test)
{
	struct locked *l = xtest_room(test, 1, sizeof(*l));
	struct job *collect, *waiter;
	void **objs = xtest_room(test, 64, sizeof(*objs));
	void **more = xtest_room(test, 64, sizeof(*more));
	unsigned int i, nr;

	mutex_init(&l->lock);
	init_completion(&l->entered);
	with_steady_pool(test, SZ_4M, 0);
	l->cache = add_cache(test, &(struct xslab_args){
		.name = "waits", .size = 4096, .flags = XSLAB_WAIT });
	KUNIT_ASSERT_EQ(test, set_limits(l->cache, 64, ULONG_MAX), 0);
	KUNIT_ASSERT_EQ(test, xslab_cache_set_move(l->cache, take_lock, l), 0);
	xtest_take(test, l->cache, objs, 64, GFP_ATOMIC);
	for (i = 0; i < 64; i += 2)
		xtest_give(test, l->cache, objs + i, 1);
	collect = start_job(test, collect_locked, l, -1);
	KUNIT_ASSERT_NE(test, wait_for_completion_timeout(&l->entered,
							  msecs_to_jiffies(JOB_MS)), 0UL);
	nr = xtest_take_all(l->cache, more, 64, GFP_ATOMIC);
	waiter = start_job(test, wait_with_lock, l, -1);
	msleep(150);
	for (i = 1; i < 64; i += 2)
		xtest_give(test, l->cache, objs + i, 1);
	end_job(test, waiter);
	end_job(test, collect);
	KUNIT_EXPECT_NOT_NULL(test, l->got);
	xtest_give(test, l->cache, &l->got, 1);
	xtest_give(test, l->cache, more, nr);
}

/*
 * While the system reclaims memory
 */

struct reclaim {
	struct fixture		*w;
	struct xslab_cache	*cache;
	bool			stop;
	atomic_t		calls;
	int			wrong;
};

/* What a client's shrinker may do. */
static void shrink_once(struct reclaim *r)
{
	int turn = atomic_inc_return(&r->calls);
	void *obj, *page;

	xpool_collect(r->w->pool, turn & 1);
	xslab_cache_collect(r->cache, turn & 2);
	xslab_cache_shrink(r->cache);
	obj = xslab_cache_alloc(r->cache, GFP_KERNEL);
	r->wrong |= !obj || xslab_cache_free(r->cache, obj);
	page = xpool_alloc_addr(r->w->pool, 0, GFP_KERNEL);
	r->wrong |= !page || xpool_free_addr(r->w->pool, page, 0);
	r->wrong |= xpool_set_limits(r->w->pool, &(struct xpool_limits){
		XPOOL_NO_LIMIT, XPOOL_NO_LIMIT, 0 }) != 0;
	r->wrong |= xslab_cache_prefill(r->cache, turn & 1 ? 5 : 0) != 0;
}

/* Lockdep takes this for reclaim: it reports a lock that is held here and where memory is taken. */
static void shrink_often(void *data)
{
	unsigned int flags = memalloc_noreclaim_save();
	struct reclaim *r = data;

	while (!READ_ONCE(r->stop)) {
		fs_reclaim_acquire(GFP_KERNEL);
		shrink_once(r);
		fs_reclaim_release(GFP_KERNEL);
		usleep_range(10, 100);
	}
	memalloc_noreclaim_restore(flags);
}

/* Pools and caches come and go while a shrinker works: expect both to go on. */
static void xhang_test_shrinker(struct kunit *test)
{
	struct reclaim *r = xtest_room(test, 1, sizeof(*r));
	ktime_t end = ktime_add_ms(ktime_get(), RUN_MS);
	struct job *job;

	*r = (struct reclaim){ .w = with_steady_pool(test, SZ_4M, 0) };
	r->cache = add_size(test, 500);
	job = start_job(test, shrink_often, r, -1);
	while (ktime_before(ktime_get(), end) || atomic_read(&r->calls) < 3) {
		struct xpool *pool = xpool_create(&(struct xpool_args){
			.name = "xhang-more", .size = SZ_1M });
		struct xslab_cache *cache;

		KUNIT_ASSERT_FALSE(test, IS_ERR(pool));
		cache = xslab_cache_create_in(pool, &(struct xslab_args){
			.name = "more", .size = 100 });
		KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
		KUNIT_EXPECT_EQ(test, xpool_destroy(pool), 0);
	}
	WRITE_ONCE(r->stop, true);
	end_job(test, job);
	KUNIT_EXPECT_EQ(test, r->wrong, 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_prefill(r->cache, 0), 0);
}

/*
 * The system's memory, all but a little, which a client gives back a block at a time when
 * the system asks for it
 */

#define HOG_ORDER	8U
#define HOG_MAX		16384U		/* blocks */
#define HOG_LEAVES	(48UL << (20 - PAGE_SHIFT))	/* pages that stay free */
#define HOG_CALLS	100U		/* in which the shrinker calls all it may */
#define HOG_RANGE	(6UL << 30)	/* its metadata are twice as much as stays free */

struct hog {
	struct reclaim	r;
	spinlock_t	lock;		/* of the blocks */
	struct page	**blocks;
	unsigned int	nr;
	unsigned int	scans;
	int		err;
};

static struct page *pop_block(struct hog *hog)
{
	struct page *block = NULL;

	spin_lock(&hog->lock);
	if (hog->nr)
		block = hog->blocks[--hog->nr];
	spin_unlock(&hog->lock);
	return block;
}

static unsigned long hog_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct hog *hog = xcompat_shrinker_data(shrinker);

	return (unsigned long)READ_ONCE(hog->nr) << HOG_ORDER;
}

static unsigned long hog_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct hog *hog = xcompat_shrinker_data(shrinker);
	struct page *block = pop_block(hog);

	if (!block)
		return SHRINK_STOP;
	if (READ_ONCE(hog->scans) < HOG_CALLS)
		shrink_once(&hog->r);
	WRITE_ONCE(hog->scans, hog->scans + 1);
	__free_pages(block, HOG_ORDER);
	return 1UL << HOG_ORDER;
}

static void push_block(struct hog *hog, struct page *block)
{
	spin_lock(&hog->lock);
	hog->blocks[hog->nr++] = block;
	spin_unlock(&hog->lock);
}

/* Each request may have the shrinker give some back. */
static void take_memory(struct hog *hog)
{
	gfp_t gfp = GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN;
	struct page *block;

	while (READ_ONCE(hog->nr) < HOG_MAX &&
	       global_zone_page_state(NR_FREE_PAGES) > HOG_LEAVES &&
	       (block = alloc_pages(gfp, HOG_ORDER)))
		push_block(hog, block);
}

/* A pool over a range that is never touched, so all that it takes is metadata. */
static void create_large(void *data)
{
	struct hog *hog = data;
	struct xpool *pool = xpool_create(&(struct xpool_args){
		.name = "xhang-large", .size = HOG_RANGE, .addr = (void *)0xffffd00000000000UL });

	hog->err = PTR_ERR_OR_ZERO(pool);
	hog->err = hog->err ?: xpool_destroy(pool);
}

/*
 * The system has no memory for a pool's metadata unless a client's shrinker gives some
 * back, which collects, allocates and sets limits: expect the creation to return.
 */
static void xhang_test_reclaim(struct kunit *test)
{
	struct hog *hog = xtest_room(test, 1, sizeof(*hog));
	struct shrinker *shrinker;
	struct page *block;

	spin_lock_init(&hog->lock);
	hog->blocks = xtest_room(test, HOG_MAX, sizeof(*hog->blocks));
	hog->r.w = with_steady_pool(test, SZ_4M, 0);
	hog->r.cache = add_size(test, 500);
	shrinker = xcompat_shrinker_new("xhang", hog, hog_count, hog_scan);
	KUNIT_ASSERT_NOT_NULL(test, shrinker);
	take_memory(hog);
	run_job(test, create_large, hog);
	while ((block = pop_block(hog)))
		__free_pages(block, HOG_ORDER);
	xcompat_shrinker_free(shrinker);
	KUNIT_EXPECT_TRUE(test, !hog->err || hog->err == -ENOMEM);
	KUNIT_EXPECT_EQ(test, hog->r.wrong, 0);
	KUNIT_EXPECT_GT(test, hog->scans, 0U);
	KUNIT_EXPECT_EQ(test, xslab_cache_prefill(hog->r.cache, 0), 0);
	kunit_info(test, "error %d; the shrinker was called %u times\n", hog->err, hog->scans);
}

/* To create and destroy from reclaim might wait for what reclaims: expect a refusal. */
static void xhang_test_from_reclaim(struct kunit *test)
{
	struct fixture *w = with_steady_pool(test, SZ_1M, 0);
	struct xslab_cache *cache = add_size(test, 100);
	unsigned int flags = memalloc_noreclaim_save();
	struct xslab_args args = { .name = "no", .size = 64 };

	KUNIT_EXPECT_EQ(test, PTR_ERR(xslab_cache_create_in(w->pool, &args)), (long)-EDEADLK);
	KUNIT_EXPECT_EQ(test, PTR_ERR(xpool_create(&(struct xpool_args){
		.name = "no", .size = SZ_64K })), (long)-EDEADLK);
	KUNIT_EXPECT_NULL(test, xslab_cache_create("no", 64, 0, 0, NULL));
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), -EDEADLK);
	KUNIT_EXPECT_EQ(test, xpool_destroy(w->pool), -EDEADLK);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(NULL), 0);
	memalloc_noreclaim_restore(flags);
	xslab_cache_free(cache, xslab_cache_alloc(cache, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, cache_stats(cache).allocs, 1ULL);
	KUNIT_EXPECT_EQ(test, w->pool->listing.nr_users, 1U);
}

static struct kunit_case xhang_test_cases[] = {
	KUNIT_CASE(xhang_test_decay_zero),
	KUNIT_CASE(xhang_test_over_limit),
	KUNIT_CASE(xhang_test_two_prefills),
	KUNIT_CASE(xhang_test_torn_frees),
	KUNIT_CASE(xhang_test_callback),
	KUNIT_CASE(xhang_test_two_callbacks),
	KUNIT_CASE(xhang_test_lock_of_client),
	KUNIT_CASE(xhang_test_shrinker),
	KUNIT_CASE(xhang_test_reclaim),
	KUNIT_CASE(xhang_test_from_reclaim),
	{}
};

static struct kunit_suite xhang_test_suite = {
	.name = "xhang",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = xhang_test_cases,
};

kunit_test_suite(xhang_test_suite);

MODULE_DESCRIPTION("Tests that no call of xalloc's hangs");
MODULE_LICENSE("GPL");
