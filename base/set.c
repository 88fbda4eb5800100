// SPDX-License-Identifier: GPL-2.0
/*
 * xset: a set of small numbers that finds the first, the last, and the next ones
 *
 * The free blocks of an order are such a set, of which the lowest is wanted, and so are
 * the free slabs of a cache, each of which has its place among the others by its address.
 * A set is a tree of bitmaps, in which a bit of one level says whether a word of the level
 * below has any. The members are the lowest.
 *
 *	level 1			   1 0 1		one word for 64 words
 *	level 0		0110..0   0..0   1000..0	one bit a member
 *
 * Nothing is searched for but a bit in a word: once in each level on the way up, which
 * ends as soon as one is found, and once in each on the way down. A change goes up until
 * it comes to a word that had others. Four levels are enough for 64 GiB of pages.
 *
 * Every level has a spare word at its end, which is zero, so that a search that runs off
 * the end of a level reads zero and not the neighbour.
 *
 * Locks: none. The owner of a set has one.
 */
#include <linux/bitops.h>
#include <linux/export.h>
#include <linux/kernel.h>

#include <xalloc/impl/xset.h>

#include "base.h"

/*
 * An empty set of numbers below @nr, of @least levels or more, from @at on, which is zero.
 * Only measures where @at is NULL.
 */
void xset_layout(struct xset *set, unsigned long nr, unsigned int least, unsigned long *at)
{
	unsigned int l = 0;

	set->words = 0;
	do {
		set->level[l++] = at ? at + set->words : NULL;
		nr = BITS_TO_LONGS(nr);
		set->words += nr + 1;
	} while (nr > 1 || l < least);
	set->nr_levels = l;
}

/* An empty set of numbers below @nr. May sleep. Returns 0 or -ENOMEM. */
int xset_init(struct xset *set, unsigned long nr)
{
	unsigned long *at;

	xset_layout(set, nr, 1, NULL);
	at = xmeta_alloc(set->words * sizeof(*at));
	if (!at)
		return -ENOMEM;
	xset_layout(set, nr, 1, at);
	return 0;
}
EXPORT_SYMBOL_FOR_KUNIT(xset_init);

void xset_exit(struct xset *set)
{
	xmeta_free(set->level[0]);
}
EXPORT_SYMBOL_FOR_KUNIT(xset_exit);

/* Does each bit of a level say whether the word below has any, and are spare words zero? */
bool xset_valid(const struct xset *set)
{
	unsigned int l;

	for (l = 0; l < set->nr_levels; l++) {
		bool highest = l + 1 == set->nr_levels;
		unsigned long *end = highest ? set->level[0] + set->words : set->level[l + 1];
		unsigned long words = end - set->level[l] - 1, w;

		if (set->level[l][words])
			return false;
		for (w = 0; !highest && w < words; w++)
			if (test_bit(w, set->level[l + 1]) != !!set->level[l][w])
				return false;
	}
	return true;
}
EXPORT_SYMBOL_FOR_KUNIT(xset_valid);
