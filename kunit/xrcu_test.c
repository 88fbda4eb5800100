// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of what is given back after a grace period: objects of xslab_cache_free_rcu(), and
 * slabs of caches made with XSLAB_TYPESAFE_BY_RCU.
 *
 * A test that holds off grace periods does so by being a reader itself; then it must not
 * sleep.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/rcupdate.h>
#include <linux/sort.h>

#include "xfixture.h"

#define MANY		(1024U * num_possible_cpus() + 1000)	/* more than all batches hold */

/* The books, and how many objects wait. */
static void expect_waiting(struct kunit *test, struct xslab_cache *cache, u64 live, u64 waiting)
{
	struct xslab_stats s = cache_stats(cache);

	KUNIT_EXPECT_EQ(test, s.live, live);
	KUNIT_EXPECT_EQ(test, s.waiting, waiting);
	KUNIT_EXPECT_EQ(test, s.capacity,
			s.live + s.waiting + s.magazines + s.depot + s.slab_free);
	KUNIT_EXPECT_EQ(test, s.allocs, s.frees + s.live);
}

/* Several kinds of pools and caches. */
struct sort {
	const char	*name;
	size_t		size;
	size_t		max_size;
	size_t		object;
	xslab_flags_t	flags;
};

static const struct sort sorts[] = {
	{ "64 bytes", 4 << 20, 0, 64 },
	{ "16 bytes, unchecked", 4 << 20, 0, 16, XSLAB_NO_CHECKS },
	{ "200 bytes, several regions", 4 << 20, 8 << 20, 200 },
};

KUNIT_ARRAY_PARAM_DESC(sort, sorts, name);

static struct xslab_cache *cache_of_sort(struct kunit *test)
{
	const struct sort *sort = test->param_value;

	with_growing_pool(test, sort->size, sort->max_size);
	return add_cache(test, &(struct xslab_args){
		.name = "test", .size = sort->object, .flags = sort->flags });
}

/*
 * Objects
 */

/* A reader is under way: expect the object to stay, as it is, and to be no client's. */
static void xrcu_test_waits(struct kunit *test)
{
	struct xslab_cache *cache = cache_of_sort(test);
	u64 *obj = xslab_cache_alloc(cache, GFP_KERNEL);
	void *others[100];
	unsigned int i;
	bool again = false;

	KUNIT_ASSERT_NOT_NULL(test, obj);
	obj[0] = 0x1234;
	obj[1] = 0x5678;
	rcu_read_lock();
	KUNIT_EXPECT_EQ(test, xslab_cache_free_rcu(cache, obj), 0);
	for (i = 0; i < ARRAY_SIZE(others); i++) {
		others[i] = xslab_cache_alloc(cache, GFP_ATOMIC);
		again |= others[i] == obj;
	}
	KUNIT_EXPECT_FALSE(test, again);
	KUNIT_EXPECT_EQ(test, obj[0], 0x1234ULL);
	KUNIT_EXPECT_EQ(test, obj[1], 0x5678ULL);
	expect_waiting(test, cache, 100, 1);
	mdelay(10);
	expect_waiting(test, cache, 100, 1);
	rcu_read_unlock();
	xslab_rcu_flush(fixture_pool(test));
	expect_waiting(test, cache, 100, 0);
	xtest_give(test, cache, others, ARRAY_SIZE(others));
	check_books(test, cache, 0);
}

/* Without a flush: expect a worker to see to it soon. */
static void xrcu_test_alone(struct kunit *test)
{
	struct xslab_cache *cache = cache_of_sort(test);
	void *obj = xslab_cache_alloc(cache, GFP_KERNEL);
	unsigned int ms;

	KUNIT_ASSERT_NOT_NULL(test, obj);
	KUNIT_EXPECT_EQ(test, xslab_free_rcu(obj), 0);
	for (ms = 0; cache_stats(cache).waiting && ms < 3000; ms++)
		usleep_range(1000, 1100);
	expect_waiting(test, cache, 0, 0);
	kunit_info(test, "back after %u ms or more\n", ms);
}

