// SPDX-License-Identifier: GPL-2.0
/*
 * xmag: per-CPU magazines and a depot of whole magazines
 *
 * Concepts
 *
 * A magazine is an array of free objects; here an object is any pointer. Each
 * CPU has two, the loaded one and the previous one. An allocation pops from the
 * loaded one, a free pushes onto it. When it is empty (or full) it changes
 * places with the previous one, which is full (or empty) or else has been used
 * up too. Two of them are what makes a client that allocates and frees across
 * the end of a magazine stay in its two magazines.
 *
 * Behind the CPUs stands the depot: full and empty magazines, shared by all. A
 * CPU that needs a full magazine gives an empty one for it and the other way
 * round, so the number of magazines never changes, and objects that are
 * allocated on one CPU and freed on another cross over a magazine at a time, as
 * one pointer. Behind the depot stands the owner (struct xmag_ops): the slabs of
 * a cache, or the buddy system.
 *
 *	  CPU 0               CPU 1
 *	[loaded]            [loaded]              a pop or a push
 *	[previous]          [previous]            changes places
 *	     \                 /
 *	  depot: 3 full ones, 2 empty ones        a magazine for a magazine
 *	              |
 *	       fill       drain                   the owner, 64 objects at a time
 *
 * The idea is from Bonwick and Adams, "Magazines and Vmem" (USENIX 2001); the
 * sheaves and barns of SLUB are the same. All magazines are allocated when the
 * owner is made: two for each possible CPU and those of the depot.
 *
 * An allocation is satisfied in the following order:
 *
 *	1. the loaded magazine
 *	2. the previous magazine
 *	3. a full magazine from the depot
 *	4. a magazine filled by the owner
 *
 * Why no lock
 *
 * The magazines of a CPU are touched by that CPU with preemption off, so only an
 * interrupt can come in between. An operation sets the busy byte and clears it
 * when it is done; both are plain stores, because only this CPU looks. An
 * interrupt that finds the byte set goes past the magazines, directly to the owner.
 * That costs it a lock, and happens as rarely as an interrupt hits a stretch of ten
 * instructions. In return there is no atomic instruction, and interrupts stay on. The same
 * byte serves NMIs.
 *
 * Others' magazines
 *
 * To collect what the CPUs hold, magazines must be taken away from CPUs that are
 * running, idle or offline. xmag_shut() leads the fast path to magazines that are busy
 * for ever. After an RCU grace period each operation that was between enter and leave
 * has left, and those that come find the other ones. From then on, until xmag_unshut(),
 * every operation goes past the magazines, and xmag_drain_closed() may empty them. No
 * interprocessor call is needed, and none can find a CPU busy. The fast path loads a
 * pointer that it needs anyway.
 *
 * Shutting is counted, so several callers may want it, each for a time; it costs no sleep,
 * and one grace period serves as many owners as were shut before it. xmag_set_closed()
 * leaves them closed for longer, and empty: for an owner that may not keep anything in
 * them, or must see every object that is freed.
 *
 * Watched owners
 *
 * An owner that has more to do for an operation than the fast path knows calls
 * xmag_close_for() with XMAG_WATCHED. Then the fast path is led to the busy magazines for ever, and
 * the slow path uses the own ones as always. What only some owners need costs the
 * others nothing.
 *
 * Parking
 *
 * A watcher that gives back what is unused must know when there is something again, and the
 * fast path has no instruction to spare for telling it. So the watcher parks magazines that
 * were not used for a while: they are emptied, and the fast path is led to the busy ones.
 * The next operation fails there, takes the slow path, finds that the magazines are parked,
 * leads the fast path back and tells the watcher. It is the only one that pays.
 *
 * Locks: gate protects where the fast path is led and why. The mutex draining keeps two tasks
 * from emptying the same magazines; neither the owner's client nor the system's
 * allocator is called under it. depot->lock is that of the depot; see mag/depot.c.
 */
#include <linux/cpuhotplug.h>
#include <linux/export.h>
#include <linux/prefetch.h>
#include <linux/rcupdate.h>

#include "mag/mag.h"

DEFINE_PER_CPU(struct xmag_cpu, xmag_closed) = { .busy = true };

