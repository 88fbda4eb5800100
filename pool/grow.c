// SPDX-License-Identifier: GPL-2.0
/*
 * pool/grow: regions come from the system, and go back
 *
 * Concepts
 *
 * A pool of memory from the system may have a max_size. It begins with the regions
 * of its size, which stay, and has page numbers, metadata and places in its table
 * of regions for all that may come. A region that comes is a block of 4 MiB, the
 * largest that the system's allocator has and the largest of the buddy system.
 *
 *	page numbers  |- size ----------|- max_size - size ---------------------|
 *	regions       [here][here][here][here][absent][here][absent][absent]...
 *
 * To the buddy system the numbers of an absent region are a block that is in use, as are
 * the numbers before the start of a range. A region that comes is freed into it; one that
 * goes is taken out of it, which works just when no page of it is in use.
 *
 * Growth
 *
 * A request that may sleep (__GFP_DIRECT_RECLAIM) takes the region itself, with no lock
 * held, and its block of it in the same critical section as the region comes: so no other
 * request is faster, and no empty region is there for an instant, which a limit of what is
 * cached might forbid. For the others a worker grows the pool ahead of need. The slow paths
 * look at the number of free pages of their kind once they have let go of the pool's lock,
 * and wake it:
 *
 *	grows	when these are fewer than an eighth of the pool, or 4 MiB, on top of the
 *		reserve; or a block was not there (starved); never over max_size, never
 *		for pages that the hard limit does not let be used, and never over the
 *		limit of what is cached
 *	gives	back empty regions when they are over the limit of what is cached
 *
 * After the system had no block, or wanted memory back, the worker leaves it alone for a
 * while. A request that may sleep asks it nevertheless; after another one of its kind was
 * refused, it asks only for what is free there.
 *
 * Giving back needs neither a mutex nor an allocation, so the context that frees the last
 * page of a region that may not be kept gives it back itself, where the system's locks may
 * be taken; otherwise the worker does. Two more give back: xpool_collect(), and the
 * shrinker, by which the system asks when it runs out of memory. None takes a region that
 * a reserve (pool/blocks.c) needs, and such regions do not count as cached.
 *
 * Locks: pool->lock protects all that is counted, which regions are there, and what they
 * serve. No lock is held while the system is asked for memory.
 */
#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/sched.h>

#include "pool.h"

#define XGROW_SHARE	8U		/* free pages should be 1/8 of the pool ... */
#define XGROW_LEAST	XPOOL_LARGEST_PAGES	/* ... and a region at least */
#define XGROW_PAUSE	(HZ / 10 + 1)	/* after the system had nothing, jiffies */

/* With fewer free pages than this the pool grows. */
static unsigned long low_mark(const struct xpool *pool)
{
	return max(READ_ONCE(pool->nr_pages) / XGROW_SHARE, XGROW_LEAST) +
	       READ_ONCE(pool->limits.reserve);
}

/* Would @more pages of empty regions be over the limit of what is cached? */
static bool too_many_spare(const struct xpool *pool, unsigned long more)
{
	unsigned long limit = READ_ONCE(pool->idle_limit);
	unsigned long fixed = READ_ONCE(pool->grow->fixed_spare);

	return limit != XPOOL_NO_LIMIT && xpool_idle(pool) + fixed + more > limit;
}

/* The kinds of blocks that there are few of, as bits; of those that were asked for. */
static unsigned long low_kinds(const struct xpool *pool)
{
	unsigned long room = xpool_hard_room(pool), mark = min(low_mark(pool), room);
	unsigned long low = room ? READ_ONCE(pool->grow->starved) : 0;
	enum xserves kind;

	for (kind = 0; kind < XSERVES_KINDS; kind++) {
		unsigned long free = READ_ONCE(pool->grow->free[kind]) +
				     READ_ONCE(pool->grow->free[XSERVES_ANY]);

		if (READ_ONCE(pool->grow->asked) & BIT(kind) && free < mark)
			low |= BIT(kind);
	}
	return low;
}

static bool has_absent(const struct xpool *pool)
{
	return READ_ONCE(pool->nr_pages) + XPOOL_LARGEST_PAGES <= pool->max_pages;
}

/* May a region come for which no request waits? */
static bool may_grow_ahead(const struct xpool *pool)
{
	return has_absent(pool) && !too_many_spare(pool, XPOOL_LARGEST_PAGES);
}

