// SPDX-License-Identifier: GPL-2.0
/*
 * slab/free: what the fast path of a free leaves to others
 *
 * The fast path (xslab_fast.h) ends where the CPU's magazine is full, closed or busy, where the
 * object is in a torn slab, and where the pointer is no object to free, or NULL. It comes here with
 * preemption off.
 */
#include <linux/export.h>
#include <linux/rcupdate.h>

#include "slab.h"

/*
 * An object that was accepted, for which the loaded magazine could not serve. Begins with
 * preemption off. A cache that an operator gives up goes a grace period later: so
 * rcu_read_lock() keeps it until the object is in a magazine or a slab.
 */
noinline int xslab_free_missed(struct xslab_cache *cache, void *at)
{
	rcu_read_lock();
	preempt_enable();
	tools_free(cache, addr_of(cache, at));
	xmag_free_slow(&cache->mag, at);
	rcu_read_unlock();
	return 0;
}
EXPORT_SYMBOL_GPL(xslab_free_missed);

/* In a torn slab, or an error. Begins with preemption off. */
noinline int xslab_free_unaccepted(struct xslab_cache *cache, void *obj)
{
	void *at = linear_of(cache, obj);
	int err;

	if (xslab_accept(cache, at, cache->fast.check.tag))
		return xslab_free_missed(cache, at);
	err = xslab_refuse_free(cache, obj);
	preempt_enable();
	return err;
}
EXPORT_SYMBOL_GPL(xslab_free_unaccepted);
