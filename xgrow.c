// SPDX-License-Identifier: GPL-2.0
/*
 * xgrow: pools that take memory from the system as they need it, and give it back
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
 * To the buddy system the numbers of an absent region are a block that somebody
 * uses, as are the numbers before the start of a range. A region that comes is
 * freed into it; one that goes is taken out of it, which works just when no page
 * of it is in use. The buddy system hands out the lowest numbers first, so the
 * highest regions become empty.
 *
 * Nobody who allocates or frees waits for the system. The slow paths look at the
 * number of free pages once they have let go of the pool's lock, and wake a worker:
 *
 *	grows	when free pages are fewer than an eighth of the pool, or 4 MiB, on
 *		top of the reserve; or a block was not there (starved); never over
 *		max_size, never for pages that the hard limit does not let be used,
 *		and never over the limit of what is cached
 *	gives	back empty regions when they are over the limit of what is cached
 *
 * After the system had no block, or wanted memory back, it is left alone for a
 * while.
 *
 * Giving back needs neither a mutex nor an allocation, so whoever frees the last
 * page of a region that is not to be kept does it himself, where the system's locks
 * may be taken; otherwise the worker does. Two more give back: xpool_collect(),
 * and the shrinker, by which the system asks when it runs out of memory.
 *
 * Addresses
 *
 * No table may have to grow when a region comes. So the table from address to
 * page number, which each pool of several regions has, here covers all memory that
 * the system had when the pool was made: 4 bytes for each 4 MiB. A table of the
 * same size, shared by all pools that grow, leads from an address to its pool.
 * A region is published in both by a store with release after it has been set up,
 * and taken out of both before the system gets it. A lookup takes no lock. It is
 * certain for an address that somebody holds, because its region stays; for
 * another one it may see what was there an instant ago, finds no block there, and
 * refuses it. What it may read, the arrays of struct xpage and of regions, stays
 * as long as the pool.
 *
 * This file and xpool.c are one layer: that one takes and puts blocks and tells this
 * one about it, this one adds and removes what they are made of.
 *
 * Locks: pool->lock protects all that is counted and which regions are there. The
 * mutex one_at_a_time belongs to those who take regions, so that a place that they
 * found to be absent stays so. The shared table comes and goes under xpool_registry.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/rcupdate.h>

#include "internal.h"

#define XGROW_SHARE	8U		/* free pages are to be 1/8 of the pool ... */
#define XGROW_LEAST	XPOOL_CHUNK_PAGES	/* ... and a region at least */
#define XGROW_PAUSE	(HZ / 10 + 1)	/* after the system had nothing, jiffies */

#define XGROW_GFP	(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN)

/*
 * Address to pool
 */

struct xowners {
	unsigned long	first;
	unsigned long	nr;
	unsigned int	users;		/* pools; under xpool_registry */
	struct xpool	*of[];
};

static struct xowners *xowners;

/* Which chunks of addresses the memory of the system lies in. */
void xgrow_direct_map(unsigned long *first, unsigned long *nr)
{
	unsigned long start = ULONG_MAX, end = 0;
	int nid;

	for_each_online_node(nid) {
		start = min_t(unsigned long, start, node_start_pfn(nid));
		end = max_t(unsigned long, end, node_end_pfn(nid));
	}
	*first = (unsigned long)__va(PFN_PHYS(start)) >> XPOOL_CHUNK_SHIFT;
	*nr = ((unsigned long)__va(PFN_PHYS(end) - 1) >> XPOOL_CHUNK_SHIFT) - *first + 1;
}

static int get_owners(void)
{
	unsigned long first, nr;
	struct xowners *new;

	lockdep_assert_held(&xpool_registry);
	if (xowners) {
		xowners->users++;
		return 0;
	}
	xgrow_direct_map(&first, &nr);
	new = xmeta_alloc(struct_size(new, of, nr));
	if (!new)
		return -ENOMEM;
	new->first = first;
	new->nr = nr;
	new->users = 1;
	/* Pairs with owner_slot(). */
	smp_store_release(&xowners, new);
	return 0;
}

