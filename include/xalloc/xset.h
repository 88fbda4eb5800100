/* SPDX-License-Identifier: GPL-2.0 */
/*
 * xset: a set of small numbers that finds the first, the last, and the next ones.
 * Not for clients to use. The theory is at the top of xset.c.
 */
#ifndef _XALLOC_XSET_H
#define _XALLOC_XSET_H

#include <linux/bitops.h>
#include <linux/types.h>

#define XSET_LEVELS	6U		/* 2^36 numbers with words of 64 bits */
#define XSET_NONE	(~0UL)

/**
 * struct xset - a set of small numbers
 * @nr_levels: those of @level that are in use; the highest is one word
 * @words: of all levels
 * @level: bitmaps; a bit says whether a word of the level below has any, 0: members
 */
struct xset {
	unsigned int	nr_levels;
	unsigned int	words;
	unsigned long	*level[XSET_LEVELS];
};

size_t xset_layout(struct xset *set, unsigned long nr, unsigned int least, unsigned long *at);
int xset_init(struct xset *set, unsigned long nr);
void xset_exit(struct xset *set);
void xset_add_above(struct xset *set, unsigned long nr);
void xset_del_above(struct xset *set, unsigned long nr);
unsigned long xset_before_above(const struct xset *set, unsigned long nr);
bool xset_valid(const struct xset *set, unsigned long nr);

static inline bool xset_has(const struct xset *set, unsigned long nr)
{
	return test_bit(nr, set->level[0]);
}

/* Bit @nr of level @l is to be set, and what follows from that above. */
static __always_inline void xset_add_from(struct xset *set, unsigned int l, unsigned long nr)
{
	for (; l < set->nr_levels; l++) {
		unsigned long *word = &set->level[l][BIT_WORD(nr)], was = *word;

		*word = was | BIT_MASK(nr);
		if (was)
			break;
		nr = BIT_WORD(nr);
	}
}

static __always_inline void xset_del_from(struct xset *set, unsigned int l, unsigned long nr)
{
	for (; l < set->nr_levels; l++) {
		unsigned long *word = &set->level[l][BIT_WORD(nr)];

		*word &= ~BIT_MASK(nr);
		if (*word)
			break;
		nr = BIT_WORD(nr);
	}
}

/* For sets where words are rarely empty: what is rare is a call. */
static inline void xset_add(struct xset *set, unsigned long nr)
{
	unsigned long *word = &set->level[0][BIT_WORD(nr)], was = *word;

	*word = was | BIT_MASK(nr);
	if (unlikely(!was))
		xset_add_above(set, nr);
}

static inline void xset_del(struct xset *set, unsigned long nr)
{
	unsigned long *word = &set->level[0][BIT_WORD(nr)];

	*word &= ~BIT_MASK(nr);
	if (unlikely(!*word))
		xset_del_above(set, nr);
}

/* The first member below bit @nr of level @l, which is set. */
static __always_inline unsigned long xset_descend(const struct xset *set, unsigned int l,
						  unsigned long nr)
{
	while (l--)
		nr = nr * BITS_PER_LONG + __ffs(set->level[l][nr]);
	return nr;
}

/* The smallest member; there is one. */
static __always_inline unsigned long xset_first(const struct xset *set)
{
	unsigned int top = set->nr_levels - 1;

	return xset_descend(set, top, __ffs(set->level[top][0]));
}

/* The largest member below word @nr of level @l - 1, which has one. */
static __always_inline unsigned long xset_last_in(const struct xset *set, unsigned int l,
						  unsigned long nr)
{
	while (l--)
		nr = nr * BITS_PER_LONG + __fls(set->level[l][nr]);
	return nr;
}

/* The largest member; there is one. */
static __always_inline unsigned long xset_last(const struct xset *set)
{
	return xset_last_in(set, set->nr_levels, 0);
}

/* The smallest member from @nr on, or XSET_NONE. */
static inline unsigned long xset_next(const struct xset *set, unsigned long nr)
{
	unsigned int l;

	for (l = 0; l < set->nr_levels; l++) {
		unsigned long word = set->level[l][BIT_WORD(nr)] >> (nr % BITS_PER_LONG);

		if (word)
			return xset_descend(set, l, nr + __ffs(word));
		nr = BIT_WORD(nr) + 1;
	}
	return XSET_NONE;
}

/* The largest member below @nr, or XSET_NONE. Mostly it is in the same word. */
static inline unsigned long xset_before(const struct xset *set, unsigned long nr)
{
	unsigned long below = set->level[0][BIT_WORD(nr)] & (BIT_MASK(nr) - 1);

	return likely(below) ? (nr & ~(BITS_PER_LONG - 1UL)) + __fls(below) :
			       xset_before_above(set, nr);
}

#endif
