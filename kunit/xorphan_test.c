// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of what a client leaves behind: caches and pools whose destruction was refused.
 *
 * Such a cache calls no function of the client, gives objects to no client, takes frees,
 * and goes by itself with its last object, or when an operator gives it up.
 */
#include <linux/vmalloc.h>

#include "xjob.h"

#define OBJS	600U
#define POOL	SZ_8M

struct orphan {
	struct fixture		*w;
	struct xslab_cache	*cache;
	void			*objs[OBJS];	/* live ones */
	void			*pages[OBJS];
	size_t			nr;
	atomic_t		moves;
	void			(*free)(struct orphan *o, size_t i);
	atomic_t		refused;
	unsigned int		late;		/* us */
};

static atomic_t ctors;

static void construct(void *obj)
{
	atomic_inc(&ctors);
}

static enum xslab_move keep(void *arg, void *old, void *new, size_t size)
{
	struct orphan *o = arg;

	atomic_inc(&o->moves);
	return XSLAB_KEPT;
}

/* Ways of freeing */

static void free_by_cache(struct orphan *o, size_t i)
{
	if (xslab_cache_free(o->cache, o->objs[i]))
		atomic_inc(&o->refused);
}

static void free_by_address(struct orphan *o, size_t i)
{
	if (xslab_free(o->objs[i]))
		atomic_inc(&o->refused);
}

static void free_by_bulk(struct orphan *o, size_t i)
{
	xslab_cache_free_bulk(o->cache, 1, &o->objs[i]);
}

static void free_irqs_off(struct orphan *o, size_t i)
{
	unsigned long flags;

	local_irq_save(flags);
	free_by_cache(o, i);
	local_irq_restore(flags);
}

/* Kinds of orphans */

struct kind {
	const char	*name;
	size_t		size;
	xslab_flags_t	flags;
	size_t		max_size;	/* of a pool that grows */
	size_t		live;		/* objects that are left behind */
	bool		tear;
	void		(*free)(struct orphan *o, size_t i);
};

static const struct kind kinds[] = {
	{ "1 byte, one live", 1, 0, 0, 1, false, free_by_cache },
	{ "24 bytes", 24, 0, 0, 50, false, free_by_bulk },
	{ "64 bytes, no checks", 64, XSLAB_NO_CHECKS, 0, 200, false, free_by_cache },
	{ "1,000 bytes by address", 1000, 0, 0, 100, false, free_by_address },
	{ "2,000 bytes, irqs off", 2000, 0, 0, 4, false, free_irqs_off },
	{ "4,096 bytes, torn", 4096, 0, 0, 20, true, free_by_cache },
	{ "4,096 bytes, torn, by address", 4096, 0, 0, 20, true, free_by_address },
	{ "1,000 bytes, torn, bulk", 1000, 0, 0, 20, true, free_by_bulk },
	{ "40,000 bytes", 40000, 0, 0, 7, false, free_by_address },
	{ "500 bytes in a pool that grows", 500, 0, 4 * POOL, 100, false, free_by_cache },
	{ "4,096 bytes, growing, torn", 4096, XSLAB_NO_CHECKS, 4 * POOL, 20, true, free_by_bulk },
};

KUNIT_ARRAY_PARAM_DESC(kinds, kinds, name);

/* This CPU has some of a cache in its magazines. */
static long use_here(void *data)
{
	struct xslab_cache *cache = data;
	void *objs[8];
	unsigned int nr;

	for (nr = 0; nr < ARRAY_SIZE(objs); nr++)
		objs[nr] = xslab_cache_alloc(cache, GFP_ATOMIC);
	while (nr--)
		xslab_cache_free(cache, objs[nr]);
	return 0;
}

/* A cache with objects, of which some are live, that lie apart. */
static struct orphan *make_orphan(struct kunit *test, const struct kind *kind)
{
	struct orphan *o = xtest_room(test, 1, sizeof(*o));
	size_t most = min_t(size_t, OBJS, SZ_2M / kind->size), i;

