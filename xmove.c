// SPDX-License-Identifier: GPL-2.0
/*
 * xmove: objects that can be moved
 *
 * A cache whose live objects are scattered over many slabs cannot give these back.
 * If its client can move an object, that is copy it and let all who refer to the old
 * place refer to the new one, a forced collect packs the objects into as few slabs as
 * can hold them. The idea is from the kernel memory allocator of illumos.
 *
 * One slab after the other is emptied, of the sparsest first:
 *
 *	1. its free objects are taken, so that nobody allocates there
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
 * The magazines are closed meanwhile, so that each object is free in its slab, or
 * taken, or the client's; or on its way between them, which is what XSLAB_UNKNOWN and
 * XSLAB_GONE are for. The client is called without a lock but the magazines' mutex.
 *
 * The reserve of xslab_cache_prefill() stays whole: a slab is emptied only where the
 * reserve can do without all of it, as otherwise it would not be given back either.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/export.h>

#include "xslab_impl.h"

/**
 * struct xmove - a slab that is being emptied
 * @cache: its cache
 * @slab: the slab
 * @taken: its objects that the mover has, as bits
 * @nr: how many
 */
struct xmove {
	struct xslab_cache	*cache;
	struct xpage		*slab;
	unsigned long		taken[XPAGE_MAP_WORDS];
	unsigned int		nr;
};

static void note_taken(struct xmove *move, unsigned int w, unsigned long bits)
{
	unsigned int nr = hweight_long(bits & ~move->taken[w]);

	lockdep_assert_held(&move->cache->lock);
	move->taken[w] |= bits;
	move->nr += nr;
	move->cache->nr_moving += nr;
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
	return cache->nr_free + cache->nr_moving >= cache->keep + xtear_objects(cache, slab);
}

/* Begin with the first slab of a list; false: nothing is to be had there. */
static bool begin(struct xmove *move, unsigned int list)
{
	struct xslab_cache *cache = move->cache;
	unsigned long flags;

	raw_spin_lock_irqsave(&cache->lock, flags);
	settle(cache);
	move->slab = list_first_entry_or_null(&cache->lists[list], struct xpage, list);
	if (move->slab && !can_spare(cache, move->slab))
		move->slab = NULL;
	if (move->slab)
		take_free(move);
	xslab_unlock(cache, flags);
	return move->slab;
}

/* Put back what was taken. What is not free now is not looked at again soon. */
static void end(struct xmove *move)
{
	struct xslab_cache *cache = move->cache;
	unsigned int w, list;
	unsigned long flags;

	raw_spin_lock_irqsave(&cache->lock, flags);
	take_free(move);
	for (w = 0; w < cache->words; w++)
		change_word(cache, &move->slab->map[w], 0, move->taken[w]);
	recount_free(cache, move->slab);
	cache->nr_moving -= move->nr;
	list = cache->list_of[move->slab->nr_free];
	if (list < XSLAB_BUCKETS)
		list_move_tail(&move->slab->list, &cache->lists[list]);
	if (is_torn(move->slab))
		xtear_freed(cache, move->slab);
	unlock_freed(cache, flags);
}

/* Where object @i is to go: the fullest slab; NULL: nowhere, or it is free by now. */
static void *new_place(struct xmove *move, unsigned int i)
{
	struct xslab_cache *cache = move->cache;
	struct xpage *slab;
	unsigned long flags;
	void *new = NULL;

	raw_spin_lock_irqsave(&cache->lock, flags);
	take_free(move);
	slab = xslab_fullest(cache);
	if (slab && !is_taken(move, i))
		new = xfill_one(cache, slab);
	xslab_unlock(cache, flags);
	if (!new || xslab_mark_live(cache, new))
		return new;
	xslab_report_lost(cache, new);
	return NULL;
}

