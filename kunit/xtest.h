/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the test suites share: parameters, random numbers that can be repeated,
 * CPUs and time, arrays, statistics, objects by the array, and failures of the system's
 * allocator on demand.
 */
#ifndef _XALLOC_XTEST_H
#define _XALLOC_XTEST_H

#include <kunit/resource.h>
#include <kunit/test.h>
#include <linux/atomic.h>
#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include <xalloc/xpool.h>
#include <xalloc/xslab.h>

#include "../include/compat.h"
#include "pool/pool.h"

/* What xalloc exports for tests alone. */
MODULE_IMPORT_NS(XCOMPAT_FOR_KUNIT);

/* Old kernels do not have it, nor a limit of time that it would make longer. */
#ifndef KUNIT_CASE_SLOW
#define KUNIT_CASE_SLOW		KUNIT_CASE
#endif

/* Old kernels do not have it. */
#ifndef KUNIT_ARRAY_PARAM_DESC
#define KUNIT_ARRAY_PARAM_DESC(name, array, member)				\
	static void name##_desc(typeof((array)[0]) param[], char *desc)		\
	{									\
		strscpy(desc, param[0].member, KUNIT_PARAM_DESC_SIZE);		\
	}									\
	KUNIT_ARRAY_PARAM(name, array, name##_desc)
#endif

/*
 * Parameters
 *
 * Old kernels run the suites of a module before they look at its parameters.
 * The text is there by then, and still whole: it is cut into words when it is
 * looked at. So what stands in the text comes first, then the variable.
 *
 * Use: static unsigned long ops; module_param(...); n = xtest_param(ops).
 */
/* KASAN makes an operation about ten times as slow: divide large numbers. */
#define XTEST_SLOWER	(IS_ENABLED(CONFIG_KASAN) ? 10 : 1)

#define xtest_param(name) xtest_arg(#name, name)

static inline unsigned long xtest_arg(const char *name, unsigned long value)
{
	size_t len = strlen(name);
	const char *at = THIS_MODULE->args;

	for (; at && *at; at = strpbrk(at, " "), at = at ? at + 1 : NULL)
		if (!strncmp(at, name, len) && at[len] == '=')
			return memparse(at + len + 1, NULL);
	return value;
}

/*
 * How often a long loop goes round. All do in full on every kernel but the slowest.
 */
static unsigned long shorter = 1;
module_param(shorter, ulong, 0444);
MODULE_PARM_DESC(shorter, "what the longest loops are divided by");

static inline unsigned long xtest_rounds(unsigned long nr)
{
	return max(nr / max(xtest_param(shorter), 1UL), 1UL);
}

/*
 * Random numbers: the seed is printed, and can be given to repeat a run
 */
static unsigned long seed;
module_param(seed, ulong, 0444);
MODULE_PARM_DESC(seed, "seed of the random numbers; 0: a new one each time");

static inline void xtest_seed(struct kunit *test, struct rnd_state *rnd)
{
	unsigned long value = xtest_param(seed);

	while (!value)
		value = get_random_u32();
	prandom_seed_state(rnd, value);
	kunit_info(test, "seed=%lu repeats this run\n", value);
}

/* A number from 0 to @n - 1. */
static inline unsigned int xtest_below(struct rnd_state *rnd, unsigned int n)
{
	return (u64)prandom_u32_state(rnd) * n >> 32;
}

static inline void xtest_shuffle(struct rnd_state *rnd, void **objs, size_t nr)
{
	for (; nr > 1; nr--) {
		size_t with = xtest_below(rnd, nr);

		swap(objs[nr - 1], objs[with]);
	}
}

/*
 * CPUs, tasks and time
 */

/*
 * Stay on this CPU, for exact numbers: what the magazines of other CPUs keep is
 * not there for this one. The thread of a test ends with it.
 */
static inline int xtest_pin(void)
{
	return set_cpus_allowed_ptr(current, cpumask_of(raw_smp_processor_id()));
}

/* Have @work done by each CPU below @cpus, one after the other; returns the sum of its results. */
static inline long xtest_on_cpus(unsigned int cpus, long (*work)(void *arg), void *arg)
{
	unsigned int cpu;
	long sum = 0;

	cpus_read_lock();
	for_each_online_cpu(cpu)
		if (cpu < cpus)
			sum += work_on_cpu(cpu, work, arg);
	cpus_read_unlock();
	return sum;
}

/* The end of a thread's function: kthread_stop() needs the thread. */
static inline int xtest_stay(void)
{
	while (!kthread_should_stop())
		usleep_range(100, 1000);
	return 0;
}

/*
 * Wait for the other threads: all @nr of them call this equally often. @met is the caller's
 * own, and 0 at first. A wait is short unless a virtual CPU does not run: then those that
 * wait must leave the machine's CPUs to it.
 */
static inline void xtest_meet(atomic_t *arrived, unsigned int nr, unsigned int *met)
{
	unsigned int spins = 0;

	*met += nr;
	atomic_inc(arrived);
	while ((int)(atomic_read(arrived) - *met) < 0) {
		cpu_relax();
		if (++spins % 1024)
			continue;
		if (spins < 65536)
			yield();
		else
			usleep_range(20, 50);
	}
}

/* Does @condition come true within @ms? It is looked at again and again. */
#define xtest_soon(condition, ms)						\
({										\
	ktime_t _end = ktime_add_ms(ktime_get(), ms);				\
	bool _met;								\
										\
	while (!(_met = (condition)) && ktime_before(ktime_get(), _end))	\
		usleep_range(100, 500);						\
	_met;									\
})

/*
 * Room for an array, all zeroes, larger than kunit_kzalloc() has. It is freed after
 * the test, and after the exit of its suite.
 */
static inline int xtest_keep_room(struct kunit_resource *res, void *array)
{
	res->data = array;
	return 0;
}

static inline void xtest_free_room(struct kunit_resource *res)
{
	kvfree(res->data);
}

static inline void *xtest_room(struct kunit *test, size_t nr, size_t size)
{
	void *array = kvcalloc(nr, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, array);
	KUNIT_ASSERT_PTR_EQ(test, array,
			    kunit_alloc_resource(test, xtest_keep_room, xtest_free_room,
						 GFP_KERNEL, array));
	return array;
}

/*
 * Statistics. Not inline: their copies would fill the stack of a test, where KASAN keeps
 * them apart.
 */
static __maybe_unused struct xslab_stats cache_stats(struct xslab_cache *cache)
{
	struct xslab_stats stats;

	xslab_cache_stats(cache, &stats);
	return stats;
}

static __maybe_unused struct xpool_stats pool_stats(struct xpool *pool)
{
	struct xpool_stats stats;

	xpool_stats(pool, &stats);
	return stats;
}

/* Blocks of @order that the free ones can give. */
static inline u64 blocks_in(const struct xpool_stats *s, unsigned int order)
{
	u64 blocks = 0;
	unsigned int o;

	for (o = order; o < XBUDDY_NR_ORDERS; o++)
		blocks += s->free_blocks[o] << (o - order);
	return blocks;
}

/*
 * A request that did not sleep has failed, and a worker gathers for the next one: what is on its
 * way is counted twice or not at all. Another worker brings it a region. Wait until they are
 * through.
 */
static inline void xtest_wait_gathered(struct xpool *pool)
{
	irq_work_sync(&pool->gather.soon);
	flush_work(&pool->gather.work);
	if (!pool->grow)
		return;
	irq_work_sync(&pool->grow->soon);
	flush_work(&pool->grow->work);
}

static __maybe_unused unsigned long cache_pages(struct xslab_cache *cache)
{
	struct xslab_stats s = cache_stats(cache);

	return (s.slabs << s.slab_order) - s.holes;
}

/*
 * Objects by the array, each allocated and freed on its own
 */
static inline void xtest_take(struct kunit *test, struct xslab_cache *cache, void **objs,
			      size_t nr, gfp_t gfp)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		objs[i] = xslab_cache_alloc(cache, gfp);
		if (!objs[i])
			KUNIT_ASSERT_TRUE_MSG(test, false, "no object %zu", i);
	}
}

