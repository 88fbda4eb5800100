// SPDX-License-Identifier: GPL-2.0
/*
 * pool/put: blocks come back to the pool
 *
 * A block is put into the buddy system under the pool's lock. An NMI that finds the lock taken
 * leaves the block on a stack (defer.c); the next holder empties it before anything else.
 *
 * The block of each order that a client freed last stays as it is, and is the next to be
 * taken. It counts as in use.
 *
 * After the lock is given up, tasks that wait for room are told, and so is the worker of a
 * pool that grows.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/irq_work.h>
#include <linux/ratelimit.h>

#include "pool.h"

/*
 * A block is not what it was when it was freed: it came twice, and the other time it was handed
 * out, or put back. Any context, whatever locks are held: the line in the log comes later.
 */
noinline void xpool_note_lost(struct xpool *pool, const struct xpage *page)
{
	atomic_long_inc(&pool->counts.errors);
	if (atomic_long_inc_return(&pool->late.nr) > 1)
		return;
	WRITE_ONCE(pool->late.first, xpool_page_index(pool, page));
	irq_work_queue(&pool->waiting.signal);
}

/* Blocks of a row have another state from now on; returns how many: one may be another's. */
static unsigned int change_row(struct xpage *page, unsigned int nr, unsigned long size,
			       u16 from, u16 to)
{
	struct xpage *at = page, *end = page + nr * size;

	for (; at != end; at += size) {
		/* Another CPU changes it only by a client's error. */
		if (unlikely(data_race(at->state) != from))
			return (at - page) / size;
		WRITE_ONCE(at->state, to);
	}
	return nr;
}

/*
 * @nr blocks of one region that follow one another from @page on, each of which must say
 * @state. Two CPUs
 * may have freed a block at the same instant, and both been believed, so it may come back
 * when it is back, or has another owner. Returns false if one cannot be put; then none was.
 */
static bool try_row(struct xpool *pool, struct xpage *page, unsigned int nr, u16 state)
{
	unsigned int order = state & U8_MAX, done;
	u16 none = xpool_page_state(XPAGE_NONE, order);

	lockdep_assert_held(&pool->lock);
	done = change_row(page, nr, 1UL << order, state, none);
	if (unlikely(done < nr) ||
	    unlikely(xbuddy_free_row(&pool->buddy, xpool_page_index(pool, page), order, nr))) {
		change_row(page, done, 1UL << order, none, state);
		return false;
	}
	count_pages(pool, state >> 8, -((long)nr << order));
	pool->counts.puts += nr;
	if (state >> 8 != XPAGE_SLAB && pool->counts_refs)
		xpool_refs_set(pool, page, (unsigned long)nr << order, 0);
	if (unlikely(pool->grow))
		xpool_region_use(pool, page, -((long)nr << order));
	return true;
}

static void put_block_row(struct xpool *pool, struct xpage *page, unsigned int nr, u16 state)
{
	unsigned long size = 1UL << (state & U8_MAX);

	if (likely(try_row(pool, page, nr, state)))
		return;
	for (; nr; nr--, page += size)
		if (!try_row(pool, page, 1, state))
			xpool_note_lost(pool, page);
}

/* What NMIs left: clients' blocks and slabs. */
static noinline void put_all_deferred(struct xpool *pool)
{
	struct xpage *page = xpool_defer_take_all(pool, &pool->deferred);

	while (page) {
		struct xpage *next = xpool_defer_next(pool, page);
		u16 state = READ_ONCE(page->state);

		if (likely(state >> 8 == XPAGE_DEFERRED || state >> 8 == XPAGE_SLAB))
			put_block_row(pool, page, 1, state);
		else
			xpool_note_lost(pool, page);
		page = next;
	}
}

void xpool_put_deferred(struct xpool *pool)
{
	if (unlikely(xpool_defer_waits(&pool->deferred)))
		put_all_deferred(pool);
}

