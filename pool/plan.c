// SPDX-License-Identifier: GPL-2.0
/*
 * pool/plan: which regions will be emptied
 *
 * Few pages may lie in many regions of a pool that grows. When a forced collection has packed the
 * objects of all caches, the pages of objects that can be moved are counted for each region. The
 * regions with the fewest are chosen, as long as the others have room for what is in them. They
 * serve no request from then on (XSERVES_NONE), their objects are moved out (slab/move.c), and
 * they go back to the system.
 */
#include <linux/sched.h>

#include "pool.h"

#define XGROW_STEPS	16U	/* of pages in use, by which regions are looked at */
#define XGROW_STEP	(XPOOL_LARGEST_PAGES / XGROW_STEPS)

/*
 * Can what is in the region be held by the others? Then it will be empty: what is free
 * elsewhere of its kind, or in the first ones, is taken. @room: what is free, by xserves.
 */
static bool empty_later(struct xpool *pool, unsigned long r, unsigned long *room)
{
	struct xregion *region = &pool->regions[r];
	unsigned long used = region->used, free = region->nr - used, own;
	enum xserves kind = region->serves;

	lockdep_assert_held(&pool->lock);
	if (!region->nr || !used || kind >= XSERVES_KINDS || region->movable < used ||
	    room[kind] < free || room[kind] + room[XSERVES_ANY] < region->nr)
		return false;
	room[kind] -= free;
	own = min(room[kind], used);
	room[kind] -= own;
	room[XSERVES_ANY] -= used - own;
	region->served = kind;
	xpool_region_set_serves(pool, r, XSERVES_NONE);
	return true;
}

/* Empty regions are not there to be filled: they have gone, or are a reserve. */
static void count_room(struct xpool *pool, unsigned long *room)
{
	unsigned long r, flags;

	raw_spin_lock_irqsave(&pool->lock, flags);
	memcpy(room, pool->grow->free, sizeof(pool->grow->free));
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	room[XSERVES_ANY] = 0;
	for (r = 0; r < pool->nr_fixed; r++)
		room[XSERVES_ANY] += pool->regions[r].nr - READ_ONCE(pool->regions[r].used);
}

static void count_movable(struct xpool *pool)
{
	struct xholder *holder;
	unsigned long r;

	for (r = 0; r < pool->nr_regions; r++)
		pool->regions[r].movable = 0;
	for_each_holder(holder, pool)
		if (holder->count_movable)
			holder->count_movable(holder);
}

/*
 * Choose the regions that will be emptied, for one caller at a time, the emptiest first: by
 * steps of pages in use. Returns false if there are none, or another caller is at it.
 */
bool xpool_plan_begin(struct xpool *pool)
{
	unsigned long room[XSERVES_NR], step, r, flags;
	bool any = false;

	if (test_and_set_bit_lock(0, &pool->grow->planned))
		return false;
	count_movable(pool);
	count_room(pool, room);
	for (step = 0; step <= XGROW_STEPS; step++) {
		for (r = pool->nr_regions; r-- > pool->nr_fixed;) {
			struct xregion *region = &pool->regions[r];

			if (!READ_ONCE(region->movable) ||
			    READ_ONCE(region->used) / XGROW_STEP != step)
				continue;
			raw_spin_lock_irqsave(&pool->lock, flags);
			any |= empty_later(pool, r, room);
			raw_spin_unlock_irqrestore(&pool->lock, flags);
		}
		cond_resched();
	}
	if (!any)
		clear_bit_unlock(0, &pool->grow->planned);
	return any;
}

/* What was not emptied serves what it did before. */
void xpool_plan_end(struct xpool *pool)
{
	unsigned long r, flags;

	for (r = pool->nr_fixed; r < pool->nr_regions; r++) {
		struct xregion *region = &pool->regions[r];

		raw_spin_lock_irqsave(&pool->lock, flags);
		if (region->serves == XSERVES_NONE)
			xpool_region_set_serves(pool, r,
						region->used ? region->served : XSERVES_ANY);
		raw_spin_unlock_irqrestore(&pool->lock, flags);
	}
	clear_bit_unlock(0, &pool->grow->planned);
}
