// SPDX-License-Identifier: GPL-2.0
/*
 * pool/idle: what a pool has that no client uses
 *
 * The sum of hot blocks, slabs without objects and empty regions, against the limit of what is
 * cached. How each is counted is in limit.c.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include "pool.h"

/* Pages that are counted against idle_limit. */
unsigned long xpool_idle(const struct xpool *pool)
{
	long cached = max(atomic_long_read(&pool->cached), 0L);
	unsigned long idle = cached + READ_ONCE(pool->last_freed.nr_pages);

	return pool->grow ? idle + xgrow_spare(pool) : idle;
}

bool xpool_over_cache(const struct xpool *pool)
{
	unsigned long limit = READ_ONCE(pool->idle_limit);

	return limit != XPOOL_NO_LIMIT && xpool_idle(pool) > limit;
}