/* The client does not want @new. */
static void put_back(struct xslab_cache *cache, void *new)
{
	if (xslab_mark_dead(cache, new))
		cache->mag.ops->drain(&cache->mag, &new, 1);
	else
		xslab_report_lost(cache, new);
}

/* Object @i is nobody's any more, unless somebody freed it besides. */
static void take_moved(struct xmove *move, unsigned int i, void *old)
{
	struct xslab_cache *cache = move->cache;
	unsigned long flags;

	if (!xslab_mark_dead(cache, old)) {
		xslab_report_lost(cache, old);
		return;
	}
	raw_spin_lock_irqsave(&cache->lock, flags);
	note_taken(move, BIT_WORD(i), BIT_MASK(i));
	xslab_unlock(cache, flags);
}

/* Have object @i moved; false: the slab will not become free. */
static bool move_object(struct xmove *move, unsigned int i)
{
	struct xslab_cache *cache = move->cache;
	void *old = first_object(cache, move->slab) + (unsigned long)i * cache->stride;
	void *new = new_place(move, i);
	enum xslab_move answer;

	if (!new)
		return is_taken(move, i);
	answer = cache->move(cache->move_arg, old, new, cache->object_size);
	if (answer == XSLAB_MOVED)
		take_moved(move, i, old);
	else
		put_back(cache, new);
	return answer == XSLAB_MOVED || answer == XSLAB_GONE;
}

/* Try to empty a slab; false: there is none to try on the list. */
static bool empty_slab(struct xslab_cache *cache, unsigned int list)
{
	struct xmove move = { .cache = cache };
	unsigned int i;

	if (!begin(&move, list))
		return false;
	for (i = 0; i < cache->per_slab; i++)
		if (xtear_has(move.slab, i) && !is_taken(&move, i) && !move_object(&move, i))
			break;
	end(&move);
	return true;
}

/* Have objects moved until they are in as few slabs as can be, while closed. */
void xmove_compact(struct xslab_cache *cache)
{
	unsigned long nr[XSLAB_BUCKETS];
	int list;

	lockdep_assert_held(&cache->mag.closing);
	if (!cache->move)
		return;
	xslab_sort(cache, nr);
	for (list = XSLAB_BUCKETS - 1; list >= 0; list--) {
		while (nr[list]-- && empty_slab(cache, list)) {
			xslab_release_all(cache);
			cond_resched();
		}
	}
}

/**
 * xslab_cache_set_move() - objects of a cache can be moved from now on
 * @cache: the cache
 * @move: called by a forced collect with @arg, an object, another one that is to take
 *	its place, and the bytes of an object; NULL ends it
 * @arg: for @move
 *
 * @move is asked about every object that the cache has handed out, at any time: also
 * about one that the client has allocated and not used yet, and one that it is about
 * to free. It decides, by what it knows itself and not by what the object holds,
 * whether this is one that it can move. It then makes sure that nobody uses it,
 * copies the contents from old to new and makes all that referred to old refer to
 * new, in a way that none of its users sees one without the other, and answers
 * XSLAB_MOVED. From then on new is an ordinary object that may be freed at once, and
 * old must not be used, nor freed: the cache has it back. With any other answer old
 * is as it was, and new is the cache's again.
 *
 * @move may sleep, and may allocate and free, also of this cache but without waiting
 * for an object; it must not collect, shrink, limit or destroy this cache.
 *
 * Context: Process context, may sleep. After it, nobody calls the function that was
 * set before.
 * Return: 0, or -EINVAL where @cache is NULL or an error pointer.
 */
int xslab_cache_set_move(struct xslab_cache *cache, xslab_move_fn move, void *arg)
{
	if (IS_ERR_OR_NULL(cache))
		return -EINVAL;
	mutex_lock(&cache->mag.closing);
	cache->move = move;
	cache->move_arg = arg;
	mutex_unlock(&cache->mag.closing);
	return 0;
}
EXPORT_SYMBOL_GPL(xslab_cache_set_move);
