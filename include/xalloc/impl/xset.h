/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sets of small numbers, as trees of bitmaps: the theory is at the top of base/set.c. Not for
 * clients to use.
 */
#ifndef _XALLOC_XSET_H
#define _XALLOC_XSET_H

#include <linux/bitops.h>
#include <linux/types.h>

#define XSET_LEVELS	6U		/* 2^36 numbers with words of 64 bits */
#define XSET_NONE	(~0UL)

/**
 * struct xset - a set
 * @nr_levels: those of @level that are in use; the highest is one word
 * @words: of all levels
 * @level: bitmaps, of the members at 0
 */
struct xset {
	unsigned int	nr_levels;
	unsigned int	words;
	unsigned long	*level[XSET_LEVELS];
};

void xset_layout(struct xset *set, unsigned long nr, unsigned int least, unsigned long *at);
int xset_init(struct xset *set, unsigned long nr);
void xset_exit(struct xset *set);
bool xset_valid(const struct xset *set);

static inline bool xset_is_empty(const struct xset *set)
{
	return !set->level[set->nr_levels - 1][0];
}

static inline bool xset_has(const struct xset *set, unsigned long nr)
{
	return test_bit(nr, set->level[0]);
}

/* Set bit @nr of level @l. Returns true if its word had others, so the levels above know. */
static __always_inline bool xset_mark(struct xset *set, unsigned int l, unsigned long nr)
{
	unsigned long *word = &set->level[l][BIT_WORD(nr)], was = *word;

	*word = was | BIT_MASK(nr);
	return was;
}

/* Clear bit @nr of level @l. Returns true if its word still has others. */
static __always_inline bool xset_unmark(struct xset *set, unsigned int l, unsigned long nr)
{
	unsigned long *word = &set->level[l][BIT_WORD(nr)];

	*word &= ~BIT_MASK(nr);
	return *word;
}

/* The levels above change only where the word had no others. */
static inline void xset_add(struct xset *set, unsigned long nr)
{
	unsigned int l = 0;

	while (!xset_mark(set, l, nr) && ++l < set->nr_levels)
		nr = BIT_WORD(nr);
}

static inline void xset_del(struct xset *set, unsigned long nr)
{
	unsigned int l = 0;

	while (!xset_unmark(set, l, nr) && ++l < set->nr_levels)
		nr = BIT_WORD(nr);
}

/* The first or the last member below bit @nr of level @l, which is set. */
static __always_inline unsigned long xset_descend(const struct xset *set, unsigned int l,
						  unsigned long nr, bool last)
{
	while (l--) {
		unsigned long word = set->level[l][nr];

		nr = nr * BITS_PER_LONG + (last ? __fls(word) : __ffs(word));
	}
	return nr;
}

/* The smallest member; there is one. */
static __always_inline unsigned long xset_first(const struct xset *set)
{
	return xset_descend(set, set->nr_levels, 0, false);
}

/* The largest member; there is one. */
static __always_inline unsigned long xset_last(const struct xset *set)
{
	return xset_descend(set, set->nr_levels, 0, true);
}

/* The smallest member from @nr on, or XSET_NONE. */
static inline unsigned long xset_next(const struct xset *set, unsigned long nr)
{
	unsigned int l;

	for (l = 0; l < set->nr_levels; l++) {
		unsigned long word = set->level[l][BIT_WORD(nr)] >> (nr % BITS_PER_LONG);

		if (word)
			return xset_descend(set, l, nr + __ffs(word), false);
		nr = BIT_WORD(nr) + 1;
	}
	return XSET_NONE;
}

/* The largest member below @nr, or XSET_NONE. Mostly it is in the same word. */
static inline unsigned long xset_before(const struct xset *set, unsigned long nr)
{
	unsigned int l = 0;

	do {
		unsigned long word = BIT_WORD(nr);
		unsigned long below = set->level[l][word] & (BIT_MASK(nr) - 1);

		if (likely(below))
			return xset_descend(set, l, word * BITS_PER_LONG + __fls(below), true);
		nr = word;
	} while (++l < set->nr_levels);
	/* Where the highest level is one full word, its end is in the next. */
	return nr && !xset_is_empty(set) ? xset_last(set) : XSET_NONE;
}

#endif