static void put_owners(void)
{
	struct xowners *old = xowners;

	lockdep_assert_held(&xpool_registry);
	if (--old->users)
		return;
	WRITE_ONCE(xowners, NULL);
	synchronize_rcu_expedited();
	xmeta_free(old);
}

static struct xpool **owner_slot(unsigned long addr)
{
	struct xowners *owners;
	unsigned long slot;

	/* Pairs with get_owners(). */
	owners = smp_load_acquire(&xowners);
	if (!owners)
		return NULL;
	slot = (addr >> XPOOL_CHUNK_SHIFT) - owners->first;
	return slot < owners->nr ? &owners->of[slot] : NULL;
}

/* The pool that has grown to @addr, or NULL. Called as xpool_head_any(). */
struct xpool *xgrow_owner(unsigned long addr)
{
	struct xpool **slot = owner_slot(addr);

	return slot ? READ_ONCE(*slot) : NULL;
}
EXPORT_SYMBOL_GPL(xgrow_owner);

/* Is some of these @bytes in a region that a pool has grown by? */
bool xgrow_overlaps(unsigned long addr, unsigned long bytes)
{
	unsigned long chunk = addr >> XPOOL_CHUNK_SHIFT;
	unsigned long last = (addr + bytes - 1) >> XPOOL_CHUNK_SHIFT;

	lockdep_assert_held(&xpool_registry);
	if (!xowners)
		return false;
	chunk = max(chunk, xowners->first);
	last = min(last, xowners->first + xowners->nr - 1);
	for (; chunk <= last; chunk++)
		if (xgrow_owner(chunk << XPOOL_CHUNK_SHIFT))
			return true;
	return false;
}

/*
 * Which regions are in use
 */

static unsigned long *spare_of(struct xpool *pool, unsigned long r)
{
	return r < pool->nr_fixed ? &pool->grow->fixed_spare : &pool->grow->spare;
}

/* @nr pages of the block at @page come into use, or (negative) go out of it. */
void xgrow_use(struct xpool *pool, const struct xpage *page, long nr)
{
	unsigned long r = xpage_index(pool, page) / XPOOL_CHUNK_PAGES;
	unsigned long *spare = spare_of(pool, r);
	struct xregion *region = &pool->regions[r];

	lockdep_assert_held(&pool->lock);
	if (!region->used)
		WRITE_ONCE(*spare, *spare - region->nr);
	region->used += nr;
	if (!region->used) {
		WRITE_ONCE(*spare, *spare + region->nr);
		xwatch_tell(&pool->decay.watch);
	}
}

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

static bool is_low(const struct xpool *pool)
{
	unsigned long room = xpool_hard_room(pool);

	if (READ_ONCE(pool->grow->starved))
		return room;
	return READ_ONCE(pool->buddy.nr_free) < min(low_mark(pool), room);
}

static bool may_grow(const struct xpool *pool)
{
	return READ_ONCE(pool->nr_pages) + XPOOL_CHUNK_PAGES <= pool->grow->max_pages &&
	       !too_many_spare(pool, XPOOL_CHUNK_PAGES);
}

/* Does the pool want a region, and may it have one? May be old without the lock. */
static bool wants_region(const struct xpool *pool)
{
	return is_low(pool) && may_grow(pool);
}

static bool gives_region(const struct xpool *pool)
{
	return READ_ONCE(pool->grow->spare) && too_many_spare(pool, 0);
}

/*
 * A region comes
 */

static void free_to_system(struct page *page)
{
	unsigned long i;

	for (i = 0; i < XPOOL_CHUNK_PAGES; i++)
		__free_page(page + i);
}

static struct page *take_from_system(void)
{
	struct page *page = alloc_pages(XGROW_GFP, XBUDDY_MAX_ORDER);

	/* A client's pages are not parts of anything larger. */
	if (page)
		split_page(page, XBUDDY_MAX_ORDER);
	return page;
}