/* More than there is room for: none is lost, and one that is not taken is not changed. */
static void xrcu_test_many(struct kunit *test)
{
	const struct sort *sort = test->param_value;
	struct xslab_cache *cache = cache_of_sort(test);
	void **objs = xtest_room(test, MANY, sizeof(*objs));
	unsigned int i, taken = 0, refused = 0, round;

	for (round = 0; round < 2; round++) {
		xtest_take(test, cache, objs, MANY, GFP_KERNEL);
		taken = 0;
		refused = 0;
		rcu_read_lock();
		for (i = 0; i < MANY; i++) {
			int err = xslab_cache_free_rcu(cache, objs[i]);

			taken += !err;
			refused += err == -EAGAIN;
			if (err)
				objs[refused - 1] = objs[i];
		}
		expect_waiting(test, cache, refused, taken);
		rcu_read_unlock();
		KUNIT_EXPECT_EQ(test, taken + refused, MANY);
		if (!(sort->flags & XSLAB_NO_CHECKS))
			KUNIT_EXPECT_EQ(test, refused, 0U);
		else
			KUNIT_EXPECT_GT(test, refused, 0U);
		xslab_rcu_flush(fixture_pool(test));
		expect_waiting(test, cache, refused, 0);
		for (i = 0; i < refused; i++)
			KUNIT_ASSERT_EQ(test, xslab_cache_free_rcu(cache, objs[i]), 0);
		xslab_cache_collect(cache, true);
		expect_waiting(test, cache, 0, 0);
		KUNIT_EXPECT_EQ(test, cache_stats(cache).slabs, 0ULL);
		KUNIT_EXPECT_EQ(test, cache_stats(cache).errors, 0ULL);
	}
	check_books(test, cache, 0);
}

/* No task waits for them: expect the worker to find what was left. */
static void xrcu_test_many_alone(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 128);
	void **objs = xtest_room(test, MANY, sizeof(*objs));
	unsigned int i, ms;

	xtest_take(test, cache, objs, MANY, GFP_KERNEL);
	rcu_read_lock();
	for (i = 0; i < MANY; i++)
		WARN_ON_ONCE(xslab_cache_free_rcu(cache, objs[i]));
	rcu_read_unlock();
	for (ms = 0; cache_stats(cache).waiting && ms < 5000; ms++)
		usleep_range(1000, 1100);
	expect_waiting(test, cache, 0, 0);
	check_shrinks_to_nothing(test, cache);
}

/* All batches are full: what is given back from now on is left. Under rcu_read_lock(). */
static void fill_batches(struct xslab_cache *cache, void **objs)
{
	unsigned int i;

	for (i = 0; i < MANY; i++)
		WARN_ON_ONCE(xslab_cache_free_rcu(cache, objs[i]));
}

/* A torn slab gave away a page, where another cache leaves objects. Expect these to be its own. */
static void xrcu_test_left_in_torn(struct kunit *test)
{
	struct xslab_cache *torn = with_cache(test, POOL_SIZE, 480), *inside, *filler;
	void *objs[17], **others = xtest_room(test, MANY, sizeof(*others));
	struct fixture *f = test->priv;
	void *in[32] = {}, *obj;
	unsigned int nr = 0, i;

	inside = add_cache(test, &(struct xslab_args){ .name = "inside", .size = 256 });
	filler = add_cache(test, &(struct xslab_args){ .name = "filler", .size = 64 });
	xtest_take(test, filler, others, MANY, GFP_KERNEL);
	xtest_take(test, torn, objs, ARRAY_SIZE(objs), GFP_KERNEL);
	sort(objs, ARRAY_SIZE(objs), sizeof(*objs), by_address, NULL);
	xtest_give(test, torn, objs + 2, ARRAY_SIZE(objs) - 2);
	KUNIT_ASSERT_EQ(test, xslab_cache_tear(torn), 1UL);
	while (nr < ARRAY_SIZE(in) && (obj = xslab_cache_alloc(inside, GFP_KERNEL)))
		in[nr++] = obj;
	for (i = 0; i < nr; i++)
		if ((((unsigned long)in[i] ^ (unsigned long)objs[0]) & PAGE_MASK) == PAGE_SIZE)
			break;
	KUNIT_ASSERT_LT(test, i, nr);
	rcu_read_lock();
	fill_batches(filler, others);
	WARN_ON_ONCE(xslab_cache_free_rcu(torn, objs[1]));
	for (i = 0; i < nr; i++)
		WARN_ON_ONCE(xslab_cache_free_rcu(inside, in[i]));
	rcu_read_unlock();
	xslab_rcu_flush(f->pool);
	KUNIT_EXPECT_EQ(test, cache_stats(torn).errors, 0ULL);
	KUNIT_EXPECT_EQ(test, cache_stats(inside).errors, 0ULL);
	expect_waiting(test, inside, 0, 0);
	expect_waiting(test, torn, 1, 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(torn, objs[0]), 0);
	check_shrinks_to_nothing(test, torn);
	check_shrinks_to_nothing(test, inside);
}

