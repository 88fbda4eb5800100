// SPDX-License-Identifier: GPL-2.0
/*
 * xpool: pools and regions, or where pages come from
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
 * The blocks are those of a buddy system over page numbers (xbuddy.c). This file
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
 * Where the system has no such run free, the range is made of blocks of 4 MiB,
 * each a region of its own, sorted by address and given consecutive page
 * numbers. Then a table from address to page number, with an entry for each
 * 4 MiB between the lowest region and the highest, keeps the way in O(1). Such
 * a pool has bytes == 0, so that it fails the first test and takes the long way
 * by itself. Pools that grow are always made so.
 *
 * The state of pages
 *
 * For each page there is a struct xpage of 64 bytes, in one flat array. A block
 * uses that of its first page. kind != 0 says "a block that is handed out starts
 * here", so an address inside of a block finds its start by looking at the
 * (at most eleven) numbers at which a block that holds it could start: each is the
 * one before it without its lowest bit.
 *
 * The pool of an address of which nothing else is known is in a maple tree. A free that
 * names no cache took 170 instructions more for it than one that does; since each CPU
 * looks first at the pool that it found last, 55. larson, random sizes: from 1.1 of
 * kmalloc's time to 0.6 (ns, User Mode Linux). A pool that goes must be forgotten.
 *
 * Metadata is 64 bytes and 4 bits a page, 1.58 % of the range, or of the size that
 * it may grow to. It is allocated before the first page is handed out, and nothing
 * is allocated after.
 *
 * Order of satisfaction
 *
 *	1. pages that NMIs freed while the lock was taken are put back
 *	2. for clients: the block of that order that was freed last
 *	3. the buddy system, as far as the limits allow
 *	4. the blocks of other orders that were freed last are put back
 *	5. clients of the pool that keep empty slabs or magazines of pages are
 *	   asked to give back, one after the other, until there is a block
 *
 * Limits
 *
 * A block comes from the buddy system in one place for one and in one for many,
 * and both first ask how many pages may still be taken (allowance()):
 *
 *	obtainable = min(free, hard - in use), for ordinary needs less the reserve
 *
 * The numbers and the limits belong to the same lock, so no limit is exceeded for
 * an instant. A block that was freed last is in use all the time. Limits are set
 * in xlimit.c; pools that grow are in xgrow.c, and are told here which pages
 * come into use and go out of it.
 *
 * Locks: pool->lock protects the buddy system, the counts and the change of a
 * block's owner. It is held for one operation of the buddy system, and only
 * tried in NMI, where the holder may be the context below: then an allocation
 * fails, and a free is put on a stack without a lock (struct xdefer) that the
 * next holder empties. The registry is a mutex and is never taken for an
 * allocation.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/ioport.h>
#include <linux/io.h>
#include <linux/maple_tree.h>
#include <linux/ratelimit.h>
#include <linux/sched.h>
#include <linux/sort.h>

#include "internal.h"

/* Rows of blocks that are taken under one lock: in a pool that is in pieces each is a block. */
#define XPOOL_ROWS	32U

/* Protects the lists of pools and of caches, and all that comes and goes. */
DEFINE_MUTEX(xpool_registry);
LIST_HEAD(xpool_list);
BLOCKING_NOTIFIER_HEAD(xobservers);

/* Address to pool, for a pointer of which nothing else is known. */
static struct maple_tree xpool_map =
	MTREE_INIT(xpool_map, MT_FLAGS_USE_RCU);

/* The pool that was found last on this CPU; mostly it is the one of the next address, too. */
static DEFINE_PER_CPU(struct xpool *, xpool_found);

/*
 * The stack that NMIs leave work on
 */

/* The caller gets the right to push @page; false: it is on its way already. */
bool xdefer_claim(struct xpage *page)
{
	return cmpxchg(&page->deferred, 0, XDEFER_CLAIMED) == 0;
}

void xdefer_push(struct xpool *pool, struct xdefer *defer, struct xpage *page)
{
	int head = atomic_read(&defer->head);

	do {
		WRITE_ONCE(page->deferred, head ? (u32)head : XDEFER_END);
	} while (!atomic_try_cmpxchg(&defer->head, &head,
				     (int)(xpage_index(pool, page) + 1)));
}

struct xpage *xdefer_take_all(struct xpool *pool, struct xdefer *defer)
{
	u32 head;

	head = atomic_xchg(&defer->head, 0);
	return head ? &pool->pages[head - 1UL] : NULL;
}

/* Unlinks @page, so that it can be claimed again, and returns the one below. */
struct xpage *xdefer_next(struct xpool *pool, struct xpage *page)
{
	u32 link = xchg(&page->deferred, 0);

	return link == XDEFER_END ? NULL : &pool->pages[link - 1UL];
}

/*
 * Blocks
 */

static void count_pages(struct xpool *pool, enum xpage_kind kind, long nr)
{
	if (kind == XPAGE_SLAB)
		pool->nr_slab_pages += nr;
	else
		pool->nr_client_pages += nr;
}

static noinline void refuse_late(struct xpool *pool, const struct xpage *page)
{
	atomic_long_inc(&pool->errors);
	pr_err_ratelimited("pool %s: the block at page %lu was freed twice, found late\n",
			   pool->name, xpage_index(pool, page));
}

/* Is it on its way back? It may have been back before, or be a client's again. */
static bool comes_back(const struct xpage *page)
{
	return page->kind != XPAGE_NONE && page->kind != XPAGE_LIVE;
}

/* A row that is put may begin in one region and end in another. */
static noinline void unuse_row(struct xpool *pool, struct xpage *page, unsigned int nr)
{
	long size = 1L << page->order;

	for (; nr; nr--, page += size)
		xgrow_use(pool, page, -size);
}

/*
 * @nr blocks of one state that follow one another from @page on. Two CPUs may have
 * freed a block at the same instant, and both been believed, so it may come back
 * when it is back. False: at least one cannot be put, and none was.
 */