/* Memory that came to the system after the pool was made is not in the tables. */
static bool fits_tables(const struct xpool *pool, unsigned long addr)
{
	return (addr >> XPOOL_CHUNK_SHIFT) - pool->first_chunk < pool->nr_chunks &&
	       owner_slot(addr);
}

static unsigned long first_absent(const struct xpool *pool)
{
	unsigned long r = pool->nr_fixed;

	lockdep_assert_held(&pool->grow->one_at_a_time);
	while (r < pool->nr_regions && READ_ONCE(pool->regions[r].nr))
		r++;
	return r;
}

static void publish(struct xpool *pool, unsigned long r, unsigned long addr)
{
	struct xregion *region = &pool->regions[r];

	WRITE_ONCE(region->addr, addr);
	WRITE_ONCE(region->nr, XPOOL_CHUNK_PAGES);
	/* Pairs with xpool_offset_far(). */
	smp_store_release(&pool->chunks[(addr >> XPOOL_CHUNK_SHIFT) - pool->first_chunk], r);
	/* Pairs with the dependency of who finds the pool here. */
	smp_store_release(owner_slot(addr), pool);
}

static void unpublish(struct xpool *pool, unsigned long r)
{
	unsigned long addr = pool->regions[r].addr;

	WRITE_ONCE(*owner_slot(addr), NULL);
	WRITE_ONCE(pool->chunks[(addr >> XPOOL_CHUNK_SHIFT) - pool->first_chunk], U32_MAX);
	WRITE_ONCE(pool->regions[r].nr, 0);
}

/* The counts, when an empty region has come or, with a negative number, gone. */
static void count_region(struct xpool *pool, long nr)
{
	lockdep_assert_held(&pool->lock);
	WRITE_ONCE(pool->nr_pages, pool->nr_pages + nr);
	WRITE_ONCE(pool->grow->spare, pool->grow->spare + nr);
	if (nr > 0)
		xwatch_tell(&pool->decay.watch);
}

/* False: nobody wants it any more. */
static bool add_region(struct xpool *pool, unsigned long r, unsigned long addr)
{
	unsigned long flags;
	bool wanted;

	raw_spin_lock_irqsave(&pool->lock, flags);
	wanted = wants_region(pool);
	if (wanted) {
		pool->regions[r].used = 0;
		pool->regions[r].was_used = XPOOL_CHUNK_PAGES;
		publish(pool, r, addr);
		xbuddy_free(&pool->buddy, pool->regions[r].index, XBUDDY_MAX_ORDER);
		count_region(pool, XPOOL_CHUNK_PAGES);
		pool->grow->grown += XPOOL_CHUNK_PAGES;
		WRITE_ONCE(pool->grow->starved, false);
	}
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	return wanted;
}

static void pause_growth(struct xgrow *grow)
{
	WRITE_ONCE(grow->not_before, jiffies + XGROW_PAUSE);
	WRITE_ONCE(grow->starved, false);
}

static bool is_paused(const struct xgrow *grow)
{
	return time_before(jiffies, READ_ONCE(grow->not_before));
}

static bool grow_once(struct xpool *pool)
{
	unsigned long r = first_absent(pool), addr;
	struct page *page;

	if (r == pool->nr_regions || !wants_region(pool))
		return false;
	page = take_from_system();
	if (!page) {
		pause_growth(pool->grow);
		return false;
	}
	addr = (unsigned long)page_address(page);
	if (fits_tables(pool, addr) && add_region(pool, r, addr))
		return true;
	free_to_system(page);
	pause_growth(pool->grow);
	return false;
}

/*
 * Take regions for as long as the pool wants them and the system has them. Process
 * context, may sleep. Returns the pages that came.
 */
unsigned long xgrow_now(struct xpool *pool)
{
	unsigned long pages = 0;

	mutex_lock(&pool->grow->one_at_a_time);
	while (grow_once(pool)) {
		pages += XPOOL_CHUNK_PAGES;
		cond_resched();
	}
	mutex_unlock(&pool->grow->one_at_a_time);
	return pages;
}
EXPORT_SYMBOL_GPL(xgrow_now);

/*
 * A region goes
 */