/* All that there are, of objects or of blocks of pages, but @most; returns how many. */
static inline unsigned long xtest_take_all(struct xslab_cache *cache, void **objs,
					   unsigned long most, gfp_t gfp)
{
	unsigned long nr = 0;

	while (nr < most && (objs[nr] = xslab_cache_alloc(cache, gfp)))
		nr++;
	return nr;
}

static inline unsigned long xtest_take_blocks(struct xpool *pool, unsigned int order,
					      void **addr, unsigned long most, gfp_t gfp)
{
	unsigned long nr = 0;

	while (nr < most && (addr[nr] = xpool_alloc_addr(pool, order, gfp)))
		nr++;
	return nr;
}

static inline void xtest_give(struct kunit *test, struct xslab_cache *cache, void **objs,
			      size_t nr)
{
	int err = 0;
	size_t i;

	for (i = 0; i < nr; i++)
		err |= xslab_cache_free(cache, objs[i]);
	KUNIT_ASSERT_EQ(test, err, 0);
}

/* What an object holds while it is held, and what after it. */
#define XTEST_DEAD	0xdeadUL

static inline unsigned long xtest_mark(const void *obj)
{
	return (unsigned long)obj ^ 0x5ca1ab1e0ddba115UL;
}

/*
 * Failures on demand: the n-th time from now on that this task asks the system
 * for memory, it gets none. What is left of n is what tells whether it asked.
 */