/* Does the pool want a region, and may it have one? May be old without the lock. */
static bool wants_region(const struct xpool *pool, enum xserves kind)
{
	return low_kinds(pool) & BIT(kind) && may_grow_ahead(pool);
}

static bool gives_region(const struct xpool *pool)
{
	return READ_ONCE(pool->grow->spare) && !atomic_read(&pool->grow->nr_reserving) &&
	       too_many_spare(pool, 0);
}

/*
 * A region comes
 */

/* The memory of a region that was not added, or has been taken out. */
void xpool_grow_drop(struct xpool *pool, struct page *page)
{
	xpool_unmap_grown((unsigned long)page_address(page));
	xtools_open(pool->tools, page_address(page), 1UL << XPOOL_LARGEST_SHIFT);
	xpool_refs_release(pool, page, XPOOL_LARGEST_PAGES);
}

/* The memory of a region, which leads to the pool from now on; or NULL. */
static struct page *take_from_system(struct xpool *pool, gfp_t gfp)
{
	struct page *page;

	/*
	 * What the system keeps for tasks that reclaim is not for a pool to grow. To ask for a
	 * block where it may sleep would have it compact memory even for such a task, which
	 * hands that out too.
	 */
	if (current->flags & PF_MEMALLOC)
		gfp &= ~__GFP_DIRECT_RECLAIM;
	gfp |= __GFP_NORETRY | __GFP_NOWARN | __GFP_NOMEMALLOC;
	page = alloc_pages(gfp, XBUDDY_MAX_ORDER);
	if (!page)
		return NULL;
	if (!xpool_linear_fits(pool, (unsigned long)page_address(page)) ||
	    xpool_map_grown(pool, (unsigned long)page_address(page), gfp)) {
		__free_pages(page, XBUDDY_MAX_ORDER);
		return NULL;
	}
	/* A client's pages are not parts of anything larger. */
	split_page(page, XBUDDY_MAX_ORDER);
	xpool_refs_freeze(page, XPOOL_LARGEST_PAGES);
	xtools_add_range(pool->tools, page_address(page), 1UL << XPOOL_LARGEST_SHIFT);
	return page;
}

/* The counts, when a region has come or, with a negative number, gone. */
static void count_region(struct xpool *pool, unsigned long r, long nr)
{
	lockdep_assert_held(&pool->lock);
	__assign_bit(r, pool->grow->absent, nr < 0);
	WRITE_ONCE(pool->nr_pages, pool->nr_pages + nr);
	xpool_region_count_free(pool, pool->regions[r].serves, nr);
}

static void count_spare_pages(struct xpool *pool, long nr)
{
	WRITE_ONCE(pool->grow->spare, pool->grow->spare + nr);
	if (nr > 0)
		xwatch_wake(&pool->decay.watch);
}

/*
 * A region for @kind comes as number *@r. Until xpool_grow_added() it counts as in use, so
 * that it is not seen empty for an instant. Returns false if no place is absent.
 */
bool xpool_grow_add(struct xpool *pool, enum xserves kind, struct page *page, unsigned long *r)
{
	const unsigned long *absent = pool->grow->absent;
	unsigned long all = pool->nr_regions;
	struct xregion *region;

	lockdep_assert_held(&pool->lock);
	*r = kind == XSERVES_LARGE ? find_last_bit(absent, all) : find_first_bit(absent, all);
	if (*r == all)
		return false;
	region = &pool->regions[*r];
	region->used = 0;
	region->was_used = XPOOL_LARGEST_PAGES;
	WRITE_ONCE(region->addr, (unsigned long)page_address(page));
	WRITE_ONCE(region->nr, XPOOL_LARGEST_PAGES);
	xpool_linear_add(pool, *r);
	xbuddy_free(&pool->buddy, region->index, XBUDDY_MAX_ORDER);
	count_region(pool, *r, XPOOL_LARGEST_PAGES);
	xpool_region_set_serves(pool, *r, kind);
	region->used = 1;
	pool->grow->grown += XPOOL_LARGEST_PAGES;
	WRITE_ONCE(pool->grow->starved, pool->grow->starved & ~BIT(kind));
	return true;
}

/* An empty region for @kind; unless @anyway, only if the pool still wants it. */
static bool add_spare(struct xpool *pool, enum xserves kind, struct page *page, bool anyway)
{
	unsigned long flags, r;
	bool added;

	raw_spin_lock_irqsave(&pool->lock, flags);
	added = (anyway || wants_region(pool, kind)) && xpool_grow_add(pool, kind, page, &r);
	if (added) {
		pool->regions[r].used = 0;
		count_spare_pages(pool, XPOOL_LARGEST_PAGES);
	}
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	if (!added)
		xpool_grow_drop(pool, page);
	return added;
}