/*
 * Large blocks have no magazines, because a few would hold much of the pool. But
 * a block that is freed and taken again should not be joined and split each time.
 * So the block of each order that was freed last stays as it is, for all CPUs,
 * until a request finds no other block.
 */
bool xpool_put_last_freed(struct xpool *pool)
{
	unsigned long was = pool->last_freed.nr_pages;
	unsigned int order;

	for (order = 0; pool->last_freed.nr_pages && order < XBUDDY_NR_ORDERS; order++) {
		struct xpage *page = pool->last_freed.block[order];

		if (!page)
			continue;
		pool->last_freed.block[order] = NULL;
		pool->last_freed.nr_pages -= 1UL << order;
		put_block_row(pool, page, 1, xpool_page_state(XPAGE_CACHED, order));
	}
	return was;
}

/* The one that was freed before it goes back, and all go back where no more may be kept. */
static void set_last_freed(struct xpool *pool, struct xpage *page, unsigned int order)
{
	swap(pool->last_freed.block[order], page);
	if (page)
		put_block_row(pool, page, 1, xpool_page_state(XPAGE_CACHED, order));
	else
		WRITE_ONCE(pool->last_freed.nr_pages, pool->last_freed.nr_pages + (1UL << order));
	xwatch_wake(&pool->decay.watch);	/* it may hold a region */
	if (unlikely(pool->idle_limit != XPOOL_NO_LIMIT)) {
		smp_mb();	/* as in xpool_cached_count(): one of us sees the other */
		if (xpool_over_cache(pool))
			xpool_put_last_freed(pool);
	}
}

/* Tasks sleep until there is room. */
void xpool_signal_room(struct irq_work *work)
{
	struct xpool *pool = container_of(work, struct xpool, waiting.signal);
	unsigned long page = READ_ONCE(pool->late.first);
	long nr = atomic_long_xchg(&pool->late.nr, 0);
	struct xholder *holder;

	if (unlikely(nr))
		pr_err_ratelimited("pool %s: the block at page %lu was freed twice, found late; %ld such\n",
				   pool->name, page, nr);
	wake_up_all(&pool->waiting.room);
	rcu_read_lock();
	list_for_each_entry_rcu(holder, &pool->holders, entry.node)
		if (holder->room)
			holder->room(holder);
	rcu_read_unlock();
}

/*
 * After blocks went back to the pool, or to where the next one takes them from. A pool that
 * was destroyed may be gone as soon as it is unlocked.
 */
static void unlock_after_put(struct xpool *pool, unsigned long flags)
	__releases(&pool->lock)
{
	rcu_read_lock();
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	if (unlikely(READ_ONCE(pool->state.retired))) {
		xpool_reap_soon();
	} else {
		/* The put may have come with any lock held, so tasks are told later. */
		if (unlikely(atomic_read(&pool->waiting.nr)))
			irq_work_queue(&pool->waiting.signal);
		if (unlikely(pool->grow))
			xpool_grow_trim(pool);
	}
	rcu_read_unlock();
}

/* Like put_block_row(), but in an NMI that found the lock taken: without it. */
static void defer_row(struct xpool *pool, struct xpage *page, unsigned int nr, u16 state)
{
	unsigned int order = state & U8_MAX;
	u16 to = state >> 8 == XPAGE_SLAB ? state : xpool_page_state(XPAGE_DEFERRED, order);

	for (; nr; nr--, page += 1UL << order) {
		if (unlikely(!change_row(page, 1, 1, state, to)))
			xpool_note_lost(pool, page);
		else
			xpool_defer_push(pool, &pool->deferred, page);
	}
	/* If this was the last page of an orphan, no other CPU may ever take its lock. */
	if (unlikely(READ_ONCE(pool->state.retired)))
		xpool_reap_soon();
}

/*
 * Rows of blocks that are the caller's, and that all say @state; one that does not is
 * dropped. Any context.
 */
