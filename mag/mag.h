/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Magazines: what the layers above may use. The theory is in xmag.c.
 */
#ifndef _XALLOC_MAG_H
#define _XALLOC_MAG_H

#include <xalloc/impl/xmag.h>

#include "../base/base.h"

struct xmag;

/**
 * struct xmag_ops - what lies below the magazines of an owner
 * @fill: take up to @nr objects without waiting; returns how many. The last goes to a
 *	client first
 * @drain: give @nr objects back
 */
struct xmag_ops {
	unsigned int (*fill)(struct xmag *mag, void **objs, unsigned int nr);
	void (*drain)(struct xmag *mag, void **objs, unsigned int nr);
};

/* Busy for ever: a fast path that must not be taken is led here. */
DECLARE_PER_CPU(struct xmag_cpu, xmag_closed);

/**
 * struct xmag_slow - what the slow paths count on a CPU
 * @allocs: objects handed out past the magazines
 * @busy: operations that found them in use, or closed
 * @refills: magazines loaded
 * @flushes: magazines unloaded
 * @depot_hits: those that the depot served
 */
struct xmag_slow {
	unsigned long		allocs;
	unsigned long		busy;
	unsigned long		refills;
	unsigned long		flushes;
	unsigned long		depot_hits;
};

/**
 * struct xdepot - whole magazines
 * @lock: protects the others
 * @nr: magazines, full and empty; constant
 * @nr_full: the first @nr_full magazines are full, the others empty
 * @magazines: @nr of them
 */
struct xdepot {
	raw_spinlock_t		lock;
	unsigned int		nr;
	unsigned int		nr_full;
	void			***magazines;
} ____cacheline_aligned;

/* Why the fast paths of an owner are closed. The slow paths use the magazines unless shut. */
enum xmag_reason {
	XMAG_SHUT	= BIT(0),	/* one caller has all magazines; see xmag_shut() */
	XMAG_WATCHED	= BIT(1),	/* the owner has more to do for each operation */
	XMAG_PARKED	= BIT(2),	/* empty, and the next operation opens them and tells */
};

/**
 * struct xmag - the magazines of an owner
 * @cpus: what the fast path uses: @own, or &xmag_closed
 * @own: the magazines of the CPUs
 * @ops: what lies below
 * @size: objects of a magazine
 * @closed_for: why fast paths are closed, as bits; 0: they are open
 * @nr_shut: how many want them shut; under @gate, as is @closed_for
 * @watch: whom to tell
 * @route: a copy of @cpus, for fast paths that have another place for it; may be NULL
 * @slow: what the slow paths count
 * @slots: the memory of all magazines
 * @metadata: bytes
 * @gate: where the fast paths are led
 * @draining: held to empty the magazines of all CPUs
 * @hotplug: in the list of owners that are told when a CPU is gone
 * @depot: whole magazines
 */
struct xmag {
	struct xmag_cpu __percpu *cpus;
	struct xmag_cpu __percpu *own;
	const struct xmag_ops	*ops;
	unsigned int		size;
	unsigned int		closed_for;
	unsigned int		nr_shut;
	struct xwatch		*watch;
	struct xmag_cpu __percpu **route;
	struct xmag_slow __percpu *slow;
	void			**slots;
	size_t			metadata;
	raw_spinlock_t		gate;
	struct mutex		draining;	/* of all CPUs' magazines */
	struct hlist_node	hotplug;
	struct xdepot		depot;
};

#define XMAG_MAX_SIZE	64U	/* a word of a slab's map fills a magazine */

struct xmag_count {
	unsigned long	cpus;
	unsigned long	depot;
	unsigned long	allocs;
	unsigned long	refills;
	unsigned long	flushes;
	unsigned long	depot_hits;
	unsigned long	busy;
};

int xmag_init(struct xmag *mag, const struct xmag_ops *ops, unsigned int size,
	      unsigned int depot);
void xmag_destroy(struct xmag *mag);
void xmag_set_route(struct xmag *mag, struct xmag_cpu __percpu **route);
void *xmag_alloc_slow(struct xmag *mag);
void xmag_free_slow(struct xmag *mag, void *obj);
void xmag_close_for(struct xmag *mag, enum xmag_reason reason);
void xmag_shut(struct xmag *mag);
void xmag_unshut(struct xmag *mag);
void xmag_close(struct xmag *mag);
unsigned long xmag_drain_closed(struct xmag *mag);
void xmag_drain(struct xmag *mag);
unsigned long xmag_drain_here(struct xmag *mag);
void xmag_set_watch(struct xmag *mag, struct xwatch *watch);
void xmag_park(struct xmag *mag);
void xmag_unpark(struct xmag *mag);
void xmag_set_closed(struct xmag *mag, bool closed);
unsigned long xmag_capacity(const struct xmag *mag);
bool xmag_depot_swap_for_full(struct xmag *mag, void ***magazine);
bool xmag_depot_swap_for_empty(struct xmag *mag, void ***magazine);
unsigned int xmag_depot_take_last(struct xmag *mag, void **objs, unsigned int nr);
unsigned int xmag_depot_take(struct xmag *mag, void **objs);
unsigned long xmag_drain_depot(struct xmag *mag);
void xmag_count(struct xmag *mag, struct xmag_count *count);
int xmag_subsys_init(void);
void xmag_subsys_exit(void);

/* Has one caller all magazines? */
static __always_inline bool xmag_is_shut(const struct xmag *mag)
{
	/* Pairs with xmag_unshut(). */
	return smp_load_acquire(&mag->closed_for) & XMAG_SHUT;
}

/*
 * Enter this CPU's magazines: with preemption off and the busy byte set they
 * are ours. An interrupt can come at any moment, but finds them busy and goes
 * past them, so between enter and leave there is no need for a lock, an atomic
 * instruction or for interrupts to be off. Returns false if they are busy or shut.
 * This is for the slow paths.
 */
static inline bool xmag_enter_slow(struct xmag *mag, struct xmag_cpu **cpu)
{
	preempt_disable();
	*cpu = this_cpu_ptr(mag->own);
	if (xmag_is_shut(mag) || (*cpu)->busy) {
		preempt_enable();
		return false;
	}
	(*cpu)->busy = true;
	barrier();
	return true;
}

static inline void xmag_leave(struct xmag_cpu *cpu)
{
	barrier();
	cpu->busy = false;
	preempt_enable();
}

static __always_inline bool xmag_is_empty(const struct xmag_cpu *cpu)
{
	return cpu->top == cpu->bottom;
}

static __always_inline bool xmag_is_full(const struct xmag_cpu *cpu)
{
	return cpu->top == cpu->end;
}

#endif