static int xmag_hotplug_state;

/*
 * The magazines of a CPU that was entered
 */

static void set_loaded(struct xmag *mag, struct xmag_cpu *cpu, void **magazine,
		       unsigned int nr)
{
	cpu->bottom = magazine;
	cpu->end = magazine + mag->size;
	cpu->top = magazine + nr;
}

/* The loaded magazine is empty or full, as the previous one always is. */
static void swap_magazines(struct xmag *mag, struct xmag_cpu *cpu)
{
	bool full = xmag_is_full(cpu);
	void **loaded = cpu->bottom;

	set_loaded(mag, cpu, cpu->previous, cpu->previous_full ? mag->size : 0);
	cpu->previous = loaded;
	cpu->previous_full = full;
}

/* A magazine that another CPU used: have its lines come all at once. */
static void prefetch_magazine(struct xmag *mag, void **magazine)
{
	unsigned int i;

	for (i = 0; i < mag->size; i += L1_CACHE_BYTES / sizeof(void *))
		prefetchw(&magazine[i]);
}

/* Have a loaded magazine that is not empty. Returns false if there is none. */
static bool load(struct xmag *mag, struct xmag_cpu *cpu)
{
	struct xmag_slow *slow = this_cpu_ptr(mag->slow);
	void **magazine = cpu->bottom;
	unsigned int nr;

	if (!xmag_is_empty(cpu))
		return true;
	if (cpu->previous_full) {
		swap_magazines(mag, cpu);
		return true;
	}
	slow->refills++;
	prefetchw(&mag->depot);	/* to lock it: the look would fetch it for reading */
	if (READ_ONCE(mag->depot.nr_full) && xmag_depot_swap_for_full(mag, &magazine)) {
		slow->depot_hits++;
		prefetch_magazine(mag, magazine);
		nr = mag->size;
	} else {
		nr = mag->ops->fill(mag, magazine, mag->size) ?:
		     xmag_depot_take_last(mag, magazine, mag->size);
	}
	set_loaded(mag, cpu, magazine, nr);
	return nr;
}

/*
 * Have a loaded magazine that is not full. If both are, the previous one is given
 * away, because what was freed last is what the caches still hold.
 */
static void unload(struct xmag *mag, struct xmag_cpu *cpu)
{
	struct xmag_slow *slow = this_cpu_ptr(mag->slow);

	if (!xmag_is_full(cpu))
		return;
	if (cpu->previous_full) {
		slow->flushes++;
		prefetchw(&mag->depot);	/* as in load() */
		if (xmag_depot_swap_for_empty(mag, &cpu->previous)) {
			slow->depot_hits++;
			prefetch_magazine(mag, cpu->previous);
		} else {
			mag->ops->drain(mag, cpu->previous, mag->size);
		}
		cpu->previous_full = false;
	}
	swap_magazines(mag, cpu);
}

/* Lead the fast paths to @cpus. */
static void set_routes(struct xmag *mag, struct xmag_cpu __percpu *cpus)
{
	lockdep_assert_held(&mag->gate);
	/* Pairs with xmag_try_alloc(): what was done to the magazines comes first. */
	smp_store_release(&mag->cpus, cpus);
	if (mag->route)
		smp_store_release(mag->route, cpus);	/* as with mag->cpus */
}

/*
 * Close the fast paths for @reason, until open_for(). XMAG_SHUT is counted. XMAG_WATCHED sends
 * every operation to the slow path, where the owner can do more; it is never opened for. Any
 * context but NMI.
 */
void xmag_close_for(struct xmag *mag, enum xmag_reason reason)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&mag->gate, flags);
	mag->nr_shut += reason == XMAG_SHUT;
	WRITE_ONCE(mag->closed_for, mag->closed_for | reason);
	set_routes(mag, &xmag_closed);
	raw_spin_unlock_irqrestore(&mag->gate, flags);
}

/* Undo xmag_close_for(). The fast paths are open when no other reason is left. */
static void open_for(struct xmag *mag, enum xmag_reason reason)
{
	/* Pairs with xmag_is_shut(). */
	smp_store_release(&mag->closed_for, mag->closed_for & ~reason);
	if (!mag->closed_for)
		set_routes(mag, mag->own);
}