/* What was left was freed at the same instant, too. Expect exact books, and one error. */
static void xrcu_test_left_twice(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 64), *filler;
	void **others = xtest_room(test, MANY, sizeof(*others));
	struct fixture *f = test->priv;
	void *objs[2];
	u8 *live;

	filler = add_cache(test, &(struct xslab_args){ .name = "filler", .size = 128 });
	xtest_take(test, filler, others, MANY, GFP_KERNEL);
	xtest_take(test, cache, objs, 2, GFP_KERNEL);
	live = xslab_live_at(&cache->fast.check, linear_of(cache, objs[1]));
	rcu_read_lock();
	fill_batches(filler, others);
	WARN_ON_ONCE(xslab_cache_free_rcu(cache, objs[1]));
	KUNIT_EXPECT_EQ(test, *live, XSLAB_LEFT);
	*live = XSLAB_LIVE;
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, objs[1]), 0);
	rcu_read_unlock();
	xslab_rcu_flush(f->pool);
	expect_waiting(test, cache, 1, 0);
	KUNIT_EXPECT_EQ(test, cache_stats(cache).errors, 1ULL);
	check_books(test, cache, 1);
	xtest_give(test, cache, objs, 1);
	check_shrinks_to_nothing(test, cache);
}

/* A pointer that is stale, while caches come and go at its address. */
struct stale {
	void		*obj;
	unsigned long	believed;
	unsigned long	idle;		/* looks that found no pointer */
};

static int free_stale(void *arg)
{
	struct stale *stale = arg;

	while (!kthread_should_stop()) {
		void *obj = READ_ONCE(stale->obj);

		if (obj)
			stale->believed += !xslab_free_rcu(obj);
		else
			WRITE_ONCE(stale->idle, stale->idle + 1);
		cond_resched();
	}
	return 0;
}

/* The other task has forgotten the pointer. */
static void end_stale(struct stale *stale)
{
	unsigned long idle;

	WRITE_ONCE(stale->obj, NULL);
	idle = READ_ONCE(stale->idle);
	while (READ_ONCE(stale->idle) == idle)
		usleep_range(10, 20);
}

/* Expect each such free to be refused, and none to look at a cache that is gone (KASAN). */
static void xrcu_test_stale(struct kunit *test)
{
	struct fixture *f = with_pool(test, POOL_SIZE);
	unsigned long end = jiffies + HZ / 2;
	struct stale stale = {};
	struct task_struct *task;

	task = kthread_run(free_stale, &stale, "xrcu-stale");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	while (time_before(jiffies, end)) {
		struct xslab_cache *cache = xslab_cache_create_in(f->pool,
			&(struct xslab_args){ .name = "test", .size = 64 });
		void *obj = xslab_cache_alloc(cache, GFP_KERNEL);

		if (xslab_cache_free(cache, obj))
			break;
		WRITE_ONCE(stale.obj, obj);
		usleep_range(10, 200);
		if (xslab_cache_destroy(cache))
			break;
		end_stale(&stale);
	}
	KUNIT_EXPECT_FALSE(test, time_before(jiffies, end));
	kthread_stop(task);
	KUNIT_EXPECT_EQ(test, stale.believed, 0UL);
}

/* Expect what is wrong to be said at once, and a second free, of either kind, to be refused. */
static void xrcu_test_errors(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 64);
	struct fixture *f = test->priv;
	struct xslab_cache *other = add_cache(test, &(struct xslab_args){
		.name = "other", .size = 64 });
	void *obj = xslab_cache_alloc(cache, GFP_KERNEL);
	int on_stack;

	KUNIT_ASSERT_NOT_NULL(test, obj);
	KUNIT_EXPECT_EQ(test, xslab_cache_free_rcu(cache, NULL), 0);
	KUNIT_EXPECT_EQ(test, xslab_free_rcu(NULL), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_free_rcu(cache, &on_stack), -ERANGE);
	KUNIT_EXPECT_EQ(test, xslab_free_rcu(&on_stack), -ERANGE);
	KUNIT_EXPECT_EQ(test, xslab_cache_free_rcu(cache, obj + 8), -EINVAL);
	KUNIT_EXPECT_EQ(test, xslab_cache_free_rcu(other, obj), -EINVAL);
	expect_waiting(test, cache, 1, 0);

	rcu_read_lock();
	KUNIT_EXPECT_EQ(test, xslab_cache_free_rcu(cache, obj), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_free_rcu(cache, obj), -EALREADY);
	KUNIT_EXPECT_EQ(test, xslab_free_rcu(obj), -EALREADY);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, obj), -EALREADY);
	KUNIT_EXPECT_EQ(test, xslab_free(obj), -EALREADY);
	xslab_cache_free_bulk(cache, 1, &obj);
	expect_waiting(test, cache, 0, 1);
	rcu_read_unlock();
	KUNIT_EXPECT_EQ(test, cache_stats(cache).errors, 7ULL);
	xslab_rcu_flush(f->pool);
	KUNIT_EXPECT_EQ(test, xslab_cache_free_rcu(cache, obj), -EALREADY);
	check_books(test, cache, 0);
}

