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
 * The magazines are closed meanwhile. So each object of the slab is free in its map, or was taken
 * by the mover, or is a client's. Only between two of these states it is none: the client has it,
 * but has not noted that yet, and answers XSLAB_UNKNOWN; or it is about to free it, and answers
 * XSLAB_GONE.
 *
 * The client is called with no lock held. It may take what locks it likes, sleep, make and destroy
 * caches. Meanwhile other tasks, which may hold those locks, may allocate, and must not fail for
 * what the mover has taken. So an allocation that finds nothing else puts that back into the slab
 * (xslab_move_give_back()), and the mover goes on with another one.
 *
 * One task packs the objects of a cache at a time; another one that wants to waits for it,
 * but not from a callback: a mover never waits for a mover, since that one may wait for it.
 *
 * The reserve of xslab_cache_prefill() stays whole: a slab is emptied only where the
 * reserve can do without all of it, as otherwise it would not be given back either.
 */
#include <linux/export.h>
#include <linux/sched.h>

#include "slab.h"

static void note_taken(struct xmove *move, unsigned int w, unsigned long bits)
{
	lockdep_assert_held(&move->cache->lock);
	move->cache->moving.nr += hweight_long(bits & ~move->taken[w]);
	move->taken[w] |= bits;
}

/* Take what is free in the slab. */
static void take_free(struct xmove *move)
{
	struct xslab_cache *cache = move->cache;
	unsigned int w;

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
	       reserved_free(cache) + xslab_tear_objects(cache, slab);
}

/*
 * Begin with @slab, or (NULL) the first one of @list. Returns false if it is not one to take. What
 * is in a region that will be emptied need not be left over, as long as the reserve is whole.
 */
