// SPDX-License-Identifier: GPL-2.0
/*
 * xpool: pools of pages
 *
 * Concepts
 *
 * A pool owns a range of memory and hands out blocks of it. The range is one of
 *
 *	system		taken from the system when the pool is made
 *	base		reserved at boot with memmap=, given by its address
 *	reserve_mem	reserved at boot with reserve_mem=, given by its name
 *	addr		the caller's own
 *
 * The blocks are those of a buddy system over page numbers (xbuddy.c). A pool
 * adds what a number stands for: an address, an owner, a use.
 *
 * Addresses
 *
 * Page number 0 is the last multiple of the largest block, 4 MiB, at or before
 * the start of the range. So a block that is aligned in page numbers is aligned
 * in addresses too. The numbers before the start are taken out of the buddy system
 * for good; they cost half a byte each, because the array of struct xpage
 * starts at the start.
 *
 *	        base              base + start
 *	        |- never free ----|- the range -------------------|
 *	offset  0                 start                start + bytes
 *
 * An address is in the pool when (address - base) - start < bytes: one
 * subtraction more than the offset that is needed anyway.
 *
 * Locks: pool->lock protects the buddy system, the counts and the change of a
 * block's owner. It is held for one operation of the buddy system, and only
 * tried in NMI, where the holder may be the context below: then an allocation
 * fails, and a free is put on a stack without a lock (struct xdefer) that the
 * next holder empties. The registry is a mutex; of allocations only those take it that
 * gather what no client holds (pool/gather.c).
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/device.h>
#include <linux/export.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/string.h>

#include "pool/page.h"

static struct xpool *default_pool;

static struct xpool *create_pool(const struct xpool_args *args)
{
	struct xpool *pool = xpool_setup(args);
	int err;

	if (IS_ERR(pool))
		return pool;
	err = xpool_mags_attach(pool);
	if (err)
		goto undo_setup;
	err = xpool_collect_init(pool);
	if (err)
		goto undo_magazines;
	/* From now on the pool can be seen and pinned. */
	raw_notifier_call_chain(&xobservers, XOBSERVE_POOL_ADD, pool);
	mutex_lock(&xpool_registry);
	pool->listing.entry.going = false;
	mutex_unlock(&xpool_registry);
	return pool;

undo_magazines:
	xpool_mags_detach(pool);
undo_setup:
	xpool_teardown(pool);
	xmeta_free(pool);
	return ERR_PTR(err);
}

/*
 * Pools that were destroyed after a refusal. Their clients may try to destroy them once
 * more, and must then not meet another pool at the same address.
 */
static LIST_HEAD(tombs);

/* After the last pool. */
void xpool_exit_tombs(void)
{
	struct xpool *pool, *next;

	list_for_each_entry_safe(pool, next, &tombs, listing.entry.node)
		xmeta_free(pool);
	INIT_LIST_HEAD(&tombs);
	xpool_map_exit();
}

/* What clients hold. */
static unsigned long pages_held(struct xpool *pool)
{
	struct xpool_stats stats;

	xpool_stats(pool, &stats);
	return stats.pages + stats.heaps + stats.slabs - READ_ONCE(pool->used.lost);
}

static void dispose_pool(struct xpool *pool, bool was_refused)
{
	bool lost;

	/* From now on the pool is not seen any more. This waits until the last pin is gone. */
	xpool_listed_retire(&pool->listing.entry);
	raw_notifier_call_chain(&xobservers, XOBSERVE_POOL_DEL, pool);
	xpool_grow_stop(pool);
	xpool_gather_exit(pool);
	lost = pool->state.given_up && pages_held(pool);	/* which looks at the magazines */
	xpool_linear_close(pool);
	xpool_mags_detach(pool);
	if (lost)
		xpool_abandon(pool);
	else
		xpool_teardown(pool);
	if (!was_refused) {
		xmeta_free(pool);
		return;
	}
	mutex_lock(&xpool_registry);
	list_add(&pool->listing.entry.node, &tombs);
	mutex_unlock(&xpool_registry);
}

/* From now on nothing is allocated, and nothing is kept. */
static void retire_pool(struct xpool *pool)
{
	WRITE_ONCE(pool->state.retired, true);
	xpool_mags_close(&pool->mags->holder);
	synchronize_rcu_expedited();
}

