/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Threads of a test, on all CPUs: each works until it is stopped, and counts what it does.
 */
#ifndef _XALLOC_XCREW_H
#define _XALLOC_XCREW_H

#include <kunit/test.h>
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/sched/task.h>

#define MAX_CREW	8

struct hand {
	struct task_struct	*task;
	int			(*work)(void *hand);
	void			*what;
	unsigned int		nr;
	unsigned long		done;
	struct rnd_state	rnd;
};

struct crew {
	struct hand		hands[MAX_CREW];
	unsigned int		nr;
	struct rnd_state	*rnd;	/* what the hands' are seeded by, or NULL */
};

static inline void hire(struct kunit *test, struct crew *crew, int (*work)(void *hand), void *what,
			bool bind)
{
	struct hand *hand = &crew->hands[crew->nr];

	KUNIT_ASSERT_LT(test, crew->nr, (unsigned int)MAX_CREW);
	*hand = (struct hand){ .work = work, .what = what, .nr = crew->nr };
	prandom_seed_state(&hand->rnd,
			   crew->rnd ? prandom_u32_state(crew->rnd) : get_random_u32());
	hand->task = kthread_create(work, hand, KBUILD_MODNAME "/%u", crew->nr);
	KUNIT_ASSERT_FALSE(test, IS_ERR(hand->task));
	get_task_struct(hand->task);
	if (bind)
		kthread_bind(hand->task,
			     cpumask_nth(crew->nr % num_online_cpus(), cpu_online_mask));
	crew->nr++;
	wake_up_process(hand->task);
}

/* Expect each to have done something. */
static inline unsigned long dismiss(struct kunit *test, struct crew *crew)
{
	unsigned long done = 0;

	while (crew->nr) {
		struct hand *hand = &crew->hands[--crew->nr];

		kthread_stop(hand->task);
		put_task_struct(hand->task);
		KUNIT_EXPECT_NE(test, hand->done, 0UL);
		done += hand->done;
	}
	return done;
}

#endif