/* Expect destruction to wait for what is on its way. */
static void xrcu_test_destroy(struct kunit *test)
{
	struct fixture *f = with_pool(test, POOL_SIZE);
	void **objs = xtest_room(test, MANY, sizeof(*objs));
	unsigned int round, i, nr;

	for (round = 0; round < 4; round++) {
		struct xslab_cache *cache = xslab_cache_create_in(f->pool,
			&(struct xslab_args){ .name = "test", .size = 64 });

		nr = round & 1 ? MANY : 3;
		xtest_take(test, cache, objs, nr, GFP_KERNEL);
		for (i = 0; i < nr; i++)
			KUNIT_ASSERT_EQ(test, xslab_cache_free_rcu(cache, objs[i]), 0);
		KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
	}
}

static int free_always(void *arg)
{
	struct xslab_cache *cache = arg;
	unsigned int nr = 0;

	while (!kthread_should_stop()) {
		void *obj = xslab_cache_alloc(cache, GFP_KERNEL);

		if (obj)
			WARN_ON_ONCE(xslab_cache_free_rcu(cache, obj));
		if (!(++nr % 64))
			usleep_range(1, 20);
	}
	return 0;
}

/* Objects of other caches fill the batches, and close them, meanwhile: expect no refusal. */
static void xrcu_test_destroy_beside(struct kunit *test)
{
	struct xslab_cache *other = with_cache(test, POOL_SIZE, 64), *cache;
	struct fixture *f = test->priv;
	unsigned long end = jiffies + HZ;
	struct task_struct *tasks[2];
	unsigned int i, rounds = 0;
	void *objs[10];
	int err = 0;

	for (i = 0; i < ARRAY_SIZE(tasks); i++) {
		tasks[i] = kthread_run(free_always, other, "xrcu-free");
		KUNIT_ASSERT_FALSE(test, IS_ERR(tasks[i]));
	}
	KUNIT_EXPECT_EQ(test, set_cpus_allowed_ptr(current, cpu_possible_mask), 0);
	while (!err && (time_before(jiffies, end) || rounds < 2)) {
		cache = xslab_cache_create_in(f->pool, &(struct xslab_args){
			.name = "beside", .size = 64 });
		xtest_take(test, cache, objs, ARRAY_SIZE(objs), GFP_KERNEL);
		for (i = 0; i < ARRAY_SIZE(objs); i++)
			err |= xslab_cache_free_rcu(cache, objs[i]);
		err |= xslab_cache_destroy(cache);
		rounds++;
	}
	xtest_pin();
	for (i = 0; i < ARRAY_SIZE(tasks); i++)
		kthread_stop(tasks[i]);
	KUNIT_EXPECT_EQ(test, err, 0);
	kunit_info(test, "%u caches came and went\n", rounds);
	check_shrinks_to_nothing(test, other);
}

struct race {
	struct xslab_cache	*cache;
	bool			bulk;
	atomic_long_t		nr;
	atomic_long_t		failed;
};

/* Holds some at a time at most. */
static int take_and_free_rcu(void *arg)
{
	struct race *race = arg;
	void *objs[8];

	while (!kthread_should_stop()) {
		unsigned int i, nr = race->bulk ? ARRAY_SIZE(objs) : 1, got;

		got = race->bulk ? xslab_cache_alloc_bulk(race->cache, GFP_KERNEL, nr, objs) :
				   !!(objs[0] = xslab_cache_alloc(race->cache, GFP_KERNEL));
		for (i = 0; i < got; i++)
			WARN_ON_ONCE(xslab_cache_free_rcu(race->cache, objs[i]));
		atomic_long_add(nr, &race->nr);
		atomic_long_add(got != nr, &race->failed);
		cond_resched();
	}
	return 0;
}

/*
 * Several tasks take from a small pool and give back after a grace period, so that nearly all
 * objects wait. Expect none to fail: those are no client's.
 */
static void expect_no_failure(struct kunit *test, size_t size, bool bulk)
{
	struct race *race = xtest_room(test, 1, sizeof(*race));
	struct task_struct *tasks[4];
	unsigned int i;

	race->cache = with_cache(test, 128 * PAGE_SIZE, size);
	race->bulk = bulk;
	for (i = 0; i < ARRAY_SIZE(tasks); i++) {
		tasks[i] = kthread_run(take_and_free_rcu, race, "xrcu-race");
		KUNIT_ASSERT_FALSE(test, IS_ERR(tasks[i]));
	}
	msleep(max(xtest_rounds(1000), 200UL));
	for (i = 0; i < ARRAY_SIZE(tasks); i++)
		kthread_stop(tasks[i]);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&race->failed), 0L);
	kunit_info(test, "%ld objects\n", atomic_long_read(&race->nr));
	check_shrinks_to_nothing(test, race->cache);
	fixture_exit(test);
	fixture_init(test);
}

