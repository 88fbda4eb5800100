/* SPDX-License-Identifier: GPL-2.0 */
/* Entries of lists that stay while a caller looks at them; see pool/listed.c */
#ifndef _XALLOC_LISTED_H
#define _XALLOC_LISTED_H

#include <linux/container_of.h>
#include <linux/list.h>
#include <linux/types.h>

/**
 * struct xlisted - an entry of a list of what comes and goes; see pool/listed.c
 * @node: in the list. This and all others are under xpool_registry
 * @pins: callers that use it and may sleep
 * @going: it cannot be pinned any more
 * @dying: one call destroys it
 */
struct xlisted {
	struct list_head node;
	unsigned int pins;
	bool going;
	bool dying;
};

void xpool_listed_unpin_locked(struct xlisted *entry);
void xpool_listed_unpin(struct xlisted *entry);
struct xlisted *xpool_listed_next(struct list_head *list, struct xlisted *last);
void xpool_listed_retire(struct xlisted *entry);
bool xpool_listed_is_on(const struct list_head *list, const struct xlisted *entry);
int xpool_listed_claim(const struct list_head *list, struct xlisted *entry);
int xpool_listed_claim_in_turn(const struct list_head *list, struct xlisted *entry);
void xpool_listed_unclaim(struct xlisted *entry);

/* Like xpool_listed_next(), of what has @member for its entry. */
#define xpool_listed_after(list, last, type, member)						\
({											\
	struct xlisted *_next = xpool_listed_next(list, last);				\
											\
	_next ? container_of(_next, type, member) : NULL;				\
})

/* Each entry is pinned inside the loop. Code that leaves the loop early must unpin it. */
#define for_each_listed(pos, list, member)						\
	for (pos = xpool_listed_after(list, NULL, typeof(*pos), member); pos;		\
	     pos = xpool_listed_after(list, &pos->member, typeof(*pos), member))

#endif