static bool begin(struct xmove *move, struct xpage *slab, struct list_head *list)
{
	struct xslab_cache *cache = move->cache;
	unsigned long flags;

	xslab_lock(cache, &flags);
	slab = slab ?: list_first_entry_or_null(list, struct xpage, list);
	if (slab && owner_of(slab) == cache &&
	    ((move->to && !reserved_free(cache)) || can_spare(cache, slab))) {
		move->slab = slab;
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
	cache->moving.nr = 0;
}

/*
 * An allocation finds nothing: it can have what the mover took. Any context but NMI;
 * returns false if that is nothing.
 */
bool xslab_move_give_back(struct xslab_cache *cache)
{
	struct xmove *move;
	unsigned long flags;
	bool some = false;

	if (likely(!READ_ONCE(cache->moving.emptied)))
		return false;
	xslab_lock(cache, &flags);
	move = cache->moving.emptied;
	if (move && !move->given_up) {
		some = cache->moving.nr;
		move->given_up = true;
		put_taken(move);
		xslab_leave_torn(cache, move->slab);
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

	xslab_lock(cache, &flags);
	take_free(move);
	cache->moving.emptied = NULL;
	if (!move->given_up) {
		put_taken(move);
		list = cache->list_of[move->slab->nr_free];
		if (list < XSLAB_BUCKETS)
			list_move_tail(&move->slab->list, &cache->lists[list]);
		xslab_leave_torn(cache, move->slab);
	}
	unlock_freed(cache, flags);
}

/* Is the slab in a region that will be emptied? */
static bool will_go(const struct xslab_cache *cache, const struct xpage *slab)
{
	unsigned long r = xpool_page_index(cache->pool, slab) / XPOOL_LARGEST_PAGES;

	return READ_ONCE(cache->pool->regions[r].serves) == XSERVES_NONE;
}

/* A slab with room: the fullest, or where a region is emptied one that stays; or NULL. */
static struct xpage *slab_for(struct xmove *move)
{
	struct xslab_cache *cache = move->cache;
	struct xpage *slab;

	lockdep_assert_held(&cache->lock);
	slab = move->to ? *move->to : NULL;
	/* The lock was given up since then: it may be full now, or another owner's. */
	if (slab && owns(cache, slab) && slab->nr_free && !will_go(cache, slab))
		return slab;
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

	xslab_lock(cache, &flags);
	take_free(move);
	slab = move->given_up ? NULL : slab_for(move);
	if (slab && !test_bit(i, move->taken))
		new = xslab_take_one(cache, slab);
	xslab_unlock(cache, flags);
	if (!slab && move->to && !test_bit(i, move->taken) && !READ_ONCE(move->given_up))
		*move->to = xslab_grow_in_place(cache, &new);
	if (!new || !xslab_mark_live(cache, new))
		return NULL;
	tools_alloc(cache, addr_of(cache, new), 0);
	return new;
}

/* The client has given object @i up, unless it was freed besides. */
static void take_moved(struct xmove *move, unsigned int i, void *old)
{
	struct xslab_cache *cache = move->cache;
	unsigned long flags;

	if (!xslab_mark(cache, old, XSLAB_LIVE, XSLAB_IN_SLAB))
		return;
	tools_free(cache, addr_of(cache, old));
	raw_spin_lock_irqsave(&cache->lock, flags);
	note_taken(move, BIT_WORD(i), BIT_MASK(i));
	if (move->given_up)
		put_taken(move);
	unlock_freed(cache, flags);
}

static bool is_waiting(const struct xslab_cache *cache, void *at)
{
	return has_live(cache) && READ_ONCE(*xslab_live_at(&cache->fast.check, at)) >= XSLAB_SEEN;
}

/* Have object @i moved. Returns false if the slab will not become free. */
static bool move_object(struct xmove *move, unsigned int i)
{
	struct xslab_cache *cache = move->cache;
	void *old = first_object(cache, move->slab) + (unsigned long)i * cache->stride;
	void *new = new_place(move, i);
	enum xslab_move answer;

	if (!new)
		return test_bit(i, move->taken);
	if (is_waiting(cache, old)) {	/* no client's, and not free for a while */
		xslab_free_fast(cache, addr_of(cache, new));
		return false;
	}
	answer = move->fn(move->arg, addr_of(cache, old), addr_of(cache, new),
			  cache->object_size);
	if (answer == XSLAB_MOVED)
		take_moved(move, i, old);
	else
		xslab_free_fast(cache, addr_of(cache, new));
	return answer == XSLAB_MOVED || answer == XSLAB_GONE;
}

/* Does the cache still have the function that this move is made with? */
static bool is_wanted(const struct xmove *move)
{
	return READ_ONCE(move->cache->moving.move) == move->fn && !READ_ONCE(move->given_up);
}

/* Try to empty @slab, or the first one of @list; see begin(). Returns false if there is none. */
static bool empty_slab(struct xmove *move, struct xpage *slab, struct list_head *list)
{
	struct xslab_cache *cache = move->cache;
	unsigned int i;

	move->slab = NULL;
	move->given_up = false;
	if (!begin(move, slab, list))
		return false;
	for (i = 0; i < cache->per_slab && is_wanted(move); i++) {
		if (!xslab_tear_has(move->slab, i) || test_bit(i, move->taken))
			continue;
		if (!move_object(move, i))
			break;
	}
	end(move);
	return true;
}

/* Would the caller, from a callback, wait for itself, or for one that waits for it? */
bool xslab_move_would_wait_for_itself(struct xslab_cache *cache)
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

/*
 * Not from a callback, of whatever cache: it might wait for itself, and callbacks that called
 * others would fill the stack.
 */
static bool claim(struct xmove *move)
{
	if (xpool_in_callback())
		return false;
	while (!try_claim(move))
		wait_event(move->cache->moving.gone, !READ_ONCE(move->cache->moving.task));
	if (move->fn)
		xpool_enter_callback(&move->caller);
	return move->fn;
}

static void unclaim(struct xmove *move)
{
	struct xslab_cache *cache = move->cache;
	unsigned long flags;

	xpool_leave_callback(&move->caller);
	raw_spin_lock_irqsave(&cache->lock, flags);
	WRITE_ONCE(cache->moving.task, NULL);
	raw_spin_unlock_irqrestore(&cache->lock, flags);
	wake_up_all(&cache->moving.gone);
}

/*
 * The first slab of a list goes where it belongs (a free leaves it on its list, see lists.c),
 * which may be the end of the same one: these are counted, and *@stop is the first of them.
 * Returns false if there are no others.
 */
static bool sort_first(struct xslab_cache *cache, unsigned int list, struct xpage **stop,
		       unsigned long *nr)
{
	struct xpage *slab;
	unsigned long flags;
	bool goes_on;

	xslab_lock(cache, &flags);
	slab = list_first_entry_or_null(&cache->lists[list], struct xpage, list);
	goes_on = slab && slab != *stop;
	if (goes_on && !xslab_refile(cache, slab, list)) {
		list_move_tail(&slab->list, &cache->lists[list]);
		*stop = *stop ?: slab;
		++*nr;
	}
	xslab_unlock(cache, flags);
	return goes_on;
}

/*
 * Move all partial slabs to the lists where they belong: packing begins with the emptiest. Others
 * may come and go meanwhile. @nr: how many are on each.
 */
static void sort_partial(struct xslab_cache *cache, unsigned long *nr)
{
	unsigned int l;

	for (l = 0; l < XSLAB_BUCKETS; l++) {
		unsigned long most = READ_ONCE(cache->nr[XSLAB_PARTIAL]);
		struct xpage *stop = NULL;

		nr[l] = 0;
		while (most-- && sort_first(cache, l, &stop, &nr[l]))
			cond_resched();
	}
}

/*
 * Have objects moved until they are in as few slabs as can be, while the magazines are
 * closed. Returns the pages given back.
 */
unsigned long xslab_move_compact(struct xslab_cache *cache)
{
	struct xmove move = { .cache = cache };
	unsigned long nr[XSLAB_BUCKETS], pages = 0;
	int list;

	if (!READ_ONCE(cache->moving.move) || !claim(&move))
		return 0;
	sort_partial(cache, nr);
	for (list = XSLAB_BUCKETS - 1; list >= 0; list--) {
		while (nr[list]-- && READ_ONCE(cache->moving.move) == move.fn &&
		       empty_slab(&move, NULL, &cache->lists[list])) {
			pages += xslab_release_all(cache);
			cond_resched();
		}
	}
	unclaim(&move);
	return pages;
}

/* Set the function, and wait until the one before does not run any more. Not from a callback. */
void xslab_move_set(struct xslab_cache *cache, xslab_move_fn move, void *arg)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&cache->lock, flags);
	WRITE_ONCE(cache->moving.move, cache->state.retired ? NULL : move);
	cache->moving.arg = arg;
	raw_spin_unlock_irqrestore(&cache->lock, flags);
	wait_event(cache->moving.gone, !READ_ONCE(cache->moving.task));
}

