// SPDX-License-Identifier: GPL-2.0
/*
 * slab/queue: tasks that wait for an object
 *
 * They stand in a queue, and a CPU that makes an object free hands it to the first, before it gives
 * up the lock:
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

void xslab_queue_count(struct xslab_cache *cache, int more)
{
	lockdep_assert_held(&cache->lock);
	WRITE_ONCE(cache->waiting.nr, cache->waiting.nr + more);
	set_watermark(cache);
}

/* Hand free objects to tasks that wait. Returns false if none got one. */
bool xslab_queue_serve(struct xslab_cache *cache)
{
	struct xwaiter *waiter;
	bool served = false;
	void *obj;

	lockdep_assert_held(&cache->lock);
	while (cache->waiting.nr && (obj = xslab_take_one(cache, NULL))) {
		waiter = list_first_entry(&cache->waiting.list, struct xwaiter, node);
		list_move_tail(&waiter->node, &cache->waiting.served);
		xslab_queue_count(cache, -1);
		WRITE_ONCE(waiter->obj, obj);
		served = true;
	}
	return served;
}

/*
 * Wake the first task on one of the lists, which looks again whether it must wait; one that was
 * served leaves the list. Returns false if there is none.
 */
static bool wake_first(struct xslab_cache *cache, struct list_head *list)
{
	struct task_struct *task = NULL;
	struct xwaiter *waiter;
	unsigned long flags;

	raw_spin_lock_irqsave(&cache->lock, flags);
	waiter = list_first_entry_or_null(list, struct xwaiter, node);
	if (waiter) {
		WRITE_ONCE(waiter->look, true);
		if (list == &cache->waiting.served)
			list_del_init(&waiter->node);
		task = get_task_struct(waiter->task);
	}
	xslab_unlock(cache, flags);
	if (!task)
		return false;
	wake_up_process(task);	/* it may be gone from the list by now */
	put_task_struct(task);
	return true;
}

/* The first task that waits must ask the pool again, or see that the cache is retired. */
void xslab_queue_look(struct xslab_cache *cache)
{
	wake_first(cache, &cache->waiting.list);
}

/* Wake the tasks that were served and sleep still. */
void xslab_queue_wake_served(struct xslab_cache *cache)
{
	while (wake_first(cache, &cache->waiting.served))
		;
}

/* Wake the tasks that were served. From any context. */
void xslab_queue_wake(struct xslab_cache *cache)
{
	if (in_task() && !irqs_disabled())
		xslab_queue_wake_served(cache);
	else
		irq_work_queue(&cache->irq_work);
}