#define TOO_MANY	30

struct too_many {
	struct xslab_cache	*cache;
	struct completion	done;
	size_t			got;
	void			*wait[10], *objs[TOO_MANY];
};

static int ask_for_too_many(void *arg)
{
	struct too_many *t = arg;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t->wait); i++)
		WARN_ON_ONCE(xslab_cache_free_rcu(t->cache, t->wait[i]));
	t->got = xslab_cache_alloc_bulk(t->cache, GFP_KERNEL, TOO_MANY, t->objs);
	complete(&t->done);
	while (!kthread_should_stop())
		usleep_range(100, 1000);
	return 0;
}

/*
 * Of 64 objects a client holds 40, and 10 wait for a grace period. Expect a request for 30 to
 * wait for the latter at most, also where one for a single object waits for clients.
 */
static void xrcu_test_bulk_and_clients(struct kunit *test)
{
	const struct xslab_limits limits = { .hard = 64, .cache = ULONG_MAX };
	struct too_many *t = xtest_room(test, 1, sizeof(*t));
	struct task_struct *task;
	void *held[40];

	with_pool(test, SZ_4M);
	t->cache = add_cache(test, &(struct xslab_args){
		.name = "test", .size = PAGE_SIZE, .flags = XSLAB_WAIT });
	KUNIT_ASSERT_EQ(test, xslab_cache_set_limits(t->cache, &limits), 0);
	xtest_take(test, t->cache, held, ARRAY_SIZE(held), GFP_KERNEL);
	xtest_take(test, t->cache, t->wait, ARRAY_SIZE(t->wait), GFP_KERNEL);
	init_completion(&t->done);
	task = kthread_run(ask_for_too_many, t, "xrcu-many");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	KUNIT_EXPECT_GT(test, wait_for_completion_timeout(&t->done, 10 * HZ), 0UL);
	KUNIT_EXPECT_EQ(test, cache_stats(t->cache).failures, 1ULL);
	xtest_give(test, t->cache, held, ARRAY_SIZE(held));	/* or the task never ends */
	kthread_stop(task);
	KUNIT_EXPECT_EQ(test, t->got, (size_t)0);
	xslab_cache_free_bulk(t->cache, t->got, t->objs);
	check_shrinks_to_nothing(test, t->cache);
}

static void xrcu_test_no_failure(struct kunit *test)
{
	expect_no_failure(test, PAGE_SIZE, false);
	expect_no_failure(test, PAGE_SIZE, true);
	expect_no_failure(test, 256, false);
}

struct irq_free {
	struct irq_work		work;
	struct xslab_cache	*cache;
	void			*obj;
	int			err;
};

static void free_in_irq(struct irq_work *work)
{
	struct irq_free *irq = container_of(work, struct irq_free, work);

	irq->err = xslab_cache_free_rcu(irq->cache, irq->obj);
}

static void xrcu_test_irq(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 64);
	struct irq_free irq = { .cache = cache, .err = 1 };
	unsigned int i;

	init_irq_work(&irq.work, free_in_irq);
	for (i = 0; i < 100; i++) {
		irq.obj = xslab_cache_alloc(cache, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, irq.obj);
		irq_work_queue(&irq.work);
		irq_work_sync(&irq.work);
		KUNIT_ASSERT_EQ(test, irq.err, 0);
	}
	check_shrinks_to_nothing(test, cache);
}

/* What an NMI that interrupts a free, or finds locks free, gives back is not lost. */
static void xrcu_test_nmi(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 64);
	void *objs[200];
	unsigned long flags;
	unsigned int i;
	int err = 0;

	xtest_take(test, cache, objs, ARRAY_SIZE(objs), GFP_KERNEL);
	local_irq_save(flags);	/* no interrupt comes in an NMI */
	preempt_count_add(NMI_OFFSET);
	for (i = 0; i < ARRAY_SIZE(objs); i++)
		err |= xslab_cache_free_rcu(cache, objs[i]);
	preempt_count_sub(NMI_OFFSET);
	local_irq_restore(flags);
	KUNIT_EXPECT_EQ(test, err, 0);
	check_shrinks_to_nothing(test, cache);
}