/* The highest one that is empty and can go; nr_regions: none. */
static unsigned long last_empty(const struct xpool *pool)
{
	const struct xbuddy_area *area = &pool->buddy.free_area[XBUDDY_MAX_ORDER];
	unsigned long r = find_last_bit(area->free.level[0], pool->nr_regions);

	return r < pool->nr_fixed ? pool->nr_regions : r;
}

/* Take an empty region out; or NULL. */
static struct page *remove_region(struct xpool *pool)
{
	unsigned long r = last_empty(pool), from;
	struct xregion *region = &pool->regions[r];

	lockdep_assert_held(&pool->lock);
	if (r == pool->nr_regions)
		return NULL;
	from = region->index;
	xbuddy_alloc_range(&pool->buddy, XBUDDY_MAX_ORDER, from, from + XPOOL_CHUNK_PAGES);
	unpublish(pool, r);
	count_region(pool, -(long)XPOOL_CHUNK_PAGES);
	pool->grow->returned += XPOOL_CHUNK_PAGES;
	pool->grow->unused += XPOOL_CHUNK_PAGES - region->was_used;
	return virt_to_page((void *)region->addr);
}

/* Give one back; without @force only where it is over the limit. False: none. */
static bool return_region(struct xpool *pool, bool force)
{
	struct page *page = NULL;
	unsigned long flags;

	raw_spin_lock_irqsave(&pool->lock, flags);
	if (force || gives_region(pool))
		page = remove_region(pool);
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	if (page)
		free_to_system(page);
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

static void start_work(struct irq_work *soon)
{
	schedule_work(&container_of(soon, struct xgrow, soon)->work);
}

/* Any context: whoever frees may hold a lock of the scheduler, which a worker needs. */
static void wake(struct xpool *pool)
{
	if (!READ_ONCE(pool->grow->stopped))
		irq_work_queue(&pool->grow->soon);
}

/* After pages went out of use. Any context, no locks of the pool held. */
void xgrow_trim(struct xpool *pool)
{
	if (likely(READ_ONCE(pool->idle_limit) == XPOOL_NO_LIMIT))
		return;
	smp_mb();	/* as in xpool_cached_add(): one of us sees the other */
	if (!gives_region(pool))
		return;
	if (!may_free_to_system()) {
		wake(pool);
		return;
	}
	while (return_region(pool, false))
		;
}

/* After pages came into use; @starved: some did not. Any context. */
void xgrow_wake(struct xpool *pool, bool starved)
{
	if (likely(!starved && !is_low(pool)))
		return;
	if (in_nmi() || is_paused(pool->grow) || !may_grow(pool))
		return;
	if (starved)
		WRITE_ONCE(pool->grow->starved, true);
	wake(pool);
}

static void work(struct work_struct *work)
{
	struct xgrow *grow = container_of(work, struct xgrow, work);

	xgrow_now(grow->pool);
	xgrow_trim(grow->pool);
}

/* A collection begins: what is in use now, and where. */
void xgrow_mark(struct xpool *pool)
{
	unsigned long r, flags;

	lockdep_assert_held(&xpool_registry);
	if (!pool->grow)
		return;
	raw_spin_lock_irqsave(&pool->lock, flags);
	for (r = pool->nr_fixed; r < pool->nr_regions; r++)
		pool->regions[r].was_used = pool->regions[r].used;
	pool->grow->unused = 0;
	raw_spin_unlock_irqrestore(&pool->lock, flags);
}

/*
 * Give all empty regions back. Returns the pages of regions that went since the
 * collection began and that were not in use then. Process context.
 */
unsigned long xgrow_return_all(struct xpool *pool)
{
	lockdep_assert_held(&xpool_registry);
	if (!pool->grow)
		return 0;
	while (return_region(pool, true))
		cond_resched();
	return READ_ONCE(pool->grow->unused);
}

/*
 * Pages of empty regions that xpool_trim() could give back now; unless @all, as long
 * as the pool would not want them again.
 */
unsigned long xpool_idle_pages(struct xpool *pool, bool all)
{
	unsigned long flags, idle, spared;

	raw_spin_lock_irqsave(&pool->lock, flags);
	idle = pool->grow->spare;
	spared = pool->buddy.nr_free;
	spared = spared > low_mark(pool) ? spared - low_mark(pool) : 0;
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	return all ? idle : round_down(min(idle, spared), XPOOL_CHUNK_PAGES);
}

/* Give back empty regions, @pages of them at most. Process context. Returns the pages. */
unsigned long xpool_trim(struct xpool *pool, unsigned long pages)
{
	unsigned long done = 0;

	while (pages - done >= XPOOL_CHUNK_PAGES && return_region(pool, true)) {
		done += XPOOL_CHUNK_PAGES;
		cond_resched();
	}
	return done;
}

/*
 * The system asks
 */

/* Empty regions, and what may become such when all that is kept is given up. */
static unsigned long shrink_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct xpool *pool = xcompat_shrinker_data(shrinker);
	unsigned long spare = READ_ONCE(pool->grow->spare);
	unsigned long here = READ_ONCE(pool->grow->grown) - READ_ONCE(pool->grow->returned);
	unsigned long rest = min(xpool_idle(pool), here);

	return max(spare, rest) ?: SHRINK_EMPTY;
}

