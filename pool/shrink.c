// SPDX-License-Identifier: GPL-2.0
/*
 * pool/shrink: the system asks for memory back
 *
 * A pool that grows registers a shrinker: empty regions count, and what its holders could give
 * back. Scanning returns empty regions first, and then asks the holders for more. After that the
 * pool does not ask the system for a region for a while.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/jiffies.h>

#include "pool.h"

/* Empty regions, and what may become such when all that is kept is given up. */
static unsigned long shrink_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct xpool *pool = xcompat_shrinker_data(shrinker);
	unsigned long spare = xgrow_spare(pool);
	unsigned long here = READ_ONCE(pool->grow->grown) - READ_ONCE(pool->grow->returned);
	unsigned long rest = min(xpool_idle(pool), here);

	return max(spare, rest) ?: SHRINK_EMPTY;
}

static unsigned long shrink_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct xpool *pool = xcompat_shrinker_data(shrinker);
	unsigned long freed = 0;
	bool asked = false;

	xgrow_pause(pool->grow);
	while (freed < sc->nr_to_scan) {
		if (xgrow_return_region(pool, true)) {
			freed += XPOOL_CHUNK_PAGES;
			continue;
		}
		if (asked)
			break;
		asked = true;
		xpool_settle(pool);
		xpool_ask_clients(pool);
	}
	return freed ?: SHRINK_STOP;
}

/* The pool is complete. Returns 0 or -ENOMEM. */
int xgrow_start(struct xpool *pool)
{
	if (!pool->grow)
		return 0;
	pool->grow->shrinker = xcompat_shrinker_new(pool->name, pool, shrink_count,
						    shrink_scan);
	return pool->grow->shrinker ? 0 : -ENOMEM;
}
