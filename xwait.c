// SPDX-License-Identifier: GPL-2.0
/*
 * xwait: waiting for an object
 *
 * Of a cache made with XSLAB_WAIT, an allocation that may sleep does so until there
 * is an object. Those who wait stand in a queue, and the first one is handed an
 * object by whoever makes one free. While somebody waits
 *
 *	the magazines are closed, so that every free comes to the slabs, and
 *	no object is free in slabs whenever the cache's lock is free.
 *
 * The second follows from unlock_freed(), by which everybody unlocks who made
 * something free: it serves the queue first. So nobody can come in between and take
 * what somebody waits for, and the order is that of the queue.
 *
 *	waiters: tail ...  first --(an object, under the lock)--> served --(wake)--> gone
 *
 * Who waits asks the pool for a slab too, when it comes and when it is told to look:
 * because blocks went back to the pool's buddy system, because a limit was raised, or
 * because one that waited left, so there may be room for the next one. What clients
 * of the pool free into magazines tells nobody, which is what makes it fast; a look
 * at every tenth of a second finds that.
 *
 * A free may come from NMI, or with a lock of the scheduler held, where nobody can be
 * woken. Unless it comes from a task with interrupts on, the waking is left to an
 * irq_work.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "xslab_impl.h"

#define XWAIT_LOOK	(HZ / 10)	/* jiffies between looks that nobody asked for */

/**
 * struct xwaiter - a task that waits, on its stack
 * @node: in waiters, in served, or nowhere
 * @task: the task
 * @obj: what it was handed
 * @look: it is to ask the pool again
 */
struct xwaiter {
	struct list_head	node;
	struct task_struct	*task;
	void			*obj;
	bool			look;
};

static void count_waiting(struct xslab_cache *cache, int more)
{
	lockdep_assert_held(&cache->lock);
	WRITE_ONCE(cache->nr_waiting, cache->nr_waiting + more);
	set_watermark(cache);
}

/* Hand free objects to those who wait; false: nobody got one. */
bool xwait_serve(struct xslab_cache *cache)
{
	struct xwaiter *waiter;
	bool served = false;
	void *obj;

	lockdep_assert_held(&cache->lock);
	while (cache->nr_waiting && (obj = xfill_one(cache, NULL))) {
		waiter = list_first_entry(&cache->waiters, struct xwaiter, node);
		list_move_tail(&waiter->node, &cache->served);
		count_waiting(cache, -1);
		WRITE_ONCE(waiter->obj, obj);
		served = true;
	}
	return served;
}

/* Wake a task that was found on one of the lists; it may be gone from there by now. */
static void wake(struct task_struct *task)
{
	wake_up_process(task);
	put_task_struct(task);
}

/* One who was served and sleeps still, or NULL. */
static struct task_struct *next_served(struct xslab_cache *cache)
{
	struct task_struct *task = NULL;
	struct xwaiter *waiter;
	unsigned long flags;

	raw_spin_lock_irqsave(&cache->lock, flags);
	settle(cache);
	waiter = list_first_entry_or_null(&cache->served, struct xwaiter, node);
	if (waiter) {
		list_del_init(&waiter->node);
		task = get_task_struct(waiter->task);
	}
	unlock_freed(cache, flags);
	return task;
}

static void wake_served(struct xslab_cache *cache)
{
	struct task_struct *task;

	while ((task = next_served(cache)))
		wake(task);
}

/* Wake those who were served. From any context. */
void xwait_wake(struct xslab_cache *cache)
{
	if (in_task() && !irqs_disabled())
		wake_served(cache);
	else
		irq_work_queue(&cache->later);
}

static struct task_struct *first_to_look(struct xslab_cache *cache)
{
	struct task_struct *task = NULL;
	struct xwaiter *waiter;
	unsigned long flags;

	raw_spin_lock_irqsave(&cache->lock, flags);
	waiter = list_first_entry_or_null(&cache->waiters, struct xwaiter, node);
	if (waiter) {
		WRITE_ONCE(waiter->look, true);
		task = get_task_struct(waiter->task);
	}
	xslab_unlock(cache, flags);
	return task;
}

/* The first who waits is to ask the pool again. */
void xwait_look(struct xslab_cache *cache)
{
	struct task_struct *task = first_to_look(cache);

	if (task)
		wake(task);
}

static void do_later(struct irq_work *work)
{
	struct xslab_cache *cache = container_of(work, struct xslab_cache, later);

	wake_served(cache);
	xwait_look(cache);
}

static void has_room(struct xclient *client)
{
	struct xslab_cache *cache = container_of(client, struct xslab_cache, client);

	if (READ_ONCE(cache->nr_waiting))
		irq_work_queue(&cache->later);
}

void xwait_init(struct xslab_cache *cache)
{
	INIT_LIST_HEAD(&cache->waiters);
	INIT_LIST_HEAD(&cache->served);
	init_irq_work(&cache->later, do_later);
	cache->client.room = has_room;
}

void xwait_exit(struct xslab_cache *cache)
{
	irq_work_sync(&cache->later);
}

/* Somebody waits, so the cache cannot go; says so. */
bool xwait_refuse(struct xslab_cache *cache)
{
	int nr = atomic_read(&cache->nr_sleepers);

	if (nr)
		pr_err("cache %s: not destroyed: %d tasks wait for an object\n", cache->name, nr);
	return nr;
}

/* What is free now is for those who came first; the magazines are emptied after it. */
static void queue_up(struct xslab_cache *cache, struct xwaiter *waiter)
{
	unsigned long flags;

	atomic_inc(&cache->pool->nr_sleepers);
	raw_spin_lock_irqsave(&cache->lock, flags);
	settle(cache);
	list_add_tail(&waiter->node, &cache->waiters);
	count_waiting(cache, 1);
	unlock_freed(cache, flags);
	if (atomic_inc_return(&cache->nr_sleepers) == 1)
		xmag_set_closed(&cache->mag, true);
}

/* Returns what it was handed. The next one may find room that this one left. */
static void *leave(struct xslab_cache *cache, struct xwaiter *waiter)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&cache->lock, flags);
	if (!waiter->obj)
		count_waiting(cache, -1);
	list_del(&waiter->node);
	xslab_unlock(cache, flags);
	xwait_look(cache);
	if (atomic_dec_and_test(&cache->nr_sleepers))
		xmag_set_closed(&cache->mag, false);
	atomic_dec(&cache->pool->nr_sleepers);
	return waiter->obj;
}

static bool is_over(const struct xwaiter *waiter)
{
	return READ_ONCE(waiter->obj) || fatal_signal_pending(current);
}

static void sleep(struct xwaiter *waiter)
{
	set_current_state(TASK_KILLABLE);
	if (!is_over(waiter) && !READ_ONCE(waiter->look))
		schedule_timeout(XWAIT_LOOK);
	__set_current_state(TASK_RUNNING);
}

/*
 * An object that is not marked live yet, after those who came before have theirs; or
 * NULL, when the task is killed.
 */
void *xwait_for_object(struct xslab_cache *cache, gfp_t gfp)
{
	struct xwaiter waiter = { .task = current };

	might_sleep();
	queue_up(cache, &waiter);
	while (!is_over(&waiter)) {
		WRITE_ONCE(waiter.look, false);
		/* Pairs with tell_room() of the pool: it knows that somebody sleeps. */
		if (!xslab_grow(cache, gfp, NULL))
			sleep(&waiter);
	}
	if (leave(cache, &waiter))
		this_cpu_inc(cache->mag.slow->allocs);
	return waiter.obj;
}
