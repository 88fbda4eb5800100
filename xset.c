// SPDX-License-Identifier: GPL-2.0
/*
 * xset: a set of small numbers that finds the one before
 *
 * A slab that becomes free has its place among the free ones, which lie in the order of
 * their addresses. Where that is, this tells: a tree of bitmaps, in which a bit of one
 * level says whether a word of the level below has any. The members are the lowest.
 *
 *	level 1			   1 0 1		one word for 64 words
 *	level 0		0110..0   0..0   1000..0	one bit a member
 *
 * Nothing is searched for but a bit in a word: once in each level on the way up, which
 * ends as soon as one is found, and once in each on the way down. Four levels are
 * enough for 16 GiB of pages, and mostly the first word has it.
 *
 * Locks: none. Who uses a set has one.
 */
#include <linux/bitops.h>
#include <linux/export.h>
#include <linux/math.h>

#include "internal.h"

static unsigned long words_for(unsigned long bits)
{
	return DIV_ROUND_UP(bits, BITS_PER_LONG);
}

/* How many words all levels have together. */
static unsigned long nr_words(unsigned long nr)
{
	unsigned long words = words_for(nr), all = words;

	while (words > 1) {
		words = words_for(words);
		all += words;
	}
	return all;
}

/* An empty set of numbers below @nr. May sleep. Returns 0 or -ENOMEM. */
int xset_init(struct xset *set, unsigned long nr)
{
	unsigned long words = words_for(nr), *at;
	unsigned int l;

	set->bytes = nr_words(nr) * sizeof(*at);
	at = xmeta_alloc(set->bytes);
	if (!at)
		return -ENOMEM;
	for (l = 0; l < XSET_LEVELS; l++) {
		set->level[l] = at;
		at += words;
		if (words <= 1)
			break;
		words = words_for(words);
	}
	set->top = l;
	return 0;
}
EXPORT_SYMBOL_GPL(xset_init);

void xset_exit(struct xset *set)
{
	xmeta_free(set->level[0]);
}
EXPORT_SYMBOL_GPL(xset_exit);

/* The rest of xset_add(), where the lowest word was empty. */
void xset_add_above(struct xset *set, unsigned long nr)
{
	unsigned int l;

	for (l = 1; l <= set->top; l++) {
		unsigned long *word, was;

		nr /= BITS_PER_LONG;
		word = &set->level[l][BIT_WORD(nr)];
		was = *word;
		*word |= BIT_MASK(nr);
		if (was)
			break;
	}
}
EXPORT_SYMBOL_GPL(xset_add_above);

/* The rest of xset_del(), where the lowest word is empty. */
void xset_del_above(struct xset *set, unsigned long nr)
{
	unsigned int l;

	for (l = 1; l <= set->top; l++) {
		unsigned long *word;

		nr /= BITS_PER_LONG;
		word = &set->level[l][BIT_WORD(nr)];
		*word &= ~BIT_MASK(nr);
		if (*word)
			break;
	}
}
EXPORT_SYMBOL_GPL(xset_del_above);

/* The last member below word @nr of level @l, which has one. */
static unsigned long last_in(const struct xset *set, unsigned int l, unsigned long nr)
{
	for (;; l--) {
		nr = nr * BITS_PER_LONG + __fls(set->level[l][nr]);
		if (!l)
			return nr;
	}
}

/* The rest of xset_before(), where the lowest word has none. */
unsigned long xset_before_above(const struct xset *set, unsigned long nr)
{
	unsigned int l;

	for (l = 1; l <= set->top; l++) {
		unsigned long below;

		nr /= BITS_PER_LONG;
		below = set->level[l][BIT_WORD(nr)] & (BIT_MASK(nr) - 1);
		if (below)
			return last_in(set, l - 1, (nr & ~(BITS_PER_LONG - 1UL)) + __fls(below));
	}
	return XSET_NONE;
}
EXPORT_SYMBOL_GPL(xset_before_above);