	o->w = test->priv;
	if (!o->w->pool)
		with_steady_pool(test, POOL, kind->max_size);
	o->free = kind->free;
	o->cache = add_cache(test, &(struct xslab_args){
		.name = "orphan", .size = kind->size, .flags = kind->flags, .ctor = construct });
	KUNIT_ASSERT_EQ(test, xslab_cache_set_move(o->cache, keep, o), 0);
	xtest_on_cpus(nr_cpu_ids, use_here, o->cache);
	xtest_take(test, o->cache, o->objs, most, GFP_KERNEL);
	for (i = 0; i < most; i++)
		if (i % (most / kind->live) || o->nr == kind->live)
			KUNIT_ASSERT_EQ(test, xslab_cache_free(o->cache, o->objs[i]), 0);
		else
			o->objs[o->nr++] = o->objs[i];
	KUNIT_ASSERT_EQ(test, o->nr, kind->live);
	if (kind->tear)
		KUNIT_EXPECT_GT(test, xslab_cache_tear(o->cache), 0UL);
	return o;
}

/* How often the client was called. */
static int calls(const struct orphan *o)
{
	return atomic_read(&ctors) + atomic_read(&o->moves);
}

/* Expect no object for any client. */
static void expect_nothing(struct kunit *test, struct orphan *o)
{
	void *objs[4];

	KUNIT_EXPECT_NULL(test, xslab_cache_alloc(o->cache, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, xslab_cache_alloc(o->cache, GFP_ATOMIC));
	KUNIT_EXPECT_NULL(test, xslab_cache_alloc(o->cache, GFP_KERNEL | __GFP_NOFAIL));
	KUNIT_EXPECT_EQ(test, xslab_cache_alloc_bulk(o->cache, GFP_KERNEL, 4, objs), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_prefill(o->cache, 10), -ENOMEM);
}

static void collect_all_ways(struct orphan *o)
{
	xslab_cache_collect(o->cache, false);
	xslab_cache_collect(o->cache, true);
	xslab_cache_tear(o->cache);
	xslab_cache_shrink(o->cache);
	xpool_collect(o->w->pool, true);
}

/* Expect collections of all kinds to call nothing of the client's, and none can be set. */
static void expect_no_calls(struct kunit *test, struct orphan *o)
{
	int before = calls(o);

	collect_all_ways(o);
	KUNIT_EXPECT_EQ(test, calls(o), before);
	KUNIT_EXPECT_EQ(test, xslab_cache_set_move(o->cache, keep, o), 0);
	collect_all_ways(o);
	KUNIT_EXPECT_EQ(test, calls(o), before);
}

static void refuse(struct kunit *test, struct orphan *o)
{
	int before;

	KUNIT_ASSERT_EQ(test, xslab_cache_destroy(o->cache), -EBUSY);
	before = calls(o);
	expect_nothing(test, o);
	expect_no_calls(test, o);
	KUNIT_EXPECT_EQ(test, cache_stats(o->cache).live, (u64)o->nr);
	KUNIT_EXPECT_EQ(test, xslab_validate(o->cache), 0);
	KUNIT_EXPECT_EQ(test, calls(o), before);
}

static unsigned int nr_caches(const struct orphan *o)
{
	return READ_ONCE(o->w->pool->listing.nr_users);
}

struct share {
	struct orphan	*o;
	unsigned int	of;
};

/* All but the first. */
static long free_share(void *data)
{
	struct share *share = data;
	size_t i = 1 + raw_smp_processor_id() % share->of;

	for (; i < share->o->nr; i += share->of)
		share->o->free(share->o, i);
	return 0;
}

static void free_rest(struct kunit *test, struct orphan *o)
{
	struct share share = { .o = o, .of = num_online_cpus() };

	xtest_on_cpus(nr_cpu_ids, free_share, &share);
	KUNIT_EXPECT_EQ(test, atomic_read(&o->refused), 0);
	KUNIT_EXPECT_EQ(test, cache_stats(o->cache).live, 1ULL);
	KUNIT_EXPECT_EQ(test, xslab_validate(o->cache), 0);
	KUNIT_EXPECT_EQ(test, xpool_validate(o->w->pool), 0);
}

/* Expect another client of the pool to have all that the orphan does not hold. */
static void expect_room(struct kunit *test, struct orphan *o, u64 held)
{
	struct xpool *pool = o->w->pool;
	u64 nr = pool_stats(pool).total - held, got;
	void **at = xtest_room(test, nr, sizeof(*at));

	got = xtest_take_blocks(pool, 0, at, nr, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, got, nr);
	while (got)
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, at[--got], 0), 0);
}