/* The first operation on parked magazines. Any context, between enter and leave. */
noinline void xmag_unpark(struct xmag *mag)
{
	unsigned long flags;

	if (!xlock(&mag->gate, &flags))
		return;		/* the next operation does it */
	open_for(mag, XMAG_PARKED);
	raw_spin_unlock_irqrestore(&mag->gate, flags);
	xwatch_wake(mag->watch);
}
EXPORT_SYMBOL_FOR_KUNIT(xmag_unpark);

/* Like xmag_enter_slow(), but for an operation of a client: parked magazines wake. */
static __always_inline bool enter_to_use(struct xmag *mag, struct xmag_cpu **cpu)
{
	if (!xmag_enter_slow(mag, cpu))
		return false;
	if (unlikely(READ_ONCE(mag->closed_for) & XMAG_PARKED))
		xmag_unpark(mag);
	return true;
}

/* An object where the loaded magazine could not serve, or was not asked. */
noinline void *xmag_alloc_slow(struct xmag *mag)
{
	struct xmag_cpu *cpu;
	void *obj = NULL;

	/* The magazines may be in use by the context below, or closed. */
	if (!enter_to_use(mag, &cpu)) {
		this_cpu_inc(mag->slow->busy);
		if (!mag->ops->fill(mag, &obj, 1) && !xmag_depot_take_last(mag, &obj, 1))
			return NULL;
		this_cpu_inc(mag->slow->allocs);
		return obj;
	}
	if (load(mag, cpu)) {
		cpu->allocs++;
		obj = *--cpu->top;
	}
	xmag_leave(cpu);
	return obj;
}
EXPORT_SYMBOL_GPL(xmag_alloc_slow);

/* Give an object back where the loaded magazine could not take it. */
noinline void xmag_free_slow(struct xmag *mag, void *obj)
{
	struct xmag_cpu *cpu;

	if (!enter_to_use(mag, &cpu)) {
		this_cpu_inc(mag->slow->busy);
		mag->ops->drain(mag, &obj, 1);
		return;
	}
	unload(mag, cpu);
	*cpu->top++ = obj;
	xmag_leave(cpu);
}
EXPORT_SYMBOL_GPL(xmag_free_slow);

/*
 * The magazines of all CPUs
 */

/*
 * From now on operations go past the magazines, until as many calls of xmag_unshut().
 * After a grace period all of them do. Any context but NMI.
 */
void xmag_shut(struct xmag *mag)
{
	xmag_close_for(mag, XMAG_SHUT);
}

/* Let all CPUs have them again, unless another caller wants them to stay shut. */
void xmag_unshut(struct xmag *mag)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&mag->gate, flags);
	if (!--mag->nr_shut)
		open_for(mag, XMAG_SHUT);
	raw_spin_unlock_irqrestore(&mag->gate, flags);
}
EXPORT_SYMBOL_FOR_KUNIT(xmag_unshut);

/* Take the magazines away from all CPUs. May sleep; ends with xmag_unshut(). */
void xmag_close(struct xmag *mag)
{
	xmag_shut(mag);
	synchronize_rcu_expedited();
}
EXPORT_SYMBOL_FOR_KUNIT(xmag_close);

/* Empty the magazines of a CPU that does not use them now; returns the objects. */
static unsigned long drain_cpu(struct xmag *mag, struct xmag_cpu *cpu)
{
	unsigned long objs = cpu->top - cpu->bottom;

	mag->ops->drain(mag, cpu->bottom, objs);
	cpu->top = cpu->bottom;
	if (cpu->previous_full) {
		mag->ops->drain(mag, cpu->previous, mag->size);
		objs += mag->size;
	}
	cpu->previous_full = false;
	return objs;
}

