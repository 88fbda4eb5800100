// SPDX-License-Identifier: GPL-2.0
/*
 * slab/move: objects that can be moved
 *
 * A cache whose live objects are scattered over many slabs cannot give these back.
 * If its client can move an object, that is copy it and turn all references from the old
 * place to the new one, a forced collect packs the objects into as few slabs as can hold
 * them. The idea is from the kernel memory allocator of illumos.
 *
 * One slab after the other is emptied, of the sparsest first:
 *
 *	1. its free objects are taken, so that no CPU allocates there
 *	2. the client is asked to move each of the others to a free object of the
 *	   fullest slab; whatever is freed meanwhile is taken too
 *	3. what was taken is put back: the slab is free, or as before if the client
 *	   would not move some object of it
 *
 * It ends when the free objects of all slabs together are fewer than a slab has:
 * then no slab can be spared. Until then there is room in other slabs for all objects
 * of any one of them, so with a client that moves everything the end is always
 * reached. A slab that could not be emptied goes to the end of its list, and each
 * list is gone through once.
 *
 * Few slabs may still lie in many regions of a pool that grows. So when a forced collection
 * of the pool has packed all of its caches, it counts the pages of such objects in each
 * region and chooses regions that the others can do without (pool/plan.c). These serve nothing
 * then, and each slab in them is emptied in the same way, but into slabs that stay, or new
 * ones in regions that stay. Each place is looked at once; without room it ends.
 *
 * The magazines are closed meanwhile, so that each object is free in its slab, or
 * taken, or the client's; or on its way between them, which is what XSLAB_UNKNOWN and
 * XSLAB_GONE are for.
 *
 * The client is called with no lock held. It may take what locks it likes, sleep, make and
 * destroy caches; and other tasks that hold those locks may allocate. So what was taken of
 * the slab that is being emptied is no hindrance for them: an allocation that finds nothing
 * else has it put back (xmove_give_back()), and the mover goes on with another slab.
 *
 * One task packs the objects of a cache at a time; another one that wants to waits for it,
 * but not from a callback: a mover never waits for a mover, since that one may wait for it.
 *
 * The reserve of xslab_cache_prefill() stays whole: a slab is emptied only where the
 * reserve can do without all of it, as otherwise it would not be given back either.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/export.h>
#include <linux/sched.h>

#include "slab.h"

static void note_taken(struct xmove *move, unsigned int w, unsigned long bits)
{
	unsigned int nr = hweight_long(bits & ~move->taken[w]);

	lockdep_assert_held(&move->cache->lock);
	move->taken[w] |= bits;
	move->nr += nr;
	move->cache->moving.nr += nr;
}

static bool is_taken(const struct xmove *move, unsigned int i)
{
	return move->taken[BIT_WORD(i)] & BIT_MASK(i);
}

/* Take what is free in the slab. */
static void take_free(struct xmove *move)
{
	struct xslab_cache *cache = move->cache;
	unsigned int w;

	settle(cache);
	if (move->given_up)
		return;		/* the slab may be another owner's by now */
	for (w = 0; w < cache->words; w++) {
		unsigned long bits = atomic_long_read(&move->slab->map[w]);

		change_word(cache, &move->slab->map[w], bits, 0);
		note_taken(move, w, bits);
	}
	recount_free(cache, move->slab);
}

/* Would the slab be left over if the objects were packed? */
static bool can_spare(const struct xslab_cache *cache, const struct xpage *slab)
{
	return cache->objects.free + cache->moving.nr >=
	       kept_free(cache) + xtear_objects(cache, slab);
}

/* Begin with the first slab of a list. Returns false if there is none to spare. */
static bool begin(struct xmove *move, unsigned int list)
{
	struct xslab_cache *cache = move->cache;
	unsigned long flags;

	raw_spin_lock_irqsave(&cache->lock, flags);
	settle(cache);
	move->slab = list_first_entry_or_null(&cache->lists[list], struct xpage, list);
	if (move->slab && !can_spare(cache, move->slab))
		move->slab = NULL;
	if (move->slab) {
		take_free(move);
		cache->moving.emptied = move;
	}
	xslab_unlock(cache, flags);
	return move->slab;
}