static bool try_row(struct xpool *pool, struct xpage *page, unsigned int nr)
{
	unsigned int order = page->order, i;

	lockdep_assert_held(&pool->lock);
	if (unlikely(!comes_back(page) ||
		     xbuddy_free_row(&pool->buddy, xpage_index(pool, page), order, nr)))
		return false;
	count_pages(pool, page->kind, -((long)nr << order));
	pool->puts += nr;
	if (unlikely(pool->grow))
		unuse_row(pool, page, nr);
	for (i = 0; i < nr; i++, page += 1UL << order)
		WRITE_ONCE(page->kind, XPAGE_NONE);
	return true;
}

static void put_row(struct xpool *pool, struct xpage *page, unsigned int nr)
{
	unsigned long size = 1UL << page->order;

	if (likely(try_row(pool, page, nr)))
		return;
	for (; nr; nr--, page += size)
		if (!try_row(pool, page, 1))
			refuse_late(pool, page);
}

static void put_locked(struct xpool *pool, struct xpage *page)
{
	put_row(pool, page, 1);
}

static noinline void put_all_deferred(struct xpool *pool)
{
	struct xpage *page = xdefer_take_all(pool, &pool->deferred);

	while (page) {
		struct xpage *next = xdefer_next(pool, page);

		put_locked(pool, page);
		page = next;
	}
}

static void put_deferred(struct xpool *pool)
{
	if (unlikely(xdefer_waits(&pool->deferred)))
		put_all_deferred(pool);
}

/*
 * Large blocks have no magazines, because a few would hold much of the pool. But
 * a block that is freed and taken again should not be joined and split each time.
 * So the block of each order that was freed last stays as it is, for all CPUs,
 * until somebody cannot get another block.
 */
static bool put_hot(struct xpool *pool)
{
	unsigned long was = pool->nr_hot_pages;
	unsigned int order;

	for (order = 0; pool->nr_hot_pages && order < XBUDDY_NR_ORDERS; order++) {
		struct xpage *page = pool->hot[order];

		if (!page)
			continue;
		pool->hot[order] = NULL;
		pool->nr_hot_pages -= 1UL << order;
		put_locked(pool, page);
	}
	return was;
}

/* The one that was hot goes back, and all where no more may be kept. */
static void make_hot(struct xpool *pool, struct xpage *page, unsigned int order)
{
	swap(pool->hot[order], page);
	if (page)
		put_locked(pool, page);
	else
		WRITE_ONCE(pool->nr_hot_pages, pool->nr_hot_pages + (1UL << order));
	xwatch_tell(&pool->decay.watch);	/* it may hold a region */
	if (unlikely(pool->idle_limit != XPOOL_NO_LIMIT)) {
		smp_mb();	/* as in xpool_cached_add(): one of us sees the other */
		if (xpool_over_cache(pool))
			put_hot(pool);
	}
}

static struct xpage *get_hot(struct xpool *pool, unsigned int order)
{
	struct xpage *page = pool->hot[order];

	if (page) {
		pool->hot[order] = NULL;
		pool->nr_hot_pages -= 1UL << order;
	}
	return page;
}

/* Blocks of a row that are used for @kind from now on, written down. */
static void own_row(struct xpool *pool, unsigned long index, unsigned int nr,
		    unsigned int order, enum xpage_kind kind, struct xpage **pages)
{
	struct xpage *page = &pool->pages[index];
	unsigned long size = 1UL << order;
	u16 state = kind << 8 | order;
	unsigned int i;

	for (i = 0; i < nr; i++, page += size) {
		WRITE_ONCE(page->state, state);
		pages[i] = page;
	}
	/* A row is cut from one block, so it is of one region. */
	if (unlikely(pool->grow))
		xgrow_use(pool, pages[0], (long)nr << order);
}

/* The block at @page is used for @kind from now on. */
static void own(struct xpool *pool, struct xpage *page, unsigned int order,
		enum xpage_kind kind)
{
	page->order = order;
	WRITE_ONCE(page->kind, kind);
	count_pages(pool, kind, 1L << order);
	pool->gets++;
	if (unlikely(pool->grow))
		xgrow_use(pool, page, 1L << order);
}

/* Pages that may be taken; see struct xpool_limits. May be old without the lock. */
static unsigned long allowance(const struct xpool *pool, enum xpool_need need)
{
	unsigned long keep = need == XPOOL_URGENT ? 0 : READ_ONCE(pool->limits.reserve);
	unsigned long room = min(xpool_hard_room(pool), READ_ONCE(pool->buddy.nr_free));

	return room > keep ? room - keep : 0;
}

static long take_block(struct xpool *pool, unsigned int order, enum xpool_need need,
		       enum xplace place)
{
	if (unlikely(!(allowance(pool, need) >> order)))
		return -ENOSPC;
	if (place == XPLACE_FIT)
		return xbuddy_alloc(&pool->buddy, order);
	return place == XPLACE_LOW ? xbuddy_alloc_low(&pool->buddy, order) :
				     xbuddy_alloc_top(&pool->buddy, order);
}

static struct xpage *get_locked(struct xpool *pool, unsigned int order,
				enum xpage_kind kind, enum xpool_need need, enum xplace place)
{
	struct xpage *page;
	long index;

	lockdep_assert_held(&pool->lock);
	if (kind == XPAGE_LIVE) {
		page = get_hot(pool, order);
		if (page) {
			WRITE_ONCE(page->kind, kind);
			return page;
		}
	}
	index = take_block(pool, order, need, place);
	if (unlikely(index < 0 && put_hot(pool)))
		index = take_block(pool, order, need, place);
	if (unlikely(index < 0))
		return NULL;
	page = &pool->pages[index];
	own(pool, page, order, kind);
	return page;
}

static struct xpage *get_once(struct xpool *pool, unsigned int order,
			      enum xpage_kind kind, enum xpool_need need, enum xplace place)
{
	struct xpage *page;
	unsigned long flags;

	if (!xlock(&pool->lock, &flags))
		return NULL;
	put_deferred(pool);
	page = get_locked(pool, order, kind, need, place);
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	return page;
}

/*
 * Take up to @nr blocks of 2^@order pages for @kind, as many as the limits allow,
 * without asking anybody to give back, and XPOOL_ROWS rows at most. Any context. Returns
 * how many.
 *
 * A refill of a magazine, which need not be full, breaks no block for its rest. To do so
 * after many small rows took 3,350 instructions, where 2,490 were the most without.
 */