/* Empty all magazines and the depot into the owner, while closed; returns the objects. */
unsigned long xmag_drain_closed(struct xmag *mag)
{
	unsigned long objs = 0;
	int cpu;

	mutex_lock(&mag->draining);
	WARN_ON_ONCE(!xmag_is_shut(mag));
	for_each_possible_cpu(cpu)
		objs += drain_cpu(mag, per_cpu_ptr(mag->own, cpu));
	objs += xmag_drain_depot(mag);
	mutex_unlock(&mag->draining);
	return objs;
}
EXPORT_SYMBOL_FOR_KUNIT(xmag_drain_closed);

/*
 * Keep the magazines closed and empty, so that every operation goes to the owner;
 * or end that. Several callers may want it, each for a time. May sleep.
 */
void xmag_set_closed(struct xmag *mag, bool closed)
{
	if (!closed) {
		xmag_unshut(mag);
		return;
	}
	xmag_close(mag);
	xmag_drain_closed(mag);
}

/* Empty all magazines and the depot into the owner. May sleep. */
void xmag_drain(struct xmag *mag)
{
	xmag_set_closed(mag, true);
	xmag_unshut(mag);
}

/* Empty all, and the next operation tells the watcher. May sleep. */
void xmag_park(struct xmag *mag)
{
	xmag_set_closed(mag, true);
	xmag_close_for(mag, XMAG_PARKED);
	xmag_unshut(mag);
}
EXPORT_SYMBOL_FOR_KUNIT(xmag_park);

/* Empty this CPU's magazines, unless they are in use or closed. Any context. */
unsigned long xmag_drain_here(struct xmag *mag)
{
	struct xmag_cpu *cpu;
	unsigned long objs;

	if (!xmag_enter_slow(mag, &cpu))
		return 0;
	objs = drain_cpu(mag, cpu);
	xmag_leave(cpu);
	return objs;
}
EXPORT_SYMBOL_FOR_KUNIT(xmag_drain_here);

/* Objects that all magazines together can hold. */
unsigned long xmag_capacity(const struct xmag *mag)
{
	return (2UL * num_possible_cpus() + mag->depot.nr) * mag->size;
}

/*
 * A CPU is gone: its full magazines go to the depot as they are. What is left,
 * a magazine that is not full at most when the depot has room, goes to the
 * owner, because the depot deals in whole magazines.
 */
static int xmag_cpu_dead(unsigned int nr, struct hlist_node *node)
{
	struct xmag *mag = hlist_entry(node, struct xmag, hotplug);
	struct xmag_cpu *cpu = per_cpu_ptr(mag->own, nr);

	mutex_lock(&mag->draining);
	preempt_disable();
	if (cpu->previous_full && xmag_depot_swap_for_empty(mag, &cpu->previous))
		cpu->previous_full = false;
	if (xmag_is_full(cpu))
		swap_magazines(mag, cpu);
	if (cpu->previous_full && xmag_depot_swap_for_empty(mag, &cpu->previous))
		cpu->previous_full = false;
	preempt_enable();
	drain_cpu(mag, cpu);
	mutex_unlock(&mag->draining);
	return 0;
}

/*
 * How full is the loaded magazine of a CPU that does not wait for us? Where it
 * changes magazines just now, the two pointers may not belong together.
 */
static unsigned long count_loaded(struct xmag *mag, const struct xmag_cpu *cpu)
{
	unsigned int tries;

	for (tries = 0; tries < 8; tries++) {
		void **bottom = READ_ONCE(cpu->bottom);
		unsigned long nr = READ_ONCE(cpu->top) - bottom;

		if (nr <= mag->size && bottom == READ_ONCE(cpu->bottom))
			return nr;
	}
	return 0;
}

/* What the magazines hold and did: exact when idle, near when not. */
void xmag_count(struct xmag *mag, struct xmag_count *count)
{
	int i;

	*count = (struct xmag_count){
		.depot = (unsigned long)READ_ONCE(mag->depot.nr_full) * mag->size,
	};
	for_each_possible_cpu(i) {
		const struct xmag_cpu *cpu = per_cpu_ptr(mag->own, i);
		const struct xmag_slow *slow = per_cpu_ptr(mag->slow, i);

		count->cpus += count_loaded(mag, cpu);
		count->cpus += READ_ONCE(cpu->previous_full) ? mag->size : 0;
		count->allocs += READ_ONCE(cpu->allocs) + READ_ONCE(slow->allocs);
		count->refills += READ_ONCE(slow->refills);
		count->flushes += READ_ONCE(slow->flushes);
		count->depot_hits += READ_ONCE(slow->depot_hits);
		count->busy += READ_ONCE(slow->busy);
	}
}
EXPORT_SYMBOL_FOR_KUNIT(xmag_count);