static void refuse_destroy(struct xpool *pool)
{
	struct xpool_stats stats;

	xpool_stats(pool, &stats);
	atomic_long_inc(&pool->counts.errors);
	pr_err("pool %s: not destroyed: %u caches or heaps and %llu pages are in use; it takes no allocations any more, and goes with the last of them\n",
	       pool->name, READ_ONCE(pool->listing.nr_users), stats.pages);
	xpool_name_users(pool);
}

/*
 * A pool that is claimed. Its caches lose their callbacks if it cannot go: the client
 * that made it may be about to be unloaded.
 */
static int destroy_pool(struct xpool *pool)
{
	/* Tasks that wait leave when it is retired, but may use its memory a moment longer. */
	bool waited = atomic_read(&pool->waiting.nr);
	bool was_retired = pool->state.retired;
	struct xholder *holder;

	if (!was_retired)
		retire_pool(pool);
	xpool_mags_drain_closed(&pool->mags->holder);
	xpool_drain_idle(pool);
	xpool_stray_check(pool);
	if (!READ_ONCE(pool->listing.nr_users) && !pages_held(pool) && !waited &&
	    !atomic_read(&pool->waiting.nr)) {
		dispose_pool(pool, was_retired);
		return 0;
	}
	refuse_destroy(pool);
	for_each_holder(holder, pool)
		if (holder->retire)
			holder->retire(holder);
	xpool_listed_unclaim(&pool->listing.entry);
	xpool_reap_soon();	/* the last of them may have been freed meanwhile */
	return -EBUSY;
}

/* The stamp of @client is that of this xalloc (@ok), or the log names the client. */
bool xpool_knows_client(bool ok, struct module *client)
{
	if (likely(ok))
		return true;
	pr_err("module %s was built for another xalloc; build it again with the headers of this one\n",
	       module_name(client));
	return false;
}

/**
 * xpool_create_stamped() - xpool_create(), with what the client was built for
 * @args: where its memory comes from
 * @stamp: the client's xpool_stamp()
 * @client: the client, for the log
 *
 * Context: Process context, may sleep.
 * Return: as of xpool_create() in xpool.h, which is how clients call this.
 */
struct xpool *xpool_create_stamped(const struct xpool_args *args, u32 stamp,
				   struct module *client)
{
	struct xpool *pool;

	if (!xpool_knows_client(stamp == xpool_stamp(), client))
		return ERR_PTR(-ENOEXEC);
	if (!args)
		return ERR_PTR(-EINVAL);
	if (!xpool_may_come_and_go("pool", args->name))
		return ERR_PTR(-EDEADLK);
	if (!try_module_get(THIS_MODULE))
		return ERR_PTR(-ENODEV);
	pool = create_pool(args);
	if (IS_ERR(pool))
		module_put(THIS_MODULE);
	return pool;
}
EXPORT_SYMBOL_GPL(xpool_create_stamped);

static void destroy_with_device(void *pool)
{
	xpool_destroy(pool);
}

/**
 * devm_xpool_create_stamped() - devm_xpool_create(), with what the client was built for
 * @dev: the device
 * @args: where its memory comes from
 * @stamp: the client's xpool_stamp()
 * @client: the client, for the log
 *
 * Context: Process context, may sleep.
 * Return: as of devm_xpool_create() in xpool.h, which is how clients call this.
 */
struct xpool *devm_xpool_create_stamped(struct device *dev, const struct xpool_args *args,
					u32 stamp, struct module *client)
{
	struct xpool *pool = xpool_create_stamped(args, stamp, client);
	int err = IS_ERR(pool) ? 0 : devm_add_action_or_reset(dev, destroy_with_device, pool);

	return err ? ERR_PTR(err) : pool;
}
EXPORT_SYMBOL_GPL(devm_xpool_create_stamped);

/**
 * xpool_destroy() - give a pool's memory back to where it came from
 * @pool: the pool, or NULL or an error pointer, which does nothing
 *
 * Where caches or heaps live in the pool, pages of it are held, or tasks wait for one with
 * __GFP_NOFAIL, this is refused, and the pool and its caches are orphans from then on:
 * nothing is allocated from them, constructors and move callbacks are forgotten, tasks that
 * wait get NULL, frees go on, and each goes away by itself with the last that is freed. To
 * destroy it may be tried again, also when it is gone by then. An operator can give up a pool
 * that nothing will be freed of; then its memory is lost.
 *
 * Context: Process context, may sleep; not from a shrinker, and with no lock held that a move
 * callback or a shrinker takes. No other call uses the pool.
 * Return: 0; or with a line in the log: -EBUSY where caches live in the pool, pages of it
 * are held or tasks wait for one, -EPERM for the default pool, -EDEADLK while the system
 * reclaims memory; or without one -EDEADLK from a move callback where caches live in the pool,
 * of which that may be one, or where another call destroys it. All but -EBUSY change nothing.
 */