void xpool_grow_pause(struct xgrow *grow)
{
	WRITE_ONCE(grow->not_before, jiffies + XGROW_PAUSE);
	WRITE_ONCE(grow->starved, 0);
}

/*
 * Take regions for as long as the pool wants them and the system has them. Process
 * context, may sleep. Returns the pages that came.
 */
unsigned long xpool_grow_now(struct xpool *pool)
{
	unsigned long pages = 0;
	enum xserves kind;
	struct page *page;

	for (kind = 0; kind < XSERVES_KINDS; kind++) {
		while (wants_region(pool, kind)) {
			page = take_from_system(pool, GFP_KERNEL);
			if (!page) {
				xpool_grow_pause(pool->grow);
				return pages;
			}
			if (!add_spare(pool, kind, page, false))
				break;
			pages += XPOOL_LARGEST_PAGES;
			cond_resched();
		}
	}
	return pages;
}
EXPORT_SYMBOL_FOR_KUNIT(xpool_grow_now);

/*
 * For a request that may sleep: the memory of a region, if one may come and the system
 * has it. May sleep where @gfp says so; no lock of ours is held. After a refusal the
 * system is not asked to reclaim for a while, but what is free there is taken.
 */
struct page *xpool_grow_fetch(struct xpool *pool, gfp_t gfp)
{
	struct xgrow *grow = pool->grow;
	struct page *page;

	if (!has_absent(pool) || READ_ONCE(grow->stopped))
		return NULL;
	gfp &= __GFP_RECLAIM | __GFP_IO | __GFP_FS;
	if (time_before(jiffies, READ_ONCE(grow->refused)))
		gfp &= ~__GFP_DIRECT_RECLAIM;
	page = take_from_system(pool, gfp);
	if (page)
		return page;
	if (gfp & __GFP_DIRECT_RECLAIM)
		WRITE_ONCE(grow->refused, jiffies + XGROW_PAUSE);
	xpool_grow_pause(grow);
	return NULL;
}

/*
 * A region goes
 */

/* Does the reserve leave a whole region? */
static bool can_spare_region(const struct xpool *pool)
{
	return xpool_breakable(pool, XBUDDY_MAX_ORDER, XPOOL_ORDINARY) >= 0;
}

/* Take a region without a page in use out. */
static struct page *remove_region(struct xpool *pool, unsigned long r)
{
	struct xregion *region = &pool->regions[r];
	unsigned long from = region->index;

	lockdep_assert_held(&pool->lock);
	xbuddy_alloc_range(&pool->buddy, XBUDDY_MAX_ORDER, from, from + XPOOL_LARGEST_PAGES);
	xpool_linear_del(pool, r);
	WRITE_ONCE(region->nr, 0);
	count_region(pool, r, -(long)XPOOL_LARGEST_PAGES);
	xpool_region_set_serves(pool, r, XSERVES_ANY);
	pool->grow->returned += XPOOL_LARGEST_PAGES;
	pool->grow->unused += XPOOL_LARGEST_PAGES - region->was_used;
	return virt_to_page((void *)region->addr);
}

/* Take the highest region that is empty and can go out; or NULL. */
static struct page *remove_empty(struct xpool *pool)
{
	const struct xbuddy_area *area = &pool->buddy.free_area[XBUDDY_MAX_ORDER];
	unsigned long r = find_last_bit(area->free.level[0], pool->nr_regions);

	if (r < pool->nr_fixed || r == pool->nr_regions || !can_spare_region(pool))
		return NULL;
	count_spare_pages(pool, -(long)XPOOL_LARGEST_PAGES);
	return remove_region(pool, r);
}

/*
 * After a request tried to take a block of a region that has just come. Returns false if it
 * took none, and nothing else needs the region, so it is gone again.
 */
bool xpool_grow_added(struct xpool *pool, unsigned long r)
{
	lockdep_assert_held(&pool->lock);
	if (--pool->regions[r].used)
		return true;
	if (can_spare_region(pool)) {
		remove_region(pool, r);
		return false;
	}
	xpool_region_set_serves(pool, r, XSERVES_ANY);
	count_spare_pages(pool, XPOOL_LARGEST_PAGES);
	return true;
}