unsigned int xpool_get_many(struct xpool *pool, unsigned int order,
			    enum xpage_kind kind, enum xpool_need need,
			    struct xpage **pages, unsigned int nr)
{
	unsigned int got = 0, rows = XPOOL_ROWS, n;
	unsigned long flags, index;

	if (!xlock(&pool->lock, &flags))
		return 0;
	put_deferred(pool);
	nr = min_t(unsigned long, nr, allowance(pool, need) >> order);
	while (rows-- && (n = xbuddy_alloc_row(&pool->buddy, order, nr - got,
					       got && kind == XPAGE_CACHED, &index))) {
		own_row(pool, index, n, order, kind, pages + got);
		got += n;
	}
	count_pages(pool, kind, (long)got << order);
	pool->gets += got;
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	if (unlikely(pool->grow))
		xgrow_wake(pool, false);
	return got;
}

/* Is there a block, as far as can be seen without the lock? */
static bool has_block(const struct xpool *pool, unsigned int order, enum xpool_need need)
{
	return READ_ONCE(pool->buddy.orders) >> order && allowance(pool, need) >> order;
}

/*
 * The clients are asked for pages, one after the other, until there is a block; of an
 * order that no block has, each of them. Any context but NMI. Returns how many came.
 */
static unsigned long ask_clients(struct xpool *pool, unsigned int order, enum xpool_need need)
{
	struct xclient *client;
	unsigned long flags, got = 0;

	raw_spin_lock_irqsave(&pool->client_lock, flags);
	list_for_each_entry(client, &pool->clients, node) {
		got += client->reclaim(client);
		if (has_block(pool, order, need))
			break;
	}
	raw_spin_unlock_irqrestore(&pool->client_lock, flags);
	return got;
}

/* Each client gives a few pages back. Any context but NMI; returns how many. */
unsigned long xpool_ask_clients(struct xpool *pool)
{
	return ask_clients(pool, XBUDDY_NR_ORDERS, XPOOL_ORDINARY);
}

/* The limit leaves no room for such a block, whatever the pool has. */
static bool is_over_hard(const struct xpool *pool, unsigned int order)
{
	return !(xpool_hard_room(pool) >> order);
}

/*
 * Take a block of 2^@order pages for @kind, at @place. Any context. Returns its first
 * page, or NULL: there is none that @need may have, or this is an NMI that found the
 * lock taken.
 */
struct xpage *xpool_get_at(struct xpool *pool, unsigned int order, enum xpage_kind kind,
			   enum xpool_need need, enum xplace place)
{
	struct xpage *page;

	if (unlikely(order > XBUDDY_MAX_ORDER))
		return NULL;
	do {
		page = get_once(pool, order, kind, need, place);
	} while (unlikely(!page) && !in_nmi() && ask_clients(pool, order, need));
	if (unlikely(pool->grow))
		xgrow_wake(pool, !page && !is_over_hard(pool, order));
	return page;
}

/*
 * Somebody sleeps until there is room. The put may have come from anywhere, with any
 * lock held, so it is told later.
 */
static void tell_room(struct xpool *pool)
{
	if (unlikely(atomic_read(&pool->nr_sleepers)))
		irq_work_queue(&pool->tell_room);
}

static void tell_clients(struct irq_work *work)
{
	struct xpool *pool = container_of(work, struct xpool, tell_room);
	struct xclient *client;
	unsigned long flags;

	raw_spin_lock_irqsave(&pool->client_lock, flags);
	list_for_each_entry(client, &pool->clients, node)
		if (client->room)
			client->room(client);
	raw_spin_unlock_irqrestore(&pool->client_lock, flags);
}

/* After blocks went back to the pool, or to where the next one takes them from. */
static void unlock_after_put(struct xpool *pool, unsigned long flags)
	__releases(&pool->lock)
{
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	tell_room(pool);
	if (unlikely(pool->grow))
		xgrow_trim(pool);
}

static void defer_put(struct xpool *pool, struct xpage *page)
{
	if (page->kind != XPAGE_SLAB)
		WRITE_ONCE(page->kind, XPAGE_DEFERRED);
	if (xdefer_claim(page))
		xdefer_push(pool, &pool->deferred, page);
}

static void defer_row(struct xpool *pool, const struct xrow *row)
{
	unsigned long size = 1UL << row->first->order;
	unsigned int i;

	for (i = 0; i < row->nr; i++)
		defer_put(pool, row->first + i * size);
}

/* Rows of blocks, which are the caller's. Any context. */
void xpool_put_rows(struct xpool *pool, const struct xrow *rows, unsigned int nr)
{
	unsigned long flags;
	unsigned int i;

	if (unlikely(!xlock(&pool->lock, &flags))) {
		for (i = 0; i < nr; i++)
			defer_row(pool, &rows[i]);
		return;
	}
	put_deferred(pool);
	for (i = 0; i < nr; i++)
		put_row(pool, rows[i].first, rows[i].nr);
	unlock_after_put(pool, flags);
}

/*
 * How many of the @nr blocks from @pages on follow one another, upwards or
 * downwards, in the same state: *@first is the lowest.
 */
static unsigned int find_row(struct xpage **pages, unsigned int nr, struct xpage **first)
{
	long size = 1L << pages[0]->order, step;
	unsigned int n = 1;

	*first = pages[0];
	if (nr == 1)
		return 1;
	step = pages[1] - pages[0];
	if (step != size && step != -size)
		return 1;
	while (n < nr && pages[n] - pages[n - 1] == step &&
	       pages[n]->state == pages[0]->state)
		n++;
	if (step < 0)
		*first = pages[n - 1];
	return n;
}

/*
 * Put @nr blocks back, all of one order and kind. Any context; they are the
 * caller's. Blocks that were taken together are mostly put back together.
 */
void xpool_put_many(struct xpool *pool, struct xpage **pages, unsigned int nr)
{
	struct xpage *first;
	unsigned long flags;
	unsigned int i, n;

	if (unlikely(!xlock(&pool->lock, &flags))) {
		for (i = 0; i < nr; i++)
			defer_put(pool, pages[i]);
		return;
	}
	put_deferred(pool);
	for (i = 0; i < nr; i += n) {
		n = find_row(pages + i, nr - i, &first);
		put_row(pool, first, n);
	}
	unlock_after_put(pool, flags);
}

