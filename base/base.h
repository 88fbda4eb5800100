/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What all layers use, and the order of all locks
 *
 * Lock order, outermost first:
 *
 *	   what the client holds when it calls, as far as the call's kernel-doc allows it
 *	1. xpool.tuning, xslab_cache.limit.tuning	mutex	limits change
 *	   xdecay_lock		mutex	decay times change, and the worker acts on them
 *	2. xpool.gather.mutex	mutex	what no client holds is brought together
 *	3. xslab_rcu_lock		mutex	objects that wait for a grace period go back
 *	   xmag.draining	mutex	magazines of all CPUs are emptied
 *	4. xpool_registry	mutex	lists of pools, of caches, of heaps, and of a pool's holders
 *	5. xmag.gate		raw	where fast paths are led
 *	   xdepot.lock		raw	whole magazines
 *	6. xslab_cache.lock	raw	lists of slabs
 *	7. xpool.lock		raw	the buddy system and the state of pages
 *	   xheap.lock		raw	chunks of a heap; the pool is asked without it
 *
 * Leaves, under which no other of these is taken, but spare_lock under xslab_rcu_cpu.lock:
 *
 *	   xpool_map, xpool_grown	which pool an address is in (pool/find.c); the locks of a
 *					maple tree and, with interrupts off, of an xarray
 *	   callers_lock		spin	tasks that may run a client's code (pool/callback.c)
 *	   those of wait queues		xpool.waiting.room, xpool.gather.over,
 *					xslab_cache.moving.gone
 *	   xgen_pool.lock	spin	the list of its chunks; a client's (genpool.h)
 *	   xslab_rcu_cpu.lock	raw	a CPU's batch of objects that wait (slab/rcu.c)
 *	   spare_lock		raw	batches that no CPU uses
 *
 * Raw spin locks are taken with interrupts off, and only tried from NMI.
 *
 * None of these is held while a client's code runs (a constructor, a move callback), nor
 * while the system's allocator is called, which may reclaim memory and so run a client's
 * shrinker. Such code may thus call everything that does not wait for it. Creating and
 * destroying take locks that the system holds while it reclaims, so both are refused from
 * reclaim; see xpool_may_come_and_go().
 *
 * Pools, caches and heaps that are on a list are kept from going by pins (pool/listed.c),
 * so that the registry is held only to take a step on the list.
 */
#ifndef _XALLOC_BASE_H
#define _XALLOC_BASE_H

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/hardirq.h>
#include <linux/irq_work.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#include "../include/compat.h"
#include "tools.h"

/*
 * Metadata. It is taken when a pool or a cache is made and never later. It
 * fails rather than have the system kill a task for it.
 */
#define XMETA_GFP (GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN | __GFP_RETRY_MAYFAIL)

static inline void *xmeta_alloc(size_t bytes)
{
	return bytes <= PAGE_SIZE ? kmalloc(bytes, XMETA_GFP) :
				    __vmalloc(bytes, XMETA_GFP);
}

static inline void xmeta_free(const void *mem)
{
	kvfree(mem);
}

/* A lock from any context: in NMI its holder may be the context below. */
static inline bool xlock(raw_spinlock_t *lock, unsigned long *flags)
{
	if (unlikely(in_nmi()))
		return raw_spin_trylock_irqsave(lock, *flags);
	raw_spin_lock_irqsave(lock, *flags);
	return true;
}

/*
 * Watching: a layer above wants to know, once, when there is something unused
 */

/**
 * struct xwatch - the watcher to tell
 * @wake: clears @asleep and has the watcher look; any context, also NMI and with raw
 *	locks held. NULL: the watcher never sleeps
 * @asleep: the watcher wants to be told
 * @at_once: the caller that makes something unused gives it back itself
 */
struct xwatch {
	void	(*wake)(struct xwatch *watch);
	bool	asleep;
	bool	at_once;
};

static inline void xwatch_wake(struct xwatch *watch)
{
	if (unlikely(READ_ONCE(watch->asleep)))
		watch->wake(watch);
}

/*
 * Decay (xdecay.c). Pools and caches have the state, and use no more of it than
 * the watch.
 */

#define XDECAY_EPOCHS	16U

/**
 * struct xcurve - what may stay of the pages that became unused
 * @last_unused: unused pages at the end of the last epoch
 * @fresh: pages that became unused, by the epochs that have passed since
 */
struct xcurve {
	unsigned long	last_unused;
	unsigned long	fresh[XDECAY_EPOCHS];
};

/**
 * struct xdecay - the decay of a pool or a cache; but @watch under xdecay_lock
 * @watch: tells when there is something unused
 * @ms: the time after which nothing unused is left; -1: never; XDECAY_INHERIT
 * @end: of the current epoch, in ns; 0: none has begun
 * @operations: so far, when last looked
 * @quiet: epochs since then in which there were none
 * @of_cache: of a cache, else of a pool; constant
 * @curve: what may stay
 */
struct xdecay {
	struct xwatch	watch;
	long		ms;
	u64		end;
	u64		operations;
	unsigned int	quiet;
	bool		of_cache;
	struct xcurve	curve;
};

/*
 * Names and numbers (base/text.c)
 */
int xtext_check_name(const char *kind, const char *name);
int xtext_number(const char *text, long *value);
int xtext_bytes(const char *text, u64 *value);

/*
 * Observers: told when pools, caches and heaps come and go. The layers know that
 * an observer may listen, and not which.
 */
enum xobserve_event {
	XOBSERVE_POOL_ADD,
	XOBSERVE_POOL_DEL,
	XOBSERVE_CACHE_ADD,
	XOBSERVE_CACHE_DEL,
	XOBSERVE_HEAP_ADD,
	XOBSERVE_HEAP_DEL,
};

extern struct raw_notifier_head xobservers;

#endif
