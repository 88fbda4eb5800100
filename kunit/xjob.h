/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the suites of gathering, orphans and hangs share: tasks with a time limit.
 *
 * A task that does not end in time fails the test. It cannot be ended, so what it uses
 * stays: the test's pool and caches, and this module.
 */
#ifndef _XALLOC_XJOB_H
#define _XALLOC_XJOB_H

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

#include "xfixture.h"

#define JOB_MS		30000U	/* far more than any task takes, also on a busy machine */

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
	return xtest_stay();
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
	struct fixture *f = test->priv;

	if (!is_over_in(job, JOB_MS)) {
		f->hung = true;
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

#define expect_soon(test, condition)						\
do {										\
	bool _soon = xtest_soon(condition, JOB_MS);				\
										\
	KUNIT_EXPECT_TRUE_MSG(test, _soon, "at %s:%d", __FILE__, __LINE__);	\
} while (0)

/* A CPU that is not this one, or this one where there is no other. */
static inline int other_cpu(void)
{
	int cpu = cpumask_next(raw_smp_processor_id(), cpu_online_mask);

	return cpu < nr_cpu_ids ? cpu : (int)cpumask_first(cpu_online_mask);
}

#endif