void xpool_put_rows(struct xpool *pool, const struct xrow *rows, unsigned int nr, u16 state)
{
	unsigned long flags;
	unsigned int i;

	if (unlikely(!xlock(&pool->lock, &flags))) {
		for (i = 0; i < nr; i++)
			defer_row(pool, rows[i].first, rows[i].nr, state);
		return;
	}
	xpool_put_deferred(pool);
	for (i = 0; i < nr; i++)
		put_block_row(pool, rows[i].first, rows[i].nr, state);
	unlock_after_put(pool, flags);
}

/*
 * How many of the @nr blocks of 2^@order pages from @pages on follow one another, upwards or
 * downwards, in one region: *@first is the lowest.
 */
static unsigned int find_row(struct xpool *pool, struct xpage **pages, unsigned int nr,
			     unsigned int order, struct xpage **first)
{
	unsigned long in = xpool_page_index(pool, pages[0]) % XPOOL_LARGEST_PAGES;
	long size = 1L << order, step = nr > 1 ? pages[1] - pages[0] : 0;
	unsigned int n = 1;

	*first = pages[0];
	if (step != size && step != -size)
		return 1;
	nr = min_t(unsigned long, nr, (step > 0 ? XPOOL_LARGEST_PAGES - in : in + size) >> order);
	while (n < nr && pages[n] - pages[n - 1] == step)
		n++;
	if (step < 0)
		*first = pages[n - 1];
	return n;
}

/* Like xpool_put_rows(). Blocks that were taken together are mostly put back together. */
void xpool_put_many(struct xpool *pool, struct xpage **pages, unsigned int nr, u16 state)
{
	unsigned int order = state & U8_MAX, i, n;
	struct xpage *first;
	unsigned long flags;

	if (unlikely(!xlock(&pool->lock, &flags))) {
		for (i = 0; i < nr; i++)
			defer_row(pool, pages[i], 1, state);
		return;
	}
	xpool_put_deferred(pool);
	for (i = 0; i < nr; i += n) {
		n = find_row(pool, pages + i, nr - i, order, &first);
		put_block_row(pool, first, n, state);
	}
	unlock_after_put(pool, flags);
}

/*
 * From here on a block begins at page number @at, which is of a client's block: that is halved
 * until one does. Under the lock. Returns false where a client frees the block meanwhile.
 */
static bool cut_at(struct xpool *pool, unsigned long at)
{
	struct xpage *head = xpool_head(pool, at), *upper;
	unsigned long index;
	unsigned int half;

	while (head && (index = xpool_page_index(pool, head)) != at) {
		half = head->order - 1;
		upper = head + (1UL << half);
		/* From here on the pool refuses a free of the whole block: its order is another. */
		if (cmpxchg(&head->state, xpool_page_state(XPAGE_LIVE, half + 1),
			    xpool_page_state(XPAGE_LIVE, half)) !=
		    xpool_page_state(XPAGE_LIVE, half + 1))
			return false;
		WARN_ON_ONCE(xbuddy_split(&pool->buddy, index, half + 1, half));
		WRITE_ONCE(upper->state, xpool_page_state(XPAGE_LIVE, half));
		pool->counts.gets++;
		head = at < index + (1UL << half) ? head : upper;
	}
	return head;
}

/*
 * Blocks of clients from page number @from on, as far as @to is in one: the end of the last, or a
 * number below @to. Under the lock.
 */
static unsigned long end_of_live(struct xpool *pool, unsigned long from, unsigned long to)
{
	while (from < to) {
		struct xpage *head = xpool_head(pool, from);

		if (!head || READ_ONCE(head->kind) != XPAGE_LIVE)
			break;
		from = xpool_page_index(pool, head) + (1UL << head->order);
	}
	return from;
}