/*
 * Emptying regions of a pool that grows
 */

/* Pages of the cache's objects, by region. Slabs come and go meanwhile: this is for a plan. */
void xslab_move_count(struct xholder *holder)
{
	struct xslab_cache *cache = of_holder(holder);
	struct xpool *pool = cache->pool;
	unsigned long r, i;

	if (!READ_ONCE(cache->moving.move))
		return;
	for (r = pool->nr_fixed; r < pool->nr_regions; r++) {
		struct xregion *region = &pool->regions[r];

		for (i = 0; READ_ONCE(region->used) && i < XPOOL_LARGEST_PAGES; i++)
			region->movable += owner_of(&cache->pages[region->index + i]) == cache;
		cond_resched();
	}
}

/*
 * Empty each slab in regions that serve nothing, until no room is left. Where the reserve cannot
 * do without a slab, one that stays comes before it.
 */
static void vacate(struct xmove *move)
{
	struct xslab_cache *cache = move->cache;
	struct xpool *pool = cache->pool;
	unsigned long r, i;

	for (r = pool->nr_fixed; r < pool->nr_regions; r++) {
		if (READ_ONCE(pool->regions[r].serves) != XSERVES_NONE)
			continue;
		for (i = 0; i < XPOOL_LARGEST_PAGES; i += pages_per_slab(cache)) {
			struct xpage *slab = &cache->pages[pool->regions[r].index + i];

			cond_resched();
			if (owner_of(slab) != cache)
				continue;
			*move->to = *move->to ?: slab;	/* NULL after it: there is no room */
			if (empty_slab(move, slab, NULL) ||
			    (xslab_grow_in_place(cache, NULL) && empty_slab(move, slab, NULL)))
				xslab_release_this(cache, slab);
			if (!*move->to || READ_ONCE(cache->moving.move) != move->fn)
				return;
		}
	}
}

/* Move the cache's objects out of the regions that serve nothing. Calls the client. */
void xslab_move_vacate(struct xholder *holder)
{
	struct xslab_cache *cache = of_holder(holder);
	struct xpage *to = NULL;
	struct xmove move = { .cache = cache, .to = &to };

	if (!READ_ONCE(cache->moving.move))
		return;
	xmag_set_closed(&cache->mag, true);
	xslab_release_all(cache);
	if (claim(&move)) {
		vacate(&move);
		unclaim(&move);
	}
	xmag_set_closed(&cache->mag, false);
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
	if (xslab_move_would_wait_for_itself(cache))
		return -EDEADLK;
	xslab_move_set(cache, move, arg);
	return 0;
}
EXPORT_SYMBOL_GPL(xslab_cache_set_move);
