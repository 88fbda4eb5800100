// SPDX-License-Identifier: GPL-2.0
/*
 * slab/queue: tasks that wait for an object
 *
 * They stand in a queue, and a CPU that makes an object free hands it to the first:
 *
 *	waiting.list: tail ...  first --(an object, under the lock)--> served --(wake)--> gone
 *
 * A free may come from NMI, or with a lock of the scheduler held, where no task can be woken.
 * Unless it comes from a task with interrupts on, the waking is left to an irq_work. How a task
 * gets into the queue, and what it does there, is in wait.c.
 */
#include <linux/irq_work.h>
#include <linux/sched.h>
#include <linux/sched/task.h>

#include "slab.h"

void xslab_count_waiting(struct xslab_cache *cache, int more)
{
	lockdep_assert_held(&cache->lock);
	WRITE_ONCE(cache->waiting.nr, cache->waiting.nr + more);
	set_watermark(cache);
}

/* Hand free objects to tasks that wait. Returns false if none got one. */
bool xslab_wait_serve(struct xslab_cache *cache)
{
	struct xwaiter *waiter;
	bool served = false;
	void *obj;

	lockdep_assert_held(&cache->lock);
	while (cache->waiting.nr && (obj = xslab_take_one(cache, NULL))) {
		waiter = list_first_entry(&cache->waiting.list, struct xwaiter, node);
		list_move_tail(&waiter->node, &cache->waiting.served);
		xslab_count_waiting(cache, -1);
		WRITE_ONCE(waiter->obj, obj);
		served = true;
	}
	return served;
}

/* Wake a task, if any, that was found on one of the lists; it may be gone from there by now. */
void xslab_wake_task(struct task_struct *task)
{
	if (!task)
		return;
	wake_up_process(task);
	put_task_struct(task);
}

/* Wake the tasks that were served and sleep still. */
void xslab_wake_served(struct xslab_cache *cache)
{
	struct task_struct *task;
	struct xwaiter *waiter;
	unsigned long flags;

	do {
		task = NULL;
		raw_spin_lock_irqsave(&cache->lock, flags);
		waiter = list_first_entry_or_null(&cache->waiting.served, struct xwaiter, node);
		if (waiter) {
			list_del_init(&waiter->node);
			task = get_task_struct(waiter->task);
		}
		xslab_unlock(cache, flags);
		xslab_wake_task(task);
	} while (task);
}

/* Wake the tasks that were served. From any context. */
void xslab_wait_wake(struct xslab_cache *cache)
{
	if (in_task() && !irqs_disabled())
		xslab_wake_served(cache);
	else
		irq_work_queue(&cache->later);
}