/* A block of the caller's is several of 2^@order pages from now on. Any context but NMI. */
void xpool_split(struct xpool *pool, struct xpage *block, unsigned int order)
{
	unsigned int i, nr = 1U << (block->order - order), kind = block->kind;
	unsigned long flags;

	raw_spin_lock_irqsave(&pool->lock, flags);
	WARN_ON_ONCE(xbuddy_split(&pool->buddy, xpage_index(pool, block), block->order, order));
	for (i = 0; i < nr; i++) {
		block[i << order].order = order;
		WRITE_ONCE(block[i << order].kind, kind);
	}
	pool->gets += nr - 1;
	raw_spin_unlock_irqrestore(&pool->lock, flags);
}

/* The single pages of what was a block of the caller's are one again. The same. */
void xpool_unsplit(struct xpool *pool, struct xpage *block, unsigned int order)
{
	unsigned int i, nr = 1U << order;
	unsigned long flags;

	raw_spin_lock_irqsave(&pool->lock, flags);
	WARN_ON_ONCE(xbuddy_unsplit(&pool->buddy, xpage_index(pool, block), 0, order));
	for (i = 1; i < nr; i++)
		WRITE_ONCE(block[i].kind, XPAGE_NONE);
	block->order = order;
	pool->gets -= nr - 1;
	raw_spin_unlock_irqrestore(&pool->lock, flags);
}

static bool get_this(struct xpool *pool, struct xpage *page, enum xpage_kind kind,
		     enum xpool_need need)
{
	unsigned long index = xpage_index(pool, page);

	if (!allowance(pool, need) ||
	    xbuddy_alloc_range(&pool->buddy, 0, index, index + 1) < 0)
		return false;
	own(pool, page, 0, kind);
	return true;
}

/*
 * Of the pages from @first on that are set in @wanted, take those that are free, one by
 * one, as far as limits allow. Any context but NMI. Returns which they are.
 */
unsigned long xpool_get_these(struct xpool *pool, struct xpage *first, unsigned long wanted,
			      enum xpage_kind kind, enum xpool_need need)
{
	unsigned long got = 0, flags;
	unsigned int i;

	raw_spin_lock_irqsave(&pool->lock, flags);
	put_deferred(pool);
	for_each_set_bit(i, &wanted, BITS_PER_LONG)
		if (get_this(pool, first + i, kind, need))
			got |= BIT(i);
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	return got;
}

/* Put a client's block back, which will soon be wanted again. Any context. */
void xpool_put_hot(struct xpool *pool, struct xpage *page)
{
	unsigned int order = page->order;
	unsigned long flags;

	if (unlikely(!xlock(&pool->lock, &flags))) {
		defer_put(pool, page);
		return;
	}
	put_deferred(pool);
	if (likely(page->kind == XPAGE_CACHED && page != pool->hot[order]))
		make_hot(pool, page, order);
	else
		refuse_late(pool, page);
	unlock_after_put(pool, flags);
}

/* Put back what NMIs left, and what is hot. */
void xpool_settle(struct xpool *pool)
{
	unsigned long flags;

	if (!xlock(&pool->lock, &flags))
		return;
	put_deferred(pool);
	put_hot(pool);
	unlock_after_put(pool, flags);
}

void xpool_add_client(struct xpool *pool, struct xclient *client)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&pool->client_lock, flags);
	list_add_tail(&client->node, &pool->clients);
	raw_spin_unlock_irqrestore(&pool->client_lock, flags);
}

void xpool_del_client(struct xpool *pool, struct xclient *client)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&pool->client_lock, flags);
	list_del(&client->node);
	raw_spin_unlock_irqrestore(&pool->client_lock, flags);
}

/*
 * Addresses
 */

/* The long way of xpool_offset(): several regions, or not ours. */
unsigned long xpool_offset_far(const struct xpool *pool, unsigned long addr)
{
	unsigned long slot = (addr >> XPOOL_CHUNK_SHIFT) - pool->first_chunk;
	unsigned long in = addr & ((1UL << XPOOL_CHUNK_SHIFT) - 1);
	u32 chunk;

	if (slot >= pool->nr_chunks)
		return XPOOL_FOREIGN;
	/* Pairs with the release of a region that has come. */
	chunk = smp_load_acquire(&pool->chunks[slot]);
	if (chunk == U32_MAX || in >= READ_ONCE(pool->regions[chunk].nr) << PAGE_SHIFT)
		return XPOOL_FOREIGN;
	return ((unsigned long)chunk << XPOOL_CHUNK_SHIFT) + in;
}

/* The pool cannot be found any more: wait until nobody who did uses it, and forget it. */
static void forget(struct xpool *pool)
{
	int cpu;

	synchronize_rcu_expedited();	/* then nobody is about to write it down */
	for_each_possible_cpu(cpu)
		cmpxchg(per_cpu_ptr(&xpool_found, cpu), pool, NULL);
	synchronize_rcu_expedited();	/* and nobody has read it */
}

/* The first page of the handed out block that holds @index, or NULL. */
struct xpage *xpool_head(const struct xpool *pool, unsigned long index)
{
	unsigned long first = pool->start >> PAGE_SHIFT;
	unsigned long in = index % XPOOL_CHUNK_PAGES, chunk = index - in;
	struct xpage *page = &pool->pages[index];

	while (!READ_ONCE(page->kind)) {
		if (!in)
			return NULL;
		in &= in - 1;
		if (chunk + in < first)
			return NULL;
		page = &pool->pages[chunk + in];
	}
	return index - chunk - in < 1UL << page->order ? page : NULL;
}

static noinline struct xpool *find_pool(const void *addr)
{
	struct xpool *pool = mtree_load(&xpool_map, (unsigned long)addr) ?:
			     xgrow_owner((unsigned long)addr);

	if (pool)
		__this_cpu_write(xpool_found, pool);
	return pool;
}