/* What was taken is free again. */
static void put_taken(struct xmove *move)
{
	struct xslab_cache *cache = move->cache;
	unsigned int w;

	lockdep_assert_held(&cache->lock);
	for (w = 0; w < cache->words; w++) {
		change_word(cache, &move->slab->map[w], 0, move->taken[w]);
		move->taken[w] = 0;
	}
	recount_free(cache, move->slab);
	cache->moving.nr -= move->nr;
	move->nr = 0;
}

/*
 * An allocation finds nothing: it can have what the mover took. Any context but NMI;
 * returns false if that is nothing.
 */
bool xmove_give_back(struct xslab_cache *cache)
{
	unsigned long flags;
	bool some = false;

	if (likely(!READ_ONCE(cache->moving.emptied)))
		return false;
	raw_spin_lock_irqsave(&cache->lock, flags);
	settle(cache);
	if (cache->moving.emptied && !cache->moving.emptied->given_up) {
		some = cache->moving.emptied->nr;
		cache->moving.emptied->given_up = true;
		put_taken(cache->moving.emptied);
		if (is_torn(cache->moving.emptied->slab))
			xtear_freed(cache, cache->moving.emptied->slab);
	}
	unlock_freed(cache, flags);
	return some;
}

/* Put back what was taken. What is not free now is not looked at again soon. */
static void end(struct xmove *move)
{
	struct xslab_cache *cache = move->cache;
	unsigned int list;
	unsigned long flags;

	raw_spin_lock_irqsave(&cache->lock, flags);
	take_free(move);
	cache->moving.emptied = NULL;
	if (move->given_up) {
		unlock_freed(cache, flags);
		return;
	}
	put_taken(move);
	list = cache->list_of[move->slab->nr_free];
	if (list < XSLAB_BUCKETS)
		list_move_tail(&move->slab->list, &cache->lists[list]);
	if (is_torn(move->slab))
		xtear_freed(cache, move->slab);
	unlock_freed(cache, flags);
}

/* Is the slab in a region that will be emptied? */
static bool will_go(const struct xslab_cache *cache, const struct xpage *slab)
{
	unsigned long r = xpage_index(cache->pool, slab) / XPOOL_CHUNK_PAGES;

	return READ_ONCE(cache->pool->regions[r].serves) == XSERVES_NONE;
}

/* Has a slab that the lock was given up for still room? It may be another owner's now. */
static bool has_room(const struct xslab_cache *cache, const struct xpage *slab)
{
	return slab && slab->kind == XPAGE_SLAB && slab->cache == cache && slab->nr_free;
}

/* A slab with room: the fullest, or where a region is emptied one that stays; or NULL. */
static struct xpage *slab_for(struct xmove *move)
{
	struct xslab_cache *cache = move->cache;
	struct xpage *slab;

	lockdep_assert_held(&cache->lock);
	if (move->to && has_room(cache, *move->to) && !will_go(cache, *move->to))
		return *move->to;
	slab = xslab_fullest(cache);
	if (!move->to)
		return slab;
	*move->to = slab && !will_go(cache, slab) ? slab : NULL;
	return *move->to;
}

/* Where object @i should go; NULL: nowhere, or it is free by now. */
static void *new_place(struct xmove *move, unsigned int i)
{
	struct xslab_cache *cache = move->cache;
	struct xpage *slab;
	unsigned long flags;
	void *new = NULL;

	raw_spin_lock_irqsave(&cache->lock, flags);
	take_free(move);
	slab = move->given_up ? NULL : slab_for(move);
	if (slab && !is_taken(move, i))
		new = xslab_take_one(cache, slab);
	xslab_unlock(cache, flags);
	if (!slab && move->to && !is_taken(move, i) && !READ_ONCE(move->given_up))
		*move->to = xslab_grow_in_place(cache, &new);
	if (!new)
		return NULL;
	if (xslab_mark_live(cache, new)) {
		tell_alloc(cache, addr_of(cache, new), 0);
		return new;
	}
	xslab_report_lost(cache, new);
	return NULL;
}