/*
 * Bring-up and tear-down
 */

static void deal_magazines(struct xmag *mag)
{
	void **slot = mag->slots;
	unsigned int i;
	int cpu;

	for (i = 0; i < mag->depot.nr; i++, slot += mag->size)
		mag->depot.magazines[i] = slot;
	for_each_possible_cpu(cpu) {
		struct xmag_cpu *own = per_cpu_ptr(mag->own, cpu);

		set_loaded(mag, own, slot, 0);
		own->previous = slot + mag->size;
		slot += 2 * mag->size;
	}
}

static void free_magazines(struct xmag *mag)
{
	free_percpu(mag->own);
	free_percpu(mag->slow);
	xmeta_free(mag->slots);
	xmeta_free(mag->depot.magazines);
}

/*
 * Magazines of @size objects, none in them, and a depot of @depot magazines.
 * May sleep. Returns 0 or -ENOMEM.
 */
int xmag_init(struct xmag *mag, const struct xmag_ops *ops, unsigned int size,
	      unsigned int depot)
{
	size_t magazine = size * sizeof(void *);
	size_t slots = (2 * num_possible_cpus() + depot) * magazine;
	size_t pointers = depot * sizeof(*mag->depot.magazines);
	int err = -ENOMEM;

	*mag = (struct xmag){ .ops = ops, .size = size };
	mutex_init(&mag->draining);
	raw_spin_lock_init(&mag->gate);
	raw_spin_lock_init(&mag->depot.lock);
	mag->depot.nr = depot;
	mag->own = alloc_percpu_gfp(struct xmag_cpu, XMETA_GFP);
	mag->cpus = mag->own;
	mag->slow = alloc_percpu_gfp(struct xmag_slow, XMETA_GFP);
	mag->slots = xmeta_alloc(slots);
	mag->depot.magazines = xmeta_alloc(pointers);
	if (!mag->own || !mag->slow || !mag->slots || !mag->depot.magazines)
		goto undo;
	mag->metadata = slots + pointers + num_possible_cpus() *
			(sizeof(struct xmag_cpu) + sizeof(struct xmag_slow));
	kmemleak_no_scan(mag->slots);	/* a client that freed an object has no pointer to it */
	deal_magazines(mag);
	err = cpuhp_state_add_instance_nocalls(xmag_hotplug_state, &mag->hotplug);
	if (!err)
		return 0;
undo:
	free_magazines(mag);
	return err;
}
EXPORT_SYMBOL_FOR_KUNIT(xmag_init);

/* A fast path finds the magazines at @route, as others do at &mag->cpus. Before they are used. */
void xmag_set_route(struct xmag *mag, struct xmag_cpu __percpu **route)
{
	mag->route = route;
	*route = mag->cpus;
}

/* They are parked, and @watch is told of the first operation. Before it. */
void xmag_set_watch(struct xmag *mag, struct xwatch *watch)
{
	mag->watch = watch;
	xmag_close_for(mag, XMAG_PARKED);
}
EXPORT_SYMBOL_FOR_KUNIT(xmag_set_watch);

/* The owner takes what is in the magazines first, or knows that it is nothing. */
void xmag_destroy(struct xmag *mag)
{
	cpuhp_state_remove_instance_nocalls(xmag_hotplug_state, &mag->hotplug);
	free_magazines(mag);
}
EXPORT_SYMBOL_FOR_KUNIT(xmag_destroy);

int xmag_subsys_init(void)
{
	xmag_hotplug_state = cpuhp_setup_state_multi(CPUHP_BP_PREPARE_DYN, "xalloc:dead",
						     NULL, xmag_cpu_dead);
	return min(xmag_hotplug_state, 0);
}

void xmag_subsys_exit(void)
{
	cpuhp_remove_multi_state(xmag_hotplug_state);
}
