// SPDX-License-Identifier: GPL-2.0
/*
 * pool/listed: entries of lists, and the pins that keep them
 *
 * Pools, caches and holders of a pool's pages (struct xholder) are entries of lists. A pin
 * keeps an entry from going, so a walk holds the registry only for each step. The call that
 * destroys an entry claims it first, so that no second call does the same. Then it marks the
 * entry as going, which hides it from walks, and waits for the last pin.
 *
 * Locks: xpool_registry protects the lists, the pins, and all that comes and goes.
 */
#include <linux/sched.h>
#include <linux/wait.h>

#include "pool.h"

/* Protects lists, pins, and all that comes and goes. */
DEFINE_MUTEX(xpool_registry);

/* For callers that want something to go, and wait until no pin keeps it. */
static DECLARE_WAIT_QUEUE_HEAD(unpinned);

void xpool_listed_unpin_locked(struct xlisted *entry)
{
	lockdep_assert_held(&xpool_registry);
	if (!--entry->pins && entry->going)
		wake_up_all(&unpinned);
}

void xpool_listed_unpin(struct xlisted *entry)
{
	mutex_lock(&xpool_registry);
	xpool_listed_unpin_locked(entry);
	mutex_unlock(&xpool_registry);
}

/*
 * The entry of @list after @last, or the first one; NULL at the end. It is pinned, and @last
 * is let go. One that is going is left out, but has its place until it is gone.
 */
struct xlisted *xpool_listed_next(struct list_head *list, struct xlisted *last)
{
	struct xlisted *found = last ?: list_entry(list, struct xlisted, node);

	mutex_lock(&xpool_registry);
	do {
		found = list_next_entry(found, node);
	} while (&found->node != list && found->going);
	found = &found->node != list ? found : NULL;
	if (found)
		found->pins++;
	mutex_unlock(&xpool_registry);
	if (last)
		xpool_listed_unpin(last);
	return found;
}

/* The entry is about to go: after this it is not pinned, nor will be. May sleep. */
void xpool_listed_retire(struct xlisted *entry)
{
	mutex_lock(&xpool_registry);
	entry->going = true;
	mutex_unlock(&xpool_registry);
	/* Pins change under the registry, so the last one is seen. */
	wait_event(unpinned, !READ_ONCE(entry->pins));
}

/* Is it on the list? @entry may point to one that is gone. Under xpool_registry. */
bool xpool_listed_is_on(const struct list_head *list, const struct xlisted *entry)
{
	struct xlisted *listed;

	lockdep_assert_held(&xpool_registry);
	list_for_each_entry(listed, list, node)
		if (listed == entry)
			return true;
	return false;
}

/*
 * The entry is the caller's to destroy, alone. 0; -EBUSY: another call destroys it;
 * -ENOENT: it is gone.
 */
int xpool_listed_claim(const struct list_head *list, struct xlisted *entry)
{
	int err = -ENOENT;

	mutex_lock(&xpool_registry);
	if (xpool_listed_is_on(list, entry)) {
		err = entry->dying || entry->going ? -EBUSY : 0;
		entry->dying = true;
	}
	mutex_unlock(&xpool_registry);
	return err;
}

/*
 * Like xpool_listed_claim(), but waits until another call that destroys it is over; -EDEADLK: that
 * may wait for the caller, which is in a move callback.
 */
int xpool_listed_claim_in_turn(const struct list_head *list, struct xlisted *entry)
{
	int err;

	while ((err = xpool_listed_claim(list, entry)) == -EBUSY) {
		if (xpool_in_callback())
			return -EDEADLK;
		schedule_timeout_uninterruptible(1);
	}
	return err;
}

void xpool_listed_unclaim(struct xlisted *entry)
{
	mutex_lock(&xpool_registry);
	entry->dying = false;
	mutex_unlock(&xpool_registry);
}