/* Expect frees to go on from all CPUs, and the cache to go by itself with the last. */
static void xorphan_test_last_free(struct kunit *test)
{
	struct orphan *o = make_orphan(test, test->param_value);
	struct xslab_cache *other = add_size(test, 300);
	void *obj;

	refuse(test, o);
	expect_room(test, o, cache_pages(o->cache));
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(o->cache), -EBUSY);
	free_rest(test, o);
	KUNIT_EXPECT_EQ(test, nr_caches(o), 2U);
	o->free(o, 0);
	forget_cache(test, o->cache);
	expect_soon(test, nr_caches(o) == 1);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(o->cache), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(o->cache), 0);
	obj = xslab_cache_alloc(other, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, obj);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(other, obj), 0);
}

/* The client comes back when its cache is gone, and maybe the pool. Expect it to be refused. */
static void expect_gone_cache(struct kunit *test, struct xslab_cache *cache)
{
	void *objs[4];

	KUNIT_EXPECT_NULL(test, xslab_cache_alloc(cache, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, 4, objs), 0);
	KUNIT_EXPECT_NE(test, xslab_cache_prefill(cache, 1), 0);
	KUNIT_EXPECT_EQ(test, set_limits(cache, ULONG_MAX, ULONG_MAX), -ENOENT);
	KUNIT_EXPECT_EQ(test, xslab_cache_set_decay(cache, 0), -ENOENT);
	KUNIT_EXPECT_EQ(test, xslab_cache_collect(cache, false), 0UL);
	KUNIT_EXPECT_EQ(test, xslab_cache_collect(cache, true), 0UL);
	KUNIT_EXPECT_EQ(test, xslab_cache_tear(cache), 0UL);
	KUNIT_EXPECT_EQ(test, xslab_cache_shrink(cache), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_set_move(cache, keep, NULL), 0);
	KUNIT_EXPECT_EQ(test, xslab_validate(cache), 0);
	KUNIT_EXPECT_EQ(test, cache_stats(cache).slabs, 0ULL);
}

static void expect_gone_pool(struct kunit *test, struct xpool *pool)
{
	struct xpool_limits none = { XPOOL_NO_LIMIT, XPOOL_NO_LIMIT };
	struct page *pages[4];

	KUNIT_EXPECT_EQ(test, xpool_destroy(pool), 0);
	KUNIT_EXPECT_NULL(test, xpool_alloc_addr(pool, 0, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, xpool_alloc_addr(pool, 9, GFP_ATOMIC));
	KUNIT_EXPECT_NULL(test, xpool_alloc_addr(pool, 0, GFP_KERNEL | __GFP_NOFAIL));
	KUNIT_EXPECT_NULL(test, xpool_alloc_pages(pool, 1, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, xpool_alloc_pages_bulk(pool, GFP_KERNEL, 4, pages), 0);
	KUNIT_EXPECT_EQ(test, PTR_ERR(xslab_cache_create_in(pool, &(struct xslab_args){
		.name = "late", .size = 64 })), (long)-EBUSY);
	KUNIT_EXPECT_EQ(test, xpool_set_limits(pool, &none), -ENOENT);
	KUNIT_EXPECT_EQ(test, xpool_set_decay(pool, 0), -ENOENT);
	KUNIT_EXPECT_EQ(test, xpool_collect(pool, false), 0UL);
	KUNIT_EXPECT_EQ(test, xpool_collect(pool, true), 0UL);
	KUNIT_EXPECT_EQ(test, xpool_validate(pool), 0);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).total, 0ULL);
}

static void expect_no_late_free(struct kunit *test, struct xslab_cache *cache, void *obj)
{
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, obj), -ERANGE);
	KUNIT_EXPECT_EQ(test, xslab_cache_free_rcu(cache, obj), -ERANGE);
	KUNIT_EXPECT_EQ(test, xslab_free(obj), -ERANGE);
	xslab_cache_free_bulk(cache, 1, &obj);
	expect_gone_cache(test, cache);
}

