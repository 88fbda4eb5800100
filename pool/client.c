// SPDX-License-Identifier: GPL-2.0
/*
 * pool/client: pools, and the holders of their pages, that are listed
 *
 * Pools and holders (struct xclient) are kept from going by pins, so that the registry is held
 * only to take a step on a list. A worker, the reaper, disposes of what was destroyed while it was
 * in use, once it is not.
 *
 * Locks: xpool_registry protects the lists, the pins, and all that comes and goes.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/sched.h>

#include "pool.h"

/* Protects the lists of pools and of caches, and all that comes and goes. */
DEFINE_MUTEX(xpool_registry);
LIST_HEAD(xpool_list);
RAW_NOTIFIER_HEAD(xobservers);

/* For callers that want a pool or a client to go, and wait until no pin keeps it. */
DECLARE_WAIT_QUEUE_HEAD(xpool_unpinned);

void xpool_add_client(struct xpool *pool, struct xclient *client)
{
	mutex_lock(&xpool_registry);
	list_add_tail_rcu(&client->node, &pool->clients);
	mutex_unlock(&xpool_registry);
}

static void let_go(struct xclient *client)
{
	lockdep_assert_held(&xpool_registry);
	if (!--client->pins && client->going)
		wake_up_all(&xpool_unpinned);
}

void xpool_unpin_client(struct xclient *client)
{
	mutex_lock(&xpool_registry);
	let_go(client);
	mutex_unlock(&xpool_registry);
}

/*
 * The client of the pool after @last, or the first one; NULL at the end. It is pinned, and
 * @last is let go. One that is going is left out, but has its place until it is gone.
 */
struct xclient *xpool_next_client(struct xpool *pool, struct xclient *last)
{
	struct list_head *at = last ? &last->node : &pool->clients;
	struct xclient *found = NULL;

	mutex_lock(&xpool_registry);
	while (!found && (at = at->next) != &pool->clients) {
		struct xclient *client = list_entry(at, struct xclient, node);

		if (!client->going)
			found = client;
	}
	if (found)
		found->pins++;
	if (last)
		let_go(last);
	mutex_unlock(&xpool_registry);
	return found;
}

/* The client is about to go: after this it is not pinned, nor will be. May sleep. */
void xpool_retire_client(struct xclient *client)
{
	mutex_lock(&xpool_registry);
	client->going = true;
	mutex_unlock(&xpool_registry);
	/* Pins change under the registry, so the last one is seen. */
	wait_event(xpool_unpinned, !READ_ONCE(client->pins));
}

/* It is off the list, and no CPU looks at it through the list any more. May sleep. */
void xpool_del_client(struct xclient *client)
{
	mutex_lock(&xpool_registry);
	list_del_rcu(&client->node);
	mutex_unlock(&xpool_registry);
	synchronize_rcu_expedited();
}

void xpool_unpin(struct xpool *pool)
{
	mutex_lock(&xpool_registry);
	if (!--pool->listing.pins && pool->listing.going)
		wake_up_all(&xpool_unpinned);
	mutex_unlock(&xpool_registry);
}

/* Like xpool_next_client(), but the pool after @last, or the first one. */
struct xpool *xpool_next(struct xpool *last)
{
	struct list_head *at = last ? &last->listing.node : &xpool_list;
	struct xpool *found = NULL;

	mutex_lock(&xpool_registry);
	while (!found && (at = at->next) != &xpool_list) {
		struct xpool *pool = list_entry(at, struct xpool, listing.node);

		if (!pool->listing.going)
			found = pool;
	}
	if (found)
		found->listing.pins++;
	mutex_unlock(&xpool_registry);
	if (last)
		xpool_unpin(last);
	return found;
}

/* Is this one of the pools? @pool may point to one that is gone. Under xpool_registry. */
bool xpool_is_listed(const struct xpool *pool)
{
	struct xpool *listed;

	lockdep_assert_held(&xpool_registry);
	list_for_each_entry(listed, &xpool_list, listing.node)
		if (listed == pool)
			return true;
	return false;
}

/* Does work for requests that wait for memory, so it must not wait for a new thread. */
struct workqueue_struct *xgather_queue;

void (*xpool_flush)(struct xpool *pool);

/*
 * Pools and caches that were left behind by their clients go by themselves when the last
 * thing of theirs is free. The caller that frees it may hold any lock, so a worker does it.
 */
void (*xpool_reaper)(void);

static void reap(struct work_struct *work)
{
	xpool_reaper();
}

static DECLARE_WORK(reap_work, reap);

static void start_reaping(struct irq_work *soon)
{
	/* Not for requests that wait: it waits for workers that wait for the system's memory. */
	schedule_work(&reap_work);
}

static DEFINE_IRQ_WORK(reap_soon, start_reaping);

/* Any context, any locks held. */
void xpool_reap_soon(void)
{
	irq_work_queue(&reap_soon);
}

/* After the last pool. */
void xpool_reap_sync(void)
{
	irq_work_sync(&reap_soon);
	cancel_work_sync(&reap_work);
}

/*
 * May something be created or destroyed here? That takes locks of the system, of CPU
 * hotplug and of per-CPU memory, which are held while the system allocates: not where the
 * system reclaims memory for an allocation.
 */
bool xpool_may_come_and_go(const char *what, const char *name)
{
	if (likely(!(current->flags & PF_MEMALLOC)))
		return true;
	pr_err_ratelimited("%s %s: cannot be created or destroyed while the system reclaims memory\n",
			   what, name ?: "?");
	return false;
}