/* The client does not want @new. */
static void put_back(struct xslab_cache *cache, void *new)
{
	if (!xslab_mark(cache, new, XSLAB_LIVE, cache->fast.check.tag)) {
		xslab_report_lost(cache, new);
		return;
	}
	tell_free(cache, addr_of(cache, new));
	cache->mag.ops->drain(&cache->mag, &new, 1);
}

/* The client has given object @i up, unless it was freed besides. */
static void take_moved(struct xmove *move, unsigned int i, void *old)
{
	struct xslab_cache *cache = move->cache;
	unsigned long flags;

	if (!xslab_mark(cache, old, XSLAB_LIVE, XSLAB_IN_SLAB)) {
		xslab_report_lost(cache, old);
		return;
	}
	tell_free(cache, addr_of(cache, old));
	raw_spin_lock_irqsave(&cache->lock, flags);
	note_taken(move, BIT_WORD(i), BIT_MASK(i));
	if (move->given_up)
		put_taken(move);
	unlock_freed(cache, flags);
}

/* Have object @i moved. Returns false if the slab will not become free. */
static bool move_object(struct xmove *move, unsigned int i)
{
	struct xslab_cache *cache = move->cache;
	void *old = first_object(cache, move->slab) + (unsigned long)i * cache->stride;
	void *new = new_place(move, i);
	enum xslab_move answer;

	if (!new)
		return is_taken(move, i);
	if (xslab_is_waiting(cache, old)) {	/* no client's, and not free for a while */
		put_back(cache, new);
		return false;
	}
	answer = move->fn(move->arg, addr_of(cache, old), addr_of(cache, new),
			  cache->object_size);
	if (answer == XSLAB_MOVED)
		take_moved(move, i, old);
	else
		put_back(cache, new);
	return answer == XSLAB_MOVED || answer == XSLAB_GONE;
}

/* Does the cache still have the function that this move is made with? */
static bool is_wanted(const struct xmove *move)
{
	return READ_ONCE(move->cache->moving.move) == move->fn && !READ_ONCE(move->given_up);
}

/* Try to empty a slab. Returns false if there is none to try on the list. */
static bool empty_slab(struct xmove *move, unsigned int list)
{
	struct xslab_cache *cache = move->cache;
	unsigned int i;

	*move = (struct xmove){ .cache = cache, .fn = move->fn, .arg = move->arg };
	if (!begin(move, list))
		return false;
	for (i = 0; i < cache->per_slab && is_wanted(move); i++)
		if (xtear_has(move->slab, i) && !is_taken(move, i) && !move_object(move, i))
			break;
	end(move);
	return READ_ONCE(cache->moving.move) == move->fn;
}

void xmove_init(struct xslab_cache *cache)
{
	init_waitqueue_head(&cache->moving.gone);
}

/* Would the caller, from a callback, wait for itself, or for one that waits for it? */
bool xmove_would_wait_for_itself(struct xslab_cache *cache)
{
	return READ_ONCE(cache->moving.task) && xpool_in_callback();
}

/* Become the one task that moves objects of the cache. Returns false if another one does. */
static bool try_claim(struct xmove *move)
{
	struct xslab_cache *cache = move->cache;
	unsigned long flags;
	bool ours;

	raw_spin_lock_irqsave(&cache->lock, flags);
	ours = !cache->moving.task;
	move->fn = cache->moving.move;
	move->arg = cache->moving.arg;
	if (ours && move->fn)
		cache->moving.task = current;
	raw_spin_unlock_irqrestore(&cache->lock, flags);
	return ours;
}

static bool claim(struct xmove *move)
{
	while (!try_claim(move)) {
		if (xpool_in_callback())
			return false;
		wait_event(move->cache->moving.gone, !READ_ONCE(move->cache->moving.task));
	}
	return move->fn;
}

