// SPDX-License-Identifier: GPL-2.0
/*
 * mag/depot: whole magazines, shared by all CPUs
 *
 * A CPU gives an empty magazine for a full one, or the other way round: two pointers change
 * places. The depot gives and takes whole magazines only.
 *
 *	magazines:	full 0 ... nr_full - 1 | empty nr_full ... nr - 1
 *
 * An allocation that has nothing from the owner looks at the depot once more, and at the owner
 * again, under the lock: objects go from the depot to the owner under it, too, so the
 * allocation misses none.
 *
 * Locks: xdepot.lock, held to exchange two pointers, or to pass one magazine on to the owner.
 * An NMI that finds it taken goes without the depot.
 */
#include <linux/export.h>
#include <linux/string.h>

#include "mag.h"

/* A full magazine that is empty from now on, or NULL. */
static void **pop(struct xdepot *depot)
{
	lockdep_assert_held(&depot->lock);
	if (!depot->nr_full)
		return NULL;
	WRITE_ONCE(depot->nr_full, depot->nr_full - 1);
	return depot->magazines[depot->nr_full];
}

/* Give an empty magazine for a full one. Any context; returns false if there is none. */
bool xmag_depot_swap_for_full(struct xmag *mag, void ***magazine)
{
	struct xdepot *depot = &mag->depot;
	unsigned long flags;
	void **full;

	if (!xlock(&depot->lock, &flags))
		return false;
	full = pop(depot);
	if (full) {
		depot->magazines[depot->nr_full] = *magazine;
		*magazine = full;
	}
	raw_spin_unlock_irqrestore(&depot->lock, flags);
	return full;
}

/* Give a full magazine for an empty one. Any context; returns false if there is none. */
bool xmag_depot_swap_for_empty(struct xmag *mag, void ***magazine)
{
	struct xdepot *depot = &mag->depot;
	unsigned long flags;
	bool hit;

	if (READ_ONCE(depot->nr_full) == depot->nr || !xlock(&depot->lock, &flags))
		return false;
	hit = depot->nr_full < depot->nr;
	if (hit) {
		swap(depot->magazines[depot->nr_full], *magazine);
		WRITE_ONCE(depot->nr_full, depot->nr_full + 1);
	}
	raw_spin_unlock_irqrestore(&depot->lock, flags);
	return hit;
}

/* Take the objects of one full magazine. Any context; returns how many, or 0. */
unsigned int xmag_depot_take(struct xmag *mag, void **objs)
{
	unsigned long flags;
	void **magazine;

	if (!READ_ONCE(mag->depot.nr_full) || !xlock(&mag->depot.lock, &flags))
		return 0;
	magazine = pop(&mag->depot);
	if (magazine)
		memcpy(objs, magazine, mag->size * sizeof(*objs));
	raw_spin_unlock_irqrestore(&mag->depot.lock, flags);
	return magazine ? mag->size : 0;
}

/*
 * Up to @nr objects, a magazine at most, for an allocation that had none from the owner: of
 * the depot, which gives the rest of a magazine to the owner, or of the owner after all. Any
 * context; returns how many.
 */
unsigned int xmag_depot_take_last(struct xmag *mag, void **objs, unsigned int nr)
{
	unsigned long flags;
	void **magazine;

	if (!xlock(&mag->depot.lock, &flags))
		return 0;
	magazine = pop(&mag->depot);
	if (magazine) {
		memcpy(objs, magazine + mag->size - nr, nr * sizeof(*objs));
		if (nr < mag->size)
			mag->ops->drain(mag, magazine, mag->size - nr);
	} else {
		nr = mag->ops->fill(mag, objs, nr);
	}
	raw_spin_unlock_irqrestore(&mag->depot.lock, flags);
	return nr;
}

/*
 * Empty the depot into the owner, a magazine each time that the lock is held. Another CPU that
 * has popped one passes it on under the lock: so without a look before it, the caller waits
 * for that. Any context; returns the objects.
 */
unsigned long xmag_drain_depot(struct xmag *mag)
{
	unsigned long flags, objs = 0;
	unsigned int most;
	void **magazine;

	for (most = mag->depot.nr; most && xlock(&mag->depot.lock, &flags); most--) {
		magazine = pop(&mag->depot);
		if (magazine)
			mag->ops->drain(mag, magazine, mag->size);
		raw_spin_unlock_irqrestore(&mag->depot.lock, flags);
		if (!magazine)
			break;
		objs += mag->size;
	}
	return objs;
}
EXPORT_SYMBOL_FOR_KUNIT(xmag_drain_depot);