/* Expect the pool to live with what is lost, and to be destroyed in the end. */
static void xorphan_test_give_up(struct kunit *test)
{
	struct orphan *o = make_orphan(test, test->param_value);
	struct xpool *pool = o->w->pool;
	u64 pages;
	size_t i;

	KUNIT_EXPECT_EQ(test, xslab_give_up(o->cache), -EINVAL);
	refuse(test, o);
	pages = cache_pages(o->cache);
	for (i = 0; i < o->nr; i++)
		memset(o->objs[i], 0x5a, xslab_cache_size(o->cache));
	forget_cache(test, o->cache);
	KUNIT_ASSERT_EQ(test, xslab_give_up(o->cache), 0);
	expect_soon(test, !nr_caches(o));
	KUNIT_EXPECT_EQ(test, (u64)pool->used.lost, pages);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).slabs, pages);
	for (i = 0; i < o->nr; i++) {
		KUNIT_EXPECT_NE(test, xslab_cache_free(o->cache, o->objs[i]), 0);
		KUNIT_EXPECT_NE(test, xslab_free(o->objs[i]), 0);
	}
	expect_no_late_free(test, o->cache, o->objs[0]);
	xpool_collect(pool, true);
	expect_room(test, o, pages);
	for (i = 0; i < o->nr; i++)
		KUNIT_EXPECT_NULL(test, memchr_inv(o->objs[i], 0x5a,
						   xslab_cache_size(o->cache)));
	KUNIT_EXPECT_EQ(test, xpool_validate(pool), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(o->cache), 0);
	KUNIT_EXPECT_EQ(test, xpool_destroy(pool), 0);
	o->w->pool = NULL;
	expect_no_late_free(test, o->cache, o->objs[0]);
}

static const struct kind plain = { "plain", 200, 0, 0, 64, false, free_by_cache };

static void free_all(void *data)
{
	struct orphan *o = data;
	size_t i;

	for (i = 0; i < o->nr; i++)
		o->free(o, i);
}

/* The last one a while later. */
static void free_all_late(void *data)
{
	struct orphan *o = data;
	size_t i;

	for (i = 0; i < o->nr; i++) {
		if (o->late && i == o->nr - 1)
			usleep_range(o->late, o->late + 10);
		o->free(o, i);
	}
}

/* The last object is freed while the cache is destroyed: expect it to go in either order. */
static void xorphan_test_race(struct kunit *test)
{
	unsigned int turn, refused = 0;
	struct job *job;
	int err;

	for (turn = 0; turn < 12; turn++) {
		struct orphan *o = make_orphan(test, &plain);

		forget_cache(test, o->cache);
		o->late = turn * turn * 200;
		job = start_job(test, free_all_late, o, other_cpu());
		err = xslab_cache_destroy(o->cache);
		refused += err == -EBUSY;
		end_job(test, job);
		expect_soon(test, !nr_caches(o));
		KUNIT_EXPECT_EQ(test, xslab_cache_destroy(err ? o->cache : NULL), 0);
		KUNIT_EXPECT_EQ(test, atomic_read(&o->refused), 0);
	}
	kunit_info(test, "%u of 12 were refused\n", refused);
}

static void destroy_it(void *data)
{
	struct orphan *o = data;

	if (xslab_cache_destroy(o->cache) == -EBUSY)
		atomic_inc(&o->refused);
}

/* Two calls destroy an orphan at once: expect both to be refused, and the cache to be whole. */
static void xorphan_test_two_destroys(struct kunit *test)
{
	struct orphan *o = make_orphan(test, &plain);
	struct job *jobs[3];
	unsigned int i;

	refuse(test, o);
	for (i = 0; i < ARRAY_SIZE(jobs); i++)
		jobs[i] = start_job(test, destroy_it, o, -1);
	for (i = 0; i < ARRAY_SIZE(jobs); i++)
		end_job(test, jobs[i]);
	KUNIT_EXPECT_EQ(test, atomic_read(&o->refused), 3);
	KUNIT_EXPECT_EQ(test, cache_stats(o->cache).live, (u64)o->nr);
	atomic_set(&o->refused, 0);
	forget_cache(test, o->cache);
	free_all(o);
	KUNIT_EXPECT_EQ(test, atomic_read(&o->refused), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(o->cache), 0);
	expect_soon(test, !nr_caches(o));
}

/* A callback that takes long */

struct slow_move {
	struct orphan		*o;
	struct completion	entered, go;
};

static enum xslab_move move_slowly(void *arg, void *old, void *new, size_t size)
{
	struct slow_move *slow = arg;