#define XTEST_NEVER	1000000U	/* more requests than any test makes */

#ifdef CONFIG_FAULT_INJECTION
static inline void xtest_fail_nth(unsigned int n)
{
	WRITE_ONCE(current->fail_nth, n);
}

/* Back to normal; returns what was left of n: 0 if the request failed. */
static inline unsigned int xtest_fail_end(void)
{
	unsigned int left = READ_ONCE(current->fail_nth);

	WRITE_ONCE(current->fail_nth, 0);
	return left;
}
#else
static inline void xtest_fail_nth(unsigned int n)
{
}

static inline unsigned int xtest_fail_end(void)
{
	return XTEST_NEVER;
}
#endif

static inline bool xtest_counts_pages(gfp_t gfp)
{
	struct page *page;
	unsigned int left;

	xtest_fail_nth(XTEST_NEVER);
	page = alloc_page(gfp);
	left = xtest_fail_end();
	if (page)
		__free_page(page);
	return left < XTEST_NEVER;
}

/* kmemleak asks the system for a record of each object that a client has. */
static inline void xtest_need_no_records(struct kunit *test)
{
	if (IS_ENABLED(CONFIG_DEBUG_KMEMLEAK))
		kunit_skip(test, "kmemleak asks the system for each object");
}

static inline bool xtest_counts_kmalloc(gfp_t gfp)
{
	unsigned int left;
	void *mem;

	xtest_fail_nth(XTEST_NEVER);
	mem = kmalloc(64, gfp);
	left = xtest_fail_end();
	kfree(mem);
	return left < XTEST_NEVER;
}

/* Skip a test of failures where this kernel would not make them. */
static inline void xtest_need_failures(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_FAULT_INJECTION))
		kunit_skip(test, "needs CONFIG_FAULT_INJECTION");
	if (!xtest_counts_kmalloc(GFP_KERNEL))
		kunit_skip(test, "needs failslab/ignore-gfp-wait = N");
	if (!xtest_counts_pages(GFP_KERNEL))
		kunit_skip(test, "needs fail_page_alloc/ignore-gfp-wait = N, min-order = 0");
	if (!xtest_counts_pages(GFP_KERNEL | __GFP_HIGHMEM))
		kunit_skip(test, "needs fail_page_alloc/ignore-gfp-highmem = N");
}

#endif