static void unclaim(struct xslab_cache *cache)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&cache->lock, flags);
	WRITE_ONCE(cache->moving.task, NULL);
	raw_spin_unlock_irqrestore(&cache->lock, flags);
	wake_up_all(&cache->moving.gone);
}

/*
 * Have objects moved until they are in as few slabs as can be, while the magazines are
 * closed. Returns the pages given back.
 */
unsigned long xmove_compact(struct xslab_cache *cache)
{
	struct xmove move = { .cache = cache };
	unsigned long nr[XSLAB_BUCKETS], pages = 0;
	struct xpool_caller mover;
	int list;

	if (!READ_ONCE(cache->moving.move) || !claim(&move))
		return 0;
	xpool_enter_callback(&mover);
	xslab_sort(cache, nr);
	for (list = XSLAB_BUCKETS - 1; list >= 0; list--) {
		while (nr[list]-- && empty_slab(&move, list)) {
			pages += xslab_release_all(cache);
			cond_resched();
		}
	}
	xpool_leave_callback(&mover);
	unclaim(cache);
	return pages;
}

/* Set the function, and wait until the one before does not run any more. */
static void set_move(struct xslab_cache *cache, xslab_move_fn move, void *arg)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&cache->lock, flags);
	WRITE_ONCE(cache->moving.move, cache->state.retired ? NULL : move);
	cache->moving.arg = arg;
	raw_spin_unlock_irqrestore(&cache->lock, flags);
	wait_event(cache->moving.gone, !READ_ONCE(cache->moving.task));
}

/* Not from a callback. */
void xmove_forget(struct xslab_cache *cache)
{
	set_move(cache, NULL, NULL);
}

/*
 * Emptying regions of a pool that grows
 */

static unsigned int pages_in(const struct xslab_cache *cache, const struct xregion *region)
{
	const struct xpage *page = &cache->pages[region->index];
	unsigned long i = 0, nr = 0;

	/* Blocks come and go meanwhile: this is for a plan. */
	while (i < XPOOL_CHUNK_PAGES) {
		unsigned int kind = READ_ONCE(page[i].kind), order = 0;

		if (kind != XPAGE_NONE)
			order = min_t(unsigned int, READ_ONCE(page[i].order), XBUDDY_MAX_ORDER);
		if (kind == XPAGE_SLAB && owner_of(&page[i]) == cache)
			nr += 1UL << order;
		i += 1UL << order;
	}
	return nr;
}

/* Pages of the cache's objects, by region. */
void xmove_count(struct xclient *client)
{
	struct xslab_cache *cache = container_of(client, struct xslab_cache, client);
	struct xpool *pool = cache->pool;
	unsigned long r;

	if (!READ_ONCE(cache->moving.move))
		return;
	for (r = pool->nr_fixed; r < pool->nr_regions; r++) {
		if (READ_ONCE(pool->regions[r].used))
			pool->regions[r].movable += pages_in(cache, &pool->regions[r]);
		cond_resched();
	}
}

/* Like begin(), but with the slab at @slab. Returns false if it is not one to take. */
static bool begin_at(struct xmove *move, struct xpage *slab)
{
	struct xslab_cache *cache = move->cache;
	unsigned long flags;

	raw_spin_lock_irqsave(&cache->lock, flags);
	settle(cache);
	if (slab->kind == XPAGE_SLAB && owner_of(slab) == cache &&
	    (!kept_free(cache) || can_spare(cache, slab))) {
		move->slab = slab;
		take_free(move);
		cache->moving.emptied = move;
	}
	xslab_unlock(cache, flags);
	return move->slab;
}

/* Where the reserve cannot do without a slab, one that stays comes before it. */
static bool begin_instead(struct xmove *move, struct xpage *slab)
{
	if (READ_ONCE(slab->kind) != XPAGE_SLAB || owner_of(slab) != move->cache)
		return false;
	return begin_at(move, slab) ||
	       (xslab_grow_in_place(move->cache, NULL) && begin_at(move, slab));
}