/* Expect no request to the system. */
static void xrcu_test_no_hidden_requests(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 64);
	void **objs = xtest_room(test, MANY, sizeof(*objs));
	unsigned int i, left;

	xtest_need_failures(test);
	if (IS_ENABLED(CONFIG_DEBUG_OBJECTS_RCU_HEAD))
		kunit_skip(test, "call_rcu() itself allocates");
	xtest_take(test, cache, objs, MANY, GFP_KERNEL);
	xtest_fail_nth(XTEST_NEVER);
	for (i = 0; i < MANY; i++)
		WARN_ON_ONCE(xslab_cache_free_rcu(cache, objs[i]));
	left = xtest_fail_end();
	KUNIT_EXPECT_EQ(test, left, XTEST_NEVER);
	check_shrinks_to_nothing(test, cache);
}

static enum xslab_move never_asked(void *arg, void *old, void *new, size_t size)
{
	*(bool *)arg |= *(u64 *)old == 0x5555;
	memcpy(new, old, size);
	return XSLAB_KEPT;
}

/* An object that waits is no client's: it is not asked to move it. */
static void xrcu_test_move(struct kunit *test)
{
	struct xslab_cache *cache = with_cache(test, POOL_SIZE, 1024);
	bool asked = false;
	u64 *objs[64];
	unsigned int i;

	xtest_take(test, cache, (void **)objs, ARRAY_SIZE(objs), GFP_KERNEL);
	for (i = 0; i < ARRAY_SIZE(objs); i++)
		*objs[i] = i % 4 == 1 ? 0x5555 : 0;
	KUNIT_ASSERT_EQ(test, xslab_cache_set_move(cache, never_asked, &asked), 0);
	for (i = 0; i < ARRAY_SIZE(objs); i++) {
		if (i % 4 == 1)
			KUNIT_EXPECT_EQ(test, xslab_cache_free_rcu(cache, objs[i]), 0);
		else if (i % 4)
			KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, objs[i]), 0);
	}
	xslab_cache_collect(cache, true);
	KUNIT_EXPECT_FALSE(test, asked);
	check_books(test, cache, ARRAY_SIZE(objs) / 4);
	for (i = 0; i < ARRAY_SIZE(objs); i += 4)
		KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, objs[i]), 0);
	check_shrinks_to_nothing(test, cache);
}

/*
 * Readers and a writer: what is found under rcu_read_lock() does not change hands
 */

struct shared {
	struct xslab_cache	*cache;
	u64 __rcu		*obj;
	unsigned long		seen;
	unsigned long		wrong;
};

static int reader(void *arg)
{
	struct shared *shared = arg;
	unsigned long seen = 0;

	while (!kthread_should_stop()) {
		u64 *obj, value;
		unsigned int i;

		rcu_read_lock();
		obj = rcu_dereference(shared->obj);
		value = READ_ONCE(obj[0]);
		for (i = 0; i < 100; i++)
			if (READ_ONCE(obj[i % 8]) != value)
				WRITE_ONCE(shared->wrong, shared->wrong + 1);
		rcu_read_unlock();
		WRITE_ONCE(shared->seen, ++seen);
		cond_resched();
	}
	return 0;
}

static u64 *new_version(struct shared *shared, u64 value)
{
	u64 *obj = xslab_cache_alloc(shared->cache, GFP_KERNEL);
	unsigned int i;

	for (i = 0; obj && i < 8; i++)
		WRITE_ONCE(obj[i], value);
	return obj;
}

static void xrcu_test_readers(struct kunit *test)
{
	struct shared shared = { .cache = with_cache(test, 64 * PAGE_SIZE, 64) };
	unsigned long end = jiffies + HZ;
	struct task_struct *tasks[2];
	u64 *obj, *old, value = 0;
	unsigned int i;

	RCU_INIT_POINTER(shared.obj, new_version(&shared, value));
	for (i = 0; i < ARRAY_SIZE(tasks); i++) {
		tasks[i] = kthread_run(reader, &shared, "xrcu-reader");
		KUNIT_ASSERT_FALSE(test, IS_ERR(tasks[i]));
	}
	while (time_before(jiffies, end)) {
		obj = new_version(&shared, ++value);
		if (!obj) {
			xslab_rcu_flush(fixture_pool(test));
			continue;
		}
		old = rcu_replace_pointer(shared.obj, obj, true);
		if (xslab_cache_free_rcu(shared.cache, old))
			shared.wrong++;
		cond_resched();
	}
	for (i = 0; i < ARRAY_SIZE(tasks); i++)
		kthread_stop(tasks[i]);
	KUNIT_EXPECT_EQ(test, shared.wrong, 0UL);
	kunit_info(test, "%llu versions, %lu looks at least\n", value, shared.seen);
	old = rcu_dereference_protected(shared.obj, true);
	KUNIT_EXPECT_EQ(test, xslab_free_rcu(old), 0);
	check_shrinks_to_nothing(test, shared.cache);
}

