/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The magazines of a CPU, as far as fast paths know them, which clients have inline.
 * Not for clients to use: see xslab.h. The theory is at the top of xmag.c.
 */
#ifndef _XALLOC_XMAG_H
#define _XALLOC_XMAG_H

#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/types.h>

/**
 * struct xmag_cpu - the magazines of one CPU; all that a hit touches
 * @bottom: the loaded magazine; it is empty when @top is here
 * @end: its end; it is full when @top is here
 * @previous: the magazine that was loaded before
 * @previous_full: 1: @previous is full; 0: it is empty
 * @busy: an operation of this CPU is under way
 * @top: where the next object of the loaded magazine goes
 * @allocs: objects handed out by way of this CPU's magazines
 *
 * Each operation writes the last three. No operation on objects reads another line at the
 * offset at which these lie in theirs: CPUs that guess from the lower 12 bits of an address
 * whether a load needs the value of an earlier store would wait for it. (Intel calls it 4
 * KiB aliasing; batches take a quarter longer with it.)
 */
struct xmag_cpu {
	void			**bottom;
	void			**end;
	void			**previous;
	unsigned long		previous_full;
	bool			busy;
	void			**top;
	unsigned long		allocs;
} ____cacheline_aligned;

/*
 * This CPU's part of per-CPU memory, for code that is not preempted. On x86-64 it
 * is reached through a segment register, so the CPU's offset need not be added.
 * Instrumentation of memory accesses does not know that.
 */
#if defined(CONFIG_X86_64) && !defined(CONFIG_UML) && defined(CONFIG_SMP) && \
	defined(__SEG_GS) && !defined(CONFIG_KASAN) && !defined(CONFIG_KCSAN) && \
	!defined(CONFIG_KMSAN) && !defined(__CHECKER__)
#define xmag_here_t	struct xmag_cpu __seg_gs
#define xmag_here(cpus)	((xmag_here_t *)(unsigned long)(cpus))
#else
#define xmag_here_t	struct xmag_cpu
#define xmag_here(cpus)	this_cpu_ptr(cpus)
#endif

/* Enter the magazines of this CPU, with preemption off, and find *@top of the loaded one. */
static __always_inline bool xmag_try_enter(xmag_here_t *cpu, void ***top)
{
	if (unlikely(cpu->busy))
		return false;
	cpu->busy = true;
	barrier();
	*top = cpu->top;
	return true;
}

static __always_inline bool xmag_try_leave(xmag_here_t *cpu, bool done)
{
	barrier();
	cpu->busy = false;
	return done;
}

/*
 * Take an object of the loaded magazine. Returns false where xmag_alloc_slow() knows more.
 * With preemption off; the caller puts it on again when all else is done, because little
 * need then be kept over the call that this may be. @pages: no statistic says how many
 * there were, so they are not counted.
 *
 * The caller that closes the magazines waits until this CPU can be preempted, so an old
 * value of @cpus is fine.
 */
static __always_inline bool xmag_try_alloc(struct xmag_cpu __percpu * const *cpus,
					   void **obj, bool pages)
{
	xmag_here_t *cpu = xmag_here(READ_ONCE(*cpus));
	void **top;

	if (unlikely(!xmag_try_enter(cpu, &top)))
		return false;
	if (unlikely(top == cpu->bottom))
		return xmag_try_leave(cpu, false);
	if (!pages)
		cpu->allocs++;
	*obj = top[-1];
	barrier();	/* in place it is shorter than from a register */
	cpu->top--;
	return xmag_try_leave(cpu, true);
}

/* Returns false if the loaded magazine is full or not ours; see xmag_free_slow(). */
static __always_inline bool xmag_try_free(struct xmag_cpu __percpu * const *cpus, void *obj)
{
	xmag_here_t *cpu = xmag_here(READ_ONCE(*cpus));
	void **top;

	if (unlikely(!xmag_try_enter(cpu, &top)))
		return false;
	if (unlikely(top == cpu->end))
		return xmag_try_leave(cpu, false);
	*top = obj;
	barrier();	/* as in xmag_try_alloc() */
	cpu->top++;
	return xmag_try_leave(cpu, true);
}

#endif
