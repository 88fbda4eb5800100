// SPDX-License-Identifier: GPL-2.0
/*
 * slab/client: a cache as a holder of its pool's pages
 *
 * The pool knows its holders of free pages by struct xclient, and calls these functions: to have
 * pages back before a request fails, to gather what no client holds, and for its limits.
 */
#include <linux/irq_work.h>

#include "slab.h"

/* The pool runs dry: give back free slabs, or slabs that magazines at hand keep in use. */
static unsigned long client_reclaim(struct xclient *client)
{
	struct xslab_cache *cache = of_client(client);
	unsigned int nr = xslab_release_some(cache, XSLAB_RELEASE);

	if (!nr && xmag_drain_depot(&cache->mag) + xmag_drain_here(&cache->mag))
		nr = xslab_release_some(cache, XSLAB_RELEASE);
	/* The pool does not have the slabs yet that wait. */
	return xslab_rcu_is_typesafe(cache) ? 0 : (unsigned long)nr << cache->order;
}

static void client_close(struct xclient *client)
{
	xmag_shut(&of_client(client)->mag);
}

static unsigned long client_drain(struct xclient *client)
{
	struct xslab_cache *cache = of_client(client);
	unsigned long pages;

	xmag_drain_closed(&cache->mag);
	xslab_move_give_back(cache);
	pages = xslab_release_all(cache);
	xslab_leave_wait(cache);
	return pages;
}

static void client_open(struct xclient *client)
{
	xmag_unshut(&of_client(client)->mag);
}

/* Pages of as many slabs as the objects in magazines would fill. */
static unsigned long client_in_magazines(struct xclient *client)
{
	struct xslab_cache *cache = of_client(client);
	struct xmag_count count;

	xmag_count(&cache->mag, &count);
	return DIV_ROUND_UP(count.cpus + count.depot, cache->per_slab) << cache->order;
}

/* The pool's limits leave no room for what the magazines may keep, or do again. */
static void client_shut(struct xclient *client, bool shut)
{
	struct xslab_cache *cache = of_client(client);

	lockdep_assert_held(&cache->pool->tuning);
	xslab_set_closed(cache, &cache->limit.pool_shut, shut);
}

static bool client_stray(struct xclient *client, const struct xpool_stray *stray)
{
	struct xslab_cache *cache = of_client(client);

	if ((void *)((unsigned long)stray->cache & ~1UL) != cache)
		return false;
	xslab_report_stray(cache, stray);
	return true;
}

static unsigned long client_collect(struct xclient *client)
{
	return xslab_cache_collect(of_client(client), false);
}

/* Objects that can be moved lie in as few pages as can be after this. */
static unsigned long client_compact(struct xclient *client)
{
	struct xslab_cache *cache = of_client(client);

	return READ_ONCE(cache->moving.move) ? xslab_collect_by_force(cache, false) : 0;
}

/* Blocks went back to the pool's buddy system: a task that waits may find a slab. */
static void client_room(struct xclient *client)
{
	struct xslab_cache *cache = of_client(client);

	if (READ_ONCE(cache->waiting.nr))
		irq_work_queue(&cache->later);
}

void xslab_client_init(struct xclient *client)
{
	*client = (struct xclient){
		.reclaim = client_reclaim, .collect = client_collect,
		.compact = client_compact, .close = client_close, .drain = client_drain,
		.open = client_open, .in_magazines = client_in_magazines,
		.shut = client_shut, .room = client_room, .stray = client_stray,
		.count_movable = xslab_move_count, .vacate = xslab_move_vacate,
		.retire = xslab_client_retire, .give_up = xslab_client_give_up,
	};
}