	atomic_inc(&slow->o->moves);
	complete(&slow->entered);
	wait_for_completion_timeout(&slow->go, msecs_to_jiffies(JOB_MS));
	return XSLAB_KEPT;
}

static void collect_it(void *data)
{
	struct orphan *o = data;

	xslab_cache_collect(o->cache, true);
}

static void destroy_pool_of(void *data)
{
	struct orphan *o = data;

	if (xpool_destroy(o->w->pool) == -EBUSY)
		atomic_inc(&o->refused);
}

static void end_moves(void *data)
{
	struct orphan *o = data;

	if (!xslab_cache_set_move(o->cache, NULL, NULL))
		atomic_inc(&o->refused);
}

/* Expect @end, which makes the cache forget the callback, to wait for the one that runs. */
static void check_waits(struct kunit *test, void (*end)(void *data))
{
	struct orphan *o = make_orphan(test, &plain);
	struct slow_move *slow = xtest_room(test, 1, sizeof(*slow));
	struct job *collect, *destroy;
	int before;

	slow->o = o;
	init_completion(&slow->entered);
	init_completion(&slow->go);
	KUNIT_ASSERT_EQ(test, xslab_cache_set_move(o->cache, move_slowly, slow), 0);
	collect = start_job(test, collect_it, o, -1);
	KUNIT_ASSERT_NE(test, wait_for_completion_timeout(&slow->entered,
							  msecs_to_jiffies(JOB_MS)), 0UL);
	before = atomic_read(&o->moves);
	destroy = start_job(test, end, o, -1);
	expect_soon(test, !READ_ONCE(o->cache->moving.move));
	KUNIT_EXPECT_FALSE(test, is_over_in(destroy, 50));
	complete_all(&slow->go);
	end_job(test, destroy);
	KUNIT_EXPECT_EQ(test, atomic_read(&o->moves), before);
	end_job(test, collect);
	KUNIT_EXPECT_EQ(test, atomic_read(&o->moves), before);
	KUNIT_EXPECT_EQ(test, atomic_read(&o->refused), 1);
	atomic_set(&o->refused, 0);
	free_all(o);
	KUNIT_EXPECT_EQ(test, atomic_read(&o->refused), 0);
}

static void xorphan_test_running_move(struct kunit *test)
{
	struct fixture *w = test->priv;

	check_waits(test, end_moves);
	end_fixture(test);
	check_waits(test, destroy_it);
	end_fixture(test);
	check_waits(test, destroy_pool_of);
	w->nr_caches = 0;
	expect_soon(test, !READ_ONCE(w->pool->listing.nr_users));
	KUNIT_EXPECT_EQ(test, xpool_destroy(w->pool), 0);
	w->pool = NULL;
}

/*
 * Pools
 */

/* A pool's name is free when it is gone. Its own go with the test. */
static bool name_is_free(const char *name)
{
	struct xpool *pool = xpool_create(&(struct xpool_args){ .name = name, .size = SZ_64K });

	if (!IS_ERR(pool))
		return !xpool_destroy(pool);
	msleep(20);	/* each attempt is a line in the log */
	return false;
}

/* Expect a pool of which pages are held to be an orphan, and to go with the last. */
static void xorphan_test_pool_of_pages(struct kunit *test)
{
	static const unsigned int orders[] = { 0, 3, 5, 8, 0 };
	struct fixture *w = with_steady_pool(test, POOL, 0);
	struct xpool *pool = w->pool;
	struct page *pages[ARRAY_SIZE(orders)], *more[4];
	char name[XPOOL_NAME_MAX];
	unsigned int i;

	strscpy(name, pool->name, sizeof(name));
	for (i = 0; i < ARRAY_SIZE(orders); i++)
		pages[i] = xpool_alloc_pages(pool, orders[i], GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, xpool_give_up(pool), -EINVAL);
	KUNIT_ASSERT_EQ(test, xpool_destroy(pool), -EBUSY);
	KUNIT_EXPECT_NULL(test, xpool_alloc_pages(pool, 0, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, xpool_alloc_addr(pool, 0, GFP_ATOMIC));
	KUNIT_EXPECT_NULL(test, xpool_alloc_addr(pool, 3, GFP_KERNEL | __GFP_NOFAIL));
	KUNIT_EXPECT_EQ(test, xpool_alloc_pages_bulk(pool, GFP_KERNEL, 4, more), 0);
	KUNIT_EXPECT_EQ(test, PTR_ERR(xslab_cache_create_in(pool, &(struct xslab_args){
		.name = "late", .size = 64 })), (long)-EBUSY);
	KUNIT_EXPECT_FALSE(test, name_is_free(name));
	xpool_collect(pool, true);
	w->pool = NULL;
	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		KUNIT_EXPECT_EQ(test, xpool_destroy(pool), -EBUSY);
		KUNIT_EXPECT_EQ(test, xpool_free_pages(pool, pages[i], orders[i]), 0);
	}
	expect_soon(test, name_is_free(name));
	expect_gone_pool(test, pool);
	KUNIT_EXPECT_EQ(test, xpool_free_pages(pool, pages[0], 0), -ERANGE);
}

