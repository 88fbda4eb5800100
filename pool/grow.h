/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pools that grow: a part of pool.h, which includes it; see pool/grow.c
 */
#ifndef _XALLOC_GROW_H
#define _XALLOC_GROW_H

/**
 * struct xgrow - what a pool has that takes memory from the system and gives it back
 * @pool: the pool
 * @work: takes and gives back where others cannot
 * @soon: queues @work
 * @shrinker: the system's way of asking for memory
 * @not_before: when the worker may ask the system again, in jiffies
 * @refused: like @not_before, for callers that may sleep: until then the system is asked for
 *	what is free there, and not to reclaim
 * @asked: kinds of blocks that were asked for since the worker ran, as bits
 * @starved: those of which one was not there, although enough pages may have been
 * @planned: bit 0 belongs to the collection that empties regions
 * @stopped: no more work
 * @nr_reserving: calls that bring regions for a reserve; none goes for a limit meanwhile
 * @unused: pages that went since a collection began and were free then; this and
 *	those below under the pool's lock
 * @fixed_spare: pages of empty regions that stay
 * @spare: pages of empty regions that can go
 * @grown: pages taken so far
 * @returned: pages given back so far
 * @free: pages that are free in regions, by enum xserves
 * @absent: a bit a region, set where there is no memory for it
 * @for_kind: a bit a region, set where it may serve the kind; absent ones may, too. For
 *	XSERVES_LARGE from the last region to the first
 * @maps: the memory of these
 */
struct xgrow {
	struct xpool		*pool;
	struct work_struct	work;
	struct irq_work		soon;
	struct shrinker		*shrinker;
	unsigned long		not_before;
	unsigned long		refused;
	unsigned long		asked;
	unsigned long		starved;
	unsigned long		planned;
	bool			stopped;
	atomic_t		nr_reserving;
	unsigned long		unused;
	unsigned long		fixed_spare;
	unsigned long		spare;
	unsigned long		grown;
	unsigned long		returned;
	unsigned long		free[XSERVES_NR];
	unsigned long		*absent;
	unsigned long		*for_kind[XSERVES_KINDS];
	unsigned long		maps[];
};

#endif