static unsigned long shrink_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct xpool *pool = xcompat_shrinker_data(shrinker);
	unsigned long freed = 0;
	bool asked = false;

	pause_growth(pool->grow);
	while (freed < sc->nr_to_scan) {
		if (return_region(pool, true)) {
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

/*
 * Bring-up and tear-down
 */

/* For a pool that has its regions, their numbers and its metadata. */
int xgrow_init(struct xpool *pool, unsigned long max_pages)
{
	struct xgrow *grow = xmeta_alloc(sizeof(*grow));
	int err = grow ? get_owners() : -ENOMEM;

	if (err) {
		xmeta_free(grow);
		return err;
	}
	grow->pool = pool;
	grow->max_pages = max_pages;
	grow->fixed_spare = pool->nr_pages;
	grow->not_before = jiffies;
	mutex_init(&grow->one_at_a_time);
	INIT_WORK(&grow->work, work);
	init_irq_work(&grow->soon, start_work);
	pool->metadata += sizeof(*grow);
	pool->grow = grow;
	return 0;
}

/* Nobody has anything of the pool any more; its memory goes with it. */
void xgrow_exit(struct xpool *pool)
{
	unsigned long r;

	if (!pool->grow)
		return;
	for (r = pool->nr_fixed; r < pool->nr_regions; r++)
		if (pool->regions[r].nr)
			WRITE_ONCE(*owner_slot(pool->regions[r].addr), NULL);
	put_owners();
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

/* The pool begins to go. No regions come any more, and nobody asks for any. */
void xgrow_stop(struct xpool *pool)
{
	if (!pool->grow)
		return;
	WRITE_ONCE(pool->grow->stopped, true);
	xcompat_shrinker_free(pool->grow->shrinker);
	irq_work_sync(&pool->grow->soon);
	cancel_work_sync(&pool->grow->work);
}

/* Recount, for validation: pages in use and empty regions. */
bool xgrow_valid(const struct xpool *pool)
{
	unsigned long r, spare[2] = { 0 }, pages = 0;

	lockdep_assert_held(&pool->lock);
	for (r = 0; pool->grow && r < pool->nr_regions; r++) {
		const struct xregion *region = &pool->regions[r];
		const struct xpage *page = &pool->pages[region->index];
		unsigned long i, used = 0;

		for (i = 0; i < XPOOL_CHUNK_PAGES; i++)
			if (page[i].kind != XPAGE_NONE)
				used += 1UL << page[i].order;
		if (used != region->used || used > region->nr)
			return false;
		pages += region->nr;
		if (!used)
			spare[r >= pool->nr_fixed] += region->nr;
	}
	return !pool->grow || (pages == pool->nr_pages && pages <= pool->grow->max_pages &&
			       spare[0] == pool->grow->fixed_spare &&
			       spare[1] == pool->grow->spare);
}
