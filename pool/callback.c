// SPDX-License-Identifier: GPL-2.0
/*
 * pool/callback: tasks that run a client's code
 *
 * A task that is in a client's callback, or may be soon, is on a list: what would wait for such
 * a callback to end must not be called by it.
 */
#include <linux/sched.h>

#include "pool.h"

static LIST_HEAD(callers);
static DEFINE_SPINLOCK(callers_lock);

void xpool_enter_callback(struct xpool_caller *caller)
{
	caller->task = current;
	spin_lock(&callers_lock);
	list_add(&caller->node, &callers);
	spin_unlock(&callers_lock);
}

void xpool_leave_callback(struct xpool_caller *caller)
{
	spin_lock(&callers_lock);
	list_del(&caller->node);
	spin_unlock(&callers_lock);
}

/* Is the current task one of them? */
bool xpool_in_callback(void)
{
	struct xpool_caller *caller;
	bool found = false;

	spin_lock(&callers_lock);
	list_for_each_entry(caller, &callers, node)
		found |= caller->task == current;
	spin_unlock(&callers_lock);
	return found;
}