/* The blocks from @from to @to, each for itself. Returns where one is no longer what it was. */
static unsigned long claim_blocks(struct xpool *pool, unsigned long from, unsigned long to)
{
	while (from < to) {
		struct xpage *page = &pool->pages[from];
		unsigned int order = READ_ONCE(page->order);

		if (order > XBUDDY_MAX_ORDER ||
		    !xpool_page_change(page, XPAGE_LIVE, XPAGE_CACHED, order))
			break;
		from += 1UL << order;
	}
	return from;
}

/*
 * A client gives the pages from @from to @to back: blocks that reach across either end are cut
 * there. They are free after that, and the caller's to put back. Any context but NMI. Returns
 * false, with all pages the client's that were, where it does not hold them all. A block may stay
 * cut only where another CPU frees it at the same instant, by a client's error.
 */
bool xpool_claim_run(struct xpool *pool, unsigned long from, unsigned long to)
{
	unsigned long flags, end = from, at;
	bool cut;

	raw_spin_lock_irqsave(&pool->lock, flags);
	cut = end_of_live(pool, from, to) >= to && cut_at(pool, from) &&
	      (end_of_live(pool, to - 1, to) == to || cut_at(pool, to));
	if (cut)
		end = claim_blocks(pool, from, to);
	/* Another CPU frees one, by an error. */
	for (at = from; unlikely(end != to) && at < end; at += 1UL << pool->pages[at].order)
		xpool_page_change(&pool->pages[at], XPAGE_CACHED, XPAGE_LIVE,
				  pool->pages[at].order);
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	return end == to;
}

/* A block of the caller's is several of 2^@order pages from now on. Any context but NMI. */
void xpool_split(struct xpool *pool, struct xpage *block, unsigned int order)
{
	unsigned int i, nr = 1U << (block->order - order), kind = block->kind;
	unsigned long flags;

	raw_spin_lock_irqsave(&pool->lock, flags);
	WARN_ON_ONCE(xbuddy_split(&pool->buddy, xpool_page_index(pool, block), block->order,
				  order));
	for (i = 0; i < nr; i++) {
		block[i << order].order = order;
		WRITE_ONCE(block[i << order].kind, kind);
	}
	pool->counts.gets += nr - 1;
	raw_spin_unlock_irqrestore(&pool->lock, flags);
}

/* The single pages of what was a block of the caller's are one again. Any context but NMI. */
void xpool_unsplit(struct xpool *pool, struct xpage *block, unsigned int order)
{
	unsigned int i, nr = 1U << order;
	unsigned long flags;

	raw_spin_lock_irqsave(&pool->lock, flags);
	WARN_ON_ONCE(xbuddy_unsplit(&pool->buddy, xpool_page_index(pool, block), 0, order));
	for (i = 1; i < nr; i++)
		WRITE_ONCE(block[i].kind, XPAGE_NONE);
	block->order = order;
	pool->counts.gets -= nr - 1;
	raw_spin_unlock_irqrestore(&pool->lock, flags);
}

/* Put a client's block back, which will soon be wanted again. Any context. */
void xpool_put_client(struct xpool *pool, struct xpage *page, unsigned int order)
{
	u16 state = xpool_page_state(XPAGE_CACHED, order);
	unsigned long flags;

	if (unlikely(!xlock(&pool->lock, &flags))) {
		defer_row(pool, page, 1, state);
		return;
	}
	xpool_put_deferred(pool);
	if (likely(READ_ONCE(page->state) == state && page != pool->last_freed.block[order]))
		set_last_freed(pool, page, order);
	else
		xpool_note_lost(pool, page);
	unlock_after_put(pool, flags);
}

/* Put back what NMIs left, and the blocks that were freed last; returns the pages. */
unsigned long xpool_drain_idle(struct xpool *pool)
{
	unsigned long flags, before, after;

	if (!xlock(&pool->lock, &flags))
		return 0;
	before = pool->buddy.nr_free;
	xpool_put_deferred(pool);
	xpool_put_last_freed(pool);
	after = pool->buddy.nr_free;
	unlock_after_put(pool, flags);
	return after - before;
}
