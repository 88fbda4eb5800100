// SPDX-License-Identifier: GPL-2.0
/*
 * pool/defer: the stack that NMIs leave work on
 *
 * Links are page numbers plus one, so that zero is "not on a stack". Any context pushes without a
 * lock; the holder of the lock that the NMI found taken empties it.
 */
#include "pool.h"

/* A page that is on its way or on the stack already stays as it is. */
void xpool_defer_push(struct xpool *pool, struct xdefer *defer, struct xpage *page)
{
	int head = atomic_read(&defer->head);

	if (cmpxchg(&page->deferred, 0, XDEFER_CLAIMED))
		return;
	do {
		WRITE_ONCE(page->deferred, head ? (u32)head : XDEFER_END);
	} while (!atomic_try_cmpxchg(&defer->head, &head,
				     (int)(xpool_page_index(pool, page) + 1)));
}

struct xpage *xpool_defer_take_all(struct xpool *pool, struct xdefer *defer)
{
	u32 head = atomic_xchg(&defer->head, 0);

	return head ? &pool->pages[head - 1UL] : NULL;
}

/* Unlinks @page, so that it can be claimed again, and returns the one below. */
struct xpage *xpool_defer_next(struct xpool *pool, struct xpage *page)
{
	u32 link = xchg(&page->deferred, 0);

	return link == XDEFER_END ? NULL : &pool->pages[link - 1UL];
}