/*
 * An NMI frees the last page of an orphan while a statistic holds the pool's lock. That holder
 * does not put the page back. Expect the pool to go.
 */
static void xorphan_test_last_page_in_nmi(struct kunit *test)
{
	struct fixture *w = test->priv;
	struct xpool *pool;
	unsigned long flags;
	void *page;
	int err;

	pool = xpool_create(&(struct xpool_args){ .name = "xorphan-nmi", .size = SZ_1M });
	KUNIT_ASSERT_FALSE(test, IS_ERR(pool));
	w->pool = pool;
	page = xpool_alloc_addr(pool, 0, GFP_KERNEL);
	w->pool = NULL;
	KUNIT_ASSERT_EQ(test, xpool_destroy(pool), -EBUSY);
	msleep(50);	/* the reaper has looked */
	raw_spin_lock_irqsave(&pool->lock, flags);
	preempt_count_add(NMI_OFFSET);
	err = xpool_free_addr(pool, page, 0);
	preempt_count_sub(NMI_OFFSET);
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	KUNIT_EXPECT_EQ(test, err, 0);
	expect_soon(test, name_is_free("xorphan-nmi"));
	expect_gone_pool(test, pool);
}

/* Like xorphan_test_pool_of_pages(), but with a cache of live objects and an empty one. */
static void xorphan_test_pool_of_caches(struct kunit *test)
{
	struct orphan *o = make_orphan(test, &plain);
	struct xslab_cache *empty = add_size(test, 1000);
	struct fixture *w = test->priv;
	char name[XPOOL_NAME_MAX];
	int before;

	strscpy(name, w->pool->name, sizeof(name));
	KUNIT_ASSERT_EQ(test, xpool_destroy(w->pool), -EBUSY);
	before = calls(o);
	expect_nothing(test, o);
	expect_no_calls(test, o);
	KUNIT_EXPECT_EQ(test, calls(o), before);
	expect_soon(test, nr_caches(o) == 1);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(empty), 0);
	KUNIT_EXPECT_EQ(test, xpool_destroy(w->pool), -EBUSY);
	free_all(o);
	expect_soon(test, name_is_free(name));
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(o->cache), 0);
	KUNIT_EXPECT_EQ(test, xpool_destroy(w->pool), 0);
	w->nr_caches = 0;
	w->pool = NULL;
}

/*
 * Objects and pages are freed while an operator gives up what holds them. Expect each to be
 * freed or refused, and nothing of what went to be touched.
 */
static void free_objects_and_pages(void *data)
{
	struct orphan *o = data;
	size_t i;

	for (i = 0; i < o->nr; i++) {
		if (i & 1)
			xslab_cache_free_rcu(o->cache, o->objs[i]);
		else
			free_by_cache(o, i);
		xpool_free_addr(o->w->pool, o->pages[i], 0);
	}
}

static void xorphan_test_give_up_race(struct kunit *test)
{
	struct fixture *w = test->priv;
	char name[XPOOL_NAME_MAX];
	unsigned int round;

	for (round = 0; round < 2 + 8 / XTEST_SLOWER; round++) {
		struct orphan *o = make_orphan(test, &plain);
		struct xpool *pool = w->pool;
		struct job *job;
		size_t i;

		for (i = 0; i < o->nr; i++)
			KUNIT_ASSERT_NOT_NULL(test, o->pages[i] =
					      xpool_alloc_addr(pool, 0, GFP_KERNEL));
		strscpy(name, pool->name, sizeof(name));
		KUNIT_ASSERT_EQ(test, xpool_destroy(pool), -EBUSY);
		job = start_job(test, free_objects_and_pages, o, other_cpu());
		udelay(20 * round);
		xpool_give_up(pool);
		end_job(test, job);
		w->nr_caches = 0;
		w->pool = NULL;
		expect_soon(test, name_is_free(name));
		expect_gone_cache(test, o->cache);
		expect_gone_pool(test, pool);
	}
}

