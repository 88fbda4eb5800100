/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the suites of gathering, orphans and hangs share: a pool with up to 100 caches,
 * and tasks with a time limit.
 *
 * A task that does not end in time fails the test. It cannot be ended, so what it uses
 * stays: the test's pool and caches, and this module.
 */
#ifndef _XALLOC_XCLIENT_TEST_H
#define _XALLOC_XCLIENT_TEST_H

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/sched/debug.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "slab/slab.h"
#include "xtest.h"

#define MAX_CACHES	101U
#define JOB_MS		30000U	/* far more than any task takes, also on a busy machine */

struct world {
	struct xpool		*pool;
	struct xslab_cache	*caches[MAX_CACHES];
	unsigned int		nr_caches;
	bool			hung;
};

static inline int world_init(struct kunit *test)
{
	test->priv = kunit_kzalloc(test, sizeof(struct world), GFP_KERNEL);
	if (!test->priv)
		return -ENOMEM;
	xtest_pin();
	return 0;
}

/* Expect all to be given back, and the pool to have all its pages then. */
static inline void end_world(struct kunit *test)
{
	struct world *w = test->priv;

	while (w->nr_caches)
		KUNIT_EXPECT_EQ(test, xslab_cache_destroy(w->caches[--w->nr_caches]), 0);
	if (!w->pool)
		return;
	xpool_collect(w->pool, true);
	KUNIT_EXPECT_EQ(test, pool_stats(w->pool).free, pool_stats(w->pool).total);
	KUNIT_EXPECT_EQ(test, xpool_validate(w->pool), 0);
	KUNIT_EXPECT_EQ(test, xpool_destroy(w->pool), 0);
	w->pool = NULL;
}

static inline void world_exit(struct kunit *test)
{
	struct world *w = test->priv;

	if (w && !w->hung)
		end_world(test);
}

/* A pool; with @max_size it may grow. Nothing goes back by itself. */
static inline struct world *new_world(struct kunit *test, size_t size, size_t max_size)
{
	static unsigned int nr;
	struct world *w = test->priv;
	char name[XPOOL_NAME_MAX];
	struct xpool *pool;

	snprintf(name, sizeof(name), KBUILD_MODNAME "-%u", nr++);
	pool = xpool_create(&(struct xpool_args){
		.name = name, .size = size, .max_size = max_size });
	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(pool), "error %ld", PTR_ERR(pool));
	w->pool = pool;
	KUNIT_ASSERT_EQ(test, xpool_set_decay(pool, -1), 0);
	return w;
}

static inline struct xslab_cache *add_cache(struct kunit *test, const struct xslab_args *args)
{
	struct world *w = test->priv;
	struct xslab_cache *cache = xslab_cache_create_in(w->pool, args);

	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(cache), "error %ld", PTR_ERR(cache));
	KUNIT_ASSERT_LT(test, w->nr_caches, MAX_CACHES);
	w->caches[w->nr_caches++] = cache;
	return cache;
}

static inline struct xslab_cache *add_size(struct kunit *test, size_t size)
{
	return add_cache(test, &(struct xslab_args){ .name = "test", .size = size });
}

/* It is no cache of the test's any more. */
static inline void forget_cache(struct kunit *test, struct xslab_cache *cache)
{
	struct world *w = test->priv;
	unsigned int i;

	for (i = 0; i < w->nr_caches; i++)
		if (w->caches[i] == cache) {
			w->caches[i] = w->caches[--w->nr_caches];
			return;
		}
}

/*
 * Tasks
 */

struct job {
	struct task_struct	*task;
	struct completion	done;
	void			(*work)(void *arg);
	void			*arg;
};

static inline int job_main(void *data)
{
	struct job *job = data;

	allow_signal(SIGKILL);
	job->work(job->arg);
	complete(&job->done);
	while (!kthread_should_stop())
		usleep_range(200, 1000);
	return 0;
}

/* Have @work(@arg) done by a task; @cpu: there, or -1. */
static inline struct job *start_job(struct kunit *test, void (*work)(void *arg), void *arg,
				    int cpu)
{
	struct job *job = kzalloc(sizeof(*job), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, job);
	job->work = work;
	job->arg = arg;
	init_completion(&job->done);
	job->task = kthread_create(job_main, job, KBUILD_MODNAME);
	KUNIT_ASSERT_FALSE(test, IS_ERR(job->task));
	get_task_struct(job->task);
	if (cpu >= 0)
		kthread_bind(job->task, cpu);
	wake_up_process(job->task);
	return job;
}

static inline bool is_over_in(struct job *job, unsigned int ms)
{
	if (completion_done(&job->done))
		return true;
	if (!wait_for_completion_timeout(&job->done, msecs_to_jiffies(ms)))
		return false;
	complete(&job->done);	/* for the next look */
	return true;
}

/* Expect the task to be through soon. */
static inline void end_job(struct kunit *test, struct job *job)
{
	struct world *w = test->priv;

	if (!is_over_in(job, JOB_MS)) {
		w->hung = true;
		__module_get(THIS_MODULE);
		sched_show_task(job->task);
		KUNIT_ASSERT_TRUE_MSG(test, false, "a call does not return");
	}
	kthread_stop(job->task);
	put_task_struct(job->task);
	kfree(job);
}

/* Run it, and expect it to end. */
static inline void run_job(struct kunit *test, void (*work)(void *arg), void *arg)
{
	end_job(test, start_job(test, work, arg, -1));
}

/* Expect a condition to come true soon; it is looked at again and again. */
#define expect_soon(test, condition)						\
do {										\
	ktime_t _end = ktime_add_ms(ktime_get(), JOB_MS);			\
	bool _met;								\
										\
	while (!(_met = (condition)) && ktime_before(ktime_get(), _end))	\
		usleep_range(100, 500);						\
	KUNIT_EXPECT_TRUE_MSG(test, _met, "at %s:%d", __FILE__, __LINE__);	\
} while (0)

/* A CPU that is not this one, or this one where there is no other. */
static inline int other_cpu(void)
{
	int cpu = cpumask_next(raw_smp_processor_id(), cpu_online_mask);

	return cpu < nr_cpu_ids ? cpu : (int)cpumask_first(cpu_online_mask);
}

#endif