/* An empty region comes so that a reserve can be formed. Does not sleep for memory. */
bool xpool_grow_for_reserve(struct xpool *pool)
{
	struct page *page = xpool_grow_fetch(pool, __GFP_KSWAPD_RECLAIM);

	return page && add_spare(pool, XSERVES_LARGE, page, true);
}

/* Give one back; without @force only if it is over the limit. Returns false if none went. */
static bool return_region(struct xpool *pool, bool force)
{
	struct page *page = NULL;
	unsigned long flags;

	raw_spin_lock_irqsave(&pool->lock, flags);
	if (force || gives_region(pool))
		page = remove_empty(pool);
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	if (page)
		xpool_grow_drop(pool, page);
	return page;
}

/*
 * May the system's locks be taken here? They may be ones that sleep, so not in an
 * interrupt and not under a raw lock, if that can be seen.
 */
static bool may_free_to_system(void)
{
	if (IS_ENABLED(CONFIG_PREEMPT_COUNT))
		return preemptible();
	return in_task() && !irqs_disabled();
}

static void start_growth(struct irq_work *soon)
{
	schedule_work(&container_of(soon, struct xgrow, soon)->work);
}

/* Any context: the caller that frees may hold a scheduler lock, which a worker needs. */
static void wake_growth(struct xpool *pool)
{
	if (!READ_ONCE(pool->grow->stopped))
		irq_work_queue(&pool->grow->soon);
}

/* After pages went out of use. Any context, no locks of the pool held. */
void xpool_grow_trim(struct xpool *pool)
{
	if (likely(READ_ONCE(pool->idle_limit) == XPOOL_NO_LIMIT))
		return;
	smp_mb();	/* as in xpool_cached_count(): one of us sees the other */
	if (!gives_region(pool))
		return;
	if (!may_free_to_system()) {
		wake_growth(pool);
		return;
	}
	while (return_region(pool, false))
		;
}
EXPORT_SYMBOL_FOR_KUNIT(xpool_grow_trim);

/* After pages came into use, or did not. Any context. */
void xpool_grow_wake(struct xpool *pool)
{
	if (likely(!low_kinds(pool)))
		return;
	if (in_nmi() || !may_grow_ahead(pool) ||
	    time_before(jiffies, READ_ONCE(pool->grow->not_before)))
		return;
	wake_growth(pool);
}

static void grow_work(struct work_struct *work)
{
	struct xgrow *grow = container_of(work, struct xgrow, work);

	xpool_grow_now(grow->pool);
	WRITE_ONCE(grow->asked, 0);
	xpool_grow_trim(grow->pool);
}

/* A collection begins: what is in use now, and where. */
void xpool_grow_mark(struct xpool *pool)
{
	unsigned long r, flags;

	if (!pool->grow)
		return;
	raw_spin_lock_irqsave(&pool->lock, flags);
	for (r = pool->nr_fixed; r < pool->nr_regions; r++)
		pool->regions[r].was_used = pool->regions[r].used;
	pool->grow->unused = 0;
	raw_spin_unlock_irqrestore(&pool->lock, flags);
}

/*
 * Pages of empty regions that xpool_trim() could give back now; unless @all, as long
 * as the pool would not want them again.
 */
unsigned long xpool_idle_pages(struct xpool *pool, bool all)
{
	unsigned long flags, idle, spared;

	raw_spin_lock_irqsave(&pool->lock, flags);
	idle = xpool_region_spare(pool);
	spared = pool->buddy.nr_free;
	spared = spared > low_mark(pool) ? spared - low_mark(pool) : 0;
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	return all ? idle : round_down(min(idle, spared), XPOOL_LARGEST_PAGES);
}

/* Give back empty regions, @pages of them at most. Process context. Returns the pages. */
unsigned long xpool_trim(struct xpool *pool, unsigned long pages)
{
	unsigned long done = 0;

	while (pages - done >= XPOOL_LARGEST_PAGES && return_region(pool, true)) {
		done += XPOOL_LARGEST_PAGES;
		cond_resched();
	}
	return done;
}

/*
 * Give all empty regions back. Returns the pages of regions that went since the
 * collection began and that were not in use then. Process context.
 */
unsigned long xpool_grow_return_all(struct xpool *pool)
{
	if (!pool->grow)
		return 0;
	xpool_trim(pool, ULONG_MAX);
	return READ_ONCE(pool->grow->unused);
}