/* Tasks that wait */

struct waiting {
	struct xslab_cache	*cache;		/* NULL: for a page */
	struct xpool		*pool;
	gfp_t			gfp;
	void			*got;
};

static void wait_for_memory(void *data)
{
	struct waiting *w = data;

	w->got = w->cache ? xslab_cache_alloc(w->cache, w->gfp) :
			    xpool_alloc_addr(w->pool, 0, w->gfp);
}

/* Expect all that wait to get nothing when what they wait for is destroyed. */
static void xorphan_test_waiters(struct kunit *test)
{
	struct fixture *w = with_steady_pool(test, SZ_1M, 0);
	struct waiting *waiting = xtest_room(test, 3, sizeof(*waiting));
	struct xslab_cache *cache = add_cache(test, &(struct xslab_args){
		.name = "full", .size = 4096, .flags = XSLAB_WAIT });
	void **objs = xtest_room(test, 256, sizeof(*objs));
	struct job *jobs[3];
	unsigned int i, nr;

	nr = xtest_take_all(cache, objs, 256, GFP_ATOMIC);
	for (i = 0; i < 3; i++) {
		waiting[i] = (struct waiting){ .cache = i < 2 ? cache : NULL, .pool = w->pool,
					       .gfp = GFP_KERNEL | (i ? __GFP_NOFAIL : 0) };
		jobs[i] = start_job(test, wait_for_memory, &waiting[i], -1);
	}
	expect_soon(test, cache_stats(cache).waiters == 2);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), -EBUSY);
	end_job(test, jobs[0]);
	end_job(test, jobs[1]);
	KUNIT_EXPECT_FALSE(test, is_over_in(jobs[2], 50));
	KUNIT_EXPECT_EQ(test, xpool_destroy(w->pool), -EBUSY);
	end_job(test, jobs[2]);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_NULL(test, waiting[i].got);
	xslab_cache_free_bulk(cache, nr, objs);
	w->nr_caches = 0;
	expect_soon(test, !READ_ONCE(w->pool->listing.nr_users));
	KUNIT_EXPECT_EQ(test, xpool_destroy(w->pool), 0);
	w->pool = NULL;
}

/* A task waits for the pool's gathering, which the test is in the way of. */
static struct job *start_late_waiter(struct kunit *test, struct waiting *waiting)
{
	struct job *job = start_job(test, wait_for_memory, waiting, -1);

	KUNIT_EXPECT_FALSE(test, is_over_in(job, 50));
	return job;
}

/*
 * A task that waits is slow to leave, and nothing is live: expect the cache to stay for it,
 * and to go after it.
 */
static void xorphan_test_late_waiter(struct kunit *test)
{
	struct fixture *w = with_steady_pool(test, SZ_64K, 0);
	struct waiting *waiting = xtest_room(test, 1, sizeof(*waiting));
	struct xslab_cache *cache = add_cache(test, &(struct xslab_args){
		.name = "late", .size = 512, .flags = XSLAB_WAIT });
	void *pages[16];
	struct job *job;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pages); i++)
		pages[i] = xpool_alloc_addr(w->pool, 0, GFP_KERNEL);
	*waiting = (struct waiting){ .cache = cache, .pool = w->pool, .gfp = GFP_KERNEL };
	mutex_lock(&w->pool->gather.mutex);
	job = start_late_waiter(test, waiting);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), -EBUSY);
	msleep(50);
	KUNIT_EXPECT_EQ(test, READ_ONCE(w->pool->listing.nr_users), 1U);
	mutex_unlock(&w->pool->gather.mutex);
	w->nr_caches = 0;
	end_job(test, job);
	KUNIT_EXPECT_NULL(test, waiting->got);
	expect_soon(test, !READ_ONCE(w->pool->listing.nr_users));
	for (i = 0; i < ARRAY_SIZE(pages); i++)
		KUNIT_EXPECT_EQ(test, xpool_free_addr(w->pool, pages[i], 0), 0);
}