int xpool_destroy(struct xpool *pool)
{
	int err;

	if (IS_ERR_OR_NULL(pool))
		return 0;
	if (pool == default_pool) {
		pr_err("pool %s: not destroyed: it goes with the module\n", pool->name);
		return -EPERM;
	}
	if (!xpool_may_come_and_go("pool", NULL))
		return -EDEADLK;
	if (xpool_in_callback() && READ_ONCE(pool->listing.nr_users))
		return -EDEADLK;
	err = xpool_listed_claim_in_turn(&xpool_list, &pool->listing.entry);
	if (err)
		return err == -ENOENT ? 0 : err;
	err = destroy_pool(pool);
	if (!err)
		module_put(THIS_MODULE);
	return err;
}
EXPORT_SYMBOL_GPL(xpool_destroy);

/*
 * An operator says that no client will come back for what it holds of an orphan. The
 * worker does it, because the operator is in a file of the pool, which goes with it.
 */
int xpool_give_up(struct xpool *pool)
{
	struct xholder *holder;

	if (!READ_ONCE(pool->state.retired))
		return -EINVAL;
	for_each_holder(holder, pool)
		if (holder->give_up)
			holder->give_up(holder);
	WRITE_ONCE(pool->state.given_up, true);
	xpool_reap_soon();
	return 0;
}
EXPORT_SYMBOL_FOR_KUNIT(xpool_give_up);

/* Is nothing held of an orphan, or was it given up? What NMIs left goes back first. */
static bool pool_is_over(struct xpool *pool)
{
	if (!READ_ONCE(pool->state.retired) || READ_ONCE(pool->listing.nr_users) ||
	    atomic_read(&pool->waiting.nr))
		return false;
	if (xpool_defer_waits(&pool->deferred))
		xpool_drain_idle(pool);
	return READ_ONCE(pool->state.given_up) || !pages_held(pool);
}

/* One orphan goes by itself. Returns false if none can. The worker's context. */
bool xpool_reap_one(void)
{
	struct xpool *pool;

	for_each_pool(pool)
		if (pool_is_over(pool) && !xpool_listed_claim(&xpool_list, &pool->listing.entry))
			break;
	if (!pool)
		return false;
	xpool_listed_unpin(&pool->listing.entry);	/* it is claimed */
	xpool_drain_idle(pool);
	pr_info("pool %s: %s\n", pool->name,
		pool->state.given_up ? "given up" : "the last of it was freed; it goes");
	dispose_pool(pool, true);
	module_put(THIS_MODULE);
	return true;
}

/**
 * xpool_default_stamped() - xpool_default(), with what the client was built for
 * @stamp: the client's xpool_stamp()
 * @client: the client, for the log
 *
 * Context: Any.
 * Return: as of xpool_default() in xpool.h, which is how clients call this.
 */
struct xpool *xpool_default_stamped(u32 stamp, struct module *client)
{
	return xpool_knows_client(stamp == xpool_stamp(), client) ? default_pool : NULL;
}
EXPORT_SYMBOL_GPL(xpool_default_stamped);

int xpool_init_default(const struct xpool_args *args)
{
	struct xpool *pool = create_pool(args);

	if (IS_ERR(pool))
		return PTR_ERR(pool);
	default_pool = pool;
	return 0;
}

/* The pool must go even where clients left pages behind: then its memory is lost. */
void xpool_exit_default(void)
{
	struct xpool *pool = default_pool;

	if (!pool)
		return;
	default_pool = NULL;
	/* To the worker it would be an orphan of which nothing is held. */
	xpool_listed_claim(&xpool_list, &pool->listing.entry);
	retire_pool(pool);
	xpool_mags_drain_closed(&pool->mags->holder);
	xpool_drain_idle(pool);
	pool->state.given_up = pages_held(pool);
	if (pool->state.given_up)
		refuse_destroy(pool);
	dispose_pool(pool, false);
}