/*
 * Slabs that wait
 */

static atomic_t constructed;

static void count_ctor(void *obj)
{
	*(u64 *)obj = 0x7777;
	atomic_inc(&constructed);
}

static struct xslab_cache *typesafe(struct kunit *test, size_t size)
{
	atomic_set(&constructed, 0);
	return with_args(test, POOL_SIZE, &(struct xslab_args){
		.name = "test", .size = size, .flags = XSLAB_TYPESAFE_BY_RCU,
		.ctor = count_ctor });
}

#define TYPESAFE_NR	100U

/* For tests that ask often: of all statistics, each takes room on the stack. */
static noinline u64 slabs_waiting(struct xslab_cache *cache)
{
	return cache_stats(cache).slabs_waiting;
}

static noinline u64 slab_pages(struct xpool *pool)
{
	return pool_stats(pool).slabs;
}

/* A slab becomes empty, and may not stay: expect its pages to stay unused while a reader is. */
static void xrcu_test_slab_waits(struct kunit *test)
{
	struct xslab_cache *cache = typesafe(test, 256);
	struct fixture *f = test->priv;
	u64 pages, **objs = xtest_room(test, TYPESAFE_NR, sizeof(*objs));
	unsigned int i, changed = 0;

	KUNIT_ASSERT_EQ(test, set_limits(cache, ULONG_MAX, 0), 0);
	xtest_take(test, cache, (void **)objs, TYPESAFE_NR, GFP_KERNEL);
	pages = slab_pages(f->pool);
	rcu_read_lock();
	xtest_give(test, cache, (void **)objs, TYPESAFE_NR);
	KUNIT_EXPECT_EQ(test, cache_stats(cache).slabs, 0ULL);
	KUNIT_EXPECT_EQ(test, cache_stats(cache).capacity, 0ULL);
	KUNIT_EXPECT_GT(test, slabs_waiting(cache), 0ULL);
	mdelay(10);
	KUNIT_EXPECT_EQ(test, slab_pages(f->pool), pages);
	for (i = 0; i < TYPESAFE_NR; i++)
		changed += *objs[i] != 0x7777;
	KUNIT_EXPECT_EQ(test, changed, 0U);
	rcu_read_unlock();
	xslab_cache_collect(cache, true);
	KUNIT_EXPECT_EQ(test, slabs_waiting(cache), 0ULL);
	KUNIT_EXPECT_EQ(test, slab_pages(f->pool), 0ULL);
	check_books(test, cache, 0);
}

/* Slabs that wait count: expect no other ones above the limit. */
static void xrcu_test_slab_limit(struct kunit *test)
{
	struct xslab_cache *cache = typesafe(test, 4096);
	void *objs[16];
	unsigned int nr;

	KUNIT_ASSERT_EQ(test, set_limits(cache, 16, 0), 0);
	nr = xtest_take_all(cache, objs, ARRAY_SIZE(objs), GFP_KERNEL);
	KUNIT_ASSERT_EQ(test, nr, (unsigned int)ARRAY_SIZE(objs));
	rcu_read_lock();
	xtest_give(test, cache, objs, nr);
	KUNIT_EXPECT_NULL(test, xslab_cache_alloc(cache, GFP_ATOMIC));
	rcu_read_unlock();
	KUNIT_EXPECT_EQ(test, set_limits(cache, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, cache_stats(cache).slabs_waiting, 0ULL);
	check_books(test, cache, 0);
}

/* Objects are used again at once, and constructed once a slab; no slab is torn. */
static void xrcu_test_typesafe(struct kunit *test)
{
	struct xslab_cache *cache = typesafe(test, 1024);
	struct fixture *f = test->priv;
	u64 *objs[TYPESAFE_NR], *obj;
	unsigned int i, made;

	xtest_take(test, cache, (void **)objs, TYPESAFE_NR, GFP_KERNEL);
	made = atomic_read(&constructed);
	KUNIT_EXPECT_EQ(test, (u64)made, cache_stats(cache).capacity);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, objs[0]), 0);
	obj = xslab_cache_alloc(cache, GFP_KERNEL);
	KUNIT_EXPECT_PTR_EQ(test, obj, objs[0]);
	KUNIT_EXPECT_EQ(test, made, (unsigned int)atomic_read(&constructed));
	KUNIT_EXPECT_NULL(test, xslab_cache_alloc(cache, GFP_KERNEL | __GFP_ZERO));
	for (i = 0; i < TYPESAFE_NR; i++)
		if (i % 16)
			KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, objs[i]), 0);
	xslab_cache_collect(cache, true);
	KUNIT_EXPECT_EQ(test, xslab_cache_tear(cache), 0UL);
	KUNIT_EXPECT_EQ(test, cache_stats(cache).slabs_torn, 0ULL);
	for (i = 0; i < TYPESAFE_NR; i += 16)
		KUNIT_EXPECT_EQ(test, xslab_cache_free_rcu(cache, objs[i]), 0);
	check_shrinks_to_nothing(test, cache);
	KUNIT_EXPECT_EQ(test, pool_stats(f->pool).slabs, 0ULL);
}