/* Like xorphan_test_late_waiter(), but with a pool whose last page is freed meanwhile. */
static void xorphan_test_late_page_waiter(struct kunit *test)
{
	struct waiting *waiting = xtest_room(test, 1, sizeof(*waiting));
	struct fixture *w = test->priv;
	struct xpool *pool;
	void *pages[16];
	struct job *job;
	unsigned int i;

	pool = xpool_create(&(struct xpool_args){ .name = "xorphan-late", .size = SZ_64K });
	KUNIT_ASSERT_FALSE(test, IS_ERR(pool));
	w->pool = pool;
	for (i = 0; i < ARRAY_SIZE(pages); i++)
		pages[i] = xpool_alloc_addr(pool, 0, GFP_KERNEL);
	*waiting = (struct waiting){ .pool = pool, .gfp = GFP_KERNEL | __GFP_NOFAIL };
	mutex_lock(&pool->gather.mutex);
	job = start_late_waiter(test, waiting);
	w->pool = NULL;
	KUNIT_EXPECT_EQ(test, xpool_destroy(pool), -EBUSY);
	for (i = 0; i < ARRAY_SIZE(pages); i++)
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, pages[i], 0), 0);
	msleep(300);
	KUNIT_EXPECT_FALSE(test, name_is_free("xorphan-late"));
	mutex_unlock(&pool->gather.mutex);
	end_job(test, job);
	KUNIT_EXPECT_NULL(test, waiting->got);
	expect_soon(test, name_is_free("xorphan-late"));
}

/* A pool is given up with all that is in it: expect its name to be free, its range not used. */
static void xorphan_test_give_up_pool(struct kunit *test)
{
	struct fixture *w = test->priv;
	void *range = vmalloc(SZ_1M), *obj, *page;
	struct xslab_cache *cache;
	struct xpool *pool;

	KUNIT_ASSERT_NOT_NULL(test, range);
	pool = xpool_create(&(struct xpool_args){
		.name = "xorphan-own", .size = SZ_1M, .addr = range });
	KUNIT_ASSERT_FALSE(test, IS_ERR(pool));
	w->pool = pool;
	cache = add_size(test, 100);
	forget_cache(test, cache);
	w->pool = NULL;
	obj = xslab_cache_alloc(cache, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, obj);
	page = xpool_alloc_addr(pool, 0, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, page);
	KUNIT_EXPECT_NOT_NULL(test, xpool_alloc_addr(pool, 4, GFP_KERNEL));
	KUNIT_ASSERT_EQ(test, xpool_destroy(pool), -EBUSY);
	KUNIT_ASSERT_EQ(test, xpool_give_up(pool), 0);
	expect_soon(test, name_is_free("xorphan-own"));
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
	expect_gone_pool(test, pool);
	KUNIT_EXPECT_NE(test, xslab_free(obj), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, page, 0), -ERANGE);
	expect_no_late_free(test, cache, obj);
	vfree(range);
}

static struct kunit_case xorphan_test_cases[] = {
	KUNIT_CASE_PARAM(xorphan_test_last_free, kinds_gen_params),
	KUNIT_CASE_PARAM(xorphan_test_give_up, kinds_gen_params),
	KUNIT_CASE(xorphan_test_race),
	KUNIT_CASE(xorphan_test_two_destroys),
	KUNIT_CASE(xorphan_test_running_move),
	KUNIT_CASE(xorphan_test_pool_of_pages),
	KUNIT_CASE(xorphan_test_last_page_in_nmi),
	KUNIT_CASE(xorphan_test_pool_of_caches),
	KUNIT_CASE(xorphan_test_give_up_race),
	KUNIT_CASE(xorphan_test_waiters),
	KUNIT_CASE(xorphan_test_late_waiter),
	KUNIT_CASE(xorphan_test_late_page_waiter),
	KUNIT_CASE(xorphan_test_give_up_pool),
	{}
};

static struct kunit_suite xorphan_test_suite = {
	.name = "xorphan",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = xorphan_test_cases,
};

kunit_test_suite(xorphan_test_suite);

MODULE_DESCRIPTION("Tests of caches and pools that clients left behind");
MODULE_LICENSE("GPL");