/*
 * The same of the block of any pool that holds @addr. Called with preemption off: the
 * block is there for as long as it is off, or somebody holds it.
 */
struct xpage *xpool_head_any(const void *addr)
{
	struct xpool *pool = __this_cpu_read(xpool_found);
	unsigned long offset = likely(pool) ? xpool_offset(pool, addr) : XPOOL_FOREIGN;

	if (unlikely(offset == XPOOL_FOREIGN)) {
		pool = find_pool(addr);
		if (!pool)
			return NULL;
		offset = xpool_offset(pool, addr);
		if (offset == XPOOL_FOREIGN)
			return NULL;	/* the region is going */
	}
	return xpool_head(pool, offset >> PAGE_SHIFT);
}

/*
 * Where the range comes from. Each source has a function that acquires, which
 * leaves the regions in the pool, and one that releases.
 */

#define refuse(pool, err, fmt, ...) \
	({ pr_err("pool %s: " fmt "\n", (pool)->name, ##__VA_ARGS__); (err); })

/* A block is aligned in page numbers as it is in addresses. */
static unsigned long first_number(unsigned long addr)
{
	return (addr >> PAGE_SHIFT) % XPOOL_CHUNK_PAGES;
}

static int one_region(struct xpool *pool, void *addr)
{
	struct xregion *region = xmeta_alloc(sizeof(*region));

	if (!region)
		return -ENOMEM;
	*region = (struct xregion){
		.addr = (unsigned long)addr,
		.nr = pool->nr_pages,
		.index = first_number((unsigned long)addr),
	};
	pool->regions = region;
	pool->nr_regions = 1;
	pool->nr_fixed = 1;
	return 0;
}

static void release_run(unsigned long pfn, unsigned long nr)
{
	for (; nr; nr--, pfn++) {
		__free_page(pfn_to_page(pfn));
		if (!(nr % XPOOL_CHUNK_PAGES))
			cond_resched();
	}
}

/* The first page of [@pfn, @end) that @zone could not give away, or @end. */
static unsigned long obstacle(struct zone *zone, unsigned long pfn, unsigned long end)
{
	for (; pfn < end; pfn++) {
		struct page *page = pfn_to_online_page(pfn);

		if (!page || page_zone(page) != zone || PageReserved(page))
			break;
	}
	return pfn;
}

/*
 * alloc_contig_pages() does this, but is exported only by newer kernels; what
 * it is made of is exported by all. Returns a page frame number or 0.
 */
static unsigned long run_in_zone(struct zone *zone, unsigned long nr)
{
	unsigned long pfn = ALIGN(zone->zone_start_pfn, XPOOL_CHUNK_PAGES);

	while (pfn + nr <= zone_end_pfn(zone)) {
		unsigned long stop = obstacle(zone, pfn, pfn + nr);

		if (stop == pfn + nr) {
			if (!xcompat_alloc_contig_range(pfn, pfn + nr, GFP_KERNEL |
							__GFP_NOWARN))
				return pfn;
			stop--;		/* in use: try behind it */
		}
		pfn = ALIGN(stop + 1, XPOOL_CHUNK_PAGES);
		cond_resched();
	}
	return 0;
}

/* From the zones of a GFP_KERNEL allocation, the highest first. */
static unsigned long run_in_node(int nid, unsigned long nr)
{
	int z;

	for (z = ZONE_NORMAL; z >= 0; z--) {
		struct zone *zone = &NODE_DATA(nid)->node_zones[z];
		unsigned long pfn = 0;

		if (IS_ENABLED(CONFIG_CONTIG_ALLOC) && populated_zone(zone))
			pfn = run_in_zone(zone, nr);
		if (pfn)
			return pfn;
	}
	return 0;
}

static unsigned long run_in_system(unsigned long nr)
{
	unsigned long pfn;
	int nid;

	for_each_online_node(nid) {
		pfn = run_in_node(nid, nr);
		if (pfn)
			return pfn;
	}
	return 0;
}

#define XPOOL_BLOCK_GFP (GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN)

/*
 * @nr pages in a row: take a block of @order, which holds them, and give its
 * rest back. Each page is made one of its own, with a count of one, as
 * alloc_contig_range() leaves them.
 */
static unsigned long run_in_block(unsigned long nr, unsigned int order)
{
	struct page *page = alloc_pages(XPOOL_BLOCK_GFP, order);

	if (!page)
		return 0;
	split_page(page, order);
	release_run(page_to_pfn(page) + nr, (1UL << order) - nr);
	return page_to_pfn(page);
}

static unsigned long region_pfn(const struct xregion *region)
{
	return PHYS_PFN(virt_to_phys((void *)region->addr));
}

static void release_system(struct xpool *pool)
{
	unsigned long r;

	for (r = 0; r < pool->nr_regions; r++)
		if (pool->regions[r].nr)
			release_run(region_pfn(&pool->regions[r]), pool->regions[r].nr);
}

static int by_address(const void *a, const void *b)
{
	const struct xregion *left = a, *right = b;

	return left->addr < right->addr ? -1 : left->addr > right->addr;
}

/* What the table of chunks covers: the regions, and those that may come. */
static void span_chunks(struct xpool *pool, bool grows)
{
	struct xregion *last = &pool->regions[pool->nr_fixed - 1];

	if (grows) {
		xgrow_direct_map(&pool->first_chunk, &pool->nr_chunks);
		return;
	}
	pool->first_chunk = pool->regions[0].addr >> XPOOL_CHUNK_SHIFT;
	pool->nr_chunks = (last->addr >> XPOOL_CHUNK_SHIFT) - pool->first_chunk + 1;
}

/* The address of each region leads to its number; see xpool_offset_far(). */
static int map_chunks(struct xpool *pool)
{
	unsigned long r;

	pool->chunks = xmeta_alloc(pool->nr_chunks * sizeof(*pool->chunks));
	if (!pool->chunks)
		return -ENOMEM;
	memset(pool->chunks, 0xff, pool->nr_chunks * sizeof(*pool->chunks));
	pool->metadata += pool->nr_chunks * sizeof(*pool->chunks);

	for (r = 0; r < pool->nr_regions; r++)
		pool->regions[r].index = r * XPOOL_CHUNK_PAGES;
	for (r = 0; r < pool->nr_fixed; r++)
		pool->chunks[(pool->regions[r].addr >> XPOOL_CHUNK_SHIFT) -
			     pool->first_chunk] = r;
	return 0;
}

/*
 * No run of that length is free: blocks, wherever they lie. Page numbers of a
 * region are a whole chunk, so only the last one may be shorter; it is sorted
 * to where its address belongs and leaves a gap there. It starts where a chunk
 * starts too, so it is cut from a largest block. There are page numbers for
 * @more regions that are not there yet.
 */
static int acquire_blocks(struct xpool *pool, unsigned long more)
{
	unsigned long left = pool->nr_pages;
	size_t bytes = (DIV_ROUND_UP(left, XPOOL_CHUNK_PAGES) + more) * sizeof(struct xregion);
	int err = -ENOMEM;

	pool->regions = xmeta_alloc(bytes);
	if (!pool->regions)
		return -ENOMEM;
	while (left) {
		unsigned long nr = min(left, XPOOL_CHUNK_PAGES);
		unsigned long pfn = run_in_block(nr, XBUDDY_MAX_ORDER);

		if (!pfn)
			goto undo;
		pool->regions[pool->nr_regions++] = (struct xregion){
			.addr = (unsigned long)page_address(pfn_to_page(pfn)), .nr = nr,
		};
		left -= nr;
		cond_resched();
	}
	sort(pool->regions, pool->nr_regions, sizeof(struct xregion), by_address, NULL);
	pool->nr_fixed = pool->nr_regions;
	pool->nr_regions += more;
	pool->metadata += bytes;
	span_chunks(pool, more);
	err = map_chunks(pool);
	if (!err)
		return 0;
undo:
	release_system(pool);
	xmeta_free(pool->regions);
	pool->regions = NULL;
	pool->nr_regions = 0;
	return err;
}

static int too_much_for_system(struct xpool *pool, unsigned long nr)
{
	return refuse(pool, -ENOMEM,
		      "size=%lu: the system has not that much free; ask for less, or reserve it at boot with memmap= or reserve_mem=",
		      nr << PAGE_SHIFT);
}

/* Regions that may come to those of @args->size. */
static unsigned long more_regions(const struct xpool_args *args)
{
	return args->max_size ? (args->max_size - args->size) >> XPOOL_CHUNK_SHIFT : 0;
}

static int acquire_system(struct xpool *pool, const struct xpool_args *args)
{
	unsigned long nr = pool->nr_pages, more = more_regions(args), pfn;
	int err;

	if (nr > totalram_pages())
		return refuse(pool, -ENOMEM,
			      "size=%lu: more than the %lu bytes that the system has; ask for less",
			      nr << PAGE_SHIFT, totalram_pages() << PAGE_SHIFT);

	pool->has_struct_page = true;
	if (more) {
		err = acquire_blocks(pool, more);
		return err ? too_much_for_system(pool, nr) : 0;
	}
	pfn = nr <= XPOOL_CHUNK_PAGES ?
	      run_in_block(nr, get_order(nr << PAGE_SHIFT)) : run_in_system(nr);
	if (!pfn) {
		err = nr <= XPOOL_CHUNK_PAGES ? -ENOMEM : acquire_blocks(pool, 0);
		return err ? too_much_for_system(pool, nr) : 0;
	}

	err = one_region(pool, page_address(pfn_to_page(pfn)));
	if (err)
		release_run(pfn, nr);
	return err;
}

/* All of the range is of a kind that firmware or memmap= set aside. */
static bool is_reserved(phys_addr_t base, size_t size, unsigned long desc)
{
	return region_intersects(base, size, IORESOURCE_MEM, desc) == REGION_INTERSECTS &&
	       region_intersects(base, 1, IORESOURCE_MEM, desc) == REGION_INTERSECTS &&
	       region_intersects(base + size - 1, 1, IORESOURCE_MEM, desc) ==
	       REGION_INTERSECTS;
}

static bool is_set_aside(phys_addr_t base, size_t size)
{
	return is_reserved(base, size, IORES_DESC_RESERVED) ||
	       is_reserved(base, size, IORES_DESC_PERSISTENT_MEMORY_LEGACY);
}

static bool is_ram(phys_addr_t base, size_t size)
{
	return region_intersects(base, size, IORESOURCE_SYSTEM_RAM,
				 IORES_DESC_NONE) != REGION_DISJOINT;
}

static int not_reserved(struct xpool *pool, const struct xpool_args *args)
{
	return refuse(pool, -EINVAL, "base=%pa size=%zu: not reserved; boot with memmap=%zu$%pa",
		      &args->base, args->size, args->size, &args->base);
}

static int acquire_base(struct xpool *pool, const struct xpool_args *args)
{
	phys_addr_t base = args->base;
	void *addr;
	int err;

	if (!PAGE_ALIGNED(base))
		return refuse(pool, -EINVAL,
			      "base=%pa: not a multiple of the page size %lu; align it",
			      &base, PAGE_SIZE);
	if (base + args->size < base)
		return refuse(pool, -EINVAL,
			      "base=%pa size=%zu: runs over the end of memory; ask for less",
			      &base, args->size);
	if (!request_mem_region(base, args->size, "xalloc"))
		return is_ram(base, args->size) ? not_reserved(pool, args) :
		       refuse(pool, -EBUSY,
			      "base=%pa size=%zu: overlaps a range that is in use; choose another one",
			      &base, args->size);
	if (!is_set_aside(base, args->size)) {
		err = not_reserved(pool, args);
		goto undo_request;
	}

	addr = memremap(base, args->size, MEMREMAP_WB);
	if (!addr) {
		err = refuse(pool, -ENOMEM,
			     "base=%pa size=%zu: cannot be mapped; choose another range",
			     &base, args->size);
		goto undo_request;
	}
	err = one_region(pool, addr);
	if (err)
		goto undo_map;
	pool->phys = base;
	return 0;

undo_map:
	memunmap(addr);
undo_request:
	release_mem_region(base, args->size);
	return err;
}

static void release_base(struct xpool *pool)
{
	memunmap((void *)pool->regions[0].addr);
	release_mem_region(pool->phys, pool->nr_pages << PAGE_SHIFT);
}

static int acquire_reserve_mem(struct xpool *pool, const struct xpool_args *args)
{
	phys_addr_t base, size;
	int err = xcompat_reserve_mem(args->reserve_mem, &base, &size);

	if (err == -EOPNOTSUPP)
		return refuse(pool, err,
			      "reserve_mem=%s: needs Linux 6.12 or newer; use base= with memmap=",
			      args->reserve_mem);
	if (err)
		return refuse(pool, err,
			      "reserve_mem=%s: no range of that name; boot with reserve_mem=<size>:<align>:%s",
			      args->reserve_mem, args->reserve_mem);
	if (args->size > size)
		return refuse(pool, -EINVAL, "size=%zu: reserve_mem=%s has %pa bytes; ask for less",
			      args->size, args->reserve_mem, &size);
	if (!PAGE_ALIGNED(base) || size < PAGE_SIZE)
		return refuse(pool, -EINVAL,
			      "reserve_mem=%s: not made of whole pages; boot with an alignment of %lu",
			      args->reserve_mem, PAGE_SIZE);

	pool->nr_pages = (args->size ?: size) >> PAGE_SHIFT;
	pool->has_struct_page = true;
	return one_region(pool, phys_to_virt(base));
}

static int acquire_addr(struct xpool *pool, const struct xpool_args *args)
{
	unsigned long addr = (unsigned long)args->addr;

	if (!PAGE_ALIGNED(addr))
		return refuse(pool, -EINVAL,
			      "addr=%p: not a multiple of the page size %lu; align it",
			      args->addr, PAGE_SIZE);
	if (addr + args->size < addr)
		return refuse(pool, -EINVAL,
			      "addr=%p size=%zu: runs over the end of memory; ask for less",
			      args->addr, args->size);
	pool->has_struct_page = virt_addr_valid(args->addr);
	return one_region(pool, args->addr);
}

static int acquire(struct xpool *pool, const struct xpool_args *args)
{
	switch (pool->source) {
	case XPOOL_BASE:
		return acquire_base(pool, args);
	case XPOOL_RESERVE_MEM:
		return acquire_reserve_mem(pool, args);
	case XPOOL_ADDR:
		return acquire_addr(pool, args);
	default:
		return acquire_system(pool, args);
	}
}

static void release(struct xpool *pool)
{
	if (pool->source == XPOOL_SYSTEM)
		release_system(pool);
	else if (pool->source == XPOOL_BASE)
		release_base(pool);
	xmeta_free(pool->chunks);
	xmeta_free(pool->regions);
}

/*
 * Bring-up and tear-down
 */

static int check_name(const char *name)
{
	if (!name || !*name || strnlen(name, XPOOL_NAME_MAX) == XPOOL_NAME_MAX ||
	    strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, "..")) {
		pr_err("pool: name: need 1 to %d characters, no slash\n",
		       XPOOL_NAME_MAX - 1);
		return -EINVAL;
	}
	return 0;
}

static int check_size(struct xpool *pool, const struct xpool_args *args)
{
	if (!args->size && pool->source != XPOOL_RESERVE_MEM)
		return refuse(pool, -EINVAL,
			      "size=0: nothing to manage; give a multiple of the page size %lu",
			      PAGE_SIZE);
	if (!PAGE_ALIGNED(args->size))
		return refuse(pool, -EINVAL,
			      "size=%zu: not a multiple of the page size %lu; round it",
			      args->size, PAGE_SIZE);
	if (args->size >> PAGE_SHIFT >= XBUDDY_MAX_NR - XPOOL_CHUNK_PAGES)
		return refuse(pool, pool->source == XPOOL_SYSTEM ? -ENOMEM : -EINVAL,
			      "size=%zu: more than 2^32 pages; ask for less", args->size);
	return 0;
}

static int check_max_size(struct xpool *pool, const struct xpool_args *args)
{
	if (!args->max_size)
		return 0;
	if (pool->source != XPOOL_SYSTEM)
		return refuse(pool, -EINVAL,
			      "max_size=%zu: only memory of the system grows; give no other source, or no max_size",
			      args->max_size);
	if (!IS_ALIGNED(args->max_size, 1UL << XPOOL_CHUNK_SHIFT))
		return refuse(pool, -EINVAL,
			      "max_size=%zu: not a multiple of the %lu bytes by which a pool grows; round it",
			      args->max_size, 1UL << XPOOL_CHUNK_SHIFT);
	if (args->max_size < args->size)
		return refuse(pool, -EINVAL,
			      "max_size=%zu: less than size=%zu; a pool grows from size to max_size",
			      args->max_size, args->size);
	if (args->max_size >> PAGE_SHIFT > totalram_pages())
		return refuse(pool, -ENOMEM,
			      "max_size=%zu: more than the %lu bytes that the system has; ask for less",
			      args->max_size, totalram_pages() << PAGE_SHIFT);
	return 0;
}

static int check_args(struct xpool *pool, const struct xpool_args *args)
{
	if (!!args->base + !!args->reserve_mem + !!args->addr > 1)
		return refuse(pool, -EINVAL,
			      "base=, reserve_mem= and addr exclude one another; give one");

	pool->source = args->base ? XPOOL_BASE :
		       args->reserve_mem ? XPOOL_RESERVE_MEM :
		       args->addr ? XPOOL_ADDR : XPOOL_SYSTEM;
	return check_size(pool, args) ?: check_max_size(pool, args);
}

/* Page numbers that no region stands for are taken out of the buddy for good. */
static void take_gaps(struct xpool *pool)
{
	unsigned long r, at = 0;

	for (r = 0; r <= pool->nr_regions; r++) {
		bool last = r == pool->nr_regions;
		unsigned long to = last ? pool->buddy.nr : pool->regions[r].index;

		if (at < to)
			xbuddy_alloc_run(&pool->buddy, to - at, at, to);
		if (!last)
			at = pool->regions[r].index + pool->regions[r].nr;
	}
}

/* The last region, if it has no memory yet, is a whole chunk once it has. */
static unsigned long end_number(const struct xpool *pool)
{
	const struct xregion *last = &pool->regions[pool->nr_regions - 1];

	return last->index + (last->nr ?: XPOOL_CHUNK_PAGES);
}

static int init_metadata(struct xpool *pool)
{
	unsigned long first = pool->regions[0].index;
	unsigned long end = end_number(pool);
	int err;

	pool->pages_mem = xmeta_alloc((end - first) * sizeof(struct xpage));
	if (!pool->pages_mem)
		return -ENOMEM;
	err = xbuddy_init(&pool->buddy, end);
	if (err) {
		xmeta_free(pool->pages_mem);
		return err;
	}
	take_gaps(pool);
	pool->pages = pool->pages_mem - first;
	if (pool->nr_regions == 1) {
		pool->base = pool->regions[0].addr - (first << PAGE_SHIFT);
		pool->start = first << PAGE_SHIFT;
		pool->bytes = pool->nr_pages << PAGE_SHIFT;
	}
	pool->metadata += (end - first) * sizeof(struct xpage) + pool->buddy.bytes;
	return 0;
}

static void unmap_regions(struct xpool *pool, unsigned long nr)
{
	while (nr--)
		mtree_erase(&xpool_map, pool->regions[nr].addr);
}

static int map_region(struct xpool *pool, const struct xregion *region)
{
	unsigned long bytes = region->nr << PAGE_SHIFT;

	if (xgrow_overlaps(region->addr, bytes))
		return -EEXIST;
	return mtree_insert_range(&xpool_map, region->addr, region->addr + bytes - 1,
				  pool, GFP_KERNEL);
}

/* Regions that come and go are found by another way; see xgrow.c. */
static int map_regions(struct xpool *pool)
{
	unsigned long r;

	for (r = 0; r < pool->nr_fixed; r++) {
		int err = map_region(pool, &pool->regions[r]);

		if (!err)
			continue;
		unmap_regions(pool, r);
		return err == -EEXIST ?
		       refuse(pool, -EBUSY,
			      "%s: overlaps the range of another pool; choose another one",
			      pool->source == XPOOL_RESERVE_MEM ? "reserve_mem=" : "addr") : err;
	}
	return 0;
}

static bool name_taken(const char *name)
{
	struct xpool *pool;

	list_for_each_entry(pool, &xpool_list, node)
		if (!strcmp(pool->name, name))
			return true;
	return false;
}

static int setup(struct xpool *pool, const struct xpool_args *args)
{
	int err;

	if (name_taken(args->name))
		return refuse(pool, -EEXIST, "name: taken by another pool; choose another one");
	err = check_args(pool, args);
	if (err)
		return err;
	pool->nr_pages = args->size >> PAGE_SHIFT;
	err = acquire(pool, args);
	if (err)
		return err;
	err = init_metadata(pool);
	if (err) {
		refuse(pool, err, "size=%lu: no memory for its metadata; ask for less",
		       pool->nr_pages << PAGE_SHIFT);
		goto undo_acquire;
	}
	err = map_regions(pool);
	if (err)
		goto undo_metadata;
	err = more_regions(args) ? xgrow_init(pool, args->max_size >> PAGE_SHIFT) : 0;
	if (err)
		goto undo_map;
	return 0;

undo_map:
	unmap_regions(pool, pool->nr_fixed);
	forget(pool);
undo_metadata:
	xbuddy_destroy(&pool->buddy);
	xmeta_free(pool->pages_mem);
undo_acquire:
	release(pool);
	return err;
}

/*
 * A pool with its range, its metadata and no clients, not listed yet. Returns an
 * error pointer after one line in the log. Called with xpool_registry held.
 */
struct xpool *xpool_setup(const struct xpool_args *args)
{
	struct xpool *pool;
	int err = check_name(args->name);

	lockdep_assert_held(&xpool_registry);
	if (err)
		return ERR_PTR(err);
	pool = xmeta_alloc(sizeof(*pool));
	if (!pool)
		return ERR_PTR(-ENOMEM);

	strscpy(pool->name, args->name, sizeof(pool->name));
	raw_spin_lock_init(&pool->lock);
	raw_spin_lock_init(&pool->client_lock);
	INIT_LIST_HEAD(&pool->clients);
	init_irq_work(&pool->tell_room, tell_clients);
	pool->limits.hard = XPOOL_NO_LIMIT;
	pool->limits.cache = XPOOL_NO_LIMIT;
	pool->idle_limit = XPOOL_NO_LIMIT;
	pool->metadata = sizeof(*pool);
	err = setup(pool, args);
	if (err) {
		xmeta_free(pool);
		return ERR_PTR(err);
	}
	return pool;
}

/* Undo xpool_setup(). Nobody has anything of the pool any more. */
void xpool_teardown(struct xpool *pool)
{
	unmap_regions(pool, pool->nr_fixed);
	xgrow_exit(pool);
	irq_work_sync(&pool->tell_room);
	forget(pool);
	xbuddy_destroy(&pool->buddy);
	xmeta_free(pool->pages_mem);
	release(pool);
	xmeta_free(pool->grow);
	xmeta_free(pool);
}

/*
 * As xpool_teardown(), but somebody has pages still, who is gone and cannot give
 * them back. A device may know them yet, so the range is nobody's from now on.
 */
void xpool_abandon(struct xpool *pool)
{
	pr_err("pool %s: %lu bytes are lost with the pages in use\n", pool->name,
	       pool->nr_pages << PAGE_SHIFT);
	if (pool->source == XPOOL_BASE)
		release_mem_region(pool->phys, pool->nr_pages << PAGE_SHIFT);
	pool->source = XPOOL_ADDR;
	xpool_teardown(pool);
}

void xpool_publish(struct xpool *pool)
{
	lockdep_assert_held(&xpool_registry);
	list_add_tail(&pool->node, &xpool_list);
	blocking_notifier_call_chain(&xobservers, XOBSERVE_POOL_ADD, pool);
}

void xpool_unpublish(struct xpool *pool)
{
	lockdep_assert_held(&xpool_registry);
	blocking_notifier_call_chain(&xobservers, XOBSERVE_POOL_DEL, pool);
	list_del(&pool->node);
	xgrow_stop(pool);
}