/* Expect destruction to wait for the slabs, too. */
static void xrcu_test_typesafe_destroy(struct kunit *test)
{
	struct fixture *f = with_pool(test, POOL_SIZE);
	unsigned int round;
	void *objs[50];

	for (round = 0; round < 5; round++) {
		struct xslab_cache *cache = xslab_cache_create_in(f->pool,
			&(struct xslab_args){ .name = "test", .size = 2000,
					      .flags = XSLAB_TYPESAFE_BY_RCU });

		xtest_take(test, cache, objs, ARRAY_SIZE(objs), GFP_KERNEL);
		xtest_give(test, cache, objs, ARRAY_SIZE(objs));
		KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
		KUNIT_EXPECT_EQ(test, pool_stats(f->pool).slabs, 0ULL);
	}
}

struct late_reader {
	u64			*obj;
	struct completion	looks;
	bool			destroyed;
	unsigned int		wrong;
};

static int read_through_destroy(void *arg)
{
	struct late_reader *reader = arg;
	unsigned int ms;

	rcu_read_lock();
	complete(&reader->looks);
	for (ms = 0; ms < 30; ms++) {
		mdelay(1);
		reader->wrong += READ_ONCE(reader->destroyed) || READ_ONCE(*reader->obj) != 0x7777;
	}
	rcu_read_unlock();
	while (!kthread_should_stop())
		usleep_range(100, 1000);
	return 0;
}

/*
 * A reader looks while the cache is destroyed: expect that to wait for it, and others to get
 * nothing of what it sees.
 */
static void xrcu_test_typesafe_destroy_read(struct kunit *test)
{
	struct late_reader *reader = xtest_room(test, 1, sizeof(*reader));
	struct xslab_cache *cache = typesafe(test, 256);
	struct fixture *f = test->priv;
	struct task_struct *task;

	xtest_take(test, cache, (void **)&reader->obj, 1, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, *reader->obj, 0x7777ULL);
	init_completion(&reader->looks);
	task = kthread_run(read_through_destroy, reader, "xrcu-reader");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	wait_for_completion(&reader->looks);
	xtest_give(test, cache, (void **)&reader->obj, 1);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
	WRITE_ONCE(reader->destroyed, true);
	f->nr_caches--;
	kthread_stop(task);
	KUNIT_EXPECT_EQ(test, reader->wrong, 0U);
	KUNIT_EXPECT_EQ(test, slab_pages(f->pool), 0ULL);
}

static struct kunit_case xslab_rcu_cases[] = {
	KUNIT_CASE_PARAM(xrcu_test_waits, sort_gen_params),
	KUNIT_CASE_PARAM(xrcu_test_alone, sort_gen_params),
	KUNIT_CASE_PARAM(xrcu_test_many, sort_gen_params),
	KUNIT_CASE(xrcu_test_many_alone),
	KUNIT_CASE(xrcu_test_left_in_torn),
	KUNIT_CASE(xrcu_test_left_twice),
	KUNIT_CASE(xrcu_test_stale),
	KUNIT_CASE(xrcu_test_errors),
	KUNIT_CASE(xrcu_test_destroy),
	KUNIT_CASE(xrcu_test_destroy_beside),
	KUNIT_CASE(xrcu_test_bulk_and_clients),
	KUNIT_CASE(xrcu_test_no_failure),
	KUNIT_CASE(xrcu_test_irq),
	KUNIT_CASE(xrcu_test_nmi),
	KUNIT_CASE(xrcu_test_no_hidden_requests),
	KUNIT_CASE(xrcu_test_move),
	KUNIT_CASE(xrcu_test_readers),
	KUNIT_CASE(xrcu_test_slab_waits),
	KUNIT_CASE(xrcu_test_slab_limit),
	KUNIT_CASE(xrcu_test_typesafe),
	KUNIT_CASE(xrcu_test_typesafe_destroy),
	KUNIT_CASE(xrcu_test_typesafe_destroy_read),
	{ }
};

static struct kunit_suite xslab_rcu_suite = {
	.name = "xrcu_test",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = xslab_rcu_cases,
};

kunit_test_suite(xslab_rcu_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Tests of what is given back after a grace period");