/*
 * Bring-up and tear-down
 */

#define XGROW_MAPS	(1 + XSERVES_KINDS)

/*
 * For a pool that has its regions, their numbers and its metadata. The regions of the initial
 * size may serve any kind, and so may those that come.
 */
int xpool_grow_init(struct xpool *pool)
{
	unsigned long words = BITS_TO_LONGS(pool->nr_regions), r;
	struct xgrow *grow;
	size_t bytes = struct_size(grow, maps, XGROW_MAPS * words);

	grow = xmeta_alloc(bytes);
	if (!grow)
		return -ENOMEM;
	grow->pool = pool;
	grow->fixed_spare = pool->nr_pages;
	grow->free[XSERVES_ANY] = pool->nr_pages;
	grow->not_before = jiffies;
	grow->refused = jiffies;
	INIT_WORK(&grow->work, grow_work);
	init_irq_work(&grow->soon, start_growth);
	grow->absent = grow->maps;
	bitmap_set(grow->absent, pool->nr_fixed, pool->nr_regions - pool->nr_fixed);
	grow->for_kind[XSERVES_SMALL] = grow->maps + words;
	grow->for_kind[XSERVES_LARGE] = grow->maps + 2 * words;
	bitmap_fill(grow->for_kind[XSERVES_SMALL], pool->nr_regions);
	bitmap_fill(grow->for_kind[XSERVES_LARGE], pool->nr_regions);
	for (r = 0; r < pool->nr_regions; r++)
		pool->regions[r].serves = XSERVES_ANY;
	pool->metadata += bytes;
	pool->grow = grow;
	return 0;
}

/* The pool begins to go. No regions come any more, and none is asked for. */
void xpool_grow_stop(struct xpool *pool)
{
	if (!pool->grow)
		return;
	WRITE_ONCE(pool->grow->stopped, true);
	xcompat_shrinker_free(pool->grow->shrinker);
	irq_work_sync(&pool->grow->soon);
	cancel_work_sync(&pool->grow->work);
}

/* Do the maps say of a region what its state does? */
static bool maps_valid(const struct xpool *pool, unsigned long r)
{
	const struct xregion *region = &pool->regions[r];
	const struct xgrow *grow = pool->grow;
	enum xserves kind;

	if (test_bit(r, grow->absent) == !!region->nr)
		return false;
	if (region->serves != XSERVES_ANY && r < pool->nr_fixed)
		return false;
	for (kind = 0; kind < XSERVES_KINDS; kind++)
		if (test_bit(xpool_region_bit(pool, r, kind), grow->for_kind[kind]) !=
		    (region->serves == kind || region->serves == XSERVES_ANY))
			return false;
	return region->serves != XSERVES_ANY || r < pool->nr_fixed || !region->used;
}

/* Pages from number @from on, but before @to, of slabs, or of clients; for validation. */
unsigned long xpool_recount(const struct xpool *pool, unsigned long from, unsigned long to,
			    bool of_slabs)
{
	unsigned long used = 0;

	for (; from < to; from++) {
		const struct xpage *page = &pool->pages[from];
		bool is_slab = page->kind == XPAGE_SLAB;

		if (page->kind != XPAGE_NONE && is_slab == of_slabs)
			used += 1UL << page->order;
	}
	return used;
}

/* Recount, for validation: pages in use and empty regions, and what serves what. */
bool xpool_grow_valid(const struct xpool *pool)
{
	unsigned long r, spare[2] = { 0 }, pages = 0, free[XSERVES_NR] = { 0 };
	const struct xgrow *grow = pool->grow;

	lockdep_assert_held(&pool->lock);
	if (!grow)
		return true;
	for (r = 0; r < pool->nr_regions; r++) {
		const struct xregion *region = &pool->regions[r];
		unsigned long at = region->index, end = at + XPOOL_LARGEST_PAGES, used;

		used = xpool_recount(pool, at, end, true) + xpool_recount(pool, at, end, false);
		if (used != region->used || used > region->nr || !maps_valid(pool, r))
			return false;
		pages += region->nr;
		free[region->serves] += region->nr - used;
		if (!used)
			spare[r >= pool->nr_fixed] += region->nr;
	}
	return pages == pool->nr_pages && pages <= pool->max_pages &&
	       spare[0] == grow->fixed_spare && spare[1] == grow->spare &&
	       !memcmp(free, grow->free, sizeof(free));
}