/* Move the objects of the slab at @slab, if it is one. Returns false if no room is left. */
static bool vacate_slab(struct xmove *move, struct xpage *slab)
{
	struct xslab_cache *cache = move->cache;
	unsigned int i;

	*move = (struct xmove){
		.cache = cache, .fn = move->fn, .arg = move->arg, .to = move->to };
	if (!begin_instead(move, slab))
		return true;
	*move->to = *move->to ?: slab;
	for (i = 0; i < cache->per_slab && *move->to && is_wanted(move); i++)
		if (xtear_has(slab, i) && !is_taken(move, i) && !move_object(move, i))
			break;
	end(move);
	xslab_release_this(cache, slab);
	return *move->to && READ_ONCE(cache->moving.move) == move->fn;
}

static void vacate(struct xmove *move)
{
	struct xslab_cache *cache = move->cache;
	struct xpool *pool = cache->pool;
	unsigned long r, i;

	for (r = pool->nr_fixed; r < pool->nr_regions; r++) {
		if (READ_ONCE(pool->regions[r].serves) != XSERVES_NONE)
			continue;
		for (i = 0; i < XPOOL_CHUNK_PAGES; i += pages_per_slab(cache)) {
			if (!vacate_slab(move, &cache->pages[pool->regions[r].index + i]))
				return;
			cond_resched();
		}
	}
}

/* Move the cache's objects out of the regions that serve nothing. Calls the client. */
void xmove_vacate(struct xclient *client)
{
	struct xslab_cache *cache = container_of(client, struct xslab_cache, client);
	struct xpage *to = NULL;
	struct xmove move = { .cache = cache, .to = &to };
	struct xpool_caller mover;

	if (!READ_ONCE(cache->moving.move))
		return;
	xmag_close(&cache->mag);
	xmag_drain_closed(&cache->mag);
	xslab_release_all(cache);
	if (claim(&move)) {
		xpool_enter_callback(&mover);
		vacate(&move);
		xpool_leave_callback(&mover);
		unclaim(cache);
	}
	xmag_open(&cache->mag);
}

/**
 * xslab_cache_set_move() - objects of a cache can be moved from now on
 * @cache: the cache
 * @move: called by a forced collect with @arg, an object, another one that should take
 *	its place, and the bytes of an object; NULL ends it
 * @arg: for @move
 *
 * @move is asked about every object that the cache has handed out, at any time: also
 * about one that the client has allocated and not used yet, and one that it is about
 * to free. It decides, by what it knows itself and not by what the object holds,
 * whether this is one that it can move. It then makes sure that no code uses it,
 * copies the contents from old to new and makes all that referred to old refer to
 * new, in a way that none of its users sees one without the other, and answers
 * XSLAB_MOVED. From then on new is an ordinary object that may be freed at once, and
 * old must not be used, nor freed: the cache has it back. With any other answer old
 * is as it was, and new is the cache's again.
 *
 * @move is called with no lock of xalloc's held. It may sleep, and may allocate and free,
 * also of this cache but without waiting for an object; it may make and destroy caches and
 * pools, collect, and set limits. Collections from a callback move no objects; to destroy
 * this cache, to set its callback, and to do so with another cache that is being moved at
 * the moment, is refused.
 *
 * Context: Process context, may sleep: it waits for a callback that runs, so no lock may
 * be held that the callback takes. After it, the function that was set before is not called.
 * Return: 0; -EINVAL where @cache is NULL or an error pointer; -EDEADLK from a callback,
 * see above.
 */
int xslab_cache_set_move(struct xslab_cache *cache, xslab_move_fn move, void *arg)
{
	if (IS_ERR_OR_NULL(cache))
		return -EINVAL;
	if (xmove_would_wait_for_itself(cache))
		return -EDEADLK;
	set_move(cache, move, arg);
	return 0;
}
EXPORT_SYMBOL_GPL(xslab_cache_set_move);
